--- The reference as web pages: an index, a page for lt and its tensors, one for each module, one for the C
-- functions, one for the recipes. Each page holds all it needs; links lead from one to the other.
local fs = require "luatrain.fs"
local names = require "luatrain.doc.names"
local source = require "luatrain.doc.source"
local topics = require "luatrain.doc.topic"
local web = require "luatrain.report.web"

local html = {}

local function anchor(name) return (name:gsub("[^%w_]", "-")) end

local function link(href, text) return ('<a href="%s">%s</a>'):format(web.escape(href), web.escape(text)) end

-- What stands in `backquotes` is code.
local function prose(text)
  return "<p>" .. web.escape(text):gsub("`([^`]+)`", "<code>%1</code>") .. "</p>"
end

local function pre(lines) return "<pre>" .. web.escape(table.concat(lines, "\n")) .. "</pre>" end

local function blocks(parts, topic)
  for _, block in ipairs(topic.blocks) do
    parts[#parts + 1] = block.prose and prose(block.prose) or pre(block.code)
  end
  if #topic.parameters > 0 then parts[#parts + 1] = web.definitions(topic.parameters) end
  if topic.options then parts[#parts + 1] = prose("Options and their defaults: `" .. topic.options .. "`") end
  for _, text in ipairs(topic.returns) do parts[#parts + 1] = prose("Returns " .. text) end
  if topic.settings then parts[#parts + 1] = pre(topic.settings) end
  if #topic.examples > 0 then parts[#parts + 1] = pre(topic.examples) end
end

-- One name: its signature as a heading, where it stands, its text.
local function entry(parts, topic, level)
  parts[#parts + 1] = ('<section id="%s"><h%d><code>%s</code></h%d><p class="where">%s%s</p>'):format(
    anchor(topic.title), level, web.escape(table.concat(topic.signatures, "\n") ~= ""
      and table.concat(topic.signatures, "\n") or topic.title), level, web.escape(topic.kind),
    topic.where and " in " .. web.escape(topic.where) or "")
  blocks(parts, topic)
  parts[#parts + 1] = "</section>"
end

local STYLE = [[
pre{background:#f6f6f4;padding:.7em 1em;overflow-x:auto;font-size:.9em} code{font-size:.95em}
h3 code{white-space:pre-wrap} section{margin-top:2.2em} p{margin:.6em 0}
.where{color:#666;font-size:.85em;margin:.2em 0 .8em} .names{columns:16em;list-style:none;padding:0}]]

local function page(folder, file, title, parts)
  if file ~= "index.html" then table.insert(parts, 1, "<p>" .. link("index.html", "Reference") .. "</p>") end
  fs.write(fs.join(folder, file), web.page(title, parts, STYLE))
end

-- A list of the names of a page, each leading to its place.
local function contents(list)
  local parts = { '<ul class="names">' }
  for _, topic in ipairs(list) do
    parts[#parts + 1] = "<li>" .. link("#" .. anchor(topic.title), topic.title) .. "</li>"
  end
  parts[#parts + 1] = "</ul>"
  return table.concat(parts, "\n")
end

-- The topics of every page: file -> {title, head (topic of the module), topics}.
local function sorted_by_page()
  local pages, order, seen = {}, {}, {}
  local function page_of(record)
    local key = record.room
    if key == "" then
      key = (record.name:find "^Tensor" or record.key == "Tensor") and "Tensor" or "lt"
    end
    if not pages[key] then
      pages[key] = { file = key .. ".html", title = (key == "lt" or key == "Tensor") and key or "lt." .. key,
        topics = {} }
      order[#order + 1] = key
    end
    return pages[key]
  end
  for _, list in ipairs { names.all(), names.hidden() } do
    for _, record in ipairs(list) do
      local topic = topics.of(record)
      local its = page_of(record)
      if record.name == "lt.Tensor" then its.head = topic
      elseif topic.documented and record.name ~= its.title and not seen[record.name] then
        seen[record.name] = true
        its.topics[#its.topics + 1] = topic
      end
    end
  end
  for key, its in pairs(pages) do
    its.head = its.head or topics.of { name = its.title, key = key, kind = "module", value = {}, room = key,
      file = source.module_file(key == "lt" and "luatrain" or "luatrain." .. key) }
  end
  table.sort(order, function(a, b)
    if (a == "lt") ~= (b == "lt") then return a == "lt" end
    if (a == "Tensor") ~= (b == "Tensor") then return a == "Tensor" end
    return a < b
  end)
  return pages, order
end

local function module_page(folder, one)
  local parts = {}
  blocks(parts, one.head)
  table.sort(one.topics, function(a, b) return a.title < b.title end)
  parts[#parts + 1] = contents(one.topics)
  for _, topic in ipairs(one.topics) do entry(parts, topic, 3) end
  page(folder, one.file, one.title, parts)
  return #one.topics
end

local function c_page(folder)
  local parts, list, room = {}, {}, nil
  for _, one in ipairs(require("luatrain.doc.header").functions()) do
    if one.room ~= room then
      room = one.room
      parts[#parts + 1] = web.heading(room)
      if #one.opening > 0 then
        for _, block in ipairs(topics.read(one.opening).blocks) do
          parts[#parts + 1] = block.prose and prose(block.prose) or pre(block.code)
        end
      end
    end
    local topic = topics.of_c { name = one.name, prototype = one.prototype, doc = one.doc, opening = {},
      room = one.room }
    list[#list + 1] = topic
    entry(parts, topic, 3)
  end
  table.insert(parts, 1, contents(list))
  page(folder, "c.html", "The C interface: luatrain.h", parts)
  return #list
end

local function recipe_page(folder)
  local recipes, parts, count = require "luatrain.recipe", {}, 0
  local list, paths = recipes.list()
  for _, name in ipairs(list) do
    local ok, recipe = pcall(recipes.load, paths[name])
    if ok then
      local topic = topics.of_recipe(recipe)
      entry(parts, topic, 2)
      local rows = {}
      for i, one in ipairs(topic.members) do rows[i] = { one[1], one[2] } end
      parts[#parts + 1] = web.definitions(rows)
      count = count + 1
    end
  end
  page(folder, "recipes.html", "Recipes", parts)
  return count
end

local function index_page(folder, pages, order)
  local list = {}
  for _, key in ipairs(order) do
    local one = pages[key]
    local about = one.head.record
    local doc = about.entry and about.entry.doc or about.file.header
    list[#list + 1] = ("<dt>%s</dt><dd>%s</dd>"):format(link(one.file, one.title),
      web.escape(topics.about(doc)))
  end
  page(folder, "index.html", "luatrain: reference", {
    web.paragraph("Made by luatrain help --html of the comments in the sources. In the REPL: help(x), in a "
      .. "shell: luatrain help NAME."),
    "<dl>" .. table.concat(list, "\n"),
    "<dt>" .. link("c.html", "luatrain.h") .. "</dt><dd>The C interface.</dd>",
    "<dt>" .. link("recipes.html", "Recipes") .. "</dt><dd>What can be trained, with every setting.</dd>",
    "</dl>",
  })
end

--- Writes the pages into a folder, which is made where it is missing. Returns how many names and pages.
function html.write(folder)
  fs.mkdir(folder)
  local pages, order = sorted_by_page()
  local count = 0
  for _, key in ipairs(order) do count = count + module_page(folder, pages[key]) end
  count = count + c_page(folder) + recipe_page(folder)
  index_page(folder, pages, order)
  return count, #order + 3
end

return html
