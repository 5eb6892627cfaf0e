// decode: the likeliest continuations of sequences that are being written, from a model's scores.
#include "core/internal.h"
#include "../scalar/vmath.h"

typedef struct {
    lt_tensor values, places, scores, sums, counts;
} best_args;

// The best so far, in order; of equals the first one found comes first.
typedef struct {
    float *values;
    int64_t *places;
    int64_t found, most;
} best_list;

static void insert(best_list *b, float value, int64_t place)
{
    int64_t at = b->found < b->most ? b->found++ : b->most - 1;
    for (; at > 0 && b->values[at - 1] < value; at--) {
        b->values[at] = b->values[at - 1];
        b->places[at] = b->places[at - 1];
    }
    b->values[at] = value;
    b->places[at] = place;
}

// The logarithm of the sum of e^x.
static float log_sum(const float *x, int64_t n)
{
    float top = -__builtin_inff(), sum = 0;
#pragma omp simd reduction(max : top)
    for (int64_t i = 0; i < n; i++) top = x[i] > top ? x[i] : top;
    if (top == -__builtin_inff()) return top;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) sum += vm_exp(x[i] - top);
    return top + logf(sum);
}

enum { BLOCK = 32 }; // numbers that are looked at together: few of them are among the best

static void scan_row(best_list *b, const float *x, int64_t n, float shift, int64_t first)
{
    for (int64_t i = 0; i < n; i += BLOCK) {
        int64_t end = n - i < BLOCK ? n : i + BLOCK;
        float top = -__builtin_inff();
#pragma omp simd reduction(max : top)
        for (int64_t j = i; j < end; j++) top = x[j] > top ? x[j] : top;
        if (b->found == b->most && !(top + shift > b->values[b->most - 1])) continue;
        for (int64_t j = i; j < end; j++) {
            float value = x[j] + shift;
            // False for NaN.
            if (value >= -__builtin_inff() &&
                (b->found < b->most || value > b->values[b->most - 1]))
                insert(b, value, first + j);
        }
    }
}

static lt_status best_cpu(const void *args)
{
    const best_args *a = args;
    int64_t groups = a->values.shape[0], words = a->scores.shape[1], most = a->values.shape[1];
    const int64_t *counts = lt_present(&a->counts) ? lt_i64(&a->counts) : NULL;
    int64_t row = 0;
    for (int64_t g = 0; g < groups; g++) {
        best_list b = {lt_f32(&a->values) + g * most, lt_i64(&a->places) + g * most, 0, most};
        int64_t own = counts ? counts[g] : 1;
        for (int64_t i = 0; i < own; i++, row++) {
            const float *x = lt_f32(&a->scores) + row * words;
            float sum = lt_present(&a->sums) ? lt_f32(&a->sums)[row] : 0;
            scan_row(&b, x, words, sum - log_sum(x, words), i * words);
        }
        int64_t wanted = own * words < most ? own * words : most;
        LT_REQUIRE(b.found >= wanted, LT_ERR_ARGUMENT,
                   "decode_best: the scores of sequence %lld hold a NaN or +Inf", (long long)g);
        for (; b.found < most; b.found++) {
            b.values[b.found] = -__builtin_inff();
            b.places[b.found] = -1;
        }
    }
    return LT_OK;
}

static lt_status check_counts(const best_args *a)
{
    const char *op = "decode_best";
    int64_t rows = 0, groups = a->values.shape[0];
    if (!lt_present(&a->counts)) {
        LT_REQUIRE(groups == a->scores.shape[0], LT_ERR_ARGUMENT, "%s: values %s for scores %s", op,
                   LT_SHAPE(&a->values), LT_SHAPE(&a->scores));
        return LT_OK;
    }
    LT_TRY(lt_check_dtype(op, "counts", &a->counts, LT_I64));
    LT_TRY(lt_check_contiguous(op, "counts", &a->counts));
    LT_REQUIRE(lt_numel(&a->counts) == groups, LT_ERR_ARGUMENT, "%s: values %s for counts %s", op,
               LT_SHAPE(&a->values), LT_SHAPE(&a->counts));
    for (int64_t g = 0; g < groups; g++) {
        int64_t n = lt_i64(&a->counts)[g];
        LT_REQUIRE(n >= 0 && n <= a->scores.shape[0], LT_ERR_ARGUMENT,
                   "%s: sequence %lld has %lld rows", op, (long long)g, (long long)n);
        rows += n;
    }
    LT_REQUIRE(rows == a->scores.shape[0], LT_ERR_ARGUMENT,
               "%s: counts add up to %lld, scores is %s", op, (long long)rows,
               LT_SHAPE(&a->scores));
    return LT_OK;
}

static lt_status best_check(const void *args)
{
    const best_args *a = args;
    const char *op = "decode_best";
    LT_TRY(lt_check_dtype(op, "values", &a->values, LT_F32));
    LT_TRY(lt_check_dtype(op, "places", &a->places, LT_I64));
    LT_TRY(lt_check_dtype(op, "scores", &a->scores, LT_F32));
    LT_TRY(lt_check_contiguous(op, "values", &a->values));
    LT_TRY(lt_check_contiguous(op, "places", &a->places));
    LT_TRY(lt_check_contiguous(op, "scores", &a->scores));
    LT_REQUIRE(a->scores.ndim == 2 && a->values.ndim == 2 && a->values.shape[1] >= 1,
               LT_ERR_ARGUMENT, "%s: values %s for scores %s", op, LT_SHAPE(&a->values),
               LT_SHAPE(&a->scores));
    LT_TRY(lt_check_same_shape(op, "places", &a->places, "values", &a->values));
    LT_TRY(check_counts(a));
    if (lt_present(&a->sums)) {
        LT_TRY(lt_check_dtype(op, "sums", &a->sums, LT_F32));
        LT_TRY(lt_check_contiguous(op, "sums", &a->sums));
        LT_REQUIRE(lt_numel(&a->sums) == a->scores.shape[0], LT_ERR_ARGUMENT,
                   "%s: sums is %s for scores %s", op, LT_SHAPE(&a->sums), LT_SHAPE(&a->scores));
    }
    return LT_OK;
}

LT_OP(decode_best, "values places; scores sums? counts?", best_check, best_cpu)

lt_status lt_decode_best(lt_tensor *values, lt_tensor *places, const lt_tensor *scores,
                         const lt_tensor *sums, const lt_tensor *counts)
{
    best_args a = {*values, *places, *scores, lt_optional(sums), lt_optional(counts)};
    return lt_run(&decode_best_op, &a);
}
