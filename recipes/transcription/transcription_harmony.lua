-- Keys, chords, progressions and voice-leading of the composed pieces.
--
-- A key is {tonic (class 0 to 11), minor, sharps (-7 to 7), name}. A chord is {degree (1 to 7), root (class),
-- tones (classes from the root), scale (set of the classes a melody may use over it), roman, bass (class)}.
-- Progressions follow functional harmony: tonic to predominant to dominant to tonic, with a cadence at
-- the end of each phrase (W. Piston, Harmony, chapter 3: the table of usual root progressions).

local failure = require "luatrain.failure"

local harmony = {}

-- ---- keys ---------------------------------------------------------------------------------------

local CLASS = { C = 0, D = 2, E = 4, F = 5, G = 7, A = 9, B = 11 }
local FIFTHS = { F = -1, C = 0, G = 1, D = 2, A = 3, E = 4, B = 5 }
local MODES = { [""] = "major", maj = "major", major = "major", M = "major", m = "minor", min = "minor",
  minor = "minor" }

--- All 24 keys with at most six accidentals, as they are usually written.
harmony.keys = { "C", "G", "D", "A", "E", "B", "F#", "F", "Bb", "Eb", "Ab", "Db",
  "Am", "Em", "Bm", "F#m", "C#m", "G#m", "Dm", "Gm", "Cm", "Fm", "Bbm", "Ebm" }

--- The key of a name such as "C", "F#", "Bb major", "Am", "c# minor". Raises where there is no such key.
function harmony.key(name)
  local letter, sign, mode = tostring(name):match "^%s*([A-Ga-g])([#b]?)%s*(%a*)%s*$"
  mode = mode and (MODES[mode] or MODES[mode:lower()])
  local sharps
  if mode then
    letter = letter:upper()
    sharps = FIFTHS[letter] + (sign == "#" and 7 or sign == "b" and -7 or 0) - (mode == "minor" and 3 or 0)
  end
  if not mode or math.abs(sharps) > 7 then
    failure.raise("config", "key_signatures: there is no key '%s'; keys are written C, F#, Bb, Am, C#m", name)
  end
  local tonic = (CLASS[letter] + (sign == "#" and 1 or sign == "b" and -1 or 0)) % 12
  return { tonic = tonic, minor = mode == "minor", sharps = sharps,
    name = letter .. sign .. (mode == "minor" and "m" or "") }
end

-- ---- chords -------------------------------------------------------------------------------------

local MAJOR, MINOR = { 0, 2, 4, 5, 7, 9, 11 }, { 0, 2, 3, 5, 7, 8, 10 }
local ROMAN = { "I", "II", "III", "IV", "V", "VI", "VII" }

local function set_of(classes)
  local set = {}
  for _, class in ipairs(classes) do set[class % 12] = true end
  return set
end

-- The classes of the key's scale. In minor the seventh is raised where the harmony is a dominant.
local function scale_of(key, dominant)
  local classes = {}
  for i, above in ipairs(key.minor and MINOR or MAJOR) do
    classes[i] = (key.tonic + above + (key.minor and dominant and i == 7 and 1 or 0)) % 12
  end
  return classes
end

--- The set of classes a piece in the key may use without leaving it: its scale, and in minor the raised
-- seventh.
function harmony.scale(key)
  local set = set_of(scale_of(key))
  if key.minor then set[(key.tonic + 11) % 12] = true end
  return set
end

--- The chord on a degree of the key, a triad or with its seventh.
function harmony.chord(key, degree, seventh)
  local dominant = degree == 5 or (degree == 7 and not key.minor)
  local scale = scale_of(key, dominant)
  local tones = {}
  for i = 0, seventh and 3 or 2 do tones[i + 1] = scale[(degree - 1 + 2 * i) % 7 + 1] end
  return { degree = degree, root = tones[1], tones = tones, scale = set_of(scale), bass = tones[1],
    roman = ROMAN[degree] .. (seventh and "7" or "") }
