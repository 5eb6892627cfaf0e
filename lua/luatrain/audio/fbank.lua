--- Kaldi's filter banks (compute-fbank-feats; torchaudio.compliance.kaldi.fbank), and the pictures that
-- the Audio Spectrogram Transformer takes.
local ffi = require "ffi"
local core = require "luatrain.core"
local options = require "luatrain.options"
local scope = require "luatrain.scope"
local Tensor = require "luatrain.tensor"
local filters = require "luatrain.audio.filters"
local mel_ops = require "luatrain.ops.mel"
local spectra = require "luatrain.audio.spectra"

local fbank = {}

local DEFAULTS = { sample_rate = 16000, n_mels = 23, frame_length = 25, frame_shift = 10, fmin = 20,
  fmax = 0, preemphasis = 0.97, remove_dc_offset = true, window = "povey" }

local FLOOR = 2 ^ -23  -- the epsilon of f32

local f32 = ffi.typeof "float[1]"
local function rounded(x) return f32(x)[0] end

-- A symmetric Hann window whose every step is rounded to f32, as torch.hann_window's are: bins that hold
-- little, and networks trained on them, know the difference.
local function hann(n)
  if n == 1 then return { 1 } end
  local values, step = {}, rounded(2 * math.pi / (n - 1))
  for i = 1, n do values[i] = 0.5 - 0.5 * rounded(math.cos(rounded((i - 1) * step))) end
  return values
end

-- The symmetric window of n samples; Kaldi's own is a Hann window to the power of 0.85.
local function window_of(name, n)
  local own = name == "povey" or name == "hann"
  local values = own and hann(n) or filters.window_values(name, n, true)
  if name == "povey" then
    for i, w in ipairs(values) do values[i] = rounded(w) ^ 0.85 end
  end
  return Tensor.from(values)
end

local made = setmetatable({}, { __mode = "v" })  -- tables by the text of their options

-- Sizes in samples, the window, and the filters as lt_fbank wants them.
local function tables_of(o)
  local size = math.floor(o.sample_rate * o.frame_length / 1000 + 1e-6)
  local step = math.floor(o.sample_rate * o.frame_shift / 1000 + 1e-6)
  local key = table.concat({ o.sample_rate, o.n_mels, size, step, o.fmin, o.fmax, o.window }, " ")
  if made[key] then return made[key] end
  local n_fft = 2
  while n_fft < size do n_fft = 2 * n_fft end
  local fmax = o.fmax > 0 and o.fmax or o.sample_rate / 2 + o.fmax
  local t = { size = size, step = step, n_fft = n_fft, window = scope.keep(window_of(o.window, size)) }
  t.bands, t.weights = filters.mel_bands { sample_rate = o.sample_rate, n_fft = n_fft, n_mels = o.n_mels,
    fmin = o.fmin, fmax = fmax, scale = "kaldi" }
  scope.keep(t.bands)
  scope.keep(t.weights)
  made[key] = t
  return t
end

--- Log filter bank energies of x (T) or (B, T): (frames, n_mels) or (B, frames, n_mels). Frames that do not
-- fit into the signal are left out (snip_edges), there is no dither. Computed in f64: the bins that hold
-- least are right, too.
-- o: sample_rate (16000 Hz), n_mels (23), frame_length (25 ms), frame_shift (10 ms), fmin (20 Hz), fmax (0;
-- 0 and below: so far from half the sample rate), preemphasis (0.97), remove_dc_offset (true), window
-- ("povey"; "hann", "hamming", "blackman", "ones")
-- Differentiable. An error where the signal is shorter than a frame.
function fbank.fbank(x, o)
  local given = options.check("fbank", o, DEFAULTS)
  o = {}
  for name, value in pairs(DEFAULTS) do
    if given[name] ~= nil then o[name] = given[name] else o[name] = value end
  end
  local t = tables_of(o)
  local batch = spectra.batch("fbank", x)
  if batch:size(2) < t.size then
    core.fail("fbank: the signal has %d samples, a frame %d", batch:size(2), t.size)
  end
  local y = mel_ops.fbank(batch, t.window, t.bands, t.weights,
    ffi.new("lt_fbank_options", { t.n_fft, t.step, o.preemphasis, FLOOR, o.remove_dc_offset }))
  return x:dim() == 1 and y:squeeze(1) or y
end

--- The input of an Audio Spectrogram Transformer from x (T) or (B, T), 16 kHz, between -1 and 1: fbank of
-- 128 bins (Hann window), cut or filled with zeros to `max_length` frames, then (y - mean) / (2 deviation).
-- (frames, 128) or (B, frames, 128), as Hugging Face's ASTFeatureExtractor gives them.
-- o: max_length (1024 frames), n_mels (128), mean (-4.2677393) and deviation (4.5689974) of AudioSet
function fbank.ast_features(x, o)
  o = options.check("ast_features", o,
    { max_length = true, n_mels = true, mean = true, deviation = true })
  local length = o.max_length or 1024
  local y = fbank.fbank(x, { n_mels = o.n_mels or 128, window = "hann" })
  local d = y:dim() - 1
  if y:size(d) > length then y = y:narrow(d, 1, length) end
  if y:size(d) < length then y = require("luatrain").pad(y, { 0, 0, 0, length - y:size(d) }) end
  return (y - (o.mean or -4.2677393)) * (1 / (2 * (o.deviation or 4.5689974)))
end

return fbank
