// stft: the short-time Fourier transform, its inverse, and the gradients of both.
#include "spectral.h"

// ---- stft --------------------------------------------------------------------------------------
typedef struct stft_args {
    lt_tensor y, x, window;
    lt_frames frames;
} stft_args;

static lt_status stft_check(const void *p)
{
    const stft_args *a = p;
    LT_TRY(spectral_check("stft", &a->frames, &a->x, &a->window, &a->y, a->frames.n_fft / 2 + 1));
    return spectral_check_rows("stft", &a->y, 2);
}

static void stft_group(const void *p, const frame_plan *f, int64_t clip, int64_t first, frame_work *w)
{
    const stft_args *a = p;
    int lanes = spectral_lanes(f, first), bins = f->fft->n / 2 + 1;
    frame_forward_complex(f, lt_f32(&a->x) + clip * a->x.stride[0], first, w);
    float *y = lt_f32(&a->y) + clip * a->y.stride[0] + 2 * first;
    for (int k = 0; k < bins; k++) cvec_store_some(y + k * a->y.stride[1], w->out[k], lanes);
}

static lt_status stft_cpu(const void *p)
{
    const stft_args *a = p;
    frame_plan f;
    LT_TRY(spectral_plan(&f, &a->frames, &a->x, &a->window));
    return spectral_groups(&f, a->x.shape[0], a->frames.scale, stft_group, a);
}

LT_OP(stft, "y; x window?", stft_check, stft_cpu)

lt_status lt_stft(lt_tensor *y, const lt_tensor *x, const lt_tensor *window, const lt_frames *frames)
{
    stft_args a = {*y, *x, lt_optional(window), *frames};
    return lt_run(&stft_op, &a);
}

// ---- its transpose -----------------------------------------------------------------------------
// dx[i] = sum over frames and bins of w[n] (dRe cos + dIm (-sin)): an inverse transform of dy with
// the inner bins halved, because the inverse counts each of them twice.
static void stft_load_bins(const float *y, int64_t stride, int lanes, float inner, frame_work *w,
                           int n)
{
    int bins = n / 2 + 1;
    for (int k = 0; k < bins; k++) {
        cvec c = cvec_load_some(y + k * stride, lanes);
        bool end = k == 0 || 2 * k == n;
        float s = end ? 1.0f : inner;
        w->out[k] = (cvec){c.re * s, c.im * s};
    }
}

typedef struct stft_backward_args {
    lt_tensor dx, dy, window;
    lt_frames frames;
} stft_backward_args;

static lt_status stft_backward_check(const void *p)
{
    const stft_backward_args *a = p;
    LT_TRY(spectral_check("stft_backward", &a->frames, &a->dx, &a->window, &a->dy,
                          a->frames.n_fft / 2 + 1));
    return spectral_check_rows("stft_backward", &a->dy, 2);
}

static void stft_backward_group(const void *p, const frame_plan *f, int64_t clip, int64_t first,
                                frame_work *w)
{
    const stft_backward_args *a = p;
    stft_load_bins(lt_f32(&a->dy) + clip * a->dy.stride[0] + 2 * first, a->dy.stride[1],
                   spectral_lanes(f, first), 0.5f, w, f->fft->n);
    float *dx = lt_f32(&a->dx) + clip * a->dx.stride[0];
    spectral_overlap_add(f, dx, first, frame_inverse(f->fft, w), w->window);
}

static lt_status stft_backward_cpu(const void *p)
{
    const stft_backward_args *a = p;
    frame_plan f;
    LT_TRY(spectral_plan(&f, &a->frames, &a->dx, &a->window));
    return spectral_clips(&f, a->dx, a->frames.scale * f.fft->pack, 0, stft_backward_group, a);
}

LT_OP(stft_backward, "dx; dy window?", stft_backward_check, stft_backward_cpu)

lt_status lt_stft_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *window,
                           const lt_frames *frames)
{
    stft_backward_args a = {*dx, *dy, lt_optional(window), *frames};
    return lt_run(&stft_backward_op, &a);
}

