// synthesizer_motion: envelopes, low-frequency oscillators, random generators, the modulation matrix.
//
// All of them are functions of the time since the key went down, so that they can be asked at any
// moment and nothing is carried from block to block.
#include "music/synthesizer.h"

// From 0 to 1, straight for c = 0, bent upwards early for c < 0 and late for c > 0.
static float bend(float x, float c)
{
    if (fabsf(c) < 1e-3f) return x;
    return (expf(c * x) - 1.f) / (expf(c) - 1.f);
}

// While the key is held.
static float held(const synth_patch *p, int e, float t)
{
    float attack = p->value[ENV_ATTACK][e], hold = p->value[ENV_HOLD][e];
    float decay = p->value[ENV_DECAY][e], sustain = p->value[ENV_SUSTAIN][e];
    if (t < attack) return bend(t / attack, p->value[ENV_ATTACK_CURVE][e]);
    t -= attack + hold;
    if (t <= 0) return 1;
    if (t >= decay) return sustain;
    return 1 + (sustain - 1) * bend(t / decay, p->value[ENV_DECAY_CURVE][e]);
}

float synth_envelope(const synth_patch *p, int e, double t, double gate)
{
    if (t < gate) return held(p, e, (float)t);
    float since = (float)(t - gate), release = p->value[ENV_RELEASE][e];
    if (since >= release) return 0;
    return held(p, e, (float)gate) * (1 - bend(since / release, p->value[ENV_DECAY_CURVE][e]));
}

static float lfo(const synth_patch *p, const synth_note *n, int which, double t)
{
    double since = t - p->value[LFO_DELAY][which];
    if (since < 0) return 0;
    float fade = p->value[LFO_FADE][which];
    float amount = since < fade ? (float)since / fade : 1;
    double turns = p->value[LFO_PHASE][which] + p->value[LFO_RATE][which] * t;
    if (p->choice[LFO_START][which] == 1)
        turns += 0.5 + 0.5 * synth_unit(synth_hash(n->seed, 977u + (uint32_t)which));
    double whole = floor(turns);
    float x = (float)(turns - whole);
    switch (p->choice[LFO_WAVE][which]) {
    case 0: return amount * sinf(6.2831853f * x);
    case 1: return amount * (x < 0.5f ? 4 * x - 1 : 3 - 4 * x);
    case 2: return amount * (2 * x - 1);
    case 3: return amount * (x < 0.5f ? 1.f : -1.f);
    default:
        return amount * synth_unit(synth_hash(n->seed + 131u * (uint32_t)which, (uint32_t)(int64_t)whole));
    }
}

static float random_at(const synth_patch *p, const synth_note *n, int which, double t)
{
    double turns = p->value[RANDOM_RATE][which] * t, whole = floor(turns);
    uint32_t stream = n->seed ^ (0x2545f491u + (uint32_t)which), i = (uint32_t)(int64_t)whole;
    float a = synth_unit(synth_hash(stream, i)), b = synth_unit(synth_hash(stream, i + 1));
    float x = (float)(turns - whole), spread = p->value[RANDOM_SPREAD][which];
    switch (p->choice[RANDOM_KIND][which]) {
    case 0: return spread * a;
    case 1: return spread * (a + (b - a) * x * x * (3 - 2 * x));
    default: return spread * (a + (b - a) * x);
    }
}

enum { FROM_NONE, FROM_ENV, FROM_LFO = FROM_ENV + SYNTH_ENVS, FROM_RANDOM = FROM_LFO + SYNTH_LFOS,
       FROM_NOTE = FROM_RANDOM + SYNTH_RANDOMS, FROM_VELOCITY };

static float source_at(const synth_patch *p, const synth_note *n, int source, double t)
{
    if (source >= FROM_VELOCITY) return n->velocity;
    if (source == FROM_NOTE) return (n->note - 60) / 60;
    if (source >= FROM_RANDOM) return random_at(p, n, source - FROM_RANDOM, t);
    if (source >= FROM_LFO) return lfo(p, n, source - FROM_LFO, t);
    return synth_envelope(p, source - FROM_ENV, t, n->gate);
}

void synth_matrix_start(synth_matrix *m, const synth_patch *p)
{
    const synth_registry *r = synth_registry_get();
    m->slots = 0;
    for (int i = 0; i < SYNTH_SLOTS; i++) {
        float amount = p->value[MOD_AMOUNT][i];
        int source = p->choice[MOD_SOURCE][i], target = p->choice[MOD_TARGET][i];
        if (source == FROM_NONE || fabsf(amount) < 1e-4f) continue;
        m->slot[m->slots].source = (short)source;
        m->slot[m->slots].row = r->target_row[target];
        m->slot[m->slots].copy = r->target_copy[target];
        m->slot[m->slots++].amount = amount;
    }
}

void synth_matrix_run(const synth_matrix *m, synth_patch *p, const synth_note *n, double t)
{
    const synth_registry *r = synth_registry_get();
    float moved[SYNTH_SLOTS];
    for (int i = 0; i < m->slots; i++)
        moved[i] = m->slot[i].amount * source_at(p, n, m->slot[i].source, t);
    for (int i = 0; i < m->slots; i++) {
        int row = m->slot[i].row, copy = m->slot[i].copy;
        float sum = 0;
        for (int j = 0; j < m->slots; j++)
            if (m->slot[j].row == row && m->slot[j].copy == copy) sum += moved[j];
        const lt_synth_parameter *about = &r->list[r->index[row][copy]].about;
        float at = p->position[row][copy] + sum;
        if (about->curve == LT_CURVE_INTEGER) {  // the preset's is a whole number, the motion is not
            float rounded = (float)lt_synth_value(about, p->position[row][copy]);
            float span = (float)(about->maximum - about->minimum);
            p->value[row][copy] = synth_clamp(rounded + sum * span, (float)about->minimum,
                                              (float)about->maximum);
        } else {
            p->value[row][copy] = (float)lt_synth_value(about, at);
        }
    }
}
