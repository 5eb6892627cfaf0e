// hdf5_file: open files and data sets, shared by all threads of the process.
//
// A worker thread that opens the file of another gets the same object: one chunk index and one set
// of decoded chunks for all. Opening a data set learns all that reading needs, so that most reads
// never come back to libhdf5.
#include "data/hdf5.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_CHUNKS = 1 << 24, SIDE_CHUNKS = 4096 };

static lt_hdf5 *open_files;  // under the lock

// ---- files -------------------------------------------------------------------------------------

static void set_free(lt_hdf5_set *s)
{
    hdf5_chunk_forget(s);
    if (s->memory_type > 0) h5.H5Tclose(s->memory_type);
    if (s->id > 0) h5.H5Dclose(s->id);
    free(s->places);
    free(s->name);
    free(s);
}

static void file_free(lt_hdf5 *f)
{
    while (f->sets) {
        lt_hdf5_set *next = f->sets->next;
        set_free(f->sets);
        f->sets = next;
    }
    if (f->id > 0) h5.H5Fclose(f->id);
    if (f->source.fd >= 0) close(f->source.fd);
    free(f->path);
    free(f);
}

// The signature lies at 0, or behind a user block at 512, 1024, ...
static bool has_signature(const hdf5_source *s)
{
    uint8_t p[8];
    for (int64_t at = 0; at + 8 <= s->bytes; at = at ? 2 * at : 512)
        if (hdf5_pread(s, p, 8, at) && !memcmp(p, "\211HDF\r\n\032\n", 8)) return true;
    return false;
}

static lt_status open_source(lt_hdf5 *f)
{
    struct stat st;
    do f->source.fd = open(f->path, O_RDONLY | O_CLOEXEC);
    while (f->source.fd < 0 && errno == EINTR);
    LT_REQUIRE(f->source.fd >= 0, LT_ERR_IO, "cannot open %s: %m", f->path);
    LT_REQUIRE(fstat(f->source.fd, &st) == 0, LT_ERR_IO, "cannot open %s: %m", f->path);
    LT_REQUIRE(S_ISREG(st.st_mode), LT_ERR_IO, "cannot open %s: it is no file", f->path);
    f->source.bytes = st.st_size;
    f->device = (int64_t)st.st_dev;
    f->inode = (int64_t)st.st_ino;
    f->modified = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    LT_REQUIRE(has_signature(&f->source), LT_ERR_FORMAT, "%s: this is no HDF5 file", f->path);
    return LT_OK;
}

static lt_status open_library(lt_hdf5 *f)
{
    hid_t access = h5.H5Pcreate(h5.H5P_CLS_FILE_ACCESS_ID_g);
    h5.H5Pset_file_locking(access, false, true);
    h5.H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    f->id = h5.H5Fopen(f->path, H5F_ACC_RDONLY, access);
    h5.H5Pclose(access);
    if (f->id < 0) return hdf5_fail(LT_ERR_FORMAT, "%s: damaged or cut short", f->path);
    hid_t create = h5.H5Fget_create_plist(f->id);
    hsize_t user = 1;
    size_t offset_bytes = 0, length_bytes = 0;
    f->plain = create >= 0 && h5.H5Pget_userblock(create, &user) >= 0 && user == 0
        && h5.H5Pget_sizes(create, &offset_bytes, &length_bytes) >= 0 && offset_bytes == 8
        && length_bytes == 8;
    if (create >= 0) h5.H5Pclose(create);
    return LT_OK;
}

static bool same_file(const lt_hdf5 *a, const lt_hdf5 *b)
{
    return a->device == b->device && a->inode == b->inode && a->modified == b->modified
        && a->source.bytes == b->source.bytes;
}

