// norm.h: passes over channels-last data that batch and group normalisation share. Both are affine maps
// per channel (and, for groups, per sample): one pass takes sums per channel, a few numbers are
// computed, and one pass applies y = a x + b, or dx = a g + b x + c. Sums are f32 over short runs,
// added up in double, in an order that never changes.
#ifndef LT_NORM_H
#define LT_NORM_H

#include "cpu/vec.h"

enum { CHUNKS = 32, RUN = 128 };

// ---- passes over rows of channels ---------------------------------------------------------------
// A matrix (rows, c); all pointers are at its first row.
typedef struct rows {
    int64_t n, c;
    bool half;
} rows;

// sums[0..c) = sum of x - shift, sums[c..2c) = sum of its squares, over rows from..to.
VEC_INLINE void sum_moments(double *sums, const void *x, const float *shift, int64_t from,
                            int64_t to, int64_t c, bool half)
{
    for (int64_t j = 0; j < c; j += LT_VEC) {
        const int64_t part = c - j;
        const lt_vec k = lt_vec_load_part(shift, j, false, part);
        double total[2 * LT_VEC] = {0};
        for (int64_t i0 = from; i0 < to; i0 += RUN) {
            const int64_t i1 = i0 + RUN < to ? i0 + RUN : to;
            lt_vec s = {0}, q = {0};
            if (part >= LT_VEC) {
                for (int64_t i = i0; i < i1; i++) {
                    const lt_vec v = lt_vec_load(x, i * c + j, half) - k;
                    s += v;
                    q += v * v;
                }
            } else {
                for (int64_t i = i0; i < i1; i++) {
                    const lt_vec v = lt_vec_load_part(x, i * c + j, half, part) - k;
                    s += v;
                    q += v * v;
                }
            }
            for (int t = 0; t < LT_VEC; t++) total[t] += s[t], total[LT_VEC + t] += q[t];
        }
        for (int t = 0; t < LT_VEC && t < part; t++)
            sums[j + t] = total[t], sums[c + j + t] = total[LT_VEC + t];
    }
}

static inline void moments(double *sums, const void *x, const float *shift, int64_t from, int64_t to,
                    int64_t c, bool half)
{
    if (half) sum_moments(sums, x, shift, from, to, c, true);
    else sum_moments(sums, x, shift, from, to, c, false);
}

// What the apply pass of forward needs for its rows.
typedef struct forward_pass {
    void *y;
    const void *x, *residual;
    const float *a, *b;
    bool relu;
} forward_pass;

VEC_INLINE void apply_rows(const forward_pass *p, int64_t from, int64_t to, int64_t c, bool half,
                           bool residual, bool relu)
{
    for (int64_t i = from; i < to; i++)
        for (int64_t j = 0; j < c; j += LT_VEC) {
            const int64_t part = c - j, at = i * c + j;
            lt_vec v = lt_vec_load_part(p->x, at, half, part)
                         * lt_vec_load_part(p->a, j, false, part)
                     + lt_vec_load_part(p->b, j, false, part);
            if (residual) v += lt_vec_load_part(p->residual, at, half, part);
            if (relu) v = lt_vec_above(v, v);
            lt_vec_store_part(p->y, at, half, part, v);
        }
}

static inline void apply(const forward_pass *p, int64_t from, int64_t to, int64_t c, bool half)
{
#define CASE(h, r, u) \
    if (half == h && (p->residual != NULL) == r && p->relu == u) \
        apply_rows(p, from, to, c, h, r, u)
    CASE(false, false, false);
    CASE(false, false, true);
    CASE(false, true, false);
    CASE(false, true, true);
    CASE(true, false, false);
    CASE(true, false, true);
    CASE(true, true, false);
    CASE(true, true, true);
#undef CASE
}

// Where the ReLU's mask comes from: nowhere, the sign of a x + b, or the sign of y.
typedef enum { NO_MASK, FROM_X, FROM_Y } mask;

typedef struct backward_pass {
    void *dx, *g_out;  // g_out: where to keep the masked gradient, or NULL
    const void *dy, *x, *y;
    const float *a, *b;             // forward's map, for FROM_X
    const float *dy_scale, *x_scale, *offset;
    const float *shift;             // subtracted from x in the sums
    mask mask;
} backward_pass;

VEC_INLINE lt_vec masked(const backward_pass *p, int64_t at, int64_t j, int64_t part, bool half,
                         lt_vec x, mask mask)
{
    lt_vec g = lt_vec_load_part(p->dy, at, half, part);
    if (mask == FROM_X) {
        const lt_vec y = x * lt_vec_load_part(p->a, j, false, part)
                       + lt_vec_load_part(p->b, j, false, part);
        g = lt_vec_above(g, y);
    }
    if (mask == FROM_Y) g = lt_vec_above(g, lt_vec_load_part(p->y, at, half, part));
    return g;
}

