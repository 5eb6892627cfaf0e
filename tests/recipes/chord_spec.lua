-- The chord recipe on made-up songs: its parts, and its commands as a user runs them.

local chord = require "luatrain.music.chord"
local fs, process = lt.fs, lt.process

local recipe = lt.recipe "chord"
local features, data = require "chord_features", require "chord_data"
local songs = require "chord_songs"

local folder = fs.temporary_directory()
local program = require("ffi").string(require("luatrain.core").C.lt_program_path())

local function run(...)
  return process.run({ program, "run", "chord", ... }, { timeout = 300 })
end

teardown(function() fs.remove_tree(folder) end)

describe("made-up songs", function()
  it("are the same for the same number, with valid labels and notes", function()
    assert.same(songs.make(3, 10), songs.make(3, 10))
    assert.are_not.same(songs.make(3, 10).segments, songs.make(4, 10).segments)
    local kinds = {}
    for i = 1, 60 do
      local song = songs.make(i, 20)
      local last = 0
      for _, s in ipairs(song.segments) do
        assert.equal(last, s.start)
        assert.is_true(s.stop > s.start)
        kinds[chord.classify(s.label)] = true
        last = s.stop
      end
      for _, n in ipairs(song.notes) do
        assert.is_true(n.pitch >= 24 and n.pitch <= 100 and n.stop > n.start and n.stop <= last + 1e-9)
      end
    end
    local count = 0
    for _ in pairs(kinds) do count = count + 1 end
    assert.is_true(count >= 14)
  end)
end)

