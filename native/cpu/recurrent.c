// recurrent: the drivers of LSTM and GRU over whole sequences; see recurrent.h.
#include "recurrent.h"
#include "blas.h"
#include "tile.h"

#include <omp.h>

// ---- sizes and addresses -----------------------------------------------------------------------

typedef struct {
    int64_t steps, batch, input, hidden, out;  // T, N, I, H, D H
    int64_t rows, gates;                       // T N, G H
    int64_t by_step, by_sequence;              // how rows of matrices are numbered
} sizes;

static sizes sizes_of(const recurrent_cell *cell, const lt_tensor *x, int64_t hidden,
                      int32_t directions)
{
    sizes s = {.steps = x->shape[0], .batch = x->shape[1], .input = x->shape[2], .hidden = hidden,
               .out = hidden * directions};
    s.rows = s.steps * s.batch;
    s.gates = cell->gates * hidden;
    bool step_major = s.steps <= 1 || s.batch <= 1 ? x->stride[0] >= x->stride[1]
                                                   : x->stride[0] > x->stride[1];
    s.by_step = step_major ? s.batch : 1;
    s.by_sequence = step_major ? 1 : s.steps;
    return s;
}

static int64_t row_of(const sizes *s, int64_t t, int64_t n)
{
    return t * s->by_step + n * s->by_sequence;
}

// (T, N, C) fills memory densely in the order of `s`.
static bool fits(const sizes *s, const lt_tensor *t)
{
    if (s->rows == 0) return true;
    return (s->steps <= 1 || t->stride[0] == s->by_step * t->shape[2]) &&
           (s->batch <= 1 || t->stride[1] == s->by_sequence * t->shape[2]) &&
           (t->shape[2] <= 1 || t->stride[2] == 1);
}

// Time of the i-th step in a direction.
static int64_t time_of(const sizes *s, int direction, int64_t i)
{
    return direction ? s->steps - 1 - i : i;
}

// Whether a product with the recurrent weights is not of zeros: a single step from no state needs none.
static bool recurs(const sizes *s, const lt_tensor *h0)
{
    return s->steps > 1 || lt_present(h0);
}

// ---- packed weights ----------------------------------------------------------------------------
// Panels of TILE_PANEL columns, each (k, TILE_PANEL) dense, zeros beyond the last column.

static int64_t panel_floats(int64_t k, int64_t n) { return k * tile_round(n, TILE_PANEL); }

// b (k, n) = w (k, n), or with transpose w (n, k).
static void pack(float *b, const float *w, int64_t k, int64_t n, bool transpose)
{
    for (int64_t j = 0; j < n; j += TILE_PANEL)
        for (int64_t p = 0; p < k; p++, b += TILE_PANEL)
            for (int64_t i = 0; i < TILE_PANEL; i++)
                b[i] = j + i < n ? (transpose ? w[(j + i) * k + p] : w[p * n + j + i]) : 0.f;
}

// c (m, n) = or += a (m, k) b.
static void times(float *c, int64_t ldc, const float *a, int64_t lda, const float *b, int64_t m,
                  int64_t n, int64_t k, bool add)
{
    for (int64_t j = 0; j < n; j += TILE_PANEL, b += k * TILE_PANEL)
        tile_gemm(c + j, ldc, a, lda, b, TILE_PANEL, m, TILE_PANEL, k, add);
}

// ---- sharing the work --------------------------------------------------------------------------

// Sequences from .. to of one direction.
typedef struct {
    int direction;
    int64_t from, to;
} share;

typedef struct {
    int team;
    int64_t items, slices;
} split;

static split split_up(const sizes *s, int32_t directions)
{
    split p = {.team = lt_team(s->rows * s->gates)};
    int64_t most = (s->batch + TILE_ROWS - 1) / TILE_ROWS;
    p.slices = (p.team + directions - 1) / directions;
    if (p.slices > most) p.slices = most;
    p.items = p.slices * directions;
    if (p.team > p.items) p.team = (int)p.items;
    return p;
}

