--- Making one batch, in this process or in a worker thread, with the same result.
--
-- A sample's random numbers depend on (seed, epoch, index): both generators are seeded before each
-- sample. One thread computes, because a kernel's last bits may depend on how many there are.
local ffi = require "ffi"
local buffer = require "string.buffer"
local core = require "luatrain.core"
local failure = require "luatrain.failure"
local C, check = core.C, core.check

local worker = {}

-- Whether an error says that a sample is damaged: only what its file or the system said does. A mistake
-- in the code that reads it would meet every sample, and must be seen.
local function is_damage(e)
  local kind = failure.kind(e)
  return kind == "data" or kind == "io"
end

-- The batch in one go; nil where one is damaged: sample by sample it will be seen which.
local function whole_batch(set, job)
  local ok, batch = pcall(set.bulk, job.indices)
  if not ok then
    if is_damage(batch) then return nil end
    error(batch, 0)
  end
  batch.ids, batch.size = {}, #job.indices
  for k, index in ipairs(job.indices) do batch.ids[k] = set:id(index) end
  return batch
end

--- Reads the samples of a job {epoch, seed, indices = positions from 1} and collates them.
-- Returns the batch and the list of damaged samples {index, id, text}. stop() may end it early.
function worker.make(set, job, stop)
  local scope = require "luatrain.scope"
  local random = require "luatrain.random"
  local collate = require "luatrain.data.collate"
  return scope.run(function()
    local batch = set.bulk and whole_batch(set, job)
    if batch then return batch, {} end
    if set.prime then pcall(set.prime, job.indices) end
    local samples, ids, damaged = {}, {}, {}
    for _, index in ipairs(job.indices) do
      if stop and stop() then break end
      local seed = C.lt_loader_seed(job.seed, job.epoch, index)
      math.randomseed(seed)
      random.manual_seed(seed)
      local ok, sample = pcall(set.get, set, index)
      if ok then
        samples[#samples + 1], ids[#ids + 1] = sample, set:id(index)
      elseif is_damage(sample) then
        damaged[#damaged + 1] = {index = index, id = set:id(index), text = tostring(sample)}
      else
        failure.raise(failure.kind(sample) or "run", "reading %s: %s", set:id(index), tostring(sample))
      end
    end
    if set.prime then set.prime() end
    return collate.batch(samples, set.types, ids), damaged
  end)
end

--- The data set that a source describes: {recipe = path, config = nested table, part = "train"},
-- or {module = name, arguments = table, part = ...}: the module is a function of the arguments
-- that returns a data set or a table of them.
function worker.open(source)
  if source.path then package.path = source.path end
  if source.recipe then
    return require("luatrain.recipe").load(source.recipe):open_data(source.config, source.part)
  end
  local made = require(source.module)
  if type(made) == "table" and not made.get then made = made.data end
  local set = type(made) == "function" and made(source.arguments or {}) or made
  return source.part and set[source.part] or set
end

-- The note of a result: what is not a tensor.
local function send(loader, job, batch, damaged)
  local note = {damaged = damaged, rest = {}}
  local Tensor = require "luatrain.tensor"
  for field, value in pairs(batch) do
    if Tensor.is_tensor(value) then
      check(C.lt_loader_emit(job, field, value.c))
    else
      note.rest[field] = value
    end
  end
  local text = buffer.encode(note)
  check(C.lt_loader_done(loader, job, text, #text))
end

-- Takes jobs until the loader closes.
local function work(pointer, text)
  _G.lt = require "luatrain"  -- there without a require, as in the program itself
  local loader = ffi.cast("lt_loader *", pointer)
  local job, bytes, size = ffi.new "lt_job *[1]", ffi.new "const char *[1]", ffi.new "int64_t[1]"
  local scope = require "luatrain.scope"
  local set = worker.open(buffer.decode(text))
  local function stop() return C.lt_loader_closing(loader) end
  while C.lt_loader_take(loader, job, bytes, size) == 0 do
    local task = buffer.decode(ffi.string(bytes[0], size[0]))
    scope.run(function() send(loader, job[0], worker.make(set, task, stop)) end)
  end
end

--- Body of a worker thread; called by the loader in C. An error leaves as the text "kind\1message",
-- kind being empty for what is no failure with an exit code.
function worker.main(pointer, text)
  local ok, e = pcall(work, pointer, text)
  if ok then return end
  local known = failure.of(e)
  error(("%s\1%s"):format(known and known.kind or "", tostring(e)), 0)
end

return worker
