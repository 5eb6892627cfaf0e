// synthesizer_osc: band-limited wavetable oscillators with unison and phase modulation, and noise.
//
// A wave is a sum of harmonics. For each of some forty numbers of harmonics there is a table that holds
// exactly those, and a voice reads the fullest one whose harmonics all lie below half the sample rate.
// Tables have 2048 to 16384 values a period; between them is interpolated linearly, which leaves images
// more than 80 dB below (tests/runtime/synthesizer_test.c).
#include "music/synthesizer.h"

#include <pthread.h>

enum { WAVES = 6, TABLES = 40, MOST = 512, FULL_BITS = 14, FULL = 1 << FULL_BITS };

static int harmonics_of[TABLES], table_count;  // rising: 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20 ...
static float *tables[WAVES][TABLES];
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool built;

// About 50 values a period of the highest harmonic.
static int table_bits(int t)
{
    int bits = FULL_BITS - 3;
    while (bits < FULL_BITS && harmonics_of[t] > (40 << (bits - FULL_BITS + 3))) bits++;
    return bits;
}

// Amplitude of a wave's harmonic k >= 1 as a sine (cosine for those marked).
static double harmonic(int wave, int k, bool *cosine)
{
    static const double organ[] = {1, 0.8, 0.6, 0.5, 0, 0.35, 0, 0.45};
    *cosine = false;
    switch (wave) {
    case 0: return k == 1;
    case 1: return k & 1 ? (k & 2 ? -1.0 : 1.0) / k / k : 0;
    case 2: return 1.0 / k;
    case 3: return k & 1 ? 1.0 / k : 0;
    case 4: *cosine = true; return sin(M_PI * 0.18 * k) / k;  // a pulse of 18 %
    default: return k <= 8 ? organ[k - 1] : 0;
    }
}

static void list_tables(void)
{
    int k = 1;
    while (k <= MOST && table_count < TABLES) {
        harmonics_of[table_count++] = k;
        int step = 1;
        while (step * 8 <= k) step *= 2;  // four steps an octave from 4 on
        k += step;
    }
}

// Fills the tables of one wave; each has the same gain, so that the wave with all its harmonics has a
// root mean square of 0.5.
static void fill_wave(int wave, float *memory, const double *sine)
{
    static double sum[FULL];
    double power = 0;
    bool cosine;
    memset(sum, 0, sizeof sum);
    for (int k = 1; k <= MOST; k++) power += 0.5 * pow(harmonic(wave, k, &cosine), 2);
    double gain = 0.5 / sqrt(power);
    int k = 1;
    for (int t = 0; t < table_count; t++) {
        for (; k <= harmonics_of[t]; k++) {
            double a = harmonic(wave, k, &cosine) * gain;
            int shift = cosine ? FULL / 4 : 0;
            if (a != 0)
                for (int i = 0; i < FULL; i++) sum[i] += a * sine[(k * i + shift) & (FULL - 1)];
        }
        int size = 1 << table_bits(t), stride = FULL / size;
        tables[wave][t] = memory;
        for (int i = 0; i < size; i++) memory[i] = (float)sum[i * stride];
        memory[size] = memory[0];
        memory += size + 1;
    }
}

static void build(void)
{
    list_tables();
    size_t floats = 0;
    for (int t = 0; t < table_count; t++) floats += (1u << table_bits(t)) + 1;
    float *memory = malloc(WAVES * floats * sizeof *memory);
    double *sine = malloc(FULL * sizeof *sine);
    if (memory && sine) {
        for (int i = 0; i < FULL; i++) sine[i] = sin(2 * M_PI * i / FULL);
        for (int w = 0; w < WAVES; w++) fill_wave(w, memory + (size_t)w * floats, sine);
        built = true;
    } else {
        free(memory);
    }
    free(sine);
}

bool synth_osc_ready(void)
{
    pthread_once(&once, build);
    return built;
}

void synth_osc_start(synth_osc *o, const synth_note *n, int which)
{
    memset(o, 0, sizeof *o);
    for (int v = 1; v < SYNTH_VOICES; v++)
        o->phase[v] = synth_hash(n->seed ^ 0x51ed270bu, (uint32_t)(which * SYNTH_VOICES + v));
}

