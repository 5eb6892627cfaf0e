-- Five small networks for a plugin: what music feels like, and how it could go on.
--
--   luatrain data list                                        data sets, their licences and how to get them
--   luatrain data get groove-midi --out datasets/
--   luatrain run musician prepare --datasets-dir datasets/    what was found, and what was skipped and why
--   luatrain run musician train --datasets-dir datasets/ --output trained/    or --models emotion,groove
--   luatrain run musician train --synthetic --epochs 5        from made-up music, to see it work
--   luatrain run musician evaluate --models-dir trained/ --datasets-dir datasets/
--   luatrain run musician export --models-dir trained/ --format rtneural --check
--
--   emotion    128 mel bands of half a second -> the mood's code in 64 numbers      (an LSTM inside)
--   melody     64 numbers about mood and notes so far -> 128 notes' probabilities   (an LSTM inside)
--   harmony    128 numbers about mood and chords so far -> 64 chords' probabilities
--   dynamics   32 numbers about velocity and timing -> the 16 of the next two seconds
--   groove     64 numbers about a bar of drums -> accents and timing of the next bar, 32
--
-- What each number is stands at the top of musician_NAME.lua beside this file; which data sets and files are
-- known, at the top of musician_sources.lua. Each of the five is a recipe of its own, too: luatrain run
-- recipes/musician/musician_groove.lua train.
--
-- Expect: see README.md, "Five small networks for a plugin".

local evaluation = require "musician_evaluate"
local prepare = require "musician_prepare"
local shared = require "musician_recipe"
local train = require "musician_train"

local recipe = {}

recipe.summary = "Five small networks for a plugin: mood, melody, harmony, dynamics, groove"

recipe.config = shared.config

recipe.commands = {
  prepare = { help = "read data sets, render MIDI: what the models learn from", config = prepare.config,
    run = prepare.run },
  generate = { help = "make up data sets", config = prepare.generate_config, run = prepare.generate },
  train = { help = "train the five models, or some", config = train.config, run = train.run },
  evaluate = { help = "losses, errors and latencies of the trained models", config = evaluation.config,
    run = evaluation.run },
  export = { help = "write the trained models for RTNeural, or as safetensors", config = train.export_config,
    run = train.export },
}

return recipe
