-- What the five recipes share: settings, optimizer, step. Each of them is this and a little more.

local data = require "musician_data"
local config = lt.config

local shared = {}

--- Settings of all five. A learning rate of 0 is each model's own.
shared.config = {
  datasets_dir = config.string("datasets", "folder of the data sets"),
  val_split = config.number(0.2, "share of the pieces to validate on", { min = 0, max = 0.9 }),
  test_split = config.number(0.1, "share of the pieces to test on", { min = 0, max = 0.9 }),
  learning_rate = config.number(0, "learning rate of AdamW; 0: each model's own", { min = 0, alias = "lr" }),
  weight_decay = config.number(0.01, "weight decay of matrices", { min = 0 }),
  batch_size = 64,
  epochs = 100,
  patience = config.integer(10, "stop after so many epochs without improvement; 0: never",
    { min = 0, alias = "early_stopping_patience" }),
  save_every = config.integer(10, "also keep a checkpoint of every N-th epoch; 0: none",
    { min = 0, alias = "checkpoint_every" }),
  ema = 0.99,
  gradient_clip = 1,
}

-- Losses of outputs and targets (..., outputs): means over frames.
local losses = {
  mse = lt.loss.mse,
  bce = lt.loss.bce,
  kl = function(y, target)
    return lt.loss.kl_div((y + 1e-8):log(), target, { reduction = "batchmean" })
  end,
}

--- Makes a recipe of
--   model_name, summary   what it is called and learns
--   inputs, outputs   numbers of a frame
--   window            frames of a sample, default 1, where the network has no memory
--   hop               frames from one sample to the next in training, default `window`
--   loss              "mse", "bce" or "kl"
--   normalizer        "standard" or "minmax", of the frames (optional)
--   learning_rate     its own
--   layers()          the modules of the network, a list
--   variants          how often pieces to train on are read once more, changed (default 0)
--   read(entry, c, variant)
--                     frames (T, inputs) and targets (T, outputs) of an entry of musician_sources, as it
--                     is (variant 0) or changed at random; raises where it has none
--   augment(x, y)     a batch in training, changed at random (optional)
function shared.recipe(recipe)
  recipe.config = shared.config
  recipe.window = recipe.window or 1
  recipe.hop = recipe.hop or recipe.window
  recipe.measure = losses[recipe.loss]

  function recipe.data(c) return data.sets(recipe, c) end

  function recipe.facts(_, sets) return sets.facts end

  -- The warning that nobody can miss.
  function recipe.begin(_, sets)
    local facts, bar = sets.facts, ("!"):rep(80)
    if facts.synthetic == 0 then return end
    io.stderr:write(("\n%s\n!!  SYNTHETIC DATA: %d of the pieces for the %s model are made up.\n"
      .. "!!  What it learns from them is of no use in music.\n%s\n\n"):format(bar, facts.synthetic,
      recipe.model_name, bar))
  end

  function recipe.model() return lt.nn.Sequential(recipe.layers()) end

  function recipe.optimizer(model, c)
    return lt.optim.AdamW(lt.optim.decay_groups(model), { weight_decay = c.weight_decay,
      lr = c.learning_rate > 0 and c.learning_rate or recipe.learning_rate })
  end

  function recipe.step(model, batch)
    local x, y = batch.x, batch.y
    if model.training and recipe.augment then x, y = recipe.augment(x, y) end
    return recipe.measure(model(x), y), {}
  end

  -- In the export frames go in as `read` makes them.
  function recipe.export(_, _, facts)
    return { normalizer = facts.normalizer and lt.data.normalizer.from(facts.normalizer) }
  end

  return recipe
end

return shared
