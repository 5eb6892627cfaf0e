--- LV2 plugins as synthesizers (luatrain.music.synthesizer), each in processes of its own.
--
--   local s = lt.synthesizer.open "lv2:http://drobilla.net/plugins/mda/JX10"
--
-- The plugin's control inputs become the registry: switches, enumerations and small whole numbers are
-- categorical, the rest continuous. All are of tier 1, for a plugin does not say what depends on what.
-- A plugin that crashes or hangs costs one sound, which render_batch lists; the next one is made by a
-- fresh process. Needs the program luatrain-lv2, which is built where lilv is installed (README).
local ffi = require "ffi"
local core = require "luatrain.core"
local fs = require "luatrain.fs"
local json = require "luatrain.json"
local process = require "luatrain.process"
local scope = require "luatrain.scope"
local synthesizer = require "luatrain.music.synthesizer"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local lv2 = {}

local MOST_OPTIONS = 24  -- a whole number with more values than this is continuous

--- Path of the program that runs plugins: beside luatrain, or what $LUATRAIN_LV2 names; nil where it was
-- not built.
function lv2.program()
  local path = os.getenv "LUATRAIN_LV2"
    or fs.join(fs.dirname(ffi.string(C.lt_program_path())), "luatrain-lv2")
  return fs.is_file(path) and path or nil
end

-- Runs the program and returns what it prints.
local function ask(argv)
  local directory = fs.temporary_directory()
  local log = fs.join(directory, "log")
  local good, results = pcall(process.map, { { argv = argv, log = log, timeout = 60 } })
  local text = good and fs.exists(log) and fs.read(log) or ""
  fs.remove_tree(directory)
  if not good then error(results, 0) end
  return results[1], text
end

