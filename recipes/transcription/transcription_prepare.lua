-- The prepare command: folders of performances become a data set with features.
--
--     a folder of MIDI files            rendered by fluidsynth; pieces are the files, composers their first
--                                       folder; a metadata.csv with composer, title and
--                                       midi_performance (ASAP) names both
--     MAESTRO (maestro-v*.csv)          recordings and split as they are
--     MAPS (.../MUS/*.wav, *.mid)       recordings as they are; ENSTDk* are for testing, pieces in them not
--                                       for training (Sigtia et al. 2016)

local catalogue = require "transcription_catalogue"
local failure = require "luatrain.failure"
local manifest = require "transcription_manifest"
local notes = require "transcription_notes"
local windows = require "transcription_windows"
local config, fs = lt.config, lt.fs

local prepare = {}

--- Settings of the command.
prepare.config = {
  midi = config.string("", "folder with performances: MIDI files, or MAESTRO or MAPS as downloaded"),
  name = config.string("real", "name of the data set"),
  out = config.string("", "folder to write; empty: data/datasets/NAME"),
  soundfont = config.list({},
    "SoundFonts to render MIDI files with, paths or installed names; none: the best one",
    { of = "string" }),
  every_soundfont = config.flag(false,
    "render each piece for training with every SoundFont rather than with one "
    .. "in turn (pieces for testing are rendered with all)"),
  test_composers = config.list({}, "composers whose pieces are for testing only", { of = "string" }),
  test_share = config.number(0.1, "share of the pieces for testing where no composers are named",
    { min = 0, max = 0.9 }),
  val_share = config.number(0.05, "share of the pieces for validation", { min = 0, max = 0.9 }),
  pieces = config.integer(0, "use so many pieces only; 0: all", { min = 0 }),
  performances = config.integer(0, "performances of each piece, at most; 0: all", { min = 0 }),
  only = config.choice("all", { "all", "train", "val", "test" }, "only pieces of this split"),
  max_seconds = config.number(1800, "longer pieces are skipped", { min = 1 }),
  gain = config.number(0.5, "loudness of the rendering", { min = 0, max = 10 }),
  parallel = config.integer(0, "renderings at a time; 0: one a core", { min = 0 }),
  max_skipped = config.number(0.1, "share of damaged pieces above which this is an error",
    { min = 0, max = 1 }),
}

-- What is to be rendered or copied: a recording for each piece and SoundFont.
local function plan(pieces, fonts, c, skipped)
  local recordings = {}
  for i, piece in ipairs(pieces) do
    local ok, problem = pcall(function()
      local list = notes.read(piece.midi)
      piece.num_notes, piece.seconds = #list, list[#list].stop
      if piece.seconds > c.max_seconds then
        failure.raise("data", "%s: lasts %.0f s, more than --max_seconds %g", piece.midi, piece.seconds,
          c.max_seconds)
      end
    end)
    if not ok then
      skipped:add(piece.midi, problem)
    elseif piece.audio then
      recordings[#recordings + 1] = { piece = piece, id = piece.id }
    else
      for k, font in ipairs(fonts) do
        if piece.split == "test" or c.every_soundfont or (i - 1) % #fonts + 1 == k then
          recordings[#recordings + 1] = { piece = piece, font = font, id = piece.id .. "-" .. fs.stem(font) }
        end
      end
    end
  end
  return recordings
end

-- Renders what is to be rendered with one SoundFont.
local function render(recordings, font, c, out, skipped, line)
  local list, by_path = {}, {}
  for _, one in ipairs(recordings) do
    if one.font == font then
      list[#list + 1] = one.piece.midi
      by_path[one.piece.midi] = one
      one.audio = fs.join(one.piece.split, one.id .. ".flac")
    end
  end
  if #list == 0 then return end
  local name = fs.stem(font)
  local results = lt.synth.render(list, {
    soundfont = font, sample_rate = 16000, gain = c.gain, keep = true, max_seconds = c.max_seconds + 60,
    parallel = c.parallel > 0 and c.parallel or nil,
    out = function(path) return fs.join(out, by_path[path].audio) end,
    progress = function(done, total)
      if done % 10 == 0 or done == total then line("%s: %d of %d rendered", name, done, total) end
    end,
  })
  for i, result in ipairs(results) do
    if not result.ok then
      by_path[list[i]].audio = nil
      skipped:add(list[i], result.error)
    end
  end
end

-- The manifest's entries of everything that has a sound file, by split.
local function entries_of(recordings, out)
  local splits = { train = {}, val = {}, test = {} }
  for _, one in ipairs(recordings) do
    local piece = one.piece
    local audio = piece.audio or one.audio
    if audio then
      local midi = fs.join(piece.split, piece.id .. ".mid")
      fs.write(fs.join(out, midi), fs.read(piece.midi))
      table.insert(splits[piece.split], {
        id = one.id, piece = piece.id, composer = piece.composer, soundfont = one.font and fs.stem(one.font),
        split = piece.split, audio_path = audio, midi_path = midi, num_notes = piece.num_notes,
        duration = lt.audio.info(piece.audio or fs.join(out, audio)).duration,
      })
    end
  end
  return splits
end

-- Writes the manifests, then the features; what has no features leaves the manifests again.
local function finish(splits, out, skipped, line)
  local count = 0
  for _, split in ipairs(manifest.splits) do
    manifest.write(out, split, splits[split])
    if #splits[split] > 0 then
      local good, kept = windows.warm(out, split, skipped, line), {}
      for _, entry in ipairs(splits[split]) do
        if good[entry.id] then kept[#kept + 1] = entry end
      end
      manifest.write(out, split, kept)
      count = count + #kept
    end
  end
  return count
end

--- Runs the command; `context:line` prints.
function prepare.run(c, context)
  local function line(...) context:line(...) end
  if c.midi == "" then failure.raise("usage", "prepare: give --midi FOLDER") end
  local out = manifest.folder(c)
  local pieces, skipped = catalogue.find(c.midi, c), lt.data.skipped(out)
  for _, split in ipairs(manifest.splits) do fs.mkdir(fs.join(out, split)) end
  local chosen = {}
  for _, piece in ipairs(pieces) do
    if c.only == "all" or c.only == piece.split then chosen[#chosen + 1] = piece end
  end
  local needs_fonts = false
  for _, piece in ipairs(chosen) do needs_fonts = needs_fonts or not piece.audio end
  local fonts = needs_fonts and lt.synth.chosen(c.soundfont) or {}
  local recordings = plan(chosen, fonts, c, skipped)
  for _, font in ipairs(fonts) do render(recordings, font, c, out, skipped, line) end
  local count = finish(entries_of(recordings, out), out, skipped, line)
  skipped:finish(line, ("%d pieces, %d recordings"):format(#chosen, count), math.max(#chosen, #recordings),
    c.max_skipped)
end

return prepare
