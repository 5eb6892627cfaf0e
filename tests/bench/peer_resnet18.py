"""PyTorch's ResNet-18 training step, the peer of resnet18.lua.

  python peer_resnet18.py                                      f32 and bf16, the faster of eager and compile
  python peer_resnet18.py f32|bf16 eager|compile [--steps N] [--threads N] [--profile]

One input channel, 1000 classes, batch (32, 1, 128, 173), channels_last, AdamW (fused where this PyTorch has
it for the CPU), cross-entropy. Prints the median seconds a step and the peak resident memory; each way runs
in a process of its own, so that its memory is its own.
"""
import argparse
import re
import resource
import statistics
import subprocess
import sys
import time

import torch
from torch import nn
import torch.nn.functional as F


class BasicBlock(nn.Module):
    def __init__(self, inputs, channels, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = None
        if stride != 1 or inputs != channels:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, channels, 1, stride, bias=False),
                                            nn.BatchNorm2d(channels))

    def forward(self, x):
        identity = x if self.downsample is None else self.downsample(x)
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        return F.relu(y + identity, inplace=True)


class ResNet18(nn.Module):
    def __init__(self, channels=1, classes=1000):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        blocks, inputs = [], 64
        for width, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
            blocks += [BasicBlock(inputs, width, stride), BasicBlock(width, width, 1)]
            inputs = width
        self.layers = nn.Sequential(*blocks)
        self.fc = nn.Linear(512, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.max_pool2d(x, 3, 2, 1)
        x = self.layers(x)
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


def best_of_both(dtype):
    """Runs both ways in fresh processes and prints the lines of the faster."""
    best = None
    for mode in ("eager", "compile"):
        run = subprocess.run([sys.executable, __file__, dtype, mode], capture_output=True, text=True)
        lines = [line for line in run.stdout.splitlines() if line.startswith("RESULT")]
        if not lines:  # no compiler on this machine: eager remains
            print(f"{dtype} {mode}: {run.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
            continue
        seconds = float(re.search(r"value=(\S+)", lines[0]).group(1))
        print(f"{dtype} {mode} {seconds:.4f} s", file=sys.stderr)
        if best is None or seconds < best[0]:
            best = (seconds, lines)
    for line in best[1] if best else []:
        print(line)


def main():
    if len(sys.argv) == 1:
        best_of_both("f32")
        best_of_both("bf16")
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("dtype", nargs="?", default="f32", choices=["f32", "bf16"])
    parser.add_argument("mode", nargs="?", default="eager", choices=["eager", "compile"])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--profile", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    model = ResNet18().to(memory_format=torch.channels_last)
    x = torch.randn(32, 1, 128, 173).to(memory_format=torch.channels_last)
    target = torch.randint(0, 1000, (32,))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)

    def objective():
        with torch.autocast("cpu", torch.bfloat16, enabled=args.dtype == "bf16"):
            return F.cross_entropy(model(x), target)

    run = torch.compile(objective) if args.mode == "compile" else objective

    def step():
        optimizer.zero_grad()
        loss = run()
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(3):
        step()
    times = []
    for _ in range(args.steps):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    if args.profile:
        with torch.profiler.profile() as prof:
            step()
        print(prof.key_averages().table(sort_by="self_cpu_time_total", row_limit=25))
    name = "resnet18_" + args.dtype
    print(f"RESULT name={name} value={statistics.median(times):.6f} unit=s torch_{torch.__version__}_{args.mode}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"RESULT name={name}_memory value={peak:.1f} unit=MiB torch_{torch.__version__}_{args.mode}")


main()
