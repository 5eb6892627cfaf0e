// safetensors_write: the writer of safetensors files, byte for byte as the reference writes them:
// tensors by dtype (largest of the reference's enum first), then by name; header padded to 8 bytes.
#include "core/internal.h"

#include <stdio.h>

enum { MAX_HEADER = 100000000 };

typedef struct { const char *name; const lt_tensor *tensor; } item;
typedef struct { char *text; int64_t length, room; } text_buffer;

// The reference's name of a dtype, and its place in the reference's enum.
static const struct { const char *name; int order; } known[LT_DTYPES] = {
    [LT_F32] = {"F32", 17}, [LT_F64] = {"F64", 19}, [LT_BF16] = {"BF16", 14}, [LT_F16] = {"F16", 13},
    [LT_I64] = {"I64", 20}, [LT_I32] = {"I32", 15}, [LT_U8] = {"U8", 4},      [LT_BOOL] = {"BOOL", 0},
};

static int by_dtype_and_name(const void *a, const void *b)
{
    const item *x = a, *y = b;
    int order = known[y->tensor->dtype].order - known[x->tensor->dtype].order;
    return order ? order : strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const item *)a)->name, ((const item *)b)->name);
}

static lt_status put(text_buffer *b, const char *text, int64_t n)
{
    if (b->length + n > b->room) {
        int64_t room = (b->length + n) * 2 + 256;
        char *larger = lt_alloc(room);
        if (!larger) return LT_ERR_MEMORY;
        if (b->length) memcpy(larger, b->text, (size_t)b->length);
        lt_free(b->text);
        b->text = larger;
        b->room = room;
    }
    memcpy(b->text + b->length, text, (size_t)n);
    b->length += n;
    return LT_OK;
}

static lt_status put_text(text_buffer *b, const char *text) { return put(b, text, (int64_t)strlen(text)); }

// In quotes, escaped as serde_json does: UTF-8 stays, control characters become \n or \u001f.
static lt_status put_string(text_buffer *b, const char *text)
{
    LT_TRY(put(b, "\"", 1));
    for (const char *p = text; *p; p++) {
        static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
        const char *special = strchr(plain, *p);
        char escape[8];
        if (special) snprintf(escape, sizeof escape, "\\%c", letters[special - plain]);
        else if ((unsigned char)*p < 0x20) snprintf(escape, sizeof escape, "\\u%04x", (unsigned)*p);
        else snprintf(escape, sizeof escape, "%c", *p);
        LT_TRY(put_text(b, escape));
    }
    return put(b, "\"", 1);
}

static lt_status put_metadata(text_buffer *b, int64_t n, const char *const *pairs)
{
    LT_TRY(put_text(b, "\"__metadata__\":{"));
    for (int64_t i = 0; i < n; i++) {
        if (i) LT_TRY(put(b, ",", 1));
        LT_TRY(put_string(b, pairs[2 * i]));
        LT_TRY(put(b, ":", 1));
        LT_TRY(put_string(b, pairs[2 * i + 1]));
    }
    return put(b, "}", 1);
}

static int64_t bytes_of(const lt_tensor *t) { return lt_tensor_numel(t) * lt_dtype_size(t->dtype); }

static lt_status put_entry(text_buffer *b, const item *it, int64_t begin)
{
    char number[96];
    LT_TRY(put_string(b, it->name));
    snprintf(number, sizeof number, ":{\"dtype\":\"%s\",\"shape\":[", known[it->tensor->dtype].name);
    LT_TRY(put_text(b, number));
    for (int i = 0; i < it->tensor->ndim; i++) {
        snprintf(number, sizeof number, i ? ",%lld" : "%lld", (long long)it->tensor->shape[i]);
        LT_TRY(put_text(b, number));
    }
    snprintf(number, sizeof number, "],\"data_offsets\":[%lld,%lld]}", (long long)begin,
             (long long)(begin + bytes_of(it->tensor)));
    return put_text(b, number);
}

