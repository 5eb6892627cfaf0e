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
-- One sampler belongs to one study: it keeps what it has seen.
local ffi = require "ffi"
local core = require "luatrain.core"
local options = require "luatrain.options"
local draw = require "luatrain.sweep.draw"
local pareto = require "luatrain.sweep.pareto"
local seen_of = require "luatrain.sweep.seen"
local space = require "luatrain.sweep.space"
local parzen = require "luatrain.sweep.samplers.parzen"

local Tpe = {}
Tpe.__index = Tpe

local tpe = {}

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

-- The two sets of observations that have all parameters: what parzen.mixture takes. extra: records of
-- running trials, whose ids follow those of the finished.
local function split(seen, columns, good, extra)
  local count, total = seen.count, seen.count + #extra
  local has = ffi.new("uint8_t[?]", total + 1)
  for id = 1, total do has[id] = 1 end
  for _, column in pairs(columns) do
    local values = column.values
    for id = 1, total do
      if values[id] ~= values[id] then has[id] = 0 end
    end
  end
  local high = ffi.new("int32_t[?]", total + 1)
  local low = ffi.new("int32_t[?]", total + 1)
  for id = 0, total do high[id], low[id] = -1, -1 end
  local lows, highs = 0, 0
  for id in pairs(good) do
    if has[id] == 1 then has[id] = 2 end
  end
  local function number_ids(position, last)
    for number = 0, last do
      local id = position[number]
      if id > 0 and has[id] == 1 then
        high[id] = highs
        highs = highs + 1
      elseif id > 0 and has[id] == 2 then
        low[id] = lows
        lows = lows + 1
      end
    end
  end
  if #extra == 0 then
    number_ids(seen.position, seen.last)
  else
    local last = seen.last
    for _, record in ipairs(extra) do last = math.max(last, record.number) end
    local position = ffi.new("int32_t[?]", last + 1)
    ffi.copy(position, seen.position, 4 * (seen.last + 1))
    for i, record in ipairs(extra) do position[record.number] = count + i end
    number_ids(position, last)
  end
  return { n = lows, slot = low, extra = #extra }, { n = highs, slot = high, extra = #extra }
end

-- Columns of the parameters with the values of running trials behind those of the finished.
local function columns_of(seen, names, distributions, extra)
  local columns = {}
  for _, name in ipairs(names) do
    local d = distributions[name]
    local column = seen:column(name, d, #extra)
    for i, record in ipairs(extra) do
      column.values[seen.count + i] = seen_of.scaled(d, (record.params or {})[name])
    end
    columns[name] = column
  end
  return columns
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
  local columns = columns_of(seen, names, distributions, extra)
  local below, above = split(seen, columns, good_ids(self, history), extra)
  local good = parzen.mixture(below, columns, names, distributions, self.prior_weight)
  local rest = parzen.mixture(above, columns, names, distributions, self.prior_weight)
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
  if seen.count < self.startup then
    return space.from_unit(d, draw.stream(self.seed, number, name):uniform())
  end
  return suggest(self, history, number, { name }, { [name] = d })[name]
end

return tpe
