// editor: a line editor for the REPL: a text of one or more lines, keys as in Emacs and readline.
//
// It edits, draws and reads keys; what needs knowledge of Lua is the caller's: lt_editor_next
// returns where Enter, Tab, the history or the search is asked for. Nothing here calls into Lua.
// While it waits the terminal is raw; a signal that ends the process puts it right first. libedit
// was tried (3.1 of 2022-10-30) and not taken: see the README's section on the REPL.
#include "host/editor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

// ---- the terminal's modes ----------------------------------------------------------------------
static lt_editor *active;  // the editor whose terminal is raw
static const int deadly[] = {SIGTERM, SIGHUP, SIGQUIT};
enum { DEADLY = sizeof deadly / sizeof deadly[0] };
static struct sigaction before_deadly[DEADLY], before_winch;
static bool replaced[DEADLY];

static void restore_and_die(int number)
{
    if (active) tcsetattr(active->in, TCSANOW, &active->cooked);
    signal(number, SIG_DFL);
    raise(number);
}

static void wake(int number) { (void)number; }

static void set_handlers(bool on)
{
    struct sigaction die = {.sa_handler = restore_and_die, .sa_flags = SA_ONSTACK};
    struct sigaction resize = {.sa_handler = wake, .sa_flags = SA_ONSTACK};  // no SA_RESTART: wakes
    for (size_t i = 0; i < DEADLY; i++) {
        if (on) replaced[i] = !lt_signal_noted(deadly[i]);  // a paused training saves first
        struct sigaction *kept = &before_deadly[i];
        if (replaced[i]) sigaction(deadly[i], on ? &die : kept, on ? kept : NULL);
    }
    sigaction(SIGWINCH, on ? &resize : &before_winch, on ? &before_winch : NULL);
}

static lt_status set_raw(lt_editor *e)
{
    if (e->raw) return LT_OK;
    LT_REQUIRE(tcgetattr(e->in, &e->cooked) == 0, LT_ERR_IO, "the terminal: %s", strerror(errno));
    struct termios raw = e->cooked;
    raw.c_iflag &= ~(tcflag_t)(BRKINT | ICRNL | INPCK | ISTRIP | IXON);
    raw.c_lflag &= ~(tcflag_t)(ECHO | ICANON | IEXTEN | ISIG);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    active = e;
    set_handlers(true);
    // TCSADRAIN keeps what was typed while something else ran
    if (tcsetattr(e->in, TCSADRAIN, &raw) != 0) {
        set_handlers(false);
        return lt_fail(LT_ERR_IO, "the terminal: %s", strerror(errno));
    }
    e->raw = true;
    lt_bytes_add(&e->frame, "\033[?2004h", 8);  // pasted text comes between marks
    return LT_OK;
}

static void set_cooked(lt_editor *e)
{
    if (!e->raw) return;
    lt_bytes_add(&e->frame, "\033[?2004l", 8);
    lt_editor_flush(e);
    tcsetattr(e->in, TCSADRAIN, &e->cooked);
    set_handlers(false);
    e->raw = false;
    active = NULL;
}

static void suspend(lt_editor *e)
{
    lt_editor_leave(e);
    set_cooked(e);
    raise(SIGTSTP);
    set_raw(e);
    lt_editor_measure(e);
    e->stale = true;
}

// ---- the text ----------------------------------------------------------------------------------
static int char_bytes(const lt_editor *e, size_t at)
{
    int bytes;
    lt_decode_utf8(e->text.data + at, e->text.size - at, &bytes);
    return bytes;
}

static bool is_combining(const lt_editor *e, size_t at)
{
    int bytes;
    int32_t code = lt_decode_utf8(e->text.data + at, e->text.size - at, &bytes);
    locale_t before = e->utf8 ? uselocale(e->utf8) : (locale_t)0;
    bool yes = code >= 0x300 && lt_char_width(code) == 0;
    if (before) uselocale(before);
    return yes;
}

// Where the character before `at` begins, with the combining marks that follow it.
static size_t previous(const lt_editor *e, size_t at)
{
    while (at > 0) {
        size_t start = at - 1;
        while (start > 0 && at - start < 4 && ((unsigned char)e->text.data[start] & 0xc0) == 0x80)
            start--;
        if (start + (size_t)char_bytes(e, start) != at) start = at - 1;  // not UTF-8: byte by byte
        at = start;
        if (!is_combining(e, at)) break;
    }
    return at;
}

static size_t next(const lt_editor *e, size_t at)
{
    if (at >= e->text.size) return at;
    do at += (size_t)char_bytes(e, at);
    while (at < e->text.size && is_combining(e, at));
    return at;
}

static bool is_word(const lt_editor *e, size_t at)
{
    unsigned char c = (unsigned char)e->text.data[at];
    return c == '_' || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c >= 0x80;
}

static size_t word_left(const lt_editor *e)
{
    size_t at = e->cursor;
    while (at > 0 && !is_word(e, at - 1)) at--;
    while (at > 0 && is_word(e, at - 1)) at--;
    return at;
}

