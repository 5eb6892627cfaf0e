// matmul: matrix products over batches of strided matrices, and the linear layer with its bias,
// activation and gradients.
#include "cpu/blas.h"
#include "cpu/dnn.h"
#include "scalar/vmath.h"

enum { BATCH_DIMS = LT_MAX_DIMS - 2 };

// ---- matmul ------------------------------------------------------------------------------------
typedef struct { lt_tensor y, a, b; double beta; } matmul_args;

// One side of a product: matrices (rows, cols) over the batch dimensions of the broadcast shape.
// Row-major with leading dimension ld, or column-major where trans is set.
typedef struct operand {
    const char *data;
    float *packed;  // owned copy, where the tensor could not be used as it lies
    int64_t rows, cols, ld, size;
    int64_t stride[BATCH_DIMS];  // in elements
    bool trans;
} operand;

typedef struct product {
    operand a, b, y;
    int64_t m, n, k;
    int nb;
    int64_t batch[BATCH_DIMS];
    float beta;
    bool half;  // a and b are bf16 as they lie, y is what its size says
} product;

// Size of the tensor's batch dimension d of nb, counted in the broadcast shape.
static int64_t batch_size(const lt_tensor *t, int nb, int d)
{
    const int own = d - (nb - (t->ndim - 2));
    return own < 0 ? 1 : t->shape[own];
}

static int64_t batch_stride(const lt_tensor *t, int nb, int d)
{
    const int own = d - (nb - (t->ndim - 2));
    return own < 0 || t->shape[own] == 1 ? 0 : t->stride[own];
}

static int batch_dims(const matmul_args *p)
{
    int n = p->a.ndim > p->b.ndim ? p->a.ndim : p->b.ndim;
    if (p->y.ndim > n) n = p->y.ndim;
    return n - 2;
}

static lt_status matmul_check(const void *args)
{
    const matmul_args *p = args;
    const lt_tensor *y = &p->y, *a = &p->a, *b = &p->b;
    LT_REQUIRE(a->ndim >= 2 && b->ndim >= 2 && y->ndim >= 2, LT_ERR_ARGUMENT,
               "matmul: a is %s, b is %s: both need at least 2 dimensions", LT_SHAPE(a), LT_SHAPE(b));
    LT_TRY(lt_check_float("matmul", "a", a));
    LT_TRY(lt_check_dtype("matmul", "b", b, a->dtype));
    LT_REQUIRE(y->dtype == a->dtype || y->dtype == LT_F32, LT_ERR_ARGUMENT,
               "matmul: y is %s for %s operands", lt_dtype_name(y->dtype), lt_dtype_name(a->dtype));
    LT_REQUIRE(a->shape[a->ndim - 1] == b->shape[b->ndim - 2], LT_ERR_ARGUMENT,
               "matmul: a is %s, b is %s: the last dimension of a and the one before the last of b "
               "must agree", LT_SHAPE(a), LT_SHAPE(b));
    LT_REQUIRE(y->shape[y->ndim - 2] == a->shape[a->ndim - 2]
                   && y->shape[y->ndim - 1] == b->shape[b->ndim - 1],
               LT_ERR_ARGUMENT, "matmul: y is %s for a %s and b %s", LT_SHAPE(y), LT_SHAPE(a),
               LT_SHAPE(b));
    LT_REQUIRE(p->beta == 0 || y->dtype == LT_F32, LT_ERR_ARGUMENT,
               "matmul: only f32 results accumulate");
    LT_TRY(lt_check_contiguous("matmul", "y", y));
    for (int nb = batch_dims(p), d = 0; d < nb; d++) {
        const int64_t sa = batch_size(a, nb, d), sb = batch_size(b, nb, d), sy = batch_size(y, nb, d);
        const int64_t s = sa == 1 ? sb : sa;
        LT_REQUIRE((sa == s || sa == 1) && (sb == s || sb == 1) && (sy == s || sy == 1),
                   LT_ERR_ARGUMENT, "matmul: batch dimensions of a %s and b %s do not go together",
                   LT_SHAPE(a), LT_SHAPE(b));
    }
    return LT_OK;
}

// Can the matrices be handed to a BLAS as they lie?
static bool plain(const lt_tensor *t, bool *trans, int64_t *ld)
{
    const int64_t rows = t->shape[t->ndim - 2], cols = t->shape[t->ndim - 1];
    const int64_t sr = t->stride[t->ndim - 2], sc = t->stride[t->ndim - 1];
    if ((sc == 1 || cols == 1) && (sr >= cols || rows == 1)) {
        *trans = false;
        *ld = rows == 1 || sr < cols ? cols : sr;
        return true;
    }
    if ((sr == 1 || rows == 1) && (sc >= rows || cols == 1)) {
        *trans = true;
        *ld = cols == 1 || sc < rows ? rows : sc;
        return true;
    }
    return false;
}

