"""Log-mel spectrograms of 10-second clips by torchaudio or librosa: the peers of logmel.lua.

    python tests/bench/peer_logmel.py [threads]

36 clips of 10 s at 22050 Hz, n_fft 2048, hop 512, 128 Slaney mels, power, log1p, zero padding;
prints the median time per hour of audio, of each peer's faster way (clip by clip or one batch).
"""
import os
import sys

threads = sys.argv[1] if len(sys.argv) > 1 else "1"
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = threads
os.environ["OPENBLAS_NUM_THREADS"] = threads

import numpy as np  # noqa: E402
import timing  # noqa: E402

CLIPS, RATE, SECONDS = 36, 22050, 10


def torchaudio_run(audio):
    import torch

    # torchaudio refuses to load beside a torch built for another CUDA, which the CPU path never uses.
    cuda, torch.version.cuda = torch.version.cuda, None
    import torchaudio
    torch.version.cuda = cuda

    torch.set_num_threads(int(threads))
    mel = torchaudio.transforms.MelSpectrogram(
        sample_rate=RATE, n_fft=2048, hop_length=512, n_mels=128, mel_scale="slaney",
        norm="slaney", pad_mode="constant")
    x = torch.from_numpy(audio)

    def per_clip():
        with torch.inference_mode():
            for clip in x:
                torch.log1p(mel(clip))

    def batched():
        with torch.inference_mode():
            torch.log1p(mel(x))

    return [per_clip, batched]


def librosa_run(audio):
    import librosa

    def per_clip():
        for clip in audio:
            np.log1p(librosa.feature.melspectrogram(
                y=clip, sr=RATE, n_fft=2048, hop_length=512, n_mels=128))

    return [per_clip]


rng = np.random.default_rng(1)
clips = (0.1 * rng.standard_normal((CLIPS, RATE * SECONDS))).astype(np.float32)
for name, make in (("torchaudio", torchaudio_run), ("librosa", librosa_run)):
    try:
        runs = make(clips)
    except ImportError as missing:
        print(f"{name}: {missing}", file=sys.stderr)
        continue
    best = min(timing.median(run, 7) for run in runs)
    timing.result(f"logmel_{name}", best * 3600 / (CLIPS * SECONDS), name)
