-- The chord model: magnitudes of log-frequency bins in, three classifications of every frame out.
--
--     x      (N, T, bins)       magnitudes of a constant-Q transform
--     front  (N, T, bins)       each clip by its mean, then log(1 + 5 x): the same at any loudness
--     conv   (N, C, T, F)       convolutions with batch norm, every second of which halves the frequency
--     notes  (N, T, pitches)    the notes that sound, learnt from the MIDI files beside the chords, and
--                               handed on to the blocks
--     blocks (N, T, width)      Conformer blocks
--     heads                     root (N, T, 12); knowing it, type (N, T, 32) and bass (N, T, 12);
--                               change (N, T): whether a chord begins between the row before and this one
--
-- The root comes first because type and bass mean little without it: where A:min and C:maj are equally
-- likely, types and roots judged apart would make C:min of them. Training tells the true root; otherwise
-- `forward` takes the likeliest, and `joint` gives type and bass for each of the 12.

local nn = lt.nn

local ChordModel = nn.class "ChordModel"
ChordModel.fields = { "conv", "norm", "project", "notes", "from_notes", "blocks", "root", "hidden",
  "root_embedding", "chord_type", "bass", "change" }

--- bins: of the features. m: {channels = {16, 24, 32}, width = 128, blocks = 2, heads = 4, kernel = 15,
-- dropout = 0.1, hidden = 128}.
function ChordModel:init(bins, m)
  self.conv, self.norm = nn.ModuleList(), nn.ModuleList()
  local inputs, rows = 1, bins
  for i, channels in ipairs(m.channels) do
    local halve, kernel = i % 2 == 1, i == 1 and { 3, 5 } or { 3, 3 }
    self.conv:append(nn.Conv2d(inputs, channels, kernel,
      { stride = { 1, halve and 2 or 1 }, padding = { 1, (kernel[2] - 1) / 2 }, bias = false }))
    self.norm:append(nn.BatchNorm2d(channels))
    inputs, rows = channels, halve and math.ceil(rows / 2) or rows
  end
  self.project = nn.Linear(inputs * rows, m.width)
  self.notes, self.from_notes = nn.Linear(m.width, bins / 2), nn.Linear(bins / 2, m.width)
  self.dropout = nn.Dropout(m.dropout)
  self.blocks = nn.ModuleList()
  for _ = 1, m.blocks do
    self.blocks:append(nn.ConformerBlock(m.width, 4 * m.width, m.heads, m.kernel, { dropout = m.dropout }))
  end
  self.root = nn.Linear(m.width, 12)
  self.hidden = nn.Linear(m.width, m.hidden)
  self.root_embedding = nn.Embedding(12, m.hidden)
  self.chord_type = nn.Linear(m.hidden, 32)
  self.bass = nn.Linear(m.hidden, 12)
  self.change = nn.Linear(m.width, 1)
end

-- (N, T, bins) -> (N, T, width)
function ChordModel:body(x)
  local level = x:mean({ 2, 3 }, true) + 1e-5
  x = (x / level * 5):log1p():unsqueeze(2)                         -- (N, 1, T, bins)
  for i = 1, #self.conv do x = self.norm[i](self.conv[i](x), true) end
  x = x:permute(1, 3, 4, 2):flatten(3)                             -- (N, T, F * C)
  x = self.project(x)
  local notes = self.notes(x)
  x = self.dropout(x + self.from_notes(notes:sigmoid()))
  for i = 1, #self.blocks do x = self.blocks[i](x) end
  return x, notes
end

--- Scores of type (N, T, 32), root (N, T, 12) and bass (N, T, 12); log-odds of a change (N, T) and of
-- the notes that sound (N, T, pitches).
-- @param x (N, T, bins)
-- @param root true roots, i64 (N, T), negative where there is none; nil: the likeliest
-- @param whole one answer for the whole window, as if T were 1
function ChordModel:forward(x, root, whole)
  local notes
  x, notes = self:body(x)
  if whole then x = x:mean(2, true) end
  local scores = self.root(x)
  local likeliest = scores:argmax(-1)
  root = root and lt.where(root:lt(0), likeliest, root) or likeliest
  local hidden = (self.hidden(x) + self.root_embedding(root)):silu()
  return self.chord_type(hidden), scores, self.bass(hidden), self.change(x):squeeze(3), notes
end

--- Log-probabilities: root (N, T, 12), type given each root (N, T, 12, 32), bass given each root
-- (N, T, 12, 12); log-odds of a change (N, T).
function ChordModel:joint(x)
  x = self:body(x)
  local hidden = (self.hidden(x):unsqueeze(3) + self.root_embedding.weight):silu()
  return self.root(x):log_softmax(-1), self.chord_type(hidden):log_softmax(-1),
    self.bass(hidden):log_softmax(-1), self.change(x):squeeze(3)
end

return ChordModel
