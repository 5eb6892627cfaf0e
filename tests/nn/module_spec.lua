-- The base of all modules: names, state, loading, freezing, modes, copies, printing.
local lt = require "luatrain"
local json = require "luatrain.json"
local fs = require "luatrain.fs"
local nn = lt.nn

local function names_of(model)
  local state, names = model:state_dict()
  local list = {}
  for i, name in ipairs(names) do list[i] = name .. " " .. table.concat(state[name]:size(), "x") end
  return list
end

local function contains(text, part)
  assert(text:find(part, 1, true), ("%q is not in %q"):format(part, text))
end

local function message_of(f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok)
  return e
end

describe("state_dict", function()
  local file = assert(io.open "tests/golden/nn_names.json")
  local wanted = json.decode(file:read "*a")
  file:close()
  local models = {
    resnet18 = function() return nn.resnet18() end,
    encoder_layer = function() return nn.TransformerEncoderLayer(8, 2, { dim_feedforward = 12 }) end,
    encoder = function()
      local layer = nn.TransformerEncoderLayer(8, 2, { dim_feedforward = 12 })
      return nn.TransformerEncoder(layer, 2, nn.LayerNorm(8))
    end,
    decoder_layer = function() return nn.TransformerDecoderLayer(8, 2, { dim_feedforward = 12 }) end,
    lstm = function() return nn.LSTM(4, 5, { num_layers = 2, bidirectional = true }) end,
    gru = function() return nn.GRU(4, 5, { num_layers = 2 }) end,
    attention_dims = function() return nn.MultiheadAttention(8, 2, { kdim = 4, vdim = 6 }) end,
    conformer = function() return nn.Conformer(8, 2, 12, 2, 3) end,
    sequential = function()
      return nn.Sequential(nn.Conv1d(2, 3, 3), nn.BatchNorm1d(3), nn.ReLU(),
        nn.Sequential(nn.Linear(3, 4), nn.PReLU()))
    end,
  }
  for name, list in pairs(wanted) do
    it("has PyTorch's names, shapes and order: " .. name, function()
      local want = {}
      for i, entry in ipairs(list) do want[i] = entry[1] .. " " .. table.concat(entry[2], "x") end
      assert.are.same(want, names_of(models[name]()))
    end)
  end

  it("counts ResNet-18's 11,689,512 parameters", function()
    assert.are.equal(11689512, nn.resnet18():num_parameters())
  end)
end)

-- A class of a user's own, with plain tables, private fields and a shared module.
local Net = nn.class "Net"

function Net:init()
  self.trunk = nn.Linear(3, 4)
  self.heads = { nn.Linear(4, 2), nn.Linear(4, 5) }
  self.scale = lt.ones(1)
  self.again = self.trunk
  self.parent = { self }
  self._cache = lt.ones(7)
end

