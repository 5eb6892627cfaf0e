// half_test: conversions of bf16 and f16 (IEEE 754-2019), every value of the 16 bits.
#include "core/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

// The value of the bits of a f16, from the definition.
static double f16_value(uint16_t h)
{
    int exponent = h >> 10 & 31, fraction = h & 1023;
    double size = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return h & 0x8000 ? -size : size;
}

static void test_every_f16(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float f = lt_f16_to_f32((uint16_t)h);
        if ((h & 0x7c00) != 0x7c00) {
            assert_true(f == f16_value((uint16_t)h));
            assert_int_equal(lt_f32_to_f16(f), h);
        } else if (h & 1023) {
            assert_true(isnan(f));
            assert_true((lt_f32_to_f16(f) & 0x7fff) > 0x7c00);
        } else {
            assert_true(isinf(f) && (f < 0) == (h == 0xfc00));
            assert_int_equal(lt_f32_to_f16(f), h);
        }
    }
}

// Between two neighbours: the nearer, and at the middle the even one.
static void test_f16_rounding(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x7bff; h++) {
        float low = lt_f16_to_f32((uint16_t)h), high = lt_f16_to_f32((uint16_t)(h + 1));
        float middle = 0.5f * (low + high);
        assert_int_equal(lt_f32_to_f16(middle), h + (h & 1));
        assert_int_equal(lt_f32_to_f16(nextafterf(middle, 0)), h);
        assert_int_equal(lt_f32_to_f16(nextafterf(middle, 1e9f)), h + 1);
        assert_int_equal(lt_f32_to_f16(-nextafterf(middle, 1e9f)), 0x8000 | (h + 1));
    }
    assert_int_equal(lt_f32_to_f16(65519.996f), 0x7bff);
    assert_int_equal(lt_f32_to_f16(65520.f), 0x7c00);
    assert_int_equal(lt_f32_to_f16(-1e38f), 0xfc00);
    assert_int_equal(lt_f32_to_f16(1e-30f), 0);
}

static void test_every_bf16(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float f = lt_bf16_to_f32((uint16_t)h);
        if (isnan(f)) assert_true(isnan(lt_bf16_to_f32(lt_f32_to_bf16(f))));
        else assert_int_equal(lt_f32_to_bf16(f), h);
        if (h >= 0x7f7f) continue;
        float next = lt_bf16_to_f32((uint16_t)(h + 1)), middle = f + 0.5f * (next - f);
        assert_int_equal(lt_f32_to_bf16(middle), h + (h & 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_f16),
        cmocka_unit_test(test_f16_rounding),
        cmocka_unit_test(test_every_bf16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
