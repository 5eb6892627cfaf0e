"""Reference values for the transcription recipe's scores, made by mir_eval and NumPy.

    python make_transcription_scores.py transcription_scores.json
"""
import json
import sys
import warnings

import numpy as np
from mir_eval import multipitch, transcription, transcription_velocity

warnings.simplefilter("ignore")
rng = np.random.default_rng(4)


def hertz(pitch):
    return 440 * 2 ** ((np.asarray(pitch, float) - 69) / 12)


def piano(count, seconds):
    start = np.round(rng.uniform(0, seconds, count), 3)
    stop = np.round(start + 0.03 + rng.exponential(0.6, count), 3)
    return np.stack([start, stop, rng.integers(40, 80, count), rng.integers(1, 128, count)], 1)


def heard(truth):
    """Most notes, moved; some with a wrong pitch; some that are not there."""
    x = truth[rng.uniform(size=len(truth)) < 0.9].copy()
    x[:, :2] += np.round(rng.normal(0, 0.02, (len(x), 2)), 4)
    wrong = rng.uniform(size=len(x)) < 0.15
    x[wrong, 2] += rng.choice([-12, 12, 24, -1, 1, 7, 19], wrong.sum())
    x[:, 3] = np.clip(x[:, 3] * 0.8 + rng.integers(-8, 9, len(x)), 1, 127)
    x = np.concatenate([x, piano(len(x) // 10, truth[:, 0].max())])
    x[:, 0] = np.maximum(0, x[:, 0])
    x[:, 1] = np.maximum(x[:, 1], x[:, 0] + 0.01)
    return x[rng.permutation(len(x))]


def frame_scores(truth, found):
    times = np.arange(0, int(100 * max(np.max(x[:, 1], initial=0) for x in (truth, found))) + 2) / 100
    rolls = [[hertz(np.unique(x[(x[:, 0] - 1e-8 <= t) & (t < x[:, 1] - 1e-8), 2])) for t in times]
             for x in (truth, found)]
    p, r, accuracy = multipitch.metrics(times, rolls[0], times, rolls[1])[:3]
    return {"pitch_precision": p, "pitch_recall": r, "pitch_f1": 2 * p * r / (p + r) if p + r else 0,
            "frame_accuracy": accuracy}


def polyphony(x):
    edges = np.unique(x[:, :2])
    middle, width = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    many = ((x[:, :1] < middle) & (middle < x[:, 1:2])).sum(0)
    return float((many * width).sum() / width[many > 0].sum()) if len(x) else 0


def pitch_errors(truth, found, matching):
    """Distances in pitch of missed notes and the extra ones in their place."""
    missed = sorted(set(range(len(truth))) - {i for i, _ in matching})
    extra = sorted(set(range(len(found))) - {j for _, j in matching})
    near = [(int(np.floor(abs(truth[i, 0] - found[j, 0]) * 1000 + 0.5)), abs(truth[i, 2] - found[j, 2]), i, j)
            for i in missed for j in extra if abs(truth[i, 0] - found[j, 0]) <= 0.05]
    distances = []
    while near:
        _, distance, i, j = min(near)
        distances.append(distance)
        near = [x for x in near if x[2] != i and x[3] != j]
    octaves = sum(d % 12 == 0 for d in distances)
    semitones = sum(d == 1 for d in distances)
    return {"octave_errors": octaves, "semitone_errors": semitones,
            "other_pitch_errors": len(distances) - octaves - semitones}


def deviations(name, x):
    if not len(x):
        return {}
    return {f"{name}_deviation_mean_ms": x.mean() * 1e3, f"{name}_deviation_median_ms": np.median(x) * 1e3,
            f"{name}_deviation_std_ms": x.std() * 1e3}


def expected(truth, found):
    a, b = ((x[:, :2], hertz(x[:, 2])) for x in (truth, found))
    plain = transcription.evaluate(*a, *b)
    loud = transcription_velocity.evaluate(*a, truth[:, 3], *b, found[:, 3])
    matching = transcription.match_notes(*a, *b, offset_ratio=None)
    pairs = np.array(matching, int).reshape(-1, 2)
    onset = found[pairs[:, 1], 0] - truth[pairs[:, 0], 0]
    record = {"note_accuracy": transcription.precision_recall_f1_overlap(*a, *b, offset_ratio=0)[1],
              "average_overlap": plain["Average_Overlap_Ratio_no_offset"],
              "offset_overlap": plain["Average_Overlap_Ratio"],
              "num_predicted": len(found), "num_ground_truth": len(truth), "true_positives": len(pairs),
              "false_positives": len(found) - len(pairs), "false_negatives": len(truth) - len(pairs),
              "polyphony_true": polyphony(truth), "polyphony_predicted": polyphony(found)}
    for name, source, suffix in (("onset", plain, "_no_offset"), ("offset", plain, ""), ("velocity", loud, "")):
        for ours, theirs in (("precision", "Precision"), ("recall", "Recall"), ("f1", "F-measure")):
            record[f"{name}_{ours}"] = source[theirs + suffix]
    if len(onset):
        record["timing_error_mean"] = np.abs(onset).mean()
    record.update(deviations("onset", onset))
    record.update(deviations("offset", found[pairs[:, 1], 1] - truth[pairs[:, 0], 1]))
    record.update(frame_scores(truth, found))
    record.update(pitch_errors(truth, found, matching))
    return {k: float(v) for k, v in record.items()}


cases = []
for count, seconds in ((80, 20), (60, 5), (90, 60), (25, 2), (1, 1)):
    truth = piano(count, seconds)
    cases.append((truth, heard(truth)))
cases.append((piano(20, 5), piano(30, 5)))
cases.append((piano(10, 5), np.zeros((0, 4))))
with open(sys.argv[1], "w") as f:
    json.dump([{"truth": t.tolist(), "found": e.tolist(), "record": expected(t, e)} for t, e in cases], f)
print(len(cases))
