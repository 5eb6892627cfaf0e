// file: whole-file reads, atomic writes, directories, and faults on demand for tests.
//
// A write is: temporary file in the same directory, write, fsync, rename, fsync of the directory
// (T. Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014). A failed fsync means the
// new file does not exist: it is never tried again on the same descriptor.
#include "core/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// ---- faults ------------------------------------------------------------------------------------

enum { FAULT_SHORT = -1, FAULT_KILL = -2, MAX_FAULTS = 8 };
typedef struct { char op[8]; int64_t at; int error; bool onward; } fault;

static struct {
    pthread_mutex_t lock;
    bool known;  // the environment has been looked at
    int count;
    fault list[MAX_FAULTS];
} faults = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const struct { const char *name; int error; } fault_errors[] = {
    {"ENOSPC", ENOSPC}, {"EIO", EIO},       {"EDQUOT", EDQUOT}, {"EACCES", EACCES},
    {"EROFS", EROFS},   {"EINTR", EINTR},   {"EMFILE", EMFILE}, {"ENOMEM", ENOMEM},
    {"SHORT", FAULT_SHORT}, {"KILL", FAULT_KILL},
};

static bool fault_parse(fault *f, const char *text)
{
    static const char *const ops[] = {"open", "read", "write", "fsync", "rename", "mkdir"};
    char op[8], plus[2], name[16];
    long long at;
    *f = (fault){{0}, 0, 0, false};
    if (sscanf(text, "%7[a-z]:%lld%1[+]:%15[A-Z]", op, &at, plus, name) == 4) f->onward = true;
    else if (sscanf(text, "%7[a-z]:%lld:%15[A-Z]", op, &at, name) != 3) return false;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (!strcmp(op, ops[i])) strcpy(f->op, op);
    for (size_t i = 0; i < sizeof fault_errors / sizeof *fault_errors; i++)
        if (!strcmp(name, fault_errors[i].name)) f->error = fault_errors[i].error;
    f->at = at;
    return f->op[0] && f->error && at > 0;
}

// Fills the list; false where the text cannot be understood.
static bool fault_set(const char *spec)
{
    faults.known = true;
    faults.count = 0;
    while (spec && *spec) {
        char one[48];
        size_t n = strcspn(spec, ",");
        if (n >= sizeof one || faults.count == MAX_FAULTS) return false;
        memcpy(one, spec, n);
        one[n] = 0;
        if (!fault_parse(&faults.list[faults.count], one)) return false;
        faults.count++;
        spec += n + (spec[n] == ',');
    }
    return true;
}

lt_status lt_file_fault(const char *spec)
{
    pthread_mutex_lock(&faults.lock);
    bool good = fault_set(spec);
    if (!good) faults.count = 0;
    pthread_mutex_unlock(&faults.lock);
    LT_REQUIRE(good, LT_ERR_ARGUMENT, "fault: '%s' is not like write:3:ENOSPC or fsync:1+:EIO", spec);
    return LT_OK;
}

// 0, an errno to fail with, or FAULT_SHORT. A text in LT_FAULT that means nothing fails all.
static int fault_now(const char *op)
{
    int error = 0;
    pthread_mutex_lock(&faults.lock);
    if (!faults.known && !fault_set(getenv("LT_FAULT"))) {
        faults.known = false;
        error = EINVAL;
    }
    for (int i = 0; i < faults.count && !error; i++) {
        fault *f = &faults.list[i];
        if (strcmp(f->op, op)) continue;
        if (f->at > 0) f->at--;
        if (f->at == 0) {
            error = f->error;
            if (!f->onward) f->at = -1;
        }
    }
    pthread_mutex_unlock(&faults.lock);
    if (error == FAULT_KILL) raise(SIGKILL);
    return error;
}

static bool faulty(const char *op)
{
    int error = fault_now(op);
    if (error > 0) errno = error;
    return error > 0;
}

// ---- the few calls that may fail on demand -----------------------------------------------------

static int open_file(const char *path, int flags)
{
    int fd;
    if (faulty("open")) return -1;
    do fd = open(path, flags | O_CLOEXEC, 0666);
    while (fd < 0 && errno == EINTR);
    return fd;
}

