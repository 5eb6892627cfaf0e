-- The transcription recipe's evaluate command on a small data set, with a transcriber that knows the truth.

package.path = "recipes/transcription/?.lua;tests/interop/?.lua;" .. package.path
local evaluation = require "transcription_evaluate"
local failure = require "luatrain.failure"
local manifest = require "transcription_manifest"
local notes = require "transcription_notes"
local report = require "transcription_report"
local scores = require "transcription_scores"
local fs = lt.fs

local folder = fs.temporary_directory()
local data = fs.join(folder, "data")

teardown(function() fs.remove_tree(folder) end)

-- A list of notes that differs by piece.
local function tune(k)
  local list = {}
  for i = 1, 40 do
    list[i] = { start = 0.25 * i, stop = 0.25 * i + 0.2 + 0.1 * (i % 3), pitch = 48 + (i * (5 + k)) % 30,
      velocity = 30 + (i * 7) % 60 }
  end
  return list
end

setup(function()
  local recordings = {}
  fs.mkdir(fs.join(data, "test"))
  for k = 1, 4 do
    local name = ("piece %d"):format(k)
    notes.write_midi(fs.join(data, "test", name .. ".mid"), tune(k))
    fs.write(fs.join(data, "test", name .. ".wav"), "not listened to")
    recordings[k] = { id = name, audio_path = "test/" .. name .. ".wav",
      midi_path = "test/" .. name .. ".mid", duration = 11, composer = k < 3 and "A, \"B\"" or nil,
      soundfont = k < 4 and "Upright.sf2" or "grand.sf2" }
  end
  manifest.write(data, "test", recordings)
end)

local function entries() return manifest.entries(data, "test") end

-- The truth, later by some seconds and louder.
local function late(seconds)
  return function(entry)
    local list = notes.read(entry.midi_path)
    for _, n in ipairs(list) do
      n.start, n.stop, n.velocity = n.start + seconds, n.stop + seconds, n.velocity + 20
    end
    return list
  end
end

