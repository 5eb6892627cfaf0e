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

// flock without waiting; but where the holder is dead, for up to two seconds: the system closes a dead
// process's files a little after its end is known, and a program that it was just starting keeps them
// open until that program takes over.
static int try_lock(int fd)
{
    for (int tries = 0;; tries++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) return 0;
        int32_t holder = errno == EWOULDBLOCK ? holder_of(fd) : -1;
        if (holder < 0 || tries == 100 || kill(holder, 0) == 0 || errno != ESRCH) break;
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
