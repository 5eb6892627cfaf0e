// norm: batch normalisation with running statistics, and with ReLU and the addition of a residual in
// the same pass (Ioffe and Szegedy, "Batch Normalization", 2015).
#include "cpu/norm.h"

typedef struct {
    lt_tensor y, mean, rstd, running_mean, running_var, x, weight, bias, residual;
    double momentum, eps;
    int32_t training, relu;
} batch_norm_args;

typedef struct {
    lt_tensor dx, dweight, dbias, dresidual, dy, x, mean, rstd, weight, bias, y;
    int32_t training, relu;
} batch_norm_backward_args;

// ---- batch_norm --------------------------------------------------------------------------------
static lt_status batch_norm_check(const void *args)
{
    const batch_norm_args *p = args;
    const int64_t c = p->x.ndim >= 2 ? p->x.shape[1] : 0;
    LT_TRY(check_x("batch_norm", &p->x));
    LT_TRY(check_data("batch_norm", "y", &p->y, &p->x));
    if (lt_present(&p->residual))
        LT_TRY(check_data("batch_norm", "residual", &p->residual, &p->x));
    LT_TRY(check_vector("batch_norm", "mean", &p->mean, c));
    LT_TRY(check_vector("batch_norm", "rstd", &p->rstd, c));
    LT_TRY(check_vector("batch_norm", "running_mean", &p->running_mean, c));
    LT_TRY(check_vector("batch_norm", "running_var", &p->running_var, c));
    LT_TRY(check_vector("batch_norm", "weight", &p->weight, c));
    LT_TRY(check_vector("batch_norm", "bias", &p->bias, c));
    LT_REQUIRE(p->training || (lt_present(&p->running_mean) && lt_present(&p->running_var)),
               LT_ERR_ARGUMENT, "batch_norm: evaluation needs running statistics");
    LT_REQUIRE(!p->training || rows_of(&p->x).n > 1, LT_ERR_ARGUMENT,
               "batch_norm: x is %s: training needs more than one value per channel",
               LT_SHAPE(&p->x));
    return LT_OK;
}

// Sums of all chunks, added in order; sums has CHUNKS blocks of 2c.
static void add_chunks(double *sums, int64_t c)
{
    for (int64_t k = 1; k < CHUNKS; k++)
        for (int64_t j = 0; j < 2 * c; j++) sums[j] += sums[k * 2 * c + j];
}

static lt_status batch_statistics(const batch_norm_args *p, rows r)
{
    double *sums = lt_alloc(CHUNKS * 2 * r.c * (int64_t)sizeof(double));
    float *shift = lt_alloc(r.c * 4);
    const lt_status status = sums && shift ? LT_OK : LT_ERR_MEMORY;
    if (status == LT_OK) {
        const void *x = lt_data(&p->x);
        first_row(shift, x, r.c, r.half);
#pragma omp parallel for num_threads(lt_team(r.n * r.c)) schedule(static)
        for (int64_t k = 0; k < CHUNKS; k++)
            moments(sums + k * 2 * r.c, x, shift, r.n * k / CHUNKS, r.n * (k + 1) / CHUNKS, r.c,
                    r.half);
        add_chunks(sums, r.c);
        const double n = (double)r.n;
        float *running_mean = (float *)vector(&p->running_mean);
        float *running_var = (float *)vector(&p->running_var);
        for (int64_t j = 0; j < r.c; j++) {
            const double off = sums[j] / n;
            double var = sums[r.c + j] / n - off * off;
            if (var < 0) var = 0;
            const double mean = shift[j] + off;
            lt_f32(&p->mean)[j] = (float)mean;
            lt_f32(&p->rstd)[j] = (float)(1 / sqrt(var + p->eps));
            if (running_mean)
                running_mean[j] = (float)((1 - p->momentum) * running_mean[j] + p->momentum * mean);
            if (running_var)
                running_var[j] = (float)((1 - p->momentum) * running_var[j]
                                         + p->momentum * var * n / (n - 1));
        }
    }
    lt_free(sums);
    lt_free(shift);
    return status;
}

