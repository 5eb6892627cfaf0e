--- Batches from samples: equal tensors are stacked, ragged ones padded, numbers gathered.
local ffi = require "ffi"
local core = require "luatrain.core"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local collate = {}

local slot = ffi.new "lt_tensor"
local sizes, strides = ffi.new "int64_t[8]", ffi.new "int64_t[8]"

-- Copies x into the leading block of out[k] (k from 1); out is contiguous with one dimension more.
local function put(out, k, x)
  local n = x.c.ndim
  for d = 0, n - 1 do
    sizes[d] = x.c.shape[d]
    strides[d] = out.c.stride[d + 1]
  end
  check(C.lt_tensor_as_strided(slot, out.c, n, sizes, strides,
    out.c.offset + (k - 1) * out.c.stride[0]))
  local status = C.lt_copy(slot, x.c)
  C.lt_tensor_release(slot)
  check(status)
end

local function same_kind(field, values, ids)
  local first = values[1]
  for k = 2, #values do
    if values[k]:dtype() ~= first:dtype() or values[k]:dim() ~= first:dim() then
      core.fail("collate: '%s' is %s %s in %s but %s %s in %s", field, first:dtype(),
        first:shape_text(), ids[1], values[k]:dtype(), values[k]:shape_text(), ids[k])
    end
  end
end

-- Tensors of one shape -> (n, ...).
local function stack(field, values, ids)
  same_kind(field, values, ids)
  local first = values[1]
  local shape = {#values, unpack(first:size())}
  for k = 2, #values do
    for d = 1, first:dim() do
      if values[k]:size(d) ~= shape[d + 1] then
        core.fail("collate: '%s' is %s in %s but %s in %s; collate {%s = \"pad\"} fills up with zeros",
          field, first:shape_text(), ids[1], values[k]:shape_text(), ids[k], field)
      end
    end
  end
  local out = Tensor.empty(shape, first:dtype())
  for k = 1, #values do put(out, k, values[k]) end
  return out
end

-- Tensors of different sizes -> (n, longest...), and their lengths along the first dimension that
-- differs (the last one where none does).
local function pad(field, values, ids)
  same_kind(field, values, ids)
  local first = values[1]
  local shape, ragged = {#values, unpack(first:size())}, nil
  for d = 1, first:dim() do
    for k = 2, #values do
      local size = values[k]:size(d)
      if size ~= first:size(d) then ragged = math.min(ragged or d, d) end
      shape[d + 1] = math.max(shape[d + 1], size)
    end
  end
  local out = Tensor.empty(shape, first:dtype())
  check(C.lt_fill(out.c, 0))
  local lengths = {}
  for k = 1, #values do
    put(out, k, values[k])
    lengths[k] = values[k]:size(ragged or first:dim())
  end
  return out, Tensor.from(lengths, "i64")
end

local function scalars(field, values, ids, dtype)
  local kind = type(values[1])
  for k = 2, #values do
    if type(values[k]) ~= kind then
      core.fail("collate: '%s' is a %s in %s but a %s in %s", field, kind, ids[1],
        type(values[k]), ids[k])
    end
  end
  if dtype == "i64" or dtype == "i32" or dtype == "u8" then
    for k = 1, #values do
      if kind == "number" and values[k] % 1 ~= 0 then
        core.fail("collate: '%s' shall be %s, it is %s in %s", field, dtype, tostring(values[k]), ids[k])
      end
    end
  end
  return Tensor.from(values, dtype or (kind == "number" and "f32" or nil))
end

--- A batch from a list of samples. types: see Dataset.collate. ids: names of the samples.
-- Returns {field = tensor or list, ids =, size =}.
function collate.batch(samples, types, ids)
  local batch = {ids = ids, size = #samples}
  if #samples == 0 then return batch end
  for k, sample in ipairs(samples) do
    for field in pairs(sample) do
      if samples[1][field] == nil then
        core.fail("collate: %s has no '%s', %s has", ids[1], tostring(field), ids[k])
      end
    end
  end
  for field, first in pairs(samples[1]) do
    local values, way = {}, types[field]
    for k, sample in ipairs(samples) do
      values[k] = sample[field]
      if values[k] == nil then core.fail("collate: %s has no '%s', %s has", ids[k], field, ids[1]) end
    end
    if type(way) == "function" then
      batch[field] = way(values)
    elseif way == "list" or type(first) == "string" then
      batch[field] = values
    elseif Tensor.is_tensor(first) then
      if way == "pad" then
        batch[field], batch[field .. "_length"] = pad(field, values, ids)
      else
        batch[field] = stack(field, values, ids)
      end
    elseif type(first) == "number" or type(first) == "boolean" then
      batch[field] = scalars(field, values, ids, way)
    else
      core.fail("collate: '%s' of %s is a %s; fields are tensors, numbers, booleans and strings",
        field, ids[1], type(first))
    end
  end
  return batch
end

return collate
