--- Data sets: a number of samples, a way to read one, and combinators that make new sets of them.
local core = require "luatrain.core"
local ffi = require "ffi"
local C = core.C

--- A number of samples and a way to read one; see lt.data for what makes them.
local Dataset = {}
Dataset.__index, Dataset.__name = Dataset, "data set"
local dataset = {Dataset = Dataset}

--- Makes a data set. source.count samples; source.read(i) returns sample i, a table of named
-- tensors, numbers, booleans and strings; source.name(i) its name in messages (default "sample i");
-- source.peek(i) what is known of it without reading it (default: read); source.types how fields
-- become batches (see Dataset.collate). For sources that read many samples at once faster:
--   source.bulk(list of positions) -> the fields of their batch, made without the samples;
--   source.prime(list of positions): these will be read next, each once (nil: they have been);
--   source.group(i) -> number from 0: samples of a group are read cheaply together. A loader that
--     shuffles takes the groups in random order and mixes the samples of source.window groups.
function dataset.new(source)
  return setmetatable({
    count = source.count,
    read = source.read,
    name = source.name or function(i) return "sample " .. i end,
    peek = source.peek or source.read,
    types = source.types or {},
    bulk = source.bulk,
    prime = source.prime,
    group = source.group,
    window = source.window,
  }, Dataset)
end

-- What is known of a sample without reading it, "" where nothing is.
local function fields_text(self)
  if self.count == 0 or self.peek == self.read then return "" end
  local ok, sample = pcall(self.peek, 1)
  if not ok or type(sample) ~= "table" then return "" end
  local fields = require("luatrain.show").fields(sample)
  return fields ~= "" and ": " .. fields or ""
end

function Dataset:__tostring()
  return ("data set of %s%s"):format(require("luatrain.show").plural(self.count, "sample"), fields_text(self))
end

local ways = {"count", "read", "name", "peek", "types", "bulk", "prime", "group", "window"}

-- A set over the same samples as self, with some of its ways replaced, or left out where false.
local function derive(self, changes)
  local source = {}
  for _, way in ipairs(ways) do
    local changed = changes[way]
    if changed == nil then changed = self[way] end
    source[way] = changed or nil
  end
  return dataset.new(source)
end

--- Number of samples.
function Dataset:size() return self.count end

--- Sample i, from 1, negative from the end.
function Dataset:get(i)
  local n = self.count
  if i < 0 then i = n + 1 + i end
  if i < 1 or i > n or i % 1 ~= 0 then
    error(("data set: sample %s is asked for, it has %d"):format(tostring(i), n), 2)
  end
  local sample = self.read(i)
  if type(sample) ~= "table" then
    error(("%s: a sample is a table of named values, got %s"):format(self.name(i), type(sample)), 0)
  end
  return sample
end

--- Name of sample i, for messages.
function Dataset:id(i) return self.name(i) end

--- A set whose samples are f(sample). f may change the table it gets. Random numbers drawn inside
-- (lt.rand, math.random) depend on (seed, epoch, index) only when read by a loader.
function Dataset:map(f)
  local parent = self
  return derive(self, {bulk = false, read = function(i)
    local copy = {}
    for key, value in pairs(parent:get(i)) do copy[key] = value end
    local sample = f(copy)
    if type(sample) ~= "table" then
      error("map: the function returned " .. type(sample) .. ", it must return the sample", 0)
    end
    return sample
  end})
end

--- The samples with these positions, in this order; a position may come more than once.
function Dataset:select(positions)
  local parent = self
  for _, i in ipairs(positions) do
    if type(i) ~= "number" or i < 1 or i > parent.count then
      error(("select: position %s, the set has %d"):format(tostring(i), parent.count), 2)
    end
  end
  local function of_list(f)
    return f and function(list)
      local inner = list and {}
      for k, i in ipairs(list or {}) do inner[k] = positions[i] end
      return f(inner)
    end
  end
  return derive(self, {
    count = #positions,
    read = function(i) return parent.read(positions[i]) end,
    name = function(i) return parent.name(positions[i]) end,
    peek = function(i) return parent.peek(positions[i]) end,
    bulk = of_list(parent.bulk),
    prime = of_list(parent.prime),
    group = parent.group and function(i) return parent.group(positions[i]) end,
  })
end

--- The first n samples (all where there are fewer).
function Dataset:take(n)
  local positions = {}
  for i = 1, math.min(n, self.count) do positions[i] = i end
  return self:select(positions)
end

