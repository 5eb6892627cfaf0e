// host.h: what the files of the plugin worker share. The worker is a program of its own; it shares no
// code with luatrain, whose licence need not be that of the plugins it loads.
#ifndef LT_LV2_HOST_H
#define LT_LV2_HOST_H

#include <lilv/lilv.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol.h"

typedef struct host {
    LilvWorld *world;
    const LilvPlugin *plugin;
    char error[256];
} host;

// False, with host->error, where there is no such plugin.
bool host_open(host *h, const char *uri);
// Prints the plugin's ports as JSON.
void host_describe(host *h);
// Renders one note into samples; false, with host->error, where the plugin cannot be run.
bool host_render(host *h, const lv2_request *r, const lv2_setting *settings, float *samples);

// Features for instances (features.c). map is shared by all of them.
uint32_t map_uri(const char *uri);
typedef struct features features;
features *features_new(double sample_rate, uint32_t block);
const LV2_Feature *const *features_list(const features *f);
bool features_supported(const char *uri);
// Once the instance is there: work asked for is done after each run, in the same thread.
void features_attach(features *f, LilvInstance *instance);
void features_work(features *f);
void features_free(features *f);

#endif
