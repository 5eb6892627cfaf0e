--- Colours and columns of the session's terminal. NO_COLOR and TERM=dumb leave plain text.
local core = require "luatrain.core"
local terminal = require "luatrain.terminal"
local C = core.C

local style = {}

local coloured
local codes = {prompt = "1;36", more = "36", error = "1;31", dim = "2", name = "36", title = "1"}

--- A text in the style of its kind: prompt, more (the prompt of further lines), error, dim, name, title.
function style.paint(kind, text)
  if coloured == nil then coloured = terminal.colour() end
  if not coloured then return text end
  return ("\27[%sm%s\27[0m"):format(codes[kind], text)
end

--- Columns of the terminal.
style.columns = terminal.columns

--- Columns that a text takes.
function style.width(text) return C.lt_text_width(text, #text) end

--- A text cut to so many columns, with "..." where something is missing.
function style.clip(text, columns)
  if style.width(text) <= columns then return text end
  local at, room = 1, columns - 3
  for position, character in text:gmatch "()([%z\1-\127\192-\255][\128-\191]*)" do
    room = room - style.width(character)
    if room < 0 then break end
    at = position + #character
  end
  return text:sub(1, at - 1) .. "..."
end

--- A text in lines of at most so many columns, broken at blanks; those after the first begin with `indent`.
function style.wrap(text, columns, indent)
  local lines, line = {}, nil
  for word in text:gmatch "%S+" do
    if line and style.width(line) + 1 + style.width(word) > columns then
      lines[#lines + 1] = line
      line = indent .. word
    else
      line = line and line .. " " .. word or word
    end
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

--- Words in columns, read downwards, as wide as the terminal allows; at most `most` rows, then a line
-- that says how many are left out.
function style.table(words, most)
  local widest = 1
  for _, word in ipairs(words) do widest = math.max(widest, style.width(word)) end
  local per_row = math.max(1, math.floor((style.columns() + 1) / (widest + 2)))
  local rows = math.ceil(#words / per_row)
  local lines, shown = {}, math.min(rows, most or rows)
  for row = 1, shown do
    local parts = {}
    for i = row, #words, rows do
      local pad = i + rows <= #words and (" "):rep(widest + 2 - style.width(words[i])) or ""
      parts[#parts + 1] = words[i] .. pad
    end
    lines[#lines + 1] = table.concat(parts)
  end
  if shown < rows then lines[#lines + 1] = ("... %d rows more"):format(rows - shown) end
  return table.concat(lines, "\n")
end

return style
