--- The phase vocoder as an op on batches of spectra; lt.audio wraps it for people.
local core = require "luatrain.core"
local op = require "luatrain.op"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local vocoder = {}

--- Spectra x (B, bins, frames, 2) `rate` times as fast: (B, bins, ceil(frames / rate), 2).
vocoder.phase_vocoder = op.define {
  name = "phase_vocoder",
  no_gradient = true,
  forward = function(_, x, rate)
    x = x:contiguous()
    local y = Tensor.empty { x:size(1), x:size(2), math.ceil(x:size(3) / rate), 2 }
    check(C.lt_phase_vocoder(y.c, x.c, rate))
    return y
  end,
}

return vocoder
