--- What changes a study: methods of the storage. Each is one transaction.
local failure = require "luatrain.failure"
local json = require "luatrain.json"

local methods = {}

-- Counts up the study's changes and keeps other writers out until the commit. Returns the number.
local function next_change(db, study)
  local _, changed = db:query("UPDATE luatrain_studies SET change = change + 1 WHERE id = ?", study)
  if changed ~= 1 then failure.raise("data", "%s: the study has been removed", db.path) end
  return db:query("SELECT change FROM luatrain_studies WHERE id = ?", study)[1][1]
end

--- Makes another study of one that has not finished a trial yet (its first attempt was mistaken). Returns
-- whether it did.
function methods:redefine(study, spec)
  return self:transaction(function(db)
    next_change(db, study)
    local finished = db:query("SELECT count(*) FROM luatrain_trials WHERE study = ? "
      .. "AND state IN ('done', 'pruned', 'failed', 'running')", study)[1][1]
    if finished > 0 then return false end
    db:query("UPDATE luatrain_studies SET spec = ? WHERE id = ?", json.encode(spec, {pretty = false}), study)
    return true
  end)
end

-- ---- parents ------------------------------------------------------------------------------------

--- Says that a parent (from storage.identity) runs the study and lives: at first, now and then, and also when
-- others have taken it for dead meanwhile.
function methods:heartbeat(study, parent)
  self:transaction(function(db)
    db:query("INSERT INTO luatrain_parents (id, study, host, place, pid, born, heartbeat) "
      .. "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET heartbeat = excluded.heartbeat",
      parent.id, study, parent.host, parent.place, parent.pid, parent.born, db:now())
  end)
end

--- Takes a parent off the list; its running trials wait for others.
function methods:leave(study, parent)
  self:transaction(function(db)
    local change = next_change(db, study)
    db:query("UPDATE luatrain_trials SET state = 'waiting', owner = NULL, change = ? "
      .. "WHERE study = ? AND state = 'running' AND owner = ?", change, study, parent.id)
    db:query("DELETE FROM luatrain_parents WHERE id = ?", parent.id)
  end)
end

