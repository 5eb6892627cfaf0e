-- Runs busted inside luatrain: luatrain tests/run.lua tests/some_spec.lua [options]
-- LT_JIT=off runs without the compiler, LT_JIT=hot compiles every loop at once.
local mode = os.getenv "LT_JIT"
if mode == "off" then jit.off() elseif mode == "hot" then jit.opt.start("hotloop=1", "hotexit=1") end
setmetatable(_G, nil)  -- busted and its libraries use globals
_G.lt = require "luatrain"
package.path = "./tests/?.lua;" .. package.path
-- The runner raises nil for "some test failed", having said which.
local ok, e = pcall(require "busted.runner", { standalone = false, output = "plainTerminal" })
if not ok and e then io.stderr:write(tostring(e), "\n") end
os.exit(ok and 0 or 1, true)
