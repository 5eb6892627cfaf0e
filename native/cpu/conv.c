// conv: convolutions and transposed convolutions of sequences and images, forward and backward. Each
// geometry goes to the fastest of several ways (tests/bench/NOTES.md has the measurements).
#include "cpu/conv.h"

#include "cpu/blas.h"

typedef struct { lt_tensor y, x, w, bias; lt_conv_options o; } conv_args;
typedef struct { lt_tensor dx, dw, db, dy, x, w; lt_conv_options o; } conv_backward_args;

// ---- geometry ----------------------------------------------------------------------------------
static int64_t spatial(const lt_tensor *t, int d)
{
    return t->ndim == 3 ? (d == 0 ? 1 : t->shape[2]) : t->shape[2 + d];
}

// x and y as the forward convolution sees them: for a transposed one they change places.
static lt_conv_geometry geometry(const lt_tensor *x, const lt_tensor *y, const lt_tensor *w,
                                 const lt_conv_options *o)
{
    const bool sequence = x->ndim == 3;
    return (lt_conv_geometry){
        .n = x->shape[0], .groups = o->groups, .ci = x->shape[1], .co = y->shape[1],
        .h = spatial(x, 0), .w = spatial(x, 1), .oh = spatial(y, 0), .ow = spatial(y, 1),
        .kh = spatial(w, 0), .kw = spatial(w, 1),
        .stride_h = sequence ? 1 : o->stride[0], .stride_w = o->stride[1],
        .pad_h = sequence ? 0 : o->padding[0], .pad_w = o->padding[1],
        .dilation_h = sequence ? 1 : o->dilation[0], .dilation_w = o->dilation[1],
        .dtype = x->dtype,
    };
}

static lt_status check_tensor(const char *op, const char *name, const lt_tensor *t, int32_t ndim,
                              int32_t dtype)
{
    LT_TRY(lt_check_dtype(op, name, t, dtype));
    LT_REQUIRE(t->ndim == ndim, LT_ERR_ARGUMENT, "%s: %s is %s, wanted %d dimensions", op, name,
               LT_SHAPE(t), ndim);
    LT_REQUIRE(lt_is_channels_last(t), LT_ERR_ARGUMENT, "%s: %s %s must lie channels-last", op, name,
               LT_SHAPE(t));
    return LT_OK;
}

// big and small: the sides with more and fewer positions (x and y of a plain convolution). `names`
// are those the caller knows them by.
static lt_status check_geometry(const char *op, const lt_tensor *big, const lt_tensor *small,
                                const lt_tensor *w, const lt_conv_options *o, bool transposed)
{
    LT_REQUIRE(big->ndim == 3 || big->ndim == 4, LT_ERR_ARGUMENT,
               "%s: input has %d dimensions, wanted (N, C, T) or (N, C, H, W)", op, big->ndim);
    LT_TRY(lt_check_float(op, "input", big));
    LT_TRY(check_tensor(op, transposed ? "y" : "input", big, big->ndim, big->dtype));
    LT_TRY(check_tensor(op, transposed ? "input" : "y", small, big->ndim, big->dtype));
    LT_TRY(lt_check_dtype(op, "weight", w, LT_F32));
    LT_TRY(lt_check_contiguous(op, "weight", w));
    LT_REQUIRE(w->ndim == big->ndim, LT_ERR_ARGUMENT, "%s: weight is %s for an input with %d "
               "dimensions", op, LT_SHAPE(w), big->ndim);
    LT_REQUIRE(o->groups >= 1 && big->shape[1] % o->groups == 0 && small->shape[1] % o->groups == 0,
               LT_ERR_ARGUMENT, "%s: %lld groups do not divide %lld and %lld channels", op,
               (long long)o->groups, (long long)big->shape[1], (long long)small->shape[1]);
    LT_REQUIRE(w->shape[1] * o->groups == big->shape[1] && w->shape[0] == small->shape[1],
               LT_ERR_ARGUMENT, "%s: input is %s: %lld channels, weight %s with %lld groups expects "
               "%lld", op, LT_SHAPE(transposed ? small : big),
               (long long)(transposed ? small : big)->shape[1], LT_SHAPE(w), (long long)o->groups,
               (long long)(transposed ? w->shape[0] : w->shape[1] * o->groups));
    LT_REQUIRE(big->shape[0] == small->shape[0], LT_ERR_ARGUMENT, "%s: batch sizes %lld and %lld", op,
               (long long)big->shape[0], (long long)small->shape[0]);
    for (int d = big->ndim == 3 ? 1 : 0; d < 2; d++) {
        const int64_t k = spatial(w, d), reach = o->dilation[d] * (k - 1) + 1;
        LT_REQUIRE(o->stride[d] >= 1 && o->dilation[d] >= 1 && o->padding[d] >= 0 && k >= 1,
                   LT_ERR_ARGUMENT, "%s: stride and dilation are from 1, padding from 0", op);
        const int64_t room = spatial(big, d) + 2 * o->padding[d] - reach;
        LT_REQUIRE(room >= 0 && room / o->stride[d] + 1 == spatial(small, d), LT_ERR_ARGUMENT,
                   "%s: input %s, weight %s, stride %lld, padding %lld, dilation %lld do not give %s",
                   op, LT_SHAPE(transposed ? small : big), LT_SHAPE(w), (long long)o->stride[d],
                   (long long)o->padding[d], (long long)o->dilation[d],
                   LT_SHAPE(transposed ? big : small));
    }
    return LT_OK;
}

