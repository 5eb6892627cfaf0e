--- luatrain: tensors, gradients, and the rooms of the library, each loaded when it is first used.
--
--   local lt = require "luatrain"
--   local x = lt.randn(3, 3)
--   print(x * 2, lt.nn, lt.audio)
local core = require "luatrain.core"
local scope = require "luatrain.scope"
local Tensor = require "luatrain.tensor"
local op = require "luatrain.op"

local lt = {
  scope = scope.run, keep = scope.keep, memory = scope.memory,
  no_grad = op.no_grad, enable_grad = op.enable_grad, grad_enabled = op.grad_enabled,
  autocast = op.autocast, op = op, Tensor = Tensor, is_tensor = Tensor.is_tensor,
}

--- Seconds on a clock that only goes forward: for differences.
function lt.time() return core.C.lt_time() end

--- How tensors are printed; see luatrain.show.
function lt.set_printoptions(options) require("luatrain.show").set_printoptions(options) end

--- Prints what the library says of a name or a value; see luatrain.doc.
function lt.help(...) require("luatrain.doc").help(...) end

--- Prints the variables of the session: name, type, shape, bytes.
function lt.who(options) require("luatrain.doc").who(options) end

--- Number of threads that kernels use; with n, sets it.
function lt.threads(n)
  if n then core.C.lt_set_threads(n) end
  return core.C.lt_threads()
end

-- Every file in ops/ brings methods and functions; a name in two files is our mistake.
local function load_op_file(name)
  local module = require(name)
  for key, f in pairs(module.methods or {}) do
    assert(Tensor[key] == nil or Tensor[key] == f, "two ops are called " .. key)
    Tensor[key] = f
    lt[key] = f
  end
  for key, f in pairs(module.functions or {}) do lt[key] = f end
  for key, f in pairs(module.metamethods or {}) do Tensor[key] = f end
end

local ops_loaded = false
local function load_ops()
  ops_loaded = true
  local ok, e = pcall(function()
    for _, name in ipairs(core.modules "luatrain.ops.") do load_op_file(name) end
  end)
  if not ok then  -- interrupted: the next use of lt loads the rest
    ops_loaded = false
    error(e, 0)
  end
end

-- Rooms: lt.nn is luatrain.nn, lt.audio is luatrain.audio, and so on. lt.data etc. likewise.
local rooms
local function is_room(name)
  if not rooms then
    rooms = {}
    for _, module in ipairs(core.modules "luatrain.") do
      local room = module:match "^luatrain%.([%w_]+)"
      if room ~= "ops" and room ~= "host" and room ~= "init" then rooms[room] = true end
    end
  end
  return rooms[name]
end

-- Names of other rooms that are written so often that they are here too.
local elsewhere = {
  uniform = "luatrain.sweep.space", log_uniform = "luatrain.sweep.space",
  integer = "luatrain.sweep.space", step = "luatrain.sweep.space", choice = "luatrain.sweep.space",
}

setmetatable(lt, { __index = function(_, key)
  if not ops_loaded then
    load_ops()
    if rawget(lt, key) ~= nil then return rawget(lt, key) end
  end
  if elsewhere[key] then
    lt[key] = require(elsewhere[key])[key]
    return lt[key]
  end
  if type(key) == "string" and is_room(key) then
    local room = require("luatrain." .. key)
    lt[key] = room
    return room
  end
  local names = {}
  for name in pairs(lt) do names[#names + 1] = name end
  for name in pairs(rooms or {}) do names[#names + 1] = name end
  for name in pairs(elsewhere) do names[#names + 1] = name end
  local near = core.nearest(tostring(key), names)
  core.fail("lt.%s does not exist%s", tostring(key), near and "; did you mean lt." .. near .. "?" or "")
end })

package.loaded["luatrain"] = lt
load_ops()

-- The name log serves twice: lt.log(x) is the logarithm, lt.log.open(folder) the room.
local logarithm = lt.log
lt.log = setmetatable({}, {
  __call = function(_, ...) return logarithm(...) end,
  __index = function(_, key) return require("luatrain.log")[key] end,
})
return lt
