--- Values as text. Tensors are printed by PyTorch's rules (torch/_tensor_str.py): one format for all numbers
-- of a tensor, aligned columns, the inside of large ones left out; then size, dtype and device where they
-- do not go without saying. lt.set_printoptions changes the rules.
--
--   lt.set_printoptions { precision = 2, threshold = 100, edgeitems = 2 }
--   lt.set_printoptions { profile = "full" }       -- or "short", "default"
local ffi = require "ffi"
local core = require "luatrain.core"
local C = core.C

local show = {}

local PROFILES = {
  default = { precision = 4, threshold = 1000, edgeitems = 3, linewidth = 80 },
  short = { precision = 2, threshold = 1000, edgeitems = 2, linewidth = 80 },
  full = { precision = 4, threshold = math.huge, edgeitems = 3, linewidth = 80 },
}
local rules = {}
for key, value in pairs(PROFILES.default) do rules[key] = value end

--- How tensors are printed. options: precision (4 digits behind the point), threshold (1000: with more
-- elements the inside is left out), edgeitems (3 at either end), linewidth (80, less on a narrow terminal),
-- sci_mode (true or false; default: chosen by the values), profile ("default", "short", "full").
function show.set_printoptions(options)
  local known = { precision = true, threshold = true, edgeitems = true, linewidth = true, sci_mode = true,
    profile = true }
  options = require("luatrain.options").check("set_printoptions", options, known)
  local profile = PROFILES[options.profile or "default"]
  if not profile then
    core.fail("set_printoptions: profile is '%s'; there are default, full and short",
      tostring(options.profile))
  end
  for _, name in ipairs { "precision", "threshold", "edgeitems", "linewidth" } do
    local value = options[name]
    if value ~= nil and (type(value) ~= "number" or value < 0 or value ~= value) then
      core.fail("set_printoptions: %s is %s, wanted a number from 0", name, tostring(value))
    end
  end
  if options.profile then rules.sci_mode = nil end
  for name, value in pairs(profile) do
    if options.profile then rules[name] = value end
  end
  for name, value in pairs(options) do
    if name ~= "profile" then rules[name] = value end
  end
end

--- The rules in force: {precision, threshold, edgeitems, linewidth, sci_mode}.
function show.printoptions()
  local copy = {}
  for key, value in pairs(rules) do copy[key] = value end
  return copy
end

local function line_width()
  local columns = C.lt_terminal_columns(1)
  return columns > 0 and math.max(20, math.min(rules.linewidth, columns)) or rules.linewidth
end

-- ---- elements -----------------------------------------------------------------------------------

