// events: records of TensorBoard event files: TFRecord framing with CRC-32C
// (tensorflow/tensorboard, pywrap_tensorflow.py).
#include "core/internal.h"

static uint32_t table[8][256];

// Slicing by eight: table[k][b] is the CRC of byte b followed by k zero bytes.
__attribute__((constructor)) static void fill_table(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t crc = b;
        for (int i = 0; i < 8; i++) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
        table[0][b] = crc;
    }
    for (int k = 1; k < 8; k++)
        for (int b = 0; b < 256; b++)
            table[k][b] = table[k - 1][b] >> 8 ^ table[0][table[k - 1][b] & 255];
}

uint32_t lt_crc32c(uint32_t crc, const void *data, int64_t bytes)
{
    const unsigned char *p = data;
    crc = ~crc;
    for (; bytes >= 8; bytes -= 8, p += 8) {
        uint32_t low = crc ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
                              (uint32_t)p[3] << 24);
        crc = table[7][low & 255] ^ table[6][low >> 8 & 255] ^ table[5][low >> 16 & 255] ^
              table[4][low >> 24] ^ table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^ table[0][p[7]];
    }
    for (; bytes > 0; bytes--) crc = crc >> 8 ^ table[0][(crc ^ *p++) & 255];
    return ~crc;
}

static uint32_t masked(const void *data, int64_t bytes)
{
    uint32_t crc = lt_crc32c(0, data, bytes);
    return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

static void put_little(unsigned char *to, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) to[i] = (unsigned char)(value >> 8 * i);
}

lt_status lt_events_write(struct lt_appender *a, const void *data, int64_t bytes)
{
    unsigned char *record = lt_alloc(bytes + 16);
    if (!record) return LT_ERR_MEMORY;
    put_little(record, (uint64_t)bytes, 8);
    put_little(record + 8, masked(record, 8), 4);
    if (bytes) memcpy(record + 12, data, (size_t)bytes);
    put_little(record + 12 + bytes, masked(data, bytes), 4);
    // One write, so that a reader that follows the file sees whole records.
    lt_status status = lt_appender_write(a, record, bytes + 16);
    lt_free(record);
    return status;
}