static lt_status check_bias(const char *op, const lt_tensor *bias, int64_t channels)
{
    if (!lt_present(bias)) return LT_OK;
    LT_TRY(lt_check_dtype(op, "bias", bias, LT_F32));
    LT_REQUIRE(bias->ndim == 1 && bias->shape[0] == channels, LT_ERR_ARGUMENT,
               "%s: bias is %s for %lld channels", op, LT_SHAPE(bias), (long long)channels);
    return lt_check_contiguous(op, "bias", bias);
}

// ---- the ways ----------------------------------------------------------------------------------
// A kernel of one element is a matrix product over the positions. Where that would be OpenBLAS's (no
// AVX-512), oneDNN's convolution is faster: the product is long and thin.
static bool is_product(const lt_conv_geometry *g)
{
    return (lt_dnn_blocked() || !lt_dnn_available()) && g->kh == 1 && g->kw == 1 && g->groups == 1
        && g->stride_h == 1 && g->stride_w == 1 && g->pad_h == 0 && g->pad_w == 0;
}

static void add_bias(float *y, const float *bias, int64_t rows, int64_t n)
{
    if (!bias) return;
#pragma omp parallel for num_threads(lt_team(rows * n))
    for (int64_t i = 0; i < rows; i++) {
#pragma omp simd
        for (int64_t j = 0; j < n; j++) y[i * n + j] += bias[j];
    }
}

// Winograd's way, unless LT_WINOGRAD=off is in the environment. It takes bf16 too, where the processor
// does not multiply that faster.
static bool takes_winograd(const lt_conv_geometry *g)
{
    static int allowed = -1;  // every thread finds the same
    if (allowed < 0) {
        const char *wish = getenv("LT_WINOGRAD");
        allowed = !(wish && !strcmp(wish, "off"));
    }
    return allowed && lt_winograd_fits(g) && (g->dtype == LT_F32 || !lt_dnn_bf16_fast());
}

static lt_status forward_f32(const lt_conv_geometry *g, float *y, const float *x, const float *w,
                             const float *bias)
{
    const int64_t rows = g->n * g->oh * g->ow;
    if (is_product(g)) {
        lt_sgemm(false, true, rows, g->co, g->ci, x, g->ci, w, g->ci, 0, y, g->co);
        add_bias(y, bias, rows, g->co);
        return LT_OK;
    }
    if (lt_dnn_available()) {
        lt_status s = lt_dnn_conv_forward(g, y, x, w, bias, false);
        if (s != LT_ERR_DEVICE) return s;
    }
    return lt_patches_forward(g, y, x, w, bias);
}

static lt_status backward_data_f32(const lt_conv_geometry *g, float *dx, const float *dy,
                                   const float *w)
{
    if (is_product(g)) {
        lt_sgemm(false, false, g->n * g->oh * g->ow, g->ci, g->co, dy, g->co, w, g->ci, 0, dx, g->ci);
        return LT_OK;
    }
    if (lt_dnn_available()) {
        lt_status s = lt_dnn_conv_backward_data(g, dx, dy, w);
        if (s != LT_ERR_DEVICE) return s;
    }
    return lt_patches_backward_data(g, dx, dy, w);
}

