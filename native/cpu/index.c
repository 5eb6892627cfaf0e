// index: elements and rows picked by whole numbers, and sums scattered back where they came from.
// Ids are i64, count from 0 and are checked: one out of range is an error that names it.
#include "loop.h"

#include <omp.h>

static lt_status check_index(const char *op, const lt_tensor *index)
{
    LT_TRY(lt_check_dtype(op, "index", index, LT_I64));
    return lt_check_contiguous(op, "index", index);
}

static lt_status check_range(const char *op, const lt_tensor *index, int64_t size)
{
    const int64_t *id = lt_i64(index);
    int64_t n = lt_numel(index);
    int32_t bad = 0;
#pragma omp simd reduction(|:bad)
    for (int64_t i = 0; i < n; i++) bad |= (id[i] < 0) | (id[i] >= size);
    for (int64_t i = 0; bad && i < n; i++) {
        LT_REQUIRE(id[i] >= 0 && id[i] < size, LT_ERR_ARGUMENT,
                   "%s: id %lld at element %lld of index is out of range; wanted 0 to %lld", op,
                   (long long)id[i], (long long)i + 1, (long long)size - 1);
    }
    return LT_OK;
}

static lt_status check_dim(const char *op, const lt_tensor *x, int32_t dim)
{
    LT_REQUIRE(dim >= 0 && dim < x->ndim, LT_ERR_ARGUMENT, "%s: dimension %d of %s", op, dim + 1,
               LT_SHAPE(x));
    return LT_OK;
}

// ---- gather, scatter_add -----------------------------------------------------------------------
// big: the tensor that is indexed, small: the one of index's shape.
typedef struct { lt_tensor big, small, index; int32_t dim; } gather_args;

static lt_status check_gather(const char *op, const gather_args *a)
{
    LT_TRY(check_index(op, &a->index));
    LT_TRY(lt_check_same_shape(op, "index", &a->index, "y", &a->small));
    LT_TRY(check_dim(op, &a->big, a->dim));
    LT_REQUIRE(a->index.ndim == a->big.ndim, LT_ERR_ARGUMENT, "%s: index is %s, x is %s; wanted as "
               "many dimensions", op, LT_SHAPE(&a->index), LT_SHAPE(&a->big));
    for (int d = 0; d < a->big.ndim; d++) {
        LT_REQUIRE(d == a->dim || a->index.shape[d] <= a->big.shape[d], LT_ERR_ARGUMENT,
                   "%s: index is %s, larger than x %s", op, LT_SHAPE(&a->index), LT_SHAPE(&a->big));
    }
    LT_REQUIRE(a->big.dtype == a->small.dtype, LT_ERR_ARGUMENT, "%s: x is %s, y is %s", op,
               lt_dtype_name(a->big.dtype), lt_dtype_name(a->small.dtype));
    return check_range(op, &a->index, a->big.shape[a->dim]);
}

// Offsets of row r (all dimensions but the last) in the indexed tensor, without `dim`, and in the
// other one.
static void row_offsets(const gather_args *a, int64_t r, int64_t *big, int64_t *small)
{
    *big = *small = 0;
    for (int d = a->index.ndim - 2; d >= 0; d--) {
        int64_t i = r % a->index.shape[d];
        r /= a->index.shape[d];
        if (d != a->dim) *big += i * a->big.stride[d];
        *small += i * a->small.stride[d];
    }
}

#define GATHER_ROW(T) \
    { \
        T *y = (T *)lt_data(&a->small) + to; \
        const T *x = (const T *)lt_data(&a->big) + from; \
        for (int64_t i = 0; i < n; i++) y[i * sy] = x[id[i] * step + i * sx]; \
        break; \
    }

static void gather_row(const gather_args *a, int64_t r, int64_t n)
{
    int last = a->index.ndim - 1;
    int64_t from, to, step = a->big.stride[a->dim], sy = a->small.stride[last];
    int64_t sx = a->dim == last ? 0 : a->big.stride[last];
    const int64_t *id = lt_i64(&a->index) + r * n;
    row_offsets(a, r, &from, &to);
    switch (lt_dtype_size(a->big.dtype)) {
    case 1: GATHER_ROW(uint8_t)
    case 2: GATHER_ROW(uint16_t)
    case 4: GATHER_ROW(uint32_t)
    default: GATHER_ROW(uint64_t)
    }
}

typedef struct { lt_tensor y, x, index; int32_t dim; } gather_call;

