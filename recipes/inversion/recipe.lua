-- Finds the preset behind a sound: log-mel pictures of a synthesizer's sounds in, its parameters out.
--
--   luatrain run inversion render --synth builtin --presets 3000 --out data/tier1.h5    presets, sounds
--   luatrain run inversion compute-weights -d data/tier1.h5        how much each one is heard
--   luatrain run inversion precompute-mels -d data/tier1.h5        pictures, once
--   luatrain run inversion train -d data/tier1.h5
--   luatrain run inversion evaluate -c runs/inversion/DATE-TIME/checkpoints/best.safetensors -d data/tier1.h5
--   luatrain run inversion match sound.wav -c ... --out preset.json --render matched.wav
--
-- Data: made by the render command with the built-in synthesizer, or an LV2 plugin (--synth lv2:URI). Each
-- preset sounds at three notes, which lie on one side of the split.
--
-- Expect: see README.md, "Synthesizer inversion".

local InversionModel = require "inversion_model"
local data = require "inversion_data"
local evaluation = require "inversion_evaluate"
local listening = require "inversion_listen"
local match = require "inversion_match"
local mels = require "inversion_mels"
local objective = require "inversion_loss"
local render = require "inversion_render"
local weights = require "inversion_weights"
local config = lt.config

local recipe = {}

recipe.summary = "Finds the synthesizer preset behind a sound"

recipe.config = {
  data = config.string("data/tier1.h5", "HDF5 file made by the render command", { short = "d" }),
  learning_rate = config.number(1e-3, "peak learning rate of AdamW", { min = 0, alias = "lr" }),
  weight_decay = config.number(0.05, "weight decay of matrices and kernels", { min = 0 }),
  epochs = 20,
  batch_size = 32,
  warmup_epochs = config.number(1, "epochs in which the learning rate rises; then it falls as a cosine",
    { min = 0 }),
  accumulate = config.integer(1, "batches whose gradients make one optimizer step",
    { min = 1, alias = "gradient_accumulation_steps" }),
  gradient_clip = config.number(1, "largest norm of all gradients together; 0: no limit",
    { min = 0, alias = "grad_clip" }),
  patience = config.integer(10, "stop after so many epochs without improvement; 0: never",
    { min = 0, alias = "early_stopping_patience" }),
  min_delta = 1e-4,
  ema = 0.995,
  val_fraction = config.number(0.15, "share of the presets held out", { min = 0, max = 0.9 }),
  continuous_weight = config.number(1, "weight of the continuous parameters' loss", { min = 0 }),
  categorical_weight = config.number(0.5, "weight of the categorical parameters' loss", { min = 0 }),
  importance = config.flag(true, "use the importance weights of the file, where compute-weights wrote them"),
  conditional_loss_mask = config.flag(true, "count a parameter only where it is heard: learnable at all, and "
    .. "its switches on"),
  simple_cat_heads = config.flag(true, "one linear layer a categorical parameter; no: 512-512-n"),
  input_gain = config.number(1000, "the model sees log(1 + gain mel), made from the file's log(1 + mel): "
    .. "more shows softer parts", { min = 1e-3, max = 1e9 }),
  mask_bands = config.integer(16, "mel bands hidden from the model in training, at most", { min = 0 }),
  mask_frames = config.integer(24, "frames hidden from the model in training, at most", { min = 0 }),
  dropout = config.number(0.2, "dropout of the heads", { min = 0, max = 0.9 }),
  pretrained = config.string("", "safetensors file with the weights of torchvision's ResNet-18; empty: none"),
  freeze = config.choice("auto", { "auto", "yes", "no" }, "keep conv1 to layer2 as they are; auto: where "
    .. "they are pretrained"),
  log_audio_every = config.integer(5, "epochs between renderings of held-out matches; 0: never", { min = 0 }),
  log_audio_samples = config.integer(4, "how many of them", { min = 1, max = 64 }),
}

recipe.names = { train = "train/", valid = "val/", rate = "lr", best = "best_val_loss", steps = "step/",
  epochs = "" }
recipe.keep = { best = "val/loss", mode = "min" }

recipe.data = data.sets
recipe.facts = data.facts

function recipe.accept(facts, now, path) data.accept(facts, now, path, true) end

function recipe.begin(run, sets, c)
  data.record(run, sets, c)
end

-- facts: of the checkpoint, or of the data where training begins.
function recipe.model(c, facts)
  if not facts then facts = data.facts(c, data.sets(c)) end
  local space = data.space_of(facts, "the model's description")
  local model = InversionModel(#space.continuous.names, space:option_counts(),
    { simple = c.simple_cat_heads, dropout = c.dropout, scale = facts.scale,
      masks = { c.mask_bands, c.mask_frames }, rows = facts.mel.n_mels, frames = facts.frames })
  model._goal = { space = space, unit = facts.unit }
  -- A checkpoint's own weights replace these afterwards: to use it, the file need not be there any more.
  if c.pretrained ~= "" and not facts.epoch then model:load_pretrained(c.pretrained) end
  if c.freeze == "yes" or (c.freeze == "auto" and c.pretrained ~= "") then model:freeze_prefix() end
  return model
end

function recipe.optimizer(model, c, plan)
  local optimizer = lt.optim.AdamW(lt.optim.decay_groups(model),
    { lr = c.learning_rate, weight_decay = c.weight_decay })
  local warmup = math.min(math.max(plan.steps - 1, 0), math.floor(c.warmup_epochs * plan.steps_per_epoch))
  return optimizer, lt.schedule.cosine(optimizer, { total = plan.steps, warmup = warmup })
end

-- Weights, masks and normalisers, made once for a model.
local function goal_of(model, c)
  if not model._goal.weight then
    local importance
    if c.importance then
      local opened = data.open(c.data)
      importance = data.importance(opened)
      if importance then lt.keep(importance) end
      opened.file:close()
    end
    model._goal = objective.new(model._goal.space, importance, c.conditional_loss_mask, model._goal.unit)
  end
  return model._goal
end

function recipe.step(model, batch, c)
  local goal = goal_of(model, c)
  local found, scores = model(batch.mel)
  local continuous, categorical, mask, gates = objective.parts(goal, found, scores, batch)
  local metrics = { cont_loss = continuous, cat_loss = categorical }
  if not model.training then
    lt.no_grad(objective.measure, goal, found, scores, batch, mask, gates, metrics)
  end
  return continuous * c.continuous_weight + categorical * c.categorical_weight, metrics
end

recipe.after_epoch = listening.after_epoch
recipe.report = listening.report

recipe.commands = {
  render = { help = "render random presets of a synthesizer into a data file", config = render.config,
    run = render.run },
  ["compute-weights"] = { help = "measure how much each parameter is heard, as weights of the loss",
    config = weights.config, run = weights.run },
  ["precompute-mels"] = { help = "add the log-mel pictures that training reads", config = mels.config,
    run = mels.run },
  evaluate = { help = "errors on presets never trained on, and how their renderings sound", checkpoint = true,
    config = evaluation.config, run = evaluation.run },
  match = { help = "write the preset behind a sound, and its rendering", arguments = "SOUND",
    checkpoint = true, config = match.config, run = match.run },
}

return recipe
