--- Resampling as an op on batches of signals; lt.audio.resample wraps it for people.
local core = require "luatrain.core"
local op = require "luatrain.op"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local resample = {}

--- x (B, T) at up / down times its rate: (B, ceil(T up / down)). filter: of lt_resample_filter.
resample.resample = op.define {
  name = "resample",
  forward = function(saved, x, filter, up, down)
    x = x:contiguous()
    local y = Tensor.empty { x:size(1), math.ceil(x:size(2) * up / down) }
    check(C.lt_resample(y.c, x.c, filter.c, up, down))
    saved.shape, saved.filter, saved.up, saved.down = x:size(), filter, up, down
    return y
  end,
  backward = function(saved, dy)
    local dx = Tensor.empty(saved.shape)
    check(C.lt_resample_backward(dx.c, dy:contiguous().c, saved.filter.c, saved.up, saved.down))
    return dx
  end,
}

return resample
