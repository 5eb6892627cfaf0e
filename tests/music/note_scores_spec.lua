local cases = require "music.note_scores_cases"
local scores = require "luatrain.music.note_scores"

local function note(start, stop, pitch, velocity)
  return { start = start, stop = stop, pitch = pitch, velocity = velocity }
end

describe("note scores", function()
  it("are mir_eval's", function()
    local worst, count = cases.compare(lt.json.load "tests/golden/notes.json")
    assert.are.equal(60, count)
    assert.is_true(worst < 1e-12, worst)
  end)

  it("tell onsets, offsets and velocities apart", function()
    local truth = { note(0, 1, 60, 20), note(1, 2, 62, 60), note(2, 3, 64, 100) }
    local estimate = { note(0.05, 1, 60, 40), note(1, 1.5, 62, 80), note(2.06, 3, 64, 120),
      note(5, 6, 70, 1) }
    local one = scores.evaluate(truth, estimate)
    assert.are.equal(2 / 4, one.onset.p)
    assert.are.equal(2 / 3, one.onset.r)
    assert.are.same({ { 1, 1 }, { 2, 2 } }, one.onset.pairs)
    assert.are.same({ { 1, 1 } }, one.offset.pairs)
    assert.are.same({ { 1, 1 }, { 2, 2 } }, one.onset_velocity.pairs)  -- 20 louder throughout
    assert.are.equal(2, #one.starts.pairs)
    assert.are.equal(2, #one.stops.pairs)
    one = scores.evaluate(truth, estimate, { onset_tolerance = 0.1 })
    assert.are.equal(3, #one.onset.pairs)
    assert.are.equal(one.onset.f, 2 * 0.75 / 1.75)
  end)

  it("use each note once", function()
    local truth = { note(0, 1, 60, 64), note(0.04, 1, 60, 64) }
    assert.are.equal(0.5, scores.evaluate(truth, { note(0.02, 1, 60, 64) }).onset.r)
    -- Only pairing across finds both: the first note of the estimate fits both, the second only the first.
    local both = scores.evaluate(truth, { note(0.02, 1, 60, 64), note(0, 1, 60, 64) },
      { onset_tolerance = 0.03 })
    assert.are.same({ { 1, 2 }, { 2, 1 } }, both.onset.pairs)
  end)

  it("are 0 of nothing, and have no velocity where a note has none", function()
    local one = scores.evaluate({}, { note(0, 1, 60) })
    assert.are.equal(0, one.onset.f)
    assert.is_nil(one.velocity)
    assert.are.equal(0, scores.evaluate({}, {}).velocity.f)
  end)

  it("are averaged over pieces", function()
    local right = scores.evaluate({ note(0, 1, 60, 9) }, { note(0, 1, 60, 9) })
    local wrong = scores.evaluate({ note(0, 1, 60, 9) }, { note(0, 1, 61, 9) })
    local all = scores.mean { right, wrong, wrong }
    assert.are.equal(3, all.pieces)
    assert.is_true(math.abs(all.onset.f - 1 / 3) < 1e-15)
    assert.are.equal(3, all.truth)
  end)

  it("say what is wrong with a note", function()
    local good = { note(0, 1, 60, 64) }
    assert.error_matches(function() scores.evaluate({ note(1, 1, 60, 64) }, good) end,
      "note 1 of the truth lasts from 1 to 1 s")
    assert.error_matches(function() scores.evaluate(good, { note(-1, 1, 60, 64) }) end,
      "note 1 of the estimate lasts from %-1 to 1 s")
    assert.error_matches(function() scores.evaluate(good, { { start = 0, stop = 1 } }) end,
      "pitch of note 1 of the estimate is a nil")
    assert.error_matches(function() scores.evaluate(good, good, { tolerance = 1 }) end,
      "unknown option 'tolerance'")
  end)
end)
