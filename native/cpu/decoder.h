// decoder.h: panels, the form in which the decoder's step reads weights, keys and values.
//
// A matrix (out, in) lies as panels of sixteen rows, so that a product with a vector is one pass
// through memory without sums across lanes. With f32, panel p is (in, 16): element [k][i] is row
// 16 p + i, column k. Fixed numbers are of 16 bits, of which 32767 stands for the largest magnitude
// that a row (or a column) holds, with a scale for each row (or column) that gives it back: half
// the bytes, and an error of at most 1.5e-5 of the row's largest weight. Their panels are
// (in / 2, 16, 2): two neighbouring columns side by side, since processors multiply and add pairs
// of 16-bit integers in one instruction. To make floats of them would cost more than the products.
// So what they are multiplied with becomes 16-bit integers, too (panel_take), as large as the sums
// of FIXED_PAIRS pairs allow. What these end in is shifted and added up in integers: processors have
// fewer units that make floats of integers, and they are those that multiply.
#ifndef LT_DECODER_H
#define LT_DECODER_H

#include "vec.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

// A block of a product of f32 is PANEL_ROWS rows by PANEL_COUNT panels, of fixed numbers FIXED_ROWS
// rows by one panel, or one row by FIXED_COUNT (fewer) panels, as much as registers hold.
enum {
    PANEL = 16,
    PANEL_PARTS = PANEL / LT_VEC,
    PANEL_ROWS = 6,
    PANEL_COUNT = PANEL_PARTS > 1 ? 1 : 2,
    FIXED_ROWS = PANEL_PARTS > 1 ? 3 : 6,
    FIXED_COUNT = PANEL_PARTS > 1 ? 2 : 4,
    FIXED_PAIRS = 2,
    FIXED_TOP = 32765, // twice this, and what is rounded up, is at most 65535: times 32767, 32 bits
    FIXED_SHIFT = 8, // what is left of 32 bits are 24, as many as a float has
    FIXED_SUMS = 240, // so many of these are within 32 bits
    FIXED_AHEAD = 4096, // bytes
};

// Sixteen numbers, in as many registers as it takes.
typedef struct { lt_vec part[PANEL_PARTS]; } panel_vec;
typedef int16_t panel_fixed __attribute__((vector_size(2 * LT_VEC), aligned(2), may_alias));

VEC_INLINE int64_t panel_round(int64_t n) { return (n + PANEL - 1) / PANEL * PANEL; }
// Columns of a panel: of fixed numbers whole pairs.
VEC_INLINE int64_t panel_deep(int64_t in, bool fixed) { return fixed ? (in + 1) / 2 * 2 : in; }
VEC_INLINE int64_t panel_bytes(bool fixed) { return fixed ? 2 : 4; }
VEC_INLINE const void *panel_at(const void *w, int64_t element, bool fixed)
{
    return (const char *)w + element * panel_bytes(fixed);
}

// Where a panel keeps column k of its row `lane`.
VEC_INLINE int64_t panel_index(int64_t k, int64_t lane, bool fixed)
{
    return fixed ? (k / 2 * PANEL + lane) * 2 + k % 2 : k * PANEL + lane;
}

// ---- numbers that are stored -------------------------------------------------------------------

