--- The border to C: the namespace, and errors raised where the user's code is.
local ffi = require "ffi"

ffi.cdef "const char *lt_cdef(void);"
local C = ffi.C
ffi.cdef((ffi.string(C.lt_cdef()):gsub("const char %*lt_cdef%(void%);", "")))
assert(C.lt_abi() == C.LT_ABI and C.lt_sizeof_tensor() == ffi.sizeof "lt_tensor",
  "luatrain: the library and its Lua sources are of different versions; build again")

local core = { C = C, status = 0 }

local disk = os.getenv "LUATRAIN_PATH"

--- Whether a chunk (debug.getinfo's source) is the library's: embedded, read from LUATRAIN_PATH, or made by
-- op.define.
function core.is_library(source)
  local path = source:match "^@(.*)$"
  if not path then return false end
  if disk and path:sub(1, #disk + 10) == disk .. "/luatrain/" then return true end
  return path:find "^luatrain/op/[%w_]+$" ~= nil or C.lt_embedded_text(path, ffi.new "int64_t[1]") ~= nil
end

-- Position of the innermost caller outside the library: "script.lua:12: ", or "".
local function user_position()
  for level = 3, 60 do
    local info = debug.getinfo(level, "Sl")
    if not info then break end
    if info.what ~= "C" and info.currentline > 0 and not core.is_library(info.source) then
      return info.short_src .. ":" .. info.currentline .. ": "
    end
  end
  return ""
end

-- Called with every error raised here; autograd restores its mode through it.
core.on_raise = {}

local function raise(text, status)
  core.status, core.text = status, text
  for _, restore in ipairs(core.on_raise) do restore() end
  error(user_position() .. text, 0)
end

-- Shows an error to who wants to see the stack it came from, before that is unwound.
local function show_error(e)
  if core.on_catch then core.on_catch(e) end
  return e
end

--- pcall for library code that cleans up and raises again: a session that wants to show the locals of
-- the error's frames is told of the error in time, through core.on_catch(e).
function core.protect(f, ...)
  return xpcall(f, show_error, ...)
end

--- Raises lt_error() at the user's line unless `status` is LT_OK.
function core.check(status)
  if status ~= 0 then raise(ffi.string(C.lt_error()), status) end
end

--- Raises a formatted sentence at the user's line.
function core.fail(format, ...)
  raise(select("#", ...) > 0 and format:format(...) or format, C.LT_ERR_ARGUMENT)
end

--- The same with a status that decides the exit code: "io", "format", "device", "memory".
local codes = { io = C.LT_ERR_IO, format = C.LT_ERR_FORMAT, device = C.LT_ERR_DEVICE,
  memory = C.LT_ERR_MEMORY, argument = C.LT_ERR_ARGUMENT }
function core.fail_as(kind, format, ...)
  raise(select("#", ...) > 0 and format:format(...) or format, codes[kind])
end

--- The sentence of an error caught with pcall, without the position in front of it.
function core.message(e)
  local text = core.text
  if type(e) == "string" and text and #text <= #e and e:sub(-#text) == text then return text end
  return tostring(e)
end

-- How many letters must be left out, put in, changed, or exchanged with their neighbours to make b of a.
local function edits(a, b)
  local earlier, previous
  local current = {}
  for j = 0, #b do current[j] = j end
  for i = 1, #a do
    earlier, previous, current = previous, current, { [0] = i }
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      current[j] = math.min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + cost)
      local exchanged = i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j)
      if exchanged then current[j] = math.min(current[j], earlier[j - 2] + 1) end
    end
  end
  return current[#b]
end

--- The name in `names` (a list) that is nearest to `name` by edits, or nil.
function core.nearest(name, names)
  local best, best_distance
  for _, candidate in ipairs(names) do
    local distance = edits(name, candidate)
    if not best or distance < best_distance then best, best_distance = candidate, distance end
  end
  local most = math.min(math.max(2, math.floor(#name / 3)), #name - 1)  -- not all of it
  if best and best_distance <= most then return best end
end

--- The keys of a table, in order.
function core.sorted_keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

--- Embedded module names below a prefix: modules("luatrain.ops.") -> {"luatrain.ops.arith", ...}.
function core.modules(prefix)
  local list, seen = {}, {}
  local i = 0
  while true do
    local name = C.lt_embedded_name(i)
    if name == nil then break end
    local module = ffi.string(name):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")
    if module:sub(1, #prefix) == prefix and not seen[module] then
      seen[module] = true
      list[#list + 1] = module
    end
    i = i + 1
  end
  table.sort(list)
  return list
end

return core
