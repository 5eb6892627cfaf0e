// stream: a chain of layers that runs a frame at a time, all of them in one call: inference as the
// audio thread of a plugin asks for it, with what recurrent layers and convolutions remember.
//
// A frame of such a chain is one row times matrices that lie in the cache: what would be around it,
// a tensor for every layer's result, costs more than the arithmetic. Here results go to and fro
// between two rooms, and weights are panels (decoder.h, stream_fixed.h) one behind the other in the
// order in which they are read.
#include "recurrent.h"
#include "stream_fixed.h"
#include "../scalar/vmath.h"

typedef struct {
    lt_tensor y, state, x, weights, vectors;
    const lt_stream_layer *layers;
    int32_t count, fixed;
} stream_args;

enum { MOST_LAYERS = 4096, MOST_NUMBERS = 65536 }; // products of three of these stay below 2^60

// Elements of a layer: weights, vectors, what it remembers, and the room that it computes in.
typedef struct {
    int64_t weights, vectors, state, room;
} amounts;

static const recurrent_cell *cell_of(const lt_stream_layer *l)
{
    return l->kind == LT_STREAM_LSTM ? &lstm_cell : &gru_cell;
}

// Frames that a convolution remembers, this one included.
static int64_t reach_of(const lt_stream_layer *l)
{
    return (int64_t)(l->kernel - 1) * l->dilation + 1;
}

// Weights of a matrix; fixed ones come in pairs of inputs.
static int64_t matrix_of(int64_t out, int64_t in, bool fixed)
{
    return out * panel_deep(in, fixed);
}

static amounts amounts_of(const lt_stream_layer *l, bool fixed)
{
    int64_t in = l->inputs, out = panel_round(l->outputs), gates;
    switch (l->kind) {
    case LT_STREAM_DENSE: return (amounts){matrix_of(out, in, fixed), 2 * out, 0, 0};
    case LT_STREAM_CONV:
        in *= l->kernel;
        return (amounts){matrix_of(out, in, fixed), 2 * out,
                         PANEL + panel_round(l->inputs * reach_of(l)), panel_round(in)};
    case LT_STREAM_LSTM:
    case LT_STREAM_GRU:
        gates = panel_round((int64_t)cell_of(l)->gates * l->outputs);
        return (amounts){matrix_of(gates, in, fixed) + matrix_of(gates, l->outputs, fixed),
                         4 * gates, 2 * out, gates + panel_round(RECURRENT_WIDTH * l->outputs)};
    case LT_STREAM_NORM: return (amounts){0, 3 * out, 0, 0};
    case LT_STREAM_PRELU: return (amounts){0, out, 0, 0};
    default: return (amounts){0, 0, 0, 0};
    }
}

// ---- layers ------------------------------------------------------------------------------------

// Where the next layer's numbers are.
typedef struct {
    const void *w;
    const float *v;
    float *state, *room;
    bool fixed;
} place;

// y (outputs, rounded up) <- x (inputs) times the next panels and, with_bias, the bias behind their
// scales, which is returned.
static const float *product(place *p, float *y, const float *x, int64_t inputs, int64_t outputs,
                            bool with_bias)
{
    int64_t out = panel_round(outputs);
    const float *scales = p->v, *bias = p->v + out;
    if (with_bias)
        memcpy(y, bias, sizeof(float) * (size_t)out);
    else
        memset(y, 0, sizeof(float) * (size_t)out);
    if (p->fixed)
        digits_times(y, x, inputs, p->w, out / PANEL, scales);
    else
        panel_times((panel_x){.x = x, .rows = 1, .k = inputs}, y, 0, p->w, inputs * PANEL,
                    out / PANEL, (panel_end){scales, true});
    p->w = panel_at(p->w, matrix_of(out, inputs, p->fixed), p->fixed);
    p->v += 2 * out;
    return bias;
}

// The state is the number of the oldest frame, then a ring of frames.
static void convolve(place *p, const lt_stream_layer *l, float *y, const float *x)
{
    int64_t n = l->inputs, reach = reach_of(l);
    int64_t now = p->state[0] >= 0 && p->state[0] < (float)reach ? (int64_t)p->state[0] : 0;
    float *ring = p->state + PANEL, *window = p->room;
    memcpy(ring + now * n, x, sizeof(float) * (size_t)n);
    now = now + 1 < reach ? now + 1 : 0;
    for (int64_t k = 0, at = now; k < l->kernel; k++, at = (at + l->dilation) % reach)
        memcpy(window + k * n, ring + at * n, sizeof(float) * (size_t)n);
    p->state[0] = (float)now;
    product(p, y, window, l->kernel * n, l->outputs, true);
}

