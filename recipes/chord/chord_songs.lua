-- Made-up songs with known chords, for trying the recipe where there is no POP909.
--
--     local song = require("chord_songs").make(7)       -- the same for the same number
--     song.bpm, song.programs                                   -- 104.2, {0, 33, 73}
--     song.notes[1]       -- {track = 1, pitch = 60, velocity = 80, start = 0, stop = 1.5}, times in seconds
--     song.segments[1]    -- {start = 0, stop = 2.3, label = "A:min7/b3"}
--
-- Four bars of a common progression, twice, then another four, and so on: chords with sevenths and
-- inversions, a comping instrument, a bass and a melody of chord tones and steps between them.

local bit = require "bit"
local chord = require "luatrain.music.chord"

local songs = {}

-- Degrees of the scale in semitones with what is played on them; a plain chord is as likely as all others
-- together.
local MAJOR = {
  { 0, "maj", "maj7", "maj(9)", "maj6", "sus2" }, { 2, "min", "min7", "min9" }, { 4, "min", "min7" },
  { 5, "maj", "maj7", "maj6", "sus2" }, { 7, "maj", "7", "sus4", "sus4(b7)" }, { 9, "min", "min7", "min(9)" },
  { 11, "dim", "hdim7" },
}
local MINOR = {
  { 0, "min", "min7", "min(9)", "minmaj7" }, { 2, "hdim7", "dim" }, { 3, "maj", "maj7" },
  { 5, "min", "min7", "min6" }, { 7, "7", "min", "min7", "aug" }, { 8, "maj", "maj7" },
  { 10, "maj", "7", "sus4" },
}
local PROGRESSIONS = {                                             -- degrees, one a bar or two a bar
  { 1, 5, 6, 4 }, { 6, 4, 1, 5 }, { 1, 6, 4, 5 }, { 4, 5, 3, 6 }, { 2, 5, 1, 6 },
  { 1, 3, 4, 5 }, { 1, 4, 6, 5 }, { 4, 5, 3, 6, 2, 5, 1, 1 }, { 1, 5, 6, 3, 4, 1, 4, 5 },
  { 6, 7, 1, 4, 6, 5, 4, 5 },
}
local COMPING, BASSES, LEADS = { 0, 1, 4, 24, 25, 48, 89 }, { 32, 33, 35, 38, 0 }, { 0, 11, 56, 65, 73, 80 }
local RHYTHMS = {                                                   -- beats of a bar
  { 0 }, { 0, 2 }, { 0, 1, 2, 3 }, { 0, 1.5, 3 }, { 0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5 },
}

-- Numbers of the minimal standard generator (Park and Miller 1988), exact in doubles.
local function generator(seed)
  local state = seed * 7919 % 2147483646 + 1
  local function draw(n)                                           -- 1..n, or without n in [0, 1)
    state = state * 16807 % 2147483647
    local u = state / 2147483647
    return n and math.floor(u * n) + 1 or u
  end
  for _ = 1, 8 do draw() end
  return draw
end

local function tones_of(kind, root)
  local tones, set = {}, chord.type_tones(kind)
  for above = 0, 11 do
    if bit.band(bit.rshift(set, above), 1) == 1 then tones[#tones + 1] = (root + above) % 12 end
  end
  return tones
end

-- The chord of a degree: its type, root and bass as class numbers.
local function pick(draw, scale, degree, key)
  local row = scale[degree]
  local name = row[draw() < 0.5 and 2 or 1 + draw(#row - 1)]
  local kind, root = chord.classify(chord.transpose("C:" .. name, key + row[1]))
  local tones = tones_of(kind, root)
  local bass = draw() < 0.2 and tones[draw(math.min(3, #tones))] or root
  return { kind = kind, root = root, tones = tones, bass = bass }
end

-- The pitch of a class nearest to a pitch.
local function near(class, pitch) return pitch + (class - pitch + 6) % 12 - 6 end

local function play(draw, song, now, beat, style)
  local function add(track, pitch, from, to, loudness)
    song.notes[#song.notes + 1] = {
      track = track, pitch = pitch, velocity = math.floor(loudness + 24 * draw() - 12),
      start = song.at + from * beat, stop = song.at + to * beat,
    }
  end
  for i, from in ipairs(style.rhythm) do
    local to = math.min(style.rhythm[i + 1] or now.beats, now.beats)
    if from < now.beats then
      for _, class in ipairs(now.tones) do add(1, near(class, style.centre), from, to * 0.98, 70) end
    end
  end
  for from = 0, now.beats - 1, style.walk do
    add(2, near(now.bass, 40), from, from + style.walk * 0.95, 85)
  end
  local from = 0
  while from < now.beats do
    local length = math.min(({ 0.5, 1, 1, 2 })[draw(4)], now.beats - from)
    local on_chord = draw() < 0.75 or from == 0
    style.lead = on_chord and near(now.tones[draw(#now.tones)], style.lead) or style.lead + 2 * draw(2) - 3
    style.lead = math.max(62, math.min(86, style.lead))
    if draw() < 0.85 then add(3, style.lead, from, from + length * 0.95, 90) end
    from = from + length
  end
end

--- Song number `seed`, about `seconds` long (40).
function songs.make(seed, seconds)
  local draw = generator(seed)
  local key, scale = draw(12) - 1, draw() < 0.7 and MAJOR or MINOR
  local bpm = 70 + 70 * draw()
  local beat = 60 / bpm
  local song = {
    bpm = bpm, programs = { COMPING[draw(#COMPING)], BASSES[draw(#BASSES)], LEADS[draw(#LEADS)] }, notes = {},
    segments = {}, at = beat * draw(4),
  }
  song.segments[1] = { start = 0, stop = song.at, label = "N" }
  while song.at < (seconds or 40) do
    local degrees = PROGRESSIONS[draw(#PROGRESSIONS)]
    local style = {
      rhythm = RHYTHMS[draw(#RHYTHMS)], centre = 54 + draw(10), walk = draw(2), lead = 66 + draw(12),
    }
    local chords = {}
    for i, degree in ipairs(degrees) do chords[i] = pick(draw, scale, degree, key) end
    for i = 1, 2 * #chords do
      local now = chords[(i - 1) % #chords + 1]
      now.beats = 16 / #chords
      play(draw, song, now, beat, style)
      local stop = song.at + now.beats * beat
      song.segments[#song.segments + 1] = {
        start = song.at, stop = stop, label = chord.label(now.kind, now.root, now.bass),
      }
      song.at = stop
    end
  end
  song.segments = chord.merge(song.segments)
  return song
end

return songs
