--- lt.profile: where the time goes. `luatrain run RECIPE COMMAND --profile` prints it at the end.
--
--   lt.profile.run(function() ... end)                 -- prints a table when the function is done
--   local rows = lt.profile.measure(f)                 -- the ops: list of {name, seconds, calls}
--
-- Ops are timed at the waist, through which every computation goes. A loader's worker threads and a
-- renderer's threads run ops beside the trainer: their times are part of the table, so that its sum may
-- be more than the time that passed.
local ffi = require "ffi"
local core = require "luatrain.core"
local C, check = core.C, core.check

local profile = {}

local watched                                         -- phases of the trainer that runs, seconds by name

--- Remembers a trainer's table of phases, for the report of the run that is being profiled.
function profile.watch(phases) watched = phases end

--- Time and calls of every op that ran since the counters were set to 0, the slowest first.
function profile.ops()
  local info, rows = ffi.new "lt_op_info", {}
  for i = 0, C.lt_op_count() - 1 do
    check(C.lt_op_get(info, i))
    local calls = tonumber(info.calls)
    if calls > 0 then
      rows[#rows + 1] = {name = ffi.string(info.name), seconds = tonumber(info.nanoseconds) / 1e9,
        calls = calls}
    end
  end
  table.sort(rows, function(a, b) return a.seconds > b.seconds end)
  return rows
end

--- Runs f(...) with ops timed; returns the rows of profile.ops and the seconds that f took.
function profile.measure(f, ...)
  C.lt_profile(true)
  local started = C.lt_time()
  local ok, e = pcall(f, ...)
  local seconds = C.lt_time() - started
  local rows = profile.ops()
  C.lt_profile(false)
  if not ok then error(e, 0) end
  return rows, seconds
end

-- The trainer's phases as lines.
local function phase_lines(phases, add)
  local training = phases.training
  if training <= 0 then return end
  local rest = training - phases.data - phases.forward - phases.backward - phases.optimizer
  add("training                      %9.2f s", training)
  for _, row in ipairs { { "waiting for data", phases.data }, { "forward", phases.forward },
    { "backward", phases.backward }, { "optimizer", phases.optimizer }, { "other", rest } } do
    add("  %-27s %9.2f s %6.1f %%", row[1], row[2], 100 * row[2] / training)
  end
  add("validation and after epochs   %9.2f s", phases.validation)
end

--- The report as text. rows: of profile.ops; seconds: that passed; phases: of a trainer, or nil.
function profile.text(rows, seconds, phases)
  local lines, total = {}, 0
  local function add(format, ...) lines[#lines + 1] = format:format(...) end
  add("all                           %9.2f s", seconds)
  if phases then phase_lines(phases, add) end
  for _, row in ipairs(rows) do total = total + row.seconds end
  add("ops (all threads)             %9.2f s", total)
  local rest, calls = 0, 0
  for i, row in ipairs(rows) do
    if i <= 20 then
      add("  %-27s %9.2f s %6.1f %% %9d calls %10.1f us each", row.name, row.seconds,
        100 * row.seconds / math.max(total, 1e-9), row.calls, 1e6 * row.seconds / row.calls)
    else
      rest, calls = rest + row.seconds, calls + row.calls
    end
  end
  if #rows > 20 then
    add("  %-27s %9.2f s %6.1f %% %9d calls", ("%d others"):format(#rows - 20), rest,
      100 * rest / math.max(total, 1e-9), calls)
  end
  return table.concat(lines, "\n")
end

--- Runs f(...), prints where the time went (to stderr, also when f raises), returns f's first result.
function profile.run(f, ...)
  watched = nil
  local result
  C.lt_profile(true)
  local started = C.lt_time()
  local ok, e = pcall(function(...) result = f(...) end, ...)
  io.stderr:write(profile.text(profile.ops(), C.lt_time() - started, watched), "\n")
  C.lt_profile(false)
  if not ok then error(e, 0) end
  return result
end

return profile
