// softmax: exp(x) / sum(exp(x)) and its logarithm along one dimension.
#include "core/internal.h"
#include "../scalar/vmath.h"
#include "rows.h"

#include <omp.h>

typedef struct {
    lt_tensor y, x;
    int32_t dim;
    bool log;
} softmax_args;

typedef struct {
    lt_tensor dx, dy, y;
    int32_t dim;
    bool log;
} softmax_backward_args;

// A row of nothing but -inf gives NaN, as 0 / 0 must.
static void softmax_row(float *y, const float *x, int64_t n, bool log)
{
    float top = -INFINITY, sum = 0;
#pragma omp simd reduction(max : top)
    for (int64_t i = 0; i < n; i++) top = x[i] > top ? x[i] : top;
    if (log) {
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < n; i++) sum += vm_exp(x[i] - top);
        float log_sum = logf(sum);
        for (int64_t i = 0; i < n; i++) y[i] = x[i] - top - log_sum;
        return;
    }
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) {
        float e = vm_exp(x[i] - top);
        y[i] = e;
        sum += e;
    }
    float over = 1.f / sum;
    for (int64_t i = 0; i < n; i++) y[i] *= over;
}

// softmax: dx = y (dy - sum(dy y)); its logarithm: dx = dy - exp(y) sum(dy).
static void softmax_backward_row(float *dx, const float *dy, const float *y, int64_t n, bool log)
{
    float sum = 0;
    if (log) {
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < n; i++) sum += dy[i];
#pragma omp simd
        for (int64_t i = 0; i < n; i++) dx[i] = dy[i] - vm_exp(y[i]) * sum;
        return;
    }
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) sum += dy[i] * y[i];
    for (int64_t i = 0; i < n; i++) dx[i] = y[i] * (dy[i] - sum);
}

static lt_status softmax_cpu(const void *args)
{
    const softmax_args *a = args;
    int64_t n = a->x.shape[a->dim], numel = lt_numel(&a->x), rows = n ? numel / n : 0;
    if (numel == 0) return LT_OK;
    int team = lt_team(numel * 8);
    float *room = lt_alloc((int64_t)sizeof(float) * 2 * n * team);
    LT_REQUIRE(room, LT_ERR_MEMORY, "softmax: %s", lt_error());
    int64_t sx = a->x.stride[a->dim], sy = a->y.stride[a->dim];
#pragma omp parallel for num_threads(team) schedule(static)
    for (int64_t r = 0; r < rows; r++) {
        float *mine = room + 2 * n * omp_get_thread_num();
        int64_t at = row_at(&a->y, a->dim, r);
        const float *x = row_load(mine, &a->x, row_at(&a->x, a->dim, r), sx, n);
        float *y = row_place(mine + n, &a->y, at, sy);
        softmax_row(y, x, n, a->log);
        row_store(&a->y, at, sy, n, y);
    }
    lt_free(room);
    return LT_OK;
}

static lt_status softmax_backward_cpu(const void *args)
{
    const softmax_backward_args *a = args;
    int64_t n = a->y.shape[a->dim], numel = lt_numel(&a->y), rows = n ? numel / n : 0;
    if (numel == 0) return LT_OK;
    int team = lt_team(numel * 4);
    float *room = lt_alloc((int64_t)sizeof(float) * 3 * n * team);
    LT_REQUIRE(room, LT_ERR_MEMORY, "softmax_backward: %s", lt_error());
    int64_t s = a->dx.stride[a->dim];
#pragma omp parallel for num_threads(team) schedule(static)
    for (int64_t r = 0; r < rows; r++) {
        float *mine = room + 3 * n * omp_get_thread_num();
        int64_t at = row_at(&a->dx, a->dim, r);
        const float *dy =
            row_load(mine, &a->dy, row_at(&a->dy, a->dim, r), a->dy.stride[a->dim], n);
        const float *y =
            row_load(mine + n, &a->y, row_at(&a->y, a->dim, r), a->y.stride[a->dim], n);
        float *dx = row_place(mine + 2 * n, &a->dx, at, s);
        softmax_backward_row(dx, dy, y, n, a->log);
        row_store(&a->dx, at, s, n, dx);
    }
    lt_free(room);
    return LT_OK;
}

static lt_status softmax_check(const void *args)
{
    const softmax_args *a = args;
    LT_TRY(lt_check_float("softmax", "x", &a->x));
    LT_TRY(lt_check_dtype("softmax", "y", &a->y, a->x.dtype));
    LT_TRY(lt_check_same_shape("softmax", "y", &a->y, "x", &a->x));
    LT_REQUIRE(a->dim >= 0 && a->dim < a->x.ndim, LT_ERR_ARGUMENT,
               "softmax: x %s has no dimension %d", LT_SHAPE(&a->x), a->dim + 1);
    return LT_OK;
}

static lt_status softmax_backward_check(const void *args)
{
    const softmax_backward_args *a = args;
    LT_TRY(lt_check_float("softmax_backward", "y", &a->y));
    LT_TRY(lt_check_dtype("softmax_backward", "dy", &a->dy, a->y.dtype));
    LT_TRY(lt_check_dtype("softmax_backward", "dx", &a->dx, a->y.dtype));
    LT_TRY(lt_check_same_shape("softmax_backward", "dy", &a->dy, "y", &a->y));
    LT_TRY(lt_check_same_shape("softmax_backward", "dx", &a->dx, "y", &a->y));
    LT_REQUIRE(a->dim >= 0 && a->dim < a->y.ndim, LT_ERR_ARGUMENT,
               "softmax_backward: y %s has no dimension %d", LT_SHAPE(&a->y), a->dim + 1);
    return LT_OK;
}

LT_OP(softmax, "y; x", softmax_check, softmax_cpu)
LT_OP(softmax_backward, "dx; dy y", softmax_backward_check, softmax_backward_cpu)

lt_status lt_softmax(lt_tensor *y, const lt_tensor *x, int32_t dim, bool log)
{
    softmax_args a = {*y, *x, dim, log};
    return lt_run(&softmax_op, &a);
}

lt_status lt_softmax_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *y, int32_t dim,
                              bool log)
{
    softmax_backward_args a = {*dx, *dy, *y, dim, log};
    return lt_run(&softmax_backward_op, &a);
}
