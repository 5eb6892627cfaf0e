// layer_norm: every row normalised by its own mean and deviation (Ba, Kiros and Hinton, 2016). Forward
// reads a row twice, both times from cache; backward likewise.
#include "cpu/vec.h"

typedef struct { lt_tensor y, mean, rstd, x, weight, bias; double eps; } layer_norm_args;
typedef struct { lt_tensor dx, dweight, dbias, dy, x, mean, rstd, weight; } layer_norm_backward_args;

enum { CHUNKS = 32 };

static float sum_lanes(lt_vec v)
{
    float s[LT_VEC];
    memcpy(s, &v, sizeof s);
    for (int n = LT_VEC / 2; n > 0; n /= 2)
        for (int i = 0; i < n; i++) s[i] += s[i + n];
    return s[0];
}

// ---- checks ------------------------------------------------------------------------------------
static lt_status check_rows(const char *op, const char *name, const lt_tensor *t, const lt_tensor *x)
{
    LT_TRY(lt_check_dtype(op, name, t, x->dtype));
    LT_TRY(lt_check_same_shape(op, name, t, "x", x));
    return lt_check_contiguous(op, name, t);
}

static lt_status check_vector(const char *op, const char *name, const lt_tensor *t, int64_t n)
{
    if (!lt_present(t)) return LT_OK;
    LT_TRY(lt_check_dtype(op, name, t, LT_F32));
    LT_REQUIRE(lt_numel(t) == n, LT_ERR_ARGUMENT, "%s: %s is %s, wanted %lld values", op, name,
               LT_SHAPE(t), (long long)n);
    return lt_check_contiguous(op, name, t);
}

// The number of rows is that of the statistics; the rest of x is one row.
static lt_status check_split(const char *op, const lt_tensor *x, const lt_tensor *mean)
{
    LT_TRY(lt_check_float(op, "x", x));
    LT_TRY(lt_check_dtype(op, "mean", mean, LT_F32));
    const int64_t n = lt_numel(mean);
    LT_REQUIRE(n == 0 ? lt_numel(x) == 0 : lt_numel(x) % n == 0 && lt_numel(x) > 0, LT_ERR_ARGUMENT,
               "%s: statistics %s for x %s", op, LT_SHAPE(mean), LT_SHAPE(x));
    return LT_OK;
}

static int64_t row_length(const lt_tensor *x, const lt_tensor *mean)
{
    const int64_t n = lt_numel(mean);
    return n ? lt_numel(x) / n : 0;
}

static const float *vector(const lt_tensor *t) { return lt_present(t) ? lt_f32(t) : NULL; }

// ---- forward -----------------------------------------------------------------------------------
VEC_INLINE void normalise_row(const layer_norm_args *p, int64_t i, int64_t d, bool half)
{
    const float *weight = vector(&p->weight), *bias = vector(&p->bias);
    const void *x = lt_data(&p->x);
    lt_vec s = {0}, q = {0};
    int64_t j = 0;
    for (; j + LT_VEC <= d; j += LT_VEC) s += lt_vec_load(x, i * d + j, half);
    if (j < d) s += lt_vec_load_part(x, i * d + j, half, d - j);
    const float mean = sum_lanes(s) / (float)d;
    for (j = 0; j + LT_VEC <= d; j += LT_VEC) {
        const lt_vec v = lt_vec_load(x, i * d + j, half) - mean;
        q += v * v;
    }
    float tail = 0;
    for (; j < d; j++) {
        const float v = lt_vec_load_part(x, i * d + j, half, 1)[0] - mean;
        tail += v * v;
    }
    const float rstd = (float)(1 / sqrt((sum_lanes(q) + tail) / (double)d + p->eps));
    lt_f32(&p->mean)[i] = mean;
    lt_f32(&p->rstd)[i] = rstd;
    for (j = 0; j < d; j += LT_VEC) {
        lt_vec v = (lt_vec_load_part(x, i * d + j, half, d - j) - mean) * rstd;
        if (weight) v *= lt_vec_load_part(weight, j, false, d - j);
        if (bias) v += lt_vec_load_part(bias, j, false, d - j);
        lt_vec_store_part(lt_data(&p->y), i * d + j, half, d - j, v);
    }
}

static lt_status layer_norm_check(const void *args)
{
    const layer_norm_args *p = args;
    LT_TRY(check_split("layer_norm", &p->x, &p->mean));
    const int64_t d = row_length(&p->x, &p->mean);
    LT_TRY(check_rows("layer_norm", "x", &p->x, &p->x));
    LT_TRY(check_rows("layer_norm", "y", &p->y, &p->x));
    LT_TRY(check_vector("layer_norm", "mean", &p->mean, lt_numel(&p->mean)));
    LT_TRY(check_vector("layer_norm", "rstd", &p->rstd, lt_numel(&p->mean)));
    if (d == 0) return LT_OK;
    LT_TRY(check_vector("layer_norm", "weight", &p->weight, d));
    return check_vector("layer_norm", "bias", &p->bias, d);
}

static lt_status layer_norm_cpu(const void *args)
{
    const layer_norm_args *p = args;
    const int64_t n = lt_numel(&p->mean), d = row_length(&p->x, &p->mean);
    const bool half = p->x.dtype == LT_BF16;
#pragma omp parallel for num_threads(lt_team(n * d)) schedule(static)
    for (int64_t i = 0; i < n; i++) {
        if (half) normalise_row(p, i, d, true);
        else normalise_row(p, i, d, false);
    }
    return LT_OK;
}

LT_OP(layer_norm, "y mean rstd; x weight? bias?", layer_norm_check, layer_norm_cpu)

