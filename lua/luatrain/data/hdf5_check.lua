--- `luatrain data check FILE`: reads all of an HDF5 file in a process of its own, where a crash of
-- HDF5's library on a damaged file hurts nobody.
local ffi = require "ffi"
local core = require "luatrain.core"
local failure = require "luatrain.failure"
local fs = require "luatrain.fs"
local process = require "luatrain.process"
local hdf5 = require "luatrain.data.hdf5"
local scope = require "luatrain.scope"

local hdf5_check = {}

local MAX_OBJECTS, MAX_DEPTH, BLOCK = 100000, 32, 2 ^ 24

local function text_of(e) return core.message(e):gsub("%s*\n%s*", " ") end

-- Reads every row; returns what failed first and how many blocks failed.
local function read_all(set)
  local rows, bytes = set.shape[1], 8
  for d = 2, #set.shape do bytes = bytes * math.max(1, set.shape[d]) end
  local step = math.max(1, math.floor(BLOCK / bytes))
  if set.kind == "strings" then step = 4096 end
  if set.chunk then step = math.max(1, math.floor(step / set.chunk[1])) * set.chunk[1] end
  local first_error, failed = nil, 0
  for first = 1, rows, step do
    local count = math.min(step, rows - first + 1)
    local ok, e
    if set.kind == "strings" then ok, e = pcall(set.file.strings, set.file, set.name, first, count)
    else ok, e = pcall(scope.run, function() set:read(first, count) end) end
    if not ok then
      first_error, failed = first_error or text_of(e), failed + 1
      if failed == 1000 then break end
    end
  end
  return first_error, failed
end

local function describe(set)
  local text = ("%-5s (%s)"):format(set.dtype or set.kind, table.concat(set.shape, ", "))
  if set.chunk then text = text .. " in chunks of (" .. table.concat(set.chunk, ", ") .. ")" end
  return set.filters ~= "" and text .. ", " .. set.filters or text
end

-- What there is to say about a data set, and what is wrong with it.
local function check_set(file, name, content)
  local ok, set = pcall(file.dataset, file, name)
  if not ok then return "damaged", text_of(set) end
  if set.problem then
    -- A type that tensors do not have is no damage.
    local harmless = set.problem:find("^it holds") or set.problem == "it is empty"
    return describe(set) .. ": not readable here: " .. set.problem,
      not harmless and ("%s: data set '%s': %s"):format(file.path, name, set.problem) or nil
  end
  if not content or (set.kind == "strings" and #set.shape ~= 1) then return describe(set) end
  local e, failed = read_all(set)
  return describe(set) .. (e and (": DAMAGED in %d places"):format(failed) or ": whole"), e
end

--- Looks at everything in the file, in this process. say(line) gets a line for each object; content:
-- read the data too. Returns the list of what is wrong.
function hdf5_check.inspect(path, content, say)
  local file = hdf5.open(path)
  local problems, objects = {}, 0
  local function attributes(name)
    local ok, e = pcall(file.attributes, file, name)
    if not ok then problems[#problems + 1] = text_of(e) end
  end
  local function walk(group, depth)
    local ok, names = pcall(file.keys, file, group)
    if not ok then
      problems[#problems + 1] = text_of(names)
      return
    end
    attributes(group)
    for _, name in ipairs(names) do
      local full = group == "/" and name or group .. "/" .. name
      objects = objects + 1
      local fine, kind = pcall(file.has, file, full)
      if not fine then
        problems[#problems + 1] = text_of(kind)
      elseif kind == "link" then
        problems[#problems + 1] = ("%s: '%s' is a link to another file"):format(path, full)
        say(("  %-40s a link to another file"):format(full))
      elseif kind == "group" and depth < MAX_DEPTH and objects < MAX_OBJECTS then
        walk(full, depth + 1)
      elseif kind == "dataset" and objects < MAX_OBJECTS then
        local line, problem = check_set(file, full, content)
        say(("  %-40s %s"):format(full, line))
        if problem then problems[#problems + 1] = problem end
        attributes(full)
      elseif kind ~= "type" then
        problems[#problems + 1] = ("%s: '%s' leads nowhere, or too deep"):format(path, full)
      end
    end
  end
  walk("/", 1)
  file:close()
  return problems
end

--- The body of the disposable process.
function hdf5_check.here(path, content)
  local problems = hdf5_check.inspect(path, content, print)
  for i = 2, #problems do print("  wrong: " .. problems[i]) end
  if #problems > 0 then
    local more = #problems > 1 and (" (and %d more)"):format(#problems - 1) or ""
    failure.raise("data", "%s%s", problems[1], more)
  end
end

--- Checks a file in a process of its own: its structure, and every chunk of every data set.
-- Raises (exit code 4) where something is damaged, leads outside the file or cannot be decoded, or where
-- HDF5's library crashes or hangs.
-- @param path    the file
-- @param options structure = true: leave the data unread; timeout: seconds (default: a minute, and a
--   second for each 20 MB)
-- @return what the file holds, as lines of text
function hdf5_check.check(path, options)
  options = options or {}
  local info = fs.stat(path)
  if not info or info.kind ~= "file" then
    failure.raise("io", "cannot open %s: there is no such file", path)
  end
  local result = process.run({ffi.string(core.C.lt_program_path()), "data",
    options.structure and "structure-here" or "check-here", path},
    {timeout = options.timeout or 60 + info.bytes / 2e7})
  local output = result.output or ""
  if result.ok then return output end
  if result.state == "timeout" then
    failure.raise("data", "%s: HDF5's library does not come to an end with it: damaged", path)
  elseif result.state == "killed" then
    failure.raise("data", "%s: HDF5's library crashes on it (signal %d): damaged", path, result.code)
  end
  -- Standard output and error come together, in whatever order they were flushed.
  local lines, last = ("\n" .. output):gsub("\nluatrain: [^\n]*", ""):gsub("^\n", ""),
    ("\n" .. output):match "\nluatrain: ([^\n]*)"
  if not last then failure.raise("data", "%s: HDF5's library crashes on it: damaged", path) end
  local kinds = {[4] = "data", [5] = "io", [6] = "device"}
  local e = failure.new(kinds[result.code] or "run", last)
  e.output = lines
  error(e, 0)
end

return hdf5_check