static lt_status backward_weights_f32(const lt_conv_geometry *g, float *dw, const float *x,
                                      const float *dy)
{
    if (is_product(g)) {
        lt_sgemm(true, false, g->co, g->ci, g->n * g->oh * g->ow, dy, g->co, x, g->ci, 0, dw, g->ci);
        return LT_OK;
    }
    if (lt_dnn_available()) {
        lt_status s = lt_dnn_conv_backward_weights(g, dw, x, dy);
        if (s != LT_ERR_DEVICE) return s;
    }
    return lt_patches_backward_weights(g, dw, x, dy);
}

// ---- bf16 --------------------------------------------------------------------------------------
static void widen(float *to, const lt_bf16 *from, int64_t n)
{
#pragma omp parallel for simd num_threads(lt_team(n))
    for (int64_t i = 0; i < n; i++) to[i] = lt_bf16_to_f32(from[i]);
}

static void narrow(lt_bf16 *to, const float *from, int64_t n)
{
#pragma omp parallel for simd num_threads(lt_team(n))
    for (int64_t i = 0; i < n; i++) to[i] = lt_f32_to_bf16(from[i]);
}

static int64_t x_numel(const lt_conv_geometry *g) { return g->n * g->h * g->w * g->ci; }
static int64_t y_numel(const lt_conv_geometry *g) { return g->n * g->oh * g->ow * g->co; }

typedef enum { FORWARD, DATA, WEIGHTS } pass;

// Any of the three passes on bf16 activations in f32 arithmetic. a and b are the two activations,
// whichever of them is the input is converted, the other stored.
static lt_status in_f32(pass pass, const lt_conv_geometry *g, void *y, void *x, const float *w,
                        const float *bias, float *dw)
{
    lt_conv_geometry wide = *g;
    wide.dtype = LT_F32;
    float *xf = lt_alloc(x_numel(g) * 4 + 4), *yf = lt_alloc(y_numel(g) * 4 + 4);
    lt_status status = xf && yf ? LT_OK : LT_ERR_MEMORY;
    if (status == LT_OK && pass != DATA) widen(xf, x, x_numel(g));
    if (status == LT_OK && pass != FORWARD) widen(yf, y, y_numel(g));
    if (status == LT_OK && pass == FORWARD) status = forward_f32(&wide, yf, xf, w, bias);
    if (status == LT_OK && pass == DATA) status = backward_data_f32(&wide, xf, yf, w);
    if (status == LT_OK && pass == WEIGHTS) status = backward_weights_f32(&wide, dw, xf, yf);
    if (status == LT_OK && pass == FORWARD) narrow(y, yf, y_numel(g));
    if (status == LT_OK && pass == DATA) narrow(x, xf, x_numel(g));
    lt_free(xf);
    lt_free(yf);
    return status;
}

static lt_status forward(const lt_conv_geometry *g, void *y, const void *x, const float *w,
                         const float *bias)
{
    if (lt_depthwise_fits(g)) return lt_depthwise_forward(g, y, x, w, bias);
    if (takes_winograd(g)) return lt_winograd_forward(g, y, x, w, bias);
    if (g->dtype == LT_F32) return forward_f32(g, y, x, w, bias);
    if (lt_dnn_bf16_fast()) {
        lt_status s = lt_dnn_conv_forward(g, y, x, w, bias, false);
        if (s != LT_ERR_DEVICE) return s;
    }
    return in_f32(FORWARD, g, y, (void *)x, w, bias, NULL);
}

static lt_status backward_data(const lt_conv_geometry *g, void *dx, const void *dy, const float *w)
{
    if (lt_depthwise_fits(g)) return lt_depthwise_backward_data(g, dx, dy, w);
    if (takes_winograd(g)) return lt_winograd_backward_data(g, dx, dy, w);
    if (g->dtype == LT_F32) return backward_data_f32(g, dx, dy, w);
    if (lt_dnn_bf16_fast()) {
        lt_status s = lt_dnn_conv_backward_data(g, dx, dy, w);
        if (s != LT_ERR_DEVICE) return s;
    }
    return in_f32(DATA, g, (void *)dy, dx, w, NULL, NULL);
}