--- The instruments that are installed: a list of {uri, name}; empty where lilv is not there.
function lv2.list()
  local program, found = lv2.program(), {}
  if not program then return found end
  local result, text = ask { program, "list" }
  if not result.ok then return found end
  for uri, name in text:gmatch "([^\t\n]+)\t([^\n]*)" do found[#found + 1] = { uri = uri, name = name } end
  table.sort(found, function(a, b) return a.uri < b.uri end)
  return found
end

-- ---- ports become parameters --------------------------------------------------------------------

-- "http://.../lv2#G101_DCO1" names the group dco1; without one, the first word of the symbol.
local function group_of(port)
  local group = port.group:match "([^#/]+)$"
  if group then return (group:lower():gsub("^g%d+_", "")) end
  return port.symbol:lower():match "^([%w]+)[_%-]" or "main"
end

-- The values of a categorical port and their names, or nil where it is continuous.
local function options_of(port)
  if port.toggled then return { port.minimum, port.maximum }, { "off", "on" } end
  if port.enumeration and #port.points >= 2 then
    local points, values, names = {}, {}, {}
    for i, point in ipairs(port.points) do points[i] = point end
    table.sort(points, function(a, b) return a.value < b.value end)
    for i, point in ipairs(points) do
      values[i] = point.value
      names[i] = point.label ~= "" and point.label or tostring(point.value)
    end
    return values, names
  end
  if port.integer and port.maximum - port.minimum < MOST_OPTIONS then
    local values, names = {}, {}
    for value = port.minimum, port.maximum do
      values[#values + 1], names[#names + 1] = value, tostring(value)
    end
    return values, names
  end
end

local function nearest(values, wanted)
  local best = 1
  for i, value in ipairs(values) do
    if math.abs(value - wanted) < math.abs(values[best] - wanted) then best = i end
  end
  return best - 1
end

-- Ports that are no part of the sound: those for hosts, the MIDI channel, and ranges of one value.
local function is_parameter(port)
  local designation = port.designation:match "#(%w+)$"
  if port.name:lower():find "midi channel" then return false end
  if designation == "enabled" or designation == "freeWheeling" or designation == "latency" then
    return false
  end
  return not port.trigger and not port.sample_rate and port.maximum > port.minimum
end

local function parameter_of(port)
  local values, names = options_of(port)
  local p = {
    name = port.symbol, label = port.name, group = group_of(port), tier = 1, port = port.port,
    kind = values and "categorical" or "continuous", options = names, values = values,
    minimum = port.minimum, maximum = port.maximum, default = port.default,
  }
  if values then
    p.default = nearest(values, port.default)
    return p
  end
  -- Many plugins do not say that times and frequencies are meant logarithmically; two decades tell.
  local wide = port.minimum > 0 and port.maximum / port.minimum >= 100
  p.curve = port.minimum > 0 and (port.logarithmic or wide) and "exponential"
    or port.integer and "integer" or "linear"
  local curves = { exponential = C.LT_CURVE_EXPONENTIAL, integer = C.LT_CURVE_INTEGER,
    linear = C.LT_CURVE_LINEAR }
  p.about = ffi.new("lt_synth_parameter",
    { minimum = p.minimum, maximum = p.maximum, curve = curves[p.curve] })
  return p
end

-- ---- the synthesizer ----------------------------------------------------------------------------

local Plugin = setmetatable({ __tostring = synthesizer.Synthesizer.__tostring },
  { __index = synthesizer.Synthesizer })
Plugin.__index = Plugin

--- Opens a plugin by its URI; raises where it, or what is needed to run it, is missing.
function lv2.open(uri)
  local program = lv2.program()
  if not program then
    core.fail("lv2:%s: plugins need the program luatrain-lv2, which is built where lilv is installed: "
      .. "apt install liblilv-dev, then build again", uri)
  end
  local result, text = ask { program, "describe", uri }
  if not result.ok then
    local why = result.state == "exited" and text:match "([^\n]+)\n*$"
      or ("%s: its description could not be read (%s)"):format(uri, result.state)
    core.fail("lv2:%s; `luatrain-lv2 list` names what is installed", why)
  end
  local about = json.decode(text)
  if about.outputs == 0 then core.fail("lv2:%s: the plugin has no audio output", uri) end
  local parameters = {}
  for _, port in ipairs(about.ports) do
    if is_parameter(port) then parameters[#parameters + 1] = parameter_of(port) end
  end
  local s = setmetatable({ name = "lv2:" .. uri, label = about.name, uri = uri, version = "1",
    program = program }, Plugin)
  return synthesizer.arrange(s, parameters)
end

-- A preset between the plugin's default and anything: each parameter stays near its default with
-- probability 1/2 (an option: is it), else is uniform over its range. All uniform, most presets of large
-- plugins are silent.
function Plugin:draw(continuous, categorical, uniform)
  local count, n = uniform:size(1), #self.parameters
  local u, c, k = uniform:data(), continuous:data(), categorical:data()
  for i, p in ipairs(self.parameters) do
    local home = p.about and C.lt_synth_position(p.about, p.default)
    for b = 0, count - 1 do
      local value = u[b * n + i - 1]
      local near, rest = value < 0.5, value < 0.5 and 2 * value or 2 * value - 1
      if home then
        rest = near and math.max(0, math.min(1, home + 0.2 * (rest - 0.5))) or rest
        c[b * #self.continuous + p.index - 1] = rest
      else
        k[b * #self.categorical + p.index - 1] = near and p.default
          or math.min(math.floor(rest * #p.options), #p.options - 1)
      end
    end
  end
end

-- Port values (B, P) of presets.
local function port_values(self, continuous, categorical)
  local count = continuous:size(1)
  local values = Tensor.empty { count, #self.parameters }
  local v, c, k = values:data(), continuous:contiguous():data(), categorical:contiguous():data()
  for b = 0, count - 1 do
    for i, p in ipairs(self.parameters) do
      local value
      if p.kind == "continuous" then
        value = C.lt_synth_value(p.about, c[b * #self.continuous + p.index - 1])
      else
        local option = tonumber(k[b * #self.categorical + p.index - 1])
        value = p.values[option + 1]
        if not value then
          core.fail("%s: preset %d: %s is option %d, there are %d (counted from 0)", self.name, b + 1, p.name,
            option, #p.options)
        end
      end
      v[b * #self.parameters + i - 1] = value
    end
  end
  return values
end

local function pool_of(self, workers)
  if workers < 1 then workers = C.lt_threads() end
  if not self.pool or self.workers ~= workers then
    local out = ffi.new "lt_lv2_pool *[1]"
    check(C.lt_lv2_open(out, self.program, self.uri, workers))
    self.pool, self.workers = ffi.gc(out[0], C.lt_lv2_close), workers
  end
  return self.pool
end

--- Sounds of many presets at each of several notes, as the built-in synthesizer's render_batch; by
-- options.workers processes (default: one a thread, lt.threads()). options.timeout is the time limit of one
-- sound in seconds (default 20).
-- @return y (B * #notes, samples); the mean of the plugin's outputs; and the failures: a list of
--   {index = row of y from 1, error = text}, whose rows are silence
function Plugin:render_batch(continuous, categorical, notes, options)
  local settings = synthesizer.settings(options)
  local o = ffi.new("lt_synth_options", settings.sample_rate, settings.velocity, settings.gate, 0)
  for _, note in ipairs(notes) do
    if not (note >= 0 and note <= 127) then core.fail("%s: note %g, wanted 0 .. 127", self.name, note) end
  end
  if continuous:size(2) ~= #self.continuous or categorical:size(2) ~= #self.categorical then
    core.fail("%s: presets are %s and %s, wanted (B, %d) and (B, %d)", self.name, continuous:shape_text(),
      categorical:shape_text(), #self.continuous, #self.categorical)
  end
  local ports = {}
  for i, p in ipairs(self.parameters) do ports[i] = p.port end
  local pool = pool_of(self, settings.workers)
  local y = Tensor.empty { continuous:size(1) * #notes, settings.samples }
  scope.run(function()
    check(C.lt_lv2_render(pool, y.c, Tensor.from(ports, "i64").c,
      port_values(self, continuous, categorical).c, Tensor.from(notes).c, o, settings.timeout))
  end)
  local failures, row = {}, ffi.new "int64_t[1]"
  for i = 0, math.huge do
    local text = C.lt_lv2_failure(row, pool, i)
    if text == nil then break end
    failures[#failures + 1] = { index = tonumber(row[0]) + 1, error = ffi.string(text) }
  end
  table.sort(failures, function(a, b) return a.index < b.index end)
  return y, failures
end

return lv2
