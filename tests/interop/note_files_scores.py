"""Scores MIDI files with mir_eval itself: the judge of `luatrain run transcription evaluate`.

  python note_files_scores.py RESULTS/midi [--onset-tolerance 0.05] [--json]

Reads every NAME.truth.mid with NAME.mid beside it by pretty_midi, without pedals (the files' notes last as long as they
sound), and prints mir_eval's precision, recall, F1 and average overlap as means over the pieces.
"""
import argparse
import glob
import json
import os
import sys
import warnings

import numpy as np
import pretty_midi
from mir_eval import transcription, transcription_velocity, util

warnings.simplefilter("ignore")
FIELDS = ("Precision", "Recall", "F-measure", "Average_Overlap_Ratio")


def read(path):
    notes = [n for i in pretty_midi.PrettyMIDI(path).instruments if not i.is_drum for n in i.notes]
    notes.sort(key=lambda n: (n.start, n.pitch))
    intervals = np.array([(n.start, n.end) for n in notes]).reshape(-1, 2)
    return intervals, util.midi_to_hz(np.array([n.pitch for n in notes], float)), np.array([n.velocity for n in notes])


def scores(truth, found, tolerance):
    (a, pitch_a, loud_a), (b, pitch_b, loud_b) = truth, found
    plain = transcription.evaluate(a, pitch_a, b, pitch_b, onset_tolerance=tolerance)
    loud = transcription_velocity.evaluate(a, pitch_a, loud_a, b, pitch_b, loud_b, onset_tolerance=tolerance)
    return {"onset": [plain[x + "_no_offset"] for x in FIELDS], "offset": [plain[x] for x in FIELDS],
            "velocity": [loud[x] for x in FIELDS]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--onset-tolerance", type=float, default=0.05)
    parser.add_argument("--json", action="store_true", help="print the scores of every piece as one JSON object")
    args = parser.parse_args()
    pieces = {}
    for path in sorted(glob.glob(os.path.join(glob.escape(args.folder), "*.truth.mid"))):
        stem = path[:-len(".truth.mid")]
        if os.path.isfile(stem + ".mid"):
            pieces[os.path.basename(stem)] = scores(read(path), read(stem + ".mid"), args.onset_tolerance)
    if not pieces:
        sys.exit(f"{args.folder}: no NAME.truth.mid with NAME.mid beside it")
    if args.json:
        return print(json.dumps(pieces))
    print(f"{len(pieces)} pieces; means over the pieces\n{'':26}precision  recall      F1  overlap")
    for name, text in (("onset", "note (pitch, start)"), ("offset", "note with stop"),
                       ("velocity", "note with stop, loudness")):
        mean = np.mean([x[name] for x in pieces.values()], 0)
        print(f"  {text:25}" + "".join(f"{value:8.4f}" for value in mean))


main()
