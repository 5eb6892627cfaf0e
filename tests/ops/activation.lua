local lt = require "luatrain"

local cases = {}
local function case(name, fn, input, options)
  local c = options or {}
  c.name, c.fn, c.inputs = name, fn, input and { input } or nil
  cases[#cases + 1] = c
end
local any, positive = { 3, 4, 5 }, { shape = { 3, 7 }, low = 0.3, high = 3 }
local kinks = { kinks = true }

for _, name in ipairs { "exp", "expm1", "square", "sin", "cos", "erf", "tanh", "sigmoid", "silu",
  "log_sigmoid", "gelu", "softplus" } do
  case(name, lt[name], any)
end
for _, name in ipairs { "log", "log1p", "sqrt", "rsqrt", "reciprocal" } do
  case(name, lt[name], positive)
end
case("abs", lt.abs, any, { kinks = true })
case("relu", lt.relu, any, { kinks = true })
case("relu_zero", lt.relu)
case("hardsigmoid", lt.hardsigmoid, any)
case("gelu_tanh", function(x) return x:gelu "tanh" end, any)
case("leaky_relu", function(x) return x:leaky_relu(0.1) end, any, { kinks = true })
case("elu", function(x) return x:elu(0.7) end, any, kinks)
case("softplus_beta", function(x) return x:softplus(2, 3) end)
case("clamp", function(x) return x:clamp(-1, 0.5) end)
case("clamp_low", function(x) return x:clamp { min = -1 } end)
case("clamp_i64", function(x) return x:clamp(2, 5) end)
case("hardtanh", function(x) return x:hardtanh() end)
case("prelu", lt.prelu)
case("prelu_one", lt.prelu)
cases[#cases + 1] = { name = "prelu_directional", golden = false, kinks = true, fn = lt.prelu,
  inputs = { { 3, 4, 5 }, { 4 } } }
case("glu", lt.glu, { 3, 2, 6 })
case("glu_channels", function(x) return x:glu(2) end, { 2, 4, 5 })
for _, name in ipairs { "sign", "floor", "ceil", "round", "isnan", "isinf", "isfinite" } do
  case(name, lt[name])
end
for _, name in ipairs { "relu", "gelu", "silu", "sigmoid", "tanh" } do
  case(name .. "_bf16", lt[name], nil, { tolerance = 1e-2 })
end

case("layouts", nil, nil, { golden = false, check = function()
  -- Channels-last stays channels-last, and everything gives the same numbers.
  local x = lt.randn(2, 5, 6, 7)
  local y = x:contiguous "channels_last"
  assert(y:gelu():stride(2) == 1 and y:gelu():allclose(x:gelu()))
  assert(x:transpose(2, 4):tanh():allclose(x:tanh():transpose(2, 4)))
  assert(lt.zeros(0):exp():numel() == 0 and lt.tensor(1):log():item() == 0)
  assert(lt.arange(70000):mul(1e-4):sin():allclose(lt.arange(70000):mul(1e-4):clone():sin()))
  assert(lt.tensor({ 1, 4 }, "i64"):sqrt():equal(lt.tensor { 1, 2 }))
end })

case("clamp_", nil, nil, { golden = false, check = function()
  local x = lt.tensor { -2, 0.5, 3 }
  assert(x:clamp_(-1, 1) == x and x:equal(lt.tensor { -1, 0.5, 1 }))
  x = lt.ones(2, { requires_grad = true })
  assert(not pcall(function() x:clamp_(0, 1) end))
end })

case("errors", nil, nil, { golden = false, check = function()
  for _, f in ipairs {
    function() return lt.zeros(2, 3):glu() end,
    function() return lt.zeros(2, 3):prelu(lt.zeros(4)) end,
    function() return lt.zeros(2):gelu "quick" end,
    function() return lt.exp(3) end,
    function() return lt.zeros(2):cast("f64"):exp() end,
  } do
    local ok, text = pcall(f)
    assert(not ok and text:find "tests/ops/activation.lua", text)
  end
end })

return { golden = "ops_activation", cases = cases }
