--- A trial that runs a recipe: its parameters are settings on the recipe's command line, and the epochs'
-- metrics are what is reported.
local core = require "luatrain.core"
local failure = require "luatrain.failure"
local fs = require "luatrain.fs"
local json = require "luatrain.json"

local recipe_trial = {}

-- The command-line words of a setting. Texts with "-" in front and lists pass by "=".
local function word(name, value)
  if type(value) == "table" then
    local items = {}
    for i, item in ipairs(value) do items[i] = tostring(item) end
    value = table.concat(items, ",")
  elseif type(value) == "number" then
    value = json.number(value)
  end
  return ("--%s=%s"):format(name, tostring(value))
end

-- Parameters over fixed settings, as words in order.
local function words_of(settings, params)
  local all, words = {}, {}
  for name, value in pairs(settings or {}) do all[name] = value end
  for name, value in pairs(params) do all[name] = value end
  for i, name in ipairs(core.sorted_keys(all)) do words[i] = word(name, all[name]) end
  return words
end

-- An epoch's metric; where it is missing, the whole study is wrong, not this trial.
local function metric_of(row, name)
  local value = row[name]
  if value ~= nil then return value end
  local names = core.sorted_keys(row)
  local problem = failure.new("config", ("objective: no metric is called '%s'%s; an epoch has %s"):format(
    name, failure.suggest(name, names), table.concat(names, ", ")))
  problem.fatal = true
  error(problem, 0)
end

-- What the trial's values are: those of the epoch that is best by the first objective, or of the last.
local function pick(spec, rows)
  local sign = spec.directions[1] == "maximize" and 1 or -1
  local best
  for _, row in ipairs(rows) do
    local value = row[spec.objectives[1]] * sign
    if not best or spec.take == "last" or value > best[spec.objectives[1]] * sign
      or best[spec.objectives[1]] ~= best[spec.objectives[1]] then best = row end
  end
  return best
end

-- The epochs that an earlier attempt of this trial left in its run directory.
local function earlier_epochs(path)
  local file = fs.join(path, "history.json")
  if not fs.is_file(file) then return {} end
  local columns, rows = json.load(file), {}
  for name, column in pairs(columns) do
    for i, value in ipairs(column) do
      rows[i] = rows[i] or {}
      rows[i][name] = value == json.null and 0 / 0 or value
    end
  end
  return rows
end

local function write_hparams(spec, trial)
  local log = require("luatrain.log").open(trial:folder())
  log:hparams(trial.params, spec.objectives, ("%s/%05d"):format(spec.name, trial.number))
  return log
end

-- Whether to go on from a checkpoint: that of an attempt whose process was killed. What another study left
-- in the directory (its file is gone, and this one counts from 0 again) is moved out of the way.
local function can_resume(trial)
  local folder = require("luatrain.train.run").folder(trial.path)
  if not fs.is_file(fs.join(folder, "latest.safetensors")) then return false end
  if trial.again then return true end
  local before = trial.path .. ".before"
  fs.remove_tree(before)
  fs.rename(trial.path, before)
  return false
end

-- Reports what an earlier attempt had reached; its parent may have died before it was stored.
local function repeat_reports(spec, trial, rows)
  for step, row in ipairs(rows) do
    local value = row[spec.objectives[1]]
    if value then trial:report(value, step) end
  end
end

-- What would stand behind `luatrain run`.
local function arguments_of(spec, trial, resume)
  local args = {spec.recipe, spec.command, "--quiet"}
  if spec.command == "train" then
    args[#args + 1] = "--no-report"
    args[#args + 1] = "--run=" .. trial.path
    if resume then args[#args + 1] = "--resume=auto" end
  end
  for _, one in ipairs(words_of(spec.settings, trial.params)) do args[#args + 1] = one end
  for _, one in ipairs(spec.arguments or {}) do args[#args + 1] = one end
  return args
end

--- Trains and returns the values of the objectives, a list.
function recipe_trial.run(spec, trial)
  for name in pairs(spec.space) do trial:suggest(name) end
  local resume = can_resume(trial)
  local rows = resume and earlier_epochs(trial.path) or {}
  repeat_reports(spec, trial, rows)
  local log = write_hparams(spec, trial)
  local train = require "luatrain.train"
  train.watcher = function(trainer, row)
    for _, name in ipairs(spec.objectives) do metric_of(row, name) end
    rows[trainer.at.epoch - 1] = row
    for _, name in ipairs(spec.objectives) do log:scalar(name, row[name], trainer.at.epoch - 1) end
    trial:report(row[spec.objectives[1]], trainer.at.epoch - 1)
    if trial:should_prune() then trial.prune() end
  end
  local ok, code = pcall(require("luatrain.cli.run").main, arguments_of(spec, trial, resume))
  log:finish(ok and code == 0 and "success" or "failure")
  log:close()
  if not ok then error(code, 0) end
  if code ~= 0 then failure.raise("run", "%s %s ended with code %d", spec.recipe, spec.command, code) end
  local best = pick(spec, rows)
  if not best then metric_of({}, spec.objectives[1]) end
  local values = {}
  for i, name in ipairs(spec.objectives) do values[i] = best[name] end
  return require("luatrain.sweep.worker").values_of(spec, values)
end

return recipe_trial
