// activation: functions of one number, applied to every element, each with its derivative.
//
// UNARY names a function and its value at x; GRADIENT gives dx from dy and from s, which is the
// tensor that forward saved: x or, where that is cheaper, y. Formulas as PyTorch documents them.
#include "loop.h"

#include "../scalar/vmath.h"

typedef struct { lt_tensor y, x; float k[2]; } unary_args;
typedef struct { lt_tensor dx, dy, s; float k[2]; } gradient_args;

static lt_map unary_map(const unary_args *p, lt_row_f32 *row, int cost)
{
    return (lt_map){.f32 = row, .k = p->k, .outs = 1, .args = 2, .t = {&p->y, &p->x}, .cost = cost};
}

static lt_status unary_check(const char *op, const unary_args *p)
{
    lt_map m = unary_map(p, NULL, 1);
    LT_TRY(lt_check_same_shape(op, "y", &p->y, "x", &p->x));
    return lt_map_check(op, &m, (const char *const[]){"y", "x"});
}

static lt_map gradient_map(const gradient_args *p, lt_row_f32 *row, int cost)
{
    return (lt_map){.f32 = row, .k = p->k, .outs = 1, .args = 3,
                    .t = {&p->dx, &p->dy, &p->s}, .cost = cost};
}

static lt_status gradient_check(const char *op, const gradient_args *p)
{
    lt_map m = gradient_map(p, NULL, 1);
    LT_TRY(lt_check_same_shape(op, "dx", &p->dx, "saved", &p->s));
    LT_TRY(lt_check_same_shape(op, "dy", &p->dy, "saved", &p->s));
    return lt_map_check(op, &m, (const char *const[]){"dx", "dy", "saved"});
}

