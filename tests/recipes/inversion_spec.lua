-- The inversion recipe: its parts against PyTorch, its commands end to end on tiny data, and bad input.
local fs, process = lt.fs, lt.process
local harness = require "ops_harness"
local hdf5 = require "luatrain.data.hdf5"

local recipe = lt.recipe "inversion"
local objective, space = require "inversion_loss", require "inversion_space"
local data, weights = require "inversion_data", require "inversion_weights"
local InversionModel = require "inversion_model"

local folder = fs.temporary_directory()
local program = require("ffi").string(require("luatrain.core").C.lt_program_path())
local golden = lt.keep(lt.safetensors.load "tests/golden/inversion.safetensors")

local function run(...)
  return process.run({ program, "run", "inversion", ... }, { timeout = 300 })
end

local function path(...) return fs.join(folder, ...) end

-- Runs a command that must succeed; returns its output.
local function good(...)
  local result = run(...)
  assert.equal(0, result.code, result.output)
  return result.output
end

-- Runs a command that must end with this exit code and a message with these words.
local function bad(code, words, ...)
  local result = run(...)
  assert.equal(code, result.code, result.output)
  assert.is_truthy(result.output:find(words, 1, true), result.output)
  assert.is_nil(result.output:find("stack traceback", 1, true))
end

teardown(function() fs.remove_tree(folder) end)

-- ---- against PyTorch ----------------------------------------------------------------------------

-- make_nn.py's noise: the same numbers in both languages.
local function noise(count, k)
  local values = require("ffi").new("double[?]", count)
  for i = 0, count - 1 do
    local t = math.sin(i * 12.9898 + k * 78.233) * 43758.5453
    values[i] = 2 * (t - math.floor(t)) - 1
  end
  return values
end

local function fill(t, k, scale, offset)
  local values = noise(t:numel(), k)
  for i = 0, t:numel() - 1 do values[i] = offset + scale * values[i] end
  assert(lt.core.C.lt_tensor_from_doubles(t.c, values) == 0)
end

describe("ResNet-18", function()
  it("gives torchvision's logits", function()
    local model = lt.nn.resnet18()
    local state, names = model:state_dict()
    table.sort(names)
    for k, name in ipairs(names) do
      local t = state[name]
      if t:dim() > 1 then
        fill(t, k, math.sqrt(3 * t:size(1) / t:numel()), 0)
      elseif name:find "weight$" or name:find "running_var$" then
        fill(t, k, 0.3, 1)
      elseif not name:find "num_batches_tracked$" then
        fill(t, k, 0.2, 0)
      end
    end
    local x = lt.empty { 2, 3, 96, 80 }
    fill(x, 0, 1, 0)
    local y = lt.no_grad(function() return model:eval()(x) end)
    local worst = (y - golden["resnet18.logits"]):abs():max():item()
    assert.is_true(worst < 1e-4, ("logits differ by %g"):format(worst))
  end)
end)

local function example()
  return space.from_facts {
    synthesizer = "test", sample_rate = 8000, seconds = 1, notes = { 60 },
    continuous = { names = { "a", "b", "c", "d", "e", "f" }, groups = { "x", "x", "y", "y", "z", "z" },
      learnable = { 1, 1, 1, 0, 1, 1 }, switches = { "", "on", "inner", "", "on", "" } },
    categorical = { names = { "on", "shape", "inner", "rest" }, groups = { "x", "x", "x", "x" },
      learnable = { 1, 1, 1, 0 }, switches = { "", "on", "on", "" },
      options = { { "off", "on" }, { "1", "2", "3", "4" }, { "off", "b", "c" }, { "p", "q" } } },
  }
end

