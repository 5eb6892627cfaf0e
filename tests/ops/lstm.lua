local add, cases = require("recurrent_cases")(2, 4, function(x, states, weights, options)
  return lt.lstm(x, states[1], states[2], weights, options)
end)

local function numbers(n, f)
  local list = {}
  for i = 1, n do list[i] = f(i - 1) end
  return list
end
add { name = "published states", golden = false, check = function()
  local wi = lt.tensor(numbers(8, function(k) return { 0.1 * (k + 1) } end))
  local wh = lt.tensor(numbers(8, function(k) return { 0.05 * (k - 3), -0.04 * (k - 4) } end))
  local bi = lt.tensor(numbers(8, function(k) return 0.01 * k end))
  local bh = lt.tensor(numbers(8, function(k) return -0.02 * k end))
  local y, _, c = lt.lstm(lt.tensor { { { 1 } }, { { -2 } }, { { 0.5 } } }, nil, nil,
    { wi, wh, bi, bh })
  local want = { 0.14537173416559815, 0.1803815618452778, -0.050139619281377334,
    -0.03985291160266468, -0.022421920456306123, -0.007040992834558613, -0.03929248515626954,
    -0.012130147131310776 }
  local got = y:flat()
  got[7], got[8] = unpack(c:flat())
  for i, v in ipairs(want) do assert(math.abs(got[i] - v) < 1e-7, i) end
end }

-- The module's weights for `width` inputs and `units`, all one value.
local function constant_weights(width, units, value)
  return { lt.full({ 4 * units, width }, value), lt.full({ 4 * units, units }, value),
    lt.zeros(4 * units), lt.zeros(4 * units) }
end
add { name = "gradients where only the last state is used", golden = false, check = function()
  local w = constant_weights(2, 3, 0.1)
  for _, t in ipairs(w) do t:set_requires_grad() end
  local _, h = lt.lstm(lt.ones(4, 2, 2), nil, nil, w)
  h:sum():backward()
  for _, t in ipairs(w) do assert(t.grad:abs():sum():item() > 0) end
end }
add { name = "no steps and no sequences", golden = false, check = function()
  local w = constant_weights(2, 3, 0.1)
  local h0, c0 = lt.ones(1, 2, 3), lt.full({ 1, 2, 3 }, 2)
  local y, h, c = lt.lstm(lt.zeros(0, 2, 2), h0, c0, w)
  assert(y:size(1) == 0 and h:flat()[6] == 1 and c:flat()[1] == 2)
  assert(lt.lstm(lt.zeros(3, 0, 2), nil, nil, w):numel() == 0)
end }
add { name = "dropout acts between layers, in training only", golden = false, check = function()
  local w = constant_weights(2, 3, 0.3)
  for i, t in ipairs(constant_weights(3, 3, 0.3)) do w[4 + i] = t end
  local x = lt.ones(4, 2, 2)
  local function last(options)
    options.num_layers = 2
    return lt.lstm(x, nil, nil, w, options):flat()[1]
  end
  local plain = last {}
  assert(last { dropout = 0.5 } == plain)
  assert(last { dropout = 1, training = true } ~= plain)
end }
add { name = "errors", golden = false, check = function()
  local w, x = constant_weights(2, 3, 0.1), lt.ones(4, 2, 2)
  for pattern, f in pairs {
    ["must be %(T, N, I%)"] = function() lt.lstm(lt.ones(4, 2), nil, nil, w) end,
    ["4 weights, wanted 8"] = function() lt.lstm(x, nil, nil, w, { bidirectional = true }) end,
    ["h0 is %(2, 2, 3%)"] = function() lt.lstm(x, lt.zeros(2, 2, 3), nil, w) end,
    ["weight_ih is %(12, 2%), wanted %(12, 5%)"] = function()
      lt.lstm(lt.ones(4, 2, 5), nil, nil, w)
    end,
    ["c0 is %(1, 2, 4%), wanted %(1, 2, 3%)"] = function()
      lt.lstm(x, nil, lt.zeros(1, 2, 4), w)
    end,
    ["dropout is 2"] = function() lt.lstm(x, nil, nil, w, { dropout = 2 }) end,
  } do
    local ok, e = pcall(f)
    assert(not ok and e:find(pattern), tostring(e) .. "\nwanted " .. pattern)
  end
end }

return { golden = "ops_lstm", cases = cases }
