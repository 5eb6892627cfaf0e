--- Failures with an exit code. What is raised here reads as its message wherever a string is
-- wanted, and tells the command line which code to end with.
local core = require "luatrain.core"
local C = core.C

local failure = {}

--- Exit codes by the kind of failure.
failure.codes = {
  run = 1,        -- the run failed
  usage = 2,      -- the command line
  config = 3,     -- a setting, a config file or a recipe
  data = 4,       -- input data
  io = 5,         -- reading or writing, disk full
  device = 6,
  diverged = 7,   -- NaN or Inf loss
  requeue = 75,   -- checkpointed, wants to be started again
  interrupt = 130,
  terminate = 143,
}

local Failure = {}
Failure.__index = Failure
Failure.__tostring = function(self) return self.message end
Failure.__concat = function(a, b) return tostring(a) .. tostring(b) end

--- Makes a failure without raising it: kind (a key of failure.codes), message.
function failure.new(kind, message)
  return setmetatable({kind = kind, code = assert(failure.codes[kind], kind), message = message}, Failure)
end

--- Raises a failure. kind: a key of failure.codes; the rest goes to string.format.
function failure.raise(kind, format, ...)
  error(failure.new(kind, select("#", ...) > 0 and format:format(...) or format), 0)
end

--- The failure inside an error value, or nil where it is a plain Lua error.
function failure.of(e)
  if getmetatable(e) == Failure then return e end
  return nil
end

local KINDS = {
  [C.LT_ERR_IO] = "io", [C.LT_ERR_FORMAT] = "data", [C.LT_ERR_DEVICE] = "device",
  [C.LT_ERR_INTERRUPTED] = "interrupt",
}

--- The kind of an error value, a key of failure.codes: a failure's own, or that of the C status it was
-- raised for; nil for all others: mistakes in a program, refused arguments, no memory.
function failure.kind(e)
  local known = failure.of(e)
  if known then return known.kind end
  if type(e) == "string" and core.text and core.text ~= "" and e:find(core.text, 1, true) then
    return KINDS[core.status]
  end
end

--- Calls f(...); where it fails with a plain error, raises it again as a failure of `kind` that
-- begins with `prefix`, which tells where; with "" the line of the code that is in the error does. Failures
-- pass unchanged.
function failure.wrap(kind, prefix, f, ...)
  local function check(ok, ...)
    if ok then return ... end
    local e = ...
    if failure.of(e) then error(e, 0) end
    error(failure.new(kind, prefix == "" and tostring(e) or prefix .. core.message(e)), 0)
  end
  return check(core.protect(f, ...))
end

--- "; did you mean X?" for the nearest of names, or "".
function failure.suggest(name, names, prefix)
  local found = core.nearest(name, names)
  return found and ("; did you mean %s%s?"):format(prefix or "", found) or ""
end

return failure
