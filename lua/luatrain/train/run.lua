--- The run directory: everything of a run in one place.
--
--   config.json   the resolved settings          history.json   one list a metric, one entry an epoch
--   run.json      versions, machine, git state   checkpoints/   latest, best, epoch-NNNN .safetensors
--   log.txt       what was printed               report/        plots and a page with them
--   recipe.lua    the recipe as it was           damaged.json   samples that could not be read
--   events.out.tfevents.*                        for TensorBoard
local ffi = require "ffi"
local core = require "luatrain.core"
local failure = require "luatrain.failure"
local fs = require "luatrain.fs"
local json = require "luatrain.json"
local scope = require "luatrain.scope"
local checkpoint = require "luatrain.train.checkpoint"
local C = core.C

local run = {}

-- What `git` says about the folder, or nil without git or a checkout.
local function git_state(folder)
  local process = require "luatrain.process"
  if not process.which "git" then return nil end
  local function ask(...)
    local ok, result = pcall(process.run, {"git", "-C", folder, ...}, {timeout = 5})
    return ok and result.ok and (result.output:gsub("%s+$", "")) or nil
  end
  local commit = ask("rev-parse", "HEAD")
  if not commit then return nil end
  return {commit = commit, branch = ask("rev-parse", "--abbrev-ref", "HEAD"),
    changed = ask("status", "--porcelain", "--untracked-files=no") ~= ""}
end

--- Facts of the program and the machine: {version = ..., luajit = ..., threads = ...}.
function run.versions()
  local facts = {}
  for name, value in ffi.string(C.lt_build_info()):gmatch "([^=\n]+)=([^\n]*)" do facts[name] = value end
  return facts
end

--- A fresh name below `base`: base/YYYYMMDD-HHMMSS, with -2, -3 ... where that exists.
function run.fresh_path(base)
  local stamp = os.date "%Y%m%d-%H%M%S"
  local path, n = fs.join(base, stamp), 1
  while fs.exists(path) do
    n = n + 1
    path = ("%s-%d"):format(fs.join(base, stamp), n)
  end
  return path
end

--- The folder of a run's checkpoints: its setting checkpoint_dir, as its config.json remembers it.
function run.folder(path)
  local ok, config = pcall(json.load, fs.join(path, "config.json"))
  local name = ok and type(config) == "table" and config.checkpoint_dir
  return fs.join(path, type(name) == "string" and name ~= "" and name or "checkpoints")
end

--- The run below `base` with the newest checkpoint of one of the given names ("latest", "best"); nil
-- where there is none.
function run.newest(base, ...)
  if not fs.is_dir(base) then return nil end
  local best, best_time
  for _, entry in ipairs(fs.list(base)) do
    local path = fs.join(base, entry)
    for _, name in ipairs {...} do
      local info = fs.stat(fs.join(run.folder(path), name .. ".safetensors"))
      if info and info.kind == "file" and (not best or info.modified > best_time) then
        best, best_time = path, info.modified
      end
    end
  end
  return best
end

local Run = {}
Run.__index, Run.__name = Run, "run"

-- Locks that this process holds, by directory, until Run:close: it may open a run twice, one after the
-- other. (Not weak: a lock that the collector has forgotten but not yet let go of refuses its own process.)
local held = {}

-- Takes the directory's lock; returns it, or nil and the number of the process that has it (0 where
-- there are no locks).
local function take(path)
  if held[path] then return held[path] end
  local lock, holder = fs.lock(fs.join(path, ".lock"))
  held[path] = lock
  return lock, holder
end

local function refuse(path, holder)
  failure.raise("usage", "%s: %s is training in this directory; wait until it is done, or choose "
    .. "another with --run", path, holder > 0 and "process " .. holder or "another process")
end

--- An error where another process trains in this directory.
function run.refuse_busy(path)
  if not fs.is_dir(path) then return end
  if held[path] then return end
  local lock, holder = fs.lock(fs.join(path, ".lock"))
  if lock then lock.release() elseif holder ~= 0 then refuse(path, holder) end
end

--- Opens a run directory, making it where it is missing, and locks it until Run:close. options: recipe
-- (a loaded recipe), config (resolved), command (the command line, for the record), fresh = base: a
-- fresh directory below base instead of `path`.
function run.open(path, options)
  options = options or {}
  local lock, holder
  repeat
    if options.fresh then path = run.fresh_path(options.fresh) end
    fs.mkdir(path)
    lock, holder = take(path)
    local busy = not lock and holder ~= 0
    if busy and not options.fresh then refuse(path, holder) end
  until not busy
  local self = setmetatable({path = path, lock = lock}, Run)
  self.folder = self:file(options.config and options.config.checkpoint_dir or "checkpoints")
  self.logs = self:file(options.config and options.config.log_dir or "")
  fs.mkdir(self.folder)
  fs.mkdir(self.logs)
  fs.clean(path)
  fs.clean(self.folder)
  self:write_facts(options)
  return self
end

