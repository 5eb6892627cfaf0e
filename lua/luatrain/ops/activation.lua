--- Functions of one number, applied to every element. bf16 stays bf16 (computed in f32); integers
-- are taken as f32.
local core = require "luatrain.core"
local op = require "luatrain.op"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local methods = {}

local function as_float(x)
  if not Tensor.is_tensor(x) then core.fail("wanted a tensor, got a %s", type(x)) end
  return x.c.dtype > 3 and x:cast("f32") or x
end

-- An op without options. saves: what its gradient is computed from, "x" or "y".
local function unary(name, saves, forward, backward)
  local f = op.define {
    name = name, half = true,
    forward = function(saved, x)
      local y = x:like()
      check(forward(y.c, x.c))
      saved.s = saves == "x" and x or y
      return y
    end,
    backward = function(saved, dy)
      local dx = saved.s:like()
      check(backward(dx.c, dy.c, saved.s.c))
      return dx
    end,
  }
  return function(x) return f(as_float(x)) end
end

-- ---- elementary functions -----------------------------------------------------------------------
--- e^x.
methods.exp = unary("exp", "y", function(y, x) return C.lt_exp(y, x) end,
  function(dx, dy, s) return C.lt_exp_backward(dx, dy, s) end)
--- e^x - 1, exact for small x.
methods.expm1 = unary("expm1", "y", function(y, x) return C.lt_expm1(y, x) end,
  function(dx, dy, s) return C.lt_expm1_backward(dx, dy, s) end)
--- Natural logarithm.
methods.log = unary("log", "x", function(y, x) return C.lt_ln(y, x) end,
  function(dx, dy, s) return C.lt_ln_backward(dx, dy, s) end)
--- log(1 + x), exact for small x.
methods.log1p = unary("log1p", "x", function(y, x) return C.lt_log1p(y, x) end,
  function(dx, dy, s) return C.lt_log1p_backward(dx, dy, s) end)
--- Square root.
methods.sqrt = unary("sqrt", "y", function(y, x) return C.lt_sqrt(y, x) end,
  function(dx, dy, s) return C.lt_sqrt_backward(dx, dy, s) end)
--- 1 / sqrt(x).
methods.rsqrt = unary("rsqrt", "y", function(y, x) return C.lt_rsqrt(y, x) end,
  function(dx, dy, s) return C.lt_rsqrt_backward(dx, dy, s) end)
--- 1 / x.
methods.reciprocal = unary("reciprocal", "y", function(y, x) return C.lt_reciprocal(y, x) end,
  function(dx, dy, s) return C.lt_reciprocal_backward(dx, dy, s) end)
--- x * x.
methods.square = unary("square", "x", function(y, x) return C.lt_square(y, x) end,
  function(dx, dy, s) return C.lt_square_backward(dx, dy, s) end)
--- |x|; the gradient at 0 is 0.
methods.abs = unary("abs", "x", function(y, x) return C.lt_abs(y, x) end,
  function(dx, dy, s) return C.lt_abs_backward(dx, dy, s) end)
--- Sine of an angle in radians.
methods.sin = unary("sin", "x", function(y, x) return C.lt_sin(y, x) end,
  function(dx, dy, s) return C.lt_sin_backward(dx, dy, s) end)
--- Cosine of an angle in radians.
methods.cos = unary("cos", "x", function(y, x) return C.lt_cos(y, x) end,
  function(dx, dy, s) return C.lt_cos_backward(dx, dy, s) end)
--- The error function 2/sqrt(pi) * integral of e^-t^2 from 0 to x.
methods.erf = unary("erf", "x", function(y, x) return C.lt_erf(y, x) end,
  function(dx, dy, s) return C.lt_erf_backward(dx, dy, s) end)

-- ---- activations --------------------------------------------------------------------------------
--- Hyperbolic tangent.
methods.tanh = unary("tanh", "y", function(y, x) return C.lt_tanh(y, x) end,
  function(dx, dy, s) return C.lt_tanh_backward(dx, dy, s) end)
--- 1 / (1 + e^-x).
methods.sigmoid = unary("sigmoid", "y", function(y, x) return C.lt_sigmoid(y, x) end,
  function(dx, dy, s) return C.lt_sigmoid_backward(dx, dy, s) end)
--- max(x, 0); the gradient at 0 is 0.
methods.relu = unary("relu", "y", function(y, x) return C.lt_relu(y, x) end,
  function(dx, dy, s) return C.lt_relu_backward(dx, dy, s) end)
