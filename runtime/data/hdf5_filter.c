// hdf5_filter: the filters gzip, shuffle and fletcher32 of HDF5 chunks, both ways.
//
// The order of a pipeline is that of writing; reading undoes it from the end. A set bit in a chunk's
// filter mask means that filter was left out for this chunk. (HDF5 File Format Specification 3.0,
// "Filter Pipeline"; fletcher32 as in HDF5's H5checksum: sums modulo 65535 over 16-bit big-endian words.)
#include "data/hdf5.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

bool hdf5_pipeline_known(const hdf5_pipeline *p)
{
    int packed = 0;
    for (int i = 0; i < p->count; i++) {
        if (p->id[i] == H5Z_FILTER_DEFLATE) packed++;
        else if (p->id[i] != H5Z_FILTER_SHUFFLE && p->id[i] != H5Z_FILTER_FLETCHER32) return false;
    }
    return packed <= 1;  // the length between two would be unknown
}

// ---- fletcher32 --------------------------------------------------------------------------------

static uint32_t fletcher32(const uint8_t *p, int64_t bytes)
{
    uint32_t a = 0, b = 0;
    int64_t words = bytes / 2;
    while (words > 0) {
        int64_t n = words < 360 ? words : 360;  // neither sum overflows before the reduction
        words -= n;
        for (; n > 0; n--, p += 2) {
            a += (uint32_t)p[0] << 8 | p[1];
            b += a;
        }
        a = (a & 0xffff) + (a >> 16);
        b = (b & 0xffff) + (b >> 16);
    }
    if (bytes & 1) {
        a += (uint32_t)p[0] << 8;
        b += a;
        a = (a & 0xffff) + (a >> 16);
        b = (b & 0xffff) + (b >> 16);
    }
    a = (a & 0xffff) + (a >> 16);
    b = (b & 0xffff) + (b >> 16);
    return b << 16 | a;
}

static uint32_t read_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static lt_status check_fletcher32(const uint8_t *data, int64_t *bytes)
{
    LT_REQUIRE(*bytes >= 4, LT_ERR_FORMAT, "%lld bytes, too few for its checksum", (long long)*bytes);
    *bytes -= 4;
    uint32_t want = read_u32(data + *bytes), got = fletcher32(data, *bytes);
    // HDF5 up to 1.6.2 stored the bytes of each half exchanged; the library still takes that.
    uint32_t turned = (got & 0x00ff00ffu) << 8 | (got & 0xff00ff00u) >> 8;
    LT_REQUIRE(want == got || want == turned, LT_ERR_FORMAT,
               "the checksum is %08x, its content gives %08x", want, got);
    return LT_OK;
}

// ---- shuffle -----------------------------------------------------------------------------------

// Bytes of elements of four from four planes, sixteen elements at a time; returns how many.
static int64_t unshuffle4(uint8_t *out, const uint8_t *in, int64_t n)
{
    int64_t i = 0;
#if defined(__SSE2__)
    for (; i + 16 <= n; i += 16) {
        __m128i a = _mm_loadu_si128((const __m128i *)(in + i));
        __m128i b = _mm_loadu_si128((const __m128i *)(in + n + i));
        __m128i c = _mm_loadu_si128((const __m128i *)(in + 2 * n + i));
        __m128i d = _mm_loadu_si128((const __m128i *)(in + 3 * n + i));
        __m128i ab0 = _mm_unpacklo_epi8(a, b), ab1 = _mm_unpackhi_epi8(a, b);
        __m128i cd0 = _mm_unpacklo_epi8(c, d), cd1 = _mm_unpackhi_epi8(c, d);
        __m128i *to = (__m128i *)(out + 4 * i);
        _mm_storeu_si128(to, _mm_unpacklo_epi16(ab0, cd0));
        _mm_storeu_si128(to + 1, _mm_unpackhi_epi16(ab0, cd0));
        _mm_storeu_si128(to + 2, _mm_unpacklo_epi16(ab1, cd1));
        _mm_storeu_si128(to + 3, _mm_unpackhi_epi16(ab1, cd1));
    }
#else
    (void)out, (void)in, (void)n;
#endif
    return i;
}

