-- Data of the frame-wise model: prepared recordings as windows of rows with the rolls of their notes.

local bands = require "transcription_bands"
local manifest = require "transcription_manifest"
local notes = require "transcription_notes"
local targets = require "transcription_targets"
local fs = lt.fs

local windows = {}

--- The file with the rows of a recording of a data set's folder.
function windows.cache(folder, entry)
  return fs.join(folder, "features", entry.split, entry.id .. ".h5")
end

--- Makes the rows of all recordings of a split that have none yet. Returns the good ones, {[id] = true};
-- `skipped` (of lt.data.skipped) is told of the others.
function windows.warm(folder, split, skipped, line)
  local entries, good, started = manifest.entries(folder, split), {}, lt.time()
  for i, entry in ipairs(entries) do
    local ok, problem = pcall(function()
      notes.read(entry.midi_path)
      bands.prepare(entry.audio_path, windows.cache(folder, entry))
    end)
    if ok then good[entry.id] = true else skipped:add(entry.audio_path, problem) end
    if i % 20 == 0 or i == #entries then
      line("%s features: %d of %d recordings, %.0f s", split, i, #entries, lt.time() - started)
    end
  end
  return good
end

--- The same, made if it is not there.
function windows.prepared(folder, entry)
  local cache = windows.cache(folder, entry)
  if not fs.is_file(cache) then bands.prepare(entry.audio_path, cache) end
  return cache
end

local function open(item, folder)
  local entry = item.entry
  if not entry.source then
    entry.source, entry.notes = bands.open(windows.prepared(folder, entry)), notes.read(entry.midi_path)
  end
  return entry.source, entry.notes
end

-- One place in every `rows` rows of each recording.
local function places(entries, rows)
  local list = {}
  for _, entry in ipairs(entries) do
    local total = math.floor(entry.duration / bands.row_seconds)
    for k = 0, math.max(0, math.floor(total / rows) - 1) do
      list[#list + 1] = { entry = entry, first = k * rows, total = total,
        id = ("%s at %.0f s"):format(entry.id, k * rows * bands.row_seconds) }
    end
  end
  return list
end

--- `count` of a list, evenly spread; 0: all.
function windows.few(list, count)
  if count == 0 or #list <= count then return list end
  local chosen = {}
  for i = 1, count do chosen[i] = list[math.floor((i - 1) * #list / count) + 1] end
  return chosen
end

local DB = 2.55                                                     -- steps of a level in a decibel

--- Levels (n, width) as another instrument or recording would have them: louder, filtered, with a noise
-- floor.
function windows.augment(x, c)
  x = x:to "f32"
  local gain = c.random_gain * (2 * math.random() - 1)
  local filter = lt.audio.random_curve(bands.count, c.equaliser) + gain
  x = x + lt.stack({ filter, filter }, 2):flatten(1) * DB            -- both windows of a band
  if math.random() < c.noise then
    local floor = (20 + 25 * math.random()) * DB
    local hiss = lt.randn(x:size(1), x:size(2)) * (5 * DB) + floor
    x = lt.maximum(x, hiss)
  end
  return x:clamp(0, 255)
end

--- The data set of some recordings: samples {levels (rows, width), targets (rows, 88, 4): onset, frame,
-- offset, velocity}. In training at random places, augmented.
function windows.set(entries, folder, c, training)
  local list = windows.few(places(entries, c.rows), training and c.epoch_windows or c.valid_windows)
  return lt.data.table(list):map(function(item)
    local source, played = open(item, folder)
    local first = item.first
    if training then first = math.random(0, math.max(0, item.total - c.rows)) end
    local x = source.read(first, c.rows)
    x = training and c.augment and windows.augment(x, c) or x:to "f32"
    return { levels = x, targets = targets.rolls(played, first, c.rows, bands.row_seconds) }
  end)
end

return windows
