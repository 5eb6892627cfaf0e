// fft: complex and real Fourier transforms of LT_LANES frames at once, any length.
//
// A transform of m points is done as a x b (the four-step form of Cooley and Tukey): columns of a
// points, twiddles, rows of b points, each in the first-level cache by Stockham passes of radix 8, 5,
// 4, 3, 2 or a small prime. Lengths with a prime factor above 31 go through Bluestein's convolution.
// Real frames of even length n are packed as n / 2 complex points. Inverses swap re and im.
// Everything is static: each kernel file gets its own copy, compiled for its own instruction set.
#ifndef LT_FFT_H
#define LT_FFT_H

#include "fft_lanes.h"

#include <pthread.h>

enum { FFT_MAX_PASSES = 24, FFT_MAX_PRIME = 31, FFT_MAX_LENGTH = 1 << 20 };

typedef struct fft_pass {
    int radix, m, s;   // m butterflies groups of s interleaved transforms
    const fft_real *tw;   // m x (radix - 1) complex
    const fft_real *roots;  // radix complex, for a radix without code of its own
} fft_pass;

typedef struct fft_small {
    int n, passes;
    fft_pass pass[FFT_MAX_PASSES];
} fft_small;

typedef struct fft_plan {
    int n;           // length of a real frame
    int pack;        // 2: n is even and a frame is n / 2 complex points; 1: n points
    int m;           // n / pack
    int a, b;        // m = a b, unless Bluestein
    fft_small col, row;
    fft_real *tw;       // a x b complex: exp(-2 pi i r c / m)
    fft_real *unpack;   // m + 1 complex: exp(-2 pi i k / n)
    struct fft_plan *conv;  // Bluestein: the power-of-two transform, pack 1
    fft_real *chirp;    // m complex: exp(-pi i k k / m)
    fft_real *kernel;   // conv->m complex: transform of the conjugate chirp, divided by conv->m
    struct fft_plan *next;
} fft_plan;

// ---- butterflies -------------------------------------------------------------------------------
#define FFT_INLINE static inline __attribute__((always_inline))

FFT_INLINE cvec c_add(cvec a, cvec b) { return (cvec){a.re + b.re, a.im + b.im}; }
FFT_INLINE cvec c_sub(cvec a, cvec b) { return (cvec){a.re - b.re, a.im - b.im}; }
// a - i b and a + i b
FFT_INLINE cvec c_sub_i(cvec a, cvec b) { return (cvec){a.re + b.im, a.im - b.re}; }
FFT_INLINE cvec c_add_i(cvec a, cvec b) { return (cvec){a.re - b.im, a.im + b.re}; }
FFT_INLINE cvec c_mul(cvec a, const fft_real *w)
{
    return (cvec){a.re * w[0] - a.im * w[1], a.re * w[1] + a.im * w[0]};
}
FFT_INLINE cvec c_axpy(cvec y, fft_real s, cvec x) { return (cvec){y.re + s * x.re, y.im + s * x.im}; }

FFT_INLINE void dft2(cvec *v)
{
    cvec a = v[0];
    v[0] = c_add(a, v[1]);
    v[1] = c_sub(a, v[1]);
}

FFT_INLINE void dft3(cvec *v)
{
    cvec sum = c_add(v[1], v[2]), diff = c_sub(v[1], v[2]);
    cvec mid = c_axpy(v[0], -0.5f, sum);
    const fft_real s = (fft_real)0.86602540378443865;
    diff.re *= s;
    diff.im *= s;
    v[0] = c_add(v[0], sum);
    v[1] = c_sub_i(mid, diff);
    v[2] = c_add_i(mid, diff);
}

FFT_INLINE void dft4(cvec *v)
{
    cvec a = c_add(v[0], v[2]), b = c_sub(v[0], v[2]);
    cvec c = c_add(v[1], v[3]), d = c_sub(v[1], v[3]);
    v[0] = c_add(a, c);
    v[1] = c_sub_i(b, d);
    v[2] = c_sub(a, c);
    v[3] = c_add_i(b, d);
}

FFT_INLINE void dft5(cvec *v)
{
    const fft_real c1 = (fft_real)0.30901699437494742;  // cos 72 degrees
    const fft_real c2 = (fft_real)-0.80901699437494742;  // cos 144 degrees
    const fft_real s1 = (fft_real)0.95105651629515357, s2 = (fft_real)0.58778525229247313;
    cvec a = c_add(v[1], v[4]), b = c_sub(v[1], v[4]);
    cvec c = c_add(v[2], v[3]), d = c_sub(v[2], v[3]);
    cvec e = c_axpy(c_axpy(v[0], c1, a), c2, c), f = c_axpy(c_axpy(v[0], c2, a), c1, c);
    cvec g = {s1 * b.re + s2 * d.re, s1 * b.im + s2 * d.im};
    cvec h = {s2 * b.re - s1 * d.re, s2 * b.im - s1 * d.im};
    v[0] = c_add(v[0], c_add(a, c));
    v[1] = c_sub_i(e, g);
    v[4] = c_add_i(e, g);
    v[2] = c_sub_i(f, h);
    v[3] = c_add_i(f, h);
}

