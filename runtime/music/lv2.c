// lv2: notes from LV2 plugins, rendered by worker processes (runtime/lv2) that may crash or hang.
//
// Each worker has one sound under way. When it answers it gets the next; when it dies, or takes longer
// than allowed, that sound has failed, with the reason, and a new worker takes its place. Which worker
// renders a sound makes no difference: each is made from a fresh instance of the plugin.
#include "core/internal.h"
#include "lv2/protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { MOST_WORKERS = 256, MOST_SOUNDS = 32 };

typedef struct worker {
    pid_t pid;        // 0: not running
    int socket;
    int sounds;       // rendered so far; instances are not freed, so a worker does not serve for ever
    int64_t row;      // the sound under way, -1 for none
    double deadline;
    lv2_answer answer;
    int64_t got;      // bytes of the answer and what follows it
    char text[257];   // of a refusal
} worker;

typedef struct failure { int64_t row; char text[256]; } failure;

struct lt_lv2_pool {
    char *program, *uri;
    int workers;
    worker *worker;
    failure *failures;
    int64_t failure_count, failure_room;
};

// One call of lt_lv2_render.
typedef struct job {
    lt_tensor *y;
    const lt_tensor *ports, *values, *notes;
    const lt_synth_options *options;
    double timeout;
} job;

// ---- workers ------------------------------------------------------------------------------------
static void stop(worker *w, int *status)
{
    if (w->pid <= 0) return;
    kill(-w->pid, SIGKILL);  // with what the plugin may have started
    close(w->socket);
    while (waitpid(w->pid, status, 0) < 0 && errno == EINTR) {}
    *w = (worker){.row = -1};
}

static int spawn_worker(pid_t *pid, const lt_lv2_pool *pool, int socket)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    char *argv[] = {pool->program, "serve", pool->uri, NULL};
    int error = posix_spawn_file_actions_init(&actions);
    if (error) return error;
    error = posix_spawnattr_init(&attributes);
    if (!error) {
        // Plugins talk; nobody listens.
        error = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        if (!error) error = posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
        if (!error) error = posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
        if (!error) error = posix_spawn_file_actions_adddup2(&actions, socket, LV2_SOCKET);
        if (!error) error = posix_spawnattr_setpgroup(&attributes, 0);
        if (!error) error = posix_spawnattr_setsigdefault(&attributes, &all);
        if (!error) error = posix_spawnattr_setsigmask(&attributes, &none);
        if (!error)
            error = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP |
                                                              POSIX_SPAWN_SETSIGDEF |
                                                              POSIX_SPAWN_SETSIGMASK);
        if (!error) error = posix_spawn(pid, pool->program, &actions, &attributes, argv, environ);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

static lt_status start(const lt_lv2_pool *pool, worker *w)
{
    int pair[2];
    LT_REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, LT_ERR_IO,
               "lv2: no socket: %m");
    *w = (worker){.row = -1, .socket = pair[0]};
    int error = spawn_worker(&w->pid, pool, pair[1]);
    close(pair[1]);
    if (error) {
        close(pair[0]);
        *w = (worker){.row = -1};
        return lt_fail(LT_ERR_IO, "cannot run %s: %s", pool->program, strerror(error));
    }
    return LT_OK;
}

// ---- failures -----------------------------------------------------------------------------------
static lt_status add_failure(lt_lv2_pool *pool, int64_t row, const char *text)
{
    if (pool->failure_count == pool->failure_room) {
        int64_t room = pool->failure_room ? 2 * pool->failure_room : 16;
        failure *more = realloc(pool->failures, (size_t)room * sizeof *more);
        LT_REQUIRE(more, LT_ERR_MEMORY, "lv2: out of memory");
        pool->failures = more;
        pool->failure_room = room;
    }
    failure *f = &pool->failures[pool->failure_count++];
    f->row = row;
    snprintf(f->text, sizeof f->text, "%s", text);
    return LT_OK;
}

// The sound under way has failed; its row is silence.
static lt_status give_up(lt_lv2_pool *pool, job *j, worker *w, const char *text)
{
    int64_t samples = j->y->shape[1], row = w->row;
    memset(lt_f32(j->y) + row * samples, 0, (size_t)samples * sizeof(float));
    w->row = -1;
    return add_failure(pool, row, text);
}

