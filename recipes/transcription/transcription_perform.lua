-- A score as somebody plays it: tempo, timing, loudness, touch and pedal.
--
-- Takes notes {beat, length, pitch, hand, role, strong, final} and gives a song for lt.midi.write: notes in
-- seconds, the tempo map they were played to, signatures, and the sustain pedal. The piece is stretched to
-- last exactly as long as it should, from 0 to its last event.

local perform = {}

-- How much a player of each complexity strays. tempo: share by which phrases sway; drift: of each beat; slow:
-- tempo of the last beats; timing and spread: seconds; lead: of the melody, seconds; loud: steps of velocity.
local STYLES = {
  simple = {
    tempo = 0, drift = 0.004, slow = 0.94, timing = 0.005, spread = 0.003, lead = 0, loud = 3,
  },
  medium = {
    tempo = 0.03, drift = 0.01, slow = 0.82, timing = 0.008, spread = 0.005, lead = 0.008, loud = 4,
  },
  complex = {
    tempo = 0.08, drift = 0.02, slow = 0.65, timing = 0.01, spread = 0.007, lead = 0.015, loud = 5,
  },
}

-- ---- tempo --------------------------------------------------------------------------------------

-- Speed of every beat relative to the piece's tempo.
local function speeds(draw, score, style)
  local list, beats = {}, math.ceil(score.beats - 1e-6)
  local phase = score.phrase_beats
  for b = 0, beats - 1 do
    local at = (b % phase) / phase
    local sway = 1 + style.tempo * (math.sin(math.pi * at) - 0.5)
    local speed = sway * (1 + draw.normal(style.drift))
    for _, change in ipairs(score.changes or {}) do
      if b >= change.beat then speed = speed * change.factor end
    end
    local left = beats - b
    local closing = math.min(score.metre.beats, beats / 2)
    if left <= closing then
      speed = speed * (style.slow + (1 - style.slow) * (left - 1) / math.max(1, closing))
    end
    list[b + 1] = speed
  end
  return list
end

