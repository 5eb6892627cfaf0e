// hdf5_write.h: what the two halves of the HDF5 writer share.
#ifndef LT_HDF5_WRITE_H
#define LT_HDF5_WRITE_H

#include "data/hdf5.h"

// A chunk that a thread of its own filters.
typedef struct hdf5_slot {
    enum { HDF5_FREE, HDF5_RUNS, HDF5_FILTERED } state;
    pthread_t thread;
    uint8_t *rows;           // the chunk, until it is filtered
    int64_t row;             // its first row
    const hdf5_pipeline *pipeline;
    int64_t bytes, stored;
    uint32_t mask;
    void *packed;
    lt_status status;
    char error[256];
} hdf5_slot;

enum { HDF5_SLOTS = 8 };

struct lt_hdf5_sink {
    lt_hdf5_writer *writer;
    lt_hdf5_sink *next;
    char *name;
    hid_t id, type;
    lt_hdf5_layout layout;
    hdf5_grid grid;
    hdf5_pipeline pipeline;
    int64_t rows, row_bytes;
    uint8_t *buffer;         // rows that do not fill their chunks yet
    int64_t buffered;        // rows in it
    uint8_t *chunk;          // one chunk, cut out of the rows
    bool threaded;           // else the caller filters its chunks
    int32_t turn;            // the slot of the next chunk
    hdf5_slot slot[HDF5_SLOTS];
};

struct lt_hdf5_writer {
    char *path, *temporary;
    hid_t id, links;
    lt_hdf5_sink *sinks;
};

// Memory for the rows of a sink whose layout is known.
lt_status hdf5_sink_prepare(lt_hdf5_sink *s);
// Writes what is still being filtered.
lt_status hdf5_sink_finish(lt_hdf5_sink *s);
// Waits for threads and frees the memory of hdf5_sink_prepare.
void hdf5_sink_release(lt_hdf5_sink *s);

#endif
