// decoder_attention: one query a row and head against the keys and values of the decoder's caches.
//
// Rows of a group that share their history (the hypotheses of a beam differ only in their latest
// tokens) are computed side by side, so that its keys and values are read once.
#include "../scalar/vmath.h"
#include "decoder_step.h"

// x <- e^(x + bias - max), bias may be NULL; returns 1 / their sum. x has room for whole sixteens.
static float exponentials(float *x, const float *bias, int64_t n)
{
    float top = -__builtin_inff(), sum = 0;
#pragma omp simd
    for (int64_t i = 0; i < (bias ? n : 0); i++) x[i] += bias[i];
    for (; n % PANEL; n++) x[n] = top;
#pragma omp simd reduction(max : top)
    for (int64_t i = 0; i < n; i++) top = x[i] > top ? x[i] : top;
    if (top == -__builtin_inff()) top = 0; // nothing to see: all become 0
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) {
        x[i] = vm_exp2_falling((x[i] - top) * 1.44269504f);
        sum += x[i];
    }
    return sum == 0 ? 0 : 1.f / sum;
}

// What a head has mixed for the rows of a group, times their factors.
static void finish(const shared *s, const worker *w, const group *g, const float *factors, int64_t h)
{
    int64_t D = s->a->d.depth, part = w->heads * D;
    for (int64_t r = 0; r < g->count; r++) {
        float *mixed = w->mixed + (g->first + r) * part + h * D;
        for (int64_t i = 0; i < D; i++) mixed[i] *= factors[r];
    }
}

// q of own heads, `ld` apart, times the scale of the scores.
static void scale_queries(const shared *s, const worker *w, int64_t ld)
{
    int64_t part = w->heads * s->a->d.depth;
    for (int64_t r = 0; r < s->rows; r++)
        for (int64_t i = 0; i < part; i++) w->q[r * ld + i] *= s->a->d.scale;
}

// ---- the rows' own positions -------------------------------------------------------------------

// Where a slot keeps a layer's head: keys and values of `room` positions, and their scales.
static int64_t slot_at(const shared *s, int64_t slot, int layer, int64_t head)
{
    return ((slot * s->a->d.layers + layer) * s->a->d.heads + head) * s->room;
}

// Sixteen numbers x times factor go to the panel that begins at element i: to columns k, k + 1, ...
// of one row, or to one column of all rows.
static void put(void *w, int64_t i, int64_t k, int64_t lane, bool column, const float *x,
                float factor, bool fixed)
{
    int16_t rounded[PANEL];
#pragma omp simd
    for (int64_t j = 0; j < PANEL; j++) rounded[j] = panel_rounded(x[j] * factor);
    for (int64_t j = 0; j < PANEL; j++) {
        int64_t at = i + (column ? panel_index(k, j, fixed) : panel_index(k + j, lane, fixed));
        if (fixed)
            ((int16_t *)w)[at] = rounded[j];
        else
            ((float *)w)[at] = x[j];
    }
}

// Writes keys and values of the new position.
static void append(const shared *s, const worker *w, int layer)
{
    const lt_decoder *d = &s->a->d;
    int64_t t = s->a->position, D = d->depth, part = w->heads * D;
    const int32_t *table = (const int32_t *)lt_data(&s->a->table);
    void *keys = lt_data(&s->a->keys), *values = lt_data(&s->a->values);
    for (int64_t r = 0; r < s->rows; r++) {
        int32_t slot = table[r * s->a->table.stride[0]];
        for (int64_t h = 0; h < w->heads; h++) {
            const float *k = w->q + r * 3 * part + part + h * D, *v = k + part;
            int64_t at = slot_at(s, slot, layer, w->head + h);
            float *scales = lt_f32(&s->a->scales) + 2 * at;
            float fk = panel_factor(panel_largest(k, D, 1), d->fixed, scales + t);
            float fv = panel_factor(panel_largest(v, D, 1), d->fixed, scales + s->room + t);
            int64_t key = at * D + t / PANEL * PANEL * D;
            for (int64_t i = 0; i < D; i += PANEL) {
                put(keys, key, i, t % PANEL, false, k + i, fk, d->fixed);
                put(values, at * D + i * s->room, t, 0, true, v + i, fv, d->fixed);
            }
        }
    }
}

