// synthesizer_effect: distortion, chorus, delay and reverb, in this order, each with its switch.
#include "music/synthesizer.h"

// ---- delay lines --------------------------------------------------------------------------------
static void line_put(synth_line *l, float x)
{
    l->data[l->at] = x;
    if (++l->at == l->size) l->at = 0;
}

// What was put `back` samples ago (1: the last one), interpolated; 1 <= back <= size - 2.
static float line_get(const synth_line *l, float back)
{
    int whole = (int)back;
    float part = back - (float)whole;
    int at = l->at - whole;
    if (at < 0) at += l->size;
    int before = at ? at - 1 : l->size - 1;
    return l->data[at] + part * (l->data[before] - l->data[at]);
}

enum { CHORUS_MS = 30, DELAY_MS = 1000, PREDELAY_MS = 100 };

// Lengths of the reverb's lines in milliseconds at full size; no two share a rhythm.
static const float line_ms[SYNTH_LINES] = {41.9f, 47.3f, 53.9f, 61.7f, 67.1f, 73.3f, 83.9f, 97.1f};

static int samples_in(double ms, double sample_rate) { return (int)(ms * 1e-3 * sample_rate) + 4; }

int64_t synth_effects_floats(double sample_rate)
{
    int64_t n = samples_in(CHORUS_MS, sample_rate) + samples_in(DELAY_MS, sample_rate) +
                samples_in(PREDELAY_MS, sample_rate);
    for (int i = 0; i < SYNTH_LINES; i++) n += samples_in(line_ms[i], sample_rate);
    return n;
}

static float *line_start(synth_line *l, float *memory, int size, bool on)
{
    *l = (synth_line){memory, size, 0};
    if (on) memset(memory, 0, (size_t)size * sizeof *memory);
    return memory + size;
}

void synth_effects_start(synth_effects *e, const synth_patch *p, double rate, float *memory)
{
    memset(e, 0, sizeof *e);
    memory = line_start(&e->chorus, memory, samples_in(CHORUS_MS, rate), p->choice[CHORUS_ON][0]);
    memory = line_start(&e->delay, memory, samples_in(DELAY_MS, rate), p->choice[DELAY_ON][0]);
    bool reverb = p->choice[REVERB_ON][0];
    memory = line_start(&e->predelay, memory, samples_in(PREDELAY_MS, rate), reverb);
    // The size is fixed for the length of a sound: it sets the lengths themselves.
    for (int i = 0; i < SYNTH_LINES; i++) {
        int size = samples_in(line_ms[i] * p->value[REVERB_SIZE][0], rate);
        memory = line_start(&e->line[i], memory, size, reverb);
    }
}

// ---- distortion ---------------------------------------------------------------------------------
enum { SHAPE_SOFT = 0, SHAPE_HARD, SHAPE_FOLD, SHAPE_CRUSH };

// A triangle wave of x with unit slope at 0: folded back at 1 and -1.
static float fold(float x)
{
    float turns = 0.25f * x + 0.25f;
    turns -= floorf(turns);
    return turns < 0.5f ? 4 * turns - 1 : 3 - 4 * turns;
}

// Fewer values: every `every`-th sample is held, with six bits.
static void crush(synth_effects *e, float *y, float up, int every, int count)
{
    for (int i = 0; i < count; i++) {
        if (e->hold-- <= 0) {
            e->hold = every - 1;
            e->held = rintf(synth_clamp(y[i] * up, -1, 1) * 16) / 16;
        }
        y[i] = e->held;
    }
}

static void distortion(synth_effects *e, const synth_patch *p, double rate, float *y, int count)
{
    float decibels = p->value[DISTORTION_DRIVE][0], mix = p->value[DISTORTION_MIX][0];
    float up = powf(10, decibels / 20), tone = synth_pole(p->value[DISTORTION_TONE][0], rate);
    float dry[SYNTH_BLOCK];
    memcpy(dry, y, (size_t)count * sizeof *y);
    switch (p->choice[DISTORTION_TYPE][0]) {
    case SHAPE_SOFT:
        for (int i = 0; i < count; i++) y[i] = synth_soft(up * y[i]);
        break;
    case SHAPE_HARD:
        for (int i = 0; i < count; i++) y[i] = synth_clamp(up * y[i], -1, 1);
        break;
    case SHAPE_FOLD:
        for (int i = 0; i < count; i++) y[i] = fold(synth_clamp(up * y[i], -64, 64));
        break;
    default: crush(e, y, sqrtf(up), 1 + (int)(decibels / 36 * 15 * (float)(rate / 44100)), count);
    }
    // What is driven is loud: meet the clean sound half-way.
    float down = 0.7f * powf(up, -0.15f);
    for (int i = 0; i < count; i++) {
        e->distortion_low += tone * (down * y[i] - e->distortion_low);
        y[i] = dry[i] + mix * (e->distortion_low - dry[i]);
    }
}

