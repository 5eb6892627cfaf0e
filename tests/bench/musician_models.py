"""The five models of a musician's plugin in PyTorch, for the peers of latency.lua and musician.lua."""
import torch
from torch import nn


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


MODELS = {
    "emotion": lambda: Recurrent(dense([128, 512, 256], [nn.Tanh()] * 2), nn.LSTM(256, 128), dense([128, 64], [nn.Tanh()])),
    "melody": lambda: Recurrent(dense([64, 256], [nn.ReLU()]), nn.LSTM(256, 256),
                                dense([256, 256, 128], [nn.ReLU(), nn.Sigmoid()])),
    "harmony": lambda: nn.Sequential(*dense([128, 256, 128, 64], [nn.Tanh(), nn.Tanh(), nn.Softmax(-1)])),
    "dynamics": lambda: nn.Sequential(*dense([32, 128, 64, 16], [nn.ReLU(), nn.ReLU(), nn.Sigmoid()])),
    "groove": lambda: nn.Sequential(*dense([64, 128, 64, 32], [nn.Tanh()] * 3)),
}
SIZES = {"emotion": (128, 64), "melody": (64, 128), "harmony": (128, 64), "dynamics": (32, 16), "groove": (64, 32)}


def frames(name, count):
    """Random frames as the model takes them: an LSTM's as sequences (one frame, count, inputs)."""
    x = torch.randn(count, SIZES[name][0])
    return x.unsqueeze(0) if name in ("emotion", "melody") else x
