// hdf5_index: where the chunks of a data set lie, in one pass over its index.
//
// libhdf5 1.10 walks the whole index again for each chunk asked about: minutes for ten thousands of
// chunks. The index itself is simple: a version-1 B-tree, whose root the data set's object header
// names. (HDF5 File Format Specification 3.0: III.A.1 version-1 B-trees; IV.A object headers; IV.A.2.i
// data layout message.) The file is taken as hostile: every address, count and depth is checked, and
// whatever does not add up means "not known", never an error: libhdf5 then finds chunk by chunk.
#include "data/hdf5.h"

#include <unistd.h>

enum { MESSAGE_LAYOUT = 0x08, MESSAGE_CONTINUATION = 0x10, MAX_BLOCKS = 64, MAX_BLOCK = 1 << 20 };

bool hdf5_pread(const hdf5_source *s, void *data, int64_t n, int64_t offset)
{
    if (offset < 0 || n < 0 || offset > s->bytes || n > s->bytes - offset) return false;
    if (s->fd < 0) {
        memcpy(data, s->memory + offset, (size_t)n);
        return true;
    }
    for (char *to = data; n > 0;) {
        ssize_t got = pread(s->fd, to, (size_t)(n > 1 << 30 ? 1 << 30 : n), (off_t)offset);
        if (got <= 0) return false;
        to += got;
        offset += got;
        n -= got;
    }
    return true;
}

static uint64_t number(const uint8_t *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--) v = v << 8 | p[i];
    return v;
}

// ---- object header: the address of the index ---------------------------------------------------

typedef struct { uint64_t address[MAX_BLOCKS]; int64_t bytes[MAX_BLOCKS]; int count; } blocks;

// The layout message of version 3: class 2 (chunked) and a version-1 B-tree.
static bool layout_message(const uint8_t *p, int64_t n, const hdf5_grid *g, uint64_t *root)
{
    if (n < 3 || p[0] != 3 || p[1] != 2 || p[2] != g->ndim + 1) return false;
    if (n < 11 + 4 * (g->ndim + 1)) return false;
    for (int d = 0; d < g->ndim; d++)
        if ((int64_t)number(p + 11 + 4 * d, 4) != g->chunk[d]) return false;
    if ((int64_t)number(p + 11 + 4 * g->ndim, 4) != g->element) return false;
    *root = number(p + 3, 8);
    return true;
}

// Walks the messages of one block. version 2 has short headers; extra: bytes of creation order.
static bool find_layout(const uint8_t *p, int64_t n, int version, int extra, const hdf5_grid *g,
                        uint64_t *root, blocks *more)
{
    const int head = version == 1 ? 8 : 4 + extra;
    for (int64_t at = 0; at + head <= n;) {
        const uint8_t *m = p + at;
        int type = version == 1 ? (int)number(m, 2) : m[0];
        int64_t size = (int64_t)number(m + (version == 1 ? 2 : 1), 2);
        if (size > n - at - head) return false;
        if (type == MESSAGE_LAYOUT) return layout_message(m + head, size, g, root);
        if (type == MESSAGE_CONTINUATION && size >= 16 && more->count < MAX_BLOCKS) {
            more->address[more->count] = number(m + head, 8);
            more->bytes[more->count++] = (int64_t)number(m + head + 8, 8);
        }
        at += head + size;
    }
    return false;
}

// The first block of messages behind the header's prefix.
static bool first_block(const hdf5_source *s, uint64_t header, int *version, int *extra, blocks *list)
{
    uint8_t p[32] = {0};
    int64_t have = s->bytes - (int64_t)header;
    if (header > (uint64_t)s->bytes || have < 16) return false;
    if (!hdf5_pread(s, p, have < 32 ? have : 32, (int64_t)header)) return false;
    int64_t at = 16, bytes;
    if (!memcmp(p, "OHDR", 4) && p[4] == 2) {
        const int flags = p[5], width = 1 << (flags & 3);
        *version = 2;
        *extra = flags & 4 ? 2 : 0;
        at = 6 + (flags & 0x20 ? 16 : 0) + (flags & 0x10 ? 4 : 0);
        bytes = (int64_t)number(p + at, width > 4 ? 4 : width);
        at += width;
    } else if (p[0] == 1) {
        *version = 1;
        *extra = 0;
        bytes = (int64_t)number(p + 8, 4);
    } else {
        return false;
    }
    list->address[0] = header + (uint64_t)at;
    list->bytes[0] = bytes;
    list->count = 1;
    return true;
}

