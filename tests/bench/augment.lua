-- Augmentation of 10 s at 16 kHz on one thread: seconds for each second of audio, medians of 15 runs.
package.path = "tests/?.lua;" .. package.path
local lt = require "luatrain"
local timing = require "bench.timing"
local audio = lt.audio

local RATE, SECONDS = 16000, 10
lt.threads(1)
lt.manual_seed(1)
local x = lt.randn(RATE * SECONDS) * 0.1
local mel = lt.randn(128, 100 * SECONDS)

local rows = {
  { "time_stretch", function() audio.time_stretch(x, 1.1) end },
  { "pitch_shift", function() audio.pitch_shift(x, 1.5) end },
  { "noise", function() audio.noise(x, { 10, 30 }) end },
  { "gain", function() audio.gain(x, { -6, 6 }) end },
  { "reverb", function() audio.reverb(x, RATE) end },
  { "spec_augment", function() audio.spec_augment(mel, { freq_width = 20, time_width = 40 }) end },
}
for _, row in ipairs(rows) do
  timing.result("augment_" .. row[1], timing.median(15, lt.scope, row[2]) / SECONDS)
end
