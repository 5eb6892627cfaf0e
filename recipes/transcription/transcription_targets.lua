-- From notes to what the frame-wise heads learn, and back: the rolls of Onsets & Frames (Hawthorne et al.
-- 2018)
-- with onsets and offsets as small triangles around their exact times, so that these can be read off between
-- the rows (Kong et al. 2021).

local notes = require "transcription_notes"
local floor, ceil, max, min, abs = math.floor, math.ceil, math.max, math.min, math.abs

local targets = {}

-- Half the width of a triangle in rows.
local REACH = 2.5
-- Channels of a cell, and numbers in a row.
local ONSET, FRAME, OFFSET, VELOCITY = 0, 1, 2, 3
local ROW = 4 * notes.keys

-- A triangle of height 1 around row `at` of a channel.
local function peak(data, n, cell, at)
  for i = max(0, ceil(at - REACH)), min(n - 1, floor(at + REACH)) do
    local value = 1 - abs(i - at) / REACH
    if value > data[i * ROW + cell] then data[i * ROW + cell] = value end
  end
end

--- Rolls of `n` rows from row `first` on, f32 (n, 88, 4): onset, frame, offset, velocity (0 to 1 where the
-- onset's triangle is).
-- @param list notes, by start
-- @param row_seconds from row to row
function targets.rolls(list, first, n, row_seconds)
  local rolls = lt.zeros(n, notes.keys, 4)
  local data = rolls:data()
  for _, note in ipairs(list) do
    local from, to = note.start / row_seconds - first, note.stop / row_seconds - first
    if from > n + REACH then break end
    if to > -REACH then
      local cell = 4 * (note.pitch - notes.lowest)
      for i = max(0, ceil(from)), min(n - 1, ceil(to) - 1) do data[i * ROW + cell + FRAME] = 1 end
      for i = max(0, ceil(from - REACH)), min(n - 1, floor(from + REACH)) do
        data[i * ROW + cell + VELOCITY] = note.velocity / 127
      end
      peak(data, n, cell + ONSET, from)
      peak(data, n, cell + OFFSET, to)
    end
  end
  return rolls
end

-- ---- back to notes --------------------------------------------------------------------------------

local Decoder = {}
Decoder.__index = Decoder

-- Rows on both sides that tell a peak; as many again are kept of what came before.
local MARGIN = 2

--- A decoder of probabilities that come in blocks.
-- @param c settings: {onset_threshold = 0.4, frame_threshold = 0.3, offset_threshold = 0.3}
function targets.decoder(row_seconds, c)
  local o = { row_seconds = row_seconds, onset = c.onset_threshold or 0.4,
    frame = c.frame_threshold or 0.3, offset = c.offset_threshold or 0.3 }
  local tail = lt.keep(lt.zeros(2 * MARGIN, notes.keys, 4))
  return setmetatable({ options = o, active = {}, found = {}, row = 0, tail = tail }, Decoder)
end

-- Where the triangle around row i peaks, in rows relative to i (Kong et al. 2021, equation 6).
local function refine(data, at)
  local before, here, after = data[at - ROW], data[at], data[at + ROW]
  local low = min(before, after)
  if here <= low then return 0 end
  return max(-0.5, min(0.5, (after - before) / (here - low) / 2))
end

-- A peak: above the threshold, and falling over two rows on both sides.
local function is_peak(data, at, threshold)
  local here = data[at]
  return here >= threshold and here > data[at - ROW] and here >= data[at + ROW]
    and data[at - ROW] >= data[at - 2 * ROW] and data[at + ROW] >= data[at + 2 * ROW]
end

function Decoder:finish_note(key, stop)
  local note, step = self.active[key], self.options.row_seconds
  self.active[key] = nil
  self.found[#self.found + 1] = { pitch = key + notes.lowest, velocity = note.velocity,
    start = max(0, note.start * step), stop = max(note.start + 0.5, stop) * step }
end

-- Row `row` of the recording; the key's cell lies at data + at.
function Decoder:visit(key, row, data, at)
  local o, note = self.options, self.active[key]
  if is_peak(data, at + ONSET, o.onset) then
    local start = row + refine(data, at + ONSET)
    if note then self:finish_note(key, start) end
    local loud = max(1, min(127, floor(data[at + VELOCITY] * 127 + 0.5)))
    self.active[key] = { start = start, velocity = loud }
  elseif note and row > note.start + 1 then
    if is_peak(data, at + OFFSET, o.offset) then note.offset = row + refine(data, at + OFFSET) end
    if data[at + FRAME] < o.frame then
      -- the last offset heard counts unless it lies far back: then it was none
      local stop = row - 0.5
      if note.offset and note.offset - note.start > row - note.offset then stop = note.offset end
      self:finish_note(key, stop)
    end
  end
end

--- Takes the next rows: probabilities of onset, frame and offset, and velocities, f32 (n, 88, 4).
function Decoder:push(x)
  local n, block = x:size(1), lt.cat({ self.tail, x }, 1)
  local data = block:data()
  for i = MARGIN, n + MARGIN - 1 do
    for key = 0, notes.keys - 1 do
      self:visit(key, self.row + i - 2 * MARGIN, data, i * ROW + 4 * key)
    end
  end
  self.tail:release()
  self.tail = lt.keep(block:narrow(1, n + 1, 2 * MARGIN):clone())
  self.row = self.row + n
end

--- The notes, by start; those that still sound end with the last row.
function Decoder:finish()
  local rows, after = self.row, lt.zeros(MARGIN, notes.keys, 4)
  local last = self.tail:narrow(1, 2 * MARGIN, 1)
  for i = 1, MARGIN do after:narrow(1, i, 1):select(3, FRAME + 1):copy_(last:select(3, FRAME + 1)) end
  self:push(after)
  for key = 0, notes.keys - 1 do
    if self.active[key] then self:finish_note(key, rows) end
  end
  self.tail:release()
  return notes.sort(self.found)
end

return targets
