--- Which parameters matter: PED-ANOVA.
--
-- S. Watanabe, A. Bansal, F. Hutter, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in
-- Arbitrary Subspaces", IJCAI 2023: a parameter matters as much as the density of its values among the best
-- trials differs (by Pearson's divergence) from that among all. It needs no model of the objective, takes
-- time linear in the trials, and handles choices like numbers. Parameters that only some trials have, or
-- whose range changed, count by parts, as in Optuna 5 (K. Ito and others, "Conditional PED-ANOVA", 2026).
local core = require "luatrain.core"
local options = require "luatrain.options"
local normal = require "luatrain.sweep.normal"
local seen_of = require "luatrain.sweep.seen"
local space = require "luatrain.sweep.space"

local importance = {}

local exp, log, ceil, floor, max, min = math.exp, math.log, math.ceil, math.floor, math.max, math.min

local STEPS = 50       -- cells of a grid on a range
local PRIOR = 1        -- weight of the kernel as wide as the range
local LEAST = 2        -- trials that a part must have

-- How often the values fall into each cell of the grid; the cells from 0 to n - 1.
local function counts_on_grid(d, name, trials)
  local counts = {}
  if d.kind == "choice" then
    for i = 0, #d.choices - 1 do counts[i] = 0 end
    for _, record in ipairs(trials) do
      local i = space.index(d, record.params[name]) - 1
      counts[i] = counts[i] + 1
    end
    return counts, #d.choices
  end
  local n = STEPS
  if d.kind == "integer" and d.log then
    n = min(n, ceil(log(d.high - d.low + 1) / log(2)) + 1)
  elseif d.step then
    n = min(n, space.count(d))
  end
  local low, high = d.low, d.high
  if d.log then low, high = log(low), log(high) end
  for i = 0, n - 1 do counts[i] = 0 end
  for _, record in ipairs(trials) do
    local x = d.log and log(record.params[name]) or record.params[name]
    local i = max(0, min(n - 1, ceil((x - low) / ((high - low) / (n - 1)) - 0.5)))
    counts[i] = counts[i] + 1
  end
  return counts, n
end

-- The width of kernels by Scott's rule ("Multivariate density estimation", 1992) from weighted cells, a
-- third of a cell at least.
local function scott_width(cells, weights)
  local sum, mean = 0, 0
  for i, x in ipairs(cells) do sum, mean = sum + weights[i], mean + weights[i] * x end
  mean = mean / sum
  local squares, first, third, running = 0, nil, nil, 0
  for i, x in ipairs(cells) do
    squares = squares + weights[i] * (x - mean) ^ 2
    running = running + weights[i]
    if not first and running >= floor(sum / 4) then first = x end
    if not third and running > floor(sum * 3 / 4) then third = x end
  end
  local deviation = math.sqrt(squares / max(1, sum - 1))
  local quartiles = (third or cells[#cells]) - first
  return max(0.5 / 1.64, 1.059 * min(quartiles / 1.34, deviation) * sum ^ -0.2)
end

-- The probability of each cell (from 0) under kernels on the cells that are occupied, and the prior.
local function probabilities(d, counts, n)
  local cells, weights, sum = {}, {}, PRIOR
  for i = 0, n - 1 do
    if counts[i] > 0 then
      cells[#cells + 1], weights[#weights + 1] = i, counts[i]
      sum = sum + counts[i]
    end
  end
  local p = {}
  if d.kind == "choice" then
    local each = PRIOR / (#cells + 1)
    for i = 0, n - 1 do
      p[i] = PRIOR / sum / n
      for k, cell in ipairs(cells) do
        p[i] = p[i] + weights[k] / sum * ((cell == i and 1 or 0) + each) / (1 + each * n)
      end
    end
    return p
  end
  local width = scott_width(cells, weights)
  local function mass(x, mean, sigma)
    return exp(normal.log_mass((x - 0.5 - mean) / sigma, (x + 0.5 - mean) / sigma)
      - normal.log_mass((-0.5 - mean) / sigma, (n - 0.5 - mean) / sigma))
  end
  for i = 0, n - 1 do
    p[i] = PRIOR / sum * mass(i, (n - 1) / 2, n)
    for k, cell in ipairs(cells) do p[i] = p[i] + weights[k] / sum * mass(i, cell, width) end
  end
  return p
end

-- Pearson's divergence of the values of the best trials from those of all.
local function divergence(d, name, best, all, is_local)
  local counts, n = counts_on_grid(d, name, best)
  local top, other = probabilities(d, counts, n), nil
  if is_local then other = probabilities(d, (counts_on_grid(d, name, all)), n) end
  local sum = 0
  for i = 0, n - 1 do
    local base = other and other[i] + 1e-12 or 1 / n
    sum = sum + base * ((top[i] + 1e-12) / base - 1) ^ 2
  end
  return sum
end

-- The trials whose value is not above the given quantile, at least one.
local function best_of(trials, values, quantile)
  local sorted, kept = {}, {}
  for i = 1, #trials do sorted[i] = values[trials[i]] end
  table.sort(sorted)
  local limit = sorted[ceil(quantile * #sorted)]
  for _, record in ipairs(trials) do
    if values[record] <= limit then kept[#kept + 1] = record end
  end
  return kept
end

-- The trials that have a parameter, by distribution: a list of {d, trials}.
local function parts_of(name, trials)
  local parts = {}
  for _, record in ipairs(trials) do
    local d = (record.distributions or {})[name]
    if d then
      local found
      for _, part in ipairs(parts) do
        if space.same(part.d, d) then found = part end
      end
      if not found then
        found = { d = d, trials = {} }
        parts[#parts + 1] = found
      end
      table.insert(found.trials, record)
    end
  end
  return parts
end

local function of_parameter(name, best, region, is_best, o)
  local sum = 0
  for _, part in ipairs(parts_of(name, region)) do
    local inside = {}
    for _, record in ipairs(part.trials) do
      if is_best[record] then inside[#inside + 1] = record end
    end
    if #part.trials >= LEAST and #inside > 0 and not space.is_single(part.d) then
      local share_best, share = #inside / #best, #part.trials / #region
      sum = sum + share_best ^ 2 / share * divergence(part.d, name, inside, part.trials, o["local"])
    end
  end
  return sum
end

-- The trials that are done with finite values, what they are judged by (smaller is better), and the names
-- of their parameters.
local function judged(history, objective)
  local sign, trials, values, names = seen_of.sign(history, objective), {}, {}, {}
  for i = 1, #history.trials do
    local record = history.trials[i]
    local value = seen_of.is_done(record) and record.values[objective]
    if value and math.abs(value) < math.huge then
      trials[#trials + 1] = record
      values[record] = sign * value
    end
    if record.state == "done" then
      for name in pairs(record.distributions or {}) do names[name] = true end
    end
  end
  return trials, values, core.sorted_keys(names)
end

--- How much each parameter of a history mattered for reaching the best values: a list of {name =, importance
-- =}, the greatest first; the importances sum to 1. All are equal where there are too few trials to tell.
-- @param given {objective = 1, target = 0.1: the share of trials that count as best, region = 1: the share
--   of trials they are compared with, local = true: compared with what was tried; false: with the whole
--   range}
--   for _, one in ipairs(importance.of(history)) do print(one.name, one.importance) end
function importance.of(history, given)
  local o = options.read("importance", given, { objective = 1, target = 0.1, region = 1, ["local"] = true })
  if not (o.target > 0 and o.target < o.region and o.region <= 1) then
    core.fail("importance: target is %g, region is %g; wanted 0 < target < region <= 1", o.target, o.region)
  end
  if not history.directions[o.objective] then
    core.fail("importance: objective %s; there are %d", tostring(o.objective), #history.directions)
  end
  local trials, values, names = judged(history, o.objective)
  local list, sum = {}, 0
  if #trials > 1 then
    local best, region = best_of(trials, values, o.target), best_of(trials, values, o.region)
    local is_best = {}
    for _, record in ipairs(best) do is_best[record] = true end
    for i, name in ipairs(names) do
      list[i] = { name = name, importance = of_parameter(name, best, region, is_best, o) }
      sum = sum + list[i].importance
    end
  end
  for i, name in ipairs(names) do
    if sum > 0 then list[i].importance = list[i].importance / sum
    else list[i] = { name = name, importance = 1 / #names } end
  end
  table.sort(list, function(a, b)
    if a.importance ~= b.importance then return a.importance > b.importance end
    return a.name < b.name
  end)
  return list
end

return importance
