--- Files of named tensors: safetensors, read strictly and written as the reference writes them.
-- Names are those of a state_dict ("layer1.0.conv1.weight"), so weights move between luatrain and
-- PyTorch as they are. Nothing in such a file is ever run.
local ffi = require "ffi"
local core = require "luatrain.core"
local scope = require "luatrain.scope"
local tensor = require "luatrain.tensor"
local json = require "luatrain.json"
local C, check = core.C, core.check

local safetensors = {}

local function text_of(t)
  return ffi.string(t.text, t.length)
end

local function open(path)
  local out = ffi.new "lt_safetensors *[1]"
  check(C.lt_safetensors_open(out, path))
  return ffi.gc(out[0], C.lt_safetensors_close)
end

local function close(handle)
  C.lt_safetensors_close(ffi.gc(handle, nil))
end

-- Runs f(handle) and closes the file, also on error.
local function with_file(path, f)
  local handle = open(path)
  local good, a, b = pcall(f, handle)
  close(handle)
  if not good then error(a, 0) end
  return a, b
end

local function metadata_of(handle)
  local metadata = {}
  local key, value = ffi.new "lt_safetensors_text", ffi.new "lt_safetensors_text"
  for i = 0, tonumber(C.lt_safetensors_metadata_count(handle)) - 1 do
    check(C.lt_safetensors_metadata(key, value, handle, i))
    metadata[text_of(key)] = text_of(value)
  end
  return metadata
end

-- Another number than 2^64 may hold is of no use in Lua: sizes are doubles.
local function info_of(info)
  local shape = {}
  for i = 1, info.ndim do shape[i] = tonumber(info.shape[i - 1]) end
  local name = tensor.dtype_name[info.dtype]
  return { name = text_of(info.name), dtype = name, file_dtype = ffi.string(info.dtype_name),
    shape = shape, bytes = tonumber(info.bytes) }
end

local function read_tensor(handle, index)
  local c = ffi.new "lt_tensor"
  local status = C.lt_safetensors_read(c, handle, index)
  if status == C.LT_ERR_MEMORY then
    scope.reclaim()
    status = C.lt_safetensors_read(c, handle, index)
  end
  check(status)
  return tensor.wrap(c)
end

--- Lists what a file holds without reading its tensors; the header is checked whole.
-- @return list of {name, dtype ("f32", ...; nil where luatrain has no such type), file_dtype ("F32"),
--   shape, bytes} in the order of the data; and the metadata, a table of strings
function safetensors.info(path)
  return with_file(path, function(handle)
    local list, info = {}, ffi.new "lt_safetensors_info"
    for i = 0, tonumber(C.lt_safetensors_count(handle)) - 1 do
      check(C.lt_safetensors_entry(info, handle, i))
      list[i + 1] = info_of(info)
    end
    return list, metadata_of(handle)
  end)
end

--- Reads tensors.
-- @param path  the file
-- @param names list of names to read (default: all); one that is not there is an error
-- @return {name = tensor}, and the metadata, a table of strings
-- @usage local weights = lt.safetensors.load "best.safetensors"
function safetensors.load(path, names)
  return with_file(path, function(handle)
    local tensors = {}
    if names then
      for _, name in ipairs(names) do
        local index = tonumber(C.lt_safetensors_find(handle, name, #name))
        if index < 0 then core.fail_as("format", "%s: there is no tensor '%s' in it", path, name) end
        tensors[name] = read_tensor(handle, index)
      end
    else
      local info = ffi.new "lt_safetensors_info"
      for i = 0, tonumber(C.lt_safetensors_count(handle)) - 1 do
        check(C.lt_safetensors_entry(info, handle, i))
        tensors[text_of(info.name)] = read_tensor(handle, i)
      end
    end
    return setmetatable(tensors, require("luatrain.show").State), metadata_of(handle)
  end)
end

local function check_text(path, what, text)
  if type(text) ~= "string" then
    core.fail("cannot write %s: %s should be a string, not a %s", path, what, type(text))
  end
  if text:find "%z" or not json.is_utf8(text) then
    core.fail("cannot write %s: %s is not plain UTF-8 text", path, what)
  end
  return text
end

--- Writes tensors atomically: after an error the old file is as it was.
-- @param path     the file
-- @param tensors  {name = tensor}, of any shape and memory order
-- @param metadata table of strings (optional); "format" = "pt", which other tools look for, is added
--   where it is missing
function safetensors.save(path, tensors, metadata)
  local names, values = {}, {}
  for name, t in pairs(tensors) do
    check_text(path, "the name of a tensor", name)
    if not tensor.is_tensor(t) then
      core.fail("cannot write %s: '%s' is a %s, not a tensor", path, name, type(t))
    end
    names[#names + 1] = name
  end
  local name_array = ffi.new("const char *[?]", #names + 1)
  local tensor_array = ffi.new("const lt_tensor *[?]", #names + 1)
  for i, name in ipairs(names) do
    values[i] = tensors[name].c
    name_array[i - 1], tensor_array[i - 1] = name, values[i]
  end
  local all = { format = "pt" }
  for key, value in pairs(metadata or {}) do
    all[check_text(path, "a key of the metadata", key)] = check_text(path, "metadata." .. key, value)
  end
  local keys = core.sorted_keys(all)
  local pairs_array = ffi.new("const char *[?]", 2 * #keys + 1)
  for i, key in ipairs(keys) do
    pairs_array[2 * i - 2], pairs_array[2 * i - 1] = key, all[key]
  end
  check(C.lt_safetensors_write(path, #names, name_array, tensor_array, #keys, pairs_array))
end

return safetensors
