--- lt.nn: modules for building models, with PyTorch's names, arguments and state_dict.
--
--   local nn = lt.nn
--   local model = nn.Sequential(
--     nn.Conv2d(1, 16, 3, {padding = 1}), nn.BatchNorm2d(16), nn.ReLU(),
--     nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
--   print(nn.summary(model, {1, 1, 64, 64}))
--   model:save "model.safetensors"                 -- torch loads it by name, and the other way
--
-- A model of one's own is a class with init and forward; see nn.class. Sizes are positional, further
-- options a table with PyTorch's argument names. Dimensions count from 1.

local Module = require "luatrain.nn.module"

local nn = {
  Module = Module, class = Module.class, Parameter = Module.Parameter,
  init = require "luatrain.nn.initialize",
}

for _, family in ipairs { "container", "linear", "activation", "dropout", "conv", "pool", "norm",
  "recurrent", "position", "attention", "transformer", "conformer", "resnet", "summary", "checkpoint",
  "ema" } do
  for name, value in pairs(require("luatrain.nn." .. family)) do nn[name] = value end
end

return nn
