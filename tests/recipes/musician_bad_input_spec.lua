-- What users of the musician recipes get wrong, and what files may be: one clear line each, nothing lost.

local fs = lt.fs
local program = require "program"

local folder = program.folder()

local function run(options, ...)
  return program.run({ "run", "musician", ... }, { directory = folder, timeout = 300,
    env = { LUATRAIN_PATH = program.library(), LT_FAULT = options.fault } })
end

-- Fails with a code and a last line that holds `text`, and no traceback; what it printed before comes back.
local function refused(code, text, ...)
  local result = run({}, ...)
  assert.equal(code, result.code, result.err)
  local line = program.last_line(result.err)
  assert.is_truthy(line:find("^luatrain: "), line)
  assert.is_truthy(line:find(text, 1, true), ("'%s' is not in: %s"):format(text, line))
  assert.is_nil(result.err:find "traceback")
  return result.err
end

-- A folder of data sets with some files in it.
local count = 0
local function with(files)
  count = count + 1
  local root = fs.mkdir(fs.join(folder, "data" .. count))
  for name, text in pairs(files) do
    fs.mkdir(fs.dirname(fs.join(root, name)))
    fs.write(fs.join(root, name), text)
  end
  return root
end

local function prepared(models, files) return "prepare", "--datasets-dir", with(files), "--models", models end

local function song(notes, more)
  local whole = more or {}
  whole.notes = notes
  return lt.midi.encode(whole)
end

local scale = {}
for k = 0, 79 do
  scale[k + 1] = { start = k / 4, stop = k / 4 + 0.2, pitch = 50 + k % 24, velocity = 40 + k % 40 }
end

teardown(program.clean)

describe("prepare", function()
  it("tells of an empty folder, one that is not there, and one without anything known", function()
    refused(4, "holds nothing to learn from", "prepare", "--datasets-dir", with {})
    refused(4, "nowhere: no such folder", "prepare", "--datasets-dir", "nowhere")
    refused(4, "holds nothing to learn from", prepared("harmony", { ["notes.txt"] = "hello" }))
    refused(2, "no model is called 'emotions'; did you mean emotion?", prepared("emotions", {}))
  end)

  it("tells of sound files that cannot be read", function()
    refused(4, "a.wav", prepared("emotion", { ["labels.csv"] = "path,valence,arousal\na.wav,0,0\n",
      ["a.wav"] = "RIFF no sound" }))
    refused(4, "2: ", prepared("emotion", { ["labels.csv"] = "path,valence,arousal\nb.wav,0,0\n" }))
  end)

  it("tells of tables without the columns, without numbers, and with labels out of range", function()
    refused(4, "labels.csv: has no column 'arousal'", prepared("emotion",
      { ["labels.csv"] = "path,valence\na.wav,0\n" }))
    refused(4, "labels.csv: has no column 'path'", prepared("emotion",
      { ["labels.csv"] = "song,valence,arousal\na.wav,0,0\n" }))
    refused(4, "labels.csv, record 2: valence is 'high', wanted a number from -1 to 1", prepared("emotion",
      { ["labels.csv"] = "path,valence,arousal\na.wav,high,0\n", ["a.wav"] = "" }))
    refused(4, "labels.csv, record 2: arousal is 7, wanted a number from -1 to 1", prepared("emotion",
      { ["labels.csv"] = "path,valence,arousal\na.wav,0,7\n", ["a.wav"] = "" }))
    refused(4, "labels.csv: holds no record", prepared("emotion",
      { ["labels.csv"] = "path,valence,arousal\n" }))
    refused(4, "the bpm of a.mid is 'fast'", prepared("groove",
      { ["info.csv"] = "midi_filename,bpm,split\na.mid,fast,train\n" }))
  end)

  it("tells of MIDI files without notes, that nobody performed, or that last too long", function()
    refused(4, "a.mid: MIDI file without notes", prepared("melody", { ["a.mid"] = song {} }))
    refused(4, "a.mid: not a MIDI file", prepared("dynamics", { ["a.mid"] = "nothing" }))
    refused(4, "a.mid: all notes are equally loud", prepared("dynamics",
      { ["a.mid"] = song { { start = 0, stop = 1, pitch = 60 }, { start = 1, stop = 2, pitch = 62 } } }))
    refused(4, "longer than an hour", prepared("melody",
      { ["a.mid"] = song { scale[1], { start = 4000, stop = 4001, pitch = 60 } } }))
    refused(4, "in 3/4", prepared("groove", { ["drums/a.mid"] = song(scale,
      { time_signatures = { { time = 0, numerator = 3, denominator = 4 } } }) }))
    refused(4, "shorter than two bars", prepared("groove",
      { ["drums/a.mid"] = song { { start = 0, stop = 1, pitch = 36, channel = 9 } } }))
  end)

  it("tells of documents that are no chord progressions", function()
    refused(4, "songs.json", prepared("harmony", { ["songs.json"] = '{"chords": [' }))
    refused(4, "songs.json, progression 1: 'H' is no chord", prepared("harmony",
      { ["songs.json"] = '{"chords": ["C", "H"]}' }))
    refused(4, "no two chords follow each other", prepared("harmony",
      { ["songs.json"] = '{"chords": ["C"]}' }))
    refused(4, "no mood is called 'odd'", prepared("harmony",
      { ["songs.json"] = '{"chords": ["C", "G"], "emotion": "odd"}' }))
  end)

  it("passes over a few damaged files, counts and lists them", function()
    local files = { ["bad.mid"] = "MThd" }
    for i = 1, 8 do files[("good%d.mid"):format(i)] = song(scale) end
    local root = with(files)
    local result = run({}, "prepare", "--datasets-dir", root, "--models", "melody")
    assert.equal(0, result.code, result.err)
    assert.is_truthy(result.err:find("melody    8 pieces", 1, true), result.err)
    assert.is_truthy(result.err:find("1 skipped", 1, true), result.err)
    local list = lt.json.load(fs.join(root, "prepared/skipped.json"))
    assert.equal("bad.mid", list[1].path)
    refused(4, "more than --max-skipped 0.05 allows", "prepare", "--datasets-dir", root, "--models", "melody",
      "--max-skipped", "0.05")
  end)
end)

