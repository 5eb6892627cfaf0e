// editor.h: what the files of the line editor share: the text, the terminal, the drawing.
#ifndef LT_EDITOR_H
#define LT_EDITOR_H

#include "core/internal.h"

#include <locale.h>
#include <termios.h>

// Bytes that grow. After running out of memory `data` keeps what it had, and `failed` is set.
typedef struct { char *data; size_t size, room; bool failed; } lt_bytes;
void lt_bytes_add(lt_bytes *b, const char *data, size_t size);
void lt_bytes_print(lt_bytes *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

struct lt_editor {
    int in, out;
    bool raw;
    struct termios cooked;          // the terminal as the shell left it
    locale_t utf8;                  // for the widths of characters, whatever the user's locale is
    lt_bytes text, cut;             // the input, and what was last cut from it
    size_t cursor;                  // byte position within text
    char *prompt, *more;            // of the first line, of the others; may hold colour sequences
    lt_bytes frame;                 // what is about to be written
    int columns, rows;              // of the terminal
    int cursor_row;                 // rows between the top of what is drawn and the terminal's cursor
    bool stale;                     // what the screen shows is not the text
    unsigned char queue[4096];      // bytes read and not yet used
    size_t queue_at, queue_size;
    int32_t unread;                 // a key given back, 0 for none
    char unread_text[8];
};

// ---- keys (editor_keys.c) ------------------------------------------------------------------------
// A key is a character (its code point) or one of these.
enum {
    KEY_NONE = 0, KEY_EOF = 0x200000, KEY_RESIZE, KEY_UP, KEY_DOWN, KEY_LEFT, KEY_RIGHT, KEY_HOME,
    KEY_END, KEY_DELETE, KEY_PASTE, KEY_WORD_LEFT, KEY_WORD_RIGHT, KEY_UNKNOWN,
    KEY_ALT = 0x400000  // added to the character typed with Alt
};
// Waits for a key; `text` gets its UTF-8 bytes, ended by 0, where it is a character.
int32_t lt_editor_read_key(lt_editor *e, char text[8]);
// Reads what is pasted, up to the terminal's mark of its end, with line ends as "\n".
void lt_editor_read_paste(lt_editor *e, lt_bytes *pasted);
// Whether bytes are waiting to be read.
bool lt_editor_waiting(lt_editor *e, int milliseconds);
// The code point at p (-1 where it is no UTF-8) and the number of its bytes (at least 1).
int32_t lt_decode_utf8(const char *p, size_t left, int *bytes);

// ---- screen (editor_screen.c) --------------------------------------------------------------------
// Columns that a code point takes: 0 for combining ones, 2 for wide ones.
int lt_char_width(int32_t code);
void lt_editor_measure(lt_editor *e);          // asks for the size of the terminal
void lt_editor_resize(lt_editor *e);           // draws again where the terminal's size has changed
void lt_editor_draw(lt_editor *e);             // draws prompt and text, places the cursor
void lt_editor_leave(lt_editor *e);            // puts the cursor below the input, on a fresh line
void lt_editor_flush(lt_editor *e);            // writes the frame to the terminal

#endif
