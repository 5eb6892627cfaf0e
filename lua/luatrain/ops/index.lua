--- Picking elements and slices by whole numbers, and adding them back.
--
-- Ids are integer tensors (or Lua lists) that count from 0, as labels and tokens do; an id out of
-- range is an error that names it. Dimensions count from 1 as everywhere.
local core = require "luatrain.core"
local op = require "luatrain.op"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local methods, functions = {}, {}

local function zeros(sizes, dtype)
  local t = Tensor.empty(sizes, dtype)
  check(C.lt_fill(t.c, 0))
  return t
end

-- Ids as C wants them: i64, row-major.
local function ids_of(name, index)
  if type(index) == "table" and not Tensor.is_tensor(index) then
    return Tensor.from(index, "i64")
  end
  if not Tensor.is_tensor(index) or index.c.dtype <= 3 then
    core.fail("%s: ids are %s; wanted an integer tensor or a list", name,
      Tensor.is_tensor(index) and index:dtype() or type(index))
  end
  return index:to("i64"):contiguous()
end

-- ---- gather, scatter_add ------------------------------------------------------------------------
local gather = op.define {
  name = "gather",
  forward = function(saved, x, d, index)
    local y = Tensor.empty(index:size(), x:dtype())
    check(C.lt_gather(y.c, x.c, index.c, d - 1))
    if saved.active then saved.sizes, saved.d, saved.index = x:size(), d, index end
    return y
  end,
  backward = function(saved, dy)
    local dx = zeros(saved.sizes)
    check(C.lt_scatter_add(dx.c, saved.index.c, dy.c, saved.d - 1))
    return dx
  end,
}

--- For dimension 1: y[i][j] = x[index[i][j]][j]. index has as many dimensions as x; y has index's
-- shape.
function methods.gather(x, d, index)
  return gather(x, op.dim(x, d), ids_of("gather", index))
end

local scatter_add = op.define {
  name = "scatter_add",
  forward = function(saved, x, d, index, source)
    local y = x:like()
    check(C.lt_copy(y.c, x.c))
    check(C.lt_scatter_add(y.c, index.c, source.c, d - 1))
    saved.d, saved.index = d, index
    return y
  end,
  backward = function(saved, dy)
    local ds
    if saved.needs[4] then
      ds = Tensor.empty(saved.index:size())
      check(C.lt_gather(ds.c, dy.c, saved.index.c, saved.d - 1))
    end
    return dy, nil, nil, ds
  end,
}

--- x with source[i][j] added at [index[i][j]][j] (dimension 1), and so on; ids may repeat.
function methods.scatter_add(x, d, index, source)
  return scatter_add(x, op.dim(x, d), ids_of("scatter_add", index), source)
end

