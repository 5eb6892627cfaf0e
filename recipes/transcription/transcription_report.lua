-- What an evaluation leaves for people and for programs, below a results folder:
--
--     reports/evaluation_report.json      all scores, of each piece, of all, and where mistakes are
--     reports/evaluation_report.csv       a line a piece; the columns are report.columns
--     visualizations/evaluation_dashboard.png, confusion_matrix.png, metrics_over_time.png
--     visualizations/piano_roll_N_ID.png  parts of some pieces, truth above what was found
--     index.html                          all of it on one page that needs no other file
--
-- The CSV file begins with the documented columns; their meaning is in transcription_scores. The documents
-- do not define offset_f1 and pitch_f1: here they are mir_eval's F1 with stops and the F1 of the pitches that
-- sound at each moment (a matching by pitch and start alone would give onset_f1 a second time).

local failure = require "luatrain.failure"
local pictures = require "transcription_pictures"
local scores = require "transcription_scores"
local fs, json, web = lt.fs, lt.json, lt.report.web

local report = {}

--- Names of the pictures that may be asked for.
report.plot_types = { "dashboard", "confusion_matrix", "metrics_over_time" }

--- Columns of evaluation_report.csv: the piece, the scores, and how long it and its transcription are.
report.columns = { "sample_id" }
for _, name in ipairs(scores.names) do table.insert(report.columns, name) end
for _, name in ipairs { "duration", "transcription_seconds", "composer", "soundfont" } do
  table.insert(report.columns, name)
end

-- ---- tables of values ---------------------------------------------------------------------------

-- The line of a piece: its record with what is known of it.
local function row_of(piece)
  local row = scores.record(piece.scores)
  row.sample_id, row.duration, row.transcription_seconds = piece.id, piece.duration, piece.seconds
  row.composer, row.soundfont = piece.composer, piece.soundfont
  return row
end

local function csv_cell(value)
  if value == nil then return "" end
  if type(value) == "number" then return json.number(value) end
  if value:find '[,"\r\n]' then return '"' .. value:gsub('"', '""') .. '"' end
  return value
end

local function csv_of(rows)
  local lines = { table.concat(report.columns, ",") }
  for i, row in ipairs(rows) do
    local cells = {}
    for k, name in ipairs(report.columns) do cells[k] = csv_cell(row[name]) end
    lines[i + 1] = table.concat(cells, ",")
  end
  return table.concat(lines, "\n") .. "\n"
end

-- Every name with its value or null, so that a reader finds the same fields in every report.
local function with_nulls(record, names)
  local full = {}
  for _, name in ipairs(names) do
    local value = record[name]
    full[name] = value == nil and json.null or value
  end
  return full
end

