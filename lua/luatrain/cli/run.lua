--- `luatrain run RECIPE COMMAND`: settings from all sources, then the command.
local config = require "luatrain.config"
local failure = require "luatrain.failure"
local checkpoint = require "luatrain.train.checkpoint"
local words = require "luatrain.cli.commands"
local commands = require "luatrain.train.commands"
local recipes = require "luatrain.recipe"

local run = {}

-- What is said on the command line but is no setting of the experiment.
local common = {
  config = config.string("", "file with settings: .yaml, .json or .lua"),
  quiet = config.flag(false, "no progress on the terminal"),
  threads = config.integer(0, "threads that compute; 0: all cores", {min = 0, max = 1024}),
  profile = config.flag(false, "print at the end where the time went: by phase and by op"),
}

local function with_common(own)
  local all = {}
  for name, field in pairs(common) do all[name] = field end
  for name, field in pairs(own) do all[name] = field end
  return all
end

local checkpoint_option = config.string("",
  "checkpoint file or run directory; default: the best of the newest run", {short = "c"})

-- The library's commands, in the order of the help.
local library = {
  train = {
    help = "train; leaves a run directory with checkpoints, history and report",
    options = {
      run = config.string("", "directory of the run; default: runs/RECIPE/DATE-TIME",
        {alias = "output_dir"}),
      resume = config.string("", "continue: a path, or auto: the newest whole checkpoint of the run "
        .. "directory, or of the newest run", {alias = "resume_from"}),
      report = config.flag(true, "draw plots and write the report at the end"),
      repl_on_error = config.flag(false, "where a step fails, open a session with model, batch and trainer"),
    },
  },
  evaluate = {
    help = "measure a checkpoint and print its metrics", checkpoint = true, run = commands.evaluate,
    options = {
      part = config.string("", "part of the data; default: test where there is one, else valid"),
      json = config.flag(false, "print one JSON object"),
    },
  },
  export = {
    help = "write the weights alone, for other programs", checkpoint = true, run = commands.export,
    options = {
      format = config.choice("safetensors", {"safetensors", "rtneural"},
        "safetensors with PyTorch's names, or JSON for RTNeural"),
      out = config.string("", "file to write; default: RECIPE.safetensors, RECIPE.json"),
      check = config.flag(false, "play the examples in the JSON again and tell the largest difference"),
    },
  },
  info = {help = "show the recipe's settings and model", run = commands.info, options = {}},
}
local library_order = {"train", "evaluate", "export", "info"}

