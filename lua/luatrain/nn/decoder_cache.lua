-- decoder_cache: a transformer decoder that writes sequences a position at a time.

local ffi = require "ffi"
local lt = require "luatrain"
local core = require "luatrain.core"
local tensor = require "luatrain.tensor"
local options = require "luatrain.options"

local C, fail = core.C, core.fail

local decoder_cache = {}

local Cache = {}
Cache.__index = Cache

local function sixteens(n) return math.ceil(n / 16) * 16 end
-- Columns of panels: of 16-bit numbers whole pairs.
local function deep(n, fixed) return fixed and math.ceil(n / 2) * 2 or n end

local activations = { relu = C.LT_DECODER_RELU, gelu = C.LT_DECODER_GELU, silu = C.LT_DECODER_SILU }

-- ---- weights ------------------------------------------------------------------------------------

-- What lt_decoder wants to know of an nn.TransformerDecoder.
local function shape_of(decoder, output, fixed)
  local first = decoder.layers[1]
  local attention = first.self_attn
  local activation = activations[first._activation]
  if not activation then
    fail("decoder_cache: the layers' activation must be \"relu\", \"gelu\" or \"silu\"")
  end
  return ffi.new("lt_decoder", {
    layers = #decoder.layers, heads = attention.num_heads, depth = sixteens(attention.head_dim),
    hidden = sixteens(first.linear1.out_features), width = attention.embed_dim,
    outputs = output and output.out_features or 0, activation = activation,
    norm_first = first.norm_first and 1 or 0, final_norm = decoder.norm and 1 or 0, fixed = fixed and 1 or 0,
    eps = first.norm1.eps, final_eps = decoder.norm and decoder.norm.eps or 0,
    scale = 1 / math.sqrt(attention.head_dim) })
end

-- Writes weights and vectors one behind the other, in the order in which lt_decoder_step reads them.
local function writer(shape, fixed)
  local size, w, columns = fixed and 2 or 4, shape.width, deep(shape.width, fixed)
  local inner, wide, outputs = shape.heads * shape.depth, sixteens(shape.width), sixteens(shape.outputs)
  local weights = shape.layers * (4 * inner * columns + 2 * wide * inner + shape.hidden * (columns + wide))
    + outputs * columns
  local shares = math.min(shape.heads, C.LT_DECODER_SHARES)
  local vectors = shape.layers * (2 * (4 * inner + shape.hidden) + 3 * (shares + 1) * wide + 6 * wide)
    + (shape.final_norm == 1 and 2 * wide or 0) + 2 * outputs
  local at = { weights = 0, vectors = 0 }
  local result = { shape = shape, weights = tensor.empty({ weights * size }, "u8"),
    vectors = lt.zeros { vectors } }

  local function part(name, n)
    at[name] = at[name] + n
    return result[name]:narrow(1, at[name] - n + 1, n)
  end
  -- A vector, or without one what stands for it, in whole sixteens.
  local function vector(v, n, default)
    local to = part("vectors", sixteens(n))
    if v then to:narrow(1, 1, v:size(1)):copy_(v) elseif default then to:fill_(default) end
  end
  -- units: heads or sixteens of hidden units whose shares of the columns become matrices of their own.
  local function linear(weight, bias, units)
    local rows, n = sixteens(weight:size(1)), units and shares or 1
    units = units or 1
    local each = weight:size(2) / units
    for g = 1, n do
      local first, last = math.floor(units * (g - 1) / n), math.floor(units * g / n)
      local some = weight:narrow(2, first * each + 1, (last - first) * each)
      lt.decoder_pack(some, { fixed = fixed, scales = part("vectors", rows),
        panels = part("weights", rows * deep(some:size(2), fixed) * size) })
    end
    vector(bias, rows)
  end
  local function norm(n)
    vector(n.weight, w, 1)
    vector(n.bias, w)
  end
  return result, linear, norm
end

