-- container: modules that hold modules (torch.nn.Sequential, ModuleList, ModuleDict).

local core = require "luatrain.core"
local Module = require "luatrain.nn.module"

local container = {}

local function check_module(who, m)
  if type(m) ~= "table" or not m.is_module then
    core.fail("%s: got a %s where a module was expected", who, type(m))
  end
  return m
end

local function add_all(self, first, ...)
  local list = { first, ... }
  if first and not first.is_module then list = first end
  for _, m in ipairs(list) do self:append(m) end
end

--- Runs its modules one after the other.
-- `nn.Sequential(a, b)` or `nn.Sequential { a, b }`; `seq[1]` is the first module, which PyTorch's
-- names call "0".
local Sequential = Module.class "Sequential"
container.Sequential = Sequential

function Sequential:init(...)
  add_all(self, ...)
end

-- A layer that can apply the activation after it in its own pass (linear, batch norm) is asked to,
-- unless someone has replaced its forward.
function Sequential:forward(x)
  local i, n = 1, #self
  while i <= n do
    local m, following = self[i], self[i + 1]
    local fuses = m.fuses
    local act = fuses and following and m.forward == m._fused_forward
      and fuses[following.activation_name]
    if act then
      x = m:forward(x, act)
      i = i + 2
    else
      x = m:forward(x)
      i = i + 1
    end
  end
  return x
end

--- Adds a module at the end; returns the container, so that calls chain.
function Sequential:append(m)
  self[#self + 1] = check_module(self.class_name, m)
  return self
end
Sequential.add = Sequential.append

--- A list of modules, walked for parameters, called by its owner: `for _, m in ipairs(list)`.
local ModuleList = Module.class "ModuleList"
container.ModuleList = ModuleList

ModuleList.init = Sequential.init
ModuleList.append = Sequential.append

--- Modules under names: `nn.ModuleDict { root = nn.Linear(8, 12), bass = nn.Linear(8, 12) }`.
local ModuleDict = Module.class "ModuleDict"
container.ModuleDict = ModuleDict

function ModuleDict:init(modules)
  for name, m in pairs(modules or {}) do
    if type(name) ~= "string" or Module[name] ~= nil then
      core.fail("ModuleDict: %q cannot be a name here", tostring(name))
    end
    self[name] = check_module("ModuleDict", m)
  end
end

--- Returns its input: a place holder.
local Identity = Module.class "Identity"
container.Identity = Identity

function Identity:forward(x)
  return x
end

--- The sum of the input and what its modules (as in Sequential) make of it: x + f(x).
local Residual = Module.class("Residual", Sequential)
container.Residual = Residual

function Residual:forward(x)
  return x + Sequential.forward(self, x)
end

return container
