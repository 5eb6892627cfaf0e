-- Writing tokens with the transcription recipe's default decoder (256 wide, 4 layers, 8 heads, feed-forward
-- 1024), everything that comes after the encoder, greedily and with 5 beams:
--
--     decode_greedy, decode_beam5            one sequence of 512 tokens of 1212, 600 positions of memory
--     decode_10s_greedy, decode_10s_beam5    10 s of music as the recipe has them: three windows of 4 s side
--                                            by side, 200 tokens of 612 each (ASAP's performances: 169 on
--                                            average), 258 positions of memory
--
-- With _f32: weights, keys and values in f32 instead of 16-bit fixed point.
package.path = "tests/?.lua;" .. package.path
local lt = require "luatrain"
local timing = require "bench.timing"
local nn = lt.nn

lt.manual_seed(1)
local WIDTH = 256
local layer = nn.TransformerDecoderLayer(WIDTH, 8, { dim_feedforward = 1024, activation = "gelu",
  batch_first = true, norm_first = true })
local decoder = nn.TransformerDecoder(layer, 4, nn.LayerNorm(WIDTH)):eval()
local positions = nn.sinusoid_table(512, WIDTH)

local model = {}
function model.step(_, tokens, cache) return cache:step(tokens) end
function model.reorder(_, cache, rows) cache:reorder(rows) end

-- o: rows, words, length, memory
local function measure(name, o, precision)
  local embedding, output = nn.Embedding(o.words, WIDTH), nn.Linear(WIDTH, o.words)
  local memory = lt.randn(o.rows, o.memory, WIDTH)
  local function state()
    return nn.decoder_cache(decoder, memory, { embedding = embedding, positions = positions, output = output,
      max_length = o.length, precision = precision })
  end
  timing.result(name:format "greedy", timing.median(5, lt.scope, function()
    lt.decode.greedy(model, state(), o.rows, { bos = 1, max_length = o.length })
  end))
  timing.result(name:format "beam5", timing.median(5, lt.scope, function()
    lt.decode.beam(model, state(), o.rows, { bos = 1, beam = 5, max_length = o.length })
  end))
end

local one = { rows = 1, words = 1212, length = 512, memory = 600 }
measure("decode_%s", one, "i16")
measure("decode_%s_f32", one, "f32")
measure("decode_10s_%s", { rows = 3, words = 612, length = 200, memory = 258 }, "i16")