// Copies what lies elsewhere from now on.
static void copy_moved(const shared *s, const worker *w, int layer)
{
    int64_t D = s->a->d.depth, size = panel_bytes(s->a->d.fixed);
    bool fixed = s->a->d.fixed;
    char *keys = lt_data(&s->a->keys), *values = lt_data(&s->a->values);
    for (const move *m = s->moves; m < s->moves + s->move_count; m++)
        for (int64_t h = 0; h < w->heads; h++) {
            int64_t t = m->position, panel = t / PANEL * PANEL * D;
            int64_t from = slot_at(s, m->from, layer, w->head + h);
            int64_t to = slot_at(s, m->to, layer, w->head + h);
            float *scales = lt_f32(&s->a->scales);
            scales[2 * to + t] = scales[2 * from + t];
            scales[2 * to + s->room + t] = scales[2 * from + s->room + t];
            for (int64_t i = 0; i < D; i++) {
                int64_t k = panel + panel_index(i, t % PANEL, fixed);
                int64_t v = i / PANEL * PANEL * s->room + panel_index(t, i % PANEL, fixed);
                memcpy(keys + (to * D + k) * size, keys + (from * D + k) * size, (size_t)size);
                memcpy(values + (to * D + v) * size, values + (from * D + v) * size, (size_t)size);
            }
        }
}

// Scores of the rows with queries q at the positions of a run: whole panels, of which the first may
// begin with positions that another slot has filled.
static void run_scores(const shared *s, const worker *w, float *scores, panel_x q, run p, int layer,
                       int64_t h)
{
    const lt_decoder *d = &s->a->d;
    int64_t D = d->depth, at = slot_at(s, p.slot, layer, w->head + h), first = p.from / PANEL;
    int64_t panels = panel_round(p.to) / PANEL - first, inside = p.from % PANEL;
    int64_t count = q.rows;
    float *to = scores + first * PANEL, before[PANEL_ROWS][PANEL];
    for (int64_t i = 0; i < count && inside; i++)
        memcpy(before[i], to + i * s->room, sizeof(float) * PANEL);
    panel_times(q, to, s->room,
                panel_at(lt_data(&s->a->keys), at * D + first * PANEL * D, d->fixed), PANEL * D,
                panels, (panel_end){lt_f32(&s->a->scales) + 2 * at + first * PANEL, false});
    for (int64_t i = 0; i < count && inside; i++)
        memcpy(to + i * s->room, before[i], sizeof(float) * (size_t)inside);
}

// Adds a run's values to what rows r .. r + count have, or begins with them.
static void run_values(const shared *s, const worker *w, const float *scores, int64_t r,
                       int64_t count, run p, int layer, int64_t h)
{
    const lt_decoder *d = &s->a->d;
    int64_t D = d->depth, at = slot_at(s, p.slot, layer, w->head + h), part = w->heads * D;
    const float *scales = lt_f32(&s->a->scales) + 2 * at + s->room;
    int64_t skip = d->fixed ? p.from % 2 : 0, from = p.from - skip;
    panel_x x = panel_take(d->fixed, w->taken, scores + from, s->room, count, p.to - from,
                           scales + from, skip);
    panel_times(x, w->mixed + r * part + h * D, part,
                panel_at(lt_data(&s->a->values), at * D + from * PANEL, d->fixed), s->room * PANEL,
                D / PANEL, (panel_end){NULL, p.from > 0});
}

