// hdf5_write: whole HDF5 files, and additions to them.
//
// libhdf5 loses data when it is killed while appending, so a file is written under a temporary name
// and takes its place only when it is whole and on the disk. (hdf5_append.c fills its chunks.)
#include "data/hdf5_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/fs.h>

// ---- opening -----------------------------------------------------------------------------------

static void sink_free(lt_hdf5_sink *s)
{
    if (s->type > 0) h5.H5Tclose(s->type);
    if (s->id > 0) h5.H5Dclose(s->id);
    hdf5_sink_release(s);
    free(s->name);
    free(s);
}

// Closes everything; false where the file could not be closed, and so is not whole.
static bool close_all(lt_hdf5_writer *w)
{
    while (w->sinks) {
        lt_hdf5_sink *next = w->sinks->next;
        sink_free(w->sinks);
        w->sinks = next;
    }
    if (w->links > 0) h5.H5Pclose(w->links);
    w->links = 0;
    hid_t id = w->id;
    w->id = 0;
    return id <= 0 || h5.H5Fclose(id) >= 0;
}

static void writer_free(lt_hdf5_writer *w)
{
    // After a full disk libhdf5 may keep the file open: its room is given back all the same.
    if (w->temporary) (void)!truncate(w->temporary, 0);
    if (w->temporary) unlink(w->temporary);
    free(w->temporary);
    free(w->path);
    free(w);
}

void lt_hdf5_abort(lt_hdf5_writer *w)
{
    if (!w) return;
    if (hdf5_enter() == LT_OK) {
        close_all(w);
        hdf5_leave();
    }
    writer_free(w);
}

// The whole content of one file into another: shared where the file system can, else copied.
static bool copy_content(int from, int to)
{
    if (ioctl(to, FICLONE, from) == 0) return true;
    off_t size = lseek(from, 0, SEEK_END), at = 0;
    while (at < size) {
        off_t in = at, out = at;
        size_t piece = (size_t)(size - at > 1 << 30 ? 1 << 30 : size - at);
        ssize_t n = copy_file_range(from, &in, to, &out, piece, 0);
        if (n <= 0) break;
        at += n;
    }
    enum { PIECE = 1 << 20 };
    char *piece = at < size ? malloc(PIECE) : NULL;
    while (at < size && piece) {
        ssize_t n = pread(from, piece, PIECE, at);
        if (n <= 0 || pwrite(to, piece, (size_t)n, at) != n) break;
        at += n;
    }
    free(piece);
    return size >= 0 && at == size;
}

static lt_status copy_file(const char *path, const char *temporary)
{
    int from = open(path, O_RDONLY | O_CLOEXEC);
    LT_REQUIRE(from >= 0, LT_ERR_IO, "cannot open %s: %m", path);
    int to = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    bool good = to >= 0 && copy_content(from, to);
    int error = errno;
    close(from);
    if (to >= 0) close(to);
    errno = error;
    LT_REQUIRE(good, LT_ERR_IO, "cannot copy %s: %m", path);
    return LT_OK;
}

static lt_status open_temporary(lt_hdf5_writer *w, bool extend)
{
    hid_t access = h5.H5Pcreate(h5.H5P_CLS_FILE_ACCESS_ID_g);
    h5.H5Pset_file_locking(access, false, true);
    h5.H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    // Object headers with checksums, and attributes of any size; read by HDF5 1.8 and later.
    h5.H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18);
    hid_t create = h5.H5Pcreate(h5.H5P_CLS_FILE_CREATE_ID_g);
    h5.H5Pset_obj_track_times(create, false);  // the same content gives the same bytes
    w->id = extend ? h5.H5Fopen(w->temporary, H5F_ACC_RDWR, access)
                   : h5.H5Fcreate(w->temporary, H5F_ACC_EXCL, create, access);
    h5.H5Pclose(create);
    h5.H5Pclose(access);
    if (w->id < 0 && extend) return hdf5_fail(LT_ERR_FORMAT, "%s: damaged or cut short", w->path);
    if (w->id < 0) return hdf5_fail(LT_ERR_IO, "cannot write %s", w->path);
    w->links = h5.H5Pcreate(h5.H5P_CLS_LINK_CREATE_ID_g);
    h5.H5Pset_char_encoding(w->links, H5T_CSET_UTF8);
    return LT_OK;
}

