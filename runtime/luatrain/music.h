// luatrain/music.h - MIDI files and synthesizers.
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

// ---- synthesizer -------------------------------------------------------------------------------
// The built-in synthesizer. A preset is two vectors: positions 0 .. 1 of the continuous parameters,
// and option numbers (from 0) of the categorical ones, each in the order of the registry.
enum { LT_SYNTH_CONTINUOUS = 0, LT_SYNTH_CATEGORICAL };
enum { LT_CURVE_LINEAR = 0, LT_CURVE_EXPONENTIAL, LT_CURVE_QUADRATIC, LT_CURVE_INTEGER };
typedef struct lt_synth_parameter {
    const char *name;     // "osc_1_level"
    const char *group;    // "osc_1"
    const char *options;  // "off|on" for a categorical one, else NULL
    const char *gate;     // switches: "osc_1_on+osc_1_unison"; it matters while none is at 0; or ""
    double minimum, maximum, standard;  // standard: the default's value or option number
    int32_t kind, curve, tier, options_count;
} lt_synth_parameter;
int32_t lt_synth_count(void);
// Parameter `index` from 0; the texts live as long as the program.
lt_status lt_synth_get(lt_synth_parameter *p, int32_t index);
// Value at a position 0 .. 1 on a parameter's curve, and back (clamped to the range).
double lt_synth_value(const lt_synth_parameter *p, double position);
double lt_synth_position(const lt_synth_parameter *p, double value);
// Presets from uniform numbers: uniform (B, lt_synth_count()) f32 in [0, 1); continuous (B, n) f32,
// categorical (B, m) i64. Each parameter has a distribution that makes sounds plausible and audible; at
// tier 1 the modulation matrix has no effect, at tier 2 it is drawn too.
lt_status lt_synth_random(lt_tensor *continuous, lt_tensor *categorical, const lt_tensor *uniform,
                          int32_t tier);
// text[17] <- a preset's name in 16 hexadecimal digits: FNV-1a of both vectors' bytes, continuous (n) f32 and
// categorical (m) i64, contiguous.
lt_status lt_synth_hash(char *text, const lt_tensor *continuous, const lt_tensor *categorical);
typedef struct lt_synth_options {
    double sample_rate;   // Hz, 8000 .. 192000
    double velocity;      // 1 .. 127
    double gate;          // seconds until the key is released
    int64_t seed;         // of noise and random generators
} lt_synth_options;
// y (B * N, samples) f32 <- every preset of continuous (B, n) f32 and categorical (B, m) i64 at every
// note of notes (N) f32; row b * N + i is preset b at note i. Threads share the rows; each has the same
// bits whatever their number. Positions are clamped, option numbers out of range refused.
lt_status lt_synth_render(lt_tensor *y, const lt_tensor *continuous, const lt_tensor *categorical,
                          const lt_tensor *notes, const lt_synth_options *options);

// ---- lv2 ---------------------------------------------------------------------------------------
// Notes from an LV2 plugin, in processes of the program luatrain-lv2.
typedef struct lt_lv2_pool lt_lv2_pool;
// program: path of luatrain-lv2. Workers are started when there is something to render.
lt_status lt_lv2_open(lt_lv2_pool **pool, const char *program, const char *uri, int32_t workers);
void lt_lv2_close(lt_lv2_pool *pool);  // ends the workers; takes NULL
// y (B * N, samples) f32 <- every row of values (B, P) f32, the values of control ports (P) i64, at
// every note of notes (N) f32; options.seed is not used. A sound whose plugin crashes, refuses or
// takes more than `timeout` seconds becomes silence and is listed; the others go on.
lt_status lt_lv2_render(lt_lv2_pool *pool, lt_tensor *y, const lt_tensor *ports,
                        const lt_tensor *values, const lt_tensor *notes, const lt_synth_options *options,
                        double timeout);
// Failure number `index` (from 0) of the last rendering and its row of y (from 0); NULL after the last.
const char *lt_lv2_failure(int64_t *row, const lt_lv2_pool *pool, int64_t index);

// cdef end
