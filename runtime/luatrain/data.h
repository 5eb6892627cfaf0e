// luatrain/data.h - HDF5 files, and the loader of batches.
// Part of luatrain.h, which includes it; read by LuaJIT between the marks.
// cdef begin

// ---- hdf5: files ---------------------------------------------------------------------------------
// libhdf5 and libdeflate are loaded when the first of these functions is called. Everything here may
// be called from every thread; an open file, its data sets and decoded chunks are shared by all of
// them. Rows, chunks and positions count from 0. Errors name the file and the data set.
typedef struct lt_hdf5 lt_hdf5;
typedef struct lt_hdf5_set lt_hdf5_set;
enum { LT_HDF5_NONE = 0, LT_HDF5_GROUP, LT_HDF5_SET, LT_HDF5_TYPE, LT_HDF5_LINK };
enum { LT_HDF5_TENSOR = 0, LT_HDF5_STRINGS, LT_HDF5_OTHER };
typedef struct lt_hdf5_info {
    const char *name, *filters;  // "gzip(4), shuffle"; "" for none
    const char *problem;         // why it cannot be read; "" where it can
    int64_t shape[8], chunk[8];  // chunk[0] is 0 where it is not chunked; a scalar has one row
    int64_t row_bytes;           // in memory
    int64_t chunk_bytes;         // decoded
    int64_t string_bytes;        // of strings: the fixed length, 0 for any length
    int32_t ndim, dtype;         // dtype -1: no tensor
    int32_t kind;                // LT_HDF5_TENSOR, ...
    int32_t direct;              // read by the calling thread itself, not by libhdf5 under its lock
} lt_hdf5_info;
bool lt_hdf5_available(void);    // both libraries can be loaded
// Opens a file for reading. External links, virtual data sets, external storage and filter plug-ins
// are refused when they are met.
lt_status lt_hdf5_open(lt_hdf5 **f, const char *path);
void lt_hdf5_close(lt_hdf5 *f);  // its data sets end with the last opening of the file; takes NULL
// What lies under a name: LT_HDF5_NONE, LT_HDF5_GROUP, ...
lt_status lt_hdf5_kind(int32_t *kind, lt_hdf5 *f, const char *name);
// Names in a group, each ended by a 0 byte, in byte order.
lt_status lt_hdf5_keys(lt_buffer *names, lt_hdf5 *f, const char *group);
// A data set; it stays until the file is closed. One that cannot be read as a tensor or as strings is
// opened all the same; its info names the problem.
lt_status lt_hdf5_set_open(lt_hdf5_set **s, lt_hdf5 *f, const char *name);
void lt_hdf5_describe(lt_hdf5_info *info, const lt_hdf5_set *s);
// y (n, ...) <- the rows with these numbers, in this order; y is contiguous and of the set's dtype.
lt_status lt_hdf5_rows(lt_tensor *y, lt_hdf5_set *s, const int64_t *rows, int64_t n);
// y (n, ...) <- rows first to first + n - 1.
lt_status lt_hdf5_read(lt_tensor *y, lt_hdf5_set *s, int64_t first);
// Strings first to first + n - 1 (row-major), each ended by a 0 byte.
lt_status lt_hdf5_strings(lt_buffer *text, lt_hdf5_set *s, int64_t first, int64_t n);
// Limit on the bytes of decoded chunks kept in memory (all files together; 0: leave as it is); returns
// the limit. At first 512 MiB.
int64_t lt_hdf5_cache(int64_t bytes);
int64_t lt_hdf5_cached(void);    // bytes of decoded chunks now in memory

// Attribute number index of a group or data set; LT_ERR_END after the last.
enum { LT_HDF5_NUMBERS = 0, LT_HDF5_BOOLEANS, LT_HDF5_TEXTS, LT_HDF5_UNREADABLE };
typedef struct lt_hdf5_attribute {
    lt_buffer name;
    lt_buffer values;  // count doubles; or texts, each ended by a 0 byte
    int64_t count;
    int32_t kind;      // LT_HDF5_NUMBERS, ...
    int32_t scalar;    // one value that is no list
} lt_hdf5_attribute;
lt_status lt_hdf5_attribute_get(lt_hdf5_attribute *a, lt_hdf5 *f, const char *name, int64_t index);
void lt_hdf5_attribute_release(lt_hdf5_attribute *a);

