--- Who releases a tensor: the innermost open scope, or the collector outside all scopes.
local ffi = require "ffi"
local core = require "luatrain.core"
local C = core.C

local scope = {}
local spare_lists = {}   -- empty ones, grown already
local current            -- list of the innermost scope's tensors, nil outside
local fresh_bytes = 0    -- allocated outside scopes since the last collection
local Tensor             -- the class, set by tensor.lua

local function release(t)
  C.lt_tensor_release(t.c)
end

--- Collects and returns cached memory; for an allocation that failed.
function scope.reclaim()
  collectgarbage()
  collectgarbage()
  C.lt_memory_trim()
  fresh_bytes = 0
end

-- The collector sees 152 bytes, not the storage behind them: count those here and collect in time.
local stats = ffi.new "lt_memory_stats"
local function collected(t)
  ffi.gc(t.c, C.lt_tensor_release)
  if t.c.storage ~= nil then fresh_bytes = fresh_bytes + tonumber(t.c.storage.bytes) end
  if fresh_bytes > 268435456 then
    C.lt_memory(stats)
    if fresh_bytes > tonumber(stats.live) / 2 then
      fresh_bytes = 0
      collectgarbage()
    end
  end
end

--- Gives a fresh tensor to its owner; returns it.
function scope.own(t)
  local list = current
  if list then
    local n = list.n + 1
    list.n = n
    list[n] = t
  else
    collected(t)
  end
  return t
end

--- Takes a tensor out of its scope: the collector owns it from now on. Returns the tensor.
-- Tensors reached through tables are kept too.
function scope.keep(t)
  if getmetatable(t) == Tensor then
    if not t.kept then
      t.kept = true
      if current then ffi.gc(t.c, C.lt_tensor_release) end
    end
  elseif type(t) == "table" then
    for _, v in pairs(t) do
      if type(v) == "table" then scope.keep(v) end
    end
  end
  return t
end

local function mark(value, set, depth)
  if getmetatable(value) == Tensor then
    set[value] = true
  elseif type(value) == "table" and depth < 4 then
    for _, v in pairs(value) do
      if type(v) == "table" then mark(v, set, depth + 1) end
    end
  end
end

local function close(list, outer, results, n)
  current = outer
  local returned
  for i = 1, n do
    if type(results[i]) == "table" then
      returned = returned or {}
      mark(results[i], returned, 0)
    end
  end
  for i = 1, list.n do
    local t = list[i]
    list[i] = nil
    if returned and returned[t] then
      if not t.kept then scope.own(t) end
    elseif not t.kept then
      release(t)
    end
  end
  list.n = 0
  spare_lists[#spare_lists + 1] = list
end

local function pack(...)
  return select("#", ...), { ... }
end

--- Runs f(...) and releases at its end, also on error, every tensor made inside that f did not
-- return (alone or within tables).
--   local loss = lt.scope(function() return model(x):mean() end)
function scope.run(f, ...)
  local outer, list = current, table.remove(spare_lists) or { n = 0 }
  current = list
  local n, results = pack(core.protect(f, ...))
  if not results[1] then
    close(list, outer, results, 0)
    for _, restore in ipairs(core.on_raise) do restore() end
    error(results[2], 0)
  end
  close(list, outer, results, n)
  return unpack(results, 2, n)
end

--- True inside a scope.
function scope.open()
  return current ~= nil
end

--- What scope.restore wants, to leave scopes that an interrupt cut off at a bad moment.
function scope.mark()
  return current
end

--- Makes the scope of a mark the innermost one again; the tensors of those inside go to the collector.
function scope.restore(innermost)
  if current == innermost then return end
  local list = current
  current = innermost
  for i = 1, list and list.n or 0 do
    if not list[i].kept then collected(list[i]) end
  end
end

--- Bytes in live tensors, their peak, bytes cached for reuse, number of live storages, bytes
-- allocated and allocations made since start: {live, peak, cached, storages, fresh, allocations}.
function scope.memory()
  C.lt_memory(stats)
  return { live = tonumber(stats.live), peak = tonumber(stats.peak),
    cached = tonumber(stats.cached), storages = tonumber(stats.storages),
    fresh = tonumber(stats.fresh), allocations = tonumber(stats.allocations) }
end

--- The class of tensors says here which it is, once.
function scope.set_class(class)
  Tensor = class
end

return scope
