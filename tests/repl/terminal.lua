-- A terminal for tests: luatrain in tmux, typed to and read as a person would. What is waited for is
-- text on the screen, never a time, so that a slow machine only takes longer.
local ffi = require "ffi"
local core = require "luatrain.core"
local fs = require "luatrain.fs"
local process = require "luatrain.process"
local program = require "program"

ffi.cdef "int usleep(unsigned microseconds);"

local terminal = {available = process.which "tmux" ~= nil}

local Terminal = {}
Terminal.__index = Terminal

-- Seconds until a text that does not come is an error.
local PATIENCE = tonumber(os.getenv "LUATRAIN_TEST_PATIENCE") or 60
local count = 0

local function quoted(word) return "'" .. tostring(word):gsub("'", "'\\''") .. "'" end

-- Runs tmux; its output.
local function tmux(self, ...)
  local words = {"tmux", "-L", self.name, "-f", "/dev/null"}
  for i = 1, select("#", ...) do words[#words + 1] = quoted((select(i, ...))) end
  -- the server outlives the call: it must not keep files open that this process was given
  local pipe = assert(io.popen(table.concat(words, " ") .. " 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-"))
  local text = pipe:read "*a"
  pipe:close()
  return text
end

--- Starts luatrain in a terminal of its own. options: columns (100), rows (30), env = {NAME = value},
-- args (list), home (a folder; default: a fresh one), term, command (instead of luatrain, run by sh).
function terminal.open(options)
  options = options or {}
  count = count + 1
  local name = ("luatrain-repl-%d-%d"):format(core.C.lt_getpid(), count)
  local self = setmetatable({name = name}, Terminal)
  self.home = options.home or fs.mkdir(fs.join(program.folder(), "home"))
  local env = {HOME = self.home, XDG_STATE_HOME = fs.join(self.home, "state"), PS1 = "shell> ",
    XDG_CONFIG_HOME = fs.join(self.home, "config"), LANG = "C.UTF-8"}
  local disk = os.getenv "LUATRAIN_PATH"  -- relative to the checkout, while the session is elsewhere
  if disk then env.LUATRAIN_PATH = disk:find "^/" and disk or program.here(disk) end
  for key, value in pairs(options.env or {}) do env[key] = value end
  local words = {"cd", quoted(options.directory or self.home), "&&", "exec", "env"}
  if options.term then env.TERM = options.term end
  for key, value in pairs(env) do words[#words + 1] = key .. "=" .. quoted(value) end
  local args = {}
  for i, arg in ipairs(options.args or {}) do args[i] = quoted(arg) end
  local run = options.command or quoted(program.path) .. " " .. table.concat(args, " ")
  run = "trap : INT QUIT; " .. run .. '; echo "ended with $?"; exec sleep 1000'
  words[#words + 1] = "sh -c " .. quoted(run)
  local answer = tmux(self, "new-session", "-d", "-x", options.columns or 100, "-y", options.rows or 30,
    table.concat(words, " "))
  assert(not answer:find "%S", answer)
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
    local screen = self:all()
    if type(check) == "string" and screen:find(check, 1, true) then return self end
    if type(check) == "function" and check(screen) then return self end
    ffi.C.usleep(20000)
  until core.C.lt_time() > till
  error(("waited in vain for %s; the screen is:\n%s"):format(type(check) == "string" and "'" .. check .. "'"
    or "a condition", self:screen()), 2)
end

--- Waits until the last line of the screen begins with a text: a prompt that wants input.
function Terminal:wait_prompt(prompt)
  prompt = prompt or "lt>"
  return self:wait(function(screen)
    return screen:match "([^\n]*)$":gsub("%s+$", "") == prompt
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
  self:wait(function(screen) return #screen > #before and screen:sub(#before + 1):find("\n", 1, true) end)
  if expected then self:wait(expected) end
  self:wait_prompt()
  return self:all()
end

function Terminal:resize(columns, rows)
  tmux(self, "resize-window", "-x", columns, "-y", rows)
  return self
end

--- The process number of what runs in the terminal.
function Terminal:pid()
  return tonumber(tmux(self, "display-message", "-p", "#{pane_pid}"):match "%d+")
end

function Terminal:cursor()
  return tmux(self, "display-message", "-p", "#{cursor_x},#{cursor_y}"):match "[%d,]+"
end

function Terminal:close() tmux(self, "kill-server") end

return terminal
