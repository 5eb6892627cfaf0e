// attention: softmax(q k' scale + mask) v without the matrix of scores (Dao and others,
// "FlashAttention", 2022; the online softmax is Milakov and Gimelshein's, 2018).
//
// A block of queries meets blocks of keys: scores, their running maximum and sum, and the weighted
// values stay in cache. Forward keeps, besides the output, one number per query: the base-2
// logarithm of its sum of exponentials, from which backward computes the weights again. Scores are
// kept in units of log 2 (the scale of q includes log2 e), so that the exponential is a power of 2.
//
// One (batch, head) at a time is copied into dense f32 panels, so q, k, v and the gradients may be
// any strided views, for example of one packed projection, and f32 or bf16.
#include "core/internal.h"
#include "../scalar/philox.h"
#include "../scalar/vmath.h"
#include "tile.h"

#include <omp.h>

// Queries and keys of one block.
enum { QUERIES = 64, KEYS = 256, DROP = 2 * PHILOX_GROUP };  // DROP divides KEYS

static const float LOG2E = 1.44269504f, LN2 = 0.693147181f;

typedef struct {
    lt_tensor out, lse, q, k, v, mask, padding, rng;
    float scale, dropout;
    int32_t causal;
} attention_args;

typedef struct {
    lt_tensor dq, dk, dv, dout, out, lse, q, k, v, mask, padding, rng;
    float scale, dropout;
    int32_t causal;
} attention_backward_args;

// What both directions know: the sizes, and what stands between scores and weights.
typedef struct {
    int64_t batch, heads, queries, keys, depth;
    int64_t width;       // depth rounded up to whole vectors
    int64_t key_space;   // keys rounded up to whole panels
    lt_tensor mask, padding;
    float scale, keep;
    uint32_t drop;       // a weight goes where its 16 random bits are below this
    uint64_t seed, counter;
    bool causal;
} plan;

static plan make_plan(const lt_tensor *q, const lt_tensor *k, const lt_tensor *mask,
                      const lt_tensor *padding, const lt_tensor *rng, float scale, float dropout,
                      bool causal)
{
    plan s = {.batch = q->shape[0], .heads = q->shape[1], .queries = q->shape[2],
              .keys = k->shape[2], .depth = q->shape[3], .mask = *mask, .padding = *padding,
              .scale = scale, .causal = causal};
    s.width = tile_round(s.depth, TILE_LANES);
    s.key_space = tile_round(s.keys, TILE_PANEL);
    s.drop = (uint32_t)lrintf(dropout * 65536.f);
    s.keep = s.drop ? 65536.f / (65536.f - (float)s.drop) : 1.f;
    if (s.drop) {
        s.seed = (uint64_t)lt_i64(rng)[0];
        s.counter = (uint64_t)lt_i64(rng)[1];
    }
    return s;
}

// ---- panels ------------------------------------------------------------------------------------

// dst (space, width) <- factor * t[b, h, first : first + count, :], zeros in what is left over.
static void pack_rows(float *dst, const plan *s, const lt_tensor *t, int64_t b, int64_t h,
                      int64_t first, int64_t count, int64_t space, float factor)
{
    int64_t at = b * t->stride[0] + h * t->stride[1] + first * t->stride[2], step = t->stride[3];
    for (int64_t i = 0; i < count; i++, at += t->stride[2], dst += s->width) {
        if (t->dtype == LT_F32) {
            const float *x = lt_f32(t) + at;
            // Rows of one head lie far apart: ask for the ones to come.
            for (int64_t d = 0; d < s->depth && step == 1; d += 16)
                __builtin_prefetch(x + 8 * t->stride[2] + d);
            if (step == 1)
                for (int64_t d = 0; d < s->depth; d++) dst[d] = factor * x[d];
            else
                for (int64_t d = 0; d < s->depth; d++) dst[d] = factor * x[d * step];
        } else {
            const lt_bf16 *x = (const lt_bf16 *)lt_data(t) + at;
            for (int64_t d = 0; d < s->depth; d++) dst[d] = factor * lt_bf16_to_f32(x[d * step]);
        }
        for (int64_t d = s->depth; d < s->width; d++) dst[d] = 0;
    }
    if (space > count) memset(dst, 0, sizeof(float) * (space - count) * s->width);
}

