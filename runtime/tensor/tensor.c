// tensor: values, storages and views.
#include "core/internal.h"

void lt_count_storage(int change);

static const struct { int32_t size; const char *name; } dtypes[LT_DTYPES] = {
    [LT_F32] = {4, "f32"}, [LT_F64] = {8, "f64"}, [LT_BF16] = {2, "bf16"}, [LT_F16] = {2, "f16"},
    [LT_I64] = {8, "i64"}, [LT_I32] = {4, "i32"}, [LT_U8] = {1, "u8"},     [LT_BOOL] = {1, "bool"},
};
static const char released[] = "the tensor was released with its scope; "
                               "use lt.keep(t) to hold a tensor longer or t:item() for its value";

int32_t lt_dtype_size(int32_t dtype)
{
    return dtype >= 0 && dtype < LT_DTYPES ? dtypes[dtype].size : 0;
}

const char *lt_dtype_name(int32_t dtype)
{
    return dtype >= 0 && dtype < LT_DTYPES ? dtypes[dtype].name : "none";
}

// ---- creation ----------------------------------------------------------------------------------
static lt_status storage_new(lt_storage **out, int64_t bytes)
{
    lt_storage *s = malloc(sizeof *s);
    LT_REQUIRE(s, LT_ERR_MEMORY, "out of memory: no room for a storage header");
    s->data = lt_alloc(bytes);
    if (!s->data) {
        free(s);
        return LT_ERR_MEMORY;
    }
    s->bytes = bytes;
    s->refs = 1;
    s->device = 0;
    s->written = 0;
    lt_count_storage(1);
    *out = s;
    return LT_OK;
}

// Number of bytes of a shape, refusing negative sizes and overflow.
static lt_status shape_bytes(int64_t *bytes, int32_t dtype, int32_t ndim, const int64_t *shape)
{
    LT_REQUIRE(dtype >= 0 && dtype < LT_DTYPES, LT_ERR_ARGUMENT, "tensor: unknown dtype %d", dtype);
    LT_REQUIRE(ndim >= 0 && ndim <= LT_MAX_DIMS, LT_ERR_ARGUMENT,
               "tensor: %d dimensions, at most %d are possible", ndim, LT_MAX_DIMS);
    int64_t n = dtypes[dtype].size;
    for (int i = 0; i < ndim; i++) {
        LT_REQUIRE(shape[i] >= 0, LT_ERR_ARGUMENT, "tensor: size %lld of dimension %d is negative",
                   (long long)shape[i], i + 1);
        LT_REQUIRE(!__builtin_mul_overflow(n, shape[i], &n), LT_ERR_ARGUMENT,
                   "tensor: the shape has too many elements");
    }
    *bytes = n;
    return LT_OK;
}

lt_status lt_tensor_ordered(lt_tensor *t, int32_t dtype, int32_t ndim, const int64_t *shape,
                            const int32_t *order)
{
    int64_t bytes;
    LT_TRY(shape_bytes(&bytes, dtype, ndim, shape));
    lt_tensor fresh = {.dtype = dtype, .ndim = ndim};
    int64_t step = 1;
    for (int i = ndim - 1; i >= 0; i--) {
        int d = order ? order[i] : i;
        LT_REQUIRE(d >= 0 && d < ndim, LT_ERR_ARGUMENT, "tensor: bad order of dimensions");
        fresh.shape[d] = shape[d];
        fresh.stride[d] = step;
        step *= shape[d] > 0 ? shape[d] : 1;
    }
    LT_TRY(storage_new(&fresh.storage, bytes));
    *t = fresh;
    return LT_OK;
}

lt_status lt_tensor_new(lt_tensor *t, int32_t dtype, int32_t ndim, const int64_t *shape)
{
    return lt_tensor_ordered(t, dtype, ndim, shape, NULL);
}

