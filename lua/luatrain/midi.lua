--- MIDI files: notes, tempo and signatures in seconds, read from types 0, 1 and 2, and written.
-- Pitches, velocities, channels (9: drums) and programs are those of the file, counted from 0; tracks
-- count from 1. Reading is tolerant: what can be read is read, and song.warnings counts each oddity.
--
-- Where this reader differs from pretty_midi, on purpose: tempo changes count in every track; SMPTE
-- time and type 2 work; a key struck while it sounds ends the earlier note (pretty_midi lets both end
-- at the next note-off); a note that never ends is ended with its track, not dropped; "all notes off"
-- ends notes; a channel's program holds in all tracks, as in a synthesizer, and is the one at the
-- note's beginning.
local ffi = require "ffi"
local core = require "luatrain.core"
local fs = require "luatrain.fs"
local C, check = core.C, core.check

local midi = {}

local TEXT_KINDS = { "text", "copyright", "track_name", "instrument", "lyric", "marker", "cue",
  "program_name", "device" }

-- Names of the major and minor keys from 7 flats to 7 sharps.
local MAJORS = { "Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#" }
local MINORS = { "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#", "G#", "D#", "A#" }

--- Name of the key with so many sharps (flats where negative, -7 to 7): "Bb major", "G minor".
function midi.key_name(sharps, minor)
  return minor and MINORS[sharps + 8] .. " minor" or MAJORS[sharps + 8] .. " major"
end

-- ---- reading ---------------------------------------------------------------------------------

-- Oddities that mean a part of the music is missing.
local DAMAGE = { "chunk cut short by the end of the file", "track abandoned at bytes that mean nothing",
  "track announced but missing" }

-- One function per kind of event: adds it to the song.
local take = {}

take[C.LT_MIDI_CONTROL] = function(song, e)
  table.insert(song.controls, { time = e.time, number = e.a, value = e.b, channel = e.channel,
    track = e.track + 1 })
end
take[C.LT_MIDI_PROGRAM] = function(song, e)
  table.insert(song.programs, { time = e.time, program = e.a, channel = e.channel, track = e.track + 1 })
end
take[C.LT_MIDI_BEND] = function(song, e)
  table.insert(song.bends, { time = e.time, value = e.a, channel = e.channel, track = e.track + 1 })
end
take[C.LT_MIDI_TEMPO] = function(song, e)
  table.insert(song.tempos, { time = e.time, bpm = 60e6 / e.a, microseconds = e.a })
end
take[C.LT_MIDI_TIME_SIGNATURE] = function(song, e)
  table.insert(song.time_signatures, { time = e.time, numerator = e.a, denominator = e.b })
end
take[C.LT_MIDI_KEY_SIGNATURE] = function(song, e)
  local minor = e.b == 1
  table.insert(song.key_signatures, { time = e.time, sharps = e.a, minor = minor,
    name = midi.key_name(e.a, minor) })
end
take[C.LT_MIDI_TEXT] = function(song, e)
  local text = e.text_bytes > 0 and ffi.string(e.text, e.text_bytes) or ""
  table.insert(song.texts, { time = e.time, kind = TEXT_KINDS[e.a], text = text, track = e.track + 1 })
  if e.a == 3 and not song.track_names[e.track + 1] then song.track_names[e.track + 1] = text end
end

local function notes_of(handle, count, with_pedal)
  local notes, list = {}, C.lt_midi_notes(handle)
  for i = 1, count do
    local n = list[i - 1]
    notes[i] = { start = n.start, stop = with_pedal and n.sustained or n.stop, sustained = n.sustained,
      pitch = n.pitch, velocity = n.velocity, channel = n.channel, program = n.program,
      track = n.track + 1, drum = n.drum ~= 0 }
  end
  return notes
end

local function warnings_of(handle)
  local warnings, count, i = {}, ffi.new "int64_t[1]", 0
  while true do
    local text = C.lt_midi_warning(count, handle, i)
    if text == nil then return warnings end
    if count[0] > 0 then warnings[ffi.string(text)] = tonumber(count[0]) end
    i = i + 1
  end
end

local Song = { __name = "song" }

