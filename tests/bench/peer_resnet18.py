"""PyTorch's ResNet-18 training step, the peer of resnet18.lua.

  python peer_resnet18.py                                      f32 and bf16, the faster of eager and compile
  python peer_resnet18.py f32|bf16 eager|compile [--steps N] [--threads N] [--profile]

One input channel, 1000 classes, batch (32, 1, 128, 173), channels_last, AdamW (fused where this PyTorch has
it for the CPU), cross-entropy. Prints the median seconds a step and the peak resident memory; each way runs
in a process of its own, so that its memory is its own.
"""
import argparse
import resource
import sys

from peer_block import BasicBlock
import timing
import torch
from torch import nn
import torch.nn.functional as F


class ResNet18(nn.Module):
    def __init__(self, channels=1, classes=1000):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        blocks, inputs = [], 64
        for width, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
            blocks += [BasicBlock(inputs, width, stride), BasicBlock(width, width, 1)]
            inputs = width
        self.layers = nn.Sequential(*blocks)
        self.fc = nn.Linear(512, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.max_pool2d(x, 3, 2, 1)
        x = self.layers(x)
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


def main():
    if len(sys.argv) == 1:
        timing.each(__file__, "f32")
        timing.each(__file__, "bf16")
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("dtype", nargs="?", default="f32", choices=["f32", "bf16"])
    parser.add_argument("mode", nargs="?", default="eager", choices=["eager", "compile"])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--profile", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    model = ResNet18().to(memory_format=torch.channels_last)
    x = torch.randn(32, 1, 128, 173).to(memory_format=torch.channels_last)
    target = torch.randint(0, 1000, (32,))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)

    def objective():
        with torch.autocast("cpu", torch.bfloat16, enabled=args.dtype == "bf16"):
            return F.cross_entropy(model(x), target)

    run = torch.compile(objective) if args.mode == "compile" else objective

    def step():
        optimizer.zero_grad()
        loss = run()
        loss.backward()
        optimizer.step()
        return loss

    seconds = timing.median(step, args.steps)
    if args.profile:
        with torch.profiler.profile() as prof:
            step()
        print(prof.key_averages().table(sort_by="self_cpu_time_total", row_limit=25))
    name = "resnet18_" + args.dtype
    timing.result(name, seconds, f"torch_{torch.__version__}_{args.mode}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"RESULT name={name}_memory value={peak:.1f} unit=MiB torch_{torch.__version__}_{args.mode}")


main()
