// reduce_index: where along a dimension the extreme is, running sums, and the gradient of products.
#include "reduce_plan.h"

#include "../scalar/vmath.h"

// ---- the extreme along one dimension, and its position -----------------------------------------
// The first of equal elements wins; the first NaN wins over everything.
typedef struct { lt_tensor values, indices, x; int32_t dim; bool minimum; } extreme_args;

static lt_status extreme_check(const void *p)
{
    const extreme_args *a = p;
    LT_REQUIRE(a->dim >= 0 && a->dim < a->x.ndim, LT_ERR_ARGUMENT, "extreme: dimension %d of %s",
               a->dim + 1, LT_SHAPE(&a->x));
    LT_TRY(lt_check_dtype("extreme", "indices", &a->indices, LT_I64));
    LT_TRY(reduce_check("extreme", &a->indices, &a->x, 1 << a->dim));
    LT_REQUIRE(a->x.shape[a->dim] > 0 || lt_numel(&a->indices) == 0, LT_ERR_ARGUMENT,
               "extreme: x is %s; there is no extreme of nothing", LT_SHAPE(&a->x));
    LT_REQUIRE(a->x.shape[a->dim] <= INT32_MAX, LT_ERR_ARGUMENT,
               "extreme: dimension %d has more than 2^31 elements", a->dim + 1);
    if (!lt_present(&a->values)) return LT_OK;
    LT_TRY(lt_check_dtype("extreme", "values", &a->values, a->x.dtype));
    LT_REQUIRE(lt_same_layout(&a->values, &a->indices), LT_ERR_ARGUMENT,
               "extreme: values and indices differ in shape or memory order");
    return LT_OK;
}

static void store_result(const extreme_args *a, int64_t offset, const char *from, int64_t index)
{
    lt_i64(&a->indices)[offset] = index;
    if (!lt_present(&a->values)) return;
    int32_t size = lt_dtype_size(a->x.dtype);
    memcpy((char *)lt_data(&a->values) + offset * size, from, (size_t)size);
}

static inline bool beats(float a, float b) { return (a > b) | ((a != a) & (b == b)); }

// Position of the greatest (sign 1) or smallest (-1) of n contiguous floats: each of 16 lanes finds
// its own first one, then they compete.
static int64_t find_run(const float *x, int64_t n, float sign)
{
    enum { LANES = 16 };
    float best[LANES], winner = sign * x[0];
    int32_t at[LANES];
    int64_t index = 0, whole = n / LANES * LANES;
    if (whole > 0) {
        for (int j = 0; j < LANES; j++) {
            best[j] = sign * x[j];
            at[j] = j;
        }
        for (int64_t i = LANES; i < whole; i += LANES) {
#pragma omp simd
            for (int j = 0; j < LANES; j++) {
                float v = sign * x[i + j];
                bool better = beats(v, best[j]);
                best[j] = better ? v : best[j];
                at[j] = better ? (int32_t)i + j : at[j];
            }
        }
        for (int j = 0; j < LANES; j++) {
            bool tie = best[j] == winner || (best[j] != best[j] && winner != winner);
            if (beats(best[j], winner) || (tie && at[j] < index)) {
                winner = best[j];
                index = at[j];
            }
        }
    }
    for (int64_t i = whole; i < n; i++) {
        if (beats(sign * x[i], winner)) {
            winner = sign * x[i];
            index = i;
        }
    }
    return index;
}

static int64_t find_floats(const char *from, int32_t dtype, int64_t stride, int64_t n, float sign)
{
    if (dtype == LT_F32 && stride == 1) return find_run((const float *)from, n, sign);
    float buf[LT_LOOP_BLOCK], best = 0;
    int64_t at = -1;
    for (int64_t i = 0; i < n; i += LT_LOOP_BLOCK) {
        int64_t count = n - i < LT_LOOP_BLOCK ? n - i : LT_LOOP_BLOCK;
        lt_load_f32(buf, from + i * stride * lt_dtype_size(dtype), dtype, stride, count);
        int64_t j = find_run(buf, count, sign);
        if (at < 0 || beats(sign * buf[j], best)) {
            best = sign * buf[j];
            at = i + j;
        }
    }
    return at;
}

static int64_t find_wholes(const char *from, int32_t dtype, int64_t stride, int64_t n, bool minimum)
{
    int64_t best = 0, at = 0, v;
    for (int64_t i = 0; i < n; i++) {
        lt_load_i64(&v, from + i * stride * lt_dtype_size(dtype), dtype, 1, 1);
        if (i == 0 || (minimum ? v < best : v > best)) {
            best = v;
            at = i;
        }
    }
    return at;
}

// n neighbouring outputs at once: x runs through rows that are `step` elements apart.
static void find_columns(int32_t *at, const float *x, int64_t step, int64_t count, int64_t n,
                         float sign)
{
    float best[REDUCE_BLOCK];
    for (int64_t i = 0; i < n; i++) {
        best[i] = sign * x[i];
        at[i] = 0;
    }
    for (int64_t r = 1; r < count; r++) {
        const float *row = x + r * step;
#pragma omp simd
        for (int64_t i = 0; i < n; i++) {
            float v = sign * row[i];
            bool better = beats(v, best[i]);
            best[i] = better ? v : best[i];
            at[i] = better ? (int32_t)r : at[i];
        }
    }
}

