--- Losses as functions, with PyTorch's names and meanings; luatrain.loss holds them as classes.
-- Options are a trailing table; reduction is "mean" (default), "sum" or "none".
local core = require "luatrain.core"
local op = require "luatrain.op"
local options = require "luatrain.options"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local functions = {}
local reductions = { none = 0, mean = 1, sum = 2 }

-- Options of one call over `known`, the defaults of those that this loss has besides weight and reduction.
local function options_of(name, given, known)
  known.weight, known.reduction = options.none, "mean"
  local o = options.read(name, given, known)
  o.code = reductions[o.reduction]
  if not o.code then
    core.fail("%s: reduction is '%s'; there are mean, sum and none", name, tostring(o.reduction))
  end
  return o
end

local function pointer(t) return t and t.c or nil end

-- ---- classes -------------------------------------------------------------------------------------
-- Sizes of x without dimension 2: one row each.
local function row_sizes(x)
  local sizes = x:size()
  table.remove(sizes, 2)
  return sizes
end

local cross_entropy = op.define {
  name = "cross_entropy", half = true,
  forward = function(saved, x, target, weight, ignore, smoothing, code)
    local rows = row_sizes(x)
    local loss = Tensor.empty(code == 0 and rows or {})
    local lse, total = Tensor.empty(rows), Tensor.empty({})
    check(C.lt_cross_entropy(loss.c, lse.c, total.c, x.c, target.c, pointer(weight), ignore,
      smoothing, code))
    saved.x, saved.target, saved.weight, saved.lse, saved.total = x, target, weight, lse, total
    saved.ignore, saved.smoothing, saved.code = ignore, smoothing, code
    return loss
  end,
  backward = function(saved, dloss)
    local dx = saved.x:like()
    check(C.lt_cross_entropy_backward(dx.c, dloss.c, saved.x.c, saved.lse.c, saved.total.c,
      saved.target.c, pointer(saved.weight), saved.ignore, saved.smoothing, saved.code))
    return dx
  end,
}

local nll_loss = op.define {
  name = "nll_loss",
  forward = function(saved, x, target, weight, ignore, code)
    local loss, total = Tensor.empty(code == 0 and row_sizes(x) or {}), Tensor.empty({})
    check(C.lt_nll_loss(loss.c, total.c, x.c, target.c, pointer(weight), ignore, code))
    saved.x, saved.target, saved.weight, saved.total = x, target, weight, total
    saved.ignore, saved.code = ignore, code
    return loss
  end,
  backward = function(saved, dloss)
    local dx = saved.x:like()
    check(C.lt_nll_loss_backward(dx.c, dloss.c, saved.total.c, saved.target.c,
      pointer(saved.weight), saved.ignore, saved.code))
    return dx
  end,
}

local index_dtypes = { i64 = true, i32 = true, u8 = true }

-- Targets as the kernel takes them, and the unbatched form (C) with one target made (1, C).
local function class_arguments(name, x, target)
  if x:dim() == 0 then core.fail("%s: x has no dimension of classes", name) end
  local dtype = target:dtype()
  if index_dtypes[dtype] and dtype ~= "i64" then target = target:cast("i64") end
  if dtype == "bf16" then target = target:cast("f32") end
  if target.requires_grad then
    core.fail("%s: the target has no gradient; detach() it", name)
  end
  if x:dim() > 1 then return x, target, false end
  return x:reshape(1, -1), target:reshape(target:dtype() == "i64" and { 1 } or { 1, -1 }), true
end

--- Cross entropy of logits x (N, C) or (N, C, d...), or (C) for one sample: minus the
-- log-softmax of x at the target class, fused. target: class indices from 0, (N, d...) i64, i32 or
-- u8; or probabilities f32 of x's shape. Options: weight (C) multiplies classes; ignore_index
-- (-100) marks targets that count nothing; label_smoothing e (0) mixes e of the uniform
-- distribution into the target; reduction. "mean" divides by the sum of the target classes' weights
-- (by the number of rows for probabilities). A target that is no class is an error.
--   lt.cross_entropy(logits, labels, {label_smoothing = 0.1})
function functions.cross_entropy(x, target, given)
  local o = options_of("cross_entropy", given, { ignore_index = -100, label_smoothing = 0 })
  local batch, labels, single = class_arguments("cross_entropy", x, target)
  local loss = cross_entropy(batch, labels, o.weight, o.ignore_index, o.label_smoothing, o.code)
  return single and loss:reshape({}) or loss
end

--- Minus x (N, C, d...) at the target class, for log-probabilities x. Options: weight,
-- ignore_index (-100), reduction, as for cross_entropy.
function functions.nll_loss(x, target, given)
  local o = options_of("nll_loss", given, { ignore_index = -100 })
  local batch, labels, single = class_arguments("nll_loss", x, target)
  local loss = nll_loss(batch, labels, o.weight, o.ignore_index, o.code)
  return single and loss:reshape({}) or loss
