--- Following a history: each trial that has finished is read once, however long the history is, for
-- finished records never change.
local Follow = {}
Follow.__index = Follow

local follow = {}

--- Calls f(record) once for each trial that has finished (done, pruned or failed), in the order in which
-- they are seen to; `fresh()` is called before the first, and again when another history is shown.
function follow.new(fresh, f)
  return setmetatable({ fresh = fresh, f = f, scanned = 0, open = {} }, Follow)
end

--- Whether a record will change no more.
function follow.is_finished(record)
  return record.state ~= "running" and record.state ~= "waiting"
end

-- Whether the history is the one seen before, only further on: the last that was read is where it was.
local function goes_on(self, trials)
  return self.begun and #trials >= self.scanned and (not self.last or trials[self.last_at] == self.last)
end

--- Reads what is new. Returns the positions in history.trials of the trials that have not finished.
function Follow:update(history)
  local trials = history.trials
  if not goes_on(self, trials) then
    self.begun, self.scanned, self.open, self.last = true, 0, {}, nil
    self.fresh()
  end
  local open = {}
  local function look(i)
    local record = trials[i]
    if follow.is_finished(record) then
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
