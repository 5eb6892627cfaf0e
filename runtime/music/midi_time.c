// midi_time: seconds from ticks, and what a note takes from the events around it.
//
// Time is summed exactly, as ticks times microseconds per quarter in 64-bit integers from one tempo
// to the next, and divided once. The sustain pedal (controller 64, down from 64 up) prolongs a note
// that is released while it is down until it comes up, or the key is struck again.
#include "midi.h"

#define DAY_SECONDS 86400

typedef struct { int64_t tick, sum, tempo; } segment;  // sum: microseconds * ticks per quarter
typedef struct { int64_t key, down, up; } pedal;
typedef struct {
    segment *list;
    int64_t count, room;
    int64_t limit;  // the last tick within a day
} tempo_map;

static int by_tick(const void *a, const void *b)
{
    const lt_midi_event *x = a, *y = b;
    if (x->tick != y->tick) return x->tick < y->tick ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

static int by_start(const void *a, const void *b)
{
    const lt_midi_note *x = a, *y = b;
    if (x->start_tick != y->start_tick) return x->start_tick < y->start_tick ? -1 : 1;
    if (x->pitch != y->pitch) return x->pitch - y->pitch;
    return (x->order > y->order) - (x->order < y->order);
}

static lt_status add_segment(tempo_map *map, int64_t tick, int64_t sum, int64_t tempo)
{
    if (map->count && map->list[map->count - 1].tick == tick) map->count--;  // the last one wins
    LT_TRY(lt_midi_grow((void **)&map->list, &map->room, map->count, sizeof *map->list));
    map->list[map->count++] = (segment){tick, sum, tempo};
    return LT_OK;
}

static lt_status make_tempo_map(tempo_map *map, const lt_midi *m)
{
    const int64_t day = (int64_t)DAY_SECONDS * 1000000 * m->info.ticks_per_quarter;
    LT_TRY(add_segment(map, 0, 0, 500000));
    for (int64_t i = 0; i < m->info.events; i++) {
        const lt_midi_event *e = &m->events[i];
        if (e->kind != LT_MIDI_TEMPO) continue;
        segment last = map->list[map->count - 1];
        if (e->tick - last.tick > (day - last.sum) / last.tempo) break;
        LT_TRY(add_segment(map, e->tick, last.sum + (e->tick - last.tick) * last.tempo, e->a));
    }
    segment last = map->list[map->count - 1];
    map->limit = last.tick + (day - last.sum) / last.tempo;
    return LT_OK;
}

static double seconds_at(const tempo_map *map, const lt_midi *m, int64_t tick)
{
    if (m->tick_seconds > 0) return (double)tick * m->tick_seconds;
    int64_t low = 0, high = map->count - 1;  // the last segment that begins at or before tick
    while (low < high) {
        int64_t middle = (low + high + 1) / 2;
        if (map->list[middle].tick <= tick) low = middle;
        else high = middle - 1;
    }
    const segment *s = &map->list[low];
    return (double)(s->sum + (tick - s->tick) * s->tempo) / (1e6 * m->info.ticks_per_quarter);
}

// Drops what begins after the limit and notes without length; ends the rest at the limit.
static void drop(lt_midi *m, int64_t limit)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < m->info.notes; i++) {
        lt_midi_note note = m->notes[i];
        if (note.stop_tick > limit) note.stop_tick = limit;
        if (note.start_tick > limit) m->warnings[WARN_TOO_LATE]++;
        else if (note.stop_tick <= note.start_tick) m->warnings[WARN_EMPTY_NOTE]++;
        else m->notes[kept++] = note;
    }
    m->info.notes = kept;
    kept = 0;
    for (int64_t i = 0; i < m->info.events; i++)
        if (m->events[i].tick <= limit) m->events[kept++] = m->events[i];
    m->warnings[WARN_TOO_LATE] += m->info.events - kept;
    m->info.events = kept;
    if (m->info.last_tick > limit) m->info.last_tick = limit;
}

static int64_t voice(int32_t port, int32_t channel) { return (int64_t)port * 16 + channel; }

// The program of a channel holds for all tracks that play on it, as in a synthesizer.
static lt_status give_programs(lt_midi *m)
{
    int32_t program[128 * 16] = {0};
    int64_t e = 0;
    for (int64_t i = 0; i < m->info.notes; i++) {
        lt_midi_note *note = &m->notes[i];
        for (; e < m->info.events && m->events[e].tick <= note->start_tick; e++)
            if (m->events[e].kind == LT_MIDI_PROGRAM)
                program[voice(m->events[e].port, m->events[e].channel)] = m->events[e].a;
        note->program = program[voice(note->port, note->channel)];
    }
    return LT_OK;
}

