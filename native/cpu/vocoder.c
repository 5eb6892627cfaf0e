// vocoder: spectra at another speed (J. Flanagan and R. Golden, 1966; M. Dolson, "The phase
// vocoder: a tutorial", 1986), for stretching sounds in time and shifting their pitch.
//
// Output frame t lies at t * rate between two frames of the input. Its magnitude is interpolated
// between theirs. Its phase is the phase before plus what the phase advances between these two
// frames, which, but for whole turns, is the angle of b conj(a): so there are rotations here and no
// angles at all. A lane of the vectors is a bin, since each frame needs the one before.
#include "cpu/fft_lanes.h"

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

enum { SQUARE = LT_LANES / 2 };  // frames that LT_LANES numbers hold

// A frame of LT_LANES bins: magnitudes, and directions as numbers of length 1; that of 0 is 1.
typedef struct polar { vec size, re, im; } polar;

// Spectra of `bins` bins, `stride` apart, as polar frames. Two of magnitude 0 follow.
static void vocoder_polar(polar *to, const float *x, int64_t stride, int bins, int64_t frames)
{
    for (int64_t t = 0; t < frames; t += SQUARE) {
        int count = frames - t < SQUARE ? (int)(frames - t) : SQUARE;
        vec v[LT_LANES];
        for (int b = 0; b < LT_LANES; b++)
            v[b] = b < bins ? vec_load_some(x + b * stride + 2 * t, 2 * count) : vec_all(0);
        vec_transpose(v);
        for (int i = 0; i < count; i++) {
            vec re = v[2 * i], im = v[2 * i + 1], size = vec_sqrt(re * re + im * im);
            ivec some = size > vec_all(0);
            vec inverse = 1 / vec_select(some, size, vec_all(1));
            to[t + i] = (polar){size, vec_select(some, re * inverse, vec_all(1)), im * inverse};
        }
    }
    for (int64_t t = frames; t < frames + 2; t++) to[t] = (polar){vec_all(0), vec_all(1), vec_all(0)};
}

// y[t] of the same bins for all t.
static void vocoder_bins(float *y, int64_t stride, int bins, int64_t count, double rate,
                         const polar *x)
{
    vec c = x[0].re, s = x[0].im, v[LT_LANES];
    for (int64_t first = 0; first < count; first += SQUARE) {
        int some = count - first < SQUARE ? (int)(count - first) : SQUARE;
        for (int k = 0; k < SQUARE; k++) {
            double at = (double)(first + (k < some ? k : some - 1)) * rate;
            const polar *a = x + (int64_t)at, *b = a + 1;
            float share = (float)(at - floor(at));
            vec m = (1 - share) * a->size + share * b->size;
            v[2 * k] = m * c;
            v[2 * k + 1] = m * s;
            // turn by b conj(a), and back to length 1 by a step of Newton's method
            vec dc = b->re * a->re + b->im * a->im, ds = b->im * a->re - b->re * a->im;
            vec turned = c * dc - s * ds;
            s = c * ds + s * dc;
            vec fix = 1.5f - 0.5f * (turned * turned + s * s);
            c = turned * fix;
            s *= fix;
        }
        vec_transpose(v);
        for (int b = 0; b < bins; b++) vec_store_some(y + b * stride + 2 * first, v[b], 2 * some);
    }
}

static lt_status vocoder_cpu(const void *p)
{
    const vocoder_args *a = p;
    int64_t bins = a->x.shape[1], frames = a->x.shape[2], count = a->y.shape[2];
    int64_t groups = (bins + LT_LANES - 1) / LT_LANES, items = a->x.shape[0] * groups;
    int team = lt_team(a->x.shape[0] * bins * 8 * (frames + count));
    polar *block = lt_alloc(team * (frames + 2) * (int64_t)sizeof(polar));
    LT_REQUIRE(block, LT_ERR_MEMORY, "phase_vocoder: no memory for %lld frames", (long long)frames);
#pragma omp parallel num_threads(team)
    {
        polar *mine = block + omp_get_thread_num() * (frames + 2);
#pragma omp for schedule(static)
        for (int64_t item = 0; item < items; item++) {
            int64_t clip = item / groups, bin = item % groups * LT_LANES;
            int some = bins - bin < LT_LANES ? (int)(bins - bin) : LT_LANES;
            vocoder_polar(mine, lt_f32(&a->x) + clip * a->x.stride[0] + bin * a->x.stride[1],
                          a->x.stride[1], some, frames);
            vocoder_bins(lt_f32(&a->y) + clip * a->y.stride[0] + bin * a->y.stride[1],
                         a->y.stride[1], some, count, a->rate, mine);
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
