// columns: sums over the rows of a matrix, in chunks whose number does not depend on the threads, so
// that the order of additions is always the same.
#include "cpu/conv.h"
#include "cpu/vec.h"

enum { CHUNKS = 32 };

// sums[j] += x[i][j] for the rows from..to.
VEC_INLINE void add_rows(float *sums, const void *x, bool half, int64_t from, int64_t to, int64_t n)
{
    int64_t j = 0;
    for (; j + 4 * LT_VEC <= n; j += 4 * LT_VEC) {
        lt_vec s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
        for (int64_t i = from; i < to; i++) {
            s0 += lt_vec_load(x, i * n + j, half);
            s1 += lt_vec_load(x, i * n + j + LT_VEC, half);
            s2 += lt_vec_load(x, i * n + j + 2 * LT_VEC, half);
            s3 += lt_vec_load(x, i * n + j + 3 * LT_VEC, half);
        }
        lt_vec_store(sums, j, false, s0);
        lt_vec_store(sums, j + LT_VEC, false, s1);
        lt_vec_store(sums, j + 2 * LT_VEC, false, s2);
        lt_vec_store(sums, j + 3 * LT_VEC, false, s3);
    }
    for (; j < n; j += LT_VEC) {
        lt_vec s = {0};
        for (int64_t i = from; i < to; i++) s += lt_vec_load_part(x, i * n + j, half, n - j);
        lt_vec_store_part(sums, j, false, n - j, s);
    }
}

lt_status lt_column_sums(float *sums, const void *x, int32_t dtype, int64_t rows, int64_t n)
{
    const bool half = dtype == LT_BF16;
    float *parts = lt_alloc(CHUNKS * n * 4 + 4);
    if (!parts) return LT_ERR_MEMORY;
#pragma omp parallel for num_threads(lt_team(rows * n)) schedule(static)
    for (int64_t c = 0; c < CHUNKS; c++) {
        const int64_t from = rows * c / CHUNKS, to = rows * (c + 1) / CHUNKS;
        if (half) add_rows(parts + c * n, x, true, from, to, n);
        else add_rows(parts + c * n, x, false, from, to, n);
    }
    for (int64_t j = 0; j < n; j++) {
        double total = 0;
        for (int64_t c = 0; c < CHUNKS; c++) total += parts[c * n + j];
        sums[j] = (float)total;
    }
    lt_free(parts);
    return LT_OK;
}
