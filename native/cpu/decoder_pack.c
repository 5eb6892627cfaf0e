// decoder_pack: matrices as the panels of decoder.h, and which hypothesis keeps what in the caches.
#include "decoder.h"

typedef struct {
    lt_tensor panels, scales, w;
    int32_t fixed, by_column;
} pack_args;

// One matrix of a batch: element (o, k) is w[o * so + k * sk].
typedef struct {
    const float *w;
    int64_t out, in, so, sk;
} matrix;

enum { STRETCH = 64 };

// What a row has in a stretch of columns. A number of f32 and a pair of fixed ones are a unit, and panels
// have the units of sixteen rows side by side.
typedef union {
    float numbers[STRETCH];
    int16_t fixed[2 * STRETCH];
    uint32_t units[STRETCH];
} stretch;

// n numbers, `step` apart, times one factor, or each times its own.
static void take_stretch(stretch *to, const float *x, int64_t step, int64_t n, float factor,
                         const float *given, bool fixed)
{
    float room[STRETCH], *v = fixed ? room : to->numbers;
    for (int64_t j = 0; j < n; j++) v[j] = x[j * step];
    if (!fixed) return;
#pragma omp simd
    for (int64_t j = 0; j < n; j++) to->fixed[j] = panel_rounded(v[j] * (given ? given[j] : factor));
    if (n % 2) to->fixed[n] = 0;
}

// Panel p of a matrix whose rows lie side by side, with factors by column.
static void pack_columns(void *panel, const matrix *m, int64_t p, const float *factors, bool fixed)
{
    int64_t first = p * PANEL, n = m->out - first < PANEL ? m->out - first : PANEL;
    for (int64_t k = 0; k < m->in; k++) {
        const float *x = m->w + k * m->sk + first;
        for (int64_t i = 0; i < PANEL; i++) {
            float v = i < n ? x[i] : 0;
            if (fixed)
                ((int16_t *)panel)[panel_index(k, i, true)] = panel_rounded(v * factors[k]);
            else
                ((float *)panel)[panel_index(k, i, false)] = v;
        }
    }
    for (int64_t i = 0; fixed && m->in % 2 && i < PANEL; i++)
        ((int16_t *)panel)[panel_index(m->in, i, true)] = 0;
}

// Panel p of a matrix; `given` holds factors by column, NULL where each row finds its own.
static void pack_panel(void *panel, float *scales, const matrix *m, int64_t p, const float *given,
                       bool fixed)
{
    if (given && m->so == 1) {
        pack_columns(panel, m, p, given, fixed);
        return;
    }
    float factors[PANEL] = {0};
    int64_t first = p * PANEL, rows = m->out - first < PANEL ? m->out - first : PANEL;
    for (int64_t i = 0; i < PANEL && !given; i++) {
        float top = fixed && i < rows ? panel_largest(m->w + (first + i) * m->so, m->in, m->sk) : 0;
        factors[i] = panel_factor(top, fixed, &scales[first + i]);
    }
    stretch some[PANEL] = {0};
    uint32_t *to = panel;
    for (int64_t k = 0; k < m->in; k += STRETCH) {
        int64_t n = m->in - k < STRETCH ? m->in - k : STRETCH, units = fixed ? (n + 1) / 2 : n;
        for (int64_t i = 0; i < rows; i++)
            take_stretch(&some[i], m->w + (first + i) * m->so + k * m->sk, m->sk, n,
                         factors[i], given ? given + k : NULL, fixed);
        for (int64_t j = 0; j < units; j++)
            for (int64_t i = 0; i < PANEL; i++) *to++ = some[i].units[j];
    }
}

// (.., out, in) as batches of matrices.
static matrix matrix_at(const lt_tensor *w, int64_t index)
{
    int n = w->ndim;
    int64_t at = 0;
    for (int d = n - 3; d >= 0; d--) {
        at += index % w->shape[d] * w->stride[d];
        index /= w->shape[d];
    }
    return (matrix){lt_f32(w) + at, w->shape[n - 2], w->shape[n - 1], w->stride[n - 2],
                    w->stride[n - 1]};
}