FFT_INLINE void dft8(cvec *v)
{
    const fft_real r = (fft_real)0.70710678118654752;
    cvec even[4] = {v[0], v[2], v[4], v[6]}, odd[4] = {v[1], v[3], v[5], v[7]};
    dft4(even);
    dft4(odd);
    cvec t1 = {r * (odd[1].re + odd[1].im), r * (odd[1].im - odd[1].re)};
    cvec t3 = {r * (odd[3].im - odd[3].re), -r * (odd[3].re + odd[3].im)};
    v[0] = c_add(even[0], odd[0]);
    v[4] = c_sub(even[0], odd[0]);
    v[1] = c_add(even[1], t1);
    v[5] = c_sub(even[1], t1);
    v[2] = c_sub_i(even[2], odd[2]);
    v[6] = c_add_i(even[2], odd[2]);
    v[3] = c_add(even[3], t3);
    v[7] = c_sub(even[3], t3);
}

FFT_INLINE void dft_prime(cvec *v, int r, const fft_real *roots)
{
    cvec u[FFT_MAX_PRIME];
    for (int k = 0; k < r; k++) {
        cvec sum = v[0];
        for (int j = 1; j < r; j++) sum = c_add(sum, c_mul(v[j], roots + 2 * (j * k % r)));
        u[k] = sum;
    }
    for (int k = 0; k < r; k++) v[k] = u[k];
}

// One Stockham pass. x and y are read and written with strides in points; `in` holds twiddles for the
// points of x (first pass of a row) or NULL.
FFT_INLINE void fft_butterflies(int r, const fft_pass *p, const cvec *x, long xs, const fft_real *in,
                                cvec *y, long ys)
{
    if (r < 2 || r > FFT_MAX_PRIME) __builtin_unreachable();
    for (int i = 0; i < p->m; i++) {
        const fft_real *w = p->tw + (long)i * (r - 1) * 2;
        for (int q = 0; q < p->s; q++) {
            cvec v[FFT_MAX_PRIME];
            for (int j = 0; j < r; j++) {
                long at = q + (long)p->s * (i + (long)p->m * j);
                v[j] = x[at * xs];
                if (in) v[j] = c_mul(v[j], in + 2 * at);
            }
            switch (r) {
            case 2: dft2(v); break;
            case 3: dft3(v); break;
            case 4: dft4(v); break;
            case 5: dft5(v); break;
            case 8: dft8(v); break;
            default: dft_prime(v, r, p->roots);
            }
            cvec *out = y + (q + (long)p->s * r * i) * ys;
            out[0] = v[0];
            for (int j = 1; j < r; j++)
                out[(long)p->s * j * ys] = p->m > 1 ? c_mul(v[j], w + 2 * (j - 1)) : v[j];
        }
    }
}

// Separate functions, so that the compiler sees the radix, and whether there are twiddles.
#define FFT_PASS(name, r) \
    static void name(const fft_pass *p, const cvec *x, long xs, const fft_real *in, cvec *y, long ys) \
    { \
        if (in) \
            fft_butterflies(r, p, x, xs, in, y, ys); \
        else \
            fft_butterflies(r, p, x, xs, NULL, y, ys); \
    }
FFT_PASS(fft_pass2, 2)
FFT_PASS(fft_pass3, 3)
FFT_PASS(fft_pass4, 4)
FFT_PASS(fft_pass5, 5)
FFT_PASS(fft_pass7, 7)
FFT_PASS(fft_pass8, 8)
FFT_PASS(fft_pass_prime, p->radix)

// y <- transform of x, natural order; t has 2 n points of scratch. In place where xs == ys.
static void fft_small_run(const fft_small *f, const cvec *x, long xs, const fft_real *in, cvec *y,
                          long ys, cvec *t)
{
    if (f->passes == 0) {  // one point
        *y = in ? c_mul(*x, in) : *x;
        return;
    }
    for (int i = 0; i < f->passes; i++) {
        const fft_pass *p = &f->pass[i];
        bool last = i == f->passes - 1;
        cvec *to = last ? y : t + (i & 1 ? f->n : 0);
        long to_stride = last ? ys : 1;
        switch (p->radix) {
        case 2: fft_pass2(p, x, xs, in, to, to_stride); break;
        case 3: fft_pass3(p, x, xs, in, to, to_stride); break;
        case 4: fft_pass4(p, x, xs, in, to, to_stride); break;
        case 5: fft_pass5(p, x, xs, in, to, to_stride); break;
        case 7: fft_pass7(p, x, xs, in, to, to_stride); break;
        case 8: fft_pass8(p, x, xs, in, to, to_stride); break;
        default: fft_pass_prime(p, x, xs, in, to, to_stride);
        }
        x = to;
        xs = 1;
        in = NULL;
    }
}

