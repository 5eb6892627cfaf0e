--- A moving average of a model's weights: after each step average = decay * average + (1 - decay) *
-- weight. Buffers are taken over as they are. The decay grows with the steps, min(decay,
-- (1 + steps) / (10 + steps)), so that the first weights are soon forgotten.
local core = require "luatrain.core"
local optim = require "luatrain.optim"
local scope = require "luatrain.scope"
local C, check = core.C, core.check

local Ema = {}
Ema.__index = Ema

local function copy_of(t)
  local c = scope.keep(t:like())
  check(C.lt_copy(c.c, t.c))
  return c
end

--- Begins an average at the model's present weights.
function Ema.new(model, decay)
  local self = setmetatable({model = model, decay = decay, steps = 0, average = {}}, Ema)
  for name, t in pairs(model:state_dict()) do self.average[name] = copy_of(t) end
  return self
end

--- Takes a step's weights in.
function Ema:update()
  local decay = math.min(self.decay, (1 + self.steps) / (10 + self.steps))
  self.steps = self.steps + 1
  local averages, weights = {}, {}
  for i, pair in ipairs(self.model:named_parameters()) do
    averages[i], weights[i] = self.average[pair[1]], pair[2]
  end
  optim.ema_update(averages, weights, decay)
  for _, pair in ipairs(self.model:named_buffers()) do
    check(C.lt_copy(self.average[pair[1]].c, pair[2].c))
  end
end

--- Calls f(...) with the averages in the model, and puts the weights back, also on error.
function Ema:with_average(f, ...)
  self:swap()
  local function finish(ok, ...)
    self:swap()
    if not ok then error((...), 0) end
    return ...
  end
  return finish(pcall(f, ...))
end

-- Exchanges the contents of the model's tensors and the averages.
function Ema:swap()
  scope.run(function()
    for name, t in pairs(self.model:state_dict()) do
      local average, held = self.average[name], t:like()
      check(C.lt_copy(held.c, t.c))
      check(C.lt_copy(t.c, average.c))
      check(C.lt_copy(average.c, held.c))
    end
  end)
end

function Ema:state_dict() return {steps = self.steps, average = self.average} end

function Ema:load_state_dict(state)
  self.steps = state.steps
  for name, t in pairs(self.average) do check(C.lt_copy(t.c, state.average[name].c)) end
end

return Ema
