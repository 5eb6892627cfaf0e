// luatrain/host.h - what the host program gives to Lua.
// Part of luatrain.h, which includes it; read by LuaJIT between the marks.
// cdef begin

// ---- host --------------------------------------------------------------------------------------
// The text between the cdef marks of all headers.
const char *lt_cdef(void);
// Names ("luatrain/nn/init.lua") and texts of the embedded Lua files; NULL past the last one, and
// for an unknown name.
const char *lt_embedded_name(int32_t index);
const char *lt_embedded_text(const char *name, int64_t *size);
// From now on SIGINT, SIGTERM and SIGUSR1 are noted; the second one does what it did before, which
// by default is to end the process. Off: back to the actions of before. Both forget what was noted.
lt_status lt_signal_watch(bool on);
int32_t lt_signal_pending(void);               // the signal noted, 0 for none
bool lt_signal_watching(void);                 // whether signals are being noted
lt_status lt_signal_raise(int32_t number);     // sends it to this process (tests)
// An interactive session: from now on SIGINT stops what runs in this thread. A flag is set; the op
// that runs returns LT_ERR_INTERRUPTED when its kernel is done (long matrix products look in
// between), and the interpreter raises "interrupted" before its next instruction. Compiled loops
// must look at the flag themselves. Sessions within each other: each `on` wants its `off`, which
// puts the former action back.
lt_status lt_interrupt_watch(bool on);
// Whether the flag was set; clears it, but not from the second signal on: a loop whose body catches
// all errors ends too.
bool lt_interrupt_take(void);
// The same, but SIGINT only sets the flag and stops nothing: between the inputs of a session.
lt_status lt_interrupt_spare(bool on);
// From now on SIGQUIT (Ctrl-\) is noted; lt_pause_asked tells and forgets it. Off: as it was
// before.
lt_status lt_pause_watch(bool on);
bool lt_pause_asked(void);
int32_t lt_terminal_columns(int32_t fd);       // width of the terminal, 0 where fd is none
bool lt_terminal_is(int32_t fd);               // whether fd is a terminal
// columns, rows, width and height in pixels (0 where the terminal does not tell). LT_ERR_IO: no terminal.
lt_status lt_terminal_size(int32_t size[4], int32_t fd);
// Writes an escape sequence to the controlling terminal and reads what it answers, until the character
// `last` has come, the room (with a 0 behind the text) is full, or the time is over. Nothing is echoed.
// An empty answer: it said nothing, or this process is in the background. LT_ERR_IO: no terminal.
lt_status lt_terminal_ask(char *answer, int32_t capacity, const char *question, int32_t last,
                          double seconds);
const char *lt_program_path(void);             // the running program's file, "" where unknown

// ---- line editor -------------------------------------------------------------------------------
// A line editor on a terminal: texts of several lines, UTF-8, pasting, keys as in Emacs.
typedef struct lt_editor lt_editor;
lt_status lt_editor_open(lt_editor **e, int32_t in, int32_t to);
void lt_editor_close(lt_editor *e);            // puts the terminal right; takes NULL
// Makes the terminal raw and begins an empty text; its first line has one prompt, the others
// another. Prompts may hold colour sequences (ESC [ ... letter).
lt_status lt_editor_begin(lt_editor *e, const char *prompt, const char *more);
// Draws and edits until something is left to the caller. A signal that lt_signal_watch notes is an
// end (LT_EDIT_END), here and in lt_terminal_line.
enum { LT_EDIT_NONE = 0, LT_EDIT_ENTER, LT_EDIT_TAB, LT_EDIT_INTERRUPT, LT_EDIT_END,
       LT_EDIT_EARLIER, LT_EDIT_LATER, LT_EDIT_SEARCH };
int32_t lt_editor_next(lt_editor *e);
// The text (valid until the next call), its bytes, and the cursor as a byte position from 0.
const char *lt_editor_text(const lt_editor *e, int64_t *size, int64_t *cursor);
// Replaces it; cursor -1 is the end.
void lt_editor_put(lt_editor *e, const char *text, int64_t size, int64_t cursor);
void lt_editor_prompt(lt_editor *e, const char *prompt, const char *more);  // takes other prompts
void lt_editor_show(lt_editor *e, const char *text, int64_t size);  // below; then the input anew
bool lt_editor_has_more(lt_editor *e);         // whether more has been typed already
void lt_editor_end(lt_editor *e);              // leaves the input there, the terminal as before
// One key, for a caller that handles all: a code point (text gets its UTF-8) or a larger number,
// which lt_editor_unkey gives back to lt_editor_next. text has room for 8 bytes.
int32_t lt_editor_key(lt_editor *e, char *text);
void lt_editor_unkey(lt_editor *e, int32_t key, const char *text);
// A line from a terminal that cannot move its cursor, in the system's own editing: LT_EDIT_ENTER
// with the line in *line, LT_EDIT_INTERRUPT or LT_EDIT_END.
int32_t lt_terminal_line(lt_buffer *line, int32_t fd);
// Columns that a UTF-8 text takes on a terminal; colour sequences take none.
int32_t lt_text_width(const char *text, int64_t size);
// Adds bytes to the end of a file that several processes write to and may shorten: whole or not at
// all, under a lock, to the file that has the name at that moment.
lt_status lt_shared_append(const char *path, const void *data, int64_t bytes);
// Keeps about the last `keep` bytes of such a file, from the beginning of a line on, where it has
// more than twice as many; under the same lock.
lt_status lt_shared_shorten(const char *path, int64_t keep);

// cdef end
