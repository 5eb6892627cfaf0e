// cross_entropy: losses over classes. Log-softmax and negative log-likelihood in one pass, from
// which backward needs one number per row, and nll_loss for log-probabilities that exist already.
//
// A row is the C logits of one target: x is (N, C) or (N, C, d...), targets are class indices
// (N, d...) counted from 0, or probabilities of x's shape.
#include "core/internal.h"
#include "../scalar/vmath.h"
#include "rows.h"

#include <omp.h>

enum { NONE, MEAN, SUM };  // reductions

typedef struct {
    lt_tensor loss, lse, total, x, target, weight;
    int64_t ignore;
    float smoothing;
    int32_t reduction;
} cross_entropy_args;

typedef struct {
    lt_tensor dx, dloss, x, lse, total, target, weight;
    int64_t ignore;
    float smoothing;
    int32_t reduction;
} cross_entropy_backward_args;

typedef struct {
    lt_tensor loss, total, x, target, weight;
    int64_t ignore;
    int32_t reduction;
} nll_loss_args;

typedef struct {
    lt_tensor dx, dloss, total, target, weight;
    int64_t ignore;
    int32_t reduction;
} nll_loss_backward_args;

// ---- what both share ---------------------------------------------------------------------------

static bool by_index(const lt_tensor *target) { return target->dtype == LT_I64; }

// Refuses the first target that is neither a class nor ignored, by name.
static lt_status check_targets(const char *op, const lt_tensor *target, int64_t classes,
                               int64_t ignore)
{
    int64_t rows = lt_numel(target);
    for (int64_t r = 0; r < rows; r++) {
        int64_t c = lt_i64(target)[row_at(target, -1, r)];
        LT_REQUIRE((c >= 0 && c < classes) || c == ignore, LT_ERR_ARGUMENT,
                   "%s: target %lld (element %lld) is not a class: they are 0 .. %lld, and %lld is "
                   "ignored", op, (long long)c, (long long)r + 1, (long long)classes - 1,
                   (long long)ignore);
    }
    return LT_OK;
}

// Adds rows up in a fixed order; `each` holds one loss per row and weights what they count.
static void reduce(const lt_tensor *loss, const lt_tensor *total, const float *each, double weights,
                   int64_t rows, int32_t reduction)
{
    *lt_f32(total) = (float)weights;
    if (reduction == NONE) {
        for (int64_t r = 0; r < rows; r++) lt_f32(loss)[row_at(loss, -1, r)] = each[r];
        return;
    }
    double sum = 0;
    for (int64_t r = 0; r < rows; r++) sum += each[r];
    *lt_f32(loss) = (float)(reduction == MEAN ? sum / weights : sum);
}

// What the loss of row r is multiplied with on its way into the result.
static float row_gradient(const lt_tensor *dloss, const lt_tensor *total, int64_t r,
                          int32_t reduction)
{
    if (reduction == NONE) return lt_f32(dloss)[row_at(dloss, -1, r)];
    float g = lt_f32(dloss)[0];
    return reduction == MEAN ? g / *lt_f32(total) : g;
}

static float weight_of(const lt_tensor *weight, int64_t c)
{
    return lt_present(weight) ? lt_f32(weight)[c * weight->stride[0]] : 1.f;
}

// Sum over kept rows of the weights of their classes.
static double total_weight(const lt_tensor *target, const lt_tensor *weight, int64_t ignore)
{
    double sum = 0;
    int64_t rows = lt_numel(target);
    for (int64_t r = 0; r < rows; r++) {
        int64_t c = lt_i64(target)[row_at(target, -1, r)];
        if (c != ignore) sum += weight_of(weight, c);
    }
    return sum;
}

static float log_sum_exp(const float *x, int64_t n)
{
    float top = -INFINITY, sum = 0;
#pragma omp simd reduction(max : top)
    for (int64_t i = 0; i < n; i++) top = x[i] > top ? x[i] : top;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) sum += vm_exp(x[i] - top);
    return top + logf(sum);
}

