--- Lua's words, for what the REPL must know of a text before LuaJIT compiles it: where strings end,
-- how deep a line stands within blocks, what lies left of the cursor.
local lexer = {}

local KEYWORDS = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return
  then true until while]]):gmatch "%S+" do KEYWORDS[word] = true end
lexer.keywords = KEYWORDS

-- The end of a long bracket that begins at `from`: its level's closing one, or nil where none begins;
-- past the text where it is open.
local function long_end(text, from)
  local equals = text:match("^%[(=*)%[", from)
  if not equals then return nil end
  local _, last = text:find("]" .. equals .. "]", from, true)
  return last or #text + 1
end

-- The position of the quote that ends a short string begun at `from`, or nil and where it breaks off.
local function string_end(text, from)
  local quote, at = text:sub(from, from), from + 1
  while at <= #text do
    local c = text:sub(at, at)
    if c == "\\" then
      at = at + (text:sub(at + 1, at + 1) == "z" and #text:match("^\\z%s*", at) or 2)
    elseif c == quote then return at
    elseif c == "\n" then return nil, at - 1
    else at = at + 1 end
  end
  return nil, #text
end

local OPERATORS = {["..."] = true, [".."] = true, ["=="] = true, ["~="] = true, ["<="] = true,
  [">="] = true, ["::"] = true}

local function operator(text, at)
  for length = 3, 2, -1 do
    local word = text:sub(at, at + length - 1)
    if OPERATORS[word] then return word end
  end
  return text:sub(at, at)
end

-- The token at a position that is no white space.
local function token_at(text, at)
  local word = text:match("^[%a_\128-\255][%w_\128-\255]*", at)
  if word then return KEYWORDS[word] and "keyword" or "name", at + #word - 1 end
  local number = text:match("^0[xX][%x.]+[pP][+-]?%w*", at) or text:match("^0[xX][%x.]+%w*", at)
    or text:match("^%.?%d[%w.]*[eE][+-]%w+", at) or text:match("^%.?%d[%w.]*", at)
  if number then return "number", at + #number - 1 end
  local long = long_end(text, at)
  if long then return "string", math.min(long, #text), long > #text end
  local two = text:sub(at, at + 1)
  if two == "--" then
    local close = long_end(text, at + 2)
    if close then return "comment", math.min(close, #text), close > #text end
    return "comment", (text:find("\n", at, true) or #text + 1) - 1
  end
  if two:find "^[\"']" then
    local close, broken = string_end(text, at)
    return "string", close or broken, not close
  end
  return "operator", at + #operator(text, at) - 1
end

--- The tokens of a text: list of {kind = "name" | "keyword" | "number" | "string" | "comment" |
-- "operator", text, from, to (byte positions), line, open (a string or comment without its end)}.
function lexer.tokens(text)
  local list, at, line = {}, 1, 1
  while true do
    local space, next_at = text:match("^(%s*)()", at)
    for _ in space:gmatch "\n" do line = line + 1 end
    at = next_at
    if at > #text then return list end
    local kind, to, open = token_at(text, at)
    local word = text:sub(at, to)
    list[#list + 1] = {kind = kind, text = word, from = at, to = to, line = line, open = open or nil}
    if kind == "string" or kind == "comment" then
      for _ in word:gmatch "\n" do line = line + 1 end
    end
    at = to + 1
  end
end

-- What a word does to the depth of blocks. `for` and `while` open theirs with `do`.
local DEPTH = {["do"] = 1, ["if"] = 1, ["function"] = 1, ["repeat"] = 1, ["end"] = -1, ["until"] = -1,
  ["("] = 1, ["["] = 1, ["{"] = 1, [")"] = -1, ["]"] = -1, ["}"] = -1}

--- How a token changes the depth of blocks and brackets: 1, -1 or 0.
function lexer.depth(token)
  if token.kind ~= "keyword" and token.kind ~= "operator" then return 0 end
  return DEPTH[token.text] or 0
end

--- The indentation, in blocks, that a text's last line should have, and that a line after it should.
function lexer.indentation(text)
  local tokens = lexer.tokens(text)
  local _, breaks = text:gsub("\n", "")
  local last, depth, own, first = breaks + 1, 0, nil, true
  for _, token in ipairs(tokens) do
    local change = lexer.depth(token)
    local middle = token.text == "else" or token.text == "elseif"
    if token.line == last and not own then own = depth end
    if token.line == last and first and (change < 0 or middle) then
      own = own - 1
      first = middle and false or first
    elseif token.line == last then
      first = false
    end
    depth = depth + change
  end
  return math.max(own or depth, 0), math.max(depth, 0)
end

return lexer
