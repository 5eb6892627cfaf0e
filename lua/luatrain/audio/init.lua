--- lt.audio: sound files, resampling, and what is computed from signals.
--
--   local x, rate = lt.audio.load("song.flac", { sample_rate = 22050, mono = true })  -- (T)
--   local m = lt.audio.log_mel(x, { sample_rate = rate, form = "db" })                -- (128, frames)
--
-- Signals are f32 tensors between -1 and 1: (T), or (..., T) with any leading dimensions.
local audio = {}

local FILES = { "augment", "chroma", "cqt", "distances", "fbank", "file", "filters", "mel_augment",
  "resample", "spectra",
  "stretch" }
for _, name in ipairs(FILES) do
  for key, value in pairs(require("luatrain.audio." .. name)) do audio[key] = value end
end

return audio
