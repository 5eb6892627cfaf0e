--- What augmentation draws at random. Settings are numbers, or ranges {low, high} to draw from uniformly;
-- o.generator draws (default: the default generator).
local core = require "luatrain.core"
local random = require "luatrain.random"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local draw = {}

--- The generator's state.
function draw.state(o) return (o.generator or random.default).state.c end

-- n numbers that fill(tensor, generator's state, a, b) draws, as a Lua list.
local function list(fill, n, a, b, o)
  local t = Tensor.empty { n }
  check(fill(t.c, draw.state(o), a, b))
  local numbers = t:flat()
  t:release()
  return numbers
end

--- n uniform numbers in [0, 1) as a Lua list.
function draw.uniforms(n, o) return list(C.lt_uniform, n, 0, 1, o) end

--- n normal numbers of mean 0 and this standard deviation as a Lua list.
function draw.normals(n, deviation, o) return list(C.lt_normal, n, 0, deviation, o) end

--- low, high of a setting.
function draw.range(what, value)
  local low, high = value, value
  if type(value) == "table" then low, high = value[1], value[2] end
  if type(low) ~= "number" or type(high) ~= "number" or not (low <= high) then
    core.fail("%s: wanted a number or {low, high}", what)
  end
  return low, high
end

--- A setting's number: drawn where it is a range.
function draw.one(what, value, o)
  local low, high = draw.range(what, value)
  if type(value) ~= "table" then return low end
  return low + (high - low) * draw.uniforms(1, o)[1]
end

return draw
