// worker: the program luatrain-lv2, in which LV2 plugins live and die.
//
//   luatrain-lv2 list              instruments, one URI and name a line
//   luatrain-lv2 describe URI      the plugin's control inputs as JSON
//   luatrain-lv2 serve URI         renders notes for luatrain, over the socket that is descriptor 3
//
// lilv (ISC licence) finds and loads the plugins.
#include "host.h"

#include <errno.h>
#include <malloc.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
// Crashes of plugins stay crashes, and instances are not freed on purpose.
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "handle_segv=0:handle_abort=0:detect_leaks=0"; }
#endif

bool host_open(host *h, const char *uri)
{
    h->world = lilv_world_new();
    if (!h->world) return false;
    lilv_world_load_all(h->world);
    LilvNode *node = lilv_new_uri(h->world, uri);
    h->plugin = node ? lilv_plugins_get_by_uri(lilv_world_get_all_plugins(h->world), node) : NULL;
    lilv_node_free(node);
    if (!h->plugin) {
        snprintf(h->error, sizeof h->error, "no such plugin is installed");
        return false;
    }
    LilvNodes *required = lilv_plugin_get_required_features(h->plugin);
    LILV_FOREACH (nodes, i, required) {
        const char *feature = lilv_node_as_uri(lilv_nodes_get(required, i));
        if (!features_supported(feature))
            snprintf(h->error, sizeof h->error, "the plugin needs %s, which this host has not", feature);
    }
    lilv_nodes_free(required);
    return !h->error[0];
}

static int list(void)
{
    LilvWorld *world = lilv_world_new();
    if (!world) return 1;
    lilv_world_load_all(world);
    const LilvPlugins *plugins = lilv_world_get_all_plugins(world);
    LILV_FOREACH (plugins, i, plugins) {
        const LilvPlugin *p = lilv_plugins_get(plugins, i);
        const char *kind = lilv_node_as_uri(lilv_plugin_class_get_uri(lilv_plugin_get_class(p)));
        if (!kind || !strstr(kind, "InstrumentPlugin")) continue;
        LilvNode *name = lilv_plugin_get_name(p);
        printf("%s\t%s\n", lilv_node_as_uri(lilv_plugin_get_uri(p)), name ? lilv_node_as_string(name) : "");
        lilv_node_free(name);
    }
    lilv_world_free(world);
    return 0;
}

// ---- serving ------------------------------------------------------------------------------------
static bool read_all(void *data, size_t bytes)
{
    for (char *to = data; bytes > 0;) {
        ssize_t n = read(LV2_SOCKET, to, bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        to += n;
        bytes -= (size_t)n;
    }
    return true;
}

static bool write_all(const void *data, size_t bytes)
{
    for (const char *from = data; bytes > 0;) {
        ssize_t n = send(LV2_SOCKET, from, bytes, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        from += n;
        bytes -= (size_t)n;
    }
    return true;
}

static bool reply(const host *h, bool good, const float *samples, int64_t count)
{
    const void *body = good ? (const void *)samples : (const void *)h->error;
    lv2_answer a = {LV2_MAGIC, !good, good ? count * 4 : (int64_t)strlen(h->error)};
    return write_all(&a, sizeof a) && write_all(body, (size_t)a.bytes);
}

static int serve(host *h)
{
    static lv2_setting settings[LV2_MOST_SETTINGS];
    lv2_request r;
    float *samples = NULL;
    while (read_all(&r, sizeof r)) {
        if (r.magic != LV2_MAGIC || r.settings > LV2_MOST_SETTINGS || r.samples < 0 || r.samples > 1 << 28)
            return 1;
        if (!read_all(settings, r.settings * sizeof *settings)) return 1;
        float *more = realloc(samples, (size_t)(r.samples + 1) * sizeof *samples);
        if (!more) return 1;
        samples = more;
        bool good = host_render(h, &r, settings, samples);
        for (int64_t i = 0; good && i < r.samples; i++)
            if (!isfinite(samples[i])) {
                snprintf(h->error, sizeof h->error, "the plugin wrote a sample that is no number");
                good = false;
            }
        if (!reply(h, good, samples, r.samples)) return 1;
        h->error[0] = 0;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "list") == 0) return list();
    if (argc != 3 || (strcmp(argv[1], "describe") != 0 && strcmp(argv[1], "serve") != 0)) {
        fprintf(stderr, "usage: luatrain-lv2 list | describe URI | serve URI\n");
        return 2;
    }
    bool serving = argv[1][0] == 's';
    if (serving) {
        // A worker does not outlive luatrain, and leaves no core files.
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        // Fresh memory is zero, also where it was used before: JX10 plays what it finds there.
        mallopt(M_PERTURB, 0xff);
    }
    setenv("QT_QPA_PLATFORM", "offscreen", 0);  // synthv1 and its kin open a display otherwise
    host h = {0};
    if (!host_open(&h, argv[2])) {
        fprintf(stderr, "%s: %s\n", argv[2], h.error[0] ? h.error : "out of memory");
        return 3;
    }
    if (serving) return serve(&h);
    host_describe(&h);
    return 0;
}
