-- One training step of a small network: 128-256-128-64, ReLU, batch 64, cross-entropy, AdamW, on one
-- thread or on all, whichever is faster (the peer chooses likewise).
-- luatrain tests/bench/mlp.lua [steps]
local lt = require "luatrain"
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

  local times, last = {}, nil
  for i = 1, steps do
    local start = lt.time()
    last = lt.scope(step)
    times[i] = lt.time() - start
  end
  assert(last < 4.2, "the loss did not fall")
  table.sort(times)
  return times[math.ceil(steps / 2)]
end

local steps, cores = tonumber(arg and arg[1]) or 3000, lt.threads()
local one, all = median_step(1, steps), median_step(cores, steps)
print(("RESULT name=mlp value=%.9f unit=s %d_threads"):format(math.min(one, all),
  one < all and 1 or cores))
