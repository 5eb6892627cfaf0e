--- Values as the session shows them: tables with what they hold, strings in quotes, all else as
-- tostring has it. Long and deep tables are cut.
local style = require "luatrain.repl.style"
local terminal = require "luatrain.terminal"
local texts = require "luatrain.text"

local values = {}

local MOST_FIELDS, MOST_DEPTH, MOST_STRING, MOST_PARTS = 40, 4, 4000, 400

-- A string in quotes, on one line, UTF-8 as it is.
local function quoted(text)
  local cut = #text > MOST_STRING and ("... (%d bytes)"):format(#text) or ""
  text = text:sub(1, MOST_STRING)
  local names = {["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r", ['"'] = '\\"', ["\\"] = "\\\\"}
  return '"' .. text:gsub('[%z\1-\31"\\\127]', function(c)
    return names[c] or ("\\%d"):format(c:byte())
  end) .. '"' .. cut
end

--- tostring, whatever a metamethod of the user's does; whole numbers with all their digits.
function values.plain(value)
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

-- A module as the list of its names; inside other tables its own name will do.
local function module_text(name, t, depth)
  if depth > 0 then return "<module " .. name .. ">" end
  local names = require("luatrain.repl.complete").names(t)
  return style.paint("title", "module " .. name) .. "\n" .. style.table(names)
end

local render

local function key_text(key)
  if type(key) == "string" then
    if key:find "^[%a_][%w_]*$" and not require("luatrain.repl.lexer").keywords[key] then return key end
    return "[" .. quoted(key) .. "]"
  end
  return "[" .. values.plain(key) .. "]"
end

-- Fields as texts, and whether it is a list. seen.parts counts those of all tables.
local function fields(t, depth, seen)
  local parts, length = {}, 0
  while rawget(t, length + 1) ~= nil do length = length + 1 end
  local function add(key, prefix)
    if #parts >= MOST_FIELDS or seen.parts >= MOST_PARTS then return false end
    seen.parts = seen.parts + 1
    parts[#parts + 1] = prefix .. render(rawget(t, key), depth + 1, seen)
    return true
  end
  for i = 1, length do
    if not add(i, "") then break end
  end
  local keys = other_keys(t, length)
  for _, key in ipairs(keys) do
    if not add(key, key_text(key) .. " = ") then break end
  end
  local left = length + #keys - #parts
  if left > 0 then parts[#parts + 1] = ("... %d more"):format(left) end
  return parts, #keys == 0
end

-- Parts as lines: those of a list fill them, fields have one each.
local function lines_of(parts, is_list, room)
  local lines, line = {}, nil
  for i, part in ipairs(parts) do
    if i < #parts then part = part .. "," end
    local fits = line and is_list and not part:find "\n" and texts.width(line) + 1 + texts.width(part) <= room
    if fits then line = line .. " " .. part else lines[#lines + 1], line = line, part end
  end
  lines[#lines + 1] = line
  return lines
end

local function render_table(t, depth, seen)
  if seen[t] then return "{... itself}" end
  if depth > MOST_DEPTH then return "{...}" end
  local module = require("luatrain.doc.names").module_of(t)
  if module then return module_text((module:gsub("^luatrain", "lt")), t, depth) end
  seen[t] = true
  local parts, is_list = fields(t, depth, seen)
  seen[t] = nil
  if #parts == 0 then return "{}" end
  local flat = "{" .. table.concat(parts, ", ") .. "}"
  local room = math.min(terminal.columns(), 100) - 4 - 2 * depth
  if not flat:find "\n" and texts.width(flat) <= room then return flat end
  local indent = ("  "):rep(depth + 1)
  return "{\n" .. indent .. table.concat(lines_of(parts, is_list, room), "\n" .. indent) .. "\n"
    .. ("  "):rep(depth) .. "}"
end

function render(value, depth, seen)
  if type(value) == "string" then return quoted(value) end
  if type(value) ~= "table" then return values.plain(value) end
  local meta = getmetatable(value)
  if type(meta) == "table" and rawget(meta, "__tostring") then
    return (values.plain(value):gsub("\n", "\n" .. ("  "):rep(depth)))
  end
  if type(meta) == "table" and depth > 0 and type(rawget(meta, "class_name")) == "string" then
    return "<" .. meta.class_name .. ">"
  end
  return render_table(value, depth, seen)
end

--- The text for a result.
function values.text(value) return render(value, 0, {parts = 0}) end

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
    text = render(value, MOST_DEPTH - 1, {parts = 0}):gsub("%s*\n%s*", " ")
  end
  return texts.clip(text, columns or 60)
end

return values
