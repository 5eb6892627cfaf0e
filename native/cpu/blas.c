// blas: matrix products. oneDNN's where it has blocked ones (the table in tests/bench/NOTES.md found
// them faster nearly everywhere), else OpenBLAS; a plain product where neither is installed.
//
// OpenBLAS picks its kernels in its constructor and 0.3.21 does not know recent processors, so it
// is loaded by hand after OPENBLAS_CORETYPE has been set (a value set by the user is respected). The
// environment variable LT_BLAS=off does without it.
#include "cpu/blas.h"

#include "cpu/dnn.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };  // CBLAS's constants

typedef void (*sgemm_fn)(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                         const float *a, int lda, const float *b, int ldb, float beta, float *c,
                         int ldc);

static struct {
    sgemm_fn sgemm;
    char name[64];
} blas;

// The best core type that OpenBLAS 0.3.21 has kernels for.
static const char *core_type(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")
        && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        return "SKYLAKEX";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "HASWELL";
#endif
    return NULL;
}

static void load(void)
{
    static const char *const paths[] = {
        "/usr/lib/x86_64-linux-gnu/openblas-openmp/libopenblas.so.0",
        "/usr/lib/aarch64-linux-gnu/openblas-openmp/libopenblas.so.0",
        "libopenblas.so.0",
    };
    snprintf(blas.name, sizeof blas.name, "own");
    const char *wish = getenv("LT_BLAS");
    if (wish && !strcmp(wish, "off")) return;
    if (core_type()) setenv("OPENBLAS_CORETYPE", core_type(), 0);
    for (size_t i = 0; i < sizeof paths / sizeof *paths && !blas.sgemm; i++) {
        void *library = dlopen(paths[i], RTLD_NOW | RTLD_LOCAL);
        if (!library) continue;
        blas.sgemm = (sgemm_fn)dlsym(library, "cblas_sgemm");
        char *(*corename)(void) = (char *(*)(void))dlsym(library, "openblas_get_corename");
        if (blas.sgemm)
            snprintf(blas.name, sizeof blas.name, "OpenBLAS %s", corename ? corename() : "?");
        else
            dlclose(library);
    }
}

static pthread_once_t loaded = PTHREAD_ONCE_INIT;

const char *lt_blas_name(void)
{
    pthread_once(&loaded, load);
    return blas.name;
}

// The product without a library: rows of C in parallel, B walked in blocks that stay in cache.
static void plain_gemm(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const float *a,
                       int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
    enum { BLOCK = 256 };
#pragma omp parallel for num_threads(lt_team(m * n * k))
    for (int64_t i = 0; i < m; i++) {
        float *row = c + i * ldc;
        for (int64_t j = 0; j < n; j++) row[j] = beta == 0 ? 0 : beta * row[j];
        for (int64_t j0 = 0; j0 < n; j0 += BLOCK) {
            const int64_t j1 = j0 + BLOCK < n ? j0 + BLOCK : n;
            for (int64_t p = 0; p < k; p++) {
                const float v = trans_a ? a[p * lda + i] : a[i * lda + p];
                if (trans_b)
                    for (int64_t j = j0; j < j1; j++) row[j] += v * b[j * ldb + p];
                else
                    for (int64_t j = j0; j < j1; j++) row[j] += v * b[p * ldb + j];
            }
        }
    }
}

// One row times the transpose of B: dot products, four rows of B at a time. From the second-level
// cache this is about four times as fast as the libraries' products of matrices.
static void row_product(int64_t n, int64_t k, const float *a, const float *b, int64_t ldb,
                        float beta, float *c)
{
    for (int64_t j = 0; j < n; j += 4) {
        const int64_t last = n - 1;  // fewer than four are left: the last one again
        const float *b0 = b + j * ldb, *b1 = b + (j + 1 < n ? j + 1 : last) * ldb,
                    *b2 = b + (j + 2 < n ? j + 2 : last) * ldb,
                    *b3 = b + (j + 3 < n ? j + 3 : last) * ldb;
        float s0 = 0, s1 = 0, s2 = 0, s3 = 0;
#pragma omp simd reduction(+ : s0, s1, s2, s3)
        for (int64_t p = 0; p < k; p++) {
            s0 += a[p] * b0[p];
            s1 += a[p] * b1[p];
            s2 += a[p] * b2[p];
            s3 += a[p] * b3[p];
        }
        const float sums[4] = {s0, s1, s2, s3};
        for (int64_t i = 0; i < 4 && j + i < n; i++)
            c[j + i] = sums[i] + (beta == 0 ? 0 : beta * c[j + i]);
    }
}

