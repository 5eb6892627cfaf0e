-- One sample through each of the five models of a musician's plugin (tests/export_models.lua), in evaluation.
-- luatrain tests/bench/latency.lua [runs]
package.path = "tests/?.lua;" .. package.path
local lt = require "luatrain"
local timing = require "bench.timing"
local inputs = { emotion = 128, melody = 64, harmony = 128, dynamics = 32, groove = 64 }

for _, one in ipairs(require("export_models").five()) do
  local model, n = one.model:eval(), inputs[one.name]
  local x = (one.name == "emotion" or one.name == "melody") and lt.randn(1, 1, n) or lt.randn(1, n)
  local function sample() model(x) end
  timing.result("latency_" .. one.name, lt.no_grad(timing.median, tonumber(arg and arg[1]) or 5000, lt.scope,
    sample))
end
