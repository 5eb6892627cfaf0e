// safetensors: strict reader and byte-exact writer of the tensor file format
// (huggingface/safetensors, README "Format" and tensor.rs).
//
// Refused, with the tensor or the position named: everything the reference refuses, and duplicate
// names, which it lets pass. Nothing in a file is trusted: sizes are checked before they are used.
#include "core/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_HEADER = 100000000, MAX_NESTING = 127 };

// Name, bits of an element, luatrain's dtype or -1; in the order of the reference's enum, by which
// the writer sorts.
static const struct { const char *name; int bits, dtype; } dtypes[] = {
    {"BOOL", 8, LT_BOOL},   {"F4", 4, -1},          {"F6_E2M3", 6, -1},     {"F6_E3M2", 6, -1},
    {"U8", 8, LT_U8},       {"I8", 8, -1},          {"F8_E5M2", 8, -1},     {"F8_E4M3", 8, -1},
    {"F8_E8M0", 8, -1},     {"F8_E4M3FNUZ", 8, -1}, {"F8_E5M2FNUZ", 8, -1}, {"I16", 16, -1},
    {"U16", 16, -1},        {"F16", 16, LT_F16},    {"BF16", 16, LT_BF16},  {"I32", 32, LT_I32},
    {"U32", 32, -1},        {"F32", 32, LT_F32},    {"C64", 64, -1},        {"F64", 64, LT_F64},
    {"I64", 64, LT_I64},    {"U64", 64, -1},
};
enum { DTYPES = sizeof dtypes / sizeof *dtypes };

typedef struct { const char *text; int64_t length; } slice;
typedef struct {
    slice name;
    uint64_t begin, end;
    int64_t shape;  // index of the first dimension in dims
    int32_t ndim, dtype;
} entry;

struct lt_safetensors {
    char *path;           // what errors call the file
    int fd;               // -1 where the file is in memory
    const char *memory;
    uint64_t file_bytes, data_start;
    char *header;         // names are decoded in place
    int64_t header_bytes;
    entry *entries;       // in the order of the data
    entry **by_name;
    int64_t count, room;
    uint64_t *dims;
    int64_t dims_count, dims_room;
    slice *metadata;      // key, value, key, value, ...
    int64_t metadata_count, metadata_room;
};

static int by_text(slice a, slice b)
{
    int64_t n = a.length < b.length ? a.length : b.length;
    int order = memcmp(a.text, b.text, (size_t)n);
    return order ? order : (a.length > b.length) - (a.length < b.length);
}

static bool is(slice s, const char *word)
{
    return s.length == (int64_t)strlen(word) && !memcmp(s.text, word, (size_t)s.length);
}

// "%.*s" of a slice, cut to a readable length.
#define SHOW(s) (int)((s).length < 200 ? (s).length : 200), (s).text

// Makes room for one more element in a growing array.
static lt_status grow(void **array, int64_t *room, int64_t count, size_t size)
{
    if (count < *room) return LT_OK;
    int64_t more = *room ? *room * 2 : 64;
    void *larger = lt_alloc(more * (int64_t)size);
    if (!larger) return LT_ERR_MEMORY;
    if (count) memcpy(larger, *array, (size_t)count * size);
    lt_free(*array);
    *array = larger;
    *room = more;
    return LT_OK;
}

// ---- the header's JSON -------------------------------------------------------------------------

typedef struct { lt_safetensors *file; char *start, *p, *end; } parser;

static lt_status refuse(const parser *s, const char *what)
{
    return lt_fail(LT_ERR_FORMAT, "%s: safetensors header, byte %lld: %s", s->file->path,
                   (long long)(s->p - s->start) + 8, s->p >= s->end ? "it ends too early" : what);
}

static void skip_space(parser *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r')) s->p++;
}

// Takes c after white space; false leaves it.
static bool take(parser *s, char c)
{
    skip_space(s);
    if (s->p >= s->end || *s->p != c) return false;
    s->p++;
    return true;
}

static bool take_word(parser *s, const char *word)
{
    size_t n = strlen(word);
    skip_space(s);
    if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n)) return false;
    s->p += n;
    return true;
}