static lt_status died(lt_lv2_pool *pool, job *j, worker *w)
{
    char text[128];
    int status = 0;
    pid_t pid = w->pid;
    int64_t row = w->row;
    // Its end of the socket is closed: it is dead, or as good as that. It is looked at without being
    // reaped, so that its group is still its own when that is killed.
    siginfo_t end = {.si_pid = 0};
    for (int i = 0; i < 100; i++) {
        if (waitid(P_PID, (id_t)pid, &end, WEXITED | WNOHANG | WNOWAIT) != 0 || end.si_pid) break;
        usleep(2000);
    }
    kill(-pid, SIGKILL);
    close(w->socket);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    *w = (worker){.row = row};
    if (WIFSIGNALED(status))
        snprintf(text, sizeof text, "the plugin crashed (%s)", strsignal(WTERMSIG(status)));
    else snprintf(text, sizeof text, "the plugin ended its process (code %d)", WEXITSTATUS(status));
    return give_up(pool, j, w, text);
}

static lt_status late(lt_lv2_pool *pool, job *j, worker *w)
{
    char text[128];
    int status = 0;
    int64_t row = w->row;
    stop(w, &status);
    w->row = row;
    snprintf(text, sizeof text, "the plugin gave no sound within %g seconds", j->timeout);
    return give_up(pool, j, w, text);
}

