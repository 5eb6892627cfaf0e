// reverb: the sound of a room by delays (M. Schroeder, "Natural sounding artificial reverberation",
// 1962): eight combs side by side, with a low pass in their loops as walls damp high frequencies
// (J. Moorer, "About this reverberation business", 1979), then four all-passes in a row.
#include "core/internal.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum { COMBS = 8, PASSES = 4, DELAYS = COMBS + PASSES, MAX_DELAY = 1 << 20 };

typedef struct reverb_args {
    lt_tensor y, x, delays, gains;
    double damping;
} reverb_args;

static lt_status reverb_check(const void *p)
{
    const reverb_args *a = p;
    LT_TRY(lt_check_dtype("reverb", "y", &a->y, LT_F32));
    LT_TRY(lt_check_dtype("reverb", "x", &a->x, LT_F32));
    LT_TRY(lt_check_dtype("reverb", "delays", &a->delays, LT_I32));
    LT_TRY(lt_check_dtype("reverb", "gains", &a->gains, LT_F32));
    LT_TRY(lt_check_contiguous("reverb", "y", &a->y));
    LT_TRY(lt_check_contiguous("reverb", "x", &a->x));
    LT_TRY(lt_check_contiguous("reverb", "delays", &a->delays));
    LT_TRY(lt_check_contiguous("reverb", "gains", &a->gains));
    LT_REQUIRE(a->x.ndim == 2 && a->y.ndim == 2 && a->x.shape[0] == a->y.shape[0] &&
                   a->x.shape[1] == a->y.shape[1],
               LT_ERR_ARGUMENT, "reverb: x is %s and y %s; they must both be (B, T)",
               LT_SHAPE(&a->x), LT_SHAPE(&a->y));
    int64_t clips = a->x.shape[0];
    LT_REQUIRE(a->delays.ndim == 2 && a->delays.shape[0] == clips && a->delays.shape[1] == DELAYS &&
                   a->gains.ndim == 2 && a->gains.shape[0] == clips && a->gains.shape[1] == COMBS,
               LT_ERR_ARGUMENT,
               "reverb: delays are %s and gains %s; they must be (%lld, %d), (%lld, %d)",
               LT_SHAPE(&a->delays), LT_SHAPE(&a->gains), (long long)clips, DELAYS,
               (long long)clips, COMBS);
    LT_REQUIRE(a->damping >= 0 && a->damping < 1, LT_ERR_ARGUMENT,
               "reverb: damping is %g, it must lie between 0 and 1", a->damping);
    const int32_t *delays = lt_data(&a->delays);
    for (int64_t i = 0; i < clips * DELAYS; i++)
        LT_REQUIRE(delays[i] >= 1 && delays[i] <= MAX_DELAY, LT_ERR_ARGUMENT,
                   "reverb: a delay is %d samples, it must lie between 1 and %d", delays[i],
                   MAX_DELAY);
    const float *gains = lt_f32(&a->gains);
    for (int64_t i = 0; i < clips * COMBS; i++)
        LT_REQUIRE(gains[i] >= 0 && gains[i] < 1, LT_ERR_ARGUMENT,
                   "reverb: a gain is %g, it must lie between 0 and 1", (double)gains[i]);
    return LT_OK;
}

// What has died away becomes 0 before it is denormal, with which processors take a hundred times
// longer.
static inline float audible(float x) { return fabsf(x) < 1e-20f ? 0.0f : x; }

// The smallest power of two above every one of n delays.
static int64_t ring_size(const int32_t *delays, int n)
{
    int64_t size = 2;
    for (int k = 0; k < n; k++)
        while (size <= delays[k]) size *= 2;
    return size;
}

// Mean of the combs. A row of the ring holds what went into each of them at one time.
static void reverb_combs(float *y, const float *x, int64_t length, const int32_t *delays,
                         const float *gains, float damping, float *ring, int64_t size)
{
    float low[COMBS] = {0};
    int64_t mask = size - 1;
    memset(ring, 0, sizeof(float) * (size_t)(size * COMBS));
    for (int64_t n = 0; n < length; n++) {
        float *row = ring + (n & mask) * COMBS, in = x[n], sum = 0;
        for (int k = 0; k < COMBS; k++) {
            float out = ring[((n - delays[k]) & mask) * COMBS + k];
            low[k] = audible(out + damping * (low[k] - out));
            row[k] = in + gains[k] * low[k];
            sum += out;
        }
        y[n] = sum / COMBS;
    }
}

// One all-pass in place: y[n] = v[n - delay] - v[n] / 2 with v[n] = x[n] + y[n] / 2 of the delayed
// line.
static void reverb_pass(float *y, int64_t length, int64_t delay, float *line)
{
    memset(line, 0, sizeof(float) * (size_t)delay);
    int64_t at = 0;
    for (int64_t n = 0; n < length; n++) {
        float in = y[n], out = line[at] - 0.5f * in;
        line[at] = audible(in + 0.5f * out);
        y[n] = out;
        if (++at == delay) at = 0;
    }
}

static lt_status reverb_cpu(const void *p)
{
    const reverb_args *a = p;
    int64_t clips = a->x.shape[0], length = a->x.shape[1];
    const int32_t *delays = lt_data(&a->delays);
    int64_t size = ring_size(delays, (int)(clips * DELAYS));
    int team = lt_team(clips * length * 64);
    if (team > clips) team = clips > 0 ? (int)clips : 1;
    float *rings = lt_alloc(team * size * COMBS * (int64_t)sizeof(float));
    LT_REQUIRE(rings, LT_ERR_MEMORY, "reverb: no memory for delays of %lld samples",
               (long long)size);
#pragma omp parallel for num_threads(team) schedule(static)
    for (int64_t clip = 0; clip < clips; clip++) {
        float *ring = rings + omp_get_thread_num() * size * COMBS,
              *y = lt_f32(&a->y) + clip * length;
        const int32_t *own = delays + clip * DELAYS;
        reverb_combs(y, lt_f32(&a->x) + clip * length, length, own,
                     lt_f32(&a->gains) + clip * COMBS, (float)a->damping, ring, size);
        for (int k = COMBS; k < DELAYS; k++) reverb_pass(y, length, own[k], ring);
    }
    lt_free(rings);
    return LT_OK;
}

LT_OP(reverb, "y; x delays gains", reverb_check, reverb_cpu)

lt_status lt_reverb(lt_tensor *y, const lt_tensor *x, const lt_tensor *delays,
                    const lt_tensor *gains, double damping)
{
    reverb_args a = {*y, *x, *delays, *gains, damping};
    return lt_run(&reverb_op, &a);
}
