--- who(): the variables of the session and what they take.
local terminal = require "luatrain.terminal"
local texts = require "luatrain.text"

local module_of = require("luatrain.doc.names").module_of

local who = {}

-- What the program brings; everything else is the user's.
local OURS = { lt = true, help = true, who = true, arg = true, _G = true, _VERSION = true }
for name in ("assert collectgarbage coroutine debug dofile error gcinfo getfenv getmetatable io ipairs jit "
  .. "load loadfile loadstring math module newproxy next os package pairs pcall print rawequal rawget rawlen "
  .. "rawset require select setfenv setmetatable string table tonumber tostring type unpack xpcall bit "
  .. "ffi"):gmatch "%S+" do
  OURS[name] = true
end

local function is_model(value)
  local ok, is = pcall(function() return value.is_module end)  -- a table of the user's may refuse
  return ok and is == true
end

-- A field of a table without asking its metatable: strict tables raise.
local function field(t, key)
  local ok, value = pcall(rawget, t, key)
  return ok and value or nil
end

--- The type of a value in a word: "tensor", "Linear", "data set", "module", "table", "number".
function who.kind(value)
  local kind = type(value)
  if kind ~= "table" then return kind end
  if require("luatrain.tensor").is_tensor(value) then return "tensor" end
  local class = getmetatable(value)
  if type(class) == "table" then
    local name = field(class, "class_name") or field(class, "__name")
    if type(name) == "string" then return name end
  end
  return field(value, "class_name") and "class" or module_of(value) and "module" or "table"
end

local function tensor_bytes(t, seen)
  if t.c.storage == nil then return 0 end
  local key = tostring(t.c.storage.data)
  if seen[key] then return 0 end
  seen[key] = true
  return tonumber(t.c.storage.bytes)
end

--- Bytes of the tensors that a value holds, each storage once. seen: those counted before.
function who.bytes(value, seen, depth)
  seen, depth = seen or {}, depth or 0
  if type(value) == "string" then return #value end
  if type(value) ~= "table" or seen[value] or depth > 12 then return 0 end
  seen[value] = true
  if require("luatrain.tensor").is_tensor(value) then
    return tensor_bytes(value, seen) + (value.grad and who.bytes(value.grad, seen, depth + 1) or 0)
  end
  local total, key, inner = 0, next(value)
  while key ~= nil do
    if type(inner) == "table" then total = total + who.bytes(inner, seen, depth + 1) end
    key, inner = next(value, key)
  end
  return total
end

-- What there is to say in a few words: shape and dtype, parameters, length, the value itself.
local function about(value)
  local kind = type(value)
  if kind == "string" then
    local text = ("%q"):format(value):gsub("\\\n", "\\n")
    return texts.width(text) > 32 and texts.clip(text, 31) .. '"' or text
  elseif kind == "number" or kind == "boolean" then
    return tostring(value)
  elseif kind ~= "table" then
    return ""
  end
  if require("luatrain.tensor").is_tensor(value) then
    if value.c.storage == nil then return "released" end
    return value:shape_text() .. " " .. value:dtype()
  elseif is_model(value) and getmetatable(value) and field(value, "class_name") == nil then
    return require("luatrain.show").count(value:num_parameters()) .. " parameters"
  end
  local class = getmetatable(value)
  if type(class) == "table" and field(class, "__tostring") then
    local ok, text = pcall(tostring, value)
    text = ok and text:match "^[^\n]*" or ""
    return texts.clip(text, 40)
  end
  if module_of(value) then return module_of(value) end
  local n, key = 0, next(value)
  while key ~= nil do n, key = n + 1, next(value, key) end
  return n == 1 and "1 entry" or n .. " entries"
end

--- The user's variables: a list of {name, kind, about, bytes}, sorted by name. scope: a table of them
-- (default: the globals); results _1, _2, ... are left out unless all is true.
function who.list(options)
  options = options or {}
  local list, names = {}, {}
  local scope = options.scope or _G
  local key, value = next(scope)
  while key ~= nil do
    local hidden = type(key) ~= "string" or OURS[key] and scope == _G
      or not options.all and key:find "^_%d*$" or package.loaded[key] ~= nil and package.loaded[key] == value
    if not hidden then names[#names + 1] = key end
    key, value = next(scope, key)
  end
  table.sort(names)
  for _, name in ipairs(names) do
    value = rawget(scope, name)
    list[#list + 1] = { name = name, kind = who.kind(value), about = about(value), bytes = who.bytes(value) }
  end
  return list
end

--- The table that who() prints, as text. options: as for who.list, and width (default: the terminal's).
function who.text(options)
  local list = who.list(options)
  if #list == 0 then return "no variables; x = lt.randn(3) makes one" end
  local width = options and options.width or terminal.columns()
  local rows = { { "name", "type", "about", "bytes" } }
  for _, one in ipairs(list) do
    rows[#rows + 1] = { one.name, one.kind, one.about, one.bytes > 0 and texts.bytes(one.bytes) or "" }
  end
  local most = { 0, 0, 0, 0 }
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do most[i] = math.max(most[i], texts.width(cell)) end
  end
  most[1] = math.min(most[1], math.max(8, math.floor(width / 4)))
  most[2] = math.min(most[2], 18)
  most[3] = math.max(5, math.min(most[3], width - most[1] - most[2] - most[4] - 6))
  local lines = {}
  for i, row in ipairs(rows) do
    local cells = {}
    for k = 1, 3 do cells[k] = texts.pad(texts.clip(row[k], most[k]), most[k]) end
    cells[4] = (" "):rep(most[4] - #row[4]) .. row[4]
    lines[i] = table.concat(cells, "  "):gsub("%s+$", "")
  end
  local memory = require("luatrain.scope").memory()
  lines[#lines + 1] = ("tensors: %s live, %s at most"):format(texts.bytes(memory.live),
    texts.bytes(memory.peak))
  return table.concat(lines, "\n")
end

--- Prints the table.
function who.print(options) print(who.text(options)) end

return who
