// arith: arithmetic, comparison, logic and selection between tensors, or a tensor and a number.
// Operands broadcast as in NumPy; an operand that is absent stands for a number.
#include "loop.h"

#include "../scalar/vmath.h"

typedef struct { lt_tensor y, a, b; double scalar; } binary_args;

static const char *const binary_names[] = {"y", "a", "b"};

static lt_map binary_map(const binary_args *p, lt_row_f32 *f32, lt_row_i64 *i64)
{
    return (lt_map){.f32 = f32, .i64 = i64, .scalar = p->scalar, .outs = 1, .args = 3,
                    .t = {&p->y, &p->a, &p->b}};
}

static lt_status binary_check(const char *op, const binary_args *p)
{
    LT_REQUIRE(lt_present(&p->a) || lt_present(&p->b), LT_ERR_ARGUMENT, "%s: no tensor given", op);
    lt_map m = binary_map(p, NULL, NULL);
    return lt_map_check(op, &m, binary_names);
}

static lt_status binary_call(lt_op *op, const lt_tensor *y, const lt_tensor *a, const lt_tensor *b,
                             double scalar)
{
    binary_args args = {*y, lt_optional(a), lt_optional(b), scalar};
    return lt_run(op, &args);
}

#define ROW_F32(id, value) \
    static void id##_f32(int64_t n, float *const *p, const float *k) \
    { \
        float *y = p[0]; \
        const float *as = p[1], *bs = p[2]; \
        (void)k; \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++) { \
            float a = as[i], b = bs[i]; \
            (void)b; \
            y[i] = (value); \
        } \
    }
#define ROW_I64(id, value) \
    static void id##_i64(int64_t n, int64_t *const *p) \
    { \
        int64_t *y = p[0]; \
        const int64_t *as = p[1], *bs = p[2]; \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++) { \
            int64_t a = as[i], b = bs[i]; \
            y[i] = (value); \
        } \
    }
