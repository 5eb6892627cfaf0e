--- lt.report: plots as PNG files, drawn by the gnuplot program, and a page that shows them.
--
--   lt.report.curves("loss.png", {train = {1, 0.5}, valid = {1.1, 0.7}}, {title = "loss", y = "nats"})
--   lt.report.matrix("confusion.png", counts, {labels = {"dog", "cat"}, title = "confusion"})
--   lt.report.image("mel.png", spectrogram, {x = "frame", y = "band", title = "log-mel"})
--
-- lt.report.panels draws several plots in one picture; lt.report.panel makes them: bars, histograms, curves,
-- matrices, piano rolls. lt.report.web writes pages that hold their pictures.
--
-- Without gnuplot these raise an error that says so; training goes on without plots.
local core = require "luatrain.core"
local failure = require "luatrain.failure"
local fs = require "luatrain.fs"
local gnuplot = require "luatrain.report.gnuplot"
local json = require "luatrain.json"
local Tensor = require "luatrain.tensor"
local web = require "luatrain.report.web"
local draw, number_text, quote, escape = gnuplot.draw, gnuplot.number, gnuplot.quote, web.escape

local report = {
  available = gnuplot.available,
  panel = require "luatrain.report.panel",
  web = web,
}

--- A picture of several plots: see luatrain.report.panel.
report.panels = report.panel.draw

