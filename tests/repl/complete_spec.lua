-- What Tab offers.
local complete = require "luatrain.repl.complete"
local fs = require "luatrain.fs"

local function offered(text, at)
  local from, list = complete.at(text, at or #text)
  return list or {}, from
end

local function has(text, word)
  local list = offered(text)
  for _, one in ipairs(list) do
    if one == word then return true end
  end
  return false
end

describe("completion", function()
  local folder

  setup(function()
    folder = fs.temporary_directory()
    lt.safetensors.save(fs.join(folder, "net.safetensors"), {["layer.weight"] = lt.zeros(2),
      ["layer.bias"] = lt.zeros(2), head = lt.zeros(1)})
    fs.mkdir(fs.join(folder, "songs"))
    fs.write(fs.join(folder, "sound.wav"), "")
    fs.write(fs.join(folder, ".hidden"), "")
  end)
  teardown(function() fs.remove_tree(folder) end)
  before_each(function()
    rawset(_G, "my_tensor", lt.zeros(2, 2))
    rawset(_G, "my_table", {inner = {leaf = 1, leave = 2}, ["a key"] = 3, [1] = {first = true}})
    rawset(_G, "my_model", lt.nn.Sequential(lt.nn.Linear(2, 2)))
    rawset(_G, "my_weights", {["layer.weight"] = 1, ["layer.bias"] = 2})
  end)
  after_each(function()
    for _, name in ipairs {"my_tensor", "my_table", "my_model", "my_weights"} do rawset(_G, name, nil) end
  end)

  it("knows globals and keywords", function()
    assert.is_true(has("my_t", "my_table"))
    assert.is_true(has("x = my_t", "my_tensor"))
    assert.is_true(has("whi", "while"))
    assert.is_true(has("pri", "print"))
    assert.same({}, (offered "zzzzz"))
  end)

  it("says where the word begins", function()
    local _, from = offered "x = my_t"
    assert.equal(5, from)
  end)

  it("knows fields, also deep ones and by position", function()
    assert.same({"leaf", "leave"}, (offered "my_table.inner.lea"))
    assert.same({"first"}, (offered "f(my_table[1]."))
    assert.same({}, (offered "my_table.nothing."))
  end)

  it("knows the rooms of lt and what they hold", function()
    assert.is_true(has("lt.", "nn"))
    assert.is_true(has("lt.ran", "randn"))
    assert.is_true(has("lt.nn.Lin", "Linear"))
    assert.is_true(has("lt.optim.A", "AdamW"))
  end)

  it("knows methods of tensors, modules and strings, after a colon functions only", function()
    assert.is_true(has("my_tensor:mea", "mean"))
    assert.is_true(has("my_tensor.requires", "requires_grad"))
    assert.is_false(has("my_tensor:requires", "requires_grad"))
    assert.is_true(has("my_model:para", "parameters"))
    assert.is_true(has("('x'):up", "upper"))
  end)

  it("calls nothing to find out", function()
    local called = false
    rawset(_G, "my_table", setmetatable({}, {__index = function() called = true end}))
    offered "my_table.x.y"
    offered "my_table.x"
    assert.is_false(called)
    assert.same({}, (offered "os.exit()."))
  end)

  it("knows modules inside require", function()
    assert.is_true(has("require 'luatrain.n", "luatrain.nn"))
    assert.is_true(has("local x = require(\"luatrain.audio.me", "luatrain.audio.mel")
      or has("require 'luatrain.audio.re", "luatrain.audio.resample"))
    local before = package.path
    package.path = folder .. "/?.lua;" .. before
    fs.write(fs.join(folder, "my_module.lua"), "return {}")
    local found = has("require 'my_mo", "my_module")
    package.path = before
    assert.is_true(found)
  end)

  it("knows the keys of tables inside brackets", function()
    assert.same({"layer.bias", "layer.weight"}, (offered "my_weights['"))
    assert.same({"layer.weight"}, (offered "my_weights['layer.w"))
    assert.is_true(has("my_table[\"a", "a key"))
  end)

  it("knows the tensors of a safetensors file that the call names", function()
    local call = ("lt.safetensors.load('%s/net.safetensors', {'"):format(folder)
    assert.same({"head", "layer.bias", "layer.weight"}, (offered(call)))
    assert.same({"layer.bias"}, (offered(call .. "head', 'layer.b")))
  end)

  it("knows files inside other strings", function()
    local list, from = offered(("f('%s/so"):format(folder))
    assert.same({folder .. "/songs/", folder .. "/sound.wav"}, list)
    assert.equal(4, from)
    assert.is_true(has(("f('%s/.h"):format(folder), folder .. "/.hidden"))
    assert.same({}, (offered "f('/no/such/folder/"))
  end)

  it("lists files without their folder, and without what would steer the terminal", function()
    local _, _, labels = complete.at(("f('%s/so"):format(folder), #folder + 6)
    assert.same({"songs/", "sound.wav"}, labels)
    fs.write(fs.join(folder, "esc\27[31m"), "")
    labels = select(3, complete.at(("f('%s/es"):format(folder), #folder + 6))
    assert.same({"esc?[31m"}, labels)
  end)

  it("knows recipes, and what there is help on", function()
    assert.is_true(has("r = lt.recipe 'cho", "chord"))
    assert.is_true(has("help('lt.nn.Lin", "lt.nn.Linear"))
    assert.is_true(has(":doc Tensor:narr", "Tensor:narrow"))
    assert.is_true(has(":help my_ten", "my_tensor"))
  end)

  it("knows the session's commands and their arguments", function()
    assert.same({"profile"}, (offered ":pro"))
    assert.is_true(has(":reload luatrain.n", "luatrain.nn"))
    assert.same({folder .. "/sound.wav"}, (offered(":load " .. folder .. "/sou")))
    assert.is_true(has(":time my_tensor:mea", "mean"))
  end)

  it("offers nothing inside comments, and survives any text", function()
    assert.same({}, (offered "-- pri"))
    for _, text in ipairs {"", ".", ":", "[", "]", "a[", "a]", "a.b[1", ")(", "'", "\"\\", "[[", "::", "? ",
      ": ", "\255\254", ("x."):rep(1000), ("("):rep(1000), "1.", "a..b", "..."} do
      assert.has_no.errors(function() complete.at(text, #text) end)
    end
  end)

  it("sees only what is left of the cursor", function()
    local from, list = complete.at("my_t + other", 4)
    assert.equal(1, from)
    assert.same({"my_table", "my_tensor"}, list)
  end)
end)
