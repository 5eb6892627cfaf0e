--- A data set over an HDF5 file: every field is a data set with one row a sample.
local core = require "luatrain.core"
local options = require "luatrain.options"
local failure = require "luatrain.failure"
local hdf5 = require "luatrain.data.hdf5"
local dataset = require "luatrain.data.dataset"

local hdf5_table = {}

local OPTIONS = {fields = true, window = true}

-- The data sets of the fields, all with the same number of rows.
local function open_fields(file, fields)
  local sets, names, count, first = {}, core.sorted_keys(fields), nil, nil
  for _, field in ipairs(names) do
    local name = fields[field]
    local set = file:expect(name)
    if count and set.shape[1] ~= count then
      failure.raise("data", "%s: '%s' has %d rows, '%s' has %d", file.path, name, set.shape[1], first, count)
    end
    count, first = set.shape[1], name
    sets[field] = set
  end
  if not count then core.fail("hdf5.table: no fields are named") end
  return sets, count
end

-- Bytes of one row of all compressed fields, and the one with the largest chunks.
local function compressed(sets)
  local bytes, largest = 0, nil
  for _, set in pairs(sets) do
    if set.kind == "tensor" and set.chunk and set.filters ~= "" then
      local row = set.chunk_bytes / set.chunk[1]
      for d = 2, #set.shape do row = row * math.ceil(set.shape[d] / set.chunk[d]) end
      bytes = bytes + row
      if not largest or set.chunk_bytes > largest.chunk_bytes then largest = set end
    end
  end
  return bytes, largest
end

-- Groups and window for a shuffle that decodes each chunk once; nothing where the decoded data fit into
-- the cache anyhow, or nothing is compressed.
local function grouping(sets, count, window)
  if window == false then return nil end
  local bytes, largest = compressed(sets)
  if not largest then return nil end
  local room = 0.45 * hdf5.cache()  -- two windows are in use where one ends and the next begins
  if not window then
    if bytes * count <= room then return nil end
    window = math.max(1, math.floor(room / (bytes * largest.chunk[1])))
  end
  local rows = largest.chunk[1]
  return function(i) return math.floor((i - 1) / rows) end, window
end

-- Whole columns for peek: strings and single numbers, read when first asked for.
local function columns(file, sets, fields)
  local kept = {}
  return function(field)
    if kept[field] == nil then
      local set = sets[field]
      if not set then return nil end
      if set.kind == "strings" then kept[field] = file:strings(fields[field])
      elseif #set.shape == 1 then
        local column = set:read()
        kept[field] = column:flat()
        if set.dtype == "bool" then
          for i, v in ipairs(kept[field]) do kept[field][i] = v ~= 0 end
        end
        column:release()
      else
        kept[field] = false
      end
    end
    return kept[field] or nil
  end
end

-- The rows of all fields: tensors (n, ...), strings as lists.
local function block(sets, column, indices)
  local fields = {}
  for field, set in pairs(sets) do
    if set.kind == "strings" then
      local all, list = column(field), {}
      for k, i in ipairs(indices) do list[k] = all[i] end
      fields[field] = list
    else
      fields[field] = set:rows(indices)
    end
  end
  return fields
end

-- Sample k of a block: rows are views of it, single numbers are numbers.
local function sample_of(sets, fields, k)
  local sample = {}
  for field, value in pairs(fields) do
    if sets[field].kind == "strings" then
      sample[field] = value[k]
    elseif #sets[field].shape == 1 then
      sample[field] = value:select(1, k):item()
    else
      sample[field] = value:select(1, k)
    end
  end
  return sample
end

--- A data set of the rows of an HDF5 file.
--   local set = lt.data.hdf5.table("tier1.h5", {fields = {
--     mel = "features/mel_spectrogram", continuous = "params/continuous", hash = "metadata/preset_hash"}})
--   local train, valid = set:group_split("hash", {0.85, 0.15})
-- Samples are {field = row tensor, number (data sets of one dimension) or string}. Batches are read in
-- bulk, straight into their tensors, unless a map wants the samples one by one; even then the rows of a
-- batch are read together. peek knows strings and single numbers (group_split, filter).
--
-- Where compressed fields do not fit into the cache of decoded chunks, a shuffling loader takes the
-- chunks in random order and mixes the samples of a window of them: each chunk is decoded once an
-- epoch. The order depends on seed and epoch only.
-- @param path    the file
-- @param given fields = {name in the sample = data set}; window: chunks mixed with each other
--   (default: as many as fit into the cache twice; false: plain random order)
function hdf5_table.table(path, given)
  options.check("hdf5.table", given, OPTIONS)
  local file = hdf5.open(path)
  local sets, count = open_fields(file, given.fields or {})
  local column = columns(file, sets, given.fields)
  local group, window = grouping(sets, count, given.window)
  local types = {}
  for field, set in pairs(sets) do
    if set.kind == "tensor" and #set.shape == 1 then types[field] = set.dtype end
  end
  local primed, places
  local prefix = path .. " row "
  local record = {__index = function(self, field)
    local values = column(field)
    return values and values[rawget(self, "row")]
  end}
  return dataset.new {
    count = count, types = types, group = group, window = window,
    name = function(i) return prefix .. i end,
    peek = function(i) return setmetatable({row = i}, record) end,
    bulk = function(indices) return block(sets, column, indices) end,
    prime = function(indices)
      primed, places = nil, {}
      if not indices then return end
      primed = block(sets, column, indices)
      for k, i in ipairs(indices) do places[i] = k end
    end,
    read = function(i)
      local k = primed and places[i]
      if k then
        places[i] = nil  -- a map may change the sample: whoever wants it again gets it fresh
        return sample_of(sets, primed, k)
      end
      return sample_of(sets, block(sets, column, {i}), 1)
    end,
  }
end

return hdf5_table
