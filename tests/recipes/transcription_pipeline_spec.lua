-- The transcription recipe's pipeline: all of it in one command, gone on with, from a file of settings.

local fs, process = lt.fs, lt.process

local folder = fs.temporary_directory()
local program = require("ffi").string(require("luatrain.core").C.lt_program_path())

local SMALL = { "--samples", "8", "--epochs", "2", "--max-duration", "6", "--rows", "64", "--batch-size", "2",
  "--epoch-windows", "6", "--frames.channels", "4", "--frames.front", "4,4", "--frames.hidden", "4",
  "--name", "one", "--rolls", "1", "--onset-threshold", "0.02", "--frame-threshold", "0.001" }

local function command(...)
  local words = { ... }
  for _, word in ipairs(SMALL) do words[#words + 1] = word end
  return words
end

local function run_in(place, ...)
  return process.run(command(...), { timeout = 300, directory = place })
end

local function run(...) return run_in(folder, program, "run", "transcription", ...) end

local function there(...) return fs.is_file(fs.join(folder, ...)) end

teardown(function() fs.remove_tree(folder) end)

describe("the pipeline", function()
  it("makes data, trains, evaluates and reports, and goes on where it was", function()
    local result = run("pipeline", "--epochs", "1", "--no-eval")
    assert.equal(0, result.code, result.output)
    assert.is_true(there "data/datasets/one/train_manifest.json")
    assert.is_true(there "runs/transcription/one/checkpoints/latest.safetensors")
    assert.is_false(there "runs/transcription/one/results/index.html")
    result = run("pipeline")                                           -- SMALL comes last: two epochs
    assert.equal(0, result.code, result.output)
    assert.match("training goes on", result.output)
    for _, path in ipairs { "reports/evaluation_report.json", "reports/evaluation_report.csv",
      "index.html" } do
      assert.is_true(there("runs/transcription/one/results", path), path)
    end
    local report = lt.json.load(fs.join(folder,
      "runs/transcription/one/results/reports/evaluation_report.json"))
    assert.is_table(report)
    result = run("pipeline")
    assert.equal(0, result.code, result.output)
    assert.match("nothing is left to do", result.output)
  end)

  -- What a folder holds when all is done: the weights' bits, the history, what was found, the scores.
  local function outcome(base)
    local output, found = fs.join(base, "runs/transcription/one"), {}
    for name, t in pairs((lt.safetensors.load(fs.join(output, "checkpoints/best.safetensors")))) do
      for k, value in ipairs(t:flat()) do found[name .. k] = ("%a"):format(value) end
    end
    found.history = fs.read(fs.join(output, "history.json"))
    found.report = fs.read(fs.join(output, "results/reports/evaluation_report.csv"))
      :gsub(",[^,]*,generated", ",generated")             -- how long it took to transcribe
    for _, path in ipairs(fs.find(fs.join(output, "results/midi"), "%.mid$")) do
      found[fs.basename(path)] = fs.read(path)
    end
    return found
  end

  it("ends with the same results however often it is killed", function()
    local kills, seconds, result = 0, 0.25
    local whole, killed = fs.mkdir(fs.join(folder, "whole")), fs.mkdir(fs.join(folder, "killed"))
    assert.is_true(run_in(whole, program, "run", "transcription", "pipeline").ok)
    repeat                                             -- each time it gets a little further
      result = run_in(killed, "timeout", "-s", "KILL", ("%.2f"):format(seconds), program, "run",
        "transcription", "pipeline")
      if not result.ok then kills, seconds = kills + 1, seconds * 1.25 end
    until result.ok or kills == 40
    assert.is_true(result.ok, result.output)
    assert.is_true(kills >= 4, tostring(kills))
    local wanted, found = outcome(whole), outcome(killed)
    for name, value in pairs(wanted) do assert.equal(value, found[name], name) end
  end)

  it("only evaluates, another checkpoint too", function()
    local result = run("pipeline", "--eval-only", "--no-viz", "--model-path", "runs/transcription/one",
      "--output-dir", "elsewhere")
    assert.equal(0, result.code, result.output)
    assert.is_true(there "elsewhere/results/index.html")
    assert.is_false(there "elsewhere/results/visualizations/evaluation_dashboard.png")
    result = run("pipeline", "--no-eval", "--model-path", "runs/transcription/one")
    assert.equal(2, result.code)
    assert.match("%-%-no%-eval", result.output)
  end)

  it("takes the documents' files of settings, and names a key that nobody knows", function()
    local path = fs.join(folder, "my.yaml")
    fs.write(path, "dataset:\n  samples: 5\n  complexity: simple\n  key_signatures: [C, G]\nmodel:\n"
      .. "  freeze_encoder: true\n  hidden_size: 64\ntraining:\n  num_epochs: 3\n"
      .. "  use_mixed_precision: true\n"
      .. "evaluation:\n  enabled: true\n  onset_tolerance: 0.1\n  visualizations:\n    enabled: false\n")
    local result = process.run({ program, "run", "transcription", "pipeline", "--config", path, "--name",
      "two", "--epochs", "0", "--no-eval", "--no-synthesize-audio" }, { timeout = 300, directory = folder })
    assert.match("5 pieces composed", result.output)
    fs.write(path, "training:\n  num_epoch: 3\n")
    result = run("pipeline", "--config", path)
    assert.equal(3, result.code)
    assert.match("unknown setting 'training.num_epoch'", result.output)
  end)
end)
