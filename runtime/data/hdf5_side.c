// hdf5_side: the places of a data set's chunks, remembered in a hidden file beside the HDF5 file.
//
// The index of a million chunks is some ten thousand small reads all over the file, slow on a disk
// that has to seek; the side file is one. It is believed only where length, time of change and a
// checksum over the beginning of the HDF5 file are those it was made for, and its own checksum is
// right; nothing needs it, and a folder that cannot be written has none.
//
//   "LTCHUNK1", key, number of chunks, bytes of the name, name, places, CRC-32C of all before it
#include "data/hdf5.h"

#include <stdio.h>

static const char magic[8] = "LTCHUNK1";

typedef struct { char magic[8]; hdf5_key key; int64_t chunks, name_bytes; } head;

// ".file.h5.chunks-<checksum of the name>" beside the file; to be freed.
static char *side_path(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    char *text = NULL;
    uint32_t sum = lt_crc32c(0, name, (int64_t)strlen(name));
    if (asprintf(&text, "%.*s.%.200s.chunks-%08x", (int)(base - path), path, base, sum) < 0) return NULL;
    return text;
}

static bool same_key(const hdf5_key *a, const hdf5_key *b)
{
    return a->bytes == b->bytes && a->modified == b->modified && a->header == b->header
        && a->content == b->content;
}

static bool believable(const char *data, int64_t bytes, const char *name, const hdf5_key *key,
                       const hdf5_grid *g)
{
    head h;
    uint32_t sum;
    const int64_t name_bytes = (int64_t)strlen(name);
    if (bytes != (int64_t)sizeof h + name_bytes + g->chunks * (int64_t)sizeof(hdf5_place) + 4) return false;
    memcpy(&h, data, sizeof h);
    memcpy(&sum, data + bytes - 4, 4);
    return !memcmp(h.magic, magic, 8) && same_key(&h.key, key) && h.chunks == g->chunks
        && h.name_bytes == name_bytes && !memcmp(data + sizeof h, name, (size_t)name_bytes)
        && sum == lt_crc32c(0, data, bytes - 4);
}

static bool places_fit(const hdf5_place *places, const hdf5_grid *g, int64_t file_bytes)
{
    const uint64_t end = (uint64_t)file_bytes;
    for (int64_t i = 0; i < g->chunks; i++) {
        const hdf5_place *p = &places[i];
        if (p->address == HDF5_NOWHERE) continue;
        if (p->address > end || p->stored > end - p->address) return false;
        if (!g->filtered && p->stored != g->chunk_bytes) return false;
    }
    return true;
}

bool hdf5_side_read(hdf5_place *places, const char *path, const char *name, const hdf5_key *key,
                    const hdf5_grid *g, int64_t file_bytes)
{
    char *side = side_path(path, name);
    lt_buffer content = {NULL, 0};
    lt_file_info info;
    bool good = side && lt_file_stat(&info, side) == LT_OK && info.kind == LT_FILE_REGULAR
        && lt_file_read(&content, side, g->chunks * (int64_t)sizeof *places + 65536) == LT_OK
        && believable(content.data, content.bytes, name, key, g);
    if (good) {
        memcpy(places, content.data + sizeof(head) + strlen(name), (size_t)g->chunks * sizeof *places);
        good = places_fit(places, g, file_bytes);
    }
    lt_buffer_release(&content);
    free(side);
    return good;
}

void hdf5_side_write(const hdf5_place *places, const char *path, const char *name,
                     const hdf5_key *key, const hdf5_grid *g)
{
    const int64_t name_bytes = (int64_t)strlen(name), n = g->chunks * (int64_t)sizeof *places;
    head h = {.key = *key, .chunks = g->chunks, .name_bytes = name_bytes};
    memcpy(h.magic, magic, 8);
    uint32_t sum = lt_crc32c(0, &h, sizeof h);
    sum = lt_crc32c(sum, name, name_bytes);
    sum = lt_crc32c(sum, places, n);
    char *side = side_path(path, name);
    lt_writer *w = NULL;
    if (side && lt_writer_open(&w, side) == LT_OK) {
        bool good = lt_writer_write(w, &h, sizeof h) == LT_OK
            && lt_writer_write(w, name, name_bytes) == LT_OK && lt_writer_write(w, places, n) == LT_OK
            && lt_writer_write(w, &sum, 4) == LT_OK;
        if (good) (void)lt_writer_commit(w);
        else lt_writer_abort(w);
    }
    free(side);
}
