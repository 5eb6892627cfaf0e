--- Changing the sample rate.
local ffi = require "ffi"
local core = require "luatrain.core"
local scope = require "luatrain.scope"
local Tensor = require "luatrain.tensor"
local spectra = require "luatrain.audio.spectra"
local ops = require "luatrain.ops.resample"
local C, check = core.C, core.check

local resample = {}

-- Zero crossings on each side and stop-band attenuation in dB. "high" passes 0.92 of the lower
-- Nyquist frequency, "fast" 0.8.
local qualities = { high = { 88, 120 }, fast = { 32, 100 } }

local filters = setmetatable({}, { __mode = "v" })  -- those in use

local function filter_of(up, down, quality)
  local key = up .. "/" .. down .. "/" .. quality
  local filter = filters[key]
  if not filter then
    local c, q = ffi.new "lt_tensor", qualities[quality]
    check(C.lt_resample_filter(c, up, down, q[1], q[2]))
    filter = scope.keep(Tensor.wrap(c))
    filters[key] = filter
  end
  return filter
end

local function rate_of(name, rate)
  if type(rate) ~= "number" or rate < 1 or rate % 1 ~= 0 or rate > 2 ^ 24 then
    core.fail("resample: %s is %s, wanted a whole number of Hz up to 2^24", name, tostring(rate))
  end
  return rate
end

--- x (..., T) at another rate: (..., ceil(T to / from)). from, to: rates in Hz, whole numbers.
-- o.quality: "high" (120 dB, the default) or "fast" (100 dB, a wider transition band).
-- A polyphase Kaiser-windowed sinc; samples beyond the ends are zeros. Differentiable.
-- Example: y = lt.audio.resample(x, 44100, 22050)
function resample.resample(x, from, to, o)
  o = spectra.check_options("resample", o or {}, { quality = true })
  local quality = o.quality or "high"
  if not qualities[quality] then
    core.fail("resample: quality '%s'; there are high and fast", tostring(quality))
  end
  local a, b = rate_of("the old rate", from), rate_of("the new rate", to)
  while b ~= 0 do a, b = b, a % b end
  local up, down = to / a, from / a
  if up == down then return x end
  local batch, lead = spectra.batch("resample", x)
  return spectra.unbatch(ops.resample(batch, filter_of(up, down, quality), up, down), lead)
end

return resample
