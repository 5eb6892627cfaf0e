--- Optimizers: SGD, Adam, AdamW and RMSprop with PyTorch's formulas, options and defaults.
--
--   local optimizer = lt.optim.AdamW(model:parameters(), { lr = 1e-3, weight_decay = 0.01 })
--   loss:backward()
--   local norm = lt.optim.clip_grad_norm_(model:parameters(), 1)
--   optimizer:step()
--   optimizer:zero_grad()
--
-- Parameters are a list of tensors, a list of {name, tensor} pairs (model:named_parameters()), or a
-- list of groups {params = {...}, lr = ..., ...} whose options differ from the common ones.
-- Options live in optimizer.param_groups and may be changed at any time; state (moments, step
-- counts) is apart from them and belongs to the parameter. One C call updates everything.
local ffi = require "ffi"
local core = require "luatrain.core"
local options = require "luatrain.options"
local scope = require "luatrain.scope"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local optim = {}
local list_of = ffi.typeof "lt_tensor *[?]"

-- ---- shared by all -------------------------------------------------------------------------------
local Optimizer = {}

local function is_pair(t)
  return type(t) == "table" and type(t[1]) == "string" and Tensor.is_tensor(t[2])
end

-- Options `given` over `defaults`; unknown names are refused.
local function merged(name, defaults, given)
  local o = {}
  for key, value in pairs(given or {}) do
    if key ~= "params" then o[key] = value end
  end
  o = options.read(name, o, defaults)
  for key, value in pairs(o) do
    if type(value) ~= type(defaults[key]) then
      core.fail("%s: option %s is a %s, wanted a %s", name, key, type(value), type(defaults[key]))
    end
    if type(value) == "table" then o[key] = { unpack(value) } end
  end
  return o
end

-- Refuses what cannot be trained with.
local function check_options(name, o)
  local function bad(key, what)
    core.fail("%s: %s is %s; it must be %s", name, key, tostring(o[key]), what)
  end
  if not (o.lr >= 0) then bad("lr", "at least 0") end
  if not (o.weight_decay >= 0) then bad("weight_decay", "at least 0") end
  if o.eps and not (o.eps >= 0) then bad("eps", "at least 0") end
  if o.momentum and not (o.momentum >= 0) then bad("momentum", "at least 0") end
  if o.alpha and not (o.alpha >= 0) then bad("alpha", "at least 0") end
  for i, beta in ipairs(o.betas or {}) do
    if not (beta >= 0 and beta < 1) then
      core.fail("%s: betas[%d] is %s; it must be from 0 to below 1", name, i, tostring(beta))
    end
  end
  if o.nesterov and (o.momentum <= 0 or o.dampening ~= 0) then
    core.fail("%s: nesterov needs a momentum above 0 and no dampening", name)
  end
end