static lt_status backward_weights(const lt_conv_geometry *g, float *dw, const void *x,
                                  const void *dy)
{
    if (lt_depthwise_fits(g)) return lt_depthwise_backward_weights(g, dw, x, dy);
    if (takes_winograd(g)) return lt_winograd_backward_weights(g, dw, x, dy);
    if (g->dtype == LT_F32) return backward_weights_f32(g, dw, x, dy);
    if (lt_dnn_bf16_fast()) {
        lt_status s = lt_dnn_conv_backward_weights(g, dw, x, dy);
        if (s != LT_ERR_DEVICE) return s;
    }
    return in_f32(WEIGHTS, g, (void *)dy, (void *)x, NULL, NULL, dw);
}

static void zero(const lt_tensor *t)
{
    if (lt_present(t)) memset(lt_data(t), 0, (size_t)(lt_numel(t) * lt_dtype_size(t->dtype)));
}

// ---- conv --------------------------------------------------------------------------------------
static lt_status conv_check(const void *args)
{
    const conv_args *p = args;
    LT_TRY(check_geometry("conv", &p->x, &p->y, &p->w, &p->o, false));
    return check_bias("conv", &p->bias, p->y.shape[1]);
}

static lt_status conv_cpu(const void *args)
{
    const conv_args *p = args;
    const lt_conv_geometry g = geometry(&p->x, &p->y, &p->w, &p->o);
    if (lt_numel(&p->y) == 0) return LT_OK;
    return forward(&g, lt_data(&p->y), lt_data(&p->x), lt_f32(&p->w),
                   lt_present(&p->bias) ? lt_f32(&p->bias) : NULL);
}

LT_OP(conv, "y; x weight bias?", conv_check, conv_cpu)

lt_status lt_conv(lt_tensor *y, const lt_tensor *x, const lt_tensor *weight, const lt_tensor *bias,
                  const lt_conv_options *options)
{
    conv_args args = {*y, *x, *weight, lt_optional(bias), *options};
    return lt_run(&conv_op, &args);
}

static lt_status check_gradients(const char *op, const conv_backward_args *p)
{
    if (lt_present(&p->dx)) {
        LT_TRY(check_tensor(op, "dx", &p->dx, p->x.ndim, p->x.dtype));
        LT_TRY(lt_check_same_shape(op, "dx", &p->dx, "x", &p->x));
    }
    if (lt_present(&p->dw)) {
        LT_TRY(lt_check_dtype(op, "dweight", &p->dw, LT_F32));
        LT_TRY(lt_check_same_shape(op, "dweight", &p->dw, "weight", &p->w));
        LT_TRY(lt_check_contiguous(op, "dweight", &p->dw));
    }
    return check_bias(op, &p->db, p->dy.shape[1]);
}

static lt_status bias_gradient(const conv_backward_args *p)
{
    if (!lt_present(&p->db)) return LT_OK;
    const int64_t n = p->dy.shape[1];
    return lt_column_sums(lt_f32(&p->db), lt_data(&p->dy), p->dy.dtype, lt_numel(&p->dy) / n, n);
}

// No sample, no gradient: true where dy is empty.
static bool zero_for_empty(const conv_backward_args *p)
{
    if (lt_numel(&p->dy) > 0) return false;
    zero(&p->dx);
    zero(&p->dw);
    zero(&p->db);
    return true;
}

static lt_status conv_backward_check(const void *args)
{
    const conv_backward_args *p = args;
    LT_TRY(check_geometry("conv_backward", &p->x, &p->dy, &p->w, &p->o, false));
    return check_gradients("conv_backward", p);
}

static lt_status conv_backward_cpu(const void *args)
{
    const conv_backward_args *p = args;
    const lt_conv_geometry g = geometry(&p->x, &p->dy, &p->w, &p->o);
    if (zero_for_empty(p)) return LT_OK;
    LT_TRY(bias_gradient(p));
    if (lt_present(&p->dw))
        LT_TRY(backward_weights(&g, lt_f32(&p->dw), lt_data(&p->x), lt_data(&p->dy)));
    if (lt_present(&p->dx))
        LT_TRY(backward_data(&g, lt_data(&p->dx), lt_data(&p->dy), lt_f32(&p->w)));
    return LT_OK;
}

