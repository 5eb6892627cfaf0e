-- A pointer into the window (Vinyals et al. 2015), which says when something happens next. To the score of
-- each time is added how well what is heard then fits what the decoder looks for, and a number for how far
-- ahead it is: what happens next is mostly the next that is heard.

local nn = lt.nn

local Pointer = nn.class "TranscriptionPointer"
Pointer.fields = { "moment", "ahead" }

--- Width of what the decoder looks for.
Pointer.width = 64

-- The numbers begin with -4 for a time that is over, and fall with the distance.
local function ahead(steps)
  local x = lt.empty(steps + 1, 1)
  local values = x:data()
  values[0] = -4
  for distance = 0, steps - 1 do values[distance + 1] = -0.05 * distance end
  return nn.Parameter(x)
end

-- (moments, steps) i64: which of these numbers each time has at each moment.
local function distances(moments, steps)
  local x = lt.zeros({ moments, steps }, "i64")
  local values = x:data()
  for m = 0, moments - 1 do
    for t = m, steps - 1 do values[m * steps + t] = t - m + 1 end
  end
  return x
end

--- codec: of transcription_tokens.lua, with steps; ear: of transcription_ears.lua; moments: their number.
function Pointer:init(codec, ear, moments)
  self._steps, self._before = codec.steps, codec.first_time
  self._after = codec.vocabulary - codec.first_time - codec.steps
  self.moment = nn.Linear(ear.width, self.width, { bias = false })
  nn.init.normal_(self.moment.weight, 0, ear.spread)
  self.ahead = ahead(codec.steps)
  self._distances = distances(moments, codec.steps)
end

--- What it knows of what is heard (B, moments, E): {keys (B, width, vocabulary): what each time has, ahead
-- (moments, vocabulary): the number of each time at each moment}; 0 for tokens that are no times.
function Pointer:look(heard)
  local keys = self.moment(heard:narrow(2, 1, self._steps)) * self.width ^ -0.5
  local around = { self._before, self._after }
  return { keys = lt.pad(keys:transpose(2, 3), around),
    ahead = lt.pad(lt.embedding(self._distances, self.ahead):flatten(2), around) }
end

--- Scores (B, T, vocabulary) from what the decoder says (B, T, vocabulary + width).
-- @param seen what look found
-- @param moments (B * T) i64, which each token speaks of
-- @param rows (B) i64, from 0: whose keys these are; nil: in their order
function Pointer:forward(said, seen, moments, rows)
  local B, T, n = said:size(1), said:size(2), said:size(3) - self.width
  local keys = rows and seen.keys:index_select(1, rows) or seen.keys
  return said:narrow(3, 1, n) + lt.matmul(said:narrow(3, n + 1, self.width), keys)
    + lt.embedding(moments, seen.ahead):reshape(B, T, n)
end

return Pointer
