// editor_screen: the input on the terminal: prompts, rows, wide characters, the cursor.
//
// Rows are broken here, not by the terminal, so that the cursor's place is always known. Where the
// input has more rows than the terminal, the part around the cursor is shown. Sequences used:
//   CSI n A   up           CSI n C   right        CSI J   erase to the end of the screen
#include "host/editor.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

enum { TAB_COLUMNS = 4 };

void lt_bytes_add(lt_bytes *b, const char *data, size_t size)
{
    if (b->size + size + 1 > b->room) {
        size_t room = (b->size + size + 1) * 2;
        char *larger = realloc(b->data, room);
        if (!larger) {
            b->failed = true;
            return;
        }
        b->data = larger;
        b->room = room;
    }
    memcpy(b->data + b->size, data, size);
    b->size += size;
    b->data[b->size] = 0;
}

void lt_bytes_print(lt_bytes *b, const char *format, ...)
{
    char text[64];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    lt_bytes_add(b, text, (size_t)n);
}

int lt_char_width(int32_t code)
{
    if (code < 0) return 1;
    if (code < 32 || code == 127) return code == '\t' ? TAB_COLUMNS : 2;
    int width = wcwidth((wchar_t)code);
    return width < 0 ? 1 : width;
}

void lt_editor_measure(lt_editor *e)
{
    struct winsize size = {0};
    bool known = ioctl(e->out, TIOCGWINSZ, &size) == 0;
    e->columns = known && size.ws_col >= 4 ? size.ws_col : 80;
    e->rows = known && size.ws_row >= 1 ? size.ws_row : 24;
}

void lt_editor_flush(lt_editor *e)
{
    size_t at = 0;
    while (at < e->frame.size) {
        ssize_t n = write(e->out, e->frame.data + at, e->frame.size - at);
        if (n < 0 && errno == EAGAIN) {
            struct pollfd p = {.fd = e->out, .events = POLLOUT};
            poll(&p, 1, 1000);
        } else if (n < 0 && errno != EINTR) {
            break;  // the terminal is gone; reading will tell
        } else if (n > 0) {
            at += (size_t)n;
        }
    }
    e->frame.size = 0;
}

// ---- layout ------------------------------------------------------------------------------------
// A walk over prompts and text, character by character. The first one measures, the second one also
// writes the rows from `first` to `last`.
typedef struct {
    lt_editor *e;
    bool write;
    int row, col, first, last;
    int cursor_row, cursor_col;
    int narrower;                    // the columns that the terminal has now, or 0
    int reflowed, reflowed_cursor;   // rows passed, rows above the cursor, on such a terminal
} walk;

static bool shown(const walk *w) { return w->write && w->row >= w->first && w->row <= w->last; }

static void next_row(walk *w)
{
    bool folded = w->narrower > 0 && w->col > w->narrower;
    w->reflowed += folded ? (w->col + w->narrower - 1) / w->narrower : 1;
    w->row++;
    w->col = 0;
    if (shown(w) && w->row > w->first) lt_bytes_add(&w->e->frame, "\r\n", 2);
}

static void place(walk *w, const char *bytes, size_t size, int width)
{
    if (w->col + width > w->e->columns) next_row(w);
    if (shown(w)) lt_bytes_add(&w->e->frame, bytes, size);
    w->col += width;
}

// A prompt: text with sequences (ESC [ ... letter) that take no room.
static void place_prompt(walk *w, const char *p)
{
    size_t left = strlen(p);
    while (left > 0) {
        int bytes = 1, width = 0;
        if (p[0] == 27 && left > 1 && p[1] == '[') {
            bytes = 2;
            while ((size_t)bytes < left && (p[bytes] < 0x40 || p[bytes] > 0x7e)) bytes++;
            if ((size_t)bytes < left) bytes++;
        } else {
            width = lt_char_width(lt_decode_utf8(p, left, &bytes));
        }
        place(w, p, (size_t)bytes, width);
        p += bytes;
        left -= (size_t)bytes;
    }
}

