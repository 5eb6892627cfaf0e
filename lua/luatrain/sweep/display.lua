--- What a running sweep shows: on a terminal a table of its trials with progress and the time left, elsewhere
-- a line for each trial that ended.
local core = require "luatrain.core"
local journal = require "luatrain.train.journal"
local last_report = require("luatrain.sweep.seen").last_report
local terminal = require "luatrain.terminal"
local text = require "luatrain.text"
local C = core.C

local display = {}

local Display = {}
Display.__index = Display

--- options: quiet (say nothing but problems).
function display.new(options)
  local columns = C.lt_terminal_columns(2)
  if os.getenv "TERM" == "dumb" then columns = 0 end
  return setmetatable({columns = columns, quiet = options.quiet or false, drawn = 0, height = 0,
    pending = {}}, Display)
end

local function value_text(value)
  if type(value) == "number" then return ("%.4g"):format(value) end
  return tostring(value)
end

--- Parameters as "lr 0.001, width 64", in order.
function display.params(params)
  local parts = {}
  for i, name in ipairs(core.sorted_keys(params)) do parts[i] = name .. " " .. value_text(params[name]) end
  return table.concat(parts, ", ")
end

--- Objective values as "0.93" or "0.93, 12.5".
function display.values(values)
  local parts = {}
  for i, value in ipairs(values or {}) do parts[i] = ("%.6g"):format(value) end
  return table.concat(parts, ", ")
end

--- A finished trial as one line.
function display.result(record, seconds)
  local what
  if record.state == "done" then what = display.values(record.values)
  elseif record.state == "pruned" then
    local step, value = last_report(record)
    what = step and ("pruned after step %d with %.6g"):format(step, value) or "pruned"
  else what = record.state .. (record.message and ": " .. record.message or "") end
  return ("trial %d: %s (%s)%s"):format(record.number, what, display.params(record.params),
    seconds and (" in %.3g s"):format(seconds) or "")
end

function Display:clear()
  if self.height == 0 then return end
  io.stderr:write(("\r\27[%dA\27[J"):format(self.height))
  self.height = 0
end

--- A line for people, above the table.
function Display:line(format, ...)
  self:clear()
  io.stderr:write(select("#", ...) > 0 and format:format(...) or format, "\n")
end

function Display:begin(runner)
  self.first = 0
  for state, n in pairs(runner.study:counts()) do
    if state ~= "waiting" and state ~= "running" then self.first = self.first + n end
  end
  if self.quiet then return end
  self:line("study %s in %s: %d of %d trials are finished, %d at a time, %d %s each", runner.study.name,
    runner.study.storage.path, self.first, runner.target, runner.parallel, runner.threads,
    runner.threads == 1 and "thread" or "threads")
end

function Display.trial_started() end

function Display:trial_ended(record, seconds)
  local failed = record.state == "failed"
  if self.quiet and not failed then return end
  if self.columns == 0 or failed then self:line("%s", display.result(record, seconds)) end
end

local function progress_line(self, runner, counts, finished)
  local elapsed = C.lt_time() - runner.started
  local rate = runner.ended / math.max(elapsed, 1e-9)
  local left = math.max(0, runner.target - finished)
  local eta = runner.ended > 0 and journal.clock(left / rate) or "--:--"
  local width = 20
  local full = math.floor(math.min(1, finished / math.max(runner.target, 1)) * width + 0.5)
  return ("[%s%s] %d/%d  %s  ETA %s  %d done, %d pruned, %d failed"):format(("="):rep(full),
    (" "):rep(width - full), finished, runner.target, journal.clock(elapsed), eta, counts.done, counts.pruned,
    counts.failed)
end

local function table_lines(self, runner)
  local counts = runner.study:counts()
  local finished = counts.done + counts.pruned + counts.failed
  local lines = {progress_line(self, runner, counts, finished)}
  local best = runner.study:best()
  if #best == 1 then
    lines[#lines + 1] = ("best  %s"):format(display.result(best[1]))
  elseif #best > 1 then
    lines[#lines + 1] = ("best  %d trials of the Pareto front"):format(#best)
  end
  local now = C.lt_time()
  -- What has left the screen cannot be drawn over, and tmux puts a screen cleared whole into its history.
  local most = math.min(17, terminal.rows(2) - 2)
  for _, one in ipairs(runner.running) do
    if #lines >= most then break end
    local step, value = last_report(one.record)
    lines[#lines + 1] = ("%5d  %s  %s  %s"):format(one.record.number, journal.clock(now - one.began),
      step and ("step %d: %.5g"):format(step, value) or "started", display.params(one.record.params))
  end
  return lines
end

--- Draws the table again when it is due: four times a second, less often for a large study.
function Display:tick(runner)
  if self.quiet or self.columns == 0 then return end
  local now = C.lt_time()
  if now < self.drawn then return end
  self.columns = C.lt_terminal_columns(2)
  local lines = table_lines(self, runner)
  self:clear()
  for i, line in ipairs(lines) do lines[i] = text.clip(line, math.max(self.columns - 1, 10)) end
  io.stderr:write(table.concat(lines, "\n"), "\n")
  io.stderr:flush()
  self.height = #lines
  self.drawn = C.lt_time() + math.max(0.25, 10 * (C.lt_time() - now))
end

function Display:finish(runner)
  self:clear()
  if self.quiet then return end
  local counts = runner.study:counts()
  local others = counts.running + counts.waiting
  self:line("study %s: %d done, %d pruned, %d failed%s, %s", runner.study.name, counts.done, counts.pruned,
    counts.failed, others > 0 and (", %d unfinished"):format(others) or "",
    journal.clock(C.lt_time() - runner.started))
  local best = runner.study:best()
  if #best == 1 then
    self:line("best is %s", display.result(best[1]))
  elseif #best > 1 then
    self:line("the Pareto front has %d trials", #best)
    for i = 1, math.min(#best, 20) do self:line("  %s", display.result(best[i])) end
  end
end

return display
