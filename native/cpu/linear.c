// linear: y = act(x W^T + b) and its gradients, walked in blocks of rows that stay in cache, so that
// bias, activation and their derivative cost no pass over memory of their own.
#include "cpu/blas.h"
#include "cpu/dnn.h"
#include "scalar/vmath.h"

typedef struct { lt_tensor y, pre, x, w, bias; int32_t act; } linear_args;
typedef struct { lt_tensor dx, dw, db, dy, x, w, saved; int32_t act; } linear_backward_args;

// ---- activations -------------------------------------------------------------------------------
static inline float gelu_inner(float x) { return 0.797884561f * (x + 0.044715f * x * x * x); }

static inline float gelu_slope(float x)
{
    return 0.5f * (1.f + vm_erf(x * 0.707106781f)) + x * 0.398942280f * vm_exp(-0.5f * x * x);
}
static inline float gelu_tanh_slope(float x)
{
    const float t = vm_tanh(gelu_inner(x));
    return 0.5f * (1.f + t)
         + 0.5f * x * (1.f - t * t) * 0.797884561f * (1.f + 0.134145f * x * x);
}
static inline float silu_slope(float x)
{
    const float s = vm_sigmoid(x);
    return s * (1.f + x * (1.f - s));
}

// v[j] <- act(v[j]).
static void activate(float *restrict v, int64_t n, int32_t act)
{
#define EACH(formula) \
    _Pragma("omp simd") for (int64_t j = 0; j < n; j++) { const float x = v[j]; v[j] = formula; } \
    break
    switch (act) {
    case LT_ACT_RELU: EACH(x > 0 ? x : 0);
    case LT_ACT_TANH: EACH(vm_tanh(x));
    case LT_ACT_SIGMOID: EACH(vm_sigmoid(x));
    case LT_ACT_GELU: EACH(0.5f * x * (1.f + vm_erf(x * 0.707106781f)));
    case LT_ACT_GELU_TANH: EACH(0.5f * x * (1.f + vm_tanh(gelu_inner(x))));
    case LT_ACT_SILU: EACH(x * vm_sigmoid(x));
    }
#undef EACH
}

// d[j] <- d[j] act'(...); s holds y for relu, tanh and sigmoid, the value before act for the others.
static void slope(float *restrict d, const float *restrict s, int64_t n, int32_t act)
{
#define EACH(formula) \
    _Pragma("omp simd") for (int64_t j = 0; j < n; j++) { const float x = s[j]; d[j] *= formula; } \
    break
    switch (act) {
    case LT_ACT_RELU: EACH((x > 0 ? 1.f : 0.f));
    case LT_ACT_TANH: EACH((1.f - x * x));
    case LT_ACT_SIGMOID: EACH(x * (1.f - x));
    case LT_ACT_GELU: EACH(gelu_slope(x));
    case LT_ACT_GELU_TANH: EACH(gelu_tanh_slope(x));
    case LT_ACT_SILU: EACH(silu_slope(x));
    }
#undef EACH
}

// ---- conversions -------------------------------------------------------------------------------
static void widen(float *restrict to, const lt_bf16 *restrict from, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) to[i] = lt_bf16_to_f32(from[i]);
}

static void narrow(lt_bf16 *restrict to, const float *restrict from, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) to[i] = lt_f32_to_bf16(from[i]);
}

// Row i of a tensor of rows of n elements, in f32: in place, or converted into buf.
static const float *wide_row(const lt_tensor *t, int64_t i, int64_t n, float *buf)
{
    if (t->dtype == LT_F32) return lt_f32(t) + i * n;
    widen(buf, (const lt_bf16 *)lt_data(t) + i * n, n);
    return buf;
}

static void store_row(const lt_tensor *t, int64_t i, int64_t n, const float *from)
{
    if (t->dtype == LT_BF16) narrow((lt_bf16 *)lt_data(t) + i * n, from, n);
    else if (lt_f32(t) + i * n != from) memcpy(lt_f32(t) + i * n, from, n * sizeof(float));
}

