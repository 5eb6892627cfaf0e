// resample: polyphase windowed-sinc resampling by a ratio of whole numbers, and its gradient.
//
// The filter is a sinc cut off near the lower of the two Nyquist frequencies under a Kaiser window
// (J. F. Kaiser, 1974: attenuation A dB takes beta = 0.1102 (A - 8.7) and a transition band of
// (A - 7.95) / (2.285 N) rad).
#include "fft_lanes.h"

enum { MAX_PHASES = 512, CHUNK = 2048 };

// ---- filter ------------------------------------------------------------------------------------
// Modified Bessel function of the first kind and order 0, by its power series.
static double bessel0(double x)
{
    double sum = 1, term = 1, half = x * x / 4;
    for (int k = 1; term > sum * 1e-17; k++) {
        term *= half / ((double)k * k);
        sum += term;
    }
    return sum;
}

lt_status lt_resample_filter(lt_tensor *filter, int64_t up, int64_t down, double pass, double stop,
                             double attenuation)
{
    LT_REQUIRE(up >= 1 && down >= 1 && up <= 1 << 24 && down <= 1 << 24, LT_ERR_ARGUMENT,
               "resample: ratio %lld / %lld; both must lie between 1 and 2^24", (long long)up,
               (long long)down);
    LT_REQUIRE(pass > 0 && stop - pass >= 1e-3 && stop <= 2 && attenuation >= 50 && attenuation <= 200,
               LT_ERR_ARGUMENT, "resample: pass band to %g, stop band from %g, attenuation %g dB", pass,
               stop, attenuation);
    double ratio = up < down ? (double)up / (double)down : 1.0;
    double beta = 0.1102 * (attenuation - 8.7);
    // the cutoff lies in the middle of the transition band; width: half of the filter, in samples
    double cutoff = ratio * (pass + stop) / 2;
    double width = (attenuation - 7.95) / (2.285 * 2 * M_PI * ratio * (stop - pass));
    LT_REQUIRE(width < 1e7, LT_ERR_ARGUMENT, "resample: a ratio of %lld / %lld needs too long a filter",
               (long long)up, (long long)down);
    // whole vectors: the taps beyond the window are 0, and cost less than odd ones one by one
    int64_t half = ((int64_t)ceil(width) + 15) / 16 * 16, phases = up <= MAX_PHASES ? up : MAX_PHASES + 1;
    LT_REQUIRE(phases * half < (int64_t)1 << 28, LT_ERR_ARGUMENT,
               "resample: a ratio of %lld / %lld needs too large a filter", (long long)up,
               (long long)down);
    int64_t shape[2] = {phases, 2 * half};
    LT_TRY(lt_tensor_new(filter, LT_F32, 2, shape));
    double steps = up <= MAX_PHASES ? (double)up : (double)MAX_PHASES, scale = 1 / bessel0(beta);
    float *h = lt_f32(filter);
    for (int64_t p = 0; p < phases; p++) {
        for (int64_t k = 0; k < 2 * half; k++) {
            double t = (double)p / steps - (double)(k - half + 1), r = t / width;
            double s = t == 0 ? 1 : sin(M_PI * cutoff * t) / (M_PI * cutoff * t);
            double w = r * r < 1 ? bessel0(beta * sqrt(1 - r * r)) * scale : 0;
            h[p * 2 * half + k] = (float)(cutoff * s * w);
        }
    }
    return LT_OK;
}

// ---- forward and backward ----------------------------------------------------------------------
typedef struct resample_args {
    lt_tensor y, x, filter;
    int64_t up, down;
} resample_args;

static lt_status resample_check_as(const char *op, const lt_tensor *out, const lt_tensor *in,
                                   const lt_tensor *filter, int64_t up, int64_t down)
{
    LT_TRY(lt_check_dtype(op, "y", out, LT_F32));
    LT_TRY(lt_check_dtype(op, "x", in, LT_F32));
    LT_TRY(lt_check_dtype(op, "filter", filter, LT_F32));
    LT_TRY(lt_check_contiguous(op, "y", out));
    LT_TRY(lt_check_contiguous(op, "x", in));
    LT_TRY(lt_check_contiguous(op, "filter", filter));
    LT_REQUIRE(up >= 1 && down >= 1 && up <= 1 << 24 && down <= 1 << 24, LT_ERR_ARGUMENT,
               "%s: ratio %lld / %lld", op, (long long)up, (long long)down);
    int64_t phases = up <= MAX_PHASES ? up : MAX_PHASES + 1;
    LT_REQUIRE(filter->ndim == 2 && filter->shape[0] == phases && filter->shape[1] % 2 == 0,
               LT_ERR_ARGUMENT, "%s: the filter is %s, it must have %lld phases and an even length", op,
               LT_SHAPE(filter), (long long)phases);
    LT_REQUIRE(in->ndim == 2 && out->ndim == 2 && in->shape[0] == out->shape[0] &&
                   in->shape[1] <= ((int64_t)1 << 38),
               LT_ERR_ARGUMENT, "%s: x is %s and y %s; they must be (B, T)", op, LT_SHAPE(in),
               LT_SHAPE(out));
    int64_t wanted = (in->shape[1] * up + down - 1) / down;
    LT_REQUIRE(out->shape[1] == wanted, LT_ERR_ARGUMENT, "%s: y is %s, it must have %lld samples", op,
               LT_SHAPE(out), (long long)wanted);
    return LT_OK;
}

