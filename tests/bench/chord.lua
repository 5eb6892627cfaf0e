-- One training step of the chord recipe's model: 16 windows of 128 rows of 168 bins, five losses,
-- gradient clipping, AdamW.
-- luatrain tests/bench/chord.lua [steps]
package.path = "tests/?.lua;" .. package.path
local lt = require "luatrain"
local timing = require "bench.timing"

local steps = tonumber(arg[1]) or 10
local recipe = lt.recipe "recipes/chord"
local config = recipe.config
lt.manual_seed(1)
local model = recipe.model(config)
local optimizer = recipe.optimizer(model, config, { steps = 1000, steps_per_epoch = 100, epochs = 10 })
local n, rows, bins = config.batch_size, config.rows, 168
local batch = {
  features = lt.rand(n, rows, bins), chord_type = lt.randint(0, 32, { n, rows }),
  root = lt.randint(0, 12, { n, rows }), bass_note = lt.randint(0, 12, { n, rows }),
  notes = lt.rand(n, rows, 84):lt(0.05):to "f32",
}

local function step()
  local loss = recipe.step(model, batch, config)
  optimizer:zero_grad()
  loss:backward()
  optimizer:step { max_norm = config.gradient_clip }
  return loss:item()
end

timing.result("chord", timing.median(steps, lt.scope, step))
