--- The densities of TPE: mixtures with one kernel for each observation and one, as wide as the range, for
-- what is believed before any (the prior). A kernel is a product over the parameters: normals truncated to
-- the range, their masses on the steps where values are discrete, and for choices a distribution that
-- leans to the choice that was observed.
--
-- Bergstra, Bardenet, Bengio, Kegl, "Algorithms for hyper-parameter optimization", NIPS 2011; Falkner,
-- Klein, Hutter, "BOHB", ICML 2018 (the joint kernels); Watanabe, "Tree-structured Parzen estimator",
-- arXiv 2304.11127 (all constants side by side). Widths and weights are those of Optuna 5: the width of a
-- kernel is the greater of the distances to its neighbours, at least range / min(100, n + 2); of
-- observations beyond 25, those older have linearly less weight.
--
-- Factors that all kernels of both mixtures share are left out: only ratios of densities are used.
local ffi = require "ffi"
local normal = require "luatrain.sweep.normal"
local space = require "luatrain.sweep.space"

local parzen = {}

local exp, log, floor, max, min = math.exp, math.log, math.floor, math.max, math.min
local log_mass = normal.log_mass

-- Weight of observation number i (from 0) of n, oldest first.
local function weight(i, n)
  local ramp = n - 25
  if i >= ramp then return 1 end
  if ramp == 1 then return 1 / n end
  return 1 / n + (1 - 1 / n) * i / (ramp - 1)
end
parzen.weight = weight

-- Logarithms of the weights of a set's observations and, last, of the prior.
local function log_weights(set, prior_weight)
  local n, weights = set.n, ffi.new("double[?]", set.n + 1)
  local prior = n == 0 and 1 or prior_weight
  local sum = prior
  for i = 0, n - 1 do
    local rank = set.rank[i]
    weights[i] = weight(rank, set.all)
    if rank < set.all - 25 then weights[i] = weights[i] * set.stride end
    sum = sum + weights[i]
  end
  for i = 0, n - 1 do weights[i] = log(weights[i] / sum) end
  weights[n] = log(prior / sum)
  return weights
end

-- Merges two sorted runs of slots, from[low .. middle - 1] and from[middle .. high - 1], into `to`.
local function merge(x, ids, from, to, low, middle, high)
  local i, k = low, middle
  for at = low, high - 1 do
    local a, b = from[i], from[k]
    if i < middle and (k >= high or x[a] < x[b] or x[a] == x[b] and ids[a] < ids[b]) then
      to[at], i = a, i + 1
    else
      to[at], k = b, k + 1
    end
  end
end

-- The slots of a set's observations in the order of their values x, equal ones in that of their ids; and
-- these values. By merging runs of 1, 2, 4, ...
local function in_order(set, x)
  local n = set.n
  local from, to = ffi.new("int32_t[?]", n + 1), ffi.new("int32_t[?]", n + 1)
  for i = 0, n - 1 do from[i] = i end
  local run = 1
  while run < n do
    for low = 0, n - 1, 2 * run do
      merge(x, set.ids, from, to, low, min(low + run, n), min(low + 2 * run, n))
    end
    from, to, run = to, from, 2 * run
  end
  local values = ffi.new("double[?]", n + 1)
  for k = 0, n - 1 do values[k] = x[from[k]] end
  return from, values
end

-- The width of the kernel of value k (from 0) of n sorted ones.
local function width_of(values, k, n, low, high, narrowest)
  local x = values[k]
  local left = x - (k > 0 and values[k - 1] or low)
  local right = (k < n - 1 and values[k + 1] or high) - x
  local gap = max(left, right)
  if n > 1 and k == 0 then gap = right elseif n > 1 and k == n - 1 then gap = left end
  return max(narrowest, min(high - low, gap))
end

--- The widths of kernels on sorted values (a Lua list) in a range: what the mixtures use, for a look.
function parzen.widths(sorted, low, high)
  local n, values, list = #sorted, {}, {}
  for i, x in ipairs(sorted) do values[i - 1] = x end
  for k = 0, n - 1 do list[k + 1] = width_of(values, k, n, low, high, (high - low) / min(100, n + 2)) end
  return list
end

-- Logarithm of the share of a normal that the range holds; 0 where the ends are beyond 8.3 widths.
local function log_share(x, width, low, high)
  local a, b = (low - x) / width, (high - x) / width
  if a < -8.3 and b > 8.3 then return 0 end
  return log_mass(a, b)
end

