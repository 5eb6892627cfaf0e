// lock: a file that one process at a time holds (flock(2)). The system lets go of it when the process
// ends, however it ends: there is no stale lock to clean up. The holder's number stands in the file,
// for messages only.
#include "core/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

struct lt_lock { int fd; };

// The number in the file; -1 where there is none, as when its writer has only just begun.
static int32_t holder_of(int fd)
{
    char text[24] = "";
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    long pid = n > 0 ? strtol(text, NULL, 10) : 0;
    return pid > 0 ? (int32_t)pid : -1;
}

// Makes `text` the file's content. A full disk is no reason to go without the lock.
static void note(int fd, const char *text)
{
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, strlen(text), 0) < 0) return;
}

// What /proc says of a process that exists: ended, but not yet seen by its parent, or with a SIGKILL that
// waits until a write to the disk is done, as writes of checkpoints are for seconds.
static bool is_dying(int32_t pid)
{
    char path[40], line[128];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f) return false;
    const unsigned long long killed = 1ull << (SIGKILL - 1);
    bool dying = false;
    char state;
    unsigned long long pending;
    while (!dying && fgets(line, sizeof line, f)) {
        if (sscanf(line, "State: %c", &state) == 1)
            dying = state == 'Z' || state == 'X';
        else if (sscanf(line, "SigPnd: %llx", &pending) == 1 || sscanf(line, "ShdPnd: %llx", &pending) == 1)
            dying = pending & killed;
    }
    fclose(f);
    return dying;
}

bool lt_process_is_gone(int32_t pid)
{
    return kill(pid, 0) == 0 ? is_dying(pid) : errno == ESRCH;
}

// flock without waiting; but where the holder is gone, for up to ten seconds: the system closes its files
// a little after its end is known, or when the disk has taken what it wrote, and a program that it was just
// starting keeps them open until that program takes over.
static int try_lock(int fd)
{
    for (int tries = 0;; tries++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) return 0;
        int32_t holder = errno == EWOULDBLOCK ? holder_of(fd) : -1;
        if (holder < 0 || tries == 500 || !lt_process_is_gone(holder)) break;
        nanosleep(&(struct timespec){0, 20000000}, NULL);
    }
    return flock(fd, LOCK_EX | LOCK_NB);
}

lt_status lt_lock_open(lt_lock **out, int32_t *holder, const char *path)
{
    *out = NULL;
    *holder = 0;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    LT_REQUIRE(fd >= 0, LT_ERR_IO, "cannot open %s: %m", path);
    lt_status status = LT_OK;
    if (try_lock(fd) == 0) {
        char number[16];
        snprintf(number, sizeof number, "%d\n", (int)getpid());
        *out = malloc(sizeof **out);
        if (*out) {
            (*out)->fd = fd;
            note(fd, number);
            return LT_OK;
        }
        status = lt_fail(LT_ERR_MEMORY, "%s: out of memory", path);
    } else if (errno == EWOULDBLOCK) {
        *holder = holder_of(fd);
    } else if (errno != ENOLCK && errno != ENOSYS && errno != EOPNOTSUPP && errno != EINVAL) {
        status = lt_fail(LT_ERR_IO, "cannot lock %s: %m", path);
    }
    close(fd);
    return status;
}

void lt_lock_close(lt_lock *lock)
{
    if (!lock) return;
    note(lock->fd, "");
    close(lock->fd);
    free(lock);
}
