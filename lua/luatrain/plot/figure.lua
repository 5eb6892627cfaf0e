--- What is to be drawn, whatever it is drawn with: the numbers of a plot and the ranges of its axes.
--
-- A figure has kind ("line", "image", "roll", "histogram"), title, x and y (what the axes say), names (of
-- series, where they have any), x_range and y_range {low, high}, and
--   line       series = list of {name, values = list, at = list or nil}
--   image      rows, columns, values (doubles, row by row from the top), v_range, y_down
--   roll       groups = list of {name, notes = list of {start, stop, pitch}}
--   histogram  counts = list of lists, edges {low, high}, series
local ffi = require "ffi"
local core = require "luatrain.core"
local Tensor = require "luatrain.tensor"

local figure = {}

local function finite(v) return type(v) == "number" and v == v and math.abs(v) ~= math.huge end

local function fail(...) core.fail("plot: " .. (...), select(2, ...)) end

-- ---- numbers ------------------------------------------------------------------------------------

local MANY = 2 ^ 15   -- more values than any screen has columns: lowest and highest of each run stand for it

local function thinned(t)
  local n = t:numel()
  local run = math.ceil(n / (MANY / 4))
  local whole = math.floor(n / run) * run
  local lows, highs = {}, {}
  require("luatrain.scope").run(function()
    local x = t:detach():cast("f32"):contiguous():reshape(n):narrow(1, 1, whole):reshape(whole / run, run)
    lows, highs = x:amin(2):flat(), x:amax(2):flat()
  end)
  local list, at = {}, {}
  for i = 1, #lows do
    list[2 * i - 1], list[2 * i] = lows[i], highs[i]
    at[2 * i - 1], at[2 * i] = (i - 1) * run + 1, (i - 1) * run + run / 2
  end
  return list, at
end

-- The numbers of a tensor or list as a list, and where they stand (nil: 1, 2, 3, ...).
local function numbers(x, what)
  if Tensor.is_tensor(x) then
    if not x:is_alive() then fail("%s was released with its scope", what) end
    if x:numel() > MANY then return thinned(x) end
    return x:detach():flat()
  end
  if type(x) ~= "table" then fail("%s is a %s, wanted a tensor or a list of numbers", what, type(x)) end
  for i, v in ipairs(x) do
    if type(v) ~= "number" then fail("%s: entry %d is a %s, wanted a number", what, i, type(v)) end
  end
  return x
end

local function is_list_of_numbers(x)
  return type(x) == "table" and not Tensor.is_tensor(x) and type(x[1]) == "number"
end

local function is_series(x) return Tensor.is_tensor(x) or is_list_of_numbers(x) end

-- {low, high} with some room where both are one.
local function opened(low, high)
  if low < high then return { low, high } end
  local room = low == 0 and 1 or math.abs(low) * 0.1
  return { low - room, high + room }
end

local function range_of(lists, given, what, positive)
  local low, high = math.huge, -math.huge
  for _, list in ipairs(lists) do
    for _, v in ipairs(list) do
      if finite(v) and not (positive and v <= 0) then low, high = math.min(low, v), math.max(high, v) end
    end
  end
  if given then low, high = given[1] or low, given[2] or high end
  if low > high then
    if low == math.huge then fail("%s: no finite %snumber to draw", what, positive and "positive " or "") end
    fail("%s: the range is upside down, from %g to %g", what, low, high)
  end
  return opened(low, high)
end

-- ---- kinds --------------------------------------------------------------------------------------

