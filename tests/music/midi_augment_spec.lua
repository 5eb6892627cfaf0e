-- Augmentation of songs and note probabilities: what changes, what stays, and what decides over it.
local augment = lt.midi.augment

-- A song that has been through a file, so that it has everything.
local function song()
  return lt.midi.parse(lt.midi.encode {
    notes = { { start = 0, stop = 0.5, pitch = 60, velocity = 100 }, { start = 0.5, stop = 2, pitch = 127 },
      { start = 1, stop = 1.5, pitch = 3, velocity = 1 }, { start = 1, stop = 1.1, pitch = 36,
        drum = true } },
    tempos = { { time = 0, bpm = 100 }, { time = 1.2, bpm = 150 } },
    time_signatures = { { time = 0, numerator = 3, denominator = 4 } },
    key_signatures = { { time = 0, sharps = -3 }, { time = 1.2, sharps = 1, minor = true } },
    controls = { { time = 0.25, number = 64, value = 127 } }, texts = { { time = 0.6, text = "a" } },
    duration = 2.4,
  })
end

local function field(list, name)
  local values = {}
  for i, item in ipairs(list) do values[i] = item[name] end
  return values
end

local raises = require("ops_harness").raises

describe("transposing", function()
  it("moves notes but drums, and keys", function()
    local before, original = song(), song()
    local up, by = augment.transpose(before, 2)
    assert.same(original, before)
    assert.equal(2, by)
    assert.same({ 62, 117, 5, 36 }, field(up.notes, "pitch"))
    assert.same({ "F major", "F# minor" }, field(up.key_signatures, "name"))
    assert.same({ 57, 124, 0, 36 }, field(augment.transpose(before, -3).notes, "pitch"))
    assert.same({ 55, 122, 10, 36 }, field(augment.transpose(before, -5).notes, "pitch"))
    assert.same(field(original.key_signatures, "name"), field(augment.transpose(before, 12).key_signatures,
      "name"))
    assert.same({ 62, 117, 5, 36 }, field(lt.midi.parse(lt.midi.encode(up)).notes, "pitch"))
    for shift = -127, 127 do
      for _, note in ipairs(augment.transpose(before, shift).notes) do
        assert(note.pitch >= 0 and note.pitch <= 127)
      end
    end
  end)

  it("draws every shift of a range, by the generator alone", function()
    local seen = {}
    for index = 1, 60 do
      local function draw()
        return select(2, augment.transpose(song(), { -2, 2 }, { generator = lt.generator(1, 1, index) }))
      end
      local by = draw()
      assert.equal(by, draw())
      seen[by] = true
    end
    assert.same({ [-2] = true, [-1] = true, [0] = true, true, true }, seen)
  end)
end)

describe("another tempo", function()
  it("divides all times and multiplies all tempos", function()
    local before, original = song(), song()
    local fast, factor = augment.tempo(before, 2)
    assert.same(original, before)
    assert.equal(2, factor)
    assert.same({ 0, 0.25, 0.5, 0.5 }, field(fast.notes, "start"))
    assert.same({ 0.25, 1, 0.75, 0.55 }, field(fast.notes, "stop"))
    assert.near(200, fast.tempos[1].bpm, 1e-9)
    assert.near(0.6, fast.tempos[2].time, 1e-9)
    assert.same({ 0.125, 0.3, 1.2 }, { fast.controls[1].time, fast.texts[1].time, fast.duration })
    local back = lt.midi.parse(lt.midi.encode(fast))
    assert.near(300, back.tempos[2].bpm, 1e-3)
    for i, note in ipairs(back.notes) do assert.near(fast.notes[i].start, note.start, 1e-3) end
    local plain = augment.tempo({ notes = { { start = 1, stop = 2, pitch = 60 } } }, 0.5)
    assert.same({ time = 0, bpm = 60, microseconds = 1000000 }, plain.tempos[1])
    assert.equal(2, plain.notes[1].start)
    local _, drawn = augment.tempo(before, { 0.9, 1.1 }, { generator = lt.generator(3) })
    assert.is_true(drawn >= 0.9 and drawn < 1.1)
    assert.equal(drawn, select(2, augment.tempo(before, { 0.9, 1.1 }, { generator = lt.generator(3) })))
  end)
end)

