// midi: Standard MIDI Files, types 0, 1 and 2, also inside RIFF (SMF 1.1).
//
// Files in the wild are often a little wrong: what can be read is read and every oddity is counted
// (lt_midi_warning). An error is only what is no MIDI file, or holds nothing that can be read.
#include "midi.h"

enum { MAX_BYTES = 16 << 20 };

static const char *const warning_texts[WARNINGS] = {
    [WARN_CUT_SHORT] = "chunk cut short by the end of the file",
    [WARN_BROKEN_TRACK] = "track abandoned at bytes that mean nothing",
    [WARN_FEWER_TRACKS] = "track announced but missing",
    [WARN_MORE_TRACKS] = "track beyond the announced number, ignored",
    [WARN_SKIPPED_CHUNK] = "chunk of unknown type, skipped",
    [WARN_FORMAT] = "unknown file type, read as type 1",
    [WARN_CLIPPED] = "data byte above 127, taken as 127",
    [WARN_RUNNING_STATUS] = "running status across a meta event",
    [WARN_STATUS] = "status byte not allowed in files, skipped",
    [WARN_META] = "meta event with a senseless value, ignored",
    [WARN_REPEATED_NOTE] = "note begun again while sounding, which ends the earlier one",
    [WARN_UNMATCHED_OFF] = "note-off without a note, ignored",
    [WARN_OPEN_NOTE] = "note without an end, ended with its track",
    [WARN_EMPTY_NOTE] = "note of no length, dropped",
    [WARN_TOO_LATE] = "event later than a day, dropped",
};

lt_status lt_midi_grow(void **array, int64_t *room, int64_t count, size_t size)
{
    if (count < *room) return LT_OK;
    int64_t more = *room ? *room * 2 : 256;
    void *larger = lt_alloc(more * (int64_t)size);
    if (!larger) return LT_ERR_MEMORY;
    if (count) memcpy(larger, *array, (size_t)count * size);
    lt_free(*array);
    *array = larger;
    *room = more;
    return LT_OK;
}

// ---- one track ---------------------------------------------------------------------------------

typedef struct {
    lt_midi *m;
    const unsigned char *p, *end;
    int64_t tick;
    int32_t track, port;
    int status;              // running status, 0 for none
    bool stale;              // a meta event has come between
    bool broken;
    int64_t open[16][128];   // 1 + index of the sounding note, 0 for none
    int64_t cut_at[16][128]; // 1 + tick at which the latest note cut an earlier one
} reader;

static bool broken(reader *r)
{
    r->broken = true;
    return false;
}

// A variable-length quantity of at most four bytes.
static bool take_length(reader *r, int64_t *value)
{
    *value = 0;
    for (int i = 0; i < 4; i++) {
        if (r->p >= r->end) return broken(r);
        int byte = *r->p++;
        *value = *value << 7 | (byte & 127);
        if (!(byte & 128)) return true;
    }
    return broken(r);
}

static bool take_data(reader *r, int *value)
{
    if (r->p >= r->end) return broken(r);
    *value = *r->p++;
    if (*value > 127) {
        *value = 127;
        r->m->warnings[WARN_CLIPPED]++;
    }
    return true;
}

static lt_status add_event(reader *r, int kind, int channel, int a, int b, const char *text, int64_t bytes)
{
    lt_midi *m = r->m;
    int64_t n = m->info.events;
    LT_TRY(lt_midi_grow((void **)&m->events, &m->events_room, n, sizeof *m->events));
    m->events[n] = (lt_midi_event){.tick = r->tick, .order = n, .text = text, .text_bytes = bytes,
                                   .kind = kind, .track = r->track, .port = r->port,
                                   .channel = channel, .a = a, .b = b};
    m->info.events = n + 1;
    return LT_OK;
}

static void end_note(reader *r, int channel, int pitch)
{
    int64_t *open = &r->open[channel][pitch];
    r->m->notes[*open - 1].stop_tick = r->tick;
    *open = 0;
}

static lt_status note_on(reader *r, int channel, int pitch, int velocity)
{
    lt_midi *m = r->m;
    int64_t n = m->info.notes, *open = &r->open[channel][pitch];
    r->cut_at[channel][pitch] = 0;
    if (*open) {
        m->warnings[WARN_REPEATED_NOTE]++;
        if (m->notes[*open - 1].start_tick < r->tick) r->cut_at[channel][pitch] = r->tick + 1;
        end_note(r, channel, pitch);
    }
    LT_TRY(lt_midi_grow((void **)&m->notes, &m->notes_room, n, sizeof *m->notes));
    m->notes[n] = (lt_midi_note){.start_tick = r->tick, .stop_tick = -1, .order = n, .pitch = pitch,
                                 .velocity = velocity, .channel = channel, .track = r->track,
                                 .port = r->port, .drum = channel == 9};
    m->info.notes = n + 1;
    *open = n + 1;
    return LT_OK;
}