// The inverse: t[b, h, first : first + count, :] <- factor * src, or per row factor[i] * src.
static void unpack_rows(const lt_tensor *t, const plan *s, int64_t b, int64_t h, int64_t first,
                        int64_t count, const float *src, float factor)
{
    int64_t at = b * t->stride[0] + h * t->stride[1] + first * t->stride[2], step = t->stride[3];
    for (int64_t i = 0; i < count; i++, at += t->stride[2], src += s->width) {
        if (t->dtype == LT_F32) {
            float *y = lt_f32(t) + at;
            if (step == 1)
                for (int64_t d = 0; d < s->depth; d++) y[d] = factor * src[d];
            else
                for (int64_t d = 0; d < s->depth; d++) y[d * step] = factor * src[d];
        } else {
            lt_bf16 *y = (lt_bf16 *)lt_data(t) + at;
            for (int64_t d = 0; d < s->depth; d++) y[d * step] = lt_f32_to_bf16(factor * src[d]);
        }
    }
}

// Rows (key_space, width) become panels of TILE_PANEL columns, each (width, TILE_PANEL) dense.
static void pack_panels(float *dst, const plan *s, const float *rows)
{
    for (int64_t j = 0; j < s->key_space; j += TILE_PANEL, dst += s->width * TILE_PANEL)
        for (int64_t d0 = 0; d0 < s->width; d0 += 4)
            for (int64_t i = 0; i < TILE_PANEL; i++) {
                const float *x = rows + (j + i) * s->width + d0;
                float *y = dst + d0 * TILE_PANEL + i;
                y[0] = x[0];
                y[TILE_PANEL] = x[1];
                y[2 * TILE_PANEL] = x[2];
                y[3 * TILE_PANEL] = x[3];
            }
}

// scores (rows, KEYS) <- a (rows, width) times `count` keys from panel `first` on.
static void times_panels(float *scores, const plan *s, const float *a, const float *panels,
                         int64_t rows, int64_t first, int64_t count)
{
    for (int64_t j = 0; j < count; j += TILE_PANEL)
        tile_gemm(scores + j, KEYS, a, s->width, panels + (first + j) * s->width, TILE_PANEL, rows,
                  TILE_PANEL, s->width, false);
}

// ---- scores and weights ------------------------------------------------------------------------

// Writes -inf where a key is not to be seen and adds a float mask. scores (rows, KEYS) belong to
// queries first_q + i and keys first_k + j.
static void apply_masks(float *scores, const plan *s, int64_t b, int64_t h, int64_t first_q,
                        int64_t rows, int64_t first_k, int64_t count)
{
    for (int64_t i = 0; i < rows; i++) {
        float *x = scores + i * KEYS;
        if (lt_present(&s->mask)) {
            const int64_t *st = s->mask.stride;
            int64_t at = b * st[0] + h * st[1] + (first_q + i) * st[2] + first_k * st[3];
            if (s->mask.dtype == LT_F32) {
                const float *m = lt_f32(&s->mask) + at;
                for (int64_t j = 0; j < count; j++) x[j] += LOG2E * m[j * st[3]];
            } else {
                const uint8_t *m = (const uint8_t *)lt_data(&s->mask) + at;
                for (int64_t j = 0; j < count; j++) x[j] = m[j * st[3]] ? x[j] : -INFINITY;
            }
        }
        if (lt_present(&s->padding)) {
            const int64_t *st = s->padding.stride;
            const uint8_t *m = (const uint8_t *)lt_data(&s->padding) + b * st[0] + first_k * st[1];
            for (int64_t j = 0; j < count; j++) x[j] = m[j * st[1]] ? -INFINITY : x[j];
        }
        if (s->causal) {
            int64_t seen = first_q + i + 1 - first_k;
            for (int64_t j = seen < 0 ? 0 : seen; j < count; j++) x[j] = -INFINITY;
        }
    }
}

