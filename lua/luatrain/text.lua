--- Texts in columns of a terminal, where characters may be wide or combining and colours take no room.
local core = require "luatrain.core"
local C = core.C

local text = {}

--- Columns that a text takes.
function text.width(words) return C.lt_text_width(words, #words) end

--- A text with blanks behind it, so many columns wide.
function text.pad(words, columns) return words .. (" "):rep(columns - text.width(words)) end

--- A text cut to so many columns, with "..." where something is missing.
function text.clip(words, columns)
  if text.width(words) <= columns then return words end
  local at, room = 1, columns - 3
  for position, character in words:gmatch "()([%z\1-\127\192-\255][\128-\191]*)" do
    room = room - text.width(character)
    if room < 0 then break end
    at = position + #character
  end
  return words:sub(1, at - 1) .. "..."
end

--- A text broken at blanks: a list of lines of at most so many columns, more where a word is longer.
function text.wrap(words, columns)
  local lines, line, used = {}, nil, 0
  for word in words:gmatch "%S+" do
    local size = text.width(word)
    if line and used + 1 + size <= columns then
      line, used = line .. " " .. word, used + 1 + size
    else
      lines[#lines + 1], line, used = line, word, size
    end
  end
  lines[#lines + 1] = line or ""
  return lines
end

--- Bytes as people read them: "512 B", "1.5 kB", "3.2 MB", "1.1 GB".
function text.bytes(n)
  if n < 1000 then return ("%d B"):format(n) end
  local unit = 0
  repeat
    n, unit = n / 1000, unit + 1
  until n < 999.5 or unit == 4
  return ("%.3g %s"):format(n, ({"kB", "MB", "GB", "TB"})[unit])
end

--- Words in columns, read downwards, in so many columns; at most `most` rows, then a line that says how many
-- are left out.
function text.table(words, columns, most)
  local widest = 1
  for _, word in ipairs(words) do widest = math.max(widest, text.width(word)) end
  local per_row = math.max(1, math.floor((columns + 1) / (widest + 2)))
  local rows = math.ceil(#words / per_row)
  local lines, shown = {}, math.min(rows, most or rows)
  for row = 1, shown do
    local parts = {}
    for i = row, #words, rows do
      parts[#parts + 1] = i + rows <= #words and text.pad(words[i], widest + 2) or words[i]
    end
    lines[#lines + 1] = table.concat(parts)
  end
  if shown < rows then lines[#lines + 1] = ("... %d rows more"):format(rows - shown) end
  return table.concat(lines, "\n")
end

return text
