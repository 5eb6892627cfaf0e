--- What a room adds to signals, as an op on batches; lt.audio.reverb wraps it for people.
local core = require "luatrain.core"
local op = require "luatrain.op"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local reverb = {}

--- (B, T) from x (B, T): eight combs with delays (B, 12; i32, samples; the last four are the all-passes')
-- and gains (B, 8), their loops low-passed by `damping` (0 to 1), through four all-passes.
reverb.reverb = op.define {
  name = "reverb",
  no_gradient = true,
  forward = function(_, x, delays, gains, damping)
    x = x:contiguous()
    local y = Tensor.empty(x:size())
    check(C.lt_reverb(y.c, x.c, delays:contiguous().c, gains:contiguous().c, damping))
    return y
  end,
}

return reverb
