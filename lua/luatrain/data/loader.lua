--- The loader: batches of a data set in an order fixed by (seed, epoch), made here or by worker
-- threads, the same whatever their number.
local ffi = require "ffi"
local buffer = require "string.buffer"
local core = require "luatrain.core"
local options = require "luatrain.options"
local failure = require "luatrain.failure"
local worker = require "luatrain.data.worker"
local C, check = core.C, core.check

local Loader = {}
Loader.__index, Loader.__name = Loader, "loader"
local loader = {}

local DEFAULTS = {batch_size = 1, shuffle = false, seed = 1, drop_last = false, workers = 0,
  source = options.none, prefetch = 2, max_damaged = 0.05}

--- Makes a loader over a data set. Options:
--   batch_size 1, shuffle false, seed 1, drop_last false (leave out a shorter last batch),
--   workers 0: threads that read ahead; they need `source`, which says how to make the data set
--     again in a Lua state of their own: {module = "my.set", arguments = {...}} or, from a
--     recipe, {recipe = path, config = config, part = "train"},
--   prefetch 2: batches under way for each worker,
--   max_damaged 0.05: share of the samples that may be damaged before it is an error.
function loader.new(set, given)
  local self = setmetatable(options.read("loader", given, DEFAULTS), Loader)
  self.set = set
  self.damaged, self.is_damaged = {}, {}   -- list of {index, id, text}, each sample once; by index
  self.seen, self.number = 0, 0            -- of the batch delivered last, from 1 within its epoch
  if self.batch_size < 1 or self.batch_size % 1 ~= 0 then
    core.fail("loader: batch_size is %s, wanted a whole number from 1", tostring(self.batch_size))
  end
  if self.workers > 0 and not self.source then
    core.fail("loader: worker threads need `source`, which tells them how to make the data set")
  end
  return self
end

function Loader:__tostring()
  local show = require "luatrain.show"
  return ("loader: %s of %s from %s, %s%s"):format(show.plural(self:batches(), "batch"),
    show.count(self.batch_size), show.plural(self:size(), "sample"),
    self.shuffle and ("shuffled (seed %s)"):format(tostring(self.seed)) or "in order",
    self.workers > 0 and ", " .. show.plural(self.workers, "worker") or "")
end

--- Number of samples.
function Loader:size() return self.set:size() end

--- Number of batches in an epoch.
function Loader:batches()
  local n = self.set:size() / self.batch_size
  return self.drop_last and math.floor(n) or math.ceil(n)
end

--- Number of samples batch `number` holds when none is damaged.
function Loader:planned(number)
  return math.min(self.batch_size, self.set:size() - (number - 1) * self.batch_size)
end

-- The group of every sample, as a C array; made once.
local function groups_of(self)
  if not self.groups then
    local n = self.set:size()
    self.groups = ffi.new("int32_t[?]", math.max(n, 1))
    for i = 1, n do self.groups[i - 1] = self.set.group(i) end
  end
  return self.groups
end

-- The samples' positions of one epoch, as a C array from 0.
local function order_of(self, epoch)
  local n = self.set:size()
  local order = ffi.new("int64_t[?]", math.max(n, 1))
  if self.shuffle and self.set.group and self.set.window then
    check(C.lt_loader_order_grouped(order, n, groups_of(self), self.set.window, self.seed, epoch))
  elseif self.shuffle then
    C.lt_loader_order(order, n, self.seed, epoch)
  else
    for i = 0, n - 1 do order[i] = i end
  end
  return order
end

local function job_of(self, order, epoch, number)
  local indices, from = {}, (number - 1) * self.batch_size
  for k = 1, self:planned(number) do indices[k] = tonumber(order[from + k - 1]) + 1 end
  return {epoch = epoch, seed = self.seed, indices = indices}
end

