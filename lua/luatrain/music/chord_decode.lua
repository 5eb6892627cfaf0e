--- From frames to chord segments: the most likely sequence of chords, in constant memory whatever the
-- length.
--
--     local decoder = require("luatrain.music.chord_decode").new { step = 0.093 }
--     decoder:push(kind, root, bass, n)            -- log-probabilities of n more frames, as often as needed
--     local segments = decoder:finish(seconds)     -- { {start =, stop =, label =}, ... } up to `seconds`
--
-- A state is a pair (type, root), or N. A frame's score of a state is log p(type) + log p(root), of N log
-- p(type N) - log 12 (as if every root were as likely). Staying costs nothing, any change costs
-- `penalty`: the best path is Viterbi's, found in one pass with the predecessors of the last `lag`
-- frames; when these are full, the older half of the best path so far is settled. The bass of a segment
-- is the tone of its chord with the highest sum of log p(bass). A boundary between two frames lies where
-- their scores, taken as straight lines, cross.

local ffi = require "ffi"
local bit = require "bit"
local chord = require "luatrain.music.chord"

local decode = {}
local Decoder = {}
Decoder.__index = Decoder

local TYPES, ROOTS = 32, 12
local STATES = 1 + (TYPES - 1) * ROOTS
local LOG_ROOTS = math.log(ROOTS)

--- A decoder. Options: `step`, seconds between frames (needed); `penalty`, what a change costs in natural
-- log units (6); `lag`, frames held back before they are settled (512); `root_bonus`, log-probability
-- added for the root as the bass, per segment (0.5); `emit`, a function called with each segment as it is
-- settled instead of collecting them. The first frame is at time 0.
function decode.new(options)
  if type(options) ~= "table" or not options.step then
    error("chord_decode.new: {step = seconds between frames} is needed", 2)
  end
  local lag = options.lag or 512
  local self = setmetatable({
    step = options.step, penalty = options.penalty or 6, lag = lag, root_bonus = options.root_bonus or 0.5,
    emit = options.emit, segments = {},
    count = 0, settled = 0,                                   -- frames held, frames settled before them
    score = ffi.new("double[?]", STATES),
    back = ffi.new("int16_t[?]", lag * STATES),               -- (lag, STATES): the state one frame before
    rows = ffi.new("float[?]", lag * (TYPES + 2 * ROOTS)),    -- (lag, 56): what was pushed
    path = ffi.new("int16_t[?]", lag),
    bass = ffi.new("double[?]", ROOTS),                       -- sums over the open segment
  }, Decoder)
  return self
end

local WIDTH = TYPES + 2 * ROOTS

-- Score of a state in a row of 32 + 12 + 12 log-probabilities.
local function emission(row, state)
  if state == 0 then return row[0] - LOG_ROOTS end
  local kind = math.floor((state - 1) / ROOTS)
  return row[kind + 1] + row[TYPES + state - 1 - kind * ROOTS]
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
    score[s] = stay + emission(row, s)
  end
  if not back then return end
  local top = score[best_state(score)]                         -- keeps the sums small in songs of any length
  for s = 0, STATES - 1 do score[s] = score[s] - top end
end

local function name(self, state)
  if state == 0 then return "N" end
  local kind = math.floor((state - 1) / ROOTS) + 1
  local root = (state - 1) % ROOTS
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
  local lead = emission(before, old) - emission(before, new)
  local gain = emission(after, new) - emission(after, old)
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
    local row, now = self.rows + t * WIDTH, self.path[t]
    if self.state == nil then
      self.state, self.start = now, 0
    elseif now ~= self.state then
      local before = t > 0 and row - WIDTH or self.last
      local at = self.settled + t - 1 + crossing(before, row, self.state, now)
      close_segment(self, at * self.step)
      self.state = now
    end
    for b = 0, ROOTS - 1 do self.bass[b] = self.bass[b] + row[TYPES + ROOTS + b] end
  end
  self.last = self.last or ffi.new("float[?]", WIDTH)
  ffi.copy(self.last, self.rows + (n - 1) * WIDTH, WIDTH * 4)
  self.count, self.settled = self.count - n, self.settled + n
  ffi.copy(self.rows, self.rows + n * WIDTH, self.count * WIDTH * 4)   -- n is at least half: no overlap
  ffi.copy(self.back, self.back + n * STATES, self.count * STATES * 2)
end

--- Adds n frames: pointers to (n, 32), (n, 12) and (n, 12) contiguous floats, the log-probabilities of the
-- types, the roots and the basses.
function Decoder:push(kind, root, bass, n)
  for t = 0, n - 1 do
    if self.count == self.lag then settle(self, self.lag - math.floor(self.lag / 2)) end
    local row = self.rows + self.count * WIDTH
    ffi.copy(row, kind + t * TYPES, TYPES * 4)
    ffi.copy(row + TYPES, root + t * ROOTS, ROOTS * 4)
    ffi.copy(row + TYPES + ROOTS, bass + t * ROOTS, ROOTS * 4)
    local first = self.count == 0 and self.settled == 0
    advance(self.score, row, not first and self.back + self.count * STATES or nil, self.penalty)
    self.count = self.count + 1
  end
end

--- Settles what is left; returns the segments (an empty list where `emit` took them). `seconds`, the
-- length of the recording, ends the last segment; without it, it ends half a step after the last frame.
function Decoder:finish(seconds)
  if self.count > 0 then settle(self, self.count) end
  if self.state then
    close_segment(self, math.max(self.start, seconds or (self.settled - 0.5) * self.step))
    self.state = nil
  end
  return self.segments
end

return decode
