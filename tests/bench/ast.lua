-- The forward pass of an Audio Spectrogram Transformer of the published size (86 million parameters) for one
-- window of 1024 frames.
local lt = require "luatrain"

lt.manual_seed(1)
local net, x = lt.nn.ast():eval(), lt.randn(1, 1024, 128)

local times = {}
for i = 1, 8 do
  local start = lt.time()
  lt.no_grad(lt.scope, function() net(x) end)
  times[i] = lt.time() - start
end
table.remove(times, 1)
table.sort(times)
print(("RESULT name=ast_base value=%.6f unit=s"):format(times[4]))
