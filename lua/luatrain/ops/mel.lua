--- Spectrograms and filter banks over them as ops, from samples to features in one pass.
local ffi = require "ffi"
local core = require "luatrain.core"
local op = require "luatrain.op"
local stft = require "luatrain.ops.stft"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local mel = {}

--- An lt_log value: form "none", "log1p", "log_max" or "log_add"; the result is
-- multiplier * log(scale * x ...) + offset, and top > 0 limits each clip to its maximum - top.
function mel.log(form, o)
  o = o or {}
  local code = ({ none = C.LT_LOG_NONE, log1p = C.LT_LOG_1P, log_max = C.LT_LOG_MAX,
    log_add = C.LT_LOG_ADD })[form]
  return ffi.new("lt_log", { code, o.scale or 1, o.floor or 0, o.multiplier or 1, o.offset or 0,
    o.top or 0 })
end

local function pointer(t) return t and t.c or nil end

--- |X|^power of x (B, T), then log: (B, bins, frames).
mel.spectrogram = op.define {
  name = "spectrogram",
  forward = function(saved, x, window, frames, log, power)
    x = x:contiguous()
    local y = Tensor.empty { x:size(1), stft.bins(frames), stft.count(frames, x:size(2)) }
    check(C.lt_spectrogram(y.c, x.c, pointer(window), frames, log, power))
    saved.x, saved.window, saved.frames, saved.log, saved.power = x, window, frames, log, power
    return y
  end,
  backward = function(saved, dy)
    local dx = Tensor.empty(saved.x:size())
    check(C.lt_spectrogram_backward(dx.c, dy:contiguous().c, saved.x.c, pointer(saved.window),
      saved.frames, saved.log, saved.power))
    return dx
  end,
}

--- A filter bank over |X|^power of x (B, T), then log: (B, rows, frames). bands (rows, 3), i32,
-- and weights as lt_log_mel wants them.
mel.log_mel = op.define {
  name = "log_mel",
  forward = function(saved, x, window, bands, weights, frames, log, power)
    x = x:contiguous()
    local y = Tensor.empty { x:size(1), bands:size(1), stft.count(frames, x:size(2)) }
    check(C.lt_log_mel(y.c, x.c, pointer(window), bands.c, weights.c, frames, log, power))
    saved.x, saved.window, saved.bands, saved.weights = x, window, bands, weights
    saved.frames, saved.log, saved.power = frames, log, power
    return y
  end,
  backward = function(saved, dy)
    local dx = Tensor.empty(saved.x:size())
    check(C.lt_log_mel_backward(dx.c, dy:contiguous().c, saved.x.c, pointer(saved.window),
      saved.bands.c, saved.weights.c, saved.frames, saved.log, saved.power))
    return dx
  end,
}

--- Kaldi's log filter bank energies of x (B, T), in f64: (B, frames, rows). window (size), bands and
-- weights as above; options: an lt_fbank_options.
mel.fbank = op.define {
  name = "fbank",
  forward = function(saved, x, window, bands, weights, options)
    x = x:contiguous()
    local frames = math.floor((x:size(2) - window:size(1)) / tonumber(options.hop)) + 1
    local y = Tensor.empty { x:size(1), math.max(frames, 0), bands:size(1) }
    check(C.lt_fbank(y.c, x.c, window.c, bands.c, weights.c, options))
    saved.x, saved.window, saved.bands, saved.weights, saved.options = x, window, bands, weights, options
    return y
  end,
  backward = function(saved, dy)
    local dx = Tensor.empty(saved.x:size())
    check(C.lt_fbank_backward(dx.c, dy:contiguous().c, saved.x.c, saved.window.c, saved.bands.c,
      saved.weights.c, saved.options))
    return dx
  end,
}

return mel