// Number of keys that the queries below `end` may look at.
static int64_t visible(const plan *s, int64_t end)
{
    return s->causal && end < s->keys ? end : s->keys;
}

// Groups of Philox numbers for one row of weights; each gives DROP weights 16 random bits.
static uint64_t drop_groups(const plan *s) { return (uint64_t)(s->keys + DROP - 1) / DROP; }

// factor (KEYS) <- 0 where a weight of one query is dropped, else 1 / (1 - p).
static void drop_factors(float *factor, const plan *s, int64_t head, int64_t query, int64_t first_k,
                         int64_t count)
{
    uint64_t row = (uint64_t)(head * s->queries + query) * drop_groups(s);
    uint32_t low = s->drop, word[PHILOX_GROUP];
    float keep = s->keep;
    for (int64_t j = 0; j < count; j += DROP) {
        uint64_t group = row + (uint64_t)(first_k + j) / DROP;
        philox_group(word, s->counter + group * PHILOX_LANES, s->seed);
#pragma omp simd
        for (int i = 0; i < PHILOX_GROUP; i++) {
            factor[j + i] = (word[i] & 0xffffu) < low ? 0.f : keep;
            factor[j + PHILOX_GROUP + i] = word[i] >> 16 < low ? 0.f : keep;
        }
    }
}

// ---- forward -----------------------------------------------------------------------------------

// Where one thread keeps its panels.
typedef struct {
    float *k_panels, *v, *q, *scores, *out;
} forward_room;

static int64_t forward_floats(const plan *s)
{
    return 2 * s->key_space * s->width + 2 * QUERIES * s->width + QUERIES * KEYS + 64;
}

static forward_room forward_carve(float *p, const plan *s)
{
    forward_room r;
    r.k_panels = p;
    r.v = r.k_panels + s->key_space * s->width;
    r.q = r.v + s->key_space * s->width;
    r.out = r.q + QUERIES * s->width;
    r.scores = r.out + QUERIES * s->width;
    return r;
}

// vm_exp2_falling of whole vectors.
static inline __attribute__((always_inline)) tile_vec powers_of_2(tile_vec x)
{
    tile_vec n = x + 12582912.f, r = x - (n - 12582912.f);
    tile_vec q = 0.00132647273f * r + 0.00967151299f;
    q = q * r + 0.0555073358f;
    q = q * r + 0.240222424f;
    q = q * r + 0.693147004f;
    q = q * r + 1.f;
    return (tile_vec)(((tile_bits)q + ((tile_bits)n << 23)) & (tile_bits) ~(x < -126.f));
}

// One row's scores become weights relative to its running maximum; its sum follows. Returns what
// earlier sums and outputs have to be multiplied with. x has room for whole vectors.
static float weigh(float *x, int64_t count, float *top, float *sum)
{
    int64_t space = tile_round(count, TILE_LANES);
    for (int64_t j = count; j < space; j++) x[j] = -INFINITY;
    tile_vec most = tile_all(*top), total = {0};
    for (int64_t j = 0; j < space; j += TILE_LANES) most = tile_max(tile_load(x + j), most);
    float high = tile_max_lanes(most);
    if (high == -INFINITY) {  // no key seen so far, or nothing but NaN
        for (int64_t j = 0; j < count; j++) x[j] = x[j] != x[j] ? (*sum = x[j]) : 0;
        return 1;
    }
    for (int64_t j = 0; j < space; j += TILE_LANES) {
        tile_vec w = powers_of_2(tile_load(x + j) - high);
        tile_store(x + j, w);
        total += w;
    }
    float back = vm_exp2_falling(*top - high);
    *sum = *sum * back + tile_sum_lanes(total);
    *top = high;
    return back;
}

