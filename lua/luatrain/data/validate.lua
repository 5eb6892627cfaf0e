--- lt.data.validate: looks at sound and MIDI files before anybody trains on them.
--
--   lt.data.validate.audio("a.wav", { min_duration = 1 })    what it holds, and what is wrong with it
--   lt.data.validate.midi("a.mid", { min_notes = 20 })
--   lt.data.validate.files("datasets/", { audio = { min_duration = 1 } })    all below a folder, or a list
--
-- A report is a table {path, ok, problems = a list of sentences, and what was measured}. A file that cannot
-- be read is one with a problem, not an error.
local core = require "luatrain.core"
local fs = require "luatrain.fs"
local options = require "luatrain.options"
local scope = require "luatrain.scope"

local validate = {}

local function finished(report)
  report.ok = #report.problems == 0
  return report
end

-- A report in which measure(report, problem) notes what it finds; problem(format, ...) adds a sentence.
local function report_on(path, measure)
  local report = { path = path, problems = {} }
  local function problem(format, ...) table.insert(report.problems, format:format(...)) end
  local ok, e = pcall(scope.run, measure, report, problem)
  if not ok then
    if core.status ~= core.C.LT_ERR_FORMAT and core.status ~= core.C.LT_ERR_IO then error(e, 0) end
    problem("%s", core.message(e))
  end
  return finished(report)
end

-- ---- sound --------------------------------------------------------------------------------------

local FULL, RUN = 0.999, 3            -- clipped: so many samples in a row at this level, or more

-- Measures one channel, samples p[0] to p[n - 1], in blocks of `block` samples: sum of squares, largest
-- magnitude, clipped samples, silent blocks.
local function scan(p, n, block, threshold)
  local sum, peak, clipped, run, silent, loudest = 0, 0, 0, 0, 0, 0
  for i = 0, n - 1 do
    local v = math.abs(p[i])
    sum, loudest = sum + v * v, math.max(loudest, v)
    run = v >= FULL and run + 1 or 0
    if run == RUN then clipped = clipped + RUN elseif run > RUN then clipped = clipped + 1 end
    if (i + 1) % block == 0 or i == n - 1 then
      if loudest < threshold then silent = silent + 1 end
      peak, loudest = math.max(peak, loudest), 0
    end
  end
  return sum, peak, clipped, silent
end

local audio_defaults = { min_duration = 0, max_duration = math.huge, sample_rate = options.none,
  channels = options.none, silence = -60, max_silence = 0.9, max_clipped = 1e-3 }

local function measure_audio(report, problem, o)
  local audio = require "luatrain.audio"
  local x, rate = audio.load(report.path)
  local channels, n, block = x:size(1), x:size(2), math.max(1, math.floor(rate / 100))
  local sum, clipped, silent = 0, 0, 0
  report.sample_rate, report.channels, report.duration, report.peak = rate, channels, n / rate, 0
  for c = 1, channels do
    local a, peak, b, s = scan(x:select(1, c):contiguous():data(), n, block, 10 ^ (o.silence / 20))
    sum, clipped, silent = sum + a, clipped + b, silent + s
    report.peak = math.max(report.peak, peak)
  end
  report.rms = math.sqrt(sum / math.max(1, channels * n))
  report.clipped = clipped / math.max(1, channels * n)
  report.silence = n > 0 and silent / (channels * math.ceil(n / block)) or 1
  if n / rate < o.min_duration then problem("lasts %.3g s, less than %g", n / rate, o.min_duration) end
  if n / rate > o.max_duration then problem("lasts %.3g s, more than %g", n / rate, o.max_duration) end
  if o.sample_rate and rate ~= o.sample_rate then
    problem("has %d samples a second, not %d", rate, o.sample_rate)
  end
  if o.channels and channels ~= o.channels then problem("has %d channels, not %d", channels, o.channels) end
  if report.silence >= o.max_silence then
    problem("%.0f %% of it is silent (below %g dB)", 100 * report.silence, o.silence)
  end
  if report.clipped > o.max_clipped then
    problem("%.2g %% of its samples are clipped", 100 * report.clipped)
  end
end

--- Reads all of a sound file and says what is wrong with it: unreadable, samples that are no numbers, and
-- o: min_duration (0), max_duration (s), sample_rate (Hz), channels: what is wanted (default: anything);
-- max_silence (0.9): the largest share of blocks of 10 ms below `silence` (-60 dB of full scale);
-- max_clipped (0.001): the largest share of samples in runs of 3 or more at full scale.
-- @return {path, ok, problems, sample_rate, channels, duration (s), peak, rms, silence and clipped (shares)}
function validate.audio(path, o)
  o = options.read("validate.audio", o, audio_defaults)
  return report_on(path, function(report, problem) measure_audio(report, problem, o) end)