-- (.., n, m) with zeros up to more rows.
local function pad_rows(x, rows)
  return x:size(-2) == rows and x or lt.pad(x, { 0, 0, 0, rows - x:size(-2) })
end

-- Rows of the heads of a projection (heads * head_dim, ..), each filled up to whole sixteens.
local function pad_heads(x, shape, parts)
  if not x or x:size(1) == parts * shape.heads * shape.depth then return x end
  local y = pad_rows(x:reshape(parts * shape.heads, x:size(1) / (parts * shape.heads), -1), shape.depth)
  return y:reshape(parts * shape.heads * shape.depth, y:size(3))
end

local function pad_bias(x, shape, parts)
  return x and pad_heads(x:unsqueeze(2), shape, parts):flatten()
end

local function pack_attention(m, shape, linear, own)
  local width = shape.width
  local weight, bias = m.in_proj_weight, m.in_proj_bias
  if own then
    linear(pad_heads(weight, shape, 3), pad_bias(bias, shape, 3))
  else
    linear(pad_heads(weight:narrow(1, 1, width), shape, 1),
      pad_bias(bias and bias:narrow(1, 1, width), shape, 1))
  end
  linear(pad_heads(m.out_proj.weight:transpose(1, 2), shape, 1):transpose(1, 2), m.out_proj.bias, shape.heads)
end

-- What makes keys and values of memory, of all layers: (layers * 2 * width, width), and a bias or nil.
local function memory_projection(decoder)
  local weights, biases = {}, {}
  for i, layer in ipairs(decoder.layers) do
    local m = layer.multihead_attn
    local E = m.embed_dim
    weights[i] = m.in_proj_weight:narrow(1, E + 1, 2 * E)
    biases[i] = m.in_proj_bias and m.in_proj_bias:narrow(1, E + 1, 2 * E)
  end
  return lt.cat(weights, 1), #biases > 0 and lt.cat(biases, 1) or nil
end

local function pack_weights(decoder, output, fixed)
  local shape = shape_of(decoder, output, fixed)
  local result, linear, norm = writer(shape, fixed)
  for i = 1, #decoder.layers do
    local l = decoder.layers[i]
    pack_attention(l.self_attn, shape, linear, true)
    pack_attention(l.multihead_attn, shape, linear, false)
    linear(pad_rows(l.linear1.weight, shape.hidden), l.linear1.bias)
    linear(pad_rows(l.linear2.weight:transpose(1, 2), shape.hidden):transpose(1, 2), l.linear2.bias,
      shape.hidden / 16)
    norm(l.norm1)
    norm(l.norm2)
    norm(l.norm3)
  end
  if decoder.norm then norm(decoder.norm) end
  if output then linear(output.weight, output.bias) end
  result.memory_weight, result.memory_bias = memory_projection(decoder)
  return result
end

-- Packed weights of decoders, for the next time, as long as no parameter was written or replaced.
local packed = setmetatable({}, { __mode = "k" })

local function same_parameters(kept, parameters)
  for i, p in ipairs(parameters) do
    local storage = p.c.storage
    if storage ~= kept.storages[i] or storage.written > kept.tick then return false end
  end
  return #parameters == #kept.storages
end

