local cases = {}
for d = 1, 3 do
  cases[#cases + 1] = { name = "softmax" .. d, fn = function(x) return lt.softmax(x, d) end,
    inputs = { { 3, 4, 17 } } }
  cases[#cases + 1] = { name = "log_softmax" .. d, fn = function(x) return x:log_softmax(d) end,
    inputs = { { 3, 4, 17 } } }
end

local function add(case) cases[#cases + 1] = case end
add { name = "large", fn = function(x) return lt.softmax(x) end }
add { name = "large_log", fn = function(x) return lt.log_softmax(x) end }
add { name = "masked", fn = function(x) return lt.softmax(x) end }
add { name = "size one and empty", golden = false, check = function()
  assert(lt.softmax(lt.tensor { { 3 }, { -7 } }):flat()[2] == 1)
  assert(lt.softmax(lt.zeros(0, 4)):numel() == 0)
  assert(lt.softmax(lt.zeros(4, 0)):numel() == 0)
end }
add { name = "bf16", golden = false, check = function()
  local x = lt.tensor { { 1, 2, 3 } }
  local y, half = lt.softmax(x):flat(), lt.softmax(x:cast "bf16")
  assert(half:dtype() == "bf16")
  for i, v in ipairs(half:flat()) do assert(math.abs(v - y[i]) < 4e-3) end
end }
add { name = "nothing but -inf gives NaN", golden = false, check = function()
  local y = lt.softmax(lt.full({ 1, 3 }, -math.huge)):flat()
  assert(y[1] ~= y[1])
end }
add { name = "errors", golden = false, check = function()
  local ok, e = pcall(function() return lt.softmax(lt.zeros(2, 3), 3) end)
  assert(not ok and e:find "dimension 3", e)
end }

return { golden = "ops_softmax", cases = cases }
