--- lt.data.hdf5: HDF5 files as data sets, read at full speed straight from compressed chunks.
--
--   local f = lt.data.hdf5.open "data/tier1.h5"
--   f:keys(), f:has "audio", f:attributes("/").sample_rate, f:strings "metadata/preset_hash"
--   local audio = f:dataset "audio"            -- .shape {N, samples}, .dtype "f32", .chunk, .filters
--   local x = audio:read(1, 16)                -- rows 1 to 16: (16, samples)
--   local y = audio:rows {900, 3, 17}          -- in this order: (3, samples)
--   f:close()
--
--   lt.data.hdf5.write("new.h5", function(w)
--     w:tensor("params/continuous", x, {gzip = 4})
--     local sink = w:dataset("audio", {shape = {1000, 88200}, chunk = {128, 88200}, gzip = 4})
--     for i = 1, 1000 do sink:append(sound(i)) end
--     w:attributes("/", {sample_rate = 44100, names = {"cutoff", "resonance"}})
--   end)
--
-- Rows count from 1. Files written by h5py open here and ours open in h5py, with the filters gzip,
-- shuffle and fletcher32. External links, virtual data sets, external storage and filter plug-ins are
-- refused. A file that comes from elsewhere is first looked at by `luatrain data check FILE`: HDF5's own
-- library crashes on some damaged files, and there it does so in a process of its own.
local ffi = require "ffi"
local core = require "luatrain.core"
local failure = require "luatrain.failure"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local hdf5 = {}

-- ---- reading ------------------------------------------------------------------------------------

local File = {}
File.__index = File
local Set = {}
Set.__index = Set

