"""The peer of attention.lua: torch.nn.functional.scaled_dot_product_attention."""
import sys

import timing
import torch
import torch.nn.functional as F

RUNS = int(sys.argv[1]) if len(sys.argv) > 1 else 11


def measure(name, B, L, H, D, **options):
    torch.manual_seed(1)
    x = torch.randn(B, L, 3, H, D, requires_grad=True)
    dy = torch.randn(B, L, H, D)

    def run():
        q, k, v = (part.transpose(1, 2) for part in x.unbind(2))
        F.scaled_dot_product_attention(q, k, v, **options).transpose(1, 2).backward(dy)
        x.grad = None

    timing.result(name, timing.median(run, RUNS), f"torch_{torch.__version__}_{torch.get_num_threads()}_thread")


measure("attention_512", 16, 512, 8, 32)
measure("attention_512_dropout", 16, 512, 8, 32, dropout_p=0.1)
measure("attention_512_causal", 16, 512, 8, 32, is_causal=True)
measure("attention_64", 64, 64, 4, 64)
measure("attention_2048", 1, 2048, 8, 64)
