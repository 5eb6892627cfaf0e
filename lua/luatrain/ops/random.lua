--- Random tensors and dropout. Every function takes {generator = g} as (or in) its last argument;
-- the default generator is luatrain.random's, seeded by lt.manual_seed(n).
local core = require "luatrain.core"
local op = require "luatrain.op"
local layout = require "luatrain.layout"
local random = require "luatrain.random"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local methods, functions = {}, {}

--- lt.manual_seed(n): starts the default generator again at seed n; returns it.
functions.manual_seed = random.manual_seed
--- lt.generator(seed, a, b): a generator of its own; see luatrain.random.
functions.generator = random.generator

local function state_of(options)
  local g = options and options.generator or random.default
  return g.state.c
end

local creation
local function created(...)
  creation = creation or require("luatrain.ops.view").functions.creation_arguments
  local list, options = creation(...)
  local t = Tensor.empty(list, options.dtype, options.order)
  return t, options
end

local function finished(t, options)
  if options.requires_grad then t:set_requires_grad() end
  return t
end

--- lt.rand(2, 3) or lt.rand({2, 3}, options): uniform in [0, 1). options: dtype, requires_grad,
-- generator.
function functions.rand(...)
  local t, options = created(...)
  check(C.lt_uniform(t.c, state_of(options), 0, 1))
  return finished(t, options)
end

--- lt.randn(2, 3): normal with mean 0 and standard deviation 1.
function functions.randn(...)
  local t, options = created(...)
  check(C.lt_normal(t.c, state_of(options), 0, 1))
  return finished(t, options)
end

--- lt.randint(low, high, shape, options): whole numbers in [low, high), i64 unless options.dtype
-- says another; lt.randint(high, shape) begins at 0.
function functions.randint(low, high, shape, options)
  if type(high) == "table" then low, high, shape, options = 0, low, high, shape end
  local t = Tensor.empty(shape, options and options.dtype or "i64")
  check(C.lt_randint(t.c, state_of(options), low, high))
  return t
end

--- lt.randperm(n): the numbers 0 .. n-1 in random order, i64.
function functions.randperm(n, options)
  local t = Tensor.empty({ n }, "i64")
  check(C.lt_permutation(t.c, state_of(options)))
  return t
end

--- lt.bernoulli(p): 1 with the probability that stands at each element of p (f32), else 0.
-- lt.bernoulli(0.3, shape, options): one probability for all.
function functions.bernoulli(p, shape, options)
  if Tensor.is_tensor(p) then
    options = shape
    local dense = p:like()
    check(C.lt_copy(dense.c, p.c))
    local t = p:like(options and options.dtype)
    check(C.lt_bernoulli(t.c, state_of(options), dense.c, 0))
    return t
  end
  local t = Tensor.empty(shape, options and options.dtype)
  check(C.lt_bernoulli(t.c, state_of(options), nil, p))
  return t
end

-- ---- in place -----------------------------------------------------------------------------------
-- fill(t, state, ...) on t, or on a fresh tensor that is then copied where t is a view with gaps.
local function in_place(name, fill)
  return function(t, a, b, c, d, options)
    op.overwritable(name, t)
    local state = state_of(options)
    if C.lt_tensor_is_contiguous(t.c) then
      check(fill(t.c, state, a, b, c, d))
    else
      local dense = t:like()
      check(fill(dense.c, state, a, b, c, d))
      check(C.lt_copy(t.c, dense.c))
      dense:release()
    end
    return t
  end
end

local uniform_ = in_place("uniform_",
  function(t, state, low, high) return C.lt_uniform(t, state, low, high) end)
local normal_ = in_place("normal_",
  function(t, state, mean, std) return C.lt_normal(t, state, mean, std) end)
local bernoulli_ = in_place("bernoulli_",
  function(t, state, p) return C.lt_bernoulli(t, state, nil, p) end)
local trunc_normal_ = in_place("trunc_normal_", function(t, state, mean, std, low, high)
  return C.lt_trunc_normal(t, state, mean, std, low, high)
end)

--- t:uniform_(low, high, options): uniform in [low, high), default 0 to 1; returns t.
function methods.uniform_(t, low, high, options)
  return uniform_(t, low or 0, high or 1, nil, nil, options)
end

--- t:normal_(mean, std, options): normal, default 0 and 1; returns t.
function methods.normal_(t, mean, std, options)
  return normal_(t, mean or 0, std or 1, nil, nil, options)
end

--- t:bernoulli_(p, options): 1 with probability p (default 1/2), else 0; returns t.
function methods.bernoulli_(t, p, options)
  return bernoulli_(t, p or 0.5, nil, nil, nil, options)
end

--- t:trunc_normal_(mean, std, low, high, options): normal, but never outside low .. high (absolute
-- values, default -2 and 2); mean 0 and std 1 unless given; returns t.
function methods.trunc_normal_(t, mean, std, low, high, options)
  return trunc_normal_(t, mean or 0, std or 1, low or -2, high or 2, options)
end

--- A tensor of x's shape and order, uniform in [0, 1).
function methods.rand_like(x, options)
  local t = x:like(options and options.dtype)
  check(C.lt_uniform(t.c, state_of(options), 0, 1))
  return t
end

--- A tensor of x's shape and order, normal with mean 0 and standard deviation 1.
function methods.randn_like(x, options)
  local t = x:like(options and options.dtype)
  check(C.lt_normal(t.c, state_of(options), 0, 1))
  return t
end

-- ---- dropout ------------------------------------------------------------------------------------
-- What backward needs to draw the same mask into the same places.
local function remember(saved, state, y, p)
  if not saved.active then return end
  local before = Tensor.empty({ 2 }, "i64")
  check(C.lt_copy(before.c, state))
  saved.rng, saved.p, saved.layout = before, p, layout.of(y)
end

local function dropped(saved, dy)
  local dx = layout.empty(saved.layout)
  check(C.lt_dropout_backward(dx.c, dy.c, saved.rng.c, saved.p))
  return dx
end

local dropout = op.define {
  name = "dropout", half = true,
  forward = function(saved, x, p, state)
    local y = x:like()
    remember(saved, state, y, p)
    check(C.lt_dropout(y.c, x.c, nil, state, p))
    return y
  end,
  backward = dropped,
}

local dropout_add = op.define {
  name = "dropout_add", half = true,
  forward = function(saved, x, residual, p, state)
    local y = x:like()
    remember(saved, state, y, p)
    check(C.lt_dropout(y.c, x.c, residual.c, state, p))
    return y
  end,
  backward = function(saved, dy)
    return saved.needs[1] and dropped(saved, dy), saved.needs[2] and dy
  end,
}

--- Sets elements to 0 with probability p (default 1/2) and divides the others by 1 - p. training =
-- false, or p = 0: x itself. options.generator.
function methods.dropout(x, p, training, options)
  p = p or 0.5
  if training == false or p == 0 then return x end
  return dropout(x, p, state_of(options))
end

--- residual + dropout(x, p) in one pass.
function methods.dropout_add(x, residual, p, training, options)
  if training == false or p == 0 then return x + residual end
  return dropout_add(x, residual, p or 0.5, state_of(options))
end

return { methods = methods, functions = functions }
