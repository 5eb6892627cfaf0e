--- Synthesizers whose every parameter is known: a preset in, a sound out.
--
--   local s = lt.synthesizer.open "builtin"
--   local preset = s:random(seed, index)               -- { continuous = (n), categorical = (m) }
--   local sound = s:render(preset, { note = 60 })      -- (samples)
--   lt.audio.save("sound.wav", sound, 44100)
--   lt.json.save("preset.json", s:values(preset))
--
-- The built-in one is a subtractive/FM synthesizer in C: three oscillators with unison, noise, two
-- filters, six envelopes, four LFOs, two random generators, a modulation matrix, distortion, chorus,
-- delay and reverb. "lv2:URI" opens a plugin (luatrain.music.lv2). Both have this interface:
--
--   s.name, s.version        "builtin", text that changes when the same preset sounds otherwise
--   s.parameters             list of parameters in the order of the registry, each
--     { name = "osc_1_level", group = "osc_1", kind = "continuous", index = place in its vector,
--       minimum, maximum, default, curve = "linear" | "exponential" | "quadratic" | "integer",
--       switch = "osc_1_on", tier = 1 }
--     { name = "osc_1_wave", kind = "categorical", options = {"sine", ...}, default = 0, ... }
--   s.continuous, s.categorical     the same parameters, by kind, in the order of the vectors
--
-- A parameter has a `switch` where it matters only while other parameters are on: "osc_1_on", or several
-- joined by "+", all of which must be on, that is above option 0. Parameters of a tier above 1 have no
-- influence on random presets of tier 1, which leave the modulation matrix alone.
local ffi = require "ffi"
local core = require "luatrain.core"
local random = require "luatrain.random"
local scope = require "luatrain.scope"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local synthesizer = {}

local CURVES = { [0] = "linear", "exponential", "quadratic", "integer" }

local DEFAULTS = { note = 60, velocity = 100, seconds = 2, gate = 1.5, sample_rate = 44100, seed = 0,
  timeout = 20, workers = 0 }

