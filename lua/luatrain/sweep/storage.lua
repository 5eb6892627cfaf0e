--- Where studies live: one file (SQLite) or a PostgreSQL server, the same three tables in both.
--
--   luatrain_studies   name, what the study is (JSON), the next trial's number, the number of its last change
--   luatrain_parents   the processes that run studies: who they are and when they were last heard of
--   luatrain_trials    a row a trial; `change` numbers the transactions, so that readers ask for the news
--
-- A trial is waiting, running, done, pruned or failed. Only its owner ends it, by its attempt's number: a
-- parent that was taken for dead and comes back changes nothing. Every change of a study first counts up its
-- `change`, which also keeps other writers out until the commit: the numbers become visible in their order.
local ffi = require "ffi"
local core = require "luatrain.core"
local failure = require "luatrain.failure"
local json = require "luatrain.json"
local C = core.C

local storage = {}

ffi.cdef [[
int usleep(unsigned microseconds);
intptr_t readlink(const char *path, char *text, size_t bytes);
double strtod(const char *text, char **end);
]]

local FORMAT = 1

-- %s: the type of a row's own number.
local TABLES = {
  [[CREATE TABLE IF NOT EXISTS luatrain_format (version BIGINT NOT NULL)]],
  [[CREATE TABLE IF NOT EXISTS luatrain_studies (id %s, name TEXT NOT NULL UNIQUE, spec TEXT NOT NULL,
    next BIGINT NOT NULL, change BIGINT NOT NULL, created DOUBLE PRECISION NOT NULL)]],
  [[CREATE TABLE IF NOT EXISTS luatrain_parents (id TEXT PRIMARY KEY, study BIGINT NOT NULL,
    host TEXT NOT NULL, place TEXT NOT NULL, pid BIGINT NOT NULL, born TEXT NOT NULL,
    heartbeat DOUBLE PRECISION NOT NULL)]],
  [[CREATE TABLE IF NOT EXISTS luatrain_trials (study BIGINT NOT NULL, number BIGINT NOT NULL,
    state TEXT NOT NULL, change BIGINT NOT NULL, owner TEXT, attempt BIGINT NOT NULL, lost BIGINT NOT NULL,
    params TEXT NOT NULL, distributions TEXT NOT NULL, reports TEXT NOT NULL, outcome TEXT, message TEXT,
    started DOUBLE PRECISION, finished DOUBLE PRECISION, PRIMARY KEY (study, number))]],
  [[CREATE INDEX IF NOT EXISTS luatrain_changes ON luatrain_trials (study, change)]],
  [[CREATE INDEX IF NOT EXISTS luatrain_open ON luatrain_trials (study, state, number)
    WHERE state IN ('running', 'waiting')]],
}

local Storage = {}
Storage.__index = Storage

-- ---- who this process is ------------------------------------------------------------------------

local function first_line(path)
  local file = io.open(path, "r")
  local text = file and file:read "*l"
  if file then file:close() end
  return text
end

-- When a process of this machine was born, in ticks since the start of the machine; nil where there is none.
local function born(pid)
  local text = first_line(("/proc/%d/stat"):format(pid))
  -- The second field, the program's name in brackets, may hold anything.
  local rest = text and text:match "^.*%)%s+(.*)$"
  if not rest or rest:match "^[ZX]" then return nil end
  local n = 0
  for word in rest:gmatch "%S+" do
    n = n + 1
    if n == 20 then return word end
  end
end

-- Names the set of processes whose numbers mean the same as here: this start of this machine, and the
-- namespace of process numbers. "" where the system does not say.
local own_place
local function place()
  if not own_place then
    local boot = first_line "/proc/sys/kernel/random/boot_id" or ""
    local text = ffi.new "char[256]"
    local n = tonumber(ffi.C.readlink("/proc/self/ns/pid", text, 256))
    own_place = n > 0 and boot .. " " .. ffi.string(text, n) or ""
  end
  return own_place
end

--- Facts about this process by which others see whether it lives: {id, host, place, pid, born}.
function storage.identity()
  local pid = C.lt_getpid()
  local self = {host = ffi.string(C.lt_host_name()), place = place(), pid = pid, born = born(pid) or ""}
  self.id = ("%s-%d-%s-%.0f"):format(self.host, pid, self.born, C.lt_clock() * 1e6)
  return self