// Queries first .. first + rows of one head, all keys.
static void forward_block(const attention_args *a, const plan *s, const forward_room *r, int64_t b,
                          int64_t h, int64_t first, int64_t rows)
{
    float top[QUERIES], sum[QUERIES];
    int64_t space = tile_round(rows, TILE_ROWS), seen = visible(s, first + rows);
    bool masked = lt_present(&s->mask) || lt_present(&s->padding);
    pack_rows(r->q, s, &a->q, b, h, first, rows, space, s->scale * LOG2E);
    memset(r->out, 0, sizeof(float) * space * s->width);
    for (int64_t i = 0; i < rows; i++) {
        top[i] = -INFINITY;
        sum[i] = 0;
    }
    for (int64_t key = 0; key < seen; key += KEYS) {
        int64_t count = seen - key < KEYS ? seen - key : KEYS;
        times_panels(r->scores, s, r->q, r->k_panels, space, key, count);
        if (masked || (s->causal && key + count > first + 1))
            apply_masks(r->scores, s, b, h, first, rows, key, count);
        for (int64_t i = 0; i < rows; i++) {
            float *w = r->scores + i * KEYS, back = weigh(w, count, &top[i], &sum[i]);
            if (key > 0 && back != 1)
                for (int64_t d = 0; d < s->width; d++) r->out[i * s->width + d] *= back;
            if (s->drop) {
                float factor[KEYS];
                drop_factors(factor, s, b * s->heads + h, first + i, key, count);
                for (int64_t j = 0; j < count; j++) w[j] *= factor[j];
            }
        }
        tile_gemm(r->out, s->width, r->scores, KEYS, r->v + key * s->width, s->width, space,
                  s->width, count, true);
    }
    float *lse = lt_f32(&a->lse) + (b * s->heads + h) * s->queries + first;
    for (int64_t i = 0; i < rows; i++) {
        // A query that sees no key gives zeros.
        float over = sum[i] == 0 ? 0.f : 1.f / sum[i];
        for (int64_t d = 0; d < s->width; d++) r->out[i * s->width + d] *= over;
        lse[i] = sum[i] == 0 ? 1e30f : top[i] + log2f(sum[i]);
    }
    unpack_rows(&a->out, s, b, h, first, rows, r->out, 1);
}

static lt_status attention_cpu(const void *args)
{
    const attention_args *a = args;
    plan s = make_plan(&a->q, &a->k, &a->mask, &a->padding, &a->rng, a->scale, a->dropout,
                       a->causal);
    int64_t heads = s.batch * s.heads;
    if (heads * s.queries * s.depth == 0) return LT_OK;
    if (s.drop)
        lt_i64(&a->rng)[1] +=
            (int64_t)(heads * s.queries) * (int64_t)drop_groups(&s) * PHILOX_LANES;
    int team = lt_team(heads * s.queries * (s.keys + 1) * s.depth / 4);
    // Enough pieces for every thread, each of whole blocks of queries.
    int64_t blocks = (s.queries + QUERIES - 1) / QUERIES;
    int64_t pieces = heads >= team ? 1 : (team + heads - 1) / heads;
    if (pieces > blocks) pieces = blocks;
    if (team > heads * pieces) team = (int)(heads * pieces);
    int64_t floats = forward_floats(&s);
    float *rooms = lt_alloc((int64_t)sizeof(float) * floats * team);
    LT_REQUIRE(rooms, LT_ERR_MEMORY, "attention: %s", lt_error());
#pragma omp parallel num_threads(team)
    {
        forward_room room = forward_carve(rooms + floats * omp_get_thread_num(), &s);
#pragma omp for schedule(static)
        for (int64_t item = 0; item < heads * pieces; item++) {
            int64_t head = item / pieces, b = head / s.heads, h = head % s.heads;
            int64_t from = blocks * (item % pieces) / pieces;
            int64_t to = blocks * (item % pieces + 1) / pieces;
            pack_rows(room.v, &s, &a->k, b, h, 0, s.keys, s.key_space, 1);
            pack_panels(room.k_panels, &s, room.v);
            pack_rows(room.v, &s, &a->v, b, h, 0, s.keys, s.key_space, 1);
            for (int64_t q = from * QUERIES; q < to * QUERIES && q < s.queries; q += QUERIES)
                forward_block(a, &s, &room, b, h, q,
                              s.queries - q < QUERIES ? s.queries - q : QUERIES);
        }
    }
    lt_free(rooms);
    return LT_OK;
}

