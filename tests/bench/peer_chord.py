"""PyTorch's training step of the chord recipe's model, the peer of chord.lua.

  python peer_chord.py [eager|compile] [--steps N] [--threads N]

The same layers, losses and batch (16 windows of 128 rows of 168 bins) as recipes/chord/recipe.lua has by default;
channels_last, fused AdamW where this PyTorch has it for the CPU, gradient clipping. Prints the median seconds a step.
"""
import argparse

import timing
import torch
from torch import nn
import torch.nn.functional as F


def feed_forward(width, dropout):
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.SiLU(), nn.Dropout(dropout),
                         nn.Linear(4 * width, width), nn.Dropout(dropout))


class Block(nn.Module):
    def __init__(self, width, heads, kernel, dropout):
        super().__init__()
        self.ffn1, self.ffn2 = feed_forward(width, dropout), feed_forward(width, dropout)
        self.norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.conv_norm = nn.LayerNorm(width)
        self.conv = nn.Sequential(nn.Conv1d(width, 2 * width, 1), nn.GLU(1),
                                  nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width),
                                  nn.BatchNorm1d(width), nn.SiLU(), nn.Conv1d(width, width, 1), nn.Dropout(dropout))
        self.final = nn.LayerNorm(width)

    def forward(self, x):
        x = x + 0.5 * self.ffn1(x)
        y = self.norm(x)
        x = x + self.dropout(self.attention(y, y, y, need_weights=False)[0])
        x = x + self.conv(self.conv_norm(x).transpose(1, 2)).transpose(1, 2)
        x = x + 0.5 * self.ffn2(x)
        return self.final(x)


class ChordModel(nn.Module):
    def __init__(self, bins=168, channels=(16, 24, 32), width=128, blocks=2, heads=4, kernel=15, dropout=0.1, hidden=128):
        super().__init__()
        layers, inputs, rows = [], 1, bins
        for i, c in enumerate(channels):
            k, s = 5 if i == 0 else 3, 2 if i % 2 == 0 else 1
            layers += [nn.Conv2d(inputs, c, (3, k), stride=(1, s), padding=(1, k // 2), bias=False),
                       nn.BatchNorm2d(c), nn.ReLU(inplace=True)]
            inputs, rows = c, (rows + s - 1) // s
        self.conv = nn.Sequential(*layers)
        self.project, self.dropout = nn.Linear(inputs * rows, width), nn.Dropout(dropout)
        self.blocks = nn.Sequential(*[Block(width, heads, kernel, dropout) for _ in range(blocks)])
        self.root, self.hidden = nn.Linear(width, 12), nn.Linear(width, hidden)
        self.embedding = nn.Embedding(12, hidden)
        self.chord_type, self.bass = nn.Linear(hidden, 32), nn.Linear(hidden, 12)
        self.notes, self.from_notes = nn.Linear(width, bins // 2), nn.Linear(bins // 2, width)
        self.change = nn.Linear(width, 1)

    def forward(self, x, root):
        x = torch.log1p(x / (x.mean((1, 2), keepdim=True) + 1e-5) * 5).unsqueeze(1)
        x = self.conv(x.to(memory_format=torch.channels_last)).permute(0, 2, 3, 1).flatten(2)
        x = self.project(x)
        notes = self.notes(x)
        x = self.blocks(self.dropout(x + self.from_notes(notes.sigmoid())))
        scores = self.root(x)
        root = torch.where(root < 0, scores.argmax(-1), root)
        hidden = F.silu(self.hidden(x) + self.embedding(root))
        return self.chord_type(hidden), scores, self.bass(hidden), self.change(x).squeeze(2), notes


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", nargs="?", choices=["eager", "compile"])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    if not args.mode:
        timing.each(__file__, options=("--steps", args.steps, "--threads", args.threads))
        return
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    model = ChordModel().to(memory_format=torch.channels_last)
    x = torch.rand(16, 128, 168)
    targets = [torch.randint(0, n, (16, 128)) for n in (32, 12, 12)]
    changes = ((targets[0][:, 1:] != targets[0][:, :-1]) | (targets[1][:, 1:] != targets[1][:, :-1])).float()
    sounding = (torch.rand(16, 128, 84) < 0.05).float()
    try:
        optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01, fused=True)
    except RuntimeError:
        optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)

    def objective():
        kind, root, bass, change, notes = model(x, targets[1])
        parts = [F.cross_entropy(o.flatten(0, 1), t.flatten(), ignore_index=-100, label_smoothing=0.1)
                 for o, t in zip((kind, root, bass), targets)]
        return (parts[0] + parts[1] + 0.5 * parts[2] + F.binary_cross_entropy_with_logits(change[:, 1:], changes)
                + 5 * F.binary_cross_entropy_with_logits(notes, sounding))

    run = torch.compile(objective) if args.mode == "compile" else objective

    def step():
        optimizer.zero_grad()
        run().backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    timing.result("chord", timing.median(step, args.steps), f"torch_{torch.__version__}_{args.mode}")


main()