// ---- plans -------------------------------------------------------------------------------------
static int fft_factor(int n, int *radix)
{
    int count = 0, twos = 0;
    for (; n % 2 == 0; n /= 2) twos++;
    for (; n % 5 == 0; n /= 5) radix[count++] = 5;
    for (; n % 3 == 0; n /= 3) radix[count++] = 3;
    for (int p = 7; n > 1; p += 2)
        for (; n % p == 0; n /= p) radix[count++] = p;
    int fours = (3 - twos % 3) % 3;  // 8s, with one or two 4s to make the exponent come out
    if (twos == 1) {
        radix[count++] = 2;
        return count;
    }
    for (int i = 0; i < (twos - 2 * fours) / 3; i++) radix[count++] = 8;
    for (int i = 0; i < fours; i++) radix[count++] = 4;
    return count;
}

static int fft_largest_prime(int n)
{
    int largest = 1;
    for (int p = 2; n > 1; p++) {
        if ((int64_t)p * p > n) return n > largest ? n : largest;
        for (; n % p == 0; n /= p) largest = p;
    }
    return largest;
}

// cos and sin of -2 pi j / n, with j reduced first.
static void fft_root(fft_real *w, int64_t j, int64_t n)
{
    double angle = -2.0 * M_PI * (double)(j % n) / (double)n;
    w[0] = (fft_real)cos(angle);
    w[1] = (fft_real)sin(angle);
}

static bool fft_small_init(fft_small *f, int n)
{
    int radix[FFT_MAX_PASSES];
    *f = (fft_small){.n = n, .passes = fft_factor(n, radix)};
    int left = n, s = 1;
    for (int i = 0; i < f->passes; i++) {
        int r = radix[i], m = left / r;
        fft_real *tw = malloc(sizeof(fft_real) * 2 * ((size_t)m * (r - 1) + r));
        if (!tw) return false;
        for (int p = 0; p < m; p++)
            for (int j = 1; j < r; j++)
                fft_root(tw + 2 * ((size_t)p * (r - 1) + j - 1), (int64_t)p * j, left);
        fft_real *roots = tw + 2 * (size_t)m * (r - 1);
        for (int j = 0; j < r; j++) fft_root(roots + 2 * j, j, r);
        f->pass[i] = (fft_pass){r, m, s, tw, roots};
        left = m;
        s *= r;
    }
    return true;
}

static void fft_plan_free(fft_plan *p)
{
    if (!p) return;
    for (int i = 0; i < p->col.passes; i++) free((void *)p->col.pass[i].tw);
    for (int i = 0; i < p->row.passes; i++) free((void *)p->row.pass[i].tw);
    free(p->tw);
    free(p->unpack);
    free(p->chirp);
    free(p->kernel);
    fft_plan_free(p->conv);
    free(p);
}

static void fft_split(int m, int *a, int *b)
{
    double best = 1e30;
    for (int d = 1; d <= m; d++) {
        if (m % d) continue;
        // near the square root; rows that fill whole blocks of the loader are worth a detour
        double cost = fabs(log((double)d * d / m)) + (d % (LT_LANES / 2) ? 1.5 : 0);
        if (m <= 16) cost = d == m ? 0 : 1;
        if (cost < best) best = cost, *b = d;
    }
    *a = m / *b;
}

static int64_t fft_scratch_points(const fft_plan *p);
static void fft_complex(const fft_plan *p, cvec *x, cvec *y, cvec *t);
static fft_plan *fft_plan_make(int n, int pack);

static bool fft_bluestein_init(fft_plan *p)
{
    int m = p->m, big = 1;
    while (big < 2 * m - 1) big *= 2;
    p->conv = fft_plan_make(big, 1);
    p->chirp = malloc(sizeof(fft_real) * 2 * (size_t)m);
    p->kernel = malloc(sizeof(fft_real) * 2 * (size_t)big);
    if (!p->conv || !p->chirp || !p->kernel) return false;
    cvec *x = lt_alloc((int64_t)sizeof(cvec) * (2 * (int64_t)big + fft_scratch_points(p->conv)));
    if (!x) return false;
    memset(x, 0, sizeof(cvec) * (size_t)big);
    for (int k = 0; k < m; k++) {
        fft_root(p->chirp + 2 * k, (int64_t)k * k, 2 * (int64_t)m);
        cvec h = {vec_all(p->chirp[2 * k]), vec_all(-p->chirp[2 * k + 1])};
        x[k] = h;
        if (k) x[big - k] = h;
    }
    fft_complex(p->conv, x, x + big, x + 2 * big);
    for (int k = 0; k < big; k++) {
        p->kernel[2 * k] = x[big + k].re[0] / (fft_real)big;
        p->kernel[2 * k + 1] = x[big + k].im[0] / (fft_real)big;
    }
    lt_free(x);
    return true;
}

