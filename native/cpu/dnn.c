// dnn: everything luatrain asks of oneDNN, and the only file that knows it.
//
// The library is loaded when first needed (it is 39 MB) and only used when it is a 2.x: 3.0 removed
// the operation descriptors used here. Primitives are kept in a cache keyed by the shapes; their
// scratch memory comes from our allocator. A call that oneDNN cannot do returns LT_ERR_DEVICE. The
// environment variable LT_DNN=off does without the library.
#include "cpu/dnn.h"

#include <dlfcn.h>
#include <oneapi/dnnl/dnnl.h>
#include <omp.h>
#include <pthread.h>
#include <stdio.h>

#define FUNCTIONS(F) \
    F(version) F(set_primitive_cache_capacity) F(engine_create) F(stream_create) F(stream_wait) \
    F(memory_create) F(memory_destroy) F(memory_set_data_handle) F(memory_desc_init_by_tag) \
    F(memory_desc_init_by_strides) F(memory_desc_equal) F(memory_desc_get_size) \
    F(primitive_attr_create) F(primitive_attr_destroy) F(primitive_attr_set_scratchpad_mode) \
    F(primitive_attr_set_post_ops) F(post_ops_create) F(post_ops_destroy) \
    F(post_ops_append_eltwise) F(post_ops_append_sum) F(primitive_desc_create) F(primitive_desc_destroy) \
    F(primitive_desc_query) F(primitive_desc_query_md) F(primitive_create) F(primitive_destroy) F(primitive_execute) \
    F(reorder_primitive_desc_create) F(matmul_desc_init) \
    F(dilated_convolution_forward_desc_init) F(dilated_convolution_backward_data_desc_init) \
    F(dilated_convolution_backward_weights_desc_init)

#define POINTER(name) __typeof__(&dnnl_##name) name;
static struct { FUNCTIONS(POINTER) } dnn;
#undef POINTER

static bool available, bf16_fast;
static char library_name[64] = "none";
static dnnl_engine_t engine;
static dnnl_stream_t stream;
static pthread_once_t loaded = PTHREAD_ONCE_INIT;

