-- Start to first result: luatrain -e 'print(1)', as a whole process.
package.path = "tests/?.lua;" .. package.path
local timing = require "bench.timing"
for name, code in pairs { startup = "print(1)", startup_tensor = "lt.randn(3,3) * 2" } do
  timing.result(name, timing.median(30, os.execute, ("build/luatrain -e '%s' >/dev/null"):format(code)))
end
