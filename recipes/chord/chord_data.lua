-- Data of the chord recipe: the prepared songs as windows of feature rows with a class for every row.
--
-- A prepared folder holds manifest.json (written by the prepare command): a list of {id, song, soundfont,
-- split, audio_path, lab_path, midi_path, seconds}, paths relative to the folder.

local chord = require "luatrain.music.chord"
local failure = require "luatrain.failure"
local features = require "chord_features"
local fs = lt.fs

local data = {}

--- Entries of a prepared folder, those of a split ("train", "valid", "test") or all.
function data.entries(folder, split)
  local path = fs.join(folder, "manifest.json")
  if not fs.is_file(path) then
    failure.raise("data", "%s: no such file; make the data with `luatrain run chord prepare --out %s`",
      path, folder)
  end
  local records, chosen = lt.data.manifest(path), {}
  for i = 1, records:size() do
    local entry = records:get(i)
    if not (type(entry.audio_path) == "string" and type(entry.lab_path) == "string"
      and type(entry.midi_path) == "string" and type(entry.seconds) == "number") then
      failure.raise("data", "%s: song %d lacks audio_path, lab_path, midi_path or seconds; make the data "
        .. "with `luatrain run chord prepare`", path, i)
    end
    entry.cache = fs.join(folder, "features", entry.id .. ".safetensors")
    if not split or entry.split == split then chosen[#chosen + 1] = entry end
  end
  return chosen
end

--- Features and classes of an entry, kept in it from the first time on. Errors name the file.
function data.open(entry)
  if not entry.rows then
    local segments = chord.read_lab(entry.lab_path)
    local rows = lt.scope(function() return features.cached(entry.audio_path, entry.cache) end)
    entry.segments, entry.rows = segments, lt.keep(rows)
    entry.classes = features.classes(segments, rows:size(1))
    entry.notes = lt.keep(features.notes(lt.midi.read(entry.midi_path).notes, rows:size(1)))
  end
  return entry
end

-- Windows of `rows` rows: in training as many as fit into each song, anywhere in it; else side by side.
local function windows(entries, rows)
  local list = {}
  for _, entry in ipairs(entries) do
    local total = math.floor(entry.seconds / features.row_seconds)
    for k = 0, math.max(0, math.floor(total / rows) - 1) do
      local id = ("%s at %d s"):format(entry.id, k * rows * features.row_seconds)
      list[#list + 1] = { entry = entry, first = k * rows, id = id }
    end
  end
  return list
end

-- One window around the middle of every chord, for learning from clips that sound one chord each.
local function clips(entries, rows)
  local list = {}
  for _, entry in ipairs(entries) do
    for _, segment in ipairs(chord.read_lab(entry.lab_path)) do
      local middle = (segment.start + segment.stop) / 2
      if chord.classify(segment.label) then
        list[#list + 1] = {
          entry = entry, segment = segment, id = ("%s at %.1f s"):format(entry.id, middle),
          first = math.floor(middle / features.row_seconds - rows / 2 + 0.5),
        }
      end
    end
  end
  return list
end

-- The window transposed, filtered and with noise added; returns rows and the transposition.
local function augment(x, config)
  local shift = math.random(-config.shift, math.max(0, config.shift))
  x = features.transpose(x, shift) * lt.audio.random_curve(features.bins, config.equaliser):exp()
  if config.noise > 0 then
    x = x + lt.randn(x:size(1), x:size(2)):abs() * (x:mean():item() * config.noise * 2 * math.random())
  end
  return x, shift
end

-- n rows from `first` (0 is the song's first) as i64 tensors, transposed.
local function targets(classes, first, n, shift)
  local kinds, roots, basses = {}, {}, {}
  for i = 1, n do
    local root, bass = classes.roots[first + i], classes.basses[first + i]
    kinds[i] = classes.kinds[first + i] or -100
    roots[i] = root and root >= 0 and (root + shift) % 12 or -100
    basses[i] = bass and bass >= 0 and (bass + shift) % 12 or -100
  end
  return lt.tensor(kinds, "i64"), lt.tensor(roots, "i64"), lt.tensor(basses, "i64")
end

--- The data set of some entries: samples {features (rows, bins), chord_type, root, bass_note (rows) i64},
-- in clips mode with one class for all rows.
-- @param training augmented and at random places
function data.windows(entries, config, training)
  local list = (config.clips and clips or windows)(entries, config.rows)
  return lt.data.table(list):map(function(item)
    local entry = data.open(item.entry)
    local first = item.first
    if training and not config.clips then
      first = math.random(0, math.max(0, entry.rows:size(1) - config.rows))
    end
    local x, shift = features.of_rows(entry.rows).read(first, config.rows), 0
    if training then x, shift = augment(x, config) end
    local notes = features.of_rows(entry.notes).read(first, config.rows)
    local sample = { features = x, notes = features.transpose(notes, shift) }
    if config.clips then
      local kind, root, bass = chord.classify(chord.transpose(item.segment.label, shift))
      sample.chord_type = lt.tensor({ kind }, "i64")
      sample.root, sample.bass_note = lt.tensor({ root or -100 }, "i64"), lt.tensor({ bass or -100 }, "i64")
    else
      sample.chord_type, sample.root, sample.bass_note = targets(entry.classes, first,
        config.rows, shift)
    end
    return sample
  end)
end

return data
