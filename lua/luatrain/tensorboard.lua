--- TensorBoard event files: scalars, text, histograms, images, audio and hyper-parameters of a run.
-- lt.log takes tensors for images and sounds and writes WAV files beside.
-- Each call writes a whole record, so a killed run loses nothing it has written. Within a tag steps
-- should grow; a resumed run opens a new file in the same directory and TensorBoard joins them.
local ffi = require "ffi"
local core = require "luatrain.core"
local fs = require "luatrain.fs"
local C, check = core.C, core.check

local tensorboard = {}

local char, floor, concat = string.char, math.floor, table.concat

-- ---- protocol buffers --------------------------------------------------------------------------

-- A whole number from 0 up, seven bits a byte.
local function varint(x)
  local text = ""
  while x >= 128 do
    text = text .. char(128 + x % 128)
    x = floor(x / 128)
  end
  return text .. char(x)
end

local function int_field(number, x)
  return varint(number * 8) .. varint(x)
end

local function bytes_field(number, text)
  return varint(number * 8 + 2) .. varint(#text) .. text
end

local one_double, one_float = ffi.new "double[1]", ffi.new "float[1]"

local function double_field(number, x)
  one_double[0] = x
  return varint(number * 8 + 1) .. ffi.string(one_double, 8)
end

local function float_field(number, x)
  one_float[0] = x
  return varint(number * 8 + 5) .. ffi.string(one_float, 4)
end

-- ---- messages ----------------------------------------------------------------------------------

local FLOAT, DOUBLE, STRING = 1, 2, 7
local DATA_CLASS = { scalars = 1, histograms = 2, text = 2, images = 3, audio = 3 }

-- SummaryMetadata for a plug-in; its data class is known by its name.
local function metadata(plugin, content)
  local data = bytes_field(1, plugin) .. (content and bytes_field(2, content) or "")
  local class = DATA_CLASS[plugin]
  return bytes_field(9, bytes_field(1, data) .. (class and int_field(4, class) or ""))
end

-- TensorProto of a dtype with sizes; values are fields already encoded.
local function tensor_value(dtype, sizes, values)
  local shape = {}
  for i, size in ipairs(sizes) do
    shape[i] = bytes_field(2, size > 0 and int_field(1, size) or "")
  end
  return bytes_field(8, int_field(1, dtype) .. bytes_field(2, concat(shape)) .. values)
end

-- Event with one Summary.Value.
local function event(tag, step, wall, value)
  return double_field(1, wall) .. (step > 0 and int_field(2, step) or "")
    .. bytes_field(5, bytes_field(1, bytes_field(1, tag) .. value))
end

--- Payloads of the records, for those who write them elsewhere: each returns the bytes of one Event.
tensorboard.encode = {}
local encode = tensorboard.encode

function encode.version(wall)
  return double_field(1, wall) .. bytes_field(3, "brain.Event:2")
end

--- A scalar in the short form that PyTorch writes.
function encode.scalar(tag, value, step, wall)
  return event(tag, step, wall, float_field(2, value))
end

--- A scalar as a rank-0 tensor with the metadata of the scalars plug-in.
function encode.scalar_tensor(tag, value, step, wall)
  one_float[0] = value
  local values = bytes_field(5, ffi.string(one_float, 4))
  return event(tag, step, wall, tensor_value(FLOAT, {}, values) .. metadata "scalars")
end

function encode.text(tag, text, step, wall)
  return event(tag, step, wall, tensor_value(STRING, {}, bytes_field(8, text)) .. metadata "text")
end

--- rows: a cdata array of doubles, `count` rows of left edge, right edge, number.
function encode.histogram(tag, rows, count, step, wall)
  local content = bytes_field(4, ffi.string(rows, count * 24))
  return event(tag, step, wall, tensor_value(DOUBLE, { count, 3 }, content) .. metadata "histograms")
end

--- A PNG image of width x height.
function encode.image(tag, png, width, height, step, wall)
  local values = bytes_field(8, tostring(width)) .. bytes_field(8, tostring(height))
    .. bytes_field(8, png)
  return event(tag, step, wall, tensor_value(STRING, { 3 }, values) .. metadata "images")
end

local WAV = int_field(2, 11)  -- AudioPluginData: encoding

--- A clip as the bytes of a WAV file.
function encode.audio(tag, wav, step, wall)
  local values = bytes_field(8, wav) .. bytes_field(8, "")
  return event(tag, step, wall, tensor_value(STRING, { 1, 2 }, values) .. metadata("audio", WAV))
end

local NULL_TENSOR = bytes_field(8, int_field(1, FLOAT) .. bytes_field(2, bytes_field(2, "")))

local function hparams_event(name, content, wall)
  return event("_hparams_/" .. name, 0, wall, NULL_TENSOR .. metadata("hparams", content))
end

-- google.protobuf.Value of a number, boolean or string.
local function any_value(v)
  if type(v) == "number" then return double_field(2, v) end
  if type(v) == "boolean" then return int_field(4, v and 1 or 0) end
  return bytes_field(3, tostring(v))
end

--- hparams: {name = number | boolean | string}; group: the name of the trial.
function encode.session_start(hparams, group, wall)
  local parts = {}
  for i, key in ipairs(core.sorted_keys(hparams)) do
    parts[i] = bytes_field(1, bytes_field(1, key) .. bytes_field(2, any_value(hparams[key])))
  end
  if group then parts[#parts + 1] = bytes_field(4, group) end
  parts[#parts + 1] = double_field(5, wall)
  return hparams_event("session_start_info", bytes_field(3, concat(parts)), wall)
end

local STATUS = { unknown = 0, success = 1, failure = 2, running = 3 }

function encode.session_end(status, wall)
  local content = bytes_field(4, int_field(1, STATUS[status]) .. double_field(2, wall))
  return hparams_event("session_end_info", content, wall)
end

local TYPE = { string = 1, boolean = 2, number = 3 }

--- Which hyper-parameters and metrics (a list of scalar tags) the hparams page shows.
function encode.experiment(hparams, metrics, wall)
  local parts = {}
  for i, key in ipairs(core.sorted_keys(hparams)) do
    parts[i] = bytes_field(4, bytes_field(1, key) .. int_field(4, TYPE[type(hparams[key])] or 1))
  end
  for _, tag in ipairs(metrics) do
    parts[#parts + 1] = bytes_field(5, bytes_field(1, bytes_field(2, tag)))
  end
  return hparams_event("experiment", bytes_field(2, concat(parts)), wall)
end

-- ---- histograms --------------------------------------------------------------------------------

-- Doubles of a list or tensor and their number.
local function doubles_of(values)
  if type(values) == "table" and values.c then
    local n = tonumber(C.lt_tensor_numel(values.c))
    local data = ffi.new("double[?]", n + 1)
    check(C.lt_tensor_to_doubles(data, values.c))
    return data, n
  end
  return ffi.new("double[?]", #values + 1, values), #values
end

--- Counts values into `bins` equal bins between the least and the greatest. NaN and infinities are
-- left out. If all are equal, the last bin holds them all; without any, rows are zero.
-- @return cdata doubles, bins x 3: left edge, right edge, number
function tensorboard.histogram_rows(values, bins)
  local data, n = doubles_of(values)
  local low, high, finite = math.huge, -math.huge, 0
  for i = 0, n - 1 do
    local x = data[i]
    if x > -math.huge and x < math.huge then
      finite = finite + 1
      if x < low then low = x end
      if x > high then high = x end
    end
  end
  local rows = ffi.new("double[?]", bins * 3)
  if finite == 0 then return rows end
  local width = (high - low) / bins
  for i = 0, bins - 1 do
    rows[3 * i] = low + width * i
    rows[3 * i + 1] = i == bins - 1 and high or low + width * (i + 1)
  end
  if width == 0 then
    rows[3 * bins - 1] = finite
    return rows
  end
  for i = 0, n - 1 do
    local x = data[i]
    if x >= low and x <= high then
      local k = math.min(floor((x - low) / width), bins - 1)
      rows[3 * k + 2] = rows[3 * k + 2] + 1
    end
  end
  return rows
end

-- ---- the writer --------------------------------------------------------------------------------

local Writer = {}
Writer.__index = Writer
local counter = 0

--- Opens a new event file in a directory, which is made where it is missing. The name of the run in
-- TensorBoard is the directory's path below its --logdir.
-- @param directory where to write
-- @param options   {suffix = added to the file's name, clock = function that gives seconds since 1970}
-- @return a writer
-- @usage local w = lt.tensorboard.writer "runs/a"; w:scalar("train/loss", 0.5, 1); w:close()
function tensorboard.writer(directory, options)
  options = options or {}
  fs.mkdir(directory)
  local clock = options.clock or function() return C.lt_clock() end
  local name = ("events.out.tfevents.%010.0f.%s.%d.%d%s"):format(floor(clock()),
    ffi.string(C.lt_host_name()), C.lt_getpid(), counter, options.suffix or "")
  counter = counter + 1
  local out = ffi.new "lt_appender *[1]"
  local path = fs.join(directory, name)
  check(C.lt_appender_open(out, path))
  local self = setmetatable({ path = path, clock = clock }, Writer)
  self.handle = ffi.gc(out[0], C.lt_appender_close)
  self:record(encode.version(clock()))
  return self
end

--- Appends one record: the bytes of an Event.
function Writer:record(payload)
  if self.handle == nil then core.fail("%s: this writer has been closed", self.path) end
  check(C.lt_events_write(self.handle, payload, #payload))
end

local function step_of(step)
  if type(step) ~= "number" or step < 0 or step ~= floor(step) or step > 2 ^ 53 then
    core.fail("tensorboard: step is %s, not a whole number from 0", tostring(step))
  end
  return step
end

local function tag_of(tag)
  if type(tag) ~= "string" or tag == "" then
    core.fail("tensorboard: a tag should be a string such as \"train/loss\"")
  end
  return tag
end

--- A number of a step. `value` may be NaN or infinite.
function Writer:scalar(tag, value, step)
  if type(value) ~= "number" then
    core.fail("tensorboard: the value of %s is a %s, not a number", tostring(tag), type(value))
  end
  self:record(encode.scalar(tag_of(tag), value, step_of(step), self.clock()))
end

--- Several numbers of one step: {tag = number}.
function Writer:scalars(values, step)
  for _, tag in ipairs(core.sorted_keys(values)) do self:scalar(tag, values[tag], step) end
end

--- Text in Markdown.
function Writer:text(tag, text, step)
  self:record(encode.text(tag_of(tag), text, step_of(step), self.clock()))
end

--- The distribution of a tensor's elements, or of a list of numbers.
-- @param bins number of bins (default 30)
function Writer:histogram(tag, values, step, bins)
  bins = bins or 30
  local rows = tensorboard.histogram_rows(values, bins)
  self:record(encode.histogram(tag_of(tag), rows, bins, step_of(step), self.clock()))
end

--- A PNG image, as the bytes of its file.
function Writer:image(tag, png, step)
  if type(png) ~= "string" or png:sub(1, 8) ~= "\137PNG\r\n\26\n" or #png < 24 then
    core.fail("tensorboard: the image of %s is no PNG file", tostring(tag))
  end
  local function big32(at)
    local a, b, c, d = png:byte(at, at + 3)
    return a * 16777216 + b * 65536 + c * 256 + d
  end
  self:record(encode.image(tag_of(tag), png, big32(17), big32(21), step_of(step), self.clock()))
end

--- A sound, as the bytes of a WAV file.
function Writer:audio(tag, wav, step)
  if type(wav) ~= "string" or wav:sub(1, 4) ~= "RIFF" or wav:sub(9, 12) ~= "WAVE" then
    core.fail("tensorboard: the sound of %s is no WAV file", tostring(tag))
  end
  self:record(encode.audio(tag_of(tag), wav, step_of(step), self.clock()))
end

--- The hyper-parameters of the run, and the scalar tags by which runs are compared. Call it once, at
-- the beginning; `finish` tells how the run ended.
-- @param hparams {name = number | boolean | string}
-- @param metrics list of tags (optional)
-- @param group   runs of one group are one row (optional)
function Writer:hparams(hparams, metrics, group)
  local now = self.clock()
  if metrics then self:record(encode.experiment(hparams, metrics, now)) end
  self:record(encode.session_start(hparams, group, now))
end

--- Records the end of the run for the hparams page: "success", "failure", "running" or "unknown".
function Writer:finish(status)
  if not STATUS[status] then core.fail("tensorboard: no status is called '%s'", tostring(status)) end
  self:record(encode.session_end(status, self.clock()))
end

--- Puts everything on the disk and closes the file.
function Writer:close()
  if self.handle == nil then return end
  local handle = ffi.gc(self.handle, nil)
  self.handle = nil
  check(C.lt_appender_close(handle))
end

return tensorboard
