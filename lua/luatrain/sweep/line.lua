--- Messages between a sweep's parent and a trial's process: lines of JSON over a socket.
--
--   parent -> child  {"begin": {...}}   {"value": n}   {"prune": true}   {"error": "..."}
--   child -> parent  {"suggest": name, "distribution": "..."}   {"report": value, "step": n}
--                    {"done": [...]}   {"pruned": true}   {"failed": "...", "code": n}
--
-- Numbers that are not finite travel as texts ("nan").
local ffi = require "ffi"
local core = require "luatrain.core"
local json = require "luatrain.json"
local C, check = core.C, core.check

local Line = {}
Line.__index = Line
local line = {}

-- A message longer than this is no message of ours.
local LONGEST = 4 * 1024 * 1024

--- A line over a descriptor: C.LT_LINE_CHILD in a child, what lt_process_start_talking gave in a parent.
function line.over(descriptor)
  return setmetatable({descriptor = descriptor, rest = "", buffer = ffi.new "char[65536]"}, Line)
end

--- A number as it travels.
function line.number(x)
  if x ~= x or math.abs(x) == math.huge then return tostring(x) end
  return x
end

--- A text as one line that JSON and databases take, of at most 1000 bytes: what a trial said may hold
-- anything.
function line.clean(text)
  text = text:sub(1, 1000):gsub("%c+", " ")
  return json.is_utf8(text) and text or (text:gsub("[\128-\255]", "?"))
end

--- Sends a message. Raises where the other end is gone.
function Line:send(message)
  local text = json.encode(message, {pretty = false}) .. "\n"
  check(C.lt_line_write(self.descriptor, text, #text))
end

--- Reads what has come, waiting for something where nothing has. Returns a list of whole messages (perhaps
-- empty), and whether the other end is gone.
function Line:receive()
  local got = ffi.new "int64_t[1]"
  check(C.lt_line_read(self.descriptor, self.buffer, 65536, got))
  local n = tonumber(got[0])
  if n == 0 then return {}, true end
  self.rest = self.rest .. ffi.string(self.buffer, n)
  if #self.rest > LONGEST then core.fail("a trial sent a line without end") end
  local messages, from = {}, 1
  while true do
    local at = self.rest:find("\n", from, true)
    if not at then break end
    messages[#messages + 1] = json.decode(self.rest:sub(from, at - 1), {name = "message of a trial"})
    from = at + 1
  end
  self.rest = self.rest:sub(from)
  return messages, false
end

--- The next message, waiting for it; nil where the other end is gone. For the side that asks and waits.
function Line:next()
  while true do
    local messages, gone = self:receive()
    if messages[1] then return messages[1] end
    if gone then return nil end
  end
end

function Line:close()
  C.lt_line_close(self.descriptor)
  self.descriptor = -1
end

return line
