--- lt.export: models for programs other than luatrain.
--
--   lt.export.rtneural(model, "amp.json")       JSON that RTNeural loads in a C++ plugin
--   lt.export.check "amp.json"                  plays its examples again: the worst difference
--   lt.export.network "amp.json"                the network in the file, one frame at a time
--   model:save "amp.safetensors"                the weights alone, with PyTorch's names
--
-- What RTNeural calls a frame is the list of numbers that go in at one time step.
local replay = require "luatrain.export.replay"

local export = {
  rtneural = require("luatrain.export.rtneural").write,
  check = replay.check,
  network = replay.open,
}

return export
