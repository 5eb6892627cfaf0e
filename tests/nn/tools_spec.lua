-- Dropout, summary, EMA, checkpointing, fusion in Sequential, ResNet-18 whole.
local lt = require "luatrain"
local safetensors = require "luatrain.safetensors"
local nn = lt.nn

local function near(a, b, tolerance, what)
  assert(math.abs(a - b) <= tolerance, ("%s: %g is not within %g of %g"):format(what or "value", a,
    tolerance, b))
end

local function same(a, b, tolerance, what)
  local x, y = a:flat(), b:flat()
  assert.are.equal(#x, #y)
  for i = 1, #x do near(x[i], y[i], tolerance or 0, what) end
end

local function contains(text, part)
  assert(text:find(part, 1, true), ("%q is not in %q"):format(part, text))
end

describe("dropout", function()
  before_each(function() lt.manual_seed(3) end)

  it("keeps the mean in training and everything in evaluation", function()
    local x, layer = lt.ones(100, 100), nn.Dropout(0.25)
    local y = layer(x)
    near(y:mean():item(), 1, 0.02)
    near(y:eq(0):to("f32"):mean():item(), 0.25, 0.02)
    near(y:max():item(), 4 / 3, 1e-6)
    layer:eval()
    same(layer(x), x)
  end)

  it("drops whole channels", function()
    local y = nn.Dropout2d(0.5)(lt.ones(8, 16, 3, 3)):tolist()
    local zero = 0
    for n = 1, 8 do
      for c = 1, 16 do
        local first = y[n][c][1][1]
        assert(first == 0 or first == 2)
        if first == 0 then zero = zero + 1 end
        for i = 1, 3 do for j = 1, 3 do assert.are.equal(first, y[n][c][i][j]) end end
      end
    end
    assert(zero > 40 and zero < 88)
    local z = nn.Dropout1d(0.5)(lt.ones(4, 5, 6)):tolist()
    assert.are.equal(z[1][1][1], z[1][1][6])
    assert.has_error(function() nn.Dropout1d(0.5)(lt.ones(2, 2)) end)
  end)
end)

describe("summary", function()
  it("tells shapes, parameters, memory and FLOPs", function()
    local model = nn.Sequential(nn.Conv2d(1, 4, 3, { padding = 1, bias = false }),
      nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
    model:freeze "1"
    local s = nn.summary(model, { 2, 1, 8, 8 })
    assert.are.equal(36 + 8 + 40 + 10, s.parameters)
    assert.are.equal(36 + 40 + 10, s.trainable)
    assert.are.equal(94 * 4, s.parameter_bytes)
    assert.are.equal(2 * 9 * 2 * 4 * 64 + 2 * 4 * 20, s.flops)
    assert.are.same({ 2, 4, 8, 8 }, s.rows[2].shape)
    assert.are.equal(7, #s.rows)
    assert.are.equal(4 * (3 * 512 + 8 + 8 + 20), s.output_bytes)
    local text = tostring(s)
    contains(text, "Conv2d (0)")
    contains(text, "(2, 4, 8, 8)")
    contains(text, "94 (86 trained)")
    assert.is_true(model.training)
    assert.is_nil(rawget(model[1], "forward"))
  end)

  it("counts ResNet-18 as others do", function()
    local s = nn.summary(nn.resnet18(), { 1, 3, 224, 224 })
    assert.are.equal(11689512, s.parameters)
    near(s.flops / 2, 1.814e9, 0.001e9, "multiply-adds")       -- torchvision documents 1.81 G
  end)

  it("is gone after an error", function()
    local model = nn.Sequential(nn.Linear(3, 3))
    assert.has_error(function() nn.summary(model, { 2, 4 }) end)
    assert.is_nil(rawget(model[1], "forward"))
    assert.is_true(model.training)
  end)
end)

describe("EMA", function()
  it("follows the weights", function()
    local model = nn.Sequential(nn.Linear(1, 1, { bias = false }), nn.BatchNorm1d(1))
    local weight = model[1].weight:detach()
    weight:fill_(1)
    local ema = nn.EMA(model, { decay = 0.75 })
    weight:fill_(3)
    model[2].running_mean:fill_(7)
    ema:update()
    ema:with(function()
      near(weight:item(), 1.5, 1e-6)
      near(model[2].running_mean:item(), 7, 0)
    end)
    near(weight:item(), 3, 0)
    ema:update()
    near(ema:state_dict()["0.weight"]:item(), 1.875, 1e-6)
    local other = nn.EMA(model)
    other:load_state_dict(ema:state_dict())
    assert.are.equal(2, other.updates)
    other:copy_to_model()
    near(weight:item(), 1.875, 1e-6)
  end)

  it("warms up", function()
    local model = nn.Linear(1, 1, { bias = false })
    model.weight:detach():fill_(0)
    local ema = nn.EMA(model, { decay = 0.999, warmup = true })
    model.weight:detach():fill_(1)
    ema:update()
    near(ema:state_dict().weight:item(), 9 / 11, 1e-6)          -- decay 2 / 11
  end)

  it("puts the weights back after an error", function()
    local model = nn.Linear(1, 1)
    model.weight:detach():fill_(1)
    local ema = nn.EMA(model)
    model.weight:detach():fill_(2)
    assert.has_error(function() ema:with(function() error "stop" end) end)
    near(model.weight:detach():item(), 2, 0)
  end)
end)

describe("checkpointing", function()
  it("gives the same gradients, with dropout's same choices", function()
    local block = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Dropout(0.5), nn.Linear(16, 6))
    local results = {}
    for _, kept in ipairs { true, false } do
      lt.manual_seed(11)
      local x = lt.full({ 4, 6 }, 0.3):set_requires_grad(true)
      local h = x * 2
      local y = kept and block(h) or nn.checkpoint(block, h)
      y = nn.checkpoint(function(a, b) return a * b, a + b end, y, h)
      local loss = (y * y):sum() + lt.rand(1):sum()
      loss:backward()
      results[#results + 1] = { loss = loss, x = x.grad, w = block[1].weight.grad, next = lt.rand(3) }
      block:zero_grad()
    end
    for name, t in pairs(results[1]) do same(results[2][name]:detach(), t:detach(), 1e-6, name) end
  end)

  it("trains weights below inputs that want no gradient", function()
    local fc = nn.Linear(3, 2)
    nn.checkpoint(fc, lt.ones(1, 3)):sum():backward()
    assert.are.same({ { 1, 1, 1 }, { 1, 1, 1 } }, fc.weight.grad:tolist())
  end)

  it("holds less memory", function()
    local blocks = {}
    for i = 1, 6 do
      blocks[i] = nn.Sequential()
      for _ = 1, 4 do blocks[i]:append(nn.Linear(64, 64)):append(nn.Tanh()) end
    end
    local function live(checkpointed)
      collectgarbage()                 -- what earlier tests left shall not go in between
      collectgarbage()
      return lt.scope(function()
        local x = lt.ones(256, 64)
        local before = lt.memory().live
        for _, block in ipairs(blocks) do
          if checkpointed then x = lt.scope(nn.checkpoint, block, x) else x = block(x) end
        end
        return lt.memory().live - before
      end)
    end
    assert(live(true) < 0.3 * live(false))
  end)
end)

describe("Sequential", function()
  it("joins activations to the layer before without a difference", function()
    local x = lt.randn(5, 4)
    local layers = { nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 6), nn.GELU(), nn.BatchNorm1d(6),
      nn.ReLU(), nn.Linear(6, 3), nn.Tanh() }
    local joined = nn.Sequential(layers)
    local apart = x
    for _, layer in ipairs(layers) do apart = layer(apart) end
    layers[5].running_mean:fill_(0)
    same(joined(x):detach(), apart:detach(), 1e-6)
  end)

  it("respects a forward of one's own", function()
    local Twice = nn.class("Twice", nn.Linear)
    function Twice:forward(x) return nn.Linear.forward(self, x) * 2 end
    local layer = Twice(3, 3)
    layer.weight:detach():fill_(-1)
    layer.bias:detach():fill_(0)
    same(nn.Sequential(layer, nn.ReLU())(lt.ones(1, 3)):detach(), lt.zeros(1, 3))
  end)
end)

describe("ResNet-18", function()
  -- make_nn.py's noise: the same numbers in both languages.
  local function noise(count, k)
    local values = {}
    for i = 0, count - 1 do
      local t = math.sin(i * 12.9898 + k * 78.233) * 43758.5453
      values[i + 1] = 2 * (t - math.floor(t)) - 1
    end
    return values
  end

  local function fill(t, k, name)
    local ffi = require "ffi"
    local values, n = noise(t:numel(), k), t:numel()
    local scale, offset = 0.1, name:find "weight$" and 1 or 0
    if t:dim() > 1 then scale, offset = math.sqrt(3 * t:size(1) / n), 0 end
    local doubles = ffi.new("double[?]", n)
    for i = 1, n do doubles[i - 1] = offset + scale * values[i] end
    assert(ffi.C.lt_tensor_from_doubles(t.c, doubles) == 0)
  end

  it("matches PyTorch: output, loss, gradients, statistics", function()
    local golden = safetensors.load "tests/golden/nn_resnet.safetensors"
    local model = nn.resnet18 { in_channels = 1, num_classes = 10 }
    for k, entry in ipairs(model:named_parameters()) do fill(entry[2], k, entry[1]) end
    local x = lt.tensor(noise(2 * 64 * 48, 0)):reshape(2, 1, 64, 48)
    local y = model(x)
    local loss = lt.loss.cross_entropy(y, lt.tensor({ 3, 7 }, "i64"))
    loss:backward()
    local function close(name, got)
      local want = golden["resnet18." .. name]
      local scale = want:abs():max():item()
      same(got:detach(), want, 1e-3 * scale, name)
    end
    close("y", y)
    close("loss", loss)
    close("conv1.weight", model.conv1.weight.grad)
    close("layer2.0.bn2.weight", model.layer2[1].bn2.weight.grad)
    close("layer4.1.conv2.weight", model.layer4[2].conv2.weight.grad:narrow(1, 1, 2))
    close("fc.bias", model.fc.bias.grad)
    close("bn1.running_var", model.bn1.running_var)
    model:eval()
    close("eval", lt.no_grad(function() return model(x) end))
  end)

  it("takes three-channel weights for one channel", function()
    local state = { ["conv1.weight"] = lt.tensor { { { { 1 } }, { { 2 } }, { { 6 } } } } }
    assert.are.same({ 3 }, nn.adapt_input(state, 1)["conv1.weight"]:flat())
  end)
end)
