-- The pictures of an evaluation: dashboard, confusion matrix, training's course, piano rolls. Each function
-- draws one PNG file; they need gnuplot (lt.report.available).

local scores = require "transcription_scores"
local panel = lt.report.panel

local pictures = {}

local RIGHT, WRONG, EXTRA = "#0072B2", "#D55E00", "#E69F00"
local CLASSES = { "C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B" }

-- 950, 12k, 3.4M: numbers above bars.
local function short(n)
  if n < 1000 then return tostring(n) end
  if n < 9950 then return ("%.1fk"):format(n / 1000) end
  if n < 999500 then return ("%.0fk"):format(n / 1000) end
  return ("%.1fM"):format(n / 1e6)
end

-- ---- dashboard ----------------------------------------------------------------------------------

local function score_bars(summary)
  local categories, series = {}, { { name = "precision", values = {}, colour = "#56B4E9" },
    { name = "recall", values = {}, colour = "#0072B2" }, { name = "F1", values = {}, colour = "#404040" } }
  for _, row in ipairs { { "onset", "note" }, { "offset", "+ stop" }, { "velocity", "+ loudness" },
    { "pitch", "each 10 ms" } } do
    local m = summary.mean
    if m[row[1] .. "_f1"] then
      categories[#categories + 1] = row[2]
      for k, field in ipairs { "_precision", "_recall", "_f1" } do
        table.insert(series[k].values, m[row[1] .. field])
      end
    end
  end
  return panel.bars(categories, series, { title = "Scores, mean over pieces", to = 1.12, format = "%.2f" })
end

-- The end of a long name: the beginnings of names are often alike. Bytes inside a character are left out.
local function ending(id)
  if #id <= 16 then return id end
  return "…" .. id:sub(-14):gsub("^[\128-\191]+", "")
end

-- F1 of each piece: bars while one can tell them apart, else how often which.
local function piece_panel(pieces)
  local onset, offset, names = {}, {}, {}
  local order = {}
  for i, piece in ipairs(pieces) do order[i] = { piece, scores.record(piece.scores) } end
  table.sort(order, function(a, b)
    if a[2].onset_f1 ~= b[2].onset_f1 then return a[2].onset_f1 > b[2].onset_f1 end
    return a[1].id < b[1].id
  end)
  for i, one in ipairs(order) do
    onset[i], offset[i] = one[2].onset_f1, one[2].offset_f1
    names[i] = ending(one[1].id)
  end
  local series = { { name = "note", values = onset }, { name = "note + stop", values = offset } }
  if #pieces <= 12 then
    return panel.bars(names, series, { title = "F1 of each piece", to = 1.05, rotate = true })
  end
  local low = 1
  for _, list in ipairs { onset, offset } do
    for _, f in ipairs(list) do low = math.min(low, f) end
  end
  return panel.histogram(series, { title = "F1 of the pieces", x = "F1", y = "pieces", counts = true,
    from = math.min(0.9, math.floor(low * 20) / 20), to = 1, bins = 20 })
end

-- MIDI files keep times to 1/960 s; bins of 5 of these ticks, with their edges between ticks, are all alike.
local BIN = 5 / 0.96

local function timing_panel(pooled)
  local function in_ms(list)
    local values = {}
    for i, x in ipairs(list) do values[i] = x * 1000 end
    return values
  end
  return panel.histogram({ { name = "starts", values = in_ms(pooled.onset_deviations) },
    { name = "stops", values = in_ms(pooled.offset_deviations) } },
    { title = "Timing of the notes found", x = "found - true, ms", y = "% of the notes",
      from = -19.5 * BIN, to = 19.5 * BIN, bins = 39, mark = 0 })
end

-- Shares of {[key] = {hit, all}} as bars with the number of notes above.
local function share_bars(counts, label, options)
  local categories, values, above = {}, {}, {}
  for i, key in ipairs(lt.core.sorted_keys(counts)) do
    categories[i], values[i] = label(key), counts[key].hit / counts[key].all
    above[i] = short(counts[key].all)
  end
  options.above, options.to = above, 1.1
  return panel.bars(categories, { { values = values, colour = RIGHT } }, options)
end

local function octave_panel(by)
  local categories, recall, precision, above, keys = {}, {}, {}, {}, {}
  for _, counts in ipairs { by.octave, by.found_octave } do
    for key in pairs(counts) do keys[key] = true end
  end
  for i, key in ipairs(lt.core.sorted_keys(keys)) do
    local a, b = by.octave[key], by.found_octave[key]
    categories[i] = tostring(key)
    recall[i], precision[i] = a and a.hit / a.all or 0 / 0, b and b.hit / b.all or 0 / 0
    above[i] = short(a and a.all or 0)
  end
  return panel.bars(categories, { { name = "recall", values = recall, colour = RIGHT },
    { name = "precision", values = precision, colour = "#56B4E9" } },
    { title = "By octave (above: numbers of true notes)", x = "octave, 4 begins with middle C", to = 1.1,
      above = above })
end

-- Many voices are rare: one bar each up to 8, then 9-12, then the rest.
local function polyphony_panel(by)
  local merged = {}
  for key, cell in pairs(by.polyphony) do
    local group = key <= 8 and key or key <= 12 and 9 or 13
    merged[group] = merged[group] or { hit = 0, all = 0 }
    merged[group].hit, merged[group].all = merged[group].hit + cell.hit, merged[group].all + cell.all
  end
  return share_bars(merged, function(key)
    return key <= 8 and tostring(key) or key == 9 and "9-12" or "13+"
  end, { title = "By the number of notes that sound", x = "notes sounding at the start", y = "recall" })
end

--- Six plots of what was right and where: scores, pieces, timing, pitch, loudness, polyphony.
function pictures.dashboard(path, pieces, summary)
  local list = {}
  for i, piece in ipairs(pieces) do list[i] = piece.scores end
  local by = scores.breakdown(pieces)
  local panels = { score_bars(summary), piece_panel(pieces), timing_panel(scores.pool(list)) }
  if next(by.octave) or next(by.found_octave) then panels[#panels + 1] = octave_panel(by) end
  if next(by.velocity) then
    panels[#panels + 1] = share_bars(by.velocity, tostring,
      { title = "By loudness", x = "MIDI velocity, from", y = "recall" })
  end
  if next(by.polyphony) then panels[#panels + 1] = polyphony_panel(by) end
  local p = summary.pooled
  lt.report.panels(path, panels, { columns = 3, title = ("%d %s, %d true notes, %d found: note F1 %.3f, "
    .. "with stops %.3f"):format(summary.pieces, summary.pieces == 1 and "piece" or "pieces",
    p.num_ground_truth, p.num_predicted, summary.mean.onset_f1, summary.mean.offset_f1) })
end

-- ---- confusion ----------------------------------------------------------------------------------

-- Lowest and highest pitch that occurs, at least two octaves.
local function span_of(confusion)
  local low, high = math.huge, -math.huge
  local function see(pitch) low, high = math.min(low, pitch), math.max(high, pitch) end
  for row, columns in pairs(confusion.cells) do
    see(row)
    for column in pairs(columns) do see(column) end
  end
  for _, counts in ipairs { confusion.missed, confusion.extra } do
    for pitch in pairs(counts) do see(pitch) end
  end
  if low > high then return 48, 72 end
  while high - low < 24 do low, high = math.max(0, low - 1), math.min(127, high + 1) end
  return low, high
end

local function pitch_panel(confusion)
  local low, high = span_of(confusion)
  local values, octaves = {}, {}
  for row = low, high do
    values[row - low + 1] = {}
    for column = low, high do
      values[row - low + 1][column - low + 1] = confusion.cells[row] and confusion.cells[row][column] or 0
    end
    if row % 12 == 0 then octaves[#octaves + 1] = { row - low + 1, "C" .. row / 12 - 1 } end
  end
  return panel.matrix(values, { title = "Pitches", x = "found", y = "true", x_labels = octaves,
    y_labels = octaves, log = true, legend = "notes", place = { 0, 0, 0.5, 0.94 } })
end

local function class_panel(confusion)
  local values, columns, rows = {}, { unpack(CLASSES) }, { unpack(CLASSES) }
  for i = 1, 13 do
    values[i] = {}
    for k = 1, 13 do values[i][k] = 0 end
  end
  columns[13], rows[13] = "none", "none"
  local function add(row, column, n) values[row][column] = values[row][column] + n end
  for row, cells in pairs(confusion.cells) do
    for column, n in pairs(cells) do add(row % 12 + 1, column % 12 + 1, n) end
  end
  for pitch, n in pairs(confusion.missed) do add(pitch % 12 + 1, 13, n) end
  for pitch, n in pairs(confusion.extra) do add(13, pitch % 12 + 1, n) end
  local text = {}
  for i, row in ipairs(values) do
    text[i] = {}
    for k, n in ipairs(row) do text[i][k] = n > 0 and short(n) or "" end
  end
  return panel.matrix(values, { title = "Pitch classes, whatever the octave", x = "found", y = "true",
    x_labels = columns, y_labels = rows, numbers = text, downward = true, log = true,
    place = { 0.5, 0.36, 0.5, 0.58 } })
end

-- How far off wrong notes are that were found in the place of true ones.
local function interval_panel(confusion)
  local counts, categories, values, beyond, sum = {}, {}, {}, 0, 0
  for row, cells in pairs(confusion.cells) do
    for column, n in pairs(cells) do
      local distance = column - row
      if distance ~= 0 then
        sum = sum + n
        if math.abs(distance) > 24 then beyond = beyond + n end
        counts[distance] = (counts[distance] or 0) + n
      end
    end
  end
  for distance = -24, 24 do
    values[#values + 1] = counts[distance] or 0
    local size = math.abs(distance)
    local named = size > 0 and (size % 12 == 0 or size % 12 == 7 or size == 1)
    categories[#categories + 1] = named and ("%+d"):format(distance) or ""
  end
  local far = beyond > 0 and (" (%d beyond two octaves)"):format(beyond) or ""
  return panel.bars(categories, { { values = values, colour = WRONG } }, {
    title = ("%d wrong notes in the place of missed ones%s"):format(sum, far), x = "found - true, semitones",
    y = "notes", rotate = true, to = sum == 0 and 1 or nil, place = { 0.5, 0, 0.5, 0.36 } })
end

--- Which pitches were found for which: all keys, pitch classes with what is missing and extra, and how far
-- off the wrong ones are.
function pictures.confusion(path, confusion)
  lt.report.panels(path, { pitch_panel(confusion), class_panel(confusion), interval_panel(confusion) },
    { width = 1500, height = 800, title = "What was found for what was played (notes that begin within the "
      .. "tolerance of each other)" })
end

-- ---- training -----------------------------------------------------------------------------------

-- Losses first, then accuracies, then F1, then the rest.
local function rank(name)
  for i, part in ipairs { "^loss$", "loss", "acc", "f1$", "f$", "precision", "recall" } do
    if name:find(part) then return i end
  end
  return 9
end

--- The columns of a history: it is {name = list}, or the documented {history = list of {epoch, name =
-- value}}.
function pictures.columns(history)
  local rows = rawget(history, "history")
  if type(rows) ~= "table" then return history end
  local columns = {}
  for i, row in ipairs(rows) do
    for name, value in pairs(row) do
      if name ~= "epoch" and type(value) == "number" then
        columns[name] = columns[name] or {}
        for k = #columns[name] + 1, i - 1 do columns[name][k] = lt.json.null end
        columns[name][i] = value
      end
    end
  end
  return columns
end

--- The course of a training over its epochs, a plot for each metric. Returns false where the history holds
-- none.
function pictures.metrics(path, history)
  local by, names, panels = lt.report.by_metric(pictures.columns(history)), {}, {}
  for what in pairs(by) do names[#names + 1] = what end
  table.sort(names, function(a, b)
    if rank(a) ~= rank(b) then return rank(a) < rank(b) end
    return a < b
  end)
  for _, what in ipairs(names) do
    local series = {}
    for i, part in ipairs(lt.core.sorted_keys(by[what])) do
      series[i] = { name = part ~= what and part or nil, values = by[what][part],
        colour = part == "val" and WRONG or RIGHT }
    end
    local any = 0
    for _, one in ipairs(series) do any = math.max(any, #one.values) end
    if any > 0 and #panels < 9 then
      panels[#panels + 1] = panel.curves(series, { title = what:gsub("_", " "), x = "epoch" })
    end
  end
  if #panels == 0 then return false end
  lt.report.panels(path, panels, { title = "Training" })
  return true
end

-- ---- piano rolls --------------------------------------------------------------------------------

--- The part of a piece that a roll shows: `seconds` around its middle, all of a shorter one. Returns from
-- and to.
function pictures.window(piece, seconds)
  local first, last = math.huge, 0
  for _, list in ipairs { piece.truth, piece.found } do
    for _, n in ipairs(list) do first, last = math.min(first, n.start), math.max(last, n.stop) end
  end
  if first > last then return 0, seconds end
  if last - first <= seconds then return math.max(0, first - 0.2), last + 0.2 end
  local from = math.floor((first + last - seconds) / 2)
  return from, from + seconds
end

local function split(list, hit)
  local yes, no = {}, {}
  for i, n in ipairs(list) do table.insert(hit[i] and yes or no, n) end
  return yes, no
end

local function clock(seconds)
  return ("%d:%02d"):format(math.floor(seconds / 60), math.floor(seconds % 60))
end

--- A part of a piece as two piano rolls, the true notes above what was found.
function pictures.roll(path, piece, seconds)
  local from, to = pictures.window(piece, seconds)
  local found_truth, missed = split(piece.truth, piece.scores.hit_truth)
  local right, extra = split(piece.found, piece.scores.hit_found)
  local low, high = math.huge, -math.huge
  for _, list in ipairs { piece.truth, piece.found } do
    for _, n in ipairs(list) do
      if n.stop > from and n.start < to then
        low, high = math.min(low, n.pitch), math.max(high, n.pitch)
      end
    end
  end
  if low > high then low, high = 60, 72 end
  local function options(title, x)
    return { title = title, from = from, to = to, low = low - 2, high = high + 2, x = x }
  end
  lt.report.panels(path, {
    panel.roll({ { name = "found", colour = RIGHT, notes = found_truth },
      { name = "missed", colour = WRONG, notes = missed } }, options("True notes", "seconds")),
    panel.roll({ { name = "right", colour = RIGHT, notes = right },
      { name = "not in the truth", colour = EXTRA, notes = extra } }, options("Found notes", "seconds")),
  }, { columns = 1, width = 1500, height = 760, title = ("%s, %s to %s; whole piece: note F1 %.3f"):format(
    piece.id, clock(from), clock(to), scores.record(piece.scores).onset_f1) })
end

return pictures
