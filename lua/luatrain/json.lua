--- Strict JSON (RFC 8259) with numbers that survive: a double written and read again is the same bits.
-- Used for configs, histories and manifests. Objects are written with sorted keys, so equal tables
-- give equal bytes. Refused: duplicate keys, text after the value, comments, trailing commas, bad
-- UTF-8, lone surrogates, numbers beyond the range of a double, nesting deeper than 200.
local core = require "luatrain.core"
local fs = require "luatrain.fs"

local json = {}

local byte, find, format, sub = string.byte, string.find, string.format, string.sub
local concat, sort = table.concat, table.sort

local MAX_DEPTH = 200
local MAX_BYTES = 256 * 1024 * 1024

--- Stands for JSON's null in decoded tables (unless decode's option `null` says otherwise) and is
-- written as null. It is a table, so it counts as true in a condition: compare with json.null.
json.null = setmetatable({}, { __tostring = function() return "null" end, __newindex = error })

local Array = { __name = "json.array" }

--- Marks a table as an array, so that an empty one is written [] and not {}.
-- decode marks the empty arrays it makes.
-- @return the table
function json.array(t)
  return setmetatable(t or {}, Array)
end

-- ---- UTF-8 -----------------------------------------------------------------------------------

-- Position of the first byte that is no part of well-formed UTF-8 (RFC 3629), or nil.
local function bad_utf8(s)
  local i = find(s, "[\128-\255]")
  while i do
    local a, b, c, d = byte(s, i, i + 3)
    b, c, d = b or 0, c or 0, d or 0
    local size
    if a >= 0xC2 and a <= 0xDF then
      size = b >= 0x80 and b <= 0xBF and 2
    elseif a >= 0xE0 and a <= 0xEF then
      local low = a == 0xE0 and 0xA0 or 0x80
      local high = a == 0xED and 0x9F or 0xBF
      size = b >= low and b <= high and c >= 0x80 and c <= 0xBF and 3
    elseif a >= 0xF0 and a <= 0xF4 then
      local low = a == 0xF0 and 0x90 or 0x80
      local high = a == 0xF4 and 0x8F or 0xBF
      size = b >= low and b <= high and c >= 0x80 and c <= 0xBF and d >= 0x80 and d <= 0xBF and 4
    end
    if not size then return i end
    i = find(s, "[\128-\255]", i + size)
  end
end

--- True where the string is well-formed UTF-8.
function json.is_utf8(s)
  return bad_utf8(s) == nil
end

local char, floor = string.char, math.floor

local function utf8_of(code)
  if code < 0x80 then return char(code) end
  if code < 0x800 then return char(0xC0 + floor(code / 64), 0x80 + code % 64) end
  if code < 0x10000 then
    return char(0xE0 + floor(code / 4096), 0x80 + floor(code / 64) % 64, 0x80 + code % 64)
  end
  return char(0xF0 + floor(code / 262144), 0x80 + floor(code / 4096) % 64,
    0x80 + floor(code / 64) % 64, 0x80 + code % 64)
end

-- ---- encoding --------------------------------------------------------------------------------

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n",
  ["\r"] = "\\r", ["\t"] = "\\t", ["\127"] = "\127" }

local function escape(c)
  return ESCAPES[c] or format("\\u%04x", byte(c))
end

local function quote(s)
  if find(s, '[%c"\\]') then s = s:gsub('[%c"\\]', escape) end
  return '"' .. s .. '"'
end

--- The shortest of %.15g, %.16g, %.17g that reads back as the same double; whole numbers below 1e15
-- without an exponent.
-- @param x a finite number
function json.number(x)
  if x == floor(x) and x > -1e15 and x < 1e15 then
    if x == 0 and 1 / x < 0 then return "-0" end
    return format("%.0f", x)
  end
  local text = format("%.15g", x)
  if tonumber(text) ~= x then text = format("%.16g", x) end
  if tonumber(text) ~= x then text = format("%.17g", x) end
  return text
end

local encode_value

