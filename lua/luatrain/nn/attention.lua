-- attention: multi-head attention (Vaswani et al. 2017, section 3.2; torch.nn.MultiheadAttention).

local lt = require "luatrain"
local core = require "luatrain.core"
local tensor = require "luatrain.tensor"
local init = require "luatrain.nn.initialize"
local options = require "luatrain.options"
local linear = require "luatrain.nn.linear"
local Module = require "luatrain.nn.module"

local fail = core.fail

local attention = {}

--- Attention of several heads over learned projections of query, key and value.
-- `nn.MultiheadAttention(embed_dim, num_heads, {dropout = 0, bias = true, kdim = embed_dim,
-- vdim = embed_dim, batch_first = false})`
--
-- Parameters as in PyTorch: in_proj_weight (3E, E) holds the projections of q, k and v one below the
-- other (q_proj_weight, k_proj_weight, v_proj_weight where kdim or vdim differ from E), in_proj_bias
-- (3E), out_proj.weight (E, E), out_proj.bias (E).
local MultiheadAttention = Module.class "MultiheadAttention"
attention.MultiheadAttention = MultiheadAttention
MultiheadAttention.fields = { "in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight",
  "in_proj_bias", "out_proj" }

local function xavier(rows, columns)
  return Module.Parameter(init.xavier_uniform_(tensor.empty({ rows, columns }, "f32")))
end

function MultiheadAttention:init(embed_dim, num_heads, given)
  local who = "MultiheadAttention"
  local o = options.read(who, given, { dropout = 0, bias = true, kdim = embed_dim,
    vdim = embed_dim, batch_first = false })
  self.embed_dim = options.size(who, "embed_dim", embed_dim)
  self.num_heads = options.size(who, "num_heads", num_heads)
  if embed_dim % num_heads ~= 0 then
    fail("%s: embed_dim %d cannot be divided among %d heads", who, embed_dim, num_heads)
  end
  self.head_dim = embed_dim / num_heads
  self.dropout, self.batch_first = o.dropout, o.batch_first
  self.kdim, self.vdim = o.kdim, o.vdim
  if o.kdim == embed_dim and o.vdim == embed_dim then
    self.in_proj_weight = xavier(3 * embed_dim, embed_dim)
  else
    self.q_proj_weight = xavier(embed_dim, embed_dim)
    self.k_proj_weight = xavier(embed_dim, o.kdim)
    self.v_proj_weight = xavier(embed_dim, o.vdim)
  end
  self.out_proj = linear.Linear(embed_dim, embed_dim, { bias = o.bias })
  if o.bias then
    self.in_proj_bias = Module.Parameter(init.zeros_(tensor.empty({ 3 * embed_dim }, "f32")))
    init.zeros_(self.out_proj.bias)
  end
end

-- (N, L, E) or (L, N, E) -> (N, heads, L, head_dim), a view.
local function split_heads(self, x)
  local heads = x:reshape(x:size(1), x:size(2), self.num_heads, self.head_dim)
  if self.batch_first then return heads:transpose(2, 3) end
  return heads:permute(2, 3, 1, 4)
end

-- (N, heads, L, head_dim) -> (N, L, E) or (L, N, E).
local function join_heads(self, y)
  local x = self.batch_first and y:transpose(2, 3) or y:permute(3, 1, 2, 4)
  return x:reshape(x:size(1), x:size(2), self.embed_dim)
end

-- Rows first + 1 to first + count of the packed bias, or nil.
local function bias_part(self, first, count)
  return self.in_proj_bias and self.in_proj_bias:narrow(1, first + 1, count)
end

-- The projections of three different inputs.
local function project_apart(self, query, key, value)
  local E, w = self.embed_dim, self.in_proj_weight
  local wq = w and w:narrow(1, 1, E) or self.q_proj_weight
  local wk = w and w:narrow(1, E + 1, E) or self.k_proj_weight
  local wv = w and w:narrow(1, 2 * E + 1, E) or self.v_proj_weight
  return lt.linear(query, wq, bias_part(self, 0, E)),
    lt.linear(key, wk, bias_part(self, E, E)),
    lt.linear(value, wv, bias_part(self, 2 * E, E))
end

