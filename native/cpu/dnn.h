// dnn.h: the operations that oneDNN does for us. Only dnn.c knows the library.
#ifndef LT_DNN_H
#define LT_DNN_H

#include "core/internal.h"

// False where no oneDNN 2.x could be loaded; nothing below may be called then.
bool lt_dnn_available(void);
// "oneDNN 2.6.3" or "none".
const char *lt_dnn_name(void);
// True where oneDNN multiplies bf16 faster than f32 on this processor.
bool lt_dnn_bf16_fast(void);

// True where oneDNN has blocked products (brgemm) for this processor.
bool lt_dnn_blocked(void);

// C (m x n) = op(A) op(B), plus C where `add`; arguments as lt_sgemm's. False, with C untouched, where
// oneDNN has no blocked product (brgemm) for this processor or shape. Its dnnl_sgemm is never used:
// while that runs, the stack pointer stands in its workspace (measured in 0 to 100 % of samples,
// 2.6.3 with AVX-512), so that a signal handler would write its frame over the heap.
bool lt_dnn_sgemm(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const float *a,
                  int64_t lda, const float *b, int64_t ldb, bool add, float *c, int64_t ldc);

// y (m, n) = act(x (m, k) w (n, k)^T + bias (n)), all row-major; bias may be NULL, act is LT_ACT_*. The
// products are finished as they leave the registers. False, with y untouched, as lt_dnn_sgemm.
bool lt_dnn_linear(int64_t m, int64_t n, int64_t k, const float *x, const float *w,
                   const float *bias, int32_t act, float *y);

// y (m x n, bf16 or f32) = op(a) op(b) for bf16 a and b, accumulated in f32; row-major with leading
// dimensions as in lt_sgemm.
lt_status lt_dnn_matmul_bf16(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k,
                             const lt_bf16 *a, int64_t lda, const lt_bf16 *b, int64_t ldb, void *y,
                             int32_t y_dtype, int64_t ldy);

// A two-dimensional convolution; sequences have h = 1. Activations lie channels-last (N, H, W, C).
typedef struct lt_conv_geometry {
    int64_t n, groups, ci, co;       // ci and co count all channels
    int64_t h, w, oh, ow, kh, kw;
    int64_t stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
    int64_t dtype;                   // of the activations: LT_F32 or LT_BF16
} lt_conv_geometry;

// Weights and their gradients are f32, contiguous (co, ci / groups, kh, kw); bias (co) f32 or NULL.
lt_status lt_dnn_conv_forward(const lt_conv_geometry *g, void *y, const void *x,
                              const float *weight, const float *bias, bool relu);
lt_status lt_dnn_conv_backward_data(const lt_conv_geometry *g, void *dx, const void *dy,
                                    const float *weight);
lt_status lt_dnn_conv_backward_weights(const lt_conv_geometry *g, float *dweight, const void *x,
                                       const void *dy);

#endif
