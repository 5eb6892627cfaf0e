// hdf5_read: rows of data sets into tensors.
//
// Rows that lie in the file as they are in memory go by pread straight into the tensor. Rows of
// chunks with filters go through the cache of decoded chunks, chunk by chunk, so that each is decoded
// once. Everything else (other byte orders, other filters) is left to libhdf5, under its lock.
#include "data/hdf5.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

void hdf5_fill(const lt_hdf5_set *s, void *data, int64_t elements)
{
    const int64_t size = s->grid.element;
    bool zero = true;
    for (int64_t i = 0; i < size && i < (int64_t)sizeof s->fill; i++) zero = zero && !s->fill[i];
    if (zero) memset(data, 0, (size_t)(elements * size));
    else
        for (int64_t i = 0; i < elements; i++) memcpy((char *)data + i * size, s->fill, (size_t)size);
}

static lt_status read_bytes(const lt_hdf5_set *s, void *data, int64_t n, uint64_t address)
{
    errno = 0;
    if (hdf5_pread(&s->file->source, data, n, (int64_t)address)) return LT_OK;
    if (errno) return lt_fail(LT_ERR_IO, "cannot read %s: %m", s->file->path);
    return lt_fail(LT_ERR_FORMAT, "%s: the file is cut short: '%s' has data at byte %llu, beyond the end",
                   s->file->path, s->name, (unsigned long long)address);
}

// ---- one chunk ---------------------------------------------------------------------------------

// "file: data set 'x', chunk 3 of 8 (rows 9 to 12): what"; people count from 1
static lt_status chunk_fail(lt_status status, const lt_hdf5_set *s, int64_t number, const char *what)
{
    const hdf5_grid *g = &s->grid;
    int64_t row = number / (g->chunks / g->cells[0]) * g->chunk[0], last = row + g->chunk[0] - 1;
    if (last >= g->shape[0]) last = g->shape[0] - 1;
    return lt_fail(status, "%s: data set '%s', chunk %lld of %lld (rows %lld to %lld): %s", s->file->path,
                   s->name, (long long)number + 1, (long long)g->chunks, (long long)row + 1,
                   (long long)last + 1, what);
}

// The chunk's bytes as stored, through libhdf5; *raw is NULL where it was never written.
static lt_status raw_by_library(void **raw, int64_t *stored, uint32_t *mask, lt_hdf5_set *s, int64_t number)
{
    const hdf5_grid *g = &s->grid;
    hsize_t offset[LT_MAX_DIMS], bytes = 0;
    for (int d = g->ndim - 1; d >= 0; d--) {
        offset[d] = (hsize_t)(number % g->cells[d] * g->chunk[d]);
        number /= g->cells[d];
    }
    *raw = NULL;
    LT_TRY(hdf5_enter());
    lt_status status = LT_OK;
    if (h5.H5Dget_chunk_storage_size(s->id, offset, &bytes) < 0) {
        // The library has no other way to tell a chunk that was never written from a failure.
        status = hdf5_fail(LT_ERR_FORMAT, "its place is not known");
        if (strstr(lt_error(), "not allocated")) status = LT_OK;
        bytes = 0;
    }
    if (status == LT_OK && bytes > 0) {
        *raw = bytes <= (hsize_t)s->file->source.bytes ? malloc((size_t)bytes) : NULL;
        if (!*raw)
            status = lt_fail(LT_ERR_FORMAT, "it is said to have %llu bytes", (unsigned long long)bytes);
        else if (h5.H5Dread_chunk(s->id, H5P_DEFAULT, offset, mask, *raw) < 0)
            status = hdf5_fail(LT_ERR_FORMAT, "it cannot be read");
    }
    hdf5_leave();
    *stored = (int64_t)bytes;
    return status;
}

static lt_status raw_by_place(void **raw, int64_t *stored, uint32_t *mask, lt_hdf5_set *s, int64_t number)
{
    const hdf5_place *place = &s->places[number];
    *raw = NULL;
    if (place->address == HDF5_NOWHERE) return LT_OK;
    *stored = place->stored;
    *mask = place->mask;
    *raw = malloc((size_t)place->stored + 1);
    LT_REQUIRE(*raw, LT_ERR_MEMORY, "out of memory for %u bytes", place->stored);
    return read_bytes(s, *raw, place->stored, place->address);
}

