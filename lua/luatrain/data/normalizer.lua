--- Features brought to a common scale: lt.data.normalizer("standard") to mean 0 and standard deviation 1,
-- lt.data.normalizer("minmax") into a range. Fitted on the training split alone, kept with the model.
--
--   local n = lt.data.normalizer "standard"
--   n:fit(train, "x")                         -- or n:fit(x), n:update(x)
--   local set = train:map(function(s) s.x = n:transform(s.x) return s end)
--   n:save "normalizer.safetensors"           -- n = lt.data.normalizer.load(path)
--   facts.normalizer = n:state()              -- JSON; n = lt.data.normalizer.from(facts.normalizer)
--   lt.export.rtneural(model, path, { normalizer = n })
--
-- Numbers are those of scikit-learn's StandardScaler and MinMaxScaler in doubles (1.9; constant features are
-- divided by 1), by Welford's algorithm (1962), so that a pass over a data set is enough.
local core = require "luatrain.core"
local ffi = require "ffi"
local options = require "luatrain.options"
local safetensors = require "luatrain.safetensors"
local scope = require "luatrain.scope"
local Tensor = require "luatrain.tensor"

--- What lt.data.normalizer(kind, o) makes; it has seen nothing yet. kind: "standard" (default) or "minmax".
-- o: range ({0, 1}, of "minmax"), dim (-1: the dimension of the features; all others are samples).
local Normalizer = { __name = "normalizer" }
Normalizer.__index = Normalizer

local normalizer = {}
normalizer.Normalizer = Normalizer

local EPS = 2 ^ -52
local doubles = ffi.typeof "double[?]"

-- What each kind keeps of every feature.
local KEPT = { standard = { "mean", "var" }, minmax = { "low", "high" } }

local function new(_, kind, o)
  kind = kind or "standard"
  if not KEPT[kind] then
    core.fail("normalizer: the kind is '%s'; there are standard and minmax", tostring(kind))
  end
  o = options.read("normalizer", o, { range = { 0, 1 }, dim = -1 })
  local range = o.range
  if type(range) ~= "table" or type(range[1]) ~= "number" or not (range[2] and range[1] < range[2]) then
    core.fail "normalizer: range is {low, high} with low < high"
  end
  return setmetatable({ kind = kind, range = range, dim = o.dim, count = 0 }, Normalizer)
end

function Normalizer:__tostring()
  return ("normalizer (%s) of %s, fitted on %d samples"):format(self.kind,
    self.size and self.size .. " features" or "nothing", self.count)
end

-- The tensor with its features last, row-major, f32 or f64; where `adopt`, the first one says how many.
local function rows_of(self, x, what, adopt)
  if not Tensor.is_tensor(x) then
    core.fail("normalizer: %s is a %s, wanted a tensor", what, type(x))
  elseif x:dim() == 0 then
    core.fail("normalizer: %s has no dimension of features", what)
  end
  local size = x:size(self.dim)
  if adopt and not self.size then
    self.size = size
    for _, name in ipairs(KEPT[self.kind]) do self[name] = doubles(size) end
  elseif not self.size then
    core.fail "normalizer: it has not been fitted yet"
  elseif size ~= self.size then
    core.fail("normalizer: %s is %s, wanted %d features in dimension %d", what, x:shape_text(), self.size,
      self.dim)
  end
  x = x:detach()
  return (x:dtype() == "f64" and x or x:to "f32"):transpose(self.dim, -1):contiguous()
end

-- Adds a row; false where an element is no finite number.
local add = {}

function add.standard(self, p, at)
  local mean, m2, count = self.mean, self.var, self.count + 1
  for j = 0, self.size - 1 do
    local v = tonumber(p[at + j])
    if v - v ~= 0 then return false end
    local d = v - mean[j]
    mean[j] = mean[j] + d / count
    m2[j] = m2[j] + d * (v - mean[j])
  end
  return true
end

function add.minmax(self, p, at)
  local low, high, first = self.low, self.high, self.count == 0
  for j = 0, self.size - 1 do
    local v = tonumber(p[at + j])
    if v - v ~= 0 then return false end
    if first or v < low[j] then low[j] = v end
    if first or v > high[j] then high[j] = v end
  end
  return true
end

--- Adds samples to what was seen. self.var holds the sum of squares until `finish` reads it.
-- @param x    features (F), or any shape with F in the dimension `dim`
-- @param what names x in errors
function Normalizer:update(x, what)
  what = what or "x"
  scope.run(function()
    local rows = rows_of(self, x, what, true)
    local p, row = rows:data(), add[self.kind]
    for at = 0, rows:numel() - 1, self.size do
      if not row(self, p, at) then
        core.fail_as("format", "normalizer: %s holds a number that is not finite, in sample %d", what,
          at / self.size + 1)
      end
      self.count = self.count + 1
    end
  end)
  self.center = nil
  return self
end