// Rows per block: all where nothing is gained by cutting, else as many as keep 1 MiB a buffer, or 8 where the
// products are OpenBLAS's, which packs the weights for each.
static int64_t block_rows(int64_t rows, int64_t widest, bool cut)
{
    const int64_t most = lt_dnn_blocked() ? 1 << 18 : 1 << 21;
    const int64_t fit = most / (widest > 0 ? widest : 1) & ~63;
    const int64_t n = fit < 64 ? 64 : fit;
    return cut && n < rows ? n : rows;
}

// ---- forward -----------------------------------------------------------------------------------
static lt_status check_sides(const char *op, const lt_tensor *x, const lt_tensor *w)
{
    LT_TRY(lt_check_float(op, "x", x));
    LT_TRY(lt_check_dtype(op, "weight", w, LT_F32));
    LT_REQUIRE(x->ndim >= 1 && w->ndim == 2 && x->shape[x->ndim - 1] == w->shape[1],
               LT_ERR_ARGUMENT, "%s: x is %s, weight is %s: the last dimensions must agree", op,
               LT_SHAPE(x), LT_SHAPE(w));
    LT_TRY(lt_check_contiguous(op, "x", x));
    return lt_check_contiguous(op, "weight", w);
}

static lt_status check_result(const char *op, const char *name, const lt_tensor *y,
                              const lt_tensor *x, int64_t last)
{
    LT_TRY(lt_check_dtype(op, name, y, x->dtype));
    LT_REQUIRE(y->ndim == x->ndim && y->shape[y->ndim - 1] == last
                   && lt_numel(y) == lt_numel(x) / (x->shape[x->ndim - 1] ? x->shape[x->ndim - 1] : 1)
                                         * last,
               LT_ERR_ARGUMENT, "%s: %s is %s for x %s", op, name, LT_SHAPE(y), LT_SHAPE(x));
    return lt_check_contiguous(op, name, y);
}

static lt_status linear_check(const void *args)
{
    const linear_args *p = args;
    LT_TRY(check_sides("linear", &p->x, &p->w));
    LT_REQUIRE(p->x.shape[p->x.ndim - 1] > 0, LT_ERR_ARGUMENT, "linear: x is %s: no features",
               LT_SHAPE(&p->x));
    LT_TRY(check_result("linear", "y", &p->y, &p->x, p->w.shape[0]));
    LT_REQUIRE(p->act >= LT_ACT_NONE && p->act <= LT_ACT_SILU, LT_ERR_ARGUMENT,
               "linear: unknown activation %d", p->act);
    if (lt_present(&p->pre)) LT_TRY(check_result("linear", "pre", &p->pre, &p->x, p->w.shape[0]));
    if (!lt_present(&p->bias)) return LT_OK;
    LT_TRY(lt_check_dtype("linear", "bias", &p->bias, LT_F32));
    LT_REQUIRE(p->bias.ndim == 1 && p->bias.shape[0] == p->w.shape[0], LT_ERR_ARGUMENT,
               "linear: bias is %s, weight is %s", LT_SHAPE(&p->bias), LT_SHAPE(&p->w));
    return lt_check_contiguous("linear", "bias", &p->bias);
}

// Bias, activation and stores of rows first .. first + rows - 1; z holds their products.
static void finish_rows(const void *args, float *z, int64_t first, int64_t rows)
{
    const linear_args *p = args;
    const int64_t n = p->w.shape[0];
    const float *bias = lt_present(&p->bias) ? lt_f32(&p->bias) : NULL;
#pragma omp parallel for num_threads(lt_team(rows * n))
    for (int64_t i = 0; i < rows; i++) {
        float *row = z + i * n;
        if (bias) {
#pragma omp simd
            for (int64_t j = 0; j < n; j++) row[j] += bias[j];
        }
        if (lt_present(&p->pre)) store_row(&p->pre, first + i, n, row);
        activate(row, n, p->act);
        store_row(&p->y, first + i, n, row);
    }
}

