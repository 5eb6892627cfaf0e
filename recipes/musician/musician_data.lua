-- The shared data module of the five recipes: what was read from files, as one training format, and the data
-- sets made from it.
--
-- prepared/NAME.safetensors below the folder of the data sets holds what a model learns from: x (frames,
-- inputs) and y (frames, outputs) of all pieces one after the other, and in the metadata entry "musician"
-- which frames are whose: {version, synthetic = how many pieces are made up, pieces = [{id, group, split,
-- frames, variant}]}. Variant 0 is the piece as it is; others are changed at random and only trained on.
-- Pieces of a group (movements, performances, excerpts of one work) never lie in two splits.

local dataset = require "luatrain.data.dataset"
local failure = require "luatrain.failure"
local fs = lt.fs

local data = { version = 1 }

--- Where the training format of a model lies.
function data.path(folder, name) return fs.join(folder, "prepared", name .. ".safetensors") end

-- ---- writing ------------------------------------------------------------------------------------

local function read(recipe, entry, c, variant)
  local x, y = recipe.read(entry, c, variant)
  if x:size(1) < recipe.window then
    failure.raise("data", "%s: %d frames, the %s model wants %d or more", entry.id, x:size(1),
      recipe.model_name,
      recipe.window)
  end
  return x, y
end

