-- luatrain without a terminal: standard input is a script. And the history's file.
local core = require "luatrain.core"
local fs = require "luatrain.fs"
local history = require "luatrain.repl.history"
local process = require "luatrain.process"
local program = require "program"

local C = core.C

describe("standard input that is no terminal", function()
  teardown(program.clean)

  local function feed(text, with)
    local folder = program.folder()
    fs.write(fs.join(folder, "input"), text)
    return program.run({}, {directory = folder, with = with or "%s <input",
      env = {XDG_STATE_HOME = folder .. "/state"}})
  end

  it("runs as a script, without a prompt", function()
    local result = feed "local x = 20\nfor i = 1, 2 do\n  x = x + 1\nend\nprint(x)\n"
    assert.same({0, "22\n", ""}, {result.code, result.out, result.err})
  end)

  it("prints the values of expressions where it is no script as a whole", function()
    local result = feed "x = 20\nx + 1\n\nfor i = 1, 2 do\n  x = x + i\nend\nx\n'a', nil\n"
    assert.same({0, '21\n23\n"a"\nnil\n', ""}, {result.code, result.out, result.err})
  end)

  it("ends with 1 at the first error, which is told with its line", function()
    local result = feed "print(1)\nprint(nil .. 'x')\nprint(3)\n"
    assert.equal(1, result.code)
    assert.equal("1\n", result.out)
    assert.matches("stdin:2: attempt to concatenate a nil value", result.err)
    result = feed "1 + 1\nwrong wrong\n2 + 2\n"
    assert.equal(1, result.code)
    assert.equal("2\n", result.out)
    assert.matches("stopped at stdin:2", result.err)
    assert.equal(1, feed("1 + 1\nfor i = 1, 2 do\n").code)
  end)

  it("may be empty, a script with #!, or closed", function()
    assert.equal(0, feed("").code)
    assert.equal("5\n", feed("#!/usr/bin/env luatrain\nprint(5)\n").out)
    local closed = feed("", "%s <&-")
    assert.equal(2, closed.code)
    assert.matches("standard input is closed", closed.err)
  end)

  it("may go to a program that reads no more", function()
    local result = feed("for i = 1, 100000 do print(i) end\n", "%s <input | head -n 1")
    assert.equal("1\n", result.out)
  end)

  it("leaves no history", function()
    local folder = program.folder()
    fs.write(fs.join(folder, "input"), "print(1)\n")
    program.run({}, {directory = folder, with = "%s <input", env = {XDG_STATE_HOME = folder .. "/state"}})
    assert.is_false(fs.exists(fs.join(folder, "state")))
  end)
end)

describe("the history", function()
  local folder
  before_each(function() folder = fs.temporary_directory() end)
  after_each(function() fs.remove_tree(folder) end)

  it("keeps inputs of several lines, backslashes and any bytes", function()
    local past = history.open(folder .. "/h")
    local texts = {"one", "a\nb\n  c", [[print "\n\\"]], "\\", "日本 \255\1", "\\n"}
    for _, text in ipairs(texts) do past:add(text) end
    assert.same(texts, history.open(folder .. "/h").entries)
  end)

  it("leaves out repetitions, blank inputs and those that begin with a space", function()
    local past = history.open(folder .. "/h")
    for _, text in ipairs {"a", "a", "", "  ", " secret", "b", "a"} do past:add(text) end
    assert.same({"a", "b", "a"}, past.entries)
    assert.same({"a", "b", "a"}, history.open(folder .. "/h").entries)
  end)

  it("is read by nobody else", function()
    history.open(folder .. "/h"):add "x"
    local pipe = io.popen("stat -c %a " .. folder .. "/h")
    assert.equal("600", pipe:read "*l")
    pipe:close()
    fs.write(folder .. "/h", ("x\n"):rep(1000))
    os.execute("chmod 600 " .. folder .. "/h")
    core.check(C.lt_shared_shorten(folder .. "/h", 100))
    pipe = io.popen("stat -c %a " .. folder .. "/h")
    assert.equal("600", pipe:read "*l")
    pipe:close()
  end)

  it("loses nothing when many processes add and shorten at once", function()
    local code = [[
      local history, core = require "luatrain.repl.history", require "luatrain.core"
      local past = history.open(arg1 .. "/h")
      for i = 1, 200 do
        past:add(arg2 .. ":" .. i .. ":" .. ("x"):rep(i))
        assert(not past.problem, past.problem)
        if i %% 50 == 0 then core.check(core.C.lt_shared_shorten(arg1 .. "/h", 1e6)) end
      end]]
    local jobs = {}
    for worker = 1, 4 do
      local text = ("local arg1, arg2 = %q, %q "):format(folder, worker) .. code:gsub("%%%%", "%%")
      jobs[worker] = {argv = {program.path, "-e", text}, log = folder .. "/log" .. worker}
    end
    for _, result in ipairs(process.map(jobs, {parallel = 4})) do assert.is_true(result.ok) end
    local count, whole = 0, 0
    for _, entry in ipairs(history.open(folder .. "/h").entries) do
      count = count + 1
      local i, tail = entry:match "^%d:(%d+):(x*)$"
      if i and #tail == tonumber(i) then whole = whole + 1 end
    end
    assert.same({800, 800}, {count, whole})
  end)

  it("is shortened from a line's beginning, and a torn line stays alone", function()
    local path = folder .. "/h"
    fs.write(path, ("0123456789\n"):rep(1000) .. "torn")
    core.check(C.lt_shared_append(path, "next\n", 5))
    core.check(C.lt_shared_shorten(path, 100))
    local text = fs.read(path)
    assert.is_true(#text <= 100)
    assert.equal("0123456789\n", text:sub(1, 11))
    assert.equal("torn\nnext\n", text:sub(-10))
  end)

  it("that cannot be written is no reason to fail", function()
    fs.write(folder .. "/file", "")
    local past = history.open(folder .. "/file/h")
    assert.is_string(past.problem)
    past:add "x"
    assert.same({"x"}, past.entries)
  end)
end)