// A contiguous f32 copy of all of the tensor's matrices, kept in the orientation they have.
static lt_status pack(operand *o, const lt_tensor *t, int nb)
{
    const bool trans = t->stride[t->ndim - 2] < t->stride[t->ndim - 1];
    const int64_t outer = trans ? o->cols : o->rows, inner = trans ? o->rows : o->cols;
    const int64_t so = t->stride[t->ndim - (trans ? 1 : 2)], si = t->stride[t->ndim - (trans ? 2 : 1)];
    int64_t count = 1;
    for (int d = nb - 1; d >= 0; d--) {
        const int64_t s = batch_size(t, nb, d);
        o->stride[d] = s == 1 ? 0 : count * outer * inner;
        count *= s;
    }
    o->packed = lt_alloc((count * outer * inner + 1) * (int64_t)sizeof(float));
    if (!o->packed) return LT_ERR_MEMORY;
    const int size = lt_dtype_size(t->dtype);
    const char *base = lt_data(t);
#pragma omp parallel for num_threads(lt_team(count * outer * inner))
    for (int64_t row = 0; row < count * outer; row++) {
        int64_t rest = row / outer, offset = (row % outer) * so;
        for (int d = nb - 1; d >= 0; d--) {
            const int64_t s = batch_size(t, nb, d);
            offset += (rest % s) * batch_stride(t, nb, d);
            rest /= s;
        }
        float *to = o->packed + row * inner;
        if (size == 2) {
            const lt_bf16 *from = (const lt_bf16 *)base + offset;
            for (int64_t i = 0; i < inner; i++) to[i] = lt_bf16_to_f32(from[i * si]);
        } else {
            const float *from = (const float *)base + offset;
            for (int64_t i = 0; i < inner; i++) to[i] = from[i * si];
        }
    }
    o->data = (const char *)o->packed;
    o->size = sizeof(float);
    o->trans = trans;
    o->ld = inner ? inner : 1;
    return LT_OK;
}

static lt_status make_operand(operand *o, const lt_tensor *t, int nb, bool convert)
{
    *o = (operand){.rows = t->shape[t->ndim - 2], .cols = t->shape[t->ndim - 1]};
    if (convert || !plain(t, &o->trans, &o->ld)) return pack(o, t, nb);
    o->data = lt_data(t);
    o->size = lt_dtype_size(t->dtype);
    for (int d = 0; d < nb; d++) o->stride[d] = batch_stride(t, nb, d);
    return LT_OK;
}

// Folds the innermost batch dimension into the rows of a and y (b the same for all of them), or into
// the summed dimension (y the same for all of them), where the memory allows it.
static void fold(product *p)
{
    while (p->nb > 0) {
        const int d = p->nb - 1;
        const int64_t s = p->batch[d];
        operand *a = &p->a, *b = &p->b, *y = &p->y;
        if (s == 1) {
            p->nb--;
        } else if (b->stride[d] == 0 && y->stride[d] != 0 && !a->trans
                   && a->stride[d] == p->m * a->ld && y->stride[d] == p->m * y->ld) {
            p->m *= s;
            p->nb--;
        } else if (y->stride[d] == 0 && a->trans && !b->trans && a->stride[d] == p->k * a->ld
                   && b->stride[d] == p->k * b->ld) {
            p->k *= s;
            p->nb--;
        } else {
            return;
        }
    }
}

static lt_status multiply(const product *p, const char *a, const char *b, char *y, float beta)
{
    if (p->half)
        return lt_dnn_matmul_bf16(p->a.trans, p->b.trans, p->m, p->n, p->k, (const lt_bf16 *)a,
                                  p->a.ld, (const lt_bf16 *)b, p->b.ld, y,
                                  p->y.size == 2 ? LT_BF16 : LT_F32, p->y.ld);
    lt_sgemm(p->a.trans, p->b.trans, p->m, p->n, p->k, (const float *)a, p->a.ld, (const float *)b,
             p->b.ld, beta, (float *)y, p->y.ld);
    return LT_OK;
}