--- Forgets what was seen and takes in a tensor, or a field of every sample of a data set, one after the
-- other.
-- @usage n:fit(x)    n:fit(train, "features")
function Normalizer:fit(x, field)
  self.count, self.size, self.center = 0, nil, nil
  if Tensor.is_tensor(x) then return self:update(x) end
  for i = 1, x:size() do
    scope.run(function()
      self:update(x:get(i)[field], ("'%s' of %s"):format(tostring(field), x:id(i)))
    end)
  end
  return self
end

-- What is taken off and what is divided by.
local function finish(self)
  if self.center then return end
  local n, center, divisor = self.count, doubles(self.size), doubles(self.size)
  if n == 0 then core.fail "normalizer: it has not been fitted yet" end
  for j = 0, self.size - 1 do
    if self.kind == "standard" then
      local mean, var = self.mean[j], self.var[j] / n
      local constant = var <= n * EPS * var + (n * mean * EPS) ^ 2
      center[j], divisor[j] = mean, constant and 1 or math.sqrt(var)
    else
      local width = self.high[j] - self.low[j]
      center[j] = self.low[j]
      divisor[j] = (width < 10 * EPS and 1 or width) / (self.range[2] - self.range[1])
    end
  end
  self.center, self.divisor = center, divisor
  self.base = self.kind == "minmax" and self.range[1] or 0
end

local function map(self, x, f)
  return scope.run(function()
    local rows = rows_of(self, x, "x")
    finish(self)
    local y = Tensor.empty(rows:size())
    local from, to, size = rows:data(), y:data(), self.size
    local center, divisor, base = self.center, self.divisor, self.base
    for at = 0, rows:numel() - 1, size do
      for j = 0, size - 1 do to[at + j] = f(tonumber(from[at + j]), center[j], divisor[j], base) end
    end
    return y:transpose(self.dim, -1):contiguous()
  end)
end

--- Features x as the model sees them: f32, of x's shape; x stays as it was. Not recorded for gradients.
function Normalizer:transform(x)
  return map(self, x, function(v, center, divisor, base) return (v - center) / divisor + base end)
end

--- The features that `transform` made y of.
function Normalizer:inverse(y)
  return map(self, y, function(v, center, divisor, base) return (v - base) * divisor + center end)
end

--- What is taken off each feature, what it is then divided by, and what is added: two lists and a number.
function Normalizer:scale()
  if self.size then finish(self) end
  if not self.center then core.fail "normalizer: it has not been fitted yet" end
  local center, divisor = {}, {}
  for j = 1, self.size do center[j], divisor[j] = self.center[j - 1], self.divisor[j - 1] end
  return center, divisor, self.base
end

-- ---- keeping ------------------------------------------------------------------------------------

--- All of it as a plain table that JSON keeps exactly: {kind, range, dim, count, and lists: mean and var, or
-- low and high}.
function Normalizer:state()
  local state = { kind = self.kind, range = { self.range[1], self.range[2] }, dim = self.dim,
    count = self.count }
  for _, name in ipairs(KEPT[self.kind]) do
    state[name] = {}
    for j = 1, self.size or 0 do
      state[name][j] = self[name][j - 1] / (name == "var" and math.max(self.count, 1) or 1)
    end
  end
  return state
end

--- The normalizer of a state. Raises where it is none.
function normalizer.from(state)
  local kept = type(state) == "table" and KEPT[state.kind]
  local good = kept and type(state.count) == "number" and type(state.dim) == "number"
  local size = good and type(state[kept[1]]) == "table" and #state[kept[1]] or 0
  local self = good and new(nil, state.kind, { range = state.range, dim = state.dim })
  for _, name in ipairs(size > 0 and kept or {}) do
    self[name] = doubles(size)
    good = good and type(state[name]) == "table" and #state[name] == size
    for j = 1, good and size or 0 do
      local v = state[name][j]
      good = good and type(v) == "number" and v - v == 0
      if good then self[name][j - 1] = v * (name == "var" and state.count or 1) end
    end
  end
  if not good then core.fail_as("format", "normalizer: this is not the state of one") end
  self.count, self.size = state.count, size > 0 and size or nil
  return self
end

--- Writes it as safetensors: f64 tensors normalizer.mean, normalizer.var, normalizer.count, ...
-- @param tensors more to be written into the file, such as model:state_dict() (optional)
function Normalizer:save(path, tensors)
  scope.run(function()
    local all = {}
    for name, t in pairs(tensors or {}) do all[name] = t end
    for name, value in pairs(self:state()) do
      if name ~= "kind" then all["normalizer." .. name] = Tensor.from(value, "f64") end
    end
    safetensors.save(path, all, { normalizer = self.kind })
  end)
end

--- The normalizer in a safetensors file that `save` wrote, alone or beside a model's weights.
function normalizer.load(path)
  return scope.run(function()
    local state, tensors, metadata = {}, safetensors.load(path)
    for name, t in pairs(tensors) do
      local field = name:match "^normalizer%.(%w+)$"
      if field then state[field] = (field == "count" or field == "dim") and t:item() or t:flat() end
    end
    state.kind = metadata.normalizer
    if not state.kind then core.fail_as("format", "%s: there is no normalizer in it", path) end
    return normalizer.from(state)
  end)
end

return setmetatable(normalizer, { __call = new })
