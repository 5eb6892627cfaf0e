// philox_test: Philox4x32-10 against the known answers that Random123 publishes (kat_vectors).
#include "../../native/scalar/philox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void known_answers(void **state)
{
    (void)state;
    static const struct { uint32_t counter[4], key[2], word[4]; } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (int k = 0; k < 3; k++) {
        uint32_t word[4];
        philox(word, known[k].counter, known[k].key);
        for (int i = 0; i < 4; i++) assert_int_equal(word[i], known[k].word[i]);
    }
}

static void groups_agree(void **state)
{
    (void)state;
    const uint64_t seed = 0x123456789abcdef0u, first = 0xfffffff8u;  // the low word carries over
    uint32_t group[PHILOX_GROUP], word[4];
    philox_group(group, first, seed);
    for (int i = 0; i < PHILOX_LANES; i++) {
        uint64_t c = first + (uint64_t)i;
        uint32_t counter[4] = {(uint32_t)c, (uint32_t)(c >> 32), 0, 0};
        uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
        philox(word, counter, key);
        for (int w = 0; w < 4; w++) assert_int_equal(word[w], group[w * PHILOX_LANES + i]);
    }
}

static void ranges(void **state)
{
    (void)state;
    assert_true(philox_unit(0) == 0 && philox_unit(0xffffffffu) < 1);
    assert_true(philox_open(0) > 0 && philox_open(0xffffffffu) <= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(groups_agree),
        cmocka_unit_test(ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
