--- Data sets from their makers, through the program curl: broken-off downloads go on where they
-- stopped, checksums are compared, archives unpacked.
local core = require "luatrain.core"
local failure = require "luatrain.failure"
local fs = require "luatrain.fs"
local json = require "luatrain.json"
local process = require "luatrain.process"

local download = {}

-- Raises where an entry of a catalogue is not what it should be.
local function check_entry(entry, i, path)
  local function want(good, what)
    if not good then failure.raise("data", "%s: entry %d: %s", path, i, what) end
  end
  want(type(entry) == "table", "is no object")
  for _, field in ipairs { "name", "title", "licence", "page" } do
    want(type(entry[field]) == "string", "wants a text under " .. field)
  end
  want(entry.notes == nil or type(entry.notes) == "table", "notes is no list")
  want(entry.files == nil or type(entry.files) == "table", "files is no list")
  for _, file in ipairs(entry.files or {}) do
    want(type(file) == "table" and type(file.url) == "string", "a file wants a url")
    local name, sum = file.name, file.sha256
    want(type(name) == "string" and name:match "^%w[%w%.%-_]*$", "a file wants a name of letters and digits")
    want(type(sum) == "string" and sum:match "^%x+$" and #sum == 64, "a file wants its sha256")
  end
end

--- The data sets of a catalogue: a list of entries (see luatrain.data.catalogue).
-- @param path a JSON file of the same form; nil: the data sets luatrain knows
function download.catalogue(path)
  if not path then return require "luatrain.data.catalogue" end
  local list = json.load(path)
  if type(list) ~= "table" or #list == 0 then
    failure.raise("data", "%s: holds no list of data sets", path)
  end
  for i, entry in ipairs(list) do check_entry(entry, i, path) end
  return list
end

--- An entry of a catalogue by its name.
function download.find(name, catalogue)
  local names = {}
  for i, entry in ipairs(catalogue) do
    if entry.name == name then return entry end
    names[i] = entry.name
  end
  failure.raise("usage", "data: no data set is called '%s'%s; `luatrain data list` lists them", name,
    failure.suggest(name, names))
end

local function program(name, package)
  local path = process.which(name)
  if not path then
    failure.raise("io", "the program %s is not installed; on Debian: apt-get install %s", name,
      package or name)
  end
  return path
end

local function sha256(path)
  local result = process.run { program("sha256sum", "coreutils"), path }
  local sum = result.ok and result.output:match "^\\?(%x+)"
  return sum or core.fail_as("io", "%s: sha256sum failed: %s", path, result.output)
end

local function megabytes(bytes) return ("%.1f MB"):format(bytes / 1e6) end

-- Lets curl fetch a file, or the rest of it; says from time to time how much there is.
local function fetch(url, part, line)
  local log = part .. ".log"
  local handle = process.start({ program "curl", "--fail", "--location", "--silent", "--show-error",
    "--retry", "3", "--continue-at", "-", "--output", part, url }, { log = log })
  local said = core.C.lt_clock()
  while process.running(handle, 0.2) do
    if core.C.lt_clock() - said > 5 then
      local info = fs.stat(part)
      line("%s: %s so far", fs.stem(part), megabytes(info and info.bytes or 0))
      said = core.C.lt_clock()
    end
  end
  local words = fs.is_file(log) and fs.read(log):gsub("%s+$", ""):gsub("%s*\n%s*", "; ") or ""
  fs.remove(log)
  if handle.code ~= 0 then
    failure.raise("io", "%s: %s; what there is so far is kept, the same command goes on", url,
      words ~= "" and words or "curl ended with code " .. handle.code)
  end
end

-- The file of an entry in a folder, fetched where it is not there yet.
local function fetch_file(file, folder, line)
  local path = fs.join(folder, file.name)
  if fs.is_file(path) then
    line("%s is there", path)
    return path
  end
  local part = path .. ".part"
  local info = fs.stat(part)
  if info then line("%s: going on after %s", file.name, megabytes(info.bytes)) end
  if not (info and sha256(part) == file.sha256) then fetch(file.url, part, line) end
  local sum = sha256(part)
  if sum ~= file.sha256 then
    fs.remove(part)
    failure.raise("data", "%s: its SHA-256 is %s, wanted %s: damaged on the way, or another file; it was "
      .. "removed", file.url, sum, file.sha256)
  end
  fs.rename(part, path)
  line("%s: %s, checksum right", path, megabytes(fs.stat(path).bytes))
  return path
end

local function unpack_archive(path, folder)
  local name = fs.basename(path)
  local argv
  if name:match "%.zip$" then
    argv = { program "unzip", "-q", "-o", path, "-d", folder }
  elseif name:match "%.tar%.gz$" or name:match "%.tgz$" then
    argv = { program "tar", "-xzf", path, "-C", folder }
  else
    return
  end
  local result = process.run(argv)
  if not result.ok then
    failure.raise("io", "%s: cannot be unpacked: %s", path, result.output:match "^(.-)%s*$")
  end
end

--- What a person should know of an entry before getting it, in lines.
function download.about(entry)
  local lines = { entry.title, "licence: " .. entry.licence, "page: " .. entry.page }
  for _, note in ipairs(entry.notes or {}) do lines[#lines + 1] = note end
  return table.concat(lines, "\n")
end

--- Fetches the files of an entry into a folder and unpacks them there.
-- @param line called with a format and its values, to tell how it goes
-- @return true; false where it has to be fetched by hand (see its notes)
function download.get(entry, folder, line)
  if not entry.files or #entry.files == 0 then return false end
  fs.mkdir(folder)
  for _, file in ipairs(entry.files) do
    local path = fetch_file(file, folder, line)
    unpack_archive(path, folder)
    line("%s: unpacked into %s", file.name, folder)
  end
  return true
end

return download
