-- RTNeural itself loads what lt.export.rtneural writes and gives the same outputs, streaming and after a
-- reset. LUATRAIN_RTNEURAL names a checkout of RTNeural; without one, or without a C++ compiler, this is
-- skipped.
local fs = require "luatrain.fs"
local process = require "luatrain.process"
local models = require "export_models"

describe("RTNeural", function()
  it("gives the model's outputs", function()
    local checkout, compiler = os.getenv "LUATRAIN_RTNEURAL", process.which "c++"
    if not checkout or not compiler then return pending "LUATRAIN_RTNEURAL names no checkout of RTNeural" end
    local folder = fs.temporary_directory()
    local program = fs.join(folder, "peer")
    local built = process.run({ compiler, "-std=c++17", "-O2", "-DRTNEURAL_USE_STL=1",
      "-DRTNEURAL_DEFAULT_ALIGNMENT=16", "-I" .. checkout, "tests/interop/rtneural_peer.cpp", "-o", program },
      { timeout = 300 })
    assert(built.ok, built.output)
    for _, list in ipairs { models.small(), models.five() } do
      for _, one in ipairs(list) do
        local path = fs.join(folder, one.name .. ".json")
        lt.export.rtneural(one.model, path, one.options)
        local result = process.run { program, path }
        assert(result.ok, result.output)
        local floats, doubles, again = result.output:match " (%S+) (%S+) (%S+) %d+\n"
        io.write(("%s: float %s, double %s; "):format(one.name, floats, doubles))
        assert.is_true(tonumber(floats) < 1e-5 and tonumber(doubles) < 1e-5 and tonumber(again) == 0,
          result.output)
      end
    end
    fs.remove_tree(folder)
  end)
end)
