--- Long short-term memory over whole sequences; what it shares with the GRU (ops/gru.lua).
local ffi = require "ffi"
local core = require "luatrain.core"
local op = require "luatrain.op"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local functions, shared = {}, {}
local weight_list = ffi.typeof "lt_tensor *[8]"

local function pointer(t) return t and t.c or nil end
shared.pointer = pointer

--- The weights of both directions as a table, each dense.
function shared.weights(...)
  local w = { ... }
  for i = 1, 8 do w[i] = w[i] and w[i]:contiguous() or nil end
  return w
end

--- C list of the weights of both directions.
function shared.list(w)
  local list = weight_list()
  for i = 1, 8 do list[i - 1] = pointer(w[i]) end
  return list
end

-- (T, N, ...) views whose memory is (N, T, ...).
local function batch_major(x)
  return x:size(1) > 1 and x:size(2) > 1 and x:stride(1) < x:stride(2)
end

--- x as the kernel takes it: dense in the order (T, N, C) or (N, T, C) of its memory.
function shared.sequence(x)
  if batch_major(x) then
    local turned = x:transpose(1, 2)
    return turned:is_contiguous() and x or turned:contiguous():transpose(1, 2)
  end
  return x:contiguous()
end

--- A fresh (T, N, channels) in x's memory order.
function shared.sequence_like(x, channels)
  if batch_major(x) then
    return Tensor.empty({ x:size(2), x:size(1), channels }):transpose(1, 2)
  end
  return Tensor.empty({ x:size(1), x:size(2), channels })
end

--- dy laid out as y, copied where it is not; nil stays nil.
function shared.laid_out(dy, y)
  if not dy then return nil end
  for d = 1, 3 do
    if y:size(d) > 1 and dy:stride(d) ~= y:stride(d) then
      local copy = y:like()
      check(C.lt_copy(copy.c, dy.c))
      return copy
    end
  end
  return dy
end

--- Gradients for a list of weights, nil where there is no weight.
function shared.weight_gradients(w)
  local dw = {}
  for i = 1, 8 do dw[i] = w[i] and Tensor.empty(w[i]:size()) or nil end
  return dw
end

local layer = op.define {
  name = "lstm",
  forward = function(saved, x, h0, c0, w1, w2, w3, w4, w5, w6, w7, w8)
    local w = shared.weights(w1, w2, w3, w4, w5, w6, w7, w8)
    local D, T, N, H = w5 and 2 or 1, x:size(1), x:size(2), w2:size(2)
    x = shared.sequence(x)
    local y = shared.sequence_like(x, D * H)
    local hn, cn = Tensor.empty({ D, N, H }), Tensor.empty({ D, N, H })
    local gates, cells = Tensor.empty({ D, T * N, 4 * H }), Tensor.empty({ D, T * N, H })
    check(C.lt_lstm(y.c, hn.c, cn.c, gates.c, cells.c, x.c, pointer(h0), pointer(c0),
      shared.list(w), D))
    saved.x, saved.y, saved.gates, saved.cells = x, y, gates, cells
    saved.h0, saved.c0, saved.w, saved.directions = h0, c0, w, D
    return y, hn, cn
  end,
  backward = function(saved, dy, dhn, dcn)
    local x, y, w, D = saved.x, saved.y, saved.w, saved.directions
    local N, H = x:size(2), w[2]:size(2)
    local dx = saved.needs[1] and shared.sequence_like(x, x:size(3)) or nil
    local dh0 = saved.needs[2] and Tensor.empty({ D, N, H }) or nil
    local dc0 = saved.needs[3] and Tensor.empty({ D, N, H }) or nil
    local dw = shared.weight_gradients(w)
    dy, dhn, dcn = shared.laid_out(dy, y), dhn and dhn:contiguous(), dcn and dcn:contiguous()
    check(C.lt_lstm_backward(pointer(dx), pointer(dh0), pointer(dc0), shared.list(dw), pointer(dy),
      pointer(dhn), pointer(dcn), y.c, saved.gates.c, saved.cells.c, x.c, pointer(saved.h0),
      pointer(saved.c0), shared.list(w), D))
    return dx, dh0, dc0, unpack(dw, 1, 8)
  end,
}

--- Options of lt.lstm and lt.gru, from a table or a module with such fields.
function shared.options(name, given)
  local o = given or {}
  local p = o.dropout or 0
  if not (p >= 0 and p <= 1) then core.fail("%s: dropout is %g; it must be from 0 to 1", name, p) end
  return { layers = o.num_layers or 1, directions = o.bidirectional and 2 or 1,
    bias = o.bias ~= false, batch_first = o.batch_first or false,
    dropout = o.training and p or 0 }
end

-- States of one layer out of those of all.
local function layer_state(state, i, D)
  return state and state:narrow(1, i * D + 1, D):contiguous() or nil
end

-- Weights of one layer, both directions, as eight arguments.
local function layer_weights(weights, i, o)
  local each = o.bias and 4 or 2
  local w, at = {}, i * o.directions * each
  for d = 0, o.directions - 1 do
    for k = 1, each do w[d * 4 + k] = weights[at + d * each + k] end
  end
  return w
end

--- Runs all layers: step(x, h0, c0, w) -> y, h, c for one of them.
function shared.run(name, x, h0, c0, weights, given, step)
  local o = shared.options(name, given)
  local lt = require "luatrain"
  if x:dim() ~= 3 then
    core.fail("%s: x is %s; it must be %s", name, x:shape_text(),
      o.batch_first and "(N, T, I)" or "(T, N, I)")
  end
  local wanted = o.layers * o.directions * (o.bias and 4 or 2)
  if #weights ~= wanted then
    core.fail("%s: %d weights, wanted %d for %d layers", name, #weights, wanted, o.layers)
  end
  for what, state in pairs { h0 = h0 or false, c0 = c0 or false } do
    if state and (state:dim() ~= 3 or state:size(1) ~= o.layers * o.directions) then
      core.fail("%s: %s is %s; it must be (%d, N, H)", name, what, state:shape_text(),
        o.layers * o.directions)
    end
  end
  local y = o.batch_first and x:transpose(1, 2) or x
  local hs, cs = {}, {}
  for i = 0, o.layers - 1 do
    if i > 0 and o.dropout > 0 then y = lt.dropout(y, o.dropout, true) end
    y, hs[i + 1], cs[i + 1] = step(y, layer_state(h0, i, o.directions),
      layer_state(c0, i, o.directions), layer_weights(weights, i, o))
  end
  if o.batch_first then y = y:transpose(1, 2) end
  local h = o.layers > 1 and lt.cat(hs, 1) or hs[1]
  return y, h, cs[1] and (o.layers > 1 and lt.cat(cs, 1) or cs[1]) or nil
end

--- Long short-term memory of one or several layers, in one direction or two; gates, names and
-- formulas are PyTorch's. x (T, N, I), or (N, T, I) with batch_first; h0, c0 (L D, N, H) or nil for
-- zeros; weights: a list, layer after layer and direction after direction, of weight_ih (4H, I or
-- D H), weight_hh (4H, H) and, unless bias is false, bias_ih and bias_hh (4H).
-- Options, or a module with these fields: num_layers (1), bidirectional, bias (true), batch_first,
-- dropout (0) between layers where `training` is true.
-- Returns y (T, N, D H) or (N, T, D H), and the last states h and c (L D, N, H).
function functions.lstm(x, h0, c0, weights, options)
  return shared.run("lstm", x, h0, c0, weights, options, function(input, h, c, w)
    return layer(input, h, c, w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8])
  end)
end

return { functions = functions, shared = shared }
