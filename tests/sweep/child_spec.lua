-- Trials' processes and the line to them.
local child = require "luatrain.sweep.child"
local core = require "luatrain.core"
local fs = require "luatrain.fs"
local line = require "luatrain.sweep.line"
local program = require "program"

-- Starts luatrain with a script whose line to us is `talk`.
local function start(code)
  local folder = program.folder()
  local path = fs.join(folder, "script.lua")
  fs.write(path, "local talk = require('luatrain.sweep.line').over(3)\n" .. code)
  return child.start({program.path, path}, fs.join(folder, "log"))
end

-- All messages until the other end is gone.
local function all(one)
  local list = {}
  while true do
    local messages, gone = one:receive()
    for _, message in ipairs(messages) do list[#list + 1] = message end
    if gone then return list end
  end
end

describe("a trial's process", function()
  teardown(program.clean)

  it("talks both ways, and tells its end", function()
    local one = start [[
      talk:send {hello = 1.5}
      local answer = talk:next()
      talk:send {got = answer.word, long = ("x"):rep(200000)}
      print "said"
      os.exit(7)
    ]]
    assert.is_true(one:send {word = "ü\n"})
    local list = all(one)
    assert.equal(2, #list)
    assert.equal(1.5, list[1].hello)
    assert.equal("ü\n", list[2].got)
    assert.equal(200000, #list[2].long)
    local state, code = one:finish(5)
    assert.equal("exited", state)
    assert.equal(7, code)
    assert.equal("said", one:last_words())
    assert.is_false(one:send {word = "too late"})
  end)

  it("that says what is no message of ours is ended", function()
    local one = start [[
      local C = require("luatrain.core").C
      C.lt_line_write(3, "no json\n", 8)
      while true do end
    ]]
    assert.same({}, all(one))
    assert.is_truthy(one.problem:find("message of a trial", 1, true), one.problem)
    assert.equal("killed", (one:finish(0)))
  end)

  it("is waited for with others, and not for ever", function()
    local one = start "talk:next()"
    local ffi = require "ffi"
    local lines, ready = ffi.new("int32_t[1]", one.line.descriptor), ffi.new "int32_t[1]"
    local began = core.C.lt_time()
    core.check(core.C.lt_line_wait(ready, lines, 1, 0.05))
    assert.equal(0, ready[0])
    assert.is_true(core.C.lt_time() - began >= 0.04)
    one:send {}
    core.check(core.C.lt_line_wait(ready, lines, 1, 10))
    assert.equal(1, ready[0])
    local messages, gone = one:receive()
    assert.same({}, messages)
    assert.is_true(gone)
    one:finish(5)
  end)

  it("is heard also by a parent whose own input and output are closed", function()
    -- Then the line's two ends are low numbers: 0 and 3 here, 0 and 1 there.
    for _, closed in ipairs {"<&-", "<&- >&- 2>&-"} do
      local folder = program.folder()
      local path, out = fs.join(folder, "parent.lua"), fs.join(folder, "out")
      fs.write(fs.join(folder, "child.lua"), "require('luatrain.sweep.line').over(3):send {said = 'yes'}")
      fs.write(path, ([[
        local one = require("luatrain.sweep.child").start({%q, %q}, %q)
        local messages, gone = one:receive()
        assert(not gone and messages[1].said == "yes")
        messages, gone = one:receive()
        assert(gone and #messages == 0)
        require("luatrain.fs").write(%q, "heard")
      ]]):format(program.path, fs.join(folder, "child.lua"), fs.join(folder, "log"), out))
      local result = program.run({path}, {with = "%s " .. closed, timeout = 20})
      assert.equal(0, result.code, result.err)
      assert.equal("heard", fs.read(out))
    end
  end)

  it("does not hand its line on to programs that it starts", function()
    local one = start [[
      require("luatrain.core").check(require("luatrain.core").C.lt_line_cling(3))
      os.execute "sleep 5 &"
    ]]
    local began = core.C.lt_time()
    all(one)
    assert.is_true(core.C.lt_time() - began < 3)
    one:finish(1)
  end)

  it("has an end that means something", function()
    assert.equal("failed", (child.verdict("exited", 1)))
    assert.equal("lost", (child.verdict("exited", 143)))
    assert.equal("lost", (child.verdict("killed", 9)))
    assert.equal("lost", (child.verdict("killed", 15)))
    assert.equal("failed", (child.verdict("killed", 9, nil, true)))
    assert.equal("lost", (child.verdict("killed", 15, nil, true)))
    local verdict, text = child.verdict("killed", 11, "last words")
    assert.equal("failed", verdict)
    assert.is_truthy(text:find("segmentation fault): last words", 1, true))
  end)

  it("says nothing that a database does not take", function()
    assert.equal("a b", line.clean "a\n\0b")
    assert.equal("ü", line.clean "ü")
    assert.equal("?x", line.clean "\255x")
    assert.is_true(#line.clean(("x"):rep(5000)) <= 1000)
  end)
end)
