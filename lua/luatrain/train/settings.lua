--- The settings every recipe has: what the trainer itself can do. A recipe that declares one of
-- these names gives it another default.
local config = require "luatrain.config"

local settings = {}

settings.fields = {
  epochs = config.integer(10, "passes over the training data, in all (also when resumed)",
    {min = 0, alias = "num_epochs"}),
  steps = config.integer(0, "stop after so many optimizer steps; 0: by epochs", {min = 0}),
  batch_size = config.integer(16, "samples a batch", {min = 1}),
  accumulate = config.integer(1, "batches whose gradients make one optimizer step", {min = 1}),
  gradient_clip = config.number(0, "largest norm of all gradients together; 0: no limit", {min = 0}),
  ema = config.number(0, "decay of the moving average of the weights that is evaluated and kept; 0: none",
    {min = 0, max = 0.999999}),
  precision = config.choice("f32", {"f32", "bf16", "f16"}, "bf16 multiplies matrices and convolves in "
    .. "bfloat16; f16 rounds what they take in and their gradients to half precision and scales the loss "
    .. "(on a processor no faster than f32)"),
  seed = config.integer(1, "seed of everything random", {min = 0}),
  patience = config.integer(0, "stop after so many epochs without improvement; 0: never", {min = 0}),
  min_delta = config.number(0, "what counts as an improvement of the metric that is kept", {min = 0}),
  restore_best = config.flag(true, "end with the best weights rather than the last"),
  save_every = config.integer(0, "also keep a checkpoint of every N-th epoch; 0: none", {min = 0}),
  checkpoint_dir = config.string("checkpoints", "folder of the checkpoints, within the run directory unless "
    .. "it begins with /"),
  log_dir = config.string("", "folder of log.txt and TensorBoard's events, within the run directory unless "
    .. "it begins with /"),
  keep_last = config.integer(3, "how many of those to keep; 0: all", {min = 0}),
  checkpoint_steps = config.integer(0, "also save every N steps within an epoch; 0: after epochs only",
    {min = 0}),
  log_every = config.integer(50, "steps between two lines of the log", {min = 1}),
  workers = config.integer(0, "threads that read data ahead; 0: read between steps", {min = 0, max = 256}),
  max_damaged = config.number(0.05, "share of damaged samples that is passed over", {min = 0, max = 1}),
  device = config.choice("auto", {"auto", "cpu"}, "where to compute"),
}

return settings
