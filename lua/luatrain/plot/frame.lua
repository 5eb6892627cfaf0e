--- What stands around a plot in the terminal: title, axes with their numbers, the names of the series.
local encode = require "luatrain.plot.encode"
local raster = require "luatrain.plot.raster"
local texts = require "luatrain.text"

local frame = {}

-- ---- ticks --------------------------------------------------------------------------------------

--- Round numbers in [low, high], about `count` of them: steps of 1, 2 or 5 times a power of ten.
function frame.ticks(low, high, count)
  if low > high then low, high = high, low end
  local raw = (high - low) / math.max(count, 1)
  local power = 10 ^ math.floor(math.log10(raw))
  local step = power
  for _, factor in ipairs { 1, 2, 5, 10 } do
    step = factor * power
    if step >= raw * 0.999 then break end
  end
  local list = {}
  local k = math.ceil(low / step - 1e-9)
  while k * step <= high + step * 1e-9 and #list < 100 do
    list[#list + 1] = k * step
    k = k + 1
  end
  return list
end

-- Powers of ten between two numbers; every n-th where there are many.
local function powers(low, high, count)
  local list = {}
  local first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
  local every = math.max(1, math.ceil((last - first + 1) / math.max(count, 1)))
  for k = first, last, every do list[#list + 1] = 10 ^ k end
  if #list < 2 then return frame.ticks(low, high, count) end
  return list
end

local function number(v)
  if v == 0 then return "0" end  -- not "-0"
  local text = ("%.4g"):format(v)
  return #text > 8 and ("%.2g"):format(v) or text
end

-- {text, share from the lower end} of each number at an axis.
local function labels_of(range, count, options)
  local low, high = range[1], range[2]
  local list = {}
  if options.octaves then
    for pitch = math.ceil(low / 12) * 12, high, 12 do
      list[#list + 1] = { ("C%d"):format(pitch / 12 - 1), (pitch - low + 0.5) / (high - low + 1) }
    end
    return list
  end
  local scale = options.scale
  local values = options.log and powers(low, high, count) or frame.ticks(low * scale, high * scale, count)
  for _, v in ipairs(values) do
    local share
    if options.log then share = (math.log(v) - math.log(low)) / (math.log(high) - math.log(low))
    else share = (v / scale - low) / (high - low) end
    list[#list + 1] = { number(v), share }
  end
  return list
end

-- ---- layout -------------------------------------------------------------------------------------

local columns_of, cut = texts.width, texts.clip

local function centred(text, width)
  return (" "):rep(math.floor((width - columns_of(text)) / 2)) .. text
end

--- The sizes of a plot of so many columns and rows: {area = columns of the area, rows, left, y_labels}.
function frame.layout(figure, width, rows)
  local y_labels = labels_of(figure.y_range, math.max(rows >= 6 and 3 or 2, math.floor(rows / 3)),
    { log = figure.log, octaves = figure.kind == "roll", scale = 1 })
  local left = 1
  for _, label in ipairs(y_labels) do left = math.max(left, #label[1]) end
  return { area = math.max(8, width - left - 2), rows = rows, left = left, y_labels = y_labels,
    width = width }
end

-- Which row (from 1 at the top) holds which number.
local function rows_with_labels(figure, layout)
  local by_row = {}
  for _, label in ipairs(layout.y_labels) do
    local row = layout.rows - math.floor(math.max(0, math.min(0.9999, label[2])) * layout.rows)
    if figure.kind == "line" or figure.kind == "histogram" then
      row = layout.rows - math.floor(label[2] * (layout.rows - 1) + 0.5)
    end
    if not by_row[row] then by_row[row] = label[1] end
  end
  return by_row
end

local SIGNS = {
  unicode = { tick = "┤", side = "│", corner = "└", line = "─", mark = "┬" },
  ascii = { tick = "+", side = "|", corner = "+", line = "-", mark = "+" },
}

-- The axis below and its numbers: two lines.
local function bottom(figure, layout, signs)
  local count = math.max(2, math.floor(layout.area / 12))
  local labels = labels_of(figure.x_range, count, { scale = figure.x_scale or 1 })
  local axis, text, used = {}, {}, -1
  for i = 1, layout.area do axis[i], text[i] = signs.line, " " end
  for _, label in ipairs(labels) do
    local column = math.floor(label[2] * (layout.area - 1) + 0.5)
    local start = math.max(0, math.min(layout.area - #label[1], column - math.floor(#label[1] / 2)))
    if column >= 0 and column < layout.area and start > used then
      axis[column + 1] = signs.mark
      for k = 1, #label[1] do text[start + k] = label[1]:sub(k, k) end
      used = start + #label[1]
    end
  end
  local before = (" "):rep(layout.left)
  return before .. " " .. signs.corner .. table.concat(axis),
    (before .. "  " .. table.concat(text)):gsub("%s+$", "")
end

-- The names of the series, as many on a line as fit.
local function legend(names, layout, style)
  local lines, line, used = {}, {}, 0
  for k, name in ipairs(names) do
    local mark = style.letters and style.marks[(k - 1) % #style.marks + 1] or style.unicode and "──" or "--"
    local text = cut(tostring(name), layout.width - 6)
    local size = columns_of(mark) + 1 + columns_of(text) + 3
    if used > 0 and used + size > layout.width - layout.left then
      lines[#lines + 1] = table.concat(line, "   ")
      line, used = {}, 0
    end
    line[#line + 1] = encode.coloured(mark, raster.SERIES + (k - 1) % 8, style.depth) .. " " .. text
    used = used + size
  end
  if #line > 0 then lines[#lines + 1] = table.concat(line, "   ") end
  for i, text in ipairs(lines) do lines[i] = (" "):rep(layout.left + 2) .. text end
  return lines
end

-- The shades of an image between its lowest and highest number.
local function scale_line(figure, layout, style)
  local low, high = number(figure.v_range[1]), number(figure.v_range[2])
  local n = math.max(6, math.min(24, layout.area - #low - #high - 4))
  local r = raster.new(n, style.halves and 2 or 1)
  for x = 0, n - 1 do
    for y = 0, r.height - 1 do
      r.data[y * n + x] = raster.SHADES + math.floor(x / (n - 1) * (255 - raster.SHADES) + 0.5)
    end
  end
  local bar = style.halves and encode.halves(r, style.depth)[1]
    or encode.shades(r, style.unicode and "unicode" or "ascii")[1]
  return ("%s  %s %s %s"):format((" "):rep(layout.left), low, bar, high)
end

local function names_of(figure)
  local names = {}
  for _, one in ipairs(figure.series or figure.groups or {}) do
    if one.name then names[#names + 1] = one.name end
  end
  return names
end

--- Puts lines of the area into the frame. style: {unicode, depth (colours), letters, marks, halves}.
-- Returns all lines, and how many stand below the area.
function frame.around(figure, layout, area, style)
  local signs, lines = SIGNS[style.unicode and "unicode" or "ascii"], {}
  if figure.title then lines[1] = centred(cut(figure.title, layout.width), layout.width) end
  if figure.y then lines[#lines + 1] = cut(figure.y, layout.width) end
  local labels = rows_with_labels(figure, layout)
  for row = 1, layout.rows do
    local label = labels[row]
    lines[#lines + 1] = ("%" .. layout.left .. "s %s%s"):format(label or "",
      label and signs.tick or signs.side, area[row] or "")
  end
  local before = #lines
  lines[#lines + 1], lines[#lines + 2] = bottom(figure, layout, signs)
  if figure.x then
    lines[#lines + 1] = (" "):rep(layout.left + 2) .. centred(cut(figure.x, layout.area), layout.area)
  end
  if figure.kind == "image" then lines[#lines + 1] = scale_line(figure, layout, style) end
  for _, line in ipairs(legend(names_of(figure), layout, style)) do lines[#lines + 1] = line end
  return lines, #lines - before
end

return frame
