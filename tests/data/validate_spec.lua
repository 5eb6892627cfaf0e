-- What lt.data.validate finds in sound and MIDI files, good ones and bad ones, one by one and many at once.
local fs = require "luatrain.fs"
local program = require "program"
local validate = lt.data.validate

local folder
setup(function() folder = fs.temporary_directory() end)
teardown(function()
  fs.remove_tree(folder)
  program.clean()
end)

local function path(name) return fs.join(folder, name) end

local function sine(seconds, level)
  return (lt.arange(math.floor(seconds * 8000)):to "f32" * (2 * math.pi * 440 / 8000)):sin() * (level or 0.5)
end

local function saved(name, x, o)
  lt.audio.save(path(name), x, 8000, o)
  return path(name)
end

local function has(words, report)
  assert.is_false(report.ok)
  assert.equal(1, #report.problems, table.concat(report.problems, "; "))
  assert.truthy(report.problems[1]:find(words, 1, true), report.problems[1])
end

describe("a sound file", function()
  it("is measured", function()
    local report = validate.audio(saved("good.wav", lt.stack { sine(1), lt.cat { sine(0.5),
      lt.zeros(4000) } }))
    assert.same({}, report.problems)
    assert.is_true(report.ok)
    assert.same({ 8000, 2, 1 }, { report.sample_rate, report.channels, report.duration })
    assert.near(0.5, report.peak, 1e-3)
    assert.near(math.sqrt(0.125 * 0.75), report.rms, 1e-3)
    assert.near(0.25, report.silence, 0.011)
    assert.equal(0, report.clipped)
  end)

  it("is told what is wrong with it", function()
    local good = saved("good.wav", sine(1))
    has("lasts 1 s, less than 2", validate.audio(good, { min_duration = 2 }))
    has("lasts 1 s, more than 0.5", validate.audio(good, { max_duration = 0.5 }))
    has("has 8000 samples a second, not 16000", validate.audio(good, { sample_rate = 16000 }))
    has("has 1 channels, not 2", validate.audio(good, { channels = 2 }))
    has("100 % of it is silent (below -60 dB)", validate.audio(saved("silent.wav", lt.zeros(8000))))
    has("100 % of it is silent", validate.audio(saved("quiet.wav", sine(1, 5e-4))))
    assert.is_true(validate.audio(path "quiet.wav", { silence = -80 }).ok)
    local clipped = validate.audio(saved("clipped.wav", sine(1, 1.5):clamp(-1, 1)))
    has("of its samples are clipped", clipped)
    assert.near(2 / math.pi * math.acos(1 / 1.5), clipped.clipped, 0.03)
    assert.equal(0, validate.audio(saved("touching.wav", sine(1, 0.9995))).clipped)
    local nan = sine(1)
    nan:set(0 / 0, 77)
    has("nan.wav", validate.audio(saved("nan.wav", nan, { encoding = "float" })))
    fs.write(path "cut.wav", fs.read(good):sub(1, 44))
    has("cut.wav", validate.audio(path "cut.wav"))
    fs.write(path "text.wav", "no sound")
    has("text.wav", validate.audio(path "text.wav"))
    has("missing.wav", validate.audio(path "missing.wav"))
  end)
end)

describe("a MIDI file", function()
  local song = { notes = { { start = 0, stop = 1, pitch = 30 }, { start = 1, stop = 3, pitch = 90 },
    { start = 1, stop = 1.5, pitch = 40, drum = true } } }

  it("is measured, and told what is wrong with it", function()
    lt.midi.write(path "good.mid", song)
    local report = validate.midi(path "good.mid")
    assert.is_true(report.ok)
    assert.same({ 3, 1, 30, 90, 3 }, { report.notes, report.drums, report.lowest, report.highest,
      math.floor(report.duration + 0.5) })
    has("has 3 notes, less than 20", validate.midi(path "good.mid", { min_notes = 20 }))
    has("has 3 notes, more than 2", validate.midi(path "good.mid", { max_notes = 2 }))
    has("lasts 3 s, less than 10", validate.midi(path "good.mid", { min_duration = 10 }))
    has("lasts 3 s, more than 1", validate.midi(path "good.mid", { max_duration = 1 }))
    has("1 notes lie outside 36 to 108", validate.midi(path "good.mid", { lowest = 36, highest = 108 }))
    lt.midi.write(path "none.mid", { notes = {} })
    has("has no notes", validate.midi(path "none.mid"))
    fs.write(path "cut.mid", lt.midi.encode(song):sub(1, -20))
    has("is damaged: ", validate.midi(path "cut.mid"))
    fs.write(path "text.mid", "no music")
    has("text.mid", validate.midi(path "text.mid"))
  end)
end)

describe("many files", function()
  it("are looked at together", function()
    local inner = fs.mkdir(path "many/inner")
    saved("many/inner/good.wav", sine(2))
    saved("many/silent.flac", lt.zeros(8000))
    lt.midi.write(fs.join(inner, "a.MID"), { notes = { { start = 0, stop = 1, pitch = 30 } } })
    fs.write(path "many/text.mid", "no music")
    fs.write(path "many/notes.txt", "not looked at")
    local all = validate.files(path "many")
    assert.same({ 4, 2, 3 }, { #all.reports, all.valid, math.floor(all.duration + 0.5) })
    assert.truthy(tostring(all):find("4 files, 3.0 s: 2 good\n", 1, true), tostring(all))
    assert.truthy(tostring(all):find("silent.flac: 100 % of it is silent", 1, true))
    assert.equal(3, validate.files(path "many", { audio = { max_silence = 2 } }).valid)
    has("neither a sound nor a MIDI file", validate.files({ path "many/notes.txt" }).reports[1])
    local ok, e = pcall(validate.files, path "many", { audio = { min = 1 } })
    assert.is_false(ok)
    assert.truthy(tostring(e):find("unknown option 'min'", 1, true))
    local result = program.run { "data", "validate", path "many" }
    assert.equal(4, result.code)
    assert.truthy(result.out:find("2 good", 1, true), result.out)
    assert.truthy(program.last_line(result.err):find("2 files have something wrong", 1, true), result.err)
    assert.equal(0, program.run({ "data", "validate", inner }).code)
    assert.truthy(program.run({ "data", "validate", fs.mkdir(path "void") }).err:find "no sound or MIDI file")
  end)
end)