static ssize_t read_some(int fd, char *data, size_t bytes)
{
    ssize_t n;
    if (faulty("read")) return -1;
    do n = read(fd, data, bytes);
    while (n < 0 && errno == EINTR);
    return n;
}

// Writes all of it, in pieces the kernel takes.
static bool write_all(int fd, const char *data, int64_t bytes)
{
    while (bytes > 0) {
        size_t piece = bytes > (1 << 30) ? 1 << 30 : (size_t)bytes;
        int error = fault_now("write");
        if (error == FAULT_SHORT) piece = (piece + 1) / 2;
        if (error > 0) errno = error;
        ssize_t n = error > 0 ? -1 : write(fd, data, piece);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        data += n;
        bytes -= n;
    }
    return true;
}

static int sync_file(int fd) { return faulty("fsync") ? -1 : fsync(fd); }

// The directory part of a path, "." where it has none; to be freed.
static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

// fsync of the directory that holds path; file systems that cannot are forgiven.
static bool sync_directory(const char *path)
{
    char *dir = directory_of(path);
    int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    free(dir);
    if (fd < 0) return errno == EACCES;
    bool good = sync_file(fd) == 0 || errno == EINVAL || errno == ENOTSUP;
    int error = errno;
    close(fd);
    errno = error;
    return good;
}

// ---- reading -----------------------------------------------------------------------------------

void lt_buffer_release(lt_buffer *b)
{
    if (!b) return;
    lt_free(b->data);
    *b = (lt_buffer){NULL, 0};
}

// Room for `bytes` and the ending 0, keeping what is there.
static lt_status buffer_grow(lt_buffer *b, int64_t used, int64_t bytes)
{
    char *data = lt_alloc(bytes + 1);
    if (!data) return LT_ERR_MEMORY;
    if (used) memcpy(data, b->data, (size_t)used);
    lt_free(b->data);
    b->data = data;
    b->bytes = bytes;
    return LT_OK;
}

static lt_status read_open(lt_buffer *b, int fd, const char *path, int64_t max_bytes)
{
    struct stat st;
    LT_REQUIRE(fstat(fd, &st) == 0, LT_ERR_IO, "cannot read %s: %m", path);
    LT_REQUIRE(!S_ISDIR(st.st_mode), LT_ERR_IO, "cannot read %s: it is a directory", path);
    LT_REQUIRE(st.st_size <= max_bytes, LT_ERR_FORMAT,
               "%s: %lld bytes, more than the %lld this reader takes", path, (long long)st.st_size,
               (long long)max_bytes);
    int64_t used = 0;
    LT_TRY(buffer_grow(b, 0, st.st_size > 0 ? st.st_size : 4096));
    for (;;) {
        // One byte more than expected tells a file that has grown, or a pipe.
        ssize_t n = read_some(fd, b->data + used, (size_t)(b->bytes + 1 - used));
        LT_REQUIRE(n >= 0, LT_ERR_IO, "cannot read %s: %m", path);
        if (n == 0) break;
        used += n;
        LT_REQUIRE(used <= max_bytes, LT_ERR_FORMAT, "%s: more than the %lld bytes this reader takes",
                   path, (long long)max_bytes);
        if (used > b->bytes) LT_TRY(buffer_grow(b, used, used * 2));
    }
    b->bytes = used;
    b->data[used] = 0;
    return LT_OK;
}

lt_status lt_file_read(lt_buffer *content, const char *path, int64_t max_bytes)
{
    *content = (lt_buffer){NULL, 0};
    int fd = open_file(path, O_RDONLY);
    LT_REQUIRE(fd >= 0, LT_ERR_IO, "cannot open %s: %m", path);
    lt_status status = read_open(content, fd, path, max_bytes);
    close(fd);
    if (status != LT_OK) lt_buffer_release(content);
    return status;
}

