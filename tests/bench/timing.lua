--- What the benches share: medians of runs, and the lines that bench.lua reads.
local lt = require "luatrain"

local timing = {}

--- Seconds of f(...): the median of `runs`, after two that do not count.
function timing.median(runs, f, ...)
  local times = {}
  for i = 1, runs + 2 do
    local start = lt.time()
    f(...)
    if i > 2 then times[#times + 1] = lt.time() - start end
  end
  table.sort(times)
  return times[math.ceil(runs / 2)]
end

--- Prints a result in seconds; note: how it was reached.
function timing.result(name, seconds, note)
  print(("RESULT name=%s value=%.9f unit=s %s"):format(name, seconds, note or ""))
end

--- Runs this bench once with each of the names as its argument, each time in a process of its own, whose
-- memory is its own. ...: more arguments.
function timing.each(names, ...)
  for _, name in ipairs(names) do
    local pipe = io.popen(table.concat({ "build/luatrain", arg[0], name, ... }, " "))
    io.write(pipe:read "*a")
    pipe:close()
  end
end

return timing
