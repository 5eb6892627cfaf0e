-- The trainer as a library, and what a run leaves.
local lt = require "luatrain"
local failure = require "luatrain.failure"
local fs = require "luatrain.fs"
local json = require "luatrain.json"
local program = require "program"

local toy = program.here "tests/train/toy.lua"

-- A linear fit whose samples are fixed; no random numbers but the order.
local function set(n)
  return lt.data.from(n, function(i)
    local t = i / n
    return {x = lt.tensor({t, t * t}), y = lt.tensor({3 * t - t * t})}
  end)
end

local function fit(config, options)
  lt.manual_seed(1)
  options = options or {}
  local model = lt.nn.Linear(2, 1)
  local optimizer = lt.optim.SGD(model:named_parameters(), {lr = 0.1})
  local batch = config.batch_size or 4
  return lt.train.Trainer {
    model = model, optimizer = optimizer, config = config, quiet = true, keep = options.keep,
    step = options.step or function(m, b) return lt.mse_loss(m(b.x), b.y), {} end,
    train = set(options.n or 16):batch(batch, {shuffle = options.shuffle}),
    valid = options.valid ~= false and set(8):batch(8) or nil, run = options.run,
  }, model
end

local function weights(model) return model.weight:flat() end

local function close(a, b, tolerance)
  for i = 1, #a do
    assert.is_true(math.abs(a[i] - b[i]) <= tolerance * (1 + math.abs(b[i])),
      ("%.9g and %.9g"):format(a[i], b[i]))
  end
end