// ---- cross entropy -----------------------------------------------------------------------------
// With q the target distribution, smoothed to (1 - e) q + e / C: loss = -sum(w q log softmax(x)).
// A class index is the distribution that is 1 there; its smoothing part carries all weights.

static float index_loss(const float *x, int64_t n, float lse, int64_t c, const lt_tensor *weight,
                        float smoothing)
{
    float loss = (1 - smoothing) * weight_of(weight, c) * (lse - x[c]);
    if (smoothing > 0) {
        float sum = 0;
        if (lt_present(weight))
            for (int64_t i = 0; i < n; i++) sum += weight_of(weight, i) * (lse - x[i]);
        else
#pragma omp simd reduction(+ : sum)
            for (int64_t i = 0; i < n; i++) sum += lse - x[i];
        loss += smoothing / (float)n * sum;
    }
    return loss;
}

static float distribution_loss(const float *x, int64_t n, float lse, const float *q,
                               const lt_tensor *weight, float smoothing)
{
    float loss = 0, rest = smoothing / (float)n;
    for (int64_t i = 0; i < n; i++)
        loss += weight_of(weight, i) * ((1 - smoothing) * q[i] + rest) * (lse - x[i]);
    return loss;
}

static lt_status cross_entropy_cpu(const void *args)
{
    const cross_entropy_args *a = args;
    int64_t n = a->x.shape[1], rows = n ? lt_numel(&a->x) / n : 0;
    bool index = by_index(&a->target);
    if (index) LT_TRY(check_targets("cross_entropy", &a->target, n, a->ignore));
    int team = lt_team(rows * n * 8);
    float *room = lt_alloc((int64_t)sizeof(float) * (rows + 2 * n * team));
    LT_REQUIRE(room, LT_ERR_MEMORY, "cross_entropy: %s", lt_error());
    float *each = room + 2 * n * team;
#pragma omp parallel for num_threads(team) schedule(static)
    for (int64_t r = 0; r < rows; r++) {
        float *mine = room + 2 * n * omp_get_thread_num();
        const float *x = row_load(mine, &a->x, row_at(&a->x, 1, r), a->x.stride[1], n);
        float lse = log_sum_exp(x, n);
        lt_f32(&a->lse)[r] = lse;
        if (index) {
            int64_t c = lt_i64(&a->target)[row_at(&a->target, -1, r)];
            each[r] = c == a->ignore ? 0 : index_loss(x, n, lse, c, &a->weight, a->smoothing);
        } else {
            const float *q = row_load(mine + n, &a->target, row_at(&a->target, 1, r),
                                      a->target.stride[1], n);
            each[r] = distribution_loss(x, n, lse, q, &a->weight, a->smoothing);
        }
    }
    double total = index ? total_weight(&a->target, &a->weight, a->ignore) : (double)rows;
    reduce(&a->loss, &a->total, each, total, rows, a->reduction);
    lt_free(room);
    return LT_OK;
}

static void index_gradient(float *dx, const float *x, int64_t n, float lse, float g, int64_t c,
                           const lt_tensor *weight, float smoothing)
{
    float here = (1 - smoothing) * weight_of(weight, c) * g, rest = smoothing / (float)n * g;
    float all = (float)n;
    if (lt_present(weight)) {
        all = 0;
        for (int64_t i = 0; i < n; i++) all += weight_of(weight, i);
    }
    float factor = here + rest * all;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) dx[i] = factor * vm_exp(x[i] - lse);
    if (lt_present(weight))
        for (int64_t i = 0; i < n; i++) dx[i] -= rest * weight_of(weight, i);
    else if (smoothing > 0)
        for (int64_t i = 0; i < n; i++) dx[i] -= rest;
    dx[c] -= here;
}

static void distribution_gradient(float *dx, const float *x, int64_t n, float lse, float g,
                                  const float *q, const lt_tensor *weight, float smoothing)
{
    float rest = smoothing / (float)n, all = 0;
    for (int64_t i = 0; i < n; i++) all += weight_of(weight, i) * ((1 - smoothing) * q[i] + rest);
#pragma omp simd
    for (int64_t i = 0; i < n; i++) dx[i] = g * all * vm_exp(x[i] - lse);
    for (int64_t i = 0; i < n; i++)
        dx[i] -= g * weight_of(weight, i) * ((1 - smoothing) * q[i] + rest);
}

