// synthesizer.h: what the files of the built-in synthesizer share.
//
// SYNTH_ROWS is the registry: every parameter is declared here and nowhere else. A row stands for the
// same parameter of each copy of a module: OSC_LEVEL for osc_1_level, osc_2_level and osc_3_level. It
// is expanded twice: for the names of the rows in C and for the table in synthesizer_registry.c.
#ifndef LT_SYNTHESIZER_H
#define LT_SYNTHESIZER_H

#include "core/internal.h"

// How a random preset draws a parameter, in positions 0 .. 1 of its range (choices: of weights).
typedef enum { DRAW_UNIFORM, DRAW_LOW, DRAW_BELL, DRAW_CHOICE, DRAW_STILL } synth_draw_kind;
typedef struct synth_draw {
    synth_draw_kind kind;
    float a, b;            // UNIFORM: from a to b; LOW: the same, mostly near a; BELL: centre, width
    const float *weights;  // CHOICE: one per option; NULL: all alike
} synth_draw;
#define UNIFORM(a, b) {DRAW_UNIFORM, a, b, NULL}
#define LOW(a, b) {DRAW_LOW, a, b, NULL}
#define BELL(centre, width) {DRAW_BELL, centre, width, NULL}
#define EVEN {DRAW_CHOICE, 0, 0, NULL}
#define WEIGHTS(...) {DRAW_CHOICE, 0, 0, (const float[]){__VA_ARGS__}}
#define STILL {DRAW_STILL, 0, 0, NULL}  // the default, unless modulation is asked for

#define SYNTH_WAVES "sine|triangle|saw|square|pulse|organ"
#define SYNTH_MODELS "lowpass|ladder|highpass|bandpass|notch"
#define SYNTH_SHAPES "soft|hard|fold|crush"

