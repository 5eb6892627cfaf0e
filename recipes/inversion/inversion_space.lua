-- The parameters of a synthesizer as the recipe knows them: names, groups, options, which of them can be
-- learnt from a sound, and which switches must be on for a parameter to be heard. A space comes from the
-- attributes of a data file, and travels in every checkpoint as plain values:
--
--     space.synthesizer, sample_rate, seconds, gate, velocity, notes
--     space.continuous  = {names, groups, learnable, switches, minimum, maximum}    one entry a parameter
--     space.categorical = {names, groups, learnable, switches, options}             options: lists of names
--
-- `switches` holds, for each parameter, the names of categorical parameters joined by "+", all of which must
-- be above option 0 ("" for none). A switch may itself have switches.

local failure = require "luatrain.failure"
local json = require "luatrain.json"

local space = {}

local Space = {}
Space.__index = Space

-- ---- reading ------------------------------------------------------------------------------------

local function list_of(attributes, name, count, kind, path)
  local list = attributes[name]
  if type(list) == "string" or type(list) == "number" then list = { list } end
  if type(list) ~= "table" then
    failure.raise("data", "%s: lacks the attribute '%s'; was it written by `luatrain run inversion render`?",
      path, name)
  end
  local values = {}
  for i, value in ipairs(list) do
    if type(value) ~= kind then
      failure.raise("data", "%s: attribute '%s' holds a %s where a %s belongs", path, name, type(value), kind)
    end
    values[i] = value
  end
  if count and #values ~= count then
    failure.raise("data", "%s: attribute '%s' has %d entries, there are %d parameters", path, name, #values,
      count)
  end
  return values
end