static lt_status cross_entropy_backward_cpu(const void *args)
{
    const cross_entropy_backward_args *a = args;
    int64_t n = a->x.shape[1], rows = n ? lt_numel(&a->x) / n : 0;
    bool index = by_index(&a->target);
    int team = lt_team(rows * n * 4);
    float *room = lt_alloc((int64_t)sizeof(float) * 3 * n * team);
    LT_REQUIRE(room, LT_ERR_MEMORY, "cross_entropy_backward: %s", lt_error());
#pragma omp parallel for num_threads(team) schedule(static)
    for (int64_t r = 0; r < rows; r++) {
        float *mine = room + 3 * n * omp_get_thread_num();
        int64_t at = row_at(&a->dx, 1, r), step = a->dx.stride[1];
        float g = row_gradient(&a->dloss, &a->total, r, a->reduction), lse = lt_f32(&a->lse)[r];
        const float *x = row_load(mine, &a->x, row_at(&a->x, 1, r), a->x.stride[1], n);
        float *dx = row_place(mine + n, &a->dx, at, step);
        if (index) {
            int64_t c = lt_i64(&a->target)[row_at(&a->target, -1, r)];
            if (c == a->ignore)
                memset(dx, 0, sizeof(float) * n);
            else
                index_gradient(dx, x, n, lse, g, c, &a->weight, a->smoothing);
        } else {
            const float *q = row_load(mine + 2 * n, &a->target, row_at(&a->target, 1, r),
                                      a->target.stride[1], n);
            distribution_gradient(dx, x, n, lse, g, q, &a->weight, a->smoothing);
        }
        row_store(&a->dx, at, step, n, dx);
    }
    lt_free(room);
    return LT_OK;
}

// ---- negative log-likelihood -------------------------------------------------------------------

static lt_status nll_loss_cpu(const void *args)
{
    const nll_loss_args *a = args;
    int64_t n = a->x.shape[1], rows = lt_numel(&a->target);
    LT_TRY(check_targets("nll_loss", &a->target, n, a->ignore));
    float *each = lt_alloc((int64_t)sizeof(float) * (rows + 1));
    LT_REQUIRE(each, LT_ERR_MEMORY, "nll_loss: %s", lt_error());
    for (int64_t r = 0; r < rows; r++) {
        int64_t c = lt_i64(&a->target)[row_at(&a->target, -1, r)];
        int64_t at = row_at(&a->x, 1, r) + c * a->x.stride[1];
        each[r] = c == a->ignore ? 0 : -weight_of(&a->weight, c) * lt_f32(&a->x)[at];
    }
    double total = total_weight(&a->target, &a->weight, a->ignore);
    reduce(&a->loss, &a->total, each, total, rows, a->reduction);
    lt_free(each);
    return LT_OK;
}

static lt_status nll_loss_backward_cpu(const void *args)
{
    const nll_loss_backward_args *a = args;
    int64_t n = a->dx.shape[1], rows = lt_numel(&a->target), step = a->dx.stride[1];
    for (int64_t r = 0; r < rows; r++) {
        int64_t c = lt_i64(&a->target)[row_at(&a->target, -1, r)];
        float *dx = lt_f32(&a->dx) + row_at(&a->dx, 1, r);
        for (int64_t i = 0; i < n; i++) dx[i * step] = 0;
        if (c == a->ignore) continue;
        float g = row_gradient(&a->dloss, &a->total, r, a->reduction);
        dx[c * step] = -weight_of(&a->weight, c) * g;
    }
    return LT_OK;
}

// ---- checks and the public functions -----------------------------------------------------------