-- Kernels on a continuous parameter; what does not depend on x goes into the weights.
local function continuous_kernels(set, observed, low, high, weights)
  local n = set.n
  local mean, inverse = ffi.new("double[?]", n + 1), ffi.new("double[?]", n + 1)
  local order, values = in_order(set, observed)
  local narrowest = (high - low) / min(100, set.all + 2)
  local log_narrowest = log(narrowest)
  for k = 0, n - 1 do
    local width = width_of(values, k, n, low, high, narrowest)
    local slot, x = order[k], values[k]
    mean[slot], inverse[slot] = x, 1 / width
    weights[slot] = weights[slot] - log_share(x, width, low, high)
      - (width == narrowest and log_narrowest or log(width))
  end
  local x, width = (low + high) / 2, high - low
  mean[n], inverse[n] = x, 1 / width
  weights[n] = weights[n] - log(width) - log_share(x, width, low, high)
  return { mean = mean, inverse = inverse }
end

-- Kernels on a parameter with steps: those with the same mean and width share an entry, so that a
-- probability is computed once for all of them.
local function discrete_kernels(set, observed, low, high, d)
  local n = set.n
  local entry = ffi.new("int32_t[?]", n + 1)
  local order, values = in_order(set, observed)
  local narrowest = (high - low) / min(100, set.all + 2)
  local means, widths, shares = {}, {}, {}
  local count = 0
  local function add(x, width)
    count = count + 1
    means[count], widths[count], shares[count] = x, width, log_share(x, width, low, high)
  end
  for k = 0, n - 1 do
    local x, width = values[k], width_of(values, k, n, low, high, narrowest)
    if means[count] ~= x or widths[count] ~= width then add(x, width) end
    entry[order[k]] = count - 1
  end
  add((low + high) / 2, high - low)
  entry[n] = count - 1
  return { entry = entry, means = means, widths = widths, shares = shares, d = d,
    log_p = ffi.new("double[?]", count) }
end

