// shape: triangles of matrices. Everything else that changes shapes is made of copies into views.
#include "core/internal.h"

typedef struct { lt_tensor y, x; int64_t diagonal; bool upper; } triangle_args;

static lt_status triangle_check(const void *p)
{
    const triangle_args *a = p;
    LT_TRY(lt_check_same_shape("triangle", "y", &a->y, "x", &a->x));
    LT_TRY(lt_check_contiguous("triangle", "y", &a->y));
    LT_TRY(lt_check_contiguous("triangle", "x", &a->x));
    LT_REQUIRE(a->x.ndim >= 2, LT_ERR_ARGUMENT, "triangle: x is %s; wanted matrices (..., N, M)",
               LT_SHAPE(&a->x));
    LT_REQUIRE(a->x.dtype == a->y.dtype, LT_ERR_ARGUMENT, "triangle: x is %s, y is %s",
               lt_dtype_name(a->x.dtype), lt_dtype_name(a->y.dtype));
    return LT_OK;
}

// Row i keeps columns up to i + diagonal (lower) or from i + diagonal on (upper).
static lt_status triangle_cpu(const void *p)
{
    const triangle_args *a = p;
    int64_t m = a->x.shape[a->x.ndim - 1], n = a->x.shape[a->x.ndim - 2];
    int64_t size = lt_dtype_size(a->x.dtype), total = lt_numel(&a->x);
    if (total == 0) return LT_OK;
    char *y = lt_data(&a->y);
    const char *x = lt_data(&a->x);
    for (int64_t row = 0; row < total / m; row++) {
        int64_t split = row % n + a->diagonal + (a->upper ? 0 : 1);
        split = split < 0 ? 0 : split > m ? m : split;
        char *to = y + row * m * size;
        const char *from = x + row * m * size;
        size_t low = (size_t)(split * size), high = (size_t)((m - split) * size);
        if (a->upper) {
            memset(to, 0, low);
            memmove(to + low, from + low, high);
        } else {
            memmove(to, from, low);
            memset(to + low, 0, high);
        }
    }
    return LT_OK;
}

LT_OP(triangle, "y; x", triangle_check, triangle_cpu)

lt_status lt_triangle(lt_tensor *y, const lt_tensor *x, int64_t diagonal, bool upper)
{
    triangle_args a = {*y, *x, diagonal, upper};
    return lt_run(&triangle_op, &a);
}
