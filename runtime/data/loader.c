// loader: threads that make batches, each in a Lua state of its own.
//
// The main thread puts jobs (opaque bytes) in and takes results out in the order it put them; which
// worker makes which is left to chance and changes nothing. A result is a list of named tensors
// and a note (opaque bytes). Tensors cross the border as values with a reference of their own:
// the worker's Lua and the main Lua never share an object.
//
// Nothing here calls Lua except the worker thread itself, which runs
// require("luatrain.data.worker").main(loader, spec) and returns from it when the loader closes.
#include "core/internal.h"
#include "host/host.h"

#include <lauxlib.h>
#include <lua.h>
#include <omp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

enum { WAITING, RUNNING, DONE, ABANDONED };

typedef struct lt_job {
    struct lt_job *next;
    int32_t state;
    char *text, *note;  // what to do; what came of it
    int64_t text_bytes, note_bytes;
    int32_t count, room;
    lt_tensor *tensors;
    char **names;
} lt_job;

struct lt_loader {
    pthread_mutex_t mutex;
    pthread_cond_t work, ready;  // a job waits; a job is done or a worker died
    lt_job *first, *last;        // in the order of lt_loader_put
    lt_job *current;             // the result being read by the main thread
    bool closing;
    int32_t workers, started, alive;
    pthread_t *threads;
    char *spec;
    int64_t spec_bytes;
    char failure[1024];          // the first death of a worker
};

static char *copy_bytes(const char *bytes, int64_t n)
{
    char *copy = malloc((size_t)n + 1);
    if (!copy) return NULL;
    if (n) memcpy(copy, bytes, (size_t)n);
    copy[n] = 0;
    return copy;
}

static void job_free(lt_job *job)
{
    if (!job) return;
    for (int32_t i = 0; i < job->count; i++) {
        lt_tensor_release(&job->tensors[i]);
        free(job->names[i]);
    }
    free(job->tensors);
    free(job->names);
    free(job->text);
    free(job->note);
    free(job);
}

static void unlink_job(lt_loader *l, lt_job *job)
{
    lt_job **at = &l->first;
    lt_job *before = NULL;
    while (*at && *at != job) {
        before = *at;
        at = &before->next;
    }
    if (!*at) return;
    *at = job->next;
    if (l->last == job) l->last = before;
}

// ---- the worker's side -------------------------------------------------------------------------

static void worker_failed(lt_loader *l, const char *text)
{
    pthread_mutex_lock(&l->mutex);
    if (!l->failure[0]) snprintf(l->failure, sizeof l->failure, "%s", text);
    pthread_mutex_unlock(&l->mutex);
}

// The worker's Lua program; leaves the error text in l->failure where it fails.
static void run_lua(lt_loader *l)
{
    lua_State *L = lt_host_open();
    if (!L) {
        worker_failed(l, "the worker's Lua state could not be made");
        return;
    }
    lua_getglobal(L, "require");
    lua_pushliteral(L, "luatrain.data.worker");
    int failed = lua_pcall(L, 1, 1, 0);
    if (!failed) {
        lua_getfield(L, -1, "main");
        lua_pushlightuserdata(L, l);
        lua_pushlstring(L, l->spec, (size_t)l->spec_bytes);
        failed = lua_pcall(L, 2, 0, 0);
    }
    if (failed) {
        const char *text = lua_tostring(L, -1);
        worker_failed(l, text ? text : "error without a text");
    }
    lua_close(L);
}

static void *worker_thread(void *p)
{
    lt_loader *l = p;
    omp_set_num_threads(1);  // one core a worker: the step has the others
    run_lua(l);
    pthread_mutex_lock(&l->mutex);
    l->alive--;
    pthread_cond_broadcast(&l->ready);
    pthread_mutex_unlock(&l->mutex);
    return NULL;
}

lt_status lt_loader_take(lt_loader *l, lt_job **job, const char **text, int64_t *bytes)
{
    lt_status status = LT_ERR_END;
    pthread_mutex_lock(&l->mutex);
    while (!l->closing) {
        lt_job *j = l->first;
        while (j && j->state != WAITING) j = j->next;
        if (j) {
            j->state = RUNNING;
            *job = j;
            *text = j->text;
            *bytes = j->text_bytes;
            status = LT_OK;
            break;
        }
        pthread_cond_wait(&l->work, &l->mutex);
    }
    pthread_mutex_unlock(&l->mutex);
    return status;
}

