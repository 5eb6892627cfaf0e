--- One octave of a constant-Q transform as an op; lt.audio.Cqt makes the filters and walks octaves.
local core = require "luatrain.core"
local op = require "luatrain.op"
local C, check = core.C, core.check

local cqt = {}

--- Writes complex filters over frames of x (B, T) into y (B, rows, frames[, 2]), a tensor or a view;
-- returns y. Without a gradient.
cqt.octave = op.define {
  name = "cqt_octave",
  forward = function(_, y, x, bands, weights, frames, log)
    check(C.lt_cqt_octave(y.c, x:contiguous().c, bands.c, weights.c, frames, log))
    return y
  end,
  no_gradient = true,
}

return cqt
