// loader_test: orders and seeds of the loader stay what they are, so that runs can be repeated.
#include "luatrain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void order_is_a_permutation(void **state)
{
    (void)state;
    for (int64_t n = 0; n < 40; n++) {
        int64_t order[40], seen[40] = {0};
        lt_loader_order(order, n, 7, n);
        for (int64_t i = 0; i < n; i++) {
            assert_in_range(order[i], 0, n - 1);
            seen[order[i]]++;
        }
        for (int64_t i = 0; i < n; i++) assert_int_equal(seen[i], 1);
    }
}

static void order_depends_on_seed_and_epoch(void **state)
{
    (void)state;
    int64_t a[100], b[100];
    lt_loader_order(a, 100, 1, 1);
    lt_loader_order(b, 100, 1, 1);
    assert_memory_equal(a, b, sizeof a);
    lt_loader_order(b, 100, 1, 2);
    assert_memory_not_equal(a, b, sizeof a);
    lt_loader_order(b, 100, 2, 1);
    assert_memory_not_equal(a, b, sizeof a);
}

static void every_place_is_reached_equally(void **state)
{
    (void)state;
    int64_t order[8], counts[8][8] = {{0}};
    for (int64_t epoch = 0; epoch < 8000; epoch++) {
        lt_loader_order(order, 8, 3, epoch);
        for (int i = 0; i < 8; i++) counts[i][order[i]]++;
    }
    // 1000 expected, standard deviation 30.
    for (int i = 0; i < 8; i++)
        for (int k = 0; k < 8; k++) assert_in_range(counts[i][k], 850, 1150);
}

// The values were computed by another program from the definition of splitmix64.
static void values_stay(void **state)
{
    (void)state;
    int64_t order[6];
    const int64_t wanted[6] = {3, 2, 4, 1, 0, 5};
    lt_loader_order(order, 6, 42, 1);
    assert_memory_equal(order, wanted, sizeof order);
    assert_true(lt_loader_seed(42, 1, 1) == 3059944605848126.0);
    assert_true(lt_loader_seed(42, 1, 2) != lt_loader_seed(42, 1, 1));
    assert_true(lt_loader_seed(42, 2, 1) != lt_loader_seed(42, 1, 1));
    assert_true(lt_loader_seed(43, 1, 1) != lt_loader_seed(42, 1, 1));
    assert_true(lt_loader_seed(-1, -1, -1) >= 0);
}

static void refuses_what_it_cannot_do(void **state)
{
    (void)state;
    lt_loader *loader;
    assert_int_equal(lt_loader_open(&loader, 0, "", 0), LT_ERR_ARGUMENT);
    assert_null(loader);
    assert_int_equal(lt_loader_open(&loader, 1000, "", 0), LT_ERR_ARGUMENT);
    assert_non_null(strstr(lt_error(), "1000 workers"));
    lt_loader_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_is_a_permutation),
        cmocka_unit_test(order_depends_on_seed_and_epoch),
        cmocka_unit_test(every_place_is_reached_equally),
        cmocka_unit_test(values_stay),
        cmocka_unit_test(refuses_what_it_cannot_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
