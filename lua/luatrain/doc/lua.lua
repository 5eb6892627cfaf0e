--- What help() knows of Lua's own names: where they are described.
local host = require "luatrain.host"

local lua = {}

local MANUAL = "https://www.lua.org/manual/5.1/manual.html#"
-- Libraries: their section of the manual, or where LuaJIT describes those that it brings.
local LIBRARIES = { coroutine = MANUAL .. "5.2", package = MANUAL .. "5.3", string = MANUAL .. "5.4",
  table = MANUAL .. "5.5", math = MANUAL .. "5.6", io = MANUAL .. "5.7", os = MANUAL .. "5.8",
  debug = MANUAL .. "5.9", bit = "https://bitop.luajit.org/api.html",
  jit = "https://luajit.org/ext_jit.html" }

--- The name of a value of Lua's own: "print", "string.format", "math"; nil for all others.
function lua.name(value)
  for name, own in pairs(host.standard) do
    if rawequal(own, value) then return name end
  end
  for name in pairs(LIBRARIES) do
    for key, own in pairs(host.standard[name]) do
      if rawequal(own, value) then return name .. "." .. key end
    end
  end
end

--- The topic (see luatrain.doc.topic) of a name of Lua's own; nil for all others.
function lua.topic(name)
  local library, key = name:match "^(%a+)%.(%w+)$"
  local value = host.standard[library or name]
  if library then value = type(value) == "table" and rawget(value, key) or nil end
  if value == nil then return nil end
  local of_luajit = library == "bit" or library == "jit"
  local place = LIBRARIES[name] or of_luajit and LIBRARIES[library] or MANUAL .. "pdf-" .. name
  local self = { title = name, kind = type(value) == "table" and "library of Lua" or type(value) .. " of Lua",
    signatures = {}, blocks = { { prose = "Described in " .. place } }, parameters = {}, returns = {},
    examples = {}, members = {}, documented = true }
  for _, one in ipairs(LIBRARIES[name] and require("luatrain.core").sorted_keys(value) or {}) do
    self.members[#self.members + 1] = { one, "" }
  end
  return self
end

return lua