lt_status lt_hdf5_create(lt_hdf5_writer **out, const char *path, bool extend)
{
    lt_buffer name = {NULL, 0};
    *out = NULL;
    LT_TRY(lt_file_temporary(&name, path));
    lt_hdf5_writer *w = calloc(1, sizeof *w);
    if (w) w->path = strdup(path);
    if (w) w->temporary = strdup(name.data);
    lt_buffer_release(&name);
    bool made = w && w->path && w->temporary;
    lt_status status = made ? LT_OK : lt_fail(LT_ERR_MEMORY, "%s: out of memory", path);
    if (status == LT_OK && extend) status = copy_file(path, w->temporary);
    if (status == LT_OK && (status = hdf5_enter()) == LT_OK) {
        status = open_temporary(w, extend);
        hdf5_leave();
    }
    if (status == LT_OK) *out = w;
    else if (w) lt_hdf5_abort(w);
    return status;
}

// ---- data sets ---------------------------------------------------------------------------------

static hid_t boolean_type(void)
{
    hid_t type = h5.H5Tenum_create(h5.H5T_STD_I8LE_g);
    int8_t no = 0, yes = 1;
    h5.H5Tenum_insert(type, "FALSE", &no);
    h5.H5Tenum_insert(type, "TRUE", &yes);
    return type;
}

static hid_t half_type(void)
{
    hid_t type = h5.H5Tcopy(h5.H5T_IEEE_F32LE_g);
    h5.H5Tset_fields(type, 15, 10, 5, 0, 10);
    h5.H5Tset_size(type, 2);
    h5.H5Tset_ebias(type, 15);
    return type;
}

// A type to be closed by the caller; -1 where HDF5 has none for it.
static hid_t file_type(int32_t dtype)
{
    switch (dtype) {
    case LT_F32: return h5.H5Tcopy(h5.H5T_IEEE_F32LE_g);
    case LT_F64: return h5.H5Tcopy(h5.H5T_IEEE_F64LE_g);
    case LT_F16: return half_type();
    case LT_I64: return h5.H5Tcopy(h5.H5T_STD_I64LE_g);
    case LT_I32: return h5.H5Tcopy(h5.H5T_STD_I32LE_g);
    case LT_U8: return h5.H5Tcopy(h5.H5T_STD_U8LE_g);
    case LT_BOOL: return boolean_type();
    default: return -1;
    }
}

