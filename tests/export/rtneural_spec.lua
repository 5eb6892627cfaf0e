-- Export to RTNeural: what is written, what is refused, and the interpreter that plays files again. The
-- goldens are what RTNeural itself makes of files (tests/golden/make_rtneural.lua).
local ffi = require "ffi"
local fs = require "luatrain.fs"
local json = require "luatrain.json"
local models = require "export_models"
local nn = lt.nn

local folder, path
setup(function()
  folder = fs.temporary_directory()
  path = fs.join(folder, "model.json")
end)
teardown(function() fs.remove_tree(folder) end)

local raises = require("ops_harness").raises

describe("the interpreter", function()
  it("gives what RTNeural gives, in doubles", function()
    for _, one in ipairs(models.small()) do
      local worst, facts = lt.export.check(("tests/golden/rtneural/%s.json"):format(one.name))
      assert.is_true(worst < 1e-14, ("%s: %g"):format(one.name, worst))
      assert.is_true(facts.examples == 2 and facts.numbers >= 32)
    end
  end)

  it("goes frame by frame and begins anew at a reset", function()
    fs.write(path, [=[{"in_shape":[null,null,2], "layers":[
      {"type":"dense","activation":"tanh","shape":[null,null,3],
       "weights":[[[0.1,0.2,0.3],[0.4,0.5,0.6]],[0.0,0.1,-0.1]]},
      {"type":"gru","activation":"","shape":[null,null,1],
       "weights":[[[0.1,0.2,0.3],[0.1,0.2,0.3],[0.1,0.2,0.3]],[[0.5,0.6,0.7]],[[0,0,0],[0,0,0]]]}]}]=])
    local net = lt.export.network(path)
    local frames = { { 1, 0.5 }, { -1, 0.25 }, { 0, 0 }, { 0.3, -0.7 } }
    local wanted = { 0.168443207780866, 0.0842544118927562, 0.0578086737953702, -0.0892247677361676 }
    for _ = 1, 2 do
      for t, x in ipairs(frames) do assert.near(wanted[t], net:step(x)[1], 1e-14) end
      net:reset()
    end
    raises("carries no examples", lt.export.check, path)
  end)

  it("survives large numbers", function()
    fs.write(path,
      [[{"in_shape":[3],"layers":[{"type":"activation","activation":"softmax","shape":[3],"weights":[]},
      {"type":"activation","activation":"tanh","shape":[3],"weights":[]}]}]])
    local y = lt.export.network(path):step { 1000, 1000, -1000 }
    assert.near(math.tanh(0.5), y[1], 1e-15)
    assert.equal(0, y[3])
  end)
end)

-- The same but for the last bits of numbers, in which random weights of other processors differ.
local function same(a, b, where)
  if type(a) == "number" then
    assert.near(a, b, 1e-6, where)
  elseif type(a) == "table" then
    for key in pairs(b) do assert.is_not_nil(a[key], where .. "." .. key) end
    for key, value in pairs(a) do same(value, b[key], where .. "." .. key) end
  else
    assert.equal(a, b, where)
  end
end