-- The function from beats to seconds at one beat a second and the given speeds.
local function clock(list)
  local begins = { 0 }
  for b, speed in ipairs(list) do begins[b + 1] = begins[b] + 1 / speed end
  return function(beat)
    local b = math.max(1, math.min(#list, math.floor(beat) + 1))
    return begins[b] + (beat - b + 1) / list[b]
  end
end

-- ---- notes --------------------------------------------------------------------------------------

local LEVELS = { 46, 56, 66, 78, 90 }                             -- p, mp, mf, f, ff
local ROLES = { melody = 10, ornament = 2, run = 4, bass = 0, inner = -9 }
-- How long a note is held: share of its written length.
local TOUCHES = { legato = 1, detached = 0.8, staccato = 0.45 }

local function loudness(draw, score, style, note)
  local at = (note.beat % score.phrase_beats) / score.phrase_beats
  local section = score.sections[math.floor(note.beat / score.section_beats) + 1]
    or score.sections[#score.sections]
  local value = LEVELS[section.level] + (ROLES[note.role] or 0) + 9 * math.sin(math.pi * at) - 3
    + 6 * note.strong + draw.normal(style.loud)
  if note.role == "melody" then value = value + 0.35 * (note.pitch - 70) end
  if note.final then value = value - 6 end
  return math.max(16, math.min(122, math.floor(value + 0.5))), section
end

-- Notes that begin together, in order of pitch.
local function chords_of(notes)
  table.sort(notes, function(a, b)
    if a.beat ~= b.beat then return a.beat < b.beat end
    return a.pitch < b.pitch
  end)
  local groups = {}
  for _, note in ipairs(notes) do
    local group = groups[#groups]
    if group and group.beat == note.beat then
      group[#group + 1] = note
    else
      groups[#groups + 1] = { beat = note.beat, note }
    end
  end
  return groups
end

-- Whether a chord is too wide for two hands at once, or is rolled for its own sake.
local function is_rolled(draw, score, group)
  if score.complexity ~= "complex" or #group < 4 then return false end
  return group[#group].pitch - group[1].pitch > 26 and draw.chance(0.5) or draw.chance(0.05)
end

local function play(draw, score, style, seconds)
  local out = {}
  for _, group in ipairs(chords_of(score.notes)) do
    local rolled, shared = is_rolled(draw, score, group), draw.normal(style.timing)
    for i, note in ipairs(group) do
      local velocity, section = loudness(draw, score, style, note)
      local shift = shared + draw.normal(style.spread)
      if rolled then shift = shift + 0.028 * (i - 1) end
      if note.role == "melody" then shift = shift - style.lead end
      local touch = TOUCHES[section.touch]
      if note.final or note.role == "run" or note.length >= 2 then touch = math.max(touch, 0.97) end
      local start = seconds(note.beat) + shift
      local length = seconds(note.beat + note.length) - seconds(note.beat)
      local held = math.max(0.04, length * touch * (1 + draw.normal(0.02)))
      out[#out + 1] = { start = start, stop = start + held, pitch = note.pitch, velocity = velocity,
        track = note.hand, channel = 0, program = 0 }
    end
  end
  return out
end

-- ---- pedal --------------------------------------------------------------------------------------

-- The pedal is pressed a moment after each new chord and lifted as the next one comes (syncopated pedalling).
local function pedal(draw, score, seconds)
  local list = {}
  for i, slot in ipairs(score.slots) do
    local from, to = seconds(slot.first), seconds(slot.first + slot.beats)
    local down = from + math.min(0.3 * (to - from), 0.07 + 0.05 * draw.uniform(0, 1))
    local up = i < #score.slots and to + 0.03 * draw.uniform(-1, 1) or to
    if up - down > 0.15 then
      list[#list + 1] = { time = down, number = 64, value = draw.whole(96, 127), channel = 0, track = 1 }
      list[#list + 1] = { time = up, number = 64, value = 0, channel = 0, track = 1 }
    end
  end
  return list
end

-- ---- one keyboard -------------------------------------------------------------------------------

-- A key that is struck again was let go before, and not sooner than a finger can.
local function untangle(notes)
  local held = {}
  table.sort(notes, function(a, b)
    if a.start ~= b.start then return a.start < b.start end
    return a.pitch < b.pitch
  end)
  for _, note in ipairs(notes) do
    local before = held[note.pitch]
    if before then
      note.start = math.max(note.start, before.start + 0.05)
      note.stop = math.max(note.stop, note.start + 0.04)
      before.stop = math.min(before.stop, note.start - 0.015)
    end
    held[note.pitch] = note
  end
  return notes
end

-- Moves and stretches all times so that the first note begins at `lead` and the last event is at `stop`.
local function fit(song, lead, stop)
  local first, last = math.huge, 0
  for _, note in ipairs(song.notes) do
    first, last = math.min(first, note.start), math.max(last, note.stop)
  end
  for _, control in ipairs(song.controls) do control.time = math.min(control.time, last) end
  local scale = (stop - lead) / (last - first)
  local function moved(time) return math.max(0, lead + (time - first) * scale) end
  for _, note in ipairs(song.notes) do note.start, note.stop = moved(note.start), moved(note.stop) end
  for _, control in ipairs(song.controls) do control.time = moved(control.time) end
  return scale, moved
end

-- Tempos in quarter notes a minute, one where the speed changes. After the last note there is none.
local function tempos_of(list, seconds, scale, moved, unit, duration)
  local tempos = {}
  for b, speed in ipairs(list) do
    local bpm = math.max(20, 60 * unit * speed / scale)
    local last, time = tempos[#tempos], b > 1 and moved(seconds(b - 1)) or 0
    if not last or (math.abs(last.bpm - bpm) > 0.005 * bpm and time < duration) then
      tempos[#tempos + 1] = { time = time, bpm = bpm }
    end
  end
  return tempos
end

--- Plays a score.
-- @param score {notes, beats, metre, key, complexity, slots (times of the chords), phrase_beats,
--   section_beats, sections = list of {level (1 to 5), touch ("legato", "detached", "staccato")}, pedal
--   (flag), changes = list of {beat, factor} of the tempo}
-- @param lead seconds before the first note
-- @param duration seconds from 0 to the last note's end
-- @return a song for lt.midi.write
function perform.play(draw, score, lead, duration)
  local style = STYLES[score.complexity]
  local list = speeds(draw, score, style)
  local beat = (duration - lead) / clock(list)(score.beats)
  for b, speed in ipairs(list) do list[b] = speed / beat end          -- now in beats a second
  local seconds = clock(list)
  local song = {
    notes = untangle(play(draw, score, style, seconds)),
    controls = score.pedal and pedal(draw, score, seconds) or {},
    time_signatures = {
      { time = 0, numerator = score.metre.numerator, denominator = score.metre.denominator },
    },
    key_signatures = { { time = 0, sharps = score.key.sharps, minor = score.key.minor } },
    duration = duration,
  }
  local scale, moved = fit(song, lead, duration)
  song.tempos = tempos_of(list, seconds, scale, moved, score.metre.unit, duration)
  return song
end

return perform
