--- Changing the sample rate.
local ffi = require "ffi"
local core = require "luatrain.core"
local options = require "luatrain.options"
local scope = require "luatrain.scope"
local Tensor = require "luatrain.tensor"
local spectra = require "luatrain.audio.spectra"
local ops = require "luatrain.ops.resample"
local C, check = core.C, core.check

local resample = {}

-- End of the pass band and beginning of the stop band as shares of the lower Nyquist frequency, and
-- attenuation in dB.
local qualities = { high = { 0.915, 1, 120 }, fast = { 0.8, 1, 100 } }

local filters = setmetatable({}, { __mode = "v" })  -- those in use

local function filter_of(up, down, pass, stop, attenuation)
  local key = ("%d/%d/%.6g/%.6g/%g"):format(up, down, pass, stop, attenuation)
  local filter = filters[key]
  if not filter then
    local c = ffi.new "lt_tensor"
    check(C.lt_resample_filter(c, up, down, pass, stop, attenuation))
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
  o = options.check("resample", o, { quality = true })
  local quality = o.quality or "high"
  if not qualities[quality] then
    core.fail("resample: quality '%s'; there are high and fast", tostring(quality))
  end
  local a, b = rate_of("the old rate", from), rate_of("the new rate", to)
  while b ~= 0 do a, b = b, a % b end
  local up, down = to / a, from / a
  if up == down then return x end
  local batch, lead = spectra.batch("resample", x)
  return spectra.unbatch(ops.resample(batch, filter_of(up, down, unpack(qualities[quality])), up, down), lead)
end

return resample
