// vmath_test: the vectorisable float functions against the C library's double ones.
#include "../../native/scalar/vmath.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK = 1024, STEP = 40009 };

// Distance of got from want in units in the last place of want; huge where one of them is special
// and the other is not the same.
static double ulps(float got, double want)
{
    if (isnan(want)) return isnan(got) ? 0 : 1e9;
    float w = (float)want;
    if (isinf(w) || isinf(got)) return w == got || fabs((double)got + w) > 6.8e38 ? 0 : 1e9;
    if (isnan(got)) return 1e9;
    double unit = fabsf(w) < 1.17549435e-38f ? 1.401298464e-45 : ldexp(1, ilogbf(w) - 23);
    return fabs(got - want) / unit;
}

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

// Every STEP-th of all floats up to |x| <= limit.
#define SWEEP(function, reference, limit, most) \
    do { \
        static float x[BLOCK], y[BLOCK]; \
        double worst = 0; \
        float at = 0; \
        for (uint64_t u = 0; u < (1ull << 32); u += (uint64_t)BLOCK * STEP) { \
            for (int i = 0; i < BLOCK; i++) { \
                uint32_t bits = (uint32_t)(u + (uint64_t)i * STEP); \
                memcpy(&x[i], &bits, 4); \
                if (fabsf(x[i]) > (limit)) x[i] = 0.5f; \
            } \
            for (int i = 0; i < BLOCK; i++) y[i] = function(x[i]); \
            for (int i = 0; i < BLOCK; i++) { \
                double e = ulps(y[i], reference(x[i])); \
                if (e > worst) worst = e, at = x[i]; \
            } \
        } \
        if (worst > (most)) fail_msg(#function "(%.9g) is %.3g ulp off", at, worst); \
    } while (0)

static void functions_are_close(void **state)
{
    (void)state;
    SWEEP(vm_exp, exp, INFINITY, 1.2);
    SWEEP(vm_expm1, expm1, INFINITY, 1.8);
    SWEEP(vm_log, log, INFINITY, 1.4);
    SWEEP(vm_log1p, log1p, INFINITY, 1.8);
    SWEEP(vm_tanh, tanh, INFINITY, 2.8);
    SWEEP(vm_sigmoid, sigmoid, 87.f, 2.6);
    SWEEP(vm_erf, erf, INFINITY, 2.8);
    SWEEP(vm_sin, sin, 1e5f, 1.8);
    SWEEP(vm_cos, cos, 1e5f, 1.8);
}

static void normal_cdf_is_close(void **state)
{
    (void)state;
    for (int i = -60000; i <= 60000; i++) {
        float x = (float)i * 0.00037f;
        double want = 0.5 * erfc(-x * 0.70710678118654752), got = vm_normal_cdf(x);
        if (fabs(got - want) > 1e-7) fail_msg("normal_cdf(%.9g) is %.9g, not %.9g", x, got, want);
    }
    assert_true(vm_normal_cdf(-INFINITY) < 1e-30 && vm_normal_cdf(INFINITY) == 1);
    assert_true(isnan(vm_normal_cdf(NAN)));
}

static void special_values(void **state)
{
    (void)state;
    const float inf = INFINITY;
    assert_true(vm_exp(-inf) == 0 && vm_exp(inf) == inf && isnan(vm_exp(NAN)));
    assert_true(vm_exp(-103.f) > 0);
    assert_true(vm_log(0) == -inf && isnan(vm_log(-1)) && vm_log(inf) == inf && isnan(vm_log(NAN)));
    assert_true(vm_log1p(-1) == -inf && vm_log1p(inf) == inf && isnan(vm_log1p(-2)));
    assert_true(vm_tanh(inf) == 1 && vm_tanh(-inf) == -1 && isnan(vm_tanh(NAN)));
    assert_true(vm_erf(inf) == 1 && vm_erf(-inf) == -1 && isnan(vm_erf(NAN)));
    assert_true(vm_sigmoid(-inf) == 0 && vm_sigmoid(inf) == 1 && isnan(vm_sigmoid(NAN)));
    assert_true(vm_expm1(-inf) == -1 && vm_expm1(inf) == inf && isnan(vm_expm1(NAN)));
    assert_true(isnan(vm_sin(inf)) && isnan(vm_cos(NAN)));
}

static void pow_is_close(void **state)
{
    (void)state;
    const float special[] = {0, -0.f, 1, -1, 2, -2, 0.5f, 3, 7, 1e-40f, 1e30f, -1e30f, 127.5f, -3,
                             16777217.f, -8388607.f, INFINITY, -INFINITY, NAN, 4.5f};
    const int n = (int)(sizeof special / sizeof special[0]);
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            float x = special[i], y = special[j], got = vm_pow(x, y);
            double want = pow(x, y);
            if (ulps(got, want) > 0.6 || (!isnan(got) && !signbit(got) != !signbit(want))) {
                fail_msg("pow(%g, %g) is %g, not %g", x, y, got, want);
            }
        }
    }
    for (int i = 1; i < 4000; i++) {
        for (int j = -60; j < 60; j++) {
            float x = (float)i * 0.037f, y = (float)j * 0.29f;
            if (ulps(vm_pow(x, y), pow(x, y)) > 0.6) fail_msg("pow(%.9g, %.9g)", x, y);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_are_close),
        cmocka_unit_test(normal_cdf_is_close),
        cmocka_unit_test(special_values),
        cmocka_unit_test(pow_is_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
