-- The evaluate command of the transcription recipe: every piece of a split is transcribed, and what was found
-- is measured against the truth.
--
-- Writes, below the results folder (--out), what transcription_report lists, and
--
--     midi/NAME.mid, midi/NAME.truth.mid      what was found and the truth, for mir_eval itself:
--                                             python tests/interop/note_files_scores.py RESULTS/midi
--     midi/made.json                          until all is done: which there are, so that an evaluation that
--                                             was stopped goes on where it was
--
-- The scores are those of these files as they are read again, to the millisecond that MIDI keeps.

local failure = require "luatrain.failure"
local manifest = require "transcription_manifest"
local notes = require "transcription_notes"
local report = require "transcription_report"
local scores = require "transcription_scores"
local config, fs, json = lt.config, lt.fs, lt.json

local evaluation = {}

--- Settings of the command.
evaluation.config = {
  split = config.choice("test", manifest.splits, "which recordings"),
  soundfont = config.string("", "only recordings whose SoundFont's name holds this text; empty: all"),
  pieces = config.integer(0, "so many recordings, spread over the split; 0: all", { min = 0 }),
  onset_tolerance = config.number(0.05, "seconds by which a found note may begin early or late",
    { min = 0, max = 10 }),
  out = config.string("", "folder to write; empty: results (of other splits: results_SPLIT) in the run"),
  viz = config.flag(true, "draw pictures"),
  plot_types = config.list(report.plot_types, "pictures to draw: " .. table.concat(report.plot_types, ", ")),
  rolls = config.integer(3, "piano rolls to draw", { min = 0, max = 50 }),
  json = config.flag(false, "print one JSON object instead of a table"),
}

-- ---- which recordings ---------------------------------------------------------------------------