// All contributions to the y of batch index `index`, counted over the batch dimensions that y has.
static lt_status one_result(const product *p, int64_t index)
{
    int64_t at_a = 0, at_b = 0, at_y = 0, sums = 1;
    for (int d = p->nb - 1; d >= 0; d--) {
        if (p->y.stride[d] == 0) {
            sums *= p->batch[d];
            continue;
        }
        const int64_t i = index % p->batch[d];
        index /= p->batch[d];
        at_a += i * p->a.stride[d];
        at_b += i * p->b.stride[d];
        at_y += i * p->y.stride[d];
    }
    for (int64_t j = 0; j < sums; j++) {
        int64_t rest = j, a = at_a, b = at_b;
        for (int d = p->nb - 1; d >= 0; d--) {
            if (p->y.stride[d] != 0) continue;
            const int64_t i = rest % p->batch[d];
            rest /= p->batch[d];
            a += i * p->a.stride[d];
            b += i * p->b.stride[d];
        }
        LT_TRY(multiply(p, p->a.data + a * p->a.size, p->b.data + b * p->b.size,
                        (char *)p->y.data + at_y * p->y.size, j == 0 ? p->beta : 1));
    }
    return LT_OK;
}

static lt_status run_product(const product *p)
{
    int64_t results = 1, sums = 1;
    for (int d = 0; d < p->nb; d++) {
        if (p->y.stride[d] == 0) sums *= p->batch[d];
        else results *= p->batch[d];
    }
    const int64_t work = p->m * p->n * p->k;
    const bool side_by_side = !p->half && results > 1 && work * sums < 4000000;
    if (!side_by_side) {
        for (int64_t i = 0; i < results; i++) LT_TRY(one_result(p, i));
        return LT_OK;
    }
#pragma omp parallel for num_threads(lt_team(work * sums * results / 16))
    for (int64_t i = 0; i < results; i++) one_result(p, i);
    return LT_OK;
}

// y <- the packed f32 result.
static void narrow(const lt_tensor *y, const float *from)
{
    lt_bf16 *to = lt_data(y);
    const int64_t n = lt_numel(y);
#pragma omp parallel for simd num_threads(lt_team(n))
    for (int64_t i = 0; i < n; i++) to[i] = lt_f32_to_bf16(from[i]);
}

static lt_status matmul_cpu(const void *args)
{
    const matmul_args *q = args;
    product p = {.nb = batch_dims(q), .beta = (float)q->beta};
    bool ignored_trans;
    int64_t ignored_ld;
    bool summed = false;
    if (lt_numel(&q->y) == 0) return LT_OK;
    for (int d = 0; d < p.nb; d++) {
        const int64_t sa = batch_size(&q->a, p.nb, d), sb = batch_size(&q->b, p.nb, d);
        p.batch[d] = sa == 1 ? sb : sa;
        summed |= batch_size(&q->y, p.nb, d) != p.batch[d];
        if (p.batch[d] == 0) return q->beta == 0 ? lt_fill((lt_tensor *)&q->y, 0) : LT_OK;
    }
    const bool bf16 = q->a.dtype == LT_BF16;
    p.half = bf16 && lt_dnn_bf16_fast() && !summed && q->beta == 0
             && q->a.shape[q->a.ndim - 1] > 0 && plain(&q->a, &ignored_trans, &ignored_ld)
             && plain(&q->b, &ignored_trans, &ignored_ld);
    const bool widen = bf16 && !p.half, narrow_y = widen && q->y.dtype == LT_BF16;
    lt_status status = make_operand(&p.a, &q->a, p.nb, widen);
    if (status == LT_OK) status = make_operand(&p.b, &q->b, p.nb, widen);
    if (status == LT_OK) status = make_operand(&p.y, &q->y, p.nb, false);
    float *wide = NULL;
    p.y.trans = false;
    p.y.ld = q->y.shape[q->y.ndim - 1];
    if (status == LT_OK && narrow_y) {
        wide = lt_alloc(lt_numel(&q->y) * (int64_t)sizeof(float));
        p.y.data = (const char *)wide;
        p.y.size = sizeof(float);
        if (!wide) status = LT_ERR_MEMORY;
    }
    if (status == LT_OK) {
        p.m = p.a.rows, p.n = p.b.cols, p.k = p.a.cols;
        fold(&p);
        status = run_product(&p);
        if (wide && status == LT_OK) narrow(&q->y, wide);
    }
    lt_free(wide);
    lt_free(p.a.packed);
    lt_free(p.b.packed);
    return status;
}

LT_OP(matmul, "y; a b", matmul_check, matmul_cpu)

lt_status lt_matmul(lt_tensor *y, const lt_tensor *a, const lt_tensor *b, double beta)
{
    matmul_args args = {*y, *a, *b, beta};
    return lt_run(&matmul_op, &args);
}