--- Reads the entries for a model and writes its training format; where they hold nothing, removes it.
-- @param entries as musician_sources finds them; as many of the first ones as c.max_frames allows
-- @param skipped lists what is damaged (lt.data.skipped)
-- @return the number of pieces, of frames, and of pieces that are made up
function data.write(recipe, entries, c, skipped)
  local xs, ys, pieces = {}, {}, lt.json.array {}
  local count, frames, synthetic = 0, 0, 0
  local path = data.path(c.datasets_dir, recipe.model_name)
  lt.scope(function()
    for _, entry in ipairs(entries) do
      if frames >= c.max_frames then break end
      for variant = 0, recipe.variants or 0 do
        local ok, x, y = skipped:try(entry.id, lt.scope, read, recipe, entry, c, variant)
        if not ok then break end
        xs[#xs + 1], ys[#ys + 1] = x, y
        pieces[#pieces + 1] = { id = entry.id, group = entry.group, split = entry.split, frames = x:size(1),
          variant = variant }
        frames = frames + x:size(1)
        if variant == 0 then count, synthetic = count + 1, synthetic + (entry.synthetic and 1 or 0) end
      end
    end
    if #pieces == 0 then return fs.remove(path) end
    fs.mkdir(fs.dirname(path))
    lt.safetensors.save(path, { x = lt.cat(xs, 1), y = lt.cat(ys, 1) }, { musician = lt.json.encode(
      { version = data.version, pieces = pieces, synthetic = synthetic }, { pretty = false }) })
  end)
  return count, frames, synthetic
end

-- ---- reading ------------------------------------------------------------------------------------

local function facts_of(path, metadata, x, y, recipe)
  local ok, facts = pcall(lt.json.decode, metadata.musician or "")
  local frames = 0
  local good = ok and facts.version == data.version and type(facts.pieces) == "table" and x and y
    and x:dim() == 2 and y:dim() == 2 and x:size(2) == recipe.inputs and y:size(2) == recipe.outputs
  for _, piece in ipairs(good and facts.pieces or {}) do
    good = good and type(piece.group) == "string" and type(piece.frames) == "number" and piece.variant
    frames = frames + (good and piece.frames or 0)
  end
  if not good or x:size(1) ~= frames or y:size(1) ~= frames then
    failure.raise("data", "%s: not made for the %s model; make it with `luatrain run musician prepare`", path,
      recipe.model_name)
  end
  return facts
end

-- Gives each piece a split: its own, or by the place of its group among all in an order of names.
local function divide(pieces, c)
  local groups, split = {}, {}
  for _, piece in ipairs(pieces) do
    if not split[piece.group] then
      split[piece.group] = piece.split or ""
      if not piece.split then groups[#groups + 1] = piece.group end
    end
  end
  table.sort(groups, function(a, b)
    local x, y = lt.data.name_share(a), lt.data.name_share(b)
    if x ~= y then return x < y end
    return a < b
  end)
  local valid = math.floor(c.val_split * #groups + 0.5)
  local test = math.floor(c.test_split * #groups + 0.5)
  for rank, group in ipairs(groups) do
    split[group] = rank <= valid and "valid" or rank <= valid + test and "test" or "train"
  end
  return split
end

-- A data set of the windows that begin at the frames `starts` (from 0).
local function windows(x, y, starts, ids, length)
  local function part(all, list)
    if length == 1 then return all:index_select(1, lt.tensor(list, "i64")) end
    local frames = {}
    for _, first in ipairs(list) do
      for k = 0, length - 1 do frames[#frames + 1] = first + k end
    end
    return all:index_select(1, lt.tensor(frames, "i64")):view(#list, length, all:size(2))
  end
  local function bulk(list)
    local firsts = {}
    for k, i in ipairs(list) do firsts[k] = starts[i] end
    return { x = part(x, firsts), y = part(y, firsts) }
  end
  return dataset.new {
    count = #starts,
    name = function(i) return ids[i] end,
    bulk = bulk,
    read = function(i)
      local one = bulk { i }
      return { x = one.x:squeeze(1), y = one.y:squeeze(1) }
    end,
  }
end

-- Begins of windows: in training `recipe.hop` frames apart, else side by side.
local function starts_of(pieces, split, recipe)
  local starts = { train = {}, valid = {}, test = {} }
  local ids, counts, first = { train = {}, valid = {}, test = {} }, { train = 0, valid = 0, test = 0 }, 0
  for _, piece in ipairs(pieces) do
    local name = split[piece.group]
    local hop = name == "train" and recipe.hop or recipe.window
    if piece.variant == 0 then counts[name] = counts[name] + 1 end
    for at = 0, (piece.variant == 0 or name == "train") and piece.frames - recipe.window or -1, hop do
      table.insert(starts[name], first + at)
      table.insert(ids[name], ("%s, frame %d"):format(piece.id, at))
    end
    first = first + piece.frames
  end
  return starts, ids, counts
end

--- The data sets of a model: train, valid and test; and facts, which its checkpoints keep: the training
-- split's normalizer and mean target, and the number of pieces in each split.
-- @param known facts of a checkpoint, whose normalizer is taken (optional)
function data.sets(recipe, c, known)
  local path = data.path(c.datasets_dir, recipe.model_name)
  if not fs.is_file(path) then
    failure.raise("data", "%s: no such file; make it with `luatrain run musician prepare --datasets-dir %s`",
      path, c.datasets_dir)
  end
  local tensors, metadata = lt.safetensors.load(path)
  local facts = facts_of(path, metadata, tensors.x, tensors.y, recipe)
  local split, first = divide(facts.pieces, c), 0
  local starts, ids, counts = starts_of(facts.pieces, split, recipe)
  if #starts.train == 0 or #starts.valid == 0 then
    failure.raise("data", "%s: %d pieces are too few to train on some and to validate on others", path,
      #facts.pieces)
  end
  local sets = {}
  lt.scope(function()
    local frames = {}
    for _, piece in ipairs(facts.pieces) do
      local last = first + piece.frames
      for k = split[piece.group] == "train" and first or last, last - 1 do frames[#frames + 1] = k end
      first = last
    end
    local index, x, y = lt.tensor(frames, "i64"), tensors.x, tensors.y
    sets.facts = { mean_target = y:index_select(1, index):mean(1):tolist(), pieces = counts,
      synthetic = facts.synthetic }
    if recipe.normalizer then
      local normalizer = known and lt.data.normalizer.from(known.normalizer)
        or lt.data.normalizer(recipe.normalizer):fit(x:index_select(1, index))
      x, sets.facts.normalizer = normalizer:transform(x), normalizer:state()
    end
    x, y = lt.keep(x), lt.keep(y)
    for name, list in pairs(starts) do sets[name] = windows(x, y, list, ids[name], recipe.window) end
  end)
  return sets
end

return data
