// hdf5.h: what the files of the HDF5 store share with each other and not with the world.
//
// hdf5_library.c  libhdf5 and libdeflate, loaded when first needed; the one lock; error texts
// hdf5_file.c     open files and data sets, shared by all threads of the process
// hdf5_text.c     names, attributes and strings
// hdf5_index.c    where the chunks of a data set lie, read from the file by our own, bounded parser
// hdf5_side.c     the same, remembered beside the file
// hdf5_filter.c   gzip, shuffle and fletcher32, both ways
// hdf5_cache.c    decoded chunks, shared by all threads, bounded in bytes
// hdf5_read.c     rows into tensors
// hdf5_write.c    whole files and additions to them
// hdf5_append.c   rows into their chunks
#ifndef LT_HDF5_H
#define LT_HDF5_H

#include "core/internal.h"

#include <hdf5.h>
#include <libdeflate.h>
#include <pthread.h>

// HDF5's constants hide calls of H5open and H5check_version, which nothing is linked against.
#undef H5OPEN
#define H5OPEN
#undef H5CHECK
#define H5CHECK

// ---- the library -------------------------------------------------------------------------------
#define HDF5_CALLS(X) \
    X(H5open) X(H5dont_atexit) X(H5get_libversion) X(H5Eset_auto2) X(H5Ewalk2) X(H5Eclear2) \
    X(H5PLset_loading_state) X(H5Lunregister) \
    X(H5Fopen) X(H5Fcreate) X(H5Fclose) X(H5Fflush) X(H5Fget_create_plist) \
    X(H5Pcreate) X(H5Pclose) X(H5Pset_file_locking) X(H5Pset_fclose_degree) \
    X(H5Pset_libver_bounds) X(H5Pget_userblock) X(H5Pget_sizes) X(H5Pget_layout) X(H5Pget_chunk) \
    X(H5Pget_chunk_opts) X(H5Pget_external_count) X(H5Pget_nfilters) X(H5Pget_filter2) \
    X(H5Pget_fill_value) X(H5Pfill_value_defined) X(H5Pset_chunk) X(H5Pset_deflate) \
    X(H5Pset_shuffle) X(H5Pset_fletcher32) X(H5Pset_chunk_cache) X(H5Pset_obj_track_times) \
    X(H5Pset_alloc_time) X(H5Pset_fill_time) X(H5Pset_char_encoding) \
    X(H5Zfilter_avail) \
    X(H5Oopen) X(H5Oclose) X(H5Oget_info2) X(H5Oget_info_by_name2) X(H5Lget_info) X(H5Lget_val) \
    X(H5Lexists) X(H5Ldelete) X(H5Literate) X(H5Gclose) X(H5Gcreate2) \
    X(H5Dopen2) X(H5Dcreate2) X(H5Dclose) X(H5Dget_create_plist) X(H5Dget_space) X(H5Dget_type) \
    X(H5Dget_offset) X(H5Dget_space_status) X(H5Dread) X(H5Dwrite) X(H5Dread_chunk) \
    X(H5Dwrite_chunk) X(H5Dget_chunk_storage_size) X(H5Dvlen_reclaim) \
    X(H5Sget_simple_extent_type) X(H5Sget_simple_extent_ndims) X(H5Sget_simple_extent_dims) \
    X(H5Sget_simple_extent_npoints) X(H5Screate) X(H5Screate_simple) X(H5Sselect_hyperslab) X(H5Sclose) \
    X(H5Tget_class) X(H5Tget_size) X(H5Tget_sign) X(H5Tget_order) X(H5Tget_fields) X(H5Tget_ebias) \
    X(H5Tget_super) X(H5Tget_nmembers) X(H5Tget_member_name) X(H5Tget_precision) X(H5Tget_offset) \
    X(H5Tget_member_value) X(H5Tis_variable_str) X(H5Tget_cset) X(H5Tset_cset) X(H5Tset_size) \
    X(H5Tset_strpad) X(H5Tget_strpad) X(H5Tset_fields) X(H5Tset_precision) X(H5Tset_ebias) \
    X(H5Tenum_create) X(H5Tenum_insert) X(H5Tcopy) X(H5Tclose) X(H5Tequal) X(H5free_memory) \
    X(H5Aget_num_attrs) X(H5Aopen_by_idx) X(H5Aexists) X(H5Adelete) X(H5Aclose) \
    X(H5Aget_name) X(H5Aget_type) X(H5Aget_space) X(H5Aread) X(H5Awrite) X(H5Acreate2)