// Dimensions by falling stride; equal strides keep their order.
static void memory_order(int32_t *order, const lt_tensor *x)
{
    for (int i = 0; i < x->ndim; i++) {
        int at = i;
        while (at > 0 && x->stride[order[at - 1]] < x->stride[i]) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = i;
    }
}

lt_status lt_tensor_like(lt_tensor *y, const lt_tensor *x, int32_t dtype)
{
    LT_REQUIRE(x->storage, LT_ERR_ARGUMENT, "like: %s", released);
    if (dtype < 0) dtype = x->dtype;
    if (lt_tensor_is_contiguous(x) || !lt_is_dense(x))
        return lt_tensor_new(y, dtype, x->ndim, x->shape);
    int32_t order[LT_MAX_DIMS];
    memory_order(order, x);
    LT_TRY(lt_tensor_ordered(y, dtype, x->ndim, x->shape, order));
    // Where a size is 1 its stride is arbitrary: keep x's so that layouts compare equal.
    memcpy(y->stride, x->stride, sizeof y->stride);
    return LT_OK;
}

lt_status lt_tensor_retain(lt_tensor *y, const lt_tensor *x)
{
    LT_REQUIRE(x->storage, LT_ERR_ARGUMENT, "%s", released);
    __atomic_add_fetch(&x->storage->refs, 1, __ATOMIC_RELAXED);
    *y = *x;
    return LT_OK;
}

void lt_tensor_release(lt_tensor *t)
{
    if (!t || !t->storage) return;
    lt_storage *s = t->storage;
    t->storage = NULL;
    if (__atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) > 0) return;
    lt_free(s->data);
    free(s);
    lt_count_storage(-1);
}

// ---- views -------------------------------------------------------------------------------------
lt_status lt_tensor_as_strided(lt_tensor *y, const lt_tensor *x, int32_t ndim, const int64_t *shape,
                               const int64_t *stride, int64_t offset)
{
    LT_REQUIRE(x->storage, LT_ERR_ARGUMENT, "view: %s", released);
    int64_t bytes, low = offset, high = offset;
    LT_TRY(shape_bytes(&bytes, x->dtype, ndim, shape));
    for (int i = 0; i < ndim; i++) {
        int64_t reach, *end;
        bool fits = !__builtin_mul_overflow(shape[i] > 0 ? shape[i] - 1 : 0, stride[i], &reach);
        end = fits && reach < 0 ? &low : &high;
        LT_REQUIRE(fits && !__builtin_add_overflow(*end, reach, end), LT_ERR_ARGUMENT,
                   "view: stride too large");
    }
    int64_t capacity = x->storage->bytes / dtypes[x->dtype].size;
    LT_REQUIRE(bytes == 0 || (low >= 0 && high < capacity), LT_ERR_ARGUMENT,
               "view: reaches elements %lld to %lld of a storage of %lld", (long long)low,
               (long long)high, (long long)capacity);
    lt_tensor view = {.dtype = x->dtype, .ndim = ndim, .offset = offset};
    memcpy(view.shape, shape, (size_t)ndim * sizeof *shape);
    memcpy(view.stride, stride, (size_t)ndim * sizeof *stride);
    view.storage = x->storage;
    __atomic_add_fetch(&view.storage->refs, 1, __ATOMIC_RELAXED);
    *y = view;
    return LT_OK;
}

// Strides for `shape` over x's elements, group by group of dimensions that lie dense. False where
// only a copy would do.
static bool view_strides(int64_t *stride, const lt_tensor *x, int32_t ndim, const int64_t *shape)
{
    int64_t old_shape[LT_MAX_DIMS], old_stride[LT_MAX_DIMS];
    int n = 0;
    for (int i = 0; i < x->ndim; i++)
        if (x->shape[i] != 1) {
            old_shape[n] = x->shape[i];
            old_stride[n++] = x->stride[i];
        }
    int from = 0, to = 0;
    while (from < n && to < ndim) {
        int64_t have = old_shape[from], want = shape[to];
        int from_end = from + 1, to_end = to + 1;
        while (have != want) {
            if (have < want) have *= old_shape[from_end++];
            else want *= shape[to_end++];
        }
        for (int i = from; i + 1 < from_end; i++)
            if (old_stride[i] != old_shape[i + 1] * old_stride[i + 1]) return false;
        int64_t step = old_stride[from_end - 1];
        for (int i = to_end - 1; i >= to; i--) {
            stride[i] = step;
            step *= shape[i];
        }
        from = from_end;
        to = to_end;
    }
    for (; to < ndim; to++) stride[to] = 1;
    return true;
}

