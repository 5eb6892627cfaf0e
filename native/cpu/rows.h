// rows: one dimension of a tensor at a time, as contiguous floats, for softmax and losses.
//
// A row is what is left when every other index is fixed; rows are numbered over the other
// dimensions, last one fastest. f32 rows whose elements are neighbours are used where they lie,
// others (strided, bf16) go through a room of n floats.
#ifndef LT_ROWS_H
#define LT_ROWS_H

#include "core/internal.h"

// Offset of row `row` along dimension `dim` (dim -1: every element is a row of its own).
static inline int64_t row_at(const lt_tensor *t, int dim, int64_t row)
{
    int64_t at = 0;
    for (int i = t->ndim - 1; i >= 0; i--) {
        if (i == dim) continue;
        at += row % t->shape[i] * t->stride[i];
        row /= t->shape[i];
    }
    return at;
}

static inline bool row_direct(const lt_tensor *t, int64_t step)
{
    return t->dtype == LT_F32 && step == 1;
}

static inline const float *row_load(float *room, const lt_tensor *t, int64_t at, int64_t step,
                                    int64_t n)
{
    if (t->dtype == LT_F32) {
        const float *x = lt_f32(t) + at;
        if (step == 1) return x;
        for (int64_t i = 0; i < n; i++) room[i] = x[i * step];
    } else {
        const lt_bf16 *x = (const lt_bf16 *)lt_data(t) + at;
        for (int64_t i = 0; i < n; i++) room[i] = lt_bf16_to_f32(x[i * step]);
    }
    return room;
}

// Where a result row may be written; row_store then brings it home.
static inline float *row_place(float *room, const lt_tensor *t, int64_t at, int64_t step)
{
    return row_direct(t, step) ? lt_f32(t) + at : room;
}

static inline void row_store(const lt_tensor *t, int64_t at, int64_t step, int64_t n,
                             const float *from)
{
    if (row_direct(t, step)) return;
    if (t->dtype == LT_F32) {
        float *y = lt_f32(t) + at;
        for (int64_t i = 0; i < n; i++) y[i * step] = from[i];
    } else {
        lt_bf16 *y = (lt_bf16 *)lt_data(t) + at;
        for (int64_t i = 0; i < n; i++) y[i * step] = lt_f32_to_bf16(from[i]);
    }
}

#endif
