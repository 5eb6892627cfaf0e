--- What there is to say of one public name, put together from its comment and its declaration.
--
-- A topic is {title, kind, signatures = texts, where = "luatrain/x.lua:12", blocks = list of
-- {prose = text} or {code = lines}, parameters = {{name, text}}, options = text, returns = texts,
-- examples = lines, members = {{name, sentence}}, see = names}.
local names = require "luatrain.doc.names"
local source = require "luatrain.doc.source"

local topic = {}

-- ---- comments -----------------------------------------------------------------------------------

local function ended(parts)
  if parts.prose then parts.blocks[#parts.blocks + 1] = { prose = parts.prose } end
  if parts.code then
    while parts.code[#parts.code] == "" do parts.code[#parts.code] = nil end
    parts.blocks[#parts.blocks + 1] = { code = parts.code }
  end
  parts.prose, parts.code = nil, nil
end

local tags = {}

function tags.param(parts, text)
  local name, rest = text:match "^(%S+)%s*(.*)$"
  local one = { name or "", rest or "" }
  table.insert(parts.parameters, one)
  return function(more) one[2] = one[2] .. " " .. more end
end

tags["return"] = function(parts, text)
  local at = #parts.returns + 1
  parts.returns[at] = text
  return function(more) parts.returns[at] = parts.returns[at] .. " " .. more end
end

function tags.usage(parts, text)
  if text ~= "" then table.insert(parts.examples, text) end
  return function(_, line) table.insert(parts.examples, (line:gsub("^  ", ""))) end
end

-- "… Example: code": the code is an example.
local function split_example(parts, line)
  local before, code = line:match "^(.-)%s*Example:%s*(.+)$"
  if not code then return line end
  table.insert(parts.examples, code)
  return before
end

--- Sorts the lines of a comment into prose, indented text, parameters, results and examples.
function topic.read(lines)
  local parts = { blocks = {}, parameters = {}, returns = {}, examples = {} }
  local continue
  for _, line in ipairs(lines or {}) do
    local tag, text = line:match "^@(%a+)%s*(.*)$"
    if tag and tags[tag] then
      ended(parts)
      continue = tags[tag](parts, text)
    elseif continue and line:find "^%s+%S" then
      continue(line:match "^%s*(.-)$", line)
    elseif line == "" then
      continue = nil
      if parts.code then parts.code[#parts.code + 1] = "" else ended(parts) end
    elseif line:find "^%s%s" then
      continue = nil
      if not parts.code then ended(parts) end
      parts.code = parts.code or {}
      parts.code[#parts.code + 1] = line
    else
      continue = nil
      if parts.code then ended(parts) end
      line = split_example(parts, line)
      if line ~= "" then parts.prose = parts.prose and parts.prose .. " " .. line or line end
    end
  end
  ended(parts)
  return parts
end

local LONGEST = 110  -- characters of a sentence in a list of names

--- The first sentence of a comment, cut where it is long.
function topic.sentence(lines)
  local text = {}
  for _, line in ipairs(lines or {}) do
    if line == "" or line:find "^@" or line:find "^%s%s" then break end
    text[#text + 1] = line
  end
  local whole = table.concat(text, " ")
  if whole == "" and lines then
    for _, line in ipairs(lines) do whole = line:match "^@return%s+(.+)$" or whole end
    if whole ~= "" then whole = "Gives " .. whole end
  end
  local first = whole:match "^(.-[%l%d%)%]'\"]%.)%s" or whole
  if #first <= LONGEST then return first end
  local short = first:match "^(.-[^%d])[:;]%s"
  local closed = short and not short:gsub("%b()", ""):find "[()]"
  if closed and #short >= 20 and #short <= LONGEST then return short .. "." end
  return first:sub(1, LONGEST):gsub("%s+%S*$", "") .. " ..."
end

--- The first sentence of a module's comment without the module's name: "Where the time goes."
function topic.about(lines)
  local text = topic.sentence(lines):gsub("^l[%w_%.]+:%s*", "")
  return text:find "^%l+[%s:,]" and text:sub(1, 1):upper() .. text:sub(2) or text
end

-- ---- signatures ---------------------------------------------------------------------------------

-- The names of a function's parameters as the virtual machine knows them.
local function compiled_parameters(f)
  local info, list = debug.getinfo(f, "u"), {}
  for i = 1, info.nparams do list[i] = debug.getlocal(f, i) or ("a" .. i) end
  if list[1] == "a1" then list = #list == 1 and { "x" } or #list == 2 and { "a", "b" } or list end
  if info.isvararg then list[#list + 1] = "..." end
  return table.concat(list, ", ")
end

local function parameters_of(record)
  local entry = record.entry
  if entry and entry.params and not entry.shares then return entry.params end
  if type(record.value) == "function" then return compiled_parameters(record.value) end
  return entry and entry.params or ""
end

local function without_first(params) return (params:gsub("^[^,]*,?%s*", "", 1)) end

local function class_signature(record)
  for _, name in ipairs { "init", "new" } do
    local f = record.value and record.value[name]
    if type(f) == "function" then
      local _, entry, exact = names.definition(f)
      local params = exact and entry.params or without_first(compiled_parameters(f))
      if exact and not entry.method then params = without_first(params) end
      return record.name .. "(" .. params .. ")"
    end
  end
end

local function signatures(record)
  if record.kind == "class" then
    return { rawget(record.value or {}, "class_name") and class_signature(record) or nil }
  elseif record.kind == "function" then
    return { ("%s(%s)"):format(record.name, parameters_of(record)) }
  elseif record.kind ~= "method" then
    return {}
  end
  local params = parameters_of(record)
  local has_self = record.entry and record.entry.method
  local own = has_self and params or without_first(params)
  local first = params:match "^[%w_]+"
  local object = record.name:match "^(.-):" or "object"
  if not has_self and (first == nil or first == "_") then first = "self" end
  local list = { ("%s:%s(%s)"):format(object, record.key, own) }
  if object == "Tensor" then
    list = { ("x:%s(%s)"):format(record.key, own) }
    if rawget(require "luatrain", record.key) then
      list[2] = ("lt.%s(%s%s)"):format(record.key, has_self and "x" or first or "x",
        own ~= "" and ", " .. own or "")
    end
  end
  return list
end

-- ---- options ------------------------------------------------------------------------------------

-- The names and defaults that a function gives to options.read, from its text.
local function options_of(record)
  local file, entry = record.file, record.entry
  if record.kind == "class" and record.value and type(record.value.init) == "function" then
    file, entry = names.definition(record.value.init)
  end
  if not (file and entry) then return nil end
  local body = table.concat(file.lines, "\n", entry.line, entry.last)
  local defaults = body:match "options%.read%b()"
  local list = defaults and defaults:match "(%b{})%s*%)$"
  if not list then return nil end
  list = list:sub(2, -2):gsub("%s+", " "):gsub("options%.none", "nil"):gsub("^%s+", ""):gsub("[,%s]+$", "")
  return list ~= "" and list or nil
end

-- ---- examples -----------------------------------------------------------------------------------

local example_lines

-- Every line of code in the comments of the library.
local function all_examples()
  if example_lines then return example_lines end
  example_lines = {}
  local function gather(lines)
    local parts = topic.read(lines)
    for _, block in ipairs(parts.blocks) do
      for _, line in ipairs(block.code or {}) do
        if line:find "%(.*%)" or line:find "%b{}" or line:find '%a "' then
          example_lines[#example_lines + 1] = line
        end
      end
    end
    for _, line in ipairs(parts.examples) do example_lines[#example_lines + 1] = line end
  end
  for _, name in ipairs(source.files()) do
    local file = source.file(name)
    gather(file.header)
    for _, entry in ipairs(file.entries) do if entry.doc and not entry.shares then gather(entry.doc) end end
  end
  return example_lines
end

-- Whether a line is code by itself: not a part of what runs over several lines.
local function is_whole(line)
  return loadstring("return " .. line) ~= nil or loadstring(line) ~= nil
end

-- An example of the list in luatrain.doc.examples, or lines elsewhere in the comments that use the name.
local function found_examples(record)
  local known = require "luatrain.doc.examples"
  local own = known[record.name] or known[record.name:gsub("^Tensor:", "lt.")]
  if own then return { own } end
  local list = {}
  local whole, last = record.name:gsub("^Tensor:", "lt."), record.key
  local short = whole:match "^lt%.(.+)$"
  for _, line in ipairs(all_examples()) do
    local at, stop = line:find(whole, 1, true)
    if not at and short and short:find(".", 1, true) then at, stop = line:find(short, 1, true) end
    if not at and record.kind == "method" then at, stop = line:find(":" .. last, 1, true) end
    local before, after = at and line:sub(at - 1, at - 1), at and line:sub(stop + 1, stop + 2)
    local apart = at and (at == 1 or not before:find "[%w_]" or line:sub(at, at) == ":")
    if apart and after:find "^%s?[%({\"]" and is_whole(line) then
      list[#list + 1] = (line:gsub("^%s+", ""):gsub("^%-%-%s*", ""))
      if #list == 2 then break end
    end
  end
  return list
end

local function is_code(lines)
  for _, line in ipairs(lines) do
    if line:find "[%w_]+%s*%b()" or line:find "^%s*local " or line:find "[%w_]+%s*=%s" then return true end
  end
  return false
end

local function has_example(parts, key)
  if #parts.examples > 0 then return true end
  for _, block in ipairs(parts.blocks) do
    if block.code and is_code(block.code) then
      for _, line in ipairs(block.code) do if line:find(key, 1, true) then return true end end
    end
    if block.prose and block.prose:find("[%.:]" .. key .. "%s?[%({\"]") then return true end
  end
  return false
end

-- ---- topics -------------------------------------------------------------------------------------

-- Names and first sentences of the members of a module or class.
local function members_of(record)
  local list = {}
  local records
  if record.kind == "module" then
    records = names.members(record.value, record.name, record.room)
  elseif record.kind == "class" and type(record.value) == "table" then
    records = names.own_methods(record.value, record)
  end
  for _, one in ipairs(records or {}) do
    local doc = one.entry and one.entry.doc or one.kind == "module" and one.file and one.file.header
    list[#list + 1] = { one.key, topic.sentence(doc), one }
  end
  return list
end

--- The topic of a record of luatrain.doc.names.
function topic.of(record)
  local module = record.kind == "module"
  local doc = module and record.file and record.file.header or record.entry and record.entry.doc
  local parts = topic.read(doc)
  local self = {
    title = record.name, kind = record.kind, blocks = parts.blocks, parameters = parts.parameters,
    returns = parts.returns, examples = parts.examples, documented = doc ~= nil and #doc > 0,
    signatures = signatures(record), options = not module and options_of(record) or nil,
    members = members_of(record), record = record,
  }
  if record.file then
    self.where = record.file.name .. (record.entry and ":" .. record.entry.line or "")
  end
  if not module and not has_example(parts, record.key) then self.examples = found_examples(record) end
  return self
end

--- The topic of a C function of luatrain.doc.header.
function topic.of_c(one)
  local parts = topic.read(one.doc)
  if #one.opening > 0 then
    for _, block in ipairs(topic.read(one.opening).blocks) do table.insert(parts.blocks, block) end
  end
  return { title = one.name, kind = "C function", signatures = { one.prototype }, blocks = parts.blocks,
    parameters = {}, returns = {}, examples = {}, members = {}, documented = #parts.blocks > 0,
    where = "luatrain.h: " .. one.room }
end

--- The topic of a recipe (luatrain.recipe): its comment, commands and settings.
function topic.of_recipe(recipe)
  local blocks = {}
  if recipe.source.summary then blocks[1] = { prose = recipe.source.summary } end
  for _, block in ipairs(topic.read(require("luatrain.doc.source").parse(recipe.text, true).header).blocks) do
    blocks[#blocks + 1] = block
  end
  local commands = require("luatrain.cli.run").commands_of(recipe)
  local members = {}
  for _, one in ipairs(commands) do members[#members + 1] = { one.name, one.help } end
  local lines = {}
  for line in (require("luatrain.config").help(recipe.fields) .. "\n"):gmatch "(.-)\n" do
    lines[#lines + 1] = line
  end
  return { title = recipe.name, kind = "recipe", signatures = {}, blocks = blocks, parameters = {},
    returns = {}, members = members, settings = lines, documented = true, where = recipe.path,
    examples = { ("luatrain run %s train --help"):format(recipe.name),
      ('r = lt.recipe "%s"; m = r.model(r.config)'):format(recipe.name) } }
end

--- The topic of a function of the user's own, from the file it was loaded from; nil where that is gone.
function topic.of_function(f)
  local info = debug.getinfo(f, "S")
  local path = info.source:match "^@(.+)$"
  local file = path and io.open(path, "rb")
  local entry
  if file then
    entry = source.at(source.parse(file:read "*a", true), info.linedefined)
    file:close()
    if entry and entry.line ~= info.linedefined then entry = nil end
  end
  local record = { name = entry and entry.name or "function", key = entry and entry.name or "function",
    value = f, kind = "function", entry = entry }
  local parts = topic.read(entry and entry.doc)
  return { title = record.name, kind = "function", signatures = signatures(record), blocks = parts.blocks,
    parameters = parts.parameters, returns = parts.returns, examples = parts.examples, members = {},
    documented = #parts.blocks > 0, where = info.short_src .. ":" .. info.linedefined }
end

return topic
