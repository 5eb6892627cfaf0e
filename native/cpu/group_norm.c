// group_norm: statistics per sample and group of channels (Wu and He, "Group Normalization", 2018);
// instance normalisation is the case of one channel a group.
#include "cpu/norm.h"

typedef struct {
    lt_tensor y, mean, rstd, x, weight, bias;
    double eps;
} group_norm_args;

typedef struct { lt_tensor dx, dweight, dbias, dy, x, mean, rstd, weight; } group_norm_backward_args;

static lt_status group_norm_check(const void *args)
{
    const group_norm_args *p = args;
    LT_TRY(check_x("group_norm", &p->x));
    LT_TRY(check_data("group_norm", "y", &p->y, &p->x));
    const int64_t c = p->x.shape[1];
    LT_TRY(lt_check_dtype("group_norm", "mean", &p->mean, LT_F32));
    LT_REQUIRE(p->mean.ndim == 2 && p->mean.shape[0] == p->x.shape[0] && p->mean.shape[1] > 0
                   && c % p->mean.shape[1] == 0,
               LT_ERR_ARGUMENT, "group_norm: statistics %s for x %s: the number of groups must "
               "divide the channels", LT_SHAPE(&p->mean), LT_SHAPE(&p->x));
    LT_TRY(lt_check_contiguous("group_norm", "mean", &p->mean));
    LT_TRY(check_vector("group_norm", "rstd", &p->rstd, lt_numel(&p->mean)));
    LT_TRY(check_vector("group_norm", "weight", &p->weight, c));
    return check_vector("group_norm", "bias", &p->bias, c);
}

// Mean and 1 / deviation of each group from the sums about a shift per channel.
static void group_statistics(float *mean, float *rstd, const double *sums, const float *shift,
                             int64_t rows, int64_t c, int64_t groups, double eps)
{
    const int64_t per = c / groups;
    const double n = (double)(rows * per);
    for (int64_t q = 0; q < groups; q++) {
        double total = 0, square = 0;
        for (int64_t j = q * per; j < (q + 1) * per; j++)
            total += sums[j] + (double)rows * shift[j];
        const double m = total / n;
        for (int64_t j = q * per; j < (q + 1) * per; j++) {
            const double d = shift[j] - m;
            square += sums[c + j] + 2 * d * sums[j] + (double)rows * d * d;
        }
        mean[q] = (float)m;
        rstd[q] = (float)(1 / sqrt((square > 0 ? square : 0) / n + eps));
    }
}

static lt_status group_norm_cpu(const void *args)
{
    const group_norm_args *p = args;
    const rows r = rows_of(&p->x);
    const int64_t n = p->x.shape[0], c = r.c, groups = p->mean.shape[1];
    if (r.n * c == 0) return LT_OK;
    const int64_t rows = r.n / n, size = r.half ? 2 : 4;
    const int team = lt_team(r.n * c);
    char *scratch = lt_alloc(team * c * 32);  // per thread: 2c doubles, shift, a, b
    if (!scratch) return LT_ERR_MEMORY;
    const float *weight = vector(&p->weight), *bias = vector(&p->bias);
#pragma omp parallel for num_threads(team) schedule(static)
    for (int64_t t = 0; t < team; t++)
        for (int64_t i = n * t / team; i < n * (t + 1) / team; i++) {
            double *sums = (double *)(scratch + t * c * 32);
            float *shift = (float *)(sums + 2 * c), *a = shift + c, *b = a + c;
            const char *x = (const char *)lt_data(&p->x) + i * rows * c * size;
            float *mean = lt_f32(&p->mean) + i * groups, *rstd = lt_f32(&p->rstd) + i * groups;
            first_row(shift, x, c, r.half);
            moments(sums, x, shift, 0, rows, c, r.half);
            group_statistics(mean, rstd, sums, shift, rows, c, groups, p->eps);
            for (int64_t j = 0; j < c; j++) {
                const int64_t q = j / (c / groups);
                a[j] = rstd[q] * (weight ? weight[j] : 1);
                b[j] = (bias ? bias[j] : 0) - mean[q] * a[j];
            }
            const forward_pass pass = {.y = (char *)lt_data(&p->y) + i * rows * c * size, .x = x,
                                       .a = a, .b = b};
            apply(&pass, 0, rows, c, r.half);
        }
    lt_free(scratch);
    return LT_OK;
}

LT_OP(group_norm, "y mean rstd; x weight? bias?", group_norm_check, group_norm_cpu)

lt_status lt_group_norm(lt_tensor *y, lt_tensor *mean, lt_tensor *rstd, const lt_tensor *x,
                        const lt_tensor *weight, const lt_tensor *bias, double eps)
{
    group_norm_args args = {*y, *mean, *rstd, *x, lt_optional(weight), lt_optional(bias), eps};
    return lt_run(&group_norm_op, &args);
}