// target holds one index for each row of x, or (probabilities allowed) has x's shape.
static lt_status check_target(const char *op, const lt_tensor *x, const lt_tensor *target,
                              bool probabilities)
{
    if (probabilities && target->dtype == LT_F32)
        return lt_check_same_shape(op, "target", target, "x", x);
    LT_REQUIRE(target->dtype == LT_I64, LT_ERR_ARGUMENT,
               "%s: target is %s; class indices are i64%s", op, lt_dtype_name(target->dtype),
               probabilities ? " and probabilities f32" : "");
    bool fits = target->ndim == x->ndim - 1 && target->shape[0] == x->shape[0];
    for (int i = 1; fits && i < target->ndim; i++) fits = target->shape[i] == x->shape[i + 1];
    LT_REQUIRE(
        fits, LT_ERR_ARGUMENT,
        "%s: target %s does not fit x %s: one class index for each row of x along dimension 2", op,
        LT_SHAPE(target), LT_SHAPE(x));
    return LT_OK;
}

static lt_status check_common(const char *op, const lt_tensor *x, const lt_tensor *target,
                              const lt_tensor *weight, bool probabilities, int32_t reduction)
{
    LT_REQUIRE(x->ndim >= 2, LT_ERR_ARGUMENT, "%s: x is %s; it must be (N, C) or (N, C, ...)", op,
               LT_SHAPE(x));
    LT_REQUIRE(x->shape[1] > 0, LT_ERR_ARGUMENT, "%s: x is %s: no classes", op, LT_SHAPE(x));
    LT_TRY(check_target(op, x, target, probabilities));
    LT_REQUIRE(reduction >= NONE && reduction <= SUM, LT_ERR_ARGUMENT, "%s: unknown reduction %d",
               op, reduction);
    if (!lt_present(weight)) return LT_OK;
    LT_TRY(lt_check_dtype(op, "weight", weight, LT_F32));
    LT_REQUIRE(weight->ndim == 1 && weight->shape[0] == x->shape[1], LT_ERR_ARGUMENT,
               "%s: weight is %s; it must hold one number for each of %lld classes", op,
               LT_SHAPE(weight), (long long)x->shape[1]);
    return LT_OK;
}

// The result, or its gradient: a scalar, or (reduction none) one number a row.
static lt_status check_loss(const char *op, const char *name, const lt_tensor *loss,
                            const lt_tensor *x, int32_t reduction)
{
    LT_TRY(lt_check_dtype(op, name, loss, LT_F32));
    int64_t wanted = reduction == NONE ? lt_numel(x) / x->shape[1] : 1;
    LT_REQUIRE(lt_numel(loss) == wanted, LT_ERR_ARGUMENT,
               "%s: %s is %s; it must have %lld elements", op, name, LT_SHAPE(loss),
               (long long)wanted);
    return LT_OK;
}

static lt_status check_saved(const char *op, const lt_tensor *lse, const lt_tensor *total,
                             const lt_tensor *x)
{
    LT_TRY(lt_check_dtype(op, "total", total, LT_F32));
    LT_REQUIRE(lt_numel(total) == 1, LT_ERR_ARGUMENT, "%s: total must be one number", op);
    if (!lse) return LT_OK;
    LT_TRY(lt_check_dtype(op, "lse", lse, LT_F32));
    LT_TRY(lt_check_contiguous(op, "lse", lse));
    LT_REQUIRE(lt_numel(lse) == lt_numel(x) / x->shape[1], LT_ERR_ARGUMENT,
               "%s: lse is %s; it must hold one number for each row of x %s", op, LT_SHAPE(lse),
               LT_SHAPE(x));
    return LT_OK;
}

static lt_status check_smoothing(const char *op, float smoothing)
{
    LT_REQUIRE(smoothing >= 0 && smoothing <= 1, LT_ERR_ARGUMENT,
               "%s: label_smoothing is %g; it must be from 0 to 1", op, smoothing);
    return LT_OK;
}

static lt_status cross_entropy_check(const void *args)
{
    const cross_entropy_args *a = args;
    const char *op = "cross_entropy";
    LT_TRY(lt_check_float(op, "x", &a->x));
    LT_TRY(check_common(op, &a->x, &a->target, &a->weight, true, a->reduction));
    LT_TRY(check_smoothing(op, a->smoothing));
    LT_TRY(check_saved(op, &a->lse, &a->total, &a->x));
    return check_loss(op, "loss", &a->loss, &a->x, a->reduction);
}

