--- The tensor class: making tensors, looking at them, and reaching their elements.
-- Dimensions and positions count from 1, negative from the end. Arithmetic and all other methods
-- come from luatrain.ops; each op's file adds its own.
local ffi = require "ffi"
local core = require "luatrain.core"
local scope = require "luatrain.scope"
local C, check = core.C, core.check

--- A strided view of counted memory with up to 8 dimensions. dtypes: f32 f64 bf16 f16 i64 i32 u8 bool.
-- Made by lt.tensor, lt.zeros, lt.randn, ...; x[i] is the i-th slice, #x the first size, and + - * / % ^
-- work element by element. x.grad is the gradient after backward, x.requires_grad whether one is wanted.
local Tensor = {}
scope.set_class(Tensor)

local dtype_code = { f32 = C.LT_F32, f64 = C.LT_F64, bf16 = C.LT_BF16, f16 = C.LT_F16,
  i64 = C.LT_I64, i32 = C.LT_I32, u8 = C.LT_U8, bool = C.LT_BOOL }
local dtype_name = {}
for name, code in pairs(dtype_code) do dtype_name[tonumber(code)] = name end
Tensor.dtype_code, Tensor.dtype_name = dtype_code, dtype_name

local new_value = ffi.typeof "lt_tensor"
local shape_buffer = ffi.new "int64_t[8]"
local order_buffer = ffi.new "int32_t[8]"
local channels_last = { [3] = { 0, 2, 1 }, [4] = { 0, 2, 3, 1 } }
local double_array = ffi.typeof "double[?]"
local one_double = ffi.new "double[1]"

--- A Lua tensor around an lt_tensor value that C has filled; owned by the open scope.
local function wrap(c)
  return scope.own(setmetatable({ c = c, requires_grad = false, node = false }, Tensor))
end
Tensor.wrap = wrap

local function code_of(dtype)
  if dtype == nil then return 0 end
  local code = dtype_code[dtype]
  if not code then
    core.fail("unknown dtype '%s'; there are f32 f64 bf16 f16 i64 i32 u8 bool", tostring(dtype))
  end
  return code
end

-- Runs an allocating call again once after collecting, where memory ran out.
local function allocate(make, c, ...)
  local status = make(c, ...)
  if status == C.LT_ERR_MEMORY then
    scope.reclaim()
    status = make(c, ...)
  end
  if status ~= 0 then check(status) end
  return wrap(c)
end

local function make_new(c, code, n, order)
  if order then return C.lt_tensor_ordered(c, code, n, shape_buffer, order_buffer) end
  return C.lt_tensor_new(c, code, n, shape_buffer)
end

local function make_like(c, x, code)
  return C.lt_tensor_like(c, x, code)
end

--- An uninitialised tensor. shape is a list of sizes; dtype "f32" by default; order
-- "channels_last" lays a 3- or 4-dimensional shape (N, C, ...) out with C fastest.
function Tensor.empty(shape, dtype, order)
  local n = #shape
  if n > 8 then core.fail("a tensor has at most 8 dimensions, got %d", n) end
  for i = 1, n do
    local size = shape[i]
    if type(size) ~= "number" or size < 0 or size % 1 ~= 0 then
      core.fail("size %d of a shape is %s, wanted a whole number from 0", i, tostring(size))
    end
    shape_buffer[i - 1] = size
  end
  if order then
    local dims = channels_last[n]
    if order ~= "channels_last" or not dims then
      core.fail("order '%s' needs 3 or 4 dimensions and the name 'channels_last'", tostring(order))
    end
    for i = 1, n do order_buffer[i - 1] = dims[i] end
  end
  return allocate(make_new, new_value(), code_of(dtype), n, order)
end

--- A fresh, uninitialised tensor with this one's shape and memory order; dtype as given or its own.
function Tensor:like(dtype)
  return allocate(make_like, new_value(), self.c, dtype and code_of(dtype) or -1)
end

