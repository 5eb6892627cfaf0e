--- Sweep files: Lua scripts that return a study.
--
--   return {
--     name = "chord-asha",                    -- default: the file's name
--     recipe = "chord", command = "train",    -- whose settings are swept; command defaults to train
--     space = {lr = lt.log_uniform(1e-5, 1e-2), model = {width = lt.choice {64, 96, 128}}},
--     settings = {epochs = 8, data = "data/pop909"},                       -- the same for all trials
--     objective = "val_accuracy",             -- a metric of the history, or a list of them
--     direction = "maximize",                 -- or "minimize" (default), or a list of both
--     sampler = "tpe", pruner = "asha",       -- or {name = "tpe", startup = 20}; default tpe and none
--     trials = 40,                            -- in all; default 100, for sampler = "grid" all points
--     timeout = 3600,                         -- no new trials after so many seconds of one run
--     trial_timeout = 600,                    -- seconds; a trial that takes longer has failed
--     take = "best",                          -- the objective's value: of the best epoch, or of the "last"
--     seed = 1,
--     slurm = {partition = "gpu", time = "2:00:00", cpus_per_task = 4},    -- for --slurm
--   }
--
-- Instead of a recipe, `objective = function(trial) ... return value end` asks for its parameters as it goes:
-- see luatrain.sweep.worker. In a sweep file the global `lt` is there without a require, and costs nothing
-- until more than distributions are asked of it.
local failure = require "luatrain.failure"
local fs = require "luatrain.fs"
local space = require "luatrain.sweep.space"

local file = {}

local KNOWN = {
  name = "string", recipe = "string", command = "string", arguments = "table", space = "table",
  settings = "table", objective = true, direction = true, sampler = true, pruner = true, trials = "number",
  timeout = "number", trial_timeout = "number", take = "string", seed = "number", slurm = "table",
}

-- Stands for `lt` in sweep files: distributions are here, and the library is loaded for anything else. (All
-- of it takes longer to load than a trial of 20 ms should wait.)
local function light_lt()
  local distributions = {}
  for _, name in ipairs {"uniform", "log_uniform", "integer", "step", "choice"} do
    distributions[name] = space[name]
  end
  return setmetatable(distributions, {__index = function(_, key) return require("luatrain")[key] end})
end

