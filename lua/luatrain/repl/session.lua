--- A session: inputs with their numbers, results, running what was typed.
local core = require "luatrain.core"
local scope = require "luatrain.scope"
local chunk = require "luatrain.repl.chunk"
local errors = require "luatrain.repl.errors"
local lexer = require "luatrain.repl.lexer"
local style = require "luatrain.repl.style"
local values = require "luatrain.repl.values"
local C, check = core.C, core.check

local globals = _G
local pairs, rawequal, rawget, rawset = pairs, rawequal, rawget, rawset  -- an input may take them away
local select, type = select, type

local Session = {}
Session.__index = Session

local session = {Session = Session}

local MOST_RESULTS = 100  -- earlier ones are forgotten, so that their memory comes back

-- Copies of Lua's libraries: {{name, the library, its fields}, ...}.
local function copies(standard)
  local list = {}
  for name, library in pairs(standard) do
    if type(library) == "table" and library ~= _G then
      local fields = {}
      for key, value in pairs(library) do fields[key] = value end
      list[#list + 1] = {name, library, fields}
    end
  end
  return list
end

--- Makes a session. options: out (function that prints a text for people; default: standard output),
-- fresh_line (called before results are printed: what ran may have left text without a line end).
function session.new(options)
  options = options or {}
  local standard = require("luatrain.host").standard
  return setmetatable({inputs = {}, log = {}, results = 0, reserved = standard, libraries = copies(standard),
    out = options.out or function(text) io.stdout:write(text, "\n") end,
    fresh_line = options.fresh_line}, Session)
end

--- Prints a line of the session's own.
function Session:say(format, ...)
  self.out(select("#", ...) > 0 and format:format(...) or format)
end

--- The same, told by the way.
function Session:note(format, ...) self:say("%s", style.paint("dim", format:format(...))) end

--- Prints an error and remembers that one happened.
function Session:tell_error(e)
  io.stdout:flush()
  io.stderr:write(errors.text(e, self.inputs), "\n")
  self.failed = true
end

-- ---- running ------------------------------------------------------------------------------------

-- What Lua's and luatrain's own names mean is put back where an input changed it; fields of Lua's libraries
-- where they cannot be used any more: another print or math.random may be wanted.
local function restore_names(self)
  local restored = {}
  local function restore(t, key, value, name)
    rawset(t, key, value)
    restored[#restored + 1] = name
  end
  for name, value in pairs(self.reserved) do
    local now = rawget(globals, name)
    local fine = rawequal(now, value) or name == "print" and type(now) == "function"
    if not fine then restore(globals, name, value, name) end
  end
  for i = 1, #self.libraries do
    local name, library, fields = self.libraries[i][1], self.libraries[i][2], self.libraries[i][3]
    for key, value in pairs(fields) do
      if type(rawget(library, key)) ~= type(value) then restore(library, key, value, name .. "." .. key) end
    end
  end
  for i = 1, #restored do
    self:note("'%s' is a name that Lua and luatrain use; it has its value again, take another", restored[i])
  end
  self.restored = #restored > 0
end

-- Modules whose loading an error cut off can be required again: Lua 5.1 would call it a loop.
local function forget_half_loaded()
  for name, value in pairs(package.loaded) do
    if type(value) == "number" or type(value) == "userdata" then package.loaded[name] = nil end
  end
end

local function pack(ok, ...) return ok, {n = select("#", ...), ...} end

--- Calls f(...) so that Ctrl-C stops it and its error's frames are seen. Returns true and a list of the
-- results (n of them), or false and the error.
function Session:protect(f, ...)
  local mark, watcher = scope.mark(), core.on_catch
  core.on_catch = errors.see
  check(C.lt_interrupt_watch(true))
  self.watching = true
  local ok, results = pack(xpcall(f, errors.see, ...))
  C.lt_interrupt_watch(false)
  self.watching = false
  core.on_catch = watcher
  restore_names(self)
  if not ok then
    scope.restore(mark)
    for _, restore in ipairs(core.on_raise) do restore() end
    forget_half_loaded()
  end
  if ok then return true, results end
  return false, results[1]
end

--- After an error in the session's own work: an interrupt may come when what ran has just ended.
function Session:recover(e)
  if self.watching then C.lt_interrupt_watch(false) end
  self.watching = false
  self:tell_error(e)
end

-- ---- results ------------------------------------------------------------------------------------

--- Gives a value the next number: _ and _n. Returns the name.
function Session:keep_result(value)
  self.results = self.results + 1
  local name = "_" .. self.results
  rawset(_G, name, value)
  rawset(_G, "_", value)
  if self.results > MOST_RESULTS then rawset(_G, "_" .. self.results - MOST_RESULTS, nil) end
  return name
end

--- Forgets all results, so that the memory they hold can be used again.
function Session:forget()
  for i = 1, self.results do rawset(_G, "_" .. i, nil) end
  rawset(_G, "_", nil)
  collectgarbage()
  collectgarbage()
end

--- Keeps and prints the values of an expression: a list with n. nil is shown, but is no result. Returns
-- the names that the values have got, false for nil.
function Session:show(list, silent)
  local names = {}
  if list.n > 0 and not silent and self.fresh_line then self.fresh_line() end
  for i = 1, list.n do
    local value = list[i]
    names[i] = value ~= nil and self:keep_result(value)
    if not silent then
      local ok, e = self:protect(function() self.out(values.text(value)) end)
      if not ok then self:tell_error(e) end
    end
  end
  return names
end

-- ---- inputs -------------------------------------------------------------------------------------

-- Whether the last word is a semicolon, which asks for silence, and where it is.
local function ends_with_semicolon(text)
  local tokens = lexer.tokens(text)
  for i = #tokens, 1, -1 do
    if tokens[i].kind ~= "comment" then return tokens[i].text == ";", tokens[i].from end
  end
  return false
end

--- Runs one input of Lua. Returns true unless it failed; the error has been told.
function Session:evaluate(text)
  errors.forget()
  self.inputs[#self.inputs + 1] = text
  local name = ("=[%d]"):format(#self.inputs)
  local silent, at = ends_with_semicolon(text)
  local source = silent and text:sub(1, at - 1) .. " " .. text:sub(at + 1) or text
  local f, is_expression, kept, first, last = chunk.compile(source, name, self.reserved)
  if silent and not is_expression then f, is_expression, kept = chunk.compile(text, name, self.reserved) end
  if not f then
    self:tell_error(is_expression)
    return false
  end
  local ok, results = self:protect(f)
  if not ok then
    self:tell_error(results)
    return false
  end
  for _, hidden in ipairs(kept) do
    self:note("local '%s' hides a name that Lua and luatrain use: it is gone after this input", hidden)
  end
  local restored = self.restored
  local names = self:show(results, silent)
  if restored then return true end
  if first then self.log[#self.log + 1] = {text = first} end
  local is_result = is_expression and #names > 0
  self.log[#self.log + 1] = is_result and {text = last or source, names = names, silent = silent}
    or {text = last or text}
  return true
end

--- Runs a file in the session. Returns true unless it failed; the error has been told.
function Session:run_file(path, ...)
  errors.forget()
  local f, e = chunk.load_file(path)
  if not f then
    self:tell_error(e)
    return false
  end
  local ok, results = self:protect(f, ...)
  if not ok then self:tell_error(results) end
  return ok
end

-- ---- :save --------------------------------------------------------------------------------------

-- Whether an input names the results of earlier ones.
local function uses_results(log)
  for _, entry in ipairs(log) do
    for _, token in ipairs(lexer.tokens(entry.text)) do
      if token.kind == "name" and token.text:find "^_%d*$" then return true end
    end
  end
  return false
end

-- An expression as statements of a script: its values get their names where others use these.
local function statements(entry, named)
  local tokens = lexer.tokens(entry.text)
  local last = tokens[#tokens]
  local text = last.kind == "comment" and entry.text:sub(1, last.from - 1) or entry.text
  if not named then return (entry.silent and "do local _ = %s end" or "print(%s)"):format(text) end
  local names, latest = {}, nil
  for i, name in ipairs(entry.names) do
    names[i], latest = name or "_", name or latest
  end
  local list = table.concat(names, ", ")
  local lines = {list .. " = " .. text, latest and "_ = " .. latest}
  if not entry.silent then lines[#lines + 1] = ("print(%s)"):format(list) end
  return table.concat(lines, "\n")
end

--- The session as a script that does the same again: the inputs that ran, expressions printed.
function Session:script()
  local lines = {"-- A session of luatrain, saved " .. os.date "%Y-%m-%d %H:%M" .. "."}
  local named = uses_results(self.log)
  for _, entry in ipairs(self.log) do
    lines[#lines + 1] = entry.names and statements(entry, named) or entry.text
  end
  return table.concat(lines, "\n") .. "\n"
end

-- ---- modules ------------------------------------------------------------------------------------

--- Lets `require` of the user's own modules, and dofile, compile files so that their loops can be
-- interrupted.
function session.watch_modules()
  local plain = dofile
  local function watched(path)
    if path == nil then return plain() end
    local f, e = chunk.load_file(path)
    if not f then error(e, 0) end
    return f()
  end
  rawset(_G, "dofile", watched)
  require("luatrain.host").standard.dofile = watched
  table.insert(package.loaders, 2, function(name)
    local path = package.searchpath(name, package.path)
    if not path or name:find "^luatrain%f[.%z]" then return nil end
    local f, e = chunk.load_file(path)
    if not f then error(e, 0) end
    return f
  end)
end

return session
