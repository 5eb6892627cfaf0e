--- lt.plot(x, options) draws in the terminal, and into a PNG file where options.path names one.
--
--   lt.plot(loss)                                     a list or tensor (N): a line
--   lt.plot(loss, { title = "loss" })
--   lt.plot({ train = a, valid = b }, { log = true }) lines by name; also a list of tensors, or (n, N)
--   lt.plot(picture)                                  a tensor (rows, columns): an image, first row on top
--   lt.plot(sound, { kind = "spectrogram", sample_rate = 22050 })     a signal (T), or (bins, frames)
--   lt.plot(lt.midi.read "song.mid")                  a piano roll; also a list of {start, stop, pitch}
--   lt.plot(weights, { kind = "histogram", bins = 60 })
--   lt.plot(loss, { path = "loss.png" })              needs the program gnuplot; the terminal does not
--
-- Options: kind ("line", "image", "spectrogram", "roll", "histogram"; chosen by x), title, x and y (what the
-- axes say), range = {low, high} of the values, log (values upwards), at (where the values stand), names (of
-- series), x_range = {from, to}, bins (40), sample_rate, hop, n_fft (1024), fmax (Hz), width and height (in
-- characters; of the PNG file in pixels: path_width, path_height), graphics ("kitty", "sixel", "blocks",
-- "ascii"; default: what the terminal can), path, quiet (true: the file only).
local core = require "luatrain.core"
local options_of = require "luatrain.options"

local plot = {}

local KNOWN = {}
for name in ("kind title x y range log at names x_range bins sample_rate hop n_fft fmax width height "
  .. "graphics path path_width path_height quiet"):gmatch "%S+" do KNOWN[name] = true end

local TYPES = { title = "string", x = "string", y = "string", range = "table", x_range = "table",
  names = "table", bins = "number", sample_rate = "number", hop = "number", n_fft = "number", fmax = "number",
  width = "number", height = "number", path_width = "number", path_height = "number", path = "string",
  graphics = "string" }

local function checked(options)
  options = options_of.check("plot", options, KNOWN)
  for name, wanted in pairs(TYPES) do
    local value = options[name]
    if value ~= nil and type(value) ~= wanted then
      core.fail("plot: %s is a %s, wanted a %s", name, type(value), wanted)
    end
  end
  for _, name in ipairs { "width", "height", "sample_rate", "hop", "n_fft", "path_width", "path_height" } do
    local value = options[name]
    if value and not (value >= 1 and value <= 1e6) then core.fail("plot: %s is %g", name, value) end
  end
  if options.path and not options.path:lower():find "%.png$" then
    core.fail("plot: path is '%s'; pictures are PNG files, so end it with .png", options.path)
  end
  return options
end

-- ---- the area in characters -----------------------------------------------------------------------

-- How a figure is drawn: a function (figure, columns, rows) -> lines, and what frame.around must know.
local function painter(figure, style)
  local raster, encode = require "luatrain.plot.raster", require "luatrain.plot.encode"
  local several = #(figure.series or figure.groups or {}) > 1
  local function by(x, y, encoder, option)
    return function(columns, rows) return encoder(raster.draw(figure, columns * x, rows * y), option) end
  end
  if figure.kind == "image" then
    if not style.unicode then return by(1, 1, encode.shades, "ascii") end
    if style.depth < 256 then return by(1, 1, encode.shades, "unicode") end
    style.halves = true
    return by(1, 2, encode.halves, style.depth)
  end
  if not style.unicode or several and style.depth == 0 then
    style.letters = true
    return by(1, 1, encode.letters, style.marks)
  elseif figure.kind == "roll" then
    return by(1, 2, encode.halves, style.depth)
  elseif figure.kind == "histogram" and not several then
    return by(1, 8, encode.eighths, style.depth)
  end
  return by(2, 4, encode.dots, style.depth)
end

local function sizes(figure, options, terminal)
  local columns = terminal.columns()
  local width = math.max(20, math.min(options.width or columns - 1, 1000))
  local rows = options.height
  if not rows then
    rows = figure.kind == "image" and 18 or 14
    rows = math.max(4, math.min(rows, terminal.rows() - 6, math.ceil(width / 3)))
  end
  return width, math.max(2, math.min(rows, 500))
end

-- The picture of the area, placed over the empty rows of a frame that has been printed.
local function overlay(figure, layout, below, how, terminal)
  local raster, encode = require "luatrain.plot.raster", require "luatrain.plot.encode"
  local cell_width, cell_height = terminal.cell()
  local r = raster.draw(figure, layout.area * cell_width, layout.rows * cell_height,
    math.max(1, math.floor(cell_height / 9)))
  local picture = how == "kitty" and encode.kitty(r, layout.area, layout.rows) or encode.sixel(r)
  return ("\0277\27[%dA\27[%dG%s\0278"):format(below + layout.rows, layout.left + 3, picture)
end

--- The text that lt.plot prints: lines, with escape sequences where the terminal has colours or pictures.
function plot.text(x, options)
  options = checked(options)
  local figure = require("luatrain.plot.figure").of(x, options)
  local frame, terminal = require "luatrain.plot.frame", require "luatrain.terminal"
  local how = terminal.graphics(options.graphics)
  local style = { unicode = how ~= "ascii", depth = terminal.colours(), letters = false,
    marks = require("luatrain.plot.encode").marks }
  local width, rows = sizes(figure, options, terminal)
  local layout = frame.layout(figure, width, rows)
  local pictures = how == "kitty" or how == "sixel"
  local area = {}
  if pictures then style.halves = figure.kind == "image" and style.depth >= 256
  else area = painter(figure, style)(layout.area, layout.rows) end
  local lines, below = frame.around(figure, layout, area, style)
  local text = table.concat(lines, "\n") .. "\n"
  return pictures and text .. overlay(figure, layout, below, how, terminal) or text
end

--- Writes the plot as a PNG file through lt.report: needs the program gnuplot.
function plot.save(x, options)
  options = checked(options)
  if not options.path then core.fail "plot.save: name the file: {path = \"x.png\"}" end
  require("luatrain.plot.file").write(require("luatrain.plot.figure").of(x, options), options)
end

return setmetatable(plot, { __call = function(_, x, options)
  options = checked(options)
  if options.path then plot.save(x, options) end
  if not options.quiet then
    io.stdout:write(plot.text(x, options))
    io.stdout:flush()
  end
end })
