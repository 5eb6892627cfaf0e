-- The prepare command of the chord recipe: MIDI files with chord labels become rendered songs.
--
-- Reads folders as POP909 has them (NNN/NNN.mid beside NNN/chord_midi.txt) and NAME.mid beside NAME.lab,
-- or makes up songs; writes
--
--     audio/FONT/SONG.flac   22050 Hz, by fluidsynth          manifest.json   what there is
--     lab/SONG.lab           the labels                       skipped.json    what could not be used, and why
--     features/...           what the model hears, so that training need not wait for it
--
-- Songs are ordered by a hash of their names; of every 20 in this order 4 are for testing, 1 for
-- validation, the rest for training. The split of a song depends on nothing else but the number of its
-- elders in the folder.

local chord = require "luatrain.music.chord"
local data = require "chord_data"
local failure = require "luatrain.failure"
local songs = require "chord_songs"
local fs = lt.fs

local prepare = {}

local function split_of(rank)
  if rank % 5 == 0 then return "test" end
  return rank % 20 == 2 and "valid" or "train"
end

-- {song, midi, labels} of every pair of files below a folder.
local function find_songs(folder)
  local found = {}
  for _, path in ipairs(fs.find(folder, "%.midi?$")) do
    local beside, stem = fs.dirname(path), fs.stem(path)
    for _, labels in ipairs { fs.join(beside, stem .. ".lab"), fs.join(beside, "chord_midi.txt") } do
      if fs.is_file(labels) then
        found[#found + 1] = { song = stem, midi = path, labels = labels }
        break
      end
    end
  end
  if #found == 0 then
    failure.raise("data", "%s: holds no MIDI file with NAME.lab or chord_midi.txt beside it", folder)
  end
  return found
end

-- Writes n made-up songs below `out` and returns them as find_songs does.
local function make_songs(out, n, seconds)
  local made = {}
  for i = 1, n do
    local name = ("made%04d"):format(i)
    local song = songs.make(i, seconds)
    local folder = fs.mkdir(fs.join(out, "midi"))
    local one = {
      song = name, midi = fs.join(folder, name .. ".mid"), labels = fs.join(folder, name .. ".lab"),
    }
    for _, note in ipairs(song.notes) do
      note.channel, note.program = note.track - 1, song.programs[note.track]
    end
    lt.midi.write(one.midi, { notes = song.notes, tempos = { { time = 0, bpm = song.bpm } } })
    chord.write_lab(one.labels, song.segments)
    made[i] = one
  end
  return made
end

local function order(found, most)
  table.sort(found, function(a, b)
    local x, y = lt.data.name_share(a.song), lt.data.name_share(b.song)
    if x ~= y then return x < y end
    return a.midi < b.midi
  end)
  local chosen = {}
  for rank, song in ipairs(found) do
    if most > 0 and rank > most then break end
    song.split = split_of(rank - 1)
    chosen[rank] = song
  end
  return chosen
end

local FAINT, MOST_FAINT = 16, 0.25
local VOLUME, EXPRESSION = 7, 11

-- Share of the notes that are struck while their channel's volume or expression is next to nothing.
local function faint_share(path)
  local song = lt.midi.read(path)
  local state, at, faint = {}, 1, 0
  for _, note in ipairs(song.notes) do
    while song.controls[at] and song.controls[at].time <= note.start do
      local c = song.controls[at]
      if c.number == VOLUME or c.number == EXPRESSION then
        state[c.channel] = state[c.channel] or {}
        state[c.channel][c.number] = c.value
      end
      at = at + 1
    end
    local now = state[note.channel]
    if now and math.min(now[VOLUME] or 127, now[EXPRESSION] or 127) < FAINT then faint = faint + 1 end
  end
  return #song.notes > 0 and faint / #song.notes or 0
end

-- The segments of a song's labels; raises where they cannot be read, or the sound cannot show them.
local function labels_of(song)
  local segments, faint = chord.read_lab(song.labels), faint_share(song.midi)
  if faint > MOST_FAINT then
    failure.raise("data", "%s: %d %% of the notes are turned down to silence (controllers 7 and 11): "
      .. "nobody could hear these chords", song.midi, faint * 100)
  end
  return segments
end

-- Keeps the songs whose labels can be read and heard, and copies these.
local function check_labels(chosen, out, skipped)
  local good = {}
  for _, song in ipairs(chosen) do
    local ok, segments = pcall(labels_of, song)
    if ok then
      song.lab_path = fs.join("lab", song.song .. ".lab")
      song.midi_path = fs.join("midi", song.song .. ".mid")
      chord.write_lab(fs.join(out, song.lab_path), segments)
      fs.write(fs.join(out, song.midi_path), fs.read(song.midi))
      good[#good + 1] = song
    else
      skipped:add(song.midi, segments)
    end
  end
  return good
end

-- Renders songs with one SoundFont; adds what came out to the manifest.
local function render(good, font, config, manifest, skipped, line)
  local name, paths, by_path = fs.stem(font), {}, {}
  for i, song in ipairs(good) do
    paths[i], by_path[song.midi] = song.midi, song
  end
  local results = lt.synth.render(paths, {
    soundfont = font, sample_rate = 22050, gain = config.gain, keep = true,
    parallel = config.parallel > 0 and config.parallel or nil,
    out = function(path) return fs.join(config.out, "audio", name, by_path[path].song .. ".flac") end,
    progress = function(done, total)
      if done % 20 == 0 or done == total then line("%s: %d of %d rendered", name, done, total) end
    end,
  })
  for i, result in ipairs(results) do
    local song = good[i]
    if result.ok then
      manifest[#manifest + 1] = {
        id = song.song .. "-" .. name, song = song.song, soundfont = name, split = song.split,
        audio_path = fs.join("audio", name, song.song .. ".flac"), lab_path = song.lab_path,
        midi_path = song.midi_path,
        seconds = lt.audio.info(result.out).duration,
      }
    else
      skipped:add(song.midi, result.error)
    end
  end
end

-- Features of everything in the manifest, from the sound files or from an earlier time.
local function warm(folder, skipped, line)
  local entries = data.entries(folder)
  local started, bad = lt.time(), {}
  for i, entry in ipairs(entries) do
    local ok, problem = pcall(lt.scope, function() data.open(entry) end)
    entry.rows = nil
    if not ok then
      bad[entry.id] = true
      skipped:add(entry.audio_path, problem)
    end
    if i % 20 == 0 or i == #entries then
      line("features: %d of %d songs, %.0f s", i, #entries, lt.time() - started)
    end
  end
  return bad
end

--- Settings of the command.
prepare.config = {
  midi = lt.config.string("", "folder with songs: MIDI files with chord labels beside them"),
  out = lt.config.string("data/pop909", "folder to write"),
  synthetic = lt.config.integer(0, "make up so many songs instead of reading --midi", { min = 0 }),
  seconds = lt.config.number(40, "length of made-up songs", { min = 4 }),
  songs = lt.config.integer(0, "use so many songs only; 0: all", { min = 0 }),
  only = lt.config.choice("all", { "all", "train", "valid", "test" }, "only songs of this split"),
  soundfont = lt.config.list({}, "SoundFonts to render with, paths or installed names; none: the best one",
    { of = "string" }),
  gain = lt.config.number(0.5, "loudness of the rendering", { min = 0, max = 10 }),
  parallel = lt.config.integer(0, "renderings at a time; 0: one a core", { min = 0 }),
  max_skipped = lt.config.number(0.1, "share of damaged songs above which this is an error",
    { min = 0, max = 1 }),
}

--- Runs the command; `context:line` prints.
function prepare.run(config, context)
  local function line(...) context:line(...) end
  if (config.midi == "") == (config.synthetic == 0) then
    failure.raise("usage", "prepare: give either --midi FOLDER or --synthetic N")
  end
  if config.midi ~= "" and not fs.is_dir(config.midi) then
    failure.raise("data", "%s: no such folder", config.midi)
  end
  fs.mkdir(fs.join(config.out, "lab"))
  fs.mkdir(fs.join(config.out, "midi"))
  local fonts = lt.synth.chosen(config.soundfont)
  local found = config.synthetic > 0 and make_songs(config.out, config.synthetic, config.seconds)
    or find_songs(config.midi)
  local chosen, skipped, manifest = {}, lt.data.skipped(config.out), lt.json.array {}
  for _, song in ipairs(order(found, config.songs)) do
    if config.only == "all" or config.only == song.split then chosen[#chosen + 1] = song end
  end
  local good = check_labels(chosen, config.out, skipped)
  for _, font in ipairs(fonts) do render(good, font, config, manifest, skipped, line) end
  lt.json.save(fs.join(config.out, "manifest.json"), manifest)
  local bad = warm(config.out, skipped, line)
  local kept = lt.json.array {}
  for _, entry in ipairs(manifest) do
    if not bad[entry.id] then kept[#kept + 1] = entry end
  end
  lt.json.save(fs.join(config.out, "manifest.json"), kept)
  skipped:finish(line, ("%d songs, %d recordings"):format(#chosen, #kept), #chosen * #fonts,
    config.max_skipped)
end

return prepare
