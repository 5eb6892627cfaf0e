"""The peer of decoder.lua: torch.nn.TransformerDecoder, the better of eager and compiled."""
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

BATCH, LENGTH, WIDTH, WORDS = 8, 512, 256, 1212


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerDecoderLayer(WIDTH, 8, 1024, 0.1, "gelu", batch_first=True, norm_first=True)
        self.decoder = nn.TransformerDecoder(layer, 4, nn.LayerNorm(WIDTH))
        self.embedding, self.output = nn.Embedding(WORDS, WIDTH), nn.Linear(WIDTH, WORDS)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(LENGTH))

    def forward(self, tokens, memory, targets):
        y = self.decoder(self.embedding(tokens), memory, tgt_mask=self.mask, tgt_is_causal=True)
        return F.cross_entropy(self.output(y).flatten(0, 1), targets.flatten())


def median_step(compiled):
    torch.manual_seed(1)
    model = Model().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    memory = torch.randn(BATCH, 600, WIDTH, requires_grad=True)
    tokens, targets = (torch.randint(0, WORDS, (BATCH, LENGTH)) for _ in range(2))
    forward = torch.compile(model) if compiled else model
    times = []
    for _ in range(5):
        start = time.perf_counter()
        loss = forward(tokens, memory, targets)
        optimizer.zero_grad()
        memory.grad = None
        loss.backward()
        optimizer.step()
        loss.item()
        times.append(time.perf_counter() - start)
    return sorted(times[1:])[1]


best = None
for compiled in (False, True):
    try:
        value = median_step(compiled)
    except Exception as problem:  # no compiler on this machine: eager remains
        print(f"compiled: {problem}", file=sys.stderr)
        continue
    name = "compile" if compiled else "eager"
    print(f"{name} {value * 1e3:.1f} ms", file=sys.stderr)
    if best is None or value < best[0]:
        best = (value, name)
print(f"RESULT name=decoder_step value={best[0]:.6f} unit=s torch_{torch.__version__}_{best[1]}")
