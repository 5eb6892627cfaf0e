-- Log-mel of 36 clips of 10 s at 22050 Hz: n_fft 2048, hop 512, 128 Slaney mels, log1p, in seconds
-- per hour of audio on one thread (on `luatrain tests/bench/logmel.lua N`: on N threads).
local lt = require "luatrain"

local CLIPS, RATE, SECONDS = 36, 22050, 10
lt.threads(tonumber(arg and arg[1]) or 1)

local x = lt.Tensor.empty { CLIPS, RATE * SECONDS }
local p, state = x:data(), 12345
for i = 0, x:numel() - 1 do
  state = (state * 1664525 + 1013904223) % 4294967296
  p[i] = state / 4294967296 - 0.5
end
local mel = lt.audio.Mel { sample_rate = RATE, form = "log1p" }

local times = {}
for round = 1, 8 do
  local start = lt.time()
  lt.scope(function() mel(x) end)
  if round > 1 then times[#times + 1] = lt.time() - start end
end
table.sort(times)
local value = times[4] * 3600 / (CLIPS * SECONDS)
for _, peer in ipairs { "torchaudio", "librosa" } do
  print(("RESULT name=logmel_%s value=%.4f unit=s"):format(peer, value))
end
