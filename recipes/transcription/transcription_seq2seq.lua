-- The encoder-decoder: a window of sound in, the tokens of transcription_tokens.lua out.
--
--     pictures                    what the encoder hears of the window, transcription_ears.lua
--     encoder  (B, n, E)          an Audio Spectrogram Transformer, or the frame-wise model
--     project  (B, n, d)          to the decoder's width, and each row's time in the window
--     decoder  (B, T, d)          embedded tokens with their positions and times, and what is heard then;
--                                 causal self-attention, attention to the encoder's result; norms come first
--     output   (B, T, vocabulary) scores of the next token, those of times by transcription_pointer.lua
--
-- A token's time is the last one that was said, and `present` adds what the encoder heard at it, but for the
-- beginnings and ends of notes that have been said: the decoder need not find where it has come to and what
-- is left to say, which otherwise takes long to be learnt. Positions and times are sines and cosines; times
-- go through one matrix (`place`) on both sides, and the attention between them begins as their product.
--
-- Decided where the documents disagree: the decoder is 256 wide with 4 layers, as the model's document has it
-- (the pipeline's 768 and 6 are settings); a window of 10 s is 998 frames for its encoder, and pretrained
-- weights, which are made for 1024 frames, have their position embeddings cut or interpolated to it, instead
-- of silence being embedded for what is missing.
--
-- A frozen encoder runs without a tape: nothing is computed backward through it.

local ears = require "transcription_ears"
local failure = require "luatrain.failure"
local options = require "luatrain.options"
local Pointer = require "transcription_pointer"
local nn = lt.nn

local Seq2seq = nn.class "TranscriptionSeq2seq"
Seq2seq.fields = { "encoder", "project", "present", "place", "pointer", "embedding", "decoder", "output" }

local DEFAULTS = { hidden_size = 256, num_decoder_layers = 4, num_attention_heads = 8,
  intermediate_size = 1024, dropout = 0.1, max_tokens = 512, ear = "ast", n_mels = 128,
  encoder = {} }

-- A decoder's layers begin as copies of one: each gets weights of its own. Queries and keys begin the same
-- (Trockman and Kolter 2023), and times outweigh the rest, so that each token begins by looking at the rows
-- near its time and at what has been said of the same time already.
local function initialize(self, d)
  for _, p in ipairs(self.decoder:parameters()) do
    if p:dim() == 2 then nn.init.xavier_uniform_(p) end
  end
  nn.init.normal_(self.embedding.weight, 0, 0.25)
  nn.init.normal_(self.project.weight, 0, self._ear.spread)
  nn.init.normal_(self.present.weight, 0, self._ear.spread)
  nn.init.orthogonal_(self.place.weight)
  lt.no_grad(function()
    for i = 1, #self.decoder.layers do
      for _, attention in ipairs { "self_attn", "multihead_attn" } do
        local weight = self.decoder.layers[i][attention].in_proj_weight
        local query = nn.init.orthogonal_(weight:narrow(1, 1, d):clone(), 2)
        weight:narrow(1, 1, d):copy_(query)
        weight:narrow(1, d + 1, d):copy_(query)
      end
    end
  end)
end

-- (moments, n): mixes the rows that are nearest to each moment, `step` seconds apart.
local function nearest(times, moments, step)
  local mix = lt.zeros(moments, #times)
  local weights = mix:data()
  for m = 0, moments - 1 do
    local least, count = math.huge, 0
    for i = 1, #times do
      local distance = times[i] and math.abs(times[i] - m * step) or math.huge
      if distance < least - 1e-6 then least, count = distance, 0 end
      if distance < least + 1e-6 then count = count + 1 end
    end
    for i = 1, #times do
      if times[i] and math.abs(times[i] - m * step) < least + 1e-6 then
        weights[m * #times + i - 1] = 1 / count
      end
    end
  end
  return mix
end

--- codec: of transcription_tokens.lua, whose seconds are the window's.
-- o: {hidden_size = 256, num_decoder_layers = 4, num_attention_heads = 8, intermediate_size = 1024,
-- dropout = 0.1, max_tokens = 512 (the longest sequence), ear = "ast" or "frames", n_mels = 128 (ast),
-- encoder = options of nn.ast or of the frame-wise model}
function Seq2seq:init(codec, o)
  o = options.read("Seq2seq", o, DEFAULTS)
  local d = o.hidden_size
  self._codec, self._longest = codec, o.max_tokens
  self.ear, self._ear = o.ear, ears[o.ear](codec.seconds, o)
  self.encoder = self._ear.encoder
  self.project, self.present = nn.Linear(self._ear.width, d), nn.Linear(self._ear.width, d)
  self.place = nn.Linear(d, d, { bias = false })
  self.embedding = nn.Embedding(codec.vocabulary, d)
  self._positions = nn.sinusoid_table(o.max_tokens, d) * 0.25
  local step = codec.step or codec.seconds
  self._count = math.ceil(codec.seconds / step) + 1
  self._moments = nn.sinusoid_table(self._count, d, 0, 1, 1000)
  self._nearest = nearest(self._ear.times, self._count, step)
  local times = {}
  for i, time in ipairs(self._ear.times) do times[i] = math.floor((time or 0) / step + 0.5) end
  self._times = lt.tensor(times, "i64")
  self.dropout = nn.Dropout(o.dropout)
  self.decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(d, o.num_attention_heads,
    { dim_feedforward = o.intermediate_size, dropout = o.dropout, activation = "gelu", batch_first = true,
      norm_first = true }), o.num_decoder_layers, nn.LayerNorm(d))
  if codec.steps then self.pointer = Pointer(codec, self._ear, self._count) end
  self.output = nn.Linear(d, codec.vocabulary + (self.pointer and Pointer.width or 0))
  initialize(self, d)
end

--- The encoder's weights from a file: a safetensors file with Hugging Face's names, or a checkpoint of the
-- frame-wise model.
function Seq2seq:load_pretrained(path, given)
  self._ear.load(path, given)
  return self
end

--- Stops training the encoder.
function Seq2seq:freeze_encoder()
  self.encoder:freeze()
  return self
end

--- Numbers of parameters: {total, trainable, frozen}.
function Seq2seq:count_parameters()
  local total, trainable = self:num_parameters(), self:num_parameters(true)
  return { total = total, trainable = trainable, frozen = total - trainable }
end

--- What the encoder takes, of a batch of what transcription_ears.lua reads: sound (B, samples) at 16 kHz,
-- which ends in silence where it is shorter than the window, or levels (B, rows, bands * 2).
function Seq2seq:pictures(heard) return self._ear.pictures(heard) end

--- What the decoder knows of pictures: {memory (B, n, d): all rows of the encoder's result; heard: what it
-- heard at each moment (B * moments, E), and places (moments, d), the moments' own vectors; or, where nothing
-- that was said is taken from it, `present` of it and the moment's vector in one, (B * moments, d); seen:
-- what the pointer sees (nil without one)}.
function Seq2seq:encode(pictures)
  local x
  if self.encoder.frozen then
    self.encoder:eval()
    x = lt.no_grad(self._ear.run, pictures)
  else
    x = self._ear.run(pictures)
  end
  local places, heard = self.place(self._moments), lt.matmul(self._nearest, x)
  local known = { memory = self.project(x) + places:index_select(1, self._times),
    seen = self.pointer and self.pointer:look(heard) }
  if self._ear.said then
    known.heard, known.places = heard:flatten(1, 2), places
  else
    known.heard = (self.present(heard) + places):flatten(1, 2)
  end
  return known
end

-- Puts 0 in a row of the mask for what a follower has said.
local function hide(self, follower, mask)
  for one in follower:said() do
    local first, last = self._ear.said(one.kind, one.key)
    for at = first, last do mask[at] = 0 end
  end
end

-- Tokens (N) i64 as the decoder takes them, without their positions: each with its moment and what is heard
-- then, but for what has been said of it already; and the moments (N).
-- @param known what encode found
-- @param picture(i) of token i, both from 0
-- @param follower(i) what a row has said up to token i, and with it
local function embed(self, tokens, known, picture, follower)
  local N, width = tokens:numel(), self._ear.width
  local moments, rows = lt.empty({ N }, "i64"), lt.empty({ N }, "i64")
  local mask = self._ear.said and lt.ones(N, width)
  local from, at, row, seen = tokens:data(), moments:data(), rows:data(), mask and mask:data()
  for i = 0, N - 1 do
    local one = follower(i)
    one:take(tonumber(from[i]))
    at[i], row[i] = one.moment, one.moment + picture(i) * self._count
    if mask then hide(self, one, seen + i * width) end
  end
  local present = lt.embedding(rows, known.heard)
  if mask then present = self.present(present * mask) + lt.embedding(moments, known.places) end
  return self.embedding(tokens) + present, moments
end

--- Scores of what follows each token, with teacher forcing.
-- @param pictures of B windows
-- @param tokens (B, T) i64, beginning with bos
-- @return (B, T, vocabulary)
function Seq2seq:forward(pictures, tokens)
  local length = tokens:size(2)
  if length > self._longest then
    failure.raise("config", "a sequence of %d tokens, but the model was made for %d; see max_tokens", length,
      self._longest)
  end
  local known = self:encode(pictures)
  local B, list = tokens:size(1), tokens:contiguous():flatten()
  local follower
  local x, moments = embed(self, list, known, function(i) return math.floor(i / length) end,
    function(i)
      if i % length == 0 then follower = self._codec:follow() end
      return follower
    end)
  x = x:reshape(B, length, -1) + self._positions:narrow(1, 1, length)
  local said = self.output(self.decoder(self.dropout(x), known.memory, { tgt_is_causal = true }))
  return self.pointer and self.pointer(said, known.seen, moments) or said
end

--- Tokens (B, n) and targets (B, n) of a batch without the padding that all its rows have.
function Seq2seq:trim(tokens, targets)
  local longest = targets:ne(self._codec.pad):cast("f32"):sum(2):max():item()
  local n = math.min(tokens:size(2), math.max(16, math.ceil(longest / 16) * 16))
  return tokens:narrow(2, 1, n):contiguous(), targets:narrow(2, 1, n):contiguous()
end

--- Cross-entropy of scores (B, T, vocabulary) and targets (B, T), without what is padding.
function Seq2seq:loss(scores, targets)
  return lt.loss.cross_entropy(scores:flatten(1, 2), targets:flatten(), { ignore_index = self._codec.pad })
end

--- The share of right tokens, without what is padding.
function Seq2seq:accuracy(scores, targets)
  local counts = targets:ne(self._codec.pad):cast "f32"
  local right = scores:argmax(3):eq(targets):cast "f32"
  return (right * counts):sum():item() / math.max(counts:sum():item(), 1)
end

-- ---- decoding -----------------------------------------------------------------------------------

-- Rows a picture, where the rows are of all pictures in their order and as many of each; else nil.
local function evenly(rows, pictures)
  local each = #rows / pictures
  for k, row in ipairs(rows) do
    if row.picture ~= math.floor((k - 1) / each) then return nil end
  end
  return each % 1 == 0 and each or nil
end

--- What lt.decode needs of pictures: the encoder's result, a cache, and of each row its picture and what it
-- has said.
-- @param given precision of nn.decoder_cache
function Seq2seq:state(pictures, given)
  return lt.no_grad(function()
    local known = self:encode(pictures)
    local rows = {}
    for row = 1, pictures:size(1) do rows[row] = { picture = row - 1, follower = self._codec:follow() } end
    local cache = nn.decoder_cache(self.decoder, known.memory, { positions = self._positions,
      output = self.output, max_length = self._longest, precision = given and given.precision })
    return { rows = rows, pictures = #rows, each = 1, known = known, cache = cache }
  end)
end

--- Scores (N, vocabulary) of what follows tokens (N), see lt.decode.
function Seq2seq:step(tokens, state)
  local rows = state.rows
  local x, moments = embed(self, tokens, state.known,
    function(i) return rows[i + 1].picture end, function(i) return rows[i + 1].follower end)
  local said = state.cache:step(x)
  if not self.pointer then return said end
  if state.each then
    return self.pointer(said:reshape(-1, state.each, said:size(2)), state.known.seen, moments):flatten(1, 2)
  end
  local pictures = {}
  for k, row in ipairs(rows) do pictures[k] = row.picture end
  return self.pointer(said:unsqueeze(2), state.known.seen, moments, lt.tensor(pictures, "i64")):squeeze(2)
end

--- From now on row k is what row rows[k] was, see lt.decode.
function Seq2seq.reorder(_, state, rows)
  state.cache:reorder(rows)
  local before = state.rows
  state.rows = {}
  for k, row in ipairs(rows) do
    state.rows[k] = { picture = before[row].picture, follower = before[row].follower:copy() }
  end
  state.each = evenly(state.rows, state.pictures)
end

-- The options of lt.decode for those of generate.
local function decode_options(self, strategy, o)
  local codec, longest = self._codec, self._longest
  local given = { bos = codec.bos, eos = codec.eos, max_length = math.min(o.max_length or longest, longest) }
  if strategy == "beam" then
    given.beam, given.length_penalty = o.beam_size or 5, o.length_penalty or 1
    given.count = o.num_return_sequences or 1
  elseif strategy == "sample" then
    given.temperature, given.top_k = o.temperature or 1, o.top_k or 50
    given.top_p, given.generator = o.top_p or 0.95, o.generator
  elseif strategy ~= "greedy" then
    failure.raise("config", "there is no strategy '%s'; there are greedy, beam and sample",
      tostring(strategy))
  end
  return given
end

--- Tokens of pictures, as lists.
-- @param o {strategy = "greedy" | "beam" | "sample", max_length = max_tokens, beam_size = 5,
--   length_penalty = 1, temperature = 1, top_k = 50, top_p = 0.95 (sample), num_return_sequences = 1 (beam
--   and sample), generator, precision}
-- @return a list of sequences for each picture (see lt.decode), the best first
function Seq2seq:generate(pictures, o)
  o = o or {}
  local strategy, training = o.strategy or "greedy", self.training
  local given = decode_options(self, strategy, o)
  self:eval()
  local function decode()
    return lt.scope(function()
      return lt.decode[strategy](self, self:state(pictures, o), pictures:size(1), given)
    end)
  end
  local found = decode()
  if strategy ~= "beam" then
    for i, one in ipairs(found) do found[i] = { one } end
    for k = 2, strategy == "sample" and o.num_return_sequences or 1 do
      for i, one in ipairs(decode()) do found[i][k] = one end
    end
    for _, samples in ipairs(found) do
      table.sort(samples, function(a, b) return a.score > b.score end)
    end
  end
  self:train(training)
  return found
end

return Seq2seq