lt_status lt_hdf5_open(lt_hdf5 **out, const char *path)
{
    *out = NULL;
    lt_hdf5 *f = calloc(1, sizeof *f);
    if (f) f->path = strdup(path);
    if (!f || !f->path) {
        free(f);
        return lt_fail(LT_ERR_MEMORY, "%s: out of memory", path);
    }
    f->source.fd = -1;
    lt_status status = open_source(f);
    bool entered = status == LT_OK && (status = hdf5_enter()) == LT_OK;
    if (entered) {
        lt_hdf5 *other = open_files;
        while (other && !same_file(other, f)) other = other->next;
        if (other) {
            other->refs++;
            *out = other;
        } else if ((status = open_library(f)) == LT_OK) {
            f->refs = 1;
            f->next = open_files;
            *out = open_files = f;
            f = NULL;
        }
    }
    if (f) file_free(f);
    if (entered) hdf5_leave();
    return status;
}

void lt_hdf5_close(lt_hdf5 *f)
{
    if (!f || hdf5_enter() != LT_OK) return;
    if (--f->refs == 0) {
        lt_hdf5 **at = &open_files;
        while (*at != f) at = &(*at)->next;
        *at = f->next;
        file_free(f);
    }
    hdf5_leave();
}

// ---- types -------------------------------------------------------------------------------------

static bool is_half(hid_t type)
{
    size_t sign, exponent, exponent_bits, mantissa, mantissa_bits;
    return h5.H5Tget_size(type) == 2 && h5.H5Tget_order(type) == H5T_ORDER_LE
        && h5.H5Tget_fields(type, &sign, &exponent, &exponent_bits, &mantissa, &mantissa_bits) >= 0
        && sign == 15 && exponent == 10 && exponent_bits == 5 && mantissa == 0 && mantissa_bits == 10
        && h5.H5Tget_ebias(type) == 15;
}

// h5py's booleans: an enumeration of one byte, FALSE 0 and TRUE 1.
static bool is_boolean(hid_t type)
{
    bool good = h5.H5Tget_size(type) == 1 && h5.H5Tget_nmembers(type) == 2;
    for (unsigned i = 0; i < 2 && good; i++) {
        char *name = h5.H5Tget_member_name(type, i);
        int8_t value = -1;
        good = name && h5.H5Tget_member_value(type, i, &value) >= 0 && value == (int8_t)i
            && !strcmp(name, i ? "TRUE" : "FALSE");
        if (name) h5.H5free_memory(name);
    }
    return good;
}

// The dtype that holds a file's numbers, and whether their bytes are the tensor's own.
static int32_t number_dtype(hid_t type, bool *same)
{
    size_t size = h5.H5Tget_size(type);
    *same = false;
    switch (h5.H5Tget_class(type)) {
    case H5T_FLOAT:
        if (is_half(type)) return *same = true, LT_F16;
        *same = h5.H5Tequal(type, size == 4 ? h5.H5T_IEEE_F32LE_g : h5.H5T_IEEE_F64LE_g) > 0;
        return size <= 4 ? LT_F32 : LT_F64;
    case H5T_INTEGER:
        if (h5.H5Tequal(type, h5.H5T_STD_U8LE_g) > 0) return *same = true, LT_U8;
        *same = h5.H5Tequal(type, h5.H5T_STD_I32LE_g) > 0 || h5.H5Tequal(type, h5.H5T_STD_I64LE_g) > 0;
        return size < 4 || (size == 4 && h5.H5Tget_sign(type) == H5T_SGN_2) ? LT_I32 : LT_I64;
    case H5T_ENUM:
        *same = is_boolean(type);
        return *same ? LT_BOOL : LT_I64;
    default:
        return -1;
    }
}

static const char *class_name(H5T_class_t class)
{
    switch (class) {
    case H5T_COMPOUND: return "compound values";
    case H5T_REFERENCE: return "references";
    case H5T_VLEN: return "lists of any length";
    case H5T_ARRAY: return "arrays in each element";
    case H5T_OPAQUE: return "opaque bytes";
    case H5T_BITFIELD: return "bit fields";
    default: return "values of an unknown type";
    }
}

