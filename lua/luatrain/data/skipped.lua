--- What could not be used when a data set was made: told, listed in the folder's skipped.json, and an error
-- where it is more than a share of all.
--
--   local skipped = lt.data.skipped "data/real"
--   local ok, problem = pcall(render, song)
--   if not ok then skipped:add(song.path, problem) end
--   local ok, notes = skipped:try(song.path, read, song)        -- the same, but mistakes of the program
--   raise
--   skipped:finish(line, "118 songs", #songs, 0.1)
local core = require "luatrain.core"
local failure = require "luatrain.failure"
local fs = require "luatrain.fs"
local json = require "luatrain.json"

local Skipped = {}
Skipped.__index = Skipped

--- An empty list for the data set of a folder.
local function new(folder) return setmetatable({ folder = folder, list = {} }, Skipped) end

--- A file that could not be used, and why: a text, or what pcall returned.
function Skipped:add(path, problem)
  self.list[#self.list + 1] = { path = path, error = core.message(problem) }
end

-- Adds what went wrong where the data are wrong, else raises it again.
local function judge(self, path, ok, ...)
  if ok then return ok, ... end
  local problem = ...
  local kind = failure.kind(problem)
  if kind ~= "data" and kind ~= "io" then error(problem, 0) end
  self:add(path, problem)
  return false
end

--- Calls f(...) and returns true and its results; or, where something is wrong with the data or a file cannot
-- be read, adds that and returns false. Other errors are raised.
function Skipped:try(path, f, ...) return judge(self, path, pcall(f, ...)) end

--- Writes skipped.json and says what came of it all with line(format, ...); raises where more than the share
-- `most` of `total` could not be used.
-- @param text what the data set holds now
function Skipped:finish(line, text, total, most)
  local list, path = self.list, fs.join(self.folder, "skipped.json")
  json.save(path, json.array(list))
  line("%s: %s; %d skipped%s", self.folder, text, #list, #list > 0 and (" (listed in %s)"):format(path) or "")
  for i = 1, math.min(5, #list) do line("  skipped %s", list[i].error) end
  if #list > most * total then
    failure.raise("data", "%s: %d of %d are damaged, more than --max-skipped %g allows: %s", self.folder,
      #list, total, most, list[1].error)
  end
end

return new
