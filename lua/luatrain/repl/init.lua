--- The REPL: `luatrain` without arguments. On a terminal it reads inputs with a line editor, keeps a
-- history and never ends for an error; without a terminal, standard input is a script.
local ffi = require "ffi"
local core = require "luatrain.core"
local fs = require "luatrain.fs"
local commands = require "luatrain.repl.commands"
local history = require "luatrain.repl.history"
local reader = require "luatrain.repl.reader"
local sessions = require "luatrain.repl.session"
local style = require "luatrain.repl.style"
local terminal = require "luatrain.terminal"
local texts = require "luatrain.text"
local C, check = core.C, core.check

local repl = {}

local PROMPT, MORE = "lt> ", "..> "

-- ---- one input ----------------------------------------------------------------------------------

local function defined(name) return rawget(_G, name) ~= nil end

--- Does what an input asks for: a command, a question or Lua. Returns "quit", "continue" or "skip"
-- where the session ends by it.
function repl.handle(session, text)
  if not text:find "%S" then return nil end
  if text:find "^%s*:%a" and not text:find "^%s*::" then return (commands.run(session, text)) end
  local name = reader.question(text)
  if name then return commands.explain(session, name) and nil end
  local word = text:match "^%s*(%a+)%s*%(?%s*%)?%s*$"
  if (word == "quit" or word == "exit") and not defined(word) then return "quit" end
  if text:match "^%s*help%s*$" then return commands.run(session, ":help") end
  session:evaluate((text:gsub("^%s*=", " ")))  -- "=x", as Lua 5.1's own prompt wants it
end

-- ---- on a terminal ------------------------------------------------------------------------------

-- The startup file: errors in it are told and change nothing else.
local function run_startup_file(session)
  local folder = history.xdg("CONFIG", ".config")
  local path = folder and fs.join(folder, "init.lua")
  if path and fs.is_file(path) then session:run_file(path) end
end

-- Puts the cursor at the beginning of a line where what ran left it behind text: a mark and as many
-- spaces as the line is long fold onto the next line only then.
local function fresh_line()
  if not terminal.smart() then return end
  io.stdout:flush()
  io.stdout:write(style.paint("mark", "%"), (" "):rep(terminal.columns() - 1), "\r\27[K")
end

-- Reads and does inputs until one ends the session; returns which: "quit", "continue" or "skip".
local function loop(session, input)
  local past = input.history
  local prompt = session.prompt or PROMPT
  local more = (" "):rep(#prompt - #MORE) .. MORE
  while true do
    local what, text = input:read(prompt, more)
    if what == "end" then return "quit" end
    if what == "input" then
      past:add(text)
      if past.problem and not session.told then
        session.told = true
        session:note("the history is not kept: %s", past.problem)
      end
      local ok, done = pcall(repl.handle, session, text)
      if not ok then session:recover(done) end
      io.stdout:flush()
      if ok and done then return done end
      if text:find "%S" then fresh_line() end
    end
  end
end

local function banner(session)
  local about = ("luatrain %s, %s; :help tells more, Ctrl-D leaves"):format(
    ffi.string(C.lt_build_info()):match "version=([^\n]*)", jit.version)
  session:say("%s", table.concat(texts.wrap(about, terminal.columns() - 1), "\n"))
end

-- Ctrl-C between two inputs, as when it is held down, must not end the program.
local function talk(session, input)
  check(C.lt_interrupt_spare(true))
  local ok, done = pcall(loop, session, input)
  C.lt_interrupt_spare(false)
  input:close()
  if not ok then error(done, 0) end
  return done
end

local function make_input()
  return reader.open {history = history.open(), complete = function(...)
    return require("luatrain.repl.complete").at(...)
  end}
end

--- A session on the terminal, in the middle of something else: what a paused training opens. options:
-- prompt, globals (name = value, there while it lasts), text (said at its beginning), failed (whether there
-- is a step to skip). Returns "continue", "skip" or "quit".
function repl.pause(options)
  local session = sessions.new {fresh_line = fresh_line}
  session.prompt, session.ways = options.prompt, {continue = true, skip = options.failed}
  local former = {}
  for name, value in pairs(options.globals or {}) do
    former[name] = {rawget(_G, name)}
    rawset(_G, name, value)
  end
  if options.text then session:say("%s", options.text) end
  local done = talk(session, make_input())
  for name, value in pairs(former) do rawset(_G, name, value[1]) end
  return done
end

local function interactive()
  local session = sessions.new {fresh_line = fresh_line}
  sessions.watch_modules()
  local input = make_input()
  banner(session)
  run_startup_file(session)
  talk(session, input)
  return 0
end

-- ---- without a terminal -------------------------------------------------------------------------

-- Inputs as at the prompt, one after the other, until one fails: for texts that are no Lua chunk as a
-- whole, such as lines of expressions.
local function run_inputs(session, text)
  local waiting, first, line = {}, nil, 0
  for one in (text .. "\n"):gmatch "([^\n]*)\n" do
    line = line + 1
    first = first or line
    waiting[#waiting + 1] = one
    local whole = table.concat(waiting, "\n")
    if reader.is_whole(whole) then
      local done = repl.handle(session, whole)
      if session.failed then return ("stdin:%d"):format(first) end
      if done then return nil end
      waiting, first = {}, nil
    end
  end
  local left = table.concat(waiting, "\n")
  if left:find "%S" then repl.handle(session, left) end
  return session.failed and ("stdin:%d"):format(first) or nil
end

--- Runs standard input as a script; returns the exit code. A text that is no Lua as a whole is taken
-- input by input, as at the prompt. run: function(chunk, ...) that runs a chunk as a script and returns
-- the exit code.
function repl.script(run)
  local text = io.stdin:read "*a"
  if not text then
    io.stderr:write "luatrain: standard input is closed; name a script, or see luatrain --help\n"
    return 2
  end
  text = text:gsub("^#[^\n]*", "")
  local f = loadstring(text, "=stdin")
  if f then return run(f) end
  local place = run_inputs(sessions.new(), text)
  if not place then return 0 end
  io.stderr:write("luatrain: stopped at ", place, "\n")
  return 1
end

--- `luatrain` without arguments; returns the exit code. run: as in repl.script.
function repl.main(run)
  if C.lt_terminal_columns(0) == 0 then return repl.script(run) end
  return interactive()
end

return repl
