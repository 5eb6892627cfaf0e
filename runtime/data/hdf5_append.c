// hdf5_append: rows into the chunks of a data set that is being written.
//
// gzip is what takes time (60 MB a second and core), so chunks that are whole rows are filtered by
// threads of their own while the caller makes the next rows. Each is written when HDF5_SLOTS later ones
// have come, or the data set is full, whatever thread is ready first and however many there are: the same
// rows give the same file.
#include "data/hdf5_write.h"

#include <stdio.h>

int64_t lt_hdf5_sink_rows(const lt_hdf5_sink *sink) { return sink->rows; }

// ---- memory ------------------------------------------------------------------------------------

enum { WORTH_A_THREAD = 1 << 16 };

lt_status hdf5_sink_prepare(lt_hdf5_sink *s)
{
    const hdf5_grid *g = &s->grid;
    if (!s->layout.chunk[0]) return LT_OK;
    const int64_t bytes = g->chunk[0] * s->row_bytes;
    bool good = (s->buffer = malloc((size_t)bytes + 1)) && (s->chunk = malloc((size_t)g->chunk_bytes + 1));
    s->threaded = s->layout.gzip && bytes == g->chunk_bytes && bytes >= WORTH_A_THREAD;
    LT_REQUIRE(good, LT_ERR_MEMORY, "%s: '%s': out of memory for chunks of %lld bytes", s->writer->path,
               s->name, (long long)g->chunk_bytes);
    return LT_OK;
}

void hdf5_sink_release(lt_hdf5_sink *s)
{
    for (int i = 0; i < HDF5_SLOTS; i++) {
        if (s->slot[i].state == HDF5_RUNS) pthread_join(s->slot[i].thread, NULL);
        free(s->slot[i].packed);
        free(s->slot[i].rows);
    }
    free(s->buffer);
    free(s->chunk);
}

// ---- one chunk ---------------------------------------------------------------------------------

// Hands a filtered chunk to the library. cell: its number among the chunks of its rows.
static lt_status put_chunk(lt_hdf5_sink *s, const void *data, int64_t bytes, uint32_t mask, int64_t row,
                           int64_t cell)
{
    const hdf5_grid *g = &s->grid;
    hsize_t offset[LT_MAX_DIMS] = {(hsize_t)row};
    for (int d = g->ndim - 1; d >= 1; d--) {
        offset[d] = (hsize_t)(cell % g->cells[d] * g->chunk[d]);
        cell /= g->cells[d];
    }
    LT_TRY(hdf5_enter());
    lt_status status = LT_OK;
    if (h5.H5Dwrite_chunk(s->id, H5P_DEFAULT, mask, offset, (size_t)bytes, data) < 0)
        status = hdf5_fail(LT_ERR_IO, "cannot write %s: '%s', row %lld", s->writer->path, s->name,
                           (long long)row + 1);
    hdf5_leave();
    return status;
}

static lt_status write_chunk(lt_hdf5_sink *s, const uint8_t *data, int64_t row, int64_t cell)
{
    void *packed = NULL;
    int64_t stored = s->grid.chunk_bytes;
    uint32_t mask = 0;
    if (!s->pipeline.count) return put_chunk(s, data, stored, 0, row, cell);
    LT_TRY(hdf5_encode(&packed, &stored, &mask, data, stored, &s->pipeline));
    lt_status status = put_chunk(s, packed, stored, mask, row, cell);
    free(packed);
    return status;
}

// Copies the part of `count` rows that belongs to cell `cell` into the chunk, the rest of which is 0.
static void cut_chunk(lt_hdf5_sink *s, const uint8_t *rows, int64_t count, int64_t cell)
{
    const hdf5_grid *g = &s->grid;
    int64_t at[LT_MAX_DIMS] = {0}, n[LT_MAX_DIMS], index[LT_MAX_DIMS] = {0};
    bool whole = count == g->chunk[0];
    n[0] = count;
    for (int d = g->ndim - 1; d >= 1; d--) {
        at[d] = cell % g->cells[d] * g->chunk[d];
        n[d] = g->shape[d] - at[d] < g->chunk[d] ? g->shape[d] - at[d] : g->chunk[d];
        cell /= g->cells[d];
        whole = whole && n[d] == g->chunk[d];
    }
    if (!whole) memset(s->chunk, 0, (size_t)g->chunk_bytes);
    const int last = g->ndim - 1;
    const size_t piece = (size_t)(n[last] * g->element);
    for (;;) {
        int64_t from = 0, to = 0;
        for (int d = 0; d < g->ndim; d++) {
            from = from * g->shape[d] + at[d] + index[d];
            to = to * g->chunk[d] + index[d];
        }
        memcpy(s->chunk + to * g->element, rows + from * g->element, piece);
        int d = last - 1;
        while (d >= 0 && ++index[d] == n[d]) index[d--] = 0;
        if (d < 0) break;
    }
}

