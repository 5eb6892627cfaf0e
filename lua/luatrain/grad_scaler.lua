--- lt.optim.GradScaler: keeps small gradients from vanishing in half precision (f16), as
-- torch.amp.GradScaler does (P. Micikevicius et al., "Mixed Precision Training", 2018).
--
--   local scaler = lt.optim.GradScaler()
--   scaler:scale(loss):backward()
--   local norm, skipped = scaler:step(optimizer, {max_norm = 1})
--   scaler:update()
--
-- Losses are multiplied by a large scale before backward, and gradients divided by it in the step. A
-- step whose gradients hold NaN or Inf is left out and the scale halved; after 2000 good steps in a
-- row it is doubled.
local core = require "luatrain.core"
local options = require "luatrain.options"

local GradScaler = {}
GradScaler.__index = GradScaler

local defaults = {init_scale = 65536, growth_factor = 2, backoff_factor = 0.5, growth_interval = 2000}

--- Makes a scaler. options: init_scale 65536, growth_factor 2, backoff_factor 0.5, growth_interval 2000.
local function new(given)
  local self = options.read("GradScaler", given, defaults)
  for name, value in pairs(self) do
    if type(value) ~= "number" or not (value > 0 and value < math.huge) then
      core.fail("GradScaler: %s is %s, wanted a number above 0", name, tostring(value))
    end
  end
  if self.growth_factor <= 1 or self.backoff_factor >= 1 then
    core.fail("GradScaler: growth_factor %g must be above 1, backoff_factor %g below", self.growth_factor,
      self.backoff_factor)
  end
  self.tracker, self.skipped, self.factor = 0, false, self.init_scale
  return setmetatable(self, GradScaler)
end

function GradScaler:__tostring() return ("GradScaler(scale=%g)"):format(self.factor) end

--- The number that losses are multiplied by now.
function GradScaler:get_scale() return self.factor end

--- loss * scale.
function GradScaler:scale(loss) return loss * self.factor end

--- A step of the optimizer with the gradients divided by the scale; nothing where they hold NaN or Inf.
-- given.max_norm: limits the norm of all gradients together, in their true size. Returns that norm
-- and whether the step was left out.
function GradScaler:step(optimizer, given)
  local norm = optimizer:step {max_norm = given and given.max_norm, divisor = self.factor,
    skip_nonfinite = true}
  self.skipped = norm ~= norm or norm == math.huge
  return norm, self.skipped
end

--- Adapts the scale after a step.
function GradScaler:update()
  if self.skipped then
    self.factor, self.tracker = self.factor * self.backoff_factor, 0
    return
  end
  self.tracker = self.tracker + 1
  if self.tracker == self.growth_interval then
    local grown = self.factor * self.growth_factor
    if grown < 3.4e38 then self.factor = grown end
    self.tracker = 0
  end
end

--- {scale, growth_tracker}: what a resumed run needs.
function GradScaler:state_dict() return {scale = self.factor, growth_tracker = self.tracker} end

--- Takes a state_dict.
function GradScaler:load_state_dict(state)
  self.factor, self.tracker = state.scale, state.growth_tracker
end

return new
