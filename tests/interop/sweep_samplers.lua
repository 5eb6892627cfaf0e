-- Benchmark functions for samplers, the same as in sweep_samplers_peer.py, and the best value that a sampler
-- finds for each of a number of seeds.
local samplers = require "luatrain.sweep.samplers"

local cases = { functions = {}, samplers = {} }

local function point(ask, n, low, high)
  local x = {}
  for i = 1, n do x[i] = ask("x" .. i, lt.uniform(low, high)) end
  return x
end

local function sphere(n)
  return function(ask)
    local sum = 0
    for _, x in ipairs(point(ask, n, -5, 5)) do sum = sum + (x - 1) ^ 2 end
    return sum
  end
end

local function rosenbrock(n)
  return function(ask)
    local x, sum = point(ask, n, -2, 2), 0
    for i = 1, n - 1 do sum = sum + 100 * (x[i + 1] - x[i] ^ 2) ^ 2 + (1 - x[i]) ^ 2 end
    return sum
  end
end

local functions = cases.functions
functions.sphere3, functions.sphere10 = sphere(3), sphere(10)
functions.rosenbrock2, functions.rosenbrock5 = rosenbrock(2), rosenbrock(5)

function functions.branin(ask)
  local x, y = ask("x1", lt.uniform(-5, 10)), ask("x2", lt.uniform(0, 15))
  local pi = math.pi
  return (y - 5.1 / (4 * pi ^ 2) * x ^ 2 + 5 / pi * x - 6) ^ 2 + 10 * (1 - 1 / (8 * pi)) * math.cos(x) + 10
end

local A = { { 10, 3, 17, 3.5, 1.7, 8 }, { 0.05, 10, 17, 0.1, 8, 14 }, { 3, 3.5, 1.7, 10, 17, 8 },
  { 17, 8, 0.05, 10, 0.1, 14 } }
local P = { { 1312, 1696, 5569, 124, 8283, 5886 }, { 2329, 4135, 8307, 3736, 1004, 9991 },
  { 2348, 1451, 3522, 2883, 3047, 6650 }, { 4047, 8828, 8732, 5743, 1091, 381 } }

function functions.hartmann6(ask)
  local x, sum = point(ask, 6, 0, 1), 0
  for i, alpha in ipairs { 1, 1.2, 3, 3.2 } do
    local inner = 0
    for j = 1, 6 do inner = inner + A[i][j] * (x[j] - P[i][j] / 10000) ^ 2 end
    sum = sum - alpha * math.exp(-inner)
  end
  return sum
end

function functions.ackley5(ask)
  local squares, cosines = 0, 0
  for _, x in ipairs(point(ask, 5, -32.768, 32.768)) do
    squares, cosines = squares + x * x / 5, cosines + math.cos(2 * math.pi * x) / 5
  end
  return 20 + math.exp(1) - 20 * math.exp(-0.2 * math.sqrt(squares)) - math.exp(cosines)
end

-- Logarithmic, whole, stepped and chosen parameters, two of which are there for some choices only.
function functions.mixed(ask)
  local loss = (math.log10(ask("lr", lt.log_uniform(1e-5, 1))) + 3) ^ 2
  loss = loss + 0.5 * (ask("layers", lt.integer(1, 6)) - 3) ^ 2
  loss = loss + 0.2 * (math.log(ask("width", lt.integer(4, 512, { log = true }))) - 4) ^ 2
  loss = loss + 4 * (ask("dropout", lt.step(0, 0.5, 0.1)) - 0.2) ^ 2
  loss = loss + ({ relu = 0.3, gelu = 0, tanh = 0.8 })[ask("act", lt.choice { "relu", "gelu", "tanh" })]
  if ask("optimizer", lt.choice { "sgd", "adam" }) == "sgd" then
    return loss + 10 * (ask("momentum", lt.uniform(0, 0.99)) - 0.9) ^ 2
  end
  return loss + 0.1 + math.abs(math.log10(1 - ask("beta", lt.uniform(0.5, 0.9999))) + 2)
end

cases.samplers = {
  random = { name = "random" },
  tpe = { name = "tpe", multivariate = false },
  tpe_multivariate = { name = "tpe", multivariate = true },
  cmaes = { name = "cmaes" },
}

--- The best value of `trials` trials of a function, which is asked as an objective is.
function cases.best(sampler_name, f, trials, seed)
  local sampler = samplers.make(cases.samplers[sampler_name], { seed = seed })
  local history = { trials = {}, directions = { "minimize" }, version = 0 }
  local best = math.huge
  for number = 0, trials - 1 do
    local record = { number = number, state = "running", params = {}, distributions = {}, reports = {} }
    history.trials[number + 1] = record
    history.version = history.version + 1
    local params = sampler:relative(history, number, {})
    local value = f(function(name, d)
      local x = params[name]
      if x == nil then x = sampler:independent(history, number, name, d) end
      record.params[name], record.distributions[name] = x, d
      return x
    end)
    record.state, record.values = "done", { value }
    history.version = history.version + 1
    best = math.min(best, value)
  end
  return best
end

-- ---- judging -------------------------------------------------------------------------------------

function cases.median(list)
  local sorted = { unpack(list) }
  table.sort(sorted)
  local n = #sorted
  return n % 2 == 1 and sorted[(n + 1) / 2] or (sorted[n / 2] + sorted[n / 2 + 1]) / 2
end

--- The probability that two samples of one distribution differ as much as these or more, by the test of Mann
-- and Whitney in its normal approximation with the correction for ties; and the share of pairs in which
-- ours is the greater.
function cases.compare(ours, theirs)
  local n, m, wins, all = #ours, #theirs, 0, {}
  for _, a in ipairs(ours) do
    all[#all + 1] = a
    for _, b in ipairs(theirs) do wins = wins + (a > b and 1 or a == b and 0.5 or 0) end
  end
  for _, b in ipairs(theirs) do all[#all + 1] = b end
  table.sort(all)
  local ties, i = 0, 1
  while i <= #all do
    local k = i
    while all[k + 1] == all[i] do k = k + 1 end
    ties = ties + (k - i + 1) ^ 3 - (k - i + 1)
    i = k + 1
  end
  local total = n + m
  local deviation = math.sqrt(n * m / 12 * (total + 1 - ties / (total * (total - 1))))
  if deviation == 0 then return 1, 0.5 end
  local z = math.max(0, math.abs(wins - n * m / 2) - 0.5) / deviation
  return 2 * require("luatrain.sweep.normal").cdf(-z), wins / (n * m)
end

return cases
