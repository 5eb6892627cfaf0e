--- Reading an input: the line editor's events (Enter, Tab, history, search) given a meaning. On a
-- terminal that cannot move its cursor (TERM=dumb) lines are read as the system edits them.
local ffi = require "ffi"
local core = require "luatrain.core"
local chunk = require "luatrain.repl.chunk"
local lexer = require "luatrain.repl.lexer"
local style = require "luatrain.repl.style"
local terminal = require "luatrain.terminal"
local texts = require "luatrain.text"
local C, check = core.C, core.check

local Reader = {}
Reader.__index = Reader

local reader = {}

local size, cursor = ffi.new "int64_t[1]", ffi.new "int64_t[1]"
local key_text = ffi.new "char[8]"

--- Makes a reader on standard input and output. options: history, complete (see luatrain.repl.complete).
function reader.open(options)
  local self = setmetatable({history = options.history, complete = options.complete}, Reader)
  self.plain = not terminal.smart()
  if not self.plain then
    local out = ffi.new "lt_editor *[1]"
    check(C.lt_editor_open(out, 0, 1))
    self.editor = ffi.gc(out[0], C.lt_editor_close)
  end
  return self
end

--- Puts the terminal right; nothing can be read afterwards.
function Reader:close()
  if self.editor then C.lt_editor_close(ffi.gc(self.editor, nil)) end
  self.editor = nil
end

-- The text and the cursor's position (bytes before it).
local function content(self)
  local text = C.lt_editor_text(self.editor, size, cursor)
  return ffi.string(text, size[0]), tonumber(cursor[0])
end

