// loss: losses that compare x with a target element by element, and their derivatives.
//
// One kernel serves all: the kinds differ only in two scalar functions (scalar/loss.h). Rows are
// cut from the last dimension or, where all tensors share one dense layout, from flat memory.
#include "core/internal.h"
#include "../scalar/loss.h"
#include "rows.h"

enum { NONE, MEAN, SUM };  // reductions
enum { BLOCK = 2048 };

typedef struct {
    lt_tensor loss, x, target, weight, pos_weight;
    int32_t kind, reduction;
    float scale;      // huber's delta, smooth_l1's beta
    double divisor;   // of the sum, for reduction mean
} loss_args;

typedef struct {
    lt_tensor dx, dloss, x, target, weight, pos_weight;
    int32_t kind, reduction;
    float scale;
    double divisor;
} loss_backward_args;

// ---- pieces ------------------------------------------------------------------------------------

// How x is cut: `count` pieces of at most BLOCK elements, each one run with a fixed step.
typedef struct {
    int64_t row, per_row, count;  // elements of a row, pieces of a row, pieces in all
    bool flat;
} cut;

static cut cut_up(const lt_tensor *const *t, int n)
{
    cut c = {.flat = lt_is_dense(t[0])};
    for (int i = 1; i < n; i++)
        c.flat = c.flat && (!lt_present(t[i]) || lt_same_layout(t[0], t[i]));
    int64_t numel = lt_numel(t[0]);
    c.row = c.flat ? numel : t[0]->ndim ? t[0]->shape[t[0]->ndim - 1] : 1;
    c.per_row = (c.row + BLOCK - 1) / BLOCK;
    c.count = c.row ? numel / c.row * c.per_row : 0;
    return c;
}

// Offset and step of piece number `piece` in t.
static int64_t piece_at(const cut *c, const lt_tensor *t, int64_t piece, int64_t *step)
{
    int64_t start = piece % c->per_row * BLOCK;
    *step = c->flat || t->ndim == 0 ? 1 : t->stride[t->ndim - 1];
    return c->flat ? start : row_at(t, t->ndim - 1, piece / c->per_row) + start * *step;
}

static int64_t piece_size(const cut *c, int64_t piece)
{
    int64_t start = piece % c->per_row * BLOCK;
    return c->row - start < BLOCK ? c->row - start : BLOCK;
}

static const float *piece_load(float *room, const cut *c, const lt_tensor *t, int64_t piece)
{
    if (!lt_present(t)) return NULL;
    int64_t step, at = piece_at(c, t, piece, &step);
    return row_load(room, t, at, step, piece_size(c, piece));
}

// ---- rows of each kind -------------------------------------------------------------------------

#define ROW(formula) \
    _Pragma("omp simd") for (int64_t i = 0; i < n; i++) y[i] = formula; \
    break

static void loss_row(float *y, int32_t kind, int64_t n, const float *x, const float *t,
                     const float *p, float scale)
{
    switch (kind) {
    case LT_LOSS_MSE: ROW(mse(x[i], t[i]));
    case LT_LOSS_L1: ROW(l1(x[i], t[i]));
    case LT_LOSS_SMOOTH_L1: ROW(smooth_l1(x[i], t[i], scale));
    case LT_LOSS_HUBER: ROW(huber(x[i], t[i], scale));
    case LT_LOSS_BCE: ROW(bce(x[i], t[i]));
    case LT_LOSS_BCE_LOGITS: ROW(bce_logits(x[i], t[i], p ? p[i] : 1.f));
    case LT_LOSS_KL_DIV: ROW(kl_div(x[i], t[i]));
    case LT_LOSS_KL_DIV_LOG: ROW(kl_div_log(x[i], t[i]));
    }
}

static void loss_backward_row(float *y, int32_t kind, int64_t n, const float *x, const float *t,
                              const float *p, float scale)
{
    switch (kind) {
    case LT_LOSS_MSE: ROW(mse_d(x[i], t[i]));
    case LT_LOSS_L1: ROW(l1_d(x[i], t[i]));
    case LT_LOSS_SMOOTH_L1: ROW(smooth_l1_d(x[i], t[i], scale));
    case LT_LOSS_HUBER: ROW(huber_d(x[i], t[i], scale));
    case LT_LOSS_BCE: ROW(bce_d(x[i], t[i]));
    case LT_LOSS_BCE_LOGITS: ROW(bce_logits_d(x[i], t[i], p ? p[i] : 1.f));
    case LT_LOSS_KL_DIV: ROW(-t[i]);
    case LT_LOSS_KL_DIV_LOG: ROW(-vm_exp(t[i]));
    }
}

