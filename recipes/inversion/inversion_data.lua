-- A data file of rendered presets, as training sees it: pictures with their parameters, split so that all
-- notes of a preset lie on one side.

local core = require "luatrain.core"
local baseline = require "inversion_baseline"
local failure = require "luatrain.failure"
local hdf5 = require "luatrain.data.hdf5"
local mels = require "inversion_mels"
local objective = require "inversion_loss"
local space = require "inversion_space"
local fs = lt.fs

local data = {}

-- ---- opening ------------------------------------------------------------------------------------

local function check_file(path)
  if not fs.is_file(path) then
    failure.raise("data", "%s: no such file; make it with `luatrain run inversion render --out %s`", path,
      path)
  end
end

-- A data set whose shape is (N, ...): its handle. `advice` ends the message where it is missing.
local function dataset(file, name, count, columns, advice)
  if not file:has(name) then
    failure.raise("data", "%s: has no data set '%s'%s", file.path, name, advice or "")
  end
  local set = file:dataset(name)
  if (count and set.shape[1] ~= count) or (columns and (set.shape[2] ~= columns or #set.shape ~= 2)) then
    failure.raise("data", "%s: '%s' is (%s), wanted (%s)", file.path, name, table.concat(set.shape, ", "),
      table.concat({ count or set.shape[1], columns }, ", "))
  end
  return set
end

local Opened = {}
Opened.__index = Opened

--- Values of rows (a list of positions from 1) of a data set: a tensor (#rows, ...).
function Opened:rows(name, rows)
  return dataset(self.file, name, self.count):rows(rows)
end

--- Opens a file: {file, space, count, hashes}. The caller closes result.file.
function data.open(path)
  check_file(path)
  local file = hdf5.open(path)
  local continuous, categorical = dataset(file, "params/continuous"), dataset(file, "params/categorical")
  local columns, count = { continuous.shape[2] or 0, categorical.shape[2] or 0 }, continuous.shape[1]
  local about = space.from_attributes(file:attributes "/", columns, path)
  dataset(file, "params/continuous", nil, #about.continuous.names)
  dataset(file, "params/categorical", count, #about.categorical.names)
  dataset(file, "metadata/preset_hash", count)
  if count == 0 then failure.raise("data", "%s: holds no sounds", path) end
  return setmetatable({ file = file, path = path, space = about, count = count,
    hashes = file:strings "metadata/preset_hash" }, Opened)
end

--- Importance weights (n) of an open file: a tensor, or nil where compute-weights has not been run.
function data.importance(opened)
  if not opened.file:has "importance/continuous" then return nil end
  local set = opened.file:dataset "importance/continuous"
  local n = #opened.space.continuous.names
  if #set.shape ~= 1 or set.shape[1] ~= n then
    failure.raise("data", "%s: 'importance/continuous' is (%s), wanted (%d)", opened.path,
      table.concat(set.shape, ", "), n)
  end
  return set:read(1, n)
end

--- MIDI note of every row, or nil for files without.
function data.notes(opened)
  if not opened.file:has "metadata/note" then return nil end
  return dataset(opened.file, "metadata/note", opened.count):read(1, opened.count):flat()
end

--- A number that tells data sets apart: CRC-32C of all preset hashes.
function data.fingerprint(opened)
  local text = table.concat(opened.hashes, "\n")
  return ("%08x-%d"):format(tonumber(core.C.lt_crc32c(0, text, #text)), opened.count)
end

-- ---- split --------------------------------------------------------------------------------------

--- Rows for training and for validation, lists of positions from 1. No preset lies on both sides.
function data.split(opened, fraction, seed)
  local rows = lt.data.from(opened.count, function(i) return { row = i, hash = opened.hashes[i] } end)
  local train, valid = rows:group_split("hash", { 1 - fraction, fraction }, seed)
  local sides, seen = { train = {}, valid = {} }, {}
  for name, set in pairs { train = train, valid = valid } do
    for i = 1, set:size() do
      local one = set:get(i)
      if (seen[one.hash] or name) ~= name then
        failure.raise("data", "%s: preset %s lies on both sides of the split", opened.path, one.hash)
      end
      seen[one.hash] = name
      sides[name][i] = one.row
    end
  end
  return sides
end

-- ---- data sets ----------------------------------------------------------------------------------

--- All rows of a file as a data set of {mel (1, 128, frames), continuous (n), categorical (m)}.
function data.table(path)
  return hdf5.table(path, { fields = {
    mel = "features/mel_spectrogram", continuous = "params/continuous", categorical = "params/categorical",
  } })
end

--- The data sets train and valid of a config: samples {mel (1, 128, frames), continuous (n),
-- categorical (m) i64}; and the opened file's facts beside them.
function data.sets(c)
  local opened = data.open(c.data)
  mels.check(opened)
  local sides = data.split(opened, c.val_fraction, c.seed)
  if #sides.train == 0 then
    failure.raise("data", "%s: its %d sounds leave none for training", c.data, opened.count)
  end
  local whole = data.table(c.data)
  local sets = { train = whole:select(sides.train), valid = whole:select(sides.valid), all = whole }
  sets.frames = opened.file:dataset("features/mel_spectrogram").shape[4]
  opened.sides = sides
  opened.file:close()
  sets.opened = opened
  return sets
end

--- What a checkpoint must know: the space, the mel settings, the scale of the pictures, the unit of the
-- continuous loss, and which data these were.
function data.facts(c, sets)
  local opened = data.open(c.data)
  local goal = objective.new(opened.space, c.importance and data.importance(opened) or nil,
    c.conditional_loss_mask)
  local unit = baseline.error(opened, sets.opened.sides.train, goal)
  opened.file:close()
  return {
    space = opened.space:facts(), mel = mels.settings(opened.space), unit = unit,
    scale = mels.statistics(sets.train, c.input_gain, c.seed), frames = sets.frames,
    data = { path = c.data, fingerprint = data.fingerprint(opened), sounds = opened.count,
      val_fraction = c.val_fraction, seed = c.seed },
  }
end

--- The space in a checkpoint's facts; an error where the checkpoint is of another recipe.
function data.space_of(facts, path)
  if type(facts.space) ~= "table" or type(facts.mel) ~= "table" then
    failure.raise("data", "%s: is no checkpoint of the inversion recipe (it describes no synthesizer)", path)
  end
  return space.from_facts(facts.space)
end

--- Raises where a checkpoint does not belong to these data. same = true: the very same file is wanted.
function data.accept(facts, now, path, same)
  local theirs = data.space_of(facts, path)
  local difference = space.from_facts(now.space):difference(theirs)
  if difference then
    failure.raise("data", "%s is a checkpoint of another data set than %s: %s", path, now.data.path,
      difference)
  end
  if same and facts.data.fingerprint ~= now.data.fingerprint then
    failure.raise("data", "%s was trained on another data set (%s, %d sounds) than %s (%d sounds): their "
      .. "splits would mix; begin a new run", path, facts.data.path, facts.data.sounds, now.data.path,
        now.data.sounds)
  end
end

--- Writes split.json into a run directory: the hashes of the presets on both sides.
function data.record(run, sets, c)
  local opened, lists = sets.opened, {}
  for name, rows in pairs(opened.sides) do
    local hashes, seen = lt.json.array {}, {}
    for _, row in ipairs(rows) do
      local hash = opened.hashes[row]
      if not seen[hash] then hashes[#hashes + 1] = hash end
      seen[hash] = true
    end
    lists[name] = hashes
  end
  lt.json.save(run:file "split.json", { data = c.data, fingerprint = data.fingerprint(opened), seed = c.seed,
    val_fraction = c.val_fraction, train = lists.train, valid = lists.valid })
end

return data
