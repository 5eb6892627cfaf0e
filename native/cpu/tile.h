// tile: products of small matrices that lie in cache, for kernels that fuse them with other work.
//
// c (m, n) = or += a (m, k) b (k, n), row-major b and c. m is rounded up to TILE_ROWS and n to
// TILE_LANES: a's rows, and the columns of b and c, must exist that far (what they hold does not
// matter); k is taken exactly. The registers hold TILE_ROWS or TILE_TALL by TILE_PANEL results, two
// vectors wide, which is enough to hide the latency of a fused multiply-add.
#ifndef LT_TILE_H
#define LT_TILE_H

#include <stdbool.h>
#include <stdint.h>

#if defined(__AVX512F__)
enum { TILE_LANES = 16, TILE_ROWS = 8, TILE_TALL = 8 };
#elif defined(__AVX2__)
enum { TILE_LANES = 8, TILE_ROWS = 4, TILE_TALL = 6 };
#else
enum { TILE_LANES = 4, TILE_ROWS = 4, TILE_TALL = 4 };
#endif
enum { TILE_PANEL = 2 * TILE_LANES };

// Vectors in registers, and the same where they lie unaligned in memory.
typedef float tile_vec __attribute__((vector_size(sizeof(float) * TILE_LANES)));
typedef float tile_mem
    __attribute__((vector_size(sizeof(float) * TILE_LANES), aligned(4), may_alias));

typedef int32_t tile_int __attribute__((vector_size(sizeof(int32_t) * TILE_LANES)));
typedef uint32_t tile_bits __attribute__((vector_size(sizeof(uint32_t) * TILE_LANES)));

static inline tile_vec tile_load(const float *p) { return (tile_vec)*(const tile_mem *)p; }
static inline void tile_store(float *p, tile_vec v) { *(tile_mem *)p = (tile_mem)v; }
static inline tile_vec tile_all(float x) { return (tile_vec){0} + x; }
// a where the mask is set (all bits of a lane), else b.
static inline tile_vec tile_select(tile_int mask, tile_vec a, tile_vec b)
{
    return (tile_vec)((mask & (tile_int)a) | (~mask & (tile_int)b));
}
static inline tile_vec tile_max(tile_vec a, tile_vec b) { return tile_select(a > b, a, b); }

// The lanes folded to four, by adding or by taking the larger.
typedef float tile_four __attribute__((vector_size(16)));
static inline float tile_sum_lanes(tile_vec v)
{
    union { tile_vec v; tile_four q[TILE_LANES / 4]; } u = {.v = v};
    for (int i = 1; i < TILE_LANES / 4; i++) u.q[0] += u.q[i];
    return (u.q[0][0] + u.q[0][1]) + (u.q[0][2] + u.q[0][3]);
}
static inline float tile_max_lanes(tile_vec v)
{
    union { tile_vec v; tile_four q[TILE_LANES / 4]; } u = {.v = v};
    float top = -__builtin_inff();
    for (int i = 1; i < TILE_LANES / 4; i++) {
        __typeof__(u.q[0] > u.q[i]) more = u.q[i] > u.q[0];
        u.q[0] =
            (tile_four)((more & (__typeof__(more))u.q[i]) | (~more & (__typeof__(more))u.q[0]));
    }
    for (int i = 0; i < 4; i++) top = u.q[0][i] > top ? u.q[0][i] : top;
    return top;
}

static inline int64_t tile_round(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

// One block of `height` rows and `width` vectors; a[i * ai + p * ap]. height, width, and one of ai and ap,
// are constants where this is inlined. What is added is summed up on its own first: long sums keep more
// digits so.
static inline __attribute__((always_inline)) void
tile_block(const int height, const int width, float *c, int64_t ldc, const float *a, int64_t ai, int64_t ap,
           const float *b, int64_t ldb, int64_t k, bool add)
{
    tile_vec sum[TILE_TALL][2];
#pragma GCC unroll 8
    for (int i = 0; i < height; i++)
#pragma GCC unroll 2
        for (int j = 0; j < width; j++)
            sum[i][j] = (tile_vec){0};
    for (int64_t p = 0; p < k; p++) {
        tile_vec b0 = tile_load(b + p * ldb);
        tile_vec b1 = width > 1 ? tile_load(b + p * ldb + TILE_LANES) : b0;
#pragma GCC unroll 8
        for (int i = 0; i < height; i++) {
            float x = a[i * ai + p * ap];
            sum[i][0] += x * b0;
            if (width > 1) sum[i][1] += x * b1;
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < height; i++)
#pragma GCC unroll 2
        for (int j = 0; j < width; j++) {
            float *to = c + i * ldc + j * TILE_LANES;
            tile_store(to, add ? tile_load(to) + sum[i][j] : sum[i][j]);
        }
}

// All rows of `width` vectors: tall blocks, and such of TILE_ROWS so that they come out even.
static inline __attribute__((always_inline)) void
tile_column(const int width, float *c, int64_t ldc, const float *a, int64_t ai, int64_t ap,
            const float *b, int64_t ldb, int64_t m, int64_t k, bool add)
{
    for (int64_t i = 0, left = tile_round(m, TILE_ROWS); left > 0;) {
        const bool tall = TILE_TALL > TILE_ROWS && left >= TILE_TALL && left != 2 * TILE_ROWS;
        if (tall) tile_block(TILE_TALL, width, c + i * ldc, ldc, a + i * ai, ai, ap, b, ldb, k, add);
        else tile_block(TILE_ROWS, width, c + i * ldc, ldc, a + i * ai, ai, ap, b, ldb, k, add);
        i += tall ? TILE_TALL : TILE_ROWS;
        left -= tall ? TILE_TALL : TILE_ROWS;
    }
}

// Here a is row-major, lda from one row to the next.
static inline void tile_gemm(float *c, int64_t ldc, const float *a, int64_t lda, const float *b,
                             int64_t ldb, int64_t m, int64_t n, int64_t k, bool add)
{
    int64_t j = 0;
    for (; j + TILE_LANES < n; j += TILE_PANEL)
        tile_column(2, c + j, ldc, a, lda, 1, b + j, ldb, m, k, add);
    for (; j < n; j += TILE_LANES) tile_column(1, c + j, ldc, a, lda, 1, b + j, ldb, m, k, add);
}

// Here a is given transposed, (k, m) row-major.
static inline void tile_gemm_ta(float *c, int64_t ldc, const float *a, int64_t lda, const float *b,
                                int64_t ldb, int64_t m, int64_t n, int64_t k, bool add)
{
    int64_t j = 0;
    for (; j + TILE_LANES < n; j += TILE_PANEL)
        tile_column(2, c + j, ldc, a, 1, lda, b + j, ldb, m, k, add);
    for (; j < n; j += TILE_LANES) tile_column(1, c + j, ldc, a, 1, lda, b + j, ldb, m, k, add);
}

#endif