end

-- ---- MIDI ---------------------------------------------------------------------------------------

local midi_defaults = { min_notes = 1, max_notes = math.huge, min_duration = 0, max_duration = math.huge,
  lowest = 0, highest = 127 }

local function measure_midi(report, problem, o)
  local song = require("luatrain.midi").read(report.path)
  report.notes, report.drums, report.tracks = #song.notes, 0, song.tracks
  report.duration, report.warnings = 0, song.warnings
  local outside = 0
  for _, note in ipairs(song.notes) do
    report.duration = math.max(report.duration, note.stop)
    if note.drum then
      report.drums = report.drums + 1
    else
      report.lowest = math.min(report.lowest or 127, note.pitch)
      report.highest = math.max(report.highest or 0, note.pitch)
      if note.pitch < o.lowest or note.pitch > o.highest then outside = outside + 1 end
    end
  end
  if song.damage then problem("is damaged: %s", song.damage) end
  if report.notes == 0 then
    problem "has no notes"
  elseif report.notes < o.min_notes then
    problem("has %d notes, less than %d", report.notes, o.min_notes)
  end
  if report.notes > o.max_notes then problem("has %d notes, more than %d", report.notes, o.max_notes) end
  if report.duration < o.min_duration then
    problem("lasts %.3g s, less than %g", report.duration, o.min_duration)
  end
  if report.duration > o.max_duration then
    problem("lasts %.3g s, more than %g", report.duration, o.max_duration)
  end
  if outside > 0 then problem("%d notes lie outside %d to %d", outside, o.lowest, o.highest) end
end

--- Reads a MIDI file and says what is wrong with it: unreadable, damaged, without notes, and
-- o: min_notes (1), max_notes, min_duration (0), max_duration (s, to the end of the last note), lowest (0)
-- and highest (127): the range its notes, but drums, should lie in.
-- @return {path, ok, problems, notes, drums, lowest, highest, duration (s), tracks, warnings}
function validate.midi(path, o)
  o = options.read("validate.midi", o, midi_defaults)
  return report_on(path, function(report, problem) measure_midi(report, problem, o) end)
end

-- ---- many files ---------------------------------------------------------------------------------

local KINDS = { mid = "midi", midi = "midi", wav = "audio", flac = "audio", ogg = "audio", oga = "audio",
  aif = "audio", aiff = "audio", au = "audio", mp3 = "audio" }

local Summary = { __name = "validation" }
Summary.__index = Summary

--- "12 files, 3410.2 s: 10 good", and a line for each file that is not.
function Summary:__tostring()
  local lines = { ("%s, %.1f s: %d good"):format(require("luatrain.show").plural(#self.reports, "file"),
    self.duration, self.valid) }
  for _, report in ipairs(self.reports) do
    for _, problem in ipairs(report.problems) do
      local named = problem:find(report.path, 1, true)
      lines[#lines + 1] = named and problem or report.path .. ": " .. problem
    end
  end
  return table.concat(lines, "\n")
end

--- Looks at every sound and MIDI file of a list, or below a folder; files of other kinds in a list are
-- problems.
-- @param o {audio = options of validate.audio, midi = options of validate.midi}
-- @return {reports, valid = how many have no problem, duration = the seconds of these}; printed, it tells
-- each
--   problem in a line
-- @usage print(lt.data.validate.files "datasets/deam")
function validate.files(paths, o)
  o = options.read("validate.files", o, { audio = {}, midi = {} })
  if type(paths) == "string" then
    local folder = paths
    paths = {}
    for _, path in ipairs(fs.find(folder)) do
      if KINDS[fs.extension(path)] then paths[#paths + 1] = path end
    end
  end
  local summary = setmetatable({ reports = {}, valid = 0, duration = 0 }, Summary)
  for i, path in ipairs(paths) do
    local kind = KINDS[fs.extension(path)]
    local report = kind and validate[kind](path, o[kind])
      or finished { path = path, problems = { "is neither a sound nor a MIDI file" } }
    summary.reports[i] = report
    if report.ok then
      summary.valid, summary.duration = summary.valid + 1, summary.duration + report.duration
    end
  end
  return summary
end

return validate