// Identifiers that the library keeps in variables.
#define HDF5_IDS(X) \
    X(H5T_NATIVE_FLOAT_g) X(H5T_NATIVE_DOUBLE_g) X(H5T_NATIVE_INT32_g) X(H5T_NATIVE_INT64_g) \
    X(H5T_NATIVE_UINT8_g) X(H5T_IEEE_F32LE_g) X(H5T_IEEE_F64LE_g) \
    X(H5T_STD_I64LE_g) X(H5T_STD_I32LE_g) X(H5T_STD_U8LE_g) X(H5T_STD_I8LE_g) X(H5T_C_S1_g) \
    X(H5P_CLS_FILE_ACCESS_ID_g) X(H5P_CLS_DATASET_ACCESS_ID_g) X(H5P_CLS_DATASET_CREATE_ID_g) \
    X(H5P_CLS_LINK_CREATE_ID_g) X(H5P_CLS_GROUP_CREATE_ID_g) X(H5P_CLS_FILE_CREATE_ID_g)

#define HDF5_CALL_FIELD(name) __typeof__(&name) name;
#define HDF5_ID_FIELD(name) hid_t name;
typedef struct hdf5_library {
    HDF5_CALLS(HDF5_CALL_FIELD)
    HDF5_IDS(HDF5_ID_FIELD)
} hdf5_library;
extern hdf5_library h5;

#define DEFLATE_CALLS(X) \
    X(libdeflate_alloc_decompressor) X(libdeflate_zlib_decompress_ex) X(libdeflate_free_decompressor) \
    X(libdeflate_alloc_compressor) X(libdeflate_zlib_compress) X(libdeflate_zlib_compress_bound) \
    X(libdeflate_free_compressor)
typedef struct deflate_library { DEFLATE_CALLS(HDF5_CALL_FIELD) } deflate_library;
extern deflate_library deflate;

