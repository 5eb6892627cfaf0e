// luatrain.h - the whole C interface of luatrain.
//
// The part between the two cdef marks is also read, as it stands, by LuaJIT: it is plain C99
// without macros, includes or attributes. Everything exported by the library is declared here.
//
// Conventions: outputs come first, then inputs, then sizes and options. Functions that can fail
// return lt_status; the sentence that explains a failure is lt_error(), kept per thread. Shapes are
// written (N, C, T) in comments. C never keeps a pointer to an lt_tensor it was given.
#ifndef LUATRAIN_H
#define LUATRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)
// cdef begin

enum { LT_ABI = 1, LT_MAX_DIMS = 8 };

// ---- status ------------------------------------------------------------------------------------
// 0 is success. Codes are for programs; people read lt_error().
typedef int32_t lt_status;
enum {
    LT_OK = 0,
    LT_ERR_ARGUMENT,    // shapes, dtypes or values that the function refuses
    LT_ERR_MEMORY,      // out of memory: collect, trim, and the call may be tried again
    LT_ERR_DEVICE,      // the device or a backend library failed
    LT_ERR_IO,          // the operating system refused: file, path and reason are in the text
    LT_ERR_FORMAT,      // a file's content is not what its format says
    LT_ERR_END,         // nothing more to deliver (end of a queue, of a stream)
    LT_ERR_INTERRUPTED  // a signal asked to stop
};

// Text of this thread's latest failure: "op: argument by name, what it got, what it wants".
const char *lt_error(void);
// Sets this thread's error text (for worker code that reports on behalf of another).
void lt_set_error(const char *text);
int32_t lt_abi(void);
int64_t lt_sizeof_tensor(void);
// Version and build facts as "name=value" lines: version, level, blas, dnn, threads.
const char *lt_build_info(void);

// ---- tensors -----------------------------------------------------------------------------------
enum { LT_F32 = 0, LT_F64, LT_BF16, LT_F16, LT_I64, LT_I32, LT_U8, LT_BOOL, LT_DTYPES };

// A counted block of memory. data is 64-byte aligned; bytes is the size asked for.
typedef struct lt_storage {
    char *data;
    int64_t bytes;
    int32_t refs;
    int32_t device;  // 0: CPU
} lt_storage;

// A tensor is a value: it lives in the caller's memory (in Lua: a cdata). offset and stride count
// elements. A released tensor has storage NULL. dtype -1 marks "no tensor" for optional arguments.
typedef struct lt_tensor {
    lt_storage *storage;
    int64_t offset;
    int32_t dtype;
    int32_t ndim;
    int64_t shape[8];
    int64_t stride[8];
} lt_tensor;

// A fresh, uninitialised, contiguous tensor.
lt_status lt_tensor_new(lt_tensor *t, int32_t dtype, int32_t ndim, const int64_t *shape);
// A fresh tensor with the shape of x and, where x is dense (also permuted, as channels-last), its
// memory order; otherwise contiguous. dtype -1 takes x's.
lt_status lt_tensor_like(lt_tensor *y, const lt_tensor *x, int32_t dtype);
// A fresh tensor whose dimensions lie in memory in the given order, slowest first:
// order {0, 2, 3, 1} is channels-last for (N, C, H, W).
lt_status lt_tensor_ordered(lt_tensor *t, int32_t dtype, int32_t ndim, const int64_t *shape,
                            const int32_t *order);
// A view of x's storage; every element it can reach must lie inside the storage.
lt_status lt_tensor_as_strided(lt_tensor *y, const lt_tensor *x, int32_t ndim, const int64_t *shape,
                               const int64_t *stride, int64_t offset);
// A view with another shape and the same elements in the same order; fails with LT_ERR_ARGUMENT
// where x's strides do not allow one (copy first).
lt_status lt_tensor_view(lt_tensor *y, const lt_tensor *x, int32_t ndim, const int64_t *shape);
// Another value for the same storage (one more reference).
lt_status lt_tensor_retain(lt_tensor *y, const lt_tensor *x);
// Drops the reference and clears the value. NULL and released tensors are allowed.
void lt_tensor_release(lt_tensor *t);
bool lt_tensor_is_contiguous(const lt_tensor *t);
// (N, C, ...) with C fastest in memory and no gaps.
bool lt_tensor_is_channels_last(const lt_tensor *t);
int64_t lt_tensor_numel(const lt_tensor *t);
int32_t lt_dtype_size(int32_t dtype);
const char *lt_dtype_name(int32_t dtype);  // "f32", "bf16", ...
// Address of the tensor's first element.
void *lt_tensor_data(const lt_tensor *t);
// One element as a double (booleans 0 or 1); index counts elements in row-major order from 0.
lt_status lt_tensor_get(double *value, const lt_tensor *t, int64_t index);
lt_status lt_tensor_set(lt_tensor *t, int64_t index, double value);
// Row-major elements to and from an array of doubles of lt_tensor_numel(t) entries.
lt_status lt_tensor_to_doubles(double *values, const lt_tensor *t);
lt_status lt_tensor_from_doubles(lt_tensor *t, const double *values);

// ---- memory ------------------------------------------------------------------------------------
typedef struct lt_memory_stats {
    int64_t live;     // bytes in tensors now
    int64_t peak;     // highest live since the last lt_memory_reset_peak
    int64_t cached;   // bytes held for reuse
    int64_t storages; // number of live storages
    int64_t fresh;    // bytes allocated since start (only grows)
    int64_t allocations; // number of allocations since start, failed ones too
} lt_memory_stats;
void lt_memory(lt_memory_stats *stats);
void lt_memory_reset_peak(void);
// Returns cached blocks to the system.
void lt_memory_trim(void);
// Makes the n-th allocation from now fail (n = 1: the next); 0 switches it off. For tests.
void lt_memory_fail_at(int64_t n);
// Limit on live bytes, 0 for none; an allocation beyond it fails with LT_ERR_MEMORY.
void lt_memory_limit(int64_t bytes);

// ---- the waist ---------------------------------------------------------------------------------
// One line of the list of registered ops; next is NULL at the end.
typedef struct lt_op_info {
    const char *name;
    const char *args;      // "y; x weight bias?": outputs; inputs, ? marks an optional one
    int64_t calls;
    int64_t nanoseconds;   // counted while lt_profile is on
} lt_op_info;
int32_t lt_op_count(void);
lt_status lt_op_get(lt_op_info *info, int32_t index);
void lt_profile(bool on);      // also resets the counters
// With it on, an op that writes a NaN or Inf fails, naming itself.
void lt_check_finite(bool on);
int32_t lt_threads(void);
void lt_set_threads(int32_t n);
double lt_time(void);          // seconds, monotonic

// ---- copy: copies, casts and fills -------------------------------------------------------------
// y <- x, converting dtype; shapes equal after broadcasting x to y.
lt_status lt_copy(lt_tensor *y, const lt_tensor *x);
lt_status lt_fill(lt_tensor *y, double value);
// y[i] = start + i * step, row-major.
lt_status lt_arange(lt_tensor *y, double start, double step);