describe("velocities", function()
  it("are scaled, moved and jittered, from 1 to 127", function()
    local before = song()
    assert.same({ 127, 96, 2, 96 }, field(augment.velocity(before, { scale = 1.5 }).notes, "velocity"))
    assert.same({ 90, 54, 1, 54 }, field(augment.velocity(before, { shift = -10 }).notes, "velocity"))
    local notes = {}
    for i = 1, 4000 do notes[i] = { start = 0, stop = 1, pitch = 60, velocity = 64 } end
    local function jittered(seed)
      return field(augment.velocity({ notes = notes }, { jitter = 5, generator = lt.generator(seed) }).notes,
        "velocity")
    end
    local list = jittered(1)
    assert.same(list, jittered(1))
    local sum, squares = 0, 0
    for _, v in ipairs(list) do sum, squares = sum + v - 64, squares + (v - 64) ^ 2 end
    assert.near(0, sum / 4000, 0.3)
    assert.near(5, math.sqrt(squares / 4000), 0.3)
  end)
end)

describe("note probabilities", function()
  it("are shares of what sounds", function()
    local p = lt.midi.probabilities(song())
    assert.same({ 128 }, p:size())
    assert.near(1, p:sum():item(), 1e-6)
    assert.near(0.5 / 2.5, p:get(61), 1e-3)
    assert.near(1.5 / 2.5, p:get(128), 1e-3)
    assert.equal(0, p:get(37))
    assert.near(1 / 3, lt.midi.probabilities(song(), { by = "count" }):get(61), 1e-6)
    assert.near(1, lt.midi.probabilities(song(), { to = 0.4 }):get(61), 1e-6)
    assert.near(0.5 * 100 / (0.5 * 100 + 1.5 * 64 + 0.5), lt.midi.probabilities(song(),
      { by = "velocity" }):get(61), 1e-3)
    assert.equal(0, lt.midi.probabilities({ notes = {} }):sum():item())
    raises("there are time, velocity and count", lt.midi.probabilities, song(), { by = "loudness" })
  end)

  it("are moved and jittered, and keep their sum", function()
    local p = lt.zeros(2, 128)
    p:set(0.75, 1, 61)
    p:set(0.25, 1, 128)
    p:set(3, 2, 1)
    local y, by = augment.probabilities(p, { transpose = 2 })
    assert.equal(2, by)
    assert.near(1, y:get(1, 63), 1e-6)                            -- the highest note has left
    assert.near(3, y:get(2, 3), 1e-6)
    assert.equal(0, augment.probabilities(p, { transpose = -1 }):select(1, 2):abs():sum():item())
    local function drawn(seed)
      return augment.probabilities(p, { transpose = { -3, 3 }, jitter = 0.2, generator = lt.generator(seed, 2,
        3) })
    end
    assert.same(drawn(1):flat(), drawn(1):flat())
    local q = augment.probabilities(lt.ones(1, 128) / 128, { jitter = 0.2, generator = lt.generator(1) })
    assert.near(1, q:sum():item(), 1e-5)
    assert.near(0.2 / 128, (q - 1 / 128):square():mean():sqrt():item(), 3e-4)
  end)

  it("and songs are refused where they make no sense", function()
    raises("wanted whole numbers of semitones", augment.transpose, song(), 0.5)
    raises("wanted a number or {low, high}", augment.transpose, song(), "up")
    raises("the factor is 0", augment.tempo, song(), 0)
    raises("unknown option 'jiter'; did you mean 'jitter'?", augment.velocity, song(), { jiter = 1 })
    raises("p is (12), wanted (..., 128)", augment.probabilities, lt.ones(12))
  end)
end)