local function with_soundfont(entries, text)
  local list, names, seen = {}, {}, {}
  for _, entry in ipairs(entries) do
    local name = entry.soundfont or "an unnamed one"
    if name:lower():find(text:lower(), 1, true) then list[#list + 1] = entry end
    if not seen[name] then names[#names + 1] = name end
    seen[name] = true
  end
  if #list == 0 then
    failure.raise("data", "no recording with a SoundFont '%s'; there are %s", text, table.concat(names, ", "))
  end
  return list
end

--- The recordings that are meant: those of one SoundFont (a part of its name, any case; "" for all), and of
-- them `count`, spread evenly (0: all).
function evaluation.select(entries, soundfont, count)
  if soundfont ~= "" then entries = with_soundfont(entries, soundfont) end
  if count == 0 or count >= #entries then return entries end
  local list = {}
  for k = 1, count do list[k] = entries[math.floor((k - 0.5) * #entries / count) + 1] end
  return list
end

-- ---- notes as files -----------------------------------------------------------------------------

-- Two starts of a key must be this far apart, so that every reader of the MIDI file sees the same notes:
-- its ticks are about a millisecond.
local APART = 0.003

--- Notes as one piano plays them: a key that is struck again ends the note that sounds; two at once are one.
-- Returns a new list, in order.
function evaluation.playable(list)
  local order, result, last = {}, {}, {}
  for i, n in ipairs(list) do
    order[i] = { start = n.start, stop = n.stop, pitch = n.pitch, velocity = n.velocity }
  end
  for _, n in ipairs(notes.sort(order)) do
    local before = last[n.pitch]
    if before and n.start - before.start < APART then
      before.stop = math.max(before.stop, n.stop)
    else
      if before then before.stop = math.min(before.stop, n.start) end
      result[#result + 1] = n
      last[n.pitch] = n
    end
  end
  return result
end

-- A list as it is after being written and read again; one without notes stays so.
local function through_file(path, list)
  list = evaluation.playable(list)
  notes.write_midi(path, list)
  return #list > 0 and notes.read(path) or list
end

-- A file name for each entry: its id without what file systems mind, with a number where two are alike.
local function names_of(entries)
  local names, used = {}, {}
  for i, entry in ipairs(entries) do
    local stem = tostring(entry.id):gsub("[^%w_.-]", "_"):gsub("^%.", "_"):sub(1, 120)
    local name, n = stem, 1
    while used[name:lower()] do
      n = n + 1
      name = ("%s-%d"):format(stem, n)
    end
    used[name:lower()] = true
    names[i] = name
  end
  return names
end

-- What a call with the same stamp that was stopped has left: {pieces = {[name] = {notes, seconds}}}.
-- Otherwise the pairs of an earlier evaluation are removed, and nothing else.
local function made_before(folder, stamp)
  local path = fs.join(folder, "made.json")
  if stamp and fs.is_file(path) then
    local ok, made = pcall(json.load, path)
    if ok and type(made) == "table" and made.stamp == stamp and type(made.pieces) == "table" then
      return made
    end
  end
  fs.remove(path)
  for _, name in ipairs(fs.list(folder)) do
    local stem = name:match "^(.*)%.truth%.mid$"
    if stem then
      fs.remove(fs.join(folder, stem .. ".mid"))
      fs.remove(fs.join(folder, name))
    end
  end
  return { stamp = stamp, pieces = {} }
end

-- ---- measuring ----------------------------------------------------------------------------------

-- What was found in a recording: from its file where an earlier call made it, else by asking.
local function found_notes(entry, path, before, transcribe)
  if before and fs.is_file(path) then
    return before.notes > 0 and notes.read(path) or {}, before.seconds
  end
  local begun = lt.time()
  local list = transcribe(entry)
  return through_file(path, list), lt.time() - begun
end

-- One recording's piece for the report.
local function piece_of(entry, stem, transcribe, options, made)
  local truth, name = notes.read(entry.midi_path), fs.basename(stem)
  local found, seconds = found_notes(entry, stem .. ".mid", made.pieces[name], transcribe)
  truth = through_file(stem .. ".truth.mid", truth)
  made.pieces[name] = { notes = #found, seconds = seconds }
  json.save(fs.join(fs.dirname(stem), "made.json"), made)
  return { id = entry.id, truth = truth, found = found, seconds = seconds, duration = entry.duration,
    composer = entry.composer, soundfont = entry.soundfont,
    scores = scores.piece(truth, found, { onset_tolerance = options.onset_tolerance }) }
end

--- Transcribes recordings, measures and reports. A recording whose MIDI file holds no note, or that cannot be
-- read, is left out with a line; an error where all are.
-- @param entries    list of manifest.entries
-- @param transcribe function(entry) that returns the notes found, or raises
-- @param options    {onset_tolerance = 0.05, stamp = a text that says what transcribes what: where it is that
--   of a call that was stopped, what is done is not done again; and those of report.write}
-- @param folder     the results folder
-- @param line       function(format, ...) for progress; default: none
-- @return the summary of the scores, the list of pieces, and that of {id, reason} left out
function evaluation.measure(entries, transcribe, options, folder, line)
  line = line or function() end
  local midi = fs.join(folder, "midi")
  fs.mkdir(midi)
  local made, names = made_before(midi, options.stamp), names_of(entries)
  local pieces, skipped, sum = {}, {}, 0
  for i, entry in ipairs(entries) do
    local stem = fs.join(midi, names[i])
    local ok, piece = pcall(lt.scope, piece_of, entry, stem, transcribe, options, made)
    if ok then
      pieces[#pieces + 1] = piece
      local f = scores.record(piece.scores).onset_f1
      sum = sum + f
      line("%d of %d: %s: note F1 %.4f; mean %.4f", i, #entries, entry.id, f, sum / #pieces)
    else
      if failure.kind(piece) ~= "data" then error(piece, 0) end
      skipped[#skipped + 1] = { id = entry.id, reason = tostring(piece) }
      line("%d of %d: %s: left out: %s", i, #entries, entry.id, tostring(piece))
    end
  end
  if #pieces == 0 then
    failure.raise("data", "nothing could be evaluated: %s",
      skipped[1] and skipped[1].reason or "there is no recording")
  end
  local more = { skipped = skipped, line = line }
  for name, value in pairs(options) do more[name] = value end
  more.onset_tolerance, more.stamp = nil, nil
  local summary = report.write(folder, pieces, more)
  fs.remove(fs.join(midi, "made.json"))
  return summary, pieces, skipped
end

-- ---- the command --------------------------------------------------------------------------------

local function check_plots(list)
  for _, name in ipairs(list) do
    local known = false
    for _, type in ipairs(report.plot_types) do known = known or type == name end
    if not known then
      failure.raise("config", "plot_types: '%s' is none of %s%s", name, table.concat(report.plot_types, ", "),
        failure.suggest(name, report.plot_types))
    end
  end
end

-- The history.json beside a checkpoint's folder; nil where there is none to be read.
local function history_of(run)
  local ok, history = pcall(json.load, fs.join(run, "history.json"))
  return ok and type(history) == "table" and history or nil
end

-- Says what transcribes what: the checkpoint, the data set, and every setting that is not of this command.
local function stamp_of(config, checkpoint)                         -- luacheck: ignore 431
  local parts = {}
  for name, value in pairs(config) do
    if evaluation.config[name] == nil then parts[name] = value end
  end
  local function facts(path)
    local info = fs.stat(path)
    return { path, info.bytes, info.modified }
  end
  return json.encode { parts, facts(checkpoint), facts(manifest.path(config.manifest_dir, config.split)) }
end

--- Runs the command on the data set config.manifest_dir.
-- @param config, context as every command gets them
-- @param transcriber function(model, config, context) -> the function(entry) that evaluation.measure asks
function evaluation.run(config, context, transcriber)               -- luacheck: ignore 431
  check_plots(config.plot_types)
  local entries = evaluation.select(manifest.entries(config.manifest_dir, config.split), config.soundfont,
    config.pieces)
  local checkpoint = context:checkpoint_path()
  local run = fs.dirname(fs.dirname(checkpoint))
  local folder = config.out
  if folder == "" then
    folder = fs.join(run, config.split == "test" and "results" or "results_" .. config.split)
  end
  local settings = { checkpoint = checkpoint, data = config.manifest_dir, split = config.split,
    onset_tolerance = config.onset_tolerance, recordings = #entries,
    soundfont = config.soundfont ~= "" and config.soundfont or "all" }
  local function line(...) context:line(...) end
  local transcribe = transcriber(context:model(), config, context)
  local options = { settings = settings, onset_tolerance = config.onset_tolerance, rolls = config.rolls,
    viz = config.viz, plot_types = config.plot_types, history = history_of(run),
    stamp = stamp_of(config, checkpoint) }
  local summary, _, skipped = evaluation.measure(entries, transcribe, options, folder, line)
  if config.json then
    print(json.encode { pieces = summary.pieces, skipped = #skipped, mean = summary.mean, std = summary.std,
      pooled = summary.pooled, folder = folder })
  else
    print(report.text(summary))
  end
  context:line("written to %s", folder)
end

return evaluation
