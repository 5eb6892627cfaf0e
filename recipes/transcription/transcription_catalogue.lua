-- Which pieces a folder of performances holds, and which split each is for: lists of {id, midi, audio (nil
-- where it is to be rendered), composer, title, split}.

local failure = require "luatrain.failure"
local fs = lt.fs

local catalogue = {}

-- A name for files made of a path: letters, digits, - and _.
local function slug(text) return (text:gsub("%.midi?$", ""):gsub("[^%w%-]+", "_"):gsub("^_+", "")) end

local function relative(folder, path) return path:sub(#folder + 1):gsub("^/+", "") end

-- The columns of a CSV file in a folder, where there is one.
local function table_of(folder, pattern)
  for _, name in ipairs(fs.list(folder)) do
    if name:match(pattern) then return lt.data.csv(fs.join(folder, name)), fs.join(folder, name) end
  end
end

local MAESTRO_SPLIT = { train = "train", validation = "val", test = "test" }

local function maestro(folder)
  local rows, path = table_of(folder, "^maestro.*%.csv$")
  if not rows then return nil end
  local list = {}
  for i = 1, rows:size() do
    local row = rows:get(i)
    local midi, audio, split = row.midi_filename, row.audio_filename, MAESTRO_SPLIT[row.split]
    if not (midi and audio and split) then
      failure.raise("data", "%s, line %d: wants the columns split, midi_filename and audio_filename", path,
        i + 1)
    end
    list[#list + 1] = { id = slug(midi), midi = fs.join(folder, midi), audio = fs.join(folder, audio),
      split = split,
      composer = row.canonical_composer, title = row.canonical_title }
  end
  return list
end

-- MAPS: wav and mid of the same name in folders .../INSTRUMENT/MUS. The acoustic recordings (ENSTDk...) are
-- for testing; synthesised ones of the same pieces are left out.
local function maps(folder)
  local list, tested = {}, {}
  for _, audio in ipairs(fs.find(folder, "^maps_mus%-.*%.wav$")) do
    local stem = fs.stem(audio)
    local title, instrument = stem:match "^MAPS_MUS%-(.*)_([^_]+)$"
    local midi = fs.join(fs.dirname(audio), stem .. ".mid")
    if title and fs.is_file(midi) then
      local acoustic = instrument:match "^ENSTDk" ~= nil
      if acoustic then tested[title] = true end
      list[#list + 1] = { id = slug(stem), midi = midi, audio = audio, title = title, acoustic = acoustic }
    end
  end
  local kept = {}
  for _, one in ipairs(list) do
    one.split = one.acoustic and "test" or lt.data.name_share(one.title) < 0.05 and "val" or "train"
    if one.acoustic or not tested[one.title] then kept[#kept + 1] = one end
  end
  return #list > 0 and kept or nil
end

-- MIDI files; metadata.csv (ASAP's) names composer and title, else the first folder is the composer.
local function performances(folder)
  local list, rows = {}, table_of(folder, "^metadata%.csv$")
  if rows and rows:size() > 0 and rows:get(1).midi_performance then
    for i = 1, rows:size() do
      local row = rows:get(i)
      list[i] = { id = slug(row.midi_performance), midi = fs.join(folder, row.midi_performance),
        composer = row.composer, title = (row.composer or "") .. "/" .. (row.title or row.midi_performance) }
    end
    return list
  end
  for _, path in ipairs(fs.find(folder, "%.midi?$")) do
    local name = relative(folder, path)
    list[#list + 1] = { id = slug(name), midi = path, title = name, composer = name:match "^([^/]+)/" or "" }
  end
  return list
end

-- Splits pieces by composer or by a hash of their titles; the order, too, depends on titles only.
local function divide(list, c)
  local testing = {}
  for _, name in ipairs(c.test_composers) do testing[name] = 0 end
  for _, piece in ipairs(list) do
    piece.share = lt.data.name_share(piece.title)
    local by_composer = testing[piece.composer]
    if by_composer then testing[piece.composer] = by_composer + 1 end
    local test = by_composer or (#c.test_composers == 0 and piece.share < c.test_share)
    piece.split = test and "test" or lt.data.name_share(piece.title .. "/") < c.val_share and "val" or "train"
  end
  for name, count in pairs(testing) do
    if count == 0 then failure.raise("data", "--test_composers: there is no piece by '%s'", name) end
  end
end

-- At most c.performances of a piece, and c.pieces pieces (0: all).
local function few(list, c)
  local kept, played, pieces = {}, {}, 0
  for _, one in ipairs(list) do
    local title = one.title or one.id
    local times = played[title] or 0
    if times == 0 then pieces = pieces + 1 end
    local room = c.performances == 0 or times < c.performances
    if room and (times > 0 or c.pieces == 0 or pieces <= c.pieces) then
      played[title] = times + 1
      kept[#kept + 1] = one
    end
  end
  return kept
end

--- The performances of a folder, in an order that depends on their names only.
-- @param c test_composers, test_share, val_share, performances (of a piece, at most) and pieces (0: all)
function catalogue.find(folder, c)
  if not fs.is_dir(folder) then failure.raise("data", "%s: no such folder", folder) end
  local list = maestro(folder) or maps(folder)
  if not list then
    list = performances(folder)
    if #list == 0 then failure.raise("data", "%s: holds no MIDI file", folder) end
    divide(list, c)
  end
  table.sort(list, function(a, b)
    local x, y = lt.data.name_share(a.id), lt.data.name_share(b.id)
    if x ~= y then return x < y end
    return a.id < b.id
  end)
  list = few(list, c)
  local seen = {}
  for _, piece in ipairs(list) do
    if seen[piece.id] then
      failure.raise("data", "%s and %s would both be called %s", seen[piece.id], piece.midi, piece.id)
    end
    seen[piece.id] = piece.midi
  end
  return list
end

return catalogue
