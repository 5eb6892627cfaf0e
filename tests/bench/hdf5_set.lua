-- What hdf5.lua and its peers read: files like those of the inversion recipe, made once below
-- build/bench-data, and the data sets over them (also for the loader's workers).
local lt = require "luatrain"
local fs = require "luatrain.fs"

local bench = {
  folder = "build/bench-data",
  mels = "build/bench-data/mels.h5",    -- (4000, 1, 128, 173) f32, a chunk a row, no filter: 354 MB
  audio = "build/bench-data/audio.h5",  -- (762, 88200) f32, gzip, chunks of 127 rows (45 MB): 269 MB
  rows = 4000, sounds = 762, rate = 44100,
}

-- Two decaying tones and a little noise, another for each row.
local function sound(i)
  local t = lt.arange(0, 88200):to "f32" * (1 / bench.rate)
  local function tone(frequency) return (t * (2 * math.pi * frequency)):sin() end
  return ((tone(110 * 1.013 ^ i) + tone(331 * 1.007 ^ i) * 0.5) * (t * -2):exp() * 0.4
    + (lt.rand(88200) - 0.5) * 0.001):reshape(1, 88200)
end

--- Makes the files that are missing.
function bench.make()
  fs.mkdir(bench.folder)
  lt.manual_seed(1)
  if not fs.is_file(bench.mels) then
    lt.data.hdf5.write(bench.mels, function(w)
      local sink = w:dataset("features/mel_spectrogram",
        {shape = {bench.rows, 1, 128, 173}, chunk = {1, 1, 128, 173}})
      for _ = 1, bench.rows, 100 do lt.scope(function() sink:append(lt.rand(100, 1, 128, 173)) end) end
    end)
  end
  if not fs.is_file(bench.audio) then
    lt.data.hdf5.write(bench.audio, function(w)
      local sink = w:dataset("audio", {shape = {bench.sounds, 88200}, chunk = {127, 88200}, gzip = 4})
      for i = 1, bench.sounds do lt.scope(function() sink:append(sound(i)) end) end
    end)
  end
end

--- The data set "mels" or "audio" (with log-mel, as for training straight from audio).
function bench.data(arguments)
  if arguments.part == "mels" then
    return lt.data.hdf5.table(bench.mels, {fields = {mel = "features/mel_spectrogram"}})
  end
  local mel = lt.audio.Mel {sample_rate = bench.rate, n_fft = 2048, hop = 512, n_mels = 128, form = "log1p"}
  return lt.data.hdf5.table(bench.audio, {fields = {audio = "audio"}, window = 2})
    :map(function(sample) return {mel = mel(sample.audio)} end)
end

return bench
