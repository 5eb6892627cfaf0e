// conv_depthwise: one filter per channel (groups = channels), channels-last. Sixteen channels lie in
// one vector; a tile of neighbouring outputs keeps its sums in registers while the taps go by.
#include "cpu/conv.h"
#include "cpu/vec.h"

enum { TILE = 8 };

bool lt_depthwise_fits(const lt_conv_geometry *g)
{
    return g->groups == g->ci && g->ci == g->co && g->ci > 1;
}

// Filters as (taps, channels rounded up to whole vectors); `flip` reverses the taps.
static float *turn_filters(const lt_conv_geometry *g, const float *w, bool flip)
{
    const int64_t k = g->kh * g->kw, c = (g->ci + LT_VEC - 1) / LT_VEC * LT_VEC;
    float *turned = lt_alloc(k * c * 4);
    if (!turned) return NULL;
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = 0; j < c; j++)
            turned[i * c + j] = j < g->ci ? w[j * k + (flip ? k - 1 - i : i)] : 0;
    return turned;
}

// One row of outputs, sixteen channels from c on. x points at the image, y at the row.
VEC_INLINE void forward_row(const lt_conv_geometry *g, void *y, const void *x, const float *w,
                            lt_vec bias, int64_t oh, int64_t c, bool half)
{
    const int64_t wide = (g->ci + LT_VEC - 1) / LT_VEC * LT_VEC, part = g->ci - c;
    const int64_t top = oh * g->stride_h - g->pad_h, step = g->stride_w * g->ci;
    int64_t ow = 0;
    while (ow < g->ow) {
        const int64_t left = ow * g->stride_w - g->pad_w;
        const int64_t last = left + (TILE - 1) * g->stride_w + (g->kw - 1) * g->dilation_w;
        const bool inside = part >= LT_VEC && ow + TILE <= g->ow && left >= 0 && last < g->w;
        const int64_t tile = inside ? TILE : 1;
        lt_vec sum[TILE];
        for (int t = 0; t < TILE; t++) sum[t] = bias;
        for (int64_t kh = 0; kh < g->kh; kh++) {
            const int64_t ih = top + kh * g->dilation_h;
            if (ih < 0 || ih >= g->h) continue;
            for (int64_t kw = 0; kw < g->kw; kw++) {
                const lt_vec f = lt_vec_load(w, (kh * g->kw + kw) * wide + c, false);
                const int64_t iw = left + kw * g->dilation_w;
                const int64_t at = (ih * g->w + iw) * g->ci + c;
                if (inside)
                    for (int t = 0; t < TILE; t++) sum[t] += f * lt_vec_load(x, at + t * step, half);
                else if (iw >= 0 && iw < g->w)
                    sum[0] += f * lt_vec_load_part(x, at, half, part);
            }
        }
        if (inside)
            for (int t = 0; t < TILE; t++) lt_vec_store(y, (ow + t) * g->co + c, half, sum[t]);
        else
            lt_vec_store_part(y, ow * g->co + c, half, part, sum[0]);
        ow += tile;
    }
}

static lt_status forward_turned(const lt_conv_geometry *g, void *y, const void *x, const float *w,
                                const float *bias)
{
    const bool half = g->dtype == LT_BF16;
    const int64_t size = half ? 2 : 4, blocks = (g->ci + LT_VEC - 1) / LT_VEC;
    const int64_t work = g->n * g->oh * g->ow * g->co * g->kh * g->kw;
#pragma omp parallel for num_threads(lt_team(work)) schedule(static)
    for (int64_t i = 0; i < g->n * g->oh; i++) {
        const char *image = (const char *)x + i / g->oh * g->h * g->w * g->ci * size;
        char *row = (char *)y + i * g->ow * g->co * size;
        for (int64_t b = 0; b < blocks; b++) {
            const int64_t c = b * LT_VEC;
            lt_vec start = {0};
            if (bias) start = lt_vec_load_part(bias, c, false, g->ci - c);
            if (half) forward_row(g, row, image, w, start, i % g->oh, c, true);
            else forward_row(g, row, image, w, start, i % g->oh, c, false);
        }
    }
    return LT_OK;
}

lt_status lt_depthwise_forward(const lt_conv_geometry *g, void *y, const void *x, const float *w,
                               const float *bias)
{
    float *turned = turn_filters(g, w, false);
    if (!turned) return LT_ERR_MEMORY;
    lt_status status = forward_turned(g, y, x, turned, bias);
    lt_free(turned);
    return status;
}

// The output position whose tap k reads input i, or -1.
static int64_t target(int64_t i, int64_t k, int64_t stride, int64_t pad, int64_t dilation,
                      int64_t size)
{
    const int64_t o = i + pad - k * dilation;
    return o < 0 || o % stride || o / stride >= size ? -1 : o / stride;
}

// The general gradient: each input position collects from the outputs that read it.
VEC_INLINE void collect(const lt_conv_geometry *g, void *dx, const void *dy, const float *w,
                        int64_t ih, int64_t c, bool half)
{
    const int64_t wide = (g->ci + LT_VEC - 1) / LT_VEC * LT_VEC, part = g->ci - c;
    for (int64_t iw = 0; iw < g->w; iw++) {
        lt_vec sum = {0};
        for (int64_t kh = 0; kh < g->kh; kh++) {
            const int64_t oh = target(ih, kh, g->stride_h, g->pad_h, g->dilation_h, g->oh);
            for (int64_t kw = 0; kw < g->kw && oh >= 0; kw++) {
                const int64_t ow = target(iw, kw, g->stride_w, g->pad_w, g->dilation_w, g->ow);
                if (ow < 0) continue;
                sum += lt_vec_load(w, (kh * g->kw + kw) * wide + c, false)
                     * lt_vec_load_part(dy, (oh * g->ow + ow) * g->co + c, half, part);
            }
        }
        lt_vec_store_part(dx, iw * g->ci + c, half, part, sum);
    }
}

