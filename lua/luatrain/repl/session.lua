--- A session: inputs with their numbers, results, running what was typed.
local core = require "luatrain.core"
local scope = require "luatrain.scope"
local chunk = require "luatrain.repl.chunk"
local errors = require "luatrain.repl.errors"
local lexer = require "luatrain.repl.lexer"
local style = require "luatrain.repl.style"
local values = require "luatrain.repl.values"
local C, check = core.C, core.check

local Session = {}
Session.__index = Session

local session = {Session = Session}

local MOST_RESULTS = 100  -- earlier ones are forgotten, so that their memory comes back

-- Names of Lua and of luatrain that a session must not lose, with their values.
local function protected_names()
  local names = {}
  for name, value in pairs(_G) do
    if type(name) == "string" and name ~= "print" and name ~= "arg" then names[name] = value end
  end
  return names
end

--- Makes a session. out: function that prints a text for people (default: standard output).
function session.new(options)
  options = options or {}
  return setmetatable({inputs = {}, log = {}, results = 0, reserved = protected_names(),
    out = options.out or function(text) io.stdout:write(text, "\n") end}, Session)
end

--- Prints a line of the session's own.
function Session:say(format, ...)
  self.out(select("#", ...) > 0 and format:format(...) or format)
end

--- Prints an error and remembers that one happened.
function Session:tell_error(e)
  io.stdout:flush()
  io.stderr:write(errors.text(e, self.inputs), "\n")
  self.failed = true
end

-- ---- running ------------------------------------------------------------------------------------

-- What Lua's and luatrain's own names mean is put back where an input changed it.
local function restore_names(self)
  for name, value in pairs(self.reserved) do
    if rawget(_G, name) ~= value then
      rawset(_G, name, value)
      self:say("%s", style.paint("dim", ("'%s' is a name that Lua and luatrain use; it has its value again, "
        .. "take another"):format(name)))
    end
  end
end

local function pack(ok, ...) return ok, {n = select("#", ...), ...} end

--- Calls f(...) so that Ctrl-C stops it and its error's frames are seen. Returns true and a list of the
-- results (n of them), or false and the error.
function Session:protect(f, ...)
  errors.forget()
  local mark, watcher = scope.mark(), core.on_catch
  core.on_catch = errors.see
  check(C.lt_interrupt_watch(true))
  local ok, results = pack(xpcall(f, errors.see, ...))
  C.lt_interrupt_watch(false)
  core.on_catch = watcher
  if not ok then
    scope.restore(mark)
    for _, restore in ipairs(core.on_raise) do restore() end
  end
  restore_names(self)
  if ok then return true, results end
  return false, results[1]
end

-- ---- results ------------------------------------------------------------------------------------

--- Gives a value the next number: _ and _n; prints it.
function Session:keep_result(value)
  self.results = self.results + 1
  rawset(_G, "_" .. self.results, value)
  rawset(_G, "_", value)
  if self.results > MOST_RESULTS then rawset(_G, "_" .. self.results - MOST_RESULTS, nil) end
end

--- Forgets all results, so that the memory they hold can be used again.
function Session:forget()
  for i = 1, self.results do rawset(_G, "_" .. i, nil) end
  rawset(_G, "_", nil)
  collectgarbage()
  collectgarbage()
end

-- Prints the values of an expression; nil alone is no result.
function Session:show(list, silent)
  for i = 1, list.n do
    local value = list[i]
    if value ~= nil then self:keep_result(value) end
    if not silent then
      local ok, text = self:protect(values.text, value)
      if ok then self.out(text[1]) else self:tell_error(text) end
    end
  end
end

-- ---- inputs -------------------------------------------------------------------------------------

-- What is appended to :save's script for an input that ran.
local function remember(self, text, is_expression)
  local first = self.results + 1
  self.log[#self.log + 1] = {text = text, expression = is_expression, result = first}
end

-- A comment or a semicolon at the end asks for silence: "x;".
local function ends_with_semicolon(text)
  local tokens = lexer.tokens(text)
  for i = #tokens, 1, -1 do
    if tokens[i].kind ~= "comment" then return tokens[i].text == ";", tokens[i].from end
  end
  return false
end

--- Runs one input of Lua. Returns true unless it failed; the error has been told.
function Session:evaluate(text)
  self.inputs[#self.inputs + 1] = text
  local name = ("=[%d]"):format(#self.inputs)
  local silent, at = ends_with_semicolon(text)
  local source = silent and text:sub(1, at - 1) .. " " .. text:sub(at + 1) or text
  local f, is_expression, kept = chunk.compile(source, name, self.reserved)
  if silent and not is_expression then f, is_expression, kept = chunk.compile(text, name, self.reserved) end
  if not f then
    errors.forget()
    self:tell_error(is_expression)
    return false
  end
  local ok, results = self:protect(f)
  if not ok then
    self:tell_error(results)
    return false
  end
  for _, hidden in ipairs(kept) do
    self:say("%s", style.paint("dim", ("local '%s' hides a name that Lua and luatrain use: it is gone after "
      .. "this input"):format(hidden)))
  end
  remember(self, text, is_expression and results.n > 0)
  self:show(results, silent)
  return true
end

--- Runs a file in the session. Returns true unless it failed; the error has been told.
function Session:run_file(path, ...)
  local f, e = chunk.load_file(path)
  if not f then
    errors.forget()
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

--- The session as a script that does the same again: the inputs that ran, expressions printed.
function Session:script()
  local lines, results = {"-- A session of luatrain, saved " .. os.date "%Y-%m-%d %H:%M" .. "."},
    uses_results(self.log)
  for _, entry in ipairs(self.log) do
    if not entry.expression then
      lines[#lines + 1] = entry.text
    else
      local silent, at = ends_with_semicolon(entry.text)
      local text = silent and entry.text:sub(1, at - 1) or entry.text
      if not text:find "\n" then text = text:gsub("%s*%-%-[^\"'%]]*$", "") end
      local name = "_" .. entry.result
      if results then lines[#lines + 1] = ("_ = %s\n%s = _"):format(text, name) end
      if not silent then lines[#lines + 1] = ("print(%s)"):format(results and name or text) end
      if silent and not results then lines[#lines + 1] = ("do local _ = %s end"):format(text) end
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

-- ---- modules ------------------------------------------------------------------------------------

--- Lets `require` of the user's own modules compile them so that their loops can be interrupted.
function session.watch_modules()
  table.insert(package.loaders, 2, function(name)
    local path = package.searchpath(name, package.path)
    if not path or name:find "^luatrain%f[.%z]" then return nil end
    local f, e = chunk.load_file(path)
    if not f then error(e, 0) end
    return f
  end)
end

return session