#undef ROW

// ---- forward and backward ----------------------------------------------------------------------

static lt_status loss_cpu(const void *args)
{
    const loss_args *a = args;
    bool each = a->reduction == NONE;
    const lt_tensor *all[] = {&a->x, &a->target, &a->weight, &a->pos_weight, &a->loss};
    cut c = cut_up(all, each ? 5 : 4);
    double *sums = each ? NULL : lt_alloc((int64_t)sizeof(double) * (c.count + 1));
    LT_REQUIRE(each || sums, LT_ERR_MEMORY, "pointwise_loss: %s", lt_error());
#pragma omp parallel for num_threads(lt_team(lt_numel(&a->x) * 4)) schedule(static)
    for (int64_t k = 0; k < c.count; k++) {
        float room[5][BLOCK];
        int64_t n = piece_size(&c, k), step = 1, at = each ? piece_at(&c, &a->loss, k, &step) : 0;
        const float *x = piece_load(room[0], &c, &a->x, k);
        const float *t = piece_load(room[1], &c, &a->target, k);
        const float *w = piece_load(room[2], &c, &a->weight, k);
        const float *p = piece_load(room[3], &c, &a->pos_weight, k);
        float *y = each ? row_place(room[4], &a->loss, at, step) : room[4];
        loss_row(y, a->kind, n, x, t, p, a->scale);
        if (w)
            for (int64_t i = 0; i < n; i++) y[i] *= w[i];
        if (each) {
            row_store(&a->loss, at, step, n, y);
        } else {
            double sum = 0;
#pragma omp simd reduction(+ : sum)
            for (int64_t i = 0; i < n; i++) sum += y[i];
            sums[k] = sum;
        }
    }
    if (each) return LT_OK;
    double sum = 0;
    for (int64_t k = 0; k < c.count; k++) sum += sums[k];
    *lt_f32(&a->loss) = (float)(a->reduction == MEAN ? sum / a->divisor : sum);
    lt_free(sums);
    return LT_OK;
}

static lt_status loss_backward_cpu(const void *args)
{
    const loss_backward_args *a = args;
    bool each = a->reduction == NONE;
    const lt_tensor *all[] = {&a->dx, &a->x, &a->target, &a->weight, &a->pos_weight, &a->dloss};
    cut c = cut_up(all, each ? 6 : 5);
    float g = each ? 1.f : *lt_f32(&a->dloss);
    if (a->reduction == MEAN) g = (float)(g / a->divisor);
#pragma omp parallel for num_threads(lt_team(lt_numel(&a->x) * 4)) schedule(static)
    for (int64_t k = 0; k < c.count; k++) {
        float room[6][BLOCK];
        int64_t n = piece_size(&c, k), step, at = piece_at(&c, &a->dx, k, &step);
        const float *x = piece_load(room[0], &c, &a->x, k);
        const float *t = piece_load(room[1], &c, &a->target, k);
        const float *w = piece_load(room[2], &c, &a->weight, k);
        const float *p = piece_load(room[3], &c, &a->pos_weight, k);
        const float *dy = each ? piece_load(room[4], &c, &a->dloss, k) : NULL;
        float *dx = row_place(room[5], &a->dx, at, step);
        loss_backward_row(dx, a->kind, n, x, t, p, a->scale);
        if (w)
            for (int64_t i = 0; i < n; i++) dx[i] *= w[i];
        for (int64_t i = 0; i < n; i++) dx[i] *= dy ? dy[i] : g;
        row_store(&a->dx, at, step, n, dx);
    }
    return LT_OK;
}

// ---- checks and the public functions -----------------------------------------------------------