// ---- istft -------------------------------------------------------------------------------------
// The sum of squared windows over each sample, inverted where it is not nearly 0 and else 1.
static float istft_weight(const frame_plan *f, int64_t at)
{
    const int64_t n = f->fft->n, hop = f->hop;
    float sum = 0;
    for (int64_t t = at < n ? 0 : (at - n) / hop + 1; t < f->frames && t * hop <= at; t++) {
        const float v = f->window ? f->window[at - t * hop] : 1.0f;
        sum += v * v;
    }
    return sum > 1.17549435e-38f ? 1.0f / sum : 1.0f;
}

static void istft_envelope(const frame_plan *f, float *inverse)
{
    // A sample in the middle lies under as many frames as the one a hop before it.
    const int64_t hop = f->hop, middle = f->fft->n - 1 + hop - f->before;
    const int64_t last = f->frames * hop - f->before, end = last < f->length ? last : f->length;
    const int64_t begin = middle > hop ? middle : hop;
    int64_t i = 0;
    for (; i < f->length && i < begin; i++) inverse[i] = istft_weight(f, i + f->before);
    for (int64_t n; i < end; i += n) {
        n = end - i < hop ? end - i : hop;
        memcpy(inverse + i, inverse + i - hop, sizeof(float) * (size_t)n);
    }
    for (; i < f->length; i++) inverse[i] = istft_weight(f, i + f->before);
}

typedef struct istft_args {
    lt_tensor y, x, window;
    lt_frames frames;
} istft_args;

// The args, and the inverse of the envelope.
typedef struct istft_work {
    const istft_args *args;
    float *envelope;
} istft_work;

static lt_status istft_check_as(const char *op, const lt_frames *o, const lt_tensor *signal,
                                const lt_tensor *spectrum, const lt_tensor *window)
{
    // The length of the signal is free here: any number of frames may be overlapped into it.
    LT_TRY(spectral_check_rows(op, spectrum, 2));
    lt_frames loose = *o;
    loose.reflect = false;
    lt_tensor bins = *spectrum;
    LT_REQUIRE(signal->ndim == 2 && signal->shape[1] >= 1 && bins.shape[2] >= 1 && o->hop >= 1,
               LT_ERR_ARGUMENT, "%s: no samples or no frames: signal %s, spectrum %s, hop %lld", op,
               LT_SHAPE(signal), LT_SHAPE(spectrum), (long long)o->hop);
    LT_REQUIRE(bins.shape[2] <= ((int64_t)1 << 40) / o->hop, LT_ERR_ARGUMENT,
               "%s: too many frames: %s", op, LT_SHAPE(spectrum));
    lt_tensor whole = *signal;
    whole.shape[1] = (bins.shape[2] - 1) * o->hop + (o->center ? o->n_fft % 2 : o->n_fft);
    if (whole.shape[1] < 1) whole.shape[1] = 1;
    return spectral_check(op, &loose, &whole, window, &bins, o->n_fft / 2 + 1);
}

static lt_status istft_check(const void *p)
{
    const istft_args *a = p;
    return istft_check_as("istft", &a->frames, &a->y, &a->x, &a->window);
}

static lt_status istft_plan(frame_plan *f, const lt_frames *o, const lt_tensor *signal,
                            const lt_tensor *spectrum, const lt_tensor *window)
{
    LT_TRY(spectral_plan(f, o, signal, window));
    f->frames = spectrum->shape[2];
    f->reflect = false;
    return LT_OK;
}

// Weighs the samples once the last frame is among them.
static void istft_group(const void *p, const frame_plan *f, int64_t clip, int64_t first, frame_work *w)
{
    const istft_work *work = p;
    const istft_args *a = work->args;
    stft_load_bins(lt_f32(&a->x) + clip * a->x.stride[0] + 2 * first, a->x.stride[1],
                   spectral_lanes(f, first), 1.0f, w, f->fft->n);
    float *y = lt_f32(&a->y) + clip * a->y.stride[0];
    spectral_overlap_add(f, y, first, frame_inverse(f->fft, w), w->window);
    if (first + LT_LANES < f->frames) return;
    for (int64_t i = 0; i < f->length; i++) y[i] *= work->envelope[i];
}

