// gemm: products of matrices of which two sizes are small and the third is long, by our own kernels, for
// processors for which oneDNN has no blocked products (no AVX-512). OpenBLAS packs both matrices, which takes
// as long as such a product; here nothing long is packed, and rows are finished (bias, activation) while they
// are in cache. Figures: tests/bench/NOTES.md.
#include "cpu/blas.h"
#include "cpu/dnn.h"
#include "cpu/tile.h"

#include <omp.h>

// What is long and small; rows that are multiplied by all panels in turn; rows of a sum copied at a time.
enum { LONG = 4096, SMALL = 512, ROWS = 72, STRETCH = 128 };

typedef struct gemm {
    int64_t m, n, k, lda, ldb, ldc;
    const float *a, *b;
    float *c;
    bool trans_b, add;
    const lt_gemm_end *end;
} gemm;

// ---- many rows: C (m, n) = A (m, k) B (k, n) ----------------------------------------------------
// Panel j0 of B: (k, TILE_PANEL).
static void pack(float *packed, const gemm *t, int64_t j0)
{
    float *to = packed + j0 * t->k;
    for (int64_t p = 0; p < t->k; p++)
        for (int64_t j = j0; j < j0 + TILE_PANEL; j++)
            *to++ = j >= t->n ? 0 : t->b[t->trans_b ? j * t->ldb + p : p * t->ldb + j];
}

static void block_of_rows(float *c, int64_t ldc, const float *a, int64_t lda, const float *packed,
                          const gemm *t, int64_t rows)
{
    for (int64_t j = 0; j < t->n; j += TILE_PANEL)
        tile_gemm(c + j, ldc, a, lda, packed + j * t->k, TILE_PANEL, rows,
                  t->n - j < TILE_PANEL ? t->n - j : TILE_PANEL, t->k, t->add);
}

static void finish(const gemm *t, int64_t first, int64_t rows)
{
    if (t->end) t->end->finish(t->end->context, t->c + first * t->ldc, first, rows);
}

// Fewer rows than TILE_ROWS, by way of `room` (TILE_ROWS, k + n).
static void last_rows(const gemm *t, const float *packed, float *room, int64_t first)
{
    float *a = room, *c = room + TILE_ROWS * t->k;
    const int64_t rows = t->m - first;
    memset(room, 0, sizeof(float) * (size_t)(TILE_ROWS * (t->k + t->n)));
    for (int64_t i = 0; i < rows; i++) {
        memcpy(a + i * t->k, t->a + (first + i) * t->lda, sizeof(float) * (size_t)t->k);
        if (t->add)
            memcpy(c + i * t->n, t->c + (first + i) * t->ldc, sizeof(float) * (size_t)t->n);
    }
    block_of_rows(c, t->n, a, t->k, packed, t, TILE_ROWS);
    for (int64_t i = 0; i < rows; i++)
        memcpy(t->c + (first + i) * t->ldc, c + i * t->n, sizeof(float) * (size_t)t->n);
    finish(t, first, rows);
}

static bool many_rows(const gemm *t)
{
    const int64_t wide = tile_round(t->n, TILE_PANEL), whole = t->m / TILE_ROWS * TILE_ROWS;
    float *packed = lt_alloc((int64_t)sizeof(float) * (wide * t->k + TILE_ROWS * (t->k + t->n)));
    if (!packed) return false;
#pragma omp parallel num_threads(lt_team(t->m * t->n * t->k))
    {
#pragma omp for schedule(static)
        for (int64_t j = 0; j < wide; j += TILE_PANEL) pack(packed, t, j);
        // every thread the same number of rows, or TILE_ROWS more
        const int64_t groups = whole / TILE_ROWS, team = omp_get_num_threads();
        const int64_t from = groups * omp_get_thread_num() / team * TILE_ROWS;
        const int64_t to = groups * (omp_get_thread_num() + 1) / team * TILE_ROWS;
        for (int64_t i = from; i < to; i += ROWS) {
            const int64_t rows = to - i < ROWS ? to - i : ROWS;
            block_of_rows(t->c + i * t->ldc, t->ldc, t->a + i * t->lda, t->lda, packed, t, rows);
            finish(t, i, rows);
        }
    }
    if (whole < t->m) last_rows(t, packed, packed + wide * t->k, whole);
    lt_free(packed);
    return true;
}

