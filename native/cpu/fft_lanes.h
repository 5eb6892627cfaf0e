// fft_lanes: vectors that hold one element of LT_LANES frames, and what is done with them.
//
// The spectral kernels transform many frames at once, one frame per SIMD lane, so that an FFT needs
// no shuffles: frames are transposed once on the way in, and bins leave as rows of frames.
// A file that defines FFT_DOUBLE before it includes this gets everything, transforms too, in f64.
#ifndef LT_FFT_LANES_H
#define LT_FFT_LANES_H

#include "core/internal.h"

#if defined(__AVX512F__)
#define FFT_BYTES 64  // of a vector
#elif defined(__AVX2__)
#define FFT_BYTES 32
#else
#define FFT_BYTES 16
#endif

#ifdef FFT_DOUBLE
#define LT_LANES (FFT_BYTES / 8)
typedef double fft_real;
typedef int64_t fft_int;
#define fft_sqrt sqrt
#else
#define LT_LANES (FFT_BYTES / 4)
typedef float fft_real;
typedef int32_t fft_int;
#define fft_sqrt sqrtf
#endif
typedef fft_real vec __attribute__((vector_size(FFT_BYTES), may_alias));
typedef fft_real vec_loose __attribute__((vector_size(FFT_BYTES), aligned(4), may_alias));
typedef fft_int ivec __attribute__((vector_size(FFT_BYTES), may_alias));
typedef struct cvec { vec re, im; } cvec;

static inline vec vec_all(fft_real x) { return (vec){0} + x; }
static inline vec vec_load(const fft_real *p) { return *(const vec_loose *)p; }
// The same for two uses, which GCC would else make two loads: dear where they cross cache lines.
static inline vec vec_held(const fft_real *p)
{
    vec v = vec_load(p);
#ifdef __x86_64__
    __asm__("" : "+v"(v));
#endif
    return v;
}
static inline void vec_store(fft_real *p, vec v) { *(vec_loose *)p = v; }
static inline vec vec_select(ivec mask, vec a, vec b)
{
    return (vec)((mask & (ivec)a) | (~mask & (ivec)b));
}
static inline vec vec_max(vec a, vec b) { return vec_select(a > b, a, b); }
// The first n lanes of v.
static inline void vec_store_some(fft_real *p, vec v, int n)
{
    if (n >= LT_LANES) {
        vec_store(p, v);
    } else {
        for (int i = 0; i < n; i++) p[i] = v[i];
    }
}
static inline vec vec_load_some(const fft_real *p, int n)
{
    if (n >= LT_LANES) return vec_load(p);
    vec v = {0};
    for (int i = 0; i < n; i++) v[i] = p[i];
    return v;
}
static inline vec vec_sqrt(vec v)
{
    for (int i = 0; i < LT_LANES; i++) v[i] = fft_sqrt(v[i]);
    return v;
}

// Shuffles: EACH(f, h) lists f(e, h) for every lane e.
#if LT_LANES == 16
#define LT_EACH(f, h) \
    f(0, h), f(1, h), f(2, h), f(3, h), f(4, h), f(5, h), f(6, h), f(7, h), f(8, h), f(9, h), \
    f(10, h), f(11, h), f(12, h), f(13, h), f(14, h), f(15, h)
#elif LT_LANES == 8
#define LT_EACH(f, h) \
    f(0, h), f(1, h), f(2, h), f(3, h), f(4, h), f(5, h), f(6, h), f(7, h)
#elif LT_LANES == 4
#define LT_EACH(f, h) f(0, h), f(1, h), f(2, h), f(3, h)
#else
#define LT_EACH(f, h) f(0, h), f(1, h)
#endif
#define LT_LOW(e, h) (((e) & (h)) ? LT_LANES + (e) - (h) : (e))
#define LT_HIGH(e, h) (((e) & (h)) ? LT_LANES + (e) : (e) + (h))
#define LT_ZIP_LOW(e, h) ((e) / 2 + (((e) & 1) ? LT_LANES : 0) + (h))

