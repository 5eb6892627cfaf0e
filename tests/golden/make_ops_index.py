"""Goldens of tests/ops/index.lua."""
import torch
import torch.nn.functional as F
from common import Goldens

g = Goldens("ops_index")
x = torch.randn(3, 4, 5)
ids = lambda high, *shape: torch.randint(0, high, shape)
g.case("gather_1", lambda x, i: x.gather(0, i), x, ids(3, 2, 4, 3))
g.case("gather_2", lambda x, i: x.gather(1, i), x, ids(4, 3, 7, 5))
g.case("gather_3", lambda x, i: x.gather(2, i), x, ids(5, 3, 2, 6))
g.case("gather_i64", lambda x, i: x.gather(0, i), torch.arange(6) * 2 ** 40, ids(6, 4))
g.case("scatter_add_1", lambda x, i, s: x.scatter_add(0, i, s), x, ids(3, 6, 4, 5), torch.randn(6, 4, 5))
g.case("scatter_add_3", lambda x, i, s: x.scatter_add(2, i, s), x, ids(5, 3, 4, 8), torch.randn(3, 4, 8))
g.case("index_select_1", lambda x, i: x.index_select(0, i), x, ids(3, 5))
g.case("index_select_3", lambda x, i: x.index_select(2, i), x, ids(5, 7))
g.case("index_select_bool", lambda x, i: x.index_select(0, i), torch.tensor([True, False, True]), ids(3, 5))
g.case("index_add", lambda x, i, s: x.index_add(1, i, s), x, ids(4, 6), torch.randn(3, 6, 5))
g.case("embedding", lambda i, w: F.embedding(i, w), ids(7, 2, 3), torch.randn(7, 4))
g.case("embedding_padding", lambda i, w: F.embedding(i, w, padding_idx=2),
       torch.tensor([[2, 1, 2], [0, 3, 1]]), torch.randn(4, 5))
g.case("take", lambda x, i: x.take(i), x, ids(60, 2, 4))
mask = torch.rand(3, 4, 5) > 0.5
g.case("masked_select", lambda x, m: x.masked_select(m), x, mask)
g.case("masked_select_row", lambda x, m: x.masked_select(m), x, torch.tensor([True, False, True, True, False]))
g.case("nonzero", lambda x: x.nonzero(), mask)
g.case("one_hot", lambda i: F.one_hot(i, 6), ids(6, 2, 3))
g.save()
