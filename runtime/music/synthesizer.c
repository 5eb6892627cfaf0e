// synthesizer: one note of a preset, and many of them on all cores.
//
// oscillators + noise -> filter 1 -> filter 2 -> envelope 1 -> distortion -> chorus -> delay -> reverb.
// Oscillator 2 can modulate the phase of 1, and 3 that of 2; envelope 2 moves the cutoff of filter 1;
// the matrix moves what the registry calls its targets. A note owns all its state, so that its samples
// depend on preset, note and options only. Tiny numbers are flushed to zero while it runs.
#include "music/synthesizer.h"

#include <stdatomic.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum { LOUDEST = 16 };  // samples are finite by construction; this bounds them by number

// A level at which two oscillators of a random preset rarely reach 1.
static const float master = 0.3f;


// ---- a preset's values --------------------------------------------------------------------------
static lt_status load_patch(synth_patch *p, const float *continuous, const int64_t *categorical,
                            int64_t preset)
{
    const synth_registry *r = synth_registry_get();
    memset(p, 0, sizeof *p);
    for (int i = 0; i < r->count; i++) {
        const synth_parameter *q = &r->list[i];
        if (q->about.kind == LT_SYNTH_CONTINUOUS) {
            float u = continuous[q->at];
            p->position[q->row][q->copy] = u >= 0 ? u < 1 ? u : 1 : 0;
            p->value[q->row][q->copy] = (float)lt_synth_value(&q->about, u);
        } else {
            int64_t option = categorical[q->at];
            LT_REQUIRE(option >= 0 && option < q->about.options_count, LT_ERR_ARGUMENT,
                       "synthesizer: preset %lld: %s is option %lld, there are %d (counted from 0)",
                       (long long)preset + 1, q->name, (long long)option, q->about.options_count);
            p->choice[q->row][q->copy] = (int)option;
        }
    }
    return LT_OK;
}

// ---- one sound ----------------------------------------------------------------------------------
typedef struct sound {
    synth_patch patch;
    synth_matrix matrix;
    synth_osc osc[SYNTH_OSCS];
    synth_noise noise;
    synth_filter filter[SYNTH_FILTERS];
    synth_effects effects;
    float loudness;  // envelope 1 at the end of the last block
} sound;

static void run_oscillators(sound *s, const synth_note *n, bool moved, float *y, int count)
{
    synth_patch *p = &s->patch;
    for (int i = SYNTH_OSCS - 1; i >= 0; i--) {
        synth_osc *o = &s->osc[i];
        if (!p->choice[OSC_ON][i]) continue;
        if (moved) synth_osc_set(o, p, n, i);
        bool bent = i + 1 < SYNTH_OSCS && p->choice[OSC_ON][i + 1];
        synth_osc_run(o, bent ? s->osc[i + 1].out : NULL, p->value[OSC_FM][i], count);
        float level = p->value[OSC_LEVEL][i];
        for (int k = 0; k < count; k++) y[k] += level * o->out[k];
    }
    if (p->choice[NOISE_ON][0]) synth_noise_run(&s->noise, p, n, y, count);
}

static void run_block(sound *s, const synth_note *n, int64_t at, float *y, int count)
{
    synth_patch *p = &s->patch;
    double end = (double)(at + count) / n->sample_rate;
    bool moving = s->matrix.slots > 0;
    if (moving) synth_matrix_run(&s->matrix, p, n, end);
    memset(y, 0, (size_t)count * sizeof *y);
    run_oscillators(s, n, moving || at == 0, y, count);
    if (p->choice[FILTER_ON][0]) {
        float amount = p->value[FILTER_ENV][0];
        float octaves = amount * synth_envelope(p, 1, end, n->gate);
        synth_filter_run(&s->filter[0], p, n, 0, octaves, y, count);
    }
    if (p->choice[FILTER_ON][1]) synth_filter_run(&s->filter[1], p, n, 1, 0, y, count);
    float loudness = synth_envelope(p, 0, end, n->gate);
    float step = (loudness - s->loudness) / (float)count;
    float scale = master * (0.4f + 0.6f * n->velocity);
    for (int i = 0; i < count; i++) y[i] *= scale * (s->loudness + step * (float)(i + 1));
    s->loudness = loudness;
    synth_effects_run(&s->effects, p, n->sample_rate, y, count);
    float volume = powf(10, p->value[VOLUME][0] / 20);
    for (int i = 0; i < count; i++) y[i] = synth_clamp(volume * y[i], -LOUDEST, LOUDEST);
}

// Denormal numbers cost a hundred cycles each, and decaying echoes are made of them.
static unsigned flush_denormals(void)
{
#if defined(__SSE2__)
    unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040);
    return before;
#else
    return 0;
#endif
}

static void restore_denormals(unsigned before)
{
#if defined(__SSE2__)
    _mm_setcsr(before);
#else
    (void)before;
#endif
}

static void render_one(sound *s, const synth_note *n, float *memory, float *y, int64_t samples)
{
    unsigned before = flush_denormals();
    synth_matrix_start(&s->matrix, &s->patch);
    for (int i = 0; i < SYNTH_OSCS; i++) synth_osc_start(&s->osc[i], n, i);
    s->noise = (synth_noise){.at = 0};
    memset(s->filter, 0, sizeof s->filter);
    synth_effects_start(&s->effects, &s->patch, n->sample_rate, memory);
    s->loudness = synth_envelope(&s->patch, 0, 0, n->gate);
    for (int64_t at = 0; at < samples; at += SYNTH_BLOCK) {
        int count = samples - at < SYNTH_BLOCK ? (int)(samples - at) : SYNTH_BLOCK;
        run_block(s, n, at, y + at, count);
    }
    restore_denormals(before);
}