static int64_t batch_of(const lt_tensor *w)
{
    int64_t n = 1;
    for (int d = 0; d < w->ndim - 2; d++) n *= w->shape[d];
    return n;
}

static lt_status pack_cpu(const void *args)
{
    const pack_args *a = args;
    const lt_tensor *w = &a->w;
    int64_t batch = batch_of(w), out = w->shape[w->ndim - 2], in = w->shape[w->ndim - 1];
    int64_t panels = panel_round(out) / PANEL;
    int64_t bytes = panel_deep(in, a->fixed) * PANEL * panel_bytes(a->fixed);
    int64_t kept = a->by_column ? in : panels * PANEL;
    if (batch * out * in == 0) return LT_OK;
    float *factors = a->by_column ? lt_alloc((int64_t)sizeof(float) * batch * in) : NULL;
    LT_REQUIRE(factors || !a->by_column, LT_ERR_MEMORY, "decoder_pack: %s", lt_error());
    int team = lt_team(2 * batch * out * in);
#pragma omp parallel num_threads(team)
    {
#pragma omp for schedule(static)
        for (int64_t i = 0; i < (factors ? batch * in : 0); i++) {
            matrix m = matrix_at(w, i / in);
            float top = a->fixed ? panel_largest(m.w + i % in * m.sk, out, m.so) : 0;
            factors[i] = panel_factor(top, a->fixed, lt_f32(&a->scales) + i);
        }
#pragma omp for schedule(static)
        for (int64_t i = 0; i < batch * panels; i++) {
            matrix m = matrix_at(w, i / panels);
            char *to = (char *)lt_data(&a->panels) + i * bytes;
            pack_panel(to, lt_f32(&a->scales) + i / panels * kept, &m, i % panels,
                       factors ? factors + i / panels * in : NULL, a->fixed);
        }
    }
    lt_free(factors);
    return LT_OK;
}

static lt_status pack_check(const void *args)
{
    const pack_args *a = args;
    const char *op = "decoder_pack";
    LT_TRY(lt_check_dtype(op, "panels", &a->panels, LT_U8));
    LT_TRY(lt_check_dtype(op, "scales", &a->scales, LT_F32));
    LT_TRY(lt_check_dtype(op, "w", &a->w, LT_F32));
    LT_TRY(lt_check_contiguous(op, "panels", &a->panels));
    LT_TRY(lt_check_contiguous(op, "scales", &a->scales));
    LT_REQUIRE(a->w.ndim >= 2, LT_ERR_ARGUMENT, "%s: w is %s; it must end in (out, in)", op,
               LT_SHAPE(&a->w));
    int64_t out = panel_round(a->w.shape[a->w.ndim - 2]), in = a->w.shape[a->w.ndim - 1];
    int64_t batch = batch_of(&a->w);
    int64_t bytes = batch * out * panel_deep(in, a->fixed) * panel_bytes(a->fixed);
    LT_REQUIRE(lt_numel(&a->panels) == bytes, LT_ERR_ARGUMENT,
               "%s: panels has %lld bytes, w %s wants %lld", op, (long long)lt_numel(&a->panels),
               LT_SHAPE(&a->w), (long long)bytes);
    int64_t vector = PANEL * panel_bytes(a->fixed);
    LT_REQUIRE((uintptr_t)lt_data(&a->panels) % (uintptr_t)vector == 0, LT_ERR_ARGUMENT,
               "%s: panels must begin at a multiple of %lld bytes", op, (long long)vector);
    int64_t scales = batch * (a->by_column ? in : out);
    LT_REQUIRE(lt_numel(&a->scales) == scales, LT_ERR_ARGUMENT, "%s: scales is %s, wanted %lld", op,
               LT_SHAPE(&a->scales), (long long)scales);
    return LT_OK;
}

LT_OP(decoder_pack, "panels scales; w", pack_check, pack_cpu)

