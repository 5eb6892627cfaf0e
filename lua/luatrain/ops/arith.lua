--- Arithmetic, comparison, logic and selection. Either side may be a number; shapes broadcast as in
-- NumPy. Of f32, bf16 and integers the result has the first that takes part; two different integer
-- dtypes, and arithmetic of booleans, give i64; a fraction or a division makes integers f32.
local core = require "luatrain.core"
local op = require "luatrain.op"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local methods, functions = {}, {}
local F32, I64, BOOL = 0, 4, 7  -- LT_F32, LT_I64, LT_BOOL
local name_of = Tensor.dtype_name

-- ---- results of two operands --------------------------------------------------------------------
local function is_number(x)
  return type(x) == "number"
end

local function operand_error(name, a, b)
  core.fail("%s: wanted tensors or numbers, at least one tensor; got %s and %s", name,
    Tensor.is_tensor(a) and "tensor" or type(a), Tensor.is_tensor(b) and "tensor" or type(b))
end

local function is_float(code)
  return code <= 3
end

-- Dtype code of a op b.
local function result_code(a, b)
  if is_number(a) then a, b = b, a end
  local code = a.c.dtype
  if is_number(b) then
    if is_float(code) then return code end
    if b % 1 ~= 0 then return F32 end
    return code == BOOL and I64 or code
  end
  local other = b.c.dtype
  if code == other then return code == BOOL and I64 or code end
  if is_float(code) and is_float(other) then return F32 end
  if is_float(code) then return code end
  if is_float(other) then return other end
  return I64
end

local function same_shape(a, b)
  local n = a.ndim
  if n ~= b.ndim then return false end
  for i = 0, n - 1 do
    if a.shape[i] ~= b.shape[i] then return false end
  end
  return true
end

-- Sizes after broadcasting, and whether they are a's or b's own.
local function broadcast(name, a, b)
  local n = math.max(a.c.ndim, b.c.ndim)
  local list, like_a, like_b = {}, a.c.ndim == n, b.c.ndim == n
  for i = 1, n do
    local at, bt = a.c.ndim - n + i, b.c.ndim - n + i
    local p = at > 0 and tonumber(a.c.shape[at - 1]) or 1
    local q = bt > 0 and tonumber(b.c.shape[bt - 1]) or 1
    if p ~= q and p ~= 1 and q ~= 1 then
      core.fail("%s: a is %s, b is %s: sizes %d and %d do not broadcast", name, a:shape_text(),
        b:shape_text(), p, q)
    end
    list[i] = p == 1 and q or p
    like_a, like_b = like_a and p == list[i], like_b and q == list[i]
  end
  return list, like_a, like_b
end

-- A fresh tensor for a op b.
local function result(name, a, b, code)
  if is_number(b) then
    if not Tensor.is_tensor(a) then operand_error(name, a, b) end
    return a:like(name_of[code])
  end
  if not Tensor.is_tensor(b) then operand_error(name, a, b) end
  if is_number(a) then return b:like(name_of[code]) end
  if not Tensor.is_tensor(a) then operand_error(name, a, b) end
  if same_shape(a.c, b.c) then return a:like(name_of[code]) end
  local list, like_a, like_b = broadcast(name, a, b)
  if like_a then return a:like(name_of[code]) end
  if like_b then return b:like(name_of[code]) end
  return Tensor.empty(list, name_of[code])
end

local function code_for(name, a, b)
  local ta, tb = Tensor.is_tensor(a), Tensor.is_tensor(b)
  if not ((ta and (tb or is_number(b))) or (tb and is_number(a))) then operand_error(name, a, b) end
  return result_code(a, b)
end

-- ---- gradients of broadcasting ------------------------------------------------------------------
-- dy summed to the given sizes; dy itself where nothing was broadcast.
local function sum_to_sizes(dy, sizes)
  local c = dy.c
  local n, lead = c.ndim, c.ndim - #sizes
  local mask, keep, same = 0, {}, lead == 0
  for i = 1, n do
    local size = i > lead and sizes[i - lead] or 1
    local own = tonumber(c.shape[i - 1])
    keep[i] = size
    if size ~= own then
      if size ~= 1 then
        core.fail("sum_to: %s does not come from broadcasting (%s)", dy:shape_text(),
          table.concat(sizes, ", "))
      end
      same = false
    end
    if size == 1 then mask = mask + 2 ^ (i - 1) end
  end
  if same then return dy end
  local y = Tensor.empty(keep, name_of[c.dtype])
  check(C.lt_sum(y.c, c, mask))
  if lead == 0 then return y end
  return require("luatrain.ops.view").methods.reshape(y, sizes)