static lt_status plan(lt_hdf5_sink *s, const char *path)
{
    const lt_hdf5_layout *l = &s->layout;
    hdf5_grid *g = &s->grid;
    LT_REQUIRE(l->ndim >= 1 && l->ndim <= LT_MAX_DIMS, LT_ERR_ARGUMENT,
               "%s: '%s' has %d dimensions, from 1 to 8 are possible", path, s->name, l->ndim);
    LT_REQUIRE(l->dtype >= 0 && l->dtype < LT_DTYPES && l->dtype != LT_BF16, LT_ERR_ARGUMENT,
               "%s: '%s': HDF5 has no %s; store f32", path, s->name, lt_dtype_name(l->dtype));
    LT_REQUIRE(l->gzip >= 0 && l->gzip <= 9, LT_ERR_ARGUMENT, "%s: '%s': gzip level %d, from 1 to 9", path,
               s->name, l->gzip);
    g->ndim = l->ndim;
    g->element = lt_dtype_size(l->dtype);
    g->chunk_bytes = s->row_bytes = g->element;
    g->chunks = 1;
    for (int d = 0; d < l->ndim; d++) {
        g->shape[d] = l->shape[d];
        LT_REQUIRE(l->shape[d] >= 0 && l->shape[d] < (int64_t)1 << 48, LT_ERR_ARGUMENT,
                   "%s: '%s': size %lld of dimension %d", path, s->name, (long long)l->shape[d], d + 1);
        if (d > 0 && __builtin_mul_overflow(s->row_bytes, l->shape[d], &s->row_bytes))
            return lt_fail(LT_ERR_ARGUMENT, "%s: '%s' is too large", path, s->name);
        if (l->chunk[0] == 0) continue;
        LT_REQUIRE(l->chunk[d] >= 1 && l->chunk[d] < INT32_MAX, LT_ERR_ARGUMENT,
                   "%s: '%s': a chunk of %lld along dimension %d", path, s->name, (long long)l->chunk[d],
                   d + 1);
        g->chunk[d] = l->chunk[d];
        g->cells[d] = (g->shape[d] + g->chunk[d] - 1) / g->chunk[d];
        g->chunks *= g->cells[d];
        g->chunk_bytes *= g->chunk[d];
        LT_REQUIRE(g->chunk_bytes <= INT32_MAX, LT_ERR_ARGUMENT, "%s: '%s': a chunk of more than 2 GiB", path,
                   s->name);
    }
    LT_REQUIRE(l->chunk[0] > 0 || !(l->gzip || l->shuffle || l->fletcher32), LT_ERR_ARGUMENT,
               "%s: '%s': gzip, shuffle and fletcher32 need chunks", path, s->name);
    hdf5_pipeline *p = &s->pipeline;
    if (l->shuffle) p->id[p->count] = H5Z_FILTER_SHUFFLE, p->value[p->count++] = g->element;
    if (l->gzip) p->id[p->count] = H5Z_FILTER_DEFLATE, p->value[p->count++] = l->gzip;
    if (l->fletcher32) p->id[p->count] = H5Z_FILTER_FLETCHER32, p->value[p->count++] = 0;
    return LT_OK;
}

static lt_status make_group(lt_hdf5_writer *w, const char *name)
{
    hid_t create = h5.H5Pcreate(h5.H5P_CLS_GROUP_CREATE_ID_g);
    h5.H5Pset_obj_track_times(create, false);
    hid_t group = h5.H5Gcreate2(w->id, name, w->links, create, H5P_DEFAULT);
    h5.H5Pclose(create);
    if (group < 0) return hdf5_fail(LT_ERR_IO, "%s: the group '%s' cannot be made", w->path, name);
    h5.H5Gclose(group);
    return LT_OK;
}

// Makes the groups on the way to the name; removes what stands under it, or refuses.
static lt_status make_way(lt_hdf5_writer *w, const char *name, bool replace)
{
    char path[1024];
    size_t n = strlen(name);
    LT_REQUIRE(n > 0 && n < sizeof path && name[n - 1] != '/', LT_ERR_ARGUMENT,
               "%s: '%s' is no name for a data set", w->path, name);
    for (size_t at = 0; at < n;) {
        size_t end = at + strcspn(name + at, "/");
        memcpy(path, name, end);
        path[end] = 0;
        const bool last = end == n;
        if (h5.H5Lexists(w->id, path, H5P_DEFAULT) <= 0) {
            if (last) return LT_OK;
            LT_TRY(make_group(w, path));
        }
        at = end + strspn(name + end, "/");
    }
    LT_REQUIRE(replace, LT_ERR_ARGUMENT, "%s: there is already a '%s' (replace = true writes it anew)",
               w->path, name);
    if (h5.H5Ldelete(w->id, name, H5P_DEFAULT) < 0)
        return hdf5_fail(LT_ERR_IO, "%s: '%s' cannot be replaced", w->path, name);
    return LT_OK;
}

