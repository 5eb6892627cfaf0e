-- conformer: attention and convolution for audio (A. Gulati et al. 2020; torchaudio's names).

local lt = require "luatrain"
local core = require "luatrain.core"
local options = require "luatrain.options"
local activation = require "luatrain.nn.activation"
local attention = require "luatrain.nn.attention"
local container = require "luatrain.nn.container"
local conv = require "luatrain.nn.conv"
local dropout = require "luatrain.nn.dropout"
local linear = require "luatrain.nn.linear"
local norm = require "luatrain.nn.norm"
local Module = require "luatrain.nn.module"

local fail = core.fail

local conformer = {}

-- Half-step feed-forward: norm, widen, SiLU, narrow. (N, T, D) -> (N, T, D)
local FeedForward = Module.class "ConformerFeedForward"

function FeedForward:init(input_dim, hidden_dim, p)
  self.sequential = container.Sequential(
    norm.LayerNorm(input_dim),
    linear.Linear(input_dim, hidden_dim),
    activation.SiLU(),
    dropout.Dropout(p),
    linear.Linear(hidden_dim, input_dim),
    dropout.Dropout(p))
end

function FeedForward:forward(x)
  return self.sequential(x)
end

-- Norm, pointwise, GLU, depthwise, batch (or group) norm, SiLU, pointwise. (N, T, D) -> (N, T, D)
local ConvolutionModule = Module.class "ConformerConvolution"
ConvolutionModule.fields = { "layer_norm", "sequential" }

function ConvolutionModule:init(dim, kernel_size, p, use_group_norm)
  self.layer_norm = norm.LayerNorm(dim)
  self.sequential = container.Sequential(
    conv.Conv1d(dim, 2 * dim, 1),
    activation.GLU(2),
    conv.Conv1d(dim, dim, kernel_size, { padding = (kernel_size - 1) / 2, groups = dim }),
    use_group_norm and norm.GroupNorm(1, dim) or norm.BatchNorm1d(dim),
    activation.SiLU(),
    conv.Conv1d(dim, dim, 1),
    dropout.Dropout(p))
end

function ConvolutionModule:forward(x)
  local channels = self.layer_norm(x):transpose(2, 3)              -- (N, D, T), a view
  return self.sequential(channels):transpose(2, 3)
end

--- One block: half feed-forward, self-attention, convolution, half feed-forward, layer norm.
-- `nn.ConformerBlock(input_dim, ffn_dim, num_attention_heads, depthwise_conv_kernel_size,
-- {dropout = 0, use_group_norm = false, convolution_first = false, position = "none"})`.
-- position = "relative" uses Transformer-XL's distances (nn.RelativeMultiheadAttention) as the
-- paper does; "none" is torchaudio's layer, whose weights load by name. The kernel size is odd.
local ConformerBlock = Module.class "ConformerBlock"
conformer.ConformerBlock = ConformerBlock
conformer.ConformerLayer = ConformerBlock
ConformerBlock.fields = { "ffn1", "self_attn_layer_norm", "self_attn", "self_attn_dropout",
  "conv_module", "ffn2", "final_layer_norm" }

function ConformerBlock:init(input_dim, ffn_dim, heads, kernel_size, given)
  local o = options.read("ConformerBlock", given,
    { dropout = 0, use_group_norm = false, convolution_first = false, position = "none" })
  if options.size("ConformerBlock", "depthwise_conv_kernel_size", kernel_size) % 2 == 0 then
    fail("ConformerBlock: depthwise_conv_kernel_size is %d, want an odd number", kernel_size)
  end
  if o.position ~= "none" and o.position ~= "relative" then
    fail("ConformerBlock: position is %q, want \"none\" or \"relative\"", tostring(o.position))
  end
  self.ffn1 = FeedForward(input_dim, ffn_dim, o.dropout)
  self.self_attn_layer_norm = norm.LayerNorm(input_dim)
  if o.position == "relative" then
    self.self_attn = attention.RelativeMultiheadAttention(input_dim, heads, { dropout = o.dropout })
  else
    self.self_attn = attention.MultiheadAttention(input_dim, heads,
      { dropout = o.dropout, batch_first = true })
  end
  self.self_attn_dropout = dropout.Dropout(o.dropout)
  self.conv_module = ConvolutionModule(input_dim, kernel_size, o.dropout, o.use_group_norm)
  self.ffn2 = FeedForward(input_dim, ffn_dim, o.dropout)
  self.final_layer_norm = norm.LayerNorm(input_dim)
  self.convolution_first = o.convolution_first
end

--- @param x (N, T, input_dim)
-- @param given {key_padding_mask, bool (N, T), true where there is no frame; attn_mask; is_causal}
function ConformerBlock:forward(x, given)
  x = x + self.ffn1(x) * 0.5
  if self.convolution_first then x = x + self.conv_module(x) end
  local normed = self.self_attn_layer_norm(x)
  x = self.self_attn_dropout(self.self_attn(normed, normed, normed, given), x)
  if not self.convolution_first then x = x + self.conv_module(x) end
  x = x + self.ffn2(x) * 0.5
  return self.final_layer_norm(x)
end

-- True at frames from lengths[n] on: bool (N, T).
local function padding_mask(lengths, frames)
  local index = lt.arange(frames):reshape(1, frames)
  return index:ge(lengths:to("f32"):reshape(lengths:size(1), 1))
end

--- A stack of blocks (torchaudio.models.Conformer).
-- `nn.Conformer(input_dim, num_heads, ffn_dim, num_layers, depthwise_conv_kernel_size, options)`,
-- options as for ConformerBlock.
local Conformer = Module.class "Conformer"
conformer.Conformer = Conformer

function Conformer:init(input_dim, num_heads, ffn_dim, num_layers, kernel_size, given)
  self.conformer_layers = container.ModuleList()
  for _ = 1, num_layers do
    self.conformer_layers:append(ConformerBlock(input_dim, ffn_dim, num_heads, kernel_size, given))
  end
end

--- @param x (N, T, input_dim)
-- @param lengths optional i64 (N): valid frames of each sequence; later ones are not attended to
-- @return (N, T, input_dim) and the lengths
function Conformer:forward(x, lengths)
  local masks = lengths and { key_padding_mask = padding_mask(lengths, x:size(2)) }
  for i = 1, #self.conformer_layers do x = self.conformer_layers[i](x, masks) end
  return x, lengths
end

--- Two 3x3 convolutions with stride 2 and ReLU, then a projection: time and frequency become a
-- quarter. (N, T, in_features) -> (N, T', d_model), T' = self:output_length(T).
-- `nn.ConvSubsampling(in_features, d_model, {channels = d_model})`
local ConvSubsampling = Module.class "ConvSubsampling"
conformer.ConvSubsampling = ConvSubsampling
ConvSubsampling.fields = { "conv", "out" }

function ConvSubsampling:init(in_features, d_model, given)
  local channels = options.read("ConvSubsampling", given, { channels = d_model }).channels
  self.conv = container.Sequential(
    conv.Conv2d(1, channels, 3, { stride = 2, padding = 1 }), activation.ReLU(),
    conv.Conv2d(channels, channels, 3, { stride = 2, padding = 1 }), activation.ReLU())
  self.out = linear.Linear(channels * self:output_length(in_features), d_model)
end

--- Positions left of n: halved twice, rounded up.
function ConvSubsampling:output_length(n)
  return math.ceil(math.ceil(n / 2) / 2)
end

function ConvSubsampling:forward(x)
  local y = self.conv(x:unsqueeze(2))                              -- (N, channels, T', F')
  return self.out(y:transpose(2, 3):flatten(3))                    -- (N, T', channels * F')
end

return conformer
