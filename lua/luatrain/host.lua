--- What the luatrain program does with its arguments: none (the REPL), a script, -e CODE, or a subcommand.
local host = {}

-- Reading an undefined global is an error; so is setting one inside a function. Names that
-- well-behaved libraries probe for are let through.
local probed = { _PROMPT = true, _PROMPT2 = true, bit32 = true, jit = true, utf8 = true,
  unpack = true, setfenv = true, getfenv = true, loadstring = true, lfs = true, ngx = true }

local declaring = setmetatable({}, {__mode = "k"})

--- Lua's own globals and their values, which no session may lose.
host.standard = {}

--- Lets a function make globals although it is no main chunk: what is typed at the REPL is compiled so.
function host.may_declare(f) declaring[f] = true end

--- Makes misspelt globals an error.
function host.strict()
  local declared = {}
  for name, value in pairs(_G) do
    if name ~= "arg" then host.standard[name] = value end
  end
  setmetatable(_G, {
    __newindex = function(t, key, value)
      local info = debug.getinfo(2, "Sf")
      local may = not info or info.what == "main" or info.what == "C" or declaring[info.func]
      if not may and not declared[key] then
        error(("assignment to undeclared global '%s'; say local %s"):format(key, key), 2)
      end
      declared[key] = true
      rawset(t, key, value)
    end,
    __index = function(_, key)
      if declared[key] or probed[key] then return nil end
      local names = {}
      for name in pairs(_G) do if type(name) == "string" then names[#names + 1] = name end end
      local near = require("luatrain.core").nearest(tostring(key), names)
      error(("undefined global '%s'%s"):format(tostring(key),
        near and ("; did you mean " .. near .. "?") or ""), 2)
    end,
  })
end

local function traceback(debugging)
  return function(e)
    if type(e) == "table" and e.exit then return e end
    if not debugging then return e end
    return debug.traceback(tostring(e), 2)
  end
end

-- Runs a chunk; prints its error as one line; returns the exit code.
local function run_chunk(chunk, debugging, ...)
  local ok, e = xpcall(chunk, traceback(debugging), ...)
  if ok then return 0 end
  if type(e) == "table" and e.exit then return e.exit end
  if debugging then
    io.stderr:write("luatrain: ", tostring(e), "\n")
    return 1
  end
  local code, text = require("luatrain.cli").explain(e)
  io.stderr:write("luatrain: ", text, "\n")
  return code
end

-- `lt`, help() and who() are there without a require, and loaded when they are first named.
local function offer_lt()
  local meta = getmetatable(_G)
  local index = meta.__index
  meta.__index = function(t, key)
    if key == "lt" then
      local lt = require "luatrain"
      rawset(t, "lt", lt)
      return lt
    elseif key == "help" or key == "who" then
      rawset(t, key, require("luatrain.doc")[key])
      return rawget(t, key)
    end
    return index(t, key)
  end
end

local function shift(args, from)
  local rest = {}
  for i = from, #args do rest[#rest + 1] = args[i] end
  return rest
end

local function run_script(path, args, debugging)
  local chunk, why = loadfile(path)
  if not chunk then
    io.stderr:write("luatrain: ", why, "\n")
    return 1
  end
  local list = { [0] = path, unpack(args) }
  rawset(_G, "arg", list)
  return run_chunk(chunk, debugging, unpack(args))
end

local function run_code(code, args, debugging)
  local chunk, why = loadstring("return " .. code, "=(command line)")
  if chunk then
    local original = chunk
    chunk = function(...)
      local results = { original(...) }
      if #results > 0 then print(unpack(results)) end
    end
  else
    chunk, why = loadstring(code, "=(command line)")
  end
  if not chunk then
    io.stderr:write("luatrain: ", why, "\n")
    return 2
  end
  return run_chunk(chunk, debugging, unpack(args))
end

--- Entry from C: the program's arguments as a list; returns the exit code.
function host.main(args)
  host.strict()
  offer_lt()
  local debugging = false
  if args[1] == "--debug" then
    debugging = true
    args = shift(args, 2)
  end
  local first = args[1]
  if not first then
    return require("luatrain.repl").main(function(chunk) return run_chunk(chunk, debugging) end)
  end
  if first == "-e" then
    if not args[2] then
      io.stderr:write("luatrain: -e needs a piece of Lua, as in: luatrain -e 'lt.randn(3)'\n")
      return 2
    end
    return run_code(args[2], shift(args, 3), debugging)
  end
  if first and (first:match "%.lua$" or (first:match "/" and io.open(first))) then
    return run_script(first, shift(args, 2), debugging)
  end
  return require("luatrain.cli").main(args, debugging)
end

return host
