// optim: optimizer steps over all parameters at once: SGD, Adam, AdamW and RMSprop as in PyTorch,
// the norm of all gradients, and moving averages of weights.
//
// Each call takes lists of n tensors. Their elements are numbered through, and every thread updates
// one stretch of them, in one pass over memory. Parameters and state are dense f32 of one layout;
// a gradient of another layout or dtype is brought into the parameter's first.
#include "core/internal.h"
#include "cpu/vec.h"

#include <omp.h>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

enum { LISTS = 5, CHUNK = 8192 };

typedef lt_tensor *const *list;

// clock holds the learning rate and the number of this step, from 1; scale multiplies gradients.
// lists: parameters, gradients, and up to three of state (NULL where unused).
typedef struct {
    lt_tensor clock, scale;
    int32_t n;
    list lists[LISTS];
    double decay, k1, k2, eps;
    int32_t flags;
} step_args;

typedef struct {
    lt_tensor norm, scale;
    int32_t n;
    list grads;
    double max_norm;
    bool infinity;
} norm_args;

typedef struct {
    lt_tensor scale;
    int32_t n;
    list grads;
} scale_args;

typedef struct {
    int32_t n;
    list averages, params;
    double decay;
} ema_args;

// ---- lists -------------------------------------------------------------------------------------

static lt_status check_alive(const char *op, const char *what, list t, int32_t n)
{
    LT_REQUIRE(n >= 0 && (n == 0 || t), LT_ERR_ARGUMENT, "%s: no list of %s", op, what);
    for (int32_t i = 0; i < n; i++)
        LT_REQUIRE(t[i] && lt_present(t[i]), LT_ERR_ARGUMENT,
                   "%s: %s %d was released; hold it with lt.keep", op, what, i + 1);
    return LT_OK;
}

// Every tensor of `t` is dense f32 and lies in memory like its parameter.
static lt_status check_list(const char *op, const char *what, list t, list params, int32_t n)
{
    LT_TRY(check_alive(op, what, t, n));
    for (int32_t i = 0; i < n; i++) {
        LT_REQUIRE(t[i]->dtype == LT_F32, LT_ERR_ARGUMENT, "%s: %s %d is %s, wanted f32", op, what,
                   i + 1, lt_dtype_name(t[i]->dtype));
        LT_REQUIRE(lt_is_dense(t[i]), LT_ERR_ARGUMENT,
                   "%s: %s %d %s has gaps in memory; use a tensor of its own, not a view", op, what,
                   i + 1, LT_SHAPE(t[i]));
        LT_REQUIRE(t == params || lt_same_layout(t[i], params[i]), LT_ERR_ARGUMENT,
                   "%s: %s %d %s is not laid out like its parameter %s", op, what, i + 1,
                   LT_SHAPE(t[i]), LT_SHAPE(params[i]));
    }
    return LT_OK;
}

static void touch(list t, int32_t n)
{
    for (int32_t i = 0; i < n; i++) lt_touch(t[i]);
}

static int64_t total(list t, int32_t n)
{
    int64_t sum = 0;
    for (int32_t i = 0; i < n; i++) sum += lt_numel(t[i]);
    return sum;
}

// Gradients laid out like the parameters: themselves, or copies in `own`, to be released.
typedef struct {
    const float **data;
    lt_tensor *own;
    int32_t n;
} gradients;

static void gradients_release(gradients *g)
{
    for (int32_t i = 0; i < g->n; i++) lt_tensor_release(&g->own[i]);
    lt_free(g->own);
    lt_free(g->data);
}

// Copies what is not f32 laid out like `like`; like == grads: what is not dense f32.
static lt_status gradients_open(gradients *g, list grads, list like, int32_t n)
{
    g->n = n;
    g->data = lt_alloc((int64_t)sizeof(float *) * (n + 1));
    g->own = lt_alloc((int64_t)sizeof(lt_tensor) * (n + 1));
    if (g->own) memset(g->own, 0, sizeof(lt_tensor) * n);
    lt_status status = g->data && g->own ? LT_OK : LT_ERR_MEMORY;
    if (!g->own) g->n = 0;
    for (int32_t i = 0; i < n && status == LT_OK; i++) {
        bool fits = grads[i]->dtype == LT_F32 && lt_is_dense(grads[i]) &&
                    lt_same_layout(grads[i], like[i]);
        if (!fits) {
            status = lt_tensor_like(&g->own[i], like[i], LT_F32);
            if (status == LT_OK) status = lt_copy(&g->own[i], grads[i]);
        }
        if (status == LT_OK) g->data[i] = lt_f32(fits ? grads[i] : &g->own[i]);
    }
    if (status != LT_OK) gradients_release(g);
    return status;
}