describe("export.rtneural", function()
  it("writes models of every kind of layer", function()
    for _, one in ipairs(models.small()) do
      local facts = lt.export.rtneural(one.model:train(), path, one.options)
      assert.is_true(facts.worst < 1e-6 and one.model.training, one.name)
      assert.equal(facts.worst, (lt.export.check(path)))
      local ours, theirs = json.load(path), json.load(("tests/golden/rtneural/%s.json"):format(one.name))
      same(theirs.layers, ours.layers, one.name)
      assert.same(theirs.in_shape, ours.in_shape)
    end
  end)

  it("writes the five models of a plugin", function()
    for _, one in ipairs(models.five()) do
      local facts = lt.export.rtneural(one.model, path, { metadata = { name = one.name } })
      assert.equal(one.parameters, facts.parameters)
      assert.is_true(facts.worst < 1e-6, one.name)
      assert.truthy(fs.read(path):find('"metadata":{"name":"' .. one.name, 1, true))
    end
  end)

  it("keeps every float", function()
    local m = nn.Linear(64, 64)
    local u, p = ffi.new "union { uint32_t w; float f; }", m.weight:data()
    math.randomseed(7)
    for i = 0, 4095 do
      u.w = math.random(0, 254) * 2 ^ 23 + math.random(0, 2 ^ 23 - 1) + math.random(0, 1) * 2 ^ 31
      p[i] = u.f
    end
    p[0], p[1], p[2], p[3], p[4] = 0.1, -0.0, 1.401298464324817e-45, 3.4028234663852886e38, -1
    lt.export.rtneural(m, path, { examples = 0 })
    local back, file = ffi.new "union { uint32_t w; float f; }", json.load(path)
    for o = 0, 63 do
      for i = 0, 63 do
        u.f, back.f = p[o * 64 + i], file.layers[1].weights[1][i + 1][o + 1]
        assert(u.w == back.w, ("%.9g became %.9g"):format(u.f, back.f))
      end
    end
    assert.truthy(fs.read(path):find("[[[0.1,", 1, true))
  end)

  it("takes modules with layers, other layouts and examples of one's own", function()
    local Net = nn.class "Net"
    function Net:init()
      self.layers = { nn.Conv1d(2, 4, 3, { padding = "causal" }), nn.LSTM(4, 3, { batch_first = true }) }
    end
    function Net:forward(x)                                  -- (N, T, 2) -> (N, T, 3)
      return (self.layers[2](self.layers[1](x:transpose(2, 3)):transpose(2, 3)))
    end
    local x = lt.randn(9, 2)
    local net = Net()
    local facts = lt.export.rtneural(net, path, { examples = { x, x:narrow(1, 1, 1) } })
    assert.is_true(facts.worst < 1e-6 and facts.inputs == 2 and facts.outputs == 3)
    local examples = json.load(path).luatrain.examples
    assert.near(x:get(9, 2), examples[1].inputs[9][2], 1e-7)
    assert.equal(1, #examples[2].outputs)
    net = nn.Sequential(Net(), nn.Sequential { nn.Linear(3, 1) })
    lt.export.rtneural(net, path, { forward = function(f) return net(f:unsqueeze(1)):select(1, 1) end })
    assert.is_true(lt.export.check(path) < 1e-6)
  end)

  it("refuses what RTNeural has not, by the layer's name", function()
    local function refused(words, model, o) raises(words, lt.export.rtneural, model, path, o) end
    fs.write(path, "as it was")
    refused("1.0 (GELU) is no layer of RTNeural", nn.Sequential(nn.Linear(4, 8), nn.Sequential(nn.GELU())))
    refused("the model (Residual) is no layer", nn.Residual(nn.Linear(4, 4)))
    refused("the model (LSTM) is bidirectional", nn.LSTM(4, 4, { bidirectional = true }))
    refused("0 (Conv1d) pads the future with 1 steps", nn.Sequential(nn.Conv1d(4, 4, 3,
      { padding = "same" })))
    refused("0 (Conv1d) has stride 2 in time", nn.Sequential(nn.Conv1d(4, 4, 3, { stride = 2 })))
    refused("(Conv2d) has 2 groups", nn.Conv2d(2, 2, 3, { groups = 2 }), { inputs = 8 })
    refused("the option `inputs`", nn.Conv2d(2, 2, 3))
    refused("pads 8 features by 2", nn.Conv2d(1, 2, 3, { padding = { "causal", 2 } }), { inputs = 8 })
    refused("dilated over features", nn.Conv2d(1, 2, 3, { dilation = 2 }), { inputs = 8 })
    refused("0 (Tanh) comes first", nn.Sequential(nn.Tanh()))
    refused("1 (Linear) takes 3 numbers a frame", nn.Sequential(nn.Linear(3, 4), nn.Linear(3, 4)))
    refused("has alpha 2", nn.Sequential(nn.Linear(3, 4), nn.ELU(2)))
    refused("must follow a Conv2d", nn.BatchNorm2d(3))
    refused("no running statistics", nn.BatchNorm1d(3, { track_running_stats = false }))
    refused("has 3 weights for 4 values", nn.Sequential(nn.Linear(3, 4), nn.PReLU(3)))
    refused("begins later", nn.Sequential(nn.Conv1d(3, 4, 2), nn.GRU(4, 4)))
    refused("has no layers", nn.Sequential(nn.Dropout(0.1)))
    refused("has no layers", nn.Sequential())
    refused("unknown option 'example'", nn.Linear(1, 1), { example = 1 })
    refused("example 1 is (3, 1), wanted (frames, 2)", nn.Linear(2, 1), { examples = { lt.ones(3, 1) } })
    local broken = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    broken[2].running_var:fill_(1 / 0)
    refused("1.running_var holds inf", broken)
    local Skip = nn.class("Skip")
    function Skip:init() self.layers = { nn.Linear(3, 3), nn.Tanh() } end
    function Skip:forward(x) return self.layers[2](self.layers[1](x)) + x end
    refused("forward does something else", Skip())
    assert.equal("as it was", fs.read(path))
    raises("no/such", lt.export.rtneural, nn.Linear(1, 1), "no/such/folder/x.json")
  end)
end)

describe("damaged files", function()
  local text
  setup(function() text = fs.read "tests/golden/rtneural/conv2d.json" end)

  -- Opens, plays; what goes wrong is one sentence that begins with the file's name.
  local function survives(damaged)
    fs.write(path, damaged)
    local ok, e = pcall(lt.export.check, path)
    assert(ok or type(e) == "string" and e:find(path, 1, true) and not e:find("\n"), tostring(e))
    return ok
  end

  it("are told in one line", function()
    local function told(words, from, to)
      fs.write(path, (text:gsub(from, to, 1)))
      raises(words, lt.export.check, path)
    end
    told("layers[1] (conv3d): there is no such layer type", '"conv2d"', '"conv3d"')
    told("there is no activation 'gelu'", '"activation":""', '"activation":"gelu"')
    told("dilation is 0, wanted a whole number from 1", '"dilation":2', '"dilation":0')
    told("has no list `layers`", '"layers"', '"layer"')
    told("in_shape says 1e+30 numbers", '"in_shape":%[null,null,23,1%]', '"in_shape":[1e30]')
    told("example 1: inputs[1]", '"inputs":%[%[', '"inputs":[[7,')
    told("weights[1][1] has 6 elements, wanted 5", '"weights":%[%[%[', '"weights":[[[[[1,1]],')
    fs.write(path, "")
    raises("the text ends", lt.export.check, path)
    raises("missing.json", lt.export.check, fs.join(folder, "missing.json"))
  end)

  it("never crash, wherever they are damaged", function()
    for i = 0, 60 do assert.is_false(survives(text:sub(1, math.floor(#text * i / 61)))) end
    math.randomseed(3)
    local pieces = { "null", "[]", "{}", "-1", "1e308", '"x"', "0.5", "[[1]]", "", ",", "true" }
    local tokens = {}
    for from, to in text:gmatch '()"?[%w%.%-+_]+"?()' do tokens[#tokens + 1] = { from, to } end
    for _ = 1, 200 do
      local token = tokens[math.random(math.random() < 0.5 and 60 or #tokens)]
      survives(text:sub(1, token[1] - 1) .. pieces[math.random(#pieces)] .. text:sub(token[2]))
    end
  end)
end)