-- q, k, v as (N, heads, L or S, head_dim).
local function project(self, query, key, value)
  local q, k, v
  if key == query and value == query and self.in_proj_weight then
    local packed = lt.linear(query, self.in_proj_weight, self.in_proj_bias)      -- (.., .., 3E)
    q, k, v = unpack(packed:chunk(3, -1))
  elseif key == value and self.in_proj_weight then
    local E = self.embed_dim
    q = lt.linear(query, self.in_proj_weight:narrow(1, 1, E), bias_part(self, 0, E))
    local packed = lt.linear(key, self.in_proj_weight:narrow(1, E + 1, 2 * E),
      bias_part(self, E, 2 * E))
    k, v = unpack(packed:chunk(2, -1))
  else
    q, k, v = project_apart(self, query, key, value)
  end
  return split_heads(self, q), split_heads(self, k), split_heads(self, v)
end

-- (L, S) stays, (N * heads, L, S) becomes (N, heads, L, S).
local function by_head(self, mask, batch)
  if mask:dim() ~= 3 then return mask end
  return mask:reshape(batch, self.num_heads, mask:size(2), mask:size(3))
end

-- What the fused ops want: they read booleans the other way round, true where a key takes part.
local function fused_options(self, o, batch)
  local mask = o.attn_mask
  if mask then
    mask = by_head(self, mask, batch)
    if mask:dtype() == "bool" then mask = mask:logical_not() end
  end
  return { attn_mask = mask, key_padding_mask = o.key_padding_mask, is_causal = o.is_causal,
    dropout_p = self.training and self.dropout or nil }
end

-- A mask as numbers to add, -inf where attention is forbidden.
local function additive(self, mask, batch)
  mask = by_head(self, mask, batch)
  if mask:dtype() ~= "bool" then return mask end
  return lt.zeros(mask:size()):masked_fill(mask, -math.huge)
end

