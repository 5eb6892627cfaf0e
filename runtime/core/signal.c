// signal: what the process is told from outside: signals to stop, its terminal, its own path.
//
// A handler only notes the signal; the training loop looks at the note after each step. The first
// signal also puts the default action back, so that the second one ends the process at once:
// nothing is lost by that, since files are written to a temporary name and renamed.
#include "core/internal.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

static volatile sig_atomic_t pending;
static bool watching;
static const int watched[] = {SIGINT, SIGTERM, SIGUSR1};

static void note(int number)
{
    pending = number;
}

// Handlers get a stack of their own: libraries with generated code (oneDNN's gemm) use the stack
// pointer for other things, and a signal's frame would be written over whatever it points to.
static void use_own_stack(void)
{
    static char room[128 << 10];  // a frame with all vector and matrix registers is 11 KiB
    stack_t now;
    if (sigaltstack(NULL, &now) == 0 && !(now.ss_flags & SS_DISABLE)) return;
    stack_t own = {.ss_sp = room, .ss_size = sizeof room};
    sigaltstack(&own, NULL);
}

lt_status lt_signal_watch(bool on)
{
    use_own_stack();
    for (size_t i = 0; i < sizeof watched / sizeof watched[0]; i++) {
        struct sigaction action = {.sa_handler = on ? note : SIG_DFL};
        sigemptyset(&action.sa_mask);
        action.sa_flags = SA_RESTART | SA_ONSTACK | (on ? SA_RESETHAND : 0);
        LT_REQUIRE(sigaction(watched[i], &action, NULL) == 0, LT_ERR_IO, "signal %d: %s",
                   watched[i], strerror(errno));
    }
    pending = 0;
    watching = on;
    return LT_OK;
}

bool lt_signal_watching(void) { return watching; }

int32_t lt_signal_pending(void)
{
    return pending;
}

lt_status lt_signal_raise(int32_t number)
{
    LT_REQUIRE(raise(number) == 0, LT_ERR_ARGUMENT, "signal %d: %s", number, strerror(errno));
    return LT_OK;
}

int32_t lt_terminal_columns(int32_t fd)
{
    struct winsize size = {0};
    if (!isatty(fd)) return 0;
    if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
    return size.ws_col;
}

const char *lt_program_path(void)
{
    static char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[n > 0 ? n : 0] = 0;
    return path;
}
