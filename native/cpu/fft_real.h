// fft_real: from frames of a signal to their spectra and back, LT_LANES frames at a time.
#ifndef LT_FFT_REAL_H
#define LT_FFT_REAL_H

#include "fft.h"

// How frames lie over a signal: frame t covers samples t hop - before .. t hop - before + n, and
// samples outside of [0, length) are zeros or mirrored.
typedef struct frame_plan {
    const fft_plan *fft;
    int64_t length, frames, hop, before;
    bool reflect;
    const float *window;  // n samples, NULL for all ones
} frame_plan;

// Scratch of one thread.
typedef struct frame_work {
    cvec *x;       // m points: the frames, then their half-done transform, rows frame_pitch apart
    cvec *z;       // m points (whole transforms), or two rows
    cvec *t;       // fft scratch
    cvec *out;     // n / 2 + 1 bins; powers lie here as plain vectors
    fft_real *edge;   // LT_LANES frames that reach outside of the signal
    fft_real *window; // n
    vec *spare;       // what frame_works_new was asked for
    void *block;
} frame_work;

static inline int64_t frame_groups(int64_t frames) { return (frames + LT_LANES - 1) / LT_LANES; }

// Rows of the half-done transform lie an odd number of points apart: at a power of two, the points of
// a column would share the same few sets of the first-level cache.
static inline int frame_pitch(const fft_plan *p) { return p->b | 1; }

// Bytes of scratch for one thread; with base, also lays it out.
static int64_t frame_work_layout(frame_work *w, const fft_plan *p, int64_t spare, char *base)
{
    int64_t at = 0;
    int64_t sizes[] = {(int64_t)sizeof(cvec) * p->a * frame_pitch(p),
                       (int64_t)sizeof(cvec) * (p->m + p->b * 2),
                       (int64_t)sizeof(cvec) * fft_scratch_points(p),
                       (int64_t)sizeof(cvec) * (p->n / 2 + 1),
                       (int64_t)sizeof(fft_real) * LT_LANES * p->n, (int64_t)sizeof(fft_real) * p->n,
                       (int64_t)sizeof(vec) * spare};
    void **fields[] = {(void **)&w->x,   (void **)&w->z,    (void **)&w->t,
                       (void **)&w->out, (void **)&w->edge, (void **)&w->window,
                       (void **)&w->spare};
    for (int i = 0; i < 7; i++) {
        if (base) *fields[i] = base + at;
        at += (sizes[i] + 63) / 64 * 64 + 64;
    }
    return at;
}

// Scratch for `threads` threads in one block, with `spare` vectors each; works[0].block is what lt_free
// wants.
static lt_status frame_works_new(frame_work *works, int threads, const fft_plan *p, int64_t spare)
{
    frame_work layout;
    int64_t bytes = frame_work_layout(&layout, p, spare, NULL);
    char *block = lt_alloc(bytes * threads);
    LT_REQUIRE(block, LT_ERR_MEMORY, "fft: no memory for %lld bytes of scratch",
               (long long)(bytes * threads));
    works[0].block = block;
    for (int i = 0; i < threads; i++) frame_work_layout(&works[i], p, spare, block + bytes * i);
    return LT_OK;
}

// ---- loading frames ----------------------------------------------------------------------------
// Index of a sample outside the signal, mirrored at both ends without repeating the ends.
static int64_t frame_mirror(int64_t i, int64_t length)
{
    if (length == 1) return 0;
    int64_t period = 2 * (length - 1);
    i %= period;
    if (i < 0) i += period;
    return i < length ? i : period - i;
}

// Where the samples of each of LT_LANES frames from `first` begin; frames that reach outside are
// copied and completed. Lanes beyond the last frame repeat it.
static void frame_lanes(const frame_plan *f, const fft_real *x, int64_t first, frame_work *w,
                        const fft_real *lane[LT_LANES])
{
    int n = f->fft->n;
    for (int l = 0; l < LT_LANES; l++) {
        int64_t t = first + l;
        if (t >= f->frames) {
            lane[l] = lane[l - 1];
            continue;
        }
        int64_t begin = t * f->hop - f->before;
        if (begin >= 0 && begin + n <= f->length) {
            lane[l] = x + begin;
            continue;
        }
        fft_real *copy = w->edge + (int64_t)l * n;
        for (int i = 0; i < n; i++) {
            int64_t at = begin + i;
            if (at >= 0 && at < f->length)
                copy[i] = x[at];
            else
                copy[i] = f->reflect ? x[frame_mirror(at, f->length)] : 0.0f;
        }
        lane[l] = copy;
    }
}