static lt_status gather_check(const void *p)
{
    const gather_call *g = p;
    gather_args a = {g->x, g->y, g->index, g->dim};
    return check_gather("gather", &a);
}

static lt_status gather_cpu(const void *p)
{
    const gather_call *g = p;
    gather_args a = {g->x, g->y, g->index, g->dim};
    int64_t total = lt_numel(&a.index), n = a.index.shape[a.index.ndim - 1];
    if (total == 0) return LT_OK;
#pragma omp parallel for num_threads(lt_team(total * 2))
    for (int64_t r = 0; r < total / n; r++) gather_row(&a, r, n);
    return LT_OK;
}

LT_OP(gather, "y; x index", gather_check, gather_cpu)

lt_status lt_gather(lt_tensor *y, const lt_tensor *x, const lt_tensor *index, int32_t dim)
{
    gather_call a = {*y, *x, *index, dim};
    return lt_run(&gather_op, &a);
}

typedef struct { lt_tensor y, index, source; int32_t dim; } scatter_args;

static lt_status scatter_add_check(const void *p)
{
    const scatter_args *s = p;
    gather_args a = {s->y, s->source, s->index, s->dim};
    LT_TRY(lt_check_dtype("scatter_add", "y", &s->y, LT_F32));
    return check_gather("scatter_add", &a);
}

// Rows that lead to different elements of y may run side by side: all of them where the last
// dimension is indexed, else none.
static lt_status scatter_add_cpu(const void *p)
{
    const scatter_args *s = p;
    gather_args a = {s->y, s->source, s->index, s->dim};
    int last = a.index.ndim - 1;
    int64_t total = lt_numel(&a.index), n = a.index.shape[last];
    if (total == 0) return LT_OK;
    int64_t step = a.big.stride[a.dim], ss = a.small.stride[last];
    int64_t sy = a.dim == last ? 0 : a.big.stride[last];
#pragma omp parallel for num_threads(a.dim == last ? lt_team(total * 4) : 1)
    for (int64_t r = 0; r < total / n; r++) {
        int64_t to, from;
        row_offsets(&a, r, &to, &from);
        const int64_t *id = lt_i64(&a.index) + r * n;
        const float *x = lt_f32(&a.small) + from;
        float *y = lt_f32(&a.big) + to;
        for (int64_t i = 0; i < n; i++) y[id[i] * step + i * sy] += x[i * ss];
    }
    return LT_OK;
}

LT_OP(scatter_add, "y; index source", scatter_add_check, scatter_add_cpu)

lt_status lt_scatter_add(lt_tensor *y, const lt_tensor *index, const lt_tensor *source, int32_t dim)
{
    scatter_args a = {*y, *index, *source, dim};
    return lt_run(&scatter_add_op, &a);
}

// ---- index_select, index_add: whole slices along a dimension -----------------------------------
// All tensors row-major, seen as (outer, size along dim, inner).
typedef struct { lt_tensor y, x, index; int32_t dim; int64_t skip; } select_args;

static void three_sizes(const lt_tensor *t, int32_t dim, int64_t *outer, int64_t *inner)
{
    *outer = *inner = 1;
    for (int d = 0; d < dim; d++) *outer *= t->shape[d];
    for (int d = dim + 1; d < t->ndim; d++) *inner *= t->shape[d];
}

// many has numel(index) slices along dim (index may have several dimensions), few is what is
// indexed.
static lt_status check_select(const char *op, const lt_tensor *many, const lt_tensor *few,
                              const lt_tensor *index, int32_t dim)
{
    LT_TRY(check_index(op, index));
    LT_TRY(check_dim(op, few, dim));
    LT_TRY(lt_check_contiguous(op, "x", few));
    LT_TRY(lt_check_contiguous(op, "y", many));
    bool fits = many->dtype == few->dtype && many->ndim == few->ndim - 1 + index->ndim;
    for (int d = 0; fits && d < many->ndim; d++) {
        int64_t wanted = d < dim                 ? few->shape[d]
                         : d < dim + index->ndim ? index->shape[d - dim]
                                                 : few->shape[d - index->ndim + 1];
        fits = many->shape[d] == wanted;
    }
    LT_REQUIRE(fits, LT_ERR_ARGUMENT, "%s: slices %s of %s by index %s", op, LT_SHAPE(many),
               LT_SHAPE(few), LT_SHAPE(index));
    return check_range(op, index, few->shape[dim]);
}

