-- From notes to what the frame-wise heads learn, and back: the rolls of Onsets & Frames (Hawthorne et al. 2018)
-- with onsets and offsets as small triangles around their exact times, so that these can be read off between
-- the rows (Kong et al. 2021).

local notes = require "transcription_notes"
local floor, ceil, max, min, abs = math.floor, math.ceil, math.max, math.min, math.abs

local targets = {}

-- Half the width of a triangle in rows.
local REACH = 2.5

local function peak(data, n, key, at)
  for i = max(0, ceil(at - REACH)), min(n - 1, floor(at + REACH)) do
    local index = i * notes.keys + key
    local value = 1 - abs(i - at) / REACH
    if value > data[index] then data[index] = value end
  end
end

--- Rolls of `n` rows from row `first` on: onset, frame, offset, velocity (0 to 1 where the onset's triangle
-- is), each f32 (n, 88).
-- @param list notes, by start
-- @param row_seconds from row to row
function targets.rolls(list, first, n, row_seconds)
  local onset, frame = lt.zeros(n, notes.keys), lt.zeros(n, notes.keys)
  local offset, velocity = lt.zeros(n, notes.keys), lt.zeros(n, notes.keys)
  local on, held, off, loud = onset:data(), frame:data(), offset:data(), velocity:data()
  for _, note in ipairs(list) do
    local from, to = note.start / row_seconds - first, note.stop / row_seconds - first
    if from > n + REACH then break end
    if to > -REACH then
      local key = note.pitch - notes.lowest
      for i = max(0, ceil(from)), min(n - 1, ceil(to) - 1) do held[i * notes.keys + key] = 1 end
      for i = max(0, ceil(from - REACH)), min(n - 1, floor(from + REACH)) do
        loud[i * notes.keys + key] = note.velocity / 127
      end
      peak(on, n, key, from)
      peak(off, n, key, to)
    end
  end
  return onset, frame, offset, velocity
end

-- ---- back to notes --------------------------------------------------------------------------------

local Decoder = {}
Decoder.__index = Decoder

-- Rows on both sides that tell a peak; as many again are kept of what came before.
local MARGIN = 2

--- A decoder of probabilities that come in blocks. options: {row_seconds, onset_threshold = 0.4,
-- frame_threshold = 0.3, offset_threshold = 0.3}.
function targets.decoder(options)
  local o = { row_seconds = options.row_seconds, onset = options.onset_threshold or 0.4,
    frame = options.frame_threshold or 0.3, offset = options.offset_threshold or 0.3 }
  local tail = {}
  for i = 1, 4 do tail[i] = lt.keep(lt.zeros(2 * MARGIN, notes.keys)) end
  return setmetatable({ options = o, active = {}, found = {}, row = 0, tail = tail }, Decoder)
end

-- Where the triangle around row i peaks, in rows relative to i (Kong et al. 2021, equation 6).
local function refine(data, at)
  local before, here, after = data[at - notes.keys], data[at], data[at + notes.keys]
  local low = min(before, after)
  if here <= low then return 0 end
  return max(-0.5, min(0.5, (after - before) / (here - low) / 2))
end

-- A peak: above the threshold, and falling over two rows on both sides.
local function is_peak(data, at, threshold)
  local keys = notes.keys
  local here = data[at]
  return here >= threshold and here > data[at - keys] and here >= data[at + keys]
    and data[at - keys] >= data[at - 2 * keys] and data[at + keys] >= data[at + 2 * keys]
end

function Decoder:finish_note(key, stop)
  local note = self.active[key]
  local step = self.options.row_seconds
  self.active[key] = nil
  self.found[#self.found + 1] = { pitch = key + notes.lowest, velocity = note.velocity, start = max(0, note.start * step),
    stop = max(note.start + 0.5, stop) * step }
end

-- Row `row` of the recording lies at data + at.
function Decoder:visit(key, at, row, onset, frame, offset, velocity)
  local o, note = self.options, self.active[key]
  if is_peak(onset, at, o.onset) then
    local start = row + refine(onset, at)
    if note then self:finish_note(key, start) end
    local loud = max(1, min(127, floor(velocity[at] * 127 + 0.5)))
    self.active[key] = { start = start, velocity = loud }
  elseif note then
    if is_peak(offset, at, o.offset) and row > note.start + 1 then note.offset = row + refine(offset, at) end
    if frame[at] < o.frame and row > note.start + 1 then
      -- the last offset heard counts unless it lies far back: then it was none
      local stop = row - 0.5
      if note.offset and note.offset - note.start > row - note.offset then stop = note.offset end
      self:finish_note(key, stop)
    end
  end
end

--- Takes the next rows: probabilities onset, frame, offset and velocities, f32 (n, 88).
function Decoder:push(onset, frame, offset, velocity)
  local n, keys, pointers, blocks = onset:size(1), notes.keys, {}, {}
  for i, x in ipairs { onset, frame, offset, velocity } do
    blocks[i] = lt.cat({ self.tail[i], x }, 1)
    pointers[i] = blocks[i]:data()
  end
  local on, held, off, loud = unpack(pointers)
  for i = MARGIN, n + MARGIN - 1 do
    for key = 0, keys - 1 do
      self:visit(key, i * keys + key, self.row + i - 2 * MARGIN, on, held, off, loud)
    end
  end
  for i, block in ipairs(blocks) do
    self.tail[i]:release()
    self.tail[i] = lt.keep(block:narrow(1, n + 1, 2 * MARGIN):clone())
  end
  self.row = self.row + n
end

--- The notes, by start; those that still sound end with the last row.
function Decoder:finish()
  local rows = self.row
  local last, none = self.tail[2]:narrow(1, 2 * MARGIN, 1), lt.zeros(MARGIN, notes.keys)
  self:push(none, lt.cat({ last, last }, 1), none, none)
  for key = 0, notes.keys - 1 do
    if self.active[key] then self:finish_note(key, rows) end
  end
  for _, x in ipairs(self.tail) do x:release() end
  return notes.sort(self.found)
end

return targets