describe("the loss", function()
  local batch = { continuous = golden["loss.wanted"], categorical = golden["loss.classes"] }

  local function leaves()
    local found, scores = golden["loss.found"]:clone():set_requires_grad(), {}
    for j = 1, 4 do scores[j] = golden["loss.scores" .. j]:clone():set_requires_grad() end
    return found, scores
  end

  it("and its gradients are those of PyTorch, entry by entry", function()
    local goal = objective.new(example(), golden["loss.importance"], true)
    local found, scores = leaves()
    local c, k = objective.parts(goal, found, scores, batch)
    harness.close(lt.stack({ c, k }, 1):detach(), golden["loss.parts"], 1e-5, "parts")
    local total = c + k * 0.5
    total:backward()
    harness.close(found.grad, golden["loss.dfound"], 1e-5, "found")
    for j = 1, 3 do harness.close(scores[j].grad, golden["loss.dscores" .. j], 1e-5, "scores " .. j) end
    assert.is_nil(scores[4].grad)
  end)

  it("counts everything without the mask", function()
    local goal = objective.new(example(), golden["loss.importance"], false)
    local c, k = objective.parts(goal, golden["loss.found"], (select(2, leaves())), batch)
    harness.close(lt.stack({ c, k }, 1):detach(), golden["loss.unmasked"], 1e-5, "parts")
  end)

  it("of a batch is the mean of its parts: accumulation changes nothing", function()
    local goal = objective.new(example(), nil, true)
    local found, scores = leaves()
    local function part(first, count)
      local some = {}
      for j = 1, 4 do some[j] = scores[j]:narrow(1, first, count) end
      local c, k = objective.parts(goal, found:narrow(1, first, count), some, {
        continuous = batch.continuous:narrow(1, first, count),
        categorical = batch.categorical:narrow(1, first, count):contiguous() })
      return (c + k):item()
    end
    assert.near(part(1, 6), (part(1, 4) * 4 + part(5, 2) * 2) / 6, 1e-6)
  end)

  it("reports errors of groups and accuracies of what is heard", function()
    local goal = objective.new(example(), nil, true)
    local found, scores = golden["loss.found"], (select(2, leaves()))
    local _, _, mask, gates = objective.parts(goal, found, scores, batch)
    local metrics = objective.measure(goal, found, scores, batch, mask, gates, {})
    local d = (found - batch.continuous):tolist()
    local heard = mask:tolist()
    local sum, n = 0, 0
    for i = 1, 6 do
      for _, j in ipairs { 1, 2 } do sum, n = sum + d[i][j] ^ 2 * heard[i][j], n + heard[i][j] end
    end
    assert.near(sum / n, metrics.mse_x[1], 1e-6)
    assert.equal(n, metrics.mse_x[2])
    assert.is_nil(metrics.acc_rest)
    assert.is_true(metrics.acc_shape[2] < 6)
  end)
end)

describe("importance weights", function()
  it("have the mean 1 over what is heard, within their limits", function()
    local w = weights.from_sums({ 4, 1, 0, 100 }, { 1, 1, 0, 1 }, { power = 0.5, floor = 0.2, ceiling = 2 })
    assert.near(3, w[1] + w[2] + w[4], 1e-9)
    assert.equal(0, w[3])
    assert.is_true(w[4] > w[1] and w[1] > w[2])
  end)
end)

describe("the model", function()
  it("has torchvision's names, and no tape or gradient below layer3 where it is frozen", function()
    local model = InversionModel(5, { 2, 3 }, { simple = false, dropout = 0, rows = 64, frames = 48 })
    model:freeze_prefix()
    model:train()
    local state = model:state_dict()
    for _, name in ipairs { "backbone.conv1.weight", "backbone.layer4.1.bn2.running_var",
      "continuous_head.6.weight", "categorical_heads.1.3.bias" } do
      assert.is_truthy(state[name], name)
    end
    assert.is_nil(state["backbone.fc.weight"])
    local before = state["backbone.layer2.1.bn2.running_mean"]:clone()
    local found, scores = model(lt.randn(3, 1, 64, 48))
    assert.same({ 3, 5 }, found:size())
    assert.same({ 3, 3 }, scores[2]:size())
    local loss = found:sum() + scores[1]:sum() + scores[2]:sum()
    loss:backward()
    for _, entry in ipairs(model.backbone:named_parameters()) do
      local frozen = entry[1]:find "^conv1" or entry[1]:find "^bn1" or entry[1]:find "^layer[12]"
      assert.equal(not frozen, entry[2].grad ~= nil, entry[1])
    end
    harness.close(state["backbone.layer2.1.bn2.running_mean"], before, 0, "statistics")
  end)

  it("takes torchvision's weights and averages the colours", function()
    local file = path "resnet.safetensors"
    local theirs = lt.nn.resnet18()
    theirs:save(file)
    local model = InversionModel(5, { 2 }, { simple = true, dropout = 0 })
    model:load_pretrained(file)
    harness.close(model.backbone.conv1.weight:detach(), theirs.conv1.weight:detach():mean(2, true), 1e-6,
      "conv1")
    harness.close(model.backbone.layer4[2].conv2.weight:detach(), theirs.layer4[2].conv2.weight:detach(), 0,
      "layer4")
    lt.safetensors.save(path "other.safetensors", { a = lt.zeros { 2 } })
    assert.error_matches(function() model:load_pretrained(path "other.safetensors") end, "no ResNet%-18")
  end)
end)

