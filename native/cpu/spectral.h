// spectral: what the spectral kernels share: options checked and turned into a frame plan, and the
// threads that go over all frames.
#ifndef LT_SPECTRAL_H
#define LT_SPECTRAL_H

#include "fft_real.h"

#include <omp.h>

enum { SPECTRAL_MAX_TEAM = 256 };

// Frames that the options give for a signal of this length; below 1 where there is none.
static inline int64_t spectral_frames(const lt_frames *o, int64_t length)
{
    int64_t padded = length + (o->center ? o->n_fft / 2 * 2 : 0);
    return padded < o->n_fft ? 0 : (padded - o->n_fft) / o->hop + 1;
}

// x is a batch of signals (B, T), contiguous along T; bins has the frames in its dimension 2.
__attribute__((unused)) static lt_status spectral_check(const char *op, const lt_frames *o,
                                                        const lt_tensor *x, const lt_tensor *window,
                                                        const lt_tensor *bins, int64_t rows)
{
    LT_REQUIRE(o->n_fft >= 1 && o->n_fft <= FFT_MAX_LENGTH, LT_ERR_ARGUMENT,
               "%s: n_fft is %lld, it must lie between 1 and %d", op, (long long)o->n_fft,
               FFT_MAX_LENGTH);
    LT_REQUIRE(o->hop >= 1, LT_ERR_ARGUMENT, "%s: hop is %lld, it must be at least 1", op,
               (long long)o->hop);
    LT_TRY(lt_check_dtype(op, "x", x, LT_F32));
    LT_REQUIRE(x->ndim == 2 && (x->shape[1] < 2 || x->stride[1] == 1), LT_ERR_ARGUMENT,
               "%s: x is %s, it must be (B, T) and contiguous along T", op, LT_SHAPE(x));
    if (lt_present(window)) {
        LT_TRY(lt_check_dtype(op, "window", window, LT_F32));
        LT_REQUIRE(window->ndim == 1 && window->shape[0] == o->n_fft &&
                       (o->n_fft == 1 || window->stride[0] == 1),
                   LT_ERR_ARGUMENT, "%s: window is %s, it must be contiguous with n_fft = %lld samples",
                   op, LT_SHAPE(window), (long long)o->n_fft);
    }
    int64_t length = x->shape[1], frames = spectral_frames(o, length);
    LT_REQUIRE(frames >= 1 && length >= 1, LT_ERR_ARGUMENT,
               "%s: x has %lld samples, fewer than one frame of %lld", op, (long long)length,
               (long long)o->n_fft);
    LT_REQUIRE(!(o->reflect && o->center) || length > o->n_fft / 2, LT_ERR_ARGUMENT,
               "%s: x has %lld samples; reflect padding by %lld needs more", op, (long long)length,
               (long long)(o->n_fft / 2));
    LT_TRY(lt_check_dtype(op, "spectrum", bins, LT_F32));
    LT_REQUIRE(bins->ndim >= 3 && bins->shape[0] == x->shape[0] && bins->shape[1] == rows &&
                   bins->shape[2] == frames,
               LT_ERR_ARGUMENT, "%s: the spectrum is %s, it must be (%lld, %lld, %lld, ...)", op,
               LT_SHAPE(bins), (long long)x->shape[0], (long long)rows, (long long)frames);
    return LT_OK;
}

// The innermost dimensions of a spectrum, frames (and re/im), must be contiguous.
__attribute__((unused)) static lt_status spectral_check_rows(const char *op, const lt_tensor *bins,
                                                             int parts)
{
    LT_REQUIRE(bins->ndim == (parts == 2 ? 4 : 3), LT_ERR_ARGUMENT,
               "%s: the spectrum is %s, it must have %d dimensions", op, LT_SHAPE(bins),
               parts == 2 ? 4 : 3);
    bool ok = bins->stride[2] == parts || bins->shape[2] == 1;
    if (parts == 2) ok = ok && bins->shape[3] == 2 && bins->stride[3] == 1;
    LT_REQUIRE(ok, LT_ERR_ARGUMENT, "%s: the spectrum %s must be contiguous along its frames%s", op,
               LT_SHAPE(bins), parts == 2 ? " with 2 parts, re and im" : "");
    return LT_OK;
}

