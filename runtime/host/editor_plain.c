// editor_plain: lines from a terminal that cannot move its cursor, and the history's file.
#include "host/editor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int32_t lt_terminal_line(lt_buffer *line, int32_t fd)
{
    lt_bytes text = {0};
    *line = (lt_buffer){0};
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        char byte;
        if (poll(&p, 1, -1) < 0) {
            bool signalled = errno == EINTR && lt_signal_pending() == 0;
            if (signalled && !lt_interrupt_take()) continue;
            free(text.data);
            return signalled ? LT_EDIT_INTERRUPT : LT_EDIT_END;
        }
        ssize_t n = read(fd, &byte, 1);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0 && text.size == 0) {
            free(text.data);
            return LT_EDIT_END;
        }
        if (n <= 0 || byte == '\n') break;
        lt_bytes_add(&text, &byte, 1);
    }
    // as lt_buffer_release wants it
    line->data = text.failed ? NULL : lt_alloc((int64_t)text.size + 1);
    if (line->data) {
        memcpy(line->data, text.size ? text.data : "", text.size);
        line->data[text.size] = 0;
        line->bytes = (int64_t)text.size;
    }
    free(text.data);
    return line->data ? LT_EDIT_ENTER : LT_EDIT_END;
}

int32_t lt_text_width(const char *text, int64_t size)
{
    static locale_t utf8;
    if (!utf8) utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    locale_t before = utf8 ? uselocale(utf8) : (locale_t)0;
    int32_t width = 0;
    for (int64_t i = 0; i < size;) {
        int bytes = 1;
        if (text[i] == 27 && i + 1 < size && text[i + 1] == '[') {
            for (i += 2; i < size && (text[i] < 0x40 || text[i] > 0x7e);) i++;
        } else {
            width += lt_char_width(lt_decode_utf8(text + i, (size_t)(size - i), &bytes));
        }
        i += bytes;
    }
    if (before) uselocale(before);
    return width;
}

// ---- a file that several processes add to ------------------------------------------------------
// Opens the file that has the name and locks it; where another process has just put a shorter one
// in its place, tries again. File systems without locks go without.
static int open_locked(const char *path, int flags, int lock)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        struct stat here, there;
        int fd = open(path, flags | O_CLOEXEC, 0600);
        if (fd < 0) return -1;
        while (flock(fd, lock) != 0 && errno == EINTR) {}
        if (fstat(fd, &here) == 0 && stat(path, &there) == 0 && here.st_ino == there.st_ino
            && here.st_dev == there.st_dev)
            return fd;
        close(fd);
    }
    errno = EAGAIN;
    return -1;
}

lt_status lt_shared_append(const char *path, const void *data, int64_t bytes)
{
    int fd = open_locked(path, O_RDWR | O_APPEND | O_CREAT, LOCK_EX);
    LT_REQUIRE(fd >= 0, LT_ERR_IO, "%s: %s", path, strerror(errno));
    struct stat before;
    int64_t size = fstat(fd, &before) == 0 ? (int64_t)before.st_size : 0;
    // A line that a full disk cut off stays one of its own.
    char last = '\n';
    bool torn = size > 0 && pread(fd, &last, 1, (off_t)size - 1) == 1 && last != '\n';
    bool good = (!torn || write(fd, "\n", 1) == 1)
                && write(fd, data, (size_t)bytes) == (ssize_t)bytes;
    int reason = errno;
    if (!good && ftruncate(fd, (off_t)size) != 0) reason = errno;
    close(fd);
    LT_REQUIRE(good, LT_ERR_IO, "%s: %s", path, strerror(reason));
    return LT_OK;
}

lt_status lt_shared_shorten(const char *path, int64_t keep)
{
    struct stat info;
    if (stat(path, &info) != 0 || info.st_size <= 2 * keep) return LT_OK;
    int fd = open_locked(path, O_RDONLY, LOCK_EX);
    if (fd < 0) return LT_OK;
    lt_buffer all = {0};
    lt_status status = lt_file_read(&all, path, INT64_MAX);
    if (status == LT_OK && all.bytes > 2 * keep) {
        const char *from = memchr(all.data + all.bytes - keep, '\n', (size_t)keep);
        from = from ? from + 1 : all.data + all.bytes - keep;
        status = lt_file_write(path, from, all.data + all.bytes - from);
    }
    lt_buffer_release(&all);
    close(fd);
    return status;
}