local function choice_kernels(set, observed, d, prior_weight)
  local n = set.n
  local entry = ffi.new("int32_t[?]", n + 1)
  for i = 0, n - 1 do entry[i] = observed[i] end
  entry[n] = #d.choices
  local each = prior_weight / (set.all + 1)
  local sum = 1 + each * #d.choices
  return { entry = entry, choices = #d.choices, other = log(each / sum), own = log((1 + each) / sum),
    log_p = ffi.new("double[?]", #d.choices + 1) }
end

local Mixture = {}
Mixture.__index = Mixture

--- Builds the mixture of a set of observations.
-- @param set {n = how many observations, ids = their ids (from 0, oldest first), all = how many they stand
--   for, rank = the place of each among all, stride = how many each stands for but the newest 25}
-- @param values by name: what was observed, in the order of ids
-- @param names, distributions the parameters
function parzen.mixture(set, values, names, distributions, prior_weight)
  local self = setmetatable({ n = set.n, parts = {} }, Mixture)
  local cumulative, sum = ffi.new("double[?]", set.n + 1), 0
  local weights = log_weights(set, prior_weight)
  for i = 0, set.n do
    sum = sum + exp(weights[i])
    cumulative[i] = sum
  end
  for i, name in ipairs(names) do
    local d, observed = distributions[name], values[name]
    local low, high = space.bounds(d)
    local part
    if d.kind == "choice" then
      part = choice_kernels(set, observed, d, prior_weight)
    elseif d.step then
      part = discrete_kernels(set, observed, low, high, d)
    else
      part = continuous_kernels(set, observed, low, high, weights)
    end
    part.low, part.high, part.d = low, high, d
    self.parts[i] = part
  end
  self.weights, self.cumulative = weights, cumulative
  self.kept, self.sums = ffi.new("int32_t[?]", set.n + 1), ffi.new("double[?]", set.n + 1)
  return self
end

-- ---- drawing -----------------------------------------------------------------------------------

local function pick_kernel(self, u)
  local cumulative, low, high = self.cumulative, 0, self.n
  while low < high do
    local middle = floor((low + high) / 2)
    if cumulative[middle] <= u then low = middle + 1 else high = middle end
  end
  return low
end

local function draw_choice(part, kernel, u)
  local own = part.entry[kernel]
  if own == part.choices then return min(part.choices - 1, floor(u * part.choices)) end
  local sum = 0
  for i = 0, part.choices - 2 do
    sum = sum + exp(i == own and part.own or part.other)
    if u < sum then return i end
  end
  return part.choices - 1
end

local function draw_number(part, kernel, u)
  local mean, width
  if part.mean then
    mean, width = part.mean[kernel], 1 / part.inverse[kernel]
  else
    local entry = part.entry[kernel] + 1
    mean, width = part.means[entry], part.widths[entry]
  end
  local z = normal.truncated_quantile(u, (part.low - mean) / width, (part.high - mean) / width)
  local x = mean + z * width
  local d = part.d
  if not d.step then return max(part.low, min(part.high, x)) end
  local value = space.nearest(d, d.log and exp(x) or x)
  return d.log and log(value) or value
end

--- Draws a point from the mixture: a list of values on the scale of the columns, in the order of names.
function Mixture:draw(stream)
  local kernel = pick_kernel(self, stream:uniform())
  local point = {}
  for i, part in ipairs(self.parts) do
    local u = stream:uniform()
    point[i] = part.choices and draw_choice(part, kernel, u) or draw_number(part, kernel, u)
  end
  return point
end

-- ---- density -----------------------------------------------------------------------------------

-- Logarithm of the mass of a normal on a step of `size` widths at z: exact, or where the step is small by the
-- series of the mass about its middle (its next term is below size^6 / 322560 He6(z)).
local function log_step(z, size)
  if size > 0.1 then return log_mass(z - size / 2, z + size / 2) end
  local zz, ss = z * z, size * size
  local more = ss / 24 * (zz - 1) + ss * ss / 1920 * (zz * zz - 6 * zz + 3)
  return log(size * (1 + more)) - 0.5 * zz - normal.LOG_SQRT_2PI
end

-- Logarithms of the probability of a stepped value under each entry. Entries more than 12 widths away add
-- nothing: there the density at the middle will do.
local function discrete_table(part, x)
  local d, log_p = part.d, part.log_p
  local value, half = d.log and exp(x) or x, d.step / 2
  local left, right = value - half, value + half
  if d.log then left, right = log(left), log(right) end
  local middle, size = (left + right) / 2, right - left
  for i = 1, #part.means do
    local width = part.widths[i]
    local z = (middle - part.means[i]) / width
    local p
    if size < width and z * z > 144 then
      p = log(size / width) - 0.5 * z * z
    else
      p = log_step(z, size / width)
    end
    log_p[i - 1] = p - part.shares[i]
  end
  return log_p
end

local function choice_table(part, x)
  local log_p = part.log_p
  for i = 0, part.choices - 1 do log_p[i] = i == x and part.own or part.other end
  log_p[part.choices] = -log(part.choices)
  return log_p
end

-- The logarithms of kernel j at x in one part, up to what is in the weights.
local function log_kernel(part, j, x, log_p)
  if log_p then return log_p[part.entry[j]] end
  local z = (x - part.mean[j]) * part.inverse[j]
  return -0.5 * z * z
end

-- All kernels with their weights; returns how many.
local function all_kernels(self)
  local kept, sums, weights = self.kept, self.sums, self.weights
  for j = 0, self.n do kept[j], sums[j] = j, weights[j] end
  return self.n + 1
end

-- Adds one part to the sums of the kernels that are left and drops those below the bottom; returns how many
-- stay.
local function add_continuous(self, part, x, left, bottom)
  local kept, sums, mean, inverse, count = self.kept, self.sums, part.mean, part.inverse, 0
  for i = 0, left - 1 do
    local j = kept[i]
    local z = (x - mean[j]) * inverse[j]
    local sum = sums[i] - 0.5 * z * z
    if sum > bottom then
      kept[count], sums[count] = j, sum
      count = count + 1
    end
  end
  return count
end

local function add_table(self, part, log_p, left, bottom)
  local kept, sums, entry, count = self.kept, self.sums, part.entry, 0
  for i = 0, left - 1 do
    local j = kept[i]
    local sum = sums[i] + log_p[entry[j]]
    if sum > bottom then
      kept[count], sums[count] = j, sum
      count = count + 1
    end
  end
  return count
end

--- The logarithm of the density at a point (as draw gives it), up to a constant that all mixtures over the
-- same parameters share. Kernels that together add less than e^-40 of the prior's part are passed over:
-- with many observations that is most of them after the first parameter.
function Mixture:log_density(point)
  local tables, bottom = {}, self.weights[self.n]
  for i, part in ipairs(self.parts) do
    if part.choices then tables[i] = choice_table(part, point[i])
    elseif not part.mean then tables[i] = discrete_table(part, point[i]) end
    bottom = bottom + log_kernel(part, self.n, point[i], tables[i])
  end
  bottom = bottom - 40 - log(self.n + 1)
  local left = all_kernels(self)
  for i, part in ipairs(self.parts) do
    if part.mean then left = add_continuous(self, part, point[i], left, bottom) end
  end
  for i, part in ipairs(self.parts) do
    if not part.mean then left = add_table(self, part, tables[i], left, bottom) end
  end
  local sums, greatest, total = self.sums, -math.huge, 0
  for i = 0, left - 1 do greatest = max(greatest, sums[i]) end
  for i = 0, left - 1 do total = total + exp(sums[i] - greatest) end
  return greatest + log(total)
end

return parzen