// ---- arith -------------------------------------------------------------------------------------
// y <- a op b, element by element. a and b broadcast to y as in NumPy; f32, bf16, integers and bool
// mix (all integers: computed in i64, else in f32, then converted to y's dtype). In the _number
// form one of a and b is NULL and stands for `number`. y may be a or b itself.
// a + b
lt_status lt_add(lt_tensor *y, const lt_tensor *a, const lt_tensor *b);
lt_status lt_add_number(lt_tensor *y, const lt_tensor *a, const lt_tensor *b, double number);
// a - b
lt_status lt_sub(lt_tensor *y, const lt_tensor *a, const lt_tensor *b);
lt_status lt_sub_number(lt_tensor *y, const lt_tensor *a, const lt_tensor *b, double number);
// a * b
lt_status lt_mul(lt_tensor *y, const lt_tensor *a, const lt_tensor *b);
lt_status lt_mul_number(lt_tensor *y, const lt_tensor *a, const lt_tensor *b, double number);
// a / b
lt_status lt_div(lt_tensor *y, const lt_tensor *a, const lt_tensor *b);
lt_status lt_div_number(lt_tensor *y, const lt_tensor *a, const lt_tensor *b, double number);
// a ^ b
lt_status lt_pow(lt_tensor *y, const lt_tensor *a, const lt_tensor *b);
lt_status lt_pow_number(lt_tensor *y, const lt_tensor *a, const lt_tensor *b, double number);
// the larger; NaN wins
lt_status lt_maximum(lt_tensor *y, const lt_tensor *a, const lt_tensor *b);
lt_status lt_maximum_number(lt_tensor *y, const lt_tensor *a, const lt_tensor *b, double number);
// the smaller; NaN wins
lt_status lt_minimum(lt_tensor *y, const lt_tensor *a, const lt_tensor *b);
lt_status lt_minimum_number(lt_tensor *y, const lt_tensor *a, const lt_tensor *b, double number);
// a - b floor(a / b); integers modulo 0 give 0
lt_status lt_remainder(lt_tensor *y, const lt_tensor *a, const lt_tensor *b);
lt_status lt_remainder_number(lt_tensor *y, const lt_tensor *a, const lt_tensor *b, double number);
// a == b, and so on: y is bool
lt_status lt_equal(lt_tensor *y, const lt_tensor *a, const lt_tensor *b);
lt_status lt_equal_number(lt_tensor *y, const lt_tensor *a, const lt_tensor *b, double number);
lt_status lt_not_equal(lt_tensor *y, const lt_tensor *a, const lt_tensor *b);
lt_status lt_not_equal_number(lt_tensor *y, const lt_tensor *a, const lt_tensor *b, double number);
lt_status lt_less(lt_tensor *y, const lt_tensor *a, const lt_tensor *b);
lt_status lt_less_number(lt_tensor *y, const lt_tensor *a, const lt_tensor *b, double number);
lt_status lt_less_equal(lt_tensor *y, const lt_tensor *a, const lt_tensor *b);
lt_status lt_less_equal_number(lt_tensor *y, const lt_tensor *a, const lt_tensor *b, double number);
lt_status lt_greater(lt_tensor *y, const lt_tensor *a, const lt_tensor *b);
lt_status lt_greater_number(lt_tensor *y, const lt_tensor *a, const lt_tensor *b, double number);
lt_status lt_greater_equal(lt_tensor *y, const lt_tensor *a, const lt_tensor *b);
lt_status lt_greater_equal_number(lt_tensor *y, const lt_tensor *a, const lt_tensor *b,
                                  double number);
// a and b are true where not 0
lt_status lt_logical_and(lt_tensor *y, const lt_tensor *a, const lt_tensor *b);
lt_status lt_logical_and_number(lt_tensor *y, const lt_tensor *a, const lt_tensor *b,
                                double number);
lt_status lt_logical_or(lt_tensor *y, const lt_tensor *a, const lt_tensor *b);
lt_status lt_logical_or_number(lt_tensor *y, const lt_tensor *a, const lt_tensor *b, double number);
lt_status lt_logical_xor(lt_tensor *y, const lt_tensor *a, const lt_tensor *b);
lt_status lt_logical_xor_number(lt_tensor *y, const lt_tensor *a, const lt_tensor *b,
                                double number);
// Gradients; where a or b is NULL it is `number`. div: with respect to b, from y = a / b.
lt_status lt_div_backward_b(lt_tensor *db, const lt_tensor *dy, const lt_tensor *y,
                            const lt_tensor *b);
lt_status lt_pow_backward_a(lt_tensor *da, const lt_tensor *dy, const lt_tensor *a,
                            const lt_tensor *b, double number);
lt_status lt_pow_backward_b(lt_tensor *db, const lt_tensor *dy, const lt_tensor *a,
                            const lt_tensor *b, double number);
// dy where a is larger, half of it where both are equal; sign -1 for the minimum.
lt_status lt_maximum_backward(lt_tensor *da, const lt_tensor *dy, const lt_tensor *a,
                              const lt_tensor *b, double number, double sign);
// y <- a where condition is not 0, else b; one of a and b may be NULL and is then `number`.
lt_status lt_where(lt_tensor *y, const lt_tensor *condition, const lt_tensor *a, const lt_tensor *b,
                   double number);
// y <- a + weight (b - a).
lt_status lt_lerp(lt_tensor *y, const lt_tensor *a, const lt_tensor *b, double weight);

// ---- activation --------------------------------------------------------------------------------
// y <- f(x), element by element, any strides; y may be x itself. f32 or bf16 (computed in f32).
// The _backward form gives dx from dy and what forward saved: y for exp, expm1, sqrt, rsqrt,
// reciprocal, tanh, sigmoid and relu, x for the others.
lt_status lt_exp(lt_tensor *y, const lt_tensor *x);
lt_status lt_exp_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *saved);
lt_status lt_expm1(lt_tensor *y, const lt_tensor *x);
lt_status lt_expm1_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *saved);
lt_status lt_ln(lt_tensor *y, const lt_tensor *x);
lt_status lt_ln_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *saved);
lt_status lt_log1p(lt_tensor *y, const lt_tensor *x);
lt_status lt_log1p_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *saved);
lt_status lt_sqrt(lt_tensor *y, const lt_tensor *x);
lt_status lt_sqrt_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *saved);
lt_status lt_rsqrt(lt_tensor *y, const lt_tensor *x);
lt_status lt_rsqrt_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *saved);
lt_status lt_reciprocal(lt_tensor *y, const lt_tensor *x);
lt_status lt_reciprocal_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *saved);
lt_status lt_square(lt_tensor *y, const lt_tensor *x);
lt_status lt_square_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *saved);
lt_status lt_abs(lt_tensor *y, const lt_tensor *x);
lt_status lt_abs_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *saved);
lt_status lt_sin(lt_tensor *y, const lt_tensor *x);
lt_status lt_sin_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *saved);
lt_status lt_cos(lt_tensor *y, const lt_tensor *x);
lt_status lt_cos_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *saved);
lt_status lt_erf(lt_tensor *y, const lt_tensor *x);
lt_status lt_erf_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *saved);
lt_status lt_tanh(lt_tensor *y, const lt_tensor *x);
lt_status lt_tanh_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *saved);
lt_status lt_sigmoid(lt_tensor *y, const lt_tensor *x);
lt_status lt_sigmoid_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *saved);
lt_status lt_relu(lt_tensor *y, const lt_tensor *x);
lt_status lt_relu_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *saved);
lt_status lt_hardsigmoid(lt_tensor *y, const lt_tensor *x);
lt_status lt_hardsigmoid_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *saved);
lt_status lt_silu(lt_tensor *y, const lt_tensor *x);
lt_status lt_silu_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *saved);
lt_status lt_log_sigmoid(lt_tensor *y, const lt_tensor *x);
lt_status lt_log_sigmoid_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *saved);
lt_status lt_gelu(lt_tensor *y, const lt_tensor *x);
lt_status lt_gelu_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *saved);
lt_status lt_gelu_tanh(lt_tensor *y, const lt_tensor *x);
lt_status lt_gelu_tanh_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *saved);
// Without a gradient; round takes halves to even. isnan, isinf and isfinite write to bool.
lt_status lt_sign(lt_tensor *y, const lt_tensor *x);
lt_status lt_floor(lt_tensor *y, const lt_tensor *x);
lt_status lt_ceil(lt_tensor *y, const lt_tensor *x);
lt_status lt_round(lt_tensor *y, const lt_tensor *x);
lt_status lt_isnan(lt_tensor *y, const lt_tensor *x);
lt_status lt_isinf(lt_tensor *y, const lt_tensor *x);
lt_status lt_isfinite(lt_tensor *y, const lt_tensor *x);
// With options.
lt_status lt_leaky_relu(lt_tensor *y, const lt_tensor *x, double slope);
lt_status lt_leaky_relu_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *x,
                                 double slope);
