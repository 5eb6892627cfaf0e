// hdf5_cache: decoded chunks, shared by all threads and bounded in bytes.
//
// A thread that wants a chunk decodes it without holding any lock; another that wants the same one
// meanwhile waits for it or, asked not to wait, takes up other work. What was used longest ago goes
// first, and its memory is used again for the next chunk of its size.
#include "data/hdf5.h"

enum { BUCKETS = 1024 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static hdf5_chunk *table[BUCKETS], *newest, *oldest;
static int64_t used, limit = (int64_t)512 << 20;

static hdf5_chunk **bucket(const lt_hdf5_set *s, int64_t number)
{
    uint64_t key = (uint64_t)(uintptr_t)s / 64 + (uint64_t)number;
    return &table[key * 0x9e3779b97f4a7c15u >> 54];
}

static void unlink_use(hdf5_chunk *c)
{
    if (c->newer) c->newer->older = c->older;
    else newest = c->older;
    if (c->older) c->older->newer = c->newer;
    else oldest = c->newer;
}

static void link_newest(hdf5_chunk *c)
{
    c->newer = NULL;
    c->older = newest;
    if (newest) newest->newer = c;
    else oldest = c;
    newest = c;
}

// Takes the chunk out of table and list; its data is left to the caller.
static uint8_t *drop(hdf5_chunk *c)
{
    hdf5_chunk **at = bucket(c->set, c->number);
    while (*at != c) at = &(*at)->chain;
    *at = c->chain;
    unlink_use(c);
    used -= c->bytes;
    uint8_t *data = c->data;
    free(c);
    return data;
}

// Makes room for `bytes`; returns memory of just that size where a chunk of it went.
static uint8_t *make_room(int64_t bytes)
{
    uint8_t *kept = NULL;
    for (hdf5_chunk *c = oldest, *next; c && used + bytes > limit; c = next) {
        next = c->newer;
        if (c->holders > 0 || !c->ready) continue;
        const bool fits = c->bytes == bytes && !kept;
        uint8_t *data = drop(c);
        if (fits) kept = data;
        else free(data);
    }
    return kept;
}

static hdf5_chunk *begin(lt_hdf5_set *s, int64_t number)
{
    const int64_t bytes = s->grid.chunk_bytes;
    hdf5_chunk *c = calloc(1, sizeof *c), **at = bucket(s, number);
    if (!c) return NULL;
    *c = (hdf5_chunk){.chain = *at, .set = s, .number = number, .bytes = bytes, .holders = 1};
    c->data = make_room(bytes);
    used += bytes;
    *at = c;
    link_newest(c);
    return c;
}

// The lock is held; it is let go while the chunk is decoded.
static lt_status decode(hdf5_chunk **out, lt_hdf5_set *s, int64_t number)
{
    hdf5_chunk *c = begin(s, number);
    LT_REQUIRE(c, LT_ERR_MEMORY, "%s: out of memory", s->file->path);
    pthread_mutex_unlock(&lock);
    if (!c->data) c->data = malloc((size_t)c->bytes + 1);
    lt_status status = c->data ? hdf5_chunk_load(c->data, s, number)
        : lt_fail(LT_ERR_MEMORY, "%s: out of memory: %lld bytes for a chunk of '%s'", s->file->path,
                  (long long)c->bytes, s->name);
    pthread_mutex_lock(&lock);
    c->ready = true;
    pthread_cond_broadcast(&changed);
    if (status == LT_OK) *out = c;
    else free(drop(c));  // who waits looks for it again and gets the error itself
    return status;
}

lt_status hdf5_chunk_get(hdf5_chunk **out, lt_hdf5_set *s, int64_t number, bool wait)
{
    lt_status status = LT_OK;
    *out = NULL;
    pthread_mutex_lock(&lock);
    for (;;) {
        hdf5_chunk *c = *bucket(s, number);
        while (c && (c->set != s || c->number != number)) c = c->chain;
        if (!c) {
            status = decode(out, s, number);
            break;
        }
        if (c->ready) {
            c->holders++;
            unlink_use(c);
            link_newest(c);
            *out = c;
            break;
        }
        if (!wait) break;
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
    return status;
}

void hdf5_chunk_release(hdf5_chunk *c)
{
    pthread_mutex_lock(&lock);
    if (--c->holders == 0 && used > limit) free(make_room(0));
    pthread_mutex_unlock(&lock);
}

void hdf5_chunk_forget(const lt_hdf5_set *s)
{
    pthread_mutex_lock(&lock);
    for (hdf5_chunk *c = oldest, *next; c; c = next) {
        next = c->newer;
        if (c->set == s) free(drop(c));
    }
    pthread_mutex_unlock(&lock);
}

int64_t lt_hdf5_cache(int64_t bytes)
{
    pthread_mutex_lock(&lock);
    if (bytes > 0) limit = bytes;
    free(make_room(0));
    int64_t now = limit;
    pthread_mutex_unlock(&lock);
    return now;
}

int64_t lt_hdf5_cached(void)
{
    pthread_mutex_lock(&lock);
    int64_t now = used;
    pthread_mutex_unlock(&lock);
    return now;
}