end

-- The gradient g of an operand: summed to its shape, in its dtype.
local function reduce_to(g, operand)
  if not same_shape(g.c, operand.c) then g = sum_to_sizes(g, operand:size()) end
  if g.c.dtype ~= operand.c.dtype then
    local cast = g:like(name_of[operand.c.dtype])
    check(C.lt_copy(cast.c, g.c))
    return cast
  end
  return g
end

--- x summed over the dimensions along which a tensor of these sizes would broadcast to x: the
-- gradient of broadcasting. sizes: a list.
functions.sum_to = op.define {
  name = "sum_to",
  forward = function(saved, x, sizes)
    saved.sizes = saved.active and x:size() or nil
    return sum_to_sizes(x, sizes)
  end,
  backward = function(saved, dy)
    local dx = Tensor.empty(saved.sizes)
    check(C.lt_copy(dx.c, dy.c))
    return dx
  end,
}

-- ---- arithmetic ---------------------------------------------------------------------------------
-- The tensor's value for C, or nil, and the number that stands for it.
local function operands(a, b)
  return not is_number(a) and a.c or nil, not is_number(b) and b.c or nil,
    is_number(a) and a or is_number(b) and b or 0
end

--- a + b; also a + b with the operator.
methods.add = op.define {
  name = "add", half = true,
  forward = function(_, a, b)
    local y = result("add", a, b, code_for("add", a, b))
    local ac, bc, number = operands(a, b)
    check(C.lt_add_number(y.c, ac, bc, number))
    return y
  end,
  backward = function(saved, dy)
    local a, b = saved.inputs[1], saved.inputs[2]
    return saved.needs[1] and reduce_to(dy, a), saved.needs[2] and reduce_to(dy, b)
  end,
}

local function negated(x)
  local y = x:like()
  check(C.lt_mul_number(y.c, x.c, nil, -1))
  return y
end

--- a - b.
methods.sub = op.define {
  name = "sub", half = true,
  forward = function(_, a, b)
    local y = result("sub", a, b, code_for("sub", a, b))
    local ac, bc, number = operands(a, b)
    check(C.lt_sub_number(y.c, ac, bc, number))
    return y
  end,
  backward = function(saved, dy)
    local a, b = saved.inputs[1], saved.inputs[2]
    return saved.needs[1] and reduce_to(dy, a), saved.needs[2] and negated(reduce_to(dy, b))
  end,
}

local function product(a, b)
  local y = result("mul", a, b, result_code(a, b))
  local ac, bc, number = operands(a, b)
  check(C.lt_mul_number(y.c, ac, bc, number))
  return y
end

--- a * b, element by element.
methods.mul = op.define {
  name = "mul", half = true,
  forward = function(saved, a, b)
    code_for("mul", a, b)
    if saved.needs[1] then saved.b = b end
    if saved.needs[2] then saved.a = a end
    return product(a, b)
  end,
  backward = function(saved, dy)
    local da = saved.needs[1] and reduce_to(product(dy, saved.b), saved.inputs[1])
    local db = saved.needs[2] and reduce_to(product(dy, saved.a), saved.inputs[2])
    return da, db
  end,
}

local function quotient(a, b)
  local code = result_code(a, b)
  local y = result("div", a, b, is_float(code) and code or F32)
  local ac, bc, number = operands(a, b)
  check(C.lt_div_number(y.c, ac, bc, number))
  return y
end

--- a / b; integers give f32.
methods.div = op.define {
  name = "div", half = true,
  forward = function(saved, a, b)
    code_for("div", a, b)
    local y = quotient(a, b)
    if saved.needs[1] or saved.needs[2] then saved.b = b end
    if saved.needs[2] then saved.y = y end
    return y
  end,
  backward = function(saved, dy)
    local da = saved.needs[1] and reduce_to(quotient(dy, saved.b), saved.inputs[1])
    local db
    if saved.needs[2] then
      local full = dy:like()
      check(C.lt_div_backward_b(full.c, dy.c, saved.y.c, saved.b.c))
      db = reduce_to(full, saved.inputs[2])
    end
    return da, db
  end,
}

--- -x.
methods.neg = op.define {
  name = "neg", half = true,
  forward = function(_, x) return negated(x) end,
  backward = function(_, dy) return negated(dy) end,
}

