--- Features of signals: STFT, spectrograms, mel, log-mel, MFCC.
-- Signals are (T), (B, T) or (B, C, T), f32; every feature keeps the leading dimensions.
local core = require "luatrain.core"
local options = require "luatrain.options"
local Tensor = require "luatrain.tensor"
local filters = require "luatrain.audio.filters"
local stft_ops = require "luatrain.ops.stft"
local mel_ops = require "luatrain.ops.mel"

local spectra = {}

-- ---- options ------------------------------------------------------------------------------------
local function set(list)
  local t = {}
  for name in list:gmatch "%S+" do t[name] = true end
  return t
end

--- (B, T) view of a signal and the sizes of its leading dimensions.
function spectra.batch(what, x)
  if not Tensor.is_tensor(x) then core.fail("%s: the signal is a %s, wanted a tensor", what, type(x)) end
  local n = x:dim()
  if n < 1 then core.fail("%s: the signal has no dimensions, wanted (T) or (..., T)", what) end
  local lead, count = {}, 1
  for d = 1, n - 1 do
    lead[d] = x:size(d)
    count = count * lead[d]
  end
  if n == 2 then return x, lead end
  return x:reshape(count, x:size(n)), lead
end

--- y (B, ...) with its first dimension unfolded to `lead`.
function spectra.unbatch(y, lead)
  if #lead == 1 then return y end
  local sizes = { unpack(lead) }
  for d = 2, y:dim() do sizes[#sizes + 1] = y:size(d) end
  return y:reshape(sizes)
end

local FRAME_OPTIONS = "n_fft hop win_length window center pad_mode normalized "

local function whole(what, name, value)
  if type(value) ~= "number" or value < 1 or value % 1 ~= 0 then
    core.fail("%s: %s is %s, wanted a whole number from 1", what, name, tostring(value))
  end
  return value
end

local windows = setmetatable({}, { __mode = "v" })  -- those already made, by name and sizes

local function window_of(o, n_fft)
  local name = o.window or "hann"
  if Tensor.is_tensor(name) then return filters.window(name, n_fft, o.win_length) end
  if name == "ones" and (o.win_length or n_fft) == n_fft then return nil end
  local key = name .. "/" .. n_fft .. "/" .. (o.win_length or n_fft)
  local kept = windows[key]
  if not kept then
    kept = require("luatrain.scope").keep(filters.window(name, n_fft, o.win_length))
    windows[key] = kept
  end
  return kept
end

--- window and lt_frames of the options
--   n_fft (2048), hop (n_fft / 4, or `hop`), win_length (n_fft), window ("hann"; or a tensor),
--   center (true), pad_mode ("constant": zeros; "reflect"), normalized (false; true or
--   "frame_length": spectra / sqrt(n_fft); "window": / sqrt(sum of squares of the window)).
function spectra.framing(what, o, hop)
  local n_fft = whole(what, "n_fft", o.n_fft or 2048)
  hop = whole(what, "hop", o.hop or hop or math.max(1, math.floor((o.win_length or n_fft) / 4)))
  if o.win_length then whole(what, "win_length", o.win_length) end
  local pad = o.pad_mode or "constant"
  if pad ~= "constant" and pad ~= "zeros" and pad ~= "reflect" then
    core.fail("%s: pad_mode '%s'; there are constant (zeros) and reflect", what, tostring(pad))
  end
  local window = window_of(o, n_fft)
  local scale = 1
  if o.normalized == "window" then
    local sum = 0
    for _, w in ipairs(window and window:flat() or {}) do sum = sum + w * w end
    scale = 1 / math.sqrt(window and sum or n_fft)
  elseif o.normalized then
    scale = 1 / math.sqrt(n_fft)
  end
  return window, stft_ops.frames(n_fft, hop, o.center ~= false, pad == "reflect", scale)
end

-- ---- STFT ---------------------------------------------------------------------------------------
local stft_options = set(FRAME_OPTIONS)

--- Short-time Fourier transform of x (..., T): (..., 1 + n_fft / 2, frames, 2), re and im.
-- o: n_fft (2048), hop (win_length / 4), win_length (n_fft), window ("hann", "hamming", "blackman",
-- "ones" or a tensor), center (true), pad_mode ("constant" or "reflect"), normalized (false,
-- "frame_length", "window"). As librosa.stft; torch.stft with pad_mode = "reflect".
-- Differentiable.  Example: X = lt.audio.stft(x, { n_fft = 1024, hop = 256 })
function spectra.stft(x, o)
  o = options.check("stft", o, stft_options)
  local batch, lead = spectra.batch("stft", x)
  return spectra.unbatch(stft_ops.stft(batch, spectra.framing("stft", o)), lead)
end

local istft_options = set(FRAME_OPTIONS .. "length")

--- The signal of a spectrum x (..., bins, frames, 2): (..., T). Options as stft's, and length:
-- samples wanted, by default hop (frames - 1) (+ n_fft where not centred). librosa.istft.
function spectra.istft(x, o)
  o = options.check("istft", o, istft_options)
  local n = x:dim()
  if n < 3 or x:size(n) ~= 2 then
    core.fail("istft: the spectrum is %s, wanted (..., bins, frames, 2)", x:shape_text())
  end
  local all = { n_fft = 2 * (x:size(n - 2) - 1) }
  for key, value in pairs(o) do all[key] = value end
  local window, frames = spectra.framing("istft", all)
  frames.scale = 1 / frames.scale
  if stft_ops.bins(frames) ~= x:size(n - 2) then
    core.fail("istft: the spectrum has %d bins, n_fft %d gives %d", x:size(n - 2),
      tonumber(frames.n_fft), stft_ops.bins(frames))
  end
  local lead, count = {}, 1
  for d = 1, n - 3 do
    lead[d] = x:size(d)
    count = count * lead[d]
  end
  local steps = tonumber(frames.hop) * (x:size(n - 1) - 1)
  local n_fft = tonumber(frames.n_fft)
  local length = o.length or steps + (frames.center and n_fft % 2 or n_fft)
  local batch = n == 4 and x or x:reshape(count, x:size(n - 2), x:size(n - 1), 2)
  return spectra.unbatch(stft_ops.istft(batch, window, frames, math.max(length, 1)), lead)
end

local spectrogram_options = set(FRAME_OPTIONS .. "power")

local function power_of(what, o)
  local power = o.power or 2
  if power ~= 1 and power ~= 2 then
    core.fail("%s: power is %s; there are 2 (power) and 1 (magnitude)", what, tostring(power))
  end
  return power
end

--- |X|^power of x (..., T): (..., 1 + n_fft / 2, frames). Options as stft's, and power (2; or 1).
-- Differentiable.
function spectra.spectrogram(x, o)
  o = options.check("spectrogram", o, spectrogram_options)
  local batch, lead = spectra.batch("spectrogram", x)
  local window, frames = spectra.framing("spectrogram", o)
  return spectra.unbatch(mel_ops.spectrogram(batch, window, frames, mel_ops.log "none",
    power_of("spectrogram", o)), lead)
end

-- ---- mel ----------------------------------------------------------------------------------------
local MEL_OPTIONS = FRAME_OPTIONS .. "power sample_rate n_mels fmin fmax scale norm "
local LOG_OPTIONS = "form gain ref amin top_db eps "

-- The lt_log of { form, ... }: see Mel below.
local function log_of(what, o)
  local form = o.form or "none"
  if form == "none" then return mel_ops.log "none" end
  if form == "log1p" then return mel_ops.log("log1p", { scale = o.gain or 1 }) end
  if form == "natural" then
    if o.eps then return mel_ops.log("log_add", { floor = o.eps }) end
    return mel_ops.log("log_max", { floor = o.amin or 1e-5 })
  end
  if form == "db" then
    local power = power_of(what, o)
    local amin = o.amin or (power == 2 and 1e-10 or 1e-5)
    local ref = o.ref == "max" and 1 or math.abs(o.ref or 1)
    local unit = power == 2 and 10 or 20
    local top = o.top_db
    if top == nil then top = 80 end
    return mel_ops.log("log_max", { floor = amin, multiplier = unit / math.log(10),
      offset = -unit * math.log10(math.max(amin, ref)), top = top or 0 })
  end
  local near = core.nearest(tostring(form), { "none", "log1p", "natural", "db" })
  core.fail("%s: form '%s'%s", what, tostring(form), near and "; did you mean '" .. near .. "'?"
    or "; there are none, log1p, db and natural")
end

local mel_options = set(MEL_OPTIONS .. LOG_OPTIONS)

local Mel = {}
Mel.__index = Mel

--- A log-mel feature that keeps its window and filters: m = lt.audio.Mel{...}; m(x) -> (..., n_mels,
-- frames). Made once and called for every batch.
-- o: framing as stft's, but hop 512; sample_rate (22050 Hz), n_mels (128), fmin (0), fmax
-- (sample_rate / 2), scale ("slaney", "htk", "kaldi"), norm ("slaney" or false; the slaney scale's
-- default is "slaney"), power (2), and form:
--   "none"     mel energies (the default here)
--   "log1p"    log(1 + gain * mel), gain 1
--   "db"       10 log10(max(amin, mel) / ref), amin 1e-10, ref 1 (or "max": the clip's largest), then
--              limited to the clip's maximum - top_db (80; false for no limit). With power 1:
--              20 log10, amin 1e-5.
--   "natural"  log(max(mel, amin)), amin 1e-5; with eps: log(mel + eps)
-- As librosa.feature.melspectrogram and power_to_db. torchaudio's MelSpectrogram is
-- { scale = "htk", pad_mode = "reflect", sample_rate = 16000, n_fft = 400, hop = 200 }.
function spectra.Mel(o)
  o = options.check("mel", o, mel_options)
  local keep = require("luatrain.scope").keep
  local self = setmetatable({ options = o, power = power_of("mel", o), log = log_of("mel", o) }, Mel)
  self.window, self.frames = spectra.framing("mel", o, 512)
  if self.window and self.window == o.window then keep(self.window) end
  self.bands, self.weights = filters.mel_bands(o)
  keep(self.bands)
  keep(self.weights)
  return self
end

--- The feature of x (..., T): (..., n_mels, frames). Differentiable where top_db is not used.
function Mel:__call(x)
  local batch, lead = spectra.batch("mel", x)
  local y = mel_ops.log_mel(batch, self.window, self.bands, self.weights, self.frames, self.log,
    self.power)
  if self.options.ref == "max" then y = y - y:amax({ 2, 3 }, true) end
  return spectra.unbatch(y, lead)
end

--- Number of frames of a signal of `length` samples.
function Mel:count(length)
  return stft_ops.count(self.frames, length)
end

local made = setmetatable({}, { __mode = "v" })  -- Mel objects of plain options, by their text

-- The Mel of these options, kept where they are all plain values.
local function cached(o)
  local parts = {}
  for key, value in pairs(o) do
    if type(value) == "table" then return spectra.Mel(o) end
    parts[#parts + 1] = key .. "=" .. tostring(value)
  end
  table.sort(parts)
  local key = table.concat(parts, ";")
  local feature = made[key] or spectra.Mel(o)
  made[key] = feature
  return feature
end

--- Mel energies of x (..., T): (..., n_mels, frames). Options as Mel's, form "none".
function spectra.mel(x, o)
  return cached(o or {})(x)
end

--- Log-mel of x (..., T): (..., n_mels, frames). Options as Mel's; form is "log1p" by default.
-- Example: lt.audio.log_mel(x, { sample_rate = 22050, form = "db" })
function spectra.log_mel(x, o)
  local all = { form = "log1p" }
  for key, value in pairs(o or {}) do all[key] = value end
  return cached(all)(x)
end

local mfcc_options = set(MEL_OPTIONS .. "n_mfcc lifter ref amin top_db")

--- MFCC of x (..., T): (..., n_mfcc, frames): orthonormal DCT-II of the log-mel in dB.
-- o: n_mfcc (20), lifter (0), and Mel's options. librosa.feature.mfcc.
function spectra.mfcc(x, o)
  o = options.check("mfcc", o, mfcc_options)
  local all = { form = "db" }
  for key, value in pairs(o) do
    if key ~= "n_mfcc" and key ~= "lifter" then all[key] = value end
  end
  local n_mfcc, n_mels = whole("mfcc", "n_mfcc", o.n_mfcc or 20), o.n_mels or 128
  if n_mfcc > n_mels then core.fail("mfcc: n_mfcc %d is more than n_mels %d", n_mfcc, n_mels) end
  return filters.dct(n_mfcc, n_mels, o.lifter):matmul(cached(all)(x))
end

return spectra