--- A view of this tensor's storage; sizes and strides as 0-based arrays, offset in elements.
function Tensor:as_strided(n, shape, stride, offset)
  local c = new_value()
  check(C.lt_tensor_as_strided(c, self.c, n, shape, stride, offset))
  return wrap(c)
end

-- ---- queries ------------------------------------------------------------------------------------
local function alive(t)
  if t.c.storage == nil then
    core.fail("this tensor was released with its scope; use lt.keep(t) to hold a tensor longer "
      .. "or t:item() for its value")
  end
end

--- True for tensors.
function Tensor.is_tensor(x)
  return getmetatable(x) == Tensor
end

--- Number of dimensions.
function Tensor:dim()
  return self.c.ndim
end

--- Size of dimension d (negative counts from the end), or the list of all sizes.
function Tensor:size(d)
  local c = self.c
  local n = c.ndim
  if d then
    local i = d < 0 and n + d or d - 1
    if i < 0 or i >= n then core.fail("size: dimension %d of a tensor with %d", d, n) end
    return tonumber(c.shape[i])
  end
  local sizes = {}
  for i = 1, n do sizes[i] = tonumber(c.shape[i - 1]) end
  return sizes
end

--- Stride of dimension d in elements, or the list of all strides.
function Tensor:stride(d)
  local c = self.c
  if d then return tonumber(c.stride[d < 0 and c.ndim + d or d - 1]) end
  local strides = {}
  for i = 1, c.ndim do strides[i] = tonumber(c.stride[i - 1]) end
  return strides
end

--- Number of elements.
function Tensor:numel()
  return tonumber(C.lt_tensor_numel(self.c))
end

--- "f32", "bf16", "i64", ...
function Tensor:dtype()
  return dtype_name[self.c.dtype]
end

--- True where the elements lie row-major without gaps.
function Tensor:is_contiguous()
  return C.lt_tensor_is_contiguous(self.c)
end

--- Where the data is: "cpu".
function Tensor.device()
  return "cpu"
end

--- "(2, 3)"; for messages.
function Tensor:shape_text()
  return "(" .. table.concat(self:size(), ", ") .. ")"
end

--- True until the tensor is released.
function Tensor:is_alive()
  return self.c.storage ~= nil
end

--- Gives the memory back now. Using the tensor afterwards is an error.
function Tensor:release()
  C.lt_tensor_release(self.c)
end

--- Address of the first element as a pointer of its dtype ("float *" for f32); for FFI code.
-- Valid while the tensor lives; elements are row-major only if is_contiguous().
local pointer_type = { f32 = "float *", f64 = "double *", i64 = "int64_t *", i32 = "int32_t *",
  u8 = "uint8_t *", bool = "uint8_t *", bf16 = "uint16_t *", f16 = "uint16_t *" }
function Tensor:data()
  alive(self)
  return ffi.cast(pointer_type[self:dtype()], C.lt_tensor_data(self.c))
end

-- ---- elements -----------------------------------------------------------------------------------
--- The value of a tensor with one element, as a Lua number (or boolean).
function Tensor:item()
  alive(self)
  if C.lt_tensor_numel(self.c) ~= 1 then
    core.fail("item: wanted one element, the tensor is %s", self:shape_text())
  end
  check(C.lt_tensor_get(one_double, self.c, 0))
  if self.c.dtype == C.LT_BOOL then return one_double[0] ~= 0 end
  return one_double[0]
end

