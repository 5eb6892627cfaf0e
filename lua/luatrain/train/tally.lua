--- Averages of an epoch: sums of metric values and of their weights, exact in a checkpoint.
local failure = require "luatrain.failure"
local Tensor = require "luatrain.tensor"

local Tally = {}
Tally.__index = Tally

--- An empty tally; or one with the state of another.
function Tally.new(state)
  local self = setmetatable({sums = {}, weights = {}}, Tally)
  if state then self:load_state_dict(state) end
  return self
end

--- Adds metrics of a batch of n samples: numbers, scalar tensors, or {value, weight}.
function Tally:add(metrics, n)
  for name, value in pairs(metrics) do
    local weight = n
    if type(value) == "table" and not Tensor.is_tensor(value) then value, weight = value[1], value[2] end
    if Tensor.is_tensor(value) then value = value:item() end
    if type(value) ~= "number" then
      failure.raise("config", "step: the metric '%s' is a %s; metrics are numbers, scalar tensors or "
        .. "{value, weight}", name, type(value))
    end
    self.sums[name] = (self.sums[name] or 0) + value * weight
    self.weights[name] = (self.weights[name] or 0) + weight
  end
end

--- {prefix .. name = average}.
function Tally:means(prefix)
  local means = {}
  for name, sum in pairs(self.sums) do
    local weight = self.weights[name]
    means[prefix .. name] = weight ~= 0 and sum / weight or 0
  end
  return means
end

local function copy(t)
  local c = {}
  for key, value in pairs(t) do c[key] = value end
  return c
end

function Tally:state_dict() return {sums = copy(self.sums), weights = copy(self.weights)} end

function Tally:load_state_dict(state)
  self.sums, self.weights = copy(state.sums), copy(state.weights)
end

return Tally
