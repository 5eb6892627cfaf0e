"""Goldens of tests/ops/stft.lua and mel.lua, by torch.stft."""
import librosa
import torch
from common import Goldens

g = Goldens("ops_spectral")


def stft(x, n, hop, center=True, win=None, mode="reflect"):
    w = torch.hann_window(win or n)
    return torch.stft(x, n, hop, win, w, center=center, pad_mode=mode, return_complex=True)


def real(z):
    return torch.view_as_real(z)


x = torch.randn(2, 301)
g.case("stft", lambda x: real(stft(x, 64, 20)), x)
g.case("stft_zeros", lambda x: real(stft(x, 64, 20, mode="constant")), x)
g.case("stft_short_window", lambda x: real(stft(x, 80, 20, win=50)), x)
g.case("stft_odd", lambda x: real(stft(x, 45, 31, center=False)), x)
g.case("stft_bluestein", lambda x: real(stft(x, 74, 30)), x)
g.case("stft_large", lambda x: real(stft(x, 256, 100)), torch.randn(1, 700))


def istft(z, n, hop, length=None):
    return torch.istft(torch.view_as_complex(z), n, hop, window=torch.hann_window(n), length=length)


g.case("istft", lambda z: istft(z, 64, 20), torch.randn(2, 33, 13, 2))
g.case("istft_length", lambda z: istft(z, 64, 20, 350), torch.randn(1, 33, 19, 2))
g.case("istft_odd", lambda z: istft(z, 45, 9), torch.randn(1, 23, 12, 2))

g.case("spectrogram", lambda x: stft(x, 64, 20).abs() ** 2, x)
g.case("magnitude", lambda x: stft(x, 64, 20).abs(), x)

filters = torch.from_numpy(librosa.filters.mel(sr=8000, n_fft=256, n_mels=12))


def mel(x):
    return filters @ stft(x, 256, 100, mode="constant").abs() ** 2


y = torch.randn(2, 900)
g.case("mel", mel, y)
g.case("mel_log1p", lambda x: torch.log1p(100 * mel(x)), y)
g.case("mel_natural", lambda x: torch.log(mel(x).clamp_min(0.2)), y)
g.case("mel_log_add", lambda x: torch.log(mel(x) + 1e-3), y)
g.case("mel_db", lambda x: 10 * torch.log10(mel(x).clamp_min(1e-10)), y)
g.save()
