// safetensors_fuzz: any bytes as a safetensors file: an error, or tensors that lie within it.
#include "luatrain.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lt_safetensors *f;
    if (lt_safetensors_parse(&f, "fuzz", data, (int64_t)size) != LT_OK) return 0;
    int64_t total = 0;
    for (int64_t i = 0; i < lt_safetensors_count(f); i++) {
        lt_safetensors_info info;
        lt_tensor t;
        if (lt_safetensors_entry(&info, f, i) != LT_OK) abort();
        if (lt_safetensors_find(f, info.name.text, info.name.length) != i) abort();
        total += info.bytes;
        if (lt_safetensors_read(&t, f, i) == LT_OK) {
            if (lt_tensor_numel(&t) * lt_dtype_size(t.dtype) != info.bytes) abort();
            lt_tensor_release(&t);
        }
    }
    if (total > (int64_t)size) abort();
    for (int64_t i = 0; i < lt_safetensors_metadata_count(f); i++) {
        lt_safetensors_text key, value;
        if (lt_safetensors_metadata(&key, &value, f, i) != LT_OK) abort();
    }
    lt_safetensors_close(f);
    return 0;
}