// A stretch of consecutive elements inside one tensor.
typedef struct {
    int32_t tensor;
    int64_t first, count;
} stretch;

// The next stretch of the elements *at .. end, numbered through all tensors; false at the end.
// start is the number of the first element of tensor s->tensor.
static bool next_stretch(stretch *s, list t, int32_t n, int64_t *at, int64_t end, int64_t *start)
{
    while (*at < end && s->tensor < n) {
        int64_t size = lt_numel(t[s->tensor]);
        if (*at < *start + size) {
            s->first = *at - *start;
            s->count = (end < *start + size ? end : *start + size) - *at;
            *at += s->count;
            return true;
        }
        *start += size;
        s->tensor++;
    }
    return false;
}

// ---- steps -------------------------------------------------------------------------------------

typedef void step_row(int64_t n, float *p, const float *g, float *const *state, const step_args *a,
                      float factor);

static lt_status run_step(const step_args *a, step_row *row)
{
    gradients g;
    LT_TRY(gradients_open(&g, a->lists[1], a->lists[0], a->n));
    float factor = a->flags & LT_OPTIM_MAXIMIZE ? -1.f : 1.f;
    if (lt_present(&a->scale)) factor *= *lt_f32(&a->scale);
    touch(a->lists[0], a->n);
    int64_t all = total(a->lists[0], a->n);
    int team = lt_team(all);
#pragma omp parallel num_threads(team)
    {
        int64_t me = omp_get_thread_num();
        int64_t at = all * me / team, end = all * (me + 1) / team, start = 0;
        stretch s = {0, 0, 0};
        while (next_stretch(&s, a->lists[0], a->n, &at, end, &start)) {
            float *state[LISTS - 2];
            for (int i = 2; i < LISTS; i++)
                state[i - 2] = a->lists[i] ? lt_f32(a->lists[i][s.tensor]) + s.first : NULL;
            row(s.count, lt_f32(a->lists[0][s.tensor]) + s.first, g.data[s.tensor] + s.first, state,
                a, factor);
        }
    }
    gradients_release(&g);
    return LT_OK;
}

static double rate(const step_args *a) { return ((const double *)lt_data(&a->clock))[0]; }
static double step_number(const step_args *a) { return ((const double *)lt_data(&a->clock))[1]; }

// k1: momentum, k2: dampening. The first step's buffer is the gradient itself.
static void sgd_row(int64_t n, float *p, const float *g, float *const *state, const step_args *a,
                    float factor)
{
    float lr = (float)rate(a), decay = (float)a->decay, momentum = (float)a->k1;
    bool first = step_number(a) <= 1, nesterov = a->flags & LT_OPTIM_NESTEROV;
    float keep = first ? 0.f : momentum, take = first ? 1.f : 1.f - (float)a->k2;
    float *buffer = state[0];
    if (!buffer) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++) p[i] -= lr * (factor * g[i] + decay * p[i]);
        return;
    }
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float d = factor * g[i] + decay * p[i];
        float b = (first ? 0.f : keep * buffer[i]) + take * d;
        buffer[i] = b;
        p[i] -= lr * (nesterov ? d + momentum * b : b);
    }
}

#if defined(__AVX512F__)
// Square root and reciprocal from the processor's 14-bit estimates and one step of Newton's method each:
// within 3 units in the last place, and a third of the time that dividing and rooting took. A root
// below 1e-19 comes out as 1e-19, far under any eps.
static inline lt_vec root_of(lt_vec v)
{
    const lt_vec least = (lt_vec){0} + 1.17549435e-38f;
    const lt_vec x = _mm512_max_ps(least, v);  // NaN stays
    const lt_vec r = _mm512_rsqrt14_ps(x), y = x * r;
    return y + 0.5f * r * (x - y * y);
}

static inline lt_vec inverse(lt_vec v)
{
    const lt_vec r = _mm512_rcp14_ps(v);
    return r * (2.f - v * r);
}
#endif