-- "the value.loss[2]": where in the value the first `depth` keys of state.path lead.
local function place_in(state, depth)
  local parts = { "the value" }
  for i = 1, depth do
    local key = state.path[i]
    parts[#parts + 1] = type(key) == "number" and "[" .. key .. "]" or "." .. tostring(key)
  end
  local text = concat(parts)
  return #text > 200 and text:sub(1, 200) .. "..." or text
end

local function unfit(state, depth, message, ...)
  error({ "json: " .. place_in(state, depth) .. " " .. format(message, ...) })
end

-- What a table is: its length as an array, or nil for an object. Refuses a mixture.
local function array_length(t, state, depth)
  local n = #t
  if n == 0 and next(t) == nil then return getmetatable(t) == Array and 0 or nil end
  local count = 0
  for key in pairs(t) do
    count = count + 1
    if type(key) == "number" then
      if n == 0 or key < 1 or key > n or key ~= floor(key) then
        unfit(state, depth, "is an array with holes (index %s)", tostring(key))
      end
    elseif type(key) ~= "string" then
      unfit(state, depth, "has a key of type %s", type(key))
    end
  end
  if n > 0 and count ~= n then unfit(state, depth, "mixes array elements and named keys") end
  return n > 0 and n or nil
end

local function encode_number(x, state, depth)
  if x ~= x or x == math.huge or x == -math.huge then
    if state.nonfinite == "null" then return "null" end
    unfit(state, depth, "is %s, which JSON cannot hold (option nonfinite = \"null\" writes null)",
      tostring(x))
  end
  return json.number(x)
end

local function encode_string(s, state, depth, what)
  local at = bad_utf8(s)
  if at then unfit(state, depth, "%sis not UTF-8 (byte %d of the string)", what or "", at) end
  return quote(s)
end

-- Small arrays of plain values stay on one line when pretty printing.
local function is_flat(t, n)
  for i = 1, n do
    if type(t[i]) == "table" and t[i] ~= json.null then return false end
  end
  return true
end

local function encode_array(t, n, state, depth)
  local parts, path = {}, state.path
  for i = 1, n do
    path[depth + 1] = i
    parts[i] = encode_value(t[i], state, depth + 1)
  end
  if not state.indent or n == 0 or is_flat(t, n) then
    return "[" .. concat(parts, state.indent and ", " or ",") .. "]"
  end
  local inner = "\n" .. state.indent:rep(depth + 1)
  return "[" .. inner .. concat(parts, "," .. inner) .. "\n" .. state.indent:rep(depth) .. "]"
end

local function encode_object(t, state, depth)
  local keys, parts, path = {}, {}, state.path
  for key in pairs(t) do keys[#keys + 1] = key end
  sort(keys)
  local colon = state.indent and ": " or ":"
  for i, key in ipairs(keys) do
    path[depth + 1] = key
    parts[i] = encode_string(key, state, depth, "has a key that ") .. colon
      .. encode_value(t[key], state, depth + 1)
  end
  if not state.indent or #keys == 0 then return "{" .. concat(parts, ",") .. "}" end
  local inner = "\n" .. state.indent:rep(depth + 1)
  return "{" .. inner .. concat(parts, "," .. inner) .. "\n" .. state.indent:rep(depth) .. "}"
end

function encode_value(v, state, depth)
  local kind = type(v)
  if kind == "number" then return encode_number(v, state, depth) end
  if kind == "string" then return encode_string(v, state, depth) end
  if kind == "boolean" then return v and "true" or "false" end
  if v == nil or v == json.null then return "null" end
  if kind == "cdata" then
    local digits = tostring(v):match "^(-?%d+)U?LL$"
    if digits then return digits end
  end
  if kind ~= "table" then unfit(state, depth, "is a %s, which JSON cannot hold", kind) end
  if depth >= MAX_DEPTH then
    unfit(state, depth, "is nested deeper than %d (does a table contain itself?)", MAX_DEPTH)
  end
  local n = array_length(v, state, depth)
  if n then return encode_array(v, n, state, depth) end
  return encode_object(v, state, depth)
end

-- Errors inside are raised as {text}; anything else is a fault of ours and passes as it is.
local function guarded(f, ...)
  local good, result = pcall(f, ...)
  if good then return result end
  return nil, type(result) == "table" and result[1] or error(result, 0)
end

local function encoded(value, options)
  options = options or {}
  local indent = options.pretty and (type(options.pretty) == "string" and options.pretty or "  ") or nil
  return guarded(encode_value, value,
    { indent = indent, nonfinite = options.nonfinite or "error", path = {} }, 0)
end

--- Writes a value as JSON. Tables with elements 1..n are arrays, others objects with string keys.
-- @param value   nil, boolean, number, string, table, 64-bit integer cdata, json.null
-- @param options {pretty = true or the indent, nonfinite = "error" (default) or "null" for NaN and
--   infinities}
-- @return text
-- @usage json.encode({b = 0.1, a = {1, 2}}) --> {"a":[1,2],"b":0.1}
function json.encode(value, options)
  local text, message = encoded(value, options)
  if not text then core.fail("%s", message) end
  return text
end

-- ---- decoding --------------------------------------------------------------------------------

local UNESCAPES = { ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r",
  t = "\t" }

-- "file:3:14: " of a byte position.
local function place_of(state, at)
  local line, start = 1, 1
  for newline in sub(state.text, 1, at - 1):gmatch "()\n" do
    line, start = line + 1, newline + 1
  end
  return format("%s:%d:%d: ", state.name, line, at - start + 1)
end

local function refuse(state, at, message, ...)
  error({ place_of(state, at) .. format(message, ...) })
end

local function unexpected(state, at, wanted)
  local c = sub(state.text, at, at)
  if c == "" then refuse(state, at, "the text ends where %s should follow", wanted) end
  refuse(state, at, "%s should follow here, not '%s'", wanted,
    find(c, "[%c\128-\255]") and format("\\x%02x", byte(c)) or c)
end

local function decode_escape(state, i)
  local text = state.text
  local c = sub(text, i + 1, i + 1)
  if c ~= "u" then
    return UNESCAPES[c] or refuse(state, i, "unknown escape in a string"), i + 2
  end
  local hex = text:match("^%x%x%x%x", i + 2)
  if not hex then refuse(state, i, "\\u needs four hexadecimal digits") end
  local code = tonumber(hex, 16)
  if code < 0xD800 or code > 0xDFFF then return utf8_of(code), i + 6 end
  local low = code < 0xDC00 and text:match("^\\u(%x%x%x%x)", i + 6)
  low = low and tonumber(low, 16)
  if not low or low < 0xDC00 or low > 0xDFFF then refuse(state, i, "half of a surrogate pair") end
  return utf8_of(0x10000 + (code - 0xD800) * 1024 + (low - 0xDC00)), i + 12
end

-- i is at the opening quote; returns the string and the position after the closing one.
local function decode_string(state, i)
  local text = state.text
  local stop = find(text, '[%z\1-\31"\\]', i + 1)
  if stop and byte(text, stop) == 34 then return sub(text, i + 1, stop - 1), stop + 1 end
  local parts, from = {}, i + 1
  while true do
    if not stop then refuse(state, i, "this string does not end") end
    parts[#parts + 1] = sub(text, from, stop - 1)
    local c = byte(text, stop)
    if c == 34 then return concat(parts), stop + 1 end
    if c ~= 92 then refuse(state, stop, "control character \\x%02x in a string", c) end
    parts[#parts + 1], from = decode_escape(state, stop)
    stop = find(text, '[%z\1-\31"\\]', from)
  end
end

local function decode_number(state, i)
  local text = state.text
  local _, stop = find(text, "^%-?%d+", i)
  if not stop then unexpected(state, i, "a value") end
  if find(text, "^%-?0%d", i) then refuse(state, i, "a number does not begin with 0") end
  if byte(text, stop + 1) == 46 then
    local _, last = find(text, "^%d+", stop + 2)
    if not last then refuse(state, i, "digits should follow the point of a number") end
    stop = last
  end
  if find(text, "^[eE]", stop + 1) then
    local _, last = find(text, "^[eE][+-]?%d+", stop + 1)
    if not last then refuse(state, i, "digits should follow the exponent of a number") end
    stop = last
  end
  local value = tonumber(sub(text, i, stop))
  if value == math.huge or value == -math.huge then refuse(state, i, "this number is too large") end
  return value, stop + 1
end

local decode_value

local function skip_space(text, i)
  return find(text, "[^ \t\r\n]", i) or #text + 1
end

local function decode_array(state, i, depth)
  local text, list, n = state.text, {}, 0
  i = skip_space(text, i + 1)
  if byte(text, i) == 93 then return json.array(list), i + 1 end
  while true do
    n = n + 1
    list[n], i = decode_value(state, i, depth + 1)
    i = skip_space(text, i)
    local c = byte(text, i)
    if c == 93 then return list, i + 1 end
    if c ~= 44 then unexpected(state, i, "',' or ']'") end
    i = skip_space(text, i + 1)
  end
end

local function decode_object(state, i, depth)
  local text, object, seen = state.text, {}, {}
  i = skip_space(text, i + 1)
  if byte(text, i) == 125 then return object, i + 1 end
  while true do
    if byte(text, i) ~= 34 then unexpected(state, i, "a key in quotes") end
    local at, key = i
    key, i = decode_string(state, i)
    if seen[key] then refuse(state, at, "the key \"%s\" is there twice", key) end
    seen[key] = true
    i = skip_space(text, i)
    if byte(text, i) ~= 58 then unexpected(state, i, "':'") end
    object[key], i = decode_value(state, skip_space(text, i + 1), depth + 1)
    i = skip_space(text, i)
    local c = byte(text, i)
    if c == 125 then return object, i + 1 end
    if c ~= 44 then unexpected(state, i, "',' or '}'") end
    i = skip_space(text, i + 1)
  end
end

function decode_value(state, i, depth)
  local c = byte(state.text, i)
  if c == 34 then return decode_string(state, i) end
  if c == 123 or c == 91 then
    if depth >= MAX_DEPTH then refuse(state, i, "nested deeper than %d", MAX_DEPTH) end
    if c == 123 then return decode_object(state, i, depth) end
    return decode_array(state, i, depth)
  end
  if c == 116 and sub(state.text, i, i + 3) == "true" then return true, i + 4 end
  if c == 102 and sub(state.text, i, i + 4) == "false" then return false, i + 5 end
  if c == 110 and sub(state.text, i, i + 3) == "null" then return state.null, i + 4 end
  return decode_number(state, i)
end

local function decode_all(state)
  local at = bad_utf8(state.text)
  if at then refuse(state, at, "this is not UTF-8") end
  local value, i = decode_value(state, skip_space(state.text, 1), 0)
  i = skip_space(state.text, i)
  if i <= #state.text then refuse(state, i, "text after the end of the value") end
  return { value }
end

--- Reads JSON text.
-- @param text    the text
-- @param options {name = what errors call the text (default "json"), null = what null becomes
--   (default json.null; give 0/0 for NaN)}
-- @return the value; whole numbers beyond 2^53 lose digits as every double does. Raises with
--   "name:line:column: what is wrong".
function json.decode(text, options)
  options = options or {}
  if type(text) ~= "string" then core.fail("json.decode: a string is needed, not a %s", type(text)) end
  local null = options.null
  if null == nil then null = json.null end
  local box, message = guarded(decode_all, { text = text, name = options.name or "json", null = null })
  if not box then core.fail_as("format", "%s", message) end
  return box[1]
end

--- Reads a JSON file (at most 256 MiB). Options as in json.decode.
function json.load(path, options)
  return json.decode(fs.read(path, MAX_BYTES), { name = path, null = options and options.null })
end

--- Writes a JSON file atomically, pretty unless options.pretty is false. Options as in json.encode.
function json.save(path, value, options)
  options = options or {}
  local text, message = encoded(value,
    { pretty = options.pretty ~= false and (options.pretty or true), nonfinite = options.nonfinite })
  if not text then core.fail("%s: %s", path, message) end
  fs.write(path, text .. "\n")
end

return json
