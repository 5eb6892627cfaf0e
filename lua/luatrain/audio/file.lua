--- Sound files: load, save, info; through libsndfile (WAV, AIFF, FLAC, OGG, MP3 and more).
local ffi = require "ffi"
local core = require "luatrain.core"
local options = require "luatrain.options"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

local file = {}

local info_type, rate_type = ffi.typeof "lt_sound_info", ffi.typeof "int32_t[1]"

local function check_path(what, path)
  if type(path) ~= "string" then core.fail("%s: the path is a %s, wanted a string", what, type(path)) end
end

--- What a sound file holds, without reading its samples: { sample_rate (Hz), channels, frames,
-- duration (s), format, encoding }. frames and duration are nil where only decoding would tell.
function file.info(path)
  check_path("audio.info", path)
  local info = info_type()
  check(C.lt_sound_read_info(info, path))
  local frames = tonumber(info.frames)
  if frames < 0 then frames = nil end
  return { sample_rate = info.rate, channels = info.channels, frames = frames,
    duration = frames and frames / info.rate, format = ffi.string(info.format),
    encoding = ffi.string(info.encoding) }
end

local load_options = { sample_rate = true, mono = true, offset = true, frames = true }

local function count_of(name, value, least)
  if value == nil then return nil end
  if type(value) ~= "number" or value % 1 ~= 0 or value < least then
    core.fail("audio.load: %s is %s, wanted a whole number from %d", name, tostring(value), least)
  end
  return value
end

--- Loads a sound file: tensor, rate. The tensor is (C, T), or (T) with mono = true, f32; samples of
-- integer files lie between -1 and 1.
-- o.mono: mean of the channels. o.offset: frames of the file to pass over (0); o.frames: frames of
-- the file to read at most (all). o.sample_rate: resample to this rate (Hz) after reading; the rate
-- returned is then this one.
-- Errors (one sentence with the file's name): missing, a directory, empty, cut off, not a sound
-- file, samples that are not numbers.
-- Example: local x, rate = lt.audio.load("song.mp3", { sample_rate = 22050, mono = true })
function file.load(path, o)
  check_path("audio.load", path)
  o = options.check("audio.load", o, load_options)
  local offset = count_of("offset", o.offset, 0) or 0
  local frames = count_of("frames", o.frames, 1) or -1
  local c, rate = ffi.new "lt_tensor", rate_type()
  check(C.lt_sound_load(c, rate, path, offset, frames, o.mono and true or false))
  local x, sample_rate = Tensor.wrap(c), rate[0]
  if o.sample_rate and o.sample_rate ~= sample_rate then
    return require("luatrain.audio.resample").resample(x, sample_rate, o.sample_rate), o.sample_rate
  end
  return x, sample_rate
end

local save_options = { format = true, encoding = true, quality = true }

--- Saves x, (T) or (C, T), as a sound file, at once: a reader sees the old file or the new one, and a
-- full disk leaves nothing behind.
-- sample_rate in Hz. o.format: "wav", "flac", "ogg", "aiff", "w64", "rf64", "caf"; by default the
-- path's extension. o.encoding: "pcm16" (default), "pcm24", "pcm32", "float", "vorbis" (ogg's).
-- o.quality: of vorbis, 0 to 1. Samples beyond -1 and 1 are clipped in integer encodings.
function file.save(path, x, sample_rate, o)
  check_path("audio.save", path)
  o = options.check("audio.save", o, save_options)
  if not Tensor.is_tensor(x) then core.fail("audio.save: the signal is a %s, wanted a tensor", type(x)) end
  if type(sample_rate) ~= "number" or sample_rate % 1 ~= 0 then
    core.fail("audio.save: sample_rate is %s, wanted a whole number of Hz", tostring(sample_rate))
  end
  check(C.lt_sound_save(path, x.c, sample_rate, o.format, o.encoding, o.quality or -1))
end

return file
