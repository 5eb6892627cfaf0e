-- Training steps of the five models of a musician's plugin (tests/export_models.lua): batch 64, one frame
-- each, their losses, AdamW, on one thread or on all, whichever is faster (the peer chooses likewise).
-- Printed twice, for PyTorch as it is and compiled.
-- luatrain tests/bench/musician.lua [steps]
package.path = "tests/?.lua;" .. package.path
local lt = require "luatrain"
local timing = require "bench.timing"
local models = require("export_models").five

local losses = { emotion = lt.loss.mse, melody = lt.loss.bce, dynamics = lt.loss.mse, groove = lt.loss.mse,
  harmony = function(y, target)
    return lt.loss.kl_div((y + 1e-8):log(), target, { reduction = "batchmean" })
  end }
local sizes = { emotion = { 128, 64 }, melody = { 64, 128 }, harmony = { 128, 64 }, dynamics = { 32, 16 },
  groove = { 64, 32 } }

-- Random inputs; targets are a fixed function of them, so that there is something to learn.
local function batch(name)
  local n, m = unpack(sizes[name])
  local x = lt.randn(64, n)
  local y = lt.matmul(x, lt.randn(n, m) * (1 / math.sqrt(n)))
  y = name == "harmony" and y:softmax(-1) or name == "melody" and y:gt(1):to "f32" or y:sigmoid()
  if name == "emotion" or name == "melody" then x, y = x:unsqueeze(1), y:unsqueeze(1) end
  return x, y
end

local function median_step(one, threads, steps)
  lt.threads(threads)
  local model, loss_of = one.model, losses[one.name]
  local optimizer = lt.optim.AdamW(model:parameters(), { lr = 1e-3 })
  local x, y = batch(one.name)
  local function step()
    local loss = loss_of(model(x), y)
    optimizer:zero_grad()
    loss:backward()
    optimizer:step()
    return loss:item()
  end
  local before = lt.scope(step)
  local value = timing.median(steps, lt.scope, step)
  assert(lt.scope(step) < 0.9 * before, "the loss did not fall")
  return value
end

local steps, cores = tonumber(arg and arg[1]) or 2000, lt.threads()
local first, second = models(), models()
for i, model in ipairs(first) do
  local one, all = median_step(model, 1, steps), median_step(second[i], cores, steps)
  for _, way in ipairs { "", "_compiled" } do
    timing.result("musician_" .. model.name .. way, math.min(one, all),
      ("%d_threads"):format(one < all and 1 or cores))
  end
end