static void recur(place *p, const lt_stream_layer *l, float *y, const float *x)
{
    const recurrent_cell *cell = cell_of(l);
    int64_t H = l->outputs, gates = (int64_t)cell->gates * H;
    float *h = p->state, *c = h + panel_round(H), *rec = p->room, *saved = rec + panel_round(gates);
    const float *bias_x = product(p, saved, x, l->inputs, gates, false);
    const float *bias_h = product(p, rec, h, H, gates, false);
    cell->forward(H, saved, rec, bias_x, bias_h, h, c, h, c);
    memcpy(y, h, sizeof(float) * (size_t)H);
}

static void softmax(float *x, int64_t n)
{
    float top = -INFINITY, sum = 0;
#pragma omp simd reduction(max : top)
    for (int64_t i = 0; i < n; i++) top = x[i] > top ? x[i] : top;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) sum += x[i] = vm_exp(x[i] - top);
    for (int64_t i = 0; i < n; i++) x[i] /= sum;
}

#define EACH(value) _Pragma("omp simd") for (int64_t i = 0; i < n; i++) x[i] = (value)

// Layers that give as many numbers as they take, in place; what is there up to whole sixteens may
// change as well.
static void change(const lt_stream_layer *l, float *x, const float *v)
{
    const int64_t n = panel_round(l->outputs);
    const float k = l->alpha;
    switch (l->kind) {
    case LT_STREAM_NORM: EACH((x[i] - v[i]) * v[n + i] + v[2 * n + i]); break;
    case LT_STREAM_PRELU: EACH(x[i] >= 0 ? x[i] : x[i] * v[i]); break;
    case LT_STREAM_RELU: EACH(x[i] < 0 ? 0 : x[i]); break;
    case LT_STREAM_TANH: EACH(vm_tanh(x[i])); break;
    case LT_STREAM_SIGMOID: EACH(vm_sigmoid(x[i])); break;
    case LT_STREAM_ELU: EACH(x[i] > 0 ? x[i] : k * vm_expm1(x[i])); break;
    case LT_STREAM_SILU: EACH(x[i] * vm_sigmoid(x[i])); break;
    case LT_STREAM_GELU: EACH(x[i] * vm_normal_cdf(x[i])); break;
    default: softmax(x, l->outputs);
    }
}

// ---- the op ------------------------------------------------------------------------------------

static int64_t widest(const lt_stream_layer *l, int32_t count)
{
    int64_t most = l[0].inputs;
    for (int32_t i = 0; i < count; i++) most = l[i].outputs > most ? l[i].outputs : most;
    return panel_round(most);
}

// One frame. The state begins with two rooms `wide` apart for results and the room of layers.
static void run_frame(const stream_args *a, int64_t wide, int64_t room, float *y, const float *x)
{
    float *now = lt_f32(&a->state), *next = now + wide;
    float *rooms = next + wide;
    place p = {lt_data(&a->weights), lt_f32(&a->vectors), rooms + room, rooms, a->fixed};
    memcpy(now, x, sizeof(float) * (size_t)a->layers[0].inputs);
    for (int32_t i = 0; i < a->count; i++) {
        const lt_stream_layer *l = a->layers + i;
        const amounts n = amounts_of(l, a->fixed);
        if (n.weights == 0) {
            change(l, now, p.v);
            p.v += n.vectors;
            continue;
        }
        if (l->kind == LT_STREAM_DENSE)
            product(&p, next, now, l->inputs, l->outputs, true);
        else if (l->kind == LT_STREAM_CONV)
            convolve(&p, l, next, now);
        else
            recur(&p, l, next, now);
        p.state += n.state;
        float *other = now;
        now = next;
        next = other;
    }
    memcpy(y, now, sizeof(float) * (size_t)a->layers[a->count - 1].outputs);
}

// All layers together; room: the largest.
static amounts total_of(const lt_stream_layer *layers, int32_t count, bool fixed)
{
    amounts sum = {0};
    for (int32_t i = 0; i < count; i++) {
        amounts n = amounts_of(layers + i, fixed);
        sum.weights += n.weights;
        sum.vectors += n.vectors;
        sum.state += n.state;
        sum.room = n.room > sum.room ? n.room : sum.room;
    }
    return sum;
}

static lt_status stream_cpu(const void *args)
{
    const stream_args *a = args;
    int64_t wide = widest(a->layers, a->count);
    int64_t room = total_of(a->layers, a->count, a->fixed).room;
    int64_t in = a->layers[0].inputs, out = a->layers[a->count - 1].outputs;
    for (int64_t t = 0, frames = lt_numel(&a->x) / in; t < frames && !lt_interrupted(); t++)
        run_frame(a, wide, room, lt_f32(&a->y) + t * out, lt_f32(&a->x) + t * in);
    return LT_OK;
}

