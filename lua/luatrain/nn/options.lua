-- options: reading the trailing table of named options of a layer.

local core = require "luatrain.core"

local options = {}

--- The given options over the defaults; a name that is not among the defaults is refused.
-- A default of `options.none` stands for nil.
-- @param who the layer's name, for the message
function options.read(who, given, defaults)
  local result = {}
  for name, value in pairs(defaults) do
    if value ~= options.none then result[name] = value end
  end
  if given == nil then return result end
  if type(given) ~= "table" then
    core.fail("%s: the options are a %s, want a table such as {bias = false}", who, type(given))
  end
  for name, value in pairs(given) do
    if defaults[name] == nil then
      local known = {}
      for key in pairs(defaults) do known[#known + 1] = key end
      table.sort(known)
      core.fail("%s: there is no option %q; it knows %s", who, tostring(name),
        #known > 0 and table.concat(known, ", ") or "none")
    end
    result[name] = value
  end
  return result
end

options.none = {}

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
