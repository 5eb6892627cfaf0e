"""The peer of musician.lua: PyTorch eager and compiled, each with one thread or with all, the better."""
import timing
import torch
from torch.nn import functional as F

from musician_models import MODELS, SIZES, frames

LOSSES = {"emotion": F.mse_loss, "melody": F.binary_cross_entropy, "dynamics": F.mse_loss, "groove": F.mse_loss,
          "harmony": lambda y, target: F.kl_div((y + 1e-8).log(), target, reduction="batchmean")}


def targets(name, x):
    y = x @ (torch.randn(SIZES[name]) / SIZES[name][0] ** 0.5)
    return y.softmax(-1) if name == "harmony" else (y > 1).float() if name == "melody" else y.sigmoid()


def measure(name, way):
    mode, threads = way.split("_")[:2]
    torch.set_num_threads(int(threads))
    torch.manual_seed(1)
    model, x = MODELS[name](), frames(name, 64)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    y = targets(name, x)
    forward = lambda: LOSSES[name](model(x), y)
    if mode == "compile":
        forward = torch.compile(forward)
    return timing.training_step(forward, optimizer, 1000)


cores = torch.get_num_threads()
for name in MODELS:
    for mode in timing.WAYS:
        ways = [f"{mode}_{threads}_threads" for threads in sorted({1, cores})]
        seconds, way = timing.best(lambda way: measure(name, way), ways)
        suffix = "_compiled" if mode == "compile" else ""
        timing.result(f"musician_{name}{suffix}", seconds, f"torch_{torch.__version__}_{way}")
