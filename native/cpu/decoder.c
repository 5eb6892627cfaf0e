// decoder: a step of a transformer decoder (Vaswani et al. 2017) for rows that are written side by
// side: one new position each, all layers in one call.
//
// With one row every weight is read for one multiplication: the step takes as long as 3.7 million
// weights (four layers, 256 wide) take to come from the cache. So they are 16-bit panels, multiplied
// in integers (decoder.h), and nothing else may cost anything: each thread has some of the heads and
// some of the hidden units, from their projections to their share of the sum that they end in, and
// meets the others three times a layer, when the shares are added. What a thread reads at one step
// it reads at the next, from its own cache.
//
// Keys and values of earlier positions lie in slots; the table says for every row and position in
// which (decoder_history.c). It comes in runs of the same slot, one run where nothing was ever
// reordered.
#include "decoder_step.h"
#include "../scalar/vmath.h"

#include <omp.h>
#include <sched.h>

enum { LINEARS = 6, NORMS = 3 }; // of a layer, in the order of lt_decoder

// A linear layer among the weights: panels, scales and bias. One that ends in a sum is a matrix for
// each share of its columns, one behind the other, so that what a thread reads lies together.
typedef struct {
    const void *w;
    const float *scales, *bias;
    int64_t in, out;
} linear;

typedef struct {
    linear linears[LINEARS];
    const float *norm_weight[NORMS], *norm_bias[NORMS];
} layer;

// ---- weights -----------------------------------------------------------------------------------

static void linear_sizes(const lt_decoder *d, int which, int64_t *out, int64_t *in)
{
    int64_t inner = (int64_t)d->heads * d->depth;
    *in = which == 1 || which == 3 ? inner : which == 5 ? d->hidden : d->width;
    *out = which == 0 ? 3 * inner : which == 2 ? inner : which == 4 ? d->hidden : d->width;
}

static int64_t shares_of(const lt_decoder *d) { return d->heads < SHARES ? d->heads : SHARES; }

// Matrices of a linear layer: the odd ones end in a sum.
static int64_t parts_of(const lt_decoder *d, int which) { return which % 2 ? shares_of(d) : 1; }

// Elements of weights and of vectors: for each layer its linear layers, then its norms.
static void layer_sizes(const lt_decoder *d, int64_t *weights, int64_t *vectors)
{
    *weights = 0;
    *vectors = NORMS * 2 * panel_round(d->width);
    for (int i = 0; i < LINEARS; i++) {
        int64_t out, in;
        linear_sizes(d, i, &out, &in);
        *weights += panel_round(out) * panel_deep(in, d->fixed);
        *vectors += (parts_of(d, i) + 1) * panel_round(out);
    }
}

static linear take_linear(const lt_decoder *d, const void **w, const float **v, int64_t out,
                          int64_t in, int64_t parts)
{
    int64_t wide = panel_round(out);
    linear l = {*w, *v, *v + parts * wide, in, out};
    *w = panel_at(*w, wide * panel_deep(in, d->fixed), d->fixed);
    *v += (parts + 1) * wide;
    return l;
}

static layer layer_at(const step_args *a, int index)
{
    int64_t weights, vectors, out, in;
    layer l;
    layer_sizes(&a->d, &weights, &vectors);
    const void *w = panel_at(lt_data(&a->weights), index * weights, a->d.fixed);
    const float *v = lt_f32(&a->vectors) + index * vectors;
    for (int i = 0; i < LINEARS; i++) {
        linear_sizes(&a->d, i, &out, &in);
        l.linears[i] = take_linear(&a->d, &w, &v, out, in, parts_of(&a->d, i));
    }
    for (int i = 0; i < NORMS; i++, v += 2 * panel_round(a->d.width)) {
        l.norm_weight[i] = v;
        l.norm_bias[i] = v + panel_round(a->d.width);
    }
    return l;
}

// y (rows, 16 panels) <- x times panels first .. first + panels of l, with bias.
static void project(const shared *s, const linear *l, float *y, int64_t ldy, panel_x x,
                    int64_t first, int64_t panels)
{
    int64_t stride = panel_deep(l->in, x.fixed) * PANEL, at = first * PANEL;
    panel_times(x, y, ldy, panel_at(l->w, first * stride, x.fixed), stride, panels,
                (panel_end){l->scales + at, false});
    for (int64_t r = 0; r < s->rows; r++)
        for (int64_t i = 0; i < panels * PANEL; i++) y[r * ldy + i] += l->bias[at + i];
}