--- The samples for which f(peek) is true; f sees what is known without reading the sample.
function Dataset:filter(f)
  local positions = {}
  for i = 1, self.count do
    if f(self.peek(i), i) then positions[#positions + 1] = i end
  end
  return self:select(positions)
end

-- A permutation of 1..n that depends on the seed.
local function permutation(n, seed)
  local order = ffi.new("int64_t[?]", math.max(n, 1))
  C.lt_loader_order(order, n, seed or 1, 0)
  local list = {}
  for i = 1, n do list[i] = tonumber(order[i - 1]) + 1 end
  return list
end

--- The same samples in another order, fixed by the seed (default 1). A loader with shuffle = true
-- makes a new order each epoch; this one is for fixed subsets.
function Dataset:shuffle(seed) return self:select(permutation(self.count, seed)) end

--- This set followed by others.
function Dataset:concat(...)
  local parts = {self, ...}
  local count, types = 0, {}
  for _, part in ipairs(parts) do
    count = count + part.count
    for key, value in pairs(part.types) do types[key] = value end
  end
  local function find(way)
    return function(i)
      for _, part in ipairs(parts) do
        if i <= part.count then return part[way](i) end
        i = i - part.count
      end
    end
  end
  return dataset.new {count = count, types = types,
    read = find "read", name = find "name", peek = find "peek"}
end

local function check_shares(shares, level)
  if type(shares) == "number" then shares = {shares, 1 - shares} end
  local sum = 0
  for _, share in ipairs(shares) do
    if type(share) ~= "number" or share < 0 then
      error("split: shares are numbers of at least 0", level + 1)
    end
    sum = sum + share
  end
  if math.abs(sum - 1) > 1e-6 then
    error(("split: the shares add up to %g, they must add up to 1"):format(sum), level + 1)
  end
  return shares
end

--- Splits by shares that add up to 1: {0.8, 0.1, 0.1}, or 0.8 for {0.8, 0.2}. Which sample goes
-- where depends on the seed (default 1). Returns as many sets as shares.
function Dataset:split(shares, seed)
  shares = check_shares(shares, 2)
  local order = permutation(self.count, seed)
  local sets, from, sum = {}, 1, 0
  for k, share in ipairs(shares) do
    sum = sum + share
    local to = k == #shares and self.count or math.floor(sum * self.count + 0.5)
    local positions = {}
    for i = from, to do positions[#positions + 1] = order[i] end
    table.sort(positions)
    sets[k] = self:select(positions)
    from = to + 1
  end
  return unpack(sets)
end

--- Splits so that no group lies in two parts. key: the field that names the group, or a function
-- of what is known of a sample without reading it. Groups are dealt out in an order fixed by the
-- seed, each to the part that lacks most of its share. Returns as many sets as shares.
function Dataset:group_split(key, shares, seed)
  shares = check_shares(shares, 2)
  local members, names = {}, {}
  for i = 1, self.count do
    local record = self.peek(i)
    local group = type(key) == "function" and key(record, i) or record[key]
    if group == nil then error(("group_split: %s has no '%s'"):format(self.name(i), tostring(key)), 2) end
    group = tostring(group)
    if not members[group] then
      members[group] = {}
      names[#names + 1] = group
    end
    table.insert(members[group], i)
  end
  table.sort(names)
  local positions, lacking = {}, {}
  for k, share in ipairs(shares) do positions[k], lacking[k] = {}, share * self.count end
  for _, n in ipairs(permutation(#names, seed)) do
    local to = 1
    for k = 2, #shares do
      if lacking[k] > lacking[to] then to = k end
    end
    for _, i in ipairs(members[names[n]]) do table.insert(positions[to], i) end
    lacking[to] = lacking[to] - #members[names[n]]
  end
  local sets = {}
  for k = 1, #shares do
    table.sort(positions[k])
    sets[k] = self:select(positions[k])
  end
  return unpack(sets)
end

--- Keeps every sample in memory once it has been read. Put it before random maps. Each loader
-- worker has a cache of its own.
function Dataset:cache()
  local parent, kept = self, {}
  local scope = require "luatrain.scope"
  local Tensor = require "luatrain.tensor"
  return derive(self, {bulk = false, prime = false, read = function(i)
    if not kept[i] then
      local sample = parent.read(i)
      for _, value in pairs(sample) do
        if Tensor.is_tensor(value) then scope.keep(value) end
      end
      kept[i] = sample
    end
    return kept[i]
  end})
end

--- Says how fields become batches: {label = "i64", audio = "pad", name = "list"}.
--   tensors: stacked when nothing is said; "pad" fills them up with zeros to the longest in each
--     dimension and adds <field>_length (i64): the first dimension that differs;
--   numbers and booleans: a 1-d tensor, f32 (bool) unless a dtype is named;
--   "list": stays a Lua list, as strings always do; a function(values) returns the field's value.
function Dataset:collate(types)
  local all = {}
  for key, value in pairs(self.types) do all[key] = value end
  for key, value in pairs(types) do all[key] = value end
  return derive(self, {types = all})
end

--- A loader over this set in this process; options as lt.data.loader.
function Dataset:batch(size, options)
  local o = {batch_size = size}
  for key, value in pairs(options or {}) do o[key] = value end
  return require("luatrain.data.loader").new(self, o)
end

return dataset
