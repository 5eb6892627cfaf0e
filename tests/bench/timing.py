"""What the peers share: medians of runs, the better of PyTorch's two ways, and the lines that bench.lua reads."""
import re
import statistics
import subprocess
import sys
import time

WAYS = ("eager", "compile")


def median(f, runs=11):
    """Seconds of f(): the median of `runs`, after three that do not count."""
    times = []
    for _ in range(runs + 3):
        start = time.perf_counter()
        f()
        times.append(time.perf_counter() - start)
    return statistics.median(times[3:])


def training_step(forward, optimizer, runs):
    """Seconds of a step that minimises forward(): the median of `runs`, after some to warm up."""
    def step():
        loss = forward()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    for _ in range(20):
        step()
    return median(step, runs)


def result(name, seconds, note=""):
    print(f"RESULT name={name} value={seconds:.9f} unit=s {note}", flush=True)


def best(measure, ways):
    """(seconds, way) of the fastest way; measure(way) gives seconds. Ways that fail are told and left out."""
    found = []
    for way in ways:
        try:
            found.append((measure(way), way))
        except Exception as problem:  # no compiler on this machine: the others remain
            print(f"{way}: {problem}", file=sys.stderr)
            continue
        print(f"{way}: {found[-1][0] * 1e3:.3f} ms", file=sys.stderr)
    return min(found, key=lambda pair: pair[0])


def each(script, *arguments, options=()):
    """Runs `script ... eager` and `script ... compile`, each in a process of its own; prints the faster one's lines."""
    def run(way):
        done = subprocess.run([sys.executable, script, *arguments, way, *map(str, options)], capture_output=True, text=True)
        lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
        if not lines:
            raise RuntimeError(done.stderr.strip().splitlines()[-1:])
        printed[way] = lines
        return float(re.search(r"value=(\S+)", lines[0]).group(1))

    printed = {}
    _, way = best(run, WAYS)
    print("\n".join(printed[way]), flush=True)
