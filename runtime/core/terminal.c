// terminal: how large the terminal is, and what it answers when it is asked about itself.
#include "core/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

bool lt_terminal_is(int32_t fd) { return isatty(fd) == 1; }

lt_status lt_terminal_size(int32_t size[4], int32_t fd)
{
    struct winsize w = {0};
    memset(size, 0, 4 * sizeof *size);
    LT_REQUIRE(isatty(fd) && ioctl(fd, TIOCGWINSZ, &w) == 0, LT_ERR_IO,
               "terminal_size: file descriptor %d is no terminal", fd);
    size[0] = w.ws_col;
    size[1] = w.ws_row;
    size[2] = w.ws_xpixel;
    size[3] = w.ws_ypixel;
    return LT_OK;
}

static bool send_all(int fd, const char *text)
{
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t n = write(fd, text, left);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        text += n;
        left -= (size_t)n;
    }
    return true;
}

// Reads until the character `last` has come, the buffer is full or the time is over.
static void receive(int fd, char *answer, int32_t capacity, char last, double seconds)
{
    double end = lt_time() + seconds;
    int32_t n = 0;
    while (n + 1 < capacity) {
        double left = end - lt_time();
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (left <= 0 || poll(&wait, 1, (int)(left * 1000) + 1) <= 0) break;
        if (read(fd, answer + n, 1) != 1) break;
        if (answer[n++] == last) break;
    }
    answer[n] = 0;
}

lt_status lt_terminal_ask(char *answer, int32_t capacity, const char *question, int32_t last,
                          double seconds)
{
    LT_REQUIRE(capacity > 0, LT_ERR_ARGUMENT, "terminal_ask: no room for an answer");
    answer[0] = 0;
    int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    LT_REQUIRE(fd >= 0, LT_ERR_IO, "terminal_ask: there is no terminal: %s", strerror(errno));
    struct termios before, raw;
    // A process in the background would be stopped by the change.
    if (tcgetpgrp(fd) != getpgrp() || tcgetattr(fd, &before) != 0) {
        close(fd);
        return LT_OK;
    }
    raw = before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(fd, TCSANOW, &raw) == 0) {
        if (send_all(fd, question)) receive(fd, answer, capacity, (char)last, seconds);
        tcsetattr(fd, TCSANOW, &before);
    }
    close(fd);
    return LT_OK;
}
