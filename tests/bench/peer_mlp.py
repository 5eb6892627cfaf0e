"""The peer of mlp.lua: PyTorch's best of eager and compiled, with one thread and with all."""
import timing
import torch
from torch import nn
from torch.nn import functional as F


def measure(way):
    mode, threads = way.split("_")[:2]
    torch.set_num_threads(int(threads))
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(128, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(),
                          nn.Linear(128, 64))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    x, target = torch.randn(64, 128), torch.randint(0, 64, (64,))
    forward = lambda: F.cross_entropy(model(x), target)
    if mode == "compile":
        forward = torch.compile(forward)
    return timing.training_step(forward, optimizer, 1500)


cores = torch.get_num_threads()
ways = [f"{mode}_{threads}_threads" for mode in timing.WAYS for threads in sorted({1, cores})]
seconds, way = timing.best(measure, ways)
timing.result("mlp", seconds, f"torch_{torch.__version__}_{way}")
