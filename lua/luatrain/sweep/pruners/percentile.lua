--- Stops a trial whose best report so far is worse than the given percentile of what the trials that are
-- done reported at the same step. As Optuna's PercentilePruner.
--
-- Options: percentile = 25 (the better quarter goes on), startup = 5 (trials done before any is stopped),
-- warmup = 0 (no look before that step), interval = 1 (one look every so many steps), least = 1 (reports
-- at a step before it is judged by).
local options = require "luatrain.options"
local common = require "luatrain.sweep.pruners.common"
local follow = require "luatrain.sweep.follow"

local Percentile = {}
Percentile.__index = Percentile

local percentile = { options = { percentile = 25, startup = 5, warmup = 0, interval = 1, least = 1 } }

--- A pruner; see above for the options. `who` names it in messages.
function percentile.new(given, who)
  who = who or "percentile"
  local self = options.read(who, given, percentile.options)
  common.number(who, "percentile", self.percentile, 0, 100)
  common.whole(who, "startup", self.startup, 0)
  common.whole(who, "warmup", self.warmup, 0)
  common.whole(who, "interval", self.interval, 1)
  common.whole(who, "least", self.least, 1)
  self.follow = follow.new(function() self.done, self.steps = {}, {} end, function(record)
    if record.state == "done" then self.done[#self.done + 1] = record end
  end)
  return setmetatable(self, Percentile)
end

-- The best of a trial's reports, NaN where all are.
local function best_report(record, minimises)
  local best = 0 / 0
  for _, value in pairs(record.reports) do
    if best ~= best or minimises and value < best or not minimises and value > best then best = value end
  end
  return best
end

-- Puts x into its place in a sorted list.
local function insert(list, x)
  local low, high = 1, #list + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if list[middle] <= x then low = middle + 1 else high = middle end
  end
  table.insert(list, low, x)
end

-- The sorted reports of done trials at one step, NaN left out, and how many there were with NaN.
local function reports_at(self, step)
  local at = self.steps[step]
  if not at then
    at = { read = 0, count = 0, values = {} }
    self.steps[step] = at
  end
  local fresh = {}
  for i = at.read + 1, #self.done do
    local value = self.done[i].reports and self.done[i].reports[step]
    if value then
      at.count = at.count + 1
      if value == value then fresh[#fresh + 1] = value end
    end
  end
  at.read = #self.done
  if #fresh > 32 then
    for _, value in ipairs(fresh) do at.values[#at.values + 1] = value end
    table.sort(at.values)
  else
    for _, value in ipairs(fresh) do insert(at.values, value) end
  end
  return at.values, at.count
end

--- The p-th percentile of a sorted list, linear between its elements; NaN for an empty one.
function percentile.of(sorted, p)
  if #sorted == 0 then return 0 / 0 end
  local at = p / 100 * (#sorted - 1)
  local i = math.floor(at)
  local low, high = sorted[i + 1], sorted[i + 2]
  if at == i or low == high then return low end
  -- From the nearer end, as NumPy does it, so that limits are the same to the last bit.
  if at - i >= 0.5 then return high - (high - low) * (1 - (at - i)) end
  return low + (high - low) * (at - i)
end

function Percentile:prune(history, record)
  self.follow:update(history)
  local step = common.last_report(record)
  if not step or #self.done == 0 or #self.done < self.startup then return false end
  if not common.is_due(record.reports, step, self.warmup, self.interval) then return false end
  local minimises = common.minimises(history)
  local best = best_report(record, minimises)
  if best ~= best then return true end
  local values, count = reports_at(self, step)
  if count < self.least then return false end
  local limit = percentile.of(values, minimises and self.percentile or 100 - self.percentile)
  if minimises then return best > limit end
  return best < limit
end

return percentile
