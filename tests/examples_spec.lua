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
