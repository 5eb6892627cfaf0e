-- One training step of the transcription recipe's decoder: 256 wide, 4 layers, 8 heads, feed-forward 1024,
-- sequences of 512 tokens of 1212, batch 8, 600 positions of memory, dropout 0.1, cross-entropy, AdamW.
package.path = "tests/?.lua;" .. package.path
local lt = require "luatrain"
local timing = require "bench.timing"
local nn = lt.nn

lt.manual_seed(1)
local BATCH, LENGTH, WIDTH, WORDS = 8, 512, 256, 1212
local layer = nn.TransformerDecoderLayer(WIDTH, 8, { dim_feedforward = 1024, activation = "gelu",
  batch_first = true, norm_first = true, dropout = 0.1 })
local decoder = nn.TransformerDecoder(layer, 4, nn.LayerNorm(WIDTH))
local embedding, output = nn.Embedding(WORDS, WIDTH), nn.Linear(WIDTH, WORDS)
local parameters = decoder:parameters()
for _, part in ipairs { embedding, output } do
  for _, p in ipairs(part:parameters()) do parameters[#parameters + 1] = p end
end
local optimizer = lt.optim.AdamW(parameters, { lr = 1e-4 })
-- The encoder learns too: memory has a gradient.
local memory = lt.randn(BATCH, 600, WIDTH):set_requires_grad()
local tokens, targets = lt.randint(0, WORDS, { BATCH, LENGTH }), lt.randint(0, WORDS, { BATCH, LENGTH })

local function step()
  local scores = output(decoder(embedding(tokens), memory, { tgt_is_causal = true }))
  local loss = lt.loss.cross_entropy(scores:flatten(1, 2), targets:flatten())
  optimizer:zero_grad()
  memory.grad = nil
  loss:backward()
  optimizer:step()
  return loss:item()
end

timing.result("decoder_step", timing.median(7, lt.scope, step))
