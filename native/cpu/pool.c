// pool: maximum and average over windows of sequences and images, channels-last; the windows slide, or
// divide the input into as many bins as there are outputs (adaptive).
//
// Every dimension has a list of its windows and, for backward, of the windows that reach each input
// position, so that gradients are collected position by position and never scattered.
#include "cpu/vec.h"

typedef struct { lt_tensor y, index, x; lt_pool_options o; } max_pool_args;
typedef struct { lt_tensor dx, dy, index; lt_pool_options o; } max_pool_backward_args;
typedef struct { lt_tensor y, x; lt_pool_options o; } avg_pool_args;
typedef struct { lt_tensor dx, dy; lt_pool_options o; } avg_pool_backward_args;

// ---- windows -----------------------------------------------------------------------------------
// Window o covers positions base[o] + t * step for low[o] <= t < high[o].
typedef struct axis {
    int64_t size, outputs, step, taps;
    int64_t *base, *low, *high;
    int64_t *padded;  // taps before the end of the padding; a last window may reach beyond (ceil_mode)
    // Position i is reached by the pairs first[i] .. first[i + 1] of (window, tap).
    int64_t *first, *window, *tap;
} axis;

static int64_t spatial(const lt_tensor *t, int d)
{
    return t->ndim == 3 ? (d == 0 ? 1 : t->shape[2]) : t->shape[2 + d];
}

static void place_windows(axis *a, const lt_pool_options *o, int d, bool sequence)
{
    const bool flat = sequence && d == 0;  // the missing dimension: one window of one position
    a->step = o->adaptive || flat ? 1 : o->dilation[d];
    a->taps = 0;
    for (int64_t i = 0; i < a->outputs; i++) {
        if (o->adaptive) {
            a->base[i] = i * a->size / a->outputs;
            a->low[i] = 0;
            a->high[i] = ((i + 1) * a->size + a->outputs - 1) / a->outputs - a->base[i];
        } else {
            const int64_t k = flat ? 1 : o->kernel[d];
            const int64_t start = flat ? 0 : i * o->stride[d] - o->padding[d];
            a->base[i] = start;
            a->low[i] = start < 0 ? (-start + a->step - 1) / a->step : 0;
            a->high[i] = start + (k - 1) * a->step < a->size
                             ? k
                             : (a->size - start + a->step - 1) / a->step;
            const int64_t end = a->size + (flat ? 0 : o->padding[d]);
            a->padded[i] = start + (k - 1) * a->step < end ? k : (end - start + a->step - 1) / a->step;
        }
        if (a->high[i] > a->taps) a->taps = a->high[i];
    }
}

static void reverse_windows(axis *a)
{
    memset(a->first, 0, (size_t)(a->size + 1) * sizeof(int64_t));
    for (int64_t i = 0; i < a->outputs; i++)
        for (int64_t t = a->low[i]; t < a->high[i]; t++) a->first[a->base[i] + t * a->step + 1]++;
    for (int64_t i = 0; i < a->size; i++) a->first[i + 1] += a->first[i];
    for (int64_t i = a->outputs - 1; i >= 0; i--)
        for (int64_t t = a->high[i] - 1; t >= a->low[i]; t--) {
            // filled from the back of each run; first[i + 1] moves down to first[i] and is restored
            const int64_t at = --a->first[a->base[i] + t * a->step + 1];
            a->window[at] = i;
            a->tap[at] = t;
        }
    // every end has become its start: shift back
    for (int64_t i = 0; i < a->size; i++) a->first[i] = a->first[i + 1];
    int64_t total = 0;
    for (int64_t i = 0; i < a->outputs; i++) total += a->high[i] - a->low[i];
    a->first[a->size] = total;
}

static lt_status make_axis(axis *a, const lt_pool_options *o, const lt_tensor *x,
                           const lt_tensor *y, int d, bool backward)
{
    *a = (axis){.size = spatial(x, d), .outputs = spatial(y, d)};
    const int64_t n = a->outputs;
    a->base = lt_alloc((4 * n + 1) * (int64_t)sizeof(int64_t));
    if (!a->base) return LT_ERR_MEMORY;
    a->low = a->base + n;
    a->high = a->low + n;
    a->padded = a->high + n;
    place_windows(a, o, d, x->ndim == 3);
    if (!backward) return LT_OK;
    int64_t total = 0;
    for (int64_t i = 0; i < n; i++) total += a->high[i] - a->low[i];
    a->first = lt_alloc((a->size + 1 + 2 * total) * (int64_t)sizeof(int64_t));
    if (!a->first) return LT_ERR_MEMORY;
    a->window = a->first + a->size + 1;
    a->tap = a->window + total;
    reverse_windows(a);
    return LT_OK;
}

