// copy: copies between layouts, casts between dtypes, fills.
#include "core/internal.h"

typedef struct { lt_tensor y, x; } copy_args;
typedef struct { lt_tensor y; double value, step; } fill_args;

// ---- rows: n elements, each side with its own step ---------------------------------------------
typedef void (*row_fn)(char *y, int64_t sy, const char *x, int64_t sx, int64_t n);

#define TO_BOOL(v) ((v) != 0)
#define ROW(name, TY, TX, LOAD, STORE) \
    static void name(char *yp, int64_t sy, const char *xp, int64_t sx, int64_t n) \
    { \
        TY *y = (TY *)yp; \
        const TX *x = (const TX *)xp; \
        if (sy == 1 && sx == 1) { \
            _Pragma("omp simd") for (int64_t i = 0; i < n; i++) y[i] = (TY)STORE(LOAD(x[i])); \
            return; \
        } \
        for (int64_t i = 0; i < n; i++) y[i * sy] = (TY)STORE(LOAD(x[i * sx])); \
    }
#define ROWS_TO(TAG, TY, STORE) \
    ROW(TAG##_from_f32, TY, float, , STORE) \
    ROW(TAG##_from_f64, TY, double, , STORE) \
    ROW(TAG##_from_bf16, TY, lt_bf16, lt_bf16_to_f32, STORE) \
    ROW(TAG##_from_f16, TY, lt_f16, lt_f16_to_f32, STORE) \
    ROW(TAG##_from_i64, TY, int64_t, , STORE) \
    ROW(TAG##_from_i32, TY, int32_t, , STORE) \
    ROW(TAG##_from_u8, TY, uint8_t, , STORE)
ROWS_TO(f32, float, )
ROWS_TO(f64, double, )
ROWS_TO(bf16, lt_bf16, lt_f32_to_bf16)
ROWS_TO(f16, lt_f16, lt_f32_to_f16)
ROWS_TO(i64, int64_t, )
ROWS_TO(i32, int32_t, )
ROWS_TO(u8, uint8_t, (int64_t))
ROWS_TO(bool, uint8_t, TO_BOOL)
#define ROW_LIST(TAG) \
    {TAG##_from_f32, TAG##_from_f64, TAG##_from_bf16, TAG##_from_f16, TAG##_from_i64, \
     TAG##_from_i32, TAG##_from_u8, TAG##_from_u8}

// [dtype of y][dtype of x], in the order of the LT_F32... enumeration.
static const row_fn rows[LT_DTYPES][LT_DTYPES] = {
    ROW_LIST(f32), ROW_LIST(f64), ROW_LIST(bf16), ROW_LIST(f16),
    ROW_LIST(i64), ROW_LIST(i32), ROW_LIST(u8),   ROW_LIST(bool),
};

// Same bytes: a plain move, whatever the type.
#define MOVE(name, T) \
    static void name(char *yp, int64_t sy, const char *xp, int64_t sx, int64_t n) \
    { \
        T *y = (T *)yp; \
        const T *x = (const T *)xp; \
        if (sy == 1 && sx == 1) memcpy(y, x, (size_t)n * sizeof(T)); \
        else if (sx == 0) \
            for (int64_t i = 0; i < n; i++) y[i * sy] = *x; \
        else \
            for (int64_t i = 0; i < n; i++) y[i * sy] = x[i * sx]; \
    }
MOVE(move1, uint8_t)
MOVE(move2, uint16_t)
MOVE(move4, uint32_t)
MOVE(move8, uint64_t)

static row_fn row_for(int32_t to, int32_t from)
{
    if (to != from) return rows[to][from];
    switch (lt_dtype_size(to)) {
    case 1: return move1;
    case 2: return move2;
    case 4: return move4;
    default: return move8;
    }
}

// ---- copy --------------------------------------------------------------------------------------
static lt_status copy_check(const void *p)
{
    const copy_args *a = p;
    LT_REQUIRE(a->x.ndim <= a->y.ndim, LT_ERR_ARGUMENT, "copy: x is %s, y is %s", LT_SHAPE(&a->x),
               LT_SHAPE(&a->y));
    int lead = a->y.ndim - a->x.ndim;
    for (int i = 0; i < a->x.ndim; i++)
        LT_REQUIRE(a->x.shape[i] == 1 || a->x.shape[i] == a->y.shape[lead + i], LT_ERR_ARGUMENT,
                   "copy: x %s does not broadcast to y %s", LT_SHAPE(&a->x), LT_SHAPE(&a->y));
    return LT_OK;
}

// Dimensions of the walk, sorted so that y is written in memory order and merged where both allow.
typedef struct { int n; int64_t shape[LT_MAX_DIMS], sy[LT_MAX_DIMS], sx[LT_MAX_DIMS]; } walk;

static walk plan_walk(const lt_tensor *y, const lt_tensor *x)
{
    walk w = {0};
    int lead = y->ndim - x->ndim;
    for (int i = 0; i < y->ndim; i++) {
        if (y->shape[i] == 1) continue;
        int64_t sx = i < lead || x->shape[i - lead] == 1 ? 0 : x->stride[i - lead];
        int at = w.n++;
        for (; at > 0 && w.sy[at - 1] < y->stride[i]; at--) {
            w.shape[at] = w.shape[at - 1];
            w.sy[at] = w.sy[at - 1];
            w.sx[at] = w.sx[at - 1];
        }
        w.shape[at] = y->shape[i];
        w.sy[at] = y->stride[i];
        w.sx[at] = sx;
    }
    int last = 0;
    for (int i = 1; i < w.n; i++) {
        if (w.sy[last] == w.sy[i] * w.shape[i] && w.sx[last] == w.sx[i] * w.shape[i]) {
            w.shape[last] *= w.shape[i];
        } else {
            last++;
            w.shape[last] = w.shape[i];
        }
        w.sy[last] = w.sy[i];
        w.sx[last] = w.sx[i];
    }
    if (w.n > 0) w.n = last + 1;
    else w = (walk){.n = 1, .shape = {1}, .sy = {1}, .sx = {1}};
    return w;
}

// A transpose in tiles: y runs along its rows while x runs along its columns, 4-byte elements.
static void transpose4(uint32_t *y, int64_t sy, const uint32_t *x, int64_t sx, int64_t rows_n,
                       int64_t cols)
{
    enum { TILE = 16 };
#pragma omp parallel for num_threads(lt_team(rows_n * cols))
    for (int64_t r0 = 0; r0 < rows_n; r0 += TILE)
        for (int64_t c0 = 0; c0 < cols; c0 += TILE) {
            int64_t r1 = r0 + TILE < rows_n ? r0 + TILE : rows_n;
            int64_t c1 = c0 + TILE < cols ? c0 + TILE : cols;
            for (int64_t r = r0; r < r1; r++)
                for (int64_t c = c0; c < c1; c++) y[r * sy + c] = x[c * sx + r];
        }
}

static lt_status copy_cpu(const void *p)
{
    const copy_args *a = p;
    int64_t total = lt_numel(&a->y);
    if (total == 0) return LT_OK;
    walk w = plan_walk(&a->y, &a->x);
    row_fn row = row_for(a->y.dtype, a->x.dtype);
    int64_t ey = lt_dtype_size(a->y.dtype), ex = lt_dtype_size(a->x.dtype);
    char *y = lt_data(&a->y);
    const char *x = lt_data(&a->x);
    if (w.n == 2 && ey == 4 && a->y.dtype == a->x.dtype && w.sy[1] == 1 && w.sx[0] == 1) {
        transpose4((uint32_t *)y, w.sy[0], (const uint32_t *)x, w.sx[1], w.shape[0], w.shape[1]);
        return LT_OK;
    }
    // One flat run is cut into pieces so that threads can share it.
    if (w.n == 1 && w.shape[0] >= 65536) {
        int64_t n = w.shape[0], piece = 16384;
#pragma omp parallel for num_threads(lt_team(n))
        for (int64_t i = 0; i < n; i += piece)
            row(y + i * w.sy[0] * ey, w.sy[0], x + i * w.sx[0] * ex, w.sx[0],
                i + piece < n ? piece : n - i);
        return LT_OK;
    }
    int last = w.n - 1;
    int64_t inner = w.shape[last], outer = total / inner;
#pragma omp parallel for num_threads(lt_team(total))
    for (int64_t o = 0; o < outer; o++) {
        int64_t rest = o, oy = 0, ox = 0;
        for (int d = last - 1; d >= 0; d--) {
            int64_t i = rest % w.shape[d];
            rest /= w.shape[d];
            oy += i * w.sy[d];
            ox += i * w.sx[d];
        }
        row(y + oy * ey, w.sy[last], x + ox * ex, w.sx[last], inner);
    }
    return LT_OK;
}

LT_OP(copy, "y; x", copy_check, copy_cpu)

lt_status lt_copy(lt_tensor *y, const lt_tensor *x)
{
    copy_args a = {*y, *x};
    return lt_run(&copy_op, &a);
}

// ---- fill --------------------------------------------------------------------------------------
// A fill is a copy from one element of the same dtype.
static lt_status fill_cpu(const void *p)
{
    const fill_args *a = p;
    double bits = 0;
    lt_storage one = {.data = (char *)&bits, .bytes = 8, .refs = 1};
    lt_tensor x = {.storage = &one, .dtype = a->y.dtype};
    LT_TRY(lt_tensor_set(&x, 0, a->value));
    copy_args c = {a->y, x};
    return copy_cpu(&c);
}

LT_OP(fill, "y;", NULL, fill_cpu)

lt_status lt_fill(lt_tensor *y, double value)
{
    fill_args a = {*y, value, 0};
    return lt_run(&fill_op, &a);
}

static lt_status arange_cpu(const void *p)
{
    const fill_args *a = p;
    lt_tensor y = a->y;
    int64_t n = lt_numel(&y);
    for (int64_t i = 0; i < n; i++)
        LT_TRY(lt_tensor_set(&y, i, a->value + (double)i * a->step));
    return LT_OK;
}

LT_OP(arange, "y;", NULL, arange_cpu)

lt_status lt_arange(lt_tensor *y, double start, double step)
{
    fill_args a = {*y, start, step};
    return lt_run(&arange_op, &a);
}
