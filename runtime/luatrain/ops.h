// luatrain/ops.h - the ops: every computation on tensors, one banner a stem.
// Part of luatrain.h, which includes it; read by LuaJIT between the marks.
// cdef begin

// ---- copy: copies, casts and fills -------------------------------------------------------------
// y <- x, converting dtype; shapes equal after broadcasting x to y.
lt_status lt_copy(lt_tensor *y, const lt_tensor *x);
lt_status lt_fill(lt_tensor *y, double value);  // every element becomes value, converted to y's dtype
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

// ---- decoder -----------------------------------------------------------------------------------
// A transformer decoder that writes several sequences (rows) side by side, a position at a time.
//
// Weights, keys and values are panels: a matrix (out, in) as groups of sixteen rows, each stored
// (in, 16), padded with zeros, of f32; or, fixed, of 16-bit numbers with a scale for each row, stored
// (in / 2, 16, 2), in rounded up to twos. They are bytes (u8) to everybody else.
//
// panels (u8) and scales (f32) <- w (.., out, in), f32, any strides; out is rounded up to sixteens.
// scales has one number for each row, (.., out), or, by_column, for each column, (.., in).
lt_status lt_decoder_pack(lt_tensor *panels, lt_tensor *scales, const lt_tensor *w, bool fixed,
                          bool by_column);

// The heads, and in sixteens the hidden units, are divided into so many shares, or as many as there are
// heads: share g of n begins with n g / shares.
enum { LT_DECODER_SHARES = 4 };
enum { LT_DECODER_RELU, LT_DECODER_GELU, LT_DECODER_SILU, LT_DECODER_ACTIVATIONS };
typedef struct lt_decoder {
    int32_t layers, heads;
    int32_t depth, hidden;  // of a head and of the feed-forward net, multiples of sixteen
    int32_t width, outputs; // outputs 0: no output layer
    int32_t activation, norm_first, final_norm, fixed;
    float eps, final_eps, scale;  // scale multiplies the scores
} lt_decoder;

// How long steps take, for the choice between one thread and several: begin with zeros.
typedef struct lt_decoder_pace {
    double alone, together;  // seconds of the latest trials
    int64_t step, period;    // since then, and until the next ones
    int32_t was_alone;
} lt_decoder_pace;

// y (rows, outputs or width) <- the decoder's result for x (rows, width) at `position`, counted from 0;
// or for tokens x (rows) i64 where words (count, width) is given, which they are looked up in. places
// (at least position + 1, width), or NULL: its row `position` is added.
//   weights: for each layer the panels of q, k and v in one (3 heads depth, width), their output
//     (width, heads depth), q of the cross-attention (heads depth, width), its output, the first
//     and the second matrix of the feed-forward net; then the output layer (outputs, width). The two
//     outputs and the second matrix are a matrix for each share of their columns.
//   vectors: for each layer the scales (of each share) and biases of these six, then weight and bias
//     of its three norms, each rounded up to sixteens; then the last norm's, then the output layer's.
//   table (at least rows, room + 2) i32: for each row the slot it writes to, its source, and for
//     each earlier position the slot where its keys and values lie; this one's is noted.
//   keys, values, scales (slots, layers, heads, 2, room): what the slots hold, room a multiple of
//     sixteen; this position's are added. The first slots are the sources': what all rows of one
//     share is copied there.
//   memory_keys and memory_values: the encoder's result (sources, positions, width) projected, as
//     panels (layers, sources, heads, positions, depth), the values' transposed; key_scales by row,
//     value_scales by column. bias (sources, positions) is added to the scores.
//   pace: of this cache, or NULL: as many threads as there are. The result does not depend on it.
lt_status lt_decoder_step(lt_tensor *y, lt_tensor *keys, lt_tensor *values, lt_tensor *scales,
                          lt_tensor *table, const lt_tensor *x, const lt_tensor *words,
                          const lt_tensor *places, const lt_tensor *weights,
                          const lt_tensor *vectors, const lt_tensor *memory_keys,
                          const lt_tensor *memory_values, const lt_tensor *key_scales,
                          const lt_tensor *value_scales, const lt_tensor *bias,
                          const lt_decoder *shape, int64_t position,
                          lt_decoder_pace *pace);