lt_status lt_decoder_pack(lt_tensor *panels, lt_tensor *scales, const lt_tensor *w, bool fixed,
                          bool by_column)
{
    pack_args a = {*panels, *scales, *w, fixed, by_column};
    return lt_run(&decoder_pack_op, &a);
}

// ---- which row is which hypothesis -------------------------------------------------------------

typedef struct {
    lt_tensor to, from, rows;
    int64_t first;
} reorder_args;

// A hypothesis that goes on stays in its slot, so that what it wrote lies together; of several that
// come from one, the first does, and the others take slots that are free.
static lt_status reorder_cpu(const void *args)
{
    const reorder_args *a = args;
    int64_t n = a->rows.shape[0], width = a->from.shape[1], slots = a->to.shape[0];
    const int64_t *rows = lt_i64(&a->rows);
    const int32_t *from = (const int32_t *)lt_data(&a->from);
    int32_t *to = (int32_t *)lt_data(&a->to);
    char *taken = lt_alloc(slots); // from a->first on
    LT_REQUIRE(taken, LT_ERR_MEMORY, "decoder_reorder: %s", lt_error());
    memset(taken, 0, (size_t)slots);
    for (int64_t k = 0; k < n; k++) {
        memcpy(to + k * width, from + rows[k] * width, sizeof(int32_t) * (size_t)width);
        int64_t slot = from[rows[k] * width] - a->first;
        bool stays = slot >= 0 && slot < slots && !taken[slot];
        if (stays)
            taken[slot] = 1;
        else
            to[k * width] = -1;
    }
    int32_t next = 0;
    for (int64_t k = 0; k < n; k++) {
        if (to[k * width] >= 0) continue;
        while (taken[next]) next++;
        to[k * width] = (int32_t)a->first + next++;
    }
    lt_free(taken);
    return LT_OK;
}

static lt_status reorder_check(const void *args)
{
    const reorder_args *a = args;
    const char *op = "decoder_reorder";
    LT_TRY(lt_check_dtype(op, "to", &a->to, LT_I32));
    LT_TRY(lt_check_dtype(op, "from", &a->from, LT_I32));
    LT_TRY(lt_check_dtype(op, "rows", &a->rows, LT_I64));
    LT_TRY(lt_check_contiguous(op, "to", &a->to));
    LT_TRY(lt_check_contiguous(op, "from", &a->from));
    LT_TRY(lt_check_contiguous(op, "rows", &a->rows));
    LT_REQUIRE(a->to.ndim == 2 && a->from.ndim == 2 && a->rows.ndim == 1 &&
                   a->to.shape[1] == a->from.shape[1] && a->from.shape[1] >= 2 &&
                   a->to.shape[0] >= a->rows.shape[0],
               LT_ERR_ARGUMENT, "%s: rows %s of a table %s for a table %s", op, LT_SHAPE(&a->rows),
               LT_SHAPE(&a->from), LT_SHAPE(&a->to));
    LT_REQUIRE(!lt_overlap(&a->to, &a->from), LT_ERR_ARGUMENT, "%s: to and from overlap", op);
    LT_REQUIRE(a->first >= 0 && a->first < INT32_MAX / 2, LT_ERR_ARGUMENT, "%s: first is %lld", op,
               (long long)a->first);
    for (int64_t k = 0; k < a->rows.shape[0]; k++) {
        int64_t row = lt_i64(&a->rows)[k];
        LT_REQUIRE(row >= 0 && row < a->from.shape[0], LT_ERR_ARGUMENT,
                   "%s: row %lld, there are %lld", op, (long long)row, (long long)a->from.shape[0]);
    }
    return LT_OK;
}

LT_OP(decoder_reorder, "to; from rows", reorder_check, reorder_cpu)

lt_status lt_decoder_reorder(lt_tensor *to, const lt_tensor *from, const lt_tensor *rows,
                             int64_t first)
{
    reorder_args a = {*to, *from, *rows, first};
    return lt_run(&decoder_reorder_op, &a);
}
