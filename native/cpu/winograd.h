// winograd.h: the small transforms of Winograd's convolution with 3x3 kernels, on vectors of channels.
//
// A tile of m x m outputs comes from (m + 2) x (m + 2) products instead of 9 m^2 (A. Lavin and S. Gray,
// "Fast Algorithms for Convolutional Neural Networks", 2015, sections 4.1 and 4.3): with the matrices
// B, G, A of that paper, y = A^T [(G w G^T) . (B^T x B)] A. The gradient of the weights is
// G^T [(B^T x B) . (A dy A^T)] G, summed over tiles. m is 2 or 4 and known to the compiler.
#ifndef LT_WINOGRAD_H
#define LT_WINOGRAD_H

#include "cpu/vec.h"

enum { MOST_POINTS = 36 };

// Each function maps one line: o[i * so] from d[i * sd]. B^T: m + 2 inputs.
VEC_INLINE void wino_input(lt_vec *o, int so, const lt_vec *d, int sd, int m)
{
    const lt_vec d0 = d[0], d1 = d[sd], d2 = d[2 * sd], d3 = d[3 * sd];
    if (m == 2) {
        o[0] = d0 - d2;
        o[so] = d1 + d2;
        o[2 * so] = d2 - d1;
        o[3 * so] = d1 - d3;
        return;
    }
    const lt_vec d4 = d[4 * sd], d5 = d[5 * sd];
    const lt_vec a = d4 - 4 * d2, b = d3 - 4 * d1, c = d4 - d2, e = 2 * (d3 - d1);
    o[0] = 4 * d0 - 5 * d2 + d4;
    o[so] = a + b;
    o[2 * so] = a - b;
    o[3 * so] = c + e;
    o[4 * so] = c - e;
    o[5 * so] = 4 * d1 - 5 * d3 + d5;
}

// A^T: m + 2 products to m outputs.
VEC_INLINE void wino_output(lt_vec *o, int so, const lt_vec *d, int sd, int m)
{
    const lt_vec d0 = d[0], d1 = d[sd], d2 = d[2 * sd], d3 = d[3 * sd];
    if (m == 2) {
        o[0] = d0 + d1 + d2;
        o[so] = d1 - d2 - d3;
        return;
    }
    const lt_vec d4 = d[4 * sd], d5 = d[5 * sd];
    const lt_vec a = d1 + d2, b = d1 - d2, c = d3 + d4, e = d3 - d4;
    o[0] = d0 + a + c;
    o[so] = b + 2 * e;
    o[2 * so] = a + 4 * c;
    o[3 * so] = b + 8 * e + d5;
}

// A: m gradients to m + 2 points.
VEC_INLINE void wino_spread(lt_vec *o, int so, const lt_vec *d, int sd, int m)
{
    const lt_vec d0 = d[0], d1 = d[sd];
    if (m == 2) {
        o[0] = d0;
        o[so] = d0 + d1;
        o[2 * so] = d0 - d1;
        o[3 * so] = -d1;
        return;
    }
    const lt_vec d2 = d[2 * sd], d3 = d[3 * sd];
    const lt_vec a = d0 + d2, b = d1 + d3, c = d0 + 4 * d2, e = 2 * d1 + 8 * d3;
    o[0] = d0;
    o[so] = a + b;
    o[2 * so] = a - b;
    o[3 * so] = c + e;
    o[4 * so] = c - e;
    o[5 * so] = d3;
}

// G: 3 weights to m + 2 points.
VEC_INLINE void wino_weights(lt_vec *o, int so, const lt_vec *d, int sd, int m)
{
    const lt_vec d0 = d[0], d1 = d[sd], d2 = d[2 * sd];
    o[0] = m == 2 ? d0 : d0 * 0.25f;
    if (m == 2) {
        o[so] = (d0 + d1 + d2) * 0.5f;
        o[2 * so] = (d0 - d1 + d2) * 0.5f;
        o[3 * so] = d2;
        return;
    }
    const lt_vec a = (d0 + d2) * (-1 / 6.f), b = d1 * (-1 / 6.f);
    const lt_vec c = d0 * (1 / 24.f) + d2 * (1 / 6.f), e = d1 * (1 / 12.f);
    o[so] = a + b;
    o[2 * so] = a - b;
    o[3 * so] = c + e;
    o[4 * so] = c - e;
    o[5 * so] = d2;
}

// G^T: m + 2 points to 3 weight gradients.
VEC_INLINE void wino_weights_back(lt_vec *o, int so, const lt_vec *d, int sd, int m)
{
    const lt_vec d0 = d[0], d1 = d[sd], d2 = d[2 * sd], d3 = d[3 * sd];
    const lt_vec a = d1 + d2, b = d1 - d2;
    if (m == 2) {
        o[0] = d0 + a * 0.5f;
        o[so] = b * 0.5f;
        o[2 * so] = a * 0.5f + d3;
        return;
    }
    const lt_vec d4 = d[4 * sd], d5 = d[5 * sd], c = d3 + d4, e = d3 - d4;
    o[0] = d0 * 0.25f - a * (1 / 6.f) + c * (1 / 24.f);
    o[so] = e * (1 / 12.f) - b * (1 / 6.f);
    o[2 * so] = (c - a) * (1 / 6.f) + d5;
}

