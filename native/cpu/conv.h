// conv.h: the ways of convolving that conv.c chooses from. Activations lie channels-last, weights are
// f32 contiguous (co, ci / groups, kh, kw). bias may be NULL.
#ifndef LT_CONV_H
#define LT_CONV_H

#include "cpu/dnn.h"

// One filter per channel; f32 or bf16 activations.
bool lt_depthwise_fits(const lt_conv_geometry *g);
lt_status lt_depthwise_forward(const lt_conv_geometry *g, void *y, const void *x, const float *w,
                               const float *bias);
lt_status lt_depthwise_backward_data(const lt_conv_geometry *g, void *dx, const void *dy,
                                     const float *w);
lt_status lt_depthwise_backward_weights(const lt_conv_geometry *g, float *dw, const void *x,
                                        const void *dy);

// Patches copied into a matrix, then a product; f32 only, any geometry.
lt_status lt_patches_forward(const lt_conv_geometry *g, float *y, const float *x, const float *w,
                             const float *bias);
lt_status lt_patches_backward_data(const lt_conv_geometry *g, float *dx, const float *dy,
                                   const float *w);
lt_status lt_patches_backward_weights(const lt_conv_geometry *g, float *dw, const float *x,
                                      const float *dy);

// 3x3, stride 1, multiples of 32 channels; f32 or bf16 activations, f32 arithmetic.
bool lt_winograd_fits(const lt_conv_geometry *g);
lt_status lt_winograd_forward(const lt_conv_geometry *g, void *y, const void *x, const float *w,
                              const float *bias);
lt_status lt_winograd_backward_data(const lt_conv_geometry *g, void *dx, const void *dy,
                                    const float *w);
lt_status lt_winograd_backward_weights(const lt_conv_geometry *g, float *dw, const void *x,
                                       const void *dy);

// sums[j] = the sum of column j of x (rows, n), f32 or bf16; the order of additions is fixed.
lt_status lt_column_sums(float *sums, const void *x, int32_t dtype, int64_t rows, int64_t n);

#endif
