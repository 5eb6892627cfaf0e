--- What the terminal can show: its width, colours, characters, pictures. NO_COLOR, TERM=dumb and the locale
-- are respected; LUATRAIN_GRAPHICS = kitty | sixel | blocks | ascii says what to draw with.
local ffi = require "ffi"
local core = require "luatrain.core"
local C = core.C

local terminal = {}

local function env(name)
  local value = os.getenv(name)
  return value ~= "" and value or nil
end

--- Whether standard output is a terminal.
function terminal.is() return C.lt_terminal_is(1) end

--- Columns of the terminal; without one those that COLUMNS says, or 80.
function terminal.columns()
  local n = C.lt_terminal_columns(1)
  if n > 0 then return n end
  local said = tonumber(env "COLUMNS")
  return said and said >= 1 and math.floor(said) or 80
end

--- Rows of the terminal (of descriptor 1, or the one given), 24 where they are not known.
function terminal.rows(descriptor)
  local size = ffi.new "int32_t[4]"
  if C.lt_terminal_size(size, descriptor or 1) == 0 and size[1] > 0 then return size[1] end
  return tonumber(env "LINES") or 24
end

--- Whether the terminal understands escape sequences.
function terminal.smart()
  local term = env "TERM"
  return terminal.is() and term ~= nil and term ~= "dumb"
end

--- Whether to use colour: on a terminal that has it, unless NO_COLOR is set.
function terminal.colour() return terminal.smart() and env "NO_COLOR" == nil end

--- Number of colours: 0, 16, 256 or 2^24.
function terminal.colours()
  if not terminal.colour() then return 0 end
  local depth, term = env "COLORTERM", env "TERM" or ""
  local full = depth == "truecolor" or depth == "24bit" or term:find "direct" or term:find "kitty"
  if full then return 2 ^ 24 end
  if term:find "256" then return 256 end
  return 16
end

--- Whether text may hold characters beyond ASCII: unless the locale or TERM=dumb says otherwise.
function terminal.unicode()
  if env "TERM" == "dumb" then return false end
  local locale = env "LC_ALL" or env "LC_CTYPE" or env "LANG"
  return locale == nil or locale:lower():find "utf%-?8" ~= nil
end

-- ---- pictures -----------------------------------------------------------------------------------

-- Asks for Kitty's graphics, the size of a character cell, and (what every terminal answers) its features.
local QUESTION = "\27_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\27\\\27[16t\27[c"
local SILENT = { linux = true, dumb = true, vt100 = true, vt220 = true, ansi = true }

--- What a terminal's answer says: {kitty, sixel, cell_width, cell_height}.
function terminal.features(text)
  local list = text:match "\27%[%?([%d;]+)c"
  local height, width = text:match "\27%[6;(%d+);(%d+)t"
  return {
    kitty = text:find("\27_Gi=31;OK", 1, true) ~= nil,
    sixel = list ~= nil and (";" .. list .. ";"):find(";4;", 1, true) ~= nil,
    cell_width = tonumber(width), cell_height = tonumber(height),
  }
end

local known

-- {kitty, sixel, cell_width, cell_height}: what the terminal said, asked once.
local function asked()
  if known then return known end
  known = {}
  local term = env "TERM"
  if not terminal.smart() or SILENT[term] then return known end
  local room = 512
  local answer = ffi.new("char[?]", room)
  if C.lt_terminal_ask(answer, room, QUESTION, ("c"):byte(), 0.25) ~= 0 then return known end
  known = terminal.features(ffi.string(answer))
  return known
end

local KINDS = { kitty = true, sixel = true, blocks = true, ascii = true }

--- How pictures are drawn: "kitty", "sixel", "blocks" or "ascii". wanted: one of them, taken as it is.
function terminal.graphics(wanted)
  wanted = wanted or env "LUATRAIN_GRAPHICS"
  if wanted then
    if not KINDS[wanted] then
      core.fail("graphics is '%s'; there are kitty, sixel, blocks and ascii", tostring(wanted))
    end
    return wanted
  end
  if not terminal.unicode() then return "ascii" end
  if not terminal.colour() then return "blocks" end
  local inside = env "TMUX" or env "STY"  -- a multiplexer between us and the terminal
  local term = env "TERM"
  if not inside and (env "KITTY_WINDOW_ID" or term == "xterm-kitty" or term == "xterm-ghostty") then
    return "kitty"
  end
  local said = asked()
  return said.kitty and "kitty" or said.sixel and "sixel" or "blocks"
end

--- Width and height of a character in pixels: as the terminal says, else 10 by 20.
function terminal.cell()
  local size = ffi.new "int32_t[4]"
  if C.lt_terminal_size(size, 1) == 0 and size[0] > 0 and size[2] > 0 and size[1] > 0 and size[3] > 0 then
    return math.floor(size[2] / size[0]), math.floor(size[3] / size[1])
  end
  local said = terminal.smart() and asked() or {}
  return said.cell_width or 10, said.cell_height or 20
end

return terminal
