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

-- Sizes of the result; `bins` for adaptive pooling.
local function result_sizes(name, x, o, bins)
  local sizes = x:size()
  for d = 3, #sizes do
    local i = #sizes == 3 and 1 or d - 3
    if bins then
      sizes[d] = bins[#sizes == 3 and 2 or d - 2] or sizes[d]
    else
      local reach = tonumber(o.dilation[i]) * (tonumber(o.kernel[i]) - 1) + 1
      local room = sizes[d] + 2 * tonumber(o.padding[i]) - reach
      if room < 0 then
        core.fail("%s: a window of %d does not fit into %s with padding %d", name, reach,
          x:shape_text(), tonumber(o.padding[i]))
      end
      sizes[d] = math.floor(room / math.max(tonumber(o.stride[i]), 1)) + 1
    end
  end
  return sizes
end

local max_pool = op.define {
  name = "max_pool",
  half = true,
  forward = function(saved, x, o, bins)
    x = channels_last(x)
    local sizes = result_sizes("max_pool", x, o, bins)
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
  forward = function(saved, x, o, bins)
    x = channels_last(x)
    local y = Tensor.empty(result_sizes("avg_pool", x, o, bins), x:dtype(), "channels_last")
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
  return pool(x, o, { h or false, w or false })
end

local functions = {}

--- Largest value of each window of x (N, C, T): kernel, stride (default: kernel), padding (with
-- minus infinity), dilation. The result has (T + 2 padding - dilation (kernel - 1) - 1) / stride + 1
-- positions.
function functions.max_pool1d(x, kernel, stride, padding, dilation)
  check_input("max_pool1d", x, 3)
  return max_pool(x, sliding(kernel, stride, padding, dilation))
end

--- Largest value of each window of x (N, C, H, W); every size a number, or {for H, for W}.
function functions.max_pool2d(x, kernel, stride, padding, dilation)
  check_input("max_pool2d", x, 4)
  return max_pool(x, sliding(kernel, stride, padding, dilation))
end

--- Mean of each window of x (N, C, T): kernel, stride (default: kernel), padding (with zeros, which
-- count unless count_include_pad is false).
function functions.avg_pool1d(x, kernel, stride, padding, count_include_pad)
  check_input("avg_pool1d", x, 3)
  return avg_pool(x, sliding(kernel, stride, padding, 1, count_include_pad))
end

--- Mean of each window of x (N, C, H, W); every size a number, or {for H, for W}.
function functions.avg_pool2d(x, kernel, stride, padding, count_include_pad)
  check_input("avg_pool2d", x, 4)
  return avg_pool(x, sliding(kernel, stride, padding, 1, count_include_pad))
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
