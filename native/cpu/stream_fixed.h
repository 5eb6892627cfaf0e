// stream_fixed.h: one row of floats times a matrix of 16-bit numbers, in integers.
//
// To make floats of 16-bit weights costs more than to multiply with them. So the row becomes
// integers too, once for all outputs: of 23 bits, of which 2^23 stands for the sum of the row's
// magnitudes, as two digits, high * 256 + low, with which pairs of weights are multiplied and
// added in one or two instructions. No sum can leave 32 bits: of the high digits' magnitudes there
// are 32768 and a half for each of DIGITS, of the low ones' 128 for each, times 32767.
//
// A panel is (inputs / 2, 16, 2): the weights of two neighbouring inputs lie side by side.
#ifndef LT_STREAM_FIXED_H
#define LT_STREAM_FIXED_H

#include "decoder.h"

enum { DIGITS = 512 }; // of a row at a time

typedef struct {
    const int16_t *high, *low;
    int64_t pairs;
    float unit; // of a low digit; NaN or Inf where the row holds such
} fixed_row;

// x (n, at most DIGITS) as digits in room (2 DIGITS), with a zero behind an odd number.
static inline fixed_row fixed_digits(int16_t *room, const float *x, int64_t n)
{
    const float whole = 8388000.f;
    int16_t *high = room, *low = room + DIGITS;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) sum += fabsf(x[i]);
    sum = sum < 1e-30f ? 1e-30f : sum;
    const float factor = whole / sum;
    if (n % 2) high[n] = low[n] = 0;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float v = x[i] * factor;
        v = v > -whole && v < whole ? v : v < 0 ? -whole : whole;
        int32_t q = (int32_t)rintf(v), h = (q + 128) >> 8;
        high[i] = (int16_t)h;
        low[i] = (int16_t)(q - 256 * h);
    }
    return (fixed_row){high, low, (n + 1) / 2, sum / whole};
}

// sum (16) += w (16, 2) times the same two numbers. vnni: the processor does so at once.
VEC_INLINE panel_ints fixed_pairs(const bool vnni, panel_ints sum, const int16_t *w,
                                  const int16_t *two)
{
#if defined(LT_VEC_MASKED)
    int32_t both;
    memcpy(&both, two, sizeof both);
    const __m512i x = _mm512_set1_epi32(both), pairs = _mm512_loadu_si512(w);
    if (!vnni) return sum + (panel_ints)_mm512_madd_epi16(pairs, x);
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(pairs), "v"(x));
#else
    (void)vnni;
    for (int i = 0; i < PANEL; i++) sum[i] += w[2 * i] * two[0] + w[2 * i + 1] * two[1];
#endif
    return sum;
}

// sum[c][0 and 1] += pair i of the high and the low digits times that of panel c.
VEC_INLINE void fixed_step(const bool vnni, const int count, panel_ints (*sum)[2],
                           const fixed_row *x, const int16_t *w, int64_t stride, int64_t i)
{
#pragma GCC unroll 2
    for (int c = 0; c < count; c++) {
        const int16_t *at = w + c * stride + i * 2 * PANEL;
        sum[c][0] = fixed_pairs(vnni, sum[c][0], at, x->high + 2 * i);
        sum[c][1] = fixed_pairs(vnni, sum[c][1], at, x->low + 2 * i);
    }
}

// y (16 count) += x times `count` panels, `stride` elements apart; even and odd pairs have sums
// that do not wait for each other.
VEC_INLINE void fixed_block(const bool vnni, const int count, float *y, const fixed_row *x,
                            const int16_t *w, int64_t stride, const float *scales)
{
    panel_ints even[2][2] = {0}, odd[2][2] = {0};
    int64_t i = 0;
    for (; i + 2 <= x->pairs; i += 2) {
        fixed_step(vnni, count, even, x, w, stride, i);
        fixed_step(vnni, count, odd, x, w, stride, i + 1);
    }
    if (i < x->pairs) fixed_step(vnni, count, even, x, w, stride, i);
#pragma GCC unroll 2
    for (int c = 0; c < count; c++) {
        const lt_vec high = __builtin_convertvector(even[c][0] + odd[c][0], lt_vec);
        const lt_vec low = __builtin_convertvector(even[c][1] + odd[c][1], lt_vec);
        const lt_vec scale = *(const lt_vec_loose *)(scales + c * PANEL) * x->unit;
        *(lt_vec_loose *)(y + c * PANEL) += (high * 256.f + low) * scale;
    }
}

VEC_INLINE void fixed_panels(const bool vnni, float *y, const fixed_row *x, const int16_t *w,
                             int64_t stride, int64_t panels, const float *scales)
{
    int64_t p = 0;
    for (; p + 2 <= panels; p += 2)
        fixed_block(vnni, 2, y + p * PANEL, x, w + p * stride, stride, scales + p * PANEL);
    if (p < panels)
        fixed_block(vnni, 1, y + p * PANEL, x, w + p * stride, stride, scales + p * PANEL);
}

// y (16 panels) += x (n) times panels of n inputs.
static inline void fixed_times(float *y, const float *x, int64_t n, const int16_t *w,
                               int64_t panels, const float *scales)
{
    int16_t room[2 * DIGITS];
    const int64_t stride = (n + 1) / 2 * 2 * PANEL;
#if defined(LT_VEC_MASKED)
    const bool vnni = __builtin_cpu_supports("avx512vnni");
#else
    const bool vnni = false;
#endif
    for (int64_t at = 0; at < n; at += DIGITS) {
        const fixed_row row = fixed_digits(room, x + at, n - at < DIGITS ? n - at : DIGITS);
        if (vnni)
            fixed_panels(true, y, &row, w + at * PANEL, stride, panels, scales);
        else
            fixed_panels(false, y, &row, w + at * PANEL, stride, panels, scales);
    }
}

#endif