// The table after row k has become what row rows[k] (i64, from 0) was; to has at least as many rows
// as rows, and as many slots as it has rows, from `first` on. Keys and values stay where they are.
lt_status lt_decoder_reorder(lt_tensor *to, const lt_tensor *from, const lt_tensor *rows,
                             int64_t first);

// ---- decode ------------------------------------------------------------------------------------
// The best continuations of sequences: scores (rows, words) f32 of what comes next, before softmax;
// sequence g has counts[g] (i64) rows, one behind the other, or with NULL one. values and places (sequences, k) <- the k
// largest of sums[row] + log_softmax(scores[row])[word], best first, and row * words + word, with rows
// counted from the sequence's own first. sums (rows) may be NULL. Where there are fewer than k:
// -Inf and -1. Scores with a NaN or +Inf are refused.
lt_status lt_decode_best(lt_tensor *values, lt_tensor *places, const lt_tensor *scores,
                         const lt_tensor *sums, const lt_tensor *counts);

// ---- lstm --------------------------------------------------------------------------------------
// One layer over whole sequences, in one direction or two. x (T, N, I) and y (T, N, D H) are views whose
// memory is (T, N, ...) or (N, T, ...), dense and both alike; f32. weights: per direction weight_ih
// (4H, I), weight_hh (4H, H), bias_ih and bias_hh (4H) or NULL, gates in the order i, f, g, o. States
// are (D, N, H); h0 and c0 may be NULL. saved (D, T N, 4H) and cells (D, T N, H) are for backward.
lt_status lt_lstm(lt_tensor *y, lt_tensor *hn, lt_tensor *cn, lt_tensor *saved, lt_tensor *cells,
                  const lt_tensor *x, const lt_tensor *h0, const lt_tensor *c0,
                  lt_tensor *const *weights, int32_t directions);
// dx, dh0, dc0, dy, dhn and dcn may be NULL; dweights are laid out as weights.
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

// ---- stream ------------------------------------------------------------------------------------
// A chain of layers that runs a frame at a time. Each reads what it needs of weights (panels, see
// decoder) and vectors (each rounded up to sixteens) where the one before has stopped:
//   DENSE: panels (outputs, inputs), scales, bias;
//   CONV over the past: panels (outputs, kernel inputs), oldest frame first, scales, bias;
//   LSTM, GRU: panels (gates outputs, inputs), scales, bias, panels (gates outputs, outputs), scales,
//     bias, gates as in lt_lstm and lt_gru;
//   NORM: center, factor, base of (x - center) factor + base;
//   PRELU: slopes; the other kinds nothing. These give as many numbers as they take.
enum {
    LT_STREAM_DENSE, LT_STREAM_CONV, LT_STREAM_LSTM, LT_STREAM_GRU,
    LT_STREAM_NORM, LT_STREAM_PRELU, LT_STREAM_RELU, LT_STREAM_TANH, LT_STREAM_SIGMOID,
    LT_STREAM_ELU, LT_STREAM_SILU, LT_STREAM_GELU, LT_STREAM_SOFTMAX, LT_STREAM_KINDS
};
typedef struct lt_stream_layer {
    int32_t kind, inputs, outputs;
    int32_t kernel, dilation;  // of CONV
    float alpha;               // of ELU
} lt_stream_layer;

// y (.., outputs) <- the frames x (.., inputs), one after the other, both f32. state (f32): what the
// layers remember and the room they compute in, as many numbers as lt_stream_state says; zeros begin anew.
lt_status lt_stream(lt_tensor *y, lt_tensor *state, const lt_tensor *x, const lt_tensor *weights,
                    const lt_tensor *vectors, const lt_stream_layer *layers, int32_t count,
                    bool fixed);
lt_status lt_stream_state(int64_t *numbers, const lt_stream_layer *layers, int32_t count);

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

// cdef end
