--- What was typed as a function: whether it is whole, an expression or statements, and how it is
-- changed so that it fits a session:
--   * an expression's values are returned;
--   * `local x = 1` on the outermost level makes a global, since the next input could not see a local;
--   * loops and functions begin with a look at the interrupt flag, since compiled loops see no hooks.
-- Lines and, but for the last change, columns stay what they were.
local core = require "luatrain.core"
local failure = require "luatrain.failure"
local lexer = require "luatrain.repl.lexer"
local C = core.C

local chunk = {}

-- What loops look at. A call stays in a compiled loop, where LuaJIT would read a flag in memory, even a
-- volatile one, before the loop only.
local interrupted = failure.new("interrupt", "interrupted")
local function check()
  if C.lt_interrupt_take() then error(interrupted, 0) end
end

--- Whether an error value stands for an interrupt by Ctrl-C.
function chunk.is_interrupt(e)
  return e == "interrupted" or failure.kind(e) == "interrupt"
end

--- The name that the look at the flag has in compiled chunks; no part of anybody's session.
chunk.check_name = "__luatrain_check"

-- The position after which "check();" may stand for token i of the list: loop bodies and functions;
-- before a goto. Returns the position and the text, or nil.
local function check_place(tokens, i)
  local token = tokens[i]
  local call = " " .. chunk.check_name .. "();"
  if token.text == "do" or token.text == "repeat" then return token.to, call end
  if token.text == "function" then
    while tokens[i] and tokens[i].text ~= ")" do i = i + 1 end
    if tokens[i] then return tokens[i].to, call end
  elseif token.text == "goto" and tokens[i + 1] and tokens[i + 1].kind == "name" then
    return token.from - 1, call
  end
end