// ---- a long sum: C (m, n) = A^T B of A (k, m), B (k, n) ------------------------------------------
// A stretch of rows of B as panels of TILE_PANEL columns: they lie side by side, wherever those of B would
// fall in the cache.
static void copy_panels(float *to, const float *x, int64_t ld, int64_t rows, int64_t n)
{
    for (int64_t p = 0; p < rows; p++)
        for (int64_t j = 0; j < n; j += TILE_PANEL)
            memcpy(to + j * STRETCH + p * TILE_PANEL, x + p * ld + j,
                   sizeof(float) * (size_t)(n - j < TILE_PANEL ? n - j : TILE_PANEL));
}

// Rows of A are copied apart by an odd number of cache lines, so that a column spreads over the cache.
static int64_t room_width(const gemm *t)
{
    const int64_t lines = (tile_round(t->m, TILE_ROWS) + 15) / 16;
    return 16 * (lines | 1);
}

// sums (m rounded up to TILE_ROWS, n) += A^T B over `count` of the long rows.
static void add_stretch(const gemm *t, float *sums, float *room, int64_t from, int64_t count)
{
    const int64_t width = room_width(t);
    float *b = room + STRETCH * width;
    for (int64_t p = 0; p < count; p++)
        memcpy(room + p * width, t->a + (from + p) * t->lda, sizeof(float) * (size_t)t->m);
    copy_panels(b, t->b + from * t->ldb, t->ldb, count, t->n);
    for (int64_t j = 0; j < t->n; j += TILE_PANEL)
        tile_gemm_ta(sums + j, t->n, room, width, b + j * STRETCH, TILE_PANEL, t->m,
                     t->n - j < TILE_PANEL ? t->n - j : TILE_PANEL, count, true);
}

// Every thread a stretch of the sum; then all are added, always in the same order.
static bool long_sum(const gemm *t)
{
    const int team = omp_in_parallel() ? 1 : omp_get_max_threads();
    const int64_t area = tile_round(tile_round(t->m, TILE_ROWS) * t->n, 16);
    const int64_t each = area + STRETCH * (room_width(t) + tile_round(t->n, TILE_PANEL));
    float *rooms = lt_alloc((int64_t)sizeof(float) * each * team);
    if (!rooms) return false;
    memset(rooms, 0, sizeof(float) * (size_t)(each * team));
    const int64_t stretches = (t->k + STRETCH - 1) / STRETCH;
#pragma omp parallel for schedule(static) num_threads(team)
    for (int64_t i = 0; i < team; i++)
        for (int64_t s = stretches * i / team; s < stretches * (i + 1) / team; s++) {
            const int64_t from = s * STRETCH, left = t->k - from;
            add_stretch(t, rooms + i * each, rooms + i * each + area, from,
                        left < STRETCH ? left : STRETCH);
        }
    for (int64_t i = 0; i < t->m; i++)
        for (int64_t j = 0; j < t->n; j++) {
            float sum = t->add ? t->c[i * t->ldc + j] : 0;
            for (int64_t q = 0; q < team; q++) sum += rooms[q * each + i * t->n + j];
            t->c[i * t->ldc + j] = sum;
        }
    lt_free(rooms);
    return true;
}

bool lt_own_sgemm(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const float *a,
                  int64_t lda, const float *b, int64_t ldb, bool add, float *c, int64_t ldc,
                  const lt_gemm_end *end)
{
    const gemm t = {m, n, k, lda, ldb, ldc, a, b, c, trans_b, add, end};
    if (lt_dnn_blocked() || n % TILE_LANES != 0) return false;
    if (!trans_a && m >= LONG && n <= SMALL && k <= SMALL) return many_rows(&t);
    if (trans_a && !trans_b && !end && k >= LONG && m <= SMALL && n <= SMALL)
        return long_sum(&t);
    return false;
}
