--- Colours and columns of the session's terminal. NO_COLOR and TERM=dumb leave plain text.
local terminal = require "luatrain.terminal"
local text = require "luatrain.text"

local style = {}

local coloured
local codes = {prompt = "1;36", more = "36", error = "1;31", dim = "2", title = "1", mark = "7"}

--- A text in the style of its kind: prompt, more (the prompt of further lines), error, dim, title, or mark
-- (behind text without a line end).
function style.paint(kind, words)
  if coloured == nil then coloured = terminal.colour() end
  if not coloured then return words end
  return ("\27[%sm%s\27[0m"):format(codes[kind], words)
end

--- A text cut so that it fits into a line of the terminal.
function style.line(words) return text.clip(words, terminal.columns() - 1) end

--- Words in columns as wide as the terminal allows; most: rows, none for all of them.
function style.table(words, most) return text.table(words, terminal.columns(), most) end

return style
