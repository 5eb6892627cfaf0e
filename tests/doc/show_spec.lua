-- Printing: the numbers and their layout as PyTorch itself prints them (tests/golden/make_print.py).
local json = require "luatrain.json"
local show = require "luatrain.show"
local fs = require "luatrain.fs"
local program = require "program"

local SPECIAL = { nan = 0 / 0, inf = math.huge, ["-inf"] = -math.huge }

-- The tensor of a case.
local function tensor_of(case)
  local t = lt.empty(case.shape, case.dtype)
  local flat = t:view { t:numel() }
  for i, v in ipairs(case.values) do
    if case.dtype == "i64" then
      flat:data()[i - 1] = type(v) == "string" and loadstring("return " .. v .. "LL")() or v
    else
      flat:set(SPECIAL[v] or v, i)
    end
  end
  return t
end

-- Our words for what PyTorch prints behind the numbers, and nothing else.
local function in_our_words(text, case)
  text = text:gsub("True", "true"):gsub("False", "false")
  text = text:gsub(",%s+dtype=torch%.[%w]+", "")
  return text, case
end

local function numbers_of(text) return (text:gsub(",%s+size=%b()", ""):gsub(",%s+dtype=%w+", "")
  :gsub(",%s+device=%w+", "")) end

describe("tensors print as PyTorch's", function()
  local cases = json.load "tests/golden/print.json"

  teardown(function() show.set_printoptions { profile = "default" } end)

  for _, case in ipairs(cases) do
    it(case.name, function()
      show.set_printoptions { profile = "default" }
      if next(case.options) then show.set_printoptions(case.options) end
      assert.equal((in_our_words(case.text)), numbers_of(tostring(tensor_of(case))))
    end)
  end

  it("has enough cases", function() assert.is_true(#cases > 50) end)
end)

describe("what stands behind the numbers", function()
  it("is the dtype where it is not f32, and size, dtype and device where some are left out", function()
    assert.equal("tensor([1, 2], dtype=i64)", tostring(lt.tensor({ 1, 2 }, "i64")))
    assert.is_truthy(tostring(lt.zeros(100, 100)):find("size=(100, 100), dtype=f32, device=cpu)", 1, true))
    assert.equal("tensor([], size=(0, 3))", tostring(lt.zeros(0, 3)))
    assert.equal("tensor([], size=(0), dtype=i64)", tostring(lt.zeros({ 0 }, "i64")))
    assert.equal("tensor(2., requires_grad=true)", tostring(lt.tensor(2):view {}:set_requires_grad()))
  end)

  it("names the op that made a tensor, and says that one was released", function()
    local x = lt.ones(2):set_requires_grad()
    assert.is_truthy(tostring(x * 2):find("grad_fn=mul", 1, true))
    local t = lt.ones(2)
    t:release()
    assert.equal("tensor(released with its scope)", tostring(t))
  end)

  it("goes to a line of its own where it is too long", function()
    local text = tostring(lt.arange(17):add(100):cast "i32")
    for line in text:gmatch "[^\n]+" do assert.is_true(#line <= 80, line) end
  end)

  it("prints views in their own order", function()
    local t = lt.tensor { { 1, 2 }, { 3, 4 } }
    assert.equal("tensor([[1., 3.],\n        [2., 4.]])", tostring(t:t()))
    assert.equal("tensor([2, 4], dtype=i64)", tostring(t:cast "i64":select(2, 2)))
  end)
end)

describe("set_printoptions", function()
  teardown(function() show.set_printoptions { profile = "default" } end)

  it("refuses what it does not know", function()
    assert.has_error(function() lt.set_printoptions { precison = 2 } end)
    assert.has_error(function() lt.set_printoptions { precision = "two" } end)
    assert.has_error(function() lt.set_printoptions { profile = "long" } end)
    local _, e = pcall(lt.set_printoptions, { precison = 2 })
    assert.is_truthy(e:find("did you mean 'precision'", 1, true))
  end)

  it("keeps what is not named", function()
    lt.set_printoptions { precision = 2 }
    lt.set_printoptions { edgeitems = 1 }
    assert.equal(2, show.printoptions().precision)
    assert.equal(1000, show.printoptions().threshold)
  end)
end)

describe("summaries", function()
  local folder = fs.temporary_directory()
  teardown(function() fs.remove_tree(folder) end)

  it("of models: a tree with parameters counted", function()
    local nn = lt.nn
    local net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2, { bias = false }))
    net:freeze "0"
    local text = tostring(net)
    assert.is_truthy(text:find("(0): Linear(in_features=3, out_features=4, bias=true)", 1, true))
    assert.is_truthy(text:find "24 parameters")
    assert.is_truthy(text:find "8 trained")
    assert.equal("class nn.Linear", tostring(nn.Linear))
  end)

  it("of data sets and loaders", function()
    local set = lt.data.from(1200, function(i) return { x = lt.full({ 3 }, i), label = i % 2 } end)
    assert.is_truthy(tostring(set):find("1,200 samples", 1, true))
    local loader = set:batch(16, { shuffle = true, seed = 3 })
    local text = tostring(loader)
    for _, part in ipairs { "75 batches", "16", "1,200 samples", "shuffled", "seed 3" } do
      assert.is_truthy(text:find(part, 1, true), text)
    end
    local listed = lt.data.table { { path = "a.wav", label = 0 } }
    assert.is_truthy(tostring(listed):find("1 sample", 1, true))
  end)

  it("of runs and checkpoints", function()
    local run = require("luatrain.train.run").open(fs.join(folder, "r"))
    run:write_history { train_loss = { 3, 2 }, val_loss = { 2.5, 2.25 } }
    assert.is_truthy(tostring(run):find("2 epochs", 1, true))
    assert.is_truthy(tostring(run):find("val_loss 2.25", 1, true))
    local path = fs.join(folder, "w.safetensors")
    lt.nn.Linear(3, 4):save(path)
    local text = tostring((lt.safetensors.load(path)))
    assert.is_truthy(text:find("2 tensors, 16 elements, 64 B", 1, true), text)
    assert.is_truthy(text:find("weight +%(4, 3%) f32"), text)
    run:close()
  end)

  it("of runs without all numbers, and damaged ones", function()
    local run = require("luatrain.train.run").open(fs.join(folder, "odd"))
    fs.write(run:file "history.json", '{"train_loss": [3, 2], "val_loss": [2.5, null], "late": [1]}')
    assert.is_truthy(tostring(run):find("2 epochs; the last: train_loss 2\n", 1, true), tostring(run))
    local info = program.run { "info", run.path }
    assert.matches("2 epochs; the last:\n +late +%-\n +train_loss +2\n +val_loss +%-\n", info.out)
    for _, text in ipairs { "[1, 2]", '{"a": 1}', "7", "{" } do
      fs.write(run:file "history.json", text)
      assert.is_truthy(tostring(run):find("0 epochs", 1, true))
      info = program.run { "info", run.path }
      assert.equal(4, info.code)
      assert.is_truthy(info.err:find("history.json", 1, true), info.err)
    end
    run:close()
  end)

  it("of recipes, optimizers, schedules, generators", function()
    local text = tostring(lt.recipe "chord")
    for _, part in ipairs { "recipe chord", "Names the chords", "train", "transcribe", "settings" } do
      assert.is_truthy(text:find(part, 1, true), text)
    end
    local model = lt.nn.Linear(2, 2)
    local optimizer = lt.optim.AdamW(model:named_parameters(), { lr = 0.01 })
    assert.is_truthy(tostring(optimizer):find("lr=0.01", 1, true))
    assert.is_truthy(tostring(lt.schedule.constant(optimizer)):find("constant", 1, true))
    assert.is_truthy(tostring(lt.generator(7)):find("seed 7", 1, true))
    assert.is_truthy(tostring(lt.nn.EMA(model, { decay = 0.5 })):find("0.5", 1, true))
  end)

  it("of songs and HDF5 files", function()
    local hdf5, path = lt.data.hdf5, fs.join(folder, "a.h5")
    hdf5.write(path, function(w) w:tensor("params", lt.rand(10, 8)) end)
    local file = hdf5.open(path)
    assert.is_truthy(tostring(file):find("params (10, 8) f32", 1, true), tostring(file))
    assert.is_truthy(tostring(file:dataset "params"):find("(10, 8) f32", 1, true))
    file:close()
    assert.is_truthy(tostring(file):find "closed")
    local note = { start = 0, stop = 1, pitch = 60, velocity = 80 }
    local song = lt.midi.parse(lt.midi.encode { notes = { note } })
    assert.is_truthy(tostring(song):find "1 note")
  end)
end)
