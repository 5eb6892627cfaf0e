-- What the encoder-decoder hears with. An ear is a table of
--
--     encoder             the module; its parameters are the model's `encoder`
--     width               of its result's rows
--     times               a list: the second of the window that each row is about; false: about none
--     spread              deviation of the weights that its result is multiplied by at first
--     said(kind, key)     the first and last of a row's numbers, from 0, that say that key begins ("on") or
--                         ends ("off"); nil where a row does not tell
--     pictures(x)         what the encoder takes, of a batch of what `listen` gave
--     run(x)              (B, #times, width) of that
--     load(path, given)   takes weights that were trained elsewhere
--
-- and ears.listen(name, ...) reads what it hears of a sound file.

local bands = require "transcription_bands"
local checkpoint = require "luatrain.train.checkpoint"
local FramesModel = require "transcription_frames"
local notes = require "transcription_notes"
local runs = require "luatrain.train.run"
local nn = lt.nn

local ears = {}

local SAMPLE_RATE = 16000

-- ---- an Audio Spectrogram Transformer -----------------------------------------------------------

-- A small one; each of its defaults may be changed, and Hugging Face's sizes are {hidden_size = 768,
-- num_hidden_layers = 12, num_attention_heads = 12, intermediate_size = 3072, frequency_stride = 10,
-- time_stride = 10}.
local SMALL = { hidden_size = 256, num_hidden_layers = 4, num_attention_heads = 8, intermediate_size = 1024,
  frequency_stride = 16, time_stride = 12 }

-- Seconds of the patches' middles, after two rows that are about none: frames of 10 ms, patches of 16.
local function patch_times(encoder, stride)
  local times, grid = { false, false }, encoder._grid
  for _ = 1, grid[1] do
    for k = 0, grid[2] - 1 do times[#times + 1] = (k * stride + 8) * 0.01 end
  end
  return times
end

--- Hears lt.audio.ast_features: a frame of 25 ms each 10 ms.
function ears.ast(seconds, o)
  local frames = math.floor((seconds * SAMPLE_RATE - 400) / 160) + 1
  local sizes = { max_length = frames, num_mel_bins = o.n_mels }
  for _, given in ipairs { SMALL, o.encoder } do
    for name, value in pairs(given) do sizes[name] = value end
  end
  local encoder = nn.ast(sizes)
  local function pictures(sound)
    local missing = math.ceil(seconds * SAMPLE_RATE) - sound:size(2)
    if missing > 0 then sound = lt.pad(sound, { 0, missing }) end
    return lt.audio.ast_features(sound, { max_length = frames, n_mels = o.n_mels })
  end
  return { encoder = encoder, width = sizes.hidden_size, times = patch_times(encoder, sizes.time_stride),
    spread = sizes.hidden_size ^ -0.5, pictures = pictures, run = function(x) return (encoder(x)) end,
    load = function(path, given) encoder:load_pretrained(path, given) end }
end

-- Samples of a sound file from a time on, silence behind its end.
local function sound(path, seconds)
  local info, wanted = lt.audio.info(path), math.floor(seconds * SAMPLE_RATE + 0.5)
  return function(start)
    local offset = math.floor(start * info.sample_rate + 0.5)
    local frames = math.min(math.ceil(wanted * info.sample_rate / SAMPLE_RATE), info.frames - offset)
    if frames < 1 then return lt.zeros(wanted) end
    local x = lt.audio.load(path,
      { offset = offset, frames = frames, mono = true, sample_rate = SAMPLE_RATE })
    if x:size(1) >= wanted then return x:narrow(1, 1, wanted) end
    return lt.cat({ x, lt.zeros(wanted - x:size(1)) }, 1)
  end
end

-- ---- the frame-wise model -----------------------------------------------------------------------

--- Hears the levels of transcription_bands.lua; rows are each key's probability of onset, its velocity if it
-- begins, and its probabilities of frame and offset.
function ears.frames(seconds, o)
  local encoder, times = FramesModel(o.encoder), {}
  for row = 1, math.floor(seconds / bands.row_seconds + 0.5) do times[row] = (row - 1) * bands.row_seconds end
  return { encoder = encoder, width = 4 * notes.keys, times = times,
    pictures = function(levels) return levels:to "f32" end,
    spread = 0.3, said = function(kind, key)
      if kind == "on" then return 4 * key, 4 * key + 1 end
      return 4 * key + 3, 4 * key + 3
    end,
    run = function(x)
      local y = encoder(x):sigmoid()
      local onset, velocity = y:narrow(4, 1, 1), y:narrow(4, 4, 1)
      return lt.cat({ onset, velocity * onset, y:narrow(4, 2, 2) }, 4):flatten(3)
    end,
    load = function(path) checkpoint.evaluate(runs.best_checkpoint(path), encoder) end }
end

local function levels(source, seconds)
  local rows = math.floor(seconds / bands.row_seconds + 0.5)
  return function(start) return source.read(math.floor(start / bands.row_seconds + 0.5), rows) end
end

--- What an ear hears of a sound file: a function of the second that a window begins at.
-- @param name "ast" or "frames"
-- @param seconds of a window
-- @param source frames: rows of the file that are at hand (bands.open); nil: they are computed
function ears.listen(name, path, seconds, source)
  if name == "frames" then return levels(source or bands.of_file(path), seconds) end
  return sound(path, seconds)
end

--- Seconds that windows begin at are multiples of this.
ears.grain = bands.row_seconds

return ears
