// terminal: asking a terminal that answers, one that does not, and none at all.
#include "core/internal.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

// Opens a pseudo-terminal; its user side is *slave. Where there are none (/dev/pts is not mounted), the
// test is passed over.
static int open_pair(char slave[64])
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0) skip();
    assert_int_equal(grantpt(master), 0);
    assert_int_equal(unlockpt(master), 0);
    assert_int_equal(ptsname_r(master, slave, 64), 0);
    return master;
}

// In a child whose terminal is `slave`: asks, and ends with 0 where the answer is `wanted`.
static pid_t ask_in_child(const char *slave, const char *wanted, double seconds)
{
    pid_t pid = fork();
    if (pid != 0) return pid;
    setsid();
    int fd = open(slave, O_RDWR);
    if (fd < 0 || ioctl(fd, TIOCSCTTY, 0) < 0) _exit(10);
    tcsetpgrp(fd, getpgrp());
    struct termios before, after;
    tcgetattr(fd, &before);
    char answer[32];
    if (lt_terminal_ask(answer, sizeof answer, "\033[c", 'c', seconds) != LT_OK) _exit(11);
    tcgetattr(fd, &after);
    if (before.c_lflag != after.c_lflag) _exit(12);
    _exit(strcmp(answer, wanted) == 0 ? 0 : 13);
}

static int ended_with(pid_t pid)
{
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Reads what the program wrote, until nothing comes for a tenth of a second.
static size_t read_all(int master, char *text, size_t room)
{
    size_t n = 0;
    struct pollfd wait = {.fd = master, .events = POLLIN};
    while (n + 1 < room && poll(&wait, 1, n ? 100 : 5000) > 0) {
        ssize_t got = read(master, text + n, room - 1 - n);
        if (got <= 0) break;
        n += (size_t)got;
    }
    text[n] = 0;
    return n;
}

static void test_answer(void **state)
{
    (void)state;
    char slave[64], text[64];
    int master = open_pair(slave);
    pid_t pid = ask_in_child(slave, "\033[?62;4c", 5);
    read_all(master, text, sizeof text);
    assert_string_equal(text, "\033[c");  // the question, and no echo of anything
    assert_int_equal(write(master, "\033[?62;4c later", 14), 14);
    assert_int_equal(ended_with(pid), 0);
    close(master);
}

static void test_silence(void **state)
{
    (void)state;
    char slave[64];
    int master = open_pair(slave);
    double started = lt_time();
    assert_int_equal(ended_with(ask_in_child(slave, "", 0.2)), 0);
    assert_true(lt_time() - started >= 0.19);
    close(master);
}

static void test_full_answer(void **state)
{
    (void)state;
    char slave[64], text[64];
    int master = open_pair(slave);
    pid_t pid = ask_in_child(slave, "0123456789012345678901234567890", 5);
    read_all(master, text, sizeof text);
    assert_int_equal(write(master, "0123456789012345678901234567890123456789", 40), 40);
    assert_int_equal(ended_with(pid), 0);
    close(master);
}

static void test_no_terminal(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        char answer[8];
        setsid();
        _exit(lt_terminal_ask(answer, sizeof answer, "x", 'c', 1) == LT_ERR_IO && !answer[0] ? 0 : 1);
    }
    assert_int_equal(ended_with(pid), 0);
}

static void test_size(void **state)
{
    (void)state;
    char slave[64];
    int32_t size[4];
    int master = open_pair(slave), fd = open(slave, O_RDWR | O_NOCTTY);
    struct winsize w = {.ws_col = 40, .ws_row = 12, .ws_xpixel = 400, .ws_ypixel = 240};
    assert_int_equal(ioctl(fd, TIOCSWINSZ, &w), 0);
    assert_true(lt_terminal_is(fd));
    assert_int_equal(lt_terminal_size(size, fd), LT_OK);
    assert_int_equal(size[0], 40);
    assert_int_equal(size[1], 12);
    assert_int_equal(size[2], 400);
    assert_int_equal(size[3], 240);
    close(fd);
    close(master);
    int null = open("/dev/null", O_RDONLY);
    assert_false(lt_terminal_is(null));
    assert_int_equal(lt_terminal_size(size, null), LT_ERR_IO);
    assert_int_equal(size[0], 0);
    close(null);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer), cmocka_unit_test(test_silence),
        cmocka_unit_test(test_full_answer), cmocka_unit_test(test_no_terminal),
        cmocka_unit_test(test_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
