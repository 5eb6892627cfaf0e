// memory: the caching allocator behind every tensor and every scratch buffer.
//
// Blocks keep a 64-byte header in front of the data. Sizes are rounded to classes (four to a power
// of two, pages above 1 MiB), and a freed block waits in its class's list for the next of that
// size: a training step asks for the same sizes again and again. Large blocks ask for huge pages.
// Where the sizes change from step to step (sequences of any length), all blocks together stay near
// what was once in use at a time: larger blocks are cut, and joined again when both parts are free;
// where none can be cut, those unused the longest are given back.
#include "core/internal.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>

enum { MAGIC = 0x6c747261, SMALL_CLASSES = 57 };
#define LARGE ((int64_t)1 << 20)
#define HUGE_PAGE ((int64_t)2 << 20)
#define SPARE ((int64_t)64 << 20)

typedef struct block {
    int64_t size;    // capacity for data
    int64_t asked;   // what the caller wanted
    struct block *next;
    int32_t magic;
    int32_t in_use;
    int64_t freed;   // the turn in which it was freed last
    struct block *before, *after;  // neighbours, where it was cut from a larger one
    char pad[8];
} block;
_Static_assert(sizeof(block) == LT_ALIGN, "the header keeps data aligned");

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static block *small_free[SMALL_CLASSES];
static block *large_free;  // sorted by size, smallest first
static lt_memory_stats stats;
static int64_t fail_countdown, live_limit;
static int64_t turn, most_live;

// Class of a small size and the capacity of that class: 64, 80, 96, 112, 128, 160, ...
static int size_class(int64_t bytes, int64_t *capacity)
{
    if (bytes <= 64) return *capacity = 64, 0;
    int power = 63 - __builtin_clzll((unsigned long long)(bytes - 1));
    int64_t quarter = (int64_t)1 << (power - 2);
    int64_t step = (bytes - 1 - ((int64_t)1 << power)) / quarter;
    *capacity = ((int64_t)1 << power) + (step + 1) * quarter;
    return (power - 6) * 4 + (int)step + 1;
}

static block *take_large(int64_t bytes)
{
    for (block **at = &large_free; *at; at = &(*at)->next) {
        block *b = *at;
        if (b->size < bytes) continue;
        if (b->size > bytes + bytes / 8) return NULL;  // would waste too much
        *at = b->next;
        return b;
    }
    return NULL;
}

static void put_large(block *b)
{
    block **at = &large_free;
    while (*at && (*at)->size < b->size) at = &(*at)->next;
    b->next = *at;
    *at = b;
}

static void unlink_large(block *b)
{
    block **at = &large_free;
    while (*at != b) at = &(*at)->next;
    *at = b->next;
}

// Cuts `bytes` from the smallest block whose rest is still a large one.
static block *cut_large(int64_t bytes)
{
    block *b = large_free;
    while (b && b->size <= bytes + LT_ALIGN + LARGE) b = b->next;
    if (!b) return NULL;
    unlink_large(b);
    block *rest = (block *)((char *)b + LT_ALIGN + bytes);
    *rest = *b;
    rest->size = b->size - bytes - LT_ALIGN;
    rest->before = b;
    if (b->after) b->after->before = rest;
    b->after = rest;
    b->size = bytes;
    stats.cached -= LT_ALIGN;
    put_large(rest);
    return b;
}

// Makes one block of b and the one after it, both in no list.
static void absorb(block *b)
{
    block *gone = b->after;
    b->size += LT_ALIGN + gone->size;
    b->after = gone->after;
    if (b->after) b->after->before = b;
    stats.cached += LT_ALIGN;
}

// Joins a free block that is in no list with its free neighbours.
static block *join_large(block *b)
{
    if (b->after && !b->after->in_use) {
        unlink_large(b->after);
        absorb(b);
    }
    if (b->before && !b->before->in_use) {
        b = b->before;
        unlink_large(b);
        absorb(b);
    }
    return b;
}

static block *map_block(int64_t capacity)
{
    int64_t total = capacity + LT_ALIGN;
    void *p = NULL;
    if (total < LARGE) {
        if (posix_memalign(&p, LT_ALIGN, (size_t)total) != 0) return NULL;
    } else {
        size_t align = total >= 2 * HUGE_PAGE ? (size_t)HUGE_PAGE : 4096;
        if (posix_memalign(&p, align, (size_t)total) != 0) return NULL;
        if (align == (size_t)HUGE_PAGE) madvise(p, (size_t)total, MADV_HUGEPAGE);
    }
    block *b = p;
    b->size = capacity;
    b->magic = MAGIC;
    b->before = b->after = NULL;
    return b;
}

static bool is_whole(const block *b)
{
    return !b->before && !b->after;
}

