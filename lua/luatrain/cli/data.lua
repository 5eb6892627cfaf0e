--- `luatrain data check FILE...`: looks at data files before anybody trusts them.
local failure = require "luatrain.failure"

local data = {}

local function each(args, f)
  if #args == 0 then failure.raise("usage", "data: name a file; see luatrain data --help") end
  for _, path in ipairs(args) do f(path) end
  return 0
end

local commands = {}

function commands.check(args)
  return each(args, function(path)
    print(path)
    local ok, result = pcall(require("luatrain.data.hdf5_check").check, path)
    local output = ok and result or failure.of(result) and result.output or ""
    io.stdout:write(output)
    io.stdout:flush()
    if not ok then error(result, 0) end
    print(path .. ": whole")
  end)
end

-- The bodies of the processes that `check` and `info` start.
commands["check-here"] = function(args)
  return each(args, function(path) require("luatrain.data.hdf5_check").here(path, true) end)
end
commands["structure-here"] = function(args)
  return each(args, function(path) require("luatrain.data.hdf5_check").here(path, false) end)
end

--- Runs the words behind `luatrain data`.
function data.main(args)
  local name = table.remove(args, 1)
  if not name then failure.raise("usage", "data: name a command: check") end
  if not commands[name] then
    failure.raise("usage", "data: no command '%s'%s", name, failure.suggest(name, {"check"}))
  end
  return commands[name](args)
end

return data
