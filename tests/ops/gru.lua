local cases = {}
local function add(case) cases[#cases + 1] = case end
local STATES = 1

-- fn(x, states..., weights...) with the options of PyTorch's module.
local function run(options)
  return function(x, ...)
    local args = { ... }
    local weights = { unpack(args, STATES + 1) }
    if STATES == 2 then return lt.lstm(x, args[1], args[2], weights, options) end
    return lt.gru(x, args[1], weights, options)
  end
end

local T, N, I, H, GATES = 5, 3, 4, 6, 3
local function inputs(options)
  local D, L = options.bidirectional and 2 or 1, options.num_layers or 1
  local list = { options.batch_first and { N, T, I } or { T, N, I } }
  for _ = 1, STATES do list[#list + 1] = { L * D, N, H } end
  for layer = 1, L do
    for _ = 1, D do
      local part = { { GATES * H, layer == 1 and I or D * H }, { GATES * H, H } }
      if options.bias ~= false then part[3], part[4] = { GATES * H }, { GATES * H } end
      for _, shape in ipairs(part) do
        list[#list + 1] = { shape = shape, low = -0.6, high = 0.6 }
      end
    end
  end
  return list
end

for name, options in pairs {
  one = {}, batch_first = { batch_first = true }, no_bias = { bias = false },
  bidirectional = { bidirectional = true }, layers = { num_layers = 2 },
  all = { num_layers = 2, bidirectional = true, batch_first = true },
} do
  add { name = name, fn = run(options), inputs = inputs(options), eps = 3e-3 }
end
add { name = "long", fn = function(x, ...) return (lt.gru(x, nil, { ... })) end }

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
