-- Scopes, ownership, the tape and the errors a user meets.
local function storages()
  collectgarbage()
  collectgarbage()
  return lt.memory().storages
end

describe("scope", function()
  it("releases what is not returned", function()
    local before = storages()
    local kept
    lt.scope(function()
      for _ = 1, 10 do lt.zeros(5) end
      kept = lt.scope(function()
        local inner = lt.ones(3)
        lt.zeros(3)
        return { inner = inner }
      end)
      assert.are.equal(before + 11, lt.memory().storages)
      assert.are.equal(1, kept.inner:get(1))
    end)
    assert.is_false(kept.inner:is_alive())
    assert.are.equal(before, storages())
  end)

  it("releases on errors", function()
    local before = storages()
    local ok, e = pcall(lt.scope, function()
      lt.zeros(5)
      error "boom"
    end)
    assert.is_false(ok)
    assert.is_truthy(e:find "boom")
    assert.are.equal(before, storages())
  end)

  it("keeps what lt.keep took out", function()
    local kept
    lt.scope(function() kept = lt.keep(lt.ones(3)) end)
    assert.are.equal(1, kept:get(2))
  end)

  it("explains a stale use", function()
    local stale
    lt.scope(function() stale = lt.ones(3) end)
    local ok, e = pcall(function() return stale + 1 end)
    assert.is_false(ok)
    assert.is_truthy(e:find "released with its scope; use lt.keep")
    assert.is_truthy(e:find "core_spec.lua")
  end)

  it("lets memory be reused step after step", function()
    lt.scope(function() lt.zeros(1000, 1000) end)
    local before = lt.memory()
    for _ = 1, 50 do
      lt.scope(function() lt.zeros(1000, 1000) end)
    end
    assert.are.equal(before.live, lt.memory().live)
    assert.is_true(lt.memory().cached <= before.cached + 4096)
  end)
end)

