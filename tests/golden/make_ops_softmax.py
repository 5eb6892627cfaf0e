"""Goldens of tests/ops/softmax.lua."""
import torch
from common import Goldens

g = Goldens("ops_softmax")
x = torch.randn(3, 4, 17) * 3
for d in range(3):
    g.case(f"softmax{d + 1}", lambda x: torch.softmax(x, d), x)
    g.case(f"log_softmax{d + 1}", lambda x: torch.log_softmax(x, d), x)
big = torch.tensor([[1e4, 1e4 + 1, -1e4], [-1e4, -1e4, -1e4 - 2]])
g.case("large", lambda x: torch.softmax(x, 1), big)
g.case("large_log", lambda x: torch.log_softmax(x, 1), big)
g.case("masked", lambda x: torch.softmax(x, 1), torch.tensor([[0.5, -torch.inf, 1], [-torch.inf, 2, 3]]))
g.save()
