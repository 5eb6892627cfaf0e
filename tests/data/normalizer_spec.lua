-- Normalizers against scikit-learn (tests/golden/make_normalizer.py), over tensors and data sets, and kept.
local fs = require "luatrain.fs"
local json = require "luatrain.json"
local normalizer = lt.data.normalizer

local golden = lt.keep(lt.safetensors.load "tests/golden/normalizer.safetensors")

-- Every element within a share of the one wanted (and of `least`).
local function near(wanted, got, share, least)
  wanted, got = wanted.flat and wanted:flat() or wanted, got.flat and got:flat() or got
  assert.equal(#wanted, #got)
  for i, w in ipairs(wanted) do
    local d = math.abs(got[i] - w)
    assert(d <= share * math.max(math.abs(w), least), ("element %d: %.17g, wanted %.17g"):format(i, got[i],
      w))
  end
end

local raises = require("ops_harness").raises

describe("a normalizer", function()
  it("is scikit-learn's", function()
    for kind, o in pairs { standard = {}, minmax = { range = { -1, 2 } } } do
      local n = normalizer(kind, o):fit(golden.x)
      local y = n:transform(golden.new)
      near(golden[kind], y, 2e-7, 1e-7)
      near(golden[kind .. "_inverse"], n:inverse(golden[kind]), 1e-7, 1e-9)
      near(golden.new, n:inverse(y), 1e-6, 130)
    end
    local state = normalizer():fit(golden.x):state()
    near(golden["standard.mean_"], state.mean, 1e-12, 1e-18)
    near(golden["standard.var_"], state.var, 1e-9, 1e-25)
    local _, divisor = normalizer():fit(golden.x):scale()
    near(golden["standard.scale_"], divisor, 1e-9, 1e-18)
    assert.equal(1, divisor[4])
    state = normalizer("minmax"):fit(golden.x):state()
    near(golden["minmax.data_min_"], state.low, 0, 0)
    near(golden["minmax.data_max_"], state.high, 0, 0)
  end)

  it("takes data sets, pieces, other dimensions and dtypes", function()
    local whole = normalizer():fit(golden.x):state()
    local set = lt.data.from(20, function(i) return { a = golden.x:narrow(1, 10 * i - 9, 10):clone() } end)
    assert.same(whole, normalizer():fit(set, "a"):state())
    local rows = lt.data.from(200, function(i) return { a = golden.x:select(1, i):clone() } end)
    assert.same(whole, normalizer():fit(rows, "a"):state())
    local n = normalizer():update(golden.x:narrow(1, 1, 80)):update(golden.x:narrow(1, 81, 120))
    assert.same(whole, n:state())
    local columns = normalizer("standard", { dim = 1 }):fit(golden.x:t())
    assert.same(whole.mean, columns:state().mean)
    near(n:transform(golden.new), columns:transform(golden.new:t()):t():contiguous(), 0, 0)
    near(n:transform(golden.new), n:transform(golden.new:reshape(1, 5, 7)):reshape(5, 7), 0, 0)
    assert.same(whole.mean, normalizer():fit(golden.x:to "f64"):state().mean)
    assert.same({ 2 }, normalizer():fit(lt.tensor({ { 1 }, { 3 } }, "i64")):state().mean)
    local before = golden.x:clone()
    assert.equal(7, #n:fit(golden.x):state().mean)
    near(before, golden.x, 0, 0)
  end)

  it("stays itself in JSON and in a file, alone or with a model", function()
    local folder = fs.temporary_directory()
    local path = fs.join(folder, "n.safetensors")
    for _, n in ipairs { normalizer(), normalizer("minmax", { range = { -1, 2 }, dim = 2 }) } do
      n:fit(golden.x)
      local y = n:transform(golden.new)
      near(y, normalizer.from(json.decode(json.encode(n:state()))):transform(golden.new), 0, 0)
      n:save(path)
      near(y, normalizer.load(path):transform(golden.new), 0, 0)
      local model = lt.nn.Linear(7, 1)
      n:save(path, (model:state_dict()))
      assert.same(n:state(), normalizer.load(path):state())
      assert.equal(7, #model:load(path, { strict = false }).unexpected > 0 and 7)
    end
    lt.nn.Linear(1, 1):save(path)
    raises("there is no normalizer in it", normalizer.load, path)
    fs.remove_tree(folder)
  end)

  it("goes out as a layer of RTNeural", function()
    local folder = fs.temporary_directory()
    local path, model = fs.join(folder, "m.json"), lt.nn.Sequential(lt.nn.Linear(7, 3), lt.nn.Tanh())
    for _, n in ipairs { normalizer(), normalizer("minmax", { range = { -1, 2 } }) } do
      n:fit(golden.x:narrow(2, 1, 7) * lt.tensor { 1, 0, 1e8, 1, 1, 1, 0 })
      local facts = lt.export.rtneural(model, path, { normalizer = n })
      assert.is_true(facts.worst < 1e-5 and facts.layers == 3 and lt.export.check(path) < 1e-5)
      local x = lt.randn(1, 7)
      near(model(n:transform(x)), lt.tensor(lt.export.network(path):step(x:flat())), 1e-5, 1)
    end
    raises("floats do not hold its numbers", lt.export.rtneural, model, path,
      { normalizer = normalizer():fit(golden.x) })
    raises("takes 7 numbers a frame, the layer before gives 3", lt.export.rtneural, lt.nn.Linear(7, 3), path,
      { normalizer = normalizer():fit(lt.randn(4, 3)) })
    fs.remove_tree(folder)
  end)

  it("refuses what makes no sense", function()
    local n = normalizer():fit(golden.x)
    raises("there are standard and minmax", normalizer, "robust")
    raises("{low, high} with low < high", normalizer, "minmax", { range = { 1, 1 } })
    raises("unknown option 'rang'", normalizer, "minmax", { rang = { 0, 1 } })
    raises("has not been fitted", normalizer().transform, normalizer(), golden.x)
    raises("has not been fitted", normalizer().scale, normalizer())
    raises("x is (5, 3), wanted 7 features", n.transform, n, golden.new:narrow(2, 1, 3))
    raises("x is (3), wanted 7 features", n.update, n, lt.ones(3))
    raises("a string, wanted a tensor", n.transform, n, "x")
    raises("not finite, in sample 2", n.fit, n, lt.tensor { { 1, 2 }, { 0 / 0, 1 } })
    raises("not finite", n.fit, normalizer "minmax", lt.tensor { { 1 / 0 } })
    local set = lt.data.from(2, function() return {} end)
    raises("'a' of sample 1 is a nil", n.fit, n, set, "a")
    for _, state in ipairs { {}, { kind = "standard" }, { kind = "standard", count = 1, dim = -1,
      mean = { 1 } },
      { kind = "minmax", count = 1, dim = -1, range = { 0, 1 }, low = { 1 }, high = { "x" } } } do
      raises("not the state of one", normalizer.from, state)
    end
  end)
end)
