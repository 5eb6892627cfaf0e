-- One training step of a transformer encoder layer: 256 wide, 8 heads, feed-forward 1024, 512 long,
-- batch 16, dropout 0.1, mean square loss, AdamW.
package.path = "tests/?.lua;" .. package.path
local lt = require "luatrain"
local timing = require "bench.timing"
local nn = lt.nn

lt.manual_seed(1)
local model = nn.TransformerEncoderLayer(256, 8, { dim_feedforward = 1024, batch_first = true })
local optimizer = lt.optim.AdamW(model:parameters(), { lr = 1e-4 })
local x, target = lt.randn(16, 512, 256), lt.randn(16, 512, 256)

local function step()
  local loss = lt.loss.mse_loss(model(x), target)
  optimizer:zero_grad()
  loss:backward()
  optimizer:step()
  return loss:item()
end

timing.result("transformer", timing.median(11, lt.scope, step))
