-- One training step of a small network: 128-256-128-64, ReLU, batch 64, cross-entropy, AdamW.
-- luatrain tests/bench/mlp.lua [steps]
local lt = require "luatrain"
local nn = lt.nn

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
for i = 1, tonumber(arg and arg[1]) or 3000 do
  local start = lt.time()
  last = lt.scope(step)
  times[i] = lt.time() - start
end
table.sort(times)
assert(last < 4.2, "the loss did not fall")
print(("RESULT name=mlp value=%.9f unit=s"):format(times[math.ceil(#times / 2)]))
