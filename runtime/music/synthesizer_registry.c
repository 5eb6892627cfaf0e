// synthesizer_registry: names, ranges and curves of the built-in synthesizer, and random presets.
//
// The table of rows (synthesizer.h) is spread once into one entry per parameter: osc_1 with all it
// has, then osc_2, and so on.
#include "music/synthesizer.h"

#include <pthread.h>
#include <stdio.h>

typedef struct row {
    const char *module;
    int copies, tier1;
    const char *name, *options;
    double minimum, maximum, standard;
    int curve;
    const char *gate;
    synth_draw draw;
} row;

#define ROW_C(id, module, copies, tier1, name, low, high, curve, standard, gate, ...) \
    [id] = {module, copies, tier1, name, NULL, low, high, standard, LT_CURVE_##curve, gate, __VA_ARGS__},
#define ROW_K(id, module, copies, tier1, name, options, standard, gate, ...) \
    [id] = {module, copies, tier1, name, options, 0, 0, standard, -1, gate, __VA_ARGS__},
static const row rows[SYNTH_ROW_COUNT] = {SYNTH_ROWS(ROW_C, ROW_K)};

// What random presets do differently in one copy, so that the modules are not interchangeable: the
// second oscillator is a fifth above, the third an octave below; filter 2 carves rather than shapes; the
// release of envelope 2, which little is left to be heard of, keeps to a middle.
static const struct { short row, copy; synth_draw draw; } special[] = {
    {OSC_TRANSPOSE, 1, BELL(0.646, 0.04)},
    {OSC_TRANSPOSE, 2, BELL(0.25, 0.04)},
    {FILTER_MODEL, 1, WEIGHTS(0.08, 0.06, 0.42, 0.16, 0.28)},
    {FILTER_CUTOFF, 1, UNIFORM(0.15, 0.8)},
    {ENV_ATTACK, 1, BELL(0.3, 0.1)},
    {ENV_HOLD, 1, LOW(0, 0.2)},
    {ENV_DECAY, 1, BELL(0.5, 0.1)},
    {ENV_SUSTAIN, 1, BELL(0.35, 0.1)},
    {ENV_RELEASE, 1, BELL(0.45, 0.06)},
};

// Parameters that can be moved by the matrix.
static const short movable[] = {
    OSC_LEVEL, OSC_TRANSPOSE, OSC_TUNE, OSC_DETUNE, OSC_BLEND, OSC_FM, NOISE_LEVEL, NOISE_TONE,
    FILTER_CUTOFF, FILTER_RESONANCE, FILTER_DRIVE, FILTER_MIX, DISTORTION_DRIVE, DISTORTION_MIX,
    CHORUS_DEPTH, CHORUS_MIX, DELAY_MIX, REVERB_MIX, VOLUME,
};

static synth_registry registry;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int options_in(const char *options)
{
    int n = 1;
    for (const char *c = options; *c; c++) n += *c == '|';
    return n;
}

// Writes gate with # replaced by the copy's number and @ by the next one's.
static void write_gate(char *to, size_t room, const char *gate, int copy)
{
    size_t n = 0;
    for (; *gate && n + 2 < room; gate++)
        to[n++] = *gate == '#' ? (char)('1' + copy) : *gate == '@' ? (char)('2' + copy) : *gate;
    to[n] = 0;
}

static void describe(synth_parameter *p, int r, int copy)
{
    const row *row = &rows[r];
    p->row = r;
    p->copy = copy;
    p->draw = row->draw;
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (special[i].row == r && special[i].copy == copy) p->draw = special[i].draw;
    char number[16] = "";
    if (row->copies) snprintf(number, sizeof number, "_%d", copy + 1);
    snprintf(p->group, sizeof p->group, "%s%s", row->module, number);
    snprintf(p->name, sizeof p->name, "%s%s_%s", row->module, number, row->name);
    write_gate(p->gate, sizeof p->gate, row->gate, copy);
    // The second envelope moves filter 1, and nothing else but through the matrix.
    if (strcmp(p->group, "env_2") == 0) strcpy(p->gate, "filter_1_on");
    bool categorical = row->curve < 0;
    double standard = r == OSC_ON && copy == 0 ? 1 : row->standard;
    p->about = (lt_synth_parameter){
        .name = p->name, .group = p->group, .options = row->options, .gate = p->gate,
        .minimum = row->minimum, .maximum = row->maximum, .standard = standard,
        .kind = categorical ? LT_SYNTH_CATEGORICAL : LT_SYNTH_CONTINUOUS,
        .curve = categorical ? LT_CURVE_LINEAR : row->curve, .tier = copy < row->tier1 ? 1 : 2,
    };
    p->at = categorical ? registry.categorical++ : registry.continuous++;
}

static void list_targets(void)
{
    size_t n = 0;
    for (size_t i = 0; i < sizeof movable / sizeof *movable; i++) {
        int copies = rows[movable[i]].copies ? rows[movable[i]].copies : 1;
        for (int copy = 0; copy < copies; copy++) {
            const synth_parameter *p = &registry.list[registry.index[movable[i]][copy]];
            n += (size_t)snprintf(registry.targets + n, sizeof registry.targets - n, "%s%s",
                                  n ? "|" : "", p->name);
            registry.target_row[registry.target_count] = movable[i];
            registry.target_copy[registry.target_count++] = (short)copy;
        }
    }
}

static void build(void)
{
    for (int first = 0, last; first < SYNTH_ROW_COUNT; first = last) {
        int copies = 1;
        for (last = first; last < SYNTH_ROW_COUNT; last++) {
            if (strcmp(rows[last].module, rows[first].module) != 0) break;
            if (rows[last].copies > copies) copies = rows[last].copies;
        }
        for (int copy = 0; copy < copies; copy++)
            for (int r = first; r < last; r++)
                if (copy == 0 || copy < rows[r].copies) {
                    registry.index[r][copy] = (short)registry.count;
                    describe(&registry.list[registry.count++], r, copy);
                }
    }
    list_targets();
    for (int i = 0; i < registry.count; i++) {
        lt_synth_parameter *about = &registry.list[i].about;
        if (registry.list[i].row == MOD_TARGET) about->options = registry.targets;
        about->options_count = about->options ? options_in(about->options) : 0;
    }
}

const synth_registry *synth_registry_get(void)
{
    pthread_once(&once, build);
    return &registry;
}

int32_t lt_synth_count(void) { return synth_registry_get()->count; }

lt_status lt_synth_get(lt_synth_parameter *p, int32_t index)
{
    const synth_registry *r = synth_registry_get();
    LT_REQUIRE(index >= 0 && index < r->count, LT_ERR_ARGUMENT,
               "synthesizer: parameter %d does not exist; there are %d", index, r->count);
    *p = r->list[index].about;
    return LT_OK;
}

double lt_synth_value(const lt_synth_parameter *p, double u)
{
    u = u > 0 ? u < 1 ? u : 1 : 0;  // NaN becomes 0
    double low = p->minimum, span = p->maximum - p->minimum;
    switch (p->curve) {
    case LT_CURVE_EXPONENTIAL: return low * exp(u * log(p->maximum / low));
    case LT_CURVE_QUADRATIC: return low + span * u * u;
    case LT_CURVE_INTEGER: return low + floor(span * u + 0.5);
    default: return low + span * u;
    }
}

double lt_synth_position(const lt_synth_parameter *p, double value)
{
    double low = p->minimum, span = p->maximum - p->minimum;
    if (!(span > 0) || !(value > low)) return 0;
    if (value >= p->maximum) return 1;
    switch (p->curve) {
    case LT_CURVE_EXPONENTIAL: return log(value / low) / log(p->maximum / low);
    case LT_CURVE_QUADRATIC: return sqrt((value - low) / span);
    default: return (value - low) / span;
    }
}

// ---- random presets -----------------------------------------------------------------------------
// A number of about normal distribution (Irwin-Hall of three) from one uniform number's digits.
static float bell(float u)
{
    uint32_t bits = (uint32_t)(u * 16777216.f);
    float sum = 0;
    for (uint32_t i = 0; i < 3; i++) sum += synth_unit(synth_hash(bits, i));
    return sum;  // variance 1
}

static float draw_position(const synth_parameter *p, float u, int tier)
{
    const synth_draw *d = &p->draw;
    const lt_synth_parameter *about = &p->about;
    switch (d->kind) {
    case DRAW_LOW: return d->a + (d->b - d->a) * u * u;
    case DRAW_BELL: return synth_clamp(d->a + d->b * bell(u), 0, 1);
    case DRAW_STILL:
        if (tier < 2) return (float)lt_synth_position(about, about->standard);
        return synth_clamp(0.5f + 0.2f * bell(u), 0, 1);
    default: return d->a + (d->b - d->a) * u;
    }
}

static int64_t draw_choice(const synth_parameter *p, float u)
{
    int n = p->about.options_count;
    if (!p->draw.weights) return u * n < n - 1 ? (int64_t)(u * n) : n - 1;
    for (int i = 0; i < n; i++) {
        u -= p->draw.weights[i];
        if (u < 0) return i;
    }
    return n - 1;
}

static void draw_preset(float *continuous, int64_t *categorical, const float *uniform, int tier)
{
    const synth_registry *r = synth_registry_get();
    for (int i = 0; i < r->count; i++) {
        const synth_parameter *p = &r->list[i];
        float u = synth_clamp(uniform[i], 0, 0.99999994f);
        if (p->about.kind == LT_SYNTH_CONTINUOUS) continuous[p->at] = draw_position(p, u, tier);
        else categorical[p->at] = draw_choice(p, u);
    }
    // Silence teaches nothing: with every oscillator off one is switched on, whichever the first one's
    // number, which then lies in the lower half, points at.
    int64_t *on[SYNTH_OSCS], any = 0;
    for (int i = 0; i < SYNTH_OSCS; i++) {
        on[i] = &categorical[r->list[r->index[OSC_ON][i]].at];
        any += *on[i];
    }
    if (!any) {
        float u = synth_clamp(uniform[r->index[OSC_ON][0]], 0, 0.49999997f);
        *on[(int)(2 * SYNTH_OSCS * u)] = 1;
    }
}

lt_status lt_synth_random(lt_tensor *continuous, lt_tensor *categorical, const lt_tensor *uniform,
                          int32_t tier)
{
    const synth_registry *r = synth_registry_get();
    LT_REQUIRE(lt_present(continuous) && lt_present(categorical) && lt_present(uniform),
               LT_ERR_ARGUMENT, "synthesizer: a tensor was released with its scope");
    LT_TRY(lt_check_dtype("synthesizer", "continuous", continuous, LT_F32));
    LT_TRY(lt_check_dtype("synthesizer", "categorical", categorical, LT_I64));
    LT_TRY(lt_check_dtype("synthesizer", "uniform", uniform, LT_F32));
    LT_TRY(lt_check_contiguous("synthesizer", "continuous", continuous));
    LT_TRY(lt_check_contiguous("synthesizer", "categorical", categorical));
    LT_TRY(lt_check_contiguous("synthesizer", "uniform", uniform));
    int64_t rows_wanted = uniform->ndim == 2 ? uniform->shape[0] : -1;
    LT_REQUIRE(uniform->ndim == 2 && uniform->shape[1] == r->count, LT_ERR_ARGUMENT,
               "synthesizer: uniform is %s, wanted (B, %d)", LT_SHAPE(uniform), r->count);
    LT_REQUIRE(continuous->ndim == 2 && continuous->shape[0] == rows_wanted &&
                   continuous->shape[1] == r->continuous && categorical->ndim == 2 &&
                   categorical->shape[0] == rows_wanted && categorical->shape[1] == r->categorical,
               LT_ERR_ARGUMENT, "synthesizer: the preset is %s and %s, wanted (%lld, %d) and (%lld, %d)",
               LT_SHAPE(continuous), LT_SHAPE(categorical), (long long)rows_wanted, r->continuous,
               (long long)rows_wanted, r->categorical);
    for (int64_t b = 0; b < rows_wanted; b++)
        draw_preset(lt_f32(continuous) + b * r->continuous, lt_i64(categorical) + b * r->categorical,
                    lt_f32(uniform) + b * r->count, tier);
    return LT_OK;
}

// ---- names of presets ---------------------------------------------------------------------------
static uint64_t fnv(uint64_t h, const lt_tensor *t)
{
    const unsigned char *byte = lt_data(t);
    int64_t bytes = lt_numel(t) * lt_dtype_size(t->dtype);
    for (int64_t i = 0; i < bytes; i++) h = (h ^ byte[i]) * 0x100000001b3u;
    return h;
}

lt_status lt_synth_hash(char *text, const lt_tensor *continuous, const lt_tensor *categorical)
{
    LT_REQUIRE(lt_present(continuous) && lt_present(categorical), LT_ERR_ARGUMENT,
               "synthesizer: a tensor was released with its scope");
    LT_TRY(lt_check_dtype("synthesizer", "continuous", continuous, LT_F32));
    LT_TRY(lt_check_dtype("synthesizer", "categorical", categorical, LT_I64));
    LT_TRY(lt_check_contiguous("synthesizer", "continuous", continuous));
    LT_TRY(lt_check_contiguous("synthesizer", "categorical", categorical));
    uint64_t h = fnv(fnv(0xcbf29ce484222325u, continuous), categorical);
    snprintf(text, 17, "%016llx", (unsigned long long)h);
    return LT_OK;
}
