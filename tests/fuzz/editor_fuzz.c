// editor_fuzz: any bytes typed at the line editor, on a pseudo-terminal. What it leaves to its
// caller is answered as the REPL does, in short.
#include "luatrain.h"

#include <fcntl.h>
#include <pty.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Answers an event; false at the end of the input.
static bool answer(lt_editor *e, int32_t event)
{
    int64_t bytes, cursor;
    const char *text = lt_editor_text(e, &bytes, &cursor);
    if (cursor < 0 || cursor > bytes || (int64_t)strlen(text) > bytes) abort();
    char key[8], copy[256];
    int64_t kept = bytes < 255 ? bytes : 255;
    memcpy(copy, text, (size_t)kept);
    switch (event) {
    case LT_EDIT_END: return false;
    case LT_EDIT_ENTER:
        copy[kept] = '\n';
        lt_editor_put(e, copy, kept + 1, -1);
        break;
    case LT_EDIT_TAB: lt_editor_show(e, copy, kept); break;
    case LT_EDIT_EARLIER: lt_editor_put(e, copy, kept / 2, kept / 4); break;
    case LT_EDIT_SEARCH: {
        int32_t code = lt_editor_key(e, key);
        lt_editor_unkey(e, code, key);
        break;
    }
    case LT_EDIT_INTERRUPT: lt_editor_put(e, "", 0, 0); break;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t typed[2048];  // less than the terminal's own buffer, so that nobody waits
    size_t count = 0;
    for (size_t i = 0; i < size && count < sizeof typed; i++)
        if (data[i] != 26) typed[count++] = data[i];  // Ctrl-Z would suspend the fuzzer
    int master, slave, nowhere = open("/dev/null", O_WRONLY);
    struct winsize room = {.ws_row = 5, .ws_col = 20};
    if (nowhere < 0 || openpty(&master, &slave, NULL, NULL, &room) != 0) return 0;
    lt_editor *e;
    if (lt_editor_open(&e, slave, nowhere) == LT_OK
        && lt_editor_begin(e, "\033[1mlt> \033[0m", "..> ") == LT_OK) {
        if (write(master, typed, count) < 0) abort();
        close(master);
        while (answer(e, lt_editor_next(e))) {}
        lt_editor_end(e);
    }
    lt_editor_close(e);
    close(slave);
    close(nowhere);
    return 0;
}
