--- The linear layer: product, bias and activation in one.
local core = require "luatrain.core"
local op = require "luatrain.op"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local act_code = { none = C.LT_ACT_NONE, relu = C.LT_ACT_RELU, tanh = C.LT_ACT_TANH,
  sigmoid = C.LT_ACT_SIGMOID, gelu = C.LT_ACT_GELU, gelu_tanh = C.LT_ACT_GELU_TANH,
  silu = C.LT_ACT_SILU }

local function wide(t)
  if t and t:dtype() ~= "f32" then t = t:cast("f32") end
  return t and t:contiguous()
end

local linear = op.define {
  name = "linear",
  half = true, autocast = "inside",
  forward = function(saved, x, weight, bias, act)
    saved.x_dtype, saved.w_dtype = x:dtype(), weight:dtype()
    if saved.x_dtype == "f32" and op.autocast_dtype() == "bf16" then x = x:cast "bf16" end
    x = x:contiguous()
    local w, b = wide(weight), wide(bias)
    local sizes = x:size()
    sizes[#sizes] = tonumber(w.c.shape[0])
    local y = Tensor.empty(sizes, x:dtype())
    local pre = saved.active and act >= C.LT_ACT_GELU and y:like() or nil
    check(C.lt_linear(y.c, pre and pre.c, x.c, w.c, b and b.c, act))
    saved.x, saved.w, saved.act = x, w, act
    if act ~= 0 then saved.kept = pre or y end
    return y
  end,
  backward = function(saved, dy)
    local x, w, kept = saved.x, saved.w, saved.kept
    local dx = saved.needs[1] and x:like() or nil
    local dw = saved.needs[2] and w:like() or nil
    local db = saved.needs[3] and Tensor.empty { tonumber(w.c.shape[0]) } or nil
    dy = dy:contiguous()
    check(C.lt_linear_backward(dx and dx.c, dw and dw.c, db and db.c, dy.c, x.c, w.c,
      kept and kept.c, saved.act))
    if dx and dx:dtype() ~= saved.x_dtype then dx = dx:cast(saved.x_dtype) end
    if dw and saved.w_dtype ~= "f32" then dw = dw:cast(saved.w_dtype) end
    return dx, dw, db
  end,
}

local functions = {}

--- act(x weight^T + bias): x (..., I), weight (O, I), bias (O) or nil, result (..., O).
-- act: "none" (default), "relu", "tanh", "sigmoid", "gelu", "gelu_tanh" or "silu", applied while
-- the result is in cache. bf16 x, or f32 x under autocast, gives a bf16 result; parameters and
-- their gradients stay f32.
function functions.linear(x, weight, bias, act)
  local code = act_code[act or "none"]
  if not code then core.fail("linear: unknown activation '%s'", tostring(act)) end
  return linear(x, weight, bias, tonumber(code))
end

return { methods = {}, functions = functions }
