--- The tree-structured Parzen estimator: of the finished trials a few are called good; a value is drawn from
-- the density of the good ones, as often as `candidates` says, and the one where it exceeds the density of
-- all others most is taken. See samplers/parzen.lua for the densities and where they come from.
--
-- Options: startup = 10 (trials drawn at random before), candidates = 24, multivariate (true: parameters that
-- every trial has are drawn together; false: each by itself; default true for one objective, false for
-- several), constant_liar = true (running trials count as bad ones, so that workers do not all try the
-- same), prior_weight = 1, seed = 0.
--
-- Good are min(ceil(n / 10), 25) of n finished trials: those done with the best value, and while there are
-- too few of them the pruned ones that came furthest. With several objectives they are the first by
-- non-domination rank, those of the last rank by crowding distance (Deb et al., "NSGA-II", 2002; Optuna takes
-- the greatest hypervolume there).
--
-- The density of the rest is made of 5,000 kernels at most: of a longer history the newest 25 and every
-- k-th of the others, which then weigh k times as much. So a suggestion takes as long after 100,000 trials
-- as after 5,000.
--
-- One sampler belongs to one study: it keeps what it has seen.
local ffi = require "ffi"
local core = require "luatrain.core"
local options = require "luatrain.options"
local draw = require "luatrain.sweep.draw"
local pareto = require "luatrain.sweep.pareto"
local seen_of = require "luatrain.sweep.seen"
local space = require "luatrain.sweep.space"
local parzen = require "luatrain.sweep.samplers.parzen"
local random = require "luatrain.sweep.samplers.random"

local Tpe = {}
Tpe.__index = Tpe

local tpe = {}

local KERNELS = 5000
local NEWEST = 25

--- The options and their defaults.
tpe.options = { startup = 10, candidates = 24, multivariate = options.none, constant_liar = true,
  prior_weight = 1, seed = 0 }

--- A sampler; see above for the options.
function tpe.new(given)
  local self = options.read("tpe", given, tpe.options)
  options.size("tpe", "candidates", self.candidates)
  if type(self.startup) ~= "number" or self.startup < 0 or self.startup % 1 ~= 0 then
    core.fail("tpe: startup is %s, want a whole number of at least 0", tostring(self.startup))
  end
  if type(self.prior_weight) ~= "number" or not (self.prior_weight > 0) then
    core.fail("tpe: prior_weight is %s, want a number above 0", tostring(self.prior_weight))
  end
  for _, name in ipairs { "multivariate", "constant_liar" } do
    if self[name] ~= nil and type(self[name]) ~= "boolean" then
      core.fail("tpe: %s is %s, want true or false", name, tostring(self[name]))
    end
  end
  self.seen, self.pool = seen_of.new(), pareto.pool(25)
  return setmetatable(self, Tpe)
end

--- How many of n finished trials count as good.
function tpe.good_count(n)
  return math.min(math.ceil(0.1 * n), 25)
end

