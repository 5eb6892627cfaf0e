--- Pooling of sequences (N, C, T) and images (N, C, H, W).
local ffi = require "ffi"
local core = require "luatrain.core"
local op = require "luatrain.op"
local Tensor = require "luatrain.tensor"
local channels_last = require "luatrain.channels_last"
local C, check = core.C, core.check

local new_options = ffi.typeof "lt_pool_options"

-- A number or {h, w} as two numbers; sequences use the second.
local function pair(v, default)
  if v == nil then v = default end
  if type(v) == "table" then return v[1], v[2] or v[1] end
  return v, v
end

local function sliding(kernel, stride, padding, dilation, count_include_pad)
  local o = new_options()
  o.kernel[0], o.kernel[1] = pair(kernel)
  o.stride[0], o.stride[1] = pair(stride, kernel)
  o.padding[0], o.padding[1] = pair(padding, 0)
  o.dilation[0], o.dilation[1] = pair(dilation, 1)
  o.count_include_pad = count_include_pad == false and 0 or 1
  return o
end

-- The options of a maximum (positional, or one table of names), and whether sizes round up.
local function max_options(kernel, stride, padding, dilation, ceil_mode)
  if type(stride) == "table" and #stride == 0 then
    local t = stride
    return sliding(kernel, t.stride, t.padding, t.dilation), t.ceil_mode
  end
  return sliding(kernel, stride, padding, dilation), ceil_mode
end

local function avg_options(kernel, stride, padding, ceil_mode, count_include_pad)
  if type(stride) == "table" and #stride == 0 then
    local t = stride
    return sliding(kernel, t.stride, t.padding, 1, t.count_include_pad), t.ceil_mode
  end
  return sliding(kernel, stride, padding, 1, count_include_pad), ceil_mode
end

local function outputs(size, kernel, stride, padding, dilation, ceil_mode)
  local room = size + 2 * padding - dilation * (kernel - 1) - 1
  if not ceil_mode then return math.floor(room / stride) + 1 end
  local n = math.ceil(room / stride) + 1
  return (n - 1) * stride >= size + padding and n - 1 or n  -- no window begins behind the input
end

-- Sizes of the result; `bins` for adaptive pooling.
local function result_sizes(name, x, o, ceil_mode, bins)
  local sizes = x:size()
  for d = 3, #sizes do
    local i = #sizes == 3 and 1 or d - 3
    if bins then
      sizes[d] = bins[i + 1] or sizes[d]
    else
      local kernel, dilation = tonumber(o.kernel[i]), tonumber(o.dilation[i])
      local padding, stride = tonumber(o.padding[i]), math.max(tonumber(o.stride[i]), 1)
      if sizes[d] + 2 * padding < dilation * (kernel - 1) + 1 then
        core.fail("%s: a window of %d does not fit into %s with padding %d", name,
          dilation * (kernel - 1) + 1, x:shape_text(), padding)
      end
      sizes[d] = outputs(sizes[d], kernel, stride, padding, dilation, ceil_mode)
    end
  end
  return sizes
end

local max_pool = op.define {
  name = "max_pool",
  half = true,
  forward = function(saved, x, o, ceil_mode, bins)
    x = channels_last(x)
    local sizes = result_sizes("max_pool", x, o, ceil_mode, bins)
    local y = Tensor.empty(sizes, x:dtype(), "channels_last")
    local index = Tensor.empty(sizes, "i32", "channels_last")
    check(C.lt_max_pool(y.c, index.c, x.c, o))
    saved.index, saved.options, saved.sizes, saved.dtype = index, o, x:size(), x:dtype()
    return y
  end,
  backward = function(saved, dy)
    local dx = Tensor.empty(saved.sizes, saved.dtype, "channels_last")
    check(C.lt_max_pool_backward(dx.c, channels_last(dy).c, saved.index.c, saved.options))
    return dx
  end,
}

