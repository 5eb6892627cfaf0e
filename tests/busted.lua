-- Runs busted inside luatrain: luatrain tests/busted.lua tests/some_spec.lua [options]
setmetatable(_G, nil)  -- busted and its libraries use globals
_G.lt = require "luatrain"
package.path = "./tests/?.lua;" .. package.path
require "busted.runner" { standalone = false, output = "plainTerminal" }
