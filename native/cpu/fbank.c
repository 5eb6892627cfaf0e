// fbank: Kaldi's log filter bank energies and their gradient, in f64 from samples to logarithms.
//
// A bin that holds next to nothing beside loud ones is, with transforms in f32, mostly the rounding of
// the loud ones: the logarithm of a narrow band was up to 2e-3 off.
#define FFT_DOUBLE
#include "spectral.h"

typedef struct fbank_args {
    lt_tensor y, x, window, bands, weights;
    lt_fbank_options o;
} fbank_args;

typedef struct fbank_backward_args {
    lt_tensor dx, dy, x, window, bands, weights;
    lt_fbank_options o;
} fbank_backward_args;

static lt_status fbank_check_as(const char *op, const fbank_args *a)
{
    int64_t n = a->o.n_fft;
    LT_TRY(lt_check_dtype(op, "x", &a->x, LT_F32));
    LT_TRY(lt_check_dtype(op, "y", &a->y, LT_F32));
    LT_TRY(lt_check_dtype(op, "window", &a->window, LT_F32));
    LT_TRY(lt_check_contiguous(op, "x", &a->x));
    LT_TRY(lt_check_contiguous(op, "y", &a->y));
    LT_TRY(lt_check_contiguous(op, "window", &a->window));
    LT_REQUIRE(a->x.ndim == 2 && a->window.ndim == 1, LT_ERR_ARGUMENT,
               "%s: x is %s and the window %s; they must be (B, T) and (size)", op, LT_SHAPE(&a->x),
               LT_SHAPE(&a->window));
    int64_t size = a->window.shape[0];
    LT_REQUIRE(size >= 1 && n >= size && n <= FFT_MAX_LENGTH && a->o.hop >= 1, LT_ERR_ARGUMENT,
               "%s: frames of %lld samples, n_fft %lld, hop %lld: n_fft must lie between the size of a "
               "frame and %d, and hop be at least 1", op, (long long)size, (long long)n,
               (long long)a->o.hop, FFT_MAX_LENGTH);
    LT_REQUIRE(a->x.shape[1] >= size, LT_ERR_ARGUMENT,
               "%s: the signal has %lld samples, fewer than one frame of %lld", op,
               (long long)a->x.shape[1], (long long)size);
    LT_REQUIRE(a->o.floor > 0, LT_ERR_ARGUMENT,
               "%s: the floor of the logarithm is %g, it must be above 0", op, a->o.floor);
    LT_TRY(spectral_check_bands(op, &a->bands, &a->weights, n / 2 + 1, 1));
    int64_t frames = (a->x.shape[1] - size) / a->o.hop + 1;
    LT_REQUIRE(a->y.ndim == 3 && a->y.shape[0] == a->x.shape[0] && a->y.shape[1] == frames &&
                   a->y.shape[2] == a->bands.shape[0],
               LT_ERR_ARGUMENT, "%s: y is %s, it must be (%lld, %lld, %lld)", op, LT_SHAPE(&a->y),
               (long long)a->x.shape[0], (long long)frames, (long long)a->bands.shape[0]);
    return LT_OK;
}

static lt_status fbank_check(const void *p) { return fbank_check_as("fbank", p); }

static lt_status fbank_backward_check(const void *p)
{
    const fbank_backward_args *a = p;
    fbank_args forward = {a->dy, a->x, a->window, a->bands, a->weights, a->o};
    LT_TRY(fbank_check_as("fbank_backward", &forward));
    LT_TRY(lt_check_same_shape("fbank_backward", "dx", &a->dx, "x", &a->x));
    return lt_check_contiguous("fbank_backward", "dx", &a->dx);
}

// One frame: without its mean, each sample less a share of the one before (the first: of itself), times
// the window, zeros behind.
static void fbank_prepare(const fbank_args *a, const float *x, double *frame)
{
    int64_t size = a->window.shape[0];
    const float *window = lt_f32(&a->window);
    double mean = 0;
    for (int64_t i = 0; a->o.remove_dc_offset && i < size; i++) mean += x[i];
    mean /= (double)size;
    double before = x[0] - mean;
    for (int64_t i = 0; i < size; i++) {
        double now = x[i] - mean;
        frame[i] = (now - a->o.preemphasis * before) * window[i];
        before = now;
    }
    memset(frame + size, 0, sizeof(double) * (size_t)(a->o.n_fft - size));
}

// What fbank_prepare does, transposed: dx += the gradient of a frame's samples, which is destroyed.
static void fbank_unprepare(const fbank_args *a, double *frame, float *dx)
{
    int64_t size = a->window.shape[0];
    const float *window = lt_f32(&a->window);
    double p = a->o.preemphasis, mean = 0;
    for (int64_t i = 0; i < size; i++) frame[i] *= window[i];
    double first = frame[0];
    for (int64_t i = 0; i + 1 < size; i++) frame[i] -= p * frame[i + 1];
    frame[0] -= p * first;
    for (int64_t i = 0; a->o.remove_dc_offset && i < size; i++) mean += frame[i];
    mean /= (double)size;
    for (int64_t i = 0; i < size; i++) dx[i] += (float)(frame[i] - mean);
}

// Frames `first` and on of a clip, prepared in w->edge; lanes beyond the last frame repeat it.
static void fbank_lanes(const fbank_args *a, const float *x, int64_t first, const frame_work *w,
                        const double *lane[LT_LANES])
{
    for (int l = 0; l < LT_LANES; l++) {
        int64_t t = first + l;
        if (t >= a->y.shape[1]) {
            lane[l] = lane[l - 1];
            continue;
        }
        double *frame = w->edge + l * a->o.n_fft;
        fbank_prepare(a, x + t * a->o.hop, frame);
        lane[l] = frame;
    }
}

