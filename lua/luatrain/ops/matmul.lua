--- Matrix products.
local ffi = require "ffi"
local core = require "luatrain.core"
local op = require "luatrain.op"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local new_value = ffi.typeof "lt_tensor"
local value_size = ffi.sizeof "lt_tensor"

-- x with its last two dimensions exchanged, as a value for one C call (no reference is taken).
local function flipped(x)
  local c = new_value()
  ffi.copy(c, x.c, value_size)
  local last = c.ndim - 1
  c.shape[last], c.shape[last - 1] = x.c.shape[last - 1], x.c.shape[last]
  c.stride[last], c.stride[last - 1] = x.c.stride[last - 1], x.c.stride[last]
  return c
end

local function size_at(x, d, n)
  local own = d - (n - x.c.ndim)
  return own < 1 and 1 or tonumber(x.c.shape[own - 1])
end

-- Sizes of a b: batch dimensions broadcast, then (M, N).
local function product_sizes(a, b)
  local n = math.max(a.c.ndim, b.c.ndim)
  local sizes = {}
  for d = 1, n - 2 do
    local sa, sb = size_at(a, d, n), size_at(b, d, n)
    sizes[d] = sa == 1 and sb or sa
  end
  sizes[n - 1] = a:size(-2)
  sizes[n] = b:size(-1)
  return sizes
end

local product = op.define {
  name = "matmul",
  half = true,
  autocast = true,
  forward = function(saved, a, b)
    local y = Tensor.empty(product_sizes(a, b), a:dtype())
    check(C.lt_matmul(y.c, a.c, b.c, 0))
    saved.a, saved.b = a, b
    return y
  end,
  backward = function(saved, dy)
    local a, b = saved.a, saved.b
    local da, db
    if saved.needs[1] then
      da = Tensor.empty(a:size())
      check(C.lt_matmul(da.c, dy.c, flipped(b), 0))
      if a.c.dtype ~= da.c.dtype then da = da:cast(a:dtype()) end
    end
    if saved.needs[2] then
      db = Tensor.empty(b:size())
      check(C.lt_matmul(db.c, flipped(a), dy.c, 0))
      if b.c.dtype ~= db.c.dtype then db = db:cast(b:dtype()) end
    end
    return da, db
  end,
}

--- The matrix product of a (..., M, K) and b (..., K, N); dimensions before the last two broadcast.
-- A vector stands for a row on the left and for a column on the right, and its dimension is missing
-- from the result. bf16 operands are multiplied with f32 accumulation.
-- lt.matmul(lt.randn(2, 3, 4), lt.randn(4, 5)) has the shape (2, 3, 5).
local function matmul(a, b)
  if not (Tensor.is_tensor(a) and Tensor.is_tensor(b)) then
    core.fail("matmul: wanted two tensors, got %s and %s", type(a), type(b))
  end
  if a.c.ndim == 0 or b.c.ndim == 0 then
    core.fail("matmul: a is %s, b is %s: numbers are multiplied with *", a:shape_text(),
      b:shape_text())
  end
  local row, column = a.c.ndim == 1, b.c.ndim == 1
  if row then a = a:unsqueeze(1) end
  if column then b = b:unsqueeze(2) end
  if a:size(-1) ~= b:size(-2) then
    core.fail("matmul: a is %s, b is %s: the last dimension of a and the one before the last of b "
      .. "must agree", a:shape_text(), b:shape_text())
  end
  local y = product(a, b)
  if column then y = y:squeeze(-1) end
  if row then y = y:squeeze(column and -1 or -2) end
  return y
end

--- matmul for two matrices: a (M, K), b (K, N).
local function mm(a, b)
  if a.c.ndim ~= 2 or b.c.ndim ~= 2 then
    core.fail("mm: a is %s, b is %s: wanted two matrices", a:shape_text(), b:shape_text())
  end
  return product(a, b)
end

--- matmul for two batches of matrices: a (B, M, K), b (B, K, N).
local function bmm(a, b)
  if a.c.ndim ~= 3 or b.c.ndim ~= 3 or a:size(1) ~= b:size(1) then
    core.fail("bmm: a is %s, b is %s: wanted (B, M, K) and (B, K, N)", a:shape_text(),
      b:shape_text())
  end
  return product(a, b)
end

return { methods = { matmul = matmul, mm = mm, bmm = bmm }, functions = {} }
