--- Pausing a training: a session (see luatrain.repl) between two steps, where Ctrl-\ asks for it, or, with
-- repl_on_error, where a step has failed. Model, batch, trainer, optimizer and config are its globals.
-- The random numbers of the session are its own, and the model is in evaluation mode: a run that was paused
-- and continued ends with the same bits as one that was not, unless something was changed by hand.
local core = require "luatrain.core"
local failure = require "luatrain.failure"
local random = require "luatrain.random"
local scope = require "luatrain.scope"
local C, check = core.C, core.check

local methods, pause = {}, {}

--- Begins to note Ctrl-\ and, with repl_on_error, the frames of errors. Where there is no terminal
-- nothing is noted, and the trainer's repl_on_error is dropped.
function pause.begin(trainer)
  if C.lt_terminal_columns(0) == 0 or C.lt_terminal_columns(1) == 0 then
    if trainer.repl_on_error then
      trainer.journal:line "note: there is no terminal, so --repl-on-error does nothing"
    end
    trainer.repl_on_error = nil
    return
  end
  check(C.lt_pause_watch(true))
  trainer.pausing = {watcher = core.on_catch}
  if trainer.repl_on_error then core.on_catch = require("luatrain.repl.errors").see end
end

--- Ends what pause.begin began.
function pause.finish(trainer)
  if not trainer.pausing then return end
  C.lt_pause_watch(false)
  core.on_catch = trainer.pausing.watcher
  trainer.pausing = nil
end

-- A batch of the present epoch for the session, or nil.
local function batch_at(trainer, number)
  if number < 1 or number > trainer.loaders.train:batches() then return nil end
  local loader = trainer.loaders.train
  local ok, batch = pcall(scope.run, loader.one, loader, trainer.at.epoch, number)
  return ok and scope.keep(batch) or nil
end

-- Opens the session; returns "continue", "skip" or "quit". number: of the batch to show; failed: whether it
-- can be skipped.
local function talk(trainer, text, number, failed)
  local started, state = C.lt_time(), random.default:get_state()
  trainer.journal:clear_bar()
  trainer.model:eval()  -- looking at what it computes must not move running averages
  local done = require("luatrain.repl").pause {
    prompt = "paused> ", text = text, failed = failed,
    globals = {model = trainer.model, batch = batch_at(trainer, number), trainer = trainer,
      optimizer = trainer.optimizer, config = trainer.config},
  }
  random.default:set_state(state)
  trainer.model:train()
  trainer.journal.started = trainer.journal.started + C.lt_time() - started
  C.lt_pause_asked()
  return done
end

local HOW = "model, batch, trainer, optimizer and config are at hand; :continue goes on, :quit ends the run"

--- Opens a session where Ctrl-\ was pressed since the last step.
function methods:pause_if_asked()
  if not self.pausing or not C.lt_pause_asked() then return end
  local at = self.at
  local text = ("paused after step %d (epoch %d, batch %d)\n%s"):format(at.step, at.epoch, at.batch, HOW)
  if talk(self, text, at.batch) ~= "quit" then return end
  if C.lt_signal_pending() ~= 0 then self:stop() end
  local saved = self:save "latest"
  failure.raise("interrupt", "ended at the prompt after step %d%s", at.step,
    saved and (", saved; continue with --resume %s"):format(self.run.path) or "")
end

--- One optimizer step. Where it fails, with repl_on_error, a session is opened: :continue repeats the
-- step from what was before it, :skip leaves its batches out. Returns what one_step returns, nil where
-- there was no step, and the function that gives the next batches.
function methods:guarded_step(fetch, last)
  if not self.repl_on_error then return self:timed("training", self.one_step, self, fetch, last), fetch end
  local at = self.at
  local first = at.batch + 1
  local ok, e = core.protect(self.timed, self, "training", self.one_step, self, fetch, last)
  if ok then return e, fetch end
  local failed = math.max(at.batch, first)
  local text = ("%s\nthe step failed at batch %d; :where shows the locals of the error\n%s, :skip leaves "
    .. "this batch out"):format(require("luatrain.repl.errors").text(e, {}), failed, HOW)
  local done = talk(self, text, failed, true)
  if done == "quit" then
    self.told = true
    error(e, 0)
  end
  if self.before then self:go_back(self.before) end
  at.batch = done == "skip" and failed or first - 1
  return nil, self.loaders.train:epoch(at.epoch, at.batch + 1)
end

--- After an error that no step made (in validation, in the recipe's own work): a last look.
function pause.look(trainer, e)
  if not trainer.repl_on_error or trainer.told or failure.kind(e) == "interrupt" then return end
  local text = require("luatrain.repl.errors").text(e, {})
  talk(trainer, text .. "\nthe run ends here; :where shows the locals of the error, Ctrl-D leaves",
    trainer.at.batch)
end

return {methods = methods, begin = pause.begin, finish = pause.finish, look = pause.look}
