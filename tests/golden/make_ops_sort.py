"""Goldens of tests/ops/sort.lua."""
import torch
from common import Goldens

g = Goldens("ops_sort")
x = torch.randn(3, 4, 5)
both = lambda r: (r.values, r.indices)
g.case("sort", lambda x: both(x.sort(stable=True)), x)
g.case("sort_first", lambda x: both(x.sort(dim=0, descending=True, stable=True)), x)
ties = torch.tensor([3., 1, 3, 2, 1, -0.0, 0.0, 3])
g.case("ties", lambda x: both(x.sort(stable=True)), ties)
g.case("ties_descending", lambda x: both(x.sort(descending=True, stable=True)), ties)
special = torch.tensor([1., float("nan"), float("-inf"), float("inf"), -2, float("nan")])
g.case("special", lambda x: both(x.sort(stable=True)), special, grad=False)
g.case("special_descending", lambda x: both(x.sort(descending=True, stable=True)), special, grad=False)
g.case("long", lambda x: both(x.sort(dim=1, stable=True)), torch.randint(-50, 50, (2, 500)) * 0.5)
g.case("i64", lambda x: both(x.sort(stable=True)), torch.tensor([5, -3, 2 ** 40, -2 ** 50, 5]))
g.case("u8", lambda x: both(x.sort(descending=True, stable=True)), torch.randint(0, 9, (70,)).byte())
g.case("argsort", lambda x: x.argsort(dim=1, stable=True), x)
g.case("topk", lambda x: both(x.topk(3)), x)
g.case("topk_first", lambda x: both(x.topk(2, dim=0)), x)
g.case("topk_smallest", lambda x: both(x.topk(2, dim=1, largest=False)), x)
g.save()
