--- lt.doc: what the comments of the library say, and what the session holds.
--
--   help "lt.audio.mel"        a name of the library: functions, classes, methods, modules, C functions
--   help(lt.conv2d)            the same, by its value; help(x.relu), help(nn.Linear), help(model)
--   help "chord"               a recipe: what it learns, its commands and settings
--   who()                      the variables of the session, with shapes and bytes
--
-- `luatrain help NAME` prints the same, `luatrain help --html FOLDER` writes all of it as web pages.
local core = require "luatrain.core"
local failure = require "luatrain.failure"
local lua = require "luatrain.doc.lua"
local names = require "luatrain.doc.names"
local topics = require "luatrain.doc.topic"

local doc = {}

-- ---- names --------------------------------------------------------------------------------------

-- The value at a.b.c below lt (loading rooms on the way) and the room it stands in; nil where there is none.
local function reach(parts)
  local lt = require "luatrain"
  local value, room = lt, ""
  for i, key in ipairs(parts) do
    if type(value) ~= "table" then return nil end
    local ok, inner = pcall(function() return value[key] end)
    if not ok or inner == nil then return nil end
    if i == 1 then
      for _, name in ipairs(names.rooms()) do
        if name == key and type(inner) == "table" then room = key end
      end
      if room == "log" then inner = require "luatrain.log" end
    end
    value = inner
  end
  return value, room
end

