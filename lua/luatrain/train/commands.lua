--- The commands every recipe has: train, evaluate, export and info; and what commands share, the
-- context: the recipe, the arguments, the checkpoint and what is built from it.
local core = require "luatrain.core"
local config = require "luatrain.config"
local failure = require "luatrain.failure"
local fs = require "luatrain.fs"
local scope = require "luatrain.scope"
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
    self.found = runs.best_checkpoint(given)
    return self.found
  end
  local base = commands.base(self.recipe)
  local run = runs.newest(base, "best", "latest")
  for _, name in ipairs {"best", "latest"} do
    local path = run and fs.join(runs.folder(run), name .. ".safetensors")
    if path and fs.is_file(path) then
      self.found = path
      return path
    end
  end
  failure.raise("data", "no checkpoint below %s; train first or give --checkpoint FILE", base)
end

--- The recipe's model with the checkpoint's weights, in evaluation mode.
function Context:model()
  self.recipe:needs "model"
  self.facts = checkpoint.facts(self:checkpoint_path())
  local model = self.recipe.model(self.config, self.facts)
  checkpoint.evaluate(self:checkpoint_path(), model)
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

--- Where a recipe's runs lie.
function commands.base(recipe) return fs.join("runs", recipe.name) end

-- An error where a folder already holds the checkpoints of a run.
local function refuse_used(path, folder)
  if fs.is_file(fs.join(folder, "latest.safetensors")) then
    failure.raise("usage", "%s already holds a run; continue it with --resume auto, or name "
      .. "another directory", path)
  end
end

--- Where a run lives and whether it goes on. options: run (directory or ""), resume ("", "auto" or
-- a path). Returns the directory (nil: a fresh one), the checkpoint to resume from (or nil), and a list
-- of sentences about damaged checkpoints that were passed over.
function commands.place(recipe, options)
  local resume, path = options.resume or "", options.run or ""
  if resume == "auto" then
    if path == "" then path = runs.newest(commands.base(recipe), "latest") or "" end
    if path == "" then return nil end
    runs.refuse_busy(path)
    return path, runs.intact(path)
  elseif resume ~= "" then
    local from = runs.find_checkpoint(resume, "latest")
    local folder = fs.dirname(from)
    if path == "" and runs.folder(fs.dirname(folder)) == folder then path = fs.dirname(folder) end
    if path ~= "" then runs.refuse_busy(path) end
    return path ~= "" and path or nil, from
  end
  if path == "" then return nil end
  runs.refuse_busy(path)
  refuse_used(path, runs.folder(path))
  return path
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

