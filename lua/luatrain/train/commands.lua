--- The commands every recipe has: train, evaluate, export and info; and what commands share, the
-- context: the recipe, the arguments, the checkpoint and what is built from it.
local core = require "luatrain.core"
local config = require "luatrain.config"
local failure = require "luatrain.failure"
local fs = require "luatrain.fs"
local checkpoint = require "luatrain.train.checkpoint"
local runs = require "luatrain.train.run"

local commands = {}

-- ---- context ------------------------------------------------------------------------------------

local Context = {}
Context.__index = Context

--- What a command gets beside its config: recipe, arguments (a list), options (run, resume,
-- checkpoint, part, ... as given), config, command (its name).
function commands.context(fields)
  return setmetatable(fields, Context)
end

--- A line for people, on the terminal.
function Context:line(format, ...)
  if self.options.quiet then return end
  io.stderr:write(select("#", ...) > 0 and format:format(...) or format, "\n")
end

--- Path of the checkpoint: --checkpoint (a file or a run directory), else the best one of the
-- newest run of this recipe, else its latest one.
function Context:checkpoint_path()
  if self.found then return self.found end
  local given = self.options.checkpoint or ""
  if given ~= "" then
    if fs.is_dir(given) and not fs.is_file(fs.join(given, "checkpoints/best.safetensors")) then
      self.found = runs.find_checkpoint(given, "latest")
    else
      self.found = runs.find_checkpoint(given, "best")
    end
    return self.found
  end
  local base = fs.join("runs", self.recipe.name)
  for _, name in ipairs {"best", "latest"} do
    local run = runs.newest(base, name)
    if run then
      self.found = fs.join(run, "checkpoints", name .. ".safetensors")
      return self.found
    end
  end
  failure.raise("data", "no checkpoint below %s; train first or give --checkpoint FILE", base)
end

-- Weights of a checkpoint as they are evaluated: the averaged ones where it holds them.
local function load_weights(model, path)
  local scope = require "luatrain.scope"
  return scope.run(function()
    local weights, state, facts = checkpoint.load(path)
    if state and state.ema then weights = state.ema.average end
    failure.wrap("data", path .. ": ", model.load_state_dict, model, weights)
    return facts
  end)
end

--- The recipe's model with the checkpoint's weights, in evaluation mode.
function Context:model()
  self.recipe:needs "model"
  local model = self.recipe.model(self.config)
  self.facts = load_weights(model, self:checkpoint_path())
  return model:eval()
end

-- A loader over one of the recipe's data sets.
local function open_loader(recipe, values, sets, part, shuffle)
  return require("luatrain.data").loader(sets[part], {
    batch_size = values.batch_size, shuffle = shuffle, seed = values.seed, workers = values.workers,
    max_damaged = values.max_damaged,
    source = {recipe = recipe.path, config = values, part = part},
  })
end

--- A loader over a part of the data ("train", "valid", "test"), in order.
function Context:loader(part)
  local sets = self.recipe:open_data(self.config)
  if not sets[part] then
    failure.raise("config", "%s: recipe.data returns no data set '%s'", self.recipe.path, part)
  end
  return open_loader(self.recipe, self.config, sets, part, false)
end

-- ---- train --------------------------------------------------------------------------------------

--- Where a run lives and whether it goes on. options: run (directory or ""), resume ("", "auto" or
-- a path). Returns the directory and the checkpoint to resume from (or nil).
function commands.place(recipe, options)
  local base, resume, path = fs.join("runs", recipe.name), options.resume or "", options.run or ""
  if resume == "auto" then
    if path == "" then path = runs.newest(base, "latest") or "" end
    local latest = path ~= "" and fs.join(path, "checkpoints/latest.safetensors")
    return path ~= "" and path or runs.fresh_path(base), latest and fs.is_file(latest) and latest or nil
  elseif resume ~= "" then
    local from = runs.find_checkpoint(resume, "latest")
    if path == "" then
      local folder = fs.dirname(from)
      path = fs.basename(folder) == "checkpoints" and fs.dirname(folder) or runs.fresh_path(base)
    end
    return path, from
  end
  if path ~= "" and fs.is_file(fs.join(path, "checkpoints/latest.safetensors")) then
    failure.raise("usage", "%s already holds a run; continue it with --resume auto, or name another directory", path)
  end
  return path ~= "" and path or runs.fresh_path(base), nil
end

local function plan_of(values, loader)
  local steps = math.ceil(loader:batches() / values.accumulate)
  local total = values.steps > 0 and values.steps or steps * values.epochs
  return {epochs = values.steps > 0 and math.ceil(total / math.max(steps, 1)) or values.epochs,
    steps_per_epoch = steps, steps = total}
end

