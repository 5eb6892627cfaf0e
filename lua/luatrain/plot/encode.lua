--- Rasters as what a terminal shows: lines of characters with colours, or one of the two protocols for
-- pictures.
--
-- Sixel: https://vt100.net/docs/vt3xx-gp/chapter14.html.
-- Kitty: https://sw.kovidgoyal.net/kitty/graphics-protocol/.
local bit = require "bit"
local core = require "luatrain.core"
local ffi = require "ffi"
local raster = require "luatrain.plot.raster"
local C = core.C
local band, rshift = bit.band, bit.rshift

local encode = {}

local function rgb(index)
  local colour = raster.palette[index]
  return rshift(colour, 16), band(rshift(colour, 8), 255), band(colour, 255)
end

-- ---- colours ------------------------------------------------------------------------------------

local CUBE = { 0, 95, 135, 175, 215, 255 }

local function nearest_level(v)
  local best, distance = 1, math.huge
  for i, level in ipairs(CUBE) do
    if math.abs(level - v) < distance then best, distance = i, math.abs(level - v) end
  end
  return best, CUBE[best]
end

-- The nearest of the 256 colours: of the 6 x 6 x 6 cube, or of the 24 greys.
local function of_256(r, g, b)
  local i, cr = nearest_level(r)
  local j, cg = nearest_level(g)
  local k, cb = nearest_level(b)
  local grey = math.max(0, math.min(23, math.floor(((r + g + b) / 3 - 8) / 10 + 0.5)))
  local level = 8 + 10 * grey
  local cube = (cr - r) ^ 2 + (cg - g) ^ 2 + (cb - b) ^ 2
  local shade = (level - r) ^ 2 + (level - g) ^ 2 + (level - b) ^ 2
  if shade < cube then return 232 + grey end
  return 16 + 36 * (i - 1) + 6 * (j - 1) + k - 1
end

local BASIC = { [2] = 94, [3] = 33, [4] = 32, [5] = 95, [6] = 91, [7] = 93, [8] = 34, [9] = 37 }
local known = {}

-- "38;5;27": the parameters that choose a palette index as foreground (38) or background (48).
local function parameters(index, where, depth)
  local key = index + where * 1000 + (depth == 256 and 1e6 or depth == 16 and 2e6 or 0)
  local text = known[key]
  if not text then
    local r, g, b = rgb(index)
    if depth > 256 then text = ("%d;2;%d;%d;%d"):format(where, r, g, b)
    elseif depth == 256 then text = ("%d;5;%d"):format(where, of_256(r, g, b))
    else text = tostring((BASIC[index] or 37) + where - 38) end
    known[key] = text
  end
  return text
end

--- A text in the colour of a palette index, plain where there are no colours.
function encode.coloured(text, index, depth)
  if depth < 16 then return text end
  return ("\27[%sm%s\27[0m"):format(parameters(index, 38, depth), text)
end

