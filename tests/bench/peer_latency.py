"""The peer of latency.lua: PyTorch's best of eager and compiled, with one thread and with all."""
import sys

import timing
import torch
from torch import nn

RUNS = int(sys.argv[1]) if len(sys.argv) > 1 else 2000


class Recurrent(nn.Module):
    def __init__(self, before, lstm, after):
        super().__init__()
        self.before, self.lstm, self.after = nn.Sequential(*before), lstm, nn.Sequential(*after)

    def forward(self, x):
        return self.after(self.lstm(self.before(x))[0])


def dense(sizes, activations):
    layers = []
    for n, m, activation in zip(sizes, sizes[1:], activations):
        layers += [nn.Linear(n, m), activation]
    return layers


models = {
    "emotion": lambda: Recurrent(dense([128, 512, 256], [nn.Tanh()] * 2), nn.LSTM(256, 128), dense([128, 64], [nn.Tanh()])),
    "melody": lambda: Recurrent(dense([64, 256], [nn.ReLU()]), nn.LSTM(256, 256),
                                dense([256, 256, 128], [nn.ReLU(), nn.Sigmoid()])),
    "harmony": lambda: nn.Sequential(*dense([128, 256, 128, 64], [nn.Tanh(), nn.Tanh(), nn.Softmax(-1)])),
    "dynamics": lambda: nn.Sequential(*dense([32, 128, 64, 16], [nn.ReLU(), nn.ReLU(), nn.Sigmoid()])),
    "groove": lambda: nn.Sequential(*dense([64, 128, 64, 32], [nn.Tanh()] * 3)),
}


def measure(name, way):
    mode, threads = way.split("_")[:2]
    torch.set_num_threads(int(threads))
    model = models[name]().eval()
    n = next(model.parameters()).shape[1]
    x = torch.randn(1, 1, n) if name in ("emotion", "melody") else torch.randn(1, n)
    if mode == "compile":
        model = torch.compile(model)
    with torch.inference_mode():
        for _ in range(50):
            model(x)
        return timing.median(lambda: model(x), RUNS)


cores = torch.get_num_threads()
ways = [f"{mode}_{threads}_threads" for mode in timing.WAYS for threads in sorted({1, cores})]
for name in models:
    seconds, way = timing.best(lambda way: measure(name, way), ways)
    timing.result(f"latency_{name}", seconds, f"torch_{torch.__version__}_{way}")
