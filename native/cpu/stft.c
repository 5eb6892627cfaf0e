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

static lt_status stft_cpu(const void *p)
{
    const stft_args *a = p;
    frame_plan f;
    LT_TRY(spectral_plan(&f, &a->frames, &a->x, &a->window));
    int64_t groups = frame_groups(f.frames), items = a->x.shape[0] * groups;
    int team = spectral_team(items, spectral_work(&f)), bins = f.fft->n / 2 + 1;
    frame_work works[SPECTRAL_MAX_TEAM];
    LT_TRY(frame_works_new(works, team, f.fft));
#pragma omp parallel num_threads(team)
    {
        frame_work *w = &works[omp_get_thread_num()];
        frame_window(&f, w, a->frames.scale);
#pragma omp for schedule(dynamic, 4)
        for (int64_t i = 0; i < items; i++) {
            int64_t clip = i / groups, first = i % groups * LT_LANES;
            int lanes = f.frames - first < LT_LANES ? (int)(f.frames - first) : LT_LANES;
            frame_forward_complex(&f, lt_f32(&a->x) + clip * a->x.stride[0], first, w);
            float *y = lt_f32(&a->y) + clip * a->y.stride[0] + 2 * first;
            for (int k = 0; k < bins; k++) cvec_store_some(y + k * a->y.stride[1], w->out[k], lanes);
        }
    }
    lt_free(works[0].block);
    return LT_OK;
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

static lt_status stft_backward_cpu(const void *p)
{
    const stft_backward_args *a = p;
    frame_plan f;
    LT_TRY(spectral_plan(&f, &a->frames, &a->dx, &a->window));
    int64_t groups = frame_groups(f.frames), clips = a->dx.shape[0];
    int team = spectral_team(clips, spectral_work(&f) * groups);
    frame_work works[SPECTRAL_MAX_TEAM];
    LT_TRY(frame_works_new(works, team, f.fft));
#pragma omp parallel num_threads(team)
    {
        frame_work *w = &works[omp_get_thread_num()];
        frame_window(&f, w, a->frames.scale * f.fft->pack);
#pragma omp for schedule(static)
        for (int64_t clip = 0; clip < clips; clip++) {
            float *dx = lt_f32(&a->dx) + clip * a->dx.stride[0];
            memset(dx, 0, sizeof(float) * (size_t)f.length);
            for (int64_t first = 0; first < f.frames; first += LT_LANES) {
                int lanes = f.frames - first < LT_LANES ? (int)(f.frames - first) : LT_LANES;
                stft_load_bins(lt_f32(&a->dy) + clip * a->dy.stride[0] + 2 * first, a->dy.stride[1],
                               lanes, 0.5f, w, f.fft->n);
                spectral_overlap_add(&f, dx, first, frame_inverse(f.fft, w), w->window);
            }
        }
    }
    lt_free(works[0].block);
    return LT_OK;
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

static lt_status istft_cpu(const void *p)
{
    const istft_args *a = p;
    frame_plan f;
    LT_TRY(istft_plan(&f, &a->frames, &a->y, &a->x, &a->window));
    int64_t clips = a->y.shape[0];
    int team = spectral_team(clips, spectral_work(&f) * frame_groups(f.frames));
    frame_work works[SPECTRAL_MAX_TEAM];
    float *envelope = lt_alloc(f.length * (int64_t)sizeof(float));
    LT_REQUIRE(envelope, LT_ERR_MEMORY, "istft: no memory for %lld samples", (long long)f.length);
    lt_status status = frame_works_new(works, team, f.fft);
    if (status != LT_OK) {
        lt_free(envelope);
        return status;
    }
    istft_envelope(&f, envelope);
#pragma omp parallel num_threads(team)
    {
        frame_work *w = &works[omp_get_thread_num()];
        frame_window(&f, w, a->frames.scale * f.fft->pack / f.fft->n);
#pragma omp for schedule(static)
        for (int64_t clip = 0; clip < clips; clip++) {
            float *y = lt_f32(&a->y) + clip * a->y.stride[0];
            memset(y, 0, sizeof(float) * (size_t)f.length);
            for (int64_t first = 0; first < f.frames; first += LT_LANES) {
                int lanes = f.frames - first < LT_LANES ? (int)(f.frames - first) : LT_LANES;
                stft_load_bins(lt_f32(&a->x) + clip * a->x.stride[0] + 2 * first, a->x.stride[1],
                               lanes, 1.0f, w, f.fft->n);
                spectral_overlap_add(&f, y, first, frame_inverse(f.fft, w), w->window);
            }
            for (int64_t i = 0; i < f.length; i++) y[i] *= envelope[i];
        }
    }
    lt_free(works[0].block);
    lt_free(envelope);
    return LT_OK;
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

static lt_status istft_backward_check(const void *p)
{
    const istft_backward_args *a = p;
    return istft_check_as("istft_backward", &a->frames, &a->dy, &a->dx, &a->window);
}

static void istft_backward_store(const frame_plan *f, const frame_work *w, float *dx, int64_t stride,
                                 int lanes)
{
    int n = f->fft->n;
    for (int k = 0; k <= n / 2; k++) {
        cvec c = w->out[k];
        if (k == 0 || 2 * k == n)
            c.im = (vec){0};
        else
            c = (cvec){c.re * 2.0f, c.im * 2.0f};
        cvec_store_some(dx + k * stride, c, lanes);
    }
}

static lt_status istft_backward_cpu(const void *p)
{
    const istft_backward_args *a = p;
    frame_plan f;
    LT_TRY(istft_plan(&f, &a->frames, &a->dy, &a->dx, &a->window));
    int64_t clips = a->dy.shape[0], length = f.length;
    frame_work works[1] = {{0}};
    float *envelope = lt_alloc(2 * length * (int64_t)sizeof(float));
    LT_REQUIRE(envelope, LT_ERR_MEMORY, "istft: no memory for %lld samples", (long long)length);
    lt_status status = frame_works_new(works, 1, f.fft);
    if (status != LT_OK) {
        lt_free(envelope);
        return status;
    }
    istft_envelope(&f, envelope);
    float *scaled = envelope + length;
    frame_window(&f, works, a->frames.scale / f.fft->n);
    for (int64_t clip = 0; clip < clips; clip++) {
        const float *dy = lt_f32(&a->dy) + clip * a->dy.stride[0];
        for (int64_t i = 0; i < length; i++) scaled[i] = dy[i] * envelope[i];
        float *dx = lt_f32(&a->dx) + clip * a->dx.stride[0];
        for (int64_t first = 0; first < f.frames; first += LT_LANES) {
            int lanes = f.frames - first < LT_LANES ? (int)(f.frames - first) : LT_LANES;
            frame_forward_complex(&f, scaled, first, works);
            istft_backward_store(&f, works, dx + 2 * first, a->dx.stride[1], lanes);
        }
    }
    lt_free(works[0].block);
    lt_free(envelope);
    return LT_OK;
}

LT_OP(istft_backward, "dx; dy window?", istft_backward_check, istft_backward_cpu)

lt_status lt_istft_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *window,
                            const lt_frames *frames)
{
    istft_backward_args a = {*dx, *dy, lt_optional(window), *frames};
    return lt_run(&istft_backward_op, &a);
}
