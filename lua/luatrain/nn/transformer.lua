-- transformer: encoder and decoder layers and stacks (Vaswani et al. 2017; torch.nn's names).

local core = require "luatrain.core"
local options = require "luatrain.options"
local attention = require "luatrain.nn.attention"
local container = require "luatrain.nn.container"
local dropout = require "luatrain.nn.dropout"
local linear = require "luatrain.nn.linear"
local norm = require "luatrain.nn.norm"
local Module = require "luatrain.nn.module"

local fail = core.fail

local transformer = {}

local layer_options = { dim_feedforward = 2048, dropout = 0.1, activation = "relu",
  layer_norm_eps = 1e-5, batch_first = false, norm_first = false, bias = true }

local function check_activation(who, value)
  if type(value) == "function" or linear.Linear.fuses[value] then return value end
  fail("%s: activation is %q, want \"relu\", \"gelu\", \"silu\" or a function", who, tostring(value))
end

-- What encoder and decoder layers share: self_attn, feed-forward, norms.
local function make_common(self, d_model, nhead, given, norms)
  local who = self.class_name
  local o = options.read(who, given, layer_options)
  local attention_options = { dropout = o.dropout, bias = o.bias, batch_first = o.batch_first }
  self.norm_first = o.norm_first
  self._activation = check_activation(who, o.activation)
  self.self_attn = attention.MultiheadAttention(d_model, nhead, attention_options)
  self.linear1 = linear.Linear(d_model, o.dim_feedforward, { bias = o.bias })
  self.dropout = dropout.Dropout(o.dropout)
  self.linear2 = linear.Linear(o.dim_feedforward, d_model, { bias = o.bias })
  for i = 1, norms do
    self["norm" .. i] = norm.LayerNorm(d_model, { eps = o.layer_norm_eps, bias = o.bias })
    self["dropout" .. i] = dropout.Dropout(o.dropout)
  end
  return attention_options
end

-- residual + drop(W2 dropout(act(W1 x)))
local function feed_forward(self, x, drop, residual)
  local act = self._activation
  local hidden
  if type(act) == "string" then hidden = self.linear1(x, act) else hidden = act(self.linear1(x)) end
  return drop(self.linear2(self.dropout(hidden)), residual)
end

--- Self-attention and a feed-forward network, each with residual, dropout and layer norm.
-- `nn.TransformerEncoderLayer(d_model, nhead, {dim_feedforward = 2048, dropout = 0.1,
-- activation = "relu" | "gelu" | "silu" | function, layer_norm_eps = 1e-5, batch_first = false,
-- norm_first = false, bias = true})`; norm_first puts the norms before instead of after.
local TransformerEncoderLayer = Module.class "TransformerEncoderLayer"
transformer.TransformerEncoderLayer = TransformerEncoderLayer
TransformerEncoderLayer.fields = { "self_attn", "linear1", "dropout", "linear2", "norm1", "norm2" }

function TransformerEncoderLayer:init(d_model, nhead, given)
  make_common(self, d_model, nhead, given, 2)
end

--- @param src (L, N, d_model), or (N, L, d_model) with batch_first
-- @param given {src_mask (L, L), src_key_padding_mask (N, L), is_causal = false}, masks as for
--   MultiheadAttention; is_causal needs no mask
function TransformerEncoderLayer:forward(src, given)
  local masks = given and { attn_mask = given.src_mask, is_causal = given.is_causal,
    key_padding_mask = given.src_key_padding_mask }
  if self.norm_first then
    local normed = self.norm1(src)
    local x = self.dropout1(self.self_attn(normed, normed, normed, masks), src)
    return feed_forward(self, self.norm2(x), self.dropout2, x)
  end
  local x = self.norm1(self.dropout1(self.self_attn(src, src, src, masks), src))
  return self.norm2(feed_forward(self, x, self.dropout2, x))
end

--- As the encoder layer, with attention to the encoder's result in between.
-- `nn.TransformerDecoderLayer(d_model, nhead, options)`, options as for the encoder layer.
local TransformerDecoderLayer = Module.class "TransformerDecoderLayer"
transformer.TransformerDecoderLayer = TransformerDecoderLayer
TransformerDecoderLayer.fields = { "self_attn", "multihead_attn", "linear1", "dropout", "linear2",
  "norm1", "norm2", "norm3" }

function TransformerDecoderLayer:init(d_model, nhead, given)
  local attention_options = make_common(self, d_model, nhead, given, 3)
  self.multihead_attn = attention.MultiheadAttention(d_model, nhead, attention_options)
end

local function decoder_masks(given)
  local g = given or {}
  return { attn_mask = g.tgt_mask, key_padding_mask = g.tgt_key_padding_mask,
      is_causal = g.tgt_is_causal },
    { attn_mask = g.memory_mask, key_padding_mask = g.memory_key_padding_mask,
      is_causal = g.memory_is_causal }
end

--- @param tgt (L, N, d_model), or (N, L, d_model) with batch_first
-- @param memory the encoder's result, (S, N, d_model) or (N, S, d_model)
-- @param given {tgt_mask (L, L), tgt_key_padding_mask (N, L), tgt_is_causal = false,
--   memory_mask (L, S), memory_key_padding_mask (N, S), memory_is_causal = false}
function TransformerDecoderLayer:forward(tgt, memory, given)
  local own, cross = decoder_masks(given)
  if self.norm_first then
    local normed = self.norm1(tgt)
    local x = self.dropout1(self.self_attn(normed, normed, normed, own), tgt)
    x = self.dropout2(self.multihead_attn(self.norm2(x), memory, memory, cross), x)
    return feed_forward(self, self.norm3(x), self.dropout3, x)
  end
  local x = self.norm1(self.dropout1(self.self_attn(tgt, tgt, tgt, own), tgt))
  x = self.norm2(self.dropout2(self.multihead_attn(x, memory, memory, cross), x))
  return self.norm3(feed_forward(self, x, self.dropout3, x))
end

local function stack(self, layer, num_layers, final_norm)
  options.size(self.class_name, "num_layers", num_layers)
  self.layers = container.ModuleList()
  for _ = 1, num_layers do self.layers:append(layer:clone()) end
  self.norm = final_norm
end

--- num_layers copies of an encoder layer, then an optional norm.
-- `nn.TransformerEncoder(layer, num_layers, norm)`. The copies begin with equal weights, as in PyTorch.
local TransformerEncoder = Module.class "TransformerEncoder"
transformer.TransformerEncoder = TransformerEncoder
TransformerEncoder.fields = { "layers", "norm" }
TransformerEncoder.init = stack

--- @param given {mask (L, L), src_key_padding_mask (N, L), is_causal = false}
function TransformerEncoder:forward(src, given)
  local masks = given and { src_mask = given.mask, is_causal = given.is_causal,
    src_key_padding_mask = given.src_key_padding_mask }
  for i = 1, #self.layers do src = self.layers[i](src, masks) end
  return self.norm and self.norm(src) or src
end

--- num_layers copies of a decoder layer, then an optional norm; called as the layer is.
local TransformerDecoder = Module.class "TransformerDecoder"
transformer.TransformerDecoder = TransformerDecoder
TransformerDecoder.fields = { "layers", "norm" }
TransformerDecoder.init = stack

function TransformerDecoder:forward(tgt, memory, given)
  for i = 1, #self.layers do tgt = self.layers[i](tgt, memory, given) end
  return self.norm and self.norm(tgt) or tgt
end

return transformer
