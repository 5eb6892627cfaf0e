--- lt.train: the trainer. `luatrain run RECIPE train` is lt.train.run(recipe, config, options);
-- scripts without a recipe make a Trainer of their own:
--
--   local trainer = lt.train.Trainer {
--     model = model, optimizer = optimizer, schedule = schedule,
--     step = function(model, batch, config) return loss, {accuracy = a} end,
--     train = loader, valid = loader,           -- lt.data.loader(...) or dataset:batch(n)
--     config = {epochs = 10, gradient_clip = 1},
--     run = "runs/try",                         -- directory of the run; nil: nothing is written
--   }
--   local history = trainer:train()             -- {train_loss = {...}, val_loss = {...}, ...}
--
-- Settings every recipe has (a recipe's own config may give another default):
--   epochs 10, steps 0 (stop after so many optimizer steps; 0: by epochs), batch_size 16,
--   accumulate 1, gradient_clip 0 (off), ema 0 (off; else decay), precision f32|bf16|f16, seed 1,
--   patience 0 (off), min_delta 0, restore_best true, save_every 0 (keep epoch-NNNN each N epochs),
--   keep_last 3, checkpoint_dir "checkpoints" (within the run's), log_dir "" (the run's), checkpoint_steps 0
--   (save latest also every N steps), log_every 50, workers 0, max_damaged 0.05 (share of damaged samples
--   that stops a run).
--
-- History and metric names: train_loss, train_<metric>, val_loss, val_<metric>, learning_rate; other
-- names with `names` (see train.names).
local core = require "luatrain.core"
local config = require "luatrain.config"
local failure = require "luatrain.failure"
local op = require "luatrain.op"
local random = require "luatrain.random"
local scope = require "luatrain.scope"
local pause = require "luatrain.train.pause"
local settings = require "luatrain.train.settings"
local History = require "luatrain.train.history"
local Tally = require "luatrain.train.tally"
local C, check = core.C, core.check

local train = {}

local Trainer = {}
Trainer.__index, Trainer.__name = Trainer, "trainer"

local signals = {
  [2] = {"interrupt", "SIGINT"}, [15] = {"terminate", "SIGTERM"}, [10] = {"requeue", "SIGUSR1"},
}

--- What metrics are called: prefixes of those of training and validation, the learning rate, the best
-- value so far of the metric that is kept (none: not written), and in TensorBoard the prefixes of what
-- is written after steps and after epochs. A recipe's `names` may say otherwise.
train.names = {train = "train_", valid = "val_", rate = "learning_rate", best = nil,
  steps = "train/", epochs = "epoch/"}

--- Called as watcher(trainer, row) when an epoch is over and saved: row = {metric = value}. What it raises
-- ends the training. nil in most processes; a sweep's trial reports its epochs through it.
train.watcher = nil

local function names_of(given)
  local names = {}
  for key, value in pairs(train.names) do names[key] = value end
  for key, value in pairs(given or {}) do names[key] = value end
  return names
end

--- Makes a trainer. options: model, optimizer, schedule (or nil), step, train and valid (loaders;
-- valid may be nil), config (settings by name, the rest take their defaults), keep ({best, mode}),
-- run (a directory's path, or nil to write nothing), validate and after_epoch (see recipes), names, quiet,
-- repl_on_error (open a session where a step fails, on a terminal).
function train.Trainer(options)
  local values = options.config or {}
  if getmetatable(values) == nil then
    local fields = config.fields(settings.fields)
    values = config.resolve(fields, {config.check(fields, values, "Trainer")})
  end
  local run, names = options.run, names_of(options.names)
  if type(run) == "string" then run = require("luatrain.train.run").open(run, {config = values}) end
  local self = setmetatable({
    model = options.model, optimizer = options.optimizer, schedule = options.schedule,
    step = options.step, loaders = {train = options.train, valid = options.valid},
    config = values, run = run, validate_more = options.validate, facts = options.facts or {},
    names = names, after_epoch = options.after_epoch, repl_on_error = options.repl_on_error,
    phases = {data = 0, forward = 0, backward = 0, optimizer = 0, training = 0, validation = 0},
    at = {epoch = 1, batch = 0, step = 0},   -- batches of this epoch and steps of the run behind us
    tally = Tally.new(),
    history = History.new(options.keep
      or {best = (options.valid and names.valid or names.train) .. "loss", mode = "min"}, values.patience,
      values.min_delta),
    journal = require("luatrain.train.journal").open {run = run, quiet = options.quiet,
      log_every = values.log_every, names = names},
  }, Trainer)
  if values.ema > 0 then
    self.ema = require("luatrain.nn").EMA(self.model, {decay = values.ema, warmup = true})
  end
  if values.precision == "f16" then self.scaler = require("luatrain.optim").GradScaler() end
  return self
end

function Trainer:__tostring()
  return ("trainer: epoch %d, step %d, %s"):format(self.at.epoch, self.at.step, tostring(self.optimizer))
end

-- ---- one step -----------------------------------------------------------------------------------

-- Loss and metrics of a batch, in the precision that is set.
function Trainer:compute(batch)
  return op.autocast(self.config.precision, self.step, self.model, batch, self.config)
end

-- What a step may change before it is known to be good: to go back to.
function Trainer:remember()
  if not self.held then
    self.held = {{random.default.state}}
    for _, t in ipairs(self.model:buffers()) do table.insert(self.held, {t}) end
    for _, pair in ipairs(self.held) do pair[2] = scope.keep(pair[1]:like()) end
  end
  for _, pair in ipairs(self.held) do check(C.lt_copy(pair[2].c, pair[1].c)) end
  return {batch = self.at.batch, tally = self.tally:state_dict()}
end

function Trainer:go_back(before)
  for _, pair in ipairs(self.held) do check(C.lt_copy(pair[1].c, pair[2].c)) end
  self.at.batch = before.batch
  self.tally:load_state_dict(before.tally)
end

local function is_finite(x) return x == x and math.abs(x) ~= math.huge end

-- Calls f(...) and counts the seconds that it took for a phase of the step.
function Trainer:timed(phase, f, ...)
  local started, phases = C.lt_time(), self.phases
  local a, b = f(...)
  phases[phase] = phases[phase] + C.lt_time() - started
  return a, b
end

-- One batch: forward, backward with its share of the step's samples, metrics. Returns the loss.
function Trainer:one_batch(batch, share, before)
  local loss, metrics = self:timed("forward", self.compute, self, batch)
  local value = loss:item()
  if not is_finite(value) then self:diverged("loss", value, before) end
  share = share * (self.scaler and self.scaler:get_scale() or 1)
  self:timed("backward", loss.backward, share == 1 and loss or loss * share)
  metrics = metrics or {}
  metrics.loss = metrics.loss or value
  self.tally:add(metrics, batch.size)
  return value
end

-- The weights' step. Returns the norm of the gradients, and whether the step was left out because f16
-- could not hold them; where no scale is small enough they are bad in themselves.
local LEAST_SCALE = 2 ^ -14

function Trainer:update(max_norm)
  local scaler = self.scaler
  if not scaler then return self.optimizer:step {max_norm = max_norm, skip_nonfinite = true}, false end
  local norm, skipped = scaler:step(self.optimizer, {max_norm = max_norm})
  scaler:update()
  return norm, skipped and scaler:get_scale() >= LEAST_SCALE
end

-- One optimizer step over `accumulate` batches (fewer at the end of an epoch, weighed by samples).
-- A step that the gradient scaler leaves out counts, but moves no schedule and no average.
-- Returns {loss, gradient_norm, learning_rate, loss_scale}.
function Trainer:one_step(fetch, last)
  local at, loader = self.at, self.loaders.train
  local stop = math.min(at.batch + self.config.accumulate, last)
  local samples = 0
  for number = at.batch + 1, stop do samples = samples + loader:planned(number) end
  local before, sum = self:remember(), 0
  self.before = before
  math.randomseed(C.lt_loader_seed(self.config.seed, at.step, -2))
  self.optimizer:zero_grad()
  while at.batch < stop do
    local got = scope.run(function()
      local batch = self:timed("data", fetch)
      at.batch = batch and batch.number or last
      if not batch then return false end
      local share = batch.size / samples
      sum = sum + share * self:one_batch(batch, share, before)
      return true
    end)
    if not got then break end
  end
  local rate, clip = self.optimizer:learning_rate(), self.config.gradient_clip
  local norm, skipped = self:timed("optimizer", self.update, self, clip > 0 and clip or nil)
  if not skipped then
    if not is_finite(norm) then self:diverged("gradient norm", norm, before) end
    if self.schedule and self.schedule.per ~= "epoch" then self.schedule:step() end
    if self.ema then self:timed("optimizer", self.ema.update, self.ema) end
  end
  at.step = at.step + 1
  return {loss = sum, gradient_norm = not skipped and norm or nil, learning_rate = rate,
    loss_scale = self.scaler and self.scaler:get_scale()}
end

-- ---- epochs -------------------------------------------------------------------------------------

-- True when the settings ask for no more steps.
function Trainer:is_over()
  local steps = self.config.steps
  if steps > 0 then return self.at.step >= steps end
  return self.at.epoch > self.config.epochs
end

-- The number of the epochs to come, for people.
function Trainer:label()
  if self.config.steps > 0 then return ("epoch %d"):format(self.at.epoch) end
  return ("epoch %d/%d"):format(self.at.epoch, self.config.epochs)
end

--- The rest of the epoch (all of it, unless resumed within). Returns its averages, {train_loss = ...}.
function Trainer:train_epoch()
  local at, loader, config_ = self.at, self.loaders.train, self.config
  local last = loader:batches()
  local fetch = loader:epoch(at.epoch, at.batch + 1)
  self.model:train()
  self.data_before = self.phases.data
  self.journal:begin(self:label(), at.batch, last)
  while at.batch < last and not self:is_over() do
    local values
    values, fetch = self:guarded_step(fetch, last)
    if values then self.journal:step(at, values, self.tally) end
    if config_.checkpoint_steps > 0 and at.step % config_.checkpoint_steps == 0 then self:save "latest" end
    if C.lt_signal_pending() ~= 0 then self:stop() end
    self:pause_if_asked()
  end
  return self.tally:means(self.names.train)
end

-- Averages over a loader's batches, without gradients; nil where a signal came in between.
function Trainer:measure(loader, prefix)
  local tally, rng = Tally.new(), random.default:get_state()
  local fetch = loader:epoch(1)
  self.model:eval()
  local interrupted = false
  op.no_grad(function()
    repeat
      local more = scope.run(function()
        local batch = fetch()
        if not batch then return false end
        local loss, metrics = self:compute(batch)
        metrics = metrics or {}
        metrics.loss = metrics.loss or loss
        tally:add(metrics, batch.size)
        return true
      end)
      interrupted = C.lt_signal_pending() ~= 0
    until not more or interrupted
    if self.validate_more and not interrupted then
      tally:add(self.validate_more(self.model, loader, self.config) or {}, 1)
    end
  end)
  random.default:set_state(rng)
  self.model:train()
  return not interrupted and tally:means(prefix) or nil
end

-- f(...) with the averaged weights where there are any.
function Trainer:with_average(f, ...)
  if self.ema then return self.ema:with(f, ...) end
  return f(...)
end

--- Averages over the validation data, of the averaged weights where there are any: {val_loss = ...}.
function Trainer:validate()
  if not self.loaders.valid then return {} end
  return self:with_average(self.measure, self, self.loaders.valid, self.names.valid)
end

-- The recipe's own work after an epoch, in evaluation mode, without a trace in the random numbers.
function Trainer:own_work()
  if not self.after_epoch then return end
  local rng, events = random.default:get_state(), self.journal.events
  self.model:eval()
  self:with_average(op.no_grad, scope.run, self.after_epoch, self.model, {
    epoch = self.at.epoch, step = self.at.step, run = self.run, config = self.config,
    line = function(...) self.journal:line(...) end,
    log = events and require("luatrain.log").over(events, self.run.logs) or nil,
  })
  self.model:train()
  random.default:set_state(rng)
end

-- What follows an epoch's steps: validation, history, schedule, checkpoints.
function Trainer:finish_epoch(row)
  local at, run, names, history = self.at, self.run, self.names, self.history
  row[names.rate] = self.optimizer:learning_rate()
  local seconds = {train = C.lt_time() - self.journal.started, data = self.phases.data - self.data_before}
  local measured = self:timed("validation", self.validate, self)
  if not measured then self:stop() end
  for name, value in pairs(measured) do row[name] = value end
  if names.best then row[names.best] = history:best_with(row[history.keep.best]) end
  local is_best = history:add(row)
  if self.schedule and self.schedule.per == "epoch" then self.schedule:step(row[history.keep.best]) end
  self.journal:epoch(self:label(), at, row, is_best and self.history.keep.best, seconds)
  self:timed("validation", self.own_work, self)
  at.epoch, at.batch, self.tally = at.epoch + 1, 0, Tally.new()
  if is_best then self:keep_best() end
  -- "latest" is written last: a run killed before goes through this epoch's end again.
  if run then
    local every = self.config.save_every
    if every > 0 and (at.epoch - 1) % every == 0 then
      self:save(("epoch-%04d"):format(at.epoch - 1))
      run:prune(self.config.keep_last)
    end
    run:write_history(self.history:table())
  end
  self:save "latest"
  if train.watcher then train.watcher(self, row) end
end

-- A signal: the step is done; save and leave.
function Trainer:stop()
  local kind, name = unpack(signals[C.lt_signal_pending()] or signals[2])
  local saved = self:save "latest"
  failure.raise(kind, "stopped by %s after step %d%s", name, self.at.step,
    saved and (", saved; continue with --resume %s"):format(self.run.path) or "")
end

--- Trains until the settings' epochs or steps are done, patience runs out, or a signal comes.
-- Returns the history: {train_loss = {...}, val_loss = {...}, learning_rate = {...}, ...}.
function Trainer:train()
  check(C.lt_signal_watch(true))
  pause.begin(self)
  local ok, e = core.protect(function()
    while not self:is_over() and not self.history:is_over() do self:finish_epoch(self:train_epoch()) end
    if self.history:is_over() then
      self.journal:line("no better %s for %d epochs: stopped early", self.history.keep.best,
        self.history.waited)
    end
    if self.config.restore_best then self:restore_best() end
    if self.at_end then self.at_end() end
  end)
  if not ok then pause.look(self, e) end
  pause.finish(self)
  for _, loader in pairs(self.loaders) do loader:close() end
  self.journal:close()
  if self.run then self.run:close() end
  C.lt_signal_watch(false)
  if not ok then error(e, 0) end
  return self.history:table()
end

-- ---- state and divergence: see the files beside -------------------------------------------------
for _, file in ipairs {"state", "diagnose", "pause"} do
  for name, f in pairs(require("luatrain.train." .. file).methods) do Trainer[name] = f end
end

--- What `luatrain run RECIPE train` does; see luatrain.train.commands.
function train.run(...) return require("luatrain.train.commands").train(...) end

return train
