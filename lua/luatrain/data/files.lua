--- Data sets from files: a folder with one folder a class, a JSON manifest, a CSV table.
-- Nothing is read but names; samples carry the path, and a map function reads what it wants.
local bit = require "bit"
local core = require "luatrain.core"
local failure = require "luatrain.failure"
local fs = require "luatrain.fs"
local dataset = require "luatrain.data.dataset"

local files = {}

local function of_records(records, types)
  return dataset.new {
    count = #records,
    types = types,
    read = function(i)
      local sample = {}
      for key, value in pairs(records[i]) do sample[key] = value end
      return sample
    end,
    peek = function(i) return records[i] end,
    name = function(i) return records[i].id or records[i].path or ("sample " .. i) end,
  }
end

--- A data set from a list of samples (tables). A field `id` names a sample in messages.
function files.table(list)
  return of_records(list)
end

local audio = {"wav", "flac", "ogg", "oga", "aif", "aiff", "au", "mp3"}

local function matcher(extensions)
  local wanted = {}
  for _, extension in ipairs(extensions) do wanted[extension:lower()] = true end
  return function(name) return wanted[fs.extension(name)] and name:sub(1, 1) ~= "." end
end

-- Links to folders are not followed: they may lead back, and samples would come twice.
local function walk(directory, wanted, found)
  for _, name in ipairs(fs.list(directory)) do
    local path = fs.join(directory, name)
    local info = fs.stat(path)
    local is_folder = info and info.kind == "directory"
    if is_folder and not info.is_link and name:sub(1, 1) ~= "." then
      walk(path, wanted, found)
    elseif not is_folder and wanted(name) then
      found[#found + 1] = path
    end
  end
  return found
end

--- A folder with one folder a class. Samples: {path, class = name of the folder, label = its
-- position in byte order of the names, from 0 (i64 in batches)}. options.extensions: list, default
-- audio files. Returns the data set, whose field `classes` lists the names, and that list.
function files.folder(path, options)
  if not fs.is_dir(path) then failure.raise("data", "%s: no such folder", path) end
  local wanted = matcher(options and options.extensions or audio)
  local records, classes = {}, {}
  for _, name in ipairs(fs.list(path)) do
    local inner = fs.join(path, name)
    if name:sub(1, 1) ~= "." and fs.is_dir(inner) then
      local found = walk(inner, wanted, {})
      if #found > 0 then
        classes[#classes + 1] = name
        for _, file in ipairs(found) do
          records[#records + 1] = {path = file, id = file, class = name, label = #classes - 1}
        end
      end
    end
  end
  if #records == 0 then
    failure.raise("data", "%s: no folder in it holds a file of the kinds %s", path,
      table.concat(options and options.extensions or audio, " "))
  end
  local set = of_records(records, {label = "i64"})
  set.classes = classes
  return set, classes
end

-- Makes fields called path or *_path absolute from the manifest's folder.
local function resolve_paths(record, base)
  for key, value in pairs(record) do
    if type(value) == "string" and (key == "path" or key:sub(-5) == "_path") then
      record[key] = fs.join(base, value)
    end
  end
  return record
end

local function json_lines(text, path)
  local json = require "luatrain.json"
  local list, number = {}, 0
  for line in (text .. "\n"):gmatch "(.-)\r?\n" do
    number = number + 1
    if line:find "%S" then
      list[#list + 1] = failure.wrap("data", ("%s, line %d: "):format(path, number), json.decode, line)
    end
  end
  return list
end

local function read_text(path)
  if not fs.is_file(path) then failure.raise("data", "%s: no such file", path) end
  return fs.read(path)
end

--- A JSON manifest: a list of objects, an object with a list under "samples", or one object a
-- line (.jsonl). Fields `path` and `*_path` are taken from the manifest's folder.
function files.manifest(path)
  local text = read_text(path)
  local list
  if fs.extension(path) == "jsonl" then
    list = json_lines(text, path)
  else
    local json = require "luatrain.json"
    list = failure.wrap("data", path .. ": ", json.decode, text)
    if type(list) == "table" and type(list.samples) == "table" then list = list.samples end
  end
  if type(list) ~= "table" or (next(list) ~= nil and list[1] == nil) then
    failure.raise("data", "%s: holds no list of samples", path)
  end
  local base = fs.dirname(path)
  for i, record in ipairs(list) do
    if type(record) ~= "table" then
      failure.raise("data", "%s: sample %d is a %s, wanted an object", path, i, type(record))
    end
    resolve_paths(record, base)
  end
  return of_records(list)
end

-- Splits one CSV record that starts at `at` (RFC 4180): fields, and where the next one starts.
local function csv_record(text, at, separator, fail)
  local fields = {}
  while true do
    if text:sub(at, at) == '"' then
      local parts, from = {}, at + 1
      while true do
        local quote = text:find('"', from, true)
        if not quote then fail "a quoted field has no end" end
        parts[#parts + 1] = text:sub(from, quote - 1)
        if text:sub(quote + 1, quote + 1) ~= '"' then at = quote + 1 break end
        parts[#parts + 1] = '"'
        from = quote + 2
      end
      fields[#fields + 1] = table.concat(parts)
    else
      local stop = text:find("[" .. separator .. "\r\n]", at) or #text + 1
      fields[#fields + 1] = text:sub(at, stop - 1)
      at = stop
    end
    local c = text:sub(at, at)
    if c == separator then
      at = at + 1
    else
      if c == "\r" then at = at + 1 end
      if text:sub(at, at) == "\n" then at = at + 1
      elseif c ~= "\r" and c ~= "" then fail(("text after a quoted field: '%s'"):format(c)) end
      return fields, at
    end
  end
end

--- A CSV file whose first line names the fields. options.separator "," ; options.types: {label =
-- "i64", score = "f32"} makes these columns numbers. Fields `path` and `*_path` are taken from the
-- file's folder.
function files.csv(path, options)
  options = options or {}
  local text = read_text(path):gsub("^\239\187\191", "")
  local separator, types = options.separator or ",", options.types or {}
  local records, names, at = {}, nil, 1
  local line = 0
  local function fail(problem) failure.raise("data", "%s, record %d: %s", path, line, problem) end
  while at <= #text do
    line = line + 1
    local fields
    fields, at = csv_record(text, at, separator, fail)
    if not names then
      names = fields
    elseif #fields > 1 or fields[1] ~= "" then
      if #fields ~= #names then fail(("%d fields, the header names %d"):format(#fields, #names)) end
      local record = {}
      for k, name in ipairs(names) do
        record[name] = fields[k]
        if types[name] then
          record[name] = tonumber(fields[k])
            or fail(("'%s' is '%s', wanted a number"):format(name, fields[k]))
        end
      end
      records[#records + 1] = resolve_paths(record, fs.dirname(path))
    end
  end
  if not names then failure.raise("data", "%s: is empty", path) end
  for name in pairs(types) do
    local known = false
    for _, other in ipairs(names) do known = known or other == name end
    if not known then
      failure.raise("data", "%s: has no column '%s'%s", path, name, failure.suggest(name, names))
    end
  end
  return of_records(records, types)
end

--- A data set of n computed samples: get(i), i from 1, returns the table of fields.
function files.from(n, get)
  if type(n) ~= "number" or type(get) ~= "function" then
    core.fail("data.from: wants a number of samples and a function")
  end
  return dataset.new {count = n, read = get}
end

--- A number from 0 to 1 that depends on a name only: for splits that stay as they are when data are added
-- (`data.name_share(song) < 0.1`), and for orders that say nothing. FNV-1a, 32 bits.
function files.name_share(name)
  -- in pieces of 16 bits: products stay exact in doubles
  local high, low = 0x811c, 0x9dc5
  for i = 1, #name do
    low = bit.bxor(low, name:byte(i))
    local product = low * 0x193                                    -- the prime is 0x01000193
    high = (high * 0x193 + low * 0x100 + math.floor(product / 65536)) % 65536
    low = product % 65536
  end
  return (high * 65536 + low) / 2 ^ 32
end

return files
