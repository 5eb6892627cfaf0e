--- Lets another pruner stop a trial only when the trial has not become better for a while; by itself it
-- stops such a trial. As Optuna's PatientPruner: the best of the last patience + 1 reports is compared with
-- the best before them.
--
-- Options: patience = 3, min_delta = 0 (how much better is better), pruner (a name or a table, as in a
-- sweep file; left out: none).
local options = require "luatrain.options"
local common = require "luatrain.sweep.pruners.common"

local Patient = {}
Patient.__index = Patient

local patient = { options = { patience = 3, min_delta = 0, pruner = options.none } }

--- A pruner; see above for the options.
function patient.new(given)
  local self = options.read("patient", given, patient.options)
  common.whole("patient", "patience", self.patience, 0)
  common.number("patient", "min_delta", self.min_delta, 0)
  if self.pruner ~= nil then self.pruner = require("luatrain.sweep.pruners").make(self.pruner) end
  return setmetatable(self, Patient)
end

-- The least of sign * value over steps[from .. to], NaN where there is none.
local function best_of(reports, steps, from, to, sign)
  local best = 0 / 0
  for i = from, to do
    local value = sign * reports[steps[i]]
    if best ~= best or value < best then best = value end
  end
  return best
end

function Patient:prune(history, record)
  local steps = common.steps(record)
  if #steps <= self.patience + 1 then return false end
  local sign, split = common.minimises(history) and 1 or -1, #steps - self.patience - 1
  local before = best_of(record.reports, steps, 1, split, sign)
  local after = best_of(record.reports, steps, split + 1, #steps, sign)
  if not (before + self.min_delta < after) then return false end
  return not self.pruner or self.pruner:prune(history, record)
end

--- The wrapped pruner's bracket of a trial.
function Patient:budget(record)
  if self.pruner and self.pruner.budget then return self.pruner:budget(record) end
end

return patient