lt_status lt_elu(lt_tensor *y, const lt_tensor *x, double alpha);
lt_status lt_elu_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *x, double alpha);
lt_status lt_softplus(lt_tensor *y, const lt_tensor *x, double beta, double threshold);
lt_status lt_softplus_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *x, double beta,
                               double threshold);
lt_status lt_clamp(lt_tensor *y, const lt_tensor *x, double low, double high);
lt_status lt_clamp_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *x, double low,
                            double high);
// weight broadcasts to x; dweight has x's shape and is to be summed over what was broadcast.
lt_status lt_prelu(lt_tensor *y, const lt_tensor *x, const lt_tensor *weight);
lt_status lt_prelu_backward(lt_tensor *dx, lt_tensor *dweight, const lt_tensor *dy,
                            const lt_tensor *x, const lt_tensor *weight);
// y <- a * sigmoid(b).
lt_status lt_glu(lt_tensor *y, const lt_tensor *a, const lt_tensor *b);
lt_status lt_glu_backward(lt_tensor *da, lt_tensor *db, const lt_tensor *dy, const lt_tensor *a,
                          const lt_tensor *b);

// ---- reduce ------------------------------------------------------------------------------------
// y <- x reduced over the dimensions whose bit is set in dims (bit 0: the first); y lacks them or
// has size 1 there. Integer sums, products, extremes and counts are exact; mean, logsumexp, var and
// norm take f32 and bf16 only.
lt_status lt_sum(lt_tensor *y, const lt_tensor *x, int32_t dims);
lt_status lt_mean(lt_tensor *y, const lt_tensor *x, int32_t dims);
lt_status lt_prod(lt_tensor *y, const lt_tensor *x, int32_t dims);
lt_status lt_amax(lt_tensor *y, const lt_tensor *x, int32_t dims);
lt_status lt_amin(lt_tensor *y, const lt_tensor *x, int32_t dims);
lt_status lt_any(lt_tensor *y, const lt_tensor *x, int32_t dims);
lt_status lt_all(lt_tensor *y, const lt_tensor *x, int32_t dims);
lt_status lt_count_nonzero(lt_tensor *y, const lt_tensor *x, int32_t dims);
lt_status lt_logsumexp(lt_tensor *y, const lt_tensor *x, int32_t dims);
// Sum of squared distances from the mean over (count - correction); root: its square root.
lt_status lt_var(lt_tensor *y, const lt_tensor *x, int32_t dims, double correction, bool root);
// p is 1, 2 or infinity.
lt_status lt_norm(lt_tensor *y, const lt_tensor *x, int32_t dims, double p);
// Greatest (minimum: smallest) element along dimension dim (from 0) and its position from 0, i64; the
// first of equals, a NaN before all. values may be NULL; both lie in memory in the same order.
lt_status lt_extreme(lt_tensor *values, lt_tensor *indices, const lt_tensor *x, int32_t dim,
                     bool minimum);
// Running sums along dim, from the end where reverse. Integers: y is i64.
lt_status lt_cumsum(lt_tensor *y, const lt_tensor *x, int32_t dim, bool reverse);
// dx and x lie in memory in the same order; dy has the shape of prod's y.
lt_status lt_prod_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *x, int32_t dims);

// ---- sort --------------------------------------------------------------------------------------
// Lines along dim (from 0) in order, and the positions (from 0, i64) they came from. values and
// indices may be shorter than x along dim: the first elements only. Equal elements keep their order;
// NaN counts as the greatest.
lt_status lt_sort(lt_tensor *values, lt_tensor *indices, const lt_tensor *x, int32_t dim,
                  bool descending);

// ---- shape -------------------------------------------------------------------------------------
// Matrices (..., N, M), row-major: row i keeps columns j <= i + diagonal (upper: j >= i + diagonal),
// the others become 0.
lt_status lt_triangle(lt_tensor *y, const lt_tensor *x, int64_t diagonal, bool upper);

// ---- index -------------------------------------------------------------------------------------
// Ids are i64, row-major, from 0; one out of range is an error that names it. dim counts from 0.
// y[i][j] = x[index[i][j]][j] for dim 0, and so on for more dimensions; y has index's shape.
lt_status lt_gather(lt_tensor *y, const lt_tensor *x, const lt_tensor *index, int32_t dim);
// y[index[i][j]][j] += source[i][j]; f32.
lt_status lt_scatter_add(lt_tensor *y, const lt_tensor *index, const lt_tensor *source, int32_t dim);
// Slices of x along dim, by ids; index's dimensions stand in y where dim stood in x. Row-major.
lt_status lt_index_select(lt_tensor *y, const lt_tensor *x, const lt_tensor *index, int32_t dim);
// Adds slices of source to those of y that index names, except slice `skip` (-1: none); f32.
lt_status lt_index_add(lt_tensor *y, const lt_tensor *source, const lt_tensor *index, int32_t dim,
                       int64_t skip);
// Elements of x where mask is true, in row-major order, and back; all row-major.
lt_status lt_masked_select(lt_tensor *y, const lt_tensor *x, const lt_tensor *mask);
lt_status lt_masked_scatter(lt_tensor *y, const lt_tensor *source, const lt_tensor *mask);
// y (n, dimensions of mask) i64: where mask is true.
lt_status lt_nonzero(lt_tensor *y, const lt_tensor *mask);

