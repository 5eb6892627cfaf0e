// features: what this host offers to plugins: urid:map and unmap, options, bounded blocks, the worker,
// the log (which it throws away).
#include "host.h"

#include <lv2/atom/atom.h>
#include <lv2/buf-size/buf-size.h>
#include <lv2/log/log.h>
#include <lv2/options/options.h>
#include <lv2/parameters/parameters.h>
#include <lv2/urid/urid.h>
#include <lv2/worker/worker.h>
#include <stdlib.h>
#include <string.h>

// ---- numbers for URIs ---------------------------------------------------------------------------
static char **uris;
static uint32_t uri_count;

uint32_t map_uri(const char *uri)
{
    for (uint32_t i = 0; i < uri_count; i++)
        if (strcmp(uris[i], uri) == 0) return i + 1;
    char **more = realloc(uris, (uri_count + 1) * sizeof *uris);
    if (!more) return 0;
    uris = more;
    uris[uri_count] = strdup(uri);
    return uris[uri_count] ? ++uri_count : 0;
}

static LV2_URID map(LV2_URID_Map_Handle handle, const char *uri)
{
    (void)handle;
    return map_uri(uri);
}

static const char *unmap(LV2_URID_Unmap_Handle handle, LV2_URID id)
{
    (void)handle;
    return id >= 1 && id <= uri_count ? uris[id - 1] : NULL;
}

// ---- log ----------------------------------------------------------------------------------------
static int log_nothing(LV2_Log_Handle handle, LV2_URID type, const char *format, va_list list)
{
    (void)handle, (void)type, (void)format, (void)list;
    return 0;
}
static int log_nothing_either(LV2_Log_Handle handle, LV2_URID type, const char *format, ...)
{
    (void)handle, (void)type, (void)format;
    return 0;
}

// ---- one instance's set -------------------------------------------------------------------------
enum { FEATURES = 9, WORK_ROOM = 1 << 16 };

struct features {
    float sample_rate;
    int32_t least, most;
    LV2_URID_Map map;
    LV2_URID_Unmap unmap;
    LV2_Log_Log log;
    LV2_Options_Option options[5];
    LV2_Worker_Schedule schedule;
    LV2_Feature feature[FEATURES];
    const LV2_Feature *list[FEATURES + 1];
    LilvInstance *instance;
    const LV2_Worker_Interface *worker;
    // Work asked for, and answers to it: size and bytes, one behind the other.
    struct { char bytes[WORK_ROOM]; uint32_t used; } asked, answered;
};

static bool put(char *bytes, uint32_t *used, uint32_t size, const void *data)
{
    if (size > WORK_ROOM || *used + size + 8 > WORK_ROOM) return false;
    memcpy(bytes + *used, &size, sizeof size);
    if (size) memcpy(bytes + *used + sizeof size, data, size);
    *used += (uint32_t)sizeof size + ((size + 3) & ~3u);
    return true;
}

static LV2_Worker_Status ask(LV2_Worker_Schedule_Handle handle, uint32_t size, const void *data)
{
    features *f = handle;
    return put(f->asked.bytes, &f->asked.used, size, data) ? LV2_WORKER_SUCCESS : LV2_WORKER_ERR_NO_SPACE;
}

static LV2_Worker_Status answer(LV2_Worker_Respond_Handle handle, uint32_t size, const void *data)
{
    features *f = handle;
    return put(f->answered.bytes, &f->answered.used, size, data) ? LV2_WORKER_SUCCESS
                                                                 : LV2_WORKER_ERR_NO_SPACE;
}

void features_work(features *f)
{
    if (!f->worker) return;
    LV2_Handle handle = lilv_instance_get_handle(f->instance);
    for (uint32_t at = 0, size; at < f->asked.used; at += (uint32_t)sizeof size + ((size + 3) & ~3u)) {
        memcpy(&size, f->asked.bytes + at, sizeof size);
        f->worker->work(handle, answer, f, size, f->asked.bytes + at + sizeof size);
    }
    f->asked.used = 0;
    for (uint32_t at = 0, size; at < f->answered.used; at += (uint32_t)sizeof size + ((size + 3) & ~3u)) {
        memcpy(&size, f->answered.bytes + at, sizeof size);
        if (f->worker->work_response)
            f->worker->work_response(handle, size, f->answered.bytes + at + sizeof size);
    }
    f->answered.used = 0;
    if (f->worker->end_run) f->worker->end_run(handle);
}

static void offer(features *f, int *n, const char *uri, void *data)
{
    f->feature[*n] = (LV2_Feature){uri, data};
    f->list[*n] = &f->feature[*n];
    ++*n;
}

static const char *const offered[FEATURES] = {
    LV2_URID__map, LV2_URID__unmap, LV2_OPTIONS__options, LV2_BUF_SIZE__boundedBlockLength,
    LV2_BUF_SIZE__powerOf2BlockLength, LV2_WORKER__schedule, LV2_LOG__log, LV2_CORE__isLive,
    LV2_CORE__hardRTCapable,
};

bool features_supported(const char *uri)
{
    for (int i = 0; i < FEATURES; i++)
        if (strcmp(offered[i], uri) == 0) return true;
    return false;
}

features *features_new(double sample_rate, uint32_t block)
{
    features *f = calloc(1, sizeof *f);
    if (!f) return NULL;
    f->sample_rate = (float)sample_rate;
    f->least = 1;
    f->most = (int32_t)block;
    f->map = (LV2_URID_Map){NULL, map};
    f->unmap = (LV2_URID_Unmap){NULL, unmap};
    f->log = (LV2_Log_Log){NULL, log_nothing_either, log_nothing};
    f->schedule = (LV2_Worker_Schedule){f, ask};
    LV2_URID number = map_uri(LV2_ATOM__Int);
    f->options[0] = (LV2_Options_Option){LV2_OPTIONS_INSTANCE, 0, map_uri(LV2_PARAMETERS__sampleRate),
                                         sizeof(float), map_uri(LV2_ATOM__Float), &f->sample_rate};
    f->options[1] = (LV2_Options_Option){LV2_OPTIONS_INSTANCE, 0, map_uri(LV2_BUF_SIZE__minBlockLength),
                                         sizeof(int32_t), number, &f->least};
    f->options[2] = (LV2_Options_Option){LV2_OPTIONS_INSTANCE, 0, map_uri(LV2_BUF_SIZE__maxBlockLength),
                                         sizeof(int32_t), number, &f->most};
    f->options[3] = (LV2_Options_Option){LV2_OPTIONS_INSTANCE, 0,
                                         map_uri(LV2_BUF_SIZE__nominalBlockLength), sizeof(int32_t),
                                         number, &f->most};
    void *const data[FEATURES] = {&f->map, &f->unmap, f->options, NULL, NULL, &f->schedule, &f->log};
    for (int i = 0, n = 0; i < FEATURES; i++)
        if (strcmp(offered[i], LV2_CORE__isLive) != 0 && strcmp(offered[i], LV2_CORE__hardRTCapable) != 0)
            offer(f, &n, offered[i], data[i]);
    return f;
}

const LV2_Feature *const *features_list(const features *f) { return f->list; }

void features_attach(features *f, LilvInstance *instance)
{
    f->instance = instance;
    f->worker = lilv_instance_get_extension_data(instance, LV2_WORKER__interface);
}

void features_free(features *f) { free(f); }