#define CALLS(id) \
    lt_status lt_##id(lt_tensor *y, const lt_tensor *a, const lt_tensor *b) \
    { \
        return binary_call(&id##_op, y, a, b, 0); \
    } \
    lt_status lt_##id##_number(lt_tensor *y, const lt_tensor *a, const lt_tensor *b, \
                               double number) \
    { \
        return binary_call(&id##_op, y, a, b, number); \
    }
#define BINARY(id, integer_row) \
    static lt_status id##_check(const void *p) { return binary_check(#id, p); } \
    static lt_status id##_cpu(const void *p) \
    { \
        lt_map m = binary_map(p, id##_f32, integer_row); \
        return lt_map_run(&m); \
    } \
    LT_OP(id, "y; a? b?", id##_check, id##_cpu) \
    CALLS(id)
// One formula for both kinds of number.
#define BINARY_ALL(id, value) ROW_F32(id, value) ROW_I64(id, value) BINARY(id, id##_i64)

// ---- arithmetic --------------------------------------------------------------------------------
// Integers wrap around: their sums and products are computed without sign.
ROW_F32(add, a + b)
ROW_I64(add, (int64_t)((uint64_t)a + (uint64_t)b))
BINARY(add, add_i64)
ROW_F32(sub, a - b)
ROW_I64(sub, (int64_t)((uint64_t)a - (uint64_t)b))
BINARY(sub, sub_i64)
ROW_F32(mul, a * b)
ROW_I64(mul, (int64_t)((uint64_t)a * (uint64_t)b))
BINARY(mul, mul_i64)
ROW_F32(div, a / b)
BINARY(div, NULL)
// The larger and the smaller; a NaN on either side wins.
ROW_F32(maximum, (a > b) | (a != a) ? a : b)
ROW_I64(maximum, a > b ? a : b)
BINARY(maximum, maximum_i64)
ROW_F32(minimum, (a < b) | (a != a) ? a : b)
ROW_I64(minimum, a < b ? a : b)
BINARY(minimum, minimum_i64)

// a - b * floor(a / b): the sign of b, as in Python. Integers modulo 0 give 0.
static inline int64_t remainder_of(int64_t a, int64_t b)
{
    if (b == 0 || b == -1) return 0;
    int64_t r = a % b;
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

ROW_F32(remainder, a - b * floorf(a / b))
static void remainder_i64(int64_t n, int64_t *const *p)
{
    for (int64_t i = 0; i < n; i++) p[0][i] = remainder_of(p[1][i], p[2][i]);
}
BINARY(remainder, remainder_i64)

// ---- comparison and logic: y is bool (any other dtype receives 0 and 1) ------------------------
BINARY_ALL(equal, a == b)
BINARY_ALL(not_equal, a != b)
BINARY_ALL(less, a < b)
BINARY_ALL(less_equal, a <= b)
BINARY_ALL(greater, a > b)
BINARY_ALL(greater_equal, a >= b)
BINARY_ALL(logical_and, (a != 0) & (b != 0))
BINARY_ALL(logical_or, (a != 0) | (b != 0))
BINARY_ALL(logical_xor, (a != 0) ^ (b != 0))

// ---- pow ---------------------------------------------------------------------------------------
ROW_F32(pow, vm_pow(a, b))
ROW_F32(pow_square, a * a)
ROW_F32(pow_cube, a * a * a)
ROW_F32(pow_root, sqrtf(a))
ROW_F32(pow_inverse, 1.f / a)

static lt_row_f32 *pow_row(const lt_tensor *b, double exponent)
{
    if (lt_present(b)) return pow_f32;
    if (exponent == 2) return pow_square_f32;
    if (exponent == 3) return pow_cube_f32;
    if (exponent == 0.5) return pow_root_f32;
    if (exponent == -1) return pow_inverse_f32;
    return pow_f32;
}

static lt_status pow_check(const void *p) { return binary_check("pow", p); }

static lt_status pow_cpu(const void *p)
{
    const binary_args *a = p;
    lt_map m = binary_map(a, pow_row(&a->b, a->scalar), NULL);
    m.cost = 8;
    return lt_map_run(&m);
}

LT_OP(pow, "y; a? b?", pow_check, pow_cpu)

CALLS(pow)

// ---- gradients that take three tensors ---------------------------------------------------------
typedef struct { lt_tensor y, dy, a, b; double scalar; float k[1]; } ternary_args;

static lt_map ternary_map(const ternary_args *p, lt_row_f32 *f32, lt_row_i64 *i64)
{
    return (lt_map){.f32 = f32, .i64 = i64, .k = p->k, .scalar = p->scalar, .outs = 1, .args = 4,
                    .t = {&p->y, &p->dy, &p->a, &p->b}};
}

static lt_status ternary_check(const char *op, const ternary_args *p, const char *const *names)
{
    lt_map m = ternary_map(p, NULL, NULL);
    return lt_map_check(op, &m, names);
}

static const char *const gradient_names[] = {"dx", "dy", "a", "b"};

#define ROW3(id, value) \
    static void id##_f32(int64_t n, float *const *p, const float *k) \
    { \
        float *dx = p[0]; \
        const float *gs = p[1], *as = p[2], *bs = p[3]; \
        (void)k; \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++) { \
            float dy = gs[i], a = as[i], b = bs[i]; \
            (void)b; \
            dx[i] = (value); \
        } \
    }
#define GRADIENT3(id, arguments) \
    static lt_status id##_check(const void *p) { return ternary_check(#id, p, gradient_names); } \
    static lt_status id##_cpu(const void *p) \
    { \
        lt_map m = ternary_map(p, id##_f32, NULL); \
        return lt_map_run(&m); \
    } \
    LT_OP(id, arguments, id##_check, id##_cpu)

// d(a / b)/db = -y / b, where a holds y.
ROW3(div_backward_b, -dy * a / b)
GRADIENT3(div_backward_b, "db; dy y? b?")

lt_status lt_div_backward_b(lt_tensor *db, const lt_tensor *dy, const lt_tensor *y,
                            const lt_tensor *b)
{
    ternary_args args = {*db, *dy, *y, *b, 0, {0}};
    return lt_run(&div_backward_b_op, &args);
}

// Where a wins it takes the gradient; equal operands share it. sign -1 makes it the minimum.
ROW3(maximum_backward, k[0] * a > k[0] * b ? dy : a == b ? 0.5f * dy : 0.f)
GRADIENT3(maximum_backward, "da; dy a? b?")

lt_status lt_maximum_backward(lt_tensor *da, const lt_tensor *dy, const lt_tensor *a,
                              const lt_tensor *b, double scalar, double sign)
{
    ternary_args args = {*da, *dy, lt_optional(a), lt_optional(b), scalar, {(float)sign}};
    return lt_run(&maximum_backward_op, &args);
}

// d(a^b)/da = b a^(b-1), 0 where b is 0.
ROW3(pow_backward_a, b == 0.f ? 0.f : dy * b * vm_pow(a, b - 1.f))
ROW3(pow_backward_square, dy * 2.f * a)

static lt_status pow_backward_a_check(const void *p)
{
    return ternary_check("pow_backward_a", p, gradient_names);
}

static lt_status pow_backward_a_cpu(const void *p)
{
    const ternary_args *a = p;
    bool square = !lt_present(&a->b) && a->scalar == 2;
    lt_map m = ternary_map(a, square ? pow_backward_square_f32 : pow_backward_a_f32, NULL);
    m.cost = square ? 1 : 8;
    return lt_map_run(&m);
}

LT_OP(pow_backward_a, "da; dy a b?", pow_backward_a_check, pow_backward_a_cpu)

lt_status lt_pow_backward_a(lt_tensor *da, const lt_tensor *dy, const lt_tensor *a,
                            const lt_tensor *b, double scalar)
{
    ternary_args args = {*da, *dy, *a, lt_optional(b), scalar, {0}};
    return lt_run(&pow_backward_a_op, &args);
}

// d(a^b)/db = y log a, 0 where a is 0 and b is not negative. y is recomputed.
ROW3(pow_backward_b, (a == 0.f) & (b >= 0.f) ? 0.f : dy * vm_pow(a, b) * vm_log(a))
GRADIENT3(pow_backward_b, "db; dy a? b")

lt_status lt_pow_backward_b(lt_tensor *db, const lt_tensor *dy, const lt_tensor *a,
                            const lt_tensor *b, double scalar)
{
    ternary_args args = {*db, *dy, lt_optional(a), *b, scalar, {0}};
    return lt_run(&pow_backward_b_op, &args);
}

// ---- where -------------------------------------------------------------------------------------
static const char *const where_names[] = {"y", "condition", "a", "b"};

static void where_f32(int64_t n, float *const *p, const float *k)
{
    float *y = p[0];
    const float *c = p[1], *a = p[2], *b = p[3];
    (void)k;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float yes = a[i], no = b[i];
        y[i] = c[i] != 0.f ? yes : no;
    }
}

static void where_i64(int64_t n, int64_t *const *p)
{
    for (int64_t i = 0; i < n; i++) p[0][i] = p[1][i] ? p[2][i] : p[3][i];
}

static lt_status where_check(const void *p) { return ternary_check("where", p, where_names); }

static lt_status where_cpu(const void *p)
{
    lt_map m = ternary_map(p, where_f32, where_i64);
    return lt_map_run(&m);
}

LT_OP(where, "y; condition a? b?", where_check, where_cpu)

lt_status lt_where(lt_tensor *y, const lt_tensor *condition, const lt_tensor *a, const lt_tensor *b,
                   double scalar)
{
    ternary_args args = {*y, *condition, lt_optional(a), lt_optional(b), scalar, {0}};
    return lt_run(&where_op, &args);
}

// ---- lerp --------------------------------------------------------------------------------------
typedef struct { lt_tensor y, a, b; float k[1]; } lerp_args;

static void lerp_f32(int64_t n, float *const *p, const float *k)
{
    float *y = p[0], w = k[0];
    const float *a = p[1], *b = p[2];
#pragma omp simd
    for (int64_t i = 0; i < n; i++) y[i] = a[i] + w * (b[i] - a[i]);
}

static lt_map lerp_map(const lerp_args *p)
{
    return (lt_map){.f32 = lerp_f32, .k = p->k, .outs = 1, .args = 3, .t = {&p->y, &p->a, &p->b}};
}

static lt_status lerp_check(const void *p)
{
    lt_map m = lerp_map(p);
    return lt_map_check("lerp", &m, binary_names);
}

static lt_status lerp_cpu(const void *p)
{
    lt_map m = lerp_map(p);
    return lt_map_run(&m);
}

LT_OP(lerp, "y; a b", lerp_check, lerp_cpu)

lt_status lt_lerp(lt_tensor *y, const lt_tensor *a, const lt_tensor *b, double weight)
{
    lerp_args args = {*y, *a, *b, {(float)weight}};
    return lt_run(&lerp_op, &args);
}