-- "train 1200, valid 150 samples".
local function sizes_text(sets)
  local parts = {}
  for _, part in ipairs {"train", "valid", "test"} do
    if sets[part] then parts[#parts + 1] = ("%s %d"):format(part, sets[part]:size()) end
  end
  return table.concat(parts, ", ") .. " samples"
end

local function build(recipe, values, run, options)
  require("luatrain.random").manual_seed(values.seed)
  local sets = recipe:open_data(values)
  local loaders = {train = open_loader(recipe, values, sets, "train", true)}
  if sets.train:size() == 0 then failure.raise("data", "%s: the training data set is empty", recipe.path) end
  if sets.valid and sets.valid:size() > 0 then
    loaders.valid = open_loader(recipe, values, sets, "valid", false)
  end
  local model = recipe.model(values)
  local optimizer, schedule = recipe:open_optimizer(model, values, plan_of(values, loaders.train))
  local keep = recipe.keep
  if not loaders.valid and keep.best:match "^val_" then keep = {best = "train_loss", mode = "min"} end
  local trainer = require("luatrain.train").Trainer {
    model = model, optimizer = optimizer, schedule = schedule, step = recipe.step,
    train = loaders.train, valid = loaders.valid, validate = recipe.validate, config = values,
    keep = keep, run = run, quiet = options.quiet,
    facts = {recipe = recipe.name, program = runs.versions()},
  }
  for _, loader in pairs(loaders) do
    loader.on_damaged = function(one)
      trainer.journal:line("damaged sample passed over: %s: %s", one.id, one.text)
      run:write_damaged(loader.damaged)
    end
  end
  return trainer, sets
end

--- Trains a recipe. values: its resolved config; options: run, from (checkpoint to resume from),
-- quiet, command. Returns the history and the run.
function commands.train(recipe, values, options)
  recipe:needs("data", "model", "step")
  options = options or {}
  local path, from = options.path, options.from
  if not path then path, from = commands.place(recipe, options) end
  local run = runs.open(path, {recipe = recipe, config = values, command = options.command})
  local trainer, sets = build(recipe, values, run, options)
  local journal = trainer.journal
  journal:line("run %s: recipe %s, %s, %d parameters, seed %d, %d threads", run.path, recipe.name,
    sizes_text(sets), trainer.model:num_parameters(), values.seed, core.C.lt_threads())
  journal:line("settings: %s", table.concat(config.lines(recipe.fields, values), ", "))
  if from then
    trainer:load_checkpoint(from)
    journal:line("resumed from %s: epoch %d, step %d", from, trainer.at.epoch, trainer.at.step)
  end
  local report = require "luatrain.report"
  trainer.at_end = function()
    report.training(run, trainer.history:table(), journal)
    if recipe.report then recipe.report(trainer.model, sets, values, run) end
    journal:line("best %s %s in epoch %d; weights in %s", trainer.history.keep.best,
      tostring(trainer.history.best), trainer.history.best_epoch, run:checkpoint "best")
  end
  return trainer:train(), run
end

-- ---- evaluate, export, info ---------------------------------------------------------------------

-- "name value" lines in a fixed order, or one JSON object.
local function print_metrics(metrics, as_json)
  if as_json then
    print((require("luatrain.json").encode(metrics, {pretty = false})))
    return
  end
  local names = {}
  for name in pairs(metrics) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do print(("%s %.6g"):format(name, metrics[name])) end
end

--- Measures a checkpoint on a part of the data and prints its averages.
function commands.evaluate(values, context)
  local recipe, part = context.recipe, context.options.part
  recipe:needs("data", "model", "step")
  local sets = recipe:open_data(values)
  if part == "" then part = sets.test and "test" or sets.valid and "valid" or "train" end
  local loader = context:loader(part)
  local model = context:model()
  local trainer = require("luatrain.train").Trainer {
    model = model, optimizer = {}, step = recipe.step, train = loader, valid = loader,
    validate = recipe.validate, config = values, quiet = true,
  }
  context:line("%s: %d samples of %s", context:checkpoint_path(), loader:size(), part)
  local metrics = trainer:measure(loader, "")
  loader:close()
  print_metrics(metrics, context.options.json)
end

--- Writes the weights alone, under PyTorch's names, with the config in the metadata.
function commands.export(_, context)
  local model = context:model()
  local out = context.options.out
  if out == "" then out = context.recipe.name .. ".safetensors" end
  checkpoint.save(out, model:state_dict(), nil, context.facts)
  context:line("%s: %d parameters", out, model:num_parameters())
end

--- Shows the recipe's settings, data sets and model.
function commands.info(values, context)
  local recipe = context.recipe
  print(recipe.path)
  for _, line in ipairs(config.lines(recipe.fields, values)) do print("  " .. line) end
  if recipe.source.model then
    local model = recipe.model(values)
    print(tostring(model))
    print(("%d parameters"):format(model:num_parameters()))
  end
end

return commands
