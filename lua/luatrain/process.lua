--- Child programs: run one, or many in parallel, without a shell.
-- Each runs in a process group of its own, with empty standard input, and is killed with its group
-- when its time is over, when an error or a signal ends the call, or when its handle is collected.
local ffi = require "ffi"
local core = require "luatrain.core"
local failure = require "luatrain.failure"
local fs = require "luatrain.fs"
local C, check = core.C, core.check

local process = {}

local STATES = { [2] = "exited", [3] = "killed", [4] = "timeout" }

--- Number of processors this process may use.
function process.cpus()
  return C.lt_cpus()
end

--- Path of a program found by $PATH, or nil. A name with a slash is taken as it is.
function process.which(name)
  if name:find "/" then return fs.is_file(name) and name or nil end
  for directory in (os.getenv "PATH" or ""):gmatch "[^:]+" do
    local path = fs.join(directory, name)
    if fs.is_file(path) then return path end
  end
end

--- A list of words as C takes a program's arguments, and a table that keeps them alive while it lives.
function process.argv(words)
  local array, anchors = ffi.new("const char *[?]", #words + 1), {}
  for i, word in ipairs(words) do
    anchors[i] = tostring(word)
    array[i - 1] = anchors[i]
  end
  return array, anchors
end

local function start(job)
  local array, anchors = process.argv(job.argv)
  local handle = ffi.gc(ffi.new "lt_process", C.lt_process_kill)
  check(C.lt_process_start(handle, array, job.directory, job.log, job.timeout or 0))
  anchors[1] = anchors[1] or ""  -- keeps the words alive until here
  return handle
end

--- Starts a program that runs beside this one; it ends with its handle: when that is collected, by
-- process.stop, or with this process. Its output goes nowhere unless options.log names a file.
-- @param argv    list of words, the program first
-- @param options {directory, timeout, log}
-- @return a handle for process.running and process.stop; raises where the program cannot be started
function process.start(argv, options)
  options = options or {}
  return start {argv = argv, directory = options.directory, timeout = options.timeout, log = options.log}
end

--- Whether a program that process.start began still runs; waits up to `seconds` (0) for its end.
function process.running(handle, seconds)
  local index, list = ffi.new "int32_t[1]", ffi.new("lt_process *[1]", handle)
  check(C.lt_process_wait(index, list, 1, seconds or 0))
  return handle.state == C.LT_PROCESS_RUNNING
end

--- Ends a program and all that it started; nothing where it has ended.
function process.stop(handle) C.lt_process_kill(handle) end

--- How a program that has ended did so: {ok, state = "exited" or what ended it, code, seconds}.
function process.result(handle)
  local state = STATES[handle.state]
  return {
    ok = state == "exited" and handle.code == 0,
    state = state,
    code = handle.code,
    seconds = handle.seconds,
  }
end

-- Waits for one of the running handles; a signal to stop is seen within a tenth of a second.
local function wait_any(handles, count)
  local array = ffi.new("lt_process *[?]", count)
  for i = 1, count do array[i - 1] = handles[i] end
  local index = ffi.new "int32_t[1]"
  repeat
    check(C.lt_process_wait(index, array, count, 0.1))
    local signal = C.lt_signal_pending()
    if signal ~= 0 then
      failure.raise(signal == 15 and "terminate" or "interrupt", "stopped by signal %d", signal)
    end
  until index[0] >= 0
  return index[0] + 1
end

--- Runs jobs, at most `parallel` at a time, and waits for all. SIGINT and SIGTERM stop them all and
-- are raised as a failure.
-- @param jobs    list of {argv = {"program", ...}, directory = , log = file for its output,
--   timeout = seconds}; a job may also be a function that returns such a table (or nil: nothing to
--   run) and is called when its turn comes
-- @param options {parallel = number (default: process.cpus()), on_end = function(i, result)}
-- @return list of results {ok, state = "exited" | "killed" | "timeout" | "failed" | "skipped",
--   code (exit code or signal), seconds, error = text where it could not be started}
function process.map(jobs, options)
  options = options or {}
  local parallel = math.max(1, options.parallel or process.cpus())
  local results, handles, ids = {}, {}, {}
  local next_job = 1
  local function finish(i, result)
    results[i] = result
    if options.on_end then options.on_end(i, result) end
  end
  local function run()
    while next_job <= #jobs or #handles > 0 do
      while #handles < parallel and next_job <= #jobs do
        local i = next_job
        next_job = i + 1
        local job = jobs[i]
        if type(job) == "function" then job = job() end
        if job then
          local good, handle = pcall(start, job)
          if good then
            handles[#handles + 1], ids[#ids + 1] = handle, i
          else
            finish(i, { ok = false, state = "failed", error = core.message(handle), seconds = 0 })
          end
        else
          finish(i, { ok = true, state = "skipped", seconds = 0 })
        end
      end
      if #handles > 0 then
        local k = wait_any(handles, #handles)
        local handle, i = table.remove(handles, k), table.remove(ids, k)
        finish(i, process.result(handle))
      end
    end
  end
  -- A signal that would end this process would leave its children running: it is noted instead.
  local watched = C.lt_signal_watching()
  if not watched then check(C.lt_signal_watch(true)) end
  local good, message = pcall(run)
  if not watched then check(C.lt_signal_watch(false)) end
  if not good then
    for _, handle in ipairs(handles) do C.lt_process_kill(handle) end
    error(message, 0)
  end
  return results
end

--- Runs one program and waits for it.
-- @param argv    list of words, the program first
-- @param options {directory, timeout, log}; without `log` the output comes back in result.output
-- @return result as in process.map, with `output` (its last 64 KiB) where no log was named; raises
--   where the program cannot be started
-- @usage local r = process.run({"fluidsynth", "--version"}); print(r.code, r.output)
function process.run(argv, options)
  options = options or {}
  local directory = not options.log and fs.temporary_directory() or nil
  local log = options.log or fs.join(directory, "log")
  local good, results = pcall(process.map, {
    { argv = argv, directory = options.directory, log = log, timeout = options.timeout },
  })
  if good and directory and fs.exists(log) then results[1].output = fs.read(log):sub(-65536) end
  if directory then fs.remove_tree(directory) end
  if not good then error(results, 0) end
  if results[1].state == "failed" then core.fail("%s", results[1].error) end
  return results[1]
end

return process
