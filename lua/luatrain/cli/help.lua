--- `luatrain help [COMMAND | NAME]` and `luatrain help --html FOLDER`.
local commands = require "luatrain.cli.commands"
local failure = require "luatrain.failure"

local help = {}

local function write_pages(args)
  local folder = args[2]
  if not folder or folder:find "^%-" then
    failure.raise("usage", "help --html: name the folder to write to")
  elseif args[3] then
    failure.raise("usage", "help --html: unexpected argument '%s'", args[3])
  end
  local count, pages = require("luatrain.doc").html(folder)
  print(("%s: %d pages, %d names; open %s/index.html"):format(folder, pages, count, folder))
  return 0
end

-- Whether a word may be a misspelt command rather than a name of the library.
local function raise_unknown(name, e)
  local near = failure.suggest(name, commands.names())
  if near ~= "" and not name:find "[%.:]" then failure.raise("usage", "no command '%s'%s", name, near) end
  error(e, 0)
end

--- Runs the words behind `luatrain help`.
function help.main(args)
  local name = args[1]
  if name == "--html" then return write_pages(args) end
  if args[2] then failure.raise("usage", "help: unexpected argument '%s'", args[2]) end
  if not name then
    print(commands.overview())
  elseif name == "--help" or name == "-h" then
    print(commands.help "help")
  elseif commands.find(name) then
    print(commands.help(name))
  else
    local doc, terminal = require "luatrain.doc", require "luatrain.terminal"
    local ok, text = pcall(doc.text, name, { width = terminal.columns(), colour = terminal.colour() })
    if not ok then raise_unknown(name, text) end
    print(text)
  end
  return 0
end

return help