// What does not fill an element stays at the end, as it is.
static void unshuffle(uint8_t *out, const uint8_t *in, int64_t bytes, int64_t size)
{
    int64_t n = size > 0 ? bytes / size : 0;
    if (size <= 1 || n <= 1) {
        memcpy(out, in, (size_t)bytes);
        return;
    }
    int64_t done = size == 4 ? unshuffle4(out, in, n) : 0;
    for (int64_t k = 0; k < size; k++) {
        const uint8_t *plane = in + k * n;
        for (int64_t i = done; i < n; i++) out[i * size + k] = plane[i];
    }
    memcpy(out + n * size, in + n * size, (size_t)(bytes - n * size));
}

static void shuffle(uint8_t *out, const uint8_t *in, int64_t bytes, int64_t size)
{
    int64_t n = size > 0 ? bytes / size : 0;
    if (size <= 1 || n <= 1) {
        memcpy(out, in, (size_t)bytes);
        return;
    }
    for (int64_t k = 0; k < size; k++) {
        uint8_t *plane = out + k * n;
        for (int64_t i = 0; i < n; i++) plane[i] = in[i * size + k];
    }
    memcpy(out + n * size, in + n * size, (size_t)(bytes - n * size));
}

// ---- reading -----------------------------------------------------------------------------------

static lt_status inflate(uint8_t *out, int64_t bytes, const uint8_t *in, int64_t stored)
{
    LT_TRY(hdf5_need_deflate());
    struct libdeflate_decompressor *d = deflate.libdeflate_alloc_decompressor();
    LT_REQUIRE(d, LT_ERR_MEMORY, "out of memory for gzip");
    size_t used = 0, got = 0;
    enum libdeflate_result result = deflate.libdeflate_zlib_decompress_ex(
        d, in, (size_t)stored, out, (size_t)bytes, &used, &got);
    deflate.libdeflate_free_decompressor(d);
    LT_REQUIRE(result != LIBDEFLATE_INSUFFICIENT_SPACE, LT_ERR_FORMAT,
               "its gzip data holds more than the %lld bytes of a chunk", (long long)bytes);
    LT_REQUIRE(result == LIBDEFLATE_SUCCESS, LT_ERR_FORMAT, "its gzip data is damaged");
    LT_REQUIRE((int64_t)got == bytes, LT_ERR_FORMAT, "its gzip data holds %lld bytes, a chunk has %lld",
               (long long)got, (long long)bytes);
    return LT_OK;
}

// Bytes that enter filter `at` when written: the chunk's, and the checksums added before it.
static int64_t bytes_before(const hdf5_pipeline *p, uint32_t mask, int at, int64_t bytes)
{
    for (int i = 0; i < at; i++)
        if (p->id[i] == H5Z_FILTER_FLETCHER32 && !(mask >> i & 1)) bytes += 4;
    return bytes;
}

// Two buffers take turns; the last filter to be undone writes into out.
typedef struct { uint8_t *now, *spare; int64_t bytes; } stage;

static lt_status undo(stage *s, const hdf5_pipeline *p, uint32_t mask, int i, uint8_t *out, int64_t bytes)
{
    // Only gzip changes the length by what it finds; shuffle keeps it.
    const int64_t wanted = p->id[i] == H5Z_FILTER_DEFLATE ? bytes_before(p, mask, i, bytes) : s->bytes;
    if (p->id[i] == H5Z_FILTER_FLETCHER32) return check_fletcher32(s->now, &s->bytes);
    bool last = wanted == bytes;
    for (int k = 0; k < i; k++)
        if (!(mask >> k & 1)) last = false;
    uint8_t *to = out;
    if (!last) {
        free(s->spare);
        s->spare = to = malloc((size_t)wanted + 1);
        LT_REQUIRE(to, LT_ERR_MEMORY, "out of memory: %lld bytes for a chunk", (long long)wanted);
    }
    if (p->id[i] == H5Z_FILTER_DEFLATE) {
        LT_TRY(inflate(to, wanted, s->now, s->bytes));
    } else {
        unshuffle(to, s->now, wanted, p->value[i]);
    }
    s->now = to;
    s->bytes = wanted;
    if (!last) s->spare = NULL;
    return LT_OK;
}

