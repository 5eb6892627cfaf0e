// synthesizer_filter: a state-variable filter and a ladder, both by the trapezoidal rule, which stays
// stable for any cutoff and under modulation (V. Zavalishin, "The Art of VA Filter Design", 2012).
#include "music/synthesizer.h"

enum { MODEL_LOW = 0, MODEL_LADDER, MODEL_HIGH, MODEL_BAND, MODEL_NOTCH };

// Drive in dB: louder into the soft bend, then back by two thirds of it.
static void drive(float *y, float decibels, int count)
{
    if (decibels <= 0.01f) return;
    float up = powf(10, decibels / 20), down = powf(up, -0.66f);
    for (int i = 0; i < count; i++) y[i] = down * synth_soft(y[i] * up);
}

// g[i]: tangent of the cutoff at each sample; k: damping, 2 (none) .. 0.05 (ringing).
static void state_variable(synth_filter *f, int model, const float *g, float k, float *y, int count)
{
    float s1 = f->s[0], s2 = f->s[1], inverse[SYNTH_BLOCK];
    for (int i = 0; i < count; i++) inverse[i] = 1.f / (1.f + g[i] * (g[i] + k));
    float low_gain = model == MODEL_LOW || model == MODEL_NOTCH, high_gain = model == MODEL_HIGH ||
                                                                             model == MODEL_NOTCH;
    float band_gain = model == MODEL_BAND ? k : 0.f;
    // A low damping would make a band-pass vanish and a low-pass shriek: meet in the middle.
    if (model == MODEL_BAND) band_gain = sqrtf(k);
    for (int i = 0; i < count; i++) {
        float high = (y[i] - (g[i] + k) * s1 - s2) * inverse[i];
        float band = g[i] * high + s1, low = g[i] * band + s2;
        s1 = g[i] * high + band;
        s2 = g[i] * band + low;
        y[i] = low_gain * low + band_gain * band + high_gain * high;
    }
    f->s[0] = s1;
    f->s[1] = s2;
}

// Four one-pole low-passes in a loop of gain r (0 .. 4); the loop's input is bent, so that it rings but
// does not run away.
static void ladder(synth_filter *f, const float *g, float r, float *y, int count)
{
    float s0 = f->s[0], s1 = f->s[1], s2 = f->s[2], s3 = f->s[3];
    float a[SYNTH_BLOCK], in_gain[SYNTH_BLOCK], back[SYNTH_BLOCK];
    for (int i = 0; i < count; i++) {
        float b = 1.f / (1.f + g[i]), c = g[i] * b, all = 1.f / (1.f + r * c * c * c * c);
        a[i] = c;
        in_gain[i] = (1.f + 0.5f * r) * all;
        back[i] = r * b * all;
    }
    for (int i = 0; i < count; i++) {
        // What leaves the ladder now, were it linear, is c^4 of the input and this share of the states.
        float c = a[i], keep = 1.f - c;
        float held = s3 + c * (s2 + c * (s1 + c * s0));
        float in = synth_soft(y[i] * in_gain[i] - back[i] * held);
        float x0 = c * in + keep * s0, x1 = c * x0 + keep * s1;
        float x2 = c * x1 + keep * s2, x3 = c * x2 + keep * s3;
        s0 = 2.f * x0 - s0;
        s1 = 2.f * x1 - s1;
        s2 = 2.f * x2 - s2;
        s3 = 2.f * x3 - s3;
        y[i] = x3;
    }
    f->s[0] = s0, f->s[1] = s1, f->s[2] = s2, f->s[3] = s3;
}

void synth_filter_run(synth_filter *f, const synth_patch *p, const synth_note *n, int which,
                      float octaves, float *y, int count)
{
    float dry[SYNTH_BLOCK], g[SYNTH_BLOCK], mix = p->value[FILTER_MIX][which];
    float key = p->value[FILTER_KEY_TRACK][which] * (n->note - 60) / 12;
    float cutoff = p->value[FILTER_CUTOFF][which] * exp2f(octaves + key);
    cutoff = synth_clamp(cutoff, 20, 0.45f * (float)n->sample_rate);
    float target = tanf(3.14159265f * cutoff / (float)n->sample_rate);
    if (!f->started) f->g = target, f->started = true;
    float step = (target - f->g) / (float)count;
    for (int i = 0; i < count; i++) g[i] = f->g + step * (float)(i + 1);
    f->g = target;
    memcpy(dry, y, (size_t)count * sizeof *y);
    drive(y, p->value[FILTER_DRIVE][which], count);
    float resonance = p->value[FILTER_RESONANCE][which];
    int model = p->choice[FILTER_MODEL][which];
    if (model == MODEL_LADDER) {
        ladder(f, g, 3.9f * resonance, y, count);
    } else {
        // A notch with more resonance is narrower; it is kept wide enough to be heard.
        float k = model == MODEL_NOTCH ? 2.f - 1.4f * resonance : 1.6f * powf(0.03f, resonance);
        state_variable(f, model, g, k, y, count);
    }
    for (int i = 0; i < count; i++) y[i] = dry[i] + mix * (y[i] - dry[i]);
}
