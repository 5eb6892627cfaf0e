// luatrain/music.h - MIDI files.
// Part of luatrain.h, which includes it; read by LuaJIT between the marks.
// cdef begin

// ---- midi --------------------------------------------------------------------------------------
// Standard MIDI Files. Tracks, ports, channels, pitches and programs count from 0 here.
typedef struct lt_midi lt_midi;
typedef struct lt_midi_info {
    double seconds;             // time of the last event
    double tick_seconds;        // SMPTE time: seconds of a tick; 0 where tempo decides
    int64_t last_tick;
    int64_t notes, events;
    int32_t format, tracks;     // tracks: those found in the file
    int32_t ticks_per_quarter;  // 0 with SMPTE time
    int32_t reserved;
} lt_midi_info;
typedef struct lt_midi_note {
    double start, stop;         // seconds: key down, key up
    double sustained;           // seconds: the end with the sustain pedal; at least stop
    int64_t start_tick, stop_tick, order;
    int32_t pitch, velocity, channel, program, track, port, drum, reserved;
} lt_midi_note;
enum {
    LT_MIDI_CONTROL = 0,        // a: controller, b: value
    LT_MIDI_PROGRAM,            // a: program
    LT_MIDI_BEND,               // a: -8192 to 8191
    LT_MIDI_PRESSURE,           // a: pressure
    LT_MIDI_KEY_PRESSURE,       // a: pitch, b: pressure
    LT_MIDI_TEMPO,              // a: microseconds per quarter note
    LT_MIDI_TIME_SIGNATURE,     // a / b
    LT_MIDI_KEY_SIGNATURE,      // a: sharps (negative: flats), b: 1 for minor
    LT_MIDI_TEXT                // a: 1 text, 2 copyright, 3 track name, 4 instrument, 5 lyric, 6 marker,
};                              //    7 cue, 8 program name, 9 device; text in the file's own bytes
typedef struct lt_midi_event {
    double time;                // seconds
    int64_t tick, order;
    const char *text;           // owned by the lt_midi; text_bytes long, no 0 at its end
    int64_t text_bytes;
    int32_t kind, track, port, channel, a, b;  // channel -1: none
} lt_midi_event;
// Reads a file of type 0, 1 or 2 (also in RIFF), at most 16 MiB, tolerant of damage: see
// lt_midi_warning. track chooses the one track that is read of a type 2 file; others are read whole.
lt_status lt_midi_open(lt_midi **m, const char *path, int32_t track);
// The same from memory, which is copied; `name` is for errors.
lt_status lt_midi_parse(lt_midi **m, const char *name, const void *data, int64_t bytes, int32_t track);
void lt_midi_close(lt_midi *m);  // takes NULL
void lt_midi_describe(lt_midi_info *info, const lt_midi *m);
const lt_midi_note *lt_midi_notes(const lt_midi *m);    // by start, then pitch
const lt_midi_event *lt_midi_events(const lt_midi *m);  // by tick, then as in the file
// Oddity number index (from 0) in words and how often it was met; NULL after the last.
const char *lt_midi_warning(int64_t *count, const lt_midi *m, int32_t index);

// cdef end
