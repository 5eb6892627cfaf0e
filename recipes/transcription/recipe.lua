-- Turns piano recordings into notes: makes a data set, trains, transcribes, evaluates, reports.
--
--   luatrain run transcription pipeline --samples 1000 --epochs 20 --name small_run    all of it
--   luatrain run transcription generate --samples 500 --complexity medium --name made  composes pieces
--   luatrain run transcription prepare --midi ASAP --name real                         real performances
--   luatrain run transcription train --manifest-dir data/datasets/real
--   luatrain run transcription transcribe piano.wav --checkpoint runs/... --midi notes.mid
--   luatrain run transcription evaluate --checkpoint runs/... --manifest-dir data/datasets/real
--
-- Two heads: frames (onset, frame, offset and velocity of every key at every moment, as Onsets & Frames and
-- Kong et al.) and tokens (an Audio Spectrogram Transformer whose decoder writes events, as MT3).
--
-- Expect: see README.md, "Piano transcription".

local evaluation = require "transcription_evaluate"
local generate = require "transcription_generate"
local heads = require "transcription_heads"
local pipeline = require "transcription_pipeline"
local prepare = require "transcription_prepare"
local transcribing = require "transcription_transcribe"
local config = lt.config

local recipe = {}

recipe.summary = "Turns piano recordings into notes"

recipe.config = {
  manifest_dir = config.string("data/datasets/real", "folder of the data set",
    { alias = { "data", "data_dir" } }),
  head = config.choice("frames", { "frames", "tokens" },
    "what the model says: rolls of all keys, or a sequence of events"),
  learning_rate = config.number(0, "peak learning rate of AdamW; 0: 0.002 for frames, 0.0005 for tokens",
    { min = 0, alias = { "lr", "training.learning_rate" } }),
  weight_decay = config.number(0.01, "weight decay of matrices and kernels", { min = 0 }),
  batch_size = config.integer(8, "samples a batch", { min = 1, alias = "training.batch_size" }),
  epochs = config.integer(6, "passes over the training data, in all (also when resumed)",
    { min = 0, alias = { "num_epochs", "training.num_epochs" } }),
  scheduler = config.choice("cosine", { "cosine", "linear", "constant" }, "learning rate after the warm-up",
    { alias = "training.scheduler" }),
  warmup_steps = config.integer(200, "steps in which the learning rate rises",
    { min = 0, alias = "training.warmup_steps" }),
  accumulate = config.integer(1, "batches whose gradients make one optimizer step",
    { min = 1, alias = { "accumulation_steps", "gradient_accumulation_steps" } }),
  gradient_clip = config.number(1, "largest norm of all gradients together; 0: no limit",
    { min = 0, alias = { "max_grad_norm", "training.max_grad_norm" } }),
  precision = config.choice("f32", { "f32", "bf16", "f16" }, "numbers that are multiplied",
    { switch = { use_amp = { "bf16", "f32" }, mixed_precision = { "bf16", "f32" },
      use_mixed_precision = { "bf16", "f32" }, ["training.use_mixed_precision"] = { "bf16", "f32" } } }),
  ema = 0.998,
  patience = config.integer(10, "stop after so many epochs without improvement; 0: never",
    { min = 0, alias = { "early_stopping_patience", "training.early_stopping_patience" } }),
  min_delta = 1e-4,
  save_every = 5,
  workers = config.integer(0, "threads that read data ahead; 0: read between steps",
    { min = 0, max = 256, alias = "num_workers" }),
  seed = config.integer(42, "seed of everything random", { min = 0 }),

  augment = config.flag(true, "random gain, filtering and noise in training", { alias = "augmentation" }),
  random_gain = config.number(10, "random gain in training, at most so many dB", { min = 0 }),
  equaliser = config.number(4, "random filtering in training, deviation in dB (frames)", { min = 0 }),
  noise = config.number(0.3, "share of the windows with noise", { min = 0, max = 1 }),

  rows = config.integer(200, "frames: rows of a window in training, 20 ms each", { min = 16 }),
  epoch_windows = config.integer(4000,
    "frames: windows an epoch, at most, at random places; 0: as many as fit",
    { min = 0 }),
  valid_windows = config.integer(200, "windows to validate on, at most; 0: all", { min = 0 }),
  frame_weight = config.number(0.5, "frames: weight of the frames' loss", { min = 0 }),
  offset_weight = config.number(0.5, "frames: weight of the offsets' loss", { min = 0 }),
  velocity_weight = config.number(5, "frames: weight of the velocities' loss", { min = 0 }),
  onset_threshold = config.number(0.4, "frames: a note begins where its onset is likelier",
    { min = 0, max = 1 }),
  frame_threshold = config.number(0.3, "frames: a note ends where its frame is less likely",
    { min = 0, max = 1 }),
  offset_threshold = config.number(0.3, "frames: offsets less likely count nothing", { min = 0, max = 1 }),
  frames = {
    front = config.list({ 16, 24 }, "channels of the first two convolutions"),
    channels = config.integer(48, "channels of a key", { min = 4 }),
    narrow = config.integer(16, "channels that keys show each other", { min = 1 }),
    hidden = config.integer(32, "hidden units of each direction of a key's GRU", { min = 1 }),
    dropout = config.number(0.1, "dropout", { min = 0, max = 0.9 }),
  },

  codec = config.choice("events", { "events", "pitches" }, "tokens: what they say"),
  time_step = config.number(0.02, "tokens: seconds that events tell times to",
    { min = 0.001, max = 0.1 }),
  velocity_bins = config.integer(16, "tokens: loudnesses that events tell apart", { min = 1, max = 128 }),
  window = config.number(4, "tokens: seconds of a window", { min = 0.5, max = 10 }),
  encoder = config.string("small", "tokens: an Audio Spectrogram Transformer (small, base, or a safetensors "
    .. "file with the weights of one of base size), or the frame-wise model (frames)",
    { alias = { "encoder_name", "ast_model_name", "model.encoder_name" } }),
  frames_checkpoint = config.string("", "tokens with encoder frames: run or checkpoint of the frames head, "
    .. "whose weights the encoder begins with"),
  n_mels = config.integer(128, "tokens: mel bands that the encoder hears", { min = 16, max = 512 }),
  freeze_encoder = config.flag(false, "tokens: keep the encoder as it is",
    { alias = "model.freeze_encoder" }),
  hidden_size = config.integer(256, "tokens: width of the decoder", { min = 8, alias = "model.hidden_size" }),
  num_decoder_layers = config.integer(4, "tokens: layers of the decoder",
    { min = 1, alias = "model.num_decoder_layers" }),
  num_attention_heads = config.integer(8, "tokens: attention heads of the decoder", { min = 1 }),
  intermediate_size = config.integer(1024, "tokens: hidden units of the decoder's layers", { min = 1 }),
  dropout = config.number(0.1, "tokens: dropout", { min = 0, max = 0.9 }),
  max_tokens = config.integer(512, "tokens: longest sequence of a window", { min = 8, alias = "max_length" }),
  strategy = config.choice("greedy", { "greedy", "beam", "sample" }, "tokens: how sequences are found"),
  beam_size = config.integer(5, "tokens: hypotheses of the beam search", { min = 1 }),
  length_penalty = config.number(1, "tokens: exponent of the length that beam search divides scores by"),
  temperature = config.number(1, "tokens: sampling divides scores by this", { min = 1e-3 }),
  top_k = config.integer(50, "tokens: sample among so many likeliest; 0: all", { min = 0 }),
  top_p = config.number(0.95, "tokens: sample among the likeliest of this share together",
    { min = 1e-3, max = 1 }),
}