// Samples [from, from + count) of all lanes, windowed, as vectors.
FFT_INLINE void frame_block(const fft_real *const lane[LT_LANES], const fft_real *window, int from,
                            int count, vec *out)
{
    int i = 0;
    for (; i + LT_LANES <= count; i += LT_LANES) {
        vec v[LT_LANES];
        for (int l = 0; l < LT_LANES; l++) v[l] = vec_load(lane[l] + from + i);
        vec_transpose(v);
        for (int l = 0; l < LT_LANES; l++) out[i + l] = v[l] * window[from + i + l];
    }
    for (; i < count; i++) {
        vec v;
        for (int l = 0; l < LT_LANES; l++) v[l] = lane[l][from + i];
        out[i] = v * window[from + i];
    }
}

// All m points of the frames, in order.
static void frame_load(const fft_plan *p, const fft_real *const lane[LT_LANES], const fft_real *window,
                       cvec *x)
{
    if (p->pack == 2) {
        frame_block(lane, window, 0, p->n, (vec *)x);
        return;
    }
    for (int i = 0; i < p->n; i++) {
        vec v;
        for (int l = 0; l < LT_LANES; l++) v[l] = lane[l][i];
        x[i] = (cvec){v * window[i], {0}};
    }
}

// Loads column by column and transforms each while it is in the first-level cache.
static void frame_load_columns(const fft_plan *p, const fft_real *const lane[LT_LANES],
                               const fft_real *window, cvec *x, cvec *t)
{
    enum { BLOCK = LT_LANES / 2 };  // points in one transposed square
    int pitch = frame_pitch(p);
    for (int c = 0; c < p->b; c += BLOCK) {
        int width = p->b - c < BLOCK ? p->b - c : BLOCK;
        for (int r = 0; r < p->a; r++) {
            cvec *row = x + (int64_t)r * pitch + c;
            frame_block(lane, window, 2 * (r * p->b + c), 2 * width, (vec *)row);
        }
        for (int i = c; i < c + width; i++)
            fft_small_run(&p->col, x + i, pitch, NULL, x + i, pitch, t);
    }
}

// The window of a forward transform. Packed frames want half of it: see frame_pair.
static void frame_window(const frame_plan *f, frame_work *w, double scale)
{
    const fft_plan *p = f->fft;
    double factor = p->pack == 2 ? 0.5 * scale : scale;
    for (int i = 0; i < p->n; i++)
        w->window[i] = (fft_real)(factor * (f->window ? f->window[i] : 1.0f));
}

// ---- forward -----------------------------------------------------------------------------------
enum { FRAME_COMPLEX, FRAME_POWER, FRAME_MAGNITUDE };

FFT_INLINE void frame_emit(int kind, cvec *out, int k, cvec x)
{
    if (kind == FRAME_COMPLEX) {
        out[k] = x;
        return;
    }
    vec power = x.re * x.re + x.im * x.im;
    ((vec *)out)[k] = kind == FRAME_MAGNITUDE ? vec_sqrt(power) : power;
}

// Bins k and m - k of a packed frame from its points zk and zc = z[m - k], halved beforehand:
// X[k] = E + W^k O, X[m - k] = conj(E - W^k O), E = zk + conj(zc), O = -i (zk - conj(zc)).
FFT_INLINE void frame_pair(int kind, const fft_plan *p, cvec zk, cvec zc, int k, cvec *out)
{
    vec er = zk.re + zc.re, ei = zk.im - zc.im;
    cvec o = c_mul((cvec){zk.im + zc.im, zc.re - zk.re}, p->unpack + 2 * k);
    frame_emit(kind, out, k, (cvec){er + o.re, ei + o.im});
    frame_emit(kind, out, p->m - k, (cvec){er - o.re, o.im - ei});
}

FFT_INLINE void frame_ends(int kind, const fft_plan *p, cvec z, cvec *out)
{
    frame_emit(kind, out, 0, (cvec){2.0f * (z.re + z.im), {0}});
    frame_emit(kind, out, p->m, (cvec){2.0f * (z.re - z.im), {0}});
}

// Spectra of whole, naturally ordered transforms.
FFT_INLINE void frame_unpack_all(int kind, const fft_plan *p, const cvec *z, cvec *out)
{
    if (p->pack == 1) {
        for (int k = 0; k <= p->n / 2; k++) frame_emit(kind, out, k, z[k]);
        return;
    }
    frame_ends(kind, p, z[0], out);
    for (int k = 1; 2 * k <= p->m; k++) frame_pair(kind, p, z[k], z[p->m - k], k, out);
}