static share share_of(const sizes *s, const split *p, int64_t item)
{
    int64_t blocks = (s->batch + TILE_ROWS - 1) / TILE_ROWS, slice = item % p->slices;
    share r = {(int)(item / p->slices), blocks * slice / p->slices * TILE_ROWS,
               blocks * (slice + 1) / p->slices * TILE_ROWS};
    if (r.to > s->batch) r.to = s->batch;
    return r;
}

// ---- forward -----------------------------------------------------------------------------------

static const float *bias_of(const lt_tensor *b, const float *zeros)
{
    return lt_present(b) ? lt_f32(b) : zeros;
}

// Few rows take the weights as they lie: packing them would cost more than the products.
static bool is_small(const sizes *s, const split *p) { return p->items == 1 && s->rows <= 16; }

// room: rec (rows, gates rounded), h (rows, H), zeros (gates).
static int64_t forward_room(const sizes *s)
{
    int64_t rows = tile_round(s->batch, TILE_ROWS);
    return tile_round(rows * (tile_round(s->gates, TILE_PANEL) + s->hidden) + s->gates, 16);
}

// Without `packed`, the recurrent products take the weights as they lie.
static void forward_share(const recurrent_cell *cell, const recurrent_args *a, const sizes *s,
                          const float *packed, float *room, share r)
{
    int64_t H = s->hidden, width = tile_round(s->gates, TILE_PANEL), count = r.to - r.from;
    int64_t rows = tile_round(count, TILE_ROWS), wide = RECURRENT_WIDTH * H;
    float *rec = room, *h = rec + rows * width, *zeros = h + rows * H;
    const recurrent_weights *w = &a->w[r.direction];
    memset(h, 0, sizeof(float) * rows * H);
    memset(zeros, 0, sizeof(float) * s->gates);
    const float *bx = bias_of(&w->bi, zeros), *bh = bias_of(&w->bh, zeros);
    int64_t first = (r.direction * s->batch + r.from) * H;  // in h0, c0, hn, cn
    if (lt_present(&a->h0)) memcpy(h, lt_f32(&a->h0) + first, sizeof(float) * count * H);
    for (int64_t i = 0; i < s->steps; i++) {
        int64_t t = time_of(s, r.direction, i);
        if (i == 0 && !lt_present(&a->h0)) memset(rec, 0, sizeof(float) * rows * width);
        else if (packed) times(rec, width, h, H, packed, rows, s->gates, H, false);
        else lt_sgemm(false, true, count, s->gates, H, h, H, lt_f32(&w->wh), H, 0, rec, width);
        for (int64_t n = 0; n < count; n++) {
            int64_t row = row_of(s, t, r.from + n) + r.direction * s->rows;
            int64_t before = row_of(s, time_of(s, r.direction, i - 1), r.from + n) +
                             r.direction * s->rows;
            const float *c_before = !cell->has_cell ? NULL
                                  : i > 0 ? lt_f32(&a->cells) + before * H
                                  : lt_present(&a->c0) ? lt_f32(&a->c0) + first + n * H : NULL;
            float *c = cell->has_cell ? lt_f32(&a->cells) + row * H : NULL;
            cell->forward(H, lt_f32(&a->saved) + row * wide, rec + n * width, bx, bh, h + n * H,
                          c_before, h + n * H, c);
            float *y = lt_f32(&a->y) + row_of(s, t, r.from + n) * s->out + r.direction * H;
            memcpy(y, h + n * H, sizeof(float) * H);
            if (i == s->steps - 1 && c)
                memcpy(lt_f32(&a->cn) + first + n * H, c, sizeof(float) * H);
        }
    }
    memcpy(lt_f32(&a->hn) + first, h, sizeof(float) * count * H);
}

// Without a step, the last states are the first.
static void no_steps(const lt_tensor *last, const lt_tensor *first)
{
    int64_t n = lt_numel(last);
    if (!lt_present(last)) return;
    if (lt_present(first)) memcpy(lt_f32(last), lt_f32(first), sizeof(float) * n);
    else memset(lt_f32(last), 0, sizeof(float) * n);
}