static void give_back(block *b)
{
    unlink_large(b);
    stats.cached -= b->size;
    free(b);
}

// All blocks together may be half as much again as was ever in use at a time, and SPARE.
static bool has_room(int64_t bytes)
{
    int64_t used = stats.live + bytes > most_live ? stats.live + bytes : most_live;
    return stats.live + stats.cached + bytes <= used + used / 2 + SPARE;
}

// Gives large blocks back, those unused the longest first, until there is room for a new one.
static void make_room(int64_t bytes)
{
    while (!has_room(bytes)) {
        block *oldest = NULL;
        for (block *b = large_free; b; b = b->next)
            if (is_whole(b) && (!oldest || b->freed < oldest->freed)) oldest = b;
        if (!oldest) break;
        give_back(oldest);
    }
}

static void trim_locked(void)
{
    for (int i = 0; i < SMALL_CLASSES; i++)
        while (small_free[i]) {
            block *b = small_free[i];
            small_free[i] = b->next;
            stats.cached -= b->size;
            free(b);
        }
    for (block *b = large_free, *next; b; b = next) {
        next = b->next;
        if (is_whole(b)) give_back(b);
    }
}

static block *find_large(int64_t bytes)
{
    block *b = take_large(bytes);
    if (b || has_room(bytes)) return b;
    b = cut_large(bytes);
    if (!b) make_room(bytes);
    return b;
}

// What the countdown of lt_memory_fail_at and the limit say about the next allocation.
static bool refused(int64_t bytes)
{
    if (fail_countdown > 0 && --fail_countdown == 0) return true;
    return live_limit > 0 && stats.live + bytes > live_limit;
}

void *lt_alloc(int64_t bytes)
{
    if (bytes < 0 || bytes > ((int64_t)1 << 46)) {
        lt_fail(LT_ERR_MEMORY, "allocation of %lld bytes refused", (long long)bytes);
        return NULL;
    }
    int64_t capacity = (bytes + 4095) / 4096 * 4096;
    int cls = -1;
    if (bytes <= LARGE) cls = size_class(bytes, &capacity);
    pthread_mutex_lock(&lock);
    block *b = NULL;
    stats.allocations++;
    if (!refused(bytes)) {
        b = cls >= 0 ? small_free[cls] : find_large(capacity);
        if (b && cls >= 0) small_free[cls] = b->next;
        if (b) stats.cached -= b->size;
        if (!b) b = map_block(capacity);
        if (!b) {
            trim_locked();
            b = map_block(capacity);
        }
    }
    if (b) {
        b->in_use = 1;
        b->asked = bytes;
        stats.live += b->size;
        stats.fresh += b->size;
        if (stats.live > stats.peak) stats.peak = stats.live;
        if (stats.live > most_live) most_live = stats.live;
    }
    int64_t live = stats.live;
    pthread_mutex_unlock(&lock);
    if (!b) {
        lt_fail(LT_ERR_MEMORY, "out of memory: %.1f MiB wanted, %.1f MiB in live tensors",
                (double)bytes / 1048576.0, (double)live / 1048576.0);
        return NULL;
    }
    return (char *)b + LT_ALIGN;
}

void lt_free(void *p)
{
    if (!p) return;
    block *b = (block *)((char *)p - LT_ALIGN);
    int64_t capacity;
    pthread_mutex_lock(&lock);
    stats.live -= b->size;
    stats.cached += b->size;
    b->in_use = 0;
    if (b->size <= LARGE) {
        int cls = size_class(b->size, &capacity);
        b->next = small_free[cls];
        small_free[cls] = b;
    } else {
        b = join_large(b);
        b->freed = ++turn;
        put_large(b);
    }
    pthread_mutex_unlock(&lock);
}

// Storages are counted apart from scratch so that leaks of tensors can be seen.
void lt_count_storage(int change)
{
    __atomic_add_fetch(&stats.storages, change, __ATOMIC_RELAXED);
}

void lt_memory(lt_memory_stats *out)
{
    pthread_mutex_lock(&lock);
    *out = stats;
    pthread_mutex_unlock(&lock);
}

void lt_memory_reset_peak(void)
{
    pthread_mutex_lock(&lock);
    stats.peak = stats.live;
    pthread_mutex_unlock(&lock);
}

void lt_memory_trim(void)
{
    pthread_mutex_lock(&lock);
    trim_locked();
    pthread_mutex_unlock(&lock);
}

void lt_memory_fail_at(int64_t n)
{
    pthread_mutex_lock(&lock);
    fail_countdown = n;
    pthread_mutex_unlock(&lock);
}

void lt_memory_limit(int64_t bytes)
{
    pthread_mutex_lock(&lock);
    live_limit = bytes;
    pthread_mutex_unlock(&lock);
}
