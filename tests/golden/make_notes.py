"""Reference values for tests/music/note_scores_spec.lua, made by mir_eval itself.

    python make_notes.py notes.json            the 60 lists of notes that are kept
    python make_notes.py many.json 1000        more and longer ones, for tests/interop
"""
import json
import sys
import warnings

import numpy as np
from mir_eval import transcription, transcription_velocity

warnings.simplefilter("ignore")
rng = np.random.default_rng(1)


def notes(count, seconds):
    """Crowded, coarsely timed notes, so that many could be paired with many."""
    start = np.round(rng.uniform(0, seconds, count), int(rng.choice([1, 2, 4, 6])))
    stop = start + np.round(rng.exponential(0.3, count) + 0.01, 3)
    pitch = rng.integers(60, 60 + int(rng.choice([2, 6, 20])), count).astype(float)
    return start, stop, pitch, rng.integers(1, 128, count)


def disturbed(truth):
    """Most of the notes, moved a little, in another order."""
    kept = rng.uniform(size=len(truth[0])) < 0.85
    start, stop, pitch, velocity = (x[kept] for x in truth)
    length = np.maximum(0.01, (stop - start) * np.exp(rng.normal(0, 0.2, kept.sum())))
    start = np.abs(start + np.round(rng.normal(0, 0.03, kept.sum()), 3))
    velocity = np.clip(velocity * 0.7 + rng.integers(-9, 10, kept.sum()), 0, 127).astype(int)
    order = rng.permutation(kept.sum())
    return tuple(x[order] for x in (start, start + length, pitch, velocity))


def case(number, most):
    count = int(rng.integers(0, 3 if number % 10 == 9 else most))
    truth = notes(count, rng.choice([0.5, 2, 10]))
    estimate = notes(int(rng.integers(0, most)), rng.choice([0.5, 2, 10])) if number % 2 else disturbed(truth)
    arguments = [(np.stack(x[:2], 1), 440 * 2 ** ((x[2] - 69) / 12)) for x in (truth, estimate)]
    plain = transcription.evaluate(*arguments[0], *arguments[1])
    loud = transcription_velocity.evaluate(*arguments[0], truth[3], *arguments[1], estimate[3])
    return {"truth": [list(map(float, x)) for x in zip(*truth)],
            "estimate": [list(map(float, x)) for x in zip(*estimate)],
            "scores": {k: float(v) for k, v in plain.items()},
            "velocity": {k: float(v) for k, v in loud.items()}}


count, most = (int(sys.argv[2]), 40) if len(sys.argv) > 2 else (60, 20)
with open(sys.argv[1], "w") as f:
    json.dump([case(i, most) for i in range(count)], f)
print(count)
