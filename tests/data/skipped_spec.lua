-- What could not be used when a data set was made: counted, listed, and too much of it is an error.
local lt = require "luatrain"
local failure = require "luatrain.failure"
local program = require "program"
local fs = lt.fs

local folder = program.folder()

teardown(program.clean)

describe("lt.data.skipped", function()
  it("passes on what a function returns, and lists what is wrong with data and files", function()
    local skipped = lt.data.skipped(folder)
    assert.same({ true, 3, "x" }, { skipped:try("a", function(n) return n + 1, "x" end, 2) })
    assert.is_false(skipped:try("b", function() failure.raise("data", "b: is bad") end))
    assert.is_false(skipped:try("c", lt.midi.read, fs.join(folder, "none.mid")))
    local lines = {}
    skipped:finish(function(...) lines[#lines + 1] = string.format(...) end, "1 file", 3, 0.7)
    assert.is_truthy(lines[1]:find("1 file; 2 skipped", 1, true), lines[1])
    local list = lt.json.load(fs.join(folder, "skipped.json"))
    assert.same({ "b", "c" }, { list[1].path, list[2].path })
    assert.equal("b: is bad", list[1].error)
    assert.has_error(function() skipped:finish(function() end, "1 file", 3, 0.5) end)
  end)

  it("does not hide mistakes of the program", function()
    local skipped = lt.data.skipped(folder)
    assert.has_error(function() skipped:try("a", function() error("a mistake", 0) end) end, "a mistake")
    assert.equal(0, #skipped.list)
  end)
end)