// ---- threads -----------------------------------------------------------------------------------

static void *filter_chunk(void *p)
{
    hdf5_slot *slot = p;
    slot->status = hdf5_encode(&slot->packed, &slot->stored, &slot->mask, slot->rows, slot->bytes,
                               slot->pipeline);
    if (slot->status != LT_OK) snprintf(slot->error, sizeof slot->error, "%s", lt_error());
    free(slot->rows);
    slot->rows = NULL;
    return NULL;
}

static void wait_for(hdf5_slot *slot)
{
    if (slot->state != HDF5_RUNS) return;
    pthread_join(slot->thread, NULL);
    slot->state = HDF5_FILTERED;
}

// Waits for the slot's chunk and writes it.
static lt_status settle(lt_hdf5_sink *s, hdf5_slot *slot)
{
    wait_for(slot);
    if (slot->state == HDF5_FREE) return LT_OK;
    slot->state = HDF5_FREE;
    lt_status status = slot->status != LT_OK ? lt_fail(slot->status, "%s: %s", s->writer->path, slot->error)
        : put_chunk(s, slot->packed, slot->stored, slot->mask, slot->row, 0);
    free(slot->packed);
    slot->packed = NULL;
    return status;
}

lt_status hdf5_sink_finish(lt_hdf5_sink *s)
{
    for (int i = 0; i < HDF5_SLOTS; i++) LT_TRY(settle(s, &s->slot[(s->turn + i) % HDF5_SLOTS]));
    return LT_OK;
}

// Lets the oldest threads end until one more may run.
static void make_room(lt_hdf5_sink *s)
{
    int running = 0;
    for (int i = 0; i < HDF5_SLOTS; i++) running += s->slot[i].state == HDF5_RUNS;
    for (int i = 0; i < HDF5_SLOTS && running >= lt_threads(); i++) {
        hdf5_slot *slot = &s->slot[(s->turn + i) % HDF5_SLOTS];
        running -= slot->state == HDF5_RUNS;
        wait_for(slot);
    }
}

// A thread takes over the buffer; the sink goes on with a new one.
static lt_status launch(lt_hdf5_sink *s, int64_t row, int64_t count)
{
    const int64_t used = count * s->row_bytes;
    hdf5_slot *slot = &s->slot[s->turn];
    LT_TRY(settle(s, slot));
    make_room(s);
    uint8_t *buffer = malloc((size_t)s->grid.chunk_bytes + 1);
    LT_REQUIRE(buffer, LT_ERR_MEMORY, "%s: '%s': out of memory for chunks of %lld bytes", s->writer->path,
               s->name, (long long)s->grid.chunk_bytes);
    memset(s->buffer + used, 0, (size_t)(s->grid.chunk_bytes - used));
    slot->rows = s->buffer;
    s->buffer = buffer;
    slot->row = row;
    slot->bytes = s->grid.chunk_bytes;
    slot->pipeline = &s->pipeline;
    s->turn = (s->turn + 1) % HDF5_SLOTS;
    slot->state = HDF5_FILTERED;
    if (lt_threads() > 1 && pthread_create(&slot->thread, NULL, filter_chunk, slot) == 0)
        slot->state = HDF5_RUNS;
    else filter_chunk(slot);
    return LT_OK;
}

// ---- rows --------------------------------------------------------------------------------------

