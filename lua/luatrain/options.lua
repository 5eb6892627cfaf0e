--- Reading a trailing table of named options.
local core = require "luatrain.core"

local options = {}

--- Stands for a default of nil in options.read.
options.none = {}

--- Refuses options that do not exist, naming the nearest that does. Returns what was given, {} for nil.
-- @param who   what takes the options, for the message
-- @param known a table whose keys are the names there are
function options.check(who, given, known)
  if given == nil then return {} end
  if type(given) ~= "table" then
    core.fail("%s: the options are a %s, wanted a table such as { bias = false }", who, type(given))
  end
  for name in pairs(given) do
    if known[name] == nil then
      local names = core.sorted_keys(known)
      local near = core.nearest(tostring(name), names)
      local all = #names == 0 and "none" or table.concat(names, ", ")
      core.fail("%s: unknown option '%s'; %s", who, tostring(name),
        near and ("did you mean '%s'?"):format(near) or "there are " .. all)
    end
  end
  return given
end

--- The given options over the defaults; a name that is not among the defaults is refused.
function options.read(who, given, defaults)
  local result = {}
  for name, value in pairs(defaults) do
    if value ~= options.none then result[name] = value end
  end
  for name, value in pairs(options.check(who, given, defaults)) do result[name] = value end
  return result
end

--- A size given as one number or a list of n: always a list of n.
function options.tuple(who, name, value, n)
  local list = {}
  for i = 1, n do
    local v = value
    if type(value) == "table" then v = value[i] end
    if type(v) ~= "number" or v ~= math.floor(v) then
      core.fail("%s: %s is %s, want a whole number or a list of %d", who, name, tostring(v), n)
    end
    list[i] = v
  end
  return list
end

--- Refuses a size that is not a positive whole number.
function options.size(who, name, value)
  if type(value) ~= "number" or value < 1 or value ~= math.floor(value) then
    core.fail("%s: %s is %s, want a positive whole number", who, name, tostring(value))
  end
  return value
end

return options
