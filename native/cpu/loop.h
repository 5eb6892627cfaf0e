// loop: one way to walk every elementwise operation over strided, broadcast tensors.
//
// A kernel is a row function over n contiguous elements; p[0] .. p[outs - 1] are outputs, the rest
// inputs. The walker collapses dimensions (same-layout dense tensors become one flat row whatever
// the order of their dimensions), splits the work among threads, and brings whatever is strided,
// broadcast or of another dtype through small blocks that stay in the first-level cache. So one
// row function serves f32 and bf16, contiguous and strided, tensor and scalar operands.
#ifndef LT_LOOP_H
#define LT_LOOP_H

#include "core/internal.h"

enum { LT_LOOP_ARGS = 5, LT_LOOP_BLOCK = 512 };

typedef void lt_row_f32(int64_t n, float *const *p, const float *k);
typedef void lt_row_i64(int64_t n, int64_t *const *p);

typedef struct lt_map {
    lt_row_f32 *f32;     // computes in f32
    lt_row_i64 *i64;     // used where every tensor holds integers or booleans; may be NULL
    const float *k;      // options handed to the f32 row
    double scalar;       // the value of operands that are absent (storage NULL)
    int outs, args;      // outputs, and tensors in all
    const lt_tensor *t[LT_LOOP_ARGS];
    int cost;            // work per element in simple operations; 0 means 1
} lt_map;

// Applies the row function to all elements of t[0]'s shape; the others broadcast to it.
lt_status lt_map_run(const lt_map *map);

// Every tensor of the map broadcasts to t[0] and has a dtype that rows can load and store; outputs
// have exactly t[0]'s shape and do not overlap another tensor, except being the very same one.
// names: one per tensor.
lt_status lt_map_check(const char *op, const lt_map *map, const char *const *names);

// The dimensions of several tensors walked together, collapsed, innermost last.
typedef struct lt_walk {
    int ndim, args;
    int64_t shape[LT_MAX_DIMS];
    int64_t stride[LT_LOOP_ARGS][LT_MAX_DIMS];  // in elements; 0 where broadcast or absent
} lt_walk;

// Broadcasts all tensors to t[0]'s shape and collapses. The result has at least one dimension.
void lt_walk_plan(lt_walk *walk, int args, const lt_tensor *const *t);

// n elements of any dtype, `stride` elements apart, to a contiguous row and back.
void lt_load_f32(float *to, const void *from, int32_t dtype, int64_t stride, int64_t n);
void lt_load_i64(int64_t *to, const void *from, int32_t dtype, int64_t stride, int64_t n);
void lt_store_f32(void *to, const float *from, int32_t dtype, int64_t stride, int64_t n);
void lt_store_i64(void *to, const int64_t *from, int32_t dtype, int64_t stride, int64_t n);

#endif
