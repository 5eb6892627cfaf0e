--- Pictures of a study: history, reports over steps, parallel coordinates, slices, importance, Pareto front;
-- as PNG files, and together on one page.
local failure = require "luatrain.failure"
local fs = require "luatrain.fs"
local seen = require "luatrain.sweep.seen"
local space = require "luatrain.sweep.space"
local tables = require "luatrain.sweep.tables"

local plot = {}

-- More lines than this are not told apart in a picture: an even choice of the trials is drawn.
local MOST = 2000

local function thinned(list)
  if #list <= MOST then return list end
  local few = {}
  for i = 1, MOST do few[i] = list[math.floor((i - 1) * (#list - 1) / (MOST - 1)) + 1] end
  return few
end

local function trials_in(study, state)
  local list = {}
  for _, record in ipairs(study.history.trials) do
    if record.state == state then list[#list + 1] = record end
  end
  return list
end

-- What a trial came to: its objective, or where it was pruned its last report; nil where that is no number.
local function value_of(record)
  if record.state == "done" then return record.values[1] end
  local _, value = seen.last_report(record)
  return record.state == "pruned" and value == value and value or nil
end

-- Values with the worst tenth of them set to its edge: far-off ones would hide the others' differences.
local function clipped(values, maximize)
  local sorted = {unpack(values)}
  table.sort(sorted)
  local low, high = sorted[1], sorted[#sorted]
  if maximize then low = sorted[math.max(1, math.floor(#sorted * 0.1))]
  else high = sorted[math.ceil(#sorted * 0.9)] end
  local shades = {}
  for i, value in ipairs(values) do shades[i] = math.max(low, math.min(high, value)) end
  return shades
end

-- Points of the pruned trials by their last report: place(record) says where, nil leaves one out.
local function pruned_series(study, place)
  local series = {name = "pruned, last report", places = {}, values = {}, colour = "#c8c8c8"}
  for _, record in ipairs(thinned(trials_in(study, "pruned"))) do
    local value = value_of(record)
    local at = value and place(record)
    if at then
      table.insert(series.places, at)
      table.insert(series.values, value)
    end
  end
  if #series.values == 0 then series.name = nil end
  return series
end

local function history_panel(panel, study, name)
  local better = study.history.directions[1] == "maximize" and math.max or math.min
  local best, points = nil, {}
  for i, record in ipairs(trials_in(study, "done")) do
    best = better(best or record.values[1], record.values[1])
    points[i] = {record.number, record.values[1], best}
  end
  local all = {name = name, places = {}, values = {}, colour = "#0072B2"}
  local front = {name = "best so far", places = {}, values = {}}
  for i, point in ipairs(thinned(points)) do
    all.places[i], front.places[i] = point[1], point[1]
    all.values[i], front.values[i] = point[2], point[3]
  end
  return panel.points({pruned_series(study, function(record) return record.number end), all},
    {title = "history", x = "trial", y = name, lines = {front}})
end

-- Reports over steps, of the latest forty trials: the pruned ones, too.
local function reports_panel(panel, study, name)
  local series, trials = {}, study.history.trials
  for k = #trials, 1, -1 do
    local record = trials[k]
    local steps, values, some = seen.steps(record), {}, false
    for i, step in ipairs(steps) do
      values[i] = record.reports[step]
      some = some or values[i] == values[i]
    end
    if some then
      series[#series + 1] = {places = steps, values = values,
        colour = record.state == "done" and "#0072B2" or record.state == "pruned" and "#E69F00" or "#9a9a9a"}
      if #series == 40 then break end
    end
  end
  if #series == 0 then return nil end
  return panel.curves(series, {title = "reports (blue: done, orange: pruned)", x = "step", y = name})
end

-- The distribution of the last trial that has a parameter; a study that was changed may have several.
local function last_distribution(study, name)
  local trials = study.history.trials
  for i = #trials, 1, -1 do
    if trials[i].distributions[name] then return trials[i].distributions[name] end
  end
end

local function tick_text(value)
  return type(value) == "number" and ("%.3g"):format(value) or tostring(value)
end

-- Choices, and the values of a distribution that has at most a dozen: they all get ticks. Else nil.
local function few_values(d)
  return (d.kind == "choice" or space.count(d) <= 12) and space.values(d) or nil
end

local function axis_of(d, name)
  local ticks, values = {}, few_values(d)
  if not values then
    values = {}
    for i = 0, 4 do values[i + 1] = space.from_unit(d, i / 4) end
  end
  for i, value in ipairs(values) do ticks[i] = {space.to_unit(d, value), tick_text(value)} end
  return {name = name, ticks = ticks}
end

local function parallel_panel(panel, study, name)
  local names, axes, distributions, rows, values = tables.names(study), {}, {}, {}, {}
  if #names < 2 then return nil end
  for k, one in ipairs(names) do
    distributions[k] = last_distribution(study, one)
    axes[k] = axis_of(distributions[k], one)
  end
  local valued = {}
  for _, record in ipairs(study.history.trials) do
    if value_of(record) then valued[#valued + 1] = record end
  end
  for i, record in ipairs(thinned(valued)) do
    local places = {}
    for k, one in ipairs(names) do
      local at, d = record.params[one], distributions[k]
      places[k] = at ~= nil and space.contains(d, at) and space.to_unit(d, at) or 0 / 0
    end
    values[i] = value_of(record)
    rows[i] = {places = places, value = values[i]}
  end
  local maximize = study.history.directions[1] == "maximize"
  for i, shade in ipairs(clipped(values, maximize)) do rows[i].shade = shade end
  table.sort(rows, function(a, b)
    if maximize then return a.value < b.value end
    return a.value > b.value
  end)
  return panel.parallel(axes, rows, {title = "parallel coordinates", legend = name,
    dark_is_low = not maximize})
end

local function slice_panel(panel, study, records, name, objective)
  local d = last_distribution(study, name)
  local places, values, shades, few = {}, {}, {}, few_values(d)
  local positions, ticks = {}, few and {}
  for i, value in ipairs(few or {}) do positions[value], ticks[i] = i, {i, tick_text(value)} end
  local function place(record)
    local value = record.params[name]
    if few and value ~= nil then return positions[value] end
    return value
  end
  for _, record in ipairs(records) do
    local at = place(record)
    if at then
      places[#places + 1], values[#values + 1], shades[#shades + 1] = at, record.values[1], record.number
    end
  end
  local pruned = pruned_series(study, place)
  pruned.name = nil
  return panel.points({pruned, {places = places, values = values, shades = shades}}, {title = name, x = name,
    y = objective, log_x = d.log and not few, ticks = ticks, legend = "trial"})
end

local function importance_panel(panel, study)
  local ok, list = pcall(tables.importance, study)
  if not ok or #list == 0 then return nil end
  local names, shares = {}, {}
  for i, one in ipairs(list) do names[i], shares[i] = one.name, one.importance end
  return panel.bars(names, {{values = shares}}, {title = "importance", y = "share", from = 0,
    to = 1, format = "%.2f", rotate = #names > 6})
end

local function pareto_panel(panel, study, records, names)
  if #study.history.directions ~= 2 then return nil end
  local function points(list)
    local x, y = {}, {}
    for i, record in ipairs(list) do x[i], y[i] = record.values[1], record.values[2] end
    return x, y
  end
  local x, y = points(records)
  local u, v = points(study:best())
  return panel.points({{name = "trials", places = x, values = y, colour = "#9a9a9a"},
    {name = "Pareto front", places = u, values = v, colour = "#D55E00"}},
    {title = "Pareto front", x = names[1], y = names[2]})
end

-- The best trials as a table for the page, at most fifty.
local function best_table(web, study)
  local names, objectives = tables.names(study), tables.objectives(study)
  local header, rows = {"trial", unpack(objectives)}, {}
  for _, name in ipairs(names) do header[#header + 1] = name end
  local list = study:best()
  if #study.history.directions == 1 then
    list = trials_in(study, "done")
    local sign = study.history.directions[1] == "maximize" and -1 or 1
    table.sort(list, function(a, b)
      if a.values[1] ~= b.values[1] then return a.values[1] * sign < b.values[1] * sign end
      return a.number < b.number
    end)
  end
  for i = 1, math.min(#list, 50) do
    local record = list[i]
    local row = {record.number}
    for _, value in ipairs(record.values) do row[#row + 1] = ("%.6g"):format(value) end
    for _, name in ipairs(names) do
      local value = record.params[name]
      row[#row + 1] = value == nil and "" or tick_text(value)
    end
    rows[i] = row
  end
  return web.table(header, rows)
end

-- What is drawn: a list of {file, panels, title, shows, columns}.
local function pictures_of(panel, study)
  local objectives, records = tables.objectives(study), thinned(trials_in(study, "done"))
  local slices, pictures = {}, {}
  for i, name in ipairs(tables.names(study)) do
    slices[i] = slice_panel(panel, study, records, name, objectives[1])
  end
  local function add(file, panels, shows, options)
    if #panels > 0 then
      pictures[#pictures + 1] = {file = file, panels = panels, shows = shows, options = options or {}}
    end
  end
  add("history.png", {history_panel(panel, study, objectives[1])}, "Objective of each trial.",
    {width = 900, height = 450})
  add("reports.png", {reports_panel(panel, study, objectives[1])}, "What trials reported, step by step.",
    {width = 900, height = 450})
  add("parallel.png", {parallel_panel(panel, study, objectives[1])},
    "One line a trial over its parameters; the better, the darker. "
    .. "Pruned ones count by their last report.", {width = 1000, height = 500})
  add("slices.png", slices, "Objective over each parameter; darker trials came later, grey ones were "
    .. "pruned.")
  add("importance.png", {importance_panel(panel, study)},
    "How much each parameter mattered for reaching the best values.",
    {width = 700, height = 420})
  add("pareto.png", {pareto_panel(panel, study, records, objectives)}, "Trials and the Pareto front.",
    {width = 800, height = 600})
  return pictures
end

--- Draws all pictures of a study into a folder and writes index.html, which holds them. Returns the paths
-- that were written. Raises where no trial is done, or where gnuplot is missing.
function plot.write(study, folder)
  if #trials_in(study, "done") == 0 then
    failure.raise("run", "plot: no trial of study %s is done", study.name)
  end
  local report = require "luatrain.report"
  local web, written, parts = report.web, {}, {}
  fs.mkdir(folder)
  local counts = study:counts()
  parts[1] = web.paragraph(("%d trials are done, %d were pruned, %d failed; objective: %s (%s)."):format(
    counts.done, counts.pruned, counts.failed, table.concat(tables.objectives(study), ", "),
    table.concat(study.history.directions, ", ")))
  for _, one in ipairs(pictures_of(report.panel, study)) do
    local path = fs.join(folder, one.file)
    report.panels(path, one.panels, one.options)
    written[#written + 1] = path
    parts[#parts + 1] = web.heading(fs.stem(one.file))
    parts[#parts + 1] = web.picture(fs.read(path), one.shows, one.shows)
  end
  parts[#parts + 1] = web.heading "best trials"
  parts[#parts + 1] = best_table(web, study)
  local page = fs.join(folder, "index.html")
  fs.write(page, web.page("Sweep " .. study.name, parts))
  written[#written + 1] = page
  return written
end

return plot
