-- module: the base of every layer: finding parameters, their names, state, modes (torch.nn.Module).
--
-- A module is a plain table of fields with its class as metatable. Nothing is registered:
-- parameters and buffers are found by walking the fields. The rules of the walk:
--   * a tensor made with nn.Parameter, or one that requires a gradient, is a parameter;
--     any other tensor is a buffer: part of the state, not trained;
--   * a field whose name begins with "_" is private: neither state nor walked;
--   * modules and plain tables are walked; other objects are not;
--   * order: own parameters, own buffers, then what lies below; within each the class's `fields`
--     list, then the array part, then the remaining names sorted;
--   * names are PyTorch's: fields joined by dots, array entries counted from 0
--     ("layer1.0.conv1.weight"), so that weights move both ways without a mapping.

local core = require "luatrain.core"
local tensor = require "luatrain.tensor"

local C, check, fail = core.C, core.check, core.fail
local is_tensor = tensor.is_tensor

--- The base of all layers and models. A class of one's own: nn.class.
local Module = { class_name = "Module", training = true, is_module = true }
Module.__index = Module

-- ---- classes ------------------------------------------------------------------------------------

local function call(self, ...)
  return self:forward(...)
end

local function construct(class, ...)
  local module = setmetatable({}, class)
  module:init(...)
  return module
end

local function class_text(class) return "class nn." .. tostring(rawget(class, "class_name")) end

--- A new class of modules: `nn.class(name)` or `nn.class(name, parent)`.
-- Calling the class makes a module and runs its `init` with the arguments; calling the module runs
-- its `forward`. `Class.fields` may list field names to be walked first, in that order.
--
--     local Net = nn.class "Net"
--     function Net:init(width) self.fc = nn.Linear(width, 10) end
--     function Net:forward(x) return self.fc(x):relu() end    -- (N, width) -> (N, 10)
--     local net = Net(64)
function Module.class(name, parent)
  parent = parent or Module
  local class = { class_name = name, __call = call, __tostring = parent.__tostring }
  class.__index = class
  return setmetatable(class, { __index = parent, __call = construct, __tostring = class_text })
end

--- Runs once when a module is made; classes define their own.
function Module:init()
end

--- What the module computes; classes define their own.
function Module:forward()
  fail("%s: has no forward function; define %s:forward(x)", self.class_name, self.class_name)
end

--- Marks a tensor as a trained parameter and returns it. A frozen parameter stays one.
function Module.Parameter(t)
  t.is_parameter = true
  t:set_requires_grad(true)
  return t
end

setmetatable(Module, { __call = construct, __tostring = class_text })
Module.__call = call

-- ---- the walk -----------------------------------------------------------------------------------

local function is_walkable(value)
  if type(value) ~= "table" or is_tensor(value) then return false end
  local class = getmetatable(value)
  return class == nil or value.is_module == true
end

