-- Composes piano pieces for the transcription recipe, each from (seed, index) alone.
--
--     local song = require("transcription_compose").piece { seed = 42, index = 7, complexity = "medium",
--       min_notes = 10, max_notes = 50, min_duration = 5, max_duration = 30, key_signatures = { "C", "Am" } }
--     lt.midi.write("piece.mid", song)       song.key, song.time_signature, song.bpm    -- "Am", "3/4", 96
--
-- A piece has phrases of two to five bars, chords that lead to a cadence at each phrase's end, a melody that
-- repeats its rhythms and contours, and an accompaniment; then it is played, see transcription_perform.
--
--   simple    a melody within a tenth, alone or over held chords; no pedal, steady tempo
--   medium    a melody within an octave and a half over broken chords, a waltz or a march; sevenths and
--             inversions; often with pedal
--   complex   three octaves of melody, thirds, octaves, ornaments and runs, two voices in counterpoint, wide
--             arpeggios, dominants of other chords, rubato, pedal
--
-- Notes and seconds stay within the limits: the size is chosen first, then tempo, bars and textures that fit
-- it; what still is too much is thinned from its least important notes, what is too little is struck again.

local draws = require "transcription_draws"
local failure = require "luatrain.failure"
local hands = require "transcription_hands"
local harmony = require "transcription_harmony"
local melody = require "transcription_melody"
local perform = require "transcription_perform"

local compose = {}

--- Levels of complexity, in order.
compose.complexities = { "simple", "medium", "complex" }

-- Nobody plays more notes a second for long.
local MOST_NOTES_A_SECOND = 20

local METRES = {
  ["4/4"] = { numerator = 4, denominator = 4, beats = 4, unit = 1 },
  ["3/4"] = { numerator = 3, denominator = 4, beats = 3, unit = 1 },
  ["2/4"] = { numerator = 2, denominator = 4, beats = 2, unit = 1 },
  ["5/4"] = { numerator = 5, denominator = 4, beats = 5, unit = 1 },
  ["6/8"] = { numerator = 6, denominator = 8, beats = 2, unit = 1.5, compound = true },
  ["9/8"] = { numerator = 9, denominator = 8, beats = 3, unit = 1.5, compound = true },
  ["12/8"] = { numerator = 12, denominator = 8, beats = 4, unit = 1.5, compound = true },
}

-- rate: notes a second; dense: most notes a beat; bpm: felt beats a minute; span: semitones of the melody.
local LEVELS = {
  simple = {
    rate = { 1.2, 3 }, dense = 3.5, bpm = { 66, 116 }, span = 14, colour = 0, pedal = 0, two_chords = 0.15,
    metres = { { "4/4", 4 }, { "3/4", 3 }, { "2/4", 2 } },
    textures = { "solo", "bass", "fifths", "blocks" },
  },
  medium = {
    rate = { 2, 5.5 }, dense = 5, bpm = { 60, 132 }, span = 19, colour = 1, pedal = 0.5, two_chords = 0.35,
    metres = { { "4/4", 4 }, { "3/4", 3 }, { "2/4", 1 }, { "6/8", 2 } },
    textures = { "bass", "blocks", "beats", "waltz", "alberti", "broken" },
  },
  complex = {
    rate = { 4, 11 }, dense = 9, bpm = { 48, 144 }, span = 26, colour = 2, pedal = 0.85, two_chords = 0.5,
    metres = { { "4/4", 4 }, { "3/4", 3 }, { "6/8", 2 }, { "12/8", 1 }, { "9/8", 0.5 }, { "5/4", 0.5 } },
    textures = { "waltz", "alberti", "broken", "wide", "octaves", "repeated", "chorale", "counterpoint" },
  },
}

-- ---- limits -------------------------------------------------------------------------------------

