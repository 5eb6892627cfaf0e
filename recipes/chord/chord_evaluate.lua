-- The evaluate command of the chord recipe: how often the answers are right, and mir_eval's scores of
-- whole songs.
--
-- Writes, below the run's report folder (or --out):
--
--     metrics.json        losses, accuracies, top-k, scores of all songs together and of each
--     classes.csv         precision, recall, F1 and support of every type
--     confusion.png       types taken for each other
--     lab/SONG.lab        the chords found, and lab/SONG.truth.lab beside them: what mir_eval would read

local chord = require "luatrain.music.chord"
local chord_scores = require "luatrain.music.chord_scores"
local data = require "chord_data"
local failure = require "luatrain.failure"
local features = require "chord_features"
local recognise = require "chord_recognise"
local fs, metrics = lt.fs, lt.metrics

local evaluation = {}

--- Settings of the command.
evaluation.config = {
  split = lt.config.choice("test", { "test", "valid", "train" }, "which songs"),
  out = lt.config.string("", "folder to write; empty: the run's report folder"),
  json = lt.config.flag(false, "print one JSON object instead of a table"),
}

local HEADS = { { "chord_type", 32 }, { "root", 12 }, { "bass_note", 12 } }

-- Loss, accuracy, top-3 and top-5 of each head over a loader, and the confusion matrix of the types.
local function answers(model, loader, config)
  local sums, confusion, n = {}, lt.zeros({ 32, 32 }, "i64"), {}
  for _, head in ipairs(HEADS) do sums[head[1]], n[head[1]] = { loss = 0, acc = 0, top3 = 0, top5 = 0 }, 0 end
  local fetch = loader:epoch(1)
  local function batch_of()
    local batch = fetch()
    if not batch then return false end
    local outputs = { model(batch.features, batch.root, config.clips) }
    local free = { model(batch.features, nil, config.clips) }        -- knowing no root but its own
    for i, head in ipairs(HEADS) do
      local sum, target, scores = sums[head[1]], batch[head[1]]:flatten(), free[i]:flatten(1, 2)
      local many = target:ge(0):to("f32"):sum():item()
      if many > 0 then
        local function add(name, value) sum[name] = sum[name] + value * many end
        add("loss", lt.loss.cross_entropy(outputs[i]:flatten(1, 2), target, { ignore_index = -100 }):item())
        add("acc", metrics.accuracy(scores, target))
        add("top3", metrics.topk_accuracy(scores, target, 3))
        add("top5", metrics.topk_accuracy(scores, target, 5))
        n[head[1]] = n[head[1]] + many
      end
    end
    lt.op.no_grad(function()
      confusion:copy_(confusion + metrics.confusion_matrix(free[1]:flatten(1, 2), batch.chord_type:flatten()))
    end)
    return true
  end
  repeat until not lt.no_grad(lt.scope, batch_of)
  local result = {}
  for name, sum in pairs(sums) do
    for what, value in pairs(sum) do result[name .. "_" .. what] = value / math.max(1, n[name]) end
  end
  local c = config
  result.total_loss = result.chord_type_loss * c.chord_type_weight + result.root_loss * c.root_weight
    + result.bass_note_loss * c.bass_weight
  return result, confusion
end

-- Recognises every song, writes its .lab and scores it. Returns the pooled scores and those of the songs.
local function songs(model, entries, config, folder, line)
  fs.mkdir(fs.join(folder, "lab"))
  local list, by_song = {}, {}
  for i, entry in ipairs(entries) do
    lt.scope(function()
      local found = recognise.song(model, features.of_rows(data.open(entry).rows, entry.seconds), config)
      chord.write_lab(fs.join(folder, "lab", entry.id .. ".lab"), found)
      chord.write_lab(fs.join(folder, "lab", entry.id .. ".truth.lab"), entry.segments)
      list[i] = chord_scores.evaluate(entry.segments, found)
    end)
    by_song[entry.id] = { majmin = list[i].majmin, sevenths = list[i].sevenths, seg = list[i].seg }
    if i % 10 == 0 or i == #entries then line("%d of %d songs", i, #entries) end
  end
  return chord_scores.pool(list), by_song