// The job belongs to its worker while it runs, so no lock is needed here.
lt_status lt_loader_emit(lt_job *job, const char *name, const lt_tensor *t)
{
    if (job->count == job->room) {
        int32_t room = job->room ? 2 * job->room : 8;
        lt_tensor *tensors = realloc(job->tensors, (size_t)room * sizeof *tensors);
        if (tensors) job->tensors = tensors;
        char **names = realloc(job->names, (size_t)room * sizeof *names);
        if (names) job->names = names;
        LT_REQUIRE(tensors && names, LT_ERR_MEMORY, "loader: out of memory for a batch");
        job->room = room;
    }
    char *copy = copy_bytes(name, (int64_t)strlen(name));
    LT_REQUIRE(copy, LT_ERR_MEMORY, "loader: out of memory for a batch");
    lt_status status = lt_tensor_retain(&job->tensors[job->count], t);
    if (status != LT_OK) {
        free(copy);
        return status;
    }
    job->names[job->count++] = copy;
    return LT_OK;
}

lt_status lt_loader_done(lt_loader *l, lt_job *job, const char *note, int64_t bytes)
{
    char *copy = copy_bytes(note, bytes);
    LT_REQUIRE(copy, LT_ERR_MEMORY, "loader: out of memory for a batch");
    pthread_mutex_lock(&l->mutex);
    job->note = copy;
    job->note_bytes = bytes;
    if (job->state == ABANDONED) {
        unlink_job(l, job);
        job_free(job);
    } else {
        job->state = DONE;
    }
    pthread_cond_broadcast(&l->ready);
    pthread_mutex_unlock(&l->mutex);
    return LT_OK;
}

bool lt_loader_closing(lt_loader *l)
{
    pthread_mutex_lock(&l->mutex);
    bool closing = l->closing;
    pthread_mutex_unlock(&l->mutex);
    return closing;
}

// ---- the main thread's side --------------------------------------------------------------------

static lt_status start_workers(lt_loader *l)
{
    // Signals are for the main thread.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int failed = 0;
    for (int32_t i = 0; i < l->workers && !failed; i++) {
        l->alive++;
        failed = pthread_create(&l->threads[i], NULL, worker_thread, l);
        if (failed) l->alive--;
        else l->started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    LT_REQUIRE(!failed, LT_ERR_IO, "loader: cannot start %d worker threads: %s", l->workers,
               strerror(failed));
    return LT_OK;
}

lt_status lt_loader_open(lt_loader **out, int32_t workers, const char *spec, int64_t bytes)
{
    *out = NULL;
    LT_REQUIRE(workers >= 1 && workers <= 256, LT_ERR_ARGUMENT,
               "loader: %d workers, from 1 to 256 are possible", workers);
    lt_loader *l = calloc(1, sizeof *l);
    LT_REQUIRE(l, LT_ERR_MEMORY, "loader: out of memory");
    pthread_mutex_init(&l->mutex, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_cond_init(&l->ready, NULL);
    l->workers = workers;
    l->threads = calloc((size_t)workers, sizeof *l->threads);
    l->spec = copy_bytes(spec, bytes);
    l->spec_bytes = bytes;
    lt_status status = l->threads && l->spec
        ? start_workers(l)
        : lt_fail(LT_ERR_MEMORY, "loader: out of memory");
    if (status != LT_OK) {
        lt_loader_close(l);
        return status;
    }
    *out = l;
    return LT_OK;
}

lt_status lt_loader_put(lt_loader *l, const char *text, int64_t bytes)
{
    lt_job *job = calloc(1, sizeof *job);
    if (job) job->text = copy_bytes(text, bytes);
    if (!job || !job->text) {
        free(job);
        return lt_fail(LT_ERR_MEMORY, "loader: out of memory for a job");
    }
    job->text_bytes = bytes;
    pthread_mutex_lock(&l->mutex);
    if (l->last) l->last->next = job;
    else l->first = job;
    l->last = job;
    pthread_cond_signal(&l->work);
    pthread_mutex_unlock(&l->mutex);
    return LT_OK;
}

// The oldest job that was not abandoned.
static lt_job *oldest(lt_loader *l)
{
    lt_job *job = l->first;
    while (job && job->state == ABANDONED) job = job->next;
    return job;
}

lt_status lt_loader_next(lt_loader *l, const char **note, int64_t *bytes, int32_t *tensors)
{
    lt_status status = LT_OK;
    job_free(l->current);
    l->current = NULL;
    pthread_mutex_lock(&l->mutex);
    lt_job *job;
    for (;;) {
        job = oldest(l);
        if (!job) {
            status = lt_fail(LT_ERR_END, "loader: no job was put in");
            break;
        }
        if (job->state == DONE) break;
        if (l->failure[0]) {
            status = lt_fail(LT_ERR_ARGUMENT, "%s", l->failure);
            break;
        }
        if (l->alive == 0) {
            status = lt_fail(LT_ERR_ARGUMENT, "loader: all workers have ended");
            break;
        }
        pthread_cond_wait(&l->ready, &l->mutex);
    }
    if (status == LT_OK) {
        unlink_job(l, job);
        l->current = job;
        *note = job->note;
        *bytes = job->note_bytes;
        *tensors = job->count;
    }
    pthread_mutex_unlock(&l->mutex);
    return status;
}

lt_status lt_loader_tensor(lt_loader *l, int32_t index, lt_tensor *t, const char **name)
{
    lt_job *job = l->current;
    LT_REQUIRE(job && index >= 0 && index < job->count, LT_ERR_ARGUMENT,
               "loader: the batch has no tensor %d", index);
    *name = job->names[index];
    return lt_tensor_retain(t, &job->tensors[index]);
}

void lt_loader_flush(lt_loader *l)
{
    pthread_mutex_lock(&l->mutex);
    for (lt_job *job = l->first, *next; job; job = next) {
        next = job->next;
        if (job->state == RUNNING || job->state == ABANDONED) {
            job->state = ABANDONED;
        } else {
            unlink_job(l, job);
            job_free(job);
        }
    }
    pthread_mutex_unlock(&l->mutex);
    job_free(l->current);
    l->current = NULL;
}

void lt_loader_close(lt_loader *l)
{
    if (!l) return;
    pthread_mutex_lock(&l->mutex);
    l->closing = true;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->mutex);
    for (int32_t i = 0; i < l->started; i++) pthread_join(l->threads[i], NULL);
    while (l->first) {
        lt_job *next = l->first->next;
        job_free(l->first);
        l->first = next;
    }
    job_free(l->current);
    pthread_cond_destroy(&l->work);
    pthread_cond_destroy(&l->ready);
    pthread_mutex_destroy(&l->mutex);
    free(l->threads);
    free(l->spec);
    free(l);
}

// ---- order and seeds ---------------------------------------------------------------------------

// splitmix64 (Steele, Lea, Flood 2014): one step of a generator, and a good mixer of bits.
static uint64_t mix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t mix_three(int64_t a, int64_t b, int64_t c)
{
    uint64_t state = (uint64_t)a;
    state = mix(&state) ^ (uint64_t)b;
    state = mix(&state) ^ (uint64_t)c;
    return mix(&state);
}

double lt_loader_seed(int64_t seed, int64_t epoch, int64_t index)
{
    return (double)(mix_three(seed, epoch, index) >> 11);
}

// Fisher and Yates; the remainder favours no index measurably: n is far below 2^64.
static void shuffle(int64_t *list, int64_t n, uint64_t *state)
{
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t k = (int64_t)(mix(state) % (uint64_t)(i + 1));
        int64_t kept = list[i];
        list[i] = list[k];
        list[k] = kept;
    }
}

