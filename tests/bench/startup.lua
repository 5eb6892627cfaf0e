-- Start to first result: luatrain -e 'print(1)', as a whole process.
local lt = require "luatrain"
local times = {}
for i = 1, 30 do
  local start = lt.time()
  os.execute "build/luatrain -e 'print(1)' >/dev/null"
  times[i] = lt.time() - start
end
table.sort(times)
print(("RESULT name=startup value=%.6f unit=s"):format(times[15]))
for i = 1, 30 do
  local start = lt.time()
  os.execute "build/luatrain -e 'lt.randn(3,3) * 2' >/dev/null"
  times[i] = lt.time() - start
end
table.sort(times)
print(("RESULT name=startup_tensor value=%.6f unit=s"):format(times[15]))
