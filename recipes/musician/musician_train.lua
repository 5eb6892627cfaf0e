-- The train command: the five models one after the other, each with a run directory of its own, and a table
-- of all in the end. And the export command.

local commands = require "luatrain.train.commands"
local data = require "musician_data"
local evaluation = require "musician_evaluate"
local failure = require "luatrain.failure"
local made = require "musician_made"
local prepare = require "musician_prepare"
local config, fs = lt.config, lt.fs

local train = {}

--- Settings of the command.
train.config = {
  output = config.string("trained", "folder of the trained models"),
  synthetic = config.flag(false, "learn from made-up music in OUTPUT/synthetic"),
  resume = config.flag(false, "go on, with the same settings, where training in this folder was stopped"),
  report = config.flag(true, "draw plots and write a report for each model"),
}
for name, field in pairs(prepare.config) do train.config[name] = field end

-- Makes what is not there yet; raises where a model has nothing to learn from.
local function prepare_missing(recipes, c, line)
  local missing = {}
  for _, recipe in ipairs(recipes) do
    local path = data.path(c.datasets_dir, recipe.source.model_name)
    if not fs.is_file(path) then missing[#missing + 1] = recipe end
  end
  local pieces = #missing > 0 and prepare.write(missing, c, line) or {}
  for _, recipe in ipairs(missing) do
    if pieces[recipe.source.model_name] == 0 then
      failure.raise("data", "%s: nothing for the %s model to learn from; choose others with --models, or try "
        .. "it with --synthetic", c.datasets_dir, recipe.source.model_name)
    end
  end
end

-- The settings of one model: those of the command that it has too.
local function settings_of(recipe, c)
  local layer = {}
  for _, field in ipairs(recipe.fields) do
    if config.has(c, field.name) then layer[field.name] = c[field.name] end
  end
  return config.resolve(recipe.fields, { layer })
end

-- Where each model is trained, and what goes on there; raises, before any is trained, where one may not be.
local function places_of(recipes, c)
  local places = {}
  for i, recipe in ipairs(recipes) do
    local folder = fs.join(c.output, recipe.source.model_name)
    local begun = fs.is_file(fs.join(folder, c.checkpoint_dir, "latest.safetensors"))
    places[i] = { commands.place(recipe, { run = folder, resume = c.resume and begun and "auto" or "" }) }
  end
  return places
end

--- Runs the command.
function train.run(c, context)
  local function line(...) context:line(...) end
  local recipes, names = prepare.recipes(c.models, fs.dirname(context.recipe.path)), {}
  for i, recipe in ipairs(recipes) do names[i] = recipe.source.model_name end
  local places = places_of(recipes, c)
  if c.synthetic then
    c.datasets_dir = fs.join(c.output, "synthetic")
    fs.remove_tree(fs.join(c.datasets_dir, "prepared"))
    made.write(c.datasets_dir, names, 60, c.seed)
  end
  prepare_missing(recipes, c, line)
  for i, recipe in ipairs(recipes) do
    line("\n== %d of %d: %s", i, #recipes, names[i])
    local _, run = commands.train(recipe, settings_of(recipe, c), { placed = places[i], report = c.report,
      quiet = context.options.quiet, command = context.options.command })
    run:close()
  end
  local results, place = {}, { models_dir = c.output, datasets_dir = c.datasets_dir }
  for _, one in ipairs(evaluation.open(place, context, names)) do
    results[one.name] = evaluation.one(one, "valid")
  end
  lt.json.save(fs.join(c.output, "training_results.json"), { models = results })
  print(evaluation.table(results, ("\non the split 'valid' of %s"):format(c.datasets_dir)))
end

--- Settings of the command export.
train.export_config = {
  models_dir = evaluation.config.models_dir,
  models = prepare.config.models,
  format = config.choice("rtneural", { "rtneural", "safetensors" },
    "JSON that RTNeural loads, or safetensors with PyTorch's names"),
  out = config.string("", "folder to write; default: that of the trained models"),
  check = config.flag(false, "play the examples in the JSON again and tell the largest difference"),
}

--- Runs the command export.
function train.export(c, context)
  local folder = c.out ~= "" and fs.mkdir(c.out) or c.models_dir
  for _, one in ipairs(evaluation.open(c, context, c.models)) do
    local extension = c.format == "rtneural" and ".json" or ".safetensors"
    one.context.options.format, one.context.options.check = c.format, c.check
    one.context.options.out = fs.join(folder, one.name .. extension)
    commands.export(one.context.config, one.context)
  end
end

return train
