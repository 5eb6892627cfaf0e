-- MIDI files as the recipes read them.

local failure = require "luatrain.failure"

local LONGEST = 3600

--- The notes of a MIDI file, without drums unless these are wanted; when the last one ends; and the whole
-- song. Raises where there are none, or they last longer than an hour.
return function(path, with_drums)
  local song, notes, last = lt.midi.read(path), {}, 0
  for _, note in ipairs(song.notes) do
    if with_drums or not note.drum then
      notes[#notes + 1], last = note, math.max(last, note.stop)
    end
  end
  if #notes == 0 then failure.raise("data", "%s: MIDI file without notes", path) end
  if last > LONGEST then failure.raise("data", "%s: lasts %.0f s, longer than an hour", path, last) end
  return notes, last, song
end
