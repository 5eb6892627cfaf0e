-- Log-mel of 36 clips of 10 s at 22050 Hz: n_fft 2048, hop 512, 128 Slaney mels, log1p, in seconds
-- per hour of audio on one thread (on `luatrain tests/bench/logmel.lua N`: on N threads).
package.path = "tests/?.lua;" .. package.path
local lt = require "luatrain"
local timing = require "bench.timing"

local CLIPS, RATE, SECONDS = 36, 22050, 10
lt.threads(tonumber(arg and arg[1]) or 1)

local x = lt.Tensor.empty { CLIPS, RATE * SECONDS }
local p, state = x:data(), 12345
for i = 0, x:numel() - 1 do
  state = (state * 1664525 + 1013904223) % 4294967296
  p[i] = state / 4294967296 - 0.5
end
local mel = lt.audio.Mel { sample_rate = RATE, form = "log1p" }

local value = timing.median(7, lt.scope, function() mel(x) end) * 3600 / (CLIPS * SECONDS)
for _, peer in ipairs { "torchaudio", "librosa" } do timing.result("logmel_" .. peer, value) end
