// decoder_step.h: what the files of the decoder's step share.
#ifndef LT_DECODER_STEP_H
#define LT_DECODER_STEP_H

#include "decoder.h"

typedef struct {
    lt_tensor y, keys, values, scales, table;
    lt_tensor x, words, places;
    lt_tensor weights, vectors, memory_keys, memory_values, key_scales, value_scales, bias;
    lt_decoder d;
    int64_t position;
    lt_decoder_pace *pace;
} step_args;

// Positions from .. to of a row lie in one slot.
typedef struct {
    int32_t from, to, slot;
} run;

// Rows first .. first + count, at most PANEL_ROWS, write for one source, and their positions before
// `common` lie in the same slots: what they read there is read once.
typedef struct {
    int32_t first, count, source, common;
} group;

// A position whose keys and values are to be copied from one slot to another.
typedef struct {
    int32_t position, from, to;
} move;

enum { SHARES = LT_DECODER_SHARES }; // a layer's work is divided into so many at most

// Sizes, and what all threads share.
typedef struct {
    const step_args *a;
    int64_t rows, width, wide, inner, room; // wide: width in whole panels; inner: heads * depth
    int64_t sources, memory, memory_room, slots;
    int64_t shares; // into which heads and hidden units are divided
    float *partial; // (2, team, rows, wide)
    run *runs;      // (rows, position + 1)
    int32_t *run_count;
    group *groups;
    move *moves;
    int *arrived; // how often threads have come to meet
    int group_count, move_count, team;
} shared;

// What a thread has to itself.
typedef struct {
    float *x, *n, *q, *mixed, *scores, *hidden, *taken;
    int64_t share, shares, head, heads, unit, units, output,
        outputs; // its share; units and outputs in panels
    int id, parity, met;
} worker;

// Fills in runs, groups and moves for the step's position, and notes it in the table.
lt_status lt_decoder_history(shared *s);

// Attention of own heads. w->q holds (rows, 3 heads depth): q, k, v of own heads, and the new
// position's keys and values are added to the cache; or (rows, heads depth): q. The result is
// w->mixed (rows, heads depth).
void lt_decoder_self_attention(const shared *s, const worker *w, int layer);
void lt_decoder_memory_attention(const shared *s, const worker *w, int layer);

#endif
