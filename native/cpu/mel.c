// mel: power and magnitude spectrograms and log-mel features in one pass, and their gradients.
//
// A group of frames goes from samples to finished features without leaving the second-level cache:
// transform, power, the few non-zero weights of each filter, logarithm, one row store per band.
#include "spectral.h"

// ---- logarithms --------------------------------------------------------------------------------
// The derivative of spectral_shape at x.
FFT_INLINE vec spectral_shape_slope(const lt_log *g, vec x)
{
    float scale = (float)(g->scale * g->multiplier), floor = (float)g->floor;
    x = x * (float)g->scale;
    switch (g->form) {
    case LT_LOG_1P: return scale / (1.0f + x);
    case LT_LOG_MAX: return vec_select(x < vec_all(floor), (vec){0}, scale / x);
    case LT_LOG_ADD: return scale / (x + floor);
    default: return vec_all(scale);
    }
}

// ---- forward -----------------------------------------------------------------------------------
// Both ops: without bands the rows of y are the bins themselves.
typedef struct mel_args {
    lt_tensor y, x, window, bands, weights;
    lt_frames frames;
    lt_log log;
    int32_t power;
} mel_args;

static lt_status mel_check_as(const char *op, const mel_args *a)
{
    int64_t bins = a->frames.n_fft / 2 + 1, rows = bins;
    LT_REQUIRE(a->power == 1 || a->power == 2, LT_ERR_ARGUMENT,
               "%s: power is %d, it must be 1 (magnitude) or 2", op, a->power);
    LT_TRY(spectral_check_log(op, &a->log));
    if (lt_present(&a->bands)) {
        LT_TRY(spectral_check_bands(op, &a->bands, &a->weights, bins, 1));
        rows = a->bands.shape[0];
    }
    LT_TRY(spectral_check(op, &a->frames, &a->x, &a->window, &a->y, rows));
    return spectral_check_rows(op, &a->y, 1);
}

static lt_status spectrogram_check(const void *p) { return mel_check_as("spectrogram", p); }
static lt_status log_mel_check(const void *p) { return mel_check_as("log_mel", p); }

static void mel_forward_group(const void *p, const frame_plan *f, int64_t clip, int64_t first,
                              frame_work *w)
{
    const mel_args *a = p;
    const float *x = lt_f32(&a->x) + clip * a->x.stride[0];
    if (a->power == 2)
        frame_forward_power(f, x, first, w);
    else
        frame_forward_magnitude(f, x, first, w);
    const vec *power = (const vec *)w->out;
    int lanes = spectral_lanes(f, first);
    float *y = lt_f32(&a->y) + clip * a->y.stride[0] + first;
    int64_t rows = a->y.shape[1], stride = a->y.stride[1];
    if (!lt_present(&a->bands)) {
        for (int64_t k = 0; k < rows; k++)
            vec_store_some(y + k * stride, spectral_shape(&a->log, power[k]), lanes);
        return;
    }
    const spectral_band *bands = lt_data(&a->bands);
    const float *weights = lt_f32(&a->weights);
    for (int64_t m = 0; m < rows; m++) {
        vec value = spectral_product(&bands[m], weights, power);
        vec_store_some(y + m * stride, spectral_shape(&a->log, value), lanes);
    }
}

// Raises every value of a clip to the clip's largest one minus top.
static void mel_limit(const mel_args *a, int64_t clip)
{
    float *y = lt_f32(&a->y) + clip * a->y.stride[0];
    int64_t rows = a->y.shape[1], frames = a->y.shape[2], stride = a->y.stride[1];
    float top = -INFINITY;
    for (int64_t m = 0; m < rows; m++)
        for (int64_t t = 0; t < frames; t++) top = y[m * stride + t] > top ? y[m * stride + t] : top;
    top -= (float)a->log.top;
    for (int64_t m = 0; m < rows; m++)
        for (int64_t t = 0; t < frames; t++)
            y[m * stride + t] = y[m * stride + t] < top ? top : y[m * stride + t];
}

static lt_status mel_cpu(const void *p)
{
    const mel_args *a = p;
    frame_plan f;
    LT_TRY(spectral_plan(&f, &a->frames, &a->x, &a->window));
    int64_t clips = a->x.shape[0];
    LT_TRY(spectral_groups(&f, clips, a->frames.scale, mel_forward_group, a));
    if (!(a->log.top > 0)) return LT_OK;
    int team = spectral_team(&f, clips, frame_groups(f.frames));
#pragma omp parallel for num_threads(team)
    for (int64_t clip = 0; clip < clips; clip++) mel_limit(a, clip);
    return LT_OK;
}

LT_OP(spectrogram, "y; x window?", spectrogram_check, mel_cpu)
LT_OP(log_mel, "y; x window? bands weights", log_mel_check, mel_cpu)

lt_status lt_spectrogram(lt_tensor *y, const lt_tensor *x, const lt_tensor *window,
                         const lt_frames *frames, const lt_log *log, int32_t power)
{
    mel_args a = {*y, *x, lt_optional(window), lt_optional(NULL), lt_optional(NULL), *frames, *log,
                  power};
    return lt_run(&spectrogram_op, &a);
}

