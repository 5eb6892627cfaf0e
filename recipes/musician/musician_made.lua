-- Synthetic data: made-up music in the layouts of real data sets, for trying things out and for tests. What
-- is learnt from it is of no use.
--
--     FOLDER/synthetic.json                    says that everything here is made up
--     FOLDER/emotion/NN.wav, labels.csv        tones whose key, speed and loudness follow valence and arousal
--     FOLDER/melody/NN.mid, NN.json            walks through a scale in phrases that swell and fade
--     FOLDER/harmony/chords.json               songs that repeat four chords of a key
--     FOLDER/groove/info.csv, drummerN/...     beats of drummers who accent and delay steps in their own ways

local fs = lt.fs

local made = {}

local MAJOR, MINOR = { 0, 2, 4, 5, 7, 9, 11 }, { 0, 2, 3, 5, 7, 8, 10 }
local NAMES = { "C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B" }

local function between(low, high) return low + (high - low) * math.random() end

-- Notes of a piece in a mood, about so many seconds.
local function piece(one, seconds)
  local scale = one.valence > 0 and MAJOR or MINOR
  local key, gap = math.random(48, 59), 0.45 - 0.25 * one.arousal
  local notes, degree, at = {}, math.random(4, 10), 0
  while at < seconds do
    degree = math.max(0, math.min(20, degree + math.random(-2, 2)))
    local swell = math.sin(at / seconds * math.pi * 3)
    notes[#notes + 1] = { start = at, stop = at + gap * between(0.7, 1.1),
      pitch = key + math.floor(degree / 7) * 12 + scale[degree % 7 + 1],
      velocity = math.floor(70 + 25 * one.arousal + 20 * swell + between(-6, 6)) }
    at = at + gap * (math.random() < 0.2 and 2 or 1) * between(0.95, 1.05)
  end
  return notes
end

