"""The peer of ast.lua: transformers' ASTModel with fused attention, the better of eager and compiled."""
import timing
import torch

torch.version.cuda = None  # keeps transformers from looking for a GPU's kernels
import transformers
from transformers import ASTConfig, ASTModel

torch.manual_seed(1)
model = ASTModel(ASTConfig(attn_implementation="sdpa")).eval()
x = torch.randn(1, 1024, 128)


def measure(way):
    forward = torch.compile(model) if way == "compile" else model
    with torch.inference_mode():
        return timing.median(lambda: forward(x), 7)


seconds, way = timing.best(measure, timing.WAYS)
timing.result("ast_base", seconds, f"transformers_{transformers.__version__}_{way}")