static void collect_all(const lt_conv_geometry *g, char *dx, const char *dy, const float *w)
{
    const bool half = g->dtype == LT_BF16;
    const int64_t size = half ? 2 : 4;
#pragma omp parallel for num_threads(lt_team(g->n * g->h * g->w * g->ci * g->kh * g->kw))
    for (int64_t i = 0; i < g->n * g->h; i++) {
        const char *image = dy + i / g->h * g->oh * g->ow * g->co * size;
        char *row = dx + i * g->w * g->ci * size;
        for (int64_t c = 0; c < g->ci; c += LT_VEC) {
            if (half) collect(g, row, image, w, i % g->h, c, true);
            else collect(g, row, image, w, i % g->h, c, false);
        }
    }
}

lt_status lt_depthwise_backward_data(const lt_conv_geometry *g, void *dx, const void *dy,
                                     const float *w)
{
    const int64_t pad_h = g->dilation_h * (g->kh - 1) - g->pad_h;
    const int64_t pad_w = g->dilation_w * (g->kw - 1) - g->pad_w;
    const bool plain = g->stride_h == 1 && g->stride_w == 1 && pad_h >= 0 && pad_w >= 0;
    float *turned = turn_filters(g, w, plain);
    if (!turned) return LT_ERR_MEMORY;
    if (plain) {  // the same convolution with the filters reversed
        lt_conv_geometry back = *g;
        back.h = g->oh, back.w = g->ow, back.oh = g->h, back.ow = g->w;
        back.pad_h = pad_h, back.pad_w = pad_w;
        forward_turned(&back, dx, dy, turned, NULL);
    } else {
        collect_all(g, dx, dy, turned);
    }
    lt_free(turned);
    return LT_OK;
}

// Gradient of up to TILE taps kw0.. of filter row kh, sixteen channels from c on, over some images.
VEC_INLINE void weights_tile(const lt_conv_geometry *g, float *dw, const char *x, const char *dy,
                             int64_t kh, int64_t kw0, int64_t c, int64_t from, int64_t to, bool half)
{
    const int64_t size = half ? 2 : 4, part = g->ci - c;
    const int64_t taps = g->kw - kw0 < TILE ? g->kw - kw0 : TILE;
    lt_vec sum[TILE];
    for (int t = 0; t < TILE; t++) sum[t] = (lt_vec){0};
    for (int64_t i = from; i < to; i++) {
        const int64_t oh = i % g->oh, ih = oh * g->stride_h - g->pad_h + kh * g->dilation_h;
        if (ih < 0 || ih >= g->h) continue;
        const char *row = x + (i / g->oh * g->h + ih) * g->w * g->ci * size;
        const char *dy_row = dy + i * g->ow * g->co * size;
        for (int64_t ow = 0; ow < g->ow; ow++) {
            const int64_t left = ow * g->stride_w - g->pad_w + kw0 * g->dilation_w;
            const lt_vec d = lt_vec_load_part(dy_row, ow * g->co + c, half, part);
            const int64_t step = g->dilation_w * g->ci, at = left * g->ci + c;
            if (part >= LT_VEC && taps == TILE && left >= 0
                && left + (TILE - 1) * g->dilation_w < g->w) {
                for (int t = 0; t < TILE; t++) sum[t] += d * lt_vec_load(row, at + t * step, half);
                continue;
            }
            for (int t = 0; t < TILE; t++) {
                const int64_t iw = left + t * g->dilation_w;
                if (t < taps && iw >= 0 && iw < g->w)
                    sum[t] += d * lt_vec_load_part(row, at + t * step, half, part);
            }
        }
    }
    for (int t = 0; t < TILE; t++)
        for (int64_t j = 0; t < taps && j < LT_VEC && j < part; j++)
            dw[((c + j) * g->kh + kh) * g->kw + kw0 + t] = sum[t][j];
}

// Rows of all images are cut into a fixed number of chunks, whose sums are then added in order.
lt_status lt_depthwise_backward_weights(const lt_conv_geometry *g, float *dw, const void *x,
                                        const void *dy)
{
    enum { CHUNKS = 8 };
    const int64_t numel = g->ci * g->kh * g->kw, rows = g->n * g->oh;
    const int64_t blocks = (g->ci + LT_VEC - 1) / LT_VEC;
    float *parts = lt_alloc(CHUNKS * numel * 4);
    if (!parts) return LT_ERR_MEMORY;
#pragma omp parallel for collapse(2) num_threads(lt_team(rows * g->ow * numel)) schedule(static)
    for (int64_t k = 0; k < CHUNKS; k++)
        for (int64_t b = 0; b < blocks; b++) {
            const int64_t from = rows * k / CHUNKS, to = rows * (k + 1) / CHUNKS;
            for (int64_t kh = 0; kh < g->kh; kh++)
                for (int64_t kw = 0; kw < g->kw; kw += TILE) {
                    float *part = parts + k * numel;
                    if (g->dtype == LT_BF16)
                        weights_tile(g, part, x, dy, kh, kw, b * LT_VEC, from, to, true);
                    else
                        weights_tile(g, part, x, dy, kh, kw, b * LT_VEC, from, to, false);
                }
        }
    for (int64_t i = 0; i < numel; i++) {
        float total = 0;
        for (int64_t k = 0; k < CHUNKS; k++) total += parts[k * numel + i];
        dw[i] = total;
    }
    lt_free(parts);
    return LT_OK;
}