// ---- between the threads -----------------------------------------------------------------------

static void normalise(const shared *s, float *y, const float *x, const float *weight,
                      const float *bias, float eps)
{
    int64_t n = s->width;
    for (int64_t r = 0; r < s->rows; r++, x += s->wide, y += s->wide) {
        float sum = 0, square = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < n; i++) sum += x[i];
        float mean = sum / (float)n;
#pragma omp simd reduction(+ : square)
        for (int64_t i = 0; i < n; i++) square += (x[i] - mean) * (x[i] - mean);
        float factor = 1.f / sqrtf(square / (float)n + eps);
#pragma omp simd
        for (int64_t i = 0; i < n; i++) y[i] = (x[i] - mean) * factor * weight[i] + bias[i];
    }
}

// Waits until all have come. OpenMP's barrier asks the system to wake sleepers each time; here
// nobody sleeps, but who has waited long lets others run.
static void meet(const shared *s, worker *w)
{
    w->met += s->team;
    __atomic_add_fetch(s->arrived, 1, __ATOMIC_ACQ_REL);
    for (int i = 0; __atomic_load_n(s->arrived, __ATOMIC_ACQUIRE) < w->met; i++)
        if (i > 20000) sched_yield();
}

// Where share g of n heads or units begins.
static int64_t share_at(const shared *s, int64_t n, int64_t g) { return n * g / s->shares; }

// The thread that has share g, see divide.
static int owner_of(const shared *s, int64_t g)
{
    int id = 0;
    while (s->shares * (id + 1) / s->team <= g) id++;
    return id;
}

// x += the bias and all shares of a product with l: here the threads meet. Of n heads or units of
// `size` columns each has computed its own, `mine`; what its shares add is written to a room of
// their own, and everybody adds up all, always two by two, so that the result does not depend on the
// number of threads: who has both of a pair adds them up at once. Two sets of rooms in turn: nobody
// overwrites what another still reads.
static void add_shares(const shared *s, worker *w, const linear *l, const float *mine, int64_t ldm,
                       int64_t n, int64_t size)
{
    int64_t area = s->rows * s->wide, first = share_at(s, n, w->share) * size;
    float *room = s->partial + w->parity * s->shares * area;
    bool fixed = s->a->d.fixed;
    for (int64_t g = w->share; g < w->share + w->shares; g++) {
        int64_t from = share_at(s, n, g) * size, count = share_at(s, n, g + 1) * size - from;
        panel_x x = panel_take(fixed, w->taken, mine + from - first, ldm, s->rows, count, NULL, 0);
        bool second = g % 2 && g > w->share;
        panel_times(x, room + (g - second) * area, s->wide, panel_at(l->w, from * s->wide, fixed),
                    count * PANEL, s->wide / PANEL, (panel_end){l->scales + g * s->wide, second});
    }
    meet(s, w);
    for (int64_t g = 0; g < s->shares; g += 2, room += 2 * area) {
        bool apart = g + 1 < s->shares && owner_of(s, g) != owner_of(s, g + 1);
        for (int64_t r = 0; r < s->rows; r++)
            for (int64_t i = 0, j = r * s->wide; i < s->wide; i++, j++) {
                float sum = apart ? room[j] + room[area + j] : room[j];
                w->x[j] += g == 0 ? sum + l->bias[i] : sum;
            }
    }
    w->parity ^= 1;
}

// x (rows, width) as it is multiplied.
static panel_x take(const shared *s, const worker *w, const float *x)
{
    return panel_take(s->a->d.fixed, w->taken, x, s->wide, s->rows, s->width, NULL, 0);
}

// ---- a layer -----------------------------------------------------------------------------------

static void attend_to_self(const shared *s, worker *w, const layer *l, int index, const float *in)
{
    int64_t D = s->a->d.depth, part = w->heads * D, panels = part / PANEL;
    panel_x x = take(s, w, in);
    for (int i = 0; i < 3; i++)
        project(s, &l->linears[0], w->q + i * part, 3 * part, x,
                (i * s->inner + w->head * D) / PANEL, panels);
    lt_decoder_self_attention(s, w, index);
    add_shares(s, w, &l->linears[1], w->mixed, part, s->a->d.heads, D);
}

