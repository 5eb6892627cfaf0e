--- A database in one file: SQLite through FFI, loaded when a study is first opened.
--
--   local db = require("luatrain.sweep.sqlite").open("study.db", {create = true})
--   local rows, changed = db:query("SELECT number, state FROM luatrain_trials WHERE study = ?", 1)
--   rows[1][1], rows[1][2]
--   db:begin(); db:query(...); db:commit()
--
-- The journal is a write-ahead log and synchronous is FULL: what is committed survives a kill and a power
-- failure. Writers wait for each other for up to a minute.
local ffi = require "ffi"
local core = require "luatrain.core"
local failure = require "luatrain.failure"
local fs = require "luatrain.fs"
local library = require "luatrain.sweep.library"

local sqlite = {}

ffi.cdef [[
typedef struct sqlite3 sqlite3;
typedef struct sqlite3_stmt sqlite3_stmt;
int sqlite3_open_v2(const char *name, sqlite3 **db, int flags, const char *vfs);
int sqlite3_close_v2(sqlite3 *db);
int sqlite3_extended_result_codes(sqlite3 *db, int on);
int sqlite3_busy_timeout(sqlite3 *db, int milliseconds);
const char *sqlite3_errmsg(sqlite3 *db);
const char *sqlite3_errstr(int code);
int sqlite3_system_errno(sqlite3 *db);
int sqlite3_prepare_v2(sqlite3 *db, const char *sql, int bytes, sqlite3_stmt **out, const char **tail);
int sqlite3_bind_double(sqlite3_stmt *s, int i, double value);
int sqlite3_bind_int64(sqlite3_stmt *s, int i, int64_t value);
int sqlite3_bind_text(sqlite3_stmt *s, int i, const char *text, int bytes, intptr_t release);
int sqlite3_bind_null(sqlite3_stmt *s, int i);
int sqlite3_step(sqlite3_stmt *s);
int sqlite3_reset(sqlite3_stmt *s);
int sqlite3_finalize(sqlite3_stmt *s);
int sqlite3_column_count(sqlite3_stmt *s);
int sqlite3_column_type(sqlite3_stmt *s, int i);
double sqlite3_column_double(sqlite3_stmt *s, int i);
const char *sqlite3_column_text(sqlite3_stmt *s, int i);
int sqlite3_column_bytes(sqlite3_stmt *s, int i);
int sqlite3_changes(sqlite3 *db);
int sqlite3_get_autocommit(sqlite3 *db);
char *strerror(int number);
int usleep(unsigned microseconds);
]]

local OK, BUSY, LOCKED, NOTADB, FULL, IOERR, ROW, DONE = 0, 5, 6, 26, 13, 10, 100, 101
local CORRUPT, READONLY, CANTOPEN = 11, 8, 14
local READWRITE, CREATE = 2, 4
local INTEGER, FLOAT, NULL = 1, 2, 5
local COPY = ffi.cast("intptr_t", -1)  -- SQLITE_TRANSIENT: SQLite copies the text

local PATIENCE = 60  -- seconds that writers wait for each other

-- Written into the header of our files (PRAGMA application_id), so that others are recognised.
local APPLICATION = 0x4c547377

local C = library.on_demand({"libsqlite3.so.0", "sqlite3"},
  "a study in a file needs SQLite, which is not installed (package libsqlite3-0)")

--- True where the library is installed.
function sqlite.available() return (pcall(C)) end

local Database = {kind = "sqlite"}
Database.__index = Database

-- One line for what went wrong; `code` may be extended.
local function fail(self, code)
  local base = code % 256
  self.busy = base == BUSY or base == LOCKED
  local text = ffi.string(self.db ~= nil and C().sqlite3_errmsg(self.db) or C().sqlite3_errstr(code))
  if base == NOTADB then
    failure.raise("data", "%s: this file is no study: it is no SQLite database", self.path)
  elseif base == CORRUPT then
    failure.raise("data", "%s: the file is damaged (%s)", self.path, text)
  elseif base == FULL then
    failure.raise("io", "%s: the disk is full", self.path)
  elseif base == IOERR or base == CANTOPEN or base == READONLY then
    local number = self.db ~= nil and C().sqlite3_system_errno(self.db) or 0
    local reason = number ~= 0 and ffi.string(ffi.C.strerror(number)) or text
    failure.raise("io", "%s: cannot be read or written: %s", self.path, reason)
  elseif self.busy then
    failure.raise("io", "%s: another process has kept this file locked for a minute", self.path)
  end
  failure.raise("io", "%s: %s", self.path, text)
end

