"""Goldens of tests/ops/attention.lua."""
import torch
import torch.nn.functional as F
from common import Goldens

g = Goldens("ops_attention")
sdpa = F.scaled_dot_product_attention
q, k, v = (torch.randn(2, 3, 7, 8) for _ in range(3))
k2, v2 = torch.randn(2, 3, 11, 8), torch.randn(2, 3, 11, 8)
g.case("plain", sdpa, q, k, v)
g.case("causal", lambda q, k, v: sdpa(q, k, v, is_causal=True), q, k, v)
g.case("cross", lambda q, k, v: sdpa(q, k, v, scale=0.7), q, k2, v2)
g.case("cross_causal", lambda q, k, v: sdpa(q, k, v, is_causal=True), q, k2, v2)
keep = torch.rand(2, 1, 7, 11) > 0.4
keep[0, 0, 3] = False
g.case("mask_bool", lambda q, k, v, m: sdpa(q, k, v, m), q, k2, v2, keep)
add = torch.randn(7, 11)
add[:, 4] = -torch.inf
g.case("mask_float", lambda q, k, v, m: sdpa(q, k, v, m), q, k2, v2, add, needs=(0, 1, 2))
pad = torch.zeros(2, 11, dtype=torch.bool)
pad[0, 6:] = True
pad[1, :2] = True
g.case("padding", lambda q, k, v, p: sdpa(q, k, v, ~p[:, None, None]), q, k2, v2, pad)
big = torch.tril(torch.ones(70, 300, dtype=torch.bool), 120)
g.case("blocks", lambda q, k, v, m: sdpa(q, k, v, m), torch.randn(1, 1, 70, 4),
       torch.randn(1, 1, 300, 4), torch.randn(1, 1, 300, 4), big)
g.case("blocks_causal", lambda q, k, v: sdpa(q, k, v, is_causal=True),
       *(torch.randn(1, 1, 300, 5) for _ in range(3)))
g.case("large_scores", lambda q, k, v: sdpa(q, k, v, scale=30.0), q, k, v)
g.case("packed", lambda x: sdpa(*(x[:, :, i].transpose(1, 2) for i in range(3))).transpose(1, 2),
       torch.randn(2, 6, 3, 2, 20))
g.case("packed_causal", lambda x: sdpa(*(x[:, :, i].transpose(1, 2) for i in range(3)),
                                       is_causal=True).transpose(1, 2), torch.randn(2, 6, 3, 2, 4))
g.save()
