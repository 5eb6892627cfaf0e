--- ASHA, asynchronous successive halving: at the steps resource, resource * eta, resource * eta^2, ... (the
-- rungs) a trial goes on only where its report belongs to the best 1 / eta of all that have come there.
--
-- Options: eta = 4, resource = "auto" (the first rung: a step; "auto" is a hundredth of the steps that the
-- longest of the trials done so far made, at least 1; before one is done none is stopped), rate = 0 (the
-- first rung is resource * eta^rate), bootstrap = 0 (so many at a rung are all stopped).
--
-- L. Li et al., "A system for massively parallel hyperparameter tuning", MLSys 2020. As in Optuna's
-- SuccessiveHalvingPruner no trial is paused to go on later: it is stopped where it is not among the best,
-- equals of the last of the best go on, and while fewer than eta are at a rung the best of them does. The
-- value at a rung is the last report then, so report steps from 1 upwards.
--
-- What a trial had at a rung is remembered from when it was asked for. Where a study is continued it is read
-- from the reports: the first report at the rung's step or later. The two are the same for trials that
-- report often enough to meet one rung at a time. One pruner belongs to one study.
local core = require "luatrain.core"
local options = require "luatrain.options"
local common = require "luatrain.sweep.pruners.common"
local follow = require "luatrain.sweep.follow"

local Asha = {}
Asha.__index = Asha

local asha = { options = { eta = 4, resource = "auto", rate = 0, bootstrap = 0 } }

--- A pruner; see above for the options. member(record): the trials that compete (default all).
function asha.new(given, member)
  local self = options.read("asha", given, asha.options)
  common.whole("asha", "eta", self.eta, 2)
  if self.resource ~= "auto" then common.whole("asha", "resource", self.resource, 1) end
  common.whole("asha", "rate", self.rate, 0)
  common.whole("asha", "bootstrap", self.bootstrap, 0)
  if self.bootstrap > 0 and self.resource == "auto" then
    core.fail "asha: bootstrap needs a resource; with \"auto\" no trial would ever be done"
  end
  self.member = member
  self.asked = {}  -- by trial number: {[0] = value at the first rung, ..., n = how many, record}
  local function fresh()
    self.rungs, self.finished = {}, {}
    self.first = self.resource ~= "auto" and self.resource or nil
  end
  self.follow = follow.new(fresh, function(record) self.finished[#self.finished + 1] = record end)
  return setmetatable(self, Asha)
end

local function rung_step(self, rung)
  return self.first * self.eta ^ (self.rate + rung)
end

-- What a trial had at its rungs.
local function rungs_of(self, record)
  local asked = self.asked[record.number]
  if asked then return asked end
  local values = { n = 0 }
  for _, step in ipairs(common.steps(record)) do
    local value = record.reports[step]
    while step >= rung_step(self, values.n) do
      if value ~= value then return values end
      values[values.n] = value
      values.n = values.n + 1
    end
  end
  return values
end

-- Sets the first rung from the trials that are done; false where none is.
local function find_resource(self, history)
  if self.first then return true end
  local most
  for _, record in ipairs(history.trials) do
    if record.state == "done" and (not self.member or self.member(record)) then
      local step = common.last_report(record)
      if step and (not most or step > most) then most = step end
    end
  end
  if not most then return false end
  self.first = math.max(math.floor(most / 100), 1)
  return true
end

-- Adds what finished trials had to the lists of the rungs.
local function settle(self)
  for _, record in ipairs(self.finished) do
    if not self.member or self.member(record) then
      local values = rungs_of(self, record)
      for rung = 0, values.n - 1 do
        self.rungs[rung] = self.rungs[rung] or {}
        table.insert(self.rungs[rung], values[rung])
      end
    end
    self.asked[record.number] = nil
  end
  self.finished = {}
end

-- How many have come to a rung, with this trial, and how many of them are better than it.
local function standing(self, history, open, record, rung, value)
  local sign = common.minimises(history) and 1 or -1
  local count, better = 1, 0
  for _, other in ipairs(self.rungs[rung] or {}) do
    count = count + 1
    if sign * other < sign * value then better = better + 1 end
  end
  for _, i in ipairs(open) do
    local other = history.trials[i]
    if other.number ~= record.number and (not self.member or self.member(other)) then
      local theirs = rungs_of(self, other)[rung]
      if theirs then
        count = count + 1
        if sign * theirs < sign * value then better = better + 1 end
      end
    end
  end
  return count, better
end

-- What the trial itself had at the rungs before this report. A trial that is tried again has a new record.
local function own_rungs(self, record, step)
  local own = self.asked[record.number]
  if own and (own.record == record or not own.record) then
    own.record = record
    return own
  end
  self.asked[record.number] = nil
  local before = {}
  for s, value in pairs(record.reports) do
    if s < step then before[s] = value end
  end
  own = rungs_of(self, { number = record.number, reports = before })
  own.record = record
  self.asked[record.number] = own
  return own
end

--- Notes that a trial was asked for before the rungs were known: what it had so far does not count.
function Asha:pass(number)
  self.asked[number] = { n = 0 }
end

function Asha:prune(history, record)
  local open = self.follow:update(history)
  local step, value = common.last_report(record)
  if not step then return false end
  if not find_resource(self, history) then
    self:pass(record.number)
    return false
  end
  local own = own_rungs(self, record, step)
  local settled = false
  while step >= rung_step(self, own.n) do
    if value ~= value then return true end
    if not settled then
      settle(self)
      settled = true
    end
    local rung = own.n
    own[rung], own.n = value, rung + 1
    local count, better = standing(self, history, open, record, rung, value)
    if count <= self.bootstrap then return true end
    if better >= math.max(math.floor(count / self.eta), 1) then return true end
  end
  return false
end

return asha
