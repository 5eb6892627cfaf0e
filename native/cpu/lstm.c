// lstm: long short-term memory (Hochreiter and Schmidhuber 1997; PyTorch's gates and names).
//
// i, f, g, o = the gates of input, forgetting, candidate and output, in this order in the weights;
// c' = f c + i g, h' = o tanh(c'). saved holds the four gates of every step, cells every c'.
#include "recurrent.h"
#include "../scalar/vmath.h"

static void lstm_step(int64_t H, float *saved, const float *rec, const float *bias_x,
                      const float *bias_h, const float *h_before, const float *c_before, float *h,
                      float *c)
{
    (void)h_before;
    float *i = saved, *f = i + H, *g = f + H, *o = g + H;
#pragma omp simd
    for (int64_t j = 0; j < 2 * H; j++) i[j] = vm_sigmoid(i[j] + rec[j] + bias_x[j] + bias_h[j]);
#pragma omp simd
    for (int64_t j = 2 * H; j < 3 * H; j++) i[j] = vm_tanh(i[j] + rec[j] + bias_x[j] + bias_h[j]);
#pragma omp simd
    for (int64_t j = 3 * H; j < 4 * H; j++)
        i[j] = vm_sigmoid(i[j] + rec[j] + bias_x[j] + bias_h[j]);
    if (c_before)
        for (int64_t j = 0; j < H; j++) c[j] = f[j] * c_before[j] + i[j] * g[j];
    else
        for (int64_t j = 0; j < H; j++) c[j] = i[j] * g[j];
#pragma omp simd
    for (int64_t j = 0; j < H; j++) h[j] = o[j] * vm_tanh(c[j]);
}

static void lstm_step_backward(int64_t H, float *dsaved, float *drec, const float *saved,
                               const float *h_before, const float *c_before, const float *c,
                               float *dh, float *dc)
{
    (void)h_before;
    const float *i = saved, *f = i + H, *g = f + H, *o = g + H;
    float *di = dsaved, *df = di + H, *dg = df + H, *d_o = dg + H;
#pragma omp simd
    for (int64_t j = 0; j < H; j++) {
        float t = vm_tanh(c[j]), before = c_before ? c_before[j] : 0.f;
        float d = dc[j] + dh[j] * o[j] * (1.f - t * t);
        d_o[j] = dh[j] * t * o[j] * (1.f - o[j]);
        di[j] = d * g[j] * i[j] * (1.f - i[j]);
        df[j] = d * before * f[j] * (1.f - f[j]);
        dg[j] = d * i[j] * (1.f - g[j] * g[j]);
        dc[j] = d * f[j];
        dh[j] = 0;
    }
    memcpy(drec, dsaved, sizeof(float) * 4 * H);
}

const recurrent_cell lstm_cell = {
    .name = "lstm", .gates = 4, .has_cell = true, .forward = lstm_step,
    .backward = lstm_step_backward, .rec_first = {0}, .rec_count = {4}, .rec_parts = 1};

static lt_status lstm_check(const void *args) { return recurrent_check(&lstm_cell, args); }
static lt_status lstm_cpu(const void *args) { return recurrent_forward(&lstm_cell, args); }
static lt_status lstm_backward_check(const void *args)
{
    return recurrent_backward_check(&lstm_cell, args);
}
static lt_status lstm_backward_cpu(const void *args)
{
    return recurrent_backward(&lstm_cell, args);
}

LT_OP(lstm, "y hn cn saved cells; x h0? c0? wi wh bi? bh? wi2? wh2? bi2? bh2?", lstm_check,
      lstm_cpu)
LT_OP(lstm_backward,
      "dx? dh0? dc0? dwi dwh dbi? dbh? dwi2? dwh2? dbi2? dbh2?; dy? dhn? dcn? y saved cells x h0? "
      "c0? wi wh "
      "bi? bh? wi2? wh2? bi2? bh2?",
      lstm_backward_check, lstm_backward_cpu)

lt_status lt_lstm(lt_tensor *y, lt_tensor *hn, lt_tensor *cn, lt_tensor *saved, lt_tensor *cells,
                  const lt_tensor *x, const lt_tensor *h0, const lt_tensor *c0,
                  lt_tensor *const *weights, int32_t directions)
{
    recurrent_args a = {.y = *y, .hn = *hn, .cn = *cn, .saved = *saved, .cells = *cells, .x = *x,
                        .h0 = lt_optional(h0), .c0 = lt_optional(c0), .directions = directions};
    recurrent_take(a.w, weights, directions);
    return lt_run(&lstm_op, &a);
}

lt_status lt_lstm_backward(lt_tensor *dx, lt_tensor *dh0, lt_tensor *dc0,
                           lt_tensor *const *dweights, const lt_tensor *dy, const lt_tensor *dhn,
                           const lt_tensor *dcn, const lt_tensor *y, const lt_tensor *saved,
                           const lt_tensor *cells, const lt_tensor *x, const lt_tensor *h0,
                           const lt_tensor *c0, lt_tensor *const *weights, int32_t directions)
{
    recurrent_backward_args a = {
        .dx = lt_optional(dx), .dh0 = lt_optional(dh0), .dc0 = lt_optional(dc0), .dy = lt_optional(dy),
        .dhn = lt_optional(dhn), .dcn = lt_optional(dcn), .y = *y, .saved = *saved, .cells = *cells,
        .x = *x, .h0 = lt_optional(h0), .c0 = lt_optional(c0), .directions = directions};
    recurrent_take(a.dw, dweights, directions);
    recurrent_take(a.w, weights, directions);
    return lt_run(&lstm_backward_op, &a);
}