// ---- random ------------------------------------------------------------------------------------
// rng is an i64 tensor of 2: seed and counter; an op moves the counter on. y is dense (any order of
// dimensions), numbers are dealt in memory order; results do not depend on the number of threads.
// A generator of its own for (seed, a, b), such as (seed, epoch, index).
lt_status lt_generator(lt_tensor *rng, int64_t seed, int64_t a, int64_t b);
// [low, high); f32 or bf16, as are the normal fills.
lt_status lt_uniform(lt_tensor *y, lt_tensor *rng, double low, double high);
lt_status lt_normal(lt_tensor *y, lt_tensor *rng, double mean, double std);
// Normal numbers between low and high (absolute cut-offs).
lt_status lt_trunc_normal(lt_tensor *y, lt_tensor *rng, double mean, double std, double low,
                          double high);
// 1 with the given probability, or with p's at each element (p may be NULL); y of any dtype.
lt_status lt_bernoulli(lt_tensor *y, lt_tensor *rng, const lt_tensor *p, double probability);
// Whole numbers in [low, high).
lt_status lt_randint(lt_tensor *y, lt_tensor *rng, int64_t low, int64_t high);
// 0 .. n-1 in random order; y (n) i64.
lt_status lt_permutation(lt_tensor *y, lt_tensor *rng);
// y <- x kept with probability 1 - p and divided by it, plus residual where given. backward draws
// the same mask from a copy of rng as it was before; dx lies in memory in y's order.
lt_status lt_dropout(lt_tensor *y, const lt_tensor *x, const lt_tensor *residual, lt_tensor *rng,
                     double p);
lt_status lt_dropout_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *rng, double p);

// ---- matmul ------------------------------------------------------------------------------------
// y = a b + beta y over matrices in the last two dimensions: a (..., M, K), b (..., K, N). Batch
// dimensions of a and b broadcast; where y's is 1 and theirs is not, the products are summed. a and b
// may be any views, both f32 or both bf16; y is contiguous, f32 or their dtype (beta: f32 only).
lt_status lt_matmul(lt_tensor *y, const lt_tensor *a, const lt_tensor *b, double beta);

// Activations that linear and conv apply to what they store.
enum {
    LT_ACT_NONE = 0, LT_ACT_RELU, LT_ACT_TANH, LT_ACT_SIGMOID,  // their slope follows from y
    LT_ACT_GELU, LT_ACT_GELU_TANH, LT_ACT_SILU                  // from the value before them
};
// y (..., O) = act(x (..., I) weight (O, I)^T + bias (O)); pre, where not NULL, gets the value before
// act. x, y, pre contiguous and of one dtype, f32 or bf16; weight and bias f32; bias may be NULL.
lt_status lt_linear(lt_tensor *y, lt_tensor *pre, const lt_tensor *x, const lt_tensor *weight,
                    const lt_tensor *bias, int32_t act);
// Each of dx, dweight, dbias may be NULL. saved: y for relu, tanh, sigmoid; pre for gelu, silu.
lt_status lt_linear_backward(lt_tensor *dx, lt_tensor *dweight, lt_tensor *dbias,
                             const lt_tensor *dy, const lt_tensor *x, const lt_tensor *weight,
                             const lt_tensor *saved, int32_t act);

// ---- conv --------------------------------------------------------------------------------------
// Two-dimensional sizes are (H, W); sequences use entry 1 only.
typedef struct lt_conv_options {
    int64_t stride[2], padding[2], dilation[2], groups;
} lt_conv_options;
// y (N, O, ...) = x (N, C, ...) convolved with weight (O, C / groups, ...) + bias (O); one or two
// spatial dimensions. x and y lie channels-last and are f32 or bf16; weight (contiguous) and bias
// f32; bias may be NULL. Each size of y is (n + 2 padding - dilation (k - 1) - 1) / stride + 1.
lt_status lt_conv(lt_tensor *y, const lt_tensor *x, const lt_tensor *weight, const lt_tensor *bias,
                  const lt_conv_options *options);
// dx, dweight, dbias: each may be NULL.
lt_status lt_conv_backward(lt_tensor *dx, lt_tensor *dweight, lt_tensor *dbias, const lt_tensor *dy,
                           const lt_tensor *x, const lt_tensor *weight,
                           const lt_conv_options *options);
// The transposed convolution: y (N, O, ...) from x (N, C, ...) and weight (C, O / groups, ...); y is
// any size from which a convolution with these options comes back to x's.
lt_status lt_conv_transpose(lt_tensor *y, const lt_tensor *x, const lt_tensor *weight,
                            const lt_tensor *bias, const lt_conv_options *options);
lt_status lt_conv_transpose_backward(lt_tensor *dx, lt_tensor *dweight, lt_tensor *dbias,
                                     const lt_tensor *dy, const lt_tensor *x,
                                     const lt_tensor *weight, const lt_conv_options *options);

// ---- pool --------------------------------------------------------------------------------------
// Windows; sequences use entry 1 only. adaptive: bin i of m covers floor(i n / m) up to
// ceil((i + 1) n / m), and the other members do not matter. The last window may also begin where it
// ends behind the padding, if it begins before it (ceil_mode): y's size says so.
typedef struct lt_pool_options {
    int64_t kernel[2], stride[2], padding[2], dilation[2];
    int32_t adaptive, count_include_pad;
} lt_pool_options;
// x (N, C, ...) and y channels-last, f32 or bf16, one or two spatial dimensions. index (i32, y's
// shape and order) remembers for backward where in its window each maximum was.
lt_status lt_max_pool(lt_tensor *y, lt_tensor *index, const lt_tensor *x,
                      const lt_pool_options *options);
lt_status lt_max_pool_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *index,
                               const lt_pool_options *options);
lt_status lt_avg_pool(lt_tensor *y, const lt_tensor *x, const lt_pool_options *options);
lt_status lt_avg_pool_backward(lt_tensor *dx, const lt_tensor *dy, const lt_pool_options *options);

// ---- norm --------------------------------------------------------------------------------------
// Data is (N, C, ...) channels-last, f32 or bf16; statistics and parameters are f32; weight and bias
// may be NULL. mean and rstd (1 / deviation) are kept for backward.

// y = act(weight (x - mean) rstd + bias + residual) per channel; act is ReLU where relu is not 0. In
// training the statistics are the batch's and the running ones (may be NULL) move towards them by
// `momentum` (the variance without bias); otherwise the running ones are used.
lt_status lt_batch_norm(lt_tensor *y, lt_tensor *mean, lt_tensor *rstd, lt_tensor *running_mean,
                        lt_tensor *running_var, const lt_tensor *x, const lt_tensor *weight,
                        const lt_tensor *bias, const lt_tensor *residual, int32_t training,
                        double momentum, double eps, int32_t relu);
// dresidual (NULL where none is wanted) needs y, as does any call whose forward added a residual
// before its ReLU; without residual y may be NULL. Without ReLU dresidual is dy itself.
lt_status lt_batch_norm_backward(lt_tensor *dx, lt_tensor *dweight, lt_tensor *dbias,
                                 lt_tensor *dresidual, const lt_tensor *dy, const lt_tensor *x,
                                 const lt_tensor *mean, const lt_tensor *rstd,
                                 const lt_tensor *weight, const lt_tensor *bias, const lt_tensor *y,
                                 int32_t training, int32_t relu);