static int hex4(const parser *s, const char *p)
{
    int value = 0;
    if (s->end - p < 4) return -1;
    for (int i = 0; i < 4; i++) {
        int c = p[i], lower = c | 32;
        int digit = c >= '0' && c <= '9' ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

static char *put_utf8(char *out, int code)
{
    if (code < 0x80) {
        *out++ = (char)code;
    } else if (code < 0x800) {
        *out++ = (char)(0xC0 | code >> 6);
        *out++ = (char)(0x80 | (code & 63));
    } else if (code < 0x10000) {
        *out++ = (char)(0xE0 | code >> 12);
        *out++ = (char)(0x80 | (code >> 6 & 63));
        *out++ = (char)(0x80 | (code & 63));
    } else {
        *out++ = (char)(0xF0 | code >> 18);
        *out++ = (char)(0x80 | (code >> 12 & 63));
        *out++ = (char)(0x80 | (code >> 6 & 63));
        *out++ = (char)(0x80 | (code & 63));
    }
    return out;
}

// After "\u": one code point, of one or two escapes; -1 where it is none.
static int take_unicode(parser *s)
{
    int code = hex4(s, s->p);
    if (code < 0) return -1;
    s->p += 4;
    if (code < 0xD800 || code > 0xDFFF) return code;
    if (code > 0xDBFF || s->end - s->p < 6 || s->p[0] != '\\' || s->p[1] != 'u') return -1;
    int low = hex4(s, s->p + 2);
    if (low < 0xDC00 || low > 0xDFFF) return -1;
    s->p += 6;
    return 0x10000 + (code - 0xD800) * 1024 + (low - 0xDC00);
}

// A string, decoded in place: it never grows.
static lt_status take_string(parser *s, slice *out)
{
    static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    if (!take(s, '"')) return refuse(s, "a string in quotes should be here");
    char *to = s->p, *begin = s->p;
    while (s->p < s->end && *s->p != '"') {
        unsigned char c = (unsigned char)*s->p;
        if (c < 0x20) return refuse(s, "a control character in a string");
        if (c != '\\') {
            *to++ = *s->p++;
            continue;
        }
        s->p++;
        const char *known = s->p < s->end && *s->p ? strchr(escapes, *s->p) : NULL;
        if (known) {
            *to++ = meanings[known - escapes];
            s->p++;
        } else if (s->p < s->end && *s->p == 'u') {
            s->p++;
            int code = take_unicode(s);
            if (code < 0) return refuse(s, "a malformed \\u escape");
            to = put_utf8(to, code);
        } else {
            return refuse(s, "an unknown escape in a string");
        }
    }
    if (s->p >= s->end) return refuse(s, "");
    s->p++;
    *out = (slice){begin, to - begin};
    return LT_OK;
}

// A whole number from 0 to 2^64 - 1, without sign, point, exponent or leading zero.
static lt_status take_unsigned(parser *s, uint64_t *out)
{
    skip_space(s);
    const char *start = s->p;
    uint64_t value = 0;
    for (; s->p < s->end && *s->p >= '0' && *s->p <= '9'; s->p++) {
        if (s->p > start && *start == '0') return refuse(s, "a number with a leading zero");
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*s->p - '0'), &value))
            return refuse(s, "a number beyond 64 bits");
    }
    bool odd = s->p < s->end && (*s->p == '.' || *s->p == 'e' || *s->p == 'E');
    if (s->p == start || odd) return refuse(s, "a whole number, not negative, should be here");
    *out = value;
    return LT_OK;
}

static lt_status skip_number(parser *s)
{
    if (s->p < s->end && *s->p == '-') s->p++;
    const char *start = s->p;
    while (s->p < s->end && *s->p >= '0' && *s->p <= '9') s->p++;
    if (s->p == start || (*start == '0' && s->p - start > 1)) return refuse(s, "a value should be here");
    if (s->p < s->end && *s->p == '.') {
        start = ++s->p;
        while (s->p < s->end && *s->p >= '0' && *s->p <= '9') s->p++;
        if (s->p == start) return refuse(s, "a number without digits after its point");
    }
    if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
        s->p++;
        if (s->p < s->end && (*s->p == '+' || *s->p == '-')) s->p++;
        start = s->p;
        while (s->p < s->end && *s->p >= '0' && *s->p <= '9') s->p++;
        if (s->p == start) return refuse(s, "a number without digits in its exponent");
    }
    return LT_OK;
}

