"""A random ResNet-18 with torchvision's names: resnet18_peer.py FOLDER writes resnet18.safetensors (weights),
x.safetensors (input x, logits y) and prints {}. torchvision itself is used where it is installed."""
import sys

import torch
from safetensors.torch import save_file

sys.path.insert(0, "tests/golden")
try:
    from torchvision.models import resnet18
    model = resnet18()
except Exception:  # not installed, or made for another torch
    from make_nn import ResNet18
    model = ResNet18(3, 1000)

torch.manual_seed(3)
for name, t in model.state_dict().items():
    if name.endswith(("running_mean", "bn1.bias", "bn2.bias")):
        t.copy_(0.1 * torch.randn_like(t))
    elif name.endswith("running_var"):
        t.copy_(0.5 + torch.rand_like(t))
x = torch.randn(2, 3, 224, 224)
with torch.no_grad():
    y = model.eval()(x)
save_file(model.state_dict(), sys.argv[1] + "/resnet18.safetensors")
save_file({"x": x, "y": y}, sys.argv[1] + "/x.safetensors")
print("{}")
