// vocoder: spectra at another speed (J. Flanagan and R. Golden, 1966; M. Dolson, "The phase
// vocoder: a tutorial", 1986), for stretching sounds in time and shifting their pitch.
//
// Output frame t lies at t * rate between two frames of the input. Its magnitude is interpolated
// between theirs. Its phase is the phase before plus what the phase advances between these two
// frames, which, but for whole turns, is the angle of b conj(a): so there are rotations here and no
// angles at all.
#include "core/internal.h"

#include <math.h>
#include <omp.h>

typedef struct vocoder_args {
    lt_tensor y, x;
    double rate;
} vocoder_args;

// The frames of every bin lie one after the other.
static lt_status vocoder_check_spectrum(const char *arg, const lt_tensor *x)
{
    LT_TRY(lt_check_dtype("phase_vocoder", arg, x, LT_F32));
    LT_REQUIRE(x->ndim == 4 && x->shape[3] == 2, LT_ERR_ARGUMENT,
               "phase_vocoder: %s is %s, it must be (B, bins, frames, 2), re and im", arg,
               LT_SHAPE(x));
    LT_REQUIRE(x->stride[3] == 1 && (x->stride[2] == 2 || x->shape[2] == 1), LT_ERR_ARGUMENT,
               "phase_vocoder: %s %s must be contiguous along its frames", arg, LT_SHAPE(x));
    return LT_OK;
}

static lt_status vocoder_check(const void *p)
{
    const vocoder_args *a = p;
    LT_TRY(vocoder_check_spectrum("y", &a->y));
    LT_TRY(vocoder_check_spectrum("x", &a->x));
    LT_REQUIRE(a->rate >= 1e-3 && a->rate <= 1e3, LT_ERR_ARGUMENT,
               "phase_vocoder: the rate is %g, it must lie between 0.001 and 1000", a->rate);
    LT_REQUIRE(a->x.shape[2] >= 1 && a->x.shape[2] < (int64_t)1 << 32, LT_ERR_ARGUMENT,
               "phase_vocoder: x is %s, it has no frames or too many", LT_SHAPE(&a->x));
    int64_t frames = (int64_t)ceil((double)a->x.shape[2] / a->rate);
    LT_REQUIRE(
        a->y.shape[0] == a->x.shape[0] && a->y.shape[1] == a->x.shape[1] && a->y.shape[2] == frames,
        LT_ERR_ARGUMENT, "phase_vocoder: y is %s, it must be (%lld, %lld, %lld, 2)",
        LT_SHAPE(&a->y), (long long)a->x.shape[0], (long long)a->x.shape[1], (long long)frames);
    return LT_OK;
}

// Magnitudes and directions (re, im) of n values; the direction of 0 is 1. Two more follow as
// zeros.
static void vocoder_polar(const float *x, int64_t n, float *size, float *re, float *im)
{
#pragma omp simd
    for (int64_t t = 0; t < n; t++) {
        float a = x[2 * t], b = x[2 * t + 1], power = a * a + b * b, m = sqrtf(power);
        float inverse = 1 / (power > 0 ? m : 1);
        size[t] = m;
        re[t] = power > 0 ? a * inverse : 1;
        im[t] = power > 0 ? b * inverse : 0;
    }
    for (int64_t t = n; t < n + 2; t++) size[t] = 0, re[t] = 1, im[t] = 0;
}

// One bin: y[t] for all t.
static void vocoder_bin(float *y, int64_t count, double rate, const float *size, const float *re,
                        const float *im)
{
    float c = re[0], s = im[0];
    for (int64_t t = 0; t < count; t++) {
        double at = (double)t * rate;
        int64_t i = (int64_t)at;
        float share = (float)(at - (double)i);
        float m = (1 - share) * size[i] + share * size[i + 1];
        y[2 * t] = m * c;
        y[2 * t + 1] = m * s;
        // turn by b conj(a), and back to length 1 by a step of Newton's method
        float dc = re[i + 1] * re[i] + im[i + 1] * im[i],
              ds = im[i + 1] * re[i] - re[i + 1] * im[i];
        float turned = c * dc - s * ds;
        s = c * ds + s * dc;
        float fix = 1.5f - 0.5f * (turned * turned + s * s);
        c = turned * fix;
        s *= fix;
    }
}

static lt_status vocoder_cpu(const void *p)
{
    const vocoder_args *a = p;
    int64_t bins = a->x.shape[1], frames = a->x.shape[2], count = a->y.shape[2];
    int64_t items = a->x.shape[0] * bins, width = frames + 2;
    int team = lt_team(items * 32 * (frames + count));
    float *block = lt_alloc(team * 3 * width * (int64_t)sizeof(float));
    LT_REQUIRE(block, LT_ERR_MEMORY, "phase_vocoder: no memory for %lld frames", (long long)frames);
#pragma omp parallel num_threads(team)
    {
        float *size = block + omp_get_thread_num() * 3 * width, *re = size + width,
              *im = re + width;
#pragma omp for schedule(static)
        for (int64_t item = 0; item < items; item++) {
            int64_t clip = item / bins, bin = item % bins;
            vocoder_polar(lt_f32(&a->x) + clip * a->x.stride[0] + bin * a->x.stride[1], frames,
                          size, re, im);
            vocoder_bin(lt_f32(&a->y) + clip * a->y.stride[0] + bin * a->y.stride[1], count,
                        a->rate, size, re, im);
        }
    }
    lt_free(block);
    return LT_OK;
}

LT_OP(phase_vocoder, "y; x", vocoder_check, vocoder_cpu)

lt_status lt_phase_vocoder(lt_tensor *y, const lt_tensor *x, double rate)
{
    vocoder_args a = {*y, *x, rate};
    return lt_run(&phase_vocoder_op, &a);
}
