// line: messages between a process and the programs it starts: one end of a socket each.
//
// The end that a dead process held is closed by the system, however it died. A child that clings to its
// line ends with its parent, in the middle of whatever it does; a parent learns of a child's death by
// an empty read.
#include "core/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

lt_status lt_line_wait(int32_t *ready, const int32_t *lines, int32_t n, double seconds)
{
    enum { MOST = 1024 };
    struct pollfd set[MOST];
    LT_REQUIRE(n >= 0 && n <= MOST, LT_ERR_ARGUMENT, "line_wait: %d lines, at most %d", n, MOST);
    for (int32_t i = 0; i < n; i++) set[i] = (struct pollfd){.fd = lines[i], .events = POLLIN};
    int got = poll(set, (nfds_t)n, seconds > 0 ? (int)ceil(seconds * 1000) : 0);
    LT_REQUIRE(got >= 0 || errno == EINTR, LT_ERR_IO, "line_wait: %m");
    for (int32_t i = 0; i < n; i++) ready[i] = got > 0 && set[i].revents != 0;
    return LT_OK;
}

lt_status lt_line_read(int32_t line, char *data, int64_t bytes, int64_t *got)
{
    ssize_t n;
    do n = recv(line, data, (size_t)bytes, 0);
    while (n < 0 && errno == EINTR);
    // A peer that died with our words unread resets the line: that, too, is its end.
    if (n < 0 && errno == ECONNRESET) n = 0;
    *got = n > 0 ? n : 0;
    LT_REQUIRE(n >= 0, LT_ERR_IO, "cannot read from the line to another process: %m");
    return LT_OK;
}

lt_status lt_line_write(int32_t line, const char *data, int64_t bytes)
{
    while (bytes > 0) {
        ssize_t n = send(line, data, (size_t)bytes, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        LT_REQUIRE(n >= 0, LT_ERR_IO, "cannot write to the line to another process: %m");
        data += n;
        bytes -= n;
    }
    return LT_OK;
}

void lt_line_close(int32_t line)
{
    if (line >= 0) close(line);
}

static void *wait_for_the_end(void *argument)
{
    struct pollfd one = {.fd = (int)(intptr_t)argument};
    while (poll(&one, 1, -1) <= 0 || !(one.revents & (POLLHUP | POLLERR | POLLNVAL))) {
    }
    if (getpgrp() == getpid()) kill(0, SIGKILL);
    kill(getpid(), SIGKILL);
    return NULL;
}

lt_status lt_line_cling(int32_t line)
{
    pthread_t thread;
    int kind = 0;
    socklen_t size = sizeof kind;
    LT_REQUIRE(getsockopt(line, SOL_SOCKET, SO_TYPE, &kind, &size) == 0, LT_ERR_IO,
               "descriptor %d is no line to a parent: %m", line);
    LT_REQUIRE(fcntl(line, F_SETFD, FD_CLOEXEC) == 0, LT_ERR_IO, "line %d: %m", line);
    int error = pthread_create(&thread, NULL, wait_for_the_end, (void *)(intptr_t)line);
    LT_REQUIRE(!error, LT_ERR_MEMORY, "line: no thread: %s", strerror(error));
    pthread_detach(thread);
    return LT_OK;
}