local function lines()
  local list = {}
  return list, function(format, ...) list[#list + 1] = format:format(...) end
end

local function said(list, words)
  for _, line in ipairs(list) do
    if line:find(words, 1, true) then return true end
  end
  return false
end

local plain = { viz = false }

describe("evaluate", function()
  it("measures what was found, as it stands in the files", function()
    local out, told = fs.join(folder, "late"), { lines() }
    fs.mkdir(fs.join(out, "midi"))
    for _, name in ipairs { "old.mid", "old.truth.mid", "mine.mid" } do
      fs.write(fs.join(out, "midi", name), "x")
    end
    local summary, pieces, skipped = evaluation.measure(entries(), late(0.03), plain, out, told[2])
    assert.equal(4, #pieces)
    assert.same({}, skipped)
    assert.equal(1, summary.mean.onset_f1)
    assert.equal(1, summary.pooled.velocity_f1)
    assert.near(30, summary.pooled.onset_deviation_median_ms, 1)
    assert.same({ "mine.mid", "piece_1.mid", "piece_1.truth.mid", "piece_2.mid", "piece_2.truth.mid",
      "piece_3.mid", "piece_3.truth.mid", "piece_4.mid", "piece_4.truth.mid" }, fs.list(fs.join(out, "midi")))
    assert.same(pieces[1].found, notes.read(fs.join(out, "midi/piece_1.mid")))
    assert.is_true(said(told[1], "no pictures"))
    assert.equal(0, evaluation.measure(entries(), late(0.06), plain, out).mean.onset_f1)
    assert.equal(1, evaluation.measure(entries(), late(0.06), { viz = false, onset_tolerance = 0.1 },
      out).mean.onset_f1)
  end)

  it("leaves out with a line what has no notes or cannot be read, and goes on", function()
    local list = entries()
    local empty = fs.join(folder, "empty.mid")
    notes.write_midi(empty, {})
    list[2].midi_path = empty
    local told, line = lines()
    local summary, _, skipped = evaluation.measure(list, function(entry)
      if entry.id == "piece 3" then failure.raise("data", "%s: damaged", entry.audio_path) end
      return late(0)(entry)
    end, plain, fs.join(folder, "some"), line)
    assert.equal(2, summary.pieces)
    assert.same({ "piece 2", "piece 3" }, { skipped[1].id, skipped[2].id })
    assert.is_true(said(told, "empty.mid: holds no note of a piano"))
    local written = lt.json.load(fs.join(folder, "some/reports/evaluation_report.json"))
    assert.equal("piece 3", written.skipped[2].id)
    assert.is_true(fs.read(fs.join(folder, "some/index.html")):find("piece 3: ", 1, true) ~= nil)
    assert.is_false(fs.exists(fs.join(folder, "some/midi/piece_3.truth.mid")))
  end)

  it("fails where nothing can be measured, and leaves an earlier report whole", function()
    local out = fs.join(folder, "twice")
    evaluation.measure(entries(), late(0), plain, out)
    local before = fs.read(fs.join(out, "reports/evaluation_report.json"))
    assert.error_matches(function()
      evaluation.measure(entries(), function() failure.raise("data", "no such sound") end, plain, out)
    end, "nothing could be evaluated: no such sound")
    assert.error_matches(function()
      evaluation.measure(entries(), function() error "a mistake in the program" end, plain, out)
    end, "a mistake in the program")
    assert.equal(before, fs.read(fs.join(out, "reports/evaluation_report.json")))
  end)

  it("goes on where it was stopped, if the same is asked for", function()
    local out, calls = fs.join(folder, "stopped"), {}
    local function transcribe(entry)
      calls[#calls + 1] = entry.id
      if entry.id == "piece 2" then return {} end
      if entry.id == "piece 3" and not calls.again then error "stopped" end
      return late(0)(entry)
    end
    local options = { viz = false, stamp = "model 1" }
    assert.error_matches(function() evaluation.measure(entries(), transcribe, options, out) end, "stopped")
    calls.again = true
    local summary, pieces = evaluation.measure(entries(), transcribe, options, out)
    assert.equal("piece 1, piece 2, piece 3, piece 3, piece 4", table.concat(calls, ", "))
    assert.equal(0.75, summary.mean.onset_f1)
    assert.equal("number", type(pieces[1].seconds))
    calls = { 1, 2 }
    calls = { again = true }
    evaluation.measure(entries(), transcribe, options, out)            -- what is done is done anew
    assert.equal(4, #calls)
    calls = {}
    assert.error_matches(function() evaluation.measure(entries(), transcribe, options, out) end, "stopped")
    calls.again = true
    evaluation.measure(entries(), transcribe, { viz = false, stamp = "model 2" }, out)
    assert.equal(3 + 4, #calls)
  end)

  it("chooses recordings", function()
    local list = entries()
    assert.equal(4, #evaluation.select(list, "", 0))
    assert.equal(3, #evaluation.select(list, "upright", 0))
    local spread = evaluation.select(list, "", 2)
    assert.same({ "piece 2", "piece 4" }, { spread[1].id, spread[2].id })
    assert.error_matches(function() evaluation.select(list, "organ", 0) end,
      "no recording with a SoundFont 'organ'; there are Upright.sf2, grand.sf2")
  end)

  it("plays notes as one piano does", function()
    local list = evaluation.playable { { start = 1, stop = 3, pitch = 60, velocity = 1 },
      { start = 0, stop = 2, pitch = 60, velocity = 2 },
      { start = 0.002, stop = 2.5, pitch = 60, velocity = 3 },
      { start = 0, stop = 9, pitch = 61, velocity = 4 } }
    assert.same({ { start = 0, stop = 1, pitch = 60, velocity = 2 },
      { start = 0, stop = 9, pitch = 61, velocity = 4 },
      { start = 1, stop = 3, pitch = 60, velocity = 1 } }, list)
  end)

  it("is a command: settings, a checkpoint's history, a table or JSON", function()
    local run = fs.join(folder, "run")
    fs.mkdir(fs.join(run, "checkpoints"))
    fs.write(fs.join(run, "checkpoints/best.safetensors"), "weights")
    lt.json.save(fs.join(run, "history.json"), { train_loss = { 2, 1 }, val_loss = { 2, 1.5 } })
    local context = { checkpoint_path = function() return fs.join(run, "checkpoints/best.safetensors") end,
      model = function() return "a model" end, line = function() end }
    local printed, original = {}, print
    local function command(more)
      local fields = lt.config.fields(evaluation.config, { manifest_dir = data })
      local config = lt.config.resolve(fields, { { viz = false }, more })
      rawset(_G, "print", function(text) printed[#printed + 1] = text end)
      local ok, e = pcall(evaluation.run, config, context, function(model, c)
        assert.equal("a model", model)
        assert.equal(data, c.manifest_dir)
        return late(0.01)
      end)
      rawset(_G, "print", original)
      if not ok then error(e, 0) end
    end
    command {}
    assert.is_true(printed[1]:find("4 pieces; 160 true notes, 160 found", 1, true) ~= nil)
    command { json = true, pieces = 1, split = "test", soundfont = "grand" }
    assert.equal(1, lt.json.decode(printed[2]).mean.onset_f1)
    assert.equal(1, lt.json.load(fs.join(run, "results/reports/evaluation_report.json")).num_samples)
    assert.error_matches(function() command { plot_types = { "dashbord" } } end,
      "plot_types: 'dashbord' is none of dashboard, .*; did you mean dashboard")
    assert.error_matches(function() command { split = "val" } end, "val_manifest.json: no such file")
  end)

  it("leaves files from which mir_eval makes the same scores", function()
    local peer = require "peer"
    local able, why = peer.has("mir_eval", "pretty_midi")
    if not able then return pending(why) end
    local out = fs.join(folder, "interop")
    local _, pieces = evaluation.measure(entries(), function(entry)
      local list = late(0.045)(entry)
      for i = 1, #list, 5 do list[i].pitch, list[i].stop = list[i].pitch + 12, list[i].stop + 0.3 end
      return list
    end, plain, out)
    local theirs = peer.run("note_files_scores.py", fs.join(out, "midi"), "--json")
    for _, piece in ipairs(pieces) do
      local ours, want = scores.record(piece.scores), theirs[(piece.id:gsub(" ", "_"))]
      for _, name in ipairs { "onset", "offset", "velocity" } do
        for i, field in ipairs { "precision", "recall", "f1" } do
          assert.near(want[name][i], ours[name .. "_" .. field], 1e-9)
        end
      end
      assert.near(want.onset[4], ours.average_overlap, 1e-9)
      assert.is_true(ours.onset_f1 > 0.5 and ours.onset_f1 < 1)
    end
  end)
end)

describe("the report", function()
  local drawable = lt.report.available() and it or pending
  local documented = "sample_id,note_accuracy,onset_f1,onset_precision,onset_recall,offset_f1,pitch_f1,"
    .. "pitch_precision,pitch_recall,timing_error_mean,num_predicted,num_ground_truth,true_positives,"
    .. "false_positives,false_negatives,"

  local function self_contained(page)
    for target in page:gmatch '%s%w+="([^"]*)"' do
      assert.is_nil(target:match "^%w+://", target:sub(1, 40))
    end
    for source in page:gmatch 'src="([^"]*)"' do
      assert.equal("data:image/png;base64,", source:sub(1, 22))
    end
    assert.is_nil(page:find("href", 1, true))
    assert.is_nil(page:find("<script", 1, true))
  end

  it("has the documented columns, quoted where needed, and fields", function()
    local out = fs.join(folder, "columns")
    evaluation.measure(entries(), late(0.02), { viz = false, settings = { onset_tolerance = 0.05 } }, out)
    local rows = {}
    local csv = fs.read(fs.join(out, "reports/evaluation_report.csv"))
    for row in csv:gmatch "[^\n]+" do rows[#rows + 1] = row end
    assert.equal(5, #rows)
    assert.equal(documented, rows[1]:sub(1, #documented))
    assert.equal("piece 1,1,1,1,1,1,", rows[2]:sub(1, 18))
    assert.equal(',"A, ""B""",Upright.sf2', rows[2]:sub(-23))
    local written = lt.json.load(fs.join(out, "reports/evaluation_report.json"))
    assert.equal(4, written.num_samples)
    assert.equal("piece 4", written.samples[4].sample_id)
    assert.equal(lt.json.null, written.samples[4].composer)
    for name in documented:gmatch "[%w_]+" do assert.is_not_nil(written.samples[1][name], name) end
    assert.equal(1, written.aggregated.mean.onset_f1)
    assert.equal(160, written.aggregated.pooled.true_positives)
    assert.equal(0.05, written.settings.onset_tolerance)
    assert.same({ "Upright.sf2", "grand.sf2" }, { written.soundfonts[1].soundfont,
      written.soundfonts[2].soundfont })
    assert.same({}, written.confusion.wrong)
    self_contained(fs.read(fs.join(out, "index.html")))
    assert.is_false(fs.exists(fs.join(out, "visualizations")))
  end)

  drawable("has its pictures, also on the page", function()
    local out = fs.join(folder, "drawn")
    local history = { train_loss = { 3, 2, 1 }, val_loss = { 3, 2.5, lt.json.null },
      learning_rate = { 1, 1, 1 } }
    evaluation.measure(entries(), late(0.02), { history = history, rolls = 2 }, out)
    local names = fs.list(fs.join(out, "visualizations"))
    assert.same({ "confusion_matrix.png", "evaluation_dashboard.png", "metrics_over_time.png",
      "piano_roll_1_piece_1.png", "piano_roll_2_piece_4.png" }, names)
    for _, name in ipairs(names) do
      assert.equal("\137PNG", fs.read(fs.join(out, "visualizations", name)):sub(1, 4))
    end
    local page = fs.read(fs.join(out, "index.html"))
    self_contained(page)
    assert.equal(5, select(2, page:gsub("<img ", "")))
  end)

  drawable("draws what is asked for, and says what is missing", function()
    local out = fs.join(folder, "drawn")
    local told, line = lines()
    evaluation.measure(entries(), late(0), { plot_types = { "metrics_over_time" }, rolls = 1 }, out, line)
    assert.is_true(said(told, "no metrics_over_time.png: there is no training history"))
    assert.is_true(fs.is_file(fs.join(out, "visualizations/piano_roll_1_piece_3.png")))
    assert.is_false(fs.is_file(fs.join(out, "visualizations/piano_roll_2_piece_4.png")))
    assert.equal(1, select(2, fs.read(fs.join(out, "index.html")):gsub("<img ", "")))
    told, line = lines()
    evaluation.measure(entries(), late(0), { history = { history = { { epoch = 1, val_loss = 2 } } },
      plot_types = { "metrics_over_time" }, rolls = 0 }, out, line)
    assert.is_false(said(told, "no metrics_over_time"))
  end)

  drawable("can be made of nothing found, and of notes never played", function()
    local out = fs.join(folder, "nothing")
    local summary = evaluation.measure(entries(), function() return {} end, { rolls = 1 }, out)
    assert.equal(0, summary.mean.onset_f1)
    assert.is_nil(summary.mean.timing_error_mean)
    assert.equal(160, summary.pooled.false_negatives)
    assert.equal(3, #fs.list(fs.join(out, "visualizations")))
    local piece = { id = "silence", truth = {}, found = {}, scores = scores.piece({}, {}) }
    report.write(fs.join(folder, "silence"), { piece }, { rolls = 1 })
    assert.equal(3, #fs.list(fs.join(folder, "silence/visualizations")))
    piece.truth, piece.found = {}, tune(1)
    piece.scores = scores.piece(piece.truth, piece.found)
    assert.equal(0, report.write(fs.join(folder, "silence"), { piece }, { rolls = 1 }).mean.onset_f1)
  end)

  it("does without gnuplot, with one line", function()
    local original = lt.report.available
    lt.report.available = function() return false end
    local out, told = fs.join(folder, "bare"), { lines() }
    local ok, e = pcall(evaluation.measure, entries(), late(0), {}, out, told[2])
    lt.report.available = original
    assert.is_true(ok, e)
    assert.is_true(said(told[1], "no pictures: the program gnuplot is not installed"))
    assert.is_true(fs.is_file(fs.join(out, "reports/evaluation_report.csv")))
    self_contained(fs.read(fs.join(out, "index.html")))
  end)

  it("escapes names", function()
    local piece = { id = "<b>&\"x\"", truth = tune(1), found = tune(1),
      scores = scores.piece(tune(1), tune(1)) }
    report.write(fs.join(folder, "names"), { piece }, plain)
    local page = fs.read(fs.join(folder, "names/index.html"))
    assert.is_truthy(page:find("&lt;b&gt;&amp;&quot;x&quot;", 1, true))
    assert.is_nil(page:find("<b>", 1, true))
  end)
end)
