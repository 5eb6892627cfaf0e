// philox: the counter-based generator Philox4x32-10.
//
// J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
// SC 2011: ten rounds of two 32x32-bit multiplications turn a 128-bit counter and a 64-bit key into
// 128 random bits. Any part of a stream is reached without the parts before it, so results do not
// depend on the number of threads.
#ifndef LT_PHILOX_H
#define LT_PHILOX_H

#include <stdint.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

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

// Words of the 16 counters from `counter` on, side by side: number r of the group (0 .. 63) is
// word r / 16 of counter r % 16.
//
// With AVX the words sit in the low halves of 64-bit lanes and the high halves hold anything: one
// instruction multiplies the low halves, and a compiler does not find it by itself.
#if defined(__AVX512F__)
enum { PHILOX_VECTORS = 2 };
typedef __m512i philox_vec;
#define PHILOX_SET(x) _mm512_set1_epi64((long long)(x))
#define PHILOX_COUNT(base) \
    _mm512_add_epi64(_mm512_set1_epi64((long long)(base)), _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7))
#define PHILOX_MUL _mm512_mul_epu32
#define PHILOX_HIGH(x) _mm512_srli_epi64(x, 32)
#define PHILOX_XOR3(a, b, c) _mm512_ternarylogic_epi64(a, b, c, 0x96)
#define PHILOX_STORE(to, x) _mm256_storeu_si256((__m256i *)(to), _mm512_cvtepi64_epi32(x))
#elif defined(__AVX2__)
enum { PHILOX_VECTORS = 4 };
typedef __m256i philox_vec;
#define PHILOX_SET(x) _mm256_set1_epi64x((long long)(x))
#define PHILOX_COUNT(base) \
    _mm256_add_epi64(_mm256_set1_epi64x((long long)(base)), _mm256_setr_epi64x(0, 1, 2, 3))
#define PHILOX_MUL _mm256_mul_epu32
#define PHILOX_HIGH(x) _mm256_srli_epi64(x, 32)
#define PHILOX_XOR3(a, b, c) _mm256_xor_si256(a, _mm256_xor_si256(b, c))
#define PHILOX_STORE(to, x) \
    _mm_storeu_si128((__m128i *)(to), _mm256_castsi256_si128(_mm256_permutevar8x32_epi32( \
        x, _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6))))
#endif

#if defined(PHILOX_MUL)
static inline void philox_group(uint32_t out[PHILOX_GROUP], uint64_t counter, uint64_t seed)
{
    enum { LANES = PHILOX_LANES / PHILOX_VECTORS };
    philox_vec c0[PHILOX_VECTORS], c1[PHILOX_VECTORS], c2[PHILOX_VECTORS], c3[PHILOX_VECTORS];
    const philox_vec m0 = PHILOX_SET(0xd2511f53u), m2 = PHILOX_SET(0xcd9e8d57u);
    for (int v = 0; v < PHILOX_VECTORS; v++) {
        c0[v] = PHILOX_COUNT(counter + (uint64_t)(v * LANES));
        c1[v] = PHILOX_HIGH(c0[v]);
        c2[v] = c3[v] = PHILOX_SET(0);
    }
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++, k0 += 0x9e3779b9u, k1 += 0xbb67ae85u) {
        const philox_vec key0 = PHILOX_SET(k0), key1 = PHILOX_SET(k1);
        for (int v = 0; v < PHILOX_VECTORS; v++) {
            philox_vec a = PHILOX_MUL(m0, c0[v]), b = PHILOX_MUL(m2, c2[v]);
            c0[v] = PHILOX_XOR3(PHILOX_HIGH(b), c1[v], key0);
            c2[v] = PHILOX_XOR3(PHILOX_HIGH(a), c3[v], key1);
            c1[v] = b;
            c3[v] = a;
        }
    }
    for (int v = 0; v < PHILOX_VECTORS; v++) {
        PHILOX_STORE(out + v * LANES, c0[v]);
        PHILOX_STORE(out + PHILOX_LANES + v * LANES, c1[v]);
        PHILOX_STORE(out + 2 * PHILOX_LANES + v * LANES, c2[v]);
        PHILOX_STORE(out + 3 * PHILOX_LANES + v * LANES, c3[v]);
    }
}
#undef PHILOX_SET
#undef PHILOX_COUNT
#undef PHILOX_MUL
#undef PHILOX_HIGH
#undef PHILOX_XOR3
#undef PHILOX_STORE
#else
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
#endif

// [0, 1) with 24 bits.
static inline float philox_unit(uint32_t u) { return (float)(int32_t)(u >> 8) * 0x1p-24f; }
// (0, 1]: never 0, so that its logarithm exists.
static inline float philox_open(uint32_t u) { return (float)(int32_t)(u >> 1) * 0x1p-31f + 0x1p-32f; }

#endif
