-- Child programs: results, time limits, groups, many at once.
local fs = require "luatrain.fs"
local process = require "luatrain.process"
local C = require("luatrain.core").C

describe("a program", function()
  it("gives its exit code and output", function()
    local result = process.run { "sh", "-c", "echo out; echo err >&2; exit 3" }
    assert.are.equal("exited", result.state)
    assert.are.equal(3, result.code)
    assert.is_false(result.ok)
    assert.are.equal("out\nerr\n", result.output)
    assert.is_true(process.run({ "true" }).ok)
  end)

  it("gets its words as they are", function()
    local words = { "printf", "%s|", "a b", "$HOME", "'\"", "*", "", ";" }
    assert.are.equal("a b|$HOME|'\"|*||;|", process.run(words).output)
  end)

  it("has empty input, and the directory that is asked for", function()
    assert.are.equal("", process.run({ "cat" }).output)
    assert.are.equal("/\n", process.run({ "pwd" }, { directory = "/" }).output)
  end)

  it("that is not there is named", function()
    local good, message = pcall(process.run, { "no-such-program" })
    assert.is_false(good)
    assert.is_truthy(message:find("no%-such%-program: no such program"), message)
    good, message = pcall(process.run, { "true" }, { directory = "/nowhere" })
    assert.is_false(good)
    assert.is_truthy(message:find("/nowhere", 1, true), message)
    assert.is_nil(process.which "no-such-program")
    assert.is_truthy(process.which "sh")
  end)

  it("ended by a signal says so", function()
    local result = process.run { "sh", "-c", "kill -9 $$" }
    assert.are.equal("killed", result.state)
    assert.are.equal(9, result.code)
  end)

  it("is stopped with its children when its time is over", function()
    local directory = fs.temporary_directory()
    local mark = directory .. "/mark"
    local result = process.run({ "sh", "-c", "(sleep 0.6; echo alive > " .. mark .. ") & sleep 30" },
      { timeout = 0.2 })
    assert.are.equal("timeout", result.state)
    assert.is_true(result.seconds < 5)
    process.run { "sleep", "0.7" }
    assert.is_false(fs.exists(mark))
    fs.remove_tree(directory)
  end)
end)

describe("many programs", function()
  it("run side by side, no more than asked", function()
    local directory = fs.temporary_directory()
    local jobs, ended = {}, {}
    for i = 1, 12 do
      jobs[i] = { argv = { "sh", "-c",
        ("touch %s/%d; ls %s | wc -l; rm %s/%d; exit %d"):format(directory, i, directory, directory, i,
          i % 4) }, log = ("%s/.log%d"):format(directory, i) }
    end
    jobs[13] = { argv = { "no-such-program" } }
    jobs[14] = function() return nil end
    local results = process.map(jobs, { parallel = 3, on_end = function(i) ended[i] = true end })
    for i = 1, 12 do
      assert.are.equal(i % 4, results[i].code)
      assert.is_true(tonumber(fs.read(jobs[i].log)) <= 3)
    end
    assert.are.equal("failed", results[13].state)
    assert.is_truthy(results[13].error:find "no such program")
    assert.are.equal("skipped", results[14].state)
    assert.are.equal(14, #ended)
    fs.remove_tree(directory)
  end)

  it("are stopped when an error leaves the call", function()
    local directory = fs.temporary_directory()
    local jobs = { { argv = { "sh", "-c", "sleep 0.5; touch " .. directory .. "/mark" } },
      { argv = { "true" } } }
    assert.is_false(pcall(process.map, jobs, { parallel = 2, on_end = function() error "stop" end }))
    assert.is_false(C.lt_signal_watching())
    process.run { "sleep", "0.7" }
    assert.are.same({}, fs.list(directory))
    fs.remove_tree(directory)
  end)

  it("are stopped by a signal, which ends the program with its code", function()
    local directory = fs.temporary_directory()
    fs.write(directory .. "/script.lua", ([[
      local process = require "luatrain.process"
      process.map({ { argv = { "sh", "-c", "echo $$ > %s/child; sleep 30" } } })]]):format(directory))
    local program = process.run({ "readlink", ("/proc/%d/exe"):format(C.lt_getpid()) }).output:match "[^\n]+"
    for name, number in pairs { INT = 2, TERM = 15 } do
      local start = lt.time()
      local result = process.run { "sh", "-c", ('"%s" "%s/script.lua" & p=$!; while ! [ -s %s/child ]; ' ..
        'do sleep 0.05; done; kill -%s $p; wait $p; echo "code $?"'):format(program, directory, directory,
        name) }
      assert.is_true(lt.time() - start < 20)
      assert.is_truthy(result.output:find("stopped by signal " .. number, 1, true), result.output)
      assert.is_truthy(result.output:find("code " .. 128 + number, 1, true), result.output)
      local child = fs.read(directory .. "/child"):match "%d+"
      assert.is_false(fs.exists("/proc/" .. child .. "/cmdline") and
        fs.read("/proc/" .. child .. "/cmdline") ~= "")
      fs.remove(directory .. "/child")
    end
    fs.remove_tree(directory)
  end)
end)