lt_status hdf5_decode(void *out, int64_t bytes, void *raw, int64_t stored, const hdf5_pipeline *p,
                      uint32_t mask)
{
    stage s = {raw, NULL, stored};
    lt_status status = LT_OK;
    for (int i = p->count - 1; i >= 0 && status == LT_OK; i--) {
        if (mask >> i & 1) continue;
        uint8_t *before = s.now;
        status = undo(&s, p, mask, i, out, bytes);
        if (s.now != before && before != raw) free(before);
    }
    if (status == LT_OK && s.bytes != bytes)
        status = lt_fail(LT_ERR_FORMAT, "it has %lld bytes instead of %lld", (long long)s.bytes,
                         (long long)bytes);
    if (status == LT_OK && s.now != out) memcpy(out, s.now, (size_t)bytes);
    if (s.now != raw && s.now != out) free(s.now);
    free(s.spare);
    return status;
}

// ---- writing -----------------------------------------------------------------------------------

static lt_status pack(uint8_t **data, int64_t *bytes, int level, bool *larger)
{
    LT_TRY(hdf5_need_deflate());
    struct libdeflate_compressor *c = deflate.libdeflate_alloc_compressor(level);
    uint8_t *to = c && *bytes > 1 ? malloc((size_t)*bytes) : NULL;
    // No room beyond the input: what would grow is stored as it is.
    size_t n = to ? deflate.libdeflate_zlib_compress(c, *data, (size_t)*bytes, to, (size_t)*bytes - 1) : 0;
    if (c) deflate.libdeflate_free_compressor(c);
    *larger = to && n == 0;
    if (n) {
        free(*data);
        *data = to;
        *bytes = (int64_t)n;
        return LT_OK;
    }
    free(to);
    LT_REQUIRE(*larger || *bytes <= 1, LT_ERR_MEMORY, "gzip: out of memory");
    *larger = true;
    return LT_OK;
}

static lt_status apply(uint8_t **data, int64_t *bytes, uint32_t *mask, const hdf5_pipeline *p, int i)
{
    if (p->id[i] == H5Z_FILTER_DEFLATE) {
        bool larger = false;
        LT_TRY(pack(data, bytes, p->value[i], &larger));
        if (larger) *mask |= 1u << i;
        return LT_OK;
    }
    uint8_t *to = malloc((size_t)*bytes + 4);
    LT_REQUIRE(to, LT_ERR_MEMORY, "out of memory: %lld bytes for a chunk", (long long)*bytes);
    if (p->id[i] == H5Z_FILTER_SHUFFLE) {
        shuffle(to, *data, *bytes, p->value[i]);
    } else {
        uint32_t sum = fletcher32(*data, *bytes);
        memcpy(to, *data, (size_t)*bytes);
        for (int k = 0; k < 4; k++) to[(*bytes)++] = (uint8_t)(sum >> 8 * k);
    }
    free(*data);
    *data = to;
    return LT_OK;
}

lt_status hdf5_encode(void **out, int64_t *stored, uint32_t *mask, const void *data, int64_t bytes,
                      const hdf5_pipeline *p)
{
    *out = NULL;
    *mask = 0;
    uint8_t *now = malloc((size_t)bytes + 1);
    LT_REQUIRE(now, LT_ERR_MEMORY, "out of memory: %lld bytes for a chunk", (long long)bytes);
    memcpy(now, data, (size_t)bytes);
    for (int i = 0; i < p->count; i++) {
        lt_status status = apply(&now, &bytes, mask, p, i);
        if (status != LT_OK) {
            free(now);
            return status;
        }
    }
    *out = now;
    *stored = bytes;
    return LT_OK;
}