static void free_axis(axis *a)
{
    lt_free(a->base);
    lt_free(a->first);
}

// ---- checks ------------------------------------------------------------------------------------
static lt_status check_layout(const char *op, const char *name, const lt_tensor *t)
{
    LT_REQUIRE(t->ndim == 3 || t->ndim == 4, LT_ERR_ARGUMENT,
               "%s: %s is %s, wanted (N, C, T) or (N, C, H, W)", op, name, LT_SHAPE(t));
    LT_REQUIRE(lt_is_channels_last(t), LT_ERR_ARGUMENT, "%s: %s %s must lie channels-last", op, name,
               LT_SHAPE(t));
    return LT_OK;
}

static lt_status check_pool(const char *op, const lt_tensor *x, const lt_tensor *y,
                            const lt_pool_options *o)
{
    LT_TRY(lt_check_float(op, "x", x));
    LT_TRY(lt_check_dtype(op, "y", y, x->dtype));
    LT_TRY(check_layout(op, "x", x));
    LT_TRY(check_layout(op, "y", y));
    LT_REQUIRE(x->ndim == y->ndim && x->shape[0] == y->shape[0] && x->shape[1] == y->shape[1],
               LT_ERR_ARGUMENT, "%s: x is %s, y is %s", op, LT_SHAPE(x), LT_SHAPE(y));
    for (int d = x->ndim == 3 ? 1 : 0; d < 2; d++) {
        const int64_t n = spatial(x, d), m = spatial(y, d);
        if (o->adaptive) {
            LT_REQUIRE(m >= 1 && n >= 1, LT_ERR_ARGUMENT, "%s: %s into %s bins", op, LT_SHAPE(x),
                       LT_SHAPE(y));
            continue;
        }
        LT_REQUIRE(o->kernel[d] >= 1 && o->stride[d] >= 1 && o->dilation[d] >= 1, LT_ERR_ARGUMENT,
                   "%s: kernel, stride and dilation are from 1", op);
        LT_REQUIRE(o->padding[d] >= 0 && 2 * o->padding[d] <= o->kernel[d], LT_ERR_ARGUMENT,
                   "%s: padding %lld must be at most half of the kernel %lld", op,
                   (long long)o->padding[d], (long long)o->kernel[d]);
        const int64_t room = n + 2 * o->padding[d] - o->dilation[d] * (o->kernel[d] - 1) - 1;
        const int64_t up = (room + o->stride[d] - 1) / o->stride[d] + 1;  // ceil_mode
        LT_REQUIRE(room >= 0 && (room / o->stride[d] + 1 == m
                                 || (up == m && (m - 1) * o->stride[d] < n + o->padding[d])),
                   LT_ERR_ARGUMENT,
                   "%s: x is %s, kernel %lld, stride %lld, padding %lld do not give %s", op,
                   LT_SHAPE(x), (long long)o->kernel[d], (long long)o->stride[d],
                   (long long)o->padding[d], LT_SHAPE(y));
    }
    return LT_OK;
}

static lt_status check_index(const char *op, const lt_tensor *index, const lt_tensor *y)
{
    LT_TRY(lt_check_dtype(op, "index", index, LT_I32));
    LT_TRY(lt_check_same_shape(op, "index", index, "y", y));
    return check_layout(op, "index", index);
}

// ---- one row of outputs or inputs ---------------------------------------------------------------
typedef struct plan {
    axis h, w;
    int64_t n, c;
    bool half;
    const char *x;   // what is read: x, or dy
    char *y;         // what is written: y, or dx
    int32_t *index;  // tap h * w.taps + tap w of each maximum
    bool include_pad;
} plan;

static const void *row_at(const plan *p, const char *base, int64_t n, int64_t rows, int64_t row,
                          int64_t columns)
{
    return base + ((n * rows + row) * columns * p->c) * (p->half ? 2 : 4);
}

VEC_INLINE void max_row(const plan *p, int64_t n, int64_t oh, bool half)
{
    const axis *h = &p->h, *w = &p->w;
    void *y = (void *)row_at(p, p->y, n, h->outputs, oh, w->outputs);
    int32_t *index = p->index + (n * h->outputs + oh) * w->outputs * p->c;
    for (int64_t ow = 0; ow < w->outputs; ow++)
        for (int64_t c = 0; c < p->c; c += LT_VEC) {
            const int64_t part = p->c - c;
            lt_vec best = (lt_vec){0} - __builtin_inff();
            lt_vec_ints where = (lt_vec_ints){0} + (int32_t)(h->low[oh] * w->taps + w->low[ow]);
            for (int64_t i = h->low[oh]; i < h->high[oh]; i++) {
                const void *row = row_at(p, p->x, n, h->size, h->base[oh] + i * h->step, w->size);
                for (int64_t j = w->low[ow]; j < w->high[ow]; j++) {
                    const int64_t at = (w->base[ow] + j * w->step) * p->c + c;
                    const lt_vec v = lt_vec_load_part(row, at, half, part);
                    const lt_vec_ints more = (lt_vec_ints)(v > best) | (lt_vec_ints)(v != v);
                    best = (lt_vec)(((lt_vec_ints)v & more) | ((lt_vec_ints)best & ~more));
                    where = ((int32_t)(i * w->taps + j) & more) | (where & ~more);
                }
            }
            lt_vec_store_part(y, ow * p->c + c, half, part, best);
            for (int64_t t = 0; t < LT_VEC && t < part; t++) index[ow * p->c + c + t] = where[t];
        }
}

