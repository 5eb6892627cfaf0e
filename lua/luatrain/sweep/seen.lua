--- What a sampler has seen of a history, kept from one suggestion to the next: finished records never
-- change, so each is read once, and a study of 100,000 trials costs no more than its news. Of most trials
-- only the distributions are looked at, which all share; a parameter's value when it is wanted.
--
-- A trial counts when it is done (with finite values) or pruned. They are numbered in the order in which
-- they were seen to be finished, from 1: that is an id below.
local ffi = require "ffi"
local follow = require "luatrain.sweep.follow"
local space = require "luatrain.sweep.space"

local seen = {}
local Seen = {}
Seen.__index = Seen

-- In a column: no value; one that is not read yet. Of a group: each trial has to be looked at.
local NAN, LATER, LOOK = 0 / 0, math.huge, 0
local KEPT = 25  -- of the best trials: TPE never calls more of them good
local NONE = {}

local function reset(self)
  self.generation = self.generation + 1
  self.count = 0        -- finished trials
  self.records = {}     -- by id
  self.group = {}       -- by id: trials of one group share their distributions
  self.groups = {}      -- distributions by group, and group by distributions
  self.last = -1        -- the greatest trial number among the finished
  self.position = ffi.new("int32_t[?]", 64)  -- id by trial number, 0 where not finished
  self.room = 64
  self.done, self.pruned = {}, {}            -- the best of either kind, as {key, ..., id}
  self.done_count = 0
  self.common = nil     -- distributions that all finished trials have
  self.columns = {}
end

-- Puts an entry into a short sorted list of the best; entries are compared key by key.
local function keep_best(list, entry)
  if list[KEPT] and entry[1] > list[KEPT][1] then return end
  local at = #list + 1
  while at > 1 do
    local other = list[at - 1]
    local before = false
    for k = 1, #entry do
      if entry[k] ~= other[k] then
        before = entry[k] < other[k]
        break
      end
    end
    if not before then break end
    at = at - 1
  end
  if at > KEPT then return end
  table.insert(list, at, entry)
  list[KEPT + 1] = nil
end

-- The greatest step of a record's reports and its value, or nil.
local function last_report(record)
  local last
  for step in pairs(record.reports or {}) do
    if not last or step > last then last = step end
  end
  if last then return last, record.reports[last] end
end
seen.last_report = last_report

