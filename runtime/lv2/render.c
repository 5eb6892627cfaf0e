// render: one note of a plugin, from a fresh instance, so that a sound depends on nothing before it.
//
// Instances are not freed: synthv1 crashes in a thread of its own when it is. luatrain replaces a
// worker after some dozens of sounds instead.
#include "host.h"

#include <dirent.h>
#include <lv2/atom/atom.h>
#include <lv2/atom/util.h>
#include <lv2/midi/midi.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 512, ATOM_ROOM = 1 << 14 };

// One port's buffer.
typedef struct port {
    enum { PORT_CONTROL, PORT_AUDIO_IN, PORT_AUDIO_OUT, PORT_ATOM_IN, PORT_ATOM_OUT, PORT_CV } kind;
    bool midi;
    float value;
    void *buffer;
} port;

typedef struct classes {
    LilvNode *input, *output, *audio, *control, *cv, *atom, *midi, *optional;
} classes;

static classes classes_new(LilvWorld *w)
{
    return (classes){
        lilv_new_uri(w, LILV_URI_INPUT_PORT), lilv_new_uri(w, LILV_URI_OUTPUT_PORT),
        lilv_new_uri(w, LILV_URI_AUDIO_PORT), lilv_new_uri(w, LILV_URI_CONTROL_PORT),
        lilv_new_uri(w, LILV_URI_CV_PORT), lilv_new_uri(w, LILV_URI_ATOM_PORT),
        lilv_new_uri(w, LV2_MIDI__MidiEvent), lilv_new_uri(w, LV2_CORE__connectionOptional)};
}

static void classes_free(classes *c)
{
    LilvNode **all = (LilvNode **)c;
    for (size_t i = 0; i < sizeof *c / sizeof *all; i++) lilv_node_free(all[i]);
}

static bool describe_port(host *h, const classes *c, uint32_t i, port *p)
{
    const LilvPlugin *plugin = h->plugin;
    const LilvPort *port = lilv_plugin_get_port_by_index(plugin, i);
    bool output = lilv_port_is_a(plugin, port, c->output);
    if (lilv_port_is_a(plugin, port, c->control)) p->kind = PORT_CONTROL;
    else if (lilv_port_is_a(plugin, port, c->audio)) p->kind = output ? PORT_AUDIO_OUT : PORT_AUDIO_IN;
    else if (lilv_port_is_a(plugin, port, c->cv)) p->kind = PORT_CV;
    else if (lilv_port_is_a(plugin, port, c->atom)) p->kind = output ? PORT_ATOM_OUT : PORT_ATOM_IN;
    else {
        snprintf(h->error, sizeof h->error, "port %u is of a kind this host does not know", i);
        return lilv_port_has_property(plugin, port, c->optional);
    }
    p->midi = p->kind == PORT_ATOM_IN && lilv_port_supports_event(plugin, port, c->midi);
    size_t bytes = p->kind == PORT_CONTROL ? 0 : p->kind >= PORT_ATOM_IN && p->kind != PORT_CV
                                                     ? ATOM_ROOM : BLOCK * sizeof(float);
    if (bytes && !(p->buffer = calloc(1, bytes))) {
        snprintf(h->error, sizeof h->error, "out of memory");
        return false;
    }
    return true;
}

static port *ports_new(host *h, uint32_t count)
{
    port *ports = calloc(count ? count : 1, sizeof *ports);
    float *defaults = calloc(count ? count : 1, sizeof *defaults);
    classes c = classes_new(h->world);
    bool good = ports && defaults;
    if (good) lilv_plugin_get_port_ranges_float(h->plugin, NULL, NULL, defaults);
    for (uint32_t i = 0; good && i < count; i++) {
        good = describe_port(h, &c, i, &ports[i]);
        ports[i].value = isfinite(defaults[i]) ? defaults[i] : 0;
    }
    classes_free(&c);
    free(defaults);
    if (good) return ports;
    for (uint32_t i = 0; ports && i < count; i++) free(ports[i].buffer);
    free(ports);
    return NULL;
}

static void append_midi(LV2_Atom_Sequence *s, int64_t frame, uint8_t status, float note, float velocity)
{
    struct { LV2_Atom_Event event; uint8_t bytes[3]; } e = {
        .event = {.time = {.frames = frame}, .body = {3, map_uri(LV2_MIDI__MidiEvent)}},
        .bytes = {status, (uint8_t)note, (uint8_t)velocity}};
    lv2_atom_sequence_append_event(s, ATOM_ROOM - (uint32_t)sizeof *s, &e.event);
}

