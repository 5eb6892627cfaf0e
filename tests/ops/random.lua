local lt = require "luatrain"
local random = require "luatrain.random"

local cases = {}
local function case(name, check)
  cases[#cases + 1] = { name = name, golden = false, check = check }
end

-- Moments of a large sample: within 5 standard errors.
local function moments(x, mean, std)
  local n = x:numel()
  local m, s = x:mean():item(), x:std():item()
  assert(math.abs(m - mean) < 5 * std / math.sqrt(n), ("mean %g, wanted %g"):format(m, mean))
  assert(math.abs(s - std) < 5 * std / math.sqrt(n), ("std %g, wanted %g"):format(s, std))
end

case("uniform", function()
  local x = lt.rand(200000)
  moments(x, 0.5, math.sqrt(1 / 12))
  assert(x:min():item() >= 0 and x:max():item() < 1)
  -- Ten equal parts, chi squared with 9 degrees of freedom: 33.7 is passed once in 10000.
  local chi = 0
  for k = 0, 9 do
    local n = x:ge(k / 10):logical_and(x:lt((k + 1) / 10)):sum():item()
    chi = chi + (n - 20000) ^ 2 / 20000
  end
  assert(chi < 33.7, chi)
  moments(lt.empty(50000):uniform_(-3, 1), -1, 4 * math.sqrt(1 / 12))
  assert(lt.rand({ 3 }, { dtype = "bf16" }):dtype() == "bf16")
end)

case("normal", function()
  local x = lt.randn(200000)
  moments(x, 0, 1)
  moments(x:square(), 1, math.sqrt(2))
  moments(x ^ 3, 0, math.sqrt(15))
  -- Neighbours and the two numbers of a pair are independent.
  moments(x:narrow(1, 1, 199999) * x:narrow(1, 2, 199999), 0, 1)
  moments(x:narrow(1, 1, 199968) * x:narrow(1, 33, 199968), 0, 1)
  moments(lt.empty(50000):normal_(5, 0.1), 5, 0.1)
  assert(math.abs(x:gt(2):cast("f32"):mean():item() - 0.02275) < 0.002)
end)

case("trunc_normal", function()
  local x = lt.empty(50000):trunc_normal_(0, 1, -1, 2)
  assert(x:min():item() >= -1 and x:max():item() <= 2)
  -- Mean and deviation of the normal distribution between -1 and 2.
  moments(x, 0.22963, 0.72079)
  -- Far out, on both sides: means from density and distribution function.
  for low, mean in pairs { [4] = 4.2168, [9] = 9.1086 } do
    for _, sign in ipairs { 1, -1 } do
      local a, b = sign * low, sign * (low + (low == 4 and 1 or 3))
      local tail = lt.empty(50000):trunc_normal_(0, 1, math.min(a, b), math.max(a, b))
      assert(tail:min():item() >= math.min(a, b) and tail:max():item() <= math.max(a, b))
      assert(math.abs(sign * tail:mean():item() - mean) < 0.004)
    end
  end
  moments(lt.empty(50000):trunc_normal_(3, 0.02, -2, 4), 3, 0.02)
end)

case("bernoulli", function()
  moments(lt.bernoulli(0.3, { 100000 }), 0.3, math.sqrt(0.21))
  assert(lt.bernoulli(0, { 1000 }):sum():item() == 0 and lt.bernoulli(1, { 1000 }):all():item())
  local p = lt.tensor { { 0, 1, 0.25 } }:expand(20000, 3)
  local y = lt.bernoulli(p, { dtype = "bool" })
  assert(y:dtype() == "bool")
  y = y:cast("f32"):mean(1)
  assert(y:get(1) == 0 and y:get(2) == 1 and math.abs(y:get(3) - 0.25) < 0.02)
  assert(lt.empty(3, 3):bernoulli_(1):all():item())
  assert(not pcall(lt.bernoulli, 1.5, { 2 }) and not pcall(lt.bernoulli, lt.tensor { 2 }))
end)

case("randint", function()
  local x = lt.randint(-3, 4, { 70000 })
  assert(x:dtype() == "i64" and x:amin():item() == -3 and x:amax():item() == 3)
  for k = -3, 3 do assert(math.abs(x:eq(k):sum():item() - 10000) < 500) end
  assert(lt.randint(5, { 4 }):amax():item() < 5)
  assert(lt.randint(0, 2 ^ 50, { 1000 }):amax():item() > 2 ^ 49)
  assert(lt.randint(0, 9, { 3 }, { dtype = "f32" }):dtype() == "f32")
  assert(not pcall(lt.randint, 3, 3, { 2 }))
end)

case("randperm", function()
  for _, n in ipairs { 0, 1, 2, 33, 1000 } do
    local p = lt.randperm(n)
    assert(p:sort():equal(lt.arange(n, { dtype = "i64" })))
  end
  -- Each of the 6 orders of 3 things comes equally often.
  local counts = {}
  for _ = 1, 3000 do
    local key = table.concat(lt.randperm(3):flat())
    counts[key] = (counts[key] or 0) + 1
  end
  for _, n in pairs(counts) do assert(n > 400 and n < 600, n) end
end)

case("seeds", function()
  lt.manual_seed(5)
  local a = lt.randn(100)
  local b = lt.randn(100)
  assert(not a:equal(b))
  lt.manual_seed(5)
  assert(lt.randn(100):equal(a))
  local state = random.default:get_state()
  local c = lt.randn(10)
  random.default:set_state(state)
  assert(lt.randn(10):equal(c))
  -- The same numbers whatever the number of threads.
  local threads = lt.threads()
  local results = {}
  for i, n in ipairs { 1, 2, 3 } do
    lt.threads(n)
    lt.manual_seed(9)
    results[i] = lt.cat { lt.randn(50001), lt.rand(40003), lt.ones(70000):dropout(0.5) }
  end
  lt.threads(threads)
  assert(results[1]:equal(results[2]) and results[1]:equal(results[3]))
  -- Generators of (seed, epoch, index) differ in each of the three.
  local seen = {}
  for _, k in ipairs { { 1, 2, 3 }, { 2, 2, 3 }, { 1, 3, 2 }, { 1, 2, 4 }, { 1 } } do
    local g = lt.generator(unpack(k))
    local x = lt.rand(4, { generator = g })
    local key = table.concat(x:flat(), " ")
    assert(not seen[key])
    seen[key] = true
    assert(lt.rand(4, { generator = lt.generator(unpack(k)) }):equal(x))
  end
  assert(not pcall(lt.manual_seed, 1.5))
end)

case("dropout", function()
  local x = lt.ones(200, 500, { requires_grad = true })
  local y = x:dropout(0.3)
  moments(y:detach(), 1, math.sqrt(0.3 / 0.7))
  local g = lt.randn(200, 500)
  y:backward(g)
  assert(x.grad:allclose(g * y:detach()))
  -- Channels-last, with a gradient in another order.
  x = lt.ones(2, 8, 5, 6):contiguous("channels_last"):set_requires_grad()
  y = x:dropout(0.5)
  assert(y:stride(2) == 1)
  g = lt.randn(2, 8, 5, 6)
  y:backward(g)
  assert(x.grad:allclose(g * y:detach()))
  -- A view with gaps, and bf16.
  x = lt.ones(70, 50):slice(2, 1, 50, 2)
  assert(math.abs(x:dropout(0.5):mean():item() - 1) < 0.15)
  local h = lt.ones(1000):cast("bf16"):dropout(0.5)
  assert(h:dtype() == "bf16" and math.abs(h:cast("f32"):mean():item() - 1) < 0.2)
  assert(x:dropout(0.5, false) == x and x:dropout(0) == x)
  assert(lt.ones(9):dropout(1):sum():item() == 0)
end)

case("dropout_add", function()
  local x, r = lt.randn(30, 40):set_requires_grad(), lt.randn(30, 40):set_requires_grad()
  lt.manual_seed(3)
  local y = x:dropout_add(r, 0.4)
  lt.manual_seed(3)
  assert(y:allclose(x:detach():dropout(0.4) + r:detach()))
  local g = lt.randn(30, 40)
  y:backward(g)
  assert(r.grad:equal(g))
  assert((x.grad * x:detach()):allclose(g * (y:detach() - r:detach()), 1e-4, 1e-5))
  assert(x:dropout_add(r, 0.4, false):allclose(x + r))
end)

case("in place", function()
  local wide = lt.zeros(40, 60)
  wide:slice(2, 1, 59, 2):normal_()
  assert(wide:slice(2, 2, 60, 2):eq(0):all():item() and wide:ne(0):sum():item() == 1200)
  local p = lt.ones(2, { requires_grad = true })
  assert(not pcall(function() p:uniform_() end))
  lt.no_grad(function() p:uniform_() end)
  local y = lt.randn(3, 4, 5):contiguous("channels_last")
  assert(y:randn_like():stride(2) == 1 and y:rand_like():max():item() < 1)
end)

return { cases = cases }