lt_status hdf5_chunk_load(void *data, lt_hdf5_set *s, int64_t number)
{
    void *raw = NULL;
    int64_t stored = 0;
    uint32_t mask = 0;
    const int64_t bytes = s->grid.chunk_bytes;
    lt_status status = s->indexed ? raw_by_place(&raw, &stored, &mask, s, number)
                                  : raw_by_library(&raw, &stored, &mask, s, number);
    if (status == LT_OK && !raw) hdf5_fill(s, data, bytes / s->grid.element);
    if (status == LT_OK && raw) status = hdf5_decode(data, bytes, raw, stored, &s->pipeline, mask);
    free(raw);
    if (status == LT_OK) return LT_OK;
    char text[400];
    snprintf(text, sizeof text, "%s", lt_error());
    return chunk_fail(status, s, number, text);
}

// ---- the rows asked for ------------------------------------------------------------------------

// n rows: list[0..n), or with no list first, first + 1, ...
typedef struct { const int64_t *list; int64_t first, n; } rows;

static inline int64_t row_at(const rows *r, int64_t k) { return r->list ? r->list[k] : r->first + k; }

// How many rows from k on follow each other without a gap, and stay below `end`.
static int64_t run_of(const rows *r, int64_t k, int64_t end)
{
    int64_t n = 1;
    const int64_t row = row_at(r, k);
    while (k + n < r->n && row + n < end && row_at(r, k + n) == row + n) n++;
    return n;
}

// Every row is one piece of the file: contiguous, or chunks without filters that are whole rows.
static lt_status read_plain(char *to, const lt_hdf5_set *s, const rows *r)
{
    const hdf5_grid *g = &s->grid;
    const int64_t row_bytes = s->row_bytes;
    for (int64_t k = 0, n; k < r->n; k += n, to += n * row_bytes) {
        int64_t row = row_at(r, k), end = g->shape[0];
        uint64_t address = s->address;
        int64_t inside = row;
        if (s->layout == HDF5_CHUNKED) {
            const int64_t cell = row / g->chunk[0];
            inside = row - cell * g->chunk[0];
            address = s->places[cell].address;
            end = row - inside + g->chunk[0];
        }
        n = run_of(r, k, end);
        if (address == HDF5_NOWHERE) hdf5_fill(s, to, n * row_bytes / g->element);
        else LT_TRY(read_bytes(s, to, n * row_bytes, address + (uint64_t)(inside * row_bytes)));
    }
    return LT_OK;
}

// ---- through decoded chunks --------------------------------------------------------------------

typedef struct { int64_t row, position; } wanted;

static int by_row(const void *a, const void *b)
{
    const wanted *x = a, *y = b;
    return x->row < y->row ? -1 : x->row > y->row;
}

static lt_status sorted_rows(wanted **out, const rows *r)
{
    wanted *w = *out = malloc((size_t)(r->n + 1) * sizeof *w);
    LT_REQUIRE(w, LT_ERR_MEMORY, "hdf5: out of memory for %lld rows", (long long)r->n);
    bool sorted = true;
    for (int64_t k = 0; k < r->n; k++) {
        w[k] = (wanted){row_at(r, k), k};
        sorted = sorted && (k == 0 || w[k - 1].row <= w[k].row);
    }
    if (!sorted) qsort(w, (size_t)r->n, sizeof *w, by_row);
    return LT_OK;
}

// The part of a row that lies in one chunk: `bytes` at a time, count[d] times along dimension d.
typedef struct {
    int dims;
    int64_t bytes, start;  // start: where in the row of the tensor
    int64_t count[LT_MAX_DIMS], from[LT_MAX_DIMS], to[LT_MAX_DIMS];  // steps in chunk and tensor
} block;