static lt_status istft_cpu(const void *p)
{
    const istft_args *a = p;
    frame_plan f;
    LT_TRY(istft_plan(&f, &a->frames, &a->y, &a->x, &a->window));
    istft_work work = {a, lt_alloc(f.length * (int64_t)sizeof(float))};
    LT_REQUIRE(work.envelope, LT_ERR_MEMORY, "istft: no memory for %lld samples", (long long)f.length);
    istft_envelope(&f, work.envelope);
    double scale = a->frames.scale * f.fft->pack / f.fft->n;
    lt_status status = spectral_clips(&f, a->y, scale, 0, istft_group, &work);
    lt_free(work.envelope);
    return status;
}

LT_OP(istft, "y; x window?", istft_check, istft_cpu)

lt_status lt_istft(lt_tensor *y, const lt_tensor *x, const lt_tensor *window, const lt_frames *frames)
{
    istft_args a = {*y, *x, lt_optional(window), *frames};
    return lt_run(&istft_op, &a);
}

// dx of istft: the forward transform of dy / (sum of squared windows), scaled by 1 / n at the two
// ends and 2 / n between.
typedef struct istft_backward_args {
    lt_tensor dx, dy, window;
    lt_frames frames;
} istft_backward_args;

// The args, and dy (clips, length) times the inverse of the envelope.
typedef struct istft_backward_work {
    const istft_backward_args *args;
    float *scaled;
} istft_backward_work;

static lt_status istft_backward_check(const void *p)
{
    const istft_backward_args *a = p;
    return istft_check_as("istft_backward", &a->frames, &a->dy, &a->dx, &a->window);
}

static void istft_backward_group(const void *p, const frame_plan *f, int64_t clip, int64_t first,
                                 frame_work *w)
{
    const istft_backward_work *work = p;
    const istft_backward_args *a = work->args;
    int n = f->fft->n, lanes = spectral_lanes(f, first);
    float *dx = lt_f32(&a->dx) + clip * a->dx.stride[0] + 2 * first;
    frame_forward_complex(f, work->scaled + clip * f->length, first, w);
    for (int k = 0; k <= n / 2; k++) {
        cvec c = w->out[k];
        if (k == 0 || 2 * k == n)
            c.im = (vec){0};
        else
            c = (cvec){c.re * 2.0f, c.im * 2.0f};
        cvec_store_some(dx + k * a->dx.stride[1], c, lanes);
    }
}

static lt_status istft_backward_cpu(const void *p)
{
    const istft_backward_args *a = p;
    frame_plan f;
    LT_TRY(istft_plan(&f, &a->frames, &a->dy, &a->dx, &a->window));
    int64_t clips = a->dy.shape[0], length = f.length;
    float *envelope = lt_alloc((1 + clips) * length * (int64_t)sizeof(float));
    LT_REQUIRE(envelope, LT_ERR_MEMORY, "istft_backward: no memory for %lld samples",
               (long long)(clips * length));
    istft_envelope(&f, envelope);
    istft_backward_work work = {a, envelope + length};
    for (int64_t clip = 0; clip < clips; clip++) {
        const float *dy = lt_f32(&a->dy) + clip * a->dy.stride[0];
        for (int64_t i = 0; i < length; i++) work.scaled[clip * length + i] = dy[i] * envelope[i];
    }
    lt_status status = spectral_groups(&f, clips, a->frames.scale / f.fft->n, istft_backward_group, &work);
    lt_free(envelope);
    return status;
}

LT_OP(istft_backward, "dx; dy window?", istft_backward_check, istft_backward_cpu)

lt_status lt_istft_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *window,
                            const lt_frames *frames)
{
    istft_backward_args a = {*dx, *dy, lt_optional(window), *frames};
    return lt_run(&istft_backward_op, &a);
}
