// error: the text of a thread's latest failure, and facts about the build.
#include "core/internal.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char error_text[1024];

lt_status lt_fail(lt_status status, const char *format, ...)
{
    char text[sizeof error_text];  // the arguments may point into error_text
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(error_text, text, sizeof text);
    return status;
}

const char *lt_error(void) { return error_text; }

void lt_set_error(const char *text) { snprintf(error_text, sizeof error_text, "%s", text); }

int32_t lt_abi(void) { return LT_ABI; }

int64_t lt_sizeof_tensor(void) { return (int64_t)sizeof(lt_tensor); }

const char *lt_shape_text(lt_text *buf, const lt_tensor *t)
{
    if (t->dtype < 0 || t->ndim < 0) return strcpy(buf->s, "(none)");
    size_t at = 0;
    at += (size_t)snprintf(buf->s, sizeof buf->s, "(");
    for (int i = 0; i < t->ndim; i++)
        at += (size_t)snprintf(buf->s + at, sizeof buf->s - at, i ? ", %lld" : "%lld",
                               (long long)t->shape[i]);
    snprintf(buf->s + at, sizeof buf->s - at, ")");
    return buf->s;
}
