--- Views and copies: the same elements under another shape, order or dtype.
local ffi = require "ffi"
local core = require "luatrain.core"
local op = require "luatrain.op"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local methods, functions = {}, {}
local sizes_of = ffi.typeof "int64_t[8]"
local scratch_shape, scratch_stride = sizes_of(), sizes_of()

local function clone_of(x)
  local y = x:like()
  check(C.lt_copy(y.c, x.c))
  return y
end

-- A view with x's sizes and strides changed by edit(shape, stride) -> ndim, offset.
local function viewed(x, n, offset)
  return x:as_strided(n, scratch_shape, scratch_stride, offset or x.c.offset)
end

local function load_layout(x)
  local c = x.c
  for i = 0, c.ndim - 1 do
    scratch_shape[i] = c.shape[i]
    scratch_stride[i] = c.stride[i]
  end
  return c.ndim
end

-- ---- shape ---------------------------------------------------------------------------------------
-- Sizes with -1 filled in; a and the rest are numbers, or a is a list.
local function wanted_sizes(x, a, ...)
  local list = type(a) == "table" and { unpack(a) } or { a, ... }
  local known, unknown = 1, nil
  for i = 1, #list do
    if list[i] == -1 then
      if unknown then core.fail("reshape: only one size can be -1") end
      unknown = i
    else
      known = known * list[i]
    end
  end
  if unknown then
    local n = x:numel()
    if known == 0 or n % known ~= 0 then
      core.fail("reshape: %s has %d elements, not a multiple of %d", x:shape_text(), n, known)
    end
    list[unknown] = n / known
  end
  return list
end

