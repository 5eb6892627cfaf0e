// internal.h: what C files of luatrain share with each other and not with the world.
#ifndef LT_INTERNAL_H
#define LT_INTERNAL_H

#include "luatrain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- errors ------------------------------------------------------------------------------------
// Writes this thread's error text and returns the status, so that `return lt_fail(...)` reads well.
lt_status lt_fail(lt_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define LT_REQUIRE(cond, status, ...) \
    do { \
        if (!(cond)) return lt_fail(status, __VA_ARGS__); \
    } while (0)
#define LT_TRY(call) \
    do { \
        lt_status lt_try_ = (call); \
        if (lt_try_ != LT_OK) return lt_try_; \
    } while (0)

// "(2, 3)" in a buffer of the caller; returns buf.
typedef struct { char s[160]; } lt_text;
const char *lt_shape_text(lt_text *buf, const lt_tensor *t);
#define LT_SHAPE(t) lt_shape_text(&(lt_text){{0}}, t)

// ---- tensors -----------------------------------------------------------------------------------
#define LT_ALIGN 64

static inline void *lt_data(const lt_tensor *t)
{
    return t->storage->data + t->offset * lt_dtype_size(t->dtype);
}
static inline float *lt_f32(const lt_tensor *t) { return (float *)t->storage->data + t->offset; }
static inline int64_t *lt_i64(const lt_tensor *t) { return (int64_t *)t->storage->data + t->offset; }
static inline int64_t lt_numel(const lt_tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->ndim; i++) n *= t->shape[i];
    return n;
}
static inline bool lt_present(const lt_tensor *t) { return t->storage != NULL; }
// The value for an optional argument that may be NULL.
static inline lt_tensor lt_optional(const lt_tensor *t)
{
    return t ? *t : (lt_tensor){.dtype = -1};
}
bool lt_same_shape(const lt_tensor *a, const lt_tensor *b);
// Same shape and same strides.
bool lt_same_layout(const lt_tensor *a, const lt_tensor *b);
// Elements fill one block without holes or overlap, in whatever order of dimensions.
bool lt_is_dense(const lt_tensor *t);
// (N, C, spatial...) with C fastest in memory, dense: channels-last.
bool lt_is_channels_last(const lt_tensor *t);
// True where the two may share bytes of memory.
bool lt_overlap(const lt_tensor *a, const lt_tensor *b);

// ---- memory (the caching allocator) ------------------------------------------------------------
// Scratch and storage memory, 64-byte aligned, NULL when exhausted (the error text is set).
// Safe from every thread. lt_free takes NULL.
void *lt_alloc(int64_t bytes);
void lt_free(void *p);

// ---- the waist ---------------------------------------------------------------------------------
// An op: its args struct begins with its tensors by value, outputs first. `args` names them:
// "y; x weight bias?" - outputs before the semicolon, ? for an optional input.
typedef struct lt_op {
    const char *name;
    const char *args;
    lt_status (*check)(const void *args);  // shapes, dtypes, options; may be NULL
    lt_status (*cpu)(const void *args);    // the kernel; trusts what check has seen
    int32_t outputs, inputs;               // filled from args at registration
    int64_t calls, nanoseconds;
    struct lt_op *next;
} lt_op;

void lt_op_register(lt_op *op);
// Notes that a tensor's elements are being changed. The waist does it for outputs; an op that writes
// to tensors in lists does it itself.
void lt_touch(const lt_tensor *t);
lt_status lt_run(lt_op *op, const void *args);

// LT_OP(gelu, "y; x", gelu_check, gelu_cpu) defines and registers the descriptor `gelu_op`.
#define LT_OP(id, arguments, check_fn, cpu_fn) \
    static lt_op id##_op = {.name = #id, .args = arguments, .check = check_fn, .cpu = cpu_fn}; \
    __attribute__((constructor)) static void id##_register(void) { lt_op_register(&id##_op); }

