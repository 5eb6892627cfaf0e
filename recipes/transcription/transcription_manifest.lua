-- A data set of the transcription recipe: a folder with
--
--     train_manifest.json, val_manifest.json, test_manifest.json      a list of recordings each
--     train/, val/, test/                                             their sound files and MIDI files
--
-- A recording is {id, piece, composer, soundfont, split, audio_path, midi_path, duration (seconds),
-- num_notes};
-- paths are relative to the folder. A piece lies in one split only. train/manifest.json and so on are read,
-- too, where the others are missing.

local failure = require "luatrain.failure"
local fs = lt.fs

local manifest = {}

--- Names of the splits, in order.
manifest.splits = { "train", "val", "test" }

--- The manifest file of a split: the one that exists, else the one to write.
function manifest.path(folder, split)
  local path, other = fs.join(folder, split .. "_manifest.json"), fs.join(folder, split, "manifest.json")
  if not fs.is_file(path) and fs.is_file(other) then return other end
  return path
end

--- The folder of the data set that a command makes, by its settings `out` and `name`.
function manifest.folder(c) return c.out ~= "" and c.out or fs.join("data", "datasets", c.name) end

--- Writes the recordings of a split, whole or not at all.
function manifest.write(folder, split, recordings)
  lt.json.save(fs.join(folder, split .. "_manifest.json"), lt.json.array(recordings))
end

local function check(entry, i, path)
  for _, field in ipairs { "audio_path", "midi_path", "duration" } do
    local kind = field == "duration" and "number" or "string"
    if type(entry[field]) ~= kind then
      failure.raise("data", "%s: recording %d lacks %s (a %s)", path, i, field, kind)
    end
  end
  for _, field in ipairs { "audio_path", "midi_path" } do
    if not fs.is_file(entry[field]) then
      failure.raise("data", "%s: recording %d: %s: no such file", path, i, entry[field])
    end
  end
end

--- The recordings of a split, with paths as one can open them. Raises where the manifest is missing or empty,
-- or a recording's file is.
function manifest.entries(folder, split)
  local path = manifest.path(folder, split)
  if not fs.is_file(path) then
    failure.raise("data", "%s: no such file; make a data set with `luatrain run transcription generate` or "
      .. "`... prepare`", path)
  end
  local records, list = lt.data.manifest(path), {}
  if records:size() == 0 then failure.raise("data", "%s: lists no recording", path) end
  for i = 1, records:size() do
    local entry = records:get(i)
    check(entry, i, path)
    entry.id = entry.id or fs.stem(entry.audio_path)
    entry.split = split
    list[i] = entry
  end
  return list
end

return manifest
