-- One training step of the inversion model with conv1 to layer2 frozen, and its evaluation: log-mel pictures
-- (32, 1, 128, 173) in, 62 continuous parameters and 20 categorical ones out, masked loss, AdamW with
-- clipping.
-- luatrain tests/bench/inversion.lua [f32|bf16] [steps] [profile]
package.path = "tests/?.lua;recipes/inversion/?.lua;" .. package.path
local lt = require "luatrain"
local timing = require "bench.timing"
local Model, objective, space = require "inversion_model", require "inversion_loss", require "inversion_space"

local dtype, steps, profile = arg[1], tonumber(arg[2]) or 10, arg[3]

if not dtype then  -- both, each in a process of its own
  timing.each({ "f32", "bf16" }, steps)
  return
end

local CONTINUOUS, CATEGORICAL, BATCH = 62, 20, 32

local function parameters(n, on)
  local part = { names = {}, groups = {}, learnable = {}, switches = {}, minimum = {}, maximum = {},
    options = {} }
  for i = 1, n do
    part.names[i], part.groups[i], part.learnable[i], part.switches[i] = on .. i, "group", 1, ""
    part.minimum[i], part.maximum[i], part.options[i] = 0, 1, { "a", "b", "c", "d" }
    if i % 2 == 0 then part.switches[i] = "k1" end
  end
  return part
end

lt.manual_seed(1)
local about = space.from_facts { continuous = parameters(CONTINUOUS, "c"),
  categorical = parameters(CATEGORICAL, "k") }
local model = Model(CONTINUOUS, about:option_counts(), { simple = true, dropout = 0.1 })
model:freeze_prefix()
model:train()
local goal = objective.new(about, nil, true)
local trained = {}
for _, p in ipairs(model:parameters()) do if p.requires_grad then trained[#trained + 1] = p end end
local optimizer = lt.optim.AdamW(trained, { lr = 1e-4, weight_decay = 1e-4 })
local batch = { mel = lt.randn(BATCH, 1, 128, 173), continuous = lt.rand(BATCH, CONTINUOUS),
  categorical = lt.randint(0, 4, { BATCH, CATEGORICAL }) }

local function run() return model(batch.mel) end

local function step()
  local value = lt.op.autocast(dtype, function()
    local found, scores = run()
    local continuous, categorical = objective.parts(goal, found, scores, batch)
    return continuous + categorical * 0.5
  end)
  local number = value:item()
  optimizer:zero_grad()
  value:backward()
  optimizer:step { max_norm = 1 }
  return number
end

local function evaluate()
  local found = lt.op.autocast(dtype, run)
  return found:sum():item()
end

if profile then
  lt.scope(step)
  print(lt.profile.text(lt.profile.measure(lt.scope, step)))
end
timing.result("inversion_step_" .. dtype, timing.median(steps, lt.scope, step))
model:eval()
if profile then print(lt.profile.text(lt.profile.measure(lt.no_grad, lt.scope, evaluate))) end
timing.result("inversion_evaluate_" .. dtype, timing.median(steps, lt.no_grad, lt.scope, evaluate))
