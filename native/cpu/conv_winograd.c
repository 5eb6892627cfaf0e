// conv_winograd: 3x3 convolutions of stride 1 with 2.25 (tiles of 2x2 outputs) or 4 times (4x4) fewer
// multiplications; f32 arithmetic on f32 or bf16 activations. See winograd.h.
//
// Three phases: tiles of the input are transformed into one matrix per point (36 or 16 of them), each is
// multiplied by that point's weights, and the products are transformed back. Few channels: a thread takes
// some tiles through all phases while they lie in its cache. Many: the threads share each phase.
#include "cpu/conv.h"
#include "cpu/winograd.h"

#include <omp.h>

// One convolution from x (c channels) to y (k channels); for the gradient of x the two change places.
typedef struct wino {
    int64_t n, h, w, c, oh, ow, k, pad_h, pad_w;
    int64_t tiles_h, tiles_w, tiles;
    int m, points;      // outputs a tile side, (m + 2)^2
    bool x_half, y_half;
    const void *x;
    void *y;
    const float *bias;  // of y's channels, or NULL
    float *weights;     // (points, panels of k, c, panel)
} wino;

// Buffers of one block of tiles: (points, channels / LT_VEC, tiles, LT_VEC), points apart by a little more so
// that they do not fall on the same cache sets.
typedef struct block {
    float *v, *z;
    int64_t first, count, padded;  // tiles; padded to whole groups of rows
} block;

static int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

static int64_t point_stride(int64_t channels, int64_t padded) { return channels * padded + LT_VEC; }

static float *weights_at(const wino *p, int point) { return p->weights + point * p->c * p->k; }

// Vectors in the panel that begins at channel k of y.
static int columns_at(const wino *p, int64_t k)
{
    return p->k - k < WINO_PANEL ? (int)(p->k - k) / LT_VEC : WINO_COLUMNS;
}

// Where a point's weights have channel k of y and c of x: k and the next LT_VEC - 1 lie side by side.
static int64_t weight_at(const wino *p, int64_t k, int64_t c)
{
    const int64_t panel = k / WINO_PANEL * WINO_PANEL;
    return panel * p->c + c * columns_at(p, panel) * LT_VEC + k % WINO_PANEL;
}

// ---- tiles -------------------------------------------------------------------------------------
typedef struct place { int64_t n, row, column; } place;

static place place_of(const wino *p, int64_t tile)
{
    const int64_t t = tile % (p->tiles_h * p->tiles_w);
    return (place){tile / (p->tiles_h * p->tiles_w), t / p->tiles_w * p->m, t % p->tiles_w * p->m};
}

// side x side vectors of channels c.. from (row, column) of an image; zero outside.
VEC_INLINE void load_square(lt_vec *d, const void *x, const place *at, int64_t row, int64_t column,
                            int64_t h, int64_t w, int64_t channels, int64_t c, int side, bool half)
{
    for (int i = 0; i < side; i++)
        for (int j = 0; j < side; j++) {
            const int64_t y = row + i, z = column + j;
            const bool inside = y >= 0 && y < h && z >= 0 && z < w;
            d[i * side + j] = inside ? lt_vec_load(x, ((at->n * h + y) * w + z) * channels + c, half)
                                     : (lt_vec){0};
        }
}

VEC_INLINE void store_points(float *to, const lt_vec *o, int64_t stride, int points)
{
    for (int i = 0; i < points; i++) *(lt_vec *)(to + i * stride) = o[i];
}

VEC_INLINE void input_tile(const wino *p, const block *b, int64_t t, int64_t c, int m, bool half)
{
    const place at = place_of(p, b->first + t);
    lt_vec d[MOST_POINTS], o[MOST_POINTS];
    load_square(d, p->x, &at, at.row - p->pad_h, at.column - p->pad_w, p->h, p->w, p->c, c, m + 2,
                half);
    wino_input_square(o, d, m + 2, m + 2, m);
    store_points(b->v + c * b->padded + t * LT_VEC, o, point_stride(p->c, b->padded),
                 (m + 2) * (m + 2));
}

