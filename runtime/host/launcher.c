// launcher: the `luatrain` program. Chooses the library built for this processor and enters it.
//
// LT_LEVEL=v2|v3|v4|generic in the environment overrides the choice.
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef int (*main_fn)(int argc, char **argv);

static const char *const levels[] = {"v4", "v3", "v2", "generic"};

static int supported(const char *level)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    int v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
             __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    if (strcmp(level, "v4") == 0)
        return v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl");
    if (strcmp(level, "v3") == 0) return v3;
    if (strcmp(level, "v2") == 0)
        return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
#endif
    return strcmp(level, "generic") == 0;
}

// The library beside the program (a build tree) or in ../lib.../luatrain (an installation).
static void *open_library(const char *dir, const char *level)
{
    static const char *const places[] = {"", "/../lib/luatrain", "/../lib/x86_64-linux-gnu/luatrain",
                                         "/../lib/aarch64-linux-gnu/luatrain", "/../lib64/luatrain"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char path[PATH_MAX + 96];
        snprintf(path, sizeof path, "%s%s/libluatrain-%s.so", dir, places[i], level);
        if (access(path, R_OK) == 0) return dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    }
    return NULL;
}

// How many tasks are running, this one included; many where nobody knows.
static int running(void)
{
    int tasks = 99;
    FILE *f = fopen("/proc/loadavg", "r");
    if (!f) return tasks;
    if (fscanf(f, "%*f %*f %*f %d", &tasks) != 1) tasks = 99;
    fclose(f);
    return tasks;
}

// Whether others want the cores: not only for a moment, as a shell does after it has started us.
static int busy(void)
{
    for (int i = 0; i < 4; i++) {
        if (i) nanosleep(&(struct timespec){0, 150000}, NULL);
        if (running() <= 1) return 0;
    }
    return 1;
}

// Nanoseconds of one turn of GNU OpenMP's waiting loop: 13 to 50 from processor to processor.
static double turn_time(void)
{
    enum { TURNS = 1000 };
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < TURNS; i++) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#else
        __asm__ volatile("" ::: "memory");
#endif
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    double t = ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / TURNS;
    return t > 0.2 ? t : 0.2;
}

// How long threads that wait for each other spin before they sleep. Waking one takes up to 0.1 ms, more
// than the gaps between the kernels of small models; but where other work wants the cores, spinning keeps
// the thread away that is waited for: the default of GNU OpenMP, milliseconds, made a training step 12
// times slower (2.4 s, 0.2 s). tests/bench/NOTES.md has the figures.
// Returns the seconds; 0 where the user has said it.
static double wait_politely(void)
{
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT")) return 0;
    char turns[32];
    double patience = busy() ? 26e-6 : 130e-6;
    snprintf(turns, sizeof turns, "%.0f", patience * 1e9 / turn_time());
    return setenv("GOMP_SPINCOUNT", turns, 0) == 0 ? patience : 0;
}

int main(int argc, char **argv)
{
    char dir[PATH_MAX];
    double patience = wait_politely();
    ssize_t n = readlink("/proc/self/exe", dir, sizeof dir - 1);
    dir[n > 0 ? n : 0] = 0;
    char *slash = strrchr(dir, '/');
    if (slash) *slash = 0;
    const char *wanted = getenv("LT_LEVEL");
    void *library = NULL;
    for (size_t i = 0; i < sizeof levels / sizeof *levels && !library; i++)
        if (wanted ? strcmp(wanted, levels[i]) == 0 : supported(levels[i]))
            library = open_library(dir, levels[i]);
    if (!library) {
        const char *why = dlerror();
        fprintf(stderr, "luatrain: no library for this processor beside %s: %s\n", dir,
                why ? why : "none found");
        return 1;
    }
    if (patience) unsetenv("GOMP_SPINCOUNT");  // read by now; other programs are to look for themselves
    double *known = (double *)dlsym(library, "lt_patience");
    if (known) *known = patience;
    main_fn enter = (main_fn)dlsym(library, "lt_main");
    if (!enter) {
        fprintf(stderr, "luatrain: %s\n", dlerror());
        return 1;
    }
    return enter(argc, argv);
}