function recipe.data(c) return heads[c.head].sets(c) end

function recipe.model(c, facts) return heads[c.head].model(c, facts) end

function recipe.optimizer(model, c, plan)
  local rate = c.learning_rate > 0 and c.learning_rate or heads[c.head].learning_rate
  local optimizer = lt.optim.AdamW(lt.optim.decay_groups(model), { lr = rate, weight_decay = c.weight_decay })
  local options = { warmup = math.min(math.max(plan.steps - 1, 0), c.warmup_steps) }
  if c.scheduler ~= "constant" then options.total = plan.steps end
  if c.scheduler == "cosine" then options.floor = rate * 0.01 end
  return optimizer, lt.schedule[c.scheduler](optimizer, options)
end

function recipe.step(model, batch, c) return heads[c.head].step(model, batch, c) end

function recipe.validate(model, loader, c)
  local validate = heads[c.head].validate
  return validate and validate(model, loader, c) or {}
end

-- The function that evaluation asks for the notes of a recording.
local function transcriber(model, c)
  return function(entry) return heads[c.head].notes(model, entry.audio_path, c) end
end

recipe.commands = {
  pipeline = { help = "generate a data set, train, evaluate and report; called again, it goes on",
    config = pipeline.config, run = function(c, context) pipeline.run(c, context, transcriber) end },
  generate = { help = "compose piano pieces and render them: a data set", config = generate.config,
    run = generate.run },
  prepare = { help = "render performances, or take in MAESTRO or MAPS: a data set", config = prepare.config,
    run = prepare.run },
  transcribe = { help = "write the notes of a recording", arguments = "[SONG]", checkpoint = true,
    config = transcribing.config, run = function(c, context) transcribing.run(c, context, heads) end },
  evaluate = { help = "scores of whole recordings, reports and pictures", checkpoint = true,
    config = evaluation.config,
    run = function(c, context) evaluation.run(c, context, transcriber) end },
}

return recipe
