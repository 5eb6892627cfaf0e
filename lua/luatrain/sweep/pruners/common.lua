--- What pruners share: reading a trial's reports, checking options, keeping the reports of finished trials.
local core = require "luatrain.core"

local common = {}

--- The greatest step of a record's reports and the value there, or nil.
common.last_report = require("luatrain.sweep.seen").last_report

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

-- ---- finished trials -----------------------------------------------------------------------------

local Done = {}
Done.__index = Done

--- Follows a history and calls f(record) once for each trial that has finished (done, pruned or failed).
-- `fresh()` is called first, and again when another history is shown.
function common.follow(fresh, f)
  return setmetatable({ fresh = fresh, f = f, scanned = 0, open = {} }, Done)
end

local function is_finished(record)
  return record.state ~= "running" and record.state ~= "waiting"
end

--- Reads what is new; returns the positions in history.trials of those not finished.
function Done:update(history)
  local trials = history.trials
  if self.scanned == 0 or #trials < self.scanned or trials[1] ~= self.first then
    self.scanned, self.open, self.first = 0, {}, trials[1]
    self.fresh()
  end
  local open = {}
  local function look(i)
    if is_finished(trials[i]) then self.f(trials[i]) else open[#open + 1] = i end
  end
  for _, i in ipairs(self.open) do look(i) end
  for i = self.scanned + 1, #trials do look(i) end
  self.open, self.scanned = open, #trials
  return open
end

return common
