"""The peer of ast.lua: transformers' ASTModel with fused attention, the better of eager and compiled."""
import sys
import time

import torch

torch.version.cuda = None  # keeps transformers from looking for a GPU's kernels
import transformers
from transformers import ASTConfig, ASTModel

torch.manual_seed(1)
model = ASTModel(ASTConfig(attn_implementation="sdpa")).eval()
x = torch.randn(1, 1024, 128)


def median_pass(compiled):
    forward = torch.compile(model) if compiled else model
    times = []
    with torch.inference_mode():
        for _ in range(8):
            start = time.perf_counter()
            forward(x)
            times.append(time.perf_counter() - start)
    return sorted(times[1:])[3]


best = None
for compiled in (False, True):
    try:
        value = median_pass(compiled)
    except Exception as problem:  # no compiler on this machine: eager remains
        print(f"compiled: {problem}", file=sys.stderr)
        continue
    name = "compile" if compiled else "eager"
    print(f"{name} {value * 1e3:.1f} ms", file=sys.stderr)
    if best is None or value < best[0]:
        best = (value, name)
print(f"RESULT name=ast_base value={best[0]:.6f} unit=s transformers_{transformers.__version__}_{best[1]}")
