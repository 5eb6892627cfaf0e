-- Learns to name the chords of a recording: type (32 classes), root and bass of every moment, decoded
-- into segments.
--
--   luatrain run chord prepare --midi POP909 --songs 260 --out data/pop909     render songs
--   luatrain run chord train --data data/pop909
--   luatrain run chord evaluate --data data/pop909                             on songs never heard
--   luatrain run chord transcribe song.wav --out song.lab                      the chords of any recording
--   luatrain run chord prepare --synthetic 24 --out data/made                  without POP909: made-up songs
--
-- Data: POP909 (Wang et al. 2020), pop songs as MIDI with chord labels; rendered by fluidsynth. Another
-- SoundFont: prepare ... --soundfont TimGM6mb --only test --out data/other, then evaluate --data
-- data/other.
--
-- Expect: see README.md, "The chord recogniser".
--
-- The defaults learn within 15 minutes on two cores. Those of the task this grew from (a rate of 1e-4, 100
-- epochs, 5 of them warm-up) are in slow.yaml beside this file: train --config recipes/chord/slow.yaml

local ChordModel = require "chord_model"
local data = require "chord_data"
local evaluation = require "chord_evaluate"
local features = require "chord_features"
local prepare = require "chord_prepare"
local transcribe = require "chord_transcribe"
local config, loss, metrics = lt.config, lt.loss, lt.metrics

local recipe = {}

recipe.summary = "Names the chords of a recording"

recipe.config = {
  data = config.string("data/pop909", "folder made by the prepare command"),
  learning_rate = config.number(2e-3, "peak learning rate of AdamW", { min = 0 }),
  weight_decay = config.number(0.01, "weight decay of matrices and kernels", { min = 0 }),
  batch_size = 16,
  epochs = 14,
  warmup_epochs = config.number(0.4, "epochs in which the learning rate rises", { min = 0 }),
  scheduler = config.choice("cosine", { "cosine", "onecycle" },
    "learning-rate schedule, per step; onecycle moves AdamW's momentum too"),
  gradient_clip = 1.0,
  label_smoothing = config.number(0.05, "share of each label given to all classes", { min = 0, max = 0.9 }),
  chord_type_weight = config.number(1.0, "weight of the type's loss", { min = 0 }),
  root_weight = config.number(1.0, "weight of the root's loss", { min = 0 }),
  bass_weight = config.number(0.5, "weight of the bass's loss", { min = 0 }),
  change_weight = config.number(1.0, "weight of the loss of chord changes", { min = 0 }),
  notes_weight = config.number(5, "weight of the loss of the notes that sound, learnt beside the chords",
    { min = 0 }),
  save_every = 5,
  patience = 15,
  min_delta = 0.001,
  log_every = 50,
  ema = 0.995,

  rows = config.integer(128, "feature rows of a window, 93 ms each; a multiple of 4", { min = 4 }),
  clips = config.flag(false, "learn from windows with one chord each rather than from sequences"),
  shift = config.integer(6, "transpose by up to so many semitones in training", { min = 0, max = 11 }),
  equaliser = config.number(0.3, "random filtering in training, deviation in nepers", { min = 0 }),
  noise = config.number(0.03, "random noise in training, share of the mean magnitude", { min = 0 }),
  transpositions = config.integer(1, "songs are heard in so many keys above and below, and the mean is taken",
    { min = 0, max = 6 }),
  song_rows = config.integer(256, "feature rows of a window when songs are recognised; a multiple of 4",
    { min = 4 }),
  change_penalty = config.number(3, "what a change of chord costs the decoder, in nats", { min = 0 }),
  plain_bonus = config.number(0.5, "what the decoder gives major and minor ahead of other types, nats a row"),

  model = {
    channels = config.list({ 16, 24, 32 }, "channels of the convolutions"),
    width = config.integer(128, "width of the Conformer blocks", { min = 8 }),
    blocks = config.integer(2, "number of Conformer blocks", { min = 0 }),
    heads = config.integer(4, "attention heads", { min = 1 }),
    kernel = config.integer(15, "size of the depthwise convolutions, odd", { min = 1 }),
    dropout = config.number(0.1, "dropout", { min = 0, max = 0.9 }),
    hidden = config.integer(128, "hidden units of the type and bass heads", { min = 1 }),
  },
}