// k1, k2: the betas. state: first and second moment, and the largest second moment (amsgrad).
static void adam_row(int64_t n, float *p, const float *g, float *const *state, const step_args *a,
                     float factor)
{
    double t = step_number(a), lr = rate(a);
    float b1 = (float)(1 - a->k1), b2 = (float)a->k2, c2 = (float)(1 - a->k2), eps = (float)a->eps;
    float rate1 = (float)(lr / (1 - pow(a->k1, t)));
    float root = (float)(1 / sqrt(1 - pow(a->k2, t)));
    bool decoupled = a->flags & LT_OPTIM_DECOUPLED;
    float shrink = decoupled ? (float)(1 - lr * a->decay) : 1.f;
    float decay = decoupled ? 0.f : (float)a->decay;
    float *m = state[0], *v = state[1], *top = state[2];
    if (top) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++) {
            float x = p[i] * shrink, d = factor * g[i] + decay * x;
            m[i] += (d - m[i]) * b1;
            v[i] = b2 * v[i] + c2 * d * d;
            top[i] = v[i] > top[i] ? v[i] : top[i];
            p[i] = x - rate1 * m[i] / (sqrtf(top[i]) * root + eps);
        }
        return;
    }
    int64_t done = 0;
#if defined(__AVX512F__)
    for (; done + LT_VEC <= n; done += LT_VEC) {
        lt_vec x = lt_vec_load(p, done, false) * shrink;
        lt_vec d = factor * lt_vec_load(g, done, false) + decay * x;
        lt_vec m1 = lt_vec_load(m, done, false), v1 = b2 * lt_vec_load(v, done, false) + c2 * d * d;
        m1 += (d - m1) * b1;
        lt_vec_store(m, done, false, m1);
        lt_vec_store(v, done, false, v1);
        lt_vec_store(p, done, false, x - rate1 * m1 * inverse(root_of(v1) * root + eps));
    }
#endif
#pragma omp simd
    for (int64_t i = done; i < n; i++) {
        float x = p[i] * shrink, d = factor * g[i] + decay * x;
        float m1 = m[i] + (d - m[i]) * b1, v1 = b2 * v[i] + c2 * d * d;
        m[i] = m1;
        v[i] = v1;
        p[i] = x - rate1 * m1 / (sqrtf(v1) * root + eps);
    }
}

// k1: alpha, k2: momentum. state: mean square, mean gradient (centered), momentum buffer.
static void rmsprop_row(int64_t n, float *p, const float *g, float *const *state,
                        const step_args *a, float factor)
{
    float lr = (float)rate(a), decay = (float)a->decay, alpha = (float)a->k1, eps = (float)a->eps;
    float rest = (float)(1 - a->k1), momentum = (float)a->k2;
    float *square = state[0], *mean = state[1], *buffer = state[2];
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float d = factor * g[i] + decay * p[i];
        float s = alpha * square[i] + rest * d * d, centre = 0;
        square[i] = s;
        if (mean) {
            centre = mean[i] + (d - mean[i]) * rest;
            mean[i] = centre;
        }
        float move = d / (sqrtf(s - centre * centre) + eps);
        if (buffer) {
            move += momentum * buffer[i];
            buffer[i] = move;
        }
        p[i] -= lr * move;
    }
}

static lt_status sgd_cpu(const void *args) { return run_step(args, sgd_row); }
static lt_status adam_cpu(const void *args) { return run_step(args, adam_row); }
static lt_status rmsprop_cpu(const void *args) { return run_step(args, rmsprop_row); }

static lt_status check_step(const char *op, const step_args *a)
{
    LT_TRY(lt_check_dtype(op, "clock", &a->clock, LT_F64));
    LT_REQUIRE(lt_numel(&a->clock) == 2 && lt_is_dense(&a->clock), LT_ERR_ARGUMENT,
               "%s: clock is %s; it must hold the learning rate and the step", op,
               LT_SHAPE(&a->clock));
    if (lt_present(&a->scale)) {
        LT_TRY(lt_check_dtype(op, "scale", &a->scale, LT_F32));
        LT_REQUIRE(lt_numel(&a->scale) == 1, LT_ERR_ARGUMENT, "%s: scale must be one number", op);
    }
    LT_TRY(check_list(op, "parameter", a->lists[0], a->lists[0], a->n));
    LT_TRY(check_alive(op, "gradient", a->lists[1], a->n));
    for (int32_t i = 0; i < a->n; i++)
        LT_TRY(lt_check_same_shape(op, "a gradient", a->lists[1][i], "its parameter",
                                   a->lists[0][i]));
    for (int i = 2; i < LISTS; i++)
        if (a->lists[i]) LT_TRY(check_list(op, "state", a->lists[i], a->lists[0], a->n));
    return LT_OK;
}

