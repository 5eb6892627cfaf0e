// random: fills, permutations and dropout from Philox (native/scalar/philox.h).
//
// The generator's state is an i64 tensor of 2: seed and counter. An op reads it, takes the counters
// it needs and moves the counter past them. Numbers are dealt in the order in which the output lies
// in memory: element 64 g + r is number r of group g, whatever the number of threads.
#include "loop.h"

#include <omp.h>

#include "../scalar/philox.h"
#include "../scalar/vmath.h"

typedef struct { uint64_t seed, counter; } stream;

static lt_status rng_check(const char *op, const lt_tensor *rng)
{
    LT_TRY(lt_check_dtype(op, "rng", rng, LT_I64));
    LT_TRY(lt_check_contiguous(op, "rng", rng));
    LT_REQUIRE(lt_numel(rng) == 2, LT_ERR_ARGUMENT, "%s: rng is %s; wanted (2): seed and counter",
               op, LT_SHAPE(rng));
    return LT_OK;
}

// The stream as it stands, and the state moved on by what n numbers need.
static stream take(const lt_tensor *rng, int64_t n)
{
    int64_t *state = lt_i64(rng);
    stream s = {(uint64_t)state[0], (uint64_t)state[1]};
    uint64_t groups = ((uint64_t)n + PHILOX_GROUP - 1) / PHILOX_GROUP;
    state[1] = (int64_t)(s.counter + groups * PHILOX_LANES);
    return s;
}

static void group_words(uint32_t *words, stream s, int64_t group)
{
    philox_group(words, s.counter + (uint64_t)group * PHILOX_LANES, s.seed);
}

// ---- generators --------------------------------------------------------------------------------
typedef struct { lt_tensor rng; int64_t seed, a, b; } generator_args;

static lt_status generator_check(const void *p)
{
    return rng_check("generator", &((const generator_args *)p)->rng);
}

static lt_status generator_cpu(const void *p)
{
    const generator_args *g = p;
    uint64_t seed = (uint64_t)g->seed, a = (uint64_t)g->a, b = (uint64_t)g->b;
    uint32_t word[4], key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t counter[4] = {(uint32_t)a, (uint32_t)(a >> 32), (uint32_t)b, (uint32_t)(b >> 32)};
    philox(word, counter, key);
    int64_t *state = lt_i64(&g->rng);
    state[0] = (int64_t)((uint64_t)word[1] << 32 | word[0]);
    state[1] = 0;
    return LT_OK;
}

LT_OP(generator, "rng;", generator_check, generator_cpu)

lt_status lt_generator(lt_tensor *rng, int64_t seed, int64_t a, int64_t b)
{
    generator_args args = {*rng, seed, a, b};
    return lt_run(&generator_op, &args);
}

// ---- fills -------------------------------------------------------------------------------------
typedef struct { lt_tensor y, rng, p; double k[4]; int64_t low; uint64_t range; } fill_args;

// Turns the 64 words of a group into 64 numbers.
typedef void draw_fn(float *out, const uint32_t *words, const double *k);

static lt_status fill_check(const char *op, const fill_args *f)
{
    LT_TRY(rng_check(op, &f->rng));
    LT_REQUIRE(f->y.dtype != LT_F16, LT_ERR_ARGUMENT, "%s: y is f16; wanted f32 or bf16", op);
    LT_REQUIRE(lt_is_dense(&f->y), LT_ERR_ARGUMENT,
               "%s: y is a view with gaps; fill a fresh tensor and copy it there", op);
    return LT_OK;
}

static void fill(const fill_args *f, draw_fn *draw)
{
    int64_t n = lt_numel(&f->y), groups = (n + PHILOX_GROUP - 1) / PHILOX_GROUP;
    stream s = take(&f->rng, n);
    int team = lt_team(n * 4), size = lt_dtype_size(f->y.dtype);
    char *y = lt_data(&f->y);
#pragma omp parallel for num_threads(team) schedule(static)
    for (int64_t g = 0; g < groups; g++) {
        uint32_t words[PHILOX_GROUP];
        float out[PHILOX_GROUP];
        group_words(words, s, g);
        draw(out, words, f->k);
        int64_t at = g * PHILOX_GROUP, count = n - at < PHILOX_GROUP ? n - at : PHILOX_GROUP;
        lt_store_f32(y + at * size, out, f->y.dtype, 1, count);
    }
}

static void draw_uniform(float *out, const uint32_t *words, const double *k)
{
    float low = (float)k[0], span = (float)(k[1] - k[0]);
#pragma omp simd
    for (int i = 0; i < PHILOX_GROUP; i++) out[i] = low + span * philox_unit(words[i]);
}

