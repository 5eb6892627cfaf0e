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

local core = require "luatrain.core"
local Module = require "luatrain.nn.module"

local nn = {
  Module = Module, class = Module.class, Parameter = Module.Parameter,
  init = require "luatrain.nn.initialize",
}

-- Every other file here brings layers or functions under their names.
local helpers = { module = true, chain = true, options = true, initialize = true }
for _, name in ipairs(core.modules "luatrain.nn.") do
  if not helpers[name:match "[^.]+$"] then
    for key, value in pairs(require(name)) do
      if nn[key] ~= nil then error("two files of luatrain.nn bring " .. key) end
      nn[key] = value
    end
  end
end

return nn
