-- The modules of tests/golden/make_nn.py, case by case: how luatrain makes and calls each.
-- A case is a function that makes the module, or {make, call}; call(module, x1, x2, ...).
local lt = require "luatrain"
local nn = lt.nn

local cases = {}

local function relu_of(m, x, residual) return m(x, true, residual) end
local function lstm_from(m, x, h, c) return m(x, h, c) end

cases.nn_basic = {
  linear = function() return nn.Linear(5, 7) end,
  linear_plain = function() return nn.Linear(5, 7, { bias = false }) end,
  embedding = function() return nn.Embedding(10, 4, { padding_idx = 2 }) end,
  mlp = function() return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3)) end,
  relu = function() return nn.ReLU() end,
  leaky_relu = function() return nn.LeakyReLU(0.2) end,
  prelu = function() return nn.PReLU(3) end,
  elu = function() return nn.ELU(1.5) end,
  gelu = function() return nn.GELU() end,
  gelu_tanh = function() return nn.GELU { approximate = "tanh" } end,
  silu = function() return nn.SiLU() end,
  sigmoid = function() return nn.Sigmoid() end,
  tanh = function() return nn.Tanh() end,
  softplus = function() return nn.Softplus(2, 10) end,
  glu = function() return nn.GLU(-1) end,
  softmax = function() return nn.Softmax(-1) end,
  log_softmax = function() return nn.LogSoftmax(2) end,
  flatten = function() return nn.Flatten() end,
}

cases.nn_pool = {
  max_pool1d = function() return nn.MaxPool1d(3, { stride = 2, padding = 1 }) end,
  max_pool2d = function() return nn.MaxPool2d(3, { stride = 2, padding = 1 }) end,
  avg_pool1d = function() return nn.AvgPool1d(3, { stride = 2, padding = 1 }) end,
  avg_pool2d = function() return nn.AvgPool2d { 2, 3 } end,
  adaptive_avg_pool1d = function() return nn.AdaptiveAvgPool1d(4) end,
  adaptive_avg_pool2d = function() return nn.AdaptiveAvgPool2d { 3, 2 } end,
  adaptive_max_pool1d = function() return nn.AdaptiveMaxPool1d(4) end,
  adaptive_max_pool2d = function() return nn.AdaptiveMaxPool2d(2) end,
}

cases.nn_conv = {
  conv1d = function() return nn.Conv1d(4, 6, 3, { stride = 2, padding = 1, groups = 2 }) end,
  conv1d_pointwise = function() return nn.Conv1d(4, 6, 1) end,
  conv1d_depthwise = function() return nn.Conv1d(6, 6, 5, { padding = 2, groups = 6 }) end,
  conv1d_dilated = function() return nn.Conv1d(3, 4, 3, { dilation = 2, padding = "same" }) end,
  conv2d = function() return nn.Conv2d(3, 5, 3, { padding = 1 }) end,
  conv2d_stride = function()
    return nn.Conv2d(1, 4, 7, { stride = 2, padding = 3, bias = false })
  end,
  conv2d_mixed = function()
    return nn.Conv2d(4, 6, { 3, 2 },
      { stride = { 2, 1 }, padding = { 0, 1 }, dilation = { 1, 2 }, groups = 2 })
  end,
  conv_transpose1d = function()
    return nn.ConvTranspose1d(4, 3, 4, { stride = 2, padding = 1, output_padding = 1 })
  end,
  conv_transpose2d = function()
    return nn.ConvTranspose2d(4, 6, 3, { stride = { 2, 1 }, padding = 1, groups = 2 })
  end,
}

cases.nn_norm = {
  batch_norm1d = function() return nn.BatchNorm1d(4) end,
  batch_norm1d_time = function() return nn.BatchNorm1d(3, { momentum = 0.3, eps = 1e-3 }) end,
  batch_norm1d_plain = function() return nn.BatchNorm1d(3, { affine = false }) end,
  batch_norm2d = function() return nn.BatchNorm2d(3) end,
  batch_norm2d_average = function() return nn.BatchNorm2d(3, { momentum = false }) end,
  batch_norm2d_batch = function() return nn.BatchNorm2d(3, { track_running_stats = false }) end,
  batch_norm2d_relu = { function() return nn.BatchNorm2d(3) end,
    function(m, x) return m(x, true) end },
  batch_norm2d_residual = { function() return nn.BatchNorm2d(3) end, relu_of },
  layer_norm = function() return nn.LayerNorm(6) end,
  layer_norm_two = function() return nn.LayerNorm({ 4, 6 }, { eps = 1e-3 }) end,
  layer_norm_plain = function() return nn.LayerNorm(6, { elementwise_affine = false }) end,
  layer_norm_weight = function() return nn.LayerNorm(6, { bias = false }) end,
  group_norm = function() return nn.GroupNorm(2, 6) end,
  group_norm_time = function() return nn.GroupNorm(1, 4) end,
  instance_norm1d = function() return nn.InstanceNorm1d(3, { affine = true }) end,
  instance_norm2d = function() return nn.InstanceNorm2d(3) end,
}