static void attend_to_memory(const shared *s, worker *w, const layer *l, int index, const float *in)
{
    int64_t D = s->a->d.depth, part = w->heads * D;
    project(s, &l->linears[2], w->q, part, take(s, w, in), w->head * D / PANEL, part / PANEL);
    lt_decoder_memory_attention(s, w, index);
    add_shares(s, w, &l->linears[3], w->mixed, part, s->a->d.heads, D);
}

static void feed_forward(const shared *s, worker *w, const layer *l, const float *in)
{
    int64_t part = w->units * PANEL;
    project(s, &l->linears[4], w->hidden, part, take(s, w, in), w->unit, w->units);
    float *h = w->hidden;
    int64_t n = s->rows * part;
    switch (s->a->d.activation) {
    case LT_DECODER_RELU:
        for (int64_t i = 0; i < n; i++) h[i] = h[i] > 0 ? h[i] : 0;
        break;
    case LT_DECODER_GELU:
#pragma omp simd
        for (int64_t i = 0; i < n; i++) h[i] *= vm_normal_cdf(h[i]);
        break;
    default:
#pragma omp simd
        for (int64_t i = 0; i < n; i++) h[i] *= vm_sigmoid(h[i]);
    }
    add_shares(s, w, &l->linears[5], w->hidden, part, s->a->d.hidden / PANEL, PANEL);
}

static void run_layer(const shared *s, worker *w, int index)
{
    const lt_decoder *d = &s->a->d;
    layer l = layer_at(s->a, index);
    for (int i = 0; i < NORMS; i++) {
        const float *in = w->x;
        if (d->norm_first) {
            normalise(s, w->n, w->x, l.norm_weight[i], l.norm_bias[i], d->eps);
            in = w->n;
        }
        if (i == 0)
            attend_to_self(s, w, &l, index, in);
        else if (i == 1)
            attend_to_memory(s, w, &l, index, in);
        else
            feed_forward(s, w, &l, in);
        if (!d->norm_first) normalise(s, w->x, w->x, l.norm_weight[i], l.norm_bias[i], d->eps);
    }
}

// x <- what the rows are given: vectors, or tokens that are looked up, and their position's vector.
static void begin(const shared *s, worker *w)
{
    const step_args *a = s->a;
    const float *place = NULL;
    if (lt_present(&a->places)) place = lt_f32(&a->places) + a->position * s->width;
    for (int64_t r = 0; r < s->rows; r++) {
        float *x = w->x + r * s->wide;
        const float *from = lt_present(&a->words) ? lt_f32(&a->words) + lt_i64(&a->x)[r] * s->width
                                                  : lt_f32(&a->x) + r * s->width;
        for (int64_t i = 0; i < s->width; i++) x[i] = from[i] + (place ? place[i] : 0);
        for (int64_t i = s->width; i < s->wide; i++) x[i] = 0;
    }
}

// The last norm and the output layer, where they are.
static void finish(const shared *s, worker *w)
{
    const lt_decoder *d = &s->a->d;
    int64_t weights, vectors;
    layer_sizes(d, &weights, &vectors);
    const void *at = panel_at(lt_data(&s->a->weights), d->layers * weights, d->fixed);
    const float *v = lt_f32(&s->a->vectors) + d->layers * vectors;
    if (d->final_norm) {
        normalise(s, w->x, w->x, v, v + s->wide, d->final_eps);
        v += 2 * s->wide;
    }
    float *y = lt_f32(&s->a->y);
    if (!d->outputs) {
        for (int64_t r = w->id; r < s->rows; r += s->team)
            memcpy(y + r * s->width, w->x + r * s->wide, sizeof(float) * (size_t)s->width);
        return;
    }
    linear l = take_linear(d, &at, &v, d->outputs, d->width, 1);
    int64_t part = w->outputs * PANEL, first = w->output * PANEL, n = d->outputs - first;
    project(s, &l, w->hidden, part, take(s, w, w->x), w->output, w->outputs);
    for (int64_t r = 0; r < s->rows; r++)
        memcpy(y + r * d->outputs + first, w->hidden + r * part,
               sizeof(float) * (size_t)(n < part ? n < 0 ? 0 : n : part));
}

// ---- the op ------------------------------------------------------------------------------------

