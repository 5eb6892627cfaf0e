--- Values as the session shows them: tables with what they hold, strings in quotes, all else as
-- tostring has it. Long and deep tables are cut.
local style = require "luatrain.repl.style"

local values = {}

local MOST_FIELDS, MOST_DEPTH, MOST_STRING = 40, 4, 4000

-- A string in quotes, on one line, UTF-8 as it is.
local function quoted(text)
  local cut = #text > MOST_STRING and ("... (%d bytes)"):format(#text) or ""
  text = text:sub(1, MOST_STRING)
  local names = {["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r", ['"'] = '\\"', ["\\"] = "\\\\"}
  return '"' .. text:gsub('[%z\1-\31"\\\127]', function(c)
    return names[c] or ("\\%d"):format(c:byte())
  end) .. '"' .. cut
end

-- tostring, whatever a metamethod of the user's does; whole numbers with all their digits.
local function plain(value)
  if type(value) == "number" and value % 1 == 0 and math.abs(value) < 2 ^ 63 then
    return ("%.0f"):format(value)
  end
  local ok, text = pcall(tostring, value)
  if ok and type(text) == "string" then return text end
  return ("%s (its __tostring fails: %s)"):format(type(value), tostring(text))
end

local function order(a, b)
  local x, y = type(a), type(b)
  if x ~= y then return x == "number" or (y ~= "number" and x < y) end
  if x == "number" or x == "string" then return a < b end
  return tostring(a) < tostring(b)
end

-- Keys of the list part are passed over.
local function other_keys(t, length)
  local keys, key = {}, next(t)
  while key ~= nil do
    local listed = type(key) == "number" and key % 1 == 0 and key >= 1 and key <= length
    if not listed then keys[#keys + 1] = key end
    key = next(t, key)
  end
  table.sort(keys, order)
  return keys
end

local render

local function key_text(key)
  if type(key) == "string" then
    if key:find "^[%a_][%w_]*$" and not require("luatrain.repl.lexer").keywords[key] then return key end
    return "[" .. quoted(key) .. "]"
  end
  return "[" .. plain(key) .. "]"
end

-- Fields as texts; a line each where they do not fit into one.
local function fields(t, depth, seen)
  local parts, length = {}, 0
  while rawget(t, length + 1) ~= nil do length = length + 1 end
  for i = 1, math.min(length, MOST_FIELDS) do parts[i] = render(rawget(t, i), depth + 1, seen) end
  local keys = other_keys(t, length)
  for _, key in ipairs(keys) do
    if #parts >= MOST_FIELDS then break end
    parts[#parts + 1] = key_text(key) .. " = " .. render(rawget(t, key), depth + 1, seen)
  end
  local left = length + #keys - #parts
  if left > 0 then parts[#parts + 1] = ("... %d more"):format(left) end
  return parts
end

local function render_table(t, depth, seen)
  if seen[t] then return "{... itself}" end
  if depth > MOST_DEPTH then return "{...}" end
  seen[t] = true
  local parts = fields(t, depth, seen)
  seen[t] = nil
  if #parts == 0 then return "{}" end
  local flat = "{" .. table.concat(parts, ", ") .. "}"
  local room = math.min(style.columns(), 100) - 4 - 2 * depth
  if not flat:find "\n" and style.width(flat) <= room then return flat end
  local indent = ("  "):rep(depth + 1)
  return "{\n" .. indent .. table.concat(parts, ",\n" .. indent) .. "\n" .. ("  "):rep(depth) .. "}"
end

function render(value, depth, seen)
  if type(value) == "string" then return quoted(value) end
  if type(value) ~= "table" then return plain(value) end
  local meta = getmetatable(value)
  if type(meta) == "table" and rawget(meta, "__tostring") then
    return (plain(value):gsub("\n", "\n" .. ("  "):rep(depth)))
  end
  if type(meta) == "table" and depth > 0 and type(rawget(meta, "class_name")) == "string" then
    return "<" .. meta.class_name .. ">"
  end
  return render_table(value, depth, seen)
end

--- The text for a result. At the top a module of functions (a table of functions only) lists their names.
function values.text(value)
  return render(value, 0, {})
end

--- A value in one short line, without its elements: for lists of variables.
function values.brief(value, columns)
  local text
  local tensor = package.loaded["luatrain.tensor"]
  if tensor and tensor.is_tensor(value) then
    text = value.c.storage == nil and "tensor (released)"
      or ("tensor %s %s"):format(value:shape_text(), value:dtype())
    if value.c.storage ~= nil and value:numel() == 1 then
      text = text .. " = " .. tostring(value:item())
    end
  elseif type(value) == "function" or type(value) == "userdata" or type(value) == "thread" then
    text = type(value)
  else
    text = render(value, MOST_DEPTH - 1, {}):gsub("%s*\n%s*", " ")
  end
  return style.clip(text, columns or 60)
end

return values