cases.nn_recurrent = {
  lstm = function() return nn.LSTM(4, 5) end,
  lstm_deep = { function()
    return nn.LSTM(4, 5, { num_layers = 2, bidirectional = true, batch_first = true })
  end, lstm_from },
  lstm_plain = function() return nn.LSTM(3, 4, { bias = false, batch_first = true }) end,
  gru = function() return nn.GRU(4, 5) end,
  gru_deep = function()
    return nn.GRU(4, 5, { num_layers = 2, bidirectional = true, batch_first = true })
  end,
  gru_plain = function() return nn.GRU(3, 4, { bias = false, batch_first = true }) end,
}

local batch_first = { batch_first = true }
local small = { dim_feedforward = 12, dropout = 0, batch_first = true }
local first = { dim_feedforward = 12, dropout = 0, batch_first = true, activation = "gelu",
  norm_first = true }

cases.nn_attention = {
  mha = function() return nn.MultiheadAttention(8, 2) end,
  mha_weights = { function() return nn.MultiheadAttention(8, 2, batch_first) end,
    function(m, x) return m(x, x, x, { need_weights = true }) end },
  mha_cross = { function() return nn.MultiheadAttention(8, 4, batch_first) end,
    function(m, q, k) return m(q, k, k) end },
  mha_apart = function() return nn.MultiheadAttention(8, 2, batch_first) end,
  mha_dims = function()
    return nn.MultiheadAttention(8, 2, { kdim = 5, vdim = 6, batch_first = true })
  end,
  mha_plain = function() return nn.MultiheadAttention(8, 2, { bias = false, batch_first = true }) end,
  mha_padding = { function() return nn.MultiheadAttention(8, 2, batch_first) end,
    function(m, x, padding) return m(x, x, x, { key_padding_mask = padding }) end },
  mha_causal = { function() return nn.MultiheadAttention(8, 2, batch_first) end,
    function(m, x, mask) return m(x, x, x, { attn_mask = mask }) end },
  mha_bias = { function() return nn.MultiheadAttention(8, 2, batch_first) end,
    function(m, x)
      return m(x, x, x, { attn_mask = (lt.arange(25) * 0.1):reshape(5, 5) })
    end },
  encoder = function() return nn.TransformerEncoderLayer(8, 2, small) end,
  encoder_first = function() return nn.TransformerEncoderLayer(8, 2, first) end,
  encoder_masks = { function()
    return nn.TransformerEncoderLayer(8, 2, { dim_feedforward = 12, dropout = 0 })
  end, function(m, x, mask, padding)
    return m(x, { src_mask = mask, src_key_padding_mask = padding })
  end },
  encoder_stack = { function()
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, small), 2, nn.LayerNorm(8))
  end, function(m, x, padding) return m(x, { src_key_padding_mask = padding }) end },
  decoder = { function() return nn.TransformerDecoderLayer(8, 2, small) end,
    function(m, t, s, mask) return m(t, s, { tgt_mask = mask }) end },
  decoder_first = { function() return nn.TransformerDecoderLayer(8, 2, first) end,
    function(m, t, s, padding) return m(t, s, { memory_key_padding_mask = padding }) end },
  decoder_stack = function()
    return nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, small), 2)
  end,
}

cases.nn_conformer = {
  conformer = function() return nn.ConformerBlock(8, 12, 2, 5) end,
  conformer_first = { function()
    return nn.ConformerBlock(8, 12, 2, 5, { use_group_norm = true, convolution_first = true })
  end, function(m, x, padding) return m(x, { key_padding_mask = padding }) end },
  conformer_stack = { function() return nn.Conformer(8, 2, 12, 2, 3) end,
    function(m, x, lengths) return (m(x, lengths)) end },
  relative = function() return nn.RelativeMultiheadAttention(8, 2) end,
  subsampling = function() return nn.ConvSubsampling(10, 8, { channels = 4 }) end,
  sinusoidal = function() return nn.PositionalEncoding(6, { dropout = 0, max_len = 9 }) end,
  learned = function() return nn.LearnedPositionalEncoding(6, { dropout = 0, max_len = 9 }) end,
}

cases.nn_resnet = {
  block = function() return nn.BasicBlock(4, 4) end,
  block_down = function() return nn.BasicBlock(3, 5, 2) end,
}

return cases