-- 0-based row-major position of 1-based indices.
local function position(t, indices)
  local c = t.c
  if #indices ~= c.ndim then
    core.fail("%d indices for a tensor %s", #indices, t:shape_text())
  end
  local at = 0
  for i = 1, #indices do
    local size, index = tonumber(c.shape[i - 1]), indices[i]
    if index < 0 then index = size + index + 1 end
    if index < 1 or index > size then
      core.fail("index %d of dimension %d with size %d", indices[i], i, size)
    end
    at = at * size + index - 1
  end
  return at
end

--- The element at the given indices: x:get(1, 2).
function Tensor:get(...)
  check(C.lt_tensor_get(one_double, self.c, position(self, { ... })))
  return one_double[0]
end

--- Sets one element: x:set(value, 1, 2).
function Tensor:set(value, ...)
  check(C.lt_tensor_set(self.c, position(self, { ... }), value))
  return self
end

--- All elements as nested Lua lists (a number for a tensor without dimensions).
function Tensor:tolist()
  alive(self)
  local n = self:numel()
  local values = double_array(math.max(n, 1))
  check(C.lt_tensor_to_doubles(values, self.c))
  local boolean = self.c.dtype == C.LT_BOOL
  local at = 0
  local function level(d)
    if d > self.c.ndim then
      at = at + 1
      if boolean then return values[at - 1] ~= 0 end
      return values[at - 1]
    end
    local list = {}
    for i = 1, tonumber(self.c.shape[d - 1]) do list[i] = level(d + 1) end
    return list
  end
  return level(1)
end

--- All elements in row-major order as one flat Lua list.
function Tensor:flat()
  alive(self)
  local n = self:numel()
  local values = double_array(math.max(n, 1))
  check(C.lt_tensor_to_doubles(values, self.c))
  local list = {}
  for i = 1, n do list[i] = values[i - 1] end
  return list
end

local function nested_shape(list, shape)
  shape[#shape + 1] = #list
  if type(list[1]) == "table" then nested_shape(list[1], shape) end
  return shape
end

local function fill_values(list, depth, shape, values, at)
  if #list ~= shape[depth] then
    core.fail("tensor: rows of different lengths (%d and %d)", shape[depth], #list)
  end
  for i = 1, #list do
    local v = list[i]
    if depth < #shape then
      if type(v) ~= "table" then core.fail("tensor: a number where a list was expected") end
      at = fill_values(v, depth + 1, shape, values, at)
    else
      if type(v) == "boolean" then v = v and 1 or 0 end
      if type(v) ~= "number" then
        core.fail("tensor: element %d is a %s, wanted a number", at + 1, type(v))
      end
      values[at] = v
      at = at + 1
    end
  end
  return at
end

--- A tensor from a number or nested lists: lt.tensor({{1, 2}, {3, 4}}, "i64").
-- Booleans give dtype bool, everything else f32 unless said.
function Tensor.from(value, dtype)
  if Tensor.is_tensor(value) then core.fail("tensor: the value is a tensor; use clone()") end
  if type(value) ~= "table" then value, dtype = { value }, dtype end
  local scalar = type(value) == "table" and value
  local first = value
  while type(first) == "table" do first = first[1] end
  if dtype == nil and type(first) == "boolean" then dtype = "bool" end
  local shape = nested_shape(scalar, {})
  local count = 1
  for i = 1, #shape do count = count * shape[i] end
  local values = double_array(math.max(count, 1))
  fill_values(value, 1, shape, values, 0)
  local t = Tensor.empty(shape, dtype)
  check(C.lt_tensor_from_doubles(t.c, values))
  return t
end

-- ---- indexing with [] ---------------------------------------------------------------------------
-- x[i] is the i-th slice along the first dimension; other keys are methods and fields.
function Tensor.__index(t, key)
  if type(key) == "number" then
    return Tensor.select(t, 1, key)
  end
  return Tensor[key]
end

function Tensor.__newindex(t, key, value)
  if type(key) == "number" then
    require("luatrain.op").overwritable("t[i] = x", t, value)
    local slice = Tensor.select(t, 1, key)
    if type(value) == "number" then
      check(C.lt_fill(slice.c, value))
    else
      check(C.lt_copy(slice.c, value.c))
    end
    return
  end
  rawset(t, key, value)
end

function Tensor.__len(t)
  return tonumber(t.c.shape[0])
end

function Tensor.__tostring(t)
  return require("luatrain.show").tensor(t)
end

return Tensor