// ---- backward ----------------------------------------------------------------------------------
// With weights p, outputs o = p v and delta = sum(do o): dv = p' do, dp = do v', ds = p (dp -
// delta), dq = scale ds k, dk = scale ds' q. Under dropout, p in dv and dp are multiplied by its
// factors.

typedef struct {
    float *k, *k_panels, *v_panels, *dk, *dv, *q, *dout, *dq, *weights, *dscores;
} backward_room;

static int64_t backward_floats(const plan *s)
{
    return 5 * s->key_space * s->width + 3 * QUERIES * s->width + 2 * QUERIES * KEYS + 64;
}

static backward_room backward_carve(float *p, const plan *s)
{
    int64_t all = s->key_space * s->width, some = QUERIES * s->width;
    backward_room r;
    r.k = p;
    r.k_panels = r.k + all;
    r.v_panels = r.k_panels + all;
    r.dk = r.v_panels + all;
    r.dv = r.dk + all;
    r.q = r.dv + all;
    r.dout = r.q + some;
    r.dq = r.dout + some;
    r.weights = r.dq + some;
    r.dscores = r.weights + QUERIES * KEYS;
    return r;
}

// weights and dscores of one block from its scores and do v'; weights leave with dropout applied.
// Whole rows of tiles follow, so the columns up to the next one are cleared.
static void backward_weights(const backward_room *r, const plan *s, const float *lse,
                             const float *delta, int64_t head, int64_t first, int64_t rows,
                             int64_t key, int64_t count)
{
    for (int64_t i = 0; i < rows; i++) {
        float *w = r->weights + i * KEYS, *d = r->dscores + i * KEYS, f[KEYS];
        float log_sum = lse[i], shift = delta[i];
        for (int64_t j = count; j < tile_round(count, TILE_ROWS); j++) w[j] = d[j] = 0;
        if (s->drop) {
            drop_factors(f, s, head, first + i, key, count);
#pragma omp simd
            for (int64_t j = 0; j < count; j++) {
                float p = vm_exp2_falling(w[j] - log_sum);
                d[j] = p * (d[j] * f[j] - shift);
                w[j] = p * f[j];
            }
        } else {
#pragma omp simd
            for (int64_t j = 0; j < count; j++) {
                float p = vm_exp2_falling(w[j] - log_sum);
                d[j] = p * (d[j] - shift);
                w[j] = p;
            }
        }
    }
}

