--- What each epoch came to: {train_loss = {...}, val_loss = {...}, ...}, one entry an epoch, and
-- from it the best epoch and when to stop.
local core = require "luatrain.core"
local failure = require "luatrain.failure"
local json = require "luatrain.json"

local History = {}
History.__index = History

--- keep = {best = metric, mode = "min" or "max"}; patience and min_delta as in the settings.
function History.new(keep, patience, min_delta)
  return setmetatable({
    keep = keep, patience = patience or 0, min_delta = min_delta or 0,
    epochs = 0, columns = {}, best = nil, best_epoch = 0, reference = nil, waited = 0,
  }, History)
end

local function is_number(x) return type(x) == "number" and x == x and math.abs(x) ~= math.huge end

-- Improvement of at least delta; the first finite value is one.
local function better(self, value, than, delta)
  if not is_number(value) then return false end
  if than == nil then return true end
  if self.keep.mode == "max" then return value > than + delta end
  return value < than - delta
end

--- Adds an epoch's metrics ({name = number}). Returns whether it is the best so far.
function History:add(row)
  self.epochs = self.epochs + 1
  for name, value in pairs(row) do
    local column = self.columns[name]
    if not column then
      column = {}
      for i = 1, self.epochs - 1 do column[i] = json.null end
      self.columns[name] = column
    end
    column[self.epochs] = is_number(value) and value or json.null
  end
  for _, column in pairs(self.columns) do
    if column[self.epochs] == nil then column[self.epochs] = json.null end
  end
  if not self.columns[self.keep.best] then
    local names = core.sorted_keys(self.columns)
    failure.raise("config", "keep.best is '%s', the metrics of an epoch are %s%s", self.keep.best,
      table.concat(names, ", "), failure.suggest(self.keep.best, names))
  end
  return self:judge(row[self.keep.best])
end

-- The best checkpoint follows every improvement; patience counts those of min_delta or more.
function History:judge(value)
  local is_best = better(self, value, self.best, 0)
  if is_best then self.best, self.best_epoch = value, self.epochs end
  if better(self, value, self.reference, self.min_delta) then
    self.reference, self.waited = value, 0
  else
    self.waited = self.waited + 1
  end
  return is_best
end

--- The best value of the metric that is kept, once `value` is counted in.
function History:best_with(value)
  return better(self, value, self.best, 0) and value or self.best
end

--- True when patience has run out.
function History:is_over() return self.patience > 0 and self.waited >= self.patience end

--- Plain table: a list a metric.
function History:table()
  local out = {}
  for name, column in pairs(self.columns) do out[name] = column end
  return out
end

function History:state_dict()
  return {epochs = self.epochs, best = self.best, best_epoch = self.best_epoch,
    reference = self.reference, waited = self.waited, text = json.encode(self.columns, {pretty = false})}
end

function History:load_state_dict(state)
  self.epochs, self.best, self.best_epoch = state.epochs, state.best, state.best_epoch
  self.reference, self.waited = state.reference, state.waited
  self.columns = json.decode(state.text)
end

return History
