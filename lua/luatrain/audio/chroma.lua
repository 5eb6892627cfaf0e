--- Chroma: energy by pitch class, and the tuning of a recording.
-- librosa's definitions (feature/spectral.py, core/pitch.py).
local core = require "luatrain.core"
local options = require "luatrain.options"
local Tensor = require "luatrain.tensor"
local filters = require "luatrain.audio.filters"
local spectra = require "luatrain.audio.spectra"
local cqt = require "luatrain.audio.cqt"

local chroma = {}

local TINY = 1.1754943508222875e-38
local LN2 = math.log(2)

-- ---- tuning -------------------------------------------------------------------------------------
-- Spectral peaks of one power spectrogram (bins, frames): lists of frequencies (Hz) and magnitudes.
-- Local maxima above a tenth of the frame's largest value, between 150 and 4000 Hz, their place and
-- height refined by a parabola through three bins.
local function peaks(s, rate, n_fft)
  local bins, frames = s:size(1), s:size(2)
  local p = s:contiguous():data()
  local low = math.max(1, math.ceil(150 * n_fft / rate))
  local high = math.min(bins - 2, math.ceil(math.min(4000, rate / 2) * n_fft / rate) - 1)
  local pitch, magnitude = {}, {}
  local floor = {}
  for t = 0, frames - 1 do floor[t] = 0 end
  for k = 0, bins - 1 do
    for t = 0, frames - 1 do
      local v = p[k * frames + t]
      if v > floor[t] then floor[t] = v end
    end
  end
  for k = low, high do
    for t = 0, frames - 1 do
      local least = 0.1 * floor[t]
      local a, b, c = p[(k - 1) * frames + t], p[k * frames + t], p[(k + 1) * frames + t]
      if b > least and b > (a > least and a or 0) and b >= (c > least and c or 0) then
        local curve, slope = a + c - 2 * b, (c - a) / 2
        local shift = math.abs(slope) >= math.abs(curve) and 0 or -slope / curve
        pitch[#pitch + 1] = (k + shift) * rate / n_fft
        magnitude[#magnitude + 1] = b + 0.5 * slope * shift
      end
    end
  end
  return pitch, magnitude
end

local function median(list)
  local sorted = { unpack(list) }
  if #sorted < #list then  -- unpack has a limit
    for i = 1, #list do sorted[i] = list[i] end
  end
  table.sort(sorted)
  local n = #sorted
  return n % 2 == 1 and sorted[(n + 1) / 2] or (sorted[n / 2] + sorted[n / 2 + 1]) / 2
end

local function tuning_of(s, rate, n_fft, bins_per_octave)
  local pitch, magnitude = peaks(s, rate, n_fft)
  if #pitch == 0 then return 0 end
  local middle = median(magnitude)
  local counts = {}
  for i = 1, 100 do counts[i] = 0 end
  for i = 1, #pitch do
    if magnitude[i] >= middle then
      local r = (bins_per_octave * math.log(pitch[i] / 27.5) / LN2) % 1
      if r >= 0.5 then r = r - 1 end
      local cell = math.min(math.floor((r + 0.5) * 100) + 1, 100)
      counts[cell] = counts[cell] + 1
    end
  end
  local best = 1
  for i = 2, 100 do if counts[i] > counts[best] then best = i end end
  return (best - 1) / 100 - 0.5
end

--- How far a recording x (T) is from A = 440 Hz, in fractions of a bin, -0.5 to 0.5 in steps of 0.01.
-- o: sample_rate (22050), n_fft (2048), hop (n_fft / 4), bins_per_octave (12). librosa.estimate_tuning.
function chroma.estimate_tuning(x, o)
  o = options.check("estimate_tuning", o,
    { sample_rate = true, n_fft = true, hop = true, bins_per_octave = true })
  local n_fft = o.n_fft or 2048
  local s = spectra.spectrogram(x:detach(), { n_fft = n_fft, hop = o.hop, power = 1 })
  if s:dim() ~= 2 then core.fail("estimate_tuning: the signal is %s, wanted (T)", x:shape_text()) end
  return tuning_of(s, o.sample_rate or 22050, n_fft, o.bins_per_octave or 12)
end

-- ---- chroma -------------------------------------------------------------------------------------
-- Every frame (the last dimension) divided by its largest value.
local function normalized(y)
  return y / y:amax(-2, true):clamp(TINY)
end

--- Chroma of x (..., T) from its power spectrogram: (..., n_chroma, frames), the largest value of a
-- frame 1. o: sample_rate (22050), n_fft (2048), hop (512), n_chroma (12), tuning (estimated for each
-- signal), norm (true). Row 1 is C. librosa.feature.chroma_stft.
function chroma.chroma_stft(x, o)
  o = options.check("chroma_stft", o, { sample_rate = true, n_fft = true, hop = true,
    n_chroma = true, tuning = true, norm = true })
  local rate, n_fft, n = o.sample_rate or 22050, o.n_fft or 2048, o.n_chroma or 12
  local batch, lead = spectra.batch("chroma_stft", x)
  local s = spectra.spectrogram(batch, { n_fft = n_fft, hop = o.hop or 512 })
  local function fold(power, tuning)
    return filters.chroma_filters { sample_rate = rate, n_fft = n_fft, n_chroma = n, tuning = tuning }
      :matmul(power)
  end
  local y
  if o.tuning then
    y = fold(s, o.tuning)
  else
    y = Tensor.empty { s:size(1), n, s:size(3) }
    for i = 1, s:size(1) do
      y:select(1, i):copy_(fold(s:select(1, i), tuning_of(s:select(1, i), rate, n_fft, n)))
    end
  end
  if o.norm ~= false then y = normalized(y) end
  return spectra.unbatch(y, lead)
end

-- The matrix (n_chroma, bins) that folds constant-Q bins; bin 1 is at fmin.
local function fold_matrix(n_chroma, bins, bins_per_octave, fmin)
  local merge = bins_per_octave / n_chroma
  if merge % 1 ~= 0 then
    core.fail("chroma_cqt: bins_per_octave %d is not a multiple of n_chroma %d", bins_per_octave, n_chroma)
  end
  local midi = 12 * math.log(fmin / 440) / LN2 + 69
  local roll = math.floor(midi % 12 * n_chroma / 12 + 0.5)
  local t = Tensor.empty { n_chroma, bins }
  t:fill_(0)
  local p = t:data()
  for k = 0, bins - 1 do
    local class = math.floor((k + math.floor(merge / 2)) % bins_per_octave / merge)
    p[((class + roll) % n_chroma) * bins + k] = 1
  end
  return t
end

--- Chroma of x (..., T) from its constant-Q transform: (..., n_chroma, frames), the largest value of a
-- frame 1. o: sample_rate (22050), hop (512), fmin (32.703 Hz), n_chroma (12), n_octaves (7),
-- bins_per_octave (36), tuning (of the 36 bins; estimated where x is one signal, else 0), norm (true).
-- librosa.feature.chroma_cqt.
function chroma.chroma_cqt(x, o)
  o = options.check("chroma_cqt", o, { sample_rate = true, hop = true, fmin = true,
    n_chroma = true, n_octaves = true, bins_per_octave = true, tuning = true, norm = true })
  local rate, bpo, fmin = o.sample_rate or 22050, o.bins_per_octave or 36, o.fmin or 440 * 2 ^ (-45 / 12)
  local bins = bpo * (o.n_octaves or 7)
  local tuning = o.tuning
  if not tuning then
    tuning = x:dim() == 1 and chroma.estimate_tuning(x, { sample_rate = rate, bins_per_octave = bpo }) or 0
  end
  local c = cqt.cqt(x, { sample_rate = rate, hop = o.hop or 512, fmin = fmin, n_bins = bins,
    bins_per_octave = bpo, tuning = tuning })
  local y = fold_matrix(o.n_chroma or 12, bins, bpo, fmin):matmul(c)
  return o.norm ~= false and normalized(y) or y
end

return chroma
