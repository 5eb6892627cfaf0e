--- CMA-ES, the evolution strategy with a covariance matrix: each generation is drawn from a normal
-- distribution whose mean, width and shape follow the better half of the last one. For ranges, alone or
-- with a few choices beside; those, and parameters that not every trial has, are drawn at random.
--
-- Options: population = 4 + floor(3 ln d) for d parameters, sigma = 1/6 (of the unit cube in which it works,
-- starting from the middle), startup = 1 (trials at random before), pruned = false (true: a pruned trial
-- counts with its last value; otherwise only trials that are done count), seed = 0.
--
-- N. Hansen, "The CMA evolution strategy: a tutorial", arXiv 1604.00772 (2016), equations and constants of
-- its appendix A, with negative weights. As in Optuna's sampler a point outside of the cube is drawn again,
-- 10 d times at most, then moved to the border, and every value is put back on the scale of the cube before
-- it is learned from.
--
-- A generation is `population` trials that count, in the order in which they were seen to finish (by number
-- where a study is continued). With several workers it may hold points drawn before the last one was
-- complete; the strategy copes with that. One sampler belongs to one study: it keeps its state.
local core = require "luatrain.core"
local options = require "luatrain.options"
local draw = require "luatrain.sweep.draw"
local eigen = require "luatrain.sweep.eigen"
local seen_of = require "luatrain.sweep.seen"
local space = require "luatrain.sweep.space"
local random = require "luatrain.sweep.samplers.random"

local sqrt, log, exp, max, min, floor = math.sqrt, math.log, math.exp, math.max, math.min, math.floor

-- ---- the strategy ------------------------------------------------------------------------------

local Strategy = {}
Strategy.__index = Strategy

-- Weights of a generation and the learning rates: the tutorial's table 1 and equations 49 to 58.
local function set_rates(self, n, size)
  local mu, weights = floor(size / 2), {}
  local sums, squares = { 0, 0 }, { 0, 0 }
  local positive, negative = 0, 0
  for i = 1, size do
    local w = log((size + 1) / 2) - log(i)
    local half = i <= mu and 1 or 2
    sums[half], squares[half] = sums[half] + w, squares[half] + w * w
    if w >= 0 then positive = positive + w else negative = negative - w end
    weights[i] = w
  end
  local mu_eff, mu_eff_minus = sums[1] ^ 2 / squares[1], sums[2] ^ 2 / squares[2]
  local c1 = 2 / ((n + 1.3) ^ 2 + mu_eff)
  local c_mu = min(1 - c1 - 1e-8, 2 * (mu_eff - 2 + 1 / mu_eff) / ((n + 2) ^ 2 + mu_eff))
  local bound = min(1 + c1 / c_mu, 1 + 2 * mu_eff_minus / (mu_eff + 2), (1 - c1 - c_mu) / (n * c_mu))
  self.weight_sum = 0
  for i, w in ipairs(weights) do
    weights[i] = w >= 0 and w / positive or w * bound / negative
    self.weight_sum = self.weight_sum + weights[i]
  end
  self.mu, self.weights, self.mu_eff, self.c1, self.c_mu = mu, weights, mu_eff, c1, c_mu
  self.c_sigma = (mu_eff + 2) / (n + mu_eff + 5)
  self.d_sigma = 1 + 2 * max(0, sqrt((mu_eff - 1) / (n + 1)) - 1) + self.c_sigma
  self.c_c = (4 + mu_eff / n) / (n + 4 + 2 * mu_eff / n)
  self.chi = sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n))
end

local function vector(n, value)
  local v = {}
  for i = 1, n do v[i] = value end
  return v
end

local function strategy(n, size, sigma)
  local self = setmetatable({ n = n, size = size, sigma = sigma, generation = 0 }, Strategy)
  set_rates(self, n, size)
  self.mean, self.path_sigma, self.path = vector(n, 0.5), vector(n, 0), vector(n, 0)
  self.covariance = {}
  for i = 1, n do
    self.covariance[i] = vector(n, 0)
    self.covariance[i][i] = 1
  end
  return self
