"""Goldens of tests/audio/: features by librosa and torchaudio, sound files by soundfile."""
import os

import librosa
import numpy as np
import soundfile
import torch
from safetensors.numpy import save_file

torch.version.cuda = None  # torchaudio refuses a torch built for another CUDA; nothing here uses one
import torchaudio  # noqa: E402

here = os.path.dirname(os.path.abspath(__file__))
RATE = 22050
rng = np.random.default_rng(3)

# One second: a chord of decaying partials (a little out of tune) and noise.
t = np.arange(RATE) / RATE
x = 0.02 * rng.standard_normal(RATE)
for note in (40, 52, 59, 64, 68, 71):
    f = 440 * 2 ** ((note - 69 + 0.12) / 12)
    for partial in (1, 2, 3, 5):
        x += 0.1 / partial * np.sin(2 * np.pi * f * partial * t + note) * np.exp(-t * partial)
x = (x / np.abs(x).max() * 0.9).astype(np.float32)

out = {"x": x}


def put(name, value):
    out[name] = np.ascontiguousarray(value, dtype=np.float32)


def parts(z):
    return np.stack([z.real, z.imag], axis=-1)


short = x[:6000]
put("stft", parts(librosa.stft(short, n_fft=256, hop_length=300)))
put("mel_slaney", librosa.feature.melspectrogram(y=x, sr=RATE))
put("mel_htk", librosa.feature.melspectrogram(y=short, sr=16000, n_fft=512, hop_length=160,
                                              n_mels=40, htk=True, norm=None, fmin=50, fmax=7000))
put("mel_db", librosa.power_to_db(librosa.feature.melspectrogram(y=x, sr=RATE)))
put("mfcc", librosa.feature.mfcc(y=x, sr=RATE))
put("mfcc_htk", librosa.feature.mfcc(y=x, sr=RATE, n_mfcc=13, htk=True, norm="ortho", lifter=22))
put("filters_slaney", librosa.filters.mel(sr=16000, n_fft=256, n_mels=20))
put("filters_htk", librosa.filters.mel(sr=16000, n_fft=256, n_mels=20, htk=True, norm=None))
banks, _ = torchaudio.compliance.kaldi.get_mel_banks(20, 256, 16000.0, 20.0, 0.0, 100.0, -500.0, 1.0)
put("filters_kaldi", banks.numpy())
put("filters_chroma", librosa.filters.chroma(sr=RATE, n_fft=512, tuning=0.2))
put("torchaudio_mel", torchaudio.transforms.MelSpectrogram(n_mels=64)(torch.from_numpy(short)).numpy())
put("torchaudio_beat", torch.log1p(1000 * torchaudio.transforms.MelSpectrogram(
    sample_rate=RATE, n_fft=1024, hop_length=441, f_min=30, f_max=11000, n_mels=128, power=1,
    mel_scale="slaney", normalized="frame_length")(torch.from_numpy(short))).numpy())

put("cqt", parts(librosa.cqt(x, sr=RATE, tuning=0.0)))
put("cqt_fine", np.abs(librosa.cqt(x, sr=RATE, hop_length=441, n_bins=60, bins_per_octave=36,
                                   fmin=110.0, tuning=0.25)))
put("cqt_early", np.abs(librosa.cqt(x, sr=RATE, hop_length=1024, n_bins=24, fmin=65.4, tuning=0.0)))
put("chroma_stft", librosa.feature.chroma_stft(y=x, sr=RATE, tuning=0.0))
put("chroma_tuned", librosa.feature.chroma_stft(y=x, sr=RATE))
put("chroma_cqt", librosa.feature.chroma_cqt(y=x, sr=RATE, tuning=0.0))
put("tuning", np.array([librosa.estimate_tuning(y=x, sr=RATE)]))
put("resampled", librosa.resample(x[:8000], orig_sr=RATE, target_sr=16000)[500:-500])
save_file(out, os.path.join(here, "audio.safetensors"))
print(os.path.getsize(os.path.join(here, "audio.safetensors")), "bytes")

# Sound files that this library cannot write itself: MP3, u-law, 8 bit, 3 channels in WAVEX.
sounds = os.path.join(here, "sounds")
os.makedirs(sounds, exist_ok=True)
stereo = np.stack([x[:11025], 0.5 * x[:11025]], axis=1)
soundfile.write(os.path.join(sounds, "stereo.mp3"), stereo, RATE)
soundfile.write(os.path.join(sounds, "ulaw.wav"), x[:2000], 8000, subtype="ULAW")
soundfile.write(os.path.join(sounds, "u8.wav"), x[:2000], 8000, subtype="PCM_U8")
soundfile.write(os.path.join(sounds, "three.wav"), np.stack([x[:500]] * 3, 1) * [1, 0.5, 0.25], 48000,
                format="WAVEX", subtype="PCM_24")
for name in sorted(os.listdir(sounds)):
    print(name, os.path.getsize(os.path.join(sounds, name)), "bytes")