static lt_status cross_entropy_backward_check(const void *args)
{
    const cross_entropy_backward_args *a = args;
    const char *op = "cross_entropy_backward";
    LT_TRY(lt_check_float(op, "x", &a->x));
    LT_TRY(check_common(op, &a->x, &a->target, &a->weight, true, a->reduction));
    LT_TRY(check_smoothing(op, a->smoothing));
    LT_TRY(lt_check_dtype(op, "dx", &a->dx, a->x.dtype));
    LT_TRY(lt_check_same_shape(op, "dx", &a->dx, "x", &a->x));
    LT_TRY(check_saved(op, &a->lse, &a->total, &a->x));
    return check_loss(op, "dloss", &a->dloss, &a->x, a->reduction);
}

static lt_status nll_loss_check(const void *args)
{
    const nll_loss_args *a = args;
    LT_TRY(lt_check_dtype("nll_loss", "x", &a->x, LT_F32));
    LT_TRY(check_common("nll_loss", &a->x, &a->target, &a->weight, false, a->reduction));
    LT_TRY(check_saved("nll_loss", NULL, &a->total, &a->x));
    return check_loss("nll_loss", "loss", &a->loss, &a->x, a->reduction);
}

static lt_status nll_loss_backward_check(const void *args)
{
    const nll_loss_backward_args *a = args;
    const char *op = "nll_loss_backward";
    LT_TRY(lt_check_dtype(op, "dx", &a->dx, LT_F32));
    LT_TRY(check_common(op, &a->dx, &a->target, &a->weight, false, a->reduction));
    LT_TRY(check_saved(op, NULL, &a->total, &a->dx));
    return check_loss(op, "dloss", &a->dloss, &a->dx, a->reduction);
}

LT_OP(cross_entropy, "loss lse total; x target weight?", cross_entropy_check, cross_entropy_cpu)
LT_OP(cross_entropy_backward, "dx; dloss x lse total target weight?", cross_entropy_backward_check,
      cross_entropy_backward_cpu)
LT_OP(nll_loss, "loss total; x target weight?", nll_loss_check, nll_loss_cpu)
LT_OP(nll_loss_backward, "dx; dloss total target weight?", nll_loss_backward_check,
      nll_loss_backward_cpu)

lt_status lt_cross_entropy(lt_tensor *loss, lt_tensor *lse, lt_tensor *total, const lt_tensor *x,
                           const lt_tensor *target, const lt_tensor *weight, int64_t ignore,
                           double smoothing, int32_t reduction)
{
    cross_entropy_args a = {*loss, *lse, *total, *x, *target, lt_optional(weight), ignore,
                            (float)smoothing, reduction};
    return lt_run(&cross_entropy_op, &a);
}

lt_status lt_cross_entropy_backward(lt_tensor *dx, const lt_tensor *dloss, const lt_tensor *x,
                                    const lt_tensor *lse, const lt_tensor *total,
                                    const lt_tensor *target, const lt_tensor *weight,
                                    int64_t ignore, double smoothing, int32_t reduction)
{
    cross_entropy_backward_args a = {*dx, *dloss, *x, *lse, *total, *target, lt_optional(weight),
                                     ignore, (float)smoothing, reduction};
    return lt_run(&cross_entropy_backward_op, &a);
}

lt_status lt_nll_loss(lt_tensor *loss, lt_tensor *total, const lt_tensor *x,
                      const lt_tensor *target, const lt_tensor *weight, int64_t ignore,
                      int32_t reduction)
{
    nll_loss_args a = {*loss, *total, *x, *target, lt_optional(weight), ignore, reduction};
    return lt_run(&nll_loss_op, &a);
}

lt_status lt_nll_loss_backward(lt_tensor *dx, const lt_tensor *dloss, const lt_tensor *total,
                               const lt_tensor *target, const lt_tensor *weight, int64_t ignore,
                               int32_t reduction)
{
    nll_loss_backward_args a = {*dx, *dloss, *total, *target, lt_optional(weight), ignore,
                                reduction};
    return lt_run(&nll_loss_backward_op, &a);
}