static void learn_type(lt_hdf5_set *s, bool *same)
{
    hid_t type = h5.H5Dget_type(s->id);
    H5T_class_t class = type < 0 ? H5T_NO_CLASS : h5.H5Tget_class(type);
    s->dtype = -1;
    s->kind = HDF5_OTHER;
    *same = false;
    s->grid.element = type < 0 ? 0 : (int32_t)h5.H5Tget_size(type);
    if (class == H5T_STRING) {
        s->kind = HDF5_STRINGS;
        s->variable = h5.H5Tis_variable_str(type) > 0;
        s->string_bytes = s->variable ? 0 : s->grid.element;
        s->memory_type = h5.H5Tcopy(type);
    } else if (type >= 0 && (s->dtype = number_dtype(type, same)) >= 0) {
        s->kind = HDF5_TENSOR;
        hid_t native[LT_DTYPES] = {[LT_F32] = h5.H5T_NATIVE_FLOAT_g, [LT_F64] = h5.H5T_NATIVE_DOUBLE_g,
                                   [LT_I64] = h5.H5T_NATIVE_INT64_g, [LT_I32] = h5.H5T_NATIVE_INT32_g,
                                   [LT_U8] = h5.H5T_NATIVE_UINT8_g};
        if (class == H5T_ENUM && !*same) {
            s->kind = HDF5_OTHER;
            snprintf(s->problem, sizeof s->problem, "it holds an enumeration");
        }
        s->memory_type = h5.H5Tcopy(*same ? type : native[s->dtype]);
    } else {
        snprintf(s->problem, sizeof s->problem, "it holds %s", class_name(class));
    }
    if (type >= 0) h5.H5Tclose(type);
}

// ---- filters -----------------------------------------------------------------------------------

static const struct { int id; const char *name; } filter_names[] = {
    {H5Z_FILTER_DEFLATE, "gzip"}, {H5Z_FILTER_SHUFFLE, "shuffle"}, {H5Z_FILTER_FLETCHER32, "fletcher32"},
    {H5Z_FILTER_SZIP, "szip"}, {H5Z_FILTER_NBIT, "nbit"}, {H5Z_FILTER_SCALEOFFSET, "scaleoffset"},
    {305, "lzo"}, {307, "bzip2"}, {32000, "lzf"}, {32001, "blosc"}, {32004, "lz4"}, {32008, "bitshuffle"},
    {32013, "zfp"}, {32015, "zstd"}, {32017, "sz"}, {32026, "blosc2"},
};

static void filter_name(char *text, size_t room, int id, const char *own)
{
    const char *name = own[0] ? own : "unknown";
    for (size_t i = 0; i < sizeof filter_names / sizeof *filter_names; i++)
        if (filter_names[i].id == id) name = filter_names[i].name;
    snprintf(text, room, "%s", name);
}

static void learn_filters(lt_hdf5_set *s, hid_t create)
{
    int n = h5.H5Pget_nfilters(create);
    if (n > HDF5_MAX_FILTERS || n < 0) {
        snprintf(s->problem, sizeof s->problem, "it has %d filters", n);
        return;
    }
    s->pipeline.count = n;
    for (int i = 0; i < n; i++) {
        unsigned flags, values[8] = {0}, config;
        size_t count = 8, at = strlen(s->filters);
        char own[64] = "", name[64];
        int id = h5.H5Pget_filter2(create, (unsigned)i, &flags, &count, values, sizeof own, own, &config);
        own[sizeof own - 1] = 0;
        filter_name(name, sizeof name, id, own);
        s->pipeline.id[i] = id;
        s->pipeline.value[i] = (int32_t)values[0];
        if (id == H5Z_FILTER_SHUFFLE && (count == 0 || values[0] == 0))
            s->pipeline.value[i] = s->grid.element;
        snprintf(s->filters + at, sizeof s->filters - at, id == H5Z_FILTER_DEFLATE ? "%s%s(%u)" : "%s%s",
                 at ? ", " : "", name, values[0]);
        if (id < 0 || h5.H5Zfilter_avail(id) <= 0)
            snprintf(s->problem, sizeof s->problem,
                     "it is compressed with the filter %d (%s), which luatrain does not have (filter "
                     "plug-ins are not loaded); write it again with gzip", id, name);
    }
}