static size_t word_right(const lt_editor *e)
{
    size_t at = e->cursor;
    while (at < e->text.size && !is_word(e, at)) at++;
    while (at < e->text.size && is_word(e, at)) at++;
    return at;
}

static size_t line_start(const lt_editor *e, size_t at)
{
    while (at > 0 && e->text.data[at - 1] != '\n') at--;
    return at;
}

static size_t line_end(const lt_editor *e, size_t at)
{
    while (at < e->text.size && e->text.data[at] != '\n') at++;
    return at;
}

static void insert(lt_editor *e, const char *bytes, size_t size)
{
    size_t tail = e->text.size - e->cursor;
    lt_bytes_add(&e->text, bytes, size);  // makes room; the order is put right below
    if (e->text.failed) {
        e->text.failed = false;
        return;
    }
    memmove(e->text.data + e->cursor + size, e->text.data + e->cursor, tail);
    memcpy(e->text.data + e->cursor, bytes, size);
    e->cursor += size;
    e->stale = true;
}

static void delete(lt_editor *e, size_t from, size_t to, bool keep)
{
    if (from >= to) return;
    if (keep) {
        e->cut.size = 0;
        lt_bytes_add(&e->cut, e->text.data + from, to - from);
    }
    memmove(e->text.data + from, e->text.data + to, e->text.size - to);
    e->text.size -= to - from;
    e->text.data[e->text.size] = 0;
    e->cursor = from;
    e->stale = true;
}

static void move_to(lt_editor *e, size_t at)
{
    e->cursor = at;
    e->stale = true;
}

// One line up (-1) or down (1), in the same column of characters; false on the first or the last
// line.
static bool move_line(lt_editor *e, int direction)
{
    size_t start = line_start(e, e->cursor), column = 0, to;
    for (size_t at = start; at < e->cursor; at = next(e, at)) column++;
    if (direction < 0) {
        if (start == 0) return false;
        to = line_start(e, start - 1);
    } else {
        to = line_end(e, e->cursor);
        if (to == e->text.size) return false;
        to++;
    }
    size_t end = line_end(e, to);
    while (column-- > 0 && to < end) to = next(e, to);
    move_to(e, to);
    return true;
}

static void swap_characters(lt_editor *e)
{
    size_t right = e->cursor, left;
    if (right == e->text.size) right = previous(e, right);
    left = previous(e, right);
    size_t end = next(e, right);
    if (left == right || end - left > 64) return;
    char both[64];
    size_t size = end - right;
    memcpy(both, e->text.data + right, size);
    memcpy(both + size, e->text.data + left, right - left);
    memcpy(e->text.data + left, both, end - left);
    move_to(e, end);
}

static void paste(lt_editor *e)
{
    lt_bytes pasted = {0};
    lt_editor_read_paste(e, &pasted);
    if (pasted.size > 0) insert(e, pasted.data, pasted.size);
    free(pasted.data);
}

// ---- keys --------------------------------------------------------------------------------------
#define CONTROL(letter) ((letter) & 31)

// Keys that move or change the text; false for all others.
static bool edit(lt_editor *e, int32_t key)
{
    switch (key) {
    case KEY_LEFT: case CONTROL('B'): move_to(e, previous(e, e->cursor)); return true;
    case KEY_RIGHT: case CONTROL('F'): move_to(e, next(e, e->cursor)); return true;
    case KEY_HOME: case CONTROL('A'): move_to(e, line_start(e, e->cursor)); return true;
    case KEY_END: case CONTROL('E'): move_to(e, line_end(e, e->cursor)); return true;
    case KEY_WORD_LEFT: case KEY_ALT + 'b': move_to(e, word_left(e)); return true;
    case KEY_WORD_RIGHT: case KEY_ALT + 'f': move_to(e, word_right(e)); return true;
    case 127: case CONTROL('H'): delete(e, previous(e, e->cursor), e->cursor, false); return true;
    case KEY_DELETE: case CONTROL('D'):
        delete(e, e->cursor, next(e, e->cursor), false);
        return true;
    case CONTROL('W'): case KEY_ALT + 127: delete(e, word_left(e), e->cursor, true); return true;
    case KEY_ALT + 'd': delete(e, e->cursor, word_right(e), true); return true;
    case CONTROL('U'): delete(e, line_start(e, e->cursor), e->cursor, true); return true;
    case CONTROL('K'): {
        size_t end = line_end(e, e->cursor);
        delete(e, e->cursor, end == e->cursor ? next(e, end) : end, true);
        return true;
    }
    case CONTROL('Y'):
        if (e->cut.size > 0) insert(e, e->cut.data, e->cut.size);
        return true;
    case CONTROL('T'): swap_characters(e); return true;
    case KEY_PASTE: paste(e); return true;
    case KEY_ALT + '\r': case KEY_ALT + '\n': insert(e, "\n", 1); return true;
    }
    return false;
}