-- Everything that is trained, and with what; nothing is written yet.
local function build(recipe, values)
  require("luatrain.random").manual_seed(values.seed)
  local sets = recipe:open_data(values)
  if sets.train:size() == 0 then failure.raise("data", "%s: the training data set is empty", recipe.path) end
  local built = {step = recipe.step, validate = recipe.validate, config = values, keep = recipe.keep,
    names = recipe.names, after_epoch = recipe.after_epoch,
    facts = recipe.facts and recipe.facts(values, sets) or {}}
  built.train = open_loader(recipe, values, sets, "train", true)
  if sets.valid and sets.valid:size() > 0 then
    built.valid = open_loader(recipe, values, sets, "valid", false)
  else
    local names = recipe.names or require("luatrain.train").names
    if built.keep.best:sub(1, #names.valid) == names.valid then
      built.keep = {best = names.train .. "loss", mode = "min"}
    end
  end
  built.model = recipe.model(values, built.facts)
  built.optimizer, built.schedule = recipe:open_optimizer(built.model, values, plan_of(values, built.train))
  return built, sets
end

-- Damaged samples go to the log and to damaged.json as they are met.
local function watch_damage(trainer)
  for _, loader in pairs(trainer.loaders) do
    loader.on_damaged = function(one)
      trainer.journal:line("damaged sample passed over: %s: %s", one.id, one.text)
      local all = {}
      for _, name in ipairs {"train", "valid"} do
        for _, damaged in ipairs(trainer.loaders[name] and trainer.loaders[name].damaged or {}) do
          all[#all + 1] = {part = name, id = damaged.id, text = damaged.text}
        end
      end
      trainer.run:write_damaged(all)
    end
  end
end

local function finish(trainer, recipe, sets, with_report)
  local run, history = trainer.run, trainer.history
  if with_report then
    require("luatrain.report").training(run, history:table(), trainer.journal)
    if recipe.report then recipe.report(trainer.model, sets, trainer.config, run) end
  end
  if history.best then
    trainer.journal:line("best %s %.5g in epoch %d; weights in %s", history.keep.best, history.best,
      history.best_epoch, run:checkpoint "best")
  end
end

--- Trains a recipe. values: its resolved config; options: run and resume as on the command line (or
-- placed, the list that commands.place returns), report (default true), quiet, command. Returns
-- the history and the run.
function commands.train(recipe, values, options)
  recipe:needs("data", "model", "step")
  options = options or {}
  local path, from, problems = unpack(options.placed or {commands.place(recipe, options)}, 1, 3)
  if not from then
    local folder = fs.join(path or "", values.checkpoint_dir)
    if path or folder:sub(1, 1) == "/" then refuse_used(folder, folder) end
  end
  local built, sets = build(recipe, values)
  if from then
    if recipe.accept then recipe.accept(checkpoint.facts(from), built.facts, from) end
    -- what does not fit is told before anything is written
    scope.run(checkpoint.take_up, from, built.model)
  end
  local run = runs.open(path, {recipe = recipe, config = values, command = options.command,
    fresh = not path and commands.base(recipe)})
  built.run, built.quiet, built.repl_on_error = run, options.quiet, options.repl_on_error
  built.facts.recipe, built.facts.program = recipe.name, runs.versions()
  if recipe.begin then recipe.begin(run, sets, values) end
  local trainer = require("luatrain.train").Trainer(built)
  watch_damage(trainer)
  local journal = trainer.journal
  journal:line("run %s: recipe %s, %s, %d parameters, seed %d, %d threads", run.path,
    recipe.name, sizes_text(sets), trainer.model:num_parameters(), values.seed, core.C.lt_threads())
  journal:line("settings: %s", table.concat(config.lines(recipe.fields, values), ", "))
  if not run.lock then
    journal:line("note: this file system has no locks; start no second run in the same directory")
  end
  for _, problem in ipairs(problems or {}) do journal:line("passed over: %s", problem) end
  if from then
    trainer:load_checkpoint(from)
    journal:line("resumed from %s: epoch %d, step %d", from, trainer.at.epoch, trainer.at.step)
    if trainer:is_over() then
      journal:line("nothing is left to do: %d epochs are behind; more go on with --epochs",
        trainer.history.epochs)
    end
  end
  trainer.at_end = function() finish(trainer, recipe, sets, options.report ~= false) end
  require("luatrain.profile").watch(trainer.phases)
  return trainer:train(), run
end

-- ---- evaluate, export, info ---------------------------------------------------------------------

-- "name value" lines in a fixed order, or one JSON object.
local function print_metrics(metrics, as_json)
  if as_json then
    print((require("luatrain.json").encode(metrics, {pretty = false})))
    return
  end
  local names = core.sorted_keys(metrics)
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
    validate = recipe.validate, config = values, names = recipe.names, quiet = true,
  }
  context:line("%s: %d samples of %s", context:checkpoint_path(), loader:size(), part)
  local metrics = trainer:measure(loader, "")
  loader:close()
  print_metrics(metrics, context.options.json)
end

-- Formats of `export`: the extension of the file, and what writes it.
local formats = {
  safetensors = {".safetensors", function(model, path, context)
    checkpoint.save(path, model:state_dict(), nil, context.facts)
  end},
  rtneural = {".json", function(model, path, context)
    local given = context.recipe.export and context.recipe.export(model, context.config, context.facts) or {}
    given.metadata = given.metadata or context.facts
    require("luatrain.export").rtneural(model, path, given)
  end},
}

--- Writes the model's weights alone: under PyTorch's names with the config in the metadata, or as JSON for
-- RTNeural; with --check plays that file's examples again.
function commands.export(_, context)
  local model, o = context:model(), context.options
  local extension, write = unpack(formats[o.format])
  if o.check and o.format ~= "rtneural" then
    failure.raise("usage", "export: --check plays examples, which only --format rtneural writes")
  end
  local out = o.out ~= "" and o.out or context.recipe.name .. extension
  write(model, out, context)
  context:line("%s: %d parameters", out, model:num_parameters())
  if o.check then commands.check_export(out, context) end
end

--- Plays the examples of an exported file again, tells the largest difference, and raises where it is more
-- than 1e-5.
function commands.check_export(path, context)
  local worst, facts = require("luatrain.export").check(path)
  context:line("%s: %d examples, %d numbers, largest difference %.2g", path, facts.examples, facts.numbers,
    worst)
  if not (worst <= 1e-5) then
    failure.raise("data", "%s: differs from the model by %g, more than 1e-5", path, worst)
  end
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