void lt_loader_order(int64_t *order, int64_t n, int64_t seed, int64_t epoch)
{
    uint64_t state = mix_three(seed, epoch, -1);
    for (int64_t i = 0; i < n; i++) order[i] = i;
    shuffle(order, n, &state);
}

// begin[g] to begin[g + 1]: where the samples of group g stand in `sorted`.
static void sort_by_group(int64_t *sorted, int64_t *begin, const int32_t *groups, int64_t n, int64_t count)
{
    for (int64_t g = 0; g <= count; g++) begin[g] = 0;
    for (int64_t i = 0; i < n; i++) begin[groups[i] + 1]++;
    for (int64_t g = 0; g < count; g++) begin[g + 1] += begin[g];
    for (int64_t i = n - 1; i >= 0; i--) sorted[--begin[groups[i] + 1]] = i;
    for (int64_t g = 0; g < count; g++) begin[g] = begin[g + 1];
    begin[count] = n;
}

lt_status lt_loader_order_grouped(int64_t *order, int64_t n, const int32_t *groups, int32_t window,
                                  int64_t seed, int64_t epoch)
{
    enum { MAX_GROUPS = 1 << 24 };
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        LT_REQUIRE(groups[i] >= 0 && groups[i] < MAX_GROUPS, LT_ERR_ARGUMENT, "loader: group %d",
                   groups[i]);
        if (groups[i] >= count) count = groups[i] + 1;
    }
    LT_REQUIRE(window >= 1, LT_ERR_ARGUMENT, "loader: a window of %d groups", window);
    int64_t *sorted = malloc((size_t)(n + 2 * count + 2) * sizeof *sorted);
    LT_REQUIRE(sorted, LT_ERR_MEMORY, "loader: out of memory for the order of %lld samples", (long long)n);
    int64_t *begin = sorted + n, *turn = begin + count + 1, used = 0;
    uint64_t state = mix_three(seed, epoch, -2);
    sort_by_group(sorted, begin, groups, n, count);
    for (int64_t g = 0; g < count; g++)
        if (begin[g + 1] > begin[g]) turn[used++] = g;
    shuffle(turn, used, &state);
    int64_t at = 0, start = 0;
    for (int64_t k = 0; k < used; k++) {
        const int64_t g = turn[k], size = begin[g + 1] - begin[g];
        memcpy(order + at, sorted + begin[g], (size_t)size * sizeof *order);
        at += size;
        if ((k + 1) % window == 0 || k + 1 == used) {
            shuffle(order + start, at - start, &state);
            start = at;
        }
    }
    free(sorted);
    return LT_OK;
}