end

-- The dominant seventh of another chord of the key: its third and seventh replace their neighbours.
local function secondary(key, target)
  local root = (target.root + 7) % 12
  local tones = { root, (root + 4) % 12, (root + 7) % 12, (root + 10) % 12 }
  local scale = set_of(scale_of(key))
  if not scale[tones[2]] then scale[(tones[2] - 1) % 12] = nil end
  if not scale[tones[4]] then scale[(tones[4] + 1) % 12] = nil end
  for _, class in ipairs(tones) do scale[class] = true end
  return { degree = 5, root = root, tones = tones, scale = scale, bass = root, leads = target.degree,
    roman = "V7/" .. ROMAN[target.degree] }
end

-- The minor subdominant of a major key.
local function borrowed(key)
  local root = (key.tonic + 5) % 12
  local chord = harmony.chord(key, 4)
  chord.tones = { root, (root + 3) % 12, (root + 7) % 12 }
  chord.scale[(key.tonic + 9) % 12], chord.scale[(key.tonic + 8) % 12] = nil, true
  chord.roman = "iv"
  return chord
end

-- ---- progressions -------------------------------------------------------------------------------

-- Where a degree goes: {degree, weight}.
local NEXT = {
  { { 4, 3 }, { 5, 2 }, { 6, 3 }, { 2, 2 }, { 3, 0.7 } }, { { 5, 5 }, { 7, 0.5 } }, { { 6, 3 }, { 4, 3 } },
  { { 5, 4 }, { 2, 2 }, { 1, 2 } }, { { 1, 5 }, { 6, 2 } }, { { 2, 3 }, { 4, 4 }, { 5, 1 } },
  { { 1, 4 }, { 3, 0.5 } },
}
-- In minor the seventh degree is the major chord below the tonic, and goes to the third.
local NEXT_MINOR = {
  [1] = { { 4, 3 }, { 5, 2 }, { 6, 3 }, { 7, 1 }, { 2, 1 } }, [2] = { { 5, 1 } }, [7] = { { 3, 1 } },
}

local CADENCES = {
  authentic = { { { 4, 5, 1 }, 3 }, { { 2, 5, 1 }, 3 }, { { 1, 5, 1 }, 0.5 } },
  half = { { { 1, 5 }, 1 }, { { 4, 5 }, 2 }, { { 2, 5 }, 1.5 } },
  deceptive = { { { 4, 5, 6 }, 1 }, { { 2, 5, 6 }, 1 } },
  plagal = { { { 5, 6, 4, 1 }, 1 }, { { 6, 4, 1 }, 1 } },
}