-- The series of x: one, the rows of a small matrix, a list of several, or a table by name.
local function series_of(x, options)
  local list = {}
  local function add(values, name)
    local numbers_of, at = numbers(values, name and ("series '%s'"):format(name) or "x")
    at = at or options.at and numbers(options.at, "at")
    if options.at and #at ~= #numbers_of then
      fail("at has %d numbers, the values are %d", #at, #numbers_of)
    end
    list[#list + 1] = { name = name, values = numbers_of, at = at }
  end
  local named = options.names or {}
  if Tensor.is_tensor(x) and x:dim() == 2 then
    for i = 1, x:size(1) do add(x:select(1, i), named[i] or x:size(1) > 1 and tostring(i) or nil) end
  elseif is_series(x) then
    add(x, named[1])
  elseif type(x) == "table" and is_series(x[1]) then
    for i, one in ipairs(x) do add(one, named[i] or tostring(i)) end
  elseif type(x) == "table" and next(x) ~= nil then
    for _, name in ipairs(core.sorted_keys(x)) do add(x[name], tostring(name)) end
  else
    fail("there is nothing to draw")
  end
  if #list > 8 then fail("%d series; at most 8 can be told apart (kind = \"image\"?)", #list) end
  return list
end

local makers = {}

function makers.line(x, options)
  local series = series_of(x, options)
  local values, places, longest = {}, {}, 0
  for i, one in ipairs(series) do
    values[i] = one.values
    longest = math.max(longest, #one.values)
    if one.at then places[#places + 1] = one.at end
  end
  if longest == 0 then fail("there is nothing to draw") end
  if #places < #series then places[#places + 1] = { 1, longest } end
  local self = { kind = "line", series = series, y_range = range_of(values, options.range, "x", options.log),
    x_range = range_of(places, options.x_range, "at"), log = options.log }
  local rate = options.sample_rate
  if rate and not options.at then self.x_scale, self.x = 1 / rate, options.x or "s" end
  return self
end

function makers.histogram(x, options)
  local series = series_of(x, options)
  local values = {}
  for i, one in ipairs(series) do values[i] = one.values end
  local edges = range_of(values, options.range, "x")
  local bins = options.bins or 40
  if type(bins) ~= "number" or bins < 1 or bins % 1 ~= 0 or bins > 10000 then
    fail("bins is %s, wanted a whole number from 1 to 10000", tostring(bins))
  end
  local counts, most = {}, 0
  for k, list in ipairs(values) do
    counts[k] = {}
    for b = 1, bins do counts[k][b] = 0 end
    for _, v in ipairs(list) do
      if finite(v) and v >= edges[1] and v <= edges[2] then
        local b = math.min(bins, math.floor((v - edges[1]) / (edges[2] - edges[1]) * bins) + 1)
        counts[k][b] = counts[k][b] + 1
        most = math.max(most, counts[k][b])
      end
    end
  end
  return { kind = "histogram", series = series, counts = counts, edges = edges, bins = bins,
    x_range = edges, y_range = { 0, math.max(most, 1) } }
end

-- A matrix as doubles, row by row.
local function matrix(x)
  if not Tensor.is_tensor(x) then
    if type(x) ~= "table" or type(x[1]) ~= "table" then
      fail("an image is a tensor (rows, columns) or a list of rows, got a %s", type(x))
    end
    x = Tensor.from(x)
  end
  while x:dim() > 2 and x:size(1) == 1 do x = x:select(1, 1) end
  if x:dim() ~= 2 then fail("an image has rows and columns, this tensor is %s", x:shape_text()) end
  local rows, columns = x:size(1), x:size(2)
  if rows == 0 or columns == 0 then fail("the image is empty: %s", x:shape_text()) end
  if rows * columns > 2 ^ 24 then fail("the image is %s; take a part of it", x:shape_text()) end
  local values = ffi.new("double[?]", rows * columns)
  core.check(core.C.lt_tensor_to_doubles(values, x:detach().c))
  return values, rows, columns
end

function makers.image(x, options)
  local values, rows, columns = matrix(x)
  local low, high = math.huge, -math.huge
  for i = 0, rows * columns - 1 do
    local v = values[i]
    if finite(v) then low, high = math.min(low, v), math.max(high, v) end
  end
  if low > high then fail("x: no finite number to draw") end
  local given = options.range or {}
  low, high = given[1] or low, given[2] or high
  if low > high then fail("the range is upside down, from %g to %g", low, high) end
  return { kind = "image", values = values, rows = rows, columns = columns, v_range = opened(low, high),
    y_down = true, x_range = { 1, columns }, y_range = { rows, 1 } }
end

-- Power in decibels below the loudest, at most 80 of them: (bins, frames).
local function decibels(x, o)
  local audio = require "luatrain.audio"
  return require("luatrain.scope").run(function()
    local s = audio.spectrogram(x:detach(), o)
    local db = s:clamp(1e-10):log() * (10 / math.log(10))
    return db:clamp(db:amax():item() - 80)
  end)
end

function makers.spectrogram(x, options)
  local rate, hop = options.sample_rate, options.hop
  local signal = is_list_of_numbers(x) and Tensor.from(x) or x
  local top = options.fmax
  if Tensor.is_tensor(signal) and signal:dim() == 1 then
    local n_fft = options.n_fft or 1024
    hop = hop or math.floor(n_fft / 4)
    if signal:numel() < n_fft then
      fail("a spectrogram needs %d samples (n_fft), the signal has %d", n_fft, signal:numel())
    end
    x, top = decibels(signal, { n_fft = n_fft, hop = hop, pad_mode = "reflect" }), top or rate and rate / 2
  end
  local self = makers.image(x, options)
  self.y_down, self.y_range = false, { 1, self.rows }
  if rate and hop then self.x_range, self.x = { 0, (self.columns - 1) * hop / rate }, "s" end
  if top then self.y_range, self.y = { 0, top / 1000 }, "kHz" end
  return self
end

function makers.roll(x, options)
  local several = type(x[1]) == "table" and x[1].notes
  local groups = x.notes and { x } or several and x or { { notes = x } }
  local low, high, from, to, count = math.huge, -math.huge, math.huge, -math.huge, 0
  for g, group in ipairs(groups) do
    for i, n in ipairs(group.notes) do
      if type(n) ~= "table" then fail("note %d is a %s, wanted {start, stop, pitch}", i, type(n)) end
      for _, field in ipairs { "start", "stop", "pitch" } do
        if not finite(n[field]) then fail("note %d of group %d has no %s", i, g, field) end
      end
      low, high = math.min(low, n.pitch), math.max(high, n.pitch)
      from, to, count = math.min(from, n.start), math.max(to, n.stop), count + 1
    end
  end
  if count == 0 then fail("there are no notes to draw") end
  local span = options.x_range or { math.min(from, 0), to }
  local more = math.max(0, 12 - (high - low))
  return { kind = "roll", groups = groups, x_range = opened(span[1], span[2]), x = "s",
    y_range = { low - 1 - math.floor(more / 2), high + 1 + math.ceil(more / 2) } }
end

-- What x is when the user does not say.
local function guess(x)
  if Tensor.is_tensor(x) then
    if x:dim() <= 1 then return "line" end
    return x:dim() == 2 and x:size(1) <= 8 and x:size(2) > x:size(1) and "line" or "image"
  elseif type(x) == "table" then
    local first = x[1]
    local rows = type(first) == "table" and not Tensor.is_tensor(first)
    if type(x.notes) == "table" or rows and (first.notes or first.pitch) then return "roll" end
    return rows and #x > 8 and "image" or "line"
  end
  fail("x is a %s, wanted a tensor, a list of numbers, several of them, or notes", type(x))
end

figure.KINDS = { "line", "image", "spectrogram", "roll", "histogram" }

--- The figure of what lt.plot was given.
function figure.of(x, options)
  local kind = options.kind or guess(x)
  if not makers[kind] then
    local near = core.nearest(tostring(kind), figure.KINDS)
    fail("kind is '%s'; %s", tostring(kind), near and "did you mean '" .. near .. "'?"
      or "there are " .. table.concat(figure.KINDS, ", "))
  end
  if kind == "roll" and (type(x) ~= "table" or Tensor.is_tensor(x)) then
    fail "a piano roll is drawn of notes or of a song"
  end
  local self = makers[kind](x, options)
  self.title, self.wanted = options.title, kind
  self.x, self.y = options.x or self.x, options.y or self.y
  return self
end

return figure
