--- `luatrain sweep FILE.lua COMMAND`: runs a study, and looks at it.
local config = require "luatrain.config"
local core = require "luatrain.core"
local failure = require "luatrain.failure"
local fs = require "luatrain.fs"
local json = require "luatrain.json"
local files = require "luatrain.sweep.file"

local sweep = {}

sweep.help = [[
usage: luatrain sweep FILE.lua run [--parallel N]...     try settings until the study has its trials
       luatrain sweep FILE.lua status                    how far it is, and who works on it
       luatrain sweep FILE.lua best [--out best.json]    the best setting; as a file for run --config
       luatrain sweep FILE.lua trials [--csv | --json]   all trials
       luatrain sweep FILE.lua plot [--out FOLDER]       history, parallel coordinates, slices, importance
       luatrain sweep FILE.lua importance                how much each parameter matters
       luatrain sweep FILE.lua tensorboard               hyper-parameters and reports for TensorBoard
       luatrain sweep FILE.lua retry [NUMBER]...         let failed trials be run again

FILE.lua returns a study: see the README, "Sweeps". `luatrain sweep FILE.lua COMMAND --help` lists options.
Studies live in runs/sweeps/NAME/study.db, or where --storage says: a file, or postgresql://USER@HOST/DB.
A study that was stopped or killed goes on with the same command; others may join by it at any time.]]

-- Options that all commands have.
local common = {
  storage = config.string("", "file of the study, or a postgresql:// URL; default: "
    .. "runs/sweeps/NAME/study.db"),
  study = config.string("", "name of the study; default: the one in the file"),
  folder = config.string("", "folder of run directories and logs; default: runs/sweeps/NAME"),
}

local run_options = {
  parallel = config.integer(1, "trials at a time", {min = 1, max = 512, short = "j"}),
  trials = config.integer(0, "how many trials the study shall have in all; 0: as the file says", {min = 0}),
  timeout = config.number(0, "begin no trial after so many seconds; 0: as the file says", {min = 0}),
  threads = config.integer(0, "threads of each trial; 0: the processors by --parallel",
    {min = 0, max = 1024}),
  pin = config.flag(false, "keep each trial on processors of its own (for a machine that does nothing else)"),
  retries = config.integer(3, "how often a trial is run again after its process was killed", {min = 0}),
  grace = config.number(60, "seconds of silence after which a parent on another machine counts as dead",
    {min = 1}),
  max_failures = config.integer(10, "stop after so many failed trials in a row; 0: never", {min = 0}),
  quiet = config.flag(false, "say nothing but problems"),
  slurm = config.flag(false, "submit --parallel jobs to Slurm instead, each running one trial at a time"),
  dry_run = config.flag(false, "with --slurm: print the job's script only"),
}

local function fields_of(own)
  local all = {}
  for name, field in pairs(common) do all[name] = field end
  for name, field in pairs(own) do all[name] = field end
  return config.fields(all)
end

-- ---- opening ------------------------------------------------------------------------------------

-- Where the study of a spec is: fills name, folder and storage of the options.
local function place(spec, options)
  if options.study ~= "" then
    files.check_study_name("usage", "--study", options.study)
    spec.name = options.study
  end
  if options.folder == "" then options.folder = fs.join("runs", "sweeps", spec.name) end
  if options.storage == "" then options.storage = fs.join(options.folder, "study.db") end
end

local function open_for_reading(path, options)
  local spec = files.load(path, {light = true})
  place(spec, options)
  local store = require("luatrain.sweep.storage").open(options.storage)
  local study = require("luatrain.sweep.study").find(store, spec.name)
  study.spec = spec
  study:refresh()
  return study, spec
end

local function say(format, ...) io.stderr:write(format:format(...), "\n") end

-- ---- run ----------------------------------------------------------------------------------------

local commands, order = {}, {"run", "status", "best", "trials", "plot", "importance", "tensorboard",
  "retry"}

commands.run = {help = "try settings until the study has its trials", options = run_options}

-- The best setting as a file beside the study, whenever a recipe's study has one.
local function write_best(study, options)
  local best = study:best()
  if #best ~= 1 or not study.spec.recipe then return end
  local path = fs.join(options.folder, "best.json")
  json.save(path, require("luatrain.sweep.tables").settings(study, best[1]))
  say("its settings are in %s, for: luatrain run %s %s --config %s", path, study.spec.recipe,
    study.spec.command, path)
end

-- Processors of this process; Slurm says how many are meant for a job, also where it does not keep it to
-- them.
local function processors()
  local given = tonumber(os.getenv "SLURM_CPUS_PER_TASK")
  return given and math.min(given, core.C.lt_cpus()) or core.C.lt_cpus()
