-- linear: the affine map of the last dimension, and table look-up (torch.nn.Linear, Embedding).

local lt = require "luatrain"
local tensor = require "luatrain.tensor"
local init = require "luatrain.nn.initialize"
local options = require "luatrain.options"
local Module = require "luatrain.nn.module"

local linear = {}

--- y = x W^T + b over the last dimension: (..., in_features) -> (..., out_features).
-- weight (out_features, in_features) and bias begin in U(-1/sqrt(in), 1/sqrt(in)).
-- Called as `fc(x, "relu")` it applies an activation in the same pass ("relu", "tanh", "sigmoid",
-- "gelu", "gelu_tanh", "silu"); nn.Sequential does so by itself.
-- @param given {bias = true}
--
--     local fc = nn.Linear(128, 10)
--     local y = fc(lt.randn { 32, 128 })      -- (32, 10)
local Linear = Module.class "Linear"
linear.Linear = Linear
Linear.fields = { "weight", "bias" }

function Linear:init(in_features, out_features, given)
  local o = options.read("Linear", given, { bias = true })
  self.in_features = options.size("Linear", "in_features", in_features)
  self.out_features = options.size("Linear", "out_features", out_features)
  local bound = 1 / math.sqrt(in_features)
  local weight = tensor.empty({ out_features, in_features }, "f32")
  self.weight = Module.Parameter(init.uniform_(weight, -bound, bound))
  if o.bias then
    self.bias = Module.Parameter(init.uniform_(tensor.empty({ out_features }, "f32"), -bound, bound))
  end
end

-- act names an activation that is applied in the same pass over the result.
function Linear:forward(x, act)
  return lt.linear(x, self.weight, self.bias, act)
end

Linear._fused_forward = Linear.forward
Linear.fuses = { relu = "relu", tanh = "tanh", sigmoid = "sigmoid", gelu = "gelu",
  gelu_tanh = "gelu_tanh", silu = "silu" }

function Linear:describe()
  return ("in_features=%d, out_features=%d, bias=%s")
    :format(self.in_features, self.out_features, tostring(self.bias ~= nil))
end

--- 2 * (inputs of one element) per output element.
function Linear:flops(y)
  return 2 * self.in_features * y:numel()
end

--- Rows of a table chosen by ids that count from 0: i64 (...) -> (..., embedding_dim).
-- weight (num_embeddings, embedding_dim) begins in N(0, 1).
-- @param given {padding_idx = nil}: that row begins at 0 and gets no gradient
local Embedding = Module.class "Embedding"
linear.Embedding = Embedding

function Embedding:init(num_embeddings, embedding_dim, given)
  local o = options.read("Embedding", given, { padding_idx = options.none })
  self.num_embeddings = options.size("Embedding", "num_embeddings", num_embeddings)
  self.embedding_dim = options.size("Embedding", "embedding_dim", embedding_dim)
  self.padding_idx = o.padding_idx
  self.weight = Module.Parameter(init.normal_(tensor.empty({ num_embeddings, embedding_dim }, "f32")))
  if o.padding_idx then
    init.zeros_(self.weight:detach():narrow(1, o.padding_idx + 1, 1))
  end
end

function Embedding:forward(ids)
  return lt.embedding(ids, self.weight, self.padding_idx)
end

function Embedding:describe()
  local text = ("%d, %d"):format(self.num_embeddings, self.embedding_dim)
  return self.padding_idx and text .. ", padding_idx=" .. self.padding_idx or text
end

return linear
