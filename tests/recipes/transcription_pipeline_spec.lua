-- The transcription recipe's pipeline: all of it in one command, gone on with, from a file of settings.

local fs, process = lt.fs, lt.process

local folder = fs.temporary_directory()
local program = require("ffi").string(require("luatrain.core").C.lt_program_path())

local SMALL = { "--samples", "8", "--epochs", "2", "--max-duration", "6", "--rows", "64", "--batch-size", "2",
  "--epoch-windows", "6", "--frames.channels", "4", "--frames.front", "4,4", "--frames.hidden", "4",
    "--name", "one",
  "--rolls", "1", "--onset-threshold", "0.02", "--frame-threshold", "0.001" }

local function run(...)
  local words = { program, "run", "transcription", ... }
  for _, word in ipairs(SMALL) do words[#words + 1] = word end
  return process.run(words, { timeout = 300, directory = folder })
end

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

  it("only evaluates, another checkpoint too", function()
    local result = run("pipeline", "--eval-only", "--no-viz", "--model-path", "runs/transcription/one",
      "--output-dir",
      "elsewhere")
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