function recipe.data(c)
  local sets = {}
  for _, split in ipairs { "train", "valid", "test" } do
    sets[split] = data.windows(data.entries(c.data, split), c, split == "train")
  end
  return sets
end

function recipe.model(c)
  return ChordModel(features.bins, c.model)
end

function recipe.optimizer(model, c, plan)
  local optimizer = lt.optim.AdamW(lt.optim.decay_groups(model),
    { lr = c.learning_rate, weight_decay = c.weight_decay })
  local warmup = math.min(plan.steps - 1, math.floor(c.warmup_epochs * plan.steps_per_epoch))
  local schedule = c.scheduler == "cosine"
    and lt.schedule.cosine(optimizer, { total = plan.steps, warmup = warmup, floor = c.learning_rate * 0.01 })
    or lt.schedule.one_cycle(optimizer,
      { total = plan.steps, max_lr = c.learning_rate, warmup = warmup, anneal_strategy = "linear" })
  return optimizer, schedule
end

-- Loss of the log-odds (N, T) of a change: a chord begins at a row whose type or root is not that of the
-- row before; rows without a label tell nothing.
local function change_loss(scores, batch)
  local last = scores:size(2) - 1
  local function differ(x) return x:narrow(2, 2, last):ne(x:narrow(2, 1, last)) end
  local changed = differ(batch.chord_type):logical_or(differ(batch.root))
  local function labelled(from) return batch.chord_type:narrow(2, from, last):ge(0) end
  local known = labelled(1):logical_and(labelled(2))
  local each = loss.binary_cross_entropy_with_logits(scores:narrow(2, 2, last):contiguous(), changed:to "f32",
    { weight = known:to "f32", reduction = "sum" })
  return each / math.max(1, known:to("f32"):sum():item())
end

function recipe.step(model, batch, c)
  local kind, root, bass, change, notes = model(batch.features, batch.root, c.clips)
  local options = { label_smoothing = model.training and c.label_smoothing or 0, ignore_index = -100 }
  local function part(name, scores, target)
    target = target:flatten()
    scores = scores:flatten(1, 2)
    local n = target:ge(0):to("f32"):sum():item()
    local value = n > 0 and loss.cross_entropy(scores, target, options) or scores:sum() * 0
    local right = metrics.accuracy(scores, target)
    return value, { [name .. "_loss"] = { value, n }, [name .. "_acc"] = { right, n } }
  end
  local kind_loss, report = part("chord_type", kind, batch.chord_type)
  local root_loss, about_root = part("root", root, batch.root)
  local bass_loss, about_bass = part("bass_note", bass, batch.bass_note)
  for _, more in ipairs { about_root, about_bass } do
    for name, value in pairs(more) do report[name] = value end
  end
  local total = kind_loss * c.chord_type_weight + root_loss * c.root_weight + bass_loss * c.bass_weight
  if not c.clips then
    local changes = change_loss(change, batch)
    report.change_loss = changes
    total = total + changes * c.change_weight
  end
  if c.notes_weight > 0 and model.training then
    report.notes_loss = loss.bce_with_logits(notes, batch.notes)
    total = total + report.notes_loss * c.notes_weight
  end
  return total, report
end

-- min_delta is counted in this metric, too.
recipe.keep = { best = "val_loss", mode = "min" }

recipe.report = evaluation.report

recipe.commands = {
  prepare = {
    help = "render songs and write what training needs", config = prepare.config, run = prepare.run,
  },
  evaluate = {
    help = "losses, accuracies, confusion matrix and mir_eval's scores on songs never heard",
    checkpoint = true, config = evaluation.config, run = evaluation.run,
  },
  transcribe = {
    help = "write the chords of recordings as .lab files", arguments = "SONG...",
    checkpoint = true, config = transcribe.config, run = transcribe.run,
  },
}

return recipe