static int by_key(const void *a, const void *b)
{
    const pedal *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->down > y->down) - (x->down < y->down);
}

// All times at which a pedal is down, by channel and time. *list is NULL where there is none.
static lt_status find_pedals(pedal **list, int64_t *count, const lt_midi *m)
{
    int64_t room = 0, open[128 * 16] = {0};  // 1 + index of the pedal that is down
    for (int64_t i = 0; i < m->info.events; i++) {
        const lt_midi_event *e = &m->events[i];
        if (e->kind != LT_MIDI_CONTROL || (e->a != 64 && e->a != 121)) continue;
        int64_t key = voice(e->port, e->channel);
        bool down = e->a == 64 && e->b >= 64;
        if (down == (open[key] != 0)) continue;
        if (!down) {
            (*list)[open[key] - 1].up = e->tick;
            open[key] = 0;
            continue;
        }
        LT_TRY(lt_midi_grow((void **)list, &room, *count, sizeof **list));
        (*list)[(*count)++] = (pedal){key, e->tick, m->info.last_tick};
        open[key] = *count;
    }
    if (*count) qsort(*list, (size_t)*count, sizeof **list, by_key);
    return LT_OK;
}

// When the pedal that holds this note at its release comes up; the release where none does.
static int64_t pedal_end(const pedal *list, int64_t count, const lt_midi_note *note)
{
    int64_t key = voice(note->port, note->channel), low = 0, high = count;
    while (low < high) {  // the number of pedals before the first that goes down at or after the stop
        int64_t middle = (low + high) / 2;
        const pedal *p = &list[middle];
        if (p->key < key || (p->key == key && p->down < note->stop_tick)) low = middle + 1;
        else high = middle;
    }
    const pedal *p = low > 0 ? &list[low - 1] : NULL;
    return p && p->key == key && p->up > note->stop_tick ? p->up : note->stop_tick;
}

typedef struct { int64_t start, after; } onset;  // the next onset of a key, and the one after it

static lt_status sustain(lt_midi *m, const tempo_map *map)
{
    pedal *list = NULL;
    int64_t count = 0;
    for (int64_t i = 0; i < m->info.notes; i++) m->notes[i].sustained = m->notes[i].stop;
    lt_status status = find_pedals(&list, &count, m);
    onset *next = status == LT_OK && count ? calloc(128 * 16 * 128, sizeof *next) : NULL;
    if (status == LT_OK && count && !next) status = lt_fail(LT_ERR_MEMORY, "%s: out of memory", m->path);
    for (int64_t i = m->info.notes - 1; i >= 0 && next; i--) {
        lt_midi_note *note = &m->notes[i];
        onset *o = &next[voice(note->port, note->channel) * 128 + note->pitch];
        if (o->start != note->start_tick + 1) *o = (onset){note->start_tick + 1, o->start};
        if (note->drum) continue;
        int64_t end = pedal_end(list, count, note);
        if (o->after && end > o->after - 1) end = o->after - 1;
        if (end > note->stop_tick) note->sustained = seconds_at(map, m, end);
    }
    free(next);
    lt_free(list);
    return status;
}

static lt_status finish_with(lt_midi *m, tempo_map *map)
{
    if (m->info.events) qsort(m->events, (size_t)m->info.events, sizeof *m->events, by_tick);
    if (m->info.notes) qsort(m->notes, (size_t)m->info.notes, sizeof *m->notes, by_start);
    if (m->tick_seconds > 0) map->limit = (int64_t)(DAY_SECONDS / m->tick_seconds);
    else LT_TRY(make_tempo_map(map, m));
    drop(m, map->limit);
    for (int64_t i = 0; i < m->info.notes; i++) {
        m->notes[i].start = seconds_at(map, m, m->notes[i].start_tick);
        m->notes[i].stop = seconds_at(map, m, m->notes[i].stop_tick);
    }
    for (int64_t i = 0; i < m->info.events; i++)
        m->events[i].time = seconds_at(map, m, m->events[i].tick);
    m->info.seconds = seconds_at(map, m, m->info.last_tick);
    m->info.tick_seconds = m->tick_seconds;
    LT_TRY(give_programs(m));
    return sustain(m, map);
}

lt_status lt_midi_finish(lt_midi *m)
{
    tempo_map map = {0};
    lt_status status = finish_with(m, &map);
    lt_free(map.list);
    return status;
}
