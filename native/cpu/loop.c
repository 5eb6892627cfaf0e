// loop: the walker behind every elementwise operation (see loop.h).
#include "loop.h"

#include <omp.h>

static bool is_float(int32_t dtype) { return dtype == LT_F32 || dtype == LT_BF16; }
static bool is_integer(int32_t dtype)
{
    return dtype == LT_I64 || dtype == LT_I32 || dtype == LT_U8 || dtype == LT_BOOL;
}

// ---- rows of any dtype -------------------------------------------------------------------------
#define ROW(type, to_at, from_at, value) \
    { \
        const type *from_ = from; \
        if (stride == 1) { \
            _Pragma("omp simd") for (int64_t i = 0; i < n; i++) { \
                type v = from_[i]; \
                to_at = value; \
            } \
        } else if (stride == 0) { \
            type v = *from_; \
            _Pragma("omp simd") for (int64_t i = 0; i < n; i++) to_at = value; \
        } else { \
            for (int64_t i = 0; i < n; i++) { \
                type v = from_[i * stride]; \
                to_at = value; \
            } \
        } \
        break; \
    }

void lt_load_f32(float *to, const void *from, int32_t dtype, int64_t stride, int64_t n)
{
    switch (dtype) {
    case LT_F32: ROW(float, to[i], from_[i], v)
    case LT_F64: ROW(double, to[i], from_[i], (float)v)
    case LT_BF16: ROW(lt_bf16, to[i], from_[i], lt_bf16_to_f32(v))
    case LT_I64: ROW(int64_t, to[i], from_[i], (float)v)
    case LT_I32: ROW(int32_t, to[i], from_[i], (float)v)
    default: ROW(uint8_t, to[i], from_[i], (float)v)
    }
}

void lt_load_i64(int64_t *to, const void *from, int32_t dtype, int64_t stride, int64_t n)
{
    switch (dtype) {
    case LT_I64: ROW(int64_t, to[i], from_[i], v)
    case LT_I32: ROW(int32_t, to[i], from_[i], v)
    default: ROW(uint8_t, to[i], from_[i], v)
    }
}

#undef ROW
#define ROW(type, value) \
    { \
        type *to_ = to; \
        if (stride == 1) { \
            _Pragma("omp simd") for (int64_t i = 0; i < n; i++) to_[i] = (type)(value); \
        } else { \
            for (int64_t i = 0; i < n; i++) to_[i * stride] = (type)(value); \
        } \
        break; \
    }

void lt_store_f32(void *to, const float *from, int32_t dtype, int64_t stride, int64_t n)
{
    switch (dtype) {
    case LT_F32: ROW(float, from[i])
    case LT_F64: ROW(double, from[i])
    case LT_BF16: ROW(lt_bf16, lt_f32_to_bf16(from[i]))
    case LT_I64: ROW(int64_t, from[i])
    case LT_I32: ROW(int32_t, from[i])
    case LT_U8: ROW(uint8_t, (int32_t)from[i])
    default: ROW(uint8_t, from[i] != 0.f)
    }
}

void lt_store_i64(void *to, const int64_t *from, int32_t dtype, int64_t stride, int64_t n)
{
    switch (dtype) {
    case LT_I64: ROW(int64_t, from[i])
    case LT_I32: ROW(int32_t, from[i])
    case LT_U8: ROW(uint8_t, from[i])
    default: ROW(uint8_t, from[i] != 0)
    }
}

// ---- dimensions --------------------------------------------------------------------------------
// Stride of t along dimension d of a tensor with ndim dimensions, t being aligned to its right.
static int64_t broadcast_stride(const lt_tensor *t, int d, int ndim)
{
    int own = d - (ndim - t->ndim);
    if (!lt_present(t) || own < 0 || t->shape[own] == 1) return 0;
    return t->stride[own];
}

