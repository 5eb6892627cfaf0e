-- The musician recipes: exact sizes, features from files as they are downloaded, and all commands from data
-- to export.

local fs = lt.fs
local program = require "program"

local musician = lt.recipe "musician"
local data = require "musician_data"
local mood = require "musician_mood"
local prepare = require "musician_prepare"
local sources = require "musician_sources"

local folder = program.folder()
local recipes = {}
for _, recipe in ipairs(prepare.recipes({}, fs.dirname(musician.path))) do
  recipes[recipe.source.model_name] = recipe
end

local function run(...)
  return program.run({ "run", "musician", ... }, { directory = folder, timeout = 300,
    env = { LUATRAIN_PATH = program.library() } })
end

local function done(...)
  local result = run(...)
  assert.equal(0, result.code, result.err)
  return result
end

teardown(program.clean)

describe("the five models", function()
  local SIZES = {
    emotion = { 403264, 128, 64 }, melody = { 641664, 64, 128 }, harmony = { 74176, 128, 64 },
    dynamics = { 13520, 32, 16 }, groove = { 18656, 64, 32 },
  }
  for name, size in pairs(SIZES) do
    it("has the parameters and the sizes that are asked for: " .. name, function()
      local source = recipes[name].source
      local model = source.model()
      assert.equal(size[1], model:num_parameters())
      assert.equal(size[2], source.inputs)
      assert.equal(size[3], source.outputs)
      local shape = source.window > 1 and { 2, 5, size[2] } or { 2, size[2] }
      local y = model(lt.rand(shape))
      assert.equal(size[3], y:size(-1))
      assert.is_true(y:min():item() >= ((name == "emotion" or name == "groove") and -1 or 0))
      assert.is_true(y:max():item() <= 1)
      if name == "harmony" then assert.is_true((y:sum(-1) - 1):abs():max():item() < 1e-5) end
      local target = y:detach() * 0.5 + 0.25
      local loss = source.measure(y, target)
      loss:backward()
      assert.is_true(loss:item() == loss:item())
    end)
  end
end)

describe("moods", function()
  it("are names or numbers, and codes that grow with them", function()
    assert.same({ valence = 0.8, arousal = 0.4 }, mood.read("Happy", "x"))
    assert.same({ valence = -1, arousal = 0.5 }, mood.read({ valence = "-1", arousal = 0.5 }, "x"))
    assert.same(mood.read("sad", "x"), mood.read({ emotion = "sad" }, "x"))
    local low = mood.code({ valence = -0.5, arousal = 0 }, 8)
    local high = mood.code({ valence = 0.5, arousal = 0 }, 8)
    for i = 1, 4 do
      assert.is_true(high[i] > low[i])
      assert.equal(low[4 + i], high[4 + i])
    end
    assert.same({ 0, 0, 0, 0 }, mood.code(nil, 4))
  end)

  it("tells what is wrong with a label", function()
    for text, label in pairs {
      ["x: no mood is called 'hapy'; did you mean happy?"] = "hapy",
      ["x: valence is 3, wanted a number from -1 to 1"] = { valence = 3, arousal = 0 },
      ["x: arousal is 'loud', wanted a number"] = { valence = 0, arousal = "loud" },
      ["x: valence is 'nan'"] = { valence = "nan", arousal = 0 },
      ["x: wants the name of a mood"] = 7,
    } do
      local ok, problem = pcall(mood.read, label, "x")
      assert.is_false(ok)
      assert.is_truthy(tostring(problem):find(text, 1, true), tostring(problem))
    end
  end)
end)

-- ---- features -----------------------------------------------------------------------------------

local function midi_file(name, notes, more)
  local song = more or {}
  song.notes = notes
  local path = fs.join(folder, name)
  fs.mkdir(fs.dirname(path))
  lt.midi.write(path, song)
  return path
end

local function read(name, entry)
  return recipes[name].source.read(entry, { seconds = 45, seed = 1 }, 0)
end