// The weights in bf16, for processors that multiply it fast.
static lt_bf16 *narrow_weight(const lt_tensor *w)
{
    const int64_t n = lt_numel(w);
    lt_bf16 *half = lt_alloc(n * 2);
    if (half) narrow(half, lt_f32(w), n);
    return half;
}

// Rows are finished while they are in registers (oneDNN, where nothing is kept for backward) or in cache. (One
// row is faster by lt_sgemm.)
static bool linear_fused(const linear_args *p, int64_t rows, int64_t n, int64_t k)
{
    const float *bias = lt_present(&p->bias) ? lt_f32(&p->bias) : NULL, *x = lt_f32(&p->x);
    const float *w = lt_f32(&p->w);
    if (rows == 1 || p->x.dtype != LT_F32 || !(bias || p->act || lt_present(&p->pre))
        || (double)rows * (double)n * (double)k >= LT_SGEMM_MOST)
        return false;
    if (!lt_present(&p->pre) && lt_dnn_available()
        && lt_dnn_linear(rows, n, k, x, w, bias, p->act, lt_f32(&p->y)))
        return true;
    const lt_gemm_end end = {finish_rows, p};
    return lt_own_sgemm(false, true, rows, n, k, x, k, w, k, false, lt_f32(&p->y), n, &end);
}

static lt_status linear_cpu(const void *args)
{
    const linear_args *p = args;
    const int64_t n = p->w.shape[0], k = p->w.shape[1], rows = lt_numel(&p->x) / k;
    const bool bf16 = p->x.dtype == LT_BF16, fast = bf16 && lt_dnn_bf16_fast();
    const int64_t block = block_rows(rows, n > k ? n : k, bf16 || p->act != LT_ACT_NONE);
    if (rows * n == 0 || linear_fused(p, rows, n, k)) return LT_OK;
    float *z = bf16 ? lt_alloc(block * n * 4) : NULL;
    float *xf = bf16 && !fast ? lt_alloc(block * k * 4) : NULL;
    lt_bf16 *half = fast ? narrow_weight(&p->w) : NULL;
    lt_status status = (bf16 && !z) || (bf16 && !fast && !xf) || (fast && !half) ? LT_ERR_MEMORY
                                                                                 : LT_OK;
    for (int64_t i = 0; i < rows && status == LT_OK; i += block) {
        const int64_t m = rows - i < block ? rows - i : block;
        float *out = bf16 ? z : lt_f32(&p->y) + i * n;
        if (fast) {
            status = lt_dnn_matmul_bf16(false, true, m, n, k, (lt_bf16 *)lt_data(&p->x) + i * k, k,
                                        half, k, out, LT_F32, n);
        } else {
            if (bf16) {
#pragma omp parallel for num_threads(lt_team(m * k))
                for (int64_t r = 0; r < m; r++) wide_row(&p->x, i + r, k, xf + r * k);
            }
            lt_sgemm(false, true, m, n, k, bf16 ? xf : lt_f32(&p->x) + i * k, k, lt_f32(&p->w), k, 0,
                     out, n);
        }
        if (status == LT_OK && (bf16 || p->act || lt_present(&p->bias) || lt_present(&p->pre)))
            finish_rows(p, out, i, m);
    }
    lt_free(z);
    lt_free(xf);
    lt_free(half);
    return status;
}

LT_OP(linear, "y pre?; x weight bias?", linear_check, linear_cpu)

lt_status lt_linear(lt_tensor *y, lt_tensor *pre, const lt_tensor *x, const lt_tensor *weight,
                    const lt_tensor *bias, int32_t act)
{
    linear_args args = {*y, lt_optional(pre), *x, *weight, lt_optional(bias), act};
    return lt_run(&linear_op, &args);
}

