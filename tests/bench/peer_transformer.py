"""The peer of transformer.lua: PyTorch's better of eager and compiled."""
import timing
import torch
from torch import nn
from torch.nn import functional as F


def measure(way):
    torch.manual_seed(1)
    model = nn.TransformerEncoderLayer(256, 8, 1024, batch_first=True).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    x, target = torch.randn(16, 512, 256), torch.randn(16, 512, 256)
    forward = lambda: F.mse_loss(model(x), target)
    if way == "compile":
        forward = torch.compile(forward)

    def step():
        loss = forward()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    return timing.median(step)


seconds, way = timing.best(measure, timing.WAYS)
timing.result("transformer", seconds, f"torch_{torch.__version__}_{way}")
