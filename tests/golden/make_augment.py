"""Goldens of tests/audio/stretch_spec.lua: time stretching and pitch shifting by librosa, in doubles.

In single precision librosa adds up phases of thousands of radians in floats: after 10 s of tones it is 0.12 of
the largest sample off its own result in doubles (noise: 0.04), so this is what there is to match.
"""
import os

import librosa
import numpy as np
from safetensors.numpy import save_file

here = os.path.dirname(os.path.abspath(__file__))
RATE = 16000
rng = np.random.default_rng(11)

# 0.6 s: three notes with partials below 6 kHz, one after the other, a little noise, and silence at the end.
t = np.arange(int(0.6 * RATE)) / RATE
x = np.zeros(len(t))
for start, note in ((0.0, 48), (0.13, 64), (0.31, 79)):
    f = 440 * 2 ** ((note - 69) / 12)
    on = np.clip((t - start) / 0.004, 0, 1) * np.exp(-4 * np.maximum(t - start, 0))
    for partial in range(1, 9):
        if f * partial < 6000:
            x += on / partial * np.sin(2 * np.pi * f * partial * t + partial)
x += 0.003 * rng.standard_normal(len(t))
x[int(0.55 * RATE):] = 0
x = (x / np.abs(x).max() * 0.9).astype(np.float32)

out = {"x": x}
y = x.astype(np.float64)


def put(name, value):
    out[name] = np.ascontiguousarray(value, dtype=np.float32)


put("faster", librosa.effects.time_stretch(y, rate=1.3))
put("slower", librosa.effects.time_stretch(y, rate=0.8, n_fft=512, hop_length=128))
put("up", librosa.effects.pitch_shift(y, sr=RATE, n_steps=2))
put("down", librosa.effects.pitch_shift(y, sr=RATE, n_steps=-3.5))
put("cents", librosa.effects.pitch_shift(y, sr=RATE, n_steps=7, bins_per_octave=1200, n_fft=1024))
z = librosa.stft(y[:2000], n_fft=64, hop_length=16)
v = librosa.phase_vocoder(z, rate=1.7, hop_length=16)
put("spectrum", np.stack([z.real, z.imag], -1)[:, :40])
put("vocoder", np.stack([v.real, v.imag], -1)[:, :23])

save_file(out, os.path.join(here, "augment.safetensors"))