// C(row, module, copies, copies of tier 1, name, minimum, maximum, curve, default, switches, draw)
// K(row, module, copies, copies of tier 1, name, options, default, switches, draw)
// Copies 0: the module is there once and carries no number. In switches # stands for the copy's number
// and @ for the next one; all of A+B must be on (not their first option) for the parameter to matter.
#define SYNTH_ROWS(C, K) \
    K(OSC_ON, "osc", 3, 3, "on", "off|on", 0, "", EVEN) \
    K(OSC_WAVE, "osc", 3, 3, "wave", SYNTH_WAVES, 2, "osc_#_on", EVEN) \
    K(OSC_UNISON, "osc", 3, 3, "unison", "1|3|7", 0, "osc_#_on", EVEN) \
    C(OSC_LEVEL, "osc", 3, 3, "level", 0, 1, LINEAR, 0.7, "osc_#_on", BELL(0.7, 0.08)) \
    C(OSC_TRANSPOSE, "osc", 3, 3, "transpose", -24, 24, INTEGER, 0, "osc_#_on", BELL(0.5, 0.04)) \
    C(OSC_TUNE, "osc", 3, 3, "tune", -1, 1, LINEAR, 0, "osc_#_on", BELL(0.5, 0.04)) \
    C(OSC_DETUNE, "osc", 3, 3, "unison_detune", 0, 100, QUADRATIC, 15, "osc_#_on+osc_#_unison", \
      BELL(0.6, 0.12)) \
    C(OSC_BLEND, "osc", 3, 3, "unison_blend", 0, 1, LINEAR, 0.8, "osc_#_on+osc_#_unison", \
      BELL(0.7, 0.08)) \
    C(OSC_FM, "osc", 2, 2, "fm", 0, 1, QUADRATIC, 0, "osc_#_on+osc_@_on", BELL(0.35, 0.13)) \
    K(NOISE_ON, "noise", 0, 1, "on", "off|on", 0, "", EVEN) \
    K(NOISE_COLOUR, "noise", 0, 1, "colour", "white|pink|brown", 0, "noise_on", EVEN) \
    C(NOISE_LEVEL, "noise", 0, 1, "level", 0, 1, QUADRATIC, 0.25, "noise_on", UNIFORM(0.15, 1)) \
    C(NOISE_TONE, "noise", 0, 1, "tone", 500, 16000, EXPONENTIAL, 16000, "noise_on", BELL(0.5, 0.1)) \
    K(FILTER_ON, "filter", 2, 2, "on", "off|on", 0, "", EVEN) \
    K(FILTER_MODEL, "filter", 2, 2, "model", SYNTH_MODELS, 0, "filter_#_on", \
      WEIGHTS(0.36, 0.34, 0.08, 0.14, 0.08)) \
    C(FILTER_CUTOFF, "filter", 2, 2, "cutoff", 40, 16000, EXPONENTIAL, 2000, "filter_#_on", \
      UNIFORM(0.2, 0.85)) \
    C(FILTER_RESONANCE, "filter", 2, 2, "resonance", 0, 1, LINEAR, 0.2, "filter_#_on", BELL(0.4, 0.12)) \
    C(FILTER_DRIVE, "filter", 2, 2, "drive", 0, 24, LINEAR, 0, "filter_#_on", LOW(0, 0.4)) \
    C(FILTER_KEY_TRACK, "filter", 2, 2, "key_track", 0, 1, LINEAR, 0, "filter_#_on", BELL(0.3, 0.08)) \
    C(FILTER_MIX, "filter", 2, 2, "mix", 0, 1, LINEAR, 1, "filter_#_on", BELL(0.9, 0.08)) \
    C(FILTER_ENV, "filter", 1, 1, "env_amount", -4, 4, LINEAR, 0, "filter_#_on", BELL(0.82, 0.07)) \
    C(ENV_ATTACK, "env", 6, 2, "attack", 0.003, 2, EXPONENTIAL, 0.005, "", LOW(0, 0.85)) \
    C(ENV_ATTACK_CURVE, "env", 6, 2, "attack_curve", -6, 6, LINEAR, -1, "", BELL(0.4, 0.07)) \
    C(ENV_HOLD, "env", 6, 2, "hold", 0, 1, QUADRATIC, 0, "", LOW(0, 0.3)) \
    C(ENV_DECAY, "env", 6, 2, "decay", 0.02, 4, EXPONENTIAL, 0.4, "", UNIFORM(0.2, 0.85)) \
    C(ENV_DECAY_CURVE, "env", 6, 2, "decay_curve", -6, 6, LINEAR, -3, "", BELL(0.25, 0.07)) \
    C(ENV_SUSTAIN, "env", 6, 2, "sustain", 0, 1, LINEAR, 0.7, "", UNIFORM(0, 0.75)) \
    C(ENV_RELEASE, "env", 6, 2, "release", 0.02, 4, EXPONENTIAL, 0.2, "", UNIFORM(0.1, 0.8)) \
    K(DISTORTION_ON, "distortion", 0, 1, "on", "off|on", 0, "", WEIGHTS(0.6, 0.4)) \
    K(DISTORTION_TYPE, "distortion", 0, 1, "type", SYNTH_SHAPES, 0, "distortion_on", EVEN) \
    C(DISTORTION_DRIVE, "distortion", 0, 1, "drive", 0, 36, LINEAR, 12, "distortion_on", \
      UNIFORM(0.35, 1)) \
    C(DISTORTION_TONE, "distortion", 0, 1, "tone", 500, 16000, EXPONENTIAL, 16000, "distortion_on", \
      BELL(0.7, 0.1)) \
    C(DISTORTION_MIX, "distortion", 0, 1, "mix", 0, 1, LINEAR, 1, "distortion_on", BELL(0.8, 0.08)) \
    K(CHORUS_ON, "chorus", 0, 1, "on", "off|on", 0, "", WEIGHTS(0.6, 0.4)) \
    C(CHORUS_RATE, "chorus", 0, 1, "rate", 0.1, 8, EXPONENTIAL, 0.8, "chorus_on", UNIFORM(0.15, 1)) \
    C(CHORUS_DEPTH, "chorus", 0, 1, "depth", 0, 1, LINEAR, 0.5, "chorus_on", BELL(0.6, 0.1)) \
    C(CHORUS_FEEDBACK, "chorus", 0, 1, "feedback", 0, 0.9, LINEAR, 0.1, "chorus_on", BELL(0.3, 0.07)) \
    C(CHORUS_MIX, "chorus", 0, 1, "mix", 0, 1, LINEAR, 0.5, "chorus_on", BELL(0.75, 0.08)) \
    K(DELAY_ON, "delay", 0, 1, "on", "off|on", 0, "", WEIGHTS(0.6, 0.4)) \
    C(DELAY_TIME, "delay", 0, 1, "time", 0.03, 1, EXPONENTIAL, 0.25, "delay_on", UNIFORM(0.15, 0.9)) \
    C(DELAY_FEEDBACK, "delay", 0, 1, "feedback", 0, 0.95, LINEAR, 0.4, "delay_on", UNIFORM(0.2, 0.9)) \
    C(DELAY_TONE, "delay", 0, 1, "tone", 500, 16000, EXPONENTIAL, 6000, "delay_on", BELL(0.6, 0.08)) \
    C(DELAY_MIX, "delay", 0, 1, "mix", 0, 1, LINEAR, 0.4, "delay_on", BELL(0.75, 0.08)) \
    K(REVERB_ON, "reverb", 0, 1, "on", "off|on", 0, "", WEIGHTS(0.6, 0.4)) \
    C(REVERB_DECAY, "reverb", 0, 1, "decay", 0.2, 10, EXPONENTIAL, 1.5, "reverb_on", UNIFORM(0.15, 1)) \
    C(REVERB_SIZE, "reverb", 0, 1, "size", 0.25, 1, LINEAR, 0.6, "reverb_on", BELL(0.6, 0.09)) \
    C(REVERB_DAMPING, "reverb", 0, 1, "damping", 500, 16000, EXPONENTIAL, 6000, "reverb_on", \
      BELL(0.6, 0.12)) \
    C(REVERB_PREDELAY, "reverb", 0, 1, "predelay", 0, 0.1, LINEAR, 0.01, "reverb_on", BELL(0.2, 0.06)) \
    C(REVERB_MIX, "reverb", 0, 1, "mix", 0, 1, LINEAR, 0.3, "reverb_on", UNIFORM(0.2, 1)) \
    C(VOLUME, "master", 0, 1, "volume", -24, 6, LINEAR, 0, "", UNIFORM(0.1, 1)) \
    K(LFO_WAVE, "lfo", 4, 0, "wave", "sine|triangle|saw|square|steps", 0, "", EVEN) \
    K(LFO_START, "lfo", 4, 0, "start", "note|free", 0, "", EVEN) \
    C(LFO_RATE, "lfo", 4, 0, "rate", 0.05, 30, EXPONENTIAL, 3, "", UNIFORM(0, 1)) \
    C(LFO_PHASE, "lfo", 4, 0, "phase", 0, 1, LINEAR, 0, "", UNIFORM(0, 1)) \
    C(LFO_DELAY, "lfo", 4, 0, "delay", 0, 2, QUADRATIC, 0, "", LOW(0, 1)) \
    C(LFO_FADE, "lfo", 4, 0, "fade", 0, 2, QUADRATIC, 0, "", LOW(0, 1)) \
    K(RANDOM_KIND, "random", 2, 0, "kind", "steps|smooth|wander", 0, "", EVEN) \
    C(RANDOM_RATE, "random", 2, 0, "rate", 0.1, 30, EXPONENTIAL, 3, "", UNIFORM(0, 1)) \
    C(RANDOM_SPREAD, "random", 2, 0, "spread", 0, 1, LINEAR, 1, "", UNIFORM(0.3, 1)) \
    K(MOD_SOURCE, "mod", 8, 0, "source", SYNTH_SOURCES, 0, "", EVEN) \
    K(MOD_TARGET, "mod", 8, 0, "target", NULL, 0, "", EVEN) \
    C(MOD_AMOUNT, "mod", 8, 0, "amount", -1, 1, LINEAR, 0, "", STILL)

