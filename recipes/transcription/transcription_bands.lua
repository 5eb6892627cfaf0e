-- What the frame-wise model hears: levels of a log-frequency filter bank (three bands a semitone, from A0 up,
-- as in Kelz et al. 2016), one row each 20 ms, seen twice: through a long window (256 ms) that tells pitches
-- apart, and a short one (64 ms) that tells when.
--
-- A row is u8 (bands * 2), the two windows side by side for each band: 255 is a full-scale sine, 0 is 100 dB
-- below. Row i, from 0, is about the time i * row_seconds.

local hdf5 = require "luatrain.data.hdf5"
local fs = lt.fs

local bands = {}

bands.sample_rate = 16000
bands.hop = 320
bands.row_seconds = bands.hop / bands.sample_rate
--- Semitones from A0 up, and bands.
bands.semitones, bands.per_semitone = 97, 3
bands.count = bands.semitones * bands.per_semitone
bands.width = 2 * bands.count
local WINDOWS = { 4096, 1024 }
local RANGE = 100                                                   -- dB

-- Band k, from 0, is centred on A0 moved up by (k - 1) / 3 semitones: those of a key are 3 key .. 3 key + 2.
local function centre(k) return 27.5 * 2 ^ ((k - 1) / (12 * bands.per_semitone)) end

-- Triangles over frequency, as wide as the transform can tell apart, of sum 1: (bands, bins).
local function filters(n_fft)
  local bins, spacing = n_fft / 2 + 1, bands.sample_rate / n_fft
  local bank = lt.zeros(bands.count, bins)
  local data = bank:data()
  for k = 0, bands.count - 1 do
    local f, sum = centre(k), 0
    local half = math.max(f * (2 ^ (1 / (12 * bands.per_semitone)) - 1), spacing)
    local first, last = math.ceil((f - half) / spacing), math.floor((f + half) / spacing)
    for b = math.max(0, first), math.min(bins - 1, last) do
      local weight = 1 - math.abs(b * spacing - f) / half
      data[k * bins + b] = weight
      sum = sum + weight
    end
    for b = 0, bins - 1 do data[k * bins + b] = data[k * bins + b] / math.max(sum, 1e-9) end
  end
  return bank
end

local banks

-- (samples) -> (rows, bands) in dB relative to a full-scale sine; the first row's window begins at sample 0.
local function levels(x, n_fft, bank)
  local magnitude = lt.audio.spectrogram(x, { n_fft = n_fft, hop = bands.hop, center = false, power = 1 })
  local power = lt.matmul(bank, magnitude) * (4 / n_fft)            -- the window's sum is n_fft / 2
  return (power:clamp(1e-9, 1e9):log() * (20 / math.log(10))):transpose(1, 2)
end

-- Samples (T) that begin half a long window before the first row -> u8 (rows, width).
local function rows_of(x, rows)
  banks = banks or { lt.keep(filters(WINDOWS[1])), lt.keep(filters(WINDOWS[2])) }
  local both = {}
  for i, n_fft in ipairs(WINDOWS) do
    local part = x:narrow(1, (WINDOWS[1] - n_fft) / 2 + 1, (rows - 1) * bands.hop + n_fft)
    both[i] = levels(part, n_fft, banks[i])
  end
  local db = lt.stack(both, 3):flatten(2)
  return ((db + RANGE) * (255 / RANGE) + 0.5):clamp(0, 255):to "u8"
end

--- A sound file of any format, rate, length and number of channels: {rows = how many there are, seconds,
-- read = function(first, n)}, which gives rows first .. first + n - 1 (from 0; silence outside), u8
-- (n, width), and holds no more than that.
function bands.of_file(path)
  local info = lt.audio.info(path)
  local scale, half = info.sample_rate / bands.sample_rate, WINDOWS[1] / 2
  local function read(first, n)
    local from, wanted = first * bands.hop - half, (n - 1) * bands.hop + 2 * half
    local lead = math.max(0, -from)
    local begin = math.floor(math.max(0, from) * scale + 0.5)
    local count = math.ceil((wanted - lead) * scale)
    if info.frames then count = math.min(count, info.frames - begin) end
    local x = count > 0 and lt.audio.load(path, { offset = begin, frames = count, mono = true,
      sample_rate = bands.sample_rate }) or lt.zeros(1)
    x = lt.cat({ lt.zeros(lead + 1), x, lt.zeros(math.max(0, wanted - lead - x:size(1)) + 1) }, 1)
    return rows_of(x:narrow(1, 2, wanted), n)
  end
  local rows = math.max(1, math.ceil(info.duration / bands.row_seconds))
  return { rows = rows, seconds = info.duration, read = read }
end

local SETTINGS = ("log-frequency levels, %d Hz, hop %d, %d bands a semitone, windows %s, %d dB"):format(
  bands.sample_rate, bands.hop, bands.per_semitone, table.concat(WINDOWS, "+"), RANGE)

local function is_current(cache)
  if not fs.is_file(cache) then return false end
  local ok, file = pcall(hdf5.open, cache)
  if not ok then return false end
  local good = file:attributes("/").settings == SETTINGS and file:has "rows" == "dataset"
  file:close()
  return good
end

--- Makes the rows of a sound file once, kept in `cache` (HDF5, data set "rows"); nothing where it is there.
function bands.prepare(path, cache)
  if is_current(cache) then return end
  local source, BLOCK = bands.of_file(path), 1500
  fs.mkdir(fs.dirname(cache))
  hdf5.write(cache, function(writer)
    local sink = writer:dataset("rows", { shape = { source.rows, bands.width }, dtype = "u8" })
    writer:attributes("/", { settings = SETTINGS })
    for first = 0, source.rows - 1, BLOCK do
      lt.scope(function() sink:append(source.read(first, math.min(BLOCK, source.rows - first))) end)
    end
  end)
end

--- Opens what bands.prepare made: the same interface as bands.of_file.
function bands.open(cache)
  local file = hdf5.open(cache)
  local set = file:expect("rows", { false, bands.width }, "u8")
  local have = set.shape[1]
  local function read(first, n)
    local from, to = math.max(0, first), math.min(have, first + n)
    if to <= from then return lt.zeros({ n, bands.width }, "u8") end
    local function silence(rows) return lt.zeros({ rows, bands.width }, "u8") end
    local parts = { set:read(from + 1, to - from) }
    if from > first then table.insert(parts, 1, silence(from - first)) end
    if first + n > to then parts[#parts + 1] = silence(first + n - to) end
    return #parts == 1 and parts[1] or lt.cat(parts, 1)
  end
  return { rows = have, seconds = have * bands.row_seconds, read = read, file = file }
end

return bands
