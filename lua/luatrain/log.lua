--- lt.log: numbers, distributions, pictures, sounds and texts of a run, for TensorBoard and as files.
--
--   local log = lt.log.open "runs/try"
--   log:scalar("train/loss", 0.5, step)
--   log:scalars({["val/loss"] = 0.6, lr = 1e-4}, step)
--   log:histogram("layer1.weight", model.layer1.weight, step)
--   log:image("mel", mel, step)                              -- (H, W) or (C, H, W): floats 0..1, or u8
--   log:audio("audio/target_1", samples, step, 44100)        -- also runs/try/audio/target_1-STEP.wav
--   log:text("notes", "*Markdown*", step)
--   log:hparams({lr = 1e-4, opt = "adam"}, {"val/loss"})
--   log:close()
--
-- Steps are whole numbers from 0 that grow within a tag. Inside a recipe the trainer's own log is at
-- hand: see recipe.after_epoch in luatrain.recipe.
local ffi = require "ffi"
local core = require "luatrain.core"
local fs = require "luatrain.fs"
local tensorboard = require "luatrain.tensorboard"
local C, check = core.C, core.check

local log = {}

local Log = {}
Log.__index = Log

--- Opens an event file in a folder, which is made where it is missing.
function log.open(folder)
  return log.over(tensorboard.writer(folder), folder)
end

--- A log over a TensorBoard writer that is open; files go below `folder`. Closing it closes the writer.
function log.over(writer, folder)
  return setmetatable({ writer = writer, folder = folder }, Log)
end

for _, name in ipairs { "scalar", "scalars", "histogram", "text", "hparams", "finish" } do
  Log[name] = function(self, ...) return self.writer[name](self.writer, ...) end
end

-- Elements of a tensor as doubles, row-major, from 0.
local function doubles(t)
  local values = ffi.new("double[?]", math.max(1, t:numel()))
  check(C.lt_tensor_to_doubles(values, t.c))
  return values
end

-- Height, width, channels of (H, W) or (C, H, W).
local function sizes_of(t)
  if t:dim() == 2 then return t:size(1), t:size(2), 1 end
  if t:dim() == 3 and t:size(1) <= 4 then return t:size(2), t:size(3), t:size(1) end
  core.fail("log.image: the picture is %s, wanted (H, W) or (C, H, W) with 1 to 4 channels", t:shape_text())
end

--- The bytes of a PNG file with the picture t: (H, W) or (C, H, W), floats from 0 to 1 or u8; 1
-- channel is grey, 2 grey and alpha, 3 RGB, 4 RGBA. Row 1 is the top.
function log.png(t)
  local height, width, channels = sizes_of(t)
  local values, scale = doubles(t), t:dtype() == "u8" and 1 or 255
  local pixels, plane = ffi.new("uint8_t[?]", t:numel()), height * width
  for c = 0, channels - 1 do
    for i = 0, plane - 1 do
      local v = values[c * plane + i] * scale
      if v ~= v then v = 0 end
      pixels[i * channels + c] = math.floor(math.min(math.max(v, 0), 255) + 0.5)
    end
  end
  local bytes = tonumber(C.lt_png_bytes(width, height, channels))
  local out = ffi.new("char[?]", math.max(1, bytes))
  check(C.lt_png_encode(out, bytes, pixels, width, height, channels))
  return ffi.string(out, bytes)
end

local function little(value, bytes)
  local text = {}
  for i = 1, bytes do
    text[i] = string.char(value % 256)
    value = math.floor(value / 256)
  end
  return table.concat(text)
end

--- The bytes of a WAV file (16 bits) with the sound x: (T), or (C, T) of C channels, from -1 to 1;
-- what lies outside is clipped.
function log.wav(x, rate)
  if x:dim() < 1 or x:dim() > 2 then
    core.fail("log.audio: the sound is %s, wanted (T) or (C, T)", x:shape_text())
  end
  local channels = x:dim() == 2 and x:size(1) or 1
  local values, n = doubles(x), x:size(-1)
  local samples = ffi.new("int16_t[?]", math.max(1, n * channels))
  for c = 0, channels - 1 do
    for i = 0, n - 1 do
      local v = values[c * n + i]
      if v ~= v then v = 0 end
      samples[i * channels + c] = math.floor(math.min(math.max(v, -1), 1) * 32767 + 0.5)
    end
  end
  local bytes = n * channels * 2
  return "RIFF" .. little(36 + bytes, 4) .. "WAVEfmt " .. little(16, 4) .. little(1, 2)
    .. little(channels, 2) .. little(rate, 4) .. little(rate * channels * 2, 4) .. little(channels * 2, 2)
    .. little(16, 2) .. "data" .. little(bytes, 4) .. ffi.string(samples, bytes)
end

--- A picture: a tensor as log.png takes it, or the bytes of a PNG file.
function Log:image(tag, picture, step)
  self.writer:image(tag, type(picture) == "string" and picture or log.png(picture), step)
end

--- A sound x, (T) or (C, T), of `rate` samples a second: to TensorBoard, and to
-- FOLDER/audio/NAME-STEP.wav, NAME being the tag after its last slash. Returns the file's path.
function Log:audio(tag, x, step, rate)
  if type(rate) ~= "number" then core.fail("log.audio: give the sample rate of %s", tostring(tag)) end
  local wav = log.wav(x, rate)
  self.writer:audio(tag, wav, step)
  local name = tostring(tag):match "[^/]*$":gsub("[^%w_.-]", "_")
  local path = fs.join(fs.mkdir(fs.join(self.folder, "audio")), ("%s-%d.wav"):format(name, step))
  fs.write(path, wav)
  return path
end

--- Puts everything on the disk and closes the file.
function Log:close() self.writer:close() end

return log