-- {[key] = {hit, all}} as a list of {name = key, notes, right, share}.
local function breakdown_list(counts, name)
  local list = json.array {}
  for _, key in ipairs(lt.core.sorted_keys(counts)) do
    local cell = counts[key]
    list[#list + 1] = { [name] = key, notes = cell.all, right = cell.hit, share = cell.hit / cell.all }
  end
  return list
end

-- {right = [{pitch, notes}], wrong = [{pitch, found, notes}], missed, extra = [{pitch, notes}]}.
local function confusion_list(confusion)
  local result = { right = json.array {}, wrong = json.array {}, missed = json.array {},
    extra = json.array {} }
  for _, row in ipairs(lt.core.sorted_keys(confusion.cells)) do
    for _, column in ipairs(lt.core.sorted_keys(confusion.cells[row])) do
      local n = confusion.cells[row][column]
      if row == column then
        table.insert(result.right, { pitch = row, notes = n })
      else
        table.insert(result.wrong, { pitch = row, found = column, notes = n })
      end
    end
  end
  for _, name in ipairs { "missed", "extra" } do
    for _, pitch in ipairs(lt.core.sorted_keys(confusion[name])) do
      table.insert(result[name], { pitch = pitch, notes = confusion[name][pitch] })
    end
  end
  return result
end

-- Means over the pieces rendered with each SoundFont; nothing where none is named.
local function by_soundfont(pieces)
  local groups, list = {}, json.array {}
  for _, piece in ipairs(pieces) do
    if piece.soundfont then
      groups[piece.soundfont] = groups[piece.soundfont] or {}
      table.insert(groups[piece.soundfont], piece.scores)
    end
  end
  for _, name in ipairs(lt.core.sorted_keys(groups)) do
    local mean = scores.summary(groups[name]).mean
    list[#list + 1] = { soundfont = name, pieces = #groups[name], onset_f1 = mean.onset_f1,
      offset_f1 = mean.offset_f1, velocity_f1 = mean.velocity_f1 or json.null, pitch_f1 = mean.pitch_f1 }
  end
  return list
end

-- The report as one table.
local function result_of(pieces, summary, options)
  local by, samples = scores.breakdown(pieces), json.array {}
  for i, piece in ipairs(pieces) do samples[i] = with_nulls(row_of(piece), report.columns) end
  local aggregated = { pooled = with_nulls(summary.pooled, scores.names) }
  for _, name in ipairs { "mean", "std", "min", "max" } do
    aggregated[name] = with_nulls(summary[name], scores.averaged)
  end
  return { timestamp = os.date "!%Y-%m-%dT%H:%M:%SZ", num_samples = #pieces, samples = samples,
    aggregated = aggregated, settings = options.settings or {}, skipped = json.array(options.skipped or {}),
    matching = "largest (mir_eval), not greedy", soundfonts = by_soundfont(pieces),
    confusion = confusion_list(summary.confusion),
    breakdown = { octave = breakdown_list(by.octave, "octave"), pitch = breakdown_list(by.pitch, "pitch"),
      velocity = breakdown_list(by.velocity, "from"),
      polyphony = breakdown_list(by.polyphony, "notes_sounding"),
      found_octave = breakdown_list(by.found_octave, "octave") } }
end

-- ---- words --------------------------------------------------------------------------------------

local ROWS = { { "onset", "note (pitch, start)" }, { "offset", "note with stop" },
  { "velocity", "note with stop and loudness" }, { "pitch", "pitches, each 10 ms" } }

local OTHERS = { { "note_accuracy", "note accuracy", "%.4f" }, { "frame_accuracy", "frame accuracy", "%.4f" },
  { "average_overlap", "overlap of the notes found", "%.4f" },
  { "timing_error_mean", "distance of the starts, ms", "%.1f", 1000 },
  { "onset_deviation_mean_ms", "starts late by, mean, ms", "%+.1f" },
  { "onset_deviation_std_ms", "starts, deviation, ms", "%.1f" },
  { "offset_deviation_median_ms", "stops late by, median, ms", "%+.1f" },
  { "offset_deviation_std_ms", "stops, deviation, ms", "%.1f" },
  { "polyphony_true", "notes at once, true", "%.2f" },
  { "polyphony_predicted", "notes at once, found", "%.2f" } }

local function shown(value, format, scale) return value and format:format(value * (scale or 1)) or "-" end

-- {header, rows} of the scores, and of the other measures.
local function score_table(summary)
  local rows = {}
  for _, row in ipairs(ROWS) do
    local m, name = summary.mean, row[1]
    if m[name .. "_f1"] then
      rows[#rows + 1] = { row[2], shown(m[name .. "_precision"], "%.4f"), shown(m[name .. "_recall"], "%.4f"),
        shown(m[name .. "_f1"], "%.4f"), shown(summary.std[name .. "_f1"], "%.4f"),
        shown(summary.min[name .. "_f1"], "%.4f"), shown(summary.pooled[name .. "_f1"], "%.4f") }
    end
  end
  return { "mean over pieces", "precision", "recall", "F1", "F1 std", "F1 worst", "F1 all as one" }, rows
end

local function other_table(summary)
  local rows = {}
  for _, row in ipairs(OTHERS) do
    local name, format, scale = row[1], row[3], row[4]
    rows[#rows + 1] = { row[2], shown(summary.mean[name], format, scale),
      shown(summary.std[name], (format:gsub("%+", "")), scale), shown(summary.pooled[name], format, scale) }
  end
  return { "", "mean", "std", "all as one" }, rows
end

local function counts_text(summary)
  local p = summary.pooled
  return ("%d true notes, %d found: %d right, %d missed, %d extra; in place of missed ones %d were found an "
    .. "octave off, %d a semitone off, %d otherwise wrong"):format(p.num_ground_truth, p.num_predicted,
    p.true_positives, p.false_negatives, p.false_positives, p.octave_errors, p.semitone_errors,
    p.other_pitch_errors)
end

--- An evaluation's summary as text for a terminal.
function report.text(summary)
  local lines = { ("%d %s; %s"):format(summary.pieces, summary.pieces == 1 and "piece" or "pieces",
    counts_text(summary)) }
  local function add(header, rows, first)
    local function line(cells)
      local parts = { ("  %-" .. first .. "s"):format(cells[1]) }
      for i = 2, #cells do parts[i] = ("%14s"):format(cells[i]) end
      lines[#lines + 1] = table.concat(parts)
    end
    line(header)
    for _, row in ipairs(rows) do line(row) end
  end
  local header, rows = score_table(summary)
  add(header, rows, 29)
  header, rows = other_table(summary)
  add(header, rows, 29)
  return table.concat(lines, "\n")
end

local function piece_table(pieces)
  local rows, order = {}, {}
  for i, piece in ipairs(pieces) do order[i] = row_of(piece) end
  table.sort(order, function(a, b)
    if a.onset_f1 ~= b.onset_f1 then return a.onset_f1 < b.onset_f1 end
    return a.sample_id < b.sample_id
  end)
  for i, r in ipairs(order) do
    rows[i] = { r.sample_id, r.composer or "", r.soundfont or "", shown(r.duration, "%.0f"),
      shown(r.onset_f1, "%.3f"), shown(r.offset_f1, "%.3f"), shown(r.velocity_f1, "%.3f"),
      shown(r.pitch_f1, "%.3f"), shown(r.note_accuracy, "%.3f"), shown(r.timing_error_mean, "%.1f", 1000),
      r.true_positives, r.false_negatives, r.false_positives, shown(r.transcription_seconds, "%.1f") }
  end
  return { "piece", "composer", "SoundFont", "s", "note F1", "+ stop", "+ loudness", "pitch F1", "accuracy",
    "start, ms", "right", "missed", "extra", "took s" }, rows
end

local WORDS = {
  { "note F1", "A found note is right if it has the pitch of a true note that begins within the onset "
    .. "tolerance; each note counts once. Pairs are a largest matching, as mir_eval makes it." },
  { "with stop", "The note also stops within 50 ms of the true stop, or 20 % of the true length. Notes last "
    .. "while they sound: the pedal prolongs them." },
  { "with loudness", "And its velocity, after the straight line that fits the piece best, is within 0.1 of "
    .. "the piece's range." },
  { "pitch F1, frame accuracy", "Which pitches sound, every 10 ms; the accuracy is right / (right + missing "
    .. "+ extra)." },
  { "note accuracy", "Share of the true notes found with the start within the tolerance and the stop within "
    .. "50 ms." },
  { "distance of the starts, late by", "Found minus true, of the notes that are right." },
  { "mean over pieces, all as one", "The first counts every piece the same, the second every note." },
}

-- ---- writing ------------------------------------------------------------------------------------

-- Draws one picture; what cannot be drawn is said. Returns its bytes or nil.
local function picture(path, line, draw, ...)
  local ok, result = pcall(draw, path, ...)
  if ok then return result ~= false and fs.read(path) or nil end
  if failure.kind(result) ~= "io" then error(result, 0) end
  line("no %s: %s", fs.basename(path), tostring(result))
end

-- The pieces of which rolls are drawn: the best, the worst, the one in the middle, and others spread between.
local function chosen(pieces, count)
  local order, list = {}, {}
  for i, piece in ipairs(pieces) do order[i] = { piece, scores.record(piece.scores).onset_f1, i } end
  table.sort(order, function(a, b)
    if a[2] ~= b[2] then return a[2] > b[2] end
    return a[3] < b[3]
  end)
  count = math.min(count, #order)
  for k = 1, count do
    local share = count == 1 and 0.5 or (k - 1) / (count - 1)
    list[k] = order[1 + math.floor(share * (#order - 1) + 0.5)][1]
  end
  return list
end

-- Rolls of an earlier evaluation may be of pieces that this one has not.
local function remove_rolls(folder)
  for _, name in ipairs(fs.list(folder)) do
    if name:match "^piano_roll_.*%.png$" then fs.remove(fs.join(folder, name)) end
  end
end

-- Draws what is asked for; returns {name = bytes} and the list of {caption, bytes} of rolls.
local function draw_all(folder, pieces, summary, options, line)
  local wanted, drawn, rolls = {}, {}, {}
  for _, name in ipairs(options.plot_types or report.plot_types) do wanted[name] = true end
  fs.mkdir(folder)
  remove_rolls(folder)
  if wanted.dashboard then
    drawn.dashboard = picture(fs.join(folder, "evaluation_dashboard.png"), line, pictures.dashboard, pieces,
      summary)
  end
  if wanted.confusion_matrix then
    drawn.confusion = picture(fs.join(folder, "confusion_matrix.png"), line, pictures.confusion,
      summary.confusion)
  end
  if wanted.metrics_over_time and options.history then
    drawn.metrics = picture(fs.join(folder, "metrics_over_time.png"), line, pictures.metrics, options.history)
  elseif wanted.metrics_over_time then
    line "no metrics_over_time.png: there is no training history"
  end
  for k, piece in ipairs(chosen(pieces, options.rolls or 3)) do
    local name = ("piano_roll_%d_%s.png"):format(k, piece.id:gsub("[^%w_.-]", "_"):sub(1, 80))
    local bytes = picture(fs.join(folder, name), line, pictures.roll, piece, options.roll_seconds or 20)
    if bytes then rolls[#rolls + 1] = { piece.id, bytes } end
  end
  return drawn, rolls
end

local function page_of(pieces, summary, options, drawn, rolls)
  local parts = { web.paragraph(counts_text(summary) .. "."), web.table(score_table(summary)) }
  local function add(part) parts[#parts + 1] = part end
  if drawn.dashboard then add(web.picture(drawn.dashboard, "six plots of scores and mistakes")) end
  add(web.heading "More measures")
  add(web.table(other_table(summary)))
  local fonts = by_soundfont(pieces)
  if #fonts > 1 then
    local rows = {}
    for i, f in ipairs(fonts) do
      rows[i] = { f.soundfont, f.pieces, shown(f.onset_f1, "%.4f"), shown(f.offset_f1, "%.4f"),
        shown(f.pitch_f1, "%.4f") }
    end
    add(web.heading "By SoundFont")
    add(web.table({ "SoundFont", "pieces", "note F1", "with stop", "pitch F1" }, rows))
  end
  if drawn.confusion then
    add(web.heading "What was found for what was played")
    add(web.picture(drawn.confusion, "matrices of true and found pitches"))
  end
  if #rolls > 0 then
    add(web.heading "Piano rolls")
    for _, roll in ipairs(rolls) do add(web.picture(roll[2], "piano rolls of " .. roll[1])) end
  end
  if drawn.metrics then
    add(web.heading "Training")
    add(web.picture(drawn.metrics, "metrics of the training over its epochs"))
  end
  add(web.heading "Pieces, the worst first")
  add(web.table(piece_table(pieces)))
  for i, one in ipairs(options.skipped or {}) do
    if i == 1 then add(web.heading "Left out") end
    add(web.paragraph(one.id .. ": " .. one.reason))
  end
  local settings = {}
  for _, name in ipairs(lt.core.sorted_keys(options.settings or {})) do
    settings[#settings + 1] = { name, tostring(options.settings[name]) }
  end
  if #settings > 0 then
    add(web.heading "Settings")
    add(web.table({ "setting", "value" }, settings))
  end
  add(web.heading "What the words mean")
  add(web.definitions(WORDS))
  return web.page(options.title or "Piano transcription: evaluation", parts)
end

--- Writes the reports of an evaluation; each file appears whole or not at all.
-- @param folder  the results folder
-- @param pieces  list of {id, truth, found (notes), scores (what scores.piece returned)}, and where known
--   seconds (that transcribing it took), duration (seconds), composer, soundfont; at least one
-- @param options {history = a run's history ({name = list} or the documented form), viz (true), plot_types
--   (all), rolls = piano rolls to draw (3), roll_seconds = 20, settings = {name = value} to be told, skipped
--   = list of {id, reason}, title, line = function(format, ...) that says what is missing}
-- @return the summary (scores.summary)
function report.write(folder, pieces, options)
  options = options or {}
  if #pieces == 0 then failure.raise("data", "%s: no piece was evaluated", folder) end
  local line = options.line or function() end
  local list = {}
  for i, piece in ipairs(pieces) do list[i] = piece.scores end
  local summary = scores.summary(list)
  local rows = {}
  for i, piece in ipairs(pieces) do rows[i] = row_of(piece) end
  fs.mkdir(fs.join(folder, "reports"))
  fs.write(fs.join(folder, "reports", "evaluation_report.json"),
    json.encode(result_of(pieces, summary, options), { pretty = true }) .. "\n")
  fs.write(fs.join(folder, "reports", "evaluation_report.csv"), csv_of(rows))
  local drawn, rolls = {}, {}
  if options.viz == false then
    line "no pictures: they were not asked for"
  elseif not lt.report.available() then
    line "no pictures: the program gnuplot is not installed"
  else
    drawn, rolls = draw_all(fs.join(folder, "visualizations"), pieces, summary, options, line)
  end
  fs.write(fs.join(folder, "index.html"), page_of(pieces, summary, options, drawn, rolls))
  return summary
end

return report