--- x * sigmoid(x).
methods.silu = unary("silu", "x", function(y, x) return C.lt_silu(y, x) end,
  function(dx, dy, s) return C.lt_silu_backward(dx, dy, s) end)
--- log(sigmoid(x)), without overflow.
methods.log_sigmoid = unary("log_sigmoid", "x", function(y, x) return C.lt_log_sigmoid(y, x) end,
  function(dx, dy, s) return C.lt_log_sigmoid_backward(dx, dy, s) end)
--- x / 6 + 1/2, cut to 0 .. 1.
methods.hardsigmoid = unary("hardsigmoid", "x", function(y, x) return C.lt_hardsigmoid(y, x) end,
  function(dx, dy, s) return C.lt_hardsigmoid_backward(dx, dy, s) end)

local gelu_exact = unary("gelu", "x", function(y, x) return C.lt_gelu(y, x) end,
  function(dx, dy, s) return C.lt_gelu_backward(dx, dy, s) end)
local gelu_tanh = unary("gelu_tanh", "x", function(y, x) return C.lt_gelu_tanh(y, x) end,
  function(dx, dy, s) return C.lt_gelu_tanh_backward(dx, dy, s) end)

--- x times the normal distribution function at x; x:gelu "tanh" (or {approximate = "tanh"}) takes
-- the approximation x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
function methods.gelu(x, approximate)
  if type(approximate) == "table" then approximate = approximate.approximate end
  if approximate == "tanh" then return gelu_tanh(x) end
  if approximate ~= nil and approximate ~= "none" then
    core.fail("gelu: approximate is '%s'; there are 'none' and 'tanh'", tostring(approximate))
  end
  return gelu_exact(x)
end

-- ---- with options -------------------------------------------------------------------------------
-- first, second: the options' values.
local function with_options(name, forward, backward)
  return op.define {
    name = name, half = true,
    forward = function(saved, x, first, second)
      local y = x:like()
      check(forward(y.c, x.c, first, second))
      saved.x, saved.first, saved.second = x, first, second
      return y
    end,
    backward = function(saved, dy)
      local dx = saved.x:like()
      check(backward(dx.c, dy.c, saved.x.c, saved.first, saved.second))
      return dx
    end,
  }
end

local leaky_relu = with_options("leaky_relu",
  function(y, x, slope) return C.lt_leaky_relu(y, x, slope) end,
  function(dx, dy, x, slope) return C.lt_leaky_relu_backward(dx, dy, x, slope) end)
--- x above 0, slope * x below; slope 0.01 unless given.
function methods.leaky_relu(x, slope)
  return leaky_relu(as_float(x), slope or 0.01, 0)
end

local elu = with_options("elu", function(y, x, alpha) return C.lt_elu(y, x, alpha) end,
  function(dx, dy, x, alpha) return C.lt_elu_backward(dx, dy, x, alpha) end)
--- x above 0, alpha (e^x - 1) below; alpha 1 unless given.
function methods.elu(x, alpha)
  return elu(as_float(x), alpha or 1, 0)
end

local softplus = with_options("softplus",
  function(y, x, beta, threshold) return C.lt_softplus(y, x, beta, threshold) end,
  function(dx, dy, x, beta, threshold)
    return C.lt_softplus_backward(dx, dy, x, beta, threshold)
  end)
--- log(1 + e^(beta x)) / beta; x itself where beta x is above threshold. beta 1, threshold 20.
function methods.softplus(x, beta, threshold)
  return softplus(as_float(x), beta or 1, threshold or 20)
end

local clamp = with_options("clamp",
  function(y, x, low, high) return C.lt_clamp(y, x, low, high) end,
  function(dx, dy, x, low, high) return C.lt_clamp_backward(dx, dy, x, low, high) end)
local clamp_whole = op.define {
  name = "clamp_whole", no_gradient = true,
  forward = function(_, x, low, high)
    local y = x:like()
    check(C.lt_maximum_number(y.c, x.c, nil, low))
    check(C.lt_minimum_number(y.c, y.c, nil, high))
    return y
  end,
}
--- x cut to low .. high; nil leaves that side open. Also x:clamp{min = 0, max = 1}.
function methods.clamp(x, low, high)
  if type(low) == "table" then low, high = low.min, low.max end
  if x.c.dtype > 3 then return clamp_whole(x, low or -2 ^ 53, high or 2 ^ 53) end
  return clamp(x, low or -math.huge, high or math.huge)