lt_status lt_file_stat(lt_file_info *info, const char *path)
{
    struct stat st;
    *info = (lt_file_info){0, 0, LT_FILE_NONE, 0};
    if (lstat(path, &st) == 0) {
        info->is_link = S_ISLNK(st.st_mode);
        if (!info->is_link || stat(path, &st) == 0) {
            info->bytes = st.st_size;
            info->modified = (double)st.st_mtim.tv_sec + 1e-9 * (double)st.st_mtim.tv_nsec;
            info->kind = S_ISREG(st.st_mode)   ? LT_FILE_REGULAR
                         : S_ISDIR(st.st_mode) ? LT_FILE_DIRECTORY
                                               : LT_FILE_OTHER;
            return LT_OK;
        }
    }
    LT_REQUIRE(errno == ENOENT || errno == ENOTDIR, LT_ERR_IO, "cannot look at %s: %m", path);
    return LT_OK;
}

// ---- atomic writing ----------------------------------------------------------------------------

enum { WRITER_BUFFER = 1 << 16 };
struct lt_writer {
    int fd;
    char *path, *temp;  // temp is NULL where the path is written directly
    char *buffer;
    int64_t used;
    bool failed;
};

static void writer_free(lt_writer *w)
{
    if (w->fd >= 0) close(w->fd);
    free(w->path);
    free(w->temp);
    free(w->buffer);
    free(w);
}

void lt_writer_abort(lt_writer *w)
{
    if (!w) return;
    if (w->temp) unlink(w->temp);
    writer_free(w);
}

// ".name.tmp-host-pid-n" in the directory of path: hidden, and known for ours by lt_dir_clean.
static char *temporary_name(const char *path)
{
    static int32_t counter;
    char host[65] = "", *text = NULL;
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    gethostname(host, sizeof host - 1);
    int n = __atomic_add_fetch(&counter, 1, __ATOMIC_RELAXED);
    // A long name is cut, so that the temporary name stays within the 255 bytes of a name.
    if (asprintf(&text, "%.*s.%.120s.tmp-%s-%d-%d", (int)(base - path), path, base, host,
                 (int)getpid(), n) < 0)
        return NULL;
    return text;
}

lt_status lt_file_temporary(lt_buffer *name, const char *path)
{
    *name = (lt_buffer){NULL, 0};
    char *text = temporary_name(path);
    LT_REQUIRE(text, LT_ERR_MEMORY, "%s: out of memory", path);
    lt_status status = buffer_grow(name, 0, (int64_t)strlen(text));
    if (status == LT_OK) strcpy(name->data, text);
    free(text);
    return status;
}

static lt_status writer_start(lt_writer *w, const char *path)
{
    struct stat st;
    bool exists = stat(path, &st) == 0;
    LT_REQUIRE(path[0], LT_ERR_IO, "cannot write a file without a name");
    LT_REQUIRE(!exists || !S_ISDIR(st.st_mode), LT_ERR_IO, "cannot write %s: it is a directory", path);
    w->path = strdup(path);
    w->buffer = malloc(WRITER_BUFFER);
    bool direct = exists && !S_ISREG(st.st_mode);
    if (!direct) w->temp = temporary_name(path);
    LT_REQUIRE(w->path && w->buffer && (direct || w->temp), LT_ERR_MEMORY, "%s: out of memory", path);
    w->fd = direct ? open_file(path, O_WRONLY) : open_file(w->temp, O_WRONLY | O_CREAT | O_EXCL);
    if (w->fd < 0) {
        int error = errno;
        free(w->temp);
        w->temp = NULL;
        errno = error;
        return lt_fail(LT_ERR_IO, "cannot write %s: %m", path);
    }
    if (exists && !direct) (void)!fchmod(w->fd, st.st_mode & 07777);
    return LT_OK;
}

lt_status lt_writer_open(lt_writer **out, const char *path)
{
    *out = NULL;
    lt_writer *w = calloc(1, sizeof *w);
    LT_REQUIRE(w, LT_ERR_MEMORY, "%s: out of memory", path);
    w->fd = -1;
    lt_status status = writer_start(w, path);
    if (status != LT_OK) lt_writer_abort(w);
    else *out = w;
    return status;
}

static lt_status writer_put(lt_writer *w, const char *data, int64_t bytes)
{
    if (write_all(w->fd, data, bytes)) return LT_OK;
    w->failed = true;
    return lt_fail(LT_ERR_IO, "cannot write %s: %m", w->path);
}