end

-- ---- opening ------------------------------------------------------------------------------------

--- Calls f(db); where the server is gone it is tried again for a minute (once, where a signal has come), so f
-- may run more than once, and must do no harm by that.
function Storage:with(f)
  local db, deadline, tries = self.db, C.lt_time() + 60, 0
  while true do
    local ok, result = pcall(f, db)
    if ok then return result end
    db:rollback()
    tries = tries + 1
    local patient = tries == 1 or C.lt_time() < deadline and C.lt_signal_pending() == 0
    if not (db:lost_connection() and patient) then error(result, 0) end
    ffi.C.usleep(250000)
  end
end

--- Calls f(db) as one transaction, tried again where the server was gone. Returns what f does.
function Storage:transaction(f)
  return self:with(function(db)
    db:begin()
    local result = f(db)
    db:commit()
    return result
  end)
end

-- The rows of one query outside transactions.
local function query(self, sql, ...)
  local arguments, n = {...}, select("#", ...)
  return self:with(function(db) return (db:query(sql, unpack(arguments, 1, n))) end)
end

-- Whether the tables are there; refuses those of another version of luatrain.
local function has_tables(db)
  local sql = db.kind == "sqlite"
    and "SELECT count(*) FROM sqlite_master WHERE name = 'luatrain_format'"
    or "SELECT count(*) FROM pg_catalog.pg_class WHERE relname = 'luatrain_format' "
      .. "AND pg_table_is_visible(oid)"
  if db:query(sql)[1][1] == 0 then return false end
  local row = db:query("SELECT version FROM luatrain_format")[1]
  if not row then return false end
  if row[1] ~= FORMAT then
    failure.raise("data", "%s: the studies in it are of format %d, this luatrain knows %d", db.path, row[1],
      FORMAT)
  end
  return true
end

local function make_tables(self)
  local own = self.db.kind == "sqlite" and "INTEGER PRIMARY KEY" or "BIGSERIAL PRIMARY KEY"
  self:transaction(function(db)
    -- CREATE TABLE IF NOT EXISTS of two sessions at once collides in PostgreSQL: one after the other.
    if db.kind == "postgres" then db:query "SELECT pg_advisory_xact_lock(5521487)" end
    if has_tables(db) then return end
    for _, sql in ipairs(TABLES) do db:query((sql:gsub("%%s", own))) end
    db:query("INSERT INTO luatrain_format (version) VALUES (?)", FORMAT)
  end)
end

--- Opens a storage: a path, or a postgresql:// URL. options: create (make what is missing).
function storage.open(where, options)
  local create = options and options.create
  local postgres = require "luatrain.sweep.postgres"
  local db = postgres.is_url(where) and postgres.open(where)
    or require("luatrain.sweep.sqlite").open(where, {create = create})
  local self = setmetatable({db = db, path = db.path}, Storage)
  if not has_tables(db) then
    if create then
      make_tables(self)
    else
      failure.raise("data", "%s: there is no study in it; they are made by run", self.path)
    end
  end
  return self
end

function Storage:close() self.db:close() end

-- ---- studies ------------------------------------------------------------------------------------

--- Names of the studies in this storage, a sorted list.
function Storage:names()
  local names = {}
  local rows = query(self, "SELECT name FROM luatrain_studies ORDER BY name")
  for i, row in ipairs(rows) do names[i] = row[1] end
  return names
end

--- A study by name: {id, name, spec (decoded), next}; nil where there is none.
function Storage:study(name)
  local row = query(self, "SELECT id, name, spec, next FROM luatrain_studies WHERE name = ?", name)[1]
  return row and {id = row[1], name = row[2], spec = json.decode(row[3]), next = row[4]}
end

--- Makes a study unless there is one of this name; returns it as it now stands. spec: a table for JSON.
function Storage:make_study(name, spec)
  local text = json.encode(spec, {pretty = false})
  self:transaction(function(db)
    db:query("INSERT INTO luatrain_studies (name, spec, next, change, created) VALUES (?, ?, 0, 0, ?) "
      .. "ON CONFLICT (name) DO NOTHING", name, text, db:now())
  end)
  return self:study(name)
end

