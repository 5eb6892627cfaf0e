-- One training step (forward, backward, AdamW) of recurrent layers: sequences of 128 steps.
-- luatrain tests/bench/recurrent.lua [runs]
package.path = "tests/?.lua;" .. package.path
local lt = require "luatrain"
local timing = require "bench.timing"
local nn = lt.nn

local function measure(name, class, N, I, H, options)
  lt.manual_seed(1)
  options.batch_first = true
  local model = class(I, H, options)
  local optimizer = lt.optim.AdamW(model:parameters(), { lr = 1e-3 })
  local x = lt.randn(N, 128, I)
  local target = lt.randn(N, 128, H * (options.bidirectional and 2 or 1))
  local function step()
    local loss = lt.loss.mse_loss((model(x)), target)
    optimizer:zero_grad()
    loss:backward()
    optimizer:step()
    return loss:item()
  end
  timing.result(name, timing.median(tonumber(arg and arg[1]) or 15, lt.scope, step))
end

measure("lstm", nn.LSTM, 32, 128, 256, {})
measure("lstm_bidirectional", nn.LSTM, 16, 80, 128, { num_layers = 2, bidirectional = true })
measure("gru", nn.GRU, 32, 128, 256, {})
measure("gru_bidirectional", nn.GRU, 16, 80, 128, { num_layers = 2, bidirectional = true })
