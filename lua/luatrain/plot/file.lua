--- Figures as PNG files, drawn by gnuplot through lt.report.
local report = require "luatrain.report"

local file = {}

local function series_of(figure)
  local list = {}
  for i, one in ipairs(figure.series) do list[i] = { name = one.name, values = one.values } end
  return list
end

local makers = {}

function makers.line(figure, options, panel)
  local series = series_of(figure)
  local scale = figure.x_scale
  for i, one in ipairs(figure.series) do
    local at = one.at
    if scale then
      local places = {}
      for k = 1, #one.values do places[k] = (at and at[k] or k) * scale end
      at = places
    end
    series[i].places = at
  end
  return panel.curves(series, { title = figure.title, x = figure.x, y = figure.y, log = figure.log,
    from = options.range and figure.y_range[1], to = options.range and figure.y_range[2] })
end

function makers.histogram(figure, _, panel)
  local series = series_of(figure)
  for _, one in ipairs(series) do
    local finite = {}
    for _, v in ipairs(one.values) do
      if v == v and math.abs(v) ~= math.huge then finite[#finite + 1] = v end
    end
    one.values = finite
  end
  return panel.histogram(series, { title = figure.title, x = figure.x, y = figure.y, bins = figure.bins,
    counts = true, from = figure.edges[1], to = figure.edges[2] })
end

function makers.roll(figure, _, panel)
  return panel.roll(figure.groups, { title = figure.title, x = figure.x, y = figure.y,
    from = figure.x_range[1], to = figure.x_range[2] })
end

-- An image keeps its numbers: one square of the picture a number.
local function image(figure, path, options)
  local rows = {}
  for r = 0, figure.rows - 1 do
    local row = {}
    for k = 0, figure.columns - 1 do row[k + 1] = figure.values[r * figure.columns + k] end
    rows[r + 1] = row
  end
  report.image(path, rows, { title = figure.title, x = figure.x, y = figure.y, downward = figure.y_down,
    x_range = figure.x_range, y_range = figure.y_range, range = figure.v_range,
    width = options.path_width, height = options.path_height })
end

--- Writes the figure to options.path.
function file.write(figure, options)
  if figure.kind == "image" then return image(figure, options.path, options) end
  local panel = makers[figure.kind](figure, options, report.panel)
  report.panels(options.path, { panel }, { width = options.path_width or 900,
    height = options.path_height or 500 })
end

return file