-- The ids of the good trials, as a set.
local function good_ids(self, history)
  local seen, wanted = self.seen, tpe.good_count(self.seen.count)
  local good = {}
  if #history.directions > 1 then
    local pool = self.pool
    pool:follow(seen, history.directions)
    for _, id in ipairs(pool:best(wanted)) do
      good[id] = true
      wanted = wanted - 1
    end
  else
    for i = 1, math.min(wanted, #seen.done) do good[seen.done[i][3]] = true end
    wanted = wanted - #seen.done
  end
  for i = 1, math.min(wanted, #seen.pruned) do good[seen.pruned[i][4]] = true end
  return good
end

-- Marks by id which observations have all parameters (1), and which of those are good (2).
local function marks_of(columns, good, total, complete)
  local marks = ffi.new("uint8_t[?]", total + 1)
  ffi.fill(marks, total + 1, 1)
  for _, column in pairs(complete and {} or columns) do
    local values = column.values
    for id = 1, total do
      if values[id] ~= values[id] then marks[id] = 0 end
    end
  end
  for id in pairs(good) do
    if marks[id] == 1 then marks[id] = 2 end
  end
  return marks
end

-- The ids of trials by number, those of running ones (records in extra) behind those of the finished.
local function positions(seen, extra)
  if #extra == 0 then return seen.position, seen.last end
  local last = seen.last
  for _, record in ipairs(extra) do last = math.max(last, record.number) end
  local position = ffi.new("int32_t[?]", last + 1)
  ffi.copy(position, seen.position, 4 * (seen.last + 1))
  for i, record in ipairs(extra) do position[record.number] = seen.count + i end
  return position, last
end

-- The observations with a given mark as parzen.mixture takes them, oldest first.
local function set_of(position, last, marks, mark)
  local all = 0
  for number = 0, last do
    local id = position[number]
    if id > 0 and marks[id] == mark then all = all + 1 end
  end
  local stride = math.ceil(all / KERNELS)
  local room = math.min(all, KERNELS + NEWEST + 1) + 1
  local ids, rank = ffi.new("int32_t[?]", room), ffi.new("int32_t[?]", room)
  local n, i = 0, 0
  for number = 0, last do
    local id = position[number]
    if id > 0 and marks[id] == mark then
      if i >= all - NEWEST or i % stride == 0 then
        ids[n], rank[n] = id, i
        n = n + 1
      end
      i = i + 1
    end
  end
  return { n = n, ids = ids, rank = rank, all = all, stride = stride }
end

-- Whether every trial, running ones too, has a value in each column.
local function is_complete(seen, columns, extra)
  for _, column in pairs(columns) do
    if column.missing > 0 then return false end
    for i = 1, #extra do
      local x = column.values[seen.count + i]
      if x ~= x then return false end
    end
  end
  return true
end

-- The two sets of observations that have all parameters: the good ones and the rest. Where all trials have
-- them the sets are the same for every parameter of a trial, and kept until the history changes.
local function split(self, history, number, columns, extra)
  local seen, kept = self.seen, self.sets
  local complete = is_complete(seen, columns, extra)
  if complete and kept and kept.version == history.version and kept.number == number
    and kept.generation == seen.generation and kept.count == seen.count then
    return kept[1], kept[2]
  end
  local good, total = good_ids(self, history), seen.count + #extra
  local marks = marks_of(columns, good, total, complete)
  local position, last = positions(seen, extra)
  local sets = { version = history.version, number = number, generation = seen.generation,
    count = seen.count,
    set_of(position, last, marks, 2), set_of(position, last, marks, 1) }
  if complete then self.sets = sets end
  return sets[1], sets[2]
end

-- The value that a number on a column's scale stands for.
local function value_of(d, x)
  if d.kind == "choice" then return d.choices[x + 1] end
  return space.nearest(d, d.log and math.exp(x) or x)
end

-- Draws values for the named parameters together.
local function suggest(self, history, number, names, distributions)
  local seen = self.seen
  local extra = self.constant_liar and seen:running(number) or {}
  local columns = {}
  for _, name in ipairs(names) do columns[name] = seen:column(name, distributions[name], extra) end
  local below, above = split(self, history, number, columns, extra)
  local function mixture(set)
    local values = {}
    for name, column in pairs(columns) do values[name] = seen:gather(column, set.ids, set.n) end
    return parzen.mixture(set, values, names, distributions, self.prior_weight)
  end
  local good, rest = mixture(below), mixture(above)
  local stream = draw.stream(self.seed, number, "tpe:" .. table.concat(names, ","))
  local best, best_score
  for _ = 1, self.candidates do
    local point = good:draw(stream)
    local score = good:log_density(point) - rest:log_density(point)
    if not best or score > best_score then best, best_score = point, score end
  end
  local params = {}
  for i, name in ipairs(names) do params[name] = value_of(distributions[name], best[i]) end
  return params
end

--- Values for the parameters that all trials so far have (see Seen:joint), or {} where there are none, where
-- the trials are fewer than `startup`, or where parameters are drawn each by itself.
function Tpe:relative(history, number, known)
  local joint = self.multivariate
  if joint == nil then joint = #history.directions == 1 end
  local seen = self.seen:update(history)
  if not joint or seen.count < self.startup then return {} end
  local names, distributions = seen:joint(known)
  if #names == 0 then return {} end
  return suggest(self, history, number, names, distributions)
end

--- A value for one parameter, from the trials that have it.
function Tpe:independent(history, number, name, d)
  local seen = self.seen:update(history)
  if space.is_single(d) then return space.values(d)[1] end
  if seen.count < self.startup then return random.independent(self, history, number, name, d) end
  return suggest(self, history, number, { name }, { [name] = d })[name]
end

return tpe
