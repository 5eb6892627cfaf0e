--- Plots that stand beside each other in one picture.
--
--   local panel = lt.report.panel
--   lt.report.panels("dashboard.png", {
--     panel.bars({"dog", "cat"}, {{name = "recall", values = {0.9, 0.7}}}, {title = "recall", to = 1}),
--     panel.histogram({{name = "piano", values = errors}}, {title = "errors", x = "ms", from = -50, to = 50,
--       mark = 0}),
--     panel.curves({{name = "train", values = {3, 2, 1}}}, {title = "loss", x = "epoch"}),
--     panel.matrix({{9, 1}, {2, 8}}, {labels = {"dog", "cat"}, numbers = true}),
--     panel.points({{name = "trials", places = {1, 2}, values = {0.3, 0.2}}}, {title = "history"}),
--     panel.roll({{name = "right", notes = notes}}, {title = "piano roll", from = 0, to = 20}),
--   }, {title = "all of it", columns = 3})
--
-- Options that all take: title, x and y (what the axes say, with the unit), from and to (the range of
-- the values: of bars and curves upwards, of histograms and rolls along), place = {left, bottom, width,
-- height} (shares of the picture; without it panels fill rows of equal size). A series is {name, values,
-- colour}; without a colour those of luatrain.report.gnuplot are taken in turn, without a name it has no
-- key.
local core = require "luatrain.core"
local gnuplot = require "luatrain.report.gnuplot"
local width_of = require("luatrain.text").width
local number, quote = gnuplot.number, gnuplot.quote

local panel = {}

-- How a number stands above a bar, and a line that marks a place.
local ABOVE = "with labels offset 0,0.6 font ',8' notitle"
local MARK = "set arrow from %s, graph 0 to %s, graph 1 nohead linecolor rgb '#9a9a9a' dashtype 2"

-- The colours of shades, from light to dark; and their legend, for those that have one.
local function shades_of(options)
  local first, last = "#d9e6f2", "#08306b"
  if options.dark_is_low then first, last = last, first end
  return ("set palette defined (0 '%s', 0.5 '#6baed6', 1 '%s')\n"):format(first, last)
    .. (options.legend and "set cblabel " .. quote(options.legend) or "unset colorbox")
end

-- Stands for the name of a panel's n-th data file until it is drawn; no text can hold the character.
local function file(n) return "'\1" .. n .. "'" end