end

--- x cut to low .. high in place; returns x.
function methods.clamp_(x, low, high)
  op.overwritable("clamp_", x)
  check(C.lt_clamp(x.c, x.c, low or -math.huge, high or math.huge))
  return x
end

--- clamp to -1 .. 1, or to the given limits.
function methods.hardtanh(x, low, high)
  return methods.clamp(as_float(x), low or -1, high or 1)
end

-- ---- two tensors --------------------------------------------------------------------------------
local sum_to
local prelu = op.define {
  name = "prelu", half = true,
  forward = function(saved, x, weight)
    local n = x.c.ndim
    local sizes = {}
    for i = 1, n do sizes[i] = 1 end
    if weight:numel() ~= 1 then
      if n < 2 or x:size(2) ~= weight:numel() then
        core.fail("prelu: weight has %d elements, x %s has not as many channels", weight:numel(),
          x:shape_text())
      end
      sizes[2] = weight:numel()
    end
    local w = weight:reshape(sizes)
    local y = x:like()
    check(C.lt_prelu(y.c, x.c, w.c))
    saved.x, saved.w, saved.sizes, saved.own = x, w, sizes, weight:size()
    return y
  end,
  backward = function(saved, dy)
    sum_to = sum_to or require("luatrain.ops.arith").functions.sum_to
    local dx, dw = saved.x:like(), saved.x:like("f32")
    check(C.lt_prelu_backward(dx.c, dw.c, dy.c, saved.x.c, saved.w.c))
    return dx, sum_to(dw, saved.sizes):reshape(saved.own)
  end,
}

--- x above 0, weight * x below; weight has one element, or one for each channel (dimension 2).
function methods.prelu(x, weight)
  return prelu(as_float(x), weight)
end

-- The two halves of dimension d as views.
local function halves(x, d)
  local n = x:size(d) / 2
  return x:narrow(d, 1, n), x:narrow(d, n + 1, n)
end

local glu = op.define {
  name = "glu", half = true,
  forward = function(saved, x, d)
    local a, b = halves(x, d)
    local y = a:like()
    check(C.lt_glu(y.c, a.c, b.c))
    saved.x, saved.d = x, d
    return y
  end,
  backward = function(saved, dy)
    local x, d = saved.x, saved.d
    local dx = x:like()
    local a, b = halves(x, d)
    local da, db = halves(dx, d)
    check(C.lt_glu_backward(da.c, db.c, dy.c, a.c, b.c))
    return dx
  end,
}

--- Gated linear unit: the first half of dimension d (default the last) times the sigmoid of the
-- second half.
function methods.glu(x, d)
  d = op.dim(x, d or -1)
  if x:size(d) % 2 ~= 0 then
    core.fail("glu: dimension %d has an odd size, %d", d, x:size(d))
  end
  return glu(as_float(x), d)
end

-- ---- without a gradient -------------------------------------------------------------------------
-- The derivative of floor, ceil, round and sign is 0 wherever there is one.
local function step(name, forward)
  local f = op.define {
    name = name, half = true,
    forward = function(_, x)
      local y = x:like()
      check(forward(y.c, x.c))
      return y
    end,
    backward = function(_, dy)
      local dx = dy:like()
      check(C.lt_fill(dx.c, 0))
      return dx
    end,
  }
  return function(x) return f(as_float(x)) end
end

--- -1, 0 or 1.
methods.sign = step("sign", function(y, x) return C.lt_sign(y, x) end)
--- The largest whole number not above x.
methods.floor = step("floor", function(y, x) return C.lt_floor(y, x) end)
--- The smallest whole number not below x.
methods.ceil = step("ceil", function(y, x) return C.lt_ceil(y, x) end)
--- The nearest whole number, halves to the even one.
methods.round = step("round", function(y, x) return C.lt_round(y, x) end)

local function test_of(name, forward)
  return op.define {
    name = name, half = true, no_gradient = true,
    forward = function(_, x)
      local y = x:like("bool")
      check(forward(y.c, x.c))
      return y
    end,
  }
end

--- True where x is not a number.
methods.isnan = test_of("isnan", function(y, x) return C.lt_isnan(y, x) end)
--- True where x is Inf or -Inf.
methods.isinf = test_of("isinf", function(y, x) return C.lt_isinf(y, x) end)
--- True where x is neither NaN nor infinite.
methods.isfinite = test_of("isfinite", function(y, x) return C.lt_isfinite(y, x) end)

return { methods = methods }