--- Settings of a rendering with their defaults: note 60, velocity 100, seconds 2, gate 1.5 (seconds until
-- the key is released), sample_rate 44100, seed 0 (of noise). Unknown names are refused.
function synthesizer.settings(options)
  local settings = {}
  for name, value in pairs(DEFAULTS) do settings[name] = value end
  for name, value in pairs(options or {}) do
    if DEFAULTS[name] == nil then
      local names = {}
      for known in pairs(DEFAULTS) do names[#names + 1] = known end
      local near = core.nearest(tostring(name), names)
      core.fail("synthesizer: no setting '%s'%s", tostring(name),
        near and "; did you mean " .. near .. "?" or "")
    end
    if type(value) ~= "number" then
      core.fail("synthesizer: %s is a %s, wanted a number", name, type(value))
    end
    settings[name] = value
  end
  settings.samples = math.floor(settings.seconds * settings.sample_rate + 0.5)
  if not (settings.samples >= 1 and settings.samples <= 2 ^ 28) then
    core.fail("synthesizer: %g seconds at %g Hz", settings.seconds, settings.sample_rate)
  end
  return settings
end

-- ---- what all synthesizers share ----------------------------------------------------------------

--- What synthesizer.open gives: parameters, presets and their sounds.
local Synthesizer = {}
Synthesizer.__index = Synthesizer
synthesizer.Synthesizer = Synthesizer

--- Sorts parameters (tables with `about`, an lt_synth_parameter) into a synthesizer's lists.
-- For makers of synthesizers: luatrain.music.lv2 uses it.
function synthesizer.arrange(s, parameters)
  s.parameters, s.continuous, s.categorical, s.by_name = parameters, {}, {}, {}
  for _, p in ipairs(parameters) do
    local list = p.kind == "continuous" and s.continuous or s.categorical
    list[#list + 1] = p
    p.index = #list
    s.by_name[p.name] = p
  end
  return s
end

local function empty_presets(s, count)
  return Tensor.empty({ count, #s.continuous }), Tensor.empty({ count, #s.categorical }, "i64")
end

--- Presets drawn at random: number `first` to `first + count - 1` of the seed's sequence. Preset i
-- depends on (seed, i) only.
-- @param options {tier = 1}; at tier 2 the modulation matrix is drawn too
-- @return continuous (count, n) f32 in 0..1, categorical (count, m) i64 from 0
function Synthesizer:random_batch(seed, first, count, options)
  local continuous, categorical = empty_presets(self, count)
  scope.run(function()
    local uniform = Tensor.empty { count, #self.parameters }
    for i = 1, count do
      local generator = random.generator(seed, 0, first + i - 1)
      uniform:narrow(1, i, 1):uniform_(0, 1, { generator = generator })
      generator.state:release()
    end
    self:draw(continuous, categorical, uniform, options and options.tier or 1)
  end)
  return continuous, categorical
end

--- One random preset: { continuous = (n) f32 in 0..1, categorical = (m) i64 from 0 }. The same seed and
-- index give the same preset.
function Synthesizer:random(seed, index, options)
  local continuous, categorical = self:random_batch(seed, index, 1, options)
  return { continuous = continuous:select(1, 1), categorical = categorical:select(1, 1) }
end

--- The sound of one preset, (samples) f32.
-- @param options see synthesizer.settings; `note` is the MIDI note
function Synthesizer:render(preset, options)
  local settings = synthesizer.settings(options)
  local sounds, failures = self:render_batch(preset.continuous:reshape(1, #self.continuous),
    preset.categorical:reshape(1, #self.categorical), { settings.note }, options)
  if failures[1] then core.fail("%s: %s", self.name, failures[1].error) end
  return sounds:select(1, 1)
end

--- A preset's name: 16 hexadecimal digits that depend on its two vectors only.
function Synthesizer.hash(_, preset)
  local text = ffi.new "char[17]"
  scope.run(function()
    check(C.lt_synth_hash(text, preset.continuous:contiguous().c, preset.categorical:contiguous().c))
  end)
  return ffi.string(text)
end

--- The neutral preset: every parameter at its default.
function Synthesizer:default()
  return self:preset {}
end

-- One option's number from 0, given its name or a number.
local function option_number(p, value)
  for i, option in ipairs(p.options) do
    if option == value or option == tostring(value) then return i - 1 end
  end
  core.fail("synthesizer: %s is '%s'; wanted one of %s", p.name, tostring(value),
    table.concat(p.options, ", "))
end

--- A preset in words: a table from parameter name to value, in the parameter's unit, or option name.
function Synthesizer:values(preset)
  local values = {}
  local continuous, categorical = preset.continuous:tolist(), preset.categorical:tolist()
  for i, p in ipairs(self.continuous) do values[p.name] = C.lt_synth_value(p.about, continuous[i]) end
  for i, p in ipairs(self.categorical) do
    local option = p.options[categorical[i] + 1]
    if not option then
      core.fail("synthesizer: %s is option %d, there are %d", p.name, categorical[i], #p.options)
    end
    values[p.name] = option
  end
  return values
end

--- The preset that a table of values describes (the inverse of s:values); missing names take their
-- default, values beyond the range its end. An unknown name is refused.
function Synthesizer:preset(values)
  for name in pairs(values) do
    if not self.by_name[name] then
      local names = {}
      for known in pairs(self.by_name) do names[#names + 1] = known end
      local near = core.nearest(tostring(name), names)
      core.fail("synthesizer: %s has no parameter '%s'%s", self.name, tostring(name),
        near and "; did you mean " .. near .. "?" or "")
    end
  end
  local continuous, categorical = empty_presets(self, 1)
  continuous, categorical = continuous:select(1, 1), categorical:select(1, 1)
  for i, p in ipairs(self.continuous) do
    local value = values[p.name] or p.default
    if type(value) ~= "number" then
      core.fail("synthesizer: %s is a %s, wanted a number", p.name, type(value))
    end
    continuous:set(C.lt_synth_position(p.about, value), i)
  end
  for i, p in ipairs(self.categorical) do
    local value = values[p.name]
    categorical:set(value == nil and p.default or option_number(p, value), i)
  end
  return { continuous = continuous, categorical = categorical }
end

function Synthesizer:__tostring()
  return ("synthesizer %s: %d continuous and %d categorical parameters"):format(self.name,
    #self.continuous, #self.categorical)
end

-- ---- the built-in one ---------------------------------------------------------------------------

local Builtin = setmetatable({ __tostring = Synthesizer.__tostring }, { __index = Synthesizer })
Builtin.__index = Builtin

local function split(text)
  local list = {}
  for part in text:gmatch "[^|]+" do list[#list + 1] = part end
  return list
end

--- A parameter's table from an lt_synth_parameter.
function synthesizer.describe(about)
  local categorical = about.kind == C.LT_SYNTH_CATEGORICAL
  local gate = ffi.string(about.gate)
  return {
    name = ffi.string(about.name), group = ffi.string(about.group), about = about,
    kind = categorical and "categorical" or "continuous",
    minimum = about.minimum, maximum = about.maximum, default = about.standard,
    curve = CURVES[about.curve],
    options = categorical and split(ffi.string(about.options)) or nil,
    switch = gate ~= "" and gate or nil, tier = about.tier,
  }
end

local function open_builtin()
  local parameters = {}
  for i = 0, C.lt_synth_count() - 1 do
    local about = ffi.new "lt_synth_parameter"
    check(C.lt_synth_get(about, i))
    parameters[i + 1] = synthesizer.describe(about)
  end
  return synthesizer.arrange(setmetatable({ name = "builtin", version = "1" }, Builtin), parameters)
end

function Builtin.draw(_, continuous, categorical, uniform, tier)
  check(C.lt_synth_random(continuous.c, categorical.c, uniform.c, tier))
end

--- Sounds of many presets at each of several notes, on all cores; the same bits whatever their number.
-- @param continuous  (B, n) f32, positions 0..1
-- @param categorical (B, m) i64, option numbers from 0
-- @param notes       list of MIDI notes
-- @param options     see synthesizer.settings
-- @return y (B * #notes, samples) f32: row (b - 1) * #notes + i is preset b at note i; and the list of
--   failures {index = row from 1, error}, always empty for the built-in synthesizer
function Builtin.render_batch(_, continuous, categorical, notes, options)
  local settings = synthesizer.settings(options)
  local o = ffi.new("lt_synth_options", settings.sample_rate, settings.velocity, settings.gate, settings.seed)
  local y = Tensor.empty { continuous:size(1) * #notes, settings.samples }
  scope.run(function()
    check(C.lt_synth_render(y.c, continuous:contiguous().c, categorical:contiguous().c,
      Tensor.from(notes).c, o))
  end)
  return y, {}
end

--- Opens a synthesizer.
-- @param name "builtin", or "lv2:URI" of an installed plugin; raises where there is no such plugin, or
--   no means to run it
-- @return the synthesizer; see the head of this file
function synthesizer.open(name)
  if name == "builtin" then return open_builtin() end
  local uri = type(name) == "string" and name:match "^lv2:(.+)$"
  if uri then return require("luatrain.music.lv2").open(uri) end
  core.fail("synthesizer: no synthesizer '%s'; there are builtin and lv2:URI", tostring(name))
end

return synthesizer