// What a number is multiplied with to be stored, and the scale that gives it back: NaN where the
// largest magnitude is, so that a row which is not finite stays so, and 0 for a row of zeros.
VEC_INLINE float panel_factor(float largest, bool fixed, float *scale)
{
    *scale = fixed ? largest / 32767.f : 1.f;
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

// The same for as many as a register holds, within 16 bits; what is not finite becomes anything.
VEC_INLINE panel_fixed panel_rounded_all(lt_vec v)
{
    return __builtin_convertvector((lt_vec_ints)(v + 12582912.f) - 0x4b400000, panel_fixed);
}

// ---- what is multiplied with panels ------------------------------------------------------------

// Rows x (rows, k): f32, or 16-bit integers, each row with what one of them is worth.
typedef struct {
    const void *x;
    const float *units;
    int64_t ld, rows, k;
    bool fixed;
} panel_x;

// Floats of room that panel_take needs.
VEC_INLINE int64_t panel_take_room(int64_t rows, int64_t k)
{
    return panel_round(rows) + rows * panel_round(k) / 2;
}

VEC_INLINE lt_vec panel_larger(lt_vec a, lt_vec b)
{
#if defined(__AVX512F__)
    return _mm512_max_ps(a, b);
#elif defined(__AVX2__)
    return _mm256_max_ps(a, b);
#else
    lt_vec_ints first = a > b;
    return (lt_vec)(((lt_vec_ints)a & first) | ((lt_vec_ints)b & ~first));
#endif
}

// Every lane: the sum of the four that it is one of, FIXED_PAIRS pairs.
VEC_INLINE lt_vec panel_fours(lt_vec x)
{
#define FOUR(at, a, b, c, d) at + a, at + b, at + c, at + d
#if defined(__AVX512F__)
#define LANES(...) \
    (lt_vec_ints){FOUR(0, __VA_ARGS__), FOUR(4, __VA_ARGS__), FOUR(8, __VA_ARGS__), \
                  FOUR(12, __VA_ARGS__)}
#elif defined(__AVX2__)
#define LANES(...) (lt_vec_ints){FOUR(0, __VA_ARGS__), FOUR(4, __VA_ARGS__)}
#else
#define LANES(...) (lt_vec_ints){FOUR(0, __VA_ARGS__)}
#endif
    x += __builtin_shuffle(x, LANES(1, 0, 3, 2));
    return x + __builtin_shuffle(x, LANES(2, 3, 0, 1));
#undef LANES
#undef FOUR
}

// LT_VEC of n numbers from the i-th on, each times its scale, where there are scales; zeros in place
// of the first `skip` and beyond the last.
VEC_INLINE lt_vec panel_seen(const float *x, const float *scales, int64_t i, int64_t n, int64_t skip)
{
    if (i >= skip && i + LT_VEC <= n) {
        lt_vec v = *(const lt_vec_loose *)(x + i);
        return scales ? v * *(const lt_vec_loose *)(scales + i) : v;
    }
    float some[LT_VEC] = {0};
    for (int64_t j = i < skip ? skip - i : 0; j < LT_VEC && i + j < n; j++)
        some[j] = scales ? x[i + j] * scales[i + j] : x[i + j];
    return *(const lt_vec_loose *)some;
}

// What FIXED_TOP is to stand for: the largest magnitude, or half the sum of those of FIXED_PAIRS
// pairs, where that is more; NaN where one is NaN or infinite.
VEC_INLINE float panel_heaviest(const float *x, const float *scales, int64_t n, int64_t skip)
{
    lt_vec top = {0}, poison = {0};
    for (int64_t i = 0; i < n; i += LT_VEC) {
        lt_vec a = (lt_vec)((lt_vec_bits)panel_seen(x, scales, i, n, skip) & 0x7fffffffu);
        top = panel_larger(panel_larger(a, 0.5f * panel_fours(a)), top);
        poison += 0.f * a;
    }
    float largest = 0, sum = 0;
#pragma GCC unroll 16
    for (int i = 0; i < LT_VEC; i++) {
        largest = top[i] > largest ? top[i] : largest;
        sum += poison[i];
    }
    return largest + sum;
}

// x (rows, k) as it is multiplied with fixed panels, or with f32 ones. Of fixed ones each column is
// multiplied with its scale, where there are scales (k), and the first `skip` columns are not seen:
// products begin with a whole pair. What one of a row that is not finite is worth is NaN.
VEC_INLINE panel_x panel_take(bool fixed, float *room, const float *x, int64_t ldx, int64_t rows,
                              int64_t k, const float *scales, int64_t skip)
{
    if (!fixed) return (panel_x){x, NULL, ldx, rows, k, false};
    int64_t ld = panel_round(k);
    int16_t *to = (int16_t *)(room + panel_round(rows));
    panel_x taken = {to, room, ld, rows, k, true};
    for (int64_t r = 0; r < rows; r++, x += ldx, to += ld) {
        float top = panel_heaviest(x, scales, k, skip);
        lt_vec factor = (top > 0 ? FIXED_TOP / top : 0) + (lt_vec){0};
        room[r] = top * (1.f / FIXED_TOP);
        for (int64_t i = 0; i < ld; i += LT_VEC) {
            lt_vec v = panel_seen(x, scales, i, k, skip) * factor;
            *(panel_fixed *)(to + i) = panel_rounded_all(v);
        }
    }
    return taken;
}

// Rows r .. r + count of x.
VEC_INLINE panel_x panel_some(panel_x x, int64_t r, int64_t count)
{
    x.x = (const char *)x.x + r * x.ld * (x.fixed ? 2 : 4);
    if (x.fixed) x.units += r;
    x.rows = count;
    return x;
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

// ---- fixed numbers -----------------------------------------------------------------------------

// sum += w (LT_VEC, 2) times the same two numbers. vnni: the processor has one instruction for it.
VEC_INLINE lt_vec_ints panel_pairs(const bool vnni, lt_vec_ints sum, const int16_t *w,
                                   const int16_t *two)
{
    (void)vnni;
#if defined(__SSE2__)
    int32_t both;
    memcpy(&both, two, sizeof both);
#endif
#if defined(LT_VEC_MASKED)
    const __m512i pairs = _mm512_loadu_si512(w), x = _mm512_set1_epi32(both);
    if (!vnni) return sum + (lt_vec_ints)_mm512_madd_epi16(pairs, x);
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(pairs), "v"(x));
#elif defined(__AVX2__)
    const __m256i pairs = _mm256_loadu_si256((const __m256i *)w);
    sum += (lt_vec_ints)_mm256_madd_epi16(pairs, _mm256_set1_epi32(both));
#elif defined(__SSE2__)
    const __m128i pairs = _mm_loadu_si128((const __m128i *)w);
    sum += (lt_vec_ints)_mm_madd_epi16(pairs, _mm_set1_epi32(both));
#else
    for (int i = 0; i < LT_VEC; i++) sum[i] += w[2 * i] * two[0] + w[2 * i + 1] * two[1];
#endif
    return sum;
}

// sum (rows) += what `pairs` columns in pairs, at most FIXED_PAIRS, add up to, without its lowest
// FIXED_SHIFT bits. Constants where this is inlined.
VEC_INLINE void fixed_some(const int rows, const int pairs, lt_vec_ints sum[][PANEL_PARTS],
                           const int16_t *x, int64_t ldx, const int16_t *w)
{
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int q = 0; q < PANEL_PARTS; q++) {
            lt_vec_ints part = {0};
#pragma GCC unroll 4
            for (int i = 0; i < pairs; i++)
                part = panel_pairs(false, part, w + 2 * (i * PANEL + q * LT_VEC),
                                   x + r * ldx + 2 * i);
            sum[r][q] += part >> FIXED_SHIFT;
        }
}