// ---- shape and layout --------------------------------------------------------------------------

static bool learn_shape(lt_hdf5_set *s)
{
    hid_t space = h5.H5Dget_space(s->id);
    H5S_class_t class = space < 0 ? H5S_NO_CLASS : h5.H5Sget_simple_extent_type(space);
    int n = space < 0 ? -1 : h5.H5Sget_simple_extent_ndims(space);
    hsize_t shape[H5S_MAX_RANK];
    bool good = class == H5S_SIMPLE && n >= 1 && n <= LT_MAX_DIMS;
    if (good) h5.H5Sget_simple_extent_dims(space, shape, NULL);
    if (space >= 0) h5.H5Sclose(space);
    s->scalar = class == H5S_SCALAR;
    s->grid.ndim = good ? n : 1;
    s->grid.shape[0] = s->scalar ? 1 : 0;
    int64_t numel = 1;
    for (int d = 0; d < n && good; d++) {
        if (shape[d] > (hsize_t)INT64_MAX / 16
            || __builtin_mul_overflow(numel, shape[d] ? (int64_t)shape[d] : 1, &numel)
            || numel > INT64_MAX / 16)
            good = false;
        else s->grid.shape[d] = (int64_t)shape[d];
    }
    if (!good && !s->scalar)
        snprintf(s->problem, sizeof s->problem, class == H5S_NULL ? "it is empty"
                 : n > LT_MAX_DIMS ? "it has %d dimensions, tensors have at most 8" : "its shape is damaged",
                 n);
    return good;
}

static bool learn_chunks(lt_hdf5_set *s, hid_t create)
{
    hdf5_grid *g = &s->grid;
    hsize_t chunk[H5S_MAX_RANK];
    unsigned options = 0;
    if (h5.H5Pget_chunk(create, LT_MAX_DIMS, chunk) != g->ndim) return false;
    g->chunks = 1;
    g->chunk_bytes = g->element;
    for (int d = 0; d < g->ndim; d++) {
        if (chunk[d] < 1 || chunk[d] > INT32_MAX) return false;
        g->chunk[d] = (int64_t)chunk[d];
        g->cells[d] = (g->shape[d] + g->chunk[d] - 1) / g->chunk[d];
        if (__builtin_mul_overflow(g->chunks, g->cells[d], &g->chunks)) return false;
        g->chunk_bytes *= g->chunk[d];
        if (g->chunk_bytes > INT32_MAX) return false;
    }
    g->filtered = s->pipeline.count > 0;
    // Chunks at the edge may have been left without filters by a file of HDF5 1.10.
    if (h5.H5Pget_chunk_opts(create, &options) < 0 || options) return false;
    return hdf5_pipeline_known(&s->pipeline);
}

static void read_index(lt_hdf5_set *s)
{
    lt_hdf5 *f = s->file;
    hdf5_grid *g = &s->grid;
    H5O_info_t object;
    uint8_t start[512];
    uint64_t root = 0;
    if (g->chunks > MAX_CHUNKS) return;
    if (h5.H5Oget_info2(s->id, &object, H5O_INFO_BASIC) < 0 || object.addr == HADDR_UNDEF) return;
    s->places = malloc((size_t)(g->chunks + 1) * sizeof *s->places);
    if (!s->places) return;
    const uint64_t header = object.addr;
    hdf5_key key = {f->source.bytes, f->modified, (int64_t)header, 0, 0};
    const uint64_t from[2] = {0, header};
    for (int i = 0; i < 2; i++) {
        int64_t have = from[i] < (uint64_t)f->source.bytes ? f->source.bytes - (int64_t)from[i] : 0;
        if (have > 512) have = 512;
        if (hdf5_pread(&f->source, start, have, (int64_t)from[i]))
            key.content = lt_crc32c(key.content, start, have);
    }
    const bool side = g->chunks >= SIDE_CHUNKS;
    if (side && hdf5_side_read(s->places, f->path, s->name, &key, g, f->source.bytes)) {
        s->indexed = true;
    } else if (hdf5_index_read(s->places, &root, &f->source, g, header)) {
        s->indexed = true;
        if (side) hdf5_side_write(s->places, f->path, s->name, &key, g);
    } else {
        free(s->places);
        s->places = NULL;
    }
}

