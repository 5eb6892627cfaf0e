-- Hears the mood of music: 128 mel bands of half a second in, the mood's code of 64 numbers out.
--
-- Frames: log-mel in dB, 128 bands up to 11 kHz, means of 22 columns of 512 samples at 22050 Hz. Targets: the
-- code of the piece's valence and arousal (musician_mood), the same at each frame.

local failure = require "luatrain.failure"
local mood = require "musician_mood"
local nn = lt.nn

local RATE, HOP, COLUMNS = 22050, 512, 22

local function layers()
  return { nn.Linear(128, 512), nn.Tanh(), nn.Linear(512, 256), nn.Tanh(),
    nn.LSTM(256, 128, { batch_first = true }), nn.Linear(128, 64), nn.Tanh() }
end

local function read(entry, c, variant)
  local x = lt.audio.load(entry.audio, { sample_rate = RATE, mono = true })
  x = x:narrow(1, 1, math.min(x:size(1), math.floor(c.seconds * RATE)))
  local feature = lt.audio.Mel { sample_rate = RATE, hop = HOP, n_mels = 128, form = "db", top_db = 80 }
  local mel = feature(x)
  if variant > 0 then
    local o = { generator = lt.generator(c.seed, variant, math.floor(lt.data.name_share(entry.id) * 2 ^ 31)) }
    mel = lt.audio.mel_time_stretch(lt.audio.mel_pitch_shift(mel, { -4, 4 }, feature, o), { 0.9, 1.1 }, o)
  end
  local frames = math.floor(mel:size(2) / COLUMNS)
  if frames < 1 then failure.raise("data", "%s: shorter than half a second", entry.audio) end
  x = mel:narrow(2, 1, frames * COLUMNS):reshape(128, frames, COLUMNS):mean(3):t():contiguous()
  return x, lt.tensor({ mood.code(entry.mood, 64) }, "f32"):expand(frames, 64):contiguous()
end

-- Mixes each window with another one, moods too; moves bands by up to 4, filters, and adds noise (in standard
-- deviations of the bands).
local function augment(x, y)
  local share, by, bands, regions = math.random(), math.random(-4, 4), {}, {}
  for k = 0, 127 do
    bands[k + 1], regions[k + 1] = math.max(0, math.min(127, k - by)), math.floor(k / 16)
  end
  x, y = x * share + x:flip(1) * (1 - share), y * share + y:flip(1) * (1 - share)
  local filter = lt.randn(x:size(1), 1, 8) * 0.4 + lt.randn(x:size(1), 1, 1) * 0.3
  return x:index_select(-1, lt.tensor(bands, "i64")) + filter:index_select(-1, lt.tensor(regions, "i64"))
    + lt.randn(x:size()) * 0.5, y
end

return require("musician_recipe").recipe {
  model_name = "emotion", summary = "Hears the mood of music",
  inputs = 128, outputs = 64, window = 32, hop = 16, variants = 4,
  loss = "mse", normalizer = "standard", learning_rate = 3e-4,
  layers = layers, read = read, augment = augment,
}
