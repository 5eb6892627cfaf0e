--- The command line: luatrain run, sweep, recipes, info, data, doctor, help, --version. Data goes to stdout,
-- messages to stderr; an error is one line there, and the exit code tells its kind.
local ffi = require "ffi"
local core = require "luatrain.core"
local failure = require "luatrain.failure"
local C = core.C

local cli = {}

local help_text = [[
usage: luatrain run RECIPE COMMAND [--name value]...   train, evaluate, ... a recipe
       luatrain sweep FILE.lua COMMAND                 search settings: run, status, best, trials, plot, ...
       luatrain SCRIPT.lua [ARGUMENT]...               run a Lua script
       luatrain -e CODE                                run a piece of Lua and print its value
       luatrain recipes                                list the recipes in reach
       luatrain info FILE                              describe a safetensors, HDF5, audio, MIDI file or a run
       luatrain data check FILE                        read all of an HDF5 file, in a process of its own
       luatrain doctor                                 check this machine and what is installed
       luatrain help [COMMAND]   luatrain --version

examples:
  luatrain run chord train --epochs 20
  luatrain run chord train --help        every setting with type, range, default and meaning
  luatrain run chord train --resume auto continue the newest run
  luatrain -e 'lt.randn(3, 3) * 2'

--debug adds the traceback to an error. Exit codes: 0 done, 1 failed, 2 command line, 3 config or
recipe, 4 input data, 5 reading or writing, 6 device, 7 diverged, 75 saved and wants to be started
again, 130 interrupted, 143 terminated.]]

local helps = {
  run = [[
usage: luatrain run RECIPE COMMAND [--name value]... [ARGUMENT]...

RECIPE is a name (see `luatrain recipes`) or the path of a Lua file. Every recipe has the commands
train, evaluate, export and info, and may have its own; `luatrain run RECIPE --help` lists them, and
`luatrain run RECIPE COMMAND --help` all settings. Settings come from the command line, then from
--config FILE (.yaml, .json, .lua), then from the recipe's defaults.]],
  recipes = "usage: luatrain recipes\n\nLists the recipes in reach, with their summary and file.",
  info = "usage: luatrain info FILE...\n\n"
    .. "Describes safetensors, HDF5, audio and MIDI files and run directories.",
  data = [[
usage: luatrain data check FILE...

Reads all of an HDF5 file: every group, attribute and chunk. It does so in a process of its own, because
HDF5's library crashes on some damaged files. A file that is damaged, leads outside itself (external
links, virtual data sets) or needs filters that are not there is an error (exit code 4). Do this with
files that come from elsewhere, before training with them.]],
  doctor = "usage: luatrain doctor\n\nChecks the machine, the libraries and the programs luatrain uses.",
}

-- ---- failures -----------------------------------------------------------------------------------

--- The exit code and the one line that an error value stands for.
function cli.explain(e)
  local text = tostring(e):gsub("\nstack traceback:.*", "")
  text = text:gsub("(module '[^']+' not found):.*", "%1"):gsub("%s*\n%s*", " ")
  return failure.codes[failure.kind(e) or "run"], text
end

-- ---- help ---------------------------------------------------------------------------------------

-- Loaded when it is needed: it brings the tensors, and a sweep's trials begin in milliseconds.
local function run_cli() return require "luatrain.cli.run" end

local commands = {}

function commands.run(args) return run_cli().main(args) end

function commands.sweep(args)
  if args[2] == "worker" then return require("luatrain.sweep.worker").main(args[1]) end
  return require("luatrain.cli.sweep").main(args)
end

function commands.recipes(args)
  if #args > 0 then failure.raise("usage", "recipes: unexpected argument '%s'", args[1]) end
  local recipe = require "luatrain.recipe"
  local names, paths = recipe.list()
  if #names == 0 then
    io.stderr:write("no recipes found; looked in ./recipes and beside the program\n")
  end
  for _, name in ipairs(names) do
    local ok, r = pcall(recipe.load, paths[name])
    print(("%-16s %s (%s)"):format(name, ok and (r.source.summary or "") or "cannot be loaded: "
      .. tostring(r), paths[name]))
  end
  return 0
end

function commands.info(args)
  if #args == 0 then failure.raise("usage", "info: name a file; see luatrain info --help") end
  for _, path in ipairs(args) do require("luatrain.cli.info").describe(path) end
  return 0
end

function commands.data(args) return require("luatrain.cli.data").main(args) end

function commands.doctor(args)
  if #args > 0 then failure.raise("usage", "doctor: unexpected argument '%s'", args[1]) end
  return require("luatrain.cli.info").doctor()
end

function commands.help(args)
  if not args[1] then
    print(help_text)
  elseif args[1] == "sweep" then
    print(require("luatrain.cli.sweep").help)
  elseif helps[args[1]] then
    print(helps[args[1]])
  else
    failure.raise("usage", "no command '%s'%s", args[1],
      failure.suggest(args[1], {"run", "sweep", "recipes", "info", "data", "doctor"}))
  end
  return 0
end

local function version()
  for name, value in ffi.string(C.lt_build_info()):gmatch "([^=\n]+)=([^\n]*)" do
    print(name == "version" and "luatrain " .. value or ("  %-9s %s"):format(name, value))
  end
  return 0
end

local function dispatch(args)
  local name = table.remove(args, 1)
  if not name or name == "--help" or name == "-h" then
    print(help_text)
    return 0
  elseif name == "--version" or name == "-V" or name == "version" then
    return version()
  end
  if not commands[name] then
    local names = {"run", "sweep", "recipes", "info", "data", "doctor", "help", "--version", "--help"}
    failure.raise("usage", "no command '%s'%s; luatrain --help lists them", name,
      failure.suggest(name, names))
  end
  if name ~= "run" and name ~= "sweep" and run_cli().wants_help(args) then return commands.help {name} end
  if name == "run" and (not args[1] or args[1] == "--help" or args[1] == "-h") then
    if not args[1] then failure.raise("usage", "run: name a recipe; `luatrain recipes` lists them") end
    return commands.help {"run"}
  end
  return commands[name](args)
end

--- Runs the program's arguments (a list) and returns the exit code. debugging: print the traceback.
function cli.main(arguments, debugging)
  local args = {}
  for _, arg in ipairs(arguments) do
    if arg == "--debug" then debugging = true else args[#args + 1] = arg end
  end
  local trace
  local ok, result = xpcall(dispatch, function(e)
    if debugging then trace = debug.traceback("", 2) end
    return e
  end, args)
  if ok then return result or 0 end
  local code, text = cli.explain(result)
  io.stderr:write("luatrain: ", text, "\n", trace and trace .. "\n" or "")
  return code
end

return cli
