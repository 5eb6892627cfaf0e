// run: the waist. Every computation passes through lt_run: tensors are checked to be alive, shapes
// by the op's own check, then the kernel runs, timed and inspected where that was asked for.
#include "core/internal.h"

#include <omp.h>
#include <stdio.h>
#include <time.h>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

static lt_op *ops;  // in order of name
static int32_t op_count;
static bool profiling, checking_finite;
static uint64_t ticks;  // loader threads run ops too

// Counts the names in "y; x weight bias?" before and after the semicolon.
static void count_args(lt_op *op)
{
    int32_t *count = &op->outputs;
    for (const char *p = op->args; *p; p++) {
        if (*p == ';') count = &op->inputs;
        else if (*p != ' ' && (p == op->args || p[-1] == ' ' || p[-1] == ';')) ++*count;
    }
}

void lt_op_register(lt_op *op)
{
    count_args(op);
    lt_op **at = &ops;
    while (*at && strcmp((*at)->name, op->name) < 0) at = &(*at)->next;
    op->next = *at;
    *at = op;
    op_count++;
}

// Name of tensor argument `index` and whether it is optional.
static const char *arg_name(const lt_op *op, int index, char *buf, size_t size, bool *optional)
{
    const char *p = op->args;
    for (;; index--) {
        while (*p == ' ' || *p == ';') p++;
        size_t n = strcspn(p, " ;");
        if (index == 0) {
            *optional = n > 0 && p[n - 1] == '?';
            snprintf(buf, size, "%.*s", (int)(n - (*optional ? 1 : 0)), p);
            return buf;
        }
        p += n;
    }
}

static lt_status check_alive(const lt_op *op, const lt_tensor *t)
{
    int n = op->outputs + op->inputs;
    for (int i = 0; i < n; i++) {
        if (t[i].storage) {
            LT_REQUIRE(t[i].storage->device == 0, LT_ERR_DEVICE,
                       "%s: no CUDA kernel in this build", op->name);
            continue;
        }
        char name[32];
        bool optional;
        arg_name(op, i, name, sizeof name, &optional);
        if (optional && t[i].dtype == -1) continue;
        return lt_fail(LT_ERR_ARGUMENT,
                       "%s: %s was released with its scope; use lt.keep(t) to hold a tensor longer "
                       "or t:item() for its value", op->name, name);
    }
    return LT_OK;
}

static bool all_finite(const lt_tensor *t)
{
    if (!t->storage || (t->dtype != LT_F32 && t->dtype != LT_BF16) || !lt_is_dense(t)) return true;
    int64_t n = lt_numel(t);
    if (t->dtype == LT_F32) {
        const uint32_t *x = lt_data(t);
        for (int64_t i = 0; i < n; i++)
            if ((x[i] & 0x7f800000u) == 0x7f800000u) return false;
        return true;
    }
    const uint16_t *x = lt_data(t);
    for (int64_t i = 0; i < n; i++)
        if ((x[i] & 0x7f80u) == 0x7f80u) return false;
    return true;
}

static lt_status inspect(const lt_op *op, const lt_tensor *t)
{
    for (int i = 0; i < op->outputs; i++) {
        char name[32];
        bool optional;
        LT_REQUIRE(all_finite(&t[i]), LT_ERR_ARGUMENT, "%s: %s %s holds a NaN or Inf", op->name,
                   arg_name(op, i, name, sizeof name, &optional), LT_SHAPE(&t[i]));
    }
    return LT_OK;
}

double lt_tick(void) { return (double)__atomic_add_fetch(&ticks, 1, __ATOMIC_RELAXED); }

void lt_touch(const lt_tensor *t)
{
    if (t->storage) t->storage->written = lt_tick();
}

static void touch_outputs(const lt_op *op, const lt_tensor *t)
{
    double now = lt_tick();
    for (int i = 0; i < op->outputs; i++)
        if (t[i].storage) t[i].storage->written = now;
}

// Where a session was interrupted, ops end with an error until one has told it.
static lt_status stop_if_interrupted(const lt_op *op)
{
    if (!lt_interrupted()) return LT_OK;
    lt_interrupt_take();
    return lt_fail(LT_ERR_INTERRUPTED, "%s: interrupted", op->name);
}

// Runs a kernel with numbers below 1.2e-38 counting as zero: a processor takes a hundred cycles for
// each, and the gradients of saturated activations are full of them. OpenMP's threads begin with the
// settings of the thread that first needs them.
static lt_status compute(const lt_op *op, const void *args)
{
#if defined(__SSE2__)
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before | _MM_FLUSH_ZERO_ON | 0x40);  // 0x40: denormals are zeros when read, too
    const lt_status status = op->cpu(args);
    _mm_setcsr(before);
    return status;
