-- Says which chord comes next: 128 numbers about mood and chords so far in, probabilities of 64 chords out.
--
-- The 64 chords: for each root C, Db, ... B major, minor, seventh, suspended and diminished (12 x 5), three
-- diminished sevenths, which repeat every three semitones, and no chord. Of a frame's 128 numbers 64 are the
-- mood's code (zeros where nobody labelled it), and 64 the chords so far: 1 for the last one, FADE times as
-- much for each one earlier. Target: 1 for the chord that follows.

local chord = require "luatrain.music.chord"
local failure = require "luatrain.failure"
local mood = require "musician_mood"
local nn = lt.nn

local FADE = 0.6
local NONE = 63
local MAJOR, MINOR, SEVENTH, SUSPENDED, DIMINISHED = 0, 1, 2, 3, 4

-- The kind of each of chord.types that is not major.
local KINDS = {
  min = MINOR, min6 = MINOR, min7 = MINOR, minmaj7 = MINOR, ["min(9)"] = MINOR, min9 = MINOR, min11 = MINOR,
  min13 = MINOR, ["7"] = SEVENTH, ["9"] = SEVENTH, ["7(b9)"] = SEVENTH, ["7(#9)"] = SEVENTH, ["11"] = SEVENTH,
  ["13"] = SEVENTH, ["aug(b7)"] = SEVENTH, sus2 = SUSPENDED, sus4 = SUSPENDED, ["sus4(b7)"] = SUSPENDED,
  dim = DIMINISHED, hdim7 = DIMINISHED,
}

-- As songbooks write chords, what stands behind the root, in the grammar of luatrain.music.chord.
local SONGBOOK = {
  [""] = "maj", m = "min", ["-"] = "min", m7 = "min7", ["-7"] = "min7", M7 = "maj7", m6 = "min6", m9 = "min9",
  ["6"] = "maj6", ["+"] = "aug", o = "dim", o7 = "dim7", m7b5 = "hdim7", sus = "sus4", add9 = "maj(9)",
}

--- The number 0..63 of a chord, "A:min7" or "Am7"; nil for X, which nobody could name. Raises where the text
-- is no chord; `where` names it.
local function number_of(label, where)
  local text = type(label) == "string" and label or tostring(label)
  local known = chord.valid(text)
  if not known then
    local root, rest = text:match "^([A-G][b#]*)([^/:]*)"
    text = root and root .. ":" .. (SONGBOOK[rest] or rest) or text
    if not root or not chord.valid(text) then
      failure.raise("data", "%s: '%s' is no chord", where, tostring(label):sub(1, 40))
    end
  end
  local kind, root = chord.classify(text)
  if not kind then return nil end
  if kind == 0 then return NONE end
  local name = chord.types[kind + 1]
  if name == "dim7" then return 60 + root % 3 end
  return root * 5 + (KINDS[name] or MAJOR)
end

-- The labels of an entry's chords: of its own list, or of a .lab file.
local function chords_of(entry)
  if entry.chords then return entry.chords end
  local list = {}
  for i, segment in ipairs(chord.read_lab(entry.labels)) do list[i] = segment.label end
  return list
end

local function read(entry)
  local x, y, code, past, last = {}, {}, mood.code(entry.mood, 64), {}, nil
  for k = 1, 64 do past[k] = 0 end
  for _, label in ipairs(chords_of(entry)) do
    local now = number_of(label, entry.id)
    if now and now ~= last then
      if last then
        local row, target = { unpack(code) }, {}
        for k = 1, 64 do
          past[k] = past[k] * FADE + (k == last + 1 and 1 or 0)
          row[64 + k], target[k] = past[k], k == now + 1 and 1 or 0
        end
        x[#x + 1], y[#y + 1] = row, target
      end
      last = now
    end
  end
  if #x == 0 then failure.raise("data", "%s: no two chords follow each other", entry.id) end
  return lt.tensor(x, "f32"), lt.tensor(y, "f32")
end

-- Positions of the chords, from 0, when everything sounds `by` semitones higher.
local function transposed(by)
  local from = {}
  for k = 0, 59 do from[(k + 5 * by) % 60 + 1] = k end
  for k = 0, 2 do from[60 + (k + by) % 3 + 1] = 60 + k end
  from[64] = NONE
  return from
end

-- The same in another key, for each batch.
local function augment(x, y)
  local from, all = transposed(math.random(0, 11)), {}
  for k = 1, 64 do all[k], all[64 + k] = k - 1, 64 + from[k] end
  return x:index_select(-1, lt.tensor(all, "i64")), y:index_select(-1, lt.tensor(from, "i64"))
end

return require("musician_recipe").recipe {
  model_name = "harmony", summary = "Says which chord comes next",
  inputs = 128, outputs = 64, loss = "kl", learning_rate = 1e-3, read = read, augment = augment,
  layers = function()
    return { nn.Linear(128, 256), nn.Tanh(), nn.Linear(256, 128), nn.Tanh(), nn.Linear(128, 64),
      nn.Softmax(-1) }
  end,
}
