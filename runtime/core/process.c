// process: child programs without a shell: log file, exit code, time limit, group kill.
#include "core/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

// A line (or -1) becomes the child's descriptor LT_LINE_CHILD: before anything else, since the line may
// have the number of an output that is closed here. (Onto itself the action clears close-on-exec.)
static int spawn_actions(posix_spawn_file_actions_t *actions, const char *directory, const char *log,
                         int line)
{
    int error = line >= 0 ? posix_spawn_file_actions_adddup2(actions, line, LT_LINE_CHILD) : 0;
    if (!error) error = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
    if (!error)
        error = posix_spawn_file_actions_addopen(actions, 1, log ? log : "/dev/null",
                                                 O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (!error) error = posix_spawn_file_actions_adddup2(actions, 1, 2);
    if (!error && directory) error = posix_spawn_file_actions_addchdir_np(actions, directory);
    return error;
}

// The child gets its own group, default signal actions and no blocked signals.
static int spawn_attributes(posix_spawnattr_t *attributes)
{
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    int error = posix_spawnattr_setpgroup(attributes, 0);
    if (!error) error = posix_spawnattr_setsigdefault(attributes, &all);
    if (!error) error = posix_spawnattr_setsigmask(attributes, &none);
    if (!error)
        error = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
                                                         POSIX_SPAWN_SETSIGMASK);
    return error;
}

static lt_status start(lt_process *p, const char *const *argv, const char *directory,
                       const char *log, double timeout, int line)
{
    *p = (lt_process){.started = lt_time()};
    LT_REQUIRE(argv && argv[0] && argv[0][0], LT_ERR_ARGUMENT, "process: the program has no name");
    // Tried here for a better sentence than the spawn's: a log that cannot be written.
    if (log) {
        int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        LT_REQUIRE(fd >= 0, LT_ERR_IO, "cannot write %s: %m", log);
        close(fd);
    }
    if (directory)
        LT_REQUIRE(access(directory, X_OK) == 0, LT_ERR_IO, "cannot run %s in %s: %m", argv[0],
                   directory);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    pid_t pid = 0;
    int error = posix_spawn_file_actions_init(&actions);
    LT_REQUIRE(!error, LT_ERR_MEMORY, "process: out of memory");
    error = posix_spawnattr_init(&attributes);
    if (!error) {
        error = spawn_actions(&actions, directory, log, line);
        if (!error) error = spawn_attributes(&attributes);
        if (!error)
            error = posix_spawnp(&pid, argv[0], &actions, &attributes, (char *const *)argv, environ);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    LT_REQUIRE(error != ENOENT, LT_ERR_IO, "cannot run %s: no such program on PATH", argv[0]);
    LT_REQUIRE(!error, LT_ERR_IO, "cannot run %s: %s", argv[0], strerror(error));
    p->pid = pid;
    p->state = LT_PROCESS_RUNNING;
    p->deadline = timeout > 0 ? p->started + timeout : 0;
    return LT_OK;
}

lt_status lt_process_start(lt_process *p, const char *const *argv, const char *directory,
                           const char *log, double timeout)
{
    return start(p, argv, directory, log, timeout, -1);
}

lt_status lt_process_start_talking(lt_process *p, const char *const *argv, const char *directory,
                                   const char *log, double timeout, int32_t *line)
{
    int ends[2];
    *line = -1;
    *p = (lt_process){0};
    LT_REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, LT_ERR_IO,
               "cannot talk to %s: %m", argv && argv[0] ? argv[0] : "a program");
    lt_status status = start(p, argv, directory, log, timeout, ends[1]);
    close(ends[1]);
    if (status == LT_OK) *line = ends[0];
    else close(ends[0]);
    return status;
}

lt_status lt_process_signal(lt_process *p, int32_t number)
{
    if (p->state != LT_PROCESS_RUNNING) return LT_OK;
    LT_REQUIRE(kill(p->pid, number) == 0, LT_ERR_IO, "signal %d to process %d: %m", number, p->pid);
    return LT_OK;
}

static void reaped(lt_process *p, int status, bool timed_out)
{
    bool exited = WIFEXITED(status);
    p->seconds = lt_time() - p->started;
    p->code = exited ? WEXITSTATUS(status) : WTERMSIG(status);
    p->state = timed_out ? LT_PROCESS_TIMEOUT : exited ? LT_PROCESS_EXITED : LT_PROCESS_KILLED;
}

// Kills the group and waits for its leader.
static void end_group(lt_process *p, bool timed_out)
{
    int status = 0;
    pid_t got;
    kill(-p->pid, SIGKILL);
    do got = waitpid(p->pid, &status, 0);
    while (got < 0 && errno == EINTR);
    reaped(p, got == p->pid ? status : SIGKILL, timed_out);
}

void lt_process_kill(lt_process *p)
{
    if (p && p->state == LT_PROCESS_RUNNING) end_group(p, false);
}

// True when p has just ended.
static bool has_ended(lt_process *p)
{
    int status = 0;
    pid_t got = waitpid(p->pid, &status, WNOHANG);
    if (got == p->pid) reaped(p, status, false);
    else if (got < 0 && errno == ECHILD) reaped(p, SIGKILL, false);  // reaped by someone else
    else if (p->deadline > 0 && lt_time() >= p->deadline) end_group(p, true);
    else return false;
    return true;
}

lt_status lt_process_wait(int32_t *index, lt_process *const *p, int32_t n, double seconds)
{
    double end = lt_time() + seconds;
    long nap = 200000;  // nanoseconds: 0.2 ms at first, up to 10 ms
    *index = -1;
    for (;;) {
        bool running = false;
        for (int32_t i = 0; i < n; i++) {
            if (p[i]->state != LT_PROCESS_RUNNING) continue;
            running = true;
            if (has_ended(p[i])) {
                *index = i;
                return LT_OK;
            }
        }
        if (!running || lt_time() >= end) return LT_OK;
        nanosleep(&(struct timespec){0, nap}, NULL);
        if (nap < 10000000) nap += nap / 2;
    }
}

int32_t lt_cpus(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int32_t)n : 1;
}

// The bits of the processors from the first-th of those that this process may use.
lt_status lt_cpus_keep(int32_t first, int32_t count)
{
    cpu_set_t now, kept;
    CPU_ZERO(&kept);
    LT_REQUIRE(sched_getaffinity(0, sizeof now, &now) == 0, LT_ERR_IO, "processors: %m");
    int32_t seen = 0;
    for (int i = 0; i < CPU_SETSIZE; i++) {
        if (!CPU_ISSET(i, &now)) continue;
        if (seen >= first && seen < first + count) CPU_SET(i, &kept);
        seen++;
    }
    LT_REQUIRE(CPU_COUNT(&kept) == count, LT_ERR_ARGUMENT,
               "processors %d to %d: this process may use only %d", first, first + count - 1, seen);
    LT_REQUIRE(sched_setaffinity(0, sizeof kept, &kept) == 0, LT_ERR_IO, "processors: %m");
    return LT_OK;
}

int32_t lt_getpid(void) { return (int32_t)getpid(); }

const char *lt_host_name(void)
{
    static _Thread_local char name[65];
    if (gethostname(name, sizeof name - 1) != 0) name[0] = 0;
    return name;
}
