-- Models that RTNeural can run: small ones with every kind of layer, and the five of a musician's plugin.
local nn = lt.nn

local function chain(...) return nn.Sequential { ... } end

-- Statistics as after a training.
local function trained(model)
  for _, m in ipairs(model:modules()) do
    if m.running_mean then
      lt.no_grad(function()
        m.running_mean:copy_(lt.randn(m.num_features))
        m.running_var:copy_(lt.rand(m.num_features) + 0.5)
        m.weight:detach():copy_(lt.randn(m.num_features))
      end)
    end
  end
  return model
end

local small = {
  { "dense", function()
    return chain(nn.Linear(2, 8), nn.Tanh(), nn.Dropout(0.5), chain(nn.Linear(8, 6, { bias = false }),
      nn.ReLU()),
      nn.Linear(6, 5), nn.ELU(), nn.BatchNorm1d(5), nn.Linear(5, 4), nn.LeakyReLU(0.2), nn.Linear(4, 3),
      nn.Softmax(-1))
  end },
  { "conv1d", function()
    return chain(nn.Conv1d(3, 8, 3, { padding = "causal", dilation = 2 }), nn.BatchNorm1d(8,
      { affine = true }),
      nn.PReLU(8), nn.Conv1d(8, 4, 5, { groups = 2, bias = false }), nn.PReLU(),
      nn.Conv1d(4, 2, 2, { padding = "causal" }), nn.Sigmoid())
  end },
  { "conv2d", function()
    return chain(nn.Conv2d(1, 2, { 5, 5 }, { padding = "causal", dilation = { 2, 1 } }), nn.BatchNorm2d(2),
      nn.ReLU(), nn.Conv2d(2, 3, { 4, 3 }, { stride = { 1, 2 }, padding = { 0, 1 } }),
      nn.Conv2d(3, 1, { 2, 3 }, { dilation = { 3, 1 }, padding = { "causal", 1 } }), nn.Tanh())
  end, { inputs = 23 } },
  { "gru", function()
    return chain(nn.Linear(1, 8), nn.Tanh(), nn.GRU(8, 6, { num_layers = 2, dropout = 0.5 }), nn.Linear(6, 3),
      nn.GRU(3, 2, { bias = false }))
  end },
  { "lstm", function()
    return chain(nn.LSTM(4, 6, { batch_first = true, num_layers = 2 }), nn.PReLU(), nn.Linear(6, 5),
      nn.Sigmoid(),
      nn.LSTM(5, 3, { bias = false, batch_first = true }))
  end },
}

local five = {
  { "emotion", function()
    return chain(nn.Linear(128, 512), nn.Tanh(), nn.Linear(512, 256), nn.Tanh(), nn.LSTM(256, 128),
      nn.Linear(128, 64), nn.Tanh())
  end, nil, 403264 },
  { "melody", function()
    return chain(nn.Linear(64, 256), nn.ReLU(), nn.LSTM(256, 256), nn.Linear(256, 256), nn.ReLU(),
      nn.Linear(256, 128), nn.Sigmoid())
  end, nil, 641664 },
  { "harmony", function()
    return chain(nn.Linear(128, 256), nn.Tanh(), nn.Linear(256, 128), nn.Tanh(), nn.Linear(128, 64),
      nn.Softmax(-1))
  end, nil, 74176 },
  { "dynamics", function()
    return chain(nn.Linear(32, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 16),
      nn.Sigmoid())
  end, nil, 13520 },
  { "groove", function()
    return chain(nn.Linear(64, 128), nn.Tanh(), nn.Linear(128, 64), nn.Tanh(), nn.Linear(64, 32), nn.Tanh())
  end, nil, 18656 },
}

-- A list of {name, model, options of the export, parameters}, with weights drawn from a seed.
local function made(list)
  local result = {}
  for i, one in ipairs(list) do
    lt.manual_seed(i)
    result[i] = { name = one[1], model = trained(one[2]()), options = one[3], parameters = one[4] }
  end
  return result
end

return { small = function() return made(small) end, five = function() return made(five) end }