-- ---- texts --------------------------------------------------------------------------------------

-- {name = number} as JSON; NaN and infinities as texts.
local function numbers_text(map)
  local parts = {}
  for i, name in ipairs(core.sorted_keys(map)) do
    local x = map[name]
    local value = (x ~= x or math.abs(x) == math.huge) and '"' .. tostring(x) .. '"' or json.number(x)
    parts[i] = json.encode(tostring(name), {pretty = false}) .. ":" .. value
  end
  return "{" .. table.concat(parts, ",") .. "}"
end
storage.numbers_text = numbers_text

local QUOTE, COMMA, BRACE = ('",}'):byte(1, 3)
local stop = ffi.new "char *[1]"

-- {name = number} of a text that numbers_text wrote, nil where it holds something else: names with quotes or
-- backslashes. In this way it is compiled, and several times as fast as a parser: a study may have 100,000.
local function plain_numbers(text, as)
  local map, bytes, at = {}, ffi.cast("const char *", text), 2
  while true do
    local last = text:find('":', at + 1, true)
    if not last or bytes[at - 1] ~= QUOTE then return nil end
    local name = text:sub(at + 1, last - 1)
    if name:find("\\", 1, true) or name:find('"', 1, true) then return nil end
    local start = bytes + last + (bytes[last + 1] == QUOTE and 2 or 1)
    local value = ffi.C.strtod(start, stop)
    local behind = tonumber(stop[0] - bytes)
    if stop[0] == start then return nil end
    if bytes[behind] == QUOTE then behind = behind + 1 end
    map[as and as(name) or name] = value
    if bytes[behind] == BRACE then return map end
    if bytes[behind] ~= COMMA then return nil end
    at = behind + 2
  end
end

--- The way back.
-- @param as what the names are: tonumber for steps
function storage.numbers(text, as)
  if text == "{}" then return {} end
  local map = plain_numbers(text, as)
  if map then return map end
  map = {}
  for name, value in pairs(json.decode(text)) do map[as and as(name) or name] = tonumber(value) end
  return map
end

-- ---- reading ------------------------------------------------------------------------------------

local COLUMNS = "number, state, change, attempt, lost, params, distributions, reports, outcome, message, "
  .. "started, finished"

-- A row as a table of numbers and texts by name; those that are to be read yet are called so.
local function named(row)
  return {number = row[1], state = row[2], change = row[3], attempt = row[4], lost = row[5],
    params_text = row[6], distributions_text = row[7], reports_text = row[8], outcome_text = row[9],
    message = row[10], started = row[11], finished = row[12]}
end

--- The trials that were changed after the change of that number (0: all), in order of their numbers, as
-- tables {number, state, change, attempt, lost, params_text, distributions_text, reports_text, outcome_text,
-- message, started, finished}; and the number of the newest change among them.
function Storage:changes(study, since)
  local all = "SELECT " .. COLUMNS .. " FROM luatrain_trials WHERE study = ?"
  local rows = since == 0 and query(self, all .. " ORDER BY number", study)
    or query(self, all .. " AND change > ? ORDER BY number", study, since)
  local newest = since
  for i, row in ipairs(rows) do
    rows[i] = named(row)
    newest = math.max(newest, rows[i].change)
  end
  return rows, newest
end

--- The parents of a study that are alive, or not known to be dead: {id, host, pid, age (seconds since they
-- were heard of)}.
function Storage:parents(study, grace)
  return self:with(function(db)
    local living, now = {}, db:now()
    for _, row in ipairs(db:query("SELECT id, host, place, pid, born, heartbeat FROM luatrain_parents "
      .. "WHERE study = ? ORDER BY id", study)) do
      local one = {id = row[1], host = row[2], place = row[3], pid = row[4], born = row[5],
        age = now - row[6]}
      if not storage.is_dead(one, grace) then living[#living + 1] = one end
    end
    return living
  end)
end

--- Whether a parent is gone: at once where it ran among the same processes, else when it has been silent for
-- `grace` seconds.
function storage.is_dead(parent, grace)
  if parent.place ~= "" and parent.place == place() then
    return born(parent.pid) ~= parent.born
  end
  return parent.age > grace
end

for name, f in pairs(require "luatrain.sweep.storage_write") do Storage[name] = f end

return storage