lt_status recurrent_forward(const recurrent_cell *cell, const recurrent_args *a)
{
    sizes s = sizes_of(cell, &a->x, a->w[0].wh.shape[1], a->directions);
    if (s.rows == 0) {
        no_steps(&a->hn, &a->h0);
        no_steps(&a->cn, &a->c0);
        return LT_OK;
    }
    split p = split_up(&s, a->directions);
    bool packs = recurs(&s, &a->h0) && !is_small(&s, &p);
    int64_t wide = RECURRENT_WIDTH * s.hidden, each = packs ? panel_floats(s.hidden, s.gates) : 0;
    float *packed =
        lt_alloc((int64_t)sizeof(float) * (each * a->directions + forward_room(&s) * p.team));
    LT_REQUIRE(packed, LT_ERR_MEMORY, "%s: %s", cell->name, lt_error());
    float *room = packed + each * a->directions;
    for (int d = 0; d < a->directions; d++) {
        lt_sgemm(false, true, s.rows, s.gates, s.input, lt_f32(&a->x), s.input, lt_f32(&a->w[d].wi),
                 s.input, 0, lt_f32(&a->saved) + d * s.rows * wide, wide);
        if (packs) pack(packed + d * each, lt_f32(&a->w[d].wh), s.hidden, s.gates, true);
    }
#pragma omp parallel for num_threads(p.team) schedule(static)
    for (int64_t item = 0; item < p.items; item++) {
        share r = share_of(&s, &p, item);
        forward_share(cell, a, &s, packs ? packed + r.direction * each : NULL,
                      room + forward_room(&s) * omp_get_thread_num(), r);
    }
    lt_free(packed);
    return LT_OK;
}

// ---- backward ----------------------------------------------------------------------------------

// room: drec (rows, gates), dh (rows, H rounded), dc (H).
static int64_t backward_room(const sizes *s)
{
    int64_t rows = tile_round(s->batch, TILE_ROWS);
    return tile_round(rows * (s->gates + tile_round(s->hidden, TILE_PANEL) + s->hidden), 16);
}

// Goes back through all steps: fills dsaved (and before, the hidden states each step began with).
static void backward_share(const recurrent_cell *cell, const recurrent_backward_args *a,
                           const sizes *s, const float *packed, float *dsaved, float *before,
                           float *room, share r)
{
    int64_t H = s->hidden, width = tile_round(H, TILE_PANEL), count = r.to - r.from;
    int64_t rows = tile_round(count, TILE_ROWS), wide = RECURRENT_WIDTH * H;
    float *drec = room, *dh = drec + rows * s->gates, *dc = dh + rows * width;
    memset(room, 0, sizeof(float) * rows * (s->gates + width + H));
    int64_t first = (r.direction * s->batch + r.from) * H;
    for (int64_t n = 0; n < count; n++) {
        if (lt_present(&a->dhn))
            memcpy(dh + n * width, lt_f32(&a->dhn) + first + n * H, sizeof(float) * H);
        if (lt_present(&a->dcn))
            memcpy(dc + n * H, lt_f32(&a->dcn) + first + n * H, sizeof(float) * H);
    }
    for (int64_t i = s->steps - 1; i >= 0; i--) {
        int64_t t = time_of(s, r.direction, i), t1 = time_of(s, r.direction, i - 1);
        for (int64_t n = 0; n < count; n++) {
            int64_t row = row_of(s, t, r.from + n), last = row_of(s, t1, r.from + n);
            int64_t base = r.direction * s->rows;
            float *h = before + row * H;  // this direction's
            if (i > 0)
                memcpy(h, lt_f32(&a->y) + last * s->out + r.direction * H, sizeof(float) * H);
            else if (lt_present(&a->h0))
                memcpy(h, lt_f32(&a->h0) + first + n * H, sizeof(float) * H);
            else memset(h, 0, sizeof(float) * H);
            const float *c_before = !cell->has_cell ? NULL
                                  : i > 0 ? lt_f32(&a->cells) + (last + base) * H
                                  : lt_present(&a->c0) ? lt_f32(&a->c0) + first + n * H : NULL;
            if (lt_present(&a->dy)) {
                const float *dy = lt_f32(&a->dy) + row * s->out + r.direction * H;
                for (int64_t j = 0; j < H; j++) dh[n * width + j] += dy[j];
            }
            cell->backward(H, dsaved + row * wide, drec + n * s->gates,
                           lt_f32(&a->saved) + (row + base) * wide, h, c_before,
                           cell->has_cell ? lt_f32(&a->cells) + (row + base) * H : NULL,
                           dh + n * width, dc + n * H);
        }
        if (i > 0 || lt_present(&a->dh0))
            times(dh, width, drec, s->gates, packed, rows, H, s->gates, true);
    }
    for (int64_t n = 0; n < count; n++) {
        if (lt_present(&a->dh0))
            memcpy(lt_f32(&a->dh0) + first + n * H, dh + n * width, sizeof(float) * H);
        if (lt_present(&a->dc0))
            memcpy(lt_f32(&a->dc0) + first + n * H, dc + n * H, sizeof(float) * H);
    }
}