#define SYNTH_SOURCES \
    "none|env_1|env_2|env_3|env_4|env_5|env_6|lfo_1|lfo_2|lfo_3|lfo_4|random_1|random_2|note|velocity"

#define SYNTH_ROW_ID(id, ...) id,
enum { SYNTH_ROWS(SYNTH_ROW_ID, SYNTH_ROW_ID) SYNTH_ROW_COUNT };

enum {
    SYNTH_BLOCK = 32,   // samples between two looks at the modulators
    SYNTH_COPIES = 8,   // copies of a row, at most
    SYNTH_OSCS = 3,
    SYNTH_FILTERS = 2,
    SYNTH_ENVS = 6,
    SYNTH_LFOS = 4,
    SYNTH_RANDOMS = 2,
    SYNTH_SLOTS = 8,
    SYNTH_VOICES = 7,   // unison
    SYNTH_CONTINUOUS = 160, SYNTH_CATEGORICAL = 64  // room, more than there are
};

// One parameter of the registry; `at` is its place in the vector of its kind.
typedef struct synth_parameter {
    lt_synth_parameter about;
    int row, copy, at;
    synth_draw draw;
    char name[40], group[24], gate[64];
} synth_parameter;

typedef struct synth_registry {
    int count, continuous, categorical;
    synth_parameter list[SYNTH_CONTINUOUS + SYNTH_CATEGORICAL];
    short index[SYNTH_ROW_COUNT][SYNTH_COPIES];  // into list
    char targets[1024];                          // the options of MOD_TARGET
    short target_row[64], target_copy[64];
    int target_count;
} synth_registry;

