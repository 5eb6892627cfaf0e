-- Notes as every part of the transcription recipe passes them: lists of {start, stop (seconds), pitch (MIDI
-- number), velocity (1 to 127)}, by start, then pitch. A note lasts while it sounds: until its key is
-- released and the sustain pedal is up (Hawthorne et al. 2018), or the same key is struck again.

local failure = require "luatrain.failure"

local notes = {}

--- The piano's keys.
notes.lowest, notes.highest, notes.keys = 21, 108, 88

local function before(a, b)
  if a.start ~= b.start then return a.start < b.start end
  return a.pitch < b.pitch
end

--- Sorts a list of notes in place and returns it.
function notes.sort(list)
  table.sort(list, before)
  return list
end

--- The notes of a MIDI file, extended by the pedal, without drums and what lies off the keyboard or lasts no
-- time. Raises where there is none.
function notes.read(path)
  local list = {}
  for _, n in ipairs(lt.midi.read(path, { pedal = true }).notes) do
    if not n.drum and n.pitch >= notes.lowest and n.pitch <= notes.highest and n.stop > n.start then
      list[#list + 1] = { start = n.start, stop = n.stop, pitch = n.pitch, velocity = n.velocity }
    end
  end
  if #list == 0 then failure.raise("data", "%s: holds no note of a piano", path) end
  return notes.sort(list)
end

--- Writes notes as a MIDI file, atomically.
function notes.write_midi(path, list)
  local out = {}
  for i, n in ipairs(list) do
    out[i] = { start = n.start, stop = n.stop, pitch = n.pitch, velocity = n.velocity or 64, track = 1,
      channel = 0,
      program = 0 }
  end
  lt.midi.write(path, { notes = out, tempos = { { time = 0, bpm = 120 } } })
end

return notes