describe("features", function()
  it("of a melody: what sounds, and what comes next", function()
    local path = midi_file("one.mid", {
      { start = 0, stop = 0.5, pitch = 60 }, { start = 0.5, stop = 1, pitch = 64 },
      { start = 1, stop = 1.02, pitch = 67 }, { start = 1, stop = 1.5, pitch = 72 },
      { start = 0, stop = 1.5, pitch = 36, channel = 9 } })
    local x, y = read("melody", { id = "one", midi = path, mood = { valence = 1, arousal = -1 } })
    assert.same({ 2, 64 }, x:size())
    assert.same({ 2, 128 }, y:size())
    for i, value in ipairs(mood.code({ valence = 1, arousal = -1 }, 32)) do
      assert.is_near(value, x[1][i]:item(), 1e-6)
    end
    assert.is_near(1, x[1][33]:item(), 1e-3)                           -- C sounds all the time
    assert.is_near(0, x[1][37]:item(), 1e-3)
    assert.is_near(1, x[2][37]:item(), 1e-3)                           -- then E
    assert.is_near(0.5 ^ 0.125, x[2][45]:item() / x[1][45]:item(), 1e-3)  -- C fades in memory
    assert.is_near(0.25, x[1][57 + 3]:item(), 1e-6)                    -- one note in the keys from 48 to 63
    assert.equal(1, y[1][65]:item())
    assert.equal(1, y[1]:sum():item())
    assert.equal(1, y[2][73]:item())                                   -- 67 sounds 20 ms only
    assert.equal(1, y[2]:sum():item())
  end)

  it("of chords: in both ways of writing, transposed as a whole", function()
    local x, y = read("harmony", { id = "song",
      chords = { "C", "A:min7", "Am", "X", "G7", "Bdim", "N", "C:dim7" } })
    assert.same({ 5, 128 }, x:size())
    local function class(row) return y[row]:argmax():item() end
    assert.equal(9 * 5 + 1, class(1))                                  -- A minor once
    assert.equal(7 * 5 + 2, class(2))
    assert.equal(11 * 5 + 4, class(3))
    assert.equal(63, class(4))
    assert.equal(60, class(5))
    assert.equal(1, x[1][65]:item())
    assert.is_near(0.6, x[2][65]:item(), 1e-6)
    assert.equal(1, x[2][64 + 9 * 5 + 1 + 1]:item())
    for _ = 1, 30 do
      local moved_x, moved_y = recipes.harmony.source.augment(x, y)
      assert.is_near(x:sum():item(), moved_x:sum():item(), 1e-4)
      assert.equal(5, moved_y:sum():item())
      local by = (moved_y[1]:argmax():item() - 46) / 5 % 12
      assert.equal((60 + by % 3), moved_y[5]:argmax():item())
      assert.equal(63, moved_y[4]:argmax():item())
      assert.is_near(1, moved_x[2][64 + moved_y[1]:argmax():item() + 1]:item(), 1e-6)
    end
  end)

  it("of a performance: four seconds in, two seconds out", function()
    local notes = {}
    for k = 0, 79 do
      notes[k + 1] = { start = k / 10, stop = k / 10 + 0.1, pitch = 60 + k % 3, velocity = 40 + k }
    end
    local x, y = read("dynamics", { id = "p", midi = midi_file("p.mid", notes) })
    assert.same({ 3, 32 }, x:size())
    assert.same({ 3, 16 }, y:size())
    assert.is_near((40 + 4.5) / 127, x[1][1]:item(), 1e-4)
    assert.is_near((40 + 44.5) / 127, y[1][1]:item(), 1e-4)
    assert.is_near(x[2][1]:item(), x[1][9]:item(), 1e-6)               -- a second later
    assert.is_near(y[1][9]:item(), y[2][1]:item(), 1e-6)
    assert.is_true(x:min():item() >= 0 and x:max():item() <= 1)
  end)

  it("of drums: Roland's keys as 9 classes, accents and delays of 16 steps", function()
    local step, notes = 60 / 120 / 4, {}
    for bar = 0, 1 do
      for k = 0, 15, 4 do
        notes[#notes + 1] = { start = (bar * 16 + k) * step, stop = (bar * 16 + k) * step + 0.05, pitch = 36,
          velocity = 127, channel = 9 }
      end
      notes[#notes + 1] = { start = (bar * 16 + 2.25) * step, stop = (bar * 16 + 2.25) * step + 0.05,
        pitch = 22,
        velocity = 64, channel = 9 }
      notes[#notes + 1] = { start = (bar * 16 + 8) * step, stop = (bar * 16 + 8) * step + 0.05, pitch = 99,
        channel = 9 }
    end
    local path = midi_file("beat.mid", notes, { tempos = { { time = 0, bpm = 120 } } })
    local x, y = read("groove", { id = "g", midi = path })
    assert.same({ 1, 64 }, x:size())
    assert.is_near(4 / 16, x[1][1]:item(), 1e-6)                       -- four kicks
    assert.is_near(1, x[1][2]:item(), 1e-6)
    assert.is_near(1, x[1][6]:item(), 1e-6)                            -- all on beats
    assert.is_near(1 / 16, x[1][43]:item(), 1e-6)                      -- the edge of a closed hi-hat
    assert.is_near(0.5, x[1][46]:item(), 2e-2)                         -- a quarter of a step late
    assert.is_near(0.6, x[1][64]:item(), 1e-6)
    assert.is_near(1, y[1][1]:item(), 1e-6)
    assert.equal(-1, y[1][2]:item())
    assert.is_near(64 / 127 * 2 - 1, y[1][3]:item(), 1e-5)
    assert.is_near(0.5, y[1][16 + 3]:item(), 2e-2)
  end)
end)

