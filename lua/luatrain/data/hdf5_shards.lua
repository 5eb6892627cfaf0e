--- Shards: the pieces of a long job, each a whole HDF5 file or absent.
local failure = require "luatrain.failure"
local fs = require "luatrain.fs"
local json = require "luatrain.json"
local hdf5 = require "luatrain.data.hdf5"

local hdf5_shards = {}

local Shards = {}
Shards.__index = Shards

-- "presets (was 3000, is 20000), seed (...)": what differs between two tables of settings.
local function difference(before, now)
  local names, seen = {}, {}
  for _, all in ipairs {before, now} do
    for name in pairs(all) do
      if not seen[name] and json.encode {before[name]} ~= json.encode {now[name]} then
        names[#names + 1] = ("%s (was %s, is %s)"):format(name,
          before[name] == nil and "not set" or json.encode(before[name]),
          now[name] == nil and "not set" or json.encode(now[name]))
      end
      seen[name] = true
    end
  end
  table.sort(names)
  return #names > 0 and table.concat(names, ", ") or nil
end

--- Opens or makes a folder of shards. A job writes them in any order, from several processes if it
-- likes; killed at any moment, it finds those that were whole and makes the others.
-- @param folder its path
-- @param key    table of the settings that decide what the shards hold (strings, numbers, booleans and
--   lists); a folder made with other settings is refused, and the error says which
-- @usage
--   local shards = lt.data.hdf5.shards("data/tier1.shards", {synth = "builtin", presets = 3000, seed = 1})
--   for i = 1, 30 do
--     if not shards:has(i) then shards:write(i, function(w) w:tensor("audio", sounds(i)) end) end
--   end
--   shards:assemble("data/tier1.h5", 30, {layout = {audio = {gzip = 4, chunk = {127, 88200}}}})
--   shards:remove()
function hdf5_shards.shards(folder, key)
  fs.mkdir(folder)
  fs.clean(folder)
  local path = fs.join(folder, "shards.json")
  local text = json.encode(key)
  if fs.is_file(path) then
    local changed = difference(json.load(path), json.decode(text))
    if changed then
      failure.raise("config", "%s: these shards were made with other settings: %s; remove the folder, "
        .. "or name another", folder, changed)
    end
  else
    fs.write(path, text .. "\n")
  end
  return setmetatable({folder = folder}, Shards)
end

--- File of shard i (from 1).
function Shards:path(i) return fs.join(self.folder, ("shard-%06d.h5"):format(i)) end

--- True where shard i is whole.
function Shards:has(i) return fs.is_file(self:path(i)) end

--- Writes shard i; f(w) as in hdf5.write. It is there when this returns, and not before.
function Shards:write(i, f) hdf5.write(self:path(i), f) end

--- Opens shard i for reading.
function Shards:open(i) return hdf5.open(self:path(i)) end

--- Those of shards 1 to n that are missing.
function Shards:missing(n)
  local list = {}
  for i = 1, n do
    if not self:has(i) then list[#list + 1] = i end
  end
  return list
end

-- Names of all data sets below a group.
local function data_sets(file, group, found)
  for _, name in ipairs(file:keys(group)) do
    local full = group == "/" and name or group .. "/" .. name
    local kind = file:has(full)
    if kind == "group" then data_sets(file, full, found)
    elseif kind == "dataset" then found[#found + 1] = full end
  end
  return found
end

-- Rows of every data set over all shards; strings are collected.
local function survey(self, n)
  local sets = {}
  for i = 1, n do
    local file = self:open(i)
    local names = data_sets(file, "/", {})
    for _, name in ipairs(names) do
      local set = file:dataset(name)
      if i == 1 then
        sets[#sets + 1] = {name = name, shape = set.shape, dtype = set.dtype, kind = set.kind, rows = 0,
          strings = {}}
        sets[name] = sets[#sets]
      end
      local one = sets[name]
      if not one or one.dtype ~= set.dtype
        or table.concat(one.shape, ",", 2) ~= table.concat(set.shape, ",", 2) then
        failure.raise("data", "%s: its data set '%s' is unlike that of shard 1", self:path(i), name)
      end
      one.rows = one.rows + set.shape[1]
      if set.kind == "strings" then
        for _, text in ipairs(file:strings(name)) do table.insert(one.strings, text) end
      end
    end
    if #names ~= #sets then
      failure.raise("data", "%s: has %d data sets, shard 1 has %d", self:path(i), #names, #sets)
    end
    file:close()
  end
  return sets
end

local function copy_set(self, w, one, n, options, progress)
  local all = {shape = {one.rows, select(2, unpack(one.shape))}, dtype = one.dtype}
  for key, value in pairs(options or {}) do all[key] = value end
  local sink = w:dataset(one.name, all)
  local scope = require "luatrain.scope"
  local row = 1
  for d = 2, #one.shape do row = row * one.shape[d] end
  local step = math.max(1, math.floor(2 ^ 24 / (8 * row)))  -- at most 16 MB at a time
  for i = 1, n do
    local file = self:open(i)
    local set = file:dataset(one.name)
    for first = 1, set.shape[1], step do
      scope.run(function() sink:append(set:read(first, math.min(step, set.shape[1] - first + 1))) end)
    end
    file:close()
    if progress then progress(i, n, one.name) end
  end
end

--- Writes shards 1 to n, one behind the other, as one file. All must be there. The attributes are
-- those of shard 1.
-- @param path    the file
-- @param n       number of shards
-- @param options layout = {name of a data set = options of w:dataset}; finish = function(w), which may
--   add data sets and attributes; progress = function(shard, n, name)
function Shards:assemble(path, n, options)
  options = options or {}
  local missing = self:missing(n)
  if #missing > 0 then
    failure.raise("data", "%s: %d of %d shards are missing, the first is number %d", self.folder, #missing, n,
      missing[1])
  end
  local sets = survey(self, n)
  hdf5.write(path, function(w)
    for _, one in ipairs(sets) do
      if one.kind == "strings" then
        w:strings(one.name, one.strings)
      else
        copy_set(self, w, one, n, options.layout and options.layout[one.name], options.progress)
      end
    end
    local first = self:open(1)
    w:attributes("/", first:attributes "/")
    for _, one in ipairs(sets) do w:attributes(one.name, first:attributes(one.name)) end
    first:close()
    if options.finish then options.finish(w) end
  end)
end

--- Removes the folder with all shards.
function Shards:remove() fs.remove_tree(self.folder) end

return hdf5_shards