// cell: the number of the chunk among those of its rows.
static block block_of(const hdf5_grid *g, int64_t cell)
{
    block b = {0};
    int64_t from = g->element, to = g->element;
    b.bytes = g->element;
    bool whole = true;  // all dimensions so far are covered by the chunk
    for (int d = g->ndim - 1; d >= 1; d--) {
        const int64_t at = cell % g->cells[d] * g->chunk[d];
        const int64_t left = g->shape[d] - at, n = left < g->chunk[d] ? left : g->chunk[d];
        cell /= g->cells[d];
        b.start += at * to;
        if (whole) {
            b.bytes *= n;
        } else {
            b.count[b.dims] = n;
            b.from[b.dims] = from;
            b.to[b.dims++] = to;
        }
        whole = whole && n == g->chunk[d] && n == g->shape[d];
        from *= g->chunk[d];
        to *= g->shape[d];
    }
    return b;
}

static void copy_block(char *to, const char *from, const block *b, int dim)
{
    if (dim == 0) {
        memcpy(to, from, (size_t)b->bytes);
        return;
    }
    for (int64_t i = 0; i < b->count[dim - 1]; i++)
        copy_block(to + i * b->to[dim - 1], from + i * b->from[dim - 1], b, dim - 1);
}

// Copies the rows w[0..n), all of which lie in the chunks of one range of rows, out of chunk `cell` of
// them. *waiting: another thread is decoding it, nothing was done.
static lt_status take_rows(char *y, lt_hdf5_set *s, const wanted *w, int64_t n, int64_t cell, bool wait,
                           bool *waiting)
{
    const hdf5_grid *g = &s->grid;
    const int64_t across = g->chunks / g->cells[0], first = w[0].row / g->chunk[0];
    const block b = block_of(g, cell);
    hdf5_chunk *c;
    LT_TRY(hdf5_chunk_get(&c, s, first * across + cell, wait));
    *waiting = !c;
    if (!c) return LT_OK;
    const int64_t step = g->chunk_bytes / g->chunk[0];
    for (int64_t k = 0; k < n; k++)
        copy_block(y + w[k].position * s->row_bytes + b.start,
                   (char *)c->data + (w[k].row - first * g->chunk[0]) * step, &b, b.dims);
    hdf5_chunk_release(c);
    return LT_OK;
}

// First whatever nobody else is decoding, then the rest.
static lt_status read_decoded(char *y, lt_hdf5_set *s, const wanted *w, int64_t n)
{
    const hdf5_grid *g = &s->grid;
    const int64_t across = g->chunks / g->cells[0];
    bool *done = calloc((size_t)n + 1, 1), left = true;
    LT_REQUIRE(done, LT_ERR_MEMORY, "hdf5: out of memory");
    lt_status status = LT_OK;
    for (int pass = 0; pass < 2 && left && status == LT_OK; pass++) {
        left = false;
        for (int64_t k = 0, m; k < n && status == LT_OK; k += m) {
            const int64_t end = (w[k].row / g->chunk[0] + 1) * g->chunk[0];
            for (m = 1; k + m < n && w[k + m].row < end;) m++;
            if (done[k]) continue;
            // With several chunks a row, each is waited for.
            const bool wait = pass == 1 || across > 1;
            bool waiting = false;
            for (int64_t cell = 0; cell < across && status == LT_OK; cell++)
                status = take_rows(y, s, w + k, m, cell, wait, &waiting);
            done[k] = !waiting;
            left = left || waiting;
        }
    }
    free(done);
    return status;
}

// ---- through libhdf5 ---------------------------------------------------------------------------

static lt_status library_run(char *to, lt_hdf5_set *s, int64_t row, int64_t n)
{
    const hdf5_grid *g = &s->grid;
    hsize_t start[LT_MAX_DIMS] = {(hsize_t)row}, count[LT_MAX_DIMS] = {(hsize_t)n};
    for (int d = 1; d < g->ndim; d++) count[d] = (hsize_t)g->shape[d];
    hid_t file = s->scalar ? H5S_ALL : h5.H5Dget_space(s->id);
    hid_t memory = s->scalar ? H5S_ALL : h5.H5Screate_simple(g->ndim, count, NULL);
    bool good = s->scalar
        || (file >= 0 && memory >= 0
            && h5.H5Sselect_hyperslab(file, H5S_SELECT_SET, start, NULL, count, NULL) >= 0);
    good = good && h5.H5Dread(s->id, s->memory_type, memory, file, H5P_DEFAULT, to) >= 0;
    lt_status status = good ? LT_OK
        : hdf5_fail(LT_ERR_FORMAT, "%s: data set '%s', rows %lld to %lld: cannot be read", s->file->path,
                    s->name, (long long)row + 1, (long long)(row + n));
    if (!s->scalar && file >= 0) h5.H5Sclose(file);
    if (!s->scalar && memory >= 0) h5.H5Sclose(memory);
    return status;
}

