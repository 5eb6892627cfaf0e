--- Each parameter by itself, uniformly (on the logarithm where the range is logarithmic). Option: seed = 0.
local options = require "luatrain.options"
local draw = require "luatrain.sweep.draw"
local space = require "luatrain.sweep.space"

local Random = {}
Random.__index = Random

local random = { options = { seed = 0 } }

--- A sampler.
function random.new(given)
  return setmetatable(options.read("random", given, random.options), Random)
end

function Random:relative()
  return {}
end

--- A value that depends on the seed, the trial's number and the parameter's name only. Other samplers, which
-- have a seed as well, borrow this method for parameters that they do not draw together.
function Random:independent(_, number, name, d)
  return space.from_unit(d, draw.stream(self.seed, number, name):uniform())
end
random.independent = Random.independent

return random
