-- The encoder-decoder: a picture of a window of sound in, the tokens of transcription_tokens.lua out.
--
--     pictures (B, frames, mels)  lt.audio.ast_features of a window, 16 kHz, a frame every 10 ms
--     encoder  (B, n, E)          Audio Spectrogram Transformer, n patches and two special tokens
--     project  (B, n, d)          to the decoder's width
--     decoder  (B, T, d)          embedded tokens with sines and cosines of their positions; causal
--                                 self-attention, attention to the encoder's result; norms come first
--     output   (B, T, vocabulary) scores of the next token
--
-- Decided where the documents disagree: the decoder is 256 wide with 4 layers, as the model's document has it
-- (the pipeline's 768 and 6 are settings); a window of 10 s is 998 frames for its encoder, and pretrained
-- weights, which are made for 1024 frames, have their position embeddings cut or interpolated to it, instead
-- of silence being embedded for what is missing.
--
-- A frozen encoder runs without a tape: nothing is computed backward through it.

local failure = require "luatrain.failure"
local options = require "luatrain.options"
local nn = lt.nn

local Seq2seq = nn.class "TranscriptionSeq2seq"
Seq2seq.fields = { "encoder", "project", "embedding", "decoder", "output" }

local SAMPLE_RATE = 16000

-- Of a window: 25 ms every 10 ms.
local function frames_of(seconds)
  return math.floor((seconds * SAMPLE_RATE - 400) / 160) + 1
end

local DEFAULTS = { hidden_size = 256, num_decoder_layers = 4, num_attention_heads = 8,
  intermediate_size = 1024, dropout = 0.1, max_tokens = 512, n_mels = 128,
  encoder = {} }

-- A small Audio Spectrogram Transformer; each of its defaults may be changed, and Hugging Face's sizes are
-- {hidden_size = 768, num_hidden_layers = 12, num_attention_heads = 12, intermediate_size = 3072,
-- frequency_stride = 10, time_stride = 10}.
local ENCODER = { hidden_size = 256, num_hidden_layers = 4, num_attention_heads = 8, intermediate_size = 1024,
  frequency_stride = 16, time_stride = 12 }

--- codec: of transcription_tokens.lua, whose seconds are the window's.
-- o: {hidden_size = 256, num_decoder_layers = 4, num_attention_heads = 8, intermediate_size = 1024,
-- dropout = 0.1, max_tokens = 512 (the longest sequence), n_mels = 128, encoder = options of nn.ast}
function Seq2seq:init(codec, o)
  o = options.read("Seq2seq", o, DEFAULTS)
  local d = o.hidden_size
  self._codec, self._longest = codec, o.max_tokens
  self._frames, self._n_mels = frames_of(codec.seconds), o.n_mels
  local encoder = { max_length = self._frames, num_mel_bins = o.n_mels }
  for _, sizes in ipairs { ENCODER, o.encoder } do
    for name, value in pairs(sizes) do encoder[name] = value end
  end
  self.encoder = nn.ast(encoder)
  self.project = nn.Linear(encoder.hidden_size, d)
  self.embedding = nn.Embedding(codec.vocabulary, d)
  self._positions = nn.sinusoid_table(o.max_tokens, d)
  self.dropout = nn.Dropout(o.dropout)
  self.decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(d, o.num_attention_heads,
    { dim_feedforward = o.intermediate_size, dropout = o.dropout, activation = "gelu", batch_first = true,
      norm_first = true }), o.num_decoder_layers, nn.LayerNorm(d))
  -- a stack's layers begin as copies of one: give each weights of its own
  for _, p in ipairs(self.decoder:parameters()) do
    if p:dim() == 2 then nn.init.xavier_uniform_(p) end
  end
  self.output = nn.Linear(d, codec.vocabulary)
end

--- The encoder's weights from a safetensors file with Hugging Face's names.
function Seq2seq:load_pretrained(path, given)
  self.encoder:load_pretrained(path, given)
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

--- What the encoder takes: (B, frames, mels) of sound (B, samples) at 16 kHz; what is shorter than the window
-- ends in silence.
function Seq2seq:pictures(sound)
  local missing = math.ceil(self._codec.seconds * SAMPLE_RATE) - sound:size(2)
  if missing > 0 then sound = lt.pad(sound, { 0, missing }) end
  return lt.audio.ast_features(sound, { max_length = self._frames, n_mels = self._n_mels })
end

--- (B, n, d) of pictures (B, frames, mels).
function Seq2seq:encode(pictures)
  local x
  if self.encoder.frozen then
    self.encoder:eval()
    x = lt.no_grad(self.encoder.forward, self.encoder, pictures)
  else
    x = self.encoder(pictures)
  end
  return self.project(x)
end

--- Scores of what follows each token, with teacher forcing.
-- @param pictures (B, frames, mels)
-- @param tokens (B, T) i64, beginning with bos
-- @return (B, T, vocabulary)
function Seq2seq:forward(pictures, tokens)
  local length = tokens:size(2)
  if length > self._longest then
    failure.raise("config", "a sequence of %d tokens, but the model was made for %d; see max_tokens", length,
      self._longest)
  end
  local memory = self:encode(pictures)
  local x = self.dropout(self.embedding(tokens) + self._positions:narrow(1, 1, length))
  return self.output(self.decoder(x, memory, { tgt_is_causal = true }))
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

--- What lt.decode needs of pictures: the encoder's result and a cache, a row each.
-- @param given precision of nn.decoder_cache
function Seq2seq:state(pictures, given)
  local memory = lt.no_grad(self.encode, self, pictures)
  return { cache = nn.decoder_cache(self.decoder, memory, { embedding = self.embedding,
    positions = self._positions, output = self.output, max_length = self._longest,
    precision = given and given.precision }) }
end

--- Scores (N, vocabulary) of what follows tokens (N), see lt.decode.
function Seq2seq.step(_, tokens, state)
  return state.cache:step(tokens)
end

--- From now on row k is what row rows[k] was, see lt.decode.
function Seq2seq.reorder(_, state, rows) state.cache:reorder(rows) end

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
