--- The process of one trial: it is told what to try, runs the objective, and says what came out.
--
-- The trial object, which an objective gets:
--   trial.number, trial.seed      from 0; a seed that depends on the study's seed and the number
--   trial:suggest(name, d)        the value of a parameter; d may be left out where the study's space has it
--   trial:report(value, step)     how good it is so far; steps are whole numbers from 0
--   trial:should_prune()          whether the pruner would end it after the last report
--   trial:prune()                 ends the objective; the trial counts as pruned
--   trial:folder()                a directory of its own, made when first asked for
--   trial.params                  what was suggested so far, by name
local core = require "luatrain.core"
local failure = require "luatrain.failure"
local line = require "luatrain.sweep.line"
local space = require "luatrain.sweep.space"
local C, check = core.C, core.check

local worker = {}

local Trial = {}
Trial.__index = Trial

-- Raised by trial:prune.
local PRUNED = setmetatable({}, {__tostring = function() return "the trial was pruned" end})
worker.pruned = PRUNED

--- The trial that this process runs; nil in other processes.
worker.current = nil

-- Sends a question and waits for its answer; without a parent there is nothing left to do.
local function ask(self, message)
  self.line:send(message)
  local answer = self.line:next()
  if not answer then os.exit(1, false) end
  if answer.error then core.fail("%s", answer.error) end
  return answer
end

function Trial:suggest(name, distribution)
  if type(name) ~= "string" or name == "" then core.fail("suggest: wanted the name of a parameter") end
  local d = distribution or self.space[name]
  if d == nil then
    core.fail("suggest: '%s' has no distribution; give one such as lt.uniform(0, 1)", name)
  end
  if not space.is(d) then
    core.fail("suggest: '%s' is a %s; wanted lt.uniform, lt.log_uniform, lt.integer, lt.step or lt.choice",
      name, type(d))
  end
  local known = self.distributions[name]
  if known and known == d then return self.params[name] end
  local answer = ask(self, {suggest = name, distribution = space.to_json(d)})
  self.params[name], self.distributions[name] = space.from_stored(d, answer.value), d
  return self.params[name]
end

function Trial:report(value, step)
  if type(value) ~= "number" then core.fail("report: the value is a %s, wanted a number", type(value)) end
  if type(step) ~= "number" or step < 0 or step % 1 ~= 0 then
    core.fail("report: the step is %s, wanted a whole number from 0", tostring(step))
  end
  self.wants_end = ask(self, {report = line.number(value), step = step}).prune
  self.last = {step = step, value = value}
end

function Trial:should_prune() return self.wants_end == true end

function Trial.prune() error(PRUNED, 0) end

function Trial:folder()
  return require("luatrain.fs").mkdir(self.path)
end

-- The objective's results as a list of numbers; raises where they are none.
local function values_of(spec, ...)
  local given = ...
  local values = type(given) == "table" and given or {...}
  if given == nil then
    failure.raise("config", "the objective returned nothing; wanted %s", #spec.directions == 1
      and "a number" or ("a list of %d numbers"):format(#spec.directions))
  end
  if #values ~= #spec.directions then
    failure.raise("config", "the objective returned %d values, the study has %d directions", #values,
      #spec.directions)
  end
  for i, value in ipairs(values) do
    if type(value) ~= "number" then
      failure.raise("config", "the objective returned a %s, wanted a number", type(value))
    elseif value ~= value or math.abs(value) == math.huge then
      failure.raise("diverged", "the objective is %s", tostring(value))
    end
    values[i] = value
  end
  return values
end
worker.values_of = values_of

-- Threads and processors as the parent shares them out.
local function take_share(begin)
  if begin.threads then C.lt_set_threads(begin.threads) end
  if begin.pin then check(C.lt_cpus_keep(begin.pin[1], begin.pin[2])) end
end

local function run_trial(spec, trial)
  if spec.recipe then return require("luatrain.sweep.recipe_trial").run(spec, trial) end
  math.randomseed(trial.seed)
  if package.loaded["luatrain.random"] then require("luatrain.random").manual_seed(trial.seed) end
  return values_of(spec, spec.objective(trial))
end

--- Runs one trial of the study in a sweep file; the parent is at the other end of the line. Does not return.
function worker.main(path)
  local spec = require("luatrain.sweep.file").load(path, {light = true})
  local talk = line.over(C.LT_LINE_CHILD)
  check(C.lt_line_cling(C.LT_LINE_CHILD))
  local message = talk:next()
  if not message then os.exit(0, false) end  -- one process too many: nothing was left to do
  local begin = message.begin
  take_share(begin)
  local trial = setmetatable({number = begin.number, seed = begin.seed, attempt = begin.attempt,
    path = begin.path, again = begin.again, params = {}, distributions = {}, space = spec.space or {},
    line = talk}, Trial)
  worker.current = trial
  local trace
  local ok, result = xpcall(run_trial, function(e)
    if e ~= PRUNED and not failure.of(e) then trace = debug.traceback(tostring(e), 2) end
    return e
  end, spec, trial)
  if ok then
    talk:send {done = result}
  elseif result == PRUNED then
    talk:send {pruned = true}
  else
    io.stderr:write(trace or tostring(result), "\n")
    local code, text = require("luatrain.cli").explain(result)
    talk:send {failed = line.clean(text), code = code, fatal = failure.of(result) and result.fatal or nil}
  end
  io.stdout:flush()
  os.exit(0, false)  -- the system is faster at giving memory back
end

return worker
