"""Goldens of tests/ops/lstm.lua and gru.lua: torch.nn.LSTM and GRU, weights as inputs."""
import torch
from common import Goldens

kinds = {
    "one": dict(),
    "batch_first": dict(batch_first=True),
    "no_bias": dict(bias=False),
    "bidirectional": dict(bidirectional=True),
    "layers": dict(num_layers=2),
    "all": dict(num_layers=2, bidirectional=True, batch_first=True),
}
T, N, I, H = 5, 3, 4, 6
for name, module in (("lstm", torch.nn.LSTM), ("gru", torch.nn.GRU)):
    g = Goldens("ops_" + name)
    for kind, options in kinds.items():
        net = module(I, H, **options)
        names = [n for n, _ in net.named_parameters()]
        x = torch.randn(N, T, I) if options.get("batch_first") else torch.randn(T, N, I)
        states = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
        first = [torch.randn(states, N, H) for _ in range(2 if name == "lstm" else 1)]

        def run(x, *rest):
            h, w = rest[:len(first)], rest[len(first):]
            given = (h[0], h[1]) if name == "lstm" else h[0]
            y, last = torch.func.functional_call(net, dict(zip(names, w)), (x, given))
            return (y, *last) if name == "lstm" else (y, last)

        g.case(kind, run, x, *first, *[p.detach() * 1.5 for p in net.parameters()])
    net = module(I, 33)
    g.case("long", lambda x, *w: torch.func.functional_call(
        net, dict(zip([n for n, _ in net.named_parameters()], w)), (x,))[0], torch.randn(17, 11, I),
        *[p.detach() for p in net.parameters()])
    g.save()
