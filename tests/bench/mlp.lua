-- One training step of a small network: 128-256-128-64, ReLU, batch 64, cross-entropy, AdamW, on one
-- thread or on all, whichever is faster (the peer chooses likewise).
-- luatrain tests/bench/mlp.lua [steps]
package.path = "tests/?.lua;" .. package.path
local lt = require "luatrain"
local timing = require "bench.timing"
local nn = lt.nn

local function median_step(threads, steps)
  lt.threads(threads)
  lt.manual_seed(1)
  local model = nn.Sequential(nn.Linear(128, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(),
    nn.Linear(128, 64))
  local optimizer = lt.optim.AdamW(model:parameters(), { lr = 1e-3 })
  local x, target = lt.randn(64, 128), lt.randint(0, 64, { 64 })

  local function step()
    local loss = lt.loss.cross_entropy(model(x), target)
    optimizer:zero_grad()
    loss:backward()
    optimizer:step()
    return loss:item()
  end

  local value = timing.median(steps, lt.scope, step)
  assert(lt.scope(step) < 4.2, "the loss did not fall")
  return value
end

local steps, cores = tonumber(arg and arg[1]) or 3000, lt.threads()
local one, all = median_step(1, steps), median_step(cores, steps)
timing.result("mlp", math.min(one, all), ("%d_threads"):format(one < all and 1 or cores))
