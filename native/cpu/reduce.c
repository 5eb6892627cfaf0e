// reduce: sums, means, extremes and norms over any dimensions.
//
// A fold maps each element by g(x, p), p being a number for each output (a mean, a maximum), and
// combines the results by + * max or min. Where the reduced elements are neighbours in memory, runs
// are folded in f32 lanes, 256 elements at a time, and the parts in double; where the outputs are
// neighbours (columns: bias gradients, channels-last statistics), four rows at a time are folded
// in f32 and added to a double for each column. Partial results of threads are combined in order,
// so that results depend on the number of threads but not on their timing.
#include "reduce_plan.h"

#include <omp.h>

#include "../scalar/vmath.h"

enum { RUN = 256, ROWS = 4 };

typedef struct fold {
    double start;
    double (*combine)(double a, double b);
    double (*run)(const float *x, int64_t n, float p);
    void (*column)(double *acc, const float *x, int64_t n, const float *p);
    void (*columns)(double *acc, const float *const *x, int64_t n, const float *p);
    int64_t (*whole)(int64_t acc, int64_t x);  // the same for integers
    int cost;
} fold;

static double combine_sum(double a, double b) { return a + b; }
static double combine_product(double a, double b) { return a * b; }
static double combine_max(double a, double b) { return a > b || a != a ? a : b; }
static double combine_min(double a, double b) { return a < b || a != a ? a : b; }

