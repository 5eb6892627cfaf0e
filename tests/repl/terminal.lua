-- The REPL in a terminal (see screen.lua), typed to and read as a person would. What is waited for is text
-- on the screen, never a time, so that a slow machine only takes longer.
local ffi = require "ffi"
local core = require "luatrain.core"
local fs = require "luatrain.fs"
local process = require "luatrain.process"
local program = require "program"
local screen = require "screen"

ffi.cdef "int usleep(unsigned microseconds);"

local terminal = {available = screen.available()}

local Terminal = {}
Terminal.__index = Terminal

-- Seconds until a text that does not come is an error.
local PATIENCE = tonumber(os.getenv "LUATRAIN_TEST_PATIENCE") or 60

local function quoted(word) return "'" .. tostring(word):gsub("'", "'\\''") .. "'" end

local function tmux(self, ...) return self.terminal:tmux(...) end

--- Starts luatrain in a terminal of its own. options: columns (100), rows (30), env = {NAME = value},
-- args (list), home (a folder; default: a fresh one), term, command (instead of luatrain, run by sh).
function terminal.open(options)
  options = options or {}
  local self = setmetatable({}, Terminal)
  self.home = options.home or fs.mkdir(fs.join(program.folder(), "home"))
  local env = {HOME = self.home, XDG_STATE_HOME = fs.join(self.home, "state"), PS1 = "shell> ",
    XDG_CONFIG_HOME = fs.join(self.home, "config"), LANG = "C.UTF-8", LUATRAIN_PATH = program.library(),
    TERM = options.term}
  for key, value in pairs(options.env or {}) do env[key] = value end
  local args = {}
  for i, arg in ipairs(options.args or {}) do args[i] = quoted(arg) end
  local run = options.command or quoted(program.path) .. " " .. table.concat(args, " ")
  run = ("cd %s && trap : INT QUIT; %s; echo \"ended with $?\"; exec sleep 1000"):format(
    quoted(options.directory or self.home), run)
  self.terminal = screen.open({"sh", "-c", run}, {columns = options.columns or 100, rows = options.rows or 30,
    env = env})
  return self
end

--- What the screen shows: lines joined by line ends, without trailing blanks.
function Terminal:screen()
  return (tmux(self, "capture-pane", "-p"):gsub("[ \t]+\n", "\n"):gsub("%s+$", ""))
end

--- The same with what has scrolled away.
function Terminal:all()
  return (tmux(self, "capture-pane", "-p", "-S", "-"):gsub("[ \t]+\n", "\n"):gsub("%s+$", ""))
end

--- Waits until `check` holds: a text that stands on the screen (or in what scrolled away), or a function
-- of the screen's text. Returns the terminal.
function Terminal:wait(check, seconds)
  local till = core.C.lt_time() + (seconds or PATIENCE)
  repeat
    local shown = self:all()
    if type(check) == "string" and shown:find(check, 1, true) then return self end
    if type(check) == "function" and check(shown) then return self end
    ffi.C.usleep(20000)
  until core.C.lt_time() > till
  error(("waited in vain for %s; the screen is:\n%s"):format(type(check) == "string" and "'" .. check .. "'"
    or "a condition", self:screen()), 2)
end

--- Waits until the last line of the screen begins with a text: a prompt that wants input.
function Terminal:wait_prompt(prompt)
  prompt = prompt or "lt>"
  return self:wait(function(shown)
    return shown:match "([^\n]*)$":gsub("%s+$", "") == prompt
  end)
end

--- Types text as it stands.
function Terminal:type(text)
  tmux(self, "send-keys", "-l", "--", text)
  return self
end

--- Presses keys by tmux's names: "Enter", "C-c", "Up", "M-Enter".
function Terminal:keys(...)
  tmux(self, "send-keys", ...)
  return self
end

--- Pastes text as the terminal does, between marks where the program has asked for them.
function Terminal:paste(text)
  tmux(self, "set-buffer", "-b", "test", "--", text)
  tmux(self, "paste-buffer", "-p", "-d", "-b", "test")
  return self
end

--- Types an input at the prompt, waits for what it shows and for the next prompt; the screen's text.
function Terminal:run(input, expected)
  self:wait_prompt()
  local before = self:all()
  self:type(input):keys "Enter"
  self:wait(function(shown) return #shown > #before and shown:sub(#before + 1):find("\n", 1, true) end)
  if expected then self:wait(expected) end
  self:wait_prompt()
  return self:all()
end

function Terminal:resize(columns, rows)
  tmux(self, "resize-window", "-x", columns, "-y", rows)
  return self
end

--- Sends luatrain in the terminal a signal: "KILL", "TERM".
function Terminal:signal(name)
  local shell = tmux(self, "display-message", "-p", "#{pane_pid}"):match "%d+"
  assert(process.run({"pkill", "-" .. name, "-P", shell, "luatrain"}).ok)
  return self
end

function Terminal:close() self.terminal:close() end

return terminal