--- The steps at which a record has reports, sorted.
function seen.steps(record)
  local steps = {}
  for step in pairs(record.reports or {}) do steps[#steps + 1] = step end
  table.sort(steps)
  return steps
end

--- The sign that makes an objective one to minimise.
function seen.sign(history, objective)
  return history.directions[objective or 1] == "maximize" and -1 or 1
end

--- Whether a record is done with finite values.
function seen.is_done(record)
  if record.state ~= "done" or not record.values then return false end
  for _, value in ipairs(record.values) do
    if value ~= value then return false end
  end
  return record.values[1] ~= nil
end

-- The group of trials with these distributions.
local function group_of(self, distributions)
  local groups = self.groups
  local group = groups[distributions]
  if group then return group end
  group = #groups + 1
  groups[group], groups[distributions] = distributions, group
  local common = {}
  for name, d in pairs(self.common or distributions) do
    local other = distributions[name]
    if other and space.same(d, other) then common[name] = d end
  end
  self.common = common
  return group
end

local function note_position(self, number, id)
  if number >= self.room then
    local room = math.max(number + 1, self.room * 2)
    local larger = ffi.new("int32_t[?]", room)
    ffi.copy(larger, self.position, 4 * self.room)
    self.position, self.room = larger, room
  end
  self.position[number] = id
  self.last = math.max(self.last, number)
end

-- Takes a record that is finished.
local function take(self, record)
  local done = seen.is_done(record)
  if not done and record.state ~= "pruned" then return end
  self.count = self.count + 1
  local id = self.count
  self.records[id] = record
  self.group[id] = group_of(self, record.distributions or NONE)
  note_position(self, record.number, id)
  if done then
    self.done_count = self.done_count + 1
    keep_best(self.done, { self.sign * record.values[1], record.number, id })
    return
  end
  -- The longest first; among those of one length the best value (as Optuna orders pruned trials).
  local step, value = last_report(record)
  if not step then step, value = -1, 0
  elseif value ~= value then value = math.huge
  else value = self.sign * value end
  keep_best(self.pruned, { -step, value, record.number, id })
end

--- A reader that has seen nothing yet. Its `generation` grows when it is shown another history and
-- begins anew.
function seen.new()
  local self = setmetatable({ generation = 0 }, Seen)
  self.follow = follow.new(function() reset(self) end, function(record) take(self, record) end)
  reset(self)
  return self
end

--- Reads what is new in a history; returns itself.
function Seen:update(history)
  if self.version and self.version == history.version and self.trials == history.trials then return self end
  self.sign = seen.sign(history)
  self.open = self.follow:update(history)
  self.version, self.trials = history.version, history.trials
  return self
end

--- The records of trials that run, without that of trial `number`.
function Seen:running(number)
  local list = {}
  for _, i in ipairs(self.open) do
    local record = self.trials[i]
    if record.state == "running" and record.number ~= number then list[#list + 1] = record end
  end
  return list
end

--- The parameters that can be drawn together: those of `known` (distributions by name; nil or empty for
-- all that were ever asked for) that every finished trial has with the same distribution and that have
-- more than one value. Returns sorted names and the distributions.
function Seen:joint(known)
  local all = self.common or NONE
  if not known or next(known) == nil then known = all end
  local names, distributions = {}, {}
  for name, d in pairs(known) do
    local common = all[name]
    if common and space.same(common, d) and not space.is_single(d) then
      names[#names + 1] = name
      distributions[name] = d
    end
  end
  table.sort(names)
  return names, distributions
end

-- ---- columns: the values of one parameter ------------------------------------------------------

-- A value on the scale that densities use: logarithms, choices counted from 0; NaN where there is none.
local function scaled(d, value)
  if value == nil then return NAN end
  if d.kind == "choice" then return (space.index(d, value) or NAN) - 1 end
  if not space.contains(d, value) then return NAN end
  return d.log and math.log(value) or value
end

-- What a group tells of a column: LATER where all its trials have a value, NAN where none has, LOOK where
-- their distribution is another one.
local function kind_of(column, distributions)
  local own = distributions[column.name]
  if not own then return NAN end
  return space.same(own, column.d) and LATER or LOOK
end

local function grow_column(column, n)
  if n <= column.room then return end
  local room = math.max(n, column.room * 2)
  local values = ffi.new("double[?]", room + 1)
  ffi.copy(values, column.values, 8 * (column.room + 1))
  column.values, column.room = values, room
end

-- Reads the ids that are new to a column.
local function read_column(self, column)
  local kinds, values, group = column.kinds, column.values, self.group
  for g = #kinds + 1, #self.groups do kinds[g] = kind_of(column, self.groups[g]) end
  for id = column.n + 1, self.count do
    local x = kinds[group[id]]
    if x == LOOK then x = scaled(column.d, self.records[id].params[column.name]) end
    values[id] = x
    if x ~= x then column.missing = column.missing + 1 end
  end
  column.n = self.count
end

--- The values of one parameter: {values (double, by id; NaN where the trial has none that `d` contains),
-- missing (how many those are)}. Behind the finished trials come those of `extra`, a list of records. A value
-- stands there once Seen:gather has asked for it.
function Seen:column(name, d, extra)
  local column = self.columns[name]
  if not column or not space.same(column.d, d) then
    column = { name = name, d = d, n = 0, missing = 0, kinds = {}, room = 0, values = ffi.new("double[1]") }
    self.columns[name] = column
  end
  grow_column(column, self.count + #extra)
  read_column(self, column)
  for i, record in ipairs(extra) do
    column.values[self.count + i] = scaled(d, (record.params or NONE)[name])
  end
  return column
end

--- The values of n trials of a column, by their ids (from 0): doubles, from 0.
function Seen:gather(column, ids, n)
  local values, gathered = column.values, ffi.new("double[?]", n + 1)
  for i = 0, n - 1 do
    local id = ids[i]
    if values[id] == LATER then values[id] = scaled(column.d, self.records[id].params[column.name]) end
    gathered[i] = values[id]
  end
  return gathered
end

return seen
