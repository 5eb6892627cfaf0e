--- A trial's process as its parent sees it: started, spoken to, and how it ended.
local ffi = require "ffi"
local core = require "luatrain.core"
local fs = require "luatrain.fs"
local line = require "luatrain.sweep.line"
local process = require "luatrain.process"
local C, check = core.C, core.check

local child = {}

local Child = {}
Child.__index = Child

ffi.cdef "int setenv(const char *name, const char *value, int overwrite);"

--- Sets what all children inherit: how many threads OpenMP programs among them use.
function child.share_threads(n)
  ffi.C.setenv("OMP_NUM_THREADS", tostring(n), 1)
end

--- Starts a process (argv: a list of words) whose output goes to `log`.
function child.start(argv, log)
  local array, words = process.argv(argv)
  local handle, out = ffi.gc(ffi.new "lt_process", C.lt_process_kill), ffi.new "int32_t[1]"
  check(C.lt_process_start_talking(handle, array, nil, log, 0, out))
  words[1] = words[1] or ""  -- keeps the words alive until here
  return setmetatable({handle = handle, line = line.over(out[0]), log = log}, Child)
end

--- Sends a message; false where the process is gone.
function Child:send(message) return (pcall(self.line.send, self.line, message)) end

--- Asks it to end (SIGTERM); ends it at once (SIGKILL, with its group).
function Child:terminate() C.lt_process_signal(self.handle, 15) end
function Child:kill() C.lt_process_kill(self.handle) end

--- Reads what it has sent: a list of messages, and whether it is gone.
function Child:receive()
  local ok, messages, gone = pcall(self.line.receive, self.line)
  if ok then return messages, gone end
  -- What it sent is no message of ours: it is not worth listening to.
  self.problem = core.message(messages)
  self:kill()
  return {}, true
end

--- Closes the line, waits for the end for up to `seconds`, then kills. Returns "exited" or "killed", and the
-- exit code or the signal.
function Child:finish(seconds)
  self.line:close()
  process.running(self.handle, seconds)
  self:kill()
  return self.handle.state == C.LT_PROCESS_EXITED and "exited" or "killed", self.handle.code
end

--- Whether it has ended, without waiting; for those that have said all they had to say.
function Child:has_left() return not process.running(self.handle) end

--- The last line of its output that says something, or nil.
function Child:last_words()
  local file = io.open(self.log)
  if not file then return nil end
  file:seek("set", math.max(0, file:seek "end" - 4096))
  local text = file:read "*a"
  file:close()
  return text:match "([^\n]*%S[^\n]*)%s*$"
end

--- Removes an empty log, so that only trials that said something leave one.
function Child:tidy()
  local ok, info = pcall(fs.stat, self.log)
  if ok and info and info.bytes == 0 then pcall(fs.remove, self.log) end
end

local FOR = {[4] = "illegal instruction", [6] = "aborted", [7] = "bus error", [8] = "arithmetic error",
  [11] = "segmentation fault", [31] = "bad system call"}

--- How often this machine has killed a process for lack of memory since it was started; 0 where it does not
-- say.
function child.oom_kills()
  local file = io.open "/proc/vmstat"
  local text = file and file:read "*a" or ""
  if file then file:close() end
  return tonumber(text:match "oom_kill (%d+)") or 0
end

--- What the end of a process without a result means: "failed" (it crashed, ended with an error, or was killed
-- for lack of memory) or "lost" (it was killed from outside), and a sentence. out_of_memory: the machine has
-- killed some process for lack of memory while this one ran.
function child.verdict(state, code, last_words, out_of_memory)
  local said = last_words and ": " .. last_words or ""
  if state == "exited" then
    -- 143, 130 and 75 are ours for "was told to stop".
    local told = code == 143 or code == 130 or code == 75
    return told and "lost" or "failed", ("its process ended with code %d and no result%s"):format(code, said)
  elseif FOR[code] then
    return "failed", ("its process crashed by signal %d (%s)%s"):format(code, FOR[code], said)
  end
  if code == 9 and out_of_memory then return "failed", "its process was killed for lack of memory" end
  return "lost", ("its process was killed by signal %d"):format(code)
end

return child