describe("Trainer", function()
  teardown(program.clean)

  it("learns, and returns the history of every epoch", function()
    local trainer = fit({epochs = 30})
    local history = trainer:train()
    assert.equal(30, #history.train_loss)
    assert.equal(30, #history.val_loss)
    assert.equal(30, #history.learning_rate)
    assert.is_true(history.val_loss[30] < 0.5 * history.val_loss[1])
  end)

  it("accumulates gradients to those of one large batch, also in a shorter last group", function()
    -- 10 samples in batches of 2, 3 to a step: groups of 6 and 4 samples.
    local grouped, a = fit({epochs = 1, batch_size = 2, accumulate = 3}, {n = 10})
    grouped:train()
    assert.equal(2, grouped.at.step)
    lt.manual_seed(1)
    local b = lt.nn.Linear(2, 1)
    local optimizer = lt.optim.SGD(b:named_parameters(), {lr = 0.1})
    local whole = set(10):batch(10):epoch(1)()
    for _, range in ipairs {{1, 6}, {7, 4}} do
      optimizer:zero_grad()
      lt.mse_loss(b(whole.x:narrow(1, range[1], range[2])), whole.y:narrow(1, range[1], range[2])):backward()
      optimizer:step()
    end
    close(weights(a), weights(b), 1e-6)
  end)

  it("limits gradients", function()
    local trainer, model = fit({steps = 1, gradient_clip = 1e-3})
    local before = weights(model)
    trainer:train()
    local sum = (model.bias:item() - 0) * 0
    for i, w in ipairs(weights(model)) do sum = sum + (w - before[i]) ^ 2 end
    assert.is_true(sum > 0 and math.sqrt(sum) <= 0.1 * 1e-3 * 1.001)
  end)

  it("stops after so many steps", function()
    local trainer = fit({steps = 6})
    local history = trainer:train()
    assert.equal(6, trainer.at.step)
    assert.equal(2, #history.train_loss)
  end)

  it("stops early and goes back to the best weights", function()
    local calls = 0
    local trainer, model = fit({epochs = 50, patience = 3, min_delta = 0.5}, {
      keep = {best = "val_score", mode = "max"},
      step = function(m, b)
        calls = calls + 1
        -- The score of the validation rises for 3 epochs, then falls.
        local epoch = math.ceil(calls / 5)
        return lt.mse_loss(m(b.x), b.y), {score = epoch <= 3 and epoch or -epoch}
      end,
    })
    local seen = {}
    local keep_best = trainer.keep_best
    trainer.keep_best = function(self)
      keep_best(self)
      seen = weights(model)
    end
    local history = trainer:train()
    assert.equal(6, #history.val_loss)
    assert.equal(3, trainer.history.best_epoch)
    assert.same(seen, weights(model))
  end)

  it("does not take a NaN for the best", function()
    local History = require "luatrain.train.history"
    local history = History.new({best = "val_loss", mode = "min"}, 2, 0)
    assert.is_false(history:add {val_loss = 0 / 0})
    assert.is_true(history:add {val_loss = 2})
    assert.is_false(history:add {val_loss = 0 / 0})
    assert.is_true(history:add {val_loss = 1})
    assert.is_false(history:is_over())
    history:add {val_loss = 1}
    history:add {val_loss = 1.5}
    assert.is_true(history:is_over())
    assert.equal(json.null, history:table().val_loss[1])
  end)

  it("saves and resumes with the same bits, in memory of a script", function()
    local folder = program.folder()
    local path = fs.join(folder, "c.safetensors")
    local whole, model = fit({epochs = 6, ema = 0.5})
    whole:train()
    local first = fit({epochs = 3, ema = 0.5})
    first.config.restore_best = false
    first:train()
    first:save_checkpoint(path)
    local second, resumed = fit({epochs = 6, ema = 0.5})
    for _, p in ipairs(resumed:parameters()) do lt.no_grad(function() p:add_(1) end) end
    second:load_checkpoint(path)
    assert.same(whole:train() and whole.history:table(), second:train())
    assert.same(weights(model), weights(resumed))
  end)

  it("scales the loss in f16, leaves out steps that overflow, and resumes with the same scale", function()
    local seen, huge_at = {}, {[3] = true}
    local function make()
      local calls = 0
      return fit({epochs = 2, precision = "f16", gradient_clip = 1}, {step = function(m, b)
        assert.equal("f16", require("luatrain.op").autocast_dtype())
        calls = calls + 1
        local loss = lt.mse_loss(m(b.x), b.y)
        -- a gradient that f16 cannot hold, though f32 can
        return loss * (huge_at[calls] and 1e3 or 0.1), {}
      end})
    end
    local trainer, model = make()
    local original = trainer.one_step
    trainer.one_step = function(...)
      local before = weights(model)
      local result = original(...)
      seen[#seen + 1] = {scale = result.loss_scale, norm = result.gradient_norm,
        moved = weights(model)[1] ~= before[1]}
      return result
    end
    trainer:train()
    assert.equal(8, #seen)
    assert.same({65536, 65536, 32768, 32768}, {seen[1].scale, seen[2].scale, seen[3].scale, seen[4].scale})
    for i, one in ipairs(seen) do
      assert.equal(i ~= 3, one.moved, i)
      assert.equal(i ~= 3, one.norm ~= nil, i)
    end
    local path = fs.join(program.folder(), "c.safetensors")
    trainer:save_checkpoint(path)
    local again = make()
    again:load_checkpoint(path)
    assert.equal(32768, again.scaler:get_scale())
    assert.equal(5, again.scaler.tracker)
    local plain = fit({epochs = 2, gradient_clip = 1}, {step = function(m, b)
      return lt.mse_loss(m(b.x), b.y) * 0.1, {}
    end})
    plain:train()
    huge_at = {}
    local other
    trainer, other = make()
    trainer:train()
    close(weights(other), weights(plain.model), 5e-3)
    assert.not_same(weights(other), weights(plain.model))
  end)

  it("stops in f16 where no scale helps", function()
    local trainer = fit({epochs = 40, precision = "f16"}, {step = function(m, b)
      return lt.mse_loss(m(b.x), b.y) + (m.weight * 0):sqrt():sum(), {}
    end})
    local ok, e = pcall(trainer.train, trainer)
    assert.is_false(ok)
    assert.equal(7, failure.of(e).code)
    assert.is_truthy(tostring(e):find("the gradient norm is nan at step 31", 1, true), tostring(e))
  end)

  it("computes in bf16 where asked", function()
    local trainer = fit({epochs = 2, precision = "bf16"}, {step = function(m, b)
      assert.equal("bf16", require("luatrain.op").autocast_dtype())
      return lt.mse_loss(m(b.x):to "f32", b.y), {}
    end})
    assert.equal(2, #trainer:train().train_loss)
  end)

  it("weighs metrics by samples unless they say otherwise", function()
    local Tally = require "luatrain.train.tally"
    local tally = Tally.new()
    tally:add({a = 1, b = {10, 1}, c = lt.tensor(4)}, 3)
    tally:add({a = 5, b = {20, 3}, c = lt.tensor(8)}, 1)
    local means = tally:means ""
    assert.same({a = 2, b = 17.5, c = 5}, means)
    assert.error_matches(function() tally:add({word = "x"}, 1) end, "'word' is a string")
  end)

  it("names the sample and the op of a loss that is not finite", function()
    local trainer, model = fit({epochs = 1}, {step = function(m, b)
      local y = m(b.x)
      return lt.mse_loss((y - 1000):log(), b.y), {}
    end})
    local before = weights(model)
    local ok, e = pcall(trainer.train, trainer)
    assert.is_false(ok)
    assert.equal(7, failure.of(e).code)
    for _, text in ipairs {"loss is", "step 1", "sample 1, sample 2, sample 3, sample 4", "log above 0"} do
      assert.is_truthy(tostring(e):find(text, 1, true), text .. " is not in " .. tostring(e))
    end
    assert.same(before, weights(model))
  end)

  it("leaves no tensor behind from step to step", function()
    local trainer = fit({epochs = 4}, {valid = false})
    trainer:train_epoch()
    trainer.at.epoch, trainer.at.batch = 2, 0
    collectgarbage() collectgarbage()
    local before = lt.memory().storages
    for epoch = 2, 4 do
      trainer.at.epoch, trainer.at.batch = epoch, 0
      trainer:train_epoch()
    end
    collectgarbage() collectgarbage()
    assert.equal(before, lt.memory().storages)
  end)
end)

describe("luatrain run RECIPE train", function()
  teardown(program.clean)
  local function train(run, ...)
    return program.run({"run", toy, "train", "--run", run, "--no-report", ...})
  end

  it("leaves everything of the run in its directory", function()
    local run = fs.join(program.folder(), "r")
    local result = program.run({"run", toy, "train", "--run", run, "--epochs", "3", "--save-every", "1",
      "--keep-last", "2"})
    assert.equal(0, result.code, result.err)
    for _, name in ipairs {"config.json", "history.json", "run.json", "log.txt", "recipe.lua",
      "report/index.html", "checkpoints/latest.safetensors", "checkpoints/best.safetensors",
      "checkpoints/epoch-0002.safetensors", "checkpoints/epoch-0003.safetensors"} do
      assert.is_true(fs.is_file(fs.join(run, name)), name)
    end
    assert.is_false(fs.exists(fs.join(run, "checkpoints/epoch-0001.safetensors")))
    local events = false
    for _, name in ipairs(fs.list(run)) do events = events or name:find "^events%.out%.tfevents%." end
    assert.is_truthy(events)
    local history = json.load(fs.join(run, "history.json"))
    assert.equal(3, #history.val_accuracy)
    assert.is_truthy(json.load(fs.join(run, "run.json")).program.version)
    assert.is_truthy(result.err:find "epoch 3/3")
    assert.equal("", result.out)
    if require("luatrain.report").available() then
      assert.equal("\137PNG", fs.read(fs.join(run, "report/loss.png")):sub(1, 4))
    end
  end)

  it("repeats itself bit for bit, whatever the number of workers", function()
    local folder, first = program.folder(), nil
    for _, workers in ipairs {"0", "0", "2"} do
      local run = fs.join(folder, "w" .. workers .. tostring(first ~= nil))
      assert.equal(0, train(run, "--workers", workers, "--quiet").code)
      local history = fs.read(fs.join(run, "history.json"))
      first = first or history
      assert.equal(first, history)
    end
  end)

  it("goes on to more epochs when resumed, with the run's own settings", function()
    local run = fs.join(program.folder(), "r")
    assert.equal(0, train(run, "--epochs", "1", "--width", "5").code)
    local refused = train(run)
    assert.equal(2, refused.code)
    assert.is_truthy(refused.err:find("already holds a run", 1, true))
    local result = train(run, "--epochs", "2", "--resume", "auto")
    assert.equal(0, result.code, result.err)
    assert.equal(2, #json.load(fs.join(run, "history.json")).val_loss)
    assert.equal(5, json.load(fs.join(run, "config.json")).width)
    assert.equal(0, train(run, "--resume", run).code)
  end)

  it("keeps checkpoints in checkpoint_dir, within the run directory or elsewhere", function()
    local folder = program.folder()
    local run, elsewhere = fs.join(folder, "r"), fs.join(folder, "elsewhere")
    for _, place in ipairs {{"weights", fs.join(run, "weights")}, {elsewhere, elsewhere}} do
      local result = train(run, "--epochs", "1", "--checkpoint-dir", place[1])
      assert.equal(0, result.code, result.err)
      for _, name in ipairs {"latest", "best"} do
        assert.is_true(fs.is_file(fs.join(place[2], name .. ".safetensors")), name)
      end
      assert.is_false(fs.exists(fs.join(run, "checkpoints")))
      assert.equal(2, train(run, "--checkpoint-dir", place[1]).code)
      result = train(run, "--epochs", "2", "--resume", "auto")
      assert.is_truthy(result.err:find("resumed from " .. place[2], 1, true), result.err)
      assert.equal(0, program.run {"run", toy, "evaluate", "--checkpoint", run}.code)
      assert.is_truthy(program.run({"info", run}).out:find "/latest.safetensors")
      fs.remove_tree(run)
    end
    assert.equal(2, train(run, "--checkpoint-dir", elsewhere).code)
  end)

  it("keeps the log and TensorBoard's events in log_dir", function()
    local folder = program.folder()
    local run = fs.join(folder, "logged")
    local all = fs.join(folder, "all")
    for _, place in ipairs {{"logs", fs.join(run, "logs")}, {all, all}} do
      local result = train(run, "--epochs", "1", "--log-dir", place[1])
      assert.equal(0, result.code, result.err)
      local names = table.concat(fs.list(place[2]), " ")
      assert.is_truthy(names:find "log.txt" and names:find "events", names)
      assert.is_nil(table.concat(fs.list(run), " "):find "events")
      fs.remove_tree(run)
    end
  end)

  it("evaluates the newest run, also where that has no best checkpoint yet", function()
    local folder = program.folder()
    local old, new = fs.join(folder, "runs/toy/b-old"), fs.join(folder, "runs/toy/a-new")
    assert.equal(0, train(old, "--epochs", "1").code)
    assert.equal(0, train(new, "--epochs", "1").code)
    fs.remove(fs.join(new, "checkpoints/best.safetensors"))
    local result = program.run({"run", toy, "evaluate"}, {directory = folder})
    assert.is_truthy(result.err:find("a-new/checkpoints/latest.safetensors", 1, true), result.err)
  end)

  it("says when nothing is left to do", function()
    local run = fs.join(program.folder(), "r")
    assert.equal(0, train(run, "--epochs", "1").code)
    local result = train(run, "--resume", "auto")
    assert.equal(0, result.code)
    assert.is_truthy(result.err:find("nothing is left to do: 1 epochs are behind", 1, true))
  end)

  it("refuses damaged checkpoints with one line that names the file", function()
    local safetensors = require "luatrain.safetensors"
    local folder = program.folder()
    local run = fs.join(folder, "r")
    assert.equal(0, train(run, "--epochs", "1").code)
    local tensors, metadata = safetensors.load(fs.join(run, "checkpoints/latest.safetensors"))
    local good = metadata.luatrain
    local function changed(pattern, replacement)
      local text, count = good:gsub(pattern, replacement)
      assert.is_true(count > 0, pattern)
      return text
    end
    local path = fs.join(folder, "bad.safetensors")
    for _, text in ipairs {"{", "[]", '{"version":1}', '{"version":1,"facts":3}', '{"facts":{},"version":1}',
      changed('"version":1', '"version":2'), changed('"at":%b{}', '"at":5'),
      changed('"tally":%b{}', '"tally":[1]'),
      changed('"rng":%b{}', '"rng":{"$tensor":"train/gone"}'), changed('"rng":%b{}', '"rng":"x"'),
      changed('"history":%b{}', '"history":{"$pairs":[1]}'),
      changed('"history":%b{}', '"history":{"text":"["}'), changed('"position":%d+', '"position":"x"'),
      changed('"config":{', '"config":{"epochs":"many",')} do
      safetensors.save(path, tensors, {luatrain = text})
      local result = train(fs.join(folder, "new"), "--resume", path, "--epochs", "2")
      local line = program.last_line(result.err)
      assert.is_truthy(result.code == 4 or result.code == 3, line)
      assert.is_truthy(line:find("bad.safetensors", 1, true), line)
      fs.remove_tree(fs.join(folder, "new"))
    end
    fs.write(path, fs.read(fs.join(run, "checkpoints/latest.safetensors")):sub(1, -5))
    local result = train(fs.join(folder, "new"), "--resume", path)
    assert.equal(4, result.code)
    assert.is_truthy(program.last_line(result.err):find("bad.safetensors", 1, true))
  end)

  it("goes on from an older checkpoint where the latest is damaged, and says so", function()
    local run = fs.join(program.folder(), "r")
    assert.equal(0, train(run, "--epochs", "4", "--save-every", "1", "--quiet").code)
    local history = fs.read(fs.join(run, "history.json"))
    local function damage(name)
      local path = fs.join(run, "checkpoints", name .. ".safetensors")
      fs.write(path, fs.read(path):sub(1, -100))
    end
    damage "latest"
    damage "epoch-0004"
    damage "epoch-0003"
    local result = train(run, "--resume", "auto")
    assert.equal(0, result.code, result.err)
    for _, text in ipairs {"passed over: [^\n]*latest.safetensors", "passed over: [^\n]*epoch%-0003",
      "resumed from [^\n]*epoch%-0002.safetensors: epoch 3, step"} do
      assert.is_truthy(result.err:find(text), result.err)
    end
    assert.equal(history, fs.read(fs.join(run, "history.json")))
    for _, name in ipairs {"latest", "epoch-0002", "epoch-0003", "epoch-0004"} do damage(name) end
    result = train(run, "--epochs", "5", "--resume", "auto")
    assert.equal(4, result.code)
    assert.is_truthy(result.err:find "latest.safetensors[^\n]*; none of its 4 checkpoints is whole",
      result.err)
  end)

  it("lets one process train in a directory, and leaves no stale lock", function()
    local run = fs.join(program.folder(), "r")
    local pid = require("luatrain.core").C.lt_getpid()
    fs.mkdir(run)
    local lock = fs.lock(fs.join(run, ".lock"))
    for _, more in ipairs {{}, {"--resume", "auto"}} do
      local result = train(run, unpack(more))
      assert.equal(2, result.code)
      assert.is_truthy(program.last_line(result.err):find(("r: process %d is training"):format(pid), 1, true),
        result.err)
    end
    lock.release()
    local result = program.run({"run", toy, "train", "--run", run, "--no-report", "--pause", "0.2",
      "--checkpoint-steps", "1"}, {with = "%s & pid=$!; sleep 1; kill -KILL $pid; wait $pid"})
    assert.equal(137, result.code)
    assert.is_true(#fs.read(fs.join(run, ".lock")) > 1)
    assert.equal(0, train(run, "--resume", "auto", "--pause", "0").code)
    assert.equal(0, #fs.read(fs.join(run, ".lock")))
  end)

  it("gives two runs started at once a directory each", function()
    local folder = program.folder()
    local one = ("%s run %s train --epochs 1 --no-report --quiet"):format(program.path, toy)
    local result = program.run({"run", toy, "train", "--epochs", "1", "--no-report", "--quiet"},
      {directory = folder, with = one .. " & " .. one .. " & %s; wait"})
    assert.equal(0, result.code, result.err)
    local made = fs.list(fs.join(folder, "runs/toy"))
    assert.equal(3, #made)
    for _, name in ipairs(made) do
      assert.is_true(fs.is_file(fs.join(folder, "runs/toy", name, "checkpoints/latest.safetensors")), name)
    end
  end)

  it("stops a diverged run with its cause, and keeps the checkpoint from before", function()
    local folder = program.folder()
    local result = train(fs.join(folder, "a"), "--bad-log")
    assert.equal(7, result.code)
    local line = program.last_line(result.err)
    for _, text in ipairs {"the loss is nan at step 1", "ln", "log above 0", "latest.safetensors"} do
      assert.is_truthy(line:find(text, 1, true), line)
    end
    assert.is_true(fs.is_file(fs.join(folder, "a/checkpoints/latest.safetensors")))
    result = train(fs.join(folder, "b"), "--nan-at", "7", "--checkpoint-steps", "1")
    assert.equal(7, result.code)
    line = program.last_line(result.err)
    assert.is_truthy(line:find("sample 7", 1, true), line)
    assert.is_truthy(line:find("'x' of these samples holds NaN or Inf", 1, true), line)
    local saved = require("luatrain.safetensors").load(fs.join(folder, "b/checkpoints/latest.safetensors"))
    for name, t in pairs(saved) do
      for _, value in ipairs(t:flat()) do assert.is_true(value == value, name) end
    end
  end)

  it("refuses to keep the best of a metric that there is not", function()
    local trainer = fit({epochs = 1}, {keep = {best = "val_acuracy", mode = "max"}, step = function(m, b)
      return lt.mse_loss(m(b.x), b.y), {accuracy = 50}
    end})
    local ok, e = pcall(trainer.train, trainer)
    assert.is_false(ok)
    assert.equal(3, failure.of(e).code)
    assert.is_truthy(tostring(e):find("'val_acuracy'.*train_accuracy, .*did you mean val_accuracy"),
      tostring(e))
  end)

  it("passes over damaged samples and lists them; too many are an error", function()
    local folder = program.folder()
    local result = train(fs.join(folder, "a"), "--broken", "2")
    assert.equal(0, result.code, result.err)
    local list = json.load(fs.join(folder, "a/damaged.json"))
    assert.equal(2, #list)
    assert.is_truthy(list[1].id:find "^sample [12]$")
    assert.equal("cannot be read", list[1].text)
    result = train(fs.join(folder, "b"), "--broken", "9", "--workers", "1")
    assert.equal(4, result.code)
    assert.is_truthy(program.last_line(result.err):find("of 50 samples are damaged", 1, true))
  end)

  it("finishes the step, saves and says so when interrupted", function()
    local folder = program.folder()
    local whole = fs.join(folder, "whole")
    assert.equal(0, train(whole, "--epochs", "3", "--quiet").code)
    for signal, code in pairs {INT = 130, TERM = 143, USR1 = 75} do
      local run = fs.join(folder, signal)
      local result = program.run({"run", toy, "train", "--run", run, "--no-report", "--epochs", "3",
        "--pause", "0.05"}, {with = "%s & pid=$!; sleep 0.4; kill -" .. signal .. " $pid; wait $pid"})
      assert.equal(code, result.code, result.err)
      local line = program.last_line(result.err)
      assert.is_truthy(line:find("stopped by SIG" .. signal .. " after step %d+, saved"), line)
      assert.is_true(fs.is_file(fs.join(run, "checkpoints/latest.safetensors")))
      assert.equal(0, train(run, "--resume", "auto", "--quiet", "--pause", "0").code)
      assert.equal(fs.read(fs.join(whole, "history.json")), fs.read(fs.join(run, "history.json")))
    end
  end)

  it("ends at once at the second signal, and can be resumed", function()
    local run = fs.join(program.folder(), "r")
    local saved = fs.join(run, "checkpoints/latest.safetensors")
    -- both come while the second step waits; if the first alone counted, it would end with 143 after it
    local result = program.run({"run", toy, "train", "--run", run, "--no-report", "--pause", "2",
      "--checkpoint-steps", "1"}, {with = "%s & pid=$!; while [ ! -f " .. saved .. " ]; do sleep 0.02; done; "
      .. "sleep 0.5; kill -TERM $pid; sleep 0.1; kill -INT $pid; wait $pid"})
    assert.equal(130, result.code)
    assert.equal(0, train(run, "--resume", "auto", "--quiet", "--pause", "0").code)
  end)

  local on_terminal = require("luatrain.process").which "script" and it or pending
  on_terminal("draws a bar with rate, remaining time and loss on a terminal", function()
    local run = fs.join(program.folder(), "r")
    local result = program.run({"run", toy, "train", "--run", run, "--no-report", "--pause", "0.03"},
      {with = "script -qec \"%s\" /dev/null"})
    local shown = result.out .. result.err
    if shown:find "pseudo%-terminal" then return pending "this machine gives no pseudo-terminal" end
    assert.is_truthy(shown:find "\repoch 1/2 %[=* *%] %d+/7 [%d.]+ it/s ETA %d%d:%d%d loss [%d.]+ lr", shown)
    assert.is_truthy(shown:find "epoch 2/2, 00:0%d.*: train_loss")
  end)

  it("ends with code 5 and the old checkpoint when the disk is full", function()
    local folder = program.folder()
    local run = fs.join(folder, "r")
    assert.equal(0, train(run, "--epochs", "1").code)
    local before = fs.read(fs.join(run, "checkpoints/latest.safetensors"))
    local failed = 0
    for n = 1, 12 do
      local result = program.run({"run", toy, "train", "--run", run, "--resume", "auto", "--epochs", "2",
        "--no-report", "--quiet"}, {env = {LT_FAULT = ("write:%d+:ENOSPC"):format(n)}})
      if result.code ~= 0 then
        failed = failed + 1
        assert.equal(5, result.code, result.err)
        local line = program.last_line(result.err)
        assert.is_truthy(line:find("No space left on device", 1, true), line)
        assert.equal(before, fs.read(fs.join(run, "checkpoints/latest.safetensors")))
      end
    end
    assert.is_true(failed >= 3)
    assert.equal(0, train(run, "--resume", "auto", "--epochs", "2").code)
  end)
end)
