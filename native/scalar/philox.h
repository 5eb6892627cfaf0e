// philox: the counter-based generator Philox4x32-10.
//
// J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
// SC 2011: ten rounds of two 32x32-bit multiplications turn a 128-bit counter and a 64-bit key into
// 128 random bits. Any part of a stream is reached without the parts before it, so results do not
// depend on the number of threads.
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

// Words of the 16 counters from `counter` on, side by side so that the rounds vectorise: number r
// of the group (0 .. 63) is word r / 16 of counter r % 16.
static inline void philox_group(uint32_t out[PHILOX_GROUP], uint64_t counter, uint64_t seed)
{
    uint32_t c0[PHILOX_LANES], c1[PHILOX_LANES], c2[PHILOX_LANES], c3[PHILOX_LANES];
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
#pragma omp simd
    for (int i = 0; i < PHILOX_LANES; i++) {
        uint64_t c = counter + (uint64_t)i;
        c0[i] = (uint32_t)c;
        c1[i] = (uint32_t)(c >> 32);
        c2[i] = 0;
        c3[i] = 0;
    }
    for (int round = 0; round < 10; round++) {
#pragma omp simd
        for (int i = 0; i < PHILOX_LANES; i++) {
            uint64_t a = (uint64_t)0xd2511f53u * c0[i], b = (uint64_t)0xcd9e8d57u * c2[i];
            c0[i] = (uint32_t)(b >> 32) ^ c1[i] ^ k0;
            c2[i] = (uint32_t)(a >> 32) ^ c3[i] ^ k1;
            c1[i] = (uint32_t)b;
            c3[i] = (uint32_t)a;
        }
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
#pragma omp simd
    for (int i = 0; i < PHILOX_LANES; i++) {
        out[i] = c0[i];
        out[PHILOX_LANES + i] = c1[i];
        out[2 * PHILOX_LANES + i] = c2[i];
        out[3 * PHILOX_LANES + i] = c3[i];
    }
}

// [0, 1) with 24 bits.
static inline float philox_unit(uint32_t u) { return (float)(int32_t)(u >> 8) * 0x1p-24f; }
// (0, 1]: never 0, so that its logarithm exists.
static inline float philox_open(uint32_t u) { return (float)(int32_t)(u >> 1) * 0x1p-31f + 0x1p-32f; }

#endif
