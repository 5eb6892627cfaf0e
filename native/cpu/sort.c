// sort: elements of each line along a dimension in order, with where they came from.
// Equal elements keep their order, in both directions; NaN counts as greater than every number.
#include "loop.h"

// values and indices have k <= n elements along dim: the first k of the sorted line.
typedef struct { lt_tensor values, indices, x; int32_t dim; bool descending; } sort_args;

typedef struct { uint64_t key; int64_t at; } item;

static lt_status sort_check(const void *p)
{
    const sort_args *a = p;
    LT_REQUIRE(a->dim >= 0 && a->dim < a->x.ndim, LT_ERR_ARGUMENT, "sort: dimension %d of %s",
               a->dim + 1, LT_SHAPE(&a->x));
    LT_REQUIRE(a->x.dtype != LT_F16 && a->x.dtype != LT_F64, LT_ERR_ARGUMENT,
               "sort: x is %s; wanted f32, bf16, an integer dtype or bool (cast it)",
               lt_dtype_name(a->x.dtype));
    LT_TRY(lt_check_dtype("sort", "values", &a->values, a->x.dtype));
    LT_TRY(lt_check_dtype("sort", "indices", &a->indices, LT_I64));
    LT_TRY(lt_check_same_shape("sort", "indices", &a->indices, "values", &a->values));
    bool fits = a->values.ndim == a->x.ndim;
    for (int d = 0; fits && d < a->x.ndim; d++) {
        int64_t k = a->values.shape[d], n = a->x.shape[d];
        fits = d == a->dim ? k <= n : k == n;
    }
    LT_REQUIRE(fits, LT_ERR_ARGUMENT, "sort: values are %s, x is %s", LT_SHAPE(&a->values),
               LT_SHAPE(&a->x));
    return LT_OK;
}

// Unsigned numbers in the order of the floats: negative ones reversed below positive ones.
static uint64_t float_key(float f)
{
    union { float f; uint32_t u; } v = {.f = f == 0.f ? 0.f : f};
    if (f != f) return UINT32_MAX;
    return v.u & 0x80000000u ? ~v.u : v.u | 0x80000000u;
}

static uint64_t whole_key(int64_t v) { return (uint64_t)v ^ 0x8000000000000000u; }

static void insertion_sort(item *a, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        item v = a[i];
        int64_t j = i;
        for (; j > 0 && a[j - 1].key > v.key; j--) a[j] = a[j - 1];
        a[j] = v;
    }
}

// Radix sort by bytes, lowest first; bytes that are the same in all keys are passed over.
static void radix_sort(item *a, item *spare, int64_t n)
{
    item *from = a, *to = spare;
    for (int shift = 0; shift < 64; shift += 8) {
        int64_t start[257] = {0};
        for (int64_t i = 0; i < n; i++) start[(from[i].key >> shift & 255) + 1]++;
        if (start[(from[0].key >> shift & 255) + 1] == n) continue;
        for (int b = 0; b < 256; b++) start[b + 1] += start[b];
        for (int64_t i = 0; i < n; i++) to[start[from[i].key >> shift & 255]++] = from[i];
        item *t = from;
        from = to;
        to = t;
    }
    if (from != a) memcpy(a, from, (size_t)n * sizeof *a);
}

static void sort_line(const sort_args *a, const char *x, int64_t values, int64_t indices,
                      item *line)
{
    int64_t n = a->x.shape[a->dim], k = a->values.shape[a->dim], step = a->x.stride[a->dim];
    int32_t dtype = a->x.dtype, size = lt_dtype_size(dtype);
    bool floats = dtype == LT_F32 || dtype == LT_BF16;
    for (int64_t i = 0; i < n; i++) {
        uint64_t key;
        if (floats) {
            float v;
            lt_load_f32(&v, x + i * step * size, dtype, 1, 1);
            key = float_key(v);
            if (a->descending) key = UINT32_MAX - key;
        } else {
            int64_t v;
            lt_load_i64(&v, x + i * step * size, dtype, 1, 1);
            key = whole_key(v);
            if (a->descending) key = ~key;
        }
        line[i] = (item){key, i};
    }
    if (n <= 48) insertion_sort(line, n);
    else radix_sort(line, line + n, n);
    char *to = (char *)lt_data(&a->values) + values * size;
    int64_t *at = lt_i64(&a->indices) + indices;
    for (int64_t i = 0; i < k; i++) {
        const char *from = x + line[i].at * step * size;
        memcpy(to + i * a->values.stride[a->dim] * size, from, (size_t)size);
        at[i * a->indices.stride[a->dim]] = line[i].at;
    }
}

static lt_status sort_cpu(const void *p)
{
    const sort_args *a = p;
    int64_t n = a->x.shape[a->dim], lines = 1;
    for (int d = 0; d < a->x.ndim; d++) if (d != a->dim) lines *= a->x.shape[d];
    if (lines == 0 || n == 0) return LT_OK;
    int team = lt_team(lines * n * 16);
    bool failed = false;
#pragma omp parallel num_threads(team)
    {
        item *line = lt_alloc(2 * n * (int64_t)sizeof *line);
        if (!line) {
#pragma omp atomic write
            failed = true;
        }
#pragma omp for
        for (int64_t l = 0; l < lines; l++) {
            int64_t x = 0, values = 0, indices = 0, rest = l;
            for (int d = a->x.ndim - 1; d >= 0; d--) {
                if (d == a->dim) continue;
                int64_t i = rest % a->x.shape[d];
                rest /= a->x.shape[d];
                x += i * a->x.stride[d];
                values += i * a->values.stride[d];
                indices += i * a->indices.stride[d];
            }
            const char *from = (const char *)lt_data(&a->x) + x * lt_dtype_size(a->x.dtype);
            if (line) sort_line(a, from, values, indices, line);
        }
        lt_free(line);
    }
    if (failed) return lt_fail(LT_ERR_MEMORY, "sort: no memory for lines of %lld", (long long)n);
    return LT_OK;
}

LT_OP(sort, "values indices; x", sort_check, sort_cpu)

lt_status lt_sort(lt_tensor *values, lt_tensor *indices, const lt_tensor *x, int32_t dim,
                  bool descending)
{
    sort_args a = {*values, *indices, *x, dim, descending};
    return lt_run(&sort_op, &a);
}
