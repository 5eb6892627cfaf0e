"""Reference values for tests/ops/pool.lua."""
import torch
import torch.nn.functional as F
from common import Goldens

g = Goldens("ops_pool")
r = torch.randn
g.case("max_pool1d", lambda x: F.max_pool1d(x, 3, 2, 1), r(2, 5, 11))
g.case("max_pool1d_dilated", lambda x: F.max_pool1d(x, 3, 1, 1, 2), r(2, 17, 12))
g.case("max_pool2d", lambda x: F.max_pool2d(x, 3, 2, 1), r(2, 18, 9, 8))
g.case("max_pool2d_uneven", lambda x: F.max_pool2d(x, (2, 3), (1, 2), (1, 0)), r(2, 3, 7, 8))
g.case("max_pool2d_nan", lambda x: F.max_pool2d(x, 2),
       torch.tensor([1, float("nan"), 3, 4, 5, 6, 7, 8.0]).reshape(1, 1, 2, 4), grad=False)
g.case("avg_pool1d", lambda x: F.avg_pool1d(x, 4, 2, 1), r(2, 5, 11))
g.case("avg_pool2d", lambda x: F.avg_pool2d(x, 3, 2, 1), r(2, 18, 9, 8))
g.case("avg_pool2d_exclude", lambda x: F.avg_pool2d(x, (3, 2), (2, 1), (1, 1), False, False),
       r(2, 3, 7, 8))
g.case("adaptive_avg_pool1d", lambda x: F.adaptive_avg_pool1d(x, 4), r(2, 5, 11))
g.case("adaptive_avg_pool2d", lambda x: F.adaptive_avg_pool2d(x, (3, 5)), r(2, 18, 7, 8))
g.case("global_avg", lambda x: F.adaptive_avg_pool2d(x, 1), r(3, 20, 5, 6))
g.case("adaptive_max_pool1d", lambda x: F.adaptive_max_pool1d(x, 3), r(2, 5, 11))
g.case("adaptive_max_pool2d", lambda x: F.adaptive_max_pool2d(x, (3, 2)), r(2, 4, 7, 9))
g.case("max_pool2d_ceil", lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True), r(2, 3, 8, 10))
g.case("avg_pool2d_ceil", lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True), r(2, 3, 8, 10))
g.save()
