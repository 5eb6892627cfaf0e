// synthesizer_test: purity of the oscillators, and samples that are finite and the same each time.
#include "luatrain.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROOM = 256 };

static int continuous_count, categorical_count;

// Place of a parameter in the vector of its kind.
static int place(const char *name)
{
    int at[2] = {0, 0};
    for (int i = 0; i < lt_synth_count(); i++) {
        lt_synth_parameter p;
        assert_int_equal(lt_synth_get(&p, i), LT_OK);
        if (strcmp(p.name, name) == 0) return at[p.kind];
        at[p.kind]++;
    }
    fail_msg("no parameter %s", name);
    return -1;
}

static float continuous[ROOM];
static int64_t categorical[ROOM];

// The preset with every parameter at its default.
static void neutral(void)
{
    continuous_count = categorical_count = 0;
    for (int i = 0; i < lt_synth_count(); i++) {
        lt_synth_parameter p;
        lt_synth_get(&p, i);
        if (p.kind == LT_SYNTH_CONTINUOUS)
            continuous[continuous_count++] = (float)lt_synth_position(&p, p.standard);
        else categorical[categorical_count++] = (int64_t)p.standard;
    }
    assert_true(continuous_count < ROOM && categorical_count < ROOM);
}

// Renders `presets` rows of c and k at n notes into a fresh tensor.
static lt_tensor render(const float *c, const int64_t *k, int64_t presets, const float *notes, int64_t n,
                        int64_t samples, const lt_synth_options *o)
{
    lt_tensor tc, tk, tn, y;
    assert_int_equal(lt_tensor_new(&tc, LT_F32, 2, (int64_t[]){presets, continuous_count}), LT_OK);
    assert_int_equal(lt_tensor_new(&tk, LT_I64, 2, (int64_t[]){presets, categorical_count}), LT_OK);
    assert_int_equal(lt_tensor_new(&tn, LT_F32, 1, (int64_t[]){n}), LT_OK);
    assert_int_equal(lt_tensor_new(&y, LT_F32, 2, (int64_t[]){presets * n, samples}), LT_OK);
    memcpy(lt_tensor_data(&tc), c, (size_t)(presets * continuous_count) * sizeof *c);
    memcpy(lt_tensor_data(&tk), k, (size_t)(presets * categorical_count) * sizeof *k);
    memcpy(lt_tensor_data(&tn), notes, (size_t)n * sizeof *notes);
    if (lt_synth_render(&y, &tc, &tk, &tn, o) != LT_OK) fail_msg("%s", lt_error());
    lt_tensor_release(&tc);
    lt_tensor_release(&tk);
    lt_tensor_release(&tn);
    return y;
}

static const lt_synth_options usual = {44100, 100, 1.5, 0};

// ---- oscillators --------------------------------------------------------------------------------
enum { SETTLE = 8192, SPAN = 32768 };

// Subtracts from x the harmonics of `turns` (periods a sample) up to half the rate, fitted under a
// Blackman-Harris window w; returns the amplitude of number `wanted`.
static double remove_harmonics(double *x, const double *w, double turns, int wanted)
{
    double sum = 0, found = 0;
    for (int i = 0; i < SPAN; i++) sum += w[i];
    for (int k = 0; k * turns < 0.5; k++) {
        double re = 0, im = 0;
        for (int i = 0; i < SPAN; i++) {
            double angle = 2 * M_PI * fmod(k * turns * i, 1);
            re += w[i] * x[i] * cos(angle);
            im += w[i] * x[i] * sin(angle);
        }
        double scale = (k ? 2 : 1) / sum;
        if (k == wanted) found = scale * hypot(re, im);
        for (int i = 0; i < SPAN; i++) {
            double angle = 2 * M_PI * fmod(k * turns * i, 1);
            x[i] -= scale * (re * cos(angle) + im * sin(angle));
        }
    }
    return found;
}

static double power_of(const double *x, const double *w)
{
    double sum = 0;
    for (int i = 0; i < SPAN; i++) sum += w[i] * x[i] * x[i];
    return sum;
}

// What x, a note of `turns` periods a sample, holds beside its harmonics, in dB below the whole.
static double impurity_of(double *x, double turns, double *first)
{
    static double w[SPAN];
    for (int i = 0; i < SPAN; i++) {
        double a = 2 * M_PI * i / SPAN;
        w[i] = 0.35875 - 0.48829 * cos(a) + 0.14128 * cos(2 * a) - 0.01168 * cos(3 * a);
    }
    double whole = power_of(x, w);
    *first = remove_harmonics(x, w, turns, 1);
    double decibels = 10 * log10(power_of(x, w) / whole);
    if (getenv("LT_SHOW")) printf("  %.1f dB\n", decibels);
    return decibels;
}

// The same for a note of a wave of the first oscillator.
static double impurity(int wave, float note, double *first)
{
    static double x[SPAN];
    neutral();
    categorical[place("osc_1_wave")] = wave;
    continuous[place("env_1_sustain")] = 1;
    lt_tensor y = render(continuous, categorical, 1, &note, 1, SETTLE + SPAN, &usual);
    for (int i = 0; i < SPAN; i++) x[i] = ((const float *)lt_tensor_data(&y))[SETTLE + i];
    lt_tensor_release(&y);
    // The pitch as the synthesizer rounds it.
    float turns = 440.f * exp2f((note - 69) / 12) / 44100.f;
    return impurity_of(x, (double)(uint32_t)(turns * 4294967296.f) / 4294967296.0, first);
}