-- `slots` degrees from the tonic to the cadence.
local function degrees_of(draw, key, slots, cadence)
  local ending = draw.weighted(CADENCES[cadence])
  local first = math.max(1, #ending - slots + 1)
  local list = {}
  for _ = 1, slots - #ending do
    local last = list[#list]
    list[#list + 1] = not last and 1 or draw.weighted(key.minor and NEXT_MINOR[last] or NEXT[last])
  end
  -- A dominant may not fall back on the predominant that begins the cadence.
  if #list > 1 and (list[#list] == 5 or list[#list] == 7) then list[#list] = 1 end
  for i = first, #ending do list[#list + 1] = ending[i] end
  return list
end

--- The chords of a phrase: `slots` of them, to a cadence ("authentic", "half", "deceptive", "plagal").
-- colour: 0 triads; 1 also sevenths and inversions; 2 also dominants of other chords and a borrowed one.
function harmony.phrase(draw, key, slots, cadence, colour)
  local degrees, chords = degrees_of(draw, key, slots, cadence), {}
  for i, degree in ipairs(degrees) do
    local seventh = colour > 0 and i < slots
      and draw.chance((degree == 5 or degree == 2) and 0.6 or degree == 4 and 0.2 or 0.05 * colour)
    chords[i] = harmony.chord(key, degree, seventh)
    if colour > 0 and i > 1 and i < slots and degree ~= 5 and draw.chance(0.25) then
      chords[i].bass = chords[i].tones[2]
    end
    if key.minor and degree == 2 then chords[i].bass = chords[i].tones[2] end
  end
  if colour < 2 then return chords end
  for i = 2, slots - 2 do
    local target = chords[i + 1]
    local goes = target.degree == 2 and not key.minor or target.degree == 4 or target.degree == 5
      or target.degree == 6
    if goes and not target.leads and chords[i].degree ~= 5 and draw.chance(0.25) then
      chords[i] = secondary(key, target)
    elseif chords[i].degree == 4 and not key.minor and chords[i + 1].degree ~= 2 and draw.chance(0.3) then
      chords[i] = borrowed(key)
    end
  end
  return chords
end

-- ---- voice-leading ------------------------------------------------------------------------------

--- The pitch of a class nearest to `pitch`, within low..high (at least an octave apart).
function harmony.near(class, pitch, low, high)
  local found = pitch + (class - pitch + 6) % 12 - 6
  while found < low do found = found + 12 end
  while found > high do found = found - 12 end
  return found
end

-- What it costs to go from one voicing (ascending pitches) to another.
local function movement(from, to)
  local cost = 0
  for i, pitch in ipairs(to) do
    local nearest = math.huge
    for _, was in ipairs(from) do nearest = math.min(nearest, math.abs(pitch - was)) end
    cost = cost + nearest
    local before = from[i]
    for k = 1, i - 1 do
      local interval = (pitch - to[k]) % 12
      local parallel = before and before ~= pitch and (interval == 0 or interval == 7)
        and (before - from[k]) % 12 == interval
      if parallel then cost = cost + 6 end
    end
  end
  return cost
end

local function spread(pitches, centre)
  local sum = 0
  for _, pitch in ipairs(pitches) do sum = sum + pitch end
  return math.abs(sum / #pitches - centre)
end

-- All ascending choices of `count` pitches, neighbours at most a minor seventh apart.
local function each_choice(pitches, count, visit)
  local chosen = {}
  local function extend(first)
    if #chosen == count then return visit(chosen) end
    for i = first, #pitches do
      local last = chosen[#chosen]
      if not last or (pitches[i] - last <= 10 and pitches[i] - last >= 2) then
        chosen[#chosen + 1] = pitches[i]
        extend(i + 1)
        chosen[#chosen] = nil
      end
    end
  end
  extend(1)
end

--- `count` pitches of a chord within low..high that follow smoothly on `previous` (or lie in the middle):
-- the third is there, the leading tone is not doubled, parallel fifths and octaves cost.
function harmony.voicing(chord, previous, low, high, count)
  local pitches, tones = {}, set_of(chord.tones)
  for pitch = low, high do
    if tones[pitch % 12] then pitches[#pitches + 1] = pitch end
  end
  local best, least
  each_choice(pitches, count, function(chosen)
    local seen, different = {}, 0
    for _, pitch in ipairs(chosen) do
      local class = pitch % 12
      if not seen[class] then different = different + 1 end
      seen[class] = (seen[class] or 0) + 1
    end
    local cost = spread(chosen, (low + high) / 2) * (previous and 0.5 or 1)
    if previous then cost = cost + movement(previous, chosen) end
    if not seen[chord.tones[2]] then cost = cost + 12 end
    if (seen[chord.tones[2]] or 0) > 1 then cost = cost + (chord.degree == 5 and 12 or 3) end
    if not seen[chord.root] then cost = cost + 3 end
    cost = cost + 4 * (math.min(count, #chord.tones) - different)
    if not least or cost < least then
      best, least = { unpack(chosen) }, cost
    end
  end)
  return best or { harmony.near(chord.root, math.floor((low + high) / 2), low, high) }
end

return harmony
