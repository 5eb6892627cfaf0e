--- Augmentation of signals and features. Every function takes o.generator (lt.generator(seed, epoch,
-- index) in a data set, so that a sample's randomness depends on nothing else), returns a new tensor
-- and leaves its input as it was. None is recorded for gradients.
local core = require "luatrain.core"
local options = require "luatrain.options"
local op = require "luatrain.op"
local Tensor = require "luatrain.tensor"
local draw = require "luatrain.audio.draw"
local reverb = require "luatrain.ops.reverb"
local spectra = require "luatrain.audio.spectra"
local C, check = core.C, core.check

local augment = {}

--- A smooth random curve over n bands: straight lines between 9 normal numbers of standard deviation
-- `amount`, (n). Added to levels in dB, or its exponential multiplied to magnitudes, it is another room or
-- microphone.
function augment.random_curve(n, amount, o)
  o = options.check("random_curve", o, { generator = true })
  local knots, curve = Tensor.empty { 9 }, {}
  check(C.lt_normal(knots.c, draw.state(o), 0, amount))
  local value = knots:flat()
  for i = 0, n - 1 do
    local at = n > 1 and i / (n - 1) * 8 or 0
    local k = math.min(7, math.floor(at))
    curve[i + 1] = value[k + 1] + (at - k) * (value[k + 2] - value[k + 1])
  end
  return Tensor.from(curve)
end

local function copy_of(x)
  local y = Tensor.empty(x:size())
  check(C.lt_copy(y.c, x.c))
  return y
end

--- x (..., T) with each signal's level changed by a random number of dB, uniform in `db` = {low, high}
-- (or one number).  Example: lt.audio.gain(x, { -6, 6 }, { generator = g })
function augment.gain(x, db, o)
  o = options.check("gain", o, { generator = true })
  local low, high = draw.range("gain: db", db)
  return op.no_grad(function()
    local batch, lead = spectra.batch("gain", x)
    local y = copy_of(batch)
    for i, u in ipairs(draw.uniforms(y:size(1), o)) do
      y:select(1, i):mul_(10 ^ ((low + (high - low) * u) / 20))
    end
    return spectra.unbatch(y, lead)
  end)
end

--- x (..., T) plus white noise at a signal-to-noise ratio of `snr` dB, uniform in {low, high} (or one
-- number), for each signal. Silence stays silence.
function augment.noise(x, snr, o)
  o = options.check("noise", o, { generator = true })
  local low, high = draw.range("noise: snr", snr)
  return op.no_grad(function()
    local batch, lead = spectra.batch("noise", x)
    local y, noise = copy_of(batch), Tensor.empty(batch:size())
    local ratios = draw.uniforms(y:size(1), o)
    check(C.lt_normal(noise.c, draw.state(o), 0, 1))
    for i, u in ipairs(ratios) do
      local row = y:select(1, i)
      local rms = math.sqrt((row * row):mean():item())
      row:add_(noise:select(1, i) * (rms * 10 ^ (-(low + (high - low) * u) / 20)))
    end
    return spectra.unbatch(y, lead)
  end)
end

-- Delays of the combs and all-passes of a room of size 1, in seconds (about those of Jezar's Freeverb, 2000).
local DELAYS = {
  0.0253, 0.0269, 0.0290, 0.0307, 0.0322, 0.0338, 0.0353, 0.0367, 0.0126, 0.0100, 0.0077, 0.0051,
}
local COMBS = 8

-- Delays (B, 12), in samples, and gains (B, 8) of rooms with the decay times and sizes drawn.
local function rooms(count, sample_rate, o)
  local from, to = draw.range("reverb: decay", o.decay or { 0.2, 1.2 })
  local small, large = draw.range("reverb: size", o.size or { 0.7, 1.5 })
  if not (from > 0 and small > 0) then core.fail("reverb: decay and size must be above 0") end
  local delays, gains, draws = {}, {}, draw.uniforms(count * 14, o)
  for i = 1, count do
    local at = 14 * (i - 1)
    local decay = from + (to - from) * draws[at + 1]
    local size = small + (large - small) * draws[at + 2]
    delays[i], gains[i] = {}, {}
    for k, seconds in ipairs(DELAYS) do
      -- No two rooms have their echoes at the same times.
      local samples = seconds * size * sample_rate * (0.97 + 0.06 * draws[at + 2 + k])
      delays[i][k] = math.max(1, math.floor(samples + 0.5))
      if k <= COMBS then gains[i][k] = 10 ^ (-3 * delays[i][k] / sample_rate / decay) end
    end
  end
  return Tensor.from(delays, "i32"), Tensor.from(gains)
end

--- x (..., T), sounds at `sample_rate` Hz, as in a room: x plus echoes that die away, cut at T. Each signal
-- has a room of its own. These options may be a number or {low, high}, drawn uniformly for each signal:
-- decay (seconds until low frequencies have lost 60 dB; {0.2, 1.2}), wet (level of the echoes over that of
-- the sound, dB; {-20, -8}), size ({0.7, 1.5}, of the room: scales the times between echoes). And damping
-- (0.3; 0 to 1: how much sooner high frequencies die away), generator. Silence stays silence.
-- Combs and all-passes: M. Schroeder, 1962; low passes in the combs: J. Moorer, 1979.
-- Example: lt.audio.reverb(x, 16000, { wet = { -18, -6 }, generator = g })
function augment.reverb(x, sample_rate, o)
  o = options.check("reverb", o,
    { generator = true, decay = true, wet = true, size = true, damping = true })
  if type(sample_rate) ~= "number" or not (sample_rate >= 1000 and sample_rate <= 1e6) then
    core.fail("reverb: the sample rate is %s, wanted 1000 to 1000000 Hz", tostring(sample_rate))
  end
  local low, high = draw.range("reverb: wet", o.wet or { -20, -8 })
  return op.no_grad(function()
    local batch, lead = spectra.batch("reverb", x)
    local delays, gains = rooms(batch:size(1), sample_rate, o)
    local echoes = reverb.reverb(batch, delays, gains, o.damping or 0.3)
    local y = copy_of(batch)
    for i, u in ipairs(draw.uniforms(batch:size(1), o)) do
      local dry, wet = y:select(1, i), echoes:select(1, i)
      local power = (wet * wet):sum():item()
      local level = power > 0 and math.sqrt((dry * dry):sum():item() / power) or 0
      dry:add_(wet * (level * 10 ^ ((low + (high - low) * u) / 20)))
    end
    return spectra.unbatch(y, lead)
  end)
end

-- Masks `count` bands of up to `width` steps along dimension d (1 or 2) of s (bins, frames).
local function mask(s, d, count, width, share, value, o)
  local size = s:size(d)
  local most = math.min(width, share and math.floor(share * size) or size, size)
  local draws = draw.uniforms(2 * count, o)
  for i = 1, count do
    local v = draws[2 * i - 1] * most
    local start = draws[2 * i] * (size - v)
    local first, last = math.floor(start), math.floor(start) + math.floor(v)
    if last > first then s:narrow(d, first + 1, last - first):fill_(value) end
  end
end

--- Features s (..., bins, frames) with random bands of bins and of frames set to `value`
-- (SpecAugment: D. Park et al., 2019). Widths are uniform in [0, width), starts in [0, size - width).
-- o: freq_masks (1), freq_width (0: none), time_masks (1), time_width (0: none), time_share (a
-- time mask covers at most this share of the frames), value (0).
function augment.spec_augment(s, o)
  o = options.check("spec_augment", o, { generator = true, freq_masks = true,
    freq_width = true, time_masks = true, time_width = true, time_share = true, value = true })
  local n = s:dim()
  if n < 2 then core.fail("spec_augment: the features are %s, wanted (..., bins, frames)", s:shape_text()) end
  return op.no_grad(function()
    local y = copy_of(s)
    local flat = y:reshape(-1, s:size(n - 1), s:size(n))
    for i = 1, flat:size(1) do
      local item = flat:select(1, i)
      mask(item, 1, o.freq_masks or 1, o.freq_width or 0, nil, o.value or 0, o)
      mask(item, 2, o.time_masks or 1, o.time_width or 0, o.time_share, o.value or 0, o)
    end
    return y
  end)
end

--- Features c (..., bins, frames) of a constant-Q transform moved by `bins` bins: a pitch shift of
-- bins / bins_per_octave octaves, upwards where positive. What comes in is o.value (0; for log features
-- give their floor).
function augment.roll_bins(c, bins, o)
  o = options.check("roll_bins", o, { value = true })
  local n = c:dim()
  if n < 2 then core.fail("roll_bins: the features are %s, wanted (..., bins, frames)", c:shape_text()) end
  if type(bins) ~= "number" or bins % 1 ~= 0 then
    core.fail("roll_bins: the shift is %s, wanted a whole number of bins", tostring(bins))
  end
  return op.no_grad(function()
    local size = c:size(n - 1)
    local y = Tensor.empty(c:size())
    check(C.lt_fill(y.c, o.value or 0))
    local kept = size - math.abs(bins)
    if kept > 0 then
      local from, to = math.max(-bins, 0) + 1, math.max(bins, 0) + 1
      check(C.lt_copy(y:narrow(n - 1, to, kept).c, c:narrow(n - 1, from, kept).c))
    end
    return y
  end)
end

return augment
