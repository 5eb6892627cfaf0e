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

local SPLITS = { train = true, valid = true, test = true }

--- Where the training format of a model lies.
function data.path(folder, name) return fs.join(folder, "prepared", name .. ".safetensors") end

-- ---- writing ------------------------------------------------------------------------------------

local function read(recipe, entry, c, variant)
  local x, y = recipe.read(entry, c, variant)
  if x:size(1) < recipe.window then
    failure.raise("data", "%s: %d frames, the %s model wants %d or more", entry.id, x:size(1),
      recipe.model_name, recipe.window)
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
      and (piece.split == nil or SPLITS[piece.split])
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

-- A data set of windows {piece, at = its frame, from 0} of so many frames.
local function windows(x, y, list, length)
  local function part(all, firsts)
    if length == 1 then return all:index_select(1, lt.tensor(firsts, "i64")) end
    local frames = {}
    for _, first in ipairs(firsts) do
      for k = 0, length - 1 do frames[#frames + 1] = first + k end
    end
    return all:index_select(1, lt.tensor(frames, "i64")):view(#firsts, length, all:size(2))
  end
  local function bulk(positions)
    local firsts = {}
    for k, i in ipairs(positions) do firsts[k] = list[i].piece.first + list[i].at end
    return { x = part(x, firsts), y = part(y, firsts) }
  end
  return dataset.new {
    count = #list,
    name = function(i) return ("%s, frame %d"):format(list[i].piece.id, list[i].at) end,
    bulk = bulk,
    read = function(i)
      local one = bulk { i }
      return { x = one.x:squeeze(1), y = one.y:squeeze(1) }
    end,
  }
end

-- The windows of each split, in training `recipe.hop` frames apart, else side by side; the number of pieces
-- in each; and the training split's frames. Gives pieces their first frame, from 0.
local function windows_of(pieces, split, recipe)
  local parts, counts = { train = {}, valid = {}, test = {} }, { train = 0, valid = 0, test = 0 }
  local training, first = {}, 0
  for _, piece in ipairs(pieces) do
    local name = split[piece.group]
    local train = name == "train"
    if piece.variant == 0 then counts[name] = counts[name] + 1 end
    if train or piece.variant == 0 then
      for at = 0, piece.frames - recipe.window, train and recipe.hop or recipe.window do
        table.insert(parts[name], { piece = piece, at = at })
      end
    end
    for k = 0, train and piece.frames - 1 or -1 do training[#training + 1] = first + k end
    piece.first, first = first, first + piece.frames
  end
  return parts, counts, training
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
  local facts, x, y = facts_of(path, metadata, tensors.x, tensors.y, recipe), tensors.x, tensors.y
  local parts, counts, training = windows_of(facts.pieces, divide(facts.pieces, c), recipe)
  if not known and (#parts.train == 0 or #parts.valid == 0) then
    failure.raise("data", "%s: %d pieces are too few to train on some and to validate on others", path,
      #facts.pieces)
  end
  local sets = { facts = { pieces = counts, synthetic = facts.synthetic } }
  lt.scope(function()
    local normalizer = known and known.normalizer and lt.data.normalizer.from(known.normalizer)
    if not known then
      local index = lt.tensor(training, "i64")
      sets.facts.mean_target = y:index_select(1, index):mean(1):tolist()
      normalizer = recipe.normalizer and lt.data.normalizer(recipe.normalizer):fit(x:index_select(1, index))
      sets.facts.normalizer = normalizer and normalizer:state()
    end
    x, y = lt.keep(normalizer and normalizer:transform(x) or x), lt.keep(y)
  end)
  for name, list in pairs(parts) do sets[name] = windows(x, y, list, recipe.window) end
  return sets
end

return data
