--- The shape and memory order of a tensor, remembered without the tensor: for gradients that must
-- lie in memory as a forward result did.
local ffi = require "ffi"
local core = require "luatrain.core"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local layout = {}
local shape_buffer, order_buffer = ffi.new "int64_t[8]", ffi.new "int32_t[8]"

--- {sizes = {...}, dtype = "f32", order = {...} or nil}: order lists dimensions from 0, slowest
-- first, and is nil for row-major tensors.
function layout.of(x)
  local result = { sizes = x:size(), dtype = x:dtype() }
  if x:is_contiguous() then return result end
  local strides, order = x:stride(), {}
  for i = 1, #strides do order[i] = i - 1 end
  table.sort(order, function(a, b)
    if strides[a + 1] ~= strides[b + 1] then return strides[a + 1] > strides[b + 1] end
    return a < b
  end)
  result.order = order
  return result
end

--- A fresh, uninitialised tensor of that layout; dtype as given or the one remembered.
function layout.empty(like, dtype)
  dtype = dtype or like.dtype
  if not like.order then return Tensor.empty(like.sizes, dtype) end
  local n = #like.sizes
  for i = 1, n do
    shape_buffer[i - 1] = like.sizes[i]
    order_buffer[i - 1] = like.order[i]
  end
  local c = ffi.new "lt_tensor"
  check(C.lt_tensor_ordered(c, Tensor.dtype_code[dtype], n, shape_buffer, order_buffer))
  return Tensor.wrap(c)
end

return layout
