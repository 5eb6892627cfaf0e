local lt = require "luatrain"
local failure = require "luatrain.failure"

local function open(arguments, options)
  local set = require "data.points" (arguments).train
  local o = {batch_size = 4, shuffle = true, seed = 7,
    source = {module = "data.points", arguments = arguments, part = "train"}}
  for key, value in pairs(options or {}) do o[key] = value end
  return lt.data.loader(set, o)
end

-- Everything an epoch delivers, as text.
local function content(loader, epoch, from)
  local lines = {}
  for batch in loader:epoch(epoch, from) do
    local x, draw = batch.x:flat(), batch.draw:flat()
    lines[#lines + 1] = table.concat({batch.number, batch.size, table.concat(batch.ids, " "),
      table.concat(batch.name, " "), ("%a "):rep(#x):format(unpack(x)),
      ("%a "):rep(#draw):format(unpack(draw))}, "|")
    batch.x:release() batch.draw:release() batch.index:release()
  end
  loader:close()
  return lines
end

describe("the loader", function()
  it("delivers every sample once in an order fixed by seed and epoch", function()
    local loader = open {count = 10}
    assert.equal(3, loader:batches())
    local first = content(loader, 1)
    assert.equal(3, #first)
    assert.same(first, content(loader, 1))
    assert.not_same(first, content(loader, 2))
    assert.not_same(first, content(open({count = 10}, {seed = 8}), 1))
    local seen = {}
    for batch in loader:epoch(3) do
      for _, i in ipairs(batch.index:flat()) do seen[#seen + 1] = i end
    end
    table.sort(seen)
    assert.same({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, seen)
  end)

  it("gives the same batches whatever the number of workers", function()
    for _, arguments in ipairs {{count = 23}, {count = 40, slow = 0.002}, {count = 60, damaged = 30}} do
      local here = content(open(arguments), 2)
      for workers = 1, 4 do
        assert.same(here, content(open(arguments, {workers = workers}), 2))
      end
    end
  end)

  it("goes on within an epoch", function()
    local whole = content(open {count = 23}, 5)
    for _, workers in ipairs {0, 2} do
      for from = 1, 7 do
        local rest = content(open({count = 23}, {workers = workers}), 5, from)
        assert.same({unpack(whole, from)}, rest)
      end
    end
  end)

  it("can be left early and started again", function()
    local loader = open({count = 40}, {workers = 2})
    local whole = content(open {count = 40}, 1)
    for _ = 1, 5 do
      for batch in loader:epoch(1) do
        if batch.number == 2 then break end
      end
    end
    assert.same(whole, content(loader, 1))
  end)

  it("does not disturb the random numbers of its user", function()
    lt.manual_seed(3)
    local expected = lt.rand(2):flat()
    lt.manual_seed(3)
    for _ in open({count = 10}):epoch(1) do end
    assert.same(expected, lt.rand(2):flat())
  end)

  it("passes over damaged samples, counts and names them", function()
    for _, workers in ipairs {0, 2} do
      local loader = open({count = 60, damaged = 30}, {workers = workers})
      local told = {}
      loader.on_damaged = function(one) told[#told + 1] = one.id end
      for _ = 1, 2 do content(loader, 1) end
      assert.equal(2, #loader.damaged)
      table.sort(told)
      assert.same({"sample 30", "sample 60"}, told)
      assert.equal("sample is broken", loader.damaged[1].text)
    end
  end)

  it("stops where too many are damaged", function()
    for _, workers in ipairs {0, 2} do
      local ok, e = pcall(content, open({count = 60, damaged = 5}, {workers = workers}), 1)
      assert.is_false(ok)
      assert.equal(4, failure.of(e).code)
      assert.is_truthy(tostring(e):find "of 60 samples are damaged")
      assert.is_truthy(tostring(e):find "the first, sample %d+: sample is broken")
    end
    local ok, e = pcall(content, open({count = 3, damaged = 1}), 1)
    assert.is_false(ok)
    assert.is_truthy(tostring(e):find "3 of 3 samples are damaged")
  end)

  it("stops at once at a mistake in the code that reads, and says where it is", function()
    for _, workers in ipairs {0, 2} do
      local loader = open({count = 60, mistake = 7}, {workers = workers})
      local ok, e = pcall(content, loader, 1)
      assert.is_false(ok)
      assert.equal(1, failure.of(e).code)
      assert.is_truthy(tostring(e):find("reading sample 7: .*data/points.lua:%d+: .*no_such_table"),
        tostring(e))
      assert.equal(0, #loader.damaged)
      loader:close()
    end
  end)

  it("tells a refused argument from a file that cannot be read", function()
    local folder = require("luatrain.fs").temporary_directory()
    local function damaged(f)
      local set = lt.data.from(40, function(i)
        if i == 3 then f() end
        return {x = i}
      end)
      local loader = set:batch(8)
      for _ in loader:epoch(1) do end
      return #loader.damaged == 1 and loader.damaged[1].text
    end
    lt.fs.write(folder .. "/empty.wav", "")
    lt.fs.write(folder .. "/bad.lab", "0 1 no-chord")
    lt.fs.write(folder .. "/bad.json", "{")
    for name, load in pairs {["empty.wav"] = lt.audio.load, ["bad.lab"] = lt.music.chord.read_lab,
      ["bad.json"] = lt.json.load, ["none.mid"] = lt.midi.read} do
      local text = damaged(function() load(folder .. "/" .. name) end)
      assert.is_truthy(text and text:find(name, 1, true), name)
    end
    lt.fs.remove_tree(folder)
    assert.error_matches(function() damaged(function() lt.zeros(3):narrow(1, 3, 2) end) end,
      "reading sample 3: .*loader_spec.lua:%d+: ")
    assert.error_matches(function() damaged(function() lt.audio.load(nil) end) end, "the path is a nil")
    assert.error_matches(function() damaged(function() error "mine" end) end, "loader_spec.lua:%d+: mine")
    local whole = require("luatrain.data.dataset").new {count = 4, read = function(i) return {x = i} end,
      bulk = function() error "in one go" end}
    assert.error_matches(function() whole:batch(2):epoch(1)() end, "in one go")
  end)

  it("passes on the error of a worker that cannot make its data set", function()
    local loader = open({count = 10}, {workers = 2, source = {module = "data.no_such_module"}})
    assert.error_matches(function() content(loader, 1) end, "loader worker: .*no_such_module")
    loader:close()
    local missing = open({count = 10}, {workers = 1, source = {recipe = "./no/such_recipe.lua"}})
    local ok, e = pcall(content, missing, 1)
    assert.is_false(ok)
    assert.equal(3, failure.of(e).code)
    assert.is_truthy(tostring(e):find("no/such_recipe.lua", 1, true))
    missing:close()
  end)

  it("refuses options it does not know", function()
    assert.error_matches(function() open({count = 3}, {bach_size = 3}) end, "did you mean 'batch_size'")
    assert.error_matches(function() open({count = 3}, {batch_size = 0}) end, "batch_size is 0")
    assert.error_matches(function()
      lt.data.loader(lt.data.table {{x = 1}}, {workers = 1})
    end, "need `source`")
  end)

  it("leaves no tensor behind", function()
    collectgarbage() collectgarbage()
    local before = lt.memory().storages
    for _, workers in ipairs {0, 2} do
      local loader = open({count = 40}, {workers = workers})
      for batch in loader:epoch(1) do
        if batch.number == 3 then break end
      end
      loader:close()
    end
    collectgarbage() collectgarbage()
    assert.equal(before, lt.memory().storages)
  end)
end)