-- ---- the commands -------------------------------------------------------------------------------

local SHORT = { "--seconds", "0.4", "--gate", "0.3" }
local file = path "tiny.h5"

local function render(out, presets, ...)
  return good("render", "--presets", tostring(presets), "--out", out, SHORT[1], SHORT[2], SHORT[3],
    SHORT[4], ...)
end

local checkpoint = path("run", "checkpoints", "best.safetensors")

describe("the commands", function()
  it("render, weigh, precompute and train", function()
    render(file, 14)
    bad(4, "precompute-mels -d", "train", "-d", file, "--run", path "none")
    good("compute-weights", "-d", file, "--presets", "3")
    good("precompute-mels", "-d", file)
    assert.is_truthy(good("precompute-mels", "-d", file):find("there already", 1, true))
    local f = hdf5.open(file)
    assert.same({ 42, 1, 128, 35 }, f:dataset("features/mel_spectrogram").shape)
    assert.same({ 1, 1, 128, 35 }, f:dataset("features/mel_spectrogram").chunk)
    local audio = f:dataset("audio"):rows { 5 }
    local want = lt.audio.log_mel(audio, { sample_rate = 44100, n_fft = 2048, hop = 512, n_mels = 128,
      fmin = 20,
      fmax = 16000 })
    harness.close(f:dataset("features/mel_spectrogram"):rows({ 5 })[1], want, 1e-5, "picture")
    f:close()
    local output = good("train", "-d", file, "--epochs", "2", "--batch-size", "16", "--lr", "1e-4",
      "--device",
      "cpu", "--warmup-epochs", "1", "--early-stopping-patience", "10", "--log-audio-every", "2",
      "--gradient-accumulation-steps", "2", "--no-simple-cat-heads", "--profile", "--run", path "run")
    assert.is_truthy(output:find("waiting for data", 1, true))
    assert.is_truthy(output:find("conv_backward", 1, true))
  end)

  it("leave metrics under their names, sounds and a split without a preset on both sides", function()
    local history = lt.json.load(path("run", "history.json"))
    for _, name in ipairs { "train/loss", "train/cont_loss", "train/cat_loss", "val/loss", "val/cont_loss",
      "val/cat_loss", "val/mse_env_1", "val/acc_osc_1_wave", "lr", "best_val_loss" } do
      assert.equal(2, history[name] and #history[name], name)
    end
    assert.equal(math.min(unpack(history["val/loss"])), history.best_val_loss[2])
    local split = lt.json.load(path("run", "split.json"))
    local seen = {}
    for _, hash in ipairs(split.train) do seen[hash] = true end
    for _, hash in ipairs(split.valid) do assert.is_nil(seen[hash]) end
    assert.equal(14, #split.train + #split.valid)
    local sounds = table.concat(fs.list(path("run", "audio")), " ")
    assert.is_truthy(sounds:find "predicted_1%-%d+%.wav" and sounds:find "target_2%-%d+%.wav", sounds)
    assert.is_true(fs.is_file(path("run", "report", "evaluation", "index.html")))
    local events = ""
    for _, name in ipairs(fs.list(path "run")) do
      if name:find "tfevents" then events = events .. fs.read(path("run", name)) end
    end
    for _, tag in ipairs { "train/loss", "val/acc_osc_1_wave", "audio/predicted_1", "best_val_loss",
      "_hparams_/session_start_info", "weights/" } do
      assert.is_truthy(events:find(tag, 1, true), tag)
    end
  end)

  it("go on from the best checkpoint, and only with its data", function()
    local output = good("train", "-d", file, "--epochs", "3", "--resume", checkpoint, "--no-report")
    assert.is_truthy(output:find("resumed from", 1, true))
    local history = lt.json.load(path("run", "history.json"))
    assert.equal(3, #history["val/loss"])
    render(path "twin.h5", 14, "--seed", "2")
    good("precompute-mels", "-d", path "twin.h5")
    bad(4, "another data set", "train", "-d", path "twin.h5", "--epochs", "4", "--resume", checkpoint)
  end)

  it("evaluate a checkpoint, also on other data of the same synthesizer", function()
    local output = good("evaluate", "-c", checkpoint, "-d", file, "--n-samples", "2", "--search", "40",
      "--out",
      path "found")
    assert.is_truthy(output:find("mean predictor", 1, true) and output:find("random preset", 1, true))
    local found = lt.json.load(path("found", "metrics.json"))
    assert.equal(2, #found.audio.sounds)
    assert.is_true(found.continuous.mse > 0 and found.continuous.mean_predictor > 0)
    assert.is_true(found.audio.means.random_preset.multiscale > 0)
    assert.is_true(found.audio.means.matched.multiscale < found.audio.means.predicted.multiscale)
    for _, name in ipairs { "target_2.wav", "predicted_2.wav", "matched_2.wav", "mel_2.png" } do
      assert.is_true(fs.is_file(path("found", name)), name)
    end
    assert.is_truthy(good("evaluate", "-c", checkpoint, "-d", path "twin.h5", "--n-samples", "0", "--out",
      path "twin"):find("not the data of training", 1, true))
  end)

  it("match a sound with nothing but the checkpoint", function()
    local out, sound = path "preset.json", path "matched.wav"
    local function match(renderings)
      good("match", path("found", "target_1.wav"), "-c", checkpoint, "--out", out, "--render", sound,
        "--search", renderings)
      return lt.json.load(out)
    end
    local plain, preset = match "0", match "60"
    assert.is_true(preset.multiscale_spectral_distance < plain.multiscale_spectral_distance)
    assert.same(preset, match "60")
    assert.equal("builtin", preset.synthesizer)
    assert.is_string(preset.values.osc_1_wave)
    assert.is_true(preset.positions.filter_1_cutoff >= 0 and preset.positions.filter_1_cutoff <= 1)
    assert.equal(44100, (select(2, lt.audio.load(sound))))
    lt.audio.save(path "silence.wav", lt.zeros { 4000 }, 22050)
    bad(4, "only silence", "match", path "silence.wav", "-c", checkpoint, "--out", path "none.json")
    bad(5, "nothing.wav", "match", path "nothing.wav", "-c", checkpoint)
    assert.is_false(fs.exists(path "none.json"))
  end)
end)

describe("without the synthesizer", function()
  it("all but sounds goes on, and says so", function()
    local lost, run_path = path "lost.h5", path "lost"
    fs.write(lost, fs.read(file))
    hdf5.extend(lost, function(w) w:attributes("/", { synthesizer = "lv2:urn:nobody:has-this" }) end)
    local output = good("train", "-d", lost, "--epochs", "1", "--log-audio-every", "1", "--no-report",
      "--freeze", "yes", "--run", run_path)
    assert.is_truthy(output:find("no sounds are logged: ", 1, true), output)
    output = good("evaluate", "-c", run_path, "-d", lost, "--n-samples", "1", "--out", path "lost_report")
    assert.is_truthy(output:find("no sounds are compared: ", 1, true), output)
    assert.is_truthy(output:find("mean predictor", 1, true))
    output = good("match", path("found", "target_1.wav"), "-c", run_path, "--out", path "lost.json")
    assert.is_truthy(output:find("positions from 0 to 1 only", 1, true), output)
    assert.is_nil(lt.json.load(path "lost.json").values)
    bad(6, "--render: ", "match", path("found", "target_1.wav"), "-c", run_path, "--render", path "lost.wav")
    bad(6, "compute-weights renders", "compute-weights", "-d", lost)
  end)
end)

describe("data without categorical parameters", function()
  it("are learnt from as well", function()
    local about = space.from_attributes({ synthesizer = "gone", sample_rate = 8000, seconds = 1, notes = 60,
      continuous_names = { "a", "b" }, continuous_groups = { "x", "x" }, continuous_learnable = { 1, 0 },
      continuous_switches = { "", "" }, continuous_minimum = { 0, 0 }, continuous_maximum = { 1, 1 } },
      { 2, 0 }, "test")
    local goal = objective.new(about, nil, true)
    local batch = { continuous = lt.zeros { 4, 2 }, categorical = lt.zeros({ 4, 0 }, "i64") }
    local c, k = objective.parts(goal, lt.ones { 4, 2 } * 0.5, {}, batch)
    assert.near(0.25, c:item(), 1e-6)
    assert.equal(0, k:item())
  end)
end)

-- ---- killed and damaged -------------------------------------------------------------------------

-- A copy of the tiny file, changed by f(w); data sets are copied as they are.
local function changed(name, f)
  local to = path(name)
  fs.write(to, fs.read(file))
  hdf5.extend(to, f)
  return to
end

describe("precompute-mels", function()
  it("killed at 20 random instants ends with the file of a run that was not", function()
    local whole, other = path "whole.h5", path "killed.h5"
    render(whole, 8)
    fs.write(other, fs.read(whole))
    local started = lt.time()
    good("precompute-mels", "-d", whole)
    local seconds, kills = lt.time() - started, 0
    math.randomseed(7)
    for _ = 1, 20 do
      local result = process.run({ program, "run", "inversion", "precompute-mels", "-d", other },
        { timeout = math.max(0.01, math.random() * seconds) })
      if result.state == "timeout" then kills = kills + 1 end
    end
    good("precompute-mels", "-d", other)
    assert.is_true(kills > 0)
    assert.is_true(fs.read(whole) == fs.read(other), "the files differ")
    assert.is_false(fs.exists(other .. ".mels"))
  end)
end)

describe("bad input", function()
  it("names the file and what is wrong with it", function()
    bad(4, "no such file", "train", "-d", path "missing.h5", "--run", path "x")
    bad(5, "missing.safetensors", "train", "-d", file, "--pretrained", path "missing.safetensors", "--run",
      path "x")
    fs.write(path "text.h5", "not HDF5")
    bad(4, path "text.h5", "train", "-d", path "text.h5", "--run", path "x")
    fs.write(path "short.h5", fs.read(file):sub(1, 100000))
    bad(4, path "short.h5", "train", "-d", path "short.h5", "--run", path "x")
  end)

  it("is found in a chunk, which is named, and nothing is lost", function()
    local torn = path "torn.h5"
    render(torn, 8)
    local text = fs.read(torn)
    local middle = math.floor(#text / 2)                             -- within the compressed audio
    local damaged = text:sub(1, middle) .. ("\90"):rep(64) .. text:sub(middle + 65)
    fs.write(torn, damaged)
    bad(4, torn .. ": data set 'audio', chunk 1 of 1", "precompute-mels", "-d", torn)
    assert.is_true(fs.read(torn) == damaged)
  end)

  it("is found in shapes, attributes and missing parts", function()
    hdf5.write(path "bare.h5", function(w) w:tensor("audio", lt.zeros { 2, 10 }) end)
    bad(4, "'params/continuous'", "train", "-d", path "bare.h5", "--run", path "x")
    hdf5.write(path "bare.h5", function(w)
      w:tensor("params/continuous", lt.zeros { 2, 3 })
      w:tensor("params/categorical", lt.zeros({ 2, 1 }, "i64"))
    end)
    bad(4, "attribute 'continuous_names'", "train", "-d", path "bare.h5", "--run", path "x")
    local short = changed("names.h5", function(w) w:attributes("/", { continuous_names = { "a", "b" } }) end)
    bad(4, "there are 2 parameters", "train", "-d", short, "--run", path "x")
    local switch = changed("switch.h5", function(w)
      local f = hdf5.open(file)
      local list = f:attributes("/").continuous_switches
      f:close()
      list[1] = "nowhere"
      w:attributes("/", { continuous_switches = list })
    end)
    bad(4, "switch 'nowhere'", "train", "-d", switch, "--run", path "x")
    local wide = changed("wide.h5", function(w)
      w:tensor("params/categorical", lt.zeros({ 42, 2 }, "i64"), { replace = true })
    end)
    bad(4, "'params/categorical'", "train", "-d", wide, "--run", path "x")
    local weight = changed("weight.h5", function(w)
      w:tensor("importance/continuous", lt.ones { 3 }, { replace = true })
    end)
    bad(4, "'importance/continuous' is (3)", "train", "-d", weight, "--run", path "x")
  end)

  it("is a checkpoint of something else", function()
    bad(4, "neither a checkpoint", "match", path("found", "target_1.wav"), "-c", path "none.safetensors")
    lt.safetensors.save(path "bare.safetensors", { a = lt.zeros { 2 } })
    bad(4, "no checkpoint of the inversion recipe", "match", path("found", "target_1.wav"), "-c",
      path "bare.safetensors")
    local other = changed("other.h5", function(w)
      local f = hdf5.open(file)
      local names = f:attributes("/").continuous_names
      f:close()
      names[3] = "renamed"
      w:attributes("/", { continuous_names = names })
    end)
    bad(4, "another data set", "evaluate", "-c", checkpoint, "-d", other)
  end)
end)

describe("settings", function()
  it("are those of the help", function()
    local help = good("train", "--help")
    for _, words in ipairs { "-d, --data", "also --lr", "also --early-stopping-patience",
      "--no-simple-cat-heads",
      "--conditional-loss-mask" } do
      assert.is_truthy(help:find(words, 1, true), words)
    end
    assert.equal(0.15, recipe.config.val_fraction)
    assert.is_truthy(good("evaluate", "--help"):find("-c, --checkpoint", 1, true))
    assert.is_function(data.open)
  end)
end)