// ---- chorus -------------------------------------------------------------------------------------
// One line, read at two places that a slow sine moves against each other.
static void chorus(synth_effects *e, const synth_patch *p, double rate, float *y, int count)
{
    float ms = (float)rate * 1e-3f, middle = 9 * ms, reach = 8 * ms * p->value[CHORUS_DEPTH][0];
    float feedback = p->value[CHORUS_FEEDBACK][0], mix = p->value[CHORUS_MIX][0];
    double step = p->value[CHORUS_RATE][0] / rate;
    float from = sinf((float)(2 * M_PI * e->chorus_phase));
    e->chorus_phase += step * count;
    e->chorus_phase -= floor(e->chorus_phase);
    float to = sinf((float)(2 * M_PI * e->chorus_phase));
    for (int i = 0; i < count; i++) {
        float sway = reach * (from + (to - from) * (float)i / (float)count);
        float wet = 0.5f * (line_get(&e->chorus, middle + sway) + line_get(&e->chorus, middle - sway));
        line_put(&e->chorus, y[i] + feedback * wet);
        y[i] += mix * (1.4f * wet - 0.4f * y[i]);
    }
}

// ---- delay --------------------------------------------------------------------------------------
static void delay(synth_effects *e, const synth_patch *p, double rate, float *y, int count)
{
    float back = synth_clamp((float)(p->value[DELAY_TIME][0] * rate), 1, (float)e->delay.size - 2);
    float feedback = p->value[DELAY_FEEDBACK][0], mix = p->value[DELAY_MIX][0];
    float tone = synth_pole(p->value[DELAY_TONE][0], rate);
    for (int i = 0; i < count; i++) {
        e->delay_low += tone * (line_get(&e->delay, back) - e->delay_low);
        line_put(&e->delay, y[i] + feedback * e->delay_low);
        y[i] += mix * e->delay_low;
    }
}

// ---- reverb -------------------------------------------------------------------------------------
// Eight delay lines whose ends are mixed by a Hadamard matrix and fed back (J.-M. Jot, "An analysis/
// synthesis approach to real-time artificial reverberation", 1992): the matrix keeps the energy, the
// gains lose 60 dB in the decay time, a low-pass in each line loses the heights sooner.
static void hadamard(float v[SYNTH_LINES])
{
    for (int step = 1; step < SYNTH_LINES; step *= 2)
        for (int i = 0; i < SYNTH_LINES; i += 2 * step)
            for (int j = i; j < i + step; j++) {
                float a = v[j], b = v[j + step];
                v[j] = a + b;
                v[j + step] = a - b;
            }
    for (int i = 0; i < SYNTH_LINES; i++) v[i] *= 0.35355339f;
}

static void reverb(synth_effects *e, const synth_patch *p, double rate, float *y, int count)
{
    float gain[SYNTH_LINES], mix = p->value[REVERB_MIX][0];
    float damping = synth_pole(p->value[REVERB_DAMPING][0], rate);
    float wait = 1 + p->value[REVERB_PREDELAY][0] * (float)rate;
    for (int l = 0; l < SYNTH_LINES; l++)
        gain[l] = powf(10, -3.f * (float)(e->line[l].size / rate) / p->value[REVERB_DECAY][0]);
    wait = synth_clamp(wait, 1, (float)e->predelay.size - 2);
    for (int i = 0; i < count; i++) {
        line_put(&e->predelay, y[i]);
        float in = 0.5f * line_get(&e->predelay, wait), v[SYNTH_LINES], wet = 0;
        for (int l = 0; l < SYNTH_LINES; l++) {
            // The oldest sample of a line is the one about to be overwritten.
            e->damp[l] += damping * (e->line[l].data[e->line[l].at] - e->damp[l]);
            v[l] = gain[l] * e->damp[l];
            wet += l & 1 ? -v[l] : v[l];
        }
        hadamard(v);
        for (int l = 0; l < SYNTH_LINES; l++) line_put(&e->line[l], in + v[l]);
        y[i] += mix * (wet - 0.3f * y[i]);
    }
}

void synth_effects_run(synth_effects *e, const synth_patch *p, double rate, float *y, int count)
{
    if (p->choice[DISTORTION_ON][0]) distortion(e, p, rate, y, count);
    if (p->choice[CHORUS_ON][0]) chorus(e, p, rate, y, count);
    if (p->choice[DELAY_ON][0]) delay(e, p, rate, y, count);
    if (p->choice[REVERB_ON][0]) reverb(e, p, rate, y, count);
}