static lt_status read_by_library(char *y, lt_hdf5_set *s, const rows *r)
{
    if (r->list) {
        wanted *w;
        LT_TRY(sorted_rows(&w, r));
        lt_status status = hdf5_enter();
        if (status == LT_OK) {
            for (int64_t k = 0; k < r->n && status == LT_OK; k++)
                status = library_run(y + w[k].position * s->row_bytes, s, w[k].row, 1);
            hdf5_leave();
        }
        free(w);
        return status;
    }
    LT_TRY(hdf5_enter());
    lt_status status = library_run(y, s, r->first, r->n);
    hdf5_leave();
    return status;
}

// ---- public ------------------------------------------------------------------------------------

static lt_status check(const lt_tensor *y, const lt_hdf5_set *s, const rows *r)
{
    const hdf5_grid *g = &s->grid;
    const char *path = s->file->path;
    LT_REQUIRE(!s->problem[0], LT_ERR_FORMAT, "%s: data set '%s': %s", path, s->name, s->problem);
    LT_REQUIRE(s->kind == HDF5_TENSOR, LT_ERR_ARGUMENT, "%s: '%s' holds strings, not numbers", path, s->name);
    LT_REQUIRE(y->storage && y->dtype == s->dtype && lt_tensor_is_contiguous(y), LT_ERR_ARGUMENT,
               "%s: '%s' is read into contiguous %s tensors", path, s->name, lt_dtype_name(s->dtype));
    bool fits = y->ndim == g->ndim && y->shape[0] == r->n;
    for (int d = 1; d < g->ndim; d++) fits = fits && y->shape[d] == g->shape[d];
    LT_REQUIRE(fits, LT_ERR_ARGUMENT, "%s: %lld rows of '%s' do not fit into a tensor of %s", path,
               (long long)r->n, s->name, LT_SHAPE(y));
    for (int64_t k = 0; k < r->n; k++) {
        int64_t row = row_at(r, k);
        LT_REQUIRE(row >= 0 && row < g->shape[0], LT_ERR_ARGUMENT, "%s: row %lld of '%s', it has %lld", path,
                   (long long)row + 1, s->name, (long long)g->shape[0]);
        if (!r->list) k = k < r->n - 1 ? r->n - 2 : k;  // the last of a range decides
    }
    return LT_OK;
}

static bool is_plain(const lt_hdf5_set *s)
{
    const hdf5_grid *g = &s->grid;
    if (s->layout == HDF5_CONTIGUOUS) return true;
    if (s->layout != HDF5_CHUNKED || !s->indexed || s->pipeline.count) return false;
    for (int d = 1; d < g->ndim; d++)
        if (g->chunk[d] != g->shape[d]) return false;
    return true;
}

static lt_status read_rows(lt_tensor *y, lt_hdf5_set *s, const rows *r)
{
    LT_TRY(check(y, s, r));
    if (lt_numel(y) == 0) return LT_OK;
    char *to = lt_data(y);
    if (is_plain(s)) return read_plain(to, s, r);
    if (s->layout != HDF5_CHUNKED) return read_by_library(to, s, r);
    wanted *w;
    LT_TRY(sorted_rows(&w, r));
    lt_status status = read_decoded(to, s, w, r->n);
    free(w);
    return status;
}

lt_status lt_hdf5_rows(lt_tensor *y, lt_hdf5_set *s, const int64_t *list, int64_t n)
{
    return read_rows(y, s, &(rows){list, 0, n});
}

lt_status lt_hdf5_read(lt_tensor *y, lt_hdf5_set *s, int64_t first)
{
    return read_rows(y, s, &(rows){NULL, first, y->ndim ? y->shape[0] : 0});
}
