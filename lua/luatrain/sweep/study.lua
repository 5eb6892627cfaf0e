--- A study: what its trials came to so far, and what to try next.
--
--   local study = require("luatrain.sweep.study").open(storage, "chord-asha", spec)
--   study:refresh()
--   study.history.trials[1].params.lr
--   for _, record in ipairs(study:best()) do ... end
--
-- study.history is what samplers and pruners see: trials (a list of records by number + 1), directions,
-- version. It is read from the storage incrementally; records of finished trials stay as they are. A record:
-- {number, state, params, distributions, values, reports}, and attempt, lost (how often its process was
-- killed), message, started, finished (seconds since 1970).
local core = require "luatrain.core"
local draw = require "luatrain.sweep.draw"
local failure = require "luatrain.failure"
local json = require "luatrain.json"
local space = require "luatrain.sweep.space"
local storage = require "luatrain.sweep.storage"

local study = {}

local Study = {}
Study.__index = Study

-- ---- what a study is ----------------------------------------------------------------------------

-- What two runs of one study must agree on, as stored.
local function identity_of(spec)
  local stored = {directions = json.array(spec.directions), objective = spec.objectives
    and json.array(spec.objectives) or "function", recipe = spec.recipe_name, command = spec.command}
  return stored
end

local function stored_spec(spec)
  local stored = identity_of(spec)
  stored.space = {}
  for name, d in pairs(spec.space or {}) do stored.space[name] = space.to_json(d) end
  stored.file, stored.seed = spec.path, spec.seed
  return stored
end

-- The first fact in which a stored study is not this one, for people; nil where it is.
local function difference(stored, spec)
  local own = identity_of(spec)
  for _, name in ipairs {"recipe", "command", "objective", "directions"} do
    local a, b = json.encode(stored[name] or "none", {pretty = false}), json.encode(own[name] or "none",
      {pretty = false})
    if a ~= b then return ("its %s is %s, here it is %s"):format(name, a:gsub('"', ""), (b:gsub('"', ""))) end
  end
end

local function from_row(store, row, directions)
  return setmetatable({storage = store, id = row.id, name = row.name, stored = row.spec, newest = 0,
    held = {}, distributions = {}, tried = {},
    history = {name = row.name, trials = {}, directions = directions, version = 0}}, Study)
end

--- Opens a study by name for a spec that luatrain.sweep.file loaded, and makes it where it is missing.
function study.open(store, name, spec)
  local row = store:study(name) or store:make_study(name, stored_spec(spec))
  local problem = difference(row.spec, spec)
  if problem and store:redefine(row.id, stored_spec(spec)) then
    row, problem = store:study(name), nil
  end
  if problem then
    failure.raise("config", "%s: a study called '%s' is there already, and it is another one: %s; "
      .. "choose another --study or --storage", store.path, name, problem)
  end
  local self = from_row(store, row, spec.directions)
  self.spec = spec
  return self
end

--- Opens a study that is there, to look at it.
function study.find(store, name)
  local row = store:study(name)
  if not row then
    local names = store:names()
    failure.raise("data", "%s: no study is called '%s'%s", store.path, name, #names == 0 and ""
      or "; there is " .. table.concat(names, ", "))
  end
  return from_row(store, row, row.spec.directions)
end

-- ---- history ------------------------------------------------------------------------------------

-- The distributions of a record from their text; most trials of a study share one.
local function distributions_of(self, text)
  local known = self.distributions[text]
  if not known then
    known = {}
    for name, one in pairs(json.decode(text)) do known[name] = space.from_json(one) end
    self.distributions[text] = known
  end
  return known
end

--- What a record comes to in the storage: {number, attempt, params, distributions, reports (texts)}.
function study.texts(record)
  local parts, params = {}, {}
  for i, name in ipairs(core.sorted_keys(record.distributions)) do
    local d = record.distributions[name]
    parts[i] = json.encode(name, {pretty = false}) .. ":" .. space.to_json(d)
    params[name] = space.to_stored(d, record.params[name])
  end
  return {number = record.number, attempt = record.attempt, params = storage.numbers_text(params),
    distributions = "{" .. table.concat(parts, ",") .. "}", reports = storage.numbers_text(record.reports)}
end

--- The seed that a trial is given: it depends on the study's and on the trial's number.
function Study:seed_of(number)
  return draw.stream(self.spec.seed, number, " trial"):below(2 ^ 31)
end

-- A record's parameters and reports are read from their texts when they are first asked for: of a long
-- history they seldom are.
local Record = {}

function Record.__index(record, key)
  local value
  if key == "params" then
    value = storage.numbers(record.params_text)
    for name, stored in pairs(value) do
      local d = record.distributions[name]
      if d.kind == "choice" then value[name] = space.from_stored(d, stored) end
    end
  elseif key == "reports" then
    value = storage.numbers(record.reports_text, tonumber)
  else
    return nil
  end
  record[key] = value
  return value
end

-- The values of "[1.5]" or "[1, 2]"; most are one, and read without a parser.
local function values_of(text)
  local one = tonumber(text:sub(2, -2))
  return one and {one} or json.decode(text)
