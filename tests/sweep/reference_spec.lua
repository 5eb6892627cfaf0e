-- Samplers and importance against the numbers of other libraries (tests/golden/make_sweep.py): Optuna's
-- Parzen estimators, the package cmaes, Optuna's PED-ANOVA, SciPy's Sobol points.
local ffi = require "ffi"
local json = require "luatrain.json"
local cmaes = require "luatrain.sweep.samplers.cmaes"
local importance = require "luatrain.sweep.importance"
local parzen = require "luatrain.sweep.samplers.parzen"
local seen_of = require "luatrain.sweep.seen"
local sobol = require "luatrain.sweep.samplers.sobol"

local golden = json.load "tests/golden/sweep.json"

local function near(a, b, tolerance)
  return math.abs(a - b) <= tolerance * math.max(1, math.abs(b))
end

describe("TPE", function()
  local space = { a = lt.uniform(-2, 3), b = lt.log_uniform(1e-4, 1), c = lt.integer(1, 9),
    d = lt.integer(1, 200, { log = true }), e = lt.step(0, 1, 0.25), f = lt.choice { "x", "y", "z" } }

  -- The mixture of observations {name = list}, choices counted from 0.
  local function mixture(names, observations)
    local history = { trials = {}, directions = { "minimize" }, version = 1 }
    for i = 1, #observations[names[1]] do
      local params = {}
      for _, name in ipairs(names) do
        local x = observations[name][i]
        params[name] = space[name].choices and space[name].choices[x + 1] or x
      end
      history.trials[i] = { number = i - 1, state = "done", params = params, distributions = space,
        values = { 0 } }
    end
    local seen, values, n = seen_of.new():update(history), {}, #history.trials
    local ids, rank = ffi.new("int32_t[?]", n + 1), ffi.new("int32_t[?]", n + 1)
    for i = 0, n - 1 do ids[i], rank[i] = i + 1, i end
    for _, name in ipairs(names) do values[name] = seen:gather(seen:column(name, space[name], {}), ids, n) end
    return parzen.mixture({ n = n, all = n, stride = 1, ids = ids, rank = rank }, values, names, space, 1)
  end

  it("has the widths and weights of its description", function()
    local function is(wanted, list)
      assert.are.equal(#wanted, #list)
      for i, x in ipairs(wanted) do assert.is_true(near(list[i], x, 1e-12), i .. ": " .. list[i]) end
    end
    is({ 0.2, 0.65, 0.65 }, parzen.widths({ 0.2, 0.25, 0.9 }, 0, 1))
    is({ 0.7 }, parzen.widths({ 0.3 }, 0, 1))
    is({ 1 / 5, 1 / 5, 1 / 5 }, parzen.widths({ 0.5, 0.5, 0.5 }, 0, 1))
    local weights = {}
    for i = 0, 27 do weights[i + 1] = parzen.weight(i, 28) end
    is({ 1 / 28, (1 / 28 + 1) / 2, 1, 1 }, { weights[1], weights[2], weights[3], weights[28] })
    assert.are.equal(1, parzen.weight(0, 24))
    assert.are.equal(1 / 26, parzen.weight(0, 26))
  end)

  it("has Optuna's densities", function()
    local worst, checked = 0, 0
    for _, case in ipairs(golden.densities) do
      local below, above = mixture(case.names, case.below), mixture(case.names, case.above)
      for i, score in ipairs(case.score) do
        local point = {}
        for k, name in ipairs(case.names) do
          local x = case.points[name][i]
          point[k] = space[name].log and math.log(x) or x
        end
        worst = math.max(worst, math.abs(below:log_density(point) - above:log_density(point) - score))
        checked = checked + 1
      end
    end
    assert.is_true(checked > 300)
    assert.is_true(worst < 1e-7, worst)
  end)
end)

describe("CMA-ES", function()
  it("goes through the states of the package cmaes", function()
    for _, case in ipairs(golden.cmaes) do
      local n = case.n
      local strategy = cmaes.strategy(n, 4 + math.floor(3 * math.log(n)), 1 / 6)
      for g, solutions in ipairs(case.generations) do
        for i, one in ipairs(solutions) do one.order = i end
        strategy:tell(solutions)
        local state = case.states[g]
        assert.is_true(near(strategy.sigma, state.sigma, 1e-9), ("sigma of generation %d"):format(g))
        for i = 1, n do
          assert.is_true(near(strategy.mean[i], state.mean[i], 1e-9))
          for k = 1, n do
            assert.is_true(near(strategy.covariance[i][k], state.covariance[i][k], 1e-8))
          end
        end
      end
      assert.are.equal(6, strategy.generation)
    end
  end)
end)

describe("importance", function()
  local space = { a = lt.uniform(-2, 2), b = lt.log_uniform(1e-3, 1), c = lt.integer(1, 6),
    d = lt.integer(1, 500, { log = true }), e = lt.step(0, 1, 0.1), f = lt.choice { "x", "y", "z" } }

  it("is that of Optuna's PED-ANOVA", function()
    local checked = 0
    for _, study in ipairs(golden.importance) do
      local history = { trials = {}, directions = { study.direction }, version = 1 }
      for i, one in ipairs(study.trials) do
        history.trials[i] = { number = i - 1, state = "done", params = one.params, distributions = space,
          values = { one.value } }
      end
      for _, case in ipairs(study.cases) do
        local list, sum, last = importance.of(history, case.options), 0, math.huge
        for _, one in ipairs(list) do
          assert.is_true(near(one.importance, case.importance[one.name], 1e-9), one.name)
          assert.is_true(one.importance <= last)
          last, sum, checked = one.importance, sum + one.importance, checked + 1
        end
        assert.is_true(near(sum, 1, 1e-12))
      end
    end
    assert.are.equal(2 * 4 * 6, checked)
  end)
end)

describe("Sobol's sequence", function()
  it("is SciPy's", function()
    for i, row in ipairs(golden.sobol.wide) do
      local point = sobol.point(i - 1, 128)
      for k, x in ipairs(row) do assert.are.equal(x, point[k] * 2 ^ 30, ("point %d, %d"):format(i, k)) end
    end
    for i, row in ipairs(golden.sobol.far) do
      local point = sobol.point(123456 + i - 1, 20)
      for k, x in ipairs(row) do assert.are.equal(x, point[k] * 2 ^ 30) end
    end
  end)
end)