// Takes the lock around every call of libhdf5, which is loaded at the first. On failure the lock is
// not held. LT_TRY must not be used between the two without leaving.
lt_status hdf5_enter(void);
void hdf5_leave(void);
// lt_fail with the library's own reason behind the text. Only under the lock.
lt_status hdf5_fail(lt_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Loads libdeflate.
lt_status hdf5_need_deflate(void);

// ---- filters -----------------------------------------------------------------------------------
enum { HDF5_MAX_FILTERS = 8 };
typedef struct hdf5_pipeline {
    int32_t count;
    int32_t id[HDF5_MAX_FILTERS];     // H5Z_FILTER_DEFLATE, ...
    int32_t value[HDF5_MAX_FILTERS];  // deflate: level; shuffle: bytes of an element
} hdf5_pipeline;
// True where hdf5_decode knows every filter of the pipeline.
bool hdf5_pipeline_known(const hdf5_pipeline *p);
// Undoes the filters that `mask` does not switch off. raw: `stored` bytes as they lie in the file, may
// be written to; out: `bytes` bytes. Errors say what is wrong, not where.
lt_status hdf5_decode(void *out, int64_t bytes, void *raw, int64_t stored, const hdf5_pipeline *p,
                      uint32_t mask);
// Applies the pipeline. *out is malloc'ed, *stored its length; *mask tells filters left out (a chunk
// that gzip would make larger stays as it is).
lt_status hdf5_encode(void **out, int64_t *stored, uint32_t *mask, const void *data, int64_t bytes,
                      const hdf5_pipeline *p);

// ---- files and data sets -----------------------------------------------------------------------
// Bytes to read from: a file, or memory (fuzzing).
typedef struct hdf5_source {
    int fd;                 // -1: memory
    const uint8_t *memory;
    int64_t bytes;          // of the whole
} hdf5_source;
// Exactly n bytes; false where they are not all there.
bool hdf5_pread(const hdf5_source *s, void *data, int64_t n, int64_t offset);

typedef struct hdf5_place {
    uint64_t address;       // HDF5_NOWHERE: never written, holds the fill value
    uint32_t stored, mask;  // bytes in the file; filters left out
} hdf5_place;
#define HDF5_NOWHERE UINT64_MAX

// What the parser needs to know of a chunked data set.
typedef struct hdf5_grid {
    int32_t ndim;
    int32_t element;             // bytes
    int64_t shape[LT_MAX_DIMS], chunk[LT_MAX_DIMS];
    int64_t cells[LT_MAX_DIMS];  // chunks along each dimension
    int64_t chunks;              // their product
    int64_t chunk_bytes;         // decoded
    bool filtered;
} hdf5_grid;

// Finds the chunk index of the data set whose object header lies at `header`, and reads it into
// places[grid->chunks]. False where the layout is not one it knows or something does not add up: then
// libhdf5 is asked for each chunk instead. *root gets the address of the index.
bool hdf5_index_read(hdf5_place *places, uint64_t *root, const hdf5_source *s, const hdf5_grid *grid,
                     uint64_t header);

// The side file of a data set. key: what must be the same for it to be believed.
typedef struct hdf5_key {
    int64_t bytes, modified, header;  // of the HDF5 file; nanoseconds; address of the object header
    uint32_t content;                 // checksum over the beginning of the file and the object header
    uint32_t reserved;
} hdf5_key;
bool hdf5_side_read(hdf5_place *places, const char *path, const char *name, const hdf5_key *key,
                    const hdf5_grid *grid, int64_t file_bytes);
void hdf5_side_write(const hdf5_place *places, const char *path, const char *name,
                     const hdf5_key *key, const hdf5_grid *grid);

enum { HDF5_CONTIGUOUS, HDF5_CHUNKED, HDF5_BY_LIBRARY };
enum { HDF5_TENSOR = 0, HDF5_STRINGS, HDF5_OTHER };

struct lt_hdf5_set {
    lt_hdf5 *file;
    lt_hdf5_set *next;
    char *name;
    hid_t id, memory_type;
    int32_t kind;          // HDF5_TENSOR, ...
    int32_t dtype;         // of tensors
    int32_t layout;
    bool scalar, variable;  // variable: strings of any length
    bool indexed;           // places is filled; else libhdf5 is asked for raw chunks
    bool padded_with_zero;
    int64_t row_bytes;
    int64_t string_bytes;
    uint64_t address;       // contiguous; HDF5_NOWHERE where never written
    hdf5_grid grid;         // for every layout: ndim, shape, element
    hdf5_pipeline pipeline;
    char filters[160];      // "gzip(4), shuffle"
    char problem[240];      // why it cannot be read; "" where it can
    hdf5_place *places;
    uint8_t fill[16];
};

struct lt_hdf5 {
    lt_hdf5 *next;
    int32_t refs;
    char *path;
    hid_t id;
    hdf5_source source;
    int64_t device, inode, modified;
    bool plain;             // addresses in the file are offsets: no user block, sizes of 8 bytes
    lt_hdf5_set *sets;
};

// Opens path below the file, refusing links that leave it; under the lock. what: for errors.
lt_status hdf5_open_object(hid_t *id, lt_hdf5 *f, const char *name);

// ---- chunks in memory --------------------------------------------------------------------------
typedef struct hdf5_chunk {
    struct hdf5_chunk *newer, *older;  // by use
    struct hdf5_chunk *chain;          // same hash
    const lt_hdf5_set *set;
    int64_t number, bytes;
    int32_t holders;
    bool ready;
    uint8_t *data;
} hdf5_chunk;
// The decoded chunk `number`, to be given back with hdf5_chunk_release. Where another thread is just
// decoding it: waits, or without `wait` returns LT_OK with *c NULL.
lt_status hdf5_chunk_get(hdf5_chunk **c, lt_hdf5_set *s, int64_t number, bool wait);
void hdf5_chunk_release(hdf5_chunk *c);
// Forgets all chunks of a data set that nobody holds any more.
void hdf5_chunk_forget(const lt_hdf5_set *s);
// Reads and decodes chunk `number` into data; names the chunk in its error.
lt_status hdf5_chunk_load(void *data, lt_hdf5_set *s, int64_t number);
// Fills n elements with the data set's fill value.
void hdf5_fill(const lt_hdf5_set *s, void *data, int64_t elements);

#endif