// ---- requests and answers -----------------------------------------------------------------------
static bool send_all(int socket, const void *data, size_t bytes)
{
    for (const char *from = data; bytes > 0;) {
        ssize_t n = send(socket, from, bytes, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        from += n;
        bytes -= (size_t)n;
    }
    return true;
}

static lt_status ask(lt_lv2_pool *pool, job *j, worker *w, int64_t row)
{
    int64_t per = j->notes->shape[0], count = j->values->shape[1];
    lv2_setting settings[LV2_MOST_SETTINGS];
    int ignored;
    if (w->sounds >= MOST_SOUNDS) stop(w, &ignored);
    if (w->pid <= 0) LT_TRY(start(pool, w));
    w->sounds++;
    for (int64_t i = 0; i < count; i++)
        settings[i] = (lv2_setting){(uint32_t)lt_i64(j->ports)[i],
                                    lt_f32(j->values)[row / per * count + i]};
    lv2_request r = {.magic = LV2_MAGIC, .settings = (uint32_t)count,
                     .sample_rate = j->options->sample_rate, .gate = j->options->gate,
                     .samples = j->y->shape[1], .note = lt_f32(j->notes)[row % per],
                     .velocity = (float)j->options->velocity};
    w->row = row;
    w->got = 0;
    w->deadline = lt_time() + j->timeout;
    // What cannot be sent is found when the answer is read.
    if (send_all(w->socket, &r, sizeof r)) send_all(w->socket, settings, (size_t)count * sizeof *settings);
    return LT_OK;
}

// Reads what has come. The answer's head first, then samples into their row, or text.
static lt_status take(lt_lv2_pool *pool, job *j, worker *w)
{
    int64_t head = sizeof w->answer, samples = j->y->shape[1] * 4;
    char *to = (char *)&w->answer + w->got;
    int64_t want = head - w->got;
    if (want <= 0) {
        to = w->answer.status ? w->text : (char *)(lt_f32(j->y) + w->row * j->y->shape[1]);
        to += w->got - head;
        want = w->answer.bytes - (w->got - head);
    }
    ssize_t n = recv(w->socket, to, (size_t)want, MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return LT_OK;
    if (n <= 0) return died(pool, j, w);
    w->got += n;
    if (w->got < head) return LT_OK;
    if (w->got == head && (w->answer.magic != LV2_MAGIC || w->answer.bytes < 0 ||
                           (w->answer.status ? w->answer.bytes > 256 : w->answer.bytes != samples)))
        return died(pool, j, w);  // the plugin has written over the worker's memory
    if (w->got < head + w->answer.bytes) return LT_OK;
    if (!w->answer.status) {
        w->row = -1;
        return LT_OK;
    }
    w->text[w->answer.bytes] = 0;
    return give_up(pool, j, w, w->text);
}

// ---- the public functions -----------------------------------------------------------------------
lt_status lt_lv2_open(lt_lv2_pool **out, const char *program, const char *uri, int32_t workers)
{
    *out = NULL;
    LT_REQUIRE(workers >= 1 && workers <= MOST_WORKERS, LT_ERR_ARGUMENT,
               "lv2: %d workers, wanted 1 to %d", workers, MOST_WORKERS);
    lt_lv2_pool *pool = calloc(1, sizeof *pool);
    LT_REQUIRE(pool, LT_ERR_MEMORY, "lv2: out of memory");
    pool->program = strdup(program);
    pool->uri = strdup(uri);
    pool->worker = calloc((size_t)workers, sizeof *pool->worker);
    pool->workers = workers;
    if (!pool->program || !pool->uri || !pool->worker) {
        pool->workers = 0;
        lt_lv2_close(pool);
        return lt_fail(LT_ERR_MEMORY, "lv2: out of memory");
    }
    for (int i = 0; i < workers; i++) pool->worker[i].row = -1;
    *out = pool;
    return LT_OK;
}

void lt_lv2_close(lt_lv2_pool *pool)
{
    if (!pool) return;
    int status;
    for (int i = 0; i < pool->workers; i++) stop(&pool->worker[i], &status);
    free(pool->program);
    free(pool->uri);
    free(pool->worker);
    free(pool->failures);
    free(pool);
}

static lt_status check_job(const job *j)
{
    const struct { const char *name; const lt_tensor *t; int dtype, ndim; } wanted[] = {
        {"y", j->y, LT_F32, 2}, {"ports", j->ports, LT_I64, 1}, {"values", j->values, LT_F32, 2},
        {"notes", j->notes, LT_F32, 1}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        LT_REQUIRE(lt_present(wanted[i].t), LT_ERR_ARGUMENT, "lv2: a tensor was released with its scope");
        LT_TRY(lt_check_dtype("lv2", wanted[i].name, wanted[i].t, wanted[i].dtype));
        LT_TRY(lt_check_contiguous("lv2", wanted[i].name, wanted[i].t));
        LT_REQUIRE(wanted[i].t->ndim == wanted[i].ndim, LT_ERR_ARGUMENT, "lv2: %s is %s",
                   wanted[i].name, LT_SHAPE(wanted[i].t));
    }
    LT_REQUIRE(j->values->shape[1] == j->ports->shape[0] && j->ports->shape[0] <= LV2_MOST_SETTINGS &&
                   j->y->shape[0] == j->values->shape[0] * j->notes->shape[0],
               LT_ERR_ARGUMENT, "lv2: y is %s, values %s, ports %s", LT_SHAPE(j->y), LT_SHAPE(j->values),
               LT_SHAPE(j->ports));
    LT_REQUIRE(j->timeout > 0, LT_ERR_ARGUMENT, "lv2: the time limit is %g seconds", j->timeout);
    return LT_OK;
}

// Waits for answers and takes them; at most 0.1 s, so that signals are seen.
static lt_status attend(lt_lv2_pool *pool, job *j)
{
    struct pollfd busy[MOST_WORKERS];
    int which[MOST_WORKERS], n = 0;
    for (int i = 0; i < pool->workers; i++)
        if (pool->worker[i].row >= 0) {
            which[n] = i;
            busy[n++] = (struct pollfd){.fd = pool->worker[i].socket, .events = POLLIN};
        }
    poll(busy, (nfds_t)n, 100);
    double now = lt_time();
    for (int k = 0; k < n; k++) {
        worker *w = &pool->worker[which[k]];
        if (busy[k].revents) LT_TRY(take(pool, j, w));
        else if (now > w->deadline) LT_TRY(late(pool, j, w));
    }
    return LT_OK;
}

static lt_status render_all(lt_lv2_pool *pool, job *j)
{
    int64_t next = 0, rows = j->y->shape[0];
    for (;;) {
        bool waiting = false;
        for (int i = 0; i < pool->workers; i++) {
            worker *w = &pool->worker[i];
            if (w->row < 0 && next < rows) LT_TRY(ask(pool, j, w, next++));
            waiting = waiting || w->row >= 0;
        }
        if (!waiting) return LT_OK;
        LT_TRY(attend(pool, j));
        LT_REQUIRE(!lt_signal_pending(), LT_ERR_INTERRUPTED, "lv2: stopped by a signal");
    }
}

lt_status lt_lv2_render(lt_lv2_pool *pool, lt_tensor *y, const lt_tensor *ports,
                        const lt_tensor *values, const lt_tensor *notes, const lt_synth_options *o,
                        double timeout)
{
    job j = {y, ports, values, notes, o, timeout};
    LT_TRY(check_job(&j));
    pool->failure_count = 0;
    lt_status status = render_all(pool, &j);
    // Workers left with a sound of this call cannot serve the next.
    int ignored;
    for (int i = 0; status != LT_OK && i < pool->workers; i++)
        if (pool->worker[i].row >= 0) stop(&pool->worker[i], &ignored);
    return status;
}

const char *lt_lv2_failure(int64_t *row, const lt_lv2_pool *pool, int64_t index)
{
    if (index < 0 || index >= pool->failure_count) return NULL;
    *row = pool->failures[index].row;
    return pool->failures[index].text;
}
