--- Hyperband: several ASHAs side by side (brackets), the first with many trials that may be stopped early,
-- the last with few that all make many steps. A trial competes within its bracket only.
--
-- Options: least = 1 (the step of the first rung of the first bracket), most = "auto" (the steps of a whole
-- trial; "auto" is one more than the last step of the longest of the trials done when it is first asked for;
-- before one is done none is stopped), eta = 3, bootstrap = 0, study = "" (a text that decides with the
-- trial's number which bracket it is in; history.name where it is left out).
--
-- L. Li et al., "Hyperband: a novel bandit-based approach to hyperparameter optimization", JMLR 18, 2018.
-- As in Optuna's HyperbandPruner there are floor(log_eta(most / least)) + 1 brackets, with shares
-- ceil(brackets * eta^s / (s + 1)), s from brackets - 1 down to 0, and a trial's bracket is drawn by the
-- CRC-32 of "STUDY_NUMBER". The number of brackets is exact here: for 243 and 3 it is 6, where Optuna's
-- quotient of logarithms rounds down to 5.
local bit = require "bit"
local core = require "luatrain.core"
local options = require "luatrain.options"
local asha = require "luatrain.sweep.pruners.asha"
local common = require "luatrain.sweep.pruners.common"

local Hyperband = {}
Hyperband.__index = Hyperband

local hyperband = { options = { least = 1, most = "auto", eta = 3, bootstrap = 0, study = options.none } }

--- The CRC-32 of a text (ISO 3309, as in zip files), a whole number.
function hyperband.crc32(text)
  local crc = bit.bnot(0)
  for i = 1, #text do
    crc = bit.bxor(crc, text:byte(i))
    for _ = 1, 8 do
      crc = bit.bxor(bit.rshift(crc, 1), bit.band(-bit.band(crc, 1), 0xEDB88320))
    end
  end
  return bit.bnot(crc) % 2 ^ 32
end

--- A pruner; see above for the options.
function hyperband.new(given)
  local self = options.read("hyperband", given, hyperband.options)
  common.whole("hyperband", "least", self.least, 1)
  common.whole("hyperband", "eta", self.eta, 2)
  common.whole("hyperband", "bootstrap", self.bootstrap, 0)
  if self.most ~= "auto" then
    common.whole("hyperband", "most", self.most, 1)
    if self.most < self.least then
      core.fail("hyperband: upside down: least is %d, most is %d", self.least, self.most)
    end
  elseif self.bootstrap > 0 then
    core.fail "hyperband: bootstrap needs most; with \"auto\" no trial would ever be done"
  end
  if self.study ~= nil and type(self.study) ~= "string" then
    core.fail("hyperband: study is a %s, want a text", type(self.study))
  end
  self.passed = {}  -- numbers of trials asked for before there were brackets
  return setmetatable(self, Hyperband)
end

--- The shares of the brackets for trials of at most `most` steps.
function hyperband.shares(least, most, eta)
  local count, steps, shares = 1, least * eta, {}
  while steps <= most do
    count, steps = count + 1, steps * eta
  end
  for s = count - 1, 0, -1 do shares[#shares + 1] = math.ceil(count * eta ^ s / (s + 1)) end
  return shares
end

-- Makes the brackets; false while the steps of a trial are not known.
local function begin(self, history)
  if self.brackets then return true end
  local most = self.most
  if most == "auto" then
    for _, record in ipairs(history.trials) do
      local step = record.state == "done" and common.last_report(record)
      if step and (most == "auto" or step + 1 > most) then most = step + 1 end
    end
    if most == "auto" then return false end
  end
  self.study = self.study or history.name or ""
  self.shares, self.sum, self.brackets = hyperband.shares(self.least, most, self.eta), 0, {}
  for b, share in ipairs(self.shares) do
    self.sum = self.sum + share
    self.brackets[b] = asha.new({ eta = self.eta, resource = self.least, rate = b - 1,
      bootstrap = self.bootstrap }, function(record) return self:budget(record) == b end)
  end
  for number in pairs(self.passed) do self.brackets[self:budget { number = number }]:pass(number) end
  return true
end

--- The bracket of a trial, from 1; nil while it is not known how long a trial is.
function Hyperband:budget(record)
  if not self.brackets then return nil end
  local left = hyperband.crc32(self.study .. "_" .. ("%d"):format(record.number)) % self.sum
  for b, share in ipairs(self.shares) do
    left = left - share
    if left < 0 then return b end
  end
end

function Hyperband:prune(history, record)
  if not common.last_report(record) then return false end
  if not begin(self, history) then
    self.passed[record.number] = true
    return false
  end
  return self.brackets[self:budget(record)]:prune(history, record)
end

return hyperband