static void oscillators_hold_harmonics_only(void **state)
{
    (void)state;
    double first;
    for (int wave = 0; wave < 6; wave++)
        for (float note = 36; note < 120; note += 24) {
            double got = impurity(wave, note, &first);
            if (!(got < -80)) fail_msg("wave %d at note %g: %.1f dB beside its harmonics", wave, note, got);
        }
}

// What the limit is about: a saw that is not band-limited, seen by the same eyes.
static void a_plain_saw_does_not(void **state)
{
    (void)state;
    static double x[SPAN];
    double turns = 440 * exp2((84 - 69) / 12.0) / 44100, first;
    for (int i = 0; i < SPAN; i++) x[i] = 2 * fmod(turns * i, 1) - 1;
    assert_true(impurity_of(x, turns, &first) > -30);
}

static void harmonics_are_those_of_the_wave(void **state)
{
    (void)state;
    // All waves are as loud as each other: a sine of power 1/8 has amplitude 1/2; a saw of that power,
    // whose harmonics fall as 1/k, begins with 0.5 / sqrt(pi^2 / 12) / sqrt(2), a square with
    // 0.5 / sqrt(pi^2 / 16).
    double sine, saw, square;
    impurity(0, 60, &sine);
    impurity(2, 60, &saw);
    impurity(3, 60, &square);
    assert_true(fabs(saw / sine - sqrt(6) / M_PI) < 0.002);
    assert_true(fabs(square / sine - sqrt(8) / M_PI) < 0.002);
}

// ---- any preset ---------------------------------------------------------------------------------
static uint32_t dice;
static double roll(void)
{
    dice = dice * 1664525u + 1013904223u;
    return dice / 4294967296.0;
}

// Fills preset number b: every third one has only ends of ranges.
static void any_preset(float *c, int64_t *k, int b)
{
    for (int i = 0, nc = 0, nk = 0; i < lt_synth_count(); i++) {
        lt_synth_parameter p;
        lt_synth_get(&p, i);
        if (p.kind == LT_SYNTH_CONTINUOUS) c[nc++] = (float)(b % 3 ? roll() : roll() < 0.5 ? 0 : 1);
        else k[nk++] = (int64_t)(roll() * p.options_count);
    }
}

static void every_preset_gives_finite_samples(void **state)
{
    (void)state;
    enum { PRESETS = 60 };
    static float c[PRESETS * ROOM];
    static int64_t k[PRESETS * ROOM];
    const double rates[] = {8000, 44100, 192000};
    neutral();
    dice = 5;
    for (int r = 0; r < 3; r++) {
        for (int b = 0; b < PRESETS; b++)
            any_preset(c + b * continuous_count, k + b * categorical_count, b);
        lt_synth_options o = {rates[r], r == 0 ? 0 : 127, 0.15, r};
        float notes[] = {0, 127};
        lt_tensor y = render(c, k, PRESETS, notes, 2, (int64_t)(rates[r] * 0.25), &o);
        const float *samples = lt_tensor_data(&y);
        for (int64_t i = 0; i < lt_tensor_numel(&y); i++)
            if (!(fabsf(samples[i]) <= 16)) fail_msg("rate %g: sample %d is %g", rates[r], (int)i, samples[i]);
        lt_tensor_release(&y);
    }
}

static void samples_do_not_depend_on_threads(void **state)
{
    (void)state;
    enum { PRESETS = 12 };
    static float c[PRESETS * ROOM];
    static int64_t k[PRESETS * ROOM];
    neutral();
    dice = 9;
    for (int b = 0; b < PRESETS; b++) any_preset(c + b * continuous_count, k + b * categorical_count, b);
    float notes[] = {48, 60, 72};
    int before = lt_threads();
    lt_set_threads(1);
    lt_tensor one = render(c, k, PRESETS, notes, 3, 9000, &usual);
    lt_set_threads(4);
    lt_tensor four = render(c, k, PRESETS, notes, 3, 9000, &usual);
    // One alone, out of the middle.
    lt_tensor alone = render(c + 5 * continuous_count, k + 5 * categorical_count, 1, notes + 1, 1, 9000,
                             &usual);
    lt_set_threads(before);
    size_t bytes = (size_t)lt_tensor_numel(&one) * sizeof(float);
    assert_memory_equal(lt_tensor_data(&one), lt_tensor_data(&four), bytes);
    assert_memory_equal((float *)lt_tensor_data(&one) + (5 * 3 + 1) * 9000, lt_tensor_data(&alone),
                        9000 * sizeof(float));
    lt_tensor_release(&one);
    lt_tensor_release(&four);
    lt_tensor_release(&alone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(oscillators_hold_harmonics_only),
        cmocka_unit_test(a_plain_saw_does_not),
        cmocka_unit_test(harmonics_are_those_of_the_wave),
        cmocka_unit_test(every_preset_gives_finite_samples),
        cmocka_unit_test(samples_do_not_depend_on_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
