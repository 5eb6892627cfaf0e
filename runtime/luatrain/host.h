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
// From now on SIGINT, SIGTERM and SIGUSR1 are noted instead of ending the process; the second one
// ends it. Off: back to the default actions. Both forget what was noted.
lt_status lt_signal_watch(bool on);
int32_t lt_signal_pending(void);               // the signal noted, 0 for none
bool lt_signal_watching(void);                 // whether signals are being noted
lt_status lt_signal_raise(int32_t number);     // sends it to this process (tests)
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

// cdef end
