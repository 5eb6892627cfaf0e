--- From frames to chord segments: the most likely sequence of chords, in constant memory at any length.
--
--     local decoder = require("luatrain.music.chord_decode").new { step = 0.186 }
--     decoder:push(root, kind, bass, n)            -- log-probabilities of n more frames, as often as needed
--     local segments = decoder:finish(seconds)     -- { {start =, stop =, label =}, ... } up to `seconds`
--
-- A state is a pair (root, type), or N. A frame's score of a pair is log p(root) + log p(type | root), of
-- N the logarithm of the sum over all roots of p(root) p(N | root). Staying costs nothing, any change
-- costs `penalty`, less the log-odds of a change at that frame where the model tells them (chords change
-- on beats, and a model hears those): the best path is Viterbi's, found in one pass with the predecessors
-- of the last `lag` frames; when these are full, the older half of the best path so far is settled. The
-- bass of a segment is the tone of its chord with the highest sum of log p(bass | root). A boundary lies
-- where, between two frames, the scores of the two chords, taken as straight lines, cross.

local ffi = require "ffi"
local bit = require "bit"
local chord = require "luatrain.music.chord"

local decode = {}
local Decoder = {}
Decoder.__index = Decoder

local TYPES, ROOTS = 32, 12
local STATES = 1 + (TYPES - 1) * ROOTS

local KIND_WIDTH, BASS_WIDTH = ROOTS * TYPES, ROOTS * ROOTS

--- A decoder. Options: `step`, seconds between frames (needed); `first`, the time of the first frame (0);
-- `penalty`, what a change costs in natural log units (6); `lag`, frames held back before they are settled
-- (512); `root_bonus`, log-probability added for the root as the bass, per segment (0.5); `bonus`, a table
-- from types (0 to 31) to what is added to their score in every frame ({}); `emit`, a function called with
-- each segment as it is settled instead of collecting them.
function decode.new(options)
  if type(options) ~= "table" or not options.step then
    error("chord_decode.new: {step = seconds between frames} is needed", 2)
  end
  local lag = options.lag or 512
  local bonus = ffi.new("double[?]", TYPES)
  for kind, value in pairs(options.bonus or {}) do bonus[kind] = value end
  return setmetatable({
    bonus = bonus, step = options.step, first = options.first or 0, penalty = options.penalty or 6, lag = lag,
    root_bonus = options.root_bonus or 0.5, emit = options.emit, segments = {},
    count = 0, settled = 0,                                   -- frames held, frames settled before them
    score = ffi.new("double[?]", STATES),
    back = ffi.new("int16_t[?]", lag * STATES),               -- (lag, STATES): the state one frame before
    rows = ffi.new("float[?]", lag * STATES),                 -- (lag, STATES): scores of the states
    basses = ffi.new("float[?]", lag * BASS_WIDTH),           -- (lag, 12, 12): log p(bass | root)
    path = ffi.new("int16_t[?]", lag),
    last = ffi.new("float[?]", STATES),                       -- scores of the last settled frame
    bass = ffi.new("double[?]", ROOTS),                       -- sums over the open segment
  }, Decoder)
end

-- Scores of the states from one frame's log-probabilities; state 1 + root * 31 + (type - 1).
local function fill(row, root, kind, bonus)
  local none = 0
  for r = 0, ROOTS - 1 do
    local p, types = root[r], kind + r * TYPES
    none = none + math.exp(p + types[0])
    local states = row + 1 + r * (TYPES - 1)
    for k = 1, TYPES - 1 do states[k - 1] = p + types[k] + bonus[k] end
  end
  row[0] = math.log(none + 1e-30) + bonus[0]
end

local function best_state(score)
  local best = 0
  for s = 1, STATES - 1 do
    if score[s] > score[best] then best = s end
  end
  return best
end

-- One frame of Viterbi's recursion; `back` is the row of predecessors, nil for the first frame of all.
local function advance(score, row, back, penalty)
  local best = back and best_state(score)
  local switched = back and score[best] - penalty
  for s = 0, STATES - 1 do
    local stay = score[s]
    if back then
      if stay >= switched then
        back[s] = s
      else
        back[s], stay = best, switched
      end
    else
      stay = 0
    end
    score[s] = stay + row[s]
  end
  if not back then return end
  local top = score[best_state(score)]                         -- keeps the sums small in songs of any length
  for s = 0, STATES - 1 do score[s] = score[s] - top end