--- The keys a piece may have. Raises, in one line, where the options contradict each other.
function compose.check(o)
  if o.min_notes > o.max_notes then
    failure.raise("config", "min_notes %d is more than max_notes %d", o.min_notes, o.max_notes)
  elseif o.min_duration > o.max_duration then
    failure.raise("config", "min_duration %g is more than max_duration %g", o.min_duration, o.max_duration)
  elseif o.min_notes > MOST_NOTES_A_SECOND * o.max_duration then
    failure.raise("config", "min_notes %d in max_duration %g seconds are more than %d notes a second",
      o.min_notes, o.max_duration, MOST_NOTES_A_SECOND)
  elseif #o.key_signatures == 0 then
    failure.raise("config", "key_signatures is empty; give some, such as C,G,Am")
  end
  local keys = {}
  for i, name in ipairs(o.key_signatures) do keys[i] = harmony.key(name) end
  return keys
end

local function clamp(x, low, high) return math.max(low, math.min(high, x)) end

local function between(draw, low, high) return low * (high / low) ^ draw.uniform(0, 1) end

-- How long the piece is and how many notes it should have: the notes decide, or else the duration.
local function size_of(draw, level, o)
  local rate = between(draw, unpack(level.rate))
  local margin = math.min(0.01, (o.max_duration - o.min_duration) / 4)
  local least, most = o.min_duration + margin, o.max_duration - margin
  local duration = clamp(draw.whole(o.min_notes, o.max_notes) / rate, least, most)
  if draw.chance(0.4) then duration = between(draw, least, most) end
  if o.min_notes > MOST_NOTES_A_SECOND * duration then duration = most end
  return duration, clamp(math.floor(rate * duration + 0.5), o.min_notes, o.max_notes)
end

-- ---- the plan -----------------------------------------------------------------------------------