// Statistics per sample and group of neighbouring channels; mean and rstd are (N, groups).
lt_status lt_group_norm(lt_tensor *y, lt_tensor *mean, lt_tensor *rstd, const lt_tensor *x,
                        const lt_tensor *weight, const lt_tensor *bias, double eps);
lt_status lt_group_norm_backward(lt_tensor *dx, lt_tensor *dweight, lt_tensor *dbias,
                                 const lt_tensor *dy, const lt_tensor *x, const lt_tensor *mean,
                                 const lt_tensor *rstd, const lt_tensor *weight);
// x is contiguous (rows, d) in any shape; mean and rstd have one value a row, weight and bias d.
lt_status lt_layer_norm(lt_tensor *y, lt_tensor *mean, lt_tensor *rstd, const lt_tensor *x,
                        const lt_tensor *weight, const lt_tensor *bias, double eps);
lt_status lt_layer_norm_backward(lt_tensor *dx, lt_tensor *dweight, lt_tensor *dbias,
                                 const lt_tensor *dy, const lt_tensor *x, const lt_tensor *mean,
                                 const lt_tensor *rstd, const lt_tensor *weight);

// ---- softmax -----------------------------------------------------------------------------------
// y <- softmax of x along dimension dim (from 0), or its logarithm; f32 or bf16, any strides.
lt_status lt_softmax(lt_tensor *y, const lt_tensor *x, int32_t dim, bool log);
// From the result y of the forward pass.
lt_status lt_softmax_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *y, int32_t dim,
                              bool log);

// ---- loss --------------------------------------------------------------------------------------
// Reductions: 0 none (loss has one element for each target), 1 mean, 2 sum (loss is a scalar).
//
// Cross entropy of logits x (N, C) or (N, C, d...), f32 or bf16. target: class indices (N, d...) i64
// from 0, or f32 probabilities of x's shape. weight (C) f32 is optional. Targets equal to `ignore`
// count nothing; any other outside 0 .. C-1 is an error. lse (N, d...) f32 contiguous and total
// (scalar) are kept for the backward pass: each row's log sum exp, and the sum of the weights.
lt_status lt_cross_entropy(lt_tensor *loss, lt_tensor *lse, lt_tensor *total, const lt_tensor *x,
                           const lt_tensor *target, const lt_tensor *weight, int64_t ignore,
                           double smoothing, int32_t reduction);
lt_status lt_cross_entropy_backward(lt_tensor *dx, const lt_tensor *dloss, const lt_tensor *x,
                                    const lt_tensor *lse, const lt_tensor *total,
                                    const lt_tensor *target, const lt_tensor *weight,
                                    int64_t ignore, double smoothing, int32_t reduction);
// The same from log-probabilities x (f32), class indices only.
lt_status lt_nll_loss(lt_tensor *loss, lt_tensor *total, const lt_tensor *x,
                      const lt_tensor *target, const lt_tensor *weight, int64_t ignore,
                      int32_t reduction);
lt_status lt_nll_loss_backward(lt_tensor *dx, const lt_tensor *dloss, const lt_tensor *total,
                               const lt_tensor *target, const lt_tensor *weight, int64_t ignore,
                               int32_t reduction);

// Losses of x against target element by element, f32, any strides, one shape. weight multiplies
// each loss; pos_weight (BCE_LOGITS only) the positive part. scale is huber's delta and smooth_l1's
// beta; the mean is the sum over divisor.
enum {
    LT_LOSS_MSE,
    LT_LOSS_L1,
    LT_LOSS_SMOOTH_L1,
    LT_LOSS_HUBER,
    LT_LOSS_BCE,
    LT_LOSS_BCE_LOGITS,
    LT_LOSS_KL_DIV,
    LT_LOSS_KL_DIV_LOG,
    LT_LOSS_KINDS
};
lt_status lt_pointwise_loss(lt_tensor *loss, const lt_tensor *x, const lt_tensor *target,
                            const lt_tensor *weight, const lt_tensor *pos_weight, int32_t kind,
                            int32_t reduction, double scale, double divisor);
lt_status lt_pointwise_loss_backward(lt_tensor *dx, const lt_tensor *dloss, const lt_tensor *x,
                                     const lt_tensor *target, const lt_tensor *weight,
                                     const lt_tensor *pos_weight, int32_t kind, int32_t reduction,
                                     double scale, double divisor);

// ---- attention ---------------------------------------------------------------------------------
// out (B, H, L, D) <- softmax(q k' scale + mask) v for q (B, H, L, D) and k, v (B, H, S, D), all f32
// or all bf16, any strides. lse (B, H, L) f32 is kept for the backward pass: the base-2 logarithm of
// each query's sum of exponentials. Optional: mask (B, H, L, S), f32 to add or bool with true where a
// key takes part (expanded views allowed); padding (B, S) bool, true where a key is ignored; rng,
// advanced, when dropout > 0. causal: query i sees keys 0 .. i. A query without any key to see gives
// zeros.
lt_status lt_attention(lt_tensor *out, lt_tensor *lse, const lt_tensor *q, const lt_tensor *k,
                       const lt_tensor *v, const lt_tensor *mask, const lt_tensor *padding,
                       lt_tensor *rng, double scale, double dropout, bool causal);
// Overwrites dq, dk and dv; rng is a copy from before the forward pass. mask gets no gradient.
lt_status lt_attention_backward(lt_tensor *dq, lt_tensor *dk, lt_tensor *dv, const lt_tensor *dout,
                                const lt_tensor *out, const lt_tensor *lse, const lt_tensor *q,
                                const lt_tensor *k, const lt_tensor *v, const lt_tensor *mask,
                                const lt_tensor *padding, const lt_tensor *rng, double scale,
                                double dropout, bool causal);

// ---- lstm --------------------------------------------------------------------------------------
// One layer over whole sequences, in one direction or two. x (T, N, I) and y (T, N, D H) are views whose
// memory is (T, N, ...) or (N, T, ...), dense and both alike; f32. weights: per direction weight_ih
// (4H, I), weight_hh (4H, H), bias_ih and bias_hh (4H) or NULL, gates in the order i, f, g, o. States
// are (D, N, H); h0 and c0 may be NULL. saved (D, T N, 4H) and cells (D, T N, H) are for backward.
lt_status lt_lstm(lt_tensor *y, lt_tensor *hn, lt_tensor *cn, lt_tensor *saved, lt_tensor *cells,
                  const lt_tensor *x, const lt_tensor *h0, const lt_tensor *c0,
                  lt_tensor *const *weights, int32_t directions);
// dx, dy, dhn and dcn may be NULL; dweights are laid out as weights.
lt_status lt_lstm_backward(lt_tensor *dx, lt_tensor *dh0, lt_tensor *dc0,
                           lt_tensor *const *dweights, const lt_tensor *dy, const lt_tensor *dhn,
                           const lt_tensor *dcn, const lt_tensor *y, const lt_tensor *saved,
                           const lt_tensor *cells, const lt_tensor *x, const lt_tensor *h0,
                           const lt_tensor *c0, lt_tensor *const *weights, int32_t directions);

