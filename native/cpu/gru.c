// gru: gated recurrent unit (Cho et al. 2014; PyTorch's variant, gates and names).
//
// r, z, n = the gates of reset and update and the candidate, in this order in the weights;
// n = tanh(x's part + r m) with m = h's part of n, bias included; h' = (1 - z) n + z h. saved
// holds r, z, n, m of every step, and its gradient those of the pre-activations of r, z, n, and of
// m.
#include "recurrent.h"
#include "../scalar/vmath.h"

static void gru_step(int64_t H, float *saved, const float *rec, const float *bias_x,
                     const float *bias_h, const float *h_before, const float *c_before, float *h,
                     float *c)
{
    (void)c_before;
    (void)c;
    float *r = saved, *z = r + H, *n = z + H, *m = n + H;
    const float *rec_n = rec + 2 * H, *bias_n = bias_x + 2 * H, *bias_m = bias_h + 2 * H;
#pragma omp simd
    for (int64_t j = 0; j < 2 * H; j++) r[j] = vm_sigmoid(r[j] + rec[j] + bias_x[j] + bias_h[j]);
#pragma omp simd
    for (int64_t j = 0; j < H; j++) {
        m[j] = rec_n[j] + bias_m[j];
        n[j] = vm_tanh(n[j] + bias_n[j] + r[j] * m[j]);
        h[j] = n[j] + z[j] * (h_before[j] - n[j]);
    }
}

static void gru_step_backward(int64_t H, float *dsaved, float *drec, const float *saved,
                              const float *h_before, const float *c_before, const float *c,
                              float *dh, float *dc)
{
    (void)c_before;
    (void)c;
    (void)dc;
    const float *r = saved, *z = r + H, *n = z + H, *m = n + H;
    float *dr = dsaved, *dz = dr + H, *dn = dz + H, *dm = dn + H;
#pragma omp simd
    for (int64_t j = 0; j < H; j++) {
        float d = dh[j] * (1.f - z[j]) * (1.f - n[j] * n[j]);
        dn[j] = d;
        dm[j] = d * r[j];
        dr[j] = d * m[j] * r[j] * (1.f - r[j]);
        dz[j] = dh[j] * (h_before[j] - n[j]) * z[j] * (1.f - z[j]);
        dh[j] *= z[j];
    }
    memcpy(drec, dsaved, sizeof(float) * 2 * H);
    memcpy(drec + 2 * H, dm, sizeof(float) * H);
}

const recurrent_cell gru_cell = {
    .name = "gru", .gates = 3, .has_cell = false, .forward = gru_step,
    .backward = gru_step_backward, .rec_first = {0, 3}, .rec_count = {2, 1}, .rec_parts = 2};

static lt_status gru_check(const void *args) { return recurrent_check(&gru_cell, args); }
static lt_status gru_cpu(const void *args) { return recurrent_forward(&gru_cell, args); }
static lt_status gru_backward_check(const void *args)
{
    return recurrent_backward_check(&gru_cell, args);
}
static lt_status gru_backward_cpu(const void *args) { return recurrent_backward(&gru_cell, args); }

// The tensors are the LSTM's; those of cells stay absent.
LT_OP(gru, "y hn cn? saved cells?; x h0? c0? wi wh bi? bh? wi2? wh2? bi2? bh2?", gru_check, gru_cpu)
LT_OP(gru_backward,
      "dx? dh0? dc0? dwi dwh dbi? dbh? dwi2? dwh2? dbi2? dbh2?; dy? dhn? dcn? y saved cells? x h0? "
      "c0? wi "
      "wh bi? bh? wi2? wh2? bi2? bh2?",
      gru_backward_check, gru_backward_cpu)

lt_status lt_gru(lt_tensor *y, lt_tensor *hn, lt_tensor *saved, const lt_tensor *x,
                 const lt_tensor *h0, lt_tensor *const *weights, int32_t directions)
{
    lt_tensor none = {.dtype = -1};
    recurrent_args a = {.y = *y, .hn = *hn, .cn = none, .saved = *saved, .cells = none, .x = *x,
                        .h0 = lt_optional(h0), .c0 = none, .directions = directions};
    recurrent_take(a.w, weights, directions);
    return lt_run(&gru_op, &a);
}

lt_status lt_gru_backward(lt_tensor *dx, lt_tensor *dh0, lt_tensor *const *dweights,
                          const lt_tensor *dy, const lt_tensor *dhn, const lt_tensor *y,
                          const lt_tensor *saved, const lt_tensor *x, const lt_tensor *h0,
                          lt_tensor *const *weights, int32_t directions)
{
    lt_tensor none = {.dtype = -1};
    recurrent_backward_args a = {
        .dx = lt_optional(dx), .dh0 = lt_optional(dh0), .dc0 = none, .dy = lt_optional(dy),
        .dhn = lt_optional(dhn), .dcn = none, .y = *y, .saved = *saved, .cells = none, .x = *x,
        .h0 = lt_optional(h0), .c0 = none, .directions = directions};
    recurrent_take(a.dw, dweights, directions);
    recurrent_take(a.w, weights, directions);
    return lt_run(&gru_backward_op, &a);
}
