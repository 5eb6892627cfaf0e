// editor_keys: bytes from a terminal as keys (xterm's sequences, ECMA-48; bracketed paste).
#include "host/editor.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

enum { ESCAPE_MS = 80, PASTE_MS = 3000 };  // how long the rest of a sequence, of a paste may take

bool lt_editor_waiting(lt_editor *e, int milliseconds)
{
    if (e->queue_at < e->queue_size) return true;
    struct pollfd p = {.fd = e->in, .events = POLLIN};
    return poll(&p, 1, milliseconds) > 0;
}

// The next byte; -1 at the end of the input, -2 where a signal came in between (the window's size).
static int next_byte(lt_editor *e)
{
    if (e->queue_at == e->queue_size) {
        struct pollfd p = {.fd = e->in, .events = POLLIN};
        if (poll(&p, 1, -1) < 0) return errno == EINTR ? -2 : -1;
        ssize_t n = read(e->in, e->queue, sizeof e->queue);
        if (n < 0 && errno == EINTR) return -2;
        if (n <= 0) return -1;
        e->queue_at = 0;
        e->queue_size = (size_t)n;
    }
    return e->queue[e->queue_at++];
}

// A byte of a sequence that has begun; -1 where none follows in time.
static int following_byte(lt_editor *e, int milliseconds)
{
    return lt_editor_waiting(e, milliseconds) ? next_byte(e) : -1;
}

int32_t lt_decode_utf8(const char *p, size_t left, int *bytes)
{
    const unsigned char *u = (const unsigned char *)p;
    int n = u[0] < 0x80 ? 1 : u[0] >= 0xc2 && u[0] < 0xe0 ? 2 : (u[0] & 0xf0) == 0xe0 ? 3
            : u[0] >= 0xf0 && u[0] < 0xf5 ? 4 : 0;
    *bytes = 1;
    if (n == 0 || (size_t)n > left) return -1;
    int32_t code = n == 1 ? u[0] : u[0] & (0x7f >> n);
    for (int i = 1; i < n; i++) {
        if ((u[i] & 0xc0) != 0x80) return -1;
        code = code << 6 | (u[i] & 0x3f);
    }
    static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return -1;
    *bytes = n;
    return code;
}

// The key that "ESC [ numbers final" stands for.
static int32_t control_sequence(int first, int second, int final)
{
    bool word = second == 5 || second == 3;  // with Ctrl or Alt
    switch (final) {
    case 'A': return KEY_UP;
    case 'B': return KEY_DOWN;
    case 'C': return word ? KEY_WORD_RIGHT : KEY_RIGHT;
    case 'D': return word ? KEY_WORD_LEFT : KEY_LEFT;
    case 'H': return KEY_HOME;
    case 'F': return KEY_END;
    case '~':
        if (first == 1 || first == 7) return KEY_HOME;
        if (first == 4 || first == 8) return KEY_END;
        if (first == 3) return KEY_DELETE;
        if (first == 200) return KEY_PASTE;
    }
    return KEY_UNKNOWN;
}

static int32_t read_sequence(lt_editor *e)
{
    int numbers[2] = {0, 0}, at = 0;
    for (int count = 0; count < 32; count++) {
        int c = following_byte(e, ESCAPE_MS);
        if (c < 0) return KEY_UNKNOWN;
        if (c >= '0' && c <= '9' && at < 2) {
            if (numbers[at] < 100000) numbers[at] = numbers[at] * 10 + c - '0';
        } else if (c == ';') {
            at++;
        } else if (c >= 0x40 && c <= 0x7e) {
            return control_sequence(numbers[0], numbers[1], c);
        }
    }
    return KEY_UNKNOWN;
}

static int32_t read_escape(lt_editor *e)
{
    int c = following_byte(e, ESCAPE_MS);
    if (c < 0) return 27;
    if (c == '[') return read_sequence(e);
    if (c == 'O') {
        c = following_byte(e, ESCAPE_MS);
        return c < 0 ? KEY_ALT + 'O' : control_sequence(0, 0, c);
    }
    if (c == 27) return read_escape(e);  // Alt with an arrow key, on some terminals
    return KEY_ALT + c;
}

// The rest of a character whose first byte is c.
static int32_t read_character(lt_editor *e, int c, char text[8])
{
    int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc2 ? 1 : 0, n = 0, bytes;
    text[n++] = (char)c;
    while (more-- > 0) {
        int b = following_byte(e, PASTE_MS);
        if (b < 0) return KEY_UNKNOWN;
        if ((b & 0xc0) != 0x80) {  // not UTF-8: the byte begins something else
            e->queue_at--;
            return KEY_UNKNOWN;
        }
        text[n++] = (char)b;
    }
    text[n] = 0;
    int32_t code = lt_decode_utf8(text, (size_t)n, &bytes);
    return code < 0 ? KEY_UNKNOWN : code;
}

int32_t lt_editor_read_key(lt_editor *e, char text[8])
{
    text[0] = 0;
    if (e->unread) {
        int32_t key = e->unread;
        e->unread = 0;
        memcpy(text, e->unread_text, 8);
        return key;
    }
    int c = next_byte(e);
    if (c == -1) return KEY_EOF;
    if (c == -2) return KEY_RESIZE;
    if (c == 27) return read_escape(e);
    return read_character(e, c, text);
}

void lt_editor_read_paste(lt_editor *e, lt_bytes *pasted)
{
    static const char end[] = "\033[201~";
    const size_t length = sizeof end - 1;
    int c, before = 0;
    while ((c = following_byte(e, PASTE_MS)) >= 0) {
        char byte = (char)(c == '\r' ? '\n' : c);
        bool second_half = c == '\n' && before == '\r';
        before = c;
        if (second_half) continue;
        if ((c < 32 && !strchr("\n\t\r\033", c)) || c == 127) continue;
        lt_bytes_add(pasted, &byte, 1);
        if (pasted->failed) return;
        size_t before_end = pasted->size - length;
        if (pasted->size >= length && memcmp(pasted->data + before_end, end, length) == 0) {
            pasted->size = before_end;
            break;
        }
    }
    // What a program may have put among the text to steer the terminal stays text, without effect.
    size_t kept = 0;
    for (size_t i = 0; i < pasted->size; i++)
        if (pasted->data[i] != 27) pasted->data[kept++] = pasted->data[i];
    pasted->size = kept;
}
