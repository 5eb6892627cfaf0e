-- The transcription recipe's scores, against what mir_eval and NumPy made of the same notes.

package.path = "recipes/transcription/?.lua;" .. package.path
local scores = require "transcription_scores"

local function note(start, stop, pitch, velocity)
  return { start = start, stop = stop, pitch = pitch, velocity = velocity or 64 }
end

local function notes(list)
  local result = {}
  for i, n in ipairs(list) do result[i] = note(unpack(n)) end
  return result
end

describe("scores of a transcription", function()
  it("are those of mir_eval and NumPy", function()
    local cases = lt.json.load "tests/golden/transcription_scores.json"
    assert.equal(7, #cases)
    for i, case in ipairs(cases) do
      local record = scores.record(scores.piece(notes(case.truth), notes(case.found)))
      for _, name in ipairs(scores.names) do
        local wanted, got = case.record[name], record[name]
        assert.equal(type(wanted), type(got), name)
        if wanted then assert.near(wanted, got, 1e-9, ("%s of case %d"):format(name, i)) end
      end
      for name in pairs(case.record) do assert.is_not_nil(record[name], name) end
    end
  end)

  it("heed the tolerance", function()
    local truth, found = { note(1, 2, 60) }, { note(1.08, 2, 60) }
    assert.equal(0, scores.record(scores.piece(truth, found)).onset_f1)
    local record = scores.record(scores.piece(truth, found, { onset_tolerance = 0.1 }))
    assert.equal(1, record.onset_f1)
    assert.near(80, record.onset_deviation_mean_ms, 1e-9)
    assert.near(0.08, record.timing_error_mean, 1e-12)
  end)

  it("count each moment once where a pitch sounds twice, and see notes that touch", function()
    local piece = scores.piece({ note(0, 1, 60), note(0.5, 1.5, 60), note(1.5, 2, 60), note(0.29, 0.3, 61) },
      { note(0, 2, 60) })
    assert.same({ 200, 201, 200 }, { piece.frames_right, piece.frames_true, piece.frames_found })
  end)

  it("tell what was found in place of what was missed, the nearest first, each note once", function()
    local piece = scores.piece({ note(1, 2, 60), note(1.02, 2, 64), note(5, 6, 70) },
      { note(1.021, 2, 76), note(1.03, 2, 61), note(9, 10, 50) })
    assert.same({ [60] = { [61] = 1 }, [64] = { [76] = 1 } }, piece.confusion.cells)
    assert.same({ [70] = 1 }, piece.confusion.missed)
    assert.same({ [50] = 1 }, piece.confusion.extra)
    assert.same({ 1, 1, 0 }, { piece.octaves, piece.semitones, piece.others })
  end)

  it("are 0 of nothing, without times, and lack velocities where notes do", function()
    for _, pair in ipairs { { {}, {} }, { {}, { note(0, 1, 60) } }, { { note(0, 1, 60) }, {} } } do
      local record = scores.record(scores.piece(unpack(pair)))
      for _, name in ipairs { "onset_f1", "offset_f1", "velocity_f1", "pitch_f1", "note_accuracy" } do
        assert.equal(0, record[name], name)
      end
      assert.is_nil(record.timing_error_mean)
    end
    local mute = { { start = 0, stop = 1, pitch = 60 } }
    assert.is_nil(scores.record(scores.piece(mute, mute)).velocity_f1)
    assert.equal(1, scores.record(scores.piece(mute, mute)).offset_f1)
  end)
end)

describe("scores of many pieces", function()
  local right = scores.piece({ note(0, 1, 60) }, { note(0.01, 1, 60) })
  local wrong = scores.piece({ note(0, 1, 60), note(2, 3, 61), note(4, 5, 62) }, { note(0, 1, 72) })
  local nothing = scores.piece({ note(0, 1, 60) }, {})

  it("are means in which every piece counts the same, and pooled ones", function()
    local all = scores.summary { right, wrong, nothing }
    assert.equal(3, all.pieces)
    assert.near(1 / 3, all.mean.onset_f1, 1e-12)
    assert.near(math.sqrt(2) / 3, all.std.onset_f1, 1e-12)
    assert.same({ 0, 1 }, { all.min.onset_f1, all.max.onset_f1 })
    assert.near(0.01, all.mean.timing_error_mean, 1e-12)       -- of the one piece that has one
    assert.is_nil(all.mean.true_positives)
    local pooled = all.pooled
    assert.same({ 1, 2, 5, 1 }, { pooled.true_positives, pooled.num_predicted, pooled.num_ground_truth,
      pooled.octave_errors })
    assert.near(2 * 0.5 * 0.2 / 0.7, pooled.onset_f1, 1e-12)
    assert.same({ [60] = { [60] = 1, [72] = 1 } }, all.confusion.cells)
    assert.same({ [60] = 1, [61] = 1, [62] = 1 }, all.confusion.missed)
  end)

  it("of one piece are that piece's", function()
    local record = scores.record(right)
    for _, name in ipairs(scores.names) do
      local one = scores.summary { right }
      assert.equal(record[name], one.pooled[name], name)
    end
  end)

  it("of no piece are 0", function()
    assert.equal(0, scores.summary({}).pooled.onset_f1)
    assert.is_nil(scores.summary({}).mean.onset_f1)
  end)

  it("are split by octave, loudness and the number of notes that sound", function()
    local truth = { note(0, 10, 60, 17), note(1, 2, 64, 31), note(1.005, 2, 67, 32), note(3, 4, 72, 127) }
    local found = { note(0, 10, 60), note(1, 2, 64), note(7, 8, 61) }
    local by = scores.breakdown { { truth = truth, found = found, scores = scores.piece(truth, found) } }
    assert.same({ [4] = { hit = 2, all = 3 }, [5] = { hit = 0, all = 1 } }, by.octave)
    assert.same({ [4] = { hit = 2, all = 3 } }, by.found_octave)
    assert.same({ [16] = { hit = 2, all = 2 }, [32] = { hit = 0, all = 1 }, [112] = { hit = 0, all = 1 } },
      by.velocity)
    assert.same({ [1] = { hit = 1, all = 1 }, [2] = { hit = 0, all = 1 }, [3] = { hit = 1, all = 2 } },
      by.polyphony)
  end)
end)
