// midi.h: what the two halves of the MIDI reader share: midi.c reads bytes, midi_time.c turns ticks
// into seconds and finishes the notes.
#ifndef LT_MUSIC_MIDI_H
#define LT_MUSIC_MIDI_H

#include "core/internal.h"

enum {
    WARN_CUT_SHORT, WARN_BROKEN_TRACK, WARN_FEWER_TRACKS, WARN_MORE_TRACKS, WARN_SKIPPED_CHUNK,
    WARN_FORMAT, WARN_CLIPPED, WARN_RUNNING_STATUS, WARN_STATUS, WARN_META, WARN_REPEATED_NOTE,
    WARN_UNMATCHED_OFF, WARN_OPEN_NOTE, WARN_EMPTY_NOTE, WARN_TOO_LATE, WARNINGS
};

struct lt_midi {
    char *path;              // what errors call the file
    lt_buffer file;
    lt_midi_info info;
    double tick_seconds;     // SMPTE time: seconds of a tick; 0 where tempo decides
    lt_midi_note *notes;     // in reading order while parsing, then by start and pitch
    int64_t notes_room;
    lt_midi_event *events;   // everything else
    int64_t events_room;
    int64_t warnings[WARNINGS];
};

// Makes room for one more element in a growing array.
lt_status lt_midi_grow(void **array, int64_t *room, int64_t count, size_t size);
// Sorts, times, drops what lies beyond a day, and gives notes their program and sustained end.
lt_status lt_midi_finish(lt_midi *m);

#endif
