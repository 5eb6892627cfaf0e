-- Seconds of one core for a second of the built-in synthesizer's sound at 44.1 kHz (0.01: 100 times real
-- time): with everything on and the matrix at work, at tier 1 with everything on, and of random presets.
package.path = "tests/?.lua;" .. package.path
local lt = require "luatrain"
local timing = require "bench.timing"

lt.threads(1)
local s = lt.synthesizer.open "builtin"
local SOUNDS, SECONDS = 24, 2

-- The most expensive choice everywhere: seven voices, ladders, pink noise, folding.
local function everything(matrix)
  local values = {}
  for _, p in ipairs(s.parameters) do
    if p.name:find "_on$" then values[p.name] = "on"
    elseif p.name:find "_unison$" then values[p.name] = "7"
    elseif p.name:find "^filter_._model" then values[p.name] = "ladder"
    elseif p.name:find "^mod_._source" then
      values[p.name] = matrix and "lfo_" .. p.name:match "%d" % 4 + 1 or "none"
    elseif p.name:find "^mod_._target" then values[p.name] = p.options[4 * p.name:match "%d"]
    elseif p.name:find "^mod_._amount" then values[p.name] = 0.3
    elseif p.kind == "continuous" and p.curve ~= "integer" then
      values[p.name] = p.minimum + 0.6 * (p.maximum - p.minimum)
    end
  end
  values.noise_colour, values.distortion_type = "pink", "fold"
  local preset = s:preset(values)
  return preset.continuous:reshape(1, -1):tile(SOUNDS, 1):contiguous(),
    preset.categorical:reshape(1, -1):tile(SOUNDS, 1):contiguous()
end

local function measure(name, continuous, categorical)
  local seconds = timing.median(3, lt.scope, function()
    s:render_batch(continuous, categorical, { 48 }, { seconds = SECONDS })
  end)
  timing.result(name, seconds / (SOUNDS * SECONDS))
end

measure("synthesizer_matrix", everything(true))
measure("synthesizer_all", everything(false))
measure("synthesizer_random", s:random_batch(1, 1, SOUNDS))
