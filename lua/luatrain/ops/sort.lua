--- Sorting along a dimension. Equal elements keep their order; NaN counts as the greatest.
-- Positions are i64 and count from 0.
local core = require "luatrain.core"
local op = require "luatrain.op"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local methods = {}

local sorted = op.define {
  name = "sort",
  forward = function(saved, x, d, k, descending)
    local sizes = x:size()
    sizes[d] = k
    local values, indices = Tensor.empty(sizes, x:dtype()), Tensor.empty(sizes, "i64")
    check(C.lt_sort(values.c, indices.c, x.c, d - 1, descending))
    if saved.active then saved.sizes, saved.indices, saved.d = x:size(), indices, d end
    return values, indices
  end,
  backward = function(saved, dy)
    if not dy then return nil end
    local dx = Tensor.empty(saved.sizes)
    check(C.lt_fill(dx.c, 0))
    check(C.lt_scatter_add(dx.c, saved.indices.c, dy.c, saved.d - 1))
    return dx
  end,
}

local function options_of(d, descending)
  if type(d) == "table" then return d.dim or -1, d.descending and true or false end
  return d or -1, descending and true or false
end

--- The elements along dimension d (default the last) in rising, or descending, order, and the
-- positions they came from: values, indices. Also x:sort{dim = 1, descending = true}.
function methods.sort(x, d, descending)
  d, descending = options_of(d, descending)
  d = op.dim(x, d)
  return sorted(x, d, x:size(d), descending)
end

--- The positions alone.
function methods.argsort(x, d, descending)
  local _, indices = methods.sort(x, d, descending)
  return indices
end

--- The k largest elements along dimension d (default the last), largest first, and their
-- positions; x:topk(k, {dim = 1, largest = false}) gives the smallest, smallest first.
function methods.topk(x, k, d, largest)
  if type(d) == "table" then d, largest = d.dim, d.largest end
  d = op.dim(x, d or -1)
  if k < 0 or k > x:size(d) then
    core.fail("topk: k is %d, dimension %d has %d elements", k, d, x:size(d))
  end
  return sorted(x, d, k, largest ~= false)
end

return { methods = methods }
