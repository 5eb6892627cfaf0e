// midi_fuzz: any bytes as a MIDI file: an error, or notes that make sense.
#include "luatrain.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lt_midi *m;
    if (lt_midi_parse(&m, "fuzz", data, (int64_t)size, 0) != LT_OK) return 0;
    lt_midi_info info;
    lt_midi_describe(&info, m);
    const lt_midi_note *notes = lt_midi_notes(m);
    double before = 0;
    for (int64_t i = 0; i < info.notes; i++) {
        const lt_midi_note *n = &notes[i];
        if (!(n->start >= before && n->stop > n->start && n->sustained >= n->stop &&
              n->sustained <= 86401 && n->pitch >= 0 && n->pitch <= 127 && n->velocity >= 1 &&
              n->velocity <= 127 && n->channel >= 0 && n->channel <= 15 && n->program >= 0 &&
              n->program <= 127))
            abort();
        before = n->start;
    }
    const lt_midi_event *events = lt_midi_events(m);
    unsigned sum = 0;
    for (int64_t i = 0; i < info.events; i++)
        for (int64_t k = 0; k < events[i].text_bytes; k++) sum += (unsigned char)events[i].text[k];
    lt_midi_close(m);
    return sum == 0xFFFFFFFFu;
}