static void place_character(walk *w, const char *p, size_t left, int *bytes)
{
    int32_t code = lt_decode_utf8(p, left, bytes);
    if (code < 0) {
        place(w, "\xef\xbf\xbd", 3, 1);  // U+FFFD
    } else if (code == '\t') {
        place(w, "    ", TAB_COLUMNS, TAB_COLUMNS);
    } else if (code < 32 || code == 127) {
        char caret[2] = {'^', (char)(code ^ 64)};
        place(w, caret, 2, 2);
    } else {
        place(w, p, (size_t)*bytes, lt_char_width(code));
    }
}

static void note_cursor(walk *w)
{
    w->cursor_row = w->row;
    w->cursor_col = w->col < w->e->columns ? w->col : w->e->columns - 1;
    w->reflowed_cursor = w->reflowed + (w->narrower > 0 ? w->col / w->narrower : 0);
}

static void walk_text(walk *w)
{
    const lt_bytes *t = &w->e->text;
    place_prompt(w, w->e->prompt);
    for (size_t at = 0; at < t->size;) {
        int bytes = 1;
        if (t->data[at] == '\n') {
            if (at == w->e->cursor) note_cursor(w);
            next_row(w);
            place_prompt(w, w->e->more);
        } else {
            // the cursor stands where its character will: perhaps at the beginning of the next row
            int width = lt_char_width(lt_decode_utf8(t->data + at, t->size - at, &bytes));
            if (w->col + width > w->e->columns) next_row(w);
            if (at == w->e->cursor) note_cursor(w);
            place_character(w, t->data + at, t->size - at, &bytes);
        }
        at += (size_t)bytes;
    }
    if (w->col >= w->e->columns) next_row(w);
    if (w->e->cursor >= t->size) note_cursor(w);
}

// The walk that only measures; `narrower` as in walk.
static walk measure(lt_editor *e, int narrower)
{
    locale_t before = e->utf8 ? uselocale(e->utf8) : (locale_t)0;
    walk w = {.e = e, .narrower = narrower};
    walk_text(&w);
    if (before) uselocale(before);
    return w;
}

// To the top left of what is drawn, and away with it.
static void erase(lt_editor *e)
{
    if (e->cursor_row > 0) lt_bytes_print(&e->frame, "\033[%dA", e->cursor_row);
    lt_bytes_add(&e->frame, "\r\033[J", 4);
    e->cursor_row = 0;
}

void lt_editor_draw(lt_editor *e)
{
    walk size = measure(e, 0);
    locale_t before = e->utf8 ? uselocale(e->utf8) : (locale_t)0;
    int last = size.row, first = 0;
    if (last + 1 > e->rows) {
        first = size.cursor_row - e->rows / 2;
        if (first < 0) first = 0;
        if (first > last + 1 - e->rows) first = last + 1 - e->rows;
        last = first + e->rows - 1;
    }
    erase(e);
    walk w = {.e = e, .write = true, .first = first, .last = last};
    walk_text(&w);
    if (last > size.cursor_row) lt_bytes_print(&e->frame, "\033[%dA", last - size.cursor_row);
    lt_bytes_add(&e->frame, "\r", 1);
    if (size.cursor_col > 0) lt_bytes_print(&e->frame, "\033[%dC", size.cursor_col);
    e->cursor_row = size.cursor_row - first;
    e->stale = false;
    lt_editor_flush(e);
    if (before) uselocale(before);
}

void lt_editor_resize(lt_editor *e)
{
    int columns = e->columns, rows = e->rows;
    lt_editor_measure(e);
    if (e->columns == columns && e->rows == rows) return;
    // A terminal that became narrower has folded the rows that were too long for it.
    int now = e->columns;
    if (now < columns && e->cursor_row > 0) {
        e->columns = columns;
        e->cursor_row = measure(e, now).reflowed_cursor;
        e->columns = now;
    }
    if (e->cursor_row >= e->rows) e->cursor_row = e->rows - 1;
    lt_editor_draw(e);
}

void lt_editor_leave(lt_editor *e)
{
    size_t cursor = e->cursor;
    e->cursor = e->text.size;
    lt_editor_draw(e);
    e->cursor = cursor;
    lt_bytes_add(&e->frame, "\r\n", 2);
    lt_editor_flush(e);
    e->cursor_row = 0;
}
