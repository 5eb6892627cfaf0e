// Tensors: creation, views, bounds, copies and casts.
#include "core/internal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static lt_tensor fresh(int32_t dtype, int32_t ndim, const int64_t *shape)
{
    lt_tensor t;
    assert_int_equal(lt_tensor_new(&t, dtype, ndim, shape), LT_OK);
    return t;
}

static void bad_shapes_are_refused(void **state)
{
    (void)state;
    lt_tensor t;
    assert_int_equal(lt_tensor_new(&t, LT_F32, 1, (int64_t[]){-1}), LT_ERR_ARGUMENT);
    assert_int_equal(lt_tensor_new(&t, 99, 1, (int64_t[]){1}), LT_ERR_ARGUMENT);
    assert_int_equal(lt_tensor_new(&t, LT_F32, 9, (int64_t[9]){0}), LT_ERR_ARGUMENT);
    assert_int_equal(lt_tensor_new(&t, LT_F32, 2, (int64_t[]){INT64_MAX, 8}), LT_ERR_ARGUMENT);
}

static void storages_are_counted(void **state)
{
    (void)state;
    lt_memory_stats before, after;
    lt_memory(&before);
    lt_tensor a = fresh(LT_F32, 2, (int64_t[]){3, 4}), b;
    assert_int_equal(lt_tensor_retain(&b, &a), LT_OK);
    lt_tensor_release(&a);
    assert_null(a.storage);
    lt_memory(&after);
    assert_int_equal(after.storages, before.storages + 1);
    lt_tensor_release(&b);
    lt_tensor_release(&b);
    lt_tensor_release(NULL);
    lt_memory(&after);
    assert_int_equal(after.storages, before.storages);
}

static void views_stay_inside(void **state)
{
    (void)state;
    lt_tensor a = fresh(LT_F32, 2, (int64_t[]){3, 4}), v;
    assert_int_equal(lt_tensor_as_strided(&v, &a, 1, (int64_t[]){12}, (int64_t[]){1}, 0), LT_OK);
    lt_tensor_release(&v);
    assert_int_equal(lt_tensor_as_strided(&v, &a, 1, (int64_t[]){13}, (int64_t[]){1}, 0),
                     LT_ERR_ARGUMENT);
    assert_int_equal(lt_tensor_as_strided(&v, &a, 1, (int64_t[]){2}, (int64_t[]){-1}, 0),
                     LT_ERR_ARGUMENT);
    assert_int_equal(
        lt_tensor_as_strided(&v, &a, 1, (int64_t[]){3}, (int64_t[]){INT64_MAX / 2 + 1}, 0),
        LT_ERR_ARGUMENT);
    lt_tensor_release(&a);
}

static void copies_convert_and_transpose(void **state)
{
    (void)state;
    enum { ROWS = 37, COLS = 53 };
    lt_tensor a = fresh(LT_F32, 2, (int64_t[]){ROWS, COLS}), at;
    for (int i = 0; i < ROWS * COLS; i++) lt_tensor_set(&a, i, i % 250);
    assert_int_equal(lt_tensor_as_strided(&at, &a, 2, (int64_t[]){COLS, ROWS},
                                          (int64_t[]){1, COLS}, 0), LT_OK);
    for (int32_t dtype = 0; dtype < LT_DTYPES; dtype++) {
        lt_tensor y = fresh(dtype, 2, (int64_t[]){COLS, ROWS});
        assert_int_equal(lt_copy(&y, &at), LT_OK);
        for (int r = 0; r < COLS; r++)
            for (int c = 0; c < ROWS; c++) {
                double value, want = (c * COLS + r) % 250;
                lt_tensor_get(&value, &y, r * ROWS + c);
                assert_true(value == (dtype == LT_BOOL ? (want != 0) : want));
            }
        lt_tensor_release(&y);
    }
    lt_tensor wrong = fresh(LT_F32, 2, (int64_t[]){5, 7});
    assert_int_equal(lt_copy(&wrong, &a), LT_ERR_ARGUMENT);
    assert_non_null(strstr(lt_error(), "(5, 7)"));
    lt_tensor_release(&wrong);
    lt_tensor_release(&at);
    lt_tensor_release(&a);
}

static void released_tensors_are_named(void **state)
{
    (void)state;
    lt_tensor a = fresh(LT_F32, 1, (int64_t[]){3}), gone = a;
    gone.storage = NULL;
    assert_int_equal(lt_copy(&a, &gone), LT_ERR_ARGUMENT);
    assert_non_null(strstr(lt_error(), "copy: x was released with its scope"));
    lt_tensor_release(&a);
}

static void channels_last_survives_like(void **state)
{
    (void)state;
    lt_tensor a, b;
    assert_int_equal(lt_tensor_ordered(&a, LT_F32, 4, (int64_t[]){2, 3, 4, 5},
                                       (int32_t[]){0, 2, 3, 1}), LT_OK);
    assert_true(lt_is_channels_last(&a));
    assert_true(lt_is_dense(&a));
    assert_int_equal(lt_tensor_like(&b, &a, LT_BF16), LT_OK);
    assert_true(lt_same_layout(&a, &b));
    lt_tensor_release(&a);
    lt_tensor_release(&b);
}

static void bf16_rounds_to_even(void **state)
{
    (void)state;
    assert_int_equal(lt_f32_to_bf16(1.0f), 0x3f80);
    assert_int_equal(lt_f32_to_bf16(1.00390625f), 0x3f80);
    assert_int_equal(lt_f32_to_bf16(1.01171875f), 0x3f82);
    assert_true(isnan(lt_bf16_to_f32(lt_f32_to_bf16(NAN))));
    assert_true(isinf(lt_bf16_to_f32(lt_f32_to_bf16(INFINITY))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_shapes_are_refused),
        cmocka_unit_test(storages_are_counted),
        cmocka_unit_test(views_stay_inside),
        cmocka_unit_test(copies_convert_and_transpose),
        cmocka_unit_test(released_tensors_are_named),
        cmocka_unit_test(channels_last_survives_like),
        cmocka_unit_test(bf16_rounds_to_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