static void note_off(reader *r, int channel, int pitch)
{
    if (!r->open[channel][pitch]) {
        r->m->warnings[WARN_UNMATCHED_OFF]++;
        return;
    }
    // Files that write a repeat as on, off in one tick mean the off for the note already cut.
    if (r->cut_at[channel][pitch] == r->tick + 1) r->cut_at[channel][pitch] = 0;
    else end_note(r, channel, pitch);
}

// All sound off, all notes off, and the mode messages that imply it.
static void end_channel(reader *r, int channel)
{
    for (int pitch = 0; pitch < 128; pitch++)
        if (r->open[channel][pitch]) end_note(r, channel, pitch);
}

static lt_status take_channel_message(reader *r)
{
    int kind = r->status >> 4, channel = r->status & 15, a = 0, b = 0;
    bool two = kind != 12 && kind != 13;
    if (!take_data(r, &a) || (two && !take_data(r, &b))) return LT_OK;
    switch (kind) {
    case 8: note_off(r, channel, a); return LT_OK;
    case 9:
        if (b > 0) return note_on(r, channel, a, b);
        note_off(r, channel, a);
        return LT_OK;
    case 10: return add_event(r, LT_MIDI_KEY_PRESSURE, channel, a, b, NULL, 0);
    case 11:
        if (a == 120 || a >= 123) end_channel(r, channel);
        return add_event(r, LT_MIDI_CONTROL, channel, a, b, NULL, 0);
    case 12: return add_event(r, LT_MIDI_PROGRAM, channel, a, 0, NULL, 0);
    case 13: return add_event(r, LT_MIDI_PRESSURE, channel, a, 0, NULL, 0);
    default: return add_event(r, LT_MIDI_BEND, channel, (b << 7 | a) - 8192, 0, NULL, 0);
    }
}

static lt_status senseless(reader *r)
{
    r->m->warnings[WARN_META]++;
    return LT_OK;
}

static lt_status meta_event(reader *r, int type, const unsigned char *data, int64_t bytes)
{
    if (type >= 1 && type <= 9)
        return add_event(r, LT_MIDI_TEXT, -1, type, 0, (const char *)data, bytes);
    switch (type) {
    case 0x21:
        if (bytes >= 1) r->port = data[0] & 127;
        return LT_OK;
    case 0x51: {
        if (bytes < 3) return senseless(r);
        int tempo = data[0] << 16 | data[1] << 8 | data[2];
        return tempo ? add_event(r, LT_MIDI_TEMPO, -1, tempo, 0, NULL, 0) : senseless(r);
    }
    case 0x58:
        if (bytes < 2 || !data[0] || data[1] > 10) return senseless(r);
        return add_event(r, LT_MIDI_TIME_SIGNATURE, -1, data[0], 1 << data[1], NULL, 0);
    case 0x59: {
        if (bytes < 2) return senseless(r);
        int sharps = (signed char)data[0];
        if (sharps < -7 || sharps > 7 || data[1] > 1) return senseless(r);
        return add_event(r, LT_MIDI_KEY_SIGNATURE, -1, sharps, data[1], NULL, 0);
    }
    default: return LT_OK;
    }
}

// FF type length data; *over at the end of the track.
static lt_status take_meta(reader *r, bool *over)
{
    int64_t bytes;
    if (r->p >= r->end) {
        broken(r);
        return LT_OK;
    }
    int type = *r->p++;
    if (!take_length(r, &bytes)) {
        // An end of track whose length byte is missing is an end all the same.
        if (type == 0x2F) r->broken = false, *over = true;
        return LT_OK;
    }
    if (type == 0x2F) {
        *over = true;
        return LT_OK;
    }
    if (bytes > r->end - r->p) {
        broken(r);
        return LT_OK;
    }
    const unsigned char *data = r->p;
    r->p += bytes;
    r->stale = true;
    return meta_event(r, type, data, bytes);
}