local function packed_weights(decoder, output, fixed)
  local parameters, kept = decoder:parameters(), packed[decoder]
  for _, p in ipairs(output and output:parameters() or {}) do parameters[#parameters + 1] = p end
  if kept and kept.fixed == fixed and same_parameters(kept, parameters) then return kept.weights end
  kept = { fixed = fixed, tick = C.lt_tick(), storages = {}, weights = pack_weights(decoder, output, fixed) }
  kept.weights.pace = ffi.new "lt_decoder_pace"
  for i, p in ipairs(parameters) do kept.storages[i] = p.c.storage end
  for _, name in ipairs { "weights", "vectors", "memory_weight", "memory_bias" } do
    if kept.weights[name] then lt.keep(kept.weights[name]) end
  end
  packed[decoder] = kept
  return kept.weights
end

-- ---- the encoder's result -----------------------------------------------------------------------

-- Keys and values of memory (B, S, width) for every layer.
local function pack_memory(weights, memory, mask, fixed)
  local shape = weights.shape
  local B, S, E = memory:size(1), memory:size(2), memory:size(3)
  local heads, depth, size = shape.heads, shape.depth, fixed and 2 or 4
  local n, rows = shape.layers * B * heads, sixteens(S)
  local result = {
    keys = tensor.empty({ n * rows * depth * size }, "u8"), key_scales = tensor.empty { n * rows },
    values = tensor.empty({ n * deep(S, fixed) * depth * size }, "u8"), value_scales = tensor.empty { n * S },
    bias = lt.zeros(B, S) }
  if mask then result.bias = result.bias:masked_fill(mask, -math.huge) end
  -- (2, layers, B, heads, S, head_dim)
  local both = lt.linear(memory, weights.memory_weight, weights.memory_bias)
    :reshape(B, S, shape.layers, 2, heads, E / heads):permute(4, 3, 1, 5, 2, 6)
  local keys, values = both:select(1, 1), both:select(1, 2):transpose(4, 5)
  if depth > E / heads then keys = lt.pad(keys, { 0, depth - E / heads }) end
  lt.decoder_pack(keys, { fixed = fixed, panels = result.keys, scales = result.key_scales })
  lt.decoder_pack(pad_rows(values, depth), { fixed = fixed, by_column = true, panels = result.values,
    scales = result.value_scales })
  return result
end

-- ---- the cache ----------------------------------------------------------------------------------

-- Room for the keys and values of rows, and of what the rows of each source share.
local function own_cache(shape, rows, sources, room)
  local heads = shape.layers * shape.heads
  local bytes = heads * room * shape.depth * (shape.fixed == 1 and 2 or 4)
  local slots = sources + rows
  return { keys = tensor.empty({ slots, bytes }, "u8"), values = tensor.empty({ slots, bytes }, "u8"),
    scales = tensor.empty { slots, shape.layers, shape.heads, 2, room },
    table = lt.zeros({ rows, room + 2 }, "i32"), other = lt.zeros({ rows, room + 2 }, "i32") }
end

--- A decoder that is ready to write, a position a step.
--
-- It has a copy of the weights as they were when it was made (the next one has the same, unless they were
-- changed): a step reads them in the order in which it needs them, and with "i16" at half the size. A row's
-- keys and values are computed once and stay where they are; `reorder` moves none. It lives as long as the
-- scope that it was made in, and computes as in eval mode, without a tape.
--
--     local cache = nn.decoder_cache(decoder, memory, { embedding = embedding, output = head })
--     local scores = cache:step(tokens)                      -- (rows, vocabulary)
--     cache:reorder { 1, 1, 3 }                              -- three rows: two from the first, the third
-- @param decoder an nn.TransformerDecoder whose activation is "relu", "gelu" or "silu"
-- @param memory the encoder's result, (B, S, d_model), or (S, B, d_model) where the layers have not
--   batch_first; one row for each of the B to begin with
-- @param given {embedding = nil: an nn.Embedding before the decoder: steps take tokens,
--   positions = nil: (max_length or more, d_model), whose rows are added to the inputs of the positions,
--   output = nil: an nn.Linear after the decoder, max_length = 512 (positions),
--   precision = "i16": weights, keys and values with 16 bits and a scale for each row, multiplied in integers
--   (scores differ by some 1e-4 of the largest); "f32": all f32,
--   key_padding_mask = nil: bool (B, S), true where a position of memory is to be ignored}
function decoder_cache.decoder_cache(decoder, memory, given)
  local o = options.read("decoder_cache", given, { embedding = options.none, positions = options.none,
    output = options.none, max_length = 512, precision = "i16", key_padding_mask = options.none })
  if o.precision ~= "i16" and o.precision ~= "f32" then
    fail("decoder_cache: precision %s; there are \"i16\" and \"f32\"", tostring(o.precision))
  end
  local attention = decoder.layers[1].self_attn
  if memory:dim() ~= 3 or memory:size(3) ~= attention.embed_dim then
    fail("decoder_cache: memory is %s, wanted three dimensions, the last %d", memory:shape_text(),
      attention.embed_dim)
  end
  local self = setmetatable({ length = 0 }, Cache)
  local fixed = o.precision == "i16"
  lt.no_grad(lt.op.autocast, false, function()
    if not attention.batch_first then memory = memory:transpose(1, 2) end
    local weights = packed_weights(decoder, o.output, fixed)
    self._weights = { shape = weights.shape, weights = weights.weights,
      vectors = weights.vectors, pace = weights.pace, words = o.embedding and o.embedding.weight:detach(),
      places = o.positions and o.positions:contiguous() }
    self._memory = pack_memory(weights, memory:cast "f32", o.key_padding_mask, fixed)
    self.rows, self.max_length = memory:size(1), o.max_length
    self._sources = self.rows
    self._own = own_cache(self._weights.shape, self.rows, self.rows, sixteens(o.max_length))
    for row = 1, self.rows do
      self._own.table:narrow(1, row, 1):narrow(2, 1, 1):fill_(self._sources + row - 1)
      self._own.table:narrow(1, row, 1):narrow(2, 2, 1):fill_(row - 1)
    end
  end)
  return self
end

--- The next position of all rows.
-- @param x tokens (rows) i64 where the cache has an embedding, else vectors (rows, d_model)
-- @return (rows, d_model), or the output layer's (rows, out_features)
function Cache:step(x)
  if x:dim() ~= (self._weights.words and 1 or 2) or x:size(1) ~= self.rows then
    fail("decoder_cache: x is %s, but there are %d rows", x:shape_text(), self.rows)
  end
  if self.length >= self.max_length then
    fail("decoder_cache: the cache has room for %d positions; give a larger max_length", self.max_length)
  end
  local y = lt.decoder_step(x:contiguous(), self._own, self._weights, self._memory, self.length)
  self.length = self.length + 1
  return y
end

-- What of keys, values, scales and table was written until now, by as many slots and rows as `old` has.
local function written(self, own, old)
  local shape, room = self._weights.shape, own.scales:size(5)
  local heads, length = shape.layers * shape.heads, math.min(sixteens(self.length), room)
  local function beginnings(bytes, pieces)
    local each = bytes:size(2) / pieces
    return bytes:narrow(1, 1, old.keys:size(1)):reshape(-1, pieces, each):narrow(3, 1, each / room * length)
  end
  return { beginnings(own.keys, heads), beginnings(own.values, heads * shape.depth / 16),
    own.scales:narrow(1, 1, old.scales:size(1)):narrow(5, 1, length),
    own.table:narrow(1, 1, old.table:size(1)) }
end

-- Moves to a cache of more rows.
local function grow(self, rows)
  local old = self._own
  local own = own_cache(self._weights.shape, rows, self._sources, old.scales:size(5))
  local from = written(self, old, old)
  for i, to in ipairs(written(self, own, old)) do to:copy_(from[i]) end
  -- Steps have scopes of their own, which these must outlive.
  for _, t in pairs(own) do lt.keep(t) end
  for _, t in pairs(old) do t:release() end
  self._own = own
end

--- From now on row k is what row rows[k] was; there may be more rows than before, or fewer.
-- @param rows list, from 1
function Cache:reorder(rows)
  if #rows > self._own.table:size(1) then lt.no_grad(grow, self, #rows) end
  local from = {}
  for k, row in ipairs(rows) do
    if not (row >= 1 and row <= self.rows) then
      fail("decoder_cache: row %s of %d", tostring(row), self.rows)
    end
    from[k] = row - 1
  end
  local own = self._own
  lt.decoder_reorder(own.other, own.table, lt.tensor(from, "i64"), self._sources)
  own.table, own.other = own.other, own.table
  self.rows = #rows
end

return decoder_cache
