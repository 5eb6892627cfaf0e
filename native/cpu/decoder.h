// decoder.h: panels, the form in which the decoder's step reads weights, keys and values.
//
// A matrix (out, in) lies as panels of sixteen rows: panel p is (in, 16), element [k][i] is row
// 16 p + i, column k, so that a product with a vector is one pass through memory without sums
// across lanes. Numbers are f32, or fixed: 16 bits, of which 32767 stands for the largest magnitude
// that a row (or a column) holds, and a scale for each row (or column) that gives it back. A
// product of one row of activations runs at the speed of the cache the weights come from, so half
// the bytes are half the time, and 16 bits so used err by at most 1.5e-5 of the row's largest
// weight.
#ifndef LT_DECODER_H
#define LT_DECODER_H

#include "vec.h"

// A block of a product is PANEL_ROWS rows by PANEL_COUNT panels, as much as registers hold.
enum { PANEL = 16, PANEL_PARTS = PANEL / LT_VEC, PANEL_ROWS = 6, PANEL_COUNT = PANEL_PARTS > 1 ? 1 : 2 };

// Sixteen numbers, in as many registers as it takes.
typedef struct { lt_vec part[PANEL_PARTS]; } panel_vec;
typedef int16_t panel_fixed __attribute__((vector_size(2 * LT_VEC), may_alias));

VEC_INLINE int64_t panel_round(int64_t n) { return (n + PANEL - 1) / PANEL * PANEL; }
VEC_INLINE int64_t panel_bytes(bool fixed) { return fixed ? 2 : 4; }
VEC_INLINE const void *panel_at(const void *w, int64_t element, bool fixed)
{
    return (const char *)w + element * panel_bytes(fixed);
}

// LT_VEC numbers from element i on, a multiple of LT_VEC.
VEC_INLINE lt_vec panel_part(const void *w, int64_t i, bool fixed)
{
    if (!fixed) return *(const lt_vec *)((const float *)w + i);
    // GCC widens as many at once only when told to.
#if defined(__AVX512F__)
    const __m256i h = _mm256_load_si256((const __m256i *)((const int16_t *)w + i));
    return (lt_vec)_mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(h));
#elif defined(__AVX2__)
    const __m128i h = _mm_load_si128((const __m128i *)((const int16_t *)w + i));
    return (lt_vec)_mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(h));
#else
    const panel_fixed h = *(const panel_fixed *)((const int16_t *)w + i);
    return __builtin_convertvector(__builtin_convertvector(h, lt_vec_ints), lt_vec);
#endif
}

// sum += x times the sixteen numbers from element i on.
VEC_INLINE void panel_add(const bool fixed, panel_vec *sum, float x, const void *w, int64_t i)
{
#pragma GCC unroll 4
    for (int q = 0; q < PANEL_PARTS; q++) sum->part[q] += x * panel_part(w, i + q * LT_VEC, fixed);
}

// What becomes of a product: times a scale for each of the panel's rows, added to what is there.
typedef struct {
    const float *scales; // NULL: 1
    bool add;
} panel_end;

VEC_INLINE void panel_store(float *y, const panel_vec *sum, panel_end end, int64_t at)
{
#pragma GCC unroll 4
    for (int q = 0; q < PANEL_PARTS; q++, at += LT_VEC) {
        lt_vec v = sum->part[q];
        if (end.scales) v *= *(const lt_vec_loose *)(end.scales + at);
        if (end.add) v += *(lt_vec_loose *)(y + at);
        *(lt_vec_loose *)(y + at) = v;
    }
}

// y (16) <- one panel times x (k), in four sums that do not wait for each other.
VEC_INLINE void panel_one(const bool fixed, float *y, const float *x, const void *w, int64_t k,
                          panel_end end, int64_t at)
{
    panel_vec sum[4] = {0};
    int64_t i = 0;
    for (; i + 4 <= k; i += 4)
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) panel_add(fixed, &sum[j], x[i + j], w, (i + j) * PANEL);
    for (; i < k; i++) panel_add(fixed, &sum[0], x[i], w, i * PANEL);
#pragma GCC unroll 4
    for (int q = 0; q < PANEL_PARTS; q++)
        sum[0].part[q] = (sum[0].part[q] + sum[1].part[q]) + (sum[2].part[q] + sum[3].part[q]);
    panel_store(y, &sum[0], end, at);
}

// Panels side by side, for short products, whose four sums would cost as much as they do. Each
// panel's sum is the same whatever stands beside it.
VEC_INLINE void panel_few(const bool fixed, const int count, float *y, const float *x,
                          const void *w, int64_t stride, int64_t k, panel_end end, int64_t at)
{
    panel_vec sum[4] = {0};
    for (int64_t i = 0; i < k; i++)
#pragma GCC unroll 4
        for (int j = 0; j < count; j++)
            panel_add(fixed, &sum[j], x[i], w, j * stride + i * PANEL);
#pragma GCC unroll 4
    for (int j = 0; j < count; j++) panel_store(y, &sum[j], end, at + j * PANEL);
}

