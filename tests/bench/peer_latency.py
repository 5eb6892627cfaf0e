"""The peer of latency.lua: PyTorch's best of eager and compiled, with one thread and with all."""
import sys

import timing
import torch
from musician_models import MODELS, frames

RUNS = int(sys.argv[1]) if len(sys.argv) > 1 else 2000


def measure(name, way):
    mode, threads = way.split("_")[:2]
    torch.set_num_threads(int(threads))
    model, x = MODELS[name]().eval(), frames(name, 1)
    if mode == "compile":
        model = torch.compile(model)
    with torch.inference_mode():
        for _ in range(50):
            model(x)
        return timing.median(lambda: model(x), RUNS)


cores = torch.get_num_threads()
ways = [f"{mode}_{threads}_threads" for mode in timing.WAYS for threads in sorted({1, cores})]
for name in MODELS:
    seconds, way = timing.best(lambda way: measure(name, way), ways)
    timing.result(f"latency_{name}", seconds, f"torch_{torch.__version__}_{way}")
