// zlib: bytes made smaller and back, in zlib's format (RFC 1950), by libdeflate.
#include "data/hdf5.h"

int64_t lt_zlib_bound(int64_t bytes)
{
    if (bytes < 0 || hdf5_need_deflate() != LT_OK) return 0;
    return (int64_t)deflate.libdeflate_zlib_compress_bound(NULL, (size_t)bytes);
}

lt_status lt_zlib_compress(void *out, int64_t *size, int64_t capacity, const void *data,
                           int64_t bytes)
{
    LT_TRY(hdf5_need_deflate());
    LT_REQUIRE(bytes >= 0 && capacity >= 0, LT_ERR_ARGUMENT, "zlib_compress: negative size");
    struct libdeflate_compressor *c = deflate.libdeflate_alloc_compressor(6);
    LT_REQUIRE(c, LT_ERR_MEMORY, "zlib_compress: out of memory");
    *size = (int64_t)deflate.libdeflate_zlib_compress(c, data, (size_t)bytes, out, (size_t)capacity);
    deflate.libdeflate_free_compressor(c);
    LT_REQUIRE(*size > 0, LT_ERR_ARGUMENT,
               "zlib_compress: %lld bytes do not fit into %lld; lt_zlib_bound tells what is needed",
               (long long)bytes, (long long)capacity);
    return LT_OK;
}