// Divides the heads, the hidden units and the outputs; returns the floats that a thread needs.
static int64_t divide(worker *w, const shared *s, float *room)
{
    const lt_decoder *d = &s->a->d;
    int64_t units = d->hidden / PANEL, outputs = panel_round(d->outputs) / PANEL;
    w->share = s->shares * w->id / s->team;
    w->shares = s->shares * (w->id + 1) / s->team - w->share;
    w->head = share_at(s, d->heads, w->share);
    w->heads = share_at(s, d->heads, w->share + w->shares) - w->head;
    w->unit = share_at(s, units, w->share);
    w->units = share_at(s, units, w->share + w->shares) - w->unit;
    w->output = outputs * w->id / s->team;
    w->outputs = outputs * (w->id + 1) / s->team - w->output;
    w->parity = w->met = 0;
    int64_t hidden = (w->units > w->outputs ? w->units : w->outputs) * PANEL;
    int64_t scores = PANEL_ROWS * (s->room > s->memory_room ? s->room : s->memory_room);
    int64_t part = w->heads * d->depth;
    w->x = room;
    w->n = w->x + s->rows * s->wide;
    w->q = w->n + s->rows * s->wide;
    w->mixed = w->q + s->rows * 3 * part;
    w->hidden = w->mixed + s->rows * part;
    w->scores = w->hidden + s->rows * hidden;
    w->taken = w->scores + scores;
    int64_t taken = d->fixed ? panel_take_room(s->rows, s->wide + hidden + part) : 0;
    if (d->fixed) taken += panel_take_room(PANEL_ROWS, scores / PANEL_ROWS);
    return s->rows * (2 * s->wide + 4 * part + hidden) + scores + taken;
}

static shared sizes_of(const step_args *a)
{
    const lt_decoder *d = &a->d;
    return (shared){.a = a,
                    .rows = a->x.shape[0],
                    .width = d->width,
                    .wide = panel_round(d->width),
                    .inner = (int64_t)d->heads * d->depth,
                    .room = a->scales.shape[4],
                    .slots = a->scales.shape[0],
                    .sources = a->bias.shape[0],
                    .memory = a->bias.shape[1],
                    .memory_room = panel_round(a->bias.shape[1]),
                    .shares = shares_of(d)};
}

// Threads for this step. Two together are twice as fast as one alone where each has a processor of
// its own; where other programs keep the processors busy, each waits for the other twelve times a
// step, and one alone is faster. So both are tried twice now and then, rarely where that changes
// nothing.
static int choose_team(const shared *s, int most)
{
    lt_decoder_pace *p = s->a->pace;
    if (!p || most == 1) return most;
    if (p->step >= p->period) {
        bool same = (p->alone < p->together) == p->was_alone;
        p->was_alone = p->alone < p->together;
        p->period = !same || p->period == 0 ? 64 : p->period < 512 ? 2 * p->period : 512;
        p->step = 0;
    }
    if (p->step == 0) p->alone = p->together = INFINITY;
    if (p->step < 4) return p->step < 2 ? most : 1;
    return p->alone < p->together ? 1 : most;
}

static void note_pace(const shared *s, double seconds)
{
    lt_decoder_pace *p = s->a->pace;
    if (!p) return;
    double *of = s->team > 1 ? &p->together : &p->alone;
    if (p->step < 4 && seconds < *of) *of = seconds;
    p->step++;
}

static void run_part(const shared *all, float *rooms, int64_t floats, int id, int team)
{
    shared s = *all;
    worker w = {.id = id};
    s.team = team;
    divide(&w, &s, rooms + id * floats);
    begin(&s, &w);
    for (int i = 0; i < s.a->d.layers; i++) run_layer(&s, &w, i);
    finish(&s, &w);
}

static void run_step(const shared *s, float *rooms, int64_t floats)
{
    if (s->team == 1) { // without OpenMP, which would send its other threads away
        run_part(s, rooms, floats, 0, 1);
        return;
    }
#pragma omp parallel num_threads(s->team)
    run_part(s, rooms, floats, omp_get_thread_num(), omp_get_num_threads());
}

// Seconds until the next step, at most, as models and searches take them.
#define BETWEEN_STEPS 2e-3

