// reduce_plan: which elements of x meet in which element of y (see reduce_plan.h).
#include "reduce_plan.h"

static bool gone(int32_t dims, int d) { return dims >> d & 1; }

// Dimension of y that holds x's dimension d, or -1; false where the shapes do not fit.
static bool match_dims(int *at, const lt_tensor *y, const lt_tensor *x, int32_t dims)
{
    int kept = 0;
    for (int d = 0; d < x->ndim; d++) kept += !gone(dims, d);
    bool keepdim = y->ndim == x->ndim;
    if (!keepdim && y->ndim != kept) return false;
    for (int d = 0, own = 0; d < x->ndim; d++) {
        if (gone(dims, d)) {
            if (keepdim && y->shape[own++] != 1) return false;
            at[d] = -1;
            continue;
        }
        if (y->shape[own] != x->shape[d]) return false;
        at[d] = own++;
    }
    return true;
}

lt_status reduce_check(const char *op, const lt_tensor *y, const lt_tensor *x, int32_t dims)
{
    int at[LT_MAX_DIMS];
    LT_REQUIRE(x->dtype != LT_F64 && x->dtype != LT_F16, LT_ERR_ARGUMENT,
               "%s: x is %s; wanted f32, bf16, an integer dtype or bool (cast it)", op,
               lt_dtype_name(x->dtype));
    LT_REQUIRE(match_dims(at, y, x, dims), LT_ERR_ARGUMENT, "%s: y is %s, which is not %s reduced",
               op, LT_SHAPE(y), LT_SHAPE(x));
    return LT_OK;
}

// Inserts a dimension so that strides fall.
static int insert(int64_t *shape, int64_t *sx, int64_t *sy, int n, int64_t size, int64_t x,
                  int64_t y)
{
    int i = n;
    for (; i > 0 && sx[i - 1] < x; i--) {
        shape[i] = shape[i - 1];
        sx[i] = sx[i - 1];
        sy[i] = sy[i - 1];
    }
    shape[i] = size;
    sx[i] = x;
    sy[i] = y;
    return n + 1;
}

// Joins neighbours that continue each other; adds a dimension of size 1 where there is none.
static int collapse(int64_t *shape, int64_t *sx, int64_t *sy, int n)
{
    if (n == 0) {
        shape[0] = 1;
        sx[0] = sy[0] = 0;
        return 1;
    }
    int last = 0;
    for (int d = 1; d < n; d++) {
        if (sx[last] == sx[d] * shape[d] && sy[last] == sy[d] * shape[d]) {
            shape[last] *= shape[d];
        } else {
            shape[++last] = shape[d];
        }
        sx[last] = sx[d];
        sy[last] = sy[d];
    }
    return last + 1;
}

reduce_plan reduce_plan_of(const lt_tensor *y, const lt_tensor *x, int32_t dims)
{
    reduce_plan p = {.outputs = 1, .count = 1};
    int at[LT_MAX_DIMS];
    int64_t none[LT_MAX_DIMS];
    match_dims(at, y, x, dims);
    for (int d = 0; d < x->ndim; d++) {
        int64_t size = x->shape[d];
        if (gone(dims, d)) p.count *= size; else p.outputs *= size;
        if (size == 1) continue;
        if (gone(dims, d)) {
            p.nr = insert(p.gone, p.rx, none, p.nr, size, x->stride[d], 0);
        } else {
            p.nk = insert(p.kept, p.kx, p.ky, p.nk, size, x->stride[d], y->stride[at[d]]);
        }
    }
    for (int d = 0; d < p.nr; d++) none[d] = 0;
    bool any_kept = p.nk > 0, any_gone = p.nr > 0;
    p.nk = collapse(p.kept, p.kx, p.ky, p.nk);
    p.nr = collapse(p.gone, p.rx, none, p.nr);
    p.columns = any_kept && any_gone && p.kx[p.nk - 1] < p.rx[p.nr - 1];
    return p;
}

static int64_t offset_of(const int64_t *shape, const int64_t *stride, int n, int64_t i)
{
    int64_t offset = 0;
    for (int d = n - 1; d > 0; d--) {
        offset += i % shape[d] * stride[d];
        i /= shape[d];
    }
    return offset + i * stride[0];
}

int64_t reduce_kept_x(const reduce_plan *p, int64_t k)
{
    return offset_of(p->kept, p->kx, p->nk, k);
}

int64_t reduce_kept_y(const reduce_plan *p, int64_t k)
{
    return offset_of(p->kept, p->ky, p->nk, k);
}

int64_t reduce_gone_x(const reduce_plan *p, int64_t r)
{
    return offset_of(p->gone, p->rx, p->nr, r);
}