static void learn_layout(lt_hdf5_set *s, hid_t create, bool same)
{
    s->layout = HDF5_BY_LIBRARY;
    H5D_layout_t layout = h5.H5Pget_layout(create);
    if (!same || s->scalar || s->problem[0] || !s->file->plain) return;
    if (layout == H5D_CONTIGUOUS && s->pipeline.count == 0) {
        H5D_space_status_t space;
        haddr_t address = h5.H5Dget_offset(s->id);
        int64_t bytes = s->row_bytes * s->grid.shape[0];
        if (h5.H5Dget_space_status(s->id, &space) < 0) return;
        s->address = address == HADDR_UNDEF ? HDF5_NOWHERE : address;
        if (address == HADDR_UNDEF && space != H5D_SPACE_STATUS_NOT_ALLOCATED) return;
        if (address != HADDR_UNDEF && (address > (uint64_t)s->file->source.bytes
            || bytes > s->file->source.bytes - (int64_t)address)) {
            snprintf(s->problem, sizeof s->problem, "the file is cut short: its data lie beyond the end");
            return;
        }
        s->layout = HDF5_CONTIGUOUS;
    } else if (layout == H5D_CHUNKED && learn_chunks(s, create)) {
        s->layout = HDF5_CHUNKED;
        read_index(s);
        // H5Dread_chunk trusts the length in a damaged index, where H5Dget_chunk_storage_size tells that
        // of the chunk: without filters the library reads rows instead.
        if (!s->indexed && s->pipeline.count == 0) s->layout = HDF5_BY_LIBRARY;
    }
}

static void learn_fill(lt_hdf5_set *s, hid_t create)
{
    H5D_fill_value_t defined;
    if (s->kind != HDF5_TENSOR || s->memory_type <= 0) return;
    if (h5.H5Pfill_value_defined(create, &defined) < 0 || defined != H5D_FILL_VALUE_USER_DEFINED) return;
    if (h5.H5Pget_fill_value(create, s->memory_type, s->fill) < 0) memset(s->fill, 0, sizeof s->fill);
}

// Looks at where the data lie first: finding out the shape of a virtual data set opens other files.
static void learn(lt_hdf5_set *s)
{
    bool same = false;
    hid_t create = h5.H5Dget_create_plist(s->id);
    s->kind = HDF5_OTHER;
    s->dtype = -1;
    s->grid.ndim = 1;
    s->layout = HDF5_BY_LIBRARY;
    if (create < 0) {
        snprintf(s->problem, sizeof s->problem, "its description is damaged");
        return;
    }
    if (h5.H5Pget_layout(create) == H5D_VIRTUAL)
        snprintf(s->problem, sizeof s->problem, "it is a virtual data set, whose data lie in other files");
    else if (h5.H5Pget_external_count(create) != 0)
        snprintf(s->problem, sizeof s->problem, "its data lie in another file (external storage)");
    if (!s->problem[0]) {
        learn_type(s, &same);
        learn_shape(s);
        learn_filters(s, create);
        s->row_bytes = s->dtype >= 0 ? lt_dtype_size(s->dtype) : s->grid.element;
        for (int d = 1; d < s->grid.ndim; d++) s->row_bytes *= s->grid.shape[d];
        learn_layout(s, create, same);
        learn_fill(s, create);
    }
    h5.H5Pclose(create);
}

// ---- data sets ---------------------------------------------------------------------------------

