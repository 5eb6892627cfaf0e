-- One training step of ResNet-18 on spectrograms: one channel, 1000 classes, batch (32, 1, 128, 173),
-- cross-entropy, AdamW; f32, and bf16 by autocast; the peak resident memory of each.
-- luatrain tests/bench/resnet18.lua [f32|bf16] [steps] [profile]
package.path = "tests/?.lua;" .. package.path
local lt = require "luatrain"
local timing = require "bench.timing"

local dtype, steps, profile = arg[1], tonumber(arg[2]) or 10, arg[3]

if not dtype then  -- both, each in a process of its own, so that its memory is its own
  timing.each({ "f32", "bf16" }, steps)
  return
end

lt.manual_seed(1)
local model = lt.nn.resnet18 { in_channels = 1 }
local optimizer = lt.optim.AdamW(model:parameters(), { lr = 1e-3 })
local x, target = lt.randn(32, 1, 128, 173), lt.randint(0, 1000, { 32 })

local function objective()
  return lt.loss.cross_entropy(model(x):cast("f32"), target)
end

local function step()
  local loss = dtype == "bf16" and lt.op.autocast("bf16", objective) or objective()
  optimizer:zero_grad()
  loss:backward()
  optimizer:step()
  return loss:item()
end

timing.result("resnet18_" .. dtype, timing.median(steps, lt.scope, step))
if profile then print(lt.profile.text(lt.profile.measure(lt.scope, step))) end
for line in io.lines "/proc/self/status" do
  local peak = line:match "^VmHWM:%s+(%d+) kB"
  if peak then
    print(("RESULT name=resnet18_%s_memory value=%.1f unit=MiB"):format(dtype, peak / 1024))
  end
end
