--- The commands of the luatrain program, each once: --help, help COMMAND, what is said about misspelt names
-- and the completion of the shells are all read from this list.
--
-- A command has
--   name      the word on the command line (none: a form such as SCRIPT.lua, which is only explained)
--   usage     lines {what stands behind the name, what it does}, as --help lists them
--   help      what `luatrain help NAME` says below its usage; or text: a function that gives all of it
--   words     what its arguments are, for completion: "file", "folder", a list of texts, or the name of a
--             function of luatrain.completion; the last one stands for all that follow
--   options   flags of its own, for completion: {{"--flag", meaning, kind of its value or nil}, ...}
--   own_help  true: it answers --help itself
--   main      function(args): runs it and returns the exit code
local failure = require "luatrain.failure"
local wrap = require("luatrain.text").wrap

local function none(name, args)
  if #args > 0 then failure.raise("usage", "%s: unexpected argument '%s'", name, args[1]) end
end

local function recipes(args)
  none("recipes", args)
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

local function info(args)
  if #args == 0 then failure.raise("usage", "info: name a file; see luatrain info --help") end
  for _, path in ipairs(args) do require("luatrain.cli.info").describe(path) end
  return 0
end

local list = {
  {
    name = "run", own_help = true,
    usage = { { "RECIPE COMMAND [--name value]...", "train, evaluate, ... a recipe" } },
    help = [[
RECIPE is a name (see `luatrain recipes`) or the path of a Lua file. Every recipe has the commands
train, evaluate, export and info, and may have its own; `luatrain run RECIPE --help` lists them, and
`luatrain run RECIPE COMMAND --help` all settings. Settings come from the command line, then from
--config FILE (.yaml, .json, .lua), then from the recipe's defaults.]],
    words = { "recipe", "recipe_command", "setting" },
    main = function(args) return require("luatrain.cli.run").main(args) end,
  },
  {
    name = "sweep", own_help = true,
    usage = { { "FILE.lua COMMAND", "search settings: run, status, best, trials, plot, ..." } },
    text = function() return require("luatrain.cli.sweep").help end,
    words = { "file", "sweep_command", "sweep_setting" },
    main = function(args)
      -- A trial's process begins in milliseconds: it needs nothing else.
      if args[2] == "worker" then return require("luatrain.sweep.worker").main(args[1]) end
      return require("luatrain.cli.sweep").main(args)
    end,
  },
  { usage = { { "", "the REPL; without a terminal, run standard input" } } },
  { usage = { { "SCRIPT.lua [ARGUMENT]...", "run a Lua script" } } },
  { usage = { { "-e CODE", "run a piece of Lua and print its value" } } },
  {
    name = "recipes", usage = { { "", "list the recipes in reach" } },
    help = "Lists the recipes in reach, with their summary and file.", words = {}, main = recipes,
  },
  {
    name = "info",
    usage = { { "FILE...", "describe a safetensors, HDF5, audio, MIDI file or a run" } },
    help = "Describes safetensors, HDF5, audio and MIDI files and run directories.",
    words = { "file" }, main = info,
  },
  {
    name = "data",
    usage = {
      { "check FILE...", "read all of an HDF5 file, in a process of its own" },
      { "validate PATH...", "what is wrong with sound and MIDI files: silence, clipping, no notes" },
      { "list", "data sets of music that recipes know, and their licences" },
      { "get NAME [--out DIR]", "download one, where its licence allows, or tell how to get it" },
    },
    help = [[
`check` reads all of an HDF5 file: every group, attribute and chunk. It does so in a process of its own,
because HDF5's library crashes on some damaged files. A file that is damaged, leads outside itself
(external links, virtual data sets) or needs filters that are not there is an error (exit code 4). Do this
with files that come from elsewhere, before training with them.
`validate` reads sound and MIDI files, or all below a folder, and tells what cannot be read, holds samples
that are no numbers, is silent, clipped, damaged or without notes (exit code 4).
`get` downloads with curl into the folder datasets or --out DIR; called again after it was broken off it
goes on where it stopped. Checksums are compared, archives unpacked. --catalogue FILE.json names data sets of
your own.]],
    words = { { "list", "get", "check", "validate" }, "file" },
    main = function(args) return require("luatrain.cli.data").main(args) end,
  },
  {
    name = "doctor", usage = { { "", "check this machine and what is installed" } },
    help = "Checks the machine, the libraries and the programs luatrain uses.", words = {},
    main = function(args)
      none("doctor", args)
      return require("luatrain.cli.info").doctor()
    end,
  },
  {
    name = "help", own_help = true,
    usage = {
      { "[COMMAND | NAME]", "explain a command, or a name of the library" },
      { "--html FOLDER", "write the reference of the library as web pages" },
    },
    help = [[
NAME is a function, class, method, module, setting or C function of the library, or a recipe:
lt.conv2d, nn.Linear, Tensor.relu, lt.audio, lt_conv, chord. The text is that of the sources' comments,
which help(x) shows in the REPL.]],
    words = { "topic" }, options = { { "--html", "write the reference as web pages", "folder" } },
    main = function(args) return require("luatrain.cli.help").main(args) end,
  },
  {
    name = "completion", own_help = true,
    usage = { { "bash | zsh | fish", "print the shell's completion script" } },
    help = [[
Commands, recipes, their commands, settings and choices, and files. To load it each time a shell starts:
  bash   luatrain completion bash > ~/.local/share/bash-completion/completions/luatrain
  zsh    luatrain completion zsh > a folder of $fpath, as _luatrain
  fish   luatrain completion fish > ~/.config/fish/completions/luatrain.fish]],
    words = { { "bash", "zsh", "fish" } },
    main = function(args) return require("luatrain.completion").main(args) end,
  },
}

for _, command in ipairs(list) do
  if command.name then list[command.name] = command end
end

local commands = { list = list }

--- Whether help is asked for; what stands behind "--" is the command's own.
function commands.wants_help(args)
  for _, arg in ipairs(args) do
    if arg == "--" then return false end
    if arg == "--help" or arg == "-h" then return true end
  end
  return false
end

--- The command of this name, or nil.
function commands.find(name) return list[name] end

--- The names of all commands, a list.
function commands.names()
  local names = {}
  for _, command in ipairs(list) do names[#names + 1] = command.name end
  return names
end

-- The usage lines of one command; with columns, what it does to the right of them, or below where they are
-- few.
local function usage_lines(command, lines, columns)
  for _, line in ipairs(command.usage) do
    local text = "luatrain " .. (command.name and command.name .. " " or "") .. line[1]
    text = (#lines == 0 and "usage: " or "       ") .. text:gsub("%s+$", "")
    if columns and columns >= 112 then
      text = ("%-54s %s"):format(text, line[2])
    elseif columns then
      text = text .. "\n           " .. table.concat(wrap(line[2], columns - 11), "\n           ")
    end
    lines[#lines + 1] = text
  end
end

--- What `luatrain help NAME` prints.
function commands.help(name)
  if list[name].text then return list[name].text() end
  local lines = {}
  usage_lines(list[name], lines)
  return table.concat(lines, "\n") .. "\n\n" .. list[name].help
end

local REST = [[
       luatrain --version

examples:
  luatrain run chord train --epochs 20
  luatrain run chord train --help        every setting with range and default
  luatrain run chord train --resume auto continue the newest run
  luatrain -e 'lt.randn(3, 3) * 2'
  luatrain help lt.audio.log_mel         what a function does, its arguments

]]

local CODES = "--debug adds the traceback to an error. Exit codes: 0 done, 1 failed, 2 command line, "
  .. "3 config or recipe, 4 input data, 5 reading or writing, 6 device, 7 diverged, 75 saved and wants to "
  .. "be started again, 130 interrupted, 143 terminated."

--- What `luatrain --help` prints.
function commands.overview()
  local lines, columns = {}, require("luatrain.terminal").columns()
  for _, command in ipairs(list) do usage_lines(command, lines, columns) end
  local codes = table.concat(wrap(CODES, math.min(columns, 100)), "\n")
  return table.concat(lines, "\n") .. "\n" .. REST .. codes
end

return commands