describe("the walk", function()
  it("finds what a class of one's own holds, and nothing private", function()
    assert.are.same({ "scale 1", "again.weight 4x3", "again.bias 4", "heads.0.weight 2x4",
      "heads.0.bias 2", "heads.1.weight 5x4", "heads.1.bias 5", "trunk.weight 4x3", "trunk.bias 4" },
      names_of(Net()))
  end)

  it("lists a shared parameter once", function()
    assert.are.equal(6, #Net():parameters())
    assert.are.equal(12 + 4 + 8 + 2 + 20 + 5, Net():num_parameters())
  end)

  it("tells parameters from buffers", function()
    local net = Net()
    assert.are.same({ net.scale }, net:buffers())
    net.scale:set_requires_grad()
    assert.are.same({}, net:buffers())
  end)
end)

describe("load_state_dict", function()
  it("copies, and says nothing was amiss", function()
    local a, b = nn.Linear(3, 2), nn.Linear(3, 2)
    local report = b:load_state_dict((a:state_dict()))
    assert.are.same({ missing = {}, unexpected = {}, mismatched = {} }, report)
    assert.are.same(a.weight:tolist(), b.weight:tolist())
    assert.is_true(b.weight.requires_grad)
  end)

  it("names everything missing, unexpected and misshapen, and changes nothing", function()
    local net = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    local before = net[1].bias:tolist()
    local text = message_of(net.load_state_dict, net, { ["0.weight"] = lt.zeros(2, 4),
      ["0.bias"] = lt.zeros(2), extra = lt.zeros(1) })
    contains(text, "2 missing (")
    contains(text, "1.weight")
    contains(text, "1 unexpected (")
    contains(text, "extra")
    contains(text, "0.weight: file has (2, 4), model wants (2, 3)")
    assert.are.same(before, net[1].bias:tolist())
  end)

  it("lets strict = false skip names but not shapes", function()
    local net = nn.Sequential(nn.Linear(3, 2))
    local report = net:load_state_dict({ ["0.bias"] = lt.full({ 2 }, 7) }, { strict = false })
    assert.are.same({ "0.weight" }, report.missing)
    assert.are.same({ 7, 7 }, net[1].bias:tolist())
    contains(message_of(net.load_state_dict, net, { ["0.bias"] = lt.zeros(3) }, { strict = false }),
      "of another shape")
  end)

  it("takes files from before num_batches_tracked", function()
    local bn = nn.BatchNorm1d(2)
    local state = bn:state_dict()
    state.num_batches_tracked = nil
    assert.are.same({}, bn:load_state_dict(state).missing)
  end)

  it("survives a file", function()
    local path = os.tmpname()
    local a, b = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    a.running_mean:fill_(5)
    a:save(path, { epoch = "3" })
    b:load(path)
    assert.are.same({ 5, 5, 5 }, b.running_mean:tolist())
    fs.remove(path)
  end)
end)

describe("freezing", function()
  it("stops parameters by name and keeps frozen batch norms in evaluation", function()
    local net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Conv2d(2, 2, 3),
      nn.BatchNorm2d(2))
    assert.are.equal(2, net:freeze "1")
    net:train()
    assert.is_false(net[2].training)
    assert.is_true(net[4].training)
    assert.are.equal(net:num_parameters() - 4, net:num_parameters(true))
    assert.are.equal(2, net:unfreeze "1")
    assert.is_true(net[2].training)
    assert.are.equal(net:num_parameters(), net:num_parameters(true))
  end)

  it("leaves the modes of others alone", function()
    local net = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(2), nn.Linear(2, 2))
    net[1]:eval()
    net[2]:eval()
    net:freeze "2"
    assert.is_false(net[1].training)
    assert.is_false(net[2].training)
  end)

  it("knows * and whole names", function()
    local net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    for _ = 1, 9 do net:append(nn.Linear(2, 2)) end
    assert.are.equal(2, net:freeze "1")                  -- not "10"
    assert.are.equal(11, net:freeze "*.bias")
    assert.are.equal(22, net:freeze())
    assert.are.equal(0, net:num_parameters(true))
  end)

  it("refuses a name that matches nothing", function()
    local net = nn.Linear(2, 2)
    contains(message_of(net.freeze, net, "wieght"), "wieght")
  end)
end)

describe("modules", function()
  it("switch modes below them", function()
    local net = nn.Sequential(nn.Dropout(0.5), nn.Sequential(nn.Dropout(0.5)))
    net:eval()
    assert.is_false(net[2][1].training)
    net:train()
    assert.is_true(net[2][1].training)
  end)

  it("are copied with what they share", function()
    local net = Net()
    local copy = net:clone()
    assert.are.equal(copy.trunk, copy.again)
    assert.are_not.equal(net.trunk.weight, copy.trunk.weight)
    assert.are.same(net.trunk.weight:tolist(), copy.trunk.weight:tolist())
    assert.are.equal(copy, copy.parent[1])
    assert.is_true(copy.trunk.weight.requires_grad)
  end)

  it("apply a function from below", function()
    local seen = {}
    nn.Sequential(nn.ReLU(), nn.Tanh()):apply(function(m) seen[#seen + 1] = m.class_name end)
    assert.are.same({ "Tanh", "ReLU", "Sequential" }, seen)
  end)

  it("print as a tree", function()
    local net = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.ReLU()))
    assert.are.equal([[
Sequential(
  (0): Linear(in_features=3, out_features=4, bias=true)  -- 16
  (1): Sequential(
    (0): ReLU()
  )
)  -- 16 parameters]], tostring(net))
  end)

  it("stay on the cpu", function()
    local net = nn.Linear(2, 2)
    assert.are.equal(net, net:to "cpu")
    contains(message_of(net.to, net, "cuda"), "cuda")
  end)

  it("forget gradients", function()
    local net = nn.Linear(2, 2)
    net(lt.ones(1, 2)):sum():backward()
    assert.is_truthy(net.weight.grad)
    net:zero_grad()
    assert.is_nil(net.weight.grad)
  end)

  it("refuse options and sizes that they do not know", function()
    contains(message_of(nn.Linear, 3, 4, { biass = false }), "biass")
    contains(message_of(nn.Conv2d, 3, 4, 3, { strides = 2 }), "stride")
    contains(message_of(nn.Linear, 3, 2.5), "out_features")
    contains(message_of(nn.Conv1d, 3, 4, 3, { groups = 2 }), "groups")
    contains(message_of(nn.MultiheadAttention, 10, 3), "heads")
    contains(message_of(nn.Dropout, 1.5), "p is 1.5")
    contains(message_of(nn.Sequential, 3), "number")
    contains(message_of(nn.Module(), 3), "forward")
  end)
end)
