--- Recipes: finding them, checking them, and giving their settings one home.
--
-- A recipe is a Lua file that returns a table and does nothing when loaded:
--
--   local lt = require "luatrain"
--   local config = lt.config
--   local recipe = {}
--
--   recipe.summary = "Learns which instrument plays"      -- one line for `luatrain recipes`
--
--   -- Every number a run may change, with its meaning. A plain value declares a field of its type.
--   recipe.config = {
--     epochs        = 20,                                  -- overrides the trainer's default
--     learning_rate = config.number(1e-3, "peak learning rate", {min = 0}),
--     width         = config.integer(64, "channels of the first block", {min = 1}),
--     scheduler     = config.choice("cosine", {"cosine", "onecycle"}, "learning-rate schedule"),
--     augment       = config.flag(true, "random gain and shift"),
--     files         = config.string("data/wav", "folder with one folder of WAV files a class"),
--     mel           = {bands = 64, hop = 512},             -- one level deeper: --mel.bands 64
--   }
--
--   -- The data sets, at least `train`; `valid` is measured each epoch, `test` by evaluate.
--   -- Each loader worker calls this in a Lua state of its own, so it must depend on config only.
--   function recipe.data(config) return {train = dataset, valid = dataset} end
--
--   function recipe.model(config, facts) return nn.Sequential {...} end
--
--   -- What a checkpoint must know of the data for the model to be used without them (names of
--   -- classes, sample rate, ...): plain values. `model` gets them, when training from here, else
--   -- from the checkpoint's facts.
--   function recipe.facts(config, data) return {labels = {...}} end             -- optional
--   -- Raises where training cannot go on from a checkpoint with these facts (path, for the message).
--   function recipe.accept(facts, now, path) end                                -- optional
--
--   -- plan = {epochs =, steps_per_epoch =, steps =} (optimizer steps). The schedule may be nil.
--   -- Without this function: AdamW with config.learning_rate and config.weight_decay.
--   function recipe.optimizer(model, config, plan) return optimizer, schedule end
--
--   -- One batch: what is minimised (a scalar tensor, the mean over the batch) and metrics to
--   -- average: numbers, scalar tensors, or {value, weight} to be weighted otherwise than by
--   -- the number of samples. Called for training and, with model:eval(), for evaluation.
--   function recipe.step(model, batch, config) return loss, {accuracy = a} end
--
--   recipe.keep = {best = "val_accuracy", mode = "max"}    -- default: the least val_loss
--
--   -- Other names of metrics than train_loss, val_loss and learning_rate: see train.names.
--   recipe.names = {train = "train/", valid = "val/", rate = "lr"}              -- optional
--
--   -- After each validation, where averages do not tell it all (F1, WCSR); joins the metrics.
--   function recipe.validate(model, loader, config) return {f1 = 0.5} end       -- optional
--
--   -- When the run directory has been made, to record what the data are.
--   function recipe.begin(run, data, config) end                                -- optional
--
--   -- After each epoch, in evaluation mode without gradients: at = {epoch, step, run, config,
--   -- log (an lt.log), line (a function that prints)}.
--   function recipe.after_epoch(model, at) end                                  -- optional
--
--   -- At the end of training, to write more into the run directory's report.
--   function recipe.report(model, data, config, run) end                        -- optional
--
--   -- How `export --format rtneural` is to write the model: options of lt.export.rtneural.
--   function recipe.export(model, config, facts) return {inputs = 23} end       -- optional
--
--   recipe.commands = {                                    -- beside train, evaluate, export, info
--     transcribe = {
--       help = "write the labels of a song",
--       arguments = "SONG...",                             -- "A B", "[A]" optional, "A..." many
--       config = {out = config.string("", "file to write")},
--       checkpoint = true,                                 -- adds --checkpoint; context:model()
--       run = function(config, context)                    -- context.arguments, context.recipe
--         local model = context:model()                    -- built, weights loaded, eval mode
--       end,                                               -- may return an exit code
--     },
--   }
--   return recipe
--
-- A command named train, evaluate, export or info replaces the library's own.
--
-- In scripts and on the command line `lt.recipe "chord"` gives the recipe with r.config resolved:
-- r.data(r.config), r.model(r.config), r.step(model, batch, r.config).
local ffi = require "ffi"
local core = require "luatrain.core"
local config = require "luatrain.config"
local failure = require "luatrain.failure"
local fs = require "luatrain.fs"
local settings = require "luatrain.train.settings"

