--- Short-time Fourier transforms as ops on batches of signals; lt.audio wraps them for people.
local ffi = require "ffi"
local core = require "luatrain.core"
local op = require "luatrain.op"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local stft = {}

--- An lt_frames value: n_fft and hop in samples, whether frames are centred, whether samples
-- beyond the ends are mirrored, and a factor for the spectra.
function stft.frames(n_fft, hop, center, reflect, scale)
  return ffi.new("lt_frames", { n_fft, hop, center, reflect, scale or 1 })
end

--- Number of frames that `frames` gives for a signal of `length` samples; an error where none.
function stft.count(frames, length)
  local n_fft, hop = tonumber(frames.n_fft), tonumber(frames.hop)
  if hop < 1 or n_fft < 1 then core.fail("n_fft and hop must be at least 1, got %d and %d", n_fft, hop) end
  local padded = length + (frames.center and 2 * math.floor(n_fft / 2) or 0)
  if length < 1 or padded < n_fft then
    core.fail("a signal of %d samples is shorter than one frame of %d", length, n_fft)
  end
  return math.floor((padded - n_fft) / hop) + 1
end

-- Number of bins of a real transform.
local function bins(frames)
  return math.floor(tonumber(frames.n_fft) / 2) + 1
end
stft.bins = bins

local function pointer(t) return t and t.c or nil end

--- Spectra of x (B, T): (B, bins, frames, 2), re and im. window: a tensor of n_fft samples or nil.
stft.stft = op.define {
  name = "stft",
  forward = function(saved, x, window, frames)
    x = x:contiguous()
    local y = Tensor.empty { x:size(1), bins(frames), stft.count(frames, x:size(2)), 2 }
    check(C.lt_stft(y.c, x.c, pointer(window), frames))
    saved.window, saved.frames, saved.shape = window, frames, x:size()
    return y
  end,
  backward = function(saved, dy)
    local dx = Tensor.empty(saved.shape)
    check(C.lt_stft_backward(dx.c, dy:contiguous().c, pointer(saved.window), saved.frames))
    return dx
  end,
}

--- Signals (B, length) of spectra x (B, bins, frames, 2), by overlap and division by the sum of
-- squared windows.
stft.istft = op.define {
  name = "istft",
  forward = function(saved, x, window, frames, length)
    x = x:contiguous()
    local y = Tensor.empty { x:size(1), length }
    check(C.lt_istft(y.c, x.c, pointer(window), frames))
    saved.window, saved.frames, saved.shape = window, frames, x:size()
    return y
  end,
  backward = function(saved, dy)
    local dx = Tensor.empty(saved.shape)
    check(C.lt_istft_backward(dx.c, dy:contiguous().c, pointer(saved.window), saved.frames))
    return dx
  end,
}

return stft
