-- What the chord model hears: magnitudes of a constant-Q transform, 24 bins an octave from C1 to B7, one
-- row each 93 ms (the mean of two transforms 46 ms apart), and where the rows lie in time.
--
-- Features come from a `source`: a table with `frames` (how many rows there are), `seconds` and
-- `read(first, n)`, which gives rows first .. first + n - 1 (counted from 0; zeros outside) as a tensor
-- (n, bins).

local chord = require "luatrain.music.chord"
local fs = lt.fs

local features = {}

features.sample_rate = 22050
features.bins_per_octave = 24
features.bins = 7 * features.bins_per_octave
features.pitches = 7 * 12
local LOWEST_PITCH = 24                                            -- C1
local HOP = 1024
-- Row i, from 0, is about the time first_seconds + i * row_seconds.
features.row_seconds = 2 * HOP / features.sample_rate
features.first_seconds = 0.5 * HOP / features.sample_rate

-- (T) samples -> (rows, bins)
local cqt

local function transform(x)
  cqt = cqt or lt.audio.Cqt {
    sample_rate = features.sample_rate, hop = HOP, n_bins = features.bins,
    bins_per_octave = features.bins_per_octave,
  }
  local magnitude = cqt(x)                                         -- (bins, frames)
  local rows = math.floor(magnitude:size(2) / 2)
  return magnitude:narrow(2, 1, 2 * rows):transpose(1, 2):contiguous():reshape(rows, 2, features.bins):mean(2)
end

-- Rows around a boundary of the transform's input are not right; so many more are computed on each side.
local MARGIN = 12

--- The source of a sound file of any format, rate and length; never holds more than was asked for.
function features.of_file(path)
  local info = lt.audio.info(path)
  local rate = info.sample_rate
  local samples = rate * features.row_seconds                      -- of the file in a row
  local function read(first, n)
    local from, to = first - MARGIN, first + n + MARGIN
    local begin = math.max(0, math.floor(from * samples + 0.5))
    local count = math.floor(to * samples + 0.5) - begin
    if info.frames then count = math.min(count, info.frames - begin) end
    local lead = from < 0 and math.floor(-from * features.row_seconds * features.sample_rate + 0.5) or 0
    local x = count > 0
      and lt.audio.load(path, { offset = begin, frames = count, mono = true,
        sample_rate = features.sample_rate }) or lt.zeros(1)
    local wanted = (n + 2 * MARGIN) * 2 * HOP
    local after = math.max(0, wanted - lead - x:size(1))
    x = lt.cat({ lt.zeros(lead + 1), x, lt.zeros(after + 1) }, 1):narrow(1, 2, wanted)
    return transform(x):narrow(1, MARGIN + 1, n)
  end
  local seconds = info.duration
  return { frames = math.ceil(seconds / features.row_seconds), seconds = seconds, read = read }
end

-- Rows of a whole file in a tensor, bfloat16: 3 bytes in 1000 are lost, half the memory is saved.
local function compute(path)
  local source, parts, BLOCK = features.of_file(path), {}, 2048
  for first = 0, source.frames - 1, BLOCK do
    parts[#parts + 1] = source.read(first, math.min(BLOCK, source.frames - first)):to "bf16"
  end
  return #parts == 1 and parts[1] or lt.cat(parts, 1)
end

local SETTINGS = ("cqt %d Hz, %d bins an octave, 7 octaves, 2 x hop %d"):format(features.sample_rate,
  features.bins_per_octave, HOP)

--- Rows of a sound file (rows, bins), bf16, kept in `cache` (a .safetensors file) from the first time on.
function features.cached(path, cache)
  if fs.is_file(cache) then
    local ok, tensors, about = pcall(lt.safetensors.load, cache)
    if ok and about.settings == SETTINGS and tensors.rows then return tensors.rows end
  end
  local rows = compute(path)
  fs.mkdir(fs.dirname(cache))
  lt.safetensors.save(cache, { rows = rows }, { settings = SETTINGS })
  return rows
end

--- The source of rows (or notes) in memory.
function features.of_rows(rows, seconds)
  local have, width = rows:size(1), rows:size(2)
  local function read(first, n)
    local from, to = math.max(0, first), math.min(have, first + n)
    if to <= from then return lt.zeros(n, width) end
    local part = rows:narrow(1, from + 1, to - from):to "f32"
    if to - from == n then return part end
    local parts = { part }
    if from > first then table.insert(parts, 1, lt.zeros(from - first, width)) end
    if first + n > to then parts[#parts + 1] = lt.zeros(first + n - to, width) end
    return lt.cat(parts, 1)
  end
  return { frames = have, seconds = seconds or have * features.row_seconds, read = read }
end

--- Rows (n, bins), or notes (n, pitches), moved up by a number of semitones; what enters at the edge is
-- silence.
function features.transpose(x, semitones)
  local width = x:size(2)
  local by = semitones * width / features.pitches
  if by == 0 then return x end
  local empty, rest = lt.zeros(x:size(1), math.abs(by)), width - math.abs(by)
  if by > 0 then return lt.cat({ empty, x:narrow(2, 1, rest) }, 2) end
  return lt.cat({ x:narrow(2, 1 - by, rest), empty }, 2)
end

--- Which pitches (MIDI 24 to 107, as the bins) sound at every row: u8 (n, pitches).
-- @param notes of lt.midi.read
function features.notes(notes, n)
  local active = lt.zeros({ n, features.pitches }, "u8")
  local data = active:data()
  for _, note in ipairs(notes) do
    local pitch = note.pitch - LOWEST_PITCH
    if pitch >= 0 and pitch < features.pitches and not note.drum then
      local function index(t) return math.ceil((t - features.first_seconds) / features.row_seconds) end
      for i = math.max(0, index(note.start)), math.min(n, index(note.stop)) - 1 do
        data[i * features.pitches + pitch] = 1
      end
    end
  end
  return active
end

--- Classes of every row of a song: lists of types, roots and basses, -100 (which losses ignore) where
-- there is none.
-- @param segments as chord.read_lab gives them
-- @param n number of rows
function features.classes(segments, n)
  local kinds, roots, basses = {}, {}, {}
  for i = 1, n do kinds[i], roots[i], basses[i] = -100, -100, -100 end
  for _, segment in ipairs(segments) do
    local kind, root, bass = chord.classify(segment.label)
    local function index(t) return math.ceil((t - features.first_seconds) / features.row_seconds) end
    for i = math.max(0, index(segment.start)) + 1, math.min(n, index(segment.stop)) do
      kinds[i], roots[i], basses[i] = kind or -100, root or -100, bass or -100
    end
  end
  return { kinds = kinds, roots = roots, basses = basses }
end

return features
