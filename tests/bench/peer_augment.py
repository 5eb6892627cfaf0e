"""Augmentation of 10 s at 16 kHz by librosa on one thread: the peer of augment.lua, where it has the same."""
import os

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

import librosa  # noqa: E402
import numpy as np  # noqa: E402
import timing  # noqa: E402

RATE, SECONDS = 16000, 10
x = (0.1 * np.random.default_rng(1).standard_normal(RATE * SECONDS)).astype(np.float32)

for name, run in (
    ("time_stretch", lambda: librosa.effects.time_stretch(x, rate=1.1)),
    ("pitch_shift", lambda: librosa.effects.pitch_shift(x, sr=RATE, n_steps=1.5)),
):
    timing.result(f"augment_{name}", timing.median(run, 7) / SECONDS, "librosa")