// Stable insertion sort of dimensions, largest stride of the first tensor first.
static void sort_dims(lt_walk *w)
{
    for (int i = 1; i < w->ndim; i++) {
        for (int j = i; j > 0 && w->stride[0][j - 1] < w->stride[0][j]; j--) {
            int64_t s = w->shape[j];
            w->shape[j] = w->shape[j - 1];
            w->shape[j - 1] = s;
            for (int a = 0; a < w->args; a++) {
                s = w->stride[a][j];
                w->stride[a][j] = w->stride[a][j - 1];
                w->stride[a][j - 1] = s;
            }
        }
    }
}

// True where dimension j can be walked as the continuation of dimension i in every tensor.
static bool joins(const lt_walk *w, int i, int j)
{
    for (int a = 0; a < w->args; a++) {
        if (w->stride[a][i] != w->stride[a][j] * w->shape[j]) return false;
    }
    return true;
}

void lt_walk_plan(lt_walk *w, int args, const lt_tensor *const *t)
{
    int ndim = t[0]->ndim;
    w->args = args;
    w->ndim = 0;
    for (int d = 0; d < ndim; d++) {
        if (t[0]->shape[d] == 1) continue;
        w->shape[w->ndim] = t[0]->shape[d];
        for (int a = 0; a < args; a++) w->stride[a][w->ndim] = broadcast_stride(t[a], d, ndim);
        w->ndim++;
    }
    sort_dims(w);
    int last = 0;
    for (int d = 1; d < w->ndim; d++) {
        if (joins(w, last, d)) {
            w->shape[last] *= w->shape[d];
        } else {
            last++;
            w->shape[last] = w->shape[d];
        }
        for (int a = 0; a < args; a++) w->stride[a][last] = w->stride[a][d];
    }
    if (w->ndim > 0) {
        w->ndim = last + 1;
        return;
    }
    w->ndim = 1;
    w->shape[0] = 1;
    for (int a = 0; a < args; a++) w->stride[a][0] = 1;
}

// ---- the walk ----------------------------------------------------------------------------------
typedef struct {
    const lt_map *map;
    const lt_walk *walk;
    bool integers;
    int size[LT_LOOP_ARGS];      // bytes of an element
    bool direct[LT_LOOP_ARGS];   // the row function may use the tensor's memory as it is
} job;

typedef struct {
    _Alignas(64) char block[LT_LOOP_ARGS][LT_LOOP_BLOCK * 8];
} scratch;

static void fill_scalar(const job *j, scratch *s, int a, int64_t n)
{
    double v = j->map->scalar;
    if (j->integers) {
        for (int64_t i = 0; i < n; i++) ((int64_t *)s->block[a])[i] = (int64_t)v;
    } else {
        for (int64_t i = 0; i < n; i++) ((float *)s->block[a])[i] = (float)v;
    }
}

static void load(const job *j, scratch *s, int a, const char *from, int64_t stride, int64_t n)
{
    int32_t dtype = j->map->t[a]->dtype;
    if (j->integers) {
        lt_load_i64((int64_t *)s->block[a], from, dtype, stride, n);
    } else {
        lt_load_f32((float *)s->block[a], from, dtype, stride, n);
    }
}

static void store(const job *j, scratch *s, int a, char *to, int64_t stride, int64_t n)
{
    int32_t dtype = j->map->t[a]->dtype;
    if (j->integers) {
        lt_store_i64(to, (int64_t *)s->block[a], dtype, stride, n);
    } else {
        lt_store_f32(to, (float *)s->block[a], dtype, stride, n);
    }
}

// One row of n elements whose first elements are at p.
static void row(const job *j, scratch *s, char *const *p, int64_t n)
{
    const lt_map *m = j->map;
    int inner = j->walk->ndim - 1;
    bool all_direct = true;
    for (int a = 0; a < m->args; a++) all_direct &= j->direct[a];
    int64_t step = all_direct ? n : LT_LOOP_BLOCK;
    for (int64_t at = 0; at < n; at += step) {
        int64_t count = n - at < step ? n - at : step;
        void *q[LT_LOOP_ARGS];
        for (int a = 0; a < m->args; a++) {
            int64_t stride = j->walk->stride[a][inner];
            char *here = p[a] ? p[a] + at * stride * j->size[a] : NULL;
            q[a] = j->direct[a] ? here : s->block[a];
            if (j->direct[a] || a < m->outs || !here) continue;
            if (stride != 0 || at == 0) load(j, s, a, here, stride, count);
        }
        if (j->integers) {
            m->i64(count, (int64_t *const *)q);
        } else {
            m->f32(count, (float *const *)q, m->k);
        }
        for (int a = 0; a < m->outs; a++) {
            int64_t stride = j->walk->stride[a][inner];
            if (!j->direct[a]) store(j, s, a, p[a] + at * stride * j->size[a], stride, count);
        }
    }
}

