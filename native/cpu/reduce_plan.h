// reduce_plan: which elements of x meet in which element of y (shared by the reduce kernels).
#ifndef LT_REDUCE_PLAN_H
#define LT_REDUCE_PLAN_H

#include "loop.h"

enum { REDUCE_BLOCK = 2048 };  // outputs handled at a time

// Dimensions that stay and dimensions that go, each collapsed and sorted by x's stride, largest
// first. Both have at least one dimension.
typedef struct {
    int nk, nr;
    int64_t kept[LT_MAX_DIMS], kx[LT_MAX_DIMS], ky[LT_MAX_DIMS];
    int64_t gone[LT_MAX_DIMS], rx[LT_MAX_DIMS];
    int64_t outputs, count;  // elements of y; elements of x for each of them
    bool columns;            // neighbours in memory belong to different outputs
} reduce_plan;

// y has x's dimensions with those whose bit is set in `dims` either missing or of size 1.
lt_status reduce_check(const char *op, const lt_tensor *y, const lt_tensor *x, int32_t dims);
reduce_plan reduce_plan_of(const lt_tensor *y, const lt_tensor *x, int32_t dims);

// Offset in x (y) of output k; offset in x of reduced element r.
int64_t reduce_kept_x(const reduce_plan *p, int64_t k);
int64_t reduce_kept_y(const reduce_plan *p, int64_t k);
int64_t reduce_gone_x(const reduce_plan *p, int64_t r);

#endif