// ---- many sounds --------------------------------------------------------------------------------
static lt_status check_render(const lt_tensor *y, const lt_tensor *continuous,
                              const lt_tensor *categorical, const lt_tensor *notes,
                              const lt_synth_options *o)
{
    const synth_registry *r = synth_registry_get();
    LT_REQUIRE(lt_present(y) && lt_present(continuous) && lt_present(categorical) && lt_present(notes),
               LT_ERR_ARGUMENT, "synthesizer: a tensor was released with its scope");
    const struct { const char *name; const lt_tensor *t; int dtype, ndim; } wanted[] = {
        {"y", y, LT_F32, 2}, {"continuous", continuous, LT_F32, 2},
        {"categorical", categorical, LT_I64, 2}, {"notes", notes, LT_F32, 1}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        LT_TRY(lt_check_dtype("synthesizer", wanted[i].name, wanted[i].t, wanted[i].dtype));
        LT_TRY(lt_check_contiguous("synthesizer", wanted[i].name, wanted[i].t));
        LT_REQUIRE(wanted[i].t->ndim == wanted[i].ndim, LT_ERR_ARGUMENT,
                   "synthesizer: %s is %s, wanted %d dimensions", wanted[i].name,
                   LT_SHAPE(wanted[i].t), wanted[i].ndim);
    }
    LT_REQUIRE(continuous->shape[1] == r->continuous && categorical->shape[1] == r->categorical,
               LT_ERR_ARGUMENT, "synthesizer: presets are %s and %s, wanted (B, %d) and (B, %d)",
               LT_SHAPE(continuous), LT_SHAPE(categorical), r->continuous, r->categorical);
    LT_REQUIRE(categorical->shape[0] == continuous->shape[0] &&
                   y->shape[0] == continuous->shape[0] * notes->shape[0],
               LT_ERR_ARGUMENT, "synthesizer: y is %s for %lld presets at %lld notes", LT_SHAPE(y),
               (long long)continuous->shape[0], (long long)notes->shape[0]);
    LT_REQUIRE(o->sample_rate >= 8000 && o->sample_rate <= 192000, LT_ERR_ARGUMENT,
               "synthesizer: the sample rate is %g, wanted 8000 .. 192000", o->sample_rate);
    LT_REQUIRE(o->velocity >= 0 && o->velocity <= 127, LT_ERR_ARGUMENT,
               "synthesizer: the velocity is %g, wanted 0 .. 127", o->velocity);
    LT_REQUIRE(o->gate >= 0 && o->gate <= 3600, LT_ERR_ARGUMENT,
               "synthesizer: the gate is %g seconds, wanted 0 .. 3600", o->gate);
    for (int64_t i = 0; i < notes->shape[0]; i++) {
        float note = lt_f32(notes)[i];
        LT_REQUIRE(note >= 0 && note <= 127, LT_ERR_ARGUMENT,
                   "synthesizer: note %g, wanted 0 .. 127", (double)note);
    }
    return LT_OK;
}

// Patches are checked before threads start, so that an error is one of the caller's thread.
static lt_status check_presets(const lt_tensor *continuous, const lt_tensor *categorical)
{
    synth_patch *p = malloc(sizeof *p);
    LT_REQUIRE(p, LT_ERR_MEMORY, "synthesizer: out of memory");
    lt_status status = LT_OK;
    for (int64_t b = 0; b < continuous->shape[0] && status == LT_OK; b++)
        status = load_patch(p, lt_f32(continuous) + b * continuous->shape[1],
                            lt_i64(categorical) + b * categorical->shape[1], b);
    free(p);
    return status;
}

lt_status lt_synth_render(lt_tensor *y, const lt_tensor *continuous, const lt_tensor *categorical,
                          const lt_tensor *notes, const lt_synth_options *o)
{
    LT_TRY(check_render(y, continuous, categorical, notes, o));
    LT_TRY(check_presets(continuous, categorical));
    LT_REQUIRE(synth_osc_ready(), LT_ERR_MEMORY, "synthesizer: out of memory");
    int64_t per = notes->shape[0], count = y->shape[0], samples = y->shape[1];
    int64_t floats = synth_effects_floats(o->sample_rate);
    atomic_bool failed = false;
    int team = count < lt_threads() ? (int)count : lt_threads();
    if (count == 0) return LT_OK;
#pragma omp parallel num_threads(team)
    {
        sound *s = malloc(sizeof *s);
        float *memory = malloc((size_t)floats * sizeof *memory);
        if (!s || !memory) failed = true;
#pragma omp for schedule(dynamic, 1)
        for (int64_t i = 0; i < count; i++) {
            if (!s || !memory) continue;
            int64_t b = i / per;
            synth_note n = {.sample_rate = o->sample_rate, .note = lt_f32(notes)[i % per],
                            .velocity = (float)o->velocity / 127, .gate = (float)o->gate,
                            .seed = (uint32_t)o->seed ^ (uint32_t)(o->seed >> 32) * 0x9e3779b9u};
            if (load_patch(&s->patch, lt_f32(continuous) + b * continuous->shape[1],
                           lt_i64(categorical) + b * categorical->shape[1], b) != LT_OK)
                continue;  // seen before the threads were started
            render_one(s, &n, memory, lt_f32(y) + i * samples, samples);
        }
        free(memory);
        free(s);
    }
    LT_REQUIRE(!failed, LT_ERR_MEMORY, "synthesizer: out of memory");
    return LT_OK;
}