#define UNARY(id, work, value) \
    static void id##_row(int64_t n, float *const *p, const float *k) \
    { \
        float *y = p[0]; \
        const float *xs = p[1]; \
        const float k0 = k[0], k1 = k[1]; \
        (void)k0, (void)k1; \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++) { \
            float x = xs[i]; \
            y[i] = (value); \
        } \
    } \
    static lt_status id##_check(const void *p) { return unary_check(#id, p); } \
    static lt_status id##_cpu(const void *p) \
    { \
        lt_map m = unary_map(p, id##_row, work); \
        return lt_map_run(&m); \
    } \
    LT_OP(id, "y; x", id##_check, id##_cpu)

#define GRADIENT(id, work, value) \
    static void id##_backward_row(int64_t n, float *const *p, const float *k) \
    { \
        float *dx = p[0]; \
        const float *gs = p[1], *ss = p[2]; \
        const float k0 = k[0], k1 = k[1]; \
        (void)k0, (void)k1; \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++) { \
            float dy = gs[i], s = ss[i]; \
            dx[i] = (value); \
        } \
    } \
    static lt_status id##_backward_check(const void *p) \
    { \
        return gradient_check(#id "_backward", p); \
    } \
    static lt_status id##_backward_cpu(const void *p) \
    { \
        lt_map m = gradient_map(p, id##_backward_row, work); \
        return lt_map_run(&m); \
    } \
    LT_OP(id##_backward, "dx; dy saved", id##_backward_check, id##_backward_cpu)

// Public functions of ops without options, and with them.
#define CALL_UNARY(id) \
    lt_status lt_##id(lt_tensor *y, const lt_tensor *x) \
    { \
        unary_args a = {*y, *x, {0}}; \
        return lt_run(&id##_op, &a); \
    }
#define CALL_GRADIENT(id) \
    lt_status lt_##id##_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *saved) \
    { \
        gradient_args a = {*dx, *dy, *saved, {0}}; \
        return lt_run(&id##_backward_op, &a); \
    }
#define PLAIN(id, work, value, slope_work, slope) \
    UNARY(id, work, value) CALL_UNARY(id) GRADIENT(id, slope_work, slope) CALL_GRADIENT(id)
#define WITHOUT_GRADIENT(id, work, value) UNARY(id, work, value) CALL_UNARY(id)

// ---- elementary functions ----------------------------------------------------------------------
PLAIN(exp, 4, vm_exp(x), 1, dy * s)                                     // saved: y
PLAIN(expm1, 4, vm_expm1(x), 1, dy * (s + 1.f))                         // y
PLAIN(ln, 4, vm_log(x), 1, dy / s)                                     // x
PLAIN(log1p, 4, vm_log1p(x), 1, dy / (1.f + s))                         // x
PLAIN(sqrt, 1, sqrtf(x), 1, dy * 0.5f / s)                              // y
PLAIN(rsqrt, 1, 1.f / sqrtf(x), 1, dy * -0.5f * s * s * s)              // y
PLAIN(reciprocal, 1, 1.f / x, 1, -dy * s * s)                           // y
PLAIN(square, 1, x * x, 1, dy * 2.f * s)                                // x
PLAIN(abs, 1, vm_abs(x), 1, s > 0.f ? dy : s < 0.f ? -dy : 0.f)         // x
PLAIN(sin, 4, vm_sin(x), 4, dy * vm_cos(s))                             // x
PLAIN(cos, 4, vm_cos(x), 4, -dy * vm_sin(s))                            // x
PLAIN(erf, 4, vm_erf(x), 4, dy * 1.12837917f * vm_exp(-s * s))          // x
WITHOUT_GRADIENT(sign, 1, x > 0.f ? 1.f : x < 0.f ? -1.f : 0.f)
WITHOUT_GRADIENT(floor, 1, floorf(x))
WITHOUT_GRADIENT(ceil, 1, ceilf(x))
WITHOUT_GRADIENT(round, 1, rintf(x))                                    // halves to even
WITHOUT_GRADIENT(isnan, 1, x != x ? 1.f : 0.f)
WITHOUT_GRADIENT(isinf, 1, vm_abs(x) > 3.40282347e38f ? 1.f : 0.f)
WITHOUT_GRADIENT(isfinite, 1, vm_abs(x) <= 3.40282347e38f ? 1.f : 0.f)

// ---- activations -------------------------------------------------------------------------------
PLAIN(tanh, 4, vm_tanh(x), 1, dy * (1.f - s * s))                       // y
PLAIN(sigmoid, 4, vm_sigmoid(x), 1, dy * s * (1.f - s))                 // y
PLAIN(relu, 1, x < 0.f ? 0.f : x, 1, s > 0.f ? dy : 0.f)                // y
PLAIN(hardsigmoid, 1, vm_clamp(x / 6.f + 0.5f, 0.f, 1.f), 1,
      (s > -3.f) & (s < 3.f) ? dy / 6.f : 0.f)                          // x

static inline float silu_slope(float x)
{
    float g = vm_sigmoid(x);
    return g * (1.f + x * (1.f - g));
}
PLAIN(silu, 4, x * vm_sigmoid(x), 6, dy * silu_slope(s))                // x

// log(sigmoid(x)) = min(x, 0) - log(1 + e^-|x|).
PLAIN(log_sigmoid, 8, (x < 0.f ? x : 0.f) - vm_log1p(vm_exp(-vm_abs(x))), 4,
      dy * vm_sigmoid(-s))                                              // x

// x Phi(x), Phi the normal distribution function.
static inline float gelu_slope(float x)
{
    float phi = 0.398942280f * vm_exp(-0.5f * x * x);
    return vm_normal_cdf(x) + x * phi;
}
PLAIN(gelu, 6, x * vm_normal_cdf(x), 8, dy * gelu_slope(s))  // x

static inline float gelu_inner(float x) { return 0.797884561f * (x + 0.044715f * x * x * x); }
static inline float gelu_tanh_slope(float x)
{
    float t = vm_tanh(gelu_inner(x));
    float inner_slope = 0.797884561f * (1.f + 0.134145f * x * x);
    return 0.5f * (1.f + t) + 0.5f * x * (1.f - t * t) * inner_slope;
}
PLAIN(gelu_tanh, 6, 0.5f * x * (1.f + vm_tanh(gelu_inner(x))), 8, dy * gelu_tanh_slope(s))  // x

// ---- activations with options ------------------------------------------------------------------
UNARY(leaky_relu, 1, x > 0.f ? x : k0 * x)
GRADIENT(leaky_relu, 1, s > 0.f ? dy : k0 * dy)                         // x
UNARY(elu, 4, x > 0.f ? x : k0 * vm_expm1(x))
GRADIENT(elu, 4, s > 0.f ? dy : dy * k0 * vm_exp(s))                    // x
UNARY(softplus, 8, x * k0 > k1 ? x : vm_log1p(vm_exp(x * k0)) / k0)
GRADIENT(softplus, 4, s * k0 > k1 ? dy : dy * vm_sigmoid(s * k0))       // x
UNARY(clamp, 1, vm_clamp(x, k0, k1))
GRADIENT(clamp, 1, (s >= k0) & (s <= k1) ? dy : 0.f)                    // x

#define CALL_WITH(id, first, second) \
    unary_args a = {*y, *x, {(float)(first), (float)(second)}}; \
    return lt_run(&id##_op, &a);
#define CALL_BACKWARD_WITH(id, first, second) \
    gradient_args a = {*dx, *dy, *x, {(float)(first), (float)(second)}}; \
    return lt_run(&id##_backward_op, &a);

lt_status lt_leaky_relu(lt_tensor *y, const lt_tensor *x, double slope)
{
    CALL_WITH(leaky_relu, slope, 0)
}

lt_status lt_leaky_relu_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *x,
                                 double slope)
{
    CALL_BACKWARD_WITH(leaky_relu, slope, 0)
}

lt_status lt_elu(lt_tensor *y, const lt_tensor *x, double alpha)
{
    CALL_WITH(elu, alpha, 0)
}

lt_status lt_elu_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *x, double alpha)
{
    CALL_BACKWARD_WITH(elu, alpha, 0)
}

lt_status lt_softplus(lt_tensor *y, const lt_tensor *x, double beta, double threshold)
{
    CALL_WITH(softplus, beta, threshold)
}

lt_status lt_softplus_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *x, double beta,
                               double threshold)
{
    CALL_BACKWARD_WITH(softplus, beta, threshold)
}

lt_status lt_clamp(lt_tensor *y, const lt_tensor *x, double low, double high)
{
    CALL_WITH(clamp, low, high)
}

lt_status lt_clamp_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *x, double low,
                            double high)
{
    CALL_BACKWARD_WITH(clamp, low, high)
}

// ---- functions of two tensors: prelu and the gated unit ----------------------------------------
// outs outputs, then inputs; all of t[0]'s shape after broadcasting.
typedef struct { lt_tensor t[5]; } tensors;

static lt_map tensors_map(const tensors *p, lt_row_f32 *row, int outs, int args, int cost)
{
    lt_map m = {.f32 = row, .outs = outs, .args = args, .cost = cost};
    for (int a = 0; a < args; a++) m.t[a] = &p->t[a];
    return m;
}

#define FUNCTION(id, arguments, outputs, count, work, ...) \
    static lt_status id##_check(const void *p) \
    { \
        lt_map m = tensors_map(p, id##_row, outputs, count, work); \
        return lt_map_check(#id, &m, (const char *const[]){__VA_ARGS__}); \
    } \
    static lt_status id##_cpu(const void *p) \
    { \
        lt_map m = tensors_map(p, id##_row, outputs, count, work); \
        return lt_map_run(&m); \
    } \
    LT_OP(id, arguments, id##_check, id##_cpu)

static void prelu_row(int64_t n, float *const *p, const float *k)
{
    float *y = p[0];
    const float *x = p[1], *w = p[2];
    (void)k;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) y[i] = x[i] > 0.f ? x[i] : w[i] * x[i];
}

// dw is not summed yet over what w was broadcast to.
static void prelu_backward_row(int64_t n, float *const *p, const float *k)
{
    float *dx = p[0], *dw = p[1];
    const float *dy = p[2], *x = p[3], *w = p[4];
    (void)k;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float g = dy[i], v = x[i], s = w[i];
        dx[i] = v > 0.f ? g : s * g;
        dw[i] = v > 0.f ? 0.f : v * g;
    }
}

FUNCTION(prelu, "y; x weight", 1, 3, 1, "y", "x", "weight")
FUNCTION(prelu_backward, "dx dweight; dy x weight", 2, 5, 1, "dx", "dweight", "dy", "x", "weight")

lt_status lt_prelu(lt_tensor *y, const lt_tensor *x, const lt_tensor *weight)
{
    tensors a = {{*y, *x, *weight}};
    return lt_run(&prelu_op, &a);
}

lt_status lt_prelu_backward(lt_tensor *dx, lt_tensor *dweight, const lt_tensor *dy,
                            const lt_tensor *x, const lt_tensor *weight)
{
    tensors a = {{*dx, *dweight, *dy, *x, *weight}};
    return lt_run(&prelu_backward_op, &a);
}

static void glu_row(int64_t n, float *const *p, const float *k)
{
    float *y = p[0];
    const float *a = p[1], *b = p[2];
    (void)k;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) y[i] = a[i] * vm_sigmoid(b[i]);
}

static void glu_backward_row(int64_t n, float *const *p, const float *k)
{
    float *da = p[0], *db = p[1];
    const float *dy = p[2], *a = p[3], *b = p[4];
    (void)k;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float s = vm_sigmoid(b[i]), g = dy[i] * s;
        float slope = g * a[i] * (1.f - s);
        da[i] = g;
        db[i] = slope;
    }
}

FUNCTION(glu, "y; a b", 1, 3, 4, "y", "a", "b")
FUNCTION(glu_backward, "da db; dy a b", 2, 5, 4, "da", "db", "dy", "a", "b")

lt_status lt_glu(lt_tensor *y, const lt_tensor *a, const lt_tensor *b)
{
    tensors args = {{*y, *a, *b}};
    return lt_run(&glu_op, &args);
}

lt_status lt_glu_backward(lt_tensor *da, lt_tensor *db, const lt_tensor *dy, const lt_tensor *a,
                          const lt_tensor *b)
{
    tensors args = {{*da, *db, *dy, *a, *b}};
    return lt_run(&glu_backward_op, &args);
}
