--- Samplers and pruners made by name.
local core = require "luatrain.core"

local registry = {}

--- A table of modules by name that also makes one of them: made.make(said, more), see below. `make` lies
-- behind the table, so that going through it meets the modules only.
function registry.of(kind, known)
  local function make(said, more) return registry.make(kind, known, said, more) end
  return setmetatable(known, { __index = { make = make } })
end

--- Makes one of `known` (modules by name, each with new and options).
-- @param kind "sampler" or "pruner", for the messages
-- @param said a name, a table {name = ..., options}, or what has been made already
-- @param more options for what takes them, unless the table gives them
function registry.make(kind, known, said, more)
  if type(said) == "string" then said = { name = said } end
  if type(said) ~= "table" then
    core.fail("%s: got a %s, want a name or a table such as { name = '%s' }", kind, type(said),
      core.sorted_keys(known)[1])
  end
  if getmetatable(said) ~= nil then return said end
  local names = core.sorted_keys(known)
  if type(said.name) ~= "string" then core.fail("%s: the table has no name; there are %s", kind,
    table.concat(names, ", ")) end
  local module = rawget(known, said.name)
  if not module then
    local near = core.nearest(said.name, names)
    core.fail("unknown %s '%s'; %s", kind, said.name,
      near and ("did you mean '%s'?"):format(near) or "there are " .. table.concat(names, ", "))
  end
  local given = {}
  for key, value in pairs(more or {}) do
    if module.options[key] ~= nil then given[key] = value end
  end
  for key, value in pairs(said) do
    if key ~= "name" then given[key] = value end
  end
  return module.new(given)
end

return registry