-- Fields that continuous and categorical parameters share. A plugin may have none of a kind.
local function part_of(attributes, kind, path, columns)
  if columns == 0 then return { names = {}, groups = {}, learnable = {}, switches = {} } end
  local names = list_of(attributes, kind .. "_names", nil, "string", path)
  return {
    names = names,
    groups = list_of(attributes, kind .. "_groups", #names, "string", path),
    learnable = list_of(attributes, kind .. "_learnable", #names, "number", path),
    switches = list_of(attributes, kind .. "_switches", #names, "string", path),
  }
end

local function options_of(attributes, names, path)
  if #names == 0 then return {} end
  local counts = list_of(attributes, "categorical_n_options", #names, "number", path)
  local ok, options = pcall(json.decode, attributes.categorical_options or "")
  if not ok or type(options) ~= "table" or #options ~= #names then
    failure.raise("data", "%s: attribute 'categorical_options' is no JSON list of %d lists", path, #names)
  end
  for i, list in ipairs(options) do
    if type(list) ~= "table" or #list ~= counts[i] or counts[i] < 1 then
      failure.raise("data", "%s: '%s' has %s options by categorical_n_options and others by "
        .. "categorical_options", path, names[i], tostring(counts[i]))
    end
  end
  return options
end

local function number_of(attributes, name, default, path)
  local value = attributes[name]
  if value == nil then value = default end
  if type(value) ~= "number" then
    failure.raise("data", "%s: lacks the attribute '%s' (a number)", path, name)
  end
  return value
end

--- The space that a data file's attributes describe. columns: {n, m}, how many parameters of each kind the
-- file has; path: for messages.
function space.from_attributes(attributes, columns, path)
  local continuous = part_of(attributes, "continuous", path, columns[1])
  for _, what in ipairs { "minimum", "maximum" } do
    continuous[what] = columns[1] == 0 and {}
      or list_of(attributes, "continuous_" .. what, #continuous.names, "number", path)
  end
  local categorical = part_of(attributes, "categorical", path, columns[2])
  categorical.options = options_of(attributes, categorical.names, path)
  if type(attributes.synthesizer) ~= "string" then
    failure.raise("data", "%s: lacks the attribute 'synthesizer'", path)
  end
  return space.from_facts {
    synthesizer = attributes.synthesizer,
    sample_rate = number_of(attributes, "sample_rate", nil, path),
    seconds = number_of(attributes, "seconds", nil, path),
    gate = number_of(attributes, "gate", 1.5, path),
    velocity = number_of(attributes, "velocity", 100, path),
    notes = list_of(attributes, "notes", nil, "number", path),
    continuous = continuous, categorical = categorical,
  }
end

--- A space from the plain values that space:facts() gave, as a checkpoint holds them.
function space.from_facts(facts)
  local self = setmetatable({}, Space)
  for key, value in pairs(facts) do self[key] = value end
  self.index = {}
  for i, name in ipairs(self.categorical.names) do self.index[name] = i end
  return self
end

--- Plain values for a checkpoint.
function Space:facts()
  local facts = {}
  for _, key in ipairs { "synthesizer", "sample_rate", "seconds", "gate", "velocity", "notes", "continuous",
    "categorical" } do
    facts[key] = self[key]
  end
  return facts
end

-- What differs between two spaces, as a text; nil where a model for one serves the other.
function Space:difference(other)
  if self.synthesizer ~= other.synthesizer then
    return ("the synthesizer is %s here, %s there"):format(self.synthesizer, other.synthesizer)
  elseif self.sample_rate ~= other.sample_rate then
    return ("the sample rate is %g Hz here, %g Hz there"):format(self.sample_rate, other.sample_rate)
  elseif self.seconds ~= other.seconds then
    return ("sounds last %g s here, %g s there"):format(self.seconds, other.seconds)
  end
  for _, kind in ipairs { "continuous", "categorical" } do
    local a, b = self[kind].names, other[kind].names
    if #a ~= #b then return ("there are %d %s parameters here, %d there"):format(#a, kind, #b) end
    for i, name in ipairs(a) do
      if name ~= b[i] then
        return ("%s parameter %d is '%s' here, '%s' there"):format(kind, i, name, b[i])
      end
    end
  end
  for i, options in ipairs(self.categorical.options) do
    if table.concat(options, "\n") ~= table.concat(other.categorical.options[i], "\n") then
      return ("'%s' has other options"):format(self.categorical.names[i])
    end
  end
end

--- Number of options of each categorical parameter.
function Space:option_counts()
  local counts = {}
  for i, options in ipairs(self.categorical.options) do counts[i] = #options end
  return counts
end

-- ---- masks --------------------------------------------------------------------------------------

-- Adds the positions of all switches in a text such as "osc_1_on+osc_1_unison", and of their switches.
local function add_switches(self, text, found, owner)
  for name in text:gmatch "[^+]+" do
    local i = self.index[name]
    if not i then
      failure.raise("data", "'%s' names the switch '%s', which is no categorical parameter", owner, name)
    end
    if not found[i] then
      found[i] = true
      add_switches(self, self.categorical.switches[i], found, name)
    end
  end
end

-- (m, n) of 0 and 1: row i is 1 for the parameters that need switch i.
local function needs(self, part)
  local rows = {}
  for i = 1, #self.categorical.names do rows[i] = {} end
  for j, text in ipairs(part.switches) do
    local found = {}
    add_switches(self, text, found, part.names[j])
    for i = 1, #rows do rows[i][j] = found[i] and 1 or 0 end
  end
  return lt.keep(lt.tensor(rows))
end

--- Which parameters of each preset can be learnt from its sound: tensors (B, n) and (B, m) of 0 and 1 from
-- the categorical values (B, m), i64. enabled = false: all can.
function Space:masks(categorical, enabled)
  local batch, m = categorical:size(1), #self.categorical.names
  if m == 0 then
    local mask = lt.ones { batch, #self.continuous.names }
    if enabled ~= false then mask = mask * lt.tensor(self.continuous.learnable) end
    return mask, lt.zeros { batch, 0 }
  end
  if not self.static then
    self.static = {
      continuous = lt.keep(lt.tensor(self.continuous.learnable)),
      categorical = lt.keep(lt.tensor(self.categorical.learnable)),
    }
    self.needed = { continuous = needs(self, self.continuous), categorical = needs(self, self.categorical) }
  end
  if enabled == false then
    return lt.ones { batch, #self.continuous.names }, lt.ones { batch, m }
  end
  local off = categorical:le(0):to "f32"                           -- (B, m)
  local function mask(kind)
    return lt.matmul(off, self.needed[kind]):le(0.5):to "f32" * self.static[kind]
  end
  return mask "continuous", mask "categorical"
end

return space
