-- Start to first result: luatrain -e 'print(1)', as a whole process; and start to the first prompt of the
-- REPL on a terminal.
package.path = "tests/?.lua;" .. package.path
local ffi = require "ffi"
local lt = require "luatrain"
local timing = require "bench.timing"

for name, code in pairs { startup = "print(1)", startup_tensor = "lt.randn(3,3) * 2" } do
  timing.result(name, timing.median(30, os.execute, ("build/luatrain -e '%s' >/dev/null"):format(code)))
end

ffi.cdef [[
int forkpty(int *master, char *name, const void *termios, const void *size);
int execl(const char *path, const char *word, ...);
long read(int fd, void *data, size_t bytes);
long write(int fd, const void *data, size_t bytes);
int close(int fd);
int waitpid(int pid, int *status, int options);
void _exit(int code);
int setenv(const char *name, const char *value, int overwrite);
]]
local C = ffi.C

-- Seconds from the start of a REPL until its prompt is there; then it is left.
local function first_prompt()
  local master, bytes, seen = ffi.new "int[1]", ffi.new "char[4096]", ""
  local started = lt.time()
  local pid = C.forkpty(master, nil, nil, nil)
  if pid == 0 then
    C.setenv("TERM", "xterm", 1)
    C.execl("build/luatrain", "luatrain", ffi.cast("char *", nil))
    C._exit(127)
  end
  while not seen:find("lt> ", 1, true) do
    local n = C.read(master[0], bytes, 4096)
    if n <= 0 then error("no prompt came: " .. seen) end
    seen = seen .. ffi.string(bytes, n)
  end
  local seconds = lt.time() - started
  C.write(master[0], "\4", 1)
  while C.read(master[0], bytes, 4096) > 0 do end
  C.close(master[0])
  C.waitpid(pid, nil, 0)
  return seconds
end

local times = {}
for i = 1, 32 do
  local seconds = first_prompt()
  if i > 2 then times[#times + 1] = seconds end
end
table.sort(times)
timing.result("startup_prompt", times[15])
