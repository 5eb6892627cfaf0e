-- Goldens of tests/export/rtneural_spec.lua: small networks and what RTNeural (1fb1f07, its STL backend, in doubles)
-- makes of their examples. Run in the root of the checkout:
--   g++ -std=c++17 -O2 -DRTNEURAL_USE_STL=1 -DRTNEURAL_DEFAULT_ALIGNMENT=16 -IRTNEURAL tests/interop/rtneural_peer.cpp \
--     -o build/rtneural_peer
--   build/luatrain tests/golden/make_rtneural.lua
package.path = "./tests/?.lua;" .. package.path
for _, one in ipairs(require("export_models").small()) do
  local path = ("tests/golden/rtneural/%s.json"):format(one.name)
  lt.export.rtneural(one.model, path, one.options)
  local result = require("luatrain.process").run { "build/rtneural_peer", "--rewrite", path }
  assert(result.ok, result.output)
  print(path, lt.export.check(path))
end