// sums (n) <- of the columns of x (rows, n) with ld; one thread a stretch of columns.
static void column_sums(float *sums, const float *x, int64_t rows, int64_t n, int64_t ld)
{
#pragma omp parallel for num_threads(lt_team(rows * n)) schedule(static)
    for (int64_t j = 0; j < n; j += 64) {
        int64_t count = n - j < 64 ? n - j : 64;
        double sum[64] = {0};
        for (int64_t r = 0; r < rows; r++)
            for (int64_t i = 0; i < count; i++) sum[i] += x[r * ld + j + i];
        for (int64_t i = 0; i < count; i++) sums[j + i] = (float)sum[i];
    }
}

static void zero(const lt_tensor *t)
{
    if (lt_present(t)) memset(lt_f32(t), 0, sizeof(float) * lt_numel(t));
}

// Gradients of one direction's weights and, added up over directions, of x.
static void weight_gradients(const recurrent_cell *cell, const recurrent_backward_args *a,
                             const sizes *s, const float *dsaved, const float *before, int d)
{
    int64_t H = s->hidden, wide = RECURRENT_WIDTH * H;
    const recurrent_weights *dw = &a->dw[d];
    lt_sgemm(true, false, s->gates, s->input, s->rows, dsaved, wide, lt_f32(&a->x), s->input, 0,
             lt_f32(&dw->wi), s->input);
    if (lt_present(&a->dx))
        lt_sgemm(false, false, s->rows, s->input, s->gates, dsaved, wide, lt_f32(&a->w[d].wi),
                 s->input, d ? 1.f : 0.f, lt_f32(&a->dx), s->input);
    if (lt_present(&dw->bi)) column_sums(lt_f32(&dw->bi), dsaved, s->rows, s->gates, wide);
    int64_t at = 0;
    for (int part = 0; part < cell->rec_parts; part++) {
        const float *from = dsaved + cell->rec_first[part] * H;
        int64_t n = cell->rec_count[part] * H;
        if (recurs(s, &a->h0))
            lt_sgemm(true, false, n, H, s->rows, from, wide, before, H, 0, lt_f32(&dw->wh) + at * H, H);
        if (lt_present(&dw->bh) && from + n <= dsaved + s->gates)
            memcpy(lt_f32(&dw->bh) + at, lt_f32(&dw->bi) + (from - dsaved), sizeof(float) * n);
        else if (lt_present(&dw->bh)) column_sums(lt_f32(&dw->bh) + at, from, s->rows, n, wide);
        at += n;
    }
    if (!recurs(s, &a->h0)) zero(&dw->wh);
}

// No step: gradients of the last states are those of the first, weights have none.
static lt_status backward_empty(const recurrent_backward_args *a)
{
    no_steps(&a->dh0, &a->dhn);
    no_steps(&a->dc0, &a->dcn);
    for (int d = 0; d < a->directions; d++) {
        zero(&a->dw[d].wi);
        zero(&a->dw[d].wh);
        zero(&a->dw[d].bi);
        zero(&a->dw[d].bh);
    }
    return LT_OK;
}