static bool find_functions(void *library)
{
#define FIND(name) \
    dnn.name = (__typeof__(&dnnl_##name))dlsym(library, "dnnl_" #name); \
    if (!dnn.name) return false;
    FUNCTIONS(FIND)
#undef FIND
    return true;
}

// Intel's VDPBF16PS has half the multiply rate of its f32 FMA (measured on Emerald Rapids: 108
// against 215 GFLOP/s a core) unless the matrix unit is there; AMD's has twice it.
static bool processor_likes_bf16(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx512f")) return false;
    unsigned a = 7, b = 0, c = 0, d = 0;
    __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    if (d & (1u << 22)) return true;                     // AMX-BF16
    a = 7, c = 1;
    __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return (a & (1u << 5)) && __builtin_cpu_is("amd");   // AVX512_BF16
#else
    return false;
#endif
}

static void load(void)
{
    const char *wish = getenv("LT_DNN");
    void *library = wish && !strcmp(wish, "off") ? NULL : dlopen("libdnnl.so.2", RTLD_NOW);
    if (!library) return;
    if (!find_functions(library) || dnn.version()->major != 2
        || dnn.engine_create(&engine, dnnl_cpu, 0) != dnnl_success
        || dnn.stream_create(&stream, engine, dnnl_stream_default_flags) != dnnl_success) {
        dlclose(library);
        return;
    }
    const dnnl_version_t *v = dnn.version();
    snprintf(library_name, sizeof library_name, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
    dnn.set_primitive_cache_capacity(0);  // ours is enough
    bf16_fast = processor_likes_bf16();
    available = true;
}

bool lt_dnn_available(void)
{
    pthread_once(&loaded, load);
    return available;
}

const char *lt_dnn_name(void)
{
    pthread_once(&loaded, load);
    return library_name;
}

bool lt_dnn_bf16_fast(void)
{
    return lt_dnn_available() && bf16_fast;
}

bool lt_dnn_blocked(void)
{
#if defined(__x86_64__)
    return lt_dnn_available() && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")
           && __builtin_cpu_supports("avx512vl");
#else
    return false;
#endif
}

// ---- primitives, cached by shape ---------------------------------------------------------------
typedef enum kind { FORWARD, BACKWARD_DATA, BACKWARD_WEIGHTS, MATMUL } kind;

typedef struct key {
    int64_t kind, options, threads;
    lt_conv_geometry geometry;  // a product keeps its sizes and leading dimensions in here too
} key;

// Memory objects of a call, with what they stand for. Those of an entry are used again (making them costs
// as much as a small product) unless another thread is using them; `busy` says so.
typedef struct memories {
    dnnl_exec_arg_t args[8];
    int n;
    bool busy;
} memories;

// weights_plain is the layout of the caller's weights, weights the one that the primitive wants; where
// they differ, `reorder` goes from the caller's to the primitive's (the other way for gradients).
typedef struct entry {
    key key;
    dnnl_primitive_t primitive, reorder;
    dnnl_memory_desc_t weights_plain, weights, source, target, bias, scratch;
    memories kept;
    bool cached, refused;
    struct entry *next;
} entry;

// A full table is emptied as soon as nothing runs: sequences of ever new lengths make ever new entries.
enum { BUCKETS = 256, MOST_ENTRIES = 512 };
static entry *table[BUCKETS];
static int entries, running;
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;

static unsigned bucket(const key *k)
{
    int64_t words[sizeof *k / 8];
    memcpy(words, k, sizeof *k);
    uint64_t h = 0;
    for (size_t i = 0; i < sizeof *k / 8; i++) h = (h ^ (uint64_t)words[i]) * 0x9e3779b97f4a7c15u;
    return (unsigned)(h >> 32) % BUCKETS;
}

static void destroy(memories *m)
{
    for (int i = 0; i < m->n; i++) dnn.memory_destroy(m->args[i].memory);
    m->n = 0;
}

static void entry_free(entry *e)
{
    destroy(&e->kept);
    if (e->primitive) dnn.primitive_destroy(e->primitive);
    if (e->reorder) dnn.primitive_destroy(e->reorder);
    free(e);
}

static void empty_table(void)
{
    for (int i = 0; i < BUCKETS; i++)
        while (table[i]) {
            entry *e = table[i];
            table[i] = e->next;
            entry_free(e);
        }
    entries = 0;
}

#define DNN(call) \
    do { \
        if ((call) != dnnl_success) goto failed; \
    } while (0)

static dnnl_data_type_t data_type(int64_t dtype)
{
    return dtype == LT_BF16 ? dnnl_bf16 : dnnl_f32;
}

// The reorder between the caller's weights and the primitive's, where one is needed.
static dnnl_status_t make_reorder(entry *e, bool gradient)
{
    if (dnn.memory_desc_equal(&e->weights_plain, &e->weights)) return dnnl_success;
    const dnnl_memory_desc_t *from = gradient ? &e->weights : &e->weights_plain;
    const dnnl_memory_desc_t *to = gradient ? &e->weights_plain : &e->weights;
    dnnl_primitive_desc_t desc = NULL;
    dnnl_status_t s = dnn.reorder_primitive_desc_create(&desc, from, engine, to, engine, NULL);
    if (s == dnnl_success) s = dnn.primitive_create(&e->reorder, desc);
    if (desc) dnn.primitive_desc_destroy(desc);
    return s;
}

// Memory descriptors of a convolution: weights in whatever layout oneDNN likes best.
static dnnl_status_t describe(entry *e, const lt_conv_geometry *g, dnnl_memory_desc_t *any,
                              bool gradient)
{
    const dnnl_data_type_t type = data_type(g->dtype);
    const dnnl_dims_t x = {g->n, g->ci, g->h, g->w}, y = {g->n, g->co, g->oh, g->ow};
    const int64_t q = g->groups;
    const dnnl_dims_t w4 = {g->co, g->ci, g->kh, g->kw};
    const dnnl_dims_t w5 = {q, g->co / q, g->ci / q, g->kh, g->kw};
    const int nd = q > 1 ? 5 : 4;
    dnnl_status_t s = dnn.memory_desc_init_by_tag(&e->source, 4, x, type, dnnl_nhwc);
    if (!s) s = dnn.memory_desc_init_by_tag(&e->target, 4, y, type, dnnl_nhwc);
    if (!s)
        s = dnn.memory_desc_init_by_tag(&e->weights_plain, nd, q > 1 ? w5 : w4, dnnl_f32,
                                        q > 1 ? dnnl_goihw : dnnl_oihw);
    if (!s)
        s = dnn.memory_desc_init_by_tag(any, nd, q > 1 ? w5 : w4, gradient ? dnnl_f32 : type,
                                        dnnl_format_tag_any);
    const dnnl_dims_t b = {g->co};
    if (!s) s = dnn.memory_desc_init_by_tag(&e->bias, 1, b, dnnl_f32, dnnl_x);
    return s;
}

static dnnl_alg_kind_t eltwise(int32_t act)
{
    switch (act) {
    case LT_ACT_RELU: return dnnl_eltwise_relu;
    case LT_ACT_TANH: return dnnl_eltwise_tanh;
    case LT_ACT_SIGMOID: return dnnl_eltwise_logistic;
    case LT_ACT_GELU: return dnnl_eltwise_gelu_erf;
    case LT_ACT_GELU_TANH: return dnnl_eltwise_gelu_tanh;
    case LT_ACT_SILU: return dnnl_eltwise_swish;
    default: return dnnl_alg_kind_undef;
    }
}

static dnnl_status_t make_attributes(dnnl_primitive_attr_t *attr, int32_t act, bool add)
{
    dnnl_status_t s = dnn.primitive_attr_create(attr);
    if (!s) s = dnn.primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user);
    if (!s && (act || add)) {
        dnnl_post_ops_t ops = NULL;
        const float alpha = act == LT_ACT_SILU;  // of x sigmoid(alpha x); relu: the slope below 0
        s = dnn.post_ops_create(&ops);
        if (!s && add) s = dnn.post_ops_append_sum(ops, 1);
        if (!s && act) s = dnn.post_ops_append_eltwise(ops, 1, eltwise(act), alpha, 0);
        if (!s) s = dnn.primitive_attr_set_post_ops(*attr, ops);
        if (ops) dnn.post_ops_destroy(ops);
    }
    return s;
}

// An activation, LT_ACT_*, stands above the flags.
enum { WITH_BIAS = 1, TRANS_A = 2, TRANS_B = 4, Y_F32 = 8, ADD = 16, ACT_SHIFT = 8 };

static dnnl_status_t make_convolution(entry *e)
{
    const lt_conv_geometry *g = &e->key.geometry;
    const dnnl_dims_t strides = {g->stride_h, g->stride_w}, left = {g->pad_h, g->pad_w};
    const dnnl_dims_t dilates = {g->dilation_h - 1, g->dilation_w - 1};
    const dnnl_dims_t right = {
        (g->oh - 1) * g->stride_h + (g->kh - 1) * g->dilation_h + 1 - g->h - g->pad_h,
        (g->ow - 1) * g->stride_w + (g->kw - 1) * g->dilation_w + 1 - g->w - g->pad_w};
    dnnl_memory_desc_t any;
    dnnl_convolution_desc_t f, d;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t hint = NULL, desc = NULL;
    dnnl_status_t s = dnnl_runtime_error;
    const kind kind = (enum kind)e->key.kind;
    DNN(describe(e, g, &any, kind == BACKWARD_WEIGHTS));
    DNN(make_attributes(&attr, (int32_t)(e->key.options >> ACT_SHIFT), false));
    dnnl_memory_desc_t weights = any;
    weights.data_type = data_type(g->dtype);
    const bool bias = e->key.options & WITH_BIAS;
    DNN(dnn.dilated_convolution_forward_desc_init(
        &f, dnnl_forward_training, dnnl_convolution_direct, &e->source, &weights,
        bias ? &e->bias : NULL, &e->target, strides, dilates, left, right));
    s = dnn.primitive_desc_create(&hint, &f, attr, engine, NULL);
    if (s) goto failed;
    if (kind == BACKWARD_DATA)
        DNN(dnn.dilated_convolution_backward_data_desc_init(&d, dnnl_convolution_direct,
                                                            &e->source, &weights, &e->target,
                                                            strides, dilates, left, right));
    if (kind == BACKWARD_WEIGHTS)
        DNN(dnn.dilated_convolution_backward_weights_desc_init(
            &d, dnnl_convolution_direct, &e->source, &any, NULL, &e->target, strides, dilates, left,
            right));
    if (kind != FORWARD) {
        s = dnn.primitive_desc_create(&desc, &d, attr, engine, hint);
        if (s) goto failed;
    }
    dnnl_primitive_desc_t chosen = kind == FORWARD ? hint : desc;
    e->weights = *dnn.primitive_desc_query_md(
        chosen, kind == BACKWARD_WEIGHTS ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
    e->scratch = *dnn.primitive_desc_query_md(chosen, dnnl_query_scratchpad_md, 0);
    s = dnn.primitive_create(&e->primitive, chosen);
    if (!s) s = make_reorder(e, kind == BACKWARD_WEIGHTS);
failed:
    if (hint) dnn.primitive_desc_destroy(hint);
    if (desc) dnn.primitive_desc_destroy(desc);
    if (attr) dnn.primitive_attr_destroy(attr);
    return s;
}

// Whether a product is one of the blocked ones. The others go through oneDNN's gemm: see dnn.h.
static bool is_blocked(dnnl_primitive_desc_t desc)
{
    const char *name = "";
    return dnn.primitive_desc_query(desc, dnnl_query_impl_info_str, 0, &name) == dnnl_success
           && !strncmp(name, "brg:", 4);
}

// A product keeps m, n, k in geometry.n, co, ci and the leading dimensions in h, w, oh.
static dnnl_status_t make_matmul(entry *e)
{
    const lt_conv_geometry *g = &e->key.geometry;
    const int64_t o = e->key.options;
    const dnnl_dims_t a = {g->n, g->ci}, b = {g->ci, g->co}, y = {g->n, g->co};
    const dnnl_dims_t sa = {o & TRANS_A ? 1 : g->h, o & TRANS_A ? g->h : 1};
    const dnnl_dims_t sb = {o & TRANS_B ? 1 : g->w, o & TRANS_B ? g->w : 1};
    const dnnl_dims_t sy = {g->oh, 1};
    const dnnl_data_type_t type = data_type(g->dtype);
    dnnl_matmul_desc_t d;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t desc = NULL;
    dnnl_status_t s = dnnl_runtime_error;
    const dnnl_dims_t row = {1, g->co}, srow = {g->co, 1};
    DNN(make_attributes(&attr, (int32_t)(o >> ACT_SHIFT), o & ADD));
    DNN(dnn.memory_desc_init_by_strides(&e->source, 2, a, type, sa));
    DNN(dnn.memory_desc_init_by_strides(&e->weights, 2, b, type, sb));
    DNN(dnn.memory_desc_init_by_strides(&e->target, 2, y, o & Y_F32 ? dnnl_f32 : dnnl_bf16, sy));
    DNN(dnn.memory_desc_init_by_strides(&e->bias, 2, row, dnnl_f32, srow));
    DNN(dnn.matmul_desc_init(&d, &e->source, &e->weights, o & WITH_BIAS ? &e->bias : NULL,
                             &e->target));
    s = dnn.primitive_desc_create(&desc, &d, attr, engine, NULL);
    if (s) goto failed;
    if (type == dnnl_f32 && !is_blocked(desc)) {
        s = dnnl_unimplemented;
        goto failed;
    }
    e->weights_plain = e->weights;
    e->scratch = *dnn.primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
    s = dnn.primitive_create(&e->primitive, desc);
failed:
    if (desc) dnn.primitive_desc_destroy(desc);
    if (attr) dnn.primitive_attr_destroy(attr);
    return s;
}

// The entry of a key, made on first use; NULL with the error text set where oneDNN refuses it.
static entry *find(const key *k)
{
    pthread_mutex_lock(&table_lock);
    if (entries >= MOST_ENTRIES && running == 0) empty_table();
    entry **slot = &table[bucket(k)], *e = *slot;
    while (e && memcmp(&e->key, k, sizeof *k) != 0) e = e->next;
    if (!e && (e = calloc(1, sizeof *e))) {
        e->key = *k;
        dnnl_status_t s = k->kind == MATMUL ? make_matmul(e) : make_convolution(e);
        e->refused = s != dnnl_success;  // remembered too
        if (entries < MOST_ENTRIES) {
            e->cached = true;
            e->next = *slot;
            *slot = e;
            entries++;
        }
    }
    const bool refused = !e || e->refused;
    if (!refused) running++;
    pthread_mutex_unlock(&table_lock);
    if (refused && e && !e->cached) entry_free(e);
    if (refused) e = NULL;
    if (!e) lt_fail(LT_ERR_DEVICE, "oneDNN does not implement this shape");
    return e;
}

// ---- execution ---------------------------------------------------------------------------------
// One use of an entry: its own memory objects, or some of this call where another thread has those.
typedef struct call {
    entry *e;
    memories own, *m;
    int n;  // arguments given so far
    dnnl_status_t status;
} call;

// Begins a use of e; false where e is NULL.
static bool begin(call *c, entry *e)
{
    memset(c, 0, sizeof *c);
    c->e = e;
    c->m = &c->own;
    if (!e) return false;
    pthread_mutex_lock(&table_lock);
    if (!e->kept.busy) c->m = &e->kept;
    c->m->busy = true;
    pthread_mutex_unlock(&table_lock);
    return true;
}

static void end(call *c)
{
    destroy(&c->own);
    pthread_mutex_lock(&table_lock);
    c->m->busy = false;
    running--;
    pthread_mutex_unlock(&table_lock);
    if (!c->e->cached) entry_free(c->e);
}

// The next argument. An entry's arguments always come in the same order.
static void give(call *c, int id, const dnnl_memory_desc_t *desc, const void *data)
{
    if (c->status) return;
    memories *m = c->m;
    if (c->n < m->n) {
        c->status = dnn.memory_set_data_handle(m->args[c->n++].memory, (void *)data);
        return;
    }
    dnnl_memory_t memory = NULL;
    c->status = dnn.memory_create(&memory, desc, engine, (void *)data);
    if (!c->status) m->args[m->n++] = (dnnl_exec_arg_t){id, memory}, c->n++;
}

static dnnl_status_t execute(call *c, dnnl_primitive_t primitive)
{
    if (!c->status) c->status = dnn.primitive_execute(primitive, stream, c->n, c->m->args);
    return c->status;
}

static dnnl_status_t reorder_weights(entry *e, void *to, const void *from, bool gradient)
{
    call c = {.m = &c.own};
    give(&c, DNNL_ARG_FROM, gradient ? &e->weights : &e->weights_plain, from);
    give(&c, DNNL_ARG_TO, gradient ? &e->weights_plain : &e->weights, to);
    execute(&c, e->reorder);
    destroy(&c.own);
    return c.status;
}

// Runs a primitive whose weights (or weight gradients) are `weights` in the caller's layout, and ends
// the call.
static lt_status run(call *c, int weights_id, void *weights)
{
    entry *e = c->e;
    const bool gradient = weights_id == DNNL_ARG_DIFF_WEIGHTS;
    const size_t scratch_bytes = dnn.memory_desc_get_size(&e->scratch);
    void *scratch = scratch_bytes ? lt_alloc((int64_t)scratch_bytes) : NULL;
    void *inner = e->reorder ? lt_alloc((int64_t)dnn.memory_desc_get_size(&e->weights)) : weights;
    lt_status status = LT_ERR_MEMORY;
    if ((scratch_bytes && !scratch) || !inner) goto done;
    if (e->reorder && !gradient) c->status |= reorder_weights(e, inner, weights, false);
    give(c, weights_id, &e->weights, inner);
    if (scratch) give(c, DNNL_ARG_SCRATCHPAD, &e->scratch, scratch);
    dnnl_status_t s = execute(c, e->primitive);
    if (e->reorder && gradient && !s) s = reorder_weights(e, weights, inner, true);
    status = s ? lt_fail(LT_ERR_DEVICE, "oneDNN failed with status %d", (int)s) : LT_OK;
done:
    if (e->reorder) lt_free(inner);
    lt_free(scratch);
    end(c);
    return status;
}

static entry *find_convolution(kind kind, int64_t options, const lt_conv_geometry *g)
{
    key k;
    memset(&k, 0, sizeof k);  // padding bytes take part in the comparison
    k.kind = kind;
    k.options = options;
    k.threads = omp_in_parallel() ? 1 : omp_get_max_threads();
    memcpy(&k.geometry, g, sizeof *g);
    return find(&k);
}

lt_status lt_dnn_conv_forward(const lt_conv_geometry *g, void *y, const void *x,
                              const float *weight, const float *bias, bool relu)
{
    entry *e = find_convolution(FORWARD, (bias ? WITH_BIAS : 0) | (relu ? LT_ACT_RELU << ACT_SHIFT : 0), g);
    call c;
    if (!begin(&c, e)) return LT_ERR_DEVICE;
    give(&c, DNNL_ARG_SRC, &e->source, x);
    give(&c, DNNL_ARG_DST, &e->target, y);
    if (bias) give(&c, DNNL_ARG_BIAS, &e->bias, bias);
    return run(&c, DNNL_ARG_WEIGHTS, (void *)weight);
}

lt_status lt_dnn_conv_backward_data(const lt_conv_geometry *g, void *dx, const void *dy,
                                    const float *weight)
{
    entry *e = find_convolution(BACKWARD_DATA, 0, g);
    call c;
    if (!begin(&c, e)) return LT_ERR_DEVICE;
    give(&c, DNNL_ARG_DIFF_SRC, &e->source, dx);
    give(&c, DNNL_ARG_DIFF_DST, &e->target, dy);
    return run(&c, DNNL_ARG_WEIGHTS, (void *)weight);
}

lt_status lt_dnn_conv_backward_weights(const lt_conv_geometry *g, float *dweight, const void *x,
                                       const void *dy)
{
    entry *e = find_convolution(BACKWARD_WEIGHTS, 0, g);
    call c;
    if (!begin(&c, e)) return LT_ERR_DEVICE;
    give(&c, DNNL_ARG_SRC, &e->source, x);
    give(&c, DNNL_ARG_DIFF_DST, &e->target, dy);
    return run(&c, DNNL_ARG_DIFF_WEIGHTS, dweight);
}

lt_status lt_dnn_matmul_bf16(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k,
                             const lt_bf16 *a, int64_t lda, const lt_bf16 *b, int64_t ldb, void *y,
                             int32_t y_dtype, int64_t ldy)
{
    lt_conv_geometry g;
    memset(&g, 0, sizeof g);
    g.n = m, g.co = n, g.ci = k, g.h = lda, g.w = ldb, g.oh = ldy, g.dtype = LT_BF16;
    entry *e = find_convolution(MATMUL,
                                (trans_a ? TRANS_A : 0) | (trans_b ? TRANS_B : 0)
                                    | (y_dtype == LT_F32 ? Y_F32 : 0),
                                &g);
    call c;
    if (!begin(&c, e)) return LT_ERR_DEVICE;
    give(&c, DNNL_ARG_SRC, &e->source, a);
    give(&c, DNNL_ARG_DST, &e->target, y);
    return run(&c, DNNL_ARG_WEIGHTS, (void *)b);
}

static bool product(int64_t options, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                    const float *b, int64_t ldb, const float *bias, float *c, int64_t ldc)
{
    lt_conv_geometry g;
    memset(&g, 0, sizeof g);
    g.n = m, g.co = n, g.ci = k, g.h = lda, g.w = ldb, g.oh = ldc, g.dtype = LT_F32;
    // Up to here (some 30 microseconds on one thread) waking others gains nothing.
    const int threads = omp_get_max_threads();
    const bool alone = m * n * k <= 1 << 21 && threads > 1;
    if (alone) omp_set_num_threads(1);
    entry *e = find_convolution(MATMUL, options | Y_F32 | (bias ? WITH_BIAS : 0), &g);
    call use;
    const bool found = begin(&use, e);
    if (found) {
        give(&use, DNNL_ARG_SRC, &e->source, a);
        give(&use, DNNL_ARG_DST, &e->target, c);
        if (bias) give(&use, DNNL_ARG_BIAS, &e->bias, bias);
    }
    const bool done = found && run(&use, DNNL_ARG_WEIGHTS, (void *)b) == LT_OK;
    if (alone) omp_set_num_threads(threads);
    return done;
}

bool lt_dnn_sgemm(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const float *a,
                  int64_t lda, const float *b, int64_t ldb, bool add, float *c, int64_t ldc)
{
    return product((trans_a ? TRANS_A : 0) | (trans_b ? TRANS_B : 0) | (add ? ADD : 0), m, n, k, a,
                   lda, b, ldb, NULL, c, ldc);
}

bool lt_dnn_linear(int64_t m, int64_t n, int64_t k, const float *x, const float *w,
                   const float *bias, int32_t act, float *y)
{
    return product(TRANS_B | act << ACT_SHIFT, m, n, k, x, k, w, k, bias, y, n);
}
