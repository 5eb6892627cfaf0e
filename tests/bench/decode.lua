-- Writing 512 tokens with the transcription recipe's default decoder: 256 wide, 4 layers, 8 heads,
-- feed-forward 1024, 1212 words, 600 positions of memory; greedily and with 5 beams, one sequence, everything
-- that comes after the encoder.
local lt = require "luatrain"
local nn = lt.nn

lt.manual_seed(1)
local LENGTH, WIDTH, WORDS = 512, 256, 1212
local layer = nn.TransformerDecoderLayer(WIDTH, 8, { dim_feedforward = 1024, activation = "gelu",
  batch_first = true, norm_first = true })
local decoder = nn.TransformerDecoder(layer, 4, nn.LayerNorm(WIDTH)):eval()
local embedding, output = nn.Embedding(WORDS, WIDTH), nn.Linear(WIDTH, WORDS)
local positions, memory = nn.sinusoid_table(LENGTH, WIDTH), lt.randn(1, 600, WIDTH)

local model = {}

function model.step(_, tokens, cache)
  return cache:step(tokens)
end

function model.reorder(_, cache, rows) cache:reorder(rows) end

local function measure(name, precision, write)
  local times = {}
  for i = 1, 6 do
    local start = lt.time()
    lt.scope(function()
      write(nn.decoder_cache(decoder, memory, { embedding = embedding, positions = positions, output = output,
        max_length = LENGTH, precision = precision }))
    end)
    times[i] = lt.time() - start
  end
  table.remove(times, 1)
  table.sort(times)
  print(("RESULT name=%s value=%.6f unit=s"):format(name, times[3]))
end

for _, kind in ipairs { { "", "i16" }, { "_f32", "f32" } } do
  measure("decode_greedy" .. kind[1], kind[2], function(cache)
    lt.decode.greedy(model, cache, 1, { bos = 1, max_length = LENGTH })
  end)
  measure("decode_beam5" .. kind[1], kind[2], function(cache)
    lt.decode.beam(model, cache, 1, { bos = 1, beam = 5, max_length = LENGTH })
  end)
end