lt_status lt_writer_write(lt_writer *w, const void *data, int64_t bytes)
{
    LT_REQUIRE(!w->failed, LT_ERR_IO, "cannot write %s: an earlier write has failed", w->path);
    if (bytes <= 0) return LT_OK;
    if (w->used + bytes > WRITER_BUFFER) {
        LT_TRY(writer_put(w, w->buffer, w->used));
        w->used = 0;
    }
    if (bytes >= WRITER_BUFFER) return writer_put(w, data, bytes);
    memcpy(w->buffer + w->used, data, (size_t)bytes);
    w->used += bytes;
    return LT_OK;
}

static lt_status writer_finish(lt_writer *w)
{
    LT_REQUIRE(!w->failed, LT_ERR_IO, "cannot write %s: an earlier write has failed", w->path);
    LT_TRY(writer_put(w, w->buffer, w->used));
    if (w->temp) LT_REQUIRE(sync_file(w->fd) == 0, LT_ERR_IO, "cannot write %s: fsync: %m", w->path);
    int fd = w->fd;
    w->fd = -1;
    LT_REQUIRE(close(fd) == 0, LT_ERR_IO, "cannot write %s: %m", w->path);
    if (!w->temp) return LT_OK;
    LT_REQUIRE(!faulty("rename") && rename(w->temp, w->path) == 0, LT_ERR_IO,
               "cannot write %s: rename: %m", w->path);
    free(w->temp);
    w->temp = NULL;
    LT_REQUIRE(sync_directory(w->path), LT_ERR_IO, "cannot write %s: fsync of its directory: %m",
               w->path);
    return LT_OK;
}

lt_status lt_writer_commit(lt_writer *w)
{
    lt_status status = writer_finish(w);
    lt_writer_abort(w);
    return status;
}

lt_status lt_file_write(const char *path, const void *data, int64_t bytes)
{
    lt_writer *w;
    LT_TRY(lt_writer_open(&w, path));
    lt_status status = lt_writer_write(w, data, bytes);
    if (status == LT_OK) return lt_writer_commit(w);
    lt_writer_abort(w);
    return status;
}

// ---- appending ---------------------------------------------------------------------------------

struct lt_appender { int fd; char path[]; };

lt_status lt_appender_open(lt_appender **out, const char *path)
{
    *out = NULL;
    lt_appender *a = malloc(sizeof *a + strlen(path) + 1);
    LT_REQUIRE(a, LT_ERR_MEMORY, "%s: out of memory", path);
    strcpy(a->path, path);
    a->fd = open_file(path, O_WRONLY | O_CREAT | O_APPEND);
    if (a->fd < 0) {
        lt_status status = lt_fail(LT_ERR_IO, "cannot write %s: %m", path);
        free(a);
        return status;
    }
    *out = a;
    return LT_OK;
}

lt_status lt_appender_write(lt_appender *a, const void *data, int64_t bytes)
{
    LT_REQUIRE(write_all(a->fd, data, bytes), LT_ERR_IO, "cannot write %s: %m", a->path);
    return LT_OK;
}

lt_status lt_appender_close(lt_appender *a)
{
    if (!a) return LT_OK;
    lt_status status = LT_OK;
    if (sync_file(a->fd) != 0 && errno != EINVAL && errno != ENOTSUP)
        status = lt_fail(LT_ERR_IO, "cannot write %s: fsync: %m", a->path);
    if (close(a->fd) != 0 && status == LT_OK)
        status = lt_fail(LT_ERR_IO, "cannot write %s: %m", a->path);
    free(a);
    return status;
}

// ---- names and directories ---------------------------------------------------------------------

lt_status lt_file_remove(const char *path)
{
    LT_REQUIRE(remove(path) == 0 || errno == ENOENT, LT_ERR_IO, "cannot remove %s: %m", path);
    return LT_OK;
}

lt_status lt_file_rename(const char *from, const char *to)
{
    int fd = open_file(from, O_RDONLY);
    LT_REQUIRE(fd >= 0, LT_ERR_IO, "cannot rename %s: %m", from);
    bool good = sync_file(fd) == 0 || errno == EINVAL;
    int error = errno;
    close(fd);
    errno = error;
    LT_REQUIRE(good && !faulty("rename") && rename(from, to) == 0, LT_ERR_IO,
               "cannot rename %s to %s: %m", from, to);
    LT_REQUIRE(sync_directory(to), LT_ERR_IO, "cannot rename %s: fsync of its directory: %m", to);
    return LT_OK;
}