// Rows [begin, end) of the outer dimensions, elements [low, high) of the inner one.
static void rows(const job *j, int64_t begin, int64_t end, int64_t low, int64_t high)
{
    const lt_walk *w = j->walk;
    const int args = j->map->args, inner = w->ndim - 1;
    scratch s;
    int64_t index[LT_MAX_DIMS] = {0};
    char *p[LT_LOOP_ARGS];
    int64_t left = begin;
    for (int d = inner - 1; d >= 0; d--) {
        index[d] = left % w->shape[d];
        left /= w->shape[d];
    }
    for (int a = 0; a < args; a++) {
        if (!lt_present(j->map->t[a])) {
            p[a] = NULL;
            fill_scalar(j, &s, a, LT_LOOP_BLOCK);
            continue;
        }
        int64_t offset = low * w->stride[a][inner];
        for (int d = 0; d < inner; d++) offset += index[d] * w->stride[a][d];
        p[a] = (char *)lt_data(j->map->t[a]) + offset * j->size[a];
    }
    for (int64_t r = begin; r < end; r++) {
        row(j, &s, p, high - low);
        for (int d = inner - 1; d >= 0; d--) {
            bool carry = ++index[d] == w->shape[d];
            int64_t move = carry ? 1 - w->shape[d] : 1;
            for (int a = 0; a < args; a++) if (p[a]) p[a] += move * w->stride[a][d] * j->size[a];
            if (!carry) break;
            index[d] = 0;
        }
    }
}

static job plan_job(const lt_map *m, const lt_walk *w)
{
    job j = {.map = m, .walk = w, .integers = m->i64 && m->scalar == floor(m->scalar)};
    for (int a = 0; a < m->args; a++) {
        if (lt_present(m->t[a]) && !is_integer(m->t[a]->dtype)) j.integers = false;
    }
    int32_t own = j.integers ? LT_I64 : LT_F32;
    for (int a = 0; a < m->args; a++) {
        if (!lt_present(m->t[a])) continue;
        j.size[a] = lt_dtype_size(m->t[a]->dtype);
        j.direct[a] = m->t[a]->dtype == own && w->stride[a][w->ndim - 1] == 1;
    }
    return j;
}

lt_status lt_map_run(const lt_map *m)
{
    int64_t n = lt_numel(m->t[0]);
    if (n == 0) return LT_OK;
    lt_walk w;
    lt_walk_plan(&w, m->args, m->t);
    job j = plan_job(m, &w);
    int64_t inner = w.shape[w.ndim - 1], outer = n / inner;
    int team = lt_team(n * (m->cost ? m->cost : 1));
    if (team <= 1) {
        rows(&j, 0, outer, 0, inner);
        return LT_OK;
    }
    bool by_rows = outer >= 4 * team;
#pragma omp parallel num_threads(team)
    {
        int64_t t = omp_get_thread_num(), parts = omp_get_num_threads();
        if (by_rows) {
            rows(&j, outer * t / parts, outer * (t + 1) / parts, 0, inner);
        } else {
            int64_t low = (inner * t / parts) & ~(int64_t)63;
            int64_t high = t + 1 == parts ? inner : (inner * (t + 1) / parts) & ~(int64_t)63;
            if (low < high) rows(&j, 0, outer, low, high);
        }
    }
    return LT_OK;
}

