--- The gated recurrent unit over whole sequences.
local core = require "luatrain.core"
local op = require "luatrain.op"
local Tensor = require "luatrain.tensor"
local shared = require("luatrain.ops.lstm").shared
local C, check = core.C, core.check

local functions = {}
local pointer = shared.pointer

local layer = op.define {
  name = "gru",
  forward = function(saved, x, h0, w1, w2, w3, w4, w5, w6, w7, w8)
    local w = shared.weights(w1, w2, w3, w4, w5, w6, w7, w8)
    local D, T, N, H = w5 and 2 or 1, x:size(1), x:size(2), w2:size(2)
    x = shared.sequence(x)
    local y, hn = shared.sequence_like(x, D * H), Tensor.empty({ D, N, H })
    local gates = Tensor.empty({ D, T * N, 4 * H })
    check(C.lt_gru(y.c, hn.c, gates.c, x.c, pointer(h0), shared.list(w), D))
    saved.x, saved.y, saved.gates, saved.h0, saved.w, saved.directions = x, y, gates, h0, w, D
    return y, hn
  end,
  backward = function(saved, dy, dhn)
    local x, y, w, D = saved.x, saved.y, saved.w, saved.directions
    local dx = saved.needs[1] and shared.sequence_like(x, x:size(3)) or nil
    local dh0 = saved.needs[2] and Tensor.empty({ D, x:size(2), w[2]:size(2) }) or nil
    local dw = shared.weight_gradients(w)
    dy, dhn = shared.laid_out(dy, y), dhn and dhn:contiguous()
    check(C.lt_gru_backward(pointer(dx), pointer(dh0), shared.list(dw), pointer(dy), pointer(dhn), y.c,
      saved.gates.c, x.c, pointer(saved.h0), shared.list(w), D))
    return dx, dh0, unpack(dw, 1, 8)
  end,
}

--- Gated recurrent units of one or several layers; arguments as for lt.lstm, with weights of 3H rows
-- (r, z, n) and no cell state. Returns y and the last states h (L D, N, H).
function functions.gru(x, h0, weights, options)
  return shared.run("gru", x, h0, nil, weights, options, function(input, h, _, w)
    return layer(input, h, w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8])
  end)
end

return { functions = functions }
