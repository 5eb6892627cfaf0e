-- A terminal to test in: a program inside tmux, which types keys and reads the screen.
local core = require "luatrain.core"
local process = require "luatrain.process"

local screen = {}

local Screen = {}
Screen.__index = Screen

local function quoted(words)
  local list = {}
  for i, word in ipairs(words) do list[i] = "'" .. tostring(word):gsub("'", "'\\''") .. "'" end
  return table.concat(list, " ")
end

--- Whether tests in a terminal can run here.
function screen.available() return process.which "tmux" ~= nil end

local count = 0

function Screen:tmux(...)
  -- the server outlives the call: it must not hold files open that this process was given, such as locks
  local pipe = io.popen(quoted { "tmux", "-L", self.socket, "-f", "/dev/null", ... }
    .. " 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-")
  local text = pipe:read "*a"
  pipe:close()
  return text
end

--- Starts a program (a list of words) in a terminal. options: columns (80), rows (24), env = {NAME = value},
-- without = names that are not to be in the environment.
function screen.open(words, options)
  options = options or {}
  count = count + 1
  local self = setmetatable({ socket = ("luatrain-test-%d-%d"):format(core.C.lt_getpid(), count) }, Screen)
  local env = { "env", "-u", "TMUX", "-u", "NO_COLOR", "-u", "COLORTERM" }
  for _, name in ipairs(options.without or {}) do
    env[#env + 1] = "-u"
    env[#env + 1] = name
  end
  for name, value in pairs(options.env or {}) do env[#env + 1] = name .. "=" .. value end
  for _, word in ipairs(words) do env[#env + 1] = word end
  self:tmux("new-session", "-d", "-x", tostring(options.columns or 80), "-y", tostring(options.rows or 24),
    "exec " .. quoted(env))
  return self
end

--- Types text as it is.
function Screen:type(text) self:tmux("send-keys", "-l", "--", text) end

--- Presses keys by tmux's names: "Enter", "Tab", "C-c".
function Screen:press(...) self:tmux("send-keys", ...) end

--- What is on the screen: lines joined, without what is empty at their ends. styled: with colour sequences.
function Screen:read(styled)
  return styled and self:tmux("capture-pane", "-p", "-e") or self:tmux("capture-pane", "-p")
end

--- Waits until the screen holds a plain text; returns the screen, and whether it came in time (10 s).
function Screen:wait(text, seconds)
  local finish = core.C.lt_time() + (seconds or 10)
  repeat
    local now = self:read()
    if now:find(text, 1, true) then return now, true end
    process.run { "sleep", "0.03" }
  until core.C.lt_time() > finish
  return self:read(), false
end

function Screen:close() self:tmux "kill-server" end

return screen
