-- A run that is killed at any instant and resumed ends with the bits of one that never was.
local core = require "luatrain.core"
local fs = require "luatrain.fs"
local program = require "program"

local toy = program.here "tests/train/toy.lua"

local function arguments(run, ...)
  return {"run", toy, "train", "--run", run, "--resume", "auto", "--quiet", "--no-report", "--epochs", "2",
    "--checkpoint-steps", "2", "--ema", "0.9", "--save-every", "1", "--pause", "0.005", ...}
end

-- Every tensor of a checkpoint as text, so that a difference is seen to the last bit.
local function bits(path)
  local tensors = require("luatrain.safetensors").load(path)
  local names, list = {}, {}
  for name in pairs(tensors) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    local items = {}
    for k, value in ipairs(tensors[name]:flat()) do items[k] = ("%a"):format(value) end
    list[i] = name .. " " .. table.concat(items, " ")
  end
  return table.concat(list, "\n")
end

local function results(run)
  local found = {}
  for _, name in ipairs {"latest", "best", "epoch-0001", "epoch-0002"} do
    found[name] = bits(fs.join(run, "checkpoints", name .. ".safetensors"))
  end
  found.history = fs.read(fs.join(run, "history.json"))
  return found
end

local function no_leftovers(run)
  for _, folder in ipairs {run, fs.join(run, "checkpoints")} do
    for _, name in ipairs(fs.list(folder)) do assert.is_nil(name:match "%.tmp") end
  end
end

describe("a killed run", function()
  local reference, seconds
  local folder

  setup(function()
    folder = program.folder()
    local run = fs.join(folder, "whole")
    local started = core.C.lt_time()
    local result = program.run(arguments(run))
    seconds = core.C.lt_time() - started
    assert.equal(0, result.code, result.err)
    reference = results(run)
  end)
  teardown(program.clean)

  it("ends with the same bits after 20 kills at random instants", function()
    local kills, runs = 0, 0
    math.randomseed(os.time())
    local seed = math.random(1e9)
    math.randomseed(seed)
    while kills < 20 do
      runs = runs + 1
      local run = fs.join(folder, "killed" .. runs)
      local done = false
      for _ = 1, 200 do
        local result = program.run(arguments(run), {timeout = (0.05 + 0.95 * math.random()) * seconds})
        if result.killed then
          kills = kills + 1
        else
          assert.equal(0, result.code, result.err)
          done = true
          break
        end
      end
      assert.is_true(done, "the run never came to its end")
      assert.same(reference, results(run), "seed of the instants: " .. seed)
      no_leftovers(run)
    end
  end)

  -- Deterministic: the process dies in its n-th write, fsync or rename, for the first n of each.
  for _, operation in ipairs {"write", "fsync", "rename"} do
    it("ends with the same bits when it dies within " .. operation, function()
      for n = 1, 12 do
        local run = fs.join(folder, operation .. n)
        local killed = program.run(arguments(run), {env = {LT_FAULT = ("%s:%d:KILL"):format(operation, n)}})
        assert.is_true(killed.killed or killed.code ~= 0)
        local result = program.run(arguments(run))
        assert.equal(0, result.code, result.err)
        assert.same(reference, results(run))
        no_leftovers(run)
      end
    end)
  end

  it("ends with the same bits with loader workers", function()
    local run = fs.join(folder, "workers")
    program.run(arguments(run, "--workers", "2"), {timeout = 0.6 * seconds})
    local result = program.run(arguments(run, "--workers", "2"))
    assert.equal(0, result.code, result.err)
    assert.same(reference, results(run))
  end)
end)