describe("train, evaluate and export", function()
  local root

  setup(function()
    local files = {}
    for i = 1, 8 do files[("%d.mid"):format(i)] = song(scale) end
    root = with(files)
    local result = run({}, "train", "--datasets-dir", root, "--models", "dynamics", "--epochs", "1",
      "--output", "trained", "--no-report")
    assert.equal(0, result.code, result.err)
  end)

  it("tell where a model has nothing to learn from", function()
    refused(4, "nothing for the groove model to learn from", "train", "--datasets-dir", root, "--models",
      "dynamics,groove", "--output", "other")
    local two = {}
    for i = 1, 2 do two[i .. ".mid"] = song(scale) end
    refused(4, "2 pieces are too few", "train", "--datasets-dir", with(two), "--models", "melody", "--output",
      "other")
  end)

  it("do not write over a run, nor take another run for theirs", function()
    refused(2, "trained/dynamics already holds a run", "train", "--datasets-dir", root, "--models",
      "dynamics", "--output", "trained")
    fs.mkdir(fs.join(folder, "mixed/melody"))
    fs.mkdir(fs.join(folder, "mixed/melody/checkpoints"))
    fs.write(fs.join(folder, "mixed/melody/checkpoints/best.safetensors"),
      fs.read(fs.join(folder, "trained/dynamics/checkpoints/best.safetensors")))
    for _, command in ipairs { "evaluate", "export" } do
      refused(4, "mixed/melody: a run of the recipe 'musician_dynamics', wanted 'musician_melody'", command,
        "--models-dir", "mixed")
      refused(4, "none: no such folder", command, "--models-dir", "none")
      refused(4, "holds none of the models", command, "--models-dir", root)
      refused(4, "melody: neither a checkpoint nor a run directory", command, "--models-dir", "trained",
        "--models", "melody")
    end
  end)

  it("keep the old file where the disk is full", function()
    local function export(fault, ...)
      return run({ fault = fault }, "export", "--models-dir", "trained", "--out", "plugin", ...)
    end
    for _, format in ipairs { "rtneural", "safetensors" } do
      assert.equal(0, export(nil, "--format", format).code)
      local name = fs.join(folder, "plugin/dynamics." .. (format == "rtneural" and "json" or format))
      local before, names = fs.read(name), #fs.list(fs.join(folder, "plugin"))
      local result = export("write:1:ENOSPC", "--format", format)
      assert.equal(5, result.code, result.err)
      assert.is_truthy(program.last_line(result.err):find("No space left", 1, true), result.err)
      assert.equal(before, fs.read(name))
      assert.equal(names, #fs.list(fs.join(folder, "plugin")))
    end
  end)

  it("refuse to check what carries no examples", function()
    refused(2, "--check plays examples, which only --format rtneural writes", "export", "--models-dir",
      "trained", "--format", "safetensors", "--check")
  end)
end)

describe("damaged bytes", function()
  local chords = '{"progressions": [{"chords": ["C", "Am", "F:maj7", "G7"], "emotion": "sad"}]}'
  local valid = {
    { "labels.csv", "path,valence,arousal,piece\r\n\"a.mid\",0.5,-0.5,P\nb.mid,-1,1,Q\n" },
    { "info.csv",
      "drummer,bpm,time_signature,midi_filename,split\nd,100,4-4,a.mid,train\nd,90,4-4,b.mid,test\n" },
    { "metadata.csv", "composer,title,midi_performance\nB,F,a.mid\nC,G,b.mid\n" },
    { "maestro-v3.0.0.csv", "canonical_composer,canonical_title,split,midi_filename\nA,T,train,a.mid\n" },
    { "static_annotations.csv", "song_id, mean_valence, mean_arousal\n1,5,6\n2,3,4\n" },
    { "songs.json", chords }, { "a.json", '{"valence": 0.1, "arousal": 0.9}' },
    { "moods.json", '{"a.mid": "calm", "b.mid": {"valence": 0, "arousal": 0}}' },
    { "a.mid", song(scale) }, { "drums/b.mid", song(scale) },
    { "chord_midi.txt", "0.0 1.0 C:maj\n1.0 2.0 G:7\n" },
  }
  local damaged = dofile "tests/fuzz/sources.lua"

  -- One to four bytes changed, or a part cut out or doubled.
  local function damage(text)
    local kind = math.random(4)
    local from = math.random(#text)
    local to = math.min(#text, from + math.random(12))
    if kind == 1 then return text:sub(1, from - 1) end
    if kind == 2 then return text:sub(1, from - 1) .. text:sub(to + 1) end
    if kind == 3 then return text:sub(1, to) .. text:sub(from) end
    for _ = 1, math.random(4) do
      local at = math.random(#text)
      local new = math.random() < 0.5 and string.char(math.random(0, 255))
        or ('",{}[]:-0.\n'):sub(math.random(11)):sub(1, 1)
      text = text:sub(1, at - 1) .. new .. text:sub(at + 1)
    end
    return text
  end

  it("of tables, documents and MIDI files are data that is wrong, never a mistake of the program", function()
    math.randomseed(7)
    local root, read, wrong = fs.mkdir(fs.join(folder, "fuzz")), 0, 0
    for _, file in ipairs(valid) do
      local path = fs.join(root, file[1])
      fs.mkdir(fs.dirname(path))
      for round = 0, 60 do
        fs.write(path, round == 0 and file[2] or damage(file[2]))
        fs.write(fs.join(root, "b.mid"), song(scale))
        local pieces, problems = damaged.read(root)
        read, wrong = read + pieces, wrong + problems
      end
      fs.remove(path)
    end
    assert.is_true(read > 100 and wrong > 100, ("%d read, %d wrong"):format(read, wrong))
  end)
end)
