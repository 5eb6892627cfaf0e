-- Says how the next bar of a drummer swings: 64 numbers about a bar in, accents and timing of 16 steps out.
--
-- The notes of a drum set, which Roland's modules spread over 22 keys, are 9 classes. A bar has 16 steps; a
-- hit belongs to the nearest one and lies up to half a step before or behind it. In: for each class seven
-- numbers, which are hits per step, mean and spread of their velocities, mean and spread of their offsets,
-- shares on the beat and on the eighths between; and the tempo. Out: for each step of the next bar the
-- loudest hit (-1: none, 1: as loud as can be), then for each the mean offset (-1: half a step early, 1:
-- late).

local failure = require "luatrain.failure"
local read_midi = require "musician_midi"
local nn = lt.nn

local STEPS = 16

-- Class of each key (Gillick et al. 2019, Groove MIDI's table): kick, snare, high, mid and low tom, open and
-- closed hi-hat, crash, ride.
local CLASSES = {
  [36] = 1, [35] = 1, [38] = 2, [40] = 2, [37] = 2, [48] = 3, [50] = 3, [45] = 4, [47] = 4,
  [43] = 5, [58] = 5, [46] = 6, [26] = 6, [42] = 7, [22] = 7, [44] = 7,
  [49] = 8, [55] = 8, [57] = 8, [52] = 8, [51] = 9, [59] = 9, [53] = 9,
}
local COUNT = 9

-- Bars of hits {class, step (0..15), offset (-1 to 1), velocity (0 to 1)}.
local function bars_of(notes, bpm)
  local step, bars = 60 / bpm / 4, {}
  for _, note in ipairs(notes) do
    local class = CLASSES[note.pitch]
    if class then
      local at = math.floor(note.start / step + 0.5)
      local bar = math.floor(at / STEPS) + 1
      for more = #bars + 1, bar do bars[more] = {} end
      table.insert(bars[bar], { class = class, step = at % STEPS, offset = (note.start / step - at) * 2,
        velocity = note.velocity / 127 })
    end
  end
  return bars
end

local function mean_and_spread(sum, squares, n)
  return sum / n, math.sqrt(math.max(0, squares / n - (sum / n) ^ 2))
end

local function describe(bar, bpm)
  local row, about = {}, {}
  for i = 1, COUNT * 7 do row[i] = 0 end
  for k = 1, COUNT do about[k] = { n = 0, v = 0, vv = 0, o = 0, oo = 0, on = 0, off = 0 } end
  for _, hit in ipairs(bar) do
    local a = about[hit.class]
    a.n, a.v, a.vv = a.n + 1, a.v + hit.velocity, a.vv + hit.velocity ^ 2
    a.o, a.oo = a.o + hit.offset, a.oo + hit.offset ^ 2
    if hit.step % 4 == 0 then a.on = a.on + 1 elseif hit.step % 4 == 2 then a.off = a.off + 1 end
  end
  for k, a in ipairs(about) do
    local at = (k - 1) * 7
    if a.n > 0 then
      row[at + 1] = a.n / STEPS
      row[at + 2], row[at + 3] = mean_and_spread(a.v, a.vv, a.n)
      row[at + 4], row[at + 5] = mean_and_spread(a.o, a.oo, a.n)
      row[at + 6], row[at + 7] = a.on / a.n, a.off / a.n
    end
  end
  row[64] = bpm / 200
  return row
end

local function target_of(bar)
  local row, counts = {}, {}
  for s = 1, STEPS do row[s], row[STEPS + s], counts[s] = -1, 0, 0 end
  for _, hit in ipairs(bar) do
    local s = hit.step + 1
    row[s] = math.max(row[s], hit.velocity * 2 - 1)
    row[STEPS + s] = (row[STEPS + s] * counts[s] + hit.offset) / (counts[s] + 1)
    counts[s] = counts[s] + 1
  end
  return row
end

local function read(entry)
  local notes, _, song = read_midi(entry.midi, true)
  local bpm = entry.bpm or song.tempos[1] and song.tempos[1].bpm or 120
  local signature = song.time_signatures[1]
  if signature and signature.numerator / signature.denominator ~= 1 then
    failure.raise("data", "%s: in %d/%d; only bars of 4/4 have 16 steps", entry.midi, signature.numerator,
      signature.denominator)
  end
  local bars, x, y = bars_of(notes, bpm), {}, {}
  if #bars == 0 then failure.raise("data", "%s: MIDI file without drum notes", entry.midi) end
  for k = 1, #bars - 1 do
    if #bars[k] > 0 and #bars[k + 1] > 0 then
      x[#x + 1], y[#y + 1] = describe(bars[k], bpm), target_of(bars[k + 1])
    end
  end
  if #x == 0 then failure.raise("data", "%s: shorter than two bars", entry.midi) end
  return lt.tensor(x, "f32"), lt.tensor(y, "f32")
end

return require("musician_recipe").recipe {
  model_name = "groove", summary = "Says how the next bar of a drummer swings",
  inputs = 64, outputs = 32, loss = "mse", learning_rate = 1e-3, normalizer = "standard", read = read,
  layers = function()
    return { nn.Linear(64, 128), nn.Tanh(), nn.Linear(128, 64), nn.Tanh(), nn.Linear(64, 32), nn.Tanh() }
  end,
}