local function colour_of(series, k)
  return series.colour or gnuplot.colours[(k - 1) % #gnuplot.colours + 1]
end

-- "title 'x'" of a series that has a name.
local function key_of(series) return series.name and "title " .. quote(series.name) or "notitle" end

-- The lines every plot begins with.
local function begin(options)
  local lines = {
    "set border 3 linewidth 1 linecolor rgb '#404040'",
    "set tics nomirror out scale 0.6",
    "set grid ytics linetype 1 linecolor rgb '#e4e4e4' linewidth 1",
    "set key top right samplen 1 spacing 1.1 opaque noautotitle",
  }
  if options.title then lines[#lines + 1] = "set title " .. quote(options.title) .. " font ',12'" end
  if options.x then lines[#lines + 1] = "set xlabel " .. quote(options.x) end
  if options.y then lines[#lines + 1] = "set ylabel " .. quote(options.y) end
  return lines
end

-- "[0:*]" of a range of which either end may be free.
local function range(from, to)
  return ("[%s:%s]"):format(from and number(from) or "*", to and number(to) or "*")
end

local function text_of(rows) return table.concat(rows, "\n") .. "\n" end

-- The key below the plot and what its axis says, where a series has a name.
local function key_below(lines, options, series)
  local named = false
  for _, one in ipairs(series) do named = named or one.name ~= nil end
  if not named then return end
  lines[#lines + 1] = "set key outside bottom center horizontal"
  if options.x then lines[#lines + 1] = "set bmargin 5.2" end
end

-- Texts over the highest bar of each group.
local function above_of(texts, series)
  local rows = {}
  for i, text in ipairs(texts) do
    local most = 0
    for _, one in ipairs(series) do
      local value = one.values[i]
      if value and value > most then most = value end
    end
    rows[i] = ("%d %s %s"):format(i, number(most), quote(text))
  end
  return text_of(rows)
end

-- Room below for upright names, and for what the axis says and the key below them.
local function room_below(categories, x, keyed)
  local longest = 0
  for _, text in ipairs(categories) do longest = math.max(longest, width_of(text)) end
  return ("set bmargin %g"):format(2 + 0.45 * longest + (x and 1.4 or 0) + (keyed and 2 or 0))
end

--- Bars in groups: one group for each of the categories (texts), in it one bar for each series.
-- options: from (0) and to; format: print the values above the bars, as "%.2f"; rotate: categories upright;
-- above: a list of texts, one a category, written above its highest bar.
function panel.bars(categories, series, options)
  options = options or {}
  local lines, plots, data, n = begin(options), {}, {}, #series
  if #categories == 0 or n == 0 then core.fail "report.panel.bars: there is nothing to draw" end
  local width = 0.86 / n
  key_below(lines, options, series)
  if options.rotate then lines[#lines + 1] = room_below(categories, options.x, n > 1) end
  lines[#lines + 1] = ("set style fill solid 1 noborder\nset boxwidth %g"):format(width * 0.92)
  lines[#lines + 1] = ("set xrange [0.4:%g]\nset yrange %s"):format(#categories + 0.6,
    range(options.from or 0, options.to))
  lines[#lines + 1] = gnuplot.ticks("x", categories, options.rotate and "rotate by 90 right" or "")
  for k, one in ipairs(series) do
    local rows = {}
    for i = 1, #categories do
      rows[i] = ("%g %s"):format(i + (k - (n + 1) / 2) * width, number(one.values[i]))
    end
    data[k] = text_of(rows)
    plots[#plots + 1] = ("%s using 1:2 with boxes linecolor rgb '%s' %s"):format(file(k), colour_of(one, k),
      key_of(one))
    if options.format then
      plots[#plots + 1] = ("%s using 1:2:(sprintf('%s',$2)) %s"):format(file(k),
        options.format:gsub("'", ""), ABOVE)
    end
  end
  if options.above then
    data[n + 1] = above_of(options.above, series)
    plots[#plots + 1] = file(n + 1) .. " using 1:2:3 " .. ABOVE
  end
  lines[#lines + 1] = "plot " .. table.concat(plots, ", ")
  return {lines = lines, data = data, place = options.place}
end

-- Shares of the values in so many bins of [from, to], and that of those outside.
local function shares_of(values, from, to, bins)
  local shares, outside = {}, 0
  for b = 1, bins do shares[b] = 0 end
  for _, x in ipairs(values) do
    local b = math.floor((x - from) / (to - from) * bins) + 1
    if x == to then b = bins end
    if shares[b] then shares[b] = shares[b] + 1 else outside = outside + 1 end
  end
  for b = 1, bins do shares[b] = shares[b] / math.max(1, #values) end
  return shares, outside / math.max(1, #values)
end

local function ends_of(series)
  local low, high = math.huge, -math.huge
  for _, one in ipairs(series) do
    for _, x in ipairs(one.values) do low, high = math.min(low, x), math.max(high, x) end
  end
  if low > high then return 0, 1 end
  if low == high then return low - 0.5, high + 0.5 end
  return low, high
end

--- How often values fall where: outlines over equal bins, in percent of each series; the first is filled.
-- Values outside [from, to] are told in the key. options: from and to (default: all values), bins (40),
-- mark: a dashed line at this value, counts = true: numbers instead of percent.
function panel.histogram(series, options)
  options = options or {}
  local from, to = ends_of(series)
  from, to = options.from or from, options.to or to
  local bins, plots, data, most = options.bins or 40, {}, {}, 0
  local lines = begin {title = options.title, x = options.x,
    y = options.y or (not options.counts and "%" or nil)}
  key_below(lines, options, series)
  lines[#lines + 1] = ("set xrange [%s:%s]\nset yrange [0:*]"):format(number(from), number(to))
  lines[#lines + 1] = "set style fill solid 0.55 noborder"
  if options.mark then lines[#lines + 1] = MARK:format(number(options.mark), number(options.mark)) end
  for k, one in ipairs(series) do
    local shares, outside = shares_of(one.values, from, to, bins)
    local rows, scale = {("%s 0"):format(number(from))}, options.counts and #one.values or 100
    for b, share in ipairs(shares) do
      most = math.max(most, share * scale)
      local left, right = from + (to - from) * (b - 1) / bins, from + (to - from) * b / bins
      rows[#rows + 1] = ("%s %s\n%s %s"):format(number(left), number(share * scale), number(right),
        number(share * scale))
    end
    rows[#rows + 1] = ("%s 0"):format(number(to))
    data[k] = text_of(rows)
    local name = one.name
    if name and outside > 0 then name = ("%s (%.1f %% beyond)"):format(name, outside * 100) end
    plots[k] = ("%s using 1:2 with %s linecolor rgb '%s' linewidth 2 %s"):format(file(k),
      k == 1 and "filledcurves y1=0" or "lines", colour_of(one, k), key_of {name = name})
  end
  if options.counts and most < 8 then lines[#lines + 1] = "set ytics 1" end
  lines[#lines + 1] = "plot " .. table.concat(plots, ", ")
  return {lines = lines, data = data, place = options.place}
end

--- Lines over 1, 2, 3, ... or over a series' own `places`; they pass over NaN. options: from, to, log
-- (logarithmic upwards), mark: a dashed line at this place.
function panel.curves(series, options)
  options = options or {}
  local lines, plots, data, longest = begin(options), {}, {}, 0
  for _, one in ipairs(series) do longest = math.max(longest, #one.values) end
  if longest == 0 then core.fail "report.panel.curves: there is nothing to draw" end
  key_below(lines, options, series)
  lines[#lines + 1] = "set yrange " .. range(options.from, options.to)
  if options.log then lines[#lines + 1] = "set logscale y" end
  if not series[1].places then
    lines[#lines + 1] = ("set xrange [%g:%g]"):format(longest > 1 and 1 or 0.5, math.max(longest, 1.5))
    if longest <= 10 then lines[#lines + 1] = "set xtics 1" end
  end
  if options.mark then lines[#lines + 1] = MARK:format(number(options.mark), number(options.mark)) end
  for k, one in ipairs(series) do
    local rows = {}
    for i, value in ipairs(one.values) do
      local text = number(value)
      if text ~= "NaN" then rows[#rows + 1] = number(one.places and one.places[i] or i) .. " " .. text end
    end
    data[k] = text_of(#rows > 0 and rows or {"NaN NaN"})
    plots[k] = ("%s using 1:2 with linespoints linecolor rgb '%s' linewidth 2 pointtype 7 pointsize %g %s")
      :format(file(k), colour_of(one, k), longest > 40 and 0.2 or 0.6, key_of(one))
  end
  lines[#lines + 1] = "plot " .. table.concat(plots, ", ")
  return {lines = lines, data = data, place = options.place}
end

--- Points: series of {name, places, values, shades, colour}; with `shades` (a list of numbers) points are
-- coloured by them, and `legend` says what they are. options: from, to, log (logarithmic upwards), log_x,
-- ticks (a list of {place, text} along); lines = {{name, places, values}}: drawn as steps over the points.
function panel.points(series, options)
  options = options or {}
  local lines, plots, data = begin(options), {}, {}
  lines[#lines + 1] = "set yrange " .. range(options.from, options.to)
  if options.log then lines[#lines + 1] = "set logscale y" end
  if options.log_x then lines[#lines + 1] = "set logscale x\nset format x '%g'" end
  if options.ticks then
    lines[#lines + 1] = gnuplot.ticks("x", options.ticks)
    lines[#lines + 1] = ("set xrange [0.5:%g]"):format(#options.ticks + 0.5)
  end
  lines[#lines + 1] = shades_of(options)
  for k, one in ipairs(series) do
    local rows = {}
    for i, value in ipairs(one.values) do
      rows[i] = ("%s %s %s"):format(number(one.places[i]), number(value),
        number(one.shades and one.shades[i] or 0))
    end
    data[k] = text_of(#rows > 0 and rows or {"NaN NaN NaN"})
    local how = one.shades and "1:2:3 with points linecolor palette" or
      ("1:2 with points linecolor rgb '%s'"):format(colour_of(one, k))
    plots[k] = ("%s using %s pointtype 7 pointsize 0.6 %s"):format(file(k), how, key_of(one))
  end
  for _, one in ipairs(options.lines or {}) do
    local rows = {}
    for i, value in ipairs(one.values) do rows[i] = number(one.places[i]) .. " " .. number(value) end
    data[#data + 1] = text_of(#rows > 0 and rows or {"NaN NaN"})
    plots[#plots + 1] = ("%s using 1:2 with steps linecolor rgb '%s' linewidth 2 %s"):format(file(#data),
      one.colour or gnuplot.colours[2], key_of(one))
  end
  lines[#lines + 1] = "plot " .. table.concat(plots, ", ")
  return {lines = lines, data = data, place = options.place}
end

--- Parallel coordinates: one upright axis for each name, one line for each row of places in 0..1, coloured by
-- its shade; later rows above earlier ones. axes: a list of {name, ticks = list of {place, text}}; rows: a
-- list of {places, shade}; options: legend (what the
-- shades say), dark_is_low (small shades are dark).
function panel.parallel(axes, rows, options)
  options = options or {}
  if #axes == 0 or #rows == 0 then core.fail "report.panel.parallel: there is nothing to draw" end
  local lines, ticks, marks, paths = begin(options), {}, {}, {}
  for k, axis in ipairs(axes) do
    ticks[k] = {k, axis.name}
    lines[#lines + 1] = ("set arrow from %d,0 to %d,1 nohead linecolor rgb '#404040' front"):format(k, k)
    for _, tick in ipairs(axis.ticks or {}) do
      marks[#marks + 1] = ("%g %s %s"):format(k, number(tick[1]), quote(" " .. tick[2]))
    end
  end
  for _, row in ipairs(rows) do
    for k, place in ipairs(row.places) do
      paths[#paths + 1] = ("%d %s %s"):format(k, number(place), number(row.shade))
    end
    paths[#paths + 1] = ""
  end
  lines[#lines + 1] = ("set xrange [0.8:%g]\nset yrange [-0.05:1.05]"):format(#axes + 0.5)
  lines[#lines + 1] = "unset ytics\nunset grid\nset border 0"
  lines[#lines + 1] = "set style textbox opaque noborder fillcolor 'white' margins 0.4, 0.4"
  lines[#lines + 1] = gnuplot.ticks("x", ticks) .. "\n" .. shades_of(options)
  lines[#lines + 1] = ("plot %s using 1:2:3 with lines linecolor palette linewidth 1.2 notitle, "
    .. "%s using 1:2:3 with labels boxed left font ',8' notitle"):format(file(1), file(2))
  return {lines = lines, data = {text_of(paths), text_of(#marks > 0 and marks or {"NaN NaN ''"})},
    place = options.place}
end

--- A matrix, shaded: nested lists, the first row at the bottom. options: labels (columns and rows alike),
-- or x_labels and y_labels, lists of texts or of {position, text}; downward = true: the first row on top;
-- numbers = "%d": print the values (0 is left out), or nested lists of the texts to print; log = true:
-- shades by powers of ten; to: the value of the darkest shade; legend: what the shades say.
function panel.matrix(values, options)
  options = options or {}
  if #values == 0 or #values[1] == 0 then core.fail "report.panel.matrix: there is nothing to draw" end
  local lines, rows, marks, most = begin(options), {}, {}, 0
  for _, row in ipairs(values) do
    for _, x in ipairs(row) do most = math.max(most, x == x and x or 0) end
  end
  most = math.max(options.to or most, 1e-9)
  for i, row in ipairs(values) do
    for k, x in ipairs(row) do
      local shade = options.log and (x > 0 and x or 0 / 0) or x
      rows[#rows + 1] = ("%d %d %s"):format(k, i, number(shade))
      if options.numbers and x ~= 0 and x == x then
        local text = type(options.numbers) == "table" and options.numbers[i][k] or options.numbers:format(x)
        local dark = options.log and math.log(x) / math.log(math.max(most, 10)) or x / most
        marks[#marks + 1] = ("%d %d %s %d"):format(k, i, quote(text), dark > 0.55 and 0xffffff or 0x202020)
      end
    end
    rows[#rows + 1] = ""
  end
  lines[#lines + 1] = ("set border 15\nset xrange [0.5:%g]\nset yrange %s"):format(#values[1] + 0.5,
    (options.downward and "[%g:0.5]" or "[0.5:%g]"):format(#values + 0.5))
  lines[#lines + 1] = "unset grid\nunset key\nset tics scale 0"
  local x_labels, y_labels = options.x_labels or options.labels, options.y_labels or options.labels
  if x_labels then
    lines[#lines + 1] = gnuplot.ticks("x", x_labels, #x_labels > 13 and "rotate by 90 right" or "")
  end
  if y_labels then lines[#lines + 1] = gnuplot.ticks("y", y_labels) end
  lines[#lines + 1] = "set palette defined (0 '#eff3ff', 0.5 '#6baed6', 1 '#08306b')"
  lines[#lines + 1] = options.log and ("set logscale cb\nset cbrange [1:%g]"):format(math.max(most, 10))
    or ("set cbrange [0:%s]"):format(number(most))
  if options.legend then
    lines[#lines + 1] = "set cblabel " .. quote(options.legend)
  else
    lines[#lines + 1] = "unset colorbox"
  end
  local data, plot = {text_of(rows)}, file(1) .. " using 1:2:3 with image notitle"
  if #marks > 0 then
    data[2] = text_of(marks)
    plot = plot .. ", " .. file(2) .. " using 1:2:3:4 with labels font ',8' textcolor rgb variable notitle"
  end
  lines[#lines + 1] = "plot " .. plot
  return {lines = lines, data = data, place = options.place}
end

local BLACK = {[1] = true, [3] = true, [6] = true, [8] = true, [10] = true}

-- Lowest and highest pitch of the notes in sight, with room to both sides, at least an octave.
local function keys_of(groups, options)
  local low, high = math.huge, -math.huge
  for _, group in ipairs(groups) do
    for _, n in ipairs(group.notes) do
      if n.stop > options.from and n.start < options.to then
        low, high = math.min(low, n.pitch), math.max(high, n.pitch)
      end
    end
  end
  if low > high then low, high = 60, 72 end
  local more = math.max(0, 12 - (high - low))
  return options.low or low - 2 - math.floor(more / 2), options.high or high + 2 + math.ceil(more / 2)
end

--- A piano roll: groups = list of {name, colour, notes = {start, stop (seconds), pitch (MIDI number)}},
-- later ones above earlier ones; octaves are named with C4 = 60. options: from and to (seconds), low and
-- high (pitches; default: the notes in sight).
function panel.roll(groups, options)
  local low, high = keys_of(groups, options)
  local lines, plots, data, octaves, keys = begin(options), {}, {}, {}, {}
  for pitch = low, high do
    if pitch % 12 == 0 then octaves[#octaves + 1] = {pitch, "C" .. pitch / 12 - 1} end
    if BLACK[pitch % 12] then
      keys[#keys + 1] = ("%s %d %s %s %g %g"):format(number(options.from), pitch, number(options.from),
        number(options.to), pitch - 0.5, pitch + 0.5)
    end
  end
  lines[#lines + 1] = ("set xrange [%s:%s]\nset yrange [%g:%g]"):format(number(options.from),
    number(options.to), low - 0.5, high + 0.5)
  lines[#lines + 1] = "set lmargin 8\nset rmargin 3"
  key_below(lines, options, groups)
  lines[#lines + 1] = "set style fill solid 1 noborder\n" .. gnuplot.ticks("y", octaves)
  local function boxes(rows, colour, key)
    if #rows == 0 then rows[1] = "NaN NaN NaN NaN NaN NaN" end
    data[#data + 1] = text_of(rows)
    plots[#plots + 1] = ("%s using 1:2:3:4:5:6 with boxxyerror linecolor rgb '%s' %s"):format(file(#data),
      colour, key)
  end
  boxes(keys, "#f4f4f4", "notitle")
  local gap = (options.to - options.from) / 700
  for k, group in ipairs(groups) do
    local rows = {}
    for _, n in ipairs(group.notes) do
      if n.stop > options.from and n.start < options.to then
        -- A little shorter than they are, so that notes of one key that follow each other stay apart.
        local stop = math.min(math.max(n.stop - gap, n.start + gap), options.to)
        rows[#rows + 1] = ("%s %g %s %s %g %g"):format(number(n.start), n.pitch,
          number(math.max(n.start, options.from)), number(stop), n.pitch - 0.42, n.pitch + 0.42)
      end
    end
    boxes(rows, colour_of(group, k), key_of(group))
  end
  lines[#lines + 1] = "plot " .. table.concat(plots, ", ")
  return {lines = lines, data = data, place = options.place}
end

-- Where the i-th of n panels lies, in shares of the picture below a headline.
local function place_of(i, n, columns, top)
  local rows = math.ceil(n / columns)
  local row, column = math.floor((i - 1) / columns), (i - 1) % columns
  return {column / columns, top * (rows - 1 - row) / rows, 1 / columns, top / rows}
end

--- Draws panels into a PNG file. options: title (a headline), columns (default: up to 3, for 4 panels 2),
-- width and height of the picture (default: 500 x 350 pixels a panel).
function panel.draw(path, list, options)
  options = options or {}
  local n = #list
  if n == 0 then core.fail("report.panels: %s: there is nothing to draw", path) end
  local columns = options.columns or (n == 4 and 2 or math.min(3, n))
  local headline = options.title and 36 or 0
  local width = options.width or 500 * columns
  local height = options.height or 350 * math.ceil(n / columns) + headline
  local lines, data = gnuplot.head(width, height), {}
  lines[#lines + 1] = "set multiplot"
  if options.title then
    lines[#lines + 1] = ("set label 1 %s at screen 0.5, screen %g center font ',14'"):format(
      quote(options.title), 1 - headline / 2 / height)
  end
  for i, one in ipairs(list) do
    local at = one.place or place_of(i, n, columns, 1 - headline / height)
    lines[#lines + 1] = ("set origin %g,%g\nset size %g,%g"):format(unpack(at))
    for _, line in ipairs(one.lines) do
      lines[#lines + 1] = (line:gsub("\1(%d+)", function(k) return ("panel%d-%s"):format(i, k) end))
    end
    for k, text in ipairs(one.data) do data[("panel%d-%d"):format(i, k)] = text end
    lines[#lines + 1] = "reset"
  end
  lines[#lines + 1] = "unset multiplot"
  gnuplot.draw(path, lines, data)
end

return panel
