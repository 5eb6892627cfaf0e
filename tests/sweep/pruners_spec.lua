-- Pruners against Optuna's decisions on recorded curves (tests/golden/make_sweep.py), and by themselves.
local pruners = require "luatrain.sweep.pruners"
local hyperband = require "luatrain.sweep.pruners.hyperband"
local percentile = require "luatrain.sweep.pruners.percentile"
local json = require "luatrain.json"

local NAN = 0 / 0
local golden = json.load("tests/golden/sweep.json", { null = NAN }).pruners

-- Plays the curves as make_sweep.py does, so many at a time, each making one report in turn. make() gives
-- the pruner to ask. Returns for each trial the step at which it was stopped, 0 where it was not.
local function stops(make, run)
  local history = { trials = {}, directions = { run.direction }, version = 0 }
  local result, slots, begun, busy = {}, {}, 0, 0
  while begun < #golden.curves or busy > 0 do
    for w = 1, run.workers do
      if not slots[w] and begun < #golden.curves then
        local record = { number = begun, state = "running", params = {}, distributions = {}, reports = {} }
        slots[w] = { record = record, at = 0 }
        begun, busy = begun + 1, busy + 1
        history.trials[begun], result[begun] = record, 0
      end
      local slot = slots[w]
      if slot then
        local record, curve = slot.record, golden.curves[slot.record.number + 1]
        slot.at = slot.at + 1
        local step, value = curve.steps[slot.at], curve.values[slot.at]
        record.reports[step] = value
        history.version = history.version + 1
        local last = slot.at == #curve.steps
        if make():prune(history, record) then
          result[record.number + 1], record.state = step, "pruned"
        elseif curve.fails and slot.at - 1 == math.floor(#curve.steps / 2) or last and value ~= value then
          record.state = "failed"
        elseif last then
          record.state, record.values = "done", { value }
        end
        if record.state ~= "running" then slots[w], busy = nil, busy - 1 end
        history.version = history.version + 1
      end
    end
  end
  return result
end

local function title(run)
  return ("%s, %s, %d at a time"):format(json.encode(run.pruner), run.direction, run.workers)
end

describe("on recorded curves", function()
  it("every pruner stops the trials that Optuna's stops, at the same steps", function()
    local stopped, names = 0, {}
    for _, run in ipairs(golden.runs) do
      local pruner = pruners.make(run.pruner)
      local result = stops(function() return pruner end, run)
      assert.are.same(run.stops, result, title(run))
      for _, step in ipairs(result) do stopped = stopped + (step > 0 and 1 or 0) end
      names[run.pruner.name] = true
    end
    assert.is_true(stopped > 500, "the curves make pruners do something")
    for _, name in ipairs { "none", "median", "percentile", "patient", "threshold", "asha", "hyperband" } do
      assert.is_true(names[name], name)
    end
  end)

  it("a pruner that remembers nothing decides the same", function()
    -- Curves reported at every step: then what a trial had at a rung can be read from its reports. The
    -- bounds found by "auto" are fixed when they are first known, so only given ones are tried.
    local all = golden.curves
    local dense = {}
    for _, curve in ipairs(all) do
      if #curve.steps == 30 then dense[#dense + 1] = curve end
    end
    assert.is_true(#dense > 30)
    golden.curves = dense
    for _, said in ipairs { { name = "median" }, { name = "asha", eta = 2, resource = 1 },
      { name = "hyperband", most = 27, study = "s" } } do
      for _, workers in ipairs { 1, 4 } do
        local run = { pruner = said, direction = "minimize", workers = workers }
        local pruner = pruners.make(said)
        local warm = stops(function() return pruner end, run)
        local cold = stops(function() return pruners.make(said) end, run)
        assert.are.same(warm, cold, title(run))
      end
    end
    golden.curves = all
  end)
end)

-- A trial with reports at steps 1, 2, ...
local function trial(number, reports, state)
  local values = state == "done" and { reports[#reports] } or nil
  return { number = number, state = state or "running", reports = reports, values = values, params = {},
    distributions = {} }
end

describe("a pruner", function()
  it("keeps a trial without reports", function()
    local history = { trials = { trial(0, { 1, 2 }, "done"), trial(1, {}) }, directions = { "minimize" },
      version = 1 }
    for _, said in ipairs { "none", "nan", { name = "median", startup = 0 }, "percentile", "asha",
      { name = "hyperband", most = 9 }, "patient", { name = "threshold", upper = 1 } } do
      assert.is_false(pruners.make(said):prune(history, history.trials[2]))
    end
  end)

  it("nan stops at the last report only, infinities too", function()
    local nan, history = pruners.make "nan", { trials = {}, directions = { "minimize" }, version = 0 }
    assert.is_true(nan:prune(history, trial(0, { 1, NAN })))
    assert.is_true(nan:prune(history, trial(0, { 1, math.huge })))
    assert.is_true(nan:prune(history, trial(0, { 1, -math.huge })))
    assert.is_false(nan:prune(history, trial(0, { NAN, 1 })))
  end)

  it("asha lets through the traces of the reference", function()
    local values = { .5, .4, .6, .3, .35, .2, .45, .25, .3, .22, .5, .1 }
    for eta, wanted in pairs { [2] = "PPxPPPxPPPxP", [3] = "PPxPxPxPPPxP", [4] = "PPxPxPxPxPxP" } do
      local pruner = pruners.make { name = "asha", eta = eta, resource = 1, rate = 0 }
      local history, text = { trials = {}, directions = { "minimize" }, version = 0 }, ""
      for i, value in ipairs(values) do
        local record = trial(i - 1, { value })
        history.trials[i], history.version = record, i
        local stop = pruner:prune(history, record)
        record.state = stop and "pruned" or "failed"
        text = text .. (stop and "x" or "P")
      end
      assert.are.equal(wanted, text, "eta " .. eta)
    end
  end)

  it("hyperband has the brackets of its paper", function()
    assert.are.same({ 81, 34, 15, 8, 5 }, hyperband.shares(1, 81, 3))
    assert.are.equal(6, #hyperband.shares(1, 243, 3))
    assert.are.equal(1, #hyperband.shares(5, 14, 3))
    assert.are.equal(0xCBF43926, hyperband.crc32 "123456789")
    local pruner = pruners.make { name = "hyperband", most = 81, study = "s" }
    assert.is_nil(pruner:budget { number = 0 })
    pruner:prune({ trials = {}, directions = { "minimize" }, version = 1 }, trial(0, { 1 }))
    local counts = { 0, 0, 0, 0, 0 }
    for number = 0, 14299 do
      local b = pruner:budget { number = number }
      counts[b] = counts[b] + 1
    end
    for b, share in ipairs { 81, 34, 15, 8, 5 } do
      assert.is_true(math.abs(counts[b] / 100 - share) < 0.1 * share, "bracket " .. b .. ": " .. counts[b])
    end
  end)

  it("takes percentiles as NumPy does", function()
    assert.are.equal(2.5, percentile.of({ 1, 2, 3, 4 }, 50))
    assert.are.equal(1, percentile.of({ 1, 2, 3, 4 }, 0))
    assert.are.equal(4, percentile.of({ 1, 2, 3, 4 }, 100))
    assert.are.equal(1.75, percentile.of({ 1, 2, 3, 4 }, 25))
    assert.are.equal(7, percentile.of({ 7 }, 33))
    local none = percentile.of({}, 50)
    assert.is_true(none ~= none)
  end)

  it("is refused in one line where it makes no sense", function()
    for _, case in ipairs {
      { "ashaa", "unknown pruner 'ashaa'; did you mean 'asha'?" },
      { "zzz", "unknown pruner 'zzz'; there are asha, hyperband, median, nan, none, patient, percentile" },
      { 3, "pruner: got a number, want a name or a table" },
      { { eta = 3 }, "pruner: the table has no name; there are asha" },
      { { name = "asha", etaa = 3 }, "asha: unknown option 'etaa'; did you mean 'eta'?" },
      { { name = "asha", eta = 1 }, "asha: eta is 1, want a whole number of at least 2" },
      { { name = "asha", bootstrap = 2 }, "asha: bootstrap needs a resource" },
      { { name = "hyperband", least = 9, most = 3 }, "hyperband: upside down: least is 9, most is 3" },
      { { name = "percentile", percentile = 101 }, "percentile is 101, want a number from 0 to 100" },
      { { name = "median", warmup = -1 }, "median: warmup is -1, want a whole number of at least 0" },
      { { name = "median", percentile = 3 }, "median: unknown option 'percentile'" },
      { "threshold", "threshold: give lower, upper or both" },
      { { name = "threshold", lower = 2, upper = 1 }, "threshold: upside down: lower is 2, upper is 1" },
      { { name = "patient", pruner = "medan" }, "unknown pruner 'medan'; did you mean 'median'?" },
    } do
      local ok, message = pcall(pruners.make, case[1])
      message = tostring(message)
      assert.is_false(ok, case[2])
      assert.is_truthy(message:find(case[2], 1, true), message)
      assert.is_nil(message:find "\n")
    end
    for name in pairs(pruners) do assert.is_function(pruners[name].new, name) end
  end)
end)

describe("a history as a study keeps it", function()
  -- Trials that report at steps 1, 2, 4 and are stopped or done.
  local function run(pruner, h, number, values)
    local record = trial(number, {})
    h.trials[number + 1], h.version = record, h.version + 1
    for i, value in ipairs(values) do
      record.reports[2 ^ (i - 1)] = value
      h.version = h.version + 1
      if pruner:prune(h, record) then
        record.state = "pruned"
        return i
      end
    end
    record.state, record.values = "done", { values[#values] }
    return 0
  end

  it("may hold a finished record anew", function()
    local said = { name = "asha", eta = 2, resource = 1 }
    local calls = 0
    local function results(copy)
      local pruner, list = pruners.make(said), {}
      local h = { trials = {}, directions = { "minimize" }, version = 0 }
      local fresh = pruner.follow.fresh
      pruner.follow.fresh = function()
        calls = calls + 1
        fresh()
      end
      for k = 0, 30 do
        local x = k * 0.6180339887498949 % 1
        list[k + 1] = run(pruner, h, k, { x, x * 0.9, x * 0.8 })
        if copy then
          local old, record = h.trials[k + 1], {}
          for key, value in pairs(old) do record[key] = value end
          h.trials[k + 1], h.version = record, h.version + 1
        end
      end
      return list
    end
    assert.are.same(results(false), results(true))
    assert.are.equal(2, calls, "nothing is read again")
  end)

  it("may try a failed trial again under its number", function()
    local pruner = pruners.make { name = "asha", eta = 2, resource = 1 }
    local h = { trials = {}, directions = { "minimize" }, version = 0 }
    for k = 0, 3 do run(pruner, h, k, { 0.5, 0.5, 0.5 }) end
    local first = trial(4, {})
    h.trials[5] = first
    first.reports[1] = 0.1
    assert.is_false(pruner:prune(h, first))
    first.state, h.version = "failed", h.version + 1
    -- Now it is bad from the start: it must be judged at the first rung again.
    local second = trial(4, { 0.9 })
    h.trials[5], h.version = second, h.version + 1
    assert.is_true(pruner:prune(h, second))
    -- And TPE takes it into account when it is done.
    local space = { x = lt.uniform(0, 1) }
    local sampler = require("luatrain.sweep.samplers").make({ name = "tpe", startup = 1 })
    local g = { trials = {}, directions = { "minimize" }, version = 1 }
    g.trials[1] = { number = 0, state = "failed", params = { x = 0.5 }, distributions = space, reports = {} }
    sampler:relative(g, 1, space)
    assert.are.equal(0, sampler.seen.count)
    g.trials[1] = { number = 0, state = "done", params = { x = 0.5 }, distributions = space, reports = {},
      values = { 1 } }
    g.version = 2
    sampler:relative(g, 1, space)
    assert.are.equal(1, sampler.seen.count)
  end)
end)
