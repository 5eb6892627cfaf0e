-- A stream gives what its model gives, a frame at a time.
local ffi = require "ffi"
local models = require "export_models"
local raises = require("ops_harness").raises
local nn = lt.nn

-- Of the larger of 1 and the output.
local tolerance = { f32 = 2e-6, i16 = 3e-4 }

-- What the model makes of x (T, inputs), as its layers want it: a batch, one sequence of two layouts, or
-- channels.
local layouts = {
  rows = function(model, x) return (model(x)) end,
  time_first = function(model, x) return (model(x:unsqueeze(2))):select(2, 1) end,
  batch_first = function(model, x) return (model(x:unsqueeze(1))):select(1, 1) end,
  channels = function(model, x) return model(x:t():unsqueeze(1)):select(1, 1):t() end,
}

local function first_recurrent(model)
  for _, m in ipairs(model:modules()) do
    if m.class_name == "Conv1d" then return "channels" end
    if m.hidden_size then return m.batch_first and "batch_first" or "time_first" end
  end
  return "rows"
end

local function truth(model, x)
  return lt.no_grad(layouts[first_recurrent(model)], model:eval(), x)
end

local function differ(a, b) return (a - b):abs():max():item() / math.max(1, b:abs():max():item()) end

-- Frame by frame from a reset, then all at once; `lost`: frames at which the model has not begun.
local function check(name, model, given, want, x, lost)
  local s = nn.stream(model, given)
  local e = tolerance[s.precision]
  assert.same({ x:size(2), want:size(2) }, { s.inputs, s.outputs })
  lost = lost or 0
  want = want:narrow(1, want:size(1) - x:size(1) + lost + 1, x:size(1) - lost)
  for _ = 1, 2 do
    for t = 1, x:size(1) do
      local y = s:step(x[t])
      if t > lost then
        local d = differ(y, want[t - lost])
        assert(d < e, ("%s, %s, frame %d: %g"):format(name, s.precision, t, d))
      end
    end
    s:reset()
  end
  assert(differ(s:run(x):narrow(1, lost + 1, want:size(1)), want) < e, name)
end

