-- `luatrain sweep` as the tests run it.
local ffi = require "ffi"
local assert = require "luassert"
local core = require "luatrain.core"
local fs = require "luatrain.fs"
local json = require "luatrain.json"
local process = require "luatrain.process"
local program = require "program"

local command = {}

ffi.cdef "int usleep(unsigned microseconds); int kill(int pid, int signal);"

--- Runs `luatrain sweep PATH ...` in a folder; returns what program.run does.
function command.run(folder, path, ...)
  return program.run({"sweep", path, ...}, {directory = folder, timeout = 100})
end

--- The same, where it must succeed.
function command.succeeds(folder, path, ...)
  local result = command.run(folder, path, ...)
  assert.equal(0, result.code, result.err)
  return result
end

--- Runs `luatrain sweep WORDS`, which must fail: see program.failed.
function command.fails(code, folder, words, ...)
  program.failed(command.run(folder, unpack(words)), code, ...)
end

--- All trials of a study as `trials --json` tells them; more words: options.
function command.trials(folder, path, ...)
  return json.decode(command.succeeds(folder, path, "trials", "--json", ...).out)
end

--- Starts `luatrain sweep PATH run ...` beside the test, which it does not outlive; it writes FOLDER/run.log.
-- Returns a handle for command.ended; handle.pid is its process.
function command.start(folder, path, ...)
  return process.start({program.path, "sweep", path, "run", ...},
    {directory = folder, log = fs.join(folder, "run.log"), timeout = 300})
end

--- Whether it has ended, within so many seconds; then handle.code is its exit code.
function command.ended(handle, seconds) return not process.running(handle, seconds) end

--- Waits until f() is true; `what`: what it means that this does not happen.
function command.until_true(f, what)
  local deadline = core.C.lt_time() + 40
  while not f() do
    assert.is_true(core.C.lt_time() < deadline, what)
    ffi.C.usleep(10000)
  end
end

return command
