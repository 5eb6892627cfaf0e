-- What sources_fuzz.c and tests/recipes/musician_bad_input_spec.lua do with a damaged file of a musician's
-- data sets: it is looked for and read as `prepare` would, and is good or wrong data; any other error is a
-- mistake of the program.
package.path = "recipes/musician/?.lua;" .. package.path
local prepare = require "musician_prepare"
local sources = require "musician_sources"
local fs = lt.fs

local damaged = {}

--- Names that files of the known kinds have, tables and documents before MIDI files.
damaged.names = { "labels.csv", "info.csv", "metadata.csv", "maestro-v3.0.0.csv", "static_annotations.csv",
  "songs.json", "a.json", "moods.json", "chord_midi.txt", "a.mid", "drums/b.mid" }

local recipes = prepare.recipes({ "melody", "harmony", "dynamics", "groove" }, "recipes/musician")

--- Reads all that is in a folder. Returns how many pieces were read, and how many problems were listed.
function damaged.read(root)
  local skipped, read = lt.data.skipped(root), 0         -- raises again what is no wrong data
  local found = sources.find(root, skipped)
  for _, recipe in ipairs(recipes) do
    for _, entry in ipairs(found[recipe.source.model_name]) do
      local ok = skipped:try(entry.id, lt.scope, recipe.source.read, entry, { seconds = 45, seed = 1 }, 0)
      read = read + (ok and 1 or 0)
    end
  end
  return read, #skipped.list
end

--- An input of the fuzz target: the first byte chooses a name, the rest is that file.
function damaged.fuzz(root, input)
  local name = damaged.names[(input:byte() or 0) % #damaged.names + 1]
  local path = fs.join(root, name)
  fs.mkdir(fs.dirname(path))
  fs.write(path, input:sub(2))
  damaged.read(root)
  fs.remove(path)
end

return damaged
