-- ast: the Audio Spectrogram Transformer (Y. Gong, Y.-A. Chung, J. Glass 2021), with the names, options and
-- results of Hugging Face's ASTModel.

local lt = require "luatrain"
local failure = require "luatrain.failure"
local tensor = require "luatrain.tensor"
local init = require "luatrain.nn.initialize"
local options = require "luatrain.options"
local container = require "luatrain.nn.container"
local conv = require "luatrain.nn.conv"
local dropout = require "luatrain.nn.dropout"
local linear = require "luatrain.nn.linear"
local norm = require "luatrain.nn.norm"
local Module = require "luatrain.nn.module"

local ast = {}

local PREFIX = "audio_spectrogram_transformer."

local DEFAULTS = { hidden_size = 768, num_hidden_layers = 12, num_attention_heads = 12,
  intermediate_size = 3072, hidden_dropout_prob = 0, attention_probs_dropout_prob = 0,
  initializer_range = 0.02, layer_norm_eps = 1e-12, patch_size = 16, qkv_bias = true,
  frequency_stride = 10, time_stride = 10, max_length = 1024, num_mel_bins = 128 }

-- ---- a block ------------------------------------------------------------------------------------

-- x + attention(norm(x)), then x + mlp(norm(x)).
local ASTLayer = Module.class "ASTLayer"
ASTLayer.fields = { "attention", "intermediate", "output", "layernorm_before", "layernorm_after" }

function ASTLayer:init(o)
  local d = o.hidden_size
  local function projection() return linear.Linear(d, d, { bias = o.qkv_bias }) end
  self.attention = {
    attention = { query = projection(), key = projection(), value = projection() },
    output = { dense = linear.Linear(d, d) },
  }
  self.intermediate = { dense = linear.Linear(d, o.intermediate_size) }
  self.output = { dense = linear.Linear(o.intermediate_size, d) }
  self.layernorm_before = norm.LayerNorm(d, { eps = o.layer_norm_eps })
  self.layernorm_after = norm.LayerNorm(d, { eps = o.layer_norm_eps })
  self._heads, self._attention_dropout = o.num_attention_heads, o.attention_probs_dropout_prob
  self._dropout = dropout.Dropout(o.hidden_dropout_prob)
end

function ASTLayer:forward(x)
  local B, L, d = x:size(1), x:size(2), x:size(3)
  local own, normed = self.attention.attention, self.layernorm_before(x)
  local function heads(y) return y:reshape(B, L, self._heads, d / self._heads):transpose(2, 3) end
  local seen = lt.scaled_dot_product_attention(heads(own.query(normed)), heads(own.key(normed)),
    heads(own.value(normed)), { dropout_p = self.training and self._attention_dropout or nil })
  x = self._dropout(self.attention.output.dense(seen:transpose(2, 3):reshape(B, L, d)), x)
  local hidden = self.intermediate.dense(self.layernorm_after(x), "gelu")
  return self._dropout(self.output.dense(hidden), x)
end

-- ---- the model ----------------------------------------------------------------------------------

--- The model itself, of which nn.ast makes one with Hugging Face's settings.
local AST = Module.class "AST"
ast.AST = AST
AST.fields = { "embeddings", "encoder", "layernorm" }

-- Patches along an axis of n entries.
local function patches(n, size, stride) return math.floor((n - size) / stride) + 1 end

function AST:init(given)
  local o = options.read("AST", given, DEFAULTS)
  if o.hidden_size % o.num_attention_heads ~= 0 then
    lt.core.fail("AST: hidden_size %d cannot be divided among %d heads", o.hidden_size, o.num_attention_heads)
  end
  self._grid = { patches(o.num_mel_bins, o.patch_size, o.frequency_stride),
    patches(o.max_length, o.patch_size, o.time_stride) }
  if self._grid[1] < 1 or self._grid[2] < 1 then
    lt.core.fail("AST: a picture of %d bins and %d frames has no room for a patch of %d", o.num_mel_bins,
      o.max_length, o.patch_size)
  end
  self._options = o
  local d = o.hidden_size
  local function zeros(...) return Module.Parameter(init.zeros_(tensor.empty({ ... }, "f32"))) end
  self.embeddings = {
    cls_token = zeros(1, 1, d), distillation_token = zeros(1, 1, d),
    position_embeddings = zeros(1, self._grid[1] * self._grid[2] + 2, d),
    patch_embeddings = { projection = conv.Conv2d(1, d, o.patch_size,
      { stride = { o.frequency_stride, o.time_stride } }) },
  }
  self.encoder = { layer = container.ModuleList() }
  for _ = 1, o.num_hidden_layers do self.encoder.layer:append(ASTLayer(o)) end
  self.layernorm = norm.LayerNorm(d, { eps = o.layer_norm_eps })
  self._dropout = dropout.Dropout(o.hidden_dropout_prob)
  self:apply(function(m)
    if m.class_name == "Linear" or m.class_name == "Conv2d" then
      init.trunc_normal_(m.weight, 0, o.initializer_range)
      if m.bias then init.zeros_(m.bias) end
    end
  end)
end

