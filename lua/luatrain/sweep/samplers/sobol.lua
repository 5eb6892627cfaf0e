--- Sobol's sequence: points that fill the space more evenly than random ones. Trial number k gets point k,
-- so it needs to know nothing of the others. The parameters of the declared space are drawn together, at
-- most 128; others at random.
--
-- Options: scramble = true, seed = 0.
--
-- I. M. Sobol, 1967; in the order of the Gray code (Antonov and Saleev, 1979), with the direction numbers
-- new-joe-kuo-6.21201 (S. Joe, F. Y. Kuo, "Constructing Sobol sequences with better two-dimensional
-- projections", SIAM J. Sci. Comput. 30, 2008), which SciPy and PyTorch use too. Scrambled by a random
-- lower triangular matrix and a shift of the digits (J. Matousek, "On the L2-discrepancy for anchored
-- boxes", J. Complexity 14, 1998): any 2^m points from a multiple of 2^m on stay as even as they were.
local bit = require "bit"
local options = require "luatrain.options"
local core = require "luatrain.core"
local draw = require "luatrain.sweep.draw"
local space = require "luatrain.sweep.space"
local random = require "luatrain.sweep.samplers.random"
local table_of = require "luatrain.sweep.samplers.sobol_table"

local band, bor, bxor, lshift, rshift = bit.band, bit.bor, bit.bxor, bit.lshift, bit.rshift

local Sobol = {}
Sobol.__index = Sobol

local sobol = { options = { scramble = true, seed = 0 } }

local BITS = 30

-- The direction numbers of dimension `index` (from 1): BITS whole numbers, the first with the highest bit.
local function directions(index)
  local v = {}
  if index == 1 then
    for k = 1, BITS do v[k] = lshift(1, BITS - k) end
    return v
  end
  local row = table_of[index - 1]
  local degree, polynomial = row[1], row[2]
  for k = 1, BITS do
    if k <= degree then
      v[k] = lshift(row[k + 2], BITS - k)
    else
      local x = bxor(v[k - degree], rshift(v[k - degree], degree))
      for j = 1, degree - 1 do
        if band(rshift(polynomial, degree - 1 - j), 1) == 1 then x = bxor(x, v[k - j]) end
      end
      v[k] = x
    end
  end
  return v
end

local function parity(x)
  x = bxor(x, rshift(x, 16))
  x = bxor(x, rshift(x, 8))
  x = bxor(x, rshift(x, 4))
  x = bxor(x, rshift(x, 2))
  return band(bxor(x, rshift(x, 1)), 1)
end

-- Multiplies the digits of all direction numbers by a random lower triangular matrix with ones on its
-- diagonal; returns them and the random shift.
local function scrambled(v, stream)
  local rows = {}
  for i = 1, BITS do
    local own = lshift(1, BITS - i)
    local above = stream:below(2 ^ (i - 1))  -- digits 1 to i - 1, the highest bits
    rows[i] = bor(lshift(above, BITS - i + 1), own)
  end
  local mixed = {}
  for k = 1, BITS do
    local x = 0
    for i = 1, BITS do x = bor(x, lshift(parity(band(rows[i], v[k])), BITS - i)) end
    mixed[k] = x
  end
  return mixed, stream:below(2 ^ BITS)
end

--- Point number `index` (from 0, below 2^30) of the first `dimensions` of the sequence: numbers in [0, 1).
-- @param seed nil for the sequence as it is, else of the scrambling
function sobol.point(index, dimensions, seed)
  if dimensions > #table_of + 1 then
    core.fail("sobol: %d parameters; this sampler knows directions for %d", dimensions, #table_of + 1)
  end
  if index >= 2 ^ BITS then core.fail("sobol: the sequence ends after 2^%d points", BITS) end
  local gray, point = bxor(index, rshift(index, 1)), {}
  for dimension = 1, dimensions do
    local v, x = directions(dimension), 0
    if seed then v, x = scrambled(v, draw.stream(seed, dimension, "sobol")) end
    for k = 1, BITS do
      if band(rshift(gray, k - 1), 1) == 1 then x = bxor(x, v[k]) end
    end
    point[dimension] = x / 2 ^ BITS
  end
  return point
end

--- A sampler; see above for the options.
function sobol.new(given)
  local self = options.read("sobol", given, sobol.options)
  if type(self.scramble) ~= "boolean" then
    core.fail("sobol: scramble is %s, want true or false", tostring(self.scramble))
  end
  return setmetatable(self, Sobol)
end

--- The point of a trial in the declared space, {} without one.
function Sobol:relative(_, number, known)
  if not known or next(known) == nil then return {} end
  local names = space.check(known, "sobol")
  local point = sobol.point(number, #names, self.scramble and self.seed or nil)
  local params = {}
  for i, name in ipairs(names) do params[name] = space.from_unit(known[name], point[i]) end
  return params
end

--- A value at random, for a parameter outside of the declared space.
Sobol.independent = random.independent

return sobol
