// signal: what the process is told from outside: signals to stop, its terminal, its own path.
//
// A handler only notes the signal; the training loop looks at the note after each step. The first
// signal also puts the action back that was there before (by default the end of the process), so
// that the second one acts at once: nothing is lost by that, since files are written to a temporary
// name and renamed. In an interactive session SIGINT sets a flag instead, which ends the op or the
// loop that runs in the session's thread.
#include "core/internal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

static volatile sig_atomic_t pending, pause_asked;
static bool watching;
static const int watched[] = {SIGINT, SIGTERM, SIGUSR1};
static struct sigaction before[sizeof watched / sizeof watched[0]], before_pause;

static void note(int number)
{
    pending = number;
    for (size_t i = 0; i < sizeof watched / sizeof watched[0]; i++)
        if (watched[i] == number) sigaction(number, &before[i], NULL);
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

// Sets a handler, or with NULL the action kept in *before, which otherwise gets the present one.
static lt_status set_action(int number, void (*handler)(int), struct sigaction *kept)
{
    use_own_stack();
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    int failed = handler ? sigaction(number, &action, kept) : sigaction(number, kept, NULL);
    LT_REQUIRE(failed == 0, LT_ERR_IO, "signal %d: %s", number, strerror(errno));
    return LT_OK;
}

lt_status lt_signal_watch(bool on)
{
    struct sigaction other;
    for (size_t i = 0; i < sizeof watched / sizeof watched[0]; i++) {
        if (on) LT_TRY(set_action(watched[i], note, watching ? &other : &before[i]));
        else if (watching) LT_TRY(set_action(watched[i], NULL, &before[i]));
    }
    pending = 0;
    watching = on;
    return LT_OK;
}

bool lt_signal_watching(void) { return watching; }

int32_t lt_signal_pending(void) { return pending; }

bool lt_signal_noted(int number)
{
    bool ours = false;
    for (size_t i = 0; i < sizeof watched / sizeof watched[0]; i++) ours |= watched[i] == number;
    return ours && watching && pending == 0;
}

// ---- interrupting a session --------------------------------------------------------------------
enum { MOST_LEVELS = 16 };

static volatile int32_t interrupt_flag;
static volatile sig_atomic_t presses;  // since the innermost level began
static _Thread_local bool interruptible;
static pthread_t session_thread;
static struct { struct sigaction outer; bool stops; } levels[MOST_LEVELS];
static int depth;
void (*lt_on_interrupt)(void);

static bool stops(void) { return depth > 0 && levels[depth - 1].stops; }

static void interrupt(int number)
{
    if (!pthread_equal(pthread_self(), session_thread)) {  // a thread that computes got it
        pthread_kill(session_thread, number);
        return;
    }
    static const char waiting[] = "\n(waiting for the running op to end)\n";
    ssize_t ignored = interrupt_flag && stops() ? write(2, waiting, sizeof waiting - 1) : 0;
    (void)ignored;
    interrupt_flag = 1;
    presses++;
    if (lt_on_interrupt && stops()) lt_on_interrupt();
}

static lt_status set_level(bool on, bool what_runs)
{
    interrupt_flag = 0;
    presses = 0;
    if (on) {
        LT_REQUIRE(depth < MOST_LEVELS, LT_ERR_ARGUMENT, "too many sessions in each other");
        session_thread = pthread_self();
        levels[depth].stops = what_runs;
        LT_TRY(set_action(SIGINT, interrupt, &levels[depth].outer));
        depth++;
    } else if (depth > 0) {
        depth--;
        LT_TRY(set_action(SIGINT, NULL, &levels[depth].outer));
    }
    interruptible = stops();
    return LT_OK;
}

lt_status lt_interrupt_watch(bool on) { return set_level(on, true); }

lt_status lt_interrupt_spare(bool on) { return set_level(on, false); }

bool lt_interrupted(void) { return interrupt_flag && interruptible; }

bool lt_interrupt_take(void)
{
    // Cleared only where it was seen: a loop calls this all the time, and a signal comes in between.
    if (!interrupt_flag) return false;
    if (presses < 2 || !stops()) interrupt_flag = 0;
    return true;
}

// ---- pausing -----------------------------------------------------------------------------------
static void note_pause(int number)
{
    (void)number;
    pause_asked = 1;
}

lt_status lt_pause_watch(bool on)
{
    pause_asked = 0;
    return set_action(SIGQUIT, on ? note_pause : NULL, &before_pause);
}

bool lt_pause_asked(void)
{
    if (!pause_asked) return false;
    pause_asked = 0;
    return true;
}

// ---- the rest ----------------------------------------------------------------------------------
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