lt_status lt_tensor_view(lt_tensor *y, const lt_tensor *x, int32_t ndim, const int64_t *shape)
{
    int64_t bytes, stride[LT_MAX_DIMS] = {0};
    LT_TRY(shape_bytes(&bytes, x->dtype, ndim, shape));
    lt_tensor wanted = {.dtype = x->dtype, .ndim = ndim};
    memcpy(wanted.shape, shape, (size_t)ndim * sizeof *shape);
    LT_REQUIRE(lt_numel(&wanted) == lt_numel(x), LT_ERR_ARGUMENT,
               "view: %s has %lld elements, %s has %lld", LT_SHAPE(x), (long long)lt_numel(x),
               LT_SHAPE(&wanted), (long long)lt_numel(&wanted));
    if (bytes == 0) {
        int64_t step = 1;
        for (int i = ndim - 1; i >= 0; i--) stride[i] = step, step *= shape[i] > 0 ? shape[i] : 1;
    } else {
        LT_REQUIRE(view_strides(stride, x, ndim, shape), LT_ERR_ARGUMENT,
                   "view: the strides of %s do not allow %s without a copy; use reshape",
                   LT_SHAPE(x), LT_SHAPE(&wanted));
    }
    return lt_tensor_as_strided(y, x, ndim, shape, stride, x->offset);
}

// ---- queries -----------------------------------------------------------------------------------
bool lt_tensor_is_contiguous(const lt_tensor *t)
{
    int64_t step = 1;
    for (int i = t->ndim - 1; i >= 0; i--) {
        if (t->shape[i] == 0) return true;
        if (t->shape[i] != 1 && t->stride[i] != step) return false;
        step *= t->shape[i];
    }
    return true;
}

bool lt_is_dense(const lt_tensor *t)
{
    int32_t order[LT_MAX_DIMS];
    memory_order(order, t);
    int64_t step = 1;
    for (int i = t->ndim - 1; i >= 0; i--) {
        int d = order[i];
        if (t->shape[d] == 0) return true;
        if (t->shape[d] == 1) continue;
        if (t->stride[d] != step) return false;
        step *= t->shape[d];
    }
    return true;
}

bool lt_is_channels_last(const lt_tensor *t)
{
    if (t->ndim < 3) return false;
    int64_t step = 1;
    for (int i = t->ndim; i > 0; i--) {
        int d = i == t->ndim ? 1 : (i == 1 ? 0 : i);
        if (t->shape[d] != 1 && t->stride[d] != step) return false;
        step *= t->shape[d];
    }
    return true;
}

bool lt_tensor_is_channels_last(const lt_tensor *t) { return lt_is_channels_last(t); }

bool lt_same_shape(const lt_tensor *a, const lt_tensor *b)
{
    if (a->ndim != b->ndim) return false;
    for (int i = 0; i < a->ndim; i++)
        if (a->shape[i] != b->shape[i]) return false;
    return true;
}

bool lt_same_layout(const lt_tensor *a, const lt_tensor *b)
{
    if (!lt_same_shape(a, b)) return false;
    for (int i = 0; i < a->ndim; i++)
        if (a->shape[i] != 1 && a->stride[i] != b->stride[i]) return false;
    return true;
}

bool lt_overlap(const lt_tensor *a, const lt_tensor *b) { return a->storage == b->storage; }

