-- The REPL in a terminal (see screen.lua), typed to and read as a person would.
local fs = require "luatrain.fs"
local process = require "luatrain.process"
local program = require "program"
local screen = require "screen"

local terminal = {available = screen.available(), close_all = screen.close_all}

local Terminal = setmetatable({}, {__index = screen.Screen})
Terminal.__index = Terminal
Terminal.shown = screen.Screen.all

--- Starts luatrain in a terminal of its own. options: columns (100), rows (30), env = {NAME = value},
-- args (list), home (a folder; default: a fresh one), term, command (instead of luatrain, run by sh).
function terminal.open(options)
  options = options or {}
  local home = options.home or fs.mkdir(fs.join(program.folder(), "home"))
  local env = {HOME = home, XDG_STATE_HOME = fs.join(home, "state"), PS1 = "shell> ",
    XDG_CONFIG_HOME = fs.join(home, "config"), LANG = "C.UTF-8", LUATRAIN_PATH = program.library(),
    TERM = options.term}
  for key, value in pairs(options.env or {}) do env[key] = value end
  local run = options.command or program.quoted {program.path, unpack(options.args or {})}
  run = ("cd %s && trap : INT QUIT; %s; echo \"ended with $?\"; exec sleep 1000"):format(
    program.quoted {home}, run)
  local self = screen.open({"sh", "-c", run}, {columns = options.columns or 100, rows = options.rows or 30,
    env = env, class = Terminal})
  self.home = home
  return self
end

--- The same, when its prompt is there.
function terminal.start(options) return terminal.open(options):wait_prompt() end

--- Waits until the last line of the screen begins with a text: a prompt that wants input.
function Terminal:wait_prompt(prompt)
  prompt = prompt or "lt>"
  return self:wait(function(shown)
    return shown:match "([^\n]*)$":gsub("%s+$", "") == prompt
  end)
end

--- Pastes text as the terminal does, between marks where the program has asked for them.
function Terminal:paste(text)
  self:tmux("set-buffer", "-b", "test", "--", text)
  self:tmux("paste-buffer", "-p", "-d", "-b", "test")
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
  self:tmux("resize-window", "-x", columns, "-y", rows)
  return self
end

--- Sends luatrain in the terminal a signal: "KILL", "TERM".
function Terminal:signal(name)
  local shell = self:tmux("display-message", "-p", "#{pane_pid}"):match "%d+"
  assert(process.run({"pkill", "-" .. name, "-P", shell, "luatrain"}).ok)
  return self
end

return terminal
