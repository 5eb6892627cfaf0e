// decoder_history: where the rows of a decoder's step find what they have written before.
//
// A position's keys and values stay in the slot of the row that wrote them. The hypotheses of a beam
// come and go, so that a row's history lies in many slots, a few positions in each. But a while ago
// all of them were one: what all rows of a source share is copied to the source's own slot, once,
// where it lies in one piece and is read for all of them together.
#include "decoder_step.h"

static int32_t *row_of(const shared *s, int64_t r)
{
    return (int32_t *)lt_data(&s->a->table) + r * s->a->table.stride[0];
}

// Notes that the new position lies in the rows' own slots; all others must be somewhere.
static lt_status note_position(const shared *s)
{
    int64_t n = s->a->position;
    for (int64_t r = 0; r < s->rows; r++) {
        int32_t *row = row_of(s, r), *origin = row + 2;
        LT_REQUIRE(row[0] >= s->sources && row[0] < s->slots && row[1] >= 0 && row[1] < s->sources,
                   LT_ERR_ARGUMENT,
                   "decoder_step: row %lld has slot %d of %lld and source %d of %lld; the first slots "
                   "are the sources'",
                   (long long)r, row[0], (long long)s->slots, row[1], (long long)s->sources);
        for (int64_t t = 0; t < n; t++)
            LT_REQUIRE(origin[t] >= 0 && origin[t] < s->slots, LT_ERR_ARGUMENT,
                       "decoder_step: position %lld of row %lld lies in slot %d of %lld",
                       (long long)t, (long long)r, origin[t], (long long)s->slots);
        origin[n] = row[0];
    }
    return LT_OK;
}

// How many positions all rows of a source share; NULL where it has less than two rows, else the first.
static const int32_t *shared_by_rows(const shared *s, int32_t source, int64_t *common)
{
    const int32_t *first = NULL;
    int rows = 0;
    for (int64_t r = 0; r < s->rows; r++) {
        const int32_t *row = row_of(s, r);
        if (row[1] != source) continue;
        if (rows++ == 0) {
            first = row;
            *common = s->a->position;
        }
        int64_t same = 0;
        while (same < *common && row[2 + same] == first[2 + same]) same++;
        *common = same;
    }
    return rows > 1 ? first : NULL;
}

// Notes that what the rows of a source share lies in its slot from now on, and what is to be copied
// there first.
static void settle(shared *s)
{
    s->move_count = 0;
    for (int32_t source = 0; source < s->sources; source++) {
        int64_t common = 0, begin = 0;
        const int32_t *first = shared_by_rows(s, source, &common);
        while (first && begin < common && first[2 + begin] == source) begin++;
        for (int64_t t = begin; first && t < common; t++)
            s->moves[s->move_count++] = (move){(int32_t)t, first[2 + t], source};
        for (int64_t r = 0; first && r < s->rows; r++)
            for (int64_t t = begin; row_of(s, r)[1] == source && t < common; t++)
                row_of(s, r)[2 + t] = source;
    }
}

static void find_runs(const shared *s)
{
    int64_t n = s->a->position + 1;
    for (int64_t r = 0; r < s->rows; r++) {
        run *p = s->runs + r * n;
        const int32_t *origin = row_of(s, r) + 2;
        int32_t count = 0;
        for (int32_t j = 0; j < n; j++) {
            if (count && p[count - 1].slot == origin[j])
                p[count - 1].to = j + 1;
            else
                p[count++] = (run){j, j + 1, origin[j]};
        }
        s->run_count[r] = count;
    }
}

// Rows that can be computed together, and how far their history is one.
static void find_groups(shared *s)
{
    int64_t n = s->a->position + 1;
    s->group_count = 0;
    for (int32_t r = 0; r < s->rows; r++) {
        const int32_t *row = row_of(s, r);
        group *g = s->groups + s->group_count - 1;
        if (s->group_count == 0 || g->source != row[1] || g->count == PANEL_ROWS) {
            s->groups[s->group_count++] = (group){r, 1, row[1], (int32_t)n};
            continue;
        }
        const int32_t *first = row_of(s, g->first) + 2;
        int32_t same = 0;
        while (same < g->common && row[2 + same] == first[same]) same++;
        g->common = same;
        g->count++;
    }
}

lt_status lt_decoder_history(shared *s)
{
    LT_TRY(note_position(s));
    settle(s);
    find_runs(s);
    find_groups(s);
    return LT_OK;
}
