--- Augmentation of mel features, without going back to the sound: m (..., n_mels, frames) as `feature`, an
-- lt.audio.Mel, made them, in any of its forms. Settings are numbers, or {low, high} to draw one from
-- uniformly by o.generator (lt.generator(seed, epoch, index) in a data set). Every function returns a new
-- tensor and leaves its input as it was. None is recorded for gradients.
local lt = require "luatrain"
local core = require "luatrain.core"
local draw = require "luatrain.audio.draw"
local filters = require "luatrain.audio.filters"
local op = require "luatrain.op"
local options = require "luatrain.options"
local scope = require "luatrain.scope"
local Tensor = require "luatrain.tensor"

local augment = {}

-- feature is false where any will do.
local function check_features(what, m, feature)
  if not Tensor.is_tensor(m) or m:dim() < 2 then
    core.fail("%s: the features are %s, wanted (..., n_mels, frames)", what,
      Tensor.is_tensor(m) and m:shape_text() or "a " .. type(m))
  elseif feature ~= false and (type(feature) ~= "table" or not feature.bands) then
    core.fail("%s: wants the lt.audio.Mel that made the features", what)
  elseif feature and m:size(-2) ~= feature.bands:size(1) then
    core.fail("%s: the features are %s, the lt.audio.Mel makes %d bands", what, m:shape_text(),
      feature.bands:size(1))
  end
end

-- ---- interpolation ------------------------------------------------------------------------------

-- m read between its slices along dimension d (-1 or -2), at places from 0; beyond the ends the last
-- slices, or `value` where one is given.
local function read_between(m, d, places, value)
  local last = m:size(d) - 1
  local below, above, low, high, outside = {}, {}, {}, {}, {}
  for i, at in ipairs(places) do
    local kept = math.max(0, math.min(last, at))
    local inside = kept == at or not value
    below[i] = math.floor(kept)
    above[i] = math.min(last, below[i] + 1)
    high[i] = inside and kept - below[i] or 0
    low[i] = inside and 1 - high[i] or 0
    outside[i] = inside and 0 or value
  end
  local function weights(list)
    local t = Tensor.from(list)
    return d == -1 and t or t:unsqueeze(2)
  end
  local y = m:index_select(d, Tensor.from(below, "i64")) * weights(low)
    + m:index_select(d, Tensor.from(above, "i64")) * weights(high)
  return value and y + weights(outside) or y
end

--- Mel features m (..., n_mels, frames) `rate` times as fast: (..., n_mels, ceil(frames / rate)), and the
-- rate. Frames are interpolated as the phase vocoder does with magnitudes, so that of an lt.audio.Mel with
-- power = 1 and form "none" this is the mel of librosa.phase_vocoder's spectrum (but for the very end, which
-- stays). rate: a number, or {low, high}. o: generator.  Example: m, rate = lt.audio.mel_time_stretch(m, {
-- 0.9, 1.1 })
function augment.mel_time_stretch(m, rate, o)
  o = options.check("mel_time_stretch", o, { generator = true })
  check_features("mel_time_stretch", m, false)
  rate = draw.one("mel_time_stretch: rate", rate, o)
  if not (rate >= 1 / 16 and rate <= 16) then
    core.fail("mel_time_stretch: a speed of %g; wanted 1/16 to 16", rate)
  end
  local places = {}
  for t = 1, math.ceil(m:size(-1) / rate) do places[t] = (t - 1) * rate end
  return op.no_grad(read_between, m, -1, places), rate
end

--- Mel features m (..., n_mels, frames) moved by `steps` semitones, upwards where positive, and the steps:
-- each band reads between the bands where its frequency was. steps: a number, or {low, high}.
-- o: value (what comes in at the ends; by default the least of m), generator.
-- Example: m, steps = lt.audio.mel_pitch_shift(m, { -2, 2 }, feature, { generator = g })
function augment.mel_pitch_shift(m, steps, feature, o)
  o = options.check("mel_pitch_shift", o, { generator = true, value = true })
  check_features("mel_pitch_shift", m, feature)
  steps = draw.one("mel_pitch_shift: steps", steps, o)
  local given = feature.options
  local scale, rate = given.scale or "slaney", given.sample_rate or 22050
  local fmin, fmax = given.fmin or 0, given.fmax or rate / 2
  local n, places = m:size(-2), {}
  local corners = filters.mel_corners(n, fmin, fmax, scale)
  local low, high = filters.hz_to_mel(fmin, scale), filters.hz_to_mel(fmax, scale)
  for b = 1, n do
    local mel = filters.hz_to_mel(corners[b + 1] * 2 ^ (-steps / 12), scale)
    local at = (mel - low) / (high - low) * (n + 1) - 1
    local near = math.floor(at + 0.5)
    places[b] = math.abs(at - near) < 1e-9 and near or at      -- no steps: the same bits
  end
  return op.no_grad(function()
    return read_between(m, -2, places, o.value or m:min():item())
  end), steps
end

-- ---- energies -----------------------------------------------------------------------------------

-- Mel energies of features, and back: the inverse of lt.audio.Mel's form.
local function energies(m, g)
  local form, unit = g.form or "none", (g.power or 2) == 2 and 10 or 20
  if form == "db" then return (m * (math.log(10) / unit)):exp() end
  if form == "natural" then return m:exp() - (g.eps or 0) end
  if form == "log1p" then return (m:exp() - 1) * (1 / (g.gain or 1)) end
  return m