static lt_status take_event(reader *r, bool *over)
{
    int64_t delta, bytes;
    if (!take_length(r, &delta)) return LT_OK;
    r->tick += delta;
    if (r->p >= r->end) {
        broken(r);
        return LT_OK;
    }
    int byte = *r->p;
    if (byte == 0xFF) {
        r->p++;
        return take_meta(r, over);
    }
    if (byte == 0xF0 || byte == 0xF7) {
        r->p++;
        r->status = 0;
        if (take_length(r, &bytes) && bytes > r->end - r->p) broken(r);
        if (!r->broken) r->p += bytes;
        return LT_OK;
    }
    if (byte > 0xF0) {
        int follow = byte == 0xF2 ? 2 : byte == 0xF1 || byte == 0xF3 ? 1 : 0;
        r->m->warnings[WARN_STATUS]++;
        r->p += r->end - r->p > follow ? follow + 1 : r->end - r->p;
        return LT_OK;
    }
    if (byte & 128) {
        r->status = byte;
        r->stale = false;
        r->p++;
    } else if (!r->status) {
        broken(r);
        return LT_OK;
    } else if (r->stale) {
        r->m->warnings[WARN_RUNNING_STATUS]++;
        r->stale = false;
    }
    return take_channel_message(r);
}

static lt_status read_track(lt_midi *m, const unsigned char *p, const unsigned char *end, int32_t track)
{
    reader *r = calloc(1, sizeof *r);
    LT_REQUIRE(r, LT_ERR_MEMORY, "%s: out of memory", m->path);
    *r = (reader){.m = m, .p = p, .end = end, .track = track};
    lt_status status = LT_OK;
    bool over = false;
    while (status == LT_OK && !over && !r->broken && r->p < r->end) status = take_event(r, &over);
    if (r->broken) m->warnings[WARN_BROKEN_TRACK]++;
    if (r->tick > m->info.last_tick) m->info.last_tick = r->tick;
    for (int channel = 0; channel < 16; channel++)
        for (int pitch = 0; pitch < 128; pitch++)
            if (r->open[channel][pitch]) {
                m->warnings[WARN_OPEN_NOTE]++;
                end_note(r, channel, pitch);
            }
    free(r);
    return status;
}

// ---- the file ----------------------------------------------------------------------------------