static lt_status sgd_check(const void *args) { return check_step("sgd", args); }
static lt_status rmsprop_check(const void *args) { return check_step("rmsprop", args); }
static lt_status adam_check(const void *args)
{
    const step_args *a = args;
    LT_REQUIRE(a->lists[2] && a->lists[3], LT_ERR_ARGUMENT, "adam: no lists of moments");
    return check_step("adam", args);
}

// ---- norm, scale, averages ---------------------------------------------------------------------

// Of one chunk: the sum of squares, or the largest magnitude (NaN where there is one).
static double chunk_norm(const float *x, int64_t n, bool infinity)
{
    double sum = 0;
    if (!infinity) {
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < n; i++) sum += (double)x[i] * x[i];
        return sum;
    }
    float top = 0, poison = 0;
    for (int64_t i = 0; i < n; i++) {
        float v = fabsf(x[i]);
        top = v > top ? v : top;
        poison += x[i] != x[i] ? 1.f : 0.f;
    }
    return poison > 0 ? NAN : top;
}

// Chunks never cross tensors and are added in order, so the number of threads changes nothing.
static lt_status grad_norm_cpu(const void *args)
{
    const norm_args *a = args;
    gradients g;
    LT_TRY(gradients_open(&g, a->grads, a->grads, a->n));
    int64_t *first = lt_alloc((int64_t)sizeof(int64_t) * (a->n + 2)), chunks = 0;
    if (!first) gradients_release(&g);
    LT_REQUIRE(first, LT_ERR_MEMORY, "grad_norm: %s", lt_error());
    for (int32_t i = 0; i < a->n; i++) {
        first[i] = chunks;
        chunks += (lt_numel(a->grads[i]) + CHUNK - 1) / CHUNK;
    }
    double *part = lt_alloc((int64_t)sizeof(double) * (chunks + 1));
    if (!part) {
        lt_free(first);
        gradients_release(&g);
        return lt_fail(LT_ERR_MEMORY, "grad_norm: %s", lt_error());
    }
#pragma omp parallel for num_threads(lt_team(chunks * CHUNK)) schedule(dynamic)
    for (int32_t i = 0; i < a->n; i++) {
        int64_t n = lt_numel(a->grads[i]);
        for (int64_t at = 0; at < n; at += CHUNK)
            part[first[i] + at / CHUNK] =
                chunk_norm(g.data[i] + at, n - at < CHUNK ? n - at : CHUNK, a->infinity);
    }
    double norm = 0;
    for (int64_t c = 0; c < chunks; c++)
        norm = !a->infinity                           ? norm + part[c]
               : part[c] > norm || part[c] != part[c] ? part[c]
                                                      : norm;
    if (!a->infinity) norm = sqrt(norm);
    double scale = a->max_norm / (norm + 1e-6);
    *lt_f32(&a->norm) = (float)norm;
    *lt_f32(&a->scale) = (float)(scale > 1 ? 1 : scale);
    lt_free(part);
    lt_free(first);
    gradients_release(&g);
    return LT_OK;
}

static lt_status grad_norm_check(const void *args)
{
    const norm_args *a = args;
    LT_TRY(lt_check_dtype("grad_norm", "norm", &a->norm, LT_F32));
    LT_TRY(lt_check_dtype("grad_norm", "scale", &a->scale, LT_F32));
    LT_REQUIRE(lt_numel(&a->norm) == 1 && lt_numel(&a->scale) == 1, LT_ERR_ARGUMENT,
               "grad_norm: norm and scale must be one number each");
    return check_alive("grad_norm", "gradient", a->grads, a->n);
}

static lt_status grad_scale_cpu(const void *args)
{
    const scale_args *a = args;
    float factor = *lt_f32(&a->scale);
    int64_t all = total(a->grads, a->n);
    int team = lt_team(all);
#pragma omp parallel num_threads(team)
    {
        int64_t me = omp_get_thread_num();
        int64_t at = all * me / team, end = all * (me + 1) / team, start = 0;
        stretch s = {0, 0, 0};
        while (next_stretch(&s, a->grads, a->n, &at, end, &start)) {
            float *x = lt_f32(a->grads[s.tensor]) + s.first;
            for (int64_t i = 0; i < s.count; i++) x[i] *= factor;
        }
    }
    return LT_OK;
}

static lt_status grad_scale_check(const void *args)
{
    const scale_args *a = args;
    LT_TRY(lt_check_dtype("grad_scale", "scale", &a->scale, LT_F32));
    LT_REQUIRE(lt_numel(&a->scale) == 1, LT_ERR_ARGUMENT, "grad_scale: scale must be one number");
    return check_list("grad_scale", "gradient", a->grads, a->grads, a->n);
}

