--- Joining, splitting, padding and rearranging: copies into and out of views.
local ffi = require "ffi"
local core = require "luatrain.core"
local op = require "luatrain.op"
local layout = require "luatrain.layout"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local methods, functions = {}, {}

-- ---- joining ------------------------------------------------------------------------------------
-- The dtype that holds all of them: their own, or f32 where any is a float, else i64.
local function common_dtype(list)
  local dtype, float = list[1]:dtype(), false
  for i = 1, #list do
    float = float or list[i].c.dtype <= 3
    if list[i]:dtype() ~= dtype then dtype = nil end
    if not dtype and i == #list then return float and "f32" or "i64" end
  end
  return dtype or (float and "f32" or "i64")
end

local function joined_layout(d, list)
  local first = list[1]
  local total = 0
  for i = 1, #list do
    local x = list[i]
    local fits = x.c.ndim == first.c.ndim
    for j = 1, fits and x.c.ndim or 0 do
      fits = fits and (j == d or x:size(j) == first:size(j))
    end
    if not fits then
      core.fail("cat: tensor %d is %s, the first is %s; they may differ in dimension %d only", i,
        x:shape_text(), first:shape_text(), d)
    end
    total = total + x:size(d)
  end
  local result = layout.of(first)
  result.sizes[d] = total
  result.dtype = common_dtype(list)
  return result
end

