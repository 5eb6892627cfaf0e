-- The frame-wise model: levels of log-frequency bands in; onset, frame, offset and velocity of the 88 keys at
-- every row out. Every key is treated alike, from its own harmonics, so that what is learnt of one serves all
-- (as in HPPNet, Wei et al. 2022).
--
--     x        (N, T, bands * 2)      u8 levels: two windows for each band, transcription_bands
--     front    (N, C1, T, semitones)  convolutions; the second one's step makes semitones of the bands
--     harmonic (N, C2, T, 88)         each key sees the semitones where its harmonics lie
--     conv     (N, C2, T, 88)         neighbours in time and pitch
--     others   (N, C2, T, 88)         each key sees what was found at keys that share harmonics with it
--     conv     (N, C2, T, 88)
--     sequence (T, N * 88, 2 H)       a GRU over each key's time
--     heads    (N, T, 88, 4)          log-odds of onset, frame, offset; velocity

local bands = require "transcription_bands"
local notes = require "transcription_notes"
local nn = lt.nn

local FramesModel = nn.class "FramesModel"
FramesModel.fields = { "input_norm", "front1", "norm1", "front2", "norm2", "harmonic", "norm3", "key_bias",
  "conv1", "norm4", "narrow", "norm5", "others", "norm6", "conv2", "norm7", "sequence",
  "from_conv", "from_sequence" }

-- Semitones from a key to its harmonics 1 to 8, and to the octave below.
local HARMONICS = { -12, 0, 12, 19, 24, 28, 31, 34, 36 }
-- To keys whose harmonics are among its own, or its own among theirs.
local RELATED = { -24, -19, -12, 0, 12, 19, 24 }

-- The rows that each key sees of `rows`: i64 (88, #shifts).
local function places(shifts, rows)
  local list = {}
  for key = 0, notes.keys - 1 do
    list[key + 1] = {}
    for i, by in ipairs(shifts) do
      local row = key + by
      list[key + 1][i] = row >= 0 and row < rows and row or rows
    end
  end
  return lt.tensor(list, "i64")
end

--- m: {front = {16, 24}, channels = 48, narrow = 16, hidden = 32, dropout = 0.1}.
function FramesModel:init(m)
  local c1, c2, wide = m.front[1], m.front[2], m.channels
  local function conv(from, to, kernel, options)
    options = options or {}
    options.padding, options.bias = { (kernel[1] - 1) / 2, options.padding or (kernel[2] - 1) / 2 }, false
    return nn.Conv2d(from, to, kernel, options)
  end
  self.input_norm = nn.BatchNorm2d(2)
  self.front1, self.norm1 = conv(2, c1, { 3, 5 }), nn.BatchNorm2d(c1)
  self.front2 = conv(c1, c2, { 3, 3 }, { stride = { 1, bands.per_semitone }, padding = 0 })
  self.norm2 = nn.BatchNorm2d(c2)
  self.harmonic, self.norm3 = conv(c2 * #HARMONICS, wide, { 1, 1 }), nn.BatchNorm2d(wide)
  self.key_bias = nn.Parameter(lt.zeros(1, wide, 1, notes.keys))
  self.conv1, self.norm4 = conv(wide, wide, { 3, 3 }), nn.BatchNorm2d(wide)
  self.narrow, self.norm5 = conv(wide, m.narrow, { 1, 1 }), nn.BatchNorm2d(m.narrow)
  self.others, self.norm6 = conv(m.narrow * #RELATED, wide, { 1, 1 }), nn.BatchNorm2d(wide)
  self.conv2, self.norm7 = conv(wide, wide, { 3, 3 }), nn.BatchNorm2d(wide)
  self.dropout = nn.Dropout(m.dropout)
  self.sequence = nn.GRU(wide, m.hidden, { bidirectional = true })
  self.from_conv, self.from_sequence = nn.Linear(wide, 4, { bias = false }), nn.Linear(2 * m.hidden, 4)
  self._harmonics, self._related = places(HARMONICS, bands.semitones), places(RELATED, notes.keys)
  lt.no_grad(function() self.from_sequence.bias:copy_(lt.tensor { -4, -2, -4, 0 }) end)
end

-- (N, C, T, F) -> (N, #shifts * C, T, 88): each key's rows at the places of `index`; row F is 0.
local function gather(x, index)
  x = x:permute(1, 3, 4, 2):pad { 0, 0, 0, 1 }
  return x:index_select(3, index):flatten(4):permute(1, 4, 2, 3)
end

--- Log-odds of onset, frame and offset, and velocity before the sigmoid: (N, T, 88, 4).
-- @param x (N, T, bands * 2): levels from 0 to 255, u8 or f32
function FramesModel:forward(x)
  local N, T = x:size(1), x:size(2)
  x = (x:to "f32" * (1 / 64)):reshape(N, T, bands.count, 2):permute(1, 4, 2, 3)
  x = self.input_norm(x)
  x = self.norm1(self.front1(x), true)
  x = self.norm2(self.front2(x), true)
  x = (self.norm3(self.harmonic(gather(x, self._harmonics))) + self.key_bias):relu()
  x = self.norm4(self.conv1(x), true, x)
  local found = self.norm5(self.narrow(x), true)
  x = self.norm6(self.others(gather(found, self._related)), true, x)
  x = self.norm7(self.conv2(x), true, x)
  x = self.dropout(x:permute(3, 1, 4, 2):reshape(T, N * notes.keys, x:size(2)))
  local y = self.from_sequence((self.sequence(x))) + self.from_conv(x)
  return y:reshape(T, N, notes.keys, 4):transpose(1, 2)
end

return FramesModel
