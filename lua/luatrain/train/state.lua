--- What a trainer saves and goes back to: methods of the Trainer.
local core = require "luatrain.core"
local failure = require "luatrain.failure"
local random = require "luatrain.random"
local scope = require "luatrain.scope"
local checkpoint = require "luatrain.train.checkpoint"
local C, check = core.C, core.check

local methods = {}

-- The averaged weights as a part of the state.
local function ema_part(ema)
  return ema and {
    state_dict = function()
      local average, updates = ema:state_dict()
      return {average = average, updates = updates}
    end,
    load_state_dict = function(_, state) ema:load_state_dict(state.average, state.updates) end,
  }
end

-- All that a run is, by name: this list is the checkpoint, and the resume.
function methods:parts()
  return {optimizer = self.optimizer, schedule = self.schedule, ema = ema_part(self.ema),
    tally = self.tally, history = self.history, scaler = self.scaler}
end

function methods:state_dict()
  local state = {at = self.at, rng = random.default:get_state()}
  for name, part in pairs(self:parts()) do state[name] = part:state_dict() end
  return state
end

function methods:load_state_dict(state)
  for key, value in pairs(state.at) do self.at[key] = value end
  random.default:set_state(state.rng)
  for name, part in pairs(self:parts()) do
    if state[name] then part:load_state_dict(state[name]) end
  end
end

-- Facts for people and for building the model again.
function methods:describe()
  local facts = {epoch = self.at.epoch, batch = self.at.batch, step = self.at.step, config = self.config,
    threads = C.lt_threads(), best = self.history.best, best_epoch = self.history.best_epoch,
    keep = self.history.keep}
  for name, value in pairs(self.facts) do facts[name] = value end
  return facts
end

--- Writes a checkpoint from which training goes on with the same bits.
function methods:save_checkpoint(path)
  checkpoint.save(path, (self.model:state_dict()), self:state_dict(), self:describe())
end

-- The same under a name in the run directory; nil without one. Returns the path.
function methods:save(name)
  if not self.run then return nil end
  local path = self.run:checkpoint(name)
  self:save_checkpoint(path)
  return path
end

-- The same bits come only from the same number of threads and the same program and libraries.
function methods:note_differences(facts)
  local function note(what, before, now)
    if before ~= nil and tostring(before) ~= tostring(now) then
      self.journal:line("note: the run had %s %s, now it is %s: the last bits may differ", what,
        tostring(before), tostring(now))
    end
  end
  note("threads", facts.threads, C.lt_threads())
  for name, now in pairs(self.facts.program or {}) do
    if name ~= "threads" then note(name, (facts.program or {})[name], now) end
  end
end

--- Goes back to a checkpoint written by save_checkpoint.
function methods:load_checkpoint(path)
  scope.run(function()
    local state, facts = checkpoint.take_up(path, self.model)
    failure.wrap("data", path .. ": ", self.load_state_dict, self, state)
    self:note_differences(facts)
  end)
end

-- The best state: a file of the run, from which training can go on too; or copies of the weights (the
-- averaged ones where there are any) in memory.
function methods:keep_best()
  if self.run then
    self:save "best"
    return
  end
  local weights = (self.ema or self.model):state_dict()
  self.best = self.best or {}
  for name, t in pairs(weights) do
    self.best[name] = self.best[name] or scope.keep(t:like())
    check(C.lt_copy(self.best[name].c, t.c))
  end
end

function methods:restore_best()
  if self.history.best == nil then return end
  local weights = self.best
  scope.run(function()
    if self.run then
      local state
      weights, state = checkpoint.load(self.run:checkpoint "best")
      if state and state.ema then weights = state.ema.average end
    end
    if weights then self.model:load_state_dict(weights) end
  end)
end

--- Writes the history as JSON.
function methods:export_history(path) require("luatrain.json").save(path, self.history:table()) end

return {methods = methods}
