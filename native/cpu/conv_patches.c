// conv_patches: any convolution as a matrix product over copied patches (im2col), one image at a
// time. It stands in where no faster way takes a geometry, and where oneDNN is not installed.
#include "cpu/blas.h"
#include "cpu/conv.h"

// Columns of a patch: (kh, kw, channels of the group), so that the channels are copied as they lie.
static int64_t depth(const lt_conv_geometry *g) { return g->kh * g->kw * (g->ci / g->groups); }

// Position of the tap in the input, or -1 outside.
static int64_t source(int64_t out, int64_t tap, int64_t stride, int64_t pad, int64_t dilation,
                      int64_t size)
{
    const int64_t i = out * stride - pad + tap * dilation;
    return i < 0 || i >= size ? -1 : i;
}

// Calls body with `from` (offset of the pixel's channels in the image, -1 in the padding) and `row`
// (offset in the patch matrix) for every tap of every output position of one row oh.
#define EACH_TAP(g, oh, body) \
    for (int64_t ow = 0; ow < g->ow; ow++) \
        for (int64_t kh = 0; kh < g->kh; kh++) \
            for (int64_t kw = 0; kw < g->kw; kw++) { \
                const int64_t ih = source(oh, kh, g->stride_h, g->pad_h, g->dilation_h, g->h); \
                const int64_t iw = source(ow, kw, g->stride_w, g->pad_w, g->dilation_w, g->w); \
                const int64_t from = ih < 0 || iw < 0 ? -1 : (ih * g->w + iw) * g->ci; \
                const int64_t row = (oh * g->ow + ow) * depth(g) + (kh * g->kw + kw) * per_group; \
                body \
            }

// One group of one image: x points at the group's first channel.
static void gather(const lt_conv_geometry *g, float *patches, const float *x)
{
    const int64_t per_group = g->ci / g->groups;
#pragma omp parallel for num_threads(lt_team(g->oh * g->ow * depth(g)))
    for (int64_t oh = 0; oh < g->oh; oh++)
        EACH_TAP(g, oh, {
            if (from < 0) memset(patches + row, 0, per_group * sizeof(float));
            else memcpy(patches + row, x + from, per_group * sizeof(float));
        })
}

static void scatter(const lt_conv_geometry *g, float *x, const float *patches)
{
    const int64_t per_group = g->ci / g->groups;
    for (int64_t oh = 0; oh < g->oh; oh++)  // patches overlap: one thread
        EACH_TAP(g, oh, {
            if (from >= 0)
                for (int64_t c = 0; c < per_group; c++) x[from + c] += patches[row + c];
        })
}

// Weights (co, ci/groups, kh, kw) to rows of patches (co, kh, kw, ci/groups), and back.
static void turn_weights(const lt_conv_geometry *g, float *to, const float *from, bool back)
{
    const int64_t ci = g->ci / g->groups, k = g->kh * g->kw;
    for (int64_t o = 0; o < g->co; o++)
        for (int64_t c = 0; c < ci; c++)
            for (int64_t i = 0; i < k; i++) {
                const int64_t plain = (o * ci + c) * k + i, turned = (o * k + i) * ci + c;
                if (back) to[plain] = from[turned];
                else to[turned] = from[plain];
            }
}

typedef struct { float *patches, *w; } buffers;

static lt_status make_buffers(buffers *b, const lt_conv_geometry *g)
{
    b->patches = lt_alloc(g->oh * g->ow * depth(g) * 4 + 4);
    b->w = lt_alloc(g->co * depth(g) * 4 + 4);
    return b->patches && b->w ? LT_OK : LT_ERR_MEMORY;
}

static void free_buffers(buffers *b)
{
    lt_free(b->patches);
    lt_free(b->w);
}

lt_status lt_patches_forward(const lt_conv_geometry *g, float *y, const float *x, const float *w,
                             const float *bias)
{
    const int64_t pixels = g->oh * g->ow, ci = g->ci / g->groups, co = g->co / g->groups;
    buffers b;
    lt_status status = make_buffers(&b, g);
    if (status == LT_OK) turn_weights(g, b.w, w, false);
    for (int64_t i = 0; i < g->n && status == LT_OK; i++)
        for (int64_t q = 0; q < g->groups; q++) {
            float *out = y + i * pixels * g->co + q * co;
            gather(g, b.patches, x + i * g->h * g->w * g->ci + q * ci);
            lt_sgemm(false, true, pixels, co, depth(g), b.patches, depth(g),
                     b.w + q * co * depth(g), depth(g), 0, out, g->co);
            for (int64_t p = 0; bias && p < pixels; p++)
                for (int64_t c = 0; c < co; c++) out[p * g->co + c] += bias[q * co + c];
        }
    free_buffers(&b);
    return status;
}

lt_status lt_patches_backward_data(const lt_conv_geometry *g, float *dx, const float *dy,
                                   const float *w)
{
    const int64_t pixels = g->oh * g->ow, ci = g->ci / g->groups, co = g->co / g->groups;
    buffers b;
    lt_status status = make_buffers(&b, g);
    if (status == LT_OK) {
        turn_weights(g, b.w, w, false);
        memset(dx, 0, (size_t)(g->n * g->h * g->w * g->ci) * sizeof(float));
    }
    for (int64_t i = 0; i < g->n && status == LT_OK; i++)
        for (int64_t q = 0; q < g->groups; q++) {
            lt_sgemm(false, false, pixels, depth(g), co, dy + i * pixels * g->co + q * co, g->co,
                     b.w + q * co * depth(g), depth(g), 0, b.patches, depth(g));
            scatter(g, dx + i * g->h * g->w * g->ci + q * ci, b.patches);
        }
    free_buffers(&b);
    return status;
}

lt_status lt_patches_backward_weights(const lt_conv_geometry *g, float *dw, const float *x,
                                      const float *dy)
{
    const int64_t pixels = g->oh * g->ow, ci = g->ci / g->groups, co = g->co / g->groups;
    buffers b;
    lt_status status = make_buffers(&b, g);
    for (int64_t i = 0; i < g->n && status == LT_OK; i++)
        for (int64_t q = 0; q < g->groups; q++) {
            gather(g, b.patches, x + i * g->h * g->w * g->ci + q * ci);
            lt_sgemm(true, false, co, depth(g), pixels, dy + i * pixels * g->co + q * co, g->co,
                     b.patches, depth(g), i > 0, b.w + q * co * depth(g), depth(g));
        }
    if (status == LT_OK) turn_weights(g, dw, b.w, true);
    free_buffers(&b);
    return status;
}