// Any value of a field that is not known, passed over.
static lt_status skip_value(parser *s, int depth)
{
    slice ignored;
    if (depth > MAX_NESTING) return refuse(s, "values nested too deep");
    skip_space(s);
    char open = s->p < s->end ? *s->p : 0;
    if (open == '"') return take_string(s, &ignored);
    if (open != '{' && open != '[') {
        if (take_word(s, "true") || take_word(s, "false") || take_word(s, "null")) return LT_OK;
        return skip_number(s);
    }
    char close = open == '{' ? '}' : ']';
    s->p++;
    if (take(s, close)) return LT_OK;
    do {
        if (open == '{') {
            LT_TRY(take_string(s, &ignored));
            if (!take(s, ':')) return refuse(s, "':' should be here");
        }
        LT_TRY(skip_value(s, depth + 1));
    } while (take(s, ','));
    return take(s, close) ? LT_OK : refuse(s, "',' or the end of a list or object should be here");
}

static lt_status take_shape(parser *s, entry *e)
{
    lt_safetensors *f = s->file;
    e->shape = f->dims_count;
    e->ndim = 0;
    if (!take(s, '[')) return refuse(s, "the shape should be a list of numbers");
    if (take(s, ']')) return LT_OK;
    do {
        LT_TRY(grow((void **)&f->dims, &f->dims_room, f->dims_count, sizeof *f->dims));
        LT_TRY(take_unsigned(s, &f->dims[f->dims_count]));
        f->dims_count++;
        e->ndim++;
    } while (take(s, ','));
    return take(s, ']') ? LT_OK : refuse(s, "',' or ']' should be here");
}

static lt_status take_offsets(parser *s, entry *e)
{
    if (!take(s, '[')) return refuse(s, "data_offsets should be a list of two numbers");
    LT_TRY(take_unsigned(s, &e->begin));
    if (!take(s, ',')) return refuse(s, "data_offsets should be a list of two numbers");
    LT_TRY(take_unsigned(s, &e->end));
    return take(s, ']') ? LT_OK : refuse(s, "data_offsets should be a list of two numbers");
}

static lt_status take_dtype(parser *s, entry *e)
{
    slice word;
    LT_TRY(take_string(s, &word));
    for (e->dtype = 0; e->dtype < DTYPES; e->dtype++)
        if (is(word, dtypes[e->dtype].name)) return LT_OK;
    return lt_fail(LT_ERR_FORMAT, "%s: safetensors: tensor '%.*s' has the unknown dtype '%.*s'",
                   s->file->path, SHOW(e->name), SHOW(word));
}

// {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]} of the tensor e->name.
static lt_status take_entry(parser *s, entry *e)
{
    static const char *const fields[] = {"dtype", "shape", "data_offsets"};
    unsigned seen = 0;
    if (!take(s, '{')) return refuse(s, "a tensor should be an object");
    if (!take(s, '}')) {
        do {
            slice field;
            LT_TRY(take_string(s, &field));
            if (!take(s, ':')) return refuse(s, "':' should be here");
            int which = 0;
            while (which < 3 && !is(field, fields[which])) which++;
            LT_REQUIRE(which == 3 || !(seen & 1u << which), LT_ERR_FORMAT,
                       "%s: safetensors: tensor '%.*s' has '%s' twice", s->file->path, SHOW(e->name),
                       fields[which]);
            seen |= 1u << which;
            LT_TRY(which == 0   ? take_dtype(s, e)
                   : which == 1 ? take_shape(s, e)
                   : which == 2 ? take_offsets(s, e)
                                : skip_value(s, 2));
        } while (take(s, ','));
        if (!take(s, '}')) return refuse(s, "',' or '}' should be here");
    }
    for (int i = 0; i < 3; i++)
        LT_REQUIRE(seen & 1u << i, LT_ERR_FORMAT, "%s: safetensors: tensor '%.*s' has no '%s'",
                   s->file->path, SHOW(e->name), fields[i]);
    return LT_OK;
}

static int by_key(const void *a, const void *b) { return by_text(*(const slice *)a, *(const slice *)b); }

static lt_status take_metadata(parser *s)
{
    lt_safetensors *f = s->file;
    if (take_word(s, "null")) return LT_OK;
    if (!take(s, '{')) return refuse(s, "__metadata__ should be an object");
    if (take(s, '}')) return LT_OK;
    do {
        LT_TRY(grow((void **)&f->metadata, &f->metadata_room, f->metadata_count, 2 * sizeof(slice)));
        slice *pair = f->metadata + 2 * f->metadata_count;
        LT_TRY(take_string(s, &pair[0]));
        if (!take(s, ':')) return refuse(s, "':' should be here");
        skip_space(s);
        if (s->p < s->end && *s->p != '"') return refuse(s, "__metadata__ should hold only strings");
        LT_TRY(take_string(s, &pair[1]));
        f->metadata_count++;
    } while (take(s, ','));
    if (!take(s, '}')) return refuse(s, "',' or '}' should be here");
    qsort(f->metadata, (size_t)f->metadata_count, 2 * sizeof(slice), by_key);
    for (int64_t i = 1; i < f->metadata_count; i++)
        LT_REQUIRE(by_key(f->metadata + 2 * i - 2, f->metadata + 2 * i), LT_ERR_FORMAT,
                   "%s: safetensors: __metadata__ has the key '%.*s' twice", f->path,
                   SHOW(f->metadata[2 * i]));
    return LT_OK;
}

