"""Reference values for tests/ops/matmul.lua and tests/ops/linear.lua."""
import torch
import torch.nn.functional as F
from common import Goldens

g = Goldens("ops_matmul")
r = torch.randn
g.case("matmul", torch.matmul, r(7, 5), r(5, 9))
g.case("batched", torch.matmul, r(3, 4, 5), r(3, 5, 6))
g.case("broadcast_right", torch.matmul, r(2, 3, 4, 5), r(5, 6))
g.case("broadcast_left", torch.matmul, r(4, 5), r(3, 5, 6))
g.case("broadcast_both", torch.matmul, r(2, 1, 4, 5), r(1, 3, 5, 2))
g.case("vector_left", torch.matmul, r(5), r(5, 6))
g.case("vector_right", torch.matmul, r(3, 4, 5), r(5))
g.case("vectors", torch.matmul, r(5), r(5))
g.case("transposed", lambda a, b: a.transpose(0, 1) @ b.transpose(1, 2), r(5, 7), r(2, 9, 5))
g.case("permuted", lambda a, b: a.permute(0, 2, 1, 3) @ b.permute(0, 2, 3, 1), r(2, 6, 3, 4),
       r(2, 5, 3, 4))
g.case("wide", torch.matmul, r(65, 70), r(70, 33))
g.case("bf16", lambda a, b: (a.bfloat16() @ b.bfloat16()).float(), r(16, 24), r(24, 8))
g.save()

g = Goldens("ops_linear")
g.case("linear", F.linear, r(4, 5), r(3, 5), r(3))
g.case("no_bias", F.linear, r(2, 3, 5), r(4, 5))
g.case("vector", F.linear, r(5), r(4, 5), r(4))
for name, f in {"relu": F.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "gelu": F.gelu,
                "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "silu": F.silu}.items():
    g.case(name, lambda x, w, b: f(F.linear(x, w, b)), r(6, 5), r(7, 5), r(7))
g.case("many_rows", lambda x, w, b: F.gelu(F.linear(x, w, b)), r(1100, 3), r(5, 3), r(5))
g.save()