local recipe = {}

local Recipe = { __name = "recipe" }
-- What a recipe's table holds beyond the known names stays reachable: r.helper.
function Recipe:__index(key)
  local own = Recipe[key]
  if own ~= nil then return own end
  return rawget(self, "source")[key]
end

--- What the recipe learns, its commands and the number of its settings.
function Recipe:__tostring()
  local names = {}
  for _, one in ipairs(require("luatrain.cli.run").commands_of(self)) do names[#names + 1] = one.name end
  return ("recipe %s (%s)%s\n  commands: %s\n  %d settings; help(r) lists them, r.config.NAME is one"):format(
    self.name, self.path, self.source.summary and ": " .. self.source.summary or "",
    table.concat(names, ", "), #self.fields)
end

-- ---- finding ------------------------------------------------------------------------------------

--- Folders that are searched for recipes: ./recipes, beside the program (its checkout or its share
-- folder), and beside the folder LUATRAIN_PATH.
function recipe.folders()
  local folders, seen = {}, {}
  local function add(path)
    if fs.is_dir(path) and not seen[path] then
      seen[path] = true
      folders[#folders + 1] = path
    end
  end
  add "recipes"
  local program = fs.dirname(ffi.string(core.C.lt_program_path()))
  add(fs.join(fs.dirname(program), "recipes"))
  add(fs.join(fs.dirname(program), "share/luatrain/recipes"))
  local library = os.getenv "LUATRAIN_PATH"
  if library then add(fs.join(fs.dirname(library), "recipes")) end
  return folders
end

local forms = {"%s.lua", "%s/recipe.lua", "%s/init.lua"}

--- Names of the recipes in reach: a sorted list, and a table name -> path.
function recipe.list()
  local names, paths = {}, {}
  for _, folder in ipairs(recipe.folders()) do
    for _, entry in ipairs(fs.list(folder)) do
      local name = entry:match "^(.+)%.lua$" or entry
      for _, form in ipairs(forms) do
        local path = fs.join(folder, form:format(name))
        if not paths[name] and fs.is_file(path) then
          names[#names + 1], paths[name] = name, path
        end
      end
    end
  end
  table.sort(names)
  return names, paths
end

--- The file of a recipe, given its name or a path to the file or to its folder.
function recipe.find(name)
  if name:find "/" or name:match "%.lua$" then
    if fs.is_file(name) then return name end
    for _, form in ipairs(forms) do
      local path = form:format((name:gsub("/+$", "")))
      if fs.is_file(path) then return path end
    end
    failure.raise("config", "%s: no such recipe file", name)
  end
  local names, paths = recipe.list()
  if paths[name] then return paths[name] end
  failure.raise("config", "no recipe is called '%s'%s; `luatrain recipes` lists them", name,
    failure.suggest(name, names))
end

-- ---- loading ------------------------------------------------------------------------------------

local known = {
  summary = "string", config = "table", data = "function", model = "function",
  optimizer = "function", step = "function", keep = "table", commands = "table",
  validate = "function", report = "function", facts = "function", accept = "function", names = "table",
  begin = "function", after_epoch = "function", export = "function",
}
local known_names = {}
for name in pairs(known) do known_names[#known_names + 1] = name end

-- A misspelt name is refused; a name unlike all others is the recipe's own affair.
local function check_table(path, source)
  if type(source) ~= "table" then
    failure.raise("config", "%s: a recipe returns a table, this file returned %s", path,
      source == nil and "nothing" or "a " .. type(source))
  end
  for key, value in pairs(source) do
    local wanted = known[key]
    if wanted and type(value) ~= wanted then
      failure.raise("config", "%s: recipe.%s is a %s, wanted a %s", path, key, type(value), wanted)
    elseif not wanted and type(key) == "string" then
      local near = core.nearest(key, known_names)
      if near then
        failure.raise("config", "%s: recipe.%s is not known; did you mean recipe.%s?", path, key, near)
      end
    end
  end
end

local function check_commands(path, commands)
  local checked = {}
  for name, command in pairs(commands or {}) do
    if type(command) == "function" then command = {run = command} end
    if type(command) ~= "table" or type(command.run) ~= "function" then
      failure.raise("config", "%s: commands.%s is a table with a function `run`", path, name)
    end
    checked[name] = command
  end
  return checked
end

local function check_keep(path, keep, names)
  if not keep then return {best = (names and names.valid or "val_") .. "loss", mode = "min"} end
  local mode = keep.mode or "min"
  if type(keep.best) ~= "string" or (mode ~= "min" and mode ~= "max") then
    failure.raise("config", "%s: keep is {best = NAME OF A METRIC, mode = \"min\" or \"max\"}", path)
  end
  return {best = keep.best, mode = mode}
end

-- The comment that a file begins with, without its dashes.
local function opening_comment(text)
  local lines = {}
  for line in text:gmatch "([^\n]*)\n" do
    local comment = line:match "^%-%-%-? ?(.*)$"
    if not comment then break end
    lines[#lines + 1] = comment
  end
  return table.concat(lines, "\n")
end

local function name_of(path)
  local stem = fs.stem(path)
  if stem == "recipe" or stem == "init" then return fs.basename(fs.dirname(path)) end
  return stem
end

-- Modules beside the recipe are in reach of its `require`, by their own name.
local function reach_folder(path)
  local entry = fs.dirname(path) .. "/?.lua"
  if not (";" .. package.path .. ";"):find(";" .. entry .. ";", 1, true) then
    package.path = entry .. ";" .. package.path
  end
end

--- Loads a recipe by name or path and checks its table. Raises a failure that names the file.
function recipe.load(name)
  local path = recipe.find(name)
  local text = fs.read(path)
  local chunk, problem = loadstring(text, "@" .. path)
  if not chunk then failure.raise("config", "%s", problem) end
  reach_folder(path)
  local source = failure.wrap("config", "", chunk, path)
  check_table(path, source)
  local self = setmetatable({source = source, path = path, name = name_of(path), text = text}, Recipe)
  self.comment = opening_comment(text)
  self.commands = check_commands(path, source.commands)
  self.keep = check_keep(path, source.keep, source.names)
  self.fields = failure.wrap("config", path .. ": ", config.fields, settings.fields, source.config or {})
  self.config = config.resolve(self.fields)
  return self
end

--- The fields of one of the recipe's commands: the trainer's, the recipe's and its own.
function Recipe:command_fields(command)
  return failure.wrap("config", self.path .. ": ", config.fields, settings.fields,
    self.source.config or {}, command and command.config or {})
end

--- Raises where the recipe lacks one of the named functions.
function Recipe:needs(...)
  for _, name in ipairs {...} do
    if not self.source[name] then
      failure.raise("config", "%s: this needs recipe.%s, which the recipe does not define", self.path, name)
    end
  end
end

--- The data sets of a resolved config; with `part`, only that one. A plain nested table, as it
-- comes from a checkpoint or from another Lua state, is resolved first.
function Recipe:open_data(values, part)
  self:needs "data"
  if getmetatable(values) == nil then
    values = config.resolve(self.fields, {config.check(self.fields, values, self.path, "skip")})
  end
  local sets = self.source.data(values)
  if type(sets) ~= "table" or not sets.train then
    failure.raise("config", "%s: recipe.data returns a table with the data set `train`", self.path)
  end
  if not part then return sets end
  if not sets[part] then
    failure.raise("config", "%s: recipe.data returns no data set '%s'", self.path, part)
  end
  return sets[part]
end

--- The optimizer and the schedule (or nil) for a model. plan = {epochs, steps_per_epoch, steps}.
function Recipe:open_optimizer(model, values, plan)
  if self.source.optimizer then return self.source.optimizer(model, values, plan) end
  local function setting(name, default)
    if config.has(values, name) then return values[name] end
    return default
  end
  local optim = require "luatrain.optim"
  return optim.AdamW(model:named_parameters(), {lr = setting("learning_rate", 1e-3),
    weight_decay = setting("weight_decay", 0.01)})
end

return setmetatable(recipe, {__call = function(_, name) return recipe.load(name) end})