// sum (count, rows) += columns i .. last in pairs of `count` panels, so few that 32 bits hold their sums.
// A shift rounds down: what this takes away on average is given back.
VEC_INLINE void fixed_sums(const int rows, const int count, panel_vec *sum, const int16_t *x,
                           int64_t ldx, const int16_t *w, int64_t stride, int64_t i, int64_t last)
{
    lt_vec_ints whole[FIXED_ROWS][PANEL_PARTS];
    const int lost = (int)((last - i + FIXED_PAIRS - 1) / FIXED_PAIRS / 2);
#pragma GCC unroll 6
    for (int r = 0; r < rows * count; r++)
#pragma GCC unroll 4
        for (int q = 0; q < PANEL_PARTS; q++) whole[r][q] = (lt_vec_ints){0} + lost;
    for (; i + FIXED_PAIRS <= last; i += FIXED_PAIRS)
#pragma GCC unroll 4
        for (int j = 0; j < count; j++) {
            const int16_t *here = w + j * stride + 2 * i * PANEL;
#pragma GCC unroll 4
            for (int b = 0; b < FIXED_PAIRS; b++)
                __builtin_prefetch((const char *)(here + 2 * b * PANEL) + FIXED_AHEAD);
            fixed_some(rows, FIXED_PAIRS, whole + j * rows, x + 2 * i, ldx, here);
        }
    for (; i < last; i++)
#pragma GCC unroll 4
        for (int j = 0; j < count; j++)
            fixed_some(rows, 1, whole + j * rows, x + 2 * i, ldx, w + j * stride + 2 * i * PANEL);
#pragma GCC unroll 6
    for (int r = 0; r < rows * count; r++)
#pragma GCC unroll 4
        for (int q = 0; q < PANEL_PARTS; q++)
            sum[r].part[q] += __builtin_convertvector(whole[r][q], lt_vec);
}

