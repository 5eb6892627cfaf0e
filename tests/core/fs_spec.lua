-- Files: atomic writes under every fault, directories, paths.
local fs = require "luatrain.fs"
local core = require "luatrain.core"
local C, check = core.C, core.check

local directory
before_each(function() directory = fs.temporary_directory() end)
after_each(function()
  check(C.lt_file_fault(nil))
  fs.remove_tree(directory)
end)

local function refused(words, f, ...)
  local good, message = pcall(f, ...)
  assert.is_false(good)
  assert.is_truthy(message:find(words, 1, true), message)
end

describe("a file", function()
  it("can be locked by one holder at a time", function()
    local path = fs.join(directory, "lock")
    local lock = fs.lock(path)
    local second, holder = fs.lock(path)
    assert.is_nil(second)
    assert.are.equal(C.lt_getpid(), holder)
    lock.release()
    lock.release()
    fs.lock(path).release()
    -- what a dead holder (a number that no process has) leaves to a child for a moment is waited for
    fs.write(path, "2147483646\n")
    os.execute(("flock '%s' sleep 0.3 & sleep 0.1"):format(path))
    lock = fs.lock(path)
    assert.is_table(lock)
    lock.release()
    refused("No such file or directory", fs.lock, fs.join(directory, "none/lock"))
  end)

  it("that a process left is free once it is killed, though nobody has asked how it ended", function()
    local process = require "luatrain.process"
    local handle = process.start { "sleep", "60" }
    local path = fs.join(directory, "lock")
    local host = process.run({ "uname", "-n" }).output:match "%S+"
    local left = fs.join(directory, (".x.tmp-%s-%d-1"):format(host, handle.pid))
    fs.write(left, "half")
    assert.equal(0, fs.clean(directory))
    fs.write(path, handle.pid .. "\n")
    os.execute(("flock '%s' sleep 0.3 & sleep 0.1"):format(path))
    local lock, holder = fs.lock(path)
    assert.same({ handle.pid }, { lock == nil and holder })
    C.lt_process_signal(handle, 9)
    lock = fs.lock(path)
    assert.is_table(lock)
    lock.release()
    assert.equal(1, fs.clean(directory))
    process.stop(handle)
  end)

  it("comes back as it was written", function()
    local path = fs.join(directory, "x")
    for _, text in ipairs { "", "a", ("0\0\255\n"):rep(100000) } do
      fs.write(path, text)
      assert.are.equal(text, fs.read(path))
      assert.are.equal(#text, fs.stat(path).bytes)
    end
    assert.are.same({ "x" }, fs.list(directory))
  end)

  it("written in pieces appears only when it is whole", function()
    local path = fs.join(directory, "x")
    local writer = fs.writer(path)
    for _ = 1, 300 do writer:write(("y"):rep(1000)) end
    assert.is_false(fs.exists(path))
    writer:commit()
    assert.are.equal(("y"):rep(300000), fs.read(path))
    refused("has been closed", writer.write, writer, "z")
    local other = fs.writer(path)
    other:write "z"
    other:abort()
    assert.are.equal(300000, #fs.read(path))
    assert.are.same({ "x" }, fs.list(directory))
  end)

  it("larger than the bound is refused", function()
    local path = fs.join(directory, "x")
    fs.write(path, "12345")
    refused("5 bytes, more than the 4", fs.read, path, 4)
    refused("more than the 10 bytes", fs.read, "/proc/self/status", 10)
  end)

  it("that cannot be read or written is named with the reason", function()
    refused(directory .. "/none: No such file", fs.read, directory .. "/none")
    refused("it is a directory", fs.read, directory)
    refused("it is a directory", fs.write, directory, "x")
    refused("/none/x: No such file", fs.write, directory .. "/none/x", "x")
    refused("/dev/full: No space left", fs.write, "/dev/full", "x")
  end)

  it("keeps its permissions", function()
    local path = fs.join(directory, "x")
    fs.write(path, "1")
    os.execute("chmod 640 " .. path)
    fs.write(path, "2")
    local pipe = io.popen("stat -c %a " .. path)
    assert.are.equal("640", pipe:read "*l")
    pipe:close()
  end)
end)

-- Fails the n-th operation for n = 1, 2, ... until the action succeeds; after each failure
-- check_state(n) looks at what is left.
local function until_success(op, error_name, action, check_state)
  for n = 1, 50 do
    check(C.lt_file_fault(("%s:%d:%s"):format(op, n, error_name)))
    local good, message = pcall(action)
    check(C.lt_file_fault(nil))
    if good then return n - 1 end
    check_state(n, message)
  end
  error("it never succeeds")
end

describe("a failing disk", function()
  it("leaves the old file and nothing else", function()
    local path = fs.join(directory, "x")
    local new = ("new"):rep(100000)
    local failures = 0
    for _, fault in ipairs { "open ENOSPC", "write ENOSPC", "write EIO", "fsync EIO", "rename EIO" } do
      local op, name = fault:match "(%w+) (%w+)"
      fs.write(path, "old")
      failures = failures + until_success(op, name, function() fs.write(path, new) end,
        function(n, message)
          assert.is_truthy(message:find("cannot write " .. path, 1, true), message)
          assert.are.same({ "x" }, fs.list(directory))
          -- The second fsync is the directory's: the new file is in place then.
          assert.are.equal(op == "fsync" and n == 2 and new or "old", fs.read(path))
        end)
      assert.are.equal(new, fs.read(path))
    end
    assert.are.equal(6, failures)
  end)

  it("that writes less than asked is asked again", function()
    local path, text = fs.join(directory, "x"), ("0123456789"):rep(10000)
    check(C.lt_file_fault "write:1+:SHORT")
    fs.write(path, text)
    check(C.lt_file_fault(nil))
    assert.are.equal(text, fs.read(path))
  end)

  it("stops a rename, a directory, a read", function()
    local path = fs.join(directory, "x")
    fs.write(path, "1")
    until_success("rename", "EIO", function() fs.rename(path, path .. "2") end, function(_, message)
      assert.is_truthy(message:find("cannot rename", 1, true))
      assert.are.same({ "x" }, fs.list(directory))
    end)
    assert.are.same({ "x2" }, fs.list(directory))
    assert.are.equal(2, until_success("mkdir", "ENOSPC", function()
      fs.mkdir(directory .. "/a/b")
    end, function(_, message) assert.is_truthy(message:find("No space left", 1, true)) end) and 2)
    assert.is_true(until_success("read", "EIO", function() fs.read(path .. "2") end, function(_, message)
      assert.is_truthy(message:find("Input/output error", 1, true))
    end) >= 1)
  end)

  it("can be asked for from outside, up to death in the middle of a write", function()
    local path = fs.join(directory, "x")
    fs.write(path, "old")
    local script = fs.join(directory, "script.lua")
    fs.write(script, ([[require("luatrain.fs").write(%q, ("new"):rep(1000))]]):format(path))
    local process = require "luatrain.process"
    local self = process.run { "readlink", ("/proc/%d/exe"):format(C.lt_getpid()) }
    local program = self.output:match "^[^\n]+"
    for _, op in ipairs { "write", "fsync", "rename" } do
      local result = process.run { "env", "LT_FAULT=" .. op .. ":1:KILL", program, script }
      assert.are.equal("killed", result.state, result.output)
      assert.are.equal("old", fs.read(path))
    end
    assert.are.equal(3, fs.clean(directory))
    assert.are.same({ "script.lua", "x" }, fs.list(directory))
    local result = process.run { "env", "LT_FAULT=write:1:ENOSPC", program, script }
    assert.are.equal(5, result.code)
    assert.is_truthy(result.output:find("No space left on device", 1, true), result.output)
    assert.are.same({ "script.lua", "x" }, fs.list(directory))
    result = process.run { "env", "LT_FAULT=nonsense", program, script }
    assert.are.equal(5, result.code)
    assert.is_truthy(result.output:find("Invalid argument", 1, true), result.output)
  end)

  it("is described in a language that can be misunderstood", function()
    for _, spec in ipairs { "write", "write:0:EIO", "write:1:EWHAT", "walk:1:EIO", "write:1:EIO," ..
      "fsync:x:EIO", ("write:1:EIO,"):rep(9) } do
      assert.are.equal(C.LT_ERR_ARGUMENT, C.lt_file_fault(spec))
    end
  end)
end)

describe("a directory", function()
  it("is made with its parents", function()
    local path = fs.mkdir(directory .. "/a//b/c/")
    assert.is_true(fs.is_dir(path))
    fs.mkdir(path)
    fs.write(directory .. "/file", "")
    refused("a file is in its place", fs.mkdir, directory .. "/file")
    refused("/file", fs.mkdir, directory .. "/file/below")
    refused("without a name", fs.mkdir, "")
  end)

  it("is listed in byte order and searched", function()
    for _, name in ipairs { "b.mid", "a.MIDI", "B.txt", ".hidden.mid", "ü.mid" } do
      fs.write(fs.join(directory, name), "")
    end
    fs.mkdir(directory .. "/sub")
    fs.write(directory .. "/sub/c.mid", "")
    assert.are.same({ ".hidden.mid", "B.txt", "a.MIDI", "b.mid", "sub", "ü.mid" }, fs.list(directory))
    local found = fs.find(directory, "%.midi?$")
    for i, path in ipairs(found) do found[i] = path:sub(#directory + 2) end
    assert.are.same({ "a.MIDI", "b.mid", "sub/c.mid", "ü.mid" }, found)
    refused("cannot list", fs.list, directory .. "/none")
  end)

  it("is removed whole, but not what its links lead to", function()
    fs.mkdir(directory .. "/outside")
    fs.write(directory .. "/outside/precious", "1")
    fs.mkdir(directory .. "/tree/deep")
    os.execute(("ln -s ../outside %s/tree/link && ln -s nowhere %s/tree/dangling"):format(
      directory, directory))
    assert.is_false(fs.exists(directory .. "/tree/dangling"))
    assert.is_true(fs.stat(directory .. "/tree/link").is_link)
    fs.remove_tree(directory .. "/tree")
    assert.are.same({ "outside" }, fs.list(directory))
    assert.are.equal("1", fs.read(directory .. "/outside/precious"))
    refused("cannot remove", fs.remove, directory .. "/outside")
    fs.remove(directory .. "/none")
  end)

  it("loses the temporary files of dead processes only", function()
    local mine = fs.temporary_name(directory .. "/x")
    fs.write(mine, "")
    local dead = mine:gsub("%-%d+%-(%d+)$", "-4194304-%1")
    fs.write(dead, "")
    fs.write(directory .. "/.x.tmp-elsewhere-4194304-1", "")
    assert.are.equal(1, fs.clean(directory))
    assert.are.equal(2, #fs.list(directory))
  end)
end)

describe("a path", function()
  it("is taken apart and put together", function()
    assert.are.equal("a/b", fs.join("a", "b"))
    assert.are.equal("/b", fs.join("a", "/b"))
    assert.are.equal("a/b", fs.join("a/", "", "b"))
    assert.are.equal("a", fs.dirname "a/b.mid")
    assert.are.equal(".", fs.dirname "b.mid")
    assert.are.equal("/", fs.dirname "/b.mid")
    assert.are.equal("b.c.mid", fs.basename "a/b.c.mid")
    assert.are.equal("b.c", fs.stem "a/b.c.mid")
    assert.are.equal(".config", fs.stem ".config")
    assert.are.equal("mid", fs.extension "a.d/B.MID")
    assert.are.equal("", fs.extension "a.d/b")
  end)
end)
