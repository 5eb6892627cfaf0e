--- The history: what was typed, in this session and in former ones. One input a line in a file that
-- several sessions write to; an input is in the file before it runs, so that nothing is lost with the
-- session, however it ends.
local core = require "luatrain.core"
local fs = require "luatrain.fs"
local C, check = core.C, core.check

local History = {}
History.__index = History

local history = {}

local KEEP_BYTES = 2 * 1024 * 1024  -- the file is shortened to this when it has twice as many

--- The directory that XDG names for a purpose: xdg("STATE", ".local/state") + "/luatrain"; nil where
-- there is no home.
function history.xdg(kind, below_home)
  local base = os.getenv("XDG_" .. kind .. "_HOME")
  if not base or base:sub(1, 1) ~= "/" then  -- the specification: relative paths are ignored
    local home = os.getenv "HOME"
    if not home or home == "" then return nil end
    base = fs.join(home, below_home)
  end
  return fs.join(base, "luatrain")
end

--- An input as a line of the file, and back. Line ends are written \n, backslashes \\.
function history.encode(text) return (text:gsub("\\", "\\\\"):gsub("\n", "\\n")) end

function history.decode(line)
  return (line:gsub("\\(.)", function(c) return c == "n" and "\n" or c end))
end

local function read(path)
  local entries = {}
  if not fs.exists(path) then return entries end
  for line in (fs.read(path, 64 * 1024 * 1024) .. "\n"):gmatch "([^\n]*)\n" do
    if line ~= "" then
      local text = history.decode(line)
      if text ~= entries[#entries] then entries[#entries + 1] = text end
    end
  end
  return entries
end

--- Opens the history of a file (default: $XDG_STATE_HOME/luatrain/history). A file that cannot be used
-- is no reason to fail: history.problem tells why nothing will be kept.
function history.open(path)
  local self = setmetatable({entries = {}}, History)
  local directory = not path and history.xdg("STATE", ".local/state")
  self.path = path or directory and fs.join(directory, "history")
  if not self.path then
    self.problem = "no home directory"
    return self
  end
  local ok, e = pcall(function()
    fs.mkdir(fs.dirname(self.path))
    check(C.lt_shared_shorten(self.path, KEEP_BYTES))
    self.entries = read(self.path)
  end)
  if not ok then self.problem = core.message(e) end
  return self
end

--- Adds an input, also to the file. Inputs that begin with a space, and repetitions, are left out.
function History:add(text)
  if text:find "^ " or not text:find "%S" or text == self.entries[#self.entries] then return end
  self.entries[#self.entries + 1] = text
  if not self.path or self.problem then return end
  local line = history.encode(text) .. "\n"
  if C.lt_shared_append(self.path, line, #line) ~= 0 then
    self.problem = require("ffi").string(C.lt_error())
  end
end

--- The number of the latest entry before `from` that contains `words`, or nil.
function History:find(words, from)
  for i = math.min(from - 1, #self.entries), 1, -1 do
    if self.entries[i]:find(words, 1, true) then return i end
  end
end

return history