static lt_status resample_check(const void *p)
{
    const resample_args *a = p;
    return resample_check_as("resample", &a->y, &a->x, &a->filter, a->up, a->down);
}

// x times a row, and `share` of the way to x times the next row. Four sums at a time: one would wait for
// its own additions.
static float dot(const float *x, const float *row, const float *next, float share, int64_t n)
{
    vec s0 = {0}, s1 = {0}, t0 = {0}, t1 = {0};
    int64_t i = 0;
    for (; i + 2 * LT_LANES <= n; i += 2 * LT_LANES) {
        vec a = vec_held(x + i), b = vec_held(x + i + LT_LANES);
        s0 += a * vec_load(row + i);
        s1 += b * vec_load(row + i + LT_LANES);
        t0 += a * vec_load(next + i);
        t1 += b * vec_load(next + i + LT_LANES);
    }
    vec sum = s0 + s1;
    float rest = vec_sum(sum + share * ((t0 + t1) - sum));
    for (; i < n; i++) rest += x[i] * (row[i] + share * (next[i] - row[i]));
    return rest;
}

// The same where only one row counts.
static float dot_row(const float *x, const float *row, int64_t n)
{
    vec s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
    int64_t i = 0;
    for (; i + 4 * LT_LANES <= n; i += 4 * LT_LANES) {
        s0 += vec_load(x + i) * vec_load(row + i);
        s1 += vec_load(x + i + LT_LANES) * vec_load(row + i + LT_LANES);
        s2 += vec_load(x + i + 2 * LT_LANES) * vec_load(row + i + 2 * LT_LANES);
        s3 += vec_load(x + i + 3 * LT_LANES) * vec_load(row + i + 3 * LT_LANES);
    }
    for (; i + LT_LANES <= n; i += LT_LANES) s0 += vec_load(x + i) * vec_load(row + i);
    float sum = vec_sum((s0 + s1) + (s2 + s3));
    for (; i < n; i++) sum += x[i] * row[i];
    return sum;
}

// Where an output sample takes its input from: first tap, phase row, and its share of the next row.
typedef struct tap { int64_t begin, row; float share; } tap;

// Output samples one after the other: sample n lies at whole + phase / up. Dividing for each would take as
// long as its products.
typedef struct walk {
    int64_t whole, phase, up, step_whole, step_phase;
    double rows;  // of the filter, a phase
} walk;

static walk walk_from(int64_t n, int64_t up, int64_t down)
{
    return (walk){n * down / up, n * down % up, up, down / up, down % up, MAX_PHASES / (double)up};
}

static tap next_tap(walk *w, int64_t half)
{
    tap t = {w->whole - half + 1, w->phase, 0};
    if (w->up > MAX_PHASES) {
        double at = (double)w->phase * w->rows;
        t.row = (int64_t)at;
        t.share = (float)(at - (double)t.row);
    }
    w->whole += w->step_whole;
    w->phase += w->step_phase;
    if (w->phase >= w->up) {
        w->phase -= w->up;
        w->whole++;
    }
    return t;
}

// An output sample, of those of its taps that lie inside the signal.
static float sample(const resample_args *a, const float *x, tap t)
{
    int64_t length = a->x.shape[1], taps = a->filter.shape[1];
    int64_t first = t.begin < 0 ? -t.begin : 0;
    int64_t last = t.begin + taps > length ? length - t.begin : taps;
    if (last <= first) return 0;
    const float *row = lt_f32(&a->filter) + t.row * taps + first, *in = x + t.begin + first;
    return t.share != 0 ? dot(in, row, row + taps, t.share, last - first) : dot_row(in, row, last - first);
}

// Samples that take the same rows of the filter, which come from the second-level cache: four at a time.
typedef struct spot { int32_t begin, n; float share; } spot;

static void samples_of_row(float *y, const float *x, const float *row, int64_t taps, const spot *s,
                           int64_t count)
{
    for (; count > 1; s += 4, count -= 4) {
        const float *in[4];
        vec low[4] = {0}, high[4] = {0};
        for (int j = 0; j < 4; j++) in[j] = x + s[j < count ? j : 0].begin;
        for (int64_t i = 0; i < taps; i += LT_LANES) {
            const vec a = vec_load(row + i), b = vec_load(row + taps + i);
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++) {
                const vec v = vec_held(in[j] + i);
                low[j] += v * a;
                high[j] += v * b;
            }
        }
        for (int j = 0; j < 4 && j < count; j++)
            y[s[j].n] = vec_sum(low[j] + s[j].share * (high[j] - low[j]));
    }
    if (count == 1) y[s->n] = dot(x + s->begin, row, row + taps, s->share, taps);
}