static lt_status group_norm_backward_check(const void *args)
{
    const group_norm_backward_args *p = args;
    LT_TRY(check_x("group_norm_backward", &p->x));
    LT_TRY(check_data("group_norm_backward", "dx", &p->dx, &p->x));
    LT_TRY(check_data("group_norm_backward", "dy", &p->dy, &p->x));
    LT_REQUIRE(p->mean.ndim == 2 && p->mean.shape[0] == p->x.shape[0] && p->mean.shape[1] > 0
                   && p->x.shape[1] % p->mean.shape[1] == 0,
               LT_ERR_ARGUMENT, "group_norm_backward: mean is %s for x %s", LT_SHAPE(&p->mean),
               LT_SHAPE(&p->x));
    LT_TRY(check_vector("group_norm_backward", "mean", &p->mean, lt_numel(&p->mean)));
    LT_TRY(check_vector("group_norm_backward", "rstd", &p->rstd, lt_numel(&p->mean)));
    LT_TRY(check_vector("group_norm_backward", "dweight", &p->dweight, p->x.shape[1]));
    LT_TRY(check_vector("group_norm_backward", "dbias", &p->dbias, p->x.shape[1]));
    return check_vector("group_norm_backward", "weight", &p->weight, p->x.shape[1]);
}

// The map of one sample, and its share of the parameters' gradients (c of dweight, c of dbias).
static void group_gradient_map(const double *sums, float *map, double *share, const float *mean,
                               const float *rstd, const float *weight, int64_t rows, int64_t c,
                               int64_t groups)
{
    const int64_t per = c / groups;
    for (int64_t q = 0; q < groups; q++) {
        const double inv = rstd[q], m = mean[q], n = (double)(rows * per);
        double sum = 0, product = 0;  // of w g and of w g x_hat
        for (int64_t j = q * per; j < (q + 1) * per; j++) {
            const double w = weight ? weight[j] : 1, hat = (sums[c + j] - m * sums[j]) * inv;
            share[j] = hat;
            share[c + j] = sums[j];
            sum += w * sums[j];
            product += w * hat;
        }
        const double slope = -inv * inv * product / n;
        for (int64_t j = q * per; j < (q + 1) * per; j++) {
            map[j] = (float)(inv * (weight ? weight[j] : 1));
            map[c + j] = (float)slope;
            map[2 * c + j] = (float)(-inv * sum / n - slope * m);
        }
    }
}

static lt_status group_norm_backward_cpu(const void *args)
{
    const group_norm_backward_args *p = args;
    const rows r = rows_of(&p->x);
    const int64_t n = p->x.shape[0], c = r.c, groups = p->mean.shape[1];
    if (r.n * c == 0) {
        if (lt_present(&p->dweight)) memset(lt_data(&p->dweight), 0, c * 4);
        if (lt_present(&p->dbias)) memset(lt_data(&p->dbias), 0, c * 4);
        return LT_OK;
    }
    const int64_t rows = r.n / n, size = r.half ? 2 : 4;
    const int team = lt_team(r.n * c);
    double *shares = lt_alloc(n * 2 * c * 8);
    char *scratch = lt_alloc(team * c * 32);  // per thread: 2c doubles, map of 3c, zeros of c
    if (!shares || !scratch) {
        lt_free(shares);
        lt_free(scratch);
        return LT_ERR_MEMORY;
    }
#pragma omp parallel for num_threads(team) schedule(static)
    for (int64_t t = 0; t < team; t++)
        for (int64_t i = n * t / team; i < n * (t + 1) / team; i++) {
            double *sums = (double *)(scratch + t * c * 32);
            float *map = (float *)(sums + 2 * c), *zeros = map + 3 * c;
            memset(zeros, 0, c * 4);
            const int64_t at = i * rows * c * size;
            const backward_pass pass = {.dx = (char *)lt_data(&p->dx) + at,
                                        .dy = (char *)lt_data(&p->dy) + at,
                                        .x = (char *)lt_data(&p->x) + at, .shift = zeros,
                                        .dy_scale = map, .x_scale = map + c, .offset = map + 2 * c,
                                        .mask = NO_MASK};
            gradient_sums(&pass, sums, 0, rows, c, r.half);
            group_gradient_map(sums, map, shares + i * 2 * c, lt_f32(&p->mean) + i * groups,
                               lt_f32(&p->rstd) + i * groups, vector(&p->weight), rows, c, groups);
            gradient_apply(&pass, 0, rows, c, r.half);
        }
    for (int64_t j = 0; j < c; j++) {
        double dw = 0, db = 0;
        for (int64_t i = 0; i < n; i++) dw += shares[i * 2 * c + j], db += shares[(i * 2 + 1) * c + j];
        if (lt_present(&p->dweight)) lt_f32(&p->dweight)[j] = (float)dw;
        if (lt_present(&p->dbias)) lt_f32(&p->dbias)[j] = (float)db;
    }
    lt_free(shares);
    lt_free(scratch);
    return LT_OK;
}

LT_OP(group_norm_backward, "dx dweight? dbias?; dy x mean rstd weight?", group_norm_backward_check,
      group_norm_backward_cpu)

lt_status lt_group_norm_backward(lt_tensor *dx, lt_tensor *dweight, lt_tensor *dbias,
                                 const lt_tensor *dy, const lt_tensor *x, const lt_tensor *mean,
                                 const lt_tensor *rstd, const lt_tensor *weight)
{
    group_norm_backward_args args = {*dx, lt_optional(dweight), lt_optional(dbias), *dy, *x, *mean,
                                     *rstd, lt_optional(weight)};
    return lt_run(&group_norm_backward_op, &args);
}
