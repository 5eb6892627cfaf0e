"""Reference values for op tests, computed by PyTorch and stored as safetensors.

    g = Goldens("ops_activation")
    g.case("leaky_relu", lambda x: F.leaky_relu(x, 0.1), torch.randn(3, 5))
    g.save()

A case stores its inputs (x1, x2, ...), outputs (y or y1, y2, ...), the gradient fed in (dy...) and
the gradients of the float inputs (dx1, ...). Weights that are not inputs can be passed as inputs.
"""
import os

import torch
from safetensors.torch import save_file

torch.manual_seed(0)


class Goldens:
    def __init__(self, name):
        self.name, self.tensors = name, {}

    def case(self, name, function, *inputs, grad=True, needs=None):
        """needs: 0-based indices of the inputs that get a gradient (default: all float ones)."""
        leaves = []
        for i, x in enumerate(inputs):
            x = x.detach().clone()
            wants = grad and x.is_floating_point() and (needs is None or i in needs)
            leaves.append(x.requires_grad_(wants))
            self.put(f"{name}.x{i + 1}", x)
        ys = function(*leaves)
        ys = ys if isinstance(ys, (tuple, list)) else (ys,)
        self.results(name, ys, leaves)

    def results(self, name, ys, leaves):
        total = 0
        for i, y in enumerate(ys):
            suffix = "" if len(ys) == 1 else str(i + 1)
            self.put(f"{name}.y{suffix}", y)
            if y.is_floating_point() and y.requires_grad:
                dy = torch.randn_like(y)
                self.put(f"{name}.dy{suffix}", dy)
                total = total + (y * dy).sum()
        if not isinstance(total, int):
            total.backward()
            for i, x in enumerate(leaves):
                if x.grad is not None:
                    self.put(f"{name}.dx{i + 1}", x.grad)

    def put(self, key, tensor):
        self.tensors[key] = tensor.detach().clone().contiguous()

    def save(self):
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), self.name + ".safetensors")
        save_file(self.tensors, path)
        print(path, os.path.getsize(path), "bytes")
