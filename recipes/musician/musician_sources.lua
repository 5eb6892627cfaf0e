-- What a folder of data sets holds for each of the five models.
--
--   DEAM, EmoMusic       static_annotations*.csv below annotations/ (1 to 9), ID.mp3 anywhere    emotion
--   NAME.csv             columns path (or audio, midi, file), valence, arousal, from -1 to 1; and piece,
--                        whose excerpts are not torn apart (optional)               emotion, MIDI also melody
--   MAESTRO              maestro-v*.csv                                              melody, dynamics
--   ASAP                 metadata.csv with midi_performance                          melody, dynamics
--   Lakh                 lmd_full/, lmd_matched/, lmd_aligned/                       melody
--   Groove MIDI          info.csv; beats in 4/4, without the fills                   groove
--   POP909               NNN/chord_midi.txt                                          harmony
--   NAME.json            {"chords": ["C", "A:min7", "Fm"], "emotion": "sad"}, a list of these, or
--                        {"progressions": [...]}                                     harmony
--   NAME.json            beside NAME.mid {"emotion": "calm"} or {"valence": 0.2, "arousal": -0.5}; or
--                        {"a.mid": "calm", ...}; or a list of {"midi": "a.mid", ...}  moods of MIDI files
--   other MIDI           below a folder with groove or drum in its name              groove
--                        elsewhere                                                   melody, dynamics

local failure = require "luatrain.failure"
local mood = require "musician_mood"
local fs = lt.fs

local sources = {}

local AUDIO = { wav = true, mp3 = true, flac = true, ogg = true, aiff = true, aif = true }
local MIDI = { mid = true, midi = true }
local SPLITS = { train = "train", validation = "valid", test = "test" }

local Search = {}
Search.__index = Search