// a = weight rstd, b = bias - mean a: forward's map. Also what backward recomputes the mask from.
static void affine(float *a, float *b, const float *mean, const float *rstd, const float *weight,
                   const float *bias, int64_t c)
{
    for (int64_t j = 0; j < c; j++) {
        a[j] = rstd[j] * (weight ? weight[j] : 1);
        b[j] = (bias ? bias[j] : 0) - mean[j] * a[j];
    }
}

static lt_status batch_norm_cpu(const void *args)
{
    const batch_norm_args *p = args;
    const rows r = rows_of(&p->x);
    if (r.n * r.c == 0) return LT_OK;
    if (p->training) {
        LT_TRY(batch_statistics(p, r));
    } else {
        for (int64_t j = 0; j < r.c; j++) {
            lt_f32(&p->mean)[j] = lt_f32(&p->running_mean)[j];
            lt_f32(&p->rstd)[j] = (float)(1 / sqrt(lt_f32(&p->running_var)[j] + p->eps));
        }
    }
    float *a = lt_alloc(2 * r.c * 4), *b = a + r.c;
    if (!a) return LT_ERR_MEMORY;
    affine(a, b, lt_f32(&p->mean), lt_f32(&p->rstd), vector(&p->weight), vector(&p->bias), r.c);
    const forward_pass pass = {.y = lt_data(&p->y), .x = lt_data(&p->x), .a = a, .b = b,
                               .residual = lt_present(&p->residual) ? lt_data(&p->residual) : NULL,
                               .relu = p->relu != 0};
#pragma omp parallel for num_threads(lt_team(r.n * r.c)) schedule(static)
    for (int64_t k = 0; k < CHUNKS; k++)
        apply(&pass, r.n * k / CHUNKS, r.n * (k + 1) / CHUNKS, r.c, r.half);
    lt_free(a);
    return LT_OK;
}

LT_OP(batch_norm, "y mean rstd running_mean? running_var?; x weight? bias? residual?",
      batch_norm_check, batch_norm_cpu)

lt_status lt_batch_norm(lt_tensor *y, lt_tensor *mean, lt_tensor *rstd, lt_tensor *running_mean,
                        lt_tensor *running_var, const lt_tensor *x, const lt_tensor *weight,
                        const lt_tensor *bias, const lt_tensor *residual, int32_t training,
                        double momentum, double eps, int32_t relu)
{
    batch_norm_args args = {*y, *mean, *rstd, lt_optional(running_mean), lt_optional(running_var),
                            *x, lt_optional(weight), lt_optional(bias), lt_optional(residual),
                            momentum, eps, training, relu};
    return lt_run(&batch_norm_op, &args);
}

static lt_status batch_norm_backward_check(const void *args)
{
    const batch_norm_backward_args *p = args;
    const int64_t c = p->x.ndim >= 2 ? p->x.shape[1] : 0;
    LT_TRY(check_x("batch_norm_backward", &p->x));
    LT_TRY(check_data("batch_norm_backward", "dx", &p->dx, &p->x));
    LT_TRY(check_data("batch_norm_backward", "dy", &p->dy, &p->x));
    if (lt_present(&p->y)) LT_TRY(check_data("batch_norm_backward", "y", &p->y, &p->x));
    if (lt_present(&p->dresidual))
        LT_TRY(check_data("batch_norm_backward", "dresidual", &p->dresidual, &p->x));
    LT_REQUIRE(!lt_present(&p->dresidual) || lt_present(&p->y), LT_ERR_ARGUMENT,
               "batch_norm_backward: dresidual needs y; without ReLU it is dy itself");
    LT_TRY(check_vector("batch_norm_backward", "dweight", &p->dweight, c));
    LT_TRY(check_vector("batch_norm_backward", "dbias", &p->dbias, c));
    LT_TRY(check_vector("batch_norm_backward", "mean", &p->mean, c));
    LT_TRY(check_vector("batch_norm_backward", "rstd", &p->rstd, c));
    LT_TRY(check_vector("batch_norm_backward", "weight", &p->weight, c));
    return check_vector("batch_norm_backward", "bias", &p->bias, c);
}