// One round of a transpose: exchanges the off-diagonal blocks of h x h elements.
#define LT_EXCHANGE(t, h) \
    for (int i = 0; i < LT_LANES; i++) { \
        if (i & (h)) continue; \
        vec a = (t)[i], b = (t)[i + (h)]; \
        (t)[i] = __builtin_shufflevector(a, b, LT_EACH(LT_LOW, h)); \
        (t)[i + (h)] = __builtin_shufflevector(a, b, LT_EACH(LT_HIGH, h)); \
    }

// Transposes LT_LANES vectors as a square matrix.
static inline __attribute__((always_inline)) void vec_transpose(vec *t)
{
#if LT_LANES >= 16
    LT_EXCHANGE(t, 8)
#endif
#if LT_LANES >= 8
    LT_EXCHANGE(t, 4)
#endif
#if LT_LANES >= 4
    LT_EXCHANGE(t, 2)
#endif
    LT_EXCHANGE(t, 1)
}

#define LT_TURN(e, h) (((e) + (h)) % LT_LANES)

// The sum of all lanes, as a tree.
static inline fft_real vec_sum(vec v)
{
#if LT_LANES >= 16
    v += __builtin_shufflevector(v, v, LT_EACH(LT_TURN, 8));
#endif
#if LT_LANES >= 8
    v += __builtin_shufflevector(v, v, LT_EACH(LT_TURN, 4));
#endif
#if LT_LANES >= 4
    v += __builtin_shufflevector(v, v, LT_EACH(LT_TURN, 2));
#endif
    v += __builtin_shufflevector(v, v, LT_EACH(LT_TURN, 1));
    return v[0];
}

// re and im of n frames as n interleaved complex numbers.
static inline void cvec_store_some(fft_real *p, cvec c, int n)
{
    vec low = __builtin_shufflevector(c.re, c.im, LT_EACH(LT_ZIP_LOW, 0));
    vec high = __builtin_shufflevector(c.re, c.im, LT_EACH(LT_ZIP_LOW, LT_LANES / 2));
    vec_store_some(p, low, 2 * n);
    if (2 * n > LT_LANES) vec_store_some(p + LT_LANES, high, 2 * n - LT_LANES);
}

static inline cvec cvec_load_some(const fft_real *p, int n)
{
    cvec c = {{0}, {0}};
    for (int i = 0; i < n; i++) {
        c.re[i] = p[2 * i];
        c.im[i] = p[2 * i + 1];
    }
    return c;
}

#ifndef FFT_DOUBLE
// Natural logarithm of normal positive x; a NaN stays one. With x = 2^e m and m in
// [sqrt(1/2), sqrt(2)) the result is e ln 2 + f - f^2/2 + f^3 P(f), f = m - 1; P interpolates at
// Chebyshev nodes (error below 8e-9).
static inline vec vec_log(vec x)
{
    ivec bits = (ivec)x - 0x3f3504f3;
    vec e = __builtin_convertvector(bits >> 23, vec);
    vec f = (vec)((bits & 0x7fffff) + 0x3f3504f3) - 1.0f;
    vec p = vec_all(-0.07902743772248065f);
    p = p * f + 0.12622319849017136f;
    p = p * f - 0.1299818376361728f;
    p = p * f + 0.14214495923976825f;
    p = p * f - 0.16641281463111948f;
    p = p * f + 0.20001045094159647f;
    p = p * f - 0.25000306422569657f;
    p = p * f + 0.3333333072819068f;
    vec f2 = f * f;
    vec small = p * f2 * f - 0.5f * f2 + e * -2.12194440e-4f;
    return vec_select(x == x, e * 0.693359375f + (small + f), x);
}

// log(1 + x) for x >= 0; exact where 1 + x rounds.
static inline vec vec_log1p(vec x)
{
    vec u = 1.0f + x;
    return vec_log(u) + (x - (u - 1.0f)) / u;
}
#endif

#endif
