--- The constant-Q transform: filters of equal relative bandwidth, octave by octave.
-- librosa.cqt's definitions (https://librosa.org, core/constantq.py): wavelets of Q periods, their
-- spectra thinned out, the signal halved in rate from octave to octave.
local ffi = require "ffi"
local core = require "luatrain.core"
local options = require "luatrain.options"
local scope = require "luatrain.scope"
local Tensor = require "luatrain.tensor"
local spectra = require "luatrain.audio.spectra"
local resample = require "luatrain.audio.resample"
local stft_ops = require "luatrain.ops.stft"
local mel_ops = require "luatrain.ops.mel"
local cqt_ops = require "luatrain.ops.cqt"

local cqt = {}

local C1 = 440 * 2 ^ (-45 / 12)         -- 32.703 Hz
local HANN_BANDWIDTH = 1.50018310546875 -- of the Hann window, in bins
local LN2 = math.log(2)

local function log2(x) return math.log(x) / LN2 end

-- ---- filters ------------------------------------------------------------------------------------
local doubles = ffi.typeof "double[?]"

-- In-place complex Fourier transform of n = 2^k points in double precision.
local function fft(re, im, n)
  local j = 0
  for i = 1, n - 1 do  -- bit reversal
    local bit = n / 2
    while j >= bit do j, bit = j - bit, bit / 2 end
    j = j + bit
    if i < j then re[i], re[j], im[i], im[j] = re[j], re[i], im[j], im[i] end
  end
  local half = 1
  while half < n do
    for k = 0, half - 1 do
      local c, s = math.cos(math.pi * k / half), -math.sin(math.pi * k / half)
      for a = k, n - 1, 2 * half do
        local b = a + half
        local x, y = re[b] * c - im[b] * s, re[b] * s + im[b] * c
        re[b], im[b], re[a], im[a] = re[a] - x, im[a] - y, re[a] + x, im[a] + y
      end
    end
    half = half * 2
  end
end

-- Bins 0 .. n / 2 of one wavelet: exp(2 pi i f n / rate) under a Hann window, of L1 norm 1, centred.
local function wavelet(f, rate, length, n)
  local re, im = doubles(n), doubles(n)
  local first, last = math.floor(-length / 2), math.floor(length / 2) - 1
  local count = last - first + 1
  local left = math.floor((n - count) / 2)
  local sum = 0
  for i = 0, count - 1 do sum = sum + (0.5 - 0.5 * math.cos(2 * math.pi * i / count)) end
  local gain = length / n / sum
  for i = 0, count - 1 do
    local w = (0.5 - 0.5 * math.cos(2 * math.pi * i / count)) * gain
    local phase = 2 * math.pi * f * (first + i) / rate
    re[left + i], im[left + i] = w * math.cos(phase), w * math.sin(phase)
  end
  fft(re, im, n)
  return re, im
end

-- Magnitude below which the bins that hold `share` of a row's sum of magnitudes lie.
local function threshold(re, im, bins, share)
  local list, total = {}, 0
  for k = 0, bins - 1 do
    list[k + 1] = math.sqrt(re[k] ^ 2 + im[k] ^ 2)
    total = total + list[k + 1]
  end
  table.sort(list)
  local sum = 0
  for k = 1, bins do
    sum = sum + list[k]
    if sum / total >= share then return list[k] end
  end
  return 0
end

