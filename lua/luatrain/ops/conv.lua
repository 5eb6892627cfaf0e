--- Convolutions and transposed convolutions of sequences and images.
local ffi = require "ffi"
local core = require "luatrain.core"
local op = require "luatrain.op"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local new_options = ffi.typeof "lt_conv_options"
local channels_last = require "luatrain.channels_last"

-- A number or {h, w} as two numbers; sequences use the second.
local function pair(v, default)
  if v == nil then return default, default end
  if type(v) == "table" then
    local a = v[1]
    return a, v[2] or a
  end
  return v, v
end

local function options_of(stride, padding, dilation, groups)
  local o = new_options()
  o.stride[0], o.stride[1] = pair(stride, 1)
  o.padding[0], o.padding[1] = pair(padding, 0)
  o.dilation[0], o.dilation[1] = pair(dilation, 1)
  o.groups = groups or 1
  return o
end

local function wide(t)
  if t and t:dtype() ~= "f32" then t = t:cast("f32") end
  return t and t:contiguous()
end

-- x in the dtype to compute in, channels-last.
local function prepare(x)
  if x.c.dtype == C.LT_F32 and op.autocast_dtype() == "bf16" then x = x:cast "bf16" end
  return channels_last(x)
end

local function gradients(saved, dy, call)
  local x, w = saved.x, saved.w
  local dx = saved.needs[1] and Tensor.empty(x:size(), x:dtype(), "channels_last") or nil
  local dw = saved.needs[2] and w:like() or nil
  local db = saved.needs[3] and Tensor.empty { dy:size(2) } or nil
  dy = channels_last(dy)
  check(call(dx and dx.c, dw and dw.c, db and db.c, dy.c, x.c, w.c, saved.options))
  if dx and dx:dtype() ~= saved.x_dtype then dx = dx:cast(saved.x_dtype) end
  if dw and saved.w_dtype ~= "f32" then dw = dw:cast(saved.w_dtype) end
  return dx, dw, db
end

local function check_input(name, x, weight, n)
  if x.c.ndim ~= n or weight.c.ndim ~= n then
    core.fail("%s: input is %s, weight is %s: wanted %d dimensions each", name, x:shape_text(),
      weight:shape_text(), n)
  end
end

local function remember(saved, x, x_dtype, w, w_dtype, o)
  saved.x, saved.x_dtype, saved.w, saved.w_dtype, saved.options = x, x_dtype, w, w_dtype, o
end

-- ---- conv ----------------------------------------------------------------------------------------
local conv = op.define {
  name = "conv",
  half = true, autocast = "inside",
  forward = function(saved, x, weight, bias, o)
    local x_dtype, w_dtype = x:dtype(), weight:dtype()
    x = prepare(x)
    local w, b = wide(weight), wide(bias)
    local sizes = x:size()
    local n = #sizes
    sizes[2] = w:size(1)
    for d = 3, n do
      local i = n == 3 and 1 or d - 3
      local reach = tonumber(o.dilation[i]) * (w:size(d) - 1) + 1
      local room = sizes[d] + 2 * tonumber(o.padding[i]) - reach
      if room < 0 then
        core.fail("conv: a kernel that reaches over %d does not fit into input %s with padding %d",
          reach, x:shape_text(), tonumber(o.padding[i]))
      end
      sizes[d] = math.floor(room / math.max(tonumber(o.stride[i]), 1)) + 1
    end
    local y = Tensor.empty(sizes, x:dtype(), "channels_last")
    check(C.lt_conv(y.c, x.c, w.c, b and b.c, o))
    remember(saved, x, x_dtype, w, w_dtype, o)
    return y
  end,
  backward = function(saved, dy)
    return gradients(saved, dy, C.lt_conv_backward)
  end,
}

-- ---- transposed ----------------------------------------------------------------------------------
local conv_transpose = op.define {
  name = "conv_transpose",
  half = true, autocast = "inside",
  forward = function(saved, x, weight, bias, o, extra_h, extra_w)
    local x_dtype, w_dtype = x:dtype(), weight:dtype()
    x = prepare(x)
    local w, b = wide(weight), wide(bias)
    local sizes = x:size()
    local n = #sizes
    sizes[2] = w:size(2) * tonumber(o.groups)
    for d = 3, n do
      local i = n == 3 and 1 or d - 3
      local reach = tonumber(o.dilation[i]) * (w:size(d) - 1) + 1
      local extra = i == 0 and extra_h or extra_w
      sizes[d] = (sizes[d] - 1) * tonumber(o.stride[i]) - 2 * tonumber(o.padding[i]) + reach + extra
      if sizes[d] < 1 then core.fail("conv_transpose: nothing is left of dimension %d", d) end
    end
    local y = Tensor.empty(sizes, x:dtype(), "channels_last")
    check(C.lt_conv_transpose(y.c, x.c, w.c, b and b.c, o))
    remember(saved, x, x_dtype, w, w_dtype, o)
    return y
  end,
  backward = function(saved, dy)
    return gradients(saved, dy, C.lt_conv_transpose_backward)
  end,
}

local functions = {}

--- Convolution of sequences: x (N, C, T), weight (O, C / groups, k), bias (O) or nil, result
-- (N, O, (T + 2 padding - dilation (k - 1) - 1) / stride + 1). The result lies channels-last. Under
-- autocast, or with a bf16 x, the result is bf16; parameters and their gradients stay f32.
function functions.conv1d(x, weight, bias, stride, padding, dilation, groups)
  check_input("conv1d", x, weight, 3)
  return conv(x, weight, bias, options_of(stride, padding, dilation, groups))
end

--- Convolution of images: x (N, C, H, W), weight (O, C / groups, kh, kw), bias (O) or nil. stride,
-- padding, dilation: a number, or {for H, for W}; defaults 1, 0, 1; groups 1. As conv1d otherwise.
function functions.conv2d(x, weight, bias, stride, padding, dilation, groups)
  check_input("conv2d", x, weight, 4)
  return conv(x, weight, bias, options_of(stride, padding, dilation, groups))
end

--- Transposed convolution of sequences: x (N, C, T), weight (C, O / groups, k), result
-- (N, O, (T - 1) stride - 2 padding + dilation (k - 1) + output_padding + 1).
function functions.conv_transpose1d(x, weight, bias, stride, padding, output_padding, groups,
    dilation)
  check_input("conv_transpose1d", x, weight, 3)
  local extra_h, extra_w = pair(output_padding, 0)
  return conv_transpose(x, weight, bias, options_of(stride, padding, dilation, groups), extra_h,
    extra_w)
end

--- Transposed convolution of images: x (N, C, H, W), weight (C, O / groups, kh, kw); arguments in
-- PyTorch's order, each a number or {for H, for W}.
function functions.conv_transpose2d(x, weight, bias, stride, padding, output_padding, groups,
    dilation)
  check_input("conv_transpose2d", x, weight, 4)
  local extra_h, extra_w = pair(output_padding, 0)
  return conv_transpose(x, weight, bias, options_of(stride, padding, dilation, groups), extra_h,
    extra_w)
end

return { methods = {}, functions = functions }
