-- What samplers suggest: values of the space, the same again, better with time; and what they refuse.
local history = require "sweep.history"
local pareto = require "luatrain.sweep.pareto"
local samplers = require "luatrain.sweep.samplers"
local sobol = require "luatrain.sweep.samplers.sobol"
local space = require "luatrain.sweep.space"
local tpe = require "luatrain.sweep.samplers.tpe"

local function everything()
  return { a = lt.uniform(-2, 3), b = lt.log_uniform(1e-4, 1), c = lt.integer(1, 9),
    d = lt.integer(1, 200, { log = true }), e = lt.step(0, 1, 0.25), f = lt.choice { "x", "y", "z" },
    g = lt.uniform(4, 4), h = lt.choice { true } }
end

local all = { { name = "random" }, { name = "grid", points = { a = 3, b = 2, c = 2, d = 2, e = 2 } },
  { name = "sobol" }, { name = "tpe", multivariate = false }, { name = "tpe", multivariate = true },
  { name = "cmaes" } }

local function loss(params)
  return (params.a - 1) ^ 2 + (math.log10(params.b) + 2) ^ 2 + math.abs(params.c - 7) / 3
    + (params.f == "y" and 0 or 1) + params.e
end

describe("every sampler", function()
  it("suggests values of the space, all kinds of it", function()
    for _, said in ipairs(all) do
      local sampler, d = samplers.make(said, { seed = 3 }), everything()
      local h = history.run(sampler, d, 40, loss)
      local kinds = {}
      for _, record in ipairs(h.trials) do
        for name, one in pairs(d) do
          local value = record.params[name]
          assert.is_true(space.contains(one, value), said.name .. " " .. name .. " " .. tostring(value))
          kinds[name .. tostring(value)] = true
        end
      end
      assert.is_true(kinds.fx and kinds.fy and kinds.fz, said.name .. " tries all choices")
    end
  end)

  it("draws the same for a repeated trial, and other values for another seed", function()
    for _, said in ipairs(all) do
      local d = everything()
      local one = history.run(samplers.make(said, { seed = 3 }), d, 30, loss)
      local two = history.run(samplers.make(said, { seed = 3 }), d, 30, loss)
      local other = history.run(samplers.make(said, { seed = 4 }), d, 30, loss)
      local same = 0
      for i = 1, 30 do
        assert.are.same(one.trials[i].params, two.trials[i].params, said.name)
        local p, q = one.trials[i].params, other.trials[i].params
        if p.a == q.a and p.b == q.b then same = same + 1 end
      end
      assert.is_true(same < 12, said.name)
    end
  end)

  it("goes on where another process stopped", function()
    for _, said in ipairs(all) do
      local d = everything()
      local whole = history.run(samplers.make(said, { seed = 5 }), d, 40, loss)
      local part = history.run(samplers.make(said, { seed = 5 }), d, 25, loss)
      history.run(samplers.make(said, { seed = 5 }), d, 15, loss, part)
      for i = 1, 40 do assert.are.same(whole.trials[i].params, part.trials[i].params, said.name) end
    end
  end)

  it("suggests the same after following a long study as when it meets it at its end", function()
    local shared = everything()
    for _, said in ipairs { all[4], all[5], all[6] } do
      local h, follower = history.new(), samplers.make(said, { seed = 5 })
      for i = 0, 6999 do
        local d = shared
        if i % 9 == 4 then  -- a range of its own, and a parameter more
          d = everything()
          d.a, d.z = lt.uniform(-1, i % 2 + 1), lt.uniform(0, 1)
        end
        local params = {}
        for name, one in pairs(d) do params[name] = space.from_unit(one, (i * 0.6180339887 + #name) % 1) end
        local record = history.begin(h, params, d)
        if i % 11 > 0 then history.finish(h, record, i * 0.7548776662 % 1) end  -- others go on running
        if i % 1000 == 0 then follower:relative(h, i + 1, {}) end
      end
      local fresh = samplers.make(said, { seed = 5 })
      assert.are.same(history.ask(fresh, h, 7000, shared), history.ask(follower, h, 7000, shared), said.name)
    end
  end)

  it("begins anew with another history", function()
    for _, said in ipairs { all[4], all[5], all[6] } do
      local d, used = everything(), samplers.make(said, { seed = 5 })
      history.run(used, d, 30, loss)
      local again = history.run(used, d, 20, loss)
      local fresh = history.run(samplers.make(said, { seed = 5 }), d, 20, loss)
      for i = 1, 20 do assert.are.same(fresh.trials[i].params, again.trials[i].params, said.name) end
    end
  end)

  it("takes objectives that are to be maximised", function()
    for _, said in ipairs { all[4], all[5], all[6] } do
      local d = everything()
      local less = history.run(samplers.make(said, { seed = 5 }), d, 40, loss)
      local more = history.run(samplers.make(said, { seed = 5 }), d, 40, function(p) return -loss(p) end,
        history.new { "maximize" })
      for i = 1, 40 do assert.are.same(less.trials[i].params, more.trials[i].params, said.name) end
    end
  end)

  it("lives with failed, pruned and running trials, and with parameters that come and go", function()
    for _, said in ipairs { all[1], all[4], all[5], all[6] } do
      local sampler, h = samplers.make(said, { seed = 1 }), history.new()
      for i = 1, 60 do
        local d = { a = lt.uniform(0, 1), b = lt.uniform(0, i % 7 + 1) }
        if i % 3 == 0 then d.c = lt.choice { 1, 2, 3 } end
        local record = history.begin(h, nil, d)
        record.params = history.ask(sampler, h, record.number, d)
        for name, one in pairs(d) do assert.is_true(space.contains(one, record.params[name])) end
        if i % 5 == 0 then record.state, record.reports = "pruned", { [3] = i % 2 == 0 and 0 / 0 or 1 }
        elseif i % 7 == 0 then record.state = "failed"
        elseif i % 11 == 0 then record.state, record.values = "done", { 0 / 0 }
        elseif i % 13 ~= 0 then record.state, record.values = "done", { record.params.a } end
        h.version = h.version + 1
      end
    end
  end)
end)

describe("TPE and CMA-ES", function()
  it("come closer than random trials, far closer", function()
    local d = { x = lt.uniform(-5, 5), y = lt.uniform(-5, 5), z = lt.log_uniform(0.01, 100) }
    local function f(p) return (p.x - 1) ^ 2 + (p.y + 2) ^ 2 + math.log(p.z / 2) ^ 2 end
    local function median(said)
      local best = {}
      for seed = 1, 9 do
        local h = history.run(samplers.make(said, { seed = seed }), d, 80, f)
        best[seed] = math.huge
        for _, record in ipairs(h.trials) do best[seed] = math.min(best[seed], record.values[1]) end
      end
      table.sort(best)
      return best[5]
    end
    local random = median { name = "random" }
    for i = 4, 6 do
      local got = median(all[i])
      assert.is_true(got < random / 4, ("%s: %g, random %g"):format(all[i].name, got, random))
    end
  end)
end)

describe("TPE", function()
  it("calls few trials good", function()
    local wanted = { [0] = 0, [1] = 1, [10] = 1, [11] = 2, [100] = 10, [250] = 25, [1000] = 25 }
    for n, k in pairs(wanted) do assert.are.equal(k, tpe.good_count(n)) end
  end)

  it("learns from pruned trials: those that came furthest are the better", function()
    local d, h = { x = lt.uniform(0, 1) }, history.new()
    for i = 0, 39 do
      local x = (i * 17 % 40 + 0.5) / 40
      local record = history.begin(h, { x = x }, d)
      record.state = "pruned"
      for step = 1, math.abs(x - 0.7) < 0.1 and 9 or 2 do record.reports[step] = 1 end
    end
    local near = 0
    for seed = 1, 20 do
      local x = history.ask(samplers.make({ name = "tpe" }, { seed = seed }), h, 40, d).x
      if math.abs(x - 0.7) < 0.15 then near = near + 1 end
    end
    assert.is_true(near >= 16, near)
  end)

  it("keeps away from what runs already", function()
    local d = { x = lt.uniform(0, 1) }
    local function spread(constant_liar)
      local h, xs = history.new(), {}
      for i = 0, 29 do
        local x = (i * 17 % 30 + 0.5) / 30
        history.finish(h, history.begin(h, { x = x }, d), (x - 0.5) ^ 2)
      end
      for k = 1, 12 do
        local sampler = samplers.make({ name = "tpe", constant_liar = constant_liar }, { seed = k })
        local record = history.begin(h, nil, d)
        record.params = history.ask(sampler, h, record.number, d)
        xs[k] = record.params.x
      end
      table.sort(xs)
      return xs[12] - xs[1]
    end
    assert.is_true(spread(true) > 2 * spread(false), spread(true) .. " " .. spread(false))
  end)

  it("of a long history keeps what matters", function()
    local d = { x = lt.uniform(0, 1), c = lt.choice { "a", "b" } }
    local h = history.new()
    for i = 0, 21999 do
      local x = i * 0.6180339887498949 % 1
      history.finish(h, history.begin(h, { x = x, c = i % 2 == 0 and "a" or "b" }, d), (x - 0.3) ^ 2 + i % 2)
    end
    for _, joint in ipairs { true, false } do
      local near = 0
      for seed = 1, 5 do
        local sampler = samplers.make({ name = "tpe", multivariate = joint }, { seed = seed })
        local p = history.ask(sampler, h, 22000, d)
        if math.abs(p.x - 0.3) < 0.1 and p.c == "a" then near = near + 1 end
      end
      assert.is_true(near >= 4, near)
    end
  end)

  it("spreads along the front of two objectives", function()
    local d = { x = lt.uniform(-2, 4), y = lt.uniform(-2, 4) }
    local h = history.new { "minimize", "maximize" }
    local sampler = samplers.make({ name = "tpe" }, { seed = 2 })
    for _ = 1, 80 do
      local record = history.begin(h, nil, d)
      local p = history.ask(sampler, h, record.number, d)
      record.params = p
      history.finish(h, record, p.x ^ 2 + p.y ^ 2, -(p.x - 2) ^ 2 - p.y ^ 2)
    end
    local near = 0
    for i = 41, 80 do
      local p = h.trials[i].params
      if p.x > -0.5 and p.x < 2.5 and math.abs(p.y) < 0.75 then near = near + 1 end
    end
    assert.is_true(near >= 20, near)  -- a twelfth of the square: of random ones 3 or 4
    local front = pareto.front(h)
    assert.is_true(#front >= 5)
    for i, a in ipairs(front) do
      if i > 1 then
        assert.is_true(a.values[1] >= front[i - 1].values[1] and a.values[2] >= front[i - 1].values[2])
      end
    end
  end)
end)

describe("the grid", function()
  it("visits every combination once", function()
    local d = { lr = lt.log_uniform(1e-4, 1e-2), n = lt.integer(1, 3), act = lt.choice { "a", "b" },
      p = lt.step(0, 0.4, 0.2) }
    for _, shuffle in ipairs { true, false } do
      local sampler = samplers.make { name = "grid", shuffle = shuffle, points = { lr = 3 }, seed = 1 }
      assert.are.equal(3 * 3 * 2 * 3, sampler:count(d))
      local seen, h = {}, history.new()
      for k = 0, 53 do
        local p = sampler:relative(h, k, d)
        local key = ("%s %.6g %d %.1f"):format(p.act, p.lr, p.n, p.p)
        assert.is_nil(seen[key], key)
        seen[key] = true
      end
      assert.is_true(seen["a 0.001 2 0.4"])
    end
    local ordered = samplers.make { name = "grid", shuffle = false, points = { lr = { 2e-3, 5e-3 } } }
    assert.are.same({ act = "a", lr = 2e-3, n = 1, p = 0 }, ordered:relative({ trials = {} }, 0, d))
    assert.are.same({ act = "b", lr = 5e-3, n = 3, p = 0.4 }, ordered:relative({ trials = {} }, 35, d))
  end)

  it("comes back to what failed", function()
    local d, h = { n = lt.integer(1, 4) }, history.new()
    local sampler = samplers.make { name = "grid" }
    for i = 1, 4 do
      local record = history.begin(h, sampler:relative(h, i - 1, d), d)
      record.state = i == 3 and "failed" or "done"
    end
    assert.are.same(h.trials[3].params, sampler:relative(h, 4, d))
    assert.are.same(h.trials[1].params, sampler:relative(h, 5, d))
  end)
end)

describe("Sobol's points, scrambled", function()
  it("stay a net, and differ with the seed", function()
    for seed = 1, 3 do
      -- 64 points of the first two dimensions: one in every box of 2^-k by 2^-(6 - k).
      for k = 0, 6 do
        local boxes, count = {}, 0
        for i = 64, 127 do
          local point = sobol.point(i, 2, seed)
          local key = math.floor(point[1] * 2 ^ k) * 64 + math.floor(point[2] * 2 ^ (6 - k))
          if not boxes[key] then count = count + 1 end
          boxes[key] = true
        end
        assert.are.equal(64, count)
      end
      -- Every dimension by itself: one in every 1/32.
      local seen = {}
      for i = 0, 31 do
        for k, x in ipairs(sobol.point(i, 40, seed)) do
          local key = k .. ":" .. math.floor(x * 32)
          assert.is_nil(seen[key])
          seen[key] = true
        end
      end
    end
    local a, b = sobol.point(5, 10, 1), sobol.point(5, 10, 2)
    for k = 1, 10 do assert.are_not.equal(a[k], b[k]) end
  end)
end)

describe("the front", function()
  it("is what nothing dominates", function()
    local h = history.new { "minimize", "maximize" }
    local values = { { 1, 1 }, { 2, 2 }, { 2, 1 }, { 3, 2 }, { 0, 0 }, { 1, 1 }, { 5, 9 }, { 4, 0 / 0 } }
    for _, v in ipairs(values) do
      history.finish(h, history.begin(h), unpack(v))
    end
    history.begin(h)
    local numbers = {}
    for i, record in ipairs(pareto.front(h)) do numbers[i] = record.number end
    assert.are.same({ 4, 0, 5, 1, 6 }, numbers)
    assert.are.same({}, pareto.front(history.new { "minimize", "minimize" }))
  end)

  it("has ranks, crowding, and a pool that forgets only what cannot matter", function()
    assert.are.same({ 1, 2, 3, 1 }, pareto.ranks { { 1, 1 }, { 2, 2 }, { 3, 3 }, { 0, 5 } })
    local distance = pareto.crowding { { 0, 10 }, { 1, 5 }, { 4, 4 }, { 10, 0 } }
    assert.are.same({ math.huge, 0.4 + 0.6, 0.9 + 0.5, math.huge }, distance)
    local seen, points = { generation = 1, count = 0, records = {} }, {}
    local pool = pareto.pool(8)
    for i = 1, 150 do
      local x = i * 0.6180339887498949 % 1
      local y = (i * 0.7548776662466927 % 1) + (1 - x) ^ 2
      points[i] = { x, y }
      seen.records[i] = { state = "done", values = { x, y }, number = i - 1 }
      seen.count = i
      pool:follow(seen, { "minimize", "minimize" })
    end
    local ranks = pareto.ranks(points)
    local best, counts = pool:best(8), {}
    assert.are.equal(8, #best)
    for i = 1, 150 do counts[ranks[i]] = (counts[ranks[i]] or 0) + 1 end
    local last, room = 0, 8
    while room > 0 do
      last = last + 1
      room = room - counts[last]
    end
    for _, id in ipairs(best) do assert.is_true(ranks[id] <= last) end
    assert.is_true(#pool.list < 100)
  end)
end)

describe("a sampler", function()
  it("is refused in one line where it makes no sense", function()
    for _, case in ipairs {
      { "tpa", "unknown sampler 'tpa'; did you mean 'tpe'?" },
      { "zzz", "unknown sampler 'zzz'; there are cmaes, grid, random, sobol, tpe" },
      { true, "sampler: got a boolean, want a name or a table" },
      { { name = "tpe", startups = 2 }, "tpe: unknown option 'startups'; did you mean 'startup'?" },
      { { name = "tpe", candidates = 0 }, "tpe: candidates is 0, want a positive whole number" },
      { { name = "tpe", multivariate = "yes" }, "tpe: multivariate is yes, want true or false" },
      { { name = "random", startup = 2 }, "random: unknown option 'startup'" },
      { { name = "cmaes", population = 1 }, "cmaes: population is 1, want at least 2" },
      { { name = "cmaes", sigma = 0 }, "cmaes: sigma is 0, want a number above 0" },
      { { name = "grid", points = 0 }, "grid: points is 0, want a positive whole number" },
      { { name = "sobol", scramble = 1 }, "sobol: scramble is 1, want true or false" },
    } do
      local ok, message = pcall(samplers.make, case[1], { seed = 1 })
      message = tostring(message)
      assert.is_false(ok, case[2])
      assert.is_truthy(message:find(case[2], 1, true), message)
      assert.is_nil(message:find "\n")
    end
    for name in pairs(samplers) do assert.is_function(samplers[name].new, name) end
  end)

  it("says what it cannot do with a space", function()
    local h = history.new()
    for _, case in ipairs {
      { { name = "grid" }, {}, "grid: this sampler needs a declared space" },
      { { name = "grid", points = { lrr = 3 } }, { lr = lt.uniform(0, 1) }, "did you mean 'lr'?" },
      { { name = "grid", points = { lr = { 2 } } }, { lr = lt.uniform(0, 1) },
        "the point 2 of 'lr' is outside of uniform(0, 1)" },
      { { name = "grid" }, { n = lt.integer(1, 1e7) }, "'n' has 10000000 values; give a count of points" },
      { { name = "grid", points = 1000 }, { a = lt.uniform(0, 1), b = lt.uniform(0, 1),
        c = lt.uniform(0, 1) }, "grid: 1000000000 combinations" },
    } do
      local ok, message = pcall(function() return samplers.make(case[1]):relative(h, 0, case[2]) end)
      assert.is_false(ok, case[3])
      assert.is_truthy(tostring(message):find(case[3], 1, true), tostring(message))
    end
    local wide = {}
    for i = 1, 129 do wide["p" .. i] = lt.uniform(0, 1) end
    local ok, message = pcall(function() return samplers.make("sobol"):relative(h, 0, wide) end)
    assert.is_false(ok)
    assert.is_truthy(message:find("sobol: 129 parameters; this sampler knows directions for 128", 1, true))
    ok, message = pcall(function()
      return samplers.make("cmaes"):relative(history.new { "minimize", "minimize" }, 0, {})
    end)
    assert.is_false(ok)
    assert.is_truthy(message:find("cmaes: this sampler has one objective, the study has 2", 1, true))
  end)
end)