static lt_status index_select_check(const void *p)
{
    const select_args *a = p;
    return check_select("index_select", &a->y, &a->x, &a->index, a->dim);
}

static lt_status index_select_cpu(const void *p)
{
    const select_args *a = p;
    int64_t outer, inner, n = lt_numel(&a->index), size = a->x.shape[a->dim];
    three_sizes(&a->x, a->dim, &outer, &inner);
    int64_t bytes = inner * lt_dtype_size(a->x.dtype);
    const int64_t *id = lt_i64(&a->index);
    char *y = lt_data(&a->y);
    const char *x = lt_data(&a->x);
#pragma omp parallel for num_threads(lt_team(outer * n * inner))
    for (int64_t i = 0; i < outer * n; i++) {
        const char *from = x + (i / n * size + id[i % n]) * bytes;
        if (bytes == 4) memcpy(y + i * 4, from, 4);
        else memcpy(y + i * bytes, from, (size_t)bytes);
    }
    return LT_OK;
}

LT_OP(index_select, "y; x index", index_select_check, index_select_cpu)

lt_status lt_index_select(lt_tensor *y, const lt_tensor *x, const lt_tensor *index, int32_t dim)
{
    select_args a = {*y, *x, *index, dim, -1};
    return lt_run(&index_select_op, &a);
}

static lt_status index_add_check(const void *p)
{
    const select_args *a = p;
    LT_TRY(lt_check_dtype("index_add", "y", &a->y, LT_F32));
    return check_select("index_add", &a->x, &a->y, &a->index, a->dim);
}

static void add_slice(const select_args *a, int64_t i, int64_t n, int64_t size, int64_t inner)
{
    int64_t to = lt_i64(&a->index)[i % n];
    if (to == a->skip) return;
    float *y = lt_f32(&a->y) + (i / n * size + to) * inner;
    const float *x = lt_f32(&a->x) + i * inner;
#pragma omp simd
    for (int64_t j = 0; j < inner; j++) y[j] += x[j];
}

// Slices of y are dealt to threads, by what lies outside dim where there is enough of it, else by id: sums
// have one writer and one order.
static lt_status index_add_cpu(const void *p)
{
    const select_args *a = p;
    int64_t outer, inner, n = lt_numel(&a->index), size = a->y.shape[a->dim];
    three_sizes(&a->y, a->dim, &outer, &inner);
    int team = lt_team(outer * n * inner);
    if (outer >= 4 * team) {
#pragma omp parallel for num_threads(team)
        for (int64_t o = 0; o < outer; o++)
            for (int64_t i = 0; i < n; i++) add_slice(a, o * n + i, n, size, inner);
        return LT_OK;
    }
    const int64_t *id = lt_i64(&a->index);
#pragma omp parallel num_threads(team)
    {
        int64_t t = omp_get_thread_num(), parts = omp_get_num_threads();
        for (int64_t i = 0; i < outer * n; i++)
            if (id[i % n] % parts == t) add_slice(a, i, n, size, inner);
    }
    return LT_OK;
}

LT_OP(index_add, "y; source index", index_add_check, index_add_cpu)

lt_status lt_index_add(lt_tensor *y, const lt_tensor *source, const lt_tensor *index, int32_t dim,
                       int64_t skip)
{
    select_args a = {*y, *source, *index, dim, skip};
    return lt_run(&index_add_op, &a);
}

// ---- masked_select, nonzero: as many results as there are true elements ------------------------
typedef struct { lt_tensor y, x, mask; } masked_args;

static lt_status masked_check(const char *op, const masked_args *a)
{
    LT_TRY(lt_check_dtype(op, "mask", &a->mask, LT_BOOL));
    LT_TRY(lt_check_contiguous(op, "mask", &a->mask));
    LT_TRY(lt_check_contiguous(op, "x", &a->x));
    LT_TRY(lt_check_contiguous(op, "y", &a->y));
    LT_REQUIRE(a->x.dtype == a->y.dtype, LT_ERR_ARGUMENT, "%s: x is %s, y is %s", op,
               lt_dtype_name(a->x.dtype), lt_dtype_name(a->y.dtype));
    return LT_OK;
}

static int64_t count_true(const lt_tensor *mask)
{
    const uint8_t *m = lt_data(mask);
    int64_t n = lt_numel(mask), count = 0;
#pragma omp simd reduction(+:count)
    for (int64_t i = 0; i < n; i++) count += m[i] != 0;
    return count;
}