VEC_INLINE void fixed_block(const int rows, const int count, float *y, int64_t ldy, const panel_x *x,
                            int64_t row, const int16_t *w, int64_t stride, panel_end end, int64_t at)
{
    panel_vec sum[FIXED_ROWS] = {0};
    const int16_t *digits = (const int16_t *)x->x + row * x->ld;
    int64_t pairs = panel_deep(x->k, true) / 2, most = FIXED_SUMS * FIXED_PAIRS;
    for (int64_t i = 0; i < pairs; i += most)
        fixed_sums(rows, count, sum, digits, x->ld, w, stride, i, pairs - i < most ? pairs : i + most);
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++) {
        float unit = x->units[row + r] * (1 << FIXED_SHIFT);
#pragma GCC unroll 4
        for (int j = 0; j < count; j++) {
            panel_vec *one = &sum[j * rows + r];
#pragma GCC unroll 4
            for (int q = 0; q < PANEL_PARTS; q++) one->part[q] *= unit;
            panel_store(y + r * ldy, one, end, at + j * PANEL);
        }
    }
}

// All rows of x times one panel.
VEC_INLINE void fixed_rows(float *y, int64_t ldy, const panel_x *x, const int16_t *w, panel_end end,
                           int64_t at)
{
    for (int64_t r = 0; r < x->rows; r += FIXED_ROWS) {
        float *to = y + r * ldy;
        switch (x->rows - r) {
        case 1: fixed_block(1, 1, to, ldy, x, r, w, 0, end, at); break;
        case 2: fixed_block(2, 1, to, ldy, x, r, w, 0, end, at); break;
#if defined(__AVX512F__)
        case 3: fixed_block(3, 1, to, ldy, x, r, w, 0, end, at); break;
        case 4: fixed_block(4, 1, to, ldy, x, r, w, 0, end, at); break;
        case 5: fixed_block(5, 1, to, ldy, x, r, w, 0, end, at); break;
#endif
        default: fixed_block(FIXED_ROWS, 1, to, ldy, x, r, w, 0, end, at); break;
        }
    }
}

static inline void fixed_times(float *y, int64_t ldy, const panel_x *x, const int16_t *w,
                               int64_t stride, int64_t panels, panel_end end)
{
    int64_t p = 0;
    for (; x->rows == 1 && p + FIXED_COUNT <= panels; p += FIXED_COUNT)
        fixed_block(1, FIXED_COUNT, y, ldy, x, 0, w + p * stride, stride, end, p * PANEL);
    for (; p < panels; p++) fixed_rows(y, ldy, x, w + p * stride, end, p * PANEL);
}

// ---- f32 ---------------------------------------------------------------------------------------

// sum += x times sixteen numbers.
VEC_INLINE void panel_add(panel_vec *sum, float x, const float *w)
{
#pragma GCC unroll 4
    for (int q = 0; q < PANEL_PARTS; q++) sum->part[q] += x * *(const lt_vec *)(w + q * LT_VEC);
}

// y (16) <- one panel times x (k), in four sums that do not wait for each other.
VEC_INLINE void panel_one(float *y, const float *x, const float *w, int64_t k, panel_end end,
                          int64_t at)
{
    panel_vec sum[4] = {0};
    int64_t i = 0;
    for (; i + 4 <= k; i += 4)
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) panel_add(&sum[j], x[i + j], w + (i + j) * PANEL);
    for (; i < k; i++) panel_add(&sum[0], x[i], w + i * PANEL);
#pragma GCC unroll 4
    for (int q = 0; q < PANEL_PARTS; q++)
        sum[0].part[q] = (sum[0].part[q] + sum[1].part[q]) + (sum[2].part[q] + sum[3].part[q]);
    panel_store(y, &sum[0], end, at);
}

