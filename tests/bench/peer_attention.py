"""The peer of attention.lua: torch.nn.functional.scaled_dot_product_attention."""
import sys
import time

import torch
import torch.nn.functional as F

RUNS = int(sys.argv[1]) if len(sys.argv) > 1 else 11


def measure(name, B, L, H, D, **options):
    torch.manual_seed(1)
    x = torch.randn(B, L, 3, H, D, requires_grad=True)
    dy = torch.randn(B, L, H, D)
    times = []
    for _ in range(RUNS + 1):
        start = time.perf_counter()
        q, k, v = (part.transpose(1, 2) for part in x.unbind(2))
        F.scaled_dot_product_attention(q, k, v, **options).transpose(1, 2).backward(dy)
        x.grad = None
        times.append(time.perf_counter() - start)
    value = sorted(times[1:])[RUNS // 2]
    print(f"RESULT name={name} value={value:.6f} unit=s torch_{torch.__version__}_{torch.get_num_threads()}_thread")


measure("attention_512", 16, 512, 8, 32)
measure("attention_512_dropout", 16, 512, 8, 32, dropout_p=0.1)
measure("attention_512_causal", 16, 512, 8, 32, is_causal=True)
measure("attention_64", 64, 64, 4, 64)
measure("attention_2048", 1, 2048, 8, 64)
