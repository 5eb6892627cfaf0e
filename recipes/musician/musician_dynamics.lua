-- Says how loud and how dense a performance goes on: 32 numbers about velocity and timing in, 16 out.
--
-- Eight measures, each between 0 and 1, of the notes that begin within one second: how loud they are on
-- average, how far they spread, the loudest one, the highest pitch's and the lowest pitch's; how many they
-- are, how long against the gaps between them, and how uneven the gaps. In: the last four seconds; out: the
-- two seconds that follow.

local failure = require "luatrain.failure"
local read_midi = require "musician_midi"
local nn = lt.nn

local SECONDS_IN, SECONDS_OUT, MEASURES = 4, 2, 8

local function mean_and_spread(list)
  local sum, squares = 0, 0
  for _, value in ipairs(list) do sum, squares = sum + value, squares + value * value end
  local mean = sum / math.max(1, #list)
  return mean, math.sqrt(math.max(0, squares / math.max(1, #list) - mean * mean))
end

-- The eight measures of notes in order of their beginnings.
local function measures(notes)
  if #notes == 0 then return { 0, 0, 0, 0, 0, 0, 0, 0 } end
  local loud, gaps, lengths = {}, {}, {}
  local highest, lowest, loudest = notes[1], notes[1], 0
  for i, note in ipairs(notes) do
    loud[i], lengths[i] = note.velocity / 127, note.stop - note.start
    loudest = math.max(loudest, loud[i])
    if note.pitch > highest.pitch then highest = note end
    if note.pitch < lowest.pitch then lowest = note end
    local gap = i > 1 and note.start - notes[i - 1].start or 0
    if gap > 0.03 then gaps[#gaps + 1] = gap end                       -- less is a chord
  end
  local mean, spread = mean_and_spread(loud)
  local gap, unevenness = mean_and_spread(gaps)
  local legato = mean_and_spread(lengths) / (gap > 0 and gap or 1)
  return { mean, math.min(1, spread * 4), loudest, highest.velocity / 127, lowest.velocity / 127,
    1 - math.exp(-#notes / 10), 1 - math.exp(-legato / 2), gap > 0 and math.min(1, unevenness / gap) or 0 }
end

local function read(entry)
  local notes = read_midi(entry.midi)
  local seconds, steady = {}, true
  for _, note in ipairs(notes) do
    local k = math.floor(note.start) + 1
    for more = #seconds + 1, k do seconds[more] = {} end
    table.insert(seconds[k], note)
    steady = steady and note.velocity == notes[1].velocity
  end
  if steady then
    failure.raise("data", "%s: all notes are equally loud, nobody performed them", entry.midi)
  end
  local rows, x, y = {}, {}, {}
  for k, struck in ipairs(seconds) do rows[k] = measures(struck) end
  for k = SECONDS_IN, #rows - SECONDS_OUT do
    local row, target = {}, {}
    for m = 1, MEASURES do
      for s = 1, SECONDS_IN do row[(s - 1) * MEASURES + m] = rows[k - SECONDS_IN + s][m] end
      for s = 1, SECONDS_OUT do target[(s - 1) * MEASURES + m] = rows[k + s][m] end
    end
    x[#x + 1], y[#y + 1] = row, target
  end
  if #x == 0 then
    failure.raise("data", "%s: shorter than %d seconds", entry.midi, SECONDS_IN + SECONDS_OUT)
  end
  return lt.tensor(x, "f32"), lt.tensor(y, "f32")
end

return require("musician_recipe").recipe {
  model_name = "dynamics", summary = "Says how loud and how dense a performance goes on",
  inputs = 32, outputs = 16, loss = "mse", learning_rate = 1e-3, normalizer = "standard", read = read,
  layers = function()
    return { nn.Linear(32, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 16), nn.Sigmoid() }
  end,
}
