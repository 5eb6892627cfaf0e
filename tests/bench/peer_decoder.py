"""The peer of decoder.lua: torch.nn.TransformerDecoder, the better of eager and compiled."""
import timing
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


def measure(way):
    torch.manual_seed(1)
    model = Model().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    memory = torch.randn(BATCH, 600, WIDTH, requires_grad=True)
    tokens, targets = (torch.randint(0, WORDS, (BATCH, LENGTH)) for _ in range(2))
    forward = torch.compile(model) if way == "compile" else model

    def step():
        loss = forward(tokens, memory, targets)
        optimizer.zero_grad()
        memory.grad = None
        loss.backward()
        optimizer.step()
        loss.item()

    return timing.median(step, 7)


seconds, way = timing.best(measure, timing.WAYS)
timing.result("decoder_step", seconds, f"torch_{torch.__version__}_{way}")
