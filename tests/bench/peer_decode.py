"""The peer of decode.lua: transformers' generate with its cache, on a BART decoder of the same sizes.

One or two threads, as it is or compiled, the faster of two runs: whichever is best. BART has as many weights a
layer as ours.
"""
import time

import timing
import torch

torch.version.cuda = None  # keeps transformers from looking for a GPU's kernels
import transformers
from transformers import BartConfig, BartForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput

transformers.logging.set_verbosity_error()


def make(words, compiled):
    torch.manual_seed(1)
    config = BartConfig(
        vocab_size=words, d_model=256, decoder_layers=4, decoder_attention_heads=8, decoder_ffn_dim=1024,
        encoder_layers=1, encoder_attention_heads=8, encoder_ffn_dim=16, max_position_embeddings=520,
        pad_token_id=0, bos_token_id=1, eos_token_id=None, decoder_start_token_id=1,
        forced_eos_token_id=None, attn_implementation="sdpa")
    model = BartForConditionalGeneration(config).eval()
    model.generation_config.eos_token_id = None
    model.generation_config.forced_eos_token_id = None
    if compiled:
        model.forward = torch.compile(model.forward, dynamic=True)
    return model


def measure(names, rows, words, length, memory):
    memory = torch.randn(rows, memory, 256)

    def once(model, beams, length):
        start = time.perf_counter()
        found = model.generate(encoder_outputs=BaseModelOutput(last_hidden_state=memory), num_beams=beams,
                               do_sample=False, max_new_tokens=length, use_cache=True)
        assert found.shape[1] == length + 1, found.shape
        return time.perf_counter() - start

    def measure_way(beams, way):
        mode, threads = way.split("_")[:2]
        torch.set_num_threads(int(threads))
        model = make(words, mode == "compile")
        with torch.no_grad():
            once(model, beams, 16)
            return min(once(model, beams, length) for _ in range(2))

    for beams, kind in ((1, "greedy"), (5, "beam5")):
        ways = [f"{mode}_{threads}_threads" for mode in timing.WAYS for threads in (1, 2)]
        seconds, way = timing.best(lambda way: measure_way(beams, way), ways)
        for name in names:
            timing.result(name % kind, seconds, f"transformers_{transformers.__version__}_generate_{way}")


measure(("decode_%s", "decode_%s_f32"), rows=1, words=1212, length=512, memory=600)
measure(("decode_10s_%s",), rows=3, words=612, length=200, memory=258)
