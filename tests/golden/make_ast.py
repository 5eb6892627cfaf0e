"""Reference values for tests/nn/ast_spec.lua: Hugging Face's ASTModel with random weights, its feature extractor
(torchaudio's Kaldi features), and position embeddings for other lengths. python make_ast.py [FULL.safetensors]
also writes a full-size model with an input and its results, for tests/interop.
"""
import os
import sys
import tempfile

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

torch.version.cuda = None  # torchaudio refuses to load beside a torch built for another CUDA
import torchaudio  # noqa: E402
from transformers import ASTConfig, ASTFeatureExtractor, ASTModel  # noqa: E402

torch.manual_seed(3)


def model(**options):
    net = ASTModel(ASTConfig(**options)).eval()
    with torch.no_grad():
        for name, p in net.named_parameters():
            # Fresh weights leave biases and tokens at zero, where a mistake would not show.
            p.add_(torch.randn_like(p) * (0.2 if p.dim() == 1 or "token" in name or "position" in name else 0.1))
    return net


def published(net):
    """Weights under the names of files: those inside newer versions of transformers differ."""
    with tempfile.TemporaryDirectory() as folder:
        net.save_pretrained(folder)
        return load_file(os.path.join(folder, "model.safetensors"))


def results(net, bins, frames, batch):
    x = torch.randn(batch, frames, bins)
    with torch.no_grad():
        out = net(x)
    return {"input": x, "hidden": out.last_hidden_state, "pooled": out.pooler_output}


def regrid(p, old, new):
    """The recipe of YuanGongND/ast: the middle where smaller, bilinear where larger."""
    special, grid = p[:, :2], p[:, 2:].reshape(1, *old, -1).permute(0, 3, 1, 2)
    if new[1] < old[1]:
        start = old[1] // 2 - new[1] // 2
        grid = grid[..., start:start + new[1]]
    else:
        grid = F.interpolate(grid, (old[0], new[1]), mode="bilinear")
    if new[0] < old[0]:
        start = old[0] // 2 - new[0] // 2
        grid = grid[:, :, start:start + new[0]]
    else:
        grid = F.interpolate(grid, new, mode="bilinear")
    return torch.cat([special, grid.permute(0, 2, 3, 1).reshape(1, new[0] * new[1], -1)], 1)


def small():
    net = model(hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40, max_length=62,
                num_mel_bins=46, frequency_stride=10, time_stride=12)
    t = {"weights." + k: v for k, v in published(net).items()}
    t.update(results(net, 46, 62, 2))                                          # a grid of 4 x 4
    p = t["weights.embeddings.position_embeddings"]
    for frequencies, times in ((4, 7), (4, 3), (2, 9), (6, 2)):
        t[f"positions_{frequencies}_{times}"] = regrid(p, (4, 4), (frequencies, times))
    return t


def exact(x):
    """The transformer's filter banks in f64 but for the window and the triangles, which torch has in f32."""
    frames = x.double().unfold(0, 400, 160)
    frames = frames - frames.mean(1, keepdim=True)
    frames = frames - 0.97 * torch.cat([frames[:, :1], frames[:, :-1]], 1)
    frames = F.pad(frames * torch.hann_window(400, periodic=False).double(), (0, 112))
    power = torch.fft.rfft(frames).abs() ** 2
    triangles, _ = torchaudio.compliance.kaldi.get_mel_banks(128, 512, 16000.0, 20.0, 0.0, 100.0, -500.0, 1.0)
    return (power @ F.pad(triangles.double(), (0, 1)).T).clamp_min(2.0 ** -23).log().float()


def features():
    time = np.arange(9001) / 16000
    signals = [np.sin(2 * np.pi * 440 * time) * 0.3, np.sin(2 * np.pi * (100 + 3000 * time) * time) * 0.1 + 0.2]
    signals += np.random.default_rng(1).normal(0, 0.01, (2, 9001))  # empty bands hold rounding errors only
    t = {"signals": torch.tensor(np.stack(signals), dtype=torch.float32)}
    for length in (1024, 40):
        extract = ASTFeatureExtractor(max_length=length)
        t[f"features_{length}"] = torch.cat([torch.as_tensor(np.asarray(extract(
            s.numpy(), sampling_rate=16000)["input_values"])) for s in t["signals"]])[:, :80].clone()
    t["noise"] = torch.tensor(np.random.default_rng(147).normal(0, 1, 8000), dtype=torch.float32)
    t["noise_fbank"] = exact(t["noise"])
    kaldi = torchaudio.compliance.kaldi.fbank
    t["fbank_default"] = kaldi(t["signals"][:1])
    t["fbank_options"] = kaldi(t["signals"][1:], sample_frequency=8000, num_mel_bins=40, frame_length=32,
                               frame_shift=8, low_freq=50, high_freq=-100, preemphasis_coefficient=0.9,
                               remove_dc_offset=False, window_type="hamming")
    return t


if len(sys.argv) > 1:
    net = model()
    save_file(published(net), sys.argv[1])
    save_file(results(net, 128, 1024, 1), sys.argv[1] + ".results")
    print(1)
else:
    tensors = {k: v.contiguous() for k, v in {**small(), **features()}.items()}
    save_file(tensors, os.path.join(os.path.dirname(os.path.abspath(__file__)), "ast.safetensors"))