local function check_names(path, source)
  if type(source) ~= "table" then
    failure.raise("config", "%s: a sweep file returns a table, this file returned %s", path,
      source == nil and "nothing" or "a " .. type(source))
  end
  local names = {}
  for name in pairs(KNOWN) do names[#names + 1] = name end
  for name, value in pairs(source) do
    local wanted = KNOWN[name]
    if not wanted then
      failure.raise("config", "%s: a study has no '%s'%s", path, tostring(name),
        failure.suggest(tostring(name), names))
    elseif wanted ~= true and type(value) ~= wanted then
      failure.raise("config", "%s: %s is a %s, wanted a %s", path, name, type(value), wanted)
    end
  end
end

-- One of them, or a list: always a list.
local function list(value)
  if type(value) == "table" then return value end
  return {value}
end

local function check_objective(path, source)
  local objective = source.objective
  if objective == nil then
    failure.raise("config", "%s: objective is missing: the name of a metric, a list of names, or a function",
      path)
  end
  if type(objective) == "function" then
    if source.recipe then
      failure.raise("config", "%s: a study has a recipe and the name of a metric, or a function as its "
        .. "objective", path)
    end
    return nil
  end
  local names = list(objective)
  for _, name in ipairs(names) do
    if type(name) ~= "string" then
      failure.raise("config", "%s: objective is a %s, wanted the name of a metric, a list of names, or a "
        .. "function", path, type(name))
    end
  end
  if not source.recipe then
    failure.raise("config", "%s: recipe is missing: whose metric is '%s'?", path, tostring(names[1]))
  end
  if not source.space or next(source.space) == nil then
    failure.raise("config", "%s: space is missing: which settings of the recipe to sweep", path)
  end
  return names
end

local function check_directions(path, source, objectives)
  local given = source.direction or "minimize"
  local directions = list(given)
  for _, one in ipairs(directions) do
    if one ~= "minimize" and one ~= "maximize" then
      failure.raise("config", "%s: direction is '%s', wanted minimize or maximize%s", path, tostring(one),
        failure.suggest(tostring(one), {"minimize", "maximize"}))
    end
  end
  if objectives and #objectives ~= #directions then
    failure.raise("config", "%s: there are %d objectives and %d directions", path, #objectives, #directions)
  end
  return directions
end

local function check_number(path, source, name, least, whole)
  local value = source[name]
  if value ~= nil and not (value >= least and (not whole or value % 1 == 0)) then
    failure.raise("config", "%s: %s is %s, wanted a %snumber of at least %g", path, name, tostring(value),
      whole and "whole " or "", least)
  end
end

-- Every value at the ends of a distribution, or all choices.
local function extremes(d)
  if d.kind == "choice" then return d.choices end
  return {d.low, d.high}
end

-- The swept and fixed settings against the recipe's own declaration. In the parent only: it loads the recipe.
local function check_recipe(path, spec)
  local recipe = require("luatrain.recipe").load(spec.recipe)
  spec.recipe_name = recipe.name
  local command = recipe.commands[spec.command]
  local fields = recipe:command_fields(command)
  if not command and spec.command ~= "train" then
    failure.raise("config", "%s: recipe %s has no command '%s' that trains", path, recipe.name, spec.command)
  end
  local names = {}
  for name in pairs(fields.by_name) do names[#names + 1] = name end
  local function field_of(name)
    local field = fields.by_name[name]
    if not field then
      failure.raise("config", "%s: recipe %s has no setting '%s'%s", path, recipe.name, name,
        failure.suggest(name, names))
    end
    return field
  end
  for name, d in pairs(spec.space) do
    local field = field_of(name)
    for _, value in ipairs(extremes(d)) do
      local problem = field:problem(value)
      if problem then failure.raise("config", "%s: space.%s: the setting %s", path, name, problem) end
    end
    if field.kind == "integer" and d.kind == "float" and not (d.step and d.step % 1 == 0) then
      failure.raise("config", "%s: space.%s: the setting wants integers; say lt.integer(%g, %g)", path, name,
        d.low, d.high)
    end
    if spec.settings[name] ~= nil then
      failure.raise("config", "%s: '%s' is in the space and among the settings", path, name)
    end
  end
  for name, value in pairs(spec.settings) do
    local problem = field_of(name):problem(value)
    if problem then failure.raise("config", "%s: settings.%s: %s", path, name, problem) end
  end
end

-- Names a recipe by an absolute path where it is given by a path: relative ones count from the sweep file.
local function recipe_path(path, recipe)
  if not (recipe:find "/" or recipe:match "%.lua$") or recipe:sub(1, 1) == "/" then return recipe end
  local beside = fs.join(fs.dirname(path), recipe)
  return fs.exists(beside) and beside or recipe
end

-- Settings in sections, model = {width = ...}, by their full names, "model.width".
local function flat(nested, into, prefix)
  if not nested then return nil end
  for name, value in pairs(nested) do
    local is_text = type(name) == "string"
    if is_text and type(value) == "table" and not space.is(value) and value[1] == nil then
      flat(value, into, prefix .. name .. ".")
    else
      into[is_text and prefix .. name or name] = value
    end
  end
  return into
end

--- Refuses what is no name of a study; who begins the message.
function file.check_study_name(kind, who, name)
  if not name:match "^[%w_][%w_.-]*$" then
    failure.raise(kind, "%s: the study's name is '%s', wanted letters, digits, - _ and .", who, name)
  end
end

--- Loads a sweep file and checks all that can be checked. options: light (in a trial's process: the parent
-- has checked it). Returns the spec: path, name, objective (a function) or objectives (names), directions,
-- recipe, recipe_name, command, space, settings, sampler, pruner, trials, seed, take, slurm, ...
function file.load(path, options)
  if not fs.is_file(path) then failure.raise("config", "%s: no such sweep file", path) end
  local chunk, problem = loadstring(fs.read(path), "@" .. path)
  if not chunk then failure.raise("config", "%s", problem) end
  if rawget(_G, "lt") == nil then rawset(_G, "lt", light_lt()) end
  local source = failure.wrap("config", "", chunk, path)
  check_names(path, source)
  local spec = {path = path}
  for name in pairs(KNOWN) do spec[name] = source[name] end
  spec.name = source.name or fs.stem(path)
  file.check_study_name("config", path, spec.name)
  spec.objectives = check_objective(path, source)
  spec.directions = check_directions(path, source, spec.objectives)
  spec.space, spec.settings = flat(source.space, {}, ""), flat(source.settings or {}, {}, "")
  if spec.space then failure.wrap("config", path .. ": ", space.check, spec.space, "space") end
  check_number(path, source, "trials", 1, true)
  check_number(path, source, "seed", 0, true)
  check_number(path, source, "timeout", 0)
  check_number(path, source, "trial_timeout", 0)
  if spec.take and spec.take ~= "best" and spec.take ~= "last" then
    failure.raise("config", "%s: take is '%s', wanted best or last", path, spec.take)
  end
  spec.seed = source.seed or 1
  if spec.recipe then
    spec.recipe = recipe_path(path, spec.recipe)
    spec.command = spec.command or "train"
    if not (options and options.light) then check_recipe(path, spec) end
  end
  return spec
end

--- The sampler and the pruner of a spec. What they cannot do with it is told here, before any trial.
function file.tools(spec)
  local where = spec.path .. ": "
  local function make(what, default)
    return failure.wrap("config", where, require("luatrain.sweep." .. what .. "s").make,
      spec[what] or default, {seed = spec.seed})
  end
  local sampler, pruner = make("sampler", "tpe"), make("pruner", "none")
  failure.wrap("config", where, sampler.relative, sampler,
    {trials = {}, directions = spec.directions, version = 0}, 0, spec.space)
  return sampler, pruner
end

--- How many trials a study shall have: what its file says, else the points of its grid, else 100.
function file.trials(spec)
  if spec.trials then return spec.trials end
  local sampler = file.tools(spec)
  return sampler.count and sampler:count(spec.space) or 100
end

return file