// ---- gru ---------------------------------------------------------------------------------------
// As lt_lstm, with weights of 3H rows, gates in the order r, z, n, and no cells.
lt_status lt_gru(lt_tensor *y, lt_tensor *hn, lt_tensor *saved, const lt_tensor *x,
                 const lt_tensor *h0, lt_tensor *const *weights, int32_t directions);
lt_status lt_gru_backward(lt_tensor *dx, lt_tensor *dh0, lt_tensor *const *dweights,
                          const lt_tensor *dy, const lt_tensor *dhn, const lt_tensor *y,
                          const lt_tensor *saved, const lt_tensor *x, const lt_tensor *h0,
                          lt_tensor *const *weights, int32_t directions);

// ---- optim -------------------------------------------------------------------------------------
// Steps over n parameters at once (dense f32; state tensors laid out like them; gradients of any
// layout and float dtype). Formulas and defaults are PyTorch's. clock (2) f64 holds the learning
// rate and the number of this step, from 1. scale, optional, multiplies gradients: a clip factor.
enum {
    LT_OPTIM_NESTEROV = 1,
    LT_OPTIM_DECOUPLED = 2,  // AdamW: weight decay apart from the gradient
    LT_OPTIM_MAXIMIZE = 4
};
// buffers: momentum, or NULL.
lt_status lt_sgd(const lt_tensor *clock, const lt_tensor *scale, int32_t n, lt_tensor *const *params,
                 lt_tensor *const *grads, lt_tensor *const *buffers, double momentum,
                 double dampening, double weight_decay, int32_t flags);
// firsts, seconds: moments; largest: the largest second moments (amsgrad) or NULL.
lt_status lt_adam(const lt_tensor *clock, const lt_tensor *scale, int32_t n,
                  lt_tensor *const *params, lt_tensor *const *grads, lt_tensor *const *firsts,
                  lt_tensor *const *seconds, lt_tensor *const *largest, double beta1, double beta2,
                  double eps, double weight_decay, int32_t flags);
// squares: mean squares; means: mean gradients (centered) or NULL; buffers: momentum or NULL.
lt_status lt_rmsprop(const lt_tensor *clock, const lt_tensor *scale, int32_t n,
                     lt_tensor *const *params, lt_tensor *const *grads, lt_tensor *const *squares,
                     lt_tensor *const *means, lt_tensor *const *buffers, double alpha, double eps,
                     double momentum, double weight_decay, int32_t flags);
// norm <- 2-norm (or largest magnitude) of all gradients together; scale <- min(1, max_norm /
// (norm + 1e-6)). A NaN or Inf among the gradients shows in both.
lt_status lt_grad_norm(lt_tensor *norm, lt_tensor *scale, int32_t n, lt_tensor *const *grads,
                       double max_norm, bool infinity);
// Multiplies every gradient (dense f32) with scale.
lt_status lt_grad_scale(const lt_tensor *scale, int32_t n, lt_tensor *const *grads);
// averages <- decay * averages + (1 - decay) * params.
lt_status lt_ema_update(int32_t n, lt_tensor *const *averages, lt_tensor *const *params,
                        double decay);

// ---- spectral ----------------------------------------------------------------------------------
// Signals are (B, T), f32, contiguous along T. Spectra have frames in their last dimension (before
// re/im), 1 + n_fft / 2 bins, and any stride over bins and clips.
// How frames lie: frame t covers samples t hop .. t hop + n_fft, moved n_fft / 2 back with center;
// samples outside are zeros, or mirrored (reflect). The number of frames is
// 1 + (T + 2 (n_fft / 2) - n_fft) / hop with center, 1 + (T - n_fft) / hop without.
typedef struct lt_frames {
    int64_t n_fft, hop;
    bool center, reflect;
    double scale;  // spectra are multiplied by it
} lt_frames;
// What is taken of a power: multiplier * log(...) + offset of scale * power.
enum {
    LT_LOG_NONE = 0,
    LT_LOG_1P,   // log(1 + x)
    LT_LOG_MAX,  // log(max(x, floor))
    LT_LOG_ADD   // log(x + floor)
};
typedef struct lt_log {
    int32_t form;
    double scale, floor, multiplier, offset;
    double top;  // above 0: every clip is limited to its largest value minus top
} lt_log;
// y (B, bins, frames, 2): re and im. window: n_fft samples, NULL for ones.
lt_status lt_stft(lt_tensor *y, const lt_tensor *x, const lt_tensor *window,
                  const lt_frames *frames);
lt_status lt_stft_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *window,
                           const lt_frames *frames);
// y (B, T) from x (B, bins, frames, 2): inverse transforms, windowed, overlapped, divided by the sum
// of squared windows. Any T: what lies beyond the frames is 0.
lt_status lt_istft(lt_tensor *y, const lt_tensor *x, const lt_tensor *window,
                   const lt_frames *frames);
lt_status lt_istft_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *window,
                            const lt_frames *frames);
// y (B, bins, frames): |X|^power (power 1 or 2), then log.
lt_status lt_spectrogram(lt_tensor *y, const lt_tensor *x, const lt_tensor *window,
                         const lt_frames *frames, const lt_log *log, int32_t power);
lt_status lt_spectrogram_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *x,
                                  const lt_tensor *window, const lt_frames *frames,
                                  const lt_log *log, int32_t power);
// y (B, rows, frames): a filter bank over |X|^power, then log. Row m of bands (rows, 3), i32, is
// first bin, number of bins, and where their weights begin in weights (n).
lt_status lt_log_mel(lt_tensor *y, const lt_tensor *x, const lt_tensor *window,
                     const lt_tensor *bands, const lt_tensor *weights, const lt_frames *frames,
                     const lt_log *log, int32_t power);
lt_status lt_log_mel_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *x,
                              const lt_tensor *window, const lt_tensor *bands,
                              const lt_tensor *weights, const lt_frames *frames, const lt_log *log,
                              int32_t power);
// y (B, rows, frames, 2), or (B, rows, frames) for the log of magnitudes: complex filters over
// spectra of rectangular frames. bands as above with complex weights (re, im, re, im, ...); y may hold
// fewer frames than x has.
lt_status lt_cqt_octave(lt_tensor *y, const lt_tensor *x, const lt_tensor *bands,
                        const lt_tensor *weights, const lt_frames *frames, const lt_log *log);
// A fresh resampling filter (phases, taps) for the ratio up / down, without common factors: a Kaiser-
// windowed sinc with a pass band up to `pass` and a stop band of `attenuation` dB (50 to 200) from
// `stop` on, both as shares of the lower of the two Nyquist frequencies.
lt_status lt_resample_filter(lt_tensor *filter, int64_t up, int64_t down, double pass, double stop,
                             double attenuation);
// y (B, ceil(T up / down)) from x (B, T), both contiguous.
lt_status lt_resample(lt_tensor *y, const lt_tensor *x, const lt_tensor *filter, int64_t up,
                      int64_t down);
lt_status lt_resample_backward(lt_tensor *dx, const lt_tensor *dy, const lt_tensor *filter,
                               int64_t up, int64_t down);

