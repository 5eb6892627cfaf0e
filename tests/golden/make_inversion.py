"""Goldens of tests/recipes/inversion_spec.lua: torchvision's ResNet-18 and the masked loss, by PyTorch."""
import os

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from make_nn import ResNet18, noise

here = os.path.dirname(os.path.abspath(__file__))
out = {}

# ---- torchvision's ResNet-18: 3 channels, 1000 classes; every number by a formula both sides know ----
model = ResNet18(3, 1000)
with torch.no_grad():
    for k, (name, t) in enumerate(sorted(model.state_dict().items())):
        if name.endswith("num_batches_tracked"):
            continue
        n = noise(t.numel(), k + 1).reshape(t.shape)
        if t.dim() > 1:
            t.copy_((3 / t[0].numel()) ** 0.5 * n)
        else:
            t.copy_(1 + 0.3 * n if name.endswith(("weight", "running_var")) else 0.2 * n)
    x = noise(2 * 3 * 96 * 80, 0).reshape(2, 3, 96, 80).float()
    out["resnet18.logits"] = model.eval().double()(x.double()).float()

# ---- the loss, entry by entry ----
# Continuous a..f, categorical on (switch), shape (needs on), inner (a switch that needs on), rest (not learnable).
torch.manual_seed(5)
B = 6
options = [2, 4, 3, 2]
learnable_c, learnable_k = [1, 1, 1, 0, 1, 1], [1, 1, 1, 0]
needs_c = [[], [0], [2, 0], [], [0], []]   # what must be on, nested switches spelled out
needs_k = [[], [0], [0], []]
importance = torch.tensor([1.0, 0.5, 2.0, 1.0, 0.25, 1.5])
found = torch.rand(B, 6, requires_grad=True)
wanted = torch.rand(B, 6)
classes = torch.stack([torch.randint(0, k, (B,)) for k in options], 1)
classes[0, 0], classes[1, 0], classes[1, 2], classes[2, 0], classes[2, 2] = 0, 1, 0, 1, 2
scores = [torch.randn(B, k, requires_grad=True) for k in options]


def parts(masked):
    c = torch.zeros(())
    k = torch.zeros(())
    for i in range(B):
        for j in range(6):
            on = all(classes[i, s] > 0 for s in needs_c[j]) and learnable_c[j]
            if on or not masked:
                c = c + importance[j] * (found[i, j] - wanted[i, j]) ** 2
        for j in range(4):
            on = all(classes[i, s] > 0 for s in needs_k[j]) and learnable_k[j]
            if on or not masked:
                k = k - F.log_softmax(scores[j][i], 0)[classes[i, j]]
    weights = sum(w for w, l in zip(importance.tolist(), learnable_c) if l or not masked)
    heads = sum(1 for l in learnable_k if l or not masked)
    return c / (B * weights), k / (B * heads)


c, k = parts(True)
(c + 0.5 * k).backward()
out["loss.parts"] = torch.stack([c, k])
out["loss.unmasked"] = torch.stack(parts(False))
out["loss.found"], out["loss.wanted"], out["loss.classes"] = found, wanted, classes
out["loss.importance"], out["loss.dfound"] = importance, found.grad
for j, s in enumerate(scores):
    out[f"loss.scores{j + 1}"] = s
    if s.grad is not None:
        out[f"loss.dscores{j + 1}"] = s.grad
out = {name: t.detach().contiguous() for name, t in out.items()}
save_file(out, os.path.join(here, "inversion.safetensors"))