static lt_status step_cpu(const void *args)
{
    const step_args *a = args;
    shared s = sizes_of(a);
    int64_t weights, vectors;
    if (s.rows == 0) return LT_OK;
    layer_sizes(&a->d, &weights, &vectors);
    s.team = 1;
    worker first = {0};
    int64_t floats = panel_round(divide(&first, &s, NULL)); // enough for one that does all
    int most = lt_team(s.rows * a->d.layers * weights);
    s.team = choose_team(&s, most < s.shares ? most : (int)s.shares);
    int64_t sums = 2 * s.shares * s.rows * s.wide;
    int64_t runs = s.rows * (a->position + 1) * (int64_t)sizeof(run);
    int64_t moves = s.sources * a->position * (int64_t)sizeof(move);
    float *rooms = lt_alloc((int64_t)sizeof(float) * (s.team * floats + sums) + runs + moves +
                            s.rows * (int64_t)(sizeof(int32_t) + sizeof(group)));
    LT_REQUIRE(rooms, LT_ERR_MEMORY, "decoder_step: %s", lt_error());
    int arrived = 0;
    s.arrived = &arrived;
    s.partial = rooms + s.team * floats;
    s.runs = (run *)(s.partial + sums);
    s.moves = (move *)((char *)s.runs + runs);
    s.run_count = (int32_t *)((char *)s.moves + moves);
    s.groups = (group *)(s.run_count + s.rows);
    lt_status status = lt_decoder_history(&s);
    if (status == LT_OK) {
        double start = lt_time();
        run_step(&s, rooms, floats);
        note_pace(&s, lt_time() - start);
        lt_stay_awake(s.team, BETWEEN_STEPS);
    }
    lt_free(rooms);
    return status;
}

// ---- checks ------------------------------------------------------------------------------------

static lt_status check_shape(const lt_decoder *d)
{
    LT_REQUIRE(
        d->layers >= 1 && d->heads >= 1 && d->width >= 1 && d->outputs >= 0 && d->depth >= PANEL &&
            d->depth % PANEL == 0 && d->hidden >= PANEL && d->hidden % PANEL == 0,
        LT_ERR_ARGUMENT,
        "decoder_step: %d layers, %d heads of %d, width %d, %d hidden units, %d outputs; heads "
        "and hidden units come in sixteens",
        d->layers, d->heads, d->depth, d->width, d->hidden, d->outputs);
    LT_REQUIRE(d->activation >= 0 && d->activation < LT_DECODER_ACTIVATIONS, LT_ERR_ARGUMENT,
               "decoder_step: there is no activation %d", d->activation);
    return LT_OK;
}

static lt_status check_count(const char *name, const lt_tensor *t, int32_t dtype, int64_t count)
{
    LT_TRY(lt_check_dtype("decoder_step", name, t, dtype));
    LT_TRY(lt_check_contiguous("decoder_step", name, t));
    LT_REQUIRE(lt_numel(t) == count, LT_ERR_ARGUMENT,
               "decoder_step: %s is %s, wanted %lld elements", name, LT_SHAPE(t), (long long)count);
    LT_REQUIRE((uintptr_t)lt_data(t) % LT_ALIGN == 0 || dtype != LT_U8, LT_ERR_ARGUMENT,
               "decoder_step: %s must begin at a multiple of %d bytes", name, LT_ALIGN);
    return LT_OK;
}

static lt_status check_caches(const step_args *a, const shared *s)
{
    const lt_decoder *d = &a->d;
    int64_t size = panel_bytes(d->fixed), heads = (int64_t)d->layers * d->heads;
    int64_t own = s->slots * heads * s->room, memory = heads * s->sources;
    LT_REQUIRE(s->room % PANEL == 0 && a->position >= 0 && a->position < s->room, LT_ERR_ARGUMENT,
               "decoder_step: position %lld, but the cache has room for %lld",
               (long long)a->position, (long long)s->room);
    LT_TRY(check_count("keys", &a->keys, LT_U8, own * d->depth * size));
    LT_TRY(check_count("values", &a->values, LT_U8, own * d->depth * size));
    LT_TRY(check_count("scales", &a->scales, LT_F32, 2 * own));
    LT_TRY(check_count("memory_keys", &a->memory_keys, LT_U8,
                       memory * s->memory_room * d->depth * size));
    LT_TRY(check_count("memory_values", &a->memory_values, LT_U8,
                       memory * panel_deep(s->memory, d->fixed) * d->depth * size));
    LT_TRY(check_count("key_scales", &a->key_scales, LT_F32, memory * s->memory_room));
    LT_TRY(check_count("value_scales", &a->value_scales, LT_F32, memory * s->memory));
    return check_count("bias", &a->bias, LT_F32, s->sources * s->memory);
}