lt_status lt_layer_norm(lt_tensor *y, lt_tensor *mean, lt_tensor *rstd, const lt_tensor *x,
                        const lt_tensor *weight, const lt_tensor *bias, double eps)
{
    layer_norm_args args = {*y, *mean, *rstd, *x, lt_optional(weight), lt_optional(bias), eps};
    return lt_run(&layer_norm_op, &args);
}

// ---- backward ----------------------------------------------------------------------------------
// dx = rstd (w g - mean(w g) - x_hat mean(w g x_hat)); adds the row to dw and db.
VEC_INLINE void row_backward(const layer_norm_backward_args *p, float *dw, float *db, int64_t i,
                             int64_t d, bool half)
{
    const float *weight = vector(&p->weight);
    const void *x = lt_data(&p->x), *dy = lt_data(&p->dy);
    const float mean = lt_f32(&p->mean)[i], rstd = lt_f32(&p->rstd)[i];
    lt_vec sum = {0}, product = {0};
    for (int64_t j = 0; j < d; j += LT_VEC) {
        const int64_t part = d - j;
        lt_vec g = lt_vec_load_part(dy, i * d + j, half, part);
        // lanes past the end meet g = 0
        const lt_vec hat = (lt_vec_load_part(x, i * d + j, half, part) - mean) * rstd;
        lt_vec_store_part(dw, j, false, part, lt_vec_load_part(dw, j, false, part) + g * hat);
        lt_vec_store_part(db, j, false, part, lt_vec_load_part(db, j, false, part) + g);
        if (weight) g *= lt_vec_load_part(weight, j, false, part);
        sum += g;
        product += g * hat;
    }
    const float a = sum_lanes(sum) / (float)d, b = sum_lanes(product) / (float)d;
    for (int64_t j = 0; j < d; j += LT_VEC) {
        const int64_t part = d - j;
        lt_vec g = lt_vec_load_part(dy, i * d + j, half, part);
        const lt_vec hat = (lt_vec_load_part(x, i * d + j, half, part) - mean) * rstd;
        if (weight) g *= lt_vec_load_part(weight, j, false, part);
        lt_vec_store_part(lt_data(&p->dx), i * d + j, half, part, rstd * (g - a - hat * b));
    }
}

static lt_status layer_norm_backward_check(const void *args)
{
    const layer_norm_backward_args *p = args;
    LT_TRY(check_split("layer_norm_backward", &p->x, &p->mean));
    const int64_t d = row_length(&p->x, &p->mean);
    LT_TRY(check_rows("layer_norm_backward", "x", &p->x, &p->x));
    LT_TRY(check_rows("layer_norm_backward", "dx", &p->dx, &p->x));
    LT_TRY(check_rows("layer_norm_backward", "dy", &p->dy, &p->x));
    LT_TRY(check_vector("layer_norm_backward", "mean", &p->mean, lt_numel(&p->mean)));
    LT_TRY(check_vector("layer_norm_backward", "rstd", &p->rstd, lt_numel(&p->mean)));
    if (d == 0) return LT_OK;
    LT_TRY(check_vector("layer_norm_backward", "dweight", &p->dweight, d));
    LT_TRY(check_vector("layer_norm_backward", "dbias", &p->dbias, d));
    return check_vector("layer_norm_backward", "weight", &p->weight, d);
}

static lt_status layer_norm_backward_cpu(const void *args)
{
    const layer_norm_backward_args *p = args;
    const int64_t n = lt_numel(&p->mean), d = row_length(&p->x, &p->mean);
    const bool half = p->x.dtype == LT_BF16;
    if (n * d == 0) {
        if (lt_present(&p->dweight)) memset(lt_data(&p->dweight), 0, lt_numel(&p->dweight) * 4);
        if (lt_present(&p->dbias)) memset(lt_data(&p->dbias), 0, lt_numel(&p->dbias) * 4);
        return LT_OK;
    }
    float *parts = lt_alloc(CHUNKS * 2 * d * 4);
    if (!parts) return LT_ERR_MEMORY;
    memset(parts, 0, CHUNKS * 2 * d * 4);
#pragma omp parallel for num_threads(lt_team(n * d)) schedule(static)
    for (int64_t k = 0; k < CHUNKS; k++) {
        float *dw = parts + k * 2 * d, *db = dw + d;
        for (int64_t i = n * k / CHUNKS; i < n * (k + 1) / CHUNKS; i++) {
            if (half) row_backward(p, dw, db, i, d, true);
            else row_backward(p, dw, db, i, d, false);
        }
    }
    for (int64_t k = 1; k < CHUNKS; k++)
        for (int64_t j = 0; j < 2 * d; j++) parts[j] += parts[k * 2 * d + j];
    if (lt_present(&p->dweight)) memcpy(lt_f32(&p->dweight), parts, d * 4);
    if (lt_present(&p->dbias)) memcpy(lt_f32(&p->dbias), parts + d, d * 4);
    lt_free(parts);
    return LT_OK;
}

LT_OP(layer_norm_backward, "dx dweight? dbias?; dy x mean rstd weight?", layer_norm_backward_check,
      layer_norm_backward_cpu)

lt_status lt_layer_norm_backward(lt_tensor *dx, lt_tensor *dweight, lt_tensor *dbias,
                                 const lt_tensor *dy, const lt_tensor *x, const lt_tensor *mean,
                                 const lt_tensor *rstd, const lt_tensor *weight)
{
    layer_norm_backward_args args = {*dx, lt_optional(dweight), lt_optional(dbias), *dy, *x, *mean,
                                     *rstd, lt_optional(weight)};
    return lt_run(&layer_norm_backward_op, &args);
}
