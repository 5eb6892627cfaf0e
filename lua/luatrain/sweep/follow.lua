--- Following a history: each trial that is done or pruned is read once, however long the history is, for
-- such records never change. (A trial that failed may be tried again under its number.)
local Follow = {}
Follow.__index = Follow

local follow = {}

--- Calls f(record) once for each trial that is done or pruned, in the order in which they are seen to be;
-- `fresh()` is called before the first, and again when another history is shown.
function follow.new(fresh, f)
  return setmetatable({ fresh = fresh, f = f, scanned = 0, open = {} }, Follow)
end

-- Whether two records tell of the same finished trial; a study may read a record anew from its storage.
local function is_same(a, b)
  if a == b then return true end
  if not a or a.number ~= b.number or a.state ~= b.state then return false end
  if (a.values or {})[1] ~= (b.values or {})[1] then return false end
  for name, value in pairs(a.params) do
    if b.params[name] ~= value then return false end
  end
  return true
end

-- Whether the history is the one seen before, only further on: the last that was read is where it was.
local function goes_on(self, trials)
  if not self.begun or #trials < self.scanned then return false end
  return not self.last or is_same(trials[self.last_at], self.last)
end

--- Reads what is new. Returns the positions in history.trials of all others: waiting, running, failed.
function Follow:update(history)
  local trials = history.trials
  if not goes_on(self, trials) then
    self.begun, self.scanned, self.open, self.last = true, 0, {}, nil
    self.fresh()
  end
  local open = {}
  local function look(i)
    local record = trials[i]
    if record.state == "done" or record.state == "pruned" then
      self.last, self.last_at = record, i
      self.f(record)
    else
      open[#open + 1] = i
    end
  end
  for _, i in ipairs(self.open) do look(i) end
  for i = self.scanned + 1, #trials do look(i) end
  self.open, self.scanned = open, #trials
  return open
end

return follow
