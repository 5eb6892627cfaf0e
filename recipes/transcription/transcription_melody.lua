-- Rhythms and melodies of the composed pieces.
--
-- Positions and lengths are in beats; a bar has metre.beats of them (a beat of a compound metre is a dotted
-- quarter). A rhythm is a list of {at (beats from the bar's beginning), length}. A melody's note is {beat
-- (from the piece's beginning), length, pitch, hand (1 right, 2 left), role, strong}.
--
-- Melodies take chord tones on the strong beats and join them by step; a leap is answered by a step back;
-- a phrase rises to its middle and falls to its cadence; a bar whose rhythm is heard again repeats its
-- contour on the new chord (a sequence).

local melody = {}

-- Divisions of one beat, two beats, and longer.
local SIMPLE_CELLS = {
  { 4 }, { 3 }, { 2 }, { 1.5, 0.5 }, { 0.5, 1, 0.5 }, { 1 }, { 0.5, 0.5 }, { 0.75, 0.25 },
  { 0.5, 0.25, 0.25 }, { 0.25, 0.25, 0.5 }, { 1 / 3, 1 / 3, 1 / 3 }, { 0.25, 0.25, 0.25, 0.25 },
}
local COMPOUND_CELLS = {
  { 4 }, { 3 }, { 2 }, { 1 }, { 2 / 3, 1 / 3 }, { 1 / 3, 1 / 3, 1 / 3 }, { 1 / 2, 1 / 6, 1 / 3 },
  { 1 / 3, 1 / 6, 1 / 6, 1 / 3 }, { 1 / 6, 1 / 6, 1 / 6, 1 / 6, 1 / 6, 1 / 6 },
}
-- Dotted notes, syncopations and triplets, kept from simple pieces.
local FANCY = { [5] = true, [8] = true, [9] = true, [11] = true }

local function length_of(cell)
  local sum = 0
  for _, part in ipairs(cell) do sum = sum + part end
  return sum
end

--- A bar's rhythm of about `density` notes a beat.
function melody.rhythm(draw, metre, density, plain)
  local cells, at, rhythm = metre.compound and COMPOUND_CELLS or SIMPLE_CELLS, 0, {}
  while at < metre.beats - 1e-6 do
    local choices = {}
    for i, cell in ipairs(cells) do
      local length = length_of(cell)
      local fits = length <= metre.beats - at + 1e-6 and (length <= 1.01 or at % 2 < 1e-6 or length <= 1.5)
      local kept = not (plain and (metre.compound and #cell > 3 or not metre.compound and FANCY[i]))
      if fits and kept then
        local off = math.log(#cell / length / density)
        choices[#choices + 1] = { cell, math.exp(-2.5 * off * off) * (FANCY[i] and 0.5 or 1) + 1e-6 }
      end
    end
    for _, part in ipairs(draw.weighted(choices)) do
      rhythm[#rhythm + 1] = { at = at, length = part }
      at = at + part
    end
  end
  return rhythm
end

-- The last bar of a phrase: it moves for half the bar or not at all, then rests on a long note.
local function cadence_rhythm(draw, metre, density, plain)
  local rhythm, at = {}, 0
  if density > 0.8 and metre.beats > 1 and draw.chance(0.6) then
    at = math.floor(metre.beats / 2)
    rhythm = melody.rhythm(draw, { beats = at, compound = metre.compound }, density, plain)
  end
  local rest = metre.beats - at > 2 and draw.chance(0.5) and 1 or 0
  rhythm[#rhythm + 1] = { at = at, length = metre.beats - at - rest, final = true }
  return rhythm
end

local FORMS = { { "a", "b", "a" }, { "a", "a", "b" }, { "a", "b", "c" }, { "a", "a", "a" } }

--- The rhythms of a phrase's bars: {letter, notes = rhythm}; equal letters have equal rhythms.
function melody.phrase_rhythms(draw, metre, bars, density, plain)
  local form, made, list = draw.one(FORMS), {}, {}
  for i = 1, bars - 1 do
    local letter = form[(i - 1) % #form + 1]
    made[letter] = made[letter] or melody.rhythm(draw, metre, density, plain)
    list[i] = { letter = letter, notes = made[letter] }
  end
  list[bars] = { letter = "end", notes = cadence_rhythm(draw, metre, density, plain) }
  return list
end

--- How strong a position in a bar is: 1 at its beginning, 0 off the beats.
function melody.strength(metre, at)
  local beat = math.floor(at + 0.5)
  if math.abs(at - beat) > 1e-6 then return 0 end
  if beat == 0 then return 1 end
  return metre.beats % 2 == 0 and beat == metre.beats / 2 and 0.7 or 0.4
end

-- ---- pitches ------------------------------------------------------------------------------------

-- Cost of going so many steps of the scale.
local STEP_COST = { [0] = 1.1, 0, 0.6, 1.3, 1.7, 2.6, 3.5, 2.4 }

-- Ascending pitches of a set of classes.
local function ladder_of(set, low, high)
  local ladder = {}
  for pitch = low, high do
    if set[pitch % 12] then ladder[#ladder + 1] = pitch end
  end
  return ladder
end

local function place_on(ladder, pitch)
  local best = 1
  for i, rung in ipairs(ladder) do
    if math.abs(rung - pitch) < math.abs(ladder[best] - pitch) then best = i end
  end
  return best
end

local function is_tone(chord, pitch)
  for _, class in ipairs(chord.tones) do
    if class == pitch % 12 then return true end
  end
  return false
end

-- What speaks against `pitch`, `steps` from the note before.
local function cost_of(state, pitch, steps, strength, target)
  local chord, last = state.chord, state.last
  local tone, size = is_tone(chord, pitch), math.abs(steps)
  local off = (pitch - target) / 5
  local cost = (STEP_COST[size] or 5) + off * off * 0.5
  if not tone then cost = cost + (strength > 0.3 and 3 or size == 1 and 0.2 or 4) end
  if state.hanging and size ~= 1 then cost = cost + 3 end
  if state.leap ~= 0 then
    if state.leap * steps > 0 and size > 1 then cost = cost + 2 end
    if state.leap * steps < 0 and size <= 2 then cost = cost - 0.8 end
  end
  if state.still and steps == 0 then cost = cost + 2 end
  local semitones = math.abs(pitch - last)
  if semitones == 6 or (semitones == 3 and size == 1) then cost = cost + 3 end
  if state.leading and pitch ~= last + 1 and tone and chord.degree == 1 then cost = cost + 2.5 end
  return cost
end

-- The next pitch after state.last over state.chord.
local function next_pitch(draw, state, strength, target)
  local ladder = ladder_of(state.chord.scale, state.low, state.high)
  local here = place_on(ladder, state.last)
  local choices = {}
  for i = math.max(1, here - 7), math.min(#ladder, here + 7) do
    local cost = cost_of(state, ladder[i], i - here, strength, target)
    choices[#choices + 1] = { ladder[i], math.exp(-1.3 * cost) }
  end
  return draw.weighted(choices), ladder, here
end

-- The pitch that ends a phrase: the tonic or its third, or at a half cadence a tone of the dominant.
local function final_pitch(draw, state, key, cadence)
  local chord = state.chord
  local classes = chord.tones
  if cadence == "authentic" or cadence == "plagal" then
    classes = { draw.chance(0.8) and key.tonic or chord.tones[2] }
  end
  local best
  for pitch = state.low, state.high do
    for _, class in ipairs(classes) do
      local nearer = not best or math.abs(pitch - state.last) < math.abs(best - state.last)
      if pitch % 12 == class and nearer then best = pitch end
    end
  end
  return best
end

-- A bar's contour moved so that it begins on `first`: strong notes are drawn to the chord.
local function repeated_pitch(state, contour, i, strength)
  local ladder = ladder_of(state.chord.scale, state.low, state.high)
  local at = place_on(ladder, state.first) + contour[i]
  at = math.max(1, math.min(#ladder, at))
  if strength > 0.3 and not is_tone(state.chord, ladder[at]) then
    for _, by in ipairs { -1, 1, -2, 2 } do
      if ladder[at + by] and is_tone(state.chord, ladder[at + by]) then return ladder[at + by] end
    end
  end
  return ladder[at]
end

local function remember(state, pitch, steps, key)
  state.still = pitch == state.last
  state.leap = math.abs(steps) >= 3 and steps or 0
  state.hanging = not is_tone(state.chord, pitch)
  state.leading = pitch % 12 == (key.tonic + 11) % 12
  state.last = pitch
end

-- Whether note i of a phrase, `beat` beats into it, repeats that of its theme.
local function quoted(o, i, beat, state)
  local theme = o.theme and o.theme[i]
  return theme and beat < o.theme_beats and math.abs(theme.beat - o.theme[1].beat - beat) < 1e-6
    and theme.chord.roman == state.chord.roman and theme.pitch >= o.low and theme.pitch <= o.high
end

--- The pitches of a phrase.
-- @param rhythms as melody.phrase_rhythms gives them
-- @param o {key, metre, first (the phrase's first beat), chord_at = function(beat), cadence, low, high
--   (range of pitches), last (the pitch before), arch (semitones the middle lies above the ends), role, hand,
--   theme (notes of an earlier phrase of these rhythms, which this one repeats where the chords are the
--   same), theme_beats (for so long)}
-- @return the notes, and the last pitch
function melody.phrase(draw, rhythms, o)
  local state = { low = o.low, high = o.high, last = o.last, leap = 0 }
  local notes, contours = {}, {}
  local total, base = #rhythms * o.metre.beats, o.low + 0.4 * (o.high - o.low)
  for bar, rhythm in ipairs(rhythms) do
    local begin = (bar - 1) * o.metre.beats
    local contour = contours[rhythm.letter]
    local copies = contour and draw.chance(0.75)
    local made, start = {}, nil
    for i, item in ipairs(rhythm.notes) do
      local beat, strength = begin + item.at, melody.strength(o.metre, item.at)
      state.chord = o.chord_at(o.first + beat)
      local target = base + o.arch * math.sin(math.pi * beat / total)
      local before, pitch, ladder, here = state.last, nil, nil, nil
      if item.final then
        pitch = final_pitch(draw, state, o.key, o.cadence)
      elseif quoted(o, #notes + 1, beat, state) then
        pitch = o.theme[#notes + 1].pitch
      elseif copies and i > 1 then
        pitch = repeated_pitch(state, contour, i, strength)
      end
      if not pitch then pitch, ladder, here = next_pitch(draw, state, strength, target) end
      ladder = ladder or ladder_of(state.chord.scale, state.low, state.high)
      local place = place_on(ladder, pitch)
      if i == 1 then state.first, start = pitch, place end
      made[i] = place - start
      remember(state, pitch, place - (here or place_on(ladder, before)), o.key)
      notes[#notes + 1] = { beat = o.first + beat, length = item.length, pitch = pitch, hand = o.hand or 1,
        role = o.role or "melody", strong = strength, chord = state.chord, final = item.final }
    end
    contours[rhythm.letter] = contour or made
  end
  return notes, state.last
end

-- ---- ornaments ----------------------------------------------------------------------------------

-- The rung `by` steps from a pitch in the scale of its chord.
local function neighbour(note, by)
  local ladder = ladder_of(note.chord.scale, note.pitch - 14, note.pitch + 14)
  return ladder[place_on(ladder, note.pitch) + by]
end

local function like(note, at, length, pitch)
  return { beat = note.beat + at, length = length, pitch = pitch, hand = note.hand, role = "ornament",
    strong = at == 0 and note.strong or 0, chord = note.chord }
end

-- What an ornament makes of a note; `quick` is the length of its notes in beats.
local ornaments = {}

function ornaments.mordent(note, quick)
  return { like(note, 0, quick, note.pitch), like(note, quick, quick, neighbour(note, 1)) }, 2 * quick
end

function ornaments.grace(note, quick)
  return { like(note, 0, quick, neighbour(note, 1)) }, quick
end

function ornaments.turn(note, quick)
  return { like(note, 0, quick, neighbour(note, 1)), like(note, quick, quick, note.pitch),
    like(note, 2 * quick, quick, neighbour(note, -1)) }, 3 * quick
end

function ornaments.trill(note, quick)
  local list, at, up = {}, 0, true
  while at + 3 * quick < 0.6 * note.length do
    list[#list + 1] = like(note, at, quick, up and neighbour(note, 1) or note.pitch)
    at, up = at + quick, not up
  end
  return list, at
end

--- Replaces some of the long notes of a melody by ornamented ones. share: of the notes long enough;
-- beat_seconds: the length of a beat. Returns a new list.
function melody.ornament(draw, notes, share, beat_seconds)
  local list, quick = {}, 0.085 / beat_seconds
  for _, note in ipairs(notes) do
    local long = note.length / quick
    if long > 4 and draw.chance(share) then
      local kind = draw.weighted { { "mordent", 3 }, { "grace", 3 }, { "turn", long > 6 and 2 or 0 },
        { "trill", long > 12 and not note.final and 2 or 0 } }
      local extra, used = ornaments[kind](note, quick)
      for _, one in ipairs(extra) do list[#list + 1] = one end
      note.beat, note.length = note.beat + used, note.length - used
    end
    list[#list + 1] = note
  end
  return list
end

--- Fills the way from some long notes to the next by a run in even fast notes along the scale, beginning on a
-- beat. share: of the notes that last a beat or more. Returns a new list.
function melody.runs(draw, notes, share, metre)
  local list = {}
  for i, note in ipairs(notes) do
    local after = notes[i + 1]
    list[#list + 1] = note
    if after and note.length >= 1 - 1e-6 and not note.final and draw.chance(share) then
      local parts = metre.compound and 6 or draw.one { 4, 4, 6, 8 }
      local from = note.beat + note.length - 1
      local up = after.pitch > note.pitch or (after.pitch == note.pitch and draw.chance(0.5))
      local ladder = ladder_of(note.chord.scale, 21, 108)
      local goal = place_on(ladder, after.pitch)
      if note.length > 1 + 1e-6 then
        note.length = note.length - 1
      else
        table.remove(list)
      end
      for k = 1, parts do
        local pitch = ladder[goal + (up and -1 or 1) * (parts - k + 1)] or after.pitch
        list[#list + 1] = { beat = from + (k - 1) / parts, length = 1 / parts, pitch = pitch,
          hand = note.hand, role = "run", strong = k == 1 and note.strong or 0, chord = note.chord }
      end
    end
  end
  return list
end

return melody