// As users call the kinds.
static const char *const names[LT_LOSS_KINDS] = {
    "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "kl_div", "kl_div"};

static lt_status check_inputs(const lt_tensor *x, const lt_tensor *target, const lt_tensor *weight,
                              const lt_tensor *pos_weight, int32_t kind, int32_t reduction,
                              float scale)
{
    LT_REQUIRE(kind >= 0 && kind < LT_LOSS_KINDS, LT_ERR_ARGUMENT, "loss: unknown kind %d", kind);
    const char *op = names[kind];
    LT_TRY(lt_check_dtype(op, "x", x, LT_F32));
    LT_TRY(lt_check_dtype(op, "target", target, LT_F32));
    LT_TRY(lt_check_same_shape(op, "target", target, "x", x));
    const lt_tensor *optional[] = {weight, pos_weight};
    for (int i = 0; i < 2; i++) {
        if (!lt_present(optional[i])) continue;
        LT_TRY(lt_check_dtype(op, i ? "pos_weight" : "weight", optional[i], LT_F32));
        LT_TRY(lt_check_same_shape(op, i ? "pos_weight" : "weight", optional[i], "x", x));
    }
    LT_REQUIRE(reduction >= NONE && reduction <= SUM, LT_ERR_ARGUMENT, "%s: unknown reduction %d",
               op, reduction);
    LT_REQUIRE(scale >= 0 && (scale > 0 || kind != LT_LOSS_HUBER), LT_ERR_ARGUMENT,
               "%s: %s is %g; it must be %s 0", op, kind == LT_LOSS_HUBER ? "delta" : "beta", scale,
               kind == LT_LOSS_HUBER ? "above" : "at least");
    return LT_OK;
}

static lt_status check_loss(const char *op, const char *name, const lt_tensor *loss,
                            const lt_tensor *x, int32_t reduction)
{
    LT_TRY(lt_check_dtype(op, name, loss, LT_F32));
    if (reduction == NONE) return lt_check_same_shape(op, name, loss, "x", x);
    LT_REQUIRE(lt_numel(loss) == 1, LT_ERR_ARGUMENT, "%s: %s is %s; it must be one number", op,
               name, LT_SHAPE(loss));
    return LT_OK;
}

static lt_status loss_check(const void *args)
{
    const loss_args *a = args;
    LT_TRY(check_inputs(&a->x, &a->target, &a->weight, &a->pos_weight, a->kind, a->reduction,
                        a->scale));
    return check_loss(names[a->kind], "loss", &a->loss, &a->x, a->reduction);
}

static lt_status loss_backward_check(const void *args)
{
    const loss_backward_args *a = args;
    LT_TRY(check_inputs(&a->x, &a->target, &a->weight, &a->pos_weight, a->kind, a->reduction,
                        a->scale));
    const char *op = names[a->kind];
    LT_TRY(lt_check_dtype(op, "dx", &a->dx, LT_F32));
    LT_TRY(lt_check_same_shape(op, "dx", &a->dx, "x", &a->x));
    return check_loss(op, "dloss", &a->dloss, &a->x, a->reduction);
}

LT_OP(pointwise_loss, "loss; x target weight? pos_weight?", loss_check, loss_cpu)
LT_OP(pointwise_loss_backward, "dx; dloss x target weight? pos_weight?", loss_backward_check,
      loss_backward_cpu)

lt_status lt_pointwise_loss(lt_tensor *loss, const lt_tensor *x, const lt_tensor *target,
                            const lt_tensor *weight, const lt_tensor *pos_weight, int32_t kind,
                            int32_t reduction, double scale, double divisor)
{
    loss_args a = {*loss, *x, *target, lt_optional(weight), lt_optional(pos_weight), kind,
                   reduction, (float)scale, divisor};
    return lt_run(&pointwise_loss_op, &a);
}

lt_status lt_pointwise_loss_backward(lt_tensor *dx, const lt_tensor *dloss, const lt_tensor *x,
                                     const lt_tensor *target, const lt_tensor *weight,
                                     const lt_tensor *pos_weight, int32_t kind, int32_t reduction,
                                     double scale, double divisor)
{
    loss_backward_args a = {*dx, *dloss, *x, *target, lt_optional(weight), lt_optional(pos_weight),
                            kind, reduction, (float)scale, divisor};
    return lt_run(&pointwise_loss_backward_op, &a);
}