const synth_registry *synth_registry_get(void);

// ---- a sound ------------------------------------------------------------------------------------
typedef struct synth_note {
    double sample_rate;
    float note, velocity, gate;  // MIDI note, 0 .. 1, seconds
    uint32_t seed;
} synth_note;

// The values of a preset, and what modulation makes of them for the block at hand.
typedef struct synth_patch {
    float position[SYNTH_ROW_COUNT][SYNTH_COPIES];
    float value[SYNTH_ROW_COUNT][SYNTH_COPIES];
    int choice[SYNTH_ROW_COUNT][SYNTH_COPIES];
} synth_patch;

// A random number that depends on its arguments only.
static inline uint32_t synth_hash(uint32_t a, uint32_t b)
{
    uint32_t h = a * 0x9e3779b9u ^ b * 0x85ebca6bu;
    h ^= h >> 16;
    h *= 0x7feb352du;
    h ^= h >> 15;
    h *= 0x846ca68bu;
    return h ^ h >> 16;
}
// -1 .. 1
static inline float synth_unit(uint32_t h) { return (float)(int32_t)h * 0x1p-31f; }

// A soft bend: slope 1 at 0, level at 1 from 1.5 on; cubic, so that no division waits in a loop.
static inline float synth_soft(float x)
{
    x = x < -1.5f ? -1.5f : x > 1.5f ? 1.5f : x;
    return x - 0.14814815f * x * x * x;
}
static inline float synth_clamp(float x, float low, float high)
{
    return x < low ? low : x > high ? high : x;
}
// Coefficient of a one-pole low-pass y += c * (x - y).
static inline float synth_pole(float hertz, double sample_rate)
{
    return 1.f - expf(-6.2831853f * hertz / (float)sample_rate);
}

// ---- oscillators (synthesizer_osc.c) ------------------------------------------------------------
typedef struct synth_osc {
    uint32_t phase[SYNTH_VOICES], step[SYNTH_VOICES];
    float gain[SYNTH_VOICES];
    int voices;
    const float *table;  // one period, and its first value again
    int bits;            // it has 2^bits values
    float out[SYNTH_BLOCK];
} synth_osc;
typedef struct synth_noise { float pink[3], brown, low; uint32_t at; } synth_noise;

// Makes the tables at the first call; false where there is no memory for them.
bool synth_osc_ready(void);
void synth_osc_start(synth_osc *o, const synth_note *n, int which);
// Takes pitch, unison and wave from the patch.
void synth_osc_set(synth_osc *o, const synth_patch *p, const synth_note *n, int which);
// o->out <- count samples; fm: what moves the phase (in periods), or NULL.
void synth_osc_run(synth_osc *o, const float *fm, float depth, int count);
// Adds noise to y.
void synth_noise_run(synth_noise *s, const synth_patch *p, const synth_note *n, float *y, int count);

// ---- filters (synthesizer_filter.c) -------------------------------------------------------------
typedef struct synth_filter { float g, s[4]; bool started; } synth_filter;
// octaves: what the envelope adds to the cutoff.
void synth_filter_run(synth_filter *f, const synth_patch *p, const synth_note *n, int which,
                      float octaves, float *y, int count);

// ---- envelopes, LFOs, random generators, matrix (synthesizer_motion.c) ---------------------------
float synth_envelope(const synth_patch *p, int which, double t, double gate);
typedef struct synth_matrix {
    int slots;
    struct { short source, row, copy; float amount; } slot[SYNTH_SLOTS];
} synth_matrix;
void synth_matrix_start(synth_matrix *m, const synth_patch *p);
// Sets p->value of every target for time t.
void synth_matrix_run(const synth_matrix *m, synth_patch *p, const synth_note *n, double t);

// ---- effects (synthesizer_effect.c) -------------------------------------------------------------
enum { SYNTH_LINES = 8 };
typedef struct synth_line { float *data; int size, at; } synth_line;
typedef struct synth_effects {
    synth_line chorus, delay, predelay, line[SYNTH_LINES];
    float distortion_low, delay_low, damp[SYNTH_LINES], held;
    int hold;
    double chorus_phase;
} synth_effects;
int64_t synth_effects_floats(double sample_rate);  // memory that synth_effects_start divides up
void synth_effects_start(synth_effects *e, const synth_patch *p, double sample_rate, float *memory);
void synth_effects_run(synth_effects *e, const synth_patch *p, double sample_rate, float *y, int count);

#endif