VEC_INLINE void spread_tile(const wino *p, const block *b, int64_t t, int64_t k, int m, bool half)
{
    const place at = place_of(p, b->first + t);
    lt_vec d[MOST_POINTS], o[MOST_POINTS], full[MOST_POINTS];
    load_square(d, p->y, &at, at.row, at.column, p->oh, p->ow, p->k, k, m, half);
    for (int i = 0; i < m; i++) wino_spread(full + i, m, d + i, m, m);
    for (int i = 0; i < m + 2; i++) wino_spread(o + i * (m + 2), 1, full + i * m, 1, m);
    store_points(b->z + k * b->padded + t * LT_VEC, o, point_stride(p->k, b->padded),
                 (m + 2) * (m + 2));
}

VEC_INLINE void output_tile(const wino *p, const block *b, int64_t t, int64_t k, int m, bool half)
{
    const place at = place_of(p, b->first + t);
    const int64_t stride = point_stride(p->k, b->padded);
    const float *from = b->z + k * b->padded + t * LT_VEC;
    lt_vec half_way[MOST_POINTS], o[MOST_POINTS];
    for (int j = 0; j < m + 2; j++) {  // columns first: m rows of m + 2
        lt_vec column[8];
        for (int i = 0; i < m + 2; i++)
            column[i] = *(const lt_vec *)(from + (i * (m + 2) + j) * stride);
        wino_output(half_way + j, m + 2, column, 1, m);
    }
    for (int i = 0; i < m; i++) wino_output(o + i * m, 1, half_way + i * (m + 2), 1, m);
    const lt_vec bias = p->bias ? lt_vec_load(p->bias, k, false) : (lt_vec){0};
    for (int i = 0; i < m && at.row + i < p->oh; i++)
        for (int j = 0; j < m && at.column + j < p->ow; j++)
            lt_vec_store(p->y, ((at.n * p->oh + at.row + i) * p->ow + at.column + j) * p->k + k, half,
                         o[i * m + j] + bias);
}

#define EACH_CASE(function, half_flag, ...) \
    do { \
        if (p->m == 4 && !(half_flag)) function(__VA_ARGS__, 4, false); \
        if (p->m == 4 && (half_flag)) function(__VA_ARGS__, 4, true); \
        if (p->m == 2 && !(half_flag)) function(__VA_ARGS__, 2, false); \
        if (p->m == 2 && (half_flag)) function(__VA_ARGS__, 2, true); \
    } while (0)

static void input_tiles(const wino *p, const block *b, int64_t from, int64_t to)
{
    for (int64_t t = from; t < to; t++)
        for (int64_t c = 0; c < p->c; c += LT_VEC) EACH_CASE(input_tile, p->x_half, p, b, t, c);
}

static void spread_tiles(const wino *p, const block *b, int64_t from, int64_t to)
{
    for (int64_t t = from; t < to; t++)
        for (int64_t k = 0; k < p->k; k += LT_VEC) EACH_CASE(spread_tile, p->y_half, p, b, t, k);
}

static void output_tiles(const wino *p, const block *b, int64_t from, int64_t to)
{
    for (int64_t t = from; t < to; t++)
        for (int64_t k = 0; k < p->k; k += LT_VEC) EACH_CASE(output_tile, p->y_half, p, b, t, k);
}

// The rows that fill up the last group: without them the sums over tiles would take in garbage.
static void clear_padding(const block *b, float *v, int64_t channels, int points)
{
    const int64_t rest = b->padded - b->count;
    for (int i = 0; rest > 0 && i < points; i++)
        for (int64_t c = 0; c < channels; c += LT_VEC)
            memset(v + i * point_stride(channels, b->padded) + c * b->padded + b->count * LT_VEC, 0,
                   (size_t)rest * LT_VEC * sizeof(float));
}

