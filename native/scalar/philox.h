// philox: the counter-based generator Philox4x32-10.
//
// J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2,
// 3", SC 2011: ten rounds of two 32x32-bit multiplications turn a 128-bit counter and a 64-bit key
// into 128 random bits. Any part of a stream is reached without the parts before it, so results do
// not depend on the number of threads.
#ifndef LT_PHILOX_H
#define LT_PHILOX_H

#include <stdint.h>

enum { PHILOX_LANES = 16, PHILOX_GROUP = 64 };  // numbers in a group: 4 words of 16 counters

// The four words for one counter.
static inline void philox(uint32_t word[4], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)0xd2511f53u * c0, b = (uint64_t)0xcd9e8d57u * c2;
        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)b;
        c3 = (uint32_t)a;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    word[0] = c0, word[1] = c1, word[2] = c2, word[3] = c3;
}

// Lanes of 64 bits for the rounds: only the low halves matter, and one instruction multiplies those
// of all lanes. GCC 12 does not find it for a product of two 32-bit numbers (2.1 ns a number
// instead of 0.6 on a Xeon with AVX-512), so it is named here.
#if defined(__AVX512F__)
#include <immintrin.h>
typedef uint64_t philox_lanes __attribute__((vector_size(64)));
#define PHILOX_MULTIPLY(a, b) ((philox_lanes)_mm512_mul_epu32((__m512i)(a), (__m512i)(b)))
#elif defined(__AVX2__)
#include <immintrin.h>
typedef uint64_t philox_lanes __attribute__((vector_size(32)));
#define PHILOX_MULTIPLY(a, b) ((philox_lanes)_mm256_mul_epu32((__m256i)(a), (__m256i)(b)))
#elif defined(__SSE2__)
#include <emmintrin.h>
typedef uint64_t philox_lanes __attribute__((vector_size(16)));
#define PHILOX_MULTIPLY(a, b) ((philox_lanes)_mm_mul_epu32((__m128i)(a), (__m128i)(b)))
#else
typedef uint64_t philox_lanes __attribute__((vector_size(16)));
#define PHILOX_MULTIPLY(a, b) (((a) & 0xffffffffu) * ((b) & 0xffffffffu))
#endif

enum { PHILOX_WIDTH = sizeof(philox_lanes) / 8, PHILOX_PARTS = PHILOX_LANES / PHILOX_WIDTH };

// Words of the 16 counters from `counter` on: number r of the group (0 .. 63) is word r / 16 of
// counter r % 16.
static inline void philox_group(uint32_t out[PHILOX_GROUP], uint64_t counter, uint64_t seed)
{
    philox_lanes c0[PHILOX_PARTS], c1[PHILOX_PARTS], c2[PHILOX_PARTS], c3[PHILOX_PARTS];
    const philox_lanes zero = {0}, m0 = zero + 0xd2511f53u, m1 = zero + 0xcd9e8d57u;
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    philox_lanes lane = zero;
    for (int i = 0; i < PHILOX_WIDTH; i++) lane[i] = (uint64_t)i;
    for (int p = 0; p < PHILOX_PARTS; p++) {
        c0[p] = lane + (counter + (uint64_t)(p * PHILOX_WIDTH));
        c1[p] = c0[p] >> 32;
        c2[p] = c3[p] = zero;
    }
#pragma GCC unroll 10
    for (int round = 0; round < 10; round++) {
#pragma GCC unroll 8
        for (int p = 0; p < PHILOX_PARTS; p++) {
            philox_lanes a = PHILOX_MULTIPLY(c0[p], m0), b = PHILOX_MULTIPLY(c2[p], m1);
            c0[p] = b >> 32 ^ c1[p] ^ k0;
            c2[p] = a >> 32 ^ c3[p] ^ k1;
            c1[p] = b;
            c3[p] = a;
        }
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    for (int p = 0; p < PHILOX_PARTS; p++) {
        uint32_t *to = out + p * PHILOX_WIDTH;
        for (int i = 0; i < PHILOX_WIDTH; i++) {
            to[i] = (uint32_t)c0[p][i];
            to[PHILOX_LANES + i] = (uint32_t)c1[p][i];
            to[2 * PHILOX_LANES + i] = (uint32_t)c2[p][i];
            to[3 * PHILOX_LANES + i] = (uint32_t)c3[p][i];
        }
    }
}

// [0, 1) with 24 bits.
static inline float philox_unit(uint32_t u) { return (float)(int32_t)(u >> 8) * 0x1p-24f; }
// (0, 1]: never 0, so that its logarithm exists.
static inline float philox_open(uint32_t u)
{
    return (float)(int32_t)(u >> 1) * 0x1p-31f + 0x1p-32f;
}

#endif
