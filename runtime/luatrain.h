// luatrain.h - the C interface of luatrain: this file is all that C code includes.
//
// Here stand status, tensors, memory and the waist; every other room has a header of its own under
// luatrain/, included below. What lies between the two cdef marks of these files is also read, as it
// stands and in this order, by LuaJIT: it is plain C99 without macros, includes or attributes.
// Everything exported by the library is declared here or there.
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
// LT_ABI and the size of lt_tensor in this library: who reads this header must have the same.
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
    double written;  // lt_tick at the latest write by an op
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
bool lt_tensor_is_contiguous(const lt_tensor *t);  // row-major, without gaps
// (N, C, ...) with C fastest in memory and no gaps.
bool lt_tensor_is_channels_last(const lt_tensor *t);
int64_t lt_tensor_numel(const lt_tensor *t);  // number of elements
int32_t lt_dtype_size(int32_t dtype);  // bytes of an element
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
// What tensors take, now and since the start.
void lt_memory(lt_memory_stats *stats);
// From now on `peak` is the highest since this call.
void lt_memory_reset_peak(void);
// Returns cached blocks to the system.
void lt_memory_trim(void);
// Makes the n-th allocation from now fail (n = 1: the next); 0 switches it off. For tests.
void lt_memory_fail_at(int64_t n);
// Limit on live bytes, 0 for none; an allocation beyond it fails with LT_ERR_MEMORY.
void lt_memory_limit(int64_t bytes);

// ---- the waist ---------------------------------------------------------------------------------
// One line of the list of registered ops.
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
// A number that grows with every op run and every call, never twice the same: who was first.
double lt_tick(void);
// Threads that kernels use.
int32_t lt_threads(void);
void lt_set_threads(int32_t n);
double lt_time(void);          // seconds, monotonic

// cdef end
#include "luatrain/ops.h"
#include "luatrain/audio.h"
#include "luatrain/music.h"
#include "luatrain/formats.h"
#include "luatrain/files.h"
#include "luatrain/data.h"
#include "luatrain/host.h"
#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
