"""Reference values for tests/ops/conv.lua."""
import torch
import torch.nn.functional as F
from common import Goldens

g = Goldens("ops_conv")
r = torch.randn
g.case("conv1d", lambda x, w, b: F.conv1d(x, w, b, 2, 3, 2), r(2, 4, 19), r(6, 4, 5), r(6))
g.case("conv1d_depthwise", lambda x, w, b: F.conv1d(x, w, b, 1, 7, 1, 20), r(2, 20, 33),
       r(20, 1, 15), r(20))
g.case("conv1d_depthwise_strided", lambda x, w: F.conv1d(x, w, None, 2, 2, 3, 5), r(2, 5, 17),
       r(5, 1, 4))
g.case("conv2d", lambda x, w, b: F.conv2d(x, w, b, 1, 1), r(2, 3, 6, 7), r(4, 3, 3, 3), r(4))
g.case("conv2d_strided", lambda x, w: F.conv2d(x, w, None, (2, 1), (3, 1), (1, 2)), r(2, 3, 9, 8),
       r(4, 3, 7, 3))
g.case("conv2d_groups", lambda x, w, b: F.conv2d(x, w, b, 2, 1, 1, 2), r(2, 4, 7, 6), r(6, 2, 3, 3),
       r(6))
g.case("conv2d_depthwise", lambda x, w, b: F.conv2d(x, w, b, (2, 1), (1, 2), 1, 18), r(2, 18, 7, 12),
       r(18, 1, 3, 5), r(18))
g.case("pointwise", lambda x, w, b: F.conv2d(x, w, b), r(2, 5, 4, 3), r(7, 5, 1, 1), r(7))
g.case("conv2d_square", lambda x, w: F.conv2d(x, w, None, 1, 1), r(2, 32, 7, 10), r(32, 32, 3, 3) / 16)
g.case("conv_transpose1d", lambda x, w, b: F.conv_transpose1d(x, w, b, 3, 2, 1, 1, 2), r(2, 4, 7),
       r(4, 5, 4), r(5))
g.case("conv_transpose2d", lambda x, w, b: F.conv_transpose2d(x, w, b, (2, 1), 1, (1, 0), 2),
       r(2, 4, 4, 5), r(4, 3, 3, 4), r(6))
g.case("conv_transpose2d_plain", lambda x, w: F.conv_transpose2d(x, w), r(1, 3, 4, 4), r(3, 2, 3, 3))
g.save()
