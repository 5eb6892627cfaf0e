"""Reference values for tests/ops/norm.lua."""
import torch
import torch.nn.functional as F
from common import Goldens

g = Goldens("ops_norm")
r = torch.randn


def batch_norm(x, w, b, relu=False, residual=None):
    y = F.batch_norm(x, None, None, w, b, True)
    y = y if residual is None else y + residual
    return F.relu(y) if relu else y


g.case("batch_norm", batch_norm, r(9, 5) + 3, r(5), r(5))
g.case("batch_norm_1d", batch_norm, r(3, 6, 7) * 2 - 50, r(6), r(6))
g.case("batch_norm_2d", batch_norm, r(3, 19, 4, 5), r(19), r(19))
g.case("batch_norm_relu", lambda x, w, b: batch_norm(x, w, b, True), r(3, 20, 4, 5), r(20), r(20))
g.case("batch_norm_residual", lambda x, w, b, z: batch_norm(x, w, b, False, z), r(2, 16, 3, 3), r(16),
       r(16), r(2, 16, 3, 3))
g.case("batch_norm_residual_relu", lambda x, w, b, z: batch_norm(x, w, b, True, z), r(2, 18, 3, 3),
       r(18), r(18), r(2, 18, 3, 3))
g.case("batch_norm_plain", lambda x: F.batch_norm(x, None, None, None, None, True), r(4, 3, 5))
g.case("batch_norm_eval", lambda x, w, b, m, v: F.batch_norm(x, m, v, w, b, False), r(3, 6, 7), r(6),
       r(6), r(6), torch.rand(6) + 0.5, needs=(0, 1, 2))


def running(x, m, v):
    m, v = m.clone(), v.clone()
    y = F.batch_norm(x, m, v, None, None, True, 0.3)
    return y, m, v


g.case("batch_norm_running", running, r(4, 6, 7) + 1, r(6), torch.rand(6) + 0.5, grad=False)
g.case("layer_norm", lambda x, w, b: F.layer_norm(x, (21,), w, b), r(4, 5, 21) + 2, r(21), r(21))
g.case("layer_norm_two", lambda x, w, b: F.layer_norm(x, (4, 8), w, b, 1e-3), r(3, 4, 8), r(4, 8),
       r(4, 8))
g.case("layer_norm_plain", lambda x: F.layer_norm(x, (32,)), r(70, 32))
g.case("group_norm", lambda x, w, b: F.group_norm(x, 3, w, b), r(2, 18, 4, 5) + 1, r(18), r(18))
g.case("group_norm_one", lambda x: F.group_norm(x, 1), r(3, 6, 7))
g.case("instance_norm", lambda x, w, b: F.instance_norm(x, weight=w, bias=b), r(2, 5, 9), r(5), r(5))
g.save()