// Rows r and a - r hold each other's mirrored bins: both are transformed and unpacked together.
FFT_INLINE void frame_unpack_rows(int kind, const fft_plan *p, const cvec *x, cvec *rows, cvec *out,
                                  cvec *t)
{
    int a = p->a, b = p->b, pitch = frame_pitch(p);
    cvec *low = rows, *high = rows + b;
    fft_row(p, x, pitch, 0, low, 1, t);
    frame_ends(kind, p, low[0], out);
    for (int c = 1; 2 * c <= b; c++) frame_pair(kind, p, low[c], low[b - c], a * c, out);
    for (int r = 1; 2 * r < a; r++) {
        fft_row(p, x, pitch, r, low, 1, t);
        fft_row(p, x, pitch, a - r, high, 1, t);
        for (int c = 0; c < b; c++) frame_pair(kind, p, low[c], high[b - 1 - c], r + a * c, out);
    }
    if (a % 2 == 0) {
        fft_row(p, x, pitch, a / 2, low, 1, t);
        for (int c = 0; 2 * c < b; c++)
            frame_pair(kind, p, low[c], low[b - 1 - c], a / 2 + a * c, out);
    }
}

// Bins 0 .. n / 2 of LT_LANES frames, whose samples begin at lane, into w->out: points, or vectors of
// power or magnitude. frame_window must have been called.
FFT_INLINE void frame_transform(int kind, const fft_plan *p, const fft_real *const lane[LT_LANES],
                                frame_work *w)
{
    if (p->pack == 2 && !p->conv && p->a > 1) {
        frame_load_columns(p, lane, w->window, w->x, w->t);
        frame_unpack_rows(kind, p, w->x, w->z, w->out, w->t);
        return;
    }
    frame_load(p, lane, w->window, w->x);
    fft_complex(p, w->x, w->z, w->t);
    frame_unpack_all(kind, p, w->z, w->out);
}

// The same of the LT_LANES frames from `first` of a signal.
FFT_INLINE void frame_forward_as(int kind, const frame_plan *f, const fft_real *x, int64_t first,
                                 frame_work *w)
{
    const fft_real *lane[LT_LANES];
    frame_lanes(f, x, first, w, lane);
    frame_transform(kind, f->fft, lane, w);
}

#define FRAME_FORWARD(name, kind) \
    __attribute__((unused)) static void name(const frame_plan *f, const fft_real *x, int64_t first, \
                                             frame_work *w) \
    { \
        frame_forward_as(kind, f, x, first, w); \
    }
FRAME_FORWARD(frame_forward_complex, FRAME_COMPLEX)
FRAME_FORWARD(frame_forward_power, FRAME_POWER)
FRAME_FORWARD(frame_forward_magnitude, FRAME_MAGNITUDE)

// ---- inverse -----------------------------------------------------------------------------------
// w->x <- the m points of which w->out's bins are the transform, with re and im swapped (the inverse
// transform is the forward one between two swaps); the result is n times too large.
static void frame_pack(const fft_plan *p, frame_work *w)
{
    const cvec *in = w->out;
    cvec *x = w->x;
    if (p->pack == 1) {
        x[0] = (cvec){in[0].im * 0.0f, in[0].re};
        for (int k = 1; k <= p->n / 2; k++) {
            x[k] = (cvec){in[k].im, in[k].re};
            x[p->n - k] = (cvec){-in[k].im, in[k].re};
        }
        return;
    }
    // z = E + i O with E = X[k] + conj X[m - k], O = W^-k (X[k] - conj X[m - k])
    for (int k = 0; k < p->m; k++) {
        cvec a = in[k], b = in[p->m - k];
        if (k == 0) a.im = b.im = (vec){0};  // as irfft: the ends count as real
        const fft_real *w_k = p->unpack + 2 * k;
        fft_real conj[2] = {w_k[0], -w_k[1]};
        cvec o = c_mul((cvec){a.re - b.re, a.im + b.im}, conj);
        x[k] = (cvec){(a.im - b.im) + o.re, (a.re + b.re) - o.im};
    }
}

// Frames whose spectra are w->out, times n: n vectors of samples in w->z's memory, returned.
__attribute__((unused)) static vec *frame_inverse(const fft_plan *p, frame_work *w)
{
    frame_pack(p, w);
    fft_complex(p, w->x, w->z, w->t);
    vec *samples = (vec *)w->z;
    for (int k = 0; k < p->m; k++) {
        cvec z = w->z[k];
        if (p->pack == 2) {
            samples[2 * k] = z.im;
            samples[2 * k + 1] = z.re;
        } else {
            samples[k] = z.im;
        }
    }
    return samples;
}

#endif