--- Embeds pictures x (B, max_length, num_mel_bins), as lt.audio.ast_features makes them, and runs them
-- through all blocks.
-- @return (B, patches + 2, hidden_size), the two special tokens first, then the patches, frequency by
--   frequency; and (B, hidden_size), the mean of the special tokens
function AST:forward(x)
  local o, e = self._options, self.embeddings
  if x:dim() ~= 3 or x:size(2) ~= o.max_length or x:size(3) ~= o.num_mel_bins then
    lt.core.fail("AST: the input is %s, wanted (batch, %d frames, %d bins)", x:shape_text(), o.max_length,
      o.num_mel_bins)
  end
  local B, d = x:size(1), o.hidden_size
  local y = e.patch_embeddings.projection(x:unsqueeze(2):transpose(3, 4):contiguous())
  y = y:flatten(3):transpose(2, 3)
  y = lt.cat({ e.cls_token:expand(B, 1, d), e.distillation_token:expand(B, 1, d), y }, 2)
  y = self._dropout(y + e.position_embeddings)
  for i = 1, #self.encoder.layer do y = self.encoder.layer[i](y) end
  y = self.layernorm(y)
  return y, (y:select(2, 1) + y:select(2, 2)) * 0.5
end

--- The patches' part of the result as a picture: (B, hidden_size, frequencies, times).
function AST:map(y)
  local f, t = self._grid[1], self._grid[2]
  return y:narrow(2, 3, f * t):transpose(2, 3):reshape(y:size(1), y:size(3), f, t)
end

-- ---- weights ------------------------------------------------------------------------------------

-- (to, from): row i mixes the two entries nearest to it (bilinear, half-pixel centres, as
-- torch.nn.functional.interpolate without align_corners).
local function mixing(from, to)
  local rows = {}
  for i = 1, to do
    local at = math.max((i - 0.5) * from / to - 0.5, 0)
    local low = math.min(math.floor(at), from - 1)
    local share, row = at - low, {}
    for k = 1, from do row[k] = 0 end
    row[low + 1] = 1 - share
    local high = math.min(low + 1, from - 1) + 1
    row[high] = row[high] + share
    rows[i] = row
  end
  return lt.tensor(rows)
end

-- Position embeddings (1, f * t + 2, d) of one grid for another: the middle where it is smaller, interpolated
-- where it is larger (the published recipe for other lengths).
local function regrid(p, from, to)
  local d = p:size(3)
  local special, grid = p:narrow(2, 1, 2), p:narrow(2, 3, from[1] * from[2])
  grid = grid:reshape(from[1], from[2] * d)
  local function fit(y, old, new)  -- along the first dimension
    if new < old then return y:narrow(1, math.floor(old / 2) - math.floor(new / 2) + 1, new) end
    return new == old and y or lt.matmul(mixing(old, new), y)
  end
  grid = fit(grid, from[1], to[1]):reshape(to[1], from[2], d)
  grid = grid:transpose(1, 2):reshape(from[2], to[1] * d)
  grid = fit(grid, from[2], to[2]):reshape(to[2], to[1], d):transpose(1, 2)
  return lt.cat({ special, grid:reshape(1, to[1] * to[2], d) }, 2):contiguous()
end

--- Loads the weights of a safetensors file with Hugging Face's names (of ASTModel or
-- ASTForAudioClassification, whose classifier is not used). Position embeddings of another length are cut or
-- interpolated: `grid` = {frequencies, times} is the grid they were made for.
-- @param given {grid = {12, 101}}
function AST:load_pretrained(path, given)
  local o = options.read("AST:load_pretrained", given, { grid = { 12, 101 } })
  local state, own = lt.safetensors.load(path), {}
  for name, value in pairs(state) do
    if name:sub(1, #PREFIX) == PREFIX then name = name:sub(#PREFIX + 1) end
    if not name:find "^classifier%." then own[name] = value end
  end
  local key = "embeddings.position_embeddings"
  local p, wanted = own[key], self.embeddings.position_embeddings
  if not p then
    failure.raise("data", "%s: no Audio Spectrogram Transformer (it has no %s)", path, key)
  end
  if p:dim() == 3 and p:size(2) ~= wanted:size(2) and p:size(3) == wanted:size(3) then
    if p:size(2) ~= o.grid[1] * o.grid[2] + 2 then
      failure.raise("data", "%s: %d position embeddings, not 2 + %d x %d; give their grid", path, p:size(2),
        o.grid[1], o.grid[2])
    end
    own[key] = lt.no_grad(regrid, p, o.grid, self._grid)
  end
  failure.wrap("data", path .. ": ", self.load_state_dict, self, own)
  return self
end

--- An Audio Spectrogram Transformer, 86 million parameters with the defaults.
-- @param given Hugging Face's options: hidden_size = 768, num_hidden_layers = 12, num_attention_heads = 12,
--   intermediate_size = 3072, hidden_dropout_prob = 0, attention_probs_dropout_prob = 0,
--   initializer_range = 0.02, layer_norm_eps = 1e-12, patch_size = 16, qkv_bias = true,
--   frequency_stride = 10, time_stride = 10, max_length = 1024 (frames), num_mel_bins = 128
--
--     local net = nn.ast():load_pretrained "ast.safetensors"
--     local patches, pooled = net(lt.audio.ast_features(x))     -- x (B, T) at 16 kHz
function ast.ast(given) return AST(given) end

return ast