-- softmax(q k' / sqrt(d) + bias) with all weights written out.
local function explicit(self, q, k, v, o, bias)
  local scores = lt.matmul(q, k:transpose(-2, -1)) * (1 / math.sqrt(self.head_dim))
  if bias then scores = scores + bias end
  if o.attn_mask then scores = scores + additive(self, o.attn_mask, q:size(1)) end
  if o.is_causal then
    local L, S = q:size(3), k:size(3)
    scores = scores:masked_fill(lt.ones({ L, S }, "bool"):triu(1), -math.huge)
  end
  if o.key_padding_mask then
    local N, S = k:size(1), k:size(3)
    scores = scores:masked_fill(o.key_padding_mask:reshape(N, 1, 1, S), -math.huge)
  end
  local weights = scores:softmax(-1)
  local dropped = weights
  if self.training and self.dropout > 0 then dropped = lt.dropout(weights, self.dropout) end
  return lt.matmul(dropped, v), weights
end

-- Self-attention straight from the packed projection: nothing is copied with batch_first.
local function itself(self, x, fused)
  local packed = lt.linear(x, self.in_proj_weight, self.in_proj_bias)
  packed = packed:reshape(x:size(1), x:size(2), 3, self.num_heads, self.head_dim)
  if not self.batch_first then packed = packed:transpose(1, 2) end
  local y = lt.packed_attention(packed, fused)                     -- (N, L, heads, head_dim)
  if not self.batch_first then y = y:transpose(1, 2) end
  return y:reshape(x:size(1), x:size(2), self.embed_dim)
end

local no_options = {}

--- Attends from query to key and value.
-- @param query (L, N, E), or (N, L, E) with batch_first
-- @param key (S, N, kdim) or (N, S, kdim); default query
-- @param value (S, N, vdim) or (N, S, vdim); default key
-- @param given options: key_padding_mask, bool (N, S), true where a key is to be ignored;
--   attn_mask, (L, S) or (N * heads, L, S), bool with true where attention is forbidden, or numbers
--   to add; is_causal = false: position i sees positions up to i, no mask needed;
--   need_weights = false (PyTorch's default is true): the weights are returned, which costs their
--   memory; average_attn_weights = true: (N, L, S), else (N, heads, L, S)
-- @return the result, shaped as query, and the weights or nil; a query that may see nothing gives
--   the projection of zeros (PyTorch: NaN)
function MultiheadAttention:forward(query, key, value, given)
  local o = given or no_options
  key = key or query
  value = value or key
  if query:dim() ~= 3 then
    fail("MultiheadAttention: query has %d dimensions, want 3", query:dim())
  end
  if o.need_weights then
    local q, k, v = project(self, query, key, value)
    local y, weights = explicit(self, q, k, v, o)
    if o.average_attn_weights ~= false then weights = weights:mean(2) end
    return self.out_proj(join_heads(self, y)), weights
  end
  local batch = query:size(self.batch_first and 1 or 2)
  if key == query and value == query and self.in_proj_weight then
    return self.out_proj(itself(self, query, fused_options(self, o, batch)))
  end
  local q, k, v = project(self, query, key, value)
  local y = lt.scaled_dot_product_attention(q, k, v, fused_options(self, o, batch))
  return self.out_proj(join_heads(self, y))
end

function MultiheadAttention:describe()
  return ("embed_dim=%d, num_heads=%d, dropout=%g, batch_first=%s")
    :format(self.embed_dim, self.num_heads, self.dropout, tostring(self.batch_first))
end

-- The projections of q, k, v, then the two products with (L, S) weights (self-attention's S = L).
function MultiheadAttention:flops(y)
  local E, tokens = self.embed_dim, y:numel() / self.embed_dim
  local length = y:size(self.batch_first and 2 or 1)
  return tokens * (6 * E * E + 4 * E * length)
end

--- Self-attention that knows distances: Transformer-XL's relative positions (Z. Dai et al. 2019,
-- section 3.3): score(i, j) = ((q_i + u) k_j + (q_i + v) W r_(i-j)) / sqrt(d), with r the sines and
-- cosines of the distance. Adds linear_pos.weight (E, E), pos_bias_u and pos_bias_v (heads, head_dim)
-- to MultiheadAttention's parameters. Batch first.
-- `nn.RelativeMultiheadAttention(embed_dim, num_heads, {dropout = 0, bias = true})`
local RelativeMultiheadAttention = Module.class("RelativeMultiheadAttention", MultiheadAttention)
attention.RelativeMultiheadAttention = RelativeMultiheadAttention

function RelativeMultiheadAttention:init(embed_dim, num_heads, given)
  local o = options.read("RelativeMultiheadAttention", given, { dropout = 0, bias = true })
  MultiheadAttention.init(self, embed_dim, num_heads,
    { dropout = o.dropout, bias = o.bias, batch_first = true })
  self.linear_pos = linear.Linear(embed_dim, embed_dim, { bias = false })
  local shape = { self.num_heads, self.head_dim }
  self.pos_bias_u = Module.Parameter(init.xavier_uniform_(tensor.empty(shape, "f32")))
  self.pos_bias_v = Module.Parameter(init.xavier_uniform_(tensor.empty(shape, "f32")))
  self._tables = {}
end

-- (2L - 1, E): the row p holds distance L - 1 - p.
local function distances(self, length)
  local kept = self._tables[length]
  if not kept then
    local position = require "luatrain.nn.position"
    kept = lt.keep(position.sinusoid_table(2 * length - 1, self.embed_dim, length - 1, -1))
    self._tables = { [length] = kept }
  end
  return kept
end

-- (N, H, L, 2L - 1) with column p for distance L - 1 - p -> (N, H, L, L) with column j for i - j.
-- Read with rows one shorter, each row begins one later: the shift of Transformer-XL.
local function shift(x)
  local N, H, L, P = x:size(1), x:size(2), x:size(3), x:size(4)
  local padded = lt.pad(x, { 1, 0 }):reshape(N, H, P + 1, L)
  return padded:narrow(3, 2, P):reshape(N, H, L, P):narrow(4, 1, L)
end

--- (N, L, E) -> (N, L, E); options key_padding_mask, attn_mask, is_causal as for MultiheadAttention.
function RelativeMultiheadAttention:forward(x, _, _, given)
  local N, L = x:size(1), x:size(2)
  local q, k, v = project(self, x, x, x)
  local r = self.linear_pos(distances(self, L))
  r = r:reshape(1, 2 * L - 1, self.num_heads, self.head_dim):permute(1, 3, 4, 2)
  local u = self.pos_bias_u:reshape(1, self.num_heads, 1, self.head_dim)
  local w = self.pos_bias_v:reshape(1, self.num_heads, 1, self.head_dim)
  local bias = shift(lt.matmul(q + w, r:expand(N, self.num_heads, self.head_dim, 2 * L - 1)))
  local y = explicit(self, q + u, k, v, given or no_options, bias * (1 / math.sqrt(self.head_dim)))
  return self.out_proj(join_heads(self, y))
end

return attention
