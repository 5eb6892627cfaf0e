// blas.h: single-precision matrix products for the other kernels.
#ifndef LT_BLAS_H
#define LT_BLAS_H

#include "core/internal.h"

// Multiply-adds that may go without looking for an interrupt: about a second on two cores.
#define LT_SGEMM_MOST 5e10

// C (m x n) = op(A) op(B) + beta C, all row-major; op transposes where the flag says so. Leading
// dimensions count elements. Uses all threads outside a parallel region and one inside. With k = 0
// the product is zero.
void lt_sgemm(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const float *a,
              int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

// What is done with rows `first` .. first + rows - 1 of a product, c, as soon as they are complete; by any of
// the threads.
typedef struct lt_gemm_end {
    void (*finish)(const void *context, float *c, int64_t first, int64_t rows);
    const void *context;
} lt_gemm_end;

// The same product by our own kernels (gemm.c), plus C where `add`; end may be NULL. False, with C untouched,
// for sizes and processors for which a library multiplies better.
bool lt_own_sgemm(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const float *a,
                  int64_t lda, const float *b, int64_t ldb, bool add, float *c, int64_t ldc,
                  const lt_gemm_end *end);

// "OpenBLAS SkylakeX", or "own" where no library was found.
const char *lt_blas_name(void);

#endif