--- The last entry of a run directory's history: the number of epochs, and a list of {name, value}, where no
-- value is one that is no number. An error where history.json is damaged.
function run.latest(path)
  local file = fs.join(path, "history.json")
  local columns, epochs, metrics = fs.is_file(file) and json.load(file) or {}, 0, {}
  local function damaged() failure.raise("data", "%s: not a history: lists by name", file) end
  if type(columns) ~= "table" then damaged() end
  for name, column in pairs(columns) do
    if type(name) ~= "string" or type(column) ~= "table" then damaged() end
    epochs = math.max(epochs, #column)
  end
  for i, name in ipairs(core.sorted_keys(columns)) do
    local value = columns[name][epochs]
    metrics[i] = {name = name, value = type(value) == "number" and value or nil}
  end
  return epochs, metrics
end

--- What a run directory holds, in a few lines: epochs, the last metrics, checkpoints.
function run.summary(path)
  local ok, epochs, metrics = pcall(run.latest, path)
  if not ok then epochs, metrics = 0, {} end
  local kept, parts = {}, {}
  for _, one in ipairs(metrics) do
    if one.value then parts[#parts + 1] = ("%s %.4g"):format(one.name, one.value) end
  end
  for _, name in ipairs(fs.is_dir(run.folder(path)) and fs.list(run.folder(path)) or {}) do
    if fs.extension(name) == "safetensors" then kept[#kept + 1] = fs.stem(name) end
  end
  return ("run %s: %s%s%s\n  checkpoints: %s"):format(path, require("luatrain.show").plural(epochs, "epoch"),
    #parts > 0 and "; the last: " or "", table.concat(parts, ", "),
    #kept > 0 and table.concat(kept, ", ") or "none")
end

function Run:__tostring() return run.summary(self.path) end

--- Lets go of the directory; other processes may train in it.
function Run:close()
  if self.lock then self.lock.release() end
  self.lock, held[self.path] = nil, nil
end

--- A path inside the run directory.
function Run:file(...) return fs.join(self.path, ...) end

--- The path of a checkpoint by name: "latest", "best", "epoch-0005".
function Run:checkpoint(name) return fs.join(self.folder, name .. ".safetensors") end

function Run:write_facts(options)
  if options.config then json.save(self:file "config.json", options.config) end
  if options.recipe then fs.write(self:file "recipe.lua", options.recipe.text) end
  local folder = options.recipe and fs.dirname(options.recipe.path) or "."
  json.save(self:file "run.json", {
    recipe = options.recipe and options.recipe.name,
    recipe_path = options.recipe and options.recipe.path,
    command = options.command,
    started = os.date "!%Y-%m-%dT%H:%M:%SZ",
    program = run.versions(),
    git = git_state(folder),
  })
end

--- Writes history.json: {name = list}.
function Run:write_history(history) json.save(self:file "history.json", history) end

--- Writes damaged.json, a list of {part, id, text}.
function Run:write_damaged(list) json.save(self:file "damaged.json", json.array(list)) end

--- Removes checkpoints epoch-NNNN but the newest n; n = 0 keeps all.
function Run:prune(n)
  if n == 0 then return end
  local kept = {}
  for _, name in ipairs(fs.list(self.folder)) do
    if name:match "^epoch%-%d+%.safetensors$" then kept[#kept + 1] = name end
  end
  table.sort(kept)
  for i = 1, #kept - n do fs.remove(fs.join(self.folder, kept[i])) end
end

--- The newest whole checkpoint of the run that training can go on from: `latest`, or where that is
-- damaged the newest of the epochs' own. Returns its path (nil where the run has none at all), and a
-- list of sentences about those passed over. An error where all are damaged.
function run.intact(path)
  local folder = run.folder(path)
  local latest = fs.join(folder, "latest.safetensors")
  if not fs.is_file(latest) then return nil, {} end
  local names, problems = {}, {}
  for _, name in ipairs(fs.list(folder)) do
    if name:match "^epoch%-%d+%.safetensors$" then table.insert(names, 1, fs.join(folder, name)) end
  end
  table.insert(names, 1, latest)
  for _, name in ipairs(names) do
    local ok, e = pcall(scope.run, checkpoint.load, name)
    if ok then return name, problems end
    local kind = failure.kind(e)
    if kind ~= "data" and kind ~= "io" then error(e, 0) end
    problems[#problems + 1] = tostring(e)
  end
  failure.raise("data", "%s%s", problems[1], #names > 1 and
    ("; none of its %d checkpoints is whole"):format(#names) or "; there is no older checkpoint")
end

--- The checkpoint that a --resume or --checkpoint argument means: a file, a run directory (its
-- `name` checkpoint), or a name like "best" within `base_run`.
function run.find_checkpoint(text, name)
  if fs.is_file(text) then return text end
  local inside = fs.join(run.folder(text), name .. ".safetensors")
  if fs.is_file(inside) then return inside end
  failure.raise("data", "%s: neither a checkpoint nor a run directory with %s", text, inside)
end

--- The checkpoint to evaluate that `text` means: a file, or a run directory's best one, else its latest.
function run.best_checkpoint(text)
  local best = fs.is_file(fs.join(run.folder(text), "best.safetensors")) or not fs.is_dir(text)
  return run.find_checkpoint(text, best and "best" or "latest")
end

return run
