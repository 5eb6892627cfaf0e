-- What the left hand plays in the composed pieces, and what the right hand adds to a melody.
--
-- A texture is {rate = notes a beat, play = function(hand, slot)}. A slot is the time of one chord:
-- {first, beats, chord}, in beats. The hand remembers its last voicing and bass, so that chords follow
-- each other by the shortest way.

local harmony = require "transcription_harmony"
local melody = require "transcription_melody"

local hands = {}

-- ---- the left hand ------------------------------------------------------------------------------

local Hand = {}
Hand.__index = Hand

-- A left hand. low, high: its range of pitches for chords; the bass goes an octave further down.
local function new_hand(draw, metre, low, high)
  return setmetatable({ draw = draw, metre = metre, low = low, high = high, notes = {} }, Hand)
end

function Hand:add(beat, length, pitch, role, slot)
  self.notes[#self.notes + 1] = { beat = beat, length = length, pitch = pitch, hand = 2, role = role,
    strong = melody.strength(self.metre, beat % self.metre.beats), chord = slot.chord }
end

-- The bass of a slot's chord, near the bass before.
function Hand:bass_of(slot, low, high)
  local last = self.bass or math.floor((low + high) / 2)
  self.bass = harmony.near(slot.chord.bass, last, low, high)
  return self.bass
end

function Hand:voices(slot, count)
  self.voicing = harmony.voicing(slot.chord, self.voicing, self.low, self.high, count)
  return self.voicing
end

function Hand:block(slot, at, length, pitches, role)
  for _, pitch in ipairs(pitches) do self:add(slot.first + at, length, pitch, role or "inner", slot) end
end

-- Notes of a pattern, one each `step` beats: pitches(k) gives the k-th, from 0.
function Hand:pattern(slot, step, pitches)
  local count = math.floor(slot.beats / step + 0.5)
  for k = 0, count - 1 do
    self:add(slot.first + k * step, step, pitches(k), k == 0 and "bass" or "inner", slot)
  end
end

-- The shortest regular part of a beat that gives about `fine` notes a beat.
local function division(metre, fine)
  if metre.compound then return fine > 4 and 1 / 6 or 1 / 3 end
  return fine > 3 and 1 / 4 or 1 / 2
end

local textures = {}
hands.textures = textures

textures.solo = { rate = 0, play = function() end }

textures.bass = { rate = 0.5, play = function(hand, slot)
  hand:add(slot.first, slot.beats, hand:bass_of(slot, hand.low - 3, hand.high - 3), "bass", slot)
end }

textures.blocks = { rate = 1.2, play = function(hand, slot)
  hand:block(slot, 0, slot.beats, hand:voices(slot, 3))
end }

textures.fifths = { rate = 0.8, play = function(hand, slot)
  local bass = hand:bass_of(slot, hand.low - 3, hand.high - 6)
  local upper = harmony.near(slot.chord.tones[3], bass + 7, bass + 3, bass + 15)
  hand:block(slot, 0, slot.beats, { bass, upper })
end }

textures.beats = { rate = 2.5, play = function(hand, slot)
  local voices = hand:voices(slot, 3)
  for k = 0, math.floor(slot.beats + 0.5) - 1 do
    if k == 0 and slot.beats > 1 then
      hand:add(slot.first, 1, hand:bass_of(slot, hand.low - 12, hand.low), "bass", slot)
    else
      hand:block(slot, k, 0.9, voices)
    end
  end
end }

textures.waltz = { rate = 5 / 3, play = function(hand, slot)
  local voices = hand:voices(slot, 2)
  local stride = hand.metre.beats % 2 == 0 and 2 or hand.metre.beats
  for k = 0, math.floor(slot.beats + 0.5) - 1 do
    if k % stride == 0 then
      local bass = hand:bass_of(slot, hand.low - 12, hand.low)
      if k > 0 then bass = harmony.near(slot.chord.tones[3], bass - 4, hand.low - 14, hand.low - 1) end
      hand:add(slot.first + k, 1, bass, "bass", slot)
    else
      hand:block(slot, k, 0.8, voices)
    end
  end
end }