// ---- audio files -------------------------------------------------------------------------------
// Errors name the file: LT_ERR_IO where it cannot be opened, LT_ERR_FORMAT where its content is not
// what it should be (empty, cut off, not a sound file, a sample that is not a number).
typedef struct lt_sound_info {
    int32_t rate;       // Hz
    int32_t channels;
    int64_t frames;     // samples of one channel; -1 where only decoding would tell
    char format[64];    // "WAV (Microsoft)"
    char encoding[64];  // "Signed 16 bit PCM"
} lt_sound_info;
lt_status lt_sound_read_info(lt_sound_info *info, const char *path);
// y: a fresh (C, T), or with mono the mean of the channels (T); samples of integer files lie between
// -1 and 1. offset: frames to pass over; frames: how many at most, -1 for all.
lt_status lt_sound_load(lt_tensor *y, int32_t *rate, const char *path, int64_t offset, int64_t frames,
                        bool mono);
// Writes x, (T) or (C, T), at once (see lt_file_write). container: wav flac ogg aiff w64 rf64 caf,
// NULL takes the extension; encoding: pcm16 (the usual), pcm24, pcm32, float, vorbis (the usual of
// ogg); quality between 0 and 1 for vorbis, -1 for its default. Integer samples are clipped.
lt_status lt_sound_save(const char *path, const lt_tensor *x, int32_t rate, const char *container,
                        const char *encoding, double quality);

// ---- midi --------------------------------------------------------------------------------------
// Standard MIDI Files. Tracks, ports, channels, pitches and programs count from 0 here.
typedef struct lt_midi lt_midi;
typedef struct lt_midi_info {
    double seconds;             // time of the last event
    double tick_seconds;        // SMPTE time: seconds of a tick; 0 where tempo decides
    int64_t last_tick;
    int64_t notes, events;
    int32_t format, tracks;     // tracks: those found in the file
    int32_t ticks_per_quarter;  // 0 with SMPTE time
    int32_t reserved;
} lt_midi_info;
typedef struct lt_midi_note {
    double start, stop;         // seconds: key down, key up
    double sustained;           // seconds: the end with the sustain pedal; at least stop
    int64_t start_tick, stop_tick, order;
    int32_t pitch, velocity, channel, program, track, port, drum, reserved;
} lt_midi_note;
enum {
    LT_MIDI_CONTROL = 0,        // a: controller, b: value
    LT_MIDI_PROGRAM,            // a: program
    LT_MIDI_BEND,               // a: -8192 to 8191
    LT_MIDI_PRESSURE,           // a: pressure
    LT_MIDI_KEY_PRESSURE,       // a: pitch, b: pressure
    LT_MIDI_TEMPO,              // a: microseconds per quarter note
    LT_MIDI_TIME_SIGNATURE,     // a / b
    LT_MIDI_KEY_SIGNATURE,      // a: sharps (negative: flats), b: 1 for minor
    LT_MIDI_TEXT                // a: 1 text, 2 copyright, 3 track name, 4 instrument, 5 lyric, 6 marker,
};                              //    7 cue, 8 program name, 9 device; text in the file's own bytes
typedef struct lt_midi_event {
    double time;                // seconds
    int64_t tick, order;
    const char *text;           // owned by the lt_midi; text_bytes long, no 0 at its end
    int64_t text_bytes;
    int32_t kind, track, port, channel, a, b;  // channel -1: none
} lt_midi_event;
// Reads a file of type 0, 1 or 2 (also in RIFF), at most 16 MiB, tolerant of damage: see
// lt_midi_warning. track chooses the one track that is read of a type 2 file; others are read whole.
lt_status lt_midi_open(lt_midi **m, const char *path, int32_t track);
// The same from memory, which is copied; `name` is for errors.
lt_status lt_midi_parse(lt_midi **m, const char *name, const void *data, int64_t bytes, int32_t track);
void lt_midi_close(lt_midi *m);  // takes NULL
void lt_midi_describe(lt_midi_info *info, const lt_midi *m);
const lt_midi_note *lt_midi_notes(const lt_midi *m);    // by start, then pitch
const lt_midi_event *lt_midi_events(const lt_midi *m);  // by tick, then as in the file
// Oddity number index (from 0) in words and how often it was met; NULL after the last.
const char *lt_midi_warning(int64_t *count, const lt_midi *m, int32_t index);

// ---- safetensors -------------------------------------------------------------------------------
// Files of named tensors (huggingface/safetensors). Errors name the file and the tensor or byte.
typedef struct lt_safetensors lt_safetensors;
// UTF-8 text owned by the open file; it may hold 0 bytes.
typedef struct lt_safetensors_text {
    const char *text;
    int64_t length;
} lt_safetensors_text;
typedef struct lt_safetensors_info {
    lt_safetensors_text name;
    const char *dtype_name;  // as in the file: "F32", "BF16", "F8_E4M3", ...
    const uint64_t *shape;   // ndim entries
    int64_t bytes;
    int32_t dtype;           // LT_F32, ...; -1: cannot be read into a tensor
    int32_t ndim;            // may be more than LT_MAX_DIMS: then it cannot be read either
} lt_safetensors_info;
// Opens a file and checks all of its header; no tensor is read yet. Close it with
// lt_safetensors_close, which takes NULL.
lt_status lt_safetensors_open(lt_safetensors **f, const char *path);
// The same for a file held in memory, which must stay until the close; `name` is for errors.
lt_status lt_safetensors_parse(lt_safetensors **f, const char *name, const void *data, int64_t bytes);
void lt_safetensors_close(lt_safetensors *f);
int64_t lt_safetensors_count(const lt_safetensors *f);
// Tensor number index (from 0, in the order of the data).
lt_status lt_safetensors_entry(lt_safetensors_info *info, const lt_safetensors *f, int64_t index);
int64_t lt_safetensors_find(const lt_safetensors *f, const char *name, int64_t length);  // -1: none
int64_t lt_safetensors_metadata_count(const lt_safetensors *f);
lt_status lt_safetensors_metadata(lt_safetensors_text *key, lt_safetensors_text *value,
                                  const lt_safetensors *f, int64_t index);
// A fresh tensor with the file's content. Booleans become 0 or 1.
lt_status lt_safetensors_read(lt_tensor *t, const lt_safetensors *f, int64_t index);
// Writes n tensors atomically, byte for byte as the reference does. metadata: key, value, key, value,
// ... of `pairs` pairs, in the order to be written. Texts are UTF-8; each name once.
lt_status lt_safetensors_write(const char *path, int64_t n, const char *const *names,
                               const lt_tensor *const *tensors, int64_t pairs,
                               const char *const *metadata);

// ---- tensorboard -------------------------------------------------------------------------------
// CRC-32C (Castagnoli) of bytes, continuing from `crc` (0 at first).
uint32_t lt_crc32c(uint32_t crc, const void *data, int64_t bytes);
// Appends one record of an event file: length, masked CRC, data, masked CRC.
struct lt_appender;
lt_status lt_events_write(struct lt_appender *a, const void *data, int64_t bytes);

// ---- files and processes -----------------------------------------------------------------------
// Every function here names the path and the operating system's reason in its error (LT_ERR_IO).

// Bytes owned by C. data has one byte more than `bytes`, a 0, so that text may be read as a string.
typedef struct lt_buffer {
    char *data;
    int64_t bytes;
} lt_buffer;
void lt_buffer_release(lt_buffer *b);

