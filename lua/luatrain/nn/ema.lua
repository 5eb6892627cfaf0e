-- ema: a moving average of a model's weights (B. Polyak and A. Juditsky 1992; decay as in TensorFlow's
-- ExponentialMovingAverage, whose warm-up uses (1 + n) / (10 + n)).

local ffi = require "ffi"
local core = require "luatrain.core"
local scope = require "luatrain.scope"
local options = require "luatrain.options"

local C, check, fail = core.C, core.check, core.fail

local list_of = ffi.typeof "lt_tensor *[?]"

local EMA = {}
EMA.__index = EMA

--- Follows the weights of a model with an exponential moving average.
-- average = decay * average + (1 - decay) * weight after each update; buffers are copied as they are.
-- @param given {decay = 0.999, warmup = false}: with warmup the decay of update n is at most
--   (1 + n) / (10 + n), so that the beginning is forgotten soon
--
--     local ema = nn.EMA(model, {decay = 0.999})
--     optimizer:step(); ema:update()                     -- each step
--     ema:with(function() evaluate(model) end)           -- measured with the averages
local function new(model, given)
  local o = options.read("EMA", given, { decay = 0.999, warmup = false })
  if o.decay < 0 or o.decay >= 1 then fail("EMA: decay is %g, want 0 <= decay < 1", o.decay) end
  local self = setmetatable({ model = model, decay = o.decay, warmup = o.warmup, updates = 0,
    names = {}, weights = {}, averages = {} }, EMA)
  for _, list in ipairs { model:named_parameters(), model:named_buffers() } do
    for _, entry in ipairs(list) do
      local i = #self.names + 1
      self.names[i], self.weights[i] = entry[1], entry[2]
      self.averages[i] = scope.keep(entry[2]:detach():clone())
    end
  end
  self.averaged = #model:named_parameters()
  return self
end

function EMA:__tostring()
  return ("EMA(decay=%g, %d weights, %d updates)"):format(self.decay, #self.weights, self.updates)
end

--- Takes in the model's present weights; call it after each optimiser step.
function EMA:update()
  self.updates = self.updates + 1
  local decay = self.decay
  if self.warmup then decay = math.min(decay, (1 + self.updates) / (10 + self.updates)) end
  local n = self.averaged
  local averages, weights = list_of(n), list_of(n)
  for i = 1, n do averages[i - 1], weights[i - 1] = self.averages[i].c, self.weights[i].c end
  check(C.lt_ema_update(n, averages, weights, decay))
  for i = n + 1, #self.weights do check(C.lt_copy(self.averages[i].c, self.weights[i].c)) end
end

-- Exchanges the model's weights with the averages.
local function swap(self)
  for i, weight in ipairs(self.weights) do
    local average = self.averages[i]
    local kept = weight:detach():clone()
    check(C.lt_copy(weight.c, average.c))
    check(C.lt_copy(average.c, kept.c))
    kept:release()
  end
end

--- Runs f(...) with the averages in the model, then puts the weights back, also after an error.
function EMA:with(f, ...)
  swap(self)
  local function finish(ok, ...)
    swap(self)
    if not ok then error((...), 0) end
    return ...
  end
  return finish(pcall(f, ...))
end

--- Copies the averages into the model for good.
function EMA:copy_to_model()
  for i, weight in ipairs(self.weights) do check(C.lt_copy(weight.c, self.averages[i].c)) end
end

--- The averages by the model's names, and the number of updates as `updates`.
function EMA:state_dict()
  local state = {}
  for i, name in ipairs(self.names) do state[name] = self.averages[i] end
  return state, self.updates
end

--- Takes back what state_dict gave.
function EMA:load_state_dict(state, updates)
  for i, name in ipairs(self.names) do
    if not state[name] then fail("EMA: the state has no %s", name) end
    check(C.lt_copy(self.averages[i].c, state[name].c))
  end
  self.updates = updates or self.updates
end

return { EMA = new }
