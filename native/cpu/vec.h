// vec.h: as many floats at once as a register holds, read from and written to f32 or bf16 memory. Not
// more: GCC keeps wider vectors in memory.
#ifndef LT_VEC_H
#define LT_VEC_H

#include "core/internal.h"
#if defined(__AVX2__)
#include <immintrin.h>
#endif
#if defined(__AVX512BW__) && defined(__AVX512VL__)
#define LT_VEC_MASKED 1
#endif

#if defined(__AVX512F__)
enum { LT_VEC = 16 };
#elif defined(__AVX2__)
enum { LT_VEC = 8 };
#else
enum { LT_VEC = 4 };
#endif
typedef float lt_vec __attribute__((vector_size(4 * LT_VEC)));
typedef float lt_vec_loose __attribute__((vector_size(4 * LT_VEC), aligned(4), may_alias));
typedef uint16_t lt_vec_half __attribute__((vector_size(2 * LT_VEC), aligned(2), may_alias));
typedef uint32_t lt_vec_bits __attribute__((vector_size(4 * LT_VEC)));
typedef int32_t lt_vec_ints __attribute__((vector_size(4 * LT_VEC)));

#define VEC_INLINE static inline __attribute__((always_inline))

// Elements i .. i + LT_VEC - 1 of an array of bf16 (half) or f32.
VEC_INLINE lt_vec lt_vec_load(const void *p, int64_t i, bool half)
{
    if (!half) return *(const lt_vec_loose *)((const float *)p + i);
#if defined(__AVX2__) && !defined(__AVX512F__)
    // GCC widens in halves unless told.
    const __m128i h = _mm_loadu_si128((const __m128i *)((const lt_bf16 *)p + i));
    return (lt_vec)_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16);
#else
    const lt_vec_half h = *(const lt_vec_half *)((const lt_bf16 *)p + i);
    return (lt_vec)(__builtin_convertvector(h, lt_vec_bits) << 16);
#endif
}

VEC_INLINE void lt_vec_store(void *p, int64_t i, bool half, lt_vec v)
{
    if (!half) {
        *(lt_vec_loose *)((float *)p + i) = v;
        return;
    }
    const lt_vec_bits u = (lt_vec_bits)v;
    const lt_vec_bits rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
    const lt_vec_bits quiet = (u >> 16) | 0x40u;
    const lt_vec_bits nan = (lt_vec_bits)(v != v);
    *(lt_vec_half *)((lt_bf16 *)p + i) =
        __builtin_convertvector((quiet & nan) | (rounded & ~nan), lt_vec_half);
}

// The first n elements only; the rest reads as 0.
VEC_INLINE lt_vec lt_vec_load_part(const void *p, int64_t i, bool half, int64_t n)
{
    if (n >= LT_VEC) return lt_vec_load(p, i, half);
#ifdef LT_VEC_MASKED
    const __mmask16 mask = (__mmask16)((1u << n) - 1);
    if (!half) return _mm512_maskz_loadu_ps(mask, (const float *)p + i);
    const __m256i h = _mm256_maskz_loadu_epi16(mask, (const lt_bf16 *)p + i);
    return (lt_vec)_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16);
#else
    float v[LT_VEC] = {0};
    for (int64_t j = 0; j < n; j++)
        v[j] = half ? lt_bf16_to_f32(((const lt_bf16 *)p)[i + j]) : ((const float *)p)[i + j];
    return *(lt_vec_loose *)v;
#endif
}

VEC_INLINE void lt_vec_store_part(void *p, int64_t i, bool half, int64_t n, lt_vec v)
{
    if (n >= LT_VEC) {
        lt_vec_store(p, i, half, v);
        return;
    }
#ifdef LT_VEC_MASKED
    const __mmask16 mask = (__mmask16)((1u << n) - 1);
    if (!half) {
        _mm512_mask_storeu_ps((float *)p + i, mask, v);
        return;
    }
    lt_bf16 rounded[LT_VEC];
    lt_vec_store(rounded, 0, true, v);
    _mm256_mask_storeu_epi16((lt_bf16 *)p + i, mask, _mm256_loadu_si256((const __m256i *)rounded));
#else
    for (int64_t j = 0; j < n; j++) {
        if (half) ((lt_bf16 *)p)[i + j] = lt_f32_to_bf16(v[j]);
        else ((float *)p)[i + j] = v[j];
    }
#endif
}

// v where s is above 0 (or NaN), elsewhere 0: a ReLU, or its gradient.
VEC_INLINE lt_vec lt_vec_above(lt_vec v, lt_vec s)
{
    return (lt_vec)((lt_vec_bits)v & ~(lt_vec_bits)(s <= 0));
}

#endif