static void fbank_group(const void *p, const frame_plan *f, int64_t clip, int64_t first, frame_work *w)
{
    const fbank_args *a = p;
    const double *lane[LT_LANES];
    fbank_lanes(a, lt_f32(&a->x) + clip * a->x.shape[1], first, w, lane);
    frame_transform(FRAME_POWER, f->fft, lane, w);
    int64_t rows = a->y.shape[2];
    int lanes = spectral_lanes(f, first);
    float *y = lt_f32(&a->y) + (clip * f->frames + first) * rows;
    const spectral_band *bands = lt_data(&a->bands);
    for (int64_t m = 0; m < rows; m++) {
        vec energy = spectral_product(&bands[m], lt_f32(&a->weights), (const vec *)w->out);
        for (int l = 0; l < lanes; l++)
            y[l * rows + m] = (float)log(energy[l] < a->o.floor ? a->o.floor : energy[l]);
    }
}

static lt_status fbank_plan(frame_plan *f, const fbank_args *a)
{
    *f = (frame_plan){.fft = fft_plan_get((int)a->o.n_fft), .length = a->x.shape[1],
                      .frames = a->y.shape[1], .hop = a->o.hop};
    return f->fft ? LT_OK : LT_ERR_MEMORY;
}

static lt_status fbank_cpu(const void *p)
{
    const fbank_args *a = p;
    frame_plan f;
    LT_TRY(fbank_plan(&f, a));
    return spectral_groups(&f, a->x.shape[0], 1, fbank_group, a);
}

// w->out <- the gradient of the bins of a group of frames, as frame_inverse wants it: |X|^2 has 2 X, of
// which inner bins count half.
static void fbank_backward_bins(const fbank_args *a, const frame_plan *f, const float *dy, int lanes,
                                frame_work *w)
{
    int n = f->fft->n, bins = n / 2 + 1;
    int64_t rows = a->y.shape[2];
    const spectral_band *bands = lt_data(&a->bands);
    const float *weights = lt_f32(&a->weights);
    vec *dpower = w->spare, *power = dpower + bins;
    for (int k = 0; k < bins; k++) {
        power[k] = w->out[k].re * w->out[k].re + w->out[k].im * w->out[k].im;
        dpower[k] = (vec){0};
    }
    for (int64_t m = 0; m < rows; m++) {
        vec energy = spectral_product(&bands[m], weights, power), g = {0};
        for (int l = 0; l < lanes; l++)
            g[l] = energy[l] < a->o.floor ? 0 : dy[l * rows + m] / energy[l];
        for (int k = 0; k < bands[m].count; k++)
            dpower[bands[m].first + k] += g * (double)weights[bands[m].offset + k];
    }
    for (int k = 0; k < bins; k++) {
        vec g = dpower[k] * (f->fft->pack * (k == 0 || 2 * k == n ? 2.0 : 1.0));
        w->out[k] = (cvec){w->out[k].re * g, w->out[k].im * g};
    }
}

static void fbank_backward_group(const void *p, const frame_plan *f, int64_t clip, int64_t first,
                                 frame_work *w)
{
    const fbank_backward_args *b = p;
    const fbank_args forward = {b->dy, b->x, b->window, b->bands, b->weights, b->o}, *a = &forward;
    const double *lane[LT_LANES];
    fbank_lanes(a, lt_f32(&a->x) + clip * f->length, first, w, lane);
    frame_transform(FRAME_COMPLEX, f->fft, lane, w);
    int lanes = spectral_lanes(f, first);
    const float *dy = lt_f32(&a->y) + (clip * f->frames + first) * a->y.shape[2];
    fbank_backward_bins(a, f, dy, lanes, w);
    const vec *samples = frame_inverse(f->fft, w);
    float *dx = lt_f32(&b->dx) + clip * f->length;
    for (int l = 0; l < lanes; l++) {
        for (int64_t i = 0; i < a->window.shape[0]; i++) w->edge[i] = samples[i][l] * w->window[i];
        fbank_unprepare(a, w->edge, dx + (first + l) * f->hop);
    }
}

static lt_status fbank_backward_cpu(const void *p)
{
    const fbank_backward_args *b = p;
    fbank_args a = {b->dy, b->x, b->window, b->bands, b->weights, b->o};
    frame_plan f;
    LT_TRY(fbank_plan(&f, &a));
    return spectral_clips(&f, b->dx, 1, 2 * (f.fft->n / 2 + 1), fbank_backward_group, b);
}

LT_OP(fbank, "y; x window bands weights", fbank_check, fbank_cpu)
LT_OP(fbank_backward, "dx; dy x window bands weights", fbank_backward_check, fbank_backward_cpu)

lt_status lt_fbank(lt_tensor *y, const lt_tensor *x, const lt_tensor *window,
                   const lt_tensor *bands, const lt_tensor *weights, const lt_fbank_options *o)
{
    fbank_args a = {*y, *x, *window, *bands, *weights, *o};
    return lt_run(&fbank_op, &a);
}

lt_status lt_fbank_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *x,
                            const lt_tensor *window, const lt_tensor *bands,
                            const lt_tensor *weights, const lt_fbank_options *o)
{
    fbank_backward_args a = {*dx, *dy, *x, *window, *bands, *weights, *o};
    return lt_run(&fbank_backward_op, &a);
}
