-- Fits a small network to a sine with the Trainer, without a recipe: luatrain examples/trainer.lua
--
-- Expect: the last line shows a validation loss below 0.01.
local lt = require "luatrain"
local nn = lt.nn

lt.manual_seed(1)

-- 512 points of one and a half periods; every fourth is kept for validation.
local points = lt.data.from(512, function(i)
  local x = 3 * i / 512
  return { x = lt.tensor { x }, y = lt.tensor { math.sin(math.pi * x) } }
end):cache()
local function every_fourth(wanted)
  local chosen = {}
  for i = 1, points:size() do
    if (i % 4 == 0) == wanted then chosen[#chosen + 1] = i end
  end
  return points:select(chosen)
end

local model = nn.Sequential { nn.Linear(1, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1) }
local optimizer = lt.optim.AdamW(model:named_parameters(), { lr = 1e-2 })

local trainer = lt.train.Trainer {
  model = model, optimizer = optimizer,
  step = function(m, batch) return lt.loss.mse_loss(m(batch.x), batch.y) end,
  train = every_fourth(false):batch(32, { shuffle = true }),
  valid = every_fourth(true):batch(128),
  config = { epochs = 30, gradient_clip = 1, patience = 10 },
}
local history = trainer:train()
print(("%d epochs, best validation loss %.5f"):format(#history.val_loss, trainer.history.best))
