--- `luatrain data check FILE...` and `data validate PATH...`: look at data files before anybody trusts them.
-- `data list` and `data get NAME`: data sets from their makers.
local failure = require "luatrain.failure"

local data = {}

local function each(args, f)
  if #args == 0 then failure.raise("usage", "data: name a file; see luatrain data --help") end
  for _, path in ipairs(args) do f(path) end
  return 0
end

local commands = {}
local NAMES = { "list", "get", "check", "validate" }

function commands.check(args)
  return each(args, function(path)
    print(path)
    local ok, result = pcall(require("luatrain.data.hdf5_check").check, path)
    local output = ok and result or failure.of(result) and result.output or ""
    io.stdout:write(output)
    io.stdout:flush()
    if not ok then error(result, 0) end
    print(path .. ": whole")
  end)
end

function commands.validate(args)
  local bad = 0
  each(args, function(path)
    local validate, fs = require "luatrain.data.validate", require "luatrain.fs"
    local summary = validate.files(fs.is_dir(path) and path or { path })
    print(("%s: %s"):format(path, tostring(summary)))
    bad = bad + #summary.reports - summary.valid
    if #summary.reports == 0 then failure.raise("data", "%s: no sound or MIDI file lies in it", path) end
  end)
  if bad > 0 then
    failure.raise("data", "%s something wrong with them", bad == 1 and "1 file has" or bad .. " files have")
  end
  return 0
end

-- The catalogue and the folder that flags name, and the other words.
local function catalogue_of(args)
  local config, download = require "luatrain.config", require "luatrain.data.download"
  local fields = config.fields {
    out = config.string("datasets", "folder to download to"),
    catalogue = config.string("", "JSON file with other data sets"),
  }
  local values, words = config.parse(fields, args)
  values = config.resolve(fields, { values })
  return download, download.catalogue(values.catalogue ~= "" and values.catalogue or nil), values.out, words
end

function commands.list(args)
  local _, catalogue, _, words = catalogue_of(args)
  if #words > 0 then failure.raise("usage", "data list: unexpected argument '%s'", words[1]) end
  for _, entry in ipairs(catalogue) do
    print(("%-14s %s\n%14s licence: %s; `luatrain data get %s` %s"):format(entry.name, entry.title, "",
      entry.licence, entry.name, entry.files and "downloads it" or "tells how to fetch it by hand"))
  end
  return 0
end

function commands.get(args)
  local download, catalogue, folder, words = catalogue_of(args)
  if #words ~= 1 then
    failure.raise("usage", "data get: name one data set; `luatrain data list` lists them")
  end
  local entry = download.find(words[1], catalogue)
  print(download.about(entry))
  io.stdout:flush()
  download.get(entry, folder, function(format, ...) io.stderr:write(format:format(...), "\n") end)
  return 0
end

-- The bodies of the processes that `check` and `info` start.
commands["check-here"] = function(args)
  return each(args, function(path) require("luatrain.data.hdf5_check").here(path, true) end)
end
commands["structure-here"] = function(args)
  return each(args, function(path) require("luatrain.data.hdf5_check").here(path, false) end)
end

--- Runs the words behind `luatrain data`.
function data.main(args)
  local name = table.remove(args, 1)
  if not name then failure.raise("usage", "data: name a command: %s", table.concat(NAMES, ", ")) end
  if not commands[name] then
    failure.raise("usage", "data: no command '%s'%s", name, failure.suggest(name, NAMES))
  end
  return commands[name](args)
end

return data
