"""The peer of recurrent.lua: torch.nn.LSTM and GRU (eager; compiling leaves them as they are)."""
import sys

import timing
import torch
from torch import nn
from torch.nn import functional as F

RUNS = int(sys.argv[1]) if len(sys.argv) > 1 else 15


def measure(name, cls, N, I, H, **options):
    torch.manual_seed(1)
    model = cls(I, H, batch_first=True, **options)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    x = torch.randn(N, 128, I)
    target = torch.randn(N, 128, H * (2 if options.get("bidirectional") else 1))

    def step():
        loss = F.mse_loss(model(x)[0], target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    timing.result(name, timing.median(step, RUNS), f"torch_{torch.__version__}_{torch.get_num_threads()}_thread")


measure("lstm", nn.LSTM, 32, 128, 256)
measure("lstm_bidirectional", nn.LSTM, 16, 80, 128, num_layers=2, bidirectional=True)
measure("gru", nn.GRU, 32, 128, 256)
measure("gru_bidirectional", nn.GRU, 16, 80, 128, num_layers=2, bidirectional=True)
