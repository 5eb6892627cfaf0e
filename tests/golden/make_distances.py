"""Goldens of tests/audio/distances_spec.lua, by librosa and numpy."""
import os

import librosa
import numpy as np
from safetensors.numpy import save_file

RATE = 22050
rng = np.random.default_rng(11)
t = np.arange(9000) / RATE
x = np.stack([np.sin(2 * np.pi * 220 * t) * np.exp(-3 * t), 0.3 * rng.standard_normal(t.size) * t])
y = np.stack([np.sin(2 * np.pi * 330 * t) * np.exp(-t), 0.5 * np.sign(np.sin(2 * np.pi * 110 * t)) * (1 - t)])
x, y = x.astype(np.float32), y.astype(np.float32)


def magnitude(z, n, hop):
    return np.abs(librosa.stft(z, n_fft=n, hop_length=hop, pad_mode="constant"))


def multiscale(a, b, eps=1e-5):
    total = 0
    for n in (2048, 1024, 512, 256, 128, 64):
        p, q = magnitude(a, n, n // 4), magnitude(b, n, n // 4)
        total += np.abs(p - q).mean() + np.abs(np.log(np.maximum(p, eps)) - np.log(np.maximum(q, eps))).mean()
    return total / 6


def mfcc(a, b):
    return np.abs(librosa.feature.mfcc(y=a, sr=RATE) - librosa.feature.mfcc(y=b, sr=RATE)).mean()


def log_spectral(a, b):
    p, q = (10 * np.log10(np.maximum(magnitude(z, 2048, 512) ** 2, 1e-10)) for z in (a, b))
    return np.sqrt(((p - q) ** 2).mean(axis=0)).mean()


def envelope(a, b):
    return np.corrcoef(librosa.feature.rms(y=a)[0], librosa.feature.rms(y=b)[0])[0, 1]


out = {"x": x, "y": y, "rms": np.stack([librosa.feature.rms(y=z)[0] for z in x])}
for name, f in (("multiscale", multiscale), ("mfcc", mfcc), ("log_spectral", log_spectral), ("envelope", envelope)):
    out[name] = np.array([f(a, b) for a, b in zip(x, y)])
out = {k: np.ascontiguousarray(v, dtype=np.float32) for k, v in out.items()}
save_file(out, os.path.join(os.path.dirname(os.path.abspath(__file__)), "distances.safetensors"))