static uint32_t big32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static uint32_t little32(const unsigned char *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

// Inside RIFF .... RMID, the chunk called data is the MIDI file.
static void unwrap_riff(const unsigned char **p, const unsigned char **end)
{
    if (*end - *p < 12 || memcmp(*p, "RIFF", 4) || memcmp(*p + 8, "RMID", 4)) return;
    for (const unsigned char *q = *p + 12; *end - q >= 8;) {
        int64_t bytes = little32(q + 4), left = *end - q - 8;
        if (bytes > left) bytes = left;
        if (!memcmp(q, "data", 4)) {
            *p = q + 8;
            *end = q + 8 + bytes;
            return;
        }
        if (bytes + (bytes & 1) > left) return;
        q += 8 + bytes + (bytes & 1);
    }
}

static lt_status read_division(lt_midi *m, const unsigned char *p)
{
    int high = (signed char)p[0], low = p[1];
    if (high >= 0) {
        m->info.ticks_per_quarter = high << 8 | low;
        LT_REQUIRE(m->info.ticks_per_quarter > 0, LT_ERR_FORMAT,
                   "%s: MIDI file with a division of 0 ticks per quarter note", m->path);
        return LT_OK;
    }
    double frames = high == -29 ? 30000.0 / 1001.0 : -high;
    LT_REQUIRE((high == -24 || high == -25 || high == -29 || high == -30) && low > 0, LT_ERR_FORMAT,
               "%s: MIDI file with a division of %d ticks for each of %d frames a second", m->path, low,
               -high);
    m->tick_seconds = 1.0 / (frames * low);
    return LT_OK;
}

// The chunks after the header; wanted is the one track to read, -1 for all.
static lt_status read_chunks(lt_midi *m, const unsigned char *p, const unsigned char *end, int32_t wanted)
{
    int32_t announced = m->info.tracks, found = 0;
    while (end - p >= 8) {
        int64_t bytes = big32(p + 4), left = end - p - 8;
        bool is_track = !memcmp(p, "MTrk", 4);
        if (bytes > left) {
            bytes = left;
            m->warnings[WARN_CUT_SHORT]++;
        }
        p += 8;
        if (!is_track) m->warnings[WARN_SKIPPED_CHUNK]++;
        else if (found >= announced) m->warnings[WARN_MORE_TRACKS]++;
        else {
            if (wanted < 0 || wanted == found) LT_TRY(read_track(m, p, p + bytes, found));
            found++;
        }
        p += bytes;
    }
    if (found < announced) m->warnings[WARN_FEWER_TRACKS] += announced - found;
    m->info.tracks = found;
    LT_REQUIRE(found > 0, LT_ERR_FORMAT, "%s: MIDI file without a track", m->path);
    LT_REQUIRE(wanted < found, LT_ERR_ARGUMENT, "%s: there is no track %d, it has %d", m->path,
               (int)wanted + 1, (int)found);
    bool nothing = m->info.notes == 0 && m->info.events == 0;
    LT_REQUIRE(!nothing || !(m->warnings[WARN_BROKEN_TRACK] + m->warnings[WARN_CUT_SHORT]),
               LT_ERR_FORMAT, "%s: damaged MIDI file: not one event can be read", m->path);
    return LT_OK;
}

static lt_status read_file(lt_midi *m, int32_t track)
{
    const unsigned char *p = (const unsigned char *)m->file.data, *end = p + m->file.bytes;
    LT_REQUIRE(end > p, LT_ERR_FORMAT, "%s: not a MIDI file: it is empty", m->path);
    unwrap_riff(&p, &end);
    LT_REQUIRE(end - p >= 4 && !memcmp(p, "MThd", 4), LT_ERR_FORMAT,
               "%s: not a MIDI file: it does not begin with MThd", m->path);
    LT_REQUIRE(end - p >= 14, LT_ERR_FORMAT, "%s: MIDI file cut short in its header", m->path);
    int64_t bytes = big32(p + 4), left = end - p - 8;
    LT_REQUIRE(bytes >= 6, LT_ERR_FORMAT, "%s: MIDI file with a header of %lld bytes, 6 are needed",
               m->path, (long long)bytes);
    m->info.format = p[8] << 8 | p[9];
    m->info.tracks = p[10] << 8 | p[11];
    LT_TRY(read_division(m, p + 12));
    if (m->info.format > 2) m->warnings[WARN_FORMAT]++;
    int32_t wanted = m->info.format == 2 ? track : -1;
    LT_REQUIRE(track >= 0, LT_ERR_ARGUMENT, "%s: tracks count from 1", m->path);
    LT_TRY(read_chunks(m, p + 8 + (bytes < left ? bytes : left), end, wanted));
    return lt_midi_finish(m);
}

void lt_midi_close(lt_midi *m)
{
    if (!m) return;
    lt_buffer_release(&m->file);
    lt_free(m->notes);
    lt_free(m->events);
    free(m->path);
    free(m);
}

static lt_status start(lt_midi **out, const char *name)
{
    lt_midi *m = calloc(1, sizeof *m);
    LT_REQUIRE(m, LT_ERR_MEMORY, "%s: out of memory", name);
    m->path = malloc(strlen(name) + 1);
    if (!m->path) {
        free(m);
        return lt_fail(LT_ERR_MEMORY, "%s: out of memory", name);
    }
    strcpy(m->path, name);
    *out = m;
    return LT_OK;
}

static lt_status finish(lt_midi **out, lt_midi *m, lt_status status, int32_t track)
{
    if (status == LT_OK) status = read_file(m, track);
    if (status != LT_OK) lt_midi_close(m);
    else *out = m;
    return status;
}

lt_status lt_midi_open(lt_midi **out, const char *path, int32_t track)
{
    lt_midi *m;
    *out = NULL;
    LT_REQUIRE(path, LT_ERR_ARGUMENT, "midi: the file has no name");
    LT_TRY(start(&m, path));
    return finish(out, m, lt_file_read(&m->file, path, MAX_BYTES), track);
}

lt_status lt_midi_parse(lt_midi **out, const char *name, const void *data, int64_t bytes, int32_t track)
{
    lt_midi *m;
    *out = NULL;
    LT_REQUIRE(bytes <= MAX_BYTES, LT_ERR_FORMAT, "%s: %lld bytes, more than a MIDI file may have (%d)",
               name, (long long)bytes, MAX_BYTES);
    LT_TRY(start(&m, name));
    m->file.data = lt_alloc(bytes + 1);
    if (!m->file.data) return finish(out, m, LT_ERR_MEMORY, track);
    if (bytes) memcpy(m->file.data, data, (size_t)bytes);
    m->file.data[bytes] = 0;
    m->file.bytes = bytes;
    return finish(out, m, LT_OK, track);
}

void lt_midi_describe(lt_midi_info *info, const lt_midi *m) { *info = m->info; }
const lt_midi_note *lt_midi_notes(const lt_midi *m) { return m->notes; }
const lt_midi_event *lt_midi_events(const lt_midi *m) { return m->events; }

const char *lt_midi_warning(int64_t *count, const lt_midi *m, int32_t index)
{
    if (index < 0 || index >= WARNINGS) return NULL;
    *count = m->warnings[index];
    return warning_texts[index];
}