--- a to the power b; integers give f32.
methods.pow = op.define {
  name = "pow", half = true,
  forward = function(saved, a, b)
    local code = code_for("pow", a, b)
    local y = result("pow", a, b, is_float(code) and code or F32)
    local ac, bc, number = operands(a, b)
    check(C.lt_pow_number(y.c, ac, bc, number))
    if saved.needs[1] or saved.needs[2] then saved.a, saved.b = a, b end
    return y
  end,
  backward = function(saved, dy)
    local ac, bc, number = operands(saved.a, saved.b)
    local da, db
    if saved.needs[1] then
      local full = dy:like()
      check(C.lt_pow_backward_a(full.c, dy.c, ac, bc, number))
      da = reduce_to(full, saved.inputs[1])
    end
    if saved.needs[2] then
      local full = dy:like()
      check(C.lt_pow_backward_b(full.c, dy.c, ac, bc, number))
      db = reduce_to(full, saved.inputs[2])
    end
    return da, db
  end,
}

local function extreme(name, forward, sign)
  return op.define {
    name = name, half = true,
    forward = function(saved, a, b)
      local y = result(name, a, b, code_for(name, a, b))
      local ac, bc, number = operands(a, b)
      check(forward(y.c, ac, bc, number))
      if saved.needs[1] or saved.needs[2] then saved.a, saved.b = a, b end
      return y
    end,
    backward = function(saved, dy)
      local ac, bc, number = operands(saved.a, saved.b)
      local function gradient(first, second, of)
        local full = dy:like()
        check(C.lt_maximum_backward(full.c, dy.c, first, second, number, sign))
        return reduce_to(full, of)
      end
      return saved.needs[1] and gradient(ac, bc, saved.inputs[1]),
        saved.needs[2] and gradient(bc, ac, saved.inputs[2])
    end,
  }
end

--- The larger of a and b at each element; where both are equal they share the gradient.
methods.maximum = extreme("maximum",
  function(y, a, b, number) return C.lt_maximum_number(y, a, b, number) end, 1)
--- The smaller of a and b at each element.
methods.minimum = extreme("minimum",
  function(y, a, b, number) return C.lt_minimum_number(y, a, b, number) end, -1)

--- a - b * floor(a / b): the remainder with b's sign; integers modulo 0 give 0. The gradient is
-- that of a with b held fixed.
methods.remainder = op.define {
  name = "remainder",
  forward = function(_, a, b)
    local y = result("remainder", a, b, code_for("remainder", a, b))
    local ac, bc, number = operands(a, b)
    check(C.lt_remainder_number(y.c, ac, bc, number))
    return y
  end,
  backward = function(saved, dy)
    return saved.needs[1] and reduce_to(dy, saved.inputs[1])
  end,
}

-- ---- comparison and logic -----------------------------------------------------------------------
local function relation(name, call)
  return op.define {
    name = name, half = true, no_gradient = true,
    forward = function(_, a, b)
      code_for(name, a, b)
      local y = result(name, a, b, BOOL)
      local ac, bc, number = operands(a, b)
      check(call(y.c, ac, bc, number))
      return y
    end,
  }
end

--- a == b at each element, as bool; likewise ne, lt, le, gt, ge.
methods.eq = relation("eq", function(y, a, b, n) return C.lt_equal_number(y, a, b, n) end)
--- a ~= b.
methods.ne = relation("ne", function(y, a, b, n) return C.lt_not_equal_number(y, a, b, n) end)
--- a < b.
methods.lt = relation("lt", function(y, a, b, n) return C.lt_less_number(y, a, b, n) end)
--- a <= b.
methods.le = relation("le", function(y, a, b, n) return C.lt_less_equal_number(y, a, b, n) end)
--- a > b.
methods.gt = relation("gt", function(y, a, b, n) return C.lt_greater_number(y, a, b, n) end)
--- a >= b.
methods.ge = relation("ge", function(y, a, b, n) return C.lt_greater_equal_number(y, a, b, n) end)
--- True where both are not 0.
methods.logical_and = relation("logical_and",
  function(y, a, b, n) return C.lt_logical_and_number(y, a, b, n) end)
--- True where one or both are not 0.
methods.logical_or = relation("logical_or",
  function(y, a, b, n) return C.lt_logical_or_number(y, a, b, n) end)
--- True where exactly one is not 0.
methods.logical_xor = relation("logical_xor",
  function(y, a, b, n) return C.lt_logical_xor_number(y, a, b, n) end)

--- True where x is 0.
function methods.logical_not(x)
  return methods.eq(x, 0)
end

--- Whether a and b have the same shape and elements: a Lua boolean.
function methods.equal(a, b)
  return same_shape(a.c, b.c) and methods.eq(a, b):all():item()
end

