--- Random generators. A generator is a seed and a counter (an i64 tensor of 2, advanced in C):
-- the same seed gives the same numbers, whatever the number of threads.
local core = require "luatrain.core"
local scope = require "luatrain.scope"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local random = {}

--- A stream of random numbers of its own; random.generator makes one.
local Generator = {}
Generator.__index = Generator
random.Generator = Generator

--- Starts this generator again at `seed` (a whole number); returns it.
function Generator:manual_seed(seed)
  if type(seed) ~= "number" or seed % 1 ~= 0 or math.abs(seed) > 2 ^ 53 then
    core.fail("manual_seed: the seed is %s; wanted a whole number", tostring(seed))
  end
  check(C.lt_tensor_set(self.state.c, 0, seed))
  check(C.lt_tensor_set(self.state.c, 1, 0))
  return self
end

function Generator:__tostring()
  local seed, counter = unpack(self.state:tolist())
  return ("generator(seed %.0f, at %.0f)"):format(seed, counter)
end

--- A copy of the state: an i64 tensor of 2, as checkpoints store it.
function Generator:get_state()
  local copy = Tensor.empty({ 2 }, "i64")
  check(C.lt_copy(copy.c, self.state.c))
  return copy
end

--- Takes over a state that get_state gave.
function Generator:set_state(state)
  if not Tensor.is_tensor(state) or state:numel() ~= 2 or state:dtype() ~= "i64" then
    core.fail("set_state: wanted an i64 tensor of 2 elements: seed and counter")
  end
  check(C.lt_copy(self.state.c, state.c))
  return self
end

--- A generator of its own. With a seed alone it starts as manual_seed(seed) does; a and b (whole
-- numbers, such as epoch and sample index) give each pair its own, independent sequence.
--   local g = random.generator(seed, epoch, index)
--   lt.rand(3, { generator = g })
function random.generator(seed, a, b)
  local g = setmetatable({ state = scope.keep(Tensor.empty({ 2 }, "i64")) }, Generator)
  if a == nil and b == nil then return g:manual_seed(seed or 0) end
  check(C.lt_generator(g.state.c, seed, a or 0, b or 0))
  return g
end

--- The generator that everything uses unless told otherwise; starts at seed 0.
random.default = random.generator(0)

--- Seeds the default generator.
function random.manual_seed(seed)
  return random.default:manual_seed(seed)
end

return random
