--- Normalisation: batch, layer, group and instance.
local core = require "luatrain.core"
local op = require "luatrain.op"
local Tensor = require "luatrain.tensor"
local to_channels_last = require "luatrain.channels_last"
local C, check = core.C, core.check

local function channels_last(x)
  return x.c.ndim == 2 and x:contiguous() or to_channels_last(x)
end

local function fresh(x)
  return Tensor.empty(x:size(), x:dtype(), x.c.ndim > 2 and "channels_last" or nil)
end

local function wide(t)
  if t and t.c.dtype ~= C.LT_F32 then t = t:cast("f32") end
  return t and t:contiguous()
end

local function value(t)
  return t and t.c
end

local function check_channels(name, x)
  if x.c.ndim < 2 or x.c.ndim > 4 then
    core.fail("%s: input is %s, wanted (N, C), (N, C, T) or (N, C, H, W)", name, x:shape_text())
  end
end

-- ---- batch -----------------------------------------------------------------------------------------
local batch_norm = op.define {
  name = "batch_norm",
  half = true,
  forward = function(saved, x, weight, bias, residual, mean, var, training, momentum, eps, relu)
    x = channels_last(x)
    weight, bias = wide(weight), wide(bias)
    residual = residual and channels_last(residual)
    local channels = x:size(2)
    local y, batch_mean, rstd = fresh(x), Tensor.empty { channels }, Tensor.empty { channels }
    check(C.lt_batch_norm(y.c, batch_mean.c, rstd.c, value(mean), value(var), x.c, value(weight),
      value(bias), value(residual), training and 1 or 0, momentum, eps, relu and 1 or 0))
    saved.x, saved.weight, saved.bias, saved.mean, saved.rstd = x, weight, bias, batch_mean, rstd
    saved.training, saved.relu = training, relu
    if relu and residual then saved.y = y end
    return y
  end,
  backward = function(saved, dy)
    local x, needs, relu = saved.x, saved.needs, saved.relu
    dy = channels_last(dy)
    local dx = fresh(x)
    local dw = needs[2] and saved.mean:like() or nil
    local db = needs[3] and saved.mean:like() or nil
    local dresidual = needs[4] and (relu and fresh(x) or dy) or nil
    check(C.lt_batch_norm_backward(dx.c, value(dw), value(db), relu and value(dresidual) or nil, dy.c,
      x.c, saved.mean.c, saved.rstd.c, value(saved.weight), value(saved.bias), value(saved.y),
      saved.training and 1 or 0, relu and 1 or 0))
    return dx, dw, db, dresidual
  end,
}

-- ---- layer -----------------------------------------------------------------------------------------
local layer_norm = op.define {
  name = "layer_norm",
  half = true,
  forward = function(saved, x, weight, bias, dims, eps)
    x = x:contiguous()
    weight, bias = wide(weight), wide(bias)
    local sizes = {}
    for d = 1, x.c.ndim - dims do sizes[d] = x:size(d) end
    local y, mean, rstd = x:like(), Tensor.empty(sizes), Tensor.empty(sizes)
    check(C.lt_layer_norm(y.c, mean.c, rstd.c, x.c, value(weight), value(bias), eps))
    saved.x, saved.weight, saved.bias, saved.mean, saved.rstd = x, weight, bias, mean, rstd
    return y
  end,
  backward = function(saved, dy)
    local x, needs = saved.x, saved.needs
    local dx = x:like()
    local dw = needs[2] and saved.weight:like() or nil
    local db = needs[3] and saved.bias:like() or nil
    dy = dy:contiguous()
    check(C.lt_layer_norm_backward(dx.c, value(dw), value(db), dy.c, x.c, saved.mean.c,
      saved.rstd.c, value(saved.weight)))
    return dx, dw, db
  end,
}

-- ---- group -----------------------------------------------------------------------------------------
local group_norm = op.define {
  name = "group_norm",
  half = true,
  forward = function(saved, x, weight, bias, groups, eps)
    x = channels_last(x)
    weight, bias = wide(weight), wide(bias)
    local sizes = { x:size(1), groups }
    local y, mean, rstd = fresh(x), Tensor.empty(sizes), Tensor.empty(sizes)
    check(C.lt_group_norm(y.c, mean.c, rstd.c, x.c, value(weight), value(bias), eps))
    saved.x, saved.weight, saved.mean, saved.rstd = x, weight, mean, rstd
    return y
  end,
  backward = function(saved, dy)
    local x, needs = saved.x, saved.needs
    local dx = fresh(x)
    local channels = { x:size(2) }
    local dw = needs[2] and Tensor.empty(channels) or nil
    local db = needs[3] and Tensor.empty(channels) or nil
    dy = channels_last(dy)
    check(C.lt_group_norm_backward(dx.c, value(dw), value(db), dy.c, x.c, saved.mean.c, saved.rstd.c,
      value(saved.weight)))
    return dx, dw, db
  end,
}

local functions = {}

--- Batch normalisation of x (N, C), (N, C, T) or (N, C, H, W) over all but the channels:
-- weight (x - mean) / sqrt(var + eps) + bias. In training the batch's statistics are used and the
-- running ones (f32 tensors of C, or nil) move towards them: r = (1 - momentum) r + momentum s, the
-- variance without bias; otherwise the running ones are used. eps 1e-5, momentum 0.1.
-- relu = true and a residual of x's shape are applied in the same pass:
-- relu(batch_norm(x) + residual). Statistics are f32 also for bf16 x.
function functions.batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps,
    relu, residual)
  check_channels("batch_norm", x)
  return batch_norm(x, weight, bias, residual, running_mean, running_var, training or false,
    momentum or 0.1, eps or 1e-5, relu or false)
end

--- Layer normalisation over the last dimensions, those of normalized_shape (a size or a list):
-- weight (x - mean) / sqrt(var + eps) + bias with weight and bias of that shape, or nil; eps 1e-5.
function functions.layer_norm(x, normalized_shape, weight, bias, eps)
  local shape = type(normalized_shape) == "table" and normalized_shape or { normalized_shape }
  local n = x.c.ndim
  for i = 1, #shape do
    if #shape > n or x:size(n - #shape + i) ~= shape[i] then
      core.fail("layer_norm: input is %s, normalized_shape is (%s): wanted the input's last "
        .. "dimensions", x:shape_text(), table.concat(shape, ", "))
    end
  end
  return layer_norm(x, weight, bias, #shape, eps or 1e-5)
end

--- Group normalisation of x (N, C, ...): the channels in `groups` groups of neighbours, each with its
-- own statistics in every sample; weight and bias (C) or nil; eps 1e-5.
function functions.group_norm(x, groups, weight, bias, eps)
  check_channels("group_norm", x)
  if type(groups) ~= "number" or groups < 1 or x:size(2) % groups ~= 0 then
    core.fail("group_norm: %s groups do not divide the %d channels of %s", tostring(groups),
      x:size(2), x:shape_text())
  end
  return group_norm(x, weight, bias, groups, eps or 1e-5)
end

--- Instance normalisation of x (N, C, ...): every channel of every sample by its own statistics;
-- weight and bias (C) or nil; eps 1e-5.
function functions.instance_norm(x, weight, bias, eps)
  check_channels("instance_norm", x)
  return group_norm(x, weight, bias, x:size(2), eps or 1e-5)
end

return { methods = {}, functions = functions }
