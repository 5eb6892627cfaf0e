// hdf5_fuzz: any bytes as the chunk index of a data set, and as a stored chunk: an error, or places
// within the file and a chunk of the size asked for. What libhdf5 itself does with damaged files is
// no target: it crashes on some, which is why `luatrain data check` has a process of its own.
//
// Input: 2 bytes that choose the shape and the filters, then the file.
#include "data/hdf5.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static hdf5_grid grid_of(uint8_t choice)
{
    hdf5_grid g = {.ndim = 1 + choice % 3, .element = 1 << (choice >> 2) % 4, .chunks = 1};
    g.chunk_bytes = g.element;
    g.filtered = choice >> 4 & 1;
    for (int d = 0; d < g.ndim; d++) {
        g.shape[d] = d ? 6 : 23 + (choice >> 5);
        g.chunk[d] = d ? 4 : 4;
        g.cells[d] = (g.shape[d] + g.chunk[d] - 1) / g.chunk[d];
        g.chunks *= g.cells[d];
        g.chunk_bytes *= g.chunk[d];
    }
    return g;
}

static void index_of(const uint8_t *file, int64_t bytes, const hdf5_grid *g)
{
    hdf5_source s = {.fd = -1, .memory = file, .bytes = bytes};
    hdf5_place *places = malloc((size_t)g->chunks * sizeof *places);
    uint64_t root;
    // The object header may be anywhere; the beginning and the address in the first bytes will do.
    uint64_t headers[2] = {0, 0};
    for (int i = 0; i < 8 && i < bytes; i++) headers[1] |= (uint64_t)file[i] << 8 * i;
    for (int h = 0; h < 2; h++) {
        if (!hdf5_index_read(places, &root, &s, g, headers[h])) continue;
        for (int64_t i = 0; i < g->chunks; i++) {
            const hdf5_place *p = &places[i];
            if (p->address == HDF5_NOWHERE) continue;
            if (p->address > (uint64_t)bytes || p->stored > (uint64_t)bytes - p->address) abort();
        }
    }
    free(places);
}

static void chunk_of(const uint8_t *stored, int64_t bytes, const hdf5_grid *g, uint8_t choice)
{
    static const int32_t ids[] = {H5Z_FILTER_SHUFFLE, H5Z_FILTER_DEFLATE, H5Z_FILTER_FLETCHER32};
    hdf5_pipeline p = {.count = choice % 4};
    for (int i = 0; i < p.count; i++) {
        p.id[i] = ids[(choice >> (2 + i)) % 3];
        p.value[i] = p.id[i] == H5Z_FILTER_SHUFFLE ? g->element : 4;
    }
    if (!hdf5_pipeline_known(&p)) return;
    uint8_t *raw = malloc((size_t)bytes + 1), *out = malloc((size_t)g->chunk_bytes + 1);
    memcpy(raw, stored, (size_t)bytes);
    lt_status status = hdf5_decode(out, g->chunk_bytes, raw, bytes, &p, choice >> 6);
    if (status == LT_OK) {
        // What was decoded can be encoded again, and comes back the same.
        void *again = NULL;
        int64_t length = 0;
        uint32_t mask = 0;
        uint8_t *back = malloc((size_t)g->chunk_bytes + 1);
        if (hdf5_encode(&again, &length, &mask, out, g->chunk_bytes, &p) != LT_OK) abort();
        if (hdf5_decode(back, g->chunk_bytes, again, length, &p, mask) != LT_OK) abort();
        if (memcmp(back, out, (size_t)g->chunk_bytes)) abort();
        free(again);
        free(back);
    }
    free(raw);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    const hdf5_grid g = grid_of(data[0]);
    index_of(data + 2, (int64_t)size - 2, &g);
    chunk_of(data + 2, (int64_t)size - 2, &g, data[1]);
    return 0;
}