local cat = op.define {
  name = "cat", half = true,
  forward = function(saved, d, ...)
    local list = { ... }
    local y = layout.empty(joined_layout(d, list))
    local at = 1
    for i = 1, #list do
      local n = list[i]:size(d)
      check(C.lt_copy(y:narrow(d, at, n).c, list[i].c))
      at = at + n
    end
    if saved.active then
      saved.d, saved.layouts = d, {}
      for i = 1, #list do saved.layouts[i] = layout.of(list[i]) end
    end
    return y
  end,
  backward = function(saved, dy)
    local gradients, at = { nil }, 1
    for i = 1, #saved.layouts do
      local n = saved.layouts[i].sizes[saved.d]
      if saved.needs[i + 1] then
        local dx = layout.empty(saved.layouts[i])
        check(C.lt_copy(dx.c, dy:narrow(saved.d, at, n).c))
        gradients[i + 1] = dx
      end
      at = at + n
    end
    return unpack(gradients, 1, #saved.layouts + 1)
  end,
}

local function list_of(name, list)
  if type(list) ~= "table" or Tensor.is_tensor(list) or not Tensor.is_tensor(list[1]) then
    core.fail("%s: wanted a list of tensors", name)
  end
  return list
end

--- lt.cat({a, b, c}, d): joined along dimension d (default 1).
function functions.cat(list, d)
  list_of("cat", list)
  return cat(op.dim(list[1], d or 1), unpack(list))
end

--- lt.stack({a, b, c}, d): joined along a new dimension d (default 1).
function functions.stack(list, d)
  list_of("stack", list)
  local parts = {}
  for i = 1, #list do parts[i] = list[i]:unsqueeze(d or 1) end
  return functions.cat(parts, d or 1)
end

-- ---- splitting ----------------------------------------------------------------------------------
--- A list of views along dimension d (default 1): of `size` each (the last may be smaller), or of
-- the sizes in a list.
function methods.split(x, size, d)
  d = op.dim(x, d or 1)
  local n, parts, at = x:size(d), {}, 1
  if type(size) == "table" then
    for i = 1, #size do
      parts[i] = x:narrow(d, at, size[i])
      at = at + size[i]
    end
    if at ~= n + 1 then
      core.fail("split: the sizes add up to %d, dimension %d has %d", at - 1, d, n)
    end
    return parts
  end
  if size < 1 then core.fail("split: size is %d; wanted 1 or more", size) end
  while at <= n do
    parts[#parts + 1] = x:narrow(d, at, math.min(size, n - at + 1))
    at = at + size
  end
  return parts
end

--- A list of at most n views of equal size (the last may be smaller) along dimension d.
function methods.chunk(x, n, d)
  d = op.dim(x, d or 1)
  return methods.split(x, math.max(1, math.ceil(x:size(d) / n)), d)
end

-- ---- padding ------------------------------------------------------------------------------------
-- The part of y that x fills; before and after: paddings of each dimension.
local function inner(y, before, sizes)
  for d = 1, #sizes do
    if y:size(d) ~= sizes[d] then y = y:narrow(d, before[d] + 1, sizes[d]) end
  end
  return y
end

local pad_constant = op.define {
  name = "pad", half = true,
  forward = function(saved, x, before, after, value)
    local shape = layout.of(x)
    local sizes = x:size()
    for d = 1, #sizes do shape.sizes[d] = sizes[d] + before[d] + after[d] end
    local y = layout.empty(shape)
    check(C.lt_fill(y.c, value))
    check(C.lt_copy(inner(y, before, sizes).c, x.c))
    if saved.active then saved.layout, saved.before = layout.of(x), before end
    return y
  end,
  backward = function(saved, dy)
    local dx = layout.empty(saved.layout)
    check(C.lt_copy(dx.c, inner(dy, saved.before, saved.layout.sizes).c))
    return dx
  end,
}

local function edges(x, d, before, after, mode)
  local n, parts = x:size(d), {}
  if mode == "reflect" then
    if before >= n or after >= n then
      core.fail("pad: reflect needs paddings below the size: %d and %d, dimension %d has %d",
        before, after, d, n)
    end
    if before > 0 then parts[1] = x:narrow(d, 2, before):flip(d) end
    parts[#parts + 1] = x
    if after > 0 then parts[#parts + 1] = x:narrow(d, n - after, after):flip(d) end
  else
    local sizes = x:size()
    local function repeated(at, count)
      sizes[d] = count
      return x:narrow(d, at, 1):expand({ unpack(sizes) })
    end
    if before > 0 then parts[1] = repeated(1, before) end
    parts[#parts + 1] = x
    if after > 0 then parts[#parts + 1] = repeated(n, after) end
  end
  return #parts > 1 and functions.cat(parts, d) or x
end

--- x:pad({left, right, top, bottom, ...}, mode, value): pairs for the last dimension first, as in
-- PyTorch. mode "constant" (default, with value 0), "reflect" (without the edge) or "replicate".
function methods.pad(x, pads, mode, value)
  mode = mode or "constant"
  local n = x.c.ndim
  if #pads % 2 ~= 0 or #pads / 2 > n then
    core.fail("pad: %d numbers for a tensor with %d dimensions; wanted a pair for each of the last",
      #pads, n)
  end
  local before, after = {}, {}
  for d = 1, n do
    local i = 2 * (n - d)
    before[d], after[d] = pads[i + 1] or 0, pads[i + 2] or 0
    if before[d] < 0 or after[d] < 0 then core.fail("pad: negative padding; use narrow") end
  end
  if mode == "constant" then return pad_constant(x, before, after, value or 0) end
  if mode ~= "reflect" and mode ~= "replicate" then
    core.fail("pad: mode is '%s'; there are constant, reflect and replicate", tostring(mode))
  end
  for d = 1, n do
    if before[d] + after[d] > 0 then x = edges(x, d, before[d], after[d], mode) end
  end
  return x
end

-- ---- rearranging --------------------------------------------------------------------------------
local function dims_of(x, dims)
  local list = type(dims) == "table" and { unpack(dims) } or { dims }
  for i = 1, #list do list[i] = op.dim(x, list[i]) end
  return list
end

--- The elements in reverse order along a dimension or a list of them.
function methods.flip(x, dims)
  for _, d in ipairs(dims_of(x, dims)) do
    local ids = Tensor.empty({ x:size(d) }, "i64")
    check(C.lt_arange(ids.c, x:size(d) - 1, -1))
    x = x:index_select(d, ids)
  end
  return x
end

--- Elements moved by `shifts` places along dims (a number each, or lists); what leaves at the end
-- comes back at the beginning.
function methods.roll(x, shifts, dims)
  if dims == nil then return methods.roll(x:reshape(-1), shifts, 1):reshape(x:size()) end
  shifts = type(shifts) == "table" and shifts or { shifts }
  for i, d in ipairs(dims_of(x, dims)) do
    local n = x:size(d)
    local s = n > 0 and shifts[i] % n or 0
    if s ~= 0 then x = functions.cat({ x:narrow(d, n - s + 1, s), x:narrow(d, 1, n - s) }, d) end
  end
  return x
end

--- x:tile(2, 3): repeated 2 times along the first and 3 times along the second dimension (missing
-- leading dimensions are 1). PyTorch's repeat, which is a word of Lua.
function methods.tile(x, a, ...)
  local counts = type(a) == "table" and { unpack(a) } or { a, ... }
  while #counts < x.c.ndim do table.insert(counts, 1, 1) end
  local sizes = x:size()
  while #sizes < #counts do table.insert(sizes, 1, 1) end
  local wide, expanded, result = {}, {}, {}
  for i = 1, #counts do
    wide[2 * i - 1], wide[2 * i] = 1, sizes[i]
    expanded[2 * i - 1], expanded[2 * i] = counts[i], sizes[i]
    result[i] = counts[i] * sizes[i]
  end
  if #wide <= 8 then return x:reshape(wide):expand(expanded):reshape(result) end
  x = x:reshape(sizes)
  for d = 1, #counts do
    local parts = {}
    for i = 1, counts[d] do parts[i] = x end
    x = functions.cat(parts, d)
  end
  return x
end

-- ---- unfold -------------------------------------------------------------------------------------
local shape_buffer, stride_buffer = ffi.new "int64_t[8]", ffi.new "int64_t[8]"

local function windows(x, d, size, step)
  local c, n = x.c, x.c.ndim
  for i = 0, n - 1 do
    shape_buffer[i], stride_buffer[i] = c.shape[i], c.stride[i]
  end
  local count = math.floor((x:size(d) - size) / step) + 1
  shape_buffer[d - 1], stride_buffer[d - 1] = count, x:stride(d) * step
  shape_buffer[n], stride_buffer[n] = size, c.stride[d - 1]
  return x:as_strided(n + 1, shape_buffer, stride_buffer, c.offset)
end

local unfold = op.define {
  name = "unfold",
  forward = function(saved, x, d, size, step)
    if saved.active then saved.sizes, saved.d, saved.size, saved.step = x:size(), d, size, step end
    return windows(x, d, size, step)
  end,
  -- Element j of all windows is a strided slice of dx without overlap.
  backward = function(saved, dy)
    local d, step = saved.d, saved.step
    local dx = Tensor.empty(saved.sizes)
    check(C.lt_fill(dx.c, 0))
    local count = dy:size(d)
    for j = 1, saved.size do
      local part = dx:slice(d, j, j + (count - 1) * step, step)
      check(C.lt_add(part.c, part.c, dy:select(-1, j).c))
    end
    return dx
  end,
}

--- All windows of `size` elements along dimension d, every `step` (default 1): a view in which d
-- counts windows and a new last dimension runs inside them.
function methods.unfold(x, d, size, step)
  d = op.dim(x, d)
  step = step or 1
  if size < 1 or size > x:size(d) or step < 1 then
    core.fail("unfold: windows of %d every %d, dimension %d has %d elements", size, step, d,
      x:size(d))
  end
  return unfold(x, d, size, step)
end

-- ---- triangles ----------------------------------------------------------------------------------
local triangle = op.define {
  name = "triangle",
  forward = function(saved, x, diagonal, upper)
    x = x:contiguous()
    local y = Tensor.empty(x:size(), x:dtype())
    check(C.lt_triangle(y.c, x.c, diagonal, upper))
    saved.diagonal, saved.upper = diagonal, upper
    return y
  end,
  backward = function(saved, dy)
    dy = dy:contiguous()
    local dx = Tensor.empty(dy:size())
    check(C.lt_triangle(dx.c, dy.c, saved.diagonal, saved.upper))
    return dx
  end,
}

--- The lower triangle of the last two dimensions: row i keeps columns up to i + diagonal (default
-- 0), the others become 0.
function methods.tril(x, diagonal)
  return triangle(x, diagonal or 0, false)
end

--- The upper triangle: row i keeps columns from i + diagonal on.
function methods.triu(x, diagonal)
  return triangle(x, diagonal or 0, true)
end

return { methods = methods, functions = functions }