static lt_status take_header(lt_safetensors *f)
{
    parser s = {f, f->header, f->header, f->header + f->header_bytes};
    bool metadata = false;
    LT_TRY(grow((void **)&f->dims, &f->dims_room, 0, sizeof *f->dims));  // scalars need none
    if (!take(&s, '{')) return refuse(&s, "the header should begin with '{'");
    if (!take(&s, '}')) {
        do {
            slice name;
            LT_TRY(take_string(&s, &name));
            if (!take(&s, ':')) return refuse(&s, "':' should be here");
            if (is(name, "__metadata__")) {
                if (metadata) return refuse(&s, "__metadata__ is there twice");
                metadata = true;
                LT_TRY(take_metadata(&s));
                continue;
            }
            LT_TRY(grow((void **)&f->entries, &f->room, f->count, sizeof *f->entries));
            f->entries[f->count] = (entry){.name = name};
            LT_TRY(take_entry(&s, &f->entries[f->count]));
            f->count++;
        } while (take(&s, ','));
        if (!take(&s, '}')) return refuse(&s, "',' or '}' should be here");
    }
    skip_space(&s);
    return s.p == s.end ? LT_OK : refuse(&s, "text after the end of the header");
}

// ---- what the header says about the data -------------------------------------------------------

static int by_offset(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end) return x->end < y->end ? -1 : 1;
    return by_text(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
    return by_text((*(entry *const *)a)->name, (*(entry *const *)b)->name);
}

static lt_status check_size(const lt_safetensors *f, const entry *e)
{
    uint64_t n = 1, bits;
    bool over = false;
    for (int i = 0; i < e->ndim && !over; i++)
        over = __builtin_mul_overflow(n, f->dims[e->shape + i], &n);
    over = over || __builtin_mul_overflow(n, (uint64_t)dtypes[e->dtype].bits, &bits);
    LT_REQUIRE(!over, LT_ERR_FORMAT, "%s: safetensors: the shape of tensor '%.*s' is beyond 64 bits",
               f->path, SHOW(e->name));
    LT_REQUIRE(bits % 8 == 0, LT_ERR_FORMAT,
               "%s: safetensors: tensor '%.*s' does not fill whole bytes", f->path, SHOW(e->name));
    LT_REQUIRE(e->end - e->begin == bits / 8, LT_ERR_FORMAT,
               "%s: safetensors: tensor '%.*s' has %llu bytes in data_offsets, its shape and dtype %s "
               "need %llu",
               f->path, SHOW(e->name), (unsigned long long)(e->end - e->begin), dtypes[e->dtype].name,
               (unsigned long long)(bits / 8));
    return LT_OK;
}

static lt_status check_entries(lt_safetensors *f)
{
    uint64_t end = 0;
    if (f->count) qsort(f->entries, (size_t)f->count, sizeof *f->entries, by_offset);
    f->by_name = lt_alloc((f->count + 1) * (int64_t)sizeof *f->by_name);
    if (!f->by_name) return LT_ERR_MEMORY;
    for (int64_t i = 0; i < f->count; i++) f->by_name[i] = &f->entries[i];
    if (f->count) qsort(f->by_name, (size_t)f->count, sizeof *f->by_name, by_name);
    for (int64_t i = 1; i < f->count; i++)
        LT_REQUIRE(by_name(&f->by_name[i - 1], &f->by_name[i]), LT_ERR_FORMAT,
                   "%s: safetensors: the tensor '%.*s' is there twice", f->path,
                   SHOW(f->by_name[i]->name));
    for (int64_t i = 0; i < f->count; i++) {
        const entry *e = &f->entries[i];
        LT_REQUIRE(e->begin == end && e->end >= e->begin, LT_ERR_FORMAT,
                   "%s: safetensors: tensor '%.*s' has data_offsets [%llu, %llu] where %llu should begin",
                   f->path, SHOW(e->name), (unsigned long long)e->begin, (unsigned long long)e->end,
                   (unsigned long long)end);
        LT_TRY(check_size(f, e));
        end = e->end;
    }
    uint64_t data = f->file_bytes - f->data_start;
    LT_REQUIRE(data == end, LT_ERR_FORMAT, "%s: safetensors: %llu bytes of data, the header describes %llu%s",
               f->path, (unsigned long long)data, (unsigned long long)end,
               data < end ? ": the file is cut short" : "");
    return LT_OK;
}