-- The walked keys of one object in their order: the class's list, array part, sorted names.
local function ordered_keys(object)
  local keys, seen = {}, {}
  local first = rawget(object, "_fields") or getmetatable(object) and object.fields
  for _, key in ipairs(type(first) == "table" and first or {}) do
    keys[#keys + 1] = key
    seen[key] = true
  end
  for i = 1, #object do keys[#keys + 1] = i end
  local names = {}
  for key in pairs(object) do
    if type(key) == "string" and not seen[key] and key:sub(1, 1) ~= "_" then
      names[#names + 1] = key
    end
  end
  table.sort(names)
  for _, name in ipairs(names) do keys[#keys + 1] = name end
  return keys
end

local function join(prefix, key)
  local name = type(key) == "number" and tostring(key - 1) or key
  return prefix == "" and name or prefix .. "." .. name
end

local function is_parameter(t)
  return t.is_parameter or t.requires_grad or false
end

-- Calls on_tensor(name, tensor, owner, key) and on_module(name, module) for all below `object`.
-- `path` holds the objects above, against cycles (a module that knows its parent).
local function walk(object, prefix, on_tensor, on_module, path)
  if path[object] then return end
  path[object] = true
  if on_module and object.is_module then on_module(prefix, object) end
  local keys = ordered_keys(object)
  if on_tensor then
    for _, wanted in ipairs { true, false } do          -- parameters, then buffers
      for _, key in ipairs(keys) do
        local t = rawget(object, key)
        if is_tensor(t) and is_parameter(t) == wanted then
          on_tensor(join(prefix, key), t, object, key)
        end
      end
    end
  end
  for _, key in ipairs(keys) do
    local child = rawget(object, key)
    if is_walkable(child) then walk(child, join(prefix, key), on_tensor, on_module, path) end
  end
  path[object] = nil
end

--- Every parameter with its name, each once: a list of {name, tensor} pairs.
--
--     for _, entry in ipairs(model:named_parameters()) do print(entry[1], entry[2]) end
function Module:named_parameters()
  local list, seen = {}, {}
  walk(self, "", function(name, t)
    if is_parameter(t) and not seen[t] then
      seen[t] = true
      t.is_parameter = true
      list[#list + 1] = { name, t }
    end
  end, nil, {})
  return list
end

--- The parameters as a list of tensors, for an optimiser.
function Module:parameters()
  local list = {}
  for i, entry in ipairs(self:named_parameters()) do list[i] = entry[2] end
  return list
end

--- Every buffer (running statistics, tables) with its name: a list of {name, tensor} pairs.
function Module:named_buffers()
  local list, seen = {}, {}
  walk(self, "", function(name, t)
    if not is_parameter(t) and not seen[t] then
      seen[t] = true
      list[#list + 1] = { name, t }
    end
  end, nil, {})
  return list
end

--- The buffers as a list of tensors.
function Module:buffers()
  local list = {}
  for i, entry in ipairs(self:named_buffers()) do list[i] = entry[2] end
  return list
end

--- Every module from this one down with its name ("" for itself): a list of {name, module} pairs.
function Module:named_modules()
  local list, seen = {}, {}
  walk(self, "", nil, function(name, module)
    if not seen[module] then
      seen[module] = true
      list[#list + 1] = { name, module }
    end
  end, {})
  return list
end

--- Every module from this one down.
function Module:modules()
  local list = {}
  for i, entry in ipairs(self:named_modules()) do list[i] = entry[2] end
  return list
end

--- Calls f(module) for every module, those below first; returns the module.
--
--     model:apply(function(m) if m.class_name == "Linear" then nn.init.zeros_(m.bias) end end)
function Module:apply(f)
  local list = self:modules()
  for i = #list, 1, -1 do f(list[i]) end
  return self
end

--- Number of parameter elements; with `true` only of those that are trained.
function Module:num_parameters(trainable_only)
  local n = 0
  for _, p in ipairs(self:parameters()) do
    if p.requires_grad or not trainable_only then n = n + p:numel() end
  end
  return n
end

-- A deep copy of a value of the model; `made` maps what has been copied, so that sharing stays.
local function copy(value, made)
  if type(value) ~= "table" then return value end
  if made[value] then return made[value] end
  if is_tensor(value) then
    local t = value:detach():clone()
    t.is_parameter = value.is_parameter
    if is_parameter(value) then t:set_requires_grad(value.requires_grad) end
    made[value] = t
    return t
  end
  if getmetatable(value) ~= nil and not is_walkable(value) then return value end
  local result = {}
  made[value] = result
  for key, field in pairs(value) do result[key] = copy(field, made) end
  return setmetatable(result, getmetatable(value))
end

--- A copy of the module with tensors of its own; what was shared inside stays shared inside.
function Module:clone()
  return copy(self, {})
end

-- ---- modes --------------------------------------------------------------------------------------

--- Puts the module and all below into training mode (or, with false, evaluation mode).
-- Frozen batch norms stay in evaluation mode. Returns the module.
function Module:train(mode)
  mode = mode ~= false
  for _, module in ipairs(self:modules()) do module:set_training(mode) end
  return self
end

--- Evaluation mode: dropout passes through, batch norm uses its running statistics.
function Module:eval()
  return self:train(false)
end

--- One module's mode; norms with running statistics refuse training where they are frozen.
function Module:set_training(mode)
  self.training = mode
end

--- Forgets all gradients of the parameters.
function Module:zero_grad()
  for _, p in ipairs(self:parameters()) do p.grad = nil end
end

--- FLOPs of one call that made y of x, for nn.summary; classes that multiply define their own.
function Module:flops() -- luacheck: ignore 212
  return 0
end

--- Moves the module to a device. This build knows "cpu".
function Module:to(device)
  if device ~= "cpu" then
    fail("%s:to: device is %q; this build computes on \"cpu\"", self.class_name, tostring(device))
  end
  return self
end

-- ---- freezing -----------------------------------------------------------------------------------

-- "layer1" stands for layer1 and all below it; "*" for any run of characters.
local function matcher(pattern)
  local lua = "^" .. pattern:gsub("[%^%$%(%)%%%.%[%]%+%-%?]", "%%%0"):gsub("%*", ".*")
  return function(name) return name:find(lua .. "$") ~= nil or name:find(lua .. "%.") ~= nil end
end

-- A module is frozen when it matches, or when it has parameters and none of them is trained.
local function refresh_frozen(self, matches, frozen)
  for _, entry in ipairs(self:named_modules()) do
    local name, module = entry[1], entry[2]
    local total, trained = module:num_parameters(), module:num_parameters(true)
    local before = module.frozen
    if total > 0 then
      module.frozen = trained == 0 or nil
    elseif matches(name) then
      module.frozen = frozen or nil
    end
    if module.frozen ~= before and module.set_training ~= Module.set_training then
      module:set_training(self.training)
    end
  end
end

local function set_frozen(self, pattern, frozen, verb)
  local matches = pattern and matcher(pattern) or function() return true end
  local count = 0
  for _, entry in ipairs(self:named_parameters()) do
    if matches(entry[1]) then
      entry[2]:set_requires_grad(not frozen)
      if frozen then entry[2].grad = nil end
      count = count + 1
    end
  end
  if count == 0 then
    fail("%s: no parameter's name matches %q; see model:named_parameters()", verb, tostring(pattern))
  end
  refresh_frozen(self, matches, frozen)
  return count
end

--- Stops training the parameters whose name matches, and returns their number.
-- @param pattern a name ("layer1": it and all below) with "*" for any characters ("*.bias");
--   nil for all. Batch norms that are frozen stay in evaluation mode.
--
--     model:freeze "conv1"; model:freeze "bn1"; model:freeze "layer1"
function Module:freeze(pattern)
  return set_frozen(self, pattern, true, "freeze")
end

--- Trains the matching parameters again; the counterpart of freeze.
function Module:unfreeze(pattern)
  return set_frozen(self, pattern, false, "unfreeze")
end

-- ---- state --------------------------------------------------------------------------------------

--- The state: a table from name to tensor (the tensors themselves, not copies), and as second
-- result the names in PyTorch's order.
function Module:state_dict()
  local state, names = {}, {}
  walk(self, "", function(name, t)
    state[name] = t
    names[#names + 1] = name
  end, nil, {})
  return setmetatable(state, require("luatrain.show").State), names
end

local function shape_text(t)
  return "(" .. table.concat(t:size(), ", ") .. ")"
end

local function same_shape(a, b)
  if a:dim() ~= b:dim() then return false end
  for d = 1, a:dim() do
    if a:size(d) ~= b:size(d) then return false end
  end
  return true
end

-- Compares what is there with what is wanted; nothing is written yet.
local function compare(own, names, given)
  local report = { missing = {}, unexpected = {}, mismatched = {} }
  for _, name in ipairs(names) do
    local theirs = given[name]
    if theirs == nil then
      -- files older than num_batches_tracked lack it; it then starts at 0
      if not name:find("num_batches_tracked$") then
        report.missing[#report.missing + 1] = name
      end
    elseif not same_shape(own[name], theirs) then
      report.mismatched[#report.mismatched + 1] = ("%s: file has %s, model wants %s")
        :format(name, shape_text(theirs), shape_text(own[name]))
    end
  end
  for name in pairs(given) do
    if own[name] == nil then report.unexpected[#report.unexpected + 1] = name end
  end
  table.sort(report.unexpected)
  return report
end

-- One line; of long lists the first three.
local function report_text(class_name, report)
  local parts = {}
  local function add(title, list)
    if #list == 0 then return end
    local text = table.concat(list, "; ", 1, math.min(3, #list))
    parts[#parts + 1] = ("%d %s (%s%s)"):format(#list, title, text, #list > 3 and "; ..." or "")
  end
  add("missing", report.missing)
  add("unexpected", report.unexpected)
  add("of another shape", report.mismatched)
  return ("load_state_dict: the state does not fit %s: %s"):format(class_name, table.concat(parts, ", "))
end

--- Copies a state into the module.
-- Nothing is written unless all fits. With {strict = false} missing and unexpected names are
-- allowed; a wrong shape never is.
-- @param given table from name to tensor, as state_dict() or safetensors gives it
-- @return a report {missing = names, unexpected = names, mismatched = texts}
function Module:load_state_dict(given, options)
  local strict = not options or options.strict ~= false
  local own, names = self:state_dict()
  local report = compare(own, names, given)
  local differs = #report.missing > 0 or #report.unexpected > 0
  if #report.mismatched > 0 or strict and differs then
    fail("%s", report_text(self.class_name, report))
  end
  for _, name in ipairs(names) do
    if given[name] then
      check(C.lt_copy(own[name].c, given[name].c))
    elseif name:find("num_batches_tracked$") then
      check(C.lt_fill(own[name].c, 0))
    end
  end
  return report
end

--- Writes the state to a safetensors file, with PyTorch's names.
-- @param metadata optional table of strings kept in the file's header
function Module:save(path, metadata)
  require("luatrain.safetensors").save(path, (self:state_dict()), metadata)
end

--- Reads a safetensors file into the module; options as for load_state_dict. Returns its report.
function Module:load(path, options)
  local state = require("luatrain.safetensors").load(path)
  return self:load_state_dict(state, options)
end

-- ---- printing -----------------------------------------------------------------------------------

--- The text between the parentheses when the module is printed; classes define their own.
function Module:describe()
  return ""
end

local function indent(text)
  return (text:gsub("\n", "\n  "))
end

local printing = {}

-- "  -- 1,290", behind a module of the tree; for the whole of it "  -- 1,290 parameters, 1,000 trained".
local function count_text(module, whole)
  local show = require "luatrain.show"
  local n = module:num_parameters()
  if n == 0 then return "" end
  if not whole then return "  -- " .. show.count(n) end
  local trained = module:num_parameters(true)
  return ("  -- %s%s"):format(show.plural(n, "parameter"),
    n == trained and "" or trained == 0 and ", none trained" or ", " .. show.count(trained) .. " trained")
end

local function tree(self)
  if printing[self] then return self.class_name .. "(...)" end
  printing[self] = true
  local lines = {}
  local function list(object, prefix)
    if object ~= self and printing[object] then return end
    printing[object] = true
    for _, key in ipairs(ordered_keys(object)) do
      local child = rawget(object, key)
      if is_walkable(child) then
        local name = join(prefix, key)
        if child.is_module then
          lines[#lines + 1] = ("  (%s): %s"):format(name, indent(tostring(child)) .. count_text(child))
        else
          list(child, name)
        end
      end
    end
    printing[object] = nil
  end
  list(self, "")
  printing[self] = nil
  local about = self:describe()
  if #lines == 0 then return ("%s(%s)"):format(self.class_name, about) end
  return ("%s(%s\n%s\n)"):format(self.class_name, about, table.concat(lines, "\n"))
end

--- A tree of the module as PyTorch prints it; behind each module the number of its parameters.
function Module:__tostring()
  if next(printing) then return tree(self) end
  local ok, text = pcall(tree, self)
  if ok then return text .. count_text(self, true) end
  printing = {}
  error(text, 0)
end

return Module