// Queries first .. first + rows of one head against keys from .. to: adds to dk and dv, leaves dq.
static void backward_block(const attention_backward_args *a, const plan *s, const backward_room *r,
                           int64_t b, int64_t h, int64_t first, int64_t rows, int64_t from,
                           int64_t to)
{
    float delta[QUERIES];
    int64_t space = tile_round(rows, TILE_ROWS), seen = visible(s, first + rows);
    bool masked = lt_present(&s->mask) || lt_present(&s->padding);
    const float *lse = lt_f32(&a->lse) + (b * s->heads + h) * s->queries + first;
    pack_rows(r->q, s, &a->out, b, h, first, rows, space, 1);
    pack_rows(r->dout, s, &a->dout, b, h, first, rows, space, 1);
    for (int64_t i = 0; i < rows; i++) {
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t d = 0; d < s->width; d++)
            sum += r->q[i * s->width + d] * r->dout[i * s->width + d];
        delta[i] = sum;
    }
    pack_rows(r->q, s, &a->q, b, h, first, rows, space, s->scale * LOG2E);
    memset(r->dq, 0, sizeof(float) * space * s->width);
    if (seen > to) seen = to;
    for (int64_t key = from; key < seen; key += KEYS) {
        int64_t count = seen - key < KEYS ? seen - key : KEYS, w = s->width;
        times_panels(r->weights, s, r->q, r->k_panels, space, key, count);
        if (masked || (s->causal && key + count > first + 1))
            apply_masks(r->weights, s, b, h, first, rows, key, count);
        times_panels(r->dscores, s, r->dout, r->v_panels, space, key, count);
        backward_weights(r, s, lse, delta, b * s->heads + h, first, rows, key, count);
        tile_gemm_ta(r->dv + key * w, w, r->weights, KEYS, r->dout, w, count, w, rows, true);
        tile_gemm_ta(r->dk + key * w, w, r->dscores, KEYS, r->q, w, count, w, rows, true);
        tile_gemm(r->dq, w, r->dscores, KEYS, r->k + key * w, w, space, w, count, true);
    }
}

static void backward_head(const attention_backward_args *a, const plan *s, const backward_room *r,
                          float *partial, int64_t b, int64_t h, int64_t from, int64_t to)
{
    int64_t all = s->key_space * s->width;
    pack_rows(r->k, s, &a->v, b, h, 0, s->keys, s->key_space, 1);
    pack_panels(r->v_panels, s, r->k);
    pack_rows(r->k, s, &a->k, b, h, 0, s->keys, s->key_space, 1);
    pack_panels(r->k_panels, s, r->k);
    memset(r->dk, 0, sizeof(float) * all);
    memset(r->dv, 0, sizeof(float) * all);
    for (int64_t q = 0; q < s->queries; q += QUERIES) {
        int64_t rows = s->queries - q < QUERIES ? s->queries - q : QUERIES;
        backward_block(a, s, r, b, h, q, rows, from, to);
        if (partial)
            memcpy(partial + q * s->width, r->dq, sizeof(float) * rows * s->width);
        else
            unpack_rows(&a->dq, s, b, h, q, rows, r->dq, s->scale);
    }
    // q was packed with log2 e in its scale.
    unpack_rows(&a->dk, s, b, h, from, to - from, r->dk + from * s->width, LN2);
    unpack_rows(&a->dv, s, b, h, from, to - from, r->dv + from * s->width, 1);
}

static lt_status attention_backward_cpu(const void *args)
{
    const attention_backward_args *a = args;
    plan s = make_plan(&a->q, &a->k, &a->mask, &a->padding, &a->rng, a->scale, a->dropout,
                       a->causal);
    int64_t heads = s.batch * s.heads;
    if (heads * s.depth == 0 || s.queries + s.keys == 0) return LT_OK;
    int team = lt_team(heads * s.queries * (s.keys + 1) * s.depth / 2);
    // With fewer heads than threads the keys are divided; then each piece has its own part of dq.
    int64_t blocks = (s.keys + KEYS - 1) / KEYS;
    int64_t pieces = heads >= team ? 1 : (team + heads - 1) / heads;
    if (pieces > blocks) pieces = blocks > 0 ? blocks : 1;
    if (team > heads * pieces) team = (int)(heads * pieces);
    int64_t floats = backward_floats(&s), part = s.queries * s.width;
    int64_t parts = pieces > 1 ? heads * pieces * part : 0;
    float *rooms = lt_alloc((int64_t)sizeof(float) * (floats * team + parts));
    LT_REQUIRE(rooms, LT_ERR_MEMORY, "attention_backward: %s", lt_error());
    float *partial = pieces > 1 ? rooms + floats * team : NULL;
#pragma omp parallel num_threads(team)
    {
        backward_room room = backward_carve(rooms + floats * omp_get_thread_num(), &s);
#pragma omp for schedule(static)
        for (int64_t item = 0; item < heads * pieces; item++) {
            int64_t head = item / pieces, piece = item % pieces;
            int64_t from = blocks * piece / pieces * KEYS,
                    to = blocks * (piece + 1) / pieces * KEYS;
            backward_head(a, &s, &room, partial ? partial + item * part : NULL, head / s.heads,
                          head % s.heads, from, to < s.keys ? to : s.keys);
        }
#pragma omp for schedule(static)
        for (int64_t head = 0; head < (partial ? heads : 0); head++) {
            float *sum = partial + head * pieces * part;
            for (int64_t piece = 1; piece < pieces; piece++)
                for (int64_t i = 0; i < part; i++) sum[i] += sum[piece * part + i];
            unpack_rows(&a->dq, &s, head / s.heads, head % s.heads, 0, s.queries, sum, s.scale);
        }
    }
    lt_free(rooms);
    return LT_OK;
}