// Box and Muller (1958): a pair of normals from a radius and an angle. The angle is q quarter turns
// plus r, |r| <= pi / 4, so no reduction is needed.
static void draw_normal(float *out, const uint32_t *words, const double *k)
{
    enum { HALF = PHILOX_GROUP / 2 };
    float mean = (float)k[0], std = (float)k[1];
#pragma omp simd
    for (int i = 0; i < HALF; i++) {
        float radius = std * sqrtf(-2.f * vm_log(philox_open(words[i])));
        int32_t q = (int32_t)(words[HALF + i] >> 30);
        int32_t part = (int32_t)(words[HALF + i] & 0x3fffffffu) - 0x20000000;
        float r = (float)part * (1.57079633f * 0x1p-30f);
        out[i] = mean + radius * vm_sin_quadrant(r, q + 1);
        out[HALF + i] = mean + radius * vm_sin_quadrant(r, q);
    }
}

static void draw_bernoulli(float *out, const uint32_t *words, const double *k)
{
    int32_t threshold = (int32_t)(k[0] * 0x1p24);
#pragma omp simd
    for (int i = 0; i < PHILOX_GROUP; i++) {
        out[i] = (int32_t)(words[i] >> 8) < threshold ? 1.f : 0.f;
    }
}

static double normal_cdf(double z) { return 0.5 * erfc(-z * 0.70710678118654752); }

// The inverse of normal_cdf for 0 < p < 1, within 1.2e-9 of its size (P. J. Acklam's rational functions).
static double normal_quantile(double p)
{
    const double edge = 0.02425;
    if (p < edge || p > 1 - edge) {
        double q = sqrt(-2 * log(p < edge ? p : 1 - p));
        double x = (((((-7.784894002430293e-03 * q - 3.223964580411365e-01) * q - 2.400758277161838e+00) * q
                      - 2.549732539343734e+00) * q + 4.374664141464968e+00) * q + 2.938163982698783e+00)
            / ((((7.784695709041462e-03 * q + 3.224671290700398e-01) * q + 2.445134137142996e+00) * q
                + 3.754408661907416e+00) * q + 1);
        return p < edge ? x : -x;
    }
    double q = p - 0.5, r = q * q;
    return (((((-3.969683028665376e+01 * r + 2.209460984245205e+02) * r - 2.759285104469687e+02) * r
              + 1.383577518672690e+02) * r - 3.066479806614716e+01) * r + 2.506628277459239e+00) * q
        / (((((-5.447609879822406e+01 * r + 1.615858368580409e+02) * r - 1.556989798598866e+02) * r
             + 6.680131188771972e+01) * r - 1.328068155288572e+01) * r + 1);
}

// By the inverse of the distribution function between the cut-offs. k: mean, std, low, high. Cut-offs above
// the mean are mirrored below it, where small probabilities keep their digits.
static void draw_trunc_normal(float *out, const uint32_t *words, const double *k)
{
    double first = (k[2] - k[0]) / k[1], last = (k[3] - k[0]) / k[1];
    const double sign = first > 0 ? -1 : 1;
    double from = normal_cdf(sign > 0 ? first : -last), to = normal_cdf(sign > 0 ? last : -first);
    for (int i = 0; i < PHILOX_GROUP; i++) {
        double p = from + (to - from) * ((words[i] + 0.5) * 0x1p-32);
        double v = k[0] + k[1] * sign * normal_quantile(p);
        out[i] = (float)(v > k[2] ? v < k[3] ? v : k[3] : k[2]);
    }
}

