// Signals during products and convolutions: while they run, the stack pointer must stand in the stack,
// or the frame of a signal handler would be written over the heap (oneDNN's gemm moves it).
#include "core/internal.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/time.h>
#include <ucontext.h>

#include <cmocka.h>

#if defined(__x86_64__)

static volatile sig_atomic_t inside, outside;
static char *lowest, *highest;

static void sample(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info;
    const char *sp = (char *)((ucontext_t *)context)->uc_mcontext.gregs[REG_RSP];
    if (sp >= lowest && sp < highest)
        inside++;
    else
        outside++;
}

// The main thread's stack, and a clock that interrupts it every 200 microseconds of its work.
static void start_sampling(void)
{
    pthread_attr_t attr;
    void *low = NULL;
    size_t size = 0;
    assert_int_equal(pthread_getattr_np(pthread_self(), &attr), 0);
    assert_int_equal(pthread_attr_getstack(&attr, &low, &size), 0);
    pthread_attr_destroy(&attr);
    lowest = low;
    highest = lowest + size;
    static char room[256 << 10];
    stack_t own = {.ss_sp = room, .ss_size = sizeof room};
    assert_int_equal(sigaltstack(&own, NULL), 0);
    struct sigaction action = {.sa_sigaction = sample,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    struct itimerval clock = {{0, 200}, {0, 200}};
    assert_int_equal(setitimer(ITIMER_REAL, &clock, NULL), 0);
}

static lt_tensor filled(int32_t ndim, const int64_t *shape)
{
    lt_tensor t = {0};
    assert_int_equal(lt_tensor_new(&t, LT_F32, ndim, shape), LT_OK);
    for (int64_t i = 0; i < lt_numel(&t); i++) lt_f32(&t)[i] = (float)(i % 7);
    return t;
}

// One call forward and one backward with weights (n, k) for m rows.
static void products(int64_t m, int64_t n, int64_t k)
{
    lt_tensor x = filled(2, (int64_t[]){m, k}), w = filled(2, (int64_t[]){n, k});
    lt_tensor y = filled(2, (int64_t[]){m, n}), dx = filled(2, (int64_t[]){m, k});
    lt_tensor dw = filled(2, (int64_t[]){n, k});
    const int calls = (int)(200000000 / (m * n * k)) + 1;
    for (int i = 0; i < calls; i++) {
        assert_int_equal(lt_linear(&y, NULL, &x, &w, NULL, 0), LT_OK);
        assert_int_equal(lt_linear_backward(&dx, &dw, NULL, &y, &x, &w, NULL, 0), LT_OK);
    }
    lt_tensor *all[] = {&x, &w, &y, &dx, &dw};
    for (int i = 0; i < 5; i++) lt_tensor_release(all[i]);
}

static void the_stack_pointer_stays_in_the_stack(void **state)
{
    (void)state;
    lt_set_threads(1);  // a signal of the process may interrupt any of its threads; we know one stack
    start_sampling();
    static const int64_t shapes[][3] = {{64, 256, 128}, {64, 128, 256}, {64, 64, 128},
                                        {256, 256, 256}, {33, 17, 400}, {1024, 512, 512}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        products(shapes[i][0], shapes[i][1], shapes[i][2]);
    struct itimerval off = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &off, NULL);
    assert_true(inside > 0);
    assert_int_equal(outside, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_stack_pointer_stays_in_the_stack)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void) { return 0; }

#endif
