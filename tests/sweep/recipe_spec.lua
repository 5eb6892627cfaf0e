-- Sweeps over a recipe as it is: its settings, its epochs' metrics, its run directories.
local command = require "sweep.command"
local fs = require "luatrain.fs"
local json = require "luatrain.json"
local program = require "program"

local toy = program.here "tests/train/toy.lua"

local function write(folder, name, fields)
  local path = fs.join(folder, name .. ".lua")
  fs.write(path, ("return { name = %q, recipe = %q, objective = \"val_loss\",\n%s\n}\n"):format(
    name, toy, fields))
  return path
end

local succeeds, trials = command.succeeds, command.trials

local function fails(code, folder, path, ...) command.fails(code, folder, {path, "run"}, ...) end

local SPACE = [[space = {learning_rate = lt.log_uniform(1e-4, 1e-1), width = lt.choice {4, 8},
  ["nested.depth"] = lt.integer(1, 3)},]]

describe("a sweep over a recipe", function()
  local folder
  before_each(function() folder = program.folder() end)
  teardown(program.clean)

  it("trains with each setting in a run directory of its own, and reports its epochs", function()
    local path = write(folder, "toy", SPACE .. "settings = {epochs = 3, samples = 24}, trials = 4")
    local result = succeeds(folder, path, "run", "--parallel", "2")
    assert.is_truthy(result.err:find("best.json", 1, true))
    for _, trial in ipairs(trials(folder, path)) do
      assert.equal("done", trial.state)
      local run = fs.join(folder, "runs/sweeps/toy/trials", ("%05d"):format(trial.number))
      local config = json.load(fs.join(run, "config.json"))
      assert.equal(trial.params.learning_rate, config.learning_rate)
      assert.equal(trial.params.width, config.width)
      assert.equal(trial.params["nested.depth"], config.nested.depth)
      assert.equal(3, config.epochs)
      local losses = json.load(fs.join(run, "history.json")).val_loss
      assert.equal(3, #losses)
      for step, loss in ipairs(losses) do assert.equal(loss, trial.reports[tostring(step)]) end
      assert.same({math.min(unpack(losses))}, trial.values)
    end
  end)

  it("leaves the best setting as a file that `run --config` takes", function()
    local path = write(folder, "best", SPACE .. "settings = {epochs = 1, samples = 16}, trials = 2")
    succeeds(folder, path, "run", "--quiet")
    succeeds(folder, path, "best", "--out", "best.yaml")
    local best = json.decode(succeeds(folder, path, "best", "--json").out)[1]
    local result = program.run({"run", toy, "train", "--config", "best.yaml", "--run", "again", "--no-report",
      "--quiet"}, {directory = folder})
    assert.equal(0, result.code, result.err)
    local config = json.load(fs.join(folder, "again/config.json"))
    assert.equal(best.params.learning_rate, config.learning_rate)
    assert.equal(best.params["nested.depth"], config.nested.depth)
    -- The same settings, the same seed: the same result.
    assert.equal(best.values[1], json.load(fs.join(folder, "again/history.json")).val_loss[1])
  end)

  it("does not train with the same settings twice while there are others", function()
    local path = write(folder, "twice", [[space = {width = lt.choice {2, 4, 8}, ema = lt.choice {0, 0.5}},
      sampler = "random", settings = {epochs = 1, samples = 8}, trials = 6]])
    succeeds(folder, path, "run", "--quiet", "--parallel", "2")
    local seen, count = {}, 0
    for _, trial in ipairs(trials(folder, path)) do
      local key = trial.params.width .. " " .. trial.params.ema
      if not seen[key] then count = count + 1 end
      seen[key] = true
    end
    assert.equal(6, count)
    -- When all have been tried, it begins again.
    succeeds(folder, path, "run", "--quiet", "--trials", "7")
    assert.equal(7, #trials(folder, path))
  end)

  it("does not go on with what another study left", function()
    local path = write(folder, "left", SPACE .. "settings = {epochs = 1, samples = 8}, trials = 1")
    succeeds(folder, path, "run", "--quiet")
    local base = fs.join(folder, "runs/sweeps/left")
    for _, name in ipairs(fs.list(base)) do
      if name:match "^study" then fs.remove(fs.join(base, name)) end
    end
    fs.write(path, (fs.read(path):gsub("epochs = 1", "epochs = 2")))
    succeeds(folder, path, "run", "--quiet")
    assert.equal("done", trials(folder, path)[1].state)
    assert.equal(2, #json.load(fs.join(base, "trials/00000/history.json")).val_loss)
    assert.equal(1, #json.load(fs.join(base, "trials/00000.before/history.json")).val_loss)
  end)

  it("ends trials that the pruner does not want", function()
    local path = write(folder, "pruned", SPACE .. [[settings = {epochs = 4, samples = 16}, trials = 2,
      pruner = {name = "threshold", upper = -1, warmup = 2}]])
    succeeds(folder, path, "run", "--quiet")
    for _, trial in ipairs(trials(folder, path)) do
      assert.equal("pruned", trial.state)
      assert.is_truthy(trial.reports["2"])
      assert.is_nil(trial.reports["3"])
    end
  end)

  it("takes a diverged training for a failed trial, and goes on", function()
    local path = write(folder, "diverged", [[space = {bad_log = lt.choice {true, false}}, sampler = "grid",
      settings = {epochs = 1, samples = 16}, trials = 2]])
    succeeds(folder, path, "run", "--quiet")
    local states = {}
    for _, trial in ipairs(trials(folder, path)) do
      states[trial.params.bad_log] = trial.state
      if trial.params.bad_log then assert.is_truthy(trial.message:find("log", 1, true)) end
    end
    assert.same({[true] = "failed", [false] = "done"}, states)
    -- Run again it begins anew, and what it left is kept beside.
    succeeds(folder, path, "retry")
    succeeds(folder, path, "run", "--quiet")
    for _, trial in ipairs(trials(folder, path)) do
      local run = fs.join(folder, "runs/sweeps/diverged/trials", ("%05d"):format(trial.number))
      assert.equal(states[trial.params.bad_log], trial.state)
      assert.equal(trial.state == "failed", fs.exists(run .. ".failed"))
      assert.equal(trial.state == "failed" and 2 or 1, trial.attempt)
    end
  end)

  it("goes on from the checkpoint where a process was killed", function()
    local path = write(folder, "killed", [[space = {learning_rate = lt.log_uniform(1e-4, 1e-1)}, trials = 1,
      settings = {epochs = 4, samples = 16, die_at = 3}]])
    -- The recipe, with a death after its third epoch, once.
    local text = fs.read(toy):gsub("return recipe\n$", ([[
      recipe.config.die_at = config.integer(0, "kills itself after this epoch, once", {min = 0})
      function recipe.after_epoch(_, at)
        local mark = %q
        if at.epoch == at.config.die_at and not require("luatrain.fs").exists(mark) then
          require("luatrain.fs").write(mark, "dead")
          require("ffi").cdef "int raise(int);"
          require("ffi").C.raise(9)
        end
      end
      return recipe
    ]]):format(fs.join(folder, "mark")))
    fs.write(fs.join(folder, "dying.lua"), text)
    fs.write(path, (fs.read(path):gsub(toy:gsub("%p", "%%%0"), "./dying.lua")))
    succeeds(folder, path, "run", "--quiet")
    local trial = trials(folder, path)[1]
    assert.equal("done", trial.state)
    assert.equal(2, trial.attempt)
    local run = fs.join(folder, "runs/sweeps/killed/trials/00000")
    assert.is_truthy(fs.read(fs.join(run, "log.txt")):find("resumed from", 1, true))
    local losses = json.load(fs.join(run, "history.json")).val_loss
    assert.equal(4, #losses)
    for step, loss in ipairs(losses) do assert.equal(loss, trial.reports[tostring(step)]) end
    -- ... and comes to what it would have come to.
    local result = program.run({"run", toy, "train", "--run", "whole", "--no-report", "--quiet",
      "--epochs", "4", "--samples", "16", ("--learning-rate=%.17g"):format(trial.params.learning_rate)},
      {directory = folder})
    assert.equal(0, result.code, result.err)
    assert.same(json.load(fs.join(folder, "whole/history.json")).val_loss, losses)
  end)

  it("writes hyper-parameters for TensorBoard", function()
    local path = write(folder, "board", SPACE .. "settings = {epochs = 1, samples = 16}, trials = 1")
    succeeds(folder, path, "run", "--quiet")
    local run = fs.join(folder, "runs/sweeps/board/trials/00000")
    local found = false
    for _, name in ipairs(fs.list(run)) do
      if name:match "^events" then
        local text = fs.read(fs.join(run, name))
        found = found or text:find("_hparams_/session_start_info", 1, true)
          and text:find("learning_rate", 1, true) and text:find("_hparams_/session_end_info", 1, true)
      end
    end
    assert.is_truthy(found)
  end)

  it("refuses settings that the recipe does not have or take", function()
    fails(3, folder, write(folder, "a", "space = {lerning_rate = lt.uniform(0, 1)}"),
      "no setting 'lerning_rate'", "did you mean learning_rate?")
    fails(3, folder, write(folder, "a", "space = {width = lt.uniform(1, 8)}"), "space.width",
      "lt.integer(1, 8)")
    fails(3, folder, write(folder, "a", "space = {width = lt.integer(0, 8)}"), "space.width", "at least 1")
    fails(3, folder, write(folder, "a", "space = {precision = lt.choice {'f32', 'f8'}}"), "space.precision",
      "f8")
    fails(3, folder, write(folder, "a", SPACE .. "settings = {epoch = 3}"), "no setting 'epoch'", "epochs")
    fails(3, folder, write(folder, "a", SPACE .. "settings = {width = 3}"), "'width'", "among the settings")
    fails(3, folder, write(folder, "a", SPACE .. "command = 'greet2'"), "no command 'greet2'")
    fails(3, folder, write(folder, "a", "trials = 3"), "space is missing")
  end)

  it("says that an objective never appears, and what there is", function()
    local path = write(folder, "metric", SPACE .. "settings = {epochs = 1, samples = 16}")
    local right = fs.read(path)
    fs.write(path, (right:gsub("val_loss", "val_los")))
    fails(3, folder, path, "no metric is called 'val_los'", "did you mean val_loss?", "val_accuracy")
    -- Set right, the study goes on under its name.
    fs.write(path, right)
    succeeds(folder, path, "run", "--quiet", "--trials", "1")
    assert.equal("done", trials(folder, path)[1].state)
  end)
end)
