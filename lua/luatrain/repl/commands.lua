--- The session's commands: a colon, a name, an argument. One list, from which :help, completion and the
-- answer to a misspelt name are made.
local core = require "luatrain.core"
local fs = require "luatrain.fs"
local chunk = require "luatrain.repl.chunk"
local errors = require "luatrain.repl.errors"
local terminal = require "luatrain.terminal"
local texts = require "luatrain.text"
local C = core.C

local commands = {}

local function trim(text) return (text:gsub("^%s+", ""):gsub("%s+$", "")) end

-- ---- measuring ----------------------------------------------------------------------------------

local function duration(seconds)
  if seconds < 1e-3 then return ("%.1f us"):format(seconds * 1e6) end
  if seconds < 1 then return ("%.2f ms"):format(seconds * 1e3) end
  return ("%.2f s"):format(seconds)
end

-- Compiles an argument as the next input; nil where it is wrong, which has been told.
local function compile(session, text)
  errors.forget()
  session.inputs[#session.inputs + 1] = text
  local f, e = chunk.compile(text, ("=[%d]"):format(#session.inputs), session.reserved)
  if f then return f end
  session:tell_error(e)
end

-- Calls f count times; returns its last values and the seconds of each call.
local function repeated(f, count)
  local seconds, results = {}, nil
  for i = 1, count do
    local started = C.lt_time()
    results = {f()}
    seconds[i] = C.lt_time() - started
  end
  return results, seconds
end

local function time(session, argument)
  local count, text = argument:match "^(%d+)%s+(.+)$"
  if not count then count, text = 1, argument end
  local f = compile(session, text)
  if not f then return end
  local ok, list = session:protect(repeated, f, math.min(tonumber(count), 1e6))
  if not ok then return session:tell_error(list) end
  local results, seconds = list[1], list[2]
  session:show {n = #results, unpack(results)}
  if #seconds == 1 then return session:say("%s", duration(seconds[1])) end
  table.sort(seconds)
  session:say("%d runs: fastest %s, median %s, slowest %s", #seconds, duration(seconds[1]),
    duration(seconds[math.ceil(#seconds / 2)]), duration(seconds[#seconds]))
end

local function profile(session, argument)
  local f = compile(session, argument)
  if not f then return end
  local lt_profile, results = require "luatrain.profile", nil
  local ok, list = session:protect(lt_profile.measure, function() results = {f()} end)
  if not ok then return session:tell_error(list) end
  session:show {n = #results, unpack(results)}
  session:say("%s", lt_profile.text(list[1], list[2]))
end

local function memory(session)
  local m = require("luatrain.scope").memory()
  local size = texts.bytes
  session:say("tensors   %s in %d storages, at most %s; %s kept for reuse", size(m.live), m.storages,
    size(m.peak), size(m.cached))
  session:say("Lua       %s", size(collectgarbage "count" * 1024))
  local file = io.open "/proc/self/status"
  local status = file and file:read "*a" or ""
  if file then file:close() end
  local now, peak = status:match "VmRSS:%s*(%d+)", status:match "VmHWM:%s*(%d+)"
  if now then session:say("process   %s, at most %s", size(now * 1024), size(peak * 1024)) end
  local kept = math.min(session.results, 100)
  if kept > 0 then
    session:say("%d results are kept (up to _%d); :forget lets them go", kept, session.results)
  end
end

-- ---- files --------------------------------------------------------------------------------------

local function expand(path)
  return path:sub(1, 2) == "~/" and (os.getenv "HOME" or "~") .. path:sub(2) or path
end

local function load(session, argument)
  local path = expand(argument)
  if session:run_file(path) then
    session.log[#session.log + 1] = {text = ("dofile %q"):format(path)}
  end
end

-- Functions and values of the new table replace the old ones in the old table, so that whoever holds it
-- has the new ones: other modules, globals, and objects of which it is the class.
local function renew(old, new)
  for key in pairs(old) do
    if rawget(new, key) == nil then rawset(old, key, nil) end
  end
  for key, value in pairs(new) do rawset(old, key, value == new and old or value) end
  return setmetatable(old, getmetatable(new))
end

local function reload(session, argument)
  local old = package.loaded[argument]
  if old == nil then
    local near = core.nearest(argument, core.sorted_keys(package.loaded))
    return session:tell_error(("module '%s' is not loaded%s"):format(argument,
      near and "; did you mean " .. near .. "?" or "; require it first"))
  end
  package.loaded[argument] = nil
  local ok, e = session:protect(require, argument)
  local new = ok and e[1] or nil
  if not ok then
    package.loaded[argument] = old
    return session:tell_error(e)
  end
  if type(old) == "table" and type(new) == "table" then
    package.loaded[argument] = renew(old, new)
  end
  session:say("%s loaded again", argument)
end

local function save(session, argument)
  local path = expand(argument ~= "" and argument or os.date "session-%Y%m%d-%H%M%S.lua")
  if fs.exists(path) and path ~= session.saved_to then
    return session:tell_error(path .. " is there already; take another name")
  end
  fs.write(path, session:script())
  session.saved_to = path
  session:say("saved %d inputs to %s", #session.log, path)
end

-- ---- help ---------------------------------------------------------------------------------------

-- Calls a function of luatrain.doc; some print, some return their text.
local function documented(session, name, ...)
  local known, doc = pcall(require, "luatrain.doc")
  if not known then return session:tell_error "there is no documentation reader in this build" end
  local ok, list = session:protect(doc[name], ...)
  if ok and type(list[1]) == "string" then session:say("%s", list[1]) end
  return ok, list
end

local function value_of(name)
  local f = chunk.compile(name:gsub(":", "."), "=help")
  local ok, value = pcall(f or error)
  return ok and value or nil
end

--- Explains a name: what the library says of it, or of the value that it stands for in the session.
function commands.explain(session, name)
  if name == "" then return documented(session, "help") end
  local root = name:match "^[%a_][%w_]*"
  local own = root and root ~= "lt" and rawget(_G, root) ~= nil and session.reserved[root] == nil
  local value = own and value_of(name)
  local ok, e = documented(session, "help", value ~= nil and value or name)
  if not ok and e then session:tell_error(e) end
end

local ABOUT = "Type Lua; an expression's value is printed (a ; at the end keeps it quiet). _ is the last "
  .. "value, _1 the first, and so on. An input goes on while a block or a bracket is open. Tab completes, "
  .. "Up and Ctrl-R find earlier inputs, Alt-Enter begins a new line, Ctrl-C stops what runs, Ctrl-D leaves."

local function help_columns() return math.min(terminal.columns(), 90) - 1 end

-- What to type and what it does, the latter to the right or below.
local function row(session, head, text)
  local columns = help_columns()
  local width = columns < 60 and 4 or 18
  local margin = "\n" .. (" "):rep(width)
  head = texts.pad("  " .. head, width)
  session:say("%s%s%s", head, #head > width and margin or "",
    table.concat(texts.wrap(text, columns - width), margin))
end

local function command_row(session, command)
  row(session, ":" .. command.name .. (command.argument and " " .. command.argument or ""), command.help)
end

local function help(session, argument)
  local command = commands.find(argument:gsub("^:", ""))
  if command then return command_row(session, command) end
  if argument ~= "" then return commands.explain(session, argument) end
  session:say("%s\n", table.concat(texts.wrap(ABOUT, help_columns()), "\n"))
  row(session, "help(x)  x?", "explain a function, a class, a name")
  row(session, "who()", "the variables of the session")
  for _, one in ipairs(commands.list) do command_row(session, one) end
end

-- ---- the list -----------------------------------------------------------------------------------

-- A way to leave a session that paused a training.
local function leave_by(what)
  return function(session)
    if session.ways and session.ways[what] then return what end
    local why = session.ways and "no step has failed" or "no training is paused"
    session:tell_error((":%s: %s here"):format(what, why))
  end
end

--- {name, argument (how :help shows it, nil without), help, run(session, argument), needs (an argument)}.
-- run returns "quit", "continue" or "skip" to leave the session.
commands.list = {
  {name = "help", argument = "[NAME]", help = "this list; or what there is to say of a command or a name",
    run = help},
  {name = "doc", argument = "[NAME]", help = "what luatrain says of a name; without one, of its modules",
    run = function(session, argument) commands.explain(session, argument) end},
  {name = "time", argument = "[N] CODE", help = "run CODE (N times) and tell how long it takes", run = time,
    needs = true},
  {name = "profile", argument = "CODE", help = "run CODE and tell the time of each op", run = profile,
    needs = true},
  {name = "mem", help = "memory of tensors, of Lua, of the process", run = memory},
  {name = "forget", help = "forget the results _1, _2, ...", run = function(session) session:forget() end},
  {name = "where", help = "the locals of the latest error's frames", run = function(session)
    session:say("%s", errors.where(session.inputs))
  end},
  {name = "load", argument = "FILE", help = "run a Lua file in this session", run = load, needs = true},
  {name = "reload", argument = "MODULE", help = "load a module again, in place", run = reload, needs = true},
  {name = "save", argument = "[FILE]", help = "write the session as a script", run = save},
  {name = "continue", help = "go on with the training that is paused", run = leave_by "continue"},
  {name = "skip", help = "go on with the batch after the one that failed", run = leave_by "skip"},
  {name = "quit", help = "leave (Ctrl-D); a paused training ends", run = function() return "quit" end},
}

--- The command of a name, or nil. :q is :quit.
function commands.find(name)
  if name == "q" then name = "quit" end
  for _, command in ipairs(commands.list) do
    if command.name == name then return command end
  end
end

--- Runs ":name argument". Returns what the command returns.
function commands.run(session, text)
  local name, argument = text:match "^%s*:(%a+)%s*(.-)%s*$"
  local command = commands.find(name)
  if not command then
    local names = {}
    for i, one in ipairs(commands.list) do names[i] = one.name end
    local near = core.nearest(name, names)
    return session:tell_error((":%s is no command%s"):format(name, near and "; did you mean :" .. near .. "?"
      or "; :help lists them"))
  end
  if command.needs and argument == "" then
    return session:tell_error((":%s wants %s"):format(name, command.argument))
  end
  local ok, what = pcall(command.run, session, trim(argument))
  if ok then return what end
  session:tell_error(what)
end

return commands