-- Positions along a dimension that are printed, from 0; false stands for those left out.
local function visible(size, elide)
  local list, edge = {}, rules.edgeitems
  if not elide or size <= 2 * edge then
    for i = 0, size - 1 do list[#list + 1] = i end
    return list
  end
  for i = 0, edge - 1 do list[#list + 1] = i end
  list[#list + 1] = false
  for i = size - edge, size - 1 do list[#list + 1] = i end
  return list
end

local one = ffi.new "double[1]"

-- Reads the element at a row-major position. Integers of 64 bits come as text, with all their digits.
local function reader(t)
  local c = t.c
  if c.dtype == C.LT_I64 then
    local dense = t:is_contiguous() and t or t:detach():contiguous()
    local data = dense:data()
    return function(at)
      return (dense and tostring(data[at]):gsub("LL$", ""))
    end
  end
  return function(at)
    core.check(C.lt_tensor_get(one, c, at))
    return one[0]
  end
end

-- The printed elements as nested lists of values, false where some are left out; all of them also in `flat`.
local function gather(t, elide, flat)
  local c, read = t.c, reader(t)
  local function level(d, at)
    if d == c.ndim then
      local value = read(at)
      flat[#flat + 1] = value
      return value
    end
    local size = tonumber(c.shape[d])
    local list = {}
    for k, i in ipairs(visible(size, elide)) do
      list[k] = i and level(d + 1, at * size + i)
    end
    return list
  end
  return level(0, 0)
end

-- ---- numbers ------------------------------------------------------------------------------------

local function float_text(pattern, v)
  if v ~= v then return "nan" end
  if v == math.huge then return "inf" end
  if v == -math.huge then return "-inf" end
  return (pattern:format(v))
end

-- What decides the format of floating-point values: {whole, smallest, largest} of the finite ones but 0.
local function facts_of(values)
  local whole, smallest, largest = true, math.huge, 0
  local chosen = {}
  for _, v in ipairs(values) do
    local a = math.abs(v)
    if a > 0 and a < math.huge then
      chosen[#chosen + 1] = v
      if v % 1 ~= 0 then whole = false end
      smallest, largest = math.min(smallest, a), math.max(largest, a)
    end
  end
  return chosen, whole, smallest, largest
end

local function float_format(values)
  local chosen, whole, smallest, largest = facts_of(values)
  if #chosen == 0 then return function(v) return float_text("%.0f.", v) end, 1 end
  local exponents = largest / smallest > 1000 or largest > 1e8 or smallest < 1e-4
  if rules.sci_mode ~= nil then exponents = rules.sci_mode end
  local pattern = exponents and "%." .. rules.precision .. "e" or whole and "%.0f."
    or "%." .. rules.precision .. "f"
  local width = 1
  for _, v in ipairs(chosen) do width = math.max(width, #pattern:format(v)) end
  return function(v) return float_text(pattern, v) end, width
end

local function plain_format(values, dtype)
  local text
  if dtype == "bool" then
    text = function(v) return v ~= 0 and "true" or "false" end
  else
    text = function(v) return type(v) == "string" and v or ("%.0f"):format(v) end
  end
  local width = 1
  for _, v in ipairs(values) do width = math.max(width, #text(v)) end
  return text, width
end

-- A function that sets a value to the width of the widest, and that width.
local function formatter(values, dtype)
  local is_float = dtype:find "^b?f%d"
  local text, width = (is_float and float_format or plain_format)(values, dtype)
  return function(v)
    local s = text(v)
    return (" "):rep(width - #s) .. s
  end, width
end

-- ---- layout -------------------------------------------------------------------------------------

local function row(list, format, width, indent, columns)
  local cells, lines = {}, {}
  local a_line = math.max(1, math.floor((columns - indent) / (width + 2)))
  for i, v in ipairs(list) do cells[i] = v == false and " ..." or format(v) end
  for i = 1, #cells, a_line do
    lines[#lines + 1] = table.concat(cells, ", ", i, math.min(i + a_line - 1, #cells))
  end
  return "[" .. table.concat(lines, ",\n" .. (" "):rep(indent + 1)) .. "]"
end

local function nested(list, ndim, format, width, indent, columns)
  if ndim == 0 then return format(list) end
  if ndim == 1 then return row(list, format, width, indent, columns) end
  local parts = {}
  for i, inner in ipairs(list) do
    parts[i] = inner == false and "..." or nested(inner, ndim - 1, format, width, indent + 1, columns)
  end
  return "[" .. table.concat(parts, "," .. ("\n"):rep(ndim - 1) .. (" "):rep(indent + 1)) .. "]"
end

-- Adds ", dtype=i64" and the like, on a line of its own where the last one would become too long.
local function with_suffixes(text, suffixes, indent, columns)
  local last = #text - (text:find "\n[^\n]*$" or 0) + 1
  local parts = { text }
  for _, suffix in ipairs(suffixes) do
    if last + #suffix + 2 > columns then
      parts[#parts + 1] = ",\n" .. (" "):rep(indent) .. suffix
      last = indent + #suffix
    else
      parts[#parts + 1] = ", " .. suffix
      last = last + #suffix + 2
    end
  end
  return table.concat(parts) .. ")"
end

local function suffixes_of(t, elided, empty)
  local list, dtype, device = {}, t:dtype(), t.device()
  if elided or empty then list[#list + 1] = "size=" .. t:shape_text() end
  if elided or dtype ~= "f32" then list[#list + 1] = "dtype=" .. dtype end
  if elided or device ~= "cpu" then list[#list + 1] = "device=" .. device end
  if t.node then
    list[#list + 1] = "grad_fn=" .. t.node.name
  elseif t.requires_grad then
    list[#list + 1] = "requires_grad=true"
  end
  return list
end

local PREFIX = "tensor("

--- The text that print(t) shows.
function show.tensor(t)
  if t.c.storage == nil then return "tensor(released with its scope)" end
  local columns, n = line_width(), t:numel()
  if n == 0 then return with_suffixes(PREFIX .. "[]", suffixes_of(t, false, true), #PREFIX, columns) end
  local elided = n > rules.threshold
  local flat = {}
  local values = gather(t, elided, flat)
  local format, width = formatter(flat, t:dtype())
  local text = PREFIX .. nested(values, t.c.ndim, format, width, #PREFIX, columns)
  return with_suffixes(text, suffixes_of(t, elided), #PREFIX, columns)
end

-- ---- small texts that summaries are made of --------------------------------------------------------

--- A whole number with its thousands apart: "1,234,567".
function show.count(n)
  local text = ("%.0f"):format(n)
  local count
  repeat
    text, count = text:gsub("^(%-?%d+)(%d%d%d)", "%1,%2")
  until count == 0
  return text
end

--- "1 sample", "1,200 samples".
function show.plural(n, noun)
  return ("%s %s%s"):format(show.count(n), noun, n == 1 and "" or noun:find "tch$" and "es" or "s")
end

--- A sample's or batch's fields: "audio (16000) f32, label number".
function show.fields(sample)
  local parts = {}
  for _, key in ipairs(core.sorted_keys(sample)) do
    local value = sample[key]
    local about = type(value)
    if type(value) == "table" and value.c and value.shape_text then
      about = value:shape_text() .. " " .. value:dtype()
    end
    parts[#parts + 1] = tostring(key) .. " " .. about
  end
  return table.concat(parts, ", ")
end

--- A table of tensors by name, as a state_dict: how many, how large, and the first of them.
function show.state(state)
  local names, elements, bytes = {}, 0, 0
  for name, t in pairs(state) do
    if type(t) == "table" and t.c then
      names[#names + 1] = name
      elements, bytes = elements + t:numel(), bytes + t:numel() * C.lt_dtype_size(t.c.dtype)
    end
  end
  table.sort(names)
  local lines = { ("%s, %s, %s"):format(show.plural(#names, "tensor"), show.plural(elements, "element"),
    require("luatrain.text").bytes(bytes)) }
  for i, name in ipairs(names) do
    if i > 10 then
      lines[#lines + 1] = ("  ... and %d more"):format(#names - 10)
      break
    end
    lines[#lines + 1] = ("  %-36s %s %s"):format(name, state[name]:shape_text(), state[name]:dtype())
  end
  return table.concat(lines, "\n")
end

--- What gives a table of tensors its text; its names are still those of the tensors alone.
show.State = { __tostring = show.state, __name = "state" }

return show