describe("features", function()
  local path = fs.join(folder, "tone.wav")
  local seconds = 20

  setup(function()
    local n = 44100 * seconds
    local t = lt.arange(n):to "f32" * (2 * math.pi / 44100)
    local left, right = (t * 261.6256):sin() * 0.3, (t * 110):sin() * 0.3        -- C4 and A2
    lt.audio.save(path, lt.stack({ left, right }, 1), 44100)
  end)

  it("peak at the bins of the tones, from a file of another rate", function()
    local source = features.of_file(path)
    assert.equal(math.ceil(seconds / features.row_seconds), source.frames)
    local row = source.read(100, 1)
    assert.same({ 1, features.bins }, row:size())
    local c4, a2 = 3 * 24, 24 + 9 * 2                                   -- bins above C1
    local list = row:tolist()[1]
    for _, bin in ipairs { c4, a2 } do
      assert.is_true(list[bin + 1] > list[bin] and list[bin + 1] > list[bin + 2])
      assert.is_true(list[bin + 1] > 10 * list[bin + 13])
    end
  end)

  it("are the same read at once or in pieces, and zero outside the file", function()
    local source = features.of_file(path)
    local whole = source.read(0, source.frames)
    for _, first in ipairs { 0, 40, 117, source.frames - 20 } do
      local piece = source.read(first, 20)
      local wanted = whole:narrow(1, first + 1, 20)
      assert.is_true((piece - wanted):abs():max():item() < 0.01 * whole:max():item())
    end
    assert.equal(0, source.read(-60, 20):abs():max():item())
    assert.equal(0, source.read(source.frames + 60, 20):abs():max():item())
  end)

  it("are kept in a file, which is believed only if it was made alike", function()
    local cache = fs.join(folder, "cache/tone.safetensors")
    local rows = features.cached(path, cache)
    assert.equal("bf16", rows:dtype())
    local again = features.cached("/nowhere/else.wav", cache)
    assert.equal(0, (again:to "f32" - rows:to "f32"):abs():max():item())
    lt.safetensors.save(cache, { rows = lt.zeros(3, 3) }, { settings = "others" })
    assert.equal(features.bins, features.cached(path, cache):size(2))
    local source = features.of_rows(rows, seconds)
    local part = source.read(-2, 6):tolist()
    for bin = 1, features.bins do
      assert.equal(0, part[2][bin])
      assert.near(rows:narrow(1, 1, 1):to("f32"):tolist()[1][bin], part[3][bin], 1e-6)
    end
  end)

  it("know the notes that sound, and are transposed with them", function()
    local step, first = features.row_seconds, features.first_seconds
    local notes = features.notes({
      { start = 0, stop = first + 1.5 * step, pitch = 24 }, { start = first + step, stop = 100, pitch = 107 },
      { start = 0, stop = 9, pitch = 23 }, { start = 0, stop = 9, pitch = 108 },
      { start = 0, stop = 9, pitch = 60, drum = true },
    }, 3)
    assert.same({ 3, features.pitches }, notes:size())
    local function sounding(x)
      local found = {}
      for row, list in ipairs(x:tolist()) do
        for pitch, on in ipairs(list) do
          if on ~= 0 then found[#found + 1] = row .. ":" .. pitch - 1 end
        end
      end
      return found
    end
    assert.same({ "1:0", "2:0", "2:83", "3:83" }, sounding(notes))
    local rows = features.of_rows(notes).read(0, 3)
    assert.same({ "1:5", "2:5" }, sounding(features.transpose(rows, 5)))
    assert.same({ "2:81", "3:81" }, sounding(features.transpose(rows, -2)))
    local bins = lt.zeros(1, features.bins)
    bins:narrow(2, 41, 1):fill_(1)
    assert.equal(1, features.transpose(bins, 3):narrow(2, 47, 1):item())
  end)

  it("get the class of the moment they are about", function()
    local step, first = features.row_seconds, features.first_seconds
    local classes = features.classes({
      { start = 0, stop = first + 1.5 * step, label = "N" },
      { start = first + 1.5 * step, stop = first + 3 * step, label = "D:min7/b3" },
      { start = first + 3 * step, stop = 100, label = "X" },
    }, 5)
    assert.same({ 0, 0, 13, -100, -100 }, classes.kinds)
    assert.same({ -100, -100, 2, -100, -100 }, classes.roots)
    assert.same({ -100, -100, 5, -100, -100 }, classes.basses)
  end)
end)

describe("the model", function()
  local config = recipe.config
  local model

  setup(function() model = recipe.model(config):eval() end)

  it("answers every row", function()
    local kind, root, bass = model(lt.rand(2, 32, features.bins))
    assert.same({ 2, 32, 32 }, kind:size())
    assert.same({ 2, 32, 12 }, root:size())
    assert.same({ 2, 32, 12 }, bass:size())
    assert.same({ 2, 1, 32 }, (model(lt.rand(2, 32, features.bins), nil, true)):size())
  end)

  it("gives probabilities for every root, of which forward takes the likeliest or the true one", function()
    local x = lt.rand(1, 16, features.bins)
    local root, kind, bass = model:joint(x)
    assert.same({ 1, 16, 12, 32 }, kind:size())
    assert.near(0, kind:exp():sum(-1):log():abs():max():item(), 1e-4)
    assert.near(0, bass:exp():sum(-1):log():abs():max():item(), 1e-4)
    assert.near(0, root:exp():sum(-1):log():abs():max():item(), 1e-4)
    local given = model(x, lt.full({ 1, 16 }, 5, "i64")):log_softmax(-1)
    assert.near(0, (given - kind:select(3, 6)):abs():max():item(), 1e-4)
    local likeliest = root:argmax(-1):tolist()[1]
    local free = (model(x)):log_softmax(-1):tolist()[1]
    local all = kind:tolist()[1]
    for t = 1, 16 do assert.near(all[t][likeliest[t] + 1][3], free[t][3], 1e-4) end
  end)

  it("hears the same at any loudness", function()
    local x = lt.rand(1, 16, features.bins)
    local quiet, loud = model:joint(x * 0.01), model:joint(x * 100)
    assert.near(0, (quiet - loud):abs():max():item(), 0.01)
  end)
end)

-- A MIDI file's bytes with the expression of all channels turned down at the start of its first track.
local function turned_down(bytes)
  local at = assert(bytes:find("MTrk", 1, true)) + 4
  local size, quiet = 0, ""
  for i = at, at + 3 do size = size * 256 + bytes:byte(i) end
  for channel = 0, 15 do quiet = quiet .. string.char(0, 0xb0 + channel, 11, 0) end
  size = size + #quiet
  local length = string.char(0, math.floor(size / 65536), math.floor(size / 256) % 256, size % 256)
  return bytes:sub(1, at - 1) .. length .. quiet .. bytes:sub(at + 4)
end

describe("the commands", function()
  local out, runs = fs.join(folder, "made"), fs.join(folder, "run")

  setup(function()
    local result = run("prepare", "--synthetic", 6, "--seconds", 12, "--out", out)
    assert(result.ok, result.output)
  end)

  it("prepare: writes audio, labels, features and a split by song", function()
    local splits = {}
    local entries = data.entries(out)
    assert.equal(6, #entries)
    for _, entry in ipairs(entries) do
      splits[entry.split] = (splits[entry.split] or 0) + 1
      local info = lt.audio.info(entry.audio_path)
      local segments = chord.read_lab(entry.lab_path)
      assert.equal(22050, info.sample_rate)
      assert.is_true(info.duration > segments[#segments].stop - 1)
      assert.is_true(fs.is_file(entry.cache))
    end
    assert.same({ test = 2, valid = 1, train = 3 }, splits)
  end)

  it("prepare: resumes, and passes over damaged songs with a count and a list", function()
    local before = fs.stat(data.entries(out)[1].audio_path).modified
    local other = fs.join(folder, "midi")
    for i = 1, 8 do
      local place = fs.mkdir(fs.join(other, ("%03d"):format(i)))
      local from = fs.join(out, "midi", ("made%04d"):format((i - 1) % 6 + 1))
      fs.write(fs.join(place, ("%03d.mid"):format(i)), fs.read(from .. ".mid"))
      fs.write(fs.join(place, "chord_midi.txt"), fs.read(from .. ".lab"))
    end
    fs.write(fs.join(other, "004/chord_midi.txt"), "0 1 C:major\n")
    fs.write(fs.join(other, "005/005.mid"), fs.read(fs.join(other, "005/005.mid")):sub(1, 90))
    fs.write(fs.join(other, "006/006.mid"), turned_down(fs.read(fs.join(other, "006/006.mid"))))
    local to = fs.join(folder, "other")
    local strict = run("prepare", "--midi", other, "--out", to)
    assert.equal(4, strict.code)
    assert.truthy(strict.output:find "3 of 8 are damaged", strict.output)
    local result = run("prepare", "--midi", other, "--out", to, "--max_skipped", 0.4, "--only", "all")
    assert.is_true(result.ok, result.output)
    local skipped = lt.json.load(fs.join(to, "skipped.json"))
    assert.equal(3, #skipped)
    assert.truthy(skipped[1].error:find("004/chord_midi.txt, line 1: chord label 'C:major'", 1, true))
    assert.truthy(skipped[2].error:find("006.mid: 100 % of the notes are turned down", 1, true))
    assert.truthy(skipped[3].error:find("005.mid", 1, true))
    assert.equal(5, #data.entries(to))
    local again = run("prepare", "--synthetic", 6, "--seconds", 12, "--out", out)
    assert.is_true(again.ok)
    assert.equal(before, fs.stat(data.entries(out)[1].audio_path).modified)
  end)

  it("windows: transposition moves rows and labels together", function()
    local config = setmetatable({ rows = 32, shift = 6, equaliser = 0, noise = 0, clips = false },
      { __index = recipe.config })
    local entries = data.entries(out, "train")
    local plain, moved = data.windows(entries, config), data.windows(entries, config, true)
    assert.equal(plain:size(), moved:size())
    assert.is_true(plain:size() >= 3)
    local shifts = 0
    for i = 1, plain:size() do
      local sample = moved:get(i)
      assert.same({ 32, features.bins }, sample.features:size())
      assert.same({ 32 }, sample.root:size())
      local found                             -- the place and the transposition that explain the window
      local entry = entries[1]
      for _, candidate in ipairs(entries) do
        if plain:id(i):find(candidate.id, 1, true) then entry = candidate end
      end
      local rows = data.open(entry).rows:to "f32"
      for first = 0, rows:size(1) - 32 do
        for shift = -6, 6 do
          local from, by = math.max(0, -2 * shift), 2 * shift
          local width = features.bins - math.abs(by)
          local a = rows:narrow(1, first + 1, 32):narrow(2, from + 1, width)
          local b = sample.features:narrow(2, math.max(0, by) + 1, width)
          if not found and (a - b):abs():max():item() == 0 then found = { first = first, shift = shift } end
        end
      end
      assert.is_table(found)
      if found.shift ~= 0 then shifts = shifts + 1 end
      local roots = sample.root:tolist()
      for k, root in ipairs(roots) do
        local was = entry.classes.roots[found.first + k]
        assert.equal(was < 0 and -100 or (was + found.shift) % 12, root)
      end
    end
    assert.is_true(shifts > 0)
  end)

  it("windows: clips have one chord each", function()
    local config = setmetatable({ rows = 16, clips = true }, { __index = recipe.config })
    local set = data.windows(data.entries(out, "valid"), config)
    local entry = data.open(data.entries(out, "valid")[1])
    assert.equal(#entry.segments, set:size())
    for i, segment in ipairs(entry.segments) do
      local sample = set:get(i)
      local kind = chord.classify(segment.label)
      assert.same({ 16, features.bins }, sample.features:size())
      assert.same({ kind }, sample.chord_type:tolist())
    end
  end)

  local small = { "--model.channels", "4,8,8", "--model.width", 32, "--model.blocks", 1, "--rows", 64 }

  it("train, evaluate, transcribe: leave what they promise", function()
    local result = run("train", "--data", out, "--epochs", 2, "--run", runs, unpack(small))
    assert(result.ok, result.output)
    local history = lt.json.load(fs.join(runs, "history.json"))
    for _, key in ipairs { "train_loss", "val_loss", "learning_rate",
      "val_chord_type_acc", "val_root_acc", "val_bass_note_acc",
      "train_chord_type_loss", "train_root_loss", "train_bass_note_loss" } do
      assert.equal(2, #history[key], key)
    end
    assert.is_true(fs.is_file(fs.join(runs, "report/valid/metrics.json")))

    local evaluated = run("evaluate", "--data", out, "--checkpoint", runs)
    assert(evaluated.ok, evaluated.output)
    assert.truthy(evaluated.output:find "majmin%s+[01]%.%d%d%d%d")
    local report = fs.join(runs, "report/test")
    local metrics = lt.json.load(fs.join(report, "metrics.json"))
    assert.equal(2, metrics.songs)
    assert.is_number(metrics.scores.sevenths)
    assert.is_number(metrics.answers.chord_type_top3)
    assert.equal(32 + 1, select(2, fs.read(fs.join(report, "classes.csv")):gsub("\n", "")))
    for _, entry in ipairs(data.entries(out, "test")) do
      chord.read_lab(fs.join(report, "lab", entry.id .. ".lab"))
      chord.read_lab(fs.join(report, "lab", entry.id .. ".truth.lab"))
    end

    local entry = data.entries(out, "test")[1]
    local lab = fs.join(folder, "song.lab")
    local transcribed = run("transcribe", entry.audio_path, "--out", lab, "--checkpoint", runs)
    assert(transcribed.ok, transcribed.output)
    local segments = chord.read_lab(lab)
    assert.equal(0, segments[1].start)
    assert.near(lt.audio.info(entry.audio_path).duration, segments[#segments].stop, 1e-5)

    fs.write(fs.join(folder, "empty.wav"), "")
    local bad = run("transcribe", fs.join(folder, "empty.wav"), "--checkpoint", runs)
    assert.equal(4, bad.code)
    assert.truthy(bad.output:find("empty.wav", 1, true))
    assert.is_nil(fs.stat(fs.join(folder, "empty.lab")))
  end)

  it("train: learns from clips, and with the one-cycle schedule", function()
    local result = run("train", "--data", out, "--epochs", 1, "--run", fs.join(folder, "clips"), "--clips",
      "--scheduler", "onecycle", "--no-restore_best", unpack(small))
    assert(result.ok, result.output)
    local history = lt.json.load(fs.join(folder, "clips/history.json"))
    assert.is_true(history.train_loss[1] > 0 and history.train_loss[1] < 20)
  end)

  it("train: takes the settings of the task it grew from", function()
    local place = fs.join(folder, "slow")
    local result = run("train", "--config", "recipes/chord/slow.yaml", "--data", out, "--epochs", 1, "--run",
      place, unpack(small))
    assert(result.ok, result.output)
    local values = lt.json.load(fs.join(place, "config.json"))
    for name, value in pairs { learning_rate = 1e-4, weight_decay = 0.01, batch_size = 16, warmup_epochs = 5,
      scheduler = "cosine", gradient_clip = 1, label_smoothing = 0.1, chord_type_weight = 1, root_weight = 1,
      bass_weight = 0.5, checkpoint_dir = "checkpoints", save_every = 5, patience = 15, min_delta = 0.001,
      log_every = 50, device = "auto" } do
      assert.equal(value, values[name], name)
    end
  end)

  it("say in one line what is wrong", function()
    local function wrong(code, what, ...)
      local result = run(...)
      assert.equal(code, result.code, result.output)
      assert.truthy(result.output:find(what, 1, true), result.output)
      assert.equal(1, select(2, result.output:gsub("\n", "")), result.output)
    end
    wrong(2, "give either --midi FOLDER or --synthetic N", "prepare", "--out", fs.join(folder, "x"))
    wrong(4, "/nowhere: no such folder", "prepare", "--midi", "/nowhere", "--out", fs.join(folder, "x"))
    wrong(4, "manifest.json: no such file", "train", "--data", "/nowhere")
    wrong(2, "transcribe: wants SONG..., got nothing", "transcribe")
  end)
end)