--- Whether |a - b| <= atol + rtol |b| everywhere: a Lua boolean. rtol 1e-5, atol 1e-8.
function methods.allclose(a, b, rtol, atol)
  local within = b:abs():mul(rtol or 1e-5):add(atol or 1e-8)
  local near = methods.le(methods.sub(a, b):abs(), within)
  return methods.logical_or(near, methods.eq(a, b)):all():item()
end

-- ---- selection ----------------------------------------------------------------------------------
local function condition_of(name, condition)
  if not Tensor.is_tensor(condition) then
    core.fail("%s: the condition is a %s, wanted a tensor", name, type(condition))
  end
end

local function zeros_where(condition, dy, keep_where_true)
  local g = dy:like()
  if keep_where_true then
    check(C.lt_where(g.c, condition.c, dy.c, nil, 0))
  else
    check(C.lt_where(g.c, condition.c, nil, dy.c, 0))
  end
  return g
end

local where = op.define {
  name = "where", half = true,
  forward = function(saved, condition, a, b)
    local code = code_for("where", a, b)
    if not is_number(a) and not is_number(b) and a.c.dtype == b.c.dtype then code = a.c.dtype end
    local sizes = result("where", a, b, code)
    local y = sizes
    if not same_shape(sizes.c, condition.c) then
      y = Tensor.empty(broadcast("where", condition, sizes), name_of[code])
    end
    local ac, bc, number = operands(a, b)
    check(C.lt_where(y.c, condition.c, ac, bc, number))
    saved.condition = condition
    return y
  end,
  backward = function(saved, dy)
    local c = saved.condition
    return nil, saved.needs[2] and reduce_to(zeros_where(c, dy, true), saved.inputs[2]),
      saved.needs[3] and reduce_to(zeros_where(c, dy, false), saved.inputs[3])
  end,
}

--- a where condition is true (not 0), else b; a and b are tensors or numbers.
function functions.where(condition, a, b)
  condition_of("where", condition)
  if is_number(a) and is_number(b) then
    a = Tensor.from(a)
  end
  return where(condition, a, b)
end

--- x with value where mask (broadcast to x) is true. value: a number.
methods.masked_fill = op.define {
  name = "masked_fill", half = true,
  forward = function(saved, x, mask, value)
    condition_of("masked_fill", mask)
    local y = x:like()
    check(C.lt_where(y.c, mask.c, nil, x.c, value))
    saved.mask = mask
    return y
  end,
  backward = function(saved, dy) return zeros_where(saved.mask, dy, false) end,
}

--- a + weight * (b - a); weight: a number.
methods.lerp = op.define {
  name = "lerp", half = true,
  forward = function(saved, a, b, weight)
    local y = result("lerp", a, b, code_for("lerp", a, b))
    check(C.lt_lerp(y.c, a.c, b.c, weight))
    saved.weight = weight
    return y
  end,
  backward = function(saved, dy)
    local w = saved.weight
    return saved.needs[1] and reduce_to(product(dy, 1 - w), saved.inputs[1]),
      saved.needs[2] and reduce_to(product(dy, w), saved.inputs[2])
  end,
}

-- ---- in place -----------------------------------------------------------------------------------
local overwritable = op.overwritable

local function in_place(name, call)
  return function(t, other)
    overwritable(name, t, other)
    if is_number(other) then
      check(call(t.c, t.c, nil, other))
    elseif Tensor.is_tensor(other) then
      check(call(t.c, t.c, other.c, 0))
    else
      operand_error(name, t, other)
    end
    return t
  end
end

--- t <- t + other (a tensor that broadcasts to t, or a number); returns t. Refused where t or other
-- takes part in a gradient.
methods.add_ = in_place("add_", function(y, a, b, n) return C.lt_add_number(y, a, b, n) end)
--- t <- t - other.
methods.sub_ = in_place("sub_", function(y, a, b, n) return C.lt_sub_number(y, a, b, n) end)
--- t <- t * other.
methods.mul_ = in_place("mul_", function(y, a, b, n) return C.lt_mul_number(y, a, b, n) end)
--- t <- t / other.
methods.div_ = in_place("div_", function(y, a, b, n) return C.lt_div_number(y, a, b, n) end)

--- t <- t + weight * (other - t); weight: a number. For moving averages.
function methods.lerp_(t, other, weight)
  overwritable("lerp_", t, other)
  check(C.lt_lerp(t.c, t.c, other.c, weight))
  return t
end

return {
  methods = methods, functions = functions,
  metamethods = {
    __add = methods.add, __sub = methods.sub, __mul = methods.mul, __div = methods.div,
    __unm = function(x) return methods.neg(x) end, __pow = methods.pow, __mod = methods.remainder,
  },
}