describe("autograd", function()
  it("adds gradients of repeated use and of repeated calls", function()
    local x = lt.tensor { 1, 2, 3 }:set_requires_grad()
    local y = x * x + x * 2
    y:sum():backward()
    assert.are.same({ 4, 6, 8 }, x.grad:flat())
    local z = x * 1
    z:sum():backward()
    assert.are.same({ 5, 7, 9 }, x.grad:flat())
  end)

  it("stops at no_grad and detach", function()
    local x = lt.ones(2):set_requires_grad()
    assert.is_false(lt.no_grad(function() return (x * 2).requires_grad end))
    assert.is_false(x:detach().requires_grad)
    assert.is_true((x * 2).requires_grad)
  end)

  it("is itself again after an error in no_grad and in an op", function()
    pcall(lt.no_grad, function() error "x" end)
    assert.is_true(lt.grad_enabled())
    local x = lt.ones(2):set_requires_grad()
    pcall(function() return x + lt.ones(3) end)
    assert.is_true(lt.grad_enabled())
  end)

  it("refuses a second backward and a non-scalar without gradient", function()
    local x = lt.ones(2):set_requires_grad()
    local y = (x * 2):sum()
    y:backward()
    assert.has_error(function() y:backward() end)
    assert.has_error(function() (x * 2):backward() end)
    assert.has_error(function() lt.ones(1):backward() end)
  end)

  it("keeps the graph when asked", function()
    local x = lt.ones(2):set_requires_grad()
    local y = (x * 2):sum()
    y:backward(nil, true)
    y:backward()
    assert.are.same({ 4, 4 }, x.grad:flat())
  end)

  it("refuses to go back over a tensor that was changed in place since, naming the op", function()
    local function changed(forward, change)
      local x = lt.tensor { 1, 2, 3 }:set_requires_grad()
      local w = lt.tensor { 4, 5, 6 }
      local y = forward(x, w)
      change(x, w, y)
      local ok, e = pcall(function() y:sum():backward() end)
      return ok, tostring(e)
    end
    local function times(x, w) return x * w end
    local writes = {
      function(_, w) w:add_(1) end, function(_, w) w[2] = 0 end, function(_, w) w:set(0, 1) end,
      function(_, w) w:narrow(1, 1, 2):mul_(2) end, function(_, w) w:normal_() end,
      function(_, w) w:copy_(lt.zeros(3)) end,
    }
    for i, write in ipairs(writes) do
      local ok, e = changed(times, write)
      assert.is_false(ok, "write " .. i)
      assert.is_truthy(e:find("core_spec.lua:%d+: mul: a tensor %(3%) .* changed in place"), e)
    end
    local cases = {
      tanh = { lt.tanh, function(_, _, y) lt.no_grad(y.mul_, y, 2) end },
      square = { lt.square, function(x) lt.no_grad(x.mul_, x, 2) end },
      index_select = { function(x, w)
        w.ids = lt.tensor({ 0, 2 }, "i64")
        return lt.index_select(x, 1, w.ids)
      end, function(_, w) w.ids:add_(1) end },
      matmul = { function(x) return lt.matmul(x:reshape(1, 3), x:reshape(3, 1)) end, function(x)
        x.grad = lt.ones(3)
        lt.optim.SGD({ x }, { lr = 0.1 }):step()
      end },
    }
    for name, case in pairs(cases) do
      local ok, e = changed(case[1], case[2])
      assert.is_false(ok, name)
      assert.is_truthy(e:find(name .. ": a tensor", 1, true), e)
    end
  end)

  it("lets tensors be changed that no gradient needs", function()
    local x, w = lt.tensor { 1, 2, 3 }:set_requires_grad(), lt.tensor { 4, 5, 6 }
    local y = ((x + w) * 2):sum()
    w:add_(1)
    lt.no_grad(x.mul_, x, 2)
    y:backward()
    assert.are.same({ 2, 2, 2 }, x.grad:flat())
    local z = (x * w):sum()
    z:backward(nil, true)
    x.grad:mul_(0)
    z:backward()
    assert.are.same({ 5, 6, 7 }, x.grad:flat())
    local bn = lt.nn.BatchNorm1d(3)
    local a, b = bn(lt.randn(4, 3)), bn(lt.randn(4, 3))
    lt.add(a, b):sum():backward()
  end)

  it("refuses to write into a tensor behind autograd's back", function()
    local x = lt.ones(3):set_requires_grad()
    local y, data = x * 2, lt.zeros(3)
    assert.error_matches(function() y[1] = 0 end, "autograd would not see")
    assert.error_matches(function() x[1] = 0 end, "autograd would not see")
    assert.error_matches(function() data[1] = y[1] end, "autograd would not see")
    assert.error_matches(function() y:add_(1) end, "add_: autograd would not see")
    lt.no_grad(function() x[1] = 5 end)
    assert.are.same({ 5, 1, 1 }, x:flat())
  end)

  it("rounds what products take in, and gradients, under f16 autocast", function()
    local third = lt.full({ 1, 1 }, 1 / 3):set_requires_grad()
    local half_third = third:to("f16"):to("f32"):item()
    assert.is_true(half_third ~= third:item())
    local one = lt.ones(1, 1)
    local conv = function(x, w) return lt.conv1d(x:unsqueeze(3), w:unsqueeze(3)) end
    for name, f in pairs { matmul = lt.matmul, linear = lt.linear, conv = conv } do
      third.grad = nil
      local y = lt.autocast("f16", f, third, one)
      assert.are.equal("f32", y:dtype())
      assert.are.equal(half_third, y:item(), name)
      y:backward(lt.full(y:size(), 1 / 3))
      assert.are.equal(half_third, third.grad:item(), name)
      third.grad = nil
      f(third, one):backward(lt.full(y:size(), 1e5))
      assert.are.equal(1e5, third.grad:item(), name)
      third.grad = nil
      lt.autocast("f16", f, third, one):backward(lt.full(y:size(), 1e5))
      assert.are.equal(math.huge, third.grad:item(), name)
    end
    assert.error_matches(function() lt.autocast("i64", lt.matmul, third, one) end, "bf16 and f16")
  end)

  it("calls hooks with gradients, also of inner tensors", function()
    local x = lt.ones(2):set_requires_grad()
    local seen = {}
    local y = x * 3
    y:register_hook(function(g) seen[1] = g:flat() return g * 10 end)
    y:retain_grad()
    y:sum():backward()
    assert.are.same({ 1, 1 }, seen[1])
    assert.are.same({ 30, 30 }, x.grad:flat())
    assert.are.same({ 10, 10 }, y.grad:flat())
  end)

  it("takes custom functions", function()
    local double = lt.op.define {
      name = "double_in_test",
      forward = function(_, x) return x * 2 end,
      backward = function(_, dy) return dy * 2 end,
    }
    local x = lt.ones(2):set_requires_grad()
    double(double(x)):sum():backward()
    assert.are.same({ 4, 4 }, x.grad:flat())
    lt.op.defined.double_in_test = nil
  end)

  it("returns every storage after a step in a scope", function()
    local w = lt.ones(4, 4):set_requires_grad()
    local function step()
      lt.scope(function()
        local x = lt.ones(3, 4)
        lt.matmul(x, w):relu():sum():backward()
      end)
      w.grad:release()
      w.grad = nil
    end
    step()
    local before = storages()
    for _ = 1, 5 do step() end
    assert.are.equal(before, storages())
  end)
end)