end

-- The types that occur, as a smaller matrix with their names; writes classes.csv and confusion.png.
local function write_classes(confusion, folder, line)
  local per_class = metrics.from_confusion(confusion)
  local rows, names, small = { "type,precision,recall,f1,support" }, {}, {}
  for i, name in ipairs(chord.types) do
    rows[#rows + 1] = ("%s,%.4f,%.4f,%.4f,%d"):format(name, per_class.precision[i], per_class.recall[i],
      per_class.f1[i], per_class.support[i])
    if per_class.support[i] > 0 then names[#names + 1] = { name = name, at = i } end
  end
  fs.write(fs.join(folder, "classes.csv"), table.concat(rows, "\n") .. "\n")
  local counts, labels = confusion:tolist(), {}
  for r, row in ipairs(names) do
    small[r], labels[r] = {}, row.name
    for c, column in ipairs(names) do small[r][c] = counts[row.at][column.at] end
  end
  if lt.report.available() then
    lt.report.matrix(fs.join(folder, "confusion.png"), small, { labels = labels, title = "chord types" })
  else
    line "no confusion.png: the program gnuplot is not installed"
  end
  return per_class.macro
end

local function table_of(result)
  local lines = {}
  local function row(format, ...) lines[#lines + 1] = format:format(...) end
  row("%d songs, %.0f s", result.songs, result.seconds)
  row "weighted chord symbol recall (mir_eval's definitions, all songs as one)"
  for _, name in ipairs(chord_scores.names) do row("  %-13s %.4f", name, result.scores[name]) end
  for _, name in ipairs(chord_scores.segmentation_names) do row("  %-13s %.4f", name, result.scores[name]) end
  row("answers        loss    right    top 3    top 5")
  for _, head in ipairs(HEADS) do
    local a, name = result.answers, head[1]
    row("  %-11s %6.4f  %6.2f%%  %6.2f%%  %6.2f%%", name, a[name .. "_loss"], a[name .. "_acc"],
      a[name .. "_top3"], a[name .. "_top5"])
  end
  row("  all         %6.4f", result.answers.total_loss)
  return table.concat(lines, "\n")
end

--- Evaluates a model on entries with their loader; writes the folder; returns the result.
function evaluation.measure(model, entries, loader, config, folder, line)
  fs.mkdir(folder)
  model:eval()
  local found, confusion = answers(model, loader, config)
  local result = { answers = found, classes = write_classes(confusion, folder, line) }
  if not config.clips then
    local pooled, by_song = songs(model, entries, config, folder, line)
    result.songs, result.seconds = pooled.songs, pooled.seconds
    result.scores, result.by_song = pooled, by_song
  end
  lt.json.save(fs.join(folder, "metrics.json"), result)
  return result
end

--- Runs the command.
function evaluation.run(config, context)
  local entries = data.entries(config.data, config.split)
  if #entries == 0 then
    failure.raise("data", "%s: lists no song of the split '%s'", fs.join(config.data, "manifest.json"),
      config.split)
  end
  local folder = config.out
  if folder == "" then
    folder = fs.join(fs.dirname(fs.dirname(context:checkpoint_path())), "report", config.split)
  end
  local model, loader = context:model(), context:loader(config.split)
  local function line(...) context:line(...) end
  local result = evaluation.measure(model, entries, loader, config, folder, line)
  loader:close()
  if config.json then
    print(lt.json.encode(result))
  elseif result.scores then
    print(table_of(result))
  end
  context:line("written to %s", folder)
end

--- At the end of training: the validation songs.
function evaluation.report(model, sets, config, run)
  local entries = data.entries(config.data, "valid")
  if #entries == 0 then return end
  local loader = sets.valid:batch(config.batch_size)
  local folder = run:file("report", "valid")
  local result = evaluation.measure(model, entries, loader, config, folder, function() end)
  loader:close()
  if result.scores then fs.write(run:file("report", "scores.txt"), table_of(result) .. "\n") end
end

return evaluation