function Search:relative(path) return path:sub(#self.folder + 1):gsub("^/+", "") end

-- Adds an entry for some models.
function Search:add(entry, ...)
  entry.synthetic = self:below(entry.audio or entry.midi or entry.labels or entry.path, self.made)
  for _, model in ipairs { ... } do table.insert(self.found[model], entry) end
end

-- Everything below a folder is known; files there are not looked at again.
function Search:claim(folder) self.claimed[folder] = true end

-- Whether a file lies below one of some folders.
function Search:below(path, folders)
  while #path > #self.folder do
    path = fs.dirname(path)
    if folders[path] then return true end
  end
  return false
end

-- ---- tables -------------------------------------------------------------------------------------

-- The records of a CSV file as a list, their names without spaces around them; raises where `wanted` (names,
-- each perhaps a list of names that mean the same) are missing.
local function rows_of(path, wanted)
  local table_, rows = lt.data.csv(path), {}
  for i = 1, table_:size() do
    rows[i] = {}
    for name, value in pairs(table_:get(i)) do rows[i][name:match "^%s*(.-)%s*$"] = value end
  end
  for _, names in ipairs(rows[1] and wanted or {}) do
    local found = false
    for _, name in ipairs(names) do found = found or rows[1][name] ~= nil end
    if not found then
      failure.raise("data", "%s: has no column '%s'%s", path, names[1],
        failure.suggest(names[1], lt.core.sorted_keys(rows[1])))
    end
  end
  if #rows == 0 then failure.raise("data", "%s: holds no record", path) end
  return rows
end

local readers = {}

function readers.maestro(search, path)
  local base = fs.dirname(path)
  search:claim(base)
  for _, row in ipairs(rows_of(path, { { "midi_filename" }, { "split" }, { "canonical_title" } })) do
    search:add({ id = row.midi_filename, midi = fs.join(base, row.midi_filename), split = SPLITS[row.split],
      group = (row.canonical_composer or "") .. "/" .. row.canonical_title }, "melody", "dynamics")
  end
end

function readers.asap(search, path)
  local base = fs.dirname(path)
  local rows = rows_of(path, { { "midi_performance" }, { "title" } })
  search:claim(base)
  for _, row in ipairs(rows) do
    search:add({ id = row.midi_performance, midi = fs.join(base, row.midi_performance),
      group = (row.composer or "") .. "/" .. row.title }, "melody", "dynamics")
  end
end

function readers.groove(search, path)
  local base = fs.dirname(path)
  local rows = rows_of(path, { { "midi_filename" }, { "bpm" }, { "split" } })
  search:claim(base)
  for _, row in ipairs(rows) do
    if row.beat_type ~= "fill" and (row.time_signature or "4-4") == "4-4" then
      search.skipped:try(path, function()
        local bpm = tonumber(row.bpm)
        if not (bpm and bpm >= 20 and bpm <= 400) then
          failure.raise("data", "%s: the bpm of %s is '%s', wanted 20 to 400", path, row.midi_filename,
            row.bpm)
        end
        search:add({ id = row.midi_filename, midi = fs.join(base, row.midi_filename), bpm = bpm,
          group = row.midi_filename, split = SPLITS[row.split] }, "groove")
      end)
    end
  end
end

-- DEAM's songs, rated from 1 to 9.
function readers.deam(search, path)
  local base = path:match "^(.*)/annotations/" or fs.dirname(path)
  search:claim(base)
  if not search.songs[base] then
    search.songs[base] = {}
    for _, file in ipairs(fs.find(base)) do
      if AUDIO[fs.extension(file)] then search.songs[base][fs.stem(file)] = file end
    end
  end
  for i, row in ipairs(rows_of(path, { { "song_id" }, { "valence_mean", "mean_valence" },
    { "arousal_mean", "mean_arousal" } })) do
    local id = row.song_id:match "%S+" or ""
    search.skipped:try(path, function()
      local function scaled(rating) return rating and ((tonumber(rating) or 0 / 0) - 5) / 4 end
      local one = mood.read({ valence = scaled(row.valence_mean or row.mean_valence),
        arousal = scaled(row.arousal_mean or row.mean_arousal) }, ("%s, record %d, on a scale from 1 to 9")
          :format(path, i + 1))
      local audio = search.songs[base][id]
      if not audio then failure.raise("data", "%s, record %d: there is no sound file %s", path, i + 1, id) end
      search:add({ id = search:relative(audio), audio = audio, group = "deam/" .. id, mood = one }, "emotion")
    end)
  end
end

-- A table of files with valence and arousal.
function readers.labelled(search, path)
  local rows = rows_of(path, { { "path", "audio", "midi", "file" }, { "valence" }, { "arousal" } })
  for i, row in ipairs(rows) do
    search.skipped:try(path, function()
      local where = ("%s, record %d"):format(path, i + 1)
      local file = row.path or fs.join(fs.dirname(path), row.audio or row.midi or row.file)
      local one = { id = search:relative(file), mood = mood.read(row, where) }
      one.group = row.piece and (row.game or row.composer or "") .. "/" .. row.piece or one.id
      if not fs.is_file(file) then failure.raise("data", "%s: %s: no such file", where, file) end
      search.taken[file] = true
      if MIDI[fs.extension(file)] then
        one.midi = file
        search:add(one, "emotion", "melody")
      else
        one.audio = file
        search:add(one, "emotion")
      end
    end)
  end
end

-- ---- JSON ---------------------------------------------------------------------------------------

-- Chord progressions of a document, where it holds some.
local function add_progressions(search, path, list)
  for i, one in ipairs(list) do
    search.skipped:try(path, function()
      local where = ("%s, progression %d"):format(search:relative(path), i)
      if type(one) ~= "table" or type(one.chords) ~= "table" then
        failure.raise("data", "%s: wants an object with a list under \"chords\"", where)
      end
      local feeling = (one.emotion ~= nil or one.valence ~= nil) and mood.read(one, where) or nil
      search:add({ id = where, path = path, chords = one.chords, mood = feeling,
        group = type(one.song) == "string" and one.song or where }, "harmony")
    end)
  end
end

-- Moods of MIDI files.
local function add_moods(search, path, list)
  for key, label in pairs(list) do
    search.skipped:try(path, function()
      local name = type(key) == "string" and key
        or type(label) == "table" and (label.midi or label.path or label.file)
      local file = type(name) == "string" and fs.join(fs.dirname(path), name)
      if not file or not fs.is_file(file) then
        failure.raise("data", "%s: neither chord progressions nor moods of MIDI files: '%s' is no file", path,
          tostring(name or key):sub(1, 60))
      end
      search.moods[file] = mood.read(label, ("%s, %s"):format(path, name))
    end)
  end
end

function readers.json(search, path)
  local document = lt.json.load(path)
  if type(document) ~= "table" then failure.raise("data", "%s: holds neither an object nor a list", path) end
  local list = document.progressions or document.chords and { document } or document.files or document
  if type(list) == "table" and type(list[1]) == "table" and list[1].chords then
    return add_progressions(search, path, list)
  end
  for _, extension in ipairs { ".mid", ".midi" } do
    local beside = path:gsub("%.[^.]*$", extension)
    if fs.is_file(beside) then
      search.moods[beside] = mood.read(document, path)
      return
    end
  end
  add_moods(search, path, type(list) == "table" and list or {})
end

-- ---- searching ----------------------------------------------------------------------------------

-- What an index file is called, and what reads it.
local INDEXES = { { "^maestro%-v.*%.csv$", readers.maestro }, { "^metadata%.csv$", readers.asap },
  { "^info%.csv$", readers.groove }, { "^static_annotations.*%.csv$", readers.deam } }

local function claim_known(search, path)
  local name = fs.basename(path)
  for _, index in ipairs(INDEXES) do
    if name:match(index[1]) and not search:below(path, search.claimed) then
      search.skipped:try(path, index[2], search, path)
    end
  end
  local lakh = path:match "^(.*/lmd_%l+)/"
  if lakh and MIDI[fs.extension(path)] then
    local track = path:match "/(TR%u+%w*)/[^/]*$"
    search:claim(lakh)
    search:add({ id = search:relative(path), midi = path, group = track or fs.stem(path) }, "melody")
  elseif name == "chord_midi.txt" then
    local song = fs.dirname(path)
    search:claim(song)
    search:add({ id = search:relative(path), labels = path, group = search:relative(song) }, "harmony")
  end
end

-- The user's own MIDI files.
local function add_midi(search, path)
  if search.taken[path] then return end
  local name = search:relative(path)
  local entry = { id = name, midi = path, group = name, mood = search.moods[path] }
  local folder = fs.dirname(name):lower()
  if folder:find "groove" or folder:find "drum" then
    search:add(entry, "groove")
  else
    search:add(entry, "melody", "dynamics")
  end
end

--- What there is in a folder for each model: {emotion = entries, melody = ..., ...}, in an order that depends
-- on names only. An entry is {id, group (what must not be torn apart), split (where the data set says so),
-- mood (nil where nobody labelled it), synthetic, and audio, midi, labels (a .lab file) or chords}.
-- @param skipped lists what is damaged (lt.data.skipped)
function sources.find(folder, skipped)
  if not fs.is_dir(folder) then failure.raise("data", "%s: no such folder", folder) end
  local search = setmetatable({ folder = folder, skipped = skipped, claimed = {}, taken = {}, moods = {},
    songs = {}, made = {} }, Search)
  search.found = { emotion = {}, melody = {}, harmony = {}, dynamics = {}, groove = {} }
  search:claim(fs.join(folder, "prepared"))
  local files, rest = fs.find(folder), {}
  for _, path in ipairs(files) do
    if fs.basename(path) == "synthetic.json" then
      search.made[fs.dirname(path)], search.taken[path] = true, true
    end
  end
  for _, path in ipairs(files) do claim_known(search, path) end
  for _, path in ipairs(files) do
    if not search:below(path, search.claimed) and not search.taken[path] then rest[#rest + 1] = path end
  end
  for _, path in ipairs(rest) do
    local kind = fs.extension(path)
    if kind == "csv" then search.skipped:try(path, readers.labelled, search, path) end
    if kind == "json" then search.skipped:try(path, readers.json, search, path) end
  end
  for _, path in ipairs(rest) do
    if MIDI[fs.extension(path)] then add_midi(search, path) end
  end
  for _, entries in pairs(search.found) do
    table.sort(entries, function(a, b)
      local x, y = lt.data.name_share(a.id), lt.data.name_share(b.id)
      if x ~= y then return x < y end
      return a.id < b.id
    end)
  end
  return search.found
end

return sources