end

-- Threads of each trial.
local function share_of(options)
  local threads = options.threads
  if threads == 0 then threads = math.max(1, math.floor(processors() / options.parallel)) end
  if options.pin and threads * options.parallel > core.C.lt_cpus() then
    failure.raise("usage", "--pin: %d trials of %d threads do not fit on %d processors", options.parallel,
      threads, core.C.lt_cpus())
  end
  return threads
end

function commands.run.run(path, options)
  local spec = files.load(path)
  place(spec, options)
  local sampler, pruner = files.tools(spec)
  if options.slurm then return require("luatrain.sweep.slurm").submit(spec, options) end
  local threads = share_of(options)
  local store = require("luatrain.sweep.storage").open(options.storage, {create = true})
  local study = require("luatrain.sweep.study").open(store, spec.name, spec)
  study.sampler, study.pruner = sampler, pruner
  local target = options.trials > 0 and options.trials or files.trials(spec)
  require("luatrain.sweep.runner").new({study = study, folder = options.folder, parallel = options.parallel,
    target = target, threads = threads, pin = options.pin,
    timeout = options.timeout > 0 and options.timeout or spec.timeout or 0, retries = options.retries,
    grace = options.grace, max_failures = options.max_failures,
    display = require("luatrain.sweep.display").new {quiet = options.quiet}}):run()
  study:refresh()
  if not options.quiet then write_best(study, options) end
  store:close()
  return 0
end

-- ---- looking ------------------------------------------------------------------------------------

commands.status = {
  help = "how far the study is, and who works on it",
  options = {json = config.flag(false, "print one JSON object"),
    grace = config.number(60, "seconds of silence after which a parent on another machine counts as dead",
      {min = 1})},
}

function commands.status.run(path, options)
  local study, spec = open_for_reading(path, options)
  local status = require("luatrain.sweep.tables").status(study, spec, options.grace)
  if options.json then
    print((json.encode(status)))
  else
    print(require("luatrain.sweep.tables").status_text(study, status))
  end
end

commands.best = {
  help = "the best setting, or the Pareto front",
  options = {
    out = config.string("", "write the settings into this file (.json, .yaml or .lua), for run --config"),
    trial = config.integer(-1, "of this trial instead; needed for --out where there is a Pareto front",
      {min = -1}),
    json = config.flag(false, "print one JSON object"),
  },
}

local function chosen(study, options)
  if options.trial < 0 then return study:best() end
  local record = study.history.trials[options.trial + 1]
  if not record then failure.raise("usage", "best: the study has no trial %d", options.trial) end
  return {record}
end

