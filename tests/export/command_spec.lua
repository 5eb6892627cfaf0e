-- `luatrain run RECIPE export` in both formats, as a user meets it.
local fs = require "luatrain.fs"
local json = require "luatrain.json"
local program = require "program"

local toy = program.here "tests/train/toy.lua"

-- The toy with a network that RTNeural can run, and options of its own for the export.
local recipe = ([[
local recipe = dofile %q
function recipe.model(c)
  return lt.nn.Sequential(lt.nn.Linear(4, c.width), lt.nn.BatchNorm1d(c.width), lt.nn.Tanh(),
    lt.nn.Linear(c.width, 2))
end
function recipe.export(model, c) return {examples = 1, frames = c.width} end
return recipe
]]):format(toy)

describe("export", function()
  local folder
  setup(function()
    folder = program.folder()
    fs.write(fs.join(folder, "plain.lua"), recipe)
  end)
  teardown(program.clean)

  local function run(code, ...)
    local result = program.run({ "run", ... }, { directory = folder })
    assert.equal(code, result.code, result.err)
    return result.err
  end

  it("writes JSON for RTNeural and plays it again", function()
    run(0, "plain.lua", "train", "--epochs", "1", "--quiet", "--width", "6")
    local said = run(0, "plain.lua", "export", "--format", "rtneural", "--check")
    assert.truthy(said:find("1 examples, 12 numbers, largest difference", 1, true), said)
    local path = fs.join(folder, "plain.json")
    assert.is_true(lt.export.check(path) < 1e-6)
    local file = json.load(path)
    assert.equal(6, #file.luatrain.examples[1].inputs)
    assert.equal("plain", file.luatrain.metadata.recipe)
    assert.equal(6, file.luatrain.metadata.config.width)
  end)

  it("writes safetensors", function()
    run(0, "plain.lua", "export", "--out", "w.safetensors")
    assert.same({ 6, 4 }, lt.safetensors.load(fs.join(folder, "w.safetensors"))["0.weight"]:size())
    local said = run(2, "plain.lua", "export", "--check")
    assert.truthy(said:find("only --format rtneural writes", 1, true), said)
  end)

  it("names what RTNeural has not", function()
    run(0, toy, "train", "--epochs", "1", "--quiet")
    local said = run(1, toy, "export", "--format", "rtneural")
    assert.truthy(said:find("2 (GELU) is no layer of RTNeural", 1, true), said)
    assert.is_false(fs.exists(fs.join(folder, "toy.json")))
    assert.truthy(run(5, "plain.lua", "export", "--format", "rtneural", "--out",
      "no/such/m.json"):find("no/such", 1, true))
  end)
end)
