--- Colours and columns of the session's terminal. NO_COLOR and TERM=dumb leave plain text.
local terminal = require "luatrain.terminal"
local text = require "luatrain.text"

local style = {}

local coloured
local codes = {prompt = "1;36", more = "36", error = "1;31", dim = "2", title = "1"}

--- A text in the style of its kind: prompt, more (the prompt of further lines), error, dim, title.
function style.paint(kind, words)
  if coloured == nil then coloured = terminal.colour() end
  if not coloured then return words end
  return ("\27[%sm%s\27[0m"):format(codes[kind], words)
end

--- Columns of the terminal.
style.columns = terminal.columns

--- A text cut so that it fits into a line of the terminal.
function style.line(words) return text.clip(words, style.columns() - 1) end

--- Words in columns as wide as the terminal allows; most: rows, none for all of them.
function style.table(words, most) return text.table(words, style.columns(), most) end

return style