// One row of chunks: `count` rows that begin at `row`, which begins a chunk.
static lt_status write_chunks(lt_hdf5_sink *s, const uint8_t *rows, int64_t row, int64_t count)
{
    const hdf5_grid *g = &s->grid;
    const int64_t across = g->cells[0] ? g->chunks / g->cells[0] : 0;
    const bool as_they_are = count * s->row_bytes == g->chunk_bytes && across == 1;
    for (int64_t cell = 0; cell < across; cell++) {
        if (!as_they_are) cut_chunk(s, rows, count, cell);
        LT_TRY(write_chunk(s, as_they_are ? rows : s->chunk, row, cell));
    }
    return LT_OK;
}

static lt_status append_chunked(lt_hdf5_sink *s, const uint8_t *rows, int64_t count)
{
    const hdf5_grid *g = &s->grid;
    while (count > 0) {
        const int64_t start = s->rows - s->buffered;  // the row that begins the open chunk
        int64_t room = g->chunk[0];
        if (g->shape[0] - start < room) room = g->shape[0] - start;
        if (s->buffered == 0 && count >= room && !s->threaded) {
            LT_TRY(write_chunks(s, rows, start, room));
            s->rows += room;
            rows += room * s->row_bytes;
            count -= room;
            continue;
        }
        const int64_t n = count < room - s->buffered ? count : room - s->buffered;
        memcpy(s->buffer + s->buffered * s->row_bytes, rows, (size_t)(n * s->row_bytes));
        s->buffered += n;
        s->rows += n;
        rows += n * s->row_bytes;
        count -= n;
        if (s->buffered == room) {
            s->buffered = 0;
            if (s->threaded) LT_TRY(launch(s, start, room));
            else LT_TRY(write_chunks(s, s->buffer, start, room));
        }
    }
    return s->rows == g->shape[0] ? hdf5_sink_finish(s) : LT_OK;
}

static lt_status append_contiguous(lt_hdf5_sink *s, const uint8_t *rows, int64_t count)
{
    const hdf5_grid *g = &s->grid;
    hsize_t start[LT_MAX_DIMS] = {(hsize_t)s->rows}, n[LT_MAX_DIMS] = {(hsize_t)count};
    for (int d = 1; d < g->ndim; d++) n[d] = (hsize_t)g->shape[d];
    LT_TRY(hdf5_enter());
    hid_t memory = h5.H5Screate_simple(g->ndim, n, NULL), file = h5.H5Dget_space(s->id);
    bool good = h5.H5Sselect_hyperslab(file, H5S_SELECT_SET, start, NULL, n, NULL) >= 0
        && h5.H5Dwrite(s->id, s->type, memory, file, H5P_DEFAULT, rows) >= 0;
    lt_status status = good ? LT_OK : hdf5_fail(LT_ERR_IO, "cannot write %s: '%s', row %lld", s->writer->path,
                                                s->name, (long long)s->rows + 1);
    h5.H5Sclose(file);
    h5.H5Sclose(memory);
    hdf5_leave();
    if (status == LT_OK) s->rows += count;
    return status;
}

lt_status lt_hdf5_sink_append(lt_hdf5_sink *s, const lt_tensor *rows)
{
    const char *path = s->writer->path;
    const hdf5_grid *g = &s->grid;
    LT_REQUIRE(rows->storage && rows->dtype == s->layout.dtype && lt_tensor_is_contiguous(rows),
               LT_ERR_ARGUMENT, "%s: '%s' takes contiguous %s tensors", path, s->name,
               lt_dtype_name(s->layout.dtype));
    bool fits = rows->ndim == g->ndim;
    for (int d = 1; d < g->ndim; d++) fits = fits && rows->shape[d] == g->shape[d];
    LT_REQUIRE(fits, LT_ERR_ARGUMENT, "%s: rows %s do not fit into '%s'; only the number of rows is free",
               path, LT_SHAPE(rows), s->name);
    LT_REQUIRE(rows->shape[0] <= g->shape[0] - s->rows, LT_ERR_ARGUMENT,
               "%s: '%s' was made for %lld rows, it has %lld and gets %lld more", path, s->name,
               (long long)g->shape[0], (long long)s->rows, (long long)rows->shape[0]);
    if (lt_numel(rows) == 0) {
        s->rows += rows->shape[0];
        return LT_OK;
    }
    if (s->layout.chunk[0]) return append_chunked(s, lt_data(rows), rows->shape[0]);
    return append_contiguous(s, lt_data(rows), rows->shape[0]);
}
