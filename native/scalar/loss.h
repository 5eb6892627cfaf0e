// loss: the loss of one element x against its target t, and its derivative by x (suffix _d).
//
// bce takes probabilities, bce_logits their logits with a weight p for positive targets; kl_div
// takes log-probabilities x and probabilities t (kl_div_log: log-probabilities t).
#ifndef LT_SCALAR_LOSS_H
#define LT_SCALAR_LOSS_H

#include "vmath.h"

VM_INLINE float mse(float x, float t) { return (x - t) * (x - t); }
VM_INLINE float mse_d(float x, float t) { return 2.f * (x - t); }

VM_INLINE float l1(float x, float t) { return vm_abs(x - t); }
VM_INLINE float l1_d(float x, float t) { return (x > t ? 1.f : 0.f) - (x < t ? 1.f : 0.f); }

// A parabola within delta of the target, straight lines beyond.
VM_INLINE float huber(float x, float t, float delta)
{
    float d = vm_abs(x - t);
    return d < delta ? 0.5f * d * d : delta * (d - 0.5f * delta);
}
VM_INLINE float huber_d(float x, float t, float delta)
{
    float d = x - t, far = vm_copysign(delta, d);
    return vm_abs(d) < delta ? d : far;
}

// huber / beta; l1 for beta 0.
VM_INLINE float smooth_l1(float x, float t, float beta)
{
    float d = vm_abs(x - t), near = d * d * (0.5f / beta);
    return d < beta ? near : d - 0.5f * beta;
}
VM_INLINE float smooth_l1_d(float x, float t, float beta)
{
    float near = (x - t) / beta, far = l1_d(x, t);
    return vm_abs(x - t) < beta ? near : far;
}

// Logarithms are not let below -100, as in PyTorch.
VM_INLINE float bce(float x, float t)
{
    float a = vm_log(x), b = vm_log1p(-x);
    a = a < -100.f ? -100.f : a;
    b = b < -100.f ? -100.f : b;
    return (t - 1.f) * b - t * a;
}
VM_INLINE float bce_d(float x, float t)
{
    float d = (1.f - x) * x;
    return (x - t) / (d < 1e-12f ? 1e-12f : d);
}

VM_INLINE float bce_logits(float x, float t, float p)
{
    float low = x < 0.f ? -x : 0.f;
    return (1.f - t) * x + (1.f + (p - 1.f) * t) * (vm_log1p(vm_exp(-vm_abs(x))) + low);
}
VM_INLINE float bce_logits_d(float x, float t, float p)
{
    return (p * t + 1.f - t) * vm_sigmoid(x) - p * t;
}

// t log t is 0 at t = 0.
VM_INLINE float kl_div(float x, float t)
{
    float log_t = vm_log(t > 0.f ? t : 1.f);
    return t > 0.f ? t * (log_t - x) : 0.f;
}
VM_INLINE float kl_div_log(float x, float t) { return vm_exp(t) * (t - x); }

#endif