// ---- hdf5: writing -----------------------------------------------------------------------------
// A file is written under a temporary name and renamed when it is whole and on the disk.
typedef struct lt_hdf5_writer lt_hdf5_writer;
typedef struct lt_hdf5_sink lt_hdf5_sink;
typedef struct lt_hdf5_layout {
    int64_t shape[8], chunk[8];  // chunk[0] 0: contiguous
    int32_t ndim, dtype;
    int32_t gzip;                // level from 1 to 9; 0: none
    int32_t shuffle, fletcher32; // 0 or 1
    int32_t replace;             // a data set of this name may be there; its room is not given back
} lt_hdf5_layout;
// A new file, or (extend) a copy of the file at path to which data sets are added.
lt_status lt_hdf5_create(lt_hdf5_writer **w, const char *path, bool extend);
// Both end and free the writer with its sinks, also on failure. commit refuses a data set that lacks rows.
lt_status lt_hdf5_commit(lt_hdf5_writer *w);
void lt_hdf5_abort(lt_hdf5_writer *w);
// A data set to be filled row by row; groups on its way are made.
lt_status lt_hdf5_sink_open(lt_hdf5_sink **sink, lt_hdf5_writer *w, const char *name,
                            const lt_hdf5_layout *layout);
// Appends rows (n, ...), contiguous, of the sink's dtype.
lt_status lt_hdf5_sink_append(lt_hdf5_sink *sink, const lt_tensor *rows);
int64_t lt_hdf5_sink_rows(const lt_hdf5_sink *sink);  // appended so far
// n strings of `width` bytes each, filled up with 0.
lt_status lt_hdf5_write_strings(lt_hdf5_writer *w, const char *name, const char *text, int64_t n,
                                int64_t width, bool replace);
// Attributes of the group or data set `name`, replaced where they exist; n -1: a single value.
// whole: numbers are stored as 64-bit integers.
lt_status lt_hdf5_write_numbers(lt_hdf5_writer *w, const char *name, const char *attribute,
                                const double *values, int64_t n, bool whole);
lt_status lt_hdf5_write_booleans(lt_hdf5_writer *w, const char *name, const char *attribute,
                                 const double *values, int64_t n);
lt_status lt_hdf5_write_texts(lt_hdf5_writer *w, const char *name, const char *attribute,
                              const char *const *texts, int64_t n);

// ---- loader ------------------------------------------------------------------------------------
// Worker threads that make batches, each in a Lua state of its own. Jobs and notes are opaque bytes.
typedef struct lt_loader lt_loader;
typedef struct lt_job lt_job;
// Starts the workers; each runs require("luatrain.data.worker").main(loader, spec).
lt_status lt_loader_open(lt_loader **loader, int32_t workers, const char *spec, int64_t bytes);
// Queues a job. The caller bounds how many are under way.
lt_status lt_loader_put(lt_loader *loader, const char *text, int64_t bytes);
// Waits for the oldest job's result. The note stays readable until the next call. LT_ERR_END where
// no job is under way; another error where a worker has died, with its message.
lt_status lt_loader_next(lt_loader *loader, const char **note, int64_t *bytes, int32_t *tensors);
// Tensor `index` (from 0) of the result at hand, with a reference of its own, and its name.
lt_status lt_loader_tensor(lt_loader *loader, int32_t index, lt_tensor *t, const char **name);
// Drops all jobs under way and their results.
void lt_loader_flush(lt_loader *loader);
// Ends the workers (each finishes its sample) and frees everything. NULL is allowed.
void lt_loader_close(lt_loader *loader);
// For the workers: the next job (waits; LT_ERR_END when the loader closes), a tensor of its result,
// its end, and whether to hurry.
lt_status lt_loader_take(lt_loader *loader, lt_job **job, const char **text, int64_t *bytes);
lt_status lt_loader_emit(lt_job *job, const char *name, const lt_tensor *t);
lt_status lt_loader_done(lt_loader *loader, lt_job *job, const char *note, int64_t bytes);
bool lt_loader_closing(lt_loader *loader);
// A seed below 2^53 that depends on all three numbers.
double lt_loader_seed(int64_t seed, int64_t epoch, int64_t index);
// order[0..n) <- a permutation of 0..n-1 that depends on seed and epoch only.
void lt_loader_order(int64_t *order, int64_t n, int64_t seed, int64_t epoch);
// The same for samples in groups (from 0, below 2^24): groups in random order, then the samples of
// each `window` groups mixed with each other.
lt_status lt_loader_order_grouped(int64_t *order, int64_t n, const int32_t *groups, int32_t window,
                                  int64_t seed, int64_t epoch);

// ---- zlib --------------------------------------------------------------------------------------
// Room that compressed bytes need at most; 0 where libdeflate is not installed.
int64_t lt_zlib_bound(int64_t bytes);
// Compresses into zlib's format (RFC 1950); *size: the bytes written. LT_ERR_ARGUMENT: they do not fit.
lt_status lt_zlib_compress(void *out, int64_t *size, int64_t capacity, const void *data,
                           int64_t bytes);

// cdef end