end

local function name(self, state)
  if state == 0 then return "N" end
  local root = math.floor((state - 1) / (TYPES - 1))
  local kind = (state - 1) % (TYPES - 1) + 1
  local tones, best, most = chord.type_tones(kind), 0, -math.huge
  for above = 0, ROOTS - 1 do
    if bit.band(bit.rshift(tones, above), 1) == 1 then
      local sum = self.bass[(root + above) % ROOTS] + (above == 0 and self.root_bonus or 0)
      if sum > most then best, most = above, sum end
    end
  end
  return chord.label(kind, root, (root + best) % ROOTS)
end

local function close_segment(self, stop)
  local segment = { start = self.start, stop = stop, label = name(self, self.state) }
  if segment.stop > segment.start then
    if self.emit then self.emit(segment) else self.segments[#self.segments + 1] = segment end
  end
  self.start = stop
  ffi.fill(self.bass, ffi.sizeof(self.bass))
end

-- Where between two neighbouring frames the score of `new` overtakes that of `old`, 0 to 1 after the first.
local function crossing(before, after, old, new)
  local lead, gain = before[old] - before[new], after[new] - after[old]
  if lead <= 0 or gain <= 0 then return 0.5 end
  return lead / (lead + gain)
end

-- Settles the first n of the frames held.
local function settle(self, n)
  local state = best_state(self.score)
  for t = self.count - 1, 0, -1 do
    self.path[t] = state
    if t > 0 then state = self.back[t * STATES + state] end
  end
  for t = 0, n - 1 do
    local row, now = self.rows + t * STATES, self.path[t]
    if self.state == nil then
      self.state, self.start = now, 0
    elseif now ~= self.state then
      local before = t > 0 and row - STATES or self.last
      local at = self.settled + t - 1 + crossing(before, row, self.state, now)
      close_segment(self, self.first + at * self.step)
      self.state = now
    end
    if now > 0 then
      local bass = self.basses + t * BASS_WIDTH + math.floor((now - 1) / (TYPES - 1)) * ROOTS
      for b = 0, ROOTS - 1 do self.bass[b] = self.bass[b] + bass[b] end
    end
  end
  ffi.copy(self.last, self.rows + (n - 1) * STATES, STATES * 4)
  self.count, self.settled = self.count - n, self.settled + n          -- n is at least half: no overlap
  ffi.copy(self.rows, self.rows + n * STATES, self.count * STATES * 4)
  ffi.copy(self.basses, self.basses + n * BASS_WIDTH, self.count * BASS_WIDTH * 4)
  ffi.copy(self.back, self.back + n * STATES, self.count * STATES * 2)
end

--- Adds n frames: pointers to (n, 12), (n, 12, 32) and (n, 12, 12) contiguous floats, the
-- log-probabilities of the roots, of the types given each root and of the basses given each root. Heads
-- that were judged apart are the same for every root. `change`, if given, points to (n) log-odds that a
-- chord begins between the frame before and this one.
function Decoder:push(root, kind, bass, n, change)
  for t = 0, n - 1 do
    if self.count == self.lag then settle(self, self.lag - math.floor(self.lag / 2)) end
    local row = self.rows + self.count * STATES
    fill(row, root + t * ROOTS, kind + t * KIND_WIDTH, self.bonus)
    ffi.copy(self.basses + self.count * BASS_WIDTH, bass + t * BASS_WIDTH, BASS_WIDTH * 4)
    local first = self.count == 0 and self.settled == 0
    local cost = change and math.max(0, self.penalty - change[t]) or self.penalty
    advance(self.score, row, not first and self.back + self.count * STATES or nil, cost)
    self.count = self.count + 1
  end
end

--- Settles what is left; returns the segments (an empty list where `emit` took them). `seconds`, the
-- length of the recording, ends the last segment; without it, it ends half a step after the last frame.
function Decoder:finish(seconds)
  if self.count > 0 then settle(self, self.count) end
  if self.state then
    close_segment(self, math.max(self.start, seconds or self.first + (self.settled - 0.5) * self.step))
    self.state = nil
  end
  return self.segments
end

return decode