lt_status lt_log_mel(lt_tensor *y, const lt_tensor *x, const lt_tensor *window,
                     const lt_tensor *bands, const lt_tensor *weights, const lt_frames *frames,
                     const lt_log *log, int32_t power)
{
    mel_args a = {*y, *x, lt_optional(window), *bands, *weights, *frames, *log, power};
    return lt_run(&log_mel_op, &a);
}

// ---- backward ----------------------------------------------------------------------------------
typedef struct mel_backward_args {
    lt_tensor dx, dy, x, window, bands, weights;
    lt_frames frames;
    lt_log log;
    int32_t power;
} mel_backward_args;

static lt_status mel_backward_check_as(const char *op, const mel_backward_args *a)
{
    mel_args forward = {a->dy, a->x, a->window, a->bands, a->weights, a->frames, a->log, a->power};
    LT_TRY(mel_check_as(op, &forward));
    LT_TRY(lt_check_same_shape(op, "dx", &a->dx, "x", &a->x));
    LT_TRY(lt_check_contiguous(op, "dx", &a->dx));
    LT_REQUIRE(!(a->log.top > 0), LT_ERR_ARGUMENT,
               "%s: top_db has no gradient; leave it out where one is wanted", op);
    return LT_OK;
}

static lt_status spectrogram_backward_check(const void *p)
{
    return mel_backward_check_as("spectrogram_backward", p);
}
static lt_status log_mel_backward_check(const void *p)
{
    return mel_backward_check_as("log_mel_backward", p);
}

// dpower[k] <- the gradient of the power (or magnitude) of each bin, from a group of dy.
static void mel_backward_power(const mel_backward_args *a, const float *dy, int lanes,
                               const vec *power, int bins, vec *dpower)
{
    int64_t stride = a->dy.stride[1];
    if (!lt_present(&a->bands)) {
        for (int k = 0; k < bins; k++)
            dpower[k] = vec_load_some(dy + k * stride, lanes) * spectral_shape_slope(&a->log, power[k]);
        return;
    }
    const spectral_band *bands = lt_data(&a->bands);
    const float *weights = lt_f32(&a->weights);
    for (int k = 0; k < bins; k++) dpower[k] = (vec){0};
    for (int64_t m = 0; m < a->dy.shape[1]; m++) {
        vec value = spectral_product(&bands[m], weights, power);
        vec g = vec_load_some(dy + m * stride, lanes) * spectral_shape_slope(&a->log, value);
        for (int k = 0; k < bands[m].count; k++)
            dpower[bands[m].first + k] += g * weights[bands[m].offset + k];
    }
}

static void mel_backward_group(const void *p, const frame_plan *f, int64_t clip, int64_t first,
                               frame_work *w)
{
    const mel_backward_args *a = p;
    int n = f->fft->n, bins = n / 2 + 1;
    vec *power = w->spare, *dpower = power + bins;
    frame_forward_complex(f, lt_f32(&a->x) + clip * a->x.stride[0], first, w);
    for (int k = 0; k < bins; k++) {
        vec square = w->out[k].re * w->out[k].re + w->out[k].im * w->out[k].im;
        power[k] = a->power == 2 ? square : vec_sqrt(square);
    }
    int lanes = spectral_lanes(f, first);
    const float *dy = lt_f32(&a->dy) + clip * a->dy.stride[0] + first;
    mel_backward_power(a, dy, lanes, power, bins, dpower);
    for (int k = 0; k < bins; k++) {
        // |X|^2 has the gradient 2 X, |X| has X / |X|; inner bins count half, see stft_backward
        vec g = dpower[k];
        if (a->power == 2)
            g *= 2.0f;
        else
            g = vec_select(power[k] > 0.0f, g / power[k], (vec){0});
        g *= (float)f->fft->pack * (k == 0 || 2 * k == n ? 1.0f : 0.5f);
        w->out[k] = (cvec){w->out[k].re * g, w->out[k].im * g};
    }
    float *dx = lt_f32(&a->dx) + clip * f->length;
    spectral_overlap_add(f, dx, first, frame_inverse(f->fft, w), w->window);
}

static lt_status mel_backward_cpu(const void *p)
{
    const mel_backward_args *a = p;
    frame_plan f;
    LT_TRY(spectral_plan(&f, &a->frames, &a->x, &a->window));
    return spectral_clips(&f, a->dx, a->frames.scale, 2 * (f.fft->n / 2 + 1), mel_backward_group, a);
}

LT_OP(spectrogram_backward, "dx; dy x window?", spectrogram_backward_check, mel_backward_cpu)
LT_OP(log_mel_backward, "dx; dy x window? bands weights", log_mel_backward_check, mel_backward_cpu)

lt_status lt_spectrogram_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *x,
                                  const lt_tensor *window, const lt_frames *frames,
                                  const lt_log *log, int32_t power)
{
    mel_backward_args a = {*dx, *dy, *x, lt_optional(window), lt_optional(NULL), lt_optional(NULL),
                           *frames, *log, power};
    return lt_run(&spectrogram_backward_op, &a);
}

lt_status lt_log_mel_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *x,
                              const lt_tensor *window, const lt_tensor *bands,
                              const lt_tensor *weights, const lt_frames *frames, const lt_log *log,
                              int32_t power)
{
    mel_backward_args a = {*dx, *dy, *x, lt_optional(window), *bands, *weights, *frames, *log, power};
    return lt_run(&log_mel_backward_op, &a);
}