static lt_status create_set(lt_hdf5_sink *s, lt_hdf5_writer *w)
{
    const hdf5_grid *g = &s->grid;
    hsize_t shape[LT_MAX_DIMS], chunk[LT_MAX_DIMS];
    for (int d = 0; d < g->ndim; d++) shape[d] = (hsize_t)g->shape[d], chunk[d] = (hsize_t)g->chunk[d];
    hid_t space = h5.H5Screate_simple(g->ndim, shape, NULL);
    hid_t create = h5.H5Pcreate(h5.H5P_CLS_DATASET_CREATE_ID_g);
    bool good = space >= 0 && create >= 0;
    h5.H5Pset_fill_time(create, H5D_FILL_TIME_NEVER);  // every row is written
    h5.H5Pset_obj_track_times(create, false);
    if (s->layout.chunk[0]) good = good && h5.H5Pset_chunk(create, g->ndim, chunk) >= 0;
    if (s->layout.shuffle) good = good && h5.H5Pset_shuffle(create) >= 0;
    if (s->layout.gzip) good = good && h5.H5Pset_deflate(create, (unsigned)s->layout.gzip) >= 0;
    if (s->layout.fletcher32) good = good && h5.H5Pset_fletcher32(create) >= 0;
    s->type = file_type(s->layout.dtype);
    if (good) s->id = h5.H5Dcreate2(w->id, s->name, s->type, space, w->links, create, H5P_DEFAULT);
    good = good && s->id >= 0;
    if (space >= 0) h5.H5Sclose(space);
    if (create >= 0) h5.H5Pclose(create);
    if (!good) return hdf5_fail(LT_ERR_IO, "%s: the data set '%s' cannot be made", w->path, s->name);
    return LT_OK;
}

lt_status lt_hdf5_sink_open(lt_hdf5_sink **out, lt_hdf5_writer *w, const char *name,
                            const lt_hdf5_layout *layout)
{
    *out = NULL;
    while (*name == '/') name++;
    lt_hdf5_sink *s = calloc(1, sizeof *s);
    if (s) s->name = strdup(name);
    if (!s || !s->name) {
        free(s);
        return lt_fail(LT_ERR_MEMORY, "%s: out of memory", w->path);
    }
    s->writer = w;
    s->layout = *layout;
    lt_status status = plan(s, w->path);
    if (status == LT_OK) status = hdf5_sink_prepare(s);
    bool entered = status == LT_OK && (status = hdf5_enter()) == LT_OK;
    if (entered) {
        status = make_way(w, name, layout->replace);
        if (status == LT_OK) status = create_set(s, w);
    }
    if (status == LT_OK) {
        s->next = w->sinks;
        w->sinks = *out = s;
    } else {
        sink_free(s);
    }
    if (entered) hdf5_leave();
    return status;
}

// ---- strings -----------------------------------------------------------------------------------

lt_status lt_hdf5_write_strings(lt_hdf5_writer *w, const char *name, const char *text, int64_t n,
                                int64_t width, bool replace)
{
    LT_REQUIRE(width >= 1 && width <= 1 << 16 && n >= 0, LT_ERR_ARGUMENT,
               "%s: '%s': strings of %lld bytes", w->path, name, (long long)width);
    while (*name == '/') name++;
    LT_TRY(hdf5_enter());
    lt_status status = make_way(w, name, replace);
    if (status == LT_OK) {
        hsize_t count = (hsize_t)n;
        hid_t type = h5.H5Tcopy(h5.H5T_C_S1_g), space = h5.H5Screate_simple(1, &count, NULL);
        h5.H5Tset_size(type, (size_t)width);
        h5.H5Tset_strpad(type, H5T_STR_NULLPAD);
        h5.H5Tset_cset(type, H5T_CSET_UTF8);
        hid_t create = h5.H5Pcreate(h5.H5P_CLS_DATASET_CREATE_ID_g);
        h5.H5Pset_obj_track_times(create, false);
        hid_t id = h5.H5Dcreate2(w->id, name, type, space, w->links, create, H5P_DEFAULT);
        h5.H5Pclose(create);
        bool good = id >= 0 && (n == 0 || h5.H5Dwrite(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text) >= 0);
        if (!good) status = hdf5_fail(LT_ERR_IO, "%s: '%s' cannot be written", w->path, name);
        if (id >= 0) h5.H5Dclose(id);
        h5.H5Sclose(space);
        h5.H5Tclose(type);
    }
    hdf5_leave();
    return status;
}

// ---- attributes --------------------------------------------------------------------------------