end

-- Square roots of the eigenvalues, and the eigenvectors (columns), of the covariance.
local function axes(self)
  if not self.scales then
    local values, vectors = eigen.symmetric(self.covariance)
    for i, value in ipairs(values) do values[i] = sqrt(value < 0 and 1e-8 or value) end
    self.scales, self.vectors = values, vectors
  end
  return self.scales, self.vectors
end

-- The whitened y: C^(-1/2) y.
local function whiten(self, y)
  local scales, vectors = axes(self)
  local n, rotated, result = self.n, {}, {}
  for k = 1, n do
    local sum = 0
    for i = 1, n do sum = sum + vectors[i][k] * y[i] end
    rotated[k] = sum / scales[k]
  end
  for i = 1, n do
    local sum = 0
    for k = 1, n do sum = sum + vectors[i][k] * rotated[k] end
    result[i] = sum
  end
  return result
end

local function norm(v)
  local sum = 0
  for i = 1, #v do sum = sum + v[i] * v[i] end
  return sqrt(sum)
end

-- One point of the normal distribution.
local function draw_point(self, stream)
  local scales, vectors = axes(self)
  local n, z, x = self.n, {}, {}
  for k = 1, n do z[k] = scales[k] * stream:normal() end
  for i = 1, n do
    local sum = 0
    for k = 1, n do sum = sum + vectors[i][k] * z[k] end
    x[i] = self.mean[i] + self.sigma * sum
  end
  return x
end

local function inside(x)
  for i = 1, #x do
    if x[i] < 0 or x[i] > 1 then return false end
  end
  return true
end

function Strategy:ask(stream)
  local x
  for _ = 1, 10 * self.n + 1 do
    x = draw_point(self, stream)
    if inside(x) then return x end
  end
  for i = 1, self.n do x[i] = max(0, min(1, x[i])) end
  return x
end

-- Equations 45 to 47: the path and the covariance. steps: (x - mean) / sigma of the generation, best first;
-- step: their weighted mean; length: that of the path of sigma.
local function adapt_covariance(self, steps, step, length)
  local n, c_c, c1, c_mu = self.n, self.c_c, self.c1, self.c_mu
  local stalled = length / sqrt(1 - (1 - self.c_sigma) ^ (2 * (self.generation + 1)))
    >= (1.4 + 2 / (n + 1)) * self.chi
  local h = stalled and 0 or 1
  local gain = h * sqrt(c_c * (2 - c_c) * self.mu_eff)
  for i = 1, n do self.path[i] = (1 - c_c) * self.path[i] + gain * step[i] end
  local weights = {}
  for k, w in ipairs(self.weights) do
    weights[k] = w >= 0 and w or w * n / (norm(whiten(self, steps[k])) ^ 2 + 1e-8)
  end
  local keep = 1 + c1 * (1 - h) * c_c * (2 - c_c) - c1 - c_mu * self.weight_sum
  for i = 1, n do
    for j = 1, i do
      local rank_mu = 0
      for k, y in ipairs(steps) do rank_mu = rank_mu + weights[k] * y[i] * y[j] end
      local value = keep * self.covariance[i][j] + c1 * self.path[i] * self.path[j] + c_mu * rank_mu
      self.covariance[i][j], self.covariance[j][i] = value, value
    end
  end
  self.scales, self.vectors = nil, nil
end

--- Learns from a generation: a list of {x = point, value = to be minimised, order = breaks ties}.
function Strategy:tell(solutions)
  table.sort(solutions, function(a, b)
    if a.value ~= b.value then return a.value < b.value end
    return a.order < b.order
  end)
  self.generation = self.generation + 1
  local n, steps, step = self.n, {}, vector(self.n, 0)
  for k, one in ipairs(solutions) do
    steps[k] = {}
    for i = 1, n do steps[k][i] = (one.x[i] - self.mean[i]) / self.sigma end
  end
  for k = 1, self.mu do
    for i = 1, n do step[i] = step[i] + self.weights[k] * steps[k][i] end
  end
  local white = whiten(self, step)
  for i = 1, n do
    self.mean[i] = self.mean[i] + self.sigma * step[i]
    self.path_sigma[i] = (1 - self.c_sigma) * self.path_sigma[i]
      + sqrt(self.c_sigma * (2 - self.c_sigma) * self.mu_eff) * white[i]
  end
  local length = norm(self.path_sigma)
  adapt_covariance(self, steps, step, length)
  self.sigma = max(1e-12, min(1e8, self.sigma * exp(self.c_sigma / self.d_sigma * (length / self.chi - 1))))