// Checks shared by many ops; each names the op and the argument in its error.
lt_status lt_check_dtype(const char *op, const char *arg, const lt_tensor *t, int32_t dtype);
lt_status lt_check_float(const char *op, const char *arg, const lt_tensor *t);  // f32 or bf16
lt_status lt_check_same_shape(const char *op, const char *a_name, const lt_tensor *a,
                              const char *b_name, const lt_tensor *b);
lt_status lt_check_contiguous(const char *op, const char *arg, const lt_tensor *t);

// ---- parallel loops ----------------------------------------------------------------------------
// Number of threads worth waking for `work` simple element operations (1 below a threshold).
int lt_team(int64_t work);
// Keeps the `team` threads awake with which this thread has just computed, for another `seconds` at most, as
// long as it goes on to compute ops: where a loop comes back soon, and waking them would cost as much.
void lt_stay_awake(int team, double seconds);
// Seconds that threads wait before they sleep, as the launcher has set it; 0: nobody knows.
extern double lt_patience __attribute__((visibility("default")));

// ---- other processes ---------------------------------------------------------------------------
// Whether this process of this machine is no more, or was killed and will do nothing more.
bool lt_process_is_gone(int32_t pid);

// ---- interrupting ------------------------------------------------------------------------------
// Whether this thread was asked to stop: a kernel that runs for seconds looks now and then, and may then
// return with its work undone, since the waist makes an error of it.
bool lt_interrupted(void);
// Whether this signal would be noted by lt_signal_watch, were it to come now.
bool lt_signal_noted(int number);
// Called in the signal's handler; the host gives it.
extern void (*lt_on_interrupt)(void) __attribute__((visibility("hidden")));

// ---- half precision ----------------------------------------------------------------------------
typedef uint16_t lt_bf16;
static inline float lt_bf16_to_f32(lt_bf16 h)
{
    union { uint32_t u; float f; } v = {.u = (uint32_t)h << 16};
    return v.f;
}
// Round to nearest even; NaN stays NaN.
static inline lt_bf16 lt_f32_to_bf16(float f)
{
    union { float f; uint32_t u; } v = {.f = f};
    uint32_t rounded = (v.u + 0x7fffu + ((v.u >> 16) & 1u)) >> 16;
    return f != f ? (lt_bf16)((v.u >> 16) | 0x40u) : (lt_bf16)rounded;
}

// IEEE 754 binary16 without the compiler's _Float16, which not every compiler and target has.
typedef uint16_t lt_f16;
static inline float lt_f16_to_f32(lt_f16 h)
{
    // The bits in their f32 places make a number 2^112 times too small, subnormal ones too.
    union { uint32_t u; float f; } v = {.u = (uint32_t)(h & 0x7fffu) << 13};
    v.f *= 0x1p112f;
    if ((h & 0x7c00u) == 0x7c00u) v.u |= 0x7f800000u;
    v.u |= (uint32_t)(h & 0x8000u) << 16;
    return v.f;
}
// Round to nearest even; Inf from 65520 on; NaN stays NaN.
static inline lt_f16 lt_f32_to_f16(float f)
{
    union { float f; uint32_t u; } v = {.f = f}, small;
    uint32_t sign = v.u >> 16 & 0x8000u, a = v.u & 0x7fffffffu;
    uint32_t normal = ((a + 0xfffu + (a >> 13 & 1u)) >> 13) - (112u << 10);
    // Below 2^-14: next to 1/2 the steps of f32 are those of subnormal f16.
    small.u = a < 0x38800000u ? a : 0;
    small.f += 0.5f;
    uint32_t h = a < 0x38800000u ? small.u - 0x3f000000u : normal;
    h = a >= 0x477ff000u ? 0x7c00u : h;
    h = a > 0x7f800000u ? 0x7e00u | (a >> 13 & 0x3ffu) : h;
    return (lt_f16)(sign | h);
}

#endif