local avg_pool = op.define {
  name = "avg_pool",
  half = true,
  forward = function(saved, x, o, ceil_mode, bins)
    x = channels_last(x)
    local sizes = result_sizes("avg_pool", x, o, ceil_mode, bins)
    local y = Tensor.empty(sizes, x:dtype(), "channels_last")
    check(C.lt_avg_pool(y.c, x.c, o))
    saved.options, saved.sizes, saved.dtype = o, x:size(), x:dtype()
    return y
  end,
  backward = function(saved, dy)
    local dx = Tensor.empty(saved.sizes, saved.dtype, "channels_last")
    check(C.lt_avg_pool_backward(dx.c, channels_last(dy).c, saved.options))
    return dx
  end,
}

local function check_input(name, x, n)
  if x.c.ndim ~= n then
    core.fail("%s: input is %s, wanted %s", name, x:shape_text(),
      n == 3 and "(N, C, T)" or "(N, C, H, W)")
  end
end

local function adaptive(pool, name, n, x, bins)
  check_input(name, x, n)
  local o = new_options()
  o.adaptive = 1
  local h, w = pair(bins)
  if type(bins) == "table" and n == 4 then h, w = bins[1], bins[2] end
  return pool(x, o, false, { h or false, w or false })
end

local functions = {}

--- Largest value of each window of x (N, C, T): kernel, stride (default: kernel), padding (with
-- minus infinity), dilation, ceil_mode; or kernel and a table of these names. The result has
-- (T + 2 padding - dilation (kernel - 1) - 1) / stride + 1 positions, rounded down, with ceil_mode up.
function functions.max_pool1d(x, kernel, stride, padding, dilation, ceil_mode)
  check_input("max_pool1d", x, 3)
  return max_pool(x, max_options(kernel, stride, padding, dilation, ceil_mode))
end

--- Largest value of each window of x (N, C, H, W); every size a number, or {for H, for W}.
function functions.max_pool2d(x, kernel, stride, padding, dilation, ceil_mode)
  check_input("max_pool2d", x, 4)
  return max_pool(x, max_options(kernel, stride, padding, dilation, ceil_mode))
end

--- Mean of each window of x (N, C, T): kernel, stride (default: kernel), padding (with zeros, which
-- count unless count_include_pad is false), ceil_mode; or kernel and a table of names.
function functions.avg_pool1d(x, kernel, stride, padding, ceil_mode, count_include_pad)
  check_input("avg_pool1d", x, 3)
  return avg_pool(x, avg_options(kernel, stride, padding, ceil_mode, count_include_pad))
end

--- Mean of each window of x (N, C, H, W); every size a number, or {for H, for W}.
function functions.avg_pool2d(x, kernel, stride, padding, ceil_mode, count_include_pad)
  check_input("avg_pool2d", x, 4)
  return avg_pool(x, avg_options(kernel, stride, padding, ceil_mode, count_include_pad))
end

--- Means over bins that divide x (N, C, T) into `bins` parts, of sizes that differ by at most one and
-- may overlap by one.
function functions.adaptive_avg_pool1d(x, bins)
  return adaptive(avg_pool, "adaptive_avg_pool1d", 3, x, bins)
end

--- Means over bins of x (N, C, H, W); bins: a number, or {for H, for W}. 1 gives the mean over all
-- positions.
function functions.adaptive_avg_pool2d(x, bins)
  return adaptive(avg_pool, "adaptive_avg_pool2d", 4, x, bins)
end

--- Largest values over bins of x (N, C, T).
function functions.adaptive_max_pool1d(x, bins)
  return adaptive(max_pool, "adaptive_max_pool1d", 3, x, bins)
end

--- Largest values over bins of x (N, C, H, W).
function functions.adaptive_max_pool2d(x, bins)
  return adaptive(max_pool, "adaptive_max_pool2d", 4, x, bins)
end

return { methods = {}, functions = functions }