local function put(self, text, at)
  C.lt_editor_put(self.editor, text, #text, at or -1)
end

-- ---- Enter --------------------------------------------------------------------------------------

--- What "x?", "m[1].weight?" and "?x" ask about ("" for "?"); nil for all other texts.
function reader.question(text)
  return text:match "^%s*([%a_][%w_.:%[%]'\"]*)%s*%?+%s*$" or text:match "^%s*%?+%s*([%w_.:]*)%s*$"
end

--- Whether an input needs no more lines: commands and questions are one line, wrong Lua is told at once.
function reader.is_whole(text)
  if text:find "^%s*:%a[^\n]*$" or reader.question(text) then return true end
  return chunk.state((text:gsub("^%s*=", " "))) ~= "part"
end

-- The text with its last line moved back where it closes a block (`end`, `}`), and the depth of blocks
-- that the next line begins in.
local function settle(text)
  local own, following = lexer.indentation(text)
  local start = text:match "^.*\n()" or 1
  local line = text:sub(start)
  if start > 1 and line:find "^%s*[%a%)%]}]" and #line:match "^%s*" > 2 * own then
    text = text:sub(1, start - 1) .. ("  "):rep(own) .. line:match "^%s*(.*)"
  end
  return text, following
end

local function new_line(self, text, at)
  local before, after = text:sub(1, at), text:sub(at + 1)
  if C.lt_editor_has_more(self.editor) then  -- pasted by a terminal that does not say so
    put(self, before .. "\n" .. after, at + 1)
    return
  end
  local following
  before, following = settle(before)
  before = before .. "\n" .. ("  "):rep(following)
  put(self, before .. after:gsub("^[ \t]+", ""), #before)
end

-- True where the input is done.
local function enter(self)
  local text, at = content(self)
  if reader.is_whole(text) then
    if at == #text then put(self, (settle(text))) end
    return true
  end
  new_line(self, text, at)
  return false
end

-- ---- history ------------------------------------------------------------------------------------

local function go(self, by)
  local entries, text = self.history.entries, content(self)
  local to = self.at + by
  if to < 1 or to > #entries + 1 then return end
  if self.at == #entries + 1 then self.draft = text end
  self.at = to
  put(self, entries[to] or self.draft)
end

local CTRL_C, CTRL_G, CTRL_R, ESCAPE = 3, 7, 18, 27

-- What a key does to a search: "again", "more" (a longer or shorter query), "end" or "cancel".
local function search_step(key, query)
  if key == CTRL_R then return "again", query end
  if key == CTRL_G or key == CTRL_C then return "cancel", query end
  if key == 127 or key == 8 then return "more", (query:gsub("[%z\1-\127\192-\255][\128-\191]*$", "")) end
  if key >= 32 and key < 0x110000 then return "more", query .. ffi.string(key_text) end
  return "end", query
end

-- ^R: shows the latest input that holds what is typed; Enter runs it, other keys edit it.
local function search(self)
  local original, at = content(self)
  local query, found, action = "", #self.history.entries + 1
  repeat
    local failed = query ~= "" and not self.history.entries[found]
    local label = ("(%ssearch) %s: "):format(failed and "failed " or "", query)
    C.lt_editor_prompt(self.editor, style.paint("more", label), self.more)
    local key = C.lt_editor_key(self.editor, key_text)
    action, query = search_step(key, query)
    if action == "again" or action == "more" then
      local from = action == "again" and found or #self.history.entries + 1
      local place = query ~= "" and self.history:find(query, from)
      if place then
        found = place
        local entry = self.history.entries[place]
        put(self, entry, (entry:find(query, 1, true)) - 1)
      elseif action == "more" then
        found = #self.history.entries + 1
      end
    elseif action == "cancel" then
      put(self, original, at)
    elseif key ~= ESCAPE then
      C.lt_editor_unkey(self.editor, key, key_text)
    end
  until action == "end" or action == "cancel"
  if self.history.entries[found] and query ~= "" then self.at = found end
  C.lt_editor_prompt(self.editor, self.prompt, self.more)
end

-- ---- Tab ----------------------------------------------------------------------------------------

local function common_prefix(words)
  local prefix = words[1]
  for _, word in ipairs(words) do
    while word:sub(1, #prefix) ~= prefix do prefix = prefix:sub(1, -2) end
  end
  return (prefix:gsub("[\192-\255][\128-\191]*$", function(last)  -- no half characters
    return texts.width(last) > 0 and words[1]:find(last, #prefix - #last + 1, true) and last or ""
  end))
end

local function tab(self)
  local text, at = content(self)
  local line = text:sub(1, at):match "[^\n]*$"
  if not line:find "%S" then
    put(self, text:sub(1, at) .. "  " .. text:sub(at + 1), at + 2)
    return
  end
  local from, words, labels = self.complete(text, at)
  if not words or #words == 0 then return end
  local typed, prefix = text:sub(from, at), common_prefix(words)
  if #prefix > #typed or #words == 1 then
    put(self, text:sub(1, from - 1) .. prefix .. text:sub(at + 1), from - 1 + #prefix)
    if #words == 1 then return end
  end
  if #prefix == #typed then
    local list = style.table(labels or words, 12)
    C.lt_editor_show(self.editor, list, #list)
  end
end

-- ---- reading ------------------------------------------------------------------------------------

local function edit(self)
  self.at, self.draft = #self.history.entries + 1, ""
  check(C.lt_editor_begin(self.editor, self.prompt, self.more))
  while true do
    local event = C.lt_editor_next(self.editor)
    if event == C.LT_EDIT_ENTER then
      if enter(self) then return "input" end
    elseif event == C.LT_EDIT_TAB then tab(self)
    elseif event == C.LT_EDIT_EARLIER then go(self, -1)
    elseif event == C.LT_EDIT_LATER then go(self, 1)
    elseif event == C.LT_EDIT_SEARCH then search(self)
    elseif event == C.LT_EDIT_INTERRUPT then return "interrupt"
    elseif event == C.LT_EDIT_END then return "end" end
  end
end

local function read_plain(self)
  local lines, line = {}, ffi.new "lt_buffer"
  repeat
    io.stdout:write(#lines == 0 and self.prompt or self.more)
    io.stdout:flush()
    local event = C.lt_terminal_line(line, 0)
    if event ~= C.LT_EDIT_ENTER then
      io.stdout:write "\n"
      return event == C.LT_EDIT_INTERRUPT and "interrupt" or "end"
    end
    lines[#lines + 1] = ffi.string(line.data, line.bytes):gsub("\r$", "")
    C.lt_buffer_release(line)
  until reader.is_whole(table.concat(lines, "\n"))
  return "input", table.concat(lines, "\n")
end

--- Reads an input. prompt, more: of the first and of further lines. Returns "input" and the text,
-- "interrupt" (Ctrl-C) or "end" (Ctrl-D, or the terminal is gone).
function Reader:read(prompt, more)
  io.stdout:flush()
  self.prompt, self.more = style.paint("prompt", prompt), style.paint("more", more)
  if self.plain then return read_plain(self) end
  local what = edit(self)
  local text = content(self)
  C.lt_editor_end(self.editor)
  return what, text
end

return reader
