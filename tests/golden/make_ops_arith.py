"""Goldens of tests/ops/arith.lua."""
import torch
from common import Goldens

g = Goldens("ops_arith")
r = torch.randn


def away(*shape):
    """Numbers away from 0, for divisors."""
    x = r(*shape)
    return x + torch.sign(x) * 0.5


a, b = r(2, 3, 4), r(2, 3, 4)
row, column, outer = r(4), r(3, 1), r(2, 1, 1)
for name, f in [("add", torch.add), ("sub", torch.sub), ("mul", torch.mul)]:
    g.case(name, f, a, b)
    g.case(name + "_row", f, a, row)
    g.case(name + "_column", f, column, a)
    g.case(name + "_both", f, outer, r(3, 4))
g.case("div", torch.div, a, away(2, 3, 4))
g.case("div_row", torch.div, a, away(4))
g.case("div_both", torch.div, outer, away(3, 4))
g.case("add_number", lambda x: x + 1.5, a)
g.case("sub_number", lambda x: x - 1.5, a)
g.case("number_sub", lambda x: 1.5 - x, a)
g.case("mul_number", lambda x: x * -2.5, a)
g.case("div_number", lambda x: x / 3, a)
g.case("number_div", lambda x: 3 / x, away(3, 4))
g.case("neg", torch.neg, a)
g.case("pow", torch.pow, r(3, 4).abs() + 0.2, r(3, 4))
g.case("pow_row", torch.pow, r(3, 4).abs() + 0.2, r(4))
for name, p in [("2", 2), ("3", 3), ("half", 0.5), ("inverse", -1), ("fraction", 1.7)]:
    g.case("pow_" + name, lambda x: x ** p, r(3, 4).abs() + 0.2)
g.case("number_pow", lambda x: 2 ** x, r(3, 4))
g.case("maximum", torch.maximum, a, b)
g.case("minimum", torch.minimum, a, row)
g.case("maximum_number", lambda x: torch.maximum(x, torch.tensor(0.25)), a)
g.case("maximum_equal", torch.maximum, torch.tensor([1., 2, 3]), torch.tensor([1., 3, 2]))
g.case("remainder", lambda x, y: torch.remainder(x, y), r(4, 5) * 3, away(5), needs=[0])
g.case("remainder_i64", torch.remainder, torch.tensor([7, -7, 7, -7, 0]), torch.tensor([3, 3, -3, -3, 5]))
n = torch.tensor([float("nan"), 1, float("inf"), -2, 0])
m = torch.tensor([1., 1, 2, -2, float("nan")])
ints, more = torch.tensor([[1, 2, 3], [4, 5, 2 ** 40 + 1]]), torch.tensor([1, 5, 2 ** 40])
for name in ["eq", "ne", "lt", "le", "gt", "ge"]:
    f = getattr(torch, name)
    g.case(name, f, n, m)
    g.case(name + "_i64", f, ints, more)
    g.case(name + "_number", lambda x: f(x, 0.5), a)
t, f2 = torch.tensor([True, True, False, False]), torch.tensor([True, False, True, False])
g.case("logical_and", torch.logical_and, t, f2)
g.case("logical_or", torch.logical_or, t, f2)
g.case("logical_xor", torch.logical_xor, t, f2)
g.case("logical_not", torch.logical_not, t)
g.case("where", torch.where, a > 0, a, b)
g.case("where_row", torch.where, r(4) > 0, column, a)
g.case("where_number", lambda c, x: torch.where(c, x, -1.0), a > 0, a)
g.case("where_condition", torch.where, a > 0, r(4), r(1))
g.case("where_i64", torch.where, t, torch.tensor([1, 2, 3, 2 ** 60 + 1]), torch.tensor([5]))
g.case("masked_fill", lambda x, c: x.masked_fill(c, -7.5), a, torch.rand(3, 4) > 0.5)
g.case("lerp", lambda x, y: torch.lerp(x, y, 0.3), a, b)
g.case("sum_to", lambda x: x.sum((0, 2), keepdim=True).reshape(3, 1), a)
g.case("add_i64", torch.add, ints, more)
g.case("mixed", torch.mul, ints.int(), torch.tensor([True, False, True]))
g.case("bf16", lambda x, y: x * y + x, r(3, 8).bfloat16(), r(8).bfloat16(), grad=False)
g.save()