// JOIN combines two floats, JOIN_WIDE a double and a float.
#define FOLD_COLUMNS(id, JOIN, JOIN_WIDE, g) \
    static inline float id##_map(float x, float p) \
    { \
        (void)p; \
        return (g); \
    } \
    static void id##_column(double *acc, const float *x, int64_t n, const float *p) \
    { \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++) { \
            float v = id##_map(x[i], p[i]); \
            acc[i] = JOIN_WIDE(acc[i], (double)v); \
        } \
    } \
    static void id##_columns(double *acc, const float *const *x, int64_t n, const float *p) \
    { \
        const float *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3]; \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++) { \
            float a = JOIN(id##_map(x0[i], p[i]), id##_map(x1[i], p[i])); \
            float b = JOIN(id##_map(x2[i], p[i]), id##_map(x3[i], p[i])); \
            float v = JOIN(a, b); \
            acc[i] = JOIN_WIDE(acc[i], (double)v); \
        } \
    }

#define PRAGMA(text) _Pragma(#text)
#define ADD(a, b) ((a) + (b))
#define MULTIPLY(a, b) ((a) * (b))
#define MAX(a, b) ((a) > (b) || (a) != (a) ? (a) : (b))
#define MIN(a, b) ((a) < (b) || (a) != (a) ? (a) : (b))

// Sums and products: four independent accumulators hide the latency of addition.
#define FOLD_SUM(id, JOIN, sign, zero, g) \
    FOLD_COLUMNS(id, JOIN, JOIN, g) \
    static double id##_run(const float *x, int64_t n, float p) \
    { \
        float a = zero, b = zero, c = zero, d = zero; \
        int64_t quarter = n / 4; \
        PRAGMA(omp simd reduction(sign:a,b,c,d)) \
        for (int64_t i = 0; i < quarter; i++) { \
            a = JOIN(a, id##_map(x[i], p)); \
            b = JOIN(b, id##_map(x[i + quarter], p)); \
            c = JOIN(c, id##_map(x[i + 2 * quarter], p)); \
            d = JOIN(d, id##_map(x[i + 3 * quarter], p)); \
        } \
        for (int64_t i = 4 * quarter; i < n; i++) a = JOIN(a, id##_map(x[i], p)); \
        return JOIN(JOIN((double)a, (double)b), JOIN((double)c, (double)d)); \
    }

// Extremes: NaN is looked for apart, because comparisons in lanes lose it.
#define FOLD_EXTREME(id, JOIN, name, relation, zero, g) \
    FOLD_COLUMNS(id, JOIN, JOIN, g) \
    static double id##_run(const float *x, int64_t n, float p) \
    { \
        float a = zero; \
        int32_t nan = 0; \
        PRAGMA(omp simd reduction(name:a) reduction(|:nan)) \
        for (int64_t i = 0; i < n; i++) { \
            float v = id##_map(x[i], p); \
            a = v relation a ? v : a; \
            nan |= v != v; \
        } \
        return nan ? NAN : (double)a; \
    }

static int64_t whole_sum(int64_t a, int64_t x) { return (int64_t)((uint64_t)a + (uint64_t)x); }
static int64_t whole_product(int64_t a, int64_t x) { return (int64_t)((uint64_t)a * (uint64_t)x); }
static int64_t whole_max(int64_t a, int64_t x) { return x > a ? x : a; }
static int64_t whole_min(int64_t a, int64_t x) { return x < a ? x : a; }
static int64_t whole_nonzero(int64_t a, int64_t x) { return a + (x != 0); }
static int64_t whole_zero(int64_t a, int64_t x) { return a + (x == 0); }

FOLD_SUM(sum, ADD, +, 0.f, x)
FOLD_SUM(sum_abs, ADD, +, 0.f, vm_abs(x))
FOLD_SUM(sum_square, ADD, +, 0.f, x * x)
FOLD_SUM(sum_apart, ADD, +, 0.f, (x - p) * (x - p))
FOLD_SUM(sum_exp, ADD, +, 0.f, vm_exp(x - p))
FOLD_SUM(nonzero, ADD, +, 0.f, x != 0.f ? 1.f : 0.f)
FOLD_SUM(zero, ADD, +, 0.f, x == 0.f ? 1.f : 0.f)
FOLD_SUM(product, MULTIPLY, *, 1.f, x)
FOLD_EXTREME(max, MAX, max, >, -INFINITY, x)
FOLD_EXTREME(max_abs, MAX, max, >, 0.f, vm_abs(x))
FOLD_EXTREME(min, MIN, min, <, INFINITY, x)

#define FOLD(id, start, how, whole, cost) \
    static const fold fold_##id = {start, combine_##how, id##_run, id##_column, id##_columns, \
                                   whole, cost};
FOLD(sum, 0, sum, whole_sum, 1)
FOLD(sum_abs, 0, sum, NULL, 1)
FOLD(sum_square, 0, sum, NULL, 1)
FOLD(sum_apart, 0, sum, NULL, 1)
FOLD(sum_exp, 0, sum, NULL, 4)
FOLD(nonzero, 0, sum, whole_nonzero, 1)
FOLD(zero, 0, sum, whole_zero, 1)
FOLD(product, 1, product, whole_product, 1)
FOLD(max, -INFINITY, max, whole_max, 1)
FOLD(max_abs, 0, max, NULL, 1)
FOLD(min, INFINITY, min, whole_min, 1)

// ---- one output: runs --------------------------------------------------------------------------
typedef struct { const reduce_plan *plan; const lt_tensor *x; const fold *f; } reduction;

static double fold_long(const fold *f, double acc, const float *x, int64_t n, float p)
{
    for (int64_t i = 0; i < n; i += RUN) {
        acc = f->combine(acc, f->run(x + i, n - i < RUN ? n - i : RUN, p));
    }
    return acc;
}

// Elements [begin, end) of what is reduced into the output whose elements start at `from`.
static double fold_output(const reduction *r, const char *from, int64_t begin, int64_t end, float p)
{
    const reduce_plan *plan = r->plan;
    int64_t inner = plan->gone[plan->nr - 1], stride = plan->rx[plan->nr - 1];
    int32_t dtype = r->x->dtype, size = lt_dtype_size(dtype);
    double acc = r->f->start;
    if (plan->nr == 1 && stride == 1 && dtype == LT_F32) {
        return fold_long(r->f, acc, (const float *)from + begin, end - begin, p);
    }
    float buf[RUN];
    int64_t filled = 0;
    for (int64_t at = begin; at < end;) {
        int64_t n = inner - at % inner;
        if (n > end - at) n = end - at;
        const char *here = from + reduce_gone_x(plan, at) * size;
        if (dtype == LT_F32 && stride == 1 && n >= 64) {
            acc = fold_long(r->f, acc, (const float *)here, n, p);
        } else {
            if (n > RUN - filled) n = RUN - filled;
            lt_load_f32(buf + filled, here, dtype, stride, n);
            filled += n;
            if (filled == RUN) {
                acc = fold_long(r->f, acc, buf, filled, p);
                filled = 0;
            }
        }
        at += n;
    }
    return filled ? fold_long(r->f, acc, buf, filled, p) : acc;
}

// ---- neighbouring outputs: columns -------------------------------------------------------------
static void fold_columns(const reduction *r, double *acc, const char *from, int64_t n,
                         int64_t begin, int64_t end, const float *p)
{
    const reduce_plan *plan = r->plan;
    int64_t stride = plan->kx[plan->nk - 1];
    int32_t dtype = r->x->dtype, size = lt_dtype_size(dtype);
    bool direct = dtype == LT_F32 && stride == 1;
    float buf[ROWS][REDUCE_BLOCK];
    const float *rows[ROWS];
    int64_t inner = plan->gone[plan->nr - 1], step = plan->rx[plan->nr - 1];
    for (int64_t i = 0; i < n; i++) acc[i] = r->f->start;
    int filled = 0;
    const char *here = NULL;
    for (int64_t at = begin; at < end; at++) {
        here = here && at % inner ? here + step * size : from + reduce_gone_x(plan, at) * size;
        if (direct) {
            rows[filled] = (const float *)here;
        } else {
            lt_load_f32(buf[filled], here, dtype, stride, n);
            rows[filled] = buf[filled];
        }
        if (++filled == ROWS) {
            r->f->columns(acc, rows, n, p);
            filled = 0;
        }
    }
    for (int i = 0; i < filled; i++) r->f->column(acc, rows[i], n, p);
}

// Outputs [first, last), over elements [begin, end) of each; acc and p are indexed from 0.
static void fold_part(const reduction *r, double *acc, const double *p, int64_t first, int64_t last,
                      int64_t begin, int64_t end)
{
    const reduce_plan *plan = r->plan;
    int64_t inner = plan->kept[plan->nk - 1], step = plan->kx[plan->nk - 1];
    int32_t size = lt_dtype_size(r->x->dtype);
    const char *x = lt_data(r->x);
    for (int64_t k = first; k < last;) {
        int64_t n = inner - k % inner;
        if (n > last - k) n = last - k;
        if (n > REDUCE_BLOCK) n = REDUCE_BLOCK;
        const char *from = x + reduce_kept_x(plan, k) * size;
        float ps[REDUCE_BLOCK];
        for (int64_t i = 0; i < n; i++) ps[i] = p ? (float)p[k + i] : 0.f;
        if (plan->columns) {
            fold_columns(r, acc + k, from, n, begin, end, ps);
        } else {
            for (int64_t i = 0; i < n; i++) {
                acc[k + i] = fold_output(r, from + i * step * size, begin, end, ps[i]);
            }
        }
        k += n;
    }
}

// acc[k] <- fold of output k, for all outputs.
static lt_status fold_all(const reduction *r, double *acc, const double *p)
{
    const reduce_plan *plan = r->plan;
    int64_t outputs = plan->outputs, count = plan->count;
    if (outputs == 0) return LT_OK;
    int team = lt_team(outputs * count * r->f->cost);
    bool by_output = outputs >= (plan->columns ? 256 : 4) * (int64_t)team;
    if (team <= 1) {
        fold_part(r, acc, p, 0, outputs, 0, count);
        return LT_OK;
    }
    if (by_output) {
#pragma omp parallel num_threads(team)
        {
            int64_t t = omp_get_thread_num(), parts = omp_get_num_threads();
            int64_t first = outputs * t / parts, last = outputs * (t + 1) / parts;
            if (plan->columns && t > 0) first &= ~(int64_t)15;
            if (plan->columns && t + 1 < parts) last &= ~(int64_t)15;
            fold_part(r, acc, p, first, last, 0, count);
        }
        return LT_OK;
    }
    double *parts_acc = lt_alloc(outputs * team * (int64_t)sizeof *parts_acc);
    if (!parts_acc) return LT_ERR_MEMORY;
#pragma omp parallel num_threads(team)
    {
        int64_t t = omp_get_thread_num(), parts = omp_get_num_threads();
        double *mine = parts_acc + t * outputs;
        fold_part(r, mine, p, 0, outputs, count * t / parts, count * (t + 1) / parts);
        for (int64_t other = parts; t == 0 && other < team; other++) {
            for (int64_t k = 0; k < outputs; k++) parts_acc[other * outputs + k] = r->f->start;
        }
    }
    for (int64_t k = 0; k < outputs; k++) {
        acc[k] = parts_acc[k];
        for (int t = 1; t < team; t++) acc[k] = r->f->combine(acc[k], parts_acc[t * outputs + k]);
    }
    lt_free(parts_acc);
    return LT_OK;
}

// ---- integers ----------------------------------------------------------------------------------
static bool is_whole(const lt_tensor *x)
{
    return x->dtype == LT_I64 || x->dtype == LT_I32 || x->dtype == LT_U8 || x->dtype == LT_BOOL;
}

static int64_t whole_start(const fold *f)
{
    return f == &fold_max ? INT64_MIN : f == &fold_min ? INT64_MAX : (int64_t)f->start;
}

static void fold_whole(const reduction *r, int64_t *acc)
{
    const reduce_plan *plan = r->plan;
    int64_t inner = plan->gone[plan->nr - 1], stride = plan->rx[plan->nr - 1];
    int32_t size = lt_dtype_size(r->x->dtype);
#pragma omp parallel for num_threads(lt_team(plan->outputs * plan->count))
    for (int64_t k = 0; k < plan->outputs; k++) {
        const char *from = (const char *)lt_data(r->x) + reduce_kept_x(plan, k) * size;
        int64_t a = whole_start(r->f), buf[LT_LOOP_BLOCK];
        for (int64_t at = 0; at < plan->count;) {
            int64_t n = inner - at % inner;
            if (n > LT_LOOP_BLOCK) n = LT_LOOP_BLOCK;
            lt_load_i64(buf, from + reduce_gone_x(plan, at) * size, r->x->dtype, stride, n);
            for (int64_t i = 0; i < n; i++) a = r->f->whole(a, buf[i]);
            at += n;
        }
        acc[k] = a;
    }
}

// ---- results -----------------------------------------------------------------------------------
static void store_floats(const lt_tensor *y, const reduce_plan *plan, const double *acc)
{
    int64_t inner = plan->kept[plan->nk - 1], stride = plan->ky[plan->nk - 1];
    int32_t size = lt_dtype_size(y->dtype);
    for (int64_t k = 0; k < plan->outputs;) {
        int64_t n = inner - k % inner;
        if (n > REDUCE_BLOCK) n = REDUCE_BLOCK;
        float buf[REDUCE_BLOCK];
        for (int64_t i = 0; i < n; i++) buf[i] = (float)acc[k + i];
        lt_store_f32((char *)lt_data(y) + reduce_kept_y(plan, k) * size, buf, y->dtype, stride, n);
        k += n;
    }
}

static void store_wholes(const lt_tensor *y, const reduce_plan *plan, const int64_t *acc)
{
    int32_t size = lt_dtype_size(y->dtype);
    for (int64_t k = 0; k < plan->outputs; k++) {
        void *to = (char *)lt_data(y) + reduce_kept_y(plan, k) * size;
        if (is_whole(y)) {
            lt_store_i64(to, &acc[k], y->dtype, 1, 1);
        } else {
            float v = (float)acc[k];
            lt_store_f32(to, &v, y->dtype, 1, 1);
        }
    }
}

// ---- the ops -----------------------------------------------------------------------------------
typedef struct { lt_tensor y, x; int32_t dims; double option; bool root; } reduce_args;

// Turns the folded numbers into results.
typedef void finish_fn(double *acc, const reduce_plan *plan, const reduce_args *a);

static lt_status reduce_whole(const reduce_args *a, const fold *f)
{
    reduce_plan plan = reduce_plan_of(&a->y, &a->x, a->dims);
    int64_t *acc = lt_alloc(plan.outputs * (int64_t)sizeof *acc + 8);
    if (!acc) return LT_ERR_MEMORY;
    fold_whole(&(reduction){&plan, &a->x, f}, acc);
    if (f == &fold_zero) {
        for (int64_t k = 0; k < plan.outputs; k++) acc[k] = acc[k] == 0;
    }
    store_wholes(&a->y, &plan, acc);
    lt_free(acc);
    return LT_OK;
}

// before: a fold whose result is each output's p (its mean: divided by the count), or NULL.
static lt_status reduce(const reduce_args *a, const fold *before, const fold *f, finish_fn *finish)
{
    if (is_whole(&a->x) && f->whole) return reduce_whole(a, f);
    reduce_plan plan = reduce_plan_of(&a->y, &a->x, a->dims);
    double *acc = lt_alloc(2 * plan.outputs * (int64_t)sizeof *acc + 8);
    if (!acc) return LT_ERR_MEMORY;
    double *p = before ? acc + plan.outputs : NULL;
    lt_status status = LT_OK;
    if (before) {
        status = fold_all(&(reduction){&plan, &a->x, before}, p, NULL);
        for (int64_t k = 0; k < plan.outputs; k++) {
            if (before == &fold_sum) p[k] /= (double)plan.count;
            // exp(x - max) of an infinite maximum would be NaN: subtract 0 instead.
            if (before == &fold_max && isinf(p[k])) p[k] = 0;
        }
    }
    if (status == LT_OK) status = fold_all(&(reduction){&plan, &a->x, f}, acc, p);
    if (status == LT_OK) {
        if (finish) finish(acc, &plan, a);
        store_floats(&a->y, &plan, acc);
    }
    lt_free(acc);
    return status;
}

static void finish_mean(double *acc, const reduce_plan *plan, const reduce_args *a)
{
    (void)a;
    for (int64_t k = 0; k < plan->outputs; k++) acc[k] /= (double)plan->count;
}

static void finish_var(double *acc, const reduce_plan *plan, const reduce_args *a)
{
    double n = (double)plan->count - a->option;
    for (int64_t k = 0; k < plan->outputs; k++) {
        acc[k] = acc[k] / (n > 0 ? n : 0);
        if (a->root) acc[k] = sqrt(acc[k]);
    }
}

static void finish_logsumexp(double *acc, const reduce_plan *plan, const reduce_args *a)
{
    (void)a;
    const double *p = acc + plan->outputs;
    for (int64_t k = 0; k < plan->outputs; k++) acc[k] = log(acc[k]) + p[k];
}

static void finish_root(double *acc, const reduce_plan *plan, const reduce_args *a)
{
    (void)a;
    for (int64_t k = 0; k < plan->outputs; k++) acc[k] = sqrt(acc[k]);
}

static void finish_any(double *acc, const reduce_plan *plan, const reduce_args *a)
{
    (void)a;
    for (int64_t k = 0; k < plan->outputs; k++) acc[k] = acc[k] != 0;
}

static void finish_all(double *acc, const reduce_plan *plan, const reduce_args *a)
{
    (void)a;
    for (int64_t k = 0; k < plan->outputs; k++) acc[k] = acc[k] == 0;
}

static lt_status check_float(const char *op, const reduce_args *a)
{
    LT_TRY(lt_check_float(op, "x", &a->x));
    return reduce_check(op, &a->y, &a->x, a->dims);
}

static lt_status check_any(const char *op, const reduce_args *a)
{
    return reduce_check(op, &a->y, &a->x, a->dims);
}

#define REDUCE(id, checked, before, f, finish) \
    static lt_status id##_check(const void *p) { return checked(#id, p); } \
    static lt_status id##_cpu(const void *p) { return reduce(p, before, f, finish); } \
    LT_OP(id, "y; x", id##_check, id##_cpu)
#define REDUCE_PLAIN(id, checked, before, f, finish) \
    REDUCE(id, checked, before, f, finish) \
    lt_status lt_##id(lt_tensor *y, const lt_tensor *x, int32_t dims) \
    { \
        reduce_args a = {*y, *x, dims, 0, false}; \
        return lt_run(&id##_op, &a); \
    }

REDUCE_PLAIN(sum, check_any, NULL, &fold_sum, NULL)
REDUCE_PLAIN(mean, check_float, NULL, &fold_sum, finish_mean)
REDUCE_PLAIN(prod, check_any, NULL, &fold_product, NULL)
REDUCE_PLAIN(any, check_any, NULL, &fold_nonzero, finish_any)
REDUCE_PLAIN(all, check_any, NULL, &fold_zero, finish_all)
REDUCE_PLAIN(count_nonzero, check_any, NULL, &fold_nonzero, NULL)
REDUCE_PLAIN(logsumexp, check_float, &fold_max, &fold_sum_exp, finish_logsumexp)
REDUCE(var, check_float, &fold_sum, &fold_sum_apart, finish_var)

lt_status lt_var(lt_tensor *y, const lt_tensor *x, int32_t dims, double correction, bool root)
{
    reduce_args a = {*y, *x, dims, correction, root};
    return lt_run(&var_op, &a);
}

static lt_status extreme_check(const char *op, const reduce_args *a)
{
    LT_TRY(reduce_check(op, &a->y, &a->x, a->dims));
    LT_REQUIRE(lt_numel(&a->x) > 0 || lt_numel(&a->y) == 0, LT_ERR_ARGUMENT,
               "%s: x is %s; there is no extreme of nothing", op, LT_SHAPE(&a->x));
    return LT_OK;
}

REDUCE_PLAIN(amax, extreme_check, NULL, &fold_max, NULL)
REDUCE_PLAIN(amin, extreme_check, NULL, &fold_min, NULL)

// ---- norm --------------------------------------------------------------------------------------
static lt_status norm_check(const void *p)
{
    const reduce_args *a = p;
    LT_REQUIRE(a->option == 1 || a->option == 2 || isinf(a->option), LT_ERR_ARGUMENT,
               "norm: p is %g; wanted 1, 2 or inf", a->option);
    return check_float("norm", a);
}

static lt_status norm_cpu(const void *p)
{
    const reduce_args *a = p;
    if (a->option == 1) return reduce(a, NULL, &fold_sum_abs, NULL);
    if (a->option == 2) return reduce(a, NULL, &fold_sum_square, finish_root);
    return reduce(a, NULL, &fold_max_abs, NULL);
}

LT_OP(norm, "y; x", norm_check, norm_cpu)

lt_status lt_norm(lt_tensor *y, const lt_tensor *x, int32_t dims, double p)
{
    reduce_args a = {*y, *x, dims, p, false};
    return lt_run(&norm_op, &a);
}