VEC_INLINE void max_row_backward(const plan *p, int64_t n, int64_t ih, bool half)
{
    const axis *h = &p->h, *w = &p->w;
    void *dx = (void *)row_at(p, p->y, n, h->size, ih, w->size);
    for (int64_t iw = 0; iw < w->size; iw++)
        for (int64_t c = 0; c < p->c; c += LT_VEC) {
            const int64_t part = p->c - c;
            lt_vec sum = {0};
            for (int64_t a = h->first[ih]; a < h->first[ih + 1]; a++) {
                const int64_t oh = h->window[a], row_pixel = (n * h->outputs + oh) * w->outputs;
                for (int64_t b = w->first[iw]; b < w->first[iw + 1]; b++) {
                    const int64_t at = (row_pixel + w->window[b]) * p->c + c;
                    const int32_t tap = (int32_t)(h->tap[a] * w->taps + w->tap[b]);
                    const lt_vec g = lt_vec_load_part(p->x, at, half, part);
                    const lt_vec_ints where =
                        (lt_vec_ints)lt_vec_load_part((const float *)p->index, at, false, part);
                    sum += (lt_vec)((lt_vec_ints)g & (where == tap));
                }
            }
            lt_vec_store_part(dx, iw * p->c + c, half, part, sum);
        }
}

// What one output of the average divides by.
static float divisor(const plan *p, int64_t oh, int64_t ow)
{
    if (p->include_pad) return (float)(p->h.padded[oh] * p->w.padded[ow]);
    return (float)((p->h.high[oh] - p->h.low[oh]) * (p->w.high[ow] - p->w.low[ow]));
}

VEC_INLINE void avg_row(const plan *p, int64_t n, int64_t oh, bool half)
{
    const axis *h = &p->h, *w = &p->w;
    void *y = (void *)row_at(p, p->y, n, h->outputs, oh, w->outputs);
    for (int64_t ow = 0; ow < w->outputs; ow++)
        for (int64_t c = 0; c < p->c; c += LT_VEC) {
            const int64_t part = p->c - c;
            lt_vec sum = {0};
            for (int64_t i = h->low[oh]; i < h->high[oh]; i++) {
                const void *row = row_at(p, p->x, n, h->size, h->base[oh] + i * h->step, w->size);
                for (int64_t j = w->low[ow]; j < w->high[ow]; j++)
                    sum += lt_vec_load_part(row, (w->base[ow] + j * w->step) * p->c + c, half, part);
            }
            lt_vec_store_part(y, ow * p->c + c, half, part, sum / divisor(p, oh, ow));
        }
}

VEC_INLINE void avg_row_backward(const plan *p, int64_t n, int64_t ih, bool half)
{
    const axis *h = &p->h, *w = &p->w;
    void *dx = (void *)row_at(p, p->y, n, h->size, ih, w->size);
    for (int64_t iw = 0; iw < w->size; iw++)
        for (int64_t c = 0; c < p->c; c += LT_VEC) {
            const int64_t part = p->c - c;
            lt_vec sum = {0};
            for (int64_t a = h->first[ih]; a < h->first[ih + 1]; a++)
                for (int64_t b = w->first[iw]; b < w->first[iw + 1]; b++) {
                    const int64_t oh = h->window[a], ow = w->window[b];
                    const int64_t at = ((n * h->outputs + oh) * w->outputs + ow) * p->c + c;
                    sum += lt_vec_load_part(p->x, at, half, part) / divisor(p, oh, ow);
                }
            lt_vec_store_part(dx, iw * p->c + c, half, part, sum);
        }
}

typedef enum { MAX, MAX_BACKWARD, AVG, AVG_BACKWARD } kind;

static void one_row(const plan *p, kind kind, int64_t n, int64_t row)
{
#define CASE(k, function) \
    if (kind == k) { \
        if (p->half) function(p, n, row, true); \
        else function(p, n, row, false); \
    }
    CASE(MAX, max_row)
    CASE(MAX_BACKWARD, max_row_backward)
    CASE(AVG, avg_row)
    CASE(AVG_BACKWARD, avg_row_backward)
#undef CASE
}

