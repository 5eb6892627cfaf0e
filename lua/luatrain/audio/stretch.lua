--- Signals at another speed or pitch, by the phase vocoder. As librosa.effects (0.11): time_stretch and
-- pitch_shift agree with it, computed in doubles, to 1e-4 and 1e-3 of the largest sample (in floats librosa
-- adds up large phases and is off by 0.1 after 10 s of tones; here phases are rotations and stay exact). None
-- is recorded for gradients.
local ffi = require "ffi"
local core = require "luatrain.core"
local options = require "luatrain.options"
local op = require "luatrain.op"
local scope = require "luatrain.scope"
local Tensor = require "luatrain.tensor"
local draw = require "luatrain.audio.draw"
local spectra = require "luatrain.audio.spectra"
local resample = require "luatrain.ops.resample"
local vocoder = require "luatrain.ops.vocoder"
local C, check = core.C, core.check

local stretch = {}

local function check_rate(what, rate)
  if not (rate >= 1 / 16 and rate <= 16) then
    core.fail("%s: a speed of %g; wanted 1/16 to 16", what, rate)
  end
  return rate
end

-- The options of spectra.stft among o.
local FRAMES = { "n_fft", "hop", "win_length", "window", "center", "pad_mode" }

local function known(more)
  local names = { generator = true }
  for _, name in ipairs(FRAMES) do names[name] = true end
  for _, name in ipairs(more or {}) do names[name] = true end
  return names
end

local function framing(o)
  local given = {}
  for _, name in ipairs(FRAMES) do given[name] = o[name] end
  return given
end

-- To the nearest whole number, halves to the even one, as Python does.
local function round(x)
  local down = math.floor(x)
  if x - down ~= 0.5 then return math.floor(x + 0.5) end
  return down % 2 == 0 and down or down + 1
end

--- Spectra x (..., bins, frames, 2) `rate` times as fast: (..., bins, ceil(frames / rate), 2). Magnitudes are
-- interpolated, phases advance as they do between the frames of x (librosa.phase_vocoder).
function stretch.phase_vocoder(x, rate)
  local n = x:dim()
  if n < 3 or x:size(n) ~= 2 then
    core.fail("phase_vocoder: the spectrum is %s, wanted (..., bins, frames, 2)", x:shape_text())
  end
  check_rate("phase_vocoder", rate)
  return op.no_grad(function()
    local sizes = x:size()
    local y = vocoder.phase_vocoder(x:reshape(-1, sizes[n - 2], sizes[n - 1], 2), rate)
    sizes[n - 1] = y:size(3)
    return y:reshape(sizes)
  end)
end

local function stretched(batch, rate, o)
  local given = framing(o)
  local spectrum = spectra.stft(batch, given)
  given.length = math.max(1, round(batch:size(2) / rate))
  return spectra.istft(vocoder.phase_vocoder(spectrum, rate), given)
end

--- x (..., T) `rate` times as fast at the same pitch: (..., round(T / rate)), and the rate. rate: a number,
-- or {low, high} to draw one for all signals (times of labels are to be divided by it).
-- o: n_fft (2048 samples), hop (n_fft / 4), win_length, window, center, pad_mode as in lt.audio.stft,
-- generator.
-- librosa.effects.time_stretch.  Example: y, rate = lt.audio.time_stretch(x, { 0.9, 1.1 })
function stretch.time_stretch(x, rate, o)
  o = options.check("time_stretch", o, known())
  rate = check_rate("time_stretch", draw.one("time_stretch: rate", rate, o))
  local y = op.no_grad(function()
    local batch, lead = spectra.batch("time_stretch", x)
    return spectra.unbatch(stretched(batch, rate, o), lead)
  end)
  return y, rate
end

-- ---- pitch --------------------------------------------------------------------------------------

-- up / down, both below 2^24 and up above 2048, nearest to a ratio: its continued fraction.
local function fraction(ratio)
  local a, b, c, d, rest = 0, 1, 1, 0, ratio
  for _ = 1, 40 do
    local whole = math.floor(rest)
    local up, down = a + whole * c, b + whole * d
    if up >= 2 ^ 24 or down >= 2 ^ 24 then break end
    a, b, c, d = c, d, up, down
    if rest - whole < 1e-12 then break end
    rest = 1 / (rest - whole)
  end
  local times = math.max(1, math.ceil(2049 / c))
  return c * times, d * times
end

local STEPS, MOST = 48, 24           -- cutoffs an octave for which filters are made; how many are kept
local filters, kept_filters = {}, 0

-- The filter for a ratio: its phases are interpolated, so that all ratios with one cutoff share it (making
-- one takes as long as using it on 10 s of sound). It cuts off at the ratio or up to an octave / 48 below.
local function filter_of(ratio)
  local step = math.max(0, math.ceil(-math.log(ratio) / math.log(2) * STEPS - 1e-6))
  if not filters[step] then
    if kept_filters == MOST then filters, kept_filters = {}, 0 end
    kept_filters = kept_filters + 1
    local c = ffi.new "lt_tensor"
    check(C.lt_resample_filter(c, math.floor(2 ^ (20 - step / STEPS)), 2 ^ 20, 0.915, 1, 120))
    filters[step] = scope.keep(Tensor.wrap(c))
  end
  return filters[step]
end

--- x (..., T) moved by `steps` semitones, upwards where positive, at the same speed: (..., T), and the steps.
-- steps: a number, or {low, high} to draw one for all signals.
-- o: bins_per_octave (12: a step is a semitone), generator, and time_stretch's.
-- librosa.effects.pitch_shift, whose resampler (soxr) cuts off a little lower.
-- Example: y, steps = lt.audio.pitch_shift(x, { -0.1, 0.1 })
function stretch.pitch_shift(x, steps, o)
  o = options.check("pitch_shift", o, known { "bins_per_octave" })
  steps = draw.one("pitch_shift: steps", steps, o)
  local rate = check_rate("pitch_shift", 2 ^ (-steps / (o.bins_per_octave or 12)))
  local y = op.no_grad(function()
    local batch, lead = spectra.batch("pitch_shift", x)
    local length = batch:size(2)
    local slow = stretched(batch, rate, o)
    if steps ~= 0 then
      local up, down = fraction(rate)
      slow = resample.resample(slow, filter_of(rate), up, down)
    end
    local missing = length - slow:size(2)
    if missing > 0 then slow = slow:pad { 0, missing } end
    return spectra.unbatch(slow:narrow(2, 1, length):contiguous(), lead)
  end)
  return y, steps
end

return stretch
