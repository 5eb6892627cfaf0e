"""Notes of MIDI files by pretty_midi, as JSON, for tests/interop/midi.lua.

    python tests/interop/midi_peer.py PEER.json FILE.mid ...

pretty_midi lets two notes of one pitch overlap and ends both at the next note-off; luatrain ends the
earlier one where the key is struck again. That rule is applied here, so that all else must agree.
"""

import json
import sys
import warnings

import pretty_midi

warnings.simplefilter("ignore")


def notes_of(instrument):
    pitches = {}
    for note in instrument.notes:
        pitches.setdefault(note.pitch, []).append(note)
    for notes in pitches.values():
        notes.sort(key=lambda n: n.start)
        for earlier, later in zip(notes, notes[1:]):
            earlier.end = min(earlier.end, later.start)
        for n in notes:
            if n.end - n.start > 1e-9:
                yield [n.start, n.end, n.pitch, n.velocity, instrument.program, instrument.is_drum]


files = []
for path in sys.argv[2:]:
    try:
        midi = pretty_midi.PrettyMIDI(path)
        notes = sorted(n for i in midi.instruments for n in notes_of(i))
        files.append({"path": path, "notes": notes})
    except Exception as e:  # what pretty_midi cannot read is only counted
        files.append({"path": path, "error": str(e) or type(e).__name__})
with open(sys.argv[1], "w") as out:
    json.dump(files, out, default=float)