// ---- backward ----------------------------------------------------------------------------------
static lt_status linear_backward_check(const void *args)
{
    const linear_backward_args *p = args;
    const int64_t n = p->w.shape[0];
    LT_TRY(check_sides("linear_backward", &p->x, &p->w));
    LT_TRY(check_result("linear_backward", "dy", &p->dy, &p->x, n));
    LT_REQUIRE(p->act == LT_ACT_NONE || lt_present(&p->saved), LT_ERR_ARGUMENT,
               "linear_backward: activation %d needs what forward saved", p->act);
    if (lt_present(&p->saved))
        LT_TRY(check_result("linear_backward", "saved", &p->saved, &p->x, n));
    if (lt_present(&p->dx))
        LT_TRY(check_result("linear_backward", "dx", &p->dx, &p->x, p->w.shape[1]));
    if (lt_present(&p->dw)) {
        LT_TRY(lt_check_dtype("linear_backward", "dweight", &p->dw, LT_F32));
        LT_TRY(lt_check_same_shape("linear_backward", "dweight", &p->dw, "weight", &p->w));
        LT_TRY(lt_check_contiguous("linear_backward", "dweight", &p->dw));
    }
    if (!lt_present(&p->db)) return LT_OK;
    LT_TRY(lt_check_dtype("linear_backward", "dbias", &p->db, LT_F32));
    LT_REQUIRE(p->db.ndim == 1 && p->db.shape[0] == n, LT_ERR_ARGUMENT,
               "linear_backward: dbias is %s, weight is %s", LT_SHAPE(&p->db), LT_SHAPE(&p->w));
    return lt_check_contiguous("linear_backward", "dbias", &p->db);
}

// The gradient before the activation, in f32, of rows first..first + rows.
static void make_dz(const linear_backward_args *p, float *dz, int64_t first, int64_t rows,
                    lt_status *status)
{
    const int64_t n = p->w.shape[0];
    float *buffers = lt_alloc((int64_t)lt_team(rows * n) * n * 4);
    if (!buffers) {
        *status = LT_ERR_MEMORY;
        return;
    }
    const int team = lt_team(rows * n);
#pragma omp parallel for num_threads(team) schedule(static)
    for (int64_t t = 0; t < team; t++) {
        float *buf = buffers + t * n;
        for (int64_t i = rows * t / team; i < rows * (t + 1) / team; i++) {
            const float *dy = wide_row(&p->dy, first + i, n, dz + i * n);
            if (dy != dz + i * n) memcpy(dz + i * n, dy, n * sizeof(float));
            if (p->act) slope(dz + i * n, wide_row(&p->saved, first + i, n, buf), n, p->act);
        }
    }
    lt_free(buffers);
}

// db += column sums of dz; each thread owns some columns, so that the order of sums is fixed.
static void add_columns(float *db, const float *dz, int64_t rows, int64_t n)
{
    enum { COLUMNS = 64 };
#pragma omp parallel for num_threads(lt_team(rows * n)) schedule(static)
    for (int64_t j0 = 0; j0 < n; j0 += COLUMNS) {
        const int64_t m = n - j0 < COLUMNS ? n - j0 : COLUMNS;
        float sum[COLUMNS] = {0};
        for (int64_t i = 0; i < rows; i++) {
            const float *row = dz + i * n + j0;
#pragma omp simd
            for (int64_t j = 0; j < m; j++) sum[j] += row[j];
        }
        for (int64_t j = 0; j < m; j++) db[j0 + j] += sum[j];
    }
}

// Buffers of one backward call; those not needed stay NULL.
typedef struct scratch {
    float *dz, *x, *dx;
    lt_bf16 *half, *dz_half;
} scratch;

