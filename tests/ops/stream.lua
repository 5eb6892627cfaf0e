-- Streams are held against their models in tests/nn/stream_spec.lua; here are programs that do not fit.
local ffi = require "ffi"
local assert = require "luassert"
local core = require "luatrain.core"
local C = core.C

-- Three numbers to two, tanh, then whatever `change` makes of it.
local function run(change)
  local p = { layers = { { C.LT_STREAM_DENSE, 3, 2 }, { C.LT_STREAM_TANH, 2, 2 } }, count = 2, x = lt.ones(3),
    y = lt.zeros(2), weights = lt.zeros({ 16 * 3 * 4 }, "u8"), vectors = lt.ones(32), state = lt.zeros(32) }
  change(p)
  local layers = ffi.new("lt_stream_layer[?]", #p.layers, p.layers)
  core.check(C.lt_stream(p.y.c, p.state.c, p.x.c, p.weights.c, p.vectors.c, layers, p.count, false))
  return p.y
end

local function check()
  -- with weights of 0 the biases remain
  assert.near(math.tanh(1), run(function() end):get(2), 1e-6)
  local function bad(text, change)
    assert.error_matches(function() run(change) end, text)
  end
  bad("0 layers", function(p) p.count = 0 end)
  bad("5000 layers", function(p) p.count = 5000 end)
  bad("layer 1 is of kind 99", function(p) p.layers[2][1] = 99 end)
  bad("layer 1 is of kind %-1", function(p) p.layers[2][1] = -1 end)
  bad("layer 0 makes 2 numbers of 0", function(p) p.layers[1][2] = 0 end)
  bad("layer 1 makes 3 numbers of 2", function(p) p.layers[2][3] = 3 end)
  bad("layer 1 takes 4 numbers, the one before gives 2", function(p)
    p.layers[2] = { C.LT_STREAM_TANH, 4, 4 }
  end)
  bad("a kernel of 0 with dilation 1", function(p) p.layers[1] = { C.LT_STREAM_CONV, 3, 2, 0, 1 } end)
  bad("a kernel of 60000 with dilation 60000", function(p)
    p.layers[1] = { C.LT_STREAM_CONV, 3, 2, 60000, 60000 }
  end)
  bad("weights is %(192%), wanted 64 elements", function(p)
    p.layers[1] = { C.LT_STREAM_DENSE, 1, 2 }
    p.x = lt.ones(1)
  end)
  bad("state is %(32%), wanted 80 elements", function(p) p.layers[1] = { C.LT_STREAM_CONV, 3, 2, 2, 1 } end)
  bad("vectors is %(3%)", function(p) p.vectors = lt.ones(3) end)
  bad("weights is f32, wanted u8", function(p) p.weights = lt.ones(48) end)
  bad("must begin at a multiple of 64", function(p) p.weights = lt.zeros({ 193 }, "u8"):narrow(1, 2, 192) end)
  bad("released with its scope", function(p) p.state:release() end)
end

-- A convolution's place in its ring is kept in the state; nothing there leads outside.
local function check_ring()
  local layer = ffi.new("lt_stream_layer[1]", { { C.LT_STREAM_CONV, 1, 1, 3, 2 } })
  local numbers = ffi.new "int64_t[1]"
  core.check(C.lt_stream_state(numbers, layer, 1))
  local state, x, y = lt.zeros(tonumber(numbers[0])), lt.ones(1), lt.zeros(1)
  local weights, vectors = lt.zeros({ 16 * 3 * 4 }, "u8"), lt.ones(32)
  for _, value in ipairs { 1e30, -5, 0 / 0, 4, 5 } do
    state:fill_(value)
    core.check(C.lt_stream(y.c, state.c, x.c, weights.c, vectors.c, layer, 1, false))
  end
end

return { cases = { { name = "stream refuses what does not fit", golden = false, check = check },
  { name = "stream stays in its ring", golden = false, check = check_ring } } }