local function texts(buffer)
  local text = ffi.string(buffer.data, buffer.bytes)
  C.lt_buffer_release(buffer)
  local list = {}
  for one in text:gmatch "(%Z*)%z" do list[#list + 1] = one end
  return list
end

--- Opens a file for reading. Worker threads that open the same file share its chunk index and its
-- decoded chunks. Errors name the file (exit code 4: damaged; 5: cannot be opened).
-- @return a file: .path, :keys, :has, :attributes, :dataset, :strings, :close
function hdf5.open(path)
  local out = ffi.new "lt_hdf5 *[1]"
  check(C.lt_hdf5_open(out, path))
  return setmetatable({path = path, handle = ffi.gc(out[0], C.lt_hdf5_close), sets = {}}, File)
end

-- "params (10, 8) f32", one line a data set, the first 20 of them.
local function set_lines(self)
  local names = self:keys()
  local lines = {}
  for i, name in ipairs(names) do
    if i > 20 then
      lines[#lines + 1] = ("  ... and %d more"):format(#names - 20)
      break
    end
    local ok, set = pcall(self.dataset, self, name)
    lines[#lines + 1] = ("  %s"):format(ok and tostring(set) or name)
  end
  return lines
end

function File:__tostring()
  if self.handle == nil then return self.path .. ": closed" end
  local lines = set_lines(self)
  table.insert(lines, 1, self.path .. ":")
  return table.concat(lines, "\n")
end

function Set:__tostring()
  return ("%s (%s) %s%s"):format(self.name, table.concat(self.shape, ", "), self.dtype or self.kind,
    self.filters ~= "" and ", " .. self.filters or "")
end

local function handle_of(self)
  if self.handle == nil then core.fail("%s: this file has been closed", self.path) end
  return self.handle
end

--- Closes the file; its data sets cannot be read any more. What is forgotten is closed by the collector.
function File:close()
  if self.handle ~= nil then C.lt_hdf5_close(ffi.gc(self.handle, nil)) end
  self.handle = nil
end

--- Names in a group (default: the root), in byte order.
function File:keys(group)
  local names = ffi.new "lt_buffer"
  check(C.lt_hdf5_keys(names, handle_of(self), group or "/"))
  return texts(names)
end

local kinds = {[0] = false, "group", "dataset", "type", "link"}

--- What lies under a name: "dataset", "group", "type", "link" (to another file; it is not followed), or
-- false where there is nothing.
function File:has(name)
  local kind = ffi.new "int32_t[1]"
  check(C.lt_hdf5_kind(kind, handle_of(self), name))
  return kinds[kind[0]]
end

local function attribute_values(a)
  if a.kind == C.LT_HDF5_UNREADABLE then return nil end
  local list
  if a.kind == C.LT_HDF5_TEXTS then
    list = {}
    local text = ffi.string(a.values.data, a.values.bytes)
    for one in text:gmatch "(%Z*)%z" do list[#list + 1] = one end
  else
    local values = ffi.cast("const double *", a.values.data)
    list = {}
    for i = 1, tonumber(a.count) do
      list[i] = values[i - 1]
      if a.kind == C.LT_HDF5_BOOLEANS then list[i] = values[i - 1] ~= 0 end
    end
  end
  if a.scalar ~= 0 then return list[1] end
  return list
end

--- Attributes of a group or data set (default: the root): {name = string, number, boolean, or a list
-- of them}. Attributes of other types are left out.
function File:attributes(name)
  local all, a = {}, ffi.new "lt_hdf5_attribute"
  for index = 0, math.huge do
    local status = C.lt_hdf5_attribute_get(a, handle_of(self), name or "/", index)
    if status == C.LT_ERR_END then break end
    check(status)
    all[ffi.string(a.name.data, a.name.bytes)] = attribute_values(a)
    C.lt_hdf5_attribute_release(a)
  end
  return all
end

local function list_of(values, n)
  local list = {}
  for d = 1, n do list[d] = tonumber(values[d - 1]) end
  return list
end

-- "there is no 'x'" with the nearest name of the same group.
local function open_set(self, name)
  local out = ffi.new "lt_hdf5_set *[1]"
  local status = C.lt_hdf5_set_open(out, handle_of(self), name)
  if status == 0 then return out[0] end
  local text = ffi.string(C.lt_error())
  local group, last = name:match "^(.*)/([^/]*)$"
  local ok, names = pcall(self.keys, self, group or "/")
  failure.raise(status == C.LT_ERR_IO and "io" or "data", "%s%s", text,
    ok and text:find("there is no", 1, true) and failure.suggest(last or name, names) or "")
end

--- A data set: .name, .shape, .dtype ("f32", ...; nil for strings), .kind ("tensor", "strings",
-- "other"), .chunk (list, nil where contiguous), .filters ("gzip(4), shuffle"), .problem (why it cannot
-- be read, or nil), .direct (threads read it themselves, beside each other), .chunk_bytes.
-- Integers of one and two bytes are read as i32, unsigned ones of four as i64 (u8 stays u8).
function File:dataset(name)
  handle_of(self)
  local known = self.sets[name]
  if known then return known end
  local set = open_set(self, name)
  local info = ffi.new "lt_hdf5_info"
  C.lt_hdf5_describe(info, set)
  local filters, problem = ffi.string(info.filters), ffi.string(info.problem)
  known = setmetatable({
    file = self, set = set, name = name,
    shape = list_of(info.shape, info.ndim),
    dtype = info.dtype >= 0 and Tensor.dtype_name[info.dtype] or nil,
    kind = ({[0] = "tensor", "strings", "other"})[info.kind],
    chunk = info.chunk[0] > 0 and list_of(info.chunk, info.ndim) or nil,
    chunk_bytes = tonumber(info.chunk_bytes),
    filters = filters, problem = problem ~= "" and problem or nil,
    direct = info.direct ~= 0, string_bytes = tonumber(info.string_bytes),
  }, Set)
  self.sets[name] = known
  return known
end

--- Raises unless the data set is there with this shape and dtype; false in `shape` fits any size.
-- @usage f:expect("params/continuous", {false, 62}, "f32")
function File:expect(name, shape, dtype)
  local set = self:dataset(name)
  if set.problem then failure.raise("data", "%s: data set '%s': %s", self.path, name, set.problem) end
  local function text(list)
    local words = {}
    for i, n in ipairs(list) do words[i] = n and tostring(n) or "any" end
    return "(" .. table.concat(words, ", ") .. ")"
  end
  local fits = not shape or #shape == #set.shape
  for d = 1, fits and shape and #shape or 0 do fits = fits and (not shape[d] or shape[d] == set.shape[d]) end
  if not fits then
    failure.raise("data", "%s: data set '%s' has the shape %s, wanted %s", self.path, name,
      text(set.shape), text(shape))
  end
  if dtype and set.dtype ~= dtype then
    failure.raise("data", "%s: data set '%s' holds %s, wanted %s", self.path, name,
      set.dtype or set.kind, dtype)
  end
  return set
end

--- Strings first to first + count - 1 of a one-dimensional data set (default: all), as a list.
function File:strings(name, first, count)
  local set = self:dataset(name)
  first = first or 1
  local text = ffi.new "lt_buffer"
  check(C.lt_hdf5_strings(text, set.set, first - 1, count or set.shape[1] - first + 1))
  return texts(text)
end

local function rows_tensor(self, count)
  handle_of(self.file)
  if self.problem then
    failure.raise("data", "%s: data set '%s': %s", self.file.path, self.name, self.problem)
  end
  if not self.dtype then
    failure.raise("data", "%s: '%s' holds strings; file:strings reads them", self.file.path, self.name)
  end
  local shape = {count}
  for d = 2, #self.shape do shape[d] = self.shape[d] end
  return Tensor.empty(shape, self.dtype)
end

--- Number of rows.
function Set:size() return self.shape[1] end

--- Rows first to first + count - 1 (default: all from first, first 1) -> (count, ...).
function Set:read(first, count)
  first = first or 1
  count = count or self.shape[1] - first + 1
  if first < 1 or count < 0 or first + count - 1 > self.shape[1] then
    core.fail("%s: rows %d to %d of '%s', it has %d", self.file.path, first, first + count - 1, self.name,
      self.shape[1])
  end
  local out = rows_tensor(self, count)
  check(C.lt_hdf5_read(out.c, self.set, first - 1))
  return out
end

--- Rows with these numbers, in this order, repeated as often as they come -> (#indices, ...). One call
-- for all: each chunk is decoded once. Several threads may do this at the same time.
-- @param indices list of row numbers from 1
-- @param out     (#indices, ...) contiguous, of the set's dtype, to read into (default: a fresh one)
function Set:rows(indices, out)
  local n = #indices
  local list = ffi.new("int64_t[?]", n > 0 and n or 1)
  for k = 1, n do list[k - 1] = indices[k] - 1 end
  out = out or rows_tensor(self, n)
  handle_of(self.file)
  check(C.lt_hdf5_rows(out.c, self.set, list, n))
  return out
end

--- Limit on the bytes of decoded chunks that are kept, of all files together (512 MiB at first); with
-- `bytes`, sets it.
function hdf5.cache(bytes) return tonumber(C.lt_hdf5_cache(bytes or 0)) end

--- True where HDF5 and libdeflate are installed.
function hdf5.available() return C.lt_hdf5_available() end

local function from(module, name)
  hdf5[name] = function(...) return require(module)[name](...) end
end

--- See luatrain.data.hdf5_write.
from("luatrain.data.hdf5_write", "write")
from("luatrain.data.hdf5_write", "extend")
--- See luatrain.data.hdf5_shards.
from("luatrain.data.hdf5_shards", "shards")
--- See luatrain.data.hdf5_table.
from("luatrain.data.hdf5_table", "table")
--- See luatrain.data.hdf5_check.
from("luatrain.data.hdf5_check", "check")

return hdf5
