--- Figures as pixels: one byte each, an index into a palette of 256 colours.
--
-- 0 is the background (nothing), 1 the grid, 2 to 9 the series, 16 to 255 the shades of an image from low to
-- high. Row 0 is at the top.
local bit = require "bit"
local ffi = require "ffi"

local raster = {}

raster.BACKGROUND, raster.GRID, raster.SERIES, raster.SHADES = 0, 1, 2, 16

-- Bright enough for a dark terminal, dark enough for a white one (after Okabe and Ito 2008).
local SERIES = { 0x4ea5d9, 0xe69f00, 0x1fae7f, 0xcc79a7, 0xe0662a, 0xb5a81e, 0x3f7fd6, 0x8c8c8c }
local MAGMA = { 0x000004, 0x3b0f70, 0xb5367a, 0xfb8861, 0xfcfdbf }

local function mixed(a, b, share)
  local out = 0
  for shift = 16, 0, -8 do
    local x, y = bit.band(bit.rshift(a, shift), 255), bit.band(bit.rshift(b, shift), 255)
    out = out * 256 + math.floor(x + (y - x) * share + 0.5)
  end
  return out
end

--- The colours as 0xRRGGBB, by index from 0.
raster.palette = {}
for i = 0, 255 do raster.palette[i] = 0x808080 end
for i, colour in ipairs(SERIES) do raster.palette[raster.SERIES + i - 1] = colour end
for i = raster.SHADES, 255 do
  local place = (i - raster.SHADES) / (255 - raster.SHADES) * (#MAGMA - 1)
  local k = math.min(math.floor(place), #MAGMA - 2)
  raster.palette[i] = mixed(MAGMA[k + 1], MAGMA[k + 2], place - k)
end

local Raster = {}
Raster.__index = Raster

--- An empty raster of so many pixels.
function raster.new(width, height)
  local data = ffi.new("uint8_t[?]", width * height)
  return setmetatable({ width = width, height = height, data = data }, Raster)
end

--- The index at a pixel, 0 outside.
function Raster:at(x, y)
  if x < 0 or y < 0 or x >= self.width or y >= self.height then return 0 end
  return self.data[y * self.width + x]
end

local function set(self, x, y, index)
  if x >= 0 and y >= 0 and x < self.width and y < self.height then self.data[y * self.width + x] = index end
end

local function dot(self, x, y, index, thick)
  if thick <= 1 then return set(self, x, y, index) end
  local from = -math.floor((thick - 1) / 2)
  for dy = from, from + thick - 1 do
    for dx = from, from + thick - 1 do set(self, x + dx, y + dy, index) end
  end
end

-- The part of a segment between y = low and y = high (Liang and Barsky); nil where there is none.
local function clipped(x0, y0, x1, y1, low, high)
  if math.max(y0, y1) < low or math.min(y0, y1) > high then return nil end
  if y0 ~= y1 then
    local slope = (x1 - x0) / (y1 - y0)
    if y0 < low then x0, y0 = x0 + (low - y0) * slope, low
    elseif y0 > high then x0, y0 = x0 + (high - y0) * slope, high end
    if y1 < low then x1, y1 = x1 + (low - y1) * slope, low
    elseif y1 > high then x1, y1 = x1 + (high - y1) * slope, high end
  end
  return x0, y0, x1, y1
end

-- A straight line, a dot at each step of its longer side.
local function line(self, x0, y0, x1, y1, index, thick)
  x0, y0, x1, y1 = clipped(x0, y0, x1, y1, -2, self.height + 1)
  if not x0 then return end
  local steps = math.max(math.abs(x1 - x0), math.abs(y1 - y0))
  steps = math.min(math.ceil(steps), 4 * (self.width + self.height))
  for i = 0, steps do
    local share = steps > 0 and i / steps or 0
    local x, y = x0 + (x1 - x0) * share, y0 + (y1 - y0) * share
    dot(self, math.floor(x + 0.5), math.floor(y + 0.5), index, thick)
  end
end

local function block(self, x0, y0, x1, y1, index)
  for y = math.max(0, y0), math.min(self.height - 1, y1) do
    for x = math.max(0, x0), math.min(self.width - 1, x1) do self.data[y * self.width + x] = index end
  end
end

local function finite(v) return v == v and math.abs(v) ~= math.huge end

-- A function from a value of the y axis to a row.
local function upward(self, figure)
  local low, high = figure.y_range[1], figure.y_range[2]
  local reach = self.height - 1
  if figure.log then
    low, high = math.log(low), math.log(high)
    return function(v) return v > 0 and (1 - (math.log(v) - low) / (high - low)) * reach or 0 / 0 end
  end
  return function(v) return (1 - (v - low) / (high - low)) * reach end
end

local painters = {}

function painters.line(self, figure, thick)
  local row = upward(self, figure)
  local x_low, x_high = figure.x_range[1], figure.x_range[2]
  for k, one in ipairs(figure.series) do
    local index = raster.SERIES + (k - 1) % #SERIES
    local last_x, last_y
    for i, v in ipairs(one.values) do
      local x = ((one.at and one.at[i] or i) - x_low) / (x_high - x_low) * (self.width - 1)
      local y = row(v)
      if finite(y) and finite(x) then
        if last_x and math.max(x, last_x) >= -1 and math.min(x, last_x) <= self.width then
          line(self, last_x, last_y, x, y, index, thick)
        elseif not last_x then
          line(self, x, y, x, y, index, thick)
        end
        last_x, last_y = x, y
      else
        last_x = nil
      end
    end
  end
end

function painters.histogram(self, figure, thick)
  local row = upward(self, figure)
  for k, counts in ipairs(figure.counts) do
    local index = raster.SERIES + (k - 1) % #SERIES
    local last
    for b = 1, figure.bins do
      local from = math.floor((b - 1) / figure.bins * self.width + 0.5)
      local to = math.max(from, math.floor(b / figure.bins * self.width + 0.5) - 1)
      local y = counts[b] > 0 and math.floor(row(counts[b]) + 0.5) or self.height
      if #figure.counts == 1 then
        block(self, from, y, to, self.height - 1, index)
      else
        if last then line(self, from, last, from, y, index, thick) end
        line(self, from, y, to, y, index, thick)
        last = y
      end
    end
  end
end

-- The number that stands for rows a to b and columns c to d of an image: the largest where it is looked up
-- at (spectra), the mean elsewhere; NaN where there is none.
local function cell(figure, a, b, c, d)
  local sum, count, most = 0, 0, -math.huge
  for r = a, b do
    for k = c, d do
      local v = figure.values[r * figure.columns + k]
      if finite(v) then
        sum, count, most = sum + v, count + 1, math.max(most, v)
      end
    end
  end
  if count == 0 then return 0 / 0 end
  return figure.y_down and sum / count or most
end

-- The first and last of n things that fall on pixel i of so many.
local function covered(i, pixels, n)
  local first = math.floor(i * n / pixels)
  local last = math.max(first, math.ceil((i + 1) * n / pixels) - 1)
  return math.min(first, n - 1), math.min(last, n - 1)
end

function painters.image(self, figure)
  local low, high = figure.v_range[1], figure.v_range[2]
  for y = 0, self.height - 1 do
    local a, b = covered(figure.y_down and y or self.height - 1 - y, self.height, figure.rows)
    for x = 0, self.width - 1 do
      local c, d = covered(x, self.width, figure.columns)
      local v = cell(figure, a, b, c, d)
      if v == v then
        local share = math.max(0, math.min(1, (v - low) / (high - low)))
        self.data[y * self.width + x] = raster.SHADES + math.floor(share * (255 - raster.SHADES) + 0.5)
      end
    end
  end
end

function painters.roll(self, figure)
  local low, high = figure.y_range[1], figure.y_range[2]
  local from, to = figure.x_range[1], figure.x_range[2]
  local keys = high - low + 1
  for k, group in ipairs(figure.groups) do
    local index = raster.SERIES + (k - 1) % #SERIES
    for _, n in ipairs(group.notes) do
      if n.stop > from and n.start < to then
        local y1 = math.ceil((high - n.pitch + 1) / keys * self.height) - 1
        local y0 = math.min(y1, math.floor((high - n.pitch) / keys * self.height))
        local x0 = math.floor((n.start - from) / (to - from) * self.width)
        local x1 = math.max(x0, math.ceil((n.stop - from) / (to - from) * self.width) - 2)
        block(self, x0, y0, x1, y1, index)
      end
    end
  end
end

--- The figure on width x height pixels. thick: width of lines in pixels.
function raster.draw(figure, width, height, thick)
  local self = raster.new(width, height)
  painters[figure.kind](self, figure, thick or 1)
  return self
end

return raster
