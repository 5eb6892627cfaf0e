-- What users get wrong, and what recordings may be: one clear line each, nothing lost.

local fs, process = lt.fs, lt.process

lt.recipe "transcription"
local manifest, notes = require "transcription_manifest", require "transcription_notes"

local folder = fs.temporary_directory()
local program = require("ffi").string(require("luatrain.core").C.lt_program_path())
local midi, data, none = fs.join(folder, "midi"), fs.join(folder, "data"), fs.join(folder, "none.mid")
local runs = { frames = fs.join(folder, "frames"), tokens = fs.join(folder, "tokens"),
  both = fs.join(folder, "both") }

local FRAMES = { "--rows", "48", "--batch-size", "2", "--frames.channels", "8", "--frames.front", "4,4",
  "--frames.hidden", "4", "--valid-windows", "2", "--epoch-windows", "2" }
local TOKENS = { "--head", "tokens", "--hidden-size", "16", "--num-decoder-layers", "1",
  "--num-attention-heads", "2", "--intermediate-size", "16", "--max-tokens", "24", "--window", "1",
  "--batch-size", "2", "--steps", "1" }

local function run(...)
  return process.run({ program, "run", "transcription", ... }, { timeout = 300 })
end

local function with(list, ...)
  local all = { ... }
  for _, word in ipairs(list) do all[#all + 1] = word end
  return unpack(all)
end

-- Fails with a code of its own and one line that holds `text`, and no traceback.
local function refused(text, ...)
  local result = run(...)
  assert.is_true(result.code ~= 0, result.output)
  local last = result.output:match "([^\n]*)\n?$"
  assert.is_truthy(last:find(text, 1, true), result.output)
  assert.is_truthy(last:find "^luatrain: ", result.output)
  assert.is_nil(result.output:match "traceback", result.output)
end

local function sound(name, rate, x)
  local path = fs.join(folder, name)
  lt.audio.save(path, x, rate)
  return path
end

setup(function()
  fs.mkdir(midi)
  for i = 1, 3 do
    local list = {}
    for k = 0, 9 do
      list[k + 1] = { start = 0.2 * k + 0.1, stop = 0.2 * k + 0.25, pitch = 55 + k + i, velocity = 80 }
    end
    notes.write_midi(fs.join(midi, ("p%d.mid"):format(i)), list)
  end
  lt.midi.write(none, { notes = {} })
  local result = run("prepare", "--midi", midi, "--out", data, "--val-share", "0.34", "--test-share", "0.34")
  assert.equal(0, result.code, result.output)
  result = run("train", "--data", data, "--run", runs.frames, "--epochs", "1", unpack(FRAMES))
  assert.equal(0, result.code, result.output)
  result = run("train", "--data", data, "--run", runs.tokens, unpack(TOKENS))
  assert.equal(0, result.code, result.output)
  local given = { "--encoder", "frames", "--frames-checkpoint", runs.frames, "--frames.channels", "8",
    "--frames.front", "4,4", "--frames.hidden", "4", "--freeze-encoder", unpack(TOKENS) }
  result = run("train", "--data", data, "--run", runs.both, unpack(given))
  assert.equal(0, result.code, result.output)
end)

teardown(function() fs.remove_tree(folder) end)

describe("a recording", function()
  -- Both heads write a MIDI file that can be read, and JSON whose notes are a list.
  local function transcribes(path, ...)
    for head, checkpoint in pairs(runs) do
      local to, json = fs.join(folder, head .. ".mid"), fs.join(folder, head .. ".json")
      local result = run("transcribe", path, "--checkpoint", checkpoint, "--midi", to, "--output", json, ...)
      assert.equal(0, result.code, result.output)
      local found = lt.json.load(json)
      assert.equal(#lt.midi.read(to).notes, found.num_notes)
      assert.equal(found.num_notes, #found.notes)
      assert.is_truthy(fs.read(json):find '"notes": %[', fs.read(json))
    end
  end

  it("may be shorter than a window, or a single sample", function()
    transcribes(sound("short.wav", 16000, lt.randn(1, 1600) * 0.1))
    transcribes(sound("sample.wav", 44100, lt.zeros(1, 1)))
  end)

  it("may be silent", function()
    transcribes(sound("silence.wav", 16000, lt.zeros(1, 40000)))
  end)

  it("may have eight channels at 96 kHz", function()
    transcribes(sound("wide.wav", 96000, lt.randn(8, 96000 * 3) * 0.05))
  end)

  it("that is none is an error", function()
    local path = fs.join(folder, "text.wav")
    fs.write(path, "no sound at all")
    refused("text.wav", "transcribe", path, "--checkpoint", runs.frames)
    refused("nowhere.wav", "transcribe", fs.join(folder, "nowhere.wav"), "--checkpoint", runs.frames)
    refused("name a recording", "transcribe", "--checkpoint", runs.frames)
  end)

  it("has as many transcriptions as were asked for, where there can be", function()
    local path, json = sound("some.wav", 16000, lt.randn(1, 30000) * 0.1), fs.join(folder, "some.json")
    for _, strategy in ipairs { "beam", "sample" } do
      local result = run("transcribe", path, "--checkpoint", runs.tokens, "--output", json, "--strategy",
        strategy, "--num-return-sequences", "3")
      assert.equal(0, result.code, result.output)
      assert.equal(2, #lt.json.load(json).alternatives)
    end
    refused("needs --head tokens", "transcribe", path, "--checkpoint", runs.frames,
      "--num-return-sequences", "2")
    refused("give more beams", "transcribe", path, "--checkpoint", runs.tokens, "--strategy", "beam",
      "--num-return-sequences", "7")
  end)

  it("of a data set is measured with either head", function()
    for head, path in pairs(runs) do
      local out = fs.join(folder, "measured-" .. head)
      local result = run("evaluate", "--checkpoint", path, "--data", data, "--out", out, "--split", "val")
      assert.equal(0, result.code, result.output)
      assert.is_true(fs.is_file(fs.join(out, "index.html")), table.concat(fs.list(out), " "))
    end
  end)
end)

describe("a MIDI file without notes", function()
  it("is passed over, counted and listed", function()
    local mixed, out = fs.join(folder, "mixed"), fs.join(folder, "mixed-data")
    fs.mkdir(mixed)
    for _, name in ipairs { "p1.mid", "p2.mid", "p3.mid" } do
      fs.write(fs.join(mixed, name), fs.read(fs.join(midi, name)))
    end
    fs.write(fs.join(mixed, "none.mid"), fs.read(none))
    fs.write(fs.join(mixed, "text.mid"), "no music at all")
    local words = { "prepare", "--midi", mixed, "--out", out, "--val-share", "0.34", "--test-share", "0.34" }
    local result = run(with({ "--max-skipped", "0.5" }, unpack(words)))
    assert.equal(0, result.code, result.output)
    assert.is_truthy(result.output:find "2 skipped")
    local skipped = lt.json.load(fs.join(out, "skipped.json"))
    assert.equal(2, #skipped)
    for _, one in ipairs(skipped) do
      assert.is_truthy(one.path:find "none.mid" or one.path:find "text.mid", one.path)
    end
    refused("2 of 5 are damaged", unpack(words))
  end)
end)

describe("a manifest", function()
  local function folder_with(split, entries)
    local other = fs.mkdir(fs.join(folder, "listed"))
    for _, name in ipairs(manifest.splits) do
      lt.json.save(manifest.path(other, name), name == split and entries
        or lt.json.load(manifest.path(data, name)))
    end
    return other
  end

  it("that is empty is an error", function()
    local other = folder_with("train", lt.json.array {})
    refused("lists no recording", "train", "--data", other, "--run", fs.join(folder, "x"), unpack(FRAMES))
    refused("lists no recording", "train", "--data", other, "--run", fs.join(folder, "x"), unpack(TOKENS))
    other = folder_with("test", lt.json.array {})
    refused("lists no recording", "evaluate", "--checkpoint", runs.frames, "--data", other)
  end)

  it("that names missing files is an error that names them", function()
    local entry = { audio_path = "gone.flac", midi_path = "gone.mid", duration = 3 }
    local other = folder_with("train", lt.json.array { entry })
    local to = fs.join(folder, "x")
    refused("gone.flac: no such file", "train", "--data", other, "--run", to, unpack(FRAMES))
    other = folder_with("train", lt.json.array { { audio_path = "a" } })
    refused("lacks midi_path", "train", "--data", other, "--run", to, unpack(FRAMES))
    refused("nowhere", "train", "--data", fs.join(folder, "nowhere"), "--run", to)
    assert.is_false(fs.exists(to))
  end)
end)

describe("settings", function()
  it("with a typing error name the key that was meant", function()
    local path = fs.join(folder, "typo.yaml")
    fs.write(path, "training:\n  learning_rat: 0.001\n")
    refused("did you mean training.learning_rate", "train", "--config", path, "--data", data)
    fs.write(path, "training:\n  learning_rate: fast\n")
    refused("learning_rate", "train", "--config", path, "--data", data)
    fs.write(path, "training: [\n")
    refused("typo.yaml", "train", "--config", path, "--data", data)
  end)
end)

describe("weights of another size", function()
  it("are refused, and the checkpoint stays as it was", function()
    local latest = fs.join(runs.frames, "checkpoints", "latest.safetensors")
    local settings = fs.join(runs.frames, "config.json")
    local before, configured = fs.read(latest), fs.read(settings)
    refused("does not fit FramesModel: 25 of another shape (key_bias", "train",
      "--data", data, "--run", runs.frames, "--resume", runs.frames,
      with({ "--frames.channels", "12", "--epochs", "2" }, unpack(FRAMES)))
    refused("of another shape", "transcribe", fs.join(folder, "silence.wav"), "--checkpoint", runs.tokens,
      "--hidden-size", "32")
    assert.equal(before, fs.read(latest))
    assert.equal(configured, fs.read(settings))
  end)

  it("of a pretrained encoder are refused", function()
    local path = fs.join(folder, "ast.safetensors")
    local net = lt.nn.ast { hidden_size = 16, num_hidden_layers = 1, num_attention_heads = 2,
      intermediate_size = 16 }
    lt.safetensors.save(path, (net:state_dict()))
    refused("ast.safetensors", "train", "--data", data, "--run", fs.join(folder, "x"),
      with({ "--encoder", path }, unpack(TOKENS)))
    refused("of another shape", "train", "--data", data, "--run", fs.join(folder, "x"),
      with({ "--encoder", "frames", "--frames-checkpoint", runs.frames }, unpack(TOKENS)))
    refused("neither a checkpoint nor a run", "train", "--data", data, "--run", fs.join(folder, "x"),
      with({ "--encoder", "frames", "--frames-checkpoint", "nowhere" }, unpack(TOKENS)))
  end)
end)
