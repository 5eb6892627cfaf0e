-- The decoder against a plain Viterbi search over all frames, and against sequences whose answer is known.

local ffi = require "ffi"
local chord = require "luatrain.music.chord"
local decode = require "luatrain.music.chord_decode"

-- Frames as three arrays of log-probabilities; `at(t)` gives type, root, bass and how sure (0 to 1) of
-- frame t.
local function frames(n, at)
  local root = ffi.new("float[?]", n * 12)
  local kind, bass = ffi.new("float[?]", n * 12 * 32), ffi.new("float[?]", n * 12 * 12)
  local function fill(row, width, hot, sure)
    for i = 0, width - 1 do row[i] = math.log((1 - sure) / width) end
    row[hot] = math.log(sure + (1 - sure) / width)
  end
  for t = 0, n - 1 do
    local k, r, b, sure = at(t)
    fill(root + t * 12, 12, r, sure)
    for given = 0, 11 do
      fill(kind + (t * 12 + given) * 32, 32, k, sure)
      fill(bass + (t * 12 + given) * 12, 12, b, sure)
    end
  end
  return root, kind, bass
end

local function push(decoder, n, at)
  local root, kind, bass = frames(n, at)
  decoder:push(root, kind, bass, n)
  return decoder
end

local function noisy(n, seed)
  math.randomseed(seed)
  local root, kind, bass = frames(n, function() return 0, 0, 0, 0 end)
  for i = 0, n * 12 - 1 do root[i] = math.log(math.random()) end
  for i = 0, n * 12 * 32 - 1 do kind[i] = math.log(math.random()) end
  for i = 0, n * 12 * 12 - 1 do bass[i] = math.log(math.random()) end
  return root, kind, bass
end

-- Labels (without bass) of the frames by the textbook recursion, in plain tables.
local function viterbi(root, kind, n, penalty)
  local function score(t, s)
    if s > 0 then
      local r = math.floor((s - 1) / 31)
      return root[t * 12 + r] + kind[(t * 12 + r) * 32 + (s - 1) % 31 + 1]
    end
    local none = 0
    for r = 0, 11 do none = none + math.exp(root[t * 12 + r] + kind[(t * 12 + r) * 32]) end
    return math.log(none)
  end
  local delta, back = {}, {}
  for s = 0, 372 do delta[s] = score(0, s) end
  for t = 1, n - 1 do
    local new = {}
    back[t] = {}
    for s = 0, 372 do
      local from, most = s, delta[s]
      for p = 0, 372 do
        if delta[p] - penalty > most then from, most = p, delta[p] - penalty end
      end
      back[t][s], new[s] = from, most + score(t, s)
    end
    delta = new
  end
  local best = 0
  for s = 1, 372 do
    if delta[s] > delta[best] then best = s end
  end
  local path = {}
  for t = n - 1, 0, -1 do
    path[t] = best
    if t > 0 then best = back[t][best] end
  end
  return path
end

