-- Log-mel pictures of sounds, and the precompute-mels command that puts those of a whole file beside its
-- audio: features/mel_spectrogram [N, 1, 128, frames], not compressed, one picture a chunk, so that shuffled
-- reading is one read a picture.
--
-- The pictures are made in shards of 512 sounds, whole or absent, in the folder FILE.mels; at the end the
-- file is written anew with them and takes the old one's place. A killed command goes on where it
-- was.

local failure = require "luatrain.failure"
local hdf5 = require "luatrain.data.hdf5"
local fs = lt.fs

local mels = {}

local NAME = "features/mel_spectrogram"
local SHARD, BATCH = 512, 64

--- Settings of the pictures of sounds of a space.
function mels.settings(space)
  return { sample_rate = space.sample_rate, n_fft = 2048, hop = 512, n_mels = 128, fmin = 20,
    fmax = math.min(16000, space.sample_rate / 2) }
end

--- Log-mel of sounds (B, T): (B, 1, 128, frames). settings: as above or as a checkpoint holds them.
function mels.of(x, settings)
  local o = { form = "log1p" }
  for key, value in pairs(settings) do o[key] = value end
  return lt.audio.log_mel(x, o):unsqueeze(2):contiguous()
end

--- Raises where an open file has no pictures, or other than belong to it.
function mels.check(opened)
  local file = opened.file
  if not file:has(NAME) then
    failure.raise("data", "%s: has no data set '%s'; run `luatrain run inversion precompute-mels -d %s`",
      opened.path, NAME, opened.path)
  end
  local shape = file:dataset(NAME).shape
  if #shape ~= 4 or shape[1] ~= opened.count or shape[2] ~= 1 or shape[3] ~= 128 then
    failure.raise("data", "%s: '%s' is (%s), wanted (%d, 1, 128, frames)", opened.path, NAME,
      table.concat(shape, ", "), opened.count)
  end
end

--- Pictures as the model takes them: log(1 + gain * mel) in place of log(1 + mel), which shows what is soft,
-- less the mean, over the deviation. scale: {gain, mean, deviation}.
function mels.scaled(x, scale)
  if scale.gain ~= 1 then x = (x:expm1() * scale.gain):log1p() end
  return (x - scale.mean) * (1 / scale.deviation)
end

--- The scale of the pictures of up to 256 samples of a data set: {gain, mean, deviation}.
function mels.statistics(set, gain, seed)
  local sample = set:shuffle(seed):take(256)
  local sum, squares, n = 0, 0, 0
  for i = 1, sample:size() do
    lt.scope(function()
      local mel = mels.scaled(sample:get(i).mel, { gain = gain, mean = 0, deviation = 1 })
      sum, squares, n = sum + mel:mean():item(), squares + (mel * mel):mean():item(), n + 1
    end)
  end
  local mean = sum / n
  return { gain = gain, mean = mean, deviation = math.sqrt(math.max(squares / n - mean * mean, 1e-8)) }
end

-- Pictures of the rows first .. first + count - 1 of the audio.
local function shard_of(audio, settings, first, count)
  local parts = {}
  for at = 0, count - 1, BATCH do
    parts[#parts + 1] = lt.scope(function()
      return mels.of(audio:read(first + at, math.min(BATCH, count - at)), settings)
    end)
  end
  return #parts == 1 and parts[1] or lt.cat(parts, 1)
end

local function frames_of(samples, settings) return 1 + math.floor(samples / settings.hop) end

-- Makes what is missing of the shards.
local function fill(shards, audio, settings, count, line)
  local total, started, made = math.ceil(count / SHARD), lt.time(), 0
  for i = 1, total do
    if not shards:has(i) then
      lt.scope(function()
        local first = (i - 1) * SHARD + 1
        local pictures = shard_of(audio, settings, first, math.min(SHARD, count - first + 1))
        shards:write(i, function(w) w:tensor("mel", pictures) end)
      end)
      made = made + 1
      if made % 8 == 0 or i == total then
        line("mels: %d of %d sounds, %.0f s", math.min(i * SHARD, count), count, lt.time() - started)
      end
    end
  end
  return total
end

-- Writes the file anew with the pictures of the shards.
local function assemble(path, shards, total, shape)
  hdf5.extend(path, function(w)
    local sink = w:dataset(NAME, { shape = shape, dtype = "f32", chunk = { 1, 1, shape[3], shape[4] } })
    for i = 1, total do
      lt.scope(function()
        local shard = shards:open(i)
        local set = shard:dataset "mel"
        sink:append(set:read(1, set.shape[1]))
        shard:close()
      end)
    end
  end)
end

--- Settings of the command.
mels.config = {}

--- Runs the command.
function mels.run(config, context)
  local data = require "inversion_data"
  local opened = data.open(config.data)
  local settings, count = mels.settings(opened.space), opened.count
  local file = opened.file
  if not file:has "audio" then failure.raise("data", "%s: has no data set 'audio'", config.data) end
  local audio = file:dataset "audio"
  if #audio.shape ~= 2 or audio.shape[1] ~= count then
    failure.raise("data", "%s: 'audio' is (%s), wanted (%d, samples)", config.data,
      table.concat(audio.shape, ", "), count)
  end
  local shape = { count, 1, settings.n_mels, frames_of(audio.shape[2], settings) }
  if file:has(NAME) then
    mels.check(opened)
    context:line("%s: its pictures are there already", config.data)
    file:close()
    return
  end
  local folder = config.data .. ".mels"
  local shards = hdf5.shards(folder, { file = data.fingerprint(opened), samples = audio.shape[2],
    sample_rate = settings.sample_rate, n_fft = settings.n_fft, hop = settings.hop, n_mels = settings.n_mels,
    fmin = settings.fmin, fmax = settings.fmax, shard = SHARD })
  local total = fill(shards, audio, settings, count, function(...) context:line(...) end)
  file:close()
  assemble(config.data, shards, total, shape)
  fs.remove_tree(folder)
  context:line("%s: %s added, %d pictures of %d x %d", config.data, NAME, count, shape[3], shape[4])
end

return mels