-- "song: 1,204 notes in 3 tracks, 182.3 s, 120 bpm".
function Song.__tostring(song)
  local show = require "luatrain.show"
  local tempo = song.tempos and song.tempos[1]
  return ("song: %s in %s, %.1f s%s%s"):format(show.plural(#song.notes, "note"),
    show.plural(song.tracks or 1, "track"), song.duration or 0,
    tempo and (", %.4g bpm"):format(tempo.bpm) or "", song.damage and ", damaged: " .. song.damage or "")
end

local function song_of(handle, options)
  local info = ffi.new "lt_midi_info"
  C.lt_midi_describe(info, handle)
  local song = {
    format = info.format, tracks = info.tracks, duration = info.seconds,
    ppq = info.ticks_per_quarter > 0 and info.ticks_per_quarter or nil,
    notes = notes_of(handle, tonumber(info.notes), options.pedal),
    tempos = {}, time_signatures = {}, key_signatures = {}, controls = {}, programs = {}, bends = {},
    texts = {}, track_names = {}, warnings = warnings_of(handle),
  }
  for _, words in ipairs(DAMAGE) do
    if song.warnings[words] and not song.damage then song.damage = words end
  end
  local events = C.lt_midi_events(handle)
  for i = 0, tonumber(info.events) - 1 do
    local add = take[events[i].kind]
    if add then add(song, events[i]) end
  end
  return setmetatable(song, Song)
end

local function opened(open, name, options)
  local out = ffi.new "lt_midi *[1]"
  check(open(out, (options.track or 1) - 1))
  local handle = ffi.gc(out[0], C.lt_midi_close)
  local song = song_of(handle, options)
  C.lt_midi_close(ffi.gc(handle, nil))
  if options.strict and song.damage then
    core.fail_as("format", "%s: damaged MIDI file: %s", name, song.damage)
  end
  return song
end

--- Reads a MIDI file.
-- @param path    the file, at most 16 MiB
-- @param options {pedal = true: stop is where the sound ends with the sustain pedal, instead of where
--   the key is released; strict = true: raise where a part of the music is missing (song.damage);
--   track = which track of a type 2 file (default 1)}
-- @return song = {
--     notes = list of {start, stop, sustained (seconds), pitch, velocity, channel, program, track,
--       drum}, by start, then pitch,
--     tempos = list of {time, bpm, microseconds (of a quarter note)}; before the first: 120 bpm,
--     time_signatures = list of {time, numerator, denominator},
--     key_signatures = list of {time, sharps, minor, name},
--     controls = list of {time, number, value, channel, track}, programs, bends: alike,
--     texts = list of {time, kind = "lyric" | "text" | "marker" | ..., text, track},
--     track_names = {[track] = name}, duration (seconds to the last event), format, tracks, ppq
--       (ticks per quarter note), warnings = {[words] = count}, damage = words where a part of the
--       music is missing, else nil }
--   Raises where the file is no MIDI file or nothing in it can be read.
-- @usage for _, n in ipairs(lt.midi.read("song.mid").notes) do print(n.start, n.pitch) end
function midi.read(path, options)
  return opened(function(out, track) return C.lt_midi_open(out, path, track) end, path, options or {})
end

--- Reads a MIDI file held in a string; `name` is what errors call it. Options as in midi.read.
function midi.parse(data, name, options)
  name = name or "midi"
  return opened(function(out, track)
    return C.lt_midi_parse(out, name, data, #data, track)
  end, name, options or {})
end

-- ---- features --------------------------------------------------------------------------------

--- How much each of the 128 notes sounds in a song: its share of the seconds that all notes sound (drums do
-- not count), a tensor (128) of sum 1; zeros where nothing sounds.
-- @param options {from = 0, to = the end: of the part that counts, in seconds; by = "time", "velocity"
-- (seconds
--   times loudness) or "count" (of beginnings)}
function midi.probabilities(song, options)
  local o = require("luatrain.options").read("probabilities", options, { from = 0, to = math.huge,
    by = "time" })
  if o.by ~= "time" and o.by ~= "velocity" and o.by ~= "count" then
    core.fail("probabilities: by is '%s'; there are time, velocity and count", tostring(o.by))
  end
  local shares, sum = {}, 0
  for i = 1, 128 do shares[i] = 0 end
  for _, note in ipairs(song.notes) do
    local share = math.min(note.stop, o.to) - math.max(note.start, o.from)
    if o.by == "count" then share = note.start >= o.from and note.start < o.to and 1 or 0 end
    if o.by == "velocity" then share = share * note.velocity / 127 end
    if share > 0 and not note.drum then
      shares[note.pitch + 1], sum = shares[note.pitch + 1] + share, sum + share
    end
  end
  for i = 1, 128 do shares[i] = shares[i] / math.max(sum, 1e-300) end
  return require("luatrain.tensor").from(shares)
end

-- ---- writing ---------------------------------------------------------------------------------

local char, floor = string.char, math.floor

local function big(value, bytes)
  local parts = {}
  for i = bytes, 1, -1 do
    parts[i] = char(value % 256)
    value = floor(value / 256)
  end
  return table.concat(parts)
end

-- A variable-length quantity.
local function length_text(value)
  if value > 0x0FFFFFFF then core.fail("midi: more than 268435455 ticks between two events") end
  local text = char(value % 128)
  value = floor(value / 128)
  while value > 0 do
    text = char(128 + value % 128) .. text
    value = floor(value / 128)
  end
  return text
end

local function meta(kind, data)
  return "\255" .. char(kind) .. length_text(#data) .. data
end

local function whole(value, low, high, what, ...)
  if type(value) ~= "number" or value ~= floor(value) or value < low or value > high then
    core.fail("midi: " .. what .. " is %s, not a whole number from %d to %d", ...)
  end
  return value
end

local function checked(value, low, high, list, i, field)
  return whole(value, low, high, "%s[%d].%s", list, i, field, tostring(value), low, high)
end

local function checked_time(value, list, i, field)
  if type(value) ~= "number" or not (value >= 0 and value <= 86400) then
    core.fail("midi: %s[%d].%s is %s, not a time from 0 to 86400 seconds", list, i, field,
      tostring(value))
  end
  return value
end

-- The list in order of time, without changing it.
local function by_time(list)
  local sorted, order = {}, {}
  for i, item in ipairs(list or {}) do sorted[i], order[item] = item, i end
  table.sort(sorted, function(a, b)
    if a.time ~= b.time then return a.time < b.time end
    return order[a] < order[b]
  end)
  return sorted
end

-- The function from seconds to ticks, and the tempo events, for a list of tempos. Times are measured
-- in the file as it will be read, so rounding does not add up.
local function tempo_map(tempos, ppq)
  local segments = { { tick = 0, time = 0, tick_seconds = 0.5 / ppq } }
  local events = {}
  local function ticks(time)
    local low, high = 1, #segments
    while low < high do
      local middle = floor((low + high + 1) / 2)
      if segments[middle].time <= time then low = middle else high = middle - 1 end
    end
    local s = segments[low]
    return s.tick + floor((time - s.time) / s.tick_seconds + 0.5)
  end
  for i, tempo in ipairs(by_time(tempos)) do
    local us = tempo.microseconds or floor(60e6 / (tempo.bpm or 0) + 0.5)
    checked(us, 1, 0xFFFFFF, "tempos", i, "microseconds")
    local tick = ticks(checked_time(tempo.time, "tempos", i, "time"))
    local last = segments[#segments]
    local segment = { tick = tick, time = last.time + (tick - last.tick) * last.tick_seconds,
      tick_seconds = us * 1e-6 / ppq }
    segments[tick == last.tick and #segments or #segments + 1] = segment
    events[#events + 1] = { tick = tick, rank = 0, data = meta(0x51, big(us, 3)) }
  end
  return ticks, events
end

-- Events of one track, sorted by tick, then rank (what comes first at one instant), then order.
local function chunk(events, end_tick)
  for i, event in ipairs(events) do event.order = i end
  table.sort(events, function(a, b)
    if a.tick ~= b.tick then return a.tick < b.tick end
    if a.rank ~= b.rank then return a.rank < b.rank end
    return a.order < b.order
  end)
  local parts, tick = {}, 0
  for _, event in ipairs(events) do
    parts[#parts + 1] = length_text(event.tick - tick) .. event.data
    tick = event.tick
  end
  parts[#parts + 1] = length_text(math.max(0, end_tick - tick)) .. meta(0x2F, "")
  local data = table.concat(parts)
  return "MTrk" .. big(#data, 4) .. data
end

-- First track: tempo, signatures, texts.
local function conductor_events(song, ticks, events)
  for i, s in ipairs(song.time_signatures or {}) do
    local power = math.log(tonumber(s.denominator) or 0) / math.log(2)
    power = math.abs(power - floor(power + 0.5)) < 1e-9 and floor(power + 0.5) or -1
    checked(s.numerator, 1, 255, "time_signatures", i, "numerator")
    if power < 0 or power > 10 then
      core.fail("midi: time_signatures[%d].denominator is %s, not a power of two up to 1024", i,
        tostring(s.denominator))
    end
    events[#events + 1] = { tick = ticks(checked_time(s.time, "time_signatures", i, "time")), rank = 1,
      data = meta(0x58, char(s.numerator, power, 24, 8)) }
  end
  for i, s in ipairs(song.key_signatures or {}) do
    checked(s.sharps, -7, 7, "key_signatures", i, "sharps")
    events[#events + 1] = { tick = ticks(checked_time(s.time, "key_signatures", i, "time")), rank = 2,
      data = meta(0x59, char(s.sharps % 256, s.minor and 1 or 0)) }
  end
  for i, t in ipairs(song.texts or {}) do
    for kind, name in ipairs(TEXT_KINDS) do
      if name == (t.kind or "text") then
        events[#events + 1] = { tick = ticks(checked_time(t.time, "texts", i, "time")), rank = 3,
          data = meta(kind, t.text), track = t.track }
      end
    end
  end
  return events
end

-- A channel for each program of notes that name none: 0 to 15 without 9.
local function channel_chooser()
  local channels, used = {}, 0
  return function(note)
    if note.channel then return note.channel end
    if note.drum then return 9 end
    local program = note.program or 0
    if not channels[program] then
      if used == 15 then core.fail("midi: more than 15 instruments; give the notes channels") end
      channels[program] = used < 9 and used or used + 1
      used = used + 1
    end
    return channels[program]
  end
end

local function note_events(song, ticks, track_of)
  local choose, programs = channel_chooser(), {}
  local notes = {}
  for i, note in ipairs(song.notes or {}) do
    checked_time(note.start, "notes", i, "start")
    checked_time(note.stop, "notes", i, "stop")
    notes[i] = { note = note, index = i, time = note.start }
  end
  for _, item in ipairs(by_time(notes)) do
    local note, i = item.note, item.index
    local channel = checked(choose(note), 0, 15, "notes", i, "channel")
    local pitch = checked(note.pitch, 0, 127, "notes", i, "pitch")
    local velocity = checked(note.velocity or 64, 1, 127, "notes", i, "velocity")
    local program = checked(note.program or 0, 0, 127, "notes", i, "program")
    local events = track_of(note.track or channel + 1, channel)
    local start = ticks(note.start)
    local stop = math.max(start + 1, ticks(note.stop))
    if programs[channel] ~= program then
      local first = programs[channel] == nil
      programs[channel] = program
      events[#events + 1] = { tick = first and 0 or start, rank = 5, data = char(0xC0 + channel, program) }
    end
    events[#events + 1] = { tick = start, rank = 7, data = char(0x90 + channel, pitch, velocity) }
    events[#events + 1] = { tick = stop, rank = 4, data = char(0x80 + channel, pitch, 0) }
  end
end

local function control_events(song, ticks, track_of)
  for i, c in ipairs(song.controls or {}) do
    local channel = checked(c.channel or 0, 0, 15, "controls", i, "channel")
    local events = track_of(c.track or channel + 1, channel)
    events[#events + 1] = { tick = ticks(checked_time(c.time, "controls", i, "time")), rank = 6,
      data = char(0xB0 + channel, checked(c.number, 0, 127, "controls", i, "number"),
        checked(c.value, 0, 127, "controls", i, "value")) }
  end
  for i, b in ipairs(song.bends or {}) do
    local channel = checked(b.channel or 0, 0, 15, "bends", i, "channel")
    local events = track_of(b.track or channel + 1, channel)
    local value = checked(b.value, -8192, 8191, "bends", i, "value") + 8192
    events[#events + 1] = { tick = ticks(checked_time(b.time, "bends", i, "time")), rank = 6,
      data = char(0xE0 + channel, value % 128, floor(value / 128)) }
  end
end

--- MIDI file of type 1 as a string. Times are rounded to ticks; each (track, channel) of the notes
-- becomes a track; a channel's first program stands at its beginning.
-- @param song    as midi.read gives it; all but `notes` may be missing. Notes need start, stop and
--   pitch; velocity 64, program 0, and channels by program are taken where they are missing. The
--   programs of the notes count, song.programs does not.
-- @param options {ppq = ticks per quarter note (default 480)}
function midi.encode(song, options)
  local ppq = options and options.ppq or 480
  whole(ppq, 1, 32767, "ppq", tostring(ppq), 1, 32767)
  local ticks, events = tempo_map(song.tempos, ppq)
  local groups, order = {}, {}
  local function track_of(track, channel)
    local key = checked(track, 1, 65534, "notes", 0, "track") * 16 + channel
    if not groups[key] then
      groups[key] = {}
      order[#order + 1] = key
    end
    return groups[key]
  end
  conductor_events(song, ticks, events)
  note_events(song, ticks, track_of)
  control_events(song, ticks, track_of)
  table.sort(order)
  local end_tick = ticks(checked_time(song.duration or 0, "song", 0, "duration"))
  local chunks = { "MThd" .. big(6, 4) .. big(1, 2) .. big(#order + 1, 2) .. big(ppq, 2),
    chunk(events, end_tick) }
  for i, key in ipairs(order) do chunks[i + 2] = chunk(groups[key], end_tick) end
  return table.concat(chunks)
end

--- Writes a MIDI file atomically. Arguments as in midi.encode.
-- @usage lt.midi.write("scale.mid", {notes = {{start = 0, stop = 0.5, pitch = 60}}})
function midi.write(path, song, options)
  fs.write(path, midi.encode(song, options))
end

midi.augment = require "luatrain.midi.augment"

return midi