-- Builds one line: put(character, foreground, background), 0 for none.
local function line_builder(depth)
  local parts, front, back = {}, 0, 0
  local function put(char, fg, bg)
    if depth >= 16 and (fg ~= front or bg ~= back) then
      local codes = { "0" }
      if fg ~= 0 then codes[#codes + 1] = parameters(fg, 38, depth) end
      if bg ~= 0 then codes[#codes + 1] = parameters(bg, 48, depth) end
      parts[#parts + 1] = "\27[" .. table.concat(codes, ";") .. "m"
      front, back = fg, bg
    end
    parts[#parts + 1] = char
  end
  local function finish()
    if front ~= 0 or back ~= 0 then parts[#parts + 1] = "\27[0m" end
    return table.concat(parts)
  end
  return put, finish
end

-- ---- characters ---------------------------------------------------------------------------------

--- Two pixels a cell, one above the other: half blocks. r has 2 rows of pixels for each line.
function encode.halves(r, depth)
  local lines = {}
  for row = 0, r.height / 2 - 1 do
    local put, finish = line_builder(depth)
    for x = 0, r.width - 1 do
      local top, low = r:at(x, 2 * row), r:at(x, 2 * row + 1)
      if top == 0 and low == 0 then put(" ", 0, 0)
      elseif low == 0 then put("▀", top, 0)
      elseif top == 0 then put("▄", low, 0)
      elseif top == low or depth < 16 then put("█", top, 0)
      else put("▀", top, low) end
    end
    lines[#lines + 1] = finish()
  end
  return lines
end

local DOTS = { { 1, 8 }, { 2, 16 }, { 4, 32 }, { 64, 128 } }

-- The UTF-8 bytes of the Braille pattern with these dots.
local function braille(dots) return string.char(0xE2, 0xA0 + rshift(dots, 6), 0x80 + band(dots, 63)) end

--- Two by four dots a cell: Braille patterns, in the colour that most of the dots have.
function encode.dots(r, depth)
  local lines = {}
  for row = 0, r.height / 4 - 1 do
    local put, finish = line_builder(depth)
    for column = 0, r.width / 2 - 1 do
      local dots, count, colour = 0, {}, 0
      for dy = 0, 3 do
        for dx = 0, 1 do
          local index = r:at(2 * column + dx, 4 * row + dy)
          if index ~= 0 then
            dots = dots + DOTS[dy + 1][dx + 1]
            count[index] = (count[index] or 0) + 1
            if colour == 0 or count[index] > count[colour] then colour = index end
          end
        end
      end
      put(dots == 0 and " " or braille(dots), colour, 0)
    end
    lines[#lines + 1] = finish()
  end
  return lines
end

local EIGHTHS = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" }

--- Columns that rise from below, in eighths of a cell. r has 8 rows of pixels for each line.
function encode.eighths(r, depth)
  local lines = {}
  for row = 0, r.height / 8 - 1 do
    local put, finish = line_builder(depth)
    for x = 0, r.width - 1 do
      local filled, index = 0, 0
      for dy = 0, 7 do
        local here = r:at(x, 8 * row + dy)
        if here ~= 0 then filled, index = filled + 1, here end
      end
      put(filled == 0 and " " or EIGHTHS[filled], index, 0)
    end
    lines[#lines + 1] = finish()
  end
  return lines
end

local RAMPS = { unicode = { " ", "░", "▒", "▓", "█" }, ascii = {} }
for char in (" .:-=+*#%@"):gmatch "." do table.insert(RAMPS.ascii, char) end

--- An image in shades of characters: ramp "unicode" or "ascii". One pixel a cell.
function encode.shades(r, ramp)
  local chars, lines = RAMPS[ramp], {}
  for y = 0, r.height - 1 do
    local parts = {}
    for x = 0, r.width - 1 do
      local index = r:at(x, y)
      local share = math.max(0, index - raster.SHADES) / (255 - raster.SHADES)
      parts[#parts + 1] = chars[math.min(#chars, math.floor(share * #chars) + 1)]
    end
    lines[#lines + 1] = table.concat(parts)
  end
  return lines
end

--- The characters that stand for series where there are no colours.
encode.marks = { "*", "+", "o", "x", "#", "@", "%", "=" }

--- One character a pixel: that of its series.
function encode.letters(r, marks)
  local lines = {}
  for y = 0, r.height - 1 do
    local parts = {}
    for x = 0, r.width - 1 do
      local index = r:at(x, y)
      parts[#parts + 1] = index == 0 and " " or marks[(index - raster.SERIES) % #marks + 1]
    end
    lines[#lines + 1] = table.concat(parts)
  end
  return lines
end

-- ---- pictures -----------------------------------------------------------------------------------

--- The picture as bytes: red, green, blue and 255, or 0 where nothing is drawn; row by row from the top.
function encode.rgba(r)
  local pixels = ffi.new("uint8_t[?]", r.width * r.height * 4)
  for i = 0, r.width * r.height - 1 do
    local index = r.data[i]
    if index ~= 0 then
      local red, green, blue = rgb(index)
      pixels[4 * i], pixels[4 * i + 1], pixels[4 * i + 2], pixels[4 * i + 3] = red, green, blue, 255
    end
  end
  return ffi.string(pixels, r.width * r.height * 4)
end

-- zlib's form of a text, or nil where libdeflate is not there.
local function compressed(text)
  local room = C.lt_zlib_bound(#text)
  if room <= 0 then return nil end
  local out, size = ffi.new("uint8_t[?]", room), ffi.new "int64_t[1]"
  core.check(C.lt_zlib_compress(out, size, room, text, #text))
  return ffi.string(out, tonumber(size[0]))
end

--- Kitty's escape sequences that show the picture on columns x rows of cells and leave the cursor alone.
function encode.kitty(r, columns, rows)
  local plain = encode.rgba(r)
  local short = compressed(plain)
  local data = require("luatrain.report.web").base64(short or plain)
  local first = ("a=T,f=32,s=%d,v=%d,c=%d,r=%d,C=1,q=2%s"):format(r.width, r.height, columns, rows,
    short and ",o=z" or "")
  local parts = {}
  for at = 1, #data, 4096 do
    local more = at + 4096 <= #data and 1 or 0
    local control = "m=" .. more
    if at == 1 then control = first .. "," .. control end
    parts[#parts + 1] = ("\27_G%s;%s\27\\"):format(control, data:sub(at, at + 4095))
  end
  return table.concat(parts)
end

-- One colour of one band of six rows, runs of one character shortened.
local function sixel_row(r, top, index, parts)
  local last, run = nil, 0
  local function flush()
    if run > 3 then parts[#parts + 1] = ("!%d%s"):format(run, last)
    elseif run > 0 then parts[#parts + 1] = last:rep(run) end
  end
  for x = 0, r.width - 1 do
    local bits = 0
    for dy = 0, math.min(5, r.height - 1 - top) do
      if r.data[(top + dy) * r.width + x] == index then bits = bits + 2 ^ dy end
    end
    local char = string.char(63 + bits)
    if char == last then
      run = run + 1
    else
      flush()
      last, run = char, 1
    end
  end
  if last ~= "?" then flush() end
end

local function colours_of(r, top, stop)
  local seen, list = {}, {}
  for i = top * r.width, math.min(stop, r.height) * r.width - 1 do
    local index = r.data[i]
    if index ~= 0 and not seen[index] then
      seen[index] = true
      list[#list + 1] = index
    end
  end
  table.sort(list)
  return list
end

--- The picture as sixels; the background is left as it is.
function encode.sixel(r)
  local parts = { ('\27P0;1;0q"1;1;%d;%d'):format(r.width, r.height) }
  for _, index in ipairs(colours_of(r, 0, r.height)) do
    local red, green, blue = rgb(index)
    parts[#parts + 1] = ("#%d;2;%.0f;%.0f;%.0f"):format(index, red / 2.55, green / 2.55, blue / 2.55)
  end
  for top = 0, r.height - 1, 6 do
    for k, index in ipairs(colours_of(r, top, top + 6)) do
      if k > 1 then parts[#parts + 1] = "$" end
      parts[#parts + 1] = "#" .. index
      sixel_row(r, top, index, parts)
    end
    parts[#parts + 1] = "-"
  end
  parts[#parts + 1] = "\27\\"
  return table.concat(parts)
end

return encode
