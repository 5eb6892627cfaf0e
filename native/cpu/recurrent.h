// recurrent: what LSTM and GRU share: whole sequences through one layer, one or both directions.
//
// Sequences are (T, N, ...) views whose memory is (T, N, ...) or (N, T, ...); row r of a matrix of
// R = T N rows is one step of one sequence. The input's part of all gates is one matrix product;
// then each thread takes some of the sequences and goes through all their steps on its own, since
// sequences do not depend on each other. The recurrent weights are packed once for that.
#ifndef LT_RECURRENT_H
#define LT_RECURRENT_H

#include "core/internal.h"

enum { RECURRENT_WIDTH = 4 };  // saved numbers per step and hidden unit

// One step of one sequence. saved (4, H) holds what backward needs. rec (gates, H) is the recurrent
// product without bias.
typedef struct {
    const char *name;
    int gates;
    bool has_cell;
    // In: the input product in saved's first `gates` rows; out: saved, h and c.
    void (*forward)(int64_t H, float *saved, const float *rec, const float *bias_x,
                    const float *bias_h, const float *h_before, const float *c_before, float *h,
                    float *c);
    // From dh and dc: dsaved, of which the first `gates` rows are the input product's gradient; the
    // gradient drec of the recurrent product; and in dh, dc what goes to the step before directly.
    void (*backward)(int64_t H, float *dsaved, float *drec, const float *saved,
                     const float *h_before, const float *c_before, const float *c, float *dh,
                     float *dc);
    int rec_first[3], rec_count[3], rec_parts;  // rows of dsaved that make up drec, in order
} recurrent_cell;

extern const recurrent_cell lstm_cell, gru_cell;

// Per direction: weight_ih (G H, I), weight_hh (G H, H), bias_ih and bias_hh (G H) or absent.
typedef struct {
    lt_tensor wi, wh, bi, bh;
} recurrent_weights;

typedef struct {
    lt_tensor y, hn, cn, saved, cells, x, h0, c0;
    recurrent_weights w[2];
    int32_t directions;
} recurrent_args;

typedef struct {
    lt_tensor dx, dh0, dc0;
    recurrent_weights dw[2];
    lt_tensor dy, dhn, dcn, y, saved, cells, x, h0, c0;
    recurrent_weights w[2];
    int32_t directions;
} recurrent_backward_args;

lt_status recurrent_forward(const recurrent_cell *cell, const recurrent_args *a);
lt_status recurrent_backward(const recurrent_cell *cell, const recurrent_backward_args *a);
lt_status recurrent_check(const recurrent_cell *cell, const recurrent_args *a);
lt_status recurrent_backward_check(const recurrent_cell *cell, const recurrent_backward_args *a);

// From a list of 4 tensors per direction, biases NULL or absent.
void recurrent_take(recurrent_weights *w, lt_tensor *const *list, int32_t directions);

#endif