// ---- products ----------------------------------------------------------------------------------
static void multiply_point(const wino *p, const block *b, int point)
{
    const float *v = b->v + point * point_stride(p->c, b->padded);
    float *z = b->z + point * point_stride(p->k, b->padded);
    const float *weights = weights_at(p, point);
    const int64_t step = b->padded * LT_VEC;
    for (int64_t k = 0; k < p->k; k += WINO_PANEL)
        for (int64_t t = 0; t < b->padded; t += WINO_ROWS) {
            float *to = z + k * b->padded + t * LT_VEC;
            if (columns_at(p, k) == WINO_COLUMNS)
                wino_rows(WINO_COLUMNS, to, step, v + t * LT_VEC, step, weights + k * p->c, p->c);
            else
                wino_rows(1, to, step, v + t * LT_VEC, step, weights + k * p->c, p->c);
        }
}

static void accumulate_point(const wino *p, const block *b, float *gradient, int point)
{
    const float *v = b->v + point * point_stride(p->c, b->padded);
    const float *z = b->z + point * point_stride(p->k, b->padded);
    float *out = gradient + point * p->c * p->k;
    for (int64_t k = 0; k < p->k; k += WINO_PANEL)
        for (int64_t c = 0; c < p->c; c += WINO_LANES) {
            float *to = out + weight_at(p, k, c);
            const float *from = v + c / LT_VEC * LT_VEC * b->padded + c % LT_VEC;
            const float *with = z + k * b->padded;
            if (columns_at(p, k) == WINO_COLUMNS)
                wino_lanes(WINO_COLUMNS, to, from, with, b->padded * LT_VEC, b->count);
            else
                wino_lanes(1, to, from, with, b->padded * LT_VEC, b->count);
        }
}

// ---- weights -----------------------------------------------------------------------------------
// Weight (co, ci, 3, 3) seen as w(k, c): plainly, or with the roles of the channels exchanged and the
// kernel turned round, which is the convolution that gives the gradient of the input.
typedef struct weight_view {
    float *w;
    int64_t k_stride, c_stride;
    bool turned;
} weight_view;

VEC_INLINE void transform_weights(const wino *p, const weight_view *s, int64_t k, int64_t c, int m)
{
    lt_vec d[9], o[MOST_POINTS], full[MOST_POINTS];
    for (int q = 0; q < 9; q++) {
        float lanes[LT_VEC];
        for (int i = 0; i < LT_VEC; i++)
            lanes[i] = s->w[(k + i) * s->k_stride + c * s->c_stride + (s->turned ? 8 - q : q)];
        d[q] = lt_vec_load(lanes, 0, false);
    }
    for (int i = 0; i < 3; i++) wino_weights(full + i, 3, d + i, 3, m);
    for (int i = 0; i < m + 2; i++) wino_weights(o + i * (m + 2), 1, full + i * 3, 1, m);
    const int64_t at = weight_at(p, k, c);
    for (int i = 0; i < (m + 2) * (m + 2); i++) *(lt_vec *)(weights_at(p, i) + at) = o[i];
}

VEC_INLINE void gradient_weights(const wino *p, const weight_view *s, int64_t k, int64_t c, int m)
{
    lt_vec d[MOST_POINTS], o[9], half_way[MOST_POINTS];
    const int64_t at = weight_at(p, k, c);
    for (int i = 0; i < (m + 2) * (m + 2); i++) d[i] = *(const lt_vec *)(weights_at(p, i) + at);
    for (int i = 0; i < m + 2; i++) wino_weights_back(half_way + i, m + 2, d + i, m + 2, m);
    for (int i = 0; i < 3; i++) wino_weights_back(o + i * 3, 1, half_way + i * (m + 2), 1, m);
    for (int i = 0; i < LT_VEC; i++)
        for (int q = 0; q < 9; q++) s->w[(k + i) * s->k_stride + c * s->c_stride + q] = o[q][i];
}

static void all_weights(const wino *p, const weight_view *s, bool back)
{
    const int64_t blocks = p->k / LT_VEC;
#pragma omp parallel for schedule(static) num_threads(lt_team(p->k * p->c * 9))
    for (int64_t b = 0; b < blocks; b++)
        for (int64_t c = 0; c < p->c; c++) {
            if (!back && p->m == 4) transform_weights(p, s, b * LT_VEC, c, 4);
            if (!back && p->m == 2) transform_weights(p, s, b * LT_VEC, c, 2);
            if (back && p->m == 4) gradient_weights(p, s, b * LT_VEC, c, 4);
            if (back && p->m == 2) gradient_weights(p, s, b * LT_VEC, c, 2);
        }
}

