// png: writing PNG images, 8 bits a channel (W3C PNG, third edition; RFC 1950 and 1951).
// Pictures of a log are small, so rows are stored, not compressed: no library is needed.
#include "core/internal.h"

enum { BLOCK = 65535 };  // most bytes of a stored block

static const unsigned char signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

static uint32_t table[256];

__attribute__((constructor)) static void fill_table(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t crc = b;
        for (int i = 0; i < 8; i++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
        table[b] = crc;
    }
}

static unsigned char *put_big(unsigned char *to, uint32_t value)
{
    for (int i = 0; i < 4; i++) to[i] = (unsigned char)(value >> (24 - 8 * i));
    return to + 4;
}

// Closes the chunk whose length field is at `chunk` and whose data ends at `end`.
static unsigned char *close_chunk(unsigned char *chunk, unsigned char *end)
{
    put_big(chunk, (uint32_t)(end - chunk - 8));
    uint32_t crc = ~0u;
    for (unsigned char *p = chunk + 4; p < end; p++) crc = crc >> 8 ^ table[(crc ^ *p) & 255];
    return put_big(end, ~crc);
}

static unsigned char *open_chunk(unsigned char *chunk, const char *type)
{
    memcpy(chunk + 4, type, 4);
    return chunk + 8;
}

// Bytes of the rows with the filter byte that each begins with.
static int64_t raw_bytes(int32_t width, int32_t height, int32_t channels)
{
    return (int64_t)height * (1 + (int64_t)width * channels);
}

static int64_t blocks_of(int64_t raw) { return (raw + BLOCK - 1) / BLOCK; }

int64_t lt_png_bytes(int32_t width, int32_t height, int32_t channels)
{
    bool sane = width >= 1 && height >= 1 && width <= 16384 && height <= 16384 && channels >= 1 &&
                channels <= 4;
    if (!sane) return 0;
    int64_t raw = raw_bytes(width, height, channels);
    return 8 + 25 + (12 + 2 + 5 * blocks_of(raw) + raw + 4) + 12;
}

// Byte number i of the rows.
static unsigned char raw_byte(const unsigned char *pixels, int64_t row, int64_t i)
{
    return i % row == 0 ? 0 : pixels[i / row * (row - 1) + i % row - 1];
}

// The rows as a zlib stream of stored blocks.
static unsigned char *put_rows(unsigned char *to, const unsigned char *pixels, int64_t raw, int64_t row)
{
    *to++ = 0x78;
    *to++ = 0x01;
    uint32_t a = 1, b = 0;  // Adler-32
    for (int64_t start = 0; start < raw; start += BLOCK) {
        int64_t n = raw - start < BLOCK ? raw - start : BLOCK;
        *to++ = start + n == raw;
        for (int k = 0; k < 2; k++) *to++ = (unsigned char)(n >> 8 * k);
        for (int k = 0; k < 2; k++) *to++ = (unsigned char)(~n >> 8 * k);
        for (int64_t i = start; i < start + n; i++) {
            *to = raw_byte(pixels, row, i);
            a = (a + *to++) % 65521;
            b = (b + a) % 65521;
        }
    }
    return put_big(to, b << 16 | a);
}

lt_status lt_png_encode(void *out, int64_t capacity, const void *pixels, int32_t width, int32_t height,
                        int32_t channels)
{
    static const unsigned char color[5] = {0, 0, 4, 2, 6};
    int64_t bytes = lt_png_bytes(width, height, channels);
    LT_REQUIRE(bytes > 0, LT_ERR_ARGUMENT, "png: %d x %d pixels with %d channels; sizes go from 1 to "
               "16384, channels from 1 to 4", width, height, channels);
    LT_REQUIRE(capacity >= bytes, LT_ERR_ARGUMENT, "png: the buffer holds %lld bytes, %lld are needed",
               (long long)capacity, (long long)bytes);
    unsigned char *p = out;
    memcpy(p, signature, 8);
    unsigned char *chunk = p + 8;
    p = put_big(put_big(open_chunk(chunk, "IHDR"), (uint32_t)width), (uint32_t)height);
    const unsigned char rest[5] = {8, color[channels], 0, 0, 0};
    memcpy(p, rest, 5);
    chunk = close_chunk(chunk, p + 5);
    int64_t row = 1 + (int64_t)width * channels;
    p = put_rows(open_chunk(chunk, "IDAT"), pixels, raw_bytes(width, height, channels), row);
    chunk = close_chunk(chunk, p);
    close_chunk(chunk, open_chunk(chunk, "IEND"));
    return LT_OK;
}
