-- A sweep of the chord recipe: learning rate, width, depth and dropout, 40 trials of which ASHA stops most
-- after an epoch or three.
--
--   luatrain sweep recipes/chord/asha.lua run --parallel 2
--   luatrain sweep recipes/chord/asha.lua plot
--   luatrain run chord train --config runs/sweeps/chord-asha/best.json
return {
  name = "chord-asha", recipe = "recipe.lua",
  space = {
    learning_rate = lt.log_uniform(3e-4, 1e-2),
    model = {
      width = lt.integer(64, 192, { step = 32 }),          -- a multiple of the attention heads
      blocks = lt.integer(1, 3),
      dropout = lt.uniform(0, 0.3),
    },
  },
  settings = { data = "data/pop909", epochs = 9 },
  objective = "val_chord_type_acc", direction = "maximize",
  sampler = "tpe", pruner = { name = "asha", resource = 1, eta = 3 }, trials = 40,
}
