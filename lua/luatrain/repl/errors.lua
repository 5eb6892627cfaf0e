--- Errors of a session: the frames they came from, seen before the stack is unwound, and their text:
-- the message, the user's line, a traceback without the library's own frames, the locals.
local core = require "luatrain.core"
local chunk = require "luatrain.repl.chunk"
local failure = require "luatrain.failure"
local style = require "luatrain.repl.style"
local values = require "luatrain.repl.values"

local errors = {}

local latest            -- {value = the error, frames = list, old = whether another input has begun}
local MOST_FRAMES, MOST_LOCALS = 40, 60

-- Names and short texts of the locals of a level (counted from the caller).
local function locals_at(level)
  local list = {}
  for i = 1, MOST_LOCALS do
    local name, value = debug.getlocal(level + 1, i)
    if not name then break end
    if not name:find "^%(" and name ~= chunk.check_name then
      local ok, text = pcall(values.brief, value, 200)
      list[#list + 1] = {name = name, text = ok and text or type(value)}
    end
  end
  return list
end

--- Remembers the frames of an error, called where it happens (a handler of xpcall). What is seen again
-- on its way up keeps its first, innermost frames.
function errors.see(e)
  if latest and not latest.old and rawequal(latest.value, e) then return e end
  latest = {value = e, frames = {}}
  for level = 2, 200 do
    local info = debug.getinfo(level, "nSl")
    if not info or #latest.frames == MOST_FRAMES then break end
    if info.what ~= "C" and info.currentline > 0 and not core.is_library(info.source) then
      local caller = debug.getinfo(level + 1, "S")  -- what the library calls it tells the user nothing
      local name = caller and not core.is_library(caller.source) and info.name or nil
      table.insert(latest.frames, {source = info.source, place = info.short_src .. ":" .. info.currentline,
        line = info.currentline, name = name, locals = locals_at(level)})
    end
  end
  return e
end

--- A new input runs: an error of the same text is another one. :where still has the frames.
function errors.forget()
  if latest then latest.old = true end
end

-- ---- source lines -------------------------------------------------------------------------------

-- Line `number` of an input ("=[3]") or of a file ("@x.lua"), or nil.
local function source_line(inputs, source, number)
  local text
  local input = source:match "^=?%[(%d+)%]$"
  if input then
    text = inputs[tonumber(input)]
  elseif source:sub(1, 1) == "@" then
    local file = io.open(source:sub(2), "rb")
    if file then
      text = file:read(1024 * 1024)
      file:close()
    end
  end
  if not text then return nil end
  local at = 1
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do
    if at == number then return line end
    at = at + 1
  end
end

-- The message without its position (coroutines add it again), and the position.
local function split(e)
  local shapeless = type(e) == "table" and not (debug.getmetatable(e) or {}).__tostring
  local text = (shapeless and values.brief(e, 200) or values.plain(e)):gsub("\nstack traceback:.*", "")
  local place, rest = text:match "^([^\n]-:%d+): (.*)$"
  if not place or place:find " " then return text end
  while rest:sub(1, #place + 2) == place .. ": " do rest = rest:sub(#place + 3) end
  return rest, place
end

-- ---- text ---------------------------------------------------------------------------------------

local function frame_line(inputs, frame)
  local code = source_line(inputs, frame.source, frame.line)
  local head = ("  %s:%s"):format(frame.place, frame.name and (" in %s:"):format(frame.name) or "")
  return style.line(code and head .. "  " .. code:match "^%s*(.-)%s*$" or head)
end

-- The lines of a traceback: ten at most, a line that follows itself (recursion) once.
local function frame_lines(inputs, frames)
  local lines, times = {}, 1
  local function count()
    if times > 2 then lines[#lines + 1] = ("  ... %d times"):format(times) end
    times = 1
  end
  for i, frame in ipairs(frames) do
    local line = frame_line(inputs, frame)
    if i > 1 and line == lines[#lines] then
      times = times + 1
    else
      count()
      if #lines >= 10 then return lines end
      lines[#lines + 1] = line
    end
  end
  count()
  return lines
end

-- "; did you mean mean?" where a method, or a function of a module, is called that there is not.
local function suggestion(message)
  local kind, name = message:match "attempt to call (%a+) '([%w_]+)' %(a nil value%)$"
  if not name or #name < 4 then return "" end
  local names = {}
  local function add(t)
    for key, value in pairs(type(t) == "table" and t or {}) do
      if type(key) == "string" and type(value) ~= "string" then names[#names + 1] = key end
    end
  end
  if kind == "method" then
    for _, class in ipairs {"luatrain.tensor", "luatrain.nn.module"} do add(package.loaded[class]) end
  elseif kind == "field" then
    local rooms = require("luatrain.doc.names").rooms()
    for _, room in ipairs(rooms) do add(package.loaded["luatrain." .. room]) end
  end
  table.sort(names)
  return failure.suggest(name, names)
end

-- The place a message names, as a frame: errors of the compiler have no others.
local function frame_of(place)
  local source, line = place:match "^(.*):(%d+)$"
  source = source:find "^%[%d+%]$" and "=" .. source or "@" .. source
  return {source = source, place = place, line = tonumber(line)}
end

--- The text of an error: what is wrong, the line where, and who called it. inputs: the session's texts.
function errors.text(e, inputs)
  if chunk.is_interrupt(e) and values.plain(e):find "interrupted$" then
    return style.paint("error", "interrupted")
  end
  local message, place = split(e)
  local frames = latest and not latest.old and rawequal(latest.value, e) and latest.frames or {}
  local lines = {style.paint("error", failure.of(e) and "failed: " or "error: ") .. message
    .. suggestion(message)}
  if #frames == 0 and place then
    local frame = frame_of(place)
    if not core.is_library(frame.source) then frames = {frame} end
  end
  for _, line in ipairs(frame_lines(inputs, frames)) do lines[#lines + 1] = style.paint("dim", line) end
  return table.concat(lines, "\n")
end

--- What :where prints: the frames of the latest error with their locals.
function errors.where(inputs)
  if not latest or #latest.frames == 0 then return "no error has happened" end
  local lines = {}
  for i, frame in ipairs(latest.frames) do
    lines[#lines + 1] = style.paint("dim", ("%d%s"):format(i, frame_line(inputs, frame)))
    for _, one in ipairs(frame.locals) do
      lines[#lines + 1] = style.line(("     %s = %s"):format(one.name, one.text))
    end
  end
  return table.concat(lines, "\n")
end

return errors