// Position of the first byte that is no UTF-8 (RFC 3629), or -1.
static int64_t bad_utf8(const char *text, int64_t n)
{
    const unsigned char *s = (const unsigned char *)text;
    for (int64_t i = 0; i < n;) {
        unsigned c = s[i];
        int more = c < 0x80 ? 0 : c < 0xC2 ? -1 : c < 0xE0 ? 1 : c < 0xF0 ? 2 : c < 0xF5 ? 3 : -1;
        if (more < 0 || i + more >= n) return i;
        unsigned low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
        unsigned high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
        for (int k = 1; k <= more; k++, low = 0x80, high = 0xBF)
            if (s[i + k] < low || s[i + k] > high) return i;
        i += more + 1;
    }
    return -1;
}

// ---- opening and reading -----------------------------------------------------------------------

static lt_status read_at(const lt_safetensors *f, void *to, uint64_t from, uint64_t bytes)
{
    if (f->fd < 0) {
        if (bytes) memcpy(to, f->memory + from, bytes);
        return LT_OK;
    }
    for (char *p = to; bytes > 0;) {
        ssize_t n = pread(f->fd, p, bytes < 1u << 30 ? bytes : 1u << 30, (off_t)from);
        if (n < 0 && errno == EINTR) continue;
        LT_REQUIRE(n >= 0, LT_ERR_IO, "cannot read %s: %m", f->path);
        LT_REQUIRE(n > 0, LT_ERR_FORMAT, "%s: the file has become shorter while it was read", f->path);
        p += n;
        from += (uint64_t)n;
        bytes -= (uint64_t)n;
    }
    return LT_OK;
}

static lt_status load_header(lt_safetensors *f)
{
    unsigned char head[8];
    uint64_t n = 0;
    LT_REQUIRE(f->file_bytes >= 8, LT_ERR_FORMAT,
               "%s: not a safetensors file: %llu bytes, its header's length alone takes 8", f->path,
               (unsigned long long)f->file_bytes);
    LT_TRY(read_at(f, head, 0, 8));
    for (int i = 7; i >= 0; i--) n = n << 8 | head[i];
    LT_REQUIRE(n <= MAX_HEADER, LT_ERR_FORMAT,
               "%s: not a safetensors file: it begins with a header length of %llu, more than %d",
               f->path, (unsigned long long)n, MAX_HEADER);
    LT_REQUIRE(n <= f->file_bytes - 8, LT_ERR_FORMAT,
               "%s: safetensors: the header should have %llu bytes, the file ends after %llu", f->path,
               (unsigned long long)n, (unsigned long long)(f->file_bytes - 8));
    f->data_start = 8 + n;
    f->header_bytes = (int64_t)n;
    f->header = lt_alloc((int64_t)n + 1);
    if (!f->header) return LT_ERR_MEMORY;
    LT_TRY(read_at(f, f->header, 8, n));
    int64_t bad = bad_utf8(f->header, f->header_bytes);
    LT_REQUIRE(bad < 0, LT_ERR_FORMAT, "%s: safetensors header, byte %lld: not UTF-8", f->path,
               (long long)bad + 8);
    LT_TRY(take_header(f));
    return check_entries(f);
}

void lt_safetensors_close(lt_safetensors *f)
{
    if (!f) return;
    if (f->fd >= 0) close(f->fd);
    lt_free(f->header);
    lt_free(f->entries);
    lt_free(f->by_name);
    lt_free(f->dims);
    lt_free(f->metadata);
    free(f->path);
    free(f);
}

static lt_status open_path(lt_safetensors *f, const char *path)
{
    struct stat st;
    f->fd = open(path, O_RDONLY | O_CLOEXEC);
    LT_REQUIRE(f->fd >= 0, LT_ERR_IO, "cannot open %s: %m", path);
    LT_REQUIRE(fstat(f->fd, &st) == 0, LT_ERR_IO, "cannot read %s: %m", path);
    LT_REQUIRE(S_ISREG(st.st_mode), LT_ERR_IO, "cannot read %s: it is not a regular file", path);
    f->file_bytes = (uint64_t)st.st_size;
    return LT_OK;
}