static lt_status masked_select_check(const void *p)
{
    const masked_args *a = p;
    LT_TRY(masked_check("masked_select", a));
    LT_TRY(lt_check_same_shape("masked_select", "mask", &a->mask, "x", &a->x));
    LT_REQUIRE(a->y.ndim == 1 && a->y.shape[0] == count_true(&a->mask), LT_ERR_ARGUMENT,
               "masked_select: y is %s, mask has %lld true elements", LT_SHAPE(&a->y),
               (long long)count_true(&a->mask));
    return LT_OK;
}

static lt_status masked_select_cpu(const void *p)
{
    const masked_args *a = p;
    const uint8_t *m = lt_data(&a->mask);
    int64_t n = lt_numel(&a->mask), size = lt_dtype_size(a->x.dtype);
    char *y = lt_data(&a->y);
    const char *x = lt_data(&a->x);
    for (int64_t i = 0; i < n; i++) {
        if (!m[i]) continue;
        memcpy(y, x + i * size, (size_t)size);
        y += size;
    }
    return LT_OK;
}

LT_OP(masked_select, "y; x mask", masked_select_check, masked_select_cpu)

lt_status lt_masked_select(lt_tensor *y, const lt_tensor *x, const lt_tensor *mask)
{
    masked_args a = {*y, *x, *mask};
    return lt_run(&masked_select_op, &a);
}

static lt_status masked_scatter_check(const void *p)
{
    const masked_args *a = p;
    LT_TRY(masked_check("masked_scatter", a));
    LT_TRY(lt_check_same_shape("masked_scatter", "mask", &a->mask, "y", &a->y));
    LT_REQUIRE(lt_numel(&a->x) >= count_true(&a->mask), LT_ERR_ARGUMENT,
               "masked_scatter: source has %lld elements, mask has %lld true ones",
               (long long)lt_numel(&a->x), (long long)count_true(&a->mask));
    return LT_OK;
}

static lt_status masked_scatter_cpu(const void *p)
{
    const masked_args *a = p;
    const uint8_t *m = lt_data(&a->mask);
    int64_t n = lt_numel(&a->mask), size = lt_dtype_size(a->x.dtype);
    char *y = lt_data(&a->y);
    const char *x = lt_data(&a->x);
    for (int64_t i = 0; i < n; i++) {
        if (!m[i]) continue;
        memcpy(y + i * size, x, (size_t)size);
        x += size;
    }
    return LT_OK;
}

LT_OP(masked_scatter, "y; source mask", masked_scatter_check, masked_scatter_cpu)

lt_status lt_masked_scatter(lt_tensor *y, const lt_tensor *source, const lt_tensor *mask)
{
    masked_args a = {*y, *source, *mask};
    return lt_run(&masked_scatter_op, &a);
}

typedef struct { lt_tensor y, mask; } nonzero_args;

static lt_status nonzero_check(const void *p)
{
    const nonzero_args *a = p;
    LT_TRY(lt_check_dtype("nonzero", "mask", &a->mask, LT_BOOL));
    LT_TRY(lt_check_contiguous("nonzero", "mask", &a->mask));
    LT_TRY(lt_check_dtype("nonzero", "y", &a->y, LT_I64));
    LT_TRY(lt_check_contiguous("nonzero", "y", &a->y));
    LT_REQUIRE(a->y.ndim == 2 && a->y.shape[0] == count_true(&a->mask) &&
               a->y.shape[1] == a->mask.ndim, LT_ERR_ARGUMENT,
               "nonzero: y is %s; wanted (%lld, %d)", LT_SHAPE(&a->y),
               (long long)count_true(&a->mask), a->mask.ndim);
    return LT_OK;
}

static lt_status nonzero_cpu(const void *p)
{
    const nonzero_args *a = p;
    const uint8_t *m = lt_data(&a->mask);
    int64_t n = lt_numel(&a->mask), *y = lt_i64(&a->y);
    int ndim = a->mask.ndim;
    for (int64_t i = 0; i < n; i++) {
        if (!m[i]) continue;
        int64_t rest = i;
        for (int d = ndim - 1; d >= 0; d--) {
            y[d] = rest % a->mask.shape[d];
            rest /= a->mask.shape[d];
        }
        y += ndim;
    }
    return LT_OK;
}

LT_OP(nonzero, "y; mask", nonzero_check, nonzero_cpu)

lt_status lt_nonzero(lt_tensor *y, const lt_tensor *mask)
{
    nonzero_args a = {*y, *mask};
    return lt_run(&nonzero_op, &a);
}
