-- Writing tokens with the transcription recipe's default decoder (256 wide, 4 layers, 8 heads, feed-forward
-- 1024), everything that comes after the encoder, greedily and with 5 beams:
--
--     decode_greedy, decode_beam5            one sequence of 512 tokens of 1212, 600 positions of memory
--     decode_10s_greedy, decode_10s_beam5    10 s of music by the recipe's model itself: three windows of 4 s
--                                            side by side, 200 tokens of 396 each (ASAP's performances: 145
--                                            on average), 258 positions of memory
--
-- With _f32: weights, keys and values in f32 instead of 16-bit fixed point.
package.path = "tests/?.lua;recipes/transcription/?.lua;" .. package.path
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

local function write(name, writer, rows, length, state)
  timing.result(name:format "greedy", timing.median(5, lt.scope, function()
    lt.decode.greedy(writer, state(), rows, { bos = 1, max_length = length })
  end))
  timing.result(name:format "beam5", timing.median(5, lt.scope, function()
    lt.decode.beam(writer, state(), rows, { bos = 1, beam = 5, max_length = length })
  end))
end

local function measure(name, precision)
  local embedding, output, memory = nn.Embedding(1212, WIDTH), nn.Linear(WIDTH, 1212), lt.randn(1, 600, WIDTH)
  write(name, model, 1, 512, function()
    return nn.decoder_cache(decoder, memory, { embedding = embedding, positions = positions, output = output,
      max_length = 512, precision = precision })
  end)
end

measure("decode_%s", "i16")
measure("decode_%s_f32", "f32")

local codec = require("transcription_tokens").codec("events", { step = 0.02, bins = 16 })
local recipe = require "transcription_seq2seq"(codec):eval()
local pictures = lt.randn(3, 398, 128)
local known = lt.no_grad(recipe.encode, recipe, pictures)
function recipe.encode() return known end
write("decode_10s_%s", recipe, 3, 200, function() return recipe:state(pictures) end)
