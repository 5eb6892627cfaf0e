--- Random numbers of a sweep: every draw depends on (seed, trial number, name) alone, so a trial that
-- is repeated draws the same values, whichever process does it.
--
-- The generator is Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as
-- 1, 2, 3", SC 2011), as in native/scalar/philox.h. A sweep draws a few dozen numbers a trial, so it
-- is done here in doubles: products of 32-bit words are put together from 16-bit halves, exactly.
local bit = require "bit"

local draw = {}

local bxor, rshift, lshift, tobit = bit.bxor, bit.rshift, bit.lshift, bit.tobit
local floor, sqrt, log, cos, sin = math.floor, math.sqrt, math.log, math.cos, math.sin

local WORD = 2 ^ 32

-- High and low word of the product of two words.
local function multiply(a, b)
  local b_low = b % 65536
  local low = (a * b_low)
  local sum = a * ((b - b_low) / 65536) + floor(low / 65536)
  return floor(sum / 65536), (sum % 65536) * 65536 + low % 65536
end

--- Philox4x32-10: the four random words (0 .. 2^32 - 1) of a counter of four words and a key of two.
function draw.philox(c0, c1, c2, c3, k0, k1)
  for _ = 1, 10 do
    local high0, low0 = multiply(c0, 0xD2511F53)
    local high1, low1 = multiply(c2, 0xCD9E8D57)
    c0, c1 = bxor(high1, c1, k0) % WORD, low1
    c2, c3 = bxor(high0, c3, k1) % WORD, low0
    k0, k1 = (k0 + 0x9E3779B9) % WORD, (k1 + 0xBB67AE85) % WORD
  end
  return c0, c1, c2, c3
end

--- A word (0 .. 2^32 - 1) made of a text: Jenkins's one-at-a-time hash, begun at `start`.
function draw.hash(text, start)
  local h = tobit(start or 0)
  for i = 1, #text do
    h = tobit(h + text:byte(i))
    h = tobit(h + lshift(h, 10))
    h = bxor(h, rshift(h, 6))
  end
  h = tobit(h + lshift(h, 3))
  h = bxor(h, rshift(h, 11))
  return tobit(h + lshift(h, 15)) % WORD
end

local Stream = {}
Stream.__index = Stream

--- A stream of random numbers of its own for (seed, number, name): whole numbers of at most 2^53 and
-- a text.
--   draw.stream(1, 17, "lr"):uniform()
function draw.stream(seed, number, name)
  return setmetatable({
    key0 = seed % WORD, key1 = floor(seed / WORD) % WORD, number = number % WORD, block = 0,
    hash0 = draw.hash(name), hash1 = draw.hash(name, 0x9E3779B9),
  }, Stream)
end

--- A number in [0, 1), of 53 random bits.
function Stream:uniform()
  local a, b = self.next_a, self.next_b
  if a then
    self.next_a = nil
  else
    a, b, self.next_a, self.next_b = draw.philox(self.block, self.number, self.hash0, self.hash1,
      self.key0, self.key1)
    self.block = self.block + 1
  end
  return (floor(a / 32) * 67108864 + floor(b / 64)) / 9007199254740992
end

--- A whole number from 0 to n - 1.
function Stream:below(n)
  return floor(self:uniform() * n)
end

--- A number of the standard normal distribution (Box and Muller, 1958).
function Stream:normal()
  local spare = self.spare
  if spare then
    self.spare = nil
    return spare
  end
  local radius = sqrt(-2 * log(1 - self:uniform()))
  local angle = 2 * math.pi * self:uniform()
  self.spare = radius * sin(angle)
  return radius * cos(angle)
end

--- The whole numbers 1 to n in random order, a list (Fisher and Yates).
function Stream:permutation(n)
  local list = {}
  for i = 1, n do list[i] = i end
  for i = n, 2, -1 do
    local k = self:below(i) + 1
    list[i], list[k] = list[k], list[i]
  end
  return list
end

return draw
