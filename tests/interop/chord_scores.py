"""Scores .lab files with mir_eval itself: the judge of `luatrain run chord evaluate`.

  python chord_scores.py RUN/report/test/lab

Reads every SONG.truth.lab with SONG.lab beside it; prints root, majmin, sevenths, ... of all songs as one (each second
counts the same) and as the mean over songs (mir_eval.chord.evaluate of each).
"""
import glob
import sys
import warnings

import mir_eval

warnings.simplefilter("ignore")
NAMES = ("root thirds thirds_inv triads triads_inv tetrads tetrads_inv mirex majmin majmin_inv sevenths sevenths_inv").split()


def main(folder):
    right, weight, means, songs = dict.fromkeys(NAMES, 0.0), dict.fromkeys(NAMES, 0.0), {}, 0
    for path in sorted(glob.glob(folder + "/*.truth.lab")):
        truth = mir_eval.io.load_labeled_intervals(path)
        found = mir_eval.io.load_labeled_intervals(path.replace(".truth.lab", ".lab"))
        for name, value in mir_eval.chord.evaluate(*truth, found[0], list(found[1])).items():
            means[name] = means.get(name, 0.0) + value
        intervals, labels = mir_eval.util.adjust_intervals(found[0], list(found[1]), truth[0].min(), truth[0].max(),
                                                           mir_eval.chord.NO_CHORD, mir_eval.chord.NO_CHORD)
        cells, a, b = mir_eval.util.merge_labeled_intervals(truth[0], truth[1], intervals, labels)
        seconds = mir_eval.util.intervals_to_durations(cells)
        for name in NAMES:
            verdict = getattr(mir_eval.chord, name)(a, b)
            counted = verdict >= 0
            right[name] += (verdict * seconds)[counted].sum()
            weight[name] += seconds[counted].sum()
        songs += 1
    if not songs:
        sys.exit(f"{folder}: no SONG.truth.lab with SONG.lab beside it")
    print(f"{songs} songs; mir_eval {mir_eval.__version__}\n{'':14}all as one   mean of songs")
    for name in NAMES + ["underseg", "overseg", "seg"]:
        pooled = f"{right[name] / weight[name]:.4f}" if name in right else ""
        print(f"  {name:13}{pooled:>8}{means[name] / songs:>14.4f}")


main(sys.argv[1])