static bool index_root(uint64_t *root, const hdf5_source *s, const hdf5_grid *g, uint64_t header)
{
    blocks list;
    int version = 0, extra = 0;
    if (!first_block(s, header, &version, &extra, &list)) return false;
    for (int i = 0; i < list.count; i++) {
        int64_t n = list.bytes[i];
        if (n <= 0 || n > MAX_BLOCK || list.address[i] > (uint64_t)s->bytes) return false;
        uint8_t *p = malloc((size_t)n);
        bool found = false, good = p && hdf5_pread(s, p, n, (int64_t)list.address[i]);
        if (good) {
            // Later blocks of version 2 begin with a signature and end with a checksum.
            const bool framed = version == 2 && i > 0;
            good = !framed || (n >= 8 && !memcmp(p, "OCHK", 4));
            if (good)
                found = find_layout(framed ? p + 4 : p, framed ? n - 8 : n, version, extra, g, root, &list);
        }
        free(p);
        if (!good || found) return found;
    }
    return false;
}

// ---- the B-tree --------------------------------------------------------------------------------

typedef struct walk {
    const hdf5_source *source;
    const hdf5_grid *grid;
    hdf5_place *places;
    int64_t key_bytes, node_bytes;  // node_bytes: of the largest node met
    int64_t nodes_left, found;
    uint8_t *buffer[16];            // one a level
} walk;

static bool take_chunk(walk *w, const uint8_t *key, uint64_t address)
{
    const hdf5_grid *g = w->grid;
    int64_t cell = 0;
    for (int d = 0; d < g->ndim; d++) {
        uint64_t offset = number(key + 8 + 8 * d, 8);
        if (offset >= (uint64_t)g->shape[d] || offset % (uint64_t)g->chunk[d]) return false;
        cell = cell * g->cells[d] + (int64_t)(offset / (uint64_t)g->chunk[d]);
    }
    hdf5_place place = {address, (uint32_t)number(key, 4), (uint32_t)number(key + 4, 4)};
    const uint64_t end = (uint64_t)w->source->bytes;
    if (!g->filtered && place.stored != g->chunk_bytes) return false;
    if (address > end || place.stored > end - address) return false;
    if (w->places[cell].address != HDF5_NOWHERE) return false;
    w->places[cell] = place;
    w->found++;
    return true;
}

static bool walk_node(walk *w, uint64_t address, int level)
{
    uint8_t head[24];
    if (--w->nodes_left < 0 || address > (uint64_t)w->source->bytes) return false;
    if (!hdf5_pread(w->source, head, 24, (int64_t)address)) return false;
    if (memcmp(head, "TREE", 4) || head[4] != 1) return false;
    if (level < 0) level = head[5];
    if (level >= 16 || head[5] != level) return false;
    const int64_t entries = (int64_t)number(head + 6, 2);
    const int64_t step = w->key_bytes + 8, bytes = entries * step;
    free(w->buffer[level]);
    uint8_t *p = w->buffer[level] = malloc((size_t)bytes + 1);
    if (!p || !hdf5_pread(w->source, p, bytes, (int64_t)address + 24)) return false;
    for (int64_t i = 0; i < entries; i++, p += step) {
        uint64_t child = number(p + w->key_bytes, 8);
        if (level == 0 ? !take_chunk(w, p, child) : !walk_node(w, child, level - 1)) return false;
    }
    return true;
}

bool hdf5_index_read(hdf5_place *places, uint64_t *root, const hdf5_source *s, const hdf5_grid *g,
                     uint64_t header)
{
    for (int64_t i = 0; i < g->chunks; i++) places[i] = (hdf5_place){HDF5_NOWHERE, 0, 0};
    if (!index_root(root, s, g, header)) return false;
    if (*root == HDF5_NOWHERE) return true;  // nothing was ever written
    // No honest tree has more nodes than chunks, and one for each level.
    walk w = {.source = s, .grid = g, .places = places, .key_bytes = 8 + 8 * (g->ndim + 1),
              .nodes_left = g->chunks + 16};
    bool good = walk_node(&w, *root, -1);
    for (int i = 0; i < 16; i++) free(w.buffer[i]);
    return good;
}
