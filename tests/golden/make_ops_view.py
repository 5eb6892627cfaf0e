"""Goldens of tests/ops/view.lua."""
import torch
from common import Goldens

g = Goldens("ops_view")
x = torch.randn(2, 3, 4)
g.case("reshape", lambda x: x.reshape(6, 4), x)
g.case("flatten", lambda x: x.flatten(1), x)
g.case("permute", lambda x: x.permute(2, 0, 1), x)
g.case("transpose", lambda x: x.transpose(0, 2), x)
g.case("narrow", lambda x: x.narrow(1, 1, 2), x)
g.case("select", lambda x: x.select(1, 2), x)
g.case("slice", lambda x: x[:, :, 1:4:2], x)
g.case("expand", lambda x: x.expand(3, 2, 4), torch.randn(2, 1))
g.case("contiguous", lambda x: x.transpose(0, 1).contiguous(), x)
g.case("clone", lambda x: x.clone(), x)
g.case("squeeze", lambda x: x.squeeze(1), torch.randn(2, 1, 3))
g.case("unsqueeze", lambda x: x.unsqueeze(1), torch.randn(2, 3))
g.case("bf16", lambda x: x.to(torch.bfloat16).float(), x)
g.save()
