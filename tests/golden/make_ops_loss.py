"""Goldens of tests/ops/loss.lua."""
import torch
import torch.nn.functional as F
from common import Goldens

g = Goldens("ops_loss")
x = torch.randn(6, 5) * 2
y = torch.tensor([0, 4, -100, 2, 1, 2])
w = torch.rand(5) + 0.5
x3, y3 = torch.randn(2, 5, 3, 4), torch.randint(0, 5, (2, 3, 4))
y3[0, 1, 2] = -100
for reduction in ("mean", "sum", "none"):
    g.case(f"ce_{reduction}", lambda x, y: F.cross_entropy(x, y, reduction=reduction), x, y)
    g.case(f"ce_smooth_{reduction}",
           lambda x, y: F.cross_entropy(x, y, label_smoothing=0.1, reduction=reduction), x, y)
    g.case(f"ce_all_{reduction}",
           lambda x, y: F.cross_entropy(x, y, w, label_smoothing=0.2, reduction=reduction), x, y)
    g.case(f"ce_spatial_{reduction}",
           lambda x, y: F.cross_entropy(x, y, w, label_smoothing=0.2, reduction=reduction), x3, y3)
    q = torch.softmax(torch.randn(6, 5), 1)
    g.case(f"ce_soft_{reduction}",
           lambda x: F.cross_entropy(x, q, w, label_smoothing=0.1, reduction=reduction), x)
    g.case(f"nll_{reduction}", lambda x, y: F.nll_loss(x, y, w, reduction=reduction), x, y)
    g.put(f"ce_soft_{reduction}.q", q)
g.put("w", w)
g.case("ce_ignore", lambda x, y: F.cross_entropy(x, y, ignore_index=2), x, torch.tensor([0, 4, 3, 2, 1, 2]))
g.case("ce_single", lambda x: F.cross_entropy(x, torch.tensor(3)), torch.randn(5))
q3 = torch.softmax(torch.randn(2, 5, 3, 4), 1)
g.case("ce_soft_spatial", lambda x: F.cross_entropy(x, q3), x3)
g.put("ce_soft_spatial.q", q3)

a, b = torch.randn(4, 7), torch.randn(4, 7)
a[0, 0] = b[0, 0] = 0.25
we = torch.rand(4, 7)
pw = torch.rand(7) * 3
p, t = torch.rand(4, 7), torch.rand(4, 7)
p[0, :2] = torch.tensor([0.0, 1.0])
t[1, :2] = torch.tensor([0.0, 1.0])
lp = torch.log_softmax(torch.randn(4, 7), 1)
for reduction in ("mean", "sum", "none"):
    k = dict(reduction=reduction)
    g.case(f"mse_{reduction}", lambda a, b: F.mse_loss(a, b, **k), a, b)
    g.case(f"l1_{reduction}", lambda a, b: F.l1_loss(a, b, **k), a, b)
    g.case(f"smooth_l1_{reduction}", lambda a, b: F.smooth_l1_loss(a, b, beta=0.7, **k), a, b)
    g.case(f"huber_{reduction}", lambda a, b: F.huber_loss(a, b, delta=0.7, **k), a, b)
    g.case(f"bce_{reduction}", lambda p: F.binary_cross_entropy(p, t, we, **k), p)
    g.case(f"bcel_{reduction}", lambda a: F.binary_cross_entropy_with_logits(
        a, t, we, pos_weight=pw, **k), a * 4)
    g.case(f"kl_{reduction}", lambda a: F.kl_div(a, t, **k), lp)
    g.case(f"kl_log_{reduction}", lambda a: F.kl_div(a, b, log_target=True, **k), lp)
g.case("bcel_plain", lambda a: F.binary_cross_entropy_with_logits(a, t), a * 30)
g.case("kl_batchmean", lambda a: F.kl_div(a, t, reduction="batchmean"), lp)
g.case("smooth_l1_zero", lambda a: F.smooth_l1_loss(a, b, beta=0.0), a)
for name, value in dict(t=t, we=we, pw=pw, b=b).items():
    g.put(name, value)
g.save()