// ---- the three passes --------------------------------------------------------------------------
bool lt_winograd_fits(const lt_conv_geometry *g)
{
    return g->kh == 3 && g->kw == 3 && g->stride_h == 1 && g->stride_w == 1 && g->dilation_h == 1
        && g->dilation_w == 1 && g->groups == 1 && g->ci % 16 == 0 && g->co % 16 == 0
        && g->pad_h <= 2 && g->pad_w <= 2 && g->n * g->oh * g->ow >= 512;
}

// Many channels make the transformed weights the burden: then smaller tiles.
static void choose_tiles(wino *p)
{
    p->m = p->c * p->k > 128 * 1024 ? 2 : 4;
    p->points = (p->m + 2) * (p->m + 2);
    p->tiles_h = (p->oh + p->m - 1) / p->m;
    p->tiles_w = (p->ow + p->m - 1) / p->m;
    p->tiles = p->n * p->tiles_h * p->tiles_w;
}

// Transformed weights small enough to stay in a core's cache beside its tiles.
static bool each_on_its_own(const wino *p)
{
    return p->points * p->c * p->k * 4 <= (1 << 20) && p->tiles >= 64;
}

// Tiles a block: about 1 MiB of both buffers for one thread, 32 MiB for all together.
static int64_t tiles_a_block(const wino *p, bool alone)
{
    const int64_t bytes = p->points * (p->c + p->k) * 4;
    int64_t n = ((alone ? (int64_t)1 << 20 : (int64_t)32 << 20) / bytes) / 24 * 24;
    if (n < 24) n = 24;
    return n < p->tiles ? n : p->tiles;
}

static lt_status make_block(block *b, const wino *p, int64_t tiles)
{
    b->padded = round_up(tiles, WINO_ROWS);
    const int64_t v = p->points * point_stride(p->c, b->padded);
    const int64_t z = p->points * point_stride(p->k, b->padded);
    b->v = lt_alloc((v + z) * (int64_t)sizeof(float));
    b->z = b->v + v;
    return b->v ? LT_OK : LT_ERR_MEMORY;
}

static void set_block(block *b, const wino *p, int64_t first, int64_t size)
{
    b->first = first;
    b->count = p->tiles - first < size ? p->tiles - first : size;
    b->padded = round_up(b->count, WINO_ROWS);
}

// Every thread its own tiles, or its own gradient where one is wanted (then added up in order).
static lt_status run_alone(const wino *p, float *gradients, int team)
{
    const int64_t size = tiles_a_block(p, true), blocks = (p->tiles + size - 1) / size;
    lt_status status = LT_OK;
#pragma omp parallel for schedule(static) num_threads(team)
    for (int64_t i = 0; i < team; i++) {
        block b;
        if (make_block(&b, p, size) != LT_OK) {
#pragma omp atomic write
            status = LT_ERR_MEMORY;
            continue;
        }
        float *gradient = gradients ? gradients + i * p->points * p->c * p->k : NULL;
        for (int64_t j = blocks * i / team; j < blocks * (i + 1) / team; j++) {
            set_block(&b, p, j * size, size);
            input_tiles(p, &b, 0, b.count);
            if (gradient) spread_tiles(p, &b, 0, b.count);
            else clear_padding(&b, b.v, p->c, p->points);
            for (int q = 0; q < p->points; q++) {
                if (gradient) accumulate_point(p, &b, gradient, q);
                else multiply_point(p, &b, q);
            }
            if (!gradient) output_tiles(p, &b, 0, b.count);
        }
        lt_free(b.v);
    }
    // the text was written for the thread that failed
    return status == LT_OK ? LT_OK : lt_fail(status, "conv: out of memory for the tiles of a thread");
}