static lt_status make_header(text_buffer *b, const item *items, int64_t n, int64_t pairs,
                             const char *const *metadata)
{
    int64_t begin = 0;
    LT_TRY(put(b, "\0\0\0\0\0\0\0\0{", 9));
    if (pairs) LT_TRY(put_metadata(b, pairs, metadata));
    for (int64_t i = 0; i < n; i++) {
        if (i || pairs) LT_TRY(put(b, ",", 1));
        LT_TRY(put_entry(b, &items[i], begin));
        begin += bytes_of(items[i].tensor);
    }
    LT_TRY(put(b, "}", 1));
    while (b->length % 8) LT_TRY(put(b, " ", 1));
    uint64_t length = (uint64_t)b->length - 8;
    LT_REQUIRE(length <= MAX_HEADER, LT_ERR_ARGUMENT,
               "safetensors: the header of these %lld tensors has more than %d bytes", (long long)n,
               MAX_HEADER);
    for (int i = 0; i < 8; i++) b->text[i] = (char)(length >> 8 * i);
    return LT_OK;
}

// The tensor's elements in row-major order, through a copy where they lie otherwise.
static lt_status write_data(lt_writer *w, const lt_tensor *t)
{
    if (lt_tensor_is_contiguous(t)) return lt_writer_write(w, lt_tensor_data(t), bytes_of(t));
    lt_tensor copy;
    LT_TRY(lt_tensor_new(&copy, t->dtype, t->ndim, t->shape));
    lt_status status = lt_copy(&copy, t);
    if (status == LT_OK) status = lt_writer_write(w, lt_tensor_data(&copy), bytes_of(t));
    lt_tensor_release(&copy);
    return status;
}

static lt_status write_file(const char *path, const text_buffer *header, const item *items, int64_t n)
{
    lt_writer *w;
    LT_TRY(lt_writer_open(&w, path));
    lt_status status = lt_writer_write(w, header->text, header->length);
    for (int64_t i = 0; i < n && status == LT_OK; i++) status = write_data(w, items[i].tensor);
    if (status == LT_OK) return lt_writer_commit(w);
    lt_writer_abort(w);
    return status;
}

// Sorts the items as they are to be written.
static lt_status sort_items(const char *path, item *items, int64_t n)
{
    if (n) qsort(items, (size_t)n, sizeof *items, by_name);
    for (int64_t i = 0; i < n; i++) {
        LT_REQUIRE(items[i].tensor->storage, LT_ERR_ARGUMENT,
                   "cannot write %s: the tensor '%s' has been released", path, items[i].name);
        LT_REQUIRE(strcmp(items[i].name, "__metadata__"), LT_ERR_ARGUMENT,
                   "cannot write %s: no tensor may be called __metadata__", path);
        LT_REQUIRE(i == 0 || by_name(&items[i - 1], &items[i]), LT_ERR_ARGUMENT,
                   "cannot write %s: two tensors are called '%s'", path, items[i].name);
    }
    if (n) qsort(items, (size_t)n, sizeof *items, by_dtype_and_name);
    return LT_OK;
}

lt_status lt_safetensors_write(const char *path, int64_t n, const char *const *names,
                               const lt_tensor *const *tensors, int64_t pairs,
                               const char *const *metadata)
{
    text_buffer header = {NULL, 0, 0};
    item *items = lt_alloc((n + 1) * (int64_t)sizeof *items);
    if (!items) return LT_ERR_MEMORY;
    for (int64_t i = 0; i < n; i++) items[i] = (item){names[i], tensors[i]};
    lt_status status = sort_items(path, items, n);
    if (status == LT_OK) status = make_header(&header, items, n, pairs, metadata);
    if (status == LT_OK) status = write_file(path, &header, items, n);
    lt_free(header.text);
    lt_free(items);
    return status;
}
