"""PyTorch's own printing of tensors: the texts that lt.show is held against.

Writes print.json: a list of {name, dtype, shape, values, text}; values are exact (doubles, or texts for
what JSON does not carry). Run with a Python that has torch:  python make_print.py
"""
import json
import math
import os

import torch

NAMES = {torch.float32: "f32", torch.float64: "f64", torch.bfloat16: "bf16", torch.float16: "f16",
         torch.int64: "i64", torch.int32: "i32", torch.uint8: "u8", torch.bool: "bool"}
cases = []


def value(v):
    if isinstance(v, bool):
        return int(v)
    if isinstance(v, float) and not math.isfinite(v):
        return str(v)
    if isinstance(v, int) and abs(v) > 2**53:
        return str(v)
    return v


def case(name, t, **options):
    torch.set_printoptions(profile="default")
    if options:
        torch.set_printoptions(**options)
    flat = [value(v) for v in t.reshape(-1).tolist()]
    cases.append({"name": name, "dtype": NAMES[t.dtype], "shape": list(t.shape), "values": flat,
                  "text": str(t), "options": options})


g = torch.Generator().manual_seed(5)
r = lambda *s: torch.randn(*s, generator=g)
case("scalar", torch.tensor(3.14159))
case("whole scalar", torch.tensor(7.0))
case("vector", r(5))
case("matrix", r(3, 4))
case("three dimensions", r(2, 3, 4))
case("four dimensions", r(2, 2, 2, 3))
case("whole", torch.tensor([1.0, -20.0, 300.0]))
case("whole and zero", torch.tensor([0.0, 2.0]))
case("zeros", torch.zeros(2, 3))
case("negative zero", torch.tensor([-0.0, 0.0, 1.5]))
case("nan", torch.tensor([float("nan"), 1.0, 2.5]))
case("inf whole", torch.tensor([float("inf"), -float("inf"), 1.0, 200.0]))
case("only not finite", torch.tensor([float("nan"), float("inf"), -float("inf")]))
case("zero and inf", torch.tensor([0.0, float("inf")]))
case("ratio of exactly 1000", torch.tensor([0.5, 500.0]))
case("ratio above 1000", torch.tensor([0.5, 501.0]))
case("whole, ratio above 1000", torch.tensor([1.0, 2000.0]))
case("large whole", torch.tensor([1e8, 2e8]))
case("largest plain", torch.tensor([100000000.0, 50000000.0]))
case("just above 1e8", torch.tensor([100000008.0]))
case("small", torch.tensor([1e-4, 2e-4]))
case("smaller", torch.tensor([0.9e-4, 2e-4]))
case("mixed signs and exponents", torch.tensor([1e-10, -1e10, float("nan"), 0.0, -float("inf")]))
case("wraps", r(40))
case("wraps whole", torch.arange(100.0))
case("wide rows", r(2, 30))
case("elided vector", torch.arange(1001.0))
case("not elided", torch.arange(1000.0))
case("elided matrix", r(30, 40))
case("elided, few rows", r(2, 510))
case("elided, few columns", r(510, 2))
case("elided, three dimensions", r(7, 12, 13))
case("elided, four dimensions", r(8, 2, 7, 11))
case("elided hides the largest", torch.cat([torch.full((500,), 0.5), torch.tensor([1e9]), torch.full((600,), 0.25)]))
case("f64", r(2, 2).double())
case("bf16", r(2, 3).bfloat16())
case("f16", r(2, 3).half())
case("i64", torch.tensor([[1, -22], [333, 4]]))
case("i64 beyond doubles", torch.tensor([9007199254740993, -9223372036854775808, 9223372036854775807]))
case("i32", torch.tensor([1, -2, 3], dtype=torch.int32))
case("u8", torch.tensor([0, 255, 7], dtype=torch.uint8))
case("bool", torch.tensor([[True, False], [False, True]]))
case("bool false", torch.tensor([False, False]))
case("elided i64", torch.arange(1200).reshape(30, 40))
case("elided bool", torch.arange(1200).reshape(30, 40) % 3 == 0)
case("one element", torch.tensor([[0.123456789]]))
case("ones in a row", torch.ones(1, 1, 3))
case("precision 2", r(2, 3), precision=2)
case("threshold 5", r(3, 8), threshold=5)
case("edge items 1", r(30, 40), edgeitems=1)
case("line width 40", r(2, 12), linewidth=40)
case("exponents wanted", r(2, 3), sci_mode=True)
case("exponents refused", torch.tensor([1e-6, 1e6, 0.5]), sci_mode=False)
case("short", r(26, 40), profile="short")

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "print.json"), "w") as f:
    json.dump(cases, f)
