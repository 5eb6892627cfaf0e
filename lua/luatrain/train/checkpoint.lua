--- Checkpoints: one safetensors file each, so that weights and state can never be of two ages.
--
-- The model's tensors have their own names ("encoder.0.weight"); all else that training needs
-- lies under "train/", and what is not a tensor is JSON in the metadata entry "luatrain". Nothing
-- in a checkpoint is ever run.
local core = require "luatrain.core"
local failure = require "luatrain.failure"
local fs = require "luatrain.fs"
local json = require "luatrain.json"
local safetensors = require "luatrain.safetensors"
local scope = require "luatrain.scope"
local Tensor = require "luatrain.tensor"

local checkpoint = {version = 1}

-- A table's shape decides how JSON can carry it: a list, an object, or a list of pairs.
local function kind_of(t)
  local count, strings = 0, true
  for key in pairs(t) do
    count = count + 1
    strings = strings and type(key) == "string"
  end
  if count == #t then return "list" end
  return strings and "object" or "pairs"
end

-- Nested state -> JSON values; tensors go to `tensors` under path, leaving {["$tensor"] = path}.
local function flatten(value, path, tensors)
  if type(value) == "number" and (value ~= value or math.abs(value) == math.huge) then
    return {["$number"] = tostring(value)}
  elseif type(value) ~= "table" then
    return value
  end
  if Tensor.is_tensor(value) then
    tensors[path] = value
    return {["$tensor"] = path}
  end
  local kind, out = kind_of(value), {}
  if kind == "pairs" then
    local pairs_list = {}
    for key, item in pairs(value) do
      pairs_list[#pairs_list + 1] = {key, flatten(item, path .. "/" .. tostring(key), tensors)}
    end
    return {["$pairs"] = pairs_list}
  end
  for key, item in pairs(value) do out[key] = flatten(item, path .. "/" .. tostring(key), tensors) end
  return kind == "list" and json.array(out) or out
end

local function restore(value, tensors, path)
  if value == json.null then return nil end
  if type(value) ~= "table" then return value end
  local name = value["$tensor"]
  if name then
    if not tensors[name] then failure.raise("data", "%s: the tensor '%s' is missing", path, name) end
    return tensors[name]
  end
  if value["$number"] then return tonumber((value["$number"])) or 0 / 0 end
  local out = {}
  if value["$pairs"] then
    for _, pair in ipairs(value["$pairs"]) do out[pair[1]] = restore(pair[2], tensors, path) end
    return out
  end
  for key, item in pairs(value) do out[key] = restore(item, tensors, path) end
  return out
end

--- Writes a checkpoint atomically. weights: {name = tensor}; state: nested tables of tensors,
-- numbers, texts, booleans (nil for a file of weights alone); facts: what describes the run
-- (config, recipe, epoch, metrics ...), plain values only.
function checkpoint.save(path, weights, state, facts)
  local tensors = {}
  for name, t in pairs(weights) do
    if name:sub(1, 6) == "train/" then
      core.fail("checkpoint: the parameter '%s' may not be called train/...", name)
    end
    tensors[name] = t
  end
  local document = {version = checkpoint.version, facts = facts}
  if state then document.state = flatten(state, "train", tensors) end
  safetensors.save(path, tensors, {luatrain = json.encode(document, {pretty = false})})
end

local function split(tensors)
  local weights, rest = setmetatable({}, require("luatrain.show").State), {}
  for name, t in pairs(tensors) do
    if name:sub(1, 6) == "train/" then rest[name] = t else weights[name] = t end
  end
  return weights, rest
end

local function document_of(path, metadata)
  if not metadata.luatrain then return {facts = {}} end
  local ok, document = pcall(json.decode, metadata.luatrain)
  if not ok or type(document) ~= "table" or type(document.facts) ~= "table" then
    failure.raise("data", "%s: its metadata entry 'luatrain' is damaged", path)
  end
  if document.version ~= checkpoint.version then
    failure.raise("data", "%s: a checkpoint of version %s, this program reads version %d", path,
      tostring(document.version), checkpoint.version)
  end
  return document
end

--- Reads a checkpoint, or any safetensors file of weights. Returns weights, state (nil where the
-- file has none), facts.
function checkpoint.load(path)
  if not fs.is_file(path) then failure.raise("data", "%s: no such checkpoint", path) end
  local tensors, metadata = safetensors.load(path)
  local document = document_of(path, metadata)
  local weights, rest = split(tensors)
  local state = document.state
    and failure.wrap("data", path .. ": its state is damaged: ", restore, document.state, rest, path)
  return weights, state, document.facts
end

--- Puts the weights of a checkpoint that training can go on from into a model, all or none.
-- Returns state and facts.
function checkpoint.take_up(path, model)
  local weights, state, facts = checkpoint.load(path)
  if not state then failure.raise("data", "%s holds weights only; training cannot go on from it", path) end
  failure.wrap("data", path .. ": ", model.load_state_dict, model, weights)
  return state, facts
end

--- Puts the weights of a checkpoint as they are evaluated into a model, all or none: the averaged ones where
-- it holds them.
function checkpoint.evaluate(path, model)
  scope.run(function()
    local weights, state = checkpoint.load(path)
    if state and state.ema then weights = state.ema.average end
    failure.wrap("data", path .. ": ", model.load_state_dict, model, weights)
  end)
end

--- The facts of a checkpoint without its tensors.
function checkpoint.facts(path)
  if not fs.is_file(path) then failure.raise("data", "%s: no such checkpoint", path) end
  local _, metadata = safetensors.info(path)
  return document_of(path, metadata).facts
end

return checkpoint
