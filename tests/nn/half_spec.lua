-- Layers under lt.autocast("bf16"): near the f32 result, with f32 gradients for f32 parameters.
local lt = require "luatrain"
local nn = lt.nn

local small = { dim_feedforward = 32, batch_first = true }
local first = { dim_feedforward = 32, batch_first = true, norm_first = true, activation = "gelu" }

-- Name, module, shape of the input.
local cases = {
  { "mlp", function()
    return nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Dropout(0.1), nn.Linear(32, 8))
  end, { 4, 16 } },
  { "convolutions", function()
    return nn.Sequential(nn.Conv2d(1, 8, 3, { padding = 1 }), nn.BatchNorm2d(8), nn.ReLU(),
      nn.MaxPool2d(2), nn.Conv2d(8, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
  end, { 2, 1, 12, 12 } },
  { "sequences", function()
    return nn.Sequential(nn.Conv1d(4, 8, 3), nn.GLU(2), nn.InstanceNorm1d(4), nn.PReLU(4),
      nn.GroupNorm(2, 4), nn.ConvTranspose1d(4, 3, 4, { stride = 2 }))
  end, { 2, 4, 8 } },
  { "residual block", function() return nn.BasicBlock(8, 16, 2) end, { 2, 8, 9, 9 } },
  { "encoder layer", function() return nn.TransformerEncoderLayer(16, 2, small) end, { 2, 7, 16 } },
  { "encoder layer, norm first", function() return nn.TransformerEncoderLayer(16, 2, first) end,
    { 2, 7, 16 } },
  { "conformer", function() return nn.ConformerBlock(16, 32, 2, 5, { dropout = 0.1 }) end,
    { 2, 9, 16 } },
  { "conformer with relative positions", function()
    return nn.ConformerBlock(16, 32, 2, 5, { position = "relative" })
  end, { 2, 9, 16 } },
  { "subsampling", function() return nn.ConvSubsampling(16, 8) end, { 2, 9, 16 } },
  { "lstm", function() return nn.LSTM(16, 8, { bidirectional = true }) end, { 5, 2, 16 } },
}

local function run(model, x)
  return (model(x))
end

local function check(model, x)
  model:eval()
  local full = run(model, x)
  local half = lt.autocast("bf16", run, model, x)
  local difference = (half:cast "f32" - full):abs():max():item() / full:abs():max():item()
  assert(difference < 0.02, ("relative difference %.3g"):format(difference))
  model:train()
  local y = lt.autocast("bf16", run, model, x):cast "f32"
  lt.mul(y, y):mean():backward()
  for _, entry in ipairs(model:named_parameters()) do
    local grad = entry[2].grad
    assert.is_truthy(grad, entry[1] .. " has no gradient")
    assert.are.equal("f32", grad:dtype(), entry[1])
    assert(grad:abs():sum():item() < math.huge, entry[1])
  end
end

describe("bf16 autocast", function()
  for _, case in ipairs(cases) do
    it(case[1], function()
      lt.manual_seed(1)
      lt.scope(check, case[2](), lt.randn(case[3]))
    end)
  end
end)

describe("attention masks", function()
  it("is_causal is a mask above the diagonal", function()
    lt.manual_seed(2)
    local mha = nn.MultiheadAttention(8, 2, { batch_first = true })
    local x = lt.randn(2, 5, 8)
    local mask = lt.ones({ 5, 5 }, "bool"):triu(1)
    local a = mha(x, x, x, { is_causal = true })
    local b = mha(x, x, x, { attn_mask = mask })
    local c, weights = mha(x, x, x, { is_causal = true, need_weights = true })
    assert.is_true(a:detach():allclose(b:detach(), 1e-4, 1e-5))
    assert.is_true(a:detach():allclose(c:detach(), 1e-4, 1e-5))
    assert.are.same({ 2, 5, 5 }, weights:size())
    assert.are.equal(0, weights:detach():get(1, 1, 2))
  end)

  it("weights by head, with padding", function()
    lt.manual_seed(2)
    local mha = nn.MultiheadAttention(8, 2, { batch_first = true })
    local x = lt.randn(2, 4, 8)
    local padding = lt.tensor { { false, false, false, true }, { false, false, true, true } }
    local y, weights = mha(x, x, x,
      { key_padding_mask = padding, need_weights = true, average_attn_weights = false })
    local fused = mha(x, x, x, { key_padding_mask = padding })
    assert.is_true(y:detach():allclose(fused:detach(), 1e-4, 1e-5))
    assert.are.same({ 2, 2, 4, 4 }, weights:size())
    assert.are.equal(0, weights:detach():get(2, 1, 1, 3))
  end)

  it("one mask for each head", function()
    lt.manual_seed(2)
    local mha = nn.MultiheadAttention(8, 2, { batch_first = true })
    local x = lt.randn(2, 3, 8)
    local masks = lt.randn(4, 3, 3)
    local a = mha(x, x, x, { attn_mask = masks })
    local b = mha(x, x, x, { attn_mask = masks, need_weights = true })
    assert.is_true(a:detach():allclose(b:detach(), 1e-4, 1e-5))
  end)

  it("an encoder is causal on request", function()
    lt.manual_seed(2)
    local encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, small), 2):eval()
    local x = lt.randn(1, 6, 8)
    local y = encoder(x, { is_causal = true })
    local shorter = encoder(x:narrow(2, 1, 4), { is_causal = true })
    assert.is_true(y:detach():narrow(2, 1, 4):allclose(shorter:detach(), 1e-4, 1e-5))
  end)
end)