-- ---- data sets as downloaded --------------------------------------------------------------------

describe("data sets as they are downloaded", function()
  local root, found, skipped

  local function place(path, text)
    path = fs.join(root, path)
    fs.mkdir(fs.dirname(path))
    fs.write(path, text)
  end

  local function ids(name)
    local list = {}
    for i, entry in ipairs(found[name]) do list[i] = entry.id end
    table.sort(list)
    return list
  end

  local function entry(name, id)
    for _, one in ipairs(found[name]) do if one.id == id then return one end end
  end

  setup(function()
    root = fs.mkdir(fs.join(folder, "sets"))
    local song = lt.midi.encode { notes = { { start = 0, stop = 1, pitch = 60 } } }
    place("maestro-v3.0.0/maestro-v3.0.0.csv", "canonical_composer,canonical_title,split,year,midi_filename\n"
      .. 'A. Composer,"Sonata, No. 1",validation,2004,2004/a.midi\n')
    place("maestro-v3.0.0/2004/a.midi", song)
    place("asap/metadata.csv", "composer,title,midi_performance\nBach,Fugue_1,Bach/Fugue/1/X.mid\n")
    place("asap/Bach/Fugue/1/X.mid", song)
    place("groove/info.csv", "drummer,session,id,style,bpm,beat_type,time_signature,midi_filename,split\n"
      .. "drummer1,s,i,rock,100,beat,4-4,drummer1/s/1_rock_100_beat_4-4.mid,test\n"
      .. "drummer1,s,j,rock,100,fill,4-4,drummer1/s/2_rock_100_fill_4-4.mid,test\n"
      .. "drummer1,s,k,rock,100,beat,6-8,drummer1/s/3_rock_100_beat_6-8.mid,test\n")
    place("POP909/001/chord_midi.txt", "0.0 1.0 C:maj\n1.0 2.0 G:7\n")
    place("POP909/001/001.mid", song)
    place("lmd_full/a/abc.mid", song)
    place("lmd_matched/A/B/C/TRABCDE1234567890F/def.mid", song)
    local per_song = "DEAM/annotations/annotations averaged per song/"
    place(per_song .. "song_level/static_annotations_averaged_songs_1_2000.csv",
      "song_id, valence_mean, valence_std, arousal_mean, arousal_std\n2,3,1,9,1\n3,12,1,5,1\n4,5,1,5,1\n")
    place(per_song .. "dynamic (per second annotations)/valence.csv", "song_id,sample_15000ms\n2,0.1\n")
    place("DEAM/MEMD_audio/2.mp3", "x")
    place("mine/labels.csv",
      "audio,valence,arousal,piece\na.wav,0.5,-0.5,P\nb.mid,1,1,P\nc.wav,2,0,P\nd.wav,0,0,P\n")
    place("mine/a.wav", "x")
    place("mine/b.mid", song)
    place("mine/c.wav", "x")
    place("happy/one.mid", song)
    place("happy/one.json", '{"emotion": "happy"}')
    place("happy/two.mid", song)
    place("happy/moods.json", '{"two.mid": {"valence": 0.1, "arousal": 0.2}, "three.mid": "sad"}')
    place("chords/songs.json", '[{"chords": ["C", "F"], "song": "S", "emotion": "calm"}, {"chords": 5}]')
    place("my drums/x.mid", song)
    place("bad.json", "{")
    place("no/columns.csv", "file,mood\na.wav,sad\n")
    place("prepared/old.csv", "nothing")
    skipped = lt.data.skipped(root)
    found = sources.find(root, skipped)
  end)

  it("are found, each for its models", function()
    assert.same({ "DEAM/MEMD_audio/2.mp3", "mine/a.wav", "mine/b.mid" }, ids "emotion")
    assert.same({ "2004/a.midi", "Bach/Fugue/1/X.mid", "happy/one.mid", "happy/two.mid", "lmd_full/a/abc.mid",
      "lmd_matched/A/B/C/TRABCDE1234567890F/def.mid", "mine/b.mid" }, ids "melody")
    assert.same({ "2004/a.midi", "Bach/Fugue/1/X.mid", "happy/one.mid", "happy/two.mid" }, ids "dynamics")
    assert.same({ "POP909/001/chord_midi.txt", "chords/songs.json, progression 1" }, ids "harmony")
    assert.same({ "drummer1/s/1_rock_100_beat_4-4.mid", "my drums/x.mid" }, ids "groove")
  end)

  it("keep their splits, moods and what belongs together", function()
    assert.equal("valid", entry("melody", "2004/a.midi").split)
    assert.equal("A. Composer/Sonata, No. 1", entry("melody", "2004/a.midi").group)
    assert.equal("Bach/Fugue_1", entry("dynamics", "Bach/Fugue/1/X.mid").group)
    assert.equal("test", entry("groove", "drummer1/s/1_rock_100_beat_4-4.mid").split)
    assert.equal(100, entry("groove", "drummer1/s/1_rock_100_beat_4-4.mid").bpm)
    assert.same({ valence = -0.5, arousal = 1 }, entry("emotion", "DEAM/MEMD_audio/2.mp3").mood)
    assert.equal(entry("emotion", "mine/a.wav").group, entry("emotion", "mine/b.mid").group)
    assert.same(mood.read("happy", ""), entry("melody", "happy/one.mid").mood)
    assert.same({ valence = 0.1, arousal = 0.2 }, entry("melody", "happy/two.mid").mood)
    assert.equal("TRABCDE1234567890F", entry("melody", "lmd_matched/A/B/C/TRABCDE1234567890F/def.mid").group)
    assert.same(mood.read("calm", ""), entry("harmony", "chords/songs.json, progression 1").mood)
  end)

  it("are told where they are damaged", function()
    local all = {}
    for i, one in ipairs(skipped.list) do all[i] = one.error end
    local text = table.concat(all, "\n")
    for _, problem in ipairs {
      "1_2000.csv, record 3, on a scale from 1 to 9: valence is 1.75, wanted a number from -1 to 1",
      "1_2000.csv, record 4: there is no sound file 4", "labels.csv, record 4: valence is 2, wanted",
      "labels.csv, record 5: ", "no such file", "moods.json: neither chord progressions nor moods",
      "songs.json, progression 2: wants an object with a list", "bad.json",
      "columns.csv: has no column 'valence'",
    } do
      assert.is_truthy(text:find(problem, 1, true), problem .. " is not in\n" .. text)
    end
    assert.equal(8, #all, text)
  end)
end)

-- ---- splits -------------------------------------------------------------------------------------

describe("splits", function()
  local c = { datasets_dir = fs.join(folder, "split"), val_split = 0.25, test_split = 0.25, max_frames = 1e6 }
  local source = { model_name = "toy", inputs = 3, outputs = 2, window = 2, hop = 1, variants = 1,
    normalizer = "standard",
    read = function(entry, _, variant)
      return lt.full({ 4, 3 }, entry.value + variant / 2) + lt.rand(4, 3), lt.zeros(4, 2)
    end }

  it("keep groups together, fit on the training split only, and learn from variants only there", function()
    local entries = {}
    for i = 1, 16 do entries[i] = { id = "p" .. i, group = "g" .. math.ceil(i / 2), value = i } end
    entries[17] = { id = "given", group = "given", split = "test", value = 100 }
    assert.same({ 17, 17 * 2 * 4, 0 }, { data.write(source, entries, c, lt.data.skipped(folder)) })
    local sets = data.sets(source, c)
    assert.same({ train = 8, valid = 4, test = 5 }, sets.facts.pieces)
    local part = {}
    for _, name in ipairs { "train", "valid", "test" } do
      for i = 1, sets[name]:size() do
        local id = sets[name]:id(i):match "^[^,]+"
        local group = id == "given" and id or math.ceil(tonumber(id:match "%d+") / 2)
        assert.is_true(part[group] == nil or part[group] == name)
        part[group] = name
      end
    end
    assert.equal("test", part.given)
    assert.equal(8 * 2 * 3, sets.train:size())
    assert.equal(4 * 2, sets.valid:size())
    assert.equal(8 * 2 * 4, sets.facts.normalizer.count)
    local batch = sets.train:batch(5):one(1, 1)
    assert.same({ 5, 2, 3 }, batch.x:size())
    assert.same({ 5, 2, 2 }, batch.y:size())
    local one = sets.train:get(1)
    assert.is_true((one.x - batch.x[1]):abs():max():item() < 1e-6)
    local mean = sets.train:batch(1000):one(1, 1).x:mean():item()
    assert.is_true(math.abs(mean) < 0.1)
  end)

  it("are refused where too little is there, or the file is for another model", function()
    local few = { datasets_dir = fs.join(folder, "few"), val_split = 0.2, test_split = 0.1, max_frames = 1e6 }
    data.write(source, { { id = "a", group = "a", value = 1 } }, few, lt.data.skipped(folder))
    local ok, problem = pcall(data.sets, source, few)
    assert.is_false(ok)
    assert.is_truthy(tostring(problem):find("pieces are too few", 1, true))
    source.inputs = 4
    ok, problem = pcall(data.sets, source, few)
    source.inputs = 3
    assert.is_false(ok)
    assert.is_truthy(tostring(problem):find("not made for the toy model", 1, true))
  end)
end)

-- ---- rendering ----------------------------------------------------------------------------------

describe("MIDI files with moods", function()
  it("are rendered as far as they are heard, once, and read in variants", function()
    if not lt.synth.program() then return pending "fluidsynth is not installed" end
    local root = fs.mkdir(fs.join(folder, "labelled"))
    local notes = {}
    for k = 0, 59 do notes[k + 1] = { start = k / 2, stop = k / 2 + 0.4, pitch = 60 + k % 12 } end
    lt.midi.write(fs.join(root, "long.mid"), { notes = notes,
      tempos = { { time = 0, bpm = 120 }, { time = 25, bpm = 60 } } })
    lt.midi.write(fs.join(root, "none.mid"), { notes = {} })
    fs.write(fs.join(root, "labels.csv"), "midi,valence,arousal\nlong.mid,1,-1\nnone.mid,0,0\n")
    local function prepared()
      local result = done("prepare", "--datasets-dir", root, "--models", "emotion", "--seconds", "20",
        "--max-skipped", "0.5")
      assert.is_truthy(result.err:find("none.mid: MIDI file without notes", 1, true), result.err)
      local audio = fs.find(fs.join(root, "prepared/audio"), "%.flac$")
      assert.equal(1, #audio)
      assert.is_true(lt.audio.info(audio[1]).duration < 25)
      return fs.stat(audio[1]).modified
    end
    local before = prepared()
    assert.equal(before, prepared())
    local tensors, metadata = lt.safetensors.load(data.path(root, "emotion"))
    local pieces = lt.json.decode(metadata.musician).pieces
    assert.equal(5, #pieces)
    assert.equal(39, pieces[1].frames)                                 -- 20 s of 22 columns of 512 samples
    local first, second = tensors.x:narrow(1, 1, 30), tensors.x:narrow(1, 40, 30)
    assert.is_true((first - second):abs():mean():item() > 0.5)         -- another key and speed
    local code = mood.code({ valence = 1, arousal = -1 }, 64)
    for i = 1, 64 do assert.is_near(code[i], tensors.y[100][i]:item(), 1e-6) end
  end)
end)

-- ---- commands -----------------------------------------------------------------------------------

describe("luatrain run musician", function()
  setup(function()
    done("train", "--synthetic", "--epochs", "2", "--output", "trained", "--batch-size", "16", "--no-report",
      "--val-split", "0.2", "--early-stopping-patience", "10", "--checkpoint-every", "10")
  end)

  it("warns of synthetic data so that nobody can miss it", function()
    local result = done("train", "--synthetic", "--epochs", "1", "--models", "groove", "--output", "loud")
    assert.is_truthy(result.err:find("!!  SYNTHETIC DATA: 60 of the pieces for the groove model are made up",
      1, true), result.err)
    assert.is_truthy(result.out:find "groove.*SYNTHETIC")
  end)

  it("ends training in a table of all models", function()
    local results = lt.json.load(fs.join(folder, "trained/training_results.json")).models
    for name in pairs(recipes) do
      assert.equal("valid", results[name].part)
      assert.is_true(results[name].loss > 0 and results[name].mean_predictor_loss > 0)
      assert.is_true(fs.is_file(fs.join(folder, "trained", name, "checkpoints/best.safetensors")))
    end
    assert.is_true(results.dynamics.loss < results.dynamics.mean_predictor_loss)
  end)

  it("goes on with --resume, and does nothing more once all is done", function()
    local result = done("train", "--models", "harmony", "--datasets-dir", "trained/synthetic",
      "--output", "trained",
      "--epochs", "3", "--resume", "--batch-size", "16")
    assert.is_truthy(result.err:find("resumed from", 1, true), result.err)
    result = done("train", "--models", "harmony", "--datasets-dir", "trained/synthetic",
      "--output", "trained",
      "--epochs", "3", "--resume", "--batch-size", "16")
    assert.is_truthy(result.err:find("nothing is left to do", 1, true), result.err)
  end)

  it("evaluates: errors, latencies, sizes", function()
    local result = done("evaluate", "--models-dir", "trained", "--datasets-dir", "trained/synthetic",
      "--latency-runs", "20")
    assert.is_truthy(result.out:find("split 'test'", 1, true))
    local all = lt.json.load(fs.join(folder, "evaluation_results.json")).models
    for name, recipe in pairs(recipes) do
      local r = all[name]
      assert.equal(recipe.source.model():num_parameters(), r.parameters)
      assert.equal(r.parameters * 4, r.bytes)
      for _, key in ipairs { "single", "batch" } do
        local l = r.latency[key]
        assert.is_true(l.p50_ms > 0 and l.p50_ms <= l.p95_ms and l.p95_ms <= l.p99_ms and l.average_ms > 0)
      end
      assert.is_true(r.rmse > 0 and r.r2 <= 1 and math.abs(r.cosine_similarity) <= 1.00001)
      assert.equal(r.samples, r.samples_of.test)
    end
  end)

  it("measures what the mean of the training data would reach", function()
    local evaluation = require "musician_evaluate"
    local source = recipes.dynamics.source
    local target = lt.rand(40, 16)
    local set = lt.data.from(40, function(i) return { x = lt.zeros(32), y = target[i] } end)
    local one = { name = "dynamics", recipe = { source = source, measure = source.measure },
      facts = { mean_target = target:mean(1):tolist() },
      model = function(x) return target:mean(1):expand(x:size(1), 16) end }
    local r = evaluation.measure(one, set)
    assert.is_near(r.mean_predictor_loss, r.loss, 1e-6)
    assert.is_near(0, r.r2, 1e-4)
    assert.is_near(math.sqrt(r.loss), r.rmse, 1e-5)
  end)

  it("exports what RTNeural loads, with the normalizer as a layer, and safetensors", function()
    local result = done("export", "--models-dir", "trained", "--out", "plugin", "--check")
    for name, recipe in pairs(recipes) do
      assert.is_truthy(result.err:find("plugin/" .. name .. ".json: 2 examples", 1, true), result.err)
      local file = lt.json.load(fs.join(folder, "plugin", name .. ".json"))
      assert.equal(recipe.source.inputs, file.in_shape[3])
      assert.equal(recipe.source.normalizer and "batchnorm" or "dense", file.layers[1].type)
    end
    done("export", "--models-dir", "trained", "--models", "groove", "--format", "safetensors",
      "--out", "plugin")
    local weights = lt.safetensors.load(fs.join(folder, "plugin/groove.safetensors"))
    assert.same({ 128, 64 }, weights["0.weight"]:size())
  end)
end)
