-- A terminal to test in: a program inside tmux, which types keys and reads the screen. What is waited for is
-- text on the screen, never a time, so that a slow machine only takes longer.
local ffi = require "ffi"
local core = require "luatrain.core"
local process = require "luatrain.process"
local program = require "program"

ffi.cdef "int usleep(unsigned microseconds);"

local Screen = {}
Screen.__index = Screen

local screen = {Screen = Screen}

-- Seconds until a text that does not come is an error.
local PATIENCE = tonumber(os.getenv "LUATRAIN_TEST_PATIENCE") or 60

--- Whether tests in a terminal can run here.
function screen.available() return process.which "tmux" ~= nil end

function Screen:tmux(...)
  -- the server outlives the call: it must not hold files open that this process was given, such as locks
  local pipe = io.popen(program.quoted { "tmux", "-L", self.socket, "-f", "/dev/null", ... }
    .. " 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-")
  local text = pipe:read "*a"
  pipe:close()
  return text
end

local count, opened = 0, {}

--- Starts a program (a list of words) in a terminal. options: columns (80), rows (24), env = {NAME = value},
-- without = names that are not to be in the environment, class (instead of screen.Screen).
function screen.open(words, options)
  options = options or {}
  count = count + 1
  local socket = ("luatrain-test-%d-%d"):format(core.C.lt_getpid(), count)
  local self = setmetatable({ socket = socket }, options.class or Screen)
  local env = { "env", "-u", "TMUX", "-u", "NO_COLOR", "-u", "COLORTERM" }
  for _, name in ipairs(options.without or {}) do
    env[#env + 1] = "-u"
    env[#env + 1] = name
  end
  for name, value in pairs(options.env or {}) do env[#env + 1] = name .. "=" .. value end
  for _, word in ipairs(words) do env[#env + 1] = word end
  self:tmux("new-session", "-d", "-x", tostring(options.columns or 80), "-y", tostring(options.rows or 24),
    "exec " .. program.quoted(env))
  opened[#opened + 1] = self
  return self
end

--- Types text as it is.
function Screen:type(text)
  self:tmux("send-keys", "-l", "--", text)
  return self
end

--- Presses keys by tmux's names: "Enter", "Tab", "C-c", "M-Enter".
function Screen:keys(...)
  self:tmux("send-keys", ...)
  return self
end

local function without_blanks(text) return (text:gsub("[ \t]+\n", "\n"):gsub("%s+$", "")) end

--- What is on the screen: lines joined, without what is empty at their ends. styled: as it is, with colour
-- sequences.
function Screen:read(styled)
  if styled then return self:tmux("capture-pane", "-p", "-e") end
  return without_blanks(self:tmux("capture-pane", "-p"))
end

--- The same with what has scrolled away.
function Screen:all() return without_blanks(self:tmux("capture-pane", "-p", "-S", "-")) end

-- What wait looks at.
Screen.shown = Screen.read

--- Waits until `check` holds: a text that is shown, or a function of what is shown. Returns the screen.
function Screen:wait(check)
  local till = core.C.lt_time() + PATIENCE
  repeat
    local shown = self:shown()
    if type(check) == "string" and shown:find(check, 1, true) then return self end
    if type(check) == "function" and check(shown) then return self end
    ffi.C.usleep(20000)
  until core.C.lt_time() > till
  error(("waited in vain for %s; the screen is:\n%s"):format(type(check) == "string" and "'" .. check .. "'"
    or "a condition", self:read()), 2)
end

function Screen:close() self:tmux "kill-server" end

--- Closes all that are open; for after_each.
function screen.close_all()
  for _, one in ipairs(opened) do one:close() end
  opened = {}
end

return screen