// ---- checks and the public functions -----------------------------------------------------------

static lt_status check_inputs(const char *op, const lt_tensor *q, const lt_tensor *k,
                              const lt_tensor *v, const lt_tensor *mask, const lt_tensor *padding,
                              const lt_tensor *rng, float dropout)
{
    LT_TRY(lt_check_float(op, "q", q));
    LT_TRY(lt_check_dtype(op, "k", k, q->dtype));
    LT_TRY(lt_check_dtype(op, "v", v, q->dtype));
    LT_REQUIRE(q->ndim == 4 && k->ndim == 4 && v->ndim == 4, LT_ERR_ARGUMENT,
               "%s: q %s, k %s and v %s must be (batch, heads, length, depth)", op, LT_SHAPE(q),
               LT_SHAPE(k), LT_SHAPE(v));
    LT_REQUIRE(q->shape[0] == k->shape[0] && q->shape[1] == k->shape[1] &&
                   q->shape[3] == k->shape[3],
               LT_ERR_ARGUMENT, "%s: q is %s but k is %s: batch, heads and depth must agree", op,
               LT_SHAPE(q), LT_SHAPE(k));
    LT_TRY(lt_check_same_shape(op, "v", v, "k", k));
    if (lt_present(mask)) {
        LT_REQUIRE(mask->dtype == LT_F32 || mask->dtype == LT_BOOL || mask->dtype == LT_U8,
                   LT_ERR_ARGUMENT, "%s: mask is %s; it must be f32 (added) or bool (true: seen)",
                   op, lt_dtype_name(mask->dtype));
        LT_REQUIRE(mask->ndim == 4 && mask->shape[0] == q->shape[0] &&
                       mask->shape[1] == q->shape[1] && mask->shape[2] == q->shape[2] &&
                       mask->shape[3] == k->shape[2],
                   LT_ERR_ARGUMENT, "%s: mask %s does not fit scores of (%lld, %lld, %lld, %lld)",
                   op, LT_SHAPE(mask), (long long)q->shape[0], (long long)q->shape[1],
                   (long long)q->shape[2], (long long)k->shape[2]);
    }
    if (lt_present(padding)) {
        LT_REQUIRE(padding->dtype == LT_BOOL || padding->dtype == LT_U8, LT_ERR_ARGUMENT,
                   "%s: key_padding_mask is %s; it must be bool (true: ignore this key)", op,
                   lt_dtype_name(padding->dtype));
        LT_REQUIRE(padding->ndim == 2 && padding->shape[0] == k->shape[0] &&
                       padding->shape[1] == k->shape[2],
                   LT_ERR_ARGUMENT, "%s: key_padding_mask is %s; it must be (%lld, %lld)", op,
                   LT_SHAPE(padding), (long long)k->shape[0], (long long)k->shape[2]);
    }
    LT_REQUIRE(dropout >= 0 && dropout < 1, LT_ERR_ARGUMENT,
               "%s: dropout is %g; it must be at least 0 and below 1", op, dropout);
    if (dropout > 0) {
        LT_REQUIRE(lt_present(rng), LT_ERR_ARGUMENT, "%s: dropout needs a generator", op);
        LT_TRY(lt_check_dtype(op, "rng", rng, LT_I64));
        LT_TRY(lt_check_contiguous(op, "rng", rng));
        LT_REQUIRE(lt_numel(rng) == 2, LT_ERR_ARGUMENT,
                   "%s: rng is %s; wanted (2): seed and counter", op, LT_SHAPE(rng));
    }
    return LT_OK;
}

