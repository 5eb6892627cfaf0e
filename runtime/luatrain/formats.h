// luatrain/formats.h - safetensors and TensorBoard files.
// Part of luatrain.h, which includes it; read by LuaJIT between the marks.
// cdef begin

// ---- safetensors -------------------------------------------------------------------------------
// Files of named tensors (huggingface/safetensors). Errors name the file and the tensor or byte.
typedef struct lt_safetensors lt_safetensors;
// UTF-8 text owned by the open file; it may hold 0 bytes.
typedef struct lt_safetensors_text {
    const char *text;
    int64_t length;
} lt_safetensors_text;
typedef struct lt_safetensors_info {
    lt_safetensors_text name;
    const char *dtype_name;  // as in the file: "F32", "BF16", "F8_E4M3", ...
    const uint64_t *shape;   // ndim entries
    int64_t bytes;
    int32_t dtype;           // LT_F32, ...; -1: cannot be read into a tensor
    int32_t ndim;            // may be more than LT_MAX_DIMS: then it cannot be read either
} lt_safetensors_info;
// Opens a file and checks all of its header; no tensor is read yet. Close it with
// lt_safetensors_close, which takes NULL.
lt_status lt_safetensors_open(lt_safetensors **f, const char *path);
// The same for a file held in memory, which must stay until the close; `name` is for errors.
lt_status lt_safetensors_parse(lt_safetensors **f, const char *name, const void *data, int64_t bytes);
void lt_safetensors_close(lt_safetensors *f);  // takes NULL
int64_t lt_safetensors_count(const lt_safetensors *f);  // number of tensors
// Tensor number index (from 0, in the order of the data).
lt_status lt_safetensors_entry(lt_safetensors_info *info, const lt_safetensors *f, int64_t index);
int64_t lt_safetensors_find(const lt_safetensors *f, const char *name, int64_t length);  // -1: none
int64_t lt_safetensors_metadata_count(const lt_safetensors *f);  // number of keys
// Key and value number index of the metadata.
lt_status lt_safetensors_metadata(lt_safetensors_text *key, lt_safetensors_text *value,
                                  const lt_safetensors *f, int64_t index);
// A fresh tensor with the file's content. Booleans become 0 or 1.
lt_status lt_safetensors_read(lt_tensor *t, const lt_safetensors *f, int64_t index);
// Writes n tensors atomically, byte for byte as the reference does. metadata: key, value, key, value,
// ... of `pairs` pairs, in the order to be written. Texts are UTF-8; each name once.
lt_status lt_safetensors_write(const char *path, int64_t n, const char *const *names,
                               const lt_tensor *const *tensors, int64_t pairs,
                               const char *const *metadata);

// ---- tensorboard -------------------------------------------------------------------------------
// CRC-32C (Castagnoli) of bytes, continuing from `crc` (0 at first).
uint32_t lt_crc32c(uint32_t crc, const void *data, int64_t bytes);
// Appends one record of an event file: length, masked CRC, data, masked CRC.
struct lt_appender;
lt_status lt_events_write(struct lt_appender *a, const void *data, int64_t bytes);

// ---- png ---------------------------------------------------------------------------------------
// An 8-bit image as the bytes of a PNG file. pixels: height rows of width pixels of 1 (grey), 2 (grey,
// alpha), 3 (RGB) or 4 (RGBA) bytes. lt_png_bytes is the exact size of the file, 0 for sizes out of
// range (1 to 16384 pixels). LT_ERR_ARGUMENT: such sizes, or a capacity below it.
int64_t lt_png_bytes(int32_t width, int32_t height, int32_t channels);
lt_status lt_png_encode(void *out, int64_t capacity, const void *pixels, int32_t width, int32_t height,
                        int32_t channels);

// cdef end