-- Lengths of the phrases, in bars.
local function phrases_of(draw, bars)
  if bars <= 3 then return { bars } end
  local list, left = {}, bars
  if bars == 4 and draw.chance(0.5) then return { 4 } end
  local size = bars < 8 and 2 or 4
  while left > 0 do
    local next_size = left < 2 * size and left <= size + 1 and left or size
    list[#list + 1] = next_size
    left = left - next_size
  end
  return list
end

-- A metre, and felt beats a minute that give the piece about its notes a beat and at least three bars, where
-- that is possible at all.
local function metre_of(draw, level, count, seconds)
  local fast, choices = 1.2 * level.bpm[2], {}
  for _, entry in ipairs(level.metres) do
    local metre = METRES[entry[1]]
    local fits = seconds * fast * (metre.compound and 0.75 or 1) / 60 >= 3 * metre.beats
    choices[#choices + 1] = { entry[1], fits and entry[2] or 0 }
  end
  local name = draw.weighted(choices) or draw.one(level.metres)[1]
  local metre = METRES[name]
  local bpm = draw.uniform(level.bpm[1], level.bpm[2]) * (metre.compound and 0.75 or 1)
  local function density() return count * 60 / (seconds * bpm) end
  if density() < 0.7 then bpm = math.max(40, bpm * density() / 0.7) end
  if density() > level.dense then bpm = math.min(200, bpm * density() / level.dense) end
  local shortest = 3 * metre.beats * 60 / seconds
  if bpm < shortest then bpm = math.min(shortest, math.max(bpm, fast)) end
  return metre, name, bpm
end

-- Everything about a piece that is chosen before its notes.
local function plan_of(draw, o, keys)
  local level = LEVELS[o.complexity]
  local duration, count = size_of(draw, level, o)
  local lead = math.min(draw.uniform(0.02, 0.25), 0.05 * duration)
  local metre, metre_name, bpm = metre_of(draw, level, count, duration - lead)
  local bars = math.max(2, math.floor((duration - lead) * bpm / 60 / metre.beats + 0.5))
  if bars == 2 and (duration - lead) * 40 / 60 < 2 * metre.beats then bars = 1 end
  local low = 57 + draw.whole(0, 9)
  return {
    level = level, complexity = o.complexity, duration = duration, count = count, lead = lead, bars = bars,
    key = draw.one(keys), metre = metre, metre_name = metre_name, beats = bars * metre.beats,
    bpm = bars * metre.beats * 60 / (duration - lead), phrases = phrases_of(draw, bars), low = low,
    high = low + level.span, pedal = draw.chance(level.pedal), two_chords = draw.chance(level.two_chords),
  }
end

-- ---- chords -------------------------------------------------------------------------------------

-- Beats of the chords of a bar.
local function division(metre, two)
  if not two or metre.beats < 2 then return { metre.beats } end
  local first = math.ceil(metre.beats / 2)
  return { first, metre.beats - first }
end

local function cadence_of(draw, plan, i)
  local last = i == #plan.phrases
  if last then return plan.level.colour == 2 and draw.chance(0.12) and "plagal" or "authentic" end
  if i % 2 == 1 then return draw.chance(0.75) and "half" or "authentic" end
  return plan.level.colour > 0 and draw.chance(0.25) and "deceptive" or "authentic"
end

-- The slots of a phrase from `first` on. An answer repeats the chords its question began with.
local function slots_of(draw, plan, bars, first, cadence, question)
  local lengths = {}
  for bar = 1, bars do
    for _, beats in ipairs(division(plan.metre, plan.two_chords and bar < bars)) do
      lengths[#lengths + 1] = beats
    end
  end
  local chords = harmony.phrase(draw, plan.key, #lengths, cadence, plan.level.colour)
  local slots, at = {}, first
  for i, beats in ipairs(lengths) do
    local repeated = question and #question == #lengths and i <= #lengths / 2 and question[i].chord
    slots[i] = { first = at, beats = beats, chord = repeated or chords[i] }
    at = at + beats
  end
  return slots
end

local function chord_finder(slots)
  return function(beat)
    for i = #slots, 1, -1 do
      if beat >= slots[i].first - 1e-6 then return slots[i].chord end
    end
    return slots[1].chord
  end
end

-- ---- textures -----------------------------------------------------------------------------------

-- A texture that leaves the melody its share of `density` notes a beat, and the melody's density.
local function texture_of(draw, plan, density)
  local choices = {}
  for _, name in ipairs(plan.level.textures) do
    local rate = name == "counterpoint" and density / 2.5 or hands.rate(name, plan.metre, density * 0.6)
    if name ~= "waltz" or not plan.metre.compound then
      local off = math.log((rate + 0.3) / (0.5 * density + 0.3))
      local weight = rate <= 0.8 * density and math.exp(-off * off) or 0
      choices[#choices + 1] = { { name = name, rate = rate }, weight }
    end
  end
  -- Where so few notes are wanted that nothing fits, the melody is alone.
  local texture = draw.weighted(choices) or { name = "solo", rate = 0 }
  return texture.name, texture.rate, density - texture.rate
end

local THICKER = { { "thirds", 2 }, { "sixths", 2 }, { "octaves", 2 }, { "chords", 3 }, { "none", 4 } }

-- What a section of the piece sounds like.
local function section_of(draw, plan, density)
  local name, rate, left = texture_of(draw, plan, density)
  local section = { texture = name, rate = rate, level = draw.whole(1, 5), touch = "legato",
    thicken = "none" }
  if plan.complexity ~= "simple" then
    section.touch = draw.weighted { { "legato", 6 }, { "detached", 2 },
      { "staccato", plan.pedal and 0.3 or 1 } }
  end
  if plan.complexity == "complex" and left > 1 then
    section.thicken = draw.weighted(THICKER)
    if section.thicken ~= "none" then left = left / 1.8 end
    section.ornaments = draw.chance(0.5) and 0.35 or 0
    section.runs = left > 1.2 and draw.chance(0.4) and 0.3 or 0
    section.higher = plan.high <= 91 and draw.chance(0.3)
  end
  section.density = clamp(left, 0.25, plan.complexity == "simple" and 2 or 4)
  return section
end

-- ---- notes --------------------------------------------------------------------------------------

local function append(list, more)
  for _, item in ipairs(more) do list[#list + 1] = item end
end

-- The right hand of a phrase; state carries the melody's last pitch and the theme.
local function right_hand(draw, plan, section, bars, o, state)
  local shift = section.higher and 12 or 0
  local rhythms = o.rhythms
    or melody.phrase_rhythms(draw, plan.metre, bars, section.density, plan.complexity == "simple")
  local low, high = plan.low + shift, plan.high + shift
  local notes, last = melody.phrase(draw, rhythms, {
    key = plan.key, metre = plan.metre, first = o.first, chord_at = o.chord_at, cadence = o.cadence,
    low = low, high = high, last = clamp(state.last + shift - (state.shift or 0), low, high),
    arch = 0.35 * (high - low) * draw.uniform(0.5, 1), theme = o.theme, theme_beats = o.theme_beats,
  })
  state.last, state.shift = last, shift
  local plain = {}
  for i, note in ipairs(notes) do
    plain[i] = { beat = note.beat, pitch = note.pitch, chord = note.chord }
  end
  if (section.ornaments or 0) > 0 then
    notes = melody.ornament(draw, notes, section.ornaments, 60 / plan.bpm)
  end
  if (section.runs or 0) > 0 then notes = melody.runs(draw, notes, section.runs, plan.metre) end
  if section.thicken ~= "none" then append(notes, hands.thicken(notes, section.thicken)) end
  return notes, rhythms, plain
end

-- A second voice in the left hand, as independent as the first.
local function second_voice(draw, plan, section, bars, o, state)
  local rhythms = melody.phrase_rhythms(draw, plan.metre, bars, section.rate)
  local notes
  notes, state.low_last = melody.phrase(draw, rhythms, {
    key = plan.key, metre = plan.metre, first = o.first, chord_at = o.chord_at, cadence = o.cadence,
    low = plan.low - 21, high = plan.low - 3, last = state.low_last or plan.low - 12, arch = 3, role = "bass",
    hand = 2,
  })
  return notes
end

-- One phrase: chords, then both hands.
local function phrase(draw, plan, section, i, o, state)
  local bars = plan.phrases[i]
  local question = i % 2 == 0 and state.question and state.question.bars == bars
    and state.question.section == section and state.question or nil
  o.cadence = cadence_of(draw, plan, i)
  local slots = slots_of(draw, plan, bars, o.first, o.cadence, question and question.slots)
  o.chord_at = chord_finder(slots)
  if question then
    o.rhythms, o.theme, o.theme_beats = question.rhythms, question.theme, bars * plan.metre.beats / 2
  end
  local notes, rhythms, theme = right_hand(draw, plan, section, bars, o, state)
  state.question = { bars = bars, section = section, slots = slots, rhythms = rhythms, theme = theme }
  if section.texture == "counterpoint" then
    append(notes, second_voice(draw, plan, section, bars, o, state))
  else
    local left
    left, state.left = hands.left(draw, slots, {
      texture = section.texture, metre = plan.metre, rate = section.rate, low = plan.low - 17,
      high = plan.low - 2, part = state.left, ends = i == #plan.phrases,
    })
    append(notes, left)
  end
  return notes, slots
end

-- ---- from notes to a score ----------------------------------------------------------------------

local RANK = { melody = 5, bass = 4, run = 3, ornament = 2, inner = 1 }

local function importance(note)
  return RANK[note.role] * 0.25 + note.strong + (note.final and 3 or 0) + 0.05 * math.min(4, note.length)
end

local function by_beat(a, b)
  if a.beat ~= b.beat then return a.beat < b.beat end
  if a.pitch ~= b.pitch then return a.pitch < b.pitch end
  return RANK[a.role] > RANK[b.role]
end

-- One keyboard: no key is struck twice at once, or outside of it; a note ends where its key is struck again.
local function tidy(notes)
  table.sort(notes, by_beat)
  local kept, held = {}, {}
  for _, note in ipairs(notes) do
    local before = held[note.pitch]
    local fits = note.pitch >= 21 and note.pitch <= 108 and not (before and note.beat - before.beat < 0.06)
    if fits then
      if before then before.length = math.min(before.length, note.beat - before.beat) end
      kept[#kept + 1], held[note.pitch] = note, note
    end
  end
  return kept
end

-- Takes away the least important notes beyond `most`.
local function thin(notes, most)
  if #notes <= most then return notes end
  local ranked, kept, gone = {}, {}, {}
  for i, note in ipairs(notes) do ranked[i] = { note = note, i = i, value = importance(note) } end
  table.sort(ranked, function(a, b)
    if a.value ~= b.value then return a.value > b.value end
    return a.i < b.i
  end)
  for i = most + 1, #ranked do gone[ranked[i].note] = true end
  for _, note in ipairs(notes) do
    if not gone[note] then kept[#kept + 1] = note end
  end
  return kept
end

-- Strikes the longest notes again, at their middle, until there are `least`.
local function fill(notes, least)
  while #notes < least do
    local longest = notes[1]
    for _, note in ipairs(notes) do
      if note.length > longest.length + 1e-9 then longest = note end
    end
    local half = longest.length / 2
    local again = { beat = longest.beat + half, length = half, pitch = longest.pitch, hand = longest.hand,
      role = longest.role, strong = 0, chord = longest.chord, final = longest.final }
    longest.length, longest.final = half, nil
    notes[#notes + 1] = again
  end
  table.sort(notes, by_beat)
  return notes
end

-- A score of about `density` notes a beat.
local function score_of(draw, plan, density)
  local score = {
    notes = {}, slots = {}, sections = {}, beats = plan.beats, metre = plan.metre, key = plan.key,
    complexity = plan.complexity, pedal = plan.pedal, phrase_beats = plan.phrases[1] * plan.metre.beats,
  }
  local state, first, section = { last = plan.low + math.floor(plan.level.span / 2) }, 0, nil
  for i, bars in ipairs(plan.phrases) do
    -- A period, question and answer, has one character; longer pieces change it.
    if i == 1 or (i % 2 == 1 and draw.chance(0.6)) then section = section_of(draw, plan, density) end
    local notes, slots = phrase(draw, plan, section, i, { first = first }, state)
    append(score.notes, notes)
    append(score.slots, slots)
    score.sections[i] = section
    first = first + bars * plan.metre.beats
  end
  score.section_beats = score.phrase_beats
  if plan.complexity == "complex" and plan.bars >= 6 and draw.chance(0.4) then
    local middle = plan.metre.beats * math.floor(plan.bars / 2)
    score.changes = { { beat = middle, factor = draw.one { 0.8, 0.88, 1.15, 1.25 } } }
  end
  score.notes = tidy(score.notes)
  return score
end

local ATTEMPTS, NEAR = 8, math.log(1.25)

-- A score within the limits, of about as many notes as planned: tried with other textures until it fits.
local function fitting_score(o, plan)
  local correction, best, least, best_draw = 1, nil, math.huge, nil
  for attempt = 1, ATTEMPTS do
    local draw = draws.new(o.seed, o.index, attempt)
    local score = score_of(draw, plan, correction * plan.count / plan.beats)
    local count = #score.notes
    local off = math.abs(math.log(plan.count / count))
    local within = count >= o.min_notes and count <= o.max_notes
    if not within then off = off + 10 end
    if off < least then best, least, best_draw = score, off, draw end
    if off < NEAR then break end
    correction = clamp(correction * clamp(plan.count / count, 0.5, 2), 0.05, 20)
  end
  best.notes = fill(thin(best.notes, o.max_notes), o.min_notes)
  return best, best_draw
end

--- Composes a piece.
-- @param o {seed, index (whole numbers), complexity ("simple", "medium", "complex"), min_notes, max_notes,
--   min_duration, max_duration (seconds), key_signatures (list of names)}
-- @return a song for lt.midi.write, with key (name), time_signature (text), bpm (quarter notes a minute, the
--   mean) and complexity beside it; the last event is at song.duration
function compose.piece(o)
  local keys = compose.check(o)
  local plan = plan_of(draws.new(o.seed, o.index, 0), o, keys)
  local score, draw = fitting_score(o, plan)
  local song = perform.play(draw, score, plan.lead, plan.duration)
  song.key, song.time_signature, song.complexity = plan.key.name, plan.metre_name, plan.complexity
  song.bpm = math.floor(plan.bpm * plan.metre.unit + 0.5)
  return song
end

return compose