static lt_status check_layers(const lt_stream_layer *layers, int32_t count)
{
    LT_REQUIRE(layers && count >= 1 && count <= MOST_LAYERS, LT_ERR_ARGUMENT,
               "stream: %d layers, wanted 1 to %d", count, MOST_LAYERS);
    for (int32_t i = 0; i < count; i++) {
        const lt_stream_layer *l = layers + i;
        bool conv = l->kind == LT_STREAM_CONV, keeps = l->kind >= LT_STREAM_NORM;
        LT_REQUIRE(l->kind >= 0 && l->kind < LT_STREAM_KINDS, LT_ERR_ARGUMENT,
                   "stream: layer %d is of kind %d of %d", i, l->kind, LT_STREAM_KINDS);
        LT_REQUIRE(l->inputs >= 1 && l->inputs <= MOST_NUMBERS && l->outputs >= 1 &&
                       l->outputs <= MOST_NUMBERS && (!keeps || l->inputs == l->outputs),
                   LT_ERR_ARGUMENT, "stream: layer %d makes %d numbers of %d", i, l->outputs,
                   l->inputs);
        LT_REQUIRE(i == 0 || l->inputs == l[-1].outputs, LT_ERR_ARGUMENT,
                   "stream: layer %d takes %d numbers, the one before gives %d", i, l->inputs,
                   l[-1].outputs);
        LT_REQUIRE(!conv || (l->kernel >= 1 && l->kernel <= MOST_NUMBERS && l->dilation >= 1 &&
                             reach_of(l) <= 1 << 24),
                   LT_ERR_ARGUMENT, "stream: layer %d has a kernel of %d with dilation %d", i,
                   l->kernel, l->dilation);
    }
    return LT_OK;
}

static int64_t state_of(const lt_stream_layer *layers, int32_t count, const amounts *total)
{
    return 2 * widest(layers, count) + total->room + total->state;
}

static lt_status check_count(const char *name, const lt_tensor *t, int32_t dtype, int64_t count)
{
    LT_TRY(lt_check_dtype("stream", name, t, dtype));
    LT_TRY(lt_check_contiguous("stream", name, t));
    LT_REQUIRE(lt_numel(t) == count, LT_ERR_ARGUMENT, "stream: %s is %s, wanted %lld elements",
               name, LT_SHAPE(t), (long long)count);
    LT_REQUIRE((uintptr_t)lt_data(t) % LT_ALIGN == 0 || dtype != LT_U8, LT_ERR_ARGUMENT,
               "stream: %s must begin at a multiple of %d bytes", name, LT_ALIGN);
    return LT_OK;
}

static lt_status stream_check(const void *args)
{
    const stream_args *a = args;
    LT_TRY(check_layers(a->layers, a->count));
    amounts total = total_of(a->layers, a->count, a->fixed);
    int64_t in = a->layers[0].inputs, out = a->layers[a->count - 1].outputs, n = lt_numel(&a->x);
    LT_REQUIRE(n % in == 0 && a->x.ndim >= 1 && a->x.shape[a->x.ndim - 1] == in, LT_ERR_ARGUMENT,
               "stream: x is %s, the model takes %lld numbers a frame", LT_SHAPE(&a->x),
               (long long)in);
    LT_TRY(check_count("x", &a->x, LT_F32, n));
    LT_TRY(check_count("y", &a->y, LT_F32, n / in * out));
    LT_TRY(check_count("state", &a->state, LT_F32, state_of(a->layers, a->count, &total)));
    LT_TRY(check_count("weights", &a->weights, LT_U8, total.weights * panel_bytes(a->fixed)));
    return check_count("vectors", &a->vectors, LT_F32, total.vectors);
}

LT_OP(stream, "y state; x weights vectors", stream_check, stream_cpu)

lt_status lt_stream(lt_tensor *y, lt_tensor *state, const lt_tensor *x, const lt_tensor *weights,
                    const lt_tensor *vectors, const lt_stream_layer *layers, int32_t count,
                    bool fixed)
{
    stream_args a = {*y, *state, *x, *weights, *vectors, layers, count, fixed};
    return lt_run(&stream_op, &a);
}

lt_status lt_stream_state(int64_t *numbers, const lt_stream_layer *layers, int32_t count)
{
    LT_TRY(check_layers(layers, count));
    amounts total = total_of(layers, count, false);
    *numbers = state_of(layers, count, &total);
    return LT_OK;
}
