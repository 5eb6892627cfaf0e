--- Sums, means, extremes and other reductions over any dimensions.
--
-- dims: a dimension, a list of them, or nil for all; keepdim = true leaves size 1 in their place.
-- Also as a table: x:sum{dim = -1, keepdim = true}.
local bit = require "bit"
local core = require "luatrain.core"
local op = require "luatrain.op"
local layout = require "luatrain.layout"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local methods, functions = {}, {}

-- ---- arguments ----------------------------------------------------------------------------------
-- Bit mask of the dimensions, and keepdim.
local function parse(x, dims, keepdim)
  if type(dims) == "table" and (dims.dim ~= nil or dims.keepdim ~= nil) then
    dims, keepdim = dims.dim, dims.keepdim
  end
  local mask = 0
  if dims == nil then
    mask = 2 ^ x.c.ndim - 1
  elseif type(dims) == "number" then
    mask = 2 ^ (op.dim(x, dims) - 1)
  else
    for i = 1, #dims do
      local b = 2 ^ (op.dim(x, dims[i]) - 1)
      if bit.band(mask, b) ~= 0 then core.fail("dimension %d given twice", dims[i]) end
      mask = mask + b
    end
  end
  return mask, keepdim and true or false
end

local function reduced(mask, i)
  return bit.band(mask, bit.lshift(1, i - 1)) ~= 0
end