lt_status hdf5_open_object(hid_t *id, lt_hdf5 *f, const char *name)
{
    char path[1024];
    *id = -1;
    while (*name == '/') name++;
    size_t n = strlen(name);
    LT_REQUIRE(n < sizeof path, LT_ERR_ARGUMENT, "%s: a name of %zu bytes", f->path, n);
    for (size_t at = 0; at < n;) {
        size_t end = at + strcspn(name + at, "/");
        H5L_info_t info;
        memcpy(path, name, end);
        path[end] = 0;
        if (h5.H5Lexists(f->id, path, H5P_DEFAULT) <= 0)
            return lt_fail(LT_ERR_FORMAT, "%s: there is no '%s'", f->path, name);
        if (h5.H5Lget_info(f->id, path, &info, H5P_DEFAULT) < 0)
            return hdf5_fail(LT_ERR_FORMAT, "%s: '%s' is damaged", f->path, path);
        LT_REQUIRE(info.type == H5L_TYPE_HARD || info.type == H5L_TYPE_SOFT, LT_ERR_FORMAT,
                   "%s: '%s' is a link to another file, which luatrain does not follow", f->path, path);
        at = end + strspn(name + end, "/");
    }
    *id = h5.H5Oopen(f->id, n ? name : "/", H5P_DEFAULT);
    if (*id < 0) return hdf5_fail(LT_ERR_FORMAT, "%s: '%s' cannot be opened", f->path, name);
    return LT_OK;
}

static lt_status set_open(lt_hdf5_set **out, lt_hdf5 *f, const char *name)
{
    hid_t id;
    H5O_info_t info;
    while (*name == '/') name++;
    for (lt_hdf5_set *s = f->sets; s; s = s->next)
        if (!strcmp(s->name, name)) return *out = s, LT_OK;
    LT_TRY(hdf5_open_object(&id, f, name));
    bool good = h5.H5Oget_info2(id, &info, H5O_INFO_BASIC) >= 0 && info.type == H5O_TYPE_DATASET;
    h5.H5Oclose(id);
    LT_REQUIRE(good, LT_ERR_FORMAT, "%s: '%s' is no data set", f->path, name);
    lt_hdf5_set *s = calloc(1, sizeof *s);
    if (s) s->name = strdup(name);
    if (!s || !s->name) {
        free(s);
        return lt_fail(LT_ERR_MEMORY, "%s: out of memory", f->path);
    }
    // Only what libhdf5 itself has to decode goes through its cache of chunks.
    hid_t access = h5.H5Pcreate(h5.H5P_CLS_DATASET_ACCESS_ID_g);
    h5.H5Pset_chunk_cache(access, 521, 64 << 20, 1);
    s->file = f;
    s->id = h5.H5Dopen2(f->id, name, access);
    h5.H5Pclose(access);
    if (s->id < 0) {
        set_free(s);
        return hdf5_fail(LT_ERR_FORMAT, "%s: the data set '%s' is damaged", f->path, name);
    }
    learn(s);
    s->next = f->sets;
    f->sets = s;
    *out = s;
    return LT_OK;
}

lt_status lt_hdf5_set_open(lt_hdf5_set **s, lt_hdf5 *f, const char *name)
{
    *s = NULL;
    LT_TRY(hdf5_enter());
    lt_status status = set_open(s, f, name);
    hdf5_leave();
    return status;
}

void lt_hdf5_describe(lt_hdf5_info *info, const lt_hdf5_set *s)
{
    *info = (lt_hdf5_info){
        .name = s->name, .filters = s->filters, .problem = s->problem, .row_bytes = s->row_bytes,
        .chunk_bytes = s->grid.chunk_bytes, .string_bytes = s->string_bytes, .ndim = s->grid.ndim,
        .dtype = s->kind == HDF5_TENSOR ? s->dtype : -1, .kind = s->kind,
        .direct = s->layout == HDF5_CONTIGUOUS || (s->layout == HDF5_CHUNKED && s->indexed),
    };
    for (int d = 0; d < s->grid.ndim; d++) {
        info->shape[d] = s->grid.shape[d];
        info->chunk[d] = s->grid.chunk[d];
    }
}