enum { LT_FILE_NONE = 0, LT_FILE_REGULAR, LT_FILE_DIRECTORY, LT_FILE_OTHER };
typedef struct lt_file_info {
    int64_t bytes;
    double modified;  // seconds since 1970
    int32_t kind;     // LT_FILE_NONE where there is nothing by that name
    int32_t is_link;  // the name itself is a symbolic link; the rest describes what it leads to
} lt_file_info;

// The whole file; more than max_bytes is an error, found before it is read where the size is known.
lt_status lt_file_read(lt_buffer *content, const char *path, int64_t max_bytes);
// Replaces or creates the file at once: a temporary file beside it, fsync, rename, fsync of the
// directory. After a failure the old file is as it was and the temporary one is gone. Devices and
// pipes are written directly.
lt_status lt_file_write(const char *path, const void *data, int64_t bytes);
// The same in pieces. lt_writer_commit and lt_writer_abort both end and free the writer, also on
// failure; so does nothing else.
typedef struct lt_writer lt_writer;
lt_status lt_writer_open(lt_writer **w, const char *path);
lt_status lt_writer_write(lt_writer *w, const void *data, int64_t bytes);
lt_status lt_writer_commit(lt_writer *w);
void lt_writer_abort(lt_writer *w);
// The name of a temporary file beside path, for programs that write files themselves; fresh at each
// call, and known to lt_dir_clean.
lt_status lt_file_temporary(lt_buffer *name, const char *path);
// A file that only grows; each append reaches the operating system before it returns.
typedef struct lt_appender lt_appender;
lt_status lt_appender_open(lt_appender **a, const char *path);
lt_status lt_appender_write(lt_appender *a, const void *data, int64_t bytes);
lt_status lt_appender_close(lt_appender *a);  // fsync and close; frees it also on failure; takes NULL
lt_status lt_file_stat(lt_file_info *info, const char *path);
lt_status lt_file_remove(const char *path);  // a file or an empty directory; nothing there is fine
// Renames durably: fsync of the file, rename, fsync of the directory.
lt_status lt_file_rename(const char *from, const char *to);
lt_status lt_dir_make(const char *path);     // with its parents; existing is fine
// Names in the directory without . and .., each ended by a 0 byte, in byte order.
lt_status lt_dir_list(lt_buffer *names, const char *path);
// Removes temporary files that a dead process of this machine left in the directory; *removed
// counts them.
lt_status lt_dir_clean(int32_t *removed, const char *path);
// Makes the n-th operation fail, for tests: "write:3:ENOSPC" the third write from now, "fsync:1+:EIO"
// every fsync from now on; operations open read write fsync rename mkdir; also SHORT (half is
// written) and KILL (the process dies there) for an error name; several joined by commas; NULL or
// "" switches it off. The environment variable LT_FAULT is read at the first operation.
lt_status lt_file_fault(const char *spec);

enum { LT_PROCESS_NONE = 0, LT_PROCESS_RUNNING, LT_PROCESS_EXITED, LT_PROCESS_KILLED, LT_PROCESS_TIMEOUT };
typedef struct lt_process {
    int32_t pid;
    int32_t state;
    int32_t code;      // exit code, or the signal that ended it
    int32_t reserved;
    double started;    // lt_time() at the start
    double seconds;    // how long it ran, once it has ended
    double deadline;   // lt_time() at which it is killed; 0 for none
} lt_process;
// Runs a program (found by PATH) without a shell, in a process group of its own, with empty standard
// input; its output goes to the file `log` (NULL: nowhere), replaced. argv ends with NULL; directory
// NULL keeps the current one; after `timeout` seconds (0: none) the group is killed.
lt_status lt_process_start(lt_process *p, const char *const *argv, const char *directory,
                           const char *log, double timeout);
// Waits up to `seconds` until one of n processes that was running has ended; *index counts from 0,
// -1 where none has. Those not running are passed over.
lt_status lt_process_wait(int32_t *index, lt_process *const *p, int32_t n, double seconds);
// Kills the whole group and reaps the process; does nothing where it is not running.
void lt_process_kill(lt_process *p);
int32_t lt_cpus(void);    // processors this process may use
int32_t lt_getpid(void);
const char *lt_host_name(void);  // this machine's name; stays until the thread's next call
double lt_clock(void);    // seconds since 1970

// ---- loader ------------------------------------------------------------------------------------
// Worker threads that make batches, each in a Lua state of its own. Jobs and notes are opaque bytes.
typedef struct lt_loader lt_loader;
typedef struct lt_job lt_job;
// Starts the workers; each runs require("luatrain.data.worker").main(loader, spec).
lt_status lt_loader_open(lt_loader **loader, int32_t workers, const char *spec, int64_t bytes);
// Queues a job. The caller bounds how many are under way.
lt_status lt_loader_put(lt_loader *loader, const char *text, int64_t bytes);
// Waits for the oldest job's result. The note stays readable until the next call. LT_ERR_END where
// no job is under way; another error where a worker has died, with its message.
lt_status lt_loader_next(lt_loader *loader, const char **note, int64_t *bytes, int32_t *tensors);
// Tensor `index` (from 0) of the result at hand, with a reference of its own, and its name.
lt_status lt_loader_tensor(lt_loader *loader, int32_t index, lt_tensor *t, const char **name);
// Drops all jobs under way and their results.
void lt_loader_flush(lt_loader *loader);
// Ends the workers (each finishes its sample) and frees everything. NULL is allowed.
void lt_loader_close(lt_loader *loader);
// For the workers: the next job (waits; LT_ERR_END when the loader closes), a tensor of its result,
// its end, and whether to hurry.
lt_status lt_loader_take(lt_loader *loader, lt_job **job, const char **text, int64_t *bytes);
lt_status lt_loader_emit(lt_job *job, const char *name, const lt_tensor *t);
lt_status lt_loader_done(lt_loader *loader, lt_job *job, const char *note, int64_t bytes);
bool lt_loader_closing(lt_loader *loader);
// A seed below 2^53 that depends on all three numbers.
double lt_loader_seed(int64_t seed, int64_t epoch, int64_t index);
// order[0..n) <- a permutation of 0..n-1 that depends on seed and epoch only.
void lt_loader_order(int64_t *order, int64_t n, int64_t seed, int64_t epoch);

// ---- host --------------------------------------------------------------------------------------
// The text between the cdef marks of this header.
const char *lt_cdef(void);
// Names ("luatrain/nn/init.lua") and texts of the embedded Lua files; NULL past the last one, and
// for an unknown name.
const char *lt_embedded_name(int32_t index);
const char *lt_embedded_text(const char *name, int64_t *size);
// From now on SIGINT, SIGTERM and SIGUSR1 are noted instead of ending the process; the second one
// ends it. Off: back to the default actions. Both forget what was noted.
lt_status lt_signal_watch(bool on);
int32_t lt_signal_pending(void);               // the signal noted, 0 for none
bool lt_signal_watching(void);                 // whether signals are being noted
lt_status lt_signal_raise(int32_t number);     // sends it to this process (tests)
int32_t lt_terminal_columns(int32_t fd);       // width of the terminal, 0 where fd is none
const char *lt_program_path(void);             // the running program's file, "" where unknown

// cdef end
#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