static lt_status check_output(const char *op, const lt_tensor *out, const lt_tensor *lse,
                              const lt_tensor *q)
{
    LT_TRY(lt_check_dtype(op, "out", out, q->dtype));
    LT_TRY(lt_check_same_shape(op, "out", out, "q", q));
    LT_TRY(lt_check_dtype(op, "lse", lse, LT_F32));
    LT_TRY(lt_check_contiguous(op, "lse", lse));
    LT_REQUIRE(lt_numel(lse) == q->shape[0] * q->shape[1] * q->shape[2], LT_ERR_ARGUMENT,
               "%s: lse is %s; it must be (%lld, %lld, %lld)", op, LT_SHAPE(lse),
               (long long)q->shape[0], (long long)q->shape[1], (long long)q->shape[2]);
    return LT_OK;
}

static lt_status attention_check(const void *args)
{
    const attention_args *a = args;
    LT_TRY(check_inputs("attention", &a->q, &a->k, &a->v, &a->mask, &a->padding, &a->rng,
                        a->dropout));
    return check_output("attention", &a->out, &a->lse, &a->q);
}

static lt_status attention_backward_check(const void *args)
{
    const attention_backward_args *a = args;
    const char *op = "attention_backward";
    LT_TRY(check_inputs(op, &a->q, &a->k, &a->v, &a->mask, &a->padding, &a->rng, a->dropout));
    LT_TRY(check_output(op, &a->out, &a->lse, &a->q));
    LT_TRY(check_output(op, &a->dout, &a->lse, &a->q));
    LT_TRY(check_output(op, &a->dq, &a->lse, &a->q));
    LT_TRY(lt_check_dtype(op, "dk", &a->dk, a->q.dtype));
    LT_TRY(lt_check_same_shape(op, "dk", &a->dk, "k", &a->k));
    LT_TRY(lt_check_dtype(op, "dv", &a->dv, a->q.dtype));
    return lt_check_same_shape(op, "dv", &a->dv, "v", &a->v);
}

LT_OP(attention, "out lse; q k v mask? padding? rng?", attention_check, attention_cpu)
LT_OP(attention_backward, "dq dk dv; dout out lse q k v mask? padding? rng?",
      attention_backward_check, attention_backward_cpu)

lt_status lt_attention(lt_tensor *out, lt_tensor *lse, const lt_tensor *q, const lt_tensor *k,
                       const lt_tensor *v, const lt_tensor *mask, const lt_tensor *padding,
                       lt_tensor *rng, double scale, double dropout, bool causal)
{
    attention_args a = {*out, *lse, *q, *k, *v, lt_optional(mask), lt_optional(padding),
                        lt_optional(rng), (float)scale, (float)dropout, causal};
    return lt_run(&attention_op, &a);
}

lt_status lt_attention_backward(lt_tensor *dq, lt_tensor *dk, lt_tensor *dv, const lt_tensor *dout,
                                const lt_tensor *out, const lt_tensor *lse, const lt_tensor *q,
                                const lt_tensor *k, const lt_tensor *v, const lt_tensor *mask,
                                const lt_tensor *padding, const lt_tensor *rng, double scale,
                                double dropout, bool causal)
{
    attention_backward_args a = {*dq, *dk, *dv, *dout, *out, *lse, *q, *k, *v, lt_optional(mask),
                                 lt_optional(padding), lt_optional(rng), (float)scale,
                                 (float)dropout, causal};
    return lt_run(&attention_backward_op, &a);
}
