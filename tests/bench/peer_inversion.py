"""PyTorch's training step and evaluation of the inversion model, the peer of inversion.lua.

  python peer_inversion.py                         f32 and bf16, each eager and compiled; the bench takes the best
  python peer_inversion.py f32|bf16 eager|compile [--steps N] [--threads N]

channels_last; conv1 to layer2 frozen: no gradients, run under no_grad with their batch norms in evaluation mode;
AdamW (fused where this PyTorch has it for the CPU), clipping of the norm.
"""
import argparse
import sys

from peer_block import BasicBlock
import timing
import torch
from torch import nn
import torch.nn.functional as F

CONTINUOUS, CATEGORICAL, OPTIONS, BATCH = 62, 20, 4, 32


def stage(inputs, channels, stride):
    return nn.Sequential(BasicBlock(inputs, channels, stride), BasicBlock(channels, channels, 1))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.prefix = nn.Sequential(nn.Conv2d(1, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True),
                                    nn.MaxPool2d(3, 2, 1), stage(64, 64, 1), stage(64, 128, 2))
        self.rest = nn.Sequential(stage(128, 256, 2), stage(256, 512, 2))
        self.head = nn.Sequential(nn.Linear(512, 512), nn.ReLU(), nn.Dropout(0.1), nn.Linear(512, 512), nn.ReLU(),
                                  nn.Dropout(0.1), nn.Linear(512, CONTINUOUS), nn.Sigmoid())
        self.heads = nn.ModuleList(nn.Linear(512, OPTIONS) for _ in range(CATEGORICAL))
        for p in self.prefix.parameters():
            p.requires_grad_(False)

    def train(self, mode=True):
        super().train(mode)
        self.prefix.eval()
        return self

    def forward(self, x):
        with torch.no_grad():
            x = self.prefix(x)
        x = F.adaptive_avg_pool2d(self.rest(x), 1).flatten(1)
        return self.head(x), [h(x) for h in self.heads]


def main():
    if len(sys.argv) == 1:
        for dtype in ("f32", "bf16"):
            timing.each(__file__, dtype, options=("--steps", 5))
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("dtype", choices=["f32", "bf16"])
    parser.add_argument("mode", choices=["eager", "compile"])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    model = Model().to(memory_format=torch.channels_last).train()
    x = torch.randn(BATCH, 1, 128, 173).to(memory_format=torch.channels_last)
    wanted = torch.rand(BATCH, CONTINUOUS)
    classes = torch.randint(0, OPTIONS, (BATCH, CATEGORICAL))
    needs = torch.zeros(CATEGORICAL, CONTINUOUS)
    needs[0, 1::2] = 1
    gates = torch.zeros(CATEGORICAL, CATEGORICAL)
    gates[0, 1::2] = 1
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=1e-4, fused=True)

    def objective():
        with torch.autocast("cpu", torch.bfloat16, enabled=args.dtype == "bf16"):
            found, scores = model(x)
        off = (classes <= 0).float()
        mask, gate = (off @ needs < 0.5).float(), off @ gates < 0.5
        loss = (mask * (found.float() - wanted) ** 2).sum() / (BATCH * CONTINUOUS)
        targets = torch.where(gate, classes, -100)
        entropy = sum(F.cross_entropy(s.float(), targets[:, j], reduction="sum") for j, s in enumerate(scores))
        return loss + 0.5 * entropy / (BATCH * CATEGORICAL)

    run = torch.compile(objective) if args.mode == "compile" else objective
    forward = torch.compile(model) if args.mode == "compile" else model

    def step():
        optimizer.zero_grad()
        run().backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()

    def evaluate():
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=args.dtype == "bf16"):
            forward(x)[0].float().sum().item()

    note = f"torch_{torch.__version__}_{args.mode}"
    timing.result(f"inversion_step_{args.dtype}", timing.median(step, args.steps), note)
    model.eval()
    timing.result(f"inversion_evaluate_{args.dtype}", timing.median(evaluate, args.steps), note)


main()
