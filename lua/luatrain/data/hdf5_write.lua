--- Writing HDF5 files: whole, under a temporary name until they are on the disk.
local ffi = require "ffi"
local core = require "luatrain.core"
local options = require "luatrain.options"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local hdf5_write = {}

local Writer = {}
Writer.__index = Writer
local Sink = {}
Sink.__index = Sink

local OPTIONS = {shape = true, dtype = true, chunk = true, gzip = true, shuffle = true, fletcher32 = true,
  replace = true}

local function handle_of(self)
  if self.handle == nil then core.fail("%s: this file has been written", self.path) end
  return self.handle
end

-- Rows to a chunk of about a megabyte.
local function default_chunk(shape, element)
  local chunk, bytes = {}, element
  for d = 2, #shape do
    chunk[d] = math.max(shape[d], 1)
    bytes = bytes * chunk[d]
  end
  chunk[1] = math.max(1, math.min(shape[1], math.floor(2 ^ 20 / bytes)))
  return chunk
end

--- A data set to be filled row by row; groups on its way ("params/continuous") are made.
-- @param name    its name
-- @param given shape {N, ...}; dtype "f32" (f64 f16 i64 i32 u8 bool); chunk {rows, ...}: without it
--   the rows lie one behind the other, fastest to read at random (default with a filter: whole rows,
--   about a megabyte); gzip level 1 to 9; shuffle (bytes of equal weight together: smaller numbers),
--   fletcher32 (checksums); replace: one of this name may be there
-- @return a sink: sink:append(tensor (n, ...)) until all N rows are there
function Writer:dataset(name, given)
  options.check("hdf5", given, OPTIONS)
  if type(given.shape) ~= "table" or #given.shape < 1 or #given.shape > 8 then
    core.fail("hdf5: '%s' needs shape = {rows, ...} of 1 to 8 sizes", name)
  end
  local layout = ffi.new "lt_hdf5_layout"
  local dtype = Tensor.dtype_code[given.dtype or "f32"]
  if not dtype then core.fail("hdf5: unknown dtype '%s'", tostring(given.dtype)) end
  layout.dtype, layout.ndim = dtype, #given.shape
  layout.gzip = given.gzip == true and 4 or given.gzip or 0
  layout.shuffle, layout.fletcher32 = given.shuffle and 1 or 0, given.fletcher32 and 1 or 0
  layout.replace = given.replace and 1 or 0
  local chunk = given.chunk
  if not chunk and (given.gzip or given.shuffle or given.fletcher32) then
    chunk = default_chunk(given.shape, C.lt_dtype_size(dtype))
  end
  if chunk and #chunk ~= #given.shape then
    core.fail("hdf5: '%s' has %d dimensions, its chunk %d", name, #given.shape, #chunk)
  end
  for d = 1, #given.shape do
    layout.shape[d - 1] = given.shape[d]
    layout.chunk[d - 1] = chunk and chunk[d] or 0
  end
  local out = ffi.new "lt_hdf5_sink *[1]"
  check(C.lt_hdf5_sink_open(out, handle_of(self), name, layout))
  return setmetatable({writer = self, sink = out[0], name = name, shape = given.shape,
    dtype = given.dtype or "f32"}, Sink)
end

--- Appends rows (n, ...) of the sink's dtype.
function Sink:append(rows)
  handle_of(self.writer)
  local copy = rows
  if not rows:is_contiguous() then copy = rows:contiguous() end
  check(C.lt_hdf5_sink_append(self.sink, copy.c))
  if copy ~= rows then copy:release() end
  return self
end

--- Rows appended so far.
function Sink:size()
  handle_of(self.writer)
  return tonumber(C.lt_hdf5_sink_rows(self.sink))
end

--- Writes a whole tensor; given as in :dataset, without shape and dtype.
function Writer:tensor(name, tensor, given)
  local all = {shape = tensor:size(), dtype = tensor:dtype()}
  for key, value in pairs(given or {}) do all[key] = value end
  self:dataset(name, all):append(tensor)
end

--- Writes a list of strings, of fixed length in the file (h5py: "S<length>").
-- @param given {replace = true}
function Writer:strings(name, list, given)
  local width = 1
  for i, text in ipairs(list) do
    if type(text) ~= "string" or text:find "%z" then
      core.fail("hdf5: entry %d of '%s' is no string without zero bytes", i, name)
    end
    width = math.max(width, #text)
  end
  local block = ffi.new("char[?]", math.max(1, #list * width))
  for i, text in ipairs(list) do ffi.copy(block + (i - 1) * width, text, #text) end
  check(C.lt_hdf5_write_strings(handle_of(self), name, block, #list, width,
    given ~= nil and given.replace == true))
end

local function write_list(self, path, name, value)
  local list = type(value) == "table" and value or {value}
  local n = type(value) == "table" and #value or -1
  local kind = list[1] == nil and "number" or type(list[1])
  for _, one in ipairs(list) do
    if type(one) ~= kind then core.fail("hdf5: the attribute '%s' mixes %s and %s", name, kind, type(one)) end
  end
  if kind == "string" then
    local array = ffi.new("const char *[?]", #list + 1)
    for i, text in ipairs(list) do
      if text:find "%z" then core.fail("hdf5: the attribute '%s' has a zero byte", name) end
      array[i - 1] = text
    end
    return check(C.lt_hdf5_write_texts(handle_of(self), path, name, array, n))
  elseif kind ~= "number" and kind ~= "boolean" then
    core.fail("hdf5: the attribute '%s' is a %s; there are strings, numbers, booleans and lists of them",
      name, kind)
  end
  local values, whole = ffi.new("double[?]", #list + 1), true
  for i, one in ipairs(list) do
    values[i - 1] = kind == "boolean" and (one and 1 or 0) or one
    whole = whole and values[i - 1] % 1 == 0 and math.abs(values[i - 1]) < 2 ^ 53
  end
  if kind == "boolean" then
    return check(C.lt_hdf5_write_booleans(handle_of(self), path, name, values, n))
  end
  check(C.lt_hdf5_write_numbers(handle_of(self), path, name, values, n, whole))
end

--- Sets attributes of a group or data set ("/" is the root): strings, numbers, booleans, and lists of
-- one of these. Whole numbers are stored as integers. Attributes of these names are replaced.
function Writer:attributes(path, attributes)
  local names = core.sorted_keys(attributes)
  for _, name in ipairs(names) do write_list(self, path, name, attributes[name]) end
end

local function run(path, extend, f)
  local out = ffi.new "lt_hdf5_writer *[1]"
  check(C.lt_hdf5_create(out, path, extend))
  local w = setmetatable({path = path, handle = ffi.gc(out[0], C.lt_hdf5_abort)}, Writer)
  local ok, e = pcall(f, w)
  local handle = ffi.gc(w.handle, nil)
  w.handle = nil
  if not ok then
    C.lt_hdf5_abort(handle)
    error(e, 0)
  end
  check(C.lt_hdf5_commit(handle))
end

--- Writes a new file: f(w) fills it; when it returns, the file is on the disk and takes its name. An
-- error, or being killed, leaves what was there before. A data set that lacks rows is an error.
function hdf5_write.write(path, f) run(path, false, f) end

--- Adds to a file: f(w) writes into a copy of it (shared with the old one where the file system can),
-- which takes its place at the end.
function hdf5_write.extend(path, f) run(path, true, f) end

return hdf5_write