local function command_names(recipe)
  local names = {}
  for _, name in ipairs(library_order) do names[#names + 1] = name end
  for name in pairs(recipe.commands) do
    if not library[name] then names[#names + 1] = name end
  end
  return names
end

--- All commands of a recipe, the library's first: a list of {name, help, command}.
function run.commands_of(recipe)
  local list = {}
  for _, name in ipairs(command_names(recipe)) do
    local command = recipe.commands[name] or library[name]
    list[#list + 1] = {name = name, help = command.help or "", command = command}
  end
  return list
end

local function option_fields(command)
  local own = {}
  for name, field in pairs(command.options or {}) do own[name] = field end
  if command.checkpoint then own.checkpoint = checkpoint_option end
  return config.fields(with_common(own))
end

--- The settings and options of one of a recipe's commands, a list of fields; nil for an unknown command.
function run.fields_of(recipe, name)
  local command = recipe.commands[name] or library[name]
  if not command then return nil end
  local list = {}
  for _, fields in ipairs {recipe:command_fields(command), option_fields(command)} do
    for _, field in ipairs(fields) do list[#list + 1] = field end
  end
  return list
end

-- Fields of options and settings in one list for the parser; a name may not be both.
local function merge(recipe, options, settings)
  local all = {by_name = {}, sections = settings.sections, switches = settings.switches}
  for _, list in ipairs {settings, options} do
    for name, field in pairs(list.by_name) do
      if all.by_name[name] then
        failure.raise("config", "%s: the setting '%s' has the name of an option of luatrain",
          recipe.path, name)
      end
      all.by_name[name] = field
    end
  end
  return all
end

-- ---- help ---------------------------------------------------------------------------------------

local function recipe_help(recipe)
  if recipe.comment ~= "" then print(recipe.comment .. "\n") end
  print(("usage: luatrain run %s COMMAND [--name value]...\n\ncommands:"):format(recipe.name))
  for _, one in ipairs(run.commands_of(recipe)) do print(("  %-17s%s"):format(one.name, one.help)) end
  print(("\nluatrain run %s COMMAND --help lists the settings."):format(recipe.name))
  return 0
end

local function subset(fields, group)
  local part = {}
  for _, field in ipairs(fields) do
    if field.group == group then part[#part + 1] = field end
  end
  return part
end

local function command_help(recipe, name, command, options, settings)
  print(("usage: luatrain run %s %s [--name value]...%s\n\n%s"):format(recipe.name, name,
    command.arguments and " " .. command.arguments or "", command.help or ""))
  local function section(title, list)
    if #list > 0 then print(("\n%s:\n%s"):format(title, config.help(list))) end
  end
  section("settings of " .. name, subset(settings, 3))
  section("settings of the recipe", subset(settings, 2))
  section("settings of the trainer", subset(settings, 1))
  section("options", options)
  return 0
end

-- ---- arguments ----------------------------------------------------------------------------------

-- Checks the number of arguments against a text like "IN... [OUT]".
local function check_arguments(command, name, arguments)
  local least, most = 0, 0
  for word in (command.arguments or ""):gmatch "%S+" do
    if not word:match "^%[" then least = least + 1 end
    most = word:match "%.%.%.%]?$" and math.huge or most + 1
  end
  if #arguments < least then
    failure.raise("usage", "%s: wants %s, got %s", name, command.arguments,
      #arguments == 0 and "nothing" or "'" .. table.concat(arguments, " ") .. "'")
  elseif #arguments > most then
    failure.raise("usage", "%s: unexpected argument '%s'%s", name, arguments[most + 1],
      most == 0 and "; settings are written --name value" or "")
  end
end

-- Splits parsed values into options (with their defaults) and settings.
local function separate(options, values)
  local chosen, rest = {}, {}
  for _, field in ipairs(options) do chosen[field.name] = field.default end
  for name, value in pairs(values) do
    if options.by_name[name] then chosen[name] = value else rest[name] = value end
  end
  return chosen, rest
end

-- The settings a checkpoint was made with, the weakest layer but the defaults.
local function stored_settings(settings, path)
  local facts = checkpoint.facts(path)
  if type(facts.config) ~= "table" then return {} end
  return config.check(settings, facts.config, path, "skip")
end

-- Runs one command with its settings resolved; returns the exit code.
local function execute(recipe, name, command, args)
  local settings = recipe:command_fields(command)
  local options = option_fields(command)
  local all = merge(recipe, options, settings)
  if words.wants_help(args) then return command_help(recipe, name, command, options, settings) end
  local values, arguments = config.parse(all, args)
  check_arguments(command, name, arguments)
  local chosen, given = separate(options, values)
  local layers = {}
  local context = commands.context {recipe = recipe, arguments = arguments, options = chosen, command = name}
  if name == "train" and not command.run then
    chosen.placed = {commands.place(recipe, chosen)}
    if chosen.placed[2] then layers[1] = stored_settings(settings, chosen.placed[2]) end
  elseif command.checkpoint then
    layers[1] = stored_settings(settings, context:checkpoint_path())
  end
  if chosen.config ~= "" then layers[#layers + 1] = config.read(chosen.config, settings) end
  layers[#layers + 1] = given
  context.config = config.resolve(settings, layers)
  if chosen.threads > 0 then require("luatrain.core").C.lt_set_threads(chosen.threads) end
  require("luatrain.random").manual_seed(context.config.seed)
  chosen.command = "luatrain run " .. recipe.name .. " " .. name .. " " .. table.concat(args, " ")
  local function work()
    if command.run then return command.run(context.config, context) end
    commands.train(recipe, context.config, chosen)
  end
  local code
  if chosen.profile then code = require("luatrain.profile").run(work) else code = work() end
  return type(code) == "number" and code or 0
end

--- args: RECIPE, COMMAND and the rest. Returns the exit code.
function run.main(args)
  if not args[1] then failure.raise("usage", "run: name a recipe; `luatrain recipes` lists them") end
  local recipe = recipes.load(table.remove(args, 1))
  local name = table.remove(args, 1)
  if name == "--help" or name == "-h" then return recipe_help(recipe) end
  if not name then
    failure.raise("usage", "run %s: name a command: %s", recipe.name,
      table.concat(command_names(recipe), ", "))
  end
  local command = recipe.commands[name] or library[name]
  if not command then
    local names = command_names(recipe)
    failure.raise("usage", "recipe %s has no command '%s'%s; it has %s", recipe.name, name,
      failure.suggest(name, names), table.concat(names, ", "))
  end
  return execute(recipe, name, command, args)
end

return run