describe("nn.stream", function()
  before_each(function() lt.manual_seed(5) end)

  it("gives what the models give", function()
    local list = models.five()
    for _, one in ipairs(models.small()) do
      if one.name ~= "conv2d" then list[#list + 1] = one end
    end
    assert.equal(9, #list)
    for _, one in ipairs(list) do
      for precision in pairs(tolerance) do
        lt.scope(function()
          local s = nn.stream(one.model, { precision = precision })
          local x = lt.randn(19, s.inputs)
          -- a convolution without padding gives 4 frames less, and the next pads what comes then
          check(one.name, one.model:train(), { precision = precision }, truth(one.model, x), x,
            one.name == "conv1d" and 5)
        end)
      end
    end
  end)

  it("has the other layers", function()
    local list = {
      nn.Sequential(nn.Linear(5, 17), nn.SiLU(), nn.Identity(), nn.Linear(17, 33), nn.GELU(), nn.ELU(0.5)),
      nn.Sequential(nn.Conv1d(3, 4, 3, { padding = "causal" }), nn.Softmax(2)),
      nn.Sequential(nn.GRU(3, 20), nn.Softmax(3)),
      nn.Linear(1027, 40), nn.GRU(521, 17),
      nn.Sequential(nn.Linear(300, 20, { bias = false }), nn.BatchNorm1d(20, { affine = false })),
    }
    for i, model in ipairs(list) do
      local x = lt.randn(6, nn.stream(model).inputs)
      for precision in pairs(tolerance) do
        check("model " .. i, model, { precision = precision }, truth(model, x), x)
      end
    end
    local x = lt.randn(6, 7)
    check("an activation", nn.Tanh(), { inputs = 7 }, x:tanh(), x)
  end)

  it("has a normalizer in front", function()
    local raw = lt.randn(50, 3) * lt.tensor { 100, 1, 1e-3 } + lt.tensor { 1000, 0, 5 }
    local model = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    for _, kind in ipairs { "standard", "minmax" } do
      local n = lt.data.normalizer(kind):fit(raw)
      local want = lt.no_grad(model, n:transform(raw))
      -- near 5 single precision has steps of 5e-7, of which a thousandth has 2000
      assert(differ(nn.stream(model, { normalizer = n, precision = "f32" }):run(raw), want) < 1e-3, kind)
    end
  end)

  it("lets nothing infinite look finite", function()
    for precision in pairs(tolerance) do
      local s = nn.stream(nn.Linear(600, 20), { precision = precision })
      for _, value in ipairs { math.huge, -math.huge, 0 / 0 } do
        for _, at in ipairs { 1, 599 } do
          local x = lt.zeros(600)
          x:set(value, at)
          for _, y in ipairs(s:step(x):flat()) do assert(y - y ~= 0, y) end
        end
      end
    end
  end)

  it("takes lists and pointers, and writes where it is told to", function()
    local s = nn.stream(nn.Linear(3, 2))
    local x, y = lt.tensor { 1, -2, 0.5 }, lt.zeros(2)
    local own = s:step(x)
    local want = own:tolist()
    assert.equal(own, s:step { 1, -2, 0.5 })
    assert.same(want, own:tolist())
    assert.equal(y, s:step(x:data(), y))
    assert.same(want, y:tolist())
    assert.same(want, s:step(ffi.new("float[3]", { 1, -2, 0.5 })):tolist())
  end)

  it("copies the weights, and outlives scopes", function()
    local model, x = nn.Linear(3, 2), lt.ones(3)
    local s = lt.scope(nn.stream, model)
    local want = s:step(x):tolist()
    lt.no_grad(function() model.weight:fill_(0) end)
    assert.same(want, lt.scope(function() return s:step(lt.ones(3)):tolist() end))
  end)

  it("refuses what it cannot run, by the layer's name", function()
    local function refused(words, ...) raises(words, nn.stream, ...) end
    refused("stream: 1.0 (Residual) is no layer of nn.stream, which has BatchNorm1d,",
      nn.Sequential(nn.Linear(4, 8), nn.Sequential(nn.Residual(nn.Linear(8, 8)))))
    refused("the model (Conv2d) is no layer", nn.Conv2d(1, 1, 1))
    refused("0 (GRU) is bidirectional", nn.Sequential(nn.GRU(4, 4, { bidirectional = true })))
    refused("pads the future with 1 steps", nn.Conv1d(4, 4, 3, { padding = "same" }))
    refused("is approximate", nn.Sequential(nn.Linear(2, 2), nn.GELU { approximate = "tanh" }))
    refused("1 (Softmax) is over dimension 1", nn.Sequential(nn.Linear(2, 2), nn.Softmax(1)))
    refused("is over dimension -1", nn.Sequential(nn.Conv1d(2, 2, 1), nn.Softmax(-1)))
    refused("0 (Tanh) comes first", nn.Sequential(nn.Tanh()))
    refused("1 (Linear) takes 3 numbers a frame", nn.Sequential(nn.Linear(3, 4), nn.Linear(3, 4)))
    refused("no running statistics", nn.BatchNorm1d(3, { track_running_stats = false }))
    refused("has 3 weights for 4 values", nn.Sequential(nn.Linear(3, 4), nn.PReLU(3)))
    refused("has no layers", nn.Sequential())
    refused("the model is a number", 3)
    refused("precision f16", nn.Linear(1, 1), { precision = "f16" })
    refused("unknown option 'precison'; did you mean 'precision'", nn.Linear(1, 1), { precison = "f32" })
    refused("makes 70000 numbers of 1", nn.Linear(1, 70000))
  end)

  it("refuses frames of another size", function()
    local s = nn.stream(nn.Linear(3, 2))
    raises("stream: x is (4), the model takes 3 numbers a frame", s.step, s, lt.ones(4))
    raises("x has 2 numbers, the model takes 3", s.step, s, { 1, 2 })
    raises("y is (2), wanted 4 elements", s.step, s, lt.ones(2, 3))
    raises("y is (3), wanted 2 elements", s.step, s, lt.ones(3), lt.ones(3))
    raises("x is a string", s.step, s, "x")
    raises("x is i64, wanted f32", s.step, s, lt.ones({ 3 }, "i64"))
    raises("must be contiguous", s.run, s, lt.ones(3, 4):t())
    assert.same({ 0, 2 }, s:run(lt.zeros(0, 3)):size())
  end)
end)