// Panels side by side, for short products, whose four sums would cost as much as they do. Each
// panel's sum is the same whatever stands beside it.
VEC_INLINE void panel_few(const int count, float *y, const float *x, const float *w,
                          int64_t stride, int64_t k, panel_end end, int64_t at)
{
    panel_vec sum[4] = {0};
    for (int64_t i = 0; i < k; i++)
#pragma GCC unroll 4
        for (int j = 0; j < count; j++) panel_add(&sum[j], x[i], w + j * stride + i * PANEL);
#pragma GCC unroll 4
    for (int j = 0; j < count; j++) panel_store(y, &sum[j], end, at + j * PANEL);
}

// The same for `rows` vectors x and `count` panels, constants where this is inlined.
VEC_INLINE void panel_block(const int rows, const int count, float *y, int64_t ldy, const float *x,
                            int64_t ldx, const float *w, int64_t stride, int64_t k, panel_end end,
                            int64_t at)
{
    panel_vec sum[PANEL_ROWS][PANEL_COUNT] = {0};
    for (int64_t i = 0; i < k; i++)
#pragma GCC unroll 2
        for (int j = 0; j < count; j++) {
            panel_vec v;
#pragma GCC unroll 4
            for (int q = 0; q < PANEL_PARTS; q++)
                v.part[q] = *(const lt_vec *)(w + j * stride + i * PANEL + q * LT_VEC);
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

VEC_INLINE void panel_rows(const int count, int64_t rows, float *y, int64_t ldy, const float *x,
                           int64_t ldx, const float *w, int64_t stride, int64_t k, panel_end end,
                           int64_t at)
{
    switch (rows) {
    case 1: panel_block(1, count, y, ldy, x, ldx, w, stride, k, end, at); break;
    case 2: panel_block(2, count, y, ldy, x, ldx, w, stride, k, end, at); break;
    case 3: panel_block(3, count, y, ldy, x, ldx, w, stride, k, end, at); break;
    case 4: panel_block(4, count, y, ldy, x, ldx, w, stride, k, end, at); break;
    case 5: panel_block(5, count, y, ldy, x, ldx, w, stride, k, end, at); break;
    default: panel_block(6, count, y, ldy, x, ldx, w, stride, k, end, at); break;
    }
}

VEC_INLINE void panel_all(float *y, int64_t ldy, const float *x, int64_t ldx, int64_t rows,
                          const float *w, int64_t stride, int64_t k, int64_t panels, panel_end end)
{
    if (rows == 1) {
        int64_t p = 0;
        const bool few = k <= 4 * PANEL;
        for (; few && p + 4 <= panels; p += 4)
            panel_few(4, y, x, w + p * stride, stride, k, end, p * PANEL);
        for (; few && p < panels; p++)
            panel_few(1, y, x, w + p * stride, stride, k, end, p * PANEL);
        for (; p < panels; p++)
            panel_one(y, x, w + p * stride, k, end, p * PANEL);
        return;
    }
    for (int64_t p = 0; p < panels; p += PANEL_COUNT) {
        const float *at = w + p * stride;
        for (int64_t r = 0; r < rows; r += PANEL_ROWS) {
            int64_t n = rows - r < PANEL_ROWS ? rows - r : PANEL_ROWS;
            if (PANEL_COUNT > 1 && p + 1 < panels)
                panel_rows(PANEL_COUNT, n, y + r * ldy, ldy, x + r * ldx, ldx, at, stride, k, end,
                           p * PANEL);
            else
                panel_rows(1, n, y + r * ldy, ldy, x + r * ldx, ldx, at, stride, k, end,
                           p * PANEL);
        }
    }
}

// ---- both --------------------------------------------------------------------------------------

// y (rows, 16 panels) <- x times the panels, `stride` elements apart.
static inline void panel_times(panel_x x, float *y, int64_t ldy, const void *w, int64_t stride,
                               int64_t panels, panel_end end)
{
    if (x.fixed)
        fixed_times(y, ldy, &x, w, stride, panels, end);
    else
        panel_all(y, ldy, x.x, x.ld, x.rows, w, stride, x.k, panels, end);
}

#endif
