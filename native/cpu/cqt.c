// cqt: banks of complex filters over rectangular frames, which is one octave of a constant-Q
// transform (J. Brown and M. Puckette, 1992; the octave recursion is C. Schoerkhuber's and A. Klapuri's,
// 2010). lua/luatrain/audio/cqt.lua makes the filters and walks the octaves.
#include "spectral.h"

typedef struct cqt_args {
    lt_tensor y, x, bands, weights;
    lt_frames frames;
    lt_log log;
} cqt_args;

static lt_status cqt_check(const void *p)
{
    const cqt_args *a = p;
    LT_REQUIRE(a->y.ndim == 3 || a->y.ndim == 4, LT_ERR_ARGUMENT,
               "cqt_octave: y is %s, it must be (B, rows, frames) or (B, rows, frames, 2)",
               LT_SHAPE(&a->y));
    LT_REQUIRE(a->frames.n_fft >= 1 && a->frames.n_fft <= FFT_MAX_LENGTH, LT_ERR_ARGUMENT,
               "cqt_octave: n_fft is %lld", (long long)a->frames.n_fft);
    LT_TRY(spectral_check_bands("cqt_octave", &a->bands, &a->weights, a->frames.n_fft / 2 + 1, 2));
    LT_TRY(spectral_check_log("cqt_octave", &a->log));
    // any number of frames up to all of them
    lt_tensor whole = a->y;
    int64_t all = a->frames.hop >= 1 && a->x.ndim == 2 ? spectral_frames(&a->frames, a->x.shape[1]) : 0;
    LT_REQUIRE(a->y.shape[2] >= 1 && a->y.shape[2] <= all, LT_ERR_ARGUMENT,
               "cqt_octave: y is %s, x %s has %lld frames", LT_SHAPE(&a->y), LT_SHAPE(&a->x),
               (long long)all);
    whole.shape[2] = all;
    lt_tensor none = {.dtype = -1};
    LT_TRY(spectral_check("cqt_octave", &a->frames, &a->x, &none, &whole, a->bands.shape[0]));
    return spectral_check_rows("cqt_octave", &a->y, a->y.ndim == 4 ? 2 : 1);
}

FFT_INLINE cvec cqt_product(const spectral_band *b, const float *weights, const cvec *x)
{
    const float *w = weights + 2 * (int64_t)b->offset;
    cvec sum = {{0}, {0}}, cross = {{0}, {0}};
    x += b->first;
    for (int k = 0; k < b->count; k++) {
        sum.re += x[k].re * w[2 * k];
        sum.im += x[k].im * w[2 * k];
        cross.re += x[k].im * w[2 * k + 1];
        cross.im += x[k].re * w[2 * k + 1];
    }
    return (cvec){sum.re - cross.re, sum.im + cross.im};
}

static void cqt_group(const void *p, const frame_plan *f, int64_t clip, int64_t first, frame_work *w)
{
    const cqt_args *a = p;
    frame_forward_complex(f, lt_f32(&a->x) + clip * a->x.stride[0], first, w);
    const spectral_band *bands = lt_data(&a->bands);
    const float *weights = lt_f32(&a->weights);
    int lanes = spectral_lanes(f, first);
    int parts = a->y.ndim == 4 ? 2 : 1;
    float *y = lt_f32(&a->y) + clip * a->y.stride[0] + parts * first;
    for (int64_t m = 0; m < a->y.shape[1]; m++, y += a->y.stride[1]) {
        cvec c = cqt_product(&bands[m], weights, w->out);
        if (parts == 2) {
            cvec_store_some(y, c, lanes);
        } else {
            vec magnitude = vec_sqrt(c.re * c.re + c.im * c.im);
            vec_store_some(y, spectral_shape(&a->log, magnitude), lanes);
        }
    }
}

static lt_status cqt_cpu(const void *p)
{
    const cqt_args *a = p;
    frame_plan f;
    LT_TRY(spectral_plan(&f, &a->frames, &a->x, NULL));
    f.frames = a->y.shape[2];
    return spectral_groups(&f, a->x.shape[0], a->frames.scale, cqt_group, a);
}

LT_OP(cqt_octave, "y; x bands weights", cqt_check, cqt_cpu)

lt_status lt_cqt_octave(lt_tensor *y, const lt_tensor *x, const lt_tensor *bands,
                        const lt_tensor *weights, const lt_frames *frames, const lt_log *log)
{
    cqt_args a = {*y, *x, *bands, *weights, *frames, *log};
    return lt_run(&cqt_octave_op, &a);
}