static lt_status run_together(const wino *p, float *gradient)
{
    const int64_t size = tiles_a_block(p, false);
    block b;
    LT_TRY(make_block(&b, p, size));
    for (int64_t first = 0; first < p->tiles; first += size) {
        set_block(&b, p, first, size);
#pragma omp parallel
        {
#pragma omp for schedule(static)
            for (int64_t t = 0; t < b.count; t++) {
                input_tiles(p, &b, t, t + 1);
                if (gradient) spread_tiles(p, &b, t, t + 1);
            }
#pragma omp single
            if (!gradient) clear_padding(&b, b.v, p->c, p->points);
#pragma omp for schedule(static)
            for (int q = 0; q < p->points; q++) {
                if (gradient) accumulate_point(p, &b, gradient, q);
                else multiply_point(p, &b, q);
            }
#pragma omp for schedule(static)
            for (int64_t t = 0; t < b.count; t++)
                if (!gradient) output_tiles(p, &b, t, t + 1);
        }
    }
    lt_free(b.v);
    return LT_OK;
}

static lt_status run_forward(wino *p, const weight_view *s)
{
    p->weights = lt_alloc(p->points * p->c * p->k * (int64_t)sizeof(float));
    if (!p->weights) return LT_ERR_MEMORY;
    all_weights(p, s, false);
    lt_status status = each_on_its_own(p) ? run_alone(p, NULL, omp_get_max_threads())
                                          : run_together(p, NULL);
    lt_free(p->weights);
    return status;
}

lt_status lt_winograd_forward(const lt_conv_geometry *g, void *y, const void *x, const float *w,
                              const float *bias)
{
    wino p = {.n = g->n, .h = g->h, .w = g->w, .c = g->ci, .oh = g->oh, .ow = g->ow, .k = g->co,
              .pad_h = g->pad_h, .pad_w = g->pad_w, .x = x, .y = y, .bias = bias,
              .x_half = g->dtype == LT_BF16, .y_half = g->dtype == LT_BF16};
    choose_tiles(&p);
    return run_forward(&p, &(weight_view){(float *)w, g->ci * 9, 9, false});
}

lt_status lt_winograd_backward_data(const lt_conv_geometry *g, void *dx, const void *dy,
                                    const float *w)
{
    wino p = {.n = g->n, .h = g->oh, .w = g->ow, .c = g->co, .oh = g->h, .ow = g->w, .k = g->ci,
              .pad_h = 2 - g->pad_h, .pad_w = 2 - g->pad_w, .x = dy, .y = dx,
              .x_half = g->dtype == LT_BF16, .y_half = g->dtype == LT_BF16};
    choose_tiles(&p);
    return run_forward(&p, &(weight_view){(float *)w, 9, g->ci * 9, true});
}

lt_status lt_winograd_backward_weights(const lt_conv_geometry *g, float *dw, const void *x,
                                       const void *dy)
{
    wino p = {.n = g->n, .h = g->h, .w = g->w, .c = g->ci, .oh = g->oh, .ow = g->ow, .k = g->co,
              .pad_h = g->pad_h, .pad_w = g->pad_w, .x = x, .y = (void *)dy,
              .x_half = g->dtype == LT_BF16, .y_half = g->dtype == LT_BF16};
    choose_tiles(&p);
    const int team = each_on_its_own(&p) ? omp_get_max_threads() : 1;
    const int64_t numel = p.points * p.c * p.k;
    p.weights = lt_alloc(team * numel * (int64_t)sizeof(float));
    if (!p.weights) return LT_ERR_MEMORY;
    memset(p.weights, 0, (size_t)(team * numel) * sizeof(float));
    lt_status status = each_on_its_own(&p) ? run_alone(&p, p.weights, team)
                                           : run_together(&p, p.weights);
    for (int i = 1; i < team; i++)
        for (int64_t j = 0; j < numel; j++) p.weights[j] += p.weights[i * numel + j];
    if (status == LT_OK) all_weights(&p, &(weight_view){dw, g->ci * 9, 9, false}, true);
    lt_free(p.weights);
    return status;
}