local function prepared(self, sql)
  local statement = self.statements[sql]
  if statement then return statement end
  local out = ffi.new "sqlite3_stmt *[1]"
  local code = C().sqlite3_prepare_v2(self.db, sql, #sql, out, nil)
  if code ~= OK then fail(self, code) end
  statement = out[0]
  self.statements[sql] = statement
  return statement
end

local function bind(self, statement, i, value)
  local code
  if value == nil then
    code = C().sqlite3_bind_null(statement, i)
  elseif type(value) == "number" then
    if value % 1 == 0 and math.abs(value) < 2 ^ 53 then
      code = C().sqlite3_bind_int64(statement, i, value)
    else
      code = C().sqlite3_bind_double(statement, i, value)
    end
  else
    code = C().sqlite3_bind_text(statement, i, value, #value, COPY)
  end
  if code ~= OK then fail(self, code) end
end

local function column(lib, statement, i)
  local kind = lib.sqlite3_column_type(statement, i)
  if kind == NULL then return nil end
  if kind == INTEGER or kind == FLOAT then return lib.sqlite3_column_double(statement, i) end
  return ffi.string(lib.sqlite3_column_text(statement, i), lib.sqlite3_column_bytes(statement, i))
end

--- Runs one statement; ? stand for the values behind it (numbers, texts, nil). Returns the rows, each a list
-- (nil for NULL), and how many rows were changed.
function Database:query(sql, ...)
  local lib = C()
  local statement = prepared(self, sql)
  for i = 1, select("#", ...) do bind(self, statement, i, (select(i, ...))) end
  local rows, columns = {}, lib.sqlite3_column_count(statement)
  local code = lib.sqlite3_step(statement)
  while code == ROW do
    local row = {}
    for i = 1, columns do row[i] = column(lib, statement, i - 1) end
    rows[#rows + 1] = row
    code = lib.sqlite3_step(statement)
  end
  lib.sqlite3_reset(statement)
  if code ~= DONE and code ~= OK then fail(self, code) end
  return rows, lib.sqlite3_changes(self.db)
end

--- A transaction that may write; it waits for those of other processes.
function Database:begin() self:query "BEGIN IMMEDIATE" end
function Database:commit() self:query "COMMIT" end

--- Undoes what an open transaction did; without one it does nothing.
function Database:rollback()
  if self.db ~= nil and C().sqlite3_get_autocommit(self.db) == 0 then pcall(self.query, self, "ROLLBACK") end
end

--- Whether an error may be gone when the transaction is tried again: never, SQLite itself waits.
function Database:lost_connection() return false end

--- Seconds since 1970, of the clock that all users of this database share.
function Database:now() return core.C.lt_clock() end

function Database:close()
  if self.db == nil then return end
  for _, statement in pairs(self.statements) do C().sqlite3_finalize(statement) end
  C().sqlite3_close_v2(ffi.gc(self.db, nil))
  self.db, self.statements = nil, {}
end

-- A file of something else is refused before anything is written to it.
local function recognise(self)
  -- In one statement: another process may make its tables meanwhile.
  local application, tables = unpack(self:query("SELECT application_id, (SELECT count(*) FROM sqlite_master) "
    .. "FROM pragma_application_id")[1], 1, 2)
  if application == APPLICATION then return end
  if tables > 0 or application ~= 0 then
    failure.raise("data", "%s: this file is no study: it is the SQLite database of another program",
      self.path)
  end
  self:query("PRAGMA application_id = " .. APPLICATION)
end

-- What is said once to each connection. SQLite does not wait while another process turns a new file's journal
-- into a log, so it is said again.
local function begin(self)
  local deadline = core.C.lt_time() + PATIENCE
  while true do
    local ok, e = pcall(function()
      recognise(self)
      self:query "PRAGMA journal_mode = WAL"
      self:query "PRAGMA synchronous = FULL"
    end)
    if ok then return end
    if not self.busy or core.C.lt_time() > deadline then
      self:close()
      error(e, 0)
    end
    ffi.C.usleep(10000)
  end
end

--- Opens a file. options: create (make it, with its folder, where it is missing; else that is an error).
function sqlite.open(path, options)
  local lib = C()
  local create = options and options.create
  local info = fs.stat(path)
  if info and info.kind ~= "file" then
    failure.raise("data", "%s: this is no study but a %s", path, info.kind)
  elseif not info and not create then
    failure.raise("data", "%s: there is no such study; it is made by run", path)
  end
  if create then fs.mkdir(fs.dirname(path)) end
  local out = ffi.new "sqlite3 *[1]"
  local self = setmetatable({path = path, statements = {}}, Database)
  local code = lib.sqlite3_open_v2(path, out, READWRITE + (create and CREATE or 0), nil)
  self.db = ffi.gc(out[0], lib.sqlite3_close_v2)
  if code ~= OK then fail(self, code) end
  lib.sqlite3_extended_result_codes(self.db, 1)
  lib.sqlite3_busy_timeout(self.db, PATIENCE * 1000)
  begin(self)
  return self
end

return sqlite