int64_t lt_tensor_numel(const lt_tensor *t) { return lt_numel(t); }

void *lt_tensor_data(const lt_tensor *t) { return t->storage ? lt_data(t) : NULL; }

// ---- elements ----------------------------------------------------------------------------------
// LuaJIT keeps its types in the bits of NaNs and trusts those it loads from C memory in compiled
// code: a NaN from a file could pass for a string. Only one NaN goes over the border.
static double plain_nan(double value) { return value != value ? (double)NAN : value; }

static double load_element(const lt_tensor *t, int64_t position)
{
    const char *base = t->storage->data;
    switch (t->dtype) {
    case LT_F32: return ((const float *)base)[position];
    case LT_F64: return ((const double *)base)[position];
    case LT_BF16: return lt_bf16_to_f32(((const lt_bf16 *)base)[position]);
    case LT_F16: return lt_f16_to_f32(((const lt_f16 *)base)[position]);
    case LT_I64: return (double)((const int64_t *)base)[position];
    case LT_I32: return ((const int32_t *)base)[position];
    default: return ((const uint8_t *)base)[position];
    }
}

static void store_element(lt_tensor *t, int64_t position, double value)
{
    char *base = t->storage->data;
    switch (t->dtype) {
    case LT_F32: ((float *)base)[position] = (float)value; break;
    case LT_F64: ((double *)base)[position] = value; break;
    case LT_BF16: ((lt_bf16 *)base)[position] = lt_f32_to_bf16((float)value); break;
    case LT_F16: ((lt_f16 *)base)[position] = lt_f32_to_f16((float)value); break;
    case LT_I64: ((int64_t *)base)[position] = (int64_t)value; break;
    case LT_I32: ((int32_t *)base)[position] = (int32_t)value; break;
    case LT_U8: ((uint8_t *)base)[position] = (uint8_t)(int64_t)value; break;
    case LT_BOOL: ((uint8_t *)base)[position] = value != 0; break;
    default: break;
    }
}

static int64_t element_position(const lt_tensor *t, int64_t index)
{
    int64_t at = t->offset;
    for (int i = t->ndim - 1; i >= 0; i--) {
        at += index % t->shape[i] * t->stride[i];
        index /= t->shape[i];
    }
    return at;
}

static lt_status check_index(const lt_tensor *t, int64_t index)
{
    LT_REQUIRE(t->storage, LT_ERR_ARGUMENT, "%s", released);
    LT_REQUIRE(index >= 0 && index < lt_numel(t), LT_ERR_ARGUMENT,
               "element %lld of a tensor of %lld", (long long)index + 1, (long long)lt_numel(t));
    return LT_OK;
}

lt_status lt_tensor_get(double *value, const lt_tensor *t, int64_t index)
{
    LT_TRY(check_index(t, index));
    *value = plain_nan(load_element(t, element_position(t, index)));
    return LT_OK;
}

lt_status lt_tensor_set(lt_tensor *t, int64_t index, double value)
{
    LT_TRY(check_index(t, index));
    store_element(t, element_position(t, index), value);
    lt_touch(t);
    return LT_OK;
}

lt_status lt_tensor_to_doubles(double *values, const lt_tensor *t)
{
    int64_t n = lt_numel(t);
    LT_REQUIRE(t->storage, LT_ERR_ARGUMENT, "%s", released);
    for (int64_t i = 0; i < n; i++) values[i] = plain_nan(load_element(t, element_position(t, i)));
    return LT_OK;
}

lt_status lt_tensor_from_doubles(lt_tensor *t, const double *values)
{
    int64_t n = lt_numel(t);
    LT_REQUIRE(t->storage, LT_ERR_ARGUMENT, "%s", released);
    for (int64_t i = 0; i < n; i++) store_element(t, element_position(t, i), values[i]);
    lt_touch(t);
    return LT_OK;
}
