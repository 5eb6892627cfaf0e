--- Stops a trial whose last report is not a number or infinite.
local options = require "luatrain.options"
local common = require "luatrain.sweep.pruners.common"

local nan = { options = {} }

local Nan = {}
Nan.__index = Nan

--- A pruner.
function nan.new(given)
  return setmetatable(options.read("nan", given, nan.options), Nan)
end

function Nan:prune(_, record)
  local _, value = common.last_report(record)
  return value ~= nil and (value ~= value or value == math.huge or value == -math.huge)
end

return nan