// sums[0..c) = sum of g, sums[c..2c) = sum of g (x - shift), over rows from..to.
VEC_INLINE void sum_gradients(const backward_pass *p, double *sums, int64_t from, int64_t to,
                              int64_t c, bool half, mask mask, bool keep)
{
    for (int64_t j = 0; j < c; j += LT_VEC) {
        const int64_t part = c - j;
        const lt_vec k = lt_vec_load_part(p->shift, j, false, part);
        double total[2 * LT_VEC] = {0};
        for (int64_t i0 = from; i0 < to; i0 += RUN) {
            const int64_t i1 = i0 + RUN < to ? i0 + RUN : to;
            lt_vec s = {0}, q = {0};
            for (int64_t i = i0; i < i1; i++) {
                const lt_vec x = lt_vec_load_part(p->x, i * c + j, half, part);
                const lt_vec g = masked(p, i * c + j, j, part, half, x, mask);
                if (keep) lt_vec_store_part(p->g_out, i * c + j, half, part, g);
                s += g;
                q += g * (x - k);
            }
            for (int t = 0; t < LT_VEC; t++) total[t] += s[t], total[LT_VEC + t] += q[t];
        }
        for (int t = 0; t < LT_VEC && t < part; t++)
            sums[j + t] = total[t], sums[c + j + t] = total[LT_VEC + t];
    }
}

VEC_INLINE void apply_gradient(const backward_pass *p, int64_t from, int64_t to, int64_t c,
                               bool half, mask mask)
{
    for (int64_t i = from; i < to; i++)
        for (int64_t j = 0; j < c; j += LT_VEC) {
            const int64_t part = c - j, at = i * c + j;
            const lt_vec x = lt_vec_load_part(p->x, at, half, part);
            const lt_vec g = masked(p, at, j, part, half, x, mask);
            lt_vec_store_part(p->dx, at, half, part,
                              g * lt_vec_load_part(p->dy_scale, j, false, part)
                                  + x * lt_vec_load_part(p->x_scale, j, false, part)
                                  + lt_vec_load_part(p->offset, j, false, part));
        }
}

static inline void gradient_sums(const backward_pass *p, double *sums, int64_t from, int64_t to, int64_t c,
                          bool half)
{
#define CASE(h, m, k) \
    if (half == h && p->mask == m && (p->g_out != NULL) == k) \
        sum_gradients(p, sums, from, to, c, h, m, k)
    CASE(false, NO_MASK, false);
    CASE(false, FROM_X, false);
    CASE(false, FROM_Y, false);
    CASE(false, FROM_Y, true);
    CASE(true, NO_MASK, false);
    CASE(true, FROM_X, false);
    CASE(true, FROM_Y, false);
    CASE(true, FROM_Y, true);
#undef CASE
}

static inline void gradient_apply(const backward_pass *p, int64_t from, int64_t to, int64_t c, bool half)
{
#define CASE(h, m) if (half == h && p->mask == m) apply_gradient(p, from, to, c, h, m)
    CASE(false, NO_MASK);
    CASE(false, FROM_X);
    CASE(false, FROM_Y);
    CASE(true, NO_MASK);
    CASE(true, FROM_X);
    CASE(true, FROM_Y);
#undef CASE
}

// The first row of x as floats: a value near the mean, to be taken off before squaring.
static inline void first_row(float *shift, const void *x, int64_t c, bool half)
{
    for (int64_t j = 0; j < c; j++)
        shift[j] = half ? lt_bf16_to_f32(((const lt_bf16 *)x)[j]) : ((const float *)x)[j];
}

// ---- checks ------------------------------------------------------------------------------------
static inline lt_status check_data(const char *op, const char *name, const lt_tensor *t,
                            const lt_tensor *x)
{
    LT_TRY(lt_check_dtype(op, name, t, x->dtype));
    LT_TRY(lt_check_same_shape(op, name, t, "x", x));
    LT_REQUIRE(x->ndim == 2 ? lt_tensor_is_contiguous(t) : lt_is_channels_last(t), LT_ERR_ARGUMENT,
               "%s: %s %s must lie channels-last", op, name, LT_SHAPE(t));
    return LT_OK;
}

static inline lt_status check_vector(const char *op, const char *name, const lt_tensor *t, int64_t n)
{
    if (!lt_present(t)) return LT_OK;
    LT_TRY(lt_check_dtype(op, name, t, LT_F32));
    LT_REQUIRE(lt_numel(t) == n, LT_ERR_ARGUMENT, "%s: %s is %s, wanted %lld values", op, name,
               LT_SHAPE(t), (long long)n);
    return lt_check_contiguous(op, name, t);
}

static inline lt_status check_x(const char *op, const lt_tensor *x)
{
    LT_TRY(lt_check_float(op, "x", x));
    LT_REQUIRE(x->ndim >= 2, LT_ERR_ARGUMENT, "%s: x is %s, wanted (N, C, ...)", op, LT_SHAPE(x));
    return check_data(op, "x", x, x);
}

static inline const float *vector(const lt_tensor *t) { return lt_present(t) ? lt_f32(t) : NULL; }

static inline rows rows_of(const lt_tensor *x)
{
    const int64_t c = x->shape[1];
    return (rows){c ? lt_numel(x) / c : 0, c, x->dtype == LT_BF16};
}

#endif
