-- Schedules against PyTorch's, warm-up, state, published values.
local optim, schedule = lt.optim, lt.schedule
local golden = lt.json.decode(assert(io.open "tests/golden/schedule.json"):read "*a")

local function optimizer(lr, class, options)
  local p = lt.keep(lt.zeros(1)):set_requires_grad()
  options = options or {}
  options.lr = lr
  return optim[class or "SGD"]({ p }, options)
end

local function close(got, want, what)
  assert(math.abs(got - want) <= 1e-9 + 1e-6 * math.abs(want),
    ("%s is %.10g, wanted %.10g"):format(what, got, want))
end

local function momentum_of(group) return group.betas and group.betas[1] or group.momentum end

local function matches(name, opt, s, metric)
  for n, want in ipairs(golden[name].lr) do
    local group = opt.param_groups[1]
    close(group.lr, want, name .. " lr " .. n)
    close(momentum_of(group), golden[name].momentum[n], name .. " momentum " .. n)
    s:step(metric and metric[n])
  end
end

describe("schedules", function()
  it("match PyTorch's", function()
    local o = optimizer(0.1)
    matches("cosine", o, schedule.cosine(o, { total = 10, floor = 0.01 }))
    o = optimizer(0.1)
    matches("linear", o, schedule.linear(o, { total = 8, end_factor = 0.1 }))
    o = optimizer(0.1)
    matches("step", o, schedule.step(o, { size = 3, gamma = 0.5 }))
    o = optimizer(0.1)
    matches("exponential", o, schedule.exponential(o, { gamma = 0.9 }))
    o = optimizer(0.1)
    matches("constant", o, schedule.constant(o))
    for _, anneal in ipairs { "cos", "linear" } do
      for _, three in ipairs { false, true } do
        o = optimizer(0.1, "AdamW")
        matches(("one_cycle_%s_%d"):format(anneal, three and 3 or 2), o, schedule.one_cycle(o,
          { total = 20, max_lr = 0.5, anneal_strategy = anneal, three_phase = three }))
      end
    end
    o = optimizer(0.1, "SGD", { momentum = 0.9 })
    matches("one_cycle_sgd", o, schedule.one_cycle(o, { total = 12, max_lr = 0.5, pct_start = 0.5,
      div_factor = 10, final_div_factor = 100 }))
    o = optimizer(0.1)
    matches("plateau", o, schedule.plateau(o, { patience = 2, factor = 0.5 }), golden.metric)
    o = optimizer(0.1)
    matches("plateau_all", o, schedule.plateau(o, { mode = "max", patience = 1, factor = 0.3,
      threshold = 0.01, threshold_mode = "abs", cooldown = 2, min_lr = 0.005 }), golden.metric)
  end)

  it("give the published one-cycle", function()
    local o = optimizer(1, "AdamW")
    local s = schedule.one_cycle(o, { total = 10 })
    local want = { 0.04, 0.52, 1, 0.950484632, 0.811745654, 0.611262022, 0.388741978, 0.188258346,
      0.049519368, 4e-6 }
    for n, lr in ipairs(want) do
      assert(math.abs(o:learning_rate() - lr) < 1e-8, n)
      s:step()
    end
    assert(math.abs(o:learning_rate() - 4e-6) < 1e-12)  -- stays at its end
  end)

  local makers = {
    constant = function(o, g) return schedule.constant(o, g) end,
    linear = function(o, g) g.total = 20 return schedule.linear(o, g) end,
    cosine = function(o, g) g.total = 20 return schedule.cosine(o, g) end,
    step = function(o, g) g.size = 3 return schedule.step(o, g) end,
    exponential = function(o, g) g.gamma = 0.9 return schedule.exponential(o, g) end,
    inverse_sqrt = function(o, g) return schedule.inverse_sqrt(o, g) end,
    custom = function(o, g) return schedule.custom(o, function(t) return 1 / (1 + t) end, g) end,
    plateau = function(o, g) g.patience = 0 return schedule.plateau(o, g) end,
    one_cycle = function(o, g) g.total = 20 return schedule.one_cycle(o, g) end,
  }
  for name, make in pairs(makers) do
    it(name .. " warms up from above 0 to exactly the base rate", function()
      for _, warmup in ipairs { 0, 1, 2, 7 } do
        local o = optimizer(0.3, "AdamW")
        local s = make(o, { warmup = warmup })
        assert(o:learning_rate() > 0)
        local before = 0
        for n = 1, warmup do
          local lr = o:learning_rate()
          assert(lr > before, name)
          before = lr
          if n == warmup then assert.are.equal(0.3, lr) end
          s:step(1)
        end
        if warmup > 0 then assert(o:learning_rate() <= 0.3) end
      end
    end)

    it(name .. " resumes", function()
      local a, b = optimizer(0.3, "AdamW"), optimizer(0.9, "AdamW")
      local s, r = make(a, { warmup = 4 }), make(b, { warmup = 4 })
      for n = 1, 9 do s:step(n) end
      r:load_state_dict(lt.json.decode(lt.json.encode(s:state_dict())))
      for n = 1, 9 do
        assert.are.equal(a:learning_rate(), b:learning_rate())
        assert.are.equal(a.param_groups[1].betas[1], b.param_groups[1].betas[1])
        s:step(n)
        r:step(n)
      end
    end)
  end

  it("count warm-up in epochs", function()
    local o = optimizer(1)
    local s = schedule.cosine(o, { total = 100, warmup_epochs = 2, steps_per_epoch = 5 })
    for _ = 1, 9 do s:step() end
    assert.are.equal(1, o:learning_rate())
    o = optimizer(1)
    s = schedule.cosine(o, { total = 10, warmup_epochs = 2, per = "epoch" })
    assert.are.equal(0.5, o:learning_rate())
    s:step()
    assert.are.equal(1, o:learning_rate())
    assert.are.equal("epoch", s.per)
  end)

  it("cosine ends at its floor and stays there", function()
    local o = optimizer(1)
    local s = schedule.cosine(o, { total = 8, warmup = 2, floor = 0.25 })
    for _ = 1, 7 do s:step() end
    assert.are.equal(0.25, o:learning_rate())
    s:step()
    assert.are.equal(0.25, o:learning_rate())
  end)

  it("inverse_sqrt falls with the square root", function()
    local o = optimizer(1)
    local s = schedule.inverse_sqrt(o, { warmup = 4 })
    for _ = 1, 15 do s:step() end
    assert.are.equal(0.5, o:learning_rate())
  end)

  it("serve groups of different rates", function()
    local a, b = lt.keep(lt.zeros(1)), lt.keep(lt.zeros(1))
    local o = optim.SGD({ { params = { a }, lr = 1 }, { params = { b }, lr = 0.1 } })
    local s = schedule.step(o, { size = 1, gamma = 0.5 })
    s:step()
    assert.are.equal(0.5, o.param_groups[1].lr)
    assert.are.equal(0.05, o.param_groups[2].lr)
    assert.are.equal(0.05, s:rate(2, 2))
  end)

  it("refuse what cannot be meant", function()
    local o = optimizer(1)
    for pattern, f in pairs {
      ["option 'total' is missing"] = function() schedule.cosine(o, {}) end,
      ["did you mean 'warmup'"] = function() schedule.cosine(o, { total = 1, warmupp = 3 }) end,
      ["per is 'batch'"] = function() schedule.constant(o, { per = "batch" }) end,
      ["steps_per_epoch"] = function() schedule.constant(o, { warmup_epochs = 1 }) end,
      ["wants a number, got nil"] = function() schedule.plateau(o):step() end,
      ["anneal_strategy is 'cosine'"] = function()
        schedule.one_cycle(o, { total = 3, anneal_strategy = "cosine" })
      end,
    } do
      local ok, e = pcall(f)
      assert(not ok and e:find(pattern), tostring(e) .. "\nwanted " .. pattern)
    end
  end)
end)