#else
    return op->cpu(args);
#endif
}

double lt_patience;
static _Thread_local struct { double waited, until; int team; } awake;

void lt_stay_awake(int team, double seconds)
{
    awake.team = lt_patience > 0 ? team : 1;
    if (awake.team < 2) return;
    awake.waited = lt_time();
    awake.until = awake.waited + seconds;
}

// Gives threads that are to stay awake nothing to do, before they sleep: 1 or 2 us. Where it is too late they
// are let sleep.
static void keep_awake(void)
{
    double now = lt_time(), waited = now - awake.waited;
    if (now > awake.until || waited > 0.8 * lt_patience) awake.team = 1;
    if (awake.team < 2 || waited < 0.2 * lt_patience) return;
#pragma omp parallel num_threads(awake.team)
    __asm__ volatile("");
    awake.waited = lt_time();
}

lt_status lt_run(lt_op *op, const void *args)
{
    if (awake.team > 1) keep_awake();
    LT_TRY(stop_if_interrupted(op));
    LT_TRY(check_alive(op, args));
    if (op->check) LT_TRY(op->check(args));
    touch_outputs(op, args);
    __atomic_add_fetch(&op->calls, 1, __ATOMIC_RELAXED);
    double start = profiling ? lt_time() : 0;
    LT_TRY(compute(op, args));
    if (profiling)
        __atomic_add_fetch(&op->nanoseconds, (int64_t)((lt_time() - start) * 1e9), __ATOMIC_RELAXED);
    LT_TRY(stop_if_interrupted(op));
    return checking_finite ? inspect(op, args) : LT_OK;
}

int32_t lt_op_count(void) { return op_count; }

lt_status lt_op_get(lt_op_info *info, int32_t index)
{
    LT_REQUIRE(index >= 0 && index < op_count, LT_ERR_ARGUMENT, "op_get: index %d of %d", index,
               op_count);
    lt_op *op = ops;
    while (index-- > 0) op = op->next;
    *info = (lt_op_info){op->name, op->args, op->calls, op->nanoseconds};
    return LT_OK;
}

void lt_profile(bool on)
{
    profiling = on;
    for (lt_op *op = ops; op; op = op->next) op->calls = op->nanoseconds = 0;
}

void lt_check_finite(bool on) { checking_finite = on; }

double lt_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

// Waking a thread costs a few microseconds, and far more where other programs keep the processors
// busy (measured: a step of a small network took 0.2 ms on one thread and up to 2.6 ms on two). One
// thread does this much simple work in 10 to 20 microseconds.
int lt_team(int64_t work) { return work < 131072 ? 1 : omp_get_max_threads(); }

int32_t lt_threads(void) { return omp_get_max_threads(); }

void lt_set_threads(int32_t n) { omp_set_num_threads(n < 1 ? 1 : n); }

lt_status lt_check_dtype(const char *op, const char *arg, const lt_tensor *t, int32_t dtype)
{
    LT_REQUIRE(t->dtype == dtype, LT_ERR_ARGUMENT, "%s: %s is %s, wanted %s", op, arg,
               lt_dtype_name(t->dtype), lt_dtype_name(dtype));
    return LT_OK;
}

lt_status lt_check_float(const char *op, const char *arg, const lt_tensor *t)
{
    LT_REQUIRE(t->dtype == LT_F32 || t->dtype == LT_BF16, LT_ERR_ARGUMENT,
               "%s: %s is %s, wanted f32 or bf16", op, arg, lt_dtype_name(t->dtype));
    return LT_OK;
}

lt_status lt_check_same_shape(const char *op, const char *a_name, const lt_tensor *a,
                              const char *b_name, const lt_tensor *b)
{
    LT_REQUIRE(lt_same_shape(a, b), LT_ERR_ARGUMENT, "%s: %s is %s, %s is %s", op, a_name,
               LT_SHAPE(a), b_name, LT_SHAPE(b));
    return LT_OK;
}

lt_status lt_check_contiguous(const char *op, const char *arg, const lt_tensor *t)
{
    LT_REQUIRE(lt_tensor_is_contiguous(t), LT_ERR_ARGUMENT, "%s: %s %s must be contiguous", op, arg,
               LT_SHAPE(t));
    return LT_OK;
}
