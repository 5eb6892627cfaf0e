"""Reference values for tests/music/chord_spec.lua, made by mir_eval itself: python make_chord.py > chord.json"""
import json
import random
import warnings

import numpy as np
from mir_eval import chord

warnings.simplefilter("ignore")
rng = random.Random(7)

QUALITIES = ("maj min dim aug 1 5 sus2 sus4 maj6 min6 7 maj7 min7 dim7 hdim7 minmaj7 9 maj9 min9 11 maj11 "
             "min11 13 maj13 min13").split()
NAMES = ("root thirds thirds_inv triads triads_inv tetrads tetrads_inv mirex majmin majmin_inv sevenths "
         "sevenths_inv").split()
BROKEN = ["", "c", "H", "C#b", "Cb#", "C:", "C:()", "C:maj()", "C:/3", "C(9)", "C:maj(9", "C:maj9)", "C:maj(9,)",
          "C:maj(,9)", "C:maj (9)", " C", "C ", "C:major", "C/0", "C/14", "C/b", "C/3/5", "C:maj/", "N/3", "X:maj",
          "C:maj(**9)", "C:maj(b#9)", "C:(0)", "C:maj(01)", "NX", "C::maj", "C:maj:min", "C:Maj", "Cmaj", "C:min/b", "C:maj11"]


def interval():
    return rng.choice(["", "", "", "b", "#", "bb", "##"]) + str(rng.randint(1, 13))


def label():
    dice = rng.random()
    if dice < 0.04:
        return "N"
    if dice < 0.06:
        return "X"
    text = rng.choice("ABCDEFG") + rng.choice(["", "", "", "b", "#", "bb", "##"])
    extensions = ",".join(rng.choice(["", "", "*"]) + interval() for _ in range(rng.randint(1, 3)))
    kind = rng.random()
    if kind < 0.3:
        text += ":" + rng.choice(["maj", "min", "7", "maj7", "min7"])
    elif kind < 0.6:
        text += ":" + rng.choice(QUALITIES)
    elif kind < 0.75:
        text += ":" + rng.choice(QUALITIES) + "(" + extensions + ")"
    elif kind < 0.85:
        text += ":(" + extensions + ")"
    if rng.random() < 0.3:
        text += "/" + (rng.choice(["3", "b3", "5", "b7", "7"]) if rng.random() < 0.6 else interval())
    return text


def encoding(text, reduce):
    try:
        root, tones, bass = chord.encode(text, reduce_extended_chords=reduce)
    except Exception:
        return None
    return [int(root), 4095 if tones[0] < 0 else int(sum(int(t) << k for k, t in enumerate(tones))), int(bass)]


def sequence(pool, begin, end):
    times = [begin] + sorted(round(rng.uniform(begin, end), 3) for _ in range(rng.randint(0, 25))) + [end]
    times = sorted(set(times))
    return [[a, b, rng.choice(pool)] for a, b in zip(times[:-1], times[1:])]


def evaluation(truth, given):
    def intervals(rows):
        return np.array([[a, b] for a, b, _ in rows]), [c for _, _, c in rows]
    scores = chord.evaluate(*intervals(truth), *intervals(given))
    return {k: float(v) for k, v in scores.items()}


labels = [label() for _ in range(300)]
encodings = [{"label": t, "plain": encoding(t, False), "reduced": encoding(t, True)} for t in labels + BROKEN]
good = [e["label"] for e in encodings if e["plain"] and e["reduced"]]
common = ["C", "C:maj7", "C:7", "C:min", "C:min7", "A:min", "A:min7", "C:maj/3", "F", "F:maj6", "G:sus4", "N", "X", "C:5", "C:maj/2"]
pairs = []
for _ in range(400):
    source = common if rng.random() < 0.6 else good
    a, b = rng.choice(source), rng.choice(source)
    pairs.append([a, b, [int(getattr(chord, n)([a], [b])[0]) for n in NAMES]])
songs = []
for k in range(30):
    begin = rng.choice([0, 0, 0.5])
    pool = rng.sample(common if k % 2 else good, 8)
    truth = sequence(pool, begin, 60)
    given = sequence(pool, rng.choice([0, begin, 3.25]), rng.choice([60, 48.5, 70]))
    songs.append({"truth": truth, "given": given, "scores": evaluation(truth, given)})
print("{" + ",\n".join(
    '"%s": [\n%s]' % (k, ",\n".join(json.dumps(row) for row in v))
    for k, v in (("encodings", encodings), ("pairs", pairs), ("songs", songs))) + "}")