local function split(name)
  local parts = {}
  for part in name:gmatch "[^%.:]+" do parts[#parts + 1] = part end
  if parts[1] == "lt" or parts[1] == "luatrain" then table.remove(parts, 1) end
  return parts
end

-- "lt.a.b", "luatrain.a.b" and "a.b"; "Tensor.x", "x:relu" and other methods by their last part.
local function by_path(name)
  local parts = split(name)
  if #parts == 0 then
    return { name = "lt", key = "lt", kind = "module", value = require "luatrain", room = "",
      module = "luatrain", file = require("luatrain.doc.source").module_file "luatrain" }
  end
  local Tensor = require "luatrain.tensor"
  local key = parts[#parts]
  if parts[1] == "Tensor" or #parts == 2 and name:find ":" and rawget(Tensor, key) and #parts[1] == 1 then
    local class = names.record("lt.Tensor", "Tensor", Tensor, "")
    if #parts == 1 then return class end
    local f = rawget(Tensor, key)
    return f and names.record("Tensor:" .. key, key, f, "", class) or nil
  end
  local value, room = reach(parts)
  if value == nil then return nil end
  local full = "lt." .. table.concat(parts, ".")
  local owner = { unpack(parts, 1, #parts - 1) }
  local above = #owner > 0 and reach(owner)
  if type(value) == "function" and above and names.is_class(above) then
    local class = names.record("lt." .. table.concat(owner, "."), owner[#owner], above, room)
    return names.record(class.name .. ":" .. key, key, value, room, class)
  end
  local module = package.loaded["luatrain." .. parts[1]]
  if #parts == 1 and type(value) == "table" and value == module then room = key end
  return names.record(full, key, value, room)
end

local function matches(record, name, key)
  if record.name == name or record.name == "lt." .. name then return 3 end
  local tail = record.name:sub(-#name)
  if tail:gsub(":", ".") == name:gsub(":", ".") and record.name:sub(-#name - 1, -#name - 1):find "[%.:]" then
    return 2
  end
  return record.key == key and not name:find "[%.:]" and 1 or 0
end

-- The record whose name ends as the given one: "mel", "Linear", "Loader:epoch".
local function by_end(name)
  local key = name:match "([%w_]+)$" or name
  local best, most = nil, 0
  for _, list in ipairs { names.all(), names.hidden() } do
    for _, record in ipairs(list) do
      local score = matches(record, name, key)
      if score > most or score == most and score > 0 and #record.name < #best.name then
        best, most = record, score
      end
    end
  end
  return best
end

local function recipe_named(name)
  local recipes = require "luatrain.recipe"
  local _, paths = recipes.list()
  if paths[name] or name:find "%.lua$" then return topics.of_recipe(recipes.load(name)) end
end

--- The public names, those of objects' methods too: a sorted list, for completion and for "did you mean".
function doc.names()
  local list, seen = {}, {}
  for _, records in ipairs { names.all(), names.hidden() } do
    for _, record in ipairs(records) do
      if not seen[record.name] then
        seen[record.name] = true
        list[#list + 1] = record.name
      end
    end
  end
  for _, one in ipairs(require("luatrain.doc.header").functions()) do list[#list + 1] = one.name end
  for _, name in ipairs((require("luatrain.recipe").list())) do list[#list + 1] = name end
  table.sort(list)
  return list
end

-- "; did you mean lt.conv2d?": what has the same last part, else whole names, then the last parts alone.
local function near(name)
  local whole, lasts, full = doc.names(), {}, {}
  local found = core.nearest(name, whole)
  for _, one in ipairs(whole) do
    local key = one:match "([%w_]+)$"
    if key and (not full[key] or #one < #full[key]) then
      lasts[#lasts + 1], full[key] = key, one
    end
  end
  local key = name:match "([%w_]+)$" or name
  found = full[key] or found
  local last = #key > 3 and core.nearest(key, lasts)
  found = found or last and not name:find "^lt_" and full[last]
  return found and ("; did you mean %s?"):format(found) or "; help() lists the modules"
end

local function topic_of_name(name)
  name = name:gsub("^%s+", ""):gsub("%s+$", ""):gsub("%(.*$", "")
  if name == "" then failure.raise("usage", "help: the name is empty") end
  local c = require("luatrain.doc.header").functions()[name:gsub("^C%.", "")]
  if c then return topics.of_c(c) end
  local record = by_path(name)
  if record then return topics.of(record) end
  local other = recipe_named(name) or lua.topic(name)
  if other then return other end
  record = by_end(name)
  if record then return topics.of(record) end
  failure.raise("usage", "help: nothing is called '%s'%s", name, near(name))
end

-- ---- values -------------------------------------------------------------------------------------

-- The record of a value that a public name holds.
local function by_value(value)
  local found
  for _, record in ipairs(names.all()) do
    if record.value == value and (not found or #record.name < #found.name) then found = record end
  end
  return found
end

-- Objects are explained by their class.
local function topic_of_table(value)
  if rawget(value, "source") and rawget(value, "fields") and rawget(value, "path") then
    return topics.of_recipe(value)
  end
  if value == require("luatrain").log then return topic_of_name "lt.log" end
  local record = by_value(value)
  if record then return topics.of(record) end
  if lua.name(value) then return lua.topic(lua.name(value)) end
  local class = getmetatable(value)
  if type(class) == "table" then
    record = by_value(class)
    if record then return topics.of(record) end
    for _, f in pairs(class) do
      local file, entry = nil, nil
      if type(f) == "function" then file, entry = names.definition(f) end
      if file and entry and entry.owner then
        return topics.of(names.of_local_class(file, entry.owner, class))
      end
    end
  end
  failure.raise("usage", "help: this table is none of luatrain's; print(x) shows a value, who() all of them")
end

local function topic_of_function(f)
  local record = by_value(f)
  if record then return topics.of(record) end
  local file, entry = names.definition(f)
  if file and entry and entry.doc then
    local owner = entry.owner and entry.owner .. (entry.method and ":" or ".") or ""
    return topics.of { name = owner .. entry.name, key = entry.name, value = f, room = "",
      kind = entry.method and "method" or "function", file = file, entry = entry }
  end
  local name = lua.name(f)
  return name and lua.topic(name) or topics.of_function(f)
end

--- The topic of a name or value (see luatrain.doc.topic). Raises where there is none, naming the nearest.
function doc.topic(x)
  local kind = type(x)
  if kind == "string" then return topic_of_name(x) end
  if kind == "function" then return topic_of_function(x) end
  if kind == "table" then return topic_of_table(x) end
  if kind == "cdata" then
    local ok, one = pcall(require("luatrain.doc.header").of, x)
    if ok and one then return topics.of_c(one) end
  end
  failure.raise("usage", "help: wanted a name, a function, a class or an object of luatrain, got %s",
    kind == "nil" and "nil" or "a " .. kind)
end

-- ---- output -------------------------------------------------------------------------------------

--- The text that help(x) prints. options: width (default 80), colour.
function doc.text(x, options) return require("luatrain.doc.page").text(doc.topic(x), options) end

--- Prints what is known of x: a name ("lt.audio.mel", "relu", "chord", "lt_conv"), or a function, class,
-- module, model or recipe. Without an argument it lists the modules.
--
--     help(lt.conv2d)
function doc.help(...)
  if select("#", ...) == 0 then
    print(doc.overview())
    return
  end
  local terminal = require "luatrain.terminal"
  print(doc.text((...), { width = terminal.columns(), colour = terminal.colour() }))
end

--- The modules of the library with a sentence each, as help() prints them.
function doc.overview()
  local list = {}
  for _, room in ipairs(names.rooms()) do
    local file = require("luatrain.doc.source").module_file("luatrain." .. room)
    list[#list + 1] = { "lt." .. room, topics.about(file and file.header) }
  end
  local terminal = require "luatrain.terminal"
  local text = "help(x) explains a value, help \"name\" a name: help(lt.audio), help \"lt.conv2d\", "
    .. "help \"x:relu\", help \"chord\"."
  return require("luatrain.doc.page").text({ title = "luatrain", kind = "the modules of the library",
    signatures = {}, blocks = { { prose = text } }, parameters = {}, returns = {}, examples = {},
    members = list, documented = true }, { width = terminal.columns(), colour = terminal.colour() })
end

--- Writes the reference: one page a module and an index, into a folder that is made where it is not there.
-- Returns the number of names.
function doc.html(folder) return require("luatrain.doc.html").write(folder) end

--- Prints the user's globals: name, type, shape, bytes. See luatrain.doc.who.
function doc.who(options) return require("luatrain.doc.who").print(options) end

return doc