lt_status lt_dir_make(const char *path)
{
    char *text = strdup(path);
    LT_REQUIRE(text, LT_ERR_MEMORY, "%s: out of memory", path);
    lt_status status = path[0] ? LT_OK : lt_fail(LT_ERR_IO, "cannot make a directory without a name");
    for (char *p = text; status == LT_OK && *p; p++) {
        bool last = p[1] == 0;
        if (!last && (p[1] != '/' || p[0] == '/')) continue;
        char kept = p[1];
        p[1] = 0;
        struct stat st;
        if ((faulty("mkdir") || mkdir(text, 0777) != 0) &&
            (errno != EEXIST || stat(text, &st) != 0 || !S_ISDIR(st.st_mode)))
            status = lt_fail(LT_ERR_IO, "cannot make the directory %s: %s", text,
                             errno == EEXIST ? "a file is in its place" : strerror(errno));
        p[1] = kept;
    }
    free(text);
    return status;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

typedef struct { char **names; int64_t count, room, bytes; } name_list;

static void names_free(name_list *l)
{
    for (int64_t i = 0; i < l->count; i++) free(l->names[i]);
    free(l->names);
}

static bool names_add(name_list *l, const char *name)
{
    if (l->count == l->room) {
        int64_t room = l->room ? l->room * 2 : 64;
        char **names = realloc(l->names, (size_t)room * sizeof *names);
        if (!names) return false;
        l->names = names;
        l->room = room;
    }
    char *copy = strdup(name);
    if (!copy) return false;
    l->names[l->count++] = copy;
    l->bytes += (int64_t)strlen(name) + 1;
    return true;
}

static lt_status names_read(name_list *l, const char *path)
{
    DIR *dir = faulty("open") ? NULL : opendir(path);
    LT_REQUIRE(dir, LT_ERR_IO, "cannot list %s: %m", path);
    struct dirent *entry;
    bool room = true;
    errno = 0;
    while (room && (entry = readdir(dir)))
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            room = names_add(l, entry->d_name);
    int error = errno;
    closedir(dir);
    LT_REQUIRE(room, LT_ERR_MEMORY, "%s: out of memory", path);
    errno = error;
    LT_REQUIRE(error == 0, LT_ERR_IO, "cannot list %s: %m", path);
    if (l->count) qsort(l->names, (size_t)l->count, sizeof *l->names, by_bytes);
    return LT_OK;
}

lt_status lt_dir_list(lt_buffer *out, const char *path)
{
    name_list l = {0};
    *out = (lt_buffer){NULL, 0};
    lt_status status = names_read(&l, path);
    if (status == LT_OK) status = buffer_grow(out, 0, l.bytes);
    if (status == LT_OK) {
        char *p = out->data;
        for (int64_t i = 0; i < l.count; i++) p = stpcpy(p, l.names[i]) + 1;
        *p = 0;
    }
    names_free(&l);
    return status;
}

// A temporary name of this machine whose process is no more.
static bool is_left_over(const char *name)
{
    char host[65] = "", mark[80];
    int pid, end = 0;
    gethostname(host, sizeof host - 1);
    snprintf(mark, sizeof mark, ".tmp-%s-", host);
    const char *p = name[0] == '.' ? strstr(name, mark) : NULL;
    if (!p) return false;
    p += strlen(mark);
    return sscanf(p, "%d-%*d%n", &pid, &end) == 1 && end && !p[end] && pid > 0 &&
           lt_process_is_gone(pid);
}

lt_status lt_dir_clean(int32_t *removed, const char *path)
{
    name_list l = {0};
    *removed = 0;
    lt_status status = names_read(&l, path);
    for (int64_t i = 0; i < l.count && status == LT_OK; i++) {
        char *full;
        if (!is_left_over(l.names[i]) || asprintf(&full, "%s/%s", path, l.names[i]) < 0) continue;
        status = lt_file_remove(full);
        if (status == LT_OK) ++*removed;
        free(full);
    }
    names_free(&l);
    return status;
}

double lt_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
