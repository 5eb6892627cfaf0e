local lt = require "luatrain"

local cases = {}
local function case(name, fn, inputs, options)
  local c = options or {}
  c.name, c.fn, c.inputs = name, fn, inputs
  cases[#cases + 1] = c
end

for _, name in ipairs { "sum", "mean", "prod", "amax", "amin", "var", "std" } do
  local f = lt[name]
  local extreme = name == "amax" or name == "amin"
  local inputs = not extreme and { { shape = { 3, 4, 5 }, low = 0.5 } } or nil
  case(name .. "_all", function(x) return f(x) end, inputs)
  case(name .. "_first", function(x) return f(x, 1) end, inputs)
  case(name .. "_last", function(x) return f(x, -1, true) end, inputs)
  if name ~= "prod" then
    case(name .. "_two", function(x) return f(x, { 1, 3 }) end, inputs)
    case(name .. "_middle", function(x) return f(x, { dim = { 2 }, keepdim = true }) end, inputs)
  end
end
case("sum_i64", function(x) return x:sum(2) end)
case("sum_bool", function(x) return x:sum() end)
case("mean_bf16", function(x) return x:mean(2) end, nil, { tolerance = 1e-2 })
case("prod_zero", function(x) return x:prod(2) end)
case("prod_i64", function(x) return x:prod(2) end)
case("amax_tie", function(x) return x:amax(2) end)
case("amax_nan", function(x) return x:amax(2) end)
case("amax_i64", function(x) return x:amax(1) end)
case("var_biased", function(x) return x:var { dim = { 2, 3 }, unbiased = false } end)
case("std_correction", function(x) return x:std(2, false, 2) end)
case("logsumexp", function(x) return x:logsumexp(2) end, { { 3, 4, 5 } })
case("logsumexp_all", function(x) return x:logsumexp() end)
case("logsumexp_inf", function(x) return x:logsumexp(2) end)
case("norm_1", function(x) return x:norm(1, 2) end, { { 3, 4, 5 } }, { kinks = true })
case("norm_2", function(x) return x:norm(2, 2) end, { { 3, 4, 5 } })
case("norm_inf", function(x) return x:norm(math.huge, 2) end)
case("norm_all", function(x) return x:norm() end)
case("norm_zero", function(x) return x:norm(2, 2) end)
case("max", function(x) return x:max() end)
case("max_dim", function(x) return x:max(2) end)
case("min_dim", function(x) return x:min(3, true) end)
case("max_nan", function(x) return x:max(2) end)
case("max_i64", function(x) return x:max(1) end)
case("argmax", function(x) return x:argmax() end)
case("argmax_first", function(x) return x:argmax(1) end)
case("argmin_last", function(x) return x:argmin(-1, true) end)
case("any", function(x) return x:any(2) end)
case("all", function(x) return x:all(2) end)
case("any_f32", function(x) return x:any(1) end)
case("all_f32", function(x) return x:all() end)
case("count_nonzero", function(x) return x:count_nonzero(1) end)
case("cumsum", function(x) return x:cumsum(2) end, { { 3, 4, 5 } })
case("cumsum_last", function(x) return x:cumsum(-1) end)
case("cumsum_i64", function(x) return x:cumsum(1) end)
case("long_row", function(x) return x:sum(2) end, nil, { tolerance = 1e-5 })
case("long_column", function(x) return x:sum(1) end, nil, { tolerance = 1e-5 })

case("many shapes", nil, nil, { golden = false, check = function()
  -- Each way through the kernels against the plainest one: a copy that is row-major, reduced last.
  local x = lt.randn(5, 70, 3, 40)
  local layouts = { x, x:contiguous "channels_last",
    x:permute(4, 2, 1, 3):contiguous():permute(3, 2, 4, 1) }
  for _, dims in ipairs { { 1 }, { 2 }, { 4 }, { 1, 3, 4 }, { 2, 3 }, { 1, 2, 3, 4 }, { 1, 4 } } do
    local rest, order, gone = {}, {}, {}
    for _, d in ipairs(dims) do gone[d] = true end
    local kept = 1
    for d = 1, 4 do
      if not gone[d] then
        rest[#rest + 1] = d
        kept = kept * x:size(d)
      end
    end
    for _, d in ipairs(rest) do order[#order + 1] = d end
    for _, d in ipairs(dims) do order[#order + 1] = d end
    local plain = x:permute(order):contiguous():reshape(kept, -1)
    for _, y in ipairs(layouts) do
      assert(y:sum(dims):reshape(-1):allclose(plain:sum(2), 1e-4, 1e-4))
      assert(y:amax(dims):reshape(-1):equal(plain:amax(2)))
      assert(y:var(dims):reshape(-1):allclose(plain:var(2), 1e-4, 1e-5))
      assert(y:logsumexp(dims):reshape(-1):allclose(plain:logsumexp(2), 1e-5, 1e-5))
    end
  end
  local values, at = x:max(2)
  assert(values:equal(x:amax(2)) and at:amax():item() < 70)
  assert(x:contiguous("channels_last"):argmax(2):equal(at) and x:transpose(1, 4):argmax(2)
    :equal(at:permute(3, 2, 1)))
end })

case("large and accurate", nil, nil, { golden = false, check = function()
  -- Adding a million times 0.1 one by one in f32 would end near 100958.
  local x = lt.full({ 1000, 1000 }, 0.1)
  assert(math.abs(x:sum():item() - 100000) < 0.1)
  assert(math.abs(x:sum(1):narrow(1, 1, 1):item() - 100) < 1e-4)
  assert(math.abs((x + 1000):var():item()) < 1e-5)
  local y = lt.randn(300000)
  assert(y:cumsum(1):narrow(1, 300000, 1):allclose(y:sum():reshape(1), 1e-4, 1e-2))
  assert(lt.arange(100000, { dtype = "i64" }):sum():item() == 4999950000)
end })

case("empty and errors", nil, nil, { golden = false, check = function()
  assert(lt.zeros(0, 3):sum():item() == 0 and lt.zeros(0, 3):sum(1):equal(lt.zeros(3)))
  assert(lt.zeros(3, 0):sum(2):equal(lt.zeros(3)) and lt.zeros(0):all():item() == true)
  assert(lt.tensor(4):sum():item() == 4 and lt.zeros(0, 3):amax(2):numel() == 0)
  for _, f in ipairs {
    function() return lt.zeros(0, 3):amax(1) end,
    function() return lt.zeros(0, 3):max(1) end,
    function() return lt.zeros(2, 3):sum(3) end,
    function() return lt.zeros(2, 3):sum({ 1, 1 }) end,
    function() return lt.zeros(2, 3):norm(3) end,
  } do
    local ok, text = pcall(f)
    assert(not ok and text:find "tests/ops/reduce.lua", text)
  end
end })

return { golden = "ops_reduce", cases = cases }