describe("the chord decoder", function()
  it("changes chords where the model hears a change", function()
    -- C:maj and A:min equally likely in rows 10 to 19: the boundary lies where the odds say.
    local n = 30
    local root, kind, bass = frames(n, function(t)
      if t < 10 then return 1, 0, 0, 0.99 elseif t < 20 then return 1, 0, 0, 0 end
      return 2, 9, 9, 0.99
    end)
    for i = 10 * 12, 20 * 12 - 1 do kind[i * 32] = -20 end  -- but not N
    for at = 12, 18, 3 do
      local change = ffi.new("float[?]", n)
      for t = 0, n - 1 do change[t] = t == at and 3 or -3 end
      local decoder = decode.new { step = 1, penalty = 4 }
      decoder:push(root, kind, bass, n, change)
      local segments = decoder:finish(n)
      assert.are.equal(2, #segments)
      assert.is_true(math.abs(segments[2].start - (at - 0.5)) <= 0.5)
    end
  end)

  it("finds the chords, their bass and the boundaries", function()
    local decoder = push(decode.new { step = 0.1 }, 90, function(t)
      if t < 30 then return 1, 0, 0, 0.9 end                    -- C:maj
      if t < 60 then return 13, 9, 0, 0.9 end                   -- A:min7/b3
      return 0, 0, 0, 0.9                                       -- N
    end)
    local got = decoder:finish(9.5)
    assert.equal(3, #got)
    assert.same({ "C:maj", "A:min7/b3", "N" }, { got[1].label, got[2].label, got[3].label })
    assert.equal(0, got[1].start)
    assert.near(2.95, got[1].stop, 1e-6)
    assert.equal(got[1].stop, got[2].start)
    assert.near(5.95, got[2].stop, 0.02)
    assert.equal(9.5, got[3].stop)
  end)

  it("puts a boundary where the scores cross", function()
    local decoder = push(decode.new { step = 1, penalty = 1 }, 3, function(t)
      if t == 0 then return 1, 0, 0, 0.9 end
      return 2, 0, 0, t == 1 and 0.3 or 0.9
    end)
    local got = decoder:finish()
    local lead = math.log(0.9 + 0.1 / 32) - math.log(0.1 / 32)
    local gain = math.log(0.3 + 0.7 / 32) - math.log(0.7 / 32)
    assert.near(lead / (lead + gain), got[1].stop, 1e-6)
    assert.equal(2.5, got[2].stop)
  end)

  it("prefers the types that have a bonus", function()
    local function label(bonus)
      local decoder = decode.new { step = 0.1, bonus = bonus }
      local root, kind, bass = frames(20, function() return 6, 0, 0, 0.5 end)                    -- C:sus4
      for i = 0, 20 * 12 - 1 do kind[i * 32 + 1] = kind[i * 32 + 6] - 0.2 end                    -- or C:maj
      decoder:push(root, kind, bass, 20)
      return decoder:finish()[1].label
    end
    assert.equal("C:sus4", label(nil))
    assert.equal("C:maj", label { 0.3 })
    assert.equal("N", label { [0] = 9 })
  end)

  it("ignores what is shorter than the penalty allows", function()
    local function count(penalty)
      local decoder = decode.new { step = 0.1, penalty = penalty }
      return #push(decoder, 40, function(t) return 1, t == 20 and 7 or 0, 0, 0.7 end):finish()
    end
    assert.equal(1, count(6))
    assert.equal(3, count(0.5))
  end)

  it("agrees with a plain search, pushed at once or frame by frame", function()
    for seed = 1, 3 do
      local n = 40
      local root, kind, bass = noisy(n, seed)
      local path = viterbi(root, kind, n, 2)
      local whole, pieces = decode.new { step = 1, penalty = 2 }, decode.new { step = 1, penalty = 2 }
      whole:push(root, kind, bass, n)
      for t = 0, n - 1 do pieces:push(root + t * 12, kind + t * 384, bass + t * 144, 1) end
      local got = whole:finish()
      assert.same(got, pieces:finish())
      local i = 1
      for t = 0, n - 1 do
        while t > got[i].stop do i = i + 1 end
        local s = path[t]
        local wanted = s == 0 and "N" or chord.label((s - 1) % 31 + 1, math.floor((s - 1) / 31))
        assert.equal(wanted, (got[i].label:gsub("/.*", "")))
      end
    end
  end)

  it("settles long songs piece by piece with the same result", function()
    local n = 2000
    local function at(t) return 1 + math.floor(t / 25) % 7, math.floor(t / 25) % 12, 0, 0.6 end
    local root, kind, bass = frames(n, at)
    local long, short = decode.new { step = 0.1, lag = 4096 }, decode.new { step = 0.1, lag = 64 }
    long:push(root, kind, bass, n)
    short:push(root, kind, bass, n)
    local wanted = long:finish()
    assert.equal(80, #wanted)
    assert.same(wanted, short:finish())
    local seen = {}
    local emitting = decode.new { step = 0.1, lag = 64, emit = function(s) seen[#seen + 1] = s end }
    emitting:push(root, kind, bass, n)
    assert.is_true(#seen > 70)
    assert.same({}, emitting:finish())
    assert.same(wanted, seen)
  end)

  it("gives nothing for no frames", function()
    assert.same({}, decode.new({ step = 1 }):finish())
  end)
end)
