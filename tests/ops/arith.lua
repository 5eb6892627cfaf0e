local lt = require "luatrain"

local function shapes(...)
  return { ... }
end
local away = { 2, 3, 4, low = 0.5, high = 2 }
local positive = { shape = { 3, 4 }, low = 0.3, high = 2 }
local cases = {}
local function case(name, fn, inputs, options)
  local c = options or {}
  c.name, c.fn, c.inputs = name, fn, inputs
  cases[#cases + 1] = c
end

for _, name in ipairs { "add", "sub", "mul" } do
  local f = lt[name]
  case(name, f, shapes({ 2, 3, 4 }, { 2, 3, 4 }))
  case(name .. "_row", f, shapes({ 2, 3, 4 }, { 4 }))
  case(name .. "_column", f, shapes({ 3, 1 }, { 2, 3, 4 }))
  case(name .. "_both", f, shapes({ 2, 1, 1 }, { 3, 4 }))
end
case("div", lt.div, shapes({ 2, 3, 4 }, { shape = away, low = 0.5 }))
case("div_row", lt.div, shapes({ 2, 3, 4 }, { shape = { 4 }, low = 0.5 }))
case("div_both", lt.div, shapes({ 2, 1, 1 }, positive))
case("add_number", function(x) return x + 1.5 end, shapes { 2, 3, 4 })
case("sub_number", function(x) return x - 1.5 end, shapes { 2, 3, 4 })
case("number_sub", function(x) return 1.5 - x end, shapes { 2, 3, 4 })
case("mul_number", function(x) return -2.5 * x end, shapes { 2, 3, 4 })
case("div_number", function(x) return x / 3 end, shapes { 2, 3, 4 })
case("number_div", function(x) return 3 / x end, shapes(positive))
case("neg", function(x) return -x end, shapes { 2, 3, 4 })
case("pow", lt.pow, shapes(positive, { 3, 4 }))
case("pow_row", lt.pow, shapes(positive, { 4 }))
case("pow_2", function(x) return x ^ 2 end, shapes(positive))
case("pow_3", function(x) return x ^ 3 end, shapes(positive))
case("pow_half", function(x) return x ^ 0.5 end, shapes(positive))
case("pow_inverse", function(x) return x ^ -1 end, shapes(positive))
case("pow_fraction", function(x) return x ^ 1.7 end, shapes(positive))
case("number_pow", function(x) return 2 ^ x end, shapes { 3, 4 })
case("maximum", lt.maximum)
case("minimum", lt.minimum)
case("maximum_number", function(x) return x:maximum(0.25) end)
case("maximum_equal", lt.maximum)
case("remainder", lt.remainder)
case("remainder_i64", lt.remainder)
for _, name in ipairs { "eq", "ne", "lt", "le", "gt", "ge" } do
  case(name, lt[name])
  case(name .. "_i64", lt[name])
  case(name .. "_number", function(x) return lt[name](x, 0.5) end)
end
for _, name in ipairs { "logical_and", "logical_or", "logical_xor", "logical_not" } do
  case(name, lt[name])
end
local condition = { shape = { 4 }, dtype = "bool", low = 0, high = 2 }
case("where", lt.where, shapes(condition, { 2, 4 }, { 2, 4 }))
case("where_row", lt.where, shapes(condition, { 3, 1 }, { 2, 3, 4 }))
case("where_number", function(c, x) return lt.where(c, x, -1) end)
case("where_condition", lt.where)
case("where_i64", lt.where)
case("masked_fill", function(x, c) return x:masked_fill(c, -7.5) end, shapes({ 2, 4 }, condition))
case("lerp", function(a, b) return a:lerp(b, 0.3) end, shapes({ 2, 3, 4 }, { 2, 3, 4 }))
case("sum_to", function(x) return lt.sum_to(x, { 3, 1 }) end, shapes { 2, 3, 4 })
case("add_i64", lt.add)
case("mixed", function(a, b) return (a * b):cast("i32") end)
case("bf16", function(a, b) return a * b + a end, nil, { tolerance = 1e-2 })

local function numbers(t)
  return table.concat(t:flat(), " ")
end

case("in place", nil, nil, { golden = false, check = function()
  local x = lt.tensor { { 1, 2 }, { 3, 4 } }
  x:add_(1):mul_(lt.tensor { 2, 3 }):sub_(x):add_(lt.tensor { 1, 2 }):div_(2)
  assert(numbers(x) == "0.5 1 0.5 1", numbers(x))
  x:lerp_(lt.ones(2, 2), 0.5)
  assert(numbers(x) == "0.75 1 0.75 1")
  -- Halves of one tensor do not overlap; shifted windows do.
  local y = lt.arange(8):reshape(2, 4)
  y:narrow(2, 1, 2):add_(y:narrow(2, 3, 2))
  assert(numbers(y) == "2 4 2 3 10 12 6 7", numbers(y))
  assert(not pcall(function() y:narrow(2, 1, 2):add_(y:narrow(2, 2, 2)) end))
  assert(not pcall(function() lt.zeros(1):expand(3):add_(1) end))
  local p = lt.ones(2, { requires_grad = true })
  local ok, message = pcall(function() p:add_(1) end)
  assert(not ok and message:find "no_grad" and message:find "ops/arith.lua", message)
  lt.no_grad(function() p:add_(1) end)
  assert(numbers(p) == "2 2")
end })

case("dtypes", nil, nil, { golden = false, check = function()
  local f = lt.ones(2)
  local i, u, b = f:cast "i64", f:cast "u8", f:cast "bool"
  assert((i + u):dtype() == "i64" and (u + u):dtype() == "u8" and (b + b):dtype() == "i64")
  assert((i + 1):dtype() == "i64" and (i + 0.5):dtype() == "f32" and (i / 2):dtype() == "f32")
  assert((f + f:cast("bf16")):dtype() == "f32" and (f:cast("bf16") * i):dtype() == "bf16")
  assert(i:eq(1):dtype() == "bool" and i:equal(b:cast("i64")) and not i:equal(i * 2))
  assert(lt.allclose(f, f + 1e-6) and not lt.allclose(f, f + 1e-3))
  -- Integers beyond 2^24 stay exact; dividing by 0 does not stop the program.
  assert((lt.full({ 1 }, 2 ^ 40 + 1, { dtype = "i64" }) + i:narrow(1, 1, 1)):item() == 2 ^ 40 + 2)
  assert((i % 0):flat()[1] == 0)
end })

case("empty and single", nil, nil, { golden = false, check = function()
  assert((lt.zeros(0, 3) + lt.zeros(3)):numel() == 0)
  assert((lt.tensor(2) * lt.tensor(3)):item() == 6)
  assert((lt.zeros(1, 1) + lt.ones(1, 1, 1)):shape_text() == "(1, 1, 1)")
  local x = lt.randn(3, 300, 7):permute(2, 1, 3)
  local y = lt.randn(7)
  assert((x + y):allclose(x:contiguous() + y))
  -- Large enough for several threads, in one flat run and in rows.
  local big = lt.randn(70000)
  assert((big + big):equal(big * 2))
  local wide, column = lt.randn(300, 400), lt.randn(300, 1)
  assert((wide * column):allclose(wide * column:expand_as(wide):contiguous()))
end })

case("errors", nil, nil, { golden = false, check = function()
  local function message(f)
    local ok, text = pcall(f)
    assert(not ok)
    return text
  end
  assert(message(function() return lt.zeros(2, 3) + lt.zeros(4) end):find "%(2, 3%).*%(4%)")
  assert(message(function() return lt.zeros(2) + "a" end):find "string")
  assert(message(function() return lt.zeros(2):cast("f64") + 1 end):find "f64")
end })

return { golden = "ops_arith", cases = cases }