static inline lt_status spectral_plan(frame_plan *f, const lt_frames *o, const lt_tensor *x,
                                      const lt_tensor *window)
{
    *f = (frame_plan){.fft = fft_plan_get((int)o->n_fft),
                      .length = x->shape[1],
                      .frames = spectral_frames(o, x->shape[1]),
                      .hop = o->hop,
                      .before = o->center ? o->n_fft / 2 : 0,
                      .reflect = o->reflect,
                      .window = window && lt_present(window) ? lt_f32(window) : NULL};
    return f->fft ? LT_OK : LT_ERR_MEMORY;
}

// ---- all frames --------------------------------------------------------------------------------
// What becomes of one group of frames, `first` and the LT_LANES - 1 that follow, of a clip.
typedef void spectral_task(const void *args, const frame_plan *f, int64_t clip, int64_t first,
                           frame_work *w);

// Frames of the group that begins with `first`.
static inline int spectral_lanes(const frame_plan *f, int64_t first)
{
    return f->frames - first < LT_LANES ? (int)(f->frames - first) : LT_LANES;
}

// Threads for `items` jobs of some groups of frames each.
static inline int spectral_team(const frame_plan *f, int64_t items, int64_t groups)
{
    int64_t team = lt_team(items * groups * LT_LANES * f->fft->n * 24);
    if (team > SPECTRAL_MAX_TEAM) team = SPECTRAL_MAX_TEAM;
    return (int)(team > items ? (items > 0 ? items : 1) : team);
}

// Every group of frames of every clip, in any order; the window is multiplied by `scale`.
__attribute__((unused)) static lt_status spectral_groups(const frame_plan *f, int64_t clips,
                                                         double scale, spectral_task *task,
                                                         const void *args)
{
    int64_t groups = frame_groups(f->frames), items = clips * groups;
    int team = spectral_team(f, items, 1);
    frame_work works[SPECTRAL_MAX_TEAM];
    LT_TRY(frame_works_new(works, team, f->fft, 0));
#pragma omp parallel num_threads(team)
    {
        frame_work *w = &works[omp_get_thread_num()];
        frame_window(f, w, scale);
#pragma omp for schedule(dynamic, 4)
        for (int64_t i = 0; i < items; i++)
            task(args, f, i / groups, i % groups * LT_LANES, w);
    }
    lt_free(works[0].block);
    return LT_OK;
}

// The same where the groups of a clip add to the same samples y (clips, length): one after the other,
// on zeros, with `spare` vectors in w->spare.
__attribute__((unused)) static lt_status spectral_clips(const frame_plan *f, lt_tensor y, double scale,
                                                        int64_t spare, spectral_task *task,
                                                        const void *args)
{
    int64_t clips = y.shape[0];
    int team = spectral_team(f, clips, 2 * frame_groups(f->frames));
    frame_work works[SPECTRAL_MAX_TEAM];
    LT_TRY(frame_works_new(works, team, f->fft, spare));
#pragma omp parallel num_threads(team)
    {
        frame_work *w = &works[omp_get_thread_num()];
        frame_window(f, w, scale);
#pragma omp for schedule(static)
        for (int64_t clip = 0; clip < clips; clip++) {
            memset(lt_f32(&y) + clip * y.stride[0], 0, sizeof(float) * (size_t)f->length);
            for (int64_t first = 0; first < f->frames; first += LT_LANES)
                task(args, f, clip, first, w);
        }
    }
    lt_free(works[0].block);
    return LT_OK;
}