lt_status recurrent_backward(const recurrent_cell *cell, const recurrent_backward_args *a)
{
    sizes s = sizes_of(cell, &a->x, a->w[0].wh.shape[1], a->directions);
    if (s.rows == 0) return backward_empty(a);
    int64_t wide = RECURRENT_WIDTH * s.hidden, each = panel_floats(s.gates, s.hidden);
    int64_t big = s.rows * (wide + s.hidden);  // dsaved and before of one direction
    split p = split_up(&s, a->directions);
    int64_t floats = (each + big) * a->directions + backward_room(&s) * p.team;
    float *packed = lt_alloc((int64_t)sizeof(float) * floats);
    LT_REQUIRE(packed, LT_ERR_MEMORY, "%s_backward: %s", cell->name, lt_error());
    float *dsaved = packed + each * a->directions, *room = dsaved + big * a->directions;
    bool packs = s.steps > 1 || lt_present(&a->dh0);
    for (int d = 0; d < a->directions && packs; d++)
        pack(packed + d * each, lt_f32(&a->w[d].wh), s.gates, s.hidden, false);
#pragma omp parallel for num_threads(p.team) schedule(static)
    for (int64_t item = 0; item < p.items; item++) {
        share r = share_of(&s, &p, item);
        float *mine = dsaved + r.direction * big;
        backward_share(cell, a, &s, packed + r.direction * each, mine, mine + s.rows * wide,
                       room + backward_room(&s) * omp_get_thread_num(), r);
    }
    for (int d = 0; d < a->directions; d++)
        weight_gradients(cell, a, &s, dsaved + d * big, dsaved + d * big + s.rows * wide, d);
    lt_free(packed);
    return LT_OK;
}

// ---- checks ------------------------------------------------------------------------------------

static lt_status check_shape(const char *op, const char *name, const lt_tensor *t, int ndim,
                             int64_t n0, int64_t n1, int64_t n2)
{
    LT_TRY(lt_check_dtype(op, name, t, LT_F32));
    int64_t want[3] = {n0, n1, n2};
    bool good = t->ndim == ndim;
    for (int i = 0; good && i < ndim; i++) good = t->shape[i] == want[i];
    if (good) return LT_OK;
    lt_tensor model = {.ndim = ndim, .shape = {n0, n1, n2}};
    return lt_fail(LT_ERR_ARGUMENT, "%s: %s is %s, wanted %s", op, name, LT_SHAPE(t),
                   LT_SHAPE(&model));
}

static lt_status check_dense(const char *op, const char *name, const lt_tensor *t, int ndim,
                             int64_t n0, int64_t n1, int64_t n2)
{
    LT_TRY(check_shape(op, name, t, ndim, n0, n1, n2));
    return lt_check_contiguous(op, name, t);
}

static lt_status check_weights(const char *op, const sizes *s, const recurrent_weights *w,
                               bool bias)
{
    LT_TRY(check_dense(op, "weight_ih", &w->wi, 2, s->gates, s->input, 0));
    LT_TRY(check_dense(op, "weight_hh", &w->wh, 2, s->gates, s->hidden, 0));
    LT_REQUIRE(lt_present(&w->bi) == bias && lt_present(&w->bh) == bias, LT_ERR_ARGUMENT,
               "%s: either all biases or none", op);
    if (!bias) return LT_OK;
    LT_TRY(check_dense(op, "bias_ih", &w->bi, 1, s->gates, 0, 0));
    return check_dense(op, "bias_hh", &w->bh, 1, s->gates, 0, 0);
}

static lt_status check_sequence(const char *op, const char *name, const sizes *s,
                                const lt_tensor *t, int64_t channels)
{
    LT_TRY(check_shape(op, name, t, 3, s->steps, s->batch, channels));
    LT_REQUIRE(fits(s, t), LT_ERR_ARGUMENT, "%s: %s %s does not lie in memory as x does", op, name,
               LT_SHAPE(t));
    return LT_OK;
}

// A state (D, N, H), which may be absent where `optional`.
static lt_status check_state(const char *op, const char *name, const sizes *s, const lt_tensor *t,
                             bool optional)
{
    if (optional && !lt_present(t)) return LT_OK;
    return check_dense(op, name, t, 3, s->out / s->hidden, s->batch, s->hidden);
}