static lt_status ema_update_cpu(const void *args)
{
    const ema_args *a = args;
    float rest = (float)(1 - a->decay);
    touch(a->averages, a->n);
    int64_t all = total(a->params, a->n);
    int team = lt_team(all);
#pragma omp parallel num_threads(team)
    {
        int64_t me = omp_get_thread_num();
        int64_t at = all * me / team, end = all * (me + 1) / team, start = 0;
        stretch s = {0, 0, 0};
        while (next_stretch(&s, a->params, a->n, &at, end, &start)) {
            float *y = lt_f32(a->averages[s.tensor]) + s.first;
            const float *x = lt_f32(a->params[s.tensor]) + s.first;
            for (int64_t i = 0; i < s.count; i++) y[i] += (x[i] - y[i]) * rest;
        }
    }
    return LT_OK;
}

static lt_status ema_update_check(const void *args)
{
    const ema_args *a = args;
    LT_REQUIRE(a->decay >= 0 && a->decay <= 1, LT_ERR_ARGUMENT,
               "ema_update: decay is %g; it must be from 0 to 1", a->decay);
    LT_TRY(check_list("ema_update", "parameter", a->params, a->params, a->n));
    return check_list("ema_update", "average", a->averages, a->params, a->n);
}

LT_OP(sgd, "; clock scale?", sgd_check, sgd_cpu)
LT_OP(adam, "; clock scale?", adam_check, adam_cpu)
LT_OP(rmsprop, "; clock scale?", rmsprop_check, rmsprop_cpu)
LT_OP(grad_norm, "norm scale;", grad_norm_check, grad_norm_cpu)
LT_OP(grad_scale, "; scale", grad_scale_check, grad_scale_cpu)
LT_OP(ema_update, "", ema_update_check, ema_update_cpu)

// ---- the public functions ----------------------------------------------------------------------

lt_status lt_sgd(const lt_tensor *clock, const lt_tensor *scale, int32_t n,
                 lt_tensor *const *params, lt_tensor *const *grads, lt_tensor *const *buffers,
                 double momentum, double dampening, double weight_decay, int32_t flags)
{
    step_args a = {*clock, lt_optional(scale), n, {params, grads, buffers}, weight_decay, momentum,
                   dampening, 0, flags};
    return lt_run(&sgd_op, &a);
}

lt_status lt_adam(const lt_tensor *clock, const lt_tensor *scale, int32_t n,
                  lt_tensor *const *params, lt_tensor *const *grads, lt_tensor *const *firsts,
                  lt_tensor *const *seconds, lt_tensor *const *largest, double beta1, double beta2,
                  double eps, double weight_decay, int32_t flags)
{
    step_args a = {*clock, lt_optional(scale), n, {params, grads, firsts, seconds, largest},
                   weight_decay, beta1, beta2, eps, flags};
    return lt_run(&adam_op, &a);
}

lt_status lt_rmsprop(const lt_tensor *clock, const lt_tensor *scale, int32_t n,
                     lt_tensor *const *params, lt_tensor *const *grads, lt_tensor *const *squares,
                     lt_tensor *const *means, lt_tensor *const *buffers, double alpha, double eps,
                     double momentum, double weight_decay, int32_t flags)
{
    LT_REQUIRE(squares || n == 0, LT_ERR_ARGUMENT, "rmsprop: no list of mean squares");
    step_args a = {*clock, lt_optional(scale), n, {params, grads, squares, means, buffers},
                   weight_decay, alpha, momentum, eps, flags};
    return lt_run(&rmsprop_op, &a);
}

lt_status lt_grad_norm(lt_tensor *norm, lt_tensor *scale, int32_t n, lt_tensor *const *grads,
                       double max_norm, bool infinity)
{
    norm_args a = {*norm, *scale, n, grads, max_norm, infinity};
    return lt_run(&grad_norm_op, &a);
}

lt_status lt_grad_scale(const lt_tensor *scale, int32_t n, lt_tensor *const *grads)
{
    scale_args a = {*scale, n, grads};
    return lt_run(&grad_scale_op, &a);
}

lt_status lt_ema_update(int32_t n, lt_tensor *const *averages, lt_tensor *const *params,
                        double decay)
{
    ema_args a = {n, averages, params, decay};
    return lt_run(&ema_update_op, &a);
}
