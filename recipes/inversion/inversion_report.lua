-- What evaluate writes for people: a table as text, a page, sound files and pictures.

local log = require "luatrain.log"
local mels = require "inversion_mels"
local fs = lt.fs

local report = {}

--- The sounds of a target's row, in their order.
report.kinds = { "target", "predicted", "matched" }

-- Rows {cells} of the tables of a result: {title, header, rows}.
local function tables_of(result)
  local tables = {}
  local function begin(title, ...)
    tables[#tables + 1] = { title = title, header = { ... }, rows = {} }
    return function(...) table.insert(tables[#tables].rows, { ... }) end
  end
  local c = result.continuous
  local add = begin(("continuous parameters, %d held-out sounds"):format(result.sounds),
    "group", "MSE", "mean predictor", "ratio")
  add("all", ("%.5f"):format(c.mse), ("%.5f"):format(c.mean_predictor), ("%.3f"):format(c.ratio))
  for _, name in ipairs(lt.core.sorted_keys(c.groups)) do
    local g = c.groups[name]
    add(name, ("%.5f"):format(g.mse), ("%.5f"):format(g.mean_predictor), ("%.3f"):format(g.ratio))
  end
  if next(result.categorical) then
    add = begin("categorical parameters", "parameter", "right %", "majority %", "")
    for _, name in ipairs(lt.core.sorted_keys(result.categorical)) do
      local p = result.categorical[name]
      add(name, ("%.1f"):format(p.accuracy), ("%.1f"):format(p.majority),
        p.accuracy > p.majority and "" or "not above")
    end
  end
  if result.audio then
    local means = result.audio.means
    add = begin(("distances of %d rendered sounds to their targets"):format(#result.audio.sounds),
      "", "multi-scale", "MFCC", "log-spectral dB", "envelope corr.")
    for _, row in ipairs { { "predicted", "predicted" }, { "matched (after the search)", "matched" },
      { "mean preset", "mean_preset" }, { "random preset", "random_preset" } } do
      local m, cells = means[row[2]], { row[1] }
      for _, what in ipairs { "multiscale", "mfcc", "log_spectral", "envelope" } do
        cells[#cells + 1] = m[what] and ("%.3f"):format(m[what]) or "-"
      end
      add(unpack(cells))
    end
  end
  return tables
end

--- A result as a table for the terminal.
function report.text(result)
  local lines = {}
  for _, one in ipairs(tables_of(result)) do
    lines[#lines + 1] = one.title
    local function line(cells)
      local parts = { ("  %-28s"):format(cells[1]) }
      for i = 2, #cells do parts[i] = ("%15s"):format(cells[i]) end
      lines[#lines + 1] = table.concat(parts, " "):gsub("%s+$", "")
    end
    line(one.header)
    for _, row in ipairs(one.rows) do line(row) end
  end
  return table.concat(lines, "\n")
end

--- Writes target_N.wav, predicted_N.wav, matched_N.wav and their log-mel pictures, one above the other.
-- sounds: {target, predicted, matched}, of which the last two may be missing.
function report.sound(folder, n, sounds, space, settings)
  local pictures = {}
  for _, kind in ipairs(report.kinds) do
    local x = sounds[kind]
    if x then
      pictures[#pictures + 1] = mels.of(x:reshape(1, -1), settings):select(1, 1):select(1, 1):flip { 1 }
      fs.write(fs.join(folder, ("%s_%d.wav"):format(kind, n)), log.wav(x, space.sample_rate))
    end
  end
  local all = lt.cat(pictures, 1)
  fs.write(fs.join(folder, ("mel_%d.png"):format(n)), log.png(all * (1 / math.max(all:max():item(), 1e-6))))
end

local function escape(text)
  return (tostring(text):gsub("[&<>]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }))
end

local function html_of(one)
  local rows = {}
  local function row(cells, tag)
    local parts = {}
    for i, cell in ipairs(cells) do parts[i] = ("<%s>%s</%s>"):format(tag, escape(cell), tag) end
    rows[#rows + 1] = "<tr>" .. table.concat(parts) .. "</tr>"
  end
  row(one.header, "th")
  for _, cells in ipairs(one.rows) do row(cells, "td") end
  return ("<h2>%s</h2>\n<table>\n%s\n</table>"):format(escape(one.title), table.concat(rows, "\n"))
end

--- Writes parameters.csv and index.html.
function report.write(folder, result, space)
  local csv = { "parameter,kind,value,baseline,sounds" }
  for _, name in ipairs(space.continuous.names) do
    local p = result.continuous.parameters[name]
    if p then csv[#csv + 1] = ("%s,mse,%.6f,%.6f,%d"):format(name, p.mse, p.mean_predictor, p.sounds) end
  end
  for _, name in ipairs(space.categorical.names) do
    local p = result.categorical[name]
    if p then csv[#csv + 1] = ("%s,accuracy,%.3f,%.3f,%d"):format(name, p.accuracy, p.majority, p.sounds) end
  end
  fs.write(fs.join(folder, "parameters.csv"), table.concat(csv, "\n") .. "\n")
  local parts = {}
  for i, one in ipairs(tables_of(result)) do parts[i] = html_of(one) end
  for n = 1, 1000 do
    if not fs.is_file(fs.join(folder, ("target_%d.wav"):format(n))) then break end
    local players = {}
    for i, kind in ipairs(report.kinds) do
      players[i] = ('%s <audio controls src="%s_%d.wav"></audio>'):format(kind, kind, n)
    end
    parts[#parts + 1] = ('<h2>sound %d</h2>\n<p>%s</p>\n<p><img src="mel_%d.png" alt="log-mel pictures of '
      .. 'target, prediction and match, from above"></p>'):format(n, table.concat(players, " "), n)
  end
  fs.write(fs.join(folder, "index.html"), ([[
<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>inversion</title>
<style>body{font-family:sans-serif;margin:2em} td,th{padding:0 1em;text-align:right}</style>
</head><body>
<h1>Presets found from sounds</h1>
%s
</body></html>
]]):format(table.concat(parts, "\n")))
end

return report