end

-- Makes a record of a row of the storage.
local function record_of(self, row)
  row.distributions = distributions_of(self, row.distributions_text)
  row.values = row.outcome_text and values_of(row.outcome_text)
  return setmetatable(row, Record)
end

--- Reads what has changed since the last time. Trials that this process runs (study.held) are newer here
-- than there, and stay. Returns the history.
function Study:refresh()
  local rows, newest = self.storage:changes(self.id, self.newest)
  local history = self.history
  for _, row in ipairs(rows) do
    if not self.held[row.number] then history.trials[row.number + 1] = record_of(self, row) end
    local key = row.params_text
    local other = self.tried[key]
    if row.state ~= "failed" then self.tried[key] = other or row.number
    elseif other == row.number then self.tried[key] = nil end
  end
  self.newest = newest
  if #rows > 0 then history.version = history.version + 1 end
  return history
end

--- A trial that this process now runs: its record, kept here until Study:let_go.
function Study:hold(claimed)
  local old = self.history.trials[claimed.number + 1]
  local record = {number = claimed.number, state = "running", params = {}, distributions = {}, reports = {},
    seed = self:seed_of(claimed.number), attempt = claimed.attempt, lost = claimed.lost}
  -- An attempt before this one that never came to its parameters has left nothing to go on from.
  if claimed.again and old and next(old.params) ~= nil then
    record.again, record.fixed, record.fixed_distributions = true, old.params, old.distributions
    if self.spec.recipe then record.reports = old.reports end
  end
  self.held[claimed.number] = record
  self.history.trials[claimed.number + 1] = record
  self.history.version = self.history.version + 1
  return record
end

--- The trial is over (or another's): what the storage says of it counts again.
function Study:let_go(record)
  self.held[record.number] = nil
  self.history.version = self.history.version + 1
end

-- ---- suggesting ---------------------------------------------------------------------------------

--- The value of a parameter of a held record: the same as before where it was asked for, what an earlier
-- attempt of this trial had, what the sampler drew for the whole space, or what it draws for this one alone.
function Study:suggest(record, name, d)
  local before = record.distributions[name]
  if before then
    if not space.same(before, d) then
      core.fail("suggest: '%s' was %s before in this trial, now it is %s", name, tostring(before),
        tostring(d))
    end
    return record.params[name]
  end
  local value
  local fixed = record.fixed and record.fixed_distributions[name]
  if fixed and space.same(fixed, d) then
    value = record.fixed[name]
  else
    if not record.relative then
      record.relative = self.sampler:relative(self.history, record.number, self.spec.space) or {}
    end
    value = record.relative[name]
    if value == nil or not space.contains(d, value) then
      value = self.sampler:independent(self.history, record.number, name, d)
    end
  end
  record.params[name], record.distributions[name] = value, d
  return value
end

-- How often parameters are drawn anew that another trial has had already.
local DRAWS = 20

-- All parameters of a record as they are stored: equal texts are equal settings.
local function key_of(record) return study.texts(record).params end

--- Draws all parameters of a declared space. Settings that another trial of the study had already are drawn
-- anew, as long as there seem to be others: a recipe's training would only come to the same again.
function Study:suggest_all(record)
  local names = core.sorted_keys(self.spec.space)
  for _, name in ipairs(names) do self:suggest(record, name, self.spec.space[name]) end
  if record.fixed then return end
  for k = 1, DRAWS do
    local other = self.tried[key_of(record)]
    if not other or other == record.number then break end
    for _, name in ipairs(names) do
      -- Another number is another draw, and the same one whenever this trial is repeated.
      record.params[name] = self.sampler:independent(self.history, record.number + k * 2 ^ 24, name,
        self.spec.space[name])
    end
  end
  self.tried[key_of(record)] = self.tried[key_of(record)] or record.number
end

--- Enters a report of a held record; a step that was reported before keeps its value. Returns whether the
-- pruner wants the trial ended.
function Study:report(record, value, step)
  if record.reports[step] == nil then record.reports[step] = value end
  self.history.version = self.history.version + 1
  return self.pruner:prune(self.history, record)
end

-- ---- results ------------------------------------------------------------------------------------

--- How many trials are in each state: {done = 3, running = 1, ...}; all states are there.
function Study:counts()
  local counts = {waiting = 0, running = 0, done = 0, pruned = 0, failed = 0}
  for _, record in ipairs(self.history.trials) do counts[record.state] = counts[record.state] + 1 end
  return counts
end

--- The best finished trials: one for a single objective (the first of equals), the Pareto front for several;
-- an empty list where none is finished.
function Study:best()
  local history, best = self.history, nil
  if #history.directions > 1 then return require("luatrain.sweep.pareto").front(history) end
  local sign = history.directions[1] == "maximize" and -1 or 1
  for _, record in ipairs(history.trials) do
    if record.state == "done" and (not best or record.values[1] * sign < best.values[1] * sign) then
      best = record
    end
  end
  return {best}
end

return study