// Both directions of a square: `in` x `in` vectors of d to `out` x `out` of o.
#define WINO_SQUARE(name, line) \
    VEC_INLINE void name(lt_vec *o, const lt_vec *d, int in, int out, int m) \
    { \
        lt_vec half[MOST_POINTS]; \
        for (int i = 0; i < in; i++) line(half + i, in, d + i, in, m); \
        for (int i = 0; i < out; i++) line(o + i * out, 1, half + i * in, 1, m); \
    }
WINO_SQUARE(wino_input_square, wino_input)
WINO_SQUARE(wino_output_square, wino_output)
WINO_SQUARE(wino_spread_square, wino_spread)
WINO_SQUARE(wino_weights_square, wino_weights)
WINO_SQUARE(wino_weights_back_square, wino_weights_back)

// ---- products ----------------------------------------------------------------------------------
// Rows and columns (in vectors) of a block of sums that fits the registers.
#if defined(__AVX512F__)
enum { WINO_ROWS = 8, WINO_COLUMNS = 2, WINO_LANES = 8 };
#elif defined(__AVX2__)
enum { WINO_ROWS = 6, WINO_COLUMNS = 2, WINO_LANES = 4 };
#else
enum { WINO_ROWS = 4, WINO_COLUMNS = 2, WINO_LANES = 4 };
#endif
enum { WINO_PANEL = WINO_COLUMNS * LT_VEC };  // a last panel may be one vector wide

// Sums of WINO_ROWS tiles: out(r, v) = sum over c of a(r, c) b(c, v). a holds blocks of LT_VEC channels
// (stride a_block), tiles within them; b is a panel of `columns` vectors; out has blocks likewise.
VEC_INLINE void wino_rows(const int columns, float *restrict out, int64_t out_block,
                          const float *restrict a, int64_t a_block, const float *restrict b,
                          int64_t channels)
{
    lt_vec sum[WINO_ROWS][WINO_COLUMNS] = {{{0}}};
    for (int64_t c0 = 0; c0 < channels; c0 += LT_VEC) {
        const float *block = a + c0 / LT_VEC * a_block;
        for (int c = 0; c < LT_VEC; c++) {
            lt_vec row[WINO_COLUMNS];
#pragma GCC unroll 2
            for (int v = 0; v < columns; v++)
                row[v] = *(const lt_vec *)(b + (c0 + c) * columns * LT_VEC + v * LT_VEC);
#pragma GCC unroll 8
            for (int r = 0; r < WINO_ROWS; r++)
#pragma GCC unroll 2
                for (int v = 0; v < columns; v++) sum[r][v] += block[r * LT_VEC + c] * row[v];
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < WINO_ROWS; r++)
#pragma GCC unroll 2
        for (int v = 0; v < columns; v++)
            *(lt_vec *)(out + v * out_block + r * LT_VEC) = sum[r][v];
}

// The gradient: out(c, v) += sum over tiles of a(t, c) d(t, v) for WINO_LANES channels; rows of out are
// `columns` vectors apart, a and d advance by one vector a tile.
VEC_INLINE void wino_lanes(const int columns, float *restrict out, const float *restrict a,
                           const float *restrict d, int64_t d_block, int64_t tiles)
{
    lt_vec sum[WINO_LANES][WINO_COLUMNS];
#pragma GCC unroll 8
    for (int r = 0; r < WINO_LANES; r++)
#pragma GCC unroll 2
        for (int v = 0; v < columns; v++)
            sum[r][v] = *(lt_vec *)(out + r * columns * LT_VEC + v * LT_VEC);
    for (int64_t t = 0; t < tiles; t++) {
        lt_vec row[WINO_COLUMNS];
#pragma GCC unroll 2
        for (int v = 0; v < columns; v++)
            row[v] = *(const lt_vec *)(d + v * d_block + t * LT_VEC);
#pragma GCC unroll 8
        for (int r = 0; r < WINO_LANES; r++)
#pragma GCC unroll 2
            for (int v = 0; v < columns; v++) sum[r][v] += a[t * LT_VEC + r] * row[v];
    }
#pragma GCC unroll 8
    for (int r = 0; r < WINO_LANES; r++)
#pragma GCC unroll 2
        for (int v = 0; v < columns; v++)
            *(lt_vec *)(out + r * columns * LT_VEC + v * LT_VEC) = sum[r][v];
}

#endif
