--- How far two sounds are from each other. x and y are (T), or (..., T) of the same shape; results are
-- tensors of the leading dimensions, without dimensions for (T).
--
--   local d = lt.audio.multiscale_spectral_distance(found, wanted):item()     -- 0 for equal sounds
--   lt.audio.distances(found, wanted, 44100)      -- {multiscale =, mfcc =, log_spectral =, envelope =}
local core = require "luatrain.core"
local options = require "luatrain.options"
local spectra = require "luatrain.audio.spectra"

local distances = {}

-- (B, T) views of both and the leading sizes.
local function pair(what, x, y)
  local a, lead = spectra.batch(what, x)
  local b = spectra.batch(what, y)
  if a:size(1) ~= b:size(1) or a:size(2) ~= b:size(2) then
    core.fail("%s: x is %s, y is %s; the sounds must be equally long", what, x:shape_text(), y:shape_text())
  end
  return a, b, lead
end

local multiscale_options = { sizes = true, alpha = true, eps = true }

--- Mean over window sizes of mean |X - Y| + alpha mean |log max(X, eps) - log max(Y, eps)|, X and Y the
-- STFT magnitudes of the sounds (hann windows, hops of a quarter). This is the spectral loss of DDSP
-- (Engel et al. 2020), as a mean over the sizes in place of a sum.
-- o: sizes ({2048, 1024, 512, 256, 128, 64}), alpha (1), eps (1e-5). Differentiable.
function distances.multiscale_spectral_distance(x, y, o)
  o = options.check("multiscale_spectral_distance", o, multiscale_options)
  local a, b, lead = pair("multiscale_spectral_distance", x, y)
  local sizes, alpha, eps = o.sizes or { 2048, 1024, 512, 256, 128, 64 }, o.alpha or 1, o.eps or 1e-5
  local sum
  for _, n in ipairs(sizes) do
    local frames = { n_fft = n, hop = n / 4, power = 1 }
    local p, q = spectra.spectrogram(a, frames), spectra.spectrogram(b, frames)
    local d = (p - q):abs():mean({ 2, 3 })
    if alpha ~= 0 then
      d = d + (p:clamp(eps):log() - q:clamp(eps):log()):abs():mean({ 2, 3 }) * alpha
    end
    sum = sum and sum + d or d
  end
  return (sum * (1 / #sizes)):reshape(lead)
end

local mfcc_options = { sample_rate = true, n_mfcc = true, n_fft = true, hop = true, n_mels = true }

--- Mean |difference| of the MFCC (librosa.feature.mfcc, in dB) over coefficients and frames.
-- o: sample_rate (22050 Hz), n_mfcc (20), n_fft (2048), hop (512), n_mels (128).
function distances.mfcc_distance(x, y, o)
  o = options.check("mfcc_distance", o, mfcc_options)
  local a, b, lead = pair("mfcc_distance", x, y)
  return (spectra.mfcc(a, o) - spectra.mfcc(b, o)):abs():mean({ 2, 3 }):reshape(lead)
end

local spectral_options = { n_fft = true, hop = true, amin = true }

--- Log-spectral distance in dB: the root of the mean over bins of the squared difference of the power
-- spectra in dB, averaged over frames (Gray and Markel 1976).
-- o: n_fft (2048), hop (512), amin (1e-10): powers below count as this much.
function distances.log_spectral_distance(x, y, o)
  o = options.check("log_spectral_distance", o, spectral_options)
  local a, b, lead = pair("log_spectral_distance", x, y)
  local frames = { n_fft = o.n_fft or 2048, hop = o.hop or 512 }
  local function level(z) return spectra.spectrogram(z, frames):clamp(o.amin or 1e-10):log() end
  local d = (level(a) - level(b)) * (10 / math.log(10))
  return (d * d):mean(2):sqrt():mean(2):reshape(lead)
end

local envelope_options = { frame = true, hop = true }

--- Root of the mean square of frames of x (..., T): (..., frames). librosa.feature.rms.
-- o: frame (2048 samples), hop (512).
function distances.rms_envelope(x, o)
  o = options.check("rms_envelope", o, envelope_options)
  local batch, lead = spectra.batch("rms_envelope", x)
  local frame, hop = o.frame or 2048, o.hop or 512
  local half = math.floor(frame / 2)
  local frames = batch:pad({ half, half }):unfold(2, frame, hop)      -- (B, frames, frame)
  local y = (frames * frames):mean(3):sqrt()
  return spectra.unbatch(y, lead)
end

--- Pearson's correlation of the RMS envelopes, from -1 to 1; 0 where one of them does not change.
-- o: frame (2048 samples), hop (512).
function distances.envelope_correlation(x, y, o)
  local a, b, lead = pair("envelope_correlation", x, y)
  local p, q = distances.rms_envelope(a, o), distances.rms_envelope(b, o)
  p, q = p - p:mean(2, true), q - q:mean(2, true)
  local both = (p * q):sum(2)
  return (both / ((p * p):sum(2) * (q * q):sum(2)):sqrt():clamp(1e-12)):reshape(lead)
end

--- All of them: {multiscale =, mfcc =, log_spectral =, envelope =} of tensors. rate in Hz.
function distances.distances(x, y, rate)
  return {
    multiscale = distances.multiscale_spectral_distance(x, y),
    mfcc = distances.mfcc_distance(x, y, { sample_rate = rate }),
    log_spectral = distances.log_spectral_distance(x, y),
    envelope = distances.envelope_correlation(x, y),
  }
end

return distances
