-- Cases that the recurrent ops share: every form of a stack of layers, against PyTorch.
--
--   local add, cases = require("recurrent_cases")(2, 4, function(x, states, weights, options) ... end)

local T, N, I, H = 5, 3, 4, 6

-- Shapes of x, of the states and of the weights.
local function inputs(states, gates, options)
  local D, L = options.bidirectional and 2 or 1, options.num_layers or 1
  local list = { options.batch_first and { N, T, I } or { T, N, I } }
  for _ = 1, states do list[#list + 1] = { L * D, N, H } end
  for layer = 1, L do
    for _ = 1, D do
      local part = { { gates * H, layer == 1 and I or D * H }, { gates * H, H } }
      if options.bias ~= false then part[3], part[4] = { gates * H }, { gates * H } end
      for _, shape in ipairs(part) do
        list[#list + 1] = { shape = shape, low = -0.6, high = 0.6 }
      end
    end
  end
  return list
end

-- Cases for an op with so many states and gates; call(x, states, weights, options) runs it. Returns a
-- function that adds a case, and the list.
return function(states, gates, call)
  local cases = {}
  local function add(case) cases[#cases + 1] = case end
  for name, options in pairs {
    one = {}, batch_first = { batch_first = true }, no_bias = { bias = false },
    bidirectional = { bidirectional = true }, layers = { num_layers = 2 },
    all = { num_layers = 2, bidirectional = true, batch_first = true },
  } do
    add { name = name, eps = 3e-3, inputs = inputs(states, gates, options), fn = function(x, ...)
      local args = { ... }
      return call(x, { unpack(args, 1, states) }, { unpack(args, states + 1) }, options)
    end }
  end
  add { name = "long", fn = function(x, ...) return (call(x, {}, { ... })) end }
  -- One step of one sequence takes the weights as they lie, many steps pack them first.
  add { name = "step_by_step", golden = false, check = function()
    local weights, x = {}, lt.randn(20, 3, I)
    for i, shape in ipairs { { gates * H, I }, { gates * H, H }, { gates * H }, { gates * H } } do
      weights[i] = lt.randn(shape) * 0.4
    end
    local y = call(x, {}, weights, {})
    for n = 1, 3 do
      local state = {}
      for t = 1, 20 do
        local out = { call(x:narrow(1, t, 1):narrow(2, n, 1), state, weights, {}) }
        local off = (out[1] - y:narrow(1, t, 1):narrow(2, n, 1)):abs():max():item()
        assert(off < 1e-6, ("step %d of sequence %d is %g off"):format(t, n, off))
        state = { out[2], out[3] }
      end
    end
  end }
  return add, cases
end