static lt_status block_backward(const linear_backward_args *p, const scratch *s, int64_t i,
                                int64_t m)
{
    const int64_t n = p->w.shape[0], k = p->w.shape[1];
    const bool bf16 = p->x.dtype == LT_BF16;
    lt_status status = LT_OK;
    const float *dz = s->dz ? s->dz : lt_f32(&p->dy) + i * n;
    if (s->dz) make_dz(p, s->dz, i, m, &status);
    LT_TRY(status);
    if (lt_present(&p->db)) add_columns(lt_f32(&p->db), dz, m, n);
    if (s->half) {  // one block holds all rows
        narrow(s->dz_half, dz, m * n);
        if (lt_present(&p->dw))
            LT_TRY(lt_dnn_matmul_bf16(true, false, n, k, m, s->dz_half, n, lt_data(&p->x), k,
                                      lt_f32(&p->dw), LT_F32, k));
        if (lt_present(&p->dx))
            LT_TRY(lt_dnn_matmul_bf16(false, false, m, k, n, s->dz_half, n, s->half, k,
                                      lt_data(&p->dx), LT_BF16, k));
        return LT_OK;
    }
    if (lt_present(&p->dw)) {
        if (bf16) {
#pragma omp parallel for num_threads(lt_team(m * k))
            for (int64_t r = 0; r < m; r++) wide_row(&p->x, i + r, k, s->x + r * k);
        }
        lt_sgemm(true, false, n, k, m, dz, n, bf16 ? s->x : lt_f32(&p->x) + i * k, k, i > 0,
                 lt_f32(&p->dw), k);
    }
    if (lt_present(&p->dx)) {
        float *dx = bf16 ? s->dx : lt_f32(&p->dx) + i * k;
        lt_sgemm(false, false, m, k, n, dz, n, lt_f32(&p->w), k, 0, dx, k);
        if (bf16) {
#pragma omp parallel for num_threads(lt_team(m * k))
            for (int64_t r = 0; r < m; r++) store_row(&p->dx, i + r, k, dx + r * k);
        }
    }
    return LT_OK;
}

static lt_status linear_backward_cpu(const void *args)
{
    const linear_backward_args *p = args;
    const int64_t n = p->w.shape[0], k = p->w.shape[1], rows = lt_numel(&p->x) / k;
    const bool bf16 = p->x.dtype == LT_BF16, fast = bf16 && lt_dnn_bf16_fast() && rows * n > 0;
    const bool want_dx = lt_present(&p->dx), want_dw = lt_present(&p->dw);
    const int64_t block = block_rows(rows, n > k ? n : k, !fast && (bf16 || p->act != LT_ACT_NONE));
    if (want_dw && rows * n == 0) memset(lt_f32(&p->dw), 0, n * k * sizeof(float));
    if (lt_present(&p->db)) memset(lt_f32(&p->db), 0, n * sizeof(float));
    if (rows * n == 0) return LT_OK;
    scratch s = {0};
    bool ok = true;
    if (bf16 || p->act) ok &= (s.dz = lt_alloc(block * n * 4)) != NULL;
    if (bf16 && !fast && want_dw) ok &= (s.x = lt_alloc(block * k * 4)) != NULL;
    if (bf16 && !fast && want_dx) ok &= (s.dx = lt_alloc(block * k * 4)) != NULL;
    if (fast) {
        ok &= (s.half = narrow_weight(&p->w)) != NULL;
        ok &= (s.dz_half = lt_alloc(block * n * 2)) != NULL;
    }
    lt_status status = ok ? LT_OK : LT_ERR_MEMORY;
    for (int64_t i = 0; i < rows && status == LT_OK; i += block)
        status = block_backward(p, &s, i, rows - i < block ? rows - i : block);
    lt_free(s.dz);
    lt_free(s.x);
    lt_free(s.dx);
    lt_free(s.half);
    lt_free(s.dz_half);
    return status;
}

LT_OP(linear_backward, "dx? dweight? dbias?; dy x weight saved?", linear_backward_check,
      linear_backward_cpu)

lt_status lt_linear_backward(lt_tensor *dx, lt_tensor *dweight, lt_tensor *dbias,
                             const lt_tensor *dy, const lt_tensor *x, const lt_tensor *weight,
                             const lt_tensor *saved, int32_t act)
{
    linear_backward_args args = {lt_optional(dx), lt_optional(dweight), lt_optional(dbias), *dy, *x,
                                 *weight, lt_optional(saved), act};
    return lt_run(&linear_backward_op, &args);
}