static lt_status write_attribute(lt_hdf5_writer *w, const char *name, const char *attribute, hid_t type,
                                 hid_t memory, const void *values, int64_t n)
{
    while (*name == '/') name++;
    hid_t object = h5.H5Oopen(w->id, *name ? name : "/", H5P_DEFAULT);
    if (object < 0) return hdf5_fail(LT_ERR_ARGUMENT, "%s: there is no '%s'", w->path, name);
    hsize_t count = n < 0 ? 1 : (hsize_t)n;
    hid_t space = n < 0 ? h5.H5Screate(H5S_SCALAR) : h5.H5Screate_simple(1, &count, NULL);
    if (h5.H5Aexists(object, attribute) > 0) h5.H5Adelete(object, attribute);
    hid_t id = h5.H5Acreate2(object, attribute, type, space, H5P_DEFAULT, H5P_DEFAULT);
    bool good = id >= 0 && (count == 0 || h5.H5Awrite(id, memory, values) >= 0);
    lt_status status = good ? LT_OK
        : hdf5_fail(LT_ERR_IO, "%s: the attribute '%s' of '/%s' cannot be written", w->path, attribute, name);
    if (id >= 0) h5.H5Aclose(id);
    if (space >= 0) h5.H5Sclose(space);
    h5.H5Oclose(object);
    return status;
}

lt_status lt_hdf5_write_numbers(lt_hdf5_writer *w, const char *name, const char *attribute,
                                const double *values, int64_t n, bool whole)
{
    LT_TRY(hdf5_enter());
    lt_status status = write_attribute(w, name, attribute, whole ? h5.H5T_STD_I64LE_g : h5.H5T_IEEE_F64LE_g,
                                       h5.H5T_NATIVE_DOUBLE_g, values, n);
    hdf5_leave();
    return status;
}

lt_status lt_hdf5_write_booleans(lt_hdf5_writer *w, const char *name, const char *attribute,
                                 const double *values, int64_t n)
{
    const int64_t count = n < 0 ? 1 : n;
    int8_t *bytes = malloc((size_t)count + 1);
    LT_REQUIRE(bytes, LT_ERR_MEMORY, "%s: out of memory", w->path);
    for (int64_t i = 0; i < count; i++) bytes[i] = values[i] != 0;
    lt_status status = hdf5_enter();
    if (status == LT_OK) {
        hid_t type = boolean_type();
        status = write_attribute(w, name, attribute, type, type, bytes, n);
        h5.H5Tclose(type);
        hdf5_leave();
    }
    free(bytes);
    return status;
}

lt_status lt_hdf5_write_texts(lt_hdf5_writer *w, const char *name, const char *attribute,
                              const char *const *texts, int64_t n)
{
    LT_TRY(hdf5_enter());
    hid_t type = h5.H5Tcopy(h5.H5T_C_S1_g);
    h5.H5Tset_size(type, H5T_VARIABLE);
    h5.H5Tset_cset(type, H5T_CSET_UTF8);
    lt_status status = write_attribute(w, name, attribute, type, type, texts, n);
    h5.H5Tclose(type);
    hdf5_leave();
    return status;
}

// ---- the end -----------------------------------------------------------------------------------

static lt_status all_full(const lt_hdf5_writer *w)
{
    for (const lt_hdf5_sink *s = w->sinks; s; s = s->next)
        LT_REQUIRE(s->rows == s->grid.shape[0], LT_ERR_ARGUMENT,
                   "cannot write %s: '%s' was made for %lld rows and got %lld", w->path, s->name,
                   (long long)s->grid.shape[0], (long long)s->rows);
    return LT_OK;
}

lt_status lt_hdf5_commit(lt_hdf5_writer *w)
{
    lt_status status = all_full(w);
    for (lt_hdf5_sink *s = w->sinks; s && status == LT_OK; s = s->next) status = hdf5_sink_finish(s);
    if (status == LT_OK && (status = hdf5_enter()) == LT_OK) {
        bool good = h5.H5Fflush(w->id, H5F_SCOPE_GLOBAL) >= 0;
        if (!close_all(w) || !good) status = hdf5_fail(LT_ERR_IO, "cannot write %s", w->path);
        hdf5_leave();
    }
    if (status == LT_OK) status = lt_file_rename(w->temporary, w->path);
    if (status != LT_OK) {
        lt_hdf5_abort(w);
        return status;
    }
    free(w->temporary);
    w->temporary = NULL;
    writer_free(w);
    return LT_OK;
}