-- Owners of running trials that are gone, other than `parent`.
local function dead_owners(db, study, parent, grace)
  local dead = {}
  local rows = db:query("SELECT DISTINCT t.owner, p.place, p.pid, p.born, p.heartbeat FROM luatrain_trials t "
    .. "LEFT JOIN luatrain_parents p ON p.id = t.owner WHERE t.study = ? AND t.state = 'running'", study)
  local now = db:now()
  local is_dead = require("luatrain.sweep.storage").is_dead
  for _, row in ipairs(rows) do
    local owner, place, pid, born, heartbeat = unpack(row, 1, 5)
    if owner ~= parent.id and (heartbeat == nil
      or is_dead({place = place, pid = pid, born = born, age = now - heartbeat}, grace)) then
      dead[#dead + 1] = owner
    end
  end
  return dead
end

--- Lets the trials of dead parents wait to be run again. grace: seconds of silence after which a parent of
-- another machine counts as dead. Returns how many trials.
function methods:recover(study, parent, grace)
  local function owners(db) return dead_owners(db, study, parent, grace) end
  if #self:with(owners) == 0 then return 0 end
  return self:transaction(function(db)
    local change, count = next_change(db, study), 0
    for _, owner in ipairs(owners(db)) do
      local _, changed = db:query("UPDATE luatrain_trials SET state = 'waiting', owner = NULL, change = ? "
        .. "WHERE study = ? AND state = 'running' AND owner = ?", change, study, owner)
      db:query("DELETE FROM luatrain_parents WHERE id = ?", owner)
      count = count + changed
    end
    return count
  end)
end

-- ---- trials -------------------------------------------------------------------------------------

local OURS = "WHERE study = ? AND number = ? AND owner = ? AND attempt = ? AND state = 'running'"

-- Writes how a trial ended; returns whether it was ours to end.
local function finish(db, study, parent, change, trial)
  local outcome = trial.values and json.encode(json.array(trial.values), {pretty = false}) or nil
  local _, changed = db:query("UPDATE luatrain_trials SET state = ?, change = ?, params = ?, "
    .. "distributions = ?, reports = ?, outcome = ?, message = ?, finished = ? " .. OURS, trial.state, change,
    trial.params, trial.distributions, trial.reports, outcome, trial.message, db:now(), study, trial.number,
    parent.id, trial.attempt)
  if changed == 1 then return true end
  -- After a commit whose answer was lost the row says so itself.
  local row = db:query("SELECT state, owner, attempt FROM luatrain_trials WHERE study = ? AND number = ?",
    study, trial.number)[1]
  return row ~= nil and row[1] == trial.state and row[2] == parent.id and row[3] == trial.attempt
end

-- A trial whose process was killed from outside: it waits to be run again, or has failed after so many.
local function lose(db, study, parent, change, trial, retries)
  local again = trial.lost + 1 <= retries
  db:query("UPDATE luatrain_trials SET state = ?, owner = ?, change = ?, lost = ?, message = ?, finished = ? "
    .. OURS, again and "waiting" or "failed", not again and parent.id or nil, change,
    trial.lost + 1, trial.message, not again and db:now() or nil, study, trial.number, parent.id,
    trial.attempt)
end

-- Takes a waiting trial, the lowest first, else makes a new one below `target`. Returns it, or nil. resumes:
-- its reports stay, since it goes on from a checkpoint.
local function claim(db, study, parent, change, target, resumes)
  local row = db:query("SELECT number, attempt, lost FROM luatrain_trials WHERE study = ? "
    .. "AND state = 'waiting' ORDER BY number LIMIT 1", study)[1]
  local now = db:now()
  if row then
    db:query("UPDATE luatrain_trials SET state = 'running', owner = ?, attempt = ?, change = ?, started = ?, "
      .. "message = NULL" .. (resumes and "" or ", reports = '{}'") .. " WHERE study = ? AND number = ?",
      parent.id, row[2] + 1, change, now, study, row[1])
    return {number = row[1], attempt = row[2] + 1, lost = row[3], again = true}
  end
  local number = db:query("SELECT next FROM luatrain_studies WHERE id = ?", study)[1][1]
  if number >= target then return nil end
  db:query("UPDATE luatrain_studies SET next = ? WHERE id = ?", number + 1, study)
  db:query("INSERT INTO luatrain_trials (study, number, state, change, owner, attempt, lost, params, "
    .. "distributions, reports, started) VALUES (?, ?, 'running', ?, ?, 1, 0, '{}', '{}', '{}', ?)",
    study, number, change, parent.id, now)
  return {number = number, attempt = 1, lost = 0}
end

-- Running trials that are ours and that we do not know of: their claim was committed, but the answer lost.
local function forgotten(db, study, parent, held)
  local rows = db:query("SELECT number, attempt, lost FROM luatrain_trials WHERE study = ? "
    .. "AND state = 'running' AND owner = ? ORDER BY number", study, parent.id)
  for _, row in ipairs(rows) do
    if not held[row[1]] then return {number = row[1], attempt = row[2], lost = row[3], again = true} end
  end
end

--- Everything that a parent has to tell and to ask, in one transaction. work:
--   finished  list of {number, attempt, state, values, params, distributions, reports (texts), message}
--   lost      list of {number, attempt, lost, message}: their processes were killed
--   updates   list of {number, attempt, params, distributions, reports}: running trials that got further
--   claim     how many trials are wanted; target: how many the study shall have in all
--   held      {[number] = true} of the trials that the parent runs (those that it ends now, too)
--   retries   how often a trial is run again after its process was killed
--   resumes   such a trial goes on from a checkpoint: its reports stay
-- Returns {claimed = list of {number, attempt, lost, again}, foreign = {[number] = true} of finished trials
-- that were not ours any more}.
function methods:exchange(study, parent, work)
  return self:transaction(function(db)
    local change, answer = next_change(db, study), {claimed = {}, foreign = {}}
    for _, trial in ipairs(work.finished or {}) do
      if not finish(db, study, parent, change, trial) then answer.foreign[trial.number] = true end
    end
    for _, trial in ipairs(work.lost or {}) do lose(db, study, parent, change, trial, work.retries or 0) end
    for _, trial in ipairs(work.updates or {}) do
      db:query("UPDATE luatrain_trials SET change = ?, params = ?, distributions = ?, reports = ? " .. OURS,
        change, trial.params, trial.distributions, trial.reports, study, trial.number, parent.id,
        trial.attempt)
    end
    local held = {}
    for number in pairs(work.held or {}) do held[number] = true end
    while #answer.claimed < (work.claim or 0) do
      local trial = db.kind == "postgres" and forgotten(db, study, parent, held)
        or claim(db, study, parent, change, work.target, work.resumes)
      if not trial then break end
      held[trial.number] = true
      table.insert(answer.claimed, trial)
    end
    return answer
  end)
end

--- Lets trials wait to be run again: those of the given numbers, or all that failed. Returns their numbers;
-- raises where one is not finished.
function methods:retry(study, numbers)
  return self:transaction(function(db)
    local change, done = next_change(db, study), {}
    if not numbers then
      numbers = {}
      for i, row in ipairs(db:query("SELECT number FROM luatrain_trials WHERE study = ? AND state = 'failed' "
        .. "ORDER BY number", study)) do numbers[i] = row[1] end
    end
    for _, number in ipairs(numbers) do
      local _, changed = db:query("UPDATE luatrain_trials SET state = 'waiting', owner = NULL, lost = 0, "
        .. "change = ?, outcome = NULL, message = NULL, finished = NULL, reports = '{}', params = '{}', "
        .. "distributions = '{}' WHERE study = ? AND number = ? AND state = 'failed'",
        change, study, number)
      if changed ~= 1 then failure.raise("usage", "retry: there is no failed trial %d", number) end
      done[#done + 1] = number
    end
    return done
  end)
end

return methods
