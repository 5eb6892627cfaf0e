--- Topics as text for a terminal: wrapped to its width, with bold titles where it has them.
local texts = require "luatrain.text"
local columns = texts.width

local page = {}

-- Lines of a text; each begins with `indent`.
local function wrap(text, width, indent)
  local lines = texts.wrap(text, width - #indent)
  for i, line in ipairs(lines) do lines[i] = indent .. line end
  return lines
end

local function append(lines, more)
  for _, line in ipairs(more) do lines[#lines + 1] = line end
end

-- "name  what it is" in two columns; names that are too long stand on lines of their own.
local function pairs_of(lines, list, width, bold)
  local most = 0
  for _, one in ipairs(list) do
    if columns(one[1]) <= 24 then most = math.max(most, columns(one[1])) end
  end
  local left = 2 + most + 2
  if width - left < 24 then left = 6 end
  for _, one in ipairs(list) do
    local name, text = one[1], one[2] or ""
    local body = wrap(text, width, (" "):rep(left))
    local head = "  " .. bold(name)
    if columns(name) + 4 <= left and #body > 0 then
      lines[#lines + 1] = head .. body[1]:sub(3 + columns(name))
      table.remove(body, 1)
    else
      lines[#lines + 1] = head
    end
    if text ~= "" then append(lines, body) end
  end
  for i, line in ipairs(lines) do lines[i] = line:gsub("%s+$", "") end
end

-- Code and tables keep their lines; those that do not fit go on below.
local function verbatim(lines, code, indent)
  for _, line in ipairs(code) do lines[#lines + 1] = line == "" and "" or indent .. line end
end

local function header(topic, lines, width, bold)
  local titles = #topic.signatures > 0 and topic.signatures or { topic.title }
  for _, text in ipairs(titles) do
    if topic.kind == "C function" then
      verbatim(lines, { bold(text) }, "")
    else
      for i, line in ipairs(wrap(text, width, "    ")) do
        lines[#lines + 1] = bold(i == 1 and line:sub(5) or line)
      end
    end
  end
  lines[#lines + 1] = ("%s%s"):format(topic.kind, topic.where and " in " .. topic.where or "")
  lines[#lines + 1] = ""
end

local function body(topic, lines, width)
  for _, block in ipairs(topic.blocks) do
    if block.prose then append(lines, wrap(block.prose, width, "  "))
    else verbatim(lines, block.code, "  ") end
    lines[#lines + 1] = ""
  end
  if not topic.documented then
    lines[#lines + 1] = "  No comment stands above it."
    lines[#lines + 1] = ""
  end
end

local function section(lines, title, fill)
  lines[#lines + 1] = title
  fill()
  lines[#lines + 1] = ""
end

local MOST_MEMBERS = 100  -- with a sentence each

-- The names that a topic has in it, with what they are; of many the names alone, in columns.
local function members(lines, topic, width, bold)
  local list, wordless = {}, true
  for i, one in ipairs(topic.members) do
    list[i], wordless = one[1], wordless and one[2] == ""
  end
  if #list <= MOST_MEMBERS and not wordless then return pairs_of(lines, topic.members, width, bold) end
  lines[#lines + 1] = "  " .. texts.table(list, width - 2):gsub("\n", "\n  ")
  if wordless then return end
  local mark = topic.kind == "class" and ":" or "."
  lines[#lines + 1] = ('  help "%s%sNAME" explains one'):format(topic.title, mark)
end

--- The text of a topic. options: width (default 80), colour (bold titles).
function page.text(topic, options)
  local width = math.max(30, math.min(options and options.width or 80, 100))
  local function bold(text) return options and options.colour and "\27[1m" .. text .. "\27[0m" or text end
  local lines = {}
  header(topic, lines, width, bold)
  body(topic, lines, width)
  if #topic.parameters > 0 then
    section(lines, "arguments:", function() pairs_of(lines, topic.parameters, width, bold) end)
  end
  if topic.options then
    section(lines, "options and their defaults:", function()
      append(lines, wrap(topic.options, width, "  "))
    end)
  end
  if #topic.returns > 0 then
    section(lines, "returns:", function()
      for _, text in ipairs(topic.returns) do append(lines, wrap(text, width, "  ")) end
    end)
  end
  if topic.settings then
    section(lines, "settings:", function() append(lines, topic.settings) end)
  end
  if #topic.members > 0 then
    local title = topic.kind == "class" and "methods:" or topic.kind == "recipe" and "commands:" or "names:"
    section(lines, title, function() members(lines, topic, width, bold) end)
  end
  if #topic.examples > 0 then
    section(lines, #topic.examples == 1 and "example:" or "examples:", function()
      verbatim(lines, topic.examples, "  ")
    end)
  end
  while lines[#lines] == "" do lines[#lines] = nil end
  return table.concat(lines, "\n")
end

return page
