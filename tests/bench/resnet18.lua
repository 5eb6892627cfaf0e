-- One training step of ResNet-18 on spectrograms: one channel, 1000 classes, batch (32, 1, 128, 173),
-- cross-entropy, AdamW; f32, and bf16 by autocast; the peak resident memory of each.
-- luatrain tests/bench/resnet18.lua [f32|bf16] [steps] [profile]
local lt = require "luatrain"
local core = require "luatrain.core"

local dtype, steps, profile = arg[1], tonumber(arg[2]) or 10, arg[3]

if not dtype then  -- both, each in a process of its own, so that its memory is its own
  for _, name in ipairs { "f32", "bf16" } do
    local pipe = io.popen(("build/luatrain %s %s %d"):format(arg[0], name, steps))
    io.write(pipe:read "*a")
    pipe:close()
  end
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

local times = {}
for i = 1, steps + 2 do
  if profile and i == steps + 2 then core.C.lt_profile(true) end
  local start = lt.time()
  lt.scope(step)
  times[i] = lt.time() - start
end
if profile then
  local ffi = require "ffi"
  local info, rows = ffi.new "lt_op_info", {}
  for i = 0, core.C.lt_op_count() - 1 do
    core.check(core.C.lt_op_get(info, i))
    rows[#rows + 1] = { ffi.string(info.name), tonumber(info.nanoseconds) / 1e6,
      tonumber(info.calls) }
  end
  table.sort(rows, function(a, b) return a[2] > b[2] end)
  local total = 0
  for i = 1, #rows do total = total + rows[i][2] end
  for i = 1, 14 do print(("%-28s %8.2f ms %4d"):format(unpack(rows[i]))) end
  print(("%-28s %8.2f ms of %.2f"):format("all kernels", total, times[steps + 2] * 1e3))
end
table.remove(times, 1)
table.remove(times, 1)
table.sort(times)
print(("RESULT name=resnet18_%s value=%.6f unit=s"):format(dtype, times[math.ceil(#times / 2)]))
for line in io.lines "/proc/self/status" do
  local peak = line:match "^VmHWM:%s+(%d+) kB"
  if peak then
    print(("RESULT name=resnet18_%s_memory value=%.1f unit=MiB"):format(dtype, peak / 1024))
  end
end
