local sdpa = lt.scaled_dot_product_attention
local cases = {}
local function add(case) cases[#cases + 1] = case end

local same = { { 2, 3, 7, 8 }, { 2, 3, 7, 8 }, { 2, 3, 7, 8 } }
local cross = { { 2, 3, 7, 8 }, { 2, 3, 11, 8 }, { 2, 3, 11, 8 } }
add { name = "plain", fn = function(q, k, v) return sdpa(q, k, v) end, inputs = same }
add { name = "causal", fn = function(q, k, v) return sdpa(q, k, v, { is_causal = true }) end,
  inputs = same }
add { name = "cross", fn = function(q, k, v) return sdpa(q, k, v, { scale = 0.7 }) end,
  inputs = cross }
add { name = "cross_causal", fn = function(q, k, v) return sdpa(q, k, v, { causal = true }) end,
  inputs = cross }
add { name = "mask_bool", fn = function(q, k, v, m) return sdpa(q, k, v, { attn_mask = m }) end }
add { name = "mask_float", fn = function(q, k, v, m) return sdpa(q, k, v, { mask = m:detach() }) end }
add { name = "padding", fn = function(q, k, v, p) return sdpa(q, k, v, { key_padding_mask = p }) end }
add { name = "blocks", fn = function(q, k, v, m) return sdpa(q, k, v, { attn_mask = m }) end }
add { name = "blocks_causal", fn = function(q, k, v) return sdpa(q, k, v, { is_causal = true }) end }
add { name = "large_scores", fn = function(q, k, v) return sdpa(q, k, v, { scale = 30 }) end,
  gradient_tolerance = 1e-3 }
add { name = "packed", fn = function(x) return lt.packed_attention(x) end,
  inputs = { { 2, 6, 3, 2, 20 } } }
add { name = "packed_causal", fn = function(x)
  return lt.packed_attention(x, { is_causal = true })
end, inputs = { { 2, 6, 3, 2, 4 } } }

add { name = "sequence-first memory stays so", golden = false, check = function()
  lt.manual_seed(2)
  local x = lt.randn(6, 2, 3, 2, 4)                                -- (L, B, 3, H, D)
  local a = x:clone():set_requires_grad()
  local b = x:transpose(1, 2):contiguous():set_requires_grad()
  local ya, yb = lt.packed_attention(a:transpose(1, 2)), lt.packed_attention(b)
  assert(ya:transpose(1, 2):is_contiguous() and yb:is_contiguous())
  ya:sum():backward()
  yb:sum():backward()
  local p, q = ya:flat(), yb:flat()
  for i = 1, #p do assert(p[i] == q[i]) end
  p, q = a.grad:transpose(1, 2):flat(), b.grad:flat()
  for i = 1, #p do assert(p[i] == q[i]) end
end }

-- The same weights are dropped in both directions: with the generator set back each time, attention
-- with dropout is an ordinary function whose derivative can be checked.
add { name = "dropout", golden = false, fn = function(q, k, v)
  lt.manual_seed(3)
  return sdpa(q, k, v, { dropout_p = 0.3 })
end, inputs = { { 1, 2, 70, 4 }, { 1, 2, 150, 4 }, { 1, 2, 150, 4 } } }
add { name = "dropout keeps the mean and drops the share", golden = false, check = function()
  -- All scores equal and v one-hot: outputs are the weights.
  local n = 256
  local v = lt.eye(n):reshape(1, 1, n, n)
  local y = sdpa(lt.zeros(1, 1, n, 4), lt.zeros(1, 1, n, 4), v:narrow(4, 1, 4),
    { dropout_p = 0.25 })
  local zeros, sum = 0, 0
  for _, w in ipairs(y:flat()) do
    zeros = zeros + (w == 0 and 1 or 0)
    sum = sum + w
  end
  assert(math.abs(zeros / (4 * n) - 0.25) < 0.05, zeros)
  assert(math.abs(sum / 4 - 1) < 0.1, sum)
  local state = require("luatrain.random").default:get_state():flat()
  sdpa(v, v, v, { dropout_p = 0.25 })
  assert(require("luatrain.random").default:get_state():flat()[2] > state[2])
end }
add { name = "bf16", golden = false, check = function()
  lt.manual_seed(1)
  local q, k, v = lt.randn(2, 2, 9, 8), lt.randn(2, 2, 9, 8), lt.randn(2, 2, 9, 8)
  local want = sdpa(q, k, v):flat()
  local got = sdpa(q:cast "bf16", k:cast "bf16", v:cast "bf16")
  assert(got:dtype() == "bf16")
  for i, x in ipairs(got:flat()) do assert(math.abs(x - want[i]) < 0.03, x - want[i]) end
  local x = lt.randn(1, 5, 3, 2, 8):set_requires_grad()
  lt.autocast("bf16", function() lt.packed_attention(x):cast("f32"):sum():backward() end)
  assert(x.grad:dtype() == "f32")
end }
add { name = "one key, empty sequences", golden = false, check = function()
  local v = lt.randn(2, 1, 1, 3)
  local y = sdpa(lt.randn(2, 1, 4, 3), lt.randn(2, 1, 1, 3), v)
  for i, x in ipairs(y:flat()) do
    assert(math.abs(x - v:flat()[(i > 12 and 3 or 0) + (i - 1) % 3 + 1]) < 1e-6)
  end
  assert(sdpa(lt.zeros(2, 1, 0, 3), v, v):numel() == 0)
  for _, x in ipairs(sdpa(lt.ones(1, 1, 2, 3), lt.zeros(1, 1, 0, 3), lt.zeros(1, 1, 0, 3)):flat()) do
    assert(x == 0)
  end
end }
add { name = "a query that sees nothing gives zeros and no gradient", golden = false, check = function()
  local q = lt.randn(1, 1, 2, 4):set_requires_grad()
  local k, v = lt.randn(1, 1, 3, 4), lt.randn(1, 1, 3, 4)
  local y = sdpa(q, k, v, { key_padding_mask = lt.tensor { { true, true, true } } })
  y:sum():backward()
  for _, x in ipairs(y:flat()) do assert(x == 0) end
  for _, x in ipairs(q.grad:flat()) do assert(x == 0) end
end }
add { name = "NaN is not hidden", golden = false, check = function()
  local q, k = lt.randn(1, 1, 2, 4), lt.randn(1, 1, 3, 4)
  q:set(0 / 0, 1, 1, 2, 1)
  local y = sdpa(q, k, k):flat()
  assert(y[1] == y[1] and y[5] ~= y[5])
end }
add { name = "errors", golden = false, check = function()
  local q, k = lt.zeros(1, 2, 3, 4), lt.zeros(1, 2, 5, 4)
  for pattern, f in pairs {
    ["batch, heads, length, depth"] = function() sdpa(lt.zeros(2, 3), k, k) end,
    ["batch, heads and depth must agree"] = function() sdpa(q, lt.zeros(1, 2, 5, 3), k) end,
    ["v is"] = function() sdpa(q, k, q) end,
    ["key_padding_mask is"] = function()
      sdpa(q, k, k, { key_padding_mask = lt.zeros({ 1, 3 }, { dtype = "bool" }) })
    end,
    ["did you mean 'is_causal'"] = function() sdpa(q, k, k, { is_casual = true }) end,
    ["dropout is 1"] = function() sdpa(q, k, k, { dropout_p = 1 }) end,
    ["length, 3, heads"] = function() lt.packed_attention(q) end,
  } do
    local ok, e = pcall(f)
    assert(not ok and e:find(pattern), tostring(e) .. "\nwanted " .. pattern)
  end
end }

return { golden = "ops_attention", cases = cases }