end

local function features(e, g)
  local form, unit = g.form or "none", (g.power or 2) == 2 and 10 or 20
  local least = g.amin or form == "db" and (unit == 10 and 1e-10 or 1e-5) or 1e-5
  if form == "db" then return e:clamp(least):log() * (unit / math.log(10)) end
  if form == "natural" then return g.eps and (e:clamp(0) + g.eps):log() or e:clamp(least):log() end
  if form == "log1p" then return (e * (g.gain or 1) + 1):log() end
  return e
end

-- f(energies of one item, its number) for each item of m, as features again.
local function each_item(m, feature, f)
  return op.no_grad(function()
    local e = energies(m, feature.options):reshape(-1, m:size(-2), m:size(-1))
    local list = {}
    for i = 1, e:size(1) do list[i] = f(e:select(1, i), i) end
    return features(lt.stack(list), feature.options):reshape(m:size())
  end)
end

--- Mel features m (..., n_mels, frames) of the sound at a level changed by a random number of dB for each
-- item, uniform in `db` = {low, high} (or one number): what lt.audio.gain does to the sound.
-- o: generator.  Example: lt.audio.mel_gain(m, { -6, 6 }, feature, { generator = g })
function augment.mel_gain(m, db, feature, o)
  o = options.check("mel_gain", o, { generator = true })
  check_features("mel_gain", m, feature)
  local low, high = draw.range("mel_gain: db", db)
  local draws = draw.uniforms(m:numel() / (m:size(-2) * m:size(-1)), o)
  local unit = (feature.options.power or 2) == 2 and 10 or 20
  return each_item(m, feature, function(e, i) return e * 10 ^ ((low + (high - low) * draws[i]) / unit) end)
end

-- How far the powers of noise in bins 1 and 2 apart go together: the squared correlations that a window
-- makes.
local function correlations(window)
  local result, list = {}, window and window:flat() or {}
  for lag = 1, 2 do
    local re, im, sum = 0, 0, 1e-30
    for i, w in ipairs(list) do
      local phase = 2 * math.pi * lag * i / #list
      re, im, sum = re + w * w * math.cos(phase), im + w * w * math.sin(phase), sum + w * w
    end
    result[lag] = (re * re + im * im) / (sum * sum)
  end
  return result
end

-- Of white noise with power 1 a bin: each band's mean energy (n, 1), and its standard deviation as a share of
-- that (n, 1); and how much power of the sound an energy of 1 in a band stands for (n, 1).
local function noise_of(feature)
  if feature.noise then return feature.noise end
  local bands, weights = feature.bands:tolist(), feature.weights:flat()
  local mean, spread, worth, together = {}, {}, {}, correlations(feature.window)
  for b, band in ipairs(bands) do
    local sum, squares = 0, 0
    for k = 1, band[2] do
      local at = band[3] + k
      local next, second = k < band[2] and weights[at + 1] or 0, k + 1 < band[2] and weights[at + 2] or 0
      sum = sum + weights[at]
      squares = squares + weights[at] * (weights[at] + 2 * (together[1] * next + together[2] * second))
    end
    mean[b] = { sum }
    spread[b] = { sum > 0 and math.sqrt(squares) / sum or 0 }
  end
  local corners = filters.mel_corners(#bands, feature.options.fmin or 0,
    feature.options.fmax or (feature.options.sample_rate or 22050) / 2, feature.options.scale or "slaney")
  for b = 1, #bands do
    local width = (corners[b + 2] - corners[b]) / 2
    worth[b] = { mean[b][1] > 0 and width / mean[b][1] or 0 }
  end
  feature.noise = scope.keep { mean = Tensor.from(mean), spread = Tensor.from(spread),
    worth = Tensor.from(worth) }
  return feature.noise
end

--- Mel features m (..., n_mels, frames) of the sound with white noise at a signal-to-noise ratio of `snr` dB,
-- uniform in {low, high} (or one number) for each item: energies of noise are added, whose mean and spread in
-- each band are those of what lt.audio.noise does to the sound. Features of power 2 only.
-- o: generator.  Example: lt.audio.mel_noise(m, { 10, 30 }, feature, { generator = g })
function augment.mel_noise(m, snr, feature, o)
  o = options.check("mel_noise", o, { generator = true })
  check_features("mel_noise", m, feature)
  if (feature.options.power or 2) ~= 2 then
    core.fail "mel_noise: the features are magnitudes, wanted power = 2"
  end
  local low, high = draw.range("mel_noise: snr", snr)
  local draws = draw.uniforms(m:numel() / (m:size(-2) * m:size(-1)), o)
  local noise = noise_of(feature)
  local total = (noise.worth * noise.mean):sum():item()            -- of noise with power 1 a bin
  return each_item(m, feature, function(e, i)
    local power = (e * noise.worth):sum():item() / e:size(2) / total
    local bumps = (lt.randn(e:size(), { generator = o.generator }) * noise.spread + 1):clamp(0)
    return e + bumps * noise.mean * (power * 10 ^ (-(low + (high - low) * draws[i]) / 10))
  end)
end

return augment