static lt_status extreme_cpu(const void *p)
{
    const extreme_args *a = p;
    reduce_plan plan = reduce_plan_of(&a->indices, &a->x, 1 << a->dim);
    int32_t dtype = a->x.dtype, size = lt_dtype_size(dtype);
    bool floats = dtype == LT_F32 || dtype == LT_BF16;
    float sign = a->minimum ? -1.f : 1.f;
    int64_t inner = plan.kept[plan.nk - 1], step = plan.rx[0];
    bool columns = plan.columns && dtype == LT_F32 && plan.kx[plan.nk - 1] == 1;
    int64_t block = columns ? 256 : 16, pieces = (inner + block - 1) / block;
    if (plan.outputs == 0) return LT_OK;
#pragma omp parallel for num_threads(lt_team(plan.outputs * plan.count))
    for (int64_t piece = 0; piece < plan.outputs / inner * pieces; piece++) {
        int64_t first = piece % pieces * block, n = inner - first < block ? inner - first : block;
        int64_t k = piece / pieces * inner + first;
        const char *from = (const char *)lt_data(&a->x) + reduce_kept_x(&plan, k) * size;
        int64_t to = reduce_kept_y(&plan, k);
        int32_t at[REDUCE_BLOCK];
        if (columns) find_columns(at, (const float *)from, step, plan.count, n, sign);
        for (int64_t i = 0; i < n; i++) {
            const char *x = from + i * plan.kx[plan.nk - 1] * size;
            int64_t index = columns ? at[i]
                          : floats ? find_floats(x, dtype, step, plan.count, sign)
                                   : find_wholes(x, dtype, step, plan.count, a->minimum);
            store_result(a, to + i * plan.ky[plan.nk - 1], x + index * step * size, index);
        }
    }
    return LT_OK;
}

LT_OP(extreme, "values? indices; x", extreme_check, extreme_cpu)

lt_status lt_extreme(lt_tensor *values, lt_tensor *indices, const lt_tensor *x, int32_t dim,
                     bool minimum)
{
    extreme_args a = {lt_optional(values), *indices, *x, dim, minimum};
    return lt_run(&extreme_op, &a);
}

// ---- cumsum ------------------------------------------------------------------------------------
typedef struct { lt_tensor y, x; int32_t dim; bool reverse; } cumsum_args;

static lt_status cumsum_check(const void *p)
{
    const cumsum_args *a = p;
    LT_TRY(lt_check_same_shape("cumsum", "y", &a->y, "x", &a->x));
    LT_REQUIRE(a->dim >= 0 && a->dim < a->x.ndim, LT_ERR_ARGUMENT, "cumsum: dimension %d of %s",
               a->dim + 1, LT_SHAPE(&a->x));
    bool whole = a->y.dtype == LT_I64;
    LT_REQUIRE(whole || a->y.dtype == LT_F32 || a->y.dtype == LT_BF16, LT_ERR_ARGUMENT,
               "cumsum: y is %s; wanted f32, bf16 or i64", lt_dtype_name(a->y.dtype));
    bool x_float = a->x.dtype == LT_F32 || a->x.dtype == LT_BF16;
    LT_REQUIRE(whole != x_float && a->x.dtype != LT_F64 && a->x.dtype != LT_F16, LT_ERR_ARGUMENT,
               "cumsum: x is %s and y is %s", lt_dtype_name(a->x.dtype), lt_dtype_name(a->y.dtype));
    return LT_OK;
}

typedef struct { char *p; int64_t step; int32_t dtype, size; } lane;

// Sums along one line, in double (or i64); begins at the end where reverse.
static void cumsum_line(lane y, lane x, int64_t n, bool reverse)
{
    double sum = 0;
    int64_t whole = 0;
    for (int64_t k = 0; k < n; k++) {
        int64_t i = reverse ? n - 1 - k : k;
        const char *from = x.p + i * x.step * x.size;
        char *to = y.p + i * y.step * y.size;
        if (y.dtype == LT_I64) {
            int64_t v;
            lt_load_i64(&v, from, x.dtype, 1, 1);
            whole += v;
            *(int64_t *)to = whole;
        } else {
            float v;
            if (x.dtype == LT_F32) v = *(const float *)from;
            else lt_load_f32(&v, from, x.dtype, 1, 1);
            sum += v;
            v = (float)sum;
            if (y.dtype == LT_F32) *(float *)to = v;
            else lt_store_f32(to, &v, y.dtype, 1, 1);
        }
    }
}

