-- The transcription recipe's codecs: notes to tokens and back.
package.path = "recipes/transcription/?.lua;" .. package.path
local tokens = require "transcription_tokens"

local function note(start, stop, pitch, velocity)
  return { start = start, stop = stop, pitch = pitch, velocity = velocity or 66 }
end

-- Tokens as words.
local function words(codec, list)
  local out = {}
  for i, token in ipairs(list) do out[i] = codec:describe(token) end
  return table.concat(out, ", ")
end

-- Random playing: at each key one note after the other, on the grid of 10 ms, velocities in the middle of
-- their bins.
local function playing(seed, seconds)
  local generator, list = lt.random.generator(seed), {}
  local numbers, at = lt.rand(20000, { generator = generator }):tolist(), 0
  local function draw(n)
    at = at + 1
    return math.floor(numbers[at] * n)
  end
  for pitch = 21, 108 do
    local time = draw(300)
    while time < seconds * 100 do
      local length = 1 + draw(draw(4) == 0 and 900 or 60)
      list[#list + 1] = note(time / 100, (time + length) / 100, pitch, draw(32) * 4 + 2)
      time = time + length + draw(3) * draw(400)
    end
  end
  table.sort(list, function(a, b)
    if a.start ~= b.start then return a.start < b.start end
    return a.pitch < b.pitch
  end)
  return list
end

local function same(want, got, start)
  assert.are.equal(#want, #got)
  for i, n in ipairs(want) do
    assert.are.equal(n.pitch, got[i].pitch)
    assert.are.equal(n.velocity, got[i].velocity)
    assert.is_true(math.abs(n.start + (start or 0) - got[i].start) < 1e-6, i .. ": start")
    assert.is_true(math.abs(n.stop + (start or 0) - got[i].stop) < 1e-6, i .. ": stop")
  end
end

describe("events", function()
  it("say what happens in a window", function()
    local codec = tokens.codec("events", { seconds = 2 })
    local list = codec:encode({ note(9, 10.5, 60), note(9.5, 13, 40), note(10.5, 10.7, 60, 127),
      note(10.5, 11, 72, 127), note(11, 14, 64, 3), note(12, 13, 65) }, 10, 2)
    assert.are.equal("on 40, on 60, tie, time 50, off 60, velocity 31, on 60, on 72, time 70, off 60, "
      .. "time 100, off 72, velocity 0, on 64", words(codec, list))
    assert.are.equal(4 + 200 + 32 + 2 * 88, codec.vocabulary)
    assert.are.equal("off 108", codec:describe(codec.vocabulary - 1))
    assert.are.equal("tie", words(codec, codec:encode({}, 0, 2)))
  end)

  it("keep a note where it lies nearer to the next window", function()
    local codec = tokens.codec("events", { seconds = 1 })
    local list = { note(0.9961, 1.5, 60) }
    assert.are.equal("tie", words(codec, codec:encode(list, 0)))
    assert.are.equal("tie, time 0, velocity 16, on 60, time 50, off 60", words(codec, codec:encode(list, 1)))
    -- an end on the border belongs to the window that it begins
    assert.are.equal("on 60, tie, time 0, off 60", words(codec, codec:encode({ note(0.5, 1.001, 60) }, 1)))
    -- no note is shorter than a step
    assert.are.equal("tie, time 3, velocity 16, on 60, time 4, off 60",
      words(codec, codec:encode({ note(0.03, 0.031, 60) }, 0)))
  end)

  it("give the notes back, window by window", function()
    for seed = 1, 5 do
      local list = playing(seed, 9)
      for _, seconds in ipairs { 0.5, 2, 3, 20 } do
        local codec, windows = tokens.codec("events", { seconds = seconds }), {}
        for i = 0, math.ceil(20 / seconds) do
          windows[#windows + 1] = { tokens = codec:encode(list, i * seconds), start = i * seconds }
        end
        same(list, codec:stitch(windows))
      end
    end
  end)

  it("give the notes back from windows that overlap", function()
    local list = playing(9, 9)
    local codec, windows = tokens.codec("events", { seconds = 2 }), {}
    for start = -1, 19, 1.25 do
      windows[#windows + 1] = { tokens = codec:encode(list, start), start = start }
    end
    same(list, codec:stitch(windows))
  end)

  it("believe the window in whose middle a moment lies", function()
    local codec = tokens.codec("events", { seconds = 2 })
    local first = codec:encode({ note(0.5, 1.2, 60), note(1, 3, 62), note(1.8, 1.9, 64) }, 0)
    local second = codec:encode({ note(0.5, 1.6, 60), note(1.7, 2.5, 66) }, 1)
    -- handed over at 1.5: 60 has ended by then, 62 is unknown to the second, 64 comes too late
    same({ note(0.5, 1.2, 60), note(1, 1.5, 62), note(1.7, 2.5, 66) },
      codec:stitch { { tokens = first, start = 0 }, { tokens = second, start = 1 } })
  end)

  it("end what no window ends, and leave out what none begins", function()
    local codec = tokens.codec("events", { seconds = 2 })
    local list = codec:encode({ note(9, 13, 50), note(11, 15, 60) }, 10)
    same({ note(11, 12, 60) }, codec:decode(list, 10))
    same({}, codec:stitch {})
  end)

  it("survive what a model may write", function()
    local codec = tokens.codec("events", { seconds = 1 })
    local all = lt.randint(0, codec.vocabulary, { 4000 }, { generator = lt.random.generator(1) })
    all = all:tolist()
    for _, n in ipairs(codec:decode(all, 3)) do
      assert.is_true(n.start >= 3 and n.stop <= 4 + 1e-9 + codec.step and n.stop > n.start)
      assert.is_true(n.velocity >= 1 and n.velocity <= 127 and n.pitch >= 21 and n.pitch <= 108)
    end
    -- no time yet; an end without a beginning; time does not run backward; nothing after eos
    local function on(p) return codec.first_on + p - 21 end
    same({ note(0.4, 0.41, 61, 64) }, codec:decode({ codec.tie, on(60), 4 + 40, on(61), 4 + 10,
      codec.first_off + 40, codec.eos, 4 + 50, on(70) }, 0))
  end)

  it("become input and target", function()
    local codec = tokens.codec("events", { seconds = 1 })
    local input, target, whole = codec:pair({ 7, 8, 9 }, 5)
    assert.are.same({ { 1, 7, 8, 9, 0 }, { 7, 8, 9, 2, 0 }, true }, { input, target, whole })
    input, target, whole = codec:pair({ 7, 8, 9 }, 4)
    assert.are.same({ { 1, 7, 8, 9 }, { 7, 8, 9, 2 }, true }, { input, target, whole })
    input, target, whole = codec:pair({ 7, 8, 9 }, 3)
    assert.are.same({ { 1, 7, 8 }, { 7, 8, 9 }, false }, { input, target, whole })
    input, target = codec:pair({ 7, 8, 9 }, 2)
    assert.are.same({ { 1, 7 }, { 7, 8 } }, { input, target })
  end)
end)

describe("pitches", function()
  it("are MIDI numbers by onset, with room for the others", function()
    local codec = tokens.codec("pitches", { seconds = 4 })
    assert.are.equal(130, codec.vocabulary)
    local list = codec:encode({ note(0, 9, 30), note(4, 5, 72), note(4, 5, 60), note(5, 6, 21),
      note(8, 9, 50) }, 4)
    assert.are.same({ 60, 72, 21 }, list)
    local input, target = codec:pair(list, 5)
    assert.are.same({ { 128, 60, 72, 21, 0 }, { 60, 72, 21, 129, 0 } }, { input, target })
    same({ note(4, 6, 60, 64), note(6, 8, 72, 64), note(8, 12, 30, 64) },
      codec:stitch { { tokens = { 60, 72 }, start = 4 }, { tokens = { 30, 129, 40 }, start = 8 } })
    assert.are.same({ "pad", "bos", "eos", "pitch 60" },
      { codec:describe(0), codec:describe(128), codec:describe(129), codec:describe(60) })
  end)
end)

describe("a codec", function()
  it("must exist, with whole steps", function()
    assert.error_matches(function() tokens.codec "midi" end, "no codec 'midi'; there are events and pitches")
    assert.error_matches(function() tokens.codec("events", { seconds = 1.005 }) end,
      "no whole number of steps")
  end)
end)