-- bands (rows, 3) and complex weights of the wavelets at `freqs`, each times gains[k].
local function bank(freqs, lengths, gains, rate, n_fft, sparsity)
  local bins = n_fft / 2 + 1
  local bands, values = Tensor.empty({ #freqs, 3 }, "i32"), {}
  local b = bands:data()
  for k = 1, #freqs do
    local re, im = wavelet(freqs[k], rate, lengths[k], n_fft)
    local floor = threshold(re, im, bins, sparsity)
    local first, last
    for i = 0, bins - 1 do
      if re[i] ^ 2 + im[i] ^ 2 < (floor * (1 - 1e-12)) ^ 2 then
        re[i], im[i] = 0, 0
      else
        first, last = first or i, i
      end
    end
    b[3 * k - 3], b[3 * k - 2], b[3 * k - 1] = first, last - first + 1, #values / 2
    for i = first, last do
      values[#values + 1] = re[i] * gains[k]
      values[#values + 1] = im[i] * gains[k]
    end
  end
  return scope.keep(bands), scope.keep(Tensor.from(values))
end

-- ---- plan ---------------------------------------------------------------------------------------
-- Relative bandwidth of each of the frequencies, from the spacing of its neighbours.
local function bandwidths(freqs, bins_per_octave)
  local alpha, n = {}, #freqs
  for k = 1, n do
    local steps
    if n == 1 then
      steps = bins_per_octave
    elseif k == 1 then
      steps = 1 / log2(freqs[2] / freqs[1])
    elseif k == n then
      steps = 1 / log2(freqs[n] / freqs[n - 1])
    else
      steps = 2 / log2(freqs[k + 1] / freqs[k - 1])
    end
    local r = 2 ^ (2 / steps)
    alpha[k] = (r - 1) / (r + 1)
  end
  return alpha
end

local function twos(n)
  local count = 0
  while n % 2 == 0 do n, count = n / 2, count + 1 end
  return count
end

local Cqt = {}
Cqt.__index = Cqt

local known = {}
for name in ([[sample_rate hop fmin n_bins bins_per_octave tuning filter_scale sparsity output form gain
  ref amin top_db]]):gmatch "%S+" do
  known[name] = true
end

local function positive(name, value)
  if type(value) ~= "number" or value <= 0 or value ~= value then
    core.fail("cqt: %s is %s, wanted a number above 0", name, tostring(value))
  end
  return value
end

local function positive_whole(name, value)
  if positive(name, value) % 1 ~= 0 then
    core.fail("cqt: %s is %s, wanted a whole number", name, tostring(value))
  end
  return value
end

-- What is made of the complex values: nil for complex output, else the lt_log of magnitudes, and top_db.
local function output_of(o)
  local form = o.form or "none"
  if o.output == "complex" then
    if form ~= "none" then core.fail("cqt: form '%s' needs output = \"magnitude\"", form) end
    return nil
  end
  if o.output and o.output ~= "magnitude" then
    core.fail("cqt: output '%s'; there are magnitude and complex", tostring(o.output))
  end
  if form == "none" then return mel_ops.log "none" end
  if form == "log1p" then return mel_ops.log("log1p", { scale = o.gain or 1 }) end
  if form == "natural" then return mel_ops.log("log_max", { floor = o.amin or 1e-5 }) end
  if form == "db" then
    local amin = o.amin or 1e-5
    return mel_ops.log("log_max", { floor = amin, multiplier = 20 / math.log(10),
      offset = -20 * math.log10(math.max(amin, o.ref == "max" and 1 or math.abs(o.ref or 1))) })
  end
  core.fail("cqt: form '%s'; there are none, log1p, db and natural", tostring(form))
end

-- Octaves from the top, each with its filters, rate and hop.
local function plan_octaves(self, freqs, alpha, o)
  local bpo, n_bins = o.bins_per_octave, #freqs
  local quality = o.filter_scale
  local early = 2 ^ self.early
  local rate, hop = o.sample_rate / early, o.hop / early
  local first_rate, halvings = rate, self.early
  self.octaves = {}
  for octave = 0, math.ceil(n_bins / bpo) - 1 do
    local high = n_bins - octave * bpo
    local low = math.max(high - bpo + 1, 1)
    local f, lengths, gains, longest = {}, {}, {}, 0
    for k = low, high do
      local i = k - low + 1
      f[i], lengths[i] = freqs[k], quality / alpha[k] * rate / freqs[k]
      longest = math.max(longest, lengths[i])
      -- each halving keeps the energy; librosa divides by the root of the length at the first rate
      gains[i] = math.sqrt(2) ^ halvings * math.sqrt(first_rate / rate)
        / math.sqrt(quality / alpha[k] * first_rate / freqs[k])
    end
    local n_fft = 2 ^ math.ceil(log2(longest) - 1e-12)
    local bands, weights = bank(f, lengths, gains, rate, n_fft, o.sparsity)
    local halve = hop % 2 == 0
    self.octaves[octave + 1] = { low = low, rows = high - low + 1, bands = bands, weights = weights,
      frames = stft_ops.frames(n_fft, hop, true, false), halve = halve }
    if halve then rate, hop, halvings = rate / 2, hop / 2, halvings + 1 end
  end
end

--- A constant-Q transform that keeps its filters: q = lt.audio.Cqt{...}; q(x) -> (..., n_bins,
-- frames), frame t centred on sample hop t, 1 + T / hop frames.
-- o: sample_rate (22050 Hz), hop (512 samples), fmin (32.703 Hz, C1), n_bins (84), bins_per_octave
-- (12), tuning (0, in fractions of a bin), filter_scale (1: length of the filters), sparsity (0.01),
-- output: "magnitude" (default) or "complex" (..., n_bins, frames, 2); and for magnitudes form: "none",
-- "log1p" (gain 1), "natural" (amin 1e-5), "db" (20 log10 over ref 1 or "max", amin 1e-5, top_db
-- none).
-- As librosa.cqt with pad_mode = "constant". Without a gradient.
function cqt.Cqt(o)
  local given = options.check("cqt", o, known)
  o = { sample_rate = 22050, hop = 512, fmin = C1, n_bins = 84, bins_per_octave = 12, tuning = 0,
    filter_scale = 1, sparsity = 0.01 }
  for key, value in pairs(given) do o[key] = value end
  for _, name in ipairs { "sample_rate", "hop", "n_bins", "bins_per_octave" } do
    positive_whole(name, o[name])
  end
  positive("fmin", o.fmin)
  positive("filter_scale", o.filter_scale)
  local self = setmetatable({ options = o, log = output_of(o), n_bins = o.n_bins }, Cqt)
  self.complex = o.output == "complex"
  local freqs, reach = {}, 0
  for k = 1, o.n_bins do
    freqs[k] = o.fmin * 2 ^ ((o.tuning + k - 1) / o.bins_per_octave)
  end
  local alpha = bandwidths(freqs, o.bins_per_octave)
  for k = 1, o.n_bins do
    reach = math.max(reach, freqs[k] * (1 + 0.5 * HANN_BANDWIDTH * alpha[k] / o.filter_scale))
  end
  local nyquist = o.sample_rate / 2
  if reach > nyquist then
    core.fail("cqt: the highest filter reaches %.0f Hz, beyond half the sample rate (%.0f Hz); use "
      .. "fewer bins", reach, nyquist)
  end
  local octaves = math.ceil(o.n_bins / o.bins_per_octave)
  self.early = math.min(math.max(0, math.ceil(log2(nyquist / reach)) - 2),
    math.max(0, twos(o.hop) - octaves + 1))
  self.freqs = freqs
  plan_octaves(self, freqs, alpha, o)
  return self
end

--- Frequencies of the bins in Hz, a list.
function Cqt:frequencies()
  return self.freqs
end

-- Octave by octave into y (B, n_bins, frames[, 2]).
local function transform(self, batch)
  local signals, x, count = {}, batch, math.huge
  if self.early > 0 then x = resample.resample(x, 2 ^ self.early, 1) end
  for i, octave in ipairs(self.octaves) do
    signals[i] = x
    count = math.min(count, stft_ops.count(octave.frames, x:size(2)))
    if octave.halve and i < #self.octaves then x = resample.resample(x, 2, 1) end
  end
  local sizes = { batch:size(1), self.n_bins, count, self.complex and 2 or nil }
  local y = Tensor.empty(sizes)
  for i, octave in ipairs(self.octaves) do
    cqt_ops.octave(y:narrow(2, octave.low, octave.rows), signals[i], octave.bands, octave.weights,
      octave.frames, self.log or mel_ops.log "none")
  end
  return y
end

--- The transform of x (..., T).
function Cqt:__call(x)
  local batch, lead = spectra.batch("cqt", x)
  local y = scope.run(function()
    local inner = require("luatrain.op").no_grad(transform, self, batch)
    if self.options.form == "db" and self.options.ref == "max" then
      inner = inner - inner:amax({ 2, 3 }, true)
    end
    local top = self.options.top_db
    if top and self.options.form == "db" then
      inner = inner:maximum(inner:amax({ 2, 3 }, true) - top)
    end
    return inner
  end)
  return spectra.unbatch(y, lead)
end

local made = setmetatable({}, { __mode = "v" })  -- Cqt objects by their options

--- The constant-Q transform of x (..., T); options as Cqt's.
-- Example: C = lt.audio.cqt(x, { sample_rate = 22050, form = "db" })   -- (84, frames)
function cqt.cqt(x, o)
  local parts = {}
  for key, value in pairs(o or {}) do parts[#parts + 1] = key .. "=" .. tostring(value) end
  table.sort(parts)
  local key = table.concat(parts, ";")
  local feature = made[key] or cqt.Cqt(o)
  made[key] = feature
  return feature(x)
end

return cqt