local function shaped(x, list)
  for i = 1, #list do scratch_shape[i - 1] = list[i] end
  local c = ffi.new "lt_tensor"
  if C.lt_tensor_view(c, x.c, #list, scratch_shape) == 0 then return Tensor.wrap(c) end
  local dense = Tensor.empty(x:size(), x:dtype())
  check(C.lt_copy(dense.c, x.c))
  for i = 1, #list do scratch_shape[i - 1] = list[i] end
  check(C.lt_tensor_view(c, dense.c, #list, scratch_shape))
  return Tensor.wrap(c)
end

local reshape = op.define {
  name = "reshape", half = true,
  forward = function(saved, x, list)
    saved.sizes = saved.active and x:size() or nil
    return shaped(x, list)
  end,
  backward = function(saved, dy) return shaped(dy, saved.sizes) end,
}

--- x:reshape(2, -1) or x:reshape{2, -1}: the same elements in row-major order under another
-- shape; a view where the strides allow it, else a copy. One size may be -1.
function methods.reshape(x, a, ...)
  return reshape(x, wanted_sizes(x, a, ...))
end

--- Like reshape, but an error where a copy would be needed.
function methods.view(x, a, ...)
  local list = wanted_sizes(x, a, ...)
  for i = 1, #list do scratch_shape[i - 1] = list[i] end
  local probe = ffi.new "lt_tensor"
  check(C.lt_tensor_view(probe, x.c, #list, scratch_shape))
  C.lt_tensor_release(probe)
  return reshape(x, list)
end

--- Joins dimensions first..last (default all) into one.
function methods.flatten(x, first, last)
  if x.c.ndim == 0 then return reshape(x, { 1 }) end
  first, last = op.dim(x, first or 1), op.dim(x, last or -1)
  local list, joined = {}, 1
  for i = 1, x.c.ndim do
    local size = x:size(i)
    if i >= first and i <= last then
      joined = joined * size
      if i == last then list[#list + 1] = joined end
    else
      list[#list + 1] = size
    end
  end
  return reshape(x, list)
end

--- Removes dimension d, or every dimension, of size 1.
function methods.squeeze(x, d)
  d = d and op.dim(x, d)
  local list = {}
  for i = 1, x.c.ndim do
    local size = x:size(i)
    if size ~= 1 or (d and i ~= d) then list[#list + 1] = size end
  end
  return reshape(x, list)
end

--- Inserts a dimension of size 1 so that it becomes dimension d.
function methods.unsqueeze(x, d)
  local n = x.c.ndim + 1
  if d < 0 then d = n + d + 1 end
  if d < 1 or d > n then core.fail("unsqueeze: dimension %d of %d", d, n) end
  local list = x:size()
  table.insert(list, d, 1)
  return reshape(x, list)
end

-- ---- order ---------------------------------------------------------------------------------------
local function permuted(x, order)
  local c = x.c
  for i = 1, #order do
    scratch_shape[i - 1] = c.shape[order[i] - 1]
    scratch_stride[i - 1] = c.stride[order[i] - 1]
  end
  return viewed(x, #order)
end

local permute = op.define {
  name = "permute", half = true,
  forward = function(saved, x, order)
    saved.order = order
    return permuted(x, order)
  end,
  backward = function(saved, dy)
    local inverse = {}
    for i, d in ipairs(saved.order) do inverse[d] = i end
    return permuted(dy, inverse)
  end,
}

--- x:permute(1, 3, 2): dimension i of the result is dimension order[i] of x. A view.
function methods.permute(x, a, ...)
  local order = type(a) == "table" and { unpack(a) } or { a, ... }
  local seen = {}
  for i = 1, #order do
    order[i] = op.dim(x, order[i])
    if seen[order[i]] then core.fail("permute: dimension %d twice", order[i]) end
    seen[order[i]] = true
  end
  if #order ~= x.c.ndim then
    core.fail("permute: %d dimensions for a tensor with %d", #order, x.c.ndim)
  end
  return permute(x, order)
end

--- Exchanges two dimensions. A view.
function methods.transpose(x, a, b)
  a, b = op.dim(x, a), op.dim(x, b)
  local order = {}
  for i = 1, x.c.ndim do order[i] = i end
  order[a], order[b] = b, a
  return permute(x, order)
end

--- The transpose of a matrix. A view.
function methods.t(x)
  if x.c.ndim ~= 2 then core.fail("t: wanted a matrix, got %s", x:shape_text()) end
  return permute(x, { 2, 1 })
end

-- ---- parts ---------------------------------------------------------------------------------------
local function narrowed(x, d, start, length)
  load_layout(x)
  scratch_shape[d - 1] = length
  return viewed(x, x.c.ndim, x.c.offset + (start - 1) * x.c.stride[d - 1])
end

-- The gradient of a part: zeros with dy in the part's place.
local function placed(sizes, dtype, part, dy)
  local dx = Tensor.empty(sizes, dtype)
  check(C.lt_fill(dx.c, 0))
  check(C.lt_copy(part(dx).c, dy.c))
  return dx
end

local narrow = op.define {
  name = "narrow", half = true,
  forward = function(saved, x, d, start, length)
    if saved.active then
      saved.sizes, saved.d, saved.start, saved.length = x:size(), d, start, length
    end
    return narrowed(x, d, start, length)
  end,
  backward = function(saved, dy)
    return placed(saved.sizes, dy:dtype(), function(dx)
      return narrowed(dx, saved.d, saved.start, saved.length)
    end, dy)
  end,
}

--- Elements start..start+length-1 of dimension d. A view.
function methods.narrow(x, d, start, length)
  d = op.dim(x, d)
  local size = x:size(d)
  if start < 0 then start = size + start + 1 end
  if start < 1 or length < 0 or start + length - 1 > size then
    core.fail("narrow: %d elements from %d on, dimension %d has %d", length, start, d, size)
  end
  return narrow(x, d, start, length)
end

--- The slice at `index` of dimension d, which disappears. A view.
function methods.select(x, d, index)
  d = op.dim(x, d)
  local size = x:size(d)
  if index < 0 then index = size + index + 1 end
  if index < 1 or index > size then
    core.fail("index %d of dimension %d with size %d", index, d, size)
  end
  local list = x:size()
  table.remove(list, d)
  local part = narrow(x, d, index, 1)
  if x.requires_grad then return reshape(part, list) end
  local c = x.c
  local at = 0
  for i = 0, c.ndim - 1 do
    if i ~= d - 1 then
      scratch_shape[at], scratch_stride[at] = c.shape[i], c.stride[i]
      at = at + 1
    end
  end
  return viewed(x, at, c.offset + (index - 1) * c.stride[d - 1])
end

local slice_step = op.define {
  name = "slice", half = true,
  forward = function(saved, x, d, start, count, step)
    saved.sizes, saved.args = saved.active and x:size(), { d, start, count, step }
    load_layout(x)
    scratch_shape[d - 1] = count
    scratch_stride[d - 1] = x.c.stride[d - 1] * step
    return viewed(x, x.c.ndim, x.c.offset + (start - 1) * x.c.stride[d - 1])
  end,
  backward = function(saved, dy)
    local d, start, count, step = unpack(saved.args)
    return placed(saved.sizes, dy:dtype(), function(dx)
      load_layout(dx)
      scratch_shape[d - 1] = count
      scratch_stride[d - 1] = dx.c.stride[d - 1] * step
      return viewed(dx, dx.c.ndim, dx.c.offset + (start - 1) * dx.c.stride[d - 1])
    end, dy)
  end,
}

--- Elements first..last (inclusive, negative from the end) of dimension d, every step-th. A view.
function methods.slice(x, d, first, last, step)
  d = op.dim(x, d)
  local size = x:size(d)
  first, last, step = first or 1, last or -1, step or 1
  if first < 0 then first = size + first + 1 end
  if last < 0 then last = size + last + 1 end
  if first < 1 or last > size or step < 1 then
    core.fail("slice: %d to %d by %d of dimension %d with size %d", first, last, step, d, size)
  end
  local count = last >= first and math.floor((last - first) / step) + 1 or 0
  return slice_step(x, d, first, count, step)
end

local expand = op.define {
  name = "expand", half = true,
  forward = function(saved, x, list)
    saved.sizes = saved.active and x:size() or nil
    local c, lead = x.c, #list - x.c.ndim
    for i = 1, #list do
      local size = i > lead and tonumber(c.shape[i - lead - 1]) or 1
      local stride = i > lead and c.stride[i - lead - 1] or 0
      if list[i] == -1 then list[i] = size end
      if size ~= list[i] and size ~= 1 then
        core.fail("expand: dimension %d has size %d, not 1 or %d", i, size, list[i])
      end
      scratch_shape[i - 1] = list[i]
      scratch_stride[i - 1] = size == list[i] and stride or 0
    end
    return viewed(x, #list)
  end,
  backward = function(saved, dy)
    return require("luatrain.ops.arith").functions.sum_to(dy, saved.sizes)
  end,
}

--- Repeats dimensions of size 1 without copying; -1 keeps a size. A view.
function methods.expand(x, a, ...)
  local list = type(a) == "table" and { unpack(a) } or { a, ... }
  if #list < x.c.ndim then
    core.fail("expand: %d sizes for a tensor with %d dimensions", #list, x.c.ndim)
  end
  return expand(x, list)
end

--- Expands to the shape of another tensor.
function methods.expand_as(x, other)
  return expand(x, other:size())
end

-- ---- copies --------------------------------------------------------------------------------------
--- A copy of its own, in the same memory order.
methods.clone = op.define {
  name = "clone", half = true,
  forward = function(_, x) return clone_of(x) end,
  backward = function(_, dy) return clone_of(dy) end,
}

local packed = op.define {
  name = "contiguous", half = true,
  forward = function(_, x, order)
    local y = Tensor.empty(x:size(), x:dtype(), order)
    check(C.lt_copy(y.c, x.c))
    return y
  end,
  backward = function(_, dy) return clone_of(dy) end,
}

--- The tensor itself where its elements lie row-major (or in the given order), else such a copy.
function methods.contiguous(x, order)
  if not order and x:is_contiguous() then return x end
  return packed(x, order)
end

--- The same values in another dtype ("f32", "bf16", "i64", ...); always a new tensor.
methods.cast = op.define {
  name = "cast", half = true,
  forward = function(saved, x, dtype)
    saved.dtype = x:dtype()
    local y = x:like(dtype)
    check(C.lt_copy(y.c, x.c))
    return y
  end,
  backward = function(saved, dy)
    local dx = dy:like(saved.dtype)
    check(C.lt_copy(dx.c, dy.c))
    return dx
  end,
}

--- x:to("bf16"): the tensor itself where it has that dtype, else a cast. x:to("cpu") is x.
function methods.to(x, what)
  if what == "cpu" or x:dtype() == what then return x end
  if not Tensor.dtype_code[what] then
    core.fail_as("device", "to: '%s' is neither a dtype nor a device of this build (cpu)",
      tostring(what))
  end
  return methods.cast(x, what)
end

--- The same values without history: gradients stop here. Shares memory.
function methods.detach(x)
  load_layout(x)
  return viewed(x, x.c.ndim)
end

--- Copies the elements of x (broadcast to this shape, converted to this dtype) into t; returns t.
function methods.copy_(t, x)
  op.overwritable("copy_", t, x)
  check(C.lt_copy(t.c, x.c))
  return t
end

--- Sets every element to value; returns the tensor.
function methods.fill_(t, value)
  op.overwritable("fill_", t)
  check(C.lt_fill(t.c, value))
  return t
end

--- Sets every element to 0; returns the tensor.
function methods.zero_(t)
  return methods.fill_(t, 0)
end

-- ---- making --------------------------------------------------------------------------------------
-- Sizes and options of lt.zeros(2, 3), lt.zeros({2, 3}), lt.zeros(2, 3, {dtype = "i64"}).
local function creation(a, ...)
  local list, options = {}, {}
  local args = { a, ... }
  if type(a) == "table" and #a == #args[1] and type(args[1][1]) == "number" or
    (type(a) == "table" and next(a) == nil) then
    list = a
    options = args[2] or {}
  else
    for i = 1, #args do
      if type(args[i]) == "table" then options = args[i] else list[#list + 1] = args[i] end
    end
  end
  if type(options) == "string" then options = { dtype = options } end
  return list, options
end
--- Sizes (a list) and options of what makes tensors: (2, 3), ({2, 3}), (2, 3, {dtype = "i64"}), ({2}, "i64").
functions.creation_arguments = creation

local function filled(value, ...)
  local list, options = creation(...)
  local t = Tensor.empty(list, options.dtype, options.order)
  check(C.lt_fill(t.c, value))
  if options.requires_grad then t:set_requires_grad() end
  return t
end

--- lt.zeros(2, 3) or lt.zeros({2, 3}, {dtype = "i64"}).
function functions.zeros(...) return filled(0, ...) end
--- lt.ones(2, 3): all ones.
function functions.ones(...) return filled(1, ...) end
--- lt.full({2, 3}, 7, {dtype = "i64"}).
function functions.full(shape, value, options) return filled(value, shape, options) end
--- lt.empty(2, 3): whatever the memory held.
function functions.empty(...)
  local list, options = creation(...)
  return Tensor.empty(list, options.dtype, options.order)
end

--- A tensor of zeros (ones) with the shape, order and dtype of x.
function methods.zeros_like(x, dtype)
  local y = x:like(dtype)
  check(C.lt_fill(y.c, 0))
  return y
end
function methods.ones_like(x, dtype)
  local y = x:like(dtype)
  check(C.lt_fill(y.c, 1))
  return y
end
function methods.empty_like(x, dtype) return x:like(dtype) end

--- lt.arange(n): 0..n-1; lt.arange(first, last, step): up to and without last. Values, so from 0;
-- dtype "f32" unless options.dtype says another.
function functions.arange(first, last, step, options)
  if type(last) == "table" then last, options = nil, last end
  if type(step) == "table" then step, options = nil, step end
  if not last then first, last = 0, first end
  step = step or 1
  local n = math.max(0, math.ceil((last - first) / step))
  local y = Tensor.empty({ n }, options and options.dtype)
  check(C.lt_arange(y.c, first, step))
  return y
end

--- n values from first to last, both included.
function functions.linspace(first, last, n)
  local y = Tensor.empty({ n })
  check(C.lt_arange(y.c, first, n > 1 and (last - first) / (n - 1) or 0))
  return y
end

--- The n x m identity matrix (m defaults to n).
function functions.eye(n, m)
  local y = functions.zeros(n, m or n)
  if math.min(n, m or n) > 0 then
    scratch_shape[0], scratch_stride[0] = math.min(n, m or n), (m or n) + 1
    check(C.lt_fill(viewed(y, 1).c, 1))
  end
  return y
end

--- lt.tensor({{1, 2}, {3, 4}}, "i64"): a tensor from a number or nested lists.
functions.tensor = Tensor.from

return { methods = methods, functions = functions }