#define FILL(id) \
    static lt_status id##_cpu(const void *p) \
    { \
        fill(p, draw_##id); \
        return LT_OK; \
    } \
    LT_OP(id, "y; rng", id##_check, id##_cpu)

static lt_status uniform_check(const void *p) { return fill_check("uniform", p); }

static lt_status normal_check(const void *p)
{
    const fill_args *f = p;
    LT_REQUIRE(f->k[1] >= 0, LT_ERR_ARGUMENT, "normal: std is %g; wanted 0 or more", f->k[1]);
    return fill_check("normal", p);
}

static lt_status trunc_normal_check(const void *p)
{
    const fill_args *f = p;
    LT_REQUIRE(f->k[1] > 0, LT_ERR_ARGUMENT, "trunc_normal: std is %g; wanted more than 0",
               f->k[1]);
    LT_REQUIRE(f->k[2] < f->k[3], LT_ERR_ARGUMENT, "trunc_normal: the cut-offs are %g and %g; "
               "wanted the smaller one first", f->k[2], f->k[3]);
    return fill_check("trunc_normal", p);
}

FILL(uniform)
FILL(normal)
FILL(trunc_normal)

static lt_status fill_call(lt_op *op, const lt_tensor *y, const lt_tensor *rng, double a, double b,
                           double c, double d)
{
    fill_args args = {.y = *y, .rng = *rng, .p = {.dtype = -1}, .k = {a, b, c, d}};
    return lt_run(op, &args);
}

lt_status lt_uniform(lt_tensor *y, lt_tensor *rng, double low, double high)
{
    return fill_call(&uniform_op, y, rng, low, high, 0, 0);
}

lt_status lt_normal(lt_tensor *y, lt_tensor *rng, double mean, double std)
{
    return fill_call(&normal_op, y, rng, mean, std, 0, 0);
}

lt_status lt_trunc_normal(lt_tensor *y, lt_tensor *rng, double mean, double std, double low,
                          double high)
{
    return fill_call(&trunc_normal_op, y, rng, mean, std, low, high);
}

// ---- bernoulli: one probability for all, or one for each element -------------------------------
static lt_status bernoulli_check(const void *p)
{
    const fill_args *f = p;
    LT_TRY(fill_check("bernoulli", f));
    if (!lt_present(&f->p)) {
        LT_REQUIRE(f->k[0] >= 0 && f->k[0] <= 1, LT_ERR_ARGUMENT,
                   "bernoulli: p is %g; wanted 0 to 1", f->k[0]);
        return LT_OK;
    }
    LT_TRY(lt_check_dtype("bernoulli", "p", &f->p, LT_F32));
    LT_TRY(lt_check_same_shape("bernoulli", "y", &f->y, "p", &f->p));
    LT_REQUIRE(lt_is_dense(&f->p), LT_ERR_ARGUMENT,
               "bernoulli: p is a view with gaps; clone it first");
    // Both lie in memory in the same order, so they can be walked flat.
    bool same = lt_same_layout(&f->y, &f->p);
    LT_REQUIRE(same, LT_ERR_ARGUMENT, "bernoulli: y and p lie in memory in different orders");
    const float *v = lt_f32(&f->p);
    for (int64_t i = 0, n = lt_numel(&f->p); i < n; i++) {
        LT_REQUIRE(v[i] >= 0 && v[i] <= 1, LT_ERR_ARGUMENT, "bernoulli: a probability is %g; "
                   "wanted 0 to 1", v[i]);
    }
    return LT_OK;
}

static lt_status bernoulli_cpu(const void *p)
{
    const fill_args *f = p;
    if (!lt_present(&f->p)) {
        fill(f, draw_bernoulli);
        return LT_OK;
    }
    int64_t n = lt_numel(&f->y), groups = (n + PHILOX_GROUP - 1) / PHILOX_GROUP;
    stream s = take(&f->rng, n);
    int team = lt_team(n * 4), size = lt_dtype_size(f->y.dtype);
    const float *v = lt_f32(&f->p);
#pragma omp parallel for num_threads(team) schedule(static)
    for (int64_t g = 0; g < groups; g++) {
        uint32_t words[PHILOX_GROUP];
        float out[PHILOX_GROUP];
        group_words(words, s, g);
        int64_t at = g * PHILOX_GROUP, count = n - at < PHILOX_GROUP ? n - at : PHILOX_GROUP;
        for (int64_t i = 0; i < count; i++) out[i] = philox_unit(words[i]) < v[at + i] ? 1.f : 0.f;
        lt_store_f32((char *)lt_data(&f->y) + at * size, out, f->y.dtype, 1, count);
    }
    return LT_OK;
}

LT_OP(bernoulli, "y; rng p?", bernoulli_check, bernoulli_cpu)

lt_status lt_bernoulli(lt_tensor *y, lt_tensor *rng, const lt_tensor *p, double probability)
{
    fill_args args = {.y = *y, .rng = *rng, .p = lt_optional(p), .k = {probability}};
    return lt_run(&bernoulli_op, &args);
}

// ---- whole numbers: each takes 64 bits, two words of its group ---------------------------------
enum { PAIRS = PHILOX_GROUP / 2 };

// A whole number in [0, range): the high half of a 128-bit product (the bias is below range/2^64).
static uint64_t below(const uint32_t *words, int i, uint64_t range)
{
    uint64_t u = (uint64_t)words[PAIRS + i] << 32 | words[i];
    return (uint64_t)(((unsigned __int128)u * range) >> 64);
}

static lt_status randint_check(const void *p)
{
    const fill_args *f = p;
    LT_REQUIRE(f->range > 0, LT_ERR_ARGUMENT, "randint: high is not above low (%lld)",
               (long long)f->low);
    return fill_check("randint", f);
}

static lt_status randint_cpu(const void *p)
{
    const fill_args *f = p;
    int64_t n = lt_numel(&f->y), groups = (n + PAIRS - 1) / PAIRS;
    stream s = take(&f->rng, 2 * n);
    int size = lt_dtype_size(f->y.dtype), team = lt_team(n * 8);
    bool whole = f->y.dtype != LT_F32 && f->y.dtype != LT_F64 && f->y.dtype != LT_BF16;
#pragma omp parallel for num_threads(team) schedule(static)
    for (int64_t g = 0; g < groups; g++) {
        uint32_t words[PHILOX_GROUP];
        int64_t out[PAIRS];
        float as_float[PAIRS];
        group_words(words, s, g);
        for (int i = 0; i < PAIRS; i++) {
            out[i] = (int64_t)((uint64_t)f->low + below(words, i, f->range));
            as_float[i] = (float)out[i];
        }
        int64_t at = g * PAIRS, count = n - at < PAIRS ? n - at : PAIRS;
        char *to = (char *)lt_data(&f->y) + at * size;
        if (whole) {
            lt_store_i64(to, out, f->y.dtype, 1, count);
        } else {
            lt_store_f32(to, as_float, f->y.dtype, 1, count);
        }
    }
    return LT_OK;
}

LT_OP(randint, "y; rng", randint_check, randint_cpu)

lt_status lt_randint(lt_tensor *y, lt_tensor *rng, int64_t low, int64_t high)
{
    uint64_t range = high > low ? (uint64_t)high - (uint64_t)low : 0;
    fill_args args = {.y = *y, .rng = *rng, .p = {.dtype = -1}, .low = low, .range = range};
    return lt_run(&randint_op, &args);
}

static lt_status permutation_check(const void *p)
{
    const fill_args *f = p;
    LT_TRY(rng_check("permutation", &f->rng));
    LT_TRY(lt_check_dtype("permutation", "y", &f->y, LT_I64));
    LT_TRY(lt_check_contiguous("permutation", "y", &f->y));
    LT_REQUIRE(f->y.ndim == 1, LT_ERR_ARGUMENT, "permutation: y is %s; wanted one dimension",
               LT_SHAPE(&f->y));
    return LT_OK;
}

// Fisher and Yates' shuffle, from the end.
static lt_status permutation_cpu(const void *p)
{
    const fill_args *f = p;
    int64_t n = lt_numel(&f->y), *y = lt_i64(&f->y);
    stream s = take(&f->rng, 2 * n);
    uint32_t words[PHILOX_GROUP];
    for (int64_t i = 0; i < n; i++) y[i] = i;
    for (int64_t k = 0; k + 1 < n; k++) {
        if (k % PAIRS == 0) group_words(words, s, k / PAIRS);
        int64_t i = n - 1 - k, j = (int64_t)below(words, (int)(k % PAIRS), (uint64_t)i + 1);
        int64_t t = y[i];
        y[i] = y[j];
        y[j] = t;
    }
    return LT_OK;
}

LT_OP(permutation, "y; rng", permutation_check, permutation_cpu)

lt_status lt_permutation(lt_tensor *y, lt_tensor *rng)
{
    fill_args args = {.y = *y, .rng = *rng, .p = {.dtype = -1}};
    return lt_run(&permutation_op, &args);
}

// ---- dropout -----------------------------------------------------------------------------------
// y = x * keep / (1 - p) [+ residual]. The mask is not stored: backward draws it again from a copy
// of the state that forward found, so it must write a dx whose order in memory is that of y.
typedef struct { lt_tensor y, x, residual, rng; double p; } dropout_args;

static lt_status dropout_check_as(const char *op, const dropout_args *d)
{
    LT_TRY(rng_check(op, &d->rng));
    LT_TRY(lt_check_float(op, "x", &d->x));
    LT_TRY(lt_check_same_shape(op, "y", &d->y, "x", &d->x));
    if (lt_present(&d->residual)) {
        LT_TRY(lt_check_same_shape(op, "residual", &d->residual, "x", &d->x));
    }
    LT_REQUIRE(lt_is_dense(&d->y), LT_ERR_ARGUMENT, "%s: y is a view with gaps", op);
    LT_REQUIRE(d->p >= 0 && d->p <= 1, LT_ERR_ARGUMENT, "%s: p is %g; wanted 0 to 1", op, d->p);
    lt_map m = {.outs = 1, .args = 3, .t = {&d->y, &d->x, &d->residual}};
    return lt_map_check(op, &m, (const char *const[]){"y", "x", "residual"});
}

// Address of element `at` of the walk in tensor a.
static char *element(const lt_walk *w, int a, const lt_tensor *t, int64_t at)
{
    int64_t offset = 0;
    for (int d = w->ndim - 1; d >= 0; d--) {
        offset += at % w->shape[d] * w->stride[a][d];
        at /= w->shape[d];
    }
    return (char *)lt_data(t) + offset * lt_dtype_size(t->dtype);
}

// n elements of tensor a from element `at` on, all in one row of the walk: in place or through buf.
static const float *read_row(const lt_walk *w, int a, const lt_tensor *t, int64_t at, int64_t n,
                             float *buf)
{
    int64_t stride = w->stride[a][w->ndim - 1];
    char *from = element(w, a, t, at);
    if (t->dtype == LT_F32 && stride == 1) return (const float *)from;
    lt_load_f32(buf, from, t->dtype, stride, n);
    return buf;
}

static void dropout_range(const dropout_args *d, const lt_walk *w, stream s, int64_t begin,
                          int64_t end)
{
    int64_t inner = w->shape[w->ndim - 1], current = -1;
    int32_t threshold = (int32_t)(d->p * 0x1p24);
    float scale = d->p < 1 ? (float)(1 / (1 - d->p)) : 0.f;
    uint32_t words[PHILOX_GROUP];
    float xs[PHILOX_GROUP], rs[PHILOX_GROUP], out[PHILOX_GROUP];
    for (int64_t at = begin; at < end;) {
        int64_t group = at / PHILOX_GROUP, first = at % PHILOX_GROUP, n = PHILOX_GROUP - first;
        if (n > end - at) n = end - at;
        if (n > inner - at % inner) n = inner - at % inner;
        if (group != current) group_words(words, s, group);
        current = group;
        const float *x = read_row(w, 1, &d->x, at, n, xs);
        const uint32_t *u = words + first;
#pragma omp simd
        for (int64_t i = 0; i < n; i++) {
            out[i] = (int32_t)(u[i] >> 8) >= threshold ? x[i] * scale : 0.f;
        }
        if (lt_present(&d->residual)) {
            const float *r = read_row(w, 2, &d->residual, at, n, rs);
#pragma omp simd
            for (int64_t i = 0; i < n; i++) out[i] += r[i];
        }
        lt_store_f32(element(w, 0, &d->y, at), out, d->y.dtype, 1, n);
        at += n;
    }
}

static lt_status dropout_run(const dropout_args *d, stream s)
{
    int64_t n = lt_numel(&d->y);
    if (n == 0) return LT_OK;
    lt_walk w;
    lt_walk_plan(&w, 3, (const lt_tensor *const[]){&d->y, &d->x, &d->residual});
    int team = lt_team(n * 4);
    int64_t groups = (n + PHILOX_GROUP - 1) / PHILOX_GROUP;
#pragma omp parallel num_threads(team)
    {
        int64_t t = omp_get_thread_num(), parts = omp_get_num_threads();
        int64_t begin = groups * t / parts * PHILOX_GROUP;
        int64_t end = groups * (t + 1) / parts * PHILOX_GROUP;
        dropout_range(d, &w, s, begin, end < n ? end : n);
    }
    return LT_OK;
}

static lt_status dropout_check(const void *p) { return dropout_check_as("dropout", p); }

static lt_status dropout_cpu(const void *p)
{
    const dropout_args *d = p;
    return dropout_run(d, take(&d->rng, lt_numel(&d->y)));
}

LT_OP(dropout, "y; x residual? rng", dropout_check, dropout_cpu)

static lt_status dropout_backward_check(const void *p)
{
    return dropout_check_as("dropout_backward", p);
}

static lt_status dropout_backward_cpu(const void *p)
{
    const dropout_args *d = p;
    const int64_t *state = lt_i64(&d->rng);
    return dropout_run(d, (stream){(uint64_t)state[0], (uint64_t)state[1]});
}

LT_OP(dropout_backward, "dx; dy residual? rng", dropout_backward_check, dropout_backward_cpu)

lt_status lt_dropout(lt_tensor *y, const lt_tensor *x, const lt_tensor *residual, lt_tensor *rng,
                     double p)
{
    dropout_args args = {*y, *x, lt_optional(residual), *rng, p};
    return lt_run(&dropout_op, &args);
}

lt_status lt_dropout_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *rng, double p)
{
    dropout_args args = {*dx, *dy, {.dtype = -1}, *rng, p};
    return lt_run(&dropout_backward_op, &args);
}
