--- What a run tells: a progress bar on a terminal, plain lines elsewhere, log.txt, TensorBoard.
local ffi = require "ffi"
local core = require "luatrain.core"
local fs = require "luatrain.fs"
local C, check = core.C, core.check

local Journal = {}
Journal.__index = Journal
local journal = {}

--- Opens a journal. options: run (run directory, may be nil), quiet (nothing on the terminal),
-- events (write TensorBoard events, default true), log_every, names (prefixes steps and epochs of what
-- TensorBoard gets, default "train/" and "epoch/").
function journal.open(options)
  local self = setmetatable({
    quiet = options.quiet or false,
    columns = options.quiet and 0 or C.lt_terminal_columns(2),
    log_every = options.log_every or 50,
    names = options.names or {steps = "train/", epochs = "epoch/"},
    bar_length = 0,
    drawn = 0,
    started = C.lt_time(),
  }, Journal)
  if os.getenv "TERM" == "dumb" then self.columns = 0 end
  if options.run then
    local out = ffi.new "lt_appender *[1]"
    check(C.lt_appender_open(out, fs.join(options.run.logs, "log.txt")))
    self.log = ffi.gc(out[0], function(handle) C.lt_appender_close(handle) end)
    if options.events ~= false then
      self.events = require("luatrain.tensorboard").writer(options.run.logs)
    end
  end
  return self
end

function Journal:clear_bar()
  if self.bar_length > 0 then
    io.stderr:write("\r", (" "):rep(self.bar_length), "\r")
    self.bar_length = 0
  end
end

--- A line for people: to the terminal and to log.txt. A log that cannot be written (a full disk)
-- is said once and does not stop the run.
function Journal:line(format, ...)
  local text = select("#", ...) > 0 and format:format(...) or format
  if not self.quiet then
    self:clear_bar()
    io.stderr:write(text, "\n")
  end
  if self.log then
    local entry = os.date "%Y-%m-%d %H:%M:%S " .. text .. "\n"
    if C.lt_appender_write(self.log, entry, #entry) ~= 0 then
      local problem = ffi.string(C.lt_error())
      C.lt_appender_close(ffi.gc(self.log, nil))
      self.log = nil
      io.stderr:write("luatrain: the log ends here: ", problem, "\n")
    end
  end
end

-- "1:02:03" or "02:03".
local function clock(seconds)
  seconds = math.floor(seconds + 0.5)
  local h, m, s = math.floor(seconds / 3600), math.floor(seconds / 60) % 60, seconds % 60
  if h > 0 then return ("%d:%02d:%02d"):format(h, m, s) end
  return ("%02d:%02d"):format(m, s)
end
journal.clock = clock

--- Begins counting the speed of an epoch: `done` of `total` batches are behind.
function Journal:begin(label, done, total)
  self.label, self.total, self.first = label, total, done
  self.started, self.drawn, self.shown = C.lt_time(), 0, done
end

local function bar(share, width)
  local full = math.floor(share * width + 0.5)
  return "[" .. ("="):rep(full) .. (" "):rep(width - full) .. "]"
end

-- Whether the progress is due: ten times a second on a terminal, every log_every batches elsewhere.
local function is_due(self, done, now)
  if self.columns > 0 then return now - self.drawn >= 0.1 or done >= self.total end
  return done % self.log_every == 0 and done < self.total
end

-- `done` batches of the epoch are behind; text: what to show beside.
local function draw(self, done, now, text)
  local rate = (done - self.first) / math.max(now - self.started, 1e-9)
  local left = rate > 0 and (self.total - done) / rate or 0
  if self.columns == 0 then
    self:line("%s %d/%d %.1f it/s ETA %s %s", self.label, done, self.total, rate, clock(left), text)
    return
  end
  self.drawn = now
  local line = ("%s %s %d/%d %.1f it/s ETA %s %s"):format(self.label,
    bar(done / math.max(self.total, 1), 20), done, self.total, rate, clock(left), text)
  line = line:sub(1, self.columns - 1)
  io.stderr:write("\r", line, (" "):rep(math.max(0, self.bar_length - #line)))
  io.stderr:flush()
  self.bar_length = #line
end

--- After an optimizer step: at = {epoch, batch, step}, values = {loss, learning_rate,
-- gradient_norm, loss_scale}, tally = the epoch's averages so far. Events are written five times as often as
-- lines of the log.
function Journal:step(at, values, tally)
  if self.events and at.step % math.max(1, math.floor(self.log_every / 5)) == 0 then
    for name, value in pairs(values) do self:scalar(self.names.steps .. name, value, at.step) end
  end
  local now = C.lt_time()
  if is_due(self, at.batch, now) then
    local loss = tally.sums.loss / tally.weights.loss
    draw(self, at.batch, now, ("loss %.4f lr %.3g"):format(loss, values.learning_rate))
  end
end

-- Names in a fixed order, the losses first.
local function sorted(row)
  local names = {}
  for name in pairs(row) do names[#names + 1] = name end
  table.sort(names, function(a, b)
    local x, y = a:match "[_/]loss$" and 0 or 1, b:match "[_/]loss$" and 0 or 1
    if x ~= y then return x < y end
    return a < b
  end)
  return names
end

--- After an epoch: row = {metric = value}; best names the metric that became better than ever;
-- seconds = {train =, data = (of these, waiting for data)}.
function Journal:epoch(label, at, row, best, seconds)
  local parts = {}
  for _, name in ipairs(sorted(row)) do
    parts[#parts + 1] = ("%s %.5g"):format(name, row[name])
    self:scalar(self.names.epochs .. name, row[name], at.step)
  end
  local waited = 100 * seconds.data / math.max(seconds.train, 1e-9)
  self:line("%s, %s%s: %s%s", label, clock(C.lt_time() - self.started),
    waited >= 5 and seconds.data > 1 and (" (%.0f %% of training waiting for data)"):format(waited) or "",
    table.concat(parts, ", "), best and (" (best %s)"):format(best) or "")
end

--- Writes a scalar for TensorBoard. Events that cannot be written do not stop the run.
function Journal:scalar(name, value, step)
  if not self.events then return end
  local ok, e = pcall(self.events.scalar, self.events, name, value, step)
  if not ok then
    self.events = nil
    self:line("no more TensorBoard events: %s", tostring(e))
  end
end

function Journal:close()
  self:clear_bar()
  if self.events then
    pcall(self.events.close, self.events)
    self.events = nil
  end
  if self.log then
    local handle = ffi.gc(self.log, nil)
    self.log = nil
    C.lt_appender_close(handle)
  end
end

return journal
