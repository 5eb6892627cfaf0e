-- Optimizers against PyTorch over ten steps, published values, state, groups and errors.
local optim = lt.optim

local golden
local function fixed(key)
  golden = golden or lt.keep(lt.safetensors.load "tests/golden/optim.safetensors")
  return assert(golden[key], key)
end

local function close(a, b, tolerance, what)
  local x, y = a:flat(), b:flat()
  assert.are.equal(#y, #x)
  for i = 1, #x do
    local e = math.abs(x[i] - y[i]) / math.max(math.abs(y[i]), 0.1)
    assert(e <= (tolerance or 1e-5), ("%s: element %d is %.8g, wanted %.8g"):format(what, i, x[i], y[i]))
  end
end

local function parameters()
  return { lt.keep(fixed("p1"):clone()):set_requires_grad(),
    lt.keep(fixed("p2"):clone()):set_requires_grad() }
end

local function set_gradients(ps, t)
  for i, p in ipairs(ps) do p.grad = lt.keep(fixed(("g%d.%d"):format(i, t)):clone()) end
end

local runs = {
  sgd = { "SGD", { lr = 0.1 } },
  sgd_decay = { "SGD", { lr = 0.1, weight_decay = 0.05 } },
  sgd_momentum = { "SGD", { lr = 0.1, momentum = 0.9, dampening = 0.2, weight_decay = 0.05 } },
  sgd_nesterov = { "SGD", { lr = 0.1, momentum = 0.9, nesterov = true, weight_decay = 0.05 } },
  sgd_maximize = { "SGD", { lr = 0.1, momentum = 0.9, maximize = true, weight_decay = 0.05 } },
  adam = { "Adam", { lr = 0.05 } },
  adam_decay = { "Adam", { lr = 0.05, betas = { 0.8, 0.9 }, eps = 1e-3, weight_decay = 0.1 } },
  adam_amsgrad = { "Adam", { lr = 0.05, amsgrad = true } },
  adamw = { "AdamW", { lr = 0.05 } },
  adamw_amsgrad = { "AdamW", { lr = 0.05, weight_decay = 0.2, amsgrad = true, maximize = true } },
  rmsprop = { "RMSprop", { lr = 0.05 } },
  rmsprop_all = { "RMSprop", { lr = 0.05, alpha = 0.9, momentum = 0.9, centered = true,
    weight_decay = 0.1 } },
  rmsprop_momentum = { "RMSprop", { lr = 0.05, momentum = 0.5 } },
}

describe("optimizers", function()
  for name, run in pairs(runs) do
    it(name .. " matches PyTorch over ten steps", function()
      local ps = parameters()
      local opt = optim[run[1]](ps, run[2])
      for t = 1, 10 do
        set_gradients(ps, t)
        opt:step()
        if t == 1 or t == 10 then
          for i, p in ipairs(ps) do close(p, fixed(("%s.%d.p%d"):format(name, t, i)), 1e-5, name .. t) end
        end
      end
    end)

    it(name .. " goes on bit for bit from its state", function()
      local ps, qs = parameters(), parameters()
      local a, b = optim[run[1]](ps, run[2]), optim[run[1]](qs, { lr = 7 })
      for t = 1, 6 do
        set_gradients(ps, t)
        a:step()
        if t == 3 then
          for i, q in ipairs(qs) do q:detach():copy_(ps[i]:detach()) end
          b:load_state_dict(a:state_dict())
        elseif t > 3 then
          set_gradients(qs, t)
          b:step()
        end
      end
      for i, p in ipairs(ps) do assert.are.same(p:flat(), qs[i]:flat()) end
      assert.are.equal(run[2].lr, b:learning_rate())
    end)
  end

  local function scalar_run(opt_of, gradients, wanted)
    local p = lt.keep(lt.tensor { 1 }):set_requires_grad()
    local opt = opt_of { p }
    for t, g in ipairs(gradients) do
      p.grad = lt.keep(lt.tensor { g })
      opt:step()
      assert(math.abs(p:item() - wanted[t]) < 2e-7, ("step %d: %.9g"):format(t, p:item()))
    end
  end

  it("give the published values", function()
    scalar_run(function(ps) return optim.AdamW(ps, { lr = 0.1, weight_decay = 0.01 }) end,
      { 0.5, -0.2, 0.3 }, { 0.899000002, 0.8635404181, 0.8082328433 })
    scalar_run(function(ps)
      return optim.SGD(ps, { lr = 0.1, momentum = 0.9, nesterov = true, weight_decay = 0.01 })
    end, { 0.5, -0.2, 0.3 }, { 0.9031, 0.89807411, 0.8176572582 })
  end)

  it("minimise a quadratic", function()
    for _, class in ipairs { "SGD", "Adam", "AdamW", "RMSprop" } do
      local x = lt.keep(lt.tensor { 3, -2 }):set_requires_grad()
      local opt = optim[class]({ x }, { lr = class == "SGD" and 0.2 or 0.05, weight_decay = 0 })
      for _ = 1, 200 do
        lt.scope(function()
          opt:zero_grad()
          lt.mse_loss(x, lt.tensor { 1, 1 }, { reduction = "sum" }):backward()
          opt:step()
        end)
      end
      for _, v in ipairs(x:flat()) do assert(math.abs(v - 1) < 0.06, class .. " " .. v) end
    end
  end)

  it("keep groups and their options apart", function()
    local ps = parameters()
    local opt = optim.SGD({ { params = { ps[1] } }, { params = { { "head", ps[2] } }, lr = 0.5 } },
      { lr = 0.1 })
    set_gradients(ps, 1)
    opt:step()
    close(ps[1], fixed("p1") - fixed("g1.1") * 0.1, 1e-6, "group 1")
    close(ps[2], fixed("p2") - fixed("g2.1") * 0.5, 1e-6, "group 2")
    local dict = opt:state_dict()
    assert.are.same({ "0" }, dict.param_groups[1].params)
    assert.are.same({ "head" }, dict.param_groups[2].params)
    assert.are.equal(0.5, dict.param_groups[2].lr)
  end)

  it("skip parameters without a gradient, whose step count waits", function()
    local ps, qs = parameters(), parameters()
    local a, b = optim.Adam(ps, { lr = 0.05 }), optim.Adam({ qs[1] }, { lr = 0.05 })
    set_gradients(ps, 1)
    ps[1].grad = nil
    a:step()
    assert.are.same(fixed("p1"):flat(), ps[1]:flat())
    set_gradients(ps, 2)
    a:step()
    qs[1].grad = lt.keep(fixed("g1.2"):clone())
    b:step()
    assert.are.same(qs[1]:flat(), ps[1]:flat())
    assert.are.equal(1, a.state[ps[1]].step)
    assert.are.equal(2, a.state[ps[2]].step)
  end)

  it("take gradients of another layout and dtype", function()
    local p = lt.keep(fixed("p1"):clone()):set_requires_grad()
    local q = lt.keep(fixed("p1"):clone()):set_requires_grad()
    p.grad = lt.keep(fixed("g1.1"):clone())
    q.grad = lt.keep(fixed("g1.1"):t():contiguous():t())
    optim.Adam({ p }):step()
    optim.Adam({ q }):step()
    assert.are.same(p:flat(), q:flat())
    q.grad = lt.keep(fixed("g1.1"):cast "bf16")
    optim.Adam({ q }):step()
  end)

  it("update channels-last weights in place", function()
    local w = lt.keep(lt.randn(4, 3, 2, 2):contiguous "channels_last"):set_requires_grad()
    local before = w:clone()
    w.grad = lt.keep(lt.ones(4, 3, 2, 2))
    optim.SGD({ w }, { lr = 0.5 }):step()
    close(w, before - 0.5, 1e-6, "channels-last")
  end)

  for kind, case in pairs { two = { 1.5, 2 }, inf = { 0.5, math.huge }, below = { 100, 2 } } do
    it("clips gradients as PyTorch does: " .. kind, function()
      local ps = parameters()
      set_gradients(ps, 1)
      local norm = optim.clip_grad_norm_(ps, case[1], case[2])
      close(lt.tensor { norm }, fixed("clip_" .. kind .. ".norm"), 1e-6, "norm")
      for i, p in ipairs(ps) do close(p.grad, fixed(("clip_%s.g%d"):format(kind, i)), 1e-6, "gradient") end
    end)
  end

  it("clips within the step, to the same result", function()
    local ps, qs = parameters(), parameters()
    set_gradients(ps, 1)
    set_gradients(qs, 1)
    local norm = optim.clip_grad_norm_(ps, 1.5)
    optim.AdamW(ps):step()
    assert.are.equal(norm, (optim.AdamW(qs):step { max_norm = 1.5 }))
    for i, p in ipairs(ps) do close(p, qs[i], 1e-6, "clipped") end
    assert.are.equal(norm, optim.grad_norm(qs))
  end)

  it("sees gradients that are not finite, and can skip them", function()
    for _, bad in ipairs { 0 / 0, math.huge } do
      local ps = parameters()
      set_gradients(ps, 1)
      ps[1].grad:set(bad, 1, 2)
      local opt = optim.Adam(ps)
      local norm = opt:step { skip_nonfinite = true }
      assert(norm ~= norm or norm == math.huge)
      assert.are.same(fixed("p1"):flat(), ps[1]:flat())
      assert.are.equal(nil, opt.state[ps[1]])
      assert(optim.grad_norm(ps, math.huge) ~= 0)
    end
  end)

  it("averages weights in one call", function()
    local ps = parameters()
    local averages = { lt.zeros(3, 4), lt.ones(5) }
    optim.ema_update(averages, ps, 0.75)
    close(averages[1], fixed("p1") * 0.25, 1e-6, "ema")
    close(averages[2], fixed("p2") * 0.25 + 0.75, 1e-6, "ema")
  end)

  it("give gradients' memory back in zero_grad", function()
    local ps = parameters()
    local opt = optim.SGD(ps)
    collectgarbage() collectgarbage()
    local before = lt.memory().storages
    set_gradients(ps, 1)
    opt:zero_grad()
    assert.are.equal(nil, ps[1].grad)
    assert.are.equal(before, lt.memory().storages)
  end)

  it("refuse what cannot be meant", function()
    local ps = parameters()
    local other = lt.keep(lt.randn(2, 2)):set_requires_grad()
    for pattern, f in pairs {
      ["did you mean 'weight_decay'"] = function() optim.Adam(ps, { weight_dacay = 1 }) end,
      ["lr is %-1"] = function() optim.SGD(ps, { lr = -1 }) end,
      ["betas%[2%] is 1"] = function() optim.Adam(ps, { betas = { 0.9, 1 } }) end,
      ["nesterov needs"] = function() optim.SGD(ps, { nesterov = true }) end,
      ["no parameters"] = function() optim.SGD {} end,
      ["twice"] = function() optim.SGD { ps[1], ps[1] } end,
      ["is a number, not a tensor"] = function() optim.SGD { 3 } end,
      ["option lr is a string"] = function() optim.SGD(ps, { lr = "0.1" }) end,
      ["parameter groups"] = function()
        optim.SGD(ps):load_state_dict(optim.SGD({ { params = { ps[1] } }, { params = { ps[2] } } })
          :state_dict())
      end,
      ["called head in the state"] = function()
        optim.SGD { ps[1] }:load_state_dict(optim.SGD({ { "head", ps[1] } }):state_dict())
      end,
      ["exp_avg.- is %(3, 4%)"] = function()
        local a = optim.Adam { ps[1] }
        set_gradients(ps, 1)
        a:step()
        optim.Adam({ other }):load_state_dict(a:state_dict())
      end,
      ["has gaps"] = function()
        local view = lt.keep(lt.zeros(4, 4):slice(2, 1, 4, 2)):set_requires_grad()
        view.grad = lt.keep(lt.zeros(4, 2))
        optim.SGD({ view }):step()
      end,
    } do
      local ok, e = pcall(f)
      assert(not ok and e:find(pattern), tostring(e) .. "\nwanted " .. pattern)
    end
  end)

  -- Values of torch.amp.GradScaler("cpu", init_scale=8, growth_interval=3) with SGD(lr=0.5) on one
  -- weight of 1 and gradients 1, Inf, 2, NaN, 1, 1, 1, 1 (before scaling).
  it("scales gradients as PyTorch does, leaving out steps that overflow", function()
    local w = lt.keep(lt.ones(1)):set_requires_grad()
    local scaler = optim.GradScaler { init_scale = 8, growth_interval = 3 }
    local sgd = optim.SGD({ w }, { lr = 0.5 })
    local seen = {}
    for i, g in ipairs { 1, math.huge, 2, 0 / 0, 1, 1, 1, 1 } do
      sgd:zero_grad()
      scaler:scale(w * g):sum():backward()
      local norm, skipped = scaler:step(sgd)
      assert.are.equal(i == 2 or i == 4, skipped)
      if not skipped then assert.are.equal(g, norm) end
      scaler:update()
      seen[#seen + 1] = { scaler:get_scale(), w:item() }
    end
    assert.are.same({ { 8, 0.5 }, { 4, 0.5 }, { 4, -0.5 }, { 2, -0.5 }, { 2, -1 }, { 2, -1.5 }, { 4, -2 },
      { 4, -2.5 } }, seen)
    local other = optim.GradScaler()
    other:load_state_dict(scaler:state_dict())
    assert.are.equal(4, other:get_scale())
    assert.has_error(function() optim.GradScaler { growth = 2 } end)
    assert.has_error(function() optim.GradScaler { backoff_factor = 1 } end)
  end)

  it("limits the true norm of scaled gradients", function()
    local w = lt.keep(lt.zeros(2)):set_requires_grad()
    local sgd = optim.SGD({ w }, { lr = 1 })
    w.grad = lt.keep(lt.tensor { 3 * 1024, 4 * 1024 })
    assert.are.equal(5, sgd:step { max_norm = 1, divisor = 1024 })
    close(w, lt.tensor { -0.6, -0.8 }, 1e-6, "weight")
    assert.is_nil(sgd:step { divisor = 1024 })
    close(w, lt.tensor { -3.6, -4.8 }, 1e-6, "weight")
  end)
end)