// Samples from..to, with all taps inside, in the order of their rows.
static void samples_by_row(const resample_args *a, const float *x, float *y, int64_t from, int64_t to)
{
    const int64_t taps = a->filter.shape[1];
    int32_t ends[MAX_PHASES + 2] = {0};
    spot spots[CHUNK];
    const walk start = walk_from(from, a->up, a->down);
    walk w = start;
    for (int64_t n = from; n < to; n++) ends[next_tap(&w, taps / 2).row + 2]++;
    for (int64_t r = 2; r < MAX_PHASES + 2; r++) ends[r] += ends[r - 1];
    w = start;
    const int64_t base = start.whole - taps / 2 + 1;
    for (int64_t n = from; n < to; n++) {
        const tap t = next_tap(&w, taps / 2);
        spots[ends[t.row + 1]++] = (spot){(int32_t)(t.begin - base), (int32_t)(n - from), t.share};
    }
    for (int64_t r = 0; r < MAX_PHASES; r++)
        samples_of_row(y + from, x + base, lt_f32(&a->filter) + r * taps, taps, spots + ends[r],
                       ends[r + 1] - ends[r]);
}

static lt_status resample_cpu(const void *p)
{
    const resample_args *a = p;
    int64_t length = a->x.shape[1], count = a->y.shape[1], taps = a->filter.shape[1];
    int64_t chunks = (count + CHUNK - 1) / CHUNK, items = a->x.shape[0] * chunks;
    // Samples from..to have all their taps.
    int64_t inside = ((taps / 2) * a->up + a->down - 1) / a->down;
    int64_t outside = length < taps ? 0 : (length - taps / 2 - 1) * a->up / a->down;
#pragma omp parallel for num_threads(lt_team(a->x.shape[0] * count * (taps / 16 + 1))) schedule(static)
    for (int64_t item = 0; item < items; item++) {
        const float *x = lt_f32(&a->x) + item / chunks * length;
        float *y = lt_f32(&a->y) + item / chunks * count;
        int64_t from = item % chunks * CHUNK, to = from + CHUNK < count ? from + CHUNK : count;
        int64_t low = from, high = from;
        if (a->up > MAX_PHASES && taps % LT_LANES == 0) {
            low = inside > from ? inside : from;
            high = outside < to ? outside : to;
            if (low < high) samples_by_row(a, x, y, low, high);
            else low = high = from;
        }
        walk w = walk_from(from, a->up, a->down);
        for (int64_t n = from; n < low; n++) y[n] = sample(a, x, next_tap(&w, taps / 2));
        w = walk_from(high, a->up, a->down);
        for (int64_t n = high; n < to; n++) y[n] = sample(a, x, next_tap(&w, taps / 2));
    }
    return LT_OK;
}

LT_OP(resample, "y; x filter", resample_check, resample_cpu)

lt_status lt_resample(lt_tensor *y, const lt_tensor *x, const lt_tensor *filter, int64_t up,
                      int64_t down)
{
    resample_args a = {*y, *x, *filter, up, down};
    return lt_run(&resample_op, &a);
}

static lt_status resample_backward_check(const void *p)
{
    const resample_args *a = p;  // y is dx, x is dy
    return resample_check_as("resample_backward", &a->x, &a->y, &a->filter, a->up, a->down);
}

static lt_status resample_backward_cpu(const void *p)
{
    const resample_args *a = p;
    int64_t length = a->y.shape[1], count = a->x.shape[1], taps = a->filter.shape[1];
    const float *filter = lt_f32(&a->filter);
#pragma omp parallel for num_threads(lt_team(a->x.shape[0] * count * (taps / 16 + 1))) schedule(static)
    for (int64_t clip = 0; clip < a->x.shape[0]; clip++) {
        float *dx = lt_f32(&a->y) + clip * length;
        const float *dy = lt_f32(&a->x) + clip * count;
        memset(dx, 0, sizeof(float) * (size_t)length);
        walk w = walk_from(0, a->up, a->down);
        for (int64_t n = 0; n < count; n++) {
            tap t = next_tap(&w, taps / 2);
            int64_t first = t.begin < 0 ? -t.begin : 0;
            int64_t last = t.begin + taps > length ? length - t.begin : taps;
            const float *row = filter + t.row * taps;
            const float *next = t.share != 0 ? row + taps : row;
            float *to = dx + t.begin, low = dy[n] * (1 - t.share), high = dy[n] * t.share;
            for (int64_t k = first; k < last; k++) to[k] += low * row[k] + high * next[k];
        }
    }
    return LT_OK;
}

LT_OP(resample_backward, "dx; dy filter", resample_backward_check, resample_backward_cpu)

lt_status lt_resample_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *filter, int64_t up,
                               int64_t down)
{
    resample_args a = {*dx, *dy, *filter, up, down};
    return lt_run(&resample_backward_op, &a);
}