static lt_status check_input(const step_args *a, const shared *s)
{
    if (lt_present(&a->places)) {
        LT_REQUIRE(a->places.ndim == 2 && a->places.shape[0] > a->position, LT_ERR_ARGUMENT,
                   "decoder_step: places is %s at position %lld", LT_SHAPE(&a->places),
                   (long long)a->position);
        LT_TRY(check_count("places", &a->places, LT_F32, a->places.shape[0] * s->width));
    }
    if (!lt_present(&a->words)) return check_count("x", &a->x, LT_F32, s->rows * s->width);
    LT_TRY(check_count("x", &a->x, LT_I64, s->rows));
    LT_REQUIRE(a->words.ndim == 2, LT_ERR_ARGUMENT, "decoder_step: words is %s",
               LT_SHAPE(&a->words));
    LT_TRY(check_count("words", &a->words, LT_F32, a->words.shape[0] * s->width));
    for (int64_t r = 0; r < s->rows; r++) {
        int64_t token = lt_i64(&a->x)[r];
        LT_REQUIRE(token >= 0 && token < a->words.shape[0], LT_ERR_ARGUMENT,
                   "decoder_step: token %lld of row %lld; there are %lld words", (long long)token,
                   (long long)r, (long long)a->words.shape[0]);
    }
    return LT_OK;
}

static lt_status step_check(const void *args)
{
    const step_args *a = args;
    const lt_decoder *d = &a->d;
    LT_TRY(check_shape(d));
    LT_REQUIRE(
        a->x.ndim == (lt_present(&a->words) ? 1 : 2) && a->scales.ndim == 5 && a->bias.ndim == 2 &&
            a->table.ndim == 2,
        LT_ERR_ARGUMENT,
        "decoder_step: x %s must be (rows, %d), or (rows) with words, scales %s (slots, layers, "
        "heads, 2, room), bias %s (sources, positions), table %s (rows, room + 2)",
        LT_SHAPE(&a->x), d->width, LT_SHAPE(&a->scales), LT_SHAPE(&a->bias), LT_SHAPE(&a->table));
    shared s = sizes_of(a);
    int64_t weights, vectors, extra = d->final_norm ? 2 * s.wide : 0;
    layer_sizes(d, &weights, &vectors);
    int64_t outputs = panel_round(d->outputs);
    LT_REQUIRE(a->table.shape[0] >= s.rows && a->table.shape[1] == s.room + 2, LT_ERR_ARGUMENT,
               "decoder_step: table is %s for %lld rows and %lld positions", LT_SHAPE(&a->table),
               (long long)s.rows, (long long)s.room);
    LT_TRY(check_count("table", &a->table, LT_I32, lt_numel(&a->table)));
    LT_TRY(check_input(a, &s));
    LT_TRY(check_count("y", &a->y, LT_F32, s.rows * (d->outputs ? d->outputs : s.width)));
    LT_TRY(check_count("weights", &a->weights, LT_U8,
                       (d->layers * weights + outputs * panel_deep(s.width, d->fixed)) *
                           panel_bytes(d->fixed)));
    LT_TRY(check_count("vectors", &a->vectors, LT_F32, d->layers * vectors + extra + 2 * outputs));
    return check_caches(a, &s);
}

LT_OP(decoder_step,
      "y keys values scales table; x words? places? weights vectors memory_keys memory_values "
      "key_scales value_scales bias",
      step_check, step_cpu)

lt_status lt_decoder_step(lt_tensor *y, lt_tensor *keys, lt_tensor *values, lt_tensor *scales,
                          lt_tensor *table, const lt_tensor *x, const lt_tensor *words,
                          const lt_tensor *places, const lt_tensor *weights,
                          const lt_tensor *vectors, const lt_tensor *memory_keys,
                          const lt_tensor *memory_values, const lt_tensor *key_scales,
                          const lt_tensor *value_scales, const lt_tensor *bias,
                          const lt_decoder *shape, int64_t position, lt_decoder_pace *pace)
{
    step_args a = {*y,
                   *keys,
                   *values,
                   *scales,
                   *table,
                   *x,
                   lt_optional(words),
                   lt_optional(places),
                   *weights,
                   *vectors,
                   *memory_keys,
                   *memory_values,
                   *key_scales,
                   *value_scales,
                   *bias,
                   *shape,
                   position,
                   pace};
    return lt_run(&decoder_step_op, &a);
}