lt_status lt_safetensors_parse(lt_safetensors **out, const char *name, const void *data, int64_t bytes)
{
    *out = NULL;
    lt_safetensors *f = calloc(1, sizeof *f);
    lt_status status = LT_OK;
    if (f) f->path = strdup(name);
    if (!f || !f->path) status = lt_fail(LT_ERR_MEMORY, "%s: out of memory", name);
    if (f) f->fd = -1;
    if (status == LT_OK && !data) status = open_path(f, name);
    if (status == LT_OK && data) {
        f->memory = data;
        f->file_bytes = (uint64_t)bytes;
    }
    if (status == LT_OK) status = load_header(f);
    if (status != LT_OK) lt_safetensors_close(f);
    else *out = f;
    return status;
}

lt_status lt_safetensors_open(lt_safetensors **f, const char *path)
{
    return lt_safetensors_parse(f, path, NULL, 0);
}

int64_t lt_safetensors_count(const lt_safetensors *f) { return f->count; }
int64_t lt_safetensors_metadata_count(const lt_safetensors *f) { return f->metadata_count; }

lt_status lt_safetensors_metadata(lt_safetensors_text *key, lt_safetensors_text *value,
                                  const lt_safetensors *f, int64_t index)
{
    LT_REQUIRE(index >= 0 && index < f->metadata_count, LT_ERR_ARGUMENT, "%s: no metadata entry %lld",
               f->path, (long long)index);
    const slice *pair = f->metadata + 2 * index;
    *key = (lt_safetensors_text){pair[0].text, pair[0].length};
    *value = (lt_safetensors_text){pair[1].text, pair[1].length};
    return LT_OK;
}

static lt_status entry_at(const entry **e, const lt_safetensors *f, int64_t index)
{
    LT_REQUIRE(index >= 0 && index < f->count, LT_ERR_ARGUMENT, "%s: no tensor number %lld of %lld",
               f->path, (long long)index, (long long)f->count);
    *e = &f->entries[index];
    return LT_OK;
}

lt_status lt_safetensors_entry(lt_safetensors_info *info, const lt_safetensors *f, int64_t index)
{
    const entry *e = NULL;
    LT_TRY(entry_at(&e, f, index));
    *info = (lt_safetensors_info){
        .name = {e->name.text, e->name.length},
        .dtype_name = dtypes[e->dtype].name,
        .shape = f->dims + e->shape,
        .bytes = (int64_t)(e->end - e->begin),
        .dtype = dtypes[e->dtype].dtype,
        .ndim = e->ndim,
    };
    return LT_OK;
}

int64_t lt_safetensors_find(const lt_safetensors *f, const char *name, int64_t length)
{
    slice wanted = {name, length};
    int64_t low = 0, high = f->count;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        int order = by_text(f->by_name[middle]->name, wanted);
        if (order == 0) return f->by_name[middle] - f->entries;
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    return -1;
}

lt_status lt_safetensors_read(lt_tensor *t, const lt_safetensors *f, int64_t index)
{
    const entry *e = NULL;
    int64_t shape[LT_MAX_DIMS];
    LT_TRY(entry_at(&e, f, index));
    LT_REQUIRE(dtypes[e->dtype].dtype >= 0, LT_ERR_FORMAT,
               "%s: tensor '%.*s' has dtype %s, which luatrain's tensors cannot hold", f->path,
               SHOW(e->name), dtypes[e->dtype].name);
    LT_REQUIRE(e->ndim <= LT_MAX_DIMS, LT_ERR_FORMAT, "%s: tensor '%.*s' has %d dimensions, more than %d",
               f->path, SHOW(e->name), (int)e->ndim, LT_MAX_DIMS);
    for (int i = 0; i < e->ndim; i++) {
        uint64_t d = f->dims[e->shape + i];
        LT_REQUIRE(d <= INT64_MAX, LT_ERR_FORMAT, "%s: tensor '%.*s' has a dimension beyond 63 bits",
                   f->path, SHOW(e->name));
        shape[i] = (int64_t)d;
    }
    LT_TRY(lt_tensor_new(t, dtypes[e->dtype].dtype, e->ndim, shape));
    char *data = lt_tensor_data(t);
    lt_status status = read_at(f, data, f->data_start + e->begin, e->end - e->begin);
    if (status != LT_OK) lt_tensor_release(t);
    else if (t->dtype == LT_BOOL)
        for (uint64_t i = 0; i < e->end - e->begin; i++) data[i] = data[i] != 0;
    return status;
}