void synth_osc_set(synth_osc *o, const synth_patch *p, const synth_note *n, int which)
{
    static const int voices[] = {1, 3, 7};
    o->voices = voices[p->choice[OSC_UNISON][which]];
    float key = n->note + p->value[OSC_TRANSPOSE][which] + p->value[OSC_TUNE][which];
    float detune = p->value[OSC_DETUNE][which] / 100, blend = p->value[OSC_BLEND][which], power = 0;
    float highest = 0;
    for (int v = 0; v < o->voices; v++) {
        // Voice 0 in the middle, the others in pairs around it: -1, 1, -2, 2 ...
        int away = (v + 1) / 2;
        float offset = o->voices > 1 ? 2.f * away / (o->voices - 1) * (v & 1 ? -1.f : 1.f) : 0.f;
        float hertz = 440.f * exp2f((key + detune * offset - 69) / 12);
        float turns = hertz / (float)n->sample_rate;
        turns = turns < 0.49f ? turns : 0.49f;
        highest = turns > highest ? turns : highest;
        o->step[v] = (uint32_t)(turns * 4294967296.f);
        o->gain[v] = v ? blend : 1;
        power += o->gain[v] * o->gain[v];
    }
    for (int v = 0; v < o->voices; v++) o->gain[v] /= sqrtf(power);
    // Modulated phases spread the spectrum: leave room for it.
    if (which < 2 && p->choice[OSC_ON][which + 1]) highest *= 1 + 4 * p->value[OSC_FM][which];
    int t = 0;
    while (t + 1 < table_count && harmonics_of[t + 1] * highest < 0.5f) t++;
    o->table = tables[p->choice[OSC_WAVE][which]][t];
    o->bits = table_bits(t);
}

static void voice_run(float *restrict out, const synth_osc *o, int v, const uint32_t *restrict moved,
                      int count)
{
    const float *table = o->table, gain = o->gain[v];
    const uint32_t start = o->phase[v], step = o->step[v];
    const int shift = 32 - o->bits;
    const float scale = 1.f / (float)(1u << shift);
    const uint32_t mask = (1u << shift) - 1;
    for (int i = 0; i < count; i++) {
        uint32_t phase = start + step * (uint32_t)i + moved[i];
        uint32_t at = phase >> shift;
        float part = (float)(int32_t)(phase & mask) * scale;
        float low = table[at];
        out[i] += gain * (low + (table[at + 1] - low) * part);
    }
}

void synth_osc_run(synth_osc *o, const float *fm, float depth, int count)
{
    uint32_t moved[SYNTH_BLOCK] = {0};
    if (fm && depth > 0)
        for (int i = 0; i < count; i++) {
            // In periods, at most 32 of them; wraps as the phase does.
            float turn = synth_clamp(depth * fm[i], -32, 32);
            moved[i] = (uint32_t)(int64_t)(turn * 4294967296.f);
        }
    memset(o->out, 0, sizeof o->out);
    for (int v = 0; v < o->voices; v++) {
        voice_run(o->out, o, v, moved, count);
        o->phase[v] += o->step[v] * (uint32_t)count;
    }
}

// ---- noise --------------------------------------------------------------------------------------
// Pink: three one-pole low-passes an octave and more apart under white noise, within 1 dB of -3 dB an
// octave from 40 Hz to 16 kHz at 44.1 kHz. Brown: white noise through a leaky integrator.
void synth_noise_run(synth_noise *s, const synth_patch *p, const synth_note *n, float *y, int count)
{
    float level = 0.9f * p->value[NOISE_LEVEL][0], tone = synth_pole(p->value[NOISE_TONE][0],
                                                                     n->sample_rate);
    int colour = p->choice[NOISE_COLOUR][0];
    for (int i = 0; i < count; i++) {
        float x = synth_unit(synth_hash(n->seed, s->at++));
        if (colour == 1) {
            s->pink[0] += 0.00235f * (x * 42.f - s->pink[0]);
            s->pink[1] += 0.0370f * (x * 8.1f - s->pink[1]);
            s->pink[2] += 0.43f * (x * 2.466f - s->pink[2]);
            x = 0.35f * (s->pink[0] + s->pink[1] + s->pink[2]) + 0.065f * x;
        } else if (colour == 2) {
            s->brown += 0.02f * (x - s->brown);
            x = 8.f * s->brown;
        }
        s->low += tone * (x - s->low);
        y[i] += level * s->low;
    }
}