// n neighbouring lines of floats at once.
static void cumsum_columns(float *y, int64_t ystep, const float *x, int64_t xstep, int64_t count,
                           int64_t n, bool reverse)
{
    double sum[REDUCE_BLOCK] = {0};
    for (int64_t k = 0; k < count; k++) {
        int64_t r = reverse ? count - 1 - k : k;
#pragma omp simd
        for (int64_t i = 0; i < n; i++) {
            sum[i] += x[r * xstep + i];
            y[r * ystep + i] = (float)sum[i];
        }
    }
}

static lt_status cumsum_cpu(const void *p)
{
    const cumsum_args *a = p;
    int64_t n = a->x.shape[a->dim], total = lt_numel(&a->x);
    if (total == 0) return LT_OK;
    // Lines: both tensors without the dimension that is summed along.
    lt_tensor y = a->y, x = a->x;
    y.shape[a->dim] = x.shape[a->dim] = 1;
    lt_walk w;
    lt_walk_plan(&w, 2, (const lt_tensor *const[]){&y, &x});
    int64_t inner = w.shape[w.ndim - 1], outer = total / n / inner;
    int64_t ystep = a->y.stride[a->dim], xstep = a->x.stride[a->dim];
    lane ly = {lt_data(&y), ystep, y.dtype, lt_dtype_size(y.dtype)};
    lane lx = {lt_data(&x), xstep, x.dtype, lt_dtype_size(x.dtype)};
    bool columns = y.dtype == LT_F32 && x.dtype == LT_F32 && w.stride[0][w.ndim - 1] == 1 &&
                   w.stride[1][w.ndim - 1] == 1 && inner > 1;
    int64_t block = columns ? 256 : 1, pieces = (inner + block - 1) / block;
#pragma omp parallel for num_threads(lt_team(total))
    for (int64_t piece = 0; piece < outer * pieces; piece++) {
        int64_t first = piece % pieces * block, rest = piece / pieces;
        int64_t oy = first * w.stride[0][w.ndim - 1], ox = first * w.stride[1][w.ndim - 1];
        for (int d = w.ndim - 2; d >= 0; d--) {
            oy += rest % w.shape[d] * w.stride[0][d];
            ox += rest % w.shape[d] * w.stride[1][d];
            rest /= w.shape[d];
        }
        lane py = ly, px = lx;
        py.p += oy * ly.size;
        px.p += ox * lx.size;
        if (columns) {
            int64_t count = inner - first < block ? inner - first : block;
            cumsum_columns((float *)py.p, ystep, (const float *)px.p, xstep, n, count, a->reverse);
        } else {
            cumsum_line(py, px, n, a->reverse);
        }
    }
    return LT_OK;
}

LT_OP(cumsum, "y; x", cumsum_check, cumsum_cpu)

lt_status lt_cumsum(lt_tensor *y, const lt_tensor *x, int32_t dim, bool reverse)
{
    cumsum_args a = {*y, *x, dim, reverse};
    return lt_run(&cumsum_op, &a);
}

// ---- gradient of a product ---------------------------------------------------------------------
typedef struct { lt_tensor dx, dy, x; int32_t dims; } prod_backward_args;

static lt_status prod_backward_check(const void *p)
{
    const prod_backward_args *a = p;
    LT_TRY(reduce_check("prod_backward", &a->dy, &a->x, a->dims));
    LT_TRY(lt_check_dtype("prod_backward", "x", &a->x, LT_F32));
    LT_TRY(lt_check_dtype("prod_backward", "dx", &a->dx, LT_F32));
    LT_TRY(lt_check_dtype("prod_backward", "dy", &a->dy, LT_F32));
    LT_REQUIRE(lt_same_layout(&a->dx, &a->x), LT_ERR_ARGUMENT,
               "prod_backward: dx and x differ in shape or memory order");
    return LT_OK;
}

// dx = dy * product of the others: by division, unless an element is 0.
static lt_status prod_backward_cpu(const void *p)
{
    const prod_backward_args *a = p;
    reduce_plan plan = reduce_plan_of(&a->dy, &a->x, a->dims);
#pragma omp parallel for num_threads(lt_team(plan.outputs * plan.count))
    for (int64_t k = 0; k < plan.outputs; k++) {
        const float *x = lt_f32(&a->x) + reduce_kept_x(&plan, k);
        float *dx = lt_f32(&a->dx) + reduce_kept_x(&plan, k);
        double dy = lt_f32(&a->dy)[reduce_kept_y(&plan, k)], product = 1;
        int64_t zeros = 0;
        for (int64_t r = 0; r < plan.count; r++) {
            float v = x[reduce_gone_x(&plan, r)];
            if (v == 0) zeros++; else product *= v;
        }
        for (int64_t r = 0; r < plan.count; r++) {
            int64_t at = reduce_gone_x(&plan, r);
            double g = zeros == 0 ? product / x[at] : zeros == 1 && x[at] == 0 ? product : 0;
            dx[at] = (float)(dy * g);
        }
    }
    return LT_OK;
}

LT_OP(prod_backward, "dx; dy x", prod_backward_check, prod_backward_cpu)

lt_status lt_prod_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *x, int32_t dims)
{
    prod_backward_args a = {*dx, *dy, *x, dims};
    return lt_run(&prod_backward_op, &a);
}