-- Adds one group; entries are tensors or {name, tensor}.
local function add_group(self, entries, given)
  local group = merged(self.name, self.defaults, given)
  check_options(self.name, group)
  group.params, group.names = {}, {}
  for i, entry in ipairs(entries) do
    local named = is_pair(entry)
    local p = named and entry[2] or entry
    if not Tensor.is_tensor(p) then
      core.fail("%s: parameter %d is a %s, not a tensor", self.name, i, type(p))
    end
    if self.known[p] then core.fail("%s: parameter %d appears twice", self.name, i) end
    self.known[p] = true
    group.params[i] = p
    group.names[i] = named and entry[1] or tostring(self.count)  -- PyTorch numbers from 0
    self.count = self.count + 1
  end
  self.param_groups[#self.param_groups + 1] = group
end

local function scalar(dtype, n)
  return scope.keep(Tensor.empty(n and { n } or {}, dtype))
end

local function new(class, params, given)
  if Tensor.is_tensor(params) then params = { params } end
  if type(params) ~= "table" then
    core.fail("%s: parameters are a %s, not a list of tensors", class.name, type(params))
  end
  local self = setmetatable({ name = class.name, state = {}, param_groups = {}, known = {},
    count = 0, last = {} }, class)
  self.defaults = merged(class.name, class.options, given)
  check_options(class.name, self.defaults)
  local first = params[1]
  if type(first) == "table" and first.params then
    for _, group in ipairs(params) do add_group(self, group.params, group) end
  else
    add_group(self, params)
  end
  if self.count == 0 then core.fail("%s: no parameters", class.name) end
  -- What the kernel reads: learning rate and step; norm and clip factor.
  self.clock, self.norm, self.scale = scalar("f64", 2), scalar "f32", scalar "f32"
  self.time = self.clock:data()
  return self
end

--- Adds a group {params = {...}, lr = ..., ...} later, for example when layers are unfrozen.
function Optimizer:add_param_group(group)
  add_group(self, group.params, group)
end

--- The learning rate of the first group.
function Optimizer:learning_rate()
  return self.param_groups[1].lr
end

--- Lets go of all gradients, and of their memory. The tensors that were the gradients are used again
-- for the next ones.
function Optimizer:zero_grad()
  for _, group in ipairs(self.param_groups) do
    for _, p in ipairs(group.params) do
      if p.grad then
        p.grad:release()
        p.spare_grad, p.grad = p.grad, nil
      end
    end
  end
end

-- A tensor of state: zeros laid out like the parameter, for good.
local function zeros_like(p)
  local t = scope.keep(p:like "f32")
  check(C.lt_fill(t.c, 0))
  return t
end

-- Parameters of a group that have a gradient, by the number of steps they have behind them. Nearly
-- always that is one number; it differs where parameters were unfrozen or unused for a while.
local function buckets_of(self, group)
  local buckets, order = {}, {}
  for _, p in ipairs(group.params) do
    if p.grad then
      local state = self.state[p]
      if not state then
        state = { step = 0 }
        for _, key in ipairs(self:state_names(group)) do state[key] = zeros_like(p) end
        self.state[p] = state
      end
      local bucket = buckets[state.step]
      if not bucket then
        bucket = { step = state.step }
        buckets[state.step] = bucket
        order[#order + 1] = bucket
      end
      bucket[#bucket + 1] = p
    end
  end
  return order
end

-- C lists of the parameters, their gradients, and each kind of state.
local function lists_of(self, bucket, names)
  local n = #bucket
  local lists = { params = list_of(n), grads = list_of(n) }
  for _, key in ipairs(names) do lists[key] = list_of(n) end
  for i = 1, n do
    local p = bucket[i]
    lists.params[i - 1] = p.c
    lists.grads[i - 1] = p.grad.c
    local state = self.state[p]
    for _, key in ipairs(names) do lists[key][i - 1] = state[key].c end
  end
  return lists
end

local function run(self, group, bucket, lists, scale)
  self.time[0], self.time[1] = group.lr, bucket.step + 1
  self:update(group, #bucket, lists, scale)
  bucket.step = bucket.step + 1
  for i = 1, #bucket do self.state[bucket[i]].step = bucket.step end
end

-- What the last step did, while it holds: all parameters of the group in one bucket. Small models
-- take many steps a second, and only the gradients' addresses change between two of them.
local function first_step(self, group, scale)
  local names = self:state_names(group)
  local buckets = buckets_of(self, group)
  for _, bucket in ipairs(buckets) do
    bucket.lists = lists_of(self, bucket, names)
    run(self, group, bucket, bucket.lists, scale)
  end
  local bucket = buckets[1]
  local whole = bucket and #bucket == #group.params
  self.last[group] = whole and bucket or nil
  if whole then bucket.names = table.concat(names, " ") end
end

local function repeat_step(self, group, scale)
  local bucket = self.last[group]
  if not bucket or #bucket ~= #group.params then return false end
  if bucket.names ~= table.concat(self:state_names(group), " ") then return false end
  local grads = bucket.lists.grads
  for i = 1, #bucket do
    local g = bucket[i].grad
    if not g then return false end
    grads[i - 1] = g.c
  end
  run(self, group, bucket, bucket.lists, scale)
  return true
end

local function all_gradients(params)
  local grads = {}
  for _, p in ipairs(params) do
    if p.grad then grads[#grads + 1] = p.grad end
  end
  local list = list_of(#grads)
  for i, g in ipairs(grads) do list[i - 1] = g.c end
  return list, #grads, grads
end

--- All parameters of all groups.
function Optimizer:parameters()
  local list = {}
  for _, group in ipairs(self.param_groups) do
    for _, p in ipairs(group.params) do list[#list + 1] = p end
  end
  return list
end

--- One step with the gradients that are there; parameters without one are left alone.
-- given.max_norm: limits the norm of all gradients together as clip_grad_norm_ does, without
-- a pass over memory of its own (the gradients stay as they were). given.divisor: gradients are this
-- many times too large (see GradScaler); max_norm and the norm returned are those of the true ones.
-- given.skip_nonfinite: does nothing where a gradient holds NaN or Inf. Returns the norm where
-- max_norm or skip_nonfinite was asked for.
function Optimizer:step(given)
  local scale, norm
  local divisor = given and given.divisor or 1
  if given and (given.max_norm or given.skip_nonfinite) then
    local list, n = all_gradients(self:parameters())
    local limit = given.max_norm and given.max_norm * divisor or math.huge
    check(C.lt_grad_norm(self.norm.c, self.scale.c, n, list, limit, false))
    norm, scale = self.norm:item(), self.scale.c
    local finite = norm == norm and norm ~= math.huge
    if given.skip_nonfinite and not finite then return norm end
    if not given.max_norm then scale = nil end
    norm = norm / divisor
  end
  if divisor ~= 1 then
    self.scale:fill_((scale and self.scale:item() or 1) / divisor)
    scale = self.scale.c
  end
  for i = 1, #self.param_groups do
    local group = self.param_groups[i]
    if not repeat_step(self, group, scale) then first_step(self, group, scale) end
  end
  return norm
end

--- Everything that a resumed run needs: {state = {[name] = {step =, ...tensors}}, param_groups =
-- {{lr =, ..., params = {names}}}}. Names are those given, else numbers from 0 as in PyTorch.
-- The tensors are the optimizer's own, not copies.
function Optimizer:state_dict()
  local dict = { state = {}, param_groups = {} }
  for i, group in ipairs(self.param_groups) do
    local out = {}
    for key, value in pairs(group) do
      if key ~= "params" and key ~= "names" then
        out[key] = type(value) == "table" and { unpack(value) } or value
      end
    end
    out.params = { unpack(group.names) }
    dict.param_groups[i] = out
    for j, p in ipairs(group.params) do
      local state = self.state[p]
      if state then
        local copy = {}
        for key, value in pairs(state) do copy[key] = value end
        dict.state[group.names[j]] = copy
      end
    end
  end
  return dict
end

local function load_state(self, name, p, from)
  local state = {}
  for key, value in pairs(from) do
    if Tensor.is_tensor(value) then
      if value:shape_text() ~= p:shape_text() then
        core.fail("%s: %s of parameter %s is %s, the parameter is %s", self.name, key, name,
          value:shape_text(), p:shape_text())
      end
      local own = scope.keep(p:like "f32")
      check(C.lt_copy(own.c, value.c))
      state[key] = own
    else
      state[key] = value
    end
  end
  return state
end

--- Takes over a state_dict: options of the groups and the state of every parameter, by name. The
-- groups must be the same ones in the same order.
function Optimizer:load_state_dict(dict)
  if #dict.param_groups ~= #self.param_groups then
    core.fail("%s: the state has %d parameter groups, there are %d here", self.name,
      #dict.param_groups, #self.param_groups)
  end
  for i, group in ipairs(self.param_groups) do
    local from = dict.param_groups[i]
    if #from.params ~= #group.params then
      core.fail("%s: group %d of the state has %d parameters, there are %d here", self.name, i,
        #from.params, #group.params)
    end
    for j, name in ipairs(from.params) do
      if name ~= group.names[j] then
        core.fail("%s: parameter %d of group %d is called %s in the state and %s here", self.name,
          j, i, name, group.names[j])
      end
    end
  end
  self.last = {}
  for i, group in ipairs(self.param_groups) do
    for key, value in pairs(dict.param_groups[i]) do
      if key ~= "params" then group[key] = type(value) == "table" and { unpack(value) } or value end
    end
    for j, p in ipairs(group.params) do
      local from = dict.state[group.names[j]]
      self.state[p] = from and load_state(self, group.names[j], p, from) or nil
    end
  end
end

function Optimizer:__tostring()
  local plural = require("luatrain.show").plural
  return ("%s(%s, %s, lr=%g)"):format(self.name, plural(self.count, "parameter"),
    plural(#self.param_groups, "group"), self.param_groups[1].lr)
end

local function class(name, defaults, methods)
  local c = { name = name, __name = name, options = defaults }
  for key, f in pairs(Optimizer) do c[key] = f end
  for key, f in pairs(methods) do c[key] = f end
  c.__index = c
  return function(params, given) return new(c, params, given) end
end

local function flag(on, bit) return on and tonumber(bit) or 0 end

-- ---- the optimizers ------------------------------------------------------------------------------
local sgd = {}
function sgd:state_names(group)
  return group.momentum > 0 and { "momentum_buffer" } or {}
end
function sgd:update(group, n, lists, scale)
  check(C.lt_sgd(self.clock.c, scale, n, lists.params, lists.grads, lists.momentum_buffer,
    group.momentum, group.dampening, group.weight_decay,
    flag(group.nesterov, C.LT_OPTIM_NESTEROV) + flag(group.maximize, C.LT_OPTIM_MAXIMIZE)))
end

--- Gradient descent. g += weight_decay * p; with momentum: b = momentum * b + (1 - dampening) * g
-- (the first b is g), then g = b, or with nesterov g = g + momentum * b; p -= lr * g.
optim.SGD = class("SGD", { lr = 1e-3, momentum = 0, dampening = 0, weight_decay = 0,
  nesterov = false, maximize = false }, sgd)

local function adam_class(name, weight_decay, decoupled)
  local adam = {}
  function adam:state_names(group)
    return group.amsgrad and { "exp_avg", "exp_avg_sq", "max_exp_avg_sq" }
      or { "exp_avg", "exp_avg_sq" }
  end
  function adam:update(group, n, lists, scale)
    check(C.lt_adam(self.clock.c, scale, n, lists.params, lists.grads, lists.exp_avg,
      lists.exp_avg_sq, lists.max_exp_avg_sq, group.betas[1], group.betas[2], group.eps,
      group.weight_decay, flag(decoupled, C.LT_OPTIM_DECOUPLED)
        + flag(group.maximize, C.LT_OPTIM_MAXIMIZE)))
  end
  return class(name, { lr = 1e-3, betas = { 0.9, 0.999 }, eps = 1e-8, weight_decay = weight_decay,
    amsgrad = false, maximize = false }, adam)
end

--- D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", 2015; weight_decay is
-- added to the gradient. m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; p -= lr / (1 - b1^t) * m /
-- (sqrt(v / (1 - b2^t)) + eps). amsgrad uses the largest v so far.
optim.Adam = adam_class("Adam", 0, false)

--- I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", 2019: Adam after
-- p *= 1 - lr * weight_decay.
optim.AdamW = adam_class("AdamW", 0.01, true)

local rmsprop = {}
function rmsprop:state_names(group)
  local names = { "square_avg" }
  if group.centered then names[#names + 1] = "grad_avg" end
  if group.momentum > 0 then names[#names + 1] = "momentum_buffer" end
  return names
end
function rmsprop:update(group, n, lists, scale)
  check(C.lt_rmsprop(self.clock.c, scale, n, lists.params, lists.grads, lists.square_avg,
    lists.grad_avg, lists.momentum_buffer, group.alpha, group.eps, group.momentum,
    group.weight_decay, flag(group.maximize, C.LT_OPTIM_MAXIMIZE)))
end

--- T. Tieleman and G. Hinton 2012: v = alpha v + (1 - alpha) g^2; p -= lr * g / (sqrt(v) + eps), with
-- momentum of that step; centered subtracts the squared mean gradient from v.
optim.RMSprop = class("RMSprop", { lr = 1e-2, alpha = 0.99, eps = 1e-8, weight_decay = 0,
  momentum = 0, centered = false, maximize = false }, rmsprop)

--- Parameter groups of a model for an optimizer with weight decay: matrices and kernels, and without decay
-- what has one dimension (biases, norms). Frozen parameters are left out.
-- Example: lt.optim.AdamW(lt.optim.decay_groups(model), { lr = 1e-3, weight_decay = 0.01 })
function optim.decay_groups(model)
  local decayed, free = {}, {}
  for _, p in ipairs(model:parameters()) do
    if p.requires_grad then table.insert(p:dim() > 1 and decayed or free, p) end
  end
  return { { params = decayed }, { params = free, weight_decay = 0 } }
end

-- ---- all gradients together ----------------------------------------------------------------------
--- The norm of all gradients of `params` together: the 2-norm, or with norm_type math.huge the
-- largest magnitude. A number.
function optim.grad_norm(params, norm_type)
  local norm, scale = scalar "f32", scalar "f32"
  local list, n = all_gradients(params)
  check(C.lt_grad_norm(norm.c, scale.c, n, list, math.huge, norm_type == math.huge))
  local value = norm:item()
  norm:release()
  scale:release()
  return value
end

--- Multiplies all gradients with max_norm / (norm + 1e-6) where that is below 1, norm being that of
-- all of them together (norm_type 2, or math.huge for the largest magnitude). Returns the norm before.
function optim.clip_grad_norm_(params, max_norm, norm_type)
  if Tensor.is_tensor(params) then params = { params } end
  if norm_type and norm_type ~= 2 and norm_type ~= math.huge then
    core.fail("clip_grad_norm_: norm_type is %s; there are 2 and math.huge", tostring(norm_type))
  end
  local norm, scale = scalar "f32", scalar "f32"
  local list, n = all_gradients(params)
  check(C.lt_grad_norm(norm.c, scale.c, n, list, max_norm, norm_type == math.huge))
  local value, factor = norm:item(), scale:item()
  if factor ~= 1 then check(C.lt_grad_scale(scale.c, n, list)) end
  norm:release()
  scale:release()
  return value
end
optim.clip_grad_norm = optim.clip_grad_norm_

optim.GradScaler = require "luatrain.grad_scaler"

--- averages[i] = decay * averages[i] + (1 - decay) * params[i] for lists of tensors, in one call.
function optim.ema_update(averages, params, decay)
  if #averages ~= #params then
    core.fail("ema_update: %d averages of %d parameters", #averages, #params)
  end
  local a, p = list_of(#params), list_of(#params)
  for i = 1, #params do a[i - 1], p[i - 1] = averages[i].c, params[i].c end
  check(C.lt_ema_update(#params, a, p, decay))
end

return optim
