// The allocator: reuse, alignment, counters, limits and injected failures.
#include "core/internal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static lt_memory_stats stats(void)
{
    lt_memory_stats s;
    lt_memory(&s);
    return s;
}

static void blocks_are_aligned_and_reused(void **state)
{
    (void)state;
    int64_t live = stats().live;
    for (int64_t bytes = 1; bytes < ((int64_t)32 << 20); bytes = bytes * 3 + 1) {
        char *p = lt_alloc(bytes);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % LT_ALIGN, 0);
        memset(p, 1, (size_t)bytes);
        lt_free(p);
        char *q = lt_alloc(bytes);
        assert_ptr_equal(p, q);
        lt_free(q);
    }
    assert_int_equal(stats().live, live);
    lt_memory_trim();
    assert_int_equal(stats().cached, 0);
}

// Sizes that never come again must not pile up.
static void blocks_of_many_sizes_are_given_back(void **state)
{
    (void)state;
    lt_memory_trim();
    int64_t before = stats().live, bound = 0;
    for (int64_t mib = 40; mib <= 140; mib += 1) {
        void *p = lt_alloc(mib << 20);
        assert_non_null(p);
        int64_t used = before + (mib << 20) + (1 << 20);
        bound = used + used / 2 + ((int64_t)64 << 20);
        lt_free(p);
        assert_true(stats().cached + stats().live <= bound);
    }
    void *a = lt_alloc((int64_t)140 << 20); // what was used last is still there
    assert_true(stats().cached + stats().live <= bound);
    lt_free(a);
    lt_memory_trim();
    assert_int_equal(stats().cached, 0);
}

// Where no more may be mapped, larger blocks are cut for smaller ones, and joined when they are free.
static void blocks_are_cut_and_joined(void **state)
{
    (void)state;
    enum { PARTS = 5, MIB = 1 << 20 };
    lt_memory_trim();
    int64_t before = stats().live, size[PARTS];
    char *part[PARTS], *whole = lt_alloc(200 * MIB), *more = lt_alloc(100 * MIB);
    lt_free(whole);
    lt_free(more);
    for (int i = 0; i < PARTS; i++) {
        size[i] = (60 + 5 * i) * MIB;
        part[i] = lt_alloc(size[i]);
        assert_non_null(part[i]);
        part[i][0] = part[i][size[i] - 1] = (char)i;
    }
    int64_t all = stats().cached + stats().live;
    assert_true(all <= (before + 351 * MIB) * 3 / 2 + 64 * MIB);  // and not 650 MiB
    for (int i = 0; i < PARTS; i++) {
        int k = i * 2 % PARTS;  // in another order
        assert_true(part[k][0] == k && part[k][size[k] - 1] == k);
        lt_free(part[k]);
    }
    whole = lt_alloc(200 * MIB);
    assert_true(stats().cached + stats().live <= all + LT_ALIGN * PARTS);
    lt_free(whole);
    lt_memory_trim();
    assert_int_equal(stats().cached, 0);
}

static void zero_bytes_and_null_are_fine(void **state)
{
    (void)state;
    void *p = lt_alloc(0);
    assert_non_null(p);
    lt_free(p);
    lt_free(NULL);
}

static void absurd_sizes_are_refused(void **state)
{
    (void)state;
    assert_null(lt_alloc(-1));
    assert_null(lt_alloc(INT64_MAX));
    assert_non_null(strstr(lt_error(), "refused"));
}

static void the_nth_allocation_fails(void **state)
{
    (void)state;
    lt_memory_fail_at(2);
    void *a = lt_alloc(100);
    void *b = lt_alloc(100);
    void *c = lt_alloc(100);
    assert_non_null(a);
    assert_null(b);
    assert_non_null(c);
    lt_free(a);
    lt_free(c);
}

static void the_limit_holds(void **state)
{
    (void)state;
    lt_memory_limit(stats().live + 1000);
    assert_null(lt_alloc(4096));
    assert_non_null(strstr(lt_error(), "out of memory"));
    lt_memory_limit(0);
    void *p = lt_alloc(4096);
    assert_non_null(p);
    lt_free(p);
}

static void peak_follows_live(void **state)
{
    (void)state;
    lt_memory_reset_peak();
    int64_t before = stats().live;
    void *p = lt_alloc(1 << 20);
    lt_free(p);
    assert_true(stats().peak >= before + (1 << 20));
    assert_int_equal(stats().live, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_aligned_and_reused),
        cmocka_unit_test(blocks_of_many_sizes_are_given_back),
        cmocka_unit_test(blocks_are_cut_and_joined),
        cmocka_unit_test(zero_bytes_and_null_are_fine),
        cmocka_unit_test(absurd_sizes_are_refused),
        cmocka_unit_test(the_nth_allocation_fails),
        cmocka_unit_test(the_limit_holds),
        cmocka_unit_test(peak_follows_live),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