// in, out: what is read and written; x and y: the sides with the input's and the output's positions.
static lt_status run_pool(kind kind, const lt_tensor *out, const lt_tensor *in, const lt_tensor *index,
                          const lt_tensor *x, const lt_tensor *y, const lt_pool_options *o)
{
    const bool backward = kind == MAX_BACKWARD || kind == AVG_BACKWARD;
    plan p = {.n = x->shape[0], .c = x->shape[1], .half = x->dtype == LT_BF16, .x = lt_data(in),
              .y = lt_data(out), .index = index ? lt_data(index) : NULL,
              .include_pad = !o->adaptive && o->count_include_pad};
    if (lt_numel(out) == 0) return LT_OK;
    lt_status status = make_axis(&p.h, o, x, y, 0, backward);
    if (status == LT_OK) status = make_axis(&p.w, o, x, y, 1, backward);
    if (status == LT_OK) {
        const int64_t rows = backward ? p.h.size : p.h.outputs;
        const int64_t work = lt_numel(x) + p.h.taps * p.w.taps * lt_numel(y);
#pragma omp parallel for num_threads(lt_team(work)) schedule(static)
        for (int64_t i = 0; i < p.n * rows; i++) one_row(&p, kind, i / rows, i % rows);
    }
    free_axis(&p.h);
    free_axis(&p.w);
    return status;
}

// ---- max_pool ----------------------------------------------------------------------------------
static lt_status max_pool_check(const void *args)
{
    const max_pool_args *p = args;
    LT_TRY(check_pool("max_pool", &p->x, &p->y, &p->o));
    return check_index("max_pool", &p->index, &p->y);
}

static lt_status max_pool_cpu(const void *args)
{
    const max_pool_args *p = args;
    return run_pool(MAX, &p->y, &p->x, &p->index, &p->x, &p->y, &p->o);
}

LT_OP(max_pool, "y index; x", max_pool_check, max_pool_cpu)

lt_status lt_max_pool(lt_tensor *y, lt_tensor *index, const lt_tensor *x,
                      const lt_pool_options *options)
{
    max_pool_args args = {*y, *index, *x, *options};
    return lt_run(&max_pool_op, &args);
}

static lt_status max_pool_backward_check(const void *args)
{
    const max_pool_backward_args *p = args;
    LT_TRY(check_pool("max_pool_backward", &p->dx, &p->dy, &p->o));
    return check_index("max_pool_backward", &p->index, &p->dy);
}

static lt_status max_pool_backward_cpu(const void *args)
{
    const max_pool_backward_args *p = args;
    return run_pool(MAX_BACKWARD, &p->dx, &p->dy, &p->index, &p->dx, &p->dy, &p->o);
}

LT_OP(max_pool_backward, "dx; dy index", max_pool_backward_check, max_pool_backward_cpu)

lt_status lt_max_pool_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *index,
                               const lt_pool_options *options)
{
    max_pool_backward_args args = {*dx, *dy, *index, *options};
    return lt_run(&max_pool_backward_op, &args);
}

// ---- avg_pool ----------------------------------------------------------------------------------
static lt_status avg_pool_check(const void *args)
{
    const avg_pool_args *p = args;
    return check_pool("avg_pool", &p->x, &p->y, &p->o);
}

static lt_status avg_pool_cpu(const void *args)
{
    const avg_pool_args *p = args;
    return run_pool(AVG, &p->y, &p->x, NULL, &p->x, &p->y, &p->o);
}

LT_OP(avg_pool, "y; x", avg_pool_check, avg_pool_cpu)

lt_status lt_avg_pool(lt_tensor *y, const lt_tensor *x, const lt_pool_options *options)
{
    avg_pool_args args = {*y, *x, *options};
    return lt_run(&avg_pool_op, &args);
}

static lt_status avg_pool_backward_check(const void *args)
{
    const avg_pool_backward_args *p = args;
    return check_pool("avg_pool_backward", &p->dx, &p->dy, &p->o);
}

static lt_status avg_pool_backward_cpu(const void *args)
{
    const avg_pool_backward_args *p = args;
    return run_pool(AVG_BACKWARD, &p->dx, &p->dy, NULL, &p->dx, &p->dy, &p->o);
}

LT_OP(avg_pool_backward, "dx; dy", avg_pool_backward_check, avg_pool_backward_cpu)

lt_status lt_avg_pool_backward(lt_tensor *dx, const lt_tensor *dy, const lt_pool_options *options)
{
    avg_pool_backward_args args = {*dx, *dy, *options};
    return lt_run(&avg_pool_backward_op, &args);
}