function commands.best.run(path, options)
  local study = open_for_reading(path, options)
  local tables = require "luatrain.sweep.tables"
  local list = chosen(study, options)
  if #list == 0 then failure.raise("run", "best: no trial of study %s is done", study.name) end
  if options.json then
    local out = {}
    for i, record in ipairs(list) do out[i] = tables.plain(record) end
    print((json.encode(json.array(out))))
  else
    for _, record in ipairs(list) do print(tables.describe(record)) end
  end
  if options.out == "" then return end
  if #list > 1 then
    failure.raise("usage", "best: the Pareto front has %d trials; choose one with --trial", #list)
  end
  tables.write_settings(options.out, tables.settings(study, list[1]))
  say("written: %s", options.out)
end

commands.trials = {
  help = "all trials",
  options = {
    csv = config.flag(false, "as comma-separated values"),
    json = config.flag(false, "as a JSON array"),
  },
}

function commands.trials.run(path, options)
  local study = open_for_reading(path, options)
  local tables = require "luatrain.sweep.tables"
  if options.json then
    local out = {}
    for i, record in ipairs(study.history.trials) do out[i] = tables.plain(record) end
    print((json.encode(json.array(out))))
  else
    io.stdout:write(options.csv and tables.csv(study) or tables.text(study))
  end
end

-- Where a command writes: into the folder that --out names, or one in the study's own.
local function out_of(options, name)
  return options.out ~= "" and options.out or fs.join(options.folder, name)
end

commands.plot = {
  help = "PNG pictures and one HTML page of the study",
  options = {out = config.string("", "folder; default: the study's own, report/")},
}

function commands.plot.run(path, options)
  local study = open_for_reading(path, options)
  local out = out_of(options, "report")
  for _, written in ipairs(require("luatrain.sweep.plot").write(study, out)) do print(written) end
end

commands.importance = {
  help = "how much each parameter matters (PED-ANOVA)",
  options = {json = config.flag(false, "print one JSON object"),
    objective = config.integer(1, "for which of several objectives", {min = 1})},
}

function commands.importance.run(path, options)
  local study = open_for_reading(path, options)
  local tables = require "luatrain.sweep.tables"
  local list = tables.importance(study, options.objective)
  if options.json then
    local out = {}
    for _, one in ipairs(list) do out[one.name] = one.importance end
    print((json.encode(out)))
  else
    for _, one in ipairs(list) do
      local bar = ("#"):rep(math.floor(one.importance * 40 + 0.5))
      print((("%-24s %.3f  %s"):format(one.name, one.importance, bar):gsub("%s+$", "")))
    end
  end
end

commands.tensorboard = {
  help = "hyper-parameters and reports of all trials for TensorBoard",
  options = {out = config.string("", "folder; default: the study's own, tensorboard/")},
}

function commands.tensorboard.run(path, options)
  local study = open_for_reading(path, options)
  local out = out_of(options, "tensorboard")
  local count = require("luatrain.sweep.board").write(study, out)
  say("%d trials are written, for: tensorboard --logdir %s", count, out)
end

commands.retry = {help = "let failed trials be run again, all or those of these numbers",
  arguments = "[NUMBER]...", options = {}}

-- The given numbers, refused where one is of no failed trial; without them those of all failed ones.
local function failed_trials(study, numbers)
  local trials, all = study.history.trials, {}
  for _, number in ipairs(numbers or {}) do
    local record = trials[number + 1]
    if not record or record.state ~= "failed" then
      failure.raise("usage", "retry: there is no failed trial %d", number)
    end
  end
  if numbers then return numbers end
  for _, record in ipairs(trials) do
    if record.state == "failed" then all[#all + 1] = record.number end
  end
  return all
end

function commands.retry.run(path, options, arguments)
  local study = open_for_reading(path, options)
  local numbers
  for i, text in ipairs(arguments) do
    numbers = numbers or {}
    numbers[i] = tonumber(text)
    if not numbers[i] or numbers[i] < 0 or numbers[i] % 1 ~= 0 then
      failure.raise("usage", "retry: '%s' is no trial's number", text)
    end
  end
  numbers = failed_trials(study, numbers)
  if #numbers == 0 then
    say("no trial of study %s has failed", study.name)
    return
  end
  for _, number in ipairs(numbers) do
    -- What the failed attempt left must not be gone on from; moved before others may claim the trial.
    local folder = fs.join(options.folder, "trials", ("%05d"):format(number))
    if fs.is_dir(folder) then
      fs.remove_tree(folder .. ".failed")
      fs.rename(folder, folder .. ".failed")
    end
  end
  study.storage:retry(study.id, numbers)
  say("%d %s will be run again, by `luatrain sweep %s run`", #numbers, #numbers == 1 and "trial" or "trials",
    path)
end

-- ---- arguments ----------------------------------------------------------------------------------

local function command_help(path, name, command)
  print(("usage: luatrain sweep %s %s %s[--name value]...\n\n%s\n\noptions:\n%s"):format(path, name,
    command.arguments and command.arguments .. " " or "", command.help,
    config.help(fields_of(command.options))))
  return 0
end

local function execute(path, name, command, args)
  if require("luatrain.cli.commands").wants_help(args) then return command_help(path, name, command) end
  local fields = fields_of(command.options)
  local values, arguments = config.parse(fields, args)
  if #arguments > 0 and not command.arguments then
    failure.raise("usage", "sweep %s: unexpected argument '%s'", name, arguments[1])
  end
  return command.run(path, config.resolve(fields, {values}), arguments) or 0
end

--- The commands in the order of the help: a list of {name, help}.
function sweep.commands()
  local list = {}
  for i, name in ipairs(order) do list[i] = {name = name, help = commands[name].help} end
  return list
end

--- The options of a command, a list of fields; nil where there is no such command.
function sweep.fields_of(name) return commands[name] and fields_of(commands[name].options) end

--- args: FILE, COMMAND and the rest. Returns the exit code.
function sweep.main(args)
  local path, name = table.remove(args, 1), table.remove(args, 1)
  if not path then
    failure.raise("usage", "sweep: name a file; luatrain sweep --help tells more")
  elseif path == "--help" or path == "-h" then
    print(sweep.help)
    return 0
  elseif name == "--help" or name == "-h" then
    print(sweep.help)
    return 0
  end
  if not name then
    failure.raise("usage", "sweep %s: name a command: %s", path, table.concat(order, ", "))
  end
  if not commands[name] then
    failure.raise("usage", "sweep: no command '%s'%s; there are %s", name, failure.suggest(name, order),
      table.concat(order, ", "))
  end
  return execute(path, name, commands[name], args)
end

return sweep
