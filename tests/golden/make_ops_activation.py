"""Goldens of tests/ops/activation.lua."""
import torch
import torch.nn.functional as F
from common import Goldens

g = Goldens("ops_activation")
x = torch.randn(3, 4, 5) * 2
positive = torch.rand(3, 7) * 3 + 0.1
away = x + torch.sign(x) * 0.2
for name in ["exp", "expm1", "square", "sin", "cos", "erf", "tanh", "sigmoid"]:
    g.case(name, getattr(torch, name), x)
for name in ["log", "log1p", "sqrt", "rsqrt", "reciprocal"]:
    g.case(name, getattr(torch, name), positive)
g.case("abs", torch.abs, away)
g.case("relu", F.relu, away)
g.case("relu_zero", F.relu, torch.tensor([0.0, -1.0, 2.0]))
g.case("silu", F.silu, x)
g.case("log_sigmoid", F.logsigmoid, x * 20)
g.case("hardsigmoid", F.hardsigmoid, x * 2)
g.case("gelu", F.gelu, x)
g.case("gelu_tanh", lambda x: F.gelu(x, approximate="tanh"), x)
g.case("leaky_relu", lambda x: F.leaky_relu(x, 0.1), away)
g.case("elu", lambda x: F.elu(x, 0.7), away)
g.case("softplus", F.softplus, x * 8)
g.case("softplus_beta", lambda x: F.softplus(x, 2.0, 3.0), x)
g.case("clamp", lambda x: x.clamp(-1, 0.5), x)
g.case("clamp_low", lambda x: x.clamp(min=-1), x)
g.case("clamp_i64", lambda x: x.clamp(2, 5), torch.arange(8))
g.case("hardtanh", F.hardtanh, x)
g.case("prelu", F.prelu, x, torch.tensor([0.1, 0.2, -0.3, 0.4]))
g.case("prelu_one", F.prelu, x, torch.tensor([0.25]))
g.case("glu", F.glu, torch.randn(3, 2, 6))
g.case("glu_channels", lambda x: F.glu(x, 1), torch.randn(2, 4, 5))
g.case("sign", torch.sign, away)
for name in ["floor", "ceil"]:
    g.case(name, getattr(torch, name), x)
g.case("round", torch.round, torch.tensor([0.5, 1.5, 2.5, -0.5, -1.2, 3.7]))
special = torch.tensor([0.0, float("nan"), float("inf"), float("-inf"), 1e38])
for name in ["isnan", "isinf", "isfinite"]:
    g.case(name, getattr(torch, name), special)
for name in ["relu", "gelu", "silu", "sigmoid", "tanh"]:
    g.case(name + "_bf16", getattr(F, name) if name in ("relu", "gelu", "silu") else getattr(torch, name),
           torch.randn(3, 33).bfloat16(), grad=False)
g.save()
