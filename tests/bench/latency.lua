-- One sample through each of the five models of a musician's plugin (tests/export_models.lua), as nn.stream
-- runs them there: one frame after the other, on one thread.
-- luatrain tests/bench/latency.lua [runs]
package.path = "tests/?.lua;" .. package.path
local lt = require "luatrain"
local timing = require "bench.timing"

for _, one in ipairs(require("export_models").five()) do
  local stream = lt.nn.stream(one.model)
  local runs, x = tonumber(arg and arg[1]) or 20000, lt.randn(stream.inputs)
  timing.result("latency_" .. one.name, timing.median(runs, stream.step, stream, x), stream.precision)
end
