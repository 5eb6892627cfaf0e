--- The public names of the library and the comments that stand above what they name.
--
-- A record is {name = "lt.audio.mel", value, key = "mel", room = "audio", entry = of doc.source or nil,
-- file, kind = "function" | "method" | "class" | "module" | "value", owner = record of the class}.
local core = require "luatrain.core"
local source = require "luatrain.doc.source"

local names = {}

-- Rooms that only the library itself uses.
local INTERNAL = { channels_last = true, cli = true, core = true, host = true, init = true, layout = true,
  ops = true, options = true, completion = true, tensor = true, repl = true, text = true }
-- What lt holds itself comes from these files and from ops/.
local ROOT = { ["luatrain/init.lua"] = true, ["luatrain/tensor.lua"] = true, ["luatrain/op.lua"] = true,
  ["luatrain/scope.lua"] = true, ["luatrain/random.lua"] = true }

-- ---- rooms --------------------------------------------------------------------------------------

--- The names of the public rooms: {"audio", "config", ...}.
function names.rooms()
  local list, seen = {}, {}
  for _, file in ipairs(source.files()) do
    local room = file:match "^luatrain/([%w_]+)"
    if room and not INTERNAL[room] and not seen[room] then
      seen[room] = true
      list[#list + 1] = room
    end
  end
  return list
end

local by_room

-- The files of a room, parsed; "" is lt itself.
local function files_of(room)
  if not by_room then
    by_room = {}
    for _, name in ipairs(source.files()) do
      local its = name:match "^luatrain/([%w_]+)"
      if its then
        by_room[its] = by_room[its] or {}
        table.insert(by_room[its], name)
        if its == "ops" or ROOT[name] then
          by_room[""] = by_room[""] or {}
          table.insert(by_room[""], name)
        end
      end
    end
  end
  local list = {}
  for i, name in ipairs(by_room[room] or {}) do list[i] = source.file(name) end
  return list
end

-- ---- from a value to its comment ------------------------------------------------------------------

local function upvalue(f, wanted, kind)
  for i = 1, 40 do
    local name, value = debug.getupvalue(f, i)
    if not name then return nil end
    if name == wanted and type(value) == kind then return value end
  end
end

-- What a function of `function(...) return require(module)[name](...) end` stands for.
local function forwarded(f)
  local module, name = upvalue(f, "module", "string"), upvalue(f, "name", "string")
  local ok, loaded = pcall(require, module or "")
  return ok and name and type(loaded) == "table" and type(rawget(loaded, name)) == "function" and loaded[name]
end

-- The function that a reader would call the definition: what op.define wraps is its forward.
local function written(f)
  local chunk = debug.getinfo(f, "S").source
  if chunk:find("luatrain/op/", 1, true) or chunk:find "luatrain/op%.lua$" then
    return upvalue(f, "forward", "function") or f
  end
  return debug.getinfo(f, "u").isvararg and forwarded(f) or f
end

--- The file and the entry that define a function: exact where the entry begins at its first line.
function names.definition(f)
  local info = debug.getinfo(written(f), "S")
  local name = source.library_file(info.source)
  local file = name and source.file(name)
  if not file then return nil end
  local entry, exact = source.at(file, info.linedefined)
  return file, entry, exact
end

local function by_key(files, key, kind)
  local poor
  for _, file in ipairs(files) do
    for _, entry in ipairs(file.entries) do
      if (entry.name == key or entry.class == key) and (not kind or entry.kind == kind) then
        if entry.doc then return file, entry end
        poor = poor or { file, entry }
      end
    end
  end
  if poor then return poor[1], poor[2] end
end

-- The entry of a function that is public as room.key.
local function function_entry(f, key, room)
  local file, entry, exact = names.definition(f)
  if exact and entry.doc then return file, entry end
  if file then
    local own, named = by_key({ file }, key)
    if named and named.doc then return own, named end
  end
  local other, named = by_key(files_of(room), key)
  if named and named.doc and named.kind ~= "class" then return other, named end
  if entry and entry.doc and (entry.name == key or entry.scope ~= "local") then return file, entry end
  return file, named or exact and entry or nil
end

--- True for tables whose calls make objects, or whose objects have them as metatable.
function names.is_class(value)
  return type(value) == "table" and (rawget(value, "class_name") ~= nil or rawget(value, "__index") == value
    or type(rawget(value, "__index")) == "function" and rawget(value, "__tostring") ~= nil)
end

local function class_entry(class, key, room)
  local file, entry
  for _, name in ipairs { "init", "__index", "__call", "forward", "new" } do
    local f = rawget(class, name)
    if type(f) == "function" and not file then file = names.definition(f) end
  end
  for _, wanted in ipairs { rawget(class, "class_name") or key, key } do
    if file then
      file, entry = file, select(2, by_key({ file }, wanted))
    end
    if not (entry and entry.doc) then
      local other, found = by_key(files_of(room), wanted)
      if found and found.doc then return other, found end
    end
    if entry and entry.doc then return file, entry end
  end
  return file, entry
end

-- ---- records ------------------------------------------------------------------------------------

--- The name of a table that is a module of luatrain's ("luatrain.nn") or of Lua's own ("math"), or nil.
function names.module_of(value)
  local standard, found = require("luatrain.host").standard, nil
  for name, loaded in pairs(package.loaded) do
    local known = rawequal(loaded, value) and (name:find "^luatrain" or rawequal(standard[name], value))
    if known and (not found or #name < #found) then found = name end
  end
  return found
end

-- A method's comment: its own, that of its class's declaration, or of a class above.
local function method_entry(f, key, owner)
  local file, entry, exact = names.definition(f)
  if exact and entry.doc then return file, entry end
  local class = owner.value
  while type(class) == "table" do
    local name = rawget(class, "class_name") or class == owner.value and owner.key
    local its = { file, owner.file }
    if name == "Module" then its[#its + 1] = source.module_file "luatrain.nn.module" end
    for _, candidate in pairs(its) do
      for _, one in ipairs(candidate.entries) do
        if one.name == key and one.doc and (one.owner == name or one.owner == "methods") then
          return candidate, one
        end
      end
    end
    local meta = getmetatable(class)
    class = meta and rawget(meta, "__index")
  end
  if entry and entry.doc and not exact and entry.kind == "value" then return file, entry end
  return file, exact and entry or nil
end

--- The record of a value that is reached by `name`, whose last part is `key`, in a room ("" is lt).
function names.record(name, key, value, room, owner)
  local record = { name = name, key = key, value = value, room = room, owner = owner }
  local kind = type(value)
  if kind == "function" then
    record.kind = owner and "method" or "function"
    if owner and owner.key ~= "Tensor" then record.file, record.entry = method_entry(value, key, owner)
    else record.file, record.entry = function_entry(value, key, room) end
  elseif kind == "table" and names.is_class(value) then
    record.kind = "class"
    record.file, record.entry = class_entry(value, key, room)
  elseif kind == "table" and names.module_of(value) then
    record.kind, record.module = "module", names.module_of(value)
    record.file = source.module_file(record.module)
  else
    record.kind = "value"
    record.file, record.entry = by_key(files_of(room), key)
  end
  return record
end

--- The record of a class that no public table holds, known by the name its file gives it.
function names.of_local_class(file, name, class)
  local room = file.name:match "^luatrain/([%w_]+)" or ""
  local found, entry = by_key({ file }, name)
  return { name = name, key = name, value = class, room = room, kind = "class", file = found or file,
    entry = entry }
end

-- The keys of a namespace: what is private begins with "_".
local function public_keys(t)
  local keys = {}
  for key in pairs(t) do
    if type(key) == "string" and not key:find "^_" then keys[#keys + 1] = key end
  end
  table.sort(keys)
  return keys
end

local function inherits(class, key, f)
  local meta = getmetatable(class)
  local parent = meta and rawget(meta, "__index")
  return type(parent) == "table" and parent[key] ~= nil and parent[key] == f
end

--- The methods of a class that are its own: records, sorted by name.
function names.methods(class, record)
  local list = {}
  for _, key in ipairs(public_keys(class)) do
    local f = rawget(class, key)
    if type(f) == "function" and not inherits(class, key, f) then
      list[#list + 1] = names.record(record.name .. ":" .. key, key, f, record.room, record)
    end
  end
  return list
end

--- The methods that a class documents itself: not what it only fills in of its parent's.
function names.own_methods(class, record)
  local list = {}
  for _, method in ipairs(names.methods(class, record)) do
    local owner = method.entry and method.entry.owner
    local foreign = owner == "Module" and rawget(class, "class_name") ~= "Module"
    if not foreign and not (rawget(class, "class_name") and method.key == "init") then
      list[#list + 1] = method
    end
  end
  return list
end

-- Modules that load when they are first named.
local function submodules(room, value)
  for _, module in ipairs(core.modules("luatrain." .. room .. ".")) do
    local key = module:match "^luatrain%.[%w_]+%.([%w_]+)$"
    local meta = getmetatable(value)
    if key and type(value) == "table" and meta and type(meta.__index) == "function" then
      pcall(function() return value[key] end)
    end
  end
end

--- The public members of a module: records, sorted by name. What lt holds is of many rooms.
function names.members(module, prefix, room)
  submodules(room, module)
  local list = {}
  for _, key in ipairs(public_keys(module)) do
    local value = rawget(module, key)
    local kind = type(value)
    if kind == "function" or kind == "table" then
      local record = names.record(prefix .. "." .. key, key, value, room)
      if record.kind ~= "value" or record.entry and record.entry.doc then list[#list + 1] = record end
    end
  end
  return list
end

local everything

-- A room's records, those of the modules and classes in it too.
local function collect(module, prefix, room, into, seen)
  for _, record in ipairs(names.members(module, prefix, room)) do
    into[#into + 1] = record
    if record.kind == "module" and not seen[record.value] and record.module:find("^luatrain%." .. room) then
      seen[record.value] = true
      collect(record.value, record.name, room, into, seen)
    elseif record.kind == "class" and not seen[record.value] then
      seen[record.value] = true
      for _, method in ipairs(names.own_methods(record.value, record)) do into[#into + 1] = method end
    end
  end
end

-- Functions and values that lt holds, without the rooms.
local function root_records(into)
  local lt, Tensor = require "luatrain", require "luatrain.tensor"
  local rooms = {}
  for _, room in ipairs(names.rooms()) do rooms[room] = true end
  for _, record in ipairs(names.members(lt, "lt", "")) do
    local is_room = rooms[record.key] and record.kind ~= "function"
    if not is_room and not INTERNAL[record.key] and record.value ~= Tensor then into[#into + 1] = record end
  end
  local class = names.record("lt.Tensor", "Tensor", Tensor, "")
  class.module, class.file = "luatrain.tensor", source.module_file "luatrain.tensor"
  into[#into + 1] = class
  for _, method in ipairs(names.methods(Tensor, class)) do
    method.name = "Tensor:" .. method.key
    into[#into + 1] = method
  end
end

--- Every public name: a list of records, lt's own first, then room by room. Loads the whole library.
function names.all()
  if everything then return everything end
  local list, seen = {}, {}
  root_records(list)
  local lt = require "luatrain"
  for _, room in ipairs(names.rooms()) do
    local value = room == "log" and require "luatrain.log" or lt[room]
    local module = package.loaded["luatrain." .. room]
    if type(module) == "table" then value = module end
    if type(value) == "table" then
      local record = { name = "lt." .. room, key = room, value = value, room = room, kind = "module",
        module = "luatrain." .. room, file = source.module_file("luatrain." .. room) }
      list[#list + 1] = record
      if not seen[value] then
        seen[value] = true
        collect(value, "lt." .. room, room, list, seen)
      end
    end
  end
  everything = list
  return list
end

--- Documented classes and methods that no table reaches (those of objects): records of their entries.
function names.hidden()
  local list, known = {}, {}
  for _, record in ipairs(names.all()) do
    if record.entry then known[record.entry] = true end
  end
  for _, room in ipairs(names.rooms()) do
    for _, file in ipairs(files_of(room)) do
      for _, entry in ipairs(file.entries) do
        local owner = entry.owner
        if not known[entry] and entry.doc and owner and owner:find "^%u" and not entry.name:find "^_" then
          list[#list + 1] = { name = owner .. ":" .. entry.name, key = entry.name, room = room,
            kind = "method", entry = entry, file = file }
        end
      end
    end
  end
  return list
end

return names