-- ---- slices -------------------------------------------------------------------------------------
-- x's sizes with dimension d replaced by index's dimensions.
local function selected_sizes(x, d, index)
  local list = {}
  for i = 1, x.c.ndim do
    if i == d then
      for j = 1, index.c.ndim do list[#list + 1] = index:size(j) end
    else
      list[#list + 1] = x:size(i)
    end
  end
  return list
end

local select_ids = op.define {
  name = "index_select",
  forward = function(saved, x, d, index, skip)
    x = x:contiguous()
    local y = Tensor.empty(selected_sizes(x, d, index), x:dtype())
    check(C.lt_index_select(y.c, x.c, index.c, d - 1))
    if saved.active then
      saved.sizes, saved.d, saved.index, saved.skip = x:size(), d, index, skip
    end
    return y
  end,
  backward = function(saved, dy)
    local dx = zeros(saved.sizes)
    check(C.lt_index_add(dx.c, dy:contiguous().c, saved.index.c, saved.d - 1, saved.skip))
    return dx
  end,
}

--- The slices of dimension d that index (one dimension, or a list) names, in its order.
function methods.index_select(x, d, index)
  return select_ids(x, op.dim(x, d), ids_of("index_select", index), -1)
end

local index_add = op.define {
  name = "index_add",
  forward = function(saved, x, d, index, source)
    local y = Tensor.empty(x:size())
    check(C.lt_copy(y.c, x.c))
    check(C.lt_index_add(y.c, source:contiguous().c, index.c, d - 1, -1))
    saved.d, saved.index = d, index
    return y
  end,
  backward = function(saved, dy)
    local ds
    if saved.needs[4] then
      dy = dy:contiguous()
      ds = Tensor.empty(selected_sizes(dy, saved.d, saved.index))
      check(C.lt_index_select(ds.c, dy.c, saved.index.c, saved.d - 1))
    end
    return dy, nil, nil, ds
  end,
}

--- x with the slices of source added to those of dimension d that index names; ids may repeat.
function methods.index_add(x, d, index, source)
  return index_add(x, op.dim(x, d), ids_of("index_add", index), source)
end

--- Rows of weight (ids, D) by id: the result has ids' shape and then D. padding_idx: an id (from 0)
-- whose row gets no gradient. lt.embedding(ids, weight, { padding_idx = 0 }).
function functions.embedding(ids, weight, options)
  if weight.c.ndim ~= 2 then
    core.fail("embedding: weight is %s; wanted (ids, features)", weight:shape_text())
  end
  local skip = type(options) == "table" and options.padding_idx or options or -1
  return select_ids(weight, 1, ids_of("embedding", ids), skip)
end

--- Elements of x by their position (from 0) in row-major order; the result has index's shape.
function methods.take(x, index)
  return select_ids(x:reshape(-1), 1, ids_of("take", index), -1)
end

-- ---- masks --------------------------------------------------------------------------------------
local function mask_of(name, mask)
  if not Tensor.is_tensor(mask) then
    core.fail("%s: the mask is a %s; wanted a tensor", name, type(mask))
  end
  return mask:to("bool"):contiguous()
end

local function count_true(mask)
  return mask:count_nonzero():item()
end

local masked_select = op.define {
  name = "masked_select",
  forward = function(saved, x, mask)
    x = x:contiguous()
    local y = Tensor.empty({ count_true(mask) }, x:dtype())
    check(C.lt_masked_select(y.c, x.c, mask.c))
    if saved.active then saved.sizes, saved.mask = x:size(), mask end
    return y
  end,
  backward = function(saved, dy)
    local dx = zeros(saved.sizes)
    check(C.lt_masked_scatter(dx.c, dy:contiguous().c, saved.mask.c))
    return dx
  end,
}

--- The elements of x where mask is true, in row-major order, as one dimension. x and mask
-- broadcast.
function methods.masked_select(x, mask)
  mask = mask_of("masked_select", mask)
  if mask:shape_text() ~= x:shape_text() then
    if mask.c.ndim < x.c.ndim or mask:numel() < x:numel() then
      mask = mask:expand_as(x):contiguous()
    else
      x = x:expand_as(mask)
    end
  end
  return masked_select(x, mask)
end

--- Where x is not 0: an i64 tensor (n, dimensions of x) of positions from 0.
methods.nonzero = op.define {
  name = "nonzero", no_gradient = true,
  forward = function(_, x)
    local mask = x:ne(0):contiguous()
    local y = Tensor.empty({ count_true(mask), x.c.ndim }, "i64")
    check(C.lt_nonzero(y.c, mask.c))
    return y
  end,
}

--- 1 at the place that each id names and 0 elsewhere, i64: ids' shape and then n (default: the
-- largest id + 1).
function methods.one_hot(ids, n)
  ids = ids_of("one_hot", ids)
  if ids:numel() == 0 then
    local sizes = ids:size()
    sizes[#sizes + 1] = n or 0
    return Tensor.empty(sizes, "i64")
  end
  local low, high = ids:amin():item(), ids:amax():item()
  n = n or high + 1
  if low < 0 or high >= n then
    core.fail("one_hot: id %d is out of range; wanted 0 to %d", low < 0 and low or high, n - 1)
  end
  local classes = Tensor.empty({ n }, "i64")
  check(C.lt_arange(classes.c, 0, 1))
  return ids:unsqueeze(-1):eq(classes):cast("i64")
end

return { methods = methods, functions = functions }
