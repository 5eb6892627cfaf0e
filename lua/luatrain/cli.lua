--- The command line: finds the command in luatrain.cli.commands and runs it. Data goes to stdout,
-- messages to stderr; an error is one line there, and the exit code tells its kind.
local ffi = require "ffi"
local core = require "luatrain.core"
local failure = require "luatrain.failure"
local commands = require "luatrain.cli.commands"
local C = core.C

local cli = {}

-- ---- failures -----------------------------------------------------------------------------------

--- The exit code and the one line that an error value stands for.
function cli.explain(e)
  local text = tostring(e):gsub("\nstack traceback:.*", "")
  text = text:gsub("(module '[^']+' not found):.*", "%1"):gsub("%s*\n%s*", " ")
  return failure.codes[failure.kind(e) or "run"], text
end

-- ---- commands -----------------------------------------------------------------------------------

local function version()
  for name, value in ffi.string(C.lt_build_info()):gmatch "([^=\n]+)=([^\n]*)" do
    print(name == "version" and "luatrain " .. value or ("  %-9s %s"):format(name, value))
  end
  return 0
end

local function dispatch(args)
  local name = table.remove(args, 1)
  if not name or name == "--help" or name == "-h" then
    print(commands.overview())
    return 0
  elseif name == "--version" or name == "-V" or name == "version" then
    return version()
  end
  local command = commands.find(name)
  if not command then
    local names = commands.names()
    names[#names + 1], names[#names + 2] = "--version", "--help"
    failure.raise("usage", "no command '%s'%s; luatrain --help lists them", name,
      failure.suggest(name, names))
  end
  if not command.own_help and commands.wants_help(args) or args[1] == "--help" or args[1] == "-h" then
    print(commands.help(name))
    return 0
  end
  return command.main(args)
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