end

-- ---- the sampler -------------------------------------------------------------------------------

local Cmaes = {}
Cmaes.__index = Cmaes

local cmaes = { options = { population = options.none, sigma = 1 / 6, startup = 1, pruned = false,
  seed = 0 } }

--- The strategy by itself, in the unit cube of n dimensions: strategy:ask(stream), strategy:tell(list).
cmaes.strategy = strategy

--- A sampler; see above for the options.
function cmaes.new(given)
  local self = options.read("cmaes", given, cmaes.options)
  if self.population ~= nil and options.size("cmaes", "population", self.population) < 2 then
    core.fail "cmaes: population is 1, want at least 2"
  end
  if type(self.sigma) ~= "number" or not (self.sigma > 0) then
    core.fail("cmaes: sigma is %s, want a number above 0", tostring(self.sigma))
  end
  options.size("cmaes", "startup", self.startup)
  if type(self.pruned) ~= "boolean" then
    core.fail("cmaes: pruned is %s, want true or false", tostring(self.pruned))
  end
  self.seen = seen_of.new()
  return setmetatable(self, Cmaes)
end

-- What a finished trial counts with, to be minimised; nil where it does not count.
local function value_of(self, record, sign)
  if record.state == "done" then return sign * record.values[1] end
  if not self.pruned then return nil end
  local _, value = seen_of.last_report(record)
  return value and value == value and sign * value or nil
end

local function same_names(a, b)
  return table.concat(a, "\0") == table.concat(b, "\0")
end

-- The strategy after all complete generations; what it has learned is kept.
local function state_of(self, history, names, distributions)
  local seen, sign = self.seen, seen_of.sign(history)
  if self.generation ~= seen.generation or not same_names(self.names, names) then
    self.generation, self.names = seen.generation, names
    self.read, self.skip, self.waiting = 0, self.startup, {}
    self.strategy = strategy(#names, self.population or 4 + floor(3 * log(#names)), self.sigma)
  end
  for id = self.read + 1, seen.count do
    local record = seen.records[id]
    local value = value_of(self, record, sign)
    if value and self.skip > 0 then
      self.skip = self.skip - 1
    elseif value then
      local x = {}
      for i, name in ipairs(names) do x[i] = space.to_unit(distributions[name], record.params[name]) end
      self.waiting[#self.waiting + 1] = { x = x, value = value, order = id }
    end
    if #self.waiting == self.strategy.size then
      self.strategy:tell(self.waiting)
      self.waiting = {}
    end
  end
  self.read = seen.count
  return self.strategy
end

--- Values for all ranges that every trial so far has.
function Cmaes:relative(history, number, known)
  if #history.directions > 1 then
    core.fail("cmaes: this sampler has one objective, the study has %d; use tpe", #history.directions)
  end
  local seen = self.seen:update(history)
  if seen.done_count < self.startup then return {} end
  local names, distributions = seen:joint(known)
  for i = #names, 1, -1 do
    if distributions[names[i]].kind == "choice" then table.remove(names, i) end
  end
  if #names == 0 then return {} end
  local x = state_of(self, history, names, distributions):ask(draw.stream(self.seed, number, "cmaes"))
  local params = {}
  for i, name in ipairs(names) do params[name] = space.from_unit(distributions[name], x[i]) end
  return params
end

--- A value at random, for choices and for parameters that not every trial has.
Cmaes.independent = random.independent

return cmaes
