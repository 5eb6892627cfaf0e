--- Runs a study: claims trials, starts a process for each, answers their questions, records what comes out.
--
-- One thread waits for all lines at once. Nothing but this parent talks to the storage, and everything it has
-- to say goes there in one transaction: what ended, and what is wanted next. A trial is started only after
-- its claim is committed, and let go only after its end is.
local ffi = require "ffi"
local child = require "luatrain.sweep.child"
local core = require "luatrain.core"
local failure = require "luatrain.failure"
local fs = require "luatrain.fs"
local line = require "luatrain.sweep.line"
local space = require "luatrain.sweep.space"
local studies = require "luatrain.sweep.study"
local storage = require "luatrain.sweep.storage"
local C, check = core.C, core.check

local runner = {}

local Runner = {}
Runner.__index = Runner

-- Trials shorter than this (seconds) get processes that are started before they are known, so many at most.
local SHORT, MOST_SPARES = 1.0, 4

--- Makes a runner. options: study (with spec, sampler and pruner), folder (of logs and run directories),
-- parallel, target (trials in all), timeout (seconds, 0: none), retries, grace, threads, pin,
-- max_failures (in a row, 0: no limit), display (see luatrain.sweep.display).
function runner.new(options)
  local self = setmetatable({running = {}, leaving = {}, finished = {}, lost = {}, spares = {},
    started = C.lt_time(), failures = 0, seconds = 0, ended = 0, identity = storage.identity()}, Runner)
  for name, value in pairs(options) do self[name] = value end
  self.program = ffi.string(C.lt_program_path())
  self.beat_every = math.max(0.5, math.min(10, self.grace / 6))
  return self
end

-- ---- processes ----------------------------------------------------------------------------------

local function log_path(self, name) return fs.join(self.folder, "trials", name .. ".log") end

local function start_process(self, name)
  return child.start({self.program, "sweep", self.study.spec.path, "worker"}, log_path(self, name))
end

-- Processes that wait for their trials while others compute: starting one takes some milliseconds.
local function keep_spares(self)
  local short = self.ended > 0 and self.seconds / self.ended < SHORT
  if not short or self.exhausted or self.stopping then return end
  if #self.spares >= math.min(self.parallel, MOST_SPARES) then return end
  self.spare_number = (self.spare_number or 0) + 1
  table.insert(self.spares, start_process(self, (".spare-%d-%d"):format(C.lt_getpid(), self.spare_number)))
end

local function take_process(self, name)
  local spare = table.remove(self.spares, 1)
  if not spare then return start_process(self, name) end
  os.rename(spare.log, log_path(self, name))
  spare.log = log_path(self, name)
  return spare
end

-- The lowest slot that is free: a trial's processors.
local function free_slot(self)
  local used = {}
  for _, one in ipairs(self.running) do used[one.slot] = true end
  for slot = 0, self.parallel - 1 do
    if not used[slot] then return slot end
  end
end