// Adds the frames in `samples` (n vectors, windowed and scaled by w->window) where they lie in y.
__attribute__((unused)) static void spectral_overlap_add(const frame_plan *f, fft_real *y, int64_t first,
                                                         const vec *samples, const fft_real *window)
{
    int n = f->fft->n;
    int lanes = spectral_lanes(f, first);
    for (int i = 0; i < n; i += LT_LANES) {
        int count = n - i < LT_LANES ? n - i : LT_LANES;
        vec v[LT_LANES];
        for (int j = 0; j < count; j++) v[j] = samples[i + j] * window[i + j];
        for (int j = count; j < LT_LANES; j++) v[j] = vec_all(0);
        vec_transpose(v);
        for (int l = 0; l < lanes; l++) {
            int64_t at = (first + l) * f->hop - f->before + i;
            if (count == LT_LANES && at >= 0 && at + LT_LANES <= f->length) {
                vec_store(y + at, vec_load(y + at) + v[l]);
                continue;
            }
            for (int j = 0; j < count; j++) {
                int64_t k = at + j;
                if (k >= 0 && k < f->length)
                    y[k] += v[l][j];
                else if (f->reflect)
                    y[frame_mirror(k, f->length)] += v[l][j];
            }
        }
    }
}

// ---- what becomes of a power -------------------------------------------------------------------
#ifndef FFT_DOUBLE
FFT_INLINE vec spectral_shape(const lt_log *g, vec x)
{
    x = x * (float)g->scale;
    float floor = g->floor < 1.17549435e-38 ? 1.17549435e-38f : (float)g->floor;
    vec low = vec_all(floor);
    switch (g->form) {
    case LT_LOG_1P: x = vec_log1p(x); break;
    case LT_LOG_MAX: x = vec_log(vec_select(x < low, low, x)); break;
    case LT_LOG_ADD: x = vec_log(x + low); break;
    default: break;
    }
    return x * (float)g->multiplier + (float)g->offset;
}
#endif

__attribute__((unused)) static lt_status spectral_check_log(const char *op, const lt_log *g)
{
    LT_REQUIRE(g->form >= LT_LOG_NONE && g->form <= LT_LOG_ADD, LT_ERR_ARGUMENT,
               "%s: form is %d, it must lie between 0 and %d", op, g->form, LT_LOG_ADD);
    LT_REQUIRE(g->form == LT_LOG_NONE || g->form == LT_LOG_1P || g->floor > 0, LT_ERR_ARGUMENT,
               "%s: the floor of the logarithm is %g, it must be above 0", op, g->floor);
    return LT_OK;
}

// ---- filter banks ------------------------------------------------------------------------------
// Row m of a filter bank: weights[offset ..] for `count` bins from `first`; complex weights have two
// parts.
typedef struct spectral_band { int32_t first, count, offset; } spectral_band;

__attribute__((unused)) static lt_status spectral_check_bands(const char *op, const lt_tensor *bands,
                                                              const lt_tensor *weights, int64_t bins,
                                                              int parts)
{
    LT_TRY(lt_check_dtype(op, "bands", bands, LT_I32));
    LT_TRY(lt_check_dtype(op, "weights", weights, LT_F32));
    LT_TRY(lt_check_contiguous(op, "bands", bands));
    LT_TRY(lt_check_contiguous(op, "weights", weights));
    LT_REQUIRE(bands->ndim == 2 && bands->shape[1] == 3 && weights->ndim == 1, LT_ERR_ARGUMENT,
               "%s: bands is %s and weights %s; they must be (n, 3) and (n)", op, LT_SHAPE(bands),
               LT_SHAPE(weights));
    const spectral_band *b = lt_data(bands);
    for (int64_t i = 0; i < bands->shape[0]; i++)
        LT_REQUIRE(b[i].first >= 0 && b[i].count >= 0 && b[i].offset >= 0 &&
                       (int64_t)b[i].first + b[i].count <= bins &&
                       ((int64_t)b[i].offset + b[i].count) * parts <= weights->shape[0],
                   LT_ERR_ARGUMENT, "%s: row %lld of bands reaches outside of %lld bins or weights",
                   op, (long long)i, (long long)bins);
    return LT_OK;
}

// What a row of a filter bank makes of the powers of the bins.
FFT_INLINE vec spectral_product(const spectral_band *b, const float *weights, const vec *power)
{
    const float *w = weights + b->offset;
    const vec *p = power + b->first;
    vec even = {0}, odd = {0};
    int k = 0;
    for (; k + 2 <= b->count; k += 2) {
        even += p[k] * (fft_real)w[k];
        odd += p[k + 1] * (fft_real)w[k + 1];
    }
    if (k < b->count) even += p[k] * (fft_real)w[k];
    return even + odd;
}

#endif
