--- What a sampler has seen of a history, kept from one suggestion to the next: finished records never
-- change, so each is read once, and a study of 100,000 trials costs no more than its news.
--
-- A trial counts when it is done (with finite values) or pruned. They are numbered in the order in which
-- they were seen to be finished, from 1: that is an id below.
local ffi = require "ffi"
local follow = require "luatrain.sweep.follow"
local space = require "luatrain.sweep.space"

local seen = {}
local Seen = {}
Seen.__index = Seen

local NAN = 0 / 0
local KEPT = 25  -- of the best trials: TPE never calls more of them good

local function reset(self)
  self.generation = self.generation + 1
  self.count = 0        -- finished trials
  self.records = {}     -- by id
  self.last = -1        -- the greatest trial number among the finished
  self.position = ffi.new("int32_t[?]", 64)  -- id by trial number, 0 where not finished
  self.room = 64
  self.done, self.pruned = {}, {}            -- the best of either kind, as {key, ..., id}
  self.done_count = 0
  self.common = {}      -- distributions that all finished trials have
  self.columns = {}
end

-- Puts an entry into a short sorted list of the best; entries are compared key by key.
local function keep_best(list, entry)
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

local function note_common(self, record)
  local distributions = record.distributions or {}
  if self.count == 1 then
    for name, d in pairs(distributions) do self.common[name] = d end
    return
  end
  for name, d in pairs(self.common) do
    local other = distributions[name]
    if not other or not space.same(d, other) then self.common[name] = nil end
  end
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
  note_position(self, record.number, id)
  note_common(self, record)
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
  if not known or next(known) == nil then known = self.common end
  local names, distributions = {}, {}
  for name, d in pairs(known) do
    local common = self.common[name]
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
seen.scaled = scaled

local function grow_column(column, n)
  if n <= column.room then return end
  local room = math.max(n, column.room * 2)
  local values, sorted = ffi.new("double[?]", room + 1), ffi.new("int32_t[?]", room + 1)
  ffi.copy(values, column.values, 8 * (column.room + 1))
  ffi.copy(sorted, column.sorted, 4 * (column.room + 1))
  column.values, column.sorted, column.room = values, sorted, room
end

-- Puts one id into its place in the sorted order.
local function insert_sorted(column, id)
  local values, sorted = column.values, column.sorted
  local x = values[id]
  local low, high = 0, column.present
  while low < high do
    local middle = math.floor((low + high) / 2)
    if values[sorted[middle]] <= x then low = middle + 1 else high = middle end
  end
  for i = column.present, low + 1, -1 do sorted[i] = sorted[i - 1] end
  sorted[low] = id
  column.present = column.present + 1
end

-- Merges two sorted runs of ids, from[low .. middle - 1] and from[middle .. high - 1], into `to`.
local function merge(values, from, to, low, middle, high)
  local i, k = low, middle
  for at = low, high - 1 do
    if i < middle and (k >= high or values[from[i]] <= values[from[k]]) then
      to[at] = from[i]
      i = i + 1
    else
      to[at] = from[k]
      k = k + 1
    end
  end
end

-- Sorts all ids anew, with those that are fresh, by merging runs of 1, 2, 4, ...
local function sort_all(column, fresh)
  local n = column.present + #fresh
  local from, to = column.sorted, ffi.new("int32_t[?]", column.room + 1)
  for i, id in ipairs(fresh) do from[column.present + i - 1] = id end
  local run = 1
  while run < n do
    for low = 0, n - 1, 2 * run do
      merge(column.values, from, to, low, math.min(low + run, n), math.min(low + 2 * run, n))
    end
    from, to, run = to, from, 2 * run
  end
  column.sorted, column.present = from, n
end

--- The values of one parameter: {values (double, by id; NaN where the trial has none that `d` contains),
-- sorted (ids by value, from 0), present (how many those are)}. There is room for `extra` more values.
function Seen:column(name, d, extra)
  local column = self.columns[name]
  if not column or not space.same(column.d, d) then
    column = { d = d, n = 0, present = 0, room = 0, values = ffi.new("double[1]"),
      sorted = ffi.new("int32_t[1]") }
    self.columns[name] = column
  end
  grow_column(column, self.count + (extra or 0))
  local fresh = {}
  for id = column.n + 1, self.count do
    local x = scaled(d, self.records[id].params[name])
    column.values[id] = x
    if x == x then fresh[#fresh + 1] = id end
  end
  column.n = self.count
  if #fresh > 32 then
    sort_all(column, fresh)
  else
    for _, id in ipairs(fresh) do insert_sorted(column, id) end
  end
  return column
end

return seen
