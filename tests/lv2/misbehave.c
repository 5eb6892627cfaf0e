// misbehave: an LV2 instrument for tests. It plays a sine at the note's pitch; `mode` says whether it
// crashes, hangs, ends its process or writes a NaN instead, and `level` how loud it is.
#include <lv2/atom/atom.h>
#include <lv2/atom/util.h>
#include <lv2/core/lv2.h>
#include <lv2/midi/midi.h>
#include <lv2/urid/urid.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { EVENTS, OUT, MODE, LEVEL, TIME, PORTS };
enum { PLAY, CRASH, HANG, LEAVE, NOT_A_NUMBER };

typedef struct plugin {
    double rate, phase, step;
    int sounding;
    LV2_URID midi;
    void *port[PORTS];
} plugin;

static LV2_Handle instantiate(const LV2_Descriptor *d, double rate, const char *path,
                              const LV2_Feature *const *features)
{
    (void)d, (void)path;
    plugin *p = calloc(1, sizeof *p);
    p->rate = rate;
    for (; *features; features++)
        if (strcmp((*features)->URI, LV2_URID__map) == 0) {
            LV2_URID_Map *map = (*features)->data;
            p->midi = map->map(map->handle, LV2_MIDI__MidiEvent);
        }
    return p;
}

static void connect_port(LV2_Handle h, uint32_t i, void *data)
{
    if (i < PORTS) ((plugin *)h)->port[i] = data;
}

static void misbehave(int mode)
{
    if (mode == CRASH) raise(SIGSEGV);
    if (mode == LEAVE) _exit(7);
    while (mode == HANG) usleep(1000);
}

static void run(LV2_Handle h, uint32_t frames)
{
    plugin *p = h;
    float *out = p->port[OUT], level = *(float *)p->port[LEVEL];
    int mode = (int)*(float *)p->port[MODE];
    uint32_t from = 0;
    LV2_ATOM_SEQUENCE_FOREACH((LV2_Atom_Sequence *)p->port[EVENTS], e) {
        const uint8_t *bytes = (const uint8_t *)(e + 1);
        if (e->body.type != p->midi) continue;
        for (; from < (uint32_t)e->time.frames; from++, p->phase += p->step)
            out[from] = p->sounding ? level * (float)sin(p->phase) : 0;
        p->sounding = (bytes[0] & 0xf0) == 0x90;
        p->step = 6.283185307179586 * 440 * pow(2, (bytes[1] - 69) / 12.0) / p->rate;
        misbehave(mode);
    }
    for (; from < frames; from++, p->phase += p->step)
        out[from] = mode == NOT_A_NUMBER ? NAN : p->sounding ? level * (float)sin(p->phase) : 0;
}

static void cleanup(LV2_Handle h) { free(h); }

static const LV2_Descriptor descriptor = {"urn:luatrain:misbehave", instantiate, connect_port, NULL,
                                          run, NULL, cleanup, NULL};

LV2_SYMBOL_EXPORT const LV2_Descriptor *lv2_descriptor(uint32_t index)
{
    return index == 0 ? &descriptor : NULL;
}