// What is left to the caller, or LT_EDIT_NONE.
static int32_t event_of(lt_editor *e, int32_t key)
{
    switch (key) {
    case '\r': case '\n': return LT_EDIT_ENTER;
    case '\t': return LT_EDIT_TAB;
    case CONTROL('C'): return LT_EDIT_INTERRUPT;
    case CONTROL('R'): return LT_EDIT_SEARCH;
    case KEY_EOF: return LT_EDIT_END;
    case CONTROL('D'): return e->text.size == 0 ? LT_EDIT_END : LT_EDIT_NONE;
    case KEY_UP: case CONTROL('P'): return move_line(e, -1) ? LT_EDIT_NONE : LT_EDIT_EARLIER;
    case KEY_DOWN: case CONTROL('N'): return move_line(e, 1) ? LT_EDIT_NONE : LT_EDIT_LATER;
    }
    return LT_EDIT_NONE;
}

// Draws, unless more input is waiting: then after that.
static void refresh(lt_editor *e)
{
    if (e->stale && !lt_editor_waiting(e, 0)) lt_editor_draw(e);
}

int32_t lt_editor_next(lt_editor *e)
{
    char text[8];
    for (;;) {
        refresh(e);
        if (lt_signal_pending() != 0) return LT_EDIT_END;
        int32_t key = lt_editor_read_key(e, text);
        int32_t event = event_of(e, key);
        if (event != LT_EDIT_NONE) return event;
        if (edit(e, key)) continue;
        if (key == CONTROL('L')) {
            lt_bytes_add(&e->frame, "\033[H\033[2J", 7);
            e->cursor_row = 0;
            lt_editor_draw(e);
        } else if (key == CONTROL('Z')) {
            suspend(e);
        } else if (key == KEY_RESIZE) {
            lt_editor_resize(e);
        } else if (key >= 32 && key < KEY_EOF) {
            insert(e, text, strlen(text));
        }
    }
}

// ---- the interface -----------------------------------------------------------------------------
lt_status lt_editor_open(lt_editor **out, int32_t in, int32_t to)
{
    *out = NULL;
    lt_editor *e = calloc(1, sizeof *e);
    LT_REQUIRE(e, LT_ERR_MEMORY, "no memory for the line editor");
    e->in = in;
    e->out = to;
    e->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    lt_bytes_add(&e->text, "", 0);
    *out = e;
    return LT_OK;
}

void lt_editor_close(lt_editor *e)
{
    if (!e) return;
    set_cooked(e);
    if (e->utf8) freelocale(e->utf8);
    free(e->text.data);
    free(e->cut.data);
    free(e->frame.data);
    free(e->prompt);
    free(e->more);
    free(e);
}

void lt_editor_prompt(lt_editor *e, const char *prompt, const char *more)
{
    free(e->prompt);
    free(e->more);
    e->prompt = strdup(prompt);
    e->more = strdup(more);
    e->stale = true;
}

lt_status lt_editor_begin(lt_editor *e, const char *prompt, const char *more)
{
    lt_editor_prompt(e, prompt, more);
    LT_REQUIRE(e->prompt && e->more, LT_ERR_MEMORY, "no memory for the line editor");
    LT_TRY(set_raw(e));
    lt_editor_measure(e);
    e->text.size = e->cursor = 0;
    e->text.data[0] = 0;
    e->cursor_row = 0;
    e->stale = true;
    return LT_OK;
}

void lt_editor_end(lt_editor *e)
{
    lt_editor_leave(e);
    set_cooked(e);
}

const char *lt_editor_text(const lt_editor *e, int64_t *size, int64_t *cursor)
{
    *size = (int64_t)e->text.size;
    *cursor = (int64_t)e->cursor;
    return e->text.data;
}

void lt_editor_put(lt_editor *e, const char *text, int64_t size, int64_t cursor)
{
    e->text.size = e->cursor = 0;
    insert(e, text, (size_t)size);
    if (cursor >= 0 && (size_t)cursor < e->cursor) e->cursor = (size_t)cursor;
}

void lt_editor_show(lt_editor *e, const char *text, int64_t size)
{
    lt_editor_leave(e);
    for (int64_t from = 0, i = 0; i <= size; i++) {
        if (i < size && text[i] != '\n') continue;
        lt_bytes_add(&e->frame, text + from, (size_t)(i - from));
        lt_bytes_add(&e->frame, "\r\n", 2);
        from = i + 1;
    }
    e->stale = true;
}

bool lt_editor_has_more(lt_editor *e) { return lt_editor_waiting(e, 0); }

int32_t lt_editor_key(lt_editor *e, char *text)
{
    for (;;) {
        refresh(e);
        int32_t key = lt_editor_read_key(e, text);
        if (key != KEY_RESIZE) return key;
        lt_editor_resize(e);
    }
}

void lt_editor_unkey(lt_editor *e, int32_t key, const char *text)
{
    e->unread = key;
    snprintf(e->unread_text, sizeof e->unread_text, "%s", text);
}