LT_OP(conv_backward, "dx? dweight? dbias?; dy x weight", conv_backward_check, conv_backward_cpu)

lt_status lt_conv_backward(lt_tensor *dx, lt_tensor *dweight, lt_tensor *dbias, const lt_tensor *dy,
                           const lt_tensor *x, const lt_tensor *weight,
                           const lt_conv_options *options)
{
    conv_backward_args args = {lt_optional(dx), lt_optional(dweight), lt_optional(dbias), *dy, *x,
                               *weight, *options};
    return lt_run(&conv_backward_op, &args);
}

// ---- conv_transpose: the gradient of a convolution as a layer of its own ------------------------
static lt_status conv_transpose_check(const void *args)
{
    const conv_args *p = args;
    LT_TRY(check_geometry("conv_transpose", &p->y, &p->x, &p->w, &p->o, true));
    return check_bias("conv_transpose", &p->bias, p->y.shape[1]);
}

static void add_bias_any(const lt_tensor *y, const lt_tensor *bias)
{
    if (!lt_present(bias)) return;
    const int64_t n = y->shape[1], rows = lt_numel(y) / n;
    if (y->dtype == LT_F32) {
        add_bias(lt_f32(y), lt_f32(bias), rows, n);
        return;
    }
    lt_bf16 *v = lt_data(y);
    const float *b = lt_f32(bias);
#pragma omp parallel for num_threads(lt_team(rows * n))
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < n; j++)
            v[i * n + j] = lt_f32_to_bf16(lt_bf16_to_f32(v[i * n + j]) + b[j]);
}

static lt_status conv_transpose_cpu(const void *args)
{
    const conv_args *p = args;
    const lt_conv_geometry g = geometry(&p->y, &p->x, &p->w, &p->o);
    if (lt_numel(&p->y) == 0) return LT_OK;
    LT_TRY(backward_data(&g, lt_data(&p->y), lt_data(&p->x), lt_f32(&p->w)));
    add_bias_any(&p->y, &p->bias);
    return LT_OK;
}

LT_OP(conv_transpose, "y; x weight bias?", conv_transpose_check, conv_transpose_cpu)

lt_status lt_conv_transpose(lt_tensor *y, const lt_tensor *x, const lt_tensor *weight,
                            const lt_tensor *bias, const lt_conv_options *options)
{
    conv_args args = {*y, *x, *weight, lt_optional(bias), *options};
    return lt_run(&conv_transpose_op, &args);
}

static lt_status conv_transpose_backward_check(const void *args)
{
    const conv_backward_args *p = args;
    LT_TRY(check_geometry("conv_transpose_backward", &p->dy, &p->x, &p->w, &p->o, true));
    return check_gradients("conv_transpose_backward", p);
}

static lt_status conv_transpose_backward_cpu(const void *args)
{
    const conv_backward_args *p = args;
    const lt_conv_geometry g = geometry(&p->dy, &p->x, &p->w, &p->o);
    if (zero_for_empty(p)) return LT_OK;
    LT_TRY(bias_gradient(p));
    if (lt_present(&p->dw))
        LT_TRY(backward_weights(&g, lt_f32(&p->dw), lt_data(&p->dy), lt_data(&p->x)));
    if (lt_present(&p->dx))
        LT_TRY(forward(&g, lt_data(&p->dx), lt_data(&p->dy), lt_f32(&p->w), NULL));
    return LT_OK;
}

LT_OP(conv_transpose_backward, "dx? dweight? dbias?; dy x weight", conv_transpose_backward_check,
      conv_transpose_backward_cpu)

lt_status lt_conv_transpose_backward(lt_tensor *dx, lt_tensor *dweight, lt_tensor *dbias,
                                     const lt_tensor *dy, const lt_tensor *x,
                                     const lt_tensor *weight, const lt_conv_options *options)
{
    conv_backward_args args = {lt_optional(dx), lt_optional(dweight), lt_optional(dbias), *dy, *x,
                               *weight, *options};
    return lt_run(&conv_transpose_backward_op, &args);
}
