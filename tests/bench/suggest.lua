-- A suggestion for six parameters after 100,000 finished trials, while a study goes on: between two
-- suggestions one more trial finishes, of three two do. The first one, which reads the whole history, is
-- given beside it.
package.path = "tests/?.lua;" .. package.path
local lt = require "luatrain"
local draw = require "luatrain.sweep.draw"
local samplers = require "luatrain.sweep.samplers"
local space = require "luatrain.sweep.space"
local timing = require "bench.timing"

local TRIALS = 100000

local numbers = { a = lt.uniform(0, 1), b = lt.log_uniform(1e-5, 1), c = lt.uniform(-1, 1),
  d = lt.uniform(0, 5), e = lt.uniform(0, 1), f = lt.uniform(0, 9) }
local mixed = { a = lt.uniform(0, 1), b = lt.log_uniform(1e-5, 1), c = lt.integer(1, 200000),
  d = lt.integer(1, 512, { log = true }), e = lt.step(0, 1, 0.1), f = lt.choice { "a", "b", "c" } }

local cases = {
  { "suggest_random", "random", mixed }, { "suggest_sobol", "sobol", mixed },
  { "suggest_cmaes", "cmaes", mixed },
  { "suggest_tpe", { name = "tpe", multivariate = true }, numbers },
  { "suggest_tpe_mixed", { name = "tpe", multivariate = true }, mixed },
  { "suggest_tpe_single", { name = "tpe", multivariate = false }, numbers },
  { "suggest_tpe_single_mixed", { name = "tpe", multivariate = false }, mixed },
  { "suggest_tpe_two_objectives", "tpe", numbers, { "minimize", "maximize" } },
}

local function history_of(distributions, directions)
  local history = { trials = {}, directions = directions, version = 1 }
  for number = 0, TRIALS - 1 do
    local stream = draw.stream(1, number, "history")
    local record = { number = number, state = "done", params = {}, distributions = distributions,
      reports = {}, values = {} }
    for name, d in pairs(distributions) do record.params[name] = space.from_unit(d, stream:uniform()) end
    for i = 1, #directions do record.values[i] = stream:uniform() + stream:uniform() end
    history.trials[number + 1] = record
  end
  return history
end

-- The time of one suggestion; the trial then finishes, or (one of three) goes on running.
local function suggest(sampler, history, distributions)
  local number = #history.trials
  local record = { number = number, state = "running", params = {}, distributions = distributions,
    reports = {} }
  history.trials[number + 1], history.version = record, history.version + 1
  local start = lt.time()
  local params = sampler:relative(history, number, distributions)
  for name, d in pairs(distributions) do
    if params[name] == nil then params[name] = sampler:independent(history, number, name, d) end
  end
  local seconds = lt.time() - start
  record.params = params
  if number % 3 ~= 0 then
    record.state, record.values = "done", {}
    for i = 1, #history.directions do record.values[i] = 0.5 end
  end
  history.version = history.version + 1
  return seconds
end

for _, case in ipairs(cases) do
  local name, said, distributions, directions = unpack(case, 1, 4)
  local history = history_of(distributions, directions or { "minimize" })
  local sampler, times = samplers.make(said, { seed = 1 }), {}
  collectgarbage()  -- what making the history left is no part of a suggestion
  local first = suggest(sampler, history, distributions)
  for i = 1, 30 do times[i] = suggest(sampler, history, distributions) end
  table.sort(times)
  timing.result(name, times[15], ("(worst %.1f ms, first %.0f ms)"):format(1e3 * times[30], 1e3 * first))
  collectgarbage()
end