static fft_plan *fft_plan_make(int n, int pack)
{
    fft_plan *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->n = n;
    p->pack = pack;
    p->m = n / pack;
    p->a = 1, p->b = p->m;
    bool ok = true;
    if (fft_largest_prime(p->m) > FFT_MAX_PRIME) {
        ok = fft_bluestein_init(p);
    } else {
        fft_split(p->m, &p->a, &p->b);
        ok = fft_small_init(&p->col, p->a) && fft_small_init(&p->row, p->b);
        p->tw = malloc(sizeof(fft_real) * 2 * (size_t)p->m);
        ok = ok && p->tw;
        for (int r = 0; ok && r < p->a; r++)
            for (int c = 0; c < p->b; c++)
                fft_root(p->tw + 2 * ((size_t)r * p->b + c), (int64_t)r * c, p->m);
    }
    p->unpack = malloc(sizeof(fft_real) * 2 * ((size_t)p->m + 1));
    ok = ok && p->unpack;
    for (int k = 0; ok && k <= p->m; k++) fft_root(p->unpack + 2 * k, k, n);
    if (ok) return p;
    fft_plan_free(p);
    return NULL;
}

// The plan for real frames of n samples, made once and kept; NULL when memory is exhausted.
static const fft_plan *fft_plan_get(int n)
{
    static fft_plan *plans;
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&mutex);
    fft_plan *p = plans;
    while (p && p->n != n) p = p->next;
    if (!p && (p = fft_plan_make(n, n % 2 ? 1 : 2))) {
        p->next = plans;
        plans = p;
    }
    pthread_mutex_unlock(&mutex);
    if (!p) lt_fail(LT_ERR_MEMORY, "fft: no memory for the tables of a transform of %d points", n);
    return p;
}

// ---- whole transforms --------------------------------------------------------------------------
// Points of scratch that fft_complex and the real transforms want as t.
static int64_t fft_scratch_points(const fft_plan *p)
{
    if (p->conv) return 2 * (int64_t)p->conv->m + fft_scratch_points(p->conv);
    int64_t longest = p->a > p->b ? p->a : p->b;
    return 4 * longest;
}

static void fft_columns(const fft_plan *p, cvec *x, cvec *t)
{
    if (p->a == 1) return;
    for (int c = 0; c < p->b; c++) fft_small_run(&p->col, x + c, p->b, NULL, x + c, p->b, t);
}

// Row r of x, whose rows are `pitch` points apart.
FFT_INLINE void fft_row(const fft_plan *p, const cvec *x, int pitch, int r, cvec *y, long ys,
                        cvec *t)
{
    const fft_real *tw = r ? p->tw + 2 * (size_t)r * p->b : NULL;
    fft_small_run(&p->row, x + (size_t)r * pitch, 1, tw, y, ys, t);
}

static void fft_bluestein(const fft_plan *p, const cvec *x, cvec *y, cvec *t)
{
    int big = p->conv->m;
    cvec *u = t, *v = t + big, *scratch = t + 2 * big;
    for (int k = 0; k < p->m; k++) u[k] = c_mul(x[k], p->chirp + 2 * k);
    memset(u + p->m, 0, sizeof(cvec) * (size_t)(big - p->m));
    fft_complex(p->conv, u, v, scratch);
    for (int k = 0; k < big; k++) {
        cvec z = c_mul(v[k], p->kernel + 2 * k);
        u[k] = (cvec){z.im, z.re};
    }
    fft_complex(p->conv, u, v, scratch);
    for (int k = 0; k < p->m; k++) y[k] = c_mul((cvec){v[k].im, v[k].re}, p->chirp + 2 * k);
}

// y <- transform of x (m points, natural order, no scaling); x is destroyed, y apart from x.
static void fft_complex(const fft_plan *p, cvec *x, cvec *y, cvec *t)
{
    if (p->conv) {
        fft_bluestein(p, x, y, t);
        return;
    }
    fft_columns(p, x, t);
    for (int r = 0; r < p->a; r++) fft_row(p, x, p->b, r, y + r, p->a, t);
}

#endif