local function head(options, width, height)
  local lines = gnuplot.head(options.width or width, options.height or height)
  if options.title then lines[#lines + 1] = "set title " .. quote(options.title) end
  if options.x then lines[#lines + 1] = "set xlabel " .. quote(options.x) end
  if options.y then lines[#lines + 1] = "set ylabel " .. quote(options.y) end
  return lines
end

--- Lines over 1, 2, 3, ... : curves = {name = list of numbers}. options: title, x, y, log (logarithmic
-- y axis), width, height.
function report.curves(path, curves, options)
  options = options or {}
  local names, longest = {}, 0
  for name, values in pairs(curves) do
    names[#names + 1], longest = name, math.max(longest, #values)
  end
  table.sort(names)
  if longest == 0 then core.fail("report.curves: %s: there is nothing to draw", path) end
  local lines, plots, rows = head(options, 800, 500), {}, {}
  lines[#lines + 1] = "set grid"
  lines[#lines + 1] = "set key outside right"
  lines[#lines + 1] = ("set xrange [%g:%g]"):format(1, math.max(longest, 2))
  if options.log then lines[#lines + 1] = "set logscale y" end
  for k, name in ipairs(names) do
    plots[k] = ("'data' using 1:%d with linespoints pointtype 7 pointsize 0.4 title %s"):format(
      k + 1, quote(name))
  end
  for i = 1, longest do
    local row = {tostring(i)}
    for k, name in ipairs(names) do row[k + 1] = number_text(curves[name][i]) end
    rows[i] = table.concat(row, " ")
  end
  lines[#lines + 1] = "plot " .. table.concat(plots, ", ")
  draw(path, table.concat(lines, "\n") .. "\n", {data = table.concat(rows, "\n") .. "\n"})
end

-- A matrix as rows of text; takes nested lists or a 2-d tensor.
local function rows_of(values)
  if Tensor.is_tensor(values) then values = values:tolist() end
  local rows = {}
  for i, row in ipairs(values) do
    local items = {}
    for k, value in ipairs(row) do items[k] = number_text(value) end
    rows[i] = table.concat(items, " ")
  end
  if #rows == 0 then core.fail("report: there is nothing to draw") end
  return rows, values
end

-- Each row divided by its sum: shares of what the truth was.
local function row_shares(values)
  local shares = {}
  for i, row in ipairs(values) do
    local sum = 0
    for _, value in ipairs(row) do sum = sum + value end
    shares[i] = {}
    for k, value in ipairs(row) do shares[i][k] = sum > 0 and value / sum or 0 end
  end
  return shares
end

--- A confusion matrix, rows what is true, columns what was said, shaded by the share of each row.
-- counts: nested lists or a tensor (n, n). options: labels (n texts), title, width, height.
function report.matrix(path, counts, options)
  options = options or {}
  local _, values = rows_of(counts)
  local rows = rows_of(row_shares(values))
  local lines = head({title = options.title, x = options.x or "predicted", y = options.y or "true",
    width = options.width, height = options.height}, 300 + 22 * #rows, 250 + 22 * #rows)
  if options.labels then
    local places = {}
    for i, label in ipairs(options.labels) do places[i] = {i - 1, label} end
    lines[#lines + 1] = gnuplot.ticks("x", places, "rotate by 90 right")
    lines[#lines + 1] = gnuplot.ticks("y", places)
  end
  lines[#lines + 1] = ("set xrange [-0.5:%g]\nset yrange [%g:-0.5]"):format(#rows - 0.5, #rows - 0.5)
  lines[#lines + 1] = "set cbrange [0:1]\nset palette defined (0 'white', 0.5 '#6baed6', 1 '#08306b')"
  lines[#lines + 1] = "plot 'data' matrix with image notitle"
  draw(path, table.concat(lines, "\n") .. "\n", {data = table.concat(rows, "\n") .. "\n"})
end

-- How an axis counts n rows or columns: what stands at the first, and the step to the next.
local function steps_of(range, n)
  if not range then return 0, 1 end
  return range[1], n > 1 and (range[2] - range[1]) / (n - 1) or 1
end

--- A picture of a matrix (rows from the bottom up, as a spectrogram's bands): nested lists or a tensor
-- (rows, columns). options: title, x, y, width, height, downward (the first row on top), x_range and y_range
-- {what the axis says at the first column or row, and at the last}, range {darkest, brightest value}.
function report.image(path, values, options)
  options = options or {}
  local rows = rows_of(values)
  local lines = head(options, 900, 400)
  local columns = select(2, rows[1]:gsub(" ", "")) + 1
  local x0, dx = steps_of(options.x_range, columns)
  local y0, dy = steps_of(options.y_range, #rows)
  if options.downward and dy < 0 then y0, dy = options.y_range[2], -dy end
  local bottom, top = y0 - 0.5 * dy, y0 + (#rows - 0.5) * dy
  if options.downward then bottom, top = top, bottom end
  lines[#lines + 1] = ("set xrange [%.9g:%.9g]\nset yrange [%.9g:%.9g]"):format(x0 - 0.5 * dx,
    x0 + (columns - 0.5) * dx, bottom, top)
  if options.range then
    lines[#lines + 1] = ("set cbrange [%s:%s]"):format(number_text(options.range[1]),
      number_text(options.range[2]))
  end
  lines[#lines + 1] = "set palette defined (0 'black', 1 '#3b0f70', 2 '#b5367a', 3 '#fb8861', 4 '#fcfdbf')"
  lines[#lines + 1] = ("plot 'data' matrix using (%.9g+$1*%.9g):(%.9g+$2*%.9g):3 with image notitle"):format(
    x0, dx, y0, dy)
  draw(path, table.concat(lines, "\n") .. "\n", {data = table.concat(rows, "\n") .. "\n"})
end

-- ---- a run's report -----------------------------------------------------------------------------

--- The columns of a history by what they measure: {loss = {train = {...}, val = {...}}, ...}; gaps are NaN.
function report.by_metric(history)
  local plots = {}
  for name, column in pairs(history) do
    local part, what = name:match "^(train)[_/](.+)$"
    if not part then part, what = name:match "^(val)[_/](.+)$" end
    what, part = what or name, part or name
    plots[what] = plots[what] or {}
    local values = {}
    for i, value in ipairs(column) do values[i] = value ~= json.null and value or 0 / 0 end
    plots[what][part] = values
  end
  return plots
end

local function last_row(history)
  local names, rows = core.sorted_keys(history), {}
  for _, name in ipairs(names) do
    local column = history[name]
    local value = column[#column]
    rows[#rows + 1] = ("<tr><td>%s</td><td>%s</td></tr>"):format(escape(name),
      type(value) == "number" and ("%.6g"):format(value) or "-")
  end
  return table.concat(rows, "\n")
end

--- Writes report/index.html of a run: every picture in report/ and the last epoch's numbers.
function report.page(run, history)
  local pictures = {}
  for _, name in ipairs(fs.list(run:file "report")) do
    if fs.extension(name) == "png" then
      local figure = '<figure><img src="%s" alt="%s"><figcaption>%s</figcaption></figure>'
      pictures[#pictures + 1] = figure:format(escape(name), escape(name), escape(fs.stem(name)))
    end
  end
  fs.write(run:file("report", "index.html"), ([[
<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>%s</title>
<style>body{font-family:sans-serif;margin:2em} figure{display:inline-block;margin:1em}
img{max-width:100%%}</style>
</head><body>
<h1>%s</h1>
<table>
%s
</table>
%s
</body></html>
]]):format(escape(run.path), escape(run.path), last_row(history), table.concat(pictures, "\n")))
end

--- The curves of a run's history and the page; what cannot be drawn is said in the journal.
function report.training(run, history, journal)
  fs.mkdir(run:file "report")
  if next(history) == nil then return end
  if report.available() then
    for what, curves in pairs(report.by_metric(history)) do
      local name = what:gsub("[^%w_.-]", "_") .. ".png"
      local ok, e = pcall(report.curves, run:file("report", name), curves, {title = what, x = "epoch"})
      if not ok then
        if failure.kind(e) ~= "io" then error(e, 0) end
        journal:line("no plot: %s", tostring(e))
      end
    end
  else
    journal:line("no plots: the program gnuplot is not installed")
  end
  report.page(run, history)
end

return report