// One row times B: rows of B, added up.
static void row_sum(int64_t n, int64_t k, const float *a, int64_t step, const float *b, int64_t ldb,
                    float beta, float *c)
{
    enum { BLOCK = 64 };
    for (int64_t j = 0; j < n; j += BLOCK) {
        const int64_t count = n - j < BLOCK ? n - j : BLOCK;
        float sums[BLOCK] = {0};
        if (count == BLOCK)
            for (int64_t p = 0; p < k; p++)
#pragma omp simd
                for (int64_t i = 0; i < BLOCK; i++) sums[i] += a[p * step] * b[p * ldb + j + i];
        else
            for (int64_t p = 0; p < k; p++)
                for (int64_t i = 0; i < count; i++) sums[i] += a[p * step] * b[p * ldb + j + i];
        for (int64_t i = 0; i < count; i++)
            c[j + i] = sums[i] + (beta == 0 ? 0 : beta * c[j + i]);
    }
}

static void product(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const float *a,
              int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
    if (m == 0 || n == 0) return;
    if (k == 0) {
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++) c[i * ldc + j] = beta == 0 ? 0 : beta * c[i * ldc + j];
        return;
    }
    if (m == 1 && trans_b && (!trans_a || lda == 1) && n * k <= 1 << 20) {
        row_product(n, k, a, b, ldb, beta, c);
        return;
    }
    if (m == 1 && !trans_b && n * k <= 1 << 16) {
        row_sum(n, k, a, trans_a ? lda : 1, b, ldb, beta, c);
        return;
    }
    if ((beta == 0 || beta == 1) && lt_dnn_available()
        && lt_dnn_sgemm(trans_a, trans_b, m, n, k, a, lda, b, ldb, beta == 1, c, ldc))
        return;
    if ((beta == 0 || beta == 1)
        && lt_own_sgemm(trans_a, trans_b, m, n, k, a, lda, b, ldb, beta == 1, c, ldc, NULL))
        return;
    pthread_once(&loaded, load);
    if (blas.sgemm && m <= INT32_MAX && n <= INT32_MAX && k <= INT32_MAX && lda <= INT32_MAX
        && ldb <= INT32_MAX && ldc <= INT32_MAX)
        blas.sgemm(ROW_MAJOR, trans_a ? TRANS : NO_TRANS, trans_b ? TRANS : NO_TRANS, (int)m,
                   (int)n, (int)k, 1, a, (int)lda, b, (int)ldb, beta, c, (int)ldc);
    else
        plain_gemm(trans_a, trans_b, m, n, k, a, lda, b, ldb, beta, c, ldc);
}

// A product that takes seconds goes in groups of rows, so that it can be interrupted; the division
// depends on the sizes alone.
void lt_sgemm(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const float *a,
              int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
    int64_t rows = m;
    if ((double)m * (double)n * (double)k > LT_SGEMM_MOST) {
        rows = (int64_t)(LT_SGEMM_MOST / ((double)n * (double)k)) & ~(int64_t)63;
        if (rows < 64) rows = 64;
    }
    for (int64_t i = 0; i < m && (i == 0 || !lt_interrupted()); i += rows)
        product(trans_a, trans_b, m - i < rows ? m - i : rows, n, k, trans_a ? a + i : a + i * lda,
                lda, b, ldb, beta, c + i * ldc, ldc);
}