-- Replaces "local" before names that are to be global. Returns a list of edits {from, to, text} and a
-- list of names that stay local, because the library itself needs what they would hide.
local function promote(tokens, i, reserved, edits, kept)
  local token = tokens[i]
  local blank = {from = token.from, to = token.to, text = (" "):rep(#token.text)}
  local at = i + 1
  if tokens[at] and tokens[at].text == "function" then at = at + 1 end
  local names = {}
  while tokens[at] and tokens[at].kind == "name" do
    names[#names + 1] = tokens[at].text
    if reserved[tokens[at].text] then
      kept[#kept + 1] = tokens[at].text
      return
    end
    if not (tokens[at + 1] and tokens[at + 1].text == ",") then break end
    at = at + 2
  end
  if #names == 0 then return end
  edits[#edits + 1] = blank
  local is_function = tokens[i + 1].text == "function"
  local equals = tokens[at + 1] and tokens[at + 1].text == "="
  if not is_function and not equals then
    edits[#edits + 1] = {from = tokens[at].to + 1, to = tokens[at].to, text = " = nil"}
  end
end

local function apply(text, edits)
  table.sort(edits, function(a, b) return a.from < b.from end)
  local parts, at = {}, 1
  for _, edit in ipairs(edits) do
    parts[#parts + 1] = text:sub(at, edit.from - 1)
    parts[#parts + 1] = edit.text
    at = edit.to + 1
  end
  parts[#parts + 1] = text:sub(at)
  return table.concat(parts)
end

local function words_only(text)
  local tokens = {}
  for _, token in ipairs(lexer.tokens(text)) do
    if token.kind ~= "comment" then tokens[#tokens + 1] = token end
  end
  return tokens
end

--- The text with its changes, and the names that stayed local. reserved: names that no local may make
-- global; nil for files, whose locals are theirs.
function chunk.transform(text, reserved)
  local tokens, edits, kept, depth = words_only(text), {}, {}, 0
  for i, token in ipairs(tokens) do
    if token.kind == "keyword" and (not tokens[i - 1] or not tokens[i - 1].text:find "^[.:]$") then
      if token.text == "local" and depth == 0 and reserved then
        promote(tokens, i, reserved, edits, kept)
      end
      local at, call = check_place(tokens, i)
      if at then edits[#edits + 1] = {from = at + 1, to = at, text = call} end
    end
    depth = depth + lexer.depth(token)
  end
  return apply(text, edits), kept
end

-- Compiles with the check as an upvalue of all that is inside. The function may make globals, as the
-- main chunk that it stands for may.
local function compile(text, name)
  local frame = "local %s = ...; return function(...) %s\nend"
  local f, e = loadstring(frame:format(chunk.check_name, text), name)
  if not f then return nil, e end
  f = f(check)
  require("luatrain.host").may_declare(f)
  return f
end

-- LuaJIT's own message for a text as it was typed, or nil where it compiles.
local function problem_of(text, name)
  local f, e = loadstring(text, name)
  if f then return nil end
  return e
end

-- A string in quotes cannot go on in the next line.
local function breaks_off(message)
  return message:find "near '<eof>'$" ~= nil and not message:find ": unfinished string near"
end

--- Splits statements that end with an expression, "x = 3; x * 2", into both; nil where there are none.
-- In statements that are right as they stand the last one may be a call, "x = 3; f(x)", nothing else:
-- "y = x" and "-z()" in the next line are one statement.
function chunk.split(text)
  local right = not problem_of(text, "=input")
  local tokens, depth, places = words_only(text), 0, {}
  for i, token in ipairs(tokens) do
    local before = tokens[i - 1]
    local new = before and (before.text == ";" or before.line < token.line)
    if new and depth == 0 then places[#places + 1] = token.from end
    depth = depth + lexer.depth(token)
  end
  for i = #places, math.max(1, #places - 4), -1 do
    local first, last = text:sub(1, places[i] - 1), text:sub(places[i])
    if not problem_of("return " .. last, "=input") and not problem_of(first, "=input")
      and not (right and problem_of(last, "=input")) then
      return first, last
    end
  end
end

--- Whether a text is a whole chunk: "whole", "part" (more lines are wanted) or "wrong" and the message.
function chunk.state(text)
  if not text:find "%S" then return "whole" end
  local expression = problem_of("return " .. text, "=input")
  if not expression then return "whole" end
  local statement = problem_of(text, "=input")
  if not statement or chunk.split(text) then return "whole" end
  if breaks_off(statement) or breaks_off(expression) then return "part" end
  return "wrong", statement
end

-- Statements that return an expression's values. It is no tail call, so that its line is part of the
-- traceback; on one line, since LuaJIT takes the last word's for that of a global's name.
local function as_values(text)
  local tokens = lexer.tokens(text)
  local last = tokens[#tokens]
  if last and last.kind == "comment" then return as_values(text:sub(1, last.from - 1)) end
  return ("return (function(...) return ... end)(%s)"):format((chunk.transform(text)))
end

--- Compiles an input. name: for messages ("=[3]"); reserved: names that a local may not make global.
-- Returns the function, whether it is an expression or ends with one (whose values are results), the
-- names that stayed local, and where statements stand before the expression these and it; or nil and
-- the message.
function chunk.compile(text, name, reserved)
  -- A comment behind an expression must not swallow what follows.
  if text:find "%S" and not problem_of("return " .. text, name) then
    local f = compile(as_values(text), name)
    if f then return f, true, {} end
  end
  local first, last = chunk.split(text)
  if first then
    local changed, kept = chunk.transform(first, reserved or {})
    local f = compile(changed .. as_values(last), name)
    if f then return f, true, kept, first, last end
  end
  local problem = problem_of(text, name)
  if problem then return nil, problem end
  local changed, kept = chunk.transform(text, reserved or {})
  local f = compile(changed, name)
  if not f then f, kept = compile(text, name), {} end
  return f, false, kept
end

--- Compiles a file so that it can be interrupted; its locals stay its own. Returns the function, or nil
-- and the message.
function chunk.load_file(path)
  local file, e = io.open(path, "rb")
  if not file then return nil, e end
  local text = file:read "*a"
  file:close()
  if not text then return nil, path .. ": cannot be read" end
  text = text:gsub("^#[^\n]*", "")
  local name = "@" .. path
  local problem = problem_of(text, name)
  if problem then return nil, problem end
  return compile((chunk.transform(text)), name) or loadstring(text, name)
end

return chunk