local function launch(self, record)
  local name = ("%05d"):format(record.number)
  local slot = free_slot(self)
  local message = {number = record.number, seed = record.seed, attempt = record.attempt,
    again = record.again or false, threads = self.threads,
    pin = self.pin and {slot * self.threads, self.threads} or nil,
    path = fs.join(self.folder, "trials", name)}
  local one = take_process(self, name)
  if not one:send {begin = message} then  -- a spare that has died
    one:finish(0)
    one = start_process(self, name)
    one:send {begin = message}
  end
  one.record, one.slot, one.began, one.oom_kills = record, slot, C.lt_time(), child.oom_kills()
  local limit = self.study.spec.trial_timeout or 0
  one.deadline = limit > 0 and one.began + limit
  self.running[#self.running + 1] = one
  self.display:trial_started(record)
end

-- ---- what trials say ----------------------------------------------------------------------------

local answers = {}

function answers.suggest(self, record, message)
  local d = self.distributions[message.distribution]
  if not d then
    d = space.from_json(message.distribution)
    self.distributions[message.distribution] = d
  end
  local value = self.study:suggest(record, message.suggest, d)
  record.dirty = true
  return {value = space.to_stored(d, value)}
end

function answers.report(self, record, message)
  record.dirty, record.step = true, message.step
  return {prune = self.study:report(record, tonumber(message.report), message.step) and true or false}
end

-- A trial's last word as its outcome.
local function outcome_of(message)
  if message.done then return {state = "done", values = message.done} end
  if message.pruned then return {state = "pruned"} end
  if message.failed then
    local told = message.code == 143 or message.code == 130 or message.code == 75
    return {state = told and "lost" or "failed", message = message.failed, fatal = message.fatal}
  end
end

local function handle(self, one, message)
  local kind = message.suggest and "suggest" or message.report and "report"
  if not kind then
    one.outcome = outcome_of(message) or one.outcome
    return
  end
  local ok, answer = pcall(answers[kind], self, one.record, message)
  if not ok then
    if failure.of(answer) then error(answer, 0) end
    answer = {error = core.message(answer)}
  end
  one:send(answer)
end

-- ---- ends ---------------------------------------------------------------------------------------

-- A trial is over: what is to be recorded, with the next transaction. What would go wrong in every trial
-- stops the sweep, and the trial waits.
local function settle(self, one)
  local record, outcome = one.record, one.outcome
  local entry = studies.texts(record)
  entry.lost, entry.record, entry.state, entry.values = record.lost, record, outcome.state, outcome.values
  entry.message = outcome.message and line.clean(outcome.message)
  entry.seconds = C.lt_time() - one.began
  if outcome.fatal and not self.stopping then
    failure.raise("config", "%s: %s", self.study.spec.path, outcome.message)
  elseif outcome.state == "lost" or outcome.fatal then
    self.lost[#self.lost + 1] = entry
    self.exhausted = false  -- it may be run again
    return
  end
  self.finished[#self.finished + 1] = entry
  self.seconds, self.ended = self.seconds + entry.seconds, self.ended + 1
  self.failures = outcome.state == "failed" and self.failures + 1 or 0
end

local function end_of(one)
  local state, code = one:finish(2)
  if one.outcome then return end
  if one.timed_out then
    one.outcome = {state = "failed", message = ("took longer than %g s"):format(one.timed_out)}
    return
  end
  local verdict, text = child.verdict(state, code, one:last_words(), child.oom_kills() > one.oom_kills)
  if one.problem then verdict, text = "failed", one.problem end
  one.outcome = {state = verdict, message = text}
end

-- Reads from one process; true where its trial is over.
local function listen(self, one)
  local messages, gone = one:receive()
  for _, message in ipairs(messages) do handle(self, one, message) end
  if gone then
    end_of(one)
    one:tidy()
  elseif one.outcome then
    self.leaving[#self.leaving + 1] = one
  end
  return one.outcome ~= nil
end

-- Processes that have said their last word end by themselves; those that do not are ended.
local function see_off(self)
  for i = #self.leaving, 1, -1 do
    local one = self.leaving[i]
    one.patience = one.patience or C.lt_time() + 5
    if one:has_left() or C.lt_time() > one.patience then
      one:finish(0)
      one:tidy()
      table.remove(self.leaving, i)
    end
  end
end

-- Waits for words of the trials, for up to `seconds`.
local function wait(self, seconds)
  local n = #self.running
  local lines, ready = ffi.new("int32_t[?]", math.max(n, 1)), ffi.new("int32_t[?]", math.max(n, 1))
  for i, one in ipairs(self.running) do lines[i - 1] = one.line.descriptor end
  check(C.lt_line_wait(ready, lines, n, seconds))
  local now = C.lt_time()
  for i = n, 1, -1 do
    local one = self.running[i]
    if one.deadline and now > one.deadline and not one.timed_out then
      one.timed_out = self.study.spec.trial_timeout
      one:kill()
    end
    if ready[i - 1] ~= 0 and listen(self, one) then
      table.remove(self.running, i)
      settle(self, one)
    end
  end
  see_off(self)
end

-- ---- the storage --------------------------------------------------------------------------------

local function may_claim(self)
  if self.stopping then return false end
  if self.timeout > 0 and C.lt_time() - self.started > self.timeout then return false end
  return not self.exhausted or C.lt_time() >= self.look_again
end

local function updates(self)
  local list = {}
  for _, one in ipairs(self.running) do
    local record = one.record
    if record.dirty then
      record.dirty = false
      list[#list + 1] = studies.texts(record)
    end
  end
  return list
end

-- Tells people what was recorded, and stops where going on makes no sense.
local function announce(self, entries, lost, foreign)
  for _, entry in ipairs(entries) do
    if foreign[entry.number] then
      self.display:line("trial %d was taken over by another process; its result here is dropped",
        entry.number)
    else
      self.display:trial_ended(self.study.history.trials[entry.number + 1], entry.seconds)
    end
  end
  for _, entry in ipairs(lost) do
    local record = self.study.history.trials[entry.number + 1]
    if not self.stopping then
      self.display:line("trial %d: %s; %s", entry.number, entry.message,
        record.state == "failed" and "it has failed" or "it will be run again")
    end
  end
  if self.max_failures > 0 and self.failures >= self.max_failures and not self.stopping then
    failure.raise("run", "the last %d trials failed, the last of them: %s", self.failures,
      entries[#entries].message or "without a word")
  end
end

-- One transaction: what ended, what got further, what is wanted next. Then the new trials begin.
local function exchange(self, with_updates)
  local want = may_claim(self) and self.parallel - #self.running or 0
  local entries, lost = self.finished, self.lost
  if want == 0 and #entries == 0 and #lost == 0 and not with_updates then return end
  local work = {finished = entries, lost = lost, updates = with_updates and updates(self) or nil,
    claim = want, target = self.target, held = self.study.held, retries = self.retries,
    resumes = self.study.spec.recipe ~= nil}
  local answer = self.study.storage:exchange(self.study.id, self.identity, work)
  self.finished, self.lost = {}, {}
  for _, entry in ipairs(entries) do self.study:let_go(entry.record) end
  for _, entry in ipairs(lost) do self.study:let_go(entry.record) end
  self.study:refresh()
  announce(self, entries, lost, answer.foreign)
  if want > 0 then
    self.exhausted = #answer.claimed < want
    self.look_again = C.lt_time() + 1
  end
  -- For a recipe, all parameters are drawn, and stored, before the trial begins: an attempt that is killed
  -- goes on from its checkpoint with the same ones.
  local drawn, records = {}, {}
  for i, claimed in ipairs(answer.claimed) do
    records[i] = self.study:hold(claimed)
    if self.study.spec.recipe then
      self.study:suggest_all(records[i])
      drawn[i] = studies.texts(records[i])
    end
  end
  if #drawn > 0 then self.study.storage:exchange(self.study.id, self.identity, {updates = drawn}) end
  for _, record in ipairs(records) do launch(self, record) end
end

-- Now and then: a sign of life, the trials of the dead, how far ours are.
local function tend(self)
  local now = C.lt_time()
  if now >= (self.next_beat or 0) then
    self.next_beat = now + self.beat_every
    self.study.storage:heartbeat(self.study.id, self.identity)
  end
  if now >= (self.next_look or 0) then
    self.next_look = now + math.min(self.beat_every, 2)
    local found = self.study.storage:recover(self.study.id, self.identity, self.grace)
    if found > 0 then self.exhausted = false end
  end
  if now >= (self.next_update or 0) then
    self.next_update = now + 1
    for _, one in ipairs(self.running) do
      if one.record.dirty and now - one.began > 1 then return exchange(self, true) end
    end
  end
end

-- ---- the whole ----------------------------------------------------------------------------------

-- Ends all processes: they are asked to, and after ten seconds made to. What they still say counts.
local function stop_all(self)
  self.stopping = true
  for _, one in ipairs(self.running) do one:terminate() end
  local deadline = C.lt_time() + 10
  while #self.running > 0 and C.lt_time() < deadline do wait(self, 0.1) end
  for _, one in ipairs(self.running) do
    one:kill()
    one:finish(0)
  end
  for _, one in ipairs(self.spares) do
    one:kill()
    one:finish(0)
    one:tidy()
  end
  self.running, self.spares = {}, {}
  -- Those that were stopped wait, and it does not count as a death of theirs: `leave` sees to it.
  self.lost = {}
  exchange(self, false)
end

local KINDS = {[2] = "interrupt", [15] = "terminate", [10] = "requeue"}

local function check_signal(self)
  local number = C.lt_signal_pending()
  if number == 0 then return end
  local n = #self.running
  stop_all(self)
  failure.raise(KINDS[number] or "interrupt", "stopped by signal %d%s; the same command goes on", number,
    n > 0 and (", %d running trials will be run again"):format(n) or "")
end

local function loop(self)
  local db, study, idle = self.study.storage, self.study, false
  db:recover(study.id, self.identity, self.grace)
  study:refresh()
  self.display:begin(self)
  while true do
    check_signal(self)
    exchange(self, false)
    if #self.running > 0 or #self.finished > 0 or #self.lost > 0 then
      idle = false
      keep_spares(self)
      wait(self, 0.25)
    elseif idle then
      break
    else  -- nothing seems to be left: look once more, also for what the dead left
      idle, self.exhausted = true, false
      db:recover(study.id, self.identity, self.grace)
    end
    tend(self)
    self.display:tick(self)
  end
end

--- Runs until the study has its trials, or time is over, or a signal comes. Raises a failure where it cannot
-- go on; whatever happens, no process is left behind, and what ran waits to be run again.
function Runner:run()
  self.distributions = {}
  fs.mkdir(fs.join(self.folder, "trials"))
  child.share_threads(self.threads)
  check(C.lt_signal_watch(true))
  local ok, e = pcall(function()
    self.study.storage:heartbeat(self.study.id, self.identity)
    loop(self)
  end)
  local stopped, problem = pcall(stop_all, self)
  for _, one in ipairs(self.leaving) do
    one:finish(2)
    one:tidy()
  end
  pcall(self.study.storage.leave, self.study.storage, self.study.id, self.identity)
  self.display:finish(self)
  C.lt_signal_watch(false)
  if not ok then error(e, 0) end
  if not stopped then error(problem, 0) end
end

return runner
