--- Stops a trial whose last report is below `lower`, above `upper`, or not a number.
--
-- Options: lower, upper (at least one of them), warmup = 0 (no look before that step), interval = 1 (one
-- look every so many steps).
local core = require "luatrain.core"
local options = require "luatrain.options"
local common = require "luatrain.sweep.pruners.common"

local Threshold = {}
Threshold.__index = Threshold

local threshold = { options = { lower = options.none, upper = options.none, warmup = 0, interval = 1 } }

--- A pruner; see above for the options.
function threshold.new(given)
  local self = options.read("threshold", given, threshold.options)
  if self.lower == nil and self.upper == nil then
    core.fail "threshold: give lower, upper or both"
  end
  self.lower, self.upper = self.lower or -math.huge, self.upper or math.huge
  common.number("threshold", "lower", self.lower, -math.huge)
  common.number("threshold", "upper", self.upper, -math.huge)
  if self.lower > self.upper then
    core.fail("threshold: upside down: lower is %g, upper is %g", self.lower, self.upper)
  end
  common.whole("threshold", "warmup", self.warmup, 0)
  common.whole("threshold", "interval", self.interval, 1)
  return setmetatable(self, Threshold)
end

function Threshold:prune(_, record)
  local step, value = common.last_report(record)
  if not step or not common.is_due(record.reports, step, self.warmup, self.interval) then return false end
  return value ~= value or value < self.lower or value > self.upper
end

return threshold