// dx = dy_scale g + x_scale x + offset from the sums of g and g (x - mean); also the parameters'
// gradients.
static void batch_gradient_map(const batch_norm_backward_args *p, const double *sums, float *map,
                               rows r)
{
    const float *mean = lt_f32(&p->mean), *rstd = lt_f32(&p->rstd), *weight = vector(&p->weight);
    for (int64_t j = 0; j < r.c; j++) {
        const double inv = rstd[j], scale = inv * (weight ? weight[j] : 1);
        const double sum = sums[j], product = sums[r.c + j] * inv;  // of g and of g x_hat
        if (lt_present(&p->dbias)) lt_f32(&p->dbias)[j] = (float)sum;
        if (lt_present(&p->dweight)) lt_f32(&p->dweight)[j] = (float)product;
        const double slope = p->training ? -scale * product / (double)r.n * inv : 0;
        map[j] = (float)scale;
        map[r.c + j] = (float)slope;
        map[2 * r.c + j] = p->training ? (float)(-scale * sum / (double)r.n - slope * mean[j]) : 0;
    }
}

static lt_status batch_norm_backward_cpu(const void *args)
{
    const batch_norm_backward_args *p = args;
    const rows r = rows_of(&p->x);
    if (r.n * r.c == 0) return LT_OK;
    double *sums = lt_alloc(CHUNKS * 2 * r.c * (int64_t)sizeof(double));
    float *maps = lt_alloc(5 * r.c * 4);
    if (!sums || !maps) {
        lt_free(sums);
        lt_free(maps);
        return LT_ERR_MEMORY;
    }
    float *a = maps, *b = maps + r.c, *map = maps + 2 * r.c;
    affine(a, b, lt_f32(&p->mean), lt_f32(&p->rstd), vector(&p->weight), vector(&p->bias), r.c);
    backward_pass pass = {.dx = lt_data(&p->dx), .dy = lt_data(&p->dy), .x = lt_data(&p->x),
                          .a = a, .b = b, .dy_scale = map, .x_scale = map + r.c,
                          .offset = map + 2 * r.c, .shift = lt_f32(&p->mean),
                          .y = lt_present(&p->y) ? lt_data(&p->y) : NULL,
                          .g_out = lt_present(&p->dresidual) ? lt_data(&p->dresidual) : NULL};
    pass.mask = !p->relu ? NO_MASK : pass.y ? FROM_Y : FROM_X;
#pragma omp parallel for num_threads(lt_team(r.n * r.c)) schedule(static)
    for (int64_t k = 0; k < CHUNKS; k++)
        gradient_sums(&pass, sums + k * 2 * r.c, r.n * k / CHUNKS, r.n * (k + 1) / CHUNKS, r.c,
                      r.half);
    add_chunks(sums, r.c);
    batch_gradient_map(p, sums, map, r);
    if (pass.g_out) {  // already masked
        pass.dy = pass.g_out;
        pass.mask = NO_MASK;
    }
#pragma omp parallel for num_threads(lt_team(r.n * r.c)) schedule(static)
    for (int64_t k = 0; k < CHUNKS; k++)
        gradient_apply(&pass, r.n * k / CHUNKS, r.n * (k + 1) / CHUNKS, r.c, r.half);
    lt_free(sums);
    lt_free(maps);
    return LT_OK;
}

LT_OP(batch_norm_backward, "dx dweight? dbias? dresidual?; dy x mean rstd weight? bias? y?",
      batch_norm_backward_check, batch_norm_backward_cpu)

lt_status lt_batch_norm_backward(lt_tensor *dx, lt_tensor *dweight, lt_tensor *dbias,
                                 lt_tensor *dresidual, const lt_tensor *dy, const lt_tensor *x,
                                 const lt_tensor *mean, const lt_tensor *rstd,
                                 const lt_tensor *weight, const lt_tensor *bias, const lt_tensor *y,
                                 int32_t training, int32_t relu)
{
    batch_norm_backward_args args = {*dx, lt_optional(dweight), lt_optional(dbias),
                                     lt_optional(dresidual), *dy, *x, *mean, *rstd,
                                     lt_optional(weight), lt_optional(bias), lt_optional(y),
                                     training, relu};
    return lt_run(&batch_norm_backward_op, &args);
}

