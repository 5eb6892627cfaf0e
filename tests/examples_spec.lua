-- The examples do what their first lines say.
local process = require "luatrain.process"

local folder = os.tmpname()
os.remove(folder)

local function luatrain(...)
  return process.run({ "build/luatrain", ... })
end

-- Three classes of plain tones: 24 files each, in two levels and lengths.
local function make_tones()
  for class, frequency in pairs { low = 220, middle = 700, high = 2400 } do
    os.execute("mkdir -p " .. folder .. "/tones/" .. class)
    for i = 1, 24 do
      local n = 8000 + 400 * (i % 5)
      local t = lt.arange(n) * (2 * math.pi * frequency * (1 + i / 200) / 16000)
      lt.audio.save(("%s/tones/%s/%02d.wav"):format(folder, class, i), t:sin() * (0.2 + 0.02 * i), 16000)
    end
  end
end

describe("examples", function()
  teardown(function() os.execute("rm -rf " .. folder) end)

  it("fit finds the curve below its noise", function()
    local r = luatrain "examples/fit.lua"
    assert.are.equal(0, r.code, r.output)
    local loss = tonumber(r.output:match "step 500  loss ([%d.]+)")
    assert.is_true(loss < 0.02)  -- the noise has a variance of 0.01
  end)

  it("plugin learns an amplifier and writes it", function()
    os.execute("mkdir -p " .. folder)
    local r = luatrain("examples/plugin.lua", folder .. "/amp.json")
    assert.are.equal(0, r.code, r.output)
    assert.is_true(tonumber(r.output:match "step 300  loss ([%d.]+)") < 0.01)
    assert.is_true(lt.export.check(folder .. "/amp.json") < 1e-5)
  end)

  it("trainer fits a sine", function()
    local r = luatrain "examples/trainer.lua"
    assert.are.equal(0, r.code, r.output)
    assert.is_true(tonumber(r.output:match "best validation loss ([%d.]+)") < 0.01)
  end)

  it("sweep searches a network's size", function()
    local storage = { "--storage", folder .. "/study.db", "--folder", folder .. "/sweep" }
    os.execute("mkdir -p " .. folder)
    local r = luatrain("sweep", "examples/sweep.lua", "run", "--trials", "8", "--parallel", "2",
      unpack(storage))
    assert.are.equal(0, r.code, r.output)
    assert.is_truthy(r.output:find "best is trial")
    r = luatrain("sweep", "examples/sweep.lua", "best", unpack(storage))
    assert.is_true(tonumber(r.output:match "trial %d+: ([%d.e-]+)") < 0.6)  -- the sine's own variance is 0.5
    assert.is_truthy(r.output:find "layers")
  end)

  it("look and notes read what the library writes", function()
    os.execute("mkdir -p " .. folder)
    lt.audio.save(folder .. "/a.wav", lt.linspace(0, 300, 8000):sin() * 0.5, 8000)
    local r = luatrain("examples/look.lua", folder .. "/a.wav", folder .. "/a.png")
    assert.are.equal(0, r.code, r.output)
    assert.is_truthy(r.output:find "8000 Hz, 1 channels, 1.00 s")
    lt.midi.write(folder .. "/a.mid", { notes = { { start = 0, stop = 1, pitch = 60, velocity = 80 } } })
    r = luatrain("examples/notes.lua", folder .. "/a.mid", "5", folder .. "/b.mid")
    assert.are.equal(0, r.code, r.output)
    assert.are.equal(65, lt.midi.read(folder .. "/b.mid").notes[1].pitch)
  end)

  it("synthesizer plays a random preset, and again what it has written down", function()
    os.execute("mkdir -p " .. folder)
    local r = luatrain("examples/synthesizer.lua", folder .. "/one.wav", "7")
    assert.are.equal(0, r.code, r.output)
    assert.is_truthy(r.output:find "env_1_attack")
    r = luatrain("examples/synthesizer.lua", folder .. "/two.wav", folder .. "/one.json")
    assert.are.equal(0, r.code, r.output)
    local one, two = lt.audio.load(folder .. "/one.wav"), lt.audio.load(folder .. "/two.wav")
    assert.is_true((one - two):abs():max():item() < 1e-3)
  end)

  it("wav_classes learns the folders of its README", function()
    make_tones()
    local run = folder .. "/run"
    local r = luatrain("run", "examples/wav_classes.lua", "train", "--files", folder .. "/tones",
      "--epochs", "8", "--seconds", "0.5", "--run", run)
    assert.are.equal(0, r.code, r.output)
    local history = lt.json.load(run .. "/history.json")
    assert.is_true(history.val_accuracy[#history.val_accuracy] >= 0.9)
    r = luatrain("run", "examples/wav_classes.lua", "classify", folder .. "/tones/high/03.wav",
      "--checkpoint", run .. "/checkpoints/best.safetensors")
    assert.are.equal(0, r.code, r.output)
    assert.is_truthy(r.output:find "high")
  end)
end)
