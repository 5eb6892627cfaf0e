-- Initialisers: ranges, moments and structure; the defaults of layers.
local lt = require "luatrain"
local nn = lt.nn
local init = nn.init

-- Mean, standard deviation, least and greatest element.
local function moments(t)
  local list, sum, squares, low, high = t:flat(), 0, 0, math.huge, -math.huge
  for _, v in ipairs(list) do
    sum, squares = sum + v, squares + v * v
    low, high = math.min(low, v), math.max(high, v)
  end
  local mean = sum / #list
  return mean, math.sqrt(squares / #list - mean * mean), low, high
end

local function near(a, b, tolerance)
  assert(math.abs(a - b) <= tolerance, ("%g is not within %g of %g"):format(a, tolerance, b))
end

local function check_uniform(t, bound)
  local mean, std, low, high = moments(t)
  near(mean, 0, 0.03 * bound)
  near(std, bound / math.sqrt(3), 0.03 * bound)
  assert(low >= -bound and high <= bound and high > 0.97 * bound)
end

local function check_normal(t, wanted)
  local mean, std, _, high = moments(t)
  near(mean, 0, 0.03 * wanted)
  near(std, wanted, 0.03 * wanted)
  assert(high > 2.5 * wanted)
end

describe("nn.init", function()
  before_each(function() lt.manual_seed(5) end)
  local w                                    -- fan_in 40 * 3 = 120, fan_out 60 * 3 = 180
  before_each(function() w = lt.empty(60, 40, 3) end)

  it("kaiming and xavier", function()
    check_uniform(init.kaiming_uniform_(w), math.sqrt(6 / 120))
    check_uniform(init.kaiming_uniform_(w, { a = math.sqrt(5) }), 1 / math.sqrt(120))
    check_normal(init.kaiming_normal_(w, { mode = "fan_out", nonlinearity = "relu" }),
      math.sqrt(2 / 180))
    check_uniform(init.xavier_uniform_(w), math.sqrt(6 / 300))
    check_normal(init.xavier_normal_(w, 5 / 3), 5 / 3 * math.sqrt(2 / 300))
  end)

  it("uniform, normal, constant", function()
    local mean, std = moments(init.uniform_(w, 2, 4))
    near(mean, 3, 0.03)
    near(std, 2 / math.sqrt(12), 0.03)
    mean, std = moments(init.normal_(w, 1, 0.5))
    near(mean, 1, 0.03)
    near(std, 0.5, 0.02)
    assert.are.same({ 7, 7 }, init.constant_(lt.empty(2), 7):tolist())
    assert.are.same({ 1, 1 }, init.ones_(lt.empty(2)):tolist())
    assert.are.same({ 0, 0 }, init.zeros_(lt.empty(2)):tolist())
  end)

  it("truncated normal keeps to absolute bounds", function()
    local mean, std, low, high = moments(init.trunc_normal_(w, 0, 1, -1, 1))
    near(mean, 0, 0.03)
    near(std, 0.5396, 0.02)                  -- sqrt(1 - 2 phi(1) / (2 Phi(1) - 1))
    assert(low >= -1 and high <= 1 and high > 0.98)
    local _, narrow = moments(init.trunc_normal_(w, 0, 0.02))
    near(narrow, 0.02, 0.001)
    local _, _, far = moments(init.trunc_normal_(w, 0, 1, 5, 6))
    assert(far >= 5)
    assert.has_error(function() init.trunc_normal_(w, 0, 1, 2, 1) end)
  end)

  it("orthogonal", function()
    for _, shape in ipairs { { 6, 10 }, { 10, 6 }, { 7, 7 } } do
      local q = init.orthogonal_(lt.empty(shape), 2)
      local list, small = q:tolist(), math.min(shape[1], shape[2])
      for i = 1, small do
        for j = 1, small do
          local dot = 0
          for k = 1, math.max(shape[1], shape[2]) do
            if shape[1] <= shape[2] then dot = dot + list[i][k] * list[j][k]
            else dot = dot + list[k][i] * list[k][j] end
          end
          near(dot, i == j and 4 or 0, 1e-5)
        end
      end
    end
  end)

  it("eye and dirac", function()
    assert.are.same({ { 1, 0, 0 }, { 0, 1, 0 } }, init.eye_(lt.empty(2, 3)):tolist())
    local x = lt.randn(2, 3, 8)
    local conv = nn.Conv1d(3, 3, 3, { padding = 1, bias = false })
    init.dirac_(conv.weight:detach())
    local y = lt.no_grad(function() return conv(x) end)
    local a, b = x:flat(), y:flat()
    for i = 1, #a do near(b[i], a[i], 1e-6) end
  end)

  it("gains and errors", function()
    near(init.calculate_gain "tanh", 5 / 3, 0)
    near(init.calculate_gain("leaky_relu", 1), 1, 1e-15)
    assert.has_error(function() init.calculate_gain "rleu" end)
    assert.has_error(function() init.kaiming_uniform_(lt.empty(3)) end)
    assert.has_error(function() init.kaiming_uniform_(w, { mode = "fan" }) end)
  end)
end)

describe("default weights", function()
  before_each(function() lt.manual_seed(5) end)

  it("of linear and convolution are in 1/sqrt(fan_in)", function()
    local fc = nn.Linear(400, 300)
    check_uniform(fc.weight, 0.05)
    local _, _, low, high = moments(fc.bias)
    assert(low >= -0.05 and high <= 0.05 and high > 0.045)
    check_uniform(nn.Conv2d(32, 64, 3, { groups = 2 }).weight, 1 / 12)
    check_uniform(nn.ConvTranspose1d(64, 32, 4).weight, 1 / math.sqrt(128))
  end)

  it("of recurrent layers are in 1/sqrt(hidden)", function()
    for _, p in ipairs(nn.LSTM(100, 64):parameters()) do
      local _, _, low, high = moments(p)
      assert(low >= -0.125 and high <= 0.125 and high > 0.11)
    end
  end)

  it("of embeddings, norms and attention", function()
    local embedding = nn.Embedding(100, 50, { padding_idx = 3 })
    check_normal(embedding.weight, 1)
    local row = embedding.weight:detach():select(1, 4)
    assert.are.equal(0, row:abs():sum():item())
    local bn = nn.BatchNorm1d(2)
    assert.are.same({ 1, 1 }, bn.weight:tolist())
    assert.are.same({ 0, 0 }, bn.bias:tolist())
    local mha = nn.MultiheadAttention(64, 4)
    check_uniform(mha.in_proj_weight, math.sqrt(6 / 256))
    assert.are.equal(0, mha.in_proj_bias:detach():abs():sum():item())
    assert.are.equal(0, mha.out_proj.bias:detach():abs():sum():item())
  end)

  it("of ResNet's convolutions are He's", function()
    check_normal(nn.resnet18().layer1[1].conv1.weight, math.sqrt(2 / (64 * 9)))
    assert.are.equal(0, nn.resnet18({ zero_init_residual = true }).layer2[1].bn2.weight:detach()
      :abs():sum():item())
  end)
end)
