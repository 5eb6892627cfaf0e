-- The transcription recipe's frame-wise model: its parts, and its commands as a user runs them.

local fs, process = lt.fs, lt.process

lt.recipe "transcription"
local bands, catalogue = require "transcription_bands", require "transcription_catalogue"
local manifest, notes = require "transcription_manifest", require "transcription_notes"
local targets, transcribe = require "transcription_targets", require "transcription_transcribe"

local folder = fs.temporary_directory()
local program = require("ffi").string(require("luatrain.core").C.lt_program_path())

local function run(...)
  return process.run({ program, "run", "transcription", ... }, { timeout = 300 })
end

-- Notes of every key in turn, some at once, one struck again while it sounds.
local function scale(seconds)
  local list, at = {}, 0.113
  local k = 0
  while at < seconds - 1 do
    list[#list + 1] = { start = at, stop = at + 0.31 + (k % 3) * 0.2, pitch = 21 + (k * 31) % 88,
      velocity = 20 + k % 100 }
    if k % 4 == 0 then
      list[#list + 1] = { start = at, stop = at + 0.5, pitch = 21 + (k * 31 + 40) % 88, velocity = 64 }
    end
    at, k = at + 0.137, k + 1
  end
  return notes.sort(list)
end

teardown(function() fs.remove_tree(folder) end)

describe("bands", function()
  local path = fs.join(folder, "tone.wav")

  setup(function()
    local t = lt.arange(44100 * 12):to "f32" * (2 * math.pi / 44100)
    local x = (t * 440):sin() * 0.5
    x:narrow(1, 1, 44100):fill_(0)                                   -- silent for a second
    lt.audio.save(path, x, 44100)
  end)

  it("are loudest at the tone's key, at its level, and show when it begins", function()
    local source = bands.of_file(path)
    assert.equal(600, source.rows)
    local rows = source.read(0, 100):to("f32"):reshape(100, bands.count, 2)
    local key = 3 * (69 - 21) + 1
    for window = 1, 2 do
      local _, at = rows:select(3, window):select(1, 80):max(1)
      assert.equal(key, at:item())
      -- 0.5 is -6 dB; triangles average
      assert.near(255 * 0.94, rows:select(3, window):select(1, 80):select(1, key + 1):item(), 12)
    end
    local short = rows:select(3, 2):select(2, key + 1):tolist()
    assert.is_true(short[48] < 130)                                  -- 60 ms before the tone
    assert.is_true(short[53] > 220)                                  -- 40 ms after it begins
  end)

  it("are the same read at once or in pieces, from the file or its cache, and silent outside", function()
    local source, cache = bands.of_file(path), fs.join(folder, "tone.h5")
    bands.prepare(path, cache)
    local kept = bands.open(cache)
    assert.equal(source.rows, kept.rows)
    local whole = source.read(0, source.rows):to "f32"
    for _, first in ipairs { 0, 41, 300 } do
      for _, from in ipairs { source, kept } do
        local piece = from.read(first, 30):to "f32"
        assert.is_true((piece - whole:narrow(1, first + 1, 30)):abs():max():item() <= 2)
      end
    end
    for _, from in ipairs { source, kept } do
      assert.equal(0, from.read(-60, 20):to("f32"):max():item())
      assert.equal(0, from.read(source.rows + 60, 20):to("f32"):max():item())
    end
  end)

  it("take in eight channels at 96 kHz, and less than a window", function()
    local wide = fs.join(folder, "wide.wav")
    lt.audio.save(wide, lt.randn(8, 96000) * 0.05, 96000)
    assert.equal(50, bands.of_file(wide).read(0, 50):size(1))
    local short = fs.join(folder, "short.wav")
    lt.audio.save(short, lt.randn(100) * 0.05, 16000)
    assert.equal(1, bands.of_file(short).rows)
    assert.same({ 1, bands.width }, bands.of_file(short).read(0, 1):size())
  end)
end)

describe("rolls", function()
  local list = scale(9)

  local function check(found)
    assert.equal(#list, #found)
    for i, note in ipairs(list) do
      assert.equal(note.pitch, found[i].pitch)
      assert.near(note.start, found[i].start, 1e-4)
      assert.near(note.stop, found[i].stop, 0.011)
      assert.equal(note.velocity, found[i].velocity)
    end
  end

  it("decode to the notes that they were made of, at once and in blocks", function()
    local rolls = targets.rolls(list, 0, 450, 0.02)
    local decoder = targets.decoder(0.02, {})
    decoder:push(rolls)
    check(decoder:finish())
    for _, size in ipairs { 1, 7, 50 } do
      decoder = targets.decoder(0.02, {})
      for first = 0, 449, size do decoder:push(rolls:narrow(1, first + 1, math.min(size, 450 - first))) end
      check(decoder:finish())
    end
  end)

  it("of a window are the window of the rolls", function()
    local whole, part = targets.rolls(list, 0, 450, 0.02), targets.rolls(list, 100, 50, 0.02)
    assert.equal(0, (whole:narrow(1, 101, 50) - part):abs():max():item())
  end)

  it("end a note where the same key is struck again, and at the end of the recording", function()
    local again = { { start = 0.1, stop = 0.5, pitch = 60, velocity = 50 },
      { start = 0.5, stop = 2, pitch = 60, velocity = 90 } }
    local decoder = targets.decoder(0.02, {})
    decoder:push(targets.rolls(again, 0, 50, 0.02))
    local found = decoder:finish()
    assert.equal(2, #found)
    assert.near(0.5, found[1].stop, 0.011)
    assert.near(0.5, found[2].start, 1e-4)
    assert.near(1, found[2].stop, 1e-9)
  end)
end)

describe("the catalogue", function()
  local options = { test_composers = {}, test_share = 0.2, val_share = 0.2, performances = 0, pieces = 0 }

  local function with(changes) return setmetatable(changes, { __index = options }) end

  it("of a folder takes composers from its folders and splits by piece", function()
    local base = fs.join(folder, "plain")
    for i = 1, 40 do
      local name = fs.join(base, i % 2 == 0 and "Ann" or "Bob", ("%d.mid"):format(i))
      fs.mkdir(fs.dirname(name))
      fs.write(name, "")
    end
    local list = catalogue.find(base, options)
    assert.equal(40, #list)
    local splits = { train = 0, val = 0, test = 0 }
    for _, piece in ipairs(list) do splits[piece.split] = splits[piece.split] + 1 end
    assert.is_true(splits.train > 15 and splits.val > 1 and splits.test > 1)
    for _, piece in ipairs(catalogue.find(base, with { test_composers = { "Bob" } })) do
      assert.equal(piece.composer == "Bob", piece.split == "test")
    end
    assert.equal(7, #catalogue.find(base, with { pieces = 7 }))
    assert.error_matches(function() catalogue.find(base, with { test_composers = { "Eve" } }) end, "Eve")
  end)

  it("of ASAP keeps all performances of a piece on one side", function()
    local base = fs.mkdir(fs.join(folder, "asap"))
    local rows = { "composer,title,midi_performance" }
    for i = 1, 30 do
      for take = 1, 3 do rows[#rows + 1] = ("X,piece %d,X/%d_%d.mid"):format(i, i, take) end
    end
    fs.write(fs.join(base, "metadata.csv"), table.concat(rows, "\n") .. "\n")
    local sides, list = {}, catalogue.find(base, options)
    assert.equal(90, #list)
    for _, one in ipairs(list) do
      assert.equal(sides[one.title] or one.split, one.split)
      sides[one.title] = one.split
    end
    assert.equal(30, #catalogue.find(base, with { performances = 1 }))
    assert.equal(12, #catalogue.find(base, with { performances = 2, pieces = 6 }))
  end)

  it("of MAESTRO and MAPS has their own splits", function()
    local base = fs.mkdir(fs.join(folder, "maestro"))
    fs.write(fs.join(base, "maestro-v3.0.0.csv"),
      "canonical_composer,canonical_title,split,year,midi_filename,audio_filename,duration\n"
      .. "A,T,train,2004,2004/a.midi,2004/a.wav,5\nA,U,validation,2004,2004/b.midi,2004/b.wav,5\n"
      .. "B,\"V, op. 1\",test,2006,2006/c.midi,2006/c.wav,5\n")
    local by_id = {}
    for _, one in ipairs(catalogue.find(base, options)) do by_id[one.id] = one end
    assert.equal("train", by_id["2004_a"].split)
    assert.equal("val", by_id["2004_b"].split)
    assert.equal("test", by_id["2006_c"].split)
    assert.equal(fs.join(base, "2006/c.wav"), by_id["2006_c"].audio)
    base = fs.join(folder, "maps")
    for _, name in ipairs { "AkPnBcht/MUS/MAPS_MUS-one_AkPnBcht", "AkPnBcht/MUS/MAPS_MUS-two_AkPnBcht",
      "ENSTDkCl/MUS/MAPS_MUS-two_ENSTDkCl" } do
      fs.mkdir(fs.dirname(fs.join(base, name)))
      fs.write(fs.join(base, name .. ".wav"), "")
      fs.write(fs.join(base, name .. ".mid"), "")
    end
    local list = catalogue.find(base, options)
    -- "two" is tested: its synthesised twin is out
    assert.equal(2, #list)
    for _, one in ipairs(list) do assert.equal(one.title == "two", one.split == "test") end
  end)
end)

describe("the commands", function()
  local midi, data, trained = fs.join(folder, "midi"), fs.join(folder, "data"), fs.join(folder, "run")

  setup(function()
    for i = 1, 4 do
      fs.mkdir(fs.join(midi, i == 4 and "Held" or "Seen"))
      notes.write_midi(fs.join(midi, i == 4 and "Held" or "Seen", ("p%d.mid"):format(i)), scale(8 + i))
    end
  end)

  it("prepare, train and transcribe, and go on where they were", function()
    local result = run("prepare", "--midi", midi, "--out", data, "--test-composers", "Held", "--val-share",
      "0.5")
    assert.equal(0, result.code, result.output)
    local count = 0
    for _, split in ipairs { "train", "test" } do
      for _, entry in ipairs(manifest.entries(data, split)) do
        count = count + 1
        assert.is_true(fs.is_file(entry.audio_path))
      end
    end
    assert.is_true(count >= 2)
    result = run("train", "--data", data, "--run", trained, "--steps", "6", "--rows", "48", "--batch-size",
      "2",
      "--frames.channels", "8", "--frames.front", "4,4", "--frames.hidden", "4", "--valid-windows", "4")
    assert.equal(0, result.code, result.output)
    local song = manifest.entries(data, "test")[1].audio_path
    local out = fs.join(folder, "found.mid")
    result = run("transcribe", song, "--checkpoint", trained, "--midi", out, "--onset-threshold", "0.01",
      "--frame-threshold", "0.001")
    assert.equal(0, result.code, result.output)
    assert.is_true(#lt.midi.read(out).notes > 0)
  end)

  it("find the same notes whatever the blocks", function()
    local entry = manifest.entries(data, "test")[1]
    local source = bands.of_file(entry.audio_path)
    local played = notes.read(entry.midi_path)
    -- a model that knows the truth, as far as its window reaches
    local function model(x)
      local rolls = {}
      for i = 1, x:size(1) do
        local level = x:select(1, i)
        local first = level:select(1, 1):select(1, 1):item()
        rolls[i] = targets.rolls(played, first, x:size(2), 0.02)
      end
      return ((lt.stack(rolls, 1) * 0.98) + 0.01):log() - (1 - ((lt.stack(rolls, 1) * 0.98) + 0.01)):log()
    end
    local rows = { rows = source.rows, read = function(first, n)
      return (lt.arange(n):to "f32" + first):unsqueeze(2):expand(n, 2):contiguous()
    end }
    local found = transcribe.frames(model, rows, {})
    assert.equal(#played, #found)
    for i, note in ipairs(played) do
      assert.equal(note.pitch, found[i].pitch)
      assert.near(note.start, found[i].start, 2e-3)
    end
  end)

  it("say in one line what is wrong", function()
    local empty = fs.join(folder, "none.mid")
    lt.midi.write(empty, { notes = {} })
    local cases = {
      { { "prepare" }, "midi" },
      { { "prepare", "--midi", fs.join(folder, "nowhere") }, "no such folder" },
      { { "prepare", "--midi", fs.mkdir(fs.join(folder, "empty")) }, "no MIDI" },
      { { "train", "--data", fs.join(folder, "nowhere") }, "no such file" },
      { { "transcribe", fs.join(folder, "nowhere.wav"), "--checkpoint", trained }, "nowhere.wav" },
    }
    for _, case in ipairs(cases) do
      local result = run(unpack(case[1]))
      assert.is_true(result.code ~= 0)
      assert.match(case[2], result.output)
      assert.is_nil(result.output:match "traceback")
    end
    local list = fs.join(folder, "listed")
    fs.mkdir(list)
    lt.json.save(fs.join(list, "train_manifest.json"), lt.json.array {})
    assert.error_matches(function() manifest.entries(list, "train") end, "lists no recording")
    lt.json.save(fs.join(list, "train_manifest.json"), lt.json.array { { audio_path = "a.flac",
      midi_path = "a.mid",
      duration = 3 } })
    assert.error_matches(function() manifest.entries(list, "train") end, "a%.flac: no such file")
  end)
end)