-- Remembers damaged samples; raises when they are too many.
local function account(self, damaged, planned)
  self.seen = self.seen + planned
  for _, one in ipairs(damaged) do
    if not self.is_damaged[one.index] then
      self.is_damaged[one.index] = true
      table.insert(self.damaged, one)
      if self.on_damaged then self.on_damaged(one) end
    end
  end
  local count, n = #self.damaged, self.set:size()
  if count == 0 then return end
  local all = count == self.seen and (count >= 8 or count == n)
  if all or (count > self.max_damaged * n and count > 1) or (count == 1 and self.max_damaged == 0) then
    local one = self.damaged[1]
    failure.raise("data", "%d of %d samples are damaged, a share of %g is allowed (max_damaged); "
      .. "the first, %s: %s", count, n, self.max_damaged, one.id, one.text)
  end
end

-- ---- in this process ----------------------------------------------------------------------------
local function make_here(self, job)
  local generator = require("luatrain.random").default
  local state, threads = generator:get_state(), C.lt_threads()
  C.lt_set_threads(1)
  local ok, batch, damaged = pcall(worker.make, self.set, job)
  C.lt_set_threads(threads)
  generator:set_state(state)
  state:release()
  if not ok then error(batch, 0) end
  return batch, damaged
end

--- Batch `number` of an epoch, made in this process, whatever comes before or after.
function Loader:one(epoch, number)
  local batch, damaged = make_here(self, job_of(self, order_of(self, epoch), epoch, number))
  batch.number = number
  return batch, damaged
end

-- ---- worker threads -----------------------------------------------------------------------------
local note, size, count = ffi.new "const char *[1]", ffi.new "int64_t[1]", ffi.new "int32_t[1]"
local name = ffi.new "const char *[1]"

local function open_threads(self)
  local source = {path = package.path}
  for key, value in pairs(self.source) do source[key] = value end
  local text = buffer.encode(source)
  local out = ffi.new "lt_loader *[1]"
  check(C.lt_loader_open(out, self.workers, text, #text))
  self.handle = ffi.gc(out[0], C.lt_loader_close)
end

local function receive(self)
  if C.lt_loader_next(self.handle, note, size, count) ~= 0 then
    local kind, text = ffi.string(C.lt_error()):match "^(.-)\1(.*)$"
    failure.raise(kind and kind ~= "" and kind or "run", "loader worker: %s",
      text or ffi.string(C.lt_error()))
  end
  local Tensor = require "luatrain.tensor"
  local message = buffer.decode(ffi.string(note[0], size[0]))
  local batch = message.rest
  for i = 0, count[0] - 1 do
    local c = ffi.new "lt_tensor"
    check(C.lt_loader_tensor(self.handle, i, c, name))
    batch[ffi.string(name[0])] = Tensor.wrap(c)
  end
  return batch, message.damaged
end

--- Ends the worker threads. A loader may be used again afterwards.
function Loader:close()
  if self.handle ~= nil then
    local handle = self.handle
    self.handle = nil
    C.lt_loader_close(ffi.gc(handle, nil))
  end
end

-- ---- iteration ----------------------------------------------------------------------------------
-- A function that returns batch after batch, each once, in order.
local function source_of_batches(self, epoch, from)
  local order, last = order_of(self, epoch), self:batches()
  if self.workers == 0 then
    return function(number) return make_here(self, job_of(self, order, epoch, number)) end
  end
  if self.handle == nil then open_threads(self) end
  C.lt_loader_flush(self.handle)
  local ahead = from
  return function(number)
    while ahead <= last and ahead < number + self.workers * self.prefetch do
      local text = buffer.encode(job_of(self, order, epoch, ahead))
      check(C.lt_loader_put(self.handle, text, #text))
      ahead = ahead + 1
    end
    return receive(self)
  end
end

--- Iterates over the batches of an epoch (from 1), beginning with batch `from` (default 1):
--   for batch in loader:epoch(3) do ... end
-- A batch has the samples' fields, `ids`, `size` and `number`. Batches whose samples are all damaged
-- are passed over. Leaving early is fine. Only one epoch of a loader is iterated at a time.
function Loader:epoch(epoch, from)
  local number, last = (from or 1) - 1, self:batches()
  local fetch = source_of_batches(self, epoch or 1, number + 1)
  return function()
    while number < last do
      number = number + 1
      local batch, damaged = fetch(number)
      self.number = number
      account(self, damaged, self:planned(number))
      if batch.size > 0 then
        batch.number = number
        return batch
      end
    end
    return nil
  end
end

return loader
