local add, cases = require("recurrent_cases")(1, 3, function(x, states, weights, options)
  return lt.gru(x, states[1], weights, options)
end)

add { name = "published states", golden = false, check = function()
  local wi = lt.tensor { { 0.1 }, { 0.2 }, { 0.3 }, { 0.4 }, { 0.5 }, { 0.6 } }
  local wh = lt.tensor { { 0.1, -0.2 }, { 0.3, 0.4 }, { -0.5, 0.6 }, { 0.7, -0.8 }, { 0.9, 1 },
    { -0.1, 0.2 } }
  local bi = lt.tensor { 0.01, 0.02, 0.03, 0.04, 0.05, 0.06 }
  local bh = lt.tensor { -0.01, 0.02, -0.03, 0.04, -0.05, 0.06 }
  local y = lt.gru(lt.tensor { { { 1 } }, { { -2 } }, { { 0.5 } } }, nil, { wi, wh, bi, bh }):flat()
  local want = { 0.20451862131546833, 0.2294578224518011, -0.34511694095230194,
    -0.47280868034144835, -0.24392065143480546, -0.14780404179010198 }
  for i, v in ipairs(want) do assert(math.abs(y[i] - v) < 1e-7, i) end
end }
add { name = "errors", golden = false, check = function()
  local ok, e = pcall(function()
    lt.gru(lt.ones(4, 2, 2), nil, { lt.zeros(12, 2), lt.zeros(12, 3), lt.zeros(12), lt.zeros(12) })
  end)
  assert(not ok and e:find "gru: weight_ih is %(12, 2%), wanted %(9, 2%)", e)
end }

return { golden = "ops_gru", cases = cases }