// Empties the events of all ports, and puts the key's into those for MIDI.
static void set_events(port *ports, uint32_t count, const lv2_request *r, int64_t at, uint32_t frames)
{
    int64_t off = (int64_t)(r->gate * r->sample_rate);
    for (uint32_t i = 0; i < count; i++) {
        LV2_Atom_Sequence *s = ports[i].buffer;
        if (ports[i].kind == PORT_ATOM_OUT) {
            s->atom = (LV2_Atom){ATOM_ROOM - sizeof(LV2_Atom), map_uri(LV2_ATOM__Chunk)};
        } else if (ports[i].kind == PORT_ATOM_IN) {
            s->atom = (LV2_Atom){sizeof(LV2_Atom_Sequence_Body), map_uri(LV2_ATOM__Sequence)};
            s->body = (LV2_Atom_Sequence_Body){0, 0};
            if (!ports[i].midi) continue;
            if (at == 0) append_midi(s, 0, 0x90, r->note, r->velocity);
            if (off >= at && off < at + frames) append_midi(s, off - at, 0x80, r->note, 64);
        }
    }
}

// True while a thread other than this one computes or waits for a processor.
static bool others_work(void)
{
    DIR *tasks = opendir("/proc/self/task");
    bool working = false;
    for (struct dirent *d; tasks && !working && (d = readdir(tasks));) {
        char path[300], text[512];
        if (d->d_name[0] == '.' || atoi(d->d_name) == (int)getpid()) continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/stat", d->d_name);
        FILE *file = fopen(path, "r");
        size_t n = file ? fread(text, 1, sizeof text - 1, file) : 0;
        text[n] = 0;
        if (file) fclose(file);
        const char *state = strrchr(text, ')');  // "PID (name) S ..."
        working = state && state[1] == ' ' && (state[2] == 'R' || state[2] == 'D');
    }
    if (tasks) closedir(tasks);
    return working;
}

// Some plugins (synthv1) make their waves in threads of their own, and sound as far as these have come.
// A silent block tells them the parameters; the note waits until they have nothing to do.
static void settle(LilvInstance *instance, features *f, port *ports, uint32_t count,
                   const lv2_request *r)
{
    struct stat tasks;  // a folder has a link for each folder in it, and two of its own
    if (stat("/proc/self/task", &tasks) != 0 || tasks.st_nlink <= 3) return;
    for (int round = 0; round < 2; round++) {
        set_events(ports, count, r, -BLOCK, BLOCK);
        lilv_instance_run(instance, BLOCK);
        features_work(f);
        for (int quiet = 0, tries = 0; quiet < 3 && tries < 3000; tries++) {
            usleep(1000);
            quiet = others_work() ? 0 : quiet + 1;
        }
    }
}

static void run_note(LilvInstance *instance, features *f, port *ports, uint32_t count,
                     const lv2_request *r, float *samples)
{
    for (int64_t at = 0; at < r->samples; at += BLOCK) {
        uint32_t frames = r->samples - at < BLOCK ? (uint32_t)(r->samples - at) : BLOCK;
        set_events(ports, count, r, at, frames);
        lilv_instance_run(instance, frames);
        features_work(f);
        float outputs = 0;
        for (uint32_t i = 0; i < count; i++) outputs += ports[i].kind == PORT_AUDIO_OUT;
        for (uint32_t k = 0; k < frames; k++) {
            float sum = 0;
            for (uint32_t i = 0; i < count; i++)
                if (ports[i].kind == PORT_AUDIO_OUT) sum += ((float *)ports[i].buffer)[k];
            samples[at + k] = outputs > 0 ? sum / outputs : 0;
        }
    }
}

bool host_render(host *h, const lv2_request *r, const lv2_setting *settings, float *samples)
{
    uint32_t count = lilv_plugin_get_num_ports(h->plugin);
    port *ports = ports_new(h, count);
    if (!ports) return false;
    for (uint32_t i = 0; i < r->settings; i++)
        if (settings[i].port < count && ports[settings[i].port].kind == PORT_CONTROL)
            ports[settings[i].port].value = settings[i].value;
    srand(1), srandom(1), srand48(1);  // plugins that roll dice roll the same ones
    features *f = features_new(r->sample_rate, BLOCK);
    LilvInstance *instance = f ? lilv_plugin_instantiate(h->plugin, r->sample_rate, features_list(f)) : NULL;
    if (instance) {
        features_attach(f, instance);
        for (uint32_t i = 0; i < count; i++)
            lilv_instance_connect_port(instance, i,
                                       ports[i].kind == PORT_CONTROL ? &ports[i].value : ports[i].buffer);
        lilv_instance_activate(instance);
        settle(instance, f, ports, count, r);
        run_note(instance, f, ports, count, r, samples);
        lilv_instance_deactivate(instance);
        return true;  // a thread of the plugin may still look at ports and features
    }
    snprintf(h->error, sizeof h->error, "the plugin cannot be instantiated");
    features_free(f);
    for (uint32_t i = 0; i < count; i++) free(ports[i].buffer);
    free(ports);
    return false;
}
