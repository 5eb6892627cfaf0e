--- What every plot of lt.report goes through: the gnuplot program, run on a script in a folder of its own.
local core = require "luatrain.core"
local fs = require "luatrain.fs"

local gnuplot = {}

--- Colours that stay apart for people who see fewer of them (Okabe and Ito 2008), in the order in which
-- curves and bars take them.
gnuplot.colours = {"#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#7F7F7F", "#000000"}

--- True where plots can be drawn.
function gnuplot.available() return require("luatrain.process").which "gnuplot" ~= nil end

--- A text as a gnuplot string: quotes and backslashes are taken out, control characters become spaces.
function gnuplot.quote(text)
  return '"' .. tostring(text or ""):gsub("[\\\"`]", "'"):gsub("%c", " ") .. '"'
end

--- A number in a data file; NaN, infinities and what is no number leave a gap.
function gnuplot.number(value)
  if type(value) ~= "number" or value ~= value or math.abs(value) == math.huge then return "NaN" end
  return ("%.9g"):format(value)
end

--- "set xtics ('a' 1, 'b' 2)" for the axis "x" or "y", of a list of texts or of {position, text}; how: more
-- words for gnuplot, such as "rotate by 90 right".
function gnuplot.ticks(axis, labels, how)
  local parts = {}
  for i, label in ipairs(labels) do
    local at, text = i, label
    if type(label) == "table" then at, text = label[1], label[2] end
    -- gnuplot reads a tick's text as a format of its place.
    parts[i] = gnuplot.quote((tostring(text):gsub("%%", "%%%%"))) .. " " .. gnuplot.number(at)
  end
  return ("set %stics %s (%s)"):format(axis, how or "", table.concat(parts, ", "))
end

--- The first lines of a script for a picture of so many pixels.
function gnuplot.head(width, height)
  return {
    ("set terminal pngcairo size %d,%d font 'sans,10' noenhanced"):format(width, height),
    "set encoding utf8",
    "set output 'out.png'",
  }
end

--- Runs a script (lines or a text) beside data files {name = text}; the picture appears under `path` when it
-- is whole, and what was there before stays when it cannot be drawn.
function gnuplot.draw(path, script, data)
  local process = require "luatrain.process"
  if not gnuplot.available() then
    core.fail_as("io", "%s: plots need the program gnuplot, which is not installed", path)
  end
  if type(script) == "table" then script = table.concat(script, "\n") .. "\n" end
  local folder = fs.temporary_directory()
  local ok, e = pcall(function()
    for name, text in pairs(data) do fs.write(fs.join(folder, name), text) end
    fs.write(fs.join(folder, "plot.gp"), script)
    local result = process.run({"gnuplot", "plot.gp"}, {directory = folder, timeout = 60})
    if not result.ok then
      core.fail_as("io", "%s: gnuplot failed: %s", path, (result.output or result.state):gsub("%s+", " "))
    end
    fs.write(path, fs.read(fs.join(folder, "out.png")))
  end)
  fs.remove_tree(folder)
  if not ok then error(e, 0) end
end

return gnuplot
