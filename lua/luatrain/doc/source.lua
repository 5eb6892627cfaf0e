--- What the sources say of themselves: the comments above the declarations of a Lua file, and where each
-- declaration stands.
--
-- A declaration begins in the first column. The comment right above it is its own; a declaration without
-- one that follows a documented one with no empty line between shares its comment.
local ffi = require "ffi"
local core = require "luatrain.core"
local C = core.C

local source = {}

-- ---- texts --------------------------------------------------------------------------------------

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "*a"
  file:close()
  return text
end

--- The text of a library file such as "luatrain/nn/linear.lua": from the folder LUATRAIN_PATH where it is
-- there, else the embedded one; nil where there is none.
function source.text(name)
  local disk = os.getenv "LUATRAIN_PATH"
  local text = disk and read(disk .. "/" .. name)
  if text then return text end
  local size = ffi.new "int64_t[1]"
  local data = C.lt_embedded_text(name, size)
  return data ~= nil and ffi.string(data, tonumber(size[0])) or nil
end

--- The names of all embedded files, sorted.
function source.files()
  local list, i = {}, 0
  while true do
    local name = C.lt_embedded_name(i)
    if name == nil then break end
    list[#list + 1] = ffi.string(name)
    i = i + 1
  end
  table.sort(list)
  return list
end

--- The library file that a function's debug.getinfo source names, or nil: "@luatrain/nn/linear.lua" and
-- "@lua/luatrain/nn/linear.lua" (from LUATRAIN_PATH) are luatrain/nn/linear.lua.
function source.library_file(chunk)
  local path = chunk:match "^@(.*)$"
  if not path then return nil end
  local disk = os.getenv "LUATRAIN_PATH"
  if disk and path:sub(1, #disk + 1) == disk .. "/" then path = path:sub(#disk + 2) end
  return path:match "^luatrain/.*%.lua$"
end

-- ---- declarations -------------------------------------------------------------------------------

-- The text between the parentheses that open in lines[i], which may run over several lines.
local function parameters(lines, i, from)
  if not from then return nil end
  local text = lines[i]:sub(from)
  for k = i + 1, math.min(i + 6, #lines) do
    if text:find "%b()" then break end
    text = text .. " " .. lines[k]
  end
  local inside = text:match "^%s*(%b())"
  return inside and inside:sub(2, -2):gsub("%s+", " ") or nil
end

-- The arguments of an op's forward without `saved`, looked for in the lines of its definition.
local function forward_parameters(lines, i)
  for k = i, math.min(i + 12, #lines) do
    local args = lines[k]:match "forward%s*=%s*function%s*%((.-)%)"
    if args then return (args:gsub("^[%w_]+,?%s*", "", 1)) end
    if k > i and lines[k]:find "^}" then return nil end
  end
end

local function assigned(lines, i, name, rhs)
  local entry = { kind = "value", name = name }
  local class = rhs:match '^[%w_%.]*class%s*%(?%s*"([%w_]+)"'
  if class then
    entry.kind, entry.class = "class", class
  elseif rhs:find "^function" then
    entry.kind, entry.params = "function", parameters(lines, i, lines[i]:find("function", 1, true) + 8)
  elseif rhs:find "^op%.define" then
    entry.kind, entry.params = "function", forward_parameters(lines, i)
  elseif rhs:find "^setmetatable" or rhs:find "^{" then
    entry.kind = "table"
  end
  return entry
end

-- What lines[i] declares: {kind, name, owner, method, params}, or nil.
local function declaration(lines, i)
  local line = lines[i]
  local name = line:match "^local%s+function%s+([%w_]+)"
  if name then
    return { kind = "function", name = name, scope = "local",
      params = parameters(lines, i, (line:find("(", 1, true))) }
  end
  local path = line:match "^function%s+([%w_%.:]+)"
  if path then
    local owner, mark, last = path:match "^(.-)([%.:])([%w_]+)$"
    return { kind = "function", name = last or path, owner = owner, method = mark == ":",
      params = parameters(lines, i, (line:find("(", 1, true))) }
  end
  local own, rhs = line:match "^local%s+([%w_]+)%s*=%s*(.+)$"
  if own then
    local entry = assigned(lines, i, own, rhs)
    entry.scope = "local"
    return entry
  end
  local target
  target, rhs = line:match "^([%a_][%w_%.]*)%s*=%s*(.+)$"
  if target then
    local owner, last = target:match "^(.*)%.([%w_]+)$"
    local entry = assigned(lines, i, last or target, rhs)
    entry.owner = owner
    return entry
  end
  local called = line:match '^[%a_][%w_%.]*%s*%(%s*"([%w_]+)"'
  if called then return { kind = "class", name = called, class = called } end
end

-- "---- status ----" and the like are banners, not documentation.
local function is_banner(text) return text:find "^%-%-%-%-" or text:find "^%-%- %-%-%-%-" end

-- The line at which a long string ends that begins in lines[i]; i where there is none.
local function behind_string(lines, i)
  local equals, rest = lines[i]:match "%[(=*)%[(.*)$"
  local close = equals and "]" .. equals .. "]"
  if not equals or lines[i]:find "^%-%-" or rest:find(close, 1, true) then return i end
  for k = i + 1, #lines do
    if lines[k]:find(close, 1, true) then return k end
  end
  return i
end

-- The comment without its dashes.
local function stripped(line) return (line:gsub("^%-%-%-?%-? ?", "", 1):gsub("%s+$", "")) end

--- Parses the text of a Lua file. Comments begin with "---"; with plain = true "--" will do.
-- @return {header = lines of the opening comment, entries = list of {kind = "function", "class", "table" or
--   "value", name, owner, method, params, doc = lines or nil, line, last}}
function source.parse(text, plain)
  local lines = {}
  for line in (text .. "\n"):gmatch "(.-)\r?\n" do lines[#lines + 1] = line end
  local file = { header = {}, entries = {}, lines = lines }
  local i = 1
  while lines[i] and lines[i]:find "^%-%-" do
    if not lines[i]:find "^%-%-%-%-%-" then file.header[#file.header + 1] = stripped(lines[i]) end
    i = i + 1
  end
  local doc, shared, previous
  while i <= #lines do
    local line = lines[i]
    if line:find "^%-%-" and not is_banner(line) then
      local starts = doc == nil
      doc = doc or {}
      if starts and not (plain or line:find "^%-%-%-") then doc.hidden = true end
      if starts == false and doc.hidden and line:find "^%-%-%-" then doc = {} end
      doc[#doc + 1] = stripped(line)
    elseif line == "" or is_banner(line) then
      doc, shared = nil, nil
    elseif not line:find "^[%s%]})]" then
      local entry = declaration(lines, i)
      if entry then
        entry.line = i
        if doc and not doc.hidden then entry.doc = doc end
        if not entry.doc and not doc then entry.doc, entry.shares = shared, shared ~= nil end
        shared = entry.doc
        if previous then previous.last = i - 1 end
        previous = entry
        file.entries[#file.entries + 1] = entry
      elseif line ~= "end" then
        shared = nil
      end
      doc = nil
    end
    i = behind_string(lines, i) + 1
  end
  if previous then previous.last = #lines end
  return file
end

local parsed = {}

--- A library file, parsed; kept. nil where there is no such file.
function source.file(name)
  if parsed[name] == nil then
    local text = source.text(name)
    parsed[name] = text and source.parse(text) or false
    if parsed[name] then parsed[name].name = name end
  end
  return parsed[name] or nil
end

--- The entry of a file whose declaration covers a line, and whether it begins there.
function source.at(file, line)
  local found
  for _, entry in ipairs(file.entries) do
    if entry.line > line then break end
    found = entry
  end
  if found and found.last >= line then return found, found.line == line end
end

--- The file a module name stands for: "luatrain.nn" is luatrain/nn/init.lua.
function source.module_file(module)
  local path = module:gsub("%.", "/")
  for _, form in ipairs { "%s.lua", "%s/init.lua" } do
    local name = form:format(path)
    if source.file(name) then return source.file(name) end
  end
end

return source