local function sound(notes, rate)
  local last = notes[#notes]
  local x = lt.zeros(math.ceil((last.stop + 0.1) * rate))
  local time = lt.arange(0, math.floor(0.8 * rate)):to "f32" / rate
  for _, note in ipairs(notes) do
    local n = math.floor((note.stop - note.start) * rate)
    local part, f = time:narrow(1, 1, n), 2 * math.pi * 440 * 2 ^ ((note.pitch - 69) / 12)
    local tone = ((part * f):sin() + (part * (2 * f)):sin() * 0.5) * (part * -4):exp() * (note.velocity / 400)
    x:narrow(1, math.floor(note.start * rate) + 1, n):add_(tone)
  end
  return x
end

local writers = {}

function writers.emotion(folder, pieces)
  local lines = { "path,valence,arousal" }
  for i = 1, pieces do
    local one = { valence = between(-1, 1), arousal = between(-1, 1) }
    lines[#lines + 1] = ("%02d.wav,%.2f,%.2f"):format(i, one.valence, one.arousal)
    lt.scope(function()
      lt.audio.save(fs.join(folder, ("%02d.wav"):format(i)), sound(piece(one, 18), 11025), 11025)
    end)
  end
  fs.write(fs.join(folder, "labels.csv"), table.concat(lines, "\n") .. "\n")
end

function writers.melody(folder, pieces)
  for i = 1, pieces do
    local one = { valence = between(-1, 1), arousal = between(-1, 1) }
    lt.midi.write(fs.join(folder, ("%02d.mid"):format(i)), { notes = piece(one, 40) })
    lt.json.save(fs.join(folder, ("%02d.json"):format(i)), one)
  end
end
writers.dynamics = writers.melody

function writers.harmony(folder, pieces)
  local songs = {}
  for i = 1, pieces do
    local key, happy, four, chords = math.random(0, 11), math.random() < 0.5, {}, {}
    local scale = happy and MAJOR or MINOR
    for k = 1, 4 do
      local degree = k == 1 and 0 or math.random(0, 5)
      local third = (scale[(degree + 2) % 7 + 1] - scale[degree + 1]) % 12
      four[k] = NAMES[(key + scale[degree + 1]) % 12 + 1] .. (third == 3 and "m" or "")
    end
    for k = 1, 24 do chords[k] = four[(k - 1) % 4 + 1] end
    songs[i] = { song = "made " .. i, chords = chords, emotion = happy and "happy" or "sad" }
  end
  lt.json.save(fs.join(folder, "chords.json"), { progressions = songs })
end

-- Steps (0..15) of kick, snare and hi-hat of a style, and how likely a ghost note is.
local STYLES = {
  rock = { kick = { 0, 8, 10 }, snare = { 4, 12 }, hat = { 0, 2, 4, 6, 8, 10, 12, 14 }, ghost = 0.05 },
  funk = { kick = { 0, 3, 6, 10 }, snare = { 4, 12 }, hat = { 0, 2, 4, 6, 8, 10, 12, 14 }, ghost = 0.3 },
  hiphop = { kick = { 0, 7, 10 }, snare = { 4, 12 }, hat = { 0, 2, 4, 6, 8, 10, 12, 14 }, ghost = 0.15 },
  disco = { kick = { 0, 4, 8, 12 }, snare = { 4, 12 }, hat = { 2, 6, 10, 14 }, ghost = 0.02 },
  samba = { kick = { 0, 3, 8, 11 }, snare = { 2, 5, 9, 12, 15 }, hat = { 0, 4, 8, 12 }, ghost = 0.2 },
}

-- The notes of a beat. Each drummer delays sixteenths, snare and kick by shares of a step of their own, and
-- has accents of their own.
local function beat(style, bpm, bars)
  local step, notes = 60 / bpm / 4, {}
  local swing, late, early = between(0, 0.6), between(-0.2, 0.3), between(-0.2, 0.1)
  local accent, loudness, loose = between(0.1, 0.5), between(70, 110), between(0.01, 0.06)
  local function hit(bar, at, pitch, push, loud)
    local delay = (at % 2 == 1 and swing or 0) + push + loose * (math.random() + math.random() - 1)
    local velocity = loudness * loud * (at % 4 == 0 and 1 or 1 - accent) + between(-5, 5)
    local start = math.max(0, ((bar * 16) + at + delay * 0.5) * step)
    notes[#notes + 1] = { start = start, stop = start + 0.05, pitch = pitch, channel = 9,
      velocity = math.max(1, math.min(127, math.floor(velocity))) }
  end
  for bar = 0, bars - 1 do
    if bar % 4 == 0 then hit(bar, 0, 49, early, 1.1) end
    for _, at in ipairs(style.kick) do
      if at == 0 or math.random() < 0.9 then hit(bar, at, 36, early, 1) end
    end
    for _, at in ipairs(style.snare) do hit(bar, at, 38, late, 1.1) end
    for _, at in ipairs(style.hat) do hit(bar, at, bar % 4 == 3 and at == 14 and 46 or 42, 0, 0.7) end
    for at = 1, 15, 2 do
      if math.random() < style.ghost then hit(bar, at, 37, late, 0.35) end
    end
  end
  return notes
end

function writers.groove(folder, pieces)
  local names = lt.core.sorted_keys(STYLES)
  local splits = { "train", "train", "train", "train", "validation", "test" }
  local lines = { "drummer,session,id,style,bpm,beat_type,time_signature,midi_filename,audio_filename,"
    .. "duration,split" }
  for i = 1, pieces do
    local style, bpm, drummer = names[i % #names + 1], math.random(80, 140), "drummer" .. i % 10 + 1
    local path = ("%s/session1/%d_%s_%d_beat_4-4.mid"):format(drummer, i, style, bpm)
    local notes = beat(STYLES[style], bpm, 12)
    fs.mkdir(fs.join(folder, fs.dirname(path)))
    lt.midi.write(fs.join(folder, path), { notes = notes, tempos = { { time = 0, bpm = bpm } } })
    lines[#lines + 1] = ("%s,%s/session1,%s/session1/%d,%s,%d,beat,4-4,%s,,%.3f,%s"):format(drummer, drummer,
      drummer, i, style, bpm, path, notes[#notes].stop, splits[math.random(#splits)])
  end
  fs.write(fs.join(folder, "info.csv"), table.concat(lines, "\n") .. "\n")
end

--- Makes up data for some models below a folder.
-- @param names of models
-- @param pieces how many for each
function made.write(folder, names, pieces, seed)
  local done = {}
  fs.mkdir(folder)
  lt.json.save(fs.join(folder, "synthetic.json"), { synthetic = true, pieces = pieces, seed = seed })
  for _, name in ipairs(names) do
    local place = name == "dynamics" and "melody" or name
    if not done[place] then
      math.randomseed(seed)
      writers[name](fs.mkdir(fs.join(folder, place)), pieces)
    end
    done[place] = true
  end
end

return made