// The next of a row's runs from number *i on, as far as it lies within from .. to.
static bool next_run(const shared *s, int64_t r, int32_t from, int32_t to, int *i, run *p)
{
    while (*i < s->run_count[r]) {
        *p = s->runs[r * (s->a->position + 1) + (*i)++];
        p->from = p->from > from ? p->from : from;
        p->to = p->to < to ? p->to : to;
        if (p->from < p->to) return true;
    }
    return false;
}

static void group_attention(const shared *s, const worker *w, const group *g, int layer, int64_t h)
{
    int32_t n = (int32_t)s->a->position + 1;
    int64_t D = s->a->d.depth, ldq = 3 * w->heads * D;
    float factors[PANEL_ROWS];
    run p;
    panel_x q = panel_take(s->a->d.fixed, w->taken, w->q + g->first * ldq + h * D, ldq, g->count, D,
                           NULL, 0);
    for (int i = 0; next_run(s, g->first, 0, g->common, &i, &p);)
        run_scores(s, w, w->scores, q, p, layer, h);
    for (int64_t r = 0; r < g->count; r++) {
        float *scores = w->scores + r * s->room;
        for (int i = 0; next_run(s, g->first + r, g->common, n, &i, &p);)
            run_scores(s, w, scores, panel_some(q, r, 1), p, layer, h);
        factors[r] = exponentials(scores, NULL, n);
    }
    for (int i = 0; next_run(s, g->first, 0, g->common, &i, &p);)
        run_values(s, w, w->scores, g->first, g->count, p, layer, h);
    for (int64_t r = 0; r < g->count; r++)
        for (int i = 0; next_run(s, g->first + r, g->common, n, &i, &p);)
            run_values(s, w, w->scores + r * s->room, g->first + r, 1, p, layer, h);
    finish(s, w, g, factors, h);
}

void lt_decoder_self_attention(const shared *s, const worker *w, int layer)
{
    copy_moved(s, w, layer);
    append(s, w, layer);
    scale_queries(s, w, 3 * w->heads * s->a->d.depth);
    for (int g = 0; g < s->group_count; g++)
        for (int64_t h = 0; h < w->heads; h++) group_attention(s, w, s->groups + g, layer, h);
}

// ---- the encoder's result ----------------------------------------------------------------------

void lt_decoder_memory_attention(const shared *s, const worker *w, int layer)
{
    const lt_decoder *d = &s->a->d;
    int64_t D = d->depth, part = w->heads * D, n = s->memory, room = s->memory_room;
    int64_t deep = panel_deep(n, d->fixed);
    const void *keys = lt_data(&s->a->memory_keys), *values = lt_data(&s->a->memory_values);
    float factors[PANEL_ROWS];
    scale_queries(s, w, part);
    for (const group *g = s->groups; g < s->groups + s->group_count; g++)
        for (int64_t h = 0; h < w->heads; h++) {
            int64_t at = ((int64_t)layer * s->sources + g->source) * d->heads + w->head + h;
            const float *scales = lt_f32(&s->a->value_scales) + at * n;
            const float *bias = lt_f32(&s->a->bias) + g->source * n;
            int64_t first = g->first * part + h * D;
            panel_x x = panel_take(d->fixed, w->taken, w->q + first, part, g->count, D, NULL, 0);
            panel_times(x, w->scores, room, panel_at(keys, at * room * D, d->fixed), PANEL * D,
                        room / PANEL, (panel_end){lt_f32(&s->a->key_scales) + at * room, false});
            for (int64_t r = 0; r < g->count; r++) {
                float *row = w->scores + r * room;
                factors[r] = exponentials(row, bias, n);
            }
            x = panel_take(d->fixed, w->taken, w->scores, room, g->count, n, scales, 0);
            panel_times(x, w->mixed + first, part, panel_at(values, at * deep * D, d->fixed),
                        deep * PANEL, D / PANEL, (panel_end){NULL, false});
            finish(s, w, g, factors, h);
        }
}