local function sizes_after(x, mask, keepdim)
  local list = {}
  for i = 1, x.c.ndim do
    if not reduced(mask, i) then
      list[#list + 1] = tonumber(x.c.shape[i - 1])
    elseif keepdim then
      list[#list + 1] = 1
    end
  end
  return list
end

local function count_of(sizes, mask)
  local n = 1
  for i = 1, #sizes do
    if reduced(mask, i) then n = n * sizes[i] end
  end
  return n
end

-- A result seen with size 1 in place of the reduced dimensions, so that it broadcasts to x.
local function kept(y, sizes, mask)
  local list = {}
  for i = 1, #sizes do list[i] = reduced(mask, i) and 1 or sizes[i] end
  return y:reshape(list)
end

-- dy repeated over the reduced dimensions, in the layout of x.
local function spread(dy, saved)
  local dx = layout.empty(saved.layout)
  check(C.lt_copy(dx.c, kept(dy, saved.layout.sizes, saved.mask).c))
  return dx
end

local function whole(x)
  return x.c.dtype > 3
end

-- ---- sums ---------------------------------------------------------------------------------------
local sum = op.define {
  name = "sum", half = true,
  forward = function(saved, x, mask, keepdim)
    if saved.active then saved.layout, saved.mask = layout.of(x), mask end
    local y = Tensor.empty(sizes_after(x, mask, keepdim), whole(x) and "i64" or x:dtype())
    check(C.lt_sum(y.c, x.c, mask))
    return y
  end,
  backward = function(saved, dy) return spread(dy, saved) end,
}

--- The sum over dims; integers and booleans give i64.
function methods.sum(x, dims, keepdim)
  return sum(x, parse(x, dims, keepdim))
end

local function as_float(x)
  return whole(x) and x:cast("f32") or x
end

local mean = op.define {
  name = "mean", half = true,
  forward = function(saved, x, mask, keepdim)
    if saved.active then saved.layout, saved.mask = layout.of(x), mask end
    local y = Tensor.empty(sizes_after(x, mask, keepdim), x:dtype())
    check(C.lt_mean(y.c, x.c, mask))
    return y
  end,
  backward = function(saved, dy)
    return spread(dy:mul(1 / count_of(saved.layout.sizes, saved.mask)), saved)
  end,
}

--- The mean over dims; integers and booleans are averaged as f32.
function methods.mean(x, dims, keepdim)
  return mean(as_float(x), parse(x, dims, keepdim))
end

local prod = op.define {
  name = "prod",
  forward = function(saved, x, mask, keepdim)
    if saved.active then saved.x, saved.mask = x, mask end
    local y = Tensor.empty(sizes_after(x, mask, keepdim), whole(x) and "i64" or "f32")
    check(C.lt_prod(y.c, x.c, mask))
    return y
  end,
  backward = function(saved, dy)
    local x = saved.x
    local dx = x:like()
    if not C.lt_tensor_is_contiguous(x.c) then
      local dense = x:like()
      check(C.lt_copy(dense.c, x.c))
      x = dense
    end
    check(C.lt_prod_backward(dx.c, kept(dy, x:size(), saved.mask).c, x.c, saved.mask))
    return dx
  end,
}

--- The product over dims; integers give i64.
function methods.prod(x, dims, keepdim)
  return prod(x, parse(x, dims, keepdim))
end

-- ---- spread -------------------------------------------------------------------------------------
local var = op.define {
  name = "var",
  forward = function(saved, x, mask, keepdim, correction, root)
    local y = Tensor.empty(sizes_after(x, mask, keepdim))
    check(C.lt_var(y.c, x.c, mask, correction, root))
    if saved.active then
      saved.x, saved.y, saved.mask, saved.correction, saved.root = x, y, mask, correction, root
    end
    return y
  end,
  -- d var = 2 (x - mean) / (n - correction); d std = (x - mean) / ((n - correction) std).
  backward = function(saved, dy)
    local x, mask = saved.x, saved.mask
    local sizes = x:size()
    local n = count_of(sizes, mask) - saved.correction
    local scale = saved.root and dy:div(saved.y:mul(n)) or dy:mul(2 / n)
    local m = Tensor.empty(sizes_after(x, mask, true))
    check(C.lt_mean(m.c, x.c, mask))
    return x:sub(m):mul(kept(scale, sizes, mask))
  end,
}

local function spread_arguments(x, dims, keepdim, correction)
  if type(dims) == "table" and dims.correction then correction = dims.correction end
  if type(dims) == "table" and dims.unbiased ~= nil then correction = dims.unbiased and 1 or 0 end
  local mask, keep = parse(x, dims, keepdim)
  return mask, keep, correction or 1
end

--- The variance over dims: squared distances from the mean over (n - correction). correction is 1
-- (unbiased) unless given; x:var{dim = 2, unbiased = false} or {correction = 0}.
function methods.var(x, dims, keepdim, correction)
  local mask, keep, c = spread_arguments(x, dims, keepdim, correction)
  return var(as_float(x), mask, keep, c, false)
end

--- The standard deviation over dims: the root of var.
function methods.std(x, dims, keepdim, correction)
  local mask, keep, c = spread_arguments(x, dims, keepdim, correction)
  return var(as_float(x), mask, keep, c, true)
end

local logsumexp = op.define {
  name = "logsumexp",
  forward = function(saved, x, mask, keepdim)
    local y = Tensor.empty(sizes_after(x, mask, keepdim))
    check(C.lt_logsumexp(y.c, x.c, mask))
    if saved.active then saved.x, saved.y, saved.mask = x, y, mask end
    return y
  end,
  backward = function(saved, dy)
    local x, mask = saved.x, saved.mask
    local sizes = x:size()
    return x:sub(kept(saved.y, sizes, mask)):exp():mul(kept(dy, sizes, mask))
  end,
}

--- log(sum(exp(x))) over dims, without overflow.
function methods.logsumexp(x, dims, keepdim)
  return logsumexp(as_float(x), parse(x, dims, keepdim))
end

-- The gradient of an extreme goes in equal parts to the elements that attain it.
local function shared(dy, y, x, mask)
  local sizes = x:size()
  local attained = x:eq(kept(y, sizes, mask)):cast("f32")
  local count = Tensor.empty(sizes_after(x, mask, true))
  check(C.lt_sum(count.c, attained.c, mask))
  return attained:mul(kept(dy, sizes, mask):div(count))
end

local norm = op.define {
  name = "norm",
  forward = function(saved, x, mask, keepdim, p)
    local y = Tensor.empty(sizes_after(x, mask, keepdim))
    check(C.lt_norm(y.c, x.c, mask, p))
    if saved.active then saved.x, saved.y, saved.mask, saved.p = x, y, mask, p end
    return y
  end,
  backward = function(saved, dy)
    local x, mask = saved.x, saved.mask
    local sizes = x:size()
    local g = kept(dy, sizes, mask)
    if saved.p == 1 then return x:sign():mul(g) end
    if saved.p ~= 2 then return shared(dy, saved.y, x:abs(), mask):mul(x:sign()) end
    local y = kept(saved.y, sizes, mask)
    return x:mul(g:div(y):masked_fill(y:eq(0), 0))
  end,
}

--- The norm over dims: p = 1 (sum of |x|), 2 (default) or math.huge (largest |x|).
-- x:norm(), x:norm(1), x:norm(2, dims, keepdim).
function methods.norm(x, p, dims, keepdim)
  if type(p) == "table" then p, dims = p.p, p end
  local mask, keep = parse(x, dims, keepdim)
  return norm(as_float(x), mask, keep, p or 2)
end

-- ---- extremes -----------------------------------------------------------------------------------
local function extreme(name, call)
  return op.define {
    name = name,
    forward = function(saved, x, mask, keepdim)
      local y = Tensor.empty(sizes_after(x, mask, keepdim), x:dtype())
      check(call(y.c, x.c, mask))
      if saved.active then saved.x, saved.y, saved.mask = x, y, mask end
      return y
    end,
    backward = function(saved, dy) return shared(dy, saved.y, saved.x, saved.mask) end,
  }
end
local amax = extreme("amax", function(y, x, mask) return C.lt_amax(y, x, mask) end)
local amin = extreme("amin", function(y, x, mask) return C.lt_amin(y, x, mask) end)

--- The largest element over dims; NaN wins. Equal ones share the gradient.
function methods.amax(x, dims, keepdim)
  return amax(x, parse(x, dims, keepdim))
end

--- The smallest element over dims.
function methods.amin(x, dims, keepdim)
  return amin(x, parse(x, dims, keepdim))
end

local extreme_of = op.define {
  name = "extreme",
  forward = function(saved, x, d, keepdim, minimum)
    local list = sizes_after(x, 2 ^ (d - 1), keepdim)
    local values, indices = Tensor.empty(list, x:dtype()), Tensor.empty(list, "i64")
    check(C.lt_extreme(values.c, indices.c, x.c, d - 1, minimum))
    if saved.active then saved.sizes, saved.indices, saved.d = x:size(), indices, d end
    return values, indices
  end,
  backward = function(saved, dy)
    if not dy then return nil end
    local mask = 2 ^ (saved.d - 1)
    local dx = Tensor.empty(saved.sizes)
    check(C.lt_fill(dx.c, 0))
    local at, g = kept(saved.indices, saved.sizes, mask), kept(dy, saved.sizes, mask)
    check(C.lt_scatter_add(dx.c, at.c, g.c, saved.d - 1))
    return dx
  end,
}

local function extreme_along(x, d, keepdim, minimum)
  if type(d) == "table" then d, keepdim = d.dim, d.keepdim end
  return extreme_of(x, op.dim(x, d), keepdim and true or false, minimum)
end

--- x:max(): the largest element. x:max(d[, keepdim]): the largest along dimension d, and its
-- position as i64 counting from 0 (the first of equals).
function methods.max(x, d, keepdim)
  if d == nil then return methods.amax(x) end
  return extreme_along(x, d, keepdim, false)
end

--- The same for the smallest element.
function methods.min(x, d, keepdim)
  if d == nil then return methods.amin(x) end
  return extreme_along(x, d, keepdim, true)
end

local position = op.define {
  name = "argmax", no_gradient = true,
  forward = function(_, x, d, keepdim, minimum)
    local indices = Tensor.empty(sizes_after(x, 2 ^ (d - 1), keepdim), "i64")
    check(C.lt_extreme(nil, indices.c, x.c, d - 1, minimum))
    return indices
  end,
}

local function position_along(x, d, keepdim, minimum)
  if type(d) == "table" then d, keepdim = d.dim, d.keepdim end
  if d == nil then return position(x:reshape(-1), 1, false, minimum) end
  return position(x, op.dim(x, d), keepdim and true or false, minimum)
end

--- Position (i64, counting from 0) of the largest element along dimension d, or in row-major order
-- over all; the first of equals.
function methods.argmax(x, d, keepdim)
  return position_along(x, d, keepdim, false)
end

--- Position of the smallest element.
function methods.argmin(x, d, keepdim)
  return position_along(x, d, keepdim, true)
end

-- ---- truth --------------------------------------------------------------------------------------
local function truth(name, dtype, call)
  local reduce = op.define {
    name = name, half = true, no_gradient = true,
    forward = function(_, x, mask, keepdim)
      local y = Tensor.empty(sizes_after(x, mask, keepdim), dtype)
      check(call(y.c, x.c, mask))
      return y
    end,
  }
  return function(x, dims, keepdim) return reduce(x, parse(x, dims, keepdim)) end
end

--- True where any element over dims is not 0.
methods.any = truth("any", "bool", function(y, x, mask) return C.lt_any(y, x, mask) end)
--- True where no element over dims is 0.
methods.all = truth("all", "bool", function(y, x, mask) return C.lt_all(y, x, mask) end)
--- Number of elements that are not 0, as i64.
methods.count_nonzero = truth("count_nonzero", "i64",
  function(y, x, mask) return C.lt_count_nonzero(y, x, mask) end)

-- ---- running sums -------------------------------------------------------------------------------
local cumsum = op.define {
  name = "cumsum", half = true,
  forward = function(saved, x, d)
    saved.d = d
    local y = whole(x) and x:like("i64") or x:like()
    check(C.lt_cumsum(y.c, x.c, d - 1, false))
    return y
  end,
  backward = function(saved, dy)
    local dx = dy:like()
    check(C.lt_cumsum(dx.c, dy.c, saved.d - 1, true))
    return dx
  end,
}

--- Running sums along dimension d; integers and booleans give i64.
function methods.cumsum(x, d)
  return cumsum(x, op.dim(x, d))
end

return { methods = methods, functions = functions }