describe("errors", function()
  it("stand at the user's line and say what was wanted", function()
    local cases = {
      { function() return lt.zeros(2, 3) + lt.zeros(4) end, "%(2, 3%).*%(4%)" },
      { function() return lt.zeros(2, -1) end, "whole number" },
      { function() return lt.zeros(2):sum(3) end, "dimension 3" },
      { function() return lt.sofmax end, "did you mean lt.softmax" },
      { function() return lt.tensor({ 1, "x" }) end, "string" },
    }
    for _, case in ipairs(cases) do
      local ok, e = pcall(case[1])
      assert.is_false(ok)
      assert.is_truthy(e:find(case[2]), e)
      assert.is_truthy(e:find "core_spec.lua:%d+:", e)
    end
  end)

  it("stand there in a folder called luatrain too", function()
    local program = require "program"
    local folder, env = program.folder(), { LUATRAIN_PATH = program.library() }
    require("luatrain.fs").mkdir(folder .. "/luatrain")
    require("luatrain.fs").write(folder .. "/luatrain/a.lua", "local x = 1\nlt.zeros(-x)\n")
    for _, path in ipairs { "luatrain/a.lua", folder .. "/luatrain/a.lua" } do
      local result = program.run({ path }, { directory = folder, env = env })
      assert.is_truthy(result.err:find("luatrain/a.lua:2: ", 1, true), result.err)
    end
    program.clean()
  end)

  it("suggest the nearest name, where one is near", function()
    local nearest = require("luatrain.core").nearest
    for _, case in ipairs { { "maen", "mean", "min", "mean" }, { "rnu", "run", "runs", "run" },
      { "Linaer", "Linear", "LayerNorm", "Linear" }, { "x", nil, "_" }, { "", nil, "a" },
      { "lr", nil, "momentum" } } do
      assert.equal(case[2], (nearest(case[1], { case[3], case[4] })))
    end
  end)

  it("run out of memory like any other error", function()
    local core = require "luatrain.core"
    core.C.lt_memory_limit(lt.memory().live + 4096)
    local ok, e = pcall(lt.zeros, 1000, 1000)
    core.C.lt_memory_limit(0)
    assert.is_false(ok)
    assert.is_truthy(e:find "out of memory")
    assert.are.equal(1e6, lt.zeros(1000, 1000):numel())
  end)
end)

describe("printing", function()
  it("looks like PyTorch", function()
    assert.are.equal("tensor([[1., 2.],\n        [3., 4.]])", tostring(lt.tensor { { 1, 2 }, { 3, 4 } }))
    assert.are.equal("tensor([0.5000, 1.2500])", tostring(lt.tensor { 0.5, 1.25 }))
    assert.are.equal("tensor([1, 2], dtype=i64)", tostring(lt.tensor({ 1, 2 }, "i64")))
    assert.are.equal("tensor([], size=(0, 3))", tostring(lt.zeros(0, 3)))
    assert.is_truthy(tostring(lt.zeros(100, 100)):find "%.%.%.")
    assert.is_true(#tostring(lt.zeros(100, 100)) < 2000)
  end)
end)

describe("numbers below 1.2e-38", function()
  it("are zero in ops, on all threads, and what they are in Lua", function()
    local x = lt.full({ 1000000 }, 1e-30)
    assert.are.equal(0, (x * 1e-10):abs():max():item())
    assert.are.equal(1e-30, tonumber(("%.3g"):format((x * 1):min():item())))
    local tiny = 1e-300
    assert.are.equal(1e-310, tiny * 1e-10)
  end)
end)

describe("an op", function()
  it("returns as many values with a tape as without one", function()
    local x = lt.randn(3, 3)
    local recorded = x:clone():set_requires_grad()
    for _, t in ipairs { x, recorded } do
      assert.are.equal(1, select("#", t:sum()))
      assert.are.equal(2, select("#", t:max(1)))
    end
  end)
end)