// The same for `rows` vectors x and `count` panels, constants where this is inlined.
VEC_INLINE void panel_block(const bool fixed, const int rows, const int count, float *y,
                            int64_t ldy, const float *x, int64_t ldx, const void *w, int64_t stride,
                            int64_t k, panel_end end, int64_t at)
{
    panel_vec sum[PANEL_ROWS][PANEL_COUNT] = {0};
    for (int64_t i = 0; i < k; i++)
#pragma GCC unroll 2
        for (int j = 0; j < count; j++) {
            panel_vec v;
#pragma GCC unroll 4
            for (int q = 0; q < PANEL_PARTS; q++)
                v.part[q] = panel_part(w, j * stride + i * PANEL + q * LT_VEC, fixed);
#pragma GCC unroll 6
            for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
                for (int q = 0; q < PANEL_PARTS; q++)
                    sum[r][j].part[q] += x[r * ldx + i] * v.part[q];
        }
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int j = 0; j < count; j++)
            panel_store(y + r * ldy, &sum[r][j], end, at + j * PANEL);
}

VEC_INLINE void panel_rows(const bool fixed, const int count, int64_t rows, float *y, int64_t ldy,
                           const float *x, int64_t ldx, const void *w, int64_t stride, int64_t k,
                           panel_end end, int64_t at)
{
    switch (rows) {
    case 1: panel_block(fixed, 1, count, y, ldy, x, ldx, w, stride, k, end, at); break;
    case 2: panel_block(fixed, 2, count, y, ldy, x, ldx, w, stride, k, end, at); break;
    case 3: panel_block(fixed, 3, count, y, ldy, x, ldx, w, stride, k, end, at); break;
    case 4: panel_block(fixed, 4, count, y, ldy, x, ldx, w, stride, k, end, at); break;
    case 5: panel_block(fixed, 5, count, y, ldy, x, ldx, w, stride, k, end, at); break;
    default: panel_block(fixed, 6, count, y, ldy, x, ldx, w, stride, k, end, at); break;
    }
}

VEC_INLINE void panel_all(const bool fixed, float *y, int64_t ldy, const float *x, int64_t ldx,
                          int64_t rows, const void *w, int64_t stride, int64_t k, int64_t panels,
                          panel_end end)
{
    if (rows == 1) {
        int64_t p = 0;
        const bool few = k <= 4 * PANEL;
        for (; few && p + 4 <= panels; p += 4)
            panel_few(fixed, 4, y, x, panel_at(w, p * stride, fixed), stride, k, end, p * PANEL);
        for (; few && p < panels; p++)
            panel_few(fixed, 1, y, x, panel_at(w, p * stride, fixed), stride, k, end, p * PANEL);
        for (; p < panels; p++)
            panel_one(fixed, y, x, panel_at(w, p * stride, fixed), k, end, p * PANEL);
        return;
    }
    for (int64_t p = 0; p < panels; p += PANEL_COUNT) {
        const void *at = panel_at(w, p * stride, fixed);
        for (int64_t r = 0; r < rows; r += PANEL_ROWS) {
            int64_t n = rows - r < PANEL_ROWS ? rows - r : PANEL_ROWS;
            if (PANEL_COUNT > 1 && p + 1 < panels)
                panel_rows(fixed, PANEL_COUNT, n, y + r * ldy, ldy, x + r * ldx, ldx, at, stride, k, end,
                           p * PANEL);
            else
                panel_rows(fixed, 1, n, y + r * ldy, ldy, x + r * ldx, ldx, at, stride, k, end,
                           p * PANEL);
        }
    }
}

// y (rows, 16 panels) <- x (rows, k) times the panels, `stride` elements apart.
static inline void panel_times(bool fixed, float *y, int64_t ldy, const float *x, int64_t ldx,
                               int64_t rows, const void *w, int64_t stride, int64_t k,
                               int64_t panels, panel_end end)
{
    if (fixed)
        panel_all(true, y, ldy, x, ldx, rows, w, stride, k, panels, end);
    else
        panel_all(false, y, ldy, x, ldx, rows, w, stride, k, panels, end);
}

// What a number is multiplied with to be stored, and the scale that gives it back: NaN where the
// largest magnitude is, so that a row which is not finite stays so.
VEC_INLINE float panel_factor(float largest, bool fixed, float *scale)
{
    *scale = !fixed || largest == 0 ? 1.f : largest / 32767.f;
    return fixed && largest > 0 ? 32767.f / largest : 1.f;
}

// The largest magnitude of n numbers, NaN where one is NaN or infinite.
VEC_INLINE float panel_largest(const float *x, int64_t n, int64_t stride)
{
    float top = 0, poison = 0;
    if (stride == 1) {
#pragma omp simd reduction(max : top) reduction(+ : poison)
        for (int64_t i = 0; i < n; i++) {
            float a = fabsf(x[i]);
            top = a > top ? a : top;
            poison += 0.f * a;
        }
    } else {
        for (int64_t i = 0; i < n; i++) {
            float a = fabsf(x[i * stride]);
            top = a > top ? a : top;
            poison += 0.f * a;
        }
    }
    return top + poison;
}

// A number times its factor, rounded to the nearest; 0 where that is no number.
VEC_INLINE int16_t panel_rounded(float v)
{
    v = v > -32767.5f && v < 32767.5f ? v : 0;
    return (int16_t)(int32_t)((v + 12582912.f) - 12582912.f);
}

#endif
