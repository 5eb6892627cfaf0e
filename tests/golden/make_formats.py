"""Makes formats.safetensors: one tensor of each dtype, written by the reference implementation."""

import pathlib

import torch
from safetensors.torch import save_file

torch.manual_seed(0)
tensors = {
    "a.weight": torch.randn(3, 4),
    "a.bias": torch.randn(3),
    "n": torch.tensor(5),
    "h": torch.randn(5).half(),
    "b": torch.randn(2, 2).bfloat16(),
    "u": torch.arange(7, dtype=torch.uint8),
    "m": torch.tensor([True, False]),
    "i": torch.arange(3, dtype=torch.int32),
    "d": torch.randn(2).double(),
    'é"\n': torch.zeros(0, 3),
}
save_file(tensors, pathlib.Path(__file__).parent / "formats.safetensors", {"format": "pt"})