// ---- checks ------------------------------------------------------------------------------------
// First and last byte that a tensor with elements can reach, from the start of its storage.
static void reach(const lt_tensor *t, int64_t *first, int64_t *last)
{
    int64_t low = t->offset, high = t->offset;
    for (int d = 0; d < t->ndim; d++) {
        int64_t move = (t->shape[d] - 1) * t->stride[d];
        if (move < 0) low += move; else high += move;
    }
    *first = low * lt_dtype_size(t->dtype);
    *last = (high + 1) * lt_dtype_size(t->dtype) - 1;
}

// True where a and b are boxes of one larger dense tensor and at least one dimension keeps them
// apart (the halves of a matrix's columns).
static bool boxes_apart(const lt_tensor *a, const lt_tensor *b)
{
    if (a->ndim != b->ndim || a->dtype != b->dtype) return false;
    int64_t at = a->offset, bt = b->offset, above = INT64_MAX;
    for (int done = 0; done < a->ndim; done++) {
        int64_t step = 0;
        int d = -1;
        for (int i = 0; i < a->ndim; i++) {
            if (a->stride[i] != b->stride[i]) return false;
            if (a->stride[i] < above && a->stride[i] > step) step = a->stride[d = i];
        }
        if (d < 0) return false;
        int64_t p = at / step, q = bt / step;
        bool nested = above == INT64_MAX || ((p + a->shape[d]) * step <= above &&
                                             (q + b->shape[d]) * step <= above);
        if (!nested) return false;
        if (p + a->shape[d] <= q || q + b->shape[d] <= p) return true;
        at %= step;
        bt %= step;
        above = step;
    }
    return false;
}

static bool shares_memory(const lt_tensor *a, const lt_tensor *b)
{
    if (!lt_overlap(a, b) || lt_numel(a) == 0 || lt_numel(b) == 0) return false;
    int64_t a0, a1, b0, b1;
    reach(a, &a0, &a1);
    reach(b, &b0, &b1);
    return a1 >= b0 && b1 >= a0 && !boxes_apart(a, b);
}

lt_status lt_map_check(const char *op, const lt_map *m, const char *const *names)
{
    const lt_tensor *y = m->t[0];
    for (int a = 0; a < m->args; a++) {
        const lt_tensor *t = m->t[a];
        if (!lt_present(t)) continue;
        LT_REQUIRE(is_float(t->dtype) || is_integer(t->dtype), LT_ERR_ARGUMENT,
                   "%s: %s is %s; wanted f32, bf16, an integer dtype or bool", op, names[a],
                   lt_dtype_name(t->dtype));
        if (a < m->outs) {
            LT_REQUIRE(lt_same_shape(t, y), LT_ERR_ARGUMENT, "%s: %s is %s, not %s like %s", op,
                       names[a], LT_SHAPE(t), LT_SHAPE(y), names[0]);
            for (int d = 0; d < t->ndim; d++) {
                LT_REQUIRE(t->stride[d] != 0 || t->shape[d] <= 1, LT_ERR_ARGUMENT,
                           "%s: %s is an expanded view and cannot be written to; clone it first",
                           op, names[a]);
            }
        }
        bool fits = t->ndim <= y->ndim;
        for (int d = 0; fits && d < t->ndim; d++) {
            int64_t size = t->shape[d], wanted = y->shape[d + y->ndim - t->ndim];
            fits = size == wanted || size == 1;
        }
        LT_REQUIRE(fits, LT_ERR_ARGUMENT, "%s: %s is %s, which does not broadcast to %s", op,
                   names[a], LT_SHAPE(t), LT_SHAPE(y));
        for (int b = 0; b < m->outs && b < a; b++) {
            const lt_tensor *out = m->t[b];
            bool same = t->offset == out->offset && t->dtype == out->dtype &&
                        lt_same_layout(t, out);
            LT_REQUIRE(same || !shares_memory(t, out), LT_ERR_ARGUMENT,
                       "%s: %s and %s share memory but are not the same view; clone one first", op,
                       names[b], names[a]);
        }
    }
    return LT_OK;
}
