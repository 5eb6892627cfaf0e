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
    const bool finite = sum < INFINITY;  // else all digits are 0, and the unit tells
    const float factor = whole / sum;
    if (n % 2) high[n] = low[n] = 0;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float v = finite ? x[i] * factor : 0;
        v = v > -whole && v < whole ? v : v < 0 ? -whole : whole;
        int32_t q = (int32_t)rintf(v), h = (q + 128) >> 8;
        high[i] = (int16_t)h;
        low[i] = (int16_t)(q - 256 * h);
    }
    return (fixed_row){high, low, (n + 1) / 2, sum / whole};
}

enum { FIXED_PANELS = 4 / PANEL_PARTS }; // side by side: their sums fill eight registers

// y (16 count) += x times `count` panels, `stride` elements apart.
VEC_INLINE void digits_block(const bool vnni, const int count, float *y, const fixed_row *x,
                            const int16_t *w, int64_t stride, const float *scales)
{
    lt_vec_ints high[FIXED_PANELS][PANEL_PARTS] = {0}, low[FIXED_PANELS][PANEL_PARTS] = {0};
    for (int64_t i = 0; i < x->pairs; i++)
#pragma GCC unroll 4
        for (int c = 0; c < count; c++)
#pragma GCC unroll 4
            for (int k = 0; k < PANEL_PARTS; k++) {
                const int16_t *at = w + c * stride + (i * PANEL + k * LT_VEC) * 2;
                high[c][k] = panel_pairs(vnni, high[c][k], at, x->high + 2 * i);
                low[c][k] = panel_pairs(vnni, low[c][k], at, x->low + 2 * i);
            }
#pragma GCC unroll 4
    for (int c = 0; c < count; c++)
#pragma GCC unroll 4
        for (int k = 0; k < PANEL_PARTS; k++) {
            const int64_t at = c * PANEL + k * LT_VEC;
            const lt_vec above = __builtin_convertvector(high[c][k], lt_vec);
            const lt_vec below = __builtin_convertvector(low[c][k], lt_vec);
            *(lt_vec_loose *)(y + at) +=
                (above * 256.f + below) * (*(const lt_vec_loose *)(scales + at) * x->unit);
        }
}

VEC_INLINE void digits_panels(const bool vnni, float *y, const fixed_row *x, const int16_t *w,
                             int64_t stride, int64_t panels, const float *scales)
{
    int64_t p = 0;
    for (; p + FIXED_PANELS <= panels; p += FIXED_PANELS)
        digits_block(vnni, FIXED_PANELS, y + p * PANEL, x, w + p * stride, stride,
                    scales + p * PANEL);
    for (; p < panels; p++)
        digits_block(vnni, 1, y + p * PANEL, x, w + p * stride, stride, scales + p * PANEL);
}

// y (16 panels) += x (n) times panels of n inputs.
static inline void digits_times(float *y, const float *x, int64_t n, const int16_t *w,
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
            digits_panels(true, y, &row, w + at * PANEL, stride, panels, scales);
        else
            digits_panels(false, y, &row, w + at * PANEL, stride, panels, scales);
    }
}

#endif
