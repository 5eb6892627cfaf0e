-- The forward pass of an Audio Spectrogram Transformer of the published size (86 million parameters) for one
-- window of 1024 frames.
package.path = "tests/?.lua;" .. package.path
local lt = require "luatrain"
local timing = require "bench.timing"

lt.manual_seed(1)
local net, x = lt.nn.ast():eval(), lt.randn(1, 1024, 128)

timing.result("ast_base", timing.median(7, lt.no_grad, lt.scope, net.forward, net, x))
