--- What Tab offers: globals and keywords, fields and methods, and inside strings modules (after
-- require), the keys of tables, the tensors of safetensors files, and file names. Nothing is called to
-- find out, except where lt loads one of its rooms.
local core = require "luatrain.core"
local fs = require "luatrain.fs"
local lexer = require "luatrain.repl.lexer"

local complete = {}

local MOST = 2000  -- candidates looked at

-- Adds to a list the names that begin with `prefix`, once each.
local function collector(prefix)
  local list, seen = {}, {}
  return list, function(name)
    if type(name) == "string" and #list < MOST and not seen[name] and name:sub(1, #prefix) == prefix then
      seen[name] = true
      list[#list + 1] = name
    end
  end
end

-- Those of a list of names that begin with `prefix`.
local function starting(prefix, names)
  local list, add = collector(prefix)
  for _, name in ipairs(names) do add(name) end
  return list
end

-- ---- values -------------------------------------------------------------------------------------

local function is_lt(value) return rawequal(value, package.loaded["luatrain"]) end

-- The value of a field as far as it can be known without calling anything of the user's.
local function field(value, key)
  for _ = 1, 20 do
    if type(value) == "string" then value = string end
    if type(value) ~= "table" then return nil end
    local own = rawget(value, key)
    if own ~= nil then return own end
    if is_lt(value) then
      local ok, found = pcall(function() return value[key] end)
      return ok and found or nil
    end
    local meta = getmetatable(value)
    if type(meta) ~= "table" then return nil end
    local index = rawget(meta, "__index")
    if type(index) == "function" then
      local tensor = package.loaded["luatrain.tensor"]
      if tensor and type(key) == "number" and tensor.is_tensor(value) then return value end
      index = meta  -- classes whose __index also takes positions: tensors
    end
    value = index
  end
end

local function global(name)
  if name == "lt" then
    local ok, lt = pcall(require, "luatrain")
    return ok and lt or nil
  end
  return rawget(_G, name)
end

-- All names that a value answers to, its classes' included.
local function each_name(value, add)
  for _ = 1, 20 do
    if type(value) == "string" then value = string end
    if type(value) ~= "table" then return end
    local key = next(value)
    while key ~= nil do
      add(key, rawget(value, key))
      key = next(value, key)
    end
    if is_lt(value) then
      for _, module in ipairs(core.modules "luatrain.") do
        local room = module:match "^luatrain%.([%w_]+)$"
        if room and room ~= "ops" and room ~= "host" and room ~= "init" and room ~= "core" then add(room) end
      end
      return
    end
    local meta = getmetatable(value)
    if type(meta) ~= "table" then return end
    local index = rawget(meta, "__index")
    value = type(index) == "table" and index or type(index) == "function" and meta or nil
  end
end

local function is_public(name, prefix)
  return type(name) == "string" and name:find "^[%a_][%w_]*$" ~= nil
    and (name:sub(1, 1) ~= "_" or prefix:sub(1, 1) == "_")
end

--- The public names of a module, sorted.
function complete.names(value)
  local list, add = collector ""
  each_name(value, function(name) if is_public(name, "") then add(name) end end)
  table.sort(list)
  return list
end

-- ---- names --------------------------------------------------------------------------------------

-- The parts of the path that ends before token i (exclusive): lt.nn. gives {"lt", "nn"}. nil where the
-- path begins with something that would have to be called.
local function path_before(tokens, i)
  local parts = {}
  while true do
    local token = tokens[i]
    if not token then return nil end
    if token.kind == "name" then
      table.insert(parts, 1, token.text)
    elseif token.text == "]" and tokens[i - 2] and tokens[i - 2].text == "["
      and (tokens[i - 1].kind == "number" or tokens[i - 1].kind == "string") then
      local inside = tokens[i - 1]
      table.insert(parts, 1, inside.kind == "number" and tonumber(inside.text) or inside.text:sub(2, -2))
      i = i - 3
      token = nil
    elseif token.kind == "string" and not token.open then
      return {string}
    elseif token.text == ")" and tokens[i - 1] and tokens[i - 1].kind == "string" then
      return {string}
    else
      return nil
    end
    if token then
      local before = tokens[i - 1]
      if not before or (before.text ~= "." and before.text ~= ":") then return parts end
      i = i - 2
    end
  end
end

local function resolve(parts)
  local value = parts[1]
  if type(value) == "string" then value = global(value) end
  for i = 2, #parts do
    if value == nil then return nil end
    value = field(value, parts[i])
  end
  return value
end

local function fields_of(tokens, last, prefix, only_functions)
  local parts = path_before(tokens, last)
  local value = parts and resolve(parts)
  local list, add = collector(prefix)
  if value == nil then return list end
  each_name(value, function(name, entry)
    if not is_public(name, prefix) then return end
    if only_functions and entry ~= nil and type(entry) ~= "function" then
      local meta = type(entry) == "table" and getmetatable(entry)
      if not (type(meta) == "table" and rawget(meta, "__call")) then return end
    end
    add(name)
  end)
  return list
end

local function globals(prefix)
  local list, add = collector(prefix)
  for name in pairs(_G) do
    if is_public(name, prefix) then add(name) end
  end
  for word in pairs(lexer.keywords) do add(word) end
  for _, name in ipairs {"lt", "help", "who"} do add(name) end
  return list
end

-- ---- strings ------------------------------------------------------------------------------------

--- Names of the modules that require finds: the library's, and Lua files below the folders of
-- package.path, whose names begin so.
local function modules(prefix)
  local list, add = collector(prefix)
  for _, name in ipairs(core.modules "luatrain") do add(name) end
  for name in pairs(package.loaded) do add(name) end
  local inside = prefix:match "^(.*)%.[^.]*$"
  for template in package.path:gmatch "[^;]+" do
    local folder = template:match "^(.*)/%?%.lua$"
    folder = folder and fs.join(folder, inside and inside:gsub("%.", "/") or "")
    if folder and fs.is_dir(folder) then
      for _, entry in ipairs(fs.list(folder)) do
        local stem = entry:match "^([%w_%-]+)%.lua$"
          or (entry:find "^[%w_%-]+$" and fs.is_file(fs.join(folder, entry, "init.lua")) and entry)
        if stem and stem ~= "init" then add((inside and inside .. "." or "") .. stem) end
      end
    end
  end
  return list
end

--- Files and folders whose path begins so; folders end with "/". "~/" is the home directory.
function complete.files(prefix)
  local folder, stem = prefix:match "^(.*/)([^/]*)$"
  stem = stem or prefix
  local place = folder or "."
  if place:sub(1, 2) == "~/" then place = (os.getenv "HOME" or "~") .. place:sub(2) end
  local list, add = collector(prefix)
  local ok, names = pcall(fs.list, place)
  for _, name in ipairs(ok and names or {}) do
    if name:sub(1, 1) ~= "." or stem:sub(1, 1) == "." then
      add((folder or "") .. name .. (fs.is_dir(fs.join(place, name)) and "/" or ""))
    end
  end
  return list
end

local tensor_names = {path = nil, list = nil}

-- Names of a safetensors file's tensors; those of the latest file are kept.
local function tensors_of(path)
  if tensor_names.path ~= path then
    local ok, info = pcall(function() return require("luatrain.safetensors").info(path) end)
    if not ok then return {} end
    tensor_names.path, tensor_names.list = path, {}
    for i, one in ipairs(info) do tensor_names.list[i] = one.name end
  end
  return tensor_names.list
end

-- The safetensors file that an earlier string of the same call names: load("x.safetensors", {"...
local function file_of_call(tokens, last)
  local depth = 0
  for i = last, 1, -1 do
    local token = tokens[i]
    depth = depth + lexer.depth(token)
    if token.kind == "string" and not token.open and token.text:find "%.safetensors[\"']$" then
      return token.text:sub(2, -2)
    elseif depth > 1 and token.text == "(" or token.kind == "keyword" then
      return nil
    end
  end
end

-- What the strings are that some functions take: name of the function -> names that begin with a prefix.
local STRINGS = {
  require = modules,
  recipe = function(prefix) return starting(prefix, (require("luatrain.recipe").list())) end,
  help = function(prefix) return starting(prefix, require("luatrain.doc").names()) end,
}

-- Inside a string that begins at token `last`.
local function in_string(tokens, last)
  local token, before = tokens[last], tokens[last - 1]
  local prefix = token.text:gsub("^[\"']", ""):gsub("^%[=*%[", "")
  local from = token.to - #prefix + 1
  local opener = before and before.text == "(" and tokens[last - 2] or before
  local names = opener and opener.kind == "name" and STRINGS[opener.text]
  local words = names and names(prefix) or {}
  if #words > 0 then return from, words end
  if before and before.text == "[" then
    local parts = path_before(tokens, last - 2)
    local list, add = collector(prefix)
    each_name(parts and resolve(parts), add)
    if #list > 0 then return from, list end
  end
  local file = file_of_call(tokens, last - 1)
  words = file and starting(prefix, tensors_of(file)) or {}
  if #words > 0 then return from, words end
  return from, complete.files(prefix)
end

-- ---- commands -----------------------------------------------------------------------------------

local function in_command(text)
  local commands = require "luatrain.repl.commands"
  local name, argument = text:match "^%s*:(%a*)%s+(.*)$"
  if not name then
    local prefix = text:match "^%s*:(%a*)$"
    local names = {}
    for i, command in ipairs(commands.list) do names[i] = command.name end
    return #text - #prefix + 1, starting(prefix, names)
  end
  local command = commands.find(name)
  local kind = command and command.argument
  local from = #text - #argument + 1
  if kind == "FILE" then return from, complete.files(argument) end
  if kind == "MODULE" then return from, starting(argument, core.sorted_keys(package.loaded)) end
  local names = kind == "[NAME]" and STRINGS.help(argument) or {}
  if #names > 0 then return from, names end
end

-- ---- all ----------------------------------------------------------------------------------------

local function in_code(text)
  local tokens = lexer.tokens(text)
  local last = tokens[#tokens]
  if not last then return nil end
  if last.open and last.kind == "string" then return in_string(tokens, #tokens) end
  if last.kind == "comment" then return nil end
  local prefix, i = "", #tokens + 1
  if (last.kind == "name" or last.kind == "keyword") and last.to == #text then
    prefix, i = last.text, #tokens
  end
  local before = tokens[i - 1]
  local from = #text - #prefix + 1
  if before and (before.text == "." or before.text == ":") then
    return from, fields_of(tokens, i - 2, prefix, before.text == ":")
  end
  return from, globals(prefix)
end

--- What may stand at the cursor. text: the input; at: bytes before the cursor. Returns the position
-- where the words begin, the words, sorted, and how to list them (file names without their folder); nil
-- where nothing is known.
function complete.at(text, at)
  local left = text:sub(1, at)
  local from, list
  if left:find "^%s*:%a*%f[%A]" and not left:find "^%s*::" then
    from, list = in_command(left)
  end
  if not from then
    from, list = in_code((left:gsub("^%s*:%a+%f[%s]", function(command) return (" "):rep(#command) end)))
  end
  if not list then return nil end
  table.sort(list)
  local labels = {}
  for i, word in ipairs(list) do
    labels[i] = (word:match "([^/]+/?)$" or word):gsub("%c", "?")  -- a name must not steer the terminal
  end
  return from, list, labels
end

return complete
