--- What pruners share: reading a trial's reports, checking options.
local core = require "luatrain.core"
local seen = require "luatrain.sweep.seen"

local common = {}

--- The greatest step of a record's reports and the value there, or nil; and all its steps, sorted.
common.last_report, common.steps = seen.last_report, seen.steps

--- Whether the first objective is to be made smaller.
function common.minimises(history)
  return history.directions[1] ~= "maximize"
end

--- Refuses an option that is not a whole number of at least `least`.
function common.whole(who, name, value, least)
  if type(value) ~= "number" or value % 1 ~= 0 or value < least or value == math.huge then
    core.fail("%s: %s is %s, want a whole number of at least %d", who, name, tostring(value), least)
  end
end

--- Refuses an option that is not a number from low to high (or above low, where high is left out).
function common.number(who, name, value, low, high)
  if type(value) ~= "number" or not (value >= low and value <= (high or math.huge)) then
    core.fail("%s: %s is %s, want a number %s", who, name, tostring(value),
      high and ("from %g to %g"):format(low, high) or ("of at least %g"):format(low))
  end
end

--- Whether a trial is to be looked at after its report at `step`: not before `warmup`, and then with the
-- first report of every `interval` steps.
function common.is_due(reports, step, warmup, interval)
  if step < warmup then return false end
  local begin = math.floor((step - warmup) / interval) * interval + warmup
  for other in pairs(reports) do
    if other ~= step and other >= begin then return false end
  end
  return true
end

return common