end

-- ---- elements ------------------------------------------------------------------------------------
-- Of these the derivative by the target is the derivative by x with the two exchanged.
local symmetric = { [tonumber(C.LT_LOSS_MSE)] = true, [tonumber(C.LT_LOSS_L1)] = true,
  [tonumber(C.LT_LOSS_SMOOTH_L1)] = true, [tonumber(C.LT_LOSS_HUBER)] = true }

local pointwise = op.define {
  name = "pointwise_loss",
  forward = function(saved, x, target, weight, pos_weight, kind, code, scale, divisor)
    if saved.needs[2] and not symmetric[kind] then
      core.fail("loss: the target of this loss has no gradient; detach() it")
    end
    local loss = code == 0 and x:like() or Tensor.empty({})
    check(C.lt_pointwise_loss(loss.c, x.c, target.c, pointer(weight), pointer(pos_weight), kind,
      code, scale, divisor))
    saved.x, saved.target, saved.weight, saved.pos_weight = x, target, weight, pos_weight
    saved.kind, saved.code, saved.scale, saved.divisor = kind, code, scale, divisor
    return loss
  end,
  backward = function(saved, dloss)
    local function towards(x, target)
      local dx = x:like()
      check(C.lt_pointwise_loss_backward(dx.c, dloss.c, x.c, target.c, pointer(saved.weight),
        pointer(saved.pos_weight), saved.kind, saved.code, saved.scale, saved.divisor))
      return dx
    end
    return saved.needs[1] and towards(saved.x, saved.target) or nil,
      saved.needs[2] and towards(saved.target, saved.x) or nil
  end,
}

local function call(name, kind, x, target, given, known)
  local o = options_of(name, given, known or {})
  local weight = o.weight and o.weight:detach():expand(x:size())
  local pos_weight = o.pos_weight and o.pos_weight:detach():expand(x:size())
  return pointwise(x, target, weight, pos_weight, tonumber(kind), o.code,
    o.beta or o.delta or 1, x:numel())
end

--- Squared difference of x and target (one shape). Options: weight, reduction.
function functions.mse_loss(x, target, given)
  return call("mse_loss", C.LT_LOSS_MSE, x, target, given)
end

--- Absolute difference. Options: weight, reduction.
function functions.l1_loss(x, target, given)
  return call("l1_loss", C.LT_LOSS_L1, x, target, given)
end

--- d^2 / (2 beta) for |d| < beta (1), else |d| - beta / 2. Options: beta, weight, reduction.
function functions.smooth_l1_loss(x, target, given)
  return call("smooth_l1_loss", C.LT_LOSS_SMOOTH_L1, x, target, given, { beta = 1 })
end

--- d^2 / 2 for |d| < delta (1), else delta (|d| - delta / 2). Options: delta, weight, reduction.
function functions.huber_loss(x, target, given)
  return call("huber_loss", C.LT_LOSS_HUBER, x, target, given, { delta = 1 })
end

--- -(t log x + (1 - t) log(1 - x)) of probabilities x; logarithms stop at -100. Options: weight
-- (broadcasts to x), reduction. Prefer binary_cross_entropy_with_logits.
function functions.binary_cross_entropy(x, target, given)
  return call("binary_cross_entropy", C.LT_LOSS_BCE, x, target, given)
end

--- Binary cross entropy of sigmoid(x), computed stably from the logits x. Options: weight;
-- pos_weight p multiplies the positive part, p t log sigmoid(x), both broadcast to x; reduction.
function functions.binary_cross_entropy_with_logits(x, target, given)
  return call("binary_cross_entropy_with_logits", C.LT_LOSS_BCE_LOGITS, x, target, given,
    { pos_weight = false })
end

--- target (log target - x) for log-probabilities x. Options: log_target (false) when target holds
-- log-probabilities too; reduction, also "batchmean": the sum divided by x:size(1), which is the
-- divergence; "mean" divides by all elements.
function functions.kl_div(x, target, given)
  local all, divisor = {}, x:numel()
  for key, value in pairs(given or {}) do all[key] = value end
  if all.reduction == "batchmean" then
    all.reduction, divisor = "mean", x:size(1)
  end
  local o = options_of("kl_div", all, { log_target = false })
  local kind = o.log_target and C.LT_LOSS_KL_DIV_LOG or C.LT_LOSS_KL_DIV
  local weight = o.weight and o.weight:detach():expand(x:size())
  return pointwise(x, target, weight, nil, tonumber(kind), o.code, 1, divisor)
end

return { functions = functions }