-- Alberti's bass: low, high, middle, high; in compound metres low, middle, high.
textures.alberti = { rate = 2, fine = true, play = function(hand, slot)
  local v = hand:voices(slot, 3)
  local order = hand.metre.compound and { 1, 2, 3 } or { 1, 3, 2, 3 }
  hand:pattern(slot, division(hand.metre, hand.rate), function(k) return v[order[k % #order + 1]] or v[1] end)
end }

textures.broken = { rate = 2, fine = true, play = function(hand, slot)
  local v = hand:voices(slot, 3)
  local bass = hand:bass_of(slot, hand.low - 12, hand.low - 1)
  local all = { bass, v[1], v[2] or v[1], v[3] or v[1] }
  local order = hand.metre.compound and { 1, 2, 3, 4, 3, 2 } or { 1, 2, 3, 4, 3, 2, 3, 2 }
  hand:pattern(slot, division(hand.metre, hand.rate), function(k) return all[order[k % #order + 1]] end)
end }

-- The chord over two octaves and a half, up and down.
textures.wide = { rate = 4, fine = true, play = function(hand, slot)
  local bass, all = hand:bass_of(slot, 29, 43), {}
  local tones = slot.chord.tones
  all[1] = bass
  all[2] = harmony.near(tones[3], bass + 7, bass + 5, bass + 17)
  for _, class in ipairs { slot.chord.root, tones[2], tones[3], slot.chord.root } do
    local top = all[#all]
    all[#all + 1] = harmony.near(class, top + 4, top + 1, top + 13)
  end
  local most = #all
  if all[most] > 69 then most = most - 1 end
  local cycle = 2 * (most - 1)
  hand:pattern(slot, division(hand.metre, hand.rate), function(k)
    local place = k % cycle
    return all[1 + (place < most and place or cycle - place)]
  end)
end }

textures.octaves = { rate = 2.2, play = function(hand, slot)
  local voices = hand:voices(slot, 3)
  local bass = hand:bass_of(slot, 36, 48)
  hand:block(slot, 0, 1, { bass - 12, bass }, "bass")
  for k = 1, math.floor(slot.beats + 0.5) - 1 do
    if k % 2 == 0 then
      local fifth = harmony.near(slot.chord.tones[3], bass, 36, 50)
      hand:block(slot, k, 1, { fifth - 12, fifth }, "bass")
    else
      hand:block(slot, k, 0.7, voices)
    end
  end
end }

-- Repeated chords on the divisions of the beat over a bass that is held.
textures.repeated = { rate = 6.5, play = function(hand, slot)
  local voices = hand:voices(slot, 3)
  hand:add(slot.first, slot.beats, hand:bass_of(slot, 31, 44), "bass", slot)
  local step = hand.metre.compound and 1 / 3 or 1 / 2
  for k = 0, math.floor(slot.beats / step + 0.5) - 1 do hand:block(slot, k * step, step * 0.85, voices) end
end }

-- Four parts: a bass that walks from chord to chord and two inner voices.
textures.chorale = { rate = 2.4, play = function(hand, slot)
  local voices = hand:voices(slot, 2)
  local bass = hand:bass_of(slot, hand.low - 14, hand.low - 1)
  local half = slot.beats > 1 and math.floor(slot.beats / 2 + 0.5) or slot.beats
  hand:add(slot.first, half, bass, "bass", slot)
  if half < slot.beats then
    local other = harmony.near(slot.chord.tones[2], bass + 2, bass - 5, bass + 7)
    hand:add(slot.first + half, slot.beats - half, other, "bass", slot)
  end
  hand:block(slot, 0, slot.beats, voices)
end }

--- The left hand's notes for a list of slots.
-- o: {texture (a name), metre, low, high (range of its chords), rate (notes a beat wanted, for textures that
-- can be finer), part (a left hand that goes on from an earlier call), ends (the last chord is held)}.
-- Returns the notes and the hand.
function hands.left(draw, slots, o)
  local hand = o.part or new_hand(draw, o.metre, o.low, o.high)
  hand.notes, hand.rate = {}, o.rate
  for i, slot in ipairs(slots) do
    local closes = o.ends and i == #slots and textures[o.texture].rate > 1
    textures[closes and "blocks" or o.texture].play(hand, slot)
  end
  return hand.notes, hand
end

--- Notes a beat that a texture gives when asked for about `rate`.
function hands.rate(name, metre, rate)
  local texture = textures[name]
  if not texture.fine then return texture.rate end
  return 1 / division(metre, rate)
end

-- ---- the right hand -----------------------------------------------------------------------------

-- The chord tone of at least `gap` semitones below a pitch.
local function tone_below(chord, pitch, gap)
  for below = gap, gap + 8 do
    for _, class in ipairs(chord.tones) do
      if class == (pitch - below) % 12 then return pitch - below end
    end
  end
end

-- The pitch `steps` steps below in the chord's scale.
local function steps_below(chord, pitch, steps)
  while steps > 0 and pitch > 21 do
    pitch = pitch - 1
    if chord.scale[pitch % 12] then steps = steps - 1 end
  end
  return pitch
end

local function double(note, pitch)
  return { beat = note.beat, length = note.length, pitch = pitch, hand = note.hand, role = "inner",
    strong = note.strong, chord = note.chord }
end

--- Adds a second voice to a melody: "thirds", "sixths", "octaves", or "chords" (on the strong beats a chord
-- below the melody). Ornaments and runs stay single. Returns the added notes.
function hands.thicken(notes, kind)
  local added = {}
  for _, note in ipairs(notes) do
    if note.role == "melody" then
      if kind == "thirds" or kind == "sixths" then
        added[#added + 1] = double(note, steps_below(note.chord, note.pitch, kind == "thirds" and 2 or 5))
      elseif kind == "octaves" then
        added[#added + 1] = double(note, note.pitch - 12)
      elseif note.strong > 0.3 then
        local upper = tone_below(note.chord, note.pitch, 3)
        local lower = upper and tone_below(note.chord, upper, 3)
        if upper then added[#added + 1] = double(note, upper) end
        if lower and note.pitch - lower <= 12 then added[#added + 1] = double(note, lower) end
      end
    end
  end
  return added
end

return hands