static lt_status check_common(const recurrent_cell *cell, sizes *s, const lt_tensor *x,
                              const recurrent_weights *w, int32_t directions)
{
    const char *op = cell->name;
    LT_REQUIRE(directions == 1 || directions == 2, LT_ERR_ARGUMENT, "%s: %d directions", op,
               directions);
    LT_TRY(lt_check_dtype(op, "x", x, LT_F32));
    LT_REQUIRE(x->ndim == 3, LT_ERR_ARGUMENT, "%s: x is %s; it must be (T, N, I)", op, LT_SHAPE(x));
    LT_REQUIRE(w[0].wh.ndim == 2 && w[0].wh.shape[1] > 0, LT_ERR_ARGUMENT,
               "%s: weight_hh is %s; it must be (%d H, H)", op, LT_SHAPE(&w[0].wh), cell->gates);
    *s = sizes_of(cell, x, w[0].wh.shape[1], directions);
    LT_TRY(check_sequence(op, "x", s, x, x->shape[2]));
    for (int d = 0; d < directions; d++) LT_TRY(check_weights(op, s, &w[d], lt_present(&w[0].bi)));
    return LT_OK;
}

lt_status recurrent_check(const recurrent_cell *cell, const recurrent_args *a)
{
    sizes s;
    const char *op = cell->name;
    LT_TRY(check_common(cell, &s, &a->x, a->w, a->directions));
    LT_TRY(check_sequence(op, "y", &s, &a->y, s.out));
    LT_TRY(check_state(op, "h0", &s, &a->h0, true));
    LT_TRY(check_state(op, "hn", &s, &a->hn, false));
    LT_TRY(
        check_dense(op, "saved", &a->saved, 3, a->directions, s.rows, RECURRENT_WIDTH * s.hidden));
    if (!cell->has_cell) return LT_OK;
    LT_TRY(check_dense(op, "cells", &a->cells, 3, a->directions, s.rows, s.hidden));
    LT_TRY(check_state(op, "c0", &s, &a->c0, true));
    return check_state(op, "cn", &s, &a->cn, false);
}

lt_status recurrent_backward_check(const recurrent_cell *cell, const recurrent_backward_args *a)
{
    sizes s;
    const char *op = cell->name;
    LT_TRY(check_common(cell, &s, &a->x, a->w, a->directions));
    if (lt_present(&a->dx)) LT_TRY(check_sequence(op, "dx", &s, &a->dx, s.input));
    LT_TRY(check_sequence(op, "y", &s, &a->y, s.out));
    if (lt_present(&a->dy)) LT_TRY(check_sequence(op, "dy", &s, &a->dy, s.out));
    for (int d = 0; d < a->directions; d++)
        LT_TRY(check_weights(op, &s, &a->dw[d], lt_present(&a->w[0].bi)));
    LT_TRY(
        check_dense(op, "saved", &a->saved, 3, a->directions, s.rows, RECURRENT_WIDTH * s.hidden));
    LT_TRY(check_state(op, "h0", &s, &a->h0, true));
    LT_TRY(check_state(op, "dhn", &s, &a->dhn, true));
    LT_TRY(check_state(op, "dh0", &s, &a->dh0, true));
    if (!cell->has_cell) return LT_OK;
    LT_TRY(check_dense(op, "cells", &a->cells, 3, a->directions, s.rows, s.hidden));
    LT_TRY(check_state(op, "c0", &s, &a->c0, true));
    LT_TRY(check_state(op, "dcn", &s, &a->dcn, true));
    return check_state(op, "dc0", &s, &a->dc0, true);
}

void recurrent_take(recurrent_weights *w, lt_tensor *const *list, int32_t directions)
{
    for (int d = 0; d < 2; d++) {
        lt_tensor *const *from = d < directions ? list + 4 * d : NULL;
        w[d].wi = lt_optional(from ? from[0] : NULL);
        w[d].wh = lt_optional(from ? from[1] : NULL);
        w[d].bi = lt_optional(from ? from[2] : NULL);
        w[d].bh = lt_optional(from ? from[3] : NULL);
    }
}
